//! The OpenAPI document of the person's door against the real daemon: every path that it lists is asked for, and whatever
//! is sent and answered is held against its schemas; nothing of the door is missing in it, and nothing in it from the door.

#[path = "common/rig.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use boon::{Compiler, Schemas};
use futures_util::StreamExt as _;
use offhook::audio::{SocketEnd, stream_port};
use offhook::config::{Secret, Settings, Sources};
use offhook::daemon::Daemon;
use offhook::phone::{StreamControl, StreamOffer};
use offhook::pure::ids::{LegId, Party};
use offhook::pure::phone::{Ask, Caller, Document};
use offhook::sim::{Account, FarEnd, Rest, Step, Trouble};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

const OWN: &str = "+18199754345";
const ANNA: &str = "+15145550101";
const BERT: &str = "+15145550102";
/// Whom Twilio does not dial.
const NOBODY: &str = "+15145550103";

/// The schemas of a document, each found by its place.
struct Schema {
    document: Value,
    compiler: Compiler,
    schemas: Schemas,
}

impl Schema {
    fn of(document: Value) -> Schema {
        let mut compiler = Compiler::new();
        compiler.enable_format_assertions();
        compiler
            .add_resource("mem:///description", document.clone())
            .expect("a document");
        Schema {
            document,
            compiler,
            schemas: Schemas::new(),
        }
    }

    /// Holds a value against the schema at a place.
    fn check(&mut self, place: &[&str], value: &Value) {
        let escaped = |part: &&str| {
            let part = part.replace('~', "~0").replace('/', "~1");
            let sign = |sign: char| match sign {
                '{' => "%7B".to_owned(),
                '}' => "%7D".to_owned(),
                other => other.to_string(),
            };
            part.chars().map(sign).collect::<String>()
        };
        let place: Vec<String> = place.iter().map(escaped).collect();
        let url = format!("mem:///description#/{}", place.join("/"));
        let schema = self.compiler.compile(&url, &mut self.schemas);
        let schema = schema.unwrap_or_else(|why| panic!("{url}: {why}"));
        if let Err(why) = self.schemas.validate(value, schema) {
            panic!("{url}: {why:#}\n{value:#}");
        }
    }
}

/// A message that lies in the folder from the beginning.
const MESSAGE: &str = "20260101T000000Z-voicemail-c1f0a2b3c4d5.opus";

/// Some seconds of a voice, as Ogg Opus.
const VOICE: &[u8] = include_bytes!("../src/recorder/voice/greeting-en.opus");

/// A daemon whose calls are the simulator's, and what was asked of it.
struct Rig {
    daemon: Daemon,
    _rest: Rest,
    http: reqwest::Client,
    schema: Schema,
    /// Method, path and status of all that was asked.
    asked: BTreeSet<(String, String, u16)>,
    _folder: TempDir,
}

/// A stream as the carrier's side holds it.
struct Stream {
    _socket: SocketEnd,
    _control: mpsc::Receiver<StreamControl>,
}

impl Rig {
    async fn start() -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account {
            auth_token: rig::AUTH_TOKEN.to_owned(),
            ..Account::made_up()
        };
        let rest = Rest::start(account.clone()).await.expect("a free port");
        rest.set_own_numbers([OWN.to_owned()]);
        let mut settings = rig::settings(folder.path());
        settings.twilio.account_sid = account.account_sid.clone();
        settings.twilio.api_key = account.api_key.clone();
        settings.twilio.api_secret = Secret::new(account.api_secret.clone());
        settings.twilio.api_base_url = rest.url().parse().expect("an address");
        settings.told = told();
        let recordings = folder.path().join("recordings");
        std::fs::create_dir(&recordings).expect("a folder");
        std::fs::write(recordings.join(MESSAGE), VOICE).expect("room");
        let daemon = Daemon::start(settings).await.expect("the phone starts");
        rest.set_program(&daemon.local_url(), None)
            .expect("an address");
        for who in [ANNA, BERT] {
            let far_end = FarEnd::answers(|| vec![Step::Speak(vec![0; 8_000 * 60])]);
            rest.set_far_end(who, far_end.after(Duration::from_millis(200)));
        }
        let refused = FarEnd::answers(Vec::new).with_trouble(Trouble::refused(21_211));
        rest.set_far_end(NOBODY, refused);
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        let url = format!("{}/api/openapi.json", daemon.local_url());
        let document = http.get(url).bearer_auth(rig::API_KEY).send().await;
        let document = document.expect("an answer").json().await.expect("JSON");
        Rig {
            daemon,
            _rest: rest,
            http,
            schema: Schema::of(document),
            asked: BTreeSet::new(),
            _folder: folder,
        }
    }

    /// Asks for a path whose `{…}` stand for `names` in turn, holds what is sent and answered against the document, and
    /// returns the answer: JSON, or text.
    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        names: &[&str],
        query: &str,
        body: Value,
        status: u16,
    ) -> Value {
        let operation = ["paths", path, method];
        let described = &self.schema.document["paths"][path][method];
        assert!(described.is_object(), "{method} {path} is not described");
        let mut url = format!("{}{path}{query}", self.daemon.local_url());
        for name in names.iter().filter(|name| !name.is_empty()) {
            let (from, to) = (url.find('{').expect("a name"), url.find('}'));
            url.replace_range(from..=to.expect("an end"), name);
        }
        let request = self
            .http
            .request(
                Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"),
                url,
            )
            .bearer_auth(rig::API_KEY);
        let request = match &body {
            Value::Null => request,
            Value::String(text) => request.body(text.clone()),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                if status < 400 {
                    let sent = ["requestBody", "content", "application/json", "schema"];
                    self.schema.check(&[&operation[..], &sent].concat(), other);
                }
                request.json(other)
            }
        };
        let answer = request.send().await.expect("an answer");
        let came = answer.status().as_u16();
        let kind = answer.headers().get("content-type");
        let kind = kind
            .map_or("", |kind| kind.to_str().expect("text"))
            .to_owned();
        let bytes = answer.bytes().await.expect("a body");
        let told = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes)));
        assert_eq!(came, status, "{method} {path}: {told}");
        let kind = kind.split(';').next().expect("a kind");
        let status_ = status.to_string();
        if status >= 400 {
            let there = &self.schema.document["paths"][path][method]["responses"][&status_];
            assert!(there.is_object(), "{method} {path} has no {status}: {told}");
            let place = [
                "components",
                "responses",
                &status_,
                "content",
                kind,
                "schema",
            ];
            self.schema.check(&place, &told);
        } else {
            let place = ["responses", &status_, "content", kind, "schema"];
            self.schema.check(&[&operation[..], &place].concat(), &told);
        }
        self.asked
            .insert((method.to_owned(), path.to_owned(), status));
        told
    }

    async fn get(&mut self, path: &str) -> Value {
        self.ask("get", path, &[], "", Value::Null, 200).await
    }

    async fn post(&mut self, path: &str, name: &str, body: Value) -> Value {
        self.ask("post", path, &[name], "", body, 200).await
    }

    /// Waits until a call is in a state.
    async fn until(&mut self, call: &str, state: &str) {
        let waiting = async {
            loop {
                let told = self
                    .ask("get", "/api/calls/{id}", &[call], "", Value::Null, 200)
                    .await;
                if told["state"] == state {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = timeout(LIMIT, waiting).await;
        in_time.unwrap_or_else(|_| panic!("{call} is never {state}"));
    }

    /// Dials, and waits until somebody answers.
    async fn talks_with(&mut self, to: &str) -> String {
        let call = self
            .ask("post", "/api/calls", &[], "", json!({ "to": to }), 201)
            .await;
        let id = call["id"].as_str().expect("a name").to_owned();
        self.until(&id, "talking").await;
        id
    }

    /// Lets a call come in and ring.
    async fn rings(&self, leg: &str) -> Stream {
        let ask = Ask::Incoming {
            from: Party::parse("+18738402100"),
            to: Party::parse(OWN),
            caller: Caller::default(),
        };
        let phone = self.daemon.phone();
        let document = phone.ask(LegId::new(leg), ask).await;
        let Ok(Document::Stream { token, .. }) = document else {
            panic!("no stream is offered: {document:?}");
        };
        let (socket, port) = stream_port();
        let (control, controlled) = mpsc::channel(1);
        let offer = StreamOffer {
            stream: phone.next_stream(),
            leg: LegId::new(leg),
            token,
            port,
            control,
        };
        phone.stream_up(offer).await.expect("let in");
        Stream {
            _socket: socket,
            _control: controlled,
        }
    }

    /// Opens the events, and holds what comes against the document until a call has ended.
    async fn events(&mut self, until_ended: &str) {
        let url = self.daemon.local_url().replacen("http", "ws", 1);
        let mut request = format!("{url}/api/events?after=0")
            .into_client_request()
            .expect("a request");
        let key = format!("Bearer {}", rig::API_KEY)
            .parse()
            .expect("a header");
        request.headers_mut().insert("Authorization", key);
        let opened = tokio_tungstenite::connect_async(request).await;
        let (mut socket, answer) = opened.expect("the events are open to the key");
        assert_eq!(answer.status(), 101);
        let hangs_up = format!("{}/api/calls/{until_ended}/hangup", self.daemon.local_url());
        let hangs_up = self.http.post(hangs_up).bearer_auth(rig::API_KEY);
        let hangs_up = tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            hangs_up.send().await.expect("an answer")
        });
        let mut kinds = BTreeMap::new();
        loop {
            let message = timeout(LIMIT, socket.next()).await.expect("in time");
            let message = message.expect("more").expect("a message");
            let Ok(text) = message.to_text().map(str::to_owned) else {
                continue;
            };
            if !message.is_text() {
                continue;
            }
            let told: Value = serde_json::from_str(&text).expect("JSON");
            let kind = match told["type"].as_str() {
                Some("snapshot") => "Snapshot",
                Some("event") => "Event",
                other => panic!("{other:?}"),
            };
            self.schema.check(&["components", "schemas", kind], &told);
            *kinds.entry(kind).or_insert(0) += 1;
            if told["event"] == "ended" && told["call"] == until_ended {
                break;
            }
        }
        hangs_up.await.expect("not panicked");
        assert!(kinds["Snapshot"] >= 1 && kinds["Event"] >= 1, "{kinds:?}");
        self.asked
            .insert(("get".to_owned(), "/api/events".to_owned(), 101));
    }
}

/// Where settings stand, as the daemon would have read them.
fn told() -> Vec<offhook::config::live::Told> {
    let environment = [
        ("HOME", "/"),
        ("TWILIO_ACCOUNT_SID", "AC00112233445566778899aabbccddeeff"),
        ("TWILIO_AUTH_TOKEN", rig::AUTH_TOKEN),
        ("TWILIO_API_KEY", "SK00112233445566778899aabbccddeeff"),
        ("TWILIO_API_SECRET", "fedcba9876543210fedcba9876543210"),
        ("TWILIO_TWIML_APP_SID", "AP00112233445566778899aabbccddeeff"),
        ("TWILIO_PHONE_NUMBER", OWN),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let sources = Sources {
        flags: BTreeMap::new(),
        environment: environment.into_iter().map(owned).collect(),
        dotenv: None,
        toml: None,
        insecure_no_signature: false,
        read_file: |_| Err(std::io::ErrorKind::NotFound.into()),
    };
    Settings::load(&sources).expect("they are good").0.told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_answers_as_it_is_described_wherever_it_is_asked() {
    let mut rig = Rig::start().await;
    let none = Value::Null;
    everybody(&mut rig).await;
    calls(&mut rig).await;
    settings_and_devices(&mut rig).await;
    memory(&mut rig).await;
    // Everything behind the key, without one.
    let document = rig.schema.document.clone();
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("methods") {
            let url = format!("{}{path}", rig.daemon.local_url());
            let method_ = Method::from_bytes(method.to_uppercase().as_bytes());
            let stranger = rig.http.request(method_.expect("a method"), url);
            let status = stranger.send().await.expect("an answer").status();
            let is_open = operation["security"] == json!([]);
            assert_eq!(status == 401, !is_open, "{method} {path}: {status}");
            let done = operation["responses"].as_object().expect("answers");
            let done = done.keys().find(|status| status.as_str() < "400");
            let done = done.expect("a good end").parse().expect("a number");
            let asked = (method.clone(), path.clone(), done);
            assert!(rig.asked.contains(&asked), "{asked:?} was never seen");
        }
    }
    let nothing = rig.ask("get", "/api/calls/{id}", &["nobody"], "", none, 404);
    assert_eq!(nothing.await["error"]["code"], "no_such_call");
    rig.daemon.stop().await;
}

/// What everybody may see, and what browsers ask for.
async fn everybody(rig: &mut Rig) {
    for path in ["/", "/page.css", "/health", "/metrics", "/api/openapi.json"] {
        rig.get(path).await;
    }
    rig.ask(
        "get",
        "/api/token",
        &[],
        "?identity=kitchen",
        Value::Null,
        200,
    )
    .await;
    rig.post("/api/token", "", json!({"identity": "kitchen"}))
        .await;
    rig.post("/api/token", "", Value::Null).await;
    let kitchen = json!({"identity": "kitchen"});
    rig.post("/api/register-identity", "", kitchen).await;
    for (method, path, query, body) in [
        ("get", "/api/token", "?identity=a%20b", Value::Null),
        ("post", "/api/token", "", json!({"identity": "a b"})),
        ("post", "/api/register-identity", "", json!({})),
        ("get", "/api/events", "?after=x", Value::Null),
    ] {
        rig.ask(method, path, &[], query, body, 400).await;
    }
    rig.ask("get", "/api/events", &[], "", Value::Null, 426)
        .await;
    let large = json!("x".repeat(20_000));
    rig.ask("post", "/api/token", &[], "", large, 413).await;
}

/// Calls that are dialled, come in, and are steered.
async fn calls(rig: &mut Rig) {
    let on = || json!({"on": true});
    let none = || Value::Null;
    let anna = rig.talks_with(ANNA).await;
    rig.get("/api/calls").await;
    let path = |what: &str| format!("/api/calls/{{id}}/{what}");
    for (what, body) in [
        ("mute", on()),
        ("mute", json!({"on": false})),
        ("dtmf", json!({"digits": "12"})),
        ("record", on()),
        ("record/pause", none()),
        ("record/resume", none()),
        ("hold", none()),
        ("resume", none()),
    ] {
        rig.post(&path(what), &anna, body).await;
    }
    rig.ask("post", "/api/devices/test", &[], "", none(), 409)
        .await;
    let bert = rig.talks_with(BERT).await;
    rig.post(&path("merge"), &anna, json!({ "with": bert }))
        .await;
    rig.post(&path("hangup"), &bert, none()).await;
    for (path, body, status, code) in [
        ("/api/calls", json!({"to": "hello"}), 400, "not_a_number"),
        ("/api/calls", json!({"to": "911"}), 403, "emergency_number"),
        ("/api/calls", json!({}), 400, "invalid_request"),
        ("/api/calls", json!("nothing"), 400, "invalid_json"),
        ("/api/calls", json!({"to": NOBODY}), 502, "invalid_number"),
    ] {
        let told = rig.ask("post", path, &[], "", body, status).await;
        assert_eq!(told["error"]["code"], code, "{told}");
    }
    // She waited while somebody else was to be dialled.
    rig.post(&path("resume"), &anna, none()).await;
    let unknown = json!({"with": "nobody"});
    for (what, body, status, code) in [
        ("answer", none(), 409, "wrong_state"),
        ("reject", none(), 409, "wrong_state"),
        ("resume", none(), 409, "wrong_state"),
        ("mute", json!({}), 400, "invalid_request"),
        ("record", json!([]), 400, "invalid_json"),
        ("dtmf", json!({"digits": "x"}), 400, "invalid_digits"),
        ("dtmf", json!({"digits": ""}), 409, "no_keys_left"),
        ("merge", unknown, 404, "no_such_call"),
        ("merge", json!({ "with": anna }), 400, "same_call"),
        ("move", json!({"to": "desk"}), 409, "wrong_state"),
        ("move", json!({"to": "911"}), 403, "emergency_number"),
        ("transfer", json!({"to": "x"}), 400, "not_a_number"),
        ("transfer/complete", none(), 409, "not_consulted"),
    ] {
        let told = rig
            .ask("post", &path(what), &[&anna], "", body, status)
            .await;
        assert_eq!(told["error"]["code"], code, "{what}: {told}");
    }
    for what in [
        "hangup",
        "hold",
        "answer",
        "reject",
        "resume",
        "transfer/complete",
    ] {
        rig.ask("post", &path(what), &["nobody"], "", none(), 404)
            .await;
    }
    rig.post(&path("record"), &anna, json!({"on": false})).await;
    let attended = json!({"to": BERT, "attended": true});
    let bert = rig.post(&path("transfer"), &anna, attended).await;
    let bert = bert["id"].as_str().expect("a name").to_owned();
    rig.until(&bert, "talking").await;
    rig.post(&path("transfer/complete"), &anna, none()).await;

    let _first = rig.rings("CA1").await;
    rig.post(&path("answer"), "CA1", none()).await;
    rig.post(&path("move"), "CA1", json!({ "to": ANNA })).await;
    let _second = rig.rings("CA2").await;
    rig.post(&path("reject"), "CA2", none()).await;
    for call in [anna, bert] {
        rig.post(&path("hangup"), &call, none()).await;
    }
    let last = rig.talks_with(ANNA).await;
    rig.events(&last).await;
}

async fn settings_and_devices(rig: &mut Rig) {
    rig.get("/api/do-not-disturb").await;
    for on in [true, false] {
        rig.post("/api/do-not-disturb", "", json!({ "on": on }))
            .await;
    }
    rig.ask("post", "/api/do-not-disturb", &[], "", json!({}), 400)
        .await;
    let all = rig.get("/api/settings").await;
    let count = all["settings"].as_object().map_or(0, serde_json::Map::len);
    assert_eq!(
        count,
        offhook::config::table::ALL.len() + 1,
        "and do not disturb"
    );
    let path = "/api/settings";
    let wanted = json!({
        "ring": "desk", "ring_seconds": 30, "auto_answer": 5, "call_waiting": false, "longest_call": 60, "volume": "+5",
        "ring_volume": 40, "do_not_disturb": false, "forward_always": null, "forward_busy": "off",
        "forward_no_answer": "+15145550199", "voicemail": "always", "screening": false,
    });
    rig.ask("patch", path, &[], "", wanted, 200).await;
    let given_up = json!({"ring": null, "auto_answer": null, "volume": null});
    rig.ask("patch", path, &[], "", given_up, 200).await;
    for wrong in [
        json!({"ring": "kitchen"}),
        json!({"port": 80}),
        json!({"colour": "red"}),
        json!([]),
    ] {
        rig.ask("patch", path, &[], "", wrong, 400).await;
    }
    rig.get("/api/devices").await;
    rig.post("/api/devices/test", "", Value::Null).await;
}

/// What is remembered.
async fn memory(rig: &mut Rig) {
    let none = || Value::Null;
    let page = rig.get("/api/history").await;
    assert!(
        page["calls"]
            .as_array()
            .is_some_and(|calls| calls.len() > 4)
    );
    let call = page["calls"][0]["id"].as_str().expect("a name").to_owned();
    rig.ask(
        "get",
        "/api/history",
        &[],
        "?missed=true&limit=2&from=2026-01-31",
        none(),
        200,
    )
    .await;
    for query in ["?limit=0", "?from=2026-02-31", "?colour=red"] {
        rig.ask("get", "/api/history", &[], query, none(), 400)
            .await;
    }
    for query in ["", "?format=json"] {
        rig.ask("get", "/api/history/export", &[], query, none(), 200)
            .await;
    }
    let export = "/api/history/export";
    rig.ask("get", export, &[], "?format=xml", none(), 400)
        .await;
    rig.post("/api/history/seen", "", none()).await;
    let seen = "/api/history/{id}/seen";
    rig.ask("post", seen, &["nobody"], "", none(), 404).await;
    rig.post(seen, &call, none()).await;

    let anna = json!({"name": "Anna", "numbers": [{"label": "work", "number": ANNA}]});
    let contacts = "/api/contacts";
    let anna = rig.ask("post", contacts, &[], "", anna, 201).await;
    let id = anna["id"].to_string();
    let one = "/api/contacts/{id}";
    rig.get(contacts).await;
    rig.ask("get", contacts, &[], "?limit=0", none(), 400).await;
    rig.ask("get", one, &[&id], "", none(), 200).await;
    let bee = json!({"name": "Bee", "favourite": true});
    rig.ask("put", one, &[&id], "", bee.clone(), 200).await;
    rig.ask("put", one, &["99"], "", bee, 404).await;
    for wrong in [json!({"name": ""}), json!({"nickname": "B"})] {
        rig.ask("post", contacts, &[], "", wrong.clone(), 400).await;
        rig.ask("put", one, &[&id], "", wrong, 400).await;
    }
    let import = "/api/contacts/import";
    let cards = rig
        .ask("get", "/api/contacts/export", &[], "", none(), 200)
        .await;
    rig.ask("post", import, &[], "", cards, 200).await;
    let nothing = rig.ask("post", import, &[], "", json!("junk"), 400).await;
    assert_eq!(nothing["error"]["code"], "no_contacts");
    let export = "/api/contacts/export";
    rig.ask("get", export, &[], "?version=9", none(), 400).await;
    rig.ask("delete", one, &[&id], "", none(), 200).await;
    rig.ask("delete", one, &[&id], "", none(), 404).await;

    let blocked = "/api/blocked";
    let entry = json!({"pattern": "+1900*", "note": "premium"});
    let entry = rig.ask("post", blocked, &[], "", entry, 201).await;
    rig.ask("post", blocked, &[], "", json!({"pattern": "*"}), 400)
        .await;
    rig.get(blocked).await;
    let id = entry["id"].to_string();
    for status in [200, 404] {
        rig.ask("delete", "/api/blocked/{id}", &[&id], "", none(), status)
            .await;
    }

    let recordings = rig.get("/api/recordings").await;
    let all = recordings["recordings"].as_array().expect("a list");
    let of_call = all.iter().find(|one| one["kind"] == "recording");
    let file = of_call.and_then(|one| one["file"].as_str());
    let file = file.expect("one was made").to_owned();
    let audio = "/api/recordings/{name}/audio";
    rig.ask("get", audio, &[&file], "", none(), 200).await;
    let play = "/api/recordings/{name}/play";
    rig.ask("post", play, &["none"], "", none(), 404).await;
    rig.post(play, &file, none()).await;
    rig.get("/api/playback").await;
    rig.ask("delete", "/api/playback", &[], "", none(), 200)
        .await;
    let one = "/api/recordings/{name}";
    for (method, status) in [("get", 200), ("delete", 200), ("get", 404), ("delete", 404)] {
        rig.ask(method, one, &[&file], "", none(), status).await;
    }
    messages(rig).await;
    for (path, name) in [("/api/history/{id}", call.as_str()), ("/api/history", "")] {
        rig.ask("delete", path, &[name], "", none(), 200).await;
    }
    rig.ask("delete", "/api/history/{id}", &["nobody"], "", none(), 404)
        .await;
}

/// Messages, and the greeting before them.
async fn messages(rig: &mut Rig) {
    let none = || Value::Null;
    let told = rig.get("/api/voicemails").await;
    assert_eq!(told["waiting"], 1);
    let one = "/api/voicemails/{name}";
    rig.ask("get", one, &[MESSAGE], "", none(), 200).await;
    let audio = "/api/voicemails/{name}/audio";
    rig.ask("get", audio, &[MESSAGE], "", none(), 200).await;
    rig.post("/api/voicemails/{name}/play", MESSAGE, none())
        .await;
    let heard = "/api/voicemails/{name}/heard";
    rig.post(heard, MESSAGE, json!({"on": false})).await;
    rig.ask("post", heard, &[MESSAGE], "", json!({}), 400).await;
    for (method, status) in [("delete", 200), ("get", 404), ("delete", 404)] {
        rig.ask(method, one, &[MESSAGE], "", none(), status).await;
    }

    rig.get("/api/greeting").await;
    let record = "/api/greeting/record";
    rig.ask("post", record, &[], "", json!({"on": false}), 409)
        .await;
    rig.post(record, "", json!({"on": true})).await;
    rig.ask("put", "/api/greeting", &[], "", json!("no sound"), 400)
        .await;
    let url = format!("{}/api/greeting", rig.daemon.local_url());
    let put = rig.http.put(url).bearer_auth(rig::API_KEY).body(VOICE);
    assert_eq!(put.send().await.expect("an answer").status(), 200);
    rig.asked
        .insert(("put".to_owned(), "/api/greeting".to_owned(), 200));
    rig.post("/api/greeting/play", "", none()).await;
    rig.ask("delete", "/api/greeting", &[], "", none(), 200)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_door_is_missing_in_the_document_and_it_promises_nothing_else() {
    let rig = Rig::start().await;
    let document = &rig.schema.document;
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        let url = format!("{}{path}", rig.daemon.local_url());
        let method = Method::from_bytes(b"PROPFIND").expect("a method");
        let request = rig.http.request(method, url).bearer_auth(rig::API_KEY);
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{path}");
        let allowed = answer.headers()["allow"].to_str().expect("text");
        let allowed: BTreeSet<String> = allowed
            .split(',')
            .map(|method| method.trim().to_lowercase())
            .filter(|method| method != "head")
            .collect();
        let described = operations.as_object().expect("methods");
        let described: BTreeSet<String> = described.keys().cloned().collect();
        assert_eq!(allowed, described, "{path}");
    }
    let described: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let mut routed: BTreeSet<String> = ["/", "/page.css", "/health"].map(str::to_owned).into();
    for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"))
        .expect("the sources")
    {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        for (at, _) in text.match_indices(".route(") {
            let rest = text[at + ".route(".len()..].trim_start();
            // Others are constants, which stand above.
            if let Some(rest) = rest.strip_prefix('"') {
                let end = rest.find('"').expect("an end");
                routed.insert(rest[..end].to_owned());
            }
        }
    }
    let routed: BTreeSet<&str> = routed.iter().map(String::as_str).collect();
    assert_eq!(routed, described);
    rig.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_holds_together() {
    let mut rig = Rig::start().await;
    let document = rig.schema.document.clone();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for operation in operations.as_object().expect("methods").values() {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{name} twice");
            let parameters = operation["parameters"].as_array();
            let in_path = parameters.into_iter().flatten();
            let in_path = in_path
                .filter(|parameter| parameter["in"] == "path")
                .count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
        }
    }
    // Whatever is pointed at is there, and whatever is there is pointed at.
    let mut pointed = BTreeSet::new();
    let mut waiting = vec![&document];
    while let Some(value) = waiting.pop() {
        if let Some(place) = value["$ref"].as_str() {
            let place = place.strip_prefix('#').expect("in the document");
            assert!(document.pointer(place).is_some(), "{place}");
            pointed.insert(place.to_owned());
        }
        waiting.extend(value.as_array().into_iter().flatten());
        waiting.extend(value.as_object().into_iter().flat_map(|map| map.values()));
    }
    for kind in ["schemas", "responses"] {
        let there = document["components"][kind].as_object().expect("there");
        for name in there.keys() {
            let place = format!("/components/{kind}/{name}");
            // What a websocket brings is in no answer.
            let is_message = ["Snapshot", "Event"].contains(&name.as_str());
            assert!(
                pointed.contains(&place) || is_message || name == "405",
                "{place}"
            );
        }
    }
    // A schema that takes anything would hold nothing against it.
    let call = json!({"id": "c1"});
    let place = "mem:///description#/components/schemas/Call";
    let schema = rig.schema.compiler.compile(place, &mut rig.schema.schemas);
    let schema = schema.expect("a schema");
    assert!(rig.schema.schemas.validate(&call, schema).is_err());
    rig.daemon.stop().await;
}
