//! Which tone sounds how in which country: one table, and nothing else.
//!
//! Frequencies and cadences are those of ITU-T E.180 Supplement 2, "Various tones used in national networks" (01/94, and
//! the ITU's list of 2003 that goes on from it), with what national documents say more exactly: BT SIN 350 for the United
//! Kingdom, ACIF S002 for Australia, Telecom's TNA 102 for New Zealand, Telcordia GR-506 for North America's confirmation
//! tone. Two that the list leaves open are filled in: France's and Japan's congestion tone (in France E.180's own cadence of
//! congestion at the national frequency; in Japan the busy tone, which the network uses for both).
//!
//! They are taken from lists that quote these documents. Least certain are Ireland's congestion and call-waiting tones and
//! Portugal's call-waiting tone, which such lists have differently or not at all.
//!
//! Where a number that is not in use has no tone of the country's own it is the special information tone of ITU-T E.180,
//! section 6: three rising notes of 330 ms, and a second of silence.

use super::{Country, Progress};

/// A beat: one or two frequencies in Hz (0: none) for so many ms, so loud.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beat {
    pub(super) hz: [f64; 2],
    pub(super) ms: u32,
    /// 1, or less where the country has every other beat softer.
    pub(super) level: f32,
}

/// A tone's beats, and how often they are gone through: 0 is for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cadence {
    pub(super) beats: &'static [Beat],
    pub(super) times: u32,
}

const fn on(hz: f64, ms: u32) -> Beat {
    two(hz, 0.0, ms)
}

const fn two(low: f64, high: f64, ms: u32) -> Beat {
    Beat {
        hz: [low, high],
        ms,
        level: 1.0,
    }
}

const fn soft(hz: f64, ms: u32) -> Beat {
    Beat {
        hz: [hz, 0.0],
        ms,
        // 10 dB down.
        level: 0.316_227_77,
    }
}

const fn off(ms: u32) -> Beat {
    on(0.0, ms)
}

/// Beats that go on for ever.
macro_rules! ever {
    ($($beat:expr),* $(,)?) => {
        Cadence { beats: const { &[$($beat),*] }, times: 0 }
    };
}

/// One frequency or two, without a pause.
macro_rules! continuous {
    ($low:expr) => {
        ever![on($low, 1_000)]
    };
    ($low:expr, $high:expr) => {
        ever![two($low, $high, 1_000)]
    };
}

/// One frequency or two, as long on as off.
macro_rules! even {
    ($low:expr, $ms:expr) => {
        ever![on($low, $ms), off($ms)]
    };
    ($low:expr, $high:expr, $ms:expr) => {
        ever![two($low, $high, $ms), off($ms)]
    };
}

/// Three notes of so many ms, with gaps between them, and a pause.
macro_rules! special {
    ($first:expr, $second:expr, $third:expr) => {
        ever![
            on($first, 330),
            on($second, 330),
            on($third, 330),
            off(1_000)
        ]
    };
    ($first:expr, $second:expr, $third:expr, $ms:expr, $gap:expr, $pause:expr) => {
        ever![
            on($first, $ms),
            off($gap),
            on($second, $ms),
            off($gap),
            on($third, $ms),
            off($pause),
        ]
    };
}

/// Looks up what a caller hears while it rings, which every country has.
pub(super) fn ringback(country: Country) -> Cadence {
    use Country as C;
    match country {
        C::NorthAmerica => ever![two(440.0, 480.0, 2_000), off(4_000)],
        C::UnitedKingdom | C::Ireland | C::NewZealand => ever![
            two(400.0, 450.0, 400),
            off(200),
            two(400.0, 450.0, 400),
            off(2_000),
        ],
        C::Australia => ever![
            two(400.0, 425.0, 400),
            off(200),
            two(400.0, 425.0, 400),
            off(2_000),
        ],
        C::France => ever![on(440.0, 1_500), off(3_500)],
        C::Germany | C::Netherlands | C::Italy | C::Switzerland => {
            ever![on(425.0, 1_000), off(4_000)]
        }
        C::Austria => ever![on(420.0, 1_000), off(5_000)],
        C::Belgium => ever![on(425.0, 1_000), off(3_000)],
        C::Spain => ever![on(425.0, 1_500), off(3_000)],
        C::Portugal | C::Sweden => ever![on(425.0, 1_000), off(5_000)],
        // 400 Hz, modulated with 16 Hz.
        C::Japan => ever![two(384.0, 416.0, 1_000), off(2_000)],
    }
}

/// Looks a tone up; nothing where the country has none of the kind.
#[expect(clippy::too_many_lines, reason = "a table is as long as what it lists")]
pub(super) fn cadence(tone: Progress, country: Country) -> Option<Cadence> {
    use Country as C;
    Some(match tone {
        Progress::Ringback => ringback(country),
        Progress::Dial => match country {
            C::NorthAmerica | C::UnitedKingdom => continuous!(350.0, 440.0),
            C::France => continuous!(440.0),
            C::Austria => continuous!(420.0),
            C::Italy => ever![on(425.0, 200), off(200), on(425.0, 600), off(1_000)],
            C::Australia => continuous!(413.0, 438.0),
            C::NewZealand | C::Japan => continuous!(400.0),
            C::Ireland
            | C::Germany
            | C::Switzerland
            | C::Belgium
            | C::Netherlands
            | C::Spain
            | C::Portugal
            | C::Sweden => continuous!(425.0),
        },
        Progress::Busy => match country {
            C::NorthAmerica => even!(480.0, 620.0, 500),
            C::UnitedKingdom => even!(400.0, 375),
            C::France => even!(440.0, 500),
            C::Germany => even!(425.0, 480),
            C::Austria => even!(420.0, 400),
            C::Spain => even!(425.0, 200),
            C::Sweden => even!(425.0, 250),
            C::Australia => even!(425.0, 375),
            C::NewZealand | C::Japan => even!(400.0, 500),
            C::Ireland | C::Switzerland | C::Belgium | C::Netherlands | C::Italy | C::Portugal => {
                even!(425.0, 500)
            }
        },
        Progress::Congestion => match country {
            C::NorthAmerica => even!(480.0, 620.0, 250),
            C::UnitedKingdom => ever![on(400.0, 400), off(350), on(400.0, 225), off(525)],
            C::France => even!(440.0, 250),
            C::Germany => even!(425.0, 240),
            C::Austria => even!(420.0, 200),
            C::Belgium => even!(425.0, 167),
            C::Netherlands => even!(425.0, 250),
            C::Spain => ever![
                on(425.0, 200),
                off(200),
                on(425.0, 200),
                off(200),
                on(425.0, 200),
                off(600),
            ],
            C::Sweden => ever![on(425.0, 250), off(750)],
            C::Australia => ever![on(425.0, 375), off(375), soft(425.0, 375), off(375)],
            C::NewZealand => even!(400.0, 250),
            C::Japan => even!(400.0, 500),
            C::Ireland | C::Switzerland | C::Italy | C::Portugal => even!(425.0, 200),
        },
        Progress::Unobtainable => match country {
            C::UnitedKingdom => continuous!(400.0),
            C::Australia => ever![on(425.0, 2_500), off(500)],
            C::NewZealand => ever![
                on(400.0, 75),
                off(100),
                on(400.0, 75),
                off(100),
                on(400.0, 75),
                off(100),
                on(400.0, 75),
                off(400),
            ],
            C::Austria => special!(950.0, 1_450.0, 1_850.0),
            C::Belgium => special!(900.0, 1_400.0, 1_800.0),
            C::Sweden => special!(950.0, 1_400.0, 1_800.0, 332, 24, 2_024),
            C::NorthAmerica
            | C::Ireland
            | C::France
            | C::Germany
            | C::Switzerland
            | C::Netherlands
            | C::Italy
            | C::Spain
            | C::Portugal
            | C::Japan => special!(950.0, 1_400.0, 1_800.0),
        },
        Progress::CallWaiting => match country {
            C::NorthAmerica => ever![on(440.0, 300), off(10_000)],
            C::UnitedKingdom => ever![on(400.0, 100), off(4_000)],
            C::Ireland => ever![on(425.0, 180), off(200), on(425.0, 200), off(4_500)],
            C::France => ever![on(440.0, 300), off(10_000)],
            C::Germany | C::Portugal => {
                ever![on(425.0, 200), off(200), on(425.0, 200), off(5_000)]
            }
            C::Austria => ever![on(420.0, 40), off(1_960)],
            C::Switzerland => ever![on(425.0, 200), off(200), on(425.0, 200), off(4_000)],
            C::Belgium => ever![on(1_400.0, 175), off(175), on(1_400.0, 175), off(3_500)],
            C::Netherlands => ever![on(425.0, 500), off(9_500)],
            C::Italy => ever![
                on(425.0, 400),
                off(100),
                on(425.0, 250),
                off(100),
                on(425.0, 150),
                off(14_000),
            ],
            C::Spain => ever![on(425.0, 175), off(175), on(425.0, 175), off(3_500)],
            C::Sweden => ever![on(425.0, 200), off(500), on(425.0, 200), off(9_100)],
            C::Australia => ever![on(425.0, 200), off(200), on(425.0, 200), off(4_400)],
            C::NewZealand => Cadence {
                beats: const { &[on(400.0, 200), off(3_000)] },
                times: 4,
            },
            // 400 Hz, modulated with 16 Hz.
            C::Japan => ever![two(384.0, 416.0, 500), off(8_000)],
        },
        Progress::Confirmation => match country {
            C::NorthAmerica => Cadence {
                beats: const { &[two(350.0, 440.0, 100), off(100)] },
                times: 3,
            },
            C::UnitedKingdom => continuous!(1_400.0),
            C::Australia => continuous!(425.0),
            C::Ireland
            | C::France
            | C::Germany
            | C::Austria
            | C::Switzerland
            | C::Belgium
            | C::Netherlands
            | C::Italy
            | C::Spain
            | C::Portugal
            | C::Sweden
            | C::NewZealand
            | C::Japan => return None,
        },
    })
}
