//! Behaviours of the timeline. Every sample tells when it really sounded, so that its place can be held against that.

use proptest::prelude::*;

use super::*;

/// Values tell moments modulo so many samples, 1 at least, so that 0 is silence.
const CYCLE: f64 = 16_384.0;

/// What is said in a pause.
const SECRET: i16 = 30_000;

/// One end that speaks all the time, on a clock of its own.
struct Speaker {
    end: End,
    /// Samples of this clock in so many of true time.
    pace: f64,
    /// The true moment of its next sample, in samples of true time.
    at: f64,
}

impl Speaker {
    fn new(end: End, ppm: f64) -> Speaker {
        Speaker {
            end,
            pace: 1.0 - ppm / 1e6,
            at: 0.0,
        }
    }

    /// Says so many samples, and tells their moment `late_ms` too late.
    fn say(&mut self, timeline: &mut Timeline, count: usize, late_ms: f64) {
        let samples: Vec<i16> = (0..count)
            .map(|n| ((self.at + n as f64 * self.pace).rem_euclid(CYCLE) + 1.0) as i16)
            .collect();
        timeline.push(self.end, moment(self.at + late_ms * 8.0), &samples);
        self.at += count as f64 * self.pace;
    }
}

fn moment(samples: f64) -> Time {
    Time::from_micros((samples * 125.0).max(0.0) as u64)
}

/// Returns how far the samples of a frame are off at most, in samples, and how many are not silent.
fn off(sound: &[i16], begin: u64) -> (f64, usize) {
    let mut worst = 0.0_f64;
    let mut heard = 0;
    for (n, value) in sound.iter().enumerate() {
        let place = (begin + n as u64) as f64;
        let into = place.rem_euclid(CYCLE);
        // Where values begin anew, what lies between two of them says nothing.
        if *value == 0 || !(400.0..CYCLE - 400.0).contains(&into) {
            continue;
        }
        heard += 1;
        worst = worst.max((f64::from(*value) - 1.0 - into).abs());
    }
    (worst, heard)
}

#[test]
fn an_hour_of_two_clocks_that_run_apart_stays_within_seven_milliseconds() {
    let mut timeline = Timeline::new(Time::START);
    let mut near = Speaker::new(End::Near, 120.0);
    let mut far = Speaker::new(End::Far, -150.0);
    let (mut made, mut worst, mut heard) = (0, [0.0_f64; 2], [0_usize; 2]);
    for tick in 1..=180_000_u64 {
        let now = tick as f64 * 160.0;
        while near.at + 160.0 < now {
            near.say(&mut timeline, 160, 0.0);
        }
        while far.at + 85.0 < now {
            // Every third callback is told a little late.
            far.say(&mut timeline, 85, if tick % 3 == 0 { 2.0 } else { 0.0 });
        }
        while let Some(frame) = timeline.next(moment(now)) {
            for end in 0..2 {
                let (off, count) = off(&frame[end], made);
                worst[end] = worst[end].max(off);
                heard[end] += count;
            }
            made += FRAME_LEN as u64;
        }
    }
    assert!(worst.iter().all(|off| *off <= 56.0), "{worst:?} samples");
    let hour = 3_600.0 * 8_000.0 * (1.0 - 800.0 / CYCLE);
    for heard in heard {
        assert!((heard as f64 / hour - 1.0).abs() < 0.001, "{heard}");
    }
    assert_eq!(timeline.lost(), [Lost::default(); 2]);
}

#[test]
fn an_end_that_begins_late_or_has_a_gap_is_silent_meanwhile_and_nothing_else_moves() {
    let mut timeline = Timeline::new(Time::START);
    let mut near = Speaker::new(End::Near, 0.0);
    let mut far = Speaker::new(End::Far, 0.0);
    far.at = 8_000.0 * 1.3;
    let mut silent = [0; 2];
    let mut made = 0;
    for tick in 1..=500_u64 {
        let now = tick as f64 * 160.0;
        while near.at + 160.0 < now {
            near.say(&mut timeline, 160, 0.0);
        }
        while far.at + 80.0 < now {
            far.say(&mut timeline, 80, 0.0);
        }
        if tick == 200 {
            // Seven tenths of a second that never come.
            near.at += 5_600.0;
        }
        while let Some(frame) = timeline.next(moment(now)) {
            for end in 0..2 {
                assert!(off(&frame[end], made).0 <= 2.0, "{end} at {made}");
                silent[end] += frame[end].iter().filter(|value| **value == 0).count();
            }
            made += FRAME_LEN as u64;
        }
    }
    assert_eq!(silent, [5_600, 10_400]);
}

#[test]
fn pieces_that_were_read_late_and_at_once_lie_where_they_were_said() {
    let mut timeline = Timeline::new(Time::START);
    let mut near = Speaker::new(End::Near, 0.0);
    let (mut made, mut heard) = (0, 0);
    for tick in 1..=400_u64 {
        let now = tick as f64 * 160.0;
        // A thread that gets no processor for 200 ms, now and then.
        if tick % 50 >= 10 || tick < 50 {
            while near.at + 160.0 < now {
                let late_ms = (now - near.at - 320.0).max(0.0) / 8.0;
                near.say(&mut timeline, 160, late_ms);
            }
        }
        while let Some(frame) = timeline.next(moment(now)) {
            let (off, count) = off(&frame[0], made);
            assert!(off <= 42.0, "{off} at {made}");
            heard += count;
            made += FRAME_LEN as u64;
        }
    }
    let all = made as f64 * (1.0 - 800.0 / CYCLE);
    assert!(heard as f64 > all * 0.98, "{heard} of {all}");
    assert_eq!(timeline.lost(), [Lost::default(); 2]);
}

#[test]
fn moments_that_waver_by_three_milliseconds_change_no_sample() {
    let mut timeline = Timeline::new(Time::START);
    let mut far = Speaker::new(End::Far, 0.0);
    let (mut made, mut seed) = (0, 1_u32);
    let mut before = None;
    for tick in 1..=1_000_u64 {
        let now = tick as f64 * 160.0;
        while far.at + 80.0 < now {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let wavers_ms = f64::from(seed >> 16) / 65_536.0 * 6.0 - 3.0;
            far.say(
                &mut timeline,
                80,
                if far.at < 800.0 { 0.0 } else { wavers_ms },
            );
        }
        while let Some(frame) = timeline.next(moment(now)) {
            for value in frame[1] {
                // Each is one more than the one before, or begins anew.
                let follows = before.is_none_or(|before| value == before + 1 || value == 1);
                assert!(follows || value == 0, "{before:?}, {value} at {made}");
                before = (value != 0).then_some(value);
            }
            made += FRAME_LEN as u64;
        }
    }
    assert!(before.is_some_and(|value| value > 1));
}

#[test]
fn one_moment_that_is_nonsense_moves_nothing() {
    for nonsense_ms in [-400.0, 900.0, 100_000.0] {
        let mut timeline = Timeline::new(Time::START);
        let mut near = Speaker::new(End::Near, 0.0);
        let mut made = 0;
        for tick in 1..=200_u64 {
            let now = tick as f64 * 160.0;
            while near.at + 160.0 < now {
                let is_odd = tick == 100;
                near.say(&mut timeline, 160, if is_odd { nonsense_ms } else { 0.0 });
            }
            while let Some(frame) = timeline.next(moment(now)) {
                let (off, count) = off(&frame[0], made);
                assert!(off <= 2.0, "{nonsense_ms}: {off} at {made}");
                assert!(
                    count + 20 >= FRAME_LEN
                        || (made as f64 % CYCLE) > 15_700.0
                        || made as f64 % CYCLE < 600.0
                );
                made += FRAME_LEN as u64;
            }
        }
    }
}

#[test]
fn what_comes_after_its_frame_was_made_is_counted_and_moves_nothing() {
    let mut timeline = Timeline::new(Time::START);
    let mut near = Speaker::new(End::Near, 0.0);
    near.say(&mut timeline, 800, 0.0);
    while timeline.next(Time::from_millis(1_000)).is_some() {}
    // 700 ms were made, of which the first 100 had come.
    near.say(&mut timeline, 7_200, 0.0);
    let mut made = 700 * 8;
    let mut heard = 0;
    while let Some(frame) = timeline.next(Time::from_millis(1_500)) {
        let (off, count) = off(&frame[0], made);
        assert!(off <= 1.0, "{off}");
        heard += count;
        made += FRAME_LEN as u64;
    }
    assert_eq!(heard, 300 * 8);
    assert_eq!(timeline.lost()[0].late, 600 * 8);
}

#[test]
fn moments_far_ahead_take_no_more_memory_than_ten_seconds() {
    let mut timeline = Timeline::new(Time::START);
    for _ in 0..30 {
        timeline.push(End::Far, Time::from_millis(900_000), &[1; 8_000]);
    }
    assert!(timeline.ends[1].waiting.len() <= MOST_WAITING);
    assert_eq!(timeline.lost()[1].ahead, 20 * 8_000);
}

/// What happens to one end or to both.
#[derive(Clone, Debug)]
enum Act {
    /// So many samples are said by each end, in pieces of this length.
    Say(u16, u8),
    /// One end is silent for so long: nothing comes.
    Gap(bool, u16),
    /// So many samples are said in a pause.
    Pause(u16),
}

fn any_acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        5 => (1..8_000_u16, 1..=255_u8).prop_map(|(count, piece)| Act::Say(count, piece)),
        2 => (any::<bool>(), 1..9_000_u16).prop_map(|(end, count)| Act::Gap(end, count)),
        1 => (1..5_000_u16).prop_map(Act::Pause),
    ];
    prop::collection::vec(act, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_both_ends_stay_in_time_and_a_pause_keeps_its_secret(
        acts in any_acts(),
        near_ppm in -300.0..300.0_f64,
        far_ppm in -300.0..300.0_f64,
    ) {
        let mut timeline = Timeline::new(Time::START);
        let mut ends = [Speaker::new(End::Near, near_ppm), Speaker::new(End::Far, far_ppm)];
        let mut now = 0.0_f64;
        let (mut made, mut paused) = (0_u64, 0.0_f64);
        let mut check = |frame: Frame, paused: f64| {
            for sound in &frame {
                for (n, value) in sound.iter().enumerate() {
                    assert!(*value < 20_000, "what was said in a pause is kept");
                    let into = ((made + n as u64) as f64 + paused).rem_euclid(CYCLE);
                    if *value == 0 || !(400.0..CYCLE - 400.0).contains(&into) {
                        continue;
                    }
                    let off = (f64::from(*value) - 1.0 - into).abs();
                    assert!(off <= 160.0, "{off} samples off at {made}");
                }
            }
            made += FRAME_LEN as u64;
            made
        };
        let mut reached = 0;
        for act in acts {
            match act {
                Act::Say(count, piece) => {
                    let until = now + f64::from(count);
                    for end in &mut ends {
                        end.at = end.at.max(now);
                        while end.at + f64::from(piece) * end.pace <= until {
                            end.say(&mut timeline, usize::from(piece), 0.0);
                        }
                    }
                    now = until;
                    while let Some(frame) = timeline.next(moment(now)) {
                        reached = check(frame, paused);
                    }
                }
                Act::Gap(end, count) => {
                    let end = &mut ends[usize::from(end)];
                    end.at = end.at.max(now) + f64::from(count);
                }
                Act::Pause(count) => {
                    while let Some(frame) = timeline.next_at_end(moment(now)) {
                        reached = check(frame, paused);
                    }
                    timeline.clear();
                    // It goes on in the middle of a piece that began in the pause.
                    let goes_on = now + f64::from(count);
                    timeline.resume(moment(goes_on));
                    for end in [End::Near, End::Far] {
                        timeline.push(end, moment(now), &vec![SECRET; usize::from(count)]);
                    }
                    now = goes_on;
                    for end in &mut ends {
                        end.at = end.at.max(now);
                    }
                    paused = now - reached as f64;
                }
            }
        }
        prop_assert!(reached as f64 <= now);
    }
}
