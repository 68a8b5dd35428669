//! Calls that are moved over REST, from streams to conferences, to other numbers and back; and the gap that is heard.

use std::time::Duration;

use offhook::sim::{Ended, FarEnd, Step};

use super::assert_fine;
use super::dialling::Dialler;
use super::stranger::{Stranger, answer, talk};

const ONE: &str = "+15145550101";
const TWO: &str = "+15145550102";

/// A program that plays sound on its streams without end, a frame for every frame.
async fn steady() -> Dialler {
    let server = Stranger::start(
        |request| match request.path.as_str() {
            "/media" => talk(),
            "/status" => answer(204, "", ""),
            _ => answer(404, "", ""),
        },
        |mut line| async move {
            line.until("start").await;
            while let Some(message) = line.next().await {
                if message["event"] == "media" {
                    line.play(&[0x90; 160]).await;
                }
            }
        },
    )
    .await;
    Dialler::of(server).await
}

fn says(value: i16) -> FarEnd {
    FarEnd::answers(move || {
        let second = || Step::Speak(vec![value; 8_000]);
        (0..60).map(|_| second()).collect()
    })
    .after(Duration::ZERO)
}

impl Dialler {
    /// Sends a call elsewhere.
    async fn send(&self, sid: &str, form: &[(&str, &str)]) {
        let path = format!("/{sid}.json");
        let limit = Duration::from_secs(10);
        let (status, body) = self.post(&path, form, limit).await.expect("an answer");
        assert_eq!(status, 200, "{body}");
    }

    /// Waits until so many handshakes have come.
    async fn until_streams(&self, count: usize) {
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        while self.server.requests_to("/media").len() < count {
            assert!(std::time::Instant::now() < limit, "no stream {count}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test]
async fn two_streams_become_a_conference_and_the_gap_that_each_far_end_heard_is_known() {
    let dialler = steady().await;
    dialler.rest.set_far_end(ONE, says(1_000));
    dialler.rest.set_far_end(TWO, says(200));
    let mut sids = Vec::new();
    for to in [ONE, TWO] {
        sids.push(dialler.dial(&dialler.stream(), &[("To", to)]).await);
    }
    dialler.until_streams(2).await;
    pass(400).await;
    let room = r#"<Response><Dial><Conference beep="false" waitUrl="" jitterBufferSize="off" endConferenceOnExit="true">t</Conference></Dial></Response>"#;
    for sid in &sids {
        dialler.send(sid, &[("Twiml", room)]).await;
    }
    pass(1_500).await;
    dialler.send(&sids[0], &[("Status", "completed")]).await;
    let mut reports = Vec::new();
    for sid in &sids {
        reports.push(dialler.rest.report(sid).await);
    }
    assert_eq!(reports[0].ended, Ended::ByRest);
    assert_eq!(reports[1].ended, Ended::ByTwiml, "the conference is over");
    for (report, other) in reports.iter().zip([200, 1_000]) {
        assert_fine(report);
        let [moved] = report.heard.moves() else {
            panic!("moved once: {report}");
        };
        let before = report.heard.between(Duration::ZERO..*moved);
        assert!(
            before.iter().any(|sample| sample.unsigned_abs() > 2_000),
            "the program"
        );
        let heard = report.heard.between(*moved..Duration::from_secs(60));
        assert!(
            heard.iter().filter(|s| **s == other).count() > 4_000,
            "the other"
        );
        let gap = report.heard.gap_after(*moved);
        assert_eq!(report.heard.longest_gap_of_moves(), Some(gap));
        assert!(gap < Duration::from_secs(2), "{gap:?}");
        let json = report.to_json();
        assert_eq!(json["moves"][0]["gap_ms"], gap.as_millis() as u64);
    }
}

#[tokio::test]
async fn a_silence_that_a_move_brings_is_measured_and_one_that_never_ends_too() {
    let dialler = steady().await;
    dialler.rest.set_far_end(ONE, says(1_000));
    let sid = dialler.dial(&dialler.stream(), &[("To", ONE)]).await;
    dialler.until_streams(1).await;
    pass(300).await;
    let stream = dialler.stream();
    let verbs = stream.trim_start_matches("<Response>");
    let late = format!(r#"<Response><Pause length="1"/>{verbs}"#);
    dialler.send(&sid, &[("Twiml", &late)]).await;
    dialler.until_streams(2).await;
    pass(300).await;
    let silent = r#"<Response><Pause length="1"/></Response>"#;
    dialler.send(&sid, &[("Twiml", silent)]).await;
    let report = dialler.rest.report(&sid).await;
    assert_fine(&report);
    let gaps: Vec<Duration> = report
        .heard
        .moves()
        .iter()
        .map(|moved| report.heard.gap_after(*moved))
        .collect();
    for gap in &gaps {
        // A second, and what it takes to tear a stream down and put one up.
        assert!(*gap >= Duration::from_millis(980), "{gaps:?}");
    }
    assert_eq!(gaps.len(), 2);
    assert!(
        report.to_string().contains("the longest silence around it"),
        "{report}"
    );
}

#[tokio::test]
async fn a_stream_is_moved_to_another_number_and_back_and_the_number_hears_of_it() {
    let dialler = steady().await;
    dialler.rest.set_far_end(ONE, says(1_000));
    dialler.rest.set_far_end(TWO, says(200));
    let sid = dialler.dial(&dialler.stream(), &[("To", ONE)]).await;
    dialler.until_streams(1).await;
    let dial = format!("<Response><Dial>{TWO}</Dial></Response>");
    dialler.send(&sid, &[("Twiml", &dial)]).await;
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while dialler.rest.calls_to(TWO).is_empty() {
        assert!(std::time::Instant::now() < limit);
        pass(5).await;
    }
    let child = dialler.rest.calls_to(TWO)[0].clone();
    dialler.until(&child, "in-progress").await;
    pass(400).await;
    dialler.send(&sid, &[("Twiml", &dialler.stream())]).await;
    dialler.until_streams(2).await;
    dialler.until(&child, "completed").await;
    pass(300).await;
    dialler.send(&sid, &[("Status", "completed")]).await;
    let report = dialler.rest.report(&sid).await;
    assert_fine(&report);
    assert_eq!(report.heard.moves().len(), 2);
    assert_eq!(report.stream.streams, 2);
    let heard = report.heard.samples();
    assert!(heard.iter().filter(|sample| **sample == 200).count() > 1_600);
    let there = dialler.rest.report(&child).await;
    assert!(there.heard.samples().contains(&1_000));
}

#[tokio::test]
async fn the_leg_of_a_dial_that_is_redirected_goes_on_alone_and_keeps_telling_of_itself() {
    let dialler = steady().await;
    dialler.rest.set_far_end(ONE, says(1_000));
    dialler.rest.set_far_end(TWO, says(200));
    let status = dialler.server.url("/status");
    let dial = format!(
        r#"<Response><Dial><Number statusCallback="{status}" statusCallbackEvent="answered completed">{TWO}</Number></Dial><Say>Alone</Say></Response>"#
    );
    let sid = dialler.dial(&dial, &[("To", ONE)]).await;
    dialler.until(&sid, "in-progress").await;
    let limit = std::time::Instant::now() + Duration::from_secs(20);
    while dialler.rest.calls_to(TWO).is_empty() {
        assert!(std::time::Instant::now() < limit);
        pass(5).await;
    }
    let child = dialler.rest.calls_to(TWO)[0].clone();
    dialler.until(&child, "in-progress").await;
    pass(300).await;
    dialler.send(&child, &[("Twiml", &dialler.stream())]).await;
    let parent = dialler.rest.report(&sid).await;
    assert_fine(&parent);
    assert_eq!(parent.said, ["Alone"], "it goes on behind the <Dial>");
    dialler.until_streams(1).await;
    assert_eq!(dialler.rest.status(&child).as_deref(), Some("in-progress"));
    pass(300).await;
    dialler.send(&child, &[("Status", "completed")]).await;
    let there = dialler.rest.report(&child).await;
    assert_fine(&there);
    assert_eq!(there.stream.streams, 1);
    assert!(
        there.heard.samples().contains(&1_000),
        "what it heard in the <Dial>"
    );
    assert_eq!(there.heard.moves().len(), 1);
    let told: Vec<String> = dialler
        .told(&child)
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    assert_eq!(told, ["in-progress", "completed"]);
}
