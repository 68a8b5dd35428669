//! Hears scenes through sonora (WebRTC's AEC3 and noise suppression): for each name read from standard input, `NAME.far` and
//! `NAME.mic` (raw 32-bit floats, 16 kHz) become `NAME.sonora`.

use std::io::BufRead;

use sonora::config::{EchoCanceller, HighPassFilter, NoiseSuppression};
use sonora::{AudioProcessing, Config, StreamConfig};

const BLOCK: usize = 160;

fn main() {
    for name in std::io::stdin().lock().lines() {
        let name = name.expect("names are text");
        let (far, heard) = (read(&format!("{name}.far")), read(&format!("{name}.mic")));
        let config = Config {
            echo_canceller: Some(EchoCanceller::default()),
            noise_suppression: Some(NoiseSuppression::default()),
            high_pass_filter: Some(HighPassFilter::default()),
            ..Config::default()
        };
        let mut chain = AudioProcessing::builder()
            .config(config)
            .capture_config(StreamConfig::new(16_000, 1))
            .render_config(StreamConfig::new(16_000, 1))
            .build();
        let mut out = Vec::with_capacity(heard.len());
        for (far, heard) in far.chunks_exact(BLOCK).zip(heard.chunks_exact(BLOCK)) {
            let mut made = [0.0; BLOCK];
            chain
                .process_render_f32(&[far], &mut [&mut made])
                .expect("a block of 10 ms");
            chain
                .process_capture_f32(&[heard], &mut [&mut made])
                .expect("a block of 10 ms");
            out.extend(made.iter().flat_map(|sample| sample.to_le_bytes()));
        }
        std::fs::write(format!("{name}.sonora"), out).expect("the folder can be written to");
    }
}

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a scene can be read");
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().expect("four bytes")))
        .collect()
}
