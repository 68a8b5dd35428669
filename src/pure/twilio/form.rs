//! What a webhook says: a form body, read into what the phone understands.
//!
//! Unknown parameters and unknown values are tolerated, since the carrier adds new ones without notice. What decides who
//! may do what is read strictly: a browser can add parameters of its own to a call that it makes, so a name that stands
//! there twice with different values is no name at all.

use crate::pure::ids::{CallId, LegId, Party};
use crate::pure::phone::{Ask, Caller, DialOutcome, LegStatus};

/// Why a form cannot be acted on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FormError {
    /// `CallSid` is missing or is not 1 to 64 letters, digits, dashes and underscores.
    #[error("the form names no call (CallSid)")]
    NoCall,
    /// A parameter stands there twice with different values.
    #[error("the form has two different values of {0}")]
    Ambiguous(&'static str),
}

/// The decoded parameters of a form body, in the order in which they came.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Decodes an `application/x-www-form-urlencoded` body. Every body decodes; what is no UTF-8 is replaced.
    #[must_use]
    pub fn decode(body: &[u8]) -> Form {
        Form(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Returns all parameters, for the check of the signature.
    #[must_use]
    pub fn params(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns the value of a parameter, if all its values are the same.
    fn one(&self, name: &'static str) -> Result<Option<&str>, FormError> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
        let Some(first) = values.next() else {
            return Ok(None);
        };
        if values.all(|value| value == first) {
            Ok(Some(first))
        } else {
            Err(FormError::Ambiguous(name))
        }
    }

    fn text(&self, name: &'static str) -> Result<&str, FormError> {
        Ok(self.one(name)?.unwrap_or_default())
    }

    /// Returns who or what a parameter names; two different values name nobody.
    fn named(&self, name: &'static str) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// Returns the leg that the form is about.
    ///
    /// # Errors
    /// [`FormError`] where there is none, or two.
    pub fn leg(&self) -> Result<LegId, FormError> {
        leg_id(self.text("CallSid")?).ok_or(FormError::NoCall)
    }
}

/// Reads a CallSid as loosely as is safe in a URL and in a log: `[A-Za-z0-9_-]{1,64}`.
#[must_use]
pub fn leg_id(text: &str) -> Option<LegId> {
    is_sid(text).then(|| LegId::new(text))
}

/// Reads our name for a call as loosely as a CallSid.
#[must_use]
pub fn call_id(text: &str) -> Option<CallId> {
    is_sid(text).then(|| CallId::new(text))
}

/// Says whether a text can be the carrier's name for something: `[A-Za-z0-9_-]{1,64}`.
pub(super) fn is_sid(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Reads the form of `/handle_calls`.
///
/// # Errors
/// [`FormError`].
pub fn incoming(form: &Form) -> Result<(LegId, Ask), FormError> {
    let ask = Ask::Incoming {
        from: Party::parse(form.named("From")),
        to: Party::parse(form.named("To")),
        // Whoever asks the phone knows.
        caller: Caller::default(),
    };
    Ok((form.leg()?, ask))
}

/// Reads the form of `/twiml/outgoing`.
///
/// The carrier writes who dials into `From` and again into `Caller`. Where the two differ, or one has two values, one of
/// them came from the browser itself; then nobody dials who is known to us, and whoever listens hears so.
///
/// # Errors
/// [`FormError`].
pub fn outgoing(form: &Form) -> Result<(LegId, Ask), FormError> {
    let from = form.named("From");
    let from = match form.one("Caller") {
        Ok(Some(caller)) if caller == from => Party::parse(from),
        Ok(None) => Party::parse(from),
        Ok(Some(_)) | Err(_) => Party::Other(String::new()),
    };
    let ask = Ask::Outgoing {
        from,
        to: form.named("To").to_owned(),
    };
    Ok((form.leg()?, ask))
}

/// Reads the form of `/twilio/after-stream`. A leg that says nothing of itself is taken to be up, since it asks.
///
/// # Errors
/// [`FormError`].
pub fn after_stream(form: &Form) -> Result<(LegId, Ask), FormError> {
    let leg_status = leg_status(form.text("CallStatus")?).unwrap_or(LegStatus::InProgress);
    Ok((form.leg()?, Ask::AfterStream { leg_status }))
}

/// Reads the form of `/twilio/after-dial`. An outcome that we do not know is a failure.
///
/// # Errors
/// [`FormError`].
pub fn after_dial(form: &Form) -> Result<(LegId, Ask), FormError> {
    let outcome = match form.text("DialCallStatus")? {
        "completed" | "answered" => DialOutcome::Completed,
        "busy" => DialOutcome::Busy,
        "no-answer" => DialOutcome::NoAnswer,
        "canceled" => DialOutcome::Canceled,
        _ => DialOutcome::Failed,
    };
    Ok((form.leg()?, Ask::AfterDial { outcome }))
}

/// Where a leg stands, as a status callback tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatusNews {
    /// Which leg.
    pub leg: LegId,
    /// The leg that dialled it, where it was dialled by one of our documents.
    pub parent: Option<LegId>,
    /// Where it stands; nothing where the carrier used a word that we do not know.
    pub status: Option<LegStatus>,
}

/// Reads the form of `/twilio/call-status`.
///
/// # Errors
/// [`FormError`].
pub fn call_status(form: &Form) -> Result<StatusNews, FormError> {
    Ok(StatusNews {
        leg: form.leg()?,
        parent: leg_id(form.text("ParentCallSid")?),
        status: leg_status(form.text("CallStatus")?),
    })
}

/// What a stream's status callback tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamNews {
    /// The carrier reached us.
    Started,
    /// It is over.
    Stopped,
    /// It failed, or never came up; the text is the carrier's own, at most 200 characters, without control characters.
    Failed(String),
    /// A word that we do not know.
    Unknown,
}

/// Reads the form of `/twilio/stream-status`.
///
/// # Errors
/// [`FormError`].
pub fn stream_status(form: &Form) -> Result<(LegId, StreamNews), FormError> {
    let news = match form.text("StreamEvent")? {
        "stream-started" => StreamNews::Started,
        "stream-stopped" => StreamNews::Stopped,
        "stream-error" => StreamNews::Failed(
            form.text("StreamError")?
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect(),
        ),
        _ => StreamNews::Unknown,
    };
    Ok((form.leg()?, news))
}

/// Reads the carrier's word for where a leg stands.
#[must_use]
pub fn leg_status(word: &str) -> Option<LegStatus> {
    Some(match word {
        "queued" | "initiated" => LegStatus::Queued,
        "ringing" => LegStatus::Ringing,
        "in-progress" => LegStatus::InProgress,
        "completed" => LegStatus::Completed,
        "busy" => LegStatus::Busy,
        "no-answer" => LegStatus::NoAnswer,
        "failed" => LegStatus::Failed,
        "canceled" => LegStatus::Canceled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pure::ids::{Identity, PhoneNumber};

    fn form(body: &str) -> Form {
        Form::decode(body.as_bytes())
    }

    fn number(text: &str) -> Party {
        Party::Number(PhoneNumber::parse(text).expect("valid"))
    }

    #[test]
    fn a_call_that_comes_in_is_read() {
        let asked = incoming(&form(
            "To=%2B18199754345&From=%2B18738402100&Direction=inbound&CallSid=test123",
        ));
        let ask = Ask::Incoming {
            from: number("+18738402100"),
            to: number("+18199754345"),
            caller: Caller::default(),
        };
        assert_eq!(asked, Ok((LegId::new("test123"), ask)));
    }

    #[test]
    fn a_caller_who_hides_is_kept_as_the_carrier_wrote_it() {
        let (_, ask) = incoming(&form("To=x&From=anonymous&CallSid=CA1")).expect("readable");
        let Ask::Incoming { from, .. } = ask else {
            panic!("an incoming call is read as one");
        };
        assert_eq!(from, Party::Other("anonymous".to_owned()));
    }

    #[test]
    fn a_browser_that_dials_is_read_with_whatever_it_dialled() {
        let asked = outgoing(&form(
            "Caller=client%3Akitchen&From=client%3Akitchen&To=hello+world&CallSid=CA1",
        ));
        let ask = Ask::Outgoing {
            from: Party::Client(Identity::parse("kitchen").expect("valid")),
            to: "hello world".to_owned(),
        };
        assert_eq!(asked, Ok((LegId::new("CA1"), ask)));
    }

    #[test]
    fn a_browser_cannot_pass_for_somebody_else() {
        let fooled = form("Caller=client%3Amallory&From=%2B18199754345&To=%2B1&CallSid=CA1");
        let (_, ask) = outgoing(&fooled).expect("readable");
        let nobody = Ask::Outgoing {
            from: Party::Other(String::new()),
            to: "+1".to_owned(),
        };
        assert_eq!(ask, nobody);
        for twice in [
            "From=client%3Amallory&From=%2B18199754345&CallSid=CA1",
            "From=&From=%2B18199754345&CallSid=CA1",
        ] {
            let (_, ask) = outgoing(&form(twice)).expect("readable");
            let nobody = Ask::Outgoing {
                from: Party::Other(String::new()),
                to: String::new(),
            };
            assert_eq!(ask, nobody, "{twice}");
        }
        let two_places =
            form("From=client%3Amallory&To=%2B15145550100&To=%2B19005550100&CallSid=CA1");
        let (_, ask) = outgoing(&two_places).expect("readable");
        assert!(matches!(ask, Ask::Outgoing { to, .. } if to.is_empty()));
        assert_eq!(
            outgoing(&form("CallSid=CA1&CallSid=CA2")),
            Err(FormError::Ambiguous("CallSid"))
        );
    }

    #[test]
    fn a_name_that_is_repeated_with_one_value_is_read() {
        assert!(incoming(&form("CallSid=CA1&From=a&From=a&To=b")).is_ok());
    }

    #[test]
    fn a_leg_needs_a_plausible_name() {
        for wrong in [
            "",
            "CallSid=",
            "CallSid=a%2Fb",
            "CallSid=a%00b",
            "CallSid=%C3%AB",
        ] {
            assert_eq!(form(wrong).leg(), Err(FormError::NoCall), "{wrong}");
        }
        assert_eq!(
            form(&format!("CallSid={}", "A".repeat(65))).leg(),
            Err(FormError::NoCall)
        );
        assert_eq!(form("CallSid=test-1_2").leg(), Ok(LegId::new("test-1_2")));
    }

    #[test]
    fn every_word_for_where_a_leg_stands_is_known() {
        let known = [
            ("queued", LegStatus::Queued),
            ("initiated", LegStatus::Queued),
            ("ringing", LegStatus::Ringing),
            ("in-progress", LegStatus::InProgress),
            ("completed", LegStatus::Completed),
            ("busy", LegStatus::Busy),
            ("no-answer", LegStatus::NoAnswer),
            ("failed", LegStatus::Failed),
            ("canceled", LegStatus::Canceled),
        ];
        for (word, status) in known {
            assert_eq!(leg_status(word), Some(status));
        }
        assert_eq!(leg_status("Completed"), None);
    }

    #[test]
    fn after_a_stream_a_leg_without_a_status_is_up() {
        let up = Ask::AfterStream {
            leg_status: LegStatus::InProgress,
        };
        for body in ["CallSid=CA1", "CallSid=CA1&CallStatus=levitating"] {
            assert_eq!(
                after_stream(&form(body)),
                Ok((LegId::new("CA1"), up.clone()))
            );
        }
        let over = Ask::AfterStream {
            leg_status: LegStatus::Completed,
        };
        assert_eq!(
            after_stream(&form("CallSid=CA1&CallStatus=completed")),
            Ok((LegId::new("CA1"), over))
        );
    }

    #[test]
    fn after_a_dial_what_is_unknown_is_a_failure() {
        for (word, outcome) in [
            ("completed", DialOutcome::Completed),
            ("answered", DialOutcome::Completed),
            ("busy", DialOutcome::Busy),
            ("no-answer", DialOutcome::NoAnswer),
            ("failed", DialOutcome::Failed),
            ("canceled", DialOutcome::Canceled),
            ("", DialOutcome::Failed),
            ("levitating", DialOutcome::Failed),
        ] {
            let read = after_dial(&form(&format!("CallSid=CA1&DialCallStatus={word}")));
            assert_eq!(read, Ok((LegId::new("CA1"), Ask::AfterDial { outcome })));
        }
    }

    #[test]
    fn a_status_names_its_leg_and_its_parent() {
        let news = call_status(&form(
            "CallSid=CA2&ParentCallSid=CA1&CallStatus=in-progress&SequenceNumber=2",
        ));
        let expected = StatusNews {
            leg: LegId::new("CA2"),
            parent: Some(LegId::new("CA1")),
            status: Some(LegStatus::InProgress),
        };
        assert_eq!(news, Ok(expected));
    }

    #[test]
    fn a_stream_that_failed_says_why_in_bounded_plain_text() {
        let error = format!(
            "CallSid=CA1&StreamEvent=stream-error&StreamError=a%0Ab{}",
            "c".repeat(999)
        );
        let (_, news) = stream_status(&form(&error)).expect("readable");
        let StreamNews::Failed(why) = news else {
            panic!("a failure is read as one");
        };
        assert!(why.starts_with("abccc"));
        assert_eq!(why.len(), 200);
        for (word, news) in [
            ("stream-started", StreamNews::Started),
            ("stream-stopped", StreamNews::Stopped),
            ("x", StreamNews::Unknown),
        ] {
            let read = stream_status(&form(&format!("CallSid=CA1&StreamEvent={word}")));
            assert_eq!(read, Ok((LegId::new("CA1"), news)));
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_are_read_or_refused(body in any::<Vec<u8>>()) {
            let form = Form::decode(&body);
            let legs = [
                incoming(&form).map(|(leg, _)| leg),
                outgoing(&form).map(|(leg, _)| leg),
                after_stream(&form).map(|(leg, _)| leg),
                after_dial(&form).map(|(leg, _)| leg),
                call_status(&form).map(|news| news.leg),
                stream_status(&form).map(|(leg, _)| leg),
            ];
            for leg in legs.into_iter().flatten() {
                prop_assert!(is_sid(leg.as_str()));
            }
        }

        #[test]
        fn what_was_encoded_is_decoded(pairs in any::<Vec<(String, String)>>()) {
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&pairs)
                .finish();
            let form = Form::decode(body.as_bytes());
            prop_assert_eq!(form.params(), &pairs[..]);
        }
    }
}
