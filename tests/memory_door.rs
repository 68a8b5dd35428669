//! What the phone remembers, over real sockets: history, contacts, the block list, recordings and messages
//! as a program meets them.

#[path = "common/bare_phone.rs"]
mod bare_phone;
#[path = "common/rig.rs"]
mod rig;
#[path = "memory_door/shelf.rs"]
mod shelf;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use bare_phone::LIMIT;
use offhook::config::{Secret, Settings};
use offhook::phone::PhoneHandle;
use offhook::pure::ids::{LegId, Party};
use offhook::pure::phone::{Ask, Caller, LegStatus};
use offhook::web;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A telephone without devices, with the person's door.
struct Rig {
    address: SocketAddr,
    phone: PhoneHandle,
    http: reqwest::Client,
    folder: TempDir,
}

impl Rig {
    async fn start() -> Rig {
        Rig::start_with(|_, _| {}).await
    }

    /// Starts one after the folder and the settings were made ready.
    async fn start_with(prepare: impl FnOnce(&Path, &mut Settings)) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = rig::settings(folder.path());
        prepare(folder.path(), &mut settings);
        let phone = bare_phone::phone(&settings, Instant::now()).await;
        let door = web::door(&settings, Secret::new(rig::API_KEY), phone.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, door).await });
        Rig {
            address,
            phone,
            http: bare_phone::http(),
            folder,
        }
    }

    /// Asks with the key, and returns status and body.
    async fn text(
        &self,
        method: &str,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, String) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self
            .http
            .request(method, format!("http://{}{path}", self.address));
        let answer = request
            .bearer_auth(rig::API_KEY)
            .body(body)
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    async fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, text) = self.text(method, path, body).await;
        let json =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}"));
        (status, json)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, json) = self.json("GET", path, &Value::Null).await;
        assert_eq!(status, 200, "{path}: {json}");
        json
    }

    async fn refused(&self, method: &str, path: &str, body: &Value, status: u16, code: &str) {
        let (came, json) = self.json(method, path, body).await;
        assert_eq!(
            (came, &json["error"]["code"]),
            (status, &json!(code)),
            "{method} {path} {json}"
        );
        assert!(
            json["error"]["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }

    /// Lets somebody call who gives up.
    async fn missed_call(&self, leg: &str, from: &str) {
        let ask = Ask::Incoming {
            from: Party::parse(from),
            to: Party::parse("+18199754345"),
            caller: Caller::default(),
        };
        self.phone
            .ask(LegId::new(leg), ask)
            .await
            .expect("it lives");
        self.phone
            .leg_is(LegId::new(leg), None, LegStatus::Completed)
            .await;
        let begun = Instant::now();
        let over =
            |page: &Value| page["calls"][0]["sid"] == leg && !page["calls"][0]["ended"].is_null();
        while !over(&self.get("/api/history").await) {
            assert!(begun.elapsed() < LIMIT, "the call is never over");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn nobody_learns_or_changes_anything_of_it_without_the_key() {
    let rig = Rig::start().await;
    for (method, path) in [
        ("GET", "/api/history"),
        ("DELETE", "/api/history"),
        ("POST", "/api/history/seen"),
        ("GET", "/api/history/export"),
        ("DELETE", "/api/history/c1"),
        ("POST", "/api/history/c1/seen"),
        ("GET", "/api/contacts"),
        ("POST", "/api/contacts"),
        ("POST", "/api/contacts/import"),
        ("GET", "/api/contacts/export"),
        ("GET", "/api/contacts/1"),
        ("PUT", "/api/contacts/1"),
        ("DELETE", "/api/contacts/1"),
        ("GET", "/api/blocked"),
        ("POST", "/api/blocked"),
        ("DELETE", "/api/blocked/1"),
    ] {
        let url = format!("http://{}{path}", rig.address);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for key in [None, Some("test-key-0123456789abcdeg")] {
            let request = rig.http.request(method.clone(), &url);
            let request = match key {
                Some(key) => request.bearer_auth(key),
                None => request,
            };
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), 401, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn missed_calls_are_listed_searched_seen_exported_and_deleted() {
    let rig = Rig::start().await;
    let anna = json!({"name": "=Anna, \"Bee\"", "numbers": [{"number": "514 555 0101"}]});
    assert_eq!(rig.json("POST", "/api/contacts", &anna).await.0, 201);
    for (leg, from) in [
        ("CA1", "+15145550101"),
        ("CA2", "+442079460018"),
        ("CA3", "anonymous"),
    ] {
        rig.missed_call(leg, from).await;
    }
    let page = rig.get("/api/history").await;
    assert_eq!((&page["unseen"], &page["next"]), (&json!(3), &Value::Null));
    let call = &page["calls"][2];
    assert_eq!(
        (
            &call["from"],
            &call["name"],
            &call["missed"],
            &call["seen"],
            &call["answered"]
        ),
        (
            &json!("+15145550101"),
            &json!("=Anna, \"Bee\""),
            &json!(true),
            &json!(false),
            &Value::Null
        )
    );
    for (query, legs) in [
        ("search=anna", json!(["CA1"])),
        ("search=(514)%20555-0101", json!(["CA1"])),
        ("search=011%2044%2020%207946%200018", json!(["CA2"])),
        ("search=7946", json!(["CA2"])),
        (
            "missed=true&from=2026&direction=incoming&limit=2",
            json!(["CA3", "CA2"]),
        ),
        ("direction=outgoing", json!([])),
        ("to=2025", json!([])),
    ] {
        let page = rig.get(&format!("/api/history?{query}")).await;
        let found: Vec<&Value> = page["calls"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|call| &call["sid"])
            .collect();
        assert_eq!(json!(found), legs, "{query}");
    }
    let page = rig.get("/api/history?limit=2").await;
    let rest = rig
        .get(&format!("/api/history?limit=2&before={}", page["next"]))
        .await;
    assert_eq!(rest["calls"][0]["sid"], "CA1");

    for query in [
        "limit=0",
        "limit=x",
        "from=yesterday",
        "direction=up",
        "missed=perhaps",
        "colour=red",
    ] {
        let path = format!("/api/history?{query}");
        rig.refused("GET", &path, &Value::Null, 400, "invalid_query")
            .await;
    }
    let (status, seen) = rig
        .json("POST", "/api/history/CA2/seen", &Value::Null)
        .await;
    assert_eq!((status, seen), (200, json!({"calls": 1})));
    let unseen = rig.get("/api/history?unseen=true").await;
    assert_eq!(unseen["calls"].as_array().map(Vec::len), Some(2));
    rig.refused(
        "POST",
        "/api/history/nobody/seen",
        &Value::Null,
        404,
        "no_such_call",
    )
    .await;
    rig.json("POST", "/api/history/seen", &Value::Null).await;
    assert_eq!(rig.get("/api/history").await["unseen"], 0);

    let (_, sheet) = rig.text("GET", "/api/history/export", "").await;
    let lines: Vec<&str> = sheet.lines().collect();
    assert_eq!(lines.len(), 4, "{sheet}");
    assert!(
        lines[3].contains(",incoming,+15145550101,+18199754345,\"'=Anna, \"\"Bee\"\"\","),
        "{sheet}"
    );
    let all = rig.get("/api/history/export?format=json").await;
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    rig.refused(
        "GET",
        "/api/history/export?format=xml",
        &Value::Null,
        400,
        "invalid_query",
    )
    .await;

    let (status, gone) = rig.json("DELETE", "/api/history/CA1", &Value::Null).await;
    assert_eq!((status, gone), (200, json!({"calls": 1})));
    rig.refused(
        "DELETE",
        "/api/history/CA1",
        &Value::Null,
        404,
        "no_such_call",
    )
    .await;
    let (_, gone) = rig.json("DELETE", "/api/history", &Value::Null).await;
    assert_eq!(gone, json!({"calls": 2}));
    assert_eq!(rig.get("/api/history").await["calls"], json!([]));
}

#[tokio::test]
async fn contacts_are_written_read_changed_removed_and_go_in_and_out_as_vcard() {
    let rig = Rig::start().await;
    let (status, contact) = rig
        .json("POST", "/api/contacts", &json!({"name": " Anna ", "numbers": [{"label": "work", "number": "tel:+1-514-555-0101"}]}))
        .await;
    assert_eq!(status, 201);
    assert_eq!(
        contact,
        json!({"id": contact["id"], "name": "Anna", "numbers": [{"label": "work", "number": "+15145550101"}],
               "note": "", "favourite": false, "auto_answer": false})
    );
    let path = format!("/api/contacts/{}", contact["id"]);
    assert_eq!(rig.get(&path).await, contact);
    let (status, changed) = rig
        .json("PUT", &path, &json!({"name": "Anna", "favourite": true}))
        .await;
    assert_eq!(
        (status, &changed["favourite"], &changed["numbers"]),
        (200, &json!(true), &json!([]))
    );
    assert_eq!(
        rig.get("/api/contacts?favourites=true").await["contacts"],
        json!([changed])
    );

    for (body, code) in [
        (json!({"name": ""}), "invalid_contact"),
        (
            json!({"name": "B", "numbers": [{"number": "911"}]}),
            "invalid_contact",
        ),
        (json!({"nickname": "B"}), "invalid_json"),
        (json!([1]), "invalid_json"),
    ] {
        rig.refused("POST", "/api/contacts", &body, 400, code).await;
    }
    for path in ["/api/contacts/99", "/api/contacts/x"] {
        rig.refused("GET", path, &Value::Null, 404, "no_such_contact")
            .await;
        rig.refused("DELETE", path, &Value::Null, 404, "no_such_contact")
            .await;
    }
    rig.refused("PATCH", &path, &Value::Null, 405, "wrong_method")
        .await;

    // Larger than any other body may be.
    let mut cards = String::new();
    for n in 0..400 {
        cards.push_str(&format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bee {n:03}\r\nTEL:514 555 1{n:03}\r\nNOTE:{}\r\nEND:VCARD\r\n", "x".repeat(60)));
    }
    assert!(cards.len() > 32_768);
    let (status, text) = rig.text("POST", "/api/contacts/import", cards).await;
    let imported: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &imported["added"]), (200, &json!(400)), "{text}");
    let page = rig.get("/api/contacts?limit=150&after=300").await;
    assert_eq!(
        (page["contacts"].as_array().map(Vec::len), &page["next"]),
        (Some(101), &Value::Null)
    );
    let (_, cards) = rig
        .text("GET", "/api/contacts/export?version=3.0", "")
        .await;
    assert_eq!(cards.matches("BEGIN:VCARD").count(), 401);
    let (_, again) = rig.text("POST", "/api/contacts/import", cards).await;
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!((&again["added"], &again["known"]), (&json!(0), &json!(401)));
    let (status, too_large) = rig
        .text("POST", "/api/contacts/import", vec![b'x'; 5 << 20])
        .await;
    assert!(
        status == 413 && too_large.contains("too_large"),
        "{status} {too_large}"
    );
    assert_eq!(rig.json("DELETE", &path, &Value::Null).await.0, 200);
}

#[tokio::test]
async fn the_block_list_is_read_written_and_asked_without_waiting() {
    let rig = Rig::start().await;
    assert_eq!(rig.get("/api/blocked").await, json!({"blocked": []}));
    let (status, entry) = rig
        .json(
            "POST",
            "/api/blocked",
            &json!({"pattern": "+1 900*", "note": " premium "}),
        )
        .await;
    assert_eq!(
        (status, &entry["pattern"], &entry["note"], &entry["hits"]),
        (201, &json!("+1900*"), &json!("premium"), &json!(0))
    );
    let known = rig.phone.store().known();
    let id = known.blocked.entry_for(&Party::parse("+19005550100"));
    assert_eq!(id.map(|id| json!(id)), Some(entry["id"].clone()));
    for pattern in ["*", "", "hello"] {
        rig.refused(
            "POST",
            "/api/blocked",
            &json!({ "pattern": pattern }),
            400,
            "invalid_pattern",
        )
        .await;
    }
    rig.refused(
        "POST",
        "/api/blocked",
        &json!({"pattern": "+44*", "note": "x".repeat(501)}),
        400,
        "invalid_note",
    )
    .await;
    let path = format!("/api/blocked/{}", entry["id"]);
    assert_eq!(rig.json("DELETE", &path, &Value::Null).await, (200, entry));
    rig.refused("DELETE", &path, &Value::Null, 404, "not_blocked")
        .await;
}
