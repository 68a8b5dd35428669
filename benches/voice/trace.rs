//! Networks to listen through: for each frame of a sound, when it could have come and when it came.
//!
//! The networks are the simulator's ([`offhook::sim::network`]): a name, a seed and conditions, and everything else follows.
//! Over TCP nothing is lost and nothing overtakes, so what a network does is lateness. Read [`all`] first.

use std::time::Duration;

use offhook::pure::audio::{FRAME_LEN, g711};
use offhook::sim::network::{Conditions, Jitter, Ppm, Preset, Quiet, Rhythm, Stalls};

/// The least that a message takes, in ms, where a preset does not say. Not 0, since a frame that comes at the very moment of
/// a callback is a race in real life.
const LEAST_MS: u64 = 3;

/// A gap between arrivals that counts as a stall, beyond what lay between the sendings, in ms.
const STALL_MS: f64 = 80.0;

/// How long a carrier still sends silence before it stops, in ms.
const HANGOVER_MS: u64 = 100;

/// A frame no louder than this is silence: -50 dBFS of 32,768.
const QUIET: f64 = 103.6;

/// One frame on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Its first sample's position in the sound.
    pub(crate) at: usize,
    /// When it would have come at the earliest, in ms: lateness and delay count from here.
    pub(crate) due_ms: f64,
    /// When it came, in ms.
    pub(crate) came_ms: f64,
}

/// One network.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// Its name, in tables and in the names of files.
    pub(crate) name: &'static str,
    /// What it does, for people.
    pub(crate) what: &'static str,
    /// How often the sound is played one after the other.
    pub(crate) rounds: usize,
    seed: u64,
    conditions: Conditions,
    /// So many frames come together, with the last of them.
    together: usize,
}

/// Returns the networks of the report, in its order.
pub(crate) fn all() -> Vec<Trace> {
    let uniform = |most| Conditions {
        jitter: Jitter::Uniform { most: ms(most) },
        ..Conditions::default()
    };
    let stalls = |lasting, every| Conditions {
        stalls: Stalls::new(ms(lasting), ms(every), Rhythm::Regular),
        ..Conditions::default()
    };
    let drift = |ppm| Conditions {
        drift: Ppm::new(ppm).unwrap_or_default(),
        ..Conditions::default()
    };
    let quiet = Some(Quiet {
        after: ms(HANGOVER_MS),
    });
    let steady = Conditions::default();
    let exponential = Conditions {
        jitter: Jitter::Exponential { mean: ms(10) },
        ..Conditions::default()
    };
    let normal = Conditions {
        jitter: Jitter::Normal { deviation: ms(10) },
        ..Conditions::default()
    };
    let both = Conditions {
        jitter: uniform(20).jitter,
        ..stalls(200, 5_000)
    };
    let hushed = |conditions| Conditions {
        quiet,
        ..conditions
    };
    let networks = [
        ("steady", "every frame on time", steady.clone()),
        ("jitter-20", "lateness of 0 to 20 ms, uniform", uniform(20)),
        ("jitter-40", "lateness of 0 to 40 ms, uniform", uniform(40)),
        ("jitter-60", "lateness of 0 to 60 ms, uniform", uniform(60)),
        (
            "exponential-10",
            "lateness of mean 10 ms, exponential",
            exponential,
        ),
        (
            "normal-10",
            "lateness of deviation 10 ms around 30 ms, normal",
            normal,
        ),
        (
            "stall-200",
            "nothing for 200 ms every 5 s, then all at once",
            stalls(200, 5_000),
        ),
        (
            "stall-500",
            "nothing for 500 ms every 10 s, then all at once",
            stalls(500, 10_000),
        ),
        (
            "stall-2000",
            "nothing for 2 s every 15 s, then all at once",
            stalls(2_000, 15_000),
        ),
        ("stall-200-jitter-20", "both", both),
        (
            "bursts-3",
            "three frames together every 60 ms",
            steady.clone(),
        ),
        (
            "silence-unsent",
            "nothing is sent while the caller is silent; timestamps jump",
            hushed(steady),
        ),
        (
            "silence-unsent-jitter-20",
            "the same, with jitter-20",
            hushed(uniform(20)),
        ),
        (
            "drift+200",
            "the carrier's clock 200 ppm fast, for three minutes",
            drift(200),
        ),
        (
            "drift-200",
            "the carrier's clock 200 ppm slow, for three minutes",
            drift(-200),
        ),
        (
            "wifi",
            "like a busy flat: short repetitions, 60 to 180 ms away every 8 s or so",
            Preset::Wifi.conditions(),
        ),
        (
            "wifi-scan",
            "like a radio that scans: 250 ms away every 15 s",
            Preset::WifiScan.conditions(),
        ),
        (
            "mobile",
            "like a town: swaying delay, repetitions of 250 ms, changes of cell",
            Preset::Mobile.conditions(),
        ),
        (
            "train",
            "like a moving train: a heavy tail, many repetitions, seconds away",
            Preset::Train.conditions(),
        ),
        (
            "congested",
            "like a line that somebody else fills: up to 250 ms more, every 4 s",
            Preset::Congested.conditions(),
        ),
    ];
    networks
        .into_iter()
        .zip(1..)
        .map(|((name, what, conditions), seed)| Trace {
            name,
            what,
            rounds: if name.starts_with("drift") { 3 } else { 1 },
            seed,
            conditions,
            together: if name == "bursts-3" { 3 } else { 1 },
        })
        .collect()
}

impl Trace {
    /// Returns how the frames of a sound come through this network.
    pub(crate) fn arrivals(&self, sound: &[u8]) -> Vec<Arrival> {
        let mut conditions = self.conditions.clone();
        conditions.delay = conditions.delay.max(ms(LEAST_MS));
        let spoken = sound.chunks_exact(FRAME_LEN).map(is_sound);
        let mut arrivals: Vec<Arrival> =
            offhook::sim::network::Trace::over(&conditions, self.seed, spoken)
                .map(|frame| Arrival {
                    at: frame.position as usize,
                    due_ms: in_ms(frame.sent + conditions.delay),
                    came_ms: in_ms(frame.arrived),
                })
                .collect();
        for group in arrivals.chunks_mut(self.together) {
            let last = group.last().map_or(0.0, |last| last.came_ms);
            for arrival in group {
                arrival.came_ms = last;
            }
        }
        arrivals
    }
}

/// Returns the stalls among arrivals: when the last frame before came, and when the next one came, in ms.
pub(crate) fn stalls_in(arrivals: &[Arrival]) -> Vec<(f64, f64)> {
    arrivals
        .windows(2)
        .filter(|pair| {
            let waited = pair[1].came_ms - pair[0].came_ms;
            waited - (pair[1].due_ms - pair[0].due_ms) >= STALL_MS
        })
        .map(|pair| (pair[0].came_ms, pair[1].came_ms))
        .collect()
}

fn is_sound(frame: &[u8]) -> bool {
    let power: f64 = frame
        .iter()
        .map(|code| f64::from(g711::decode(*code)).powi(2))
        .sum();
    (power / frame.len() as f64).sqrt() > QUIET
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn in_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
