//! Recordings, messages and the greeting: listed, heard at the desk, fetched in parts, deleted.

use std::path::PathBuf;
use std::time::Duration;

use offhook::audio::DeviceChoice;
use offhook::pure::audio::{FRAME_LEN, LINE_RATE};
use offhook::pure::recording::wav;

use super::*;

/// Ten seconds, and half a second, of a message.
const MESSAGE: &str = "20260101T000000Z-voicemail-c1.wav";
const NO_MESSAGE: &str = "20260102T000000Z-voicemail-c2.wav";
const CALL: &str = "20260103T000000Z-call-c3.wav";

fn tone(seconds: f64) -> Vec<i16> {
    let samples = (seconds * f64::from(LINE_RATE)) as u32;
    let turn = |n: u32| f64::from(n) / f64::from(LINE_RATE) * 440.0 * std::f64::consts::TAU;
    (0..samples)
        .map(|n| (turn(n).sin() * 12_000.0) as i16)
        .collect()
}

/// A recording of two channels, as the recorder writes it.
fn recording(seconds: f64) -> Vec<u8> {
    let both: Vec<i16> = tone(seconds).into_iter().flat_map(|s| [s, s]).collect();
    let mut bytes = wav::of_line(&both);
    // The header of two channels says the same of the same bytes.
    bytes[22] = 2;
    bytes[28..32].copy_from_slice(&(LINE_RATE * 4).to_le_bytes());
    bytes[32] = 4;
    bytes
}

async fn rig() -> Rig {
    Rig::start_with(|folder, settings| {
        let recordings = folder.join("recordings");
        std::fs::create_dir(&recordings).expect("made");
        for (name, seconds) in [(MESSAGE, 10.0), (NO_MESSAGE, 0.5), (CALL, 10.0)] {
            std::fs::write(recordings.join(name), recording(seconds)).expect("written");
        }
        let microphone = folder.join("microphone.wav");
        std::fs::write(&microphone, wav::of_line(&tone(30.0))).expect("written");
        settings.audio.capture = DeviceChoice::File(microphone);
        settings.audio.playout = DeviceChoice::File(folder.join("speaker.wav"));
    })
    .await
}

impl Rig {
    async fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, json) = self.json(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {json}");
        json
    }

    /// Asks until the answer is as it should be.
    async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let json = self.get(path).await;
            if is_so(&json) {
                return json;
            }
            assert!(begun.elapsed() < LIMIT, "{path}: {json}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn speaker(&self) -> PathBuf {
        self.folder.path().join("speaker.wav")
    }

    /// Says whether the speaker has played a tone.
    fn was_heard(&self) -> bool {
        let bytes = std::fs::read(self.speaker()).expect("there");
        let sound = wav::read(&bytes, |_| usize::MAX).expect("a header that is valid");
        sound.channels[0].iter().filter(|s| s.abs() > 0.1).count() > 4_800
    }
}

#[tokio::test]
async fn messages_are_listed_heard_marked_fetched_and_deleted() {
    let rig = rig().await;
    rig.json(
        "POST",
        "/api/contacts",
        &json!({"name": "Anna", "numbers": [{"label": "", "number": "+15145550100"}]}),
    )
    .await;
    let all = rig.get("/api/voicemails").await;
    assert_eq!(all["waiting"], 1);
    assert_eq!(all["voicemails"].as_array().map(Vec::len), Some(1), "{all}");
    let one = &all["voicemails"][0];
    assert_eq!(
        (&one["id"], &one["call"], &one["seconds"], &one["heard"]),
        (&json!(MESSAGE), &json!("c1"), &json!(10), &json!(false))
    );
    let silent = rig.folder.path().join("recordings").join(NO_MESSAGE);
    assert!(!silent.exists(), "half a second is no message");
    let path = format!("/api/voicemails/{MESSAGE}");
    assert_eq!(&rig.get(&path).await, one);
    assert!(
        rig.text("GET", "/metrics", "")
            .await
            .1
            .contains("offhook_voicemails_waiting 1\n")
    );
    let heard = |on: bool| json!({ "on": on });
    let mark = format!("{path}/heard");
    assert_eq!(rig.does("POST", &mark, &heard(true)).await["heard"], true);
    assert_eq!(rig.get("/api/voicemails").await["waiting"], 0);
    assert_eq!(rig.does("POST", &mark, &heard(false)).await["heard"], false);

    // Played at the desk, it is heard, in both meanings.
    let playing = rig
        .does("POST", &format!("{path}/play"), &Value::Null)
        .await;
    assert_eq!(playing["playing"]["file"], MESSAGE);
    assert_eq!(playing["playing"]["length_ms"], 10_000);
    assert_eq!(rig.get("/api/voicemails").await["waiting"], 0);
    let far = |told: &Value| {
        told["playing"]["place_ms"]
            .as_u64()
            .is_some_and(|ms| ms > 600)
    };
    rig.until("/api/playback", far).await;
    let begun = Instant::now();
    while !rig.was_heard() {
        assert!(begun.elapsed() < LIMIT, "nothing is heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let gone = rig.does("DELETE", &path, &Value::Null).await;
    assert_eq!(gone["id"], MESSAGE);
    let stopped = |told: &Value| told["playing"].is_null();
    rig.until("/api/playback", stopped).await;
    for (method, below) in [
        ("GET", ""),
        ("GET", "/audio"),
        ("DELETE", ""),
        ("POST", "/play"),
    ] {
        let path = format!("{path}{below}");
        rig.refused(method, &path, &Value::Null, 404, "no_such_voicemail")
            .await;
    }
    // A recording of a call is no message.
    let path = format!("/api/voicemails/{CALL}");
    rig.refused("GET", &path, &Value::Null, 404, "no_such_voicemail")
        .await;
}

#[tokio::test]
async fn a_recording_is_fetched_in_parts() {
    let rig = rig().await;
    let whole = recording(10.0);
    let url = format!("http://{}/api/recordings/{CALL}/audio", rig.address);
    let part = |range: &'static str| {
        rig.http
            .get(&url)
            .bearer_auth(rig::API_KEY)
            .header("Range", range)
    };
    let answer = part("bytes=44-203").send().await.expect("an answer");
    assert_eq!(answer.status(), 206);
    let told = answer.headers()["content-range"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(told, format!("bytes 44-203/{}", whole.len()));
    assert_eq!(answer.bytes().await.expect("bytes"), whole[44..204]);
    let answer = part("bytes=-100").send().await.expect("an answer");
    assert_eq!(
        answer.bytes().await.expect("bytes"),
        whole[whole.len() - 100..]
    );
    let answer = part("bytes=99999999-").send().await.expect("an answer");
    assert_eq!(answer.status(), 416);
    let answer = part("bytes=0-1, 4-5").send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), answer.content_length()),
        (200, Some(whole.len() as u64))
    );
}

#[tokio::test]
async fn a_call_at_the_desk_stops_what_is_played_and_keeps_anything_from_being_played() {
    let rig = rig().await;
    let play = format!("/api/recordings/{CALL}/play");
    rig.does("POST", &play, &Value::Null).await;
    rig.until("/api/playback", |told| !told["playing"].is_null())
        .await;
    let dial = json!({ "to": "+15145550100" });
    let (status, call) = rig.json("POST", "/api/calls", &dial).await;
    assert_eq!(status, 201, "{call}");
    rig.until("/api/playback", |told| told["playing"].is_null())
        .await;
    rig.refused("POST", &play, &Value::Null, 409, "desk_busy")
        .await;
    let record = json!({ "on": true });
    rig.refused("POST", "/api/greeting/record", &record, 409, "desk_busy")
        .await;
    let hang_up = format!("/api/calls/{}/hangup", call["id"].as_str().expect("a name"));
    rig.does("POST", &hang_up, &Value::Null).await;
    rig.until("/api/calls", |calls| calls["calls"][0]["state"] == "ended")
        .await;
    rig.does("POST", &play, &Value::Null).await;
    let was = rig.does("DELETE", "/api/playback", &Value::Null).await;
    assert_eq!(was["playing"]["file"], CALL);
    rig.refused(
        "POST",
        "/api/recordings/none/play",
        &Value::Null,
        404,
        "no_such_recording",
    )
    .await;
}

#[tokio::test]
async fn the_greeting_is_recorded_at_the_desk_played_imported_and_removed() {
    let rig = rig().await;
    let built_in = rig.get("/api/greeting").await;
    assert_eq!(
        (&built_in["own"], &built_in["recording"]),
        (&json!(false), &json!(false))
    );
    let (begin, end) = (json!({ "on": true }), json!({ "on": false }));
    let record = "/api/greeting/record";
    rig.refused("POST", record, &end, 409, "not_recording")
        .await;
    assert_eq!(rig.does("POST", record, &begin).await["recording"], true);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let own = rig.does("POST", record, &end).await;
    assert_eq!(
        (&own["own"], &own["recording"]),
        (&json!(true), &json!(false))
    );
    let length = own["length_ms"].as_u64().expect("a number");
    assert!((500..30_000).contains(&length), "{own}");
    let kept = std::fs::read(rig.folder.path().join("greeting.wav")).expect("there");
    let sound = wav::read(&kept, |_| usize::MAX).expect("a recording");
    let loud = sound.channels[0].iter().filter(|s| s.abs() > 0.1).count();
    assert!(loud > 10 * FRAME_LEN, "the microphone is in it");
    let playing = rig.does("POST", "/api/greeting/play", &Value::Null).await;
    assert_eq!(playing["playing"]["length_ms"], length);
    rig.does("DELETE", "/api/playback", &Value::Null).await;

    let import = |bytes: Vec<u8>| rig.text("PUT", "/api/greeting", bytes);
    let (status, told) = import(wav::of_line(&tone(2.0))).await;
    assert!(status == 200 && told.contains("2000"), "{status} {told}");
    let (status, told) = import(b"no sound".to_vec()).await;
    assert!(
        status == 400 && told.contains("unplayable"),
        "{status} {told}"
    );
    let (status, told) = import(wav::of_line(&tone(181.0))).await;
    assert!(
        status == 400 && told.contains("too_long"),
        "{status} {told}"
    );
    assert_eq!(
        rig.get("/api/greeting").await["length_ms"],
        2_000,
        "as it was"
    );
    assert_eq!(
        rig.does("DELETE", "/api/greeting", &Value::Null).await,
        built_in
    );
}
