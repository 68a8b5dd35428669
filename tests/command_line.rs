//! The program from outside: help, exit codes, who may run beside whom. Nothing is read from the machine's own settings.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

const VERBS: [&str; 14] = [
    "serve",
    "demo",
    "sim",
    "devices",
    "status",
    "answer",
    "hangup",
    "watch",
    "history",
    "contacts",
    "block",
    "record",
    "voicemail",
    "tui",
];

#[test]
fn help_names_every_verb_and_every_verb_has_help() {
    let place = Place::new();
    let help = place.run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for verb in VERBS.iter().chain(&["completions"]) {
        assert!(
            help.contains(&format!("\n  {verb} ")),
            "{verb} is not in:\n{help}"
        );
        let own = place.run(&[verb, "--help"]);
        assert_eq!(own.status.code(), Some(0), "{verb}");
        assert!(!own.stdout.is_empty() && own.stderr.is_empty(), "{verb}");
    }
    assert!(help.contains("Examples:") && !help.contains("what-to-start"));
}

#[test]
fn the_flags_of_serve_are_the_settings_without_the_secrets() {
    let help = text(&Place::new().run(&["serve", "--help"]).stdout);
    for setting in offhook::config::table::ALL {
        let flag = format!("--{}", setting.toml_key().replace('_', "-"));
        assert_eq!(
            help.contains(&format!("{flag} ")),
            !setting.secret,
            "{flag}"
        );
    }
    assert!(help.contains("--insecure-no-signature"));
    let secret = Place::new().run(&["serve", "--twilio-auth-token", "x"]);
    assert_eq!(secret.status.code(), Some(2));
}

#[test]
fn devices_are_tried_through_the_engine_and_a_broken_one_is_told() {
    let place = Place::new();
    let loop_back = ["--capture", "loopback", "--playout", "loopback"];
    let tried = place.run(&[&["devices", "test", "--for", "2", "--json"][..], &loop_back].concat());
    assert_eq!(tried.status.code(), Some(0));
    let told = text(&tried.stdout);
    let level: serde_json::Value =
        serde_json::from_str(told.lines().nth(1).expect("a level")).expect("JSON");
    let level = level["level_dbfs"].as_f64().expect("a number");
    // What is played is captured: a tone of 12 dB below full scale.
    assert!((level + 12.0).abs() < 1.0, "{told}");
    let broken = place.run(&["devices", "test", "--for", "1", "--capture", "nothing"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("hint: `offhook devices` lists what there is"));
    assert_eq!(place.run(&["devices", "--json"]).status.code(), Some(0));
}

#[test]
fn version_goes_to_standard_output() {
    let version = Place::new().run(&["--version"]);
    assert_eq!(
        text(&version.stdout),
        format!("offhook {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn what_cannot_be_understood_is_exit_2_on_standard_error() {
    let place = Place::new();
    for (arguments, part) in [
        (&["srve"][..], "a similar subcommand exists: 'serve'"),
        (&["serve", "--rign", "desk"], "--ring"),
        (&["status", "--ring", "desk"], "unexpected argument"),
        (&["status", "--log", "info"], "unexpected argument"),
        (&["devices", "--socket", "x"], "unexpected argument"),
        (&["serve", "extra"], "unexpected argument"),
        (&[], "Usage"),
    ] {
        let output = place.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let told = text(&output.stderr);
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
}

#[test]
fn serve_without_settings_names_all_of_them_and_reads_nothing() {
    let place = Place::new();
    let mut serve = place.command(&["serve"]);
    let mut child = serve.stdin(Stdio::piped()).spawn().expect("runs");
    // The writing end stays open: a program that read it would wait for ever.
    let unread = child.stdin.take().expect("piped");
    let output = child.wait_with_output().expect("ends");
    drop(unread);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("error: 6 settings are missing or wrong\n"),
        "{told}"
    );
    assert!(told.contains("\nhint: "), "{told}");
    assert!(!place.path().join(".env").exists());
}

#[test]
fn dotenv_and_the_named_toml_file_are_read_from_where_the_program_runs() {
    let place = Place::new();
    fs::write(
        place.path().join(".env"),
        "OFFHOOK_CONFIG=my.toml\nOFFHOOK_RING=\"nobody\"\n",
    )
    .expect("written");
    fs::write(place.path().join("my.toml"), "port = 99999\n").expect("written");
    let told = text(&place.run(&["serve"]).stderr);
    assert!(
        told.contains("OFFHOOK_RING `nobody` (from `.env`)"),
        "{told}"
    );
    assert!(told.contains("PORT `99999` (from `my.toml`)"), "{told}");
    fs::remove_file(place.path().join("my.toml")).expect("there");
    let told = text(&place.run(&["serve"]).stderr);
    assert!(told.contains("`my.toml` cannot be read"), "{told}");
    let told = text(&place.run(&["serve", "--config", "other.toml"]).stderr);
    assert!(told.contains("`other.toml` cannot be read"), "{told}");
}

#[test]
fn without_a_daemon_its_verbs_say_so() {
    let place = Place::new();
    for verb in ["status", "answer", "hangup", "watch"] {
        let output = place.run(&[verb]);
        assert_eq!(output.status.code(), Some(1), "{verb}");
        let told = text(&output.stderr);
        assert!(
            told.starts_with("error: no daemon is running here"),
            "{told}"
        );
        assert!(
            told.contains("\nhint: start it with `offhook serve`"),
            "{told}"
        );
        let french = text(&place.run(&[verb, "--lang", "fr"]).stderr);
        assert!(french.contains("aucun démon ne tourne ici"), "{french}");
    }
}

#[test]
fn a_silent_or_strange_daemon_is_told_apart_from_none() {
    let place = Place::new();
    let socket = place.path().join("control.sock");
    let listener = UnixListener::bind(&socket).expect("bound");
    let stranger = std::thread::spawn(move || {
        for reply in ["", "HTTP/1.1 400 Bad Request\r\n"] {
            let (mut stream, _) = listener.accept().expect("asked");
            let mut question = [0; 64];
            let _ = stream.read(&mut question).expect("a question");
            stream.write_all(reply.as_bytes()).expect("answered");
        }
    });
    let arguments = ["status", "--socket", socket.to_str().expect("plain")];
    let gone = text(&place.run(&arguments).stderr);
    assert!(gone.contains("the daemon cannot be asked"), "{gone}");
    let strange = text(&place.run(&arguments).stderr);
    assert!(strange.contains("no Offhook of this version"), "{strange}");
    stranger.join().expect("not panicked");
    let long = format!("/tmp/{}", "a".repeat(200));
    let told = text(&place.run(&["status", "--socket", &long]).stderr);
    assert!(
        told.contains("longer than 107 bytes") && told.contains("OFFHOOK_SOCKET"),
        "{told}"
    );
}

#[test]
fn completions_are_written_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = place.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        for verb in VERBS {
            assert!(script.contains(verb), "{verb} for {shell}");
        }
        assert!(script.contains("auto-answer"), "{shell}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    for arguments in [&["completions", "bash"][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = place.command(arguments).stdout(writer).output();
        let output = output.expect("runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_second_daemon_on_the_same_folder_is_told_who_holds_it() {
    let place = Place::new();
    let state = place.path().join("state");
    fs::create_dir(&state).expect("made");
    fs::write(state.join("lock"), "pid 4242\nport 4321\n").expect("written");
    let lock = fs::File::open(state.join("lock")).expect("there");
    lock.lock().expect("free");
    let output = place.serve(&["--port", "0", "--data-dir", "state"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    let who = "error: another daemon holds the data folder `state`: process 4242, on port 4321";
    assert!(told.contains(who), "{told}");
}

#[test]
fn a_second_program_on_the_same_port_is_told_who_holds_it() {
    let place = Place::new();
    let (_listener, port) = taken_port();
    let output = place.serve(&["--port", &port]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    let who = format!(
        "error: port {port} is taken by process {}",
        std::process::id()
    );
    assert!(told.contains(&who), "{told}");
}

#[test]
fn a_second_demonstration_is_told_of_the_folder_and_of_nothing_before_it() {
    let place = Place::new();
    let state = place.path().join("state");
    fs::create_dir(&state).expect("made");
    fs::write(state.join("lock"), "pid 4242\nport 4321\n").expect("written");
    let lock = fs::File::open(state.join("lock")).expect("there");
    lock.lock().expect("free");
    // Whoever has the usual port, it is taken.
    let _usual = TcpListener::bind("127.0.0.1:3000");
    let output = place.run(&["demo", "--once", "--data-dir", "state"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("error: another daemon holds the data folder"),
        "{told}"
    );
}

#[test]
fn a_demonstration_obeys_the_country_and_a_wrong_value_is_no_missing_one() {
    let place = Place::new();
    let mut demo = place.command(&["demo", "--once"]);
    let output = demo.env("OFFHOOK_COUNTRY", "xx").output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("OFFHOOK_COUNTRY `xx`"), "{told}");
    assert!(
        told.ends_with("hint: `offhook.example.toml` explains every setting\n"),
        "{told}"
    );
    let missing = text(&place.run(&["serve"]).stderr);
    assert!(
        missing.contains("hint: set what is missing in"),
        "{missing}"
    );
}

#[test]
fn a_machine_without_a_sound_card_says_so_once() {
    let cards = fs::read_to_string("/proc/asound/cards").unwrap_or_default();
    let place = Place::new();
    let mut test = place.command(&["devices", "test", "--for", "1"]);
    test.env("PULSE_SERVER", "unix:/nowhere")
        .env("XDG_RUNTIME_DIR", place.path());
    let told = text(&test.output().expect("runs").stderr);
    let count = told.matches("no sound card").count();
    // Where the kernel knows one, it may be taken, broken or forbidden, and works at best.
    let expected = usize::from(!cards.contains('['));
    assert_eq!(count, expected, "{told}");
}

#[test]
fn on_a_terminal_what_is_missing_is_asked_for_and_kept() {
    let place = Place::new();
    fs::write(place.path().join(".env"), "# mine\nOFFHOOK_LANG=fr\n").expect("written");
    let (_listener, port) = taken_port();
    let dialogue = [
        ("TWILIO_ACCOUNT_SID: ", "AC123\n"),
        (
            "TWILIO_ACCOUNT_SID: ",
            "AC00112233445566778899aabbccddeeff\n",
        ),
        ("TWILIO_AUTH_TOKEN (", "deadbeefdeadbeefdeadbeefdeadbeef\n"),
        ("TWILIO_API_KEY: ", "SK00112233445566778899aabbccddeeff\n"),
        (
            "TWILIO_API_SECRET (",
            "hush-rush\u{8}\u{8}\u{8}\u{8}hush$\r",
        ),
        (
            "TWILIO_TWIML_APP_SID: ",
            "AP00112233445566778899aabbccddeeff\n",
        ),
        ("TWILIO_PHONE_NUMBER: ", "+1 (514) 555-0100\n"),
        (
            "PUBLIC_URL (Entrée : cette machine seulement): ",
            "http://phone.example.com\n",
        ),
        (
            "PUBLIC_URL (Entrée : cette machine seulement): ",
            "phone.example.com\n",
        ),
    ];
    // With everything answered the port is tried, which is taken: so it ends.
    let screen = place.on_terminal(&["serve", "--port", &port], &dialogue);
    assert!(
        screen.contains("AC00112233445566778899aabbccddeeff"),
        "{screen}"
    );
    assert!(
        !screen.contains("deadbeef") && !screen.contains("hush"),
        "{screen}"
    );
    assert!(screen.contains("Il manque 6 réglages"), "{screen}");
    let like = "il faut : AC et 32 chiffres hexadécimaux";
    assert!(screen.contains(like), "{screen}");
    let strange = "la forme habituelle est : 32 lettres et chiffres";
    assert!(screen.contains(strange), "{screen}");
    assert!(
        !screen.contains("la forme habituelle est : 32 chiffres"),
        "{screen}"
    );
    assert!(!screen.contains("Twilio console"), "{screen}");
    assert!(
        screen.contains(&format!("port {port} is taken")),
        "{screen}"
    );
    let file = place.path().join(".env");
    assert_eq!(
        fs::read_to_string(&file).expect("there"),
        "# mine\nOFFHOOK_LANG=fr\n\
         TWILIO_ACCOUNT_SID=AC00112233445566778899aabbccddeeff\n\
         TWILIO_AUTH_TOKEN=deadbeefdeadbeefdeadbeefdeadbeef\n\
         TWILIO_API_KEY=SK00112233445566778899aabbccddeeff\n\
         TWILIO_API_SECRET=\"hush-hush\\$\"\n\
         TWILIO_TWIML_APP_SID=AP00112233445566778899aabbccddeeff\n\
         TWILIO_PHONE_NUMBER=+15145550100\n\
         PUBLIC_URL=phone.example.com\n"
    );
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_phone_sent_to_the_background_goes_on_and_obeys_the_keyboard_once_it_is_back() {
    for (script, dialogue) in [
        (
            // Begun there.
            r#""$0" "$@" & read -r _; sleep 0.7; jobs; fg"#,
            &[
                ("Ctrl-C ends it", "go\n"),
                ("Running", "x\n"),
                ("Enter picks up", "\u{3}"),
            ][..],
        ),
        (
            // Sent there in the middle of a read.
            r#""$0" "$@"; bg; sleep 0.7; jobs; fg"#,
            &[
                ("Ctrl-C ends it", "\u{1a}"),
                ("Running", "x\n"),
                ("Enter picks up", "\u{3}"),
            ],
        ),
    ] {
        let place = Place::new();
        let mut shell = place.command_of("setsid", &["--ctty", "--wait", "bash", "-mc", script]);
        shell
            .arg(env!("CARGO_BIN_EXE_offhook"))
            .args(["serve", "--port", "0", "--bind", "127.0.0.1"])
            .args(["--capture", "none", "--playout", "none", "--lang", "en"])
            .env("PATH", "/usr/bin:/bin");
        credentials(&mut shell);
        let screen = on_terminal(shell, dialogue);
        assert!(screen.contains("stopping"), "{screen}");
    }
}

#[test]
fn whoever_sits_before_the_phone_is_told_who_rings_who_talks_and_what_is_over() {
    let place = Place::new();
    // Somebody calls once the port is known.
    let script = r#"
        (
            until port=$(sed -n 's/^port //p' state/lock) && [ -n "$port" ]; do sleep 0.1; done
            "$0" sim call --webhook "http://127.0.0.1:$port/handle_calls" --from +15145550123 --wait 15
        ) </dev/null >/dev/null 2>&1 &
        exec "$0" "$@""#;
    let mut shell = place.command_of("setsid", &["--ctty", "--wait", "bash", "-c", script]);
    shell
        .arg(env!("CARGO_BIN_EXE_offhook"))
        .args(["serve", "--port", "0", "--bind", "127.0.0.1"])
        .args(["--capture", "none", "--playout", "none", "--lang", "en"])
        .args(["--data-dir", "state", "--ring-seconds", "60"])
        .env("TWILIO_API_BASE_URL", "http://127.0.0.1:1")
        .env("PATH", "/usr/bin:/bin");
    credentials(&mut shell);
    let dialogue = [
        ("+15145550123 is calling (Enter picks up)", "\n"),
        ("talking with +15145550123", "h\n"),
        ("the call with +15145550123 is over: hung up here", "\u{3}"),
    ];
    let screen = on_terminal(shell, &dialogue);
    assert_eq!(screen.matches("talking with").count(), 1, "{screen}");
    assert_eq!(screen.matches("is over: ").count(), 1, "{screen}");
    assert!(!screen.contains("Twilio reaches it"), "{screen}");
}

#[test]
fn a_phone_in_the_background_asks_nothing() {
    let place = Place::new();
    let script = r#""$0" serve & wait $!; echo "exit $?""#;
    let mut shell = place.command_of("setsid", &["--ctty", "--wait", "bash", "-mc", script]);
    shell
        .arg(env!("CARGO_BIN_EXE_offhook"))
        .env("PATH", "/usr/bin:/bin");
    let screen = on_terminal(shell, &[]);
    assert!(screen.contains("exit 2"), "{screen}");
    assert!(screen.contains("6 settings are missing"), "{screen}");
}

#[test]
fn whoever_leaves_the_public_address_empty_has_a_phone_for_this_machine() {
    let place = Place::new();
    let (_listener, port) = taken_port();
    let mut serve = place.command(&["serve", "--port", &port]);
    credentials(&mut serve).env("TWILIO_PHONE_NUMBER", "");
    let dialogue = [
        ("TWILIO_PHONE_NUMBER: ", "+15145550100\n"),
        ("PUBLIC_URL (Enter: this machine only): ", "\n"),
    ];
    let screen = on_terminal(serve, &dialogue);
    assert!(screen.contains("is taken by process"), "{screen}");
    let kept = fs::read_to_string(place.path().join(".env")).expect("there");
    assert_eq!(kept, "TWILIO_PHONE_NUMBER=+15145550100\n");
}

#[test]
fn whoever_gives_up_at_the_terminal_is_told_everything_that_is_missing() {
    let place = Place::new();
    let dialogue = [
        (
            "TWILIO_ACCOUNT_SID: ",
            "AC00112233445566778899aabbccddeeff\n",
        ),
        ("TWILIO_AUTH_TOKEN (", "half a tok\u{3}"),
    ];
    let screen = place.on_terminal(&["serve"], &dialogue);
    assert!(
        screen.contains("5 settings are missing or wrong"),
        "{screen}"
    );
    assert!(
        !screen.contains("TWILIO_ACCOUNT_SID is missing"),
        "{screen}"
    );
    assert!(
        screen.contains("what you have answered is in .env"),
        "{screen}"
    );
    let kept = fs::read_to_string(place.path().join(".env")).expect("there");
    assert_eq!(
        kept,
        "TWILIO_ACCOUNT_SID=AC00112233445566778899aabbccddeeff\n"
    );
}

#[test]
fn what_to_start_follows_the_credentials() {
    let place = Place::new();
    let verb = || text(&place.run(&["what-to-start"]).stdout);
    assert_eq!(verb(), "demo\n");
    fs::write(place.path().join(".env"), "TWILIO_ACCOUNT_SID=\n").expect("written");
    assert_eq!(verb(), "demo\n");
    fs::write(place.path().join(".env"), "TWILIO_ACCOUNT_SID=AC1\n").expect("written");
    assert_eq!(verb(), "serve\n");
    fs::remove_file(place.path().join(".env")).expect("there");
    let toml = "twilio_phone_number = \"+15145550100\"\n";
    fs::write(place.path().join("my.toml"), toml).expect("written");
    for (words, verb) in [
        (&["--config", "my.toml"][..], "serve\n"),
        (&["--once", "--config", "my.toml"], "serve\n"),
        (&["--twilio-phone-number", "x", "--port", "1"], "serve\n"),
        (&["--once", "--json"], "demo\n"),
        (&["--port", "4000"], "demo\n"),
        (&["--no-such-thing"], "demo\n"),
        (&["--help"], "demo\n"),
    ] {
        let arguments = [&["what-to-start"], words].concat();
        let output = place.run(&arguments);
        assert_eq!(text(&output.stdout), verb, "{words:?}");
    }
    let mut set = place.command(&["what-to-start"]);
    let output = set.env("TWILIO_PHONE_NUMBER", "x").output().expect("runs");
    assert_eq!(text(&output.stdout), "serve\n");
}

/// A folder of its own to run the program in, with nothing set.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_offhook"), arguments)
    }

    fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `serve` with good settings on IPv4 only.
    fn serve(&self, arguments: &[&str]) -> Output {
        credentials(&mut self.command(&["serve", "--bind", "127.0.0.1"]))
            .args(arguments)
            .output()
            .expect("the program runs")
    }

    fn on_terminal(&self, arguments: &[&str], dialogue: &[(&str, &str)]) -> String {
        on_terminal(self.command(arguments), dialogue)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }
}

/// Runs a program on a terminal, types each answer as soon as its question stands there, and returns what the
/// screen showed.
fn on_terminal(mut command: Command, dialogue: &[(&str, &str)]) -> String {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let person = openpt(flags).expect("a terminal");
    unlockpt(&person).expect("unlocked");
    let theirs = || ioctl_tiocgptpeer(&person, flags).expect("its other end");
    let mut child = command
        .stdin(theirs())
        .stdout(theirs())
        .stderr(theirs())
        .spawn()
        .expect("the program runs");
    // Its copies of the far end go, or the terminal would never be seen to close.
    drop(command);
    let mut person_types = fs::File::from(person.try_clone().expect("one more"));
    let mut questions = dialogue.iter().peekable();
    let (mut bytes, mut read_up_to) = (Vec::new(), 0);
    let screen = loop {
        let screen = text(&bytes);
        if let Some((question, answer)) = questions.peek()
            && let Some(at) = screen[read_up_to..].find(question)
        {
            read_up_to += at + question.len();
            person_types.write_all(answer.as_bytes()).expect("typed");
            questions.next();
            continue;
        }
        let mut waiting = [PollFd::new(&person, PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        if poll(&mut waiting, Some(&limit)).expect("polled") == 0 {
            child.kill().expect("killed");
            panic!("nothing more happens after:\n{screen}");
        }
        // The far end of a terminal is an error, once everything that was shown is read.
        let mut shown = [0; 4096];
        match person_types.read(&mut shown) {
            Ok(0) | Err(_) => break screen,
            Ok(length) => bytes.extend_from_slice(&shown[..length]),
        }
    };
    child.wait().expect("ended");
    assert_eq!(questions.next(), None, "never asked:\n{screen}");
    screen
}

/// Adds settings that are good.
fn credentials(command: &mut Command) -> &mut Command {
    command
        .env("TWILIO_ACCOUNT_SID", "AC00112233445566778899aabbccddeeff")
        .env("TWILIO_API_KEY", "SK00112233445566778899aabbccddeeff")
        .env("TWILIO_API_SECRET", "hush")
        .env("TWILIO_TWIML_APP_SID", "AP00112233445566778899aabbccddeeff")
        .env("TWILIO_PHONE_NUMBER", "+15145550100")
        .env("TWILIO_AUTH_TOKEN", "deadbeefdeadbeefdeadbeefdeadbeef")
}

/// Takes a port, so that nobody else can.
fn taken_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port.to_string())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
