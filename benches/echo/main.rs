//! The speakerphone in 160 rooms: how much echo it takes away and how much of the near end it leaves, in simulated time.
//!
//! Alone it talks with made-up voices and prints a row for each kind of room. `--write FOLDER FAR NEAR` takes two voices
//! (raw 32-bit floats, 8 kHz) and writes every scene and what came out for `benches/echo/table.py`, which hears them with
//! STOI and makes `docs/echo.md`. With `--test` one room is enough.

#[path = "../../tests/common/echo_scene.rs"]
mod echo_scene;
#[path = "../../tests/common/room.rs"]
mod room;

use std::path::Path;
use std::time::{Duration, Instant};

use echo_scene::{Scene, babble};
use offhook::pure::audio::speakerphone::{Speakerphone, Stages};
use room::Room;

/// Seconds of the far end alone, of both, and of the near end alone.
const SECONDS: [usize; 3] = [20, 12, 4];

/// All stages but the gain control, which would blur what is measured.
const MEASURED: Stages = Stages {
    gain_control: false,
    ..Stages::ALL
};

/// A kind of room; every seed is one of its kind.
#[derive(Clone, Copy)]
struct Kind {
    rt60_ms: f32,
    drr_db: f32,
    delay_ms: f32,
    echo_db: f32,
    drift_ppm: f64,
}

impl Kind {
    fn all() -> Vec<Kind> {
        let mut kinds = Vec::new();
        for rt60_ms in [200.0, 300.0] {
            for drr_db in [-12.0, 6.0] {
                for delay_ms in [40.0, 120.0] {
                    for echo_db in [0.0, -10.0] {
                        for drift_ppm in [0.0, 50.0] {
                            kinds.push(Kind {
                                rt60_ms,
                                drr_db,
                                delay_ms,
                                echo_db,
                                drift_ppm,
                            });
                        }
                    }
                }
            }
        }
        kinds
    }

    fn name(&self) -> String {
        format!(
            "{} {} {} {} {}",
            self.rt60_ms, self.drr_db, self.delay_ms, self.echo_db, self.drift_ppm
        )
    }

    /// Plays a scene in the room of a seed, and returns it with what came out and how long that took.
    fn play(
        &self,
        seed: u64,
        far: &[f32],
        near: &[f32],
        seconds: [usize; 3],
    ) -> (Scene, Vec<f32>, Duration) {
        let room = Room {
            seed,
            rt60_ms: self.rt60_ms,
            drr_db: self.drr_db,
            delay_ms: self.delay_ms,
            drift_ppm: self.drift_ppm,
        };
        let scene = Scene::new(far, near, &room, self.echo_db, seconds);
        let mut speakerphone = Speakerphone::new(MEASURED).expect("a stage is on");
        let began = Instant::now();
        let out = scene.through(&mut speakerphone);
        (scene, out, began.elapsed())
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--write") {
        let [folder, far, near, seeds] = &arguments[at + 1..at + 5] else {
            panic!("--write takes a folder, two voices and seeds");
        };
        let seeds = seeds.split(',').map(|seed| seed.parse().expect("a seed"));
        return write(Path::new(folder), &read(far), &read(near), seeds.collect());
    }
    let (far, near) = (babble(1, 40, 110.0), babble(2, 40, 190.0));
    let (seeds, seconds, kinds) = if arguments.iter().any(|argument| argument == "--test") {
        (1..=1, [3, 1, 1], Kind::all()[..1].to_vec())
    } else {
        (1..=5, SECONDS, Kind::all())
    };
    println!(
        "decay ms, direct dB, delay ms, echo dB, drift ppm: ERLE after 1 s and near end in double talk, worst of the seeds, dB"
    );
    let (mut spent, mut heard) = (Duration::ZERO, 0);
    for kind in kinds {
        let (mut least, mut quietest) = (f32::MAX, f32::MAX);
        for seed in seeds.clone() {
            let (scene, out, took) = kind.play(seed, &far, &near, seconds);
            least = least.min(scene.erle_db(&out, 1.0, seconds[0] as f32));
            quietest = quietest.min(scene.near_gain_db(&out));
            spent += took;
            heard += scene.microphone.len();
        }
        println!("{:<20} {least:6.1} {quietest:6.1}", kind.name());
    }
    let blocks = heard as f64 / 80.0;
    let each = spent.as_secs_f64() * 1e6 / blocks;
    println!(
        "{each:.0} us for each 10 ms: {:.2} % of a core",
        each / 100.0
    );
}

/// Writes every scene of some seeds: what was played, said and captured, and what came out.
fn write(folder: &Path, far: &[f32], near: &[f32], seeds: Vec<u64>) {
    for kind in Kind::all() {
        for seed in &seeds {
            let (scene, out, _) = kind.play(*seed, far, near, SECONDS);
            let name = format!("{} {seed}", kind.name()).replace(' ', "_");
            for (what, samples) in [
                ("far", &scene.far),
                ("near", &scene.near),
                ("mic", &scene.microphone),
                ("offhook", &out),
            ] {
                let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                std::fs::write(folder.join(format!("{name}.{what}")), bytes)
                    .expect("the folder can be written to");
            }
        }
    }
}

fn read(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a voice can be read");
    bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().expect("four bytes")))
        .collect()
}
