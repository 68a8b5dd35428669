//! Devices of our own: `none`, `file:` and the stand-in for a device that is broken.
//!
//! Each runs on a thread with an absolute clock of 10 ms and calls the very same functions as a sound card's callbacks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::callback::{Beat, Capture, Fatal, Playout, now};
use super::priority;
use crate::pure::audio::DeviceRate;
use crate::pure::audio::resample::ToLine;

/// The clock's beat.
const BEAT: Duration = Duration::from_millis(10);

/// A clock that fell this far behind (the machine slept) begins anew instead of catching up.
const TOO_LATE: Duration = Duration::from_secs(1);

/// Samples that a file takes at most, some 12 hours: a WAV file counts its bytes in 32 bits.
const LONGEST_FILE: u32 = u32::MAX / 2 - 1_000;

/// Samples of a channel that a microphone's recording has at most, 115 MB of memory: ten minutes at 48 kHz, an hour at 8 kHz.
const LONGEST_SPEECH: usize = 28_800_000;

/// How often a file's header is made true.
const FLUSH: Duration = Duration::from_millis(200);

/// A thread that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Clock {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clock {
    /// Calls `beat` with the number of frames that are due, every 10 ms of `rate`.
    fn start(
        name: &str,
        rate: DeviceRate,
        mut beat: impl FnMut(usize) + Send + 'static,
    ) -> Result<Clock, String> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let label = name.to_owned();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                priority::ask_for_real_time(&label);
                let mut began = Instant::now();
                let mut beats = 0_u32; // Enough for 497 days.
                while !stopped.load(Ordering::Relaxed) {
                    // Whole frames of each beat, so that an odd rate keeps its pace over the second.
                    let frames = |beats: u32| u64::from(beats) * u64::from(rate.hz()) / 100;
                    beat(usize::try_from(frames(beats + 1) - frames(beats)).unwrap_or(0));
                    beats += 1;
                    let due = began + BEAT * beats;
                    let now = Instant::now();
                    if now > due + TOO_LATE {
                        (began, beats) = (now, 0);
                    }
                    std::thread::sleep(due.saturating_duration_since(now));
                }
            })
            .map_err(|cause| format!("no thread can be had: {cause}"))?;
        Ok(Clock {
            stop,
            thread: Some(thread),
        })
    }

    /// Ends the thread and waits for its last beat.
    pub(super) fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Captures silence.
pub(super) fn capture_nothing(mut capture: Capture, clock: Instant) -> Result<Clock, String> {
    Clock::start("no-capture", DeviceRate::HZ_48000, move |frames| {
        let called = now(clock);
        capture.take(std::iter::repeat_n(0.0, frames), called);
        capture.called(called);
    })
}

/// Plays to nobody.
pub(super) fn play_nowhere(mut playout: Playout, clock: Instant) -> Result<Clock, String> {
    Clock::start("no-playout", DeviceRate::HZ_48000, move |frames| {
        let called = now(clock);
        playout.play(frames, called, |_| {});
        playout.called(called);
    })
}

/// A recording: spoken when a call is answered, or heard when one rings.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) rate: DeviceRate,
    pub(super) samples: Vec<f32>,
    /// Whether the file holds more.
    is_cut: bool,
}

impl Recording {
    /// Reads what a microphone is to say from a WAV file of any rate and channel count, PCM or float. What is longer than
    /// [`LONGEST_SPEECH`] is not heard, and that is told.
    pub(super) fn speech(path: &Path) -> Result<Recording, String> {
        let recording = Recording::read(path, |_| Ok(LONGEST_SPEECH))?;
        if recording.is_cut {
            let seconds = recording.samples.len() / recording.rate.hz() as usize;
            tracing::warn!(path = %path.display(), seconds, "the recording is longer: its rest is not heard");
        }
        Ok(recording)
    }

    /// Reads a WAV file's first frames: `most` says by the rate how many, or why there are none. No more is read, whatever
    /// the file holds.
    pub(super) fn read(
        path: &Path,
        most: impl FnOnce(DeviceRate) -> Result<usize, String>,
    ) -> Result<Recording, String> {
        let failed = |cause: hound::Error| {
            format!("{} cannot be read as a WAV file: {cause}", path.display())
        };
        let mut reader = hound::WavReader::open(path).map_err(failed)?;
        let spec = reader.spec();
        let rate = DeviceRate::new(spec.sample_rate).ok_or_else(|| {
            format!(
                "{} has {} samples a second",
                path.display(),
                spec.sample_rate
            )
        })?;
        let most = most(rate)?;
        let channels = usize::from(spec.channels).max(1);
        let samples = match spec.sample_format {
            hound::SampleFormat::Float => mono(reader.samples::<f32>(), channels, most),
            hound::SampleFormat::Int => {
                let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
                let samples = reader.samples::<i32>();
                let samples = samples.map(|sample| sample.map(|sample| sample as f32 / full));
                mono(samples, channels, most)
            }
        };
        let samples = samples.map_err(failed)?;
        // A rate that cannot be converted is told now, not in the middle of a call.
        let _ = ToLine::new(rate, rate.hz() as usize / 100 + 1);
        Ok(Recording {
            rate,
            is_cut: reader.duration() as usize > samples.len(),
            samples,
        })
    }
}

/// Returns the means of the first `most` frames of so many channels; a last one that is not whole is left out.
fn mono(
    mut samples: impl Iterator<Item = Result<f32, hound::Error>>,
    channels: usize,
    most: usize,
) -> Result<Vec<f32>, hound::Error> {
    let mut means = Vec::new();
    while means.len() < most {
        let mut sum = 0.0;
        for _ in 0..channels {
            let Some(sample) = samples.next() else {
                return Ok(means);
            };
            sum += sample?;
        }
        means.push(sum / channels as f32);
    }
    Ok(means)
}

/// Captures a recording: silence until `answered` is set, then the file from its first sample, then silence.
pub(super) fn capture_file(
    recording: Recording,
    mut capture: Capture,
    answered: Arc<AtomicBool>,
    clock: Instant,
) -> Result<Clock, String> {
    let mut at = recording.samples.len();
    Clock::start("file-capture", recording.rate, move |frames| {
        if answered.swap(false, Ordering::Relaxed) {
            at = 0;
        }
        let (samples, called) = (&recording.samples, now(clock));
        capture.take(
            (at..at + frames).map(|n| samples.get(n).copied().unwrap_or(0.0)),
            called,
        );
        capture.called(called);
        at = (at + frames).min(samples.len());
    })
}

/// A file that is being played into.
#[derive(Debug)]
pub(super) struct FilePlayout {
    clock: Clock,
    writer: Writer,
}

impl FilePlayout {
    /// Ends the clock, writes what is left and closes the file.
    pub(super) fn finish(self) {
        self.clock.finish();
        self.writer.finish();
    }
}

/// Whether anything is heard.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// A stream is attached.
    pub(super) attached: AtomicBool,
    /// It rings.
    pub(super) ringing: AtomicBool,
}

impl InUse {
    fn is_so(&self) -> bool {
        self.attached.load(Ordering::Relaxed) || self.ringing.load(Ordering::Relaxed)
    }
}

/// How much silence a file holds after the last sound out of use, in samples of 48 kHz: a second, so that the beats after
/// a call keep their pauses.
const AFTERWARDS: usize = 48_000;

/// What of the time a file leaves out.
#[derive(Debug)]
struct Idle {
    in_use: Option<Arc<InUse>>,
    /// Samples of silence since something was heard.
    silent: usize,
}

impl Idle {
    /// Says whether a piece belongs into the file. What is heard in use is whole, its silence too.
    fn keeps(&mut self, piece: &[f32]) -> bool {
        let Some(in_use) = &self.in_use else {
            return true;
        };
        if in_use.is_so() || piece.iter().any(|sample| *sample != 0.0) {
            self.silent = 0;
        } else {
            self.silent = self.silent.saturating_add(piece.len());
        }
        self.silent <= AFTERWARDS
    }
}

/// Plays into a WAV file, 48 kHz, 16 bits, one channel, begun anew. Where it cannot be written any more, `beat` says so.
/// With `in_use` the file leaves out the silence of the time when nothing is heard, else it holds everything.
pub(super) fn play_to_file(
    path: &Path,
    mut playout: Playout,
    beat: Arc<Beat>,
    clock: Instant,
    in_use: Option<Arc<InUse>>,
) -> Result<FilePlayout, String> {
    let mut idle = Idle {
        in_use,
        silent: AFTERWARDS,
    };
    let (mut ring, for_writer) = rtrb::RingBuffer::new(2 * 48_000);
    let writer = Writer::start(path.to_owned(), for_writer, beat, LONGEST_FILE)?;
    let clock = Clock::start("file-playout", DeviceRate::HZ_48000, move |frames| {
        let called = now(clock);
        playout.play(frames, called, |piece| {
            if !idle.keeps(piece) {
                return;
            }
            for sample in piece {
                // A disk that stands still for two seconds loses sound; the clock does not wait for it.
                let _ = ring.push(*sample);
            }
        });
        playout.called(called);
    })?;
    Ok(FilePlayout { clock, writer })
}

/// The thread that writes: a slow disk must not hold up a clock.
#[derive(Debug)]
struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(
        path: PathBuf,
        mut ring: rtrb::Consumer<f32>,
        beat: Arc<Beat>,
        most: u32,
    ) -> Result<Writer, String> {
        let failed = |cause: &dyn std::fmt::Display| {
            format!("{} cannot be written: {cause}", path.display())
        };
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 48_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).map_err(|cause| failed(&cause))?;
        file.flush().map_err(|cause| failed(&cause))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("file-writer".to_owned())
            .spawn(move || {
                let mut last = false;
                while !last {
                    // Seen before the ring is emptied, so that nothing pushed earlier is left.
                    last = stopped.load(Ordering::Relaxed);
                    let mut written = Ok(());
                    while let Ok(sample) = ring.pop() {
                        if file.len() < most {
                            written = written.and_then(|()| file.write_sample((sample * 32_767.0) as i16));
                        }
                    }
                    if let Err(cause) = written.and_then(|()| file.flush()) {
                        tracing::warn!(path = %path.display(), %cause, "the playout file cannot be written any more");
                        beat.end(Fatal::FileUnwritable);
                        return;
                    }
                    if file.len() >= most {
                        beat.end(Fatal::FileFull);
                        last = true;
                    }
                    if !last {
                        std::thread::park_timeout(FLUSH);
                    }
                }
                if let Err(cause) = file.finalize() {
                    tracing::warn!(path = %path.display(), %cause, "the playout file could not be closed");
                }
            })
            .map_err(|cause| format!("no thread can be had: {cause}"))?;
        Ok(Writer {
            stop,
            thread: Some(thread),
        })
    }

    fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::callback::{Bell, Sound, Stamp};
    use crate::pure::audio::ringtone::{RingStyle, Ringer};
    use crate::pure::audio::tone::Country;

    /// How long anything may take.
    const LIMIT: Duration = Duration::from_secs(10);

    /// A playout that rings all the time, and what it counts.
    fn ringing() -> (Playout, Arc<Beat>) {
        let bell = Arc::new(Bell::default());
        bell.set(Some(Country::NorthAmerica));
        let (beat, rate) = (Arc::new(Beat::default()), DeviceRate::HZ_48000);
        let ringer = Box::new(Ringer::new(RingStyle::default(), rate));
        let sound = Sound::Bell { bell, ringer };
        (Playout::new(sound, rate, Arc::clone(&beat)), beat)
    }

    fn capture() -> (Capture, rtrb::Consumer<f32>) {
        let (ring, heard) = rtrb::RingBuffer::new(96_000);
        let (mouth, stamp) = (std::thread::current(), Arc::new(Stamp::default()));
        (
            Capture::new(ring, mouth, stamp, Arc::new(Beat::default())),
            heard,
        )
    }

    /// Waits for so many samples.
    fn take(heard: &mut rtrb::Consumer<f32>, count: usize) -> Vec<f32> {
        let limit = Instant::now() + LIMIT;
        while heard.slots() < count {
            assert!(Instant::now() < limit, "no sound comes");
            std::thread::park_timeout(Duration::from_millis(5));
        }
        (0..count)
            .map(|_| heard.pop().expect("it was counted"))
            .collect()
    }

    #[test]
    fn a_playout_file_can_be_read_at_any_time_and_holds_everything_at_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("speaker.wav");
        let (playout, beat) = ringing();
        let file = play_to_file(&path, playout, Arc::clone(&beat), Instant::now(), None)
            .expect("it opens");
        let limit = Instant::now() + LIMIT;
        let mut lengths = vec![0];
        while lengths.len() < 4 {
            assert!(Instant::now() < limit, "the file does not grow");
            let reader = hound::WavReader::open(&path).expect("the header is whole");
            assert_eq!(reader.spec().sample_rate, 48_000);
            let length = reader.duration() as usize;
            let samples: Vec<i16> = reader
                .into_samples()
                .collect::<Result<_, _>>()
                .expect("what the header promises is there");
            assert_eq!(samples.len(), length);
            if lengths.last().is_some_and(|last| *last < length) {
                lengths.push(length);
            }
            std::thread::yield_now();
        }
        file.finish();
        let reader = hound::WavReader::open(&path).expect("the header is whole");
        let played = beat.frames.load(Ordering::Relaxed);
        assert_eq!(u64::from(reader.duration()), played);
        let loudest = reader
            .into_samples::<i16>()
            .map(|sample| sample.expect("a sample").unsigned_abs())
            .max();
        assert!(loudest.is_some_and(|loudest| loudest > 1_000));
    }

    #[test]
    fn a_file_that_skips_idle_time_holds_calls_whole_and_a_second_after_the_last_sound() {
        const PIECE: usize = 480;
        let in_use = Arc::new(InUse::default());
        let mut idle = Idle {
            in_use: Some(Arc::clone(&in_use)),
            silent: AFTERWARDS,
        };
        let mut kept = |pieces: usize, sample: f32| {
            let kept = (0..pieces).filter(|_| idle.keeps(&[sample; PIECE]));
            kept.count()
        };
        assert_eq!(kept(1_000, 0.0), 0, "nobody has called yet");
        in_use.ringing.store(true, Ordering::Relaxed);
        assert_eq!(kept(400, 0.0), 400, "the pauses of the bell are kept");
        in_use.ringing.store(false, Ordering::Relaxed);
        in_use.attached.store(true, Ordering::Relaxed);
        assert_eq!(kept(6_000, 0.0), 6_000, "and a silent minute of a call");
        in_use.attached.store(false, Ordering::Relaxed);
        assert_eq!(kept(50, 0.1), 50, "the tone after a call");
        assert_eq!(kept(1_000, 0.0), 100, "then a second of silence");
        let mut whole = Idle {
            in_use: None,
            silent: AFTERWARDS,
        };
        assert!(whole.keeps(&[0.0; PIECE]));
    }

    #[test]
    fn a_playout_file_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("no/such/folder.wav");
        let (playout, beat) = ringing();
        let told = play_to_file(&path, playout, beat, Instant::now(), None).expect_err("no folder");
        assert!(told.contains("folder.wav cannot be written"), "{told}");
    }

    #[test]
    fn a_playout_file_that_is_full_is_whole_and_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("speaker.wav");
        let beat = Arc::new(Beat::default());
        let (mut ring, for_writer) = rtrb::RingBuffer::new(2_000);
        for _ in 0..2_000 {
            ring.push(0.5).expect("room");
        }
        let writer = Writer::start(path.clone(), for_writer, Arc::clone(&beat), 1_500)
            .expect("the file opens");
        let limit = Instant::now() + LIMIT;
        while beat.fatal().is_none() {
            assert!(Instant::now() < limit, "it never says that it is full");
            std::thread::yield_now();
        }
        writer.finish();
        assert_eq!(beat.fatal(), Some(Fatal::FileFull));
        let reader = hound::WavReader::open(&path).expect("the header is whole");
        assert_eq!(reader.duration(), 1_500);
    }

    #[test]
    fn a_playout_file_on_a_full_disk_says_so() {
        // Linux's own full disk.
        let path = Path::new("/dev/full");
        if !path.exists() {
            return;
        }
        let (playout, beat) = ringing();
        // hound buffers, so the first header may still seem to be written.
        if let Ok(_file) = play_to_file(path, playout, Arc::clone(&beat), Instant::now(), None) {
            let limit = Instant::now() + LIMIT;
            while beat.fatal().is_none() {
                assert!(Instant::now() < limit, "it never says so");
                std::thread::yield_now();
            }
            assert_eq!(beat.fatal(), Some(Fatal::FileUnwritable));
        }
    }

    #[test]
    fn a_capture_file_is_silent_until_the_call_is_answered_and_begins_anew_with_each() {
        let samples: Vec<f32> = (1..=1_000).map(|n| n as f32 / 1_000.0).collect();
        let rate = DeviceRate::HZ_48000;
        let recording = Recording {
            rate,
            samples: samples.clone(),
            is_cut: false,
        };
        let answered = Arc::new(AtomicBool::new(false));
        let (capture, mut heard) = capture();
        let clock = capture_file(recording, capture, Arc::clone(&answered), Instant::now())
            .expect("a thread can be had");
        assert!(take(&mut heard, 2_000).iter().all(|s| *s == 0.0));
        for _ in 0..2 {
            answered.store(true, Ordering::Relaxed);
            let limit = Instant::now() + LIMIT;
            let first = loop {
                assert!(Instant::now() < limit, "the file never begins");
                let next = take(&mut heard, 1)[0];
                if next != 0.0 {
                    break next;
                }
            };
            assert_eq!(first, samples[0]);
            assert_eq!(take(&mut heard, 999), samples[1..]);
            assert!(take(&mut heard, 1_000).iter().all(|s| *s == 0.0));
        }
        clock.finish();
    }

    #[test]
    fn a_recording_of_any_kind_is_read_as_one_channel_of_full_scale_1() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("said.wav");
        let spec = |channels, bits_per_sample, sample_format| hound::WavSpec {
            channels,
            sample_rate: 44_100,
            bits_per_sample,
            sample_format,
        };
        let whole = hound::SampleFormat::Int;
        let mut file = hound::WavWriter::create(&path, spec(2, 24, whole)).expect("it opens");
        for sample in [1 << 22, 1 << 21, -(1 << 23), 0] {
            file.write_sample(sample).expect("room");
        }
        file.finalize().expect("room");
        let read = Recording::speech(&path).expect("it is a WAV file");
        assert_eq!((read.rate.hz(), read.samples), (44_100, vec![0.375, -0.5]));
        assert!(!read.is_cut);
        let read = Recording::read(&path, |_| Ok(1)).expect("its first frame");
        assert_eq!((read.samples, read.is_cut), (vec![0.375], true));
        let refused = Recording::read(&path, |rate| Err(format!("not {}", rate.hz())));
        assert_eq!(refused.expect_err("by its rate"), "not 44100");

        let float = hound::SampleFormat::Float;
        let mut file = hound::WavWriter::create(&path, spec(1, 32, float)).expect("it opens");
        file.write_sample(0.25_f32).expect("room");
        file.finalize().expect("room");
        let read = Recording::speech(&path).expect("it is a WAV file");
        assert_eq!(read.samples, [0.25]);

        // Nothing beyond what is wanted is read: the rest may be gigabytes, or broken.
        let mut file = hound::WavWriter::create(&path, spec(1, 16, whole)).expect("it opens");
        for sample in 0..100_i16 {
            file.write_sample(sample).expect("room");
        }
        file.finalize().expect("room");
        let bytes = std::fs::read(&path).expect("it is there");
        std::fs::write(&path, &bytes[..bytes.len() - 150]).expect("room");
        assert!(Recording::speech(&path).is_err(), "it ends too early");
        let read = Recording::read(&path, |_| Ok(20)).expect("enough is there");
        assert_eq!(read.samples.len(), 20);

        std::fs::write(&path, "no sound").expect("room");
        let told = Recording::speech(&path).expect_err("no WAV file");
        assert!(
            told.contains("said.wav cannot be read as a WAV file"),
            "{told}"
        );
    }

    #[test]
    fn nothing_is_captured_and_nobody_hears_on_the_clock_of_a_sound_card() {
        let (capture, mut heard) = capture();
        let (playout, beat) = ringing();
        let began = Instant::now();
        let clocks = [
            capture_nothing(capture, began).expect("a thread can be had"),
            play_nowhere(playout, began).expect("a thread can be had"),
        ];
        assert!(take(&mut heard, 24_000).iter().all(|s| *s == 0.0));
        let captured = began.elapsed().as_secs_f64();
        // The first 10 ms are there at once; a busy machine may be late, but nothing runs ahead of time.
        assert!(captured >= 0.485, "half a second after {captured} s");
        while beat.frames.load(Ordering::Relaxed) < 24_000 {
            assert!(began.elapsed() < LIMIT, "nothing is played");
            std::thread::yield_now();
        }
        clocks.into_iter().for_each(Clock::finish);
        let frames = beat.frames.load(Ordering::Relaxed);
        let most = (began.elapsed().as_secs_f64() * 48_000.0) as u64 + 480;
        assert!(frames <= most, "{frames} frames where {most} were due");
    }
}
