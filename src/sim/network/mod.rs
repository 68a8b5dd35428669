//! Bad networks, from a seed: what jitter, stalls, lost packets and a narrow line do to a stream of messages over TCP.
//!
//! Over TCP nothing is lost and nothing overtakes: all that a network can do is be late, and let what it held back come in
//! a heap. A [`Path`] says when each message arrives, a [`Trace`] does so for a whole stream of sound in no time. Nothing
//! here has a clock, and the same conditions and seed mean the same moments on every machine and in every version.
//!
//! Read [`Conditions`] and [`Path::arrival`] first.

mod chance;
mod path;
mod preset;
mod text;
mod trace;

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

pub use path::{Path, StallTimes};
pub use preset::Preset;
pub use trace::{Frame, Hush, MEDIA_BYTES, Trace, Turns};

/// A network between the simulated carrier and a server. The default is a perfect one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Network {
    /// What it is like.
    pub conditions: Conditions,
    /// What all its chances come from. The second stream of a call has the next seed, and so on.
    pub seed: u64,
    /// Which of its ways is bad.
    pub way: Way,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            conditions: Conditions::default(),
            seed: 1,
            way: Way::Both,
        }
    }
}

/// Which way a network is bad; the far side's clock and silence are its own in any case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// Both ways.
    Both,
    /// From the carrier to the server.
    ToServer,
    /// From the server to the carrier, and so to the caller.
    ToCaller,
}

impl Way {
    /// Every one of them.
    pub const ALL: [Way; 3] = [Way::Both, Way::ToServer, Way::ToCaller];

    /// Returns its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Way::Both => "both",
            Way::ToServer => "to-server",
            Way::ToCaller => "to-caller",
        }
    }
}

/// What a network, and the far side behind it, is like. The default is a perfect one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    /// What every message takes at least, one way.
    pub delay: Duration,
    /// What each message takes on top.
    pub jitter: Jitter,
    /// While nothing arrives at all.
    pub stalls: Option<Stalls>,
    /// Packets that are lost and sent again.
    pub loss: Option<Loss>,
    /// How much the line carries; without one, anything in no time.
    pub bandwidth: Option<BitsPerSecond>,
    /// How much the far side's clock runs too fast, for what it sends and for what it plays.
    pub drift: Ppm,
    /// Whether the far side sends nothing while it has nothing but silence.
    pub quiet: Option<Quiet>,
}

impl Conditions {
    /// Says whether messages arrive as they were sent, whatever the far side does.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        self.delay.is_zero()
            && self.jitter == Jitter::None
            && self.stalls.is_none()
            && self.loss.is_none()
            && self.bandwidth.is_none()
    }
}

/// How much later than at the least each message is. Whatever a message is late by, those behind it wait for it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Evenly, by anything up to `most`.
    Uniform {
        /// The most.
        most: Duration,
    },
    /// By an exponential distribution: mostly little, now and then much.
    Exponential {
        /// The mean.
        mean: Duration,
    },
    /// By a normal distribution around three deviations, cut off at 0; never more than nine deviations.
    Normal {
        /// The deviation.
        deviation: Duration,
    },
    /// By a Pareto distribution of shape 2 that begins at 0: one message in a hundred is later than nine times the mean.
    Pareto {
        /// The mean, if nothing were cut off.
        mean: Duration,
        /// Where it is cut off.
        most: Duration,
    },
    /// By what a buffer holds that somebody else fills and empties: it rises evenly from 0 to `most` in each period.
    Sawtooth {
        /// The most, at the end of a period.
        most: Duration,
        /// The period.
        every: Period,
    },
}

/// A period, which is never nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Period(NonZeroU64);

impl Period {
    /// Returns a period, to the microsecond; nothing where it is shorter.
    #[must_use]
    pub fn new(length: Duration) -> Option<Period> {
        let micros = u64::try_from(length.as_micros()).ok()?;
        NonZeroU64::new(micros).map(Period)
    }

    /// Returns its length.
    #[must_use]
    pub fn length(self) -> Duration {
        Duration::from_micros(self.0.get())
    }
}

/// While nothing arrives at all; then what was held back arrives at once, or as fast as the line carries it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stalls {
    calm: Period,
    lasting: Period,
    rhythm: Rhythm,
}

/// When stalls come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rhythm {
    /// Each as long as every other, and as long after the one before.
    Regular,
    /// After a time of an exponential distribution, and lasting from half as long to half as long again.
    Random,
}

impl Stalls {
    /// Returns stalls of so long in every such time; nothing where no time is left in between.
    #[must_use]
    pub fn new(lasting: Duration, every: Duration, rhythm: Rhythm) -> Option<Stalls> {
        Some(Stalls {
            calm: Period::new(every.checked_sub(lasting)?)?,
            lasting: Period::new(lasting)?,
            rhythm,
        })
    }

    /// Returns how long one lasts, on average.
    #[must_use]
    pub fn lasting(&self) -> Duration {
        self.lasting.length()
    }

    /// Returns the time from the beginning of one to the beginning of the next, on average.
    #[must_use]
    pub fn every(&self) -> Duration {
        self.calm.length() + self.lasting.length()
    }

    /// Returns when they come.
    #[must_use]
    pub fn rhythm(&self) -> Rhythm {
        self.rhythm
    }
}

/// Messages of which a packet is lost and sent again; those behind it wait for it, as TCP has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loss {
    /// One message in so many, on average.
    pub one_in: NonZeroU32,
    /// What the first repetition costs: a round trip or more, and 200 ms where the sender's timer has to notice. Each that
    /// is lost as well costs twice as much as the one before (RFC 6298, section 5.5).
    pub repair: Duration,
}

/// How much a line carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BitsPerSecond(NonZeroU64);

impl BitsPerSecond {
    /// Returns a bandwidth; nothing for a line that carries nothing.
    #[must_use]
    pub fn new(bits: u64) -> Option<BitsPerSecond> {
        NonZeroU64::new(bits).map(BitsPerSecond)
    }

    /// Returns the bits.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0.get()
    }

    /// Returns how long the line is busy with so many bytes.
    fn time_of(self, bytes: usize) -> Duration {
        let nanos = bytes as u128 * 8 * 1_000_000_000 / u128::from(self.bits());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// How much a clock runs too fast, in millionths; too slow where it is negative.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ppm(i32);

impl Ppm {
    /// The most: one in a hundred. The clocks of sound cards and telephone networks are within 100 ppm.
    pub const MOST: i32 = 10_000;

    /// Returns a drift; nothing beyond [`Ppm::MOST`].
    #[must_use]
    pub fn new(ppm: i32) -> Option<Ppm> {
        (-Ppm::MOST..=Ppm::MOST).contains(&ppm).then_some(Ppm(ppm))
    }

    /// Returns the millionths.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }

    /// Returns what the drifting clock shows after a true time.
    #[must_use]
    pub fn shown(self, truly: Duration) -> Duration {
        scaled(truly, self.speed(), 1_000_000)
    }

    /// Returns the true time after which the drifting clock shows something.
    #[must_use]
    pub fn truly(self, shown: Duration) -> Duration {
        scaled(shown, 1_000_000, self.speed())
    }

    fn speed(self) -> u128 {
        u128::from(1_000_000_u32.saturating_add_signed(self.0))
    }
}

fn scaled(time: Duration, by: u128, of: u128) -> Duration {
    // Rounded up, so that a clock that is waited for shows what it was waited for.
    let nanos = (time.as_nanos() * by).div_ceil(of);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// That the far side sends no media while its caller is silent; positions jump over what was not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quiet {
    /// How long silence is still sent before the sending stops.
    pub after: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_not_made() {
        let ms = Duration::from_millis;
        assert_eq!(Stalls::new(ms(500), ms(500), Rhythm::Regular), None);
        assert_eq!(Stalls::new(ms(500), ms(400), Rhythm::Random), None);
        assert_eq!(Stalls::new(ms(0), ms(400), Rhythm::Regular), None);
        assert_eq!(Period::new(Duration::from_nanos(999)), None);
        assert_eq!(BitsPerSecond::new(0), None);
        assert_eq!(Ppm::new(-10_001), None);
    }

    #[test]
    fn a_clock_that_is_fast_shows_more_than_the_truth() {
        let fast = Ppm::new(100).expect("in range");
        let day = Duration::from_secs(86_400);
        assert_eq!(fast.shown(day) - day, Duration::from_micros(8_640_000));
        assert_eq!(fast.truly(fast.shown(day)), day);
        let slow = Ppm::new(-100).expect("in range");
        assert_eq!(day - slow.shown(day), Duration::from_micros(8_640_000));
        assert_eq!(Ppm::default().truly(day), day);
    }
}
