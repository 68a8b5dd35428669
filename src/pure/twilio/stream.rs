//! Media Streams messages: text to [`StreamMessage`], [`StreamCommand`] to text.
//!
//! Inwards we are tolerant: unknown keys are ignored, numbers may come as text or as numbers (Twilio quotes most of
//! them, not all). Outwards we are exact to the key: Twilio drops a message with one key too many, and says so only in
//! its own log (warning 31951). See <https://www.twilio.com/docs/voice/media-streams/websocket-messages>.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};

use super::form::is_sid;
use crate::pure::audio::FRAME_LEN;
use crate::pure::ids::LegId;

/// The most sound that one message may bring, in bytes of mu-law: 8 s.
pub const MAX_PAYLOAD: usize = 64 * 1024;

/// The largest timestamp that is believed, in ms: a week. A call of Twilio's lasts a day at most.
const MAX_TIMESTAMP_MS: u64 = 7 * 24 * 3_600_000;

/// Base64 with or without its padding: Twilio pads, and we have no reason to insist.
const PAYLOAD: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a message could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// It is no JSON object with an `event`, or a key that we need is of another type.
    #[error("the message is not the JSON that Media Streams speaks")]
    NotJson,
    /// Something that the event needs is missing.
    #[error("the message has no usable {0}")]
    Missing(&'static str),
    /// The payload is longer than [`MAX_PAYLOAD`].
    #[error("the payload is longer than 64 KiB")]
    TooLong,
}

/// One message of the carrier, borrowed from its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamMessage<'a> {
    /// Its number within the stream, from 1; `connected` has none.
    pub sequence: Option<u64>,
    /// The stream's name at the carrier; `connected` has none.
    pub stream_sid: Option<Cow<'a, str>>,
    /// What it says.
    pub event: StreamEvent<'a>,
}

/// What the carrier says on a media socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamEvent<'a> {
    /// The socket is open.
    Connected,
    /// The stream begins.
    Start(Start<'a>),
    /// Sound.
    Media(Media<'a>),
    /// The far end pressed a key: `0`-`9`, `*`, `#`, `A`-`D`.
    Dtmf(char),
    /// All sound before the mark of this name was played, or cleared.
    Mark(Cow<'a, str>),
    /// The stream is over.
    Stop,
    /// An event that we do not know: Twilio may add some.
    Unknown,
}

/// How a stream begins.
#[derive(Clone, Eq, PartialEq)]
pub struct Start<'a> {
    /// The stream's name at the carrier.
    pub stream_sid: StreamSid,
    /// The leg it belongs to.
    pub leg: LegId,
    /// Whether the sound is mu-law at 8 kHz in one channel, the only one we speak; else what it is.
    pub format: Result<(), OtherFormat>,
    /// The parameter `token`, where our document's came back.
    pub token: Option<Cow<'a, str>>,
}

impl fmt::Debug for Start<'_> {
    /// Prints all but the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("stream_sid", &self.stream_sid)
            .field("leg", &self.leg)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// A sound format that we do not speak; the text is the carrier's, at most 40 characters.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the stream has {encoding:?} at {rate} Hz in {channels} channels, not audio/x-mulaw at 8000 Hz in 1"
)]
pub struct OtherFormat {
    encoding: String,
    rate: u64,
    channels: u64,
}

/// A piece of sound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Media<'a> {
    /// Whether it comes from the far end (`inbound`), the only side that such a stream brings.
    pub from_far_end: bool,
    /// When it belongs, in ms since the stream began; nothing where that is missing or absurd.
    pub timestamp_ms: Option<u64>,
    /// The sound, still in base64; [`decode_payload`] reads it.
    pub payload: Cow<'a, str>,
}

/// A stream's name at the carrier, `[A-Za-z0-9_-]{1,64}`: safe between quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StreamSid(String);

impl StreamSid {
    /// Reads a StreamSid, or nothing where it is not plausible.
    #[must_use]
    pub fn parse(text: &str) -> Option<StreamSid> {
        is_sid(text).then(|| StreamSid(text.to_owned()))
    }

    /// Returns it as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What we say on a media socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StreamCommand<'a> {
    /// Play this after what is queued.
    Media(&'a [u8; FRAME_LEN]),
    /// Say this name when all that is queued has been played.
    Mark(&'a str),
    /// Throw away what is queued.
    Clear,
}

impl StreamCommand<'_> {
    /// Writes the message, exact to the key.
    #[must_use]
    pub fn encode(&self, stream: &StreamSid) -> String {
        let sid = &stream.0;
        match self {
            StreamCommand::Media(ulaw) => {
                // 216 characters of base64 and 58 of frame around it.
                let mut text = String::with_capacity(sid.len() + 280);
                text.push_str(r#"{"event":"media","streamSid":""#);
                text.push_str(sid);
                text.push_str(r#"","media":{"payload":""#);
                STANDARD.encode_string(ulaw, &mut text);
                text.push_str(r#""}}"#);
                text
            }
            StreamCommand::Mark(name) => {
                let name = serde_json::Value::from(*name);
                format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":{name}}}}}"#)
            }
            StreamCommand::Clear => format!(r#"{{"event":"clear","streamSid":"{sid}"}}"#),
        }
    }
}

/// Reads one message.
///
/// # Errors
/// [`StreamError`] says what is wrong with it; the stream can go on.
pub fn decode(text: &str) -> Result<StreamMessage<'_>, StreamError> {
    let raw: RawMessage<'_> = serde_json::from_str(text).map_err(|_| StreamError::NotJson)?;
    let event = match &*raw.event {
        "connected" => StreamEvent::Connected,
        "start" => StreamEvent::Start(start(
            raw.start.ok_or(StreamError::Missing("start"))?,
            raw.stream_sid.as_ref(),
        )?),
        "media" => {
            let media = raw.media.ok_or(StreamError::Missing("media"))?;
            StreamEvent::Media(Media {
                from_far_end: media.track.is_none_or(|track| &*track.0 == "inbound"),
                timestamp_ms: media
                    .timestamp
                    .map(|Number(ms)| ms)
                    .filter(|ms| *ms <= MAX_TIMESTAMP_MS),
                payload: media.payload,
            })
        }
        "dtmf" => {
            let dtmf = raw.dtmf.ok_or(StreamError::Missing("dtmf"))?;
            StreamEvent::Dtmf(key(&dtmf.digit).ok_or(StreamError::Missing("digit"))?)
        }
        "mark" => StreamEvent::Mark(raw.mark.ok_or(StreamError::Missing("mark"))?.name),
        "stop" => StreamEvent::Stop,
        _ => StreamEvent::Unknown,
    };
    Ok(StreamMessage {
        sequence: raw.sequence_number.map(|Number(n)| n),
        stream_sid: raw.stream_sid.map(|Text(sid)| sid),
        event,
    })
}

/// Decodes a payload into `ulaw`, which is emptied first.
///
/// # Errors
/// [`StreamError::TooLong`] above [`MAX_PAYLOAD`], [`StreamError::Missing`] for what is no base64.
pub fn decode_payload(payload: &str, ulaw: &mut Vec<u8>) -> Result<(), StreamError> {
    ulaw.clear();
    if payload.len() > MAX_PAYLOAD.div_ceil(3) * 4 {
        return Err(StreamError::TooLong);
    }
    PAYLOAD
        .decode_vec(payload, ulaw)
        .map_err(|_| StreamError::Missing("payload"))?;
    if ulaw.len() > MAX_PAYLOAD {
        return Err(StreamError::TooLong);
    }
    Ok(())
}

fn start<'a>(raw: RawStart<'a>, top: Option<&Text<'a>>) -> Result<Start<'a>, StreamError> {
    let sid = raw.stream_sid.as_ref().or(top);
    let format = raw.media_format.unwrap_or_default();
    let (encoding, rate, channels) = (
        format.encoding.map_or(Cow::Borrowed(""), |Text(t)| t),
        format.sample_rate.map_or(0, |Number(n)| n),
        format.channels.map_or(0, |Number(n)| n),
    );
    Ok(Start {
        stream_sid: sid
            .and_then(|Text(sid)| StreamSid::parse(sid))
            .ok_or(StreamError::Missing("streamSid"))?,
        leg: super::form::leg_id(&raw.call_sid).ok_or(StreamError::Missing("callSid"))?,
        format: if encoding == "audio/x-mulaw" && rate == 8000 && channels == 1 {
            Ok(())
        } else {
            Err(OtherFormat {
                encoding: encoding.chars().take(40).collect(),
                rate,
                channels,
            })
        },
        token: raw.custom_parameters.and_then(|p| p.token).map(|Text(t)| t),
    })
}

fn key(digit: &str) -> Option<char> {
    let mut chars = digit.chars();
    let key = chars.next()?.to_ascii_uppercase();
    let known = matches!(key, '0'..='9' | '*' | '#' | 'A'..='D');
    (known && chars.next().is_none()).then_some(key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMessage<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    sequence_number: Option<Number>,
    #[serde(borrow)]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    start: Option<RawStart<'a>>,
    #[serde(borrow)]
    media: Option<RawMedia<'a>>,
    #[serde(borrow)]
    dtmf: Option<RawDtmf<'a>>,
    #[serde(borrow)]
    mark: Option<RawMark<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStart<'a> {
    #[serde(borrow)]
    stream_sid: Option<Text<'a>>,
    #[serde(borrow)]
    call_sid: Cow<'a, str>,
    #[serde(borrow)]
    media_format: Option<RawFormat<'a>>,
    #[serde(borrow)]
    custom_parameters: Option<RawParameters<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFormat<'a> {
    #[serde(borrow)]
    encoding: Option<Text<'a>>,
    sample_rate: Option<Number>,
    channels: Option<Number>,
}

#[derive(Deserialize)]
struct RawParameters<'a> {
    #[serde(borrow)]
    token: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct RawMedia<'a> {
    #[serde(borrow)]
    track: Option<Text<'a>>,
    timestamp: Option<Number>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawDtmf<'a> {
    #[serde(borrow)]
    digit: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RawMark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Text that borrows inside an `Option`, which a plain `Cow` does not.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A whole number, whether it is quoted or not.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, quoted or not")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(E::custom)
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Number, E> {
                Err(E::custom(number))
            }
        }
        deserializer
            .deserialize_any(NumberVisitor)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: &str = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"abc","other":"x"}}}"#;
    const MEDIA: &str = r#"{"event":"media","sequenceNumber":"4","streamSid":"MZ1","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"/39/"}}"#;

    fn event(text: &str) -> StreamEvent<'_> {
        decode(text).expect("readable").event
    }

    fn media(text: &str) -> Media<'_> {
        let StreamEvent::Media(media) = event(text) else {
            panic!("sound is read as sound");
        };
        media
    }

    #[test]
    fn the_first_message_has_neither_number_nor_name() {
        let message = decode(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
        let expected = StreamMessage {
            sequence: None,
            stream_sid: None,
            event: StreamEvent::Connected,
        };
        assert_eq!(message, Ok(expected));
    }

    #[test]
    fn a_start_names_stream_leg_format_and_token() {
        let message = decode(START).expect("readable");
        let start = Start {
            stream_sid: StreamSid("MZ1".to_owned()),
            leg: LegId::new("CA1"),
            format: Ok(()),
            token: Some(Cow::Borrowed("abc")),
        };
        assert_eq!(message.sequence, Some(1));
        assert_eq!(message.event, StreamEvent::Start(start));
    }

    #[test]
    fn another_sound_format_is_told_by_what_it_is() {
        for (from, to) in [
            ("audio/x-mulaw", "audio/x-alaw"),
            ("8000", "16000"),
            (r#""channels":1"#, r#""channels":2"#),
            (r#""mediaFormat""#, r#""otherFormat""#),
        ] {
            let text = START.replace(from, to);
            let StreamEvent::Start(start) = event(&text) else {
                panic!("a start is read as one");
            };
            let why = start.format.expect_err(&text).to_string();
            assert!(why.contains("not audio/x-mulaw at 8000 Hz in 1"), "{why}");
        }
    }

    #[test]
    fn a_token_does_not_print() {
        assert!(!format!("{:?}", event(START)).contains("abc"));
    }

    #[test]
    fn sound_is_borrowed_from_its_message() {
        let media = media(MEDIA);
        assert!(media.from_far_end);
        assert_eq!(media.timestamp_ms, Some(5));
        assert!(matches!(media.payload, Cow::Borrowed("/39/")));
        let mut ulaw = vec![9];
        assert_eq!(decode_payload(&media.payload, &mut ulaw), Ok(()));
        assert_eq!(ulaw, [0xff, 0x7f, 0x7f]);
    }

    #[test]
    fn escapes_numbers_without_quotes_and_unknown_keys_are_read_too() {
        let text = r#"{"zzz":[{}],"event":"m\u0065dia","sequenceNumber":4,"media":{"timestamp":5,"payload":"\/39\/"}}"#;
        let media = media(text);
        assert_eq!(media.payload, "/39/");
        assert_eq!(media.timestamp_ms, Some(5));
        assert!(media.from_far_end);
    }

    #[test]
    fn our_own_side_of_the_call_is_told_apart() {
        assert!(!media(&MEDIA.replace("inbound", "outbound")).from_far_end);
    }

    #[test]
    fn an_absurd_timestamp_is_none() {
        for absurd in ["604800001", "18446744073709551615"] {
            let text = MEDIA.replace(r#""5""#, &format!("\"{absurd}\""));
            assert_eq!(media(&text).timestamp_ms, None);
        }
    }

    #[test]
    fn a_key_is_one_of_sixteen() {
        let pressed = |key: &str| {
            let text =
                format!(r#"{{"event":"dtmf","dtmf":{{"track":"inbound_track","digit":"{key}"}}}}"#);
            decode(&text).map(|message| {
                let StreamEvent::Dtmf(key) = message.event else {
                    panic!("a key is read as a key");
                };
                key
            })
        };
        for known in "0123456789*#ABCD".chars() {
            assert_eq!(pressed(&known.to_string()), Ok(known));
        }
        assert_eq!(pressed("a"), Ok('A'));
        for unknown in ["", "E", "11", "ë"] {
            assert_eq!(pressed(unknown), Err(StreamError::Missing("digit")));
        }
    }

    #[test]
    fn a_mark_and_a_stop_are_read() {
        let mark =
            r#"{"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"my label"}}"#;
        assert_eq!(event(mark), StreamEvent::Mark(Cow::Borrowed("my label")));
        let stop = r#"{"event":"stop","sequenceNumber":"5","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#;
        assert_eq!(event(stop), StreamEvent::Stop);
    }

    #[test]
    fn every_fault_is_told_by_its_name() {
        for (text, error) in [
            ("", StreamError::NotJson),
            ("[]", StreamError::NotJson),
            ("{}", StreamError::NotJson),
            (r#"{"event":7}"#, StreamError::NotJson),
            (
                r#"{"event":"media","sequenceNumber":"x"}"#,
                StreamError::NotJson,
            ),
            (r#"{"event":"media"}"#, StreamError::Missing("media")),
            (r#"{"event":"start"}"#, StreamError::Missing("start")),
            (
                r#"{"event":"start","start":{"callSid":"CA1"}}"#,
                StreamError::Missing("streamSid"),
            ),
            (
                r#"{"event":"start","streamSid":"a\"b","start":{"callSid":"CA1"}}"#,
                StreamError::Missing("streamSid"),
            ),
            (
                r#"{"event":"start","streamSid":"MZ1","start":{"callSid":""}}"#,
                StreamError::Missing("callSid"),
            ),
        ] {
            assert_eq!(decode(text), Err(error), "{text}");
        }
    }

    #[test]
    fn an_unknown_event_is_read_with_its_number() {
        let message = decode(r#"{"event":"levitate","sequenceNumber":"7"}"#).expect("readable");
        assert_eq!(
            (message.sequence, message.event),
            (Some(7), StreamEvent::Unknown)
        );
    }

    #[test]
    fn sound_of_64_kib_is_read_and_a_byte_more_is_not() {
        let mut ulaw = Vec::new();
        assert_eq!(
            decode_payload(&STANDARD.encode(vec![7; MAX_PAYLOAD]), &mut ulaw),
            Ok(())
        );
        assert_eq!(ulaw.len(), MAX_PAYLOAD);
        for more in [1, 2, 3, 200_000] {
            let payload = STANDARD.encode(vec![7; MAX_PAYLOAD + more]);
            assert_eq!(
                decode_payload(&payload, &mut ulaw),
                Err(StreamError::TooLong),
                "{more}"
            );
        }
    }

    #[test]
    fn base64_is_read_with_and_without_padding_and_nothing_else_is() {
        let mut ulaw = Vec::new();
        for payload in ["/w==", "/w"] {
            assert_eq!(decode_payload(payload, &mut ulaw), Ok(()));
            assert_eq!(ulaw, [0xff]);
        }
        for wrong in ["/", "_w==", "é", "/w== "] {
            assert_eq!(
                decode_payload(wrong, &mut ulaw),
                Err(StreamError::Missing("payload"))
            );
        }
    }

    #[test]
    fn what_we_say_is_exact_to_the_key() {
        let sid = StreamSid::parse("MZ1").expect("plausible");
        let payload = STANDARD.encode([0xff; FRAME_LEN]);
        assert_eq!(
            StreamCommand::Media(&[0xff; FRAME_LEN]).encode(&sid),
            format!(r#"{{"event":"media","streamSid":"MZ1","media":{{"payload":"{payload}"}}}}"#)
        );
        assert_eq!(
            StreamCommand::Mark("a \"b\"\n").encode(&sid),
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"a \"b\"\n"}}"#
        );
        assert_eq!(
            StreamCommand::Clear.encode(&sid),
            r#"{"event":"clear","streamSid":"MZ1"}"#
        );
    }

    #[test]
    fn a_message_with_sound_fits_the_room_made_for_it() {
        let sid = StreamSid::parse(&"M".repeat(34)).expect("plausible");
        let text = StreamCommand::Media(&[0; FRAME_LEN]).encode(&sid);
        assert!(text.len() <= 34 + 280, "{}", text.len());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            prop_assert!(decode(&text).is_err());
        }

        #[test]
        fn every_prefix_and_every_changed_byte_is_read_or_refused(
            cut in 0_usize..300,
            at in 0_usize..300,
            byte in any::<u8>(),
        ) {
            for whole in [START, MEDIA] {
                let cut = cut.min(whole.len());
                if cut < whole.len() {
                    prop_assert_eq!(decode(&whole[..cut]), Err(StreamError::NotJson));
                }
                let mut changed = whole.as_bytes().to_vec();
                changed[at % whole.len()] = byte;
                if let Ok(text) = std::str::from_utf8(&changed) {
                    drop(decode(text));
                }
            }
        }

        #[test]
        fn sound_goes_there_and_back(ulaw in any::<[u8; FRAME_LEN]>(), sid in "[A-Za-z0-9_-]{1,64}") {
            let sid = StreamSid::parse(&sid).expect("plausible");
            let text = StreamCommand::Media(&ulaw).encode(&sid);
            let message = decode(&text).expect("readable");
            prop_assert_eq!(message.stream_sid.as_deref(), Some(sid.as_str()));
            let StreamEvent::Media(media) = message.event else {
                panic!("sound is read as sound");
            };
            let mut back = Vec::new();
            prop_assert_eq!(decode_payload(&media.payload, &mut back), Ok(()));
            prop_assert_eq!(back, ulaw);
        }
    }
}
