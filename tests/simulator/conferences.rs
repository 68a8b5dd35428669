//! Legs that hear each other: a `<Dial>` to far ends that are really there, and conferences.

use std::time::Duration;

use offhook::sim::{Ended, FarEnd, Step};

use super::dialling::Dialler;
use super::stranger::{answer, twiml};
use super::{assert_fine, codes};

const ONE: &str = "+15145550101";
const TWO: &str = "+15145550102";
const THREE: &str = "+15145550103";

/// Says a value for so long, and then listens for so long.
fn says(value: i16, millis: u64, listens: u64) -> FarEnd {
    FarEnd::answers(move || {
        vec![
            Step::Speak(vec![value; millis as usize * 8]),
            Step::Listen(Duration::from_millis(listens)),
        ]
    })
    .after(Duration::ZERO)
}

fn has(sound: &[i16], value: i16) -> bool {
    sound.iter().filter(|sample| **sample == value).count() > 800
}

fn conference(attributes: &str) -> String {
    format!(r#"<Response><Dial><Conference {attributes}>room</Conference></Dial></Response>"#)
}

/// Without what it would add of its own.
const PLAIN: &str = r#"beep="false" waitUrl="" jitterBufferSize="off""#;

async fn dialler() -> Dialler {
    Dialler::new(|request| match request.path.as_str() {
        "/after" => twiml("<Say>After</Say>"),
        _ => answer(404, "", ""),
    })
    .await
}

#[tokio::test]
async fn everybody_in_a_conference_hears_the_sum_of_the_others_and_it_ends_with_whoever_ends_it() {
    let dialler = dialler().await;
    for (to, value) in [(ONE, 1_000), (TWO, 200), (THREE, 30)] {
        dialler.rest.set_far_end(to, says(value, 60_000, 0));
    }
    let mut sids = Vec::new();
    for to in [ONE, TWO] {
        sids.push(dialler.dial(&conference(PLAIN), &[("To", to)]).await);
    }
    for sid in &sids {
        dialler.until(sid, "in-progress").await;
    }
    // Long enough that the two hear each other alone.
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The third leaves after a while, and takes the others along.
    let leaves = says(30, 1_000, 0);
    dialler.rest.set_far_end(THREE, leaves);
    let ends = format!(r#"{PLAIN} endConferenceOnExit="true""#);
    sids.push(dialler.dial(&conference(&ends), &[("To", THREE)]).await);
    let mut heard = Vec::new();
    for sid in &sids {
        let report = dialler.rest.report(sid).await;
        assert_fine(&report);
        heard.push(report);
    }
    assert_eq!(heard[2].ended, Ended::CallerHungUp);
    assert_eq!(heard[0].ended, Ended::ByTwiml, "the conference is over");
    for (index, sums) in [[200, 230], [1_000, 1_030]].into_iter().enumerate() {
        for sum in sums {
            let sound = heard[index].heard.samples();
            assert!(has(sound, sum), "{index} hears {sum}");
        }
    }
    assert!(has(heard[2].heard.samples(), 1_200));
    assert_eq!(
        dialler.rest.running(),
        [""; 0],
        "nobody is left in an empty room"
    );
}

#[tokio::test]
async fn whoever_waits_hears_music_until_somebody_comes_who_begins_it() {
    let dialler = dialler().await;
    dialler.rest.set_far_end(
        ONE,
        says(1_000, 60_000, 0).leaves_after(Duration::from_secs(2)),
    );
    dialler.rest.set_far_end(TWO, says(10, 400, 0));
    let waits = r#"beep="false" startConferenceOnEnter="false" jitterBufferSize="off""#;
    let first = dialler.dial(&conference(waits), &[("To", ONE)]).await;
    dialler.until(&first, "in-progress").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let second = dialler.dial(&conference(PLAIN), &[("To", TWO)]).await;
    let report = dialler.rest.report(&second).await;
    assert_fine(&report);
    assert!(has(report.heard.samples(), 1_000));
    let report = dialler.rest.report(&first).await;
    assert_fine(&report);
    let music = report
        .heard
        .between(Duration::ZERO..Duration::from_millis(400));
    let loud = music
        .iter()
        .filter(|sample| sample.unsigned_abs() > 500)
        .count();
    assert!(loud > 1_000, "{loud}");
    assert!(has(report.heard.samples(), 10));
}

#[tokio::test]
async fn an_action_hears_how_a_conference_ended_and_what_cannot_be_is_a_complaint() {
    let dialler = dialler().await;
    dialler.rest.set_far_end(ONE, says(1, 60_000, 0));
    let after = dialler.server.url("/after");
    let document = format!(
        r#"<Response><Dial action="{after}" timeLimit="1"><Conference {PLAIN} maxParticipants="1">room</Conference></Dial></Response>"#
    );
    let sid = dialler.dial(&document, &[("To", ONE)]).await;
    let report = dialler.rest.report(&sid).await;
    assert_eq!(codes(&report), [12200], "{report}");
    assert_eq!(report.said, ["After"]);
    let asked = &dialler.server.requests_to("/after")[0];
    assert_eq!(asked.field("DialCallStatus"), Some("answered"));
}

#[tokio::test]
async fn a_number_that_is_dialled_is_really_there_and_both_hear_each_other() {
    let dialler = dialler().await;
    dialler.rest.set_far_end(ONE, says(1_000, 60_000, 0));
    dialler
        .rest
        .set_far_end(TWO, says(200, 1_200, 0).after(Duration::from_millis(200)));
    let after = dialler.server.url("/after");
    let status = dialler.server.url("/status");
    let document = format!(
        r#"<Response><Dial action="{after}"><Number statusCallback="{status}"
        statusCallbackEvent="initiated ringing answered completed">{TWO}</Number></Dial></Response>"#
    );
    let sid = dialler.dial(&document, &[("To", ONE)]).await;
    let report = dialler.rest.report(&sid).await;
    assert_fine(&report);
    assert_eq!(report.said, ["After"]);
    assert!(has(report.heard.samples(), 200));
    assert_eq!(report.dialled[0].status, "completed");
    let child = &dialler.rest.calls_to(TWO)[0];
    let there = dialler.rest.report(child).await;
    assert!(has(there.heard.samples(), 1_000));
    let told: Vec<String> = dialler
        .told(child)
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    assert_eq!(told, ["initiated", "ringing", "in-progress", "completed"]);
    let shown = dialler.get(&format!("/{child}.json")).await;
    assert_eq!(shown["parent_call_sid"], sid.as_str());
    assert_eq!(shown["direction"], "outbound-dial");
    let asked = &dialler.server.requests_to("/after")[0];
    assert_eq!(asked.field("DialCallStatus"), Some("completed"));
    assert_eq!(asked.field("DialCallSid"), Some(child.as_str()));
    assert_eq!(asked.field("DialBridged"), Some("true"));
}

#[tokio::test]
async fn of_several_who_ring_the_first_that_answers_is_bridged_and_the_rest_are_canceled() {
    let dialler = dialler().await;
    let slow = says(30, 60_000, 0).after(Duration::from_secs(60));
    dialler.rest.set_far_end(ONE, says(1_000, 60_000, 0));
    dialler.rest.set_far_end(TWO, FarEnd::busy());
    dialler.rest.set_far_end(THREE, slow);
    dialler.rest.set_far_end(
        "client:kitchen",
        says(200, 500, 0).after(Duration::from_millis(300)),
    );
    let document = format!(
        "<Response><Dial><Number>{TWO}</Number><Number>{THREE}</Number><Client>kitchen</Client></Dial></Response>"
    );
    let sid = dialler.dial(&document, &[("To", ONE)]).await;
    let report = dialler.rest.report(&sid).await;
    assert_fine(&report);
    let legs: Vec<(&str, &str)> = report
        .dialled
        .iter()
        .map(|leg| (leg.to.as_str(), leg.status.as_str()))
        .collect();
    assert_eq!(
        legs,
        [
            (TWO, "busy"),
            (THREE, "canceled"),
            ("client:kitchen", "completed")
        ]
    );
}

#[tokio::test]
async fn a_dial_that_nobody_answers_tells_its_action_so() {
    for (far_end, status) in [
        (FarEnd::busy(), "busy"),
        (FarEnd::failed(), "failed"),
        (FarEnd::no_answer(), "no-answer"),
    ] {
        let dialler = dialler().await;
        dialler.rest.set_far_end(ONE, says(1_000, 60_000, 0));
        dialler.rest.set_far_end(TWO, far_end);
        let after = dialler.server.url("/after");
        let document =
            format!(r#"<Response><Dial timeout="1" action="{after}">{TWO}</Dial></Response>"#);
        let sid = dialler.dial(&document, &[("To", ONE)]).await;
        let report = dialler.rest.report(&sid).await;
        assert_fine(&report);
        let asked = &dialler.server.requests_to("/after")[0];
        assert_eq!(asked.field("DialCallStatus"), Some(status));
        assert_eq!(asked.field("DialBridged"), Some("false"));
    }
}
