//! The carrier's door over real sockets: who is let in, what is answered, and how a media socket lives and dies.

#[path = "common/bare_phone.rs"]
mod bare_phone;
#[path = "carrier_door/marks.rs"]
mod marks;
#[path = "common/rig.rs"]
mod rig;
#[path = "carrier_door/sockets.rs"]
mod sockets;
#[path = "carrier_door/stopping.rs"]
mod stopping;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bare_phone::{LIMIT, http};
use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use offhook::config::{Origin, Secret, Settings};
use offhook::phone::PhoneHandle;
use offhook::pure::ids::LegId;
use offhook::pure::phone::{AutoAnswer, Stage};
use offhook::twilio;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::http::{Request, StatusCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

const TOKEN: &str = rig::AUTH_TOKEN;
const ORIGIN: &str = "https://phone.example.com";
const MEDIA: &str = "wss://phone.example.com/twilio/media";
const INCOMING: &[(&str, &str)] = &[
    ("To", "+18199754345"),
    ("From", "+18738402100"),
    ("Direction", "inbound"),
    ("CallSid", "test123"),
];
const OUTGOING: &[(&str, &str)] = &[
    ("To", "+18738402100"),
    ("From", "+18199754345"),
    ("CallSid", "test123"),
];
const HOOKS: &[&str] = &[
    "/handle_calls",
    "/twiml/outgoing",
    "/twilio/after-stream",
    "/twilio/after-dial",
    "/twilio/call-status",
    "/twilio/stream-status",
];
/// What a busy machine may add to a limit that a test measures.
const MARGIN: Duration = Duration::from_secs(1);

/// The size of a socket's buffers where they are to be full soon, in bytes.
const SMALL: u32 = 4096;

type Socket = WebSocketStream<TcpStream>;

/// A telephone with its door, without devices, answering by itself.
struct Rig {
    address: SocketAddr,
    phone: PhoneHandle,
    folder: TempDir,
}

impl Rig {
    async fn start() -> Rig {
        Rig::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Settings)) -> Rig {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Rig::on(listener, change).await
    }

    async fn on(listener: TcpListener, change: impl FnOnce(&mut Settings)) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(&folder);
        change(&mut settings);
        let clock = Instant::now();
        let phone = bare_phone::phone(&settings, clock).await;
        let door = twilio::door(&settings, phone.clone(), clock);
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, door).await });
        Rig {
            address,
            phone,
            folder,
        }
    }

    /// Posts a form signed for `signed`, an address, or not at all.
    async fn post(
        &self,
        path: &str,
        params: &[(&str, &str)],
        signature: Option<String>,
    ) -> (u16, String) {
        let request = http()
            .post(format!("http://{}{path}", self.address))
            .form(params);
        let request = match signature {
            Some(signature) => request.header("X-Twilio-Signature", signature),
            None => request,
        };
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    /// Posts a form as Twilio does.
    async fn hook(&self, path: &str, params: &[(&str, &str)]) -> (u16, String) {
        let signature = sign(&format!("{ORIGIN}{path}"), params);
        self.post(path, params, Some(signature)).await
    }

    /// Lets a call come in and returns the token of the stream that it is offered.
    async fn rings(&self, leg: &str) -> String {
        let mut params = INCOMING.to_vec();
        params[3].1 = leg;
        let (status, xml) = self.hook("/handle_calls", &params).await;
        assert_eq!(status, 200, "{xml}");
        let (_, rest) = xml
            .split_once(r#"name="token" value=""#)
            .unwrap_or_else(|| panic!("no stream is offered: {xml}"));
        rest.split('"').next().expect("a value").to_owned()
    }

    /// Opens the media socket, signed for `signed`.
    async fn socket(&self, signature: Option<&str>) -> Result<Socket, Error> {
        let connection = TcpSocket::new_v4().expect("a socket");
        // Little room, so that a carrier that does not read is soon noticed.
        connection.set_recv_buffer_size(SMALL).expect("a socket");
        let tcp = connection
            .connect(self.address)
            .await
            .expect("a connection");
        tcp.set_nodelay(true).expect("a socket");
        let mut request = Request::get(MEDIA)
            .header("Host", "phone.example.com")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        if let Some(signature) = signature {
            request = request.header("X-Twilio-Signature", signature);
        }
        let request = request.body(()).expect("a request");
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
        Ok(socket)
    }

    /// Opens the media socket as Twilio does, and says the first two messages.
    async fn stream(&self, leg: &str, token: &str) -> Socket {
        let mut socket = self.socket(Some(&sign(MEDIA, &[]))).await.expect("let in");
        say(
            &mut socket,
            r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#,
        )
        .await;
        say(&mut socket, &start(leg, token)).await;
        socket
    }

    /// Lets a call come in, and takes it as far as sound.
    async fn call(&self, leg: &str) -> Socket {
        let token = self.rings(leg).await;
        let mut socket = self.stream(leg, &token).await;
        let first = sound(&mut socket).await;
        assert_eq!(first["streamSid"], "MZ1");
        socket
    }

    /// Waits until the call of a leg is over, which must take no longer than so.
    async fn over_within(&self, leg: &str, limit: Duration) {
        let began = Instant::now();
        self.over(leg).await;
        let took = began.elapsed();
        assert!(took < limit + MARGIN, "{leg} was over after {took:?}");
    }

    /// Waits until the call of a leg is over.
    async fn over(&self, leg: &str) {
        let mut snapshots = self.phone.snapshots();
        let over = snapshots.wait_for(|snapshot| {
            snapshot
                .calls
                .iter()
                .any(|call| call.leg == Some(LegId::new(leg)) && call.stage == Stage::Ended)
        });
        timeout(LIMIT, over)
            .await
            .expect("the call is over in time")
            .expect("the phone lives");
    }
}

/// A phone that answers at once, and is seen by the carrier under [`ORIGIN`].
fn settings(folder: &TempDir) -> Settings {
    let mut settings = rig::settings(folder.path());
    settings.public_url = Origin::parse(ORIGIN).expect("valid");
    settings.public_url_by_default = false;
    settings.auto_answer = AutoAnswer::After(Duration::ZERO);
    settings
}

/// Signs as Twilio does, with the token of every test.
fn sign(url: &str, params: &[(&str, &str)]) -> String {
    sign_with(TOKEN, url, params)
}

/// Signs as Twilio does: the address, then the parameters by name.
fn sign_with(token: &str, url: &str, params: &[(&str, &str)]) -> String {
    let mut sorted = params.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(token.as_bytes()).expect("any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn start(leg: &str, token: &str) -> String {
    format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"accountSid":"AC00000000000000000000000000000001","streamSid":"MZ1","callSid":"{leg}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#
    )
}

const STOP: &str = r#"{"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC00000000000000000000000000000001","callSid":"x"}}"#;

async fn say(socket: &mut Socket, text: &str) {
    socket
        .send(Message::Text(text.into()))
        .await
        .expect("an open socket");
}

/// Waits for sound of ours and returns its message.
async fn sound(socket: &mut Socket) -> serde_json::Value {
    loop {
        let message = said(socket).await;
        if message["event"] != "mark" {
            return message;
        }
    }
}

/// Waits for a message of ours and returns it as JSON.
async fn said(socket: &mut Socket) -> serde_json::Value {
    loop {
        let message = timeout(LIMIT, socket.next()).await.expect("in time");
        match message.expect("an open socket").expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other @ (Message::Binary(_)
            | Message::Pong(_)
            | Message::Close(_)
            | Message::Frame(_)) => panic!("only sound was to come, but {other:?} came"),
        }
    }
}

/// Reads to the end and returns the code of the close frame.
async fn close_code(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    loop {
        match timeout(LIMIT, socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(frame))) => code = frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return code,
        }
    }
}

#[tokio::test]
async fn nobody_comes_in_without_a_signature_and_is_told_how_to_sign() {
    let rig = Rig::start().await;
    for path in HOOKS {
        let signed_elsewhere = sign(&format!("https://evil.example{path}"), INCOMING);
        let signed_for_other_values = sign(&format!("{ORIGIN}{path}"), OUTGOING);
        for signature in [
            None,
            Some(String::new()),
            Some(signed_elsewhere),
            Some(signed_for_other_values),
        ] {
            let (status, body) = rig.post(path, INCOMING, signature).await;
            assert_eq!(status, 403, "{path}");
            assert!(body.contains(&format!("offhook sim post {path}")), "{body}");
        }
    }
    assert!(rig.phone.snapshots().borrow().calls.is_empty());
}

#[tokio::test]
async fn forwarded_headers_and_host_are_not_looked_at() {
    let rig = Rig::start().await;
    let asks = |signature: String| {
        http()
            .post(format!("http://{}/handle_calls", rig.address))
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "http")
            .header("Forwarded", "host=evil.example")
            .header("X-Twilio-Signature", signature)
            .form(INCOMING)
            .send()
    };
    let signed_for_host = sign("https://evil.example/handle_calls", INCOMING);
    let status = asks(signed_for_host).await.expect("an answer").status();
    assert_eq!(status, 403);
    let signed = sign("https://phone.example.com/handle_calls", INCOMING);
    assert_eq!(asks(signed).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn only_post_is_served_and_only_64_kib() {
    let rig = Rig::start().await;
    for path in HOOKS {
        let url = format!("http://{}{path}", rig.address);
        let answer = http().get(url).send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(error_code(answer).await, "wrong_method", "{path}");
    }
    let media = format!("http://{}/twilio/media", rig.address);
    let answer = http().post(&media).send().await.expect("an answer");
    assert_eq!(answer.status(), 405);
    assert_eq!(error_code(answer).await, "wrong_method");
    let no_websocket = http()
        .get(&media)
        .header("X-Twilio-Signature", sign(MEDIA, &[]))
        .send();
    let answer = no_websocket.await.expect("an answer");
    assert!(answer.status().is_client_error());
    assert_eq!(error_code(answer).await, "no_websocket");
    let long = "x".repeat(70_000);
    let (status, _) = rig
        .hook("/handle_calls", &[("CallSid", "CA1"), ("X", &long)])
        .await;
    assert_eq!(status, 413);
}

/// Returns the code of an error as every door of ours writes it.
async fn error_code(answer: reqwest::Response) -> String {
    let error: serde_json::Value = answer.json().await.expect("an error in JSON");
    assert!(error["error"]["message"].is_string(), "{error}");
    error["error"]["code"].as_str().expect("a code").to_owned()
}

#[tokio::test]
async fn a_request_signed_with_the_next_token_is_let_in_and_with_a_third_is_not() {
    const NEXT: &str = "fedcba9876543210fedcba9876543210";
    let rig = Rig::with(|settings| settings.auth_tokens.push(Secret::new(NEXT))).await;
    let url = format!("{ORIGIN}/handle_calls");
    for (token, expected) in [(TOKEN, 200), (NEXT, 200), ("third", 403)] {
        let signature = sign_with(token, &url, INCOMING);
        let (status, _) = rig.post("/handle_calls", INCOMING, Some(signature)).await;
        assert_eq!(status, expected);
    }
    assert!(rig.socket(Some(&sign_with(NEXT, MEDIA, &[]))).await.is_ok());
}

#[tokio::test]
async fn a_name_that_is_used_again_is_judged_afresh() {
    let rig = Rig::start().await;
    for (to, dials) in [("+18738402100", true), ("911", false), ("hello", false)] {
        let form = [("To", to), ("From", "+18199754345"), ("CallSid", "test123")];
        let (status, xml) = rig.hook("/twiml/outgoing", &form).await;
        assert_eq!(status, 200);
        assert_eq!(xml.contains("<Dial "), dials, "{to}: {xml}");
        assert_eq!(xml.contains("<Say "), !dials, "{to}: {xml}");
    }
}

#[tokio::test]
async fn two_values_of_who_dials_or_where_are_answered_with_a_word() {
    let rig = Rig::start().await;
    for twice in [
        [
            ("From", "client:mallory"),
            ("From", "+18199754345"),
            ("To", "+18738402100"),
        ],
        [
            ("From", "+18199754345"),
            ("To", "+18738402100"),
            ("To", "+15145550100"),
        ],
    ] {
        let mut form = twice.to_vec();
        form.push(("CallSid", "CA1"));
        let (status, xml) = rig.hook("/twiml/outgoing", &form).await;
        assert_eq!(status, 200);
        assert!(xml.contains("<Say ") && !xml.contains("<Dial"), "{xml}");
    }
}

#[tokio::test]
async fn a_call_that_comes_in_is_offered_a_stream() {
    let rig = Rig::start().await;
    let (status, xml) = rig.hook("/handle_calls", INCOMING).await;
    assert_eq!(status, 200);
    assert!(
        xml.contains(r#"<Connect action="https://phone.example.com/twilio/after-stream"><Stream url="wss://phone.example.com/twilio/media""#),
        "{xml}"
    );
}

#[tokio::test]
async fn our_own_number_may_dial() {
    let rig = Rig::start().await;
    let (status, xml) = rig.hook("/twiml/outgoing", OUTGOING).await;
    assert_eq!(status, 200);
    assert!(xml.contains(r#"callerId="+18199754345"><Number "#), "{xml}");
    assert!(xml.contains(">+18738402100</Number></Dial>"), "{xml}");
}

#[tokio::test]
async fn a_form_without_a_call_is_told_so() {
    let rig = Rig::start().await;
    for path in HOOKS {
        let (status, body) = rig.hook(path, &[("From", "+18738402100")]).await;
        assert_eq!(status, 400, "{path}");
        assert!(body.contains("CallSid"), "{body}");
    }
}

#[tokio::test]
async fn status_callbacks_are_taken_note_of() {
    let rig = Rig::start().await;
    for (path, params) in [
        (
            "/twilio/call-status",
            [("CallSid", "CA9"), ("CallStatus", "levitating")],
        ),
        (
            "/twilio/stream-status",
            [("CallSid", "CA9"), ("StreamEvent", "stream-error")],
        ),
    ] {
        let (status, body) = rig.hook(path, &params).await;
        assert_eq!((status, body.as_str()), (204, ""), "{path}");
    }
}

#[tokio::test]
async fn a_handshake_needs_a_signature_over_one_of_its_four_forms() {
    let rig = Rig::start().await;
    let wrong = sign("wss://evil.example/twilio/media", &[]);
    for signature in [None, Some(wrong.as_str())] {
        let Err(Error::Http(answer)) = rig.socket(signature).await else {
            panic!("an unsigned handshake is refused");
        };
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        if let Some(body) = answer.body() {
            let body = String::from_utf8_lossy(body);
            assert!(
                !body.contains("sim post"),
                "a socket cannot be posted: {body}"
            );
        }
    }
    for url in [
        MEDIA,
        "wss://phone.example.com/twilio/media/",
        "https://phone.example.com/twilio/media",
        "https://phone.example.com/twilio/media/",
    ] {
        let socket = rig.socket(Some(&sign(url, &[]))).await;
        assert!(socket.is_ok(), "{url}");
    }
}

#[tokio::test]
async fn a_stream_with_a_wrong_token_is_closed_with_1008_and_hears_nothing() {
    let rig = Rig::start().await;
    let token = rig.rings("CA1").await;
    for (leg, token) in [("CA1", "wrong"), ("CA1", ""), ("CA2", &token)] {
        let mut socket = rig.stream(leg, token).await;
        let first = timeout(LIMIT, socket.next()).await.expect("in time");
        let Some(Ok(Message::Close(Some(frame)))) = first else {
            panic!("something came before the close: {first:?}");
        };
        assert_eq!(u16::from(frame.code), 1008);
    }
    let mut without = rig.socket(Some(&sign(MEDIA, &[]))).await.expect("let in");
    say(&mut without, &start("CA1", "").replace("token", "other")).await;
    assert_eq!(close_code(&mut without).await, Some(1008));
    let tally = rig.phone.tally();
    assert_eq!(tally.refused()["bad_token"], 3);
    assert_eq!(tally.refused()["no_token"], 1);
    assert_eq!(tally.closed()["refused"], 4);
}

#[tokio::test]
async fn of_two_callers_who_both_hold_a_stream_the_later_is_sent_on() {
    let rig = Rig::start().await;
    let (first, second) = (rig.rings("CA1").await, rig.rings("CA2").await);
    let mut taken = rig.stream("CA2", &second).await;
    sound(&mut taken).await;
    let mut late = rig.stream("CA1", &first).await;
    assert_eq!(close_code(&mut late).await, Some(1008));
    assert_eq!(rig.phone.tally().refused()["desk_taken"], 1);
    let form = [("CallSid", "CA1"), ("CallStatus", "in-progress")];
    let (_, xml) = rig.hook("/twilio/after-stream", &form).await;
    assert!(
        xml.contains("<Stream "),
        "nobody else is there, so a message is taken: {xml}"
    );
    sound(&mut taken).await;
}

#[tokio::test]
async fn a_token_admits_one_stream_once() {
    let rig = Rig::start().await;
    let token = rig.rings("CA1").await;
    let mut first = rig.stream("CA1", &token).await;
    sound(&mut first).await;
    let mut second = rig.stream("CA1", &token).await;
    assert_eq!(close_code(&mut second).await, Some(1008));
    sound(&mut first).await;
}

#[tokio::test]
async fn what_we_send_is_exact_to_the_key() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    let mut marks = Vec::new();
    for _ in 0..60 {
        let message = said(&mut socket).await;
        if let Some(name) = message["mark"]["name"].as_str() {
            let expected = serde_json::json!({
                "event": "mark", "streamSid": "MZ1", "mark": { "name": name }
            });
            assert_eq!(message, expected);
            marks.push(name.to_owned());
            continue;
        }
        let payload = message["media"]["payload"].as_str().expect("text");
        let ulaw = base64::engine::general_purpose::STANDARD
            .decode(payload)
            .expect("base64");
        assert_eq!(ulaw.len(), 160);
        let expected = serde_json::json!({
            "event": "media", "streamSid": "MZ1", "media": { "payload": payload }
        });
        assert_eq!(message, expected);
    }
    // The first is sent with the first frame, which was read before.
    assert_eq!(marks, ["offhook-0-1", "offhook-0-2", "offhook-0-3"]);
}

#[tokio::test]
async fn garbage_of_every_kind_is_survived() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    for text in [
        "",
        "\0",
        "[]",
        r#"{"event":"media","media":{"payload":"*"}}"#,
        r#"{"event":"levitate"}"#,
        &start("CA1", "again"),
        &"x".repeat(1_000_000),
        &format!(
            r#"{{"event":"media","media":{{"payload":"{}"}}}}"#,
            "/39/".repeat(50_000)
        ),
    ] {
        say(&mut socket, text).await;
    }
    socket
        .send(Message::Binary(Bytes::from_static(&[0, 255])))
        .await
        .expect("an open socket");
    for _ in 0..5 {
        sound(&mut socket).await;
    }
    say(&mut socket, STOP).await;
    rig.over("CA1").await;
}

#[tokio::test]
async fn another_sound_format_is_closed_with_a_reason() {
    let rig = Rig::start().await;
    let token = rig.rings("CA1").await;
    let mut socket = rig.socket(Some(&sign(MEDIA, &[]))).await.expect("let in");
    say(&mut socket, &start("CA1", &token).replace("8000", "16000")).await;
    let message = timeout(LIMIT, socket.next()).await.expect("in time");
    let Some(Ok(Message::Close(Some(frame)))) = message else {
        panic!("a format that is not spoken is closed: {message:?}");
    };
    assert_eq!(u16::from(frame.code), 1003);
    assert!(frame.reason.contains("audio/x-mulaw"), "{}", frame.reason);
}

#[tokio::test]
async fn only_who_asks_for_it_lets_everybody_in_unsigned() {
    let rig = Rig::with(|settings| settings.insecure_no_signature = true).await;
    let (status, _) = rig.post("/handle_calls", INCOMING, None).await;
    assert_eq!(status, 200);
    assert!(rig.socket(None).await.is_ok());
    let forgotten = Rig::with(|settings| settings.auth_tokens.clear()).await;
    let (status, _) = forgotten.post("/handle_calls", INCOMING, None).await;
    assert_eq!(status, 403, "no token is no permission");
    assert!(forgotten.socket(None).await.is_err());
}

#[tokio::test]
async fn the_next_stream_is_recorded_without_its_secrets() {
    let path = std::sync::Mutex::new(std::path::PathBuf::new());
    let rig = Rig::with(|settings| {
        let file = settings.data_dir.join("stream.jsonl");
        settings.record_stream = Some(file.clone());
        *path.lock().expect("whole") = file;
    })
    .await;
    let token = rig.rings("CA1").await;
    // One that is turned away is not the next stream.
    let mut refused = rig.stream("CA1", "wrong").await;
    assert_eq!(close_code(&mut refused).await, Some(1008));
    let mut socket = rig.stream("CA1", &token).await;
    sound(&mut socket).await;
    say(&mut socket, STOP).await;
    assert_eq!(close_code(&mut socket).await, Some(1000));
    let path = path.into_inner().expect("whole");
    assert!(path.starts_with(rig.folder.path()));
    let whole = async {
        loop {
            let text = tokio::fs::read_to_string(&path)
                .await
                .expect("a transcript");
            if text.contains(r#""event":"stop""#) && text.ends_with('\n') {
                return text;
            }
            tokio::task::yield_now().await;
        }
    };
    let text = timeout(LIMIT, whole).await.expect("in time");
    assert!(text.contains(r#""by":"us""#));
    let said_before = text.matches(r#""event":"start""#).count();
    assert_eq!(said_before, 1, "what was said before it was let in is kept");
    assert!(!text.contains(&token) && !text.contains("AC00000000000000000000000000000001"));
}
