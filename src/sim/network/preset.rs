//! Networks by name. They imitate what such networks are said to do; none is a recording of one.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{BitsPerSecond, Conditions, Jitter, Loss, Period, Rhythm, Stalls};

/// A network by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Preset {
    /// A cable: half a millisecond of jitter on a few milliseconds.
    Wired,
    /// A busy flat: short repetitions on the air, and now and then a tenth of a second in which somebody else has it.
    Wifi,
    /// A radio that leaves its channel to look for others, a quarter of a second in every fifteen.
    WifiScan,
    /// A telephone network in a town: the delay sways, and a change of cell costs some hundred milliseconds.
    Mobile,
    /// The same from a moving train: a heavy tail, many repetitions, and seconds without a network.
    Train,
    /// A line that somebody else fills: its buffer swells by a quarter of a second every four, and drops a packet at times.
    Congested,
    /// A satellite far out: long, steady, and a repetition costs more than half a second.
    Satellite,
}

impl Preset {
    /// Every one of them.
    pub const ALL: [Preset; 7] = [
        Preset::Wired,
        Preset::Wifi,
        Preset::WifiScan,
        Preset::Mobile,
        Preset::Train,
        Preset::Congested,
        Preset::Satellite,
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Preset::Wired => "wired",
            Preset::Wifi => "wifi",
            Preset::WifiScan => "wifi-scan",
            Preset::Mobile => "mobile",
            Preset::Train => "train",
            Preset::Congested => "congested",
            Preset::Satellite => "satellite",
        }
    }

    /// Finds one by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// Returns what it is made of.
    #[must_use]
    pub fn conditions(self) -> Conditions {
        let ms = Duration::from_millis;
        let stalls = |lasting, every, rhythm| Stalls::new(ms(lasting), ms(every), rhythm);
        let loss = |one_in, repair| {
            NonZeroU32::new(one_in).map(|one_in| Loss {
                one_in,
                repair: ms(repair),
            })
        };
        match self {
            Preset::Wired => Conditions {
                delay: ms(8),
                jitter: Jitter::Exponential {
                    mean: Duration::from_micros(500),
                },
                ..Conditions::default()
            },
            Preset::Wifi => Conditions {
                delay: ms(12),
                jitter: Jitter::Exponential { mean: ms(4) },
                stalls: stalls(120, 8_000, Rhythm::Random),
                loss: loss(1_000, 80),
                ..Conditions::default()
            },
            Preset::WifiScan => Conditions {
                delay: ms(12),
                jitter: Jitter::Exponential { mean: ms(2) },
                stalls: stalls(250, 15_000, Rhythm::Regular),
                ..Conditions::default()
            },
            Preset::Mobile => Conditions {
                delay: ms(45),
                jitter: Jitter::Normal { deviation: ms(8) },
                stalls: stalls(350, 20_000, Rhythm::Random),
                loss: loss(500, 250),
                ..Conditions::default()
            },
            Preset::Train => Conditions {
                delay: ms(60),
                jitter: Jitter::Pareto {
                    mean: ms(12),
                    most: ms(800),
                },
                stalls: stalls(1_500, 20_000, Rhythm::Random),
                loss: loss(150, 300),
                bandwidth: BitsPerSecond::new(512_000),
                ..Conditions::default()
            },
            Preset::Congested => Conditions {
                delay: ms(20),
                jitter: Period::new(ms(4_000)).map_or(Jitter::None, |every| Jitter::Sawtooth {
                    most: ms(250),
                    every,
                }),
                loss: loss(200, 250),
                bandwidth: BitsPerSecond::new(256_000),
                ..Conditions::default()
            },
            Preset::Satellite => Conditions {
                delay: ms(280),
                jitter: Jitter::Exponential { mean: ms(5) },
                loss: loss(2_000, 600),
                ..Conditions::default()
            },
        }
    }
}
