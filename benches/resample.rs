//! How long it takes to bring 20 ms of sound from the line's rate to a device's and back.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use offhook::pure::audio::resample::{ToDevice, ToLine};
use offhook::pure::audio::{DeviceRate, FRAME_LEN};

/// A rate that the line's divides and one that it does not; the filter is the same length of time for both.
const RATES: [u32; 2] = [48_000, 44_100];

fn to_device(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample_to_device");
    for hz in RATES {
        let mut block = vec![0.0; hz as usize / 50];
        let mut converter = ToDevice::new(rate(hz), block.len());
        let line = sine(converter.most_needed());
        group.throughput(Throughput::Elements(block.len() as u64));
        group.bench_function(format!("20_ms_at_{hz}"), |b| {
            b.iter(|| {
                let needed = converter.needs(block.len());
                converter.convert(black_box(&line[..needed]), black_box(&mut block));
            });
        });
    }
    group.finish();
}

fn to_line(c: &mut Criterion) {
    let mut group = c.benchmark_group("resample_to_line");
    for hz in RATES {
        let block = sine(hz as usize / 50);
        let mut converter = ToLine::new(rate(hz), block.len());
        let mut line = vec![0.0; converter.most_made()];
        group.throughput(Throughput::Elements(FRAME_LEN as u64));
        group.bench_function(format!("20_ms_at_{hz}"), |b| {
            b.iter(|| converter.convert(black_box(&block), black_box(&mut line)));
        });
    }
    group.finish();
}

fn rate(hz: u32) -> DeviceRate {
    DeviceRate::new(hz).expect("a rate of a device")
}

fn sine(samples: usize) -> Vec<f32> {
    (0..samples)
        .map(|n| (n as f32 * 0.05).sin() * 0.5)
        .collect()
}

criterion_group!(benches, to_device, to_line);
criterion_main!(benches);
