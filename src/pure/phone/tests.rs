//! What the phone does, told as stories. News that comes late, twice or of another call, the table of all states and inputs,
//! and what must hold always stand beside.

mod books;
mod dialling;
mod happenings;
mod late;
mod moving;
mod recording;
mod several;
mod table;
mod unanswered;

use super::*;
use crate::pure::audio::tone::Country;
use crate::pure::audio::{Feed, Route};
use crate::pure::ids::{CallId, LegId, Party, PhoneNumber, StreamId, StreamToken};

const STREAM: StreamId = StreamId(1);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).expect("valid")
}

fn phone_with(ring: Ring, auto_answer: AutoAnswer) -> Phone {
    let mut phone = Phone::new(PhoneSettings {
        ring,
        ring_for: Duration::from_secs(20),
        browsers_ring_for: Duration::from_secs(20),
        forwarding: Forwarding::default(),
        voicemail: Voicemail {
            from: MessagesFrom::Nobody,
            ..Voicemail::default()
        },
        auto_answer,
        own_number: Some(number("+18199754345")),
        country: Country::NorthAmerica,
        call_waiting: true,
        longest_call: Duration::from_secs(4 * 3_600),
        record_notice: RecordNotice::Off,
    });
    phone.handle(Input::DeskUsable(true), Time::START);
    phone
}

/// One as it is without any setting: it takes messages.
fn phone_with_voicemail() -> Phone {
    let mut phone = phone();
    phone.settings.voicemail = Voicemail::default();
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
    rings_from("+15145550100", n, n)
}

/// Somebody rings with the leg of call `n`; what is made of it gets the name and token `made`.
fn rings_from(from: &str, n: u8, made: u8) -> Input {
    let ask = Ask::Incoming {
        from: Party::parse(from),
        to: Party::parse("+18199754345"),
        caller: Caller::default(),
    };
    Input::CarrierAsks {
        leg: leg(n),
        ask,
        fresh: fresh(made),
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
    dials_as(n, n + 1)
}

fn dials_as(n: u8, made: u8) -> Input {
    Input::CarrierAsks {
        leg: leg(n),
        ask: Ask::Outgoing {
            from: Party::parse("+18199754345"),
            to: "+18738402100".to_owned(),
        },
        fresh: fresh(made),
    }
}

/// The desk dials, perhaps for a call that waits.
fn desk_dials(n: u8, consults: Option<u8>) -> Input {
    Input::Dial {
        to: "+15145550100".to_owned(),
        consults: consults.map(call_id),
        fresh: fresh(n),
    }
}

fn placed_as(n: u8, leg_of: u8) -> Input {
    Input::CarrierDialled {
        call: call_id(n),
        outcome: Ok(leg(leg_of)),
    }
}

fn child(n: u8, child: u8, status: LegStatus) -> Input {
    Input::ChildIs {
        parent: leg(n),
        child: leg(child),
        status,
    }
}

fn leg_is(n: u8, status: LegStatus) -> Input {
    Input::LegIs {
        leg: leg(n),
        call: None,
        status,
    }
}

fn down(n: u8, end: StreamEnd) -> Input {
    Input::StreamDown {
        stream: StreamId(u64::from(n)),
        end,
    }
}

fn ended(n: u8, done: bool) -> Input {
    Input::CarrierDid {
        request: CarrierRequest::End(leg(n)),
        done,
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
            caller: Caller::default(),
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
            phone.handle(Input::Timeout, at(1_900));
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
            other @ (Document::DialNumber { .. }
            | Document::Conference { .. }
            | Document::Reject
            | Document::SayAndHangUp(_)
            | Document::HangUp) => {
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
        // One leg for all of them, as somebody uses who tries the door by hand.
        let document = answer(&phone.handle(outgoing(from, to), at(0)));
        match expected {
            None => assert!(
                matches!(document, Document::DialNumber { .. }),
                "{from} {to}: {document:?}"
            ),
            Some(phrase) => assert_eq!(document, Document::SayAndHangUp(phrase), "{from} {to}"),
        }
    }
    let document = answer(&phone.handle(outgoing("client:kitchen", "client:kitchen"), at(0)));
    assert!(matches!(document, Document::RingBrowsers { .. }));
}

#[test]
fn an_outgoing_call_of_a_browser_is_followed_to_its_end() {
    let mut phone = phone();
    phone.handle(outgoing("+18199754345", "+18738402100"), at(0));
    assert_eq!(phone.views()[0].stage, Stage::Dialing);
    phone.handle(child(9, 50, LegStatus::InProgress), at(5_000));
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
    phone.handle(leg_is(1, LegStatus::Completed), at(1));
    phone.handle(Input::Timeout, at(60_002));
    assert!(phone.views().is_empty());
    for n in 0..1_500_u32 {
        let ask = Ask::Incoming {
            from: Party::parse("+15145550100"),
            to: Party::parse("+18199754345"),
            caller: Caller::default(),
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

impl Phone {
    fn clone_for_test(&self) -> Phone {
        Phone {
            settings: self.settings.clone(),
            calls: self.calls.clone(),
            browsers: self.browsers.clone(),
            desk_usable: self.desk_usable,
            do_not_disturb: self.do_not_disturb,
            signals: self.signals,
            stopping: self.stopping,
        }
    }
}
