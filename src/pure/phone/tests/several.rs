//! Several calls at once: waiting, held, muted, turned away.

use super::*;
use crate::pure::audio::tone::Progress;
use crate::pure::keys::Keys;

fn talk(phone: &mut Phone, n: u8, now: u64) -> Vec<Effect> {
    phone.handle(rings_from("+15145550100", n, n), at(now));
    phone.handle(up(n), at(now));
    phone.handle(command(n, Command::Answer), at(now))
}

fn view(phone: &Phone, n: u8) -> CallView {
    let views = phone.views();
    let found = views.into_iter().find(|view| view.id == call_id(n));
    found.expect("it is known")
}

fn route(n: u8, feed: Feed, to_speaker: bool) -> Effect {
    Effect::Route(StreamId(u64::from(n)), Route { feed, to_speaker })
}

#[test]
fn a_second_caller_waits_with_a_tone_in_the_ear_and_answering_holds_the_first() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(incoming(2), at(1_000));
    let effects = phone.handle(up(2), at(1_100));
    assert!(effects.contains(&Effect::Progress(Some(Progress::CallWaiting))));
    assert!(
        !effects.iter().any(|e| matches!(e, Effect::Bell(_))),
        "no bell over a talk: {effects:?}"
    );
    let effects = phone.handle(command(2, Command::Answer), at(2_000));
    assert!(effects.contains(&Effect::Progress(None)));
    assert!(view(&phone, 1).held && !view(&phone, 2).held);
    let effects = phone.handle(command(1, Command::Resume), at(3_000));
    assert!(effects.contains(&route(1, Feed::Desk, true)), "{effects:?}");
    assert!(!view(&phone, 1).held && view(&phone, 2).held);
}

#[test]
fn a_second_caller_rings_in_the_browsers_where_there_are_any() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(100_000_000));
    talk(&mut phone, 1, 0);
    assert!(matches!(
        answer(&phone.handle(incoming(2), at(1_000))),
        Document::RingBrowsers { .. }
    ));
}

#[test]
fn whoever_was_sent_to_a_free_desk_and_finds_it_taken_is_sent_on() {
    let mut phone = phone_with(Ring::Desk, AutoAnswer::After(Duration::ZERO));
    phone.handle(incoming(1), at(0));
    phone.handle(incoming(2), at(0));
    phone.handle(up(1), at(100));
    assert_eq!(view(&phone, 1).stage, Stage::Talking);
    let refused = [Effect::Refuse(StreamId(2), StreamRefusal::DeskTaken)];
    assert_eq!(phone.handle(up(2), at(200)), refused);
}

#[test]
fn when_the_talk_is_over_whoever_waits_rings_aloud() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(incoming(2), at(1_000));
    phone.handle(up(2), at(1_100));
    let effects = phone.handle(command(1, Command::HangUp), at(2_000));
    assert!(effects.contains(&Effect::Bell(Some(Country::NorthAmerica))));
    assert!(effects.contains(&Effect::Progress(None)));
}

#[test]
fn ten_calls_hold_their_streams_and_only_one_talks() {
    let mut phone = phone();
    for n in 1..=10 {
        talk(&mut phone, n, u64::from(n) * 1_000);
    }
    let views = phone.views();
    assert_eq!(
        views.iter().filter(|view| view.stream.is_some()).count(),
        10
    );
    assert_eq!(views.iter().filter(|view| view.held).count(), 9);
    assert!(!view(&phone, 10).held);
}

#[test]
fn without_call_waiting_a_desk_that_talks_is_taken() {
    let mut phone = phone();
    phone.settings.call_waiting = false;
    talk(&mut phone, 1, 0);
    assert_eq!(
        answer(&phone.handle(incoming(2), at(1_000))),
        Document::SayAndHangUp(Phrase::NobodyCanAnswer)
    );
}

#[test]
fn the_desk_answers_nobody_by_itself_while_it_talks_or_dials() {
    let mut phone = phone_with(Ring::Desk, AutoAnswer::After(Duration::ZERO));
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    assert_eq!(view(&phone, 1).stage, Stage::Talking);
    phone.handle(incoming(2), at(1_000));
    phone.handle(up(2), at(1_000));
    assert_eq!(view(&phone, 2).stage, Stage::Ringing);
    // Nor where somebody picked up another call while it counted.
    let mut phone = phone_with(Ring::Desk, AutoAnswer::After(Duration::from_secs(3)));
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    let dial = Input::Dial {
        to: "+15145550100".to_owned(),
        consults: None,
        fresh: fresh(2),
    };
    phone.handle(dial, at(1_000));
    phone.handle(Input::Timeout, at(3_000));
    assert_eq!(view(&phone, 1).stage, Stage::Ringing, "it dials");
    assert!(phone.poll_timeout() > Some(at(3_000)));
}

#[test]
fn a_tone_at_the_end_of_one_call_keeps_nobody_else_out() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    let effects = phone.handle(down(1, StreamEnd::Stopped), at(1_000));
    assert!(effects.contains(&Effect::CallEnded(Progress::Busy)));
    assert!(matches!(
        answer(&phone.handle(incoming(2), at(1_001))),
        Document::Stream { .. }
    ));
}

#[test]
fn of_a_held_call_that_ends_nothing_is_heard() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    talk(&mut phone, 2, 1_000);
    let effects = phone.handle(down(1, StreamEnd::Stopped), at(2_000));
    assert!(!effects.iter().any(|e| matches!(e, Effect::CallEnded(_))));
    assert!(!view(&phone, 2).held);
}

#[test]
fn hold_and_mute_change_what_the_far_end_hears_and_are_remembered() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    let effects = phone.handle(command(1, Command::Mute(true)), at(1_000));
    assert!(effects.contains(&route(1, Feed::Silence, true)));
    assert!(view(&phone, 1).muted);
    let effects = phone.handle(command(1, Command::Hold), at(2_000));
    assert!(effects.contains(&route(1, Feed::Hold, false)));
    let effects = phone.handle(command(1, Command::Resume), at(3_000));
    assert!(
        effects.contains(&route(1, Feed::Silence, true)),
        "still muted"
    );
    let effects = phone.handle(command(1, Command::Mute(false)), at(4_000));
    assert!(effects.contains(&route(1, Feed::Desk, true)));
    let effects = phone.handle(command(1, Command::Mute(false)), at(5_000));
    assert_eq!(effects.len(), 1, "nothing changes: {effects:?}");
}

#[test]
fn a_call_that_is_turned_away_rings_nowhere_else() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(3_600_000));
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    let effects = phone.handle(command(1, Command::Reject), at(1_000));
    assert!(effects.contains(&Effect::Bell(None)));
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::Redirect(leg(1)))));
    assert_eq!(
        answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(1_200))),
        Document::SayAndHangUp(Phrase::NobodyCanAnswer)
    );
    assert_eq!(view(&phone, 1).end_reason, Some(EndReason::Rejected));
}

#[test]
fn settings_that_change_hold_for_the_next_decision_and_undo_none() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    let settings = PhoneSettings {
        ring: Ring::Browser,
        ..phone.settings.clone()
    };
    let effects = phone.handle(Input::Settings(Box::new(settings)), at(100));
    assert_eq!(effects, [], "whoever rings goes on ringing");
    assert_eq!(view(&phone, 1).stage, Stage::Ringing);
    register(&mut phone, "kitchen", at(3_600_000));
    assert!(matches!(
        answer(&phone.handle(incoming(2), at(200))),
        Document::RingBrowsers { .. }
    ));
}

#[test]
fn a_desk_that_is_not_to_be_disturbed_does_not_ring_but_the_browsers_do() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(3_600_000));
    phone.handle(Input::DoNotDisturb(true), at(0));
    assert!(matches!(
        answer(&phone.handle(incoming(1), at(0))),
        Document::RingBrowsers { .. }
    ));
    phone.handle(Input::DoNotDisturb(false), at(0));
    assert!(matches!(
        answer(&phone.handle(incoming(2), at(0))),
        Document::Stream { .. }
    ));
    // Whoever rings when it is wanted rings elsewhere from then on.
    phone.handle(up(2), at(100));
    let effects = phone.handle(Input::DoNotDisturb(true), at(200));
    assert!(effects.contains(&Effect::Bell(None)), "{effects:?}");
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::Redirect(leg(2)))));
}

#[test]
fn a_call_is_hung_up_when_it_has_lasted_as_long_as_it_may() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    let longest = at(4 * 3_600_000);
    assert_eq!(phone.poll_timeout(), Some(longest));
    let effects = phone.handle(Input::Timeout, longest);
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(1)))));
    assert_eq!(view(&phone, 1).end_reason, Some(EndReason::TooLong));
}

#[test]
fn keys_go_to_the_far_end_of_an_answered_call_only() {
    let mut phone = phone();
    let keys = Keys::parse("12").expect("keys");
    talk(&mut phone, 1, 0);
    let effects = phone.handle(command(1, Command::Keys(keys.clone())), at(1));
    assert!(effects.contains(&Effect::Keys(STREAM, keys.clone())));
    phone.handle(incoming(2), at(2));
    phone.handle(up(2), at(2));
    let effects = phone.handle(command(2, Command::Keys(keys)), at(3));
    let refused = Effect::Reply(Err(CommandError::WrongState(Stage::Ringing)));
    assert_eq!(effects, [refused]);
}

#[test]
fn two_calls_meet_at_the_desk_and_part_again() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    talk(&mut phone, 2, 1_000);
    let meeting = Feed::Meeting { desk: true };
    let effects = phone.handle(command(2, Command::Merge(call_id(1))), at(2_000));
    assert!(effects.contains(&route(1, meeting, true)), "{effects:?}");
    assert!(effects.contains(&route(2, meeting, true)));
    assert!(view(&phone, 1).merged && !view(&phone, 1).held);
    // A third joins, and the microphone is muted towards one.
    talk(&mut phone, 3, 3_000);
    assert!(
        view(&phone, 1).held && view(&phone, 2).held,
        "they wait together"
    );
    phone.handle(command(1, Command::Merge(call_id(2))), at(4_000));
    assert!(view(&phone, 3).held, "whoever talked apart waits");
    phone.handle(command(1, Command::Merge(call_id(3))), at(5_000));
    assert!([1, 2, 3].iter().all(|n| view(&phone, *n).merged));
    let effects = phone.handle(command(1, Command::Mute(true)), at(6_000));
    for n in [1, 2, 3] {
        let muted = route(n, Feed::Meeting { desk: false }, true);
        assert!(effects.contains(&muted), "all whom it meets: {effects:?}");
    }
    phone.handle(command(1, Command::Mute(false)), at(6_500));
    // One is held, one hangs up: a talk is left.
    phone.handle(command(1, Command::Hold), at(7_000));
    assert!(view(&phone, 1).held && view(&phone, 2).merged);
    let effects = phone.handle(down(3, StreamEnd::Stopped), at(8_000));
    assert!(effects.contains(&route(2, Feed::Desk, true)), "{effects:?}");
    assert!(!view(&phone, 2).merged);
}

#[test]
fn a_call_meets_only_others_that_were_answered() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(incoming(2), at(1_000));
    phone.handle(up(2), at(1_000));
    let refused = |why| [Effect::Reply(Err(why))];
    let effects = phone.handle(command(1, Command::Merge(call_id(2))), at(2_000));
    assert_eq!(effects, refused(CommandError::WrongState(Stage::Ringing)));
    let effects = phone.handle(command(1, Command::Merge(call_id(1))), at(2_000));
    assert_eq!(effects, refused(CommandError::NoSuchCall));
}

fn known_rings(n: u8, caller: Caller) -> Input {
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
fn whoever_is_blocked_is_not_answered_and_stands_in_the_list_of_calls() {
    let mut phone = phone();
    let blocked = Caller {
        is_blocked: true,
        ..Caller::default()
    };
    let effects = phone.handle(known_rings(1, blocked), at(0));
    assert_eq!(answer(&effects), Document::Reject);
    assert_eq!(view(&phone, 1).end_reason, Some(EndReason::Blocked));
    // The carrier may ask again before it hears the answer.
    let effects = phone.handle(known_rings(1, blocked), at(10));
    assert_eq!(answer(&effects), Document::Reject);
}

#[test]
fn a_caller_whom_the_desk_answers_by_itself_is_answered_at_once_unless_somebody_talks() {
    let mut phone = phone();
    let caller = Caller {
        is_answered: true,
        ..Caller::default()
    };
    phone.handle(known_rings(1, caller), at(0));
    let effects = phone.handle(up(1), at(100));
    assert!(effects.contains(&Effect::Beep), "{effects:?}");
    assert_eq!(view(&phone, 1).stage, Stage::Talking);
    phone.handle(known_rings(2, caller), at(1_000));
    phone.handle(up(2), at(1_100));
    assert_eq!(view(&phone, 2).stage, Stage::Ringing);
}
