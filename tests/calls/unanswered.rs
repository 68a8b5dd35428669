//! Callers whom nobody answers: the desk, then the browsers, then a message, which the desk hears and may cut short.

use super::*;
use offhook::pure::ids::PhoneNumber;

/// Rings the phone as Anna, who says one tone for 40 s at most, while a person does something with the call.
async fn anna_calls<F: Future<Output = ()>>(
    rig: &Rig,
    person: impl FnOnce(String) -> F,
) -> CallReport {
    let mut plan = CallPlan::new(
        format!("{}/handle_calls", rig.daemon.local_url()),
        rig.account.clone(),
    );
    plan.to = OWN.to_owned();
    plan.from = ANNA.to_owned();
    plan.rest = Some(&rig.rest);
    plan.script = vec![Step::Speak(tone(ANNA_HZ, 40))];
    let person = person(plan.call_sid.clone());
    let (report, ()) = tokio::join!(sim::call(plan), person);
    report
}

/// Returns every sample of a WAV file, all channels one after the other.
fn samples(path: &std::path::Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(path).expect("a WAV file");
    let all = reader.samples::<i16>().map(|sample| sample.expect("whole"));
    all.collect()
}

/// Says whether a tone is in any half second of some sound of so many samples a second.
fn has_tone(sound: &[i16], rate: usize, hz: f64) -> bool {
    sound
        .chunks(rate / 2)
        .any(|part| share(part, hz * 8_000.0 / rate as f64) > 0.2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_heard_at_the_desk_while_it_is_left_and_cut_short_by_picking_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let speaker = folder.path().join("speaker.wav");
    let rig = Rig::start_with(|settings| {
        settings.ring_for = Duration::from_secs(1);
        settings.record_format = offhook::pure::recording::Format::Wav;
        settings.audio.playout = DeviceChoice::File(speaker.clone());
    })
    .await;
    let report = anna_calls(&rig, |call| async {
        let (rig, call) = (&rig, call);
        rig.until(&call, |call| call["state"] == "voicemail").await;
        rig.until(&call, |call| call["recording"] == true).await;
        sleep(Duration::from_millis(2_000)).await;
        assert!(
            has_tone(&samples(&speaker), 48_000, ANNA_HZ),
            "who speaks to the machine is heard at the desk"
        );
        rig.does(&call, "answer", json!({})).await;
        rig.until(&call, |call| call["state"] == "talking").await;
        sleep(Duration::from_millis(1_200)).await;
        rig.does(&call, "hangup", json!({})).await;
    })
    .await;
    assert!(report.is_fine(), "{report}");
    assert_eq!(at_end(&report, SHORT, [DESK_HZ]), [true], "{report}");
    let (_, kept) = rig.ask(reqwest::Method::GET, "/api/recordings", None).await;
    let kept = kept["recordings"].as_array().expect("a list").clone();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(
        (&kept[0]["from"], &kept[0]["kind"]),
        (&json!(ANNA), &json!("voicemail"))
    );
    let file = kept[0]["file"].as_str().expect("a name");
    let message = samples(&rig.folder().join("recordings").join(file));
    let far: Vec<i16> = message.into_iter().skip(1).step_by(2).collect();
    assert!(has_tone(&far, 8_000, ANNA_HZ));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_neither_desk_nor_browser_nor_another_number_answers_leaves_a_message() {
    let rig = Rig::start_with(|settings| {
        settings.ring_for = Duration::from_secs(1);
        settings.browsers_ring_for = Duration::from_secs(5);
        settings.forwarding.no_answer = PhoneNumber::parse(BERT).ok();
    })
    .await;
    let kitchen = Identity::parse("kitchen").expect("a good name");
    let an_hour = Duration::from_secs(3_600);
    rig.daemon.phone().register(kitchen, an_hour).await;
    rig.rest.set_far_end("client:kitchen", FarEnd::busy());
    rig.rest.set_far_end(BERT, FarEnd::busy());
    let report = anna_calls(&rig, |call| async {
        let (rig, call) = (&rig, call);
        rig.until(&call, |call| call["recording"] == true).await;
        sleep(Duration::from_millis(1_500)).await;
        rig.does(&call, "hangup", json!({})).await;
        rig.until(&call, |call| call["state"] == "ended").await;
    })
    .await;
    assert!(report.is_fine(), "{report}");
    assert_eq!(rig.rest.calls_to(BERT).len(), 1, "it was tried");
    rig.stop().await;
}
