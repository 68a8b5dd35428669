//! `<Play>`, `<Record>` and `<Gather>`: what is heard, kept, and told of.

use std::time::Duration;

use offhook::sim::{self, Ended, Rest, Step, read_wav};

use super::stranger::{Stranger, answer, twiml};
use super::{account, assert_fine, codes, plan, together, without_stream};

/// A program with documents by path, and a sound that is served as bytes would be: base64 is no sound.
async fn program(first: &'static str) -> Stranger {
    without_stream(move |request| match request.path.as_str() {
        "/voice" => twiml(first),
        "/bad.wav" => answer(200, "audio/x-wav", "this is no sound"),
        "/song.mp3" => answer(200, "audio/mpeg", "ID3"),
        "/page" => answer(200, "text/html", "<html></html>"),
        "/after" => twiml("<Say>After</Say>"),
        _ => answer(404, "", ""),
    })
    .await
}

fn speaks(millis: usize) -> Vec<Step> {
    vec![
        Step::Speak(vec![5_000; millis * 8]),
        Step::Listen(Duration::from_secs(60)),
    ]
}

#[tokio::test]
async fn what_is_played_is_heard_for_as_long_as_it_is() {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    // A recording of one call is played in another.
    let server = program(r#"<Record playBeep="false" action="/after" timeout="1"/>"#).await;
    let mut recording = plan(&server, 0);
    recording.account = account.clone();
    recording.rest = Some(&rest);
    recording.script = speaks(700);
    let report = sim::call(recording).await;
    assert_fine(&report);
    assert_eq!(report.said, ["After"]);
    let asked = &server.requests_to("/after")[0];
    assert_eq!(asked.field("RecordingDuration"), Some("1"));
    assert!(
        asked
            .field("RecordingSid")
            .is_some_and(|sid| sid.starts_with("RE"))
    );
    let url = asked.field("RecordingUrl").expect("an address").to_owned();
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    let fetched = http.get(format!("{url}.wav")).send().await.expect("a file");
    let bytes = fetched.bytes().await.expect("all of it");
    let sound = read_wav(std::io::Cursor::new(bytes)).expect("WAV");
    let loud = sound.iter().filter(|sample| **sample > 4_000).count();
    assert!((5_500..5_700).contains(&loud), "{loud}");
    assert!((13_000..15_500).contains(&sound.len()), "{}", sound.len());

    let play = format!(r#"<Play loop="2">{url}.wav</Play>"#);
    let served = Rest::start(account.clone()).await.expect("a free port");
    let server = without_stream(move |_| twiml(&play)).await;
    let mut playing = plan(&server, 0);
    // The recording is under the origin of the program that plays it.
    playing.origin = None;
    playing.rest = Some(&served);
    let report = sim::call(playing).await;
    assert_eq!(report.played.len(), 1, "from elsewhere: noted, not fetched");
    assert_fine(&report);
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
