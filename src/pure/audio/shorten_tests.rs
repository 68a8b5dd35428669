//! What goes, what stays, and that nobody hears it.

use proptest::prelude::*;

use super::*;

fn tone(hz: f32, seconds: f32) -> Vec<f32> {
    (0..(seconds * 8_000.0) as usize)
        .map(|n| (n as f32 * std::f32::consts::TAU * hz / 8_000.0).sin() * 0.3)
        .collect()
}

/// Talk without a pause: vowels of a gliding pitch around 110 Hz, with a hiss between them, 180 and 70 ms long.
fn talk(seconds: f32) -> Vec<f32> {
    let (mut phase, mut seed, mut low, mut band) = (0.0_f32, 9_u32, 0.0_f32, 0.0_f32);
    (0..(seconds * 8_000.0) as usize)
        .map(|n| {
            let at = n as f32 / 8_000.0;
            phase += (110.0 + 25.0 * (at * 3.1).sin()) / 8_000.0;
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (seed >> 8) as f32 / 8_388_608.0 - 1.0;
            let voiced = at % 0.25 < 0.18;
            // A glottal pulse through one resonance at 600 Hz or so.
            let source = if voiced {
                (1.0 - phase.fract()).powi(6) - 0.14
            } else {
                0.15 * hiss
            };
            let pull = 0.45 + 0.1 * (at * 5.0).sin();
            low += pull * band;
            band += pull * (source - low - 0.25 * band);
            0.25 * low
        })
        .collect()
}

fn frames(sound: &[f32]) -> Vec<UpFrame> {
    sound
        .chunks_exact(FRAME_LEN)
        .map(|chunk| {
            let mut ulaw = [g711::SILENCE; FRAME_LEN];
            g711::encode_slice(chunk, &mut ulaw);
            UpFrame { ulaw, whole: false }
        })
        .collect()
}

/// Pushes frames with what is asked for each, and returns what leaves.
fn run(
    shortener: &mut Shortener,
    frames: &[UpFrame],
    urgency: impl Fn(usize) -> Urgency,
) -> Vec<f32> {
    let mut out = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        shortener.push(frame, urgency(n));
        while let Some(frame) = shortener.pull() {
            out.extend(frame.ulaw.map(g711::decode_f32));
        }
    }
    out
}

/// The largest step between two samples.
fn step(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

#[test]
fn a_frame_passes_untouched_and_at_once_while_there_is_nothing_to_shorten() {
    let mut shortener = Shortener::default();
    for frame in frames(&talk(2.0)) {
        shortener.push(&frame, Urgency::None);
        assert_eq!(shortener.pull(), Some(frame));
        assert_eq!((shortener.pull(), shortener.waiting()), (None, 0));
    }
    assert_eq!(shortener.gone(), 0);
}

#[test]
fn in_haste_talk_plays_one_and_a_half_times_as_fast() {
    let frames = frames(&talk(10.0));
    let mut shortener = Shortener::default();
    let out = run(&mut shortener, &frames, |_| Urgency::Much(8_000));
    let faster = 10.0 * 8_000.0 / out.len() as f32;
    assert!((1.4..1.53).contains(&faster), "{faster}");
}

#[test]
fn with_time_no_more_than_a_twentieth_of_talk_goes() {
    let frames = frames(&talk(20.0));
    let mut shortener = Shortener::default();
    run(&mut shortener, &frames, |_| Urgency::Little(8_000));
    let share = shortener.gone() as f32 / 160_000.0;
    assert!((0.035..0.051).contains(&share), "{share}");
}

#[test]
fn quiet_goes_first_and_freely() {
    // Talk after half a second of a room at -55 dBFS.
    let mut sound: Vec<f32> = tone(180.0, 0.5).iter().map(|s| s * 0.007).collect();
    sound.extend(talk(0.1));
    let mut shortener = Shortener::default();
    run(&mut shortener, &frames(&sound), |_| Urgency::Little(2_400));
    assert!(shortener.gone() >= 2_000, "{} samples", shortener.gone());
}

#[test]
fn no_more_goes_than_is_asked_for() {
    for most in [0, 19, 20, 50, 119, 120, 200] {
        let mut shortener = Shortener::default();
        shortener.push(&frames(&[0.0; FRAME_LEN])[0], Urgency::Little(most));
        assert!(shortener.gone() <= most as u64, "{most}");
    }
}

#[test]
fn a_tone_keeps_its_pitch_and_does_not_click() {
    for hz in [200.0, 440.0, 700.0, 1_000.0] {
        let mut shortener = Shortener::default();
        let out = run(&mut shortener, &frames(&tone(hz, 4.0)), |n| match n % 100 {
            0..40 => Urgency::Much(8_000),
            40..70 => Urgency::Little(800),
            _ => Urgency::None,
        });
        assert!(shortener.gone() > 3_000, "{hz} Hz: {}", shortener.gone());
        let allowed = 0.3 * std::f32::consts::TAU * hz / 8_000.0 * 1.1 + 0.02;
        assert!(step(&out) < allowed, "{hz} Hz: {} of {allowed}", step(&out));
        let crossings = out
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        let heard = crossings as f32 * 8_000.0 / out.len() as f32;
        assert!((heard / hz - 1.0).abs() < 0.01, "{hz} Hz: {heard} Hz");
    }
}

#[test]
fn what_is_left_of_a_frame_goes_before_long() {
    let talk = frames(&talk(20.0));
    for begin in (0..900).step_by(50) {
        let mut shortener = Shortener::default();
        let urgency = |n| {
            if n < 10 {
                Urgency::Much(8_000)
            } else {
                Urgency::None
            }
        };
        run(&mut shortener, &talk[begin..begin + 60], urgency);
        assert_eq!(shortener.waiting(), 0, "from frame {begin}");
        assert_eq!(shortener.gone() % FRAME_LEN as u64, 0);
    }
}

#[test]
fn what_is_left_of_a_frame_goes_from_steady_noise_as_well() {
    for seed in 1..40_u32 {
        let mut state = seed;
        let noise: Vec<f32> = (0..8 * 8_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                0.2 * ((state >> 8) as f32 / 8_388_608.0 - 1.0)
            })
            .collect();
        let mut shortener = Shortener::default();
        let mut since = 0;
        for (n, frame) in frames(&noise).iter().enumerate() {
            let urgency = if n < 10 {
                Urgency::Much(8_000)
            } else {
                Urgency::None
            };
            shortener.push(frame, urgency);
            while shortener.pull().is_some() {}
            since = if shortener.waiting() > 0 {
                since + 1
            } else {
                0
            };
            assert!(since < 10 + 200, "seed {seed}: it waits for four seconds");
        }
    }
}

#[test]
fn with_time_something_of_every_pause_stays() {
    let mut sound = Vec::new();
    for _ in 0..10 {
        sound.extend(talk(0.1));
        sound.extend([0.0; 5 * FRAME_LEN]);
    }
    let mut shortener = Shortener::default();
    let out = run(&mut shortener, &frames(&sound), |_| Urgency::Little(8_000));
    let (mut pauses, mut quiet) = (0, 0);
    for sample in out {
        if sample.abs() < 1e-3 {
            quiet += 1;
            pauses += u32::from(quiet == 120);
        } else {
            quiet = 0;
        }
    }
    assert!(pauses >= 10, "{pauses} of ten are 15 ms long");
    assert!(shortener.gone() > 10 * 2 * FRAME_LEN as u64);
}

#[test]
fn frames_that_are_missing_and_a_queue_that_was_cleared_do_not_click() {
    let tone = frames(&tone(300.0, 1.0));
    let steepest = 0.3 * std::f32::consts::TAU * 300.0 / 8_000.0;
    let mut shortener = Shortener::default();
    let mut out = run(&mut shortener, &tone[..9], |_| Urgency::None);
    shortener.missed();
    // Half a period off.
    out.extend(run(&mut shortener, &tone[10..20], |_| Urgency::None));
    assert!(step(&out) < steepest * 1.3, "{}", step(&out));
    shortener.clear();
    let after = run(&mut shortener, &tone[23..], |_| Urgency::None);
    assert!(
        after[0].abs() < 0.01 && step(&after) < steepest * 1.3,
        "{}",
        after[0]
    );
}

proptest! {
    #[test]
    fn whatever_is_asked_nothing_is_lost_made_or_louder_and_little_waits(
        seed in any::<u32>(),
        asked in prop::collection::vec((0_u8..3, 0_usize..1_000, 0_u8..20, 0_u32..5), 1..120),
    ) {
        let mut shortener = Shortener::default();
        let (mut state, mut came, mut left) = (seed, 0_u64, 0_u64);
        for (kind, most, event, loudness) in asked {
            let mut ulaw = [g711::SILENCE; FRAME_LEN];
            let scale = 0.9 / 10_f32.powi(loudness.cast_signed());
            for code in &mut ulaw {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *code = g711::encode_f32(((state >> 8) as f32 / 8_388_608.0 - 1.0) * scale);
            }
            match event {
                0 => shortener.missed(),
                1 => {
                    came -= shortener.waiting() as u64;
                    shortener.clear();
                }
                _ => {}
            }
            let urgency = match kind {
                0 => Urgency::None,
                1 => Urgency::Little(most),
                _ => Urgency::Much(most),
            };
            shortener.push(&UpFrame { ulaw, whole: false }, urgency);
            came += FRAME_LEN as u64;
            while let Some(frame) = shortener.pull() {
                left += FRAME_LEN as u64;
                for code in frame.ulaw {
                    prop_assert!(g711::decode_f32(code).abs() <= 0.92);
                }
            }
            prop_assert!(shortener.waiting() < 2 * FRAME_LEN);
            prop_assert_eq!(came, left + shortener.gone() + shortener.waiting() as u64);
        }
    }
}

#[test]
fn of_a_key_nothing_goes_however_urgent_it_is_and_what_comes_after_it_is_shortened_again() {
    let mut said = frames(&talk(6.0));
    let keys = frames(&tone(770.0, 0.4));
    for (n, key) in keys.iter().enumerate() {
        said[150 + n] = UpFrame {
            ulaw: key.ulaw,
            whole: true,
        };
    }
    for urgency in [Urgency::Little(800), Urgency::Much(8_000)] {
        let mut shortener = Shortener::default();
        let before = run(&mut shortener, &said[..150], |_| urgency).len();
        let out = run(&mut shortener, &said[150..], |_| urgency);
        let wanted: Vec<f32> = keys
            .iter()
            .flat_map(|k| k.ulaw.map(g711::decode_f32))
            .collect();
        let found = out.windows(wanted.len()).filter(|w| *w == wanted).count();
        assert_eq!(found, 1, "{urgency:?}");
        assert!(!shortener.holds_whole(), "{urgency:?}");
        let went = 6 * 8_000 - before - out.len();
        assert!(went > 400, "{urgency:?}: {went}");
    }
}

#[test]
fn a_part_of_a_key_that_waits_is_told_until_it_has_left() {
    let said = frames(&talk(0.1));
    let mut shortener = Shortener::default();
    let key = UpFrame {
        whole: true,
        ..said[0]
    };
    shortener.push(&key, Urgency::Much(8_000));
    assert_eq!(shortener.pull(), None);
    assert!(shortener.holds_whole());
    shortener.push(&said[1], Urgency::Much(8_000));
    assert_eq!(shortener.pull(), Some(key));
    assert!(!shortener.holds_whole());
}
