//! Whole screens as text, and what keys make of them.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::draw::{Theme, render};
use super::keys::{Key, Wanted};
use super::model::Model;
use crate::control::{
    CallLevels, CallReport, Device, Devices, Recalled, Reply, Request, Status, Wish,
};
use crate::lang::Lang;
use crate::pure::book::history::{HistoryEntry, HistoryPage};
use crate::pure::quality::{CallQuality, Figure, Rating, Verdict};
use crate::pure::time::read_rfc3339;

const NOW: &str = "2026-01-01T10:00:00Z";

#[test]
fn a_quiet_phone_on_a_common_terminal() {
    let mut model = phone(Lang::En, vec![]);
    history(&mut model);
    shows(&model, (80, 24), QUIET);
}

#[test]
fn a_talk_with_another_who_waits() {
    shows(&talk(Lang::En), (80, 24), TALK);
}

#[test]
fn the_same_in_french_on_the_smallest_terminal() {
    shows(&talk(Lang::Fr), (40, 12), TALK_SMALL);
}

#[test]
fn the_keys_are_listed_on_any_terminal() {
    let mut model = phone(Lang::En, vec![]);
    assert_eq!(press(&mut model, "?"), None);
    shows(&model, (80, 24), HELP);
    shows(&model, (40, 12), HELP_SMALL);
    for _ in 0..30 {
        press(&mut model, "down");
    }
    for (lang, last) in [
        (Lang::En, "a call talks on"),
        (Lang::Fr, "l'appel continue"),
    ] {
        model.lang = lang;
        let end = screen(&model, (40, 12)).join("\n");
        assert!(end.contains(last), "{end}");
    }
    assert_eq!(press(&mut model, "q"), None, "any key closes it");
    assert_eq!(press(&mut model, "q"), Some(Wanted::Quit));
}

#[test]
fn a_daemon_that_is_away_is_told_until_it_is_back() {
    let mut model = talk(Lang::En);
    model.lose("no daemon is running here".to_owned());
    let screen = screen(&model, (60, 12)).join("\n");
    assert!(
        screen.contains("no daemon is running here; it is looked for"),
        "{screen}"
    );
    assert!(
        screen.contains("no calls") && !screen.contains("desk"),
        "{screen}"
    );
    let mut model = phone(Lang::En, vec![]);
    assert_eq!(model.line(), None, "it is back");
    model.tick(now() + Duration::from_secs(3));
    let (told, is_trouble) = model.line().expect("silence is told");
    assert_eq!(
        (told.as_str(), is_trouble),
        ("the daemon gives no answer", true)
    );
}

#[test]
fn what_the_phone_refuses_stays_until_the_next_key() {
    let mut model = phone(Lang::En, vec![]);
    let refused = Reply::Error {
        code: "no_line".to_owned(),
        message: "every line is taken".to_owned(),
    };
    model.learn(
        &Request::Dial {
            to: "+1".to_owned(),
            key: None,
        },
        refused,
    );
    model.learn(&Request::Status, status(vec![]));
    let line = |model: &Model| model.line().map(|(told, _)| told);
    assert_eq!(line(&model).as_deref(), Some("every line is taken"));
    press(&mut model, "1");
    assert_eq!(line(&model), None);
}

#[test]
fn a_number_is_typed_corrected_and_dialled() {
    let mut model = phone(Lang::En, vec![]);
    for key in ["5", "1", "4", "2", "back", "*", "#"] {
        assert_eq!(press(&mut model, key), None);
    }
    assert_eq!(model.field, "514*#");
    press(&mut model, "esc");
    assert_eq!(model.field, "");
    model.press(Key::Paste(" tel:+1 (514) 555-0100\n".to_owned()));
    let to = "+15145550100".to_owned();
    assert_eq!(
        press(&mut model, "enter"),
        Some(Wanted::Ask(Request::Dial { to, key: None }))
    );
    assert_eq!(model.field, "");
}

#[test]
fn enter_alone_brings_the_last_number_back_and_dials_it_the_second_time() {
    let mut model = phone(Lang::En, vec![]);
    assert_eq!(press(&mut model, "enter"), None);
    assert!(model.line().is_some(), "there is none yet");
    history(&mut model);
    assert_eq!(press(&mut model, "enter"), None);
    assert_eq!(model.field, "+15145550177");
    let to = "+15145550177".to_owned();
    assert_eq!(
        press(&mut model, "enter"),
        Some(Wanted::Ask(Request::Dial { to, key: None }))
    );
}

#[test]
fn each_key_of_a_talk_is_a_wish_for_its_call() {
    let talks = || call("c1", "talking");
    for (key, wish) in [
        ("h", Wish::Hold),
        ("m", Wish::Mute { on: true }),
        ("r", Wish::Record { on: true }),
        (
            "7",
            Wish::Dtmf {
                digits: "7".to_owned(),
            },
        ),
        (
            "#",
            Wish::Dtmf {
                digits: "#".to_owned(),
            },
        ),
        (
            "v",
            Wish::Move {
                to: "browser".to_owned(),
            },
        ),
    ] {
        let mut model = phone(Lang::En, vec![talks()]);
        assert_eq!(press(&mut model, key), wished("c1", wish), "{key}");
    }
    for (key, wish) in [
        ("m", Wish::Mute { on: false }),
        ("r", Wish::Record { on: false }),
    ] {
        let all_on = CallReport {
            muted: true,
            recording: true,
            ..talks()
        };
        let mut model = phone(Lang::En, vec![all_on]);
        assert_eq!(press(&mut model, key), wished("c1", wish), "{key}");
    }
    let mut model = phone(Lang::En, vec![held("c1")]);
    assert_eq!(press(&mut model, "h"), wished("c1", Wish::Resume));
    assert_eq!(press(&mut model, "enter"), wished("c1", Wish::Resume));
    let mut model = phone(Lang::En, vec![elsewhere("c1")]);
    let desk = "desk".to_owned();
    assert_eq!(
        press(&mut model, "v"),
        wished("c1", Wish::Move { to: desk })
    );
    for key in ["x", "back"] {
        let mut model = phone(Lang::En, vec![talks()]);
        let call = Some("c1".to_owned());
        assert_eq!(
            press(&mut model, key),
            Some(Wanted::Ask(Request::Hangup { call }))
        );
    }
}

#[test]
fn keys_that_need_a_call_say_so_where_there_is_none() {
    for key in ["x", "h", "m", "s", "g", "t", "v", "r"] {
        let over = CallReport {
            state: "ended".to_owned(),
            place: None,
            ..call("c1", "ended")
        };
        let mut model = phone(Lang::En, vec![over]);
        assert_eq!(press(&mut model, key), None, "{key}");
        let (told, _) = model.line().expect("it is told");
        assert!(told.contains("no call"), "{key}: {told}");
    }
}

#[test]
fn what_rings_is_answered_or_turned_away_and_never_instead_of_the_talk() {
    let mut model = phone(Lang::En, vec![call("c1", "ringing")]);
    let answer = |call: &str| {
        let call = Some(call.to_owned());
        Some(Wanted::Ask(Request::Answer { call }))
    };
    assert_eq!(press(&mut model, "enter"), answer("c1"));
    assert_eq!(press(&mut model, "x"), wished("c1", Wish::Reject));
    // A second caller: Enter is for them, x for whoever is spoken with, until the other is chosen.
    let mut model = phone(Lang::En, vec![call("c1", "talking"), call("c2", "ringing")]);
    assert_eq!(press(&mut model, "enter"), answer("c2"));
    let call = Some("c1".to_owned());
    assert_eq!(
        press(&mut model, "x"),
        Some(Wanted::Ask(Request::Hangup { call }))
    );
    press(&mut model, "down");
    assert_eq!(press(&mut model, "x"), wished("c2", Wish::Reject));
    assert_eq!(
        press(&mut model, "m"),
        wished("c1", Wish::Mute { on: true })
    );
}

#[test]
fn two_calls_are_swapped_and_met() {
    let calls = || vec![held("c1"), call("c2", "talking")];
    let mut model = phone(Lang::En, calls());
    assert_eq!(press(&mut model, "s"), wished("c1", Wish::Resume));
    let with = "c1".to_owned();
    assert_eq!(press(&mut model, "g"), wished("c2", Wish::Merge { with }));
    let mut alone = phone(Lang::En, vec![call("c2", "talking")]);
    assert_eq!(press(&mut alone, "g"), None);
    assert_eq!(
        alone.line().expect("told").0,
        "there is no other call to meet"
    );
}

#[test]
fn a_further_call_takes_every_letter() {
    let mut model = phone(Lang::En, vec![call("c1", "talking")]);
    for key in ["n", "a", "n", "n", "a", "x", "back", "q", "back"] {
        assert_eq!(press(&mut model, key), None, "{key}");
    }
    let to = "anna".to_owned();
    assert_eq!(
        press(&mut model, "enter"),
        Some(Wanted::Ask(Request::Dial { to, key: None }))
    );
    assert_eq!(
        press(&mut model, "q"),
        Some(Wanted::Quit),
        "letters are keys again"
    );
}

#[test]
fn a_call_is_handed_over_at_once_or_after_speaking_first() {
    let mut model = phone(Lang::En, vec![call("c1", "talking")]);
    for key in ["t", "5", "1"] {
        assert_eq!(press(&mut model, key), None);
    }
    let to = || "51".to_owned();
    assert_eq!(
        press(&mut model, "enter"),
        wished("c1", Wish::Move { to: to() })
    );
    for key in ["t", "5", "1"] {
        press(&mut model, key);
    }
    let consult = Request::Consult {
        call: Some("c1".to_owned()),
        to: to(),
    };
    assert_eq!(press(&mut model, "tab"), Some(Wanted::Ask(consult.clone())));
    model.learn(&consult, Reply::Call(Box::new(call("c2", "dialing"))));
    model.learn(
        &Request::Status,
        status(vec![held("c1"), call("c2", "talking")]),
    );
    assert_eq!(press(&mut model, "t"), wished("c1", Wish::Join));
    // Once the other is gone, `t` asks anew.
    model.learn(&Request::Status, status(vec![call("c1", "talking")]));
    assert_eq!(press(&mut model, "t"), None);
    // Nothing typed: whoever was dialled for it before we came.
    assert_eq!(press(&mut model, "enter"), wished("c1", Wish::Join));
    press(&mut model, "t");
    model.learn(&Request::Status, status(vec![]));
    assert_eq!(
        press(&mut model, "q"),
        Some(Wanted::Quit),
        "the call is gone, and the question"
    );
}

#[test]
fn do_not_disturb_is_switched_and_shown_at_once() {
    let mut model = phone(Lang::En, vec![]);
    let on = Request::DoNotDisturb { on: true };
    assert_eq!(press(&mut model, "d"), Some(Wanted::Ask(on.clone())));
    model.learn(&on, Reply::Done);
    let top = screen(&model, (80, 24)).swap_remove(0);
    assert!(top.contains("do not disturb"), "{top}");
    let off = Request::DoNotDisturb { on: false };
    assert_eq!(press(&mut model, "d"), Some(Wanted::Ask(off)));
}

#[test]
fn without_colours_nothing_is_lost_but_the_colours() {
    let model = talk(Lang::En);
    let [with, without] = [true, false].map(|colour| {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("no device");
        let theme = Theme { colour };
        terminal
            .draw(|frame| render(&model, theme, frame))
            .expect("drawn");
        terminal.backend().buffer().clone()
    });
    let has_colour = |buffer: &ratatui::buffer::Buffer| {
        buffer
            .content
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(has_colour(&with) && !has_colour(&without));
    let signs = |buffer: &ratatui::buffer::Buffer| {
        let signs = buffer.content.iter().map(|cell| cell.symbol().to_owned());
        signs.collect::<Vec<_>>()
    };
    assert_eq!(signs(&with), signs(&without));
}

#[test]
fn names_of_others_give_the_terminal_no_orders() {
    let strange = CallReport {
        from: "\x1b]0;mine\x07+1\u{202e}514".to_owned(),
        ..call("c1", "ringing")
    };
    let screen = screen(&phone(Lang::En, vec![strange]), (80, 24)).join("\n");
    assert!(screen.contains("]0;mine+1514"), "{screen}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_keys_on_a_screen_of_any_size_are_survived(
        size in (1_u16..200, 1_u16..60),
        keys in prop::collection::vec("[0-9*#+a-zé?]|enter|back|esc|tab|up|down", 0..30),
        calls in 0_usize..12,
    ) {
        let states = ["talking", "ringing", "ended", "dialing", "talking"];
        let calls = (0..calls).map(|n| call(&format!("c{n}"), states[n % states.len()]));
        let mut model = phone(Lang::Fr, calls.collect());
        history(&mut model);
        for key in keys {
            press(&mut model, &key);
            prop_assert!(model.field.chars().count() <= 64);
        }
        prop_assert_eq!(screen(&model, size).len(), usize::from(size.1));
    }
}

/// Draws the model and compares it with a screen line by line; what follows a line's last sign counts for nothing.
fn shows(model: &Model, size: (u16, u16), expected: &str) {
    let drawn = screen(model, size).join("\n");
    assert_eq!(drawn.trim_end(), expected.trim_matches('\n'), "\n{drawn}\n");
}

fn screen(model: &Model, (width, height): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no device");
    let theme = Theme { colour: true };
    terminal
        .draw(|frame| render(model, theme, frame))
        .expect("drawn");
    let buffer = terminal.backend().buffer();
    let row = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned()
    };
    buffer.content.chunks(usize::from(width)).map(row).collect()
}

fn press(model: &mut Model, key: &str) -> Option<Wanted> {
    model.press(match key {
        "enter" => Key::Enter,
        "back" => Key::Backspace,
        "esc" => Key::Escape,
        "tab" => Key::Tab,
        "up" => Key::Up,
        "down" => Key::Down,
        sign => Key::Sign(sign.chars().next().expect("a sign")),
    })
}

fn wished(call: &str, wish: Wish) -> Option<Wanted> {
    let call = Some(call.to_owned());
    Some(Wanted::Ask(Request::Do { call, wish }))
}

fn now() -> SystemTime {
    read_rfc3339(NOW).expect("a moment")
}

fn phone(lang: Lang, calls: Vec<CallReport>) -> Model {
    let mut model = Model::new(lang, now());
    model.learn(&Request::Status, status(calls));
    model
}

fn status(calls: Vec<CallReport>) -> Reply {
    let works = |detail: &str| Device {
        works: true,
        detail: detail.to_owned(),
    };
    Reply::Status(Box::new(Status {
        version: "0.1.0".to_owned(),
        pid: 7,
        number: Some("+18199754345".to_owned()),
        address: "http://127.0.0.1:3000".to_owned(),
        public_url: "https://phone.example.com".to_owned(),
        uptime_seconds: 3_661,
        devices: Devices {
            capture: works("USB Audio (pulseaudio)"),
            playout: works("USB Audio (pulseaudio)"),
            ringer: Device {
                works: false,
                detail: "no such device".to_owned(),
            },
        },
        calls,
        do_not_disturb: false,
        quiet: None,
        voicemails_waiting: 0,
        levels: vec![CallLevels {
            call: "c1".to_owned(),
            microphone_dbfs: Some(-18.2),
            far_end_dbfs: Some(-2.0),
        }],
    }))
}

fn call(id: &str, state: &str) -> CallReport {
    CallReport {
        id: id.to_owned(),
        sid: Some(format!("CA{id}")),
        direction: "incoming".to_owned(),
        from: "+15145550101".to_owned(),
        to: "+18199754345".to_owned(),
        name: None,
        state: state.to_owned(),
        place: Some("desk".to_owned()),
        since: "2026-01-01T09:58:48Z".to_owned(),
        muted: false,
        held: false,
        merged: false,
        recording: false,
        recording_paused: false,
        end_reason: None,
        quality: None,
    }
}

fn held(id: &str) -> CallReport {
    CallReport {
        held: true,
        direction: "outgoing".to_owned(),
        to: "+15145550102".to_owned(),
        ..call(id, "talking")
    }
}

fn elsewhere(id: &str) -> CallReport {
    CallReport {
        place: Some("browser".to_owned()),
        ..call(id, "talking")
    }
}

/// Anna talks and is recorded, somebody waits, a third is gone; the network was bad for a moment.
fn talk(lang: Lang) -> Model {
    let figure = |now| {
        Some(Figure {
            now,
            mean: now,
            worst: now,
        })
    };
    let at = |second: u64, mos: f32, late: f32| CallQuality {
        seconds: second,
        rating: Some(Rating {
            word: Verdict::Good,
            r: figure(90.0).expect("some"),
            mos: figure(mos).expect("some"),
        }),
        up_ms: figure(25.2),
        down_ms: figure(40.0 + late),
        jitter_ms: figure(late / 4.0),
        concealed_ms: if second < 4 { 0 } else { 120 },
        ..CallQuality::default()
    };
    let calls = |quality: CallQuality| {
        let anna = CallReport {
            recording: true,
            quality: Some(quality),
            ..call("c1", "talking")
        };
        let gone = CallReport {
            place: None,
            end_reason: Some("hung_up_there".to_owned()),
            ..call("c0", "ended")
        };
        vec![gone, anna, held("c2")]
    };
    let mut model = Model::new(lang, now());
    for (second, mos, late) in [
        (1, 4.4, 0.0),
        (2, 4.4, 8.0),
        (3, 4.4, 8.0),
        (4, 2.1, 240.0),
        (5, 3.9, 80.0),
        (6, 4.3, 20.0),
    ] {
        model.learn(&Request::Status, status(calls(at(second, mos, late))));
    }
    history(&mut model);
    model
}

fn history(model: &mut Model) {
    let entry = |id: &str, direction: &str, began: &str| HistoryEntry {
        id: id.to_owned(),
        sid: format!("CA{id}"),
        direction: direction.to_owned(),
        from: "+15145550199".to_owned(),
        to: "+15145550177".to_owned(),
        name: None,
        began: began.to_owned(),
        answered: None,
        ended: None,
        talk_seconds: 0,
        end_reason: Some("not_answered".to_owned()),
        place: None,
        missed: false,
        seen: false,
        recordings: vec![],
        voicemails: vec![],
        quality: None,
    };
    let page = HistoryPage {
        calls: vec![
            HistoryEntry {
                name: Some("Anna".to_owned()),
                ..entry("c1", "incoming", "2026-01-01T09:58:00Z")
            },
            HistoryEntry {
                missed: true,
                name: Some("Bert".to_owned()),
                ..entry("h1", "incoming", "2026-01-01T09:43:10Z")
            },
            HistoryEntry {
                talk_seconds: 190,
                end_reason: Some("hung_up_there".to_owned()),
                ..entry("h2", "outgoing", "2026-01-01T07:43:10Z")
            },
            entry("h3", "outgoing", "2025-12-28T07:43:10Z"),
        ],
        unseen: 1,
        next: None,
    };
    let query = Default::default();
    let recall = crate::control::Recall::History { query };
    let reply = Reply::Recalled(Box::new(Recalled::History(page)));
    model.learn(&Request::Recall(recall), reply);
}

const QUIET: &str = "
Offhook  +18199754345                                                 up 1:01:01
● mic USB Audio (pulseaudi ● speaker USB Audio (pulse ○ bell no such device
┌ Calls ───────────────────────────────────────────────────────────────────────┐
│no calls                                                                      │
└──────────────────────────────────────────────────────────────────────────────┘
┌ Sound ───────────────────────────┐┌ Quality ─────────────────────────────────┐
│mic     ░░░░░░░░░░░░░░░░░░░   -   ││                                          │
│far end ░░░░░░░░░░░░░░░░░░░   -   ││                                          │
│                                  ││                                          │
│                                  ││                                          │
└──────────────────────────────────┘└──────────────────────────────────────────┘
┌ Number ──────────────────────────────────────────────────────────────────────┐
│                                                                              │
└──────────────────────────────────────────────────────────────────────────────┘
┌ Last calls (new missed: 1) ──────────────────────────────────────────────────┐
│← Anna  +15145550199                                   not answered  2 min ago│
│← Bert  +15145550199                                        missed  16 min ago│
│→ +15145550177                                                0:03:10  2 h ago│
│→ +15145550177                                           not answered  4 d ago│
│                                                                              │
│                                                                              │
└──────────────────────────────────────────────────────────────────────────────┘

? help  q quit  Enter dials  d do not disturb
";
const TALK: &str = "
Offhook  +18199754345                                                 up 1:01:01
● mic USB Audio (pulseaudi ● speaker USB Audio (pulse ○ bell no such device
┌ Calls ───────────────────────────────────────────────────────────────────────┐
│  ← ended       +15145550101                                    hung up there │
│▶ ← talking     Anna  +15145550101                       recorded desk 0:01:12│
│  → on hold     +15145550102                                      desk 0:01:12│
└──────────────────────────────────────────────────────────────────────────────┘
┌ Sound ───────────────────────────┐┌ Quality ─────────────────────────────────┐
│mic     █████████████░░░░░░ -18 dB││MOS       4.3        ███▃▇█               │
│far end ██████████████████░  -2 dB││delay     25+60 ms   ▂▃▃█▄▃               │
│                                  ││jitter    5 ms       ▁▁▁█▃▂               │
│                                  ││concealed 120 ms     ▁▁▁▅▁▁               │
└──────────────────────────────────┘└──────────────────────────────────────────┘
┌ Number ──────────────────────────────────────────────────────────────────────┐
│                                                                              │
└──────────────────────────────────────────────────────────────────────────────┘
┌ Last calls (new missed: 1) ──────────────────────────────────────────────────┐
│← Bert  +15145550199                                        missed  16 min ago│
│→ +15145550177                                                0:03:10  2 h ago│
│→ +15145550177                                           not answered  4 d ago│
│                                                                              │
└──────────────────────────────────────────────────────────────────────────────┘

? help  x hang up  h hold  m mute  t transfer  n further call  q quit
";
const TALK_SMALL: &str = "
Offhook  +18199754345
  ← +15145550101  raccroché par l'autre
▶ ← Anna                       ● 0:01:12
  → +15145550102      en attente 0:01:12
micro   █████████████████░░░░░░░░ -18 dB
distant ████████████████████████░  -2 dB
MOS 4,3  25+60 ms  5 ms  ███▃▇█
Numéro
← Bert             manqué  il y a 16 min
→ +15145550177       0:03:10  il y a 2 h

? aide  x raccrocher  h attente  m micro
";
const HELP: &str = "
┌ Keys ────────────────────────────────────────────────────────────────────────┐
│0-9 * #   type a number; sent to the far end while you talk                   │
│Enter     answer, dial, or bring back the last number                         │
│x Backsp. hang up, or turn away what rings                                    │
│h         let the far end wait, or talk again                                 │
│m         close or open the microphone                                        │
│s         talk with whoever waits                                             │
│n         dial a further number, or a contact by name                         │
│g         meet: all hear each other                                           │
│t         hand the call over; after speaking first: connect both              │
│v         to the browser, or back to the desk                                 │
│r         record, or stop that                                                │
│d         do not disturb                                                      │
│↑ ↓       choose a call                                                       │
│Esc       clear the number, close this                                        │
│q         quit; a call talks on                                               │
│                                                                              │
│                                                                              │
│                                                                              │
│                                                                              │
│                                                                              │
│                                                                              │
└──────────────────────────────────────────────────────────────────────────────┘
↑ ↓ more  any other key closes this
";
const HELP_SMALL: &str = "
0-9 * #   type a number; sent to the far
end while you talk
Enter     answer, dial, or bring back
the last number
x Backsp. hang up, or turn away what
rings
h         let the far end wait, or talk
again
m         close or open the microphone
s         talk with whoever waits
n         dial a further number, or a
↑ ↓ more  any other key closes this
";
