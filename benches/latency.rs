//! One-way delay in each direction, on a private virtual sound server, beside the server's own floor; then both
//! together, and what PESQ says of speech, while each message is up to 30 ms late.
//!
//! `cargo bench --bench latency` prints a table; `-- --test` makes one short pass. Where no sound server can be had it
//! says so and ends well.

#[path = "../tests/common/chirp.rs"]
mod chirp;
#[path = "../tests/common/far_end.rs"]
mod far_end;
#[path = "../tests/common/latency.rs"]
mod latency;
#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/common/pair_server.rs"]
mod pair_server;
#[path = "../tests/common/pesq.rs"]
mod pesq;
#[path = "../tests/common/rig.rs"]
mod rig;

use std::io::Write as _;
use std::process::ExitCode;

use latency::Spread;
use pair_server::PairServer;

/// Names the server's folder to the child that measures.
const FOLDER: &str = "OFFHOOK_BENCH_SERVER";

fn main() -> ExitCode {
    match std::env::var_os(FOLDER) {
        Some(folder) => measure(&PairServer::attach(folder.into())),
        None => start(),
    }
}

/// Starts the server, and this program again with an environment in which cpal finds it.
fn start() -> ExitCode {
    let server = match PairServer::start() {
        Ok(server) => server,
        Err(cause) => {
            let _ = writeln!(std::io::stdout(), "latency: nothing was measured: {cause}");
            return ExitCode::SUCCESS;
        }
    };
    let program = std::env::current_exe().expect("a program knows its own path");
    let status = std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(server.environment())
        .env(FOLDER, server.folder())
        .status();
    if status.is_ok_and(|status| status.success()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(server: &PairServer) -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--test");
    let chirps = if quick { 7 } else { 20 };
    let mut out = std::io::stdout().lock();
    let Some(floor) = latency::floor(server, chirps) else {
        let _ = writeln!(
            out,
            "latency: nothing was measured: the server's own loop-back carries no sound"
        );
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Runtime::new().expect("threads can be had");
    let _ = writeln!(
        out,
        "| way, in ms: median (lowest..highest) | microphone to socket | socket to speaker | there and back |"
    );
    let _ = writeln!(out, "|---|---|---|---|");
    let _ = writeln!(out, "| the sound server's own loop | | | {} |", show(floor));
    let mut failed = false;
    for (host, callback_ms) in [("pulseaudio", 10), ("pulseaudio", 5), ("alsa", 10)] {
        let mut row = format!("| {host}, {callback_ms} ms callbacks | not measured | | |");
        // A machine that is busy with something else for a moment spoils a pass of few chirps: twice more is allowed.
        let attempts = if quick { 3 } else { 1 };
        let well = (0..attempts).any(|_| {
            let (text, well) = one_row(&runtime, server, (host, callback_ms), chirps);
            row = text;
            well
        });
        let _ = writeln!(out, "{row}");
        failed |= !well;
    }
    match runtime.block_on(latency::rough(server, chirps)) {
        Ok(measured) => {
            let _ = writeln!(out, "{}", told(&measured));
        }
        Err(cause) => {
            failed = true;
            let _ = writeln!(out, "the rough network: not measured: {cause}");
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Measures one host, and returns what to say of it, and whether nothing is wrong.
fn one_row(
    runtime: &tokio::runtime::Runtime,
    server: &PairServer,
    (host, callback_ms): (&str, u32),
    chirps: usize,
) -> (String, bool) {
    let head = format!("| {host}, {callback_ms} ms callbacks |");
    let measured = match runtime.block_on(latency::call(server, host, callback_ms, chirps)) {
        Ok(measured) => measured,
        Err(cause) => return (format!("{head} not measured: {cause} | | |"), false),
    };
    let reckoned = |ms: Option<f32>| ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1}"));
    let mut row = format!(
        "{head} {} | {} | {} |\n| … as the daemon reckons it | {} | {} | |",
        show(measured.up),
        show(measured.down),
        show(measured.back),
        reckoned(measured.reckoned.0),
        reckoned(measured.reckoned.1),
    );
    let mut well = measured.chirps.1 * 2 >= measured.chirps.0;
    if let Some(what) = measured.misreckoned() {
        row.push_str(&format!("\n{host}, {callback_ms} ms: {what}"));
        // What ALSA's plugins say of their own delay is not to be relied on.
        well &= host != "pulseaudio";
    }
    (row, well)
}

/// Says what the rough network made of a call.
fn told(measured: &latency::Rough) -> String {
    let (steady, marked, why) = match &measured.pesq {
        Ok((steady, rough)) => (format!("{steady:.2}"), format!("{rough:.2}"), String::new()),
        Err(why) => {
            let why = format!("\nPESQ is left out: {}", why.trim());
            ("\u{2013}".to_owned(), "\u{2013}".to_owned(), why)
        }
    };
    format!(
        "\n| pulseaudio, 10 ms callbacks | microphone to speaker, in ms | PESQ |\n|---|---|---|\n\
         | a steady network | {} | {steady} |\n| each message up to {} ms late | {} | {marked} |\n\
         | steady again, after eight seconds | {} | |{why}",
        show(measured.before),
        far_end::ROUGH.as_millis(),
        show(measured.rough),
        show(measured.after),
    )
}

fn show((lowest, median, highest): Spread) -> String {
    format!("{median:.1} ({lowest:.1}..{highest:.1})")
}
