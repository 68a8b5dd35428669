//! The terminal of a program in the foreground: the keyboard, and the signals that end it in order.

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as SignalName};
use rustix::io::Errno;
use rustix::{process, termios};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;

use super::failure::Failure;

/// The signals that end the program in order: Ctrl-C, a request of the system's, and the terminal's going away.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    // Nothing where SIGHUP is ignored: whoever starts a program with `nohup` wants it to outlive the terminal.
    hang_up: Option<Signal>,
}

impl Stop {
    /// Listens from now on.
    pub(super) fn new() -> Result<Stop, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|cause| {
                Failure::ours("the signals of the system cannot be heard").caused_by(&cause)
            })
        };
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: if ignores_hang_up() {
                None
            } else {
                Some(listen(SignalKind::hangup())?)
            },
        })
    }

    /// Returns once one of them has come.
    pub(super) async fn wait(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => info!("interrupted"),
            _ = self.terminate.recv() => info!("told to terminate"),
            _ = hang_up => info!("the terminal is gone"),
        }
    }
}

/// Says whether whoever started this program had it ignore SIGHUP, which is the first of the signals.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

/// Says whether somebody sits before this program: the standard input is a terminal, and not that of another program
/// while this one runs in the background.
pub(super) fn person_is_there() -> bool {
    let input = std::io::stdin();
    input.is_terminal()
        && match termios::tcgetpgrp(&input) {
            Ok(foreground) => foreground == process::getpgrp(),
            // A terminal that does not rule this process knows no background.
            Err(why) => why == Errno::NOTTY,
        }
}

/// How long a program in the background waits before it looks whether it was brought back.
const IN_BACKGROUND: Duration = Duration::from_millis(500);

/// What a person types, line by line. Where the standard input is no terminal it is never read.
pub(super) struct Keyboard {
    lines: Option<mpsc::Receiver<String>>,
}

impl Keyboard {
    /// Reads from now on.
    pub(super) fn new() -> Keyboard {
        if !std::io::stdin().is_terminal() {
            return Keyboard { lines: None };
        }
        let (lines, read) = mpsc::channel(4);
        // A read cannot be called off, so it has a thread that ends with the process.
        std::thread::spawn(move || read_lines(&lines));
        Keyboard { lines: Some(read) }
    }

    /// Says whether somebody can type now.
    pub(super) fn is_there(&self) -> bool {
        self.lines.is_some() && person_is_there()
    }

    /// Returns the next line, without its end. Never returns where nobody can type, or no longer can.
    pub(super) async fn line(&mut self) -> String {
        if let Some(lines) = &mut self.lines
            && let Some(line) = lines.recv().await
        {
            return line.trim().to_owned();
        }
        self.lines = None;
        std::future::pending().await
    }
}

/// Reads the terminal while it is ours, until it is gone or nobody wants the lines.
///
/// Whoever reads it from the background gets SIGTTIN, which stops the whole process, calls and all. A thread that blocks
/// the signal gets an error instead (`read(2)`: EIO), also where the process is sent there in the middle of a read.
fn read_lines(lines: &mpsc::Sender<String>) {
    if SigSet::from(SignalName::SIGTTIN).thread_block().is_err() {
        return;
    }
    let input = std::io::stdin();
    let mut line = String::new();
    loop {
        match input.lock().read_line(&mut line) {
            Ok(0) => return,
            Ok(_) if lines.blocking_send(std::mem::take(&mut line)).is_err() => return,
            Ok(_) => {}
            // A terminal without a foreground is no terminal any more.
            Err(_) if termios::tcgetpgrp(std::io::stdin()).is_err() => return,
            Err(_) => std::thread::sleep(IN_BACKGROUND),
        }
    }
}
