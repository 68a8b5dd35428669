//! What a stream does wrong on request.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::{FRAME_MS, Leg, StreamEnd};
use crate::pure::audio::g711;
use crate::sim::fault::Misbehaviour;
use crate::sim::sid;
use crate::sim::socket::{self, Ends};
use crate::sim::words::Speech;

/// The frame at which faults of a running stream come: a second into it.
pub(super) const FAULT_AT: u64 = 50;

impl Leg<'_> {
    /// Sends a media message, as a fault would have it.
    pub(super) fn deliver(&mut self, media: String) {
        let in_second = (FAULT_AT..2 * FAULT_AT).contains(&self.tick);
        match self.opening.misbehaviour {
            Some(Misbehaviour::Duplicates) if in_second => {
                self.send_media(media.clone());
                self.send_media(media);
            }
            Some(Misbehaviour::OutOfOrder) if in_second && self.tick.is_multiple_of(2) => {
                self.held.push(media);
            }
            Some(Misbehaviour::Stall(time))
                if self.tick >= FAULT_AT
                    && (self.tick - FAULT_AT) * FRAME_MS
                        < u64::try_from(time.as_millis()).unwrap_or(u64::MAX) =>
            {
                self.held.push(media);
            }
            Some(Misbehaviour::Stall(_)) => {
                for late in std::mem::take(&mut self.held) {
                    self.send_media(late);
                }
                self.send_media(media);
            }
            Some(
                Misbehaviour::Reset
                | Misbehaviour::HalfClose
                | Misbehaviour::Garbage
                | Misbehaviour::Binary
                | Misbehaviour::TruncatedJson
                | Misbehaviour::Oversized
                | Misbehaviour::Duplicates
                | Misbehaviour::OutOfOrder
                | Misbehaviour::WrongFormat
                | Misbehaviour::NoStart
                | Misbehaviour::WrongToken
                | Misbehaviour::SilentLine
                | Misbehaviour::StopWithoutClose
                | Misbehaviour::TwoSocketsOneToken
                | Misbehaviour::NeverReads
                | Misbehaviour::WebhookTwice,
            )
            | None => {
                self.send_media(media);
                for late in std::mem::take(&mut self.held) {
                    self.send_media(late);
                }
            }
        }
    }

    /// Does what was asked for a second into the stream; some of it ends the stream.
    pub(super) fn misbehave(&mut self) -> Option<StreamEnd> {
        match self.opening.misbehaviour? {
            Misbehaviour::Reset | Misbehaviour::HalfClose => return Some(StreamEnd::Closed),
            Misbehaviour::Garbage => self.send("this is no JSON".to_owned()),
            Misbehaviour::Binary => self.post(Message::binary(vec![0u8; 160])),
            Misbehaviour::TruncatedJson => {
                self.send(r#"{"event":"media","sequenceNumber":"51","media":{"pay"#.to_owned());
            }
            Misbehaviour::Oversized => {
                let much = self
                    .opening
                    .speech
                    .media(self.tick * FRAME_MS, &vec![g711::SILENCE; 1 << 20]);
                self.send(much);
            }
            Misbehaviour::TwoSocketsOneToken => self.second = Some(self.intrude()),
            Misbehaviour::Duplicates
            | Misbehaviour::OutOfOrder
            | Misbehaviour::Stall(_)
            | Misbehaviour::WrongFormat
            | Misbehaviour::NoStart
            | Misbehaviour::WrongToken
            | Misbehaviour::SilentLine
            | Misbehaviour::StopWithoutClose
            | Misbehaviour::NeverReads
            | Misbehaviour::WebhookTwice => {}
        }
        None
    }

    /// Opens a second socket with the same parameters, and watches for three seconds what becomes of it.
    fn intrude(&self) -> JoinHandle<String> {
        let (dialled, public, named) = (
            self.opening.dialled.clone(),
            self.opening.public.clone(),
            self.opening.named.clone(),
        );
        let speech = &self.opening.speech;
        let mut speech = Speech::new(&speech.account_sid, &speech.call_sid, &sid("MZ"));
        let parameters = self.opening.parameters.clone();
        tokio::spawn(async move {
            let mut socket = match socket::open(&dialled, &public, &named, Ends::default()).await {
                Ok(socket) => socket,
                Err(refused) => return format!("the second socket was refused: {refused}"),
            };
            let start = speech.start(&parameters, "audio/x-mulaw", 8_000);
            for text in [Speech::connected(), start] {
                if socket.sink.send(Message::text(text)).await.is_err() {
                    return "the second socket was closed".to_owned();
                }
            }
            let mut frames = 0;
            let watching = async {
                while let Some(Ok(message)) = socket.stream.next().await {
                    frames += u32::from(message.is_text());
                    if message.is_close() {
                        return;
                    }
                }
            };
            match timeout(Duration::from_secs(3), watching).await {
                Ok(()) => format!("the second socket was closed after {frames} messages"),
                Err(_) => format!("the second socket was left open, with {frames} messages"),
            }
        })
    }
}
