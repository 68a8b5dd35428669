//! What must hold of the phone whatever comes, in whatever order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::pure::recording::name::Kind;

use super::*;

fn any_status() -> impl Strategy<Value = LegStatus> + Clone {
    prop_oneof![
        Just(LegStatus::Ringing),
        Just(LegStatus::InProgress),
        Just(LegStatus::Completed),
        Just(LegStatus::Failed),
        Just(LegStatus::Busy),
        Just(LegStatus::NoAnswer)
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(Command::Answer),
        Just(Command::Answer),
        Just(Command::HangUp),
        Just(Command::Reject),
        Just(Command::Hold),
        Just(Command::Resume),
        any::<bool>().prop_map(Command::Mute),
        Just(Command::Record(true)),
        any::<bool>().prop_map(Command::Record),
        any::<bool>().prop_map(Command::PauseRecording),
        Just(Command::KeysGoOn),
        Just(Command::Move(Target::Desk)),
        Just(Command::Move(Target::Browsers)),
        Just(Command::Move(Target::Voicemail)),
        Just(Command::Move(Target::Number(number("+15145550123")))),
        Just(Command::JoinConsulted),
        Just(Command::Merge(call_id(2))),
        Just(Command::Merge(call_id(3))),
    ]
}

/// Any input about one of three calls.
fn any_input() -> impl Strategy<Value = Input> {
    let n = || 1..4_u8;
    let status = any_status();
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
        (n(), status.clone()).prop_map(|(n, status)| leg_is(n, status)),
        (n(), n(), status).prop_map(|(n, of, status)| child(n, 50 + of, status)),
        (n(), n(), 1..40_u64).prop_map(|(a, b, stream)| Input::StreamUp {
            stream: StreamId(stream),
            leg: leg(a),
            token: token(b)
        }),
        (1..40_u64).prop_map(|stream| Input::RecordingOver(StreamId(stream))),
        (1..40_u64).prop_map(|stream| Input::SpeechOver(StreamId(stream))),
        (1..40_u64, end).prop_map(|(stream, end)| Input::StreamDown {
            stream: StreamId(stream),
            end
        }),
        (n(), any_command()).prop_map(|(n, wish)| command(n, wish)),
        (n(), any::<bool>()).prop_map(|(n, consults)| Input::Dial {
            to: "+15145550100,,1;2".to_owned(),
            consults: consults.then(|| call_id(n)),
            fresh: fresh(n),
        }),
        (n(), n(), any::<bool>()).prop_map(|(n, of, placed)| Input::CarrierDialled {
            call: call_id(n),
            outcome: if placed {
                Ok(leg(of + 3))
            } else {
                Err(DialRefusal::silence())
            },
        }),
        (n(), n(), any_status()).prop_map(|(n, of, status)| Input::LegIs {
            leg: leg(of + 3),
            call: Some(call_id(n)),
            status
        }),
        (n(), 1..40_u64).prop_map(|(n, stream)| Input::StreamUp {
            stream: StreamId(stream),
            leg: leg(n + 3),
            token: token(n)
        }),
        any::<bool>().prop_map(Input::DoNotDisturb),
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

/// What the shell knows: who is attached, who waits for an answer, and what the carrier was asked for.
#[derive(Default)]
struct Books {
    attached: BTreeSet<StreamId>,
    recorded: BTreeSet<StreamId>,
    toned: BTreeSet<StreamId>,
    dialling: BTreeSet<CallId>,
    // Legs that the carrier was asked to end.
    ended: BTreeSet<String>,
}

impl Books {
    fn keep(&mut self, effects: &[Effect]) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Admit(stream, ..) => {
                    prop_assert!(self.attached.insert(*stream), "attached twice");
                }
                Effect::Detach(stream) => {
                    prop_assert!(!self.recorded.contains(stream), "detached while recorded");
                    prop_assert!(
                        self.attached.remove(stream),
                        "detached without being attached"
                    );
                    self.toned.remove(stream);
                }
                Effect::PauseRecording(stream, _) => {
                    prop_assert!(self.recorded.contains(stream), "no recording to pause");
                }
                Effect::RecordingTone(stream, on) => {
                    prop_assert!(self.attached.contains(stream));
                    prop_assert_eq!(self.toned.insert(*stream), *on, "twice the same");
                    if !on {
                        self.toned.remove(stream);
                    }
                }
                Effect::Route(stream, _) | Effect::Speak(stream, _) | Effect::Hush(stream) => {
                    prop_assert!(self.attached.contains(stream));
                }
                Effect::Record(stream, _, true) => {
                    prop_assert!(self.attached.contains(stream), "nothing to record");
                    prop_assert!(self.recorded.insert(*stream), "recorded twice");
                }
                Effect::Record(stream, _, false) => {
                    prop_assert!(self.recorded.remove(stream), "stopped, but never begun");
                }
                Effect::Dialled(call, _) => {
                    prop_assert!(self.dialling.remove(call), "told twice, or never asked");
                }
                Effect::Carrier(CarrierRequest::End(leg)) => {
                    self.ended.insert(leg.as_str().to_owned());
                }
                Effect::Keys(..)
                | Effect::Progress(_)
                | Effect::CarrierDials { .. }
                | Effect::Carrier(CarrierRequest::Redirect(_))
                | Effect::Answer(_)
                | Effect::Refuse(..)
                | Effect::CloseStream(_)
                | Effect::Bell(_)
                | Effect::Beep
                | Effect::CallEnded(_)
                | Effect::DeskAnswered
                | Effect::Reply(_)
                | Effect::Event(..) => {}
            }
        }
        Ok(())
    }

    /// What must hold between two inputs.
    fn agree_with(&self, phone: &Phone, now: Time) -> Result<(), TestCaseError> {
        let talk = phone.calls.iter().filter(|call| call.talks()).count();
        let meet = phone.calls.iter().filter(|call| call.meets()).count();
        prop_assert!(talk <= 1 || meet == talk, "two talk apart from each other");
        prop_assert!(meet != 1, "a meeting of one");
        // Nobody hears the desk but whoever talks with it, or leaves it while nobody else does.
        let desk = phone.calls.iter().filter(|call| {
            call.attached
                .is_some_and(|(_, route)| route.feed == Feed::Desk)
        });
        prop_assert!(desk.count() <= 1, "two hear the desk and not each other");
        for call in &phone.calls {
            let never = Time::from_micros(u64::MAX);
            prop_assert!(
                call.deadline() < never,
                "a state without a deadline: {call:?}"
            );
            let is_made = call
                .records
                .is_some_and(|(stream, _)| self.recorded.contains(&stream));
            prop_assert_eq!(
                call.view().recorded,
                is_made,
                "it is not as it is told: {:?}",
                call
            );
            if phone.settings.record_notice == RecordNotice::Tone && call.recording_paused {
                let alone = !call.meets() && call.attached.is_some();
                let toned = call.stream().is_some_and(|s| self.toned.contains(&s));
                prop_assert!(!(alone && toned), "a tone over what is not kept: {call:?}");
            } else if phone.settings.record_notice == RecordNotice::Tone
                && call.records.is_some_and(|(_, kind)| kind == Kind::Call)
            {
                let toned = call.records.is_some_and(|(s, _)| self.toned.contains(&s));
                prop_assert!(toned, "recorded without a tone: {call:?}");
            }
            if call.is_over() {
                prop_assert_eq!(
                    call.attached,
                    None,
                    "a stream is attached to a call that is over"
                );
            }
            if matches!(
                call.state,
                CallState::Ringing { .. } | CallState::Talking { .. }
            ) {
                prop_assert!(
                    call.stream()
                        .is_some_and(|stream| self.attached.contains(&stream))
                );
            }
        }
        let made = phone.calls.iter().filter_map(|call| call.records);
        prop_assert!(
            made.count() == self.recorded.len(),
            "a recording of nothing"
        );
        // Who is attached has a call.
        for stream in &self.attached {
            prop_assert!(
                phone
                    .calls
                    .iter()
                    .any(|call| call.stream() == Some(*stream))
            );
        }
        // Whoever dialled is answered, at the latest when the time is up.
        for id in &self.dialling {
            let call = phone.calls.iter().find(|call| call.id == *id);
            prop_assert!(
                call.is_some_and(|call| call.dial_is_open && call.deadline() <= now + DIAL_LIMIT)
            );
        }
        Ok(())
    }
}

proptest! {
    /// Whatever the carrier dialled for the desk is ended by us, or was told to be over, by the time that nothing is due.
    #[test]
    fn no_leg_is_left_for_which_nobody_answers_but_the_bill(
        steps in proptest::collection::vec((any_input(), 0..10_000_u64), 0..40),
        placed_after in 0..20_000_u64,
    ) {
        let mut phone = phone();
        let dial = Input::Dial {
            to: "+15145550100".to_owned(),
            consults: None,
            fresh: Fresh { call: CallId::new("mine"), token: StreamToken::new("mine") },
        };
        let mut books = Books::default();
        books.dialling.insert(CallId::new("mine"));
        books.keep(&phone.handle(dial, at(0)))?;
        let mine = LegId::new("CAmine");
        let mut now = 0;
        let mut placed = false;
        let mut hung_up = false;
        for (n, (input, wait)) in steps.into_iter().enumerate() {
            now += wait;
            if now >= placed_after && !placed {
                placed = true;
                let input = Input::CarrierDialled { call: CallId::new("mine"), outcome: Ok(mine.clone()) };
                books.keep(&phone.handle(input, at(now)))?;
            }
            // Of the others only those that touch the whole phone, and hanging up.
            let input = if matches!(input, Input::Command { command: Command::HangUp, .. }) {
                hung_up = true;
                Input::Command { call: CallId::new("mine"), command: Command::HangUp }
            } else if n == 30 {
                Input::Stop
            } else if matches!(input, Input::DeskUsable(_) | Input::Timeout | Input::DoNotDisturb(_)) {
                input
            } else {
                continue;
            };
            books.keep(&phone.handle(input, at(now)))?;
        }
        if !placed {
            let input = Input::CarrierDialled { call: CallId::new("mine"), outcome: Ok(mine.clone()) };
            books.keep(&phone.handle(input, at(now.max(placed_after))))?;
        }
        // Nobody says anything any more.
        for _ in 0..20 {
            let Some(due) = phone.poll_timeout() else { break };
            books.keep(&phone.handle(Input::Timeout, due))?;
        }
        prop_assert!(books.ended.contains(mine.as_str()), "hung up {}", hung_up);
        prop_assert!(phone.views().is_empty());
    }

    #[test]
    fn whatever_comes_the_books_are_kept(
        steps in proptest::collection::vec((any_input(), 0..30_000_u64), 0..80),
        notice in prop_oneof![Just(RecordNotice::Tone), Just(RecordNotice::Spoken)],
        auto in any::<bool>(),
        from in prop_oneof![
            Just(MessagesFrom::Nobody), Just(MessagesFrom::Unanswered), Just(MessagesFrom::Everybody)
        ],
        forwards in any::<bool>(),
        stop_at in 0..160_usize,
    ) {
        let auto_answer = if auto { AutoAnswer::After(Duration::ZERO) } else { AutoAnswer::Off };
        let mut phone = phone_with(Ring::DeskThenBrowser, auto_answer);
        phone.settings.voicemail.from = from;
        phone.settings.forwarding.no_answer = forwards.then(|| number("+15145550199"));
        phone.settings.record_notice = notice;
        let mut books = Books::default();
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
            if let Input::Command { call, command } = &mut input {
                if let Some(view) = phone.views().get(n % 3) {
                    *call = view.id.clone();
                }
                if let (Command::Merge(with), Some(view)) = (command, phone.views().get((n + 1) % 3)) {
                    *with = view.id.clone();
                }
            }
            if let Input::Dial { fresh, consults, .. } = &mut input {
                fresh.call = CallId::new(format!("s{n}"));
                if let Some(view) = phone.views().get(n % 3).filter(|_| consults.is_some()) {
                    *consults = Some(view.id.clone());
                }
                books.dialling.insert(fresh.call.clone());
            }
            if let Input::CarrierDialled { call, .. } | Input::LegIs { call: Some(call), .. } = &mut input
                && let Some(view) = phone.views().iter().rev().find(|view| view.leg.is_none()) {
                *call = view.id.clone();
            }
            if n == stop_at {
                books.keep(&phone.handle(Input::Stop, at(now)))?;
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
                    Some(
                        EndReason::HungUpHere | EndReason::HungUpThere | EndReason::Refused | EndReason::Rejected
                        | EndReason::Blocked
                        | EndReason::Busy | EndReason::TooLong | EndReason::LeftMessage,
                    ) => true,
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
            if let Input::RecordingOver(stream) = &input {
                books.recorded.remove(stream);
            }
            let effects = phone.handle(input, at(now));
            let count = |wanted: fn(&Effect) -> bool| effects.iter().filter(|effect| wanted(effect)).count();
            prop_assert_eq!(count(|e| matches!(e, Effect::Answer(_))), usize::from(asks));
            prop_assert_eq!(count(|e| matches!(e, Effect::Admit(..) | Effect::Refuse(..))), usize::from(ups));
            prop_assert_eq!(count(|e| matches!(e, Effect::Reply(_))), usize::from(commands));
            books.keep(&effects)?;
            for view in phone.views() {
                if ended.contains(&view.id) {
                    prop_assert!(view.end_reason.is_some(), "an ended call came back");
                }
            }
            books.agree_with(&phone, at(now))?;
            if phone.poll_timeout().is_some_and(|due| due <= at(now)) {
                books.keep(&phone.handle(Input::Timeout, at(now)))?;
                books.agree_with(&phone, at(now))?;
            }
        }
    }
}
