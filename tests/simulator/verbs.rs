//! `<Play>`, `<Record>` and `<Gather>`: what is heard, kept, and told of.

use std::time::Duration;

use offhook::sim::{self, Ended, Rest, Step, read_wav};

use super::stranger::{answer, twiml};
use super::{account, assert_fine, codes, plan, together, without_stream};

/// Makes a WAV of half a second at 8 kHz and 8 bits that is text as well, since all of its bytes are below 128: a loud tone.
fn wav() -> String {
    const SAMPLES: u32 = 4_096;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + SAMPLES).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    for _ in 0..2 {
        bytes.extend(8_000u32.to_le_bytes());
    }
    bytes.extend(b"\x01\0\x08\0data");
    bytes.extend(SAMPLES.to_le_bytes());
    bytes.extend((0..SAMPLES).map(|n| if n % 20 < 10 { 0x10 } else { 0x70 }));
    String::from_utf8(bytes).expect("text")
}

/// Returns how many samples of the tone were heard.
fn loud(sound: &[i16]) -> usize {
    let loud = sound.iter().filter(|sample| sample.unsigned_abs() > 3_000);
    loud.count()
}

fn speaks(millis: usize) -> Vec<Step> {
    vec![
        Step::Speak(vec![5_000; millis * 8]),
        Step::Listen(Duration::from_secs(60)),
    ]
}

#[tokio::test]
async fn what_is_played_is_heard_as_often_as_it_is_played_and_takes_as_long() {
    let server = without_stream(|request| match request.path.as_str() {
        "/voice" => twiml(r#"<Play loop="2">/song.wav</Play><Pause length="1"/>"#),
        _ => answer(200, "audio/wav", wav()),
    })
    .await;
    let report = sim::call(plan(&server, 0)).await;
    assert_fine(&report);
    assert_eq!(report.played, ["/song.wav"]);
    assert_eq!(loud(report.heard.samples()), 2 * 4_096, "{report}");
    assert!(report.duration >= Duration::from_millis(2_020), "{report}");
    assert_eq!(server.requests()[1].method, "GET");
    server.assert_signed_over(super::ORIGIN);

    let elsewhere = "<Play>https://elsewhere.example/a.wav</Play>";
    let server = without_stream(move |_| twiml(elsewhere)).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_fine(&report);
    assert_eq!(report.played, ["https://elsewhere.example/a.wav"], "noted");
}

#[tokio::test]
async fn what_was_recorded_can_be_fetched() {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let server = without_stream(|request| match request.path.as_str() {
        "/voice" => twiml(r#"<Record playBeep="false" action="/after" timeout="1"/>"#),
        _ => twiml("<Say>After</Say>"),
    })
    .await;
    let mut recording = plan(&server, 0);
    recording.account = account.clone();
    recording.rest = Some(&rest);
    recording.script = speaks(700);
    let report = sim::call(recording).await;
    assert_fine(&report);
    assert_eq!(report.said, ["After"]);
    let asked = &server.requests_to("/after")[0];
    assert_eq!(asked.field("RecordingDuration"), Some("1"));
    let sid = asked.field("RecordingSid");
    assert!(sid.is_some_and(|sid| sid.starts_with("RE")));
    let url = asked.field("RecordingUrl").expect("an address").to_owned();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    for (address, status) in [
        (format!("{url}.wav"), 200),
        (url[..url.len() - 1].to_owned(), 404),
    ] {
        let fetched = http.get(address).send().await.expect("an answer");
        assert_eq!(fetched.status().as_u16(), status);
        if status == 200 {
            let bytes = fetched.bytes().await.expect("all of it");
            let sound = read_wav(std::io::Cursor::new(bytes)).expect("WAV");
            assert_eq!(loud(&sound), 5_600, "what he said, to the sample");
            assert!((13_000..15_500).contains(&sound.len()), "{}", sound.len());
        }
    }
}

#[tokio::test]
async fn a_sound_that_cannot_be_played_is_told_with_twilios_code() {
    for (file, code, passed_over) in [
        ("/bad.wav", Some(12400), None),
        ("/gone.wav", Some(11200), None),
        ("/page", Some(12300), None),
        ("/song.mp3", None, Some("<Play> of audio/mpeg")),
    ] {
        let play = format!("<Play>{file}</Play><Say>On</Say>");
        let server = without_stream(move |request| match request.path.as_str() {
            "/voice" => twiml(&play),
            "/bad.wav" => answer(200, "audio/x-wav", "this is no sound"),
            "/song.mp3" => answer(200, "audio/mpeg", "ID3"),
            "/page" => answer(200, "text/html", "<html></html>"),
            _ => answer(404, "", ""),
        })
        .await;
        let report = sim::call(plan(&server, 0)).await;
        assert_eq!(codes(&report), Vec::from_iter(code), "{file}: {report}");
        assert_eq!(report.not_simulated, Vec::from_iter(passed_over));
        assert_eq!(report.said, ["On"], "the call goes on");
        server.assert_signed_over(super::ORIGIN);
    }
}

#[tokio::test]
async fn digits_that_are_played_are_heard_as_tones() {
    let server = without_stream(|_| twiml(r#"<Play digits="12"/>"#)).await;
    let report = sim::call(plan(&server, 0)).await;
    assert_fine(&report);
    let heard = report.heard.samples();
    let loud = heard.iter().filter(|sample| sample.unsigned_abs() > 1_000);
    assert!(loud.count() > 1_000);
    assert_eq!(report.heard.gaps(Duration::from_millis(90)).len(), 1);
}

#[tokio::test]
async fn a_recording_ends_by_silence_by_a_key_by_its_length_or_with_the_call() {
    let record = |more: &str| format!(r#"<Record playBeep="false" action="/after" {more}/>"#);
    let key = vec![
        Step::Speak(vec![5_000; 4_000]),
        Step::Dtmf("5".to_owned()),
        Step::Listen(Duration::from_secs(60)),
    ];
    let cases = [
        (record(r#"timeout="1""#), speaks(500), "", Ended::ByTwiml),
        (
            record(r#"maxLength="1""#),
            speaks(9_000),
            "",
            Ended::ByTwiml,
        ),
        (record(""), key, "5", Ended::ByTwiml),
        (
            record(""),
            vec![Step::Speak(vec![5_000; 4_000])],
            "hangup",
            Ended::CallerHungUp,
        ),
    ];
    together(cases.map(async |(document, script, digits, ended)| {
        let server = without_stream(move |request| match request.path.as_str() {
            "/voice" => twiml(&document),
            _ => twiml(""),
        })
        .await;
        let mut plan = plan(&server, 0);
        plan.script = script;
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.ended, ended);
        let asked = &server.requests_to("/after")[0];
        assert_eq!(asked.field("Digits"), Some(digits));
    }))
    .await;
}

#[tokio::test]
async fn a_recording_of_nothing_is_told_to_nobody_and_the_next_verb_follows() {
    let server =
        without_stream(|_| twiml(r#"<Record timeout="1" action="/after"/><Say>On</Say>"#)).await;
    let mut plan = plan(&server, 0);
    plan.script = vec![Step::Listen(Duration::from_secs(60))];
    let report = sim::call(plan).await;
    assert_fine(&report);
    assert_eq!(report.said, ["On"]);
    assert_eq!(server.requests_to("/after").len(), 0);
    let beep = report
        .heard
        .samples()
        .iter()
        .filter(|s| s.unsigned_abs() > 3_000);
    assert!(beep.count() > 1_000, "the beep before it is heard");
}

#[tokio::test]
async fn keys_are_gathered_until_they_are_enough_or_finished_or_nothing_comes() {
    let gather = |more: &str| {
        format!(
            r#"<Gather action="/after" timeout="1" {more}><Say>Press</Say></Gather><Say>On</Say>"#
        )
    };
    let cases = [
        (gather(r#"numDigits="2""#), "123", Some("12")),
        (gather(""), "12#3", Some("12")),
        (gather(r#"finishOnKey="*""#), "1#*", Some("1#")),
        (gather(""), "12", Some("12")),
        (gather(""), "", None),
        (gather(r#"actionOnEmptyResult="true""#), "", Some("")),
    ];
    together(cases.map(async |(document, keys, told)| {
        let server = without_stream(move |request| match request.path.as_str() {
            "/voice" => twiml(&document),
            _ => twiml("<Say>After</Say>"),
        })
        .await;
        let mut plan = plan(&server, 0);
        plan.script = vec![
            Step::Dtmf(keys.to_owned()),
            Step::Listen(Duration::from_secs(60)),
        ];
        let report = sim::call(plan).await;
        assert_fine(&report);
        let asked = server.requests_to("/after");
        assert_eq!(asked.first().and_then(|r| r.field("Digits")), told);
        let then = if told.is_some() { "After" } else { "On" };
        assert_eq!(report.said, ["Press", then]);
    }))
    .await;
}
