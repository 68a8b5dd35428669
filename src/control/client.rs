//! The command line's side of the control socket: one question, one reply, with limits on both.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{LogLine, PATH_LIMIT, REPLY_LIMIT, Reply, Request, fits};

/// How long a reply may take: hanging up waits up to 3 s for the carrier.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take where the carrier is to dial, for which it has some 14 s.
const PATIENCE_TO_DIAL: Duration = Duration::from_secs(20);

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no daemon is running here")]
    NotRunning(#[source] io::Error),
    /// The socket's path cannot be one.
    #[error("the path of the control socket is longer than {PATH_LIMIT} bytes")]
    PathTooLong,
    /// The socket is there and somebody else's, or broken.
    #[error("the daemon cannot be asked")]
    Broken(#[source] io::Error),
    /// The daemon says no.
    #[error("{0}")]
    Refused(String),
    /// Whoever listens there says something else.
    #[error("whoever listens there is no Offhook of this version")]
    Stranger(#[source] serde_json::Error),
}

/// Asks the daemon behind a socket.
///
/// # Errors
/// [`AskError`] where there is no daemon, or none that answers within 10 s (20 s where it is to dial).
pub fn ask(socket: &Path, request: &Request) -> Result<Reply, AskError> {
    let stream = connected(socket)?;
    let text = exchange(&stream, request).map_err(AskError::Broken)?;
    serde_json::from_str(&text).map_err(AskError::Stranger)
}

/// The log of events, as it comes from the daemon.
#[derive(Debug)]
pub struct Watch {
    reader: BufReader<UnixStream>,
    line: String,
}

/// Asks the daemon behind a socket for its log, behind the event numbered `after` or from now on.
///
/// # Errors
/// [`AskError`] where there is no daemon that can be asked.
pub fn watch(socket: &Path, after: Option<u64>) -> Result<Watch, AskError> {
    let mut stream = connected(socket)?;
    let request = Request::Watch { after };
    let sent = stream
        .set_write_timeout(Some(PATIENCE))
        .and_then(|()| Ok(serde_json::to_string(&request)? + "\n"))
        .and_then(|line| stream.write_all(line.as_bytes()));
    sent.map_err(AskError::Broken)?;
    Ok(Watch {
        reader: BufReader::new(stream),
        line: String::new(),
    })
}

impl Watch {
    /// Says whether a line, or a part of one, has come already, so that nobody need wait for the socket.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// Returns the socket, to be waited for.
    #[must_use]
    pub fn socket(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    /// Waits for the next line and returns it as it came, with what it says; nothing once the daemon has gone.
    ///
    /// # Errors
    /// [`AskError::Broken`] where the socket fails, [`AskError::Stranger`] where the line is none of the log's,
    /// [`AskError::Refused`] where the daemon tells no log.
    pub fn next_line(&mut self) -> Result<Option<(&str, LogLine)>, AskError> {
        self.line.clear();
        let limit = u64::try_from(REPLY_LIMIT).unwrap_or(u64::MAX);
        let mut limited = (&mut self.reader).take(limit);
        match limited.read_line(&mut self.line) {
            Ok(_) if !self.line.ends_with('\n') => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(AskError::Broken(error)),
        }
        let text = self.line.trim_end();
        match serde_json::from_str(text) {
            Ok(line) => Ok(Some((text, line))),
            Err(error) => Err(match serde_json::from_str(text) {
                Ok(Reply::Error { message, .. }) => AskError::Refused(message),
                Ok(
                    Reply::Status(_)
                    | Reply::Calls(_)
                    | Reply::Call(_)
                    | Reply::Done
                    | Reply::Settings(_)
                    | Reply::Recalled(_),
                )
                | Err(_) => AskError::Stranger(error),
            }),
        }
    }
}

fn connected(socket: &Path) -> Result<UnixStream, AskError> {
    if !fits(socket) {
        return Err(AskError::PathTooLong);
    }
    UnixStream::connect(socket).map_err(|error| {
        let nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if nobody.contains(&error.kind()) {
            AskError::NotRunning(error)
        } else {
            AskError::Broken(error)
        }
    })
}

/// Sends the question and takes one line back.
fn exchange(mut stream: &UnixStream, request: &Request) -> io::Result<String> {
    let patience = match request {
        Request::Dial { .. } | Request::Consult { .. } => PATIENCE_TO_DIAL,
        Request::Status
        | Request::Calls
        | Request::Settings
        | Request::ChangeSettings { .. }
        | Request::Recall(_)
        | Request::Answer { .. }
        | Request::Hangup { .. }
        | Request::Do { .. }
        | Request::Watch { .. }
        | Request::DoNotDisturb { .. } => PATIENCE,
    };
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(request)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut reply = String::new();
    let limit = u64::try_from(REPLY_LIMIT).unwrap_or(u64::MAX);
    BufReader::new(stream.take(limit)).read_line(&mut reply)?;
    if reply.ends_with('\n') {
        Ok(reply)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
