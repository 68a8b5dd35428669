//! Devices of our own: `none`, `file:` and the stand-in for a device that is broken.
//!
//! Each runs on a thread with an absolute clock of 10 ms and calls the very same functions as a sound card's callbacks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::callback::{Capture, Playout, now};
use super::priority;
use crate::pure::audio::DeviceRate;
use crate::pure::audio::resample::ToLine;

/// The clock's beat.
const BEAT: Duration = Duration::from_millis(10);

/// A clock that fell this far behind (the machine slept) begins anew instead of catching up.
const TOO_LATE: Duration = Duration::from_secs(1);

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
        capture.take(std::iter::repeat_n(0.0, frames), now(clock));
    })
}

/// Plays to nobody.
pub(super) fn play_nowhere(mut playout: Playout, clock: Instant) -> Result<Clock, String> {
    Clock::start("no-playout", DeviceRate::HZ_48000, move |frames| {
        playout.play(frames, now(clock), |_| {});
    })
}

/// A recording that is spoken when a call is answered.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) rate: DeviceRate,
    samples: Vec<f32>,
}

impl Recording {
    /// Reads a WAV file of any rate and channel count, PCM or float.
    pub(super) fn read(path: &Path) -> Result<Recording, String> {
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
        let samples: Result<Vec<f32>, hound::Error> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().collect(),
            hound::SampleFormat::Int => {
                let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
                reader
                    .samples::<i32>()
                    .map(|sample| sample.map(|sample| sample as f32 / full))
                    .collect()
            }
        };
        let channels = usize::from(spec.channels).max(1);
        let samples = samples
            .map_err(failed)?
            .chunks(channels)
            .map(|frame| frame.iter().sum::<f32>() / channels as f32)
            .collect();
        // A rate that cannot be converted is told now, not in the middle of a call.
        let _ = ToLine::new(rate, rate.hz() as usize / 100 + 1);
        Ok(Recording { rate, samples })
    }
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
        let samples = &recording.samples;
        capture.take(
            (at..at + frames).map(|n| samples.get(n).copied().unwrap_or(0.0)),
            now(clock),
        );
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

/// Plays into a WAV file, 48 kHz, 16 bits, one channel, begun anew.
pub(super) fn play_to_file(
    path: &Path,
    mut playout: Playout,
    clock: Instant,
) -> Result<FilePlayout, String> {
    let (mut ring, for_writer) = rtrb::RingBuffer::new(2 * 48_000);
    let writer = Writer::start(path.to_owned(), for_writer)?;
    let clock = Clock::start("file-playout", DeviceRate::HZ_48000, move |frames| {
        playout.play(frames, now(clock), |piece| {
            for sample in piece {
                // A disk that stands still for two seconds loses sound; the clock does not wait for it.
                let _ = ring.push(*sample);
            }
        });
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
    fn start(path: PathBuf, mut ring: rtrb::Consumer<f32>) -> Result<Writer, String> {
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
                        written = written.and_then(|()| file.write_sample((sample * 32_767.0) as i16));
                    }
                    if let Err(cause) = written.and_then(|()| file.flush()) {
                        tracing::warn!(path = %path.display(), %cause, "the playout file cannot be written any more");
                        return;
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
