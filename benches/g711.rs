//! How long G.711 takes, each way, for a frame of 20 ms and for a second: of floats, as the engine has them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use offhook::pure::audio::{FRAME_LEN, LINE_RATE, g711};

const LENGTHS: [(&str, usize); 2] = [
    ("frame_160", FRAME_LEN),
    ("second_8000", LINE_RATE as usize),
];

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("g711_encode");
    for (name, length) in LENGTHS {
        // Of all levels, so that every part of the table is visited.
        let samples: Vec<f32> = (0..length)
            .map(|n| (n * 37 % 2_000) as f32 / 1_000.0 - 1.0)
            .collect();
        let mut codes = vec![0; length];
        group.throughput(Throughput::Elements(length as u64));
        group.bench_function(name, |b| {
            b.iter(|| g711::encode_slice(black_box(&samples), black_box(&mut codes)));
        });
    }
    group.finish();
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("g711_decode");
    for (name, length) in LENGTHS {
        let codes: Vec<u8> = (0..length).map(|n| (n * 37 % 256) as u8).collect();
        let mut samples = vec![0.0; length];
        group.throughput(Throughput::Elements(length as u64));
        group.bench_function(name, |b| {
            b.iter(|| g711::decode_slice(black_box(&codes), black_box(&mut samples)));
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
