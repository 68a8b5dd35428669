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

use std::time::{Duration, Instant};

use offhook::daemon::Daemon;
use offhook::pure::audio::device::{DeviceChoice, Profile};
use offhook::pure::audio::g711;
use tokio::sync::oneshot;

use crate::chirp::{chirps, find_chirps, spread};
use crate::far_end;
use crate::pair_server::{PairServer, RATE};
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

/// Measures a call through the daemon on one of cpal's hosts. The environment must already name the server.
pub(crate) async fn call(
    server: &PairServer,
    host: &str,
    callback_ms: u32,
    count: usize,
) -> Result<Measured, String> {
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
    let far_end = tokio::spawn(far_end::echo(daemon.port(), until));
    let recorder = server.record();
    // The streams settle.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let stream = daemon
        .phone()
        .snapshots()
        .borrow()
        .calls
        .iter()
        .find_map(|call| call.stream);
    tokio::task::block_in_place(|| server.speak(&chirps(RATE, count, SPACING)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let stats = stream
        .and_then(|stream| daemon.phone().media().stats(stream))
        .unwrap_or_default();
    let taken = tokio::task::block_in_place(|| recorder.stop());
    let _ = stop.send(());
    let heard = far_end
        .await
        .map_err(|cause| format!("the far end failed: {cause}"))?;
    daemon.stop().await;

    let began = taken.began.ok_or("the recorder heard nothing")?;
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
    let since = |moment: Instant| match moment.checked_duration_since(began) {
        Some(after) => after.as_secs_f64(),
        None => -began.duration_since(moment).as_secs_f64(),
    };
    // When the message came that carries the line's sample at `seconds`, and how far into it that sample lies.
    let message_of = |seconds: f64| {
        let sample = seconds * 8_000.0;
        let frame = heard.frames.get((sample / 160.0) as usize)?;
        Some((since(frame.0), (sample % 160.0) / 8_000.0))
    };
    let (mut up, mut down, mut back) = (Vec::new(), Vec::new(), Vec::new());
    // Neither end may be told from the other by counting: a chirp that is missed at one would shift all that follow.
    for (said, line) in said.iter().filter_map(|said| {
        let came = |line: &f64| message_of(*line).map(|(arrived, _)| arrived - said);
        let line = on_line
            .iter()
            .find(|line| came(line).is_some_and(|way| (0.0..SPACING / 2.0).contains(&way)))?;
        Some((said, line))
    }) {
        let Some((arrived, into)) = message_of(*line) else {
            continue;
        };
        up.push((arrived - said) * 1000.0);
        let sound = at_speaker
            .iter()
            .find(|sound| **sound > *said && **sound < *said + 0.9);
        if let Some(sound) = sound {
            back.push((sound - said) * 1000.0);
            down.push((sound - (arrived + into)) * 1000.0);
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
