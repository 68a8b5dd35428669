//! What rings is bounded, keeps its cadence and never clicks.

use super::*;

fn rings(style: RingStyle, rate: DeviceRate, seconds: usize) -> Vec<f32> {
    let mut ringer = Ringer::new(style, rate);
    ringer.ring(Some(Country::NorthAmerica));
    let mut sound = vec![0.0; seconds * rate.hz() as usize];
    for block in sound.chunks_mut(441) {
        ringer.add_to(block);
    }
    sound
}

fn style(melody: Melody) -> RingStyle {
    RingStyle {
        melody,
        ..RingStyle::default()
    }
}

fn recording() -> Melody {
    // 300 Hz, begun and ended at its loudest.
    Melody::recording(
        (0..72_000)
            .map(|n| (n as f32 * 300.0 * std::f32::consts::TAU / 48_000.0).cos() * 0.9)
            .collect(),
    )
}

fn melodies() -> [Melody; 5] {
    [
        Melody::Classic,
        Melody::Tune(Tune::Marimba),
        Melody::Tune(Tune::Chime),
        Melody::Tune(Tune::Mechanical),
        recording(),
    ]
}

fn peak(sound: &[f32]) -> f32 {
    sound
        .iter()
        .fold(0.0, |peak, sample| peak.max(sample.abs()))
}

fn steepest(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

#[test]
fn all_ring_about_as_loud_and_never_louder_than_a_third() {
    for hz in [8_000, 16_000, 44_100, 48_000, 192_000] {
        for melody in melodies() {
            let rate = DeviceRate::new(hz).expect("a rate");
            let sound = rings(style(melody.clone()), rate, 9);
            let peak = peak(&sound);
            assert!(
                (0.15..0.34).contains(&peak),
                "{melody:?} at {hz} Hz: {peak}"
            );
            // It rings again.
            let second_half = &sound[sound.len() / 2..];
            assert!(second_half.iter().any(|sample| sample.abs() > 0.1));
        }
    }
}

#[test]
fn the_mechanical_bell_keeps_the_countrys_cadence() {
    let sound = rings(
        style(Melody::Tune(Tune::Mechanical)),
        DeviceRate::HZ_48000,
        12,
    );
    let level =
        |from: f32, to: f32| peak(&sound[(from * 48_000.0) as usize..(to * 48_000.0) as usize]);
    assert!(level(0.1, 1.9) > 0.1 && level(6.1, 7.9) > 0.1);
    assert!(level(3.2, 5.9) < 0.001, "{}", level(3.2, 5.9));
}

#[test]
fn beginning_and_stopping_at_any_moment_never_clicks() {
    for melody in melodies() {
        let whole = rings(style(melody.clone()), DeviceRate::HZ_48000, 7);
        // What the sound itself does, and the fader's share.
        let own = steepest(&whole) + 0.34 / 480.0;
        for at in (0..200_000).step_by(9_973) {
            let mut ringer = Ringer::new(style(melody.clone()), DeviceRate::HZ_48000);
            let mut sound = vec![0.0; 210_000];
            ringer.ring(Some(Country::NorthAmerica));
            ringer.add_to(&mut sound[..at]);
            ringer.ring(None);
            ringer.add_to(&mut sound[at..at + 200]);
            // Again, elsewhere, before it has faded.
            ringer.ring(Some(Country::France));
            ringer.add_to(&mut sound[at + 200..at + 5_000]);
            ringer.ring(None);
            ringer.add_to(&mut sound[at + 5_000..]);
            assert!(steepest(&sound) <= own, "{melody:?} stopped at {at}");
            assert!(sound[at + 5_500..].iter().all(|sample| *sample == 0.0));
        }
    }
}

#[test]
fn a_rising_bell_begins_softly_and_reaches_its_volume_within_seconds() {
    let loud = rings(style(Melody::Classic), DeviceRate::HZ_48000, 14);
    let rising = RingStyle {
        rises: true,
        ..RingStyle::default()
    };
    let rising = rings(rising, DeviceRate::HZ_48000, 14);
    let first = peak(&rising[..9_600]) / peak(&loud[..9_600]);
    assert!((0.12..0.15).contains(&first), "{first}");
    let middle = peak(&rising[6 * 48_000..7 * 48_000]) / peak(&loud[6 * 48_000..7 * 48_000]);
    assert!((0.5..0.9).contains(&middle), "{middle}");
    assert_eq!(rising[12 * 48_000..], loud[12 * 48_000..]);
}

#[test]
fn its_volume_is_its_own() {
    let half = RingStyle {
        volume: Volume::new(50).expect("a percentage"),
        ..style(Melody::Tune(Tune::Chime))
    };
    let ratio = peak(&rings(half, DeviceRate::HZ_48000, 4))
        / peak(&rings(
            style(Melody::Tune(Tune::Chime)),
            DeviceRate::HZ_48000,
            4,
        ));
    assert!((ratio - 0.125).abs() < 1e-3, "{ratio}");
    let none = RingStyle {
        volume: Volume::new(0).expect("a percentage"),
        ..RingStyle::default()
    };
    assert_eq!(peak(&rings(none, DeviceRate::HZ_48000, 4)), 0.0);
}

#[test]
fn it_rings_on_at_a_device_of_another_rate() {
    for melody in melodies() {
        let mut ringer = Ringer::new(style(melody), DeviceRate::HZ_48000);
        ringer.ring(Some(Country::NorthAmerica));
        for hz in [48_000, 44_100, 16_000, 48_000] {
            ringer.set_rate(DeviceRate::new(hz).expect("a rate"));
            let mut sound = vec![0.0; hz as usize / 5];
            ringer.add_to(&mut sound);
            assert!(peak(&sound) > 0.05, "{hz} Hz: {}", peak(&sound));
        }
    }
}

#[test]
fn a_quiet_recording_is_turned_up_and_a_silent_one_stays_silent() {
    let Melody::Recording(quiet) = Melody::recording(vec![0.05; 4_800]) else {
        panic!("a recording");
    };
    assert!((peak(&quiet) - 0.2).abs() < 1e-6);
    assert_eq!((quiet[0], quiet[4_799]), (0.0, 0.0));
    let Melody::Recording(silent) = Melody::recording(vec![0.0; 100]) else {
        panic!("a recording");
    };
    assert_eq!(peak(&silent), 0.0);
    let mut empty = Ringer::new(style(Melody::recording(Vec::new())), DeviceRate::HZ_48000);
    empty.ring(Some(Country::France));
    empty.add_to(&mut [0.0; 100_000]);
}
