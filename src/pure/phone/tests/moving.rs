//! A live call is moved: between desk and browsers, to a number, to another call.

use super::*;

fn talk(phone: &mut Phone, n: u8, now: u64) {
    phone.handle(rings_from("+15145550100", n, n), at(now));
    phone.handle(up(n), at(now));
    phone.handle(command(n, Command::Answer), at(now));
}

fn to_number() -> Command {
    Command::Move(Target::Number(number("+15145550123")))
}

fn redirect(n: u8) -> Effect {
    Effect::Carrier(CarrierRequest::Redirect(leg(n)))
}

fn asks(phone: &mut Phone, n: u8, now: u64) -> Document {
    answer(&phone.handle(after_stream(n, LegStatus::InProgress), at(now)))
}

/// Brings up the stream that a document offered.
fn up_with(phone: &mut Phone, n: u8, stream: u64, document: &Document, now: u64) -> Vec<Effect> {
    let Document::Stream { token, .. } = document else {
        panic!("a stream is offered: {document:?}");
    };
    let input = Input::StreamUp {
        stream: StreamId(stream),
        leg: leg(n),
        token: token.clone(),
    };
    phone.handle(input, at(now))
}

#[test]
fn a_call_goes_to_the_browsers_and_back_as_often_as_one_likes() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(100_000_000));
    talk(&mut phone, 1, 0);
    for round in 0..3_u64 {
        let stream = 1 + round;
        let now = 10_000 * (round + 1);
        let effects = phone.handle(command(1, Command::Move(Target::Browsers)), at(now));
        assert!(effects.contains(&redirect(1)));
        assert!(
            !effects
                .iter()
                .any(|e| matches!(e, Effect::Route(..) | Effect::Detach(_))),
            "they go on talking until the carrier takes the call: {effects:?}"
        );
        let effects = phone.handle(
            Input::StreamDown {
                stream: StreamId(stream),
                end: StreamEnd::Stopped,
            },
            at(now + 200),
        );
        assert!(effects.contains(&Effect::Detach(StreamId(stream))));
        let document = asks(&mut phone, 1, now + 210);
        assert!(
            matches!(document, Document::RingBrowsers { .. }),
            "{document:?}"
        );
        phone.handle(child(1, 50, LegStatus::InProgress), at(now + 2_000));
        assert_eq!(phone.views()[0].place, Place::Browser);
        assert_eq!(phone.views()[0].stage, Stage::Talking);
        let effects = phone.handle(command(1, Command::Move(Target::Desk)), at(now + 4_000));
        assert!(effects.contains(&redirect(1)));
        phone.handle(child(1, 50, LegStatus::Completed), at(now + 4_100));
        let document = asks(&mut phone, 1, now + 4_200);
        let effects = up_with(&mut phone, 1, stream + 1, &document, now + 4_400);
        assert!(effects.iter().any(|e| matches!(e, Effect::Admit(..))));
        assert_eq!(phone.views()[0].stage, Stage::Talking);
        assert_eq!(phone.views()[0].place, Place::Desk);
    }
}

#[test]
fn where_nobody_answers_the_call_comes_back_and_rings() {
    for outcome in [
        DialOutcome::NoAnswer,
        DialOutcome::Busy,
        DialOutcome::Failed,
    ] {
        let mut phone = phone();
        talk(&mut phone, 1, 0);
        phone.handle(command(1, to_number()), at(1_000));
        phone.handle(down(1, StreamEnd::Stopped), at(1_200));
        let document = asks(&mut phone, 1, 1_210);
        assert!(matches!(document, Document::DialNumber { .. }));
        assert_eq!(phone.views()[0].place, Place::Number);
        let document = answer(&phone.handle(after_dial(1, outcome), at(9_000)));
        let effects = up_with(&mut phone, 1, 2, &document, 9_300);
        assert!(effects.contains(&Effect::Bell(Some(Country::NorthAmerica))));
        assert_eq!(phone.views()[0].stage, Stage::Ringing);
    }
}

#[test]
fn whoever_hangs_up_on_the_way_is_gone_for_good() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(command(1, to_number()), at(1_000));
    phone.handle(down(1, StreamEnd::Stopped), at(1_200));
    asks(&mut phone, 1, 1_210);
    phone.handle(leg_is(1, LegStatus::Completed), at(3_000));
    let document = answer(&phone.handle(after_dial(1, DialOutcome::Canceled), at(3_010)));
    assert_eq!(document, Document::HangUp);
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
}

#[test]
fn a_carrier_that_does_not_redirect_is_made_to_ask_by_closing_the_stream() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(command(1, to_number()), at(1_000));
    let refused = Input::CarrierDid {
        request: CarrierRequest::Redirect(leg(1)),
        done: false,
    };
    let effects = phone.handle(refused, at(1_500));
    assert!(effects.contains(&Effect::CloseStream(STREAM)));
    phone.handle(down(1, StreamEnd::ClosedByUs), at(1_600));
    assert!(matches!(
        asks(&mut phone, 1, 1_700),
        Document::DialNumber { .. }
    ));
}

#[test]
fn a_call_that_cannot_be_fetched_from_a_browser_stays_there() {
    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    register(&mut phone, "kitchen", at(100_000_000));
    phone.handle(incoming(1), at(0));
    phone.handle(child(1, 50, LegStatus::InProgress), at(1_000));
    phone.handle(command(1, Command::Move(Target::Desk)), at(2_000));
    let refused = Input::CarrierDid {
        request: CarrierRequest::Redirect(leg(1)),
        done: false,
    };
    phone.handle(refused, at(2_500));
    assert_eq!(phone.views()[0].stage, Stage::Talking);
    assert_eq!(phone.views()[0].place, Place::Browser);
    let effects = phone.handle(command(1, Command::Move(Target::Desk)), at(3_000));
    assert!(effects.contains(&redirect(1)), "it can be tried again");
}

#[test]
fn a_call_that_a_browser_dialled_is_fetched_by_the_leg_of_its_far_end() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(100_000_000));
    phone.handle(outgoing("client:kitchen", "+15145550100"), at(0));
    phone.handle(child(9, 50, LegStatus::InProgress), at(1_000));
    let effects = phone.handle(command(9, Command::Move(Target::Desk)), at(2_000));
    assert!(effects.contains(&redirect(50)), "{effects:?}");
    // The browser's own leg is none of the call's any more.
    assert_eq!(
        answer(&phone.handle(after_dial(9, DialOutcome::Completed), at(2_100))),
        Document::HangUp
    );
    let document = asks(&mut phone, 50, 2_200);
    up_with(&mut phone, 50, 7, &document, 2_400);
    assert_eq!(phone.views()[0].stage, Stage::Talking);
    assert_eq!(phone.views()[0].place, Place::Desk);
    // From now on it is a call like any other: to a number, where somebody answers, and back.
    phone.handle(command(9, to_number()), at(3_000));
    phone.handle(down(7, StreamEnd::Stopped), at(3_100));
    asks(&mut phone, 50, 3_200);
    assert_eq!(phone.views()[0].place, Place::Number);
    phone.handle(child(50, 51, LegStatus::InProgress), at(4_000));
    let effects = phone.handle(command(9, Command::Move(Target::Desk)), at(5_000));
    assert!(effects.contains(&redirect(50)), "{effects:?}");
    // Its leg is still told of as the child of the browser's.
    phone.handle(child(9, 50, LegStatus::Completed), at(6_000));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
}

#[test]
fn a_browser_keeps_its_call_where_the_far_end_cannot_be_fetched() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(100_000_000));
    phone.handle(outgoing("client:kitchen", "+15145550100"), at(0));
    phone.handle(child(9, 50, LegStatus::InProgress), at(1_000));
    phone.handle(command(9, Command::Move(Target::Desk)), at(2_000));
    let refused = Input::CarrierDid {
        request: CarrierRequest::Redirect(leg(50)),
        done: false,
    };
    phone.handle(refused, at(2_500));
    assert_eq!(phone.views()[0].place, Place::Browser);
    let document = answer(&phone.handle(after_dial(9, DialOutcome::Completed), at(9_000)));
    assert_eq!(document, Document::HangUp);
    assert_eq!(phone.views()[0].stage, Stage::Ended);
}

#[test]
fn a_call_that_is_fetched_late_comes_all_the_same() {
    for did in [None, Some(true), Some(false)] {
        let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
        register(&mut phone, "kitchen", at(100_000_000));
        phone.handle(incoming(1), at(0));
        phone.handle(child(1, 50, LegStatus::InProgress), at(1_000));
        phone.handle(command(1, Command::Move(Target::Desk)), at(2_000));
        if let Some(done) = did {
            let request = CarrierRequest::Redirect(leg(1));
            phone.handle(Input::CarrierDid { request, done }, at(4_900));
        }
        phone.handle(Input::Timeout, at(5_000));
        let document = asks(&mut phone, 1, 5_200);
        assert!(
            matches!(document, Document::Stream { .. }),
            "{did:?}: {document:?}"
        );
    }
}

#[test]
fn the_desk_never_talks_with_two_who_do_not_hear_each_other() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(incoming(2), at(500));
    phone.handle(up(2), at(600));
    phone.handle(command(1, to_number()), at(1_000));
    let effects = phone.handle(command(2, Command::Answer), at(1_100));
    assert!(
        effects.contains(&Effect::Route(STREAM, Route::default())),
        "{effects:?}"
    );
    // Nor does whoever leaves hear a microphone that was muted meanwhile.
    let mut phone = super::phone();
    register(&mut phone, "kitchen", at(100_000_000));
    talk(&mut phone, 1, 0);
    phone.handle(command(1, Command::Move(Target::Browsers)), at(1_000));
    let effects = phone.handle(command(1, Command::Mute(true)), at(1_100));
    let silent = Route {
        feed: Feed::Silence,
        to_speaker: true,
    };
    assert!(
        effects.contains(&Effect::Route(STREAM, silent)),
        "{effects:?}"
    );
}

#[test]
fn a_call_that_comes_back_is_not_sent_away_for_another_that_rings() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(command(1, to_number()), at(1_000));
    phone.handle(down(1, StreamEnd::Stopped), at(1_100));
    asks(&mut phone, 1, 1_200);
    phone.handle(incoming(2), at(2_000));
    phone.handle(up(2), at(2_100));
    let document = answer(&phone.handle(after_dial(1, DialOutcome::Busy), at(3_000)));
    let effects = up_with(&mut phone, 1, 9, &document, 3_200);
    assert!(
        effects.iter().any(|e| matches!(e, Effect::Admit(..))),
        "{effects:?}"
    );
}

#[test]
fn news_of_where_a_call_was_before_says_nothing_of_where_it_is() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(100_000_000));
    talk(&mut phone, 1, 0);
    phone.handle(command(1, Command::Move(Target::Browsers)), at(1_000));
    phone.handle(down(1, StreamEnd::Stopped), at(1_100));
    asks(&mut phone, 1, 1_200);
    phone.handle(child(1, 50, LegStatus::InProgress), at(2_000));
    phone.handle(command(1, Command::Move(Target::Desk)), at(3_000));
    let document = asks(&mut phone, 1, 3_200);
    up_with(&mut phone, 1, 9, &document, 3_400);
    phone.handle(command(1, to_number()), at(4_000));
    phone.handle(down(9, StreamEnd::Stopped), at(4_100));
    asks(&mut phone, 1, 4_200);
    phone.handle(child(1, 50, LegStatus::Completed), at(4_300));
    assert_eq!(
        phone.views()[0].stage,
        Stage::Ringing,
        "it rings at the number"
    );
}

#[test]
fn a_question_on_the_way_back_that_comes_twice_offers_the_desk_twice() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    phone.handle(command(1, to_number()), at(1_000));
    phone.handle(down(1, StreamEnd::Stopped), at(1_100));
    asks(&mut phone, 1, 1_200);
    let first = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(3_000)));
    let second = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(3_010)));
    assert!(matches!(first, Document::Stream { .. }));
    assert_eq!(first, second);
    let third = asks(&mut phone, 1, 3_020);
    assert!(matches!(third, Document::Stream { .. }), "{third:?}");
}

#[test]
fn whoever_finds_nobody_in_the_conference_comes_back() {
    for joined in [false, true] {
        let mut phone = phone();
        talk(&mut phone, 1, 0);
        consult(&mut phone, 1, 2, 1_000);
        phone.handle(placed_as(2, 2), at(1_100));
        phone.handle(up(2), at(3_000));
        phone.handle(command(1, Command::JoinConsulted), at(9_000));
        phone.handle(down(1, StreamEnd::Stopped), at(9_100));
        if joined {
            assert!(matches!(
                asks(&mut phone, 1, 9_200),
                Document::Conference { .. }
            ));
        }
        let effects = phone.handle(leg_is(2, LegStatus::Completed), at(9_300));
        assert_eq!(effects.contains(&redirect(1)), joined, "{effects:?}");
        let document = asks(&mut phone, 1, 9_400);
        let effects = up_with(&mut phone, 1, 9, &document, 9_600);
        assert!(
            effects.contains(&Effect::Bell(Some(Country::NorthAmerica))),
            "{effects:?}"
        );
    }
}

#[test]
fn a_call_in_a_conference_is_not_fetched_since_that_would_end_it_for_the_other() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    consult(&mut phone, 1, 2, 1_000);
    phone.handle(placed_as(2, 2), at(1_100));
    phone.handle(up(2), at(3_000));
    phone.handle(command(1, Command::JoinConsulted), at(9_000));
    for n in [1, 2] {
        phone.handle(down(n, StreamEnd::Stopped), at(9_100));
        asks(&mut phone, n, 9_200);
    }
    let effects = phone.handle(command(1, Command::Move(Target::Desk)), at(10_000));
    let refused = Effect::Reply(Err(CommandError::WrongState(Stage::Talking)));
    assert_eq!(effects, [refused]);
}

#[test]
fn nobody_is_sent_where_nobody_can_answer() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    let effects = phone.handle(command(1, Command::Move(Target::Browsers)), at(1_000));
    assert_eq!(effects, [Effect::Reply(Err(CommandError::NoBrowser))]);
    let effects = phone.handle(command(1, Command::Move(Target::Desk)), at(1_000));
    let there = Effect::Reply(Err(CommandError::WrongState(Stage::Talking)));
    assert_eq!(effects, [there]);
}

#[test]
fn fetching_a_call_holds_whoever_talks() {
    let mut phone = phone_with(Ring::DeskThenBrowser, AutoAnswer::Off);
    register(&mut phone, "kitchen", at(100_000_000));
    phone.handle(Input::DoNotDisturb(true), at(0));
    phone.handle(incoming(1), at(0));
    phone.handle(child(1, 50, LegStatus::InProgress), at(1_000));
    phone.handle(Input::DoNotDisturb(false), at(1_000));
    talk(&mut phone, 2, 2_000);
    phone.handle(command(1, Command::Move(Target::Desk)), at(3_000));
    let document = asks(&mut phone, 1, 3_100);
    up_with(&mut phone, 1, 9, &document, 3_200);
    let held: Vec<bool> = phone.views().iter().map(|view| view.held).collect();
    assert_eq!(held, [false, true]);
}

fn consult(phone: &mut Phone, for_call: u8, n: u8, now: u64) -> Vec<Effect> {
    let input = Input::Dial {
        to: "+15145550123".to_owned(),
        consults: Some(call_id(for_call)),
        fresh: fresh(n),
    };
    phone.handle(input, at(now))
}

#[test]
fn after_a_word_with_the_other_both_meet_in_a_conference_and_the_desk_is_free() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    consult(&mut phone, 1, 2, 1_000);
    assert!(phone.views()[0].held, "it waits");
    let dialled = Input::CarrierDialled {
        call: call_id(2),
        outcome: Ok(leg(2)),
    };
    phone.handle(dialled, at(1_100));
    let effects = phone.handle(command(1, Command::JoinConsulted), at(1_200));
    assert_eq!(
        effects,
        [Effect::Reply(Err(CommandError::NotConsulted))],
        "nobody has answered yet"
    );
    phone.handle(up(2), at(3_000));
    let effects = phone.handle(command(1, Command::JoinConsulted), at(9_000));
    assert!(effects.contains(&redirect(1)) && effects.contains(&redirect(2)));
    let name = call_id(1);
    for n in [1, 2] {
        phone.handle(down(n, StreamEnd::Stopped), at(9_200));
        let conference = Document::Conference { name: name.clone() };
        assert_eq!(asks(&mut phone, n, 9_210), conference);
        assert_eq!(asks(&mut phone, n, 9_220), conference, "asked twice");
    }
    assert!(
        phone
            .views()
            .iter()
            .all(|view| view.place == Place::Conference)
    );
    assert!(!phone.calls.iter().any(Call::is_at_desk));
    // When one of them hangs up the carrier ends it for both.
    for n in [1, 2] {
        assert_eq!(
            answer(&phone.handle(after_dial(n, DialOutcome::Completed), at(60_000))),
            Document::HangUp
        );
    }
    assert!(phone.views().iter().all(|view| view.stage == Stage::Ended));
}

#[test]
fn where_the_other_does_not_answer_the_first_still_waits_and_can_be_resumed() {
    let mut phone = phone();
    talk(&mut phone, 1, 0);
    consult(&mut phone, 1, 2, 1_000);
    let status = Input::LegIs {
        leg: leg(2),
        call: Some(call_id(2)),
        status: LegStatus::NoAnswer,
    };
    phone.handle(status, at(30_000));
    assert_eq!(phone.views()[1].end_reason, Some(EndReason::NotAnswered));
    assert!(phone.views()[0].held);
    phone.handle(command(1, Command::Resume), at(31_000));
    assert!(!phone.views()[0].held);
}

#[test]
fn nobody_is_consulted_for_a_call_that_is_not_at_the_desk() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    let effects = consult(&mut phone, 1, 2, 0);
    let why = DialError::WrongState(Stage::Connecting);
    assert_eq!(effects, [Effect::Dialled(call_id(2), Err(why))]);
}
