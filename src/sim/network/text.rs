//! A network as it stands on a command line: `wifi,drift=100,seed=7` or `jitter=40,stall=200/5000`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use super::{
    BitsPerSecond, Conditions, Jitter, Loss, Network, Period, Ppm, Preset, Quiet, Rhythm, Stalls,
    Way,
};

/// The longest of all times, in milliseconds.
const MOST_MS: f64 = 60_000.0;

/// How long silence is still sent where nothing else is said: as long as a pause between two words.
const QUIET_AFTER: Duration = Duration::from_millis(200);

const FORMS: &str = "jitter is MS, uniform:MS, exponential:MEAN, normal:DEVIATION, pareto:MEAN/MOST, \
                     sawtooth:MOST/PERIOD or none, in milliseconds";

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let mut network = Network::default();
        for (index, word) in text.split(',').map(str::trim).enumerate() {
            if let Some((key, value)) = word.split_once('=') {
                network.set(key, value)?;
            } else if word == "quiet" {
                network.conditions.quiet = Some(Quiet { after: QUIET_AFTER });
            } else if let Some(preset) = Preset::parse(word) {
                if index > 0 {
                    return Err(format!(
                        "`{word}` stands first; what comes behind it changes it"
                    ));
                }
                network.conditions = preset.conditions();
            } else {
                let names = Preset::ALL.map(Preset::name).join(", ");
                return Err(format!(
                    "`{word}` is neither a network ({names}) nor NAME=VALUE"
                ));
            }
        }
        Ok(network)
    }
}

impl Network {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let conditions = &mut self.conditions;
        let is_none = value == "none";
        match key {
            "delay" => conditions.delay = time(value)?,
            "jitter" => conditions.jitter = jitter(value)?,
            "stall" if is_none => conditions.stalls = None,
            "stall" => conditions.stalls = Some(stalls(value)?),
            "loss" if is_none => conditions.loss = None,
            "loss" => conditions.loss = Some(loss(value)?),
            "bandwidth" if is_none => conditions.bandwidth = None,
            "bandwidth" => {
                let bits = value.parse().ok().and_then(BitsPerSecond::new);
                conditions.bandwidth = Some(bits.ok_or("bandwidth is in bits per second")?);
            }
            "drift" => {
                let ppm = value.parse().ok().and_then(Ppm::new);
                conditions.drift = ppm.ok_or_else(|| {
                    format!("drift is in millionths, {} at most either way", Ppm::MOST)
                })?;
            }
            "quiet" if is_none => conditions.quiet = None,
            "quiet" => {
                conditions.quiet = Some(Quiet {
                    after: time(value)?,
                });
            }
            "seed" => self.seed = value.parse().map_err(|_| "a seed is a whole number")?,
            "way" => {
                let way = Way::ALL.into_iter().find(|way| way.name() == value);
                self.way = way.ok_or("way is both, to-server or to-caller")?;
            }
            _ => {
                return Err(format!(
                    "`{key}` is none of delay, jitter, stall, loss, bandwidth, drift, quiet, seed, way"
                ));
            }
        }
        Ok(())
    }
}

/// Reads milliseconds, to the microsecond.
fn time(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(ms) if (0.0..=MOST_MS).contains(&ms) => {
            Ok(Duration::from_micros((ms * 1_000.0).round() as u64))
        }
        Ok(_) | Err(_) => Err(format!(
            "`{text}` is no time in milliseconds from 0 to {MOST_MS}"
        )),
    }
}

fn two(text: &str) -> Option<(&str, &str)> {
    text.split_once('/')
}

fn jitter(text: &str) -> Result<Jitter, String> {
    let (kind, value) = text.split_once(':').unwrap_or(("uniform", text));
    let pair = || two(value).ok_or(FORMS);
    match kind {
        _ if text == "none" => Ok(Jitter::None),
        "uniform" => time(value).map(|most| Jitter::Uniform { most }),
        "exponential" => time(value).map(|mean| Jitter::Exponential { mean }),
        "normal" => time(value).map(|deviation| Jitter::Normal { deviation }),
        "pareto" => {
            let (mean, most) = pair()?;
            Ok(Jitter::Pareto {
                mean: time(mean)?,
                most: time(most)?,
            })
        }
        "sawtooth" => {
            let (most, every) = pair()?;
            Ok(Jitter::Sawtooth {
                most: time(most)?,
                every: Period::new(time(every)?).ok_or("a period of nothing is none")?,
            })
        }
        _ => Err(FORMS.to_owned()),
    }
}

fn stalls(text: &str) -> Result<Stalls, String> {
    let (rhythm, value) = match text.strip_prefix("random:") {
        Some(value) => (Rhythm::Random, value),
        None => (Rhythm::Regular, text),
    };
    let (lasting, every) =
        two(value).ok_or("stall is LASTING/EVERY or random:LASTING/EVERY, in milliseconds")?;
    Stalls::new(time(lasting)?, time(every)?, rhythm)
        .ok_or_else(|| "a stall is longer than nothing and shorter than its period".to_owned())
}

fn loss(text: &str) -> Result<Loss, String> {
    let form = "loss is ONE_IN/REPAIR: one message in so many, repaired after so many milliseconds";
    let (one_in, repair) = two(text).ok_or(form)?;
    let one_in = one_in.parse::<NonZeroU32>().map_err(|_| form)?;
    Ok(Loss {
        one_in,
        repair: time(repair)?,
    })
}

/// Writes it as it can be read again, a preset as what it is made of.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_micros() as f64 / 1_000.0;
        let Conditions {
            delay,
            jitter,
            stalls,
            loss,
            bandwidth,
            drift,
            quiet,
        } = &self.conditions;
        if !delay.is_zero() {
            write!(f, "delay={},", ms(*delay))?;
        }
        match jitter {
            Jitter::None => {}
            Jitter::Uniform { most } => write!(f, "jitter={},", ms(*most))?,
            Jitter::Exponential { mean } => write!(f, "jitter=exponential:{},", ms(*mean))?,
            Jitter::Normal { deviation } => write!(f, "jitter=normal:{},", ms(*deviation))?,
            Jitter::Pareto { mean, most } => {
                write!(f, "jitter=pareto:{}/{},", ms(*mean), ms(*most))?;
            }
            Jitter::Sawtooth { most, every } => {
                write!(f, "jitter=sawtooth:{}/{},", ms(*most), ms(every.length()))?;
            }
        }
        if let Some(stalls) = stalls {
            let random = match stalls.rhythm() {
                Rhythm::Regular => "",
                Rhythm::Random => "random:",
            };
            let (lasting, every) = (ms(stalls.lasting()), ms(stalls.every()));
            write!(f, "stall={random}{lasting}/{every},")?;
        }
        if let Some(Loss { one_in, repair }) = loss {
            write!(f, "loss={one_in}/{},", ms(*repair))?;
        }
        if let Some(bandwidth) = bandwidth {
            write!(f, "bandwidth={},", bandwidth.bits())?;
        }
        if drift.get() != 0 {
            write!(f, "drift={},", drift.get())?;
        }
        if let Some(Quiet { after }) = quiet {
            write!(f, "quiet={},", ms(*after))?;
        }
        if self.way != Way::Both {
            write!(f, "way={},", self.way.name())?;
        }
        write!(f, "seed={}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Network {
        text.parse().expect(text)
    }

    #[test]
    fn a_network_is_put_together_from_its_conditions() {
        let ms = Duration::from_millis;
        let network = read(
            "jitter=40,stall=200/5000,drift=-100,bandwidth=64000,delay=0.5,quiet,seed=7,way=to-caller",
        );
        assert_eq!(
            network,
            Network {
                conditions: Conditions {
                    delay: Duration::from_micros(500),
                    jitter: Jitter::Uniform { most: ms(40) },
                    stalls: Stalls::new(ms(200), ms(5_000), Rhythm::Regular),
                    loss: None,
                    bandwidth: BitsPerSecond::new(64_000),
                    drift: Ppm::new(-100).expect("in range"),
                    quiet: Some(Quiet { after: ms(200) }),
                },
                seed: 7,
                way: Way::ToCaller,
            }
        );
    }

    #[test]
    fn a_network_by_name_can_be_changed_behind_its_name() {
        let network = read("train, stall=none, bandwidth=none, loss=20/250, jitter=none, quiet=0");
        let changed = Conditions {
            jitter: Jitter::None,
            stalls: None,
            bandwidth: None,
            loss: NonZeroU32::new(20).map(|one_in| Loss {
                one_in,
                repair: Duration::from_millis(250),
            }),
            quiet: Some(Quiet {
                after: Duration::ZERO,
            }),
            ..Preset::Train.conditions()
        };
        assert_eq!(network.conditions, changed);
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let names = Preset::ALL.map(Preset::name);
        let others = [
            "jitter=sawtooth:100/3000,quiet=100",
            "jitter=normal:7.25",
            "jitter=uniform:3,way=to-server,drift=60",
            "seed=18446744073709551615",
        ];
        for text in names.iter().chain(&others) {
            let network = read(text);
            assert_eq!(read(&network.to_string()), network, "{network}");
        }
        assert_eq!(
            read("wifi,seed=3").to_string(),
            "delay=12,jitter=exponential:4,stall=random:120/8000,loss=1000/80,seed=3"
        );
    }

    #[test]
    fn what_cannot_be_is_told_with_what_could_be() {
        for (text, told) in [
            ("", "neither a network"),
            ("wi-fi", "wifi"),
            ("drift=1,wifi", "stands first"),
            ("jiter=3", "none of delay, jitter"),
            ("delay=-1", "from 0 to 60000"),
            ("delay=NaN", "no time"),
            ("delay=60001", "no time"),
            ("jitter=gauss:3", "normal:DEVIATION"),
            ("jitter=pareto:3", "pareto:MEAN/MOST"),
            ("jitter=sawtooth:3/0", "a period"),
            ("stall=200", "LASTING/EVERY"),
            ("stall=500/500", "shorter than its period"),
            ("loss=0/200", "ONE_IN/REPAIR"),
            ("bandwidth=0", "bits per second"),
            ("drift=10001", "10000 at most"),
            ("seed=x", "whole number"),
            ("way=up", "to-server"),
            ("quiet=soon", "no time"),
        ] {
            let why = text.parse::<Network>().expect_err(text);
            assert!(why.contains(told), "{text}: {why}");
        }
    }
}
