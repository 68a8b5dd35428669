//! The program as it runs: real daemons in folders of their own, called by the real simulator and steered by the real
//! command line. No sound card and no network is needed.

#[path = "running_daemon/broker.rs"]
mod broker;
#[path = "running_daemon/following.rs"]
mod following;
#[path = "running_daemon/messages.rs"]
mod messages;
#[path = "running_daemon/refusals.rs"]
mod refusals;
#[path = "running_daemon/settings.rs"]
mod settings;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// What nobody but the account and its owner may see.
const AUTH_TOKEN: &str = "deadbeefdeadbeefdeadbeefdeadbeef";
const API_SECRET: &str = "hush-hush-hush-hush-hush-hush-hu";
const API_KEY: &str = "correct-horse-battery-staple";
const NUMBER: &str = "+15145550100";
const CALLER: &str = "+15145550123";

#[test]
fn every_verb_of_a_call_is_understood_by_the_daemon() {
    let daemon = Daemon::start(&[], &[]);
    for words in [
        vec!["reject"],
        vec!["hold"],
        vec!["resume"],
        vec!["swap"],
        vec!["mute"],
        vec!["mute", "off"],
        vec!["dtmf", "1"],
        vec!["dtmf"],
        vec!["merge", "c1"],
        vec!["move", "browser"],
        vec!["move", "desk"],
        vec!["transfer", "514 555 0100"],
        vec!["transfer", "--complete"],
        vec!["record", "on"],
        vec!["record", "pause"],
    ] {
        let output = daemon.ask(&words);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {told}");
        let nobody = "error: there is no call with which that could be done\n";
        assert!(told.starts_with(nobody), "{words:?}: {told}");
    }
    let refused = daemon.ask(&["call", "911"]);
    let told = text(&refused.stderr);
    assert!(told.contains("use another telephone"), "{told}");
    assert_eq!(daemon.ask(&["dnd", "on"]).status.code(), Some(0));
    let told = text(&daemon.ask(&["dnd", "--json"]).stdout);
    assert!(
        told.contains("\"do_not_disturb\": true") || told.contains("\"do_not_disturb\":true"),
        "{told}"
    );

    assert_eq!(daemon.ask(&["dnd", "off"]).status.code(), Some(0));
    let caller = daemon.call(&["--call-sid", "CA1", "--listen", "60"]);
    daemon.until(|status| status["calls"][0]["state"] == "ringing");
    assert_eq!(daemon.ask(&["answer"]).status.code(), Some(0));
    for (words, key, value) in [
        (vec!["mute", "--json"], "muted", true),
        (vec!["hold", "--json"], "held", true),
        (vec!["resume", "--json"], "held", false),
        (vec!["mute", "off", "--json"], "muted", false),
        (vec!["record", "--json"], "recording", true),
        (vec!["record", "pause", "--json"], "recording_paused", true),
        (
            vec!["record", "resume", "--json"],
            "recording_paused",
            false,
        ),
        (vec!["record", "off", "--json"], "recording", false),
    ] {
        let output = daemon.ask(&words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        let call: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(call[key], value, "{words:?}");
    }
    assert_eq!(daemon.ask(&["hangup"]).status.code(), Some(0));
    drop(caller);
}

#[test]
fn the_command_line_answers_and_hangs_up_a_call_that_rings() {
    let daemon = Daemon::start(&[], &[]);
    for (verb, why) in [
        ("answer", "no call is ringing"),
        ("hangup", "there is no call to hang up"),
    ] {
        let output = daemon.ask(&[verb]);
        assert_eq!(output.status.code(), Some(1), "{verb}");
        let told = text(&output.stderr);
        assert!(told.starts_with(&format!("error: {why}\n")), "{told}");
        assert!(told.contains("`offhook status` says: no calls"), "{told}");
        assert_eq!(text(&output.stdout), "", "{verb}");
    }

    let caller = daemon.call(&["--call-sid", "CA1", "--listen", "60"]);
    let status = daemon.until(|status| status["calls"][0]["state"] == "ringing");
    let call = &status["calls"][0];
    assert_eq!(
        (&call["sid"], &call["from"]),
        (&json!("CA1"), &json!(CALLER))
    );
    assert_eq!(status["devices"]["capture"]["works"], true);
    let page = text(&daemon.ask(&["status"]).stdout);
    let line = format!("ringing  from {CALLER}  (desk)");
    assert!(page.contains(&line), "{page}");
    let french = text(&daemon.ask(&["status", "--lang", "fr"]).stdout);
    assert!(french.contains("(au bureau)"), "{french}");

    let nobody = daemon.ask(&["answer", "CA2"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("error: there is no such call\nhint: `offhook status`"));

    let answered = daemon.ask(&["answer", "--json"]);
    assert_eq!(answered.status.code(), Some(0));
    let answered: Value = serde_json::from_slice(&answered.stdout).expect("JSON");
    assert_eq!(answered["state"], "talking");
    assert_eq!(answered["id"], call["id"]);
    assert_eq!(daemon.ask(&["answer"]).status.code(), Some(1));
    let wrong = daemon.ask(&["answer", "CA1"]);
    assert!(text(&wrong.stderr).contains("the call is not in a state for that"));

    // Without a folder the socket alone is enough.
    let mut hang_up = daemon.place.command(&["hangup", "--json"]);
    hang_up
        .env_remove("OFFHOOK_DATA_DIR")
        .env("OFFHOOK_SOCKET", daemon.place.state().join("control.sock"));
    let ended = hang_up.output().expect("runs");
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let ended: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(ended["state"], "ended");
    assert_eq!(ended["end_reason"], "hung_up_here");
    caller.wait_with_output().expect("ended");
    let page = text(&daemon.ask(&["status"]).stdout);
    assert!(page.contains("(hung up here)"), "{page}");
    // What is over can be neither answered nor hung up, so it is no hint.
    let told = text(&daemon.ask(&["answer"]).stderr);
    assert!(told.contains("`offhook status` says: no calls"), "{told}");
    assert!(daemon.stop(Signal::TERM).success());
}

#[test]
fn a_call_that_rings_is_answered_and_hung_up_in_plain_words_too() {
    let daemon = Daemon::start(&[], &[]);
    let caller = daemon.call(&["--listen", "60"]);
    daemon.until(|status| status["calls"][0]["state"] == "ringing");
    for (verb, words) in [("answer", "  talking  from "), ("hangup", "  ended  from ")] {
        let output = daemon.ask(&[verb]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains(words), "{output:?}");
        assert_eq!(text(&output.stderr), "");
    }
    caller.wait_with_output().expect("ended");
}

#[test]
fn two_daemons_live_side_by_side_and_a_third_is_told_who_is_in_its_way() {
    let (one, two) = (Daemon::start(&[], &[]), Daemon::start(&[], &[]));
    assert_ne!(one.port, two.port);
    let pids: Vec<Value> = [&one, &two]
        .map(|d| d.until(|_| true)["pid"].clone())
        .into();
    assert_eq!(pids, [one.child.id(), two.child.id()].map(|pid| json!(pid)));

    let begun = Instant::now();
    let same_folder = one
        .place
        .serve(&["--port", "0"])
        .output()
        .expect("the program runs");
    let told = text(&same_folder.stderr);
    assert_eq!(same_folder.status.code(), Some(1), "{told}");
    let who = format!("process {}, on port {}", one.child.id(), one.port);
    assert!(told.contains(&who), "{told}");

    let elsewhere = Place::new();
    let same_port = elsewhere
        .serve(&["--port", &two.port.to_string()])
        .output()
        .expect("the program runs");
    let told = text(&same_port.stderr);
    assert_eq!(same_port.status.code(), Some(1), "{told}");
    let who = format!("port {} is taken by process {}", two.port, two.child.id());
    assert!(told.contains(&who), "{told}");
    assert!(begun.elapsed() < Duration::from_secs(10), "5 s for each");
    // Neither took harm.
    for daemon in [one, two] {
        assert_eq!(daemon.http("GET", "/health", None, "").0, 200);
        assert!(daemon.stop(Signal::TERM).success());
    }
}

#[test]
fn a_terminal_that_is_closed_ends_the_phone_in_order() {
    // Under `nohup` we ignore it, the daemon inherits that, and rightly goes on.
    let status = std::fs::read_to_string("/proc/self/status").expect("the system says so");
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if ignored.is_some_and(|mask| mask & 1 != 0) {
        return;
    }
    let daemon = Daemon::start(&[], &[]);
    let caller = daemon.call(&["--listen", "60"]);
    daemon.until(|status| status["calls"][0]["state"] == "ringing");
    let socket = daemon.place.state().join("control.sock");
    assert!(socket.exists());
    assert!(daemon.stop(Signal::HUP).success());
    assert!(!socket.exists(), "it tidied up");
    // The caller was not left in the dark.
    caller.wait_with_output().expect("ended");
}

#[test]
fn the_key_is_made_once_its_path_is_told_and_registrations_outlive_a_restart() {
    let mut daemon = Daemon::start(&[], &[]);
    let path = daemon.place.state().join("api-key");
    let told = format!("the API key is in {}", path.display());
    daemon.told_until("Ctrl-C ends it");
    assert!(daemon.told.contains(&told), "{}", daemon.told);
    assert_eq!(daemon.told.matches("warning: ").count(), 1);
    let only_here = format!("webhooks are expected at http://127.0.0.1:{}", daemon.port);
    assert!(daemon.told.contains(&only_here), "{}", daemon.told);
    let key = std::fs::read_to_string(&path).expect("there");
    let body = r#"{"identity":"kitchen"}"#;
    let (status, answer) = daemon.http("POST", "/api/register-identity", Some(&key), body);
    assert_eq!(status, 200, "{answer}");
    assert!(daemon.dial_from_the_kitchen().contains("<Number"));
    let daemon = daemon.again();
    assert_eq!(std::fs::read_to_string(&path).expect("there"), key);
    let document = daemon.dial_from_the_kitchen();
    assert!(document.contains("<Number"), "{document}");
    assert_eq!(daemon.http("GET", "/api/calls", Some(&key), "").0, 200);
}

#[test]
fn what_a_killed_daemon_knew_of_a_call_is_there_again_and_the_call_is_interrupted() {
    let mut daemon = Daemon::start(&[], &[]);
    let mut missed = daemon.call(&["--call-sid", "CA1", "--most", "1"]);
    missed.wait().expect("ended");
    daemon.until(|status| status["calls"][0]["state"] == "ended");
    let mut caller = daemon.call(&["--call-sid", "CA2", "--listen", "60"]);
    daemon.until(|status| status["calls"][1]["state"] == "ringing");
    assert_eq!(daemon.ask(&["answer"]).status.code(), Some(0));
    let history = |daemon: &Daemon| -> Value {
        let output = daemon.ask(&["history", "--json"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let begun = Instant::now();
    while history(&daemon)["calls"][0]["answered"].is_null() {
        assert!(begun.elapsed() < LIMIT, "the answer is never noted");
    }
    let going_on = history(&daemon);
    assert_eq!(going_on["calls"][0]["sid"], "CA2");
    assert_eq!(going_on["calls"][0]["end_reason"], Value::Null);

    daemon.end(Signal::KILL);
    caller.wait().expect("ended");
    let place = std::mem::replace(&mut daemon.place, Place::new());
    let daemon = Daemon::start_in(place, &[], &[]);
    let after = history(&daemon);
    let (talked, missed) = (&after["calls"][0], &after["calls"][1]);
    assert_eq!(
        (
            &talked["sid"],
            &talked["end_reason"],
            &talked["place"],
            &talked["missed"]
        ),
        (
            &json!("CA2"),
            &json!("interrupted"),
            &json!("desk"),
            &json!(false)
        )
    );
    assert_eq!(talked["answered"], going_on["calls"][0]["answered"]);
    assert!(talked["ended"].is_string());
    assert_eq!(
        (&missed["sid"], &missed["missed"]),
        (&json!("CA1"), &json!(true))
    );
    assert_eq!(after["unseen"], 1);
    let page = text(&daemon.ask(&["history", "--missed", "--lang", "fr"]).stdout);
    assert!(page.contains(&format!("de {CALLER}")), "{page}");
    assert!(page.contains("nouveaux appels manqués : 1"), "{page}");
    assert!(!page.contains("CA2"), "{page}");
    let past = text(&daemon.ask(&["status", "--calls", "--json"]).stdout);
    let past: Value = serde_json::from_str(&past).expect("JSON");
    assert_eq!(past[0]["end_reason"], "interrupted");

    assert_eq!(
        text(&daemon.ask(&["history", "--mark-seen"]).stdout),
        "marked as seen: 1\n"
    );
    assert_eq!(history(&daemon)["unseen"], 0);
    let sheet = text(&daemon.ask(&["history", "--all", "--export", "csv"]).stdout);
    let lines: Vec<&str> = sheet.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{sheet}");
    assert!(
        lines[0].starts_with("id,sid,direction,from,to,name,began,"),
        "{sheet}"
    );
    assert!(
        lines[1].contains(&format!(",CA2,incoming,{CALLER},{NUMBER},")),
        "{sheet}"
    );
    assert_eq!(
        text(&daemon.ask(&["history", "--delete", "CA1"]).stdout),
        "calls deleted: 1\n"
    );
    let gone = daemon.ask(&["history", "--delete", "CA1"]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(text(&gone.stderr), "error: the history has no such call\n");
    let wrong = daemon.ask(&["history", "--from", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("such as 2026-01-31"));
    assert!(daemon.stop(Signal::TERM).success());
}

#[test]
fn contacts_and_the_block_list_are_kept_from_the_command_line() {
    let daemon = Daemon::start(&[], &[]);
    let done = |arguments: &[&str]| -> String {
        let output = daemon.ask(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let read = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    assert_eq!(done(&["contacts", "list"]), "no contacts\n");
    let added = done(&[
        "contacts",
        "add",
        "Hélène",
        "--number",
        "mobile=(514) 555-0123",
        "--number",
        "+44 20 7946 0018",
        "--favourite",
        "true",
        "--json",
    ]);
    let added = read(&added);
    assert_eq!(
        added["numbers"][0],
        json!({"label": "mobile", "number": "+15145550123"})
    );
    let id = added["id"].to_string();
    let edited = read(&done(&[
        "contacts",
        "edit",
        &id,
        "--note",
        "by the lake",
        "--json",
    ]));
    assert_eq!(
        (&edited["name"], &edited["note"]),
        (&json!("Hélène"), &json!("by the lake"))
    );
    assert_eq!(edited["numbers"], added["numbers"]);
    let list = done(&["contacts", "list", "helene", "--lang", "fr"]);
    assert_eq!(
        list,
        format!("{id}  Hélène  mobile +15145550123  +442079460018  favori\n")
    );
    for (arguments, exit, why) in [
        (
            &["contacts", "add", "Bob", "--number", "911"][..],
            2,
            "`911` cannot be kept",
        ),
        (
            &["contacts", "edit", "99", "--name", "x"],
            1,
            "there is no such contact",
        ),
        (&["block", "add", "*"], 2, "this would block everybody"),
        (
            &["block", "remove", "+1900*"],
            1,
            "the block list has no such entry",
        ),
        (
            &["contacts", "import", "nowhere.vcf"],
            1,
            "`nowhere.vcf` cannot be read",
        ),
    ] {
        let refused = daemon.ask(arguments);
        assert_eq!(refused.status.code(), Some(exit), "{arguments:?}");
        assert!(
            text(&refused.stderr).starts_with(&format!("error: {why}")),
            "{}",
            text(&refused.stderr)
        );
    }

    let cards = done(&["contacts", "export"]);
    assert!(
        cards.starts_with("BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Hélène\r\n"),
        "{cards}"
    );
    let mut many = cards.clone();
    for n in 0..120 {
        many.push_str(&format!(
            "BEGIN:VCARD\nVERSION:2.1\nN:Bee;Ann{n}\nTEL;CELL:514 555 1{n:03}\nEND:VCARD\n"
        ));
    }
    many.push_str("BEGIN:VCARD\nFN:No number\nTEL:*21#\nEND:VCARD\n");
    std::fs::write(daemon.place.path().join("many.vcf"), &many).expect("written");
    let imported = daemon.ask(&["contacts", "import", "many.vcf"]);
    assert_eq!(
        text(&imported.stdout),
        "contacts added: 121; completed: 0; known already: 1\n"
    );
    assert!(text(&imported.stderr).contains("0 contacts without a name, 1 numbers"));
    let all = read(&done(&["contacts", "export", "--json"]));
    assert_eq!(all.as_array().map(Vec::len), Some(122));
    assert_eq!(done(&["contacts", "remove", &id]), "removed: Hélène\n");

    assert_eq!(
        done(&["block", "add", "514 555 0100", "--note", "sells windows"]),
        "blocked: +15145550100\n"
    );
    let entry = read(&done(&["block", "add", "Anonymous", "--json"]));
    assert_eq!(
        (&entry["pattern"], &entry["hits"]),
        (&json!("anonymous"), &json!(0))
    );
    assert_eq!(
        done(&["block", "list"]),
        "1  +15145550100  sells windows\n2  anonymous\n"
    );
    assert_eq!(
        done(&["block", "remove", "+1 514 555 0100", "--lang", "fr"]),
        "de nouveau accepté : +15145550100\n"
    );
    assert_eq!(
        read(&done(&["block", "list", "--json"]))
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert!(daemon.stop(Signal::TERM).success());
}

#[test]
fn wrong_keys_are_put_off_while_whoever_signs_is_served() {
    let daemon = Daemon::start(&[], &[("OFFHOOK_API_KEY", API_KEY)]);
    let wrong = || daemon.http("GET", "/api/calls", Some("wrong"), "").0;
    for _ in 0..100 {
        assert_eq!(wrong(), 401);
    }
    assert_eq!(wrong(), 429);
    let rings = daemon.post("/handle_calls", &[("From", CALLER), ("To", NUMBER)]);
    assert_eq!(rings.status.code(), Some(0), "{}", text(&rings.stderr));
    assert!(text(&rings.stdout).contains("<Stream"), "{rings:?}");
    assert_eq!(daemon.http("GET", "/api/calls", Some(API_KEY), "").0, 200);
    assert_eq!(wrong(), 429);
}

#[test]
fn a_key_need_not_be_ascii() {
    let key = "clé-à-molette-où-ça";
    let daemon = Daemon::start(&[], &[("OFFHOOK_API_KEY", key)]);
    assert_eq!(daemon.http("GET", "/api/calls", Some(key), "").0, 200);
    let wrong = key.replace('é', "e");
    assert_eq!(daemon.http("GET", "/api/calls", Some(&wrong), "").0, 401);
}

#[test]
fn a_french_phone_speaks_french_on_the_terminal_and_on_the_page() {
    let mut daemon = Daemon::start(&["--lang", "fr"], &[]);
    daemon.told_until("Ctrl-C");
    for words in [
        "à l'écoute sur",
        "warning: PUBLIC_URL n'est pas défini",
        "la clé de l'API se trouve dans",
        "les numéros d'urgence",
    ] {
        assert!(daemon.told.contains(words), "{words}: {}", daemon.told);
    }
    let (status, page) = daemon.http("GET", "/", None, "");
    assert_eq!(status, 200);
    assert!(page.contains(r#"<html lang="fr">"#), "{page}");
    assert!(page.contains("Le téléphone est en marche."), "{page}");
}

#[test]
fn a_phone_that_checks_no_signature_says_so_once_and_listens_here_only() {
    let mut daemon = Daemon::start(&["--insecure-no-signature"], &[]);
    daemon.told_until("Ctrl-C ends it");
    let warned = daemon.told.matches("WEBHOOKS ARE NOT CHECKED").count();
    assert_eq!(warned, 1, "{}", daemon.told);
    let place = Place::new();
    let refused = place
        .serve(&["--insecure-no-signature", "--bind", "0.0.0.0"])
        .output()
        .expect("the program runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--insecure-no-signature is refused"));
}

#[test]
fn however_much_is_logged_no_secret_and_no_whole_number_is() {
    let daemon = Daemon::start(
        &["--log", "trace", "--auto-answer"],
        &[("OFFHOOK_API_KEY", API_KEY)],
    );
    let caller = daemon.call(&["--listen", "1", "--dtmf", "12"]);
    caller.wait_with_output().expect("ended");
    daemon.post("/handle_calls", &[("From", CALLER), ("To", NUMBER)]);
    let token = daemon.http("GET", "/api/token?identity=kitchen", Some(API_KEY), "");
    assert_eq!(token.0, 200);
    daemon.dial_from_the_kitchen();
    daemon.http(
        "GET",
        "/api/calls",
        Some("a-wrong-key-that-is-long-enough"),
        "",
    );
    let log = daemon.log();
    assert!(log.contains("DEBUG"), "{log}");
    assert!(log.contains("the call is answered"), "{log}");
    for secret in [
        AUTH_TOKEN,
        API_SECRET,
        API_KEY,
        "a-wrong-key",
        NUMBER,
        CALLER,
    ] {
        for form in [secret, secret.trim_start_matches('+')] {
            assert!(!log.contains(form), "{form} is in:\n{log}");
        }
    }
    // A stream's token is 32 bytes in base64url, an access token begins like all of its kind.
    let is_token = |word: &&str| word.len() == 43 || word.starts_with("eyJ");
    let words = log.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    assert_eq!(words.filter(is_token).collect::<Vec<_>>(), [""; 0]);
}

/// A folder of its own to run the program in, with settings that are good.
struct Place {
    folder: TempDir,
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

    fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("OFFHOOK_DATA_DIR", self.state())
            .env("TWILIO_ACCOUNT_SID", "AC00112233445566778899aabbccddeeff")
            .env("TWILIO_API_KEY", "SK00112233445566778899aabbccddeeff")
            .env("TWILIO_API_SECRET", API_SECRET)
            .env("TWILIO_TWIML_APP_SID", "AP00112233445566778899aabbccddeeff")
            .env("TWILIO_PHONE_NUMBER", NUMBER)
            .env("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
            // Nobody answers there, and at once.
            .env("TWILIO_API_BASE_URL", "http://127.0.0.1:9")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn serve(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["serve"]);
        command.args(arguments);
        if !arguments.contains(&"--bind") {
            command.args(["--bind", "127.0.0.1"]);
        }
        command.args(["--capture", "loopback", "--playout", "loopback"]);
        command
    }
}

/// A daemon that runs; killed where a test fails.
struct Daemon {
    place: Place,
    child: Child,
    port: u16,
    lines: Receiver<String>,
    /// What it has said so far, as far as it was read.
    told: String,
}

impl Daemon {
    /// Starts one on a port that is free.
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
        Daemon::start_in(Place::new(), arguments, environment)
    }

    fn start_in(place: Place, arguments: &[&str], environment: &[(&str, &str)]) -> Daemon {
        let mut serve = place.serve(&["--port", "0"]);
        serve.args(arguments).envs(environment.iter().copied());
        let mut child = serve.spawn().expect("the program runs");
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut daemon = Daemon {
            place,
            child,
            port: 0,
            lines,
            told: String::new(),
        };
        let line = daemon.told_until(" http://127.0.0.1:");
        let port = line.rsplit(':').next().expect("a port");
        daemon.port = port.trim().parse().expect("a number");
        daemon
    }

    /// Waits for a line with these words, and returns it.
    fn told_until(&mut self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    self.told.push_str(&line);
                    self.told.push('\n');
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("it does not say {words}:\n{}", self.told)
                }
            }
        }
    }

    /// Runs a verb beside it.
    fn ask(&self, arguments: &[&str]) -> Output {
        let output = self.place.command(arguments).output();
        output.expect("the program runs")
    }

    /// Waits until its status is as it should be, and returns it.
    fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let output = self.ask(&["status", "--json"]);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            let status = serde_json::from_slice(&output.stdout).expect("JSON");
            if is_so(&status) {
                return status;
            }
            assert!(begun.elapsed() < LIMIT, "it never comes to that: {status}");
        }
    }

    /// Lets somebody call.
    fn call(&self, arguments: &[&str]) -> Child {
        let webhook = format!("http://127.0.0.1:{}/handle_calls", self.port);
        let mut call = self.place.command(&["sim", "call", "--webhook", &webhook]);
        call.args(["--from", CALLER]).args(arguments);
        call.spawn().expect("the program runs")
    }

    /// Posts a webhook, signed.
    fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Output {
        let mut post = self.place.command(&["sim", "post", path, "CallSid=CA9"]);
        post.env("PORT", self.port.to_string());
        for (name, value) in parameters {
            post.arg(format!("{name}={value}"));
        }
        post.output().expect("the program runs")
    }

    /// Dials a number as the browser `kitchen`, and returns the document.
    fn dial_from_the_kitchen(&self) -> String {
        let parameters = [("From", "client:kitchen"), ("To", "+18738402100")];
        let output = self.post("/twiml/outgoing", &parameters);
        text(&output.stdout)
    }

    /// Asks over HTTP, and returns status and body.
    fn http(&self, method: &str, path: &str, key: Option<&str>, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(LIMIT)).expect("set");
        let key = key.map_or_else(String::new, |key| {
            format!("Authorization: Bearer {}\r\n", key.trim())
        });
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }

    /// Tells it to stop, and returns what it ended with.
    fn stop(mut self, signal: Signal) -> ExitStatus {
        self.end(signal)
    }

    /// Stops it and starts another in its folder.
    fn again(mut self) -> Daemon {
        assert!(self.end(Signal::TERM).success());
        let place = std::mem::replace(&mut self.place, Place::new());
        Daemon::start_in(place, &[], &[])
    }

    /// Stops it, and returns all that it ever said.
    fn log(mut self) -> String {
        assert!(self.end(Signal::TERM).success());
        let rest: Vec<String> = self.lines.iter().collect();
        format!("{}{}", self.told, rest.join("\n"))
    }

    fn end(&mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is there");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(begun.elapsed() < LIMIT, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
