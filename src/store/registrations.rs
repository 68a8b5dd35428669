//! Which browsers are registered, and until when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};

use super::{NoAnswer, StoreHandle};
use crate::pure::ids::Identity;

impl StoreHandle {
    /// Keeps a registration, in the place of an older one of the same identity. Never waits.
    pub fn keep_registration(&self, identity: &Identity, until: SystemTime) {
        let identity = identity.clone();
        self.write("a registration", move |keeper| {
            keep(&keeper.connection, &identity, until)
        });
    }

    /// Returns the registrations that are still good, the oldest first.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn registrations(
        &self,
        now: SystemTime,
    ) -> Result<Vec<(Identity, SystemTime)>, NoAnswer> {
        self.ask(move |keeper| registrations(&keeper.connection, now))
            .await
    }
}

fn keep(connection: &Connection, identity: &Identity, until: SystemTime) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO registration VALUES (?1, ?2) ON CONFLICT (identity) DO UPDATE SET until_ms = ?2",
        params![identity.as_str(), millis(until)],
    )?;
    Ok(())
}

fn registrations(
    connection: &Connection,
    now: SystemTime,
) -> rusqlite::Result<Vec<(Identity, SystemTime)>> {
    connection.execute(
        "DELETE FROM registration WHERE until_ms <= ?1",
        params![millis(now)],
    )?;
    let mut query =
        connection.prepare("SELECT identity, until_ms FROM registration ORDER BY until_ms")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    let mut list = Vec::new();
    for row in rows {
        let (name, until) = row?;
        if let Ok(identity) = Identity::parse(&name) {
            list.push((
                identity,
                UNIX_EPOCH + Duration::from_millis(u64::try_from(until).unwrap_or(0)),
            ));
        }
    }
    Ok(list)
}

fn millis(moment: SystemTime) -> i64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        Identity::parse(name).expect("valid")
    }

    #[tokio::test]
    async fn a_registration_survives_a_restart_until_it_is_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let until = now + Duration::from_secs(3_600);
        let store = StoreHandle::open(folder.path()).expect("it opens");
        store.keep_registration(&identity("kitchen"), now + Duration::from_secs(5));
        store.keep_registration(&identity("kitchen"), until);
        store.keep_registration(&identity("gone"), now);
        assert_eq!(
            store.registrations(now).await,
            Ok(vec![(identity("kitchen"), until)])
        );
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        assert_eq!(
            store.registrations(now).await,
            Ok(vec![(identity("kitchen"), until)])
        );
        assert_eq!(store.registrations(until).await, Ok(Vec::new()));
    }
}
