//! What runs in a sound callback asks the operating system for one thing: to wake the mouth, without waiting.
//!
//! Each test starts this binary again under `strace`, lets it run a callback's body thousands of times between two calls
//! that cannot be mistaken (a look at a file that does not exist), and reads what the same thread called in between.
//! What cpal itself asks around the body is not seen here, nor is the one request for real-time priority that precedes
//! the first run.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use offhook::audio::callback::{Bell, Capture, Playout, Sound, Tap, now};
use offhook::audio::seat::EarSeat;
use offhook::audio::sidetone::{SidetoneSeat, ToSidetone};
use offhook::audio::{DOWN_FRAMES, Listening, line_tap};
use offhook::pure::audio::comfort::{Loudest, Volume};
use offhook::pure::audio::dtmf::SoundingKey;
use offhook::pure::audio::ear::{COMMANDS, Ear, EarCommand, EarLeg, EarStyle, LegMeter};
use offhook::pure::audio::meeting::way;
use offhook::pure::audio::ringtone::{RingStyle, Ringer};
use offhook::pure::audio::sidetone::sidetone;
use offhook::pure::audio::tone::{Country, Progress};
use offhook::pure::audio::{DeviceRate, DownFrame, FRAME_LEN, Feed, Route};
use offhook::pure::ids::StreamId;
use offhook::pure::keys::Key;
use offhook::pure::time::Time;

/// Tells this binary that it runs under `strace`.
const TRACED: &str = "OFFHOOK_TEST_TRACED";

/// What the traced thread looks for before and after.
const BEGIN: &str = "/no-such-folder/callback-begins";
const END: &str = "/no-such-folder/callback-ends";

/// How often a body runs: 30 s of 10 ms each.
const RUNS: usize = 3_000;

/// Frames in a callback of 10 ms at 48 kHz.
const BLOCK: usize = 480;

#[test]
fn the_playout_callback_asks_nothing_of_the_system() {
    let calls = calls_of("the_playout_callback_asks_nothing_of_the_system", || {
        run(playout(None))
    });
    assert!(calls.is_empty(), "{}", some(&calls));
}

#[test]
fn the_callback_of_a_bell_of_its_own_asks_nothing_of_the_system() {
    let calls = calls_of(
        "the_callback_of_a_bell_of_its_own_asks_nothing_of_the_system",
        || {
            let (bell, rate) = (Arc::new(Bell::default()), DeviceRate::HZ_48000);
            let sound = Sound::Bell {
                bell: Arc::clone(&bell),
                ringer: Box::new(Ringer::new(RingStyle::default(), rate)),
            };
            let mut playout = Playout::new(sound, rate, Arc::default());
            let clock = Instant::now();
            let mut data = [0_i16; 2 * BLOCK];
            run(move |n| {
                bell.set((n % 500 < 300).then_some(Country::NorthAmerica));
                bell.set_volume(Volume::new((n % 100) as u8).unwrap_or_default());
                playout.fill(&mut data, 2, Time::START);
                playout.called(now(clock));
            });
        },
    );
    assert!(calls.is_empty(), "{}", some(&calls));
}

#[test]
fn the_capture_callback_only_wakes_the_mouth() {
    let calls = calls_of("the_capture_callback_only_wakes_the_mouth", || {
        let clock = Instant::now();
        let mut mouth = Sleeper::start();
        // Nobody reads the ring: the callback meets room first and then none.
        let (ring, _full) = rtrb::RingBuffer::new(RUNS / 2 * BLOCK);
        let (from_microphone, _own_ear) = sidetone(-20, DeviceRate::HZ_48000);
        let to_ear = ToSidetone {
            seat: Arc::new(SidetoneSeat::new(from_microphone)),
            rate: DeviceRate::HZ_48000,
        };
        let mut capture = Capture::new(ring, mouth.thread(), Arc::default(), Arc::default())
            .with_sidetone(Some(to_ear));
        let data = [1_000_i16; 2 * BLOCK];
        run(move |n| {
            mouth.lies_down_before(n);
            capture.hear(&data, 2, now(clock));
            capture.called(now(clock));
        });
    });
    assert_only_wakes(&calls);
}

#[test]
fn the_playout_callback_that_the_loopback_microphone_hears_only_wakes_the_mouth() {
    let calls = calls_of(
        "the_playout_callback_that_the_loopback_microphone_hears_only_wakes_the_mouth",
        || {
            let mut mouth = Sleeper::start();
            let (ring, _full) = rtrb::RingBuffer::new(RUNS / 2 * BLOCK);
            let tap = Tap::new(ring, mouth.thread(), Arc::default(), Instant::now());
            let mut play = playout(Some(tap));
            run(move |n| {
                mouth.lies_down_before(n);
                play(n);
            });
        },
    );
    assert_only_wakes(&calls);
}

#[test]
fn a_body_that_writes_is_caught() {
    let calls = calls_of("a_body_that_writes_is_caught", || {
        run(|n| {
            if n == RUNS / 2 {
                std::io::Write::write_all(&mut std::io::stderr(), b"a log line\n")
                    .expect("standard error takes it");
            }
        });
    });
    assert!(
        calls.len() == 1 && calls[0].starts_with("write(2, \"a log line\\n\""),
        "{calls:?}"
    );
    assert!(!only_wakes(&calls));
}

#[test]
fn a_body_that_waits_is_caught() {
    let calls = calls_of("a_body_that_waits_is_caught", || {
        run(|n| {
            if n == RUNS / 2 {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
    });
    assert!(
        calls.len() == 1 && calls[0].starts_with("futex("),
        "waiting is the same call as waking: {calls:?}"
    );
    assert!(!only_wakes(&calls));
}

/// Says whether all that was called is a wake-up of one thread.
fn only_wakes(calls: &[String]) -> bool {
    calls
        .iter()
        .all(|call| call.starts_with("futex(") && call.contains("FUTEX_WAKE_PRIVATE, 1)"))
}

#[track_caller]
fn assert_only_wakes(calls: &[String]) {
    assert!(only_wakes(calls), "{}", some(calls));
    assert!(
        (1..=RUNS).contains(&calls.len()),
        "at most one wake-up for a callback, and some at all: {}",
        calls.len()
    );
}

/// The first few of what may be thousands.
fn some(calls: &[String]) -> String {
    format!("{} calls: {:#?}", calls.len(), &calls[..calls.len().min(8)])
}

/// Runs `body` under `strace` and returns what the thread that went through [`run`] called meanwhile.
///
/// In the traced child, which is told only to run `test`, this does not return.
fn calls_of(test: &str, body: fn()) -> Vec<String> {
    if std::env::var_os(TRACED).is_some() {
        body();
        std::process::exit(0);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new("strace")
        // A file for each thread, so that no call is cut in two by another thread's.
        .args(["-ff", "-qq", "-o"])
        .arg(folder.path().join("thread"))
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(TRACED, "1")
        .output()
        .expect("`strace` starts (hint: `apt-get install strace`, or ./test.sh, which does so)");
    assert!(
        output.status.success(),
        "the traced run failed (hint: a container must permit ptrace): {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for entry in std::fs::read_dir(&folder).expect("the folder of traces") {
        let trace = std::fs::read(entry.expect("readable").path()).expect("a trace");
        let trace = String::from_utf8_lossy(&trace).into_owned();
        let mut lines = trace.lines();
        if lines.any(|line| line.contains(BEGIN)) {
            let mut calls: Vec<String> = lines.map(ToOwned::to_owned).collect();
            let end = calls.iter().position(|line| line.contains(END));
            calls.truncate(end.expect("what has begun also ends"));
            return calls;
        }
    }
    panic!("no thread went through the marks");
}

/// Runs a callback's body, told how often it ran before, on a thread of its own between the two marks.
fn run(mut body: impl FnMut(usize) + Send + 'static) {
    std::thread::Builder::new()
        .name("callback".to_owned())
        .spawn(move || {
            // That nothing is there is what is wanted; the look itself is the mark.
            assert!(std::fs::metadata(BEGIN).is_err());
            for n in 0..RUNS {
                body(n);
            }
            assert!(std::fs::metadata(END).is_err());
        })
        .expect("a thread can be had")
        .join()
        .expect("the callback ran to its end");
}

/// A playout callback with a leg that talks, rings, beeps, falls silent and leaves.
fn playout(tap: Option<Tap>) -> impl FnMut(usize) + Send + 'static {
    let clock = Instant::now();
    let rate = DeviceRate::HZ_48000;
    let (mut commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
    let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
    let style = EarStyle {
        loudest: Some(Loudest::default()),
        ..EarStyle::default()
    };
    let key: Arc<SoundingKey> = Arc::default();
    key.set(Key::new('5'));
    let ear = Ear::new(rate, for_ear, for_let_go)
        .with_style(style)
        .with_keys(key);
    let seat = Arc::new(EarSeat::new(ear));
    let turn = seat.draw();
    seat.give_turn(turn, rate, tap);
    let sound = Sound::Ear(seat, turn);
    let mut playout = Playout::new(sound, rate, Arc::default());
    let (mut down, for_leg) = rtrb::RingBuffer::new(DOWN_FRAMES);
    let route = Route {
        feed: Feed::Meeting { desk: true },
        to_speaker: true,
    };
    let meter = Arc::new(LegMeter::default());
    // Somebody records, and takes nothing: the ring meets room first and then none.
    let (_near, far, line) = line_tap();
    let listening = line.listen();
    let (meeting, _mouth) = way();
    let leg = EarLeg::new(StreamId(1), for_leg, route, meter)
        .levelled()
        .with_meeting(meeting)
        .tapped(far);
    let mut leg = Some(Box::new(leg));
    let mut data = [0_i16; 2 * BLOCK];
    move |n| {
        let command = match n {
            10 => leg.take().map(EarCommand::Attach),
            100 => Some(EarCommand::Ring(Some(Country::NorthAmerica))),
            500 => Some(EarCommand::Progress(Some((
                Progress::CallWaiting,
                Country::NorthAmerica,
            )))),
            800 => Some(EarCommand::Progress(None)),
            900 => Some(EarCommand::Ring(None)),
            1_000 => Some(EarCommand::Beep),
            2_900 => Some(EarCommand::Detach(StreamId(1))),
            2_901 => Some(EarCommand::CallEnded(Progress::Busy, Country::France)),
            _ => None,
        };
        if let Some(command) = command {
            commands.push(command).expect("room for a command");
        }
        // A frame for every second block, but for a while when nothing comes.
        if n % 2 == 0 && !(1_500..1_700).contains(&n) {
            let _ = down.push(DownFrame {
                at: (n / 2 * FRAME_LEN) as u64,
                len: FRAME_LEN as u8,
                ulaw: [0x90; FRAME_LEN],
                arrived: now(clock),
            });
        }
        playout.fill(&mut data, 2, now(clock));
        playout.called(now(clock));
        let lost = listening.as_ref().map_or(0, Listening::dropped);
        // 4 s of blocks of 10 ms, since it was attached.
        assert!(n < 420 || lost > 0, "at {n}");
        assert!(n > 400 || lost == 0, "at {n}: {lost}");
        // It fades before it goes.
        if !(2_900..2_902).contains(&n) {
            assert_eq!(let_go.slots(), usize::from(n >= 2_900));
        }
    }
}

/// A thread that goes back to sleep whenever it was woken, for as long as this process lives.
struct Sleeper {
    thread: std::thread::Thread,
    naps: Arc<AtomicUsize>,
    seen: usize,
}

impl Sleeper {
    fn start() -> Sleeper {
        let naps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&naps);
        let thread = std::thread::spawn(move || {
            loop {
                counted.fetch_add(1, Ordering::Release);
                std::thread::park();
            }
        });
        Sleeper {
            thread: thread.thread().clone(),
            naps,
            seen: 0,
        }
    }

    fn thread(&self) -> std::thread::Thread {
        self.thread.clone()
    }

    /// Waits, without a system call, until the thread lies down anew: only before the first runs, which so find it
    /// asleep, whereas the later ones overtake it. Whoever is awake needs no call to be woken.
    fn lies_down_before(&mut self, run: usize) {
        let began = Instant::now();
        while run < 100 && self.naps.load(Ordering::Acquire) == self.seen {
            assert!(began.elapsed() < Duration::from_secs(10), "it was woken");
            std::hint::spin_loop();
        }
        self.seen = self.naps.load(Ordering::Acquire);
    }
}
