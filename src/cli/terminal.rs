//! The terminal of a program in the foreground: the keyboard, and the signals that end it in order.

use std::io::IsTerminal;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing::info;

use super::failure::Failure;

/// The signals that end the program in order.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
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
        })
    }

    /// Returns once one of them has come.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => info!("interrupted"),
            _ = self.terminate.recv() => info!("told to terminate"),
        }
    }
}

/// What a person types, line by line. Where the standard input is no terminal it is never read.
pub(super) struct Keyboard {
    lines: Option<mpsc::Receiver<String>>,
}

impl Keyboard {
    /// Reads from now on.
    pub(super) fn new() -> Keyboard {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Keyboard { lines: None };
        }
        let (lines, read) = mpsc::channel(4);
        // A read cannot be called off, so it has a thread that ends with the process.
        std::thread::spawn(move || {
            let mut line = String::new();
            while input.read_line(&mut line).is_ok_and(|count| count > 0) {
                if lines.blocking_send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Keyboard { lines: Some(read) }
    }

    /// Says whether somebody could type.
    pub(super) fn is_there(&self) -> bool {
        self.lines.is_some()
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
