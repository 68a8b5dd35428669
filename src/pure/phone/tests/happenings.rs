//! What the log of events tells, and why each thing happened.

use super::*;

/// Returns what was logged of whom, in the log's own order.
fn logged(effects: Vec<Effect>) -> Vec<(Option<CallId>, Happening, Reason)> {
    effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Event(call, happening, reason) => Some((call, happening, reason)),
            Effect::Answer(_)
            | Effect::Admit(..)
            | Effect::Refuse(..)
            | Effect::Route(..)
            | Effect::Detach(_)
            | Effect::CloseStream(_)
            | Effect::Carrier(_)
            | Effect::CarrierDials { .. }
            | Effect::Dialled(..)
            | Effect::Bell(_)
            | Effect::Progress(_)
            | Effect::Keys(..)
            | Effect::Record(..)
            | Effect::PauseRecording(..)
            | Effect::RecordingTone(..)
            | Effect::Beep
            | Effect::Speak(..)
            | Effect::Hush(_)
            | Effect::CallEnded(_)
            | Effect::DeskAnswered
            | Effect::Reply(_) => None,
        })
        .collect()
}

fn of(n: u8, happening: Happening, reason: Reason) -> (Option<CallId>, Happening, Reason) {
    (Some(call_id(n)), happening, reason)
}

/// Two calls at the desk, the second of which talks.
fn two() -> Phone {
    let mut phone = phone();
    for n in 1..=2 {
        phone.handle(incoming(n), at(0));
        phone.handle(up(n), at(0));
        phone.handle(command(n, Command::Answer), at(100));
    }
    phone
}

#[test]
fn who_answers_is_told() {
    for (auto, why) in [
        (AutoAnswer::Off, Reason::ByPerson),
        (AutoAnswer::After(Duration::from_secs(2)), Reason::ByItself),
    ] {
        let mut phone = phone_with(Ring::Desk, auto);
        let begins = logged(phone.handle(incoming(1), at(0)));
        assert_eq!(begins, [of(1, Happening::Began, Reason::FarEnd)]);
        let rings = logged(phone.handle(up(1), at(0)));
        assert_eq!(rings, [of(1, Happening::Rings, Reason::FarEnd)]);
        let answered = match auto {
            AutoAnswer::Off => phone.handle(command(1, Command::Answer), at(1_000)),
            AutoAnswer::After(_) => phone.handle(Input::Timeout, at(2_000)),
        };
        assert_eq!(logged(answered), [of(1, Happening::Answered, why)]);
    }
    let mut phone = phone();
    let begins = logged(phone.handle(desk_dials(1, None), at(0)));
    assert_eq!(begins, [of(1, Happening::Began, Reason::ByPerson)]);
    phone.handle(placed_as(1, 1), at(100));
    let answered = logged(phone.handle(up(1), at(3_000)));
    assert_eq!(answered, [of(1, Happening::Answered, Reason::FarEnd)]);
}

#[test]
fn why_a_call_waits_is_told_and_a_swap_by_its_name() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    phone.handle(command(1, Command::Answer), at(100));
    phone.handle(incoming(2), at(200));
    phone.handle(up(2), at(200));
    let answered = logged(phone.handle(command(2, Command::Answer), at(300)));
    assert_eq!(
        answered,
        [
            of(1, Happening::Held, Reason::AnotherCall),
            of(2, Happening::Answered, Reason::ByPerson),
        ]
    );
    let swapped = logged(phone.handle(command(1, Command::Resume), at(400)));
    assert_eq!(
        swapped,
        [
            of(2, Happening::Held, Reason::Swap),
            of(1, Happening::Resumed, Reason::Swap),
        ]
    );
    let held = logged(phone.handle(command(1, Command::Hold), at(500)));
    assert_eq!(held, [of(1, Happening::Held, Reason::ByPerson)]);
    let resumed = logged(phone.handle(command(1, Command::Resume), at(600)));
    assert_eq!(resumed, [of(1, Happening::Resumed, Reason::ByPerson)]);
}

#[test]
fn whoever_leaves_a_meeting_parts_and_whoever_is_left_too() {
    let mut phone = two();
    let merged = logged(phone.handle(command(1, Command::Merge(call_id(2))), at(300)));
    assert_eq!(
        merged,
        [
            of(1, Happening::Merged, Reason::ByPerson),
            of(2, Happening::Merged, Reason::ByPerson),
        ]
    );
    let held = logged(phone.handle(command(1, Command::Hold), at(400)));
    assert_eq!(
        held,
        [
            of(1, Happening::Parted, Reason::ByPerson),
            of(1, Happening::Held, Reason::ByPerson),
            of(2, Happening::Parted, Reason::Alone),
        ]
    );
    phone.handle(command(1, Command::Merge(call_id(2))), at(500));
    let over = logged(phone.handle(down(1, StreamEnd::Stopped), at(600)));
    let end = EndReason::HungUpThere;
    assert_eq!(
        over,
        [
            of(1, Happening::Ended(end), Reason::End(end)),
            of(2, Happening::Parted, Reason::Alone),
        ]
    );
}

#[test]
fn where_a_call_is_moved_and_why_it_comes_back_is_told() {
    let mut phone = two();
    let to = Target::Number(number("+15145550123"));
    let moves = logged(phone.handle(command(2, Command::Move(to.clone())), at(300)));
    assert_eq!(
        moves,
        [of(2, Happening::Moves(to.clone()), Reason::ByPerson)]
    );
    let moved = logged(phone.handle(after_stream(2, LegStatus::InProgress), at(400)));
    assert_eq!(moved, [of(2, Happening::Moved(to), Reason::ByPerson)]);
    let back = logged(phone.handle(after_dial(2, DialOutcome::NoAnswer), at(9_000)));
    let why = Reason::NotAnsweredElsewhere;
    assert_eq!(back, [of(2, Happening::CameBack, why)]);
}

#[test]
fn why_the_browsers_ring_is_told() {
    let told = |phone: &mut Phone| {
        register(phone, "kitchen", at(100_000_000));
        let told = logged(phone.handle(incoming(1), at(0)));
        let (_, happening, why) = told.last().cloned().expect("something happened");
        assert_eq!(happening, Happening::RingsBrowsers);
        why
    };
    let mut by_settings = phone_with(Ring::Browser, AutoAnswer::Off);
    assert_eq!(told(&mut by_settings), Reason::Settings);
    let mut quiet = phone();
    quiet.handle(Input::DoNotDisturb(true), at(0));
    assert_eq!(told(&mut quiet), Reason::DoNotDisturb);
    let mut deaf = phone();
    deaf.handle(Input::DeskUsable(false), at(0));
    assert_eq!(told(&mut deaf), Reason::NoDesk);
    let mut taken = phone();
    taken.handle(incoming(2), at(0));
    taken.handle(up(2), at(0));
    assert_eq!(told(&mut taken), Reason::DeskTaken);
    let mut unheard = phone();
    register(&mut unheard, "kitchen", at(100_000_000));
    unheard.handle(incoming(1), at(0));
    unheard.handle(up(1), at(0));
    unheard.handle(Input::Timeout, at(20_000));
    let asked = logged(unheard.handle(after_stream(1, LegStatus::InProgress), at(20_300)));
    let rings = of(1, Happening::RingsBrowsers, Reason::StageUnanswered);
    assert_eq!(asked, [rings]);
}

#[test]
fn a_call_is_missed_where_it_came_in_and_nobody_took_it_or_turned_it_away() {
    let missed = |inputs: Vec<(u64, Input)>| {
        let mut phone = phone_with(Ring::Desk, AutoAnswer::Off);
        let effects = inputs
            .into_iter()
            .flat_map(|(ms, input)| phone.handle(input, at(ms)))
            .collect();
        let missed =
            |entry: &(Option<CallId>, Happening, Reason)| matches!(entry.1, Happening::Missed(_));
        logged(effects).iter().filter(|entry| missed(entry)).count()
    };
    let rung = || vec![(0, incoming(1)), (0, up(1))];
    let with = |more: Vec<(u64, Input)>| [rung(), more].concat();
    let gone = || (900, down(1, StreamEnd::Stopped));
    assert_eq!(missed(with(vec![gone()])), 1, "the caller gave up");
    let late = vec![
        (20_000, Input::Timeout),
        (20_300, after_stream(1, LegStatus::InProgress)),
    ];
    assert_eq!(missed(with(late)), 1, "nobody came");
    let talked = vec![(500, command(1, Command::Answer)), gone()];
    assert_eq!(missed(with(talked)), 0, "it was answered");
    let declined = vec![
        (500, command(1, Command::Reject)),
        (800, after_stream(1, LegStatus::InProgress)),
    ];
    assert_eq!(missed(with(declined)), 0, "it was turned away");
    let dialled = vec![(0, desk_dials(1, None)), (100, placed_as(1, 1)), gone()];
    assert_eq!(missed(dialled), 0, "we called");
}

#[test]
fn do_not_disturb_is_told_when_it_changes() {
    let mut phone = phone();
    let on = (None, Happening::DoNotDisturb(true), Reason::ByPerson);
    assert_eq!(logged(phone.handle(Input::DoNotDisturb(true), at(0))), [on]);
    assert_eq!(logged(phone.handle(Input::DoNotDisturb(true), at(1))), []);
    let off = (None, Happening::DoNotDisturb(false), Reason::ByPerson);
    assert_eq!(
        logged(phone.handle(Input::DoNotDisturb(false), at(2))),
        [off]
    );
}
