//! A whole stream of sound over a bad network, in no time: when each of its frames is sent, and when it arrives.

use std::time::Duration;

use super::chance::Chance;
use super::{Conditions, Path, Quiet};

/// Samples of a frame, 20 ms at 8 kHz.
const FRAME: u64 = 160;

/// The time of a frame.
const FRAME_TIME: Duration = Duration::from_millis(20);

/// Bytes of a media message with its frame header, late in a call: 20 ms of sound and what is around it, 154 kbit/s.
pub const MEDIA_BYTES: usize = 384;

/// What [`Turns`] uses the chances of a seed for.
const TURNS: u64 = 4;

/// A frame that was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Its first sample, counted by the far side's clock from the stream's start, 8 kHz. Frames that a quiet far side did
    /// not send are counted as well.
    pub position: u64,
    /// When it was sent: when its last sample had been spoken.
    pub sent: Duration,
    /// When it arrived.
    pub arrived: Duration,
}

/// The frames of a stream, one after the other.
#[derive(Clone, Debug)]
pub struct Trace<T = Turns> {
    path: Path,
    conditions: Conditions,
    hush: Option<Hush>,
    talks: T,
    index: u64,
}

impl Trace {
    /// Makes the trace of somebody who talks and pauses as people do in a conversation; it has no end. His pauses make a
    /// difference to a quiet far side only.
    #[must_use]
    pub fn new(conditions: &Conditions, seed: u64) -> Trace {
        Trace::over(conditions, seed, Turns::new(seed))
    }
}

impl<T: Iterator<Item = bool>> Trace<T> {
    /// Makes the trace of frames that each have sound in them or have none; it ends where they do.
    #[must_use]
    pub fn over(conditions: &Conditions, seed: u64, talks: T) -> Trace<T> {
        Trace {
            path: Path::new(conditions, seed),
            conditions: conditions.clone(),
            hush: conditions.quiet.map(Hush::new),
            talks,
            index: 0,
        }
    }
}

impl<T: Iterator<Item = bool>> Iterator for Trace<T> {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        loop {
            let talks = self.talks.next()?;
            let position = self.index * FRAME;
            self.index += 1;
            if self.hush.as_mut().is_none_or(|hush| hush.lets_by(talks)) {
                let spoken = Duration::from_millis(20 * self.index);
                let sent = self.conditions.drift.truly(spoken);
                return Some(Frame {
                    position,
                    sent,
                    arrived: self.path.arrival(sent, MEDIA_BYTES),
                });
            }
        }
    }
}

/// Decides frame by frame whether a quiet far side sends.
#[derive(Clone, Debug)]
pub struct Hush {
    after: u64,
    silent: u64,
}

impl Hush {
    /// Begins as if something had just been said.
    #[must_use]
    pub fn new(quiet: Quiet) -> Hush {
        let after = quiet.after.as_nanos() / FRAME_TIME.as_nanos();
        Hush {
            after: u64::try_from(after).unwrap_or(u64::MAX),
            silent: 0,
        }
    }

    /// Says whether the next frame is sent, which has sound in it or none.
    pub fn lets_by(&mut self, has_sound: bool) -> bool {
        self.silent = if has_sound { 0 } else { self.silent + 1 };
        self.silent <= self.after
    }
}

/// Somebody's talking and pausing, frame by frame: both last for times of an exponential distribution, 1.004 s and 1.587 s
/// on average (ITU-T P.59, table 1).
#[derive(Clone, Debug)]
pub struct Turns {
    chance: Chance,
    is_talking: bool,
    /// Frames until it changes.
    left: u64,
}

impl Turns {
    /// Begins with talk.
    #[must_use]
    pub fn new(seed: u64) -> Turns {
        Turns {
            chance: Chance::new(seed, TURNS),
            is_talking: false,
            left: 0,
        }
    }
}

impl Iterator for Turns {
    type Item = bool;

    fn next(&mut self) -> Option<bool> {
        while self.left == 0 {
            self.is_talking = !self.is_talking;
            let mean_ms = if self.is_talking { 1_004.0 } else { 1_587.0 };
            self.left = (mean_ms / 20.0 * self.chance.exponential()).round() as u64;
        }
        self.left -= 1;
        Some(self.is_talking)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ppm, Preset};
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_day_of_sound_is_in_order_and_nothing_of_it_is_missing() {
        let frames = 24 * 3_600 * 50;
        let mut trace = Trace::new(&Preset::Mobile.conditions(), 1);
        let (mut last, mut late) = (Duration::ZERO, Duration::ZERO);
        for n in 0..frames {
            let frame = trace.next().expect("it has no end");
            assert_eq!(frame.position, n * 160);
            assert_eq!(frame.sent, ms(20 * (n + 1)));
            assert!(frame.arrived >= last && frame.arrived >= frame.sent + ms(45));
            last = frame.arrived;
            late = late.max(frame.arrived - frame.sent);
        }
        assert!(late > ms(350) && late < Duration::from_secs(10), "{late:?}");
    }

    #[test]
    fn a_fast_far_side_sends_more_in_the_same_time() {
        let conditions = Conditions {
            drift: Ppm::new(100).expect("in range"),
            ..Conditions::default()
        };
        let hour =
            Trace::new(&conditions, 1).take_while(|f| f.arrived <= Duration::from_secs(3_600));
        // 180 000 frames and 18 more: 100 ppm of an hour are 360 ms.
        assert_eq!(hour.count(), 180_018);
    }

    #[test]
    fn a_quiet_far_side_sends_silence_for_a_while_and_then_nothing() {
        let conditions = Conditions {
            quiet: Some(Quiet { after: ms(60) }),
            ..Conditions::default()
        };
        let talks = "..xx.......x.x".chars().map(|c| c == 'x');
        let frames: Vec<_> = Trace::over(&conditions, 1, talks).collect();
        let positions: Vec<u64> = frames.iter().map(|frame| frame.position / 160).collect();
        assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6, 11, 12, 13]);
        assert!(frames.iter().all(|f| f.sent == ms(f.position / 8 + 20)));
    }

    #[test]
    fn people_talk_two_fifths_of_the_time() {
        let talked = Turns::new(1).take(1_000_000).filter(|talks| *talks).count();
        assert!((375_000..400_000).contains(&talked), "{talked}");
        let conditions = Conditions {
            quiet: Some(Quiet { after: ms(200) }),
            ..Conditions::default()
        };
        let sent = Trace::new(&conditions, 1).take_while(|f| f.position < 160_000_000);
        let part = sent.count() as f64 / 1_000_000.0;
        assert!((0.40..0.55).contains(&part), "{part}");
    }
}
