//! The keys that a far end presses, each once: told by `dtmf` messages, or else heard in its sound.
//!
//! Some networks send both, some sound alone. Once a message has come, messages are believed alone; what was heard before
//! is not told again by the message that comes after it, however long the key is held.
//!
//! Lines send back an echo of what they get, and a key of ours comes back loud enough to be found. So while keys are sent
//! to the far end none of its own is taken out of the sound, until their echo is over.
//!
//! Read [`FarKeys::message`] first.

use std::time::Duration;

use crate::pure::audio::dtmf::KeyDetector;
use crate::pure::audio::{DownFrame, FRAME_LEN, g711};
use crate::pure::time::Time;

/// How long a message may come after the end of the sound of its key.
const BEHIND: Duration = Duration::from_secs(2);

/// How long the echo of a key may come after the carrier played it: beyond the way there and back on most lines.
const ECHO: Duration = Duration::from_millis(500);

/// Keys that were heard and may still come as messages: more than anybody presses meanwhile.
const HEARD: usize = 16;

/// Sound that is missing in the middle of a key is taken for silence up to this, in samples: 60 ms. What is longer begins
/// anew.
const GAP: u64 = 3 * FRAME_LEN as u64;

/// The keys of one stream.
#[derive(Clone, Debug, Default)]
pub struct FarKeys {
    /// Nothing once messages are believed.
    detector: Detector,
    /// Keys that were heard, the newest first, and when each was last.
    heard: [Option<(char, Time)>; HEARD],
    /// Until when an echo of our own keys may come.
    echo_until: Option<Time>,
}

#[derive(Clone, Debug)]
enum Detector {
    /// It listens; where in the stream the next sample is to lie.
    Listens(Box<KeyDetector>, u64),
    /// Messages are believed alone.
    Rests,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector::Listens(Box::default(), 0)
    }
}

impl FarKeys {
    /// Takes a key that a message tells, and says whether it is told for the first time.
    pub fn message(&mut self, key: char, now: Time) -> bool {
        self.detector = Detector::Rests;
        let is_it = |heard: &Option<(char, Time)>| {
            heard.is_some_and(|(known, at)| known == key && now <= at + BEHIND)
        };
        match self.heard.iter_mut().find(|heard| is_it(heard)) {
            Some(heard) => {
                *heard = None;
                false
            }
            None => true,
        }
    }

    /// Takes in that a part of a key of ours leaves, which the carrier plays after `held`.
    pub fn sends(&mut self, held: Duration, now: Time) {
        self.echo_until = self.echo_until.max(Some(now + held + ECHO));
    }

    /// Takes sound, and tells each key that is heard in it.
    pub fn sound(&mut self, frame: &DownFrame, now: Time, mut pressed: impl FnMut(char)) {
        let Detector::Listens(detector, next) = &mut self.detector else {
            return;
        };
        let heard = &mut self.heard;
        // It is listened to all the same, or what is left of an echo would be a key once this is over.
        let is_echo = self.echo_until.is_some_and(|until| now < until);
        let mut tell = |key: char| {
            if is_echo {
                return;
            }
            heard.rotate_right(1);
            heard[0] = Some((key, now));
            pressed(key);
        };
        let sound = &frame.ulaw[..usize::from(frame.len)];
        // What comes again is the beginning of what is left of it.
        let known = next.saturating_sub(frame.at);
        match usize::try_from(known) {
            Ok(known) if known < sound.len() => {
                let missing = frame.at.saturating_sub(*next);
                if missing > GAP {
                    detector.begin_anew();
                } else {
                    for _ in 0..missing {
                        detector.hear(&[g711::SILENCE], |key| tell(key.sign()));
                    }
                }
                detector.hear(&sound[known..], |key| tell(key.sign()));
                *next = frame.end();
            }
            // All of it is known; or the stream counts anew.
            Ok(_) | Err(_) if known > 8 * GAP => {
                detector.begin_anew();
                detector.hear(sound, |key| tell(key.sign()));
                *next = frame.end();
            }
            Ok(_) | Err(_) => {}
        }
        if let (Some(down), Some((known, at))) = (detector.down(), &mut heard[0])
            && *known == down.sign()
        {
            *at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::audio::dtmf::{KeySender, frequencies};
    use crate::pure::keys::{Key, Keys};

    /// A line that carries what is typed as sound.
    struct Line {
        keys: FarKeys,
        told: String,
        frames: Vec<DownFrame>,
        now: Time,
    }

    impl Line {
        fn typing(typed: &str) -> Line {
            let mut sender = KeySender::default();
            assert!(sender.send(Keys::parse(typed).expect("keys").signs()));
            let mut frames = Vec::new();
            while !sender.is_idle() {
                let mut sound = [0.0; FRAME_LEN];
                sender.process(&mut sound);
                let mut ulaw = [0; FRAME_LEN];
                g711::encode_slice(&sound, &mut ulaw);
                frames.push(DownFrame {
                    at: (frames.len() * FRAME_LEN) as u64,
                    len: FRAME_LEN as u8,
                    ulaw,
                    arrived: Time::START,
                });
            }
            Line {
                keys: FarKeys::default(),
                told: String::new(),
                frames,
                now: Time::START,
            }
        }

        fn sound(&mut self, frame: DownFrame) {
            let told = &mut self.told;
            self.now = Time::START + Duration::from_millis(frame.at / 8);
            self.keys.sound(&frame, self.now, |key| told.push(key));
        }

        fn message(&mut self, key: char) {
            if self.keys.message(key, self.now) {
                self.told.push(key);
            }
        }
    }

    #[test]
    fn keys_without_messages_are_heard() {
        let mut line = Line::typing("12334#");
        for frame in line.frames.clone() {
            line.sound(frame);
        }
        assert_eq!(line.told, "12334#");
    }

    #[test]
    fn a_key_that_comes_as_sound_and_as_a_message_counts_once_whichever_is_first() {
        // A message with its key, or so many frames before or after it began.
        for behind in 0..60 {
            let mut line = Line::typing("5577");
            let frames = line.frames.clone();
            let mut messages: Vec<(usize, char)> = (0..4)
                .map(|n| (n * 10 + behind, ['5', '5', '7', '7'][n]))
                .collect();
            for n in 0..120 {
                while messages.first().is_some_and(|(at, _)| *at <= n) {
                    let (_, key) = messages.remove(0);
                    line.message(key);
                }
                if let Some(frame) = frames.get(n) {
                    line.sound(*frame);
                } else {
                    line.now = line.now + Duration::from_millis(20);
                }
            }
            assert_eq!(line.told, "5577", "{behind} frames behind");
        }
    }

    #[test]
    fn a_message_long_after_a_key_was_heard_is_another_key() {
        let mut line = Line::typing("5");
        for frame in line.frames.clone() {
            line.sound(frame);
        }
        line.now = line.now + Duration::from_secs(3);
        line.message('5');
        assert_eq!(line.told, "55");
    }

    #[test]
    fn a_key_that_is_held_for_long_and_told_when_it_is_let_go_counts_once() {
        let mut line = Line::typing(",");
        let [low, high] = frequencies(Key::new('5').expect("a key"));
        for n in 0..150 {
            let ulaw = std::array::from_fn(|k| {
                let turn = std::f64::consts::TAU * (n * FRAME_LEN + k) as f64 / 8_000.0;
                g711::encode_f32((0.3 * ((low * turn).sin() + (high * turn).sin())) as f32)
            });
            line.sound(DownFrame {
                at: (n * FRAME_LEN) as u64,
                len: FRAME_LEN as u8,
                ulaw,
                arrived: Time::START,
            });
        }
        assert_eq!(line.told, "5");
        line.message('5');
        assert_eq!(line.told, "5");
    }

    #[test]
    fn the_echo_of_our_own_keys_is_no_key_and_what_comes_after_it_is() {
        let sends = |line: &mut Line, held: u64| {
            let now = line.now;
            line.keys.sends(Duration::from_millis(held), now);
        };
        for (held, echo_ms, told) in [(0, 400, ""), (0, 520, "5"), (300, 700, ""), (300, 820, "5")]
        {
            let mut line = Line::typing("5");
            sends(&mut line, held);
            for frame in line.frames.clone() {
                line.sound(DownFrame {
                    at: frame.at + echo_ms * 8,
                    ..frame
                });
            }
            assert_eq!(line.told, told, "{echo_ms} ms after, {held} ms held");
            // An echo is no sound of a key that a message tells, either.
            line.message('5');
            assert_eq!(line.told, "5", "{echo_ms} ms after, {held} ms held");
        }
    }

    #[test]
    fn a_frame_that_is_lost_or_doubled_neither_doubles_a_key_nor_loses_it() {
        let frames = Line::typing("159").frames;
        for lost in 0..frames.len() {
            let mut line = Line::typing("159");
            for (n, frame) in frames.iter().enumerate() {
                if n != lost {
                    line.sound(*frame);
                }
                if n % 3 == 0 && n != lost {
                    line.sound(*frame);
                }
            }
            assert_eq!(line.told, "159", "without frame {lost}");
        }
    }

    #[test]
    fn a_stream_that_begins_in_the_middle_or_counts_anew_is_heard() {
        let mut line = Line::typing("42");
        let frames = line.frames.clone();
        for begin in [1_000_000, 0] {
            for frame in &frames {
                line.sound(DownFrame {
                    at: frame.at + begin,
                    ..*frame
                });
            }
        }
        assert_eq!(line.told, "4242");
    }
}
