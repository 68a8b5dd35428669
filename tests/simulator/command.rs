//! `offhook sim call` and `offhook sim post` from outside: exit codes, what goes to which stream, files, and the `curl`.

use std::path::Path;
use std::process::Output;

use audiopus::coder::Decoder;
use audiopus::{Channels, SampleRate};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::stranger::{Stranger, TOKEN, answer, decode, twiml};
use super::{ORIGIN, STREAM, without_stream};

/// A folder of its own, in which nothing of the machine's is read.
pub(super) struct Place(TempDir);

impl Place {
    pub(super) fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command
            .env_clear()
            .env("HOME", self.path())
            .current_dir(self.path())
            .kill_on_drop(true);
        command
    }

    /// Runs a verb of `offhook sim` with a token.
    pub(super) async fn sim(&self, arguments: &[&str]) -> Output {
        let mut program = self.program();
        program.env("TWILIO_AUTH_TOKEN", TOKEN);
        program.arg("sim").args(arguments);
        program.output().await.expect("it runs")
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Asks for exit code, standard output and standard error.
pub(super) fn parts(output: &Output) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    (status.code(), text(stdout), text(stderr))
}

/// Plays a tone as soon as it can: 400 Hz, half a second, 20 ms at a time.
async fn program_with_a_tone() -> Stranger {
    Stranger::with_stream(STREAM, |mut line| async move {
        line.until("start").await;
        for _ in 0..25 {
            // A square of 20 samples, and so 8 of them to a frame.
            let frame: Vec<u8> = (0..160)
                .map(|n| if n % 20 < 10 { 0x90 } else { 0x10 })
                .collect();
            line.play(&frame).await;
        }
        line.hear_out().await;
    })
    .await
}

fn write_wav(path: &Path) {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).expect("a file");
    for n in 0..2 * 13_230 {
        let sample = if n % 80 < 40 { 6_000 } else { -6_000 };
        writer.write_sample(sample).expect("written");
    }
    writer.finalize().expect("written");
}

fn rms(sound: &[i16]) -> f64 {
    let sum: f64 = sound.iter().map(|s| f64::from(*s).powi(2)).sum();
    (sum / sound.len().max(1) as f64).sqrt()
}

/// Fails unless half a second of the tone is in it, in one piece.
fn assert_tone(sound: &[i16], name: &str) {
    let first = sound.iter().position(|s| s.unsigned_abs() > 1_000);
    let first = first.expect("a sound");
    let level = rms(&sound[first + 400..first + 3_600]) / f64::from(decode(0x90));
    assert!((0.7..1.4).contains(&level), "{name}: {level}");
    let silence = rms(&sound[first + 4_800..]);
    assert!(silence < 100.0, "{name}: {silence} behind it");
}

#[tokio::test]
async fn a_call_speaks_a_file_and_keeps_what_it_hears_as_wav_or_opus() {
    let place = Place::new();
    write_wav(&place.path().join("hello.wav"));
    let server = program_with_a_tone().await;
    let webhook = server.url("/voice");
    let call = async |record: &str| {
        let output = place
            .sim(&[
                "call",
                "--webhook",
                &webhook,
                "--origin",
                ORIGIN,
                "--from",
                "+15145550100",
                "--say",
                "hello.wav",
                "--listen",
                "1",
                "--record",
                record,
            ])
            .await;
        let (code, report, told) = parts(&output);
        assert_eq!(code, Some(0), "{report}{told}");
        assert!(
            told.contains("POST https://phone.example.com/voice: 200\n"),
            "{told}"
        );
        assert!(
            !told.contains("warning") && !told.contains("error"),
            "{told}"
        );
        assert!(report.starts_with("call CA"), "{report}");
        assert!(report.ends_with("\n  nothing to complain of\n"), "{report}");
        std::fs::read(place.path().join(record)).expect("a recording")
    };
    let (wav, opus) = tokio::join!(call("out.wav"), call("out.opus"));
    server.assert_signed_over(ORIGIN);
    assert!(
        server
            .requests_to("/voice")
            .iter()
            .all(|webhook| webhook.field("From") == Some("+15145550100"))
    );

    let mut reader = hound::WavReader::new(wav.as_slice()).expect("a WAV file");
    let spec = reader.spec();
    assert_eq!(
        (spec.sample_rate, spec.channels, spec.bits_per_sample),
        (8_000, 1, 16)
    );
    let sound: Vec<i16> = reader.samples().map(|s| s.expect("a sample")).collect();
    assert!(sound.len() >= 8 * 1_300, "{}", sound.len());
    assert_tone(&sound, "WAV");
    assert_tone(&decode_opus(&opus), "Opus");

    // 300 ms of the file, and then silence.
    for line in server.lines().await {
        let media = line.iter().filter(|m| m["event"] == "media");
        let levels: Vec<f64> = media
            .map(|message| {
                let codes = super::stranger::payload(message);
                rms(&codes.into_iter().map(decode).collect::<Vec<_>>())
            })
            .collect();
        assert!(
            levels[1..14].iter().all(|level| *level > 4_000.0),
            "{levels:?}"
        );
        assert!(
            levels[16..].iter().all(|level| *level < 100.0),
            "{levels:?}"
        );
    }
}

/// Decodes Ogg Opus to 8 kHz.
fn decode_opus(bytes: &[u8]) -> Vec<i16> {
    let mut packets = ogg::PacketReader::new(std::io::Cursor::new(bytes));
    let mut decoder = Decoder::new(SampleRate::Hz8000, Channels::Mono).expect("a decoder");
    let mut sound = Vec::new();
    let mut index = 0;
    while let Some(packet) = packets.read_packet().expect("Ogg") {
        index += 1;
        if index == 1 {
            assert!(packet.data.starts_with(b"OpusHead"));
        }
        if index > 2 {
            let mut room = [0i16; 960];
            let input = packet.data.as_slice().try_into().expect("a packet");
            let output = room.as_mut_slice().try_into().expect("room");
            let count = decoder
                .decode(Some(input), output, false)
                .expect("Opus inside");
            sound.extend_from_slice(&room[..count]);
        }
    }
    sound
}

#[tokio::test]
async fn a_call_that_twilio_would_complain_of_is_exit_1_and_told_on_both_streams() {
    let place = Place::new();
    let server = without_stream(|_| answer(500, "text/plain", "no")).await;
    let webhook = server.url("/voice");
    let (code, report, told) = parts(&place.sim(&["call", "--webhook", &webhook]).await);
    assert_eq!(code, Some(1));
    assert!(report.contains("  warning          11200: "), "{report}");
    assert!(report.ends_with("\n  NOT fine\n"), "{report}");
    assert!(
        told.starts_with(&format!("POST {webhook}: 500\nwarning 11200: ")),
        "{told}"
    );
    let verdict = told.lines().last().expect("a verdict");
    assert!(
        verdict.starts_with("error: Twilio would complain: 11200: "),
        "{told}"
    );
    assert!(
        verdict.contains("answered 500 (`no`)"),
        "what the server said is told: {told}"
    );

    let json = place.sim(&["call", "--webhook", &webhook, "--json"]).await;
    assert_eq!(json.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&json.stdout).expect("JSON alone");
    assert_eq!(report["fine"], false);
    assert_eq!(report["warnings"][0]["code"], 11200);
}

#[tokio::test]
async fn a_report_as_json_says_what_the_call_was_like() {
    let place = Place::new();
    let server = program_with_a_tone().await;
    let webhook = server.url("/voice");
    write_wav(&place.path().join("hello.wav"));
    let output = place
        .sim(&[
            "call",
            "--webhook",
            &webhook,
            "--origin",
            ORIGIN,
            "--call-sid",
            "CA7",
            "--say",
            "hello.wav",
            "--dtmf",
            "1#",
            "--listen",
            "0",
            "--json",
        ])
        .await;
    let (code, report, told) = parts(&output);
    assert_eq!(code, Some(0), "{report}{told}");
    let report: Value = serde_json::from_str(&report).expect("JSON alone");
    assert_eq!(report["call_sid"], "CA7");
    assert_eq!(report["ended"], "the caller hung up");
    assert_eq!(report["fine"], true);
    assert_eq!(report["stream"]["streams"], 1);
    assert_eq!(report["stream"]["frames_received"], 25);
    assert!(report["stream"]["first_sound_ms"].is_u64());
    let digits = server.lines().await[0]
        .iter()
        .filter(|m| m["event"] == "dtmf")
        .count();
    assert_eq!(digits, 2);
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_option_it_is_exit_2_and_nobody_is_called() {
    let place = Place::new();
    let server = without_stream(|_| twiml("")).await;
    let webhook = server.url("/voice");
    for verb in ["call", "post"] {
        let arguments: &[&str] = match verb {
            "call" => &["sim", "call", "--webhook", &webhook],
            _ => &["sim", "post", &webhook],
        };
        let output = place.program().args(arguments).output().await;
        let (code, printed, told) = parts(&output.expect("it runs"));
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{verb}");
        assert!(told.contains("TWILIO_AUTH_TOKEN is missing"), "{told}");
        assert!(told.contains("\nhint: "), "{told}");
    }
    for wrong in [
        &["call", "--fault", "politeness"][..],
        &["call", "--webhook", &webhook, "--dtmf", "12x"],
        &["call", "--webhook", &webhook, "--param", "nothing"],
        &["post", &webhook, "nothing"],
        &["post", "ftp://127.0.0.1/"],
        &["call", "--webhook", "127.0.0.1:8080/voice"],
        &["call", "--webhook", "ftp://127.0.0.1/"],
        &[
            "call",
            "--webhook",
            &webhook,
            "--origin",
            "https://o.example/path",
        ],
        &[
            "call",
            "--webhook",
            &webhook,
            "--most",
            "18446744073709551615",
        ],
        &["call", "--webhook", &webhook, "--echo", "601"],
        &["post"],
    ] {
        let (code, printed, told) = parts(&place.sim(wrong).await);
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{wrong:?}: {told}");
        assert!(!told.contains(TOKEN), "{told}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_sound_or_cannot_be_written_is_told_before_the_call() {
    let place = Place::new();
    let server = without_stream(|_| twiml("")).await;
    let webhook = server.url("/voice");
    std::fs::write(place.path().join("no.wav"), "hello").expect("written");
    for (option, file, why) in [
        ("--say", "no.wav", "cannot be read as WAV"),
        ("--say", "gone.wav", "cannot be opened"),
        ("--record", "no/where.wav", "cannot be written"),
    ] {
        let output = place
            .sim(&["call", "--webhook", &webhook, option, file])
            .await;
        let (code, printed, told) = parts(&output);
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{told}");
        assert!(told.contains(file) && told.contains(why), "{told}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_posted_webhook_prints_the_answer_and_a_curl_that_really_does_the_same() {
    let place = Place::new();
    let server = without_stream(|_| twiml("<Hangup/>")).await;
    let address = server.url("/twiml/outgoing?a=1&b=it's");
    let output = place
        .sim(&[
            "post",
            &address,
            "--origin",
            ORIGIN,
            "To=+18738402100",
            "From=+18199754345",
            "Name=it's $HOME & \"more\" = ë",
            "Empty=",
        ])
        .await;
    let (code, printed, told) = parts(&output);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(
        printed,
        "<?xml version=\"1.0\"?><Response><Hangup/></Response>\n"
    );
    let curl = told
        .strip_prefix("the same by hand:\n  ")
        .expect("the command behind its heading");
    assert!(
        curl.starts_with("curl -X POST 'http://127.0.0.1:"),
        "{curl}"
    );
    assert!(!curl.contains(TOKEN), "{curl}");

    let mut shell = Command::new("sh");
    shell.arg("-c").arg(curl).env("no_proxy", "127.0.0.1");
    let again = shell.output().await.expect("there is a shell");
    let requests = server.requests();
    let first = &requests[0];
    assert_eq!(first.field("Name"), Some("it's $HOME & \"more\" = ë"));
    assert_eq!(first.form.len(), 4, "nothing is added");
    assert!(curl.contains(&first.signature), "{curl}");
    if again.status.code() == Some(127) {
        return; // There is no curl here.
    }
    assert_eq!(text(&again.stdout), printed.trim_end());
    let second = &requests[1];
    assert_eq!((&second.form, &second.path), (&first.form, &first.path));
    assert_eq!(second.signature, first.signature);
    assert_eq!(
        (&first.host, &second.host),
        (&"phone.example.com".to_owned(), &first.host)
    );
    for name in ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-for"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(first.header(name), second.header(name), "{name}");
    }
    let url = format!("{ORIGIN}{}", first.path);
    assert_eq!(
        second.signature,
        super::stranger::signature(&url, &second.form)
    );
}

#[tokio::test]
async fn a_posted_webhook_that_is_turned_away_says_what_was_signed() {
    let place = Place::new();
    let server = without_stream(|_| answer(403, "text/plain", "not you")).await;
    let address = server.url("/voice");
    let (code, printed, told) = parts(&place.sim(&["post", &address, "A=1"]).await);
    assert_eq!((code, printed.as_str()), (Some(1), "not you\n"));
    assert!(told.contains(&format!("{address} answered 403")), "{told}");
    assert!(
        told.contains("hint: ") && told.contains("PUBLIC_URL"),
        "{told}"
    );

    let json = place.sim(&["post", &address, "--json"]).await;
    assert_eq!(json.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&json.stdout).expect("JSON alone");
    assert_eq!(answer["status"], 403);
    assert_eq!(answer["content_type"], "text/plain");
    assert_eq!(answer["body"], "not you");
    assert!(
        answer["curl"]
            .as_str()
            .is_some_and(|c| c.starts_with("curl "))
    );
}

#[tokio::test]
async fn a_path_is_posted_to_this_machines_port_under_the_public_origin() {
    let place = Place::new();
    let server = without_stream(|_| twiml("")).await;
    let port = server.url("").rsplit(':').next().map(str::to_owned);
    let mut program = place.program();
    program
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("PUBLIC_URL", ORIGIN)
        .env("PORT", port.expect("a port"))
        .args(["sim", "post", "/handle_calls", "CallSid=test123"]);
    let output = program.output().await.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    server.assert_signed_over(ORIGIN);
    assert_eq!(server.requests()[0].path, "/handle_calls");
}
