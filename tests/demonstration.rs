//! The demonstration through a real sound server: what the caller says is heard at the speaker, what is said into the
//! microphone is heard by the caller, without a gap, as loud as it was, and as late as the demonstration says.

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "common/chirp.rs"]
mod chirp;
#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "common/pair_server.rs"]
mod pair_server;

use std::path::Path;
use std::process::{Command, Stdio};

use chirp::{chirp, chirps, find_chirps};
use offhook::lang::Lang;
use offhook::sim::{read_wav, voice};
use pair_server::{PairServer, RATE, Taken};
use serde_json::Value;

/// Seconds between two chirps: no multiple of a frame, so that they fall on every place in one.
const SPACING: f64 = 1.0037;

/// What the echo test holds back, in seconds.
const RECORDED: f64 = 3.0;

/// Steps that the sound server itself may put into a way during one call, where it was a callback late.
const SLIPS: usize = 2;

/// The longest of them, in seconds.
const SLIP: f64 = 0.025;

/// Calls that may be spoilt by a machine that is busy with something else.
const CALLS: usize = 4;

#[test]
fn both_ends_hear_each_other_and_the_printed_delay_is_the_true_one() {
    let server = PairServer::start().expect("a sound server of our own");
    let folder = tempfile::tempdir().expect("a folder");
    let mut told = Vec::new();
    for _ in 0..CALLS {
        match one_call(&server, folder.path()) {
            Ok(()) => return,
            Err(OutOfTime(why)) => told.push(why),
        }
    }
    panic!("{CALLS} calls, and something was out of time in each: {told:#?}");
}

/// What a machine that stands still for a moment can spoil. All else is a panic.
struct OutOfTime(String);

fn one_call(server: &PairServer, folder: &Path) -> Result<(), OutOfTime> {
    let caller_file = folder.join("caller.wav");
    let recorder = server.record();
    let demo = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(["demo", "--once", "--json", "--port", "0", "--lang", "en"])
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--record")
        .arg(&caller_file)
        .current_dir(folder)
        .envs(server.environment())
        .env("XDG_CONFIG_HOME", folder)
        // Its chirps are heard as they are, by ends that have no echo.
        .env("OFFHOOK_PROFILE", "headset")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    server.speak(&chirps(RATE, 24, SPACING));
    let output = demo.wait_with_output().expect("the program ends");
    let taken = recorder.stop();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    assert!(
        !words.contains("stands in"),
        "the devices were to be used: {words}"
    );
    let figures: Value = serde_json::from_slice(&output.stdout).expect("figures as JSON");
    let heard = read_wav(std::fs::File::open(&caller_file).expect("a recording"))
        .expect("the recording is a WAV file");

    let count = |name: &str| figures[name].as_u64().expect("a number");
    assert_eq!(count("missing_ms"), 0, "frames never came: {figures}");
    // No more than 200 ms wait.
    if count("dropped_up") > 0 {
        return Err(OutOfTime(format!("frames found no room: {figures}")));
    }
    let spoken_until = the_speaker_holds_the_greeting(&taken)?;
    the_caller_holds_the_chirps(&taken, &heard)?;
    the_round_trip_is_the_printed_one(&taken, spoken_until, &figures)
}

/// Finds every half second of the greeting at the speaker, in its place and as loud as it was spoken; returns where the
/// greeting and the tone after it end, in seconds.
fn the_speaker_holds_the_greeting(taken: &Taken) -> Result<f64, OutOfTime> {
    let spoken: Vec<f32> = voice::greeting(Lang::En)
        .into_iter()
        .map(|sample| f32::from(sample) / 32_768.0)
        .collect();
    let speaker = to_line(&taken.speaker);
    let parts: Vec<(usize, &[f32])> = spoken
        .chunks_exact(4_000)
        .enumerate()
        .map(|(n, part)| (n * 4_000, part))
        .filter(|(_, part)| rms(part) > 0.02)
        .collect();
    let (first_at, first) = parts.first().expect("the greeting is not all silence");
    let (first_found, _) = best_place(&speaker, first, 0..speaker.len());
    let mut place = first_found
        .checked_sub(*first_at)
        .expect("the greeting has a beginning at the speaker");
    let reach = (SLIP * 8_000.0) as usize;
    let mut slips = 0;
    for (at, part) in &parts {
        let wanted = place + at;
        let around = wanted.saturating_sub(2 * reach)..wanted + 2 * reach;
        let (found, alike) = best_place(&speaker, part, around);
        let there = speaker.get(found..found + part.len()).unwrap_or_default();
        let louder = 20.0 * (rms(there) / rms(part)).log10();
        let off = found.abs_diff(wanted);
        let from = at / 8;
        // A slip in the middle of a part leaves half of it in another place.
        let slipped = off > 8 || alike < 0.9;
        slips += usize::from(slipped);
        if off > reach || alike < 0.5 || slips > SLIPS {
            return Err(OutOfTime(format!(
                "the greeting from {from} ms on: {off} samples off, {alike:.2} alike"
            )));
        }
        assert!(
            slipped || louder.abs() <= 1.5,
            "the greeting from {from} ms on is {louder:.1} dB louder"
        );
        place = found.saturating_sub(*at);
    }
    Ok((place + spoken.len() + voice::beep().len()) as f64 / 8_000.0)
}

/// Finds the chirps that were said while the line was open in the caller's recording: as far apart and as loud as at the
/// microphone.
fn the_caller_holds_the_chirps(taken: &Taken, heard: &[i16]) -> Result<(), OutOfTime> {
    let heard: Vec<f32> = heard.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    // The ringback that comes first has no chirps in it, and ends when the demonstration picks up.
    let open = 3.2;
    let found: Vec<f64> = find_chirps(&heard, 8_000)
        .into_iter()
        .filter(|at| *at > open)
        .collect();
    let length = heard.len() as f64 / 8_000.0 - open;
    if (found.len() as f64) < (length / SPACING).floor() - 2.0 {
        return Err(OutOfTime(format!(
            "{} chirps heard in {length:.1} s",
            found.len()
        )));
    }
    let steps: Vec<f64> = found
        .windows(2)
        .map(|pair| (pair[1] - pair[0] - SPACING).abs())
        .filter(|step| *step > 0.002)
        .collect();
    if steps.len() > SLIPS || steps.iter().any(|step| *step > SLIP) {
        return Err(OutOfTime(format!(
            "chirps are so many seconds out of place at the caller's: {steps:.4?}"
        )));
    }
    let level = |sound: &[f32], at: f64, rate: u32| {
        let start = (at * f64::from(rate)) as usize;
        rms(&sound[start..start + chirp(rate).len()])
    };
    let said = find_chirps(&taken.microphone, RATE);
    let louder =
        20.0 * (level(&heard, found[1], 8_000) / level(&taken.microphone, said[1], RATE)).log10();
    assert!(
        louder.abs() <= 1.5,
        "the caller hears the chirps {louder:.1} dB louder"
    );
    Ok(())
}

/// Compares what the demonstration says of the way there and back with what the recorder saw: a chirp goes up, is held for
/// three seconds, and comes down again.
fn the_round_trip_is_the_printed_one(
    taken: &Taken,
    spoken_until: f64,
    figures: &Value,
) -> Result<(), OutOfTime> {
    let number = |value: &Value| value.as_f64().expect("a number") / 1_000.0;
    let printed = number(&figures["round_trip_ms"]);
    // What waited at the caller's end is no way of ours.
    let queued = number(&figures["caller"]["stream"]["queue_remembered_ms"]);
    let from = (spoken_until * f64::from(RATE)) as usize;
    let echo = taken.speaker.get(from..).unwrap_or_default();
    let said = find_chirps(&taken.microphone, RATE);
    let trips: Vec<f64> = find_chirps(echo, RATE)
        .into_iter()
        .filter_map(|at| {
            let came = spoken_until + at - RECORDED - queued;
            said.iter()
                .map(|said| came - said)
                .find(|trip| (0.0..0.5).contains(trip))
        })
        .collect();
    assert!(!trips.is_empty(), "no chirp came back");
    let measured = trips.iter().sum::<f64>() / trips.len() as f64;
    if (measured - printed).abs() > 0.005 {
        return Err(OutOfTime(format!(
            "there and back in {:.1} ms by the recorder, {:.1} ms by the program: {}",
            measured * 1_000.0,
            printed * 1_000.0,
            figures["caller"]["stream"]
        )));
    }
    Ok(())
}

/// Takes a recording down to 8 kHz by averaging, which is enough to find speech again.
fn to_line(recording: &[f32]) -> Vec<f32> {
    recording
        .chunks_exact((RATE / 8_000) as usize)
        .map(|six| six.iter().sum::<f32>() / six.len() as f32)
        .collect()
}

/// Returns where a piece fits best among the places given, and how alike the two are there: 1 for the same, whatever the
/// level.
fn best_place(sound: &[f32], piece: &[f32], places: std::ops::Range<usize>) -> (usize, f32) {
    let alike = |place: usize| {
        let Some(there) = sound.get(place..place + piece.len()) else {
            return 0.0;
        };
        let dot: f32 = there.iter().zip(piece).map(|(a, b)| a * b).sum();
        let level = rms(there) * rms(piece) * piece.len() as f32;
        if level > 0.0 { dot / level } else { 0.0 }
    };
    let better = |best: (usize, f32), place: usize| {
        let value = alike(place);
        if value > best.1 { (place, value) } else { best }
    };
    places.fold((0, 0.0), better)
}

fn rms(sound: &[f32]) -> f32 {
    (sound.iter().map(|s| s * s).sum::<f32>() / sound.len().max(1) as f32).sqrt()
}
