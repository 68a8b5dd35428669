//! A far end of a stranger's making: it holds a call with a phone that checks no signatures, and sends back at once
//! every frame that it hears, noting when each one came.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;

/// What the far end saw.
pub(crate) struct Heard {
    /// When each frame came, and its mu-law.
    pub(crate) frames: Vec<(Instant, Vec<u8>)>,
}

/// Calls the phone that listens at `port`, and echoes until told to stop.
pub(crate) async fn echo(port: u16, mut until: oneshot::Receiver<()>) -> Heard {
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
    loop {
        let message = tokio::select! {
            _ = &mut until => break,
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
        socket
            .send(Message::text(back.to_string()))
            .await
            .expect("the phone reads");
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
