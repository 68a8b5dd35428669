//! Which devices are wanted: a choice, not the devices themselves.

use std::path::PathBuf;

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
}
