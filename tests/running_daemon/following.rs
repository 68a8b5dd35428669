//! Whoever follows the log of events from outside: `offhook watch`, and hooks.

use super::*;

/// A running `offhook watch`, whose lines come over a channel.
struct Watcher {
    child: Child,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(daemon: &Daemon, arguments: &[&str]) -> Watcher {
        let mut command = daemon.place.command(&["watch"]);
        let mut child = command.args(arguments).spawn().expect("the program runs");
        let (tell, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Watcher { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line in time")
    }

    fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why}: {line}"))
    }

    /// Takes events until one of this word came so often, and returns all of them.
    fn events_until(&self, word: &str, times: usize) -> Vec<Value> {
        let mut events: Vec<Value> = Vec::new();
        let mut came = 0;
        while came < times {
            let event = self.json();
            assert_eq!(event["type"], "event", "{event}");
            came += usize::from(event["event"] == word);
            events.push(event);
        }
        events
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_no_gap(first: u64, events: &[Value]) {
    for (n, event) in (first + 1..).zip(events) {
        assert_eq!(event["seq"], n, "{event}");
    }
}

#[test]
fn watch_tells_hundreds_of_events_without_a_gap_and_outlives_the_daemon() {
    let daemon = Daemon::start(&["--auto-answer"], &[("OFFHOOK_API_KEY", API_KEY)]);
    let added = daemon.ask(&["contacts", "add", "Anna", "--number", CALLER]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    let watcher = Watcher::start(&daemon, &["--json"]);
    let words = Watcher::start(&daemon, &["--lang", "fr"]);
    assert_eq!(words.line(), "aucun appel");
    let snapshot = watcher.json();
    assert_eq!(snapshot["type"], "snapshot");
    let first = snapshot["seq"].as_u64().expect("a number");
    let calls = 8;
    let callers: Vec<Child> = (0..calls).map(|_| daemon.call(&["--most", "2"])).collect();
    let switches = 150;
    for _ in 0..switches {
        for on in ["true", "false"] {
            let body = format!("{{\"on\":{on}}}");
            let path = "/api/do-not-disturb";
            assert_eq!(daemon.http("POST", path, Some(API_KEY), &body).0, 200);
        }
    }
    let mut events = watcher.events_until("ended", calls);
    for caller in callers {
        caller.wait_with_output().expect("ended");
    }
    // The switch may still be on its way.
    let count =
        |events: &[Value], word: &str| events.iter().filter(|event| event["event"] == word).count();
    let left = 2 * switches - count(&events, "do_not_disturb");
    events.extend(watcher.events_until("do_not_disturb", left));
    has_no_gap(first, &events);
    assert_eq!(count(&events, "began"), calls);
    for event in &events {
        assert!(event["reason"].is_string(), "{event}");
        if !event["call"].is_null() {
            assert_eq!(
                (&event["name"], &event["from"]),
                (&json!("Anna"), &json!(CALLER))
            );
        }
    }
    let told = loop {
        let line = words.line();
        if line.contains("appelle") {
            break line;
        }
    };
    assert!(
        told.ends_with(&format!("  Anna ({CALLER}):  appelle")),
        "{told}"
    );

    // Everything that the daemon still did is told before it goes; then it is waited for.
    let caller = daemon.call(&["--listen", "60"]);
    watcher.events_until("began", 1);
    let daemon = daemon.again();
    caller.wait_with_output().expect("ended");
    let mut last = 0;
    let lost = loop {
        let line = watcher.json();
        if line["type"] == "lost" {
            break line;
        }
        last = line["seq"].as_u64().expect("a number");
    };
    assert_eq!(
        (&lost["reason"], &lost["after"]),
        (&json!("restarted"), &json!(last))
    );
    assert_eq!(watcher.json()["type"], "snapshot");

    // Whoever comes later begins where they left.
    assert_eq!(daemon.ask(&["dnd", "on"]).status.code(), Some(0));
    let on = watcher.events_until("do_not_disturb", 1);
    assert_eq!(daemon.ask(&["dnd", "off"]).status.code(), Some(0));
    let after = on[0]["seq"].as_u64().expect("a number");
    let later = Watcher::start(&daemon, &["--json", "--after", &after.to_string()]);
    let off = later.json();
    assert_eq!(
        (&off["on"], &off["seq"]),
        (&json!(false), &json!(after + 1))
    );
}

#[test]
fn watch_ends_well_when_its_reader_goes_though_nothing_happens() {
    let daemon = Daemon::start(&[], &[]);
    let mut watch = daemon.place.command(&["watch"]).spawn().expect("runs");
    let mut reader = BufReader::new(watch.stdout.take().expect("piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    assert_eq!(line, "no calls\n");
    drop(reader);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = watch.try_wait().expect("ours") {
            break status;
        }
        assert!(begun.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    drop(daemon);
    let nobody = Place::new().command(&["watch"]).output().expect("runs");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).starts_with("error: no daemon is running here"));
}

#[test]
fn hooks_run_with_the_event_and_may_use_the_command_line_and_none_disturbs_the_phone() {
    let place = Place::new();
    let settings = place.path().join("offhook.toml");
    let program = env!("CARGO_BIN_EXE_offhook");
    let out = place.path().join("out");
    let write = format!(
        "printf '%s %s %s' \"$1\" \"$OFFHOOK_EVENT_REASON\" \"${{TWILIO_AUTH_TOKEN:-none}}\" >{}",
        out.display()
    );
    let toml = format!(
        "[hooks]\n\
         on_began = [\"sleep\", \"60\"]\n\
         on_event = [\"no-such-program-anywhere\"]\n\
         on_ring = [\"{program}\", \"answer\", \"{{call}}\"]\n\
         on_ended = [\"sh\", \"-c\", '''{write}''', \"sh\", \"{{party}}\"]\n"
    );
    std::fs::write(&settings, toml).expect("written");
    let path = settings.display().to_string();
    let mut daemon = Daemon::start_in(place, &["--config", &path], &[]);
    let caller = daemon.call(&["--most", "4"]);
    let status = daemon.until(|status| status["calls"][0]["state"] == "talking");
    assert_eq!(status["calls"][0]["from"], CALLER);
    daemon.told_until("a hook failed");
    caller.wait_with_output().expect("ended");
    let begun = Instant::now();
    let said = loop {
        match std::fs::read_to_string(&out) {
            Ok(said) if !said.is_empty() => break said,
            Ok(_) | Err(_) => assert!(begun.elapsed() < LIMIT, "no hook has written"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(said, format!("{CALLER} hung_up_there none"));
    let log = daemon.log();
    let failed: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("a hook failed"))
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].contains("on_event") && failed[0].contains("name a program on PATH"));
}
