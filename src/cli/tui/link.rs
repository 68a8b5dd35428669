//! How the daemon is asked: looked at ten times a second while a call goes on, and wished from beside.
//!
//! Each question blocks its thread until the daemon answers; the screen never does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::control::{self, AskError, Reply, Request, Wish};
use crate::lang::{Lang, Message};

/// How often the daemon is looked at while a call goes on, while none does, and while it is away.
const LIVELY: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_millis(400);
const AWAY: Duration = Duration::from_millis(500);

/// The most requests under way that may take long; a person's further ones are dropped.
const MOST_SLOW: usize = 4;

/// Answers that wait to be taken; whoever has more waits.
const ANSWERS: usize = 16;

/// What the daemon answered to what.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) request: Request,
    pub(super) outcome: Result<Reply, AskError>,
}

/// The way to the daemon.
pub(super) struct Link {
    socket: PathBuf,
    answers: mpsc::Sender<Answer>,
    /// Requests that must keep their order, such as keys.
    in_order: blocking::Sender<Request>,
    look: blocking::Sender<()>,
    slow: Arc<AtomicUsize>,
}

impl Link {
    /// Looks at the daemon from now on.
    pub(super) fn start(socket: &Path) -> (Link, mpsc::Receiver<Answer>) {
        let (answers, come) = mpsc::channel(ANSWERS);
        let (look, looks) = blocking::channel();
        let (in_order, wishes) = blocking::channel();
        let link = Link {
            socket: socket.to_owned(),
            answers,
            in_order,
            look,
            slow: Arc::default(),
        };
        let (to, answers) = (link.socket.clone(), link.answers.clone());
        std::thread::spawn(move || watch(&to, &looks, &answers));
        let (to, answers) = (link.socket.clone(), link.answers.clone());
        std::thread::spawn(move || {
            while let Ok(request) = wishes.recv() {
                if !answer(&to, request, &answers) {
                    return;
                }
            }
        });
        (link, come)
    }

    /// Asks the daemon; the answer comes later.
    pub(super) fn ask(&self, request: Request) {
        if !waits_for_the_carrier(&request) {
            // Its thread lives as long as the channel.
            let _ = self.in_order.send(request);
            return;
        }
        if self.slow.fetch_add(1, Ordering::Relaxed) >= MOST_SLOW {
            self.slow.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (to, answers) = (self.socket.clone(), self.answers.clone());
        let slow = Arc::clone(&self.slow);
        std::thread::spawn(move || {
            answer(&to, request, &answers);
            slow.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Looks at the daemon at once.
    pub(super) fn look(&self) {
        // Its thread lives as long as the channel.
        let _ = self.look.send(());
    }

    /// Returns how many requests are under way that may take long.
    pub(super) fn slow(&self) -> usize {
        self.slow.load(Ordering::Relaxed)
    }
}

/// Looks at the daemon until nobody wants the answers.
fn watch(socket: &Path, looks: &blocking::Receiver<()>, answers: &mpsc::Sender<Answer>) {
    loop {
        let outcome = control::ask(socket, &Request::Status);
        let pause = match &outcome {
            Ok(Reply::Status(status)) if status.calls.iter().all(|call| call.state == "ended") => {
                QUIET
            }
            Ok(_) => LIVELY,
            Err(_) => AWAY,
        };
        let request = Request::Status;
        if answers.blocking_send(Answer { request, outcome }).is_err() {
            return;
        }
        if looks.recv_timeout(pause) == Err(blocking::RecvTimeoutError::Disconnected) {
            return;
        }
        while looks.try_recv().is_ok() {}
    }
}

/// Asks, and hands the answer on; says whether anybody took it.
fn answer(socket: &Path, request: Request, answers: &mpsc::Sender<Answer>) -> bool {
    let outcome = control::ask(socket, &request);
    answers.blocking_send(Answer { request, outcome }).is_ok()
}

/// Says whether the daemon may answer only after the carrier has: nothing else waits behind that.
fn waits_for_the_carrier(request: &Request) -> bool {
    match request {
        Request::Dial { .. } | Request::Consult { .. } | Request::Hangup { .. } => true,
        Request::Do { wish, .. } => match wish {
            Wish::Reject | Wish::Move { .. } | Wish::Join => true,
            Wish::Hold
            | Wish::Resume
            | Wish::Mute { .. }
            | Wish::Record { .. }
            | Wish::PauseRecording { .. }
            | Wish::Dtmf { .. }
            | Wish::Merge { .. } => false,
        },
        Request::Status
        | Request::Calls
        | Request::Answer { .. }
        | Request::DoNotDisturb { .. }
        | Request::Watch { .. }
        | Request::Settings
        | Request::ChangeSettings { .. }
        | Request::Recall(_) => false,
    }
}

/// Says why the daemon cannot be asked.
pub(super) fn sentence(why: &AskError, lang: Lang) -> String {
    let most = control::PATH_LIMIT;
    match why {
        AskError::NotRunning(_) => Message::NoDaemon,
        AskError::PathTooLong => Message::SocketPathTooLong { most },
        AskError::Broken(_) => Message::DaemonBroken,
        AskError::Stranger(_) => Message::DaemonStranger,
        AskError::Refused(why) => return why.clone(),
    }
    .text(lang)
}
