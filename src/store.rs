//! The thread that owns the database: registrations, the last calls, and what was learned of pairs of devices.
//!
//! Nobody waits for it but who asks it something: writes are handed over and forgotten. A database that is damaged is put
//! aside, never deleted, and a new one is begun.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::pure::audio::pair::{MOST_PAIRS, Pair};
use crate::pure::audio::speakerphone::Learned;
use crate::pure::call_report::PastCall;
use crate::pure::ids::Identity;

/// Orders that wait at most; further writes are dropped with a warning.
const WAITING: usize = 256;

/// How long the database may take to write what waits, where somebody waits for that.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// Calls that are kept: the last ones.
const CALLS: u32 = 100;

/// What brings an older database to today's form: the n-th takes version n to n + 1.
const MIGRATIONS: [&str; 3] = [
    "CREATE TABLE registration (identity TEXT PRIMARY KEY NOT NULL, until_ms INTEGER NOT NULL) STRICT;",
    "CREATE TABLE call (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, sid TEXT NOT NULL, direction TEXT NOT NULL, \
     caller TEXT NOT NULL, called TEXT NOT NULL, began TEXT NOT NULL, talk_seconds INTEGER NOT NULL, end_reason TEXT, \
     quality TEXT) STRICT;",
    "CREATE TABLE device_pair (n INTEGER PRIMARY KEY, capture TEXT NOT NULL, playout TEXT NOT NULL, \
     lead_blocks INTEGER NOT NULL, drift_ppm REAL NOT NULL, UNIQUE (capture, playout)) STRICT;",
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

/// The database gave no answer; the log tells why.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the database gives no answer")]
pub struct NoAnswer;

/// What came of opening it.
enum Opened {
    Ready(Connection),
    /// It has this version, which we do not know.
    Newer(u32),
}

/// How to reach the database. Cheap to clone; the thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    orders: Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Keep(Identity, SystemTime),
    Registrations(SystemTime, oneshot::Sender<Vec<(Identity, SystemTime)>>),
    KeepCall(Box<PastCall>),
    PastCalls(oneshot::Sender<Vec<PastCall>>),
    KeepPairs(Vec<Pair>),
    Pairs(oneshot::Sender<Vec<Pair>>),
    Flush(oneshot::Sender<()>),
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
        let (orders, mut for_store) = channel(WAITING);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&connection, &mut for_store))
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
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn registrations(
        &self,
        now: SystemTime,
    ) -> Result<Vec<(Identity, SystemTime)>, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .try_send(Order::Registrations(now, reply))
            .map_err(|_| NoAnswer)?;
        answer.await.map_err(|_| NoAnswer)
    }

    /// Keeps a call that is over, with its numbers as they are: only the owner of the file can read them. Never waits. The
    /// oldest goes where there are more than 100.
    pub fn keep_call(&self, call: PastCall) {
        if self
            .orders
            .try_send(Order::KeepCall(Box::new(call)))
            .is_err()
        {
            tracing::warn!("a call was not kept: the database is too slow");
        }
    }

    /// Returns the calls that are kept, the newest first.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn past_calls(&self) -> Result<Vec<PastCall>, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .try_send(Order::PastCalls(reply))
            .map_err(|_| NoAnswer)?;
        answer.await.map_err(|_| NoAnswer)
    }

    /// Keeps what was learned of pairs of devices, in the place of what was known of the same: the last 32. Never waits.
    pub fn keep_pairs(&self, pairs: Vec<Pair>) {
        if self.orders.try_send(Order::KeepPairs(pairs)).is_err() {
            tracing::warn!(
                "what was learned of the devices was not kept: the database is too slow"
            );
        }
    }

    /// Returns what was learned of pairs of devices, the newest last.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn pairs(&self) -> Result<Vec<Pair>, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.send(Order::Pairs(reply)).await;
        sent.map_err(|_| NoAnswer)?;
        answer.await.map_err(|_| NoAnswer)
    }

    /// Waits until everything that was to be kept is, five seconds at most.
    pub async fn flush(&self) {
        let (reply, answer) = oneshot::channel();
        let flushed = async {
            // There may be no room yet.
            let sent = self.orders.send(Order::Flush(reply)).await;
            sent.is_ok() && answer.await.is_ok()
        };
        if !tokio::time::timeout(LONGEST_FLUSH, flushed)
            .await
            .unwrap_or(false)
        {
            tracing::warn!("the last calls may not be kept: the database is too slow");
        }
    }
}

fn run(connection: &Connection, orders: &mut Receiver<Order>) {
    while let Some(order) = orders.blocking_recv() {
        let outcome = match order {
            Order::Keep(identity, until) => keep(connection, &identity, until),
            Order::Registrations(now, reply) => registrations(connection, now).map(|list| {
                // Who asked may have gone.
                let _ = reply.send(list);
            }),
            Order::KeepCall(call) => keep_call(connection, &call),
            Order::PastCalls(reply) => past_calls(connection).map(|list| {
                let _ = reply.send(list);
            }),
            Order::KeepPairs(pairs) => keep_pairs(connection, &pairs),
            Order::Pairs(reply) => pairs(connection).map(|list| {
                let _ = reply.send(list);
            }),
            Order::Flush(reply) => {
                let _ = reply.send(());
                Ok(())
            }
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

fn keep_call(connection: &Connection, call: &PastCall) -> rusqlite::Result<()> {
    let quality = call
        .quality
        .as_ref()
        .and_then(|quality| serde_json::to_string(quality).ok());
    connection.execute(
        "INSERT OR REPLACE INTO call (id, sid, direction, caller, called, began, talk_seconds, end_reason, quality) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            call.id,
            call.sid,
            call.direction,
            call.from,
            call.to,
            call.began,
            i64::try_from(call.talk_seconds).unwrap_or(i64::MAX),
            call.end_reason,
            quality
        ],
    )?;
    connection.execute(
        "DELETE FROM call WHERE n NOT IN (SELECT n FROM call ORDER BY n DESC LIMIT ?1)",
        params![CALLS],
    )?;
    Ok(())
}

fn past_calls(connection: &Connection) -> rusqlite::Result<Vec<PastCall>> {
    let mut query = connection.prepare(
        "SELECT id, sid, direction, caller, called, began, talk_seconds, end_reason, quality FROM call ORDER BY n DESC",
    )?;
    let rows = query.query_map([], |row| {
        let quality: Option<String> = row.get(8)?;
        Ok(PastCall {
            id: row.get(0)?,
            sid: row.get(1)?,
            direction: row.get(2)?,
            from: row.get(3)?,
            to: row.get(4)?,
            began: row.get(5)?,
            talk_seconds: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
            end_reason: row.get(7)?,
            // Figures of another version that we do not understand are left out, the call is not.
            quality: quality.and_then(|text| serde_json::from_str(&text).ok()),
        })
    })?;
    rows.collect()
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
    // Numbers of calls that are forgotten are not to be read from the file's free places.
    connection.pragma_update(None, "secure_delete", "ON")?;
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
    use crate::pure::quality::CallQuality;

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

    fn past(n: u64) -> PastCall {
        PastCall {
            id: format!("c{n}"),
            sid: format!("CA{n}"),
            direction: "incoming".to_owned(),
            from: "+15145550100".to_owned(),
            to: "+15145550199".to_owned(),
            began: "2026-01-01T00:00:00Z".to_owned(),
            talk_seconds: n,
            end_reason: n.is_multiple_of(2).then(|| "hung_up_here".to_owned()),
            quality: n.is_multiple_of(3).then(CallQuality::default),
        }
    }

    #[tokio::test]
    async fn the_last_hundred_calls_survive_a_restart_the_newest_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        assert_eq!(store.past_calls().await, Ok(Vec::new()));
        for n in 0..120 {
            store.keep_call(past(n));
        }
        // Told twice, it is still one call.
        store.keep_call(past(119));
        store.flush().await;
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        let expected: Vec<PastCall> = (20..120).rev().map(past).collect();
        assert_eq!(store.past_calls().await, Ok(expected));
    }

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

    #[tokio::test]
    async fn a_database_of_an_older_program_keeps_what_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let older = Connection::open(folder.path().join("offhook.db")).expect("made");
        older.execute_batch(MIGRATIONS[0]).expect("made");
        older
            .pragma_update(None, "user_version", 1)
            .expect("written");
        let until = UNIX_EPOCH + Duration::from_secs(10);
        keep(&older, &identity("kitchen"), until).expect("written");
        drop(older);
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let kept = store.registrations(UNIX_EPOCH).await;
        assert_eq!(kept, Ok(vec![(identity("kitchen"), until)]));
        store.keep_call(past(1));
        assert_eq!(store.past_calls().await, Ok(vec![past(1)]));
    }

    #[tokio::test]
    async fn a_database_that_fails_is_not_one_that_holds_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let other = Connection::open(folder.path().join("offhook.db")).expect("it opens");
        other
            .execute_batch("DROP TABLE call; DROP TABLE registration;")
            .expect("done");
        assert_eq!(store.past_calls().await, Err(NoAnswer));
        assert_eq!(store.registrations(UNIX_EPOCH).await, Err(NoAnswer));
    }

    #[test]
    fn what_is_forgotten_is_not_in_the_file_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("offhook.db");
        let Ok(Opened::Ready(connection)) = connect(&path) else {
            panic!("it opens");
        };
        for n in 0..150 {
            keep_call(&connection, &past(1_000 + n)).expect("kept");
        }
        drop(connection);
        let file = std::fs::read(&path).expect("it is there");
        let holds = |n: u64| {
            let sid = format!("CA{n}");
            file.windows(sid.len()).any(|bytes| bytes == sid.as_bytes())
        };
        assert!((1_050..1_150).all(holds));
        assert!(!(1_000..1_050).any(holds));
    }

    #[tokio::test]
    async fn a_flush_waits_for_room() {
        let (orders, mut for_store) = channel(1);
        let store = StoreHandle { orders };
        store.keep_call(past(1));
        let full = store.clone();
        let flush = tokio::spawn(async move { full.flush().await });
        tokio::task::yield_now().await;
        assert!(!flush.is_finished());
        assert!(matches!(for_store.recv().await, Some(Order::KeepCall(_))));
        let Some(Order::Flush(reply)) = for_store.recv().await else {
            panic!("the flush waits its turn");
        };
        assert!(!flush.is_finished());
        reply.send(()).expect("it listens");
        flush.await.expect("done");
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
        assert_eq!(
            store
                .registrations(UNIX_EPOCH)
                .await
                .expect("an answer")
                .len(),
            1
        );
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
        assert!(
            refusal.contains(&format!("knows {} at most", MIGRATIONS.len())),
            "{refusal}"
        );
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = StoreHandle::open(Path::new("/nonexistent/folder")).expect_err("no folder");
        assert!(error.to_string().contains("/nonexistent/folder/offhook.db"));
    }
}
