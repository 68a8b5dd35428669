//! The simulator against a program that is not ours: what it asks and says, what it follows, and what it complains of. The
//! program is scripted here; it has no code of the daemon's, so that one mistake cannot hide on both sides.

#[path = "simulator/command.rs"]
mod command;
#[path = "simulator/conferences.rs"]
mod conferences;
#[path = "simulator/dialling.rs"]
mod dialling;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/limits.rs"]
mod limits;
#[path = "simulator/moves.rs"]
mod moves;
#[path = "simulator/networks.rs"]
mod networks;
#[path = "simulator/options.rs"]
mod options;
#[path = "simulator/rest.rs"]
mod rest;
#[path = "simulator/served.rs"]
mod served;
#[path = "simulator/socket.rs"]
mod socket;
#[path = "common/stranger.rs"]
mod stranger;
#[path = "simulator/verbs.rs"]
mod verbs;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use offhook::sim::{self, Account, CallPlan, CallReport, DialOutcome, Ended, Step};
use stranger::{Stranger, TOKEN, answer, talk, twiml};
use tokio::sync::oneshot;

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

/// A program's end of a step that lasts until the program says so.
#[derive(Clone)]
struct Done(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl Done {
    fn say(&self) {
        let sender = self.0.lock().expect("nobody failed").take();
        if let Some(sender) = sender {
            // Whoever waited may have gone.
            let _ = sender.send(());
        }
    }
}

/// Makes a step that lasts until the program says so.
fn until_done() -> (Step, Done) {
    let (sender, waits) = oneshot::channel();
    (
        Step::WaitFor(waits),
        Done(Arc::new(Mutex::new(Some(sender)))),
    )
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

    for (name, value) in [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "phone.example.com"),
    ] {
        let all = server.requests();
        let tunnelled = |request: &stranger::Request| request.header(name) == Some(value);
        assert!(all.iter().all(tunnelled), "{name}, as behind a tunnel");
    }

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
async fn a_redirected_webhook_is_followed_as_twilio_does() {
    let server = without_stream(|request| match request.path.as_str() {
        "/voice" => answer(307, "", "/moved"),
        "/moved" => answer(302, "", "https://phone.example.com/plain?a=1"),
        "/plain?a=1" => twiml("<Redirect>next</Redirect>"),
        "/next" => twiml("<Say>Here</Say>"),
        _ => answer(302, "", "/round"),
    })
    .await;
    let report = sim::call(plan(&server, 0)).await;
    assert_fine(&report);
    assert_eq!(report.said, ["Here"]);
    server.assert_signed_over(ORIGIN);
    let requests = server.requests();
    let methods: Vec<&str> = requests.iter().map(|r| r.method.as_str()).collect();
    assert_eq!(methods, ["POST", "POST", "GET", "POST"]);
    assert!(requests[1].field("CallSid").is_some(), "307 keeps the form");
    assert!(requests[2].form.is_empty(), "302 loses it");

    let mut endless = plan(&server, 0);
    endless.webhook = server.url("/round");
    let report = sim::call(endless).await;
    assert_eq!(codes(&report), [11215], "{report}");
    assert_eq!(server.requests_to("/round").len(), 11);
}

#[tokio::test]
async fn an_address_elsewhere_is_really_dialled_and_why_it_fails_is_told() {
    let elsewhere = without_stream(|_| twiml("<Say>Elsewhere</Say>")).await;
    let there = elsewhere.url("/there");
    let server = without_stream(move |_| twiml(&format!("<Redirect>{there}</Redirect>"))).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_fine(&report);
    assert_eq!(report.said, ["Elsewhere"]);
    assert_eq!(elsewhere.requests()[0].header("x-forwarded-proto"), None);

    // TLS at a port that has none: what is told is not that the server is down.
    let there = elsewhere.url("/there").replace("http:", "https:");
    let server = without_stream(move |_| twiml(&format!("<Redirect>{there}</Redirect>"))).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [11205], "{report}");
    let text = report.warnings[0].text.to_lowercase();
    assert!(text.contains("message") || text.contains("tls"), "{text}");
}

#[tokio::test]
async fn what_is_no_twiml_and_what_is_only_not_simulated_are_told_apart() {
    let server = without_stream(|_| {
        twiml(
            "<Prompt>p</Prompt><Enqueue>q</Enqueue><Start><Stream url=\"wss://h/x\"/></Start>\
             <Dial><Queue>q</Queue></Dial><Dial><Sip>sip:a@example.com</Sip></Dial><Say>Bye</Say>",
        )
    })
    .await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [0u32; 0], "{report}");
    assert!(!report.is_fine());
    assert_eq!(
        report.not_simulated,
        [
            "<Prompt>",
            "<Enqueue>",
            "<Start>",
            "<Queue> inside <Dial>",
            "<Sip> inside <Dial>"
        ]
    );
    assert_eq!(report.said, ["Bye"], "the rest is played");

    let server =
        without_stream(|_| twiml("<Dial callerid=\"+1\">+15145550100</Dial><Shout/>")).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_eq!(codes(&report), [12200, 12200], "{report}");
    assert_eq!(report.not_simulated, [""; 0]);
}

#[tokio::test]
async fn a_leg_that_was_answered_is_completed_and_one_that_was_not_never_is() {
    let second = Duration::from_secs(1);
    // The longest time is over while it rings, and while they talk.
    let cases = [
        (second / 2, "canceled", "false", "0"),
        (second * 5 / 2, "completed", "true", "1"),
    ];
    together(cases.map(async |(most, status, bridged, duration)| {
        let server = without_stream(|request| match request.path.as_str() {
            "/voice" => twiml(
                r#"<Dial action="/after"><Number statusCallback="/legs">+15145550100</Number></Dial>"#,
            ),
            _ => twiml(""),
        })
        .await;
        let mut plan = plan(&server, 0);
        plan.dial = DialOutcome::Answered(Duration::from_secs(60));
        plan.most = most;
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.ended, Ended::TooLong);
        assert_eq!(report.dialled[0].status, status);
        let legs = server.requests_to("/legs");
        assert_eq!(legs[0].field("CallStatus"), Some(status));
        assert_eq!(legs[0].field("CallDuration"), Some(duration));
        let action = &server.requests_to("/after")[0];
        assert_eq!(action.field("CallStatus"), Some("completed"), "the caller hung up");
        assert_eq!(action.field("DialCallStatus"), Some(status));
        assert_eq!(action.field("DialBridged"), Some(bridged));
    }))
    .await;
}

#[tokio::test]
async fn a_client_calls_through_an_app_and_nobody_is_called_but_by_its_own_parameter() {
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let mut plan = plan(&server, 0);
    plan.from = "client:alice".to_owned();
    plan.to = String::new();
    assert_fine(&sim::call(plan).await);
    let webhook = &server.requests()[0];
    assert_eq!(webhook.field("From"), Some("client:alice"));
    assert_eq!(webhook.field("To"), Some(""));
    assert_eq!(webhook.field("Called"), Some(""));
    let app = webhook.field("ApplicationSid").expect("an app");
    assert!(app.starts_with("AP") && app.len() == 34, "{app}");
}
