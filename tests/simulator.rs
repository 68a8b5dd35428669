//! The simulator against a program that is not ours: what it asks and says, what it follows, and what it complains of. The
//! program is scripted here; it has no code of the daemon's, so that one mistake cannot hide on both sides.

#[path = "simulator/command.rs"]
mod command;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/socket.rs"]
mod socket;
#[path = "common/stranger.rs"]
mod stranger;

use std::time::Duration;

use offhook::sim::{self, Account, CallPlan, CallReport, DialOutcome, Ended, Rest, Step};
use stranger::{Stranger, TOKEN, answer, talk, twiml};

const ORIGIN: &str = "https://phone.example.com";

/// A stream under the origin.
const STREAM: &str = r#"<Connect><Stream url="wss://phone.example.com/media"/></Connect><Hangup/>"#;

fn account() -> Account {
    Account {
        auth_token: TOKEN.to_owned(),
        ..Account::made_up()
    }
}

/// Plans a call whose caller says nothing and hangs up after a while.
fn plan(server: &Stranger, millis: u64) -> CallPlan<'static> {
    let mut plan = CallPlan::new(server.url("/voice"), account());
    plan.origin = Some(ORIGIN.to_owned());
    plan.script = vec![Step::Listen(Duration::from_millis(millis))];
    plan
}

fn codes(report: &CallReport) -> Vec<u32> {
    report.warnings.iter().map(|warning| warning.code).collect()
}

#[track_caller]
fn assert_fine(report: &CallReport) {
    assert!(report.is_fine(), "{report}");
}

/// Runs cases side by side: most of their time is spent waiting.
async fn together<F: Future<Output = ()> + Send + 'static>(cases: impl IntoIterator<Item = F>) {
    let mut running: tokio::task::JoinSet<()> = cases.into_iter().collect();
    while let Some(done) = running.join_next().await {
        done.expect("every case is as it should be");
    }
}

/// A program without a stream.
async fn without_stream(
    answers: impl Fn(&stranger::Request) -> stranger::Answer + Send + Sync + 'static,
) -> Stranger {
    Stranger::start(answers, |mut line| async move { line.hear_out().await }).await
}

#[tokio::test]
async fn every_request_is_signed_over_the_origin_and_comes_to_the_server() {
    let server = Stranger::start(
        |request| match request.path.as_str() {
            "/voice?a=1&b=%2B" => twiml(
                r#"<Connect action="after"><Stream name="leg" url="wss://phone.example.com/media"
                statusCallback="https://phone.example.com/events"/></Connect>"#,
            ),
            "/media" => talk(),
            "/after" => twiml(r#"<Redirect method="GET">/more?x=%20y</Redirect>"#),
            _ => twiml("<Hangup/>"),
        },
        |mut line| async move {
            line.until("start").await;
            line.close().await;
        },
    )
    .await;
    let mut plan = plan(&server, 5_000);
    plan.webhook = server.url("/voice?a=1&b=%2B");
    plan.params = vec![
        ("CallerName".to_owned(), "Zoë & Co".to_owned()),
        ("Empty".to_owned(), String::new()),
    ];
    let report = sim::call(plan).await;
    assert_eq!(report.ended, Ended::ByTwiml, "{report}");
    server.assert_signed_over(ORIGIN);

    let webhook = &server.requests()[0];
    assert_eq!(webhook.method, "POST");
    assert!(
        webhook
            .content_type
            .starts_with("application/x-www-form-urlencoded")
    );
    for (name, value) in [
        ("CallSid", report.call_sid.as_str()),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", "+15005550010"),
        ("To", "+15005550006"),
        ("Caller", "+15005550010"),
        ("Called", "+15005550006"),
        ("ApiVersion", "2010-04-01"),
        ("CallerName", "Zoë & Co"),
        ("Empty", ""),
    ] {
        assert_eq!(webhook.field(name), Some(value), "{name}");
    }
    assert_eq!(
        webhook.field("AccountSid").map(str::len),
        Some(34),
        "an account is made up where none is given"
    );

    let more = server.requests().pop().expect("the last one");
    assert_eq!(more.method, "GET");
    assert!(
        more.path.starts_with("/more?x=%20y&") && more.path.contains("&CallStatus=in-progress&"),
        "{more:?}"
    );
    let events = server.requests_to("/events");
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.field("StreamEvent"), event.field("StreamName")))
        .collect();
    assert_eq!(
        told,
        [
            (Some("stream-started"), Some("leg")),
            (Some("stream-stopped"), Some("leg"))
        ]
    );
}

#[tokio::test]
async fn twiml_is_followed_from_verb_to_verb_and_from_document_to_document() {
    let server = without_stream(|request| match request.path.as_str() {
        "/voice" => twiml(
            r#"<Pause length="0"/><Say language="fr">Toi &amp; moi</Say>
            <Play>https://elsewhere.example/a.mp3</Play><Play digits="12"/>
            <Redirect>/dial</Redirect><Say>unreachable</Say>"#,
        ),
        "/dial" => twiml(
            r#"<Dial callerId="+15005550006" action="/after-dial">
            <Number statusCallback="/legs" statusCallbackEvent="initiated ringing answered completed">+15145550100</Number>
            <Client statusCallback="/legs"><Identity>kitchen</Identity><Parameter name="call" value="7"/></Client>
            </Dial><Say>unreachable</Say>"#,
        ),
        "/after-dial" => twiml("<Say>Bye</Say>"),
        _ => answer(200, "text/plain", ""),
    })
    .await;
    let mut plan = plan(&server, 0);
    plan.dial = DialOutcome::Answered(Duration::from_millis(1_200));
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::ByTwiml);
    assert_eq!(report.said, ["Toi & moi", "Bye"]);
    assert_eq!(
        report.played,
        ["https://elsewhere.example/a.mp3", "digits:12"]
    );
    assert_eq!(report.documents.len(), 3);
    server.assert_signed_over(ORIGIN);

    let legs: Vec<_> = report
        .dialled
        .iter()
        .map(|leg| (leg.to.as_str(), leg.status.as_str()))
        .collect();
    assert_eq!(
        legs,
        [
            ("+15145550100", "completed"),
            ("client:kitchen", "canceled")
        ]
    );
    assert_eq!(report.dialled[0].caller_id.as_deref(), Some("+15005550006"));
    assert_eq!(
        report.dialled[1].parameters,
        [("call".to_owned(), "7".to_owned())]
    );

    let events = server.requests_to("/legs");
    let of = |to: &str| -> Vec<(String, String)> {
        let of = events.iter().filter(|event| event.field("To") == Some(to));
        of.map(|event| {
            let field = |name| event.field(name).unwrap_or_default().to_owned();
            (field("CallStatus"), field("SequenceNumber"))
        })
        .collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = pairs.iter().map(|(a, b)| ((*a).into(), (*b).into()));
        owned.collect()
    };
    assert_eq!(
        of("+15145550100"),
        pairs(&[
            ("initiated", "0"),
            ("ringing", "1"),
            ("in-progress", "2"),
            ("completed", "3")
        ])
    );
    assert_eq!(of("client:kitchen"), pairs(&[("canceled", "0")]));
    assert!(
        events
            .iter()
            .all(|event| event.field("ParentCallSid") == Some(&report.call_sid))
    );

    let action = &server.requests_to("/after-dial")[0];
    assert_eq!(action.field("CallSid"), Some(report.call_sid.as_str()));
    assert_eq!(action.field("DialCallStatus"), Some("completed"));
    assert_eq!(action.field("DialCallDuration"), Some("1"));
    assert_eq!(action.field("DialBridged"), Some("true"));
    assert_eq!(action.field("DialCallSid"), events[0].field("CallSid"));
}

#[tokio::test]
async fn a_dial_comes_to_what_the_plan_says_and_goes_on_without_an_action() {
    let outcomes = [
        (DialOutcome::NoAnswer, "no-answer"),
        (DialOutcome::Busy, "busy"),
        (DialOutcome::Failed, "failed"),
    ];
    together(outcomes.map(async |(outcome, status)| {
        let server = without_stream(|request| match request.path.as_str() {
            "/voice" => twiml("<Dial>+15145550100</Dial><Redirect>/next</Redirect>"),
            "/next" => twiml(r#"<Dial action="/after"><Client>kitchen</Client></Dial>"#),
            _ => twiml(""),
        })
        .await;
        let mut plan = plan(&server, 0);
        plan.dial = outcome;
        let report = sim::call(plan).await;
        assert_fine(&report);
        let legs: Vec<_> = report
            .dialled
            .iter()
            .map(|leg| (leg.to.as_str(), leg.status.as_str()))
            .collect();
        assert_eq!(legs, [("+15145550100", status), ("client:kitchen", status)]);
        let action = &server.requests_to("/after")[0];
        assert_eq!(action.field("DialCallStatus"), Some(status));
        assert_eq!(action.field("DialBridged"), Some("false"));
    }))
    .await;
}

#[tokio::test]
async fn a_rejected_call_was_never_answered() {
    for (verb, reason) in [
        ("<Reject/>", "rejected"),
        (r#"<Reject reason="busy"/>"#, "busy"),
    ] {
        let server = without_stream(move |_| twiml(verb)).await;
        let report = sim::call(plan(&server, 0)).await;
        assert_fine(&report);
        assert_eq!(report.ended, Ended::Rejected(reason.to_owned()));
    }
}

#[tokio::test]
async fn documents_that_lead_to_each_other_for_ever_are_stopped() {
    let server = without_stream(|_| twiml("<Redirect/>")).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [11200]);
    assert_eq!(report.documents.len(), 50);
}

#[tokio::test]
async fn a_bad_answer_to_the_webhook_gets_twilios_code() {
    let filler = |length: usize| {
        let around = "<Response><Hangup/></Response>";
        format!(
            "<Response><Hangup/>{}</Response>",
            " ".repeat(length - around.len())
        )
    };
    type Make = Box<dyn Fn() -> stranger::Answer + Send + Sync>;
    let cases: Vec<(&str, Make, &[u32])> = vec![
        (
            "fails",
            Box::new(|| answer(500, "text/xml", "oops")),
            &[11200],
        ),
        ("refuses", Box::new(|| answer(403, "", "")), &[11200]),
        (
            "answers JSON",
            Box::new(|| answer(200, "application/json", "{}")),
            &[12300],
        ),
        (
            "is exactly 64 KB long",
            Box::new(move || answer(200, "application/xml", filler(65_536))),
            &[],
        ),
        (
            "is longer than 64 KB",
            Box::new(move || answer(200, "text/xml", filler(65_537))),
            &[11750],
        ),
        (
            "is no XML",
            Box::new(|| answer(200, "text/html", "<html><br></html>")),
            &[12100],
        ),
        (
            "is another document",
            Box::new(|| answer(200, "text/xml", "<Answer/>")),
            &[12100],
        ),
        (
            "has a verb in the wrong case",
            Box::new(|| twiml("<say>hello</say>")),
            &[12200],
        ),
        ("dials nobody", Box::new(|| twiml("<Dial/>")), &[13223]),
    ];
    for (name, make, expected) in cases {
        let server = without_stream(move |_| make()).await;
        let report = sim::call(plan(&server, 0)).await;
        assert_eq!(codes(&report), expected, "a server that {name}: {report}");
        assert_eq!(report.is_fine(), expected.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_or_hangs_up_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    let hanging_up = tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            drop(connection);
        }
    });
    let ask = || sim::call(CallPlan::new(format!("http://{address}/"), account()));
    let report = ask().await;
    assert_eq!(codes(&report), [11205], "{report}");
    assert_eq!(report.ended, Ended::Failed);
    hanging_up.abort();
    let _ = hanging_up.await;
    let report = ask().await;
    assert_eq!(codes(&report), [11205], "{report}");
    assert!(
        report.warnings[0].text.contains("is the server running"),
        "{report}"
    );
}

#[tokio::test]
async fn a_callback_that_fails_spoils_a_call_but_does_not_end_it() {
    let server = without_stream(|request| match request.path.as_str() {
        "/voice" => twiml(
            r#"<Dial><Number statusCallback="/gone">+15145550100</Number></Dial><Say>Bye</Say>"#,
        ),
        _ => answer(404, "", ""),
    })
    .await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [15003], "{report}");
    assert_eq!(report.said, ["Bye"]);
    assert_eq!(report.ended, Ended::ByTwiml);
}

#[tokio::test]
async fn a_call_is_steered_over_rest_while_its_stream_is_up() {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let calls = format!(
        "{}/2010-04-01/Accounts/{}/Calls",
        rest.url(),
        account.account_sid
    );
    for (form, ended, said) in [
        ("Status=completed", Ended::ByRest, ""),
        (
            "Twiml=%3CResponse%3E%3CSay%3EHi%3C%2FSay%3E%3C%2FResponse%3E",
            Ended::ByTwiml,
            "Hi",
        ),
        (
            "Url=https%3A%2F%2Fphone.example.com%2Felsewhere",
            Ended::ByTwiml,
            "There",
        ),
    ] {
        let (address, key, secret) = (
            calls.clone(),
            account.api_key.clone(),
            account.api_secret.clone(),
        );
        let server = Stranger::start(
            |request| match request.path.as_str() {
                "/voice" => twiml(STREAM),
                "/media" => talk(),
                _ => twiml("<Say>There</Say>"),
            },
            move |mut line| {
                let (address, key, secret) = (address.clone(), key.clone(), secret.clone());
                async move {
                    let start = line.until("start").await;
                    let sid = start["start"]["callSid"].as_str().expect("a call");
                    let answer = post(&format!("{address}/{sid}.json"), &key, &secret, form).await;
                    assert_eq!(answer, 200);
                    line.hear_out().await;
                }
            },
        )
        .await;
        let mut plan = plan(&server, 20_000);
        plan.account = account.clone();
        plan.rest = Some(&rest);
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.ended, ended, "{form}");
        assert_eq!(report.said.concat(), said, "{form}");
        let lines = server.lines().await;
        assert!(
            lines[0].iter().any(|message| message["event"] == "stop"),
            "{form}: the stream was told"
        );
        assert_eq!(rest.status(&report.call_sid).as_deref(), Some("completed"));

        let address = format!("{calls}/{}.json", report.call_sid);
        let (key, secret) = (&account.api_key, &account.api_secret);
        assert_eq!(
            post(&address, key, secret, form).await,
            400,
            "it is over: {form}"
        );
        assert_eq!(post(&address, key, "wrong", form).await, 401);
        let unknown = format!("{calls}/CA00000000000000000000000000000000.json");
        assert_eq!(post(&unknown, key, secret, form).await, 404);
    }
}

/// Posts a form, and returns the status.
async fn post(address: &str, key: &str, secret: &str, form: &'static str) -> u16 {
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let request = http
        .post(address)
        .basic_auth(key, Some(secret))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    request.send().await.expect("an answer").status().as_u16()
}
