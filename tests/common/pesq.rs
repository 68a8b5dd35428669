//! PESQ (ITU-T P.862.1, narrow band) of what a recorder took, by Python's `pesq`, of speech by espeak-ng.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::pair_server::{RATE, Taken};

/// Two phonetically mixed lists of sentences' worth: some 20 s.
const TEXT: &str = "The boy was there when the sun rose. A rod is used to catch pink salmon. The source of the huge river \
    is the clear spring. Kick the ball straight and follow through. Help the woman get back to her feet. A pot of tea \
    helps to pass the evening. Smoky fires lack flame and heat. The soft cushion broke the man's fall.";

/// Reads two files of 32-bit samples at 48 kHz and a delay in samples, brings both to 8 kHz (a Blackman-windowed low-pass of
/// 3.6 kHz), and prints the mean over pieces of 7 s: PESQ is made for pieces of 8 to 12 s at most, with pauses inside.
const SCORE: &str = r"
import sys, numpy as np
from pesq import pesq
said, heard = (np.fromfile(name, dtype='<f4').astype(float) for name in sys.argv[1:3])
delay = int(sys.argv[3])
n = np.arange(-192, 193)
low = np.sinc(2 * 3600 / 48000 * n) * np.blackman(385)
low /= low.sum()
said, heard = (np.convolve(x, low, 'same')[::6] for x in (said, heard[delay:]))
length = min(len(said), len(heard))
spoken = np.flatnonzero(np.abs(said) > 0.01)
begin, end = max(spoken[0] - 2400, 0), min(spoken[-1] + 2400, length)
pieces = max(round((end - begin) / 56000), 1)
edges = np.linspace(begin, end, pieces + 1).astype(int)
gain = 32768 * 0.7
marks = [pesq(8000, (said[a:b] * gain).astype(np.int16), (heard[a:b] * gain).astype(np.int16), 'nb')
         for a, b in zip(edges, edges[1:])]
print(sum(marks) / len(marks))
";

/// Makes speech at the recorder's rate, or says what is absent.
pub(crate) fn speech(folder: &Path) -> Result<Vec<f32>, String> {
    let asked = Command::new("python3")
        .args(["-c", "import numpy, pesq"])
        .stderr(Stdio::null())
        .status();
    if !asked.is_ok_and(|status| status.success()) {
        return Err("Python's numpy and pesq are not installed".to_owned());
    }
    let path = folder.join("speech.wav");
    let made = Command::new("espeak-ng")
        .args(["-v", "en-us", "-s", "150", "-a", "100", "-w"])
        .arg(&path)
        .arg(TEXT)
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("espeak-ng does not speak".to_owned());
    }
    let mut reader = hound::WavReader::open(&path).map_err(|cause| cause.to_string())?;
    let rate = f64::from(reader.spec().sample_rate);
    let sound: Vec<f32> = reader
        .samples::<i16>()
        .filter_map(Result::ok)
        .map(|sample| f32::from(sample) / 32_768.0)
        .collect();
    // Straight lines between samples do: what they leave above the line's band is the same on both sides of the mark.
    let length = (sound.len() as f64 / rate * f64::from(RATE)) as usize;
    Ok((0..length)
        .map(|n| {
            let at = n as f64 * rate / f64::from(RATE);
            let (before, part) = (at as usize, at.fract() as f32);
            let next = sound.get(before + 1).copied().unwrap_or(0.0);
            sound[before] * (1.0 - part) + next * part
        })
        .collect())
}

/// Marks what the speaker played against what the microphone took, so many ms earlier.
pub(crate) fn score(folder: &Path, taken: &Taken, delay_ms: f64) -> Result<f64, String> {
    let mut command = Command::new("python3");
    command.args(["-c", SCORE]);
    for (name, sound) in [("said", &taken.microphone), ("heard", &taken.speaker)] {
        let path = folder.join(name);
        let bytes: Vec<u8> = sound
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        std::fs::write(&path, bytes).map_err(|cause| cause.to_string())?;
        command.arg(path);
    }
    let output = command
        .arg(((delay_ms * f64::from(RATE) / 1000.0) as usize).to_string())
        .output()
        .map_err(|cause| cause.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}
