//! The ear: frames of all legs in, speaker samples out, at the speaker's pace.
//!
//! It runs in the playout callback itself, so nothing in [`Ear::render`] locks, allocates, logs or waits. What it must be
//! told comes through a ring of [`EarCommand`]s; legs that it lets go leave through another ring, to be freed elsewhere.

mod meter;

use std::sync::Arc;
use std::time::Duration;

use super::comfort::{Loudest, Volume};
use super::dtmf::{KeyTone, SoundingKey};
use super::fader::Fader;
use super::level::LevelMeter;
use super::leveller::Leveller;
use super::limiter::Limiter;
use super::meeting::MeetingIn;
use super::playout::PlayoutBuffer;
use super::resample::ToDevice;
use super::ringtone::{RingStyle, Ringer};
use super::sidetone::Sidetone;
use super::tap::LegTap;
use super::tone::{Beep, Country, Progress, Teller, Tone};
use super::{DeviceRate, DownFrame, Feed, LINE_RATE, MostDelay, Route};
use crate::pure::ids::StreamId;
use crate::pure::time::Time;

pub use meter::LegMeter;

/// Legs that the ear hears at once.
pub const MOST_LEGS: usize = 16;

/// Room in the rings of commands and of legs let go.
pub const COMMANDS: usize = 64;

/// Beats of the tone that tells that a call is over.
const ENDED_BEATS: u32 = 3;

/// The weight of one block in the mean of the delay: about the last two seconds at 10 ms a block.
const MEAN_WEIGHT: f32 = 0.005;

/// What the ear is told.
#[derive(Debug)]
pub enum EarCommand {
    /// Take a leg in.
    Attach(Box<EarLeg>),
    /// Hear a leg, or do not.
    Route(StreamId, Route),
    /// Let a leg go.
    Detach(StreamId),
    /// Ring, or stop.
    Ring(Option<Country>),
    /// Beep once.
    Beep,
    /// How loud the far ends are from now on.
    Volume(Volume),
    /// How loud it rings from now on.
    RingVolume(Volume),
    /// Sound a country's tone until something else is said; nothing: stop it.
    Progress(Option<(Progress, Country)>),
    /// Tell with a few beats of a country's tone that the far end has gone. Ringing, a leg that is heard or a tone of
    /// progress ends it.
    CallEnded(Progress, Country),
}

/// How the ear does what it does, from the start on.
#[derive(Clone, Debug, Default)]
pub struct EarStyle {
    /// How loud the far ends are.
    pub volume: Volume,
    /// The loudest that they may be; nothing: as loud as they come.
    pub loudest: Option<Loudest>,
    /// How it rings.
    pub ring: RingStyle,
}

/// One leg, as the ear has it.
#[derive(Debug)]
pub struct EarLeg {
    stream: StreamId,
    down: rtrb::Consumer<DownFrame>,
    playout: PlayoutBuffer,
    meter: Arc<LegMeter>,
    leveller: Option<Leveller>,
    tap: Option<LegTap>,
    audible: bool,
    meeting: Option<MeetingIn>,
    /// Whether the others of a meeting hear it.
    meets: bool,
    // Let go: it leaves once it has faded.
    leaving: bool,
    fader: Fader,
    delay_ms: Option<f32>,
    level: LevelMeter,
    /// Samples that were measured when the level was last told.
    told: u64,
}

impl EarLeg {
    /// Makes a leg that reads `down` and tells `meter` how it does. Allocates, so it is made outside the callback.
    #[must_use]
    pub fn new(
        stream: StreamId,
        down: rtrb::Consumer<DownFrame>,
        route: Route,
        meter: Arc<LegMeter>,
    ) -> EarLeg {
        EarLeg {
            stream,
            down,
            playout: PlayoutBuffer::default(),
            meter,
            leveller: None,
            tap: None,
            audible: route.to_speaker,
            meeting: None,
            meets: meets(route),
            leaving: false,
            fader: Fader::new(0.0, DeviceRate::LINE),
            delay_ms: None,
            level: LevelMeter::default(),
            told: 0,
        }
    }

    /// Gives the far end a way to the others of a meeting.
    #[must_use]
    pub fn with_meeting(mut self, meeting: MeetingIn) -> EarLeg {
        self.meeting = Some(meeting);
        self
    }

    /// Throws away what is later than so much; a second, where nothing is said.
    #[must_use]
    pub fn bounded(mut self, most_delay: MostDelay) -> EarLeg {
        self.playout = PlayoutBuffer::bounded(most_delay);
        self
    }

    /// Brings the far end to the level of others, where it is much too quiet or too loud.
    #[must_use]
    pub fn levelled(mut self) -> EarLeg {
        self.leveller = Some(Leveller::default());
        self
    }

    /// Leaves a copy of what is played in a tap, heard or not.
    #[must_use]
    pub fn tapped(mut self, tap: LegTap) -> EarLeg {
        self.tap = Some(tap);
        self
    }
}

/// The ear itself.
#[derive(Debug)]
pub struct Ear {
    rate: DeviceRate,
    to_device: ToDevice,
    // Scratch at the line's rate: one leg, and the sum of all.
    one: Vec<f32>,
    sum: Vec<f32>,
    legs: [Option<Box<EarLeg>>; MOST_LEGS],
    commands: rtrb::Consumer<EarCommand>,
    let_go: rtrb::Producer<Box<EarLeg>>,
    // Over the far ends.
    volume: Fader,
    limiter: Option<Limiter>,
    // Over all: a device that is new begins in the middle of a sound.
    fresh: Fader,
    ringer: Ringer,
    beep: Beep,
    ended: Option<Tone>,
    progress: Teller,
    keys: Option<KeyTone>,
    sidetone: Option<Sidetone>,
}

impl Ear {
    /// Makes an ear for a device of `rate`.
    ///
    /// Whoever owns the other end of `let_go` empties it now and then: a leg that finds it full stays, unheard, until there is
    /// room.
    #[must_use]
    pub fn new(
        rate: DeviceRate,
        commands: rtrb::Consumer<EarCommand>,
        let_go: rtrb::Producer<Box<EarLeg>>,
    ) -> Ear {
        let to_device = ToDevice::new(rate, largest(rate));
        let scratch = vec![0.0; to_device.most_needed()];
        Ear {
            rate,
            one: scratch.clone(),
            sum: scratch,
            to_device,
            legs: Default::default(),
            commands,
            let_go,
            volume: Fader::new(1.0, rate),
            limiter: None,
            fresh: Fader::new(1.0, rate),
            ringer: Ringer::new(RingStyle::default(), rate),
            beep: Beep::new(rate),
            ended: None,
            progress: Teller::new(rate),
            keys: None,
            sidetone: None,
        }
    }

    /// Gives it a style.
    #[must_use]
    pub fn with_style(mut self, style: EarStyle) -> Ear {
        self.volume = Fader::new(style.volume.gain(), self.rate);
        self.limiter = style
            .loudest
            .map(|loudest| Limiter::new(loudest, self.rate));
        self.ringer = Ringer::new(style.ring, self.rate);
        self
    }

    /// Lets the near end hear itself while a far end is heard.
    #[must_use]
    pub fn with_sidetone(mut self, sidetone: Sidetone) -> Ear {
        self.sidetone = Some(sidetone);
        self
    }

    /// Lets the near end hear the keys that are sent.
    #[must_use]
    pub fn with_keys(mut self, sounding: Arc<SoundingKey>) -> Ear {
        self.keys = Some(KeyTone::new(sounding, self.rate));
        self
    }

    /// Moves to a device of another rate. Allocates: never called in a callback.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        self.fresh.begin_anew();
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        self.to_device = ToDevice::new(rate, largest(rate));
        self.one = vec![0.0; self.to_device.most_needed()];
        self.sum = self.one.clone();
        self.fresh.set_rate(rate);
        self.volume.set_rate(rate);
        if let Some(limiter) = &mut self.limiter {
            limiter.set_rate(rate);
        }
        if let Some(sidetone) = &mut self.sidetone {
            sidetone.set_rate(rate);
        }
        self.beep = Beep::new(rate);
        self.ended = None;
        // These go on, from the beginning of their cadences.
        self.progress.set_rate(rate);
        if let Some(keys) = &mut self.keys {
            keys.set_rate(rate);
        }
        self.ringer.set_rate(rate);
    }

    /// Returns the rate of the device that it renders for.
    #[must_use]
    pub fn rate(&self) -> DeviceRate {
        self.rate
    }

    /// Fills a block of any length: `out` with all that is to be heard, `far` (as long) with the far ends alone.
    ///
    /// `heard_at` is when the first sample of the block will sound at the speaker.
    pub fn render(&mut self, out: &mut [f32], far: &mut [f32], heard_at: Time) {
        self.obey();
        let largest = self.to_device.largest();
        let mut at = heard_at.micros();
        let callback = out.len() * LINE_RATE as usize / self.rate.hz() as usize + 1;
        for (out, far) in out.chunks_mut(largest).zip(far.chunks_mut(largest)) {
            self.render_far(far, Time::from_micros(at), callback);
            out.copy_from_slice(far);
            if let Some(sidetone) = &mut self.sidetone {
                let heard = self.legs.iter().flatten().any(|leg| leg.audible);
                sidetone.add_to(out, heard);
            }
            self.ringer.add_to(out);
            self.beep.add_to(out);
            if let Some(tone) = &mut self.ended {
                tone.add_to(out);
            }
            self.ended.take_if(|tone| tone.is_over());
            self.progress.add_to(out);
            if let Some(keys) = &mut self.keys {
                keys.add_to(out);
            }
            self.fresh.process(out);
            for sample in out.iter_mut() {
                *sample = sample.clamp(-1.0, 1.0);
            }
            at += out.len() as u64 * 1_000_000 / u64::from(self.rate.hz());
        }
    }

    /// Fills a block with the far ends that are to be heard, as a part of a callback of so many samples of the line.
    fn render_far(&mut self, far: &mut [f32], heard_at: Time, callback: usize) {
        let needed = self.to_device.needs(far.len()).min(self.sum.len());
        let sum = &mut self.sum[..needed];
        let one = &mut self.one[..needed];
        sum.fill(0.0);
        for leg in self.legs.iter_mut().flatten() {
            leg.pull(one, heard_at, self.to_device.delay_ms());
            leg.tell_others(one, callback);
            leg.fade(one);
            for (sum, sample) in sum.iter_mut().zip(&*one) {
                *sum += sample;
            }
        }
        self.sweep();
        let sum = &mut self.sum[..needed];
        self.to_device.convert(sum, far);
        self.volume.process(far);
        if let Some(limiter) = &mut self.limiter {
            limiter.process(far);
        }
        for sample in far.iter_mut() {
            *sample = sample.clamp(-1.0, 1.0);
        }
    }

    fn obey(&mut self) {
        // As many as there can be, so that nobody keeps the callback busy.
        for _ in 0..COMMANDS {
            let Ok(command) = self.commands.pop() else {
                return;
            };
            match command {
                EarCommand::Attach(leg) => self.attach(leg),
                EarCommand::Route(stream, route) => {
                    if let Some(leg) = self
                        .legs
                        .iter_mut()
                        .flatten()
                        .find(|leg| leg.stream == stream)
                    {
                        leg.audible = route.to_speaker && !leg.leaving;
                        leg.meets = meets(route);
                        self.hush(route.to_speaker);
                    }
                }
                EarCommand::Detach(stream) => self.detach(stream),
                EarCommand::Ring(country) => {
                    self.ringer.ring(country);
                    self.hush(country.is_some());
                }
                EarCommand::Beep => self.beep.start(),
                EarCommand::Volume(volume) => self.volume.set(volume.gain()),
                EarCommand::RingVolume(volume) => self.ringer.set_volume(volume),
                EarCommand::Progress(wanted) => {
                    self.progress.tell(wanted);
                    self.hush(wanted.is_some());
                }
                EarCommand::CallEnded(tone, country) => self.end_call(tone, country),
            }
        }
    }

    /// Tells that a call is over, unless something else is to be heard.
    fn end_call(&mut self, tone: Progress, country: Country) {
        let heard = self.legs.iter().flatten().any(|leg| leg.audible);
        let else_heard = heard || self.ringer.rings() || self.progress.tells();
        if !else_heard && self.ended.is_none() {
            let tone = Tone::progress(tone, country, self.rate);
            self.ended = tone.map(|tone| tone.for_beats(ENDED_BEATS));
        }
    }

    /// Lets the tone of a call that is over fade, where something else is heard now.
    fn hush(&mut self, heard: bool) {
        if heard && let Some(tone) = &mut self.ended {
            tone.stop();
        }
    }

    fn attach(&mut self, leg: Box<EarLeg>) {
        self.hush(leg.audible);
        let slots = || 0..MOST_LEGS;
        let free = slots().find(|n| self.legs[*n].is_none());
        // One that only fades has had its time.
        let fading = || slots().find(|n| self.legs[*n].as_ref().is_some_and(|leg| leg.leaving));
        let Some(slot) = free.or_else(fading) else {
            // With every slot taken the leg goes unheard; its socket sees the ring abandoned.
            self.dismiss(leg);
            return;
        };
        if let Some(old) = self.legs[slot].replace(leg) {
            self.dismiss(old);
        }
    }

    /// Lets a leg fade, and then go.
    fn detach(&mut self, stream: StreamId) {
        let legs = self.legs.iter_mut().flatten();
        for leg in legs.filter(|leg| leg.stream == stream) {
            leg.audible = false;
            leg.leaving = true;
        }
        self.sweep();
    }

    /// Lets go of the legs that have faded.
    fn sweep(&mut self) {
        for n in 0..MOST_LEGS {
            if let Some(leg) = self.legs[n].take_if(|leg| leg.leaving && leg.fader.gain() == 0.0) {
                self.dismiss(leg);
            }
        }
    }

    fn dismiss(&mut self, leg: Box<EarLeg>) {
        if let Err(rtrb::PushError::Full(mut leg)) = self.let_go.push(leg) {
            // Nobody has emptied the ring: it waits in a slot, and is tried again with every block.
            leg.audible = false;
            leg.leaving = true;
            if let Some(slot) = self.legs.iter_mut().find(|slot| slot.is_none()) {
                *slot = Some(leg);
            } else {
                // Nor is there a slot. Better memory that is lost than memory that is freed in a callback.
                std::mem::forget(leg);
            }
        }
    }
}

impl EarLeg {
    /// Takes what has come, and fills a block of the line with what this leg says.
    fn pull(&mut self, block: &mut [f32], heard_at: Time, filter_ms: f32) {
        while let Ok(frame) = self.down.pop() {
            self.playout.push(&frame);
        }
        // A leg that is not heard is drained all the same, so that no delay is waiting when it is.
        if let Some(came) = self.playout.pull(block) {
            let ms = (heard_at.micros() as f64 - came.micros() as f64) as f32 / 1000.0 + filter_ms;
            // A device that says nonsense about its own delay must not spoil the mean.
            if (0.0..10_000.0).contains(&ms) {
                let mean = self
                    .delay_ms
                    .map_or(ms, |mean| mean + (ms - mean) * MEAN_WEIGHT);
                self.delay_ms = Some(mean);
            }
        }
        self.meter.write(&self.playout, self.delay_ms);
        if let Some(tap) = &mut self.tap {
            // As the line gave it: what came late is there, what never came is made up for, and no volume is on it.
            let filter = Duration::from_secs_f32(filter_ms.max(0.0) / 1000.0);
            tap.push(heard_at + filter, block);
        }
        if self.audible {
            self.measure(block);
        }
        if let Some(leveller) = &mut self.leveller {
            leveller.process(block);
        }
    }

    /// Lets the others of a meeting hear it.
    fn tell_others(&mut self, block: &[f32], callback: usize) {
        if self.meets
            && let Some(meeting) = &mut self.meeting
        {
            meeting.push(block, callback);
        }
    }

    fn fade(&mut self, block: &mut [f32]) {
        self.fader.set(if self.audible { 1.0 } else { 0.0 });
        self.fader.process(block);
    }

    /// Takes in how loud the far end is, and tells it once a second; the needle at once.
    fn measure(&mut self, block: &[f32]) {
        self.meter.needle.push(block);
        self.level.push(block);
        if self.level.samples() >= self.told + u64::from(LINE_RATE) {
            self.told = self.level.samples();
            self.meter.level.set(self.level.levels());
        }
    }
}

fn meets(route: Route) -> bool {
    match route.feed {
        Feed::Meeting { .. } => true,
        Feed::Silence | Feed::Ringback(_) | Feed::Desk | Feed::Hold => false,
    }
}

/// The largest piece that is rendered at once: 20 ms.
fn largest(rate: DeviceRate) -> usize {
    rate.hz() as usize / 50
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pure::audio::{FRAME_LEN, g711};

    /// An ear with one leg, and what the world holds of it.
    pub(crate) struct Rig {
        pub(crate) ear: Ear,
        pub(crate) commands: rtrb::Producer<EarCommand>,
        pub(crate) let_go: rtrb::Consumer<Box<EarLeg>>,
        pub(crate) down: rtrb::Producer<DownFrame>,
        pub(crate) meter: Arc<LegMeter>,
    }

    pub(crate) fn rig(rate: DeviceRate, to_speaker: bool) -> Rig {
        let (mut commands, ear_commands) = rtrb::RingBuffer::new(COMMANDS);
        let (ear_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        let (down, ear_down) = rtrb::RingBuffer::new(100);
        let meter = Arc::new(LegMeter::default());
        let route = Route {
            feed: Feed::Silence,
            to_speaker,
        };
        let leg = EarLeg::new(StreamId(1), ear_down, route, Arc::clone(&meter));
        commands
            .push(EarCommand::Attach(Box::new(leg)))
            .expect("room");
        Rig {
            ear: Ear::new(rate, ear_commands, ear_let_go),
            commands,
            let_go,
            down,
            meter,
        }
    }

    /// Plays a sound of the line in frames of 20 ms, each just in time, and returns what the speaker got.
    fn play(rig: &mut Rig, line: &[f32], block: usize) -> Vec<f32> {
        let rate = rig.ear.rate().hz() as usize;
        let total = line.len() * rate / LINE_RATE as usize;
        let mut heard = Vec::new();
        let mut sent = 0;
        while heard.len() < total {
            let now = heard.len() as u64 * 1_000_000 / rate as u64;
            while sent < line.len() / FRAME_LEN && sent as u64 * 20_000 <= now {
                let mut ulaw = [0; FRAME_LEN];
                g711::encode_slice(&line[sent * FRAME_LEN..][..FRAME_LEN], &mut ulaw);
                rig.down
                    .push(DownFrame {
                        at: (sent * FRAME_LEN) as u64,
                        len: FRAME_LEN as u8,
                        ulaw,
                        arrived: Time::from_micros(sent as u64 * 20_000),
                    })
                    .expect("the ear keeps up");
                sent += 1;
            }
            let (mut out, mut far) = (vec![0.0; block], vec![0.0; block]);
            rig.ear.render(&mut out, &mut far, Time::from_micros(now));
            heard.extend(out);
        }
        heard
    }

    fn tone(hz: f32, seconds: usize) -> Vec<f32> {
        (0..seconds * 8_000)
            .map(|n| (n as f32 * std::f32::consts::TAU * hz / 8_000.0).sin() * 0.5)
            .collect()
    }

    #[test]
    fn a_tone_comes_out_as_loud_as_it_went_in_and_without_gaps() {
        for (hz, block) in [
            (48_000, 480),
            (44_100, 441),
            (16_000, 160),
            (48_000, 1_111),
            (48_000, 33),
        ] {
            let mut rig = rig(DeviceRate::new(hz).expect("a rate"), true);
            let heard = play(&mut rig, &tone(1_000.0, 10), block);
            let steady = &heard[hz as usize / 2..heard.len() - hz as usize / 10];
            for window in steady.chunks_exact(hz as usize / 100) {
                let power =
                    window.iter().map(|sample| sample * sample).sum::<f32>() / window.len() as f32;
                let gain = 20.0 * (power.sqrt() * std::f32::consts::SQRT_2 / 0.5).log10();
                assert!(gain.abs() < 0.5, "{hz} Hz in blocks of {block}: {gain} dB");
            }
            assert_eq!(
                rig.meter.counts().underruns,
                0,
                "{hz} Hz in blocks of {block}"
            );
        }
    }

    #[test]
    fn the_far_end_is_measured_as_loud_as_it_is_and_only_while_it_is_heard() {
        for to_speaker in [true, false] {
            let mut rig = rig(DeviceRate::HZ_48000, to_speaker);
            play(&mut rig, &tone(1_000.0, 5), 480);
            let level = rig.meter.levels().map(|levels| levels.active_dbfs);
            // A sine of half the full scale: -6 - 3 dB.
            let is_right = level.is_some_and(|level| (level + 9.0).abs() < 0.5);
            assert_eq!(is_right, to_speaker, "{level:?}");
        }
    }

    #[test]
    fn the_delay_that_it_tells_is_the_delay_that_is_there() {
        let mut line = vec![0.0; 16_000];
        for n in 0..40 {
            // One round bump, so that it has one peak; late, so that the mean has settled.
            let phase = n as f32 / 40.0 * std::f32::consts::TAU;
            line[12_040 + n] = 0.4 - 0.4 * phase.cos();
        }
        let mut rig = rig(DeviceRate::HZ_48000, true);
        let heard = play(&mut rig, &line, 480);
        let loudest = |sound: &[f32]| {
            sound
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
                .expect("some")
                .0 as f32
        };
        let truth = loudest(&heard) / 48.0 - loudest(&line) / 8.0;
        let told = rig.meter.delay_ms().expect("there is one");
        assert!(
            (truth - told).abs() < 1.5,
            "{told} ms told, {truth} ms true"
        );
    }

    #[test]
    fn a_leg_that_is_not_to_be_heard_is_drained_all_the_same() {
        let mut rig = rig(DeviceRate::HZ_48000, false);
        let heard = play(&mut rig, &tone(1_000.0, 2), 480);
        assert!(heard.iter().all(|sample| *sample == 0.0));
        assert!(rig.meter.counts().frames >= 99);
        assert!(rig.meter.depth_ms().0 <= 60.0);
    }

    #[test]
    fn the_bell_and_the_beep_are_no_part_of_the_far_end() {
        let mut rig = rig(DeviceRate::HZ_48000, true);
        rig.commands
            .push(EarCommand::Ring(Some(Country::NorthAmerica)))
            .expect("room");
        rig.commands.push(EarCommand::Beep).expect("room");
        let (mut out, mut far) = (vec![0.0; 4_800], vec![0.0; 4_800]);
        rig.ear.render(&mut out, &mut far, Time::START);
        assert!(out.iter().any(|sample| sample.abs() > 0.05));
        assert!(far.iter().all(|sample| *sample == 0.0));
        rig.commands.push(EarCommand::Ring(None)).expect("room");
        let (mut out, mut far) = (vec![0.0; 48_000], vec![0.0; 48_000]);
        rig.ear.render(&mut out, &mut far, Time::START);
        assert!(out[24_000..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn it_rings_on_at_a_device_of_another_rate() {
        let mut rig = rig(DeviceRate::HZ_48000, true);
        rig.commands
            .push(EarCommand::Ring(Some(Country::NorthAmerica)))
            .expect("room");
        for hz in [48_000, 44_100, 48_000] {
            rig.ear.set_rate(DeviceRate::new(hz).expect("a rate"));
            let (mut out, mut far) = (vec![0.0; 4_800], vec![0.0; 4_800]);
            rig.ear.render(&mut out, &mut far, Time::START);
            assert!(out.iter().any(|sample| sample.abs() > 0.05), "{hz} Hz");
        }
    }

    #[test]
    fn a_leg_that_is_let_go_leaves_through_its_ring() {
        let mut rig = rig(DeviceRate::HZ_48000, true);
        let (mut out, mut far) = (vec![0.0; 480], vec![0.0; 480]);
        rig.ear.render(&mut out, &mut far, Time::START);
        rig.commands
            .push(EarCommand::Detach(StreamId(1)))
            .expect("room");
        // It fades first.
        rig.ear.render(&mut out, &mut far, Time::START);
        rig.ear.render(&mut out, &mut far, Time::START);
        assert!(
            !rig.down.is_abandoned(),
            "the leg lives until whoever takes it out frees it"
        );
        drop(rig.let_go.pop().expect("the leg is let go"));
        assert!(rig.down.is_abandoned());
    }

    #[test]
    fn a_leg_that_finds_the_ring_full_leaves_once_there_is_room() {
        let (mut commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, mut let_go) = rtrb::RingBuffer::new(1);
        let mut ear = Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go);
        let mut downs = Vec::new();
        for n in 0..3 {
            let (down, for_leg) = rtrb::RingBuffer::new(1);
            downs.push(down);
            let leg = EarLeg::new(StreamId(n), for_leg, Route::default(), Arc::default());
            commands
                .push(EarCommand::Attach(Box::new(leg)))
                .expect("room");
        }
        let (mut out, mut far) = (vec![0.0; 480], vec![0.0; 480]);
        ear.render(&mut out, &mut far, Time::START);
        for n in 0..3 {
            commands
                .push(EarCommand::Detach(StreamId(n)))
                .expect("room");
        }
        for _ in 0..3 {
            ear.render(&mut out, &mut far, Time::START);
            ear.render(&mut out, &mut far, Time::START);
            drop(let_go.pop().expect("one more is let go"));
        }
        assert!(downs.iter().all(rtrb::Producer::is_abandoned));
    }

    #[test]
    fn more_legs_than_there_are_slots_are_sent_away() {
        let mut rig = rig(DeviceRate::HZ_48000, true);
        for n in 2..30 {
            let (_, down) = rtrb::RingBuffer::new(1);
            let leg = EarLeg::new(StreamId(n), down, Route::default(), Arc::default());
            rig.commands
                .push(EarCommand::Attach(Box::new(leg)))
                .expect("room");
        }
        let (mut out, mut far) = (vec![0.0; 480], vec![0.0; 480]);
        rig.ear.render(&mut out, &mut far, Time::START);
        let mut sent_away = 0;
        while rig.let_go.pop().is_ok() {
            sent_away += 1;
        }
        assert_eq!(sent_away, 29 - MOST_LEGS);
    }
}
