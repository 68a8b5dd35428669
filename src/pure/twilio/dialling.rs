//! Dialling over REST: how the wish is worded, what a refusal means to a person, and how a call is found again of which
//! nobody knows whether it was made.
//!
//! <https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource>; codes:
//! <https://www.twilio.com/docs/api/errors>.

use serde::Deserialize;

use super::rest::{Purpose, RestApi, RestRequest};
use crate::pure::audio::tone::Progress;
use crate::pure::ids::{LegId, PhoneNumber};
use crate::pure::phone::{DialRefusal, LegStatus, NUMBER_RINGS_FOR};

/// How far Twilio's clock may differ from ours, and how long a request may have been on its way, in seconds.
const CLOCKS_DIFFER: i64 = 30;

/// A call that is to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewCall {
    /// Whom.
    pub to: PhoneNumber,
    /// The caller id shown; ours, or Twilio refuses.
    pub from: PhoneNumber,
    /// The document that the leg begins with once it is answered.
    pub twiml: String,
    /// Who is told how it goes.
    pub status_callback: String,
    /// How long it may last, in seconds.
    pub longest: u64,
}

/// What an answer to the wish for a call means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dialled {
    /// It is dialled, on this leg.
    Placed(LegId),
    /// Too many requests at once: this one was not processed and may be sent again.
    TryAgain,
    /// It is not dialled.
    Refused(DialRefusal),
    /// Nobody knows: the calls must be looked at.
    Unknown,
}

impl RestApi {
    /// Words the wish for a call.
    #[must_use]
    pub fn dial(&self, call: &NewCall) -> RestRequest {
        let mut form = vec![
            ("To", call.to.as_str().to_owned()),
            ("From", call.from.as_str().to_owned()),
            ("Twiml", call.twiml.clone()),
            ("StatusCallback", call.status_callback.clone()),
            ("StatusCallbackMethod", "POST".to_owned()),
            ("Timeout", NUMBER_RINGS_FOR.as_secs().to_string()),
            ("TimeLimit", call.longest.to_string()),
        ];
        for event in ["initiated", "ringing", "answered", "completed"] {
            form.push(("StatusCallbackEvent", event.to_owned()));
        }
        RestRequest {
            purpose: Purpose::Dial,
            url: self.calls(),
            form: Some(form),
        }
    }

    /// Words the question for the last calls from one number to another.
    #[must_use]
    pub fn find(&self, from: &PhoneNumber, to: &PhoneNumber) -> RestRequest {
        let mut url = self.calls();
        url.query_pairs_mut()
            .append_pair("To", to.as_str())
            .append_pair("From", from.as_str())
            .append_pair("PageSize", "50");
        RestRequest {
            purpose: Purpose::Find,
            url,
            form: None,
        }
    }
}

/// Reads the answer to [`RestApi::dial`]: its HTTP status and its body.
#[must_use]
pub fn read_dialled(status: u16, body: &[u8]) -> Dialled {
    #[derive(Deserialize)]
    struct Call {
        sid: String,
    }
    #[derive(Deserialize)]
    struct Refusal {
        code: Option<u32>,
    }

    if (200..300).contains(&status) {
        return match serde_json::from_slice::<Call>(body) {
            Ok(call) if super::form::is_sid(&call.sid) => Dialled::Placed(LegId::new(call.sid)),
            Ok(_) | Err(_) => Dialled::Unknown,
        };
    }
    let code = serde_json::from_slice::<Refusal>(body)
        .ok()
        .and_then(|refusal| refusal.code);
    match (status, code) {
        (429, _) | (_, Some(20429)) => Dialled::TryAgain,
        // It may have been made before the answer was lost.
        (408 | 500.., _) => Dialled::Unknown,
        (_, code) => Dialled::Refused(refusal(status, code)),
    }
}

/// Says what a refusal means, and what to do.
fn refusal(status: u16, code: Option<u32>) -> DialRefusal {
    let (word, message, tone) = match (code, status) {
        (Some(20003), _) | (None, 401 | 403) => (
            "credentials",
            "Twilio refused the API key; hint: compare TWILIO_ACCOUNT_SID, TWILIO_API_KEY and TWILIO_API_SECRET with the console".to_owned(),
            Progress::Congestion,
        ),
        (Some(20005 | 10001), _) => (
            "account_not_active",
            "the Twilio account is not active, often for want of credit; hint: look at its balance and state in the console".to_owned(),
            Progress::Congestion,
        ),
        (Some(21210 | 21212 | 21213), _) => (
            "caller_id_not_verified",
            "Twilio does not let this account call from TWILIO_PHONE_NUMBER; hint: it must be a number of the account, or one verified in the console under Verified Caller IDs".to_owned(),
            Progress::Congestion,
        ),
        (Some(21211 | 21217 | 21214 | 13224), _) => (
            "invalid_number",
            "Twilio says that this number is not valid or cannot be reached; hint: check the digits behind the plus sign".to_owned(),
            Progress::Unobtainable,
        ),
        (Some(21215 | 13227), _) => (
            "geo_permission",
            "the Twilio account may not call that country; hint: allow it in the console under Voice, Settings, Geo permissions".to_owned(),
            Progress::Congestion,
        ),
        (Some(21216 | 13225), _) => (
            "blocked_by_carrier",
            "Twilio does not put calls through to that number (a risk of fraud, or a regulation); hint: ask Twilio's support if you need it".to_owned(),
            Progress::Congestion,
        ),
        (Some(21219), _) => (
            "trial_account",
            "a trial account calls verified numbers only; hint: verify this number in the console under Verified Caller IDs, or upgrade the account".to_owned(),
            Progress::Congestion,
        ),
        (Some(code), _) => (
            "refused_by_carrier",
            format!("Twilio refused with HTTP {status}, code {code}; hint: https://www.twilio.com/docs/errors/{code} says more"),
            Progress::Congestion,
        ),
        (None, _) => (
            "refused_by_carrier",
            format!("the answer was HTTP {status} and not what Twilio answers; hint: see TWILIO_API_BASE_URL"),
            Progress::Congestion,
        ),
    };
    DialRefusal {
        code: word,
        message,
        tone,
    }
}

/// What is said where Twilio cannot be reached at all, so that nothing was dialled.
#[must_use]
pub fn unreachable(why: &str) -> DialRefusal {
    DialRefusal {
        code: "carrier_unreachable",
        message: format!(
            "Twilio's REST API cannot be reached: {why}; hint: see TWILIO_API_BASE_URL and the network of this machine"
        ),
        tone: Progress::Congestion,
    }
}

/// What is said where Twilio has too many requests for longer than we wait.
#[must_use]
pub fn too_many() -> DialRefusal {
    DialRefusal {
        code: "rate_limit",
        message: "Twilio has too many requests of this account at once and did not dial; hint: try again in a moment".to_owned(),
        tone: Progress::Congestion,
    }
}

/// What is said where Twilio failed, and the calls show that nothing was dialled.
#[must_use]
pub fn not_made() -> DialRefusal {
    DialRefusal {
        code: "not_dialled",
        message: "Twilio failed, and its list of calls shows that it did not dial; hint: try again; https://status.twilio.com says how it does".to_owned(),
        tone: Progress::Congestion,
    }
}

/// Looks through the answer to [`RestApi::find`] for a call that was made over REST at `since` (Unix seconds) or later and
/// is none of those that are known and not over; the newest. Nothing where there is none; an error where the answer is no list.
///
/// # Errors
/// The answer cannot be read.
pub fn find_made(body: &[u8], since: i64, known: &[LegId]) -> Result<Option<LegId>, NoList> {
    #[derive(Deserialize)]
    struct List {
        calls: Vec<Listed>,
    }
    #[derive(Deserialize)]
    struct Listed {
        sid: String,
        direction: Option<String>,
        status: Option<String>,
        date_created: Option<String>,
    }

    let list: List = serde_json::from_slice(body).map_err(|_| NoList)?;
    let newest = list
        .calls
        .into_iter()
        .filter(|call| call.direction.as_deref() == Some("outbound-api"))
        .filter(|call| {
            let status = call.status.as_deref().and_then(super::form::leg_status);
            !status.is_some_and(LegStatus::is_over)
        })
        .filter(|call| super::form::is_sid(&call.sid))
        .filter(|call| known.iter().all(|known| known.as_str() != call.sid))
        .filter_map(|call| {
            let created = call.date_created.as_deref().map(unix_seconds);
            match created {
                Some(Some(at)) if at < since - CLOCKS_DIFFER => None,
                Some(Some(at)) => Some((at, call.sid)),
                // One that has no date yet is as new as can be.
                Some(None) | None => Some((i64::MAX, call.sid)),
            }
        })
        .max();
    Ok(newest.map(|(_, sid)| LegId::new(sid)))
}

/// The answer is no list of calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the answer is no list of calls")]
pub struct NoList;

/// Reads a date as Twilio writes it (RFC 2822, always in UTC): `Wed, 25 Nov 2026 16:00:00 +0000`.
fn unix_seconds(date: &str) -> Option<i64> {
    let (_, date) = date.split_once(", ")?;
    let mut parts = date.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = parts.next()?;
    let month = MONTHS
        .iter()
        .zip(1_i64..)
        .find(|(name, _)| **name == month)?
        .1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut clock = parts.next()?.split(':').map(str::parse::<i64>);
    let mut next = || clock.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    let plausible = (1970..=9999).contains(&year)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !plausible || parts.next()? != "+0000" {
        return None;
    }
    let seconds = hour * 3_600 + minute * 60 + second;
    // Days since 1970 by the proleptic Gregorian calendar, with the year beginning in March.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).expect("valid")
    }

    fn api() -> RestApi {
        RestApi::new(Url::parse("https://api.twilio.com").expect("valid"), "AC1")
    }

    fn call() -> NewCall {
        NewCall {
            to: number("+15145550100"),
            from: number("+18199754345"),
            twiml: "<Response/>".to_owned(),
            status_callback: "https://phone.example.com/twilio/call-status?call=c1".to_owned(),
            longest: 14_400,
        }
    }

    #[test]
    fn a_call_is_asked_for_with_all_that_it_needs() {
        let request = api().dial(&call());
        assert_eq!(
            request.url.as_str(),
            "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls.json"
        );
        let form = request.form.expect("a form");
        for (name, value) in [
            ("To", "+15145550100"),
            ("From", "+18199754345"),
            ("Twiml", "<Response/>"),
            ("Timeout", "60"),
            ("TimeLimit", "14400"),
        ] {
            assert!(form.contains(&(name, value.to_owned())), "{name}");
        }
        let events = form
            .iter()
            .filter(|(name, _)| *name == "StatusCallbackEvent");
        assert_eq!(events.count(), 4, "the name is repeated for each");
    }

    #[test]
    fn the_last_calls_are_asked_for_by_both_numbers() {
        let request = api().find(&number("+18199754345"), &number("+15145550100"));
        assert_eq!(
            request.url.query(),
            Some("To=%2B15145550100&From=%2B18199754345&PageSize=50")
        );
        assert_eq!(request.form, None);
    }

    #[test]
    fn an_answer_says_whether_it_is_dialled() {
        assert_eq!(
            read_dialled(201, br#"{"sid":"CA1","status":"queued"}"#),
            Dialled::Placed(LegId::new("CA1"))
        );
        for (status, body, expected) in [
            (201, "<html>", Dialled::Unknown),
            (201, r#"{"sid":"../x"}"#, Dialled::Unknown),
            (429, r#"{"code":20429}"#, Dialled::TryAgain),
            (500, r#"{"code":20500}"#, Dialled::Unknown),
            (502, "<html>", Dialled::Unknown),
            (408, "", Dialled::Unknown),
        ] {
            assert_eq!(
                read_dialled(status, body.as_bytes()),
                expected,
                "{status} {body}"
            );
        }
    }

    #[test]
    fn every_refusal_says_what_happened_and_what_to_do() {
        let mut said = std::collections::BTreeMap::new();
        for (code, word) in [
            (20003, "credentials"),
            (20005, "account_not_active"),
            (21210, "caller_id_not_verified"),
            (21211, "invalid_number"),
            (21215, "geo_permission"),
            (21216, "blocked_by_carrier"),
            (21219, "trial_account"),
            (99999, "refused_by_carrier"),
        ] {
            let body = format!(r#"{{"code":{code},"message":"secret"}}"#);
            let Dialled::Refused(refusal) = read_dialled(400, body.as_bytes()) else {
                panic!("{code} is a refusal");
            };
            assert_eq!(refusal.code, word);
            assert!(refusal.message.contains("hint: "), "{}", refusal.message);
            assert!(!refusal.message.contains("secret"));
            assert_eq!(said.insert(refusal.message, code), None, "said twice");
        }
    }

    #[test]
    fn a_call_that_may_have_been_made_is_found_again() {
        let list = br#"{"calls":[
            {"sid":"CA8","direction":"outbound-api","status":"busy","date_created":"Wed, 25 Nov 2026 16:00:04 +0000"},
            {"sid":"CA9","direction":"inbound","date_created":"Wed, 25 Nov 2026 16:00:03 +0000"},
            {"sid":"CA3","direction":"outbound-api","date_created":"Wed, 25 Nov 2026 16:00:02 +0000"},
            {"sid":"CA2","direction":"outbound-api","date_created":"Wed, 25 Nov 2026 16:00:01 +0000"},
            {"sid":"CA1","direction":"outbound-api","date_created":"Wed, 25 Nov 2026 15:00:00 +0000"}
        ],"next_page_uri":null}"#;
        let at = unix_seconds("Wed, 25 Nov 2026 16:00:00 +0000").expect("a date");
        let leg = |sid: &str| LegId::new(sid);
        assert_eq!(find_made(list, at, &[]), Ok(Some(leg("CA3"))));
        assert_eq!(find_made(list, at, &[leg("CA3")]), Ok(Some(leg("CA2"))));
        assert_eq!(find_made(list, at, &[leg("CA3"), leg("CA2")]), Ok(None));
        assert_eq!(find_made(br#"{"calls":[]}"#, at, &[]), Ok(None));
        assert_eq!(find_made(b"<html>", at, &[]), Err(NoList));
    }

    #[test]
    fn dates_are_read_as_twilio_writes_them() {
        assert_eq!(unix_seconds("Thu, 01 Jan 1970 00:00:00 +0000"), Some(0));
        assert_eq!(
            unix_seconds("Tue, 29 Feb 2028 12:30:05 +0000"),
            Some(1_835_440_205)
        );
        assert_eq!(unix_seconds("Tue, 29 Feb 2028 12:30:05 +0200"), None);
        assert_eq!(unix_seconds("yesterday"), None);
        let absurd = "Tue, 29 Feb 2028 9223372036854775807:30:05 +0000";
        assert_eq!(unix_seconds(absurd), None);
    }

    proptest! {
        #[test]
        fn any_answer_and_any_list_are_read(status in any::<u16>(), body in "\\PC{0,200}") {
            let dialled = read_dialled(status, body.as_bytes());
            prop_assert!(!matches!(dialled, Dialled::Placed(_)) || (200..300).contains(&status));
            let _ = find_made(body.as_bytes(), 0, &[]);
            let _ = unix_seconds(&body);
        }
    }
}
