//! The WAV files of a demonstration: what stands in for a sound card, and what the caller heard.

use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::lang::Lang;
use crate::sim::{CallReport, voice, write_recording};

/// The files of a demonstration; those that it does without are not there.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// What the microphone hears.
    pub(super) near_end: Option<PathBuf>,
    /// What the speaker plays.
    pub(super) speaker: Option<PathBuf>,
    /// What the caller hears.
    pub(super) caller: Option<PathBuf>,
}

impl Files {
    /// Writes what a microphone that is a file hears: a little tune, once the caller has finished speaking.
    pub(super) fn make_near_end(&mut self, folder: &Path, lang: Lang) -> Result<PathBuf, Failure> {
        let path = folder.join("near-end.wav");
        // The caller begins half a second after it was picked up.
        let before = 4_000 + voice::greeting(lang).len() + voice::beep().len();
        let mut sound = vec![0; before];
        sound.extend(tune());
        write(&path, &sound)?;
        self.near_end = Some(path.clone());
        Ok(path)
    }

    /// Writes what the caller heard, where that is wanted.
    pub(super) fn keep_caller(&self, report: &CallReport) -> Result<(), Failure> {
        match &self.caller {
            Some(path) => write(path, &report.stream.heard),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, sound: &[i16]) -> Result<(), Failure> {
    write_recording(path, sound).map_err(|why| {
        Failure::world(format!("`{}` {why}", path.display()))
            .hint("make room there, or choose another folder with --data-dir")
    })
}

/// Makes four notes of a major chord, up and down, 8 kHz: three seconds.
fn tune() -> impl Iterator<Item = i16> {
    const NOTES: [f32; 6] = [523.25, 659.26, 783.99, 1046.5, 783.99, 659.26];
    const LENGTH: u16 = 4_000;
    NOTES.into_iter().flat_map(|hertz| {
        (0..LENGTH).map(move |n| {
            let wave = (f32::from(n) * hertz * std::f32::consts::TAU / 8_000.0).sin();
            // Each note swells within 10 ms and fades away, as on a xylophone.
            let swell = f32::from(n.min(80)) / 80.0;
            let fade = 1.0 - f32::from(n) / f32::from(LENGTH);
            (wave * swell * fade * 10_000.0) as i16
        })
    })
}
