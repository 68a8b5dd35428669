//! `offhook devices play`: a tone as a call would have it, or a ringtone, on the devices of a call.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use crate::audio::{AudioSettings, DeviceChoice, DeviceState, MediaHandle, Ringtone, stream_port};
use crate::cli::failure::Failure;
use crate::cli::flags::{Devices, Flags};
use crate::cli::output::tell;
use crate::cli::runtime;
use crate::cli::terminal::Stop;
use crate::lang::{Lang, Message};
use crate::pure::audio::tone::{Country, Progress, Tone};
use crate::pure::audio::{DeviceRate, DownFrame, FRAME_LEN, Feed, LINE_RATE, Route, g711};
use crate::pure::ids::StreamId;
use crate::pure::time::Time;

/// How long it plays where nobody can end it.
const PLAYS: Duration = Duration::from_secs(5);

/// How long what ends takes to fade.
const FADES: Duration = Duration::from_millis(60);

/// The stream that a tone comes from.
const STREAM: StreamId = StreamId(0);

/// What `offhook devices play` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A tone (ringback, dial, busy, congestion, unobtainable, call-waiting, confirmation) or a ringtone (classic, marimba,
    /// chime, mechanical, file:PATH.wav)
    #[arg(value_parser = sound)]
    name: Sound,
    /// Whose tone or cadence [default: OFFHOOK_COUNTRY, else the country of TWILIO_PHONE_NUMBER, else us]
    #[arg(long, value_name = "CODE", value_parser = country)]
    country: Option<Country>,
    /// How long [default: until Ctrl-C on a terminal, else 5 s]
    #[arg(long = "for", value_name = "SECONDS", value_parser = super::seconds)]
    seconds: Option<u64>,
    #[command(flatten)]
    pub(crate) flags: Flags<Devices>,
}

/// What is played.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Sound {
    Tone(Progress),
    Ring(Ringtone),
}

fn sound(text: &str) -> Result<Sound, String> {
    // The case of a path counts, that of a name does not.
    let name = if text.starts_with("file:") {
        text.to_owned()
    } else {
        text.to_ascii_lowercase()
    };
    Progress::parse(&name)
        .map(Sound::Tone)
        .or_else(|| Ringtone::parse(&name).map(Sound::Ring))
        .ok_or_else(|| {
            let tones = Progress::ALL.map(Progress::name).join(", ");
            let ringtones = Ringtone::BUILT_IN
                .map(|ringtone| ringtone.name())
                .join(", ");
            format!(
                "there is no such tone ({tones}) and no such ringtone ({ringtones}, file:PATH.wav)"
            )
        })
}

fn country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| {
        let mut codes: Vec<String> = Country::codes().map(str::to_ascii_lowercase).collect();
        codes.sort();
        format!("the tones of these are known: {}", codes.join(", "))
    })
}

/// Plays it.
pub(crate) fn run(
    args: &Args,
    settings: &AudioSettings,
    of_settings: Country,
    lang: Lang,
) -> Result<(), Failure> {
    let country = args.country.unwrap_or(of_settings);
    let mut settings = settings.clone();
    settings.capture = DeviceChoice::None;
    let (name, tone) = match &args.name {
        Sound::Tone(tone) => {
            let line = DeviceRate::new(LINE_RATE).unwrap_or(DeviceRate::HZ_48000);
            let made = Tone::progress(*tone, country, line).ok_or_else(|| {
                let name = tone.name();
                Failure::usage(Message::NoSuchTone { tone: name }.text(lang))
                    .hint(Message::EveryTone.text(lang))
            })?;
            (tone.name().to_owned(), Some(made))
        }
        Sound::Ring(ringtone) => {
            settings.comfort.ringtone = ringtone.clone();
            (named(ringtone), None)
        }
    };
    let limit = match args.seconds {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None if std::io::stderr().is_terminal() => None,
        None => Some(PLAYS),
    };
    let clock = Instant::now();
    let media = MediaHandle::start(&settings, clock)?;
    let status = media.status().borrow().clone();
    let state = if tone.is_some() {
        &status.playout
    } else {
        &status.ringer
    };
    if let DeviceState::Broken(why) = state {
        let flags = "--playout, --ringer";
        return Err(Failure::world(Message::SpeakerBroken { why }.text(lang))
            .hint(Message::ChooseDevices { flags }.text(lang)));
    }
    runtime()?.block_on(async {
        let mut stop = Stop::new()?;
        tell(&Message::Playing { name: &name }.text(lang));
        if limit.is_none() {
            tell(&Message::CtrlCEnds.text(lang));
        }
        let playing = play(&media, tone, country, clock, limit);
        tokio::select! {
            () = playing => {}
            () = stop.wait() => {}
        }
        // However it ends, it fades.
        media.ring(None);
        media.detach(STREAM);
        tokio::time::sleep(FADES).await;
        media.stop().await;
        Ok(())
    })
}

/// Rings, or says a tone as a caller would, until the time is up.
async fn play(
    media: &MediaHandle,
    tone: Option<Tone>,
    country: Country,
    clock: Instant,
    limit: Option<Duration>,
) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let began = Instant::now();
    let goes_on = || limit.is_none_or(|limit| began.elapsed() < limit);
    let Some(mut tone) = tone else {
        media.ring(Some(country));
        while goes_on() {
            ticks.tick().await;
        }
        return;
    };
    let (mut socket, port) = stream_port();
    let route = Route {
        feed: Feed::Silence,
        to_speaker: true,
    };
    media.attach(STREAM, port, route);
    let mut at = 0;
    while goes_on() {
        ticks.tick().await;
        let mut sound = [0.0; FRAME_LEN];
        tone.add_to(&mut sound);
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        g711::encode_slice(&sound, &mut ulaw);
        let micros = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A ring without room means that the speaker stands still.
        let _ = socket.down.push(DownFrame {
            at,
            len: FRAME_LEN as u8,
            ulaw,
            arrived: Time::from_micros(micros),
        });
        at += FRAME_LEN as u64;
    }
}

/// Returns a ringtone's name, as it is typed.
fn named(ringtone: &Ringtone) -> String {
    match ringtone {
        Ringtone::File(path) => format!("file:{}", path.display()),
        Ringtone::Classic | Ringtone::Marimba | Ringtone::Chime | Ringtone::Mechanical => {
            ringtone.name().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_and_every_ringtone_can_be_named() {
        for tone in Progress::ALL {
            assert_eq!(sound(tone.name()), Ok(Sound::Tone(tone)));
        }
        for ringtone in Ringtone::BUILT_IN {
            assert_eq!(sound(ringtone.name()), Ok(Sound::Ring(ringtone)));
        }
        assert!(matches!(
            sound("file:a.wav"),
            Ok(Sound::Ring(Ringtone::File(_)))
        ));
        for typed in ["marimba", "file:a/b.wav"] {
            let Ok(Sound::Ring(ringtone)) = sound(typed) else {
                panic!("{typed} is a ringtone");
            };
            assert_eq!(named(&ringtone), typed);
        }
        assert_eq!(sound("Busy"), Ok(Sound::Tone(Progress::Busy)));
        assert_eq!(sound("MARIMBA"), Ok(Sound::Ring(Ringtone::Marimba)));
        let why = sound("engaged").expect_err("no such name");
        assert!(why.contains("ringback") && why.contains("marimba"), "{why}");
        assert_eq!(country("fr"), Ok(Country::France));
        let why = country("xx").expect_err("no such country");
        assert!(why.contains("at, au, be, ca"), "{why}");
    }
}
