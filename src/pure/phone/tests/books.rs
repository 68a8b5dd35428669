//! What must hold of the phone whatever comes, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
        (n(), n()).prop_map(|(n, made)| rings_from("+15145550111", n, made)),
        (n(), n()).prop_map(|(n, made)| dials_as(n, made)),
        (n(), 0..60_000_u64).prop_map(|(n, until)| Input::Registered {
            identity: Identity::parse(&format!("b{n}")).expect("valid"),
            until: at(until)
        }),
        (1..40_u64).prop_map(|stream| Input::Key {
            stream: StreamId(stream),
            digit: '5'
        }),
        (n(), status.clone()).prop_map(|(n, status)| after_stream(n, status)),
        (n(), outcome).prop_map(|(n, outcome)| after_dial(n, outcome)),
        (n(), status.clone()).prop_map(|(n, status)| Input::LegIs {
            leg: leg(n),
            status
        }),
        (n(), n(), status).prop_map(|(n, of, status)| child(n, 50 + of, status)),
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
        stop_at in 0..160_usize,
    ) {
        let auto_answer = if auto { AutoAnswer::After(Duration::ZERO) } else { AutoAnswer::Off };
        let mut phone = phone_with(Ring::DeskThenBrowser, auto_answer);
        let mut attached: BTreeSet<StreamId> = BTreeSet::new();
        let mut admitted: BTreeSet<StreamId> = BTreeSet::new();
        let mut now = 0;
        for (n, (mut input, wait)) in steps.into_iter().enumerate() {
            now += wait;
            // Names of calls are drawn once, and whoever gives a command read them in a list.
            if let Input::CarrierAsks { fresh, .. } = &mut input {
                fresh.call = CallId::new(format!("s{n}"));
            }
            if let Input::Registered { until, .. } = &mut input {
                *until = *until + Duration::from_millis(now);
            }
            if let Input::Command { call, .. } = &mut input
                && let Some(view) = phone.views().get(n % 3) {
                *call = view.id.clone();
            }
            if n == stop_at {
                phone.handle(Input::Stop, at(now)).iter().for_each(|effect| {
                    if let Effect::Detach(stream) = effect {
                        attached.remove(stream);
                    }
                });
            }
            // A stream comes up once in its life, and is the shell's own number.
            if let Input::StreamUp { stream, .. } = &input
                && !admitted.insert(*stream) {
                continue;
            }
            let ended: Vec<CallId> = phone
                .views()
                .into_iter()
                .filter(|view| match view.end_reason {
                    Some(EndReason::HungUpHere | EndReason::HungUpThere | EndReason::Refused) => true,
                    // The carrier's question may come late and call it back.
                    Some(EndReason::StreamLost | EndReason::NotAnswered | EndReason::Failed) | None => false,
                })
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
                    | Effect::Bell(_) | Effect::Beep | Effect::CallEnded(_) | Effect::DeskAnswered | Effect::Reply(_) | Effect::Event(..) => {}
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
