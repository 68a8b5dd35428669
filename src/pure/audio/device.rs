//! Which devices are wanted: a choice, not the devices themselves.

use std::path::PathBuf;

use super::comfort::Comfort;

/// Which device plays or captures.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum DeviceChoice {
    /// Whatever the system calls its default.
    #[default]
    Default,
    /// No device: silence in, nothing out, on a clock of our own.
    None,
    /// What is played is captured.
    Loopback,
    /// A WAV file: read from, or written to.
    File(PathBuf),
    /// A device by its name, or by `host:name` as `offhook devices` prints it.
    Named(String),
}

/// What the engine is to be started with.
#[derive(Clone, Debug, Default)]
pub struct AudioSettings {
    /// Where the near end speaks into.
    pub capture: DeviceChoice,
    /// Where the far end is heard.
    pub playout: DeviceChoice,
    /// Where it rings; nothing: on the playout device.
    pub ringer: Option<DeviceChoice>,
    /// A cpal host to force (`alsa`, `pulseaudio`, `pipewire`); nothing: whichever answers, best first.
    pub host: Option<String>,
    /// The length of a device callback asked for, in milliseconds: 1 to 100, 10 by default.
    pub callback_ms: u32,
    /// What the person likes.
    pub comfort: Comfort,
}

impl DeviceChoice {
    /// Says whether it is a device of the machine, not one of our own.
    #[must_use]
    pub fn is_real(&self) -> bool {
        match self {
            DeviceChoice::Default | DeviceChoice::Named(_) => true,
            DeviceChoice::None | DeviceChoice::Loopback | DeviceChoice::File(_) => false,
        }
    }
}

impl AudioSettings {
    /// Returns the loudest that a far end may be, where it is bounded: by choice, else where the speaker is a real one.
    #[must_use]
    pub fn bound(&self) -> Option<super::comfort::Loudest> {
        let bounded = self.comfort.limiter.unwrap_or(self.playout.is_real());
        bounded.then_some(self.comfort.loudest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_far_end_is_bounded_on_real_speakers_and_elsewhere_only_by_name() {
        let bounded = |playout: &DeviceChoice, limiter| {
            let mut settings = AudioSettings {
                playout: playout.clone(),
                ..AudioSettings::default()
            };
            settings.comfort.limiter = limiter;
            settings.bound().is_some()
        };
        for (playout, by_itself) in [
            (DeviceChoice::Default, true),
            (DeviceChoice::Named("headset".to_owned()), true),
            (DeviceChoice::Loopback, false),
            (DeviceChoice::None, false),
            (DeviceChoice::File(PathBuf::from("out.wav")), false),
        ] {
            assert_eq!(bounded(&playout, None), by_itself, "{playout:?}");
            assert!(bounded(&playout, Some(true)) && !bounded(&playout, Some(false)));
        }
    }
}
