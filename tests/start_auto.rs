//! `start-auto.sh`, run with a make-believe system around it: nothing is installed and nothing is built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[test]
fn a_fresh_machine_is_told_what_is_installed_and_why() {
    let machine = Machine::new();
    machine.program("apt-get", "echo \"apt-get $*\" >> \"$LOG\"; echo noise");
    machine.program("id", "echo 0");
    let output = machine.start(&["--once"]);
    let told = text(&output.stderr);
    for part in [
        "gcc (compiles the parts written in C)",
        "pkg-config (finds the libraries)",
        "libasound2-dev (microphone and speaker)",
        "libopus-dev (recordings in Opus)",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let log = machine.log();
    assert!(log.starts_with(
        "apt-get update -q\napt-get install -y -q --no-install-recommends gcc libc6-dev pkg-config"
    ));
    assert!(!log.contains("sudo"), "root needs no sudo");
    assert_eq!(text(&output.stdout), "ran demo --once\n");
}

#[test]
fn sudo_is_used_only_where_it_must_be() {
    let machine = Machine::new();
    machine.program("apt-get", "echo \"apt-get $1\" >> \"$LOG\"");
    machine.program("id", "echo 1000");
    let output = machine.start(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no sudo\nhint: as root: apt-get install gcc"));
    // Without a terminal sudo must not ask for a password.
    machine.program("sudo", "echo \"sudo $1\" >> \"$LOG\"; shift; \"$@\"");
    let output = machine.start(&[]);
    assert_eq!(
        machine.log(),
        "sudo -n\napt-get update\nsudo -n\napt-get install\ncargo build --release\n"
    );
    assert_eq!(text(&output.stdout), "ran demo\n");
}

#[test]
fn the_second_time_nothing_is_installed_or_said() {
    let machine = Machine::complete();
    assert!(
        !machine.start(&[]).stderr.is_empty(),
        "the first build is announced"
    );
    let second = machine.start(&["--once", "two words"]);
    assert_eq!(text(&second.stderr), "");
    assert_eq!(text(&second.stdout), "ran demo --once two words\n");
    assert_eq!(
        machine.log(),
        "cargo build --release\ncargo build --quiet\n"
    );
}

#[test]
fn it_can_install_without_building_or_starting() {
    let machine = Machine::complete();
    let output = machine.start(&["--install-only"]);
    assert!(output.status.success());
    assert_eq!(text(&output.stdout), "");
    assert_eq!(machine.log(), "", "nothing was built");
}

#[test]
fn credentials_lead_to_serve_and_its_exit_code_is_ours() {
    let machine = Machine::complete();
    fs::write(machine.folder.path().join("verb"), "serve").expect("written");
    let output = machine.start(&["--port", "4000"]);
    assert_eq!(text(&output.stdout), "ran serve --port 4000\n");
    // An option may be what names the credentials.
    let asked = fs::read_to_string(machine.folder.path().join("asked")).expect("asked");
    assert_eq!(asked, "asked what-to-start --port 4000\n");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_missing_or_old_rust_is_told() {
    let machine = Machine::complete();
    machine.program("cargo", "echo 'cargo 1.63.0 (fd9c4297c 2022-07-01)'");
    let output = machine.start(&[]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("Rust is 1.63.0 here, and 1.95 or newer is needed"),
        "{told}"
    );
    fs::remove_file(machine.bin().join("cargo")).expect("there");
    let told = text(&machine.start(&[]).stderr);
    assert!(
        told.contains(
            "there is no Rust here\nhint: https://rustup.rs has it: apt-get install curl"
        ),
        "{told}"
    );
}

#[test]
fn without_rust_nothing_is_installed() {
    let machine = Machine::new();
    machine.program("apt-get", "echo \"apt-get $*\" >> \"$LOG\"");
    machine.program("id", "echo 0");
    for cargo in [None, Some("echo 'cargo 1.63.0 (fd9c4297c 2022-07-01)'")] {
        match cargo {
            None => fs::remove_file(machine.bin().join("cargo")).expect("there"),
            Some(script) => machine.program("cargo", script),
        }
        let output = machine.start(&[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("https://rustup.rs"));
        assert_eq!(machine.log(), "", "it would have been for nothing");
    }
}

#[test]
fn a_failed_build_ends_it() {
    let machine = Machine::complete();
    machine.program(
        "cargo",
        "[ \"$1\" = --version ] && echo 'cargo 1.95.0' || exit 101",
    );
    let output = machine.start(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("error: offhook could not be built"));
}

/// A folder with the script, and another with all the programs that it can find.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// A machine with Rust and nothing else.
    fn new() -> Machine {
        let machine = Machine {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir(machine.project()).expect("made");
        fs::create_dir(machine.bin()).expect("made");
        for file in ["start-auto.sh", "Cargo.toml"] {
            fs::copy(root.join(file), machine.project().join(file)).expect("copied");
        }
        for tool in [
            "bash", "cat", "chmod", "cut", "dirname", "env", "head", "mkdir", "sed", "sort",
        ] {
            let real = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            let real = real.iter().find(|path| path.exists()).expect(tool);
            symlink(real, machine.bin().join(tool)).expect("linked");
        }
        // It "builds" a program that says what it was called with, and what to start by the file `verb`.
        machine.program(
            "cargo",
            r#"[ "$1" = --version ] && { echo 'cargo 1.95.0 (f2d3ce0bd 2026-03-21)'; exit; }
echo "cargo $1 $2" >> "$LOG"
mkdir -p target/release
cat > target/release/offhook <<'PROGRAM'
#!/usr/bin/env bash
verb=$(cat "$VERB")
[ "$1" = what-to-start ] && { echo "asked $*" >> "$ASKED"; echo "$verb"; exit; }
echo "ran $*"
[ "$verb" = serve ] && exit 2 || exit 0
PROGRAM
chmod +x target/release/offhook"#,
        );
        fs::write(machine.folder.path().join("verb"), "demo").expect("written");
        machine
    }

    /// A machine with everything that the build needs.
    fn complete() -> Machine {
        let machine = Machine::new();
        machine.program("cc", "exit 0");
        machine.program("pkg-config", "exit 0");
        machine
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("a project")
    }

    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(
            &path,
            format!("#!{}\n{script}\n", self.bin().join("bash").display()),
        )
        .expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts the script from a folder that is not its own, without a terminal.
    fn start(&self, arguments: &[&str]) -> Output {
        Command::new(self.bin().join("bash"))
            .arg(self.project().join("start-auto.sh"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", self.bin())
            .env("HOME", self.folder.path())
            .env("LOG", self.folder.path().join("log"))
            .env("ASKED", self.folder.path().join("asked"))
            .env("VERB", self.folder.path().join("verb"))
            .stdin(Stdio::null())
            .output()
            .expect("bash runs")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
