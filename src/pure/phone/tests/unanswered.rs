//! Callers whom nobody answers: browsers, another number, a message.

use super::*;
use crate::pure::audio::{Feed, Route};

const MINUTE: u64 = 60_000;

/// A caller who rings at the desk, and a phone that takes messages.
fn rung() -> Phone {
    let mut phone = phone_with_voicemail();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    phone
}

/// One who hears the greeting, for want of anybody.
fn greeted() -> (Phone, Vec<Effect>) {
    let mut phone = rung();
    let effects = phone.handle(Input::Timeout, at(20_000));
    (phone, effects)
}

/// One who has spoken since 25 s.
fn speaking() -> (Phone, Vec<Effect>) {
    let (mut phone, _) = greeted();
    let effects = phone.handle(Input::SpeechOver(STREAM), at(25_000));
    (phone, effects)
}

fn stage(phone: &Phone) -> Stage {
    phone.views()[0].stage
}

fn reason(phone: &Phone) -> Option<EndReason> {
    phone.views()[0].end_reason
}

fn asks(n: u8, caller: Caller) -> Input {
    Input::CarrierAsks {
        leg: leg(n),
        ask: Ask::Incoming {
            from: Party::parse("+15145550100"),
            to: Party::parse("+18199754345"),
            caller,
        },
        fresh: fresh(n),
    }
}

#[test]
fn who_is_not_answered_leaves_a_message_on_the_stream_that_is_there() {
    let (mut phone, effects) = greeted();
    assert!(effects.contains(&Effect::Speak(STREAM, Spoken::Greeting)));
    assert!(effects.contains(&Effect::Bell(None)));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Carrier(_))),
        "the carrier need not be asked"
    );
    assert_eq!(stage(&phone), Stage::Voicemail);
    let effects = phone.handle(Input::SpeechOver(STREAM), at(25_000));
    assert!(effects.contains(&Effect::Record(STREAM, call_id(1), true)));
    phone.handle(down(1, StreamEnd::Stopped), at(40_000));
    assert_eq!(reason(&phone), Some(EndReason::LeftMessage));
}

#[test]
fn who_hangs_up_before_the_beep_or_at_once_left_no_message() {
    let (mut phone, _) = greeted();
    phone.handle(down(1, StreamEnd::Stopped), at(24_000));
    assert_eq!(reason(&phone), Some(EndReason::HungUpThere));
    let (mut phone, _) = speaking();
    let effects = phone.handle(leg_is(1, LegStatus::Completed), at(25_500));
    assert_eq!(reason(&phone), Some(EndReason::HungUpThere));
    assert!(effects.contains(&Effect::Record(STREAM, call_id(1), false)));
}

#[test]
fn a_message_is_heard_at_the_desk_while_it_is_spoken_and_picking_up_takes_it_over() {
    let (mut phone, effects) = speaking();
    let screened = Route {
        feed: Feed::Silence,
        to_speaker: true,
    };
    assert!(effects.contains(&Effect::Route(STREAM, screened)));
    let effects = phone.handle(command(1, Command::Answer), at(30_000));
    assert!(effects.contains(&Effect::Hush(STREAM)));
    assert!(effects.contains(&Effect::Record(STREAM, call_id(1), false)));
    let talks = Route {
        feed: Feed::Desk,
        to_speaker: true,
    };
    assert!(effects.contains(&Effect::Route(STREAM, talks)));
    assert_eq!(stage(&phone), Stage::Talking);
    phone.handle(down(1, StreamEnd::Stopped), at(40_000));
    assert_eq!(reason(&phone), Some(EndReason::HungUpThere));
}

#[test]
fn nothing_is_heard_of_a_message_while_the_desk_has_another_call_or_wants_peace() {
    let (mut phone, _) = speaking();
    let silent = Route {
        feed: Feed::Silence,
        to_speaker: false,
    };
    phone.handle(incoming(2), at(26_000));
    let effects = phone.handle(up(2), at(26_000));
    assert!(
        effects.contains(&Effect::Route(STREAM, silent)),
        "{effects:?}"
    );
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Bell(Some(_))))
    );
    for calm in [Input::DoNotDisturb(true), Input::DeskUsable(true)] {
        let (mut phone, _) = speaking();
        let is_quiet = matches!(calm, Input::DoNotDisturb(_));
        let effects = phone.handle(calm, at(26_000));
        assert_eq!(effects.contains(&Effect::Route(STREAM, silent)), is_quiet);
    }
    let (mut phone, _) = greeted();
    phone.settings.voicemail.screening = false;
    let effects = phone.handle(Input::SpeechOver(STREAM), at(25_000));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Route(..)))
    );
}

#[test]
fn a_message_ends_by_itself_when_it_is_long_enough() {
    let (mut phone, _) = speaking();
    let due = phone.poll_timeout().expect("a deadline");
    assert_eq!(due, at(25_000 + 3 * MINUTE));
    let effects = phone.handle(Input::Timeout, due);
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(1)))));
    phone.handle(ended(1, true), due);
    phone.handle(down(1, StreamEnd::Stopped), due);
    assert_eq!(reason(&phone), Some(EndReason::LeftMessage));
}

#[test]
fn a_greeting_that_never_ends_does_not_hold_the_caller_for_ever() {
    let (mut phone, _) = greeted();
    let due = phone.poll_timeout().expect("a deadline");
    let effects = phone.handle(Input::Timeout, due);
    assert!(effects.contains(&Effect::Record(STREAM, call_id(1), true)));
}

#[test]
fn a_hash_skips_the_greeting() {
    let (mut phone, _) = greeted();
    let hash = Input::Key {
        stream: STREAM,
        digit: '#',
    };
    let effects = phone.handle(hash.clone(), at(21_000));
    let at_hush = effects
        .iter()
        .position(|effect| *effect == Effect::Hush(STREAM));
    let at_beep = effects
        .iter()
        .position(|effect| *effect == Effect::Speak(STREAM, Spoken::Beep));
    assert!(at_hush.is_some() && at_hush < at_beep, "{effects:?}");
    phone.handle(Input::SpeechOver(STREAM), at(22_000));
    let effects = phone.handle(hash, at(23_000));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Speak(..)))
    );
}

#[test]
fn where_nothing_can_be_written_nobody_speaks_in_vain() {
    let (mut phone, _) = speaking();
    phone.handle(Input::RecordingOver(STREAM), at(26_000));
    assert_eq!(reason(&phone), Some(EndReason::Failed));
}

#[test]
fn the_browsers_ring_before_a_message_is_taken_each_for_its_own_time() {
    let mut phone = rung();
    phone.settings.browsers_ring_for = Duration::from_secs(7);
    register(&mut phone, "kitchen", at(10 * MINUTE));
    phone.handle(Input::Timeout, at(20_000));
    phone.handle(down(1, StreamEnd::Stopped), at(20_100));
    let told = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(20_200)));
    assert!(matches!(told, Document::RingBrowsers { .. }));
    assert_eq!(phone.poll_timeout(), Some(at(20_200 + 7_000 + 60_000)));
    let told = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(27_000)));
    let Document::Stream { token, .. } = told else {
        panic!("{told:?}");
    };
    let stream = Input::StreamUp {
        stream: StreamId(2),
        leg: leg(1),
        token,
    };
    let effects = phone.handle(stream, at(27_200));
    assert!(effects.contains(&Effect::Speak(StreamId(2), Spoken::Greeting)));
    // A second refusal is the end.
    let told = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(27_300)));
    assert_eq!(told, Document::HangUp);
}

#[test]
fn unanswered_calls_are_forwarded_and_then_leave_a_message() {
    let mut phone = rung();
    phone.settings.forwarding.no_answer = Some(number("+15145550199"));
    phone.handle(Input::Timeout, at(20_000));
    phone.handle(down(1, StreamEnd::Stopped), at(20_100));
    let told = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(20_200)));
    let Document::DialNumber {
        to,
        caller_id,
        rings_for,
        ..
    } = told
    else {
        panic!("{told:?}");
    };
    assert_eq!(
        (to, caller_id),
        (number("+15145550199"), number("+15145550100"))
    );
    assert_eq!(rings_for, Duration::from_secs(20));
    assert_eq!(phone.views()[0].place, Place::Number);
    let told = answer(&phone.handle(after_dial(1, DialOutcome::Busy), at(27_000)));
    assert!(matches!(told, Document::Stream { .. }));
}

#[test]
fn all_calls_are_forwarded_without_a_bell_and_busy_ones_only_where_the_desk_is_taken() {
    let mut phone = phone_with_voicemail();
    phone.settings.forwarding.always = Some(number("+15145550199"));
    register(&mut phone, "kitchen", at(10 * MINUTE));
    let told = answer(&phone.handle(incoming(1), at(0)));
    assert!(matches!(told, Document::DialNumber { .. }), "{told:?}");

    let mut phone = phone_with_voicemail();
    phone.settings.forwarding.busy = Some(number("+15145550199"));
    phone.settings.call_waiting = false;
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    let told = answer(&phone.handle(incoming(2), at(10)));
    assert!(matches!(told, Document::DialNumber { .. }), "{told:?}");
    let effects = phone.handle(Input::Timeout, at(20_000));
    assert!(
        effects.contains(&Effect::Speak(STREAM, Spoken::Greeting)),
        "the first found it free"
    );
}

#[test]
fn a_quiet_time_keeps_the_bell_still_but_not_the_browsers_and_takes_a_message() {
    let quieted = Caller {
        is_quieted: true,
        ..Caller::default()
    };
    let mut phone = phone_with_voicemail();
    let told = answer(&phone.handle(asks(1, quieted), at(0)));
    assert!(matches!(told, Document::Stream { .. }));
    let effects = phone.handle(up(1), at(0));
    assert!(effects.contains(&Effect::Speak(STREAM, Spoken::Greeting)));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Bell(_)))
    );
    let effects = phone.handle(Input::SpeechOver(STREAM), at(5_000));
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Route(..))),
        "nobody is woken"
    );
    register(&mut phone, "kitchen", at(10 * MINUTE));
    let told = answer(&phone.handle(asks(2, quieted), at(6_000)));
    assert!(matches!(told, Document::RingBrowsers { .. }));
    let told = answer(&phone.handle(asks(3, Caller::default()), at(6_000)));
    assert!(
        matches!(told, Document::Stream { .. }),
        "an exception rings"
    );
}

#[test]
fn who_finds_nothing_that_rings_leaves_a_message_only_where_everybody_may() {
    for (from, speaks) in [
        (MessagesFrom::Nobody, false),
        (MessagesFrom::Unanswered, false),
        (MessagesFrom::Everybody, true),
    ] {
        let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
        phone.settings.voicemail.from = from;
        let told = answer(&phone.handle(incoming(1), at(0)));
        assert_eq!(matches!(told, Document::Stream { .. }), speaks, "{from:?}");
    }
}

#[test]
fn a_message_takes_no_desk_but_a_line() {
    let (mut phone, _) = speaking();
    let told = answer(&phone.handle(incoming(2), at(26_000)));
    assert!(matches!(told, Document::Stream { .. }));
    let effects = phone.handle(up(2), at(26_000));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Bell(Some(_))))
    );

    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    phone.settings.voicemail.from = MessagesFrom::Everybody;
    let lines = u8::try_from(LINES).expect("few");
    for n in 1..=lines {
        let told = answer(&phone.handle(incoming(n), at(0)));
        assert!(matches!(told, Document::Stream { .. }));
        phone.handle(up(n), at(0));
    }
    let told = answer(&phone.handle(incoming(lines + 1), at(0)));
    assert_eq!(told, Document::SayAndHangUp(Phrase::NobodyCanAnswer));
}

#[test]
fn a_call_is_sent_to_voicemail_from_wherever_it_rings() {
    let to_voicemail = || command(1, Command::Move(Target::Voicemail));
    let mut phone = rung();
    let effects = phone.handle(to_voicemail(), at(1_000));
    assert!(effects.contains(&Effect::Speak(STREAM, Spoken::Greeting)));

    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    phone.settings.voicemail = Voicemail::default();
    register(&mut phone, "kitchen", at(10 * MINUTE));
    phone.handle(incoming(1), at(0));
    let effects = phone.handle(to_voicemail(), at(1_000));
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::Redirect(leg(1)))));
    let told = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(1_100)));
    assert!(matches!(told, Document::Stream { .. }));

    let mut phone = self::phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    let effects = phone.handle(to_voicemail(), at(1_000));
    assert!(effects.contains(&Effect::Reply(Err(CommandError::NoVoicemail))));
    phone.settings.voicemail = Voicemail::default();
    phone.handle(desk_dials(2, None), at(2_000));
    phone.handle(placed_as(2, 2), at(2_000));
    phone.handle(up(2), at(2_100));
    let effects = phone.handle(command(2, Command::Move(Target::Voicemail)), at(3_000));
    assert!(
        effects.contains(&Effect::Reply(Err(CommandError::WrongState(
            Stage::Talking
        )))),
        "whom we called leaves no message"
    );
}

#[test]
fn nobody_is_forwarded_to_where_they_call_from_nor_to_our_own_number() {
    for (to, rings) in [
        ("+15145550100", true),
        ("+18199754345", true),
        ("+15145550199", false),
    ] {
        let mut phone = phone_with_voicemail();
        phone.settings.forwarding.always = Some(number(to));
        let told = answer(&phone.handle(incoming(1), at(0)));
        assert_eq!(matches!(told, Document::Stream { .. }), rings, "{to}");
    }
}

#[test]
fn a_webhook_that_comes_twice_ends_nothing_whatever_is_known_of_the_caller_by_then() {
    let mut phone = rung();
    phone.handle(command(1, Command::Answer), at(100));
    let quieted = Caller {
        is_quieted: true,
        ..Caller::default()
    };
    phone.handle(asks(1, quieted), at(200));
    assert_eq!(stage(&phone), Stage::Talking);
}

#[test]
fn a_message_is_not_heard_by_whoever_is_being_moved_away() {
    let (mut phone, _) = speaking();
    register(&mut phone, "kitchen", at(10 * MINUTE));
    phone.handle(incoming(2), at(26_000));
    phone.handle(command(2, Command::HangUp), at(26_000));
    phone.handle(desk_dials(3, None), at(27_000));
    phone.handle(placed_as(3, 3), at(27_000));
    phone.handle(up(3), at(27_100));
    let effects = phone.handle(command(3, Command::Move(Target::Browsers)), at(28_000));
    let heard = |effect: &Effect| matches!(effect, Effect::Route(stream, route) if *stream == STREAM && route.to_speaker);
    assert!(!effects.iter().any(heard), "{effects:?}");
}

#[test]
fn who_was_leaving_a_message_when_the_telephone_is_switched_off_has_left_it() {
    let (mut phone, _) = speaking();
    phone.handle(Input::Stop, at(30_000));
    assert_eq!(reason(&phone), Some(EndReason::LeftMessage));
}

#[test]
fn without_a_microphone_and_a_speaker_a_message_is_taken_only_where_everybody_may_leave_one() {
    for (from, speaks) in [
        (MessagesFrom::Unanswered, false),
        (MessagesFrom::Everybody, true),
    ] {
        let mut phone = phone_with_voicemail();
        phone.settings.voicemail.from = from;
        phone.handle(Input::DeskUsable(false), at(0));
        register(&mut phone, "kitchen", at(10 * MINUTE));
        phone.handle(incoming(1), at(0));
        let told = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(20_000)));
        assert_eq!(matches!(told, Document::Stream { .. }), speaks, "{from:?}");
    }
}
