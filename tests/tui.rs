//! The telephone on the terminal in a real terminal, that of tmux: keys are sent as a person types them, and what is read is
//! what stands on the screen. Against a daemon and the simulator's account.

#[path = "common/rig.rs"]
mod rig;

use std::f64::consts::TAU;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use offhook::config::{Secret, Settings};
use offhook::daemon::Daemon;
use offhook::pure::audio::device::DeviceChoice;
use offhook::sim::{Account, FarEnd, Rest, Step};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

const OWN: &str = "+18199754345";
const ANNA: &str = "+15145550101";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_dialled_held_muted_and_hung_up_by_keys() {
    let line = Line::start().await;
    let daemon = line.daemon().await;
    let terminal = Terminal::start(line.folder.path());
    let quiet = terminal.until(|screen| screen.contains(OWN) && screen.contains("no calls"));
    assert!(
        quiet.contains("● mic") && quiet.contains("┌ Last calls "),
        "{quiet}"
    );

    terminal.types(&[ANNA]);
    terminal.until(|screen| screen.contains(&format!("│{ANNA}")));
    terminal.types(&["Enter"]);
    terminal.until(|screen| screen.contains(&format!("▶ → talking     {ANNA}")));
    // Who speaks is seen within a moment, what the call is like within some seconds.
    let is_heard = |line: &str| line.contains('█') && line.contains(" dB");
    terminal.until(|screen| {
        let line = |name: &str| screen.lines().find(|line| line.contains(name));
        let curve = |line: &str| {
            line.split("││")
                .nth(1)
                .map(|part| part.matches('█').count())
        };
        line("│mic").is_some_and(is_heard)
            && line("│far end").is_some_and(is_heard)
            && line("││MOS       4.").and_then(curve) >= Some(4)
    });

    terminal.types(&["4", "#"]);
    terminal.until(|screen| screen.contains("keys sent: 4#"));
    terminal.types(&["h"]);
    terminal.until(|screen| screen.contains("▶ → on hold"));
    terminal.types(&["h"]);
    terminal.until(|screen| screen.contains("▶ → talking"));
    terminal.types(&["m"]);
    terminal.until(|screen| screen.contains("muted desk"));
    // Nobody is heard whose microphone is closed.
    terminal.until(|screen| {
        screen
            .lines()
            .any(|line| line.contains("│mic") && line.contains("░   -"))
    });
    terminal.tmux(&["resize-window", "-x", "40", "-y", "12"]);
    let small = terminal.until(|screen| screen.contains(&format!("▶ → {ANNA}")));
    assert!(
        small.lines().count() <= 12 && !small.contains('┌'),
        "{small}"
    );
    terminal.tmux(&["resize-window", "-x", "100", "-y", "30"]);
    terminal.until(|screen| screen.contains("┌ Calls "));
    terminal.types(&["x"]);
    terminal.until(|screen| screen.contains("ended") && screen.contains("hung up here"));
    // A minute later it is in the history alone; Enter brings its number back at once.
    terminal.until(|screen| screen.contains("0:0") && screen.contains("now"));
    terminal.types(&["Enter"]);
    terminal.until(|screen| screen.contains(&format!("│{ANNA}")));
    terminal.types(&["q"]);
    terminal.until(|screen| screen.contains("ended with 0"));
    terminal.is_as_before();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_goes_is_told_and_found_again_and_a_signal_leaves_the_terminal_in_order() {
    let line = Line::start().await;
    let terminal = Terminal::start(line.folder.path());
    terminal.until(|screen| screen.contains("no daemon is running here; it is looked for"));
    let daemon = line.daemon().await;
    terminal.until(|screen| screen.contains(OWN) && !screen.contains("no daemon"));
    terminal.types(&["d"]);
    terminal.until(|screen| {
        screen.contains("do not disturb  ") || screen.contains("5  do not disturb")
    });
    daemon.stop().await;
    terminal.until(|screen| screen.contains("no daemon is running here; it is looked for"));
    let daemon = line.daemon().await;
    terminal.until(|screen| screen.contains(OWN) && !screen.contains("no daemon"));
    terminal.types(&["9", "1", "1", "Enter"]);
    terminal.until(|screen| screen.contains("use another telephone now"));
    terminal.types(&["?"]);
    terminal.until(|screen| screen.contains("┌ Keys ") && screen.contains("a call talks on"));
    kill_process(terminal.program(), Signal::TERM).expect("it runs");
    terminal.until(|screen| screen.contains("ended with 0"));
    terminal.is_as_before();
    terminal.types(&["again", "Enter"]);
    terminal.until(|screen| screen.contains(OWN));
    terminal.types(&["C-c"]);
    terminal.until(|screen| {
        screen.contains("ended with 0") && screen.matches("as before").count() == 2
    });
    daemon.stop().await;
}

#[test]
fn without_a_terminal_it_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
    command
        .args(["tui", "--lang", "en", "--data-dir"])
        .arg(folder.path());
    command
        .env_clear()
        .env("HOME", folder.path())
        .stdin(Stdio::null());
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("needs a terminal"), "{told}");
    assert!(output.stdout.is_empty());
}

/// A line at the simulator's account, behind which Anna answers and sounds.
struct Line {
    account: Account,
    rest: Rest,
    folder: TempDir,
}

impl Line {
    async fn start() -> Line {
        let account = Account {
            auth_token: rig::AUTH_TOKEN.to_owned(),
            ..Account::made_up()
        };
        let rest = Rest::start(account.clone()).await.expect("a free port");
        rest.set_own_numbers([OWN.to_owned()]);
        let far_end = FarEnd::answers(|| vec![Step::Speak(tone(2_100.0, 120))]);
        rest.set_far_end(ANNA, far_end.after(Duration::from_millis(300)));
        let folder = tempfile::tempdir().expect("a folder");
        Line {
            account,
            rest,
            folder,
        }
    }

    /// Starts the daemon, whose microphone hears a steady tone.
    async fn daemon(&self) -> Daemon {
        let mut settings: Settings = rig::settings(self.folder.path());
        settings.twilio.account_sid = self.account.account_sid.clone();
        settings.twilio.api_key = self.account.api_key.clone();
        settings.twilio.api_secret = Secret::new(self.account.api_secret.clone());
        settings.twilio.api_base_url = self.rest.url().parse().expect("an address");
        let microphone = self.folder.path().join("microphone.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&microphone, spec).expect("a file");
        for sample in tone(1_500.0, 120) {
            wav.write_sample(sample).expect("written");
        }
        wav.finalize().expect("whole");
        settings.audio.capture = DeviceChoice::File(microphone);
        let daemon = Daemon::start(settings).await.expect("the phone starts");
        self.rest
            .set_program(&daemon.local_url(), None)
            .expect("an address");
        daemon
    }
}

/// A steady tone, some 12 dB below full scale.
fn tone(hz: f64, seconds: usize) -> Vec<i16> {
    (0..seconds * 8_000)
        .map(|n| ((n as f64 * hz / 8_000.0 * TAU).sin() * 8_000.0) as i16)
        .collect()
}

/// A terminal of tmux's, 80 by 24, in which the program runs; its server is gone when this is dropped.
struct Terminal {
    server: String,
}

impl Terminal {
    fn start(folder: &Path) -> Terminal {
        let terminal = Terminal {
            server: folder.join("tmux").display().to_string(),
        };
        // Once it has ended, what it left of the terminal is told; whoever presses Enter then starts it again.
        let run = format!(
            "while true; do '{}' tui --lang en --data-dir '{}'; echo \"ended with $?\"; \
             stty -a | grep -q ' icanon' && stty -a | grep -q ' echo ' && echo as before; read again; done",
            env!("CARGO_BIN_EXE_offhook"),
            folder.display()
        );
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            &run,
        ]);
        terminal
    }

    /// Tells tmux something, and returns what it says.
    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-u", "-S", &self.server]).args(words);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let output = command.output().expect("tmux is installed");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn types(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"][..], keys].concat());
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns it.
    fn until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(begun.elapsed() < LIMIT, "it never comes to that:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lines are lines again, and what is typed can be seen.
    fn is_as_before(&self) {
        self.until(|screen| screen.contains("as before"));
        let cursor = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(
            cursor.trim(),
            "0 1",
            "the screen and the cursor are the shell's"
        );
    }

    /// Returns the program, the one child of the shell.
    fn program(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(children).expect("the shell runs");
        let pid = children.trim().parse().expect("one child");
        Pid::from_raw(pid).expect("a process")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        command.args(["-S", &self.server, "kill-server"]);
        let _ = command.output();
    }
}
