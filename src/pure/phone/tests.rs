//! What the phone does, as tables and as properties.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::pure::audio::tone::Country;
use crate::pure::ids::PhoneNumber;

const STREAM: StreamId = StreamId(1);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("valid")
}

fn phone_with(ring: Ring, auto_answer: AutoAnswer) -> Phone {
    let mut phone = Phone::new(PhoneSettings {
        ring,
        ring_for: Duration::from_secs(20),
        auto_answer,
        own_number: Some(number("+18199754345")),
        country: Country::NorthAmerica,
    });
    phone.handle(Input::DeskUsable(true), Time::START);
    phone
}

fn phone() -> Phone {
    phone_with(Ring::DeskThenBrowser, AutoAnswer::Off)
}

fn leg(n: u8) -> LegId {
    LegId::new(format!("CA{n}"))
}

fn token(n: u8) -> StreamToken {
    StreamToken::new(format!("token-{n}"))
}

fn call_id(n: u8) -> CallId {
    CallId::new(format!("c{n}"))
}

fn fresh(n: u8) -> Fresh {
    Fresh {
        call: call_id(n),
        token: token(n),
    }
}

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn incoming(n: u8) -> Input {
    let ask = Ask::Incoming {
        from: Party::parse("+15145550100"),
        to: Party::parse("+18199754345"),
    };
    Input::CarrierAsks {
        leg: leg(n),
        ask,
        fresh: fresh(n),
    }
}

fn outgoing(from: &str, to: &str) -> Input {
    Input::CarrierAsks {
        leg: leg(9),
        ask: Ask::Outgoing {
            from: Party::parse(from),
            to: to.to_owned(),
        },
        fresh: fresh(9),
    }
}

/// Our own number dials, in a webhook with the name of call `n`.
fn dials(n: u8) -> Input {
    Input::CarrierAsks {
        leg: leg(n),
        ask: Ask::Outgoing {
            from: Party::parse("+18199754345"),
            to: "+18738402100".to_owned(),
        },
        fresh: fresh(n + 1),
    }
}

fn after_stream(n: u8, leg_status: LegStatus) -> Input {
    Input::CarrierAsks {
        leg: leg(n),
        ask: Ask::AfterStream { leg_status },
        fresh: fresh(99),
    }
}

fn after_dial(n: u8, outcome: DialOutcome) -> Input {
    Input::CarrierAsks {
        leg: leg(n),
        ask: Ask::AfterDial { outcome },
        fresh: fresh(99),
    }
}

fn up(n: u8) -> Input {
    Input::StreamUp {
        stream: StreamId(u64::from(n)),
        leg: leg(n),
        token: token(n),
    }
}

fn register(phone: &mut Phone, name: &str, until: Time) {
    let identity = Identity::parse(name).expect("valid");
    phone.handle(Input::Registered { identity, until }, Time::START);
}

fn answer(effects: &[Effect]) -> Document {
    let answers: Vec<&Document> = effects
        .iter()
        .filter_map(|effect| {
            if let Effect::Answer(document) = effect {
                Some(document)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(answers.len(), 1, "exactly one document: {effects:?}");
    answers[0].clone()
}

fn command(n: u8, command: Command) -> Input {
    Input::Command {
        call: call_id(n),
        command,
    }
}

#[test]
fn a_call_rings_is_answered_and_ends_when_the_caller_hangs_up() {
    let mut phone = phone();
    assert!(matches!(
        answer(&phone.handle(incoming(1), at(0))),
        Document::Stream { .. }
    ));
    let effects = phone.handle(up(1), at(100));
    let ringing = Route {
        feed: Feed::Ringback(Country::NorthAmerica),
        to_speaker: false,
    };
    assert!(effects.contains(&Effect::Admit(STREAM, call_id(1), ringing)));
    assert!(effects.contains(&Effect::Bell(Some(Country::NorthAmerica))));
    let effects = phone.handle(command(1, Command::Answer), at(2_000));
    assert!(effects.contains(&Effect::Route(
        STREAM,
        Route {
            feed: Feed::Desk,
            to_speaker: true
        }
    )));
    assert!(effects.contains(&Effect::Bell(None)));
    let effects = phone.handle(
        Input::StreamDown {
            stream: STREAM,
            end: StreamEnd::Stopped,
        },
        at(9_000),
    );
    assert!(effects.contains(&Effect::Detach(STREAM)));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
    assert_eq!(
        answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(9_001))),
        Document::HangUp
    );
}

#[test]
fn a_repeated_webhook_gets_the_same_answer() {
    let mut phone = phone();
    let first = answer(&phone.handle(incoming(1), at(0)));
    let again = Input::CarrierAsks {
        leg: leg(1),
        ask: Ask::Incoming {
            from: Party::parse("+15145550100"),
            to: Party::parse("+18199754345"),
        },
        fresh: fresh(2),
    };
    assert_eq!(answer(&phone.handle(again, at(10))), first);
    assert_eq!(phone.views().len(), 1);
}

#[test]
fn a_call_of_the_same_name_that_goes_the_other_way_is_another_call() {
    let mut phone = phone();
    assert!(matches!(
        answer(&phone.handle(dials(1), at(0))),
        Document::DialNumber { .. }
    ));
    assert!(matches!(
        answer(&phone.handle(incoming(1), at(10))),
        Document::Stream { .. }
    ));
    phone.handle(up(1), at(20));
    let effects = phone.handle(dials(1), at(30));
    assert!(matches!(answer(&effects), Document::DialNumber { .. }));
    assert!(
        effects.contains(&Effect::Bell(None)),
        "the desk is free again: {effects:?}"
    );
    assert_eq!(phone.views().len(), 1);
}

#[test]
fn a_token_admits_one_stream_of_its_own_call_for_a_minute() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    let with = |stream: u64, leg_of: u8, token_of: u8| Input::StreamUp {
        stream: StreamId(stream),
        leg: leg(leg_of),
        token: token(token_of),
    };
    let refused = |effects: Vec<Effect>, why| {
        assert!(
            effects
                .iter()
                .any(|e| matches!(e, Effect::Refuse(_, w) if *w == why)),
            "{effects:?}"
        )
    };
    refused(phone.handle(with(5, 1, 2), at(1)), StreamRefusal::BadToken);
    refused(phone.handle(with(5, 2, 1), at(1)), StreamRefusal::BadToken);
    refused(
        phone.clone_for_test().handle(with(1, 1, 1), at(60_001)),
        StreamRefusal::BadToken,
    );
    assert!(
        phone
            .handle(with(1, 1, 1), at(59_999))
            .iter()
            .any(|e| matches!(e, Effect::Admit(..)))
    );
    refused(
        phone.handle(with(2, 1, 1), at(60_000)),
        StreamRefusal::SecondStream,
    );
    phone.handle(
        Input::StreamDown {
            stream: STREAM,
            end: StreamEnd::Lost,
        },
        at(61_000),
    );
    refused(
        phone.handle(with(3, 1, 1), at(61_001)),
        StreamRefusal::BadToken,
    );
}

#[test]
fn of_two_callers_with_a_stream_url_the_later_goes_to_the_browsers() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(3_600_000));
    assert!(matches!(
        answer(&phone.handle(incoming(1), at(0))),
        Document::Stream { .. }
    ));
    assert!(
        matches!(
            answer(&phone.handle(incoming(2), at(1))),
            Document::Stream { .. }
        ),
        "the desk is not taken yet"
    );
    phone.handle(up(2), at(10));
    let effects = phone.handle(up(1), at(20));
    assert_eq!(effects, [Effect::Refuse(STREAM, StreamRefusal::DeskTaken)]);
    let document = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(30)));
    assert!(
        matches!(document, Document::RingBrowsers { .. }),
        "{document:?}"
    );
    assert!(
        matches!(
            answer(&phone.handle(incoming(3), at(40))),
            Document::RingBrowsers { .. }
        ),
        "the desk is taken"
    );
}

#[test]
fn the_desk_is_free_as_soon_as_the_stream_is_gone() {
    for end in [
        StreamEnd::Stopped,
        StreamEnd::Lost,
        StreamEnd::Faulted,
        StreamEnd::ClosedByUs,
    ] {
        let mut phone = phone();
        phone.handle(incoming(1), at(0));
        phone.handle(up(1), at(1));
        phone.handle(
            Input::StreamDown {
                stream: STREAM,
                end,
            },
            at(2),
        );
        assert!(
            matches!(
                answer(&phone.handle(incoming(2), at(2))),
                Document::Stream { .. }
            ),
            "{end:?}"
        );
    }
}

#[test]
fn nobody_answering_sends_the_caller_to_the_browsers_over_rest() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(3_600_000));
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    assert_eq!(phone.poll_timeout(), Some(at(20_000)));
    let effects = phone.handle(Input::Timeout, at(20_000));
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::Redirect(leg(1)))));
    assert!(effects.contains(&Effect::Bell(None)));
    phone.handle(
        Input::CarrierDid {
            request: CarrierRequest::Redirect(leg(1)),
            done: true,
        },
        at(20_100),
    );
    phone.handle(
        Input::StreamDown {
            stream: STREAM,
            end: StreamEnd::Stopped,
        },
        at(20_110),
    );
    let document = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(20_120)));
    assert!(matches!(document, Document::RingBrowsers { .. }));
    let document = answer(&phone.handle(after_dial(1, DialOutcome::NoAnswer), at(50_000)));
    assert_eq!(document, Document::SayAndHangUp(Phrase::NobodyCanAnswer));
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::NotAnswered));
}

#[test]
fn a_carrier_that_does_not_obey_loses_its_stream_after_three_seconds() {
    for did in [None, Some(false), Some(true)] {
        let mut phone = phone();
        phone.handle(incoming(1), at(0));
        phone.handle(up(1), at(0));
        let mut effects = phone.handle(Input::Timeout, at(20_000));
        if let Some(done) = did {
            effects = phone.handle(
                Input::CarrierDid {
                    request: CarrierRequest::Redirect(leg(1)),
                    done,
                },
                at(20_500),
            );
        }
        if did != Some(false) {
            effects = phone.handle(Input::Timeout, at(23_000));
        }
        assert!(
            effects.contains(&Effect::CloseStream(STREAM)),
            "{did:?}: {effects:?}"
        );
        let document = answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(23_100)));
        assert_eq!(document, Document::SayAndHangUp(Phrase::NobodyCanAnswer));
    }
}

#[test]
fn hanging_up_here_ends_the_leg_and_frees_the_desk_at_once() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    phone.handle(command(1, Command::Answer), at(1_000));
    let effects = phone.handle(command(1, Command::HangUp), at(2_000));
    assert!(effects.contains(&Effect::Carrier(CarrierRequest::End(leg(1)))));
    assert!(effects.contains(&Effect::Detach(STREAM)));
    assert!(matches!(
        answer(&phone.handle(incoming(2), at(2_001))),
        Document::Stream { .. }
    ));
    let effects = phone.handle(
        Input::CarrierDid {
            request: CarrierRequest::End(leg(1)),
            done: false,
        },
        at(2_500),
    );
    assert_eq!(effects, [Effect::CloseStream(STREAM)]);
    assert_eq!(
        answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(2_600))),
        Document::HangUp
    );
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpHere));
}

#[test]
fn a_stream_lost_before_anybody_answered_leads_to_the_next_stage() {
    for wait in [0, 5_000] {
        let mut phone = phone();
        register(&mut phone, "kitchen", at(3_600_000));
        phone.handle(incoming(1), at(0));
        phone.handle(up(1), at(0));
        phone.handle(
            Input::StreamDown {
                stream: STREAM,
                end: StreamEnd::Lost,
            },
            at(1_000),
        );
        if wait > 0 {
            phone.handle(Input::Timeout, at(2_000));
            assert_eq!(
                phone.views()[0].end_reason,
                Some(EndReason::StreamLost),
                "within a second"
            );
        }
        let document =
            answer(&phone.handle(after_stream(1, LegStatus::InProgress), at(1_000 + wait)));
        assert!(
            matches!(document, Document::RingBrowsers { .. }),
            "{document:?}"
        );
    }
}

#[test]
fn the_desk_answers_by_itself_when_it_is_told_to() {
    let mut phone = phone_with(Ring::Desk, AutoAnswer::After(Duration::ZERO));
    phone.handle(incoming(1), at(0));
    let effects = phone.handle(up(1), at(0));
    assert!(
        effects.contains(&Effect::Beep) && effects.contains(&Effect::DeskAnswered),
        "{effects:?}"
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Bell(Some(_))))
    );
    let mut phone = phone_with(Ring::Desk, AutoAnswer::After(Duration::from_secs(3)));
    phone.handle(incoming(1), at(0));
    phone.handle(up(1), at(0));
    assert_eq!(phone.poll_timeout(), Some(at(3_000)));
    assert!(
        phone
            .handle(Input::Timeout, at(3_000))
            .contains(&Effect::DeskAnswered)
    );
}

#[test]
fn who_rings_is_a_matter_of_the_setting_and_of_who_is_there() {
    for (ring, usable, registered, expected) in [
        (Ring::Desk, true, true, "stream"),
        (Ring::Desk, false, true, "sorry"),
        (Ring::Browser, true, true, "browsers"),
        (Ring::Browser, true, false, "sorry"),
        (Ring::DeskThenBrowser, true, true, "stream"),
        (Ring::DeskThenBrowser, false, true, "browsers"),
        (Ring::DeskThenBrowser, false, false, "sorry"),
    ] {
        let mut phone = phone_with(ring, AutoAnswer::Off);
        phone.handle(Input::DeskUsable(usable), at(0));
        if registered {
            register(&mut phone, "kitchen", at(1_000));
        }
        let got = match answer(&phone.handle(incoming(1), at(0))) {
            Document::Stream { .. } => "stream",
            Document::RingBrowsers { .. } => "browsers",
            Document::SayAndHangUp(Phrase::NobodyCanAnswer) => "sorry",
            other
            @ (Document::DialNumber { .. } | Document::SayAndHangUp(_) | Document::HangUp) => {
                panic!("{other:?}")
            }
        };
        assert_eq!(
            got, expected,
            "{ring:?}, usable {usable}, registered {registered}"
        );
    }
}

#[test]
fn at_most_ten_browsers_ring_the_freshest_first_and_no_stale_one() {
    let mut phone = phone_with(Ring::Browser, AutoAnswer::Off);
    register(&mut phone, "stale", at(5));
    for n in 0..12 {
        register(&mut phone, &format!("b{n}"), at(1_000_000));
    }
    register(&mut phone, "b3", at(1_000_000));
    let Document::RingBrowsers { identities, .. } = answer(&phone.handle(incoming(1), at(10)))
    else {
        panic!("the browsers ring");
    };
    let names: Vec<&str> = identities.iter().map(Identity::as_str).collect();
    assert_eq!(
        names,
        ["b3", "b11", "b10", "b9", "b8", "b7", "b6", "b5", "b4", "b2"]
    );
}

#[test]
fn only_we_dial_and_only_where_it_is_allowed() {
    let mut phone = phone();
    register(&mut phone, "kitchen", at(1_000_000));
    for (from, to, expected) in [
        ("+18199754345", "+18738402100", None),
        ("client:kitchen", "+18738402100", None),
        (
            "client:stranger",
            "+18738402100",
            Some(Phrase::NotAllowedToDial),
        ),
        (
            "+15145550100",
            "+18738402100",
            Some(Phrase::NotAllowedToDial),
        ),
        ("", "+18738402100", Some(Phrase::NotAllowedToDial)),
        (
            "client:kitchen",
            "+19005550100",
            Some(Phrase::DestinationNotAllowed),
        ),
        ("client:kitchen", "911", Some(Phrase::EmergencyRefused)),
        ("client:kitchen", "hello", Some(Phrase::NotANumber)),
        (
            "client:kitchen",
            "client:stranger",
            Some(Phrase::CouldNotBeReached),
        ),
    ] {
        phone.calls.clear();
        let document = answer(&phone.handle(outgoing(from, to), at(0)));
        match expected {
            None => assert!(
                matches!(document, Document::DialNumber { .. }),
                "{from} {to}: {document:?}"
            ),
            Some(phrase) => assert_eq!(document, Document::SayAndHangUp(phrase), "{from} {to}"),
        }
    }
    phone.calls.clear();
    let document = answer(&phone.handle(outgoing("client:kitchen", "client:kitchen"), at(0)));
    assert!(matches!(document, Document::RingBrowsers { .. }));
}

#[test]
fn an_outgoing_call_of_a_browser_is_followed_to_its_end() {
    let mut phone = phone();
    phone.handle(outgoing("+18199754345", "+18738402100"), at(0));
    assert_eq!(phone.views()[0].stage, Stage::Dialing);
    phone.handle(
        Input::ChildIs {
            parent: leg(9),
            status: LegStatus::InProgress,
        },
        at(5_000),
    );
    assert_eq!(phone.views()[0].stage, Stage::Talking);
    assert_eq!(
        answer(&phone.handle(after_dial(9, DialOutcome::Completed), at(9_000))),
        Document::HangUp
    );
    assert_eq!(phone.views()[0].end_reason, Some(EndReason::HungUpThere));
}

#[test]
fn calls_that_are_over_are_forgotten_and_there_are_never_too_many() {
    let mut phone = phone();
    phone.handle(incoming(1), at(0));
    phone.handle(
        Input::LegIs {
            leg: leg(1),
            status: LegStatus::Completed,
        },
        at(1),
    );
    phone.handle(Input::Timeout, at(60_002));
    assert!(phone.views().is_empty());
    for n in 0..1_500_u32 {
        let ask = Ask::Incoming {
            from: Party::parse("+15145550100"),
            to: Party::parse("+18199754345"),
        };
        let fresh = Fresh {
            call: CallId::new(format!("n{n}")),
            token: token(0),
        };
        phone.handle(
            Input::CarrierAsks {
                leg: LegId::new(format!("N{n}")),
                ask,
                fresh,
            },
            at(70_000),
        );
    }
    assert_eq!(phone.views().len(), MOST_CALLS);
}

/// Every state that a call can be in, reached by inputs alone.
fn states() -> Vec<(&'static str, Vec<Input>)> {
    let lost = |end| Input::StreamDown {
        stream: STREAM,
        end,
    };
    let rung = || vec![incoming(1), up(1)];
    let then = |mut inputs: Vec<Input>, more: Vec<Input>| {
        inputs.extend(more);
        inputs
    };
    vec![
        ("offered", vec![incoming(1)]),
        ("ringing", rung()),
        ("talking", then(rung(), vec![command(1, Command::Answer)])),
        (
            "leaving to end",
            then(rung(), vec![command(1, Command::HangUp)]),
        ),
        ("leaving for the next stage", rung()),
        ("deciding", then(rung(), vec![lost(StreamEnd::Lost)])),
        (
            "in the browsers",
            vec![Input::DeskUsable(false), incoming(1)],
        ),
        ("ended", then(rung(), vec![lost(StreamEnd::Stopped)])),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    let down = |end| Input::StreamDown {
        stream: STREAM,
        end,
    };
    let did = |done| Input::CarrierDid {
        request: CarrierRequest::End(leg(1)),
        done,
    };
    vec![
        ("asks again", incoming(1)),
        ("asks to dial", dials(1)),
        (
            "asks after the stream",
            after_stream(1, LegStatus::InProgress),
        ),
        (
            "asks after the stream, leg over",
            after_stream(1, LegStatus::Completed),
        ),
        (
            "asks after the dial, completed",
            after_dial(1, DialOutcome::Completed),
        ),
        (
            "asks after the dial, no answer",
            after_dial(1, DialOutcome::NoAnswer),
        ),
        (
            "leg in progress",
            Input::LegIs {
                leg: leg(1),
                status: LegStatus::InProgress,
            },
        ),
        (
            "leg completed",
            Input::LegIs {
                leg: leg(1),
                status: LegStatus::Completed,
            },
        ),
        (
            "child answered",
            Input::ChildIs {
                parent: leg(1),
                status: LegStatus::InProgress,
            },
        ),
        (
            "stream up, right token",
            Input::StreamUp {
                stream: StreamId(7),
                leg: leg(1),
                token: token(1),
            },
        ),
        (
            "stream up, wrong token",
            Input::StreamUp {
                stream: StreamId(7),
                leg: leg(1),
                token: token(2),
            },
        ),
        ("stream stopped", down(StreamEnd::Stopped)),
        ("stream lost", down(StreamEnd::Lost)),
        ("stream faulted", down(StreamEnd::Faulted)),
        ("stream closed by us", down(StreamEnd::ClosedByUs)),
        (
            "key",
            Input::Key {
                stream: STREAM,
                digit: '5',
            },
        ),
        ("answer", command(1, Command::Answer)),
        ("hang up", command(1, Command::HangUp)),
        ("carrier did it", did(true)),
        ("carrier failed", did(false)),
        ("desk gone", Input::DeskUsable(false)),
        ("its time is up", Input::Timeout),
    ]
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Answer(Document::Stream { .. }) => "answer stream".to_owned(),
        Effect::Answer(Document::RingBrowsers { .. }) => "answer browsers".to_owned(),
        Effect::Answer(Document::DialNumber { .. }) => "answer dial".to_owned(),
        Effect::Answer(document) => format!("answer {document:?}"),
        Effect::Admit(..) => "admit".to_owned(),
        Effect::Refuse(_, why) => format!("refuse {why:?}"),
        Effect::Route(_, route) => format!("route {:?}", route.feed),
        Effect::Detach(_) => "detach".to_owned(),
        Effect::CloseStream(_) => "close stream".to_owned(),
        Effect::Carrier(CarrierRequest::End(_)) => "end leg".to_owned(),
        Effect::Carrier(CarrierRequest::Redirect(_)) => "redirect leg".to_owned(),
        Effect::Bell(Some(_)) => "bell on".to_owned(),
        Effect::Bell(None) => "bell off".to_owned(),
        Effect::Beep => "beep".to_owned(),
        Effect::DeskAnswered => "desk answered".to_owned(),
        Effect::Reply(Ok(_)) => "done".to_owned(),
        Effect::Reply(Err(why)) => format!("{why:?}"),
        Effect::Event(_, happening) => format!("log {happening:?}"),
    }
}

fn table() -> String {
    let mut table = String::new();
    for (state, reached_by) in states() {
        let _ = writeln!(table, "{state}");
        for (name, input) in inputs() {
            let mut phone = phone();
            register(&mut phone, "kitchen", at(10_000_000));
            let mut now = at(0);
            for input in reached_by.clone() {
                phone.handle(input, now);
            }
            if state == "leaving for the next stage" {
                now = at(20_000);
                phone.handle(Input::Timeout, now);
            }
            if name == "its time is up" {
                now = phone.calls[0].deadline().min(at(9_000_000));
            }
            let effects = phone.handle(input, now);
            let now_is = phone
                .views()
                .first()
                .map_or("forgotten".to_owned(), |view| match view.end_reason {
                    Some(reason) => format!("{:?} {reason:?}", view.stage),
                    None => format!("{:?}", view.stage),
                });
            let effects: Vec<String> = effects.iter().map(short).collect();
            let line = format!("  {name:<32} -> {now_is:<20} {}", effects.join(", "));
            let _ = writeln!(table, "{}", line.trim_end());
        }
    }
    table
}

/// A change of policy is a change of this table: what the failing test prints goes into `tests/data/call_table.txt`.
#[test]
fn every_pair_of_state_and_input_does_what_the_table_says() {
    let expected = include_str!("../../../tests/data/call_table.txt");
    let table = table();
    assert!(table == expected, "the table is now:\n{table}");
}

impl Phone {
    fn clone_for_test(&self) -> Phone {
        Phone {
            settings: self.settings.clone(),
            calls: self.calls.clone(),
            browsers: self.browsers.clone(),
            desk_usable: self.desk_usable,
        }
    }
}

/// Any input about one of three calls.
fn any_input() -> impl Strategy<Value = Input> {
    let n = || 1..4_u8;
    let status = prop_oneof![
        Just(LegStatus::Ringing),
        Just(LegStatus::InProgress),
        Just(LegStatus::Completed),
        Just(LegStatus::Failed),
        Just(LegStatus::NoAnswer)
    ];
    let end = prop_oneof![
        Just(StreamEnd::Stopped),
        Just(StreamEnd::Lost),
        Just(StreamEnd::Faulted),
        Just(StreamEnd::ClosedByUs)
    ];
    let outcome = prop_oneof![
        Just(DialOutcome::Completed),
        Just(DialOutcome::NoAnswer),
        Just(DialOutcome::Failed),
        Just(DialOutcome::Canceled)
    ];
    prop_oneof![
        n().prop_map(incoming),
        (n(), status.clone()).prop_map(|(n, status)| after_stream(n, status)),
        (n(), outcome).prop_map(|(n, outcome)| after_dial(n, outcome)),
        (n(), status.clone()).prop_map(|(n, status)| Input::LegIs {
            leg: leg(n),
            status
        }),
        (n(), status).prop_map(|(n, status)| Input::ChildIs {
            parent: leg(n),
            status
        }),
        (n(), n(), 1..40_u64).prop_map(|(a, b, stream)| Input::StreamUp {
            stream: StreamId(stream),
            leg: leg(a),
            token: token(b)
        }),
        (1..40_u64, end).prop_map(|(stream, end)| Input::StreamDown {
            stream: StreamId(stream),
            end
        }),
        n().prop_map(|n| command(n, Command::Answer)),
        n().prop_map(|n| command(n, Command::HangUp)),
        (n(), any::<bool>(), any::<bool>()).prop_map(|(n, end, done)| Input::CarrierDid {
            request: if end {
                CarrierRequest::End(leg(n))
            } else {
                CarrierRequest::Redirect(leg(n))
            },
            done
        }),
        any::<bool>().prop_map(Input::DeskUsable),
        Just(Input::Timeout),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_books_are_kept(
        steps in proptest::collection::vec((any_input(), 0..30_000_u64), 0..80),
        auto in any::<bool>(),
    ) {
        let auto_answer = if auto { AutoAnswer::After(Duration::ZERO) } else { AutoAnswer::Off };
        let mut phone = phone_with(Ring::DeskThenBrowser, auto_answer);
        let mut attached: BTreeSet<StreamId> = BTreeSet::new();
        let mut admitted: BTreeSet<StreamId> = BTreeSet::new();
        let mut now = 0;
        for (input, wait) in steps {
            now += wait;
            // A stream comes up once in its life, and is the shell's own number.
            if let Input::StreamUp { stream, .. } = &input
                && !admitted.insert(*stream) {
                continue;
            }
            let ended: Vec<CallId> = phone
                .views()
                .into_iter()
                .filter(|view| view.end_reason.is_some() && view.end_reason != Some(EndReason::StreamLost))
                .map(|view| view.id)
                .collect();
            let (asks, ups, commands) = (
                matches!(input, Input::CarrierAsks { .. }),
                matches!(input, Input::StreamUp { .. }),
                matches!(input, Input::Command { .. }),
            );
            let effects = phone.handle(input, at(now));
            let count = |wanted: fn(&Effect) -> bool| effects.iter().filter(|effect| wanted(effect)).count();
            prop_assert_eq!(count(|e| matches!(e, Effect::Answer(_))), usize::from(asks));
            prop_assert_eq!(count(|e| matches!(e, Effect::Admit(..) | Effect::Refuse(..))), usize::from(ups));
            prop_assert_eq!(count(|e| matches!(e, Effect::Reply(_))), usize::from(commands));
            for effect in &effects {
                match effect {
                    Effect::Admit(stream, ..) => prop_assert!(attached.insert(*stream), "attached twice"),
                    Effect::Detach(stream) => prop_assert!(attached.remove(stream), "detached without being attached"),
                    Effect::Route(stream, _) => prop_assert!(attached.contains(stream)),
                    Effect::Answer(_) | Effect::Refuse(..) | Effect::CloseStream(_) | Effect::Carrier(_)
                    | Effect::Bell(_) | Effect::Beep | Effect::DeskAnswered | Effect::Reply(_) | Effect::Event(..) => {}
                }
            }
            for view in phone.views() {
                if ended.contains(&view.id) {
                    prop_assert!(view.end_reason.is_some(), "an ended call came back");
                }
            }
            let at_desk = phone.calls.iter().filter(|call| call.holds_desk()).count();
            prop_assert!(at_desk <= 1);
            // Whoever holds the desk is attached, and who is attached has a call.
            for call in phone.calls.iter().filter(|call| call.holds_desk()) {
                prop_assert!(call.stream().is_some_and(|stream| attached.contains(&stream)));
            }
            for stream in &attached {
                prop_assert!(phone.calls.iter().any(|call| call.stream() == Some(*stream)));
            }
            if phone.poll_timeout().is_some_and(|due| due <= at(now)) {
                phone.handle(Input::Timeout, at(now)).iter().for_each(|effect| {
                    if let Effect::Detach(stream) = effect {
                        attached.remove(stream);
                    }
                });
            }
        }
    }
}
