//! Opens the media socket: signed handshake, time limit, and the errors of the carrier's table.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{SplitSink, SplitStream};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::report::Warning;

/// The longest that connecting and the handshake may take, each. The carrier's own limit is not documented.
const LIMIT: Duration = Duration::from_secs(5);

/// Bytes that a narrow connection's buffers take each.
const NARROW: usize = 4_096;

/// Bytes of a segment on most lines; a machine's line to itself has 64 KiB, and buffers to match.
const SEGMENT: u32 = 1_448;

/// The half of a socket to read from.
pub(super) type Reading = SplitStream<Whole>;

type Whole = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An open socket.
pub(super) struct Socket {
    pub(super) sink: SplitSink<Whole, Message>,
    pub(super) stream: Reading,
    /// The connection underneath, to be able to shut half of it.
    pub(super) raw: Option<std::net::TcpStream>,
}

/// What is special about a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    /// It is reset when it is dropped.
    pub(super) by_reset: bool,
    /// What is not read leaves no room for more, as if the server were far away: without it the kernel takes in megabytes
    /// from a server on the same machine.
    pub(super) narrow: bool,
}

/// Opens a socket to `dialled`, with the headers of `public`, its signature among them.
pub(super) async fn open(
    dialled: &str,
    public: &str,
    named: &[(&'static str, String)],
    ends: Ends,
) -> Result<Socket, Warning> {
    let warning = |code, text: String| Warning { code, text };
    let malformed = || {
        warning(
            31923,
            format!("the stream's address `{public}` cannot be read"),
        )
    };
    let url = Url::parse(dialled).map_err(|_| malformed())?;
    let mut request = dialled.into_client_request().map_err(|_| malformed())?;
    let headers = request.headers_mut();
    for (name, value) in named {
        let value = HeaderValue::from_str(value).map_err(|_| malformed())?;
        headers.insert(*name, value);
    }
    let host = url.host_str().ok_or_else(malformed)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().ok_or_else(malformed)?;
    let connected = timeout(LIMIT, connect(host, port, ends.narrow)).await;
    let tcp = match connected {
        Err(_) => {
            return Err(warning(
                31901,
                format!("{dialled} took longer than 5 s to connect"),
            ));
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(warning(
                31902,
                format!("{dialled} refused the connection: is anything listening there?"),
            ));
        }
        Ok(Err(error)) => {
            return Err(warning(
                31901,
                format!("{dialled} cannot be reached: {error}"),
            ));
        }
        Ok(Ok(tcp)) => tcp,
    };
    let broken = |error: io::Error| warning(31903, format!("{dialled} broke off: {error}"));
    tcp.set_nodelay(true).map_err(broken)?;
    if ends.by_reset {
        tcp.set_zero_linger().map_err(broken)?;
    }
    let std = tcp.into_std().map_err(broken)?;
    let raw = std.try_clone().map_err(broken)?;
    let tcp = TcpStream::from_std(std).map_err(broken)?;
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = ends
        .narrow
        .then(|| WebSocketConfig::default().read_buffer_size(NARROW));
    let shaken = timeout(
        LIMIT,
        client_async_tls_with_config(request, tcp, config, None),
    )
    .await;
    let (whole, _) = match shaken {
        Err(_) => {
            return Err(warning(
                31920,
                format!("{dialled} did not answer the handshake within 5 s"),
            ));
        }
        Ok(Err(Error::Http(response))) => {
            return Err(warning(
                31920,
                format!(
                    "{dialled} answered the handshake with {} where 101 should be",
                    response.status().as_u16()
                ),
            ));
        }
        Ok(Err(Error::Tls(error))) => {
            return Err(warning(31910, failed_in_tls(dialled, &error)));
        }
        Ok(Err(Error::Io(error))) if url.scheme() == "wss" && is_of_tls(&error) => {
            return Err(warning(31910, failed_in_tls(dialled, &error)));
        }
        Ok(Err(error)) => {
            return Err(warning(
                31920,
                format!("{dialled} spoilt the handshake: {error}"),
            ));
        }
        Ok(Ok(done)) => done,
    };
    let (sink, stream) = whole.split();
    Ok(Socket {
        sink,
        stream,
        // A second handle would keep the connection open when it is to be reset.
        raw: (!ends.by_reset).then_some(raw),
    })
}

/// Connects to the first address that answers.
async fn connect(host: &str, port: u16, narrow: bool) -> io::Result<TcpStream> {
    if !narrow {
        return TcpStream::connect((host, port)).await;
    }
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in lookup_host((host, port)).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // Before connecting, or the window is negotiated without them.
        socket.set_recv_buffer_size(NARROW as u32)?;
        // Where it cannot be set, the other side holds more back than it would on a real line.
        let _ = SockRef::from(&socket).set_tcp_mss(SEGMENT);
        match socket.connect(address).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Says whether an error came out of the TLS layer, which wraps its own into those of the connection.
fn is_of_tls(error: &io::Error) -> bool {
    let inside = error.get_ref();
    inside.is_some_and(|inside| inside.is::<rustls::Error>())
        || error.kind() == io::ErrorKind::InvalidData
        || inside.is_some_and(|inside| inside.to_string().contains("tls"))
}

fn failed_in_tls(dialled: &str, error: &dyn std::fmt::Display) -> String {
    format!(
        "{dialled} failed in TLS: {error}; did you mean --origin https://…, which stands for the webhook's own port?"
    )
}
