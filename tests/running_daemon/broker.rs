//! A real MQTT broker, mosquitto, told by the daemon and used as Home Assistant uses it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

const PASSWORD: &str = "open-sesame-open-sesame";

/// A broker on a port of its own, with a user and a password, that keeps nothing over a restart.
struct Broker {
    folder: TempDir,
    port: u16,
    tls: bool,
    child: Child,
}

impl Broker {
    fn start(tls: bool) -> Broker {
        let folder = tempfile::tempdir().expect("a folder");
        // It gives up root's rights and must still read its files.
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), all).expect("set");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = port.expect("a port").port();
        let file = |name: &str| folder.path().join(name).display().to_string();
        run(
            "mosquitto_passwd",
            &["-b", "-c", &file("users"), "offhook", PASSWORD],
        );
        let mut conf = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\npersistence false\n",
            file("users")
        );
        if tls {
            certificates(&folder);
            conf += &format!(
                "certfile {}\nkeyfile {}\n",
                file("broker.pem"),
                file("broker.key")
            );
        }
        std::fs::write(folder.path().join("conf"), conf).expect("written");
        let child = Broker::run(&folder, port);
        Broker {
            folder,
            port,
            tls,
            child,
        }
    }

    /// Runs it, and returns once it listens.
    fn run(folder: &TempDir, port: u16) -> Child {
        let child = Command::new("mosquitto")
            .arg("-c")
            .arg(folder.path().join("conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto runs, which test.sh installs");
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < LIMIT, "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn url(&self) -> String {
        let (scheme, port) = (if self.tls { "mqtts" } else { "mqtt" }, self.port);
        format!("{scheme}://offhook@127.0.0.1:{port}")
    }

    fn client(&self, program: &str) -> Command {
        let mut client = Command::new(program);
        client
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-u", "offhook", "-P", PASSWORD])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if self.tls {
            client
                .arg("--cafile")
                .arg(self.folder.path().join("ca.pem"));
        }
        client
    }

    fn publish(&self, topic: &str, payload: &str) {
        let mut client = self.client("mosquitto_pub");
        let status = client.args(["-t", topic, "-m", payload]).status();
        assert!(status.expect("it runs").success());
    }

    /// Listens to everything from now on, what the broker has kept included.
    fn listen(&self) -> Listener {
        let mut client = self.client("mosquitto_sub");
        let mut child = client
            .args(["-t", "#", "-F", "%t %p"])
            .spawn()
            .expect("it runs");
        let (tell, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Listener { child, lines }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whoever hears all messages.
struct Listener {
    child: Child,
    lines: Receiver<String>,
}

impl Listener {
    /// Waits for a message, and returns all that came before it.
    fn until(&self, topic: &str, payload: &str) -> Vec<String> {
        let wanted = format!("{topic} {payload}");
        let mut before = Vec::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                panic!("`{wanted}` does not come, but {before:#?}");
            };
            if line == wanted {
                return before;
            }
            before.push(line);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|why| panic!("{program}, which test.sh installs: {why}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        text(&output.stderr)
    );
}

/// Makes a root, and the broker's certificate by it.
fn certificates(folder: &TempDir) {
    let file = |name: &str| folder.path().join(name).display().to_string();
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let with = |more: &[&str]| {
        let arguments: Vec<&str> = ["req", "-x509", "-days", "2"]
            .into_iter()
            .chain(key)
            .chain(more.iter().copied())
            .collect();
        run("openssl", &arguments);
    };
    with(&[
        "-subj",
        "/CN=root",
        "-keyout",
        &file("ca.key"),
        "-out",
        &file("ca.pem"),
    ]);
    with(&[
        "-subj",
        "/CN=broker",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-CA",
        &file("ca.pem"),
        "-CAkey",
        &file("ca.key"),
        "-keyout",
        &file("broker.key"),
        "-out",
        &file("broker.pem"),
    ]);
}

/// Waits until a daemon has told of the broker, which it may have done before it was ready.
fn not_reached(daemon: &mut Daemon) -> String {
    let words = "the MQTT broker is not reached";
    let told = daemon.told.lines().find(|line| line.contains(words));
    match told {
        Some(line) => line.to_owned(),
        None => daemon.told_until(words),
    }
}

fn started(broker: &Broker) -> Daemon {
    let environment = [
        ("OFFHOOK_MQTT_URL", broker.url()),
        ("OFFHOOK_MQTT_PASSWORD", PASSWORD.to_owned()),
    ];
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Daemon::start(&[], &environment)
}

#[test]
fn home_assistant_sees_a_call_answers_it_and_finds_all_again_after_the_broker_restarts() {
    let mut broker = Broker::start(false);
    let mut listener = broker.listen();
    let daemon = started(&broker);
    let added = daemon.ask(&["contacts", "add", "Anna", "--number", CALLER]);
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    let told = listener.until("offhook/desk/availability", "online");
    let discovered = |told: &[String]| {
        let is_config =
            |line: &&String| line.starts_with("homeassistant/") && line.contains("/config {");
        told.iter().filter(is_config).count()
    };
    assert_eq!(discovered(&told), 11, "{told:#?}");
    for line in [
        "state idle",
        "caller None",
        "missed_calls 0",
        "messages_waiting 0",
    ] {
        assert!(
            told.contains(&format!("offhook/desk/{line}")),
            "{line} in {told:#?}"
        );
    }

    let caller = daemon.call(&["--listen", "60"]);
    let told = listener.until("offhook/desk/state", "ringing");
    let caller_is = |name: &str, is: &str| told.contains(&format!("offhook/desk/{name} {is}"));
    assert!(
        caller_is("caller", CALLER) && caller_is("caller_name", "Anna"),
        "{told:#?}"
    );
    broker.publish("offhook/desk/command", "answer");
    listener.until("offhook/desk/state", "talking");
    broker.publish("offhook/desk/command", "hold");
    listener.until("offhook/desk/state", "held");

    // The broker is gone, and the call is not.
    broker.stop();
    assert_eq!(daemon.ask(&["resume"]).status.code(), Some(0));
    broker.child = Broker::run(&broker.folder, broker.port);
    listener = broker.listen();
    let told = listener.until("offhook/desk/availability", "online");
    assert_eq!(discovered(&told), 11, "{told:#?}");
    assert!(
        told.contains(&"offhook/desk/state talking".to_owned()),
        "{told:#?}"
    );
    broker.publish("offhook/desk/command", "hangup");
    listener.until("offhook/desk/state", "idle");
    caller.wait_with_output().expect("ended");

    // Home Assistant starts anew and says so.
    broker.publish("homeassistant/status", "online");
    let told = listener.until("offhook/desk/availability", "online");
    assert_eq!(discovered(&told), 11, "{told:#?}");
    broker.publish("offhook/desk/do_not_disturb/set", "ON");
    listener.until("offhook/desk/do_not_disturb", "ON");
    daemon.until(|status| status["do_not_disturb"] == true);
    let caller = daemon.call(&["--most", "2"]);
    listener.until("offhook/desk/missed_calls", "1");
    caller.wait_with_output().expect("ended");

    assert!(daemon.stop(Signal::TERM).success());
    listener.until("offhook/desk/availability", "offline");
}

#[test]
fn a_daemon_that_is_killed_is_told_offline_by_its_will() {
    let broker = Broker::start(false);
    let listener = broker.listen();
    let mut daemon = started(&broker);
    listener.until("offhook/desk/availability", "online");
    daemon.end(Signal::KILL);
    listener.until("offhook/desk/availability", "offline");
}

#[test]
fn a_broker_is_spoken_to_over_tls_where_its_certificate_is_good_and_never_otherwise() {
    let broker = Broker::start(true);
    let listener = broker.listen();
    let root = broker.folder.path().join("ca.pem").display().to_string();
    let environment = |more: &[(&str, &str)]| {
        let mut all = vec![
            ("OFFHOOK_MQTT_URL".to_owned(), broker.url()),
            ("OFFHOOK_MQTT_PASSWORD".to_owned(), PASSWORD.to_owned()),
        ];
        all.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        all
    };
    let start = |more: &[(&str, &str)]| {
        let all = environment(more);
        let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Daemon::start(&[], &all)
    };
    let mut stranger = start(&[]);
    let line = not_reached(&mut stranger);
    assert!(line.contains("certificate"), "{line}");
    drop(stranger);
    let daemon = start(&[("SSL_CERT_FILE", &root)]);
    listener.until("offhook/desk/availability", "online");
    drop(daemon);
}

#[test]
fn a_broker_that_is_not_there_or_refuses_is_told_of_and_disturbs_nobody() {
    let broker = Broker::start(false);
    let url = broker.url();
    let wrong = [
        ("OFFHOOK_MQTT_URL", url.as_str()),
        ("OFFHOOK_MQTT_PASSWORD", "wrong"),
    ];
    let mut refused = Daemon::start(&[], &wrong);
    let line = not_reached(&mut refused);
    assert!(line.contains("OFFHOOK_MQTT_PASSWORD"), "{line}");
    drop(broker);
    let mut alone = Daemon::start(&[], &[("OFFHOOK_MQTT_URL", url.as_str())]);
    not_reached(&mut alone);
    let caller = alone.call(&["--most", "5"]);
    alone.until(|status| status["calls"][0]["state"] == "ringing");
    assert_eq!(alone.ask(&["answer"]).status.code(), Some(0));
    caller.wait_with_output().expect("ended");
    assert!(alone.stop(Signal::TERM).success());
}
