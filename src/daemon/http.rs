//! Takes connections on a listening socket and serves HTTP on them, so that nobody who dawdles keeps others out.
//!
//! Behind a tunnel everybody comes from one address, so that strangers cannot be told from the carrier before they have
//! said something. Whoever does not say it in time is let go, and where there are too many connections, the one that has
//! been quiet for longest makes room for the newest. A websocket, once open, is its handler's and counts no longer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

/// What the kernel may hold of one connection on its way out: not seconds of sound that a stalled peer would get late.
/// (Linux doubles the figure for its own book-keeping.)
const SEND_BUFFER: usize = 16 * 1024;

/// What of it may wait to be sent at all, in bytes: about two messages of 20 ms. What has been sent and not been
/// acknowledged comes on top.
#[cfg(any(target_os = "android", target_os = "linux"))]
const NOT_SENT: u32 = 600;

/// How much patience there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long the head of a request may take, from the connection or the end of the request before: longer than tunnels
    /// keep a connection that is idle (90 s), or they would send a webhook into one that is just being closed.
    pub(crate) head: Duration,
    /// How long it may take from there to our answer, with a body that comes slowly.
    pub(crate) request: Duration,
    /// Connections at most; well below the 1,024 files that a process may usually open.
    pub(crate) connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: Duration::from_secs(120),
            request: Duration::from_secs(20),
            connections: 256,
        }
    }
}

/// The connections of all doors, the one that has been quiet for longest first.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    // By the order in which they last began something; dropping the sender lets the connection go.
    waiting: BTreeMap<u64, oneshot::Sender<Infallible>>,
}

impl Open {
    fn put(&mut self, let_go: oneshot::Sender<Infallible>) -> u64 {
        self.last += 1;
        self.waiting.insert(self.last, let_go);
        self.last
    }
}

/// One connection's place among all.
#[derive(Debug)]
struct Place {
    open: Arc<Mutex<Open>>,
    number: Mutex<u64>,
}

impl Connections {
    /// Begins without any.
    pub(crate) fn new(limits: Limits) -> Connections {
        Connections {
            limits,
            open: Arc::default(),
        }
    }

    /// Takes a connection in; where there are too many, the quietest goes. The receiver fails when this one is to go.
    fn enter(&self) -> (Place, oneshot::Receiver<Infallible>) {
        let (let_go, gone) = oneshot::channel();
        let mut open = locked(&self.open);
        if open.waiting.len() >= self.limits.connections {
            open.waiting.pop_first();
        }
        let number = Mutex::new(open.put(let_go));
        drop(open);
        let open = Arc::clone(&self.open);
        (Place { open, number }, gone)
    }
}

impl Place {
    /// Notes that the connection began something.
    fn stir(&self) {
        let mut open = locked(&self.open);
        let mut number = locked(&self.number);
        if let Some(let_go) = open.waiting.remove(&number) {
            *number = open.put(let_go);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let number = *locked(&self.number);
        locked(&self.open).waiting.remove(&number);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is closed, and then until the requests that are under way have been answered.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Connections,
    mut closed: watch::Receiver<bool>,
) {
    let mut served = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing(&mut closed) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(cause) => {
                // Too many open files, most likely: others must close theirs first.
                warn!(%cause, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        prepare(&stream);
        served.spawn(attend(
            stream,
            router.clone(),
            connections.clone(),
            closed.clone(),
        ));
        while served.try_join_next().is_some() {}
    }
    drop(listener);
    while served.join_next().await.is_some() {}
}

/// Returns once the doors are being closed.
async fn closing(closed: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = closed.wait_for(|closing| *closing).await;
}

/// Prepares a connection for sound. Which will carry some is not known before it is upgraded, and hyper does not hand out
/// the socket then without a second descriptor of each; pages of a few KiB lose little by a small buffer.
fn prepare(stream: &TcpStream) {
    // A frame of 20 ms must not wait for the next one to fill a segment.
    if let Err(cause) = stream.set_nodelay(true) {
        debug!(%cause, "TCP_NODELAY is not to be had");
    }
    if let Err(cause) = socket2::SockRef::from(stream).set_send_buffer_size(SEND_BUFFER) {
        debug!(%cause, "the send buffer keeps its size");
    }
    #[cfg(any(target_os = "android", target_os = "linux"))]
    if let Err(cause) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(NOT_SENT) {
        debug!(%cause, "TCP_NOTSENT_LOWAT is not to be had");
    }
}

/// Serves one connection.
async fn attend(
    stream: TcpStream,
    router: Router,
    connections: Connections,
    mut closed: watch::Receiver<bool>,
) {
    let (place, mut gone) = connections.enter();
    let limits = connections.limits;
    let service = service_fn(|request: Request<Incoming>| {
        place.stir();
        let answer = TowerToHyperService::new(router.clone()).call(request.map(Body::new));
        async move {
            match timeout(limits.request, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(too_slow()),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let mut is_last = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(cause) = ended {
                    debug!(%cause, "a connection ended early");
                }
                return;
            }
            _ = &mut gone => {
                debug!("there are too many connections; the one that was quiet for longest is closed");
                return;
            }
            () = closing(&mut closed), if !is_last => {
                is_last = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Answers a request that did not come to its end in time.
fn too_slow() -> Response {
    let kind = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONNECTION, "close"),
    ];
    let body =
        r#"{"error":{"code":"too_slow","message":"the request did not come to its end in time"}}"#;
    (StatusCode::REQUEST_TIMEOUT, kind, body).into_response()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    const QUICK: Limits = Limits {
        head: Duration::from_millis(300),
        request: Duration::from_millis(300),
        connections: 8,
    };

    const PATIENT: Limits = Limits {
        head: Duration::from_secs(60),
        request: Duration::from_secs(60),
        connections: 8,
    };

    async fn start(limits: Limits) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new()
            .route("/", get(|| async { "ok" }))
            .route("/", post(|body: String| async { body }));
        let (closing, closed) = watch::channel(false);
        tokio::spawn(serve(listener, router, Connections::new(limits), closed));
        (address, closing)
    }

    async fn dial(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(text.as_bytes()).await.expect("sent");
        stream
    }

    /// Reads to the end of the connection.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        // A connection that is cut off has told what it had to tell.
        let _ = timeout(LIMIT, stream.read_to_end(&mut bytes))
            .await
            .expect("it is closed in time");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn whoever_does_not_finish_a_request_is_let_go() {
        let (address, _closing) = start(QUICK).await;
        for half in ["", "GET / HTTP/1.1\r\nHo", "GET / HTTP/1.1\r\nHost: x\r\n"] {
            let mut stream = dial(address, half).await;
            rest(&mut stream).await;
        }
        let half_a_body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
        let mut stream = dial(address, half_a_body).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.ends_with(r#"in time"}}"#), "{answer}");
    }

    #[tokio::test]
    async fn any_number_of_quiet_connections_keeps_nobody_out() {
        let (address, _closing) = start(PATIENT).await;
        let mut quiet = Vec::new();
        for n in 0..100 {
            let half_a_body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
            quiet.push(dial(address, ["", "GET / HT", half_a_body][n % 3]).await);
        }
        let answer = rest(&mut dial(address, WHOLE).await).await;
        assert!(answer.ends_with("ok"), "{answer}");
        // The first of them had to go.
        rest(&mut quiet[0]).await;
    }

    #[cfg(any(target_os = "android", target_os = "linux"))]
    #[tokio::test]
    async fn a_connection_lets_little_sound_wait_in_the_kernel_and_none_for_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (peer, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_peer, (stream, _)) = (peer.expect("a connection"), accepted.expect("a connection"));
        prepare(&stream);
        let socket = socket2::SockRef::from(&stream);
        assert!(stream.nodelay().expect("known"));
        assert_eq!(socket.tcp_notsent_lowat().expect("known"), NOT_SENT);
        let room = socket.send_buffer_size().expect("known");
        assert!(room <= 2 * SEND_BUFFER, "{room} bytes");
    }

    #[tokio::test]
    async fn when_it_is_closed_what_is_under_way_is_answered() {
        let (address, closing) = start(PATIENT).await;
        let begun = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc";
        let mut stream = dial(address, begun).await;
        // Answered, so the one before it has been taken up as well.
        rest(&mut dial(address, WHOLE).await).await;
        closing.send(true).expect("it listens");
        stream.write_all(b"def").await.expect("sent");
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with("abcdef"), "{answer}");
        let gone = async { while TcpStream::connect(address).await.is_ok() {} };
        timeout(LIMIT, gone).await.expect("nobody listens any more");
    }
}
