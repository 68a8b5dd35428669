//! A private sound server whose microphone and speaker are the two channels of one sink, so that one recorder hears both
//! with the same clock.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Samples a second of everything here.
pub(crate) const RATE: u32 = 48_000;

/// The sink of two channels. `norewinds` keeps an idle null sink from rendering two seconds ahead.
const PAIR: &str = "module-null-sink sink_name=pair format=s16le rate=48000 channels=2 \
                    channel_map=front-left,front-right norewinds=1";

/// What is played into it is at the microphone.
const MIC: &str = "module-remap-sink sink_name=mic master=pair channels=1 channel_map=mono \
                   master_channel_map=front-left remix=no";

/// The speaker.
const SPK: &str = "module-remap-sink sink_name=spk master=pair channels=1 channel_map=mono \
                   master_channel_map=front-right remix=no";

/// How far away, in seconds, what came tells when a sample of the recording sounded.
const NEARBY: f64 = 0.1;

/// The running server; it and its folder are gone when this is dropped.
pub(crate) struct PairServer {
    folder: PathBuf,
    // Nothing in a program that only uses a server which its parent started.
    owned: Option<(tempfile::TempDir, Child)>,
}

impl PairServer {
    /// Starts the server, or says why not.
    pub(crate) fn start() -> Result<PairServer, String> {
        let owned = tempfile::tempdir()
            .map_err(|cause| format!("no folder for the sound server: {cause}"))?;
        let folder = owned.path().to_owned();
        let script = folder.join("server.pa");
        let lines = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={}\n\
             load-module {PAIR}\nload-module {MIC}\nload-module {SPK}\n\
             set-default-sink spk\nset-default-source mic.monitor\n",
            folder.join("native").display()
        );
        std::fs::write(&script, lines)
            .map_err(|cause| format!("cannot write {}: {cause}", script.display()))?;
        let server = launch(&folder)?;
        let pair = PairServer {
            folder,
            owned: Some((owned, server)),
        };
        pair.settle()?;
        Ok(pair)
    }

    /// Waits for the server, which was just started, to answer.
    fn settle(&self) -> Result<(), String> {
        // The server sets its own priority at its start, so it is raised from outside, where that is granted.
        let _ = Command::new("chrt")
            .args(["-a", "-r", "-p", "20", &self.id().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self
            .pactl(&["list", "short", "sinks"])
            .is_ok_and(|sinks| sinks.contains("spk"))
        {
            if Instant::now() > deadline {
                return Err("the sound server does not answer within 10 s".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn id(&self) -> u32 {
        self.owned
            .as_ref()
            .map(|(_, server)| server.id())
            .unwrap_or_default()
    }

    /// Kills the server; its socket stays where it is, and nobody listens.
    pub(crate) fn crash(&mut self) {
        if let Some((_, server)) = &mut self.owned {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Starts a server that was killed again, at the same socket.
    pub(crate) fn revive(&mut self) -> Result<(), String> {
        if let Some((_, server)) = &mut self.owned {
            *server = launch(&self.folder)?;
        }
        self.settle()
    }

    /// Lets the server hang (`STOP`), or go on (`CONT`).
    pub(crate) fn signal(&self, signal: Signal) {
        let server = Pid::from_raw(self.id().cast_signed()).expect("the server runs");
        kill_process(server, signal).expect("the server takes a signal");
    }

    /// Takes a sink away: `mic` with the microphone, `spk`, or `pair` with both.
    pub(crate) fn unplug(&self, sink: &str) {
        let modules = self
            .pactl(&["list", "short", "modules"])
            .expect("the server lists its modules");
        let wanted = format!("sink_name={sink} ");
        let number = modules
            .lines()
            .find(|line| line.contains(&wanted))
            .and_then(|line| line.split_whitespace().next())
            .expect("the sink is there");
        self.pactl(&["unload-module", number])
            .expect("the sink can be taken away");
    }

    /// Puts a sink back.
    pub(crate) fn plug(&self, sink: &str) {
        let module = [PAIR, MIC, SPK]
            .into_iter()
            .find(|module| module.contains(&format!("sink_name={sink} ")))
            .expect("one of the three");
        let arguments: Vec<&str> = std::iter::once("load-module")
            .chain(module.split(' '))
            .collect();
        self.pactl(&arguments).expect("the sink can be put back");
    }

    /// Plays a tone of half the full scale into the microphone until it is hushed.
    pub(crate) fn hum(&self, hz: u32) {
        self.pactl(&[
            "load-module",
            "module-sine",
            "sink=mic",
            &format!("frequency={hz}"),
        ])
        .expect("the server hums");
    }

    /// Ends the tone.
    pub(crate) fn hush(&self) {
        self.pactl(&["unload-module", "module-sine"])
            .expect("it hummed");
    }

    /// Uses the server whose folder it is, which somebody else started and will stop.
    pub(crate) fn attach(folder: PathBuf) -> PairServer {
        PairServer {
            folder,
            owned: None,
        }
    }

    /// Returns the folder that is this server's, and no other's.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns what a program must have in its environment to find this server.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            (
                "PULSE_SERVER",
                format!("unix:{}", self.folder.join("native").display()),
            ),
            ("XDG_RUNTIME_DIR", self.folder.display().to_string()),
            ("PULSE_COOKIE", cookie(&self.folder).display().to_string()),
        ]
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .envs(self.environment())
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs `pactl` and returns what it prints.
    pub(crate) fn pactl(&self, arguments: &[&str]) -> Result<String, String> {
        let output = self
            .client("pactl")
            .args(arguments)
            .output()
            .map_err(|cause| format!("pactl: {cause}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(format!("pactl {arguments:?} failed"))
        }
    }

    /// Plays a sound into the microphone; returns when it was played.
    pub(crate) fn speak(&self, sound: &[f32]) {
        let path = self.folder.join("speak.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer =
            hound::WavWriter::create(&path, spec).expect("the folder can be written to");
        for sample in sound {
            writer
                .write_sample((sample * 32_767.0) as i16)
                .expect("the disk has room");
        }
        writer.finalize().expect("the disk has room");
        self.play(&path);
    }

    /// Plays a WAV file into the microphone; returns when it was played.
    pub(crate) fn play(&self, path: &Path) {
        let status = self
            .client("paplay")
            .args(["-d", "mic", "--latency-msec=60"])
            .arg(path)
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "paplay plays into the virtual microphone"
        );
    }

    /// Begins to record microphone and speaker at once.
    pub(crate) fn record(&self) -> Recorder {
        let mut child = self
            .client("parec")
            .args([
                "-d",
                "pair.monitor",
                "--raw",
                "--rate=48000",
                "--channels=2",
                "--format=s16le",
                "--latency-msec=20",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .expect("parec starts; ./test.sh installs it");
        let mut pipe = child.stdout.take().expect("the output is piped");
        let taken = Arc::new(Mutex::new(Taken::default()));
        let shared = Arc::clone(&taken);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0_u8; 8192];
            let mut rest = Vec::new();
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                let now = Instant::now();
                rest.extend_from_slice(&bytes[..count]);
                let whole = rest.len() / 4 * 4;
                let mut taken = shared.lock().expect("no reader panics");
                for frame in rest[..whole].chunks_exact(4) {
                    taken
                        .microphone
                        .push(f32::from(i16::from_le_bytes([frame[0], frame[1]])) / 32_768.0);
                    taken
                        .speaker
                        .push(f32::from(i16::from_le_bytes([frame[2], frame[3]])) / 32_768.0);
                }
                rest.drain(..whole);
                let recorded = taken.speaker.len();
                taken.came.push((recorded, now));
            }
        });
        Recorder {
            child,
            reader,
            taken,
        }
    }
}

/// Where the server keeps the cookie without which it lets nobody in.
fn cookie(folder: &Path) -> PathBuf {
    folder.join(".config/pulse/cookie")
}

/// Starts the server whose script lies in the folder.
fn launch(folder: &Path) -> Result<Child, String> {
    Command::new("pulseaudio")
        .args([
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--log-level=error",
            "-F",
        ])
        .arg(folder.join("server.pa"))
        .env("HOME", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .env("PULSE_RUNTIME_PATH", folder)
        .env("PULSE_STATE_PATH", folder)
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
        .env_remove("PULSE_SERVER")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|cause| format!("pulseaudio does not start ({cause}); ./test.sh installs it"))
}

impl Drop for PairServer {
    fn drop(&mut self) {
        if let Some((_, server)) = &mut self.owned {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// What was recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// The microphone's channel.
    pub(crate) microphone: Vec<f32>,
    /// The speaker's channel.
    pub(crate) speaker: Vec<f32>,
    /// How much there was when a piece of it had come, in samples, and when that was.
    came: Vec<(usize, Instant)>,
}

impl Taken {
    /// When the first sample sounded, as the piece says that came earliest for its place: to some 20 ms.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.came
            .iter()
            .filter_map(|(recorded, when)| {
                when.checked_sub(Duration::from_secs_f64(*recorded as f64 / f64::from(RATE)))
            })
            .min()
    }

    /// When what lies at `at` seconds of the recording sounded; nothing where nothing was recorded nearby.
    ///
    /// When a piece comes its last sample is new, and whatever holds it up only makes it later: the earliest of the pieces
    /// nearby dates the sample. Those far away do not: a server that got no processor for a moment is behind, and catches up
    /// by one or two milliseconds a second, so that for ten seconds its samples come faster than the clock has them.
    pub(crate) fn sounded(&self, at: f64) -> Option<Instant> {
        self.came
            .iter()
            .filter_map(|(recorded, when)| {
                let behind = *recorded as f64 / f64::from(RATE) - at;
                if behind.abs() > NEARBY {
                    return None;
                }
                let length = Duration::from_secs_f64(behind.abs());
                if behind < 0.0 {
                    when.checked_add(length)
                } else {
                    when.checked_sub(length)
                }
            })
            .min()
    }
}

/// A recorder at work.
pub(crate) struct Recorder {
    child: Child,
    reader: JoinHandle<()>,
    taken: Arc<Mutex<Taken>>,
}

impl Recorder {
    /// Ends the recording.
    pub(crate) fn stop(mut self) -> Taken {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.reader.join();
        let taken = self.taken.lock().expect("no reader panics");
        taken.clone()
    }
}
