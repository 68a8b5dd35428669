//! The daemon's side of the control socket: listens, checks who asks, passes questions on.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::memory::{self, Recalling};
use super::watch::Lines;
use super::{
    CallReport, PATH_LIMIT, PastCall, REQUEST_LIMIT, Reply, Request, SettingReport, Status, Wish,
    fits,
};
use crate::pure::ids::CallId;
use crate::pure::keys::Keys;
use crate::pure::phone::{Command, Target};

/// How many may ask at once; more wait in the listener's queue.
const ASKERS: usize = 8;

/// How many may watch at once; more are turned away.
const WATCHERS: usize = 32;

/// How long somebody may hold a connection without saying anything.
const SILENCE: Duration = Duration::from_secs(10);

/// Why a command was not carried out: a word for programs, a sentence for people.
pub type Refused = (&'static str, String);

/// A command under way.
pub type Commanded<'a> = Pin<Box<dyn Future<Output = Result<CallReport, Refused>> + Send + 'a>>;

/// The last calls, on their way from the database.
pub type Remembered<'a> = Pin<Box<dyn Future<Output = Result<Vec<PastCall>, Refused>> + Send + 'a>>;

/// A number that a person typed, on its way to being a whole one.
pub(super) type Whole<'a> = Pin<Box<dyn Future<Output = Result<String, Refused>> + Send + 'a>>;

/// Settings that are being changed.
pub type Changing<'a> =
    Pin<Box<dyn Future<Output = Result<BTreeMap<String, SettingReport>, Refused>> + Send + 'a>>;

/// Whoever answers what the socket is asked.
pub trait Desk: Send + Sync + 'static {
    /// Says how it is going.
    fn status(&self) -> Status;

    /// Says what the settings are, by name.
    fn settings(&self) -> BTreeMap<String, SettingReport>;

    /// Changes settings, all or none.
    fn change_settings<'a>(&'a self, change: &'a Map<String, Value>) -> Changing<'a>;

    /// Returns the last calls that are over, the newest first, or why they are not known.
    fn past_calls(&self) -> Remembered<'_>;

    /// Does what a person wants of a call, named or evident.
    fn command<'a>(&'a self, call: Option<&'a str>, command: Command) -> Commanded<'a>;

    /// Dials; a wish with the same key once.
    fn dial<'a>(&'a self, to: &'a str, key: Option<String>) -> Commanded<'a>;

    /// Dials for a call, named or evident, that waits meanwhile.
    fn consult<'a>(&'a self, call: Option<&'a str>, to: &'a str) -> Commanded<'a>;

    /// Returns the whole number that a person means, where it is none already.
    fn whole_number<'a>(&'a self, typed: &'a str) -> Whole<'a>;

    /// Tells the log of events, behind the one numbered `after` or from now on.
    fn watch(&self, after: Option<u64>) -> Lines;

    /// Keeps the desk from ringing, or lets it ring again.
    fn do_not_disturb(&self, on: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Answers what a person asks of the phone's memory.
    fn recall(&self, what: super::Recall) -> Recalling<'_>;
}

/// Why the socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path cannot be one.
    #[error("the path of the control socket, `{0}`, is longer than {PATH_LIMIT} bytes")]
    TooLong(PathBuf),
    /// Another daemon listens on it.
    #[error("another daemon listens on the control socket `{0}`")]
    Taken(PathBuf),
    /// Something else lies there.
    #[error("`{0}`, where the control socket is to be, is something else")]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("the control socket `{0}` cannot be made")]
    Io(PathBuf, #[source] io::Error),
}

/// The listening socket. It and its file are gone when this is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    inode: u64,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on a path, with mode 0600. A socket that a dead daemon left behind is replaced.
    ///
    /// Must be called within the runtime.
    ///
    /// # Errors
    /// [`BindError`], which names the path.
    pub fn start(path: &Path, desk: Arc<dyn Desk>) -> Result<Server, BindError> {
        if !fits(path) {
            return Err(BindError::TooLong(path.to_owned()));
        }
        clear(path)?;
        let failed = |error| BindError::Io(path.to_owned(), error);
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        let made = fs::metadata(path).map_err(failed)?;
        let task = tokio::spawn(accept(listener, made.uid(), desk));
        Ok(Server {
            path: path.to_owned(),
            inode: made.ino(),
            task,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Another daemon may have taken the place meanwhile; its socket is not ours to remove.
        if fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes sure that nothing lies where the socket is to be.
fn clear(path: &Path) -> Result<(), BindError> {
    let failed = |error| BindError::Io(path.to_owned(), error);
    let file = match fs::symlink_metadata(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !file.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(BindError::Taken(path.to_owned())),
        Err(error) => Err(failed(error)),
    }
}

/// Takes one connection after the other.
async fn accept(listener: UnixListener, owner: u32, desk: Arc<dyn Desk>) {
    let places = Arc::new(Semaphore::new(ASKERS));
    let watchers = Arc::new(Semaphore::new(WATCHERS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (desk, watchers) = (Arc::clone(&desk), Arc::clone(&watchers));
                tokio::spawn(async move {
                    let served = async {
                        let left = serve(stream, owner, &*desk).await?;
                        // Whoever watches asks nothing more, and leaves the place to others.
                        drop(place);
                        match left {
                            Some((stream, after)) => tell(stream, after, &*desk, &watchers).await,
                            None => Ok(()),
                        }
                    };
                    if let Err(error) = served.await {
                        tracing::debug!(%error, "a control connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket does not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers whoever asks, until they are gone, silent for too long, not to be understood, or want to watch: then the
/// connection is returned, and behind which event.
async fn serve(
    mut stream: UnixStream,
    owner: u32,
    desk: &dyn Desk,
) -> io::Result<Option<(UnixStream, Option<u64>)>> {
    // Between the making of the socket and its mode there is a moment in which others might slip in.
    let asker = stream.peer_cred()?.uid();
    if asker != owner && asker != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        // One byte more than allowed tells a full line from one that is too long.
        let limit = u64::try_from(REQUEST_LIMIT + 1).unwrap_or(u64::MAX);
        let mut limited = (&mut reading).take(limit);
        timeout(SILENCE, limited.read_until(b'\n', &mut line)).await??;
        if line.is_empty() {
            return Ok(None);
        }
        let request = line
            .strip_suffix(b"\n")
            .map(serde_json::from_slice::<Request>);
        let (reply, go_on) = match request {
            Some(Ok(Request::Watch { after })) => return Ok(Some((stream, after))),
            Some(Ok(request)) => (reply(desk, request).await, true),
            Some(Err(_)) => (error("bad_request", "the request is not understood"), false),
            None => (error("bad_request", "the request is no whole line"), false),
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        timeout(SILENCE, writing.write_all(&text)).await??;
        if !go_on {
            return Ok(None);
        }
    }
}

/// Tells what happens until whoever watches is gone, or the phone is. Who is slow is waited for: the log goes on without
/// them, and they are told where it has gone past them.
async fn tell(
    mut stream: UnixStream,
    after: Option<u64>,
    desk: &dyn Desk,
    watchers: &Semaphore,
) -> io::Result<()> {
    let (mut reading, mut writing) = stream.split();
    let Ok(_place) = watchers.try_acquire() else {
        let refusal = error("too_many", "too many watch already");
        let mut text = serde_json::to_vec(&refusal)?;
        text.push(b'\n');
        return timeout(SILENCE, writing.write_all(&text)).await?;
    };
    let mut lines = desk.watch(after);
    let mut nothing = [0; 1];
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            // Whoever watches has nothing more to say, so this is how it goes.
            _ = reading.read(&mut nothing) => return Ok(()),
        };
        let Some(line) = line else {
            return Ok(());
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        writing.write_all(&text).await?;
    }
}

/// Puts a question to the desk.
async fn reply(desk: &dyn Desk, request: Request) -> Reply {
    let called = |outcome: Result<CallReport, Refused>| match outcome {
        Ok(call) => Reply::Call(Box::new(call)),
        Err((code, message)) => error(code, &message),
    };
    let (call, command) = match request {
        Request::Status => return Reply::Status(Box::new(desk.status())),
        Request::Calls => {
            return match desk.past_calls().await {
                Ok(calls) => Reply::Calls(calls),
                Err((code, message)) => error(code, &message),
            };
        }
        Request::Recall(what) => return memory::reply(desk, what).await,
        // It is no question with one answer; the connection is handed over before.
        Request::Watch { .. } => return Reply::Done,
        Request::Settings => return Reply::Settings(desk.settings()),
        Request::ChangeSettings { change } => {
            return match desk.change_settings(&change).await {
                Ok(settings) => Reply::Settings(settings),
                Err((code, message)) => error(code, &message),
            };
        }
        Request::Answer { call } => (call, Command::Answer),
        Request::Hangup { call } => (call, Command::HangUp),
        Request::Do { call, wish } => {
            let wish = match with_whole_number(desk, wish).await {
                Ok(wish) => wish,
                Err((code, message)) => return error(code, &message),
            };
            match wish.command() {
                Ok(command) => (call, command),
                Err((code, message)) => return error(code, &message),
            }
        }
        Request::Dial { to, key } => return called(desk.dial(&to, key).await),
        Request::Consult { call, to } => {
            return called(desk.consult(call.as_deref(), &to).await);
        }
        Request::DoNotDisturb { on } => {
            desk.do_not_disturb(on).await;
            return Reply::Done;
        }
    };
    called(desk.command(call.as_deref(), command).await)
}

/// Completes the number of a wish as a person means it who typed it.
async fn with_whole_number(desk: &dyn Desk, wish: Wish) -> Result<Wish, Refused> {
    if let Wish::Move { to } = &wish
        && !matches!(to.as_str(), "desk" | "browser")
    {
        let to = desk.whole_number(to).await?;
        return Ok(Wish::Move { to });
    }
    Ok(wish)
}

impl Wish {
    /// Returns the command that is meant, or why there is none.
    fn command(self) -> Result<Command, Refused> {
        Ok(match self {
            Wish::Reject => Command::Reject,
            Wish::Hold => Command::Hold,
            Wish::Resume => Command::Resume,
            Wish::Mute { on } => Command::Mute(on),
            Wish::Record { on } => Command::Record(on),
            Wish::PauseRecording { on } => Command::PauseRecording(on),
            Wish::Dtmf { digits } if digits.is_empty() => Command::KeysGoOn,
            Wish::Dtmf { digits } => Command::Keys(
                Keys::parse(&digits).map_err(|why| ("invalid_digits", why.to_string()))?,
            ),
            Wish::Move { to } => {
                Command::Move(Target::parse(&to).map_err(|why| (why.code(), why.to_string()))?)
            }
            Wish::Merge { with } => Command::Merge(CallId::new(with)),
            Wish::Join => Command::JoinConsulted,
        })
    }
}

/// Makes a reply that says no.
pub(super) fn error(code: &str, message: &str) -> Reply {
    Reply::Error {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::{AskError, Device, Devices, LogLine, LostReport, ask, watch};
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_question_is_answered_by_the_desk() {
        let (folder, server) = started();
        let status = asked(&server.path, Request::Status)
            .await
            .expect("answered");
        assert_eq!(status, Reply::Status(Box::new(FakeDesk.status())));
        let calls = asked(&server.path, Request::Calls).await;
        let Reply::Error { code, .. } = calls.expect("answered") else {
            panic!("a database that fails is no list without calls");
        };
        assert_eq!(code, "no_answer");
        let answer = Request::Answer {
            call: Some("c1".to_owned()),
        };
        let Reply::Call(call) = asked(&server.path, answer).await.expect("answered") else {
            panic!("no call");
        };
        assert_eq!((call.id.as_str(), call.state.as_str()), ("c1", "talking"));
        let nothing_rings = asked(&server.path, Request::Answer { call: None }).await;
        assert!(matches!(nothing_rings, Ok(Reply::Error { code, .. }) if code == "no_such_call"));
        drop(folder);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_socket_is_its_owners_alone_and_gone_with_the_daemon() {
        let (folder, server) = started();
        let path = server.path.clone();
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(server);
        assert!(!path.exists());
        let gone = asked(&path, Request::Status).await;
        assert!(matches!(gone, Err(AskError::NotRunning(_))), "{gone:?}");
        drop(folder);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_daemon_is_refused_and_a_dead_ones_socket_replaced() {
        let (folder, server) = started();
        let second = Server::start(&server.path, Arc::new(FakeDesk));
        assert!(matches!(second, Err(BindError::Taken(_))), "{second:?}");
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).expect("bound"));
        assert!(dead.exists());
        let revived = Server::start(&dead, Arc::new(FakeDesk)).expect("replaced");
        assert!(asked(&revived.path, Request::Status).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn other_files_and_long_paths_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("control.sock");
        fs::write(&file, "mine").expect("written");
        let refused = Server::start(&file, Arc::new(FakeDesk));
        assert!(matches!(refused, Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&file).expect("still there"), "mine");
        let long = folder.path().join("a".repeat(PATH_LIMIT));
        let refused = Server::start(&long, Arc::new(FakeDesk));
        assert!(matches!(refused, Err(BindError::TooLong(_))));
        assert!(matches!(
            ask(&long, &Request::Status),
            Err(AskError::PathTooLong)
        ));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nonsense_and_endless_lines_are_refused_and_the_next_is_served() {
        let (folder, server) = started();
        for nonsense in [
            b"hello\n".to_vec(),
            b"{\"request\":\"reboot\"}\n".to_vec(),
            b"{\"request\":\"hangup\",\"cal\":\"c1\"}\n".to_vec(),
            b"\xff\xfe\n".to_vec(),
            vec![b'a'; REQUEST_LIMIT + 1],
        ] {
            let path = server.path.clone();
            let reply = tokio::task::spawn_blocking(move || {
                let mut stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                stream.write_all(&nonsense)?;
                let mut reply = String::new();
                stream.read_to_string(&mut reply)?;
                io::Result::Ok(reply)
            });
            let reply = reply.await.expect("not panicked").expect("answered");
            assert!(reply.contains("bad_request"), "{reply}");
        }
        assert!(asked(&server.path, Request::Status).await.is_ok());
        drop(folder);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_watches_gets_line_after_line_until_the_desk_has_no_more() {
        let (folder, server) = started();
        let path = server.path.clone();
        let seen = tokio::task::spawn_blocking(move || {
            let mut watch = watch(&path, Some(4)).expect("told");
            let mut seen = Vec::new();
            while let Some((_, line)) = watch.next_line().expect("understood") {
                seen.push(line);
            }
            seen
        });
        let seen = seen.await.expect("not panicked");
        let lost = |after| {
            let reason = "overtaken".to_owned();
            LogLine::Lost(LostReport { after, reason })
        };
        assert_eq!(seen, [lost(4), lost(5)]);
        drop(folder);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_watches_keeps_nobody_from_asking_and_too_many_are_turned_away() {
        let (folder, server) = started();
        let path = server.path.clone();
        let watching = tokio::task::spawn_blocking(move || {
            let watching: Vec<_> = (0..WATCHERS)
                .map(|_| watch(&path, None).expect("told"))
                .collect();
            // Which of them is one too many is the daemon's matter: the last to be taken.
            let begun = std::time::Instant::now();
            loop {
                let mut more = watch(&path, Some(1)).expect("connected");
                match more.next_line() {
                    Err(AskError::Refused(why)) => break (watching, why),
                    other => assert!(begun.elapsed() < SILENCE, "{other:?}"),
                }
            }
        });
        let (watching, why) = watching.await.expect("not panicked");
        assert_eq!(why, "too many watch already");
        assert!(asked(&server.path, Request::Status).await.is_ok());
        drop(watching);
        drop(folder);
    }

    /// A desk at which only the call `c1` can be had.
    struct FakeDesk;

    impl Desk for FakeDesk {
        fn recall(&self, _: super::super::Recall) -> Recalling<'_> {
            Box::pin(async { Err(("no_answer", "the database gives no answer".to_owned())) })
        }

        fn status(&self) -> Status {
            let device = Device {
                works: true,
                detail: "none".to_owned(),
            };
            Status {
                version: "1".to_owned(),
                pid: 1,
                number: None,
                address: "127.0.0.1:1".to_owned(),
                public_url: "http://127.0.0.1:1".to_owned(),
                uptime_seconds: 1,
                devices: Devices {
                    capture: device.clone(),
                    playout: device.clone(),
                    ringer: device,
                },
                calls: Vec::new(),
                do_not_disturb: false,
                quiet: None,
                levels: Vec::new(),
                voicemails_waiting: 0,
            }
        }

        fn settings(&self) -> BTreeMap<String, SettingReport> {
            BTreeMap::new()
        }

        fn change_settings<'a>(&'a self, _: &'a Map<String, Value>) -> Changing<'a> {
            Box::pin(async { Err(("unknown_setting", "there is no such setting".to_owned())) })
        }

        fn past_calls(&self) -> Remembered<'_> {
            Box::pin(async { Err(("no_answer", "the database gives no answer".to_owned())) })
        }

        fn command<'a>(&'a self, call: Option<&'a str>, command: Command) -> Commanded<'a> {
            Box::pin(async move {
                if call != Some("c1") {
                    return Err(("no_such_call", "there is no such call".to_owned()));
                }
                let state = if command == Command::HangUp {
                    "ended"
                } else {
                    "talking"
                };
                Ok(CallReport {
                    id: "c1".to_owned(),
                    sid: Some("CA1".to_owned()),
                    direction: "incoming".to_owned(),
                    from: "+15145550100".to_owned(),
                    to: "+15145550199".to_owned(),
                    name: None,
                    state: state.to_owned(),
                    place: Some("desk".to_owned()),
                    since: "2026-01-01T00:00:00Z".to_owned(),
                    muted: false,
                    held: command == Command::Hold,
                    merged: false,
                    recording: false,
                    recording_paused: false,
                    end_reason: None,
                    quality: None,
                })
            })
        }

        fn dial<'a>(&'a self, _to: &'a str, _: Option<String>) -> Commanded<'a> {
            Box::pin(async { Err(("no_line", "every line is taken".to_owned())) })
        }

        fn consult<'a>(&'a self, call: Option<&'a str>, _to: &'a str) -> Commanded<'a> {
            self.command(call, Command::Hold)
        }

        fn whole_number<'a>(&'a self, typed: &'a str) -> Whole<'a> {
            Box::pin(std::future::ready(Ok(typed.to_owned())))
        }

        fn watch(&self, after: Option<u64>) -> Lines {
            let lost = |n| {
                let reason = "overtaken".to_owned();
                LogLine::Lost(LostReport { after: n, reason })
            };
            let lines = after.into_iter().flat_map(move |n| [lost(n), lost(n + 1)]);
            let lines = futures_util::stream::iter(lines);
            match after {
                Some(_) => Box::pin(lines),
                None => Box::pin(lines.chain(futures_util::stream::pending())),
            }
        }

        fn do_not_disturb(&self, _on: bool) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::ready(()))
        }
    }

    fn started() -> (tempfile::TempDir, Server) {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(&folder.path().join("control.sock"), Arc::new(FakeDesk));
        (folder, server.expect("started"))
    }

    async fn asked(path: &Path, request: Request) -> Result<Reply, AskError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || ask(&path, &request))
            .await
            .expect("not panicked")
    }
}
