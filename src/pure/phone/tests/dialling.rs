//! The desk dials.

use super::*;
use crate::pure::audio::tone::Progress;
use crate::pure::keys::Keys;

fn dial(phone: &mut Phone, n: u8, to: &str, now: u64) -> Vec<Effect> {
    let input = Input::Dial {
        to: to.to_owned(),
        consults: None,
        fresh: fresh(n),
    };
    phone.handle(input, at(now))
}

fn placed(n: u8) -> Input {
    Input::CarrierDialled {
        call: call_id(n),
        outcome: Ok(leg(n)),
    }
}

fn refused(n: u8) -> Input {
    Input::CarrierDialled {
        call: call_id(n),
        outcome: Err(refusal()),
    }
}

fn refusal() -> DialRefusal {
    DialRefusal {
        code: "geo_permission",
        message: "no".to_owned(),
        tone: Progress::Unobtainable,
    }
}

fn end_of(n: u8) -> Effect {
    Effect::Carrier(CarrierRequest::End(leg(n)))
}

fn dialled(effects: &[Effect]) -> Option<&Result<CallView, DialError>> {
    let mut told = effects.iter().filter_map(|effect| {
        if let Effect::Dialled(_, outcome) = effect {
            Some(outcome)
        } else {
            None
        }
    });
    let first = told.next();
    assert!(told.next().is_none(), "told once: {effects:?}");
    first
}

#[test]
fn a_number_is_dialled_rings_is_answered_and_talks_with_its_stream() {
    let mut phone = phone();
    let effects = dial(&mut phone, 1, "+15145550100", 0);
    assert!(effects.contains(&Effect::CarrierDials {
        call: call_id(1),
        to: number("+15145550100"),
        caller_id: number("+18199754345"),
        token: token(1),
    }));
    assert_eq!(dialled(&effects), None, "it is not known yet");
    assert_eq!(phone.views()[0].leg, None);
    let effects = phone.handle(placed(1), at(300));
    assert!(matches!(dialled(&effects), Some(Ok(call)) if call.leg == Some(leg(1))));
    assert_eq!(phone.views()[0].stage, Stage::Dialing);
    let effects = phone.handle(leg_is(1, LegStatus::Ringing), at(1_000));
    assert!(effects.contains(&Effect::Progress(Some(Progress::Ringback))));
    phone.handle(leg_is(1, LegStatus::InProgress), at(3_000));
    assert_eq!(phone.views()[0].stage, Stage::Connecting);
    let effects = phone.handle(up(1), at(3_200));
    let talking = Route {
        feed: Feed::Desk,
        to_speaker: true,
    };
    assert!(effects.contains(&Effect::Admit(STREAM, call_id(1), talking)));
    assert!(effects.contains(&Effect::DeskAnswered));
    assert_eq!(phone.views()[0].stage, Stage::Talking);
    phone.handle(down(1, StreamEnd::Stopped), at(9_000));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
}

#[test]
fn ringing_stops_in_the_ear_when_somebody_answers() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    phone.handle(placed(1), at(1));
    phone.handle(leg_is(1, LegStatus::Ringing), at(2));
    let effects = phone.handle(up(1), at(3));
    assert!(effects.contains(&Effect::Progress(None)), "{effects:?}");
}

#[test]
fn what_may_not_be_dialled_never_reaches_the_carrier() {
    let mut phone = phone();
    for (to, why) in [
        ("911", DialError::Destination(Phrase::EmergencyRefused)),
        (
            "+19005550100",
            DialError::Destination(Phrase::DestinationNotAllowed),
        ),
        ("hello", DialError::Destination(Phrase::NotANumber)),
        ("client:kitchen", DialError::Destination(Phrase::NotANumber)),
        (
            "+15145550100,x",
            DialError::Keys(crate::pure::keys::NoKeys::Sign('x')),
        ),
    ] {
        let effects = dial(&mut phone, 1, to, 0);
        assert_eq!(effects, [Effect::Dialled(call_id(1), Err(why))], "{to}");
    }
    phone.handle(Input::DeskUsable(false), at(0));
    let effects = dial(&mut phone, 1, "+15145550100", 0);
    assert_eq!(dialled(&effects), Some(&Err(DialError::NoDesk)));
    phone.handle(Input::Stop, at(0));
    let effects = dial(&mut phone, 1, "+15145550100", 0);
    assert_eq!(dialled(&effects), Some(&Err(DialError::Stopping)));
    assert!(phone.views().is_empty());
}

#[test]
fn a_refusal_is_told_and_heard() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    let effects = phone.handle(refused(1), at(500));
    assert_eq!(dialled(&effects), Some(&Err(DialError::Carrier(refusal()))));
    assert!(effects.contains(&Effect::CallEnded(Progress::Unobtainable)));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::Failed));
}

#[test]
fn busy_no_answer_and_failure_end_it_with_their_tones() {
    for (status, reason, tone) in [
        (LegStatus::Busy, EndReason::Busy, Progress::Busy),
        (
            LegStatus::NoAnswer,
            EndReason::NotAnswered,
            Progress::Congestion,
        ),
        (LegStatus::Failed, EndReason::Failed, Progress::Congestion),
    ] {
        let mut phone = phone();
        dial(&mut phone, 1, "+15145550100", 0);
        phone.handle(placed(1), at(1));
        let effects = phone.handle(leg_is(1, status), at(5_000));
        assert!(effects.contains(&Effect::CallEnded(tone)), "{status:?}");
        assert_eq!(phone.views()[0].end_reason, Some(reason));
    }
}

#[test]
fn hung_up_before_the_carrier_has_named_a_leg_it_is_ended_once_it_has() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    let effects = phone.handle(command(1, Command::HangUp), at(100));
    assert!(!effects.contains(&end_of(1)), "nobody knows its name");
    let effects = phone.handle(placed(1), at(400));
    assert!(effects.contains(&end_of(1)));
    assert_eq!(dialled(&effects), Some(&Err(DialError::HungUp)));
    phone.handle(ended(1, true), at(500));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpHere));
}

#[test]
fn hung_up_while_it_rings_it_is_ended_at_the_carrier() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    phone.handle(placed(1), at(1));
    phone.handle(leg_is(1, LegStatus::Ringing), at(2));
    let effects = phone.handle(command(1, Command::HangUp), at(3_000));
    assert!(effects.contains(&end_of(1)));
    assert!(effects.contains(&Effect::Progress(None)));
    // Whoever answers in that moment is turned away.
    let effects = phone.handle(up(1), at(3_100));
    assert_eq!(effects, [Effect::Refuse(STREAM, StreamRefusal::BadToken)]);
}

#[test]
fn a_carrier_that_says_nothing_is_not_waited_for_and_what_it_made_is_ended() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    let due = phone.poll_timeout().expect("it is awaited");
    assert!(due <= at(15_000), "whoever dialled hears within 15 s");
    let effects = phone.handle(Input::Timeout, due);
    assert!(matches!(
        dialled(&effects),
        Some(Err(DialError::Carrier(why))) if why.code == "carrier_silent"
    ));
    let effects = phone.handle(placed(1), at(20_000));
    assert!(effects.contains(&end_of(1)), "{effects:?}");
    // Even where the call is forgotten.
    let mut phone = super::phone();
    assert_eq!(phone.handle(placed(1), at(0)), [end_of(1)]);
}

#[test]
fn a_status_or_a_stream_may_name_the_leg_before_the_answer_does() {
    let status = Input::LegIs {
        leg: leg(1),
        call: Some(call_id(1)),
        status: LegStatus::Ringing,
    };
    for first in [status, up(1)] {
        let mut phone = phone();
        dial(&mut phone, 1, "+15145550100", 0);
        let effects = phone.handle(first, at(100));
        assert!(matches!(dialled(&effects), Some(Ok(_))), "{effects:?}");
        let before = phone.views();
        let effects = phone.handle(placed(1), at(200));
        assert_eq!(effects, [], "it says nothing new");
        assert_eq!(phone.views(), before);
        let effects = phone.handle(refused(1), at(300));
        assert_eq!(effects, [], "it is there");
    }
}

#[test]
fn a_second_leg_for_one_wish_is_ended() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    phone.handle(placed(1), at(1));
    let second = |status| Input::LegIs {
        leg: leg(2),
        call: Some(call_id(1)),
        status,
    };
    let effects = phone.handle(second(LegStatus::Ringing), at(100));
    assert_eq!(effects, [end_of(2)]);
    assert_eq!(phone.handle(second(LegStatus::Completed), at(200)), []);
    assert_eq!(phone.views()[0].leg, Some(leg(1)));
    // Also where it is the answer that names it.
    assert_eq!(phone.handle(placed_as(1, 3), at(300)), [end_of(3)]);
}

#[test]
fn a_leg_of_another_call_is_not_taken_for_this_ones() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    dial(&mut phone, 2, "+15145550100", 100);
    phone.handle(placed_as(2, 2), at(200));
    let effects = phone.handle(placed_as(1, 2), at(300));
    assert!(matches!(
        dialled(&effects),
        Some(Err(DialError::Carrier(why))) if why.code == "carrier_silent"
    ));
    phone.handle(command(1, Command::HangUp), at(400));
    assert_eq!(phone.views()[1].stage, Stage::Dialing);
}

#[test]
fn the_stream_of_a_dialled_call_needs_its_token() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    let wrong = Input::StreamUp {
        stream: STREAM,
        leg: leg(1),
        token: token(9),
    };
    let refused = [Effect::Refuse(STREAM, StreamRefusal::BadToken)];
    assert_eq!(phone.handle(wrong.clone(), at(1)), refused);
    phone.handle(placed(1), at(2));
    assert_eq!(phone.handle(wrong, at(3)), refused);
    // Long after a token of a document would be too old: it is as good as the far end is patient.
    let effects = phone.handle(up(1), at(65_000));
    assert!(effects.iter().any(|e| matches!(e, Effect::Admit(..))));
}

#[test]
fn nobody_who_answers_is_left_without_a_stream_for_long() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100", 0);
    phone.handle(placed(1), at(1));
    phone.handle(leg_is(1, LegStatus::InProgress), at(1_000));
    let effects = phone.handle(Input::Timeout, at(16_000));
    assert!(effects.contains(&end_of(1)));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::Failed));
}

#[test]
fn keys_behind_the_number_are_sent_once_somebody_answers_and_those_behind_a_stop_when_told() {
    let mut phone = phone();
    dial(&mut phone, 1, "+15145550100,,12;34", 0);
    phone.handle(placed(1), at(1));
    let keys = |text| Effect::Keys(STREAM, Keys::parse(text).expect("keys"));
    let effects = phone.handle(up(1), at(1_000));
    let place = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted);
    let admitted = place(&|effect| matches!(effect, Effect::Admit(..)));
    let sent = place(&|effect| *effect == keys(",,12"));
    assert!(admitted.is_some() && admitted < sent, "{effects:?}");
    let effects = phone.handle(command(1, Command::KeysGoOn), at(2_000));
    assert!(effects.contains(&keys("34")));
    let effects = phone.handle(command(1, Command::KeysGoOn), at(3_000));
    let none_left = Effect::Reply(Err(CommandError::NoKeysLeft));
    assert_eq!(effects, [none_left]);
}

#[test]
fn lines_are_many_and_not_endless() {
    let mut phone = phone();
    for n in 0..u8::try_from(LINES).expect("few") {
        dial(&mut phone, n, "+15145550100", 0);
    }
    let effects = dial(&mut phone, 99, "+15145550100", 0);
    assert_eq!(dialled(&effects), Some(&Err(DialError::NoLine)));
}
