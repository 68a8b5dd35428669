//! Somebody else's program for the simulator to call: it answers by script, checks every signature by its own arithmetic,
//! and keeps what it was sent. Nothing of Offhook is in it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request as HttpRequest, State};
use axum::http::{Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha1::Sha1;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The token that it checks with.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Whatever is awaited comes within this.
const LIMIT: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) host: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) content_type: String,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) signature: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Returns a header by its name in lower case; nothing where it is not there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        Some(headers.find(|(key, _)| key == name)?.1.as_str())
    }

    /// Returns a field of the form; nothing where it is not there.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.form.iter();
        Some(fields.find(|(key, _)| key == name)?.1.as_str())
    }
}

/// What it answers.
pub(crate) struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
}

/// Answers with verbs.
pub(crate) fn twiml(verbs: &str) -> Answer {
    Answer {
        status: 200,
        content_type: "text/xml; charset=utf-8",
        body: format!("<?xml version=\"1.0\"?><Response>{verbs}</Response>"),
    }
}

/// Answers with anything.
pub(crate) fn answer(status: u16, content_type: &'static str, body: impl Into<String>) -> Answer {
    Answer {
        status,
        content_type,
        body: body.into(),
    }
}

/// Answers a handshake by talking.
pub(crate) fn talk() -> Answer {
    answer(101, "", "")
}

type Answers = Box<dyn Fn(&Request) -> Answer + Send + Sync>;
type Talks = Box<dyn Fn(Line) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Script {
    answers: Answers,
    talks: Talks,
    requests: Mutex<Vec<Request>>,
    lines: Mutex<Vec<Log>>,
    /// How many sockets it is still busy with.
    busy: watch::Sender<usize>,
}

/// What came over a socket: JSON as it is, other texts as a string, the rest as an object of its own.
type Log = Arc<Mutex<Vec<Value>>>;

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program.
pub(crate) struct Stranger {
    address: SocketAddr,
    script: Arc<Script>,
    server: JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stranger {
    /// Starts it with what it answers to requests, and what it does on a socket.
    pub(crate) async fn start<T: Future<Output = ()> + Send + 'static>(
        answers: impl Fn(&Request) -> Answer + Send + Sync + 'static,
        talks: impl Fn(Line) -> T + Send + Sync + 'static,
    ) -> Stranger {
        let script = Arc::new(Script {
            answers: Box::new(answers),
            talks: Box::new(move |line| Box::pin(talks(line))),
            requests: Mutex::default(),
            lines: Mutex::default(),
            busy: watch::Sender::new(0),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&script));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Stranger {
            address,
            script,
            server,
        }
    }

    /// Starts it with one document for every request but handshakes, which it talks at.
    pub(crate) async fn with_stream<T: Future<Output = ()> + Send + 'static>(
        verbs: impl Into<String>,
        talks: impl Fn(Line) -> T + Send + Sync + 'static,
    ) -> Stranger {
        let verbs = verbs.into();
        let answers = move |request: &Request| {
            if request.path.starts_with("/media") {
                talk()
            } else {
                twiml(&verbs)
            }
        };
        Stranger::start(answers, talks).await
    }

    /// Returns its real address with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns every request so far, handshakes included, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        locked(&self.script.requests).clone()
    }

    /// Returns the requests to a path.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path);
        requests
    }

    /// Returns what came over each socket, once the last of them is done with.
    pub(crate) async fn lines(&self) -> Vec<Vec<Value>> {
        let mut busy = self.script.busy.subscribe();
        let done = busy.wait_for(|busy| *busy == 0);
        let done = tokio::time::timeout(LIMIT, done).await;
        assert!(done.is_ok_and(|done| done.is_ok()), "every socket ends");
        let lines = locked(&self.script.lines);
        lines.iter().map(|log| locked(log).clone()).collect()
    }

    /// Fails unless every request was signed over `origin` and named its host.
    #[track_caller]
    pub(crate) fn assert_signed_over(&self, origin: &str) {
        let requests = self.requests();
        assert!(!requests.is_empty());
        let (scheme, host) = origin.split_once("://").expect("an origin");
        for request in requests {
            let scheme = match (scheme, request.method.as_str()) {
                ("https", "handshake") => "wss",
                (_, "handshake") => "ws",
                (scheme, _) => scheme,
            };
            let url = format!("{scheme}://{host}{}", request.path);
            assert_eq!(
                request.signature,
                signature(&url, &request.form),
                "over {url}: {request:?}"
            );
            assert_eq!(request.host, host);
        }
    }
}

/// Signs as Twilio's documents say.
pub(crate) fn signature(url: &str, form: &[(String, String)]) -> String {
    let mut form = form.to_vec();
    form.sort();
    let text = form.iter().fold(url.to_owned(), |text, (name, value)| {
        format!("{text}{name}{value}")
    });
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).expect("any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

async fn serve(State(script): State<Arc<Script>>, request: HttpRequest) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let text = |name: header::HeaderName| {
        let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let is_handshake = text(header::UPGRADE) == "websocket";
    let body = to_bytes(body, 1 << 20).await.expect("a small body");
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap_or_default();
        (name.as_str().to_owned(), value.to_owned())
    });
    let seen = Request {
        method: match parts.method {
            Method::GET if is_handshake => "handshake".to_owned(),
            ref method => method.to_string(),
        },
        host: text(header::HOST),
        path: parts.uri.to_string(),
        content_type: text(header::CONTENT_TYPE),
        form: form_urlencoded::parse(&body).into_owned().collect(),
        signature: text(header::HeaderName::from_static("x-twilio-signature")),
        headers: headers.collect(),
    };
    locked(&script.requests).push(seen.clone());
    let answer = (script.answers)(&seen);
    if answer.status == 101 {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
            .await
            .expect("a handshake by the rules");
        let log = Log::default();
        locked(&script.lines).push(Arc::clone(&log));
        script.busy.send_modify(|busy| *busy += 1);
        return upgrade.on_upgrade(async move |socket| {
            let line = Line {
                socket,
                log,
                open: true,
                stream_sid: String::new(),
            };
            (script.talks)(line).await;
            script.busy.send_modify(|busy| *busy -= 1);
        });
    }
    let status = StatusCode::from_u16(answer.status).expect("a status");
    // A redirect has its address where others have their body.
    let place = if status.is_redirection() {
        header::LOCATION
    } else {
        header::CONTENT_TYPE
    };
    let told = match status.is_redirection() {
        true => answer.body.clone(),
        false => answer.content_type.to_owned(),
    };
    (status, [(place, told)], answer.body).into_response()
}

/// Its end of a media socket.
pub(crate) struct Line {
    socket: WebSocket,
    log: Log,
    open: bool,
    pub(crate) stream_sid: String,
}

impl Line {
    /// Returns what comes next; nothing when it is over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let message = tokio::time::timeout(LIMIT, self.socket.recv())
            .await
            .expect("the caller goes on or ends it");
        let value = match message {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text)
                .unwrap_or_else(|_| Value::from(text.chars().take(80).collect::<String>())),
            Some(Ok(Message::Binary(bytes))) => json!({ "binary": bytes.len() }),
            Some(Ok(Message::Close(frame))) => json!({ "closed": frame.map(|f| f.code) }),
            Some(Ok(Message::Pong(_))) => json!({ "pong": true }),
            Some(Ok(Message::Ping(_))) => json!({ "ping": true }),
            Some(Err(_)) => json!({ "broken": true }),
            None => return None,
        };
        if let Some(sid) = value["start"]["streamSid"].as_str() {
            sid.clone_into(&mut self.stream_sid);
        }
        locked(&self.log).push(value.clone());
        Some(value)
    }

    /// Waits for an event.
    pub(crate) async fn until(&mut self, event: &str) -> Value {
        loop {
            let next = self.next().await.expect("the caller is there");
            if next["event"] == event {
                return next;
            }
        }
    }

    /// Hears the caller out.
    pub(crate) async fn hear_out(&mut self) {
        while self.next().await.is_some() {}
    }

    /// Sends a text as it is.
    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// Sends mu-law, in one message.
    pub(crate) async fn play(&mut self, codes: &[u8]) {
        let media = json!({"payload": STANDARD.encode(codes)});
        let message = json!({"event": "media", "streamSid": self.stream_sid, "media": media});
        self.say(message.to_string()).await;
    }

    /// Sends a mark.
    pub(crate) async fn mark(&mut self, name: &str) {
        let mark = json!({"event": "mark", "streamSid": self.stream_sid, "mark": {"name": name}});
        self.say(mark.to_string()).await;
    }

    /// Empties the queue.
    pub(crate) async fn clear(&mut self) {
        let clear = json!({"event": "clear", "streamSid": self.stream_sid});
        self.say(clear.to_string()).await;
    }

    /// Sends any message; a caller who has gone is no failure.
    pub(crate) async fn send(&mut self, message: Message) {
        self.open &= self.socket.send(message).await.is_ok();
    }

    /// Says whether everything so far could be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Closes the socket by the rules.
    pub(crate) async fn close(&mut self) {
        self.send(Message::Close(Some(CloseFrame {
            code: 1000,
            reason: "".into(),
        })))
        .await;
        self.hear_out().await;
    }
}

/// Decodes mu-law by the textbook.
pub(crate) fn decode(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((i16::from(code & 0x0F) << 3) + 0x84) << ((code >> 4) & 7);
    if code & 0x80 == 0 {
        magnitude - 0x84
    } else {
        0x84 - magnitude
    }
}

/// Returns the mu-law of a media message.
pub(crate) fn payload(message: &Value) -> Vec<u8> {
    let text = message["media"]["payload"].as_str().expect("a payload");
    STANDARD.decode(text).expect("base64")
}
