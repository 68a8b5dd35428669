//! The table of all states and inputs: what each pair does, printed, so that a change of policy is seen.

use std::fmt::Write as _;

use super::*;
use crate::pure::keys::Keys;

/// Every state that a call can be in, reached by inputs alone, each at its time in ms.
fn states() -> Vec<(&'static str, Vec<(u64, Input)>)> {
    let with = |mut inputs: Vec<(u64, Input)>, more: Vec<(u64, Input)>| {
        inputs.extend(more);
        inputs
    };
    let rung = || vec![(0, incoming(1)), (0, up(1))];
    let browsers = || vec![(0, Input::DeskUsable(false)), (0, incoming(1))];
    let dialled = || vec![(0, dials_as(1, 1))];
    let answered = || (100, child(1, 50, LegStatus::InProgress));
    let hung_up = || (200, command(1, Command::HangUp));
    let dial = || vec![(0, desk_dials(1, None))];
    let placed = || with(dial(), vec![(100, placed_as(1, 1))]);
    let talking = || with(rung(), vec![(100, command(1, Command::Answer))]);
    let moves = |to| with(talking(), vec![(200, command(1, Command::Move(to)))]);
    let at_number = || {
        with(
            moves(Target::Number(number("+15145550123"))),
            vec![
                (300, down(1, StreamEnd::Stopped)),
                (310, after_stream(1, LegStatus::InProgress)),
            ],
        )
    };
    let greeted = || {
        with(
            rung(),
            vec![(100, command(1, Command::Move(Target::Voicemail)))],
        )
    };
    let spoken = || Input::SpeechOver(STREAM);
    let fetched = || (400, command(1, Command::Move(Target::Desk)));
    vec![
        ("offered", vec![(0, incoming(1))]),
        (
            "offered, the desk taken by another",
            vec![(0, incoming(1)), (0, incoming(2)), (0, up(2))],
        ),
        ("ringing", rung()),
        (
            "talking",
            with(rung(), vec![(100, command(1, Command::Answer))]),
        ),
        ("leaving to end", with(rung(), vec![hung_up()])),
        (
            "leaving to end, without a stream",
            vec![(0, incoming(1)), hung_up()],
        ),
        (
            "leaving for the next stage",
            with(rung(), vec![(20_000, Input::Timeout)]),
        ),
        ("hears the greeting", greeted()),
        ("leaves a message", with(greeted(), vec![(500, spoken())])),
        (
            "offered a stream for a message",
            with(
                browsers(),
                vec![
                    (20_000, Input::DeskUsable(true)),
                    (20_000, after_dial(1, DialOutcome::NoAnswer)),
                ],
            ),
        ),
        (
            "deciding",
            with(rung(), vec![(100, down(1, StreamEnd::Lost))]),
        ),
        ("in the browsers", browsers()),
        (
            "in the browsers, answered",
            with(browsers(), vec![answered()]),
        ),
        (
            "in the browsers, answered and hung up there",
            with(
                browsers(),
                vec![answered(), (200, child(1, 50, LegStatus::Completed))],
            ),
        ),
        (
            "in the browsers, hung up here",
            with(browsers(), vec![hung_up()]),
        ),
        (
            "in the browsers, answered and hung up here",
            with(browsers(), vec![answered(), hung_up()]),
        ),
        ("dialled", dialled()),
        ("dialled, answered", with(dialled(), vec![answered()])),
        ("the desk dials", dial()),
        ("the desk dials, and the carrier too", placed()),
        (
            "the desk dialled, the far end rings",
            with(placed(), vec![(200, leg_is(1, LegStatus::Ringing))]),
        ),
        (
            "the desk dialled, the far end answered",
            with(placed(), vec![(200, leg_is(1, LegStatus::InProgress))]),
        ),
        (
            "the desk dialled, hung up before the carrier did",
            with(dial(), vec![hung_up()]),
        ),
        (
            "held",
            with(talking(), vec![(200, command(1, Command::Hold))]),
        ),
        (
            "talking, recorded",
            with(talking(), vec![(200, command(1, Command::Record(true)))]),
        ),
        (
            "held, with the other on the line",
            with(
                talking(),
                vec![
                    (200, desk_dials(2, Some(1))),
                    (300, placed_as(2, 2)),
                    (400, up(2)),
                ],
            ),
        ),
        ("leaving for the browsers", moves(Target::Browsers)),
        ("moved to a number, rings", at_number()),
        (
            "moved to a number, answered",
            with(at_number(), vec![answered()]),
        ),
        (
            "fetched from a number",
            with(at_number(), vec![answered(), fetched()]),
        ),
        (
            "coming back from a number",
            with(
                at_number(),
                vec![(900, after_dial(1, DialOutcome::NoAnswer))],
            ),
        ),
        (
            "in a conference",
            with(
                moves(Target::Conference(call_id(1))),
                vec![
                    (300, down(1, StreamEnd::Stopped)),
                    (310, after_stream(1, LegStatus::InProgress)),
                ],
            ),
        ),
        (
            "ended, hung up there",
            with(rung(), vec![(100, down(1, StreamEnd::Stopped))]),
        ),
        (
            "ended, the stream lost before an answer",
            with(
                rung(),
                vec![(100, down(1, StreamEnd::Lost)), (800, Input::Timeout)],
            ),
        ),
        (
            "ended, not answered at the desk",
            with(
                rung(),
                vec![
                    (20_000, Input::Timeout),
                    (23_000, Input::Timeout),
                    (43_000, Input::Timeout),
                ],
            ),
        ),
        (
            "ended, failed before an answer",
            vec![(0, incoming(1)), (60_000, Input::Timeout)],
        ),
        (
            "ended, not answered in the browsers",
            with(
                browsers(),
                vec![
                    (20_000, after_dial(1, DialOutcome::NoAnswer)),
                    (20_000, after_stream(1, LegStatus::InProgress)),
                ],
            ),
        ),
    ]
}

fn inputs() -> Vec<(&'static str, Input)> {
    let redirected = |done| Input::CarrierDid {
        request: CarrierRequest::Redirect(leg(1)),
        done,
    };
    let with_token = |n| Input::StreamUp {
        stream: StreamId(7),
        leg: leg(1),
        token: token(n),
    };
    vec![
        ("asks again", rings_from("+15145550100", 1, 3)),
        ("asks for another caller", rings_from("+15145550111", 1, 3)),
        ("asks to dial", dials_as(1, 3)),
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
            "asks after the dial, busy",
            after_dial(1, DialOutcome::Busy),
        ),
        (
            "asks after the dial, failed",
            after_dial(1, DialOutcome::Failed),
        ),
        (
            "asks after the dial, canceled",
            after_dial(1, DialOutcome::Canceled),
        ),
        ("leg in progress", leg_is(1, LegStatus::InProgress)),
        ("leg completed", leg_is(1, LegStatus::Completed)),
        ("leg busy", leg_is(1, LegStatus::Busy)),
        ("leg no answer", leg_is(1, LegStatus::NoAnswer)),
        ("leg failed", leg_is(1, LegStatus::Failed)),
        ("child answered", child(1, 50, LegStatus::InProgress)),
        ("child completed", child(1, 50, LegStatus::Completed)),
        (
            "another child completed",
            child(1, 51, LegStatus::Completed),
        ),
        ("child no answer", child(1, 50, LegStatus::NoAnswer)),
        ("stream up, right token", with_token(1)),
        ("stream up, wrong token", with_token(4)),
        ("stream stopped", down(1, StreamEnd::Stopped)),
        ("stream lost", down(1, StreamEnd::Lost)),
        ("stream faulted", down(1, StreamEnd::Faulted)),
        ("stream closed by us", down(1, StreamEnd::ClosedByUs)),
        (
            "key",
            Input::Key {
                stream: STREAM,
                digit: '5',
            },
        ),
        (
            "key #",
            Input::Key {
                stream: STREAM,
                digit: '#',
            },
        ),
        ("answer", command(1, Command::Answer)),
        ("hang up", command(1, Command::HangUp)),
        ("reject", command(1, Command::Reject)),
        ("hold", command(1, Command::Hold)),
        ("resume", command(1, Command::Resume)),
        ("mute", command(1, Command::Mute(true))),
        ("record", command(1, Command::Record(true))),
        (
            "pause the recording",
            command(1, Command::PauseRecording(true)),
        ),
        ("recording over", Input::RecordingOver(STREAM)),
        ("speech over", Input::SpeechOver(STREAM)),
        (
            "send a key",
            command(1, Command::Keys(Keys::parse("1").expect("a key"))),
        ),
        ("send the other keys", command(1, Command::KeysGoOn)),
        ("move to the desk", command(1, Command::Move(Target::Desk))),
        (
            "move to the browsers",
            command(1, Command::Move(Target::Browsers)),
        ),
        (
            "move to a number",
            command(1, Command::Move(Target::Number(number("+15145550123")))),
        ),
        (
            "move to voicemail",
            command(1, Command::Move(Target::Voicemail)),
        ),
        (
            "merge with the other",
            command(1, Command::Merge(call_id(2))),
        ),
        ("join with the other", command(1, Command::JoinConsulted)),
        ("carrier dialled it", placed_as(1, 1)),
        (
            "carrier did not dial it",
            Input::CarrierDialled {
                call: call_id(1),
                outcome: Err(DialRefusal::silence()),
            },
        ),
        ("carrier ended it", ended(1, true)),
        ("carrier did not end it", ended(1, false)),
        ("carrier redirected it", redirected(true)),
        ("carrier did not redirect it", redirected(false)),
        ("desk gone", Input::DeskUsable(false)),
        ("switched off", Input::Stop),
        ("its time is up", Input::Timeout),
    ]
}

fn short(effect: &Effect) -> String {
    match effect {
        Effect::Answer(Document::Stream { .. }) => "answer stream".to_owned(),
        Effect::Answer(Document::RingBrowsers { .. }) => "answer browsers".to_owned(),
        Effect::Answer(Document::DialNumber { .. }) => "answer dial".to_owned(),
        Effect::Answer(Document::Conference { .. }) => "answer conference".to_owned(),
        Effect::Answer(document) => format!("answer {document:?}"),
        Effect::Admit(..) => "admit".to_owned(),
        Effect::Refuse(_, why) => format!("refuse {why:?}"),
        Effect::Route(_, route) => format!("route {:?}", route.feed),
        Effect::Detach(_) => "detach".to_owned(),
        Effect::CloseStream(_) => "close stream".to_owned(),
        Effect::Carrier(CarrierRequest::End(_)) => "end leg".to_owned(),
        Effect::Carrier(CarrierRequest::Redirect(_)) => "redirect leg".to_owned(),
        Effect::CarrierDials { .. } => "carrier dials".to_owned(),
        Effect::Dialled(_, Ok(_)) => "dialled".to_owned(),
        Effect::Dialled(_, Err(why)) => format!("not dialled: {}", why.code()),
        Effect::Progress(Some(tone)) => format!("{} on", tone.name()),
        Effect::Progress(None) => "tone off".to_owned(),
        Effect::Keys(..) => "keys".to_owned(),
        Effect::Record(_, _, true) => "record".to_owned(),
        Effect::Record(_, _, false) => "stop recording".to_owned(),
        Effect::PauseRecording(_, true) => "pause recording".to_owned(),
        Effect::PauseRecording(_, false) => "resume recording".to_owned(),
        Effect::RecordingTone(_, on) => {
            format!("recording tone {}", if *on { "on" } else { "off" })
        }
        Effect::Speak(_, spoken) => format!("say {spoken:?}"),
        Effect::Hush(_) => "hush".to_owned(),
        Effect::Bell(Some(_)) => "bell on".to_owned(),
        Effect::Bell(None) => "bell off".to_owned(),
        Effect::Beep => "beep".to_owned(),
        Effect::CallEnded(tone) => format!("tone {}", tone.name()),
        Effect::DeskAnswered => "desk answered".to_owned(),
        Effect::Reply(Ok(_)) => "done".to_owned(),
        Effect::Reply(Err(why)) => format!("{why:?}"),
        Effect::Event(_, happening, reason) if *reason == happening.usual_reason() => {
            format!("log {happening:?}")
        }
        Effect::Event(_, happening, reason) => format!("log {happening:?} ({reason:?})"),
    }
}

fn table() -> String {
    let mut table = String::new();
    for (state, reached_by) in states() {
        let _ = writeln!(table, "{state}");
        for (name, input) in inputs() {
            let mut phone = phone_with_voicemail();
            register(&mut phone, "kitchen", at(100_000_000));
            let mut now = at(0);
            for (ms, input) in reached_by.clone() {
                now = at(ms);
                phone.handle(input, now);
            }
            if name == "its time is up" {
                now = phone.calls[0].deadline();
            }
            let effects = phone.handle(input, now);
            let views = phone.views();
            let view = views
                .iter()
                .find(|view| view.id == call_id(1) || view.leg == Some(leg(1)));
            let now_is = view.map_or("forgotten".to_owned(), |view| match view.end_reason {
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

/// A change of policy is a change of this table: what the failing test prints goes into `docs/call_table.txt`.
#[test]
fn every_pair_of_state_and_input_does_what_the_table_says() {
    let expected = include_str!("../../../../docs/call_table.txt");
    let table = table();
    assert!(table == expected, "the table is now:\n{table}");
}
