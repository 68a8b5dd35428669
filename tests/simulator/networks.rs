//! Bad networks as a program feels them: what it is sent and when, what it can still send, and what the report makes of it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook::sim::network::{Network, Trace};
use offhook::sim::{self, CallPlan, CallReport, Ended, NetworkReport, Step};
use serde_json::Value;

use super::command::{Place, parts};
use super::stranger::{Line, Stranger};
use super::{ORIGIN, STREAM, assert_fine, codes, plan, together, until_done};

fn network(text: &str) -> Option<Network> {
    Some(text.parse().expect(text))
}

fn what_it_did(report: &CallReport) -> &NetworkReport {
    report.network.as_ref().expect("there was a network")
}

/// When each media message came, and what it stands for in milliseconds.
type Arrivals = Arc<Mutex<Vec<(Instant, u64)>>>;

fn timestamp(message: &Value) -> u64 {
    let text = message["media"]["timestamp"].as_str().expect("a text");
    text.parse().expect("a number")
}

/// A program that hears the caller out, and notes when.
async fn listener() -> (Stranger, Arrivals) {
    let arrivals = Arrivals::default();
    let noted = Arc::clone(&arrivals);
    let server = Stranger::with_stream(STREAM, move |mut line| {
        let noted = Arc::clone(&noted);
        async move {
            while let Some(message) = line.next().await {
                if message["event"] == "media" {
                    let mut noted = noted.lock().expect("nobody failed");
                    noted.push((Instant::now(), timestamp(&message)));
                }
            }
        }
    })
    .await;
    (server, arrivals)
}

/// A program that sends the caller a frame for each of his, and whatever came in a heap in a heap.
async fn echo() -> Stranger {
    Stranger::with_stream(STREAM, |mut line| async move {
        while let Some(message) = line.next().await {
            if message["event"] == "media" {
                line.play(&[0x90; 160]).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn stalls_make_heaps_of_what_was_sent_and_nothing_is_lost_or_out_of_order() {
    let (server, arrivals) = listener().await;
    let mut plan = plan(&server, 0);
    // It stalls all the time but for a microsecond before each stall, so that a busy machine changes nothing.
    plan.network = network("stall=500/500.001,delay=5,way=to-server");
    plan.script = vec![
        Step::Dtmf("1".to_owned()),
        Step::Listen(Duration::from_millis(1_500)),
    ];
    let report = sim::call(plan).await;
    assert_fine(&report);
    let did = what_it_did(&report);
    assert_eq!(did.to_caller.messages, 0, "that way was good");
    // All that it carried came at the ends of so few stalls, and of the one after the goodbye.
    assert!(
        did.to_server.heap_most * (did.stalls + 2) >= did.to_server.messages,
        "{report}"
    );

    let log = server.lines().await.remove(0);
    let numbers: Vec<&str> = log
        .iter()
        .filter_map(|m| m["sequenceNumber"].as_str())
        .collect();
    let expected: Vec<String> = (1..=numbers.len()).map(|n| n.to_string()).collect();
    assert_eq!(numbers, expected, "each of them, and in order");
    let [.., stop, closed] = log.as_slice() else {
        panic!("it is longer than that");
    };
    assert_eq!(
        (&stop["event"], &closed["closed"]),
        (&"stop".into(), &1000.into())
    );
    let arrivals = arrivals.lock().expect("nobody failed");
    assert_eq!(arrivals.len() as u64, report.stream.frames_sent);
}

#[tokio::test]
async fn a_heap_of_more_messages_than_may_wait_for_the_connection_is_no_slow_reader() {
    const MARKS: usize = 600;
    let (step, done) = until_done();
    let server = Stranger::with_stream(STREAM, move |mut line| {
        let done = done.clone();
        async move {
            line.until("start").await;
            for n in 0..MARKS {
                line.mark(&n.to_string()).await;
            }
            for _ in 0..MARKS {
                line.until("mark").await;
            }
            done.say();
            line.hear_out().await;
        }
    })
    .await;
    let mut plan = plan(&server, 0);
    // Nothing is queued: every mark comes back at once, and all of them at the end of the next stall.
    plan.network = network("stall=800/800.001,way=to-server");
    plan.script = vec![step];
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!(report.stream.marks, MARKS as u64);
    let log = server.lines().await.remove(0);
    let names = log.iter().filter_map(|m| m["mark"]["name"].as_str());
    assert!(names.eq((0..MARKS).map(|n| n.to_string())));
    assert!(log.iter().any(|m| m["event"] == "stop"));
}

/// Sends as fast as it can until it has been kept waiting for long, or has sent very much; returns how many bytes it got
/// rid of.
async fn flood(line: &mut Line) -> usize {
    let mut bytes = 0;
    while bytes < 4 << 20 {
        let sending = line.play(&[0x90; 160]);
        if tokio::time::timeout(Duration::from_millis(400), sending)
            .await
            .is_err()
        {
            break;
        }
        bytes += 300;
    }
    bytes
}

#[tokio::test]
async fn who_never_stops_sending_is_stopped_by_a_stall_after_a_bounded_number_of_bytes() {
    let (step, done) = until_done();
    let flooded = Arc::new(Mutex::new(None));
    let told = Arc::clone(&flooded);
    let server = Stranger::with_stream(STREAM, move |mut line| {
        let (done, told) = (done.clone(), Arc::clone(&told));
        async move {
            line.until("start").await;
            *told.lock().expect("nobody failed") = Some(flood(&mut line).await);
            done.say();
            line.hear_out().await;
        }
    })
    .await;
    let mut plan = plan(&server, 0);
    // It stalls from the first microsecond on, and for longer than the call.
    plan.network = network("stall=59000/59000.001,way=to-caller");
    plan.script = vec![step];
    let report = sim::call(plan).await;
    assert_eq!(report.ended, Ended::CallerHungUp, "{report}");
    let flooded = flooded.lock().expect("nobody failed").expect("it flooded");
    // What its own kernel and its websocket hold, and next to nothing beyond.
    assert!(flooded < 1 << 20, "{flooded} bytes");
    assert_eq!(report.stream.frames_received, 0, "{report}");
    let held = what_it_did(&report).to_caller.held_most;
    assert!((1..8_192).contains(&held), "{held} bytes");
}

#[tokio::test]
async fn the_report_says_what_delay_to_the_caller_a_network_left_behind() {
    let call = async |text: &str| {
        let server = echo().await;
        let mut plan = plan(&server, 3_600);
        plan.network = network(text);
        let report = sim::call(plan).await;
        assert_fine(&report);
        report
    };
    let (good, bad) = tokio::join!(call("seed=1"), call("stall=400/2000,way=to-caller"));
    assert_eq!(what_it_did(&good).to_caller.messages, 0);
    let carried = what_it_did(&bad).to_caller.messages;
    assert!(carried >= bad.stream.frames_received, "{bad}");
    let delay = bad.stream.caller_delay().expect("it sent all the time");
    assert!(
        bad.to_string().contains("above the least at the end"),
        "{bad}"
    );
    let json = bad.to_json();
    let above = json["stream"]["delay_above_least_ms"].as_u64();
    assert_eq!(above, Some(delay.above_least().as_millis() as u64));
}

#[tokio::test]
async fn a_quiet_carrier_sends_nothing_in_silence_and_timestamps_tell_how_long_it_was() {
    let (server, _) = listener().await;
    let mut plan = plan(&server, 0);
    plan.network = network("quiet=100");
    plan.script = vec![
        Step::Silence(Duration::from_millis(300)),
        Step::Speak(vec![6_000; 1_600]),
        Step::Silence(Duration::from_millis(400)),
        Step::Dtmf("5".to_owned()),
        Step::Speak(vec![6_000; 320]),
        Step::Listen(Duration::from_millis(200)),
    ];
    let report = sim::call(plan).await;
    assert_fine(&report);
    let log = server.lines().await.remove(0);
    let media: Vec<&Value> = log.iter().filter(|m| m["event"] == "media").collect();
    let frames: Vec<u64> = media.iter().map(|m| timestamp(m) / 20).collect();
    // A hundred milliseconds of each silence, and every word.
    let first: Vec<u64> = (0..5).chain(15..30).collect();
    assert_eq!(frames[..20], first);
    let second = frames[20];
    assert!(second >= 45, "{frames:?}");
    let rest: Vec<u64> = (second..second + 7).collect();
    assert_eq!(frames[20..], rest);
    let chunks: Vec<&str> = media
        .iter()
        .filter_map(|m| m["media"]["chunk"].as_str())
        .collect();
    let expected: Vec<String> = (1..=chunks.len()).map(|n| n.to_string()).collect();
    assert_eq!(chunks, expected, "numbers go on where they were");
    assert!(
        log.iter().any(|m| m["event"] == "dtmf"),
        "keys are no sound"
    );
    let unsent = what_it_did(&report).quiet.as_millis() as u64 / 20;
    assert_eq!(report.stream.frames_sent, frames.len() as u64);
    assert!(unsent >= 25, "{report}");
}

#[tokio::test]
async fn a_fast_carrier_is_done_earlier_than_a_slow_one() {
    let mut seen = Vec::new();
    // A busy machine may hold one of them up; it will not do so three times.
    for _ in 0..3 {
        let lasted = async |drift: &str| {
            let (server, arrivals) = listener().await;
            let mut plan = plan(&server, 3_000);
            plan.network = network(drift);
            let report = sim::call(plan).await;
            assert_fine(&report);
            assert_eq!(report.stream.frames_sent, 150);
            // Played by the same clock: as many as were sent, and what the goodbye took.
            let heard = report.stream.heard.len() / 160;
            assert!((150..160).contains(&heard), "{heard}");
            let arrivals = arrivals.lock().expect("nobody failed");
            arrivals[149].0 - arrivals[0].0
        };
        let (fast, slow) = tokio::join!(lasted("drift=10000"), lasted("drift=-10000"));
        // Two in a hundred lie between them.
        let ratio = slow.as_secs_f64() / fast.as_secs_f64();
        if (1.015..1.025).contains(&ratio) {
            return;
        }
        seen.push(ratio);
    }
    panic!("the clocks do not drift: {seen:?}");
}

#[tokio::test]
async fn a_line_too_narrow_for_a_stream_makes_it_later_and_later() {
    let lasted = async |line: &str| {
        let (server, arrivals) = listener().await;
        let mut plan = plan(&server, 2_000);
        plan.network = network(line);
        let report = sim::call(plan).await;
        assert_fine(&report);
        server.lines().await;
        let arrivals = arrivals.lock().expect("nobody failed");
        assert_eq!(arrivals.len(), 100, "late is not lost");
        assert!(arrivals.is_sorted());
        arrivals[99].0 - arrivals[0].0
    };
    // Half of what it takes, so that it is under way for twice as long; whatever holds the machine up holds up both.
    let (narrow, wide) = tokio::join!(
        lasted("bandwidth=75000,way=to-server"),
        lasted("bandwidth=7500000,way=to-server")
    );
    assert!(narrow > wide.mul_f64(1.5), "{narrow:?}, {wide:?}");
}

#[tokio::test]
async fn the_program_closing_is_late_like_everything_else() {
    let server = Stranger::with_stream(STREAM, |mut line| async move {
        line.until("media").await;
        line.play(&[0x90; 160]).await;
        line.close().await;
    })
    .await;
    let mut plan = plan(&server, 5_000);
    plan.network = network("delay=100");
    let report = sim::call(plan).await;
    assert_eq!(report.ended, Ended::ByTwiml, "{report}");
    assert_eq!(codes(&report), [31921]);
    assert_eq!(
        report.stream.frames_received, 1,
        "what was sent before is heard"
    );
}

#[tokio::test]
async fn large_messages_come_through_every_network() {
    together(
        ["wifi", "mobile", "train", "congested", "satellite"].map(async |name| {
            let (step, done) = until_done();
            let server = Stranger::with_stream(STREAM, move |mut line| {
                let done = done.clone();
                async move {
                    line.until("start").await;
                    // Six seconds in one, and a mark behind it that comes back where nothing is left to play.
                    line.play(&[0x90; 48_000]).await;
                    line.clear().await;
                    line.mark("over").await;
                    line.until("mark").await;
                    done.say();
                    line.hear_out().await;
                }
            })
            .await;
            let mut plan: CallPlan = plan(&server, 0);
            plan.network = network(name);
            plan.script = vec![step];
            let report = sim::call(plan).await;
            assert_fine(&report);
            assert_eq!((report.stream.frames_received, report.stream.marks), (1, 1));
        }),
    )
    .await;
}

#[test]
fn a_seed_is_a_network_and_another_seed_another() {
    let trace = |text: &str| -> Vec<_> {
        let conditions = network(text).expect("one").conditions;
        let seed = network(text).expect("one").seed;
        Trace::new(&conditions, seed).take(3_000).collect()
    };
    assert_eq!(trace("train,quiet,seed=5"), trace("train,quiet,seed=5"));
    assert_ne!(trace("train,quiet,seed=5"), trace("train,quiet,seed=6"));
}

#[tokio::test]
async fn a_network_is_put_together_on_the_command_line_and_told_in_the_report() {
    let server = echo().await;
    let place = Place::new();
    std::fs::write(place.path().join("short.wav"), wav()).expect("written");
    let webhook = server.url("/voice");
    let mut arguments = vec!["call", "--webhook", &webhook, "--origin", ORIGIN];
    arguments.extend(["--say", "short.wav", "--listen", "1"]);
    arguments.extend(["--network", "wired,jitter=20,drift=100,seed=9"]);
    let (code, report, told) = parts(&place.sim(&arguments).await);
    assert_eq!(code, Some(0), "{report}{told}");
    for line in [
        "  network          delay=8,jitter=20,drift=100,seed=9\n",
        "  to the server    ",
        "  to the caller    ",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
    arguments.push("--json");
    let (_, report, _) = parts(&place.sim(&arguments).await);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let did = &report["network"];
    assert_eq!(did["seed"], 9);
    assert_eq!(
        did["to_server"]["messages"],
        report["stream"]["frames_sent"].as_u64().expect("a number") + 4
    );
    assert!(did["to_caller"]["late_most_ms"].as_u64() >= Some(8));

    for (wrong, why) in [
        ("wlan", "wired, wifi, wifi-scan"),
        ("stall=5", "LASTING/EVERY"),
        ("wifi,drift=1000000", "10000 at most"),
    ] {
        let last = arguments.len() - 2;
        arguments[last] = wrong;
        let (code, _, told) = parts(&place.sim(&arguments).await);
        assert_eq!(code, Some(2), "{wrong}");
        assert!(told.contains(why), "{told}");
    }
}

/// A tenth of a second of sound.
fn wav() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).expect("a writer");
    for n in 0..800 {
        writer
            .write_sample(if n % 20 < 10 { 6_000_i16 } else { -6_000 })
            .expect("written");
    }
    writer.finalize().expect("written");
    file.into_inner()
}
