//! What a person likes: how loud the far end and the bell are, and what keeps an ear safe.

use std::path::PathBuf;

/// A loudness from 0 to 100 percent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Volume(u8);

impl Default for Volume {
    fn default() -> Volume {
        Volume(100)
    }
}

impl Volume {
    /// Takes a percentage, or nothing where it is above 100.
    #[must_use]
    pub const fn new(percent: u8) -> Option<Volume> {
        if percent <= 100 {
            Some(Volume(percent))
        } else {
            None
        }
    }

    /// Returns the percentage.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// Returns the factor: 1 at 100 %, 0 at 0 %, and the cube of the percentage between them.
    ///
    /// Ten decibel more are about twice as loud (Stevens, "The measurement of loudness", JASA 1955); the cube has half the
    /// way at -18 dB and a tenth of it at -60 dB, and ends in silence, which a straight line of decibels never does.
    #[must_use]
    pub fn gain(self) -> f32 {
        (f32::from(self.0) / 100.0).powi(3)
    }
}

/// The loudest that a far end may be, in dBFS: -30 to 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loudest(i8);

impl Default for Loudest {
    /// -3 dBFS: the peak of a sine of 0 dBm0, the digital milliwatt, with which lines are measured. In G.711 full scale is
    /// 3.17 dBm0 (ITU-T G.711), so that only what is louder than any measuring tone is held back.
    ///
    /// What that is at the ear nobody knows here: dBFS is no sound pressure. ITU-T P.360 bounds the pressure of a receiver;
    /// whoever has measured theirs sets this accordingly.
    fn default() -> Loudest {
        Loudest(-3)
    }
}

impl Loudest {
    /// Takes a level in dBFS, or nothing outside of -30 to 0.
    #[must_use]
    pub fn new(dbfs: i8) -> Option<Loudest> {
        (-30..=0).contains(&dbfs).then_some(Loudest(dbfs))
    }

    /// Returns it as a share of full scale.
    #[must_use]
    pub fn amplitude(self) -> f32 {
        10_f32.powf(f32::from(self.0) / 20.0)
    }
}

/// What rings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Ringtone {
    /// Two notes in the country's cadence.
    #[default]
    Classic,
    /// A rising figure on wooden bars.
    Marimba,
    /// Two warm chords.
    Chime,
    /// A hammer between two gongs, in the country's cadence.
    Mechanical,
    /// A WAV file.
    File(PathBuf),
}

impl Ringtone {
    /// Those that need no file.
    pub const BUILT_IN: [Ringtone; 4] = [
        Ringtone::Classic,
        Ringtone::Marimba,
        Ringtone::Chime,
        Ringtone::Mechanical,
    ];

    /// Reads a name, or `file:` and a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Ringtone> {
        match text.strip_prefix("file:") {
            Some("") => None,
            Some(path) => Some(Ringtone::File(PathBuf::from(path))),
            None => Ringtone::BUILT_IN
                .into_iter()
                .find(|ringtone| ringtone.name() == text),
        }
    }

    /// Returns its name, as it is typed; that of a file is `file`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Ringtone::Classic => "classic",
            Ringtone::Marimba => "marimba",
            Ringtone::Chime => "chime",
            Ringtone::Mechanical => "mechanical",
            Ringtone::File(_) => "file",
        }
    }
}

/// What a far end hears while it is held.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum HoldMusic {
    /// A quiet piece of our own.
    #[default]
    BuiltIn,
    /// Nothing.
    Silence,
    /// A WAV file.
    File(PathBuf),
}

impl HoldMusic {
    /// Reads a name, or `file:` and a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<HoldMusic> {
        match text.strip_prefix("file:") {
            Some("") => None,
            Some(path) => Some(HoldMusic::File(PathBuf::from(path))),
            None if text == "default" => Some(HoldMusic::BuiltIn),
            None if text == "silence" => Some(HoldMusic::Silence),
            None => None,
        }
    }
}

/// All that a person may choose.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Comfort {
    /// How loud the far end is.
    pub volume: Volume,
    /// Whether the far end is kept below `loudest`; nothing: where the speaker is a real device.
    pub limiter: Option<bool>,
    /// The loudest that the far end may be.
    pub loudest: Loudest,
    /// Whether a far end that is too quiet or too loud is brought to the level of others.
    pub level_far_end: bool,
    /// What rings.
    pub ringtone: Ringtone,
    /// How loud it rings.
    pub ring_volume: Volume,
    /// Whether ringing begins softly.
    pub ring_rising: bool,
    /// What a far end hears while it is held.
    pub hold_music: HoldMusic,
    /// Whether a tone is heard when the far end has gone.
    pub call_ended_tone: bool,
    /// How loud the near end hears itself, in dB relative to the microphone; nothing: not at all.
    pub sidetone: Option<i8>,
}

impl Default for Comfort {
    fn default() -> Comfort {
        Comfort {
            volume: Volume::default(),
            limiter: None,
            loudest: Loudest::default(),
            level_far_end: false,
            ringtone: Ringtone::default(),
            ring_volume: Volume::default(),
            ring_rising: true,
            hold_music: HoldMusic::default(),
            call_ended_tone: true,
            sidetone: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_volume_is_18_decibel_down_and_none_is_silence() {
        let gain = |percent| Volume::new(percent).expect("a percentage").gain();
        assert_eq!(gain(100), 1.0);
        assert!((20.0 * gain(50).log10() + 18.06).abs() < 0.01);
        assert_eq!(gain(0), 0.0);
        assert_eq!(Volume::new(101), None);
        assert!((0..100).all(|percent| gain(percent) < gain(percent + 1)));
    }

    #[test]
    fn the_loudest_is_told_in_dbfs() {
        let amplitude = |dbfs| Loudest::new(dbfs).map(Loudest::amplitude);
        assert_eq!(amplitude(0), Some(1.0));
        assert!((Loudest::default().amplitude() - 0.7079).abs() < 1e-4);
        assert_eq!((amplitude(1), amplitude(-31)), (None, None));
    }

    #[test]
    fn a_ringtone_is_known_by_its_name_and_a_file_by_its_path() {
        for ringtone in Ringtone::BUILT_IN {
            assert_eq!(Ringtone::parse(ringtone.name()), Some(ringtone));
        }
        let file = Ringtone::File(PathBuf::from("ring.wav"));
        assert_eq!(Ringtone::parse("file:ring.wav"), Some(file));
        assert_eq!(Ringtone::parse("file:"), None);
        assert_eq!(Ringtone::parse("gong"), None);
    }

    #[test]
    fn music_for_those_who_wait_is_known_by_its_name_and_a_file_by_its_path() {
        assert_eq!(HoldMusic::parse("default"), Some(HoldMusic::default()));
        assert_eq!(HoldMusic::parse("silence"), Some(HoldMusic::Silence));
        let file = HoldMusic::File(PathBuf::from("wait.wav"));
        assert_eq!(HoldMusic::parse("file:wait.wav"), Some(file));
        assert_eq!(HoldMusic::parse("file:"), None);
        assert_eq!(HoldMusic::parse("wait.wav"), None);
    }
}
