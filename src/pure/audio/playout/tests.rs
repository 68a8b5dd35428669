//! How the playout buffer fares with streams of every kind, in simulated time.

use std::f32::consts::TAU;
use std::ops::Range;

use proptest::prelude::*;

use super::conceal::LOUDEST_NOISE;
use super::*;

/// Samples of the line in a pull of 10 ms.
const PULL: usize = 80;

/// What became of a stream in simulated time.
struct Run {
    buffer: PlayoutBuffer,
    heard: Vec<f32>,
    /// For each pull that began with the stream's own sound: when it was, and when that sound came, in ms.
    delays: Vec<(f64, f64)>,
    /// The same, from where it belongs in the stream.
    from_place: Vec<(f64, f64)>,
    /// What was counted by the end of each second.
    seconds: Vec<Counts>,
}

impl Run {
    /// `arrivals` holds, for each frame of `sound`, the moment in ms at which it comes.
    fn new(sound: &[f32], arrivals: &[f64]) -> Run {
        Run::with_pulls(sound, arrivals, PULL)
    }

    fn with_pulls(sound: &[f32], arrivals: &[f64], pull: usize) -> Run {
        Run::of(&frames(sound, arrivals), arrivals, pull)
    }

    /// Plays frames, each at the moment in ms at which it comes, until half a second after the last.
    fn of(frames: &[DownFrame], arrivals: &[f64], pull: usize) -> Run {
        Run::with_standstill(frames, arrivals, pull, 0.0..0.0)
    }

    /// The same with a speaker that asks for nothing for a while.
    fn with_standstill(
        frames: &[DownFrame],
        arrivals: &[f64],
        pull: usize,
        still: Range<f64>,
    ) -> Run {
        Run::in_buffer(PlayoutBuffer::default(), frames, arrivals, pull, still)
    }

    fn in_buffer(
        buffer: PlayoutBuffer,
        frames: &[DownFrame],
        arrivals: &[f64],
        pull: usize,
        still: Range<f64>,
    ) -> Run {
        let mut run = Run {
            buffer,
            heard: Vec::new(),
            delays: Vec::new(),
            from_place: Vec::new(),
            seconds: Vec::new(),
        };
        let mut due = frames.iter().zip(arrivals).peekable();
        let end = arrivals[frames.len() - 1] + 500.0;
        let mut now = 0.0;
        while now < end {
            if still.contains(&now) {
                now = still.end;
            }
            while let Some((frame, _)) = due.next_if(|(_, came)| **came <= now) {
                run.buffer.push(frame);
            }
            let mut block = vec![0.0; pull];
            if let Some(came) = run.buffer.pull(&mut block) {
                run.delays.push((now, now - came.micros() as f64 / 1000.0));
                run.from_place.push((now, now - place(&run.buffer, pull)));
            }
            run.heard.extend(block);
            now += pull as f64 / 8.0;
            if now > 1000.0 * (run.seconds.len() + 1) as f64 {
                run.seconds.push(run.buffer.counts());
            }
        }
        run
    }

    /// The delays from a moment on, in ms, until another.
    fn delays(&self, from: f64, to: f64) -> Vec<f64> {
        let span = self.delays.iter().filter(|(at, _)| (from..to).contains(at));
        span.map(|(_, delay)| *delay).collect()
    }

    /// When the delay last was more than 20 ms above what it was before a stall, in ms after the stall's end.
    fn back_after(&self, stall: f64, length: f64) -> f64 {
        let before = mean(&self.delays(stall - 500.0, stall));
        let late = self
            .delays
            .iter()
            .rfind(|(at, delay)| *at > stall && *delay > before + 20.0);
        late.map_or(0.0, |(at, _)| at - stall - length)
    }
}

/// Where in the stream a pull of so many samples has begun, in ms.
fn place(buffer: &PlayoutBuffer, pull: usize) -> f64 {
    let next = buffer.expected.unwrap_or(0) as f64 - buffer.depth() as f64;
    (next - pull as f64) / 8.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn frame(at: u64, pcm: &[f32], came_ms: f64) -> DownFrame {
    let mut ulaw = [0xff; FRAME_LEN];
    g711::encode_slice(pcm, &mut ulaw[..pcm.len()]);
    DownFrame {
        at,
        len: pcm.len() as u8,
        ulaw,
        arrived: Time::from_micros((came_ms * 1000.0) as u64),
    }
}

/// The frames of a sound, each with the moment in ms at which it comes.
fn frames(sound: &[f32], arrivals: &[f64]) -> Vec<DownFrame> {
    sound
        .chunks_exact(FRAME_LEN)
        .zip(arrivals)
        .enumerate()
        .map(|(n, (pcm, came))| frame((n * FRAME_LEN) as u64, pcm, *came))
        .collect()
}

/// A voice that never pauses: the harmonics of 120 Hz, louder and softer four times a second.
fn voice(seconds: usize) -> Vec<f32> {
    (0..seconds * 8_000)
        .map(|n| {
            let t = n as f32 / 8_000.0;
            let sum: f32 = (1..=20)
                .map(|k| (TAU * 120.0 * k as f32 * t).sin() / k as f32)
                .sum();
            0.15 * sum * (1.0 + 0.5 * (TAU * 4.0 * t).sin())
        })
        .collect()
}

/// The same with a pause of 300 ms in every two seconds, in which there is a little noise.
fn speech(seconds: usize) -> Vec<f32> {
    let mut chance = 1_u32;
    let mut voice = voice(seconds);
    for (n, sample) in voice.iter_mut().enumerate() {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = ((chance >> 16) as f32 / 65_536.0 - 0.5) * 0.002;
        *sample = if n % 16_000 < 2_400 {
            noise
        } else {
            *sample + noise
        };
    }
    voice
}

fn punctual(frames: usize) -> Vec<f64> {
    (0..frames).map(|n| n as f64 * 20.0 + 3.0).collect()
}

/// Frames that are each late by a chance of their own, in order all the same.
fn jittery(frames: usize, most: f64) -> Vec<f64> {
    let mut chance = 7_u64;
    let mut last = 0.0_f64;
    punctual(frames)
        .into_iter()
        .map(|at| {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let late = (chance >> 40) as f64 / f64::from(1_u32 << 24) * most;
            last = last.max(at + late);
            last
        })
        .collect()
}

fn stall(arrivals: &mut [f64], at: f64, length: f64) {
    for arrival in arrivals {
        if (at..at + length).contains(arrival) {
            *arrival = at + length;
        }
    }
}

fn largest_step(sound: &[f32]) -> f32 {
    let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    steps.fold(0.0, f32::max)
}

/// The sound as the line carries it.
fn carried(sound: &[f32]) -> Vec<f32> {
    let carry = |sample: &f32| g711::decode_f32(g711::encode_f32(*sample));
    sound.iter().map(carry).collect()
}

#[test]
fn a_punctual_stream_plays_whole_and_soon() {
    let sound = voice(10);
    let run = Run::new(&sound, &punctual(500));
    let delays = run.delays(0.0, 10_000.0);
    // A frame waits 7 ms for the next pull here, and 10 ms are for the one that will be late.
    assert!(delays.iter().all(|delay| (17.0..17.2).contains(delay)));
    let counts = run.buffer.counts();
    assert_eq!(counts.underruns + counts.concealed, 0);
    assert_eq!(counts.shortened + counts.lengthened + counts.shed, 0);
    // The stream's own samples, untouched after a short fade.
    let began = 160;
    let heard = &run.heard[began + FADE..][..9 * 8_000];
    assert_eq!(heard, &carried(&sound)[FADE..][..9 * 8_000]);
}

#[test]
fn whatever_a_callback_holds_the_delay_is_at_most_a_frame_and_a_callback() {
    for pull in [33, 40, 80, 160] {
        let run = Run::with_pulls(&voice(20), &punctual(1_000), pull);
        let delay = mean(&run.delays(2_000.0, 20_000.0));
        assert!(
            delay < 20.0 + (pull as f64 / 8.0).max(10.0),
            "{pull}: {delay}"
        );
        assert_eq!(run.buffer.counts().concealed, 0, "{pull}");
    }
}

#[test]
fn after_a_second_jitter_makes_no_hole_and_the_delay_is_what_it_needs() {
    for most in [5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0] {
        let arrivals = jittery(1_500, most);
        // The delay is counted from when a frame left here, not from when it came.
        let run = Run::new(&speech(30), &arrivals);
        let (first, last) = (run.seconds[0], run.buffer.counts());
        assert_eq!(last.concealed, first.concealed, "{most} ms");
        // Who knew the future would wait for the latest frame, and for the pull that sees it.
        let late = arrivals.iter().zip(punctual(1_500));
        let latest = late.map(|(came, left)| came - left).fold(0.0, f64::max);
        let oracle = latest + 10.0;
        let worst = run
            .delays(2_000.0, 30_000.0)
            .into_iter()
            .fold(0.0, f64::max);
        assert!(worst < oracle + 20.0, "{most} ms: {worst} for {oracle}");
    }
}

#[test]
fn when_the_jitter_is_gone_its_delay_is_too() {
    let mut arrivals = jittery(500, 50.0);
    arrivals.extend(punctual(1_500).into_iter().skip(500));
    let run = Run::new(&speech(30), &arrivals);
    let delays = run.delays(24_000.0, 30_000.0);
    assert!(
        delays.iter().all(|delay| *delay < 20.0),
        "{}",
        mean(&delays)
    );
}

#[test]
fn a_stall_is_made_up_in_continuous_speech_at_the_same_pitch_and_without_a_click() {
    let sound = voice(20);
    for (length, within) in [(200.0, 800.0), (500.0, 2_000.0), (2_000.0, 5_000.0)] {
        let mut arrivals = punctual(1_000);
        stall(&mut arrivals, 5_000.0, length);
        let run = Run::new(&sound, &arrivals);
        let back = run.back_after(5_000.0, length);
        assert!(back < within, "{length} ms: back after {back} ms");
        assert_eq!(run.buffer.counts().underruns, 1);
        if length < 1_000.0 {
            assert_eq!(run.buffer.counts().shed, 0, "nothing is lost");
        }
        let (step, own) = (largest_step(&run.heard), largest_step(&carried(&sound)));
        assert!(step <= own * 1.02, "{length} ms: {step}, of its own {own}");
        // Where the voice is loud its period is 8,000 / 120 samples.
        let from = ((5_100.0 + length) * 8.0) as usize;
        for window in run.heard[from..from + 16_000].chunks_exact(400) {
            let period = period_of(window);
            assert!((period - 66.67).abs() < 0.67, "{length} ms: {period}");
        }
    }
}

/// The period of a sound in samples, told by its best correlation with itself, between samples too.
fn period_of(window: &[f32]) -> f32 {
    let alike = |lag: usize| stretch::alike(&window[..240], &window[lag..lag + 240]);
    let best = (50..90)
        .max_by(|a, b| alike(*a).total_cmp(&alike(*b)))
        .unwrap_or(0);
    let (before, at, after) = (alike(best - 1), alike(best), alike(best + 1));
    best as f32 + 0.5 * (before - after) / (before - 2.0 * at + after)
}

#[test]
fn a_stall_every_five_seconds_leaves_no_delay_behind() {
    let mut arrivals = punctual(3_000);
    for n in 0..11 {
        stall(&mut arrivals, 2_500.0 + f64::from(n) * 5_000.0, 200.0);
    }
    let run = Run::new(&speech(60), &arrivals);
    for n in 0..11 {
        let stalled = 2_500.0 + f64::from(n) * 5_000.0;
        let delays = run.delays(stalled + 1_000.0, stalled + 4_900.0);
        assert!(delays.iter().all(|delay| *delay < 37.0), "stall {n}");
    }
    assert_eq!(run.buffer.counts().shed, 0);
}

#[test]
fn a_pause_is_cut_before_the_voice_is_hurried() {
    // The stall ends in a pause, and what it delayed is as long as that.
    let mut arrivals = punctual(500);
    stall(&mut arrivals, 3_800.0, 200.0);
    let sound = speech(10);
    let run = Run::new(&sound, &arrivals);
    let counts = run.buffer.counts();
    assert!(counts.shortened > 0);
    // The next word is there, sample for sample, from its beginning to the next pause.
    let word = &carried(&sound)[4 * 8_000 + 2_400..6 * 8_000];
    let found = run.heard.windows(word.len()).any(|heard| heard == word);
    assert!(found, "the word was touched");
}

#[test]
fn beyond_the_bound_the_oldest_is_thrown_away() {
    let mut arrivals = punctual(1_000);
    stall(&mut arrivals, 2_000.0, 3_500.0);
    let run = Run::new(&speech(20), &arrivals);
    assert!(run.buffer.counts().shed > samples(2_000) as u64);
    let worst = run.delays(5_600.0, 20_000.0);
    assert!(worst.iter().all(|delay| *delay < 1_100.0));
    assert!(run.back_after(2_000.0, 3_500.0) < 5_000.0);
}

/// Plays a day of a carrier whose clock differs from the speaker's by so many millionths.
#[test]
fn whatever_bound_is_set_is_kept_and_no_more_is_thrown_away_than_it_asks_for() {
    let mut arrivals = punctual(1_000);
    stall(&mut arrivals, 2_000.0, 2_500.0);
    let frames = frames(&speech(20), &arrivals);
    for ms in [200, 500, 1_000, 2_000, 3_000] {
        let buffer = PlayoutBuffer::bounded(MostDelay::from_ms(ms).expect("a delay"));
        let run = Run::in_buffer(buffer, &frames, &arrivals, PULL, 0.0..0.0);
        let bound = f64::from(ms);
        // The frame that is under way, a callback and what the stream needs anyway come on top.
        let worst = run.delays(4_600.0, 20_000.0);
        let worst = worst.into_iter().fold(0.0, f64::max);
        assert!(worst < bound + 100.0, "{ms} ms: {worst} ms");
        let shed_ms = run.buffer.counts().shed as f64 / 8.0;
        let least = (2_500.0 - bound - 100.0).max(0.0);
        // Down to the quietest spot nearby.
        let most = (2_500.0 - bound + 300.0).max(0.0);
        assert!((least..=most).contains(&shed_ms), "{ms} ms: {shed_ms} ms");
        assert_eq!(shed_ms > 0.0, ms < 2_500, "{ms} ms: {shed_ms} ms");
    }
}

fn a_day(ppm: f64) {
    const DAY: usize = 24 * 3_600;
    let sound = frames(&speech(2), &punctual(100));
    let came = |n: usize| n as f64 * 20.0 * (1.0 + ppm * 1e-6) + 3.0;
    let mut buffer = PlayoutBuffer::default();
    let (mut least, mut most) = (f64::MAX, 0.0_f64);
    let mut block = [0.0; 2 * PULL];
    let (mut next, mut now) = (0, 0.0);
    while next < DAY * 50 {
        while came(next) <= now {
            buffer.push(&DownFrame {
                at: (next * FRAME_LEN) as u64,
                arrived: Time::from_micros((came(next) * 1000.0) as u64),
                ..sound[next % 100]
            });
            next += 1;
        }
        if let Some(came) = buffer.pull(&mut block)
            && now > 60_000.0
        {
            let delay = now - came.micros() as f64 / 1000.0;
            (least, most) = (least.min(delay), most.max(delay));
        }
        now += 20.0;
    }
    let counts = buffer.counts();
    assert_eq!((counts.underruns, counts.concealed, counts.shed), (0, 0, 0));
    assert!(most - least < 20.0, "{ppm} ppm: {least} to {most} ms");
    let moved = counts.shortened as f64 - counts.lengthened as f64;
    let clocks = DAY as f64 * 8_000.0 * -ppm * 1e-6;
    assert!(
        (moved / clocks - 1.0).abs() < 0.01,
        "{ppm} ppm: {moved} for {clocks}"
    );
}

#[test]
fn a_carrier_that_is_slow_for_a_day_leaves_the_delay_where_it_was() {
    a_day(200.0);
}

#[test]
fn a_carrier_that_is_fast_for_a_day_leaves_the_delay_where_it_was() {
    a_day(-200.0);
}

#[test]
fn a_way_that_becomes_longer_for_good_is_soon_got_used_to() {
    for longer in [300.0, 3_000.0] {
        let mut arrivals = punctual(1_000);
        arrivals[500..].iter_mut().for_each(|came| *came += longer);
        let run = Run::new(&speech(20), &arrivals);
        let end = 10_000.0 + longer;
        let delays = run.delays(end + 1_000.0, end + 10_000.0);
        assert!(
            delays.iter().all(|delay| *delay < 30.0),
            "{}",
            mean(&delays)
        );
        let at = end as usize / 1_000;
        let (then, last) = (run.seconds[at + 1], run.buffer.counts());
        assert_eq!(then.concealed, last.concealed, "{longer} ms");
    }
}

#[test]
fn a_way_that_becomes_a_little_longer_costs_one_hole_of_that_length() {
    for longer in [60.0, 100.0, 150.0, 190.0] {
        let mut arrivals = punctual(1_000);
        arrivals[500..].iter_mut().for_each(|came| *came += longer);
        let run = Run::new(&voice(20), &arrivals);
        let counts = run.buffer.counts();
        assert!(counts.underruns <= 3, "{longer} ms: {counts:?}");
        let concealed = counts.concealed as f64 / 8.0;
        assert!(concealed < longer + 30.0, "{longer} ms: {counts:?}");
    }
}

#[test]
fn a_way_that_becomes_shorter_is_soon_made_use_of() {
    let mut arrivals: Vec<f64> = punctual(1_000).iter().map(|came| came + 500.0).collect();
    let last = arrivals[499];
    for came in &mut arrivals[500..] {
        *came = (*came - 500.0).max(last);
    }
    let run = Run::new(&speech(20), &arrivals);
    let delays = run.delays(17_000.0, 20_000.0);
    assert!(
        delays.iter().all(|delay| *delay < 40.0),
        "{}",
        mean(&delays)
    );
}

#[test]
fn a_speaker_that_stood_still_is_soon_back_at_its_delay() {
    let arrivals = punctual(1_000);
    for still in [100.0, 300.0, 500.0, 900.0] {
        let frames = frames(&speech(20), &arrivals);
        let run = Run::with_standstill(&frames, &arrivals, PULL, 8_000.0..8_000.0 + still);
        let delays = run.delays(11_000.0, 20_000.0);
        assert!(
            delays.iter().all(|delay| *delay < 60.0),
            "{still}: {}",
            mean(&delays)
        );
        let counts = run.buffer.counts();
        assert_eq!((counts.concealed, counts.shed), (0, 0), "{still} ms");
    }
}

#[test]
fn a_backlog_that_comes_slowly_is_played_as_it_comes() {
    // After a stall of 2 s the line carries a quarter more than the sound takes.
    let mut arrivals = punctual(1_000);
    for (n, came) in arrivals[100..].iter_mut().enumerate() {
        *came = came.max(4_000.0 + n as f64 * 16.0);
    }
    let run = Run::new(&speech(20), &arrivals);
    let counts = run.buffer.counts();
    assert!(counts.underruns < 20, "{counts:?}");
    // The backlog takes eight seconds, and five more show that it is over.
    let back = run.back_after(2_000.0, 2_000.0);
    assert!(back < 13_500.0, "back after {back} ms");
}

#[test]
fn a_pause_of_the_carrier_is_a_pause_and_no_hole() {
    // The far end says nothing for two seconds; no media comes, and the timestamps tell.
    let mut arrivals = punctual(500);
    let mut frames = frames(&voice(10), &arrivals);
    frames.drain(100..200);
    arrivals.drain(100..200);
    let run = Run::of(&frames, &arrivals, PULL);
    let counts = run.buffer.counts();
    assert_eq!(counts.missing, 100 * FRAME_LEN as u64);
    assert_eq!((counts.concealed, counts.underruns), (0, 0));
    let delays = run.delays(4_500.0, 10_000.0);
    assert!(
        delays.iter().all(|delay| *delay < 20.0),
        "{}",
        mean(&delays)
    );
    // The voice fades within 60 ms; then it is as quiet as it was behind the voice.
    let pause = &run.heard[2_100 * 8..3_900 * 8];
    assert!(
        pause
            .iter()
            .all(|sample| sample.abs() <= 2.0 * LOUDEST_NOISE)
    );
}

#[test]
fn a_lost_frame_is_noise_of_its_length() {
    let mut buffer = PlayoutBuffer::default();
    for n in [0, 1, 3, 4] {
        buffer.push(&frame(n * 160, &[0.2; FRAME_LEN], 0.0));
    }
    assert_eq!(buffer.depth(), 5 * FRAME_LEN);
    assert_eq!(buffer.counts().missing, FRAME_LEN as u64);
}

#[test]
fn doubled_and_late_frames_are_counted_and_not_played() {
    let mut buffer = PlayoutBuffer::default();
    for n in [0, 1, 1, 0, 2] {
        buffer.push(&frame(n * 160, &[0.2; FRAME_LEN], 0.0));
    }
    assert_eq!(buffer.depth(), 3 * FRAME_LEN);
    assert_eq!(buffer.counts().stale, 2);
}

#[test]
fn a_stream_that_counts_anew_goes_on() {
    let mut buffer = PlayoutBuffer::default();
    for at in [16_000_000, 0, 160, 3_000_000] {
        buffer.push(&frame(at, &[0.2; FRAME_LEN], 0.0));
    }
    assert_eq!(buffer.counts().frames, 4);
    assert_eq!(buffer.depth(), 4 * FRAME_LEN);
}

#[test]
fn a_voice_that_breaks_off_goes_on_for_a_moment_and_fades() {
    let sound = voice(2);
    let run = Run::new(&sound[..8_000], &punctual(50));
    let end = 160 + 8_000;
    let power = |from: usize, to: usize| stretch::power(&run.heard[end + from..end + to]);
    let before = stretch::power(&run.heard[end - 400..end]);
    assert!(power(0, 80) > before * 0.3);
    assert!(power(480, 1_600) < 1e-5);
    let own = largest_step(&carried(&sound));
    assert!(largest_step(&run.heard) <= own * 1.02);
    // It is the voice that goes on: with its own period.
    let went_on = &run.heard[end - 320..end + 80];
    assert!((period_of(went_on) - 66.67).abs() < 0.67);
}

proptest! {
    #[test]
    fn any_frames_are_survived_and_depth_and_loudness_stay_bounded(
        steps in proptest::collection::vec(
            (
                prop_oneof![any::<u16>().prop_map(u64::from), any::<u64>()],
                any::<u8>(),
                0..40_u8,
                1..300_usize,
            ),
            0..300,
        )
    ) {
        let mut buffer = PlayoutBuffer::default();
        let mut block = [0.0; 300];
        let mut loudest = 2.0 * LOUDEST_NOISE;
        for (at, len, pushes, pull) in steps {
            for k in 0..u64::from(pushes) {
                buffer.push(&DownFrame {
                    at: at.saturating_mul(7).saturating_add(k * 160),
                    len,
                    ulaw: [len; FRAME_LEN],
                    arrived: Time::START,
                });
            }
            loudest = g711::decode_f32(len).abs().max(loudest);
            buffer.pull(&mut block[..pull]);
            prop_assert!(buffer.depth() <= samples(4_000) + pull);
            prop_assert!(block[..pull].iter().all(|sample| sample.abs() <= loudest + 1e-6));
        }
    }

    #[test]
    fn whenever_frames_come_they_are_played_in_order_and_none_waits_for_long(
        lateness in proptest::collection::vec(prop_oneof![
            8 => 0.0..30.0_f64,
            1 => 0.0..400.0_f64,
            1 => Just(0.0),
        ], 200),
        pull in 20..200_usize,
    ) {
        let mut last = 0.0_f64;
        let tone: Vec<f32> = (0..FRAME_LEN).map(|n| (n as f32 * 0.3).sin() * 0.3).collect();
        let mut frames: Vec<DownFrame> = Vec::new();
        for (n, late) in lateness.iter().enumerate() {
            last = last.max(n as f64 * 20.0 + late);
            frames.push(frame(n as u64 * 160, &tone, last));
        }
        let mut buffer = PlayoutBuffer::default();
        let (mut now, mut next, mut played) = (0.0, 0, 0.0_f64);
        let mut block = vec![0.0; pull];
        while next < frames.len() {
            while next < frames.len() && frames[next].arrived.micros() as f64 / 1000.0 <= now {
                buffer.push(&frames[next]);
                next += 1;
            }
            if buffer.pull(&mut block).is_some() {
                let place = place(&buffer, pull);
                // Drawn out by a period of the voice, what was just played may be played once more.
                prop_assert!(place >= played - 15.0, "{place} after {played}");
                prop_assert!(now - place < 1_500.0, "{place} at {now}");
                played = played.max(place);
            }
            now += pull as f64 / 8.0;
        }
    }
}
