//! The speakerphone in rooms that a seed makes, in simulated time: the echo goes, the near end stays, and whatever comes in,
//! sound goes on.

#[path = "common/echo_scene.rs"]
mod echo_scene;
#[path = "common/room.rs"]
mod room;

use std::time::Duration;

use echo_scene::{Scene, babble, power};
use offhook::pure::audio::mouth::Mouth;
use offhook::pure::audio::speakerphone::{BLOCK, Speakerphone, Stages};
use offhook::pure::audio::{DeviceRate, Feed, g711};
use offhook::pure::ids::StreamId;
use offhook::pure::time::Time;
use proptest::prelude::*;
use room::{Dice, Room, between};

/// All stages but the gain control, which would blur what is measured.
const MEASURED: Stages = Stages {
    gain_control: false,
    ..Stages::ALL
};

#[test]
fn the_echo_goes_and_the_near_end_stays_in_a_room_with_two_clocks() {
    for (drift_ppm, drr_db, delay_ms) in [(0.0, 6.0, 40.0), (50.0, -12.0, 120.0)] {
        let room = Room {
            seed: 1,
            rt60_ms: 200.0,
            drr_db,
            delay_ms,
            drift_ppm,
        };
        let (far, near) = (babble(1, 20, 110.0), babble(2, 20, 190.0));
        let scene = Scene::new(&far, &near, &room, 0.0, [8, 6, 2]);
        let mut speakerphone = speakerphone(MEASURED);
        let out = scene.through(&mut speakerphone);
        let erle_db = scene.erle_db(&out, 1.0, 8.0);
        assert!(erle_db > 35.0, "{drift_ppm} ppm: {erle_db} dB");
        let near_db = scene.near_gain_db(&out);
        assert!(
            (-4.0..1.0).contains(&near_db),
            "{drift_ppm} ppm: {near_db} dB"
        );
        let learned = speakerphone.learned().expect("an echo canceller");
        let wrong = (learned.drift_ppm() - drift_ppm).abs();
        assert!(wrong < 5.0, "{drift_ppm} ppm: {} ppm", learned.drift_ppm());
        let figures = speakerphone.figures();
        assert!(
            figures.erl_db.is_some_and(|db| db.abs() < 3.0),
            "{figures:?}"
        );
        assert!(figures.erle_db.is_some_and(|db| db > 25.0), "{figures:?}");
    }
}

#[test]
fn a_near_end_without_any_echo_is_left_alone() {
    let near = babble(3, 6, 150.0);
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &near, |_| None);
    let late = BLOCK;
    let (was, is) = (
        power(&near[8_000..40_000]),
        power(&out[8_000 + late..40_000 + late]),
    );
    let change_db = 10.0 * (is / was).log10();
    assert!(change_db.abs() < 1.5, "{change_db} dB");
}

#[test]
fn the_first_words_of_all_are_no_noise() {
    for level in [1.0, 0.2] {
        let near: Vec<f32> = babble(3, 2, 150.0).iter().map(|s| s * level).collect();
        let mut speakerphone = speakerphone(MEASURED);
        let out = run(&mut speakerphone, &near, |_| None);
        let (was, is) = (power(&near[..4_000]), power(&out[BLOCK..4_000 + BLOCK]));
        let change_db = 10.0 * (is / was).log10();
        assert!(change_db > -2.0, "{change_db} dB");
    }
}

#[test]
fn steady_noise_is_lowered_by_more_than_10_db() {
    let mut dice = Dice::new(9);
    let noise: Vec<f32> = (0..10 * 8_000).map(|_| dice.normal() * 0.01).collect();
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &noise, |_| None);
    let change_db = 10.0 * (power(&out[40_000..]) / power(&noise[40_000..])).log10();
    assert!((-20.0..-10.0).contains(&change_db), "{change_db} dB");
}

#[test]
fn a_changed_echo_path_is_learned_anew() {
    let far = babble(1, 20, 110.0);
    let room = |seed, delay_ms| Room {
        seed,
        rt60_ms: 200.0,
        drr_db: 0.0,
        delay_ms,
        drift_ppm: 0.0,
    };
    let first = room(1, 40.0).echo_of(&far, 8_000);
    let second = room(2, 75.0).echo_of(&far, 8_000);
    let moved = far.len() / 2;
    let microphone: Vec<f32> = first[..moved]
        .iter()
        .chain(&second[moved..])
        .copied()
        .collect();
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &microphone, |n| far.get(n..n + BLOCK));
    let settled = moved + 3 * 8_000;
    let erle_db = 10.0 * (power(&microphone[settled..]) / power(&out[settled..])).log10();
    assert!(erle_db > 30.0, "{erle_db} dB");
}

#[test]
fn after_a_speaker_has_stumbled_its_echo_is_found_again() {
    let far = babble(1, 20, 110.0);
    let stumbles = far.len() / 2;
    for (delay_ms, blocks) in [(5.0, 6), (5.0, 15), (40.0, 30)] {
        let lost = blocks * BLOCK;
        let pause = vec![0.0; lost];
        let played = [&far[..stumbles], &pause, &far[stumbles..]].concat();
        let room = Room {
            seed: 1,
            rt60_ms: 200.0,
            drr_db: 0.0,
            delay_ms,
            drift_ppm: 0.0,
        };
        let microphone = room.echo_of(&played, 8_000);
        let mut speakerphone = speakerphone(MEASURED);
        let out = run(&mut speakerphone, &microphone, |n| {
            let pauses = (stumbles..stumbles + lost).contains(&n);
            (!pauses).then(|| played.get(n..n + BLOCK)).flatten()
        });
        let settled = stumbles + lost + 4 * 8_000;
        let erle_db = 10.0 * (power(&microphone[settled..]) / power(&out[settled..])).log10();
        assert!(
            erle_db > 30.0,
            "{delay_ms} ms, {blocks} blocks: {erle_db} dB"
        );
    }
}

#[test]
fn a_speaker_that_falls_silent_or_vanishes_leaves_the_near_end_alone() {
    let (far, near) = (babble(1, 6, 110.0), babble(3, 12, 150.0));
    let mut speakerphone = speakerphone(MEASURED);
    // Its samples end after 6 s: nothing is played, and then nothing is told.
    let out = run(&mut speakerphone, &near, |n| far.get(n..n + BLOCK));
    let (was, is) = (
        power(&near[60_000..90_000]),
        power(&out[60_000 + BLOCK..90_000 + BLOCK]),
    );
    let change_db = 10.0 * (is / was).log10();
    assert!(change_db.abs() < 1.5, "{change_db} dB");
}

#[test]
fn the_mouth_takes_out_the_echo_of_a_speaker_of_another_rate() {
    let far = babble(1, 10, 110.0);
    let room = Room {
        seed: 4,
        rt60_ms: 200.0,
        drr_db: 0.0,
        delay_ms: 20.0,
        drift_ppm: 20.0,
    };
    let echo = room.echo_of(&far, 8_000);
    let at = |sound: &[f32], hz: usize, n: usize| -> Vec<f32> {
        (n * hz / 100..(n + 1) * hz / 100)
            .map(|n| between(sound, n as f64 * 8_000.0 / hz as f64))
            .collect()
    };
    let mut heard = Vec::new();
    for stages in [Stages::NONE, MEASURED] {
        let (microphone, speaker) = (48_000, 44_100);
        let rate = |hz: usize| DeviceRate::new(hz as u32).expect("a rate");
        let mut mouth = Mouth::with_stages(rate(microphone), stages);
        mouth.play(rate(speaker));
        mouth.attach(StreamId(1), Feed::Desk);
        let mut line = Vec::new();
        // Callbacks of 10 ms: what is played sounds 30 ms later, what is captured is 10 ms old.
        for n in 0..900 {
            let now = Time::from_millis(1_000 + 10 * n as u64);
            let sounds = now + Duration::from_millis(30);
            mouth.hear_speaker(&at(&far, speaker, n), Some(sounds));
            if n >= 4 {
                mouth.heard_until(Some(now.before(Duration::from_millis(10))));
                mouth.push(&at(&echo, microphone, n - 4), |_, frame, _| {
                    line.extend(frame.ulaw.iter().map(|code| g711::decode_f32(*code)));
                });
            }
        }
        heard.push(power(&line[16_000..]));
    }
    let erle_db = 10.0 * (heard[0] / heard[1]).log10();
    assert!(erle_db > 30.0, "{erle_db} dB");
}

#[test]
fn with_a_headset_a_soft_near_end_is_left_alone_and_an_echo_that_comes_is_found() {
    let far = babble(1, 24, 110.0);
    let mut near: Vec<f32> = babble(2, 16, 190.0).iter().map(|s| s * 0.2).collect();
    let room = Room {
        seed: 1,
        rt60_ms: 200.0,
        drr_db: 0.0,
        delay_ms: 40.0,
        drift_ppm: 0.0,
    };
    let echo = room.echo_of(&far, 8_000);
    let comes = near.len();
    near.extend(&echo[comes..24 * 8_000]);
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &near, |n| far.get(n..n + BLOCK));
    let change_db = |from: usize, to: usize| {
        10.0 * (power(&out[from + BLOCK..to]) / power(&near[from..to - BLOCK])).log10()
    };
    let near_db = change_db(48_000, comes);
    assert!(near_db.abs() < 2.0, "{near_db} dB");
    let echo_db = change_db(comes + 16_000, 23 * 8_000);
    assert!(echo_db < -30.0, "{echo_db} dB");
}

#[test]
fn a_tone_that_somebody_plays_is_no_noise() {
    let tone: Vec<f32> = (0..8 * 8_000)
        .map(|n| (n as f32 * 0.125 * std::f32::consts::TAU).sin() * 0.0447)
        .collect();
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &tone, |_| None);
    let change_db = 10.0 * (power(&out[40_000..]) / power(&tone[40_000..])).log10();
    assert!(change_db > -2.0, "{change_db} dB");
}

#[test]
fn a_call_after_an_idle_minute_begins_without_echo() {
    let far = babble(1, 70, 110.0);
    let room = Room {
        seed: 1,
        rt60_ms: 200.0,
        drr_db: 0.0,
        delay_ms: 40.0,
        drift_ppm: 50.0,
    };
    let echo = room.echo_of(&far, 8_000);
    let mut speakerphone = speakerphone(MEASURED);
    let (idles, calls) = (800, 6_800);
    let at = |sample: f64| Some(Time::from_micros((1e6 + sample * 125.0) as u64));
    let (mut heard, mut left, mut played) = (Vec::new(), Vec::new(), 0);
    for (n, microphone) in echo.chunks_exact(BLOCK).enumerate().take(calls + 50) {
        while played < n + 5 {
            let block = &far[played * BLOCK..(played + 1) * BLOCK];
            played += 1;
            let newest = (played * BLOCK - 1) as f64 / 1.000_05;
            speakerphone.hear_reference(block, at(newest));
        }
        if (idles..calls).contains(&n) {
            speakerphone.skip(BLOCK);
            continue;
        }
        let mut block = [0.0; BLOCK];
        block.copy_from_slice(microphone);
        speakerphone.process(&mut block, at(((n + 1) * BLOCK - 1) as f64));
        if n >= calls {
            heard.extend_from_slice(microphone);
            left.extend_from_slice(&block);
        }
    }
    let erle_db = 10.0 * (power(&heard) / power(&left)).log10();
    assert!(erle_db > 25.0, "{erle_db} dB");
}

#[test]
fn after_a_long_silence_both_may_talk_at_once() {
    let far = babble(1, 8, 110.0);
    let silence = vec![0.0; 90 * 8_000];
    let played = [&far[..], &silence, &far[..3 * 8_000]].concat();
    let room = Room {
        seed: 1,
        rt60_ms: 200.0,
        drr_db: 0.0,
        delay_ms: 40.0,
        drift_ppm: 0.0,
    };
    let talks = far.len() + silence.len();
    let near = babble(2, 3, 190.0);
    let mut microphone = room.echo_of(&played, 8_000);
    microphone.truncate(played.len());
    for (sample, near) in microphone[talks..].iter_mut().zip(&near) {
        *sample += near;
    }
    let mut speakerphone = speakerphone(MEASURED);
    let out = run(&mut speakerphone, &microphone, |n| played.get(n..n + BLOCK));
    let out = &out[talks + BLOCK..talks + 8_000];
    let shared: f32 = near.iter().zip(out).map(|(near, out)| near * out).sum();
    let own: f32 = near[..out.len()].iter().map(|s| s * s).sum();
    let near_db = 20.0 * (shared / own).abs().log10();
    assert!(near_db > -4.0, "{near_db} dB");
}

#[test]
fn only_what_is_looked_at_in_pairs_of_blocks_is_late() {
    let delay = |stages| Speakerphone::new(stages).map(|speakerphone| speakerphone.delay_ms());
    assert_eq!(delay(Stages::ALL), Some(10.0));
    assert_eq!(delay(Stages::NONE), None);
    let quick = Stages {
        high_pass: true,
        gain_control: true,
        ..Stages::NONE
    };
    assert_eq!(delay(quick), Some(0.0));
}

/// What a device may do to a speakerphone.
#[derive(Clone, Debug)]
enum Event {
    /// So many blocks of speech, noise, silence or full scale, with as many of the speaker's, with stamps or without.
    Sound {
        microphone: u8,
        speaker: u8,
        stamped: bool,
        blocks: u8,
    },
    /// The clock, and with it every stamp, jumps by so many milliseconds.
    Jump(i32),
    /// Another pair of devices, or the same again.
    Meet(bool),
    /// Samples that are lost.
    Skip(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..6_u8, 0..7_u8, any::<bool>(), 1..80_u8).prop_map(|(microphone, speaker, stamped, blocks)| Event::Sound {
            microphone,
            speaker,
            stamped,
            blocks,
        }),
        1 => (-3_000..3_000_i32).prop_map(Event::Jump),
        1 => any::<bool>().prop_map(Event::Meet),
        1 => any::<u16>().prop_map(Event::Skip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_in_sound_goes_on_within_full_scale(
        events in proptest::collection::vec(event(), 1..30),
        switches in any::<[bool; 4]>(),
    ) {
        let [echo_canceller, noise_suppression, gain_control, high_pass] = switches;
        let stages = Stages { echo_canceller, noise_suppression, gain_control, high_pass };
        let Some(mut speakerphone) = Speakerphone::new(stages) else {
            return Ok(());
        };
        let (mut dice, mut now) = (Dice::new(7), 10_000_000_u64);
        for event in events {
            match event {
                Event::Sound { microphone, speaker, stamped, blocks } => {
                    for n in 0..blocks {
                        now += 10_000;
                        let at = stamped.then(|| Time::from_micros(now));
                        if speaker < 6 {
                            let played = sound(speaker, n, &mut dice);
                            speakerphone.hear_reference(&played, at);
                        }
                        let mut block = sound(microphone, n, &mut dice);
                        speakerphone.process(&mut block, at);
                        prop_assert!(block.iter().all(|s| s.is_finite() && s.abs() <= 1.0));
                    }
                }
                Event::Jump(ms) => now = now.saturating_add_signed(i64::from(ms) * 1_000),
                Event::Meet(true) => {
                    let learned = speakerphone.learned();
                    speakerphone.meet(learned);
                }
                Event::Meet(false) => speakerphone.meet_again(),
                Event::Skip(samples) => speakerphone.skip(usize::from(samples)),
            }
        }
        // And when all is calm again, a voice passes.
        speakerphone.meet(None);
        let voice = babble(5, 8, 140.0);
        let out = run(&mut speakerphone, &voice, |_| None);
        let half = voice.len() / 2;
        prop_assert!(power(&out[half..]) > 0.05 * power(&voice[half..]).min(0.01));
    }
}

/// Makes a block of one of six kinds.
fn sound(kind: u8, n: u8, dice: &mut Dice) -> [f32; BLOCK] {
    std::array::from_fn(|k| match kind {
        0 => 0.0,
        1 => dice.normal() * 0.05,
        2 => {
            if dice.even() < 0.5 {
                1.0
            } else {
                -1.0
            }
        }
        3 => ((f32::from(n) * BLOCK as f32 + k as f32) * 0.2).sin() * 0.5,
        4 => [f32::NAN, f32::INFINITY, -3e30, 1e-40][k % 4],
        _ => 1.0,
    })
}

fn speakerphone(stages: Stages) -> Speakerphone {
    Speakerphone::new(stages).expect("a stage is on")
}

/// Runs a microphone through, and whatever is played at the same sample; both devices tell the truth about time.
fn run<'a>(
    speakerphone: &mut Speakerphone,
    microphone: &[f32],
    played: impl Fn(usize) -> Option<&'a [f32]>,
) -> Vec<f32> {
    let mut out = Vec::new();
    let at = |sample: usize| Some(Time::from_micros(1_000_000 + sample as u64 * 125));
    // The speaker's samples are rendered 40 ms before they sound.
    for n in (0..4 * BLOCK).step_by(BLOCK) {
        if let Some(block) = played(n) {
            speakerphone.hear_reference(block, at(n + BLOCK - 1));
        }
    }
    for (n, heard) in microphone.chunks_exact(BLOCK).enumerate() {
        let first = (n + 4) * BLOCK;
        if let Some(block) = played(first) {
            speakerphone.hear_reference(block, at(first + BLOCK - 1));
        }
        let mut block = [0.0; BLOCK];
        block.copy_from_slice(heard);
        speakerphone.process(&mut block, at((n + 1) * BLOCK - 1));
        out.extend_from_slice(&block);
    }
    out
}
