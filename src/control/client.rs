//! The command line's side of the control socket: one question, one reply, with limits on both.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{PATH_LIMIT, REPLY_LIMIT, Reply, Request, fits};

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
    /// Whoever listens there says something else.
    #[error("whoever listens there is no Offhook of this version")]
    Stranger(#[source] serde_json::Error),
}

/// Asks the daemon behind a socket.
///
/// # Errors
/// [`AskError`] where there is no daemon, or none that answers within 10 s (20 s where it is to dial).
pub fn ask(socket: &Path, request: &Request) -> Result<Reply, AskError> {
    if !fits(socket) {
        return Err(AskError::PathTooLong);
    }
    let stream = UnixStream::connect(socket).map_err(|error| {
        let nobody = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
        if nobody.contains(&error.kind()) {
            AskError::NotRunning(error)
        } else {
            AskError::Broken(error)
        }
    })?;
    let text = exchange(&stream, request).map_err(AskError::Broken)?;
    serde_json::from_str(&text).map_err(AskError::Stranger)
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
