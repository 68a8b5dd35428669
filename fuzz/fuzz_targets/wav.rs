//! Whatever lies in a file that claims to be WAV: read, mended or refused, never a panic, and sound is always a number.
#![no_main]

use libfuzzer_sys::fuzz_target;
use offhook::pure::recording::wav;

fuzz_target!(|data: &[u8]| {
    if let Ok(sound) = wav::read(data, |rate| rate as usize) {
        let samples = sound.channels.iter().flatten();
        assert!(samples.clone().all(|sample| sample.is_finite()));
        assert!(samples.count() <= data.len());
    }
    if let Some(header) = wav::mend(data, data.len() as u64) {
        let mut whole = data.to_vec();
        whole[..header.len()].copy_from_slice(&header);
        assert_eq!(wav::mend(&whole, whole.len() as u64), None);
    }
});
