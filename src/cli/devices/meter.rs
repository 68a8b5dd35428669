//! `offhook devices test`: a tone on the speaker, and a level meter for the microphone, through the engine of a call.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::audio::{
    AudioSettings, AudioStatus, DeviceState, MediaHandle, NO_SOUND_CARD, SocketEnd, stream_port,
};
use crate::cli::failure::Failure;
use crate::cli::flags::{Flags, Trial};
use crate::cli::output::{print, print_json, tell};
use crate::cli::runtime;
use crate::cli::terminal::Stop;
use crate::lang::{Lang, Message};
use crate::pure::audio::{DownFrame, FRAME_LEN, Feed, LINE_RATE, Route, g711};
use crate::pure::ids::StreamId;
use crate::pure::time::Time;

/// How long the tone is.
const TONE: Duration = Duration::from_secs(1);

/// How often the meter is drawn on a terminal.
const DRAWN: Duration = Duration::from_millis(100);

/// How often it is told elsewhere.
const TOLD: Duration = Duration::from_secs(1);

/// The quietest level that is told, in dB below full scale.
const QUIETEST: f32 = -90.0;

/// What `offhook devices test` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long [default: until Ctrl-C on a terminal, else 5 s]
    #[arg(long = "for", value_name = "SECONDS", value_parser = super::seconds)]
    seconds: Option<u64>,
    /// Print devices and levels as JSON, one line a second
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Trial>,
}

/// Tries the chosen devices.
pub(crate) fn run(args: &Args, settings: &AudioSettings, lang: Lang) -> Result<(), Failure> {
    let drawn = !args.json && std::io::stdout().is_terminal();
    let limit = match args.seconds {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None if drawn => None,
        None => Some(Duration::from_secs(5)),
    };
    let clock = Instant::now();
    let media = MediaHandle::start(settings, clock)?;
    let status = media.status().borrow().clone();
    if args.json {
        print_json(&json!({
            "capture": state_json(&status.capture),
            "playout": state_json(&status.playout),
            "ringer": state_json(&status.ringer),
        }))?;
    } else {
        print(&devices_page(&status, lang))?;
    }
    let is_broken = |state: &DeviceState| matches!(state, DeviceState::Broken(_));
    if is_broken(&status.capture) && is_broken(&status.playout) {
        // There is nothing to hear, and nothing to show.
        return verdict(&status, lang);
    }
    runtime()?.block_on(async {
        let mut stop = Stop::new()?;
        if drawn {
            tell(&Message::CtrlCEnds.text(lang));
        }
        // A `file:` microphone begins with a call.
        media.answered();
        let shown = Shown {
            drawn,
            json: args.json,
            lang,
        };
        let metering = show(&media, clock, limit, &shown);
        let done = tokio::select! {
            done = metering => done,
            () = stop.wait() => Ok(()),
        };
        if drawn {
            // The next prompt begins on a line of its own.
            print("")?;
        }
        media.stop().await;
        done
    })?;
    verdict(&status, lang)
}

/// How the meter is shown.
struct Shown {
    drawn: bool,
    json: bool,
    lang: Lang,
}

/// Plays the tone and shows the meter until the time is up.
async fn show(
    media: &MediaHandle,
    clock: Instant,
    limit: Option<Duration>,
    shown: &Shown,
) -> Result<(), Failure> {
    const STREAM: StreamId = StreamId(0);
    let (mut socket, port) = stream_port();
    let route = Route {
        feed: Feed::Silence,
        to_speaker: true,
    };
    media.attach(STREAM, port, route);
    tell(&Message::TonePlays.text(shown.lang));
    let every = if shown.drawn { DRAWN } else { TOLD };
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut frames = 0;
    let mut next = every;
    let began = Instant::now();
    while limit.is_none_or(|limit| began.elapsed() < limit) {
        ticks.tick().await;
        play(&mut socket, frames, clock);
        frames += 1;
        if began.elapsed() >= next {
            next += every;
            tell_level(media.take_capture_peak(), began.elapsed(), shown)?;
        }
    }
    media.detach(STREAM);
    Ok(())
}

/// Gives the engine 20 ms as a caller would send them: the tone, and silence after it.
fn play(socket: &mut SocketEnd, frame: u64, clock: Instant) {
    let at = frame * FRAME_LEN as u64;
    let mut ulaw = [g711::SILENCE; FRAME_LEN];
    if at < TONE.as_secs() * u64::from(LINE_RATE) {
        for (n, code) in ulaw.iter_mut().enumerate() {
            // 440 Hz, 12 dB below full scale; a whole number of waves fits into the tone, so that it ends without a click.
            let turn = (at + n as u64) as f64 * 440.0 / f64::from(LINE_RATE);
            let wave = (turn.fract() * std::f64::consts::TAU).sin();
            *code = g711::encode((wave * 8_192.0) as i16);
        }
    }
    // A ring without room means that the speaker stands still, which the status tells.
    let _ = socket.down.push(DownFrame {
        at,
        len: FRAME_LEN as u8,
        ulaw,
        arrived: Time::from_micros(u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX)),
    });
}

fn tell_level(peak: f32, after: Duration, shown: &Shown) -> Result<(), Failure> {
    let level = decibel(peak);
    if shown.json {
        return print_json(&json!({"seconds": after.as_secs(), "level_dbfs": level}));
    }
    let message = Message::Level { decibel: level }.text(shown.lang);
    if !shown.drawn {
        return print(&message);
    }
    let mut out = std::io::stdout().lock();
    write!(out, "\r{} {message:<24}", bar(level))?;
    out.flush()?;
    Ok(())
}

/// Returns a level in dB below full scale.
fn decibel(peak: f32) -> f32 {
    (20.0 * peak.max(1e-9).log10()).max(QUIETEST)
}

/// Draws a level from -60 dB to full scale, 30 characters wide.
fn bar(level: f32) -> String {
    let full = ((level + 60.0) / 2.0).clamp(0.0, 30.0) as usize;
    format!("[{}{}]", "#".repeat(full), " ".repeat(30 - full))
}

fn state_json(state: &DeviceState) -> serde_json::Value {
    match state {
        DeviceState::Works(what) => json!({"works": true, "detail": what}),
        DeviceState::Broken(why) => json!({"works": false, "detail": why}),
    }
}

fn devices_page(status: &AudioStatus, lang: Lang) -> String {
    [
        (Message::Microphone, &status.capture),
        (Message::Speaker, &status.playout),
    ]
    .map(|(name, state)| {
        let state = match state {
            DeviceState::Works(what) => Message::DeviceWorks { what },
            DeviceState::Broken(why) => Message::DeviceBroken { why },
        };
        format!("{}: {}", name.text(lang), state.text(lang))
    })
    .join("\n")
}

/// Fails where one of the two does not work.
fn verdict(status: &AudioStatus, lang: Lang) -> Result<(), Failure> {
    let is_cardless =
        |state: &DeviceState| matches!(state, DeviceState::Broken(why) if why == NO_SOUND_CARD);
    if is_cardless(&status.capture) && is_cardless(&status.playout) {
        return Err(Failure::world(Message::NoSoundCard.text(lang)));
    }
    let mut broken = Vec::new();
    if let DeviceState::Broken(why) = &status.capture {
        broken.push(Message::MicrophoneBroken { why }.text(lang));
    }
    if let DeviceState::Broken(why) = &status.playout {
        broken.push(Message::SpeakerBroken { why }.text(lang));
    }
    if broken.is_empty() {
        return Ok(());
    }
    let flags = "--capture, --playout";
    Err(Failure::world(broken.join("; ")).hint(Message::ChooseDevices { flags }.text(lang)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_told_in_decibel_and_drawn_to_scale() {
        assert_eq!(decibel(1.0), 0.0);
        assert_eq!(decibel(0.0), QUIETEST);
        assert!((decibel(0.5) + 6.02).abs() < 0.01);
        assert_eq!(bar(0.0), format!("[{}]", "#".repeat(30)));
        assert_eq!(
            bar(-30.0),
            format!("[{}{}]", "#".repeat(15), " ".repeat(15))
        );
        assert_eq!(bar(QUIETEST), format!("[{}]", " ".repeat(30)));
    }
}
