//! The rules of a media socket's life, in simulated time.

use proptest::prelude::*;

use super::*;

const CONNECTED: &str = r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#;
const STOP: &str = r#"{"event":"stop","sequenceNumber":"99","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#;

/// A session, what it asked for, and the time.
struct Line {
    session: Session,
    now: Time,
    asked: Vec<Action>,
}

impl Line {
    fn opened() -> Line {
        Line {
            session: Session::new(Time::START),
            now: Time::START,
            asked: Vec::new(),
        }
    }

    fn offered() -> Line {
        let mut line = Line::opened();
        line.says(CONNECTED);
        line.says(&start("token"));
        assert!(matches!(line.asked(), [Action::Offer { .. }]));
        line.asked.clear();
        line
    }

    fn up() -> Line {
        let mut line = Line::offered();
        line.session.admitted(line.now);
        line
    }

    fn hears(&mut self, heard: Heard<'_>) {
        self.session.hear(heard, self.now, &mut self.asked);
    }

    fn says(&mut self, text: &str) {
        self.hears(Heard::Text(text));
    }

    /// Lets time pass as a task would: stops at every moment that the session asks for.
    fn passes(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.timeout(self.now, &mut self.asked);
        }
        self.now = end;
    }

    fn asked(&self) -> &[Action] {
        &self.asked
    }

    fn took(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.asked)
    }
}

fn start(token: &str) -> String {
    format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#
    )
}

fn media(number: u64, ms: u64) -> String {
    format!(
        r#"{{"event":"media","sequenceNumber":"{number}","streamSid":"MZ1","media":{{"track":"inbound","chunk":"{number}","timestamp":"{ms}","payload":"/39/"}}}}"#
    )
}

fn ended(end: StreamEnd) -> Action {
    Action::Ended(end)
}

fn frames(actions: &[Action]) -> Vec<u64> {
    actions
        .iter()
        .map(|action| match action {
            Action::Down(frame) => frame.at,
            Action::Offer { .. }
            | Action::Key(_)
            | Action::Mark(_)
            | Action::Ping
            | Action::Close(_)
            | Action::Ended(_)
            | Action::Drop => panic!("only sound was to come, but {action:?} came"),
        })
        .collect()
}

#[test]
fn a_start_is_offered_with_leg_and_token() {
    let mut line = Line::opened();
    line.says(CONNECTED);
    line.says(&start("hush"));
    let offer = Action::Offer {
        leg: LegId::new("CA1"),
        token: StreamToken::new("hush"),
    };
    assert_eq!(line.asked(), [offer]);
    assert_eq!(line.session.may_send(), None);
}

#[test]
fn an_admitted_stream_lets_sound_and_keys_through() {
    let mut line = Line::up();
    assert_eq!(line.session.may_send().map(StreamSid::as_str), Some("MZ1"));
    line.says(&media(2, 20));
    assert_eq!(frames(&line.took()), [160]);
    line.says(r#"{"event":"dtmf","sequenceNumber":"3","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#);
    line.says(r#"{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"x"}}"#);
    assert_eq!(line.asked(), [Action::Key('5')]);
    assert_eq!(line.session.faults(), Faults::default());
}

#[test]
fn a_key_in_the_sound_is_told_once_with_and_without_a_message_of_it() {
    use base64::Engine as _;

    use crate::pure::audio::dtmf::KeySender;
    use crate::pure::audio::{FRAME_LEN, g711};
    use crate::pure::keys::Keys;

    for message in [false, true] {
        let mut line = Line::up();
        let mut sender = KeySender::default();
        assert!(sender.send(Keys::parse("5").expect("a key").signs()));
        for n in 2..20 {
            let (mut sound, mut ulaw) = ([0.0; FRAME_LEN], [0; FRAME_LEN]);
            sender.process(&mut sound);
            g711::encode_slice(&sound, &mut ulaw);
            let payload = base64::engine::general_purpose::STANDARD.encode(ulaw);
            line.says(&media(n, n * 20).replace("/39/", &payload));
        }
        if message {
            line.says(r#"{"event":"dtmf","sequenceNumber":"20","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}"#);
        }
        let keys = line.took().into_iter().filter_map(|action| match action {
            Action::Key(key) => Some(key),
            Action::Down(_)
            | Action::Offer { .. }
            | Action::Mark(_)
            | Action::Ping
            | Action::Close(_)
            | Action::Ended(_)
            | Action::Drop => None,
        });
        assert_eq!(keys.collect::<String>(), "5", "message: {message}");
    }
}

#[test]
fn a_key_of_ours_that_the_line_sends_back_is_not_told() {
    use base64::Engine as _;

    use crate::pure::audio::dtmf::KeySender;
    use crate::pure::audio::{FRAME_LEN, g711};
    use crate::pure::keys::Keys;

    let mut line = Line::up();
    let mut sender = KeySender::default();
    assert!(sender.send(Keys::parse("5").expect("a key").signs()));
    for n in 2..20 {
        let (mut sound, mut ulaw) = ([0.0; FRAME_LEN], [0; FRAME_LEN]);
        if sender.process(&mut sound) {
            line.session.sends_key(Duration::ZERO, line.now);
        }
        g711::encode_slice(&sound, &mut ulaw);
        let payload = base64::engine::general_purpose::STANDARD.encode(ulaw);
        line.says(&media(n, n * 20).replace("/39/", &payload));
        line.passes(20);
    }
    assert_eq!(frames(&line.took()).len(), 18);
}

#[test]
fn no_sound_flows_before_the_phone_has_said_yes() {
    let mut line = Line::offered();
    line.says(&media(2, 20));
    assert_eq!(line.asked(), []);
    assert_eq!(line.session.faults().misplaced, 1);
}

#[test]
fn a_refused_stream_is_closed_with_1008_and_dropped_if_the_carrier_does_not_answer() {
    let mut line = Line::offered();
    assert_eq!(line.session.refused(line.now), Some(CloseReason::Refused));
    assert_eq!(line.session.refused(line.now), None);
    assert_eq!(line.session.faults().to_string(), "1 refused");
    assert_eq!(CloseReason::Refused.code(), 1008);
    line.says(&media(2, 20));
    line.passes(1_999);
    assert_eq!(line.took(), []);
    line.passes(1);
    assert_eq!(line.took(), [Action::Drop]);
    assert_eq!(line.session.poll_timeout(), None);
}

#[test]
fn a_start_without_a_token_is_refused_without_asking() {
    let mut line = Line::opened();
    line.says(&start("x").replace(r#""token""#, r#""other""#));
    assert_eq!(line.asked(), [Action::Close(CloseReason::Refused)]);
    assert_eq!(line.session.faults().refused, 1);
}

#[test]
fn another_sound_format_is_closed_with_a_reason() {
    let mut line = Line::opened();
    line.says(&start("x").replace("8000", "16000"));
    assert_eq!(line.asked(), [Action::Close(CloseReason::OtherFormat)]);
    assert_eq!(CloseReason::OtherFormat.code(), 1003);
    let told = line.session.other_format().map(ToString::to_string);
    assert!(told.is_some_and(|told| told.contains("16000 Hz")));
    assert!(
        CloseReason::OtherFormat
            .to_string()
            .contains("audio/x-mulaw")
    );
    assert_eq!(line.session.faults().closed, 1);
}

#[test]
fn without_a_start_a_socket_is_closed_after_10_s_whatever_else_it_says() {
    let mut line = Line::opened();
    line.says(CONNECTED);
    line.passes(5_000);
    line.says(&media(2, 20));
    line.hears(Heard::Pong);
    line.passes(4_999);
    assert_eq!(line.took(), []);
    line.passes(1);
    assert_eq!(line.took(), [Action::Close(CloseReason::NoStart)]);
    assert_eq!(line.session.faults().closed, 1);
}

#[test]
fn a_line_that_is_silent_and_answers_no_ping_is_closed_after_30_s() {
    let mut line = Line::up();
    line.says(&media(2, 20));
    line.took();
    line.passes(29_999);
    assert_eq!(line.took(), [Action::Ping, Action::Ping]);
    line.passes(1);
    assert_eq!(
        line.took(),
        [
            ended(StreamEnd::Faulted),
            Action::Close(CloseReason::Silent)
        ]
    );
    assert_eq!(line.session.faults().closed, 1);
}

#[test]
fn a_pong_now_and_then_keeps_a_silent_line_alive() {
    let mut line = Line::up();
    for _ in 0..100 {
        line.passes(20_000);
        assert_eq!(line.took(), [Action::Ping, Action::Ping]);
        line.hears(Heard::Pong);
    }
    assert!(line.session.may_send().is_some());
}

#[test]
fn text_that_is_no_sound_does_not_keep_a_line_alive() {
    let mut line = Line::up();
    for _ in 0..30 {
        line.passes(1_000);
        line.says("garbage");
    }
    assert_eq!(
        line.took().last(),
        Some(&Action::Close(CloseReason::Silent))
    );
}

#[test]
fn after_stop_nothing_is_sent_and_the_carrier_has_2_s_to_close() {
    let mut line = Line::up();
    line.passes(9_000);
    line.says(STOP);
    assert_eq!(line.took(), [ended(StreamEnd::Stopped)]);
    assert_eq!(line.session.may_send(), None);
    line.says(&media(100, 20));
    line.session.close(line.now, &mut line.asked);
    line.passes(1_999);
    assert_eq!(line.took(), []);
    line.passes(1);
    assert_eq!(line.took(), [Action::Close(CloseReason::Stopped)]);
    line.passes(2_000);
    assert_eq!(line.took(), [Action::Drop]);
}

#[test]
fn after_stop_the_carriers_own_close_is_all_there_is() {
    let mut line = Line::up();
    line.says(STOP);
    line.hears(Heard::Close);
    line.hears(Heard::Lost);
    assert_eq!(line.took(), [ended(StreamEnd::Stopped), Action::Drop]);
}

#[test]
fn a_close_or_a_lost_socket_ends_the_stream_at_once() {
    let mut line = Line::up();
    line.hears(Heard::Close);
    assert_eq!(line.took(), [ended(StreamEnd::Lost)]);
    line.hears(Heard::Lost);
    assert_eq!(line.took(), [Action::Drop]);

    let mut line = Line::up();
    line.hears(Heard::Lost);
    assert_eq!(line.took(), [ended(StreamEnd::Lost), Action::Drop]);
}

#[test]
fn a_close_that_the_phone_wants_carries_1000() {
    let mut line = Line::up();
    line.session.close(line.now, &mut line.asked);
    assert_eq!(
        line.took(),
        [
            ended(StreamEnd::ClosedByUs),
            Action::Close(CloseReason::AsAsked)
        ]
    );
    assert_eq!(CloseReason::AsAsked.code(), 1000);
    line.session.close(line.now, &mut line.asked);
    line.hears(Heard::Close);
    line.hears(Heard::Lost);
    assert_eq!(line.took(), [Action::Drop]);
}

#[test]
fn a_stream_that_breaks_the_websocket_is_closed_with_the_code_for_it() {
    for (how, code) in [
        (Broken::TooBig, 1009),
        (Broken::NotUtf8, 1007),
        (Broken::Framing, 1002),
    ] {
        let mut line = Line::up();
        line.hears(Heard::Broken(how));
        let reason = CloseReason::Broken(how);
        assert_eq!(
            line.took(),
            [ended(StreamEnd::Faulted), Action::Close(reason)]
        );
        assert_eq!(reason.code(), code);
        line.hears(Heard::Lost);
        assert_eq!(line.took(), [Action::Drop]);
    }
}

#[test]
fn a_second_start_is_counted_and_changes_nothing() {
    let mut line = Line::up();
    line.says(&start("other").replace(r#""sequenceNumber":"1""#, r#""sequenceNumber":"2""#));
    assert_eq!(line.took(), []);
    assert_eq!(line.session.faults().misplaced, 1);
    line.says(&media(3, 0));
    assert_eq!(frames(&line.took()), [0]);
}

#[test]
fn messages_of_another_stream_and_our_own_sound_are_not_heard() {
    let mut line = Line::up();
    line.says(&media(2, 0).replace("MZ1", "MZ2"));
    line.says(&STOP.replace("MZ1", "MZ2"));
    line.says(&media(2, 0).replace("inbound", "outbound"));
    assert_eq!(line.took(), []);
    assert_eq!(line.session.faults().misplaced, 3);
}

#[test]
fn duplicates_are_dropped_and_late_messages_go_to_their_place() {
    let mut line = Line::up();
    for number in [2, 3, 3, 6, 5, 5, 2, 7] {
        line.says(&media(number, number * 20));
    }
    assert_eq!(frames(&line.took()), [320, 480, 960, 800, 1120]);
    let expected = Faults {
        duplicates: 3,
        late: 1,
        skipped: 2,
        ..Faults::default()
    };
    assert_eq!(line.session.faults(), expected);
    assert_eq!(expected.to_string(), "3 duplicate, 1 late, 2 skipped");
}

#[test]
fn a_stop_ends_the_stream_even_under_a_number_that_came_before() {
    let mut line = Line::up();
    line.says(&media(2, 20));
    line.took();
    line.says(r#"{"event":"stop","sequenceNumber":"2","streamSid":"MZ1","stop":{}}"#);
    assert_eq!(line.took(), [Action::Ended(StreamEnd::Stopped)]);
}

#[test]
fn garbage_of_every_kind_is_survived_and_counted() {
    let mut line = Line::up();
    let too_long = media(2, 0).replace("/39/", &"/39/".repeat(30_000));
    for text in [
        "",
        "\0",
        "null",
        r#"{"event":"media","sequenceNumber":"9","media":{"payload":"*"}}"#,
        r#"{"event":"levitate"}"#,
        &too_long,
        &media(2, 0)[..80],
    ] {
        line.says(text);
    }
    line.hears(Heard::Binary);
    assert_eq!(line.took(), []);
    let faults = line.session.faults();
    assert_eq!(
        (
            faults.garbage,
            faults.unknown,
            faults.too_long,
            faults.binary
        ),
        (5, 1, 1, 1)
    );
    line.says(&media(20, 0));
    assert_eq!(frames(&line.took()), [0]);
}

#[test]
fn a_number_far_ahead_does_not_silence_the_rest() {
    let mut line = Line::up();
    line.says(&media(u64::MAX, 0));
    line.says(&media(2, 20));
    line.says(&media(3, 40));
    assert_eq!(frames(&line.took()), [0, 160, 320]);
    assert_eq!(line.session.faults().late, 2);
}

fn any_event() -> impl Strategy<Value = u8> {
    0_u8..14
}

proptest! {
    /// Whatever happens in whatever order, the phone hears of an admitted stream's end exactly once, nothing is sent or
    /// let through outside of it, at most one close frame leaves, and the socket is let go in the end.
    #[test]
    fn any_order_of_events_keeps_the_promises(
        events in prop::collection::vec((any_event(), 0_u64..15_000), 0..60),
    ) {
        let mut line = Line::opened();
        let (mut admitted, mut number) = (false, 1);
        let mut all = Vec::new();
        for (event, millis) in events {
            let sendable = line.session.may_send().is_some();
            number += 1;
            match event {
                0 => line.says(CONNECTED),
                1 => line.says(&start("t")),
                2 | 3 => {
                    let offered = line.session.state == State::Offered;
                    line.session.admitted(line.now);
                    admitted |= offered;
                }
                4 => {
                    let close = line.session.refused(line.now);
                    line.asked.extend(close.map(Action::Close));
                }
                5 => line.session.close(line.now, &mut line.asked),
                6 => line.says(STOP),
                7 => line.says("garbage"),
                8 => line.hears(Heard::Binary),
                9 => line.hears(Heard::Pong),
                10 => line.hears(Heard::Close),
                11 => line.hears(Heard::Broken(Broken::Framing)),
                12 => line.says(&media(number, number * 20)),
                _ => line.passes(millis),
            }
            for action in line.took() {
                if matches!(action, Action::Down(_) | Action::Ping) {
                    prop_assert!(sendable);
                }
                all.push(action);
            }
        }
        line.hears(Heard::Lost);
        all.extend(line.took());
        line.passes(60_000);
        prop_assert_eq!(line.took(), []);
        let count = |wanted: fn(&Action) -> bool| all.iter().filter(|a| wanted(a)).count();
        prop_assert_eq!(count(|a| matches!(a, Action::Ended(_))), usize::from(admitted));
        prop_assert!(count(|a| matches!(a, Action::Close(_))) <= 1);
        prop_assert_eq!(count(|a| matches!(a, Action::Drop)), 1);
        prop_assert_eq!(all.last(), Some(&Action::Drop));
    }

    #[test]
    fn numbers_know_what_came_within_the_last_64(order in prop::collection::vec(1_u64..60, 1..100)) {
        let mut numbers = Numbers::default();
        let mut before = std::collections::HashSet::new();
        for number in order {
            let seen = numbers.see(number);
            prop_assert_eq!(seen == Seen::Again, !before.insert(number));
        }
    }
}
