//! A tone in the ear until it is stopped: what a call that is dialled does, or that another one waits.

use super::{Country, Progress, Tone};
use crate::pure::audio::DeviceRate;

/// How much softer the call-waiting tone is than the others, as a factor: 6 dB. One frequency of it is then some -31 dBFS,
/// 9 dB below a voice on a telephone line, which it is heard over.
const OVER_A_VOICE: f32 = 0.5;

/// Sounds one tone at a time: one that is followed by another, or by nothing, fades first. Allocates nothing.
#[derive(Clone, Debug)]
pub struct Teller {
    rate: DeviceRate,
    wanted: Option<(Progress, Country)>,
    sounds: Option<((Progress, Country), Tone)>,
}

impl Teller {
    /// Makes one that is silent.
    #[must_use]
    pub fn new(rate: DeviceRate) -> Teller {
        Teller {
            rate,
            wanted: None,
            sounds: None,
        }
    }

    /// Moves to a device of another rate; what sounds begins anew.
    pub fn set_rate(&mut self, rate: DeviceRate) {
        self.rate = rate;
        self.sounds = None;
    }

    /// Sounds a tone from now on, or none. What is said again changes nothing.
    pub fn tell(&mut self, wanted: Option<(Progress, Country)>) {
        self.wanted = wanted;
    }

    /// Says whether a tone is wanted.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.wanted.is_some()
    }

    /// Adds what sounds to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            if let Some((known, tone)) = &mut self.sounds {
                if self.wanted == Some(*known) {
                    *sample += tone.next();
                    continue;
                }
                tone.stop();
                *sample += tone.next();
                if !tone.is_over() {
                    continue;
                }
            }
            self.sounds = self.wanted.and_then(|(progress, country)| {
                let tone = Tone::progress(progress, country, self.rate)?;
                Some(((progress, country), tone.softer(loudness(progress))))
            });
        }
    }
}

fn loudness(progress: Progress) -> f32 {
    match progress {
        Progress::CallWaiting => OVER_A_VOICE,
        Progress::Ringback
        | Progress::Dial
        | Progress::Busy
        | Progress::Congestion
        | Progress::Unobtainable
        | Progress::Confirmation => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{line, steepest, stretches};
    use super::*;

    fn heard(teller: &mut Teller, ms: usize) -> Vec<f32> {
        let mut sound = vec![0.0; ms * 8];
        for block in sound.chunks_mut(80) {
            teller.add_to(block);
        }
        sound
    }

    #[test]
    fn a_tone_sounds_in_its_cadence_until_it_is_stopped() {
        let mut teller = Teller::new(line());
        assert!(heard(&mut teller, 100).iter().all(|sample| *sample == 0.0));
        teller.tell(Some((Progress::Ringback, Country::France)));
        let sound = heard(&mut teller, 20_000);
        // In twentieths of a second.
        assert_eq!(stretches(&sound).len(), 4);
        teller.tell(None);
        heard(&mut teller, 6);
        assert!(
            heard(&mut teller, 9_000)
                .iter()
                .all(|sample| *sample == 0.0)
        );
        assert!(!teller.tells());
    }

    #[test]
    fn the_call_waiting_tone_comes_again_as_the_country_has_it_and_softer() {
        let mut teller = Teller::new(line());
        let peak = |sound: &[f32]| sound.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        teller.tell(Some((Progress::CallWaiting, Country::NorthAmerica)));
        let sound = heard(&mut teller, 31_000);
        assert_eq!(stretches(&sound).len(), 4);
        assert!((0.035..0.041).contains(&peak(&sound)), "{}", peak(&sound));
        teller.tell(Some((Progress::Busy, Country::France)));
        let busy = heard(&mut teller, 1_000);
        assert!(peak(&busy) > 0.075, "{}", peak(&busy));
    }

    #[test]
    fn a_tone_that_follows_another_at_any_moment_does_not_click() {
        for ms in (1..700).step_by(13) {
            let mut teller = Teller::new(line());
            let mut sound = vec![0.0];
            for wanted in [
                Some((Progress::Busy, Country::NorthAmerica)),
                Some((Progress::Ringback, Country::NorthAmerica)),
                None,
                Some((Progress::CallWaiting, Country::NorthAmerica)),
                None,
            ] {
                teller.tell(wanted);
                sound.extend(heard(&mut teller, ms));
            }
            let own = 0.08 * (480.0 + 620.0) * std::f32::consts::TAU / 8_000.0 + 0.16 / 40.0;
            assert!(steepest(&sound) < own, "{ms}: {}", steepest(&sound));
        }
    }
}
