//! Whatever a media socket brings, line by line: read or counted, never a panic, and never sound before admission.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use offhook::pure::audio::FRAME_LEN;
use offhook::pure::time::Time;
use offhook::pure::twilio::session::{Action, Heard, Session};

fuzz_target!(|data: &[u8]| {
    let mut session = Session::new(Time::START);
    let (mut now, mut admitted, mut actions) = (Time::START, false, Vec::new());
    for line in data.split(|byte| *byte == b'\n') {
        now = now + Duration::from_millis(20);
        match std::str::from_utf8(line) {
            Ok(text) => session.hear(Heard::Text(text), now, &mut actions),
            Err(_) => session.hear(Heard::Binary, now, &mut actions),
        }
        session.timeout(now, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Offer { .. } => {
                    session.admitted(now);
                    admitted = true;
                }
                Action::Down(frame) => {
                    assert!(admitted, "sound before admission");
                    assert!((1..=FRAME_LEN).contains(&usize::from(frame.len)));
                }
                Action::Key(key) => assert!("0123456789*#ABCD".contains(key)),
                Action::Ended(_) => assert!(admitted, "the end of what was never admitted"),
                Action::Ping | Action::Close(_) | Action::Drop => {}
            }
        }
    }
});
