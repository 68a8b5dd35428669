//! Behaviours of recordings: what is in them, how large they are, and that they play wherever their writing stopped.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::pure::ogg;

/// A file as the writes leave it.
fn apply(file: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Append(bytes) => file.extend_from_slice(bytes),
        Write::Head(bytes) => file[..bytes.len()].copy_from_slice(bytes),
        Write::Sync => {}
    }
}

fn file_of(writes: &[Write]) -> Vec<u8> {
    let mut file = Vec::new();
    for write in writes {
        apply(&mut file, write);
    }
    file
}

fn tone(hz: f64, from: usize, count: usize) -> Vec<i16> {
    (from..from + count)
        .map(|n| ((n as f64 * std::f64::consts::TAU * hz / 8_000.0).sin() * 9_000.0) as i16)
        .collect()
}

/// Something like speech: a buzz of 120 Hz whose loudness and colour move, with pauses.
fn babble(seconds: usize, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut low = 0.0_f64;
    (0..seconds * 8_000)
        .map(|n| {
            let t = n as f64 / 8_000.0 + f64::from(seed);
            let speaks = (t * 0.9).sin() > -0.3;
            let syllable = (t * std::f64::consts::TAU * 3.7).sin().max(0.0);
            let colour = 0.15 + 0.1 * (t * 2.1).sin();
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 16) / 32_768.0 - 1.0;
            let buzz = (t * 120.0 * (1.0 + 0.05 * (t * 1.3).sin())).fract() - 0.5;
            low += colour * (buzz + 0.2 * noise - low);
            if speaks {
                (low * syllable * 22_000.0) as i16
            } else {
                (noise * 8.0) as i16
            }
        })
        .collect()
}

/// Records both ends as they would come, and returns the writes with the moment of each.
fn record(format: Format, near: &[i16], far: &[i16]) -> Vec<(Time, Write)> {
    let begin = Time::from_millis(5_000);
    let (mut recording, writes) = Recording::begin(format, 1, &[], begin).expect("an encoder");
    let mut log: Vec<(Time, Write)> = writes.into_iter().map(|write| (begin, write)).collect();
    let frames = near.len().max(far.len()) / FRAME_LEN;
    for n in 0..frames {
        let at = begin + Duration::from_millis(20 * n as u64);
        let now = at + Duration::from_millis(20);
        for (end, sound) in [(End::Near, near), (End::Far, far)] {
            if let Some(piece) = sound.get(n * FRAME_LEN..(n + 1) * FRAME_LEN) {
                recording.push(end, at, piece);
            }
        }
        let writes = recording.advance(now).expect("encoded");
        log.extend(writes.into_iter().map(|write| (now, write)));
    }
    let end = begin + Duration::from_millis(20 * frames as u64);
    assert_eq!(recording.lost(), [Lost::default(); 2]);
    let (writes, length) = recording.finish(end).expect("encoded");
    assert_eq!(length, Duration::from_millis(20 * frames as u64));
    log.extend(writes.into_iter().map(|write| (end, write)));
    log
}

fn writes(log: Vec<(Time, Write)>) -> Vec<Write> {
    log.into_iter().map(|(_, write)| write).collect()
}

/// Reads a file of either format, whole or not, at 8 kHz.
fn play(format: Format, file: &[u8]) -> Option<Vec<Vec<i16>>> {
    match format {
        Format::Opus => Some(opus::read(file, usize::MAX).ok()?.channels),
        Format::Wav => {
            let sound = wav::read(file, |_| usize::MAX).ok()?;
            let whole = |channel: Vec<f32>| channel.into_iter().map(|s| (s * 32_768.0) as i16);
            Some(
                sound
                    .channels
                    .into_iter()
                    .map(|c| whole(c).collect())
                    .collect(),
            )
        }
    }
}

fn power_db(sound: &[i16]) -> f64 {
    let power: f64 = sound.iter().map(|s| f64::from(*s).powi(2)).sum();
    10.0 * (power / sound.len() as f64 / 32_768.0_f64.powi(2) + 1e-12).log10()
}

#[test]
fn each_end_has_its_own_channel_and_nothing_of_the_other() {
    for format in [Format::Opus, Format::Wav] {
        let (near, far) = (tone(440.0, 0, 16_000), vec![0; 16_000]);
        for (sounds, silent, near, far) in [(0, 1, &near, &far), (1, 0, &far, &near)] {
            let file = file_of(&writes(record(format, near, far)));
            let channels = play(format, &file).expect("played");
            assert_eq!(channels.len(), 2);
            let (loud, quiet) = (power_db(&channels[sounds]), power_db(&channels[silent]));
            assert!((loud + 14.2).abs() < 1.0, "{format:?}: {loud} dBFS");
            assert!(quiet < -90.0, "{format:?}: {quiet} dBFS of the other end");
        }
    }
}

#[test]
fn a_recording_is_as_long_as_its_call_and_every_sound_in_its_place() {
    let mut near = vec![0; 24_000];
    near[8_000..8_800].copy_from_slice(&tone(900.0, 0, 800));
    let mut far = vec![0; 24_000];
    far[16_000..16_800].copy_from_slice(&tone(900.0, 0, 800));
    for format in [Format::Opus, Format::Wav] {
        let file = file_of(&writes(record(format, &near, &far)));
        let channels = play(format, &file).expect("played");
        for (channel, begins) in channels.iter().zip([8_000_usize, 16_000]) {
            assert_eq!(channel.len(), 24_000, "{format:?}");
            let weight = |n: usize| f64::from(channel[n]).powi(2);
            let all: f64 = (0..24_000).map(weight).sum();
            let middle = (0..24_000).map(|n| n as f64 * weight(n)).sum::<f64>() / all;
            let off = middle - begins as f64 - 400.0;
            assert!(off.abs() < 16.0, "{format:?}: {off} samples off");
        }
    }
}

#[test]
fn pages_are_as_the_standards_want_them() {
    let file = file_of(&writes(record(Format::Opus, &babble(3, 1), &babble(3, 2))));
    let pages: Vec<_> = ogg::pages(&file).collect();
    let bytes: usize = pages.iter().map(|(_, page)| page.length()).sum();
    assert_eq!(bytes, file.len(), "nothing between pages");
    for (n, (_, page)) in pages.iter().enumerate() {
        assert_eq!(page.sequence, n as u32);
        assert_eq!((page.first, page.last), (n == 0, n + 1 == pages.len()));
        assert!(!page.continued);
        assert!(n < 2 || page.granule <= (n as u64 - 1) * 20 * 960 + 312);
        assert!(n != 0 || page.granule == 0);
    }
    let positions: Vec<u64> = pages[2..].iter().map(|(_, page)| page.granule).collect();
    assert!(positions.is_sorted());
    // The pre-skip and three seconds.
    assert_eq!(positions.last(), Some(&(312 + 3 * 48_000)));
    let packets: Vec<_> = ogg::packets(&file).collect();
    assert_eq!(packets.len(), 2 + 150 + 1);
}

#[test]
fn whatever_is_written_last_the_file_plays_up_to_one_second_before() {
    for format in [Format::Opus, Format::Wav] {
        let (near, far) = (babble(4, 3), babble(4, 4));
        let log = record(format, &near, &far);
        let begin = log[0].0;
        let whole = play(format, &file_of(&writes(log.clone()))).expect("played");
        let mut file = Vec::new();
        for (n, (now, write)) in log.iter().enumerate() {
            // At some of its bytes.
            let bytes = match write {
                Write::Append(bytes) | Write::Head(bytes) => bytes.len(),
                Write::Sync => 0,
            };
            let cuts = (0..bytes).step_by(bytes / 24 + 1);
            for cut in cuts {
                let mut torn = file.clone();
                match write {
                    Write::Append(bytes) => torn.extend_from_slice(&bytes[..cut]),
                    Write::Head(bytes) => torn[..cut].copy_from_slice(&bytes[..cut]),
                    Write::Sync => {}
                }
                check_cut(format, &torn, &whole, begin, log[n.max(1) - 1].0);
            }
            apply(&mut file, write);
            check_cut(format, &file, &whole, begin, *now);
        }
    }
}

/// Holds a file whose writing stopped at `now` against what it became.
fn check_cut(format: Format, file: &[u8], whole: &[Vec<i16>], begin: Time, now: Time) {
    let due_ms = now.since(begin).as_millis().saturating_sub(1_000);
    let mut mended = file.to_vec();
    match format {
        Format::Opus => {
            if let Some(ogg::Mended { at, page }) = ogg::mend(&mended) {
                mended.truncate(at);
                mended.extend(page);
            }
            assert!(due_ms == 0 || ogg::is_finished(&mended));
        }
        Format::Wav => {
            if let Some(header) = wav::mend(&mended, mended.len() as u64) {
                mended[..header.len()].copy_from_slice(&header);
            }
        }
    }
    // Opus plays as it is, and mended as well. In a WAV file the header may be torn, if a disk ever tears 44 bytes.
    let files = match format {
        Format::Opus => vec![file, &mended],
        Format::Wav => vec![&mended[..]],
    };
    for file in files {
        let Some(channels) = play(format, file) else {
            assert_eq!(due_ms, 0, "{format:?}: no sound at {now:?}");
            continue;
        };
        for (channel, whole) in channels.iter().zip(whole) {
            let ms = channel.len() as u128 / 8;
            assert!(ms >= due_ms, "{format:?}: {ms} ms of {due_ms} at {now:?}");
            let same = channel.len().min(whole.len());
            assert_eq!(channel[..same], whole[..same], "{format:?}");
        }
    }
}

#[test]
fn a_disk_that_kept_only_what_was_synced_has_all_but_one_second() {
    for format in [Format::Opus, Format::Wav] {
        let log = record(format, &babble(6, 5), &babble(6, 6));
        let begin = log[0].0;
        let mut synced = Vec::new();
        let mut file = Vec::new();
        let mut moments: Vec<Time> = log.iter().map(|(now, _)| *now).collect();
        moments.dedup();
        for now in moments {
            // Just before what is written now, the power fails.
            let ms = play(format, &synced).map_or(0, |channels| channels[0].len() as u128 / 8);
            let due = now.since(begin).as_millis().saturating_sub(1_000);
            assert!(ms >= due, "{format:?}: {ms} ms of {due}");
            for (_, write) in log.iter().filter(|(at, _)| *at == now) {
                apply(&mut file, write);
                if *write == Write::Sync {
                    synced.clone_from(&file);
                }
            }
        }
        assert_eq!(synced, file);
    }
}

#[test]
fn what_is_said_in_a_pause_is_nowhere_in_the_file() {
    for format in [Format::Opus, Format::Wav] {
        let begin = Time::START;
        let (mut recording, mut log) = Recording::begin(format, 1, &[], begin).expect("begun");
        for n in 0..400_usize {
            let at = begin + Duration::from_millis(20 * n as u64);
            // From 2 s to 5 s somebody reads out a card number, at 1,500 Hz.
            let hz = if (100..250).contains(&n) {
                1_500.0
            } else {
                400.0
            };
            if n == 100 {
                log.extend(recording.pause(at).expect("paused"));
                assert!(recording.is_paused());
            }
            if n == 250 {
                recording.resume(at);
            }
            for end in [End::Near, End::Far] {
                recording.push(end, at, &tone(hz, n * FRAME_LEN, FRAME_LEN));
            }
            let now = at + Duration::from_millis(20);
            log.extend(recording.advance(now).expect("encoded"));
        }
        assert_eq!(recording.length(), Duration::from_millis(4_700));
        log.extend(recording.finish(Time::from_millis(8_000)).expect("ended").0);
        let file = file_of(&log);
        for channel in play(format, &file).expect("played") {
            assert_eq!(channel.len(), 5 * 8_000);
            for window in channel.chunks_exact(400) {
                let (low, high) = (at_hz(window, 400.0), at_hz(window, 1_500.0));
                assert!(high < low / 50.0, "{format:?}: {high} of {low}");
            }
        }
    }
}

/// The power at one frequency.
fn at_hz(sound: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in sound.iter().enumerate() {
        let turn = n as f64 * std::f64::consts::TAU * hz / 8_000.0;
        re += f64::from(*sample) * turn.cos();
        im += f64::from(*sample) * turn.sin();
    }
    (re * re + im * im) / sound.len() as f64
}

#[test]
fn a_recording_that_ends_at_once_or_in_a_pause_is_a_whole_file() {
    for format in [Format::Opus, Format::Wav] {
        let (recording, mut log) = Recording::begin(format, 1, &[], Time::START).expect("begun");
        log.extend(recording.finish(Time::START).expect("ended").0);
        assert_eq!(play(format, &file_of(&log)), Some(vec![vec![], vec![]]));

        let (mut recording, mut log) =
            Recording::begin(format, 1, &[], Time::START).expect("begun");
        recording.push(End::Near, Time::START, &[500; 8_000]);
        log.extend(recording.pause(Time::from_millis(500)).expect("paused"));
        log.extend(recording.finish(Time::from_millis(900)).expect("ended").0);
        let channels = play(format, &file_of(&log)).expect("played");
        assert_eq!(channels[1].len(), 4_000);
    }
}

#[test]
fn files_of_other_programs_are_read() {
    // A stream of two channels in one, as most programs make it, from an encoder of its own.
    let encoder = audiopus::coder::Encoder::new(
        audiopus::SampleRate::Hz48000,
        audiopus::Channels::Stereo,
        audiopus::Application::Audio,
    )
    .expect("an encoder");
    let head = ogg::opus::Head {
        channels: 2,
        pre_skip: 312,
        input_rate: 48_000,
        gain: 0,
        mapping: ogg::opus::Mapping::Plain,
    };
    let mut pages = ogg::PageWriter::new(9);
    pages.push(&head.to_packet(), 0);
    let mut file = pages.flush();
    pages.push(&ogg::opus::tags("another", &["TITLE=x".to_owned()]), 0);
    file.extend(pages.flush());
    for n in 0..50_usize {
        let sound: Vec<i16> = (n * 960..(n + 1) * 960)
            .flat_map(|n| {
                let turn = n as f64 * std::f64::consts::TAU * 440.0 / 48_000.0;
                [(turn.sin() * 9_000.0) as i16, 0]
            })
            .collect();
        let mut room = [0; 4_000];
        let length = encoder.encode(&sound, &mut room).expect("encoded");
        pages.push(&room[..length], 960 * (n as u64 + 1));
    }
    file.extend(pages.finish());
    let sound = opus::read(&file, usize::MAX).expect("read");
    assert_eq!(sound.channels.len(), 2);
    assert_eq!(sound.channels[0].len(), 8_000 - 52);
    assert!((power_db(&sound.channels[0]) + 14.2).abs() < 1.0);
    assert!(power_db(&sound.channels[1]) < -40.0);
    let short = opus::read(&file, 1_000).expect("read");
    assert!(short.is_cut && short.channels[1].len() == 1_000);
}

#[test]
fn wav_of_every_usual_kind_is_read() {
    let header = |format: u16, bits: u16, sound: &[u8]| {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt ".to_vec();
        let extended = format == 0xFFFE;
        file.extend(if extended { 40_u32 } else { 16 }.to_le_bytes());
        file.extend(format.to_le_bytes());
        file.extend(1_u16.to_le_bytes());
        file.extend(16_000_u32.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend((bits / 8).to_le_bytes());
        file.extend(bits.to_le_bytes());
        if extended {
            file.extend([22, 0, 16, 0, 4, 0, 0, 0]);
            file.extend([
                1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71,
            ]);
        }
        file.extend(b"data");
        file.extend((sound.len() as u32).to_le_bytes());
        file.extend(sound);
        file
    };
    let half = 0.5_f32.to_le_bytes();
    for (format, bits, sound) in [
        (1, 8, &[192][..]),
        (1, 16, &[0, 64]),
        (1, 24, &[0, 0, 64]),
        (1, 32, &[0, 0, 0, 64]),
        (3, 32, &half),
        (0xFFFE, 16, &[0, 64]),
    ] {
        let read = wav::read(&header(format, bits, sound), |_| 10).expect("read");
        assert_eq!(
            (read.rate, read.channels),
            (16_000, vec![vec![0.5]]),
            "{format}, {bits}"
        );
    }
    let read = wav::read(&header(7, 8, &[0x8F]), |_| 10).expect("read");
    assert!(
        (read.channels[0][0] - 0.5116).abs() < 1e-4,
        "{:?}",
        read.channels
    );
    assert_eq!(
        wav::read(&header(2, 4, &[1]), |_| 10),
        Err(wav::NotWav::Unknown { format: 2, bits: 4 })
    );
    assert_eq!(wav::read(b"OggS", |_| 10), Err(wav::NotWav::NoHeader));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_course_of_things_makes_a_whole_file_of_the_right_length(
        acts in prop::collection::vec((0..6_u8, 1..900_u64), 1..20),
        opus in any::<bool>(),
    ) {
        let format = if opus { Format::Opus } else { Format::Wav };
        let mut now = Time::from_millis(700);
        let (mut recording, mut log) = Recording::begin(format, 3, &[], now).expect("begun");
        for (act, ms) in acts {
            let before = recording.length();
            let sound = vec![700; ms as usize * 8];
            match act {
                0 => log.extend(recording.pause(now).expect("paused")),
                1 => recording.resume(now),
                2 => recording.push(End::Near, now, &sound),
                3 => recording.push(End::Far, now, &sound),
                4 => recording.push(End::Far, now.before(Duration::from_millis(ms)), &sound),
                _ => {
                    recording.push(End::Near, now, &sound);
                    recording.push(End::Far, now, &sound);
                }
            }
            now = now + Duration::from_millis(ms);
            log.extend(recording.advance(now).expect("encoded"));
            prop_assert!(recording.length() >= before);
        }
        let length = recording.length();
        log.extend(recording.finish(now).expect("ended").0);
        let file = file_of(&log);
        let channels = play(format, &file).expect("played");
        let ms = channels[0].len() as u128 / 8;
        prop_assert!((length.as_millis()..=length.as_millis() + 320).contains(&ms));
        if opus {
            prop_assert!(ogg::is_finished(&file));
            let positions: Vec<u64> = ogg::pages(&file).map(|(_, page)| page.granule).collect();
            prop_assert!(positions.is_sorted());
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        wav in any::<bool>(),
        spoiled in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let format = if wav { Format::Wav } else { Format::Opus };
        let mut file = file_of(&writes(record(format, &tone(300.0, 0, 4_000), &[])));
        for (at, byte) in spoiled {
            let at = at.index(file.len());
            file[at] = byte;
        }
        bytes.extend(file);
        for bytes in [&bytes[..], &bytes[bytes.len() % 50..]] {
            let _ = opus::read(bytes, 100_000);
            if let Ok(sound) = wav::read(bytes, |_| 100_000) {
                prop_assert!(sound.channels.iter().flatten().all(|s| s.is_finite()));
            }
            let _ = wav::mend(bytes, bytes.len() as u64);
        }
    }
}
