//! Behaviours of the recorder, with a disk that remembers every write and a clock that is set.

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

use super::*;
use crate::audio::line_tap;
use crate::pure::audio::FRAME_LEN;
use crate::pure::audio::tap::LegTap;
use crate::pure::recording::opus;
use disk::{Folder, Output};

/// What came to a disk.
#[derive(Debug, Default)]
struct Log {
    files: BTreeMap<String, Vec<u8>>,
    /// Bytes that it still takes.
    room: Option<usize>,
    /// Syncs that began, and those that are done.
    begun: usize,
    syncs: usize,
    /// A sync waits while this is so.
    stands_still: bool,
}

#[derive(Clone, Debug, Default)]
struct FakeDisk(Arc<Mutex<Log>>);

impl FakeDisk {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for FakeDisk {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn Output>> {
        let mut log = self.log();
        if log.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        log.files.insert(name.to_owned(), Vec::new());
        Ok(Box::new(FakeFile {
            disk: self.clone(),
            name: name.to_owned(),
        }))
    }

    fn remove(&mut self, name: &str) {
        self.log().files.remove(name);
    }
}

struct FakeFile {
    disk: FakeDisk,
    name: String,
}

impl Output for FakeFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut log = self.disk.log();
        let written = log.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if let Some(room) = &mut log.room {
            *room -= written;
        }
        let file = log.files.get_mut(&self.name).expect("it is there");
        file.extend_from_slice(&bytes[..written]);
        if written < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut log = self.disk.log();
        let file = log.files.get_mut(&self.name).expect("it is there");
        file[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.log().begun += 1;
        while self.disk.log().stands_still {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.disk.log().syncs += 1;
        Ok(())
    }

    fn cut(&mut self, length: u64) {
        let mut log = self.disk.log();
        let file = log.files.get_mut(&self.name).expect("it is there");
        file.truncate(length as usize);
    }
}

/// A recorder, and one stream.
struct Rig {
    recorder: RecorderHandle,
    disk: FakeDisk,
    now: Arc<AtomicU64>,
    events: Receiver<RecorderEvent>,
    near: LegTap,
    far: LegTap,
    line: LineTap,
}

fn rig() -> Rig {
    let disk = FakeDisk::default();
    let (recorder, now, events) = recorder(Box::new(disk.clone()));
    let (near, far, line) = line_tap();
    Rig {
        recorder,
        disk,
        now,
        events,
        near,
        far,
        line,
    }
}

fn recorder(disk: Box<dyn Disk>) -> (RecorderHandle, Arc<AtomicU64>, Receiver<RecorderEvent>) {
    let now = Arc::new(AtomicU64::new(1_000_000));
    let told = Arc::clone(&now);
    let clock: Clock = Arc::new(move || Time::from_micros(told.load(Ordering::Relaxed)));
    let (tell, events) = channel();
    let recorder = RecorderHandle::start(disk, clock, move |event| {
        let _ = tell.send(event);
    });
    (recorder.expect("a thread"), now, events)
}

fn request(format: Format) -> Request {
    Request {
        call: CallId::new("c7"),
        kind: Kind::Call,
        format,
        began: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    }
}

const NAME: &str = "20231114T221320Z-call-c7.opus";

impl Rig {
    /// Lets both ends sound for so long; the clock goes on with them.
    fn speak(&mut self, ms: u64, near: f32, far: f32) {
        for _ in 0..ms / 20 {
            let at = Time::from_micros(self.now.load(Ordering::Relaxed));
            self.near.push(at, &[near; FRAME_LEN]);
            self.far.push(at, &[far; FRAME_LEN]);
            self.now.fetch_add(20_000, Ordering::Relaxed);
        }
    }

    fn event(&self) -> RecorderEvent {
        let limit = Duration::from_secs(20);
        self.events.recv_timeout(limit).expect("an event")
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.disk.log().files.get(name).cloned()
    }

    /// Waits until the file holds so much sound.
    fn wait_for(&self, ms: usize) {
        until("sound is written", || {
            let file = self.file(NAME).unwrap_or_default();
            opus::read(&file, usize::MAX).is_ok_and(|sound| sound.channels[0].len() >= ms * 8)
        });
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn loudness(channel: &[i16]) -> f64 {
    let sum: f64 = channel.iter().map(|s| f64::from(*s).abs()).sum();
    sum / channel.len() as f64
}

#[test]
fn a_call_is_recorded_while_it_lasts_and_told_when_it_is_done() {
    let mut rig = rig();
    let id = rig.recorder.record(&rig.line, request(Format::Wav));
    let id = id.expect("it records");
    let name = "20231114T221320Z-call-c7.wav".to_owned();
    let began = RecorderEvent::Began {
        id,
        name: name.clone(),
    };
    assert_eq!(rig.event(), began);
    rig.speak(2_000, 0.25, -0.5);
    rig.recorder.stop(id).expect("it listens");
    let done = Done {
        name: name.clone(),
        length: Duration::from_secs(2),
        bytes: 44 + 2 * 32_000,
        lost: Duration::ZERO,
    };
    let ended = RecorderEvent::Ended {
        id,
        done,
        why: Ended::Stopped,
    };
    assert_eq!(rig.event(), ended);
    let file = rig.file(&name).expect("it is there");
    for block in file[44..].chunks_exact(4) {
        assert_eq!(
            block,
            [0x00, 0x20, 0x00, 0xC0],
            "both ends, each in its channel"
        );
    }
}

#[test]
fn what_is_said_is_in_the_file_before_it_ends_and_on_the_disk() {
    let mut rig = rig();
    rig.recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    rig.event();
    let before = rig.disk.log().syncs;
    for second in 1..=5 {
        rig.speak(1_000, 0.25, 0.25);
        rig.wait_for(second * 1_000 - 700);
    }
    // Eleven pages of 0.4 s.
    assert!(rig.disk.log().syncs - before >= 10);
}

#[test]
fn one_stream_is_recorded_once_at_a_time_and_a_later_one_has_a_name_of_its_own() {
    let mut rig = rig();
    let first = rig
        .recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    let again = rig.recorder.record(&rig.line, request(Format::Opus));
    assert_eq!(again, Err(RecordError::AlreadyRecorded));
    rig.event();
    rig.speak(500, 0.1, 0.1);
    rig.recorder.stop(first).expect("it listens");
    assert!(matches!(rig.event(), RecorderEvent::Ended { .. }));
    rig.recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records again");
    let RecorderEvent::Began { name, .. } = rig.event() else {
        panic!("it begins");
    };
    assert_eq!(name, "20231114T221320Z-call-c7.2.opus");
}

#[test]
fn nothing_of_a_pause_is_kept_even_while_the_disk_stands_still() {
    let mut rig = rig();
    let id = rig.recorder.record(&rig.line, request(Format::Wav));
    let id = id.expect("it records");
    let RecorderEvent::Began { name, .. } = rig.event() else {
        panic!("it begins");
    };
    rig.speak(1_000, 0.125, 0.125);
    until("sound is written", || {
        rig.file(&name).is_some_and(|file| file.len() > 12_000)
    });
    rig.disk.log().stands_still = true;
    rig.speak(800, 0.125, 0.125);
    rig.recorder.pause(id).expect("it listens");
    // All of it together is less than the rings hold, should nobody empty them meanwhile.
    rig.speak(400, 0.75, 0.75);
    rig.disk.log().stands_still = false;
    rig.speak(400, 0.75, 0.75);
    rig.recorder.resume(id).expect("it listens");
    rig.speak(1_000, 0.125, 0.125);
    rig.recorder.stop(id).expect("it listens");
    let RecorderEvent::Ended { done, .. } = rig.event() else {
        panic!("it ends");
    };
    assert_eq!(done.length, Duration::from_millis(2_800));
    let file = rig.file(&name).expect("it is there");
    assert_eq!(file.len(), 44 + 2_800 * 32);
    for sample in file[44..].chunks_exact(2) {
        assert_eq!(i16::from_le_bytes([sample[0], sample[1]]), 4_096);
    }
}

#[test]
fn a_recording_ends_with_its_stream() {
    let mut rig = rig();
    let id = rig
        .recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    rig.event();
    rig.speak(600, 0.25, 0.25);
    let Rig {
        near, far, events, ..
    } = rig;
    drop((near, far));
    let event = events
        .recv_timeout(Duration::from_secs(20))
        .expect("an event");
    let RecorderEvent::Ended {
        id: ended,
        done,
        why,
    } = event
    else {
        panic!("it ends: {event:?}");
    };
    assert_eq!((ended, why), (id, Ended::StreamGone));
    assert_eq!(done.length, Duration::from_millis(600));
}

#[test]
fn a_full_disk_ends_a_recording_once_and_what_is_there_plays() {
    let mut rig = rig();
    let id = rig
        .recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    rig.event();
    rig.speak(1_000, 0.25, 0.25);
    rig.wait_for(300);
    rig.disk.log().room = Some(10);
    rig.speak(1_000, 0.25, 0.25);
    let RecorderEvent::Failed {
        id: failed,
        done,
        error,
    } = rig.event()
    else {
        panic!("it fails");
    };
    assert_eq!((failed, error), (id, RecordError::DiskFull));
    assert!(done.is_some_and(|done| done.name == NAME && done.bytes > 200));
    let file = rig.file(NAME).expect("it stays");
    let pages: usize = crate::pure::ogg::pages(&file)
        .map(|(_, page)| page.length())
        .sum();
    assert_eq!(pages, file.len(), "what was written in part is cut off");
    // Nothing more is told, and the stream can be recorded again.
    rig.recorder.stop(id).expect("it listens");
    until("the tap is free", || rig.line.listen().is_some());
    assert!(rig.events.try_recv().is_err());
}

#[test]
fn a_disk_that_takes_nothing_leaves_no_file() {
    let rig = rig();
    rig.disk.log().room = Some(0);
    let id = rig
        .recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it is ordered");
    let failed = RecorderEvent::Failed {
        id,
        done: None,
        error: RecordError::DiskFull,
    };
    assert_eq!(rig.event(), failed);
    assert_eq!(rig.disk.log().files.len(), 0);
}

#[test]
fn sound_that_found_no_room_while_the_disk_stood_still_is_counted() {
    let mut rig = rig();
    let id = rig
        .recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    rig.event();
    rig.speak(1_000, 0.25, 0.25);
    rig.wait_for(300);
    rig.disk.log().stands_still = true;
    rig.speak(1_000, 0.25, 0.25);
    until("it waits for the disk", || {
        let log = rig.disk.log();
        log.begun > log.syncs
    });
    rig.speak(9_000, 0.25, 0.25);
    rig.disk.log().stands_still = false;
    rig.recorder.stop(id).expect("it listens");
    let RecorderEvent::Ended { done, .. } = rig.event() else {
        panic!("it ends");
    };
    assert!(done.lost >= Duration::from_secs(8), "{done:?}");
    // What is lost is silence in its place.
    assert_eq!(done.length, Duration::from_secs(11));
}

#[test]
fn all_recordings_are_whole_when_the_recorder_has_ended() {
    let mut rig = rig();
    rig.recorder
        .record(&rig.line, request(Format::Opus))
        .expect("it records");
    rig.event();
    rig.speak(500, 0.25, 0.25);
    assert!(rig.recorder.finish(Duration::from_secs(20)));
    assert!(crate::pure::ogg::is_finished(
        &rig.file(NAME).expect("there")
    ));
    let refused = rig.recorder.record(&rig.line, request(Format::Opus));
    assert_eq!(refused, Err(RecordError::NoAnswer));
}

#[test]
fn a_folder_and_its_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().expect("a folder");
    let path = parent.path().join("recordings");
    let mut folder = Folder::open(path.clone()).expect("made");
    let mut file = folder.create("x.opus").expect("made");
    file.append(b"abc").expect("room");
    file.head(b"A").expect("room");
    file.sync().expect("synced");
    file.cut(2);
    let mode = |path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("x.opus"))), (0o700, 0o600));
    assert_eq!(std::fs::read(path.join("x.opus")).expect("there"), b"Ab");
    let again = folder.create("x.opus").err().map(|error| error.kind());
    assert_eq!(again, Some(io::ErrorKind::AlreadyExists));
}

/// Records a second of both ends into a folder, and returns the name.
fn record_to(path: &std::path::Path, format: Format) -> String {
    let folder = Folder::open(path.to_owned()).expect("made");
    let (recorder, now, events) = recorder(Box::new(folder));
    let (mut near, mut far, line) = line_tap();
    let id = recorder.record(&line, request(format)).expect("it records");
    // 500 Hz.
    let buzz: [f32; FRAME_LEN] = std::array::from_fn(|n| if n % 16 < 8 { 0.25 } else { -0.25 });
    for _ in 0..50 {
        let at = Time::from_micros(now.load(Ordering::Relaxed));
        near.push(at, &buzz);
        far.push(at, &buzz);
        now.fetch_add(20_000, Ordering::Relaxed);
    }
    recorder.stop(id).expect("it listens");
    loop {
        let event = events
            .recv_timeout(Duration::from_secs(20))
            .expect("an event");
        if let RecorderEvent::Ended { done, .. } = event {
            return done.name;
        }
    }
}

#[test]
fn the_folder_is_listed_mended_played_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    assert_eq!(catalogue::list(&path.join("none")).expect("empty"), []);
    for format in [Format::Opus, Format::Wav] {
        let name = record_to(path, format);
        std::fs::write(path.join("notes.txt"), "mine").expect("room");
        let entries = catalogue::list(path).expect("read");
        let [entry] = &entries[..] else {
            panic!("one: {entries:?}");
        };
        assert_eq!((&entry.name, entry.length), (&name, Duration::from_secs(1)));
        assert!(entry.is_whole);
        let heard = clips::recording(&path.join(&name)).expect("played");
        assert_eq!(heard.clip.length(), Duration::from_secs(1));
        assert!(loudness(heard.clip.samples()) > 1_000.0);

        // A power cut: the last bytes are gone, and there is rubbish behind what is left.
        let mut bytes = std::fs::read(path.join(&name)).expect("there");
        bytes.truncate(bytes.len() - 3);
        bytes.extend([0; 100]);
        std::fs::write(path.join(&name), &bytes).expect("room");
        assert!(!catalogue::list(path).expect("read")[0].is_whole);
        assert!(
            clips::recording(&path.join(&name)).is_ok(),
            "it plays as it is"
        );
        assert_eq!(catalogue::mend(path).expect("read"), [name.as_str()]);
        let entry = catalogue::list(path).expect("read").remove(0);
        assert!(
            entry.is_whole && entry.length >= Duration::from_millis(700),
            "{entry:?}"
        );
        assert_eq!(catalogue::mend(path).expect("read"), [""; 0]);

        catalogue::delete(path, &name).expect("deleted");
        for name in [&name[..], "notes.txt", "../notes.txt"] {
            let error = catalogue::delete(path, name).expect_err("there is none");
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
    }
}

#[test]
fn what_is_kept_no_longer_goes_but_for_what_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (opus, wav) = (record_to(path, Format::Opus), record_to(path, Format::Wav));
    let retention = keep_for(30);
    let month = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 31 * 86_400);
    let early = month - Duration::from_secs(5 * 86_400);
    assert_eq!(
        catalogue::tidy(path, &retention, early, |_| false).expect("read"),
        [""; 0]
    );
    let gone = catalogue::tidy(path, &retention, month, |entry| entry.name == opus);
    assert_eq!(gone.expect("read"), [wav]);
    assert_eq!(catalogue::list(path).expect("read").len(), 1);
}

fn keep_for(days: u64) -> crate::pure::recording::keep::Retention {
    crate::pure::recording::keep::Retention {
        longest: Some(Duration::from_secs(days * 86_400)),
        most_bytes: None,
    }
}

#[test]
fn what_callers_are_told_is_there_in_both_languages() {
    use crate::lang::Lang;
    for lang in [Lang::En, Lang::Fr] {
        for (clip, shortest) in [(clips::greeting(lang), 5.0), (clips::notice(lang), 1.2)] {
            let seconds = clip.length().as_secs_f32();
            assert!((shortest..10.0).contains(&seconds), "{lang:?}: {seconds} s");
            assert!(loudness(clip.samples()) > 500.0);
        }
    }
    let greeting = clips::greeting(Lang::En);
    let whole = clips::before_message(&greeting);
    assert_eq!(
        whole.length(),
        greeting.length() + Duration::from_millis(800)
    );
}

#[test]
fn a_greeting_of_ones_own_may_be_of_any_usual_kind_and_what_is_none_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("greeting");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(&path, spec).expect("made");
    for n in 0..2 * 44_100 {
        let turn = (n / 2) as f32 * std::f32::consts::TAU * 400.0 / 44_100.0;
        file.write_sample((turn.sin() * 4_000_000.0) as i32)
            .expect("room");
    }
    file.finalize().expect("room");
    let loaded = clips::own_greeting(&path).expect("read");
    assert_eq!(loaded.clip.length(), Duration::from_secs(1));
    assert!(!loaded.is_cut && loudness(loaded.clip.samples()) > 8_000.0);
    std::fs::write(&path, include_bytes!("voice/notice-en.opus")).expect("room");
    assert_eq!(
        clips::own_greeting(&path).expect("read").clip.length(),
        clips::notice(crate::lang::Lang::En).length()
    );
    for (bytes, told) in [
        (
            &b"no sound"[..],
            "it is neither a WAV file nor an Ogg Opus file",
        ),
        (b"", "it is neither a WAV file nor an Ogg Opus file"),
        (b"OggS", "it is no Ogg Opus file"),
        (b"RIFF\0\0\0\0WAVE", "it is no WAV file"),
    ] {
        std::fs::write(&path, bytes).expect("room");
        let error = clips::own_greeting(&path).expect_err("no sound");
        assert_eq!(error.to_string(), told);
    }
}
