//! `offhook sim serve` from outside: an account that stays, and a program that dials with it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use super::command::{Place, text};
use super::stranger::{TOKEN, twiml};
use super::without_stream;

/// The command, running.
struct Served {
    child: Child,
    settings: Vec<(String, String)>,
}

impl Served {
    /// Starts it, and reads what a program needs.
    async fn start(place: &Place, arguments: &[&str]) -> Served {
        let mut program = place.program();
        program
            .args(["sim", "serve", "--rest", "0"])
            .args(arguments);
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("it runs");
        let mut lines = BufReader::new(child.stderr.as_mut().expect("its words")).lines();
        let mut settings = Vec::new();
        while settings.len() < 7 {
            let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await;
            let line = line.expect("in time").expect("read").expect("more of it");
            if let Some((name, value)) = line.strip_prefix("  ").and_then(|l| l.split_once('=')) {
                settings.push((name.to_owned(), value.to_owned()));
            }
        }
        Served { child, settings }
    }

    fn setting(&self, name: &str) -> &str {
        let mut settings = self.settings.iter();
        let found = settings.find(|(key, _)| key == name);
        &found.unwrap_or_else(|| panic!("{name}")).1
    }

    /// Asks for a call, and returns status and answer.
    async fn ask(&self, to: &str) -> (u16, Value) {
        // Whoever came first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .expect("a client");
        let base = self.setting("TWILIO_API_BASE_URL");
        let account = self.setting("TWILIO_ACCOUNT_SID");
        let key = self.setting("TWILIO_API_KEY");
        let form = [
            ("To", to),
            ("From", self.setting("TWILIO_PHONE_NUMBER")),
            ("Twiml", "<Response><Say>Hi</Say></Response>"),
        ];
        let request = http
            .post(format!("{base}/2010-04-01/Accounts/{account}/Calls.json"))
            .basic_auth(key, Some(self.setting("TWILIO_API_SECRET")))
            .form(&form);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Stops it, and returns its exit code and what it printed.
    async fn stop(self) -> (Option<i32>, String) {
        let pid = self.child.id().expect("it runs");
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        let output = self.child.wait_with_output().await.expect("it ends");
        (output.status.code(), text(&output.stdout))
    }
}

#[tokio::test]
async fn an_account_that_nobody_has_is_made_up_and_calls_go_as_the_command_line_says() {
    let place = Place::new();
    let served = Served::start(
        &place,
        &[
            "--number",
            "+15145550100=busy",
            "--number",
            "+15145550101=answers after 0.1s; hangs up after 1s",
            "--number",
            "+15145550102=refused 21215",
            "--json",
        ],
    )
    .await;
    let (status, refused) = served.ask("+15145550102").await;
    assert_eq!((status, &refused["code"]), (400, &Value::from(21215)));
    let mut sids = Vec::new();
    for to in ["+15145550100", "+15145550101"] {
        let (status, call) = served.ask(to).await;
        assert_eq!(status, 201, "{call}");
        sids.push(call["sid"].as_str().expect("a call").to_owned());
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (code, printed) = served.stop().await;
    assert_eq!(code, Some(0), "{printed}");
    let news: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |sid: &str| -> Vec<&str> {
        let of = news.iter().filter(|news| news["call_sid"] == sid);
        of.filter_map(|news| news["text"].as_str()).collect()
    };
    assert_eq!(
        of(&sids[0]),
        [
            "dialling +15145550100",
            "it rings",
            "nobody answered (busy)"
        ]
    );
    let answered = of(&sids[1]);
    assert_eq!(answered[2], "it is answered", "{answered:?}");
    assert_eq!(answered.last(), Some(&"the TwiML ended it"));
    assert!(!printed.contains(TOKEN));
}

#[tokio::test]
async fn whoever_calls_the_program_at_the_start_is_of_the_same_account() {
    let place = Place::new();
    let server = without_stream(|_| twiml(r#"<Pause length="0"/><Say>Hi</Say>"#)).await;
    let webhook = server.url("/voice");
    let caller = "+15145550103=queued 0.1s; listens 5s";
    let arguments = ["--json", "--caller", caller, "--webhook", &webhook];
    let served = Served::start(&place, &arguments).await;
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while server.requests().is_empty() {
        assert!(std::time::Instant::now() < limit, "somebody calls");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let call = &server.requests()[0];
    assert_eq!(call.field("From"), Some("+15145550103"));
    assert_eq!(
        call.field("To"),
        Some(served.setting("TWILIO_PHONE_NUMBER"))
    );
    assert_eq!(
        call.field("AccountSid"),
        Some(served.setting("TWILIO_ACCOUNT_SID"))
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let sid = call.field("CallSid").expect("a call").to_owned();
    let (code, printed) = served.stop().await;
    assert_eq!(code, Some(0), "{printed}");
    let last = printed.lines().last().expect("news");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["call_sid"], sid.as_str());
    assert_eq!(last["text"], "the TwiML ended it");
}

#[tokio::test]
async fn a_far_end_that_makes_no_sense_is_a_usage_error() {
    let place = Place::new();
    for (text_of, why) in [
        (
            "+15145550100=sings",
            "`sings` is nothing that a far end does",
        ),
        ("+15145550100=says gone.wav", "`hello` needs no file"),
        ("+15145550100", "is not of the form NAME=VALUE"),
        ("foo=busy", "`foo` is neither a number"),
        ("15145550100=busy", "is neither a number"),
        ("client:=busy", "is neither a number"),
    ] {
        let output = place.sim(&["serve", "--number", text_of]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(why), "{output:?}");
    }
}
