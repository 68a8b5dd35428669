//! One direction of a bad network: when each message arrives.

use std::ops::Range;
use std::time::Duration;

use super::chance::Chance;
use super::{Conditions, Jitter, Loss, Rhythm, Stalls};

/// What the chances of a seed are used for; each use has a generator of its own, so that one condition more leaves the
/// moments of the others where they were.
const STALLS: u64 = 1;
const JITTER: u64 = 2;
const LOSS: u64 = 3;
/// Added for the way back, whose jitter and losses are its own.
const BACK: u64 = 16;

/// Repetitions of a packet that can be lost in a row: then it comes through.
const MOST_REPAIRS: u32 = 6;

/// One direction of a network. Moments count from the stream's start.
#[derive(Clone, Debug)]
pub struct Path {
    conditions: Conditions,
    jitter: Chance,
    loss: Chance,
    /// The stalls that are not over yet, the first of them taken out.
    stalls: Option<(Range<Duration>, StallTimes)>,
    /// When the last message arrived.
    last: Duration,
}

impl Path {
    /// Makes the way of a seed.
    #[must_use]
    pub fn new(conditions: &Conditions, seed: u64) -> Path {
        Path::of(conditions, seed, 0)
    }

    /// Makes the way there and the way back: both stall at the same moments, jitter and losses are each way's own.
    #[must_use]
    pub fn pair(conditions: &Conditions, seed: u64) -> [Path; 2] {
        [0, BACK].map(|way| Path::of(conditions, seed, way))
    }

    fn of(conditions: &Conditions, seed: u64, way: u64) -> Path {
        let stalls = StallTimes::new(conditions, seed).and_then(|mut times| {
            let first = times.next()?;
            Some((first, times))
        });
        Path {
            conditions: conditions.clone(),
            jitter: Chance::new(seed, JITTER + way),
            loss: Chance::new(seed, LOSS + way),
            stalls,
            last: Duration::ZERO,
        }
    }

    /// Returns when a message of so many bytes, sent at `sent`, has arrived whole: never before the one before it.
    ///
    /// Messages are told in the order in which they were sent. The bytes are those of the message; what TCP and IP add to
    /// them is left out.
    pub fn arrival(&mut self, sent: Duration, bytes: usize) -> Duration {
        let begun = sent
            .saturating_add(self.conditions.delay)
            .saturating_add(self.jitter(sent))
            .saturating_add(self.loss())
            .max(self.last);
        let busy = self
            .conditions
            .bandwidth
            .map_or(Duration::ZERO, |bandwidth| bandwidth.time_of(bytes));
        self.last = self.carried(begun, busy);
        self.last
    }

    /// Draws by how much a message is late.
    fn jitter(&mut self, sent: Duration) -> Duration {
        match self.conditions.jitter {
            Jitter::None => Duration::ZERO,
            Jitter::Uniform { most } => times(most, self.jitter.uniform()),
            Jitter::Exponential { mean } => times(mean, self.jitter.exponential()),
            Jitter::Normal { deviation } => times(deviation, (3.0 + self.jitter.normal()).max(0.0)),
            Jitter::Pareto { mean, most } => times(mean, self.jitter.pareto()).min(most),
            Jitter::Sawtooth { most, every } => {
                let period = every.length().as_nanos();
                let phase = sent.as_nanos() % period;
                times(most, phase as f64 / period as f64)
            }
        }
    }

    /// Draws what repetitions cost a message.
    fn loss(&mut self) -> Duration {
        let Some(Loss { one_in, repair }) = self.conditions.loss else {
            return Duration::ZERO;
        };
        let lost = (0..MOST_REPAIRS)
            .take_while(|_| self.loss.one_in(one_in.get()))
            .count();
        repair.saturating_mul((1 << lost) - 1)
    }

    /// Returns when the line, free at `from`, is done with work of so long; nothing moves in a stall.
    fn carried(&mut self, from: Duration, mut work: Duration) -> Duration {
        let mut at = from;
        while let Some((stall, times)) = &mut self.stalls {
            // What has nothing left to do at the stall's very beginning has arrived; what would begin there has not.
            if at < stall.start && at.saturating_add(work) <= stall.start {
                break;
            }
            if at < stall.end {
                work = work.saturating_sub(stall.start.saturating_sub(at));
                at = stall.end;
            }
            match times.next() {
                Some(next) => *stall = next,
                None => self.stalls = None,
            }
        }
        at.saturating_add(work)
    }
}

/// Returns so many times as long, to the microsecond below.
fn times(unit: Duration, factor: f64) -> Duration {
    Duration::from_micros((unit.as_micros() as f64 * factor) as u64)
}

/// When a network of a seed stalls: without an end, each after the one before.
#[derive(Clone, Debug)]
pub struct StallTimes {
    stalls: Stalls,
    chance: Chance,
    over: Duration,
}

impl StallTimes {
    /// Returns the stalls of a seed; nothing where there are none.
    #[must_use]
    pub fn new(conditions: &Conditions, seed: u64) -> Option<StallTimes> {
        conditions.stalls.map(|stalls| StallTimes {
            stalls,
            chance: Chance::new(seed, STALLS),
            over: Duration::ZERO,
        })
    }
}

impl Iterator for StallTimes {
    type Item = Range<Duration>;

    fn next(&mut self) -> Option<Range<Duration>> {
        let (calm, lasting) = (self.stalls.calm.length(), self.stalls.lasting.length());
        let (calm, lasting) = match self.stalls.rhythm {
            Rhythm::Regular => (calm, lasting),
            Rhythm::Random => (
                times(calm, self.chance.exponential()),
                times(lasting, 0.5 + self.chance.uniform()),
            ),
        };
        let from = self.over.checked_add(calm)?;
        self.over = from.checked_add(lasting)?;
        Some(from..self.over)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::super::{BitsPerSecond, Period, Preset};
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn stalls(lasting: u64, every: u64, rhythm: Rhythm) -> Option<Stalls> {
        Stalls::new(ms(lasting), ms(every), rhythm)
    }

    /// How late each message is of one every 20 ms, in milliseconds.
    fn lateness(conditions: &Conditions, messages: u64) -> Vec<f64> {
        let mut path = Path::new(conditions, 3);
        let sent = (0..messages).map(|n| ms(20 * n));
        sent.map(|sent| (path.arrival(sent, 384) - sent).as_secs_f64() * 1_000.0)
            .collect()
    }

    #[test]
    fn a_perfect_network_is_no_network() {
        let late = lateness(&Conditions::default(), 1_000);
        assert!(late.iter().all(|late| *late == 0.0));
    }

    #[test]
    fn in_a_stall_nothing_arrives_and_then_everything_at_once() {
        let conditions = Conditions {
            delay: ms(30),
            stalls: stalls(500, 2_000, Rhythm::Regular),
            ..Conditions::default()
        };
        let mut path = Path::new(&conditions, 1);
        let arrived: Vec<u64> = (0..150)
            .map(|n| path.arrival(ms(20 * n), 384).as_millis() as u64)
            .collect();
        // It stalls from 1500 to 2000 ms; what was sent from 1470 ms on would arrive in it.
        assert_eq!(arrived[73], 1_490);
        assert!(arrived[74..=98].iter().all(|at| *at == 2_000));
        assert_eq!(arrived[99], 2_010);
    }

    #[test]
    fn behind_a_stall_a_narrow_line_lets_go_as_fast_as_it_can_and_not_faster() {
        let conditions = Conditions {
            stalls: stalls(500, 2_000, Rhythm::Regular),
            // A message of 400 bytes takes 10 ms.
            bandwidth: BitsPerSecond::new(320_000),
            ..Conditions::default()
        };
        let mut path = Path::new(&conditions, 1);
        let arrived: Vec<u64> = (0..130)
            .map(|n| path.arrival(ms(20 * n), 400).as_millis() as u64)
            .collect();
        assert_eq!(arrived[74..78], [1_490, 2_010, 2_020, 2_030]);
        // Twice as fast as the messages come: after as long again, it has caught up.
        assert_eq!(
            (arrived[124], arrived[125], arrived[126]),
            (2_500, 2_510, 2_530)
        );
        assert_eq!(arrived[129], 2_590);
    }

    #[test]
    fn a_line_too_narrow_for_a_stream_makes_it_later_and_later() {
        let conditions = Conditions {
            // A message of 400 bytes takes 40 ms.
            bandwidth: BitsPerSecond::new(80_000),
            ..Conditions::default()
        };
        let mut path = Path::new(&conditions, 1);
        for n in 0..100 {
            assert_eq!(path.arrival(ms(20 * n), 400), ms(40 * (n + 1)));
        }
    }

    #[test]
    fn a_message_on_its_way_when_it_stalls_goes_on_where_it_was() {
        let conditions = Conditions {
            stalls: stalls(500, 2_000, Rhythm::Regular),
            bandwidth: BitsPerSecond::new(8_000),
            ..Conditions::default()
        };
        let mut path = Path::new(&conditions, 1);
        assert_eq!(path.arrival(ms(1_400), 100), ms(1_500));
        let mut path = Path::new(&conditions, 1);
        assert_eq!(path.arrival(ms(1_400), 300), ms(2_200));
        // Over two stalls: 100 ms before the first, 1500 between them, 400 behind the second.
        let mut path = Path::new(&conditions, 1);
        assert_eq!(path.arrival(ms(1_400), 2_000), ms(4_400));
    }

    #[test]
    fn a_lost_packet_holds_up_those_behind_it() {
        let conditions = Conditions {
            loss: NonZeroU32::new(100).map(|one_in| Loss {
                one_in,
                repair: ms(200),
            }),
            ..Conditions::default()
        };
        let late = lateness(&conditions, 100_000);
        let lost = late
            .windows(2)
            .filter(|w| w[0] == 0.0 && w[1] > 0.0)
            .count();
        assert!(
            (750..1_000).contains(&lost),
            "{lost} of 1000, some in the shadow of others"
        );
        let first = late
            .iter()
            .position(|late| *late > 0.0)
            .expect("one is lost");
        assert_eq!(late[first..first + 4], [200.0, 180.0, 160.0, 140.0]);
        assert!(late.contains(&600.0), "some repetition is lost as well");
    }

    #[test]
    fn jitter_has_the_shape_of_its_name() {
        // Messages so far apart that none waits for another.
        let drawn = |jitter| {
            let conditions = Conditions {
                jitter,
                ..Conditions::default()
            };
            let mut path = Path::new(&conditions, 5);
            let sent = (0..100_000).map(|n| ms(20_007 * n));
            let mut late: Vec<f64> = sent
                .map(|sent| (path.arrival(sent, 1) - sent).as_secs_f64() * 1_000.0)
                .collect();
            let mean = late.iter().sum::<f64>() / late.len() as f64;
            late.sort_by(f64::total_cmp);
            let at = |part: f64| late[(part * late.len() as f64) as usize];
            [mean, at(0.5), at(0.99), late[late.len() - 1]]
        };
        let near = |is: [f64; 4], expected: [f64; 4]| {
            for (is, expected) in is.iter().zip(expected) {
                assert!(
                    (is - expected).abs() < 0.05 * expected,
                    "{is} for {expected}"
                );
            }
        };
        near(
            drawn(Jitter::Uniform { most: ms(40) }),
            [20.0, 20.0, 39.6, 40.0],
        );
        let [mean, half, hundredth, most] = drawn(Jitter::Exponential { mean: ms(10) });
        near([mean, half, hundredth, 1.0], [10.0, 6.93, 46.05, 1.0]);
        assert!(most <= 370.0);
        let [mean, half, hundredth, most] = drawn(Jitter::Normal { deviation: ms(10) });
        near([mean, half, hundredth, 1.0], [30.0, 30.0, 53.26, 1.0]);
        assert!(most <= 90.0);
        let pareto = Jitter::Pareto {
            mean: ms(10),
            most: ms(400),
        };
        let [mean, half, hundredth, most] = drawn(pareto);
        // What is cut off above 400 takes 0.24 from the mean: 10²/(400 + 10).
        near([mean, half, hundredth, most], [9.76, 4.14, 90.0, 400.0]);
        let every = Period::new(ms(1_000)).expect("a period");
        let sawtooth = Jitter::Sawtooth {
            most: ms(200),
            every,
        };
        near(drawn(sawtooth), [99.9, 100.0, 198.0, 199.8]);
    }

    #[test]
    fn random_stalls_are_as_long_and_as_far_apart_as_they_should_be_on_average() {
        let conditions = Conditions {
            stalls: stalls(300, 5_000, Rhythm::Random),
            ..Conditions::default()
        };
        let times = StallTimes::new(&conditions, 11).expect("it stalls");
        let all: Vec<_> = times.take(20_000).collect();
        let lasted: Duration = all.iter().map(|stall| stall.end - stall.start).sum();
        let (lasted, whole) = (lasted.as_secs_f64(), all[19_999].end.as_secs_f64());
        assert!((lasted / 20_000.0 - 0.3).abs() < 0.005, "{lasted}");
        assert!((whole / 20_000.0 - 5.0).abs() < 0.1, "{whole}");
        assert!(all.windows(2).all(|two| two[0].end <= two[1].start));
        let bounds = ms(150)..=ms(450);
        assert!(
            all.iter()
                .all(|stall| bounds.contains(&(stall.end - stall.start)))
        );
    }

    #[test]
    fn there_and_back_stall_together_and_jitter_apart() {
        let conditions = Preset::Train.conditions();
        let [mut there, mut back] = Path::pair(&conditions, 9);
        let mut alone = Path::new(&conditions, 9);
        let sent = |n: u64| ms(20 * n);
        let arrived: Vec<_> = (0..5_000)
            .map(|n| (there.arrival(sent(n), 384), back.arrival(sent(n), 384)))
            .collect();
        assert!((0..5_000).all(|n| alone.arrival(sent(n), 384) == arrived[n as usize].0));
        assert!(arrived.iter().filter(|(a, b)| a == b).count() < 500);
        for stall in StallTimes::new(&conditions, 9).expect("it stalls").take(4) {
            // The end of a stall is the beginning of a heap, both ways.
            assert!(
                arrived
                    .iter()
                    .all(|(a, b)| !stall.contains(a) && !stall.contains(b))
            );
        }
    }

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let moments = |preset: Preset, seed| {
            let mut path = Path::new(&preset.conditions(), seed);
            let all: Vec<u128> = (0..=3_000)
                .map(|n| path.arrival(ms(20 * n), 384).as_micros())
                .collect();
            [all[0], all[1], all[750], all[3_000]]
        };
        assert_eq!(
            moments(Preset::Wifi, 1),
            [13_272, 33_785, 15_018_160, 60_018_744]
        );
        assert_eq!(
            moments(Preset::Train, 1),
            [68_069, 89_001, 15_119_509, 60_680_511]
        );
        assert_eq!(
            moments(Preset::Congested, 2),
            [32_000, 53_250, 15_219_500, 60_272_750]
        );
    }

    fn any_conditions() -> impl Strategy<Value = Conditions> {
        let time = || (0_u64..2_000).prop_map(ms);
        let period = || (1_u64..5_000).prop_map(|n| Period::new(ms(n)).expect("a period"));
        let jitter = prop_oneof![
            Just(Jitter::None),
            time().prop_map(|most| Jitter::Uniform { most }),
            time().prop_map(|mean| Jitter::Exponential { mean }),
            time().prop_map(|deviation| Jitter::Normal { deviation }),
            (time(), time()).prop_map(|(mean, most)| Jitter::Pareto { mean, most }),
            (time(), period()).prop_map(|(most, every)| Jitter::Sawtooth { most, every }),
        ];
        let stalls =
            (1_u64..2_000, 1_u64..5_000, any::<bool>()).prop_map(|(lasting, calm, random)| {
                let rhythm = if random {
                    Rhythm::Random
                } else {
                    Rhythm::Regular
                };
                Stalls::new(ms(lasting), ms(lasting + calm), rhythm)
            });
        let loss = (2_u32..1_000, time()).prop_map(|(one_in, repair)| {
            NonZeroU32::new(one_in).map(|one_in| Loss { one_in, repair })
        });
        let bandwidth = prop_oneof![Just(None), (1_u64..1_000_000).prop_map(BitsPerSecond::new)];
        (time(), jitter, stalls, loss, bandwidth, any::<u8>()).prop_map(
            |(delay, jitter, stalls, loss, bandwidth, with)| Conditions {
                delay,
                jitter,
                stalls: stalls.filter(|_| with & 1 == 0),
                loss: loss.filter(|_| with & 2 == 0),
                bandwidth,
                ..Conditions::default()
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_overtakes_nothing_is_early_nothing_arrives_in_a_stall_and_the_seed_is_all_there_is(
            conditions in any_conditions(),
            seed in any::<u64>(),
            gaps in prop::collection::vec((0_u64..500, 0_usize..2_000), 1..200),
        ) {
            let [mut path, _] = Path::pair(&conditions, seed);
            let mut again = Path::new(&conditions, seed);
            let (mut sent, mut last) = (Duration::ZERO, Duration::ZERO);
            let mut arrived = Vec::new();
            for (gap, bytes) in gaps {
                sent += ms(gap);
                let at = path.arrival(sent, bytes);
                prop_assert_eq!(at, again.arrival(sent, bytes));
                let busy = conditions.bandwidth.map_or(Duration::ZERO, |b| b.time_of(bytes));
                prop_assert!(at >= last + busy, "the line carries one after the other");
                prop_assert!(at >= sent + conditions.delay + busy);
                last = at;
                arrived.push(at);
            }
            for stall in StallTimes::new(&conditions, seed).into_iter().flatten() {
                if stall.start > last {
                    break;
                }
                // At its very beginning a message may be done.
                let inside = |at: &Duration| stall.contains(at) && (*at > stall.start || conditions.bandwidth.is_none());
                prop_assert!(!arrived.iter().any(inside));
            }
        }

        #[test]
        fn what_is_late_is_late_within_bounds(
            seed in any::<u64>(),
            preset in prop::sample::select(Preset::ALL.to_vec()),
        ) {
            let mut path = Path::new(&preset.conditions(), seed);
            for n in 0..3_000 {
                let late = path.arrival(ms(20 * n), 384) - ms(20 * n);
                prop_assert!(late < Duration::from_secs(60), "{}: {late:?}", preset.name());
            }
        }
    }
}
