//! How the playout buffer fares on bad networks, in simulated time: delay, what is made up and left out, how soon delay
//! comes back after a stall, beside the fixed buffer of a textbook.
//!
//! ```text
//! cargo bench --bench voice                       a table, with a sound of its own
//! cargo bench --bench voice -- --test             one quick pass
//! cargo bench --bench voice -- --write DIR        every sound in DIR/source through every network, into DIR
//! cargo bench --bench voice -- --measure DIR      what was heard in all that lies in DIR, NetEq's too: DIR/figures.tsv
//! ```
//!
//! `report.sh` in this folder runs all of it, with NetEq and PESQ, and writes `docs/voice.md`.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

mod engine;
mod heard;
mod signal;
mod trace;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use engine::Told;
use heard::{Heard, Source};
use offhook::pure::audio::{FRAME_LEN, g711};
use signal::Trouble;
use trace::{Arrival, Trace, all};

/// The engines, as files and tables name them.
const ENGINES: [&str; 3] = ["ours", "neteq", "fixed"];

/// Seconds of the sound of our own.
const SECONDS: usize = 60;

/// Seconds of a day.
const DAY: usize = 86_400;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        Some(PathBuf::from(arguments.get(at + 1)?))
    };
    let done = if let Some(folder) = value("--write") {
        write(&folder)
    } else if let Some(folder) = value("--measure") {
        measure(&folder)
    } else {
        let quick = arguments.iter().any(|argument| argument == "--test");
        table(quick);
        Ok(())
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            println!("voice: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what every network does to our buffer and to the fixed one, then a day of drift.
fn table(quick: bool) {
    let sound = signal::babble(if quick { 12 } else { SECONDS });
    println!("{}", Row::head());
    for trace in &all() {
        let sound = sound.repeat(if quick { 1 } else { trace.rounds });
        let looked_for = Source::of(&sound);
        let arrivals = trace.arrivals(&sound);
        for (name, engine) in ENGINES.into_iter().zip(RUN) {
            let Some(engine) = engine else { continue };
            let (output, told) = engine(&sound, &arrivals);
            println!(
                "{}",
                Row::new(trace, name, (&sound, &looked_for), &arrivals, &output, told).line()
            );
        }
    }
    let seconds = if quick { 300 } else { DAY };
    for ppm in [200.0, -200.0] {
        let (least, most) = engine::day_of_drift(&sound, ppm, seconds);
        println!(
            "{:.1} h with the carrier's clock off by {ppm:+} ppm: delay {least:.1} to {most:.1} ms after the first minute",
            seconds as f64 / 3_600.0
        );
    }
}

/// An engine that is run here.
type Run = fn(&[u8], &[Arrival]) -> (Vec<i16>, Told);

/// The engines in the order of [`ENGINES`]; NetEq is a package of its own.
const RUN: [Option<Run>; 3] = [Some(engine::ours), None, Some(engine::fixed)];

/// Sends every sound of a folder through every network, ours and the fixed buffer, and writes what they made of it.
fn write(folder: &Path) -> Result<(), Trouble> {
    for part in ["trace", "told", "wav", "ulaw"] {
        fs::create_dir_all(folder.join(part))?;
    }
    for (source, sound) in sources(folder)? {
        let bare = sound.iter().map(|code| g711::decode(*code));
        signal::write(&folder.join(format!("wav/{source}.bare.wav")), bare)?;
        for trace in &all() {
            let sound = sound.repeat(trace.rounds);
            let arrivals = trace.arrivals(&sound);
            let name = format!("{}.{source}", trace.name);
            fs::write(folder.join(format!("trace/{name}.txt")), lines(&arrivals))?;
            fs::write(folder.join(format!("ulaw/{name}.ulaw")), &sound)?;
            for (engine, run) in ENGINES.into_iter().zip(RUN) {
                let Some(run) = run else { continue };
                let (output, told) = run(&sound, &arrivals);
                signal::write(&folder.join(format!("wav/{name}.{engine}.wav")), output)?;
                fs::write(
                    folder.join(format!("told/{name}.{engine}.txt")),
                    told.line(),
                )?;
            }
        }
    }
    let mut names = String::new();
    for trace in &all() {
        writeln!(names, "{}\t{}\t{}", trace.name, trace.rounds, trace.what)?;
    }
    fs::write(folder.join("traces.tsv"), names)?;
    for ppm in [200.0, -200.0] {
        let (least, most) = engine::day_of_drift(&signal::babble(SECONDS), ppm, DAY);
        fs::write(
            folder.join(format!("day{ppm:+}.txt")),
            format!("{least:.1} {most:.1}\n"),
        )?;
    }
    Ok(())
}

/// Compares everything that was played with its source.
fn measure(folder: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(folder.join("log"))?;
    let mut figures = Row::head_of_file();
    for (source, sound) in sources(folder)? {
        for trace in &all() {
            let sound = sound.repeat(trace.rounds);
            let looked_for = Source::of(&sound);
            let arrivals = trace.arrivals(&sound);
            for engine in ENGINES {
                let name = format!("{}.{source}.{engine}", trace.name);
                let wav = folder.join(format!("wav/{name}.wav"));
                if !wav.exists() {
                    continue;
                }
                let output = signal::read(&wav)?;
                let told = Told::read(&fs::read_to_string(
                    folder.join(format!("told/{name}.txt")),
                )?);
                let row = Row::new(
                    trace,
                    engine,
                    (&sound, &looked_for),
                    &arrivals,
                    &output,
                    told,
                );
                writeln!(figures, "{source}\t{}", row.line_of_file())?;
                let mut log = String::new();
                for (at, delay) in row.heard.blocks() {
                    writeln!(log, "{at:.0}\t{delay:.2}")?;
                }
                fs::write(folder.join(format!("log/{name}.delay.tsv")), log)?;
                let mut log = String::new();
                for (from, to) in row.heard.places() {
                    writeln!(log, "{from}\t{to}")?;
                }
                fs::write(folder.join(format!("log/{name}.places.tsv")), log)?;
            }
        }
    }
    Ok(fs::write(folder.join("figures.tsv"), figures)?)
}

/// Returns the sounds of a folder by name, whole frames of mu-law.
fn sources(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder.join("source"))? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut sound = signal::read_ulaw(&path)?;
        sound.truncate(sound.len() / FRAME_LEN * FRAME_LEN);
        sources.push((name, sound));
    }
    sources.sort();
    Ok(sources)
}

/// Writes arrivals a line each: position, when it could have come, when it came, both in microseconds.
fn lines(arrivals: &[Arrival]) -> String {
    let mut lines = String::new();
    for arrival in arrivals {
        let micros = [arrival.due_ms, arrival.came_ms].map(|ms| (ms * 1_000.0) as u64);
        writeln!(lines, "{} {} {}", arrival.at, micros[0], micros[1]).expect("a text takes all");
    }
    lines
}

/// What is known of one sound through one network and one engine.
struct Row {
    name: String,
    heard: Heard,
    words: Vec<String>,
}

impl Row {
    fn new(
        trace: &Trace,
        engine: &str,
        (sound, source): (&[u8], &Source),
        arrivals: &[Arrival],
        output: &[i16],
        told: Told,
    ) -> Row {
        let heard = Heard::of(source, arrivals, output);
        let delays = heard.summary();
        let (made_up, left_out) = heard.made_up_and_left_out();
        let (back, longest) = heard.back(arrivals).words();
        let sent: Vec<i16> = sound.iter().map(|code| g711::decode(*code)).collect();
        let step = f64::from(largest_step(output)) / f64::from(largest_step(&sent).max(1));
        let mut words: Vec<String> = [
            delays.least,
            delays.median,
            delays.p95,
            delays.most,
            made_up,
            left_out,
        ]
        .iter()
        .map(|ms| format!("{ms:.0}"))
        .collect();
        words.extend(told.words());
        words.extend([back, longest, format!("{step:.2}")]);
        Row {
            name: format!("{}\t{engine}", trace.name),
            heard,
            words,
        }
    }

    fn head() -> String {
        let mut head = format!("{:<26}{:<8}", "network", "engine");
        for column in COLUMNS {
            let _ = write!(head, "{column:>11}");
        }
        head + "\n(ms; the step is the largest between two samples, beside the sound's own)"
    }

    fn line(&self) -> String {
        let (trace, engine) = self.name.split_once('\t').unwrap_or_default();
        let mut line = format!("{trace:<26}{engine:<8}");
        for word in &self.words {
            let _ = write!(line, "{word:>11}");
        }
        line
    }

    fn head_of_file() -> String {
        format!("source\ttrace\tengine\t{}\n", COLUMNS.join("\t"))
    }

    fn line_of_file(&self) -> String {
        format!("{}\t{}", self.name, self.words.join("\t"))
    }
}

/// What the columns of a row are.
const COLUMNS: [&str; 13] = [
    "least",
    "median",
    "95th",
    "most",
    "made-up",
    "left-out",
    "concealed",
    "slower",
    "faster",
    "dropped",
    "back",
    "longest",
    "step",
];

fn largest_step(samples: &[i16]) -> i32 {
    samples
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
        .max()
        .unwrap_or(0)
}
