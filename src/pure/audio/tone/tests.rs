//! What is heard of the tones, measured in the sound itself.

use super::*;

pub(super) fn line() -> DeviceRate {
    DeviceRate::new(8_000).expect("a rate")
}

fn heard(mut tone: Tone, seconds: usize) -> Vec<f32> {
    let mut sound = vec![0.0; seconds * 8_000];
    for block in sound.chunks_mut(77) {
        tone.add_to(block);
    }
    sound
}

/// The stretches of 50 ms with sound, run together: begin and end in units of 50 ms.
pub(super) fn stretches(sound: &[f32]) -> Vec<(usize, usize)> {
    let loud: Vec<bool> = sound
        .chunks(400)
        .map(|chunk| chunk.iter().any(|sample| sample.abs() > 0.01))
        .collect();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (n, _) in loud.iter().enumerate().filter(|(_, loud)| **loud) {
        match found.last_mut() {
            Some(last) if last.1 == n => last.1 = n + 1,
            Some(_) | None => found.push((n, n + 1)),
        }
    }
    found
}

/// The largest step from one sample to the next.
pub(super) fn steepest(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

/// The amplitude of one frequency in a piece of sound.
fn amplitude(sound: &[f32], hz: f64) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in sound.iter().enumerate() {
        let phase = std::f64::consts::TAU * hz * n as f64 / 8_000.0;
        let window =
            0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / (sound.len() - 1) as f64).cos();
        re += f64::from(*sample) * window * phase.cos();
        im += f64::from(*sample) * window * phase.sin();
        weight += window;
    }
    2.0 * (re * re + im * im).sqrt() / weight
}

#[test]
fn north_america_rings_two_seconds_in_six() {
    assert_eq!(
        stretches(&heard(Tone::ringback(Country::NorthAmerica, line()), 10)),
        [(0, 40), (120, 160)]
    );
}

#[test]
fn the_united_kingdom_rings_twice_in_three_seconds() {
    let sound = heard(Tone::ringback(Country::UnitedKingdom, line()), 10);
    assert_eq!(
        stretches(&sound)[..4],
        [(0, 8), (12, 20), (60, 68), (72, 80)]
    );
}

/// A beat as the list has it: frequencies, the amplitude of each, and milliseconds.
fn beat(text: &str) -> (Vec<f64>, f64, usize) {
    let (hz, ms) = text.split_once('/').expect("hertz and milliseconds");
    let (hz, decibel) = hz.split_once('@').unwrap_or((hz, "0"));
    let decibel: f64 = decibel.parse().expect("decibel");
    (
        hz.split('+').map(|hz| hz.parse().expect("hertz")).collect(),
        f64::from(LEVEL) * 10_f64.powf(decibel / 20.0),
        ms.parse().expect("milliseconds"),
    )
}

#[test]
fn every_tone_of_every_country_is_heard_as_the_list_has_it() {
    let list = include_str!("../../../../tests/data/tones.txt");
    let mut listed = 0;
    for text in list.lines().filter(|line| !line.starts_with('#')) {
        listed += 1;
        let words: Vec<&str> = text.split(' ').collect();
        let [country, tone, beats @ ..] = words.as_slice() else {
            panic!("a country and a tone: {text}");
        };
        let country = Country::parse(country).expect("a country");
        let tone = Progress::parse(tone).expect("a tone");
        let made = Tone::progress(tone, country, line());
        assert_eq!(made.is_none(), beats.is_empty(), "{text}");
        let Some(made) = made else { continue };
        let mut sound = heard(made, 40).into_iter();
        let (beats, rounds) = match beats {
            [once @ .., "end"] => (once, 1),
            ever => (ever, 2),
        };
        for (hz, level, ms) in beats
            .iter()
            .cycle()
            .take(rounds * beats.len())
            .map(|text| beat(text))
        {
            let piece: Vec<f32> = sound.by_ref().take(ms * 8).collect();
            if hz == [0.0] {
                assert!(piece.iter().all(|sample| *sample == 0.0), "{text}");
                continue;
            }
            let sounds = |at: usize| piece[at..at + 4].iter().any(|sample| *sample != 0.0);
            assert!(sounds(0) && sounds(piece.len() - 44), "{text}");
            // Without the ramps, which are part of a beat; a short one tells no frequency.
            let steady = &piece[40..piece.len() - 40];
            let power = steady.iter().map(|s| f64::from(s * s)).sum::<f64>() / steady.len() as f64;
            let wanted = hz.len() as f64 * level.powi(2) / 2.0;
            assert!(
                (power / wanted - 1.0).abs() < 0.25,
                "{text}: {power} for {wanted}"
            );
            for hz in hz.iter().filter(|_| ms >= 300) {
                let found = amplitude(steady, *hz);
                assert!(
                    (found / level - 1.0).abs() < 0.1,
                    "{text}: {hz} Hz at {found}"
                );
            }
        }
        if rounds == 1 {
            assert!(sound.all(|sample| sample == 0.0), "{text} is over");
        }
    }
    assert_eq!(listed, 16 * Progress::ALL.len());
}

#[test]
fn no_tone_clips_or_clicks_at_any_rate() {
    for hz in [8_000, 11_025, 44_100, 48_000] {
        let rate = DeviceRate::new(hz).expect("a rate");
        for country in Country::all() {
            let progress = Progress::ALL
                .into_iter()
                .filter_map(|tone| Tone::progress(tone, country, rate));
            for mut tone in progress.chain([Tone::bell(country, rate)]) {
                let mut sound = vec![0.0; hz as usize * 6];
                tone.add_to(&mut sound);
                let peak = sound.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
                assert!((0.05..0.33).contains(&peak), "{country:?}: {peak}");
                // As steep as its notes are, and the ramps.
                let notes = tone.notes.unwrap_or([1_850.0, 0.0]);
                let slope: f64 = notes.iter().sum::<f64>() * std::f64::consts::TAU / f64::from(hz);
                let own = f64::from(tone.level) * (slope + 2.0 / f64::from(tone.ramp));
                assert!(f64::from(steepest(&sound)) < own, "{country:?} at {hz} Hz");
            }
        }
    }
}

#[test]
fn a_tone_that_is_stopped_at_any_moment_fades_and_is_over() {
    for at in (0..9_000).step_by(119) {
        let mut tone = Tone::bell(Country::UnitedKingdom, line());
        let mut sound = vec![0.0; 10_000];
        tone.add_to(&mut sound[..at]);
        tone.stop();
        tone.add_to(&mut sound[at..]);
        assert!(tone.is_over(), "{at}");
        let slope = 0.16 * ((880.0 + 1_108.73) * std::f32::consts::TAU / 8_000.0 + 2.0 / 40.0);
        assert!(steepest(&sound) < slope, "{at}");
        assert!(sound[at + 48..].iter().all(|sample| *sample == 0.0));
    }
}

#[test]
fn so_many_beats_are_so_many_and_no_more() {
    let busy = Tone::progress(Progress::Busy, Country::France, line()).expect("one");
    let mut three = busy.for_beats(3);
    let mut sound = vec![0.0; 5 * 8_000];
    three.add_to(&mut sound);
    assert_eq!(stretches(&sound), [(0, 10), (20, 30), (40, 50)]);
    assert!(three.is_over());
}

#[test]
fn a_tone_is_known_by_its_name() {
    for tone in Progress::ALL {
        assert_eq!(Progress::parse(tone.name()), Some(tone));
    }
    assert_eq!(Progress::parse("engaged"), None);
}
