//! The playout buffer: turns frames that come when they like into samples that are due when the speaker asks.
//!
//! It hides late and bunched frames behind a small fixed depth, tells gaps from silence by the stream's own timestamps,
//! and never lets delay stay: what a stall has piled up is thrown away, oldest first, with a cross-fade. It does not know
//! sockets, devices or the time of day. Read [`PlayoutBuffer::push`] and [`PlayoutBuffer::pull`] first.

use super::{DownFrame, FRAME_LEN, LINE_RATE, g711};
use crate::pure::time::Time;

/// Sound that waits before play begins: 40 ms. A frame of 20 ms may then come up to 20 ms late without a hole.
pub const TARGET: usize = samples(40);

/// Sound that may wait at most: beyond it the oldest goes until [`TARGET`] is left.
pub const MOST: usize = TARGET + samples(160);

/// Sound beyond [`TARGET`] that is too much when it has waited for all of [`WATCH`].
const EXCESS: usize = samples(30);

/// How long the depth is watched before its lowest value counts.
const WATCH: usize = samples(1_000);

/// A gap in the timestamps that is filled with silence at most: a longer one is a new beginning.
const LONGEST_GAP: u64 = samples(1_000) as u64;

/// What the buffer holds at most: a stall's worth that comes at once, before it is thrown away.
const CAPACITY: usize = samples(3_000);

/// Length of every fade, so that no edge clicks: 5 ms.
const FADE: usize = samples(5);

/// Frames whose arrival is remembered.
const MARKS: usize = 256;

const fn samples(ms: usize) -> usize {
    ms * LINE_RATE as usize / 1000
}

/// What was counted since the stream began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Frames that were taken.
    pub frames: u64,
    /// Frames that brought nothing new: doubled, or older than what was taken already.
    pub stale: u64,
    /// Times that the buffer ran dry while it played.
    pub underruns: u64,
    /// Samples that never came, told by the timestamps.
    pub missing: u64,
    /// Samples of silence in the place of sound that came later.
    pub concealed: u64,
    /// Samples that were thrown away to bring the delay down.
    pub shed: u64,
}

/// When a run of samples came.
#[derive(Clone, Copy, Debug)]
struct Mark {
    // Position in all that was ever written here, not in the stream.
    from: u64,
    arrived: Time,
}

/// The buffer of one stream.
#[derive(Debug)]
pub struct PlayoutBuffer {
    ring: Vec<f32>,
    written: u64,
    read: u64,
    // The stream's position of what comes next; nothing before the first frame.
    expected: Option<u64>,
    playing: bool,
    // Samples of silence played since the buffer ran dry: that much of a gap is over already.
    dry: u64,
    // Whether the next sound comes out of silence, and must fade in.
    from_silence: bool,
    marks: [Mark; MARKS],
    marked: u64,
    lowest: usize,
    watched: usize,
    deepest: usize,
    counts: Counts,
}

impl Default for PlayoutBuffer {
    fn default() -> Self {
        PlayoutBuffer {
            ring: vec![0.0; CAPACITY],
            written: 0,
            read: 0,
            expected: None,
            playing: false,
            dry: 0,
            from_silence: true,
            marks: [Mark {
                from: 0,
                arrived: Time::START,
            }; MARKS],
            marked: 0,
            lowest: usize::MAX,
            watched: 0,
            deepest: 0,
            counts: Counts::default(),
        }
    }
}

impl PlayoutBuffer {
    /// Takes a frame, wherever in the stream it belongs.
    pub fn push(&mut self, frame: &DownFrame) {
        let len = usize::from(frame.len).min(FRAME_LEN);
        let begin = frame.at;
        let end = begin.saturating_add(len as u64);
        let expected = self.expected.unwrap_or(begin);
        let mut skip = 0;
        if begin > expected {
            let gap = begin - expected;
            if gap <= LONGEST_GAP {
                if self.read > 0 {
                    self.counts.concealed += self.dry.saturating_sub(gap);
                }
                // Silence that was played while nothing came is part of the gap.
                let unplayed = gap.saturating_sub(self.dry);
                self.counts.missing += gap;
                // More silence than may wait would only push out the sound before it.
                let room = MOST.saturating_sub(self.depth() + len) as u64;
                let unplayed = unplayed.min(room);
                for _ in 0..unplayed {
                    self.write(0.0);
                }
            }
        } else if end <= expected {
            if expected - begin <= LONGEST_GAP {
                self.counts.stale += 1;
                return;
            }
            // So far back is no late frame but a stream that counts anew.
        } else {
            if self.read > 0 {
                self.counts.concealed += self.dry;
            }
            skip = usize::try_from(expected - begin).unwrap_or(len);
        }
        self.counts.frames += 1;
        self.dry = 0;
        self.expected = Some(end);
        self.mark(frame.arrived);
        for code in &frame.ulaw[skip..len] {
            self.write(g711::decode_f32(*code));
        }
        self.deepest = self.deepest.max(self.depth());
    }

    /// Fills a block with what is due.
    ///
    /// Returns when the sound of its first sample came, counted from its frame's arrival plus its place in the frame;
    /// nothing where the block begins with silence of our own.
    pub fn pull(&mut self, block: &mut [f32]) -> Option<Time> {
        if !self.playing {
            if self.depth() < TARGET.max(block.len()) {
                block.fill(0.0);
                self.dry += block.len() as u64;
                return None;
            }
            self.playing = true;
            self.watch_anew();
        }
        self.shed(block.len());
        let came = self.arrival();
        let have = self.depth().min(block.len());
        for sample in &mut block[..have] {
            *sample = self.take();
        }
        if self.from_silence {
            fade_in(&mut block[..have]);
            self.from_silence = false;
        }
        self.dry = 0;
        if have < block.len() {
            self.trail_off(&mut block[have..]);
            self.counts.underruns += 1;
            self.playing = false;
            self.from_silence = true;
            self.dry = (block.len() - have) as u64;
        }
        came
    }

    /// Returns the samples that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        usize::try_from(self.written - self.read).unwrap_or(CAPACITY)
    }

    /// Returns the most samples that ever waited.
    #[must_use]
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn write(&mut self, sample: f32) {
        if self.depth() == CAPACITY {
            self.read += 1;
            self.counts.shed += 1;
        }
        let at = (self.written % CAPACITY as u64) as usize;
        self.ring[at] = sample;
        self.written += 1;
    }

    fn take(&mut self) -> f32 {
        let at = (self.read % CAPACITY as u64) as usize;
        self.read += 1;
        self.ring[at]
    }

    /// Fills what is left of a block with the last sample, fading: silence at once would click.
    fn trail_off(&self, rest: &mut [f32]) {
        let last = if self.read == 0 {
            0.0
        } else {
            self.ring[((self.read - 1) % CAPACITY as u64) as usize]
        };
        rest.fill(0.0);
        for (n, sample) in rest.iter_mut().take(FADE).enumerate() {
            *sample = last * (FADE - n) as f32 / (FADE + 1) as f32;
        }
    }

    fn peek(&self, ahead: usize) -> f32 {
        self.ring[((self.read + ahead as u64) % CAPACITY as u64) as usize]
    }

    fn mark(&mut self, arrived: Time) {
        self.marks[(self.marked % MARKS as u64) as usize] = Mark {
            from: self.written,
            arrived,
        };
        self.marked += 1;
    }

    /// When the next sample came, its place in its frame counted in.
    fn arrival(&self) -> Option<Time> {
        let oldest = self.marked.saturating_sub(MARKS as u64);
        let mark = (oldest..self.marked)
            .rev()
            .map(|n| self.marks[(n % MARKS as u64) as usize])
            .find(|mark| mark.from <= self.read)?;
        let into = self.read - mark.from;
        // Beyond a frame's length it is silence that fills a gap.
        (into < FRAME_LEN as u64).then(|| {
            Time::from_micros(mark.arrived.micros() + into * 1_000_000 / u64::from(LINE_RATE))
        })
    }

    fn watch_anew(&mut self) {
        self.lowest = usize::MAX;
        self.watched = 0;
    }

    /// Throws away what is too much: at once beyond [`MOST`], and an excess that never went for all of [`WATCH`].
    fn shed(&mut self, wanted: usize) {
        let depth = self.depth();
        let left = depth.saturating_sub(wanted);
        self.lowest = self.lowest.min(left);
        self.watched += wanted;
        let excess = if depth > MOST {
            depth - TARGET
        } else if self.watched < WATCH {
            return;
        } else {
            // What was still there at the worst moment was of no use; half the target stays against the next one.
            let spare = self.lowest.saturating_sub(TARGET / 2);
            self.watch_anew();
            if spare < EXCESS {
                return;
            }
            spare
        };
        let excess = excess.min(depth.saturating_sub(FADE));
        // The oldest fades into what will follow it, in place.
        for n in 0..FADE {
            let share = (n + 1) as f32 / (FADE + 1) as f32;
            let mixed = self.peek(n) * (1.0 - share) + self.peek(n + excess) * share;
            let at = ((self.read + (n + excess) as u64) % CAPACITY as u64) as usize;
            self.ring[at] = mixed;
        }
        self.read += excess as u64;
        self.counts.shed += excess as u64;
        self.watch_anew();
    }
}

fn fade_in(block: &mut [f32]) {
    for (n, sample) in block.iter_mut().take(FADE).enumerate() {
        *sample *= (n + 1) as f32 / (FADE + 1) as f32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stream in simulated time: frames arrive, blocks of 10 ms are pulled.
    struct Run {
        buffer: PlayoutBuffer,
        heard: Vec<f32>,
    }

    impl Run {
        /// `arrivals` holds, for each frame of 20 ms, the moment in ms at which it comes.
        fn new(arrivals: &[u64], until_ms: u64) -> Run {
            let mut run = Run {
                buffer: PlayoutBuffer::default(),
                heard: Vec::new(),
            };
            let mut next = 0;
            for now in (0..until_ms).step_by(10) {
                while next < arrivals.len() && arrivals[next] <= now {
                    run.buffer.push(&frame(next as u64, arrivals[next]));
                    next += 1;
                }
                let mut block = [0.0; 80];
                run.buffer.pull(&mut block);
                run.heard.extend(block);
            }
            run
        }
    }

    /// Frame `n` of a sound that is constant, so that every hole shows.
    fn frame(n: u64, arrived_ms: u64) -> DownFrame {
        DownFrame {
            at: n * FRAME_LEN as u64,
            len: FRAME_LEN as u8,
            ulaw: [g711::encode(8_000); FRAME_LEN],
            arrived: Time::from_millis(arrived_ms),
        }
    }

    fn punctual(frames: u64) -> Vec<u64> {
        (0..frames).map(|n| n * 20).collect()
    }

    #[test]
    fn a_punctual_stream_plays_whole_after_the_target_depth() {
        let run = Run::new(&punctual(500), 10_000);
        let began = run
            .heard
            .iter()
            .position(|sample| *sample != 0.0)
            .expect("it plays");
        assert_eq!(
            began, 160,
            "as soon as 40 ms are there, which the second frame completes"
        );
        assert!(run.heard[began + FADE..].iter().all(|sample| *sample > 0.2));
        assert_eq!(run.buffer.counts().underruns, 0);
        assert_eq!(run.buffer.counts().shed, 0);
    }

    #[test]
    fn frames_up_to_20_ms_late_leave_no_hole() {
        let arrivals: Vec<u64> = (0..3_000)
            .map(|n| n * 20 + [0, 7, 19, 3, 15, 0, 11][n as usize % 7])
            .collect();
        let run = Run::new(&arrivals, 60_000);
        assert_eq!(run.buffer.counts().underruns, 0);
    }

    #[test]
    fn a_stall_is_made_up_within_two_seconds() {
        // Nothing for 150 ms, then all of it at once: below the bound, so only time can tell that it is too much.
        let mut arrivals = punctual(300);
        for arrival in &mut arrivals[100..108] {
            *arrival = 2_150;
        }
        let run = Run::new(&arrivals, 5_000);
        assert_eq!(run.buffer.counts().underruns, 1);
        assert!(run.buffer.counts().shed > 0);
        let mut run = run;
        run.buffer.pull(&mut [0.0; 80]);
        assert!(
            run.buffer.depth() <= TARGET + samples(20),
            "{} samples still wait",
            run.buffer.depth()
        );
    }

    #[test]
    fn silence_in_the_place_of_late_sound_is_counted_and_that_of_lost_sound_apart() {
        // Nothing for 150 ms, then all of it at once; later a frame never comes, and one is doubled.
        let mut arrivals = punctual(300);
        for arrival in &mut arrivals[100..108] {
            *arrival = 2_150;
        }
        let mut run = Run::new(&arrivals, 6_000);
        let silent = run.heard[8 * 100..].iter().filter(|sample| **sample == 0.0);
        let silent = silent.count() as u64;
        let counts = run.buffer.counts();
        assert!(
            counts.concealed.abs_diff(silent) <= 2 * FADE as u64,
            "{counts:?}, {silent}"
        );
        assert!(counts.concealed > samples(90) as u64, "{counts:?}");
        assert_eq!(counts.missing, 0);
        for n in [300, 302, 302, 303] {
            run.buffer.push(&frame(n, 6_000));
        }
        let later = run.buffer.counts();
        assert_eq!((later.concealed, later.missing), (counts.concealed, 160));
    }

    #[test]
    fn a_long_stall_never_leaves_more_than_the_bound() {
        let mut arrivals = punctual(300);
        for arrival in &mut arrivals[50..150] {
            *arrival = 3_000;
        }
        let mut buffer = PlayoutBuffer::default();
        for (n, arrival) in arrivals.iter().enumerate() {
            buffer.push(&frame(n as u64, *arrival));
        }
        buffer.pull(&mut [0.0; 80]);
        assert!(buffer.depth() <= TARGET);
    }

    #[test]
    fn a_lost_frame_is_silence_of_its_length() {
        let mut buffer = PlayoutBuffer::default();
        for n in [0, 1, 3, 4] {
            buffer.push(&frame(n, 0));
        }
        assert_eq!(buffer.depth(), 5 * FRAME_LEN);
        assert_eq!(buffer.counts().missing, FRAME_LEN as u64);
    }

    #[test]
    fn the_silence_of_a_long_gap_pushes_no_sound_out() {
        let mut buffer = PlayoutBuffer::default();
        for n in [0, 1, 2, 40] {
            buffer.push(&frame(n, 0));
        }
        let mut heard = vec![0.0; 3 * FRAME_LEN];
        buffer.pull(&mut heard);
        assert!(heard[FADE..].iter().all(|sample| *sample > 0.2));
    }

    #[test]
    fn a_pause_of_the_carrier_is_not_played_twice() {
        // The far end says nothing for half a second; no media comes, and the timestamps tell.
        let mut buffer = PlayoutBuffer::default();
        for n in 0..3 {
            buffer.push(&frame(n, 0));
        }
        let mut block = [0.0; 80];
        for _ in 0..56 {
            buffer.pull(&mut block);
        }
        for n in 28..30 {
            buffer.push(&frame(n, 560));
        }
        assert!(buffer.depth() <= 3 * FRAME_LEN, "{}", buffer.depth());
    }

    #[test]
    fn doubled_and_late_frames_are_counted_and_not_played() {
        let mut buffer = PlayoutBuffer::default();
        for n in [0, 1, 1, 0, 2] {
            buffer.push(&frame(n, 0));
        }
        assert_eq!(buffer.depth(), 3 * FRAME_LEN);
        assert_eq!(buffer.counts().stale, 2);
    }

    #[test]
    fn a_stream_that_counts_anew_goes_on() {
        let mut buffer = PlayoutBuffer::default();
        buffer.push(&frame(100_000, 0));
        buffer.push(&frame(0, 20));
        buffer.push(&frame(1, 40));
        assert_eq!(buffer.counts().frames, 3);
    }

    #[test]
    fn what_is_heard_is_dated_by_its_frame() {
        let mut buffer = PlayoutBuffer::default();
        buffer.push(&frame(0, 100));
        buffer.push(&frame(1, 120));
        assert_eq!(buffer.pull(&mut [0.0; 80]), Some(Time::from_millis(100)));
        assert_eq!(buffer.pull(&mut [0.0; 80]), Some(Time::from_millis(110)));
        assert_eq!(buffer.pull(&mut [0.0; 80]), Some(Time::from_millis(120)));
    }

    #[test]
    fn no_edge_clicks() {
        let mut arrivals = punctual(600);
        for arrival in &mut arrivals[100..115] {
            *arrival = 2_300;
        }
        let run = Run::new(&arrivals, 12_000);
        let level = g711::decode_f32(g711::encode(8_000));
        let step = run
            .heard
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max);
        assert!(step <= level / FADE as f32 * 1.5, "{step}");
    }

    proptest! {
        #[test]
        fn any_frames_are_survived_and_the_depth_stays_bounded(
            steps in proptest::collection::vec((any::<u16>(), any::<u8>(), 0..4_u8, 1..300_usize), 0..300)
        ) {
            let mut buffer = PlayoutBuffer::default();
            let mut block = [0.0; 300];
            for (at, len, pushes, pull) in steps {
                for k in 0..u64::from(pushes) {
                    buffer.push(&DownFrame {
                        at: u64::from(at) * 7 + k * 160,
                        len,
                        ulaw: [len; FRAME_LEN],
                        arrived: Time::START,
                    });
                }
                buffer.pull(&mut block[..pull]);
                prop_assert!(buffer.depth() <= CAPACITY);
                prop_assert!(block.iter().all(|sample| sample.abs() <= 1.0));
            }
        }
    }
}
