//! Opens the media socket: signed handshake, time limit, and the errors of the carrier's table.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{SplitSink, SplitStream};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls};
use url::Url;

use super::report::Warning;

/// The longest that connecting and the handshake may take, each. The carrier's own limit is not documented.
const LIMIT: Duration = Duration::from_secs(5);

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

/// Opens a socket to `dialled`, with the headers of `public`, its signature among them. With `reset` it is reset when it
/// is dropped.
pub(super) async fn open(
    dialled: &str,
    public: &str,
    named: &[(&'static str, String)],
    reset: bool,
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
    let connected = timeout(LIMIT, TcpStream::connect((host, port))).await;
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
    if reset {
        tcp.set_zero_linger().map_err(broken)?;
    }
    let std = tcp.into_std().map_err(broken)?;
    let raw = std.try_clone().map_err(broken)?;
    let tcp = TcpStream::from_std(std).map_err(broken)?;
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shaken = timeout(LIMIT, client_async_tls(request, tcp)).await;
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
        raw: (!reset).then_some(raw),
    })
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
