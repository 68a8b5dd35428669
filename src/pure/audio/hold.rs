//! What a far end hears while it is held: a piece of our own, or a person's recording, again and again.
//!
//! Both are one loop of mu-law, made before the first call: a leg only reads on from its place, so that held legs cost
//! nothing more, and nothing is allocated while one is held.

use std::sync::Arc;

use super::ringtone::Phasor;
use super::{LINE_RATE, g711};

/// How loud the loop is on average, as a share of full scale: -24 dBFS, a little below speech on a telephone line, which
/// has some -22 dBFS while somebody speaks.
const LEVEL: f32 = 0.063;

/// The loudest peak of a recording: -6 dBFS.
const PEAK: f32 = 0.5;

/// The most that a quiet recording is turned up, as a factor: 12 dB.
const MOST_UP: f32 = 4.0;

/// The ends of a recording fade for so long, in samples, for it may begin and end in the middle of a sound: 10 ms.
const EDGE: usize = LINE_RATE as usize / 100;

/// A quaver of the piece, in samples: 75 crotchets a minute.
const QUAVER: usize = LINE_RATE as usize * 2 / 5;

/// Quavers of a bar.
const BAR: usize = 8;

/// The chords, a bar each, as the four notes that are broken, in MIDI's numbers: C, A minor, F, G, E minor, A minor,
/// D minor, G, all but the last two with their sevenths. None lies below the 174 Hz of F3, and what makes its sound lies
/// within the telephone's band.
const CHORDS: [[u8; 4]; 8] = [
    [60, 64, 67, 71],
    [57, 60, 64, 67],
    [53, 60, 64, 69],
    [55, 59, 62, 67],
    [55, 59, 64, 67],
    [57, 60, 64, 67],
    [57, 62, 65, 69],
    [55, 59, 62, 67],
];

/// In which order a chord is broken, a note each quaver.
const BROKEN: [usize; BAR] = [0, 1, 2, 3, 2, 1, 2, 1];

/// The tune above: at which quaver which note.
const TUNE: [(usize, u8); 19] = [
    (0, 76),
    (4, 74),
    (8, 72),
    (13, 71),
    (14, 72),
    (16, 69),
    (20, 72),
    (24, 71),
    (28, 74),
    (32, 79),
    (36, 76),
    (40, 72),
    (43, 74),
    (44, 76),
    (48, 77),
    (52, 74),
    (56, 71),
    (60, 74),
    (62, 71),
];

/// A partial of each note: its frequency as a multiple of the note's, its share, and how long it takes to fall by 60 dB, in
/// s. Soft and round, as of a plucked string near its middle, where even partials are weak.
const PARTIALS: [(f64, f32, f64); 4] = [
    (1.0, 0.7, 2.4),
    (2.0, 0.16, 1.5),
    (3.0, 0.12, 1.0),
    (5.0, 0.03, 0.5),
];

/// How hard the notes of chords and of the tune are struck, against each other.
const STRENGTH: (f32, f32) = (0.55, 1.0);

/// Music for those who wait; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Music(Arc<[u8]>);

impl Music {
    /// Returns nothing but silence.
    #[must_use]
    pub fn silence() -> Music {
        Music::default()
    }

    /// Composes the built-in piece: 25.6 s, whose last notes sound on into its beginning.
    #[must_use]
    pub fn built_in() -> Music {
        let mut piece = vec![0.0; CHORDS.len() * BAR * QUAVER];
        for (bar, chord) in CHORDS.iter().enumerate() {
            for (quaver, note) in BROKEN.into_iter().enumerate() {
                let at = (bar * BAR + quaver) * QUAVER;
                pluck(&mut piece, at, chord[note], STRENGTH.0);
            }
        }
        for (quaver, note) in TUNE {
            pluck(&mut piece, quaver * QUAVER, note, STRENGTH.1);
        }
        Music::levelled(&piece, f32::INFINITY)
    }

    /// Takes a recording of one channel at [`LINE_RATE`], full scale 1: brought to the built-in piece's level, where 12 dB
    /// are enough and its peaks allow it.
    #[must_use]
    pub fn recording(mut samples: Vec<f32>) -> Music {
        let length = samples.len();
        for (n, sample) in samples.iter_mut().enumerate() {
            let from_end = n.min(length - 1 - n);
            *sample *= (from_end as f32 / EDGE as f32).min(1.0);
        }
        Music::levelled(&samples, MOST_UP)
    }

    fn levelled(samples: &[f32], most_up: f32) -> Music {
        let power = samples.iter().map(|s| s * s).sum::<f32>() / samples.len().max(1) as f32;
        let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        let gain = (LEVEL / power.sqrt().max(1e-6))
            .min(PEAK / peak.max(1e-6))
            .min(most_up);
        let codes = samples.iter().map(|s| g711::encode_f32(s * gain));
        Music(codes.collect())
    }

    /// Returns how long it is before it begins anew, in samples of the line.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether it is silence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills a block from a place on, and moves the place behind it.
    pub fn play(&self, place: &mut usize, block: &mut [f32]) {
        for sample in block {
            *sample = self
                .0
                .get(*place)
                .map_or(0.0, |code| g711::decode_f32(*code));
            *place += 1;
            if *place >= self.0.len() {
                *place = 0;
            }
        }
    }
}

/// Adds a note at a place, and what of it lies beyond the end to the beginning.
fn pluck(piece: &mut [f32], at: usize, note: u8, strength: f32) {
    let hz = 440.0 * ((f64::from(note) - 69.0) / 12.0).exp2();
    for (ratio, share, decay) in PARTIALS {
        let mut phasor = Phasor::new(hz * ratio, decay, f64::from(LINE_RATE));
        phasor.strike(strength * share);
        // By then it has fallen by 90 dB.
        let lasts = (1.5 * decay * f64::from(LINE_RATE)) as usize;
        for n in 0..lasts {
            piece[(at + n) % piece.len()] += phasor.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(music: &Music, samples: usize) -> Vec<f32> {
        let (mut place, mut sound) = (0, vec![0.0; samples]);
        for block in sound.chunks_mut(160) {
            music.play(&mut place, block);
        }
        sound
    }

    fn level(sound: &[f32]) -> f32 {
        let power = sound.iter().map(|s| s * s).sum::<f32>() / sound.len() as f32;
        10.0 * power.log10()
    }

    fn steepest(sound: &[f32]) -> f32 {
        let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0, f32::max)
    }

    #[test]
    fn the_piece_lasts_twenty_seconds_at_least_is_quiet_and_is_never_silent() {
        let music = Music::built_in();
        assert!(music.len() >= 20 * LINE_RATE as usize);
        let sound = heard(&music, music.len());
        assert!((level(&sound) + 24.0).abs() < 0.3, "{}", level(&sound));
        let peak = sound.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        assert!(peak < 0.35, "{peak}");
        for second in sound.chunks_exact(LINE_RATE as usize) {
            assert!((-32.0..-18.0).contains(&level(second)), "{}", level(second));
        }
    }

    #[test]
    fn nothing_of_the_piece_comes_again_before_it_is_over() {
        let music = Music::built_in();
        let sound = heard(&music, music.len());
        let bar = BAR * QUAVER;
        for one in 0..CHORDS.len() {
            for other in one + 1..CHORDS.len() {
                let (a, b) = (&sound[one * bar..][..bar], &sound[other * bar..][..bar]);
                let both: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let power = |s: &[f32]| s.iter().map(|s| s * s).sum::<f32>();
                let alike = both / (power(a) * power(b)).sqrt();
                assert!(alike < 0.9, "bars {one} and {other}: {alike}");
            }
        }
    }

    #[test]
    fn it_begins_anew_without_a_click() {
        let music = Music::built_in();
        let sound = heard(&music, 2 * music.len());
        let around = &sound[music.len() - 400..music.len() + 4];
        assert!(steepest(around) <= steepest(&sound[..music.len()]));
        // A recording that begins and ends in the middle of a sound.
        let music = Music::recording(vec![0.5; 8_000]);
        let sound = heard(&music, 20_000);
        assert!(steepest(&sound) < 0.005, "{}", steepest(&sound));
    }

    #[test]
    fn a_recording_comes_to_the_level_of_the_piece_as_far_as_its_peaks_and_12_decibel_allow() {
        let tone = |level: f32| -> Vec<f32> {
            let sine = |n: u32| (n as f32 * 0.3).sin() * level;
            (0..16_000).map(sine).collect()
        };
        for (said, wanted) in [(0.9, -24.0), (0.03, -24.0), (0.004, -38.9)] {
            let sound = heard(&Music::recording(tone(said)), 16_000);
            assert!(
                (level(&sound) - wanted).abs() < 0.4,
                "{said}: {}",
                level(&sound)
            );
        }
        // A crack in silence.
        let mut crack = vec![0.0; 16_000];
        crack[8_000] = 1.0;
        let sound = heard(&Music::recording(crack), 16_000);
        assert!(sound.iter().all(|sample| *sample < 0.53));
    }

    #[test]
    fn silence_and_an_empty_recording_are_silent() {
        for music in [Music::silence(), Music::recording(Vec::new())] {
            assert!(music.is_empty());
            assert!(heard(&music, 400).iter().all(|sample| *sample == 0.0));
        }
    }
}
