//! The media socket as a program sees it: what is said on it, what is played, given back, dropped and told.

use std::time::Duration;

use axum::extract::ws::Message;
use offhook::sim::{self, CallPlan, Ended, Step};
use serde_json::{Value, json};

use super::stranger::{Line, Stranger, answer, decode, payload, signature, talk, twiml};
use super::{Done, ORIGIN, STREAM, assert_fine, codes, plan, together, until_done};

/// A loud mu-law code and what it sounds like.
const LOUD: u8 = 0x90;

/// Starts a program that says itself when the caller is to hang up, and plans the call.
async fn until_the_program_is_done<T: Future<Output = ()> + Send + 'static>(
    talks: impl Fn(Line, Done) -> T + Send + Sync + 'static,
) -> (Stranger, CallPlan<'static>) {
    let (step, done) = until_done();
    let server = Stranger::with_stream(STREAM, move |line| talks(line, done.clone())).await;
    let mut plan = plan(&server, 0);
    plan.script = vec![step];
    (server, plan)
}

/// Returns the time that a media message stands for, in milliseconds.
fn timestamp(message: &Value) -> u64 {
    let text = message["media"]["timestamp"].as_str().expect("a text");
    text.parse().expect("a number")
}

#[tokio::test]
async fn a_stream_begins_with_its_parameters_goes_on_in_frames_and_ends_with_stop() {
    let verbs = r#"<Connect><Stream url="wss://phone.example.com/media"><Parameter name="token" value="a&amp;b"/>
        <Parameter name="who" value="Zoë"/></Stream></Connect>"#;
    let server = Stranger::with_stream(verbs, |mut line| async move {
        line.hear_out().await;
    })
    .await;
    let mut plan = plan(&server, 100);
    let speech: Vec<i16> = (0..1_700).map(|n| n * 10 - 8_000).collect();
    plan.script = vec![
        Step::Speak(speech.clone()),
        Step::Dtmf("4#".to_owned()),
        Step::Listen(Duration::from_millis(100)),
    ];
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::CallerHungUp);

    let log = server.lines().await.remove(0);
    assert_eq!(
        log[0],
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    );
    let sid = log[1]["streamSid"].as_str().expect("a stream");
    assert!(sid.starts_with("MZ") && sid.len() == 34, "{sid}");
    assert_eq!(
        log[1],
        json!({"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": {
            "accountSid": log[1]["start"]["accountSid"], "streamSid": sid, "callSid": report.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "a&b", "who": "Zoë"}}})
    );
    for (index, message) in log[1..log.len() - 1].iter().enumerate() {
        assert_eq!(message["sequenceNumber"], (index + 1).to_string());
        assert_eq!(message["streamSid"], sid);
    }
    let media: Vec<&Value> = log.iter().filter(|m| m["event"] == "media").collect();
    assert_eq!(media.len() as u64, report.stream.frames_sent);
    let mut heard = Vec::new();
    for (index, message) in media.iter().enumerate() {
        assert_eq!(message["media"]["track"], "inbound");
        assert_eq!(message["media"]["chunk"], (index + 1).to_string());
        assert_eq!(timestamp(message), index as u64 * 20);
        let codes = payload(message);
        assert_eq!(codes.len(), 160);
        heard.extend(codes.into_iter().map(decode));
    }
    for (said, heard) in speech.iter().zip(&heard) {
        // Half a step of the coarsest kind that mu-law has at that level.
        let most = said.abs() / 16 + 8;
        assert!((said - heard).abs() <= most, "{said} came as {heard}");
    }
    let digits: Vec<&Value> = log.iter().filter(|m| m["event"] == "dtmf").collect();
    assert_eq!(
        digits[0]["dtmf"],
        json!({"track": "inbound_track", "digit": "4"})
    );
    assert_eq!(digits[1]["dtmf"]["digit"], "#");
    let [.., stop, closed] = log.as_slice() else {
        panic!("it is longer than that");
    };
    assert_eq!(stop["event"], "stop");
    assert_eq!(stop["stop"]["callSid"], report.call_sid.as_str());
    assert_eq!(closed, &json!({"closed": 1000}));
}

#[tokio::test]
async fn what_is_sent_is_heard_at_the_lines_own_speed_however_fast_it_came() {
    let (server, plan) = until_the_program_is_done(|mut line, done| async move {
        line.until("start").await;
        // A second at once, and cut as no telephone would.
        let sound = vec![LOUD; 8_000];
        for piece in [&sound[..6_999], &sound[6_999..7_000], &sound[7_000..]] {
            line.play(piece).await;
        }
        line.mark("played").await;
        line.until("mark").await;
        done.say();
        line.hear_out().await;
    })
    .await;
    let report = sim::call(plan).await;
    drop(server);
    assert_fine(&report);
    let heard = &report.stream.heard;
    let loud = heard.iter().filter(|s| **s == decode(LOUD)).count();
    assert_eq!(loud, 8_000);
    let first = heard.iter().position(|s| *s != 0).expect("a sound");
    assert!(
        heard[first..first + 8_000].iter().all(|s| *s != 0),
        "in one piece"
    );
    assert_eq!(report.stream.frames_received, 3);
    assert!(
        report.stream.queue_most_ms >= 900,
        "{}",
        report.stream.queue_most_ms
    );
    assert_eq!(report.stream.underruns, 1, "once, behind the sound");
}

#[tokio::test]
async fn a_mark_comes_back_when_its_sound_was_played_and_at_once_behind_nothing_or_a_clear() {
    let (server, plan) = until_the_program_is_done(|mut line, done| async move {
        line.until("start").await;
        line.mark("nothing").await;
        line.until("mark").await;
        line.play(&[LOUD; 3_200]).await;
        line.mark("played").await;
        line.until("mark").await;
        // A minute: none of it would be over before the call is.
        line.play(&[LOUD; 480_000]).await;
        line.mark("cleared").await;
        line.mark("cleared too").await;
        line.clear().await;
        line.until("mark").await;
        line.until("mark").await;
        done.say();
        line.hear_out().await;
    })
    .await;
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!((report.stream.marks, report.stream.clears), (4, 1));
    let log = server.lines().await.remove(0);
    // Told in the call's own time: the sound that the caller had sent when a mark came.
    let mut sent = 0;
    let mut marks = Vec::new();
    for message in &log {
        match message["event"].as_str() {
            Some("media") => sent = timestamp(message) + 20,
            Some("mark") => marks.push((message["mark"]["name"].as_str().expect("a name"), sent)),
            _ => {}
        }
    }
    let names: Vec<&str> = marks.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["nothing", "played", "cleared", "cleared too"]);
    let played = marks[1].1 - marks[0].1;
    assert!(played >= 360, "400 ms took {played} ms");
    let cleared = marks[3].1 - marks[1].1;
    assert!(
        cleared <= 30_000,
        "half of the sound was played: {cleared} ms"
    );
}

#[tokio::test]
async fn what_twilio_drops_is_neither_heard_nor_answered_and_is_told() {
    let with_sid = |text: &str| {
        let text = text.to_owned();
        move |sid: &str| Message::text(text.replace("SID", sid))
    };
    type Make = Box<dyn Fn(&str) -> Message + Send + Sync>;
    let loud = "kJCQkJCQkJCQkJCQ";
    let cases: Vec<(Make, u32, &str)> = vec![
        (
            Box::new(with_sid(&format!(
                r#"{{"event":"media","streamSid":"SID","media":{{"payload":"{loud}","track":"inbound"}}}}"#
            ))),
            31951,
            "the extra key `media.track`",
        ),
        (
            Box::new(with_sid(&format!(
                r#"{{"event":"media","sequenceNumber":"1","streamSid":"SID","media":{{"payload":"{loud}"}}}}"#
            ))),
            31951,
            "the extra key `sequenceNumber`",
        ),
        (
            Box::new(with_sid(&format!(
                r#"{{"event":"media","stream_sid":"SID","media":{{"payload":"{loud}"}}}}"#
            ))),
            31951,
            "the extra key `stream_sid`",
        ),
        (
            Box::new(with_sid(&format!(
                r#"{{"event":"media","media":{{"payload":"{loud}"}}}}"#
            ))),
            31951,
            "lacks `streamSid`",
        ),
        (
            Box::new(with_sid(&format!(
                r#"{{"event":"media","streamSid":"MZ0","media":{{"payload":"{loud}"}}}}"#
            ))),
            31951,
            "another stream",
        ),
        (
            Box::new(with_sid(
                r#"{"event":"media","streamSid":"SID","media":{"payload":"no base64!"}}"#,
            )),
            31951,
            "not base64",
        ),
        (
            Box::new(with_sid(
                r#"{"event":"mark","streamSid":"SID","mark":{"name":"a","at":"1"}}"#,
            )),
            31951,
            "the extra key `mark.at`",
        ),
        (
            Box::new(with_sid(r#"{"event":"stop","streamSid":"SID"}"#)),
            31951,
            "the unknown event `stop`",
        ),
        (Box::new(with_sid("hello")), 31951, "no JSON"),
        (
            Box::new(|_: &str| Message::binary(vec![0x90; 160])),
            31950,
            "binary",
        ),
    ];
    together(cases.into_iter().map(async |(make, code, why)| {
        let make = std::sync::Arc::new(make);
        let (server, plan) = until_the_program_is_done(move |mut line, done| {
            let make = std::sync::Arc::clone(&make);
            async move {
                line.until("start").await;
                let bad = make(&line.stream_sid);
                line.send(bad.clone()).await;
                line.send(bad).await;
                line.play(&[LOUD; 160]).await;
                line.mark("played").await;
                line.until("mark").await;
                done.say();
                line.hear_out().await;
            }
        })
        .await;
        let report = sim::call(plan).await;
        drop(server);
        assert_eq!(codes(&report), [code], "{why}: once per stream: {report}");
        assert!(report.warnings[0].text.contains(why), "{report}");
        assert_eq!(report.stream.frames_received, 1, "{why}");
        let loud = report.stream.heard.iter().filter(|s| **s != 0).count();
        assert_eq!(loud, 160, "{why}: only the good message is heard");
        assert_eq!(report.stream.marks, 1, "{why}: only the good mark");
        assert_eq!(report.stream.dropped, 2, "{why}");
    }))
    .await;
}

#[tokio::test]
async fn more_than_ten_minutes_in_the_queue_are_thrown_away() {
    let (server, plan) = until_the_program_is_done(|mut line, done| async move {
        line.until("start").await;
        for _ in 0..11 {
            line.play(&[LOUD; 60 * 8_000]).await;
        }
        // Comes back with the clear, behind all the sound.
        line.mark("taken").await;
        line.clear().await;
        line.until("mark").await;
        done.say();
        line.hear_out().await;
    })
    .await;
    let report = sim::call(plan).await;
    drop(server);
    assert_eq!(codes(&report), [31931], "{report}");
    assert_eq!(report.stream.queue_most_ms, 600_000);
}

#[tokio::test]
async fn a_socket_that_the_server_closes_is_told_and_the_call_goes_on_with_the_next_verb() {
    let cases = [("", "Afterwards"), (r#" action="/after""#, "The action")];
    together(cases.map(async |(action, next)| {
        let verbs = format!(
            r#"<Connect{action}><Stream url="wss://phone.example.com/media"/></Connect><Say>Afterwards</Say>"#
        );
        let server = Stranger::start(
            move |request| match request.path.as_str() {
                "/voice" => twiml(&verbs),
                "/media" => talk(),
                _ => twiml("<Say>The action</Say>"),
            },
            |mut line| async move {
                line.until("media").await;
                line.close().await;
            },
        )
        .await;
        let report = sim::call(plan(&server, 20_000)).await;
        assert_eq!(codes(&report), [31921], "{report}");
        assert_eq!(report.said, [next]);
        assert_eq!(report.ended, Ended::ByTwiml);
    }))
    .await;
}

#[tokio::test]
async fn a_ping_is_answered() {
    let (server, plan) = until_the_program_is_done(|mut line, done| async move {
        line.until("start").await;
        line.send(Message::Ping("a".into())).await;
        while line.next().await.expect("the caller is there")["pong"] != true {}
        done.say();
        line.hear_out().await;
    })
    .await;
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!(report.stream.pings, 1);
    let pongs = server.lines().await[0]
        .iter()
        .filter(|m| m["pong"] == true)
        .count();
    assert_eq!(pongs, 1);
}

#[tokio::test]
async fn an_address_that_twilio_would_not_dial_gets_twilios_code() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let elsewhere = format!(r#"url="wss://{closed}/media""#);
    for (attributes, code, streams) in [
        (r#"url="https://phone.example.com/media""#, 31922, 0),
        (r#"url="ws://phone.example.com/media""#, 31922, 0),
        (r#"url="wss://phone.example.com/me dia""#, 31923, 0),
        (r#"url="/me dia""#, 31923, 0),
        ("", 31923, 0),
        (r#"url="wss://phone.example.com/media?a=b""#, 31920, 1),
        (r#"url="wss://phone.example.com/nothing""#, 31920, 0),
        (
            r#"url="wss://phone.example.com/media" track="both_tracks""#,
            31941,
            0,
        ),
        (elsewhere.as_str(), 31902, 0),
    ] {
        let verbs = format!(
            r#"<Connect><Stream {attributes} statusCallback="https://phone.example.com/events"/></Connect><Say>On</Say>"#
        );
        let server = Stranger::start(
            move |request| match request.path.as_str() {
                "/voice" => twiml(&verbs),
                "/media" => talk(),
                "/events" => answer(204, "", ""),
                _ => answer(404, "", ""),
            },
            |mut line| async move { line.hear_out().await },
        )
        .await;
        let report = sim::call(plan(&server, 100)).await;
        assert_eq!(codes(&report), [code], "{attributes}: {report}");
        assert_eq!(report.stream.streams, streams, "{attributes}");
        server.assert_signed_over(ORIGIN);
        if streams == 0 {
            assert_eq!(report.said, ["On"], "{attributes}");
            let events = server.requests_to("/events");
            let [event] = events.as_slice() else {
                panic!("{attributes}: {events:?}");
            };
            assert_eq!(event.field("StreamEvent"), Some("stream-error"));
            assert!(event.field("StreamError").is_some_and(|e| !e.is_empty()));
        }
    }
}

#[tokio::test]
async fn on_one_machine_a_plain_websocket_will_do_and_so_will_a_secure_one_that_is_none() {
    for (scheme, signed) in [("ws", "ws://HOST/media"), ("wss", "wss://127.0.0.1/media")] {
        let server = Stranger::start(
            move |request| match request.path.as_str() {
                "/media" => talk(),
                _ => twiml(&format!(
                    r#"<Connect><Stream url="{scheme}://{}/media"/></Connect>"#,
                    request.host
                )),
            },
            |mut line| async move { line.hear_out().await },
        )
        .await;
        let mut plan = plan(&server, 100);
        plan.origin = None;
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.stream.streams, 1);
        let requests = server.requests_to("/media");
        let signed = signed.replace("HOST", &requests[0].host);
        assert_eq!(requests[0].signature, signature(&signed, &[]), "{signed}");
    }
}

#[tokio::test]
async fn a_relative_address_of_a_stream_is_under_the_documents() {
    let server = Stranger::with_stream(
        r#"<Connect><Stream url="/media"/></Connect>"#,
        |mut line| async move {
            line.hear_out().await;
        },
    )
    .await;
    let report = sim::call(plan(&server, 100)).await;
    assert_fine(&report);
    assert_eq!(report.stream.streams, 1);
    server.assert_signed_over(ORIGIN);
}

#[tokio::test]
async fn every_stream_is_complained_of_by_itself() {
    let verbs = STREAM.replace("<Hangup/>", STREAM);
    let server = Stranger::with_stream(verbs, |mut line| async move {
        line.until("start").await;
        for _ in 0..3 {
            line.say("hello").await;
        }
        line.until("media").await;
        line.close().await;
    })
    .await;
    let report = sim::call(plan(&server, 20_000)).await;
    let of = |code| codes(&report).into_iter().filter(|c| *c == code).count();
    assert_eq!(report.stream.streams, 2, "{report}");
    assert_eq!(of(31951), 2, "once a stream: {report}");
    assert_eq!(report.stream.dropped, 6);
}
