//! The thread that owns the database: registrations now, history later.
//!
//! Nobody waits for it but who asks it something: writes are handed over and forgotten. A database that is damaged is put
//! aside, never deleted, and a new one is begun.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use crate::pure::ids::Identity;

/// Orders that wait at most; further writes are dropped with a warning.
const WAITING: usize = 256;

/// What brings an older database to today's form: the n-th takes version n to n + 1.
const MIGRATIONS: [&str; 1] = [
    "CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;",
];

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened, or brought to today's form.
    #[error("the database `{path}` cannot be opened: {cause}")]
    Unusable {
        /// Where it lies.
        path: String,
        /// Why.
        cause: String,
    },
    /// A newer program has written it.
    #[error(
        "the database `{path}` is of a newer Offhook: it has version {found}, and this program knows {} at most",
        MIGRATIONS.len()
    )]
    Newer {
        /// Where it lies.
        path: String,
        /// Its version.
        found: u32,
    },
}

/// What came of opening it.
enum Opened {
    Ready(Connection),
    /// It has this version, which we do not know.
    Newer(u32),
}

/// How to reach the database. Cheap to clone; the thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    orders: SyncSender<Order>,
}

#[derive(Debug)]
enum Order {
    Keep(Identity, SystemTime),
    Registrations(SystemTime, oneshot::Sender<Vec<(Identity, SystemTime)>>),
}

impl StoreHandle {
    /// Opens, or makes, `offhook.db` in the data folder (mode 0600).
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened or brought to today's form, or is from tomorrow.
    pub fn open(data_dir: &Path) -> Result<StoreHandle, StoreError> {
        let path = data_dir.join("offhook.db");
        let failed = |cause: &dyn std::fmt::Display| StoreError::Unusable {
            path: path.display().to_string(),
            cause: cause.to_string(),
        };
        let opened = match connect(&path) {
            Ok(opened) => opened,
            Err(cause) if is_damage(&cause) => {
                let aside = put_aside(&path).map_err(|cause| failed(&cause))?;
                tracing::warn!(kept = %aside.display(), "the database was damaged; a new one is begun");
                connect(&path).map_err(|cause| failed(&cause))?
            }
            Err(cause) => return Err(failed(&cause)),
        };
        let connection = match opened {
            Opened::Ready(connection) => connection,
            Opened::Newer(found) => {
                return Err(StoreError::Newer {
                    path: path.display().to_string(),
                    found,
                });
            }
        };
        let (orders, for_store) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&connection, &for_store))
            .map_err(|cause| failed(&cause))?;
        Ok(StoreHandle { orders })
    }

    /// Keeps a registration, in the place of an older one of the same identity. Never waits.
    pub fn keep_registration(&self, identity: &Identity, until: SystemTime) {
        if self
            .orders
            .try_send(Order::Keep(identity.clone(), until))
            .is_err()
        {
            tracing::warn!("a registration was not kept: the database is too slow");
        }
    }

    /// Returns the registrations that are still good, the oldest first.
    pub async fn registrations(&self, now: SystemTime) -> Vec<(Identity, SystemTime)> {
        let (reply, answer) = oneshot::channel();
        if self
            .orders
            .try_send(Order::Registrations(now, reply))
            .is_err()
        {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }
}

fn run(connection: &Connection, orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        let outcome = match order {
            Order::Keep(identity, until) => keep(connection, &identity, until),
            Order::Registrations(now, reply) => registrations(connection, now).map(|list| {
                // Who asked may have gone.
                let _ = reply.send(list);
            }),
        };
        if let Err(cause) = outcome {
            tracing::warn!(%cause, "the database failed");
        }
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

/// Opens the file and brings it to today's form; one of a newer program is left as it is.
fn connect(path: &Path) -> rusqlite::Result<Opened> {
    // Made by us first, so that it is nobody else's to read from its first byte on.
    if let Ok(file) = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
    {
        let _ = file.set_permissions(Permissions::from_mode(0o600));
    }
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version as usize > MIGRATIONS.len() {
        return Ok(Opened::Newer(version));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let steps = connection.transaction()?;
    for (migration, next) in MIGRATIONS.iter().zip(1_u32..).skip(version as usize) {
        steps.execute_batch(migration)?;
        steps.pragma_update(None, "user_version", next)?;
    }
    steps.commit()?;
    Ok(Opened::Ready(connection))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
    )
}

/// Gives the damaged file a name that is free, and its log the one that belongs to it: what was written last is there.
fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let with = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1..)
        .map(|n| with(path, &format!(".damaged-{n}")))
        .find(|name| !name.exists())
        .ok_or_else(|| std::io::Error::other("no name is free"))?;
    match std::fs::rename(with(path, "-wal"), with(&aside, "-wal")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::fs::rename(path, &aside)?;
    // An index of the log, made anew whenever it is missing.
    let _ = std::fs::remove_file(with(path, "-shm"));
    Ok(aside)
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
            [(identity("kitchen"), until)]
        );
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        assert_eq!(
            store.registrations(now).await,
            [(identity("kitchen"), until)]
        );
        assert!(store.registrations(until).await.is_empty());
    }

    #[test]
    fn nobody_else_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let _store = StoreHandle::open(folder.path()).expect("it opens");
        let mode = std::fs::metadata(folder.path().join("offhook.db"))
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_damaged_database_is_kept_and_a_new_one_begun() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("offhook.db"),
            "this is no database, and long enough to be seen as one ".repeat(40),
        )
        .expect("written");
        let store = StoreHandle::open(folder.path()).expect("a new one is begun");
        store.keep_registration(&identity("kitchen"), UNIX_EPOCH + Duration::from_secs(10));
        assert_eq!(store.registrations(UNIX_EPOCH).await.len(), 1);
        assert!(folder.path().join("offhook.db.damaged-1").exists());
    }

    #[test]
    fn the_log_of_a_damaged_database_goes_aside_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offhook.db");
        for (suffix, text) in [("", "database"), ("-wal", "log"), ("-shm", "index")] {
            std::fs::write(folder.path().join(format!("offhook.db{suffix}")), text)
                .expect("written");
        }
        let aside = put_aside(&path).expect("put aside");
        let log = std::fs::read_to_string(folder.path().join("offhook.db.damaged-1-wal"));
        assert_eq!(log.expect("kept"), "log");
        assert_eq!(std::fs::read_to_string(aside).expect("kept"), "database");
        let left = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_database_of_a_newer_program_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offhook.db");
        let newer = Connection::open(&path).expect("made");
        newer
            .pragma_update(None, "user_version", 99)
            .expect("written");
        drop(newer);
        let before = std::fs::read(&path).expect("there");
        let refusal = StoreHandle::open(folder.path())
            .expect_err("newer")
            .to_string();
        assert!(refusal.contains("version 99"), "{refusal}");
        assert!(refusal.contains("knows 1 at most"), "{refusal}");
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = StoreHandle::open(Path::new("/nonexistent/folder")).expect_err("no folder");
        assert!(error.to_string().contains("/nonexistent/folder/offhook.db"));
    }
}
