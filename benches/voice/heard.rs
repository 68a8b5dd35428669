//! What was heard of a sound, told by the sound alone: for each sample of the source, when it was first heard.
//!
//! It asks no engine. A telephone's mu-law has 256 values, so a stretch of [`RUN`] samples in a row that stands in the
//! source and in what was played is the same sound; from there on both are followed sample by sample until they differ.
//! What is heard a second time (a pitch period that fills a hole, or makes speech longer) is no news and counts as made
//! up, as does what was faded or mixed. Read [`Heard::of`] first.

use offhook::pure::audio::{FRAME_LEN, g711};

use crate::trace::{Arrival, stalls_in};

/// Samples in a row that make two places the same.
const RUN: usize = 16;

/// Different codes among them at least: digital silence is everywhere.
const VARIED: usize = 4;

/// How far an engine may go back to repeat, and ahead to leave out, in samples: 60 ms and 5 s.
const BACK: usize = 480;
const AHEAD: usize = 40_000;

/// Samples over which two places are compared to tell which of them goes on longer.
const COMPARED: usize = 240;

/// A stall that is followed by another within so many ms says nothing of how delay comes back.
const ALONE_MS: f64 = 3_000.0;

/// Samples of a line of the log: 10 ms.
pub(crate) const BLOCK: usize = 80;

/// A sound that is looked for.
pub(crate) struct Source {
    codes: Vec<u8>,
    places: Places,
}

impl Source {
    /// Takes a sound as mu-law.
    pub(crate) fn of(sound: &[u8]) -> Source {
        // Both codes for zero sound the same.
        let codes: Vec<u8> = sound
            .iter()
            .map(|code| g711::encode(g711::decode(*code)))
            .collect();
        let places = Places::of(&codes);
        Source { codes, places }
    }
}

/// What was heard of one sound through one network and one engine.
pub(crate) struct Heard {
    /// For each sample of the source the sample of the output where it was first heard.
    first: Vec<Option<u32>>,
    /// For each sample of the source whether it was sent at all.
    due_ms: Vec<Option<f64>>,
}

/// How long things took, in ms.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delays {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) p95: f64,
    pub(crate) most: f64,
}

/// How delay came back after stalls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Back {
    /// From a stall's end to a delay within 20 ms of the one before it, in ms; nothing where the next stall, or the
    /// end, came first.
    pub(crate) took_ms: Vec<Option<f64>>,
}

impl Heard {
    /// Compares what was played with its source.
    pub(crate) fn of(source: &Source, arrivals: &[Arrival], output: &[i16]) -> Heard {
        let Source { codes, places } = source;
        let output: Vec<u8> = output.iter().map(|sample| g711::encode(*sample)).collect();
        let mut first = vec![None; codes.len()];
        let mut news = 0;
        let mut at = None;
        let mut n = 0;
        while n < output.len() {
            match at {
                Some(place) if place < codes.len() && codes[place] == output[n] => {
                    if place >= news {
                        first[place] = Some(n as u32);
                        news = place + 1;
                    }
                    at = Some(place + 1);
                    n += 1;
                }
                Some(_) | None => {
                    at = places.find(codes, &output[n..], news);
                    n += usize::from(at.is_none());
                }
            }
        }
        let mut due_ms = vec![None; codes.len()];
        for arrival in arrivals {
            for into in 0..FRAME_LEN {
                due_ms[arrival.at + into] = Some(arrival.due_ms + into as f64 / 8.0);
            }
        }
        Heard { first, due_ms }
    }

    /// Returns each sample that was heard: when, in ms, and how long after it could have come at the earliest.
    fn delays(&self) -> impl Iterator<Item = (f64, f64)> {
        self.first
            .iter()
            .zip(&self.due_ms)
            .filter_map(|(heard, due)| {
                let heard_ms = f64::from((*heard)?) / 8.0;
                Some((heard_ms, heard_ms - (*due)?))
            })
    }

    /// Returns the delays of all that was heard.
    pub(crate) fn summary(&self) -> Delays {
        let mut all: Vec<f64> = self.delays().map(|(_, delay)| delay).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| {
            all.get(((all.len().max(1) - 1) as f64 * share) as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Delays {
            least: at(0.0),
            median: at(0.5),
            p95: at(0.95),
            most: at(1.0),
        }
    }

    /// Returns the mean delay of each block of 10 ms in which news was heard: the block's beginning in ms, and the delay.
    pub(crate) fn blocks(&self) -> Vec<(f64, f64)> {
        let mut blocks: Vec<(f64, f64)> = Vec::new();
        let mut sum = (0.0, 0.0);
        let mut current = f64::NAN;
        for (heard_ms, delay) in self.delays() {
            let block = (heard_ms / 10.0).floor() * 10.0;
            if block != current {
                if sum.1 > 0.0 {
                    blocks.push((current, sum.0 / sum.1));
                }
                (current, sum) = (block, (0.0, 0.0));
            }
            sum = (sum.0 + delay, sum.1 + 1.0);
        }
        if sum.1 > 0.0 {
            blocks.push((current, sum.0 / sum.1));
        }
        blocks
    }

    /// Returns what was played and was no news, and what was sent and never heard, in ms, from the first sample heard to
    /// the last. Silence of the caller that was not sent is neither.
    pub(crate) fn made_up_and_left_out(&self) -> (f64, f64) {
        let (mut made_up, mut left_out) = (0, 0);
        let mut before: Option<u32> = None;
        let (mut unsent, mut missed) = (0, 0);
        for (heard, due) in self.first.iter().zip(&self.due_ms) {
            match heard {
                Some(heard) => {
                    if let Some(before) = before {
                        left_out += missed;
                        made_up += (heard - before - 1).saturating_sub(unsent);
                    }
                    before = Some(*heard);
                    (unsent, missed) = (0, 0);
                }
                None if due.is_none() => unsent += 1,
                None => missed += 1,
            }
        }
        (f64::from(made_up) / 8.0, f64::from(left_out) / 8.0)
    }

    /// Returns how long after each stall that stands alone the delay was within 20 ms of what it was before it, and stayed for 200 ms.
    pub(crate) fn back(&self, arrivals: &[Arrival]) -> Back {
        let blocks = self.blocks();
        let stalls = stalls_in(arrivals);
        let end = blocks.last().map_or(0.0, |(at, _)| *at);
        let took_ms = stalls
            .iter()
            .enumerate()
            .filter_map(|(n, (from, to))| {
                let until = stalls.get(n + 1).map_or(end, |(next, _)| *next);
                if until - to < ALONE_MS {
                    return None;
                }
                let mut before: Vec<f64> = blocks
                    .iter()
                    .filter(|(at, _)| (from - 1_000.0..*from).contains(at))
                    .map(|(_, delay)| *delay)
                    .collect();
                before.sort_by(f64::total_cmp);
                let usual = *before.get(before.len() / 2)?;
                let after: Vec<(f64, f64)> = blocks
                    .iter()
                    .copied()
                    .filter(|(at, _)| (*to..until).contains(at))
                    .collect();
                let took = after.iter().enumerate().find_map(|(k, (at, _))| {
                    let mut stays = after[k..]
                        .iter()
                        .take_while(|(later, _)| later - at <= 200.0);
                    stays
                        .all(|(_, delay)| *delay <= usual + 20.0)
                        .then_some(at - to)
                });
                Some(took.map(|took| took.max(0.0)))
            })
            .collect();
        Back { took_ms }
    }

    /// Returns, for every 10 ms of the source, the sample of the output where it stands: where that very sample was not
    /// heard, the next one that was, counted back.
    pub(crate) fn places(&self) -> Vec<(usize, i64)> {
        let mut next: Option<(usize, u32)> = None;
        let mut places = Vec::new();
        for (sample, heard) in self.first.iter().enumerate().rev() {
            if let Some(heard) = heard {
                next = Some((sample, *heard));
            }
            if let (0, Some((at, heard))) = (sample % BLOCK, next) {
                places.push((sample, i64::from(heard) - (at - sample) as i64));
            }
        }
        places.reverse();
        places
    }
}

impl Back {
    /// Returns the median and the longest, in ms, as words; where a delay never came back, so says the longest.
    pub(crate) fn words(&self) -> (String, String) {
        let mut took: Vec<f64> = self
            .took_ms
            .iter()
            .map(|took| took.unwrap_or(f64::INFINITY))
            .collect();
        took.sort_by(f64::total_cmp);
        let word = |ms: Option<&f64>| match ms {
            None => "-".to_owned(),
            Some(ms) if ms.is_finite() => format!("{ms:.0}"),
            Some(_) => "never".to_owned(),
        };
        (word(took.get(took.len() / 2)), word(took.last()))
    }
}

/// Where each run of the source stands, by its hash.
struct Places(Vec<(u64, u32)>);

impl Places {
    fn of(source: &[u8]) -> Places {
        let mut places: Vec<(u64, u32)> = source
            .windows(RUN)
            .enumerate()
            .filter(|(_, run)| varied(run))
            .map(|(at, run)| (hash(run), at as u32))
            .collect();
        places.sort_unstable();
        Places(places)
    }

    /// Finds the place in the source that `output` goes on from: the one that goes on longest, and of those the one that
    /// is nearest to what is expected.
    fn find(&self, source: &[u8], output: &[u8], expected: usize) -> Option<usize> {
        let run = output.get(..RUN)?;
        if !varied(run) {
            return None;
        }
        let hash = hash(run);
        let begin = self.0.partition_point(|(other, _)| *other < hash);
        self.0[begin..]
            .iter()
            .take_while(|(other, _)| *other == hash)
            .map(|(_, at)| *at as usize)
            .filter(|at| (expected.saturating_sub(BACK)..expected + AHEAD).contains(at))
            .map(|at| {
                let same = source[at..]
                    .iter()
                    .zip(output)
                    .take(COMPARED)
                    .take_while(|(left, right)| left == right)
                    .count();
                (same, at)
            })
            .filter(|(same, _)| *same >= RUN)
            .max_by_key(|(same, at)| (*same, std::cmp::Reverse(at.abs_diff(expected))))
            .map(|(_, at)| at)
    }
}

fn varied(run: &[u8]) -> bool {
    let mut codes = [0_u8; RUN];
    codes.copy_from_slice(run);
    codes.sort_unstable();
    1 + codes.windows(2).filter(|pair| pair[0] != pair[1]).count() >= VARIED
}

/// FNV-1a.
fn hash(run: &[u8]) -> u64 {
    run.iter().fold(0xCBF2_9CE4_8422_2325, |hash, code| {
        (hash ^ u64::from(*code)).wrapping_mul(0x0100_0000_01B3)
    })
}
