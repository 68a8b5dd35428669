//! `POST Calls.json`: what is asked for, what Twilio refuses, and the troubles that a test wishes for.

use std::time::Duration;

use axum::http::StatusCode;

use super::{Form, MOST_INLINE, Refusal};
use crate::sim::far_end::TroubleKind;
use crate::sim::webhook::is_address;

/// Every parameter that the carrier knows; it passes over any other without a word.
const KNOWN: [&str; 36] = [
    "ApplicationSid",
    "AsyncAmd",
    "AsyncAmdStatusCallback",
    "AsyncAmdStatusCallbackMethod",
    "Byoc",
    "CallReason",
    "CallToken",
    "CallerId",
    "ClientNotificationUrl",
    "FallbackMethod",
    "FallbackUrl",
    "From",
    "MachineDetection",
    "MachineDetectionSilenceTimeout",
    "MachineDetectionSpeechEndThreshold",
    "MachineDetectionSpeechThreshold",
    "MachineDetectionTimeout",
    "Method",
    "Record",
    "RecordingChannels",
    "RecordingStatusCallback",
    "RecordingStatusCallbackEvent",
    "RecordingStatusCallbackMethod",
    "RecordingTrack",
    "SendDigits",
    "SipAuthPassword",
    "SipAuthUsername",
    "StatusCallback",
    "StatusCallbackEvent",
    "StatusCallbackMethod",
    "TimeLimit",
    "Timeout",
    "To",
    "Trim",
    "Twiml",
    "Url",
];

/// What an answered call begins with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::sim) enum First {
    /// A document that came along.
    Twiml(String),
    /// The document at an address.
    Url { url: String, method: String },
}

/// A call that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::sim) struct Order {
    pub(in crate::sim) to: String,
    pub(in crate::sim) from: String,
    pub(in crate::sim) first: First,
    /// Who is told of events, and how.
    pub(in crate::sim) callback: Option<(String, String)>,
    pub(in crate::sim) events: Vec<String>,
    pub(in crate::sim) timeout: Duration,
    pub(in crate::sim) time_limit: Duration,
    pub(in crate::sim) digits: Option<String>,
}

impl Order {
    /// Returns an address of the program that asked, to know where it is: of its callbacks, its document, or its stream.
    pub(in crate::sim) fn program(&self) -> Option<String> {
        let callback = self.callback.as_ref().map(|(url, _)| url.clone());
        callback.or_else(|| match &self.first {
            First::Url { url, .. } => Some(url.clone()),
            First::Twiml(twiml) => {
                let document = crate::sim::parse(twiml).ok()?;
                let stream = document.child("Connect")?.child("Stream")?;
                let (scheme, rest) = stream.attribute("url")?.split_once("://")?;
                let scheme = if scheme == "ws" { "http" } else { "https" };
                Some(format!("{scheme}://{rest}"))
            }
        })
    }
}

/// Returns the parameters that the carrier does not know.
pub(super) fn unknown(form: &Form) -> Vec<String> {
    let names = form.names();
    let unknown = names.filter(|name| !KNOWN.contains(name));
    unknown.map(str::to_owned).collect()
}

/// Reads what is asked for, and refuses what Twilio refuses. `own` are the account's numbers, where they are known.
pub(super) fn read(form: &Form, own: &[String]) -> Result<Order, Refusal> {
    let refused = |code, message: String| Refusal::new(StatusCode::BAD_REQUEST, code, message);
    let Some(to) = form.first("To") else {
        return Err(refused(21201, "No 'To' number is specified".to_owned()));
    };
    if !is_endpoint(to) {
        let message = format!("The phone number you are attempting to call, {to}, is not valid.");
        return Err(refused(21211, message));
    }
    let Some(from) = form.first("From") else {
        return Err(refused(21213, "No 'From' number is specified".to_owned()));
    };
    if !is_endpoint(from) {
        let message = format!("The phone number you provided as 'From', {from}, is not valid.");
        return Err(refused(21212, message));
    }
    let is_own = own.is_empty() || own.iter().any(|number| number == from);
    if from.starts_with('+') && !is_own {
        let message = format!(
            "The source phone number provided, {from}, is not yet verified for your account."
        );
        return Err(refused(21210, message));
    }
    let method = |name: &str| match form.first(name) {
        None => Ok("POST".to_owned()),
        Some(method @ ("GET" | "POST")) => Ok(method.to_owned()),
        Some(_) => Err(refused(21209, format!("{name} is neither GET nor POST"))),
    };
    let address = |name: &str| match form.first(name) {
        Some(url) if !is_address(url) => Err(refused(21205, format!("{name} is not a valid URL"))),
        url => Ok(url.map(str::to_owned)),
    };
    let first = match (address("Url")?, form.first("Twiml")) {
        // As documented, Twiml is passed over where there is a Url.
        (Some(url), _) => First::Url {
            url,
            method: method("Method")?,
        },
        (None, Some(twiml)) if twiml.chars().count() > MOST_INLINE => {
            return Err(refused(
                20001,
                "Twiml is longer than 4000 characters".to_owned(),
            ));
        }
        (None, Some(twiml)) => First::Twiml(twiml.to_owned()),
        (None, None) => {
            return Err(refused(21205, "Url parameter is required".to_owned()));
        }
    };
    let events: Vec<String> = form.all("StatusCallbackEvent").map(str::to_owned).collect();
    const EVENTS: [&str; 4] = ["initiated", "ringing", "answered", "completed"];
    if let Some(strange) = events
        .iter()
        .find(|event| !EVENTS.contains(&event.as_str()))
    {
        let message = format!("StatusCallbackEvent `{strange}` is no event; the key is repeated");
        return Err(refused(20001, message));
    }
    let seconds = |name: &str, usual: u64, most: u64, code: u32| match form.first(name) {
        None => Ok(Duration::from_secs(usual)),
        Some(text) => {
            let number = text.parse().ok().filter(|s| (1..=most).contains(s));
            let refusal = || refused(code, format!("{name} must be from 1 to {most} seconds"));
            number.map(Duration::from_secs).ok_or_else(refusal)
        }
    };
    let digits = form.first("SendDigits").map(str::to_owned);
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'w' | 'W' | 'A'..='D');
    if digits
        .as_ref()
        .is_some_and(|digits| digits.len() > 32 || !digits.chars().all(is_key))
    {
        return Err(refused(21206, "SendDigits is not valid".to_owned()));
    }
    let callback_method = method("StatusCallbackMethod")?;
    Ok(Order {
        to: to.to_owned(),
        from: from.to_owned(),
        first,
        callback: address("StatusCallback")?.map(|url| (url, callback_method)),
        events: match events.as_slice() {
            [] => vec!["completed".to_owned()],
            _ => events,
        },
        timeout: seconds("Timeout", 60, 600, 21208)?,
        time_limit: seconds("TimeLimit", 14_400, 86_400, 20001)?,
        digits,
    })
}

/// Says whether a call can lead there: a number in E.164, a client or a SIP address.
fn is_endpoint(text: &str) -> bool {
    match text.strip_prefix('+') {
        Some(digits) => {
            let is_long_enough = (7..=15).contains(&digits.len());
            is_long_enough && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
        }
        None => ["client:", "sip:"].iter().any(|scheme| {
            let rest = text.strip_prefix(scheme);
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        }),
    }
}

/// Words a refusal that was wished for.
pub(super) fn wished(kind: TroubleKind) -> Option<Refusal> {
    let (status, code, message) = match kind {
        TroubleKind::Refused(code) => {
            let status = match code {
                20003 => StatusCode::UNAUTHORIZED,
                20404 => StatusCode::NOT_FOUND,
                20429 => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::BAD_REQUEST,
            };
            let message = match code {
                10001 => "Account is not active",
                20003 => "Authenticate",
                21210 => "The source phone number provided is not yet verified for your account.",
                21211 | 21217 => "The phone number you are attempting to call is not valid.",
                21214 => "The phone number you are attempting to call cannot be reached.",
                21215 => "Account not authorized to call that number; check its geo permissions.",
                21216 => "Account not allowed to call that number.",
                21219 => "The number is unverified. Trial accounts may only call verified numbers.",
                _ => "Refused, as the simulator was told to",
            };
            (status, code, message)
        }
        TroubleKind::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, 20429, "Too Many Requests"),
        TroubleKind::Unavailable | TroubleKind::UnavailableAfterwards => (
            StatusCode::SERVICE_UNAVAILABLE,
            20503,
            "Service unavailable",
        ),
        TroubleKind::Silent | TroubleKind::SilentAfterwards => return None,
    };
    Some(Refusal::new(status, code, message))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const GOOD: &str = "To=%2B15145550100&From=%2B15005550006&Twiml=%3CResponse/%3E";

    fn read_text(text: &str) -> Result<Order, u32> {
        let own = ["+15005550006".to_owned()];
        read(&Form::read(text), &own).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_call_needs_whom_from_whom_and_what_then() {
        let order = read_text(GOOD).expect("an order");
        assert_eq!(order.first, First::Twiml("<Response/>".to_owned()));
        assert_eq!(order.events, ["completed"]);
        assert_eq!(order.timeout, Duration::from_secs(60));
        assert_eq!(order.time_limit, Duration::from_secs(14_400));
        for (form, code) in [
            ("From=%2B15005550006&Twiml=x", 21201),
            ("To=&From=%2B15005550006&Twiml=x", 21201),
            ("To=5145550100&From=%2B15005550006&Twiml=x", 21211),
            ("To=%2B0145550100&From=%2B15005550006&Twiml=x", 21211),
            ("To=client:&From=%2B15005550006&Twiml=x", 21211),
            ("To=%2B15145550100&Twiml=x", 21213),
            ("To=%2B15145550100&From=me&Twiml=x", 21212),
            ("To=%2B15145550100&From=%2B15005550007&Twiml=x", 21210),
            ("To=%2B15145550100&From=%2B15005550006", 21205),
        ] {
            assert_eq!(read_text(form), Err(code), "{form}");
        }
        let anybody = Form::read("To=client:k&From=%2B15005550007&Twiml=x");
        assert!(read(&anybody, &[]).is_ok(), "whose numbers are not known");
    }

    #[test]
    fn every_parameter_has_its_limits() {
        for (more, code) in [
            ("Timeout=0", Some(21208)),
            ("Timeout=601", Some(21208)),
            ("Timeout=soon", Some(21208)),
            ("Timeout=600", None),
            ("TimeLimit=0", Some(20001)),
            ("TimeLimit=86401", Some(20001)),
            ("TimeLimit=86400", None),
            ("SendDigits=wW12%23D", None),
            ("SendDigits=12x", Some(21206)),
            ("SendDigits=123456789012345678901234567890123", Some(21206)),
            ("StatusCallback=/status", Some(21205)),
            (
                "StatusCallback=https://h/s&StatusCallbackMethod=PUT",
                Some(21209),
            ),
            (
                "StatusCallbackEvent=ringing&StatusCallbackEvent=answered",
                None,
            ),
            ("StatusCallbackEvent=ringing%20answered", Some(20001)),
            ("Url=ftp://h/", Some(21205)),
            ("Url=https://h/&Method=PATCH", Some(21209)),
        ] {
            let form = format!("{GOOD}&{more}");
            assert_eq!(read_text(&form).err(), code, "{more}");
        }
        let long = |length| GOOD.replace("%3CResponse/%3E", &"é".repeat(length));
        assert!(read_text(&long(4_000)).is_ok());
        assert_eq!(read_text(&long(4_001)), Err(20001));
    }

    #[test]
    fn a_url_goes_before_twiml_and_says_where_the_program_is() {
        let order = read_text(&format!("{GOOD}&Url=https://h/voice&Method=GET"));
        let order = order.expect("an order");
        assert_eq!(order.program().as_deref(), Some("https://h/voice"));
        let order = read_text(&format!(
            "{GOOD}&Twiml=<Response><Connect><Stream url=\"ws://127.0.0.1:9/m\"/></Connect></Response>"
        ));
        // Of a key that is there twice the first one counts.
        assert_eq!(order.expect("an order").program(), None);
        let stream = GOOD.replace(
            "%3CResponse/%3E",
            "<Response><Connect><Stream url=\"ws://127.0.0.1:9/m\"/></Connect></Response>",
        );
        let order = read_text(&stream).expect("an order");
        assert_eq!(order.program().as_deref(), Some("http://127.0.0.1:9/m"));
    }

    #[test]
    fn what_the_carrier_does_not_know_is_named() {
        let form = Form::read(&format!("{GOOD}&StatusCallBack=x&Record=true&to=1"));
        assert_eq!(unknown(&form), ["StatusCallBack", "to"]);
    }

    /// The description is Twilio's own: see the test of the fields of a call.
    #[test]
    fn the_parameters_are_those_of_twilios_own_description() {
        let Some(path) = std::env::var_os("TWILIO_OPENAPI") else {
            let told =
                "TWILIO_OPENAPI is not set: the parameters of a call are compared with nothing";
            let _ = writeln!(std::io::stderr(), "{told}");
            return;
        };
        let text = std::fs::read_to_string(path).expect("the description can be read");
        let all: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let create = &all["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"];
        let form = &create["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        let described = form["properties"].as_object().expect("parameters");
        for name in described.keys() {
            assert!(KNOWN.contains(&name.as_str()), "{name} is missing");
        }
    }
}
