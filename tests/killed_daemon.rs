//! What is left of a call that is recorded when its daemon is killed: the program as it runs, called by the simulator's
//! account, killed without a word, and started again.

use std::f64::consts::TAU;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use offhook::lang::Lang;
use offhook::pure::recording::opus;
use offhook::recorder::{catalogue, clips};
use offhook::sim::{self, Account, CallPlan, Rest, Step};
use serde_json::Value;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// Samples a second of all that is heard here.
const HZ: f64 = 8_000.0;

/// What the microphone hears: a tone that begins here and rises by so much in a second, so that its pitch tells the time.
const LOWEST: f64 = 400.0;
const RISES: f64 = 100.0;

struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    fn start(folder: &Path, account: &Account, rest: &Rest) -> Daemon {
        let microphone = format!("file:{}", folder.join("microphone.wav").display());
        let mut serve = command(folder, account, rest);
        serve
            .args(["serve", "--port", "0", "--bind", "127.0.0.1"])
            .args(["--capture", &microphone, "--playout", "none"])
            .args(["--auto-answer", "--lang", "en"])
            .args(["--record-notice", "spoken"])
            .stderr(Stdio::piped());
        let mut child = serve.spawn().expect("the program runs");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = stderr.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(" http://127.0.0.1:"));
        let line = line.expect("it listens");
        let port = line.trim().rsplit(':').next().expect("a port").to_owned();
        // Whatever else it says must find room.
        std::thread::spawn(move || lines.count());
        Daemon {
            child,
            url: format!("http://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path, account: &Account, rest: &Rest) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("OFFHOOK_DATA_DIR", folder.join("state"))
        .env("TWILIO_ACCOUNT_SID", &account.account_sid)
        .env("TWILIO_API_KEY", &account.api_key)
        .env("TWILIO_API_SECRET", &account.api_secret)
        .env("TWILIO_TWIML_APP_SID", "AP00000000000000000000000000000001")
        .env("TWILIO_PHONE_NUMBER", "+18199754345")
        .env("TWILIO_AUTH_TOKEN", &account.auth_token)
        .env("TWILIO_API_BASE_URL", rest.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Runs a verb beside the daemon, again and again until it does what it should, and returns what it prints.
async fn until(mut verb: impl FnMut() -> Command, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let Output { status, stdout, .. } = verb().output().expect("the program runs");
        if status.success()
            && let Ok(told) = serde_json::from_slice(&stdout)
            && is_so(&told)
        {
            return told;
        }
        assert!(begun.elapsed() < LIMIT, "it never comes to that");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Returns for how many seconds the microphone had been heard at the end of a sound, told by its pitch.
fn time_at_the_end(sound: &[i16]) -> f64 {
    let last = &sound[sound.len() - 1_600..];
    let crossings = last.windows(2).filter(|p| (p[0] < 0) != (p[1] < 0)).count();
    let hz = crossings as f64 / 2.0 * HZ / last.len() as f64;
    (hz - LOWEST) / RISES
}

/// Returns how much of a sound is in the beginning of another, wherever: 1 is all.
fn likeness(sound: &[i16], heard: &[i16]) -> f64 {
    let power = |s: &[i16]| s.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let own = power(sound);
    (0..16_000)
        .filter_map(|at| heard.get(at..at + sound.len()))
        .map(|part| {
            let both: f64 = sound
                .iter()
                .zip(part)
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum();
            both / (own * power(part)).sqrt()
        })
        .fold(0.0, f64::max)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_call_whose_daemon_is_killed_can_be_heard_and_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let path = folder.path().join("microphone.wav");
    let mut wav = hound::WavWriter::create(path, spec).expect("a file");
    let mut phase = 0.0_f64;
    for n in 0..(25.0 * HZ) as u32 {
        phase += (LOWEST + RISES * f64::from(n) / HZ) / HZ;
        wav.write_sample(((phase * TAU).sin() * 2_000.0) as i16)
            .expect("written");
    }
    wav.finalize().expect("whole");

    let account = Account::made_up();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let ask = |words: &'static [&'static str]| {
        let mut verb = command(folder.path(), &account, &rest);
        verb.args(words).arg("--json").stderr(Stdio::null());
        verb
    };
    let mut daemon = Daemon::start(folder.path(), &account, &rest);
    let mut plan = CallPlan::new(format!("{}/handle_calls", daemon.url), account.clone());
    plan.rest = Some(&rest);
    plan.script = vec![Step::Listen(Duration::from_secs(60))];
    let sid = plan.call_sid.clone();
    let killing = async {
        let talking = |told: &Value| told["calls"][0]["state"] == "talking";
        until(|| ask(&["status"]), talking).await;
        until(|| ask(&["record"]), |call| call["recording"] == true).await;
        let answered = |told: &Value| told["calls"][0]["answered"].is_string();
        until(|| ask(&["history"]), answered).await;
        tokio::time::sleep(Duration::from_secs(7)).await;
        daemon.child.kill().expect("ours");
        daemon.child.wait().expect("ours");
    };
    let (report, ()) = tokio::join!(sim::call(plan), killing);
    let heard_until = time_at_the_end(&report.stream.heard);
    assert!(heard_until > 5.0, "{heard_until} s");

    let again = Daemon::start(folder.path(), &account, &rest);
    let listed = until(
        || ask(&["record", "list"]),
        |list| list.as_array().is_some_and(|list| !list.is_empty()),
    )
    .await;
    let entries = catalogue::list(&folder.path().join("state/recordings")).expect("a folder");
    assert_eq!(entries.len(), 1);
    assert!(entries[0].is_whole, "{entries:?}");
    assert_eq!(listed[0]["file"], entries[0].name.as_str());
    let file = folder
        .path()
        .join("state/recordings")
        .join(&entries[0].name);
    let bytes = std::fs::read(file).expect("there");
    let near = &opus::read(&bytes, usize::MAX).expect("it plays").channels[0];
    let kept_until = time_at_the_end(near);
    assert!(
        (-0.1..1.0).contains(&(heard_until - kept_until)),
        "heard until {heard_until} s, kept until {kept_until} s"
    );
    // The far end was told, and the recording proves it: half a second of the notice, since where the way up or the
    // recorder catches up a little is cut out of all of it.
    let notice = clips::notice(Lang::En);
    let told = likeness(&notice.samples()[4_000..8_000], near);
    assert!(told > 0.5, "{told}");

    let history = until(|| ask(&["history"]), |_| true).await;
    assert_eq!(history["calls"][0]["sid"], sid.as_str());
    assert_eq!(history["calls"][0]["end_reason"], "interrupted");
    assert_eq!(
        history["calls"][0]["recordings"][0],
        entries[0].name.as_str()
    );
    // Nobody is at the desk for it any more, whatever the carrier has made of it meanwhile.
    let wanted = format!("POST {sid}: Status=completed");
    let begun = Instant::now();
    while !rest.seen().iter().any(|request| request.what == wanted) {
        assert!(begun.elapsed() < LIMIT, "{:?}", rest.seen());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(rest.running(), Vec::<String>::new());
    drop(again);
}
