//! The thread that owns the mouth: woken by capture, it turns what is in the ring into frames and hands them to the
//! sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use super::callback::{Mark, Played, Stamp, UpMeter, now};
use super::priority;
use super::way_up::{Known, WayUpMeter};
use crate::pure::audio::clip::Clip;
use crate::pure::audio::clock_track::ClockLine;
use crate::pure::audio::dtmf::SoundingKey;
use crate::pure::audio::hold::Music;
use crate::pure::audio::level::LevelMeter;
use crate::pure::audio::meeting::MeetingOut;
use crate::pure::audio::mouth::{Beneath, Mouth};
use crate::pure::audio::pace::Pace;
use crate::pure::audio::pair::{MOST_PAIRS, Pair};
use crate::pure::audio::speakerphone::{Figures, Learned, Stages};
use crate::pure::audio::tap::LegTap;
use crate::pure::audio::{DeviceRate, FRAME_LEN, Feed, UpFrame, g711};
use crate::pure::ids::StreamId;
use crate::pure::keys::Keys;
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
        tap: Box<LegTap>,
        /// The way of its sound into a meeting.
        meeting: MeetingOut,
    },
    /// Feed a leg with something else.
    Feed(StreamId, Feed),
    /// Send keys to a leg.
    Keys(StreamId, Keys),
    /// Play a clip to a leg, and tell when its last sample has left; who waits also learns where it is dropped instead.
    Say(StreamId, Clip, Beneath, oneshot::Sender<()>),
    /// Let the clip fade that a leg is played.
    Hush(StreamId),
    /// Add a clip to what a leg hears, again and again, or no more.
    Repeat(StreamId, Option<Clip>),
    /// Let a leg go.
    Detach(StreamId),
    /// Know what was learned in earlier runs, the newest last.
    Know(Vec<Pair>),
    /// Tell what was learned, in earlier runs too, the newest last.
    Learned(oneshot::Sender<Vec<Pair>>),
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
    pub(super) fn start(
        clock: Instant,
        stages: Stages,
        music: Music,
        sounding_key: Arc<SoundingKey>,
    ) -> std::io::Result<MouthThread> {
        let (commands, for_mouth) = channel();
        let peak = Arc::new(Peak::default());
        let noted = Arc::clone(&peak);
        let echo = Arc::new(EchoMeter::default());
        let metered = Arc::clone(&echo);
        let thread = std::thread::Builder::new()
            .name("mouth".to_owned())
            .spawn(move || {
                priority::ask_for_real_time("mouth");
                let mouth = Mouth::with_stages(DeviceRate::HZ_48000, stages)
                    .with_music(music)
                    .telling(sounding_key);
                Speaking::new(clock, noted, metered, mouth).run(&for_mouth);
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
    /// Who waits until the clip that it is played is over.
    says: Option<oneshot::Sender<()>>,
}

struct Speaking {
    clock: Instant,
    mouth: Mouth,
    microphone: Option<Microphone>,
    /// The first of them steers the pace: all come from one carrier, which has one clock.
    legs: Vec<Leg>,
    pace: Pace,
    samples: Vec<f32>,
    peak: Arc<Peak>,
    echo: Arc<EchoMeter>,
    speaker: Option<Speaker>,
    // What was learned of pairs of devices, the newest last.
    learned: Vec<Pair>,
    // The names of those that are in use: microphone, then speaker.
    pair: (String, String),
}

/// The microphone that is listened to.
struct Microphone {
    source: Source,
    taken: u64,
}

/// The speaker, as the speakerphone knows it.
struct Speaker {
    played: Played,
    taken: u64,
    mark: Option<Mark>,
}

impl Speaker {
    /// Hands all that was played meanwhile to the mouth.
    ///
    /// Only what is there now: whoever plays faster than this reads must not keep the mouth from its legs.
    fn hand_to(&mut self, mouth: &mut Mouth) {
        if let Ok(chunk) = self.played.ring.read_chunk(self.played.ring.slots()) {
            // What comes through the ring was marked just before or comes to be just after.
            for _ in 0..self.played.marks.slots() {
                self.mark = self.played.marks.pop().ok().or(self.mark);
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
    fn new(clock: Instant, peak: Arc<Peak>, echo: Arc<EchoMeter>, mouth: Mouth) -> Speaking {
        Speaking {
            clock,
            peak,
            echo,
            speaker: None,
            learned: Vec::new(),
            pair: Default::default(),
            mouth,
            microphone: None,
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
                let old = source.ring.slots();
                if let Ok(chunk) = source.ring.read_chunk(old) {
                    chunk.commit_all();
                }
                self.mouth.listen(source.rate);
                self.pace.another_microphone();
                self.meet((source.name.clone(), self.pair.1.clone()));
                self.microphone = Some(Microphone {
                    source,
                    taken: old as u64,
                });
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
                meeting,
            } => {
                self.mouth.attach_with(stream, feed, meeting);
                self.legs.push(Leg {
                    stream,
                    up,
                    up_ready,
                    carrier,
                    line: None,
                    meter,
                    way_up,
                    tap: *tap,
                    delay_ms: None,
                    feed,
                    level: LevelMeter::default(),
                    until_told: LEVELS_EVERY,
                    says: None,
                });
            }
            MouthCommand::Feed(stream, feed) => {
                self.mouth.feed(stream, feed);
                if let Some(leg) = self.legs.iter_mut().find(|leg| leg.stream == stream) {
                    leg.feed = feed;
                }
            }
            MouthCommand::Keys(stream, keys) => {
                if !self.mouth.keys(stream, keys.signs()) {
                    tracing::warn!(%stream, "keys were not sent: too many wait, or the stream is gone");
                }
            }
            MouthCommand::Say(stream, clip, beneath, over) => {
                let leg = self.legs.iter_mut().find(|leg| leg.stream == stream);
                if self.mouth.say(stream, clip, beneath)
                    && let Some(leg) = leg
                {
                    leg.says = Some(over);
                }
            }
            MouthCommand::Hush(stream) => self.mouth.hush(stream),
            MouthCommand::Repeat(stream, clip) => self.mouth.repeat(stream, clip),
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
            MouthCommand::Know(pairs) => {
                for pair in pairs {
                    self.keep(pair);
                }
                // Nothing can have been learned of these devices before the first call.
                if self.legs.is_empty() {
                    self.mouth.meet(self.known());
                }
            }
            MouthCommand::Learned(reply) => {
                self.keep_learned();
                // Who asked may have gone.
                let _ = reply.send(self.learned.clone());
            }
            MouthCommand::Stop => {}
        }
    }

    /// Goes on with a pair of devices, and keeps what was learned of the one before.
    fn meet(&mut self, pair: (String, String)) {
        if pair == self.pair {
            if let Some(speakerphone) = self.mouth.speakerphone() {
                speakerphone.meet_again();
            }
            return;
        }
        self.keep_learned();
        self.pair = pair;
        self.mouth.meet(self.known());
    }

    fn known(&self) -> Option<Learned> {
        let is_this = |pair: &&Pair| pair.capture == self.pair.0 && pair.playout == self.pair.1;
        self.learned.iter().find(is_this).map(|pair| pair.learned)
    }

    /// Keeps what was learned of the pair in use, where that has shown itself true.
    fn keep_learned(&mut self) {
        let (capture, playout) = self.pair.clone();
        if let Some(learned) = self.mouth.learned() {
            self.keep(Pair {
                capture,
                playout,
                learned,
            });
        }
    }

    fn keep(&mut self, pair: Pair) {
        self.learned
            .retain(|known| known.capture != pair.capture || known.playout != pair.playout);
        if self.learned.len() >= MOST_PAIRS {
            self.learned.remove(0);
        }
        self.learned.push(pair);
    }

    /// Hands on what is there now. What comes meanwhile wakes the mouth anew: a device that brings sound without end must
    /// keep nobody from being heard.
    fn speak(&mut self) {
        if let Some(speaker) = &mut self.speaker {
            speaker.hand_to(&mut self.mouth);
        }
        let Some(Microphone { source, taken }) = &mut self.microphone else {
            return;
        };
        let mut waiting = source.ring.slots();
        while waiting > 0 {
            let count = waiting.min(self.samples.len());
            let Ok(chunk) = source.ring.read_chunk(count) else {
                break;
            };
            let (first, second) = chunk.as_slices();
            self.samples[..first.len()].copy_from_slice(first);
            self.samples[first.len()..count].copy_from_slice(second);
            chunk.commit_all();
            waiting -= count;
            *taken += count as u64;
            self.peak.note(&self.samples[..count]);
            let here = now(self.clock);
            // How long ago the newest of these samples was at the microphone.
            let newest_at = source.stamp.of(*taken, source.rate.hz(), here);
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
                if leg.says.is_some()
                    && self.mouth.is_through(leg.stream)
                    && let Some(over) = leg.says.take()
                {
                    // Who waited may have gone.
                    let _ = over.send(());
                }
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
        for _ in 0..self.carrier.slots() {
            self.line = self.carrier.pop().ok().or(self.line);
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
        if self.feed != Feed::Desk || frame.whole || self.says.is_some() {
            return;
        }
        let mut sound = [0.0; FRAME_LEN];
        g711::decode_slice(&frame.ulaw, &mut sound);
        self.meter.needle.push(&sound);
        self.level.push(&sound);
        self.until_told -= 1;
        if self.until_told == 0 {
            self.until_told = LEVELS_EVERY;
            self.meter.level.set(self.level.levels());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn a_microphone_that_brings_sound_without_end_keeps_nobody_from_stopping_the_mouth() {
        let clock = Instant::now();
        let mouth = MouthThread::start(clock, Stages::NONE, Music::silence(), Arc::default())
            .expect("a thread");
        let (mut ring, for_mouth) = rtrb::RingBuffer::new(24_000);
        mouth.tell(MouthCommand::Listen(Source {
            ring: for_mouth,
            rate: DeviceRate::HZ_48000,
            stamp: Arc::default(),
            name: "flood".to_owned(),
        }));
        let (ends, floods) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let flood = {
            let (ends, floods) = (Arc::clone(&ends), Arc::clone(&floods));
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    if let Ok(chunk) = ring.write_chunk_uninit(ring.slots()) {
                        let pushed = chunk.fill_from_iter(std::iter::repeat(0.1)) as u32;
                        floods.fetch_add(pushed.min(1), Ordering::Relaxed);
                    }
                }
            })
        };
        while floods.load(Ordering::Relaxed) < 100 {
            std::thread::yield_now();
            mouth.thread().unpark();
        }
        mouth.tell(MouthCommand::Stop);
        let since = Instant::now();
        while !mouth.thread.is_finished() && since.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let stopped = mouth.thread.is_finished();
        ends.store(true, Ordering::Relaxed);
        flood.join().expect("it ends");
        assert!(stopped);
    }

    #[test]
    fn what_waited_is_as_old_as_it_is_when_it_leaves() {
        let clock = Instant::now();
        let stamp: Arc<Stamp> = Arc::default();
        let (mut ring, for_mouth) = rtrb::RingBuffer::new(24_000);
        let mut speaking = Speaking::new(
            clock,
            Arc::default(),
            Arc::default(),
            Mouth::new(DeviceRate::HZ_48000),
        );
        speaking.obey(MouthCommand::Listen(Source {
            ring: for_mouth,
            rate: DeviceRate::HZ_48000,
            stamp: Arc::clone(&stamp),
            name: "a microphone".to_owned(),
        }));
        let (up, _frames) = rtrb::RingBuffer::new(64);
        let (_line, carrier) = rtrb::RingBuffer::new(1);
        let meter: Arc<UpMeter> = Arc::default();
        speaking.obey(MouthCommand::Attach {
            stream: StreamId(1),
            feed: Feed::Desk,
            up,
            up_ready: Arc::default(),
            carrier,
            meter: Arc::clone(&meter),
            way_up: Arc::default(),
            tap: Box::new(crate::audio::tap::line_tap().0),
            meeting: crate::pure::audio::meeting::way().1,
        });
        // 400 ms wait, and the last of them was at the microphone when they are read, or later.
        let samples = 19_200;
        ring.write_chunk_uninit(samples)
            .expect("room")
            .fill_from_iter(std::iter::repeat_n(0.1, samples));
        stamp.set(samples as u64, now(clock) + Duration::from_secs(1));
        speaking.clock = clock.checked_sub(Duration::from_secs(1)).expect("a second");
        speaking.speak();
        assert_eq!(meter.frames.load(Ordering::Relaxed), 20);
        // The first frame is 380 ms older than the last: it is the first of the mean, and the others count a hundredth.
        let told = f32::from_bits(meter.delay_ms.load(Ordering::Relaxed));
        assert!((340.0..480.0).contains(&told), "{told} ms");
    }

    #[test]
    fn devices_that_are_known_from_an_earlier_run_begin_where_they_left_off() {
        let mut speaking = Speaking::new(
            Instant::now(),
            Arc::default(),
            Arc::default(),
            Mouth::with_stages(DeviceRate::HZ_48000, Stages::ALL),
        );
        let pair = |name: &str, lead| Pair {
            capture: name.to_owned(),
            playout: "a speaker".to_owned(),
            learned: Learned::new(lead, 12.0).expect("a number"),
        };
        let listen = |name: &str| {
            let (_, for_mouth) = rtrb::RingBuffer::new(480);
            MouthCommand::Listen(Source {
                ring: for_mouth,
                rate: DeviceRate::HZ_48000,
                stamp: Arc::default(),
                name: name.to_owned(),
            })
        };
        let (_reference, played) = super::super::callback::Reference::new(DeviceRate::HZ_48000);
        speaking.obey(MouthCommand::Play(played, "a speaker".to_owned()));
        speaking.obey(listen("a microphone"));
        // They are open before the store has answered.
        let kept = vec![pair("another", -30), pair("a microphone", -20)];
        speaking.obey(MouthCommand::Know(kept.clone()));
        let begins = |speaking: &mut Speaking| {
            let speakerphone = speaking.mouth.speakerphone().expect("there is one");
            speakerphone.learned().expect("an echo canceller")
        };
        let known = begins(&mut speaking);
        assert_eq!(known.lead_blocks(), -20);
        assert!((known.drift_ppm() - 12.0).abs() < 1e-6, "{known:?}");
        speaking.obey(listen("another"));
        assert_eq!(begins(&mut speaking).lead_blocks(), -30);
        speaking.obey(listen("a third"));
        assert_eq!(begins(&mut speaking).lead_blocks(), 3, "which is new");
        // Nothing was heard, so nothing else was learned.
        let (reply, mut told) = oneshot::channel();
        speaking.obey(MouthCommand::Learned(reply));
        assert_eq!(told.try_recv(), Ok(kept));
    }
}
