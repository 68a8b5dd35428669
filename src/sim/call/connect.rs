//! `<Connect><Stream>`: what is checked before a stream is opened, the events that tell of it, and what comes after it.

use std::time::SystemTime;

use url::Url;

use super::{Call, Callback, Ended, Flow, resolve};
use crate::sim::date::iso8601;
use crate::sim::media::{self, Opening, StreamEnd};
use crate::sim::rest::Steer;
use crate::sim::sid;
use crate::sim::twiml::Element;
use crate::sim::words::Speech;

impl Call {
    /// Connects a stream, and follows the action afterwards.
    pub(super) async fn connect(&mut self, verb: &Element, base: &str) -> Flow {
        let Some(stream) = verb.child("Stream") else {
            if verb.children.is_empty() {
                self.report.warn(12200, "<Connect> connects to nothing");
            }
            return Flow::Next;
        };
        let stream_sid = sid("MZ");
        let (end, error) = match self.opening(stream, &stream_sid, base) {
            Err((code, text)) => {
                self.report.warn(code, text.clone());
                (StreamEnd::Refused, Some(text))
            }
            Ok(opening) => {
                let started = self.stream_event(stream, &stream_sid, "stream-started", None);
                let callbacks = self.callbacks.clone();
                let before = self.report.warnings.len();
                let end = media::run(
                    opening,
                    &mut self.caller,
                    &mut self.listed.steered,
                    &mut self.report,
                    || {
                        if let Some(started) = started {
                            // The teller lives as long as the call.
                            let _ = callbacks.send(started);
                        }
                    },
                )
                .await;
                let refused = matches!(end, StreamEnd::Refused);
                let error = self.report.warnings.get(before).filter(|_| refused);
                let error = error.map(|warning| warning.to_string());
                (end, error)
            }
        };
        self.misbehaviour = None;
        let event = match error {
            Some(_) => "stream-error",
            None => "stream-stopped",
        };
        if let Some(told) = self.stream_event(stream, &stream_sid, event, error) {
            let _ = self.callbacks.send(told);
        }
        let action = verb.attribute("action").map(|url| resolve(base, url));
        let method = verb.attribute("method").unwrap_or("POST").to_owned();
        match end {
            StreamEnd::HungUp | StreamEnd::Steered(Steer::HangUp) => {
                self.hung_up(action.map(|url| (url, method)), &[]).await;
                Flow::End(Ended::CallerHungUp)
            }
            StreamEnd::TooLong => {
                self.hung_up(action.map(|url| (url, method)), &[]).await;
                Flow::End(Ended::TooLong)
            }
            StreamEnd::Steered(steer) => self.steered(steer),
            StreamEnd::Closed | StreamEnd::Refused => match action {
                Some(url) => Flow::Fetch {
                    url,
                    method,
                    extra: Vec::new(),
                },
                None => Flow::Next,
            },
        }
    }

    /// Checks a `<Stream>` as the carrier does, and prepares what opening it takes.
    fn opening(
        &mut self,
        stream: &Element,
        stream_sid: &str,
        base: &str,
    ) -> Result<Opening, (u32, String)> {
        let written = stream.attribute("url").unwrap_or_default();
        let public = absolute(base, written);
        let mut url = Url::parse(&public)
            .ok()
            .filter(|_| !public.contains(char::is_whitespace))
            .ok_or_else(|| {
                (
                    31923,
                    format!("the stream's address `{public}` is malformed"),
                )
            })?;
        let lines = self.poster.lines();
        let on_this_machine = lines.takes_plain() && lines.is_ours(&url);
        match url.scheme() {
            "wss" => {}
            "ws" if on_this_machine => {}
            other => {
                let text = format!("the stream's address begins with {other}, where wss should be");
                return Err((31922, text));
            }
        }
        let mut shown = public.clone();
        if url.query().is_some() {
            url.set_query(None);
            shown = url.as_str().to_owned();
            self.report.warn(
                31920,
                "the stream's address has a query, which the carrier drops",
            );
        }
        if stream
            .attribute("track")
            .is_some_and(|track| track != "inbound_track")
        {
            let text = "a stream inside <Connect> has the inbound track only".to_owned();
            return Err((31941, text));
        }
        let parameters = stream.parameters();
        if let Some((name, _)) = parameters
            .iter()
            .find(|(name, value)| name.chars().count() + value.chars().count() >= 500)
        {
            self.report.warn(
                12200,
                format!("the parameter `{name}` has 500 characters or more"),
            );
        }
        let mut named = self.poster.lines().headers(&url);
        named.push(("X-Twilio-Signature", self.poster.signature(&shown, &[])));
        Ok(Opening {
            dialled: self.poster.lines().dialled(&shown),
            named,
            public: shown,
            parameters,
            speech: Speech::new(&self.account_sid, &self.report.call_sid, stream_sid),
            misbehaviour: self.misbehaviour,
            network: self.network.clone(),
            began: self.began,
            deadline: self.deadline,
        })
    }

    /// Makes the callback that tells of a stream; nothing where nobody asked for it.
    fn stream_event(
        &self,
        stream: &Element,
        stream_sid: &str,
        event: &str,
        error: Option<String>,
    ) -> Option<Callback> {
        let url = stream.attribute("statusCallback")?.to_owned();
        let method = stream.attribute("statusCallbackMethod").unwrap_or("POST");
        let mut params: Vec<(String, String)> = [
            ("AccountSid", self.account_sid.as_str()),
            ("CallSid", &self.report.call_sid),
            ("StreamSid", stream_sid),
            ("StreamName", stream.attribute("name").unwrap_or(stream_sid)),
            ("StreamEvent", event),
            ("Timestamp", &iso8601(SystemTime::now())),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        params.extend(error.map(|error| ("StreamError".to_owned(), error)));
        Some(Callback {
            url,
            method: method.to_owned(),
            params,
        })
    }
}

/// Reads a stream's address; a relative one stands on the document's, with a websocket's scheme.
fn absolute(base: &str, written: &str) -> String {
    if written.is_empty() || written.contains(char::is_whitespace) || Url::parse(written).is_ok() {
        return written.to_owned();
    }
    let whole = resolve(base, written);
    match whole.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(_) | None => whole,
    }
}
