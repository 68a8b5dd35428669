//! `offhook demo`: the built-in carrier calls this telephone through real HTTP and a real websocket, and is measured.

mod files;
mod measured;

use std::convert::Infallible;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::failure::Failure;
use super::flags::{Flags, Sound};
use super::output::{print, print_json, tell};
use super::terminal::{Keyboard, Stop};
use super::{Context, runtime};
use crate::audio::{AudioSettings, DeviceChoice, DeviceState, MediaHandle, NO_SOUND_CARD};
use crate::config::{self, Origin, Secret, Settings, TwilioAccount, table};
use crate::daemon::Daemon;
use crate::lang::{Lang, Message};
use crate::pure::audio::tone::Country;
use crate::pure::ids::{PhoneNumber, StreamId};
use crate::pure::phone::{AutoAnswer, CallView, Command, Ring, Stage};
use crate::sim::{self, Account, CallPlan, Rest, Step, voice};
use files::Files;
use measured::Measured;

/// The line that is called: one of Twilio's numbers for tests, which never rings anywhere.
const LINE: &str = "+15005550006";

/// After so long the demonstration picks up by itself.
const PICKS_UP_AFTER: Duration = Duration::from_secs(3);

/// How much of the person the echo test records.
const RECORDED: Duration = Duration::from_secs(3);

/// What `offhook demo` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook demo\n  \
        offhook demo --once --record caller.wav\n  \
        offhook demo --once --json --capture loopback --playout loopback\n\n\
        Without a microphone or a speaker WAV files stand in for them, and are named at the end.")]
pub(crate) struct Args {
    /// End after one call; 1 is returned where something was wrong with it
    #[arg(long)]
    once: bool,
    /// Keep what the caller heard: WAV, or Ogg Opus where the name ends in .opus
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Print what was measured as JSON, one line for each call
    #[arg(long)]
    json: bool,
    /// The port to listen on; 0: any that is free [default: 3000, or any that is free]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    pub(crate) flags: Flags<Sound>,
}

/// Lets the simulator call, once or until somebody has heard enough.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let sources = &context.sources;
    let port = match args.port {
        Some(port) => Some(port),
        None => config::load_port(sources)?,
    };
    let audio = config::load_audio(sources)?;
    let country = config::load_country(sources)?;
    // Next to the telephone's own folder, so that neither gets in the other's way.
    let folder = match sources.text(&table::OFFHOOK_DATA_DIR) {
        Some(_) => context.local.data_dir.clone(),
        None => context.local.data_dir.join("demo"),
    };
    let socket = match sources.text(&table::OFFHOOK_SOCKET) {
        Some(_) => context.local.socket.clone(),
        None => folder.join("control.sock"),
    };
    let demonstration = Demonstration {
        once: args.once,
        record: args.record,
        json: args.json,
        port,
        audio,
        country,
        folder,
        socket,
        lang: context.local.lang,
        log: context.local.log.clone(),
    };
    runtime()?.block_on(demonstration.run())
}

/// What it is to be like.
struct Demonstration {
    once: bool,
    record: Option<PathBuf>,
    json: bool,
    port: Option<u16>,
    audio: AudioSettings,
    country: Country,
    folder: PathBuf,
    socket: PathBuf,
    lang: Lang,
    log: String,
}

impl Demonstration {
    fn say(&self, message: Message<'_>) {
        tell(&message.text(self.lang));
    }

    async fn run(mut self) -> Result<(), Failure> {
        let mut stop = Stop::new()?;
        make_folder(&self.folder)?;
        // Another demonstration's: its files are left alone, and whose it is is told when the daemon is to start.
        let is_held = is_held(&self.folder);
        let files = if is_held {
            Files::default()
        } else {
            self.replace_what_is_missing().await?
        };
        let account = Account::made_up();
        let rest = Rest::start(account.clone()).await.map_err(|cause| {
            Failure::world("the simulator cannot listen on this machine").caused_by(&cause)
        })?;
        // With a folder that is another's it will not listen, and no port is worth a word.
        let port = if is_held { 0 } else { self.choose_port() };
        let daemon = Daemon::start(self.settings(&account, &rest, port)?).await?;
        let done = self
            .attend(&daemon, &rest, &account, &files, &mut stop)
            .await;
        if !self.once {
            self.say(Message::Stopping);
        }
        daemon.stop().await;
        done
    }

    /// Tries the devices, and lets files stand in for those that do not answer.
    async fn replace_what_is_missing(&mut self) -> Result<Files, Failure> {
        let audio = self.audio.clone();
        let tried =
            tokio::task::spawn_blocking(move || MediaHandle::start(&audio, Instant::now())).await;
        let media = match tried {
            Ok(started) => started?,
            Err(broken) => {
                return Err(Failure::ours("the sound engine did not start").caused_by(&broken));
            }
        };
        let status = media.status().borrow().clone();
        media.stop().await;
        let mut files = Files::default();
        let is_cardless =
            |state: &DeviceState| matches!(state, DeviceState::Broken(why) if why == NO_SOUND_CARD);
        let both = is_cardless(&status.capture) && is_cardless(&status.playout);
        if both {
            self.say(Message::CardStandIn);
        }
        if let DeviceState::Broken(why) = &status.capture {
            if !both {
                self.say(Message::MicrophoneStandIn { why });
            }
            let path = files.make_near_end(&self.folder, self.lang)?;
            self.audio.capture = DeviceChoice::File(path);
        }
        if let DeviceState::Broken(why) = &status.playout {
            if !both {
                self.say(Message::SpeakerStandIn { why });
            }
            let path = self.folder.join("speaker.wav");
            // It stays small however long the demonstration is left running.
            self.audio.skips_idle = true;
            self.audio.playout = DeviceChoice::File(path.clone());
            files.speaker = Some(path);
        }
        if let Some(path) = self.record.take() {
            files.caller = Some(std::path::absolute(&path).unwrap_or(path));
        } else if files.near_end.is_some() || files.speaker.is_some() {
            files.caller = Some(self.folder.join("caller.wav"));
        }
        Ok(files)
    }

    /// Returns the port that was asked for, else the usual one, else any.
    fn choose_port(&self) -> u16 {
        const USUAL: u16 = 3000;
        if let Some(port) = self.port {
            return port;
        }
        if std::net::TcpListener::bind(("127.0.0.1", USUAL)).is_ok() {
            return USUAL;
        }
        self.say(Message::OtherPort { port: USUAL });
        0
    }

    /// Makes up settings as `serve` would read them.
    fn settings(&self, account: &Account, rest: &Rest, port: u16) -> Result<Settings, Failure> {
        let made_up = |what: &str| Failure::ours(format!("the made-up {what} is none"));
        Ok(Settings {
            twilio: TwilioAccount {
                account_sid: account.account_sid.clone(),
                api_key: account.api_key.clone(),
                api_secret: Secret::new(account.api_secret.clone()),
                twiml_app_sid: sim::sid("AP"),
                phone_number: PhoneNumber::parse(LINE).map_err(|_| made_up("number"))?,
                api_base_url: rest.url().parse().map_err(|_| made_up("address"))?,
            },
            auth_tokens: vec![Secret::new(account.auth_token.clone())],
            insecure_no_signature: false,
            public_url: Origin::loopback(port),
            public_url_by_default: true,
            port,
            bind: vec![[127, 0, 0, 1].into()],
            bind_by_default: false,
            api_key: None,
            data_dir: self.folder.clone(),
            socket: self.socket.clone(),
            ring: Ring::Desk,
            ring_for: Duration::from_secs(20),
            browsers_ring_for: Duration::from_secs(20),
            forwarding: Default::default(),
            voicemail: Default::default(),
            quiet: Default::default(),
            auto_answer: AutoAnswer::After(PICKS_UP_AFTER),
            call_waiting: true,
            longest_call: Duration::from_secs(3_600),
            audio: self.audio.clone(),
            handset: Default::default(),
            hosts: Vec::new(),
            lang: self.lang,
            country: self.country,
            token_ttl: Duration::from_secs(3600),
            history: crate::pure::book::history::HistoryLimits::DEFAULT,
            hooks: Vec::new(),
            mqtt: None,
            record_stream: None,
            record_format: Default::default(),
            record_notice: Default::default(),
            retention: Default::default(),
            log: self.log.clone(),
            told: Vec::new(),
        })
    }

    /// Makes the simulator call, and call again, until the person or the script has had enough.
    async fn attend(
        &self,
        daemon: &Daemon,
        rest: &Rest,
        account: &Account,
        files: &Files,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let mut keyboard = Keyboard::new();
        let mut is_first = true;
        if !self.once {
            self.say(Message::Listening {
                address: &daemon.local_url(),
            });
        }
        loop {
            let measured = tokio::select! {
                () = stop.wait() => return if self.once {
                    Err(Failure::world("the demonstration was broken off"))
                } else {
                    Ok(())
                },
                measured = self.one_call(daemon, rest, account, &mut keyboard) => measured,
            };
            files.keep_caller(&measured.report)?;
            self.print(&measured, files)?;
            if self.once {
                return measured.verdict();
            }
            if let Err(failure) = measured.verdict() {
                tell(&failure.to_string());
            }
            if std::mem::take(&mut is_first) {
                self.say_how_to_go_on(daemon, account, &keyboard)?;
            } else if keyboard.is_there() {
                self.say(Message::EnterCallsAgain);
            }
            tokio::select! {
                () = stop.wait() => return Ok(()),
                _ = keyboard.line() => {}
            }
        }
    }

    /// Has one call, from the first webhook to the end.
    async fn one_call(
        &self,
        daemon: &Daemon,
        rest: &Rest,
        account: &Account,
        keyboard: &mut Keyboard,
    ) -> Measured {
        let (picked_up, is_picked_up) = oneshot::channel();
        let mut plan = CallPlan::new(
            format!("{}/handle_calls", daemon.local_url()),
            account.clone(),
        );
        plan.to = LINE.to_owned();
        plan.rest = Some(rest);
        plan.script = vec![
            Step::WaitFor(is_picked_up),
            Step::Silence(Duration::from_millis(500)),
            Step::Speak(voice::greeting(self.lang)),
            Step::Speak(voice::beep()),
            Step::EchoTest { record: RECORDED },
            Step::Silence(Duration::from_millis(500)),
        ];
        let sid = plan.call_sid.clone();
        let mut stream = None;
        let report = tokio::select! {
            report = sim::call(plan) => report,
            never = self.watch(daemon, &sid, picked_up, keyboard, &mut stream) => match never {},
        };
        let stats = stream.and_then(|stream| daemon.phone().media().stats(stream));
        Measured { report, stats }
    }

    /// Tells what becomes of a call, picks up when told to, and finds its stream.
    async fn watch(
        &self,
        daemon: &Daemon,
        sid: &str,
        picked_up: oneshot::Sender<()>,
        keyboard: &mut Keyboard,
        stream: &mut Option<StreamId>,
    ) -> Infallible {
        let mut snapshots = daemon.phone().snapshots();
        let mut picked_up = Some(picked_up);
        let mut told = Stage::Connecting;
        loop {
            let call = snapshots
                .borrow_and_update()
                .calls
                .iter()
                .find(|call| call.leg.as_ref().is_some_and(|leg| leg.as_str() == sid))
                .cloned();
            if let Some(call) = call {
                *stream = call.stream.or(*stream);
                if call.stage != told {
                    told = call.stage;
                    self.tell_of(&call);
                }
                if call.stage == Stage::Talking {
                    // Whoever waited for it may have hung up.
                    let _ = picked_up.take().map(|sign| sign.send(()));
                }
            }
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                _ = keyboard.line() => {
                    if let Err(refused) = daemon.phone().command_current(Command::Answer).await {
                        tell(&refused.to_string());
                    }
                }
            }
        }
    }

    fn tell_of(&self, call: &CallView) {
        let party = &call.from.to_text();
        match call.stage {
            Stage::Ringing => {
                self.say(Message::CallRings { from: party });
                self.say(Message::PicksUpIn {
                    seconds: PICKS_UP_AFTER.as_secs(),
                });
            }
            Stage::Talking => {
                self.say(Message::CallAnswered { party });
                self.say(Message::SpeakAfterTone);
            }
            Stage::Ended => self.say(Message::CallEnded { party }),
            Stage::Dialing | Stage::Connecting | Stage::Voicemail => {}
        }
    }

    fn print(&self, measured: &Measured, files: &Files) -> Result<(), Failure> {
        if self.json {
            print_json(&measured.to_json(files))
        } else {
            print(&measured.page(files, self.lang))
        }
    }

    /// Says how to be called once more. The token goes into a file that only its owner can read, not onto the screen.
    fn say_how_to_go_on(
        &self,
        daemon: &Daemon,
        account: &Account,
        keyboard: &Keyboard,
    ) -> Result<(), Failure> {
        let token = self.folder.join("auth-token");
        write_private(&token, &account.auth_token).map_err(|cause| {
            Failure::world(format!("`{}` cannot be written", token.display())).caused_by(&cause)
        })?;
        let address = &daemon.local_url();
        self.say(Message::PageAt { address });
        let program = std::env::current_exe().unwrap_or_else(|_| "offhook".into());
        let program = quoted(&program);
        // A token in the environment would go before the file; the greeting waits until the desk has picked up.
        self.say(Message::CommandCallsAgain {
            command: &format!(
                "env -u TWILIO_AUTH_TOKEN TWILIO_AUTH_TOKEN_FILE={} {program} sim call --webhook {}/handle_calls \
                 --to {LINE} --wait {}",
                quoted(&token),
                daemon.local_url(),
                PICKS_UP_AFTER.as_secs() + 1
            ),
        });
        self.say(Message::CommandTellsState {
            command: &format!("{program} status --data-dir {}", quoted(&self.folder)),
        });
        self.say(if keyboard.is_there() {
            Message::EnterCallsAgain
        } else {
            Message::CtrlCEnds
        });
        Ok(())
    }
}

/// Quotes a path for a POSIX shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Says whether a daemon holds the folder already.
fn is_held(folder: &Path) -> bool {
    std::fs::File::open(folder.join("lock")).is_ok_and(|lock| {
        matches!(
            lock.try_lock_shared(),
            Err(std::fs::TryLockError::WouldBlock)
        )
    })
}

/// Makes a folder that only its owner can look into, where it is missing.
fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|cause| {
            Failure::world(format!("the folder `{}` cannot be made", path.display()))
                .caused_by(&cause)
                .hint("choose another with --data-dir")
        })
}

/// Writes a file anew that only its owner can read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(cause),
        Ok(()) | Err(_) => {}
    }
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_while_somebody_has_its_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(!is_held(folder.path()), "nobody was there yet");
        let lock = std::fs::File::create(folder.path().join("lock")).expect("a file");
        assert!(!is_held(folder.path()));
        lock.try_lock().expect("it is free");
        assert!(is_held(folder.path()));
    }

    #[test]
    fn a_path_survives_a_shell() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
