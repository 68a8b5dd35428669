//! Devices of the sound system, through cpal: finding them, opening them, and what their callbacks do.
//!
//! Everything here may block as long as the sound server likes, so it runs on throw-away threads with a limit.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, ErrorKind, FromSample, HostId, SampleFormat, SizedSample, StreamConfig};

use super::callback::{Beat, Capture, Fatal, Playout, now};
use super::{priority, whereabouts};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::device::DeviceChoice;
use crate::pure::time::Time;

/// How a person says which device and how.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) choice: DeviceChoice,
    pub(super) host: Option<String>,
    pub(super) callback_ms: u32,
}

/// Which way a device is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Capture,
    Playout,
}

/// A device that was found, and how it is to be opened.
pub(super) struct Found {
    device: cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    pub(super) rate: DeviceRate,
    /// As `offhook devices` names it.
    pub(super) name: String,
    /// Whether it is one of ALSA's plugins, behind which another program may be.
    plugin: bool,
}

/// A stream at work.
pub(super) struct Opened {
    pub(super) stream: cpal::Stream,
    /// Name, rate and callback, for the person.
    pub(super) text: String,
}

/// The hosts that this program knows, best first.
pub(super) fn hosts(forced: Option<&str>) -> Result<Vec<HostId>, String> {
    if let Some(name) = forced {
        let host = HostId::from_str(name).map_err(|_| {
            if name == "pipewire" {
                return "this build has no PipeWire; build with `--features pipewire`, or use pulseaudio, which PipeWire \
                        speaks"
                    .to_owned();
            }
            let known: Vec<String> = cpal::ALL_HOSTS.iter().map(ToString::to_string).collect();
            format!(
                "there is no sound system `{name}` here; there is {}",
                known.join(", ")
            )
        })?;
        return Ok(vec![host]);
    }
    // cpal lists them in this order: pipewire where it was built in, pulseaudio, alsa.
    Ok(cpal::ALL_HOSTS.to_vec())
}

/// Where to look for the device that is wanted: the sound systems, best first, and its name where it has one.
pub(super) fn places(wanted: &Wanted) -> Result<(Vec<HostId>, Option<String>), String> {
    let (forced, name) = match &wanted.choice {
        DeviceChoice::Named(text) => match text.split_once(':') {
            Some((host, name)) if HostId::from_str(host).is_ok() => {
                (Some(host.to_owned()), Some(name.to_owned()))
            }
            Some(_) | None => (wanted.host.clone(), Some(text.clone())),
        },
        DeviceChoice::Default
        | DeviceChoice::None
        | DeviceChoice::Loopback
        | DeviceChoice::File(_) => (wanted.host.clone(), None),
    };
    Ok((hosts(forced.as_deref())?, name))
}

/// Why a device was not found.
#[derive(Debug)]
pub(super) enum Missing {
    /// This sound system does not run, or has nothing that goes this way at all.
    Nothing(String),
    /// It is not at this sound system; another may have it.
    Here(String),
    /// The sound server hangs. Another system would only lead to the same one, or to a worse device for the rest of the
    /// day, so it is better to wait.
    Hung(String),
}

/// Finds a device at one sound system: by its name, or the default.
pub(super) fn find(
    id: HostId,
    name: Option<&str>,
    way: Way,
    callback_ms: u32,
) -> Result<Found, Missing> {
    if id.to_string() == "pulseaudio" {
        if whereabouts::hangs() {
            return Err(Missing::Hung(format!("{id}: the sound server hangs")));
        }
        whereabouts::provide_cookie();
    }
    let because = |error: &cpal::Error| {
        let reason = format!("{id}: {}", plain(error));
        let is_absent = matches!(
            error.kind(),
            ErrorKind::HostUnavailable | ErrorKind::DeviceNotAvailable
        );
        if is_absent && name.is_none() {
            Missing::Nothing(reason)
        } else {
            Missing::Here(reason)
        }
    };
    let host = cpal::host_from_id(id).map_err(|error| because(&error))?;
    let device = match name {
        None if way == Way::Capture => host.default_input_device(),
        None => host.default_output_device(),
        Some(name) => named(&host, name, way),
    };
    let device = device.ok_or_else(|| match name {
        Some(name) => Missing::Here(format!("{id}: it has no device `{name}`")),
        None => Missing::Nothing(format!("{id}: it has no default device")),
    })?;
    let default = match way {
        Way::Capture => device.default_input_config(),
        Way::Playout => device.default_output_config(),
    }
    .map_err(|error| because(&error))?;
    describe(device, id, default, callback_ms).map_err(Missing::Here)
}

/// Finds a device by its name, or else by what the system says of it: that may be said of a microphone and of a speaker
/// alike, so only one that goes the right way counts.
fn named(host: &cpal::Host, name: &str, way: Way) -> Option<cpal::Device> {
    let devices: Vec<cpal::Device> = host.devices().ok()?.collect();
    let is_named = |device: &cpal::Device| device.id().is_ok_and(|id| id.id() == name);
    if let Some(n) = devices.iter().position(is_named) {
        return devices.into_iter().nth(n);
    }
    devices.into_iter().find(|device| {
        let is_described = device
            .description()
            .is_ok_and(|description| description.name() == name);
        // Asked last: some of ALSA's plugins complain aloud when they are looked into.
        is_described
            && match way {
                Way::Capture => device.default_input_config().is_ok(),
                Way::Playout => device.default_output_config().is_ok(),
            }
    })
}

fn describe(
    device: cpal::Device,
    host: HostId,
    default: cpal::SupportedStreamConfig,
    callback_ms: u32,
) -> Result<Found, String> {
    let rate = DeviceRate::new(default.sample_rate()).ok_or_else(|| {
        format!(
            "{host}: it runs at {} Hz, which no sound card does",
            default.sample_rate()
        )
    })?;
    let id = device
        .id()
        .map(|id| id.id().to_owned())
        .unwrap_or_else(|_| "default".to_owned());
    let frames = rate.hz() * callback_ms.clamp(1, 100) / 1000;
    // The ALSA plugins (pulse and its like) insist on three periods where cpal asks for two, and so give two thirds.
    let plugin = host.to_string() == "alsa"
        && !["hw:", "plughw:", "sysdefault:", "front:"]
            .iter()
            .any(|p| id.starts_with(p));
    let frames = if plugin { frames * 3 / 2 } else { frames };
    Ok(Found {
        config: StreamConfig {
            channels: default.channels(),
            sample_rate: default.sample_rate(),
            buffer_size: BufferSize::Fixed(frames.max(1)),
        },
        format: default.sample_format(),
        rate,
        name: format!("{host}:{id}"),
        plugin,
        device,
    })
}

impl Found {
    /// Opens and starts it for playing.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of cpal grows; what is new is not supported"
    )]
    pub(super) fn play(
        &self,
        playout: impl Fn() -> (Playout, Arc<Beat>),
        clock: Instant,
    ) -> Result<Opened, String> {
        self.open(|found, config| match found.format {
            SampleFormat::F32 => found.build_playout::<f32>(config, playout(), clock),
            SampleFormat::F64 => found.build_playout::<f64>(config, playout(), clock),
            SampleFormat::I8 => found.build_playout::<i8>(config, playout(), clock),
            SampleFormat::I16 => found.build_playout::<i16>(config, playout(), clock),
            SampleFormat::I24 => found.build_playout::<cpal::I24>(config, playout(), clock),
            SampleFormat::I32 => found.build_playout::<i32>(config, playout(), clock),
            SampleFormat::U8 => found.build_playout::<u8>(config, playout(), clock),
            SampleFormat::U16 => found.build_playout::<u16>(config, playout(), clock),
            SampleFormat::U24 => found.build_playout::<cpal::U24>(config, playout(), clock),
            SampleFormat::U32 => found.build_playout::<u32>(config, playout(), clock),
            other => Err(cpal::Error::with_message(
                ErrorKind::UnsupportedConfig,
                format!("samples of {other}"),
            )),
        })
    }

    /// Opens and starts it for capturing.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enum of cpal grows; what is new is not supported"
    )]
    pub(super) fn capture(
        &self,
        capture: impl Fn() -> (Capture, Arc<Beat>),
        clock: Instant,
    ) -> Result<Opened, String> {
        self.open(|found, config| match found.format {
            SampleFormat::F32 => found.build_capture::<f32>(config, capture(), clock),
            SampleFormat::F64 => found.build_capture::<f64>(config, capture(), clock),
            SampleFormat::I8 => found.build_capture::<i8>(config, capture(), clock),
            SampleFormat::I16 => found.build_capture::<i16>(config, capture(), clock),
            SampleFormat::I24 => found.build_capture::<cpal::I24>(config, capture(), clock),
            SampleFormat::I32 => found.build_capture::<i32>(config, capture(), clock),
            SampleFormat::U8 => found.build_capture::<u8>(config, capture(), clock),
            SampleFormat::U16 => found.build_capture::<u16>(config, capture(), clock),
            SampleFormat::U24 => found.build_capture::<cpal::U24>(config, capture(), clock),
            SampleFormat::U32 => found.build_capture::<u32>(config, capture(), clock),
            other => Err(cpal::Error::with_message(
                ErrorKind::UnsupportedConfig,
                format!("samples of {other}"),
            )),
        })
    }

    /// Opens with the callback that was asked for, or with the device's own where it will not have that.
    fn open(
        &self,
        build: impl Fn(&Found, StreamConfig) -> Result<cpal::Stream, cpal::Error>,
    ) -> Result<Opened, String> {
        let stream = build(self, self.config)
            .or_else(|_| {
                build(
                    self,
                    StreamConfig {
                        buffer_size: BufferSize::Default,
                        ..self.config
                    },
                )
            })
            .map_err(|error| plain(&error))?;
        stream.play().map_err(|error| plain(&error))?;
        let callback = stream
            .buffer_size()
            .map_or_else(|_| String::new(), |frames| format!(", {frames} frames"));
        let text = format!("{} ({} Hz{callback})", self.name, self.rate.hz());
        Ok(Opened { stream, text })
    }

    fn build_playout<T: SizedSample + FromSample<f32>>(
        &self,
        config: StreamConfig,
        (mut playout, beat): (Playout, Arc<Beat>),
        clock: Instant,
    ) -> Result<cpal::Stream, cpal::Error> {
        let channels = usize::from(config.channels).max(1);
        // A plugin's own thread has to get on for ours to get anything; cpal polls without a pause while it does not.
        let mut raised = self.plugin;
        self.device.build_output_stream::<T, _, _>(
            config,
            move |data: &mut [T], info| {
                if !raised {
                    raised = true;
                    priority::raise();
                }
                let (called, stamp) = (now(clock), info.timestamp());
                let heard_at = called
                    + stamp
                        .playback
                        .duration_since(stamp.callback)
                        .min(Duration::from_secs(2));
                playout.fill(data, channels, heard_at);
                playout.called(called);
            },
            note_errors(&beat),
            Some(Duration::from_secs(2)),
        )
    }

    fn build_capture<T: SizedSample>(
        &self,
        config: StreamConfig,
        (mut capture, beat): (Capture, Arc<Beat>),
        clock: Instant,
    ) -> Result<cpal::Stream, cpal::Error>
    where
        f32: FromSample<T>,
    {
        let channels = usize::from(config.channels).max(1);
        let micros_of =
            move |frames: usize| frames as u64 * 1_000_000 / u64::from(config.sample_rate.max(1));
        // A plugin's own thread has to get on for ours to get anything; cpal polls without a pause while it does not.
        let mut raised = self.plugin;
        self.device.build_input_stream::<T, _, _>(
            config,
            move |data: &[T], info| {
                if !raised {
                    raised = true;
                    priority::raise();
                }
                let (called, stamp) = (now(clock), info.timestamp());
                let oldest = stamp
                    .callback
                    .duration_since(stamp.capture)
                    .min(Duration::from_secs(2));
                let span = Duration::from_micros(micros_of(data.len() / channels));
                // The stamp dates the first sample; the newest is younger by the length of the block.
                let newest = called
                    .micros()
                    .saturating_sub(oldest.saturating_sub(span).as_micros() as u64);
                capture.hear(data, channels, Time::from_micros(newest));
                capture.called(called);
            },
            note_errors(&beat),
            Some(Duration::from_secs(2)),
        )
    }
}

/// Errors in a row, without a callback in between, that are nothing to worry about.
const ERRORS_IN_A_ROW: u32 = 10;

/// An error callback that only remembers what is fatal: it may come 250,000 times a second, on the thread that carries
/// sound.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enum of cpal grows; what is new does not end a stream"
)]
fn note_errors(beat: &Arc<Beat>) -> impl FnMut(cpal::Error) + Send + 'static + use<> {
    let beat = Arc::clone(beat);
    let (mut calls, mut in_a_row) = (0, 0_u32);
    move |error| {
        let called = beat.calls.load(Ordering::Relaxed);
        in_a_row = if called == calls {
            in_a_row.saturating_add(1)
        } else {
            0
        };
        calls = called;
        if in_a_row > ERRORS_IN_A_ROW {
            // No sound is carried here just now, and what would mend that needs the processor too.
            std::thread::sleep(Duration::from_millis(1));
        }
        beat.end(match error.kind() {
            ErrorKind::DeviceNotAvailable => Fatal::Gone,
            ErrorKind::HostUnavailable => Fatal::ServerGone,
            ErrorKind::StreamInvalidated => Fatal::Invalid,
            // ALSA says no more than this when the server behind a plugin died.
            ErrorKind::BackendError
                if error
                    .message()
                    .is_some_and(|text| text.contains("poll_descriptors_revents")) =>
            {
                Fatal::Failed
            }
            _ => return,
        });
    }
}

/// Says whether the kernel knows a sound card: one that may not be opened is there all the same.
pub(super) fn kernel_has_card() -> bool {
    std::fs::read_to_string("/proc/asound/cards").is_ok_and(|text| text.contains('['))
}

/// What a person needs to know of an error.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "cpal's own words do for the rest"
)]
pub(super) fn plain(error: &cpal::Error) -> String {
    match error.kind() {
        ErrorKind::HostUnavailable => "this sound system does not run here".to_owned(),
        ErrorKind::DeviceNotAvailable => "there is no such device".to_owned(),
        ErrorKind::DeviceBusy => "another program uses the device".to_owned(),
        ErrorKind::PermissionDenied => {
            "it may not be opened; join the group `audio`, or ask whoever runs this machine"
                .to_owned()
        }
        _ => error.to_string().trim_end_matches(['.', ' ']).to_owned(),
    }
}

/// Keeps alsa-lib from writing to standard error by itself, on the calling thread, as long as it lives.
#[cfg(target_os = "linux")]
pub(super) fn hush() -> impl Sized {
    alsa::Output::local_error_handler().ok()
}

/// There is nothing to silence.
#[cfg(not(target_os = "linux"))]
pub(super) fn hush() -> impl Sized {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_system_that_is_not_there_is_answered_with_what_is() {
        let why = hosts(Some("jack")).expect_err("not on Linux");
        assert!(
            why.contains("there is no sound system `jack` here"),
            "{why}"
        );
        assert!(why.contains("alsa"), "{why}");
    }

    #[cfg(not(feature = "pipewire"))]
    #[test]
    fn whoever_wants_pipewire_is_told_how_to_have_it() {
        let why = hosts(Some("pipewire")).expect_err("it was not built in");
        assert!(why.contains("--features pipewire"), "{why}");
        assert!(why.contains("use pulseaudio"), "{why}");
    }
}
