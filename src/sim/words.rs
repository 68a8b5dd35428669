//! The words of the media socket: what the carrier says, and the strict reading of what it is told.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// Says what the carrier says on one stream; counts its messages.
#[derive(Debug)]
pub(super) struct Speech {
    pub(super) account_sid: String,
    pub(super) call_sid: String,
    pub(super) stream_sid: String,
    sequence: u64,
    chunk: u64,
}

impl Speech {
    pub(super) fn new(account_sid: &str, call_sid: &str, stream_sid: &str) -> Speech {
        Speech {
            account_sid: account_sid.to_owned(),
            call_sid: call_sid.to_owned(),
            stream_sid: stream_sid.to_owned(),
            sequence: 0,
            chunk: 0,
        }
    }

    /// The first message; it has neither number nor stream.
    pub(super) fn connected() -> String {
        json!({"event": "connected", "protocol": "Call", "version": "1.0.0"}).to_string()
    }

    pub(super) fn start(
        &mut self,
        parameters: &[(String, String)],
        encoding: &str,
        rate: u32,
    ) -> String {
        let parameters: Map<String, Value> = parameters
            .iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        let start = json!({
            "accountSid": self.account_sid,
            "streamSid": self.stream_sid,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": encoding, "sampleRate": rate, "channels": 1},
            "customParameters": parameters,
        });
        self.message("start", "start", start)
    }

    /// Sound that began `timestamp` milliseconds into the stream.
    pub(super) fn media(&mut self, timestamp: u64, codes: &[u8]) -> String {
        self.chunk += 1;
        let media = json!({
            "track": "inbound",
            "chunk": self.chunk.to_string(),
            "timestamp": timestamp.to_string(),
            "payload": STANDARD.encode(codes),
        });
        self.message("media", "media", media)
    }

    pub(super) fn digit(&mut self, digit: char) -> String {
        let dtmf = json!({"track": "inbound_track", "digit": digit.to_string()});
        self.message("dtmf", "dtmf", dtmf)
    }

    pub(super) fn mark(&mut self, name: &str) -> String {
        self.message("mark", "mark", json!({ "name": name }))
    }

    pub(super) fn stop(&mut self) -> String {
        let stop = json!({"accountSid": self.account_sid, "callSid": self.call_sid});
        self.message("stop", "stop", stop)
    }

    fn message(&mut self, event: &str, key: &str, body: Value) -> String {
        self.sequence += 1;
        json!({
            "event": event,
            "sequenceNumber": self.sequence.to_string(),
            "streamSid": self.stream_sid,
            key: body,
        })
        .to_string()
    }
}

/// What the carrier is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Told {
    /// Mu-law to play.
    Media(Vec<u8>),
    /// A mark, by its name.
    Mark(String),
    /// Throw away what waits.
    Clear,
}

/// Reads a message as strictly as the carrier: exactly the documented keys, or it is dropped (31951).
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn read(text: &str, stream_sid: &str) -> Result<Told, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "is no JSON".to_owned())?;
    let Value::Object(object) = value else {
        return Err("is no object".to_owned());
    };
    let event = string(&object, "event")?;
    let body = match event {
        "media" | "mark" => Some(event),
        "clear" => None,
        other => return Err(format!("has the unknown event `{}`", shorten(other))),
    };
    let keys: Vec<&str> = ["event", "streamSid"].into_iter().chain(body).collect();
    only(&object, &keys, "")?;
    if string(&object, "streamSid")? != stream_sid {
        return Err("names another stream".to_owned());
    }
    let Some(name) = body else {
        return Ok(Told::Clear);
    };
    let Some(Value::Object(body)) = object.get(name) else {
        return Err(format!("has a `{name}` that is no object"));
    };
    if name == "mark" {
        only(body, &["name"], "mark.")?;
        return Ok(Told::Mark(string(body, "name")?.to_owned()));
    }
    only(body, &["payload"], "media.")?;
    STANDARD
        .decode(string(body, "payload")?)
        .map(Told::Media)
        .map_err(|_| "has a payload that is not base64".to_owned())
}

/// Refuses every key but these.
fn only(object: &Map<String, Value>, keys: &[&str], path: &str) -> Result<(), String> {
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(extra) => Err(format!("has the extra key `{path}{}`", shorten(extra))),
        None => Ok(()),
    }
}

/// Returns a text that must be there.
fn string<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("has a `{key}` that is no text")),
        None => Err(format!("lacks `{key}`")),
    }
}

/// Cuts somebody else's words to what fits into a line.
fn shorten(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn messages_have_the_documented_shape() {
        let mut speech = Speech::new("AC1", "CA1", "MZ1");
        assert_eq!(
            value(&Speech::connected()),
            json!({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        );
        assert_eq!(
            value(&speech.start(&[("token".into(), "abc".into())], "audio/x-mulaw", 8_000)),
            json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
                "accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {"token": "abc"}}})
        );
        assert_eq!(
            value(&speech.media(0, &[0xFF; 3])),
            json!({"event": "media", "sequenceNumber": "2", "streamSid": "MZ1",
                "media": {"track": "inbound", "chunk": "1", "timestamp": "0", "payload": "////"}})
        );
        assert_eq!(
            value(&speech.digit('#')),
            json!({"event": "dtmf", "sequenceNumber": "3", "streamSid": "MZ1",
                "dtmf": {"track": "inbound_track", "digit": "#"}})
        );
        assert_eq!(
            value(&speech.mark("m")),
            json!({"event": "mark", "sequenceNumber": "4", "streamSid": "MZ1", "mark": {"name": "m"}})
        );
        assert_eq!(
            value(&speech.media(20, &[0xFF]))["media"]["chunk"],
            json!("2")
        );
        assert_eq!(
            value(&speech.stop()),
            json!({"event": "stop", "sequenceNumber": "6", "streamSid": "MZ1",
                "stop": {"accountSid": "AC1", "callSid": "CA1"}})
        );
    }

    #[test]
    fn a_media_message_late_in_a_call_is_as_long_as_traces_take_it_to_be() {
        let mut speech = Speech::new(&"A".repeat(34), &"C".repeat(34), &"M".repeat(34));
        (speech.sequence, speech.chunk) = (50_000, 50_000);
        let frame = speech.media(1_000_000, &[0xFF; 160]).len() + 8;
        assert!(
            frame.abs_diff(crate::sim::network::MEDIA_BYTES) < 16,
            "{frame}"
        );
    }

    #[test]
    fn the_documented_keys_are_taken_and_no_others() {
        for (text, told) in [
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w=="}}"#,
                Ok(Told::Media(vec![0xFF])),
            ),
            (
                r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a"}}"#,
                Ok(Told::Mark("a".into())),
            ),
            (r#"{"event":"clear","streamSid":"MZ1"}"#, Ok(Told::Clear)),
            ("{", Err("is no JSON")),
            ("[]", Err("is no object")),
            (r#"{"streamSid":"MZ1"}"#, Err("lacks `event`")),
            (
                r#"{"event":"hello","streamSid":"MZ1"}"#,
                Err("has the unknown event `hello`"),
            ),
            (r#"{"event":"clear"}"#, Err("lacks `streamSid`")),
            (
                r#"{"event":"clear","streamSid":"MZ2"}"#,
                Err("names another stream"),
            ),
            (
                r#"{"event":"clear","streamSid":"MZ1","sequenceNumber":"1"}"#,
                Err("has the extra key `sequenceNumber`"),
            ),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"inbound"}}"#,
                Err("has the extra key `media.track`"),
            ),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{"payload":"?"}}"#,
                Err("has a payload that is not base64"),
            ),
            (
                r#"{"event":"media","streamSid":"MZ1","media":{}}"#,
                Err("lacks `payload`"),
            ),
            (
                r#"{"event":"mark","streamSid":"MZ1","mark":{"name":7}}"#,
                Err("has a `name` that is no text"),
            ),
            (
                r#"{"event":"mark","streamSid":"MZ1"}"#,
                Err("has a `mark` that is no object"),
            ),
        ] {
            assert_eq!(read(text, "MZ1"), told.map_err(str::to_owned), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_makes_it_panic(text in "\\PC{0,80}") {
            let _ = read(&text, "MZ1");
        }
    }
}
