//! A far end of a stranger's making: it holds a call with a phone that checks no signatures, and sends back at once
//! every frame that it hears, or as late as a rough network would make it, noting when each one came.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use offhook::sim::network::{Conditions, Jitter, Path};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

/// What the far end saw.
pub(crate) struct Heard {
    /// When each frame came, and its mu-law.
    pub(crate) frames: Vec<(Instant, Vec<u8>)>,
}

/// What a rough network adds to a frame at most.
pub(crate) const ROUGH: Duration = Duration::from_millis(30);

/// Calls the phone that listens at `port`, and echoes until told to stop. While `rough`, each frame is held back by
/// anything up to [`ROUGH`], evenly, and none overtakes another; a timer's millisecond comes on top.
pub(crate) async fn echo(port: u16, mut until: oneshot::Receiver<()>, rough: &AtomicBool) -> Heard {
    let leg = format!("CA{:032x}", std::process::id());
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reply = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/handle_calls"))
        .form(&[
            ("CallSid", leg.as_str()),
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("From", "+15145550100"),
            ("To", "+18199754345"),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
        ])
        .send()
        .await
        .expect("the webhook is answered");
    assert_eq!(reply.status(), 200);
    let twiml = reply.text().await.expect("the answer is text");
    let token = after(&twiml, r#"name="token" value=""#);
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://127.0.0.1:{port}/twilio/media"))
            .await
            .expect("the media socket opens");
    let sid = "MZ00000000000000000000000000000001";
    for message in [
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}),
        json!({"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": {
            "accountSid": "AC00000000000000000000000000000001", "streamSid": sid, "callSid": leg, "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": token}}}),
    ] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .expect("the phone reads");
    }
    let mut frames = Vec::new();
    let conditions = Conditions {
        jitter: Jitter::Uniform { most: ROUGH },
        ..Conditions::default()
    };
    let mut network = Path::new(&conditions, 1);
    let epoch = Instant::now();
    let mut held: VecDeque<(Instant, String)> = VecDeque::new();
    loop {
        let due = held
            .front()
            .map(|(due, _)| tokio::time::Instant::from_std(*due));
        let message = tokio::select! {
            biased;
            _ = &mut until => break,
            () = async { tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)).await }, if due.is_some() => {
                if let Some((_, frame)) = held.pop_front() {
                    socket.send(Message::text(frame)).await.expect("the phone reads");
                }
                continue;
            }
            message = socket.next() => message.expect("the phone keeps the socket open").expect("it is well formed"),
        };
        let now = Instant::now();
        let Message::Text(text) = message else {
            continue;
        };
        let value: Value = serde_json::from_str(&text).expect("the phone sends JSON");
        let Some(payload) = value["media"]["payload"].as_str() else {
            continue;
        };
        let sequence = frames.len();
        let back = json!({"event": "media", "sequenceNumber": (sequence + 2).to_string(), "streamSid": sid, "media": {
            "track": "inbound", "chunk": (sequence + 1).to_string(), "timestamp": (sequence * 20).to_string(),
            "payload": payload}});
        if rough.load(Ordering::Relaxed) {
            held.push_back((epoch + network.arrival(now - epoch, 0), back.to_string()));
        } else {
            // What is still held back goes first: TCP keeps the order.
            let waiting = held.drain(..).map(|(_, frame)| frame);
            for frame in waiting.chain([back.to_string()]) {
                socket
                    .send(Message::text(frame))
                    .await
                    .expect("the phone reads");
            }
        }
        use base64::Engine as _;
        frames.push((
            now,
            base64::engine::general_purpose::STANDARD
                .decode(payload)
                .expect("base64"),
        ));
    }
    let stop = json!({"event": "stop", "sequenceNumber": (frames.len() + 2).to_string(), "streamSid": sid,
        "stop": {"accountSid": "AC00000000000000000000000000000001", "callSid": leg}});
    let _ = socket.send(Message::text(stop.to_string())).await;
    let _ = tokio::time::timeout(Duration::from_secs(3), socket.close(None)).await;
    Heard { frames }
}

fn after(text: &str, mark: &str) -> String {
    let start = text
        .find(mark)
        .unwrap_or_else(|| panic!("`{mark}` stands in the TwiML: {text}"))
        + mark.len();
    text[start..]
        .split('"')
        .next()
        .expect("a split has a first part")
        .to_owned()
}
