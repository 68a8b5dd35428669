//! The thread that owns the database: what the phone remembers, a file for each matter.
//!
//! Nobody waits for it but who asks it something: writes are handed over and forgotten. What the telephone must know when
//! it rings, who calls and who is blocked, it need not ask for: [`StoreHandle::known`] has it. A database that is damaged
//! is put aside, never deleted, and a new one is begun.

mod blocked;
mod contacts;
mod file;
mod history;
mod migrations;
mod pairs;
mod recordings;
mod registrations;
mod settings;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};

use crate::pure::book::blocked::BlockList;
use crate::pure::book::contact::PhoneBook;
use crate::pure::book::fold::wanted;
use crate::pure::book::history::HistoryLimits;
use crate::pure::ids::LegId;
pub use contacts::{ContactPage, ContactQuery, Imported};
use file::Opened;

/// Orders that wait at most; further writes are dropped with a warning.
const WAITING: usize = 256;

/// How long the database may take to write what waits, where somebody waits for that.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

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
        migrations::newest()
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

/// What the telephone must know when it rings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// Who has which number.
    pub book: PhoneBook,
    /// Who is not let through.
    pub blocked: BlockList,
    /// How many messages nobody has heard yet.
    pub voicemails_waiting: u64,
}

/// How to reach the database. Cheap to clone; the thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    orders: Sender<Order>,
    known: watch::Receiver<Arc<Known>>,
}

/// What the thread is to do.
type Order = Box<dyn FnOnce(&mut Keeper) -> rusqlite::Result<()> + Send>;

/// What the thread owns.
struct Keeper {
    connection: Connection,
    known: watch::Sender<Arc<Known>>,
    limits: HistoryLimits,
    /// The legs of calls that were at the desk when the daemon went.
    left: Vec<LegId>,
}

impl Keeper {
    /// Tells everybody who is known and blocked now.
    /// Opens the file, closes what a crash broke off, and reads what the telephone must know: whatever is damaged of that
    /// is found here. A file of a newer program gives its version.
    fn of(
        path: &Path,
        publish: watch::Sender<Arc<Known>>,
    ) -> rusqlite::Result<Result<Keeper, u32>> {
        let connection = match file::connect(path)? {
            Opened::Ready(connection) => connection,
            Opened::Newer(found) => return Ok(Err(found)),
        };
        let left = history::left_at_desk(&connection)?;
        let interrupted = history::close_interrupted(&connection)?;
        if interrupted > 0 {
            tracing::info!(interrupted, "calls were going on when the daemon ended");
        }
        let keeper = Keeper {
            connection,
            known: publish,
            limits: HistoryLimits::DEFAULT,
            left,
        };
        keeper.refresh()?;
        Ok(Ok(keeper))
    }

    fn refresh(&self) -> rusqlite::Result<()> {
        let entries = blocked::all(&self.connection)?;
        let entries = entries.into_iter().map(|entry| (entry.id, entry.pattern));
        self.known.send_replace(Arc::new(Known {
            book: PhoneBook::new(&contacts::all(&self.connection)?),
            blocked: BlockList::new(entries),
            voicemails_waiting: recordings::unheard(&self.connection)?,
        }));
        Ok(())
    }
}

impl StoreHandle {
    /// Opens, or makes, `offhook.db` in the data folder (mode 0600), and closes the calls that a crash broke off.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be opened or brought to today's form, or is from tomorrow.
    pub fn open(data_dir: &Path) -> Result<StoreHandle, StoreError> {
        let path = data_dir.join("offhook.db");
        let failed = |cause: &dyn std::fmt::Display| StoreError::Unusable {
            path: path.display().to_string(),
            cause: cause.to_string(),
        };
        let (publish, known) = watch::channel(Arc::new(Known::default()));
        let opened = match Keeper::of(&path, publish.clone()) {
            Ok(opened) => opened,
            Err(cause) if file::is_damage(&cause) => {
                let aside = file::put_aside(&path).map_err(|cause| failed(&cause))?;
                tracing::warn!(kept = %aside.display(), "the database was damaged; a new one is begun");
                Keeper::of(&path, publish).map_err(|cause| failed(&cause))?
            }
            Err(cause) => return Err(failed(&cause)),
        };
        let mut keeper = opened.map_err(|found| StoreError::Newer {
            path: path.display().to_string(),
            found,
        })?;
        let (orders, mut for_store) = channel(WAITING);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || run(&mut keeper, &mut for_store))
            .map_err(|cause| failed(&cause))?;
        Ok(StoreHandle { orders, known })
    }

    /// Returns who is known and blocked, as it stands now. Never waits.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.borrow())
    }

    /// Returns the same, to be told when it changes.
    #[must_use]
    pub fn watch_known(&self) -> watch::Receiver<Arc<Known>> {
        self.known.clone()
    }

    /// Returns the legs of calls that were at the desk when the daemon went, the newest first, once.
    ///
    /// # Errors
    /// [`NoAnswer`] where the database fails.
    pub async fn take_left(&self) -> Result<Vec<LegId>, NoAnswer> {
        self.ask(|keeper| Ok(std::mem::take(&mut keeper.left)))
            .await
    }

    /// Waits until everything that was to be kept is, five seconds at most.
    pub async fn flush(&self) {
        let flushed = self.ask(|_| Ok(()));
        let flushed = tokio::time::timeout(LONGEST_FLUSH, flushed).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last calls may not be kept: the database is too slow");
        }
    }

    /// Hands over what is to be written. Never waits.
    fn write(
        &self,
        what: &'static str,
        order: impl FnOnce(&mut Keeper) -> rusqlite::Result<()> + Send + 'static,
    ) {
        if self.orders.try_send(Box::new(order)).is_err() {
            tracing::warn!(what, "something was not kept: the database is too slow");
        }
    }

    /// Asks for something, and waits for it.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Keeper) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, NoAnswer> {
        let (reply, answer) = oneshot::channel();
        let order: Order = Box::new(move |keeper| {
            // Who asked may have gone.
            question(keeper).map(|told| drop(reply.send(told)))
        });
        // There may be no room yet.
        self.orders.send(order).await.map_err(|_| NoAnswer)?;
        answer.await.map_err(|_| NoAnswer)
    }
}

fn run(keeper: &mut Keeper, orders: &mut Receiver<Order>) {
    while let Some(order) = orders.blocking_recv() {
        if let Err(cause) = order(keeper) {
            tracing::warn!(%cause, "the database failed");
        }
    }
}

/// Returns what `LIKE … ESCAPE '\'` takes to find a part that somebody typed.
fn likeness(part: &str) -> String {
    let part = wanted(part);
    let mut like = String::with_capacity(part.len() + 2);
    like.push('%');
    for sign in part.chars() {
        if matches!(sign, '%' | '_' | '\\') {
            like.push('\\');
        }
        like.push(sign);
    }
    like.push('%');
    like
}

/// Reads a list of texts that SQLite wrote as JSON.
fn list_of(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::pure::ids::Identity;

    fn kitchen() -> Identity {
        Identity::parse("kitchen").expect("valid")
    }

    #[tokio::test]
    async fn a_database_that_fails_is_not_one_that_holds_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let other = Connection::open(folder.path().join("offhook.db")).expect("it opens");
        other
            .execute_batch("DROP TABLE history; DROP TABLE registration;")
            .expect("done");
        assert_eq!(store.past_calls().await, Err(NoAnswer));
        assert_eq!(store.registrations(UNIX_EPOCH).await, Err(NoAnswer));
    }

    #[tokio::test]
    async fn a_flush_waits_for_room() {
        let (orders, mut for_store) = channel(1);
        let known = watch::channel(Arc::new(Known::default())).1;
        let store = StoreHandle { orders, known };
        store.keep_registration(&kitchen(), UNIX_EPOCH);
        let full = store.clone();
        let flush = tokio::spawn(async move { full.flush().await });
        tokio::task::yield_now().await;
        assert!(!flush.is_finished());
        assert!(for_store.recv().await.is_some(), "the write");
        let flushes = for_store.recv().await.expect("the flush waits its turn");
        assert!(!flush.is_finished());
        let mut keeper = Keeper {
            connection: Connection::open_in_memory().expect("memory"),
            known: watch::channel(Arc::new(Known::default())).0,
            limits: HistoryLimits::DEFAULT,
            left: Vec::new(),
        };
        flushes(&mut keeper).expect("nothing can fail");
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
        store.keep_registration(&kitchen(), UNIX_EPOCH + Duration::from_secs(10));
        let kept = store.registrations(UNIX_EPOCH).await.expect("an answer");
        assert_eq!(kept.len(), 1);
        assert!(folder.path().join("offhook.db.damaged-1").exists());
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
        let known = format!("knows {} at most", migrations::newest());
        assert!(refusal.contains(&known), "{refusal}");
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let error = StoreHandle::open(Path::new("/nonexistent/folder")).expect_err("no folder");
        assert!(error.to_string().contains("/nonexistent/folder/offhook.db"));
    }
}
