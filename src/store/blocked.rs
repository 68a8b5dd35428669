//! Who is blocked, and how often that was of use.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{NoAnswer, StoreHandle};
use crate::pure::book::blocked::{Blocked, Pattern};
use crate::pure::time::rfc3339;

impl StoreHandle {
    /// Returns the whole block list, the oldest entry first.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn blocked(&self) -> Result<Vec<Blocked>, NoAnswer> {
        self.ask(|keeper| all(&keeper.connection)).await
    }

    /// Blocks whom a pattern means; one that is there already gets the new note.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be kept.
    pub async fn block(&self, pattern: Pattern, note: String) -> Result<Blocked, NoAnswer> {
        self.ask(move |keeper| {
            keeper.connection.execute(
                "INSERT INTO blocked (pattern, note, since, hits) VALUES (?1, ?2, ?3, 0) \
                 ON CONFLICT (pattern) DO UPDATE SET note = ?2",
                params![pattern.as_str(), note, rfc3339(SystemTime::now())],
            )?;
            keeper.refresh()?;
            keeper.connection.query_row(
                &format!("{COLUMNS} WHERE pattern = ?1"),
                params![pattern.as_str()],
                read,
            )
        })
        .await
    }

    /// Takes an entry off the list, and returns it if there was such.
    ///
    /// # Errors
    /// [`NoAnswer`] where that cannot be kept.
    pub async fn unblock(&self, id: i64) -> Result<Option<Blocked>, NoAnswer> {
        self.ask(move |keeper| {
            let entry = keeper
                .connection
                .query_row(&format!("{COLUMNS} WHERE id = ?1"), params![id], read)
                .optional()?;
            keeper
                .connection
                .execute("DELETE FROM blocked WHERE id = ?1", params![id])?;
            keeper.refresh()?;
            Ok(entry)
        })
        .await
    }

    /// Counts a call that an entry kept away. Never waits.
    pub fn count_blocked(&self, id: i64, at: SystemTime) {
        self.write("a blocked call", move |keeper| {
            keeper.connection.execute(
                "UPDATE blocked SET hits = hits + 1, last_hit = ?2 WHERE id = ?1",
                params![id, rfc3339(at)],
            )?;
            Ok(())
        });
    }
}

const COLUMNS: &str = "SELECT id, pattern, note, since, hits, last_hit FROM blocked";

fn read(row: &Row<'_>) -> rusqlite::Result<Blocked> {
    Ok(Blocked {
        id: row.get(0)?,
        pattern: row.get(1)?,
        note: row.get(2)?,
        since: row.get(3)?,
        hits: u64::try_from(row.get::<_, i64>(4)?).unwrap_or(0),
        last_hit: row.get(5)?,
    })
}

/// Reads every entry, the oldest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Blocked>> {
    let mut query = connection.prepare(&format!("{COLUMNS} ORDER BY id"))?;
    let rows = query.query_map([], read)?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::pure::ids::Party;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, None).expect(text)
    }

    #[tokio::test]
    async fn whoever_is_blocked_is_known_at_once_and_every_hit_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let caller = Party::parse("+19005550100");
        assert_eq!(store.known().blocked.entry_for(&caller), None);
        let entry = store
            .block(pattern("+1900*"), "premium".to_owned())
            .await
            .expect("kept");
        assert_eq!((entry.hits, entry.last_hit.as_deref()), (0, None));
        assert_eq!(store.known().blocked.entry_for(&caller), Some(entry.id));
        for n in 0..3 {
            store.count_blocked(entry.id, UNIX_EPOCH + Duration::from_secs(n));
        }
        let again = store.block(pattern("+1900*"), "still".to_owned()).await;
        let again = again.expect("kept");
        assert_eq!(
            (again.id, again.note.as_str(), again.hits),
            (entry.id, "still", 3)
        );
        assert_eq!(again.last_hit.as_deref(), Some("1970-01-01T00:00:02Z"));
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        assert_eq!(store.known().blocked.entry_for(&caller), Some(entry.id));
        assert_eq!(store.blocked().await, Ok(vec![again.clone()]));
        assert_eq!(store.unblock(entry.id).await, Ok(Some(again)));
        assert_eq!(store.unblock(entry.id).await, Ok(None));
        assert_eq!(store.known().blocked.entry_for(&caller), None);
    }
}
