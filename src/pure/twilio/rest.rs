//! What is asked of the carrier over REST, and what its answers mean; the asking itself is done elsewhere.
//!
//! API version 2010-04-01, form bodies, HTTP Basic with an API key
//! (<https://www.twilio.com/docs/voice/api/call-resource>).

use serde::Deserialize;
use url::Url;

use super::form::leg_status;
use crate::pure::ids::LegId;
use crate::pure::phone::LegStatus;

/// The REST API of one account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestApi {
    base: Url,
    account_sid: String,
}

/// A request, all but its credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestRequest {
    /// What is meant by it: the answer is read accordingly.
    pub purpose: Purpose,
    /// Where to.
    pub url: Url,
    /// The form to post; nothing: a GET.
    pub form: Option<Vec<(&'static str, String)>>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// To end a leg: done, too, when it was over before.
    End,
    /// To make the carrier ask us anew: not done when the leg is over.
    Redirect,
    /// To know where a leg stands.
    Fetch,
    /// To have somebody dialled.
    Dial,
    /// To know which calls were made.
    Find,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestOutcome {
    /// It was done.
    Done,
    /// The leg stands there.
    LegIs(LegStatus),
    /// Too many requests at once: this one was not processed and may be sent again.
    TryAgain,
    /// It was not done.
    Failed(RestFailure),
}

/// Why a request was not done, as a person reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestFailure {
    /// 401 or 403, or code 20003.
    #[error(
        "Twilio refused the API key (HTTP {status}); hint: compare TWILIO_ACCOUNT_SID, TWILIO_API_KEY and TWILIO_API_SECRET with the console"
    )]
    Credentials {
        /// The status of the answer.
        status: u16,
    },
    /// 404/20404 or 400/21220: there is no such leg any more.
    #[error("Twilio says that the call is over already")]
    Over,
    /// Whatever else the carrier refused.
    #[error(
        "Twilio refused with HTTP {status}, code {code}; hint: https://www.twilio.com/docs/errors/{code} says more"
    )]
    Refused {
        /// The status of the answer.
        status: u16,
        /// Twilio's own code.
        code: u32,
    },
    /// An answer that is not Twilio's: a gateway's, or one that cannot be read.
    #[error("the answer was HTTP {status} and not what Twilio answers")]
    Unreadable {
        /// The status of the answer.
        status: u16,
    },
}

impl RestApi {
    /// Takes the base address, with or without a path, and the account.
    #[must_use]
    pub fn new(base: Url, account_sid: impl Into<String>) -> RestApi {
        RestApi {
            base,
            account_sid: account_sid.into(),
        }
    }

    /// Words the wish to end a leg.
    #[must_use]
    pub fn end(&self, leg: &LegId) -> RestRequest {
        RestRequest {
            purpose: Purpose::End,
            url: self.call(leg),
            form: Some(vec![("Status", "completed".to_owned())]),
        }
    }

    /// Words the wish that the leg's document be fetched anew, by POST, from `url`.
    #[must_use]
    pub fn redirect(&self, leg: &LegId, url: String) -> RestRequest {
        RestRequest {
            purpose: Purpose::Redirect,
            url: self.call(leg),
            form: Some(vec![("Url", url), ("Method", "POST".to_owned())]),
        }
    }

    /// Words the question where a leg stands.
    #[must_use]
    pub fn fetch(&self, leg: &LegId) -> RestRequest {
        RestRequest {
            purpose: Purpose::Fetch,
            url: self.call(leg),
            form: None,
        }
    }

    fn call(&self, leg: &LegId) -> Url {
        self.resource(&["Calls", &format!("{leg}.json")])
    }

    /// Returns the address of the list of calls.
    pub(super) fn calls(&self) -> Url {
        self.resource(&["Calls.json"])
    }

    fn resource(&self, names: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // As a segment of its own, a name with a slash in it stays a name.
            path.pop_if_empty()
                .extend(["2010-04-01", "Accounts", &self.account_sid])
                .extend(names);
        }
        url
    }
}

/// Reads an answer: its HTTP status and its body, of which 64 KiB are more than enough.
#[must_use]
pub fn read_answer(purpose: Purpose, status: u16, body: &[u8]) -> RestOutcome {
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        status: std::borrow::Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        code: Option<u32>,
    }

    if (200..300).contains(&status) {
        let call: Result<Call<'_>, _> = serde_json::from_slice(body);
        return match (purpose, call) {
            (Purpose::End | Purpose::Redirect | Purpose::Dial | Purpose::Find, _) => {
                RestOutcome::Done
            }
            (Purpose::Fetch, Ok(call)) => leg_status(&call.status).map_or(
                RestOutcome::Failed(RestFailure::Unreadable { status }),
                RestOutcome::LegIs,
            ),
            (Purpose::Fetch, Err(_)) => RestOutcome::Failed(RestFailure::Unreadable { status }),
        };
    }
    let code = serde_json::from_slice::<Refusal>(body)
        .ok()
        .and_then(|refusal| refusal.code);
    let over = matches!((status, code), (404, Some(20404)) | (400, Some(21220)));
    match (status, code) {
        (429, _) | (_, Some(20429)) => RestOutcome::TryAgain,
        _ if over && purpose == Purpose::End => RestOutcome::Done,
        _ if over => RestOutcome::Failed(RestFailure::Over),
        (401 | 403, _) | (_, Some(20003)) => {
            RestOutcome::Failed(RestFailure::Credentials { status })
        }
        (_, Some(code)) => RestOutcome::Failed(RestFailure::Refused { status, code }),
        (_, None) => RestOutcome::Failed(RestFailure::Unreadable { status }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn api(base: &str) -> RestApi {
        RestApi::new(Url::parse(base).expect("valid"), "AC1")
    }

    #[test]
    fn a_leg_is_ended_by_setting_its_status() {
        let request = api("https://api.twilio.com").end(&LegId::new("CA1"));
        assert_eq!(
            request.url.as_str(),
            "https://api.twilio.com/2010-04-01/Accounts/AC1/Calls/CA1.json"
        );
        assert_eq!(request.form, Some(vec![("Status", "completed".to_owned())]));
    }

    #[test]
    fn a_leg_is_moved_on_by_an_address_to_ask() {
        let to = "https://phone.example.com/twilio/after-stream".to_owned();
        let request = api("https://api.twilio.com/").redirect(&LegId::new("CA1"), to.clone());
        let form = vec![("Url", to), ("Method", "POST".to_owned())];
        assert_eq!(request.form, Some(form));
    }

    #[test]
    fn a_base_address_may_have_a_path_and_a_name_cannot_leave_its_place() {
        let request = api("http://127.0.0.1:9/twilio/").fetch(&LegId::new("../../x?y"));
        assert_eq!(
            request.url.as_str(),
            "http://127.0.0.1:9/twilio/2010-04-01/Accounts/AC1/Calls/..%2F..%2Fx%3Fy.json"
        );
        assert_eq!(request.form, None);
    }

    #[test]
    fn every_answer_means_what_the_table_says() {
        use Purpose::{End, Fetch, Redirect};
        use RestOutcome::{Done, Failed, LegIs, TryAgain};
        let over = Failed(RestFailure::Over);
        let table: &[(Purpose, u16, &str, RestOutcome)] = &[
            (End, 200, r#"{"status":"completed"}"#, Done),
            (Redirect, 200, "", Done),
            (End, 404, r#"{"code":20404,"status":404}"#, Done),
            (End, 400, r#"{"code":21220}"#, Done),
            (Redirect, 404, r#"{"code":20404}"#, over),
            (Redirect, 400, r#"{"code":21220}"#, over),
            (Fetch, 404, r#"{"code":20404}"#, over),
            (
                Fetch,
                200,
                r#"{"status":"in-progress","x":1}"#,
                LegIs(LegStatus::InProgress),
            ),
            (
                Fetch,
                200,
                r#"{"status":"levitating"}"#,
                Failed(RestFailure::Unreadable { status: 200 }),
            ),
            (
                Fetch,
                200,
                "<html>",
                Failed(RestFailure::Unreadable { status: 200 }),
            ),
            (End, 429, r#"{"code":20429}"#, TryAgain),
            (End, 429, "", TryAgain),
            (
                End,
                401,
                r#"{"code":20003}"#,
                Failed(RestFailure::Credentials { status: 401 }),
            ),
            (
                End,
                400,
                r#"{"code":21211}"#,
                Failed(RestFailure::Refused {
                    status: 400,
                    code: 21211,
                }),
            ),
            (
                End,
                404,
                "not found",
                Failed(RestFailure::Unreadable { status: 404 }),
            ),
            (
                End,
                502,
                "<html>",
                Failed(RestFailure::Unreadable { status: 502 }),
            ),
            (
                End,
                302,
                "",
                Failed(RestFailure::Unreadable { status: 302 }),
            ),
        ];
        for (purpose, status, body, outcome) in table {
            assert_eq!(
                read_answer(*purpose, *status, body.as_bytes()),
                *outcome,
                "{purpose:?} {status} {body}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read(status in any::<u16>(), body in any::<Vec<u8>>()) {
            for purpose in [Purpose::End, Purpose::Redirect, Purpose::Fetch] {
                let outcome = read_answer(purpose, status, &body);
                prop_assert_eq!(
                    outcome == RestOutcome::Done,
                    (200..300).contains(&status) && purpose != Purpose::Fetch
                );
            }
        }
    }
}
