//! Where a PulseAudio server has our streams.
//!
//! The server moves a stream to another device without a word when its own is taken away, and neither of cpal's hosts
//! says so. A named device must not be replaced by a stranger's, so the server is asked: once when a stream is opened,
//! and from then on once a second. PipeWire answers in the same words.

use super::real::Way;

/// One of our streams, and the device that it is at, by the server's numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    stream: u32,
    device: u32,
}

/// Says whether the stream is still at its device; nothing where no server answers, or none knows the stream.
pub(super) fn is_at(place: Place, way: Way) -> Option<bool> {
    let listed = ours(way)?
        .into_iter()
        .find(|listed| listed.stream == place.stream)?;
    Some(listed.device == place.device)
}

/// Says whether there is a server that takes connections and then says nothing for a second.
///
/// cpal waits for such a one twice as long, and leaves a thread and a socket behind each time.
#[cfg(target_os = "linux")]
pub(super) fn hangs() -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};

    matches!(
        linux::greet(),
        Err(pulseaudio::protocol::ProtocolError::Io(cause)) if matches!(cause.kind(), TimedOut | WouldBlock)
    )
}

/// Makes the cookie that a server wants to see, where this person has none yet, as every other client does.
///
/// Without a file cpal sends none at all, and servers turn that away, also those that let everybody in.
#[cfg(target_os = "linux")]
pub(super) fn provide_cookie() {
    if let Err(cause) = linux::provide_cookie() {
        tracing::debug!(%cause, "there is no cookie for the sound server, and none can be made");
    }
}

/// Nobody wants one.
#[cfg(not(target_os = "linux"))]
pub(super) fn provide_cookie() {}

/// There is no such server.
#[cfg(not(target_os = "linux"))]
pub(super) fn hangs() -> bool {
    false
}

/// Opens a stream, and finds out where the server put it; nothing where no server is asked, or the stream is none of its.
///
/// No two streams of one way may be opened at once: which is whose could not be told.
pub(super) fn watch<T>(
    way: Way,
    open: impl FnOnce() -> Result<T, String>,
) -> Result<(T, Option<Place>), String> {
    let before = ours(way);
    let opened = open()?;
    let place = before.and_then(|before| {
        let mut new: Vec<Place> = ours(way)?;
        new.retain(|place| before.iter().all(|old| old.stream != place.stream));
        new.into_iter().max_by_key(|place| place.stream)
    });
    Ok((opened, place))
}

/// Lists the streams of this process; nothing where no server answers.
#[cfg(target_os = "linux")]
fn ours(way: Way) -> Option<Vec<Place>> {
    match linux::list(way) {
        Ok(places) => Some(places),
        Err(cause) => {
            tracing::debug!(%cause, "nobody tells where our streams are");
            None
        }
    }
}

/// Nobody moves streams.
#[cfg(not(target_os = "linux"))]
fn ours(_: Way) -> Option<Vec<Place>> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::BufReader;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use pulseaudio::protocol::{
        AuthParams, AuthReply, Command, CommandReply, MAX_VERSION, Prop, Props, ProtocolError,
        SetClientNameReply, SinkInputInfoList, SourceOutputInfoList, read_reply_message,
        write_command_message,
    };

    use super::{Place, Way};

    /// How long the server may take to each answer.
    const ANSWER: Duration = Duration::from_secs(1);

    /// Length of a cookie. One of zeros does where the server asks for none.
    const COOKIE: usize = 256;

    /// Makes a cookie of chance where libpulse would make it.
    pub(super) fn provide_cookie() -> std::io::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};

        if pulseaudio::cookie_path_from_env().is_some() {
            return Ok(());
        }
        let home = std::env::home_dir().ok_or(std::io::ErrorKind::NotFound)?;
        let folder = home.join(".config/pulse");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let mut cookie = [0; COOKIE];
        getrandom::fill(&mut cookie).map_err(std::io::Error::other)?;
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join("cookie"))?
            .write_all(&cookie)
    }

    /// Says hello to the server, and no more.
    pub(super) fn greet() -> Result<(), ProtocolError> {
        Server::connect().map(drop)
    }

    pub(super) fn list(way: Way) -> Result<Vec<Place>, ProtocolError> {
        let mut server = Server::connect()?;
        let id = std::process::id().to_string();
        // The server keeps it with the zero at its end, PipeWire without.
        let is_ours = |props: &Props| {
            props
                .get(Prop::ApplicationProcessId)
                .is_some_and(|value| value.strip_suffix(&[0]).unwrap_or(value) == id.as_bytes())
        };
        Ok(match way {
            Way::Playout => server
                .ask::<SinkInputInfoList>(&Command::GetSinkInputInfoList)?
                .into_iter()
                .filter(|input| is_ours(&input.props))
                .map(|input| Place {
                    stream: input.index,
                    device: input.sink_index,
                })
                .collect(),
            Way::Capture => server
                .ask::<SourceOutputInfoList>(&Command::GetSourceOutputInfoList)?
                .into_iter()
                .filter(|output| is_ours(&output.props))
                .map(|output| Place {
                    stream: output.index,
                    device: output.source_index,
                })
                .collect(),
        })
    }

    /// A connection of a moment. The `pulseaudio` crate's own client cannot list streams, and waits for ever.
    struct Server {
        socket: BufReader<UnixStream>,
        version: u16,
        asked: u32,
    }

    impl Server {
        fn connect() -> Result<Server, ProtocolError> {
            let path = pulseaudio::socket_path_from_env()
                .ok_or_else(|| ProtocolError::Invalid("there is no socket".to_owned()))?;
            let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
            // A server that hangs leaves its callers waiting in a line, and a line that is full makes the next one wait.
            socket.set_nonblocking(true)?;
            socket.connect(&socket2::SockAddr::unix(path)?)?;
            socket.set_nonblocking(false)?;
            let socket = UnixStream::from(std::os::fd::OwnedFd::from(socket));
            socket.set_read_timeout(Some(ANSWER))?;
            socket.set_write_timeout(Some(ANSWER))?;
            let mut server = Server {
                socket: BufReader::new(socket),
                version: MAX_VERSION,
                asked: 0,
            };
            let cookie = pulseaudio::cookie_path_from_env()
                .and_then(|path| std::fs::read(path).ok())
                .filter(|cookie| cookie.len() == COOKIE)
                .unwrap_or_else(|| vec![0; COOKIE]);
            let auth: AuthReply = server.ask(&Command::Auth(AuthParams {
                version: MAX_VERSION,
                supports_shm: false,
                supports_memfd: false,
                cookie,
            }))?;
            server.version = auth.version.min(MAX_VERSION);
            let mut props = Props::new();
            props.set(Prop::ApplicationName, c"offhook");
            let _: SetClientNameReply = server.ask(&Command::SetClientName(props))?;
            Ok(server)
        }

        fn ask<R: CommandReply>(&mut self, question: &Command) -> Result<R, ProtocolError> {
            let number = self.asked;
            self.asked += 1;
            write_command_message(self.socket.get_mut(), number, question, self.version)?;
            let (answered, reply) = read_reply_message(&mut self.socket, self.version)?;
            if answered == number {
                Ok(reply)
            } else {
                Err(ProtocolError::Invalid(
                    "an answer to something else".to_owned(),
                ))
            }
        }
    }
}
