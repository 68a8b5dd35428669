//! What the carrier says late, twice, out of order or of another call, and what is asked of a phone that is being stopped.

use super::*;

#[test]
fn a_webhook_with_another_caller_or_after_the_stream_is_another_call() {
    let mut phone = phone();
    let Document::Stream { token: first, .. } = answer(&phone.handle(incoming(1), at(0))) else {
        panic!("the desk is offered a stream");
    };
    let Document::Stream { token: second, .. } =
        answer(&phone.handle(rings_from("+15145550111", 1, 2), at(10)))
    else {
        panic!("the desk is offered a stream");
    };
    assert_ne!(first, second, "another caller");
    phone.handle(
        Input::StreamUp {
            stream: STREAM,
            leg: leg(1),
            token: second,
        },
        at(20),
    );
    phone.handle(down(1, StreamEnd::Stopped), at(30));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
    let Document::Stream { token: third, .. } =
        answer(&phone.handle(rings_from("+15145550111", 1, 3), at(40)))
    else {
        panic!("the desk is offered a stream");
    };
    assert_eq!(third, token(3), "a dead token is never handed out");
    assert_eq!(phone.views().len(), 1);
}

#[test]
fn a_browser_that_comes_after_a_caller_was_turned_away_rings_for_the_same_name() {
    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    assert_eq!(
        answer(&phone.handle(incoming(1), at(0))),
        Document::SayAndHangUp(Phrase::NobodyCanAnswer)
    );
    register(&mut phone, "kitchen", at(1_000_000));
    let document = answer(&phone.handle(rings_from("+15145550100", 1, 2), at(10)));
    assert!(
        matches!(document, Document::RingBrowsers { .. }),
        "{document:?}"
    );
    assert_eq!(
        answer(&phone.handle(rings_from("+15145550100", 1, 3), at(20))),
        document,
        "repeated while they ring"
    );
}

#[test]
fn a_question_that_comes_twice_does_not_hang_up_a_caller_who_waits() {
    for registered in [true, false] {
        let mut phone = phone();
        if registered {
            register(&mut phone, "kitchen", at(1_000_000));
        }
        phone.handle(incoming(1), at(0));
        phone.handle(up(1), at(0));
        phone.handle(down(1, StreamEnd::Lost), at(100));
        let asks = || after_stream(1, LegStatus::InProgress);
        let first = answer(&phone.handle(asks(), at(200)));
        let second = answer(&phone.handle(asks(), at(300)));
        assert_eq!(first, second);
        assert_ne!(first, Document::HangUp);
    }
}

#[test]
fn a_question_that_comes_late_still_leads_to_the_next_stage() {
    let lost = || vec![(0, up(1)), (1, down(1, StreamEnd::Lost))];
    let not_answered = || vec![(0, up(1)), (20_000, Input::Timeout)];
    let failed = Vec::new;
    for (inputs, reason) in [
        (lost(), EndReason::StreamLost),
        (not_answered(), EndReason::NotAnswered),
        (failed(), EndReason::Failed),
    ] {
        let mut phone = phone();
        register(&mut phone, "kitchen", at(1_000_000));
        phone.handle(incoming(1), at(0));
        for (ms, input) in inputs {
            phone.handle(input, at(ms));
        }
        let mut now = at(0);
        while !phone.calls[0].is_over() {
            now = phone.calls[0].deadline();
            phone.handle(Input::Timeout, now);
        }
        assert_eq!(phone.views()[0].end_reason, Some(reason));
        let document = answer(&phone.handle(
            after_stream(1, LegStatus::InProgress),
            now + Duration::from_secs(5),
        ));
        assert!(
            matches!(document, Document::RingBrowsers { .. }),
            "{reason:?}: {document:?}"
        );
    }
}

#[test]
fn the_carrier_has_twenty_seconds_to_ask_after_a_stream_that_we_ended() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    phone.handle(Input::Timeout, at(20_000));
    phone.handle(down(1, StreamEnd::Stopped), at(20_100));
    assert_eq!(phone.poll_timeout(), Some(at(40_100)));
}

#[test]
fn a_ringing_call_whose_stream_is_lost_is_over_within_a_second() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    phone.handle(down(1, StreamEnd::Lost), at(100));
    let due = phone.poll_timeout().expect("the call is awaited");
    assert!(due <= at(900), "with room for a busy machine: {due:?}");
}

#[test]
fn a_hang_up_that_the_carrier_does_not_carry_out_can_be_tried_again() {
    let in_browser = || {
        let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
        register(&mut phone, "kitchen", at(1_000_000));
        phone.handle(incoming(1), at(0));
        phone.handle(child(1, 50, LegStatus::InProgress), at(100));
        let effects = phone.handle(command(1, Command::HangUp), at(200));
        assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(1)))));
        assert_eq!(phone.views()[0].end_reason, None, "it is not done yet");
        phone
    };
    let mut refused = in_browser();
    refused.handle(ended(1, false), at(300));
    let mut silent = in_browser();
    silent.handle(Input::Timeout, at(3_200));
    for mut phone in [refused, silent] {
        assert_eq!(phone.views()[0].stage, Stage::Talking);
        let effects = phone.handle(command(1, Command::HangUp), at(4_000));
        assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(1)))));
        phone.handle(ended(1, true), at(4_100));
        assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpHere));
    }
    let mut late = in_browser();
    late.handle(Input::Timeout, at(3_200));
    late.handle(ended(1, true), at(3_300));
    assert_eq!(late.views()[0].end_reason, Some(EndReason::HungUpHere));
}

#[test]
fn a_call_elsewhere_does_not_outlive_what_the_carrier_tells_of_it() {
    let begin = || {
        let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
        register(&mut phone, "kitchen", at(1_000_000));
        phone.handle(incoming(1), at(0));
        phone
    };
    let over_after = |phone: &mut Phone, limit: u64, reason| {
        let due = phone.calls[0].deadline();
        assert!(due <= at(limit), "{due:?}");
        phone.handle(Input::Timeout, due);
        assert_eq!(phone.views()[0].end_reason, Some(reason));
    };
    let mut never_answered = begin();
    over_after(&mut never_answered, 80_000, EndReason::NotAnswered);

    let mut dialled_by_hand = phone();
    dialled_by_hand.handle(dials(1), at(0));
    over_after(&mut dialled_by_hand, 120_000, EndReason::NotAnswered);

    let mut hung_up = begin();
    hung_up.handle(child(1, 50, LegStatus::InProgress), at(1_000));
    assert!(hung_up.calls[0].deadline() > at(4 * 3_600_000));
    hung_up.handle(child(1, 50, LegStatus::Completed), at(2_000));
    over_after(&mut hung_up, 17_000, EndReason::HungUpThere);
}

#[test]
fn statuses_that_overtake_each_other_take_no_call_back() {
    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    register(&mut phone, "kitchen", at(1_000_000));
    phone.handle(incoming(1), at(0));
    phone.handle(child(1, 50, LegStatus::InProgress), at(1_000));
    for status in [LegStatus::Ringing, LegStatus::Queued, LegStatus::NoAnswer] {
        phone.handle(child(1, 50, status), at(1_100));
    }
    // Another browser's leg is no part of the call.
    phone.handle(child(1, 51, LegStatus::Completed), at(1_200));
    assert_eq!(phone.views()[0].stage, Stage::Talking);
    assert!(phone.calls[0].deadline() > at(4 * 3_600_000));

    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    register(&mut phone, "kitchen", at(1_000_000));
    phone.handle(incoming(1), at(0));
    phone.handle(child(1, 50, LegStatus::Completed), at(1_000));
    let due = phone.calls[0].deadline();
    phone.handle(child(1, 50, LegStatus::InProgress), at(1_100));
    assert_eq!(phone.calls[0].deadline(), due, "answered, and over");
    phone.handle(leg_is(1, LegStatus::Completed), at(1_200));
    phone.handle(leg_is(1, LegStatus::InProgress), at(1_300));
    assert_eq!(phone.views()[0].stage, Stage::Ended);
}

#[test]
fn a_question_that_overtakes_the_end_of_its_stream_closes_it() {
    let asks = [
        after_stream(1, LegStatus::InProgress),
        after_stream(1, LegStatus::Completed),
    ];
    for ask in asks {
        for answered in [true, false] {
            let mut phone = phone();
            phone.handle(incoming(1), at(0));
            phone.handle(up(1), at(0));
            if answered {
                phone.handle(command(1, Command::Answer), at(100));
            }
            let effects = phone.handle(ask.clone(), at(200));
            assert!(
                effects.contains(&Effect::CloseStream(STREAM)),
                "{effects:?}"
            );
        }
    }
}

#[test]
fn a_leg_that_is_unknown_since_a_restart_hears_a_word_before_it_ends() {
    let sorry = Document::SayAndHangUp(Phrase::NobodyCanAnswer);
    for (ask, expected) in [
        (after_stream(1, LegStatus::InProgress), &sorry),
        (after_stream(1, LegStatus::Completed), &Document::HangUp),
        (after_dial(1, DialOutcome::NoAnswer), &sorry),
        (after_dial(1, DialOutcome::Failed), &sorry),
        (after_dial(1, DialOutcome::Completed), &Document::HangUp),
    ] {
        assert_eq!(answer(&phone().handle(ask, at(0))), *expected);
    }
}

#[test]
fn a_phone_that_is_switched_off_hangs_up_and_lets_nobody_in() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(1_000_000));
    phone.handle(incoming(1), at(0));
    phone.handle(incoming(2), at(0));
    phone.handle(up(1), at(0));
    phone.handle(command(1, Command::Answer), at(100));
    let effects = phone.handle(Input::Stop, at(200));
    for n in [1, 2] {
        assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(n)))));
    }
    assert_eq!(
        phone.handle(up(2), at(300)),
        [Effect::Refuse(StreamId(2), StreamRefusal::Stopping)]
    );
    assert_eq!(
        answer(&phone.handle(incoming(3), at(300))),
        Document::SayAndHangUp(Phrase::NobodyCanAnswer)
    );
    assert_eq!(
        answer(&phone.handle(dials(4), at(300))),
        Document::SayAndHangUp(Phrase::CouldNotBeReached)
    );
    phone.handle(down(1, StreamEnd::Stopped), at(400));
    assert_eq!(
        answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(500))),
        Document::HangUp
    );
}
