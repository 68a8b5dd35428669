//! The keys of headsets, handsets and media keyboards: what their bytes say, what a key means to the phone, which lamps are
//! to be lit.
//!
//! [`hid`] reads the reports of a device that speaks the telephony page of USB HID, [`evdev`] the events of an input device of
//! Linux; both make [`Press`]es. [`Keys::wish`] decides what a press means. Nothing here opens a device.

pub mod evdev;
pub mod hid;
mod wish;

use std::path::PathBuf;

pub use wish::{Keys, Lamps, Wish};

/// Whose keys are used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HandsetChoice {
    /// Those of every device that speaks the telephony page and may be read.
    #[default]
    Auto,
    /// None.
    None,
    /// Those of this device: `/dev/hidraw…` or `/dev/input/…`.
    Device(PathBuf),
}

/// What somebody did at a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Press {
    /// Lifted the handset; or the device lifted it itself, since it was told to light its lamp.
    HookOff,
    /// Put the handset down.
    HookOn,
    /// Pressed the one key that answers and hangs up.
    Hook,
    /// Pressed a key that hangs up or turns away.
    HangUp,
    /// Pressed the flash key, which takes a further call or goes back to the other.
    Flash,
    /// Pressed the hold key.
    Hold,
    /// Pressed the key that closes or opens the microphone.
    Mute,
    /// Switched the microphone off, or on.
    Muted(bool),
    /// Pressed a key of the telephone: `0`-`9`, `*`, `#`.
    Key(char),
}
