//! Call progress tones: which frequencies, in which cadence, in which country; the bell; the warning beep.
//!
//! Cadences and frequencies are those of ITU-T E.180 Supplement 2 (01/94), "Various tones used in national networks".

use super::DeviceRate;
use crate::pure::ids::PhoneNumber;

/// A country, or a group of them, whose tones we know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Country {
    /// The United States, Canada and the rest of +1.
    #[default]
    NorthAmerica,
    /// The United Kingdom.
    UnitedKingdom,
    /// Ireland.
    Ireland,
    /// France.
    France,
    /// Germany.
    Germany,
    /// Austria.
    Austria,
    /// Switzerland.
    Switzerland,
    /// Belgium.
    Belgium,
    /// The Netherlands.
    Netherlands,
    /// Italy.
    Italy,
    /// Spain.
    Spain,
    /// Portugal.
    Portugal,
    /// Sweden.
    Sweden,
    /// Australia.
    Australia,
    /// New Zealand.
    NewZealand,
    /// Japan.
    Japan,
}

/// Every country, with its ISO 3166 code and the prefix of its numbers.
const COUNTRIES: [(Country, &str, &str); 16] = [
    (Country::NorthAmerica, "US", "+1"),
    (Country::UnitedKingdom, "GB", "+44"),
    (Country::Ireland, "IE", "+353"),
    (Country::France, "FR", "+33"),
    (Country::Germany, "DE", "+49"),
    (Country::Austria, "AT", "+43"),
    (Country::Switzerland, "CH", "+41"),
    (Country::Belgium, "BE", "+32"),
    (Country::Netherlands, "NL", "+31"),
    (Country::Italy, "IT", "+39"),
    (Country::Spain, "ES", "+34"),
    (Country::Portugal, "PT", "+351"),
    (Country::Sweden, "SE", "+46"),
    (Country::Australia, "AU", "+61"),
    (Country::NewZealand, "NZ", "+64"),
    (Country::Japan, "JP", "+81"),
];

impl Country {
    /// Reads an ISO 3166 code, such as `US`, `CA` or `fr`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Country> {
        if code.eq_ignore_ascii_case("CA") {
            return Some(Country::NorthAmerica);
        }
        let found = COUNTRIES
            .iter()
            .find(|(_, iso, _)| code.eq_ignore_ascii_case(iso))?;
        Some(found.0)
    }

    /// Returns the codes that [`Country::parse`] knows.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        COUNTRIES.iter().map(|(_, iso, _)| *iso).chain(["CA"])
    }

    /// Returns the country of a number; that of one which we do not know is North America.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Country {
        COUNTRIES
            .iter()
            .find(|(_, _, prefix)| number.as_str().starts_with(prefix))
            .map_or(Country::NorthAmerica, |(country, _, _)| *country)
    }

    /// Returns a small number that stands for the country; [`Country::from_index`] turns it back.
    #[must_use]
    pub fn index(self) -> u8 {
        COUNTRIES
            .iter()
            .position(|(country, _, _)| *country == self)
            .map_or(0, |index| index as u8)
    }

    /// Returns the country of a number that [`Country::index`] gave.
    #[must_use]
    pub fn from_index(index: u8) -> Option<Country> {
        COUNTRIES
            .get(usize::from(index))
            .map(|(country, _, _)| *country)
    }

    /// Returns what a caller hears while it rings.
    fn ringback(self) -> Pattern {
        let (low, high, beat) = match self {
            Country::NorthAmerica => (440.0, 480.0, [2000, 4000, 0, 0]),
            Country::UnitedKingdom | Country::Ireland | Country::NewZealand => {
                (400.0, 450.0, [400, 200, 400, 2000])
            }
            Country::Australia => (400.0, 425.0, [400, 200, 400, 2000]),
            Country::France => (440.0, 0.0, [1500, 3500, 0, 0]),
            Country::Germany | Country::Netherlands | Country::Italy | Country::Switzerland => {
                (425.0, 0.0, [1000, 4000, 0, 0])
            }
            Country::Austria => (420.0, 0.0, [1000, 5000, 0, 0]),
            Country::Belgium => (425.0, 0.0, [1000, 3000, 0, 0]),
            Country::Spain => (425.0, 0.0, [1500, 3000, 0, 0]),
            Country::Portugal | Country::Sweden => (425.0, 0.0, [1000, 5000, 0, 0]),
            Country::Japan => (384.0, 416.0, [1000, 2000, 0, 0]),
        };
        Pattern { low, high, beat }
    }
}

/// Two frequencies in Hz (the second may be 0: none), and a cadence: on, off, on, off, in ms.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    low: f64,
    high: f64,
    beat: [u32; 4],
}

/// The loudness of each frequency: together about -19 dBFS.
const LEVEL: f32 = 0.08;

/// How long a tone takes to come and to go, in ms, so that it does not click.
const RAMP_MS: u32 = 5;

/// A tone that goes on for ever in its cadence.
#[derive(Clone, Debug)]
pub struct Tone {
    pattern: Pattern,
    rate: f64,
    level: f32,
    // Samples since the cadence began anew.
    at: u64,
    phase: [f64; 2],
}

impl Tone {
    /// What a caller hears while it rings, in a country's cadence.
    #[must_use]
    pub fn ringback(country: Country, rate: DeviceRate) -> Tone {
        Tone::new(country.ringback(), LEVEL, rate)
    }

    /// The bell: two notes a third apart, in a country's cadence, louder than what is on the line.
    #[must_use]
    pub fn bell(country: Country, rate: DeviceRate) -> Tone {
        // A5 and C sharp 6: a major third that small speakers carry well.
        Tone::new(
            Pattern {
                low: 880.0,
                high: 1108.73,
                ..country.ringback()
            },
            2.0 * LEVEL,
            rate,
        )
    }

    fn new(pattern: Pattern, level: f32, rate: DeviceRate) -> Tone {
        Tone {
            pattern,
            rate: f64::from(rate.hz()),
            level,
            at: 0,
            phase: [0.0; 2],
        }
    }

    /// Adds the tone to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            *sample += self.next();
        }
    }

    fn next(&mut self) -> f32 {
        let samples = |ms: u32| (f64::from(ms) * self.rate / 1000.0) as u64;
        let cadence = self.pattern.beat.map(samples);
        let ramp = samples(RAMP_MS).max(1);
        let mut into = self.at;
        let mut gain = 0.0;
        for (n, length) in cadence.into_iter().enumerate() {
            if into < length {
                if n % 2 == 0 {
                    gain = (into.min(length - 1 - into) as f32 / ramp as f32).min(1.0);
                }
                break;
            }
            into -= length;
        }
        self.at = (self.at + 1) % cadence.iter().sum::<u64>().max(1);
        if gain == 0.0 {
            // Each beat begins at the same place of the wave.
            self.phase = [0.0; 2];
            return 0.0;
        }
        let mut sum = 0.0;
        for (phase, hz) in self
            .phase
            .iter_mut()
            .zip([self.pattern.low, self.pattern.high])
        {
            sum += phase.sin();
            *phase = (*phase + std::f64::consts::TAU * hz / self.rate) % std::f64::consts::TAU;
        }
        sum as f32 * self.level * gain
    }
}

/// One short warning beep: 1,400 Hz for 200 ms.
#[derive(Clone, Debug)]
pub struct Beep {
    rate: f64,
    left: u32,
    length: u32,
}

impl Beep {
    /// A beep that has not begun.
    #[must_use]
    pub fn new(rate: DeviceRate) -> Beep {
        Beep {
            rate: f64::from(rate.hz()),
            left: 0,
            length: rate.hz() / 5,
        }
    }

    /// Begins, or begins anew.
    pub fn start(&mut self) {
        self.left = self.length;
    }

    /// Adds what is left of the beep to a block.
    pub fn add_to(&mut self, block: &mut [f32]) {
        for sample in block {
            if self.left == 0 {
                return;
            }
            let at = self.length - self.left;
            let ramp = (self.rate / 1000.0) as f32 * RAMP_MS as f32;
            let gain = (at.min(self.left) as f32 / ramp).min(1.0);
            let phase = std::f64::consts::TAU * 1_400.0 * f64::from(at) / self.rate;
            *sample += phase.sin() as f32 * 1.5 * LEVEL * gain;
            self.left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten_seconds(mut tone: Tone) -> Vec<f32> {
        let mut sound = vec![0.0; 80_000];
        for block in sound.chunks_mut(77) {
            tone.add_to(block);
        }
        sound
    }

    fn line() -> DeviceRate {
        DeviceRate::new(8_000).expect("a rate")
    }

    /// The stretches of 50 ms with sound, run together: begin and end in units of 50 ms.
    fn stretches(sound: &[f32]) -> Vec<(usize, usize)> {
        let loud: Vec<bool> = sound
            .chunks(400)
            .map(|chunk| chunk.iter().any(|sample| sample.abs() > 0.01))
            .collect();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (n, _) in loud.iter().enumerate().filter(|(_, loud)| **loud) {
            match found.last_mut() {
                Some(last) if last.1 == n => last.1 = n + 1,
                Some(_) | None => found.push((n, n + 1)),
            }
        }
        found
    }

    #[test]
    fn north_america_rings_two_seconds_in_six() {
        assert_eq!(
            stretches(&ten_seconds(Tone::ringback(Country::NorthAmerica, line()))),
            [(0, 40), (120, 160)]
        );
    }

    #[test]
    fn the_united_kingdom_rings_twice_in_three_seconds() {
        let sound = ten_seconds(Tone::ringback(Country::UnitedKingdom, line()));
        assert_eq!(
            stretches(&sound)[..4],
            [(0, 8), (12, 20), (60, 68), (72, 80)]
        );
    }

    #[test]
    fn every_country_has_a_tone_that_neither_clips_nor_clicks() {
        for (country, _, _) in COUNTRIES {
            for tone in [Tone::ringback(country, line()), Tone::bell(country, line())] {
                let sound = ten_seconds(tone);
                let peak = sound
                    .iter()
                    .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
                assert!((0.05..0.5).contains(&peak), "{country:?}: {peak}");
                let step = sound
                    .windows(2)
                    .map(|pair| (pair[1] - pair[0]).abs())
                    .fold(0.0, f32::max);
                assert!(step < 0.3, "{country:?}: {step}");
            }
        }
    }

    #[test]
    fn a_country_is_known_by_code_and_by_number() {
        assert_eq!(Country::parse("ca"), Some(Country::NorthAmerica));
        assert_eq!(Country::parse("FR"), Some(Country::France));
        assert_eq!(Country::parse("XX"), None);
        for (country, _, _) in COUNTRIES {
            assert_eq!(Country::from_index(country.index()), Some(country));
        }
        for code in Country::codes() {
            assert!(Country::parse(code).is_some(), "{code}");
        }
        let number = |text| PhoneNumber::parse(text).expect("valid");
        assert_eq!(
            Country::of_number(&number("+353123456789")),
            Country::Ireland
        );
        assert_eq!(
            Country::of_number(&number("+351123456789")),
            Country::Portugal
        );
        assert_eq!(
            Country::of_number(&number("+15145550100")),
            Country::NorthAmerica
        );
        assert_eq!(
            Country::of_number(&number("+999123456789")),
            Country::NorthAmerica
        );
    }

    #[test]
    fn a_beep_sounds_once() {
        let mut beep = Beep::new(line());
        let mut sound = vec![0.0; 8_000];
        beep.add_to(&mut sound);
        assert!(sound.iter().all(|sample| *sample == 0.0));
        beep.start();
        beep.add_to(&mut sound);
        assert_eq!(stretches(&sound), [(0, 4)]);
        let mut after = vec![0.0; 800];
        beep.add_to(&mut after);
        assert!(after.iter().all(|sample| *sample == 0.0));
    }
}
