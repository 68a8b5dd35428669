//! Makes the sound on its way up shorter while the carrier holds too much of it: frames in, fewer frames out.
//!
//! Quiet goes first and freely; in speech one period of the pitch goes at a time, as often as is allowed. While there is
//! nothing to be shortened a frame passes untouched and at once. After a piece has gone, what is left of a frame waits here
//! for the next one, until a piece of just that length can go.
//!
//! Read [`Shortener::push`] first. No allocation, no clock.

use super::stretch::{self, FADE, LONGEST, SHORTEST};
use super::{FRAME_LEN, UpFrame, g711};

/// Samples that are held at most: two frames ahead, what is left of one, and the one that comes.
const ROOM: usize = 4 * FRAME_LEN;

/// How alike two periods must be so that one may go: when there is time, and when there is none.
const ALIKE: (f32, f32) = (0.75, 0.3);

/// How alike a sound must be to lose exactly what is left of a frame: at first, by how much less for each frame that this
/// waits for, and at least: after four seconds anything goes.
const ALIKE_LEFT: (f32, f32, f32) = (0.85, 0.01, -1.0);

/// Sound is quiet when its power is below four times the noise floor (6 dB above it), within these bounds: -60 and -40 dBFS.
const QUIET: (f32, f32) = (1e-6, 1e-4);

/// How fast the noise floor follows what is louder, in power a frame: 3 dB a second.
const FLOOR_RISE: f32 = 1.013_9;

/// Samples of pieces that may be owed for want of a place, at most: two of the longest.
const MOST_OWED: f32 = 2.0 * LONGEST as f32;

/// How much is to go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Urgency {
    /// Nothing.
    #[default]
    None,
    /// A little: quiet, and 5 % of speech; so many samples at most.
    Little(usize),
    /// Much: quiet, and a third of speech, so that it plays 1.5 times as fast; so many samples at most.
    Much(usize),
}

impl Urgency {
    /// The share of speech that may go.
    fn share(self) -> f32 {
        match self {
            Urgency::None => 0.0,
            Urgency::Little(_) => 0.05,
            Urgency::Much(_) => 1.0 / 3.0,
        }
    }

    /// Samples that may go at most.
    fn most(self) -> usize {
        match self {
            Urgency::None => 0,
            Urgency::Little(most) | Urgency::Much(most) => most,
        }
    }

    fn alike(self) -> f32 {
        match self {
            Urgency::None | Urgency::Little(_) => ALIKE.0,
            Urgency::Much(_) => ALIKE.1,
        }
    }

    /// Samples that are held back, to be looked at before anything goes.
    fn ahead(self) -> usize {
        match self {
            Urgency::None | Urgency::Little(_) => 0,
            Urgency::Much(_) => FRAME_LEN,
        }
    }
}

/// The shortener of one stream.
#[derive(Clone, Debug)]
pub struct Shortener {
    codes: [u8; ROOM],
    len: usize,
    /// How many samples from the beginning on are to stay whole: up to the end of the last frame that holds a key.
    whole: usize,
    ahead: usize,
    /// What may still go of speech, in samples.
    owed: f32,
    /// Frames for which what is left of one waits.
    waited: u16,
    floor: f32,
    /// Frames of quiet that came since the last that was not.
    pause: u16,
    gone: u64,
    gap: Gap,
    /// The end of what left: it is gone on with for a moment where something is missing.
    last: [f32; FRAME_LEN],
}

/// What lies between the last frame and the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gap {
    /// Nothing.
    None,
    /// Frames that were thrown away.
    Missing,
    /// Whatever was sent was thrown away: the next is the first.
    Cleared,
}

impl Default for Shortener {
    fn default() -> Shortener {
        Shortener {
            codes: [g711::SILENCE; ROOM],
            len: 0,
            whole: 0,
            ahead: 0,
            owed: 0.0,
            waited: 0,
            floor: QUIET.0,
            pause: 0,
            gone: 0,
            gap: Gap::None,
            last: [0.0; FRAME_LEN],
        }
    }
}

impl Shortener {
    /// Takes a frame in, and lets go of what may go; [`Shortener::pull`] says what leaves.
    pub fn push(&mut self, frame: &UpFrame, urgency: Urgency) {
        // Nobody pushes without taking what leaves; but sound that is new goes before sound that is old.
        if self.len + FRAME_LEN > ROOM {
            self.codes.copy_within(FRAME_LEN..self.len, 0);
            self.left(FRAME_LEN);
        }
        let begin = self.len;
        self.codes[begin..begin + FRAME_LEN].copy_from_slice(&frame.ulaw);
        self.len += FRAME_LEN;
        if frame.whole {
            self.whole = self.len;
        }
        self.mend(begin);
        self.note_floor(&frame.ulaw);
        self.ahead = urgency.ahead();
        self.owed = (self.owed + urgency.share() * FRAME_LEN as f32).min(MOST_OWED);
        match urgency {
            Urgency::None => self.owed = 0.0,
            // A key that is cut is another key, or two, or none.
            Urgency::Little(_) | Urgency::Much(_) if self.whole > 0 => {}
            Urgency::Little(_) | Urgency::Much(_) => self.shorten(urgency),
        }
        if urgency.most() == 0 && self.whole == 0 {
            self.round_off();
        }
    }

    /// Returns the next frame that leaves.
    pub fn pull(&mut self) -> Option<UpFrame> {
        if self.len < FRAME_LEN + self.ahead {
            return None;
        }
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        ulaw.copy_from_slice(&self.codes[..FRAME_LEN]);
        self.codes.copy_within(FRAME_LEN..self.len, 0);
        let whole = self.whole > 0;
        self.left(FRAME_LEN);
        g711::decode_slice(&ulaw, &mut self.last);
        Some(UpFrame { ulaw, whole })
    }

    /// Takes note that so much is gone from the beginning.
    fn left(&mut self, samples: usize) {
        self.len -= samples;
        self.whole = self.whole.saturating_sub(samples);
    }

    /// Says that frames were thrown away before they came here: the next is faded into.
    pub fn missed(&mut self) {
        if self.gap == Gap::None {
            self.gap = Gap::Missing;
        }
    }

    /// Forgets what it holds, since all that was sent was thrown away: the next frame is the first.
    pub fn clear(&mut self) {
        (self.len, self.whole, self.ahead, self.owed) = (0, 0, 0, 0.0);
        self.gap = Gap::Cleared;
    }

    /// Returns how much waits here, in samples.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.len
    }

    /// Says whether a part of a key waits here.
    #[must_use]
    pub fn holds_whole(&self) -> bool {
        self.whole > 0
    }

    /// Returns how much has gone since the beginning, in samples.
    #[must_use]
    pub fn gone(&self) -> u64 {
        self.gone
    }

    /// Lets pieces go, as many as are allowed.
    fn shorten(&mut self, urgency: Urgency) {
        let mut most = urgency.most();
        let mut sound = [0.0; ROOM];
        while most >= SHORTEST && self.len >= FRAME_LEN + self.ahead / 2 {
            let len = self.len;
            g711::decode_slice(&self.codes[..len], &mut sound);
            let piece = if self.is_quiet(&sound[..FRAME_LEN]) {
                // Where there is time, of every pause its first frame stays, which may wait here until the third has come:
                // words that run into each other are hard to follow.
                let is_whole = matches!(urgency, Urgency::Little(_)) && self.pause < 3;
                (!is_whole).then(|| LONGEST.min(most))
            } else {
                stretch::period(&sound[..len])
                    .filter(|(lag, alike)| {
                        *alike > urgency.alike() && *lag <= most && *lag as f32 <= self.owed
                    })
                    .map(|(lag, _)| {
                        self.owed -= lag as f32;
                        lag
                    })
            };
            let Some(piece) = piece else { return };
            self.cut(0, piece, &sound);
            most -= piece;
        }
    }

    /// Lets exactly that go which is left of a frame, where that is not heard.
    fn round_off(&mut self) {
        let left = self.len % FRAME_LEN;
        if left == 0 {
            self.waited = 0;
            return;
        }
        let (at_first, less, at_least) = ALIKE_LEFT;
        let alike_enough = (at_first - less * f32::from(self.waited)).max(at_least);
        self.waited = self.waited.saturating_add(1);
        let mut sound = [0.0; ROOM];
        let len = self.len;
        g711::decode_slice(&self.codes[..len], &mut sound);
        if let Some((at, alike)) = stretch::place(&sound[..len], left)
            && (alike > alike_enough || self.is_quiet(&sound[at..at + left + FADE]))
        {
            self.cut(at, left, &sound);
        }
    }

    /// Takes `piece` samples out at `at`, with a fade from before to after.
    fn cut(&mut self, at: usize, piece: usize, sound: &[f32; ROOM]) {
        let after = at + piece;
        let length = piece.max(FADE).min(self.len - after);
        for n in 0..length {
            let mixed = stretch::fade(n, length, sound[at + n], sound[after + n]);
            self.codes[at + n] = g711::encode_f32(mixed);
        }
        self.codes
            .copy_within(after + length..self.len, at + length);
        self.len -= piece;
        self.gone += piece as u64;
    }

    /// Fades into a frame that does not follow on what left.
    fn mend(&mut self, begin: usize) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        let mut before = [0.0; FRAME_LEN];
        match gap {
            Gap::None => return,
            Gap::Missing => {
                let waiting = begin.min(FRAME_LEN);
                before[..FRAME_LEN - waiting].copy_from_slice(&self.last[waiting..]);
                let codes = &self.codes[begin - waiting..begin];
                g711::decode_slice(codes, &mut before[FRAME_LEN - waiting..]);
            }
            Gap::Cleared => {}
        }
        let lag = stretch::period(&before).map_or(LONGEST, |(lag, _)| lag);
        for n in 0..FADE {
            let from = before[before.len() - lag + n % lag];
            let code = &mut self.codes[begin + n];
            *code = g711::encode_f32(stretch::fade(n, FADE, from, g711::decode_f32(*code)));
        }
    }

    fn note_floor(&mut self, ulaw: &[u8; FRAME_LEN]) {
        let mut sound = [0.0; FRAME_LEN];
        g711::decode_slice(ulaw, &mut sound);
        self.floor = stretch::power(&sound)
            .min(self.floor * FLOOR_RISE)
            .max(QUIET.0 / 4.0);
        self.pause = if self.is_quiet(&sound) {
            self.pause.saturating_add(1)
        } else {
            0
        };
    }

    fn is_quiet(&self, sound: &[f32]) -> bool {
        let (least, most) = QUIET;
        stretch::power(sound) < (4.0 * self.floor).clamp(least, most)
    }
}

#[cfg(test)]
#[path = "shorten_tests.rs"]
mod tests;
