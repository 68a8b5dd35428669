//! What a person has changed while the telephone ran: it stands above the settings of the next start.

use rusqlite::{Connection, params};

use super::{NoAnswer, StoreHandle};

impl StoreHandle {
    /// Keeps all that is changed, by name and as it stands in the environment, in the place of what was kept.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be kept.
    pub async fn keep_settings(&self, changed: Vec<(String, String)>) -> Result<(), NoAnswer> {
        self.ask(move |keeper| keep(&keeper.connection, &changed))
            .await
    }

    /// Returns what is changed, by name and as it stands in the environment.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn settings(&self) -> Result<Vec<(String, String)>, NoAnswer> {
        self.ask(|keeper| settings(&keeper.connection)).await
    }
}

fn keep(connection: &Connection, changed: &[(String, String)]) -> rusqlite::Result<()> {
    let change = connection.unchecked_transaction()?;
    change.execute("DELETE FROM setting", [])?;
    for (name, value) in changed {
        change.execute(
            "INSERT INTO setting (name, value) VALUES (?1, ?2)",
            params![name, value],
        )?;
    }
    change.commit()
}

fn settings(connection: &Connection) -> rusqlite::Result<Vec<(String, String)>> {
    let mut query = connection.prepare("SELECT name, value FROM setting ORDER BY name")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_changed_survives_a_restart_and_what_is_given_up_does_not() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        assert_eq!(store.settings().await, Ok(Vec::new()));
        let both = vec![pair("ring", "desk"), pair("volume", "40")];
        store.keep_settings(both).await.expect("kept");
        let one = vec![pair("volume", "50")];
        store.keep_settings(one.clone()).await.expect("kept");
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        assert_eq!(store.settings().await, Ok(one));
    }
}
