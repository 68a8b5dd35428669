//! How long a recording takes: a second of both ends put in time, encoded and cut into pages, and read back.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use offhook::pure::audio::FRAME_LEN;
use offhook::pure::recording::{End, Format, Recording, Write, opus};
use offhook::pure::time::Time;

/// Frames of a second.
const FRAMES: u64 = 50;

/// 20 ms of a voice-like buzz.
fn voice(frame: u64, seed: f64) -> [i16; FRAME_LEN] {
    std::array::from_fn(|n| {
        let t = (frame * FRAME_LEN as u64 + n as u64) as f64 / 8_000.0 + seed;
        let buzz = (t * 120.0 * (1.0 + 0.05 * (t * 1.3).sin())).fract() - 0.5;
        (buzz * (t * 23.0).sin().max(0.1) * 12_000.0) as i16
    })
}

/// Records so many frames that follow `first`, and returns what is to be written.
fn record(recording: &mut Recording, first: u64, sounds: &[[[i16; FRAME_LEN]; 2]]) -> Vec<Write> {
    let mut all = Vec::new();
    for (n, [near, far]) in (first..).zip(sounds) {
        let at = Time::from_millis(n * 20);
        recording.push(End::Near, at, near);
        recording.push(End::Far, at, far);
        let now = at + Duration::from_millis(20);
        all.extend(recording.advance(now).expect("encoded"));
    }
    all
}

fn begin(format: Format) -> (Recording, Vec<Write>) {
    Recording::begin(format, 1, &[], Time::START).expect("an encoder")
}

fn encode(c: &mut Criterion) {
    let sounds: Vec<_> = (0..FRAMES)
        .map(|n| [voice(n, 0.0), voice(n, 7.7)])
        .collect();
    let mut group = c.benchmark_group("opus");
    group.throughput(Throughput::Elements(FRAMES));
    for (name, format) in [
        ("record_second", Format::Opus),
        ("record_second_wav", Format::Wav),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || begin(format).0,
                |recording| record(recording, 0, black_box(&sounds)),
                BatchSize::SmallInput,
            );
        });
    }
    let (mut recording, mut writes) = begin(Format::Opus);
    writes.extend(record(&mut recording, 0, &sounds));
    let end = Time::from_millis(FRAMES * 20);
    writes.extend(recording.finish(end).expect("encoded").0);
    let mut file = Vec::new();
    for write in writes {
        if let Write::Append(bytes) = write {
            file.extend(bytes);
        }
    }
    group.bench_function("read_second", |b| {
        b.iter(|| opus::read(black_box(&file), usize::MAX).expect("read"));
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
