//! A call that lasts: no frame is lost, next to none is late, the delay does not grow, and neither does the memory.
//!
//! The phone is a process of its own, so that its memory can be told from the simulator's. `tests/long.sh` lets the call last
//! ten minutes; everybody else twenty seconds.

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "common/chirp.rs"]
mod chirp;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chirp::{chirps, find_chirps};
use offhook::sim::{self, Account, CallPlan, CallReport, Step};

/// Seconds between two chirps: no multiple of a frame, so that they fall on every place in one.
const SPACING: f64 = 1.0037;

const KEY: &str = "0123456789abcdef";

/// Names the length of the call in seconds, where twenty are not enough.
const LENGTH: &str = "OFFHOOK_TEST_CALL_SECONDS";

/// Calls that may be spoilt by a machine that is busy with something else.
const CALLS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_lasts_without_a_frame_lost_or_late() {
    let seconds = std::env::var(LENGTH).map_or(20, |text| {
        text.parse().expect("the length is a number of seconds")
    });
    let mut told = Vec::new();
    for _ in 0..CALLS {
        match one_call(seconds).await {
            Ok(figures) => {
                writeln!(std::io::stdout(), "{figures}").expect("somebody reads");
                return;
            }
            Err(OutOfTime(why)) => told.push(why),
        }
    }
    panic!("{CALLS} calls, and something was out of time in each: {told:#?}");
}

/// What a machine that stands still for a moment can spoil. All else is a panic.
struct OutOfTime(String);

/// Holds one call of so many seconds, and returns what was seen, as a line for a person.
async fn one_call(seconds: usize) -> Result<String, OutOfTime> {
    let folder = tempfile::tempdir().expect("a folder");
    let account = Account::made_up();
    let phone = Phone::start(folder.path(), &account);
    let count = (seconds as f64 / SPACING) as usize;
    let sound: Vec<i16> = chirps(8_000, count, SPACING)
        .into_iter()
        .map(|sample| (sample * 32_767.0) as i16)
        .collect();
    let mut plan = CallPlan::new(phone.webhook.clone(), account);
    plan.to = "+15005550006".to_owned();
    plan.most = Duration::from_secs(seconds as u64 + 60);
    plan.script = vec![
        Step::Silence(Duration::from_secs(1)),
        Step::Speak(sound),
        Step::Silence(Duration::from_secs(1)),
    ];
    let watching = phone.watch(seconds as u64);
    let (report, watched) = tokio::join!(sim::call(plan), watching);
    judge(count, &report, &watched)
}

/// What was seen of the phone while the call went on.
#[derive(Debug)]
struct Watched {
    /// Memory that it held a little after the call began, and a little before it ended, in KiB.
    memory: (u64, u64),
    /// The last figures of the stream, by their names.
    figures: Vec<(String, f64)>,
}

fn judge(chirps: usize, report: &CallReport, watched: &Watched) -> Result<String, OutOfTime> {
    assert!(report.is_fine(), "{report}");
    let stream = &report.stream;
    let figure = |name: &str| {
        let found = watched.figures.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| *value)
            .unwrap_or_else(|| panic!("no figure `{name}`: {watched:?}"))
    };
    // The carrier speaks before it is let in; what was lost after that is told by the phone itself.
    let (down, up) = (stream.frames_sent, stream.frames_received);
    if down.abs_diff(up) > 10 {
        return Err(OutOfTime(format!("{down} frames down, {up} up")));
    }
    assert_eq!(figure("missing_samples_total"), 0.0);
    // No more than 200 ms wait.
    let dropped = figure("dropped_up_total") + figure("shed_up_total");
    if dropped > 0.0 {
        return Err(OutOfTime(format!("{dropped} frames found no room")));
    }
    // The microphone of the loop-back device hears what is played: every chirp comes back, none is out of its place.
    let heard: Vec<f32> = stream
        .heard
        .iter()
        .map(|s| f32::from(*s) / 32_768.0)
        .collect();
    let found = find_chirps(&heard, 8_000);
    if found.len() != chirps {
        return Err(OutOfTime(format!(
            "{} of {chirps} chirps came back",
            found.len()
        )));
    }
    let (first, last) = (found[0], found[found.len() - 1]);
    let drift = last - first - SPACING * (chirps - 1) as f64;
    if drift.abs() > 0.04 {
        return Err(OutOfTime(format!(
            "the delay has changed by {:.1} ms",
            drift * 1_000.0
        )));
    }
    let allowed = stream.late_timer + (stream.frames_received / 1_000).max(1);
    if stream.late_frames > allowed {
        return Err(OutOfTime(format!(
            "{} of {} frames late, a bare timer {} times",
            stream.late_frames, stream.frames_received, stream.late_timer
        )));
    }
    let (early, late) = watched.memory;
    if late > early + 512 {
        return Err(OutOfTime(format!("memory grew from {early} to {late} KiB")));
    }
    Ok(format!(
        "{} frames down, {} up, none lost; {} late by more than 5 ms (a bare timer: {}); the delay changed by {:.1} ms; \
         memory {early} KiB at first, {late} KiB at last; {:.0} ms in the buffer at most",
        stream.frames_sent,
        stream.frames_received,
        stream.late_frames,
        stream.late_timer,
        drift * 1_000.0,
        figure("depth_max_seconds") * 1_000.0,
    ))
}

/// The phone, as `offhook serve` runs it.
struct Phone {
    child: Child,
    webhook: String,
    address: String,
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Phone {
    fn start(folder: &Path, account: &Account) -> Phone {
        let mut child = Command::new(env!("CARGO_BIN_EXE_offhook"))
            .args(["serve", "--port", "0", "--lang", "en", "--auto-answer=true"])
            .args(["--capture", "loopback", "--playout", "loopback"])
            .current_dir(folder)
            .env_clear()
            .env("OFFHOOK_DATA_DIR", folder)
            .env("OFFHOOK_API_KEY", KEY)
            .env("TWILIO_ACCOUNT_SID", &account.account_sid)
            .env("TWILIO_AUTH_TOKEN", &account.auth_token)
            .env("TWILIO_API_KEY", &account.api_key)
            .env("TWILIO_API_SECRET", &account.api_secret)
            .env("TWILIO_TWIML_APP_SID", sim::sid("AP"))
            .env("TWILIO_PHONE_NUMBER", "+15005550006")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let words = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(words).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
            .expect("it says where it listens");
        // Nobody may wait for us to read what it has to say.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Phone {
            child,
            webhook: format!("{address}/handle_calls"),
            address,
        }
    }

    /// Looks at memory and figures while a call of so many seconds goes on.
    async fn watch(&self, seconds: u64) -> Watched {
        // The first seconds, and the first look, fill caches and buffers.
        let settle = (seconds / 5).min(30);
        tokio::time::sleep(Duration::from_secs(settle)).await;
        let _ = self.metrics().await;
        let early = self.memory();
        tokio::time::sleep(Duration::from_secs(seconds - settle)).await;
        let late = self.memory();
        let text = self.metrics().await;
        let figures = text
            .lines()
            .filter_map(|line| line.strip_prefix("offhook_stream_"))
            .filter_map(|line| {
                let (name, value) = line.split_once(' ')?;
                Some((name.split('{').next()?.to_owned(), value.parse().ok()?))
            })
            .collect();
        Watched {
            memory: (early, late),
            figures,
        }
    }

    async fn metrics(&self) -> String {
        // Whoever came first has chosen the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::new()
            .get(format!("{}/metrics", self.address))
            .bearer_auth(KEY)
            .send()
            .await
            .expect("the phone answers")
            .text()
            .await
            .expect("in text")
    }

    /// Returns the memory that the process holds, in KiB.
    fn memory(&self) -> u64 {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .expect("the process runs")
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok())
            .expect("the system says so")
    }
}
