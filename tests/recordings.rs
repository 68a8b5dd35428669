//! Recordings as others see them: by programs that know Ogg Opus and WAV, and by whoever kills the one that writes them.

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, UNIX_EPOCH};

use offhook::audio::{AudioSettings, DeviceChoice, MediaHandle, line_tap, stream_port};
use offhook::pure::audio::clip::Clip;
use offhook::pure::audio::mouth::Beneath;
use offhook::pure::audio::{DownFrame, FRAME_LEN, Feed, Route, g711};
use offhook::pure::ids::{CallId, StreamId};
use offhook::pure::ogg::{self, PageWriter};
use offhook::pure::recording::name::Kind;
use offhook::pure::recording::{End, Format, Recording, Write, wav};
use offhook::pure::time::Time;
use offhook::recorder::disk::Folder;
use offhook::recorder::{Ended, RecorderEvent, RecorderHandle, Request, catalogue, clips};

use tokio::sync::oneshot::error::TryRecvError;

/// Tells a child of this binary into which folder it is to record until it is killed.
const KILLED: &str = "OFFHOOK_TEST_KILLED_RECORDER";

/// 20 ms of somebody who speaks without a pause: a buzz whose pitch, colour and loudness move.
fn voice(frame: u64, seed: f64, low: &mut f64) -> [i16; FRAME_LEN] {
    std::array::from_fn(|n| {
        let t = (frame * FRAME_LEN as u64 + n as u64) as f64 / 8_000.0 + seed;
        let noise = ((t * 9_301.7).sin() * 43_758.5).fract();
        let buzz = (t * 120.0 * (1.0 + 0.05 * (t * 1.3).sin())).fract() - 0.5;
        *low += (0.15 + 0.1 * (t * 2.1).sin()) * (buzz + 0.2 * noise - *low);
        let syllable = (t * 23.0).sin().max(0.1);
        (*low * syllable * 22_000.0) as i16
    })
}

/// Records two people who both speak all the time, and returns what is written.
fn record(format: Format, frames: u64) -> Vec<Write> {
    let moment = |frame: u64| Time::from_millis(frame * 20);
    let (mut recording, mut all) =
        Recording::begin(format, 1, &[], Time::START).expect("an encoder");
    let mut low = [0.0; 2];
    for frame in 0..frames {
        let [near, far] = &mut low;
        recording.push(End::Near, moment(frame), &voice(frame, 0.0, near));
        recording.push(End::Far, moment(frame), &voice(frame, 7.7, far));
        all.extend(recording.advance(moment(frame + 1)).expect("encoded"));
    }
    let (writes, length) = recording.finish(moment(frames)).expect("encoded");
    all.extend(writes);
    assert_eq!(length, Duration::from_millis(frames * 20));
    all
}

fn apply(file: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Append(bytes) => file.extend_from_slice(bytes),
        Write::Head(bytes) => file[..bytes.len()].copy_from_slice(bytes),
        Write::Sync => {}
    }
}

fn file_of(writes: &[Write]) -> Vec<u8> {
    let mut file = Vec::new();
    for write in writes {
        apply(&mut file, write);
    }
    file
}

/// Runs a program that may not be there; then a sentence says what is not shown.
#[expect(clippy::print_stderr, reason = "a test that shows less says so")]
fn run(program: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let ran = Command::new(program).args(arguments).arg(file).output();
    let Ok(output) = ran else {
        eprintln!("`{program}` is not here: that it takes our recordings is not shown");
        return None;
    };
    assert!(output.status.success(), "{program}: {output:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn ten_minutes_of_two_people_are_less_than_three_megabytes_and_valid_to_opusinfo_and_ffprobe() {
    let file = file_of(&record(Format::Opus, 30_000));
    assert!(file.len() < 3_000_000, "{} bytes", file.len());
    // And it is no silence: voices take their bits.
    assert!(file.len() > 1_000_000, "{} bytes", file.len());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.opus");
    std::fs::write(&path, &file).expect("room");
    if let Some(told) = run("opusinfo", &[], &path) {
        assert!(told.contains("Playback length: 10m:00.000s"), "{told}");
        assert!(told.contains("Channels: 2"), "{told}");
        assert!(!told.to_lowercase().contains("warning"), "{told}");
    }
    if let Some(told) = run("ffprobe", &["-v", "warning", "-show_streams"], &path) {
        assert!(told.contains("codec_name=opus"), "{told}");
        assert!(told.contains("channels=2"), "{told}");
        let errors = told.lines().filter(|line| line.contains('@'));
        assert_eq!(errors.count(), 0, "{told}");
    }
    // As far as it was written, and mended, it is valid as well.
    let mut half = file[..file.len() / 2].to_vec();
    let mended = ogg::mend(&half).expect("it was cut off");
    half.truncate(mended.at);
    half.extend(mended.page);
    std::fs::write(&path, half).expect("room");
    if let Some(told) = run("opusinfo", &[], &path) {
        assert!(told.contains("Playback length: 5m:"), "{told}");
        assert!(!told.to_lowercase().contains("warning"), "{told}");
    }
}

#[test]
fn another_reader_finds_the_same_packets_in_our_pages() {
    let given: Vec<Vec<u8>> = [0, 1, 254, 255, 256, 510, 70_000, 3]
        .into_iter()
        .map(|length| vec![9; length])
        .collect();
    let mut pages = PageWriter::new(7);
    let mut bytes = Vec::new();
    for (n, packet) in given.iter().enumerate() {
        pages.push(packet, 960 * (n as u64 + 1));
        if packet.len() == 256 {
            bytes.extend(pages.flush());
        }
    }
    bytes.extend(pages.finish());
    let mut reader = ::ogg::PacketReader::new(Cursor::new(bytes));
    let mut read = Vec::new();
    while let Some(packet) = reader.read_packet().expect("a valid stream") {
        assert_eq!(packet.stream_serial(), 7);
        read.push(packet.data);
    }
    assert_eq!(read, given);
}

#[test]
fn a_wav_recording_has_a_valid_header_at_all_times() {
    let mut file = Vec::new();
    for write in record(Format::Wav, 150) {
        apply(&mut file, &write);
        let reader = hound::WavReader::new(Cursor::new(&file)).expect("valid");
        let spec = reader.spec();
        assert_eq!(
            (spec.channels, spec.sample_rate, spec.bits_per_sample),
            (2, 8_000, 16)
        );
        let samples = reader.into_samples::<i16>().collect::<Result<Vec<_>, _>>();
        assert!(samples.is_ok_and(|samples| samples.len() * 2 + 44 <= file.len()));
    }
}

#[test]
fn a_wav_recording_is_valid_to_ffprobe() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("call.wav");
    std::fs::write(&path, file_of(&record(Format::Wav, 500))).expect("room");
    if let Some(told) = run("ffprobe", &["-v", "warning", "-show_streams"], &path) {
        for line in ["codec_name=pcm_s16le", "channels=2", "duration=10.000000"] {
            assert!(told.contains(line), "{told}");
        }
    }
}

#[test]
fn a_call_at_the_engine_is_recorded_with_both_of_its_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Instant::now();
    // The microphone hears what is played, so that both ends say the same.
    let settings = AudioSettings {
        capture: DeviceChoice::Loopback,
        playout: DeviceChoice::None,
        ..AudioSettings::default()
    };
    let media = MediaHandle::start(&settings, clock).expect("threads can be had");
    let (mut socket, port) = stream_port();
    let route = Route {
        feed: Feed::Desk,
        to_speaker: true,
    };
    let stream = StreamId(1);
    media.attach(stream, port, route);

    let now = move || Time::from_micros(clock.elapsed().as_micros() as u64);
    let disk = Folder::open(folder.path().to_owned()).expect("made");
    let (tell, events) = channel();
    let recorder = RecorderHandle::start(Box::new(disk), Arc::new(now), move |event| {
        let _ = tell.send(event);
    });
    let recorder = recorder.expect("a thread");
    let tap = media.tap(stream).expect("it is attached");
    let request = Request {
        call: CallId::new("c1"),
        kind: Kind::Call,
        format: Format::Wav,
        began: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    };
    recorder.record(&tap, request).expect("it records");

    // A frame down for every frame up: one second of a tone, and one of silence.
    for n in 0..100_usize {
        let limit = Instant::now() + Duration::from_secs(15);
        while socket.up.pop().is_err() {
            assert!(Instant::now() < limit, "no frame comes");
            std::thread::sleep(Duration::from_millis(1));
        }
        let loud = if n < 50 { 0.5 } else { 0.0 };
        let ulaw = std::array::from_fn(|k| {
            let turn = (n * FRAME_LEN + k) as f32 * std::f32::consts::TAU * 700.0 / 8_000.0;
            g711::encode_f32(turn.sin() * loud)
        });
        let frame = DownFrame {
            at: (n * FRAME_LEN) as u64,
            len: FRAME_LEN as u8,
            ulaw,
            arrived: now(),
        };
        socket.down.push(frame).expect("the speaker plays");
    }
    media.detach(stream);
    assert!(media.tap(stream).is_none(), "it is gone");
    let done = loop {
        let event = events.recv_timeout(Duration::from_secs(15));
        match event.expect("it ends with its stream") {
            RecorderEvent::Began { .. } => {}
            RecorderEvent::Ended { done, why, .. } => {
                assert_eq!(why, Ended::StreamGone);
                break done;
            }
            RecorderEvent::Failed { error, .. } => panic!("{error}"),
        }
    };
    let bytes = std::fs::read(folder.path().join(&done.name)).expect("there");
    let sound = wav::read(&bytes, |_| usize::MAX).expect("read");
    assert!(done.length >= Duration::from_millis(1_500), "{done:?}");
    // In one recording both lie where they sounded: our own devices tell 10 ms apart, and never more or less.
    let is_loud = |sample: &f32| sample.abs() > 0.3;
    let begin = |end: usize| sound.channels[end].iter().position(is_loud);
    let over = |end: usize| sound.channels[end].iter().rposition(is_loud);
    for place in [[begin(0), begin(1)], [over(0), over(1)]] {
        let [Some(near), Some(far)] = place else {
            panic!("both ends are heard: {place:?}");
        };
        assert!(near.abs_diff(far) <= 160, "{place:?}");
    }
    for channel in &sound.channels {
        // A second of a tone of 0.5, and what is made up where it ends.
        let loud = channel.iter().filter(|sample| sample.abs() > 0.3).count() as f32;
        let expected = 8_000.0 * 0.59;
        assert!((loud / expected - 1.0).abs() < 0.25, "{loud} of {expected}");
    }
}

#[test]
fn a_clip_reaches_the_far_end_whole_where_no_microphone_works_and_its_end_is_told() {
    let settings = AudioSettings {
        capture: DeviceChoice::None,
        playout: DeviceChoice::None,
        ..AudioSettings::default()
    };
    let media = MediaHandle::start(&settings, Instant::now()).expect("threads can be had");
    let (mut socket, port) = stream_port();
    let stream = StreamId(1);
    media.attach(stream, port, Route::default());
    // Mu-law's own steps, and none so loud that it is limited: what arrives is what was sent, and no frame is alike.
    let samples: Vec<i16> = (0..5 * FRAME_LEN)
        .map(|n| (g711::decode_f32(0xB0 + (n * 7 % 61) as u8) * 32_768.0) as i16)
        .collect();
    let codes: Vec<u8> = samples
        .iter()
        .map(|sample| g711::encode_f32(f32::from(*sample) / 32_768.0))
        .collect();
    let limit = Instant::now() + Duration::from_secs(15);
    let mut next = || loop {
        if let Ok(frame) = socket.up.pop() {
            return frame.ulaw;
        }
        assert!(Instant::now() < limit, "no frame comes");
        std::thread::sleep(Duration::from_millis(1));
    };
    next();
    let mut replaced = media.say(
        stream,
        Clip::silence(Duration::from_secs(60)),
        Beneath::Softly,
    );
    let mut over = media.say(stream, Clip::new(samples), Beneath::Nothing);
    let is_loud = |frame: &[u8; FRAME_LEN]| frame.iter().any(|code| g711::decode_f32(*code) != 0.0);
    let mut sent = Vec::new();
    while sent.len() < codes.len() {
        let frame = next();
        if is_loud(&frame) || !sent.is_empty() {
            sent.extend(frame);
        }
    }
    assert!(sent == codes, "in one piece");
    assert!(!is_loud(&next()), "and nothing behind it");
    assert_eq!(over.try_recv(), Ok(()), "it was told before the next frame");
    assert!(replaced.try_recv().is_err());

    // Of a stream that is gone it is told that nothing will be heard.
    let mut cut = media.say(
        stream,
        Clip::silence(Duration::from_secs(60)),
        Beneath::Nothing,
    );
    media.detach(stream);
    let mut never = media.say(stream, Clip::beep(), Beneath::Nothing);
    for over in [&mut cut, &mut never] {
        while over.try_recv() == Err(TryRecvError::Empty) {
            assert!(Instant::now() < limit, "nobody tells");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(over.try_recv(), Err(TryRecvError::Closed));
    }
}

#[test]
fn a_recorder_that_is_killed_leaves_all_but_the_last_second() {
    if let Some(folder) = std::env::var_os(KILLED) {
        return record_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("a_recorder_that_is_killed_leaves_all_but_the_last_second")
        .env(KILLED, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("this program runs");
    // Ten seconds were said once this file is there; the recorder has had its time to write them.
    let said = folder.path().join("said");
    let begin = Instant::now();
    while !said.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it says nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");

    for format in [Format::Opus, Format::Wav] {
        let entries = catalogue::list(folder.path()).expect("read");
        let found = entries.iter().find(|entry| entry.named.format == format);
        let entry = found.expect("it is there");
        assert!(entry.length >= Duration::from_secs(9), "{entry:?}");
        let heard = clips::recording(&folder.path().join(&entry.name)).expect("it plays");
        assert!(heard.clip.length() >= Duration::from_secs(9), "{heard:?}");
    }
    // The next start makes the Opus file whole; in the WAV file nothing is missing.
    let mended = catalogue::mend(folder.path()).expect("read");
    assert!(
        mended.iter().any(|name| name.ends_with(".opus")),
        "{mended:?}"
    );
    let entries = catalogue::list(folder.path()).expect("read");
    assert!(entries.iter().all(|entry| entry.is_whole), "{entries:?}");
}

/// Records ten seconds in no time, on a clock of its own, and waits for its end.
fn record_until_killed(folder: &Path) {
    let now = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&now);
    let clock = Arc::new(move || Time::from_micros(told.load(Ordering::Relaxed)));
    let disk = Folder::open(folder.to_owned()).expect("made");
    let (tell, events) = channel();
    let recorder = RecorderHandle::start(Box::new(disk), clock, move |event| {
        let _ = tell.send(event);
    });
    let recorder = recorder.expect("a thread");
    let mut taps = Vec::new();
    for format in [Format::Opus, Format::Wav] {
        let (near, far, line) = line_tap();
        let request = Request {
            call: CallId::new("c1"),
            kind: Kind::Call,
            format,
            began: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        };
        recorder.record(&line, request).expect("it records");
        let event = events.recv().expect("an event");
        assert!(matches!(event, RecorderEvent::Began { .. }), "{event:?}");
        taps.push((near, far));
    }
    for frame in 0..500_u64 {
        let at = Time::from_micros(now.load(Ordering::Relaxed));
        for (near, far) in &mut taps {
            let sound: [f32; FRAME_LEN] =
                std::array::from_fn(|n| (n as f32 * 0.3 + frame as f32).sin() * 0.3);
            near.push(at, &sound);
            far.push(at, &sound);
        }
        now.fetch_add(20_000, Ordering::Relaxed);
        // Faster than time, but no faster than the rings are emptied.
        std::thread::sleep(Duration::from_millis(3));
    }
    // One second after a moment, all of it is to be on the disk: here that moment lies 9 s after the beginning.
    let is_written = |length: Duration| {
        let entries = catalogue::list(folder).expect("read");
        entries.len() == 2 && entries.iter().all(|entry| entry.length >= length)
    };
    while !is_written(Duration::from_secs(9)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::write(folder.join("said"), "").expect("room");
    loop {
        std::thread::park();
    }
}
