//! A call on a sound server that is killed, hangs, or takes devices away: it goes on, the phone says what is broken, and
//! the sound is back when the device is.
//!
//! The caller hums one tone, the microphone another, so that each end tells within 20 ms whose sound it hears. Each case
//! has a sound server and a phone of its own.

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "common/pair_server.rs"]
mod pair_server;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use offhook::sim::{self, Account, CallPlan, CallReport, Step};
use pair_server::{PairServer, RATE, Recorder};
use rustix::process::Signal;
use tokio::sync::oneshot;

/// What the caller hums, and what the microphone hears: whole periods in a window, so that neither shows in the other.
const CALLER: f64 = 1_000.0;
const NEAR: u32 = 1_600;

/// How finely it is told when there was sound.
const WINDOW: Duration = Duration::from_millis(20);

/// How long both ends hum before something goes wrong.
const BEFORE: Duration = Duration::from_millis(2_500);

/// How long it stays wrong: the pauses between two attempts have grown to their longest by then.
const WRONG: Duration = Duration::from_secs(3);

/// How long the call goes on afterwards.
const AFTER: Duration = Duration::from_millis(5_000);

/// How soon the sound must be back.
const BACK: Duration = Duration::from_secs(2);

/// The longest that frames to the caller may pause: a device is called dead after 400 ms of silence, and a busy machine may
/// take its time to put another in its place. Nobody does within the 3 s that it is really dead.
const PAUSE: Duration = Duration::from_millis(1_000);

/// The longest that a stream may stay where the server moved it: a look once a second, and what it takes to act.
const ASTRAY: Duration = Duration::from_millis(1_600);

const KEY: &str = "0123456789abcdef";

/// What goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Killed,
    Hung,
    /// One device is taken away and the server moves its stream to what is left.
    SpeakerGone,
    MicrophoneGone,
    /// It is taken away, and put back before anybody can have looked.
    SpeakerReplugged,
    /// Nothing is left.
    BothGone,
}

/// Which devices the phone is told to use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Devices {
    Default,
    Named,
}

macro_rules! cases {
    ($($name:ident: $host:literal $devices:ident $fault:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            survives($host, Devices::$devices, Fault::$fault).await;
        })*
    };
}

cases! {
    a_call_outlives_a_pulseaudio_server_that_is_killed: "pulseaudio" Default Killed;
    a_call_outlives_a_pulseaudio_server_that_hangs: "pulseaudio" Default Hung;
    a_call_outlives_its_speaker_on_pulseaudio: "pulseaudio" Named SpeakerGone;
    a_call_outlives_its_microphone_on_pulseaudio: "pulseaudio" Named MicrophoneGone;
    a_call_outlives_a_speaker_replugged_at_once_on_pulseaudio: "pulseaudio" Named SpeakerReplugged;
    a_call_outlives_both_devices_on_pulseaudio: "pulseaudio" Named BothGone;
    a_call_outlives_a_server_behind_alsa_that_is_killed: "alsa" Default Killed;
    a_call_outlives_a_server_behind_alsa_that_hangs: "alsa" Default Hung;
    a_call_outlives_its_speaker_behind_alsa: "alsa" Named SpeakerGone;
    a_call_outlives_its_microphone_behind_alsa: "alsa" Named MicrophoneGone;
    a_call_outlives_a_speaker_replugged_at_once_behind_alsa: "alsa" Named SpeakerReplugged;
    a_call_outlives_both_devices_behind_alsa: "alsa" Named BothGone;
}

/// One case at a time: two sound servers at real-time priority are too much for two processors.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Holds a call while something goes wrong, and judges it.
async fn survives(host: &str, devices: Devices, fault: Fault) {
    let _alone = ALONE.lock().await;
    // A machine that is busy with something else for a moment spoils a timing: twice more is allowed, not for ever.
    let mut told = Vec::new();
    for _ in 0..3 {
        let seen = one_call(host, devices, fault).await;
        let (figures, wrong) = seen.judge(fault);
        if wrong.is_empty() {
            show(&format!("{host}, {devices:?}, {fault:?}: {figures}"));
            return;
        }
        told.push((figures, wrong, seen.words));
    }
    panic!("{host}, {devices:?}, {fault:?}: something was wrong each time: {told:#?}");
}

#[expect(clippy::print_stdout, reason = "the figures, for who asks for them")]
fn show(figures: &str) {
    println!("{figures}");
}

/// What was seen of one call.
struct Seen {
    report: CallReport,
    /// When there was the caller's tone at the speaker.
    speaker: Sound,
    /// When the caller heard the microphone's tone.
    caller: Sound,
    /// When the caller's tone was where it has no business: played into the microphone, or captured from the speaker.
    astray: [Sound; 2],
    /// Whether capture and playout worked, when.
    status: Vec<(Instant, bool, bool)>,
    /// When something went wrong, and when it was right again.
    wrong: Instant,
    right: Instant,
    /// What the phone said.
    words: Vec<String>,
}

async fn one_call(host: &str, devices: Devices, fault: Fault) -> Seen {
    let mut server = PairServer::start().expect("a sound server of our own");
    let folder = tempfile::tempdir().expect("a folder");
    let phone = Phone::start(folder.path(), &server, host, devices);
    server.hum(NEAR);
    let recorder = server.record();

    let account = Account::made_up();
    let mut plan = CallPlan::new(format!("{}/handle_calls", phone.address), account);
    plan.to = "+15005550006".to_owned();
    plan.script = vec![Step::Speak(hum(CALLER, BEFORE + WRONG + AFTER))];
    plan.most = Duration::from_secs(60);
    let began = Instant::now();
    let call = tokio::spawn(sim::call(plan));
    let (enough, until) = oneshot::channel();
    let watching = tokio::spawn(watch(format!("{}/metrics", phone.address), until));

    tokio::time::sleep(BEFORE).await;
    let (wrong, right, recorders) =
        tokio::task::block_in_place(|| go_wrong(&mut server, fault, recorder));
    let report = call.await.expect("the simulator does not panic");
    let _ = enough.send(());
    let status = watching.await.expect("the watch does not panic");
    let (mut speaker, mut microphone) = (Vec::new(), Vec::new());
    for recorder in recorders {
        let taken = tokio::task::block_in_place(|| recorder.stop());
        if let Some(began) = taken.began() {
            speaker.extend(tones(&taken.speaker, RATE, CALLER, began));
            microphone.extend(tones(&taken.microphone, RATE, CALLER, began));
        }
    }
    // The stream is up a little before its first frame.
    let first = report.stream.arrivals.first().copied().unwrap_or_default();
    let heard: Vec<f32> = report
        .stream
        .heard
        .iter()
        .map(|sample| f32::from(*sample) / 32_768.0)
        .collect();
    Seen {
        speaker: Sound(speaker),
        caller: Sound(tones(&heard, 8_000, f64::from(NEAR), began + first)),
        astray: [
            Sound(microphone),
            Sound(tones(&heard, 8_000, CALLER, began + first)),
        ],
        report,
        status,
        wrong,
        right,
        words: phone.words(),
    }
}

/// Makes it go wrong, waits, makes it right, and returns when was what, with the recorders that must still be stopped.
fn go_wrong(
    server: &mut PairServer,
    fault: Fault,
    recorder: Recorder,
) -> (Instant, Instant, Vec<Recorder>) {
    let gone: &[&str] = match fault {
        Fault::Killed | Fault::Hung => &[],
        Fault::SpeakerGone | Fault::SpeakerReplugged => &["spk"],
        Fault::MicrophoneGone => &["mic"],
        Fault::BothGone => &["spk", "mic", "pair"],
    };
    // What hums at the microphone is not to be moved elsewhere with everybody else.
    if gone.contains(&"mic") {
        server.hush();
    }
    let wrong = Instant::now();
    match fault {
        Fault::Killed => server.crash(),
        Fault::Hung => server.signal(Signal::STOP),
        Fault::SpeakerGone | Fault::MicrophoneGone | Fault::SpeakerReplugged | Fault::BothGone => {
            gone.iter().for_each(|sink| server.unplug(sink));
        }
    }
    if fault != Fault::SpeakerReplugged {
        std::thread::sleep(WRONG);
    }
    match fault {
        Fault::Killed => server.revive().expect("the server starts again"),
        Fault::Hung => server.signal(Signal::CONT),
        Fault::SpeakerGone | Fault::MicrophoneGone | Fault::SpeakerReplugged | Fault::BothGone => {
            gone.iter().rev().for_each(|sink| server.plug(sink));
        }
    }
    let right = Instant::now();
    if fault == Fault::Killed || gone.contains(&"mic") {
        server.hum(NEAR);
    }
    let mut recorders = vec![recorder];
    if matches!(fault, Fault::Killed | Fault::BothGone) {
        recorders.push(server.record());
    }
    (wrong, right, recorders)
}

impl Seen {
    /// Says when what was broken and back, and everything that was wrong.
    fn judge(&self, fault: Fault) -> (String, Vec<String>) {
        let mut wrong = Vec::new();
        if !self.report.is_fine() {
            wrong.push(self.report.to_string());
        }
        let stream = &self.report.stream;
        let pause = stream
            .arrivals
            .windows(2)
            .map(|two| two[1] - two[0])
            .max()
            .unwrap_or(Duration::MAX);
        if pause > PAUSE {
            wrong.push("too long a pause between two frames".to_owned());
        }
        let due = (BEFORE + WRONG + AFTER).as_millis() as u64 / 20;
        // What the longest pause costs, and as much again for changing to a stand-in and back.
        let lost = due.saturating_sub(stream.frames_received);
        if lost > 2 * pause.as_millis() as u64 / 20 + 5 {
            wrong.push(format!("{lost} frames of {due} are missing"));
        }
        let [played, captured] = &self.astray;
        let astray = played.length().max(captured.length());
        if astray > ASTRAY {
            wrong.push("a stream was too long at a stranger's device".to_owned());
        }
        let mut figures = format!(
            "longest pause {} ms, astray for {} ms",
            pause.as_millis(),
            astray.as_millis()
        );
        let speaker_hit = fault != Fault::MicrophoneGone;
        let microphone_hit = !matches!(fault, Fault::SpeakerGone | Fault::SpeakerReplugged);
        let playout: Vec<_> = self.status.iter().map(|seen| (seen.0, seen.2)).collect();
        let capture: Vec<_> = self.status.iter().map(|seen| (seen.0, seen.1)).collect();
        for (what, hit, sound, works) in [
            ("speaker", speaker_hit, &self.speaker, playout),
            ("microphone", microphone_hit, &self.caller, capture),
        ] {
            // It takes a moment until both ends are heard.
            let (from, to) = (self.wrong - BEFORE / 2, self.wrong - WINDOW * 3);
            if sound.longest_pause(from, to) > PAUSE {
                wrong.push(format!("nothing was heard by way of the {what} at first"));
            }
            if works.last().is_none_or(|(_, works)| !works) {
                wrong.push(format!("the {what} is called broken to the end"));
            }
            let told = works
                .iter()
                .find(|(at, works)| *at > self.wrong && !works)
                .map(|(at, _)| *at - self.wrong);
            if hit {
                self.judge_broken(what, sound, told, &mut figures, &mut wrong);
            } else {
                self.judge_whole(what, sound, told, &mut figures, &mut wrong);
            }
        }
        (figures, wrong)
    }

    /// Judges a way that something happened to.
    fn judge_broken(
        &self,
        what: &str,
        sound: &Sound,
        told: Option<Duration>,
        figures: &mut String,
        wrong: &mut Vec<String>,
    ) {
        match told {
            Some(after) => {
                figures.push_str(&format!(
                    ", {what} called broken after {} ms",
                    after.as_millis()
                ));
            }
            None => figures.push_str(&format!(", {what} never called broken")),
        }
        if told.is_none_or(|after| after > WRONG) {
            wrong.push(format!("the {what} was not called broken in time"));
        }
        let back = sound.returns_after(self.right).map(|at| at - self.right);
        match back {
            Some(after) => figures.push_str(&format!(" and back after {} ms", after.as_millis())),
            None => figures.push_str(" and never back"),
        }
        if back.is_none_or(|after| after > BACK) {
            wrong.push(format!("the {what} was not back in time"));
        }
    }

    /// Judges a way that nothing happened to.
    fn judge_whole(
        &self,
        what: &str,
        sound: &Sound,
        told: Option<Duration>,
        figures: &mut String,
        wrong: &mut Vec<String>,
    ) {
        if let Some(after) = told {
            wrong.push(format!("the {what} was called broken after {after:?}"));
        }
        let pause = sound.longest_pause(self.wrong, self.right + AFTER / 2);
        figures.push_str(&format!(", {what} silent for {} ms", pause.as_millis()));
        if pause > PAUSE {
            wrong.push(format!("the {what}, to which nothing happened, was silent"));
        }
    }
}

/// When a tone was heard: the beginnings of all windows that hold it, and of those that do not.
struct Sound(Vec<(Instant, bool)>);

impl Sound {
    fn longest_pause(&self, from: Instant, to: Instant) -> Duration {
        let mut last = from;
        let mut longest = Duration::ZERO;
        for (at, there) in &self.0 {
            if *there && *at >= from && *at < to {
                longest = longest.max(at.saturating_duration_since(last + WINDOW));
                last = *at;
            }
        }
        longest.max(to.saturating_duration_since(last + WINDOW))
    }

    /// Returns when it is there again for good: most of the second that follows.
    fn returns_after(&self, moment: Instant) -> Option<Instant> {
        self.0
            .iter()
            .filter(|(at, there)| *there && *at >= moment)
            .map(|(at, _)| *at)
            .find(|at| {
                let second = || {
                    self.0
                        .iter()
                        .filter(|(other, _)| *other >= *at && *other < *at + Duration::from_secs(1))
                };
                let there = second().filter(|(_, there)| *there).count();
                second().count() > 40 && there * 10 > second().count() * 9
            })
    }

    /// Returns how long it was there in all.
    fn length(&self) -> Duration {
        let windows = self.0.iter().filter(|(_, there)| *there).count();
        WINDOW * u32::try_from(windows).unwrap_or(u32::MAX)
    }
}

/// Looks for a tone in each window of a recording that began at `began`.
fn tones(recording: &[f32], rate: u32, hz: f64, began: Instant) -> Vec<(Instant, bool)> {
    let size = (f64::from(rate) * WINDOW.as_secs_f64()) as usize;
    recording
        .chunks_exact(size)
        .enumerate()
        .map(|(n, window)| {
            let (mut re, mut im) = (0.0, 0.0);
            for (k, sample) in window.iter().enumerate() {
                let (sin, cos) =
                    (std::f64::consts::TAU * hz * k as f64 / f64::from(rate)).sin_cos();
                re += f64::from(*sample) * cos;
                im += f64::from(*sample) * sin;
            }
            let level = re.hypot(im) * 2.0 / size as f64;
            (began + WINDOW * n as u32, level > 0.05)
        })
        .collect()
}

/// Hums at 8 kHz.
fn hum(hz: f64, length: Duration) -> Vec<i16> {
    (0..length.as_millis() as usize * 8)
        .map(|n| ((std::f64::consts::TAU * hz * n as f64 / 8_000.0).sin() * 12_000.0) as i16)
        .collect()
}

/// Asks again and again whether capture and playout work.
async fn watch(address: String, mut until: oneshot::Receiver<()>) -> Vec<(Instant, bool, bool)> {
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let mut seen = Vec::new();
    while until.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        let text = client
            .get(&address)
            .bearer_auth(KEY)
            .send()
            .await
            .expect("the phone answers whatever its devices do")
            .text()
            .await
            .expect("in text");
        let up = |device: &str| {
            let line = format!("offhook_device_up{{device=\"{device}\"}} 1");
            text.lines().any(|known| known == line)
        };
        seen.push((Instant::now(), up("capture"), up("playout")));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    seen
}

/// The phone, as `offhook serve` runs it.
struct Phone {
    child: Child,
    address: String,
    words: Arc<Mutex<Vec<String>>>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Phone {
    fn start(folder: &Path, server: &PairServer, host: &str, devices: Devices) -> Phone {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command
            .args(["serve", "--port", "0", "--lang", "en"])
            .args(["--auto-answer=true", "--insecure-no-signature"])
            .args(["--log", "warn,offhook=debug"])
            .args(["--audio-host", host])
            .current_dir(folder)
            .env_clear()
            .envs(server.environment())
            .env("HOME", server.folder())
            .env("OFFHOOK_DATA_DIR", folder)
            .env("OFFHOOK_API_KEY", KEY);
        for (name, kind) in [
            ("TWILIO_ACCOUNT_SID", "AC"),
            ("TWILIO_API_KEY", "SK"),
            ("TWILIO_TWIML_APP_SID", "AP"),
        ] {
            command.env(name, sim::sid(kind));
        }
        command
            .env("TWILIO_API_SECRET", "fedcba9876543210fedcba9876543210")
            .env("TWILIO_PHONE_NUMBER", "+15005550006");
        if devices == Devices::Named {
            // ALSA knows what a file of the person's own names; without it the system's own leads to the server.
            let (capture, playout) = if host == "alsa" {
                let path = folder.join("asound.conf");
                std::fs::write(
                    &path,
                    "</usr/share/alsa/alsa.conf>\n\
                     pcm.vmic { type pulse device \"mic.monitor\" hint { show on description \"virtual microphone\" } }\n\
                     pcm.vspk { type pulse device \"spk\" hint { show on description \"virtual speaker\" } }\n",
                )
                .expect("the folder can be written to");
                command.env("ALSA_CONFIG_PATH", path);
                ("vmic", "vspk")
            } else {
                ("mic.monitor", "spk")
            };
            command.args(["--capture", capture, "--playout", playout]);
        }
        // A far end that is played into the microphone would be taken for the echo that it is.
        command.args(["--profile", "headset"]);
        let mut child = command
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
        let words = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&words);
        // Nobody may wait for us to read what it has to say.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("no reader panics").push(line);
            }
        });
        Phone {
            child,
            address,
            words,
        }
    }

    fn words(&self) -> Vec<String> {
        self.words.lock().expect("no reader panics").clone()
    }
}
