//! The person's door over real sockets: who is let in, and what tokens, calls and events look like to a program.

#[path = "common/bare_phone.rs"]
mod bare_phone;
#[path = "persons_door/calls.rs"]
mod calls;
#[path = "common/rig.rs"]
mod rig;
#[path = "persons_door/slow_watcher.rs"]
mod slow_watcher;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bare_phone::LIMIT;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use offhook::audio::{SocketEnd, stream_port};
use offhook::config::{Origin, Secret, Settings};
use offhook::phone::{PhoneHandle, StreamControl, StreamOffer};
use offhook::pure::ids::{LegId, Party, StreamId};
use offhook::pure::phone::{Ask, Caller, Document, LegStatus};
use offhook::pure::time::rfc3339;
use offhook::{twilio, web};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

const KEY: &str = rig::API_KEY;
/// Every path behind the key, with its method, but those of the memory, of recordings, settings and devices: `api_description`
/// asks for all of them.
const PATHS: &[(&str, &str)] = &[
    ("GET", "/metrics"),
    ("GET", "/api/token"),
    ("POST", "/api/token"),
    ("POST", "/api/register-identity"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/c1"),
    ("POST", "/api/calls/c1/answer"),
    ("POST", "/api/calls"),
    ("POST", "/api/calls/c1/hangup"),
    ("POST", "/api/calls/c1/reject"),
    ("POST", "/api/calls/c1/hold"),
    ("POST", "/api/calls/c1/resume"),
    ("POST", "/api/calls/c1/mute"),
    ("POST", "/api/calls/c1/record"),
    ("POST", "/api/calls/c1/dtmf"),
    ("POST", "/api/calls/c1/merge"),
    ("POST", "/api/calls/c1/move"),
    ("POST", "/api/calls/c1/transfer"),
    ("POST", "/api/calls/c1/transfer/complete"),
    ("GET", "/api/do-not-disturb"),
    ("POST", "/api/do-not-disturb"),
    ("GET", "/api/events"),
];
/// The size of a socket's buffers where they are to be full soon, in bytes.
const SMALL: u32 = 4096;

/// A telephone without devices, with both doors.
struct Rig {
    address: SocketAddr,
    phone: PhoneHandle,
    http: reqwest::Client,
    _folder: TempDir,
}

/// A stream as the carrier's side holds it.
struct Stream {
    id: StreamId,
    _socket: SocketEnd,
    _control: mpsc::Receiver<StreamControl>,
}

impl Rig {
    async fn start() -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Rig::on(listener).await
    }

    async fn on(listener: TcpListener) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = settings(&folder);
        let clock = Instant::now();
        let phone = bare_phone::phone(&settings, clock).await;
        let doors = web::door(&settings, Secret::new(KEY), phone.clone()).merge(twilio::door(
            &settings,
            phone.clone(),
            clock,
        ));
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, doors).await });
        let http = bare_phone::http();
        Rig {
            address,
            phone,
            http,
            _folder: folder,
        }
    }

    /// A request that brings nothing along.
    fn stranger(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        self.http
            .request(method, format!("http://{}{path}", self.address))
    }

    /// A request that brings the key.
    fn person(&self, method: &str, path: &str) -> RequestBuilder {
        self.stranger(method, path).bearer_auth(KEY)
    }

    /// Lets a call come in, which is offered a stream.
    async fn incoming(&self, leg: &str) -> Document {
        let ask = Ask::Incoming {
            from: Party::parse("+18738402100"),
            to: Party::parse("+18199754345"),
            caller: Caller::default(),
        };
        let asked = self.phone.ask(LegId::new(leg), ask).await;
        asked.expect("the phone lives")
    }

    /// Lets a call come in and ring.
    async fn rings(&self, leg: &str) -> Stream {
        let Document::Stream { token, .. } = self.incoming(leg).await else {
            panic!("no stream is offered");
        };
        let (socket, port) = stream_port();
        let (control, controlled) = mpsc::channel(1);
        let id = self.phone.next_stream();
        let offer = StreamOffer {
            stream: id,
            leg: LegId::new(leg),
            token,
            port,
            control,
        };
        self.phone.stream_up(offer).await.expect("let in");
        Stream {
            id,
            _socket: socket,
            _control: controlled,
        }
    }

    /// Opens the events.
    async fn events(&self, query: &str) -> WebSocketStream<TcpStream> {
        let opened = self.try_events(query, None).await;
        opened.expect("the events are open to the key")
    }

    async fn try_events(
        &self,
        query: &str,
        origin: Option<&str>,
    ) -> Result<WebSocketStream<TcpStream>, Error> {
        let url = format!("ws://{}/api/events{query}", self.address);
        let mut request = url.into_client_request().expect("a request");
        let headers = request.headers_mut();
        let key = format!("Bearer {KEY}").parse().expect("a header");
        headers.insert("Authorization", key);
        if let Some(origin) = origin {
            headers.insert("Origin", origin.parse().expect("a header"));
        }
        let connection = TcpSocket::new_v4().expect("a socket");
        // Little room, so that a reader that does not read is soon noticed.
        connection.set_recv_buffer_size(SMALL).expect("a socket");
        let tcp = connection
            .connect(self.address)
            .await
            .expect("a connection");
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
        Ok(socket)
    }
}

/// A phone with a public name and one more of its own.
fn settings(folder: &TempDir) -> Settings {
    let mut settings = rig::settings(folder.path());
    settings.public_url = Origin::parse("https://phone.example.com").expect("valid");
    settings.public_url_by_default = false;
    settings.hosts = vec!["desk.lan".to_owned()];
    settings
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

/// Sends a request and returns what came of it as status and JSON.
async fn ask(request: RequestBuilder) -> (u16, Value) {
    let answer = send(request).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("text");
    let json = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}, no JSON: {text}"));
    (status, json)
}

/// Checks that a request is refused with this status and this word.
async fn refused(request: RequestBuilder, status: u16, code: &str) {
    let told = format!("{request:?}");
    let (came, json) = ask(request).await;
    assert_eq!(
        (came, &json["error"]["code"]),
        (status, &json!(code)),
        "{told}"
    );
    let message = json["error"]["message"].as_str();
    assert!(message.is_some_and(|message| !message.is_empty()), "{json}");
}

/// Waits for the next message and returns it as JSON.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    let message = timeout(LIMIT, socket.next()).await.expect("in time");
    let text = message
        .expect("an open socket")
        .expect("a message")
        .into_text()
        .expect("text");
    serde_json::from_str(&text).expect("JSON")
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
    serde_json::from_slice(&claims).expect("JSON")
}

#[tokio::test]
async fn everybody_may_ask_whether_it_is_well_and_learns_nothing_else() {
    let rig = Rig::start().await;
    let answer = send(rig.stranger("GET", "/health")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("text"), "ok");
}

#[tokio::test]
async fn a_browser_finds_a_page_that_loads_nothing_from_elsewhere() {
    let rig = Rig::start().await;
    let page = send(rig.stranger("GET", "/")).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    let text = page.text().await.expect("text");
    assert!(text.contains("<h1>Offhook</h1>") && text.contains(r#"href="/page.css""#));
    assert!(
        !text.contains("http:") && !text.contains("https:"),
        "{text}"
    );
    let style = send(rig.stranger("GET", "/page.css")).await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    let foreign = rig.stranger("GET", "/").header("Host", "evil.example");
    refused(foreign, 403, "wrong_host").await;
}

#[tokio::test]
async fn nobody_else_comes_in_without_the_key_not_even_from_this_machine() {
    let rig = Rig::start().await;
    for (method, path) in PATHS.iter().chain(&[("GET", "/page"), ("GET", "/nothing")]) {
        for value in [
            None,
            Some(format!("Bearer {KEY}x")),
            Some("Bearer ".to_owned()),
            Some(format!("Basic {KEY}")),
            Some(KEY.to_owned()),
        ] {
            let mut request = rig.stranger(method, path);
            if let Some(value) = value {
                request = request.header("Authorization", value);
            }
            refused(request, 401, "unauthorized").await;
        }
    }
    let answer = send(rig.stranger("GET", "/api/calls")).await;
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    let forwarded = rig
        .stranger("GET", &format!("/api/calls?key={KEY}"))
        .header("X-Forwarded-For", "127.0.0.1");
    refused(forwarded, 401, "unauthorized").await;
}

#[tokio::test]
async fn whoever_has_the_key_is_told_what_is_not_there() {
    let rig = Rig::start().await;
    for path in [
        "/page",
        "/nothing",
        "/%FF",
        "/api",
        "/api/calls/c1/levitate",
    ] {
        refused(rig.person("GET", path), 404, "not_found").await;
    }
    for (method, path) in [
        ("DELETE", "/api/calls"),
        ("POST", "/api/calls/c1"),
        ("POST", "/metrics"),
        ("POST", "/api/events"),
        ("PUT", "/"),
        ("DELETE", "/health"),
        ("GET", "/api/register-identity"),
        ("GET", "/api/calls/c1/answer"),
        ("PUT", "/api/token"),
    ] {
        let answer = send(rig.person(method, path)).await;
        assert!(answer.headers().contains_key("allow"), "{method} {path}");
        refused(rig.person(method, path), 405, "wrong_method").await;
    }
}

#[tokio::test]
async fn after_a_hundred_wrong_keys_more_must_wait_but_never_the_right_one() {
    let rig = Rig::start().await;
    let wrong = || rig.stranger("GET", "/api/calls").bearer_auth("wrong");
    for _ in 0..100 {
        refused(wrong(), 401, "unauthorized").await;
    }
    let answer = send(wrong()).await;
    assert_eq!(answer.status(), 429);
    let wait = answer.headers()["retry-after"].to_str().expect("text");
    let wait: u64 = wait.parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait} s");
    refused(wrong(), 429, "too_many_wrong_keys").await;
    assert_eq!(send(rig.person("GET", "/api/calls")).await.status(), 200);
    refused(rig.stranger("GET", "/api/calls"), 401, "unauthorized").await;
}

#[tokio::test]
async fn the_door_answers_to_its_own_names_only() {
    let rig = Rig::start().await;
    for host in [
        "localhost:3000",
        "127.0.0.1",
        "[::1]:3000",
        "phone.example.com",
        "desk.lan:3000",
    ] {
        let answer = send(rig.person("GET", "/api/calls").header("Host", host)).await;
        assert_eq!(answer.status(), 200, "{host}");
    }
    for path in ["/health", "/api/calls", "/nothing"] {
        let foreign = || rig.person("GET", path).header("Host", "evil.example");
        refused(foreign(), 403, "wrong_host").await;
        let (_, json) = ask(foreign()).await;
        let message = json["error"]["message"].as_str().expect("a sentence");
        assert!(message.contains("OFFHOOK_HOSTS"), "{message}");
        assert!(message.contains("evil.example"), "{message}");
    }
}

#[tokio::test]
async fn the_carriers_door_beside_it_keeps_its_own_rules() {
    let rig = Rig::start().await;
    let hook = rig
        .stranger("POST", "/handle_calls")
        .header("Host", "evil.example");
    refused(hook, 403, "unsigned").await;
}

#[tokio::test]
async fn nothing_is_kept_guessed_at_or_given_to_other_sites() {
    let rig = Rig::start().await;
    for (method, path) in PATHS {
        for request in [rig.person(method, path), rig.stranger(method, path)] {
            let answer = send(request.header("Origin", "https://evil.example")).await;
            let headers = answer.headers();
            assert_eq!(headers["cache-control"], "no-store", "{path}");
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
            let cors = headers
                .keys()
                .find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(cors, None, "{path}");
        }
    }
}

#[tokio::test]
async fn a_token_is_for_whom_it_was_asked_and_lets_them_dial() {
    let rig = Rig::start().await;
    let dials = || async {
        let ask = Ask::Outgoing {
            from: Party::parse("client:kitchen"),
            to: "+18738402100".to_owned(),
        };
        let leg = LegId::new("CA1");
        rig.phone.ask(leg, ask).await.expect("the phone lives")
    };
    assert!(matches!(dials().await, Document::SayAndHangUp(_)));
    let body = json!({"identity": "kitchen"});
    for request in [
        rig.person("GET", "/api/token?identity=kitchen"),
        rig.person("POST", "/api/token").json(&body),
    ] {
        let (status, json) = ask(request).await;
        assert_eq!((status, &json["identity"]), (200, &json!("kitchen")));
        let claims = claims(json["token"].as_str().expect("a token"));
        assert_eq!(claims["grants"]["identity"], "kitchen");
        assert_eq!(claims["sub"], "AC00000000000000000000000000000001");
        let (begins, ends) = (claims["nbf"].as_u64(), claims["exp"].as_u64());
        let (begins, ends) = (begins.expect("a time"), ends.expect("a time"));
        assert_eq!(ends - begins, 3600);
        let at = std::time::UNIX_EPOCH + Duration::from_secs(ends);
        assert_eq!(json["expires_at"], rfc3339(at));
    }
    assert!(matches!(dials().await, Document::DialNumber { .. }));
}

#[tokio::test]
async fn without_an_identity_the_one_given_stays_with_the_key() {
    let rig = Rig::start().await;
    let (status, first) = ask(rig.person("GET", "/api/token")).await;
    assert_eq!(status, 200);
    let identity = first["identity"].as_str().expect("an identity");
    assert!(identity.starts_with("desk_"), "{identity}");
    for request in [
        rig.person("POST", "/api/token"),
        rig.person("POST", "/api/token").body("{}"),
    ] {
        assert_eq!(ask(request).await.1["identity"], identity);
    }
    let again = Rig::start().await;
    let (_, again) = ask(again.person("GET", "/api/token")).await;
    assert_eq!(again["identity"], identity);
}

#[tokio::test]
async fn an_identity_is_registered_and_may_be_dialled() {
    let rig = Rig::start().await;
    let register = |body: &'static str| rig.person("POST", "/api/register-identity").body(body);
    let (status, json) = ask(register(r#"{"identity":"kitchen"}"#)).await;
    assert_eq!((status, &json["identity"]), (200, &json!("kitchen")));
    let until = json["expires_at"].as_str().expect("a time");
    assert!(until.len() == 20 && until.ends_with('Z'), "{until}");
    let asked = Ask::Outgoing {
        from: Party::parse("+18199754345"),
        to: "client:kitchen".to_owned(),
    };
    let document = rig.phone.ask(LegId::new("CA1"), asked).await;
    let document = document.expect("the phone lives");
    assert!(
        matches!(document, Document::RingBrowsers { .. }),
        "{document:?}"
    );
    for wrong in ["", "{}", r#"{"identity":""}"#, r#"{"identity":"a-b"}"#] {
        refused(register(wrong), 400, "invalid_identity").await;
    }
    refused(register("identity=kitchen"), 400, "invalid_json").await;
}

#[tokio::test]
async fn bad_identities_and_bodies_are_refused() {
    let rig = Rig::start().await;
    for query in ["identity=", "identity=a%20b", "identity=a&identity=b"] {
        let request = rig.person("GET", &format!("/api/token?{query}"));
        refused(request, 400, "invalid_identity").await;
    }
    let post = |body: String| rig.person("POST", "/api/token").body(body);
    refused(post("{".to_owned()), 400, "invalid_json").await;
    refused(post("[]".to_owned()), 400, "invalid_json").await;
    let long = "a".repeat(122);
    refused(
        post(json!({"identity": long}).to_string()),
        400,
        "invalid_identity",
    )
    .await;
    refused(post(" ".repeat(16 * 1024 + 1)), 413, "too_large").await;
}

#[tokio::test]
async fn a_call_is_seen_answered_and_hung_up() {
    let rig = Rig::start().await;
    let (status, json) = ask(rig.person("GET", "/api/calls")).await;
    assert_eq!((status, json), (200, json!({"calls": []})));
    let stream = rig.rings("CA1").await;

    let (_, json) = ask(rig.person("GET", "/api/calls")).await;
    let call = &json["calls"][0];
    assert_eq!(call["state"], "ringing");
    assert_eq!(call["place"], "desk");
    assert_eq!(call["sid"], "CA1");
    assert_eq!(call["from"], "+18738402100");
    assert_eq!(call["direction"], "incoming");
    assert_eq!(call["end_reason"], Value::Null);
    let id = call["id"].as_str().expect("an id");
    for name in [id, "CA1"] {
        let (status, one) = ask(rig.person("GET", &format!("/api/calls/{name}"))).await;
        assert_eq!((status, &one), (200, call));
    }

    let answer = || rig.person("POST", "/api/calls/CA1/answer");
    let (status, json) = ask(answer()).await;
    assert_eq!((status, &json["state"]), (200, &json!("talking")));
    refused(answer(), 409, "wrong_state").await;

    let text = send(rig.person("GET", "/metrics")).await.text().await;
    let text = text.expect("text");
    for line in [
        "offhook_calls{state=\"talking\"} 1".to_owned(),
        "offhook_device_up{device=\"playout\"} 1".to_owned(),
        format!(
            "offhook_stream_missing_samples_total{{stream=\"{}\"}} 0",
            stream.id
        ),
    ] {
        assert!(
            text.lines().any(|l| l == line),
            "{line} is missing:\n{text}"
        );
    }

    let hang_up = || rig.person("POST", &format!("/api/calls/{id}/hangup"));
    let (status, json) = ask(hang_up()).await;
    assert_eq!((status, &json["id"]), (200, &json!(id)));
    refused(hang_up(), 409, "wrong_state").await;
    for (method, path) in [
        ("GET", "/api/calls/none"),
        // No text at all.
        ("GET", "/api/calls/%FF"),
        ("POST", "/api/calls/%FF/answer"),
        ("POST", "/api/calls/%FF/hangup"),
        ("POST", "/api/calls/none/answer"),
        ("POST", "/api/calls/none/hangup"),
    ] {
        refused(rig.person(method, path), 404, "no_such_call").await;
    }
}

#[tokio::test]
async fn events_come_without_gaps_and_can_be_taken_up_again() {
    let rig = Rig::start().await;
    let mut socket = rig.events("").await;
    let first = next(&mut socket).await;
    let begin = first["seq"].as_u64().expect("a number");
    assert_eq!(
        first,
        json!({
            "type": "snapshot", "seq": begin, "calls": [], "do_not_disturb": false, "voicemails_waiting": 0
        })
    );
    let stream = rig.rings("CA1").await;
    ask(rig.person("POST", "/api/calls/CA1/answer")).await;
    rig.phone.key(stream.id, '5').await;
    rig.phone
        .leg_is(LegId::new("CA1"), None, LegStatus::Completed)
        .await;
    let mut told = Vec::new();
    for (n, word) in ["began", "rings", "answered", "key", "ended"]
        .into_iter()
        .enumerate()
    {
        let event = next(&mut socket).await;
        assert_eq!(event["type"], "event");
        assert_eq!(event["event"], word, "{event}");
        assert_eq!(event["seq"], begin + 1 + n as u64);
        told.push(event);
    }
    assert_eq!(told[3]["digit"], "5");
    assert_eq!(told[4]["reason"], "hung_up_there");

    let mut later = rig.events(&format!("?after={}", begin + 3)).await;
    assert_eq!(next(&mut later).await, told[3]);
    assert_eq!(next(&mut later).await, told[4]);

    // From before a restart, however little had happened then, or from a clock that was set back.
    for stale in [3, begin - 1, begin + 99] {
        let mut stale = rig.events(&format!("?after={stale}")).await;
        let snapshot = next(&mut stale).await;
        assert_eq!(snapshot["type"], "snapshot");
        assert_eq!(snapshot["seq"], begin + 5);
        assert_eq!(snapshot["calls"][0]["end_reason"], "hung_up_there");
        assert_eq!(snapshot["calls"][0]["id"], told[0]["call"]);
    }
}

#[tokio::test]
async fn events_are_for_programs_and_pages_of_ours() {
    let rig = Rig::start().await;
    for origin in ["https://phone.example.com", "http://desk.lan:3000"] {
        assert!(rig.try_events("", Some(origin)).await.is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null"] {
        match rig.try_events("", Some(origin)).await {
            Err(Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin}"),
            other => panic!("{origin} was not refused: {other:?}"),
        }
    }
    refused(rig.person("GET", "/api/events"), 426, "no_websocket").await;
    refused(
        rig.person("GET", "/api/events?after=x"),
        400,
        "invalid_after",
    )
    .await;
}

#[tokio::test]
async fn a_reader_of_events_who_says_too_much_is_let_go() {
    use futures_util::SinkExt as _;

    let rig = Rig::start().await;
    let mut socket = rig.events("").await;
    next(&mut socket).await;
    let much = "x".repeat(100_000);
    socket
        .send(Message::Text(much.into()))
        .await
        .expect("an open socket");
    let over = async { while let Some(Ok(_)) = socket.next().await {} };
    timeout(LIMIT, over).await.expect("let go in time");
}

#[tokio::test]
async fn a_reader_of_events_who_does_not_read_is_let_go() {
    let little = TcpSocket::new_v4().expect("a socket");
    little.set_send_buffer_size(SMALL).expect("a socket");
    little
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let rig = Rig::on(little.listen(8).expect("a port")).await;
    let begin = next(&mut rig.events("").await).await["seq"].as_u64();
    let begin = begin.expect("a number");
    let mut socket = rig.events("").await;
    let stream = rig.rings("CA1").await;
    ask(rig.person("POST", "/api/calls/CA1/answer")).await;
    // Far more than the buffers hold, and no more than the log does.
    for _ in 0..900 {
        rig.phone.key(stream.id, '5').await;
    }
    // A masked ping without content. Once the other side has closed, writing fails; until then nothing is read here.
    let let_go = async {
        while socket
            .get_mut()
            .write_all(&[0x89, 0x80, 0, 0, 0, 0])
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, let_go).await.expect("let go in time");
    // Began, rings, answered, and the keys: nothing was lost but to this reader.
    let mut again = rig.events(&format!("?after={}", begin + 902)).await;
    assert_eq!(next(&mut again).await["seq"], begin + 903);
}
