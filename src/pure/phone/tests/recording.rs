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
