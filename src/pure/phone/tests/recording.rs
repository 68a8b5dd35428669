//! A call is recorded: from when to when, and whichever way it goes.

use super::*;

fn talk(phone: &mut Phone) {
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(100));
    phone.handle(command(1, Command::Answer), at(200));
}

fn record(on: bool) -> Input {
    command(1, Command::Record(on))
}

fn begins(stream: u64) -> Effect {
    Effect::Record(StreamId(stream), call_id(1), true)
}

fn stops(stream: u64) -> Effect {
    Effect::Record(StreamId(stream), call_id(1), false)
}

/// Returns what is ordered and told of recordings.
fn of_recordings(effects: Vec<Effect>) -> Vec<Effect> {
    effects
        .into_iter()
        .filter(|effect| {
            matches!(
                effect,
                Effect::Record(..)
                    | Effect::Event(_, Happening::RecordingBegan | Happening::RecordingEnded, _)
            )
        })
        .collect()
}

fn told(happening: Happening) -> Effect {
    let reason = happening.usual_reason();
    told_for(happening, reason)
}

fn told_for(happening: Happening, reason: Reason) -> Effect {
    Effect::Event(Some(call_id(1)), happening, reason)
}

#[test]
fn a_call_that_talks_or_waits_is_recorded_until_somebody_stops_it() {
    let mut phone = phone();
    talk(&mut phone);
    let effects = phone.handle(record(true), at(1_000));
    let is_told = |effect: &Effect| matches!(effect, Effect::Reply(Ok(view)) if view.recorded);
    assert!(effects.iter().any(is_told), "whoever asked is told at once");
    assert_eq!(
        of_recordings(effects),
        [begins(1), told(Happening::RecordingBegan)]
    );
    for (wish, now) in [
        (Command::Record(true), 1_100),
        (Command::Hold, 2_000),
        (Command::Mute(true), 3_000),
        (Command::Resume, 4_000),
    ] {
        let effects = phone.handle(command(1, wish), at(now));
        assert_eq!(of_recordings(effects), [], "it goes on");
        assert!(phone.views()[0].recorded);
    }
    let effects = phone.handle(record(false), at(5_000));
    assert_eq!(
        of_recordings(effects),
        [stops(1), told(Happening::RecordingEnded)]
    );
    assert!(!phone.views()[0].recorded);
    let effects = phone.handle(record(true), at(6_000));
    assert_eq!(of_recordings(effects)[0], begins(1), "and once more");
}

#[test]
fn only_a_call_that_was_answered_at_the_desk_can_be_recorded() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(100));
    let effects = phone.handle(record(true), at(200));
    let refused = Effect::Reply(Err(CommandError::WrongState(Stage::Ringing)));
    assert_eq!(effects, [refused]);
    phone.handle(command(1, Command::Answer), at(300));
    assert!(!phone.views()[0].recorded, "a refusal leaves nothing");
}

#[test]
fn a_recording_ends_before_its_stream_is_let_go() {
    let hang_up = || command(1, Command::HangUp);
    for end in [down(1, StreamEnd::Stopped), hang_up(), Input::Stop] {
        let mut phone = phone();
        talk(&mut phone);
        phone.handle(record(true), at(1_000));
        let effects = phone.handle(end, at(2_000));
        let place = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
        let (stops, detach) = (place(&stops(1)), place(&Effect::Detach(STREAM)));
        assert!(stops.is_some() && stops < detach, "{effects:?}");
        assert!(!phone.views()[0].recorded);
    }
}

#[test]
fn a_call_that_comes_back_is_recorded_again_from_the_moment_it_talks() {
    let mut phone = phone();
    talk(&mut phone);
    phone.handle(record(true), at(1_000));
    let to = Command::Move(Target::Number(number("+15145550123")));
    let effects = phone.handle(command(1, to), at(2_000));
    assert_eq!(of_recordings(effects), [], "until the carrier has taken it");
    let effects = phone.handle(down(1, StreamEnd::Stopped), at(2_200));
    assert_eq!(of_recordings(effects)[0], stops(1));
    phone.handle(after_stream(1, LegStatus::InProgress), at(2_210));
    let back = phone.handle(after_dial(1, DialOutcome::NoAnswer), at(9_000));
    let Document::Stream { token, .. } = answer(&back) else {
        panic!("it comes back");
    };
    let up = Input::StreamUp {
        stream: StreamId(2),
        leg: leg(1),
        token,
    };
    let effects = phone.handle(up, at(9_300));
    assert_eq!(of_recordings(effects), [], "it rings");
    assert!(!phone.views()[0].recorded);
    let effects = phone.handle(command(1, Command::Answer), at(10_000));
    assert_eq!(
        of_recordings(effects),
        [begins(2), told(Happening::RecordingBegan)]
    );
}

#[test]
fn a_recording_that_cannot_go_on_is_told_of_and_not_begun_again_by_itself() {
    let mut phone = phone();
    talk(&mut phone);
    phone.handle(record(true), at(1_000));
    let effects = phone.handle(Input::RecordingOver(STREAM), at(2_000));
    let ended = told_for(Happening::RecordingEnded, Reason::Failed);
    assert_eq!(effects, [ended]);
    assert!(!phone.views()[0].recorded);
    let effects = phone.handle(command(1, Command::Hold), at(3_000));
    assert_eq!(of_recordings(effects), []);
    let effects = phone.handle(Input::RecordingOver(STREAM), at(4_000));
    assert_eq!(effects, [], "what is over can end no more");
}

fn pause(on: bool) -> Input {
    command(1, Command::PauseRecording(on))
}

#[test]
fn a_recording_pauses_and_goes_on_and_is_no_other_for_that() {
    let mut phone = phone();
    talk(&mut phone);
    let refused = Effect::Reply(Err(CommandError::NotRecorded));
    assert_eq!(phone.handle(pause(true), at(900)), [refused]);
    phone.handle(record(true), at(1_000));
    let effects = phone.handle(pause(true), at(2_000));
    assert!(effects.contains(&Effect::PauseRecording(STREAM, true)));
    assert!(effects.contains(&told(Happening::RecordingPaused)));
    let view = &phone.views()[0];
    assert!(view.recorded && view.recording_paused);
    let effects = phone.handle(pause(true), at(2_100));
    assert!(
        matches!(effects.as_slice(), [Effect::Reply(Ok(_))]),
        "it pauses: {effects:?}"
    );
    let effects = phone.handle(record(true), at(2_200));
    assert!(
        matches!(effects.as_slice(), [Effect::Reply(Ok(_))]),
        "it pauses on: {effects:?}"
    );
    let effects = phone.handle(pause(false), at(3_000));
    assert!(effects.contains(&Effect::PauseRecording(STREAM, false)));
    assert!(effects.contains(&told(Happening::RecordingResumed)));
    assert!(!phone.views()[0].recording_paused);
    phone.handle(pause(true), at(4_000));
    phone.handle(record(false), at(5_000));
    phone.handle(record(true), at(6_000));
    assert!(!phone.views()[0].recording_paused, "another begins anew");
}

/// A phone whose calls are announced so, with one that talks.
fn announced(record_notice: RecordNotice) -> Phone {
    let mut phone = phone();
    phone.settings.record_notice = record_notice;
    talk(&mut phone);
    phone
}

fn tone(stream: u64, on: bool) -> Effect {
    Effect::RecordingTone(StreamId(stream), on)
}

#[test]
fn the_tone_sounds_as_long_as_something_is_kept() {
    let mut phone = announced(RecordNotice::Tone);
    let tones = |effects: Vec<Effect>| -> Vec<Effect> {
        let is_tone = |effect: &Effect| matches!(effect, Effect::RecordingTone(..));
        effects.into_iter().filter(is_tone).collect()
    };
    let effects = phone.handle(record(true), at(1_000));
    assert_eq!(tones(effects), [tone(1, true)]);
    let effects = phone.handle(command(1, Command::Hold), at(2_000));
    assert_eq!(tones(effects), []);
    assert_eq!(
        tones(phone.handle(pause(true), at(3_000))),
        [tone(1, false)]
    );
    assert_eq!(
        tones(phone.handle(pause(false), at(4_000))),
        [tone(1, true)]
    );
    assert_eq!(
        tones(phone.handle(record(false), at(5_000))),
        [tone(1, false)]
    );
    phone.handle(record(true), at(6_000));
    let effects = phone.handle(down(1, StreamEnd::Stopped), at(7_000));
    assert_eq!(tones(effects), [], "it went with its stream");
}

#[test]
fn whoever_meets_a_call_that_is_recorded_hears_of_it_too() {
    let mut phone = announced(RecordNotice::Tone);
    phone.handle(record(true), at(1_000));
    phone.handle(incoming(2), at(2_000));
    phone.handle(up(2), at(2_100));
    phone.handle(command(2, Command::Answer), at(2_200));
    let effects = phone.handle(command(2, Command::Merge(call_id(1))), at(3_000));
    assert!(effects.contains(&tone(2, true)), "{effects:?}");
    let effects = phone.handle(command(2, Command::Hold), at(4_000));
    assert!(effects.contains(&tone(2, false)), "{effects:?}");
    assert!(!effects.contains(&tone(1, false)));
}

#[test]
fn the_sentence_is_said_once_after_the_recording_has_begun_and_ends_with_it() {
    let notice = Effect::Speak(STREAM, Spoken::Notice);
    let mut phone = announced(RecordNotice::Spoken);
    let effects = phone.handle(record(true), at(1_000));
    let place = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
    assert!(
        place(&begins(1)).is_some() && place(&begins(1)) < place(&notice),
        "{effects:?}"
    );
    for input in [pause(true), pause(false), command(1, Command::Hold)] {
        let effects = phone.handle(input, at(2_000));
        assert!(!effects.contains(&notice), "{effects:?}");
    }
    let effects = phone.handle(record(false), at(3_000));
    assert!(effects.contains(&Effect::Hush(STREAM)), "{effects:?}");
    phone.handle(record(true), at(4_000));
    assert_eq!(phone.handle(Input::SpeechOver(STREAM), at(9_000)), []);
    let effects = phone.handle(record(false), at(10_000));
    assert!(!effects.contains(&Effect::Hush(STREAM)), "it was heard");
}
