//! Which devices are wanted: a choice, not the devices themselves.

use std::path::PathBuf;

use super::MostDelay;
use super::comfort::Comfort;
use super::speakerphone::Stages;

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

/// What the desk talks and listens with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// A loudspeaker and a microphone: every stage of the speakerphone, and its delay.
    #[default]
    Speakerphone,
    /// A headset or a handset: no stage, and no delay but the frame's.
    Headset,
}

/// Which stages of the speakerphone are wanted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StageChoice {
    /// What the rest follows: the speakerphone's stages work where both devices are real.
    pub profile: Profile,
    /// Whether the echo canceller works, whatever the profile and the devices.
    pub echo_canceller: Option<bool>,
    /// Whether noise is suppressed.
    pub noise_suppression: Option<bool>,
    /// Whether the level is kept.
    pub gain_control: Option<bool>,
    /// Whether rumble is taken away.
    pub high_pass: Option<bool>,
}

impl AudioSettings {
    /// Returns which stages are to work: by the profile where microphone and speaker are real devices, none where one is our
    /// own, but for what was chosen by name.
    #[must_use]
    pub fn stages(&self) -> Stages {
        let by_profile = match self.stage_choice.profile {
            Profile::Speakerphone if self.capture.is_real() && self.playout.is_real() => {
                Stages::ALL
            }
            Profile::Speakerphone | Profile::Headset => Stages::NONE,
        };
        let choice = &self.stage_choice;
        Stages {
            echo_canceller: choice.echo_canceller.unwrap_or(by_profile.echo_canceller),
            noise_suppression: choice
                .noise_suppression
                .unwrap_or(by_profile.noise_suppression),
            gain_control: choice.gain_control.unwrap_or(by_profile.gain_control),
            high_pass: choice.high_pass.unwrap_or(by_profile.high_pass),
        }
    }
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
    /// Whether a `file:` speaker leaves out the silence of the time when nobody calls, so that it stays small.
    pub skips_idle: bool,
    /// A cpal host to force (`alsa`, `pulseaudio`, `pipewire`); nothing: whichever answers, best first.
    pub host: Option<String>,
    /// The length of a device callback asked for, in milliseconds: 1 to 100, 10 by default.
    pub callback_ms: u32,
    /// The most delay that is made up, either way.
    pub most_delay: MostDelay,
    /// What the person likes.
    pub comfort: Comfort,
    /// What stands between the microphone and the line.
    pub stage_choice: StageChoice,
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
