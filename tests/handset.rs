//! The keys of a handset against a whole phone and the simulator: pipes stand in for devices, since none can be plugged here.

#[path = "common/rig.rs"]
mod rig;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::libc::O_NONBLOCK;

use offhook::config::Secret;
use offhook::daemon::Daemon;
use offhook::handset::{self, Roots};
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::handset::HandsetChoice;
use offhook::pure::phone::{CallView, Stage};
use offhook::sim::{self, Account, CallPlan, CallReport, Ended, Rest, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// Codes of `linux/input-event-codes.h`.
const KEY_MICMUTE: u16 = 248;
const KEY_PLAYPAUSE: u16 = 164;
const KEY_HANGUP_PHONE: u16 = 0x1be;

/// A headset: in report 2 a hook and a mute key, and lamps for off hook and mute.
#[rustfmt::skip]
const HEADSET: &[u8] = &[
    0x05, 0x0b, 0x09, 0x05, 0xa1, 0x01, 0x85, 0x02, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01,
    0x09, 0x20, 0x81, 0x02, 0x09, 0x2f, 0x81, 0x06, 0x95, 0x06, 0x81, 0x03,
    0x05, 0x08, 0x09, 0x17, 0x09, 0x09, 0x95, 0x02, 0x91, 0x02, 0x95, 0x06, 0x91, 0x03, 0xc0,
];

#[tokio::test(flavor = "multi_thread")]
async fn media_keys_answer_mute_and_hang_up_and_are_found_again() {
    let phone = Phone::start().await;
    let path = phone.folder.path().join("event7");
    pipe(&path);
    let choice = HandsetChoice::Device(path.clone());
    let handsets = handset::start(choice, Roots::default(), phone.daemon.phone().clone());
    let keyboard = plugged(&path).await;
    let call = phone.rings("CA1");
    phone.until(|call| call.stage == Stage::Ringing).await;
    press(&keyboard, KEY_PLAYPAUSE);
    phone.until(|call| call.stage == Stage::Talking).await;
    press(&keyboard, KEY_MICMUTE);
    phone.until(|call| call.muted).await;
    press(&keyboard, KEY_MICMUTE);
    phone.until(|call| !call.muted).await;
    // The keyboard is pulled out and plugged in again: the call talks on meanwhile.
    drop(keyboard);
    pulled(&path).await;
    let keyboard = plugged(&path).await;
    assert_eq!(phone.call().expect("it talks").stage, Stage::Talking);
    (&keyboard)
        .write_all(b"nonsense")
        .expect("a device may say anything");
    (&keyboard).write_all(&[0xff; 16]).expect("whole again");
    press(&keyboard, KEY_HANGUP_PHONE);
    let report = call.await.expect("not panicked");
    assert_eq!(report.ended, Ended::ByRest, "{report:?}");
    drop(handsets);
    phone.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_headset_is_found_by_what_it_says_of_itself_and_its_lamps_follow_the_phone() {
    let phone = Phone::start().await;
    let roots = Roots {
        hidraw: phone.folder.path().join("class"),
        dev: phone.folder.path().join("dev"),
    };
    fs::create_dir_all(&roots.dev).expect("made");
    let describes = |name: &str, descriptor: &[u8]| {
        let device = roots.hidraw.join(name).join("device");
        fs::create_dir_all(&device).expect("made");
        fs::write(device.join("report_descriptor"), descriptor).expect("written");
    };
    // A mouse comes first, and a headset that nobody may read.
    describes("hidraw0", &[0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0xc0]);
    describes("hidraw1", HEADSET);
    fs::create_dir(roots.dev.join("hidraw1")).expect("made");
    describes("hidraw3", HEADSET);
    let headset = Headset::plugged_as(&roots.dev.join("hidraw3"));
    let auto = HandsetChoice::Auto;
    let handsets = handset::start(auto, roots, phone.daemon.phone().clone());
    assert_eq!(headset.lamps(), [2, 0b00], "told at the beginning");
    let call = phone.rings("CA1");
    phone.until(|call| call.stage == Stage::Ringing).await;
    headset.says(&[2, 0b01]);
    phone.until(|call| call.stage == Stage::Talking).await;
    assert_eq!(headset.lamps(), [2, 0b01], "off hook");
    headset.says(&[2, 0b11]);
    phone.until(|call| call.muted).await;
    assert_eq!(headset.lamps(), [2, 0b11], "muted");
    headset.says(&[2, 0b00]);
    let report = call.await.expect("not panicked");
    assert_eq!(report.ended, Ended::ByRest, "{report:?}");
    assert_eq!(headset.lamps(), [2, 0b00], "on hook");
    drop(handsets);
    phone.daemon.stop().await;
}

/// A phone whose devices hear what they play, and the account that calls it.
struct Phone {
    daemon: Daemon,
    account: Account,
    rest: Arc<Rest>,
    folder: TempDir,
}

impl Phone {
    async fn start() -> Phone {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account {
            auth_token: rig::AUTH_TOKEN.to_owned(),
            ..Account::made_up()
        };
        let rest = Rest::start(account.clone()).await.expect("a free port");
        let mut settings = rig::settings(folder.path());
        settings.twilio.account_sid = account.account_sid.clone();
        settings.twilio.api_key = account.api_key.clone();
        settings.twilio.api_secret = Secret::new(account.api_secret.clone());
        settings.twilio.api_base_url = rest.url().parse().expect("an address");
        settings.audio.capture = DeviceChoice::Loopback;
        settings.audio.playout = DeviceChoice::Loopback;
        Phone {
            daemon: Daemon::start(settings).await.expect("the phone starts"),
            account,
            rest: Arc::new(rest),
            folder,
        }
    }

    /// Lets somebody call who listens for a minute.
    fn rings(&self, sid: &str) -> JoinHandle<CallReport> {
        let (webhook, account, rest) = (
            format!("{}/handle_calls", self.daemon.local_url()),
            self.account.clone(),
            Arc::clone(&self.rest),
        );
        let sid = sid.to_owned();
        tokio::spawn(async move {
            let mut plan = CallPlan::new(webhook, account);
            plan.to = "+18199754345".to_owned();
            plan.call_sid = sid;
            plan.rest = Some(&rest);
            plan.script = vec![Step::Listen(Duration::from_secs(60))];
            sim::call(plan).await
        })
    }

    fn call(&self) -> Option<CallView> {
        self.daemon
            .phone()
            .snapshots()
            .borrow()
            .calls
            .first()
            .cloned()
    }

    /// Waits until the call is as it should be.
    async fn until(&self, is_so: impl Fn(&CallView) -> bool) {
        let mut snapshots = self.daemon.phone().snapshots();
        let waiting = snapshots.wait_for(|snapshot| snapshot.calls.iter().any(&is_so));
        let in_time = tokio::time::timeout(LIMIT, waiting).await.map(drop);
        in_time.unwrap_or_else(|_| panic!("it never comes to that: {:?}", self.call()));
    }
}

/// Makes a pipe with a name.
fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
}

/// Opens the device's end of a pipe; fails where nobody reads it.
fn device_end(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).custom_flags(O_NONBLOCK).open(path)
}

/// Plugs a device in, and waits until the phone reads it.
async fn plugged(path: &Path) -> File {
    let waiting = async {
        loop {
            match device_end(path) {
                Ok(file) => return file,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let in_time = tokio::time::timeout(LIMIT, waiting).await;
    in_time.expect("it is found")
}

/// Waits until the phone has seen that a device is gone.
async fn pulled(path: &Path) {
    let waiting = async {
        while device_end(path).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(LIMIT, waiting).await;
    in_time.expect("it is seen");
}

/// Presses a key and lets it go: `struct input_event` of this machine.
fn press(mut keyboard: &File, key: u16) {
    for value in [1_i32, 0] {
        for (kind, code, value) in [(1_u16, key, value), (0, 0, 0)] {
            let mut event = vec![0; 2 * size_of::<usize>()];
            event.extend(kind.to_ne_bytes());
            event.extend(code.to_ne_bytes());
            event.extend(value.to_ne_bytes());
            keyboard.write_all(&event).expect("somebody reads");
        }
    }
}

/// A terminal that lets every byte through stands in for a headset: what one end writes is read at the other.
struct Headset {
    ours: File,
    // Without it the terminal would be gone until the phone has it.
    _its: File,
}

impl Headset {
    fn plugged_as(path: &Path) -> Headset {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let ours = openpt(flags).expect("a terminal");
        unlockpt(&ours).expect("unlocked");
        let its = File::from(ioctl_tiocgptpeer(&ours, flags).expect("its other end"));
        let mut modes = tcgetattr(&its).expect("modes");
        modes.make_raw();
        tcsetattr(&its, OptionalActions::Now, &modes).expect("set");
        let name = ptsname(&ours, Vec::new()).expect("a name");
        let name = name.to_str().expect("text");
        std::os::unix::fs::symlink(name, path).expect("linked");
        Headset {
            ours: File::from(ours),
            _its: its,
        }
    }

    fn says(&self, report: &[u8]) {
        (&self.ours).write_all(report).expect("sent");
    }

    /// Waits for the next report to it.
    fn lamps(&self) -> [u8; 2] {
        let limit = Timespec::try_from(LIMIT).expect("short");
        let mut ready = [PollFd::new(&self.ours, PollFlags::IN)];
        let count = poll(&mut ready, Some(&limit)).expect("waited");
        assert_eq!(count, 1, "its lamps are not told");
        let mut report = [0; 2];
        (&self.ours).read_exact(&mut report).expect("a report");
        report
    }
}
