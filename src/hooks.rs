//! Hooks: runs the programs that the settings name when something happens.
//!
//! It reads the log of events at its own pace and runs a few programs at once, so that one that hangs keeps other hooks
//! waiting and nobody else. `pure::hook` decides what runs, with which arguments and variables; no shell has a part in it.
//!
//! Read [`start`] first.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::phone::PhoneHandle;
use crate::phone::follow::{Followed, Follower};
use crate::pure::event_report::{EventReport, LogLine};
use crate::pure::hook::{Hook, Rung, is_kept_back, variables};

/// How long a program may run.
const LONGEST: Duration = Duration::from_secs(10);

/// How many programs run at once; the events of more wait in the log.
const AT_ONCE: usize = 4;

/// How long is waited for the last words of a program that is over, whose own children may keep its output open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How much of what a program says is kept for the log, in bytes.
const MOST_SAID: usize = 4_096;

/// Starts to run hooks; the task ends with the phone, once the last of them is over. Nothing runs where there are none.
///
/// `socket` is where the command line finds this daemon, so that a hook may use it.
#[must_use]
pub fn start(phone: &PhoneHandle, hooks: Vec<Hook>, socket: PathBuf) -> Option<JoinHandle<()>> {
    if hooks.is_empty() {
        return None;
    }
    let (follower, _) = phone.follow(None);
    Some(tokio::spawn(run(follower, hooks, socket)))
}

async fn run(mut follower: Follower, hooks: Vec<Hook>, socket: PathBuf) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let failing: Vec<Arc<AtomicBool>> = hooks.iter().map(|_| Arc::default()).collect();
    let socket: Arc<Path> = socket.into();
    let mut rung = Rung::default();
    let mut running = JoinSet::new();
    while let Some(followed) = follower.next().await {
        let events = match followed {
            Followed::Events(events) => events,
            Followed::Lost(lost, _) => {
                warn!(
                    after = lost.after,
                    "hooks are too slow: events have passed without them; make the programs faster, or name fewer events"
                );
                continue;
            }
        };
        for event in events {
            let report = Arc::new(EventReport::new(&event));
            for hook in rung.called(&hooks, &report) {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let failing = hooks
                    .iter()
                    .zip(&failing)
                    .find(|(known, _)| *known == hook)
                    .map(|(_, failing)| Arc::clone(failing))
                    .unwrap_or_default();
                let (hook, report) = (hook.clone(), Arc::clone(&report));
                let socket = Arc::clone(&socket);
                running.spawn(async move {
                    let outcome = run_once(&hook, &report, &socket, LONGEST).await;
                    note(&hook, outcome, &failing);
                    drop(place);
                });
                while running.try_join_next().is_some() {}
            }
        }
    }
    while running.join_next().await.is_some() {}
}

/// Why a hook did not do what it should.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("it cannot be started: {0}; name a program on PATH, or its whole path")]
    NotStarted(std::io::Error),
    #[error("it ran longer than {} s, and was killed; let it start what takes longer, and end", LONGEST.as_secs())]
    TooLong,
    #[error("it ended with {0}; OFFHOOK_LOG=info,offhook::hooks=debug shows what it says")]
    Badly(std::process::ExitStatus),
    #[error("what became of it is not known: {0}")]
    Unknown(std::io::Error),
}

/// Tells of a failure once, until the hook has done well again.
fn note(hook: &Hook, outcome: Result<(), Failed>, failing: &AtomicBool) {
    match outcome {
        Ok(()) => failing.store(false, Ordering::Relaxed),
        Err(why) if failing.swap(true, Ordering::Relaxed) => {
            debug!(hook = hook.key(), %why, "a hook failed again");
        }
        Err(why) => warn!(hook = hook.key(), program = hook.program(), %why, "a hook failed"),
    }
}

/// Runs a hook's program to its end, or for so long.
async fn run_once(
    hook: &Hook,
    event: &EventReport,
    socket: &Path,
    longest: Duration,
) -> Result<(), Failed> {
    let mut command = Command::new(hook.program());
    command
        .args(hook.arguments(event))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what it started can be killed with it.
        .process_group(0)
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if is_kept_back(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command.env("OFFHOOK_SOCKET", socket).envs(variables(event));
    let mut child = command.spawn().map_err(Failed::NotStarted)?;
    let talk = tokio::spawn(talk(&mut child, event));
    let ended = timeout(longest, child.wait()).await;
    if ended.is_err() {
        kill(&child);
        // Killed, it is over at once; what a broken system does with it is not waited for.
        let _ = timeout(LAST_WORDS, child.wait()).await;
    }
    hear(hook, talk).await;
    match ended {
        Err(_) => Err(Failed::TooLong),
        Ok(Err(cause)) => Err(Failed::Unknown(cause)),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Failed::Badly(status)),
    }
}

/// Kills a program and all that it started, unless that has left its group.
fn kill(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group.and_then(Pid::from_raw) {
        // Whoever is gone already need not be killed.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Tells a program its event, and hears what it says.
fn talk(
    child: &mut Child,
    event: &EventReport,
) -> impl Future<Output = (Vec<u8>, Vec<u8>)> + Send + 'static {
    let line = LogLine::Event(Box::new(event.clone()));
    let mut text = serde_json::to_vec(&line).unwrap_or_default();
    text.push(b'\n');
    let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    async move {
        let tell = async {
            if let Some(mut stdin) = stdin {
                // A program need not read what it is told.
                let _ = stdin.write_all(&text).await;
            }
        };
        let ((), out, err) = tokio::join!(tell, said(out), said(err));
        (out, err)
    }
}

/// Reads to the end, and keeps the beginning.
async fn said(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 1_024]);
    let Some(mut from) = from else {
        return kept;
    };
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let room = MOST_SAID - kept.len();
        kept.extend_from_slice(&piece[..count.min(room)]);
    }
    kept
}

/// Writes into the log what a program said.
async fn hear(hook: &Hook, mut talk: JoinHandle<(Vec<u8>, Vec<u8>)>) {
    let Ok(Ok((out, err))) = timeout(LAST_WORDS, &mut talk).await else {
        talk.abort();
        return;
    };
    for (stream, said) in [("stdout", out), ("stderr", err)] {
        let said = String::from_utf8_lossy(&said);
        if !said.trim().is_empty() {
            debug!(hook = hook.key(), stream, said = %said.trim(), "a hook says");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Writes a shell's lines, and returns the hook that runs them with one argument.
    fn program(folder: &Path, lines: &str) -> Hook {
        let path = folder.join("program");
        std::fs::write(&path, lines).expect("written");
        // Given to a shell, since a file that was just written may still be busy when it is run itself.
        let path = path.display().to_string();
        let argv = ["sh".to_owned(), path, "{name} {from}".to_owned()];
        Hook::new("on_ring", &argv).expect("good")
    }

    fn event() -> EventReport {
        EventReport {
            seq: 7,
            call: Some("c1".to_owned()),
            event: "rings".to_owned(),
            reason: "far_end".to_owned(),
            from: Some("+15145550100".to_owned()),
            name: Some("$(touch evil); Anna".to_owned()),
            ..EventReport::default()
        }
    }

    #[tokio::test]
    async fn a_program_gets_arguments_variables_and_the_event_and_no_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        let lines = format!(
            "{{ printf '%s|' \"$#\" \"$1\" \"$OFFHOOK_EVENT_FROM\" \"$OFFHOOK_SOCKET\"; cat; env | grep -c '^TWILIO_'; }} >{}",
            out.display()
        );
        let hook = program(folder.path(), &lines);
        // What `grep` finds nothing with.
        let outcome = run_once(&hook, &event(), Path::new("/run/x.sock"), LONGEST).await;
        assert!(matches!(outcome, Err(Failed::Badly(_))), "{outcome:?}");
        let said = std::fs::read_to_string(out).expect("written");
        let begin = "1|$(touch evil); Anna +15145550100|+15145550100|/run/x.sock|{\"type\":\"event\",\"seq\":7,";
        assert!(said.starts_with(begin), "{said}");
        assert!(said.ends_with("}\n0\n"), "{said}");
        assert!(!folder.path().join("evil").exists());
    }

    #[tokio::test]
    async fn a_program_that_leaves_a_child_behind_is_over_all_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let hook = program(folder.path(), "sleep 3 &\nexit 0");
        let begun = Instant::now();
        assert!(
            run_once(&hook, &event(), Path::new("x"), LONGEST)
                .await
                .is_ok()
        );
        assert!(begun.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let child = folder.path().join("child");
        let lines = format!("sleep 60 &\necho $! >{}\nwait", child.display());
        let hook = program(folder.path(), &lines);
        let limit = Duration::from_secs(1);
        let failed = run_once(&hook, &event(), Path::new("x"), limit).await;
        assert!(matches!(failed, Err(Failed::TooLong)), "{failed:?}");
        let child = std::fs::read_to_string(child).expect("written");
        let status = format!("/proc/{}/status", child.trim());
        // Killed, it may wait for whoever takes note of its end.
        let lives = || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            status.contains("State:") && !status.contains("State:\tZ")
        };
        let begun = Instant::now();
        while lives() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it lives on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_with_what_to_do() {
        let argv = ["no-such-program-anywhere".to_owned()];
        let hook = Hook::new("on_ring", &argv).expect("good");
        let failed = run_once(&hook, &event(), Path::new("x"), LONGEST).await;
        let why = failed.expect_err("it cannot run").to_string();
        assert!(why.contains("name a program on PATH"), "{why}");
    }

    #[tokio::test]
    async fn however_much_a_program_says_it_is_let_say_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let hook = program(folder.path(), "head -c 300000 /dev/zero | tr '\\0' x");
        assert!(
            run_once(&hook, &event(), Path::new("x"), LONGEST)
                .await
                .is_ok()
        );
    }
}
