//! What each fault looks like to the program that suffers it: whoever tests against one should get that one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::Message;
use offhook::sim::{self, CallReport, Misbehaviour};
use serde_json::{Value, json};

use super::stranger::{Stranger, payload};
use super::{ORIGIN, plan, together};

/// What a program saw of a call with a fault.
struct Seen {
    report: CallReport,
    lines: Vec<Vec<Value>>,
    webhooks: usize,
}

impl Seen {
    fn media(&self) -> Vec<&Value> {
        let messages = self.lines[0].iter();
        messages.filter(|m| m["event"] == "media").collect()
    }

    fn has(&self, is_it: impl Fn(&Value) -> bool) -> bool {
        self.lines[0].iter().any(is_it)
    }

    fn has_event(&self, event: &str) -> bool {
        self.has(|message| message["event"] == event)
    }

    fn timestamps(&self) -> Vec<u64> {
        let text = |m: &Value| m["media"]["timestamp"].as_str().map(str::to_owned);
        let texts = self.media().into_iter().filter_map(text);
        texts.map(|text| text.parse().expect("a number")).collect()
    }
}

async fn suffer(misbehaviour: Misbehaviour, network: Option<&str>) -> Seen {
    let verbs = r#"<Connect><Stream url="wss://phone.example.com/media"><Parameter name="token" value="right"/>
        </Stream></Connect>"#;
    let pings = misbehaviour == Misbehaviour::NeverReads;
    let server = Stranger::with_stream(verbs, move |mut line| async move {
        while let Some(message) = line.next().await {
            if message["event"] == "start" && pings {
                line.send(Message::Ping("anybody?".into())).await;
            }
            if message["event"] == "stop" {
                line.close().await;
            }
        }
    })
    .await;
    let mut plan = plan(&server, 2_400);
    plan.misbehaviour = Some(misbehaviour);
    plan.network = network.map(|text| text.parse().expect("a network"));
    let report = sim::call(plan).await;
    server.assert_signed_over(ORIGIN);
    Seen {
        report,
        lines: server.lines().await,
        webhooks: server.requests_to("/voice").len(),
    }
}

/// Says what is wrong with what was seen; nothing where it is as the fault's name promises.
fn wrong(misbehaviour: Misbehaviour, seen: &Seen) -> Option<&'static str> {
    let sorted = seen.timestamps().is_sorted();
    let token = &seen.lines[0][1]["start"]["customParameters"]["token"];
    let format = &seen.lines[0][1]["start"]["mediaFormat"];
    let last = seen.lines[0].last();
    let (right, why) = match misbehaviour {
        Misbehaviour::Reset => (
            last == Some(&json!({"broken": true})) && !seen.has_event("stop"),
            "it breaks, without a stop",
        ),
        Misbehaviour::HalfClose => (
            last == Some(&json!({"broken": true}))
                && !seen.has_event("stop")
                && seen.report.notes == ["the server closed the socket that was left to it"],
            "it breaks, and a note says what the server did",
        ),
        Misbehaviour::Garbage => (
            seen.has(|m| m == "this is no JSON"),
            "a text that is no JSON",
        ),
        Misbehaviour::Binary => (seen.has(|m| m["binary"] == 160), "a binary message"),
        Misbehaviour::TruncatedJson => (
            seen.has(|m| {
                m.as_str()
                    .is_some_and(|text| text.starts_with("{\"event\""))
            }),
            "JSON that breaks off",
        ),
        Misbehaviour::Oversized => (
            seen.media().iter().any(|m| payload(m).len() == 1 << 20),
            "a very large message",
        ),
        Misbehaviour::Duplicates => {
            let mut times = seen.timestamps();
            let all = times.len();
            times.dedup();
            (sorted && all - times.len() == 50, "fifty come twice")
        }
        Misbehaviour::OutOfOrder => (
            !sorted && seen.timestamps().len() == 120,
            "all of them, not in order",
        ),
        Misbehaviour::Stall(_) => (
            sorted && seen.timestamps().len() == 120,
            "all of them, in order",
        ),
        Misbehaviour::WrongFormat => (
            format["encoding"] == "audio/x-l16" && format["sampleRate"] == 16_000,
            "another format",
        ),
        Misbehaviour::NoStart => (
            !seen.has_event("start") && seen.media().is_empty(),
            "no start",
        ),
        Misbehaviour::WrongToken => (token.is_string() && token != "right", "another token"),
        Misbehaviour::SilentLine => (
            seen.has_event("start") && seen.media().is_empty(),
            "no media",
        ),
        Misbehaviour::StopWithoutClose => (
            seen.has_event("stop")
                && seen.report.notes == ["the server closed the socket that was left to it"],
            "a stop, and a note of what the server did then",
        ),
        Misbehaviour::TwoSocketsOneToken => {
            let second = seen.lines.get(1).and_then(|line| line.get(1));
            (
                second.is_some_and(|start| {
                    start["start"]["customParameters"]["token"] == "right"
                        && start["start"]["callSid"] == seen.lines[0][1]["start"]["callSid"]
                        && start["streamSid"] != seen.lines[0][1]["streamSid"]
                }),
                "a second stream of the same call and token",
            )
        }
        Misbehaviour::NeverReads => (
            seen.report.stream.pings == 0 && !seen.has(|m| m["pong"] == true),
            "not even a ping is answered",
        ),
        Misbehaviour::WebhookTwice => (
            seen.webhooks == 2 && seen.report.notes.len() == 1,
            "two webhooks, and a note",
        ),
    };
    (!right).then_some(why)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_what_its_name_says() {
    each_is_what_its_name_says(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_bad_network_each_fault_is_still_what_its_name_says() {
    each_is_what_its_name_says(Some("delay=20,jitter=30,stall=50/500,drift=-1000,quiet")).await;
}

async fn each_is_what_its_name_says(network: Option<&'static str>) {
    together(Misbehaviour::ALL.map(|misbehaviour| async move {
        let seen = suffer(misbehaviour, network).await;
        let wrong = wrong(misbehaviour, &seen);
        assert_eq!(wrong, None, "{}: {}", misbehaviour.name(), seen.report);
    }))
    .await;
}

#[tokio::test]
async fn a_stall_holds_everything_back_and_then_lets_it_go_at_once() {
    let mut seen = Vec::new();
    // A busy machine may add a stall of its own; it will not do so three times at the very same place.
    for _ in 0..3 {
        let gaps = gaps_of_a_stall().await;
        assert_eq!(gaps.len(), 100);
        let (held, behind) = (gaps[50], gaps[51..75].iter().sum::<Duration>());
        if held > Duration::from_millis(300) && held > 2 * behind {
            return;
        }
        seen.push((held, behind));
    }
    panic!("no stall after a second: {seen:?}");
}

/// Returns the time before each media message of a stream that stalls a second after its start.
async fn gaps_of_a_stall() -> Vec<Duration> {
    let gaps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&gaps);
    let server = Stranger::with_stream(super::STREAM, move |mut line| {
        let seen = Arc::clone(&seen);
        async move {
            let mut last = std::time::Instant::now();
            while let Some(message) = line.next().await {
                if message["event"] == "media" {
                    let now = std::time::Instant::now();
                    seen.lock().expect("nobody failed").push(now - last);
                    last = now;
                }
            }
        }
    })
    .await;
    let mut plan = plan(&server, 2_000);
    plan.misbehaviour = Some(Misbehaviour::Stall(Duration::from_millis(500)));
    sim::call(plan).await;
    server.lines().await;
    gaps.lock().expect("nobody failed").clone()
}
