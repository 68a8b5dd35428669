//! Calls that a program asks for over REST: how they are answered, told of, refused and found again.

use std::time::{Duration, Instant};

use offhook::sim::{Ended, FarEnd, Rest, Step, Trouble, TroubleKind, Unanswered};
use serde_json::Value;

use super::stranger::{Request, Stranger, answer, payload, talk, twiml};
use super::{account, assert_fine, codes, together};

const OWN: &str = "+15005550006";
const THERE: &str = "+15145550100";

/// An account with a program that is told of events, and asks over REST.
pub(super) struct Dialler {
    pub(super) rest: Rest,
    pub(super) server: Stranger,
    http: reqwest::Client,
    calls: String,
    key: (String, String),
}

impl Dialler {
    /// A program that plays half a second of loud sound on every stream, and answers requests by a script.
    pub(super) async fn new(
        answers: impl Fn(&Request) -> super::stranger::Answer + Send + Sync + 'static,
    ) -> Dialler {
        let answers = move |request: &Request| match request.path.as_str() {
            path if path.starts_with("/media") => talk(),
            "/status" => answer(204, "", ""),
            _ => answers(request),
        };
        let server = Stranger::start(answers, |mut line| async move {
            line.until("start").await;
            line.play(&[0x90; 4_000]).await;
            line.hear_out().await;
        })
        .await;
        Dialler::of(server).await
    }

    pub(super) async fn of(server: Stranger) -> Dialler {
        let account = account();
        let rest = Rest::start(account.clone()).await.expect("a free port");
        rest.set_own_numbers([OWN.to_owned()]);
        // Whoever came first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            // To read the system's certificates takes longer than a test may, and plain http needs none.
            .tls_certs_only([])
            .build()
            .expect("a client");
        Dialler {
            calls: format!(
                "{}/2010-04-01/Accounts/{}/Calls",
                rest.url(),
                account.account_sid
            ),
            key: (account.api_key, account.api_secret),
            rest,
            server,
            http,
        }
    }

    pub(super) fn stream(&self) -> String {
        let url = self.server.url("/media").replace("http:", "ws:");
        format!(r#"<Response><Connect><Stream url="{url}"/></Connect></Response>"#)
    }

    /// Posts a form, and returns status and answer; nothing where none came in so long.
    pub(super) async fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        patience: Duration,
    ) -> Option<(u16, Value)> {
        let request = self
            .http
            .post(format!("{}{path}", self.calls))
            .basic_auth(&self.key.0, Some(&self.key.1))
            .timeout(patience)
            .form(form);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.expect("JSON")))
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.calls));
        let request = request.basic_auth(&self.key.0, Some(&self.key.1));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// Asks for a call with a document and all events, and more; returns status and answer.
    pub(super) async fn ask(&self, twiml: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let callback = self.server.url("/status");
        let mut form = vec![("StatusCallback", callback.as_str())];
        let events = ["initiated", "ringing", "answered", "completed"];
        form.extend(events.map(|event| ("StatusCallbackEvent", event)));
        form.extend_from_slice(more);
        for (name, usual) in [("To", THERE), ("From", OWN), ("Twiml", twiml)] {
            if !form.iter().any(|(given, _)| *given == name) {
                form.push((name, usual));
            }
        }
        let limit = Duration::from_secs(10);
        self.post(".json", &form, limit).await.expect("an answer")
    }

    /// Asks for a call that must be made, and returns its identifier.
    pub(super) async fn dial(&self, twiml: &str, more: &[(&str, &str)]) -> String {
        let (status, call) = self.ask(twiml, more).await;
        assert_eq!(status, 201, "{call}");
        call["sid"].as_str().expect("a call").to_owned()
    }

    /// Returns what was told of a call: each status with its number.
    pub(super) fn told(&self, sid: &str) -> Vec<(String, String)> {
        let mut told = self.server.requests_to("/status");
        told.retain(|request| request.field("CallSid") == Some(sid));
        let field = |request: &Request, name| request.field(name).unwrap_or_default().to_owned();
        let pair = |request| {
            (
                field(request, "CallStatus"),
                field(request, "SequenceNumber"),
            )
        };
        told.iter().map(pair).collect()
    }

    /// Waits until a call has a status.
    pub(super) async fn until(&self, sid: &str, status: &str) {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.rest.status(sid).as_deref() != Some(status) {
            assert!(Instant::now() < limit, "{sid} never is {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn numbered(statuses: &[&str]) -> Vec<(String, String)> {
    let numbered = statuses.iter().enumerate();
    numbered
        .map(|(number, status)| ((*status).to_owned(), number.to_string()))
        .collect()
}

fn loud(time: Duration) -> Vec<Step> {
    vec![Step::Speak(vec![9_000; 1_600]), Step::Listen(time)]
}

fn no_documents(_: &Request) -> super::stranger::Answer {
    answer(404, "", "")
}

#[tokio::test]
async fn a_call_is_queued_rings_is_answered_talks_and_every_event_is_signed_and_numbered() {
    let dialler = Dialler::new(no_documents).await;
    let talks = || loud(Duration::from_millis(1_300));
    let far_end = FarEnd::answers(talks).after(Duration::from_millis(300));
    dialler.rest.set_far_end(THERE, far_end);
    let (status, call) = dialler.ask(&dialler.stream(), &[]).await;
    assert_eq!(status, 201);
    for (field, value) in [
        ("status", "queued"),
        ("direction", "outbound-api"),
        ("to", THERE),
        ("from", OWN),
        ("queue_time", "0"),
    ] {
        assert_eq!(call[field], value, "{field}");
    }
    assert!(call["duration"].is_null() && call["end_time"].is_null());
    let sid = call["sid"].as_str().expect("a call");
    assert!(
        call["uri"]
            .as_str()
            .is_some_and(|uri| uri.ends_with(&format!("{sid}.json")))
    );
    let report = dialler.rest.report(sid).await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::CallerHungUp);
    assert!(report.stream.frames_sent > 50, "{report}");
    assert!(report.stream.heard.iter().any(|sample| *sample != 0));
    let all = numbered(&["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(dialler.told(sid), all);
    dialler.server.assert_signed_over(&dialler.server.url(""));
    let told = dialler.server.requests_to("/status");
    let last = told.last().expect("the end");
    for (name, value) in [
        ("CallDuration", "1"),
        ("Direction", "outbound-api"),
        ("From", OWN),
        ("To", THERE),
        ("CallbackSource", "call-progress-events"),
        ("SipResponseCode", "200"),
    ] {
        assert_eq!(last.field(name), Some(value), "{name}");
    }
    assert!(
        last.field("Timestamp")
            .is_some_and(|at| at.ends_with(" +0000"))
    );
    assert!(last.field("ParentCallSid").is_none());
    let shown = dialler.get(&format!("/{sid}.json")).await;
    assert_eq!(shown["status"], "completed");
    assert_eq!(shown["duration"], "1");
    let media = dialler.server.lines().await;
    let sound = media[0]
        .iter()
        .filter(|message| message["event"] == "media");
    assert!(sound.into_iter().any(|message| payload(message)[0] != 0xFF));
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends_as_its_far_end_says() {
    let cases = [
        (FarEnd::busy(), "busy", "486", Unanswered::Busy, true),
        (
            FarEnd::no_answer(),
            "no-answer",
            "487",
            Unanswered::NoAnswer,
            true,
        ),
        (FarEnd::failed(), "failed", "404", Unanswered::Failed, false),
        (
            FarEnd::answers(Vec::new).after(Duration::from_secs(20)),
            "no-answer",
            "487",
            Unanswered::NoAnswer,
            true,
        ),
    ];
    together(cases.map(async |(far_end, status, code, why, rings)| {
        let dialler = Dialler::new(no_documents).await;
        dialler.rest.set_far_end(THERE, far_end);
        let sid = dialler.dial("<Response/>", &[("Timeout", "1")]).await;
        let report = dialler.rest.report(&sid).await;
        assert_fine(&report);
        assert_eq!(report.ended, Ended::Unanswered(why));
        let told = if rings {
            numbered(&["initiated", "ringing", status])
        } else {
            numbered(&["initiated", status])
        };
        assert_eq!(dialler.told(&sid), told);
        let last = dialler.server.requests().pop().expect("the end");
        assert_eq!(last.field("SipResponseCode"), Some(code));
        assert_eq!(last.field("CallDuration"), Some("0"));
        assert_eq!(dialler.rest.status(&sid).as_deref(), Some(status));
    }))
    .await;
}

#[tokio::test]
async fn only_the_events_that_were_asked_for_are_told_and_by_default_the_end() {
    let dialler = Dialler::new(no_documents).await;
    dialler.rest.set_far_end(THERE, FarEnd::busy());
    let callback = dialler.server.url("/status");
    let form = [
        ("To", THERE),
        ("From", OWN),
        ("Twiml", "<Response/>"),
        ("StatusCallback", &callback),
    ];
    let limit = Duration::from_secs(10);
    let (_, call) = dialler.post(".json", &form, limit).await.expect("a call");
    let sid = call["sid"].as_str().expect("a call");
    dialler.rest.report(sid).await;
    assert_eq!(dialler.told(sid), numbered(&["busy"]));
}

#[tokio::test]
async fn a_call_is_canceled_while_it_is_queued_or_rings_and_only_completed_afterwards() {
    let dialler = Dialler::new(no_documents).await;
    let stays = || loud(Duration::from_secs(60));
    let rings = FarEnd::answers(stays).after(Duration::from_secs(60));
    let queued = FarEnd::answers(stays).queued_for(Duration::from_secs(60));
    let answers = FarEnd::answers(stays).after(Duration::ZERO);
    let cases = [
        (
            rings,
            "ringing",
            "canceled",
            200,
            numbered(&["initiated", "ringing", "canceled"]),
        ),
        (queued, "queued", "canceled", 200, Vec::new()),
        (
            answers,
            "in-progress",
            "completed",
            400,
            numbered(&["initiated", "ringing", "in-progress", "completed"]),
        ),
    ];
    for (far_end, before, after, code, told) in cases {
        dialler.rest.set_far_end(THERE, far_end);
        let sid = dialler.dial(&dialler.stream(), &[]).await;
        dialler.until(&sid, before).await;
        let path = format!("/{sid}.json");
        let limit = Duration::from_secs(10);
        let canceling = dialler.post(&path, &[("Status", "canceled")], limit).await;
        let (status, body) = canceling.expect("an answer");
        assert_eq!(status, code, "{body}");
        if status == 400 {
            assert_eq!(body["code"], 21220);
            let form = [("Status", "completed")];
            let (status, _) = dialler.post(&path, &form, limit).await.expect("an answer");
            assert_eq!(status, 200);
        }
        let report = dialler.rest.report(&sid).await;
        assert_fine_but_for_rest(&report);
        assert_eq!(report.ended, Ended::ByRest);
        assert_eq!(dialler.rest.status(&sid).as_deref(), Some(after));
        assert_eq!(dialler.told(&sid), told);
        let again = dialler.post(&path, &[("Status", "completed")], limit).await;
        assert_eq!(again.expect("an answer").1["code"], 21220, "it is over");
    }
}

/// What was refused over REST was meant to be.
fn assert_fine_but_for_rest(report: &offhook::sim::CallReport) {
    assert!(codes(report).iter().all(|code| *code == 21220), "{report}");
}

#[tokio::test]
async fn a_document_comes_from_its_url_and_the_time_limit_ends_the_call() {
    let dialler = Dialler::new(|request| match request.path.as_str() {
        "/begin" => twiml(r#"<Pause length="60"/>"#),
        _ => answer(404, "", ""),
    })
    .await;
    let stays = || loud(Duration::from_secs(60));
    dialler
        .rest
        .set_far_end(THERE, FarEnd::answers(stays).after(Duration::ZERO));
    let url = dialler.server.url("/begin");
    let more = [
        ("Url", url.as_str()),
        ("Twiml", "none"),
        ("TimeLimit", "1"),
        ("Method", "POST"),
    ];
    let sid = dialler.dial("", &more).await;
    let report = dialler.rest.report(&sid).await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::TooLong);
    let asked = &dialler.server.requests_to("/begin")[0];
    assert_eq!(asked.field("CallStatus"), Some("in-progress"));
    assert_eq!(asked.field("Direction"), Some("outbound-api"));
    assert_eq!(asked.field("To"), Some(THERE));
}

#[tokio::test]
async fn trouble_comes_in_twilios_shape_so_often_and_then_it_works() {
    let dialler = Dialler::new(no_documents).await;
    let busy = |trouble| FarEnd::busy().with_trouble(trouble);
    for (trouble, status, code, times) in [
        (Trouble::refused(21_215), 400, 21_215, 3),
        (Trouble::refused(21_219), 400, 21_219, 1),
        (Trouble::refused(20_003), 401, 20_003, 1),
        (
            Trouble::times(TroubleKind::TooManyRequests, 2),
            429,
            20_429,
            2,
        ),
        (Trouble::times(TroubleKind::Unavailable, 1), 503, 20_503, 1),
    ] {
        dialler.rest.set_far_end(THERE, busy(trouble));
        let before = dialler.rest.calls_to(THERE).len();
        for _ in 0..times {
            let (answered, body) = dialler.ask("<Response/>", &[]).await;
            assert_eq!((answered, &body["code"]), (status, &Value::from(code)));
            assert_eq!(body["status"], status);
            let more = body["more_info"].as_str().expect("a link");
            assert!(more.ends_with(&code.to_string()), "{more}");
        }
        assert_eq!(dialler.rest.calls_to(THERE).len(), before, "none was made");
        if trouble.times < 10 {
            dialler.dial("<Response/>", &[]).await;
        }
    }
    dialler
        .rest
        .set_trouble(Trouble::times(TroubleKind::TooManyRequests, 1));
    let (status, _) = dialler.ask("<Response/>", &[("To", "+15145550199")]).await;
    assert_eq!(status, 429, "whoever is called");
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_can_be_found_in_the_list_and_one_that_was_not_made_cannot() {
    let dialler = Dialler::new(no_documents).await;
    let stays = || loud(Duration::from_secs(60));
    for (index, (kind, was_made)) in [
        (TroubleKind::SilentAfterwards, true),
        (TroubleKind::Silent, false),
        (TroubleKind::UnavailableAfterwards, true),
        (TroubleKind::Unavailable, false),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("+1514555010{index}");
        let far_end = FarEnd::answers(stays).with_trouble(Trouble::times(kind, 1));
        dialler.rest.set_far_end(&to, far_end);
        let twiml = dialler.stream();
        let form = [("To", to.as_str()), ("From", OWN), ("Twiml", &twiml)];
        let patience = Duration::from_millis(300);
        match dialler.post(".json", &form, patience).await {
            None => assert!(matches!(
                kind,
                TroubleKind::Silent | TroubleKind::SilentAfterwards
            )),
            Some((status, _)) => assert_eq!(status, 503),
        }
        let query = format!(".json?To=%2B{}&From=%2B15005550006&PageSize=50", &to[1..]);
        let found = dialler.get(&query).await;
        let found = found["calls"].as_array().expect("calls");
        assert_eq!(found.len(), usize::from(was_made), "{kind:?}");
        if let Some(call) = found.first() {
            let sid = call["sid"].as_str().expect("a call");
            dialler.until(sid, "in-progress").await;
        }
    }
}

#[tokio::test]
async fn what_twilio_refuses_is_refused_and_makes_no_call() {
    let dialler = Dialler::new(no_documents).await;
    let long = "x".repeat(4_001);
    for (more, code) in [
        (("To", "5145550100"), 21_211),
        (("From", "me"), 21_212),
        (("From", ""), 21_213),
        (("From", "+15005550007"), 21_210),
        (("Twiml", long.as_str()), 20_001),
        (("Timeout", "601"), 21_208),
        (("StatusCallbackMethod", "PUT"), 21_209),
    ] {
        let (status, body) = dialler.ask("<Response/>", &[more]).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &Value::from(code)),
            "{more:?}"
        );
    }
    let listed = dialler.get(".json").await;
    assert_eq!(listed["calls"].as_array().map(Vec::len), Some(0));
    assert!(listed["next_page_uri"].is_null());
    dialler.rest.set_far_end(THERE, FarEnd::busy());
    dialler
        .dial("<Response/>", &[("StatusCallBack", "x")])
        .await;
    let last = dialler.rest.seen().pop().expect("a request");
    assert_eq!(last.passed_over, ["StatusCallBack"]);
}

#[tokio::test]
async fn a_call_that_was_answered_cannot_be_rejected_any_more() {
    let dialler = Dialler::new(no_documents).await;
    let stays = || loud(Duration::from_secs(60));
    let far_end = FarEnd::answers(stays).after(Duration::ZERO);
    dialler.rest.set_far_end(THERE, far_end);
    let sid = dialler.dial("<Response><Reject/></Response>", &[]).await;
    let report = dialler.rest.report(&sid).await;
    assert_eq!(codes(&report), [12200], "{report}");
    assert_eq!(dialler.rest.status(&sid).as_deref(), Some("completed"));
}
