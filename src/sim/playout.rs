//! The carrier's playout: what the daemon sends waits in a queue and is played at 8 kHz, however fast it came.
//!
//! A value without a clock: time is handed in. Every sample that the caller would hear is kept, silence included.

use std::collections::VecDeque;
use std::time::Duration;

use crate::pure::audio::g711;

/// The most that may wait: 10 minutes at 8 kHz. Beyond it new sound is thrown away (Twilio's warning 31931).
pub const MOST_QUEUED: usize = 10 * 60 * 8_000;

/// The queue, its marks, and what was heard. Time counts from the stream's start.
#[derive(Debug, Default)]
pub struct Playout {
    queue: VecDeque<u8>,
    /// Names, with how many samples had been taken in all when each came.
    marks: VecDeque<(u64, String)>,
    taken: u64,
    gone: u64,
    heard: Vec<i16>,
    in_underrun: bool,
    underruns: u32,
    most: usize,
}

impl Playout {
    /// Plays up to `now`, and returns the marks that were reached.
    pub fn advance(&mut self, now: Duration) -> Vec<String> {
        let due = usize::try_from(now.as_nanos() * 8 / 1_000_000).unwrap_or(usize::MAX);
        while self.heard.len() < due {
            if let Some(code) = self.queue.pop_front() {
                self.heard.push(g711::decode(code));
                self.gone += 1;
                self.in_underrun = false;
            } else {
                // Silence before the first sound is nobody's fault.
                if self.gone > 0 && !self.in_underrun {
                    self.underruns += 1;
                    self.in_underrun = true;
                }
                self.heard.push(0);
            }
        }
        self.reached()
    }

    /// Queues mu-law; returns whether all of it fitted.
    pub fn media(&mut self, now: Duration, codes: &[u8]) -> (bool, Vec<String>) {
        let marks = self.advance(now);
        let room = MOST_QUEUED - self.queue.len();
        let fits = &codes[..codes.len().min(room)];
        self.queue.extend(fits);
        self.taken += fits.len() as u64;
        self.most = self.most.max(self.queue.len());
        (fits.len() == codes.len(), marks)
    }

    /// Takes a mark; it returns at once where nothing is queued.
    pub fn mark(&mut self, now: Duration, name: String) -> Vec<String> {
        let mut marks = self.advance(now);
        self.marks.push_back((self.taken, name));
        marks.extend(self.reached());
        marks
    }

    /// Empties the queue; every mark that waited returns.
    pub fn clear(&mut self, now: Duration) -> Vec<String> {
        let mut marks = self.advance(now);
        self.gone += self.queue.len() as u64;
        self.queue.clear();
        // What was cut off on purpose is no underrun.
        self.in_underrun = true;
        marks.extend(self.reached());
        marks
    }

    /// Returns when the next mark will be reached, from the stream's start, if nothing clears the queue before.
    #[must_use]
    pub fn next_mark(&self) -> Option<Duration> {
        let (at, _) = self.marks.front()?;
        let samples = self.heard.len() as u64 + at.saturating_sub(self.gone);
        Some(Duration::from_nanos(samples * 125_000))
    }

    /// Returns how many samples wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Returns the most samples that ever waited.
    #[must_use]
    pub fn most_queued(&self) -> usize {
        self.most
    }

    /// Returns how often the queue ran dry after it had held something.
    #[must_use]
    pub fn underruns(&self) -> u32 {
        self.underruns
    }

    /// Returns everything that the caller heard so far, 8 kHz, from the stream's start.
    #[must_use]
    pub fn heard(&self) -> &[i16] {
        &self.heard
    }

    /// Takes the marks off that everything before was played, or cleared.
    fn reached(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        while self.marks.front().is_some_and(|(at, _)| *at <= self.gone) {
            names.extend(self.marks.pop_front().map(|(_, name)| name));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_is_played_at_the_lines_own_speed() {
        let mut playout = Playout::default();
        playout.media(ms(100), &[0x10; 8_000]);
        assert!(playout.mark(ms(100), "end".into()).is_empty());
        assert_eq!(playout.next_mark(), Some(ms(1_100)));
        assert!(playout.advance(ms(1_099)).is_empty());
        assert_eq!(playout.next_mark(), Some(ms(1_100)));
        assert_eq!(playout.advance(ms(1_100)), ["end"]);
        assert_eq!(playout.heard().len(), 8_800);
        assert!(playout.heard()[..800].iter().all(|s| *s == 0));
        assert!(
            playout.heard()[800..]
                .iter()
                .all(|s| *s == g711::decode(0x10))
        );
        assert_eq!((playout.most_queued(), playout.underruns()), (8_000, 0));
    }

    #[test]
    fn a_mark_with_nothing_queued_returns_at_once() {
        let mut playout = Playout::default();
        assert_eq!(playout.mark(ms(5), "now".into()), ["now"]);
    }

    #[test]
    fn clear_cuts_the_sound_off_and_returns_every_mark() {
        let mut playout = Playout::default();
        playout.media(ms(0), &[0x10; 1_600]);
        playout.mark(ms(0), "a".into());
        playout.media(ms(0), &[0x10; 1_600]);
        playout.mark(ms(0), "b".into());
        assert_eq!(playout.clear(ms(100)), ["a", "b"]);
        playout.advance(ms(200));
        assert!(playout.heard()[..800].iter().all(|s| *s != 0));
        assert!(playout.heard()[800..].iter().all(|s| *s == 0));
        assert_eq!(playout.underruns(), 0, "it was asked for");
    }

    #[test]
    fn a_dry_queue_counts_once_until_sound_comes_again() {
        let mut playout = Playout::default();
        playout.advance(ms(500));
        assert_eq!(playout.underruns(), 0, "nothing was there yet");
        playout.media(ms(500), &[0x10; 160]);
        playout.advance(ms(600));
        playout.advance(ms(700));
        assert_eq!(playout.underruns(), 1);
        playout.media(ms(700), &[0x10; 160]);
        playout.advance(ms(800));
        assert_eq!(playout.underruns(), 2);
    }

    #[test]
    fn more_than_ten_minutes_is_thrown_away() {
        let mut playout = Playout::default();
        assert!(playout.media(ms(0), &vec![0x10; MOST_QUEUED]).0);
        assert!(!playout.media(ms(0), &[0x10; 160]).0);
        assert_eq!(playout.queued(), MOST_QUEUED);
    }

    proptest! {
        #[test]
        fn every_mark_returns_once_in_order_and_time_alone_says_how_much_is_heard(
            steps in prop::collection::vec((0u64..50, 0usize..700, any::<bool>(), 0u8..20), 1..60)
        ) {
            let mut playout = Playout::default();
            let mut now = 0;
            let mut back = Vec::new();
            let mut sent = Vec::new();
            for (index, (pause, length, with_mark, clear)) in steps.into_iter().enumerate() {
                now += pause;
                back.extend(playout.media(ms(now), &vec![0x10; length]).1);
                if with_mark {
                    sent.push(index.to_string());
                    back.extend(playout.mark(ms(now), index.to_string()));
                }
                if clear == 0 {
                    back.extend(playout.clear(ms(now)));
                    prop_assert_eq!(playout.queued(), 0);
                }
                prop_assert_eq!(playout.heard().len() as u64, now * 8);
            }
            back.extend(playout.advance(ms(now + 60_000)));
            prop_assert_eq!(back, sent);
        }
    }
}
