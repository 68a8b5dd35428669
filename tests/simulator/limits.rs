//! Twilio's limits and codes at their edges: what is just in, what is just out, and servers that break the rules of TCP,
//! TLS, HTTP and websockets.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use offhook::sim::{self, CallPlan, DialOutcome, Ended, Step};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::stranger::{Stranger, answer, twiml};
use super::{STREAM, account, assert_fine, codes, plan, together, until_done, without_stream};

/// Takes connections without an end, and does with each what it is told.
async fn raw<T: Future<Output = ()> + Send + 'static>(
    does: impl Fn(TcpStream) -> T + Send + 'static,
) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(does(connection));
        }
    });
    (address.to_string(), task)
}

/// Reads the head of a request.
async fn head(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => text.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Answers a webhook with a stream at itself, and a handshake by the rules; then says `frame` as it is.
async fn says_raw(mut connection: TcpStream, frame: &'static [u8]) {
    let head = head(&mut connection).await;
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let answer = match key {
        Some(key) => {
            let salted = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key.trim());
            let accept = STANDARD.encode(Sha1::digest(salted.as_bytes()));
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            )
        }
        None => {
            let body =
                "<Response><Connect><Stream url=\"/media\"/></Connect><Say>On</Say></Response>";
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
    };
    let _ = connection.write_all(answer.as_bytes()).await;
    if key.is_some() {
        let _ = connection.write_all(frame).await;
        let mut room = [0; 1024];
        while connection
            .read(&mut room)
            .await
            .is_ok_and(|count| count > 0)
        {}
    }
}

#[tokio::test]
async fn a_breach_of_the_websockets_rules_is_told_apart_from_a_line_that_breaks() {
    // A text with a reserved bit set; a ping in two pieces.
    for frame in [&[0xC1, 0x01, b'x'][..], &[0x09, 0x00]] {
        let (address, server) = raw(move |connection| says_raw(connection, frame)).await;
        let mut plan = CallPlan::new(format!("http://{address}/"), account());
        plan.script = vec![Step::Listen(Duration::from_secs(20))];
        let report = sim::call(plan).await;
        assert_eq!(codes(&report), [31924], "{report}");
        assert_eq!(report.said, ["On"], "the call goes on");
        server.abort();
    }
    let server = Stranger::with_stream(STREAM, |mut line| async move {
        line.until("media").await;
        drop(line);
    })
    .await;
    let report = sim::call(plan(&server, 20_000)).await;
    assert_eq!(codes(&report), [31903], "{report}");
}

#[tokio::test]
async fn a_stream_that_cannot_be_reached_and_one_without_tls_get_their_codes() {
    let plain = without_stream(|_| answer(404, "", "")).await;
    let no_tls = plain.url("/media").replace("http:", "wss:");
    let (closing, task) = raw(|connection| async move { drop(connection) }).await;
    let cases = [
        ("wss://nowhere.invalid/media".to_owned(), 31901),
        (no_tls, 31910),
        (format!("wss://{closing}/media"), 31910),
    ];
    for (url, code) in cases {
        let verbs = format!(r#"<Connect><Stream url="{url}"/></Connect>"#);
        let server = without_stream(move |_| twiml(&verbs)).await;
        let report = sim::call(plan(&server, 100)).await;
        if url.contains(&closing) {
            // It depends on who is faster whether TLS or the connection is what breaks.
            assert!([31910, 31920].contains(&codes(&report)[0]), "{report}");
            continue;
        }
        assert_eq!(codes(&report), [code], "{url}: {report}");
        if code == 31910 {
            assert!(report.warnings[0].text.contains("--origin"), "{report}");
        }
    }
    task.abort();
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_told_of_once() {
    let (step, done) = until_done();
    let server = Stranger::with_stream(STREAM, move |mut line| {
        let done = done.clone();
        async move {
            line.until("start").await;
            // Every mark comes back at once, more of them than all buffers on the way can hold.
            let name = "x".repeat(8_000);
            for _ in 0..4_000 {
                line.mark(&name).await;
            }
            done.say();
            line.hear_out().await;
        }
    })
    .await;
    let mut plan = plan(&server, 0);
    plan.script = vec![step];
    let report = sim::call(plan).await;
    assert_eq!(codes(&report), [31930], "{report}");
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_is_told() {
    for address in [
        "mailto:somebody@example.com",
        "ftp://phone.example.com/x",
        "https://",
    ] {
        let verbs = format!("<Redirect>{address}</Redirect>");
        let server = without_stream(move |_| twiml(&verbs)).await;
        let report = sim::call(plan(&server, 0)).await;
        assert_eq!(codes(&report), [11100], "{address}: {report}");
        assert_eq!(report.ended, Ended::Failed);
    }
}

#[tokio::test]
async fn a_webhook_that_takes_too_long_is_given_up() {
    let (address, server) = raw(async |mut connection| {
        let _ = head(&mut connection).await;
        std::future::pending::<()>().await;
    })
    .await;
    let mut plan = CallPlan::new(format!("http://{address}/"), account());
    assert_eq!(plan.patience, Duration::from_secs(15), "as Twilio's");
    plan.patience = Duration::from_millis(300);
    let report = sim::call(plan).await;
    assert_eq!(codes(&report), [11205], "{report}");
    assert!(report.warnings[0].text.contains("within 0.3 s"), "{report}");
    server.abort();
}

#[tokio::test]
async fn what_is_just_too_long_is_told_and_what_is_as_long_as_allowed_is_not() {
    let parameter = |length: usize| {
        let value = "v".repeat(length - 1);
        format!(
            r#"<Connect><Stream url="/media"><Parameter name="n" value="{value}"/></Stream></Connect>"#
        )
    };
    let dial = |count: usize| {
        format!(
            "<Dial>{}</Dial>",
            "<Number>+15145550100</Number>".repeat(count)
        )
    };
    let say = |length: usize| format!("<Say>{}</Say>", "s".repeat(length));
    let cases = [
        (parameter(499), 0),
        (parameter(500), 1),
        (dial(10), 0),
        (dial(11), 1),
        (say(4_096), 0),
        (say(4_097), 1),
    ];
    together(cases.map(async |(verbs, wrong)| {
        let shown: String = verbs.chars().take(60).collect();
        let server = Stranger::with_stream(verbs, |mut line| async move { line.hear_out().await });
        let server = server.await;
        let mut plan = plan(&server, 100);
        plan.dial = DialOutcome::Failed;
        let report = sim::call(plan).await;
        assert_eq!(codes(&report), vec![12200; wrong], "{shown}: {report}");
    }))
    .await;
}

#[tokio::test]
async fn a_call_rings_on_through_a_leading_pause_and_a_dial_that_answers_on_the_bridge() {
    for (verbs, status) in [
        (
            r#"<Pause length="0"/><Redirect>/next</Redirect>"#,
            "ringing",
        ),
        ("<Redirect>/next</Redirect>", "ringing"),
        (
            r#"<Play digits="1"/><Redirect>/next</Redirect>"#,
            "in-progress",
        ),
        (
            r#"<Dial answerOnBridge="true" action="/next"><Client>k</Client></Dial>"#,
            "ringing",
        ),
        (
            r#"<Dial action="/next"><Client>k</Client></Dial>"#,
            "in-progress",
        ),
    ] {
        let server = without_stream(move |request| match request.path.as_str() {
            "/voice" => twiml(verbs),
            _ => twiml("<Hangup/>"),
        })
        .await;
        let mut plan = plan(&server, 0);
        plan.dial = DialOutcome::Failed;
        assert_fine(&sim::call(plan).await);
        let next = &server.requests_to("/next")[0];
        assert_eq!(next.field("CallStatus"), Some(status), "{verbs}");
    }
    let server = without_stream(|_| twiml("<Say>Hi</Say><Reject/>")).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [12200], "only the first verb may: {report}");
}

#[tokio::test]
async fn a_call_that_lasts_too_long_is_hung_up_wherever_it_is() {
    let verbs = [
        STREAM.replace("<Connect>", r#"<Connect action="/after">"#),
        r#"<Pause length="18446744073709551615"/>"#.to_owned(),
        "<Pause/>".repeat(100),
    ];
    together(verbs.map(async |verbs| {
        let server = Stranger::with_stream(verbs.clone(), |mut line| async move {
            line.hear_out().await;
        })
        .await;
        let mut plan = plan(&server, 60_000);
        plan.most = Duration::from_millis(300);
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.ended, Ended::TooLong, "{verbs}");
        if verbs.contains("action") {
            let action = &server.requests_to("/after")[0];
            assert_eq!(action.field("CallStatus"), Some("completed"));
        }
    }))
    .await;
    let server = without_stream(|_| twiml(r#"<Pause length="long"/>"#)).await;
    let mut plan = plan(&server, 0);
    plan.most = Duration::MAX;
    let report = sim::call(plan).await;
    assert_eq!(codes(&report), [12200], "{report}");
    assert_eq!(report.ended, Ended::ByTwiml);
}

#[tokio::test]
async fn a_server_that_floods_the_line_keeps_no_call_from_ending() {
    let server = Stranger::with_stream(STREAM, |mut line| async move {
        line.until("start").await;
        while line.is_open() {
            line.clear().await;
        }
        line.hear_out().await;
    })
    .await;
    let mut plan = plan(&server, 60_000);
    plan.most = Duration::from_millis(500);
    let report = sim::call(plan).await;
    assert_eq!(report.ended, Ended::TooLong, "{report}");
    assert!(report.stream.frames_sent > 0);
}
