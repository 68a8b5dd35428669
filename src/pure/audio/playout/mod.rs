//! The playout buffer: turns frames that come when they like into samples that are due when the speaker asks.
//!
//! It holds as much sound as the frames of the last seconds needed to come in time, and never keeps a delay: what a stall has
//! piled up is made up, first where the line is quiet, then by whole periods of the voice, without a click and at the same
//! pitch. What is not there yet is concealed; gaps are told from silence by the stream's own timestamps. The carrier's clock
//! may run faster or slower than the speaker's. It knows no sockets, devices or time of day: the speaker's pulls are its
//! clock. Read [`PlayoutBuffer::push`] and [`PlayoutBuffer::pull`] first.

mod allowance;
mod conceal;
mod lateness;
mod ring;

use super::{DownFrame, FRAME_LEN, LINE_RATE, MostDelay, g711, stretch};
use crate::pure::time::Time;
use allowance::{Allowance, SLACK};
use conceal::Concealer;
use lateness::Lateness;
use ring::{FADE, Ring};

/// How far the delay may be from the target in a pause, where nobody hears it corrected.
const QUIET_SLACK: i64 = samples(5) as i64 / 2;

/// A gap in the timestamps that is filled at most, beside the time that passed: a longer one is a new beginning.
const LONGEST_GAP: u64 = samples(1_000) as u64;

/// Sound that is cut at once at least where it is quiet, and the pause that is left.
const LEAST_CUT: usize = samples(5);
const PAUSE: usize = samples(15);

/// What is quiet: a pause is so much less loud than the voice, in power (30 dB; where there is haste, 20), or no louder
/// than so much above the noise.
const BELOW_VOICE: f32 = 1e-3;
const BELOW_VOICE_IN_HASTE: f32 = 1e-2;
const ABOVE_NOISE: f32 = 2.0;
/// And what is quiet whatever the voice: -60 dBFS.
const SILENT: f32 = 1e-6;

/// How fast the voice is believed to have gone quiet: half the power in a second.
const VOICE_FALLS: f32 = 0.5 / samples(1_000) as f32;

/// How alike two periods must be to stand for each other: near the target, and where there is haste.
const ALIKE: f32 = 0.75;
const ALIKE_IN_HASTE: f32 = 0.45;

/// Frames whose arrival is remembered: as many of 20 ms as the ring holds.
const ARRIVALS: usize = 256;

/// Microseconds in a sample.
const MICROS: u64 = 1_000_000 / LINE_RATE as u64;

const fn samples(ms: usize) -> usize {
    ms * LINE_RATE as usize / 1000
}

/// What was counted since the stream began. Samples are those of the line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Frames that were taken.
    pub frames: u64,
    /// Frames that brought nothing new: doubled, or older than what was taken already.
    pub stale: u64,
    /// Times that the buffer ran dry while it played, and what was missing came later.
    pub underruns: u64,
    /// Samples that never came, told by the timestamps.
    pub missing: u64,
    /// Samples that were thrown away to bring the delay down.
    pub shed: u64,
    /// Samples that were made up for sound that came too late.
    pub concealed: u64,
    /// Samples by which sound was made shorter to bring the delay down.
    pub shortened: u64,
    /// Samples by which it was made longer, so that later frames come in time.
    pub lengthened: u64,
}

/// When a run of samples came.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    // Position in all that was ever written here, not in the stream.
    from: u64,
    arrived: Time,
}

/// The buffer of one stream.
#[derive(Debug)]
pub struct PlayoutBuffer {
    ring: Ring,
    /// Delay beyond the target that is thrown away rather than made up.
    most_delay: MostDelay,
    /// Samples that were pulled: the speaker's clock.
    pulled: u64,
    // The stream's position of what comes next; nothing before the first frame.
    expected: Option<u64>,
    lateness: Lateness,
    playing: bool,
    concealer: Concealer,
    /// Samples of the fade from what was made up into what came that are still to be played.
    joining: usize,
    /// Samples made up since the buffer ran dry, which may be part of a gap; and whether that broke off a voice.
    dry: u64,
    ran_dry: bool,
    allowance: Allowance,
    /// The voice's mean power, at its loudest of late.
    voice: f32,
    arrivals: [Arrival; ARRIVALS],
    noted: u64,
    deepest: usize,
    counts: Counts,
}

impl Default for PlayoutBuffer {
    fn default() -> Self {
        PlayoutBuffer {
            ring: Ring::default(),
            most_delay: MostDelay::default(),
            pulled: 0,
            expected: None,
            lateness: Lateness::default(),
            playing: false,
            concealer: Concealer::default(),
            joining: 0,
            dry: 0,
            ran_dry: false,
            allowance: Allowance::default(),
            voice: 0.0,
            arrivals: [Arrival {
                from: 0,
                arrived: Time::START,
            }; ARRIVALS],
            noted: 0,
            deepest: 0,
            counts: Counts::default(),
        }
    }
}

impl PlayoutBuffer {
    /// Makes one that throws away what is later than so much.
    #[must_use]
    pub fn bounded(most_delay: MostDelay) -> PlayoutBuffer {
        PlayoutBuffer {
            most_delay,
            ..PlayoutBuffer::default()
        }
    }

    /// Takes a frame, wherever in the stream it belongs.
    pub fn push(&mut self, frame: &DownFrame) {
        let len = usize::from(frame.len).min(FRAME_LEN);
        let begin = frame.at;
        let end = begin.saturating_add(len as u64);
        let expected = self.expected.unwrap_or(begin);
        let mut skip = 0;
        let mut gap = 0;
        if begin > expected {
            gap = begin - expected;
            // In a pause of the carrier time passes as its timestamps do.
            if gap.saturating_sub(self.dry) > LONGEST_GAP {
                self.begin_anew();
                gap = 0;
            }
        } else if end <= expected && expected - begin <= LONGEST_GAP {
            self.counts.stale += 1;
            return;
        } else if end <= expected {
            // So far back is no late frame but a stream that counts anew.
            self.begin_anew();
        } else {
            skip = usize::try_from(expected - begin).unwrap_or(len);
        }
        self.settle(gap);
        self.counts.frames += 1;
        self.expected = Some(end);
        let arrived = frame.arrived.micros() / MICROS;
        self.lateness.note(begin, self.pulled, arrived);
        self.note_arrival(frame.arrived);
        let mut pcm = [0.0; FRAME_LEN];
        g711::decode_slice(&frame.ulaw[skip..len], &mut pcm[skip..len]);
        self.write(&pcm[skip..len]);
        let power = stretch::power(&pcm[skip..len]);
        let fallen = self.voice * (1.0 - VOICE_FALLS * (len - skip) as f32);
        self.voice = power.max(fallen);
        self.deepest = self.deepest.max(self.depth());
    }

    /// Fills a block with what is due.
    ///
    /// Returns when the sound of its first sample came, counted from its frame's arrival plus its place in the frame;
    /// nothing where the block begins with sound of our own.
    pub fn pull(&mut self, block: &mut [f32]) -> Option<Time> {
        if self.expected.is_none() {
            block.fill(0.0);
            return None;
        }
        self.lateness.reckon(self.pulled, block.len());
        let wait = if self.playing {
            0
        } else {
            self.wait(block.len())
        };
        let (before, due) = block.split_at_mut(wait);
        self.conceal(before);
        if due.is_empty() {
            return None;
        }
        if !self.playing {
            self.join();
        }
        self.adjust(due.len());
        let came = self.arrival().filter(|_| wait == 0);
        let (there, missing) = due.split_at_mut(self.depth().min(due.len()));
        self.play(there);
        if !missing.is_empty() {
            self.playing = false;
            self.ran_dry = true;
            self.conceal(missing);
        }
        came
    }

    /// Returns the samples that wait.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.ring.depth()
    }

    /// Returns the most samples that ever waited.
    #[must_use]
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// Returns the delay that the frames of the last seconds need, in samples.
    #[must_use]
    pub fn target(&self) -> usize {
        usize::try_from(self.lateness.target()).unwrap_or(usize::MAX)
    }

    /// Returns what was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns for how many samples of a block nothing is to be played yet.
    fn wait(&self, block: usize) -> usize {
        if self.depth() == 0 {
            return block;
        }
        usize::try_from(self.excess().saturating_neg()).map_or(0, |short| short.min(block))
    }

    /// Begins to play after sound of our own: where that is still the voice, in the midst of a period as that was.
    fn join(&mut self) {
        self.playing = true;
        self.joining = FADE;
        let excess = usize::try_from(self.excess()).unwrap_or(0);
        let most = excess.min(self.concealer.made()).min(stretch::LONGEST);
        if !self.concealer.speaks() || most == 0 || self.depth() < most + 2 * FADE {
            return;
        }
        let mut ours = [0.0; 2 * FADE];
        self.concealer.foretell(&mut ours);
        let mut theirs = [0.0; stretch::LONGEST + 2 * FADE];
        let theirs = &mut theirs[..most + 2 * FADE];
        self.ring.peek(theirs);
        let mut best = (0, 0.0);
        for skip in 0..=most {
            let alike = stretch::alike(&ours, &theirs[skip..][..2 * FADE]);
            if alike > best.1 {
                best = (skip, alike);
            }
        }
        self.ring.skip(best.0);
        self.counts.shortened += best.0 as u64;
    }

    /// Plays what is there, fading in where sound of our own came before it.
    fn play(&mut self, block: &mut [f32]) {
        self.ring.take(block);
        let fade = self.joining.min(block.len());
        for sample in &mut block[..fade] {
            let ours = self.concealer.make();
            *sample = stretch::fade(FADE - self.joining, FADE, ours, *sample);
            self.joining -= 1;
        }
        self.concealer.played(block);
        self.pulled += block.len() as u64;
    }

    fn conceal(&mut self, block: &mut [f32]) {
        block.fill_with(|| self.concealer.make());
        self.dry += block.len() as u64;
        self.pulled += block.len() as u64;
    }

    /// Accounts for what was made up, now that a frame tells how long a `gap` the stream itself has.
    fn settle(&mut self, gap: u64) {
        let unplayed = gap.saturating_sub(self.dry);
        let late = self.dry.saturating_sub(gap);
        self.counts.missing += gap;
        if self.ran_dry {
            self.counts.concealed += late;
            self.counts.underruns += u64::from(late > 0);
        }
        self.dry = 0;
        self.ran_dry = false;
        // More than may wait would only push out the sound before it.
        let room = self.most_delay.samples().saturating_sub(self.depth());
        let mut left = usize::try_from(unplayed).map_or(room, |unplayed| unplayed.min(room));
        while left > 0 {
            let mut noise = [0.0; FRAME_LEN];
            let now = left.min(FRAME_LEN);
            noise[..now].fill_with(|| self.concealer.hiss());
            self.write(&noise[..now]);
            left -= now;
        }
    }

    /// Takes the next frame for the first of a stream.
    fn begin_anew(&mut self) {
        self.settle(0);
        self.lateness = Lateness::default();
    }

    fn write(&mut self, sound: &[f32]) {
        let over = self.ring.write(sound);
        if over > 0 {
            // What goes on does not follow what was played last.
            self.joining = FADE;
            self.counts.shed += over as u64;
        }
    }

    /// Returns the delay beyond the target, in samples: less than none where later frames would not come in time.
    fn excess(&self) -> i64 {
        let next = self.expected.unwrap_or(0).wrapping_sub(self.depth() as u64);
        let delay = self.lateness.delay(next, self.pulled);
        delay.saturating_sub(self.lateness.target().cast_signed())
    }

    /// Makes what comes next shorter or longer, as far as the delay is not what it should be.
    fn adjust(&mut self, wanted: usize) {
        let excess = self.excess();
        let beyond = excess.saturating_sub_unsigned(self.most_delay.samples() as u64);
        if beyond > 0 {
            self.shed(usize::try_from(beyond).unwrap_or(0));
        }
        let excess = self.excess();
        self.allowance.pass(wanted, excess);
        // What is cut must wait here, and not be thought to because the frames are late.
        let there = self.depth().saturating_sub(wanted + self.lateness.guard());
        let excess = excess.min(there as i64);
        if excess.abs() < QUIET_SLACK {
            return;
        }
        let quiet = self.quiet();
        if quiet >= LEAST_CUT {
            self.adjust_pause(excess, quiet);
        } else if excess > SLACK || excess < -self.lateness.leeway() {
            self.adjust_voice(excess);
        }
    }

    /// Returns how much of what comes next is quiet.
    fn quiet(&self) -> usize {
        let below = if self.allowance.is_hasty() {
            BELOW_VOICE_IN_HASTE
        } else {
            BELOW_VOICE
        };
        let bound = (self.voice * below)
            .max(self.concealer.noise() * ABOVE_NOISE)
            .max(SILENT);
        let mut hop = [0.0; samples(5) / 2];
        let mut quiet = 0;
        while quiet + hop.len() <= self.depth() {
            self.ring.peek_at(quiet, &mut hop);
            if stretch::power(&hop) > bound {
                break;
            }
            quiet += hop.len();
        }
        quiet
    }

    /// Cuts a pause, or draws it out.
    fn adjust_pause(&mut self, excess: i64, quiet: usize) {
        if let Ok(excess) = usize::try_from(excess) {
            // Where its end is in sight, a part of it stays: words want to be apart.
            let in_sight = quiet + samples(5) < self.depth();
            let stays = if in_sight && !self.allowance.is_hasty() {
                PAUSE
            } else {
                FADE
            };
            let cut = excess.min(quiet.saturating_sub(stays));
            if cut >= LEAST_CUT {
                self.ring.shorten(cut, FADE);
                self.counts.shortened += cut as u64;
            }
        } else {
            let longer = usize::try_from(-excess).unwrap_or(0);
            let longer = longer.min(quiet).min(stretch::LONGEST);
            if self.ring.lengthen(longer) {
                self.counts.lengthened += longer as u64;
            }
        }
    }

    /// Leaves a period of the voice out, or says it twice.
    fn adjust_voice(&mut self, excess: i64) {
        let mut ahead = [0.0; 2 * stretch::LONGEST];
        let there = self.depth().min(ahead.len());
        let ahead = &mut ahead[..there];
        self.ring.peek(ahead);
        let enough = if self.allowance.is_hasty() {
            ALIKE_IN_HASTE
        } else {
            ALIKE
        };
        let Some((period, alike)) = stretch::period(ahead) else {
            return;
        };
        // There is no more to cut than the excess, but for a period that it nearly fills.
        let too_much = excess > 0 && (period as i64) > excess + SLACK;
        if alike < enough || too_much || !self.allowance.afford(period) {
            return;
        }
        if excess > 0 {
            self.ring.shorten(period, period.min(there - period));
            self.counts.shortened += period as u64;
        } else if self.ring.lengthen(period) {
            self.counts.lengthened += period as u64;
        }
    }

    /// Throws the oldest sound away: `excess` samples and what follows them to the quietest spot nearby.
    fn shed(&mut self, excess: usize) {
        let most = self.depth().saturating_sub(self.target() + FRAME_LEN);
        let excess = excess.min(most);
        let mut hop = [0.0; FADE];
        let mut best = (excess, f32::INFINITY);
        let mut at = excess;
        while at <= most.min(excess + samples(200)) {
            self.ring.peek_at(at, &mut hop);
            let power = stretch::power(&hop);
            if power < best.1 {
                best = (at, power);
            }
            at += FADE;
        }
        if best.0 >= FADE {
            self.ring.shorten(best.0, FADE);
            self.counts.shed += best.0 as u64;
        }
    }

    fn note_arrival(&mut self, arrived: Time) {
        self.arrivals[(self.noted % ARRIVALS as u64) as usize] = Arrival {
            from: self.ring.written(),
            arrived,
        };
        self.noted += 1;
    }

    /// When the next sample came, its place in its frame counted in.
    fn arrival(&self) -> Option<Time> {
        let read = self.ring.read();
        let oldest = self.noted.saturating_sub(ARRIVALS as u64);
        let mark = (oldest..self.noted)
            .rev()
            .map(|n| self.arrivals[(n % ARRIVALS as u64) as usize])
            .find(|mark| mark.from <= read)?;
        let into = read - mark.from;
        // Beyond a frame's length it is noise that fills a gap.
        (into < FRAME_LEN as u64)
            .then(|| Time::from_micros(mark.arrived.micros().saturating_add(into * MICROS)))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
