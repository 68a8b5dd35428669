//! The thread that owns the mouth: woken by capture, it turns what is in the ring into frames and hands them to the
//! sockets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::callback::{Mark, Played, Stamp, UpMeter, now};
use super::priority;
use super::way_up::{Known, WayUpMeter};
use crate::pure::audio::clock_track::ClockLine;
use crate::pure::audio::level::LevelMeter;
use crate::pure::audio::mouth::Mouth;
use crate::pure::audio::pace::Pace;
use crate::pure::audio::speakerphone::{Figures, Learned, Stages};
use crate::pure::audio::tap::LegTap;
use crate::pure::audio::{DeviceRate, FRAME_LEN, Feed, UpFrame, g711};
use crate::pure::ids::StreamId;
use crate::pure::time::Time;

/// The weight of one frame in the mean of the delay: about the last two seconds.
const MEAN_WEIGHT: f32 = 0.01;

/// From a frame's first sample to its middle.
const HALF_FRAME: Duration = Duration::from_millis(10);

/// How often the levels are told, in frames: once a second.
const LEVELS_EVERY: u32 = 50;

/// What the mouth is told.
pub(super) enum MouthCommand {
    /// Listen to another microphone.
    Listen(Source),
    /// Know what another speaker plays; its name as the status tells it.
    Play(Played, String),
    /// Take a leg in.
    Attach {
        stream: StreamId,
        feed: Feed,
        up: rtrb::Producer<UpFrame>,
        up_ready: Arc<Notify>,
        carrier: rtrb::Consumer<ClockLine>,
        meter: Arc<UpMeter>,
        way_up: Arc<WayUpMeter>,
        tap: LegTap,
    },
    /// Feed a leg with something else.
    Feed(StreamId, Feed),
    /// Let a leg go.
    Detach(StreamId),
    /// End.
    Stop,
}

/// A microphone, as the mouth sees it.
pub(super) struct Source {
    pub(super) ring: rtrb::Consumer<f32>,
    pub(super) rate: DeviceRate,
    pub(super) stamp: Arc<Stamp>,
    /// Its name, as the status tells it: what is learned of a room is learned of two devices.
    pub(super) name: String,
}

/// How the echo does, written by the mouth and read by anybody, at any time.
#[derive(Debug, Default)]
struct EchoMeter {
    erl_db: Known,
    erle_db: Known,
}

impl EchoMeter {
    fn write(&self, figures: Figures) {
        self.erl_db.set(figures.erl_db);
        self.erle_db.set(figures.erle_db);
    }

    fn read(&self) -> Figures {
        Figures {
            erl_db: self.erl_db.get(),
            erle_db: self.erle_db.get(),
        }
    }
}

/// The loudest sample of the microphone since somebody looked.
#[derive(Debug, Default)]
struct Peak(AtomicU32);

impl Peak {
    fn note(&self, samples: &[f32]) {
        let loudest = samples
            .iter()
            .fold(0.0, |loudest: f32, s| loudest.max(s.abs()));
        // Floats that are not negative are ordered as their bits are.
        self.0.fetch_max(loudest.to_bits(), Ordering::Relaxed);
    }

    fn take(&self) -> f32 {
        f32::from_bits(self.0.swap(0, Ordering::Relaxed))
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct MouthThread {
    commands: Sender<MouthCommand>,
    thread: JoinHandle<()>,
    peak: Arc<Peak>,
    echo: Arc<EchoMeter>,
}

impl MouthThread {
    /// Starts it, deaf.
    pub(super) fn start(clock: Instant, stages: Stages) -> std::io::Result<MouthThread> {
        let (commands, for_mouth) = channel();
        let peak = Arc::new(Peak::default());
        let noted = Arc::clone(&peak);
        let echo = Arc::new(EchoMeter::default());
        let metered = Arc::clone(&echo);
        let thread = std::thread::Builder::new()
            .name("mouth".to_owned())
            .spawn(move || {
                priority::ask_for_real_time("mouth");
                Speaking::new(clock, noted, metered, stages).run(&for_mouth);
            })?;
        Ok(MouthThread {
            commands,
            thread,
            peak,
            echo,
        })
    }

    /// Returns the loudest sample since the last time, 0 to 1.
    pub(super) fn take_peak(&self) -> f32 {
        self.peak.take()
    }

    /// Returns how the echo does.
    pub(super) fn echo(&self) -> Figures {
        self.echo.read()
    }

    /// Returns whom a capture callback is to wake.
    pub(super) fn thread(&self) -> &Thread {
        self.thread.thread()
    }

    /// Tells it something.
    pub(super) fn tell(&self, command: MouthCommand) {
        // After the end nobody listens, and nobody needs to.
        let _ = self.commands.send(command);
        self.thread().unpark();
    }
}

struct Leg {
    stream: StreamId,
    up: rtrb::Producer<UpFrame>,
    up_ready: Arc<Notify>,
    carrier: rtrb::Consumer<ClockLine>,
    /// What is known of the carrier's clock by this leg, for the moment that it steers.
    line: Option<ClockLine>,
    meter: Arc<UpMeter>,
    way_up: Arc<WayUpMeter>,
    tap: LegTap,
    delay_ms: Option<f32>,
    /// What it is fed: only the microphone has a level.
    feed: Feed,
    level: LevelMeter,
    until_told: u32,
}

struct Speaking {
    clock: Instant,
    mouth: Mouth,
    source: Option<Source>,
    /// The first of them steers the pace: all come from one carrier, which has one clock.
    legs: Vec<Leg>,
    pace: Pace,
    samples: Vec<f32>,
    peak: Arc<Peak>,
    echo: Arc<EchoMeter>,
    speaker: Option<Speaker>,
    // What was learned of pairs of devices, by their names: microphone, then speaker.
    learned: HashMap<(String, String), Learned>,
    pair: (String, String),
}

/// The speaker, as the speakerphone knows it.
struct Speaker {
    played: Played,
    taken: u64,
    mark: Option<Mark>,
}

impl Speaker {
    /// Hands all that was played meanwhile to the mouth.
    fn hand_to(&mut self, mouth: &mut Mouth) {
        while let Ok(chunk) = self.played.ring.read_chunk(self.played.ring.slots()) {
            if chunk.is_empty() {
                return;
            }
            // What comes through the ring was marked just before or comes to be just after.
            while let Ok(mark) = self.played.marks.pop() {
                self.mark = Some(mark);
            }
            let (first, second) = chunk.as_slices();
            for samples in [first, second] {
                self.taken += samples.len() as u64;
                let newest_at = self.mark.map(|mark| {
                    let ahead = self.taken as f64 - mark.count as f64;
                    let micros = ahead * 1e6 / f64::from(self.played.rate.hz());
                    Time::from_micros((mark.at.micros() as f64 + micros).max(0.0) as u64)
                });
                mouth.hear_speaker(samples, newest_at);
            }
            chunk.commit_all();
        }
    }
}

impl Speaking {
    fn new(clock: Instant, peak: Arc<Peak>, echo: Arc<EchoMeter>, stages: Stages) -> Speaking {
        Speaking {
            clock,
            peak,
            echo,
            speaker: None,
            learned: HashMap::new(),
            pair: Default::default(),
            mouth: Mouth::with_stages(DeviceRate::HZ_48000, stages),
            source: None,
            legs: Vec::new(),
            pace: Pace::default(),
            samples: vec![0.0; 4_096],
        }
    }

    fn run(&mut self, commands: &Receiver<MouthCommand>) {
        loop {
            loop {
                match commands.try_recv() {
                    Ok(MouthCommand::Stop) | Err(TryRecvError::Disconnected) => return,
                    Ok(command) => self.obey(command),
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.speak();
            // A wake-up that came meanwhile is not lost; the limit only bounds what a lost callback can do.
            std::thread::park_timeout(Duration::from_millis(500));
        }
    }

    fn obey(&mut self, command: MouthCommand) {
        match command {
            MouthCommand::Listen(mut source) => {
                // What a microphone said before anybody listened would be delay for the rest of the call.
                if let Ok(old) = source.ring.read_chunk(source.ring.slots()) {
                    old.commit_all();
                }
                self.mouth.listen(source.rate);
                self.pace.another_microphone();
                self.meet((source.name.clone(), self.pair.1.clone()));
                self.source = Some(source);
            }
            MouthCommand::Play(played, name) => {
                self.mouth.play(played.rate);
                self.speaker = Some(Speaker {
                    played,
                    taken: 0,
                    mark: None,
                });
                self.meet((self.pair.0.clone(), name));
            }
            MouthCommand::Attach {
                stream,
                feed,
                up,
                up_ready,
                carrier,
                meter,
                way_up,
                tap,
            } => {
                self.mouth.attach(stream, feed);
                self.legs.push(Leg {
                    stream,
                    up,
                    up_ready,
                    carrier,
                    line: None,
                    meter,
                    way_up,
                    tap,
                    delay_ms: None,
                    feed,
                    level: LevelMeter::default(),
                    until_told: LEVELS_EVERY,
                });
            }
            MouthCommand::Feed(stream, feed) => {
                self.mouth.feed(stream, feed);
                if let Some(leg) = self.legs.iter_mut().find(|leg| leg.stream == stream) {
                    leg.feed = feed;
                }
            }
            MouthCommand::Detach(stream) => {
                self.mouth.detach(stream);
                let steered = self.legs.first().map(|leg| leg.stream);
                self.legs.retain(|leg| leg.stream != stream);
                if self.legs.is_empty() {
                    self.pace = Pace::default();
                    self.mouth.trim(0.0);
                } else if steered == Some(stream) {
                    self.pace.another_carrier();
                }
            }
            MouthCommand::Stop => {}
        }
    }

    /// Goes on with a pair of devices, and keeps what was learned of the one before.
    fn meet(&mut self, pair: (String, String)) {
        let Some(speakerphone) = self.mouth.speakerphone() else {
            return;
        };
        if pair == self.pair {
            return speakerphone.meet_again();
        }
        let before = std::mem::replace(&mut self.pair, pair);
        if let Some(learned) = speakerphone.learned() {
            self.learned.insert(before, learned);
        }
        speakerphone.meet(self.learned.get(&self.pair).copied());
    }

    fn speak(&mut self) {
        if let Some(speaker) = &mut self.speaker {
            speaker.hand_to(&mut self.mouth);
        }
        let Some(source) = &mut self.source else {
            return;
        };
        loop {
            let count = source.ring.slots().min(self.samples.len());
            let Ok(chunk) = source.ring.read_chunk(count) else {
                return;
            };
            if count == 0 {
                break;
            }
            let (first, second) = chunk.as_slices();
            self.samples[..first.len()].copy_from_slice(first);
            self.samples[first.len()..count].copy_from_slice(second);
            chunk.commit_all();
            self.peak.note(&self.samples[..count]);
            let here = now(self.clock);
            // How long ago the newest of these samples was at the microphone.
            let newest_at = source.stamp.get();
            self.mouth.heard_until(newest_at);
            let age_ms = newest_at.map(|newest| here.since(newest).as_secs_f32() * 1000.0);
            let base_ms = self.mouth.delay_ms();
            let legs = &mut self.legs;
            self.mouth
                .push(&self.samples[..count], |stream, frame, newer_ms| {
                    let Some(leg) = legs.iter_mut().find(|leg| leg.stream == stream) else {
                        return;
                    };
                    leg.send(frame, here, age_ms.map(|age| age + newer_ms + base_ms));
                });
            for leg in &mut self.legs {
                leg.hear_clock();
            }
            if let Some(leg) = self.legs.first_mut() {
                keep_pace(&mut self.pace, &mut self.mouth, leg, here);
            }
        }
        if let Some(speakerphone) = self.mouth.speakerphone() {
            self.echo.write(speakerphone.figures());
        }
    }
}

/// Turns the microphone's pace to the carrier's, once a second; `here` is when the newest of its samples was here.
fn keep_pace(pace: &mut Pace, mouth: &mut Mouth, leg: &mut Leg, here: Time) {
    if let Some(line) = leg.line.take() {
        pace.carrier(line);
    }
    if let Some(ppm) = pace.made(mouth.made(), here) {
        mouth.trim(ppm);
    }
    leg.way_up.set_drift(pace.drift_ppm());
}

impl Leg {
    /// Keeps the newest of what became known of the carrier's clock: the ring of a leg that does not steer would else be full
    /// of what was known first.
    fn hear_clock(&mut self) {
        while let Ok(line) = self.carrier.pop() {
            self.line = Some(line);
        }
    }

    /// Sends a frame, here at `here`; its middle was at the microphone so long ago, where that is known.
    fn send(&mut self, frame: &UpFrame, here: Time, delay_ms: Option<f32>) {
        self.measure(frame);
        let delay_ms = delay_ms.filter(|ms| (0.0..10_000.0).contains(ms));
        // Recorded as it is sent, whether the socket has room for it or not: it was said.
        let age = HALF_FRAME + Duration::from_secs_f32(delay_ms.unwrap_or(0.0) / 1000.0);
        self.tap.push_ulaw(here.before(age), &frame.ulaw);
        if self.up.push(*frame).is_err() {
            self.meter.dropped.fetch_add(1, Ordering::Relaxed);
            self.way_up.set_overflow();
            return;
        }
        self.up_ready.notify_one();
        self.meter.frames.fetch_add(1, Ordering::Relaxed);
        if let Some(ms) = delay_ms {
            let mean = self
                .delay_ms
                .map_or(ms, |mean| mean + (ms - mean) * MEAN_WEIGHT);
            self.delay_ms = Some(mean);
            self.meter.delay_ms.store(mean.to_bits(), Ordering::Relaxed);
        }
    }

    fn measure(&mut self, frame: &UpFrame) {
        if self.feed != Feed::Desk {
            return;
        }
        let mut sound = [0.0; FRAME_LEN];
        g711::decode_slice(&frame.ulaw, &mut sound);
        self.level.push(&sound);
        self.until_told -= 1;
        if self.until_told == 0 {
            self.until_told = LEVELS_EVERY;
            self.meter.level.set(self.level.levels());
        }
    }
}
