//! The options of `offhook sim call` one by one: that each does what its line in the manual says.

use std::time::Duration;

use serde_json::Value;

use super::command::{Place, parts, text};
use super::stranger::{Stranger, TOKEN, payload, twiml};
use super::{ORIGIN, STREAM, without_stream};

/// Calls a program with `--json` and more, and returns the report.
async fn report(server: &Stranger, more: &[&str]) -> Value {
    let place = Place::new();
    let webhook = server.url("/voice");
    let mut arguments = vec!["call", "--webhook", &webhook, "--origin", ORIGIN, "--json"];
    arguments.extend(more);
    let output = place.sim(&arguments).await;
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// A program that plays a loud second as soon as it can.
async fn loud() -> Stranger {
    Stranger::with_stream(STREAM, |mut line| async move {
        line.until("start").await;
        line.play(&[0x90; 8_000]).await;
        line.hear_out().await;
    })
    .await
}

/// Returns how many frames of each loudness a program was sent: silent ones, then others, in runs.
async fn runs(server: &Stranger) -> Vec<(bool, usize)> {
    let mut runs: Vec<(bool, usize)> = Vec::new();
    for message in &server.lines().await[0] {
        if message["event"] != "media" {
            continue;
        }
        let is_loud = payload(message).iter().any(|code| *code != 0xFF);
        match runs.last_mut() {
            Some((last, count)) if *last == is_loud => *count += 1,
            _ => runs.push((is_loud, 1)),
        }
    }
    runs
}

#[tokio::test]
async fn who_calls_whom_and_with_what_is_said_on_the_command_line() {
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let more = [
        "--from",
        "client:alice",
        "--param",
        "Digits=12",
        "--param",
        "To=bob",
        "--call-sid",
        "CA7",
    ];
    report(&server, &more).await;
    report(&server, &["--to", "+15145550199"]).await;
    let requests = server.requests();
    let first = &requests[0];
    assert_eq!(first.field("From"), Some("client:alice"));
    assert_eq!(first.field("To"), Some("bob"), "the client's own parameter");
    assert_eq!(first.field("Digits"), Some("12"));
    assert_eq!(first.field("CallSid"), Some("CA7"));
    let tos = first.form.iter().filter(|(name, _)| name == "To").count();
    assert_eq!(tos, 1, "{first:?}");
    assert_eq!(requests[1].field("To"), Some("+15145550199"));
    assert_eq!(requests[1].field("ApplicationSid"), None);
}

#[tokio::test]
async fn the_caller_waits_greets_sounds_a_tone_and_plays_back_what_it_heard() {
    let server = loud().await;
    let report = report(&server, &["--wait", "1", "--listen", "0"]).await;
    assert_eq!(report["ended"], "the caller hung up", "{report}");
    let runs = runs(&server).await;
    assert!(
        !runs[0].0 && runs[0].1 >= 50,
        "a second of silence: {runs:?}"
    );
    let all: usize = runs.iter().map(|(_, count)| count).sum();
    // A second, a greeting, 250 ms of tone, three seconds of listening and three of echo.
    assert!(all > 50 + 200 + 12 + 300, "{runs:?}");
    let silent = runs.iter().filter(|(loud, _)| !loud).map(|(_, n)| n).max();
    assert!(
        silent >= Some(&150),
        "it listens for three seconds: {runs:?}"
    );
}

#[tokio::test]
async fn an_echo_is_as_long_as_asked_for_and_none_comes_behind_a_file() {
    let place = Place::new();
    let mut writer = hound::WavWriter::create(
        place.path().join("click.wav"),
        hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        },
    )
    .expect("a file");
    for _ in 0..160 {
        writer.write_sample(8_000i16).expect("written");
    }
    writer.finalize().expect("written");
    let file = place.path().join("click.wav").display().to_string();
    for (echo, frames) in [(None, 1 + 50), (Some("1"), 1 + 50 + 50 + 50)] {
        let server = loud().await;
        let mut more = vec!["--say", &file, "--listen", "1"];
        more.extend(echo.into_iter().flat_map(|seconds| ["--echo", seconds]));
        report(&server, &more).await;
        let all: usize = runs(&server).await.iter().map(|(_, n)| n).sum();
        assert!((frames..frames + 5).contains(&all), "{echo:?}: {all}");
    }
}

#[tokio::test]
async fn the_longest_time_a_dials_outcome_and_a_fault_are_as_asked_for() {
    let server = loud().await;
    let report_of = report(&server, &["--most", "1", "--listen", "60"]).await;
    assert_eq!(report_of["ended"], "it reached the longest time allowed");

    let server = without_stream(|_| {
        twiml(r#"<Dial><Client>k<Parameter name="a" value="b"/></Client></Dial>"#)
    })
    .await;
    for (outcome, status) in [
        ("answer", "completed"),
        ("no-answer", "no-answer"),
        ("busy", "busy"),
        ("failed", "failed"),
    ] {
        let report = report(&server, &["--dial", outcome]).await;
        assert_eq!(report["dialled"][0]["status"], status, "{report}");
        assert_eq!(report["dialled"][0]["parameters"]["a"], "b", "{report}");
    }

    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let report = report(&server, &["--fault", "webhook-twice"]).await;
    assert_eq!(server.requests().len(), 2, "{report}");
}

#[tokio::test]
async fn a_rest_api_is_served_meanwhile_and_what_it_takes_is_told() {
    let place = Place::new();
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let webhook = server.url("/voice");
    let call = ["call", "--webhook", &webhook, "--rest", "0"];
    let (code, _, told) = parts(&place.sim(&call).await);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.starts_with("the REST API is at http://127.0.0.1:"),
        "{told}"
    );
    for name in [
        "TWILIO_ACCOUNT_SID=AC",
        "TWILIO_API_KEY=SK",
        "TWILIO_API_SECRET=",
    ] {
        assert!(told.contains(name), "made up, and so told: {told}");
    }
    assert!(!told.contains(TOKEN), "{told}");
}

#[tokio::test]
async fn another_programs_settings_do_not_stop_the_simulator() {
    let place = Place::new();
    let dotenv = format!(
        "TWILIO_AUTH_TOKEN={TOKEN}\nTWILIO_ACCOUNT_SID=ACxxxx\nTWILIO_API_KEY=mine\nPUBLIC_URL=/app\nPORT=http\n\
         TWILIO_PHONE_NUMBER=(514) 555-0100\nthis is no line\nDEBUG: true\n"
    );
    std::fs::write(place.path().join(".env"), dotenv).expect("written");
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let webhook = server.url("/voice");
    let mut program = place.program();
    program.args(["sim", "call", "--webhook", &webhook]);
    let (code, _, told) = parts(&program.output().await.expect("it runs"));
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(server.requests()[0].field("To"), Some("+15005550006"));
    for warning in [
        "warning: line 7 of `.env` is not",
        "warning: line 8 of `.env` is not",
        "warning: TWILIO_ACCOUNT_SID (from `.env`)",
        "warning: TWILIO_PHONE_NUMBER (from `.env`)",
    ] {
        assert!(told.contains(warning), "{warning}: {told}");
    }
    for silent in ["PUBLIC_URL", "PORT", "TWILIO_API_KEY"] {
        assert!(!told.contains(&format!("{silent} ")), "{silent}: {told}");
    }
    let mut program = place.program();
    program.args(["sim", "post", &webhook, "A=1"]);
    assert_eq!(
        program.output().await.expect("it runs").status.code(),
        Some(0)
    );

    let mut program = place.program();
    program.args(["sim", "post", "/voice"]);
    let output = program.output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(2), "here they are needed");
    assert!(text(&output.stderr).contains("PORT `http`"), "{output:?}");
}

#[tokio::test]
async fn two_public_addresses_that_differ_are_told_of() {
    let place = Place::new();
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let port = server.url("").rsplit(':').next().map(str::to_owned);
    let mut program = place.program();
    program
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("PUBLIC_URL", ORIGIN)
        .env("NGROK_URL", "other.example.com")
        .env("PORT", port.expect("a port"))
        .args(["sim", "call", "--webhook", "/voice"]);
    let (code, _, told) = parts(&program.output().await.expect("it runs"));
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("differ: PUBLIC_URL is used"), "{told}");
    server.assert_signed_over(ORIGIN);
    assert_eq!(server.requests()[0].path, "/voice");
}

#[tokio::test]
async fn a_caller_who_is_interrupted_hangs_up_in_order_and_keeps_the_recording() {
    let place = Place::new();
    let server = loud().await;
    let webhook = server.url("/voice");
    let recording = place.path().join("heard.wav");
    std::fs::write(&recording, "an older one").expect("written");
    let mut program = place.program();
    program.env("TWILIO_AUTH_TOKEN", TOKEN);
    program.args(["sim", "call", "--webhook", &webhook, "--origin", ORIGIN]);
    program.args(["--listen", "60", "--record", "heard.wav"]);
    program
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let running = program.spawn().expect("it runs");
    let pid = running.id().expect("it runs");
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while server.requests().len() < 2 && std::time::Instant::now() < limit {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.requests().len() >= 2, "the stream comes up");
    assert_eq!(std::fs::read(&recording).expect("kept"), b"an older one");
    // Long enough that there is something to keep, even on a slow machine.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let (code, report, told) = parts(&running.wait_with_output().await.expect("it ends"));
    assert_eq!(code, Some(0), "{told}");
    assert!(report.contains(": the caller hung up\n"), "{report}");
    assert!(server.lines().await[0].iter().any(|m| m["event"] == "stop"));
    let reader = hound::WavReader::open(&recording).expect("a new recording");
    assert!(reader.len() > 800, "{}", reader.len());
}
