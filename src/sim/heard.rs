//! What a far end heard from the beginning of its call to the end, on one time line, and the silences in it.
//!
//! Streams, rooms and played files put in what they played and when; where nobody put anything there was silence. So a
//! call that is moved from one to the next shows the gap that its far end heard.

use std::ops::Range;
use std::time::Duration;

use super::report::is_sound;

/// Sound of a call, 8 kHz, from its beginning; and the moments at which it was moved.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    samples: Vec<i16>,
    moves: Vec<Duration>,
}

impl Heard {
    /// Puts in what was heard from a moment on; what stands there already stays.
    pub(super) fn put(&mut self, at: Duration, sound: &[i16]) {
        self.pass(at);
        let already = self.samples.len() - samples(at);
        self.samples
            .extend_from_slice(sound.get(already..).unwrap_or_default());
    }

    /// Lets time pass in silence, up to a moment.
    pub(super) fn pass(&mut self, until: Duration) {
        let length = samples(until).max(self.samples.len());
        self.samples.resize(length, 0);
    }

    /// Notes that the call was sent elsewhere.
    pub(super) fn note_move(&mut self, at: Duration) {
        self.moves.push(at);
    }

    /// Returns all of it, 8 kHz, from the call's beginning.
    #[must_use]
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// Returns what was heard in a time.
    #[must_use]
    pub fn between(&self, time: Range<Duration>) -> &[i16] {
        let end = samples(time.end).min(self.samples.len());
        &self.samples[samples(time.start).min(end)..end]
    }

    /// Returns when the call was redirected over REST, from its beginning.
    #[must_use]
    pub fn moves(&self) -> &[Duration] {
        &self.moves
    }

    /// Returns the silences of at least so long between one sound and the next.
    #[must_use]
    pub fn gaps(&self, least: Duration) -> Vec<Range<Duration>> {
        let mut gaps = Vec::new();
        let mut last_sound = None;
        for (index, sample) in self.samples.iter().enumerate() {
            if !is_sound(*sample) {
                continue;
            }
            if let Some(last) = last_sound.replace(index) {
                let gap = moment(last + 1)..moment(index);
                if gap.end - gap.start >= least {
                    gaps.push(gap);
                }
            }
        }
        gaps
    }

    /// Returns the longest silence between one sound and the next; zero where there is none.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let gaps = self.gaps(Duration::ZERO).into_iter();
        gaps.map(|gap| gap.end - gap.start)
            .max()
            .unwrap_or_default()
    }

    /// Returns the longest silence that lay in, or reached into, the time from a moment to the next move or the end. Where
    /// no sound came any more, that is all the time since the last.
    #[must_use]
    pub fn gap_after(&self, moved: Duration) -> Duration {
        let next = self.moves.iter().find(|at| **at > moved).copied();
        let until = next.unwrap_or(Duration::MAX);
        let mut gaps = self.gaps(Duration::ZERO);
        let last = self.samples.iter().rposition(|sample| is_sound(*sample));
        let last = last.map_or(Duration::ZERO, |index| moment(index + 1));
        if last <= moved {
            gaps.push(last..moment(self.samples.len()));
        }
        let near = gaps.into_iter();
        let near = near.filter(|gap| gap.end > moved && gap.start < until);
        near.map(|gap| gap.end - gap.start)
            .max()
            .unwrap_or_default()
    }

    /// Returns the longest gap after any of the moves; nothing for a call that was never moved.
    #[must_use]
    pub fn longest_gap_of_moves(&self) -> Option<Duration> {
        self.moves.iter().map(|moved| self.gap_after(*moved)).max()
    }
}

fn samples(time: Duration) -> usize {
    usize::try_from(time.as_micros() / 125).unwrap_or(usize::MAX)
}

fn moment(sample: usize) -> Duration {
    Duration::from_micros(sample as u64 * 125)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_nobody_put_in_is_silence_and_what_stands_there_stays() {
        let mut heard = Heard::default();
        heard.put(ms(1), &[500; 8]);
        heard.put(ms(4), &[600; 8]);
        heard.put(ms(4), &[700; 16]);
        heard.put(ms(1), &[800; 4]);
        heard.pass(ms(7));
        let each: Vec<i16> = heard.samples().chunks(8).map(|ms| ms[0]).collect();
        assert_eq!(each, [0, 500, 0, 0, 600, 700, 0]);
        assert_eq!(heard.between(ms(4)..ms(5)), [600; 8]);
        assert_eq!(heard.between(ms(6)..ms(90)).len(), 8);
    }

    #[test]
    fn a_gap_lies_between_two_sounds() {
        let mut heard = Heard::default();
        assert_eq!(
            (heard.longest_gap(), heard.gap_after(ms(0))),
            (ms(0), ms(0))
        );
        heard.put(ms(100), &[500; 80]);
        heard.put(ms(130), &[500; 80]);
        heard.put(ms(640), &[-500; 80]);
        heard.pass(ms(5_000));
        assert_eq!(heard.gaps(ms(20)), [ms(110)..ms(130), ms(140)..ms(640)]);
        assert_eq!(
            heard.longest_gap(),
            ms(500),
            "neither beginning nor end counts"
        );
    }

    #[test]
    fn the_gap_of_a_move_is_the_longest_until_the_next_one() {
        let mut heard = Heard::default();
        assert_eq!(heard.longest_gap_of_moves(), None);
        for at in [0, 10, 150, 200, 900] {
            heard.put(ms(at), &[500; 80]);
        }
        heard.pass(ms(2_000));
        heard.note_move(ms(15));
        heard.note_move(ms(170));
        assert_eq!(heard.gap_after(ms(15)), ms(130));
        assert_eq!(heard.gap_after(ms(170)), ms(690));
        assert_eq!(heard.longest_gap_of_moves(), Some(ms(690)));
        heard.note_move(ms(950));
        assert_eq!(
            heard.gap_after(ms(950)),
            ms(1_090),
            "no sound ever came again"
        );
    }
}
