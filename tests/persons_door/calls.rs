//! What a program does with calls: dials, holds, mutes, sends keys, moves and hands over.

use super::*;

impl Rig {
    /// A request with the key and a body.
    fn says(&self, path: &str, body: &Value) -> RequestBuilder {
        self.person("POST", path).json(body)
    }

    /// Lets a call ring and answers it.
    async fn talks(&self, leg: &str) -> Stream {
        let stream = self.rings(leg).await;
        let (status, _) = ask(self.person("POST", &format!("/api/calls/{leg}/answer"))).await;
        assert_eq!(status, 200);
        stream
    }
}

#[tokio::test]
async fn a_number_is_dialled_and_what_is_no_number_is_not() {
    let rig = Rig::start().await;
    let (status, call) = ask(rig.says("/api/calls", &json!({"to": "+15145550100"}))).await;
    assert_eq!(status, 201, "{call}");
    assert_eq!(call["sid"], "CA15145550100");
    assert_eq!(call["state"], "dialing");
    assert_eq!(call["direction"], "outgoing");
    assert_eq!(call["to"], "+15145550100");
    for (to, status, code) in [
        ("911", 403, "emergency_number"),
        ("+19005550100", 403, "destination_not_allowed"),
        ("hello", 400, "not_a_number"),
        ("", 400, "not_a_number"),
        ("client:kitchen", 400, "not_a_number"),
        ("+15145550100,x", 400, "invalid_digits"),
    ] {
        refused(rig.says("/api/calls", &json!({"to": to})), status, code).await;
    }
    for (body, code) in [
        ("{}", "invalid_request"),
        (r#"{"to":7}"#, "invalid_request"),
        ("[]", "invalid_json"),
        ("nothing", "invalid_json"),
    ] {
        let request = rig.person("POST", "/api/calls").body(body);
        refused(request, 400, code).await;
    }
    let (_, calls) = ask(rig.person("GET", "/api/calls")).await;
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(1), "{calls}");
}

#[tokio::test]
async fn a_wish_that_is_sent_twice_with_its_key_is_one_call() {
    let rig = Rig::start().await;
    let wish = |key: &'static str, to: &str| {
        rig.says("/api/calls", &json!({"to": to}))
            .header("Idempotency-Key", key)
    };
    let (_, first) = ask(wish("k1", "+15145550100")).await;
    let (status, again) = ask(wish("k1", "+15145550100")).await;
    assert_eq!((status, &again["id"]), (201, &first["id"]));
    refused(wish("k1", "+15145550101"), 422, "idempotency_key_reused").await;
    let (_, other) = ask(wish("k2", "+15145550101")).await;
    assert_ne!(other["id"], first["id"]);
}

#[tokio::test]
async fn every_line_that_is_dialled_is_counted() {
    let rig = Rig::start().await;
    for n in 0..16 {
        let to = format!("+151455501{n:02}");
        let (status, _) = ask(rig.says("/api/calls", &json!({"to": to}))).await;
        assert_eq!(status, 201);
    }
    let more = rig.says("/api/calls", &json!({"to": "+15145550199"}));
    refused(more, 409, "no_line").await;
}

#[tokio::test]
async fn two_calls_are_held_and_swapped_by_their_names() {
    let rig = Rig::start().await;
    let _first = rig.talks("CA1").await;
    let _second = rig.talks("CA2").await;
    let held = async |leg: &str| {
        let (_, call) = ask(rig.person("GET", &format!("/api/calls/{leg}"))).await;
        call["held"].as_bool().expect("told")
    };
    assert!(held("CA1").await && !held("CA2").await);
    let (status, _) = ask(rig.person("POST", "/api/calls/CA1/resume")).await;
    assert_eq!(status, 200);
    assert!(!held("CA1").await && held("CA2").await);
    refused(
        rig.person("POST", "/api/calls/CA1/resume"),
        409,
        "wrong_state",
    )
    .await;
    let (_, call) = ask(rig.person("POST", "/api/calls/CA1/hold")).await;
    assert_eq!(
        (&call["held"], &call["state"]),
        (&json!(true), &json!("talking"))
    );
}

#[tokio::test]
async fn a_refusal_names_the_state_that_does_not_allow_it() {
    let rig = Rig::start().await;
    let _rings = rig.rings("CA1").await;
    let (status, told) = ask(rig.person("POST", "/api/calls/CA1/hold")).await;
    assert_eq!(status, 409);
    let message = told["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains("ringing"), "{message}");
    let (status, _) = ask(rig.person("POST", "/api/calls/CA1/answer")).await;
    assert_eq!(status, 200);
    for (what, words) in [
        ("answer", "answered already"),
        ("resume", "not on hold"),
        ("hold", ""),
        ("hold", "on hold already"),
    ] {
        let (_, told) = ask(rig.person("POST", &format!("/api/calls/CA1/{what}"))).await;
        let message = told["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{what}: {told}");
    }
    refused(
        rig.person("POST", "/api/calls/CA9/hold"),
        404,
        "no_such_call",
    )
    .await;
}

#[tokio::test]
async fn mute_and_keys_say_what_they_need() {
    let rig = Rig::start().await;
    let _stream = rig.talks("CA1").await;
    let (_, call) = ask(rig.says("/api/calls/CA1/mute", &json!({"on": true}))).await;
    assert_eq!(call["muted"], true);
    let (_, call) = ask(rig.says("/api/calls/CA1/mute", &json!({"on": false}))).await;
    assert_eq!(call["muted"], false);
    refused(
        rig.says("/api/calls/CA1/mute", &json!({})),
        400,
        "invalid_request",
    )
    .await;
    let (status, _) = ask(rig.says("/api/calls/CA1/dtmf", &json!({"digits": "12,#"}))).await;
    assert_eq!(status, 200);
    let wrong = rig.says("/api/calls/CA1/dtmf", &json!({"digits": "12x"}));
    refused(wrong, 400, "invalid_digits").await;
}

#[tokio::test]
async fn a_call_is_moved_where_somebody_can_answer_it() {
    let rig = Rig::start().await;
    let _stream = rig.talks("CA1").await;
    let to = |place: &str| rig.says("/api/calls/CA1/move", &json!({ "to": place }));
    refused(to("browser"), 409, "no_browser").await;
    refused(to("desk"), 409, "wrong_state").await;
    refused(to("911"), 403, "emergency_number").await;
    let (status, call) = ask(to("+15145550123")).await;
    assert_eq!((status, &call["state"]), (200, &json!("connecting")));
    let asked = rig
        .phone
        .ask(
            LegId::new("CA1"),
            Ask::AfterStream {
                leg_status: LegStatus::InProgress,
            },
        )
        .await;
    assert!(
        matches!(asked, Ok(Document::DialNumber { .. })),
        "{asked:?}"
    );
    let (_, call) = ask(rig.person("GET", "/api/calls/CA1")).await;
    assert_eq!(call["place"], "number");
}

#[tokio::test]
async fn an_attended_transfer_dials_first_and_is_completed_when_somebody_has_answered() {
    let rig = Rig::start().await;
    let _stream = rig.talks("CA1").await;
    let wish = json!({"to": "+15145550123", "attended": true});
    let (status, other) = ask(rig.says("/api/calls/CA1/transfer", &wish)).await;
    assert_eq!((status, &other["state"]), (200, &json!("dialing")));
    let complete = || rig.person("POST", "/api/calls/CA1/transfer/complete");
    refused(complete(), 409, "not_consulted").await;
    let (_, call) = ask(rig.person("GET", "/api/calls/CA1")).await;
    assert_eq!(call["held"], true);
}

#[tokio::test]
async fn a_desk_that_is_not_to_be_disturbed_says_so_to_everybody() {
    let rig = Rig::start().await;
    let (_, told) = ask(rig.person("GET", "/api/do-not-disturb")).await;
    assert_eq!(told, json!({"on": false}));
    let (_, told) = ask(rig.says("/api/do-not-disturb", &json!({"on": true}))).await;
    assert_eq!(told, json!({"on": true}));
    // The stream is for a message.
    assert!(matches!(rig.incoming("CA1").await, Document::Stream { .. }));
    let (_, told) = ask(rig.person("GET", "/api/do-not-disturb")).await;
    assert_eq!(told, json!({"on": true}));
}

#[tokio::test]
async fn two_calls_meet_at_the_desk() {
    let rig = Rig::start().await;
    let _first = rig.talks("CA1").await;
    let _second = rig.talks("CA2").await;
    let merge = |with: &str| rig.says("/api/calls/CA1/merge", &json!({ "with": with }));
    let (status, call) = ask(merge("CA2")).await;
    assert_eq!(
        (status, &call["merged"], &call["held"]),
        (200, &json!(true), &json!(false))
    );
    refused(merge("CA3"), 404, "no_such_call").await;
    refused(merge("CA1"), 400, "same_call").await;
}

/// Waits until so many recordings are listed, and returns them.
async fn recordings(rig: &Rig, count: usize) -> Vec<Value> {
    let listing = async {
        loop {
            let (status, told) = ask(rig.person("GET", "/api/recordings")).await;
            assert_eq!(status, 200, "{told}");
            let list = told["recordings"].as_array().expect("a list").clone();
            if list.len() == count {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, listing).await.expect("in time")
}

#[tokio::test]
async fn a_call_is_recorded_and_its_recording_listed_fetched_and_deleted() {
    let rig = Rig::start().await;
    let record = |on: bool| rig.says("/api/calls/CA1/record", &json!({"on": on}));
    let _stream = rig.rings("CA1").await;
    refused(record(true), 409, "wrong_state").await;
    let (status, _) = ask(rig.person("POST", "/api/calls/CA1/answer")).await;
    assert_eq!(status, 200);
    let without = rig.says("/api/calls/CA1/record", &json!({}));
    refused(without, 400, "invalid_request").await;
    // Stopped and begun again faster than any disk: both are made.
    for on in [true, false, true] {
        let (status, call) = ask(record(on)).await;
        assert_eq!((status, &call["recording"]), (200, &json!(on)), "{call}");
    }
    recordings(&rig, 1).await;
    let (_, call) = ask(rig.person("GET", "/api/calls/CA1")).await;
    assert_eq!(call["recording"], true, "the second goes on");
    let (_, call) = ask(rig.person("POST", "/api/calls/CA1/hangup")).await;
    assert_eq!(call["recording"], false, "{call}");
    let list = recordings(&rig, 2).await;
    for one in &list {
        assert_eq!(
            (&one["call"], &one["from"], &one["kind"]),
            (&call["id"], &json!("+18738402100"), &json!("recording"))
        );
        let file = one["file"].as_str().expect("a name");
        let path = format!("/api/recordings/{file}");
        let answer = send(rig.person("GET", &path)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "audio/ogg");
        let bytes = answer.bytes().await.expect("the whole file");
        assert!(bytes.starts_with(b"OggS"));
        assert_eq!(json!(bytes.len()), one["bytes"]);
        refused(rig.stranger("GET", &path), 401, "unauthorized").await;
        let (status, gone) = ask(rig.person("DELETE", &path)).await;
        assert_eq!((status, &gone), (200, one));
        refused(rig.person("DELETE", &path), 404, "no_such_recording").await;
        refused(rig.person("GET", &path), 404, "no_such_recording").await;
    }
    recordings(&rig, 0).await;
    let left = std::fs::read_dir(rig._folder.path().join("recordings")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn no_name_of_a_recording_leads_anywhere_else() {
    let rig = Rig::start().await;
    let folder = rig._folder.path();
    let outside = "20260101T000000Z-call-c1.opus";
    std::fs::write(folder.join(outside), "secret").expect("written");
    std::fs::write(folder.join("recordings/notes.opus"), "secret").expect("written");
    for name in [
        "..%2F20260101T000000Z-call-c1.opus",
        "..%2Foffhook.db",
        "%2Fetc%2Fpasswd",
        "..%5C20260101T000000Z-call-c1.opus",
        "20260101T000000Z-call-..%2F..%2F20260101T000000Z-call-c1.opus",
        "20260101T000000Z-call-c1.opus%00",
        "20260101T000000Z-call-c1.opus",
        "notes.opus",
        "%FF",
        "%20",
    ] {
        for method in ["GET", "DELETE"] {
            let request = rig.person(method, &format!("/api/recordings/{name}"));
            refused(request, 404, "no_such_recording").await;
        }
    }
    for left in [outside, "offhook.db", "recordings/notes.opus"] {
        assert!(folder.join(left).exists(), "{left} is still there");
    }
}
