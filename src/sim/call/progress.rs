//! The events of a call that goes out: who is told of which, with which number, and what it says.

use std::time::{Duration, SystemTime};

use super::{Call, Callback, resolve};
use crate::sim::date::rfc2822;

/// Who is told of which events; by default nobody.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    callback: Option<(String, String)>,
    events: Vec<String>,
    sequence: u32,
}

impl Progress {
    /// Takes an address with its method, and the events that are to be told of.
    pub(super) fn new(callback: Option<(String, String)>, events: Vec<String>) -> Progress {
        Progress {
            callback,
            events,
            sequence: 0,
        }
    }

    /// Returns where and how an event is to be told, with its number; nothing where nobody asked for it.
    pub(super) fn next(&mut self, event: &str) -> Option<(String, String, u32)> {
        let (url, method) = self.callback.clone()?;
        if !self.events.iter().any(|wanted| wanted == event) {
            return None;
        }
        let number = self.sequence;
        self.sequence += 1;
        Some((url, method, number))
    }
}

/// What an event is about.
pub(super) struct About<'a> {
    pub(super) account_sid: &'a str,
    pub(super) call_sid: &'a str,
    pub(super) parent: Option<&'a str>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) direction: &'a str,
    pub(super) status: &'a str,
    /// How long they talked, once it is over.
    pub(super) talked: Option<Duration>,
}

impl About<'_> {
    /// Returns the parameters that tell of it.
    pub(super) fn params(&self, number: u32) -> Vec<(String, String)> {
        let number = number.to_string();
        let now = rfc2822(SystemTime::now());
        let mut params = vec![
            ("AccountSid", self.account_sid),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", self.call_sid),
            ("CallStatus", self.status),
            ("CallbackSource", "call-progress-events"),
            ("Called", self.to),
            ("Caller", self.from),
            ("Direction", self.direction),
            ("From", self.from),
            ("SequenceNumber", &number),
            ("Timestamp", &now),
            ("To", self.to),
        ];
        params.extend(self.parent.map(|parent| ("ParentCallSid", parent)));
        let duration = self.talked.map(|talked| talked.as_secs().to_string());
        if let Some(duration) = &duration {
            params.push(("CallDuration", duration));
            params.push(("SipResponseCode", sip_code(self.status)));
        }
        let owned = params.into_iter();
        owned
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Returns the SIP response that a call ended with (RFC 3261, section 21).
fn sip_code(status: &str) -> &'static str {
    match status {
        "busy" => "486",
        "failed" => "404",
        "no-answer" | "canceled" => "487",
        _ => "200",
    }
}

impl Call {
    /// Tells of an event of this call, where somebody asked for it.
    pub(super) fn tell_progress(&mut self, event: &str) {
        let Some((url, method, number)) = self.progress.next(event) else {
            return;
        };
        let about = About {
            account_sid: &self.account_sid,
            call_sid: &self.report.call_sid,
            parent: None,
            from: &self.from,
            to: &self.to,
            direction: self.direction,
            status: if event == "initiated" {
                event
            } else {
                self.status
            },
            talked: (event == "completed")
                .then(|| self.answered.map(|at| at.elapsed()).unwrap_or_default()),
        };
        // The teller lives as long as the call.
        let _ = self.callbacks.send(Callback {
            url: resolve(&self.poster.lines().public(), &url),
            method,
            params: about.params(number),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_events_that_were_asked_for_are_told_and_numbered() {
        let callback = Some(("/s".to_owned(), "POST".to_owned()));
        let events = ["ringing", "completed"].map(str::to_owned).into();
        let mut progress = Progress::new(callback, events);
        let numbers = ["initiated", "ringing", "answered", "completed"]
            .map(|event| progress.next(event).map(|(_, _, number)| number));
        assert_eq!(numbers, [None, Some(0), None, Some(1)]);
        assert_eq!(Progress::default().next("completed"), None);
    }
}
