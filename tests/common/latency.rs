//! One-way delay in each direction through the real daemon and a real sound server, by cross-correlation of what one
//! recorder heard.
//!
//! A far end echoes every frame at once. Chirps go into the virtual microphone; the recorder finds them there and at
//! the virtual speaker, so the way there and back is told by one clock. The moments at which frames reached the far end
//! split it:
//!
//! - *microphone to socket*: from a sample at the microphone to the message that carries it, framing inside;
//! - *socket to speaker*: sample k of a message counts from the message's arrival plus k/8 ms.
//!
//! There and back is half a frame longer than the two medians together, since k/8 lies between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use offhook::audio::StreamStats;
use offhook::daemon::Daemon;
use offhook::pure::audio::device::{DeviceChoice, Profile};
use offhook::pure::audio::g711;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::chirp::{chirps, find_chirps, spread};
use crate::far_end::{self, Heard};
use crate::pair_server::{PairServer, RATE};
use crate::pesq;
use crate::rig;

/// Seconds between two chirps: no multiple of a frame, so that they fall on every place in one.
const SPACING: f64 = 1.0037;

/// Lowest, median and highest of one delay, in ms.
pub(crate) type Spread = (f64, f64, f64);

/// What was measured on one host, in ms.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Microphone to socket.
    pub(crate) up: Spread,
    /// Socket to speaker.
    pub(crate) down: Spread,
    /// Microphone to speaker, by way of the far end that echoes at once: told by the recorder alone.
    pub(crate) back: Spread,
    /// Up and down as the daemon itself reckons them.
    pub(crate) reckoned: (Option<f32>, Option<f32>),
    /// Chirps that were played, and that came back.
    pub(crate) chirps: (usize, usize),
}

impl Measured {
    /// Says where the daemon's own reckoning is further off than it may be: 10 ms one way, 5 ms there and back.
    pub(crate) fn misreckoned(&self) -> Option<String> {
        let (Some(up), Some(down)) = self.reckoned else {
            return Some("the daemon reckoned nothing".to_owned());
        };
        let (up, down) = (f64::from(up), f64::from(down));
        for (what, reckoned, measured, most) in [
            ("microphone to socket", up, self.up.1, 10.0),
            ("socket to speaker", down, self.down.1, 10.0),
            ("there and back", up + 10.0 + down, self.back.1, 5.0),
        ] {
            if (reckoned - measured).abs() > most {
                return Some(format!(
                    "{what}: reckoned {reckoned:.1} ms, measured {measured:.1} ms"
                ));
            }
        }
        None
    }
}

/// Measures the sound server's own way from microphone to speaker: its shortest loop-back, no phone in between.
pub(crate) fn floor(server: &PairServer, count: usize) -> Option<Spread> {
    let module = server
        .pactl(&[
            "load-module",
            "module-loopback",
            "source=mic.monitor",
            "sink=spk",
            "latency_msec=1",
        ])
        .ok()?;
    let recorder = server.record();
    server.speak(&chirps(RATE, count, SPACING));
    std::thread::sleep(Duration::from_millis(300));
    let taken = recorder.stop();
    let _ = server.pactl(&["unload-module", module.trim()]);
    let said = find_chirps(&taken.microphone, RATE);
    let heard = find_chirps(&taken.speaker, RATE);
    spread(
        pairs(&said, &heard)
            .into_iter()
            .map(|(said, heard)| (heard - said) * 1000.0)
            .collect(),
    )
}

/// A daemon in a call with the far end.
struct Call {
    daemon: Daemon,
    stop: oneshot::Sender<()>,
    far_end: JoinHandle<Heard>,
    rough: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

impl Call {
    /// Begins one, with a headset on one of cpal's hosts. The environment must already name the server.
    async fn begin(host: &str, callback_ms: u32) -> Result<Call, String> {
        let folder = tempfile::tempdir().map_err(|cause| cause.to_string())?;
        let mut settings = rig::settings(folder.path());
        settings.insecure_no_signature = true;
        settings.audio.host = Some(host.to_owned());
        settings.audio.callback_ms = callback_ms;
        settings.audio.capture = DeviceChoice::Default;
        settings.audio.playout = DeviceChoice::Default;
        settings.audio.stage_choice.profile = Profile::Headset;
        settings.auto_answer = offhook::pure::phone::AutoAnswer::After(Duration::ZERO);
        let daemon = Daemon::start(settings)
            .await
            .map_err(|cause| cause.to_string())?;
        let status = daemon.phone().media().status().borrow().clone();
        if !status.desk_usable() {
            daemon.stop().await;
            return Err(format!("the devices do not work: {status:?}"));
        }
        let (stop, until) = oneshot::channel();
        let rough = Arc::new(AtomicBool::new(false));
        let far_end = tokio::spawn({
            let (port, rough) = (daemon.port(), Arc::clone(&rough));
            async move { far_end::echo(port, until, &rough).await }
        });
        Ok(Call {
            daemon,
            stop,
            far_end,
            rough,
            _folder: folder,
        })
    }

    /// What the daemon tells of the call's sound.
    fn stats(&self) -> StreamStats {
        let phone = self.daemon.phone();
        let stream = phone
            .snapshots()
            .borrow()
            .calls
            .iter()
            .find_map(|call| call.stream);
        stream
            .and_then(|stream| phone.media().stats(stream))
            .unwrap_or_default()
    }

    /// Ends it, and returns what the far end heard.
    async fn end(self) -> Result<Heard, String> {
        let _ = self.stop.send(());
        let heard = self
            .far_end
            .await
            .map_err(|cause| format!("the far end failed: {cause}"));
        self.daemon.stop().await;
        heard
    }
}

/// Measures a call through the daemon on one of cpal's hosts. The environment must already name the server.
pub(crate) async fn call(
    server: &PairServer,
    host: &str,
    callback_ms: u32,
    count: usize,
) -> Result<Measured, String> {
    let call = Call::begin(host, callback_ms).await?;
    let recorder = server.record();
    // The streams settle.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    tokio::task::block_in_place(|| server.speak(&chirps(RATE, count, SPACING)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stats = call.stats();
    let taken = tokio::task::block_in_place(|| recorder.stop());
    let heard = call.end().await?;

    let said = find_chirps(&taken.microphone, RATE);
    let at_speaker = find_chirps(&taken.speaker, RATE);
    let line: Vec<f32> = heard
        .frames
        .iter()
        .flat_map(|(_, ulaw)| {
            ulaw.iter()
                .map(|code| f32::from(g711::decode(*code)) / 32_768.0)
        })
        .collect();
    let on_line = find_chirps(&line, 8_000);
    // When the message came that carries the line's sample at `seconds`, and how far into it that sample lies.
    let message_of = |seconds: f64| {
        let sample = seconds * 8_000.0;
        let frame = heard.frames.get((sample / 160.0) as usize)?;
        Some((frame.0, (sample % 160.0) / 8_000.0))
    };
    // From the recording's sample at `sounded` to a message, in seconds.
    let from = |sounded: f64, arrived: Instant| {
        let sounded = taken.sounded(sounded)?;
        Some(match arrived.checked_duration_since(sounded) {
            Some(after) => after.as_secs_f64(),
            None => -sounded.duration_since(arrived).as_secs_f64(),
        })
    };
    let (mut up, mut down, mut back) = (Vec::new(), Vec::new(), Vec::new());
    // Neither end may be told from the other by counting: a chirp that is missed at one would shift all that follow.
    for said in &said {
        let Some((way, arrived, into)) = on_line.iter().find_map(|line| {
            let (arrived, into) = message_of(*line)?;
            let way = from(*said, arrived)?;
            (0.0..SPACING / 2.0)
                .contains(&way)
                .then_some((way, arrived, into))
        }) else {
            continue;
        };
        up.push(way * 1000.0);
        let sound = at_speaker
            .iter()
            .find(|sound| **sound > *said && **sound < *said + 0.9);
        if let Some((sound, after)) = sound.and_then(|sound| Some((sound, from(*sound, arrived)?)))
        {
            back.push((sound - said) * 1000.0);
            down.push((-after - into) * 1000.0);
        }
    }
    let missing = || {
        format!(
            "{} chirps said, {} on the line, {} at the speaker",
            said.len(),
            on_line.len(),
            at_speaker.len()
        )
    };
    let returned = back.len();
    Ok(Measured {
        back: spread(back).ok_or_else(missing)?,
        up: spread(up).ok_or_else(missing)?,
        down: spread(down).ok_or_else(missing)?,
        reckoned: (stats.up_ms, stats.down_ms),
        chirps: (count, returned),
    })
}

/// What a rough network makes of a call: microphone to speaker in ms, told by the recorder alone, what the network adds inside.
#[derive(Debug)]
pub(crate) struct Rough {
    /// While the network is steady.
    pub(crate) before: Spread,
    /// While it is rough.
    pub(crate) rough: Spread,
    /// When it is steady again.
    pub(crate) after: Spread,
    /// PESQ of speech while it is steady, and while it is rough; or why there is none.
    pub(crate) pesq: Result<(f64, f64), String>,
}

/// Measures a call whose network is steady, then rough, then steady again; PulseAudio, 10 ms callbacks.
pub(crate) async fn rough(server: &PairServer, count: usize) -> Result<Rough, String> {
    let call = Call::begin("pulseaudio", 10).await?;
    let speech = pesq::speech(server.folder());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let said = |sound: &[f32]| {
        tokio::task::block_in_place(|| {
            let recorder = server.record();
            server.speak(sound);
            std::thread::sleep(Duration::from_millis(500));
            recorder.stop()
        })
    };
    let delays = |sound: &[f32]| {
        let taken = said(sound);
        let said = find_chirps(&taken.microphone, RATE);
        let heard = find_chirps(&taken.speaker, RATE);
        let ways = pairs(&said, &heard)
            .into_iter()
            .map(|(said, heard)| (heard - said) * 1000.0)
            .collect();
        spread(ways).ok_or_else(|| format!("{} chirps said, {} heard", said.len(), heard.len()))
    };
    let score = |delay: f64| {
        let speech = speech.as_ref().map_err(Clone::clone)?;
        pesq::score(server.folder(), &said(speech), delay)
    };
    let chirps = chirps(RATE, count, SPACING);
    let before = delays(&chirps)?;
    let clean = score(before.1);
    call.rough.store(true, Ordering::Relaxed);
    // A few seconds tell the buffer what the network is like now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rough = delays(&chirps)?;
    let marked = score(rough.1);
    call.rough.store(false, Ordering::Relaxed);
    // Five seconds show that it is over, and speech must pass before anything of it can be cut.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let after = delays(&chirps)?;
    call.end().await?;
    Ok(Rough {
        before,
        rough,
        after,
        pesq: clean.and_then(|clean| Ok((clean, marked?))),
    })
}

fn pairs(said: &[f64], heard: &[f64]) -> Vec<(f64, f64)> {
    said.iter()
        .filter_map(|said| {
            heard
                .iter()
                .find(|heard| **heard > *said && **heard < *said + 0.9)
                .map(|heard| (*said, *heard))
        })
        .collect()
}
