//! What was learned of pairs of devices.

use rusqlite::{Connection, params};

use super::{NoAnswer, StoreHandle};
use crate::pure::audio::pair::{MOST_PAIRS, Pair};
use crate::pure::audio::speakerphone::Learned;

impl StoreHandle {
    /// Keeps what was learned of pairs of devices, in the place of what was known of the same: the last 32. Never waits.
    pub fn keep_pairs(&self, pairs: Vec<Pair>) {
        self.write("what was learned of the devices", move |keeper| {
            keep_pairs(&keeper.connection, &pairs)
        });
    }

    /// Returns what was learned of pairs of devices, the newest last.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn pairs(&self) -> Result<Vec<Pair>, NoAnswer> {
        self.ask(|keeper| pairs(&keeper.connection)).await
    }
}

fn keep_pairs(connection: &Connection, pairs: &[Pair]) -> rusqlite::Result<()> {
    let change = connection.unchecked_transaction()?;
    for pair in pairs {
        change.execute(
            "INSERT OR REPLACE INTO device_pair (capture, playout, lead_blocks, drift_ppm) VALUES (?1, ?2, ?3, ?4)",
            params![
                pair.capture,
                pair.playout,
                pair.learned.lead_blocks(),
                pair.learned.drift_ppm()
            ],
        )?;
    }
    change.execute(
        "DELETE FROM device_pair WHERE n NOT IN (SELECT n FROM device_pair ORDER BY n DESC LIMIT ?1)",
        params![i64::try_from(MOST_PAIRS).unwrap_or(i64::MAX)],
    )?;
    change.commit()
}

fn pairs(connection: &Connection) -> rusqlite::Result<Vec<Pair>> {
    let mut query = connection
        .prepare("SELECT capture, playout, lead_blocks, drift_ppm FROM device_pair ORDER BY n")?;
    let rows = query.query_map([], |row| {
        let learned = Learned::new(row.get(2)?, row.get(3)?);
        Ok(learned.map(|learned| {
            Ok(Pair {
                capture: row.get(0)?,
                playout: row.get(1)?,
                learned,
            })
        }))
    })?;
    rows.filter_map(Result::transpose)
        .map(|pair| pair?)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: i32) -> Pair {
        Pair {
            capture: format!("microphone {n}"),
            playout: "the speaker".to_owned(),
            learned: Learned::new(-n, 0.5 + f64::from(n)).expect("a number"),
        }
    }

    #[tokio::test]
    async fn what_was_learned_of_devices_survives_a_restart_the_newest_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        assert_eq!(store.pairs().await, Ok(Vec::new()));
        for n in 0..40 {
            store.keep_pairs(vec![pair(n)]);
        }
        // What is learned anew of two devices is all that is known of them.
        let anew = Pair {
            learned: Learned::new(7, -3.0).expect("a number"),
            ..pair(20)
        };
        store.keep_pairs(vec![anew.clone()]);
        store.flush().await;
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        let mut expected: Vec<Pair> = (8..40).filter(|n| *n != 20).map(pair).collect();
        expected.push(anew);
        assert_eq!(store.pairs().await, Ok(expected));
    }
}
