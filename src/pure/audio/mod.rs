//! The sound, as plain samples in and out.
//!
//! The engine has two halves on two clocks. [`ear::Ear`] turns the frames of all legs into speaker samples and runs in
//! the playout callback itself; [`mouth::Mouth`] turns microphone samples into frames for all legs and runs on a thread
//! that the capture callback wakes. Neither knows devices, sockets or the time of day.
//!
//! On the way up, [`pace`] keeps what the microphone brings at the carrier's pace, told from clocks seen through late
//! readings ([`clock_track`]), and [`shorten`] cuts out what nobody misses ([`stretch`]) where too much has piled up.

pub mod clip;
pub mod clock_track;
pub mod comfort;
pub mod device;
pub mod drift;
pub mod dtmf;
pub mod ear;
pub mod fader;
pub mod g711;
pub mod hold;
pub mod level;
pub mod leveller;
pub mod limiter;
pub mod meeting;
pub mod mouth;
pub mod pace;
pub mod pair;
pub mod playout;
pub mod resample;
pub mod ringtone;
pub mod shorten;
pub mod sidetone;
pub mod speakerphone;
pub mod stretch;
pub mod tap;
pub mod tone;

#[cfg(test)]
mod clicks_tests;
#[cfg(test)]
mod meeting_tests;

/// Samples a second on the wire: 8 kHz, one channel, mu-law.
pub const LINE_RATE: u32 = 8_000;

/// Samples, and bytes of mu-law, in one frame of 20 ms.
pub const FRAME_LEN: usize = 160;

/// The sample rate of a device, in Hz: 4,000 to 768,000.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeviceRate(u32);

impl DeviceRate {
    /// 48 kHz, the rate of the devices that we make ourselves.
    pub const HZ_48000: DeviceRate = DeviceRate(48_000);

    /// The rate of the line.
    pub const LINE: DeviceRate = DeviceRate(LINE_RATE);

    /// Takes a rate in Hz, or nothing where no sound card has such a rate.
    #[must_use]
    pub fn new(hz: u32) -> Option<DeviceRate> {
        (4_000..=768_000).contains(&hz).then_some(DeviceRate(hz))
    }

    /// Returns the rate in Hz.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0
    }
}

/// The most delay that is ever made up, in ms: 200 to 3,000, and a second where nothing else is wanted. Beyond it sound is
/// thrown away, in either direction: whoever waits a second for an answer has asked again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MostDelay(u16);

impl MostDelay {
    /// Takes a delay in ms, or nothing where it is out of all sense: a network may be uneven by more than 200 ms, and no more
    /// than 4 s wait at the speaker.
    #[must_use]
    pub fn from_ms(ms: u16) -> Option<MostDelay> {
        (200..=3_000).contains(&ms).then_some(MostDelay(ms))
    }

    /// Returns it in ms.
    #[must_use]
    pub fn ms(self) -> f64 {
        f64::from(self.0)
    }

    /// Returns it in samples of the line.
    #[must_use]
    pub fn samples(self) -> usize {
        usize::from(self.0) * LINE_RATE as usize / 1_000
    }
}

impl Default for MostDelay {
    fn default() -> MostDelay {
        MostDelay(1_000)
    }
}

/// Up to 20 ms of mu-law on its way down, with its place in the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DownFrame {
    /// The first sample's position since the stream began, in samples of [`LINE_RATE`] (the carrier's timestamp × 8).
    pub at: u64,
    /// How many of `ulaw` hold sound, 1 to [`FRAME_LEN`].
    pub len: u8,
    /// The sound.
    pub ulaw: [u8; FRAME_LEN],
    /// When it arrived at the socket, on the daemon's clock.
    pub arrived: crate::pure::time::Time,
}

impl DownFrame {
    /// Returns the position right after the last sample, in samples since the stream began.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.at.saturating_add(u64::from(self.len))
    }
}

/// Exactly 20 ms of mu-law on its way up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UpFrame {
    /// The sound.
    pub ulaw: [u8; FRAME_LEN],
    /// Whether nothing of it may be cut out on its way: a part of a key is in it.
    pub whole: bool,
}

/// What the far end of a leg hears from us.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Feed {
    /// Nothing.
    #[default]
    Silence,
    /// The sign that it rings here, in a country's cadence.
    Ringback(tone::Country),
    /// The microphone of the desk.
    Desk,
    /// All others of the meeting, and the desk where that is not muted.
    Meeting {
        /// Whether the microphone of the desk is in it.
        desk: bool,
    },
    /// The music of those who wait, from the place where it stopped for this leg.
    Hold,
}

/// What is done with the sound of a leg's far end, and what it gets from us: one row of the engine's table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Route {
    /// What the far end hears.
    pub feed: Feed,
    /// Whether the far end is heard on the speaker.
    pub to_speaker: bool,
}
