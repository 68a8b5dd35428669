//! What runs in the sound system's callbacks, without the sound system's streams.
//!
//! Nothing here locks, allocates, logs or waits; the one thing asked of the operating system is to wake the mouth.
//! Everything is counted, so that the supervisor can tell a device that lives from one that does not.
//!
//! `tests/no_alloc.rs` and `tests/callback_syscalls.rs` prove the first sentence. They are crates of their own, so what
//! they drive is public, and hidden in the documentation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Instant;

use cpal::{FromSample, Sample};

use super::seat::{EarSeat, Turn};
use super::sidetone::ToSidetone;
use crate::pure::audio::DeviceRate;
use crate::pure::audio::comfort::Volume;
use crate::pure::audio::level::{LevelCell, Needle};
use crate::pure::audio::ringtone::Ringer;
use crate::pure::audio::tone::Country;
use crate::pure::time::Time;

/// Samples of one channel rendered or handed on at once; a longer callback is done in pieces.
const PIECE: usize = 4_096;

/// What a device does, told by its callbacks.
#[derive(Debug, Default)]
pub struct Beat {
    /// Callbacks.
    pub(super) calls: AtomicU64,
    /// Frames played or captured.
    pub(super) frames: AtomicU64,
    /// The first [`Fatal`] that ended it, as its number; 0: none.
    fatal: AtomicU8,
    /// Samples that found the ring to the mouth full.
    pub overruns: AtomicU64,
    /// The low halves of a count of frames and of the moment when it was reached; 0: none yet.
    moment: AtomicU64,
}

/// What ended a device for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fatal {
    #[error("the device is gone")]
    Gone = 1,
    #[error("the sound server is gone")]
    ServerGone,
    #[error("the stream is no longer valid")]
    Invalid,
    #[error("the sound system failed")]
    Failed,
    #[error("the file cannot be written any more: is the disk full?")]
    FileUnwritable,
    #[error("the file holds all that a WAV file can: start again with another")]
    FileFull,
}

impl Fatal {
    const ALL: [Fatal; 6] = [
        Fatal::Gone,
        Fatal::ServerGone,
        Fatal::Invalid,
        Fatal::Failed,
        Fatal::FileUnwritable,
        Fatal::FileFull,
    ];
}

impl Beat {
    /// Notes what ended the device, unless something did before.
    pub(super) fn end(&self, why: Fatal) {
        let _ = self
            .fatal
            .compare_exchange(0, why as u8, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that all frames so far were there at this moment: what the device's clock is told by.
    pub(super) fn note_moment(&self, at: Time) {
        let low = |value: u64| value & u64::from(u32::MAX);
        let frames = self.frames.load(Ordering::Relaxed);
        // In one word, so that nobody sees a count with another's moment.
        self.moment
            .store(low(frames) << 32 | low(at.micros()), Ordering::Relaxed);
    }

    /// Returns the low halves of the count and of its moment, in microseconds, as they were noted last.
    pub(super) fn moment(&self) -> Option<(u32, u32)> {
        let word = self.moment.load(Ordering::Relaxed);
        (word != 0).then_some(((word >> 32) as u32, word as u32))
    }

    /// Returns what ended the device, if anything did.
    pub(super) fn fatal(&self) -> Option<Fatal> {
        let number = self.fatal.load(Ordering::Relaxed);
        Fatal::ALL.into_iter().find(|fatal| *fatal as u8 == number)
    }
}

/// When a sample of a microphone's ring was at the microphone: the last one before as many as are counted.
///
/// The low halves of a count of samples that went into the ring, and of a moment in microseconds; 0: none yet.
#[derive(Debug, Default)]
pub struct Stamp(AtomicU64);

impl Stamp {
    pub(super) fn set(&self, count: u64, at: Time) {
        let low = |value: u64| value & u64::from(u32::MAX);
        // In one word, so that nobody sees a count with another's moment.
        self.0
            .store(low(count) << 32 | low(at.micros()), Ordering::Relaxed);
    }

    /// Returns when the last of the first `count` samples was at the microphone, of a ring that brings `hz` of them in a
    /// second. Right where neither differs from what was noted last by more than half an hour.
    pub(super) fn of(&self, count: u64, hz: u32, now: Time) -> Option<Time> {
        let word = self.0.load(Ordering::Relaxed);
        if word == 0 {
            return None;
        }
        let (noted, at) = ((word >> 32) as u32, word as u32);
        // Both may have gone round since, so only their distances count.
        let ahead = f64::from((count as u32).wrapping_sub(noted).cast_signed());
        let before = f64::from((now.micros() as u32).wrapping_sub(at).cast_signed());
        let micros = now.micros() as f64 - before + ahead * 1e6 / f64::from(hz);
        Some(Time::from_micros(micros.max(0.0).round() as u64))
    }
}

/// The moment, on the daemon's clock. Reading it is no system call on Linux.
pub fn now(clock: Instant) -> Time {
    Time::from_micros(u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX))
}

/// Whether it is to ring, read by a ringer of its own device.
#[derive(Debug, Default)]
pub struct Bell {
    /// The country's number and one; 0: silence.
    cadence: AtomicU8,
    /// The percentage and one; 0: as its style says.
    volume: AtomicU8,
}

impl Bell {
    /// Rings in a country's cadence, or stops.
    pub fn set(&self, cadence: Option<Country>) {
        let number = cadence.map_or(0, |country| country.index() + 1);
        self.cadence.store(number, Ordering::Relaxed);
    }

    /// Rings as loud as this from now on.
    pub fn set_volume(&self, volume: Volume) {
        self.volume.store(volume.percent() + 1, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Country> {
        self.cadence
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .and_then(Country::from_index)
    }

    fn volume(&self) -> Option<Volume> {
        self.volume
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .and_then(Volume::new)
    }
}

/// What a playout device plays.
pub enum Sound {
    /// The ear, when it is this device's turn.
    Ear(Arc<EarSeat>, Turn),
    /// Only the bell.
    Bell {
        /// Whether it is to ring.
        bell: Arc<Bell>,
        /// What rings, at the device's rate.
        ringer: Box<Ringer>,
    },
}

/// What runs in a playout callback.
pub struct Playout {
    sound: Sound,
    beat: Arc<Beat>,
    rate: DeviceRate,
    out: Vec<f32>,
    far: Vec<f32>,
}

impl Playout {
    /// Makes it for a device of `rate`, outside of its callback.
    pub fn new(sound: Sound, rate: DeviceRate, beat: Arc<Beat>) -> Playout {
        Playout {
            sound,
            beat,
            rate,
            out: vec![0.0; PIECE],
            far: vec![0.0; PIECE],
        }
    }

    /// Plays a callback's worth into a device's buffer, 1 channel or more: each gets the same.
    pub fn fill<T: Sample + FromSample<f32>>(
        &mut self,
        data: &mut [T],
        channels: usize,
        heard_at: Time,
    ) {
        let mut at = 0;
        self.play(data.len() / channels, heard_at, |mono| {
            for sample in mono {
                data[at..at + channels].fill(T::from_sample(*sample));
                at += channels;
            }
        });
    }

    /// Notes the moment of a callback, after it was filled.
    pub fn called(&self, at: Time) {
        self.beat.note_moment(at);
    }

    /// Plays a callback's worth: `frames` of one channel each, handed out in pieces. `heard_at` is when the first sounds.
    pub(super) fn play(&mut self, frames: usize, heard_at: Time, mut piece: impl FnMut(&[f32])) {
        self.beat.calls.fetch_add(1, Ordering::Relaxed);
        self.beat.frames.fetch_add(frames as u64, Ordering::Relaxed);
        let mut left = frames;
        let mut at = heard_at.micros();
        while left > 0 {
            let count = left.min(PIECE);
            let (out, far) = (&mut self.out[..count], &mut self.far[..count]);
            match &mut self.sound {
                Sound::Ear(seat, turn) => seat.render(*turn, out, far, Time::from_micros(at)),
                Sound::Bell { bell, ringer } => {
                    out.fill(0.0);
                    ringer.ring(bell.get());
                    if let Some(volume) = bell.volume() {
                        ringer.set_volume(volume);
                    }
                    ringer.add_to(out);
                }
            }
            piece(out);
            left -= count;
            at += count as u64 * 1_000_000 / u64::from(self.rate.hz());
        }
    }
}

/// The ring towards the mouth, with its bell rope.
#[derive(Debug)]
struct ToMouth {
    ring: rtrb::Producer<f32>,
    mouth: Thread,
    stamp: Arc<Stamp>,
    count: u64,
}

impl ToMouth {
    fn new(ring: rtrb::Producer<f32>, mouth: Thread, stamp: Arc<Stamp>) -> ToMouth {
        ToMouth {
            ring,
            mouth,
            stamp,
            count: 0,
        }
    }

    /// Pushes what there is room for, wakes the mouth, and returns how many found none. `newest_at` is when the last of all
    /// was at the microphone. All are taken from the iterator: others look at them on the way.
    fn push(&mut self, mut samples: impl ExactSizeIterator<Item = f32>, newest_at: Time) -> usize {
        let wanted = samples.len();
        let room = self.ring.slots().min(wanted);
        // As many as were just seen to be free, so there is always a chunk.
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            self.count += chunk.fill_from_iter(samples.by_ref().take(room)) as u64;
        }
        samples.for_each(drop);
        // Where some are lost the last one in the ring is older than that; what was noted before them still holds for it.
        if room == wanted {
            self.stamp.set(self.count, newest_at);
        }
        self.mouth.unpark();
        wanted - room
    }
}

/// What runs in a capture callback.
#[derive(Debug)]
pub struct Capture {
    to_mouth: ToMouth,
    sidetone: Option<ToSidetone>,
    beat: Arc<Beat>,
}

impl Capture {
    /// Makes it for a device whose sound goes into `ring`, outside of its callback.
    pub fn new(
        ring: rtrb::Producer<f32>,
        mouth: Thread,
        stamp: Arc<Stamp>,
        beat: Arc<Beat>,
    ) -> Capture {
        Capture {
            to_mouth: ToMouth::new(ring, mouth, stamp),
            sidetone: None,
            beat,
        }
    }

    /// Lets the near end hear itself.
    #[must_use]
    pub fn with_sidetone(mut self, sidetone: Option<ToSidetone>) -> Capture {
        self.sidetone = sidetone;
        self
    }

    /// Takes a callback's worth of a device's buffer, 1 channel or more: their mean. `newest_at` is when the last sample
    /// was at the microphone.
    pub fn hear<T: Sample>(&mut self, data: &[T], channels: usize, newest_at: Time)
    where
        f32: FromSample<T>,
    {
        for piece in data.chunks(PIECE * channels) {
            let mono = piece.chunks_exact(channels).map(|frame| {
                let sum: f32 = frame.iter().map(|sample| f32::from_sample(*sample)).sum();
                sum / channels as f32
            });
            self.take(mono, newest_at);
        }
    }

    /// Notes the moment of a callback, after it was heard.
    pub fn called(&self, at: Time) {
        self.beat.note_moment(at);
    }

    /// Takes a callback's worth of one channel; `newest_at` is when the last sample was at the microphone.
    pub(super) fn take(&mut self, samples: impl ExactSizeIterator<Item = f32>, newest_at: Time) {
        self.beat.calls.fetch_add(1, Ordering::Relaxed);
        self.beat
            .frames
            .fetch_add(samples.len() as u64, Ordering::Relaxed);
        let mut own_ear = self.sidetone.as_ref().and_then(ToSidetone::take);
        let heard = samples.inspect(|sample| {
            if let Some(own_ear) = &mut own_ear {
                own_ear.push(*sample);
            }
        });
        let lost = self.to_mouth.push(heard, newest_at);
        if let Some((sidetone, own_ear)) = self.sidetone.as_ref().zip(own_ear) {
            sidetone.put_back(own_ear);
        }
        if lost > 0 {
            self.beat.overruns.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }
}

/// The `loopback` microphone: hears the far ends as they are rendered.
#[derive(Debug)]
pub struct Tap {
    to_mouth: ToMouth,
    clock: Instant,
}

impl Tap {
    /// Makes it, outside of any callback.
    pub fn new(ring: rtrb::Producer<f32>, mouth: Thread, stamp: Arc<Stamp>, clock: Instant) -> Tap {
        Tap {
            to_mouth: ToMouth::new(ring, mouth, stamp),
            clock,
        }
    }

    pub(super) fn push(&mut self, far: &[f32]) {
        self.to_mouth.push(far.iter().copied(), now(self.clock));
    }
}

/// When a sample of the reference's ring sounds.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// How many samples had gone into the ring.
    pub(super) count: u64,
    /// When the last of them sounds, on the daemon's clock.
    pub(super) at: Time,
}

/// What the speaker plays, on its way to the speakerphone. What finds no room is lost: a mouth that does not listen has no
/// use for it.
#[derive(Debug)]
pub struct Reference {
    ring: rtrb::Producer<f32>,
    marks: rtrb::Producer<Mark>,
    count: u64,
    rate: DeviceRate,
}

/// The mouth's end of it.
#[derive(Debug)]
pub struct Played {
    pub(super) ring: rtrb::Consumer<f32>,
    pub(super) marks: rtrb::Consumer<Mark>,
    pub(super) rate: DeviceRate,
}

/// Marks that wait at most.
const MARKS: usize = 64;

impl Reference {
    /// Makes both ends of a ring of a second, for a speaker of `rate`.
    #[must_use]
    pub fn new(rate: DeviceRate) -> (Reference, Played) {
        let (ring, played) = rtrb::RingBuffer::new(rate.hz() as usize);
        let (marks, for_mouth) = rtrb::RingBuffer::new(MARKS);
        let reference = Reference {
            ring,
            marks,
            count: 0,
            rate,
        };
        let played = Played {
            ring: played,
            marks: for_mouth,
            rate,
        };
        (reference, played)
    }

    pub(super) fn push(&mut self, out: &[f32], heard_at: Time) {
        let room = self.ring.slots().min(out.len());
        let Some(last) = room.checked_sub(1) else {
            // Nothing of it will be heard of there, so there is no sample that sounds then.
            return;
        };
        if let Ok(chunk) = self.ring.write_chunk_uninit(room) {
            self.count += chunk.fill_from_iter(out.iter().copied()) as u64;
        }
        let micros = last as u64 * 1_000_000 / u64::from(self.rate.hz());
        let at = Time::from_micros(heard_at.micros() + micros);
        // Where marks wait, one more says nothing new.
        let _ = self.marks.push(Mark {
            count: self.count,
            at,
        });
    }
}

/// What was counted for one leg on its way up.
#[derive(Debug, Default)]
pub(super) struct UpMeter {
    pub(super) frames: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// The mean delay in ms, as the bits of a float; 0: none yet.
    pub(super) delay_ms: AtomicU32,
    /// How loud the microphone is, as the far end gets it.
    pub(super) level: LevelCell,
    /// The same at this moment.
    pub(super) needle: Needle,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: u32 = 48_000;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn every_sample_of_a_backlog_is_as_old_as_it_is() {
        let (ring, _mouth) = rtrb::RingBuffer::new(HZ as usize);
        let stamp: Arc<Stamp> = Arc::default();
        let mut capture = Capture::new(
            ring,
            std::thread::current(),
            Arc::clone(&stamp),
            Arc::default(),
        );
        assert_eq!(stamp.of(480, HZ, at(1_000)), None, "nothing is known yet");
        for n in 1..=30 {
            capture.take([0.0; 480].into_iter(), at(1_000 + 10 * n));
        }
        for n in 1..=30 {
            let heard = stamp.of(480 * n, HZ, at(1_400));
            assert_eq!(heard, Some(at(1_000 + 10 * n)), "block {n}");
        }
    }

    #[test]
    fn samples_that_found_no_room_leave_the_moments_of_the_others_alone() {
        let (ring, mut mouth) = rtrb::RingBuffer::new(1_000);
        let stamp: Arc<Stamp> = Arc::default();
        let mut capture = Capture::new(
            ring,
            std::thread::current(),
            Arc::clone(&stamp),
            Arc::default(),
        );
        for n in 1..=4 {
            capture.take([0.0; 480].into_iter(), at(1_000 + 10 * n));
        }
        assert_eq!(stamp.of(960, HZ, at(1_050)), Some(at(1_020)));
        mouth.read_chunk(1_000).expect("full").commit_all();
        capture.take([0.0; 480].into_iter(), at(1_050));
        assert_eq!(stamp.of(1_480, HZ, at(1_060)), Some(at(1_050)));
    }

    #[test]
    fn moments_and_counts_may_go_round() {
        let stamp = Stamp::default();
        // Microseconds go round every 71 minutes, samples of 48 kHz once a day.
        let day = 24 * 3_600_000;
        let count = day * u64::from(HZ) / 1_000;
        stamp.set(count, at(day));
        assert_eq!(stamp.of(count + 480, HZ, at(day + 30)), Some(at(day + 10)));
        assert_eq!(stamp.of(count - 480, HZ, at(day + 30)), Some(at(day - 10)));
    }

    #[test]
    fn no_moment_is_told_for_a_block_of_which_nothing_found_room() {
        let (mut reference, mut played) = Reference::new(DeviceRate::HZ_48000);
        for n in 0..110_u64 {
            // The mouth hears nothing of it, but takes the marks.
            reference.push(&[0.0; 480], at(1_000 + 10 * n));
            while let Ok(mark) = played.marks.pop() {
                let begins = (mark.count - 1) * 1_000_000 / u64::from(HZ);
                assert_eq!(mark.at.micros(), 1_000_000 + begins, "block {n}");
            }
        }
        assert_eq!(played.ring.slots(), HZ as usize, "it was full");
    }
}
