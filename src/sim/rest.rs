//! The account's REST side: lets the server look at running calls, end them and send them elsewhere.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Account;
use super::date::rfc2822;

/// The most characters that TwiML may have inline.
const MOST_INLINE: usize = 4_000;

/// Where somebody wants a call to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Steer {
    /// Over.
    Complete,
    /// The caller hangs up. Nobody asks for this over REST.
    HangUp,
    /// To the document at an address.
    Url { url: String, method: String },
    /// To a document that came along.
    Twiml(String),
}

/// One request as it was seen and answered, without the key that it came with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestRequest {
    /// Method, call and form: `POST CA…: Status=completed`.
    pub what: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The carrier's code and words, where it was refused.
    pub refused: Option<(u32, String)>,
}

impl RestRequest {
    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "request": self.what,
            "status": self.status,
            "code": self.refused.as_ref().map(|(code, _)| code),
        })
    }
}

impl fmt::Display for RestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.status)?;
        match &self.refused {
            Some((code, why)) => write!(f, ", {code} {why}"),
            None => Ok(()),
        }
    }
}

/// A call as the account shows it.
#[derive(Debug)]
struct Entry {
    parent: Option<String>,
    from: String,
    to: String,
    direction: &'static str,
    status: String,
    created: SystemTime,
    ended: Option<SystemTime>,
    steer: mpsc::UnboundedSender<Steer>,
}

#[derive(Debug)]
struct Shared {
    account: Account,
    calls: Mutex<HashMap<String, Entry>>,
    requests: Mutex<Vec<RestRequest>>,
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, Vec<RestRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request, and answers it.
    fn respond(&self, what: String, answered: Result<Value, Refusal>) -> Response {
        let what: String = what.chars().take(MOST_KEPT).collect();
        let (status, body, refused) = match answered {
            Ok(body) => (StatusCode::OK, body, None),
            Err(refusal) => {
                let body = refusal.to_json();
                let Refusal {
                    status,
                    code,
                    message,
                } = refusal;
                (status, body, Some((code, message)))
            }
        };
        self.requests().push(RestRequest {
            what,
            status: status.as_u16(),
            refused,
        });
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (status, kind, body.to_string()).into_response()
    }
}

/// The most characters of a request that are kept.
const MOST_KEPT: usize = 300;

/// Why something is not done.
struct Refusal {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal {
            status,
            code,
            message,
        }
    }

    /// Says what is wrong in the carrier's own shape.
    fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        })
    }
}

/// The simulated carrier's REST API, on 127.0.0.1. It stops when it is dropped.
#[derive(Debug)]
pub struct Rest {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Rest {
    /// Starts serving an account's calls, on any free port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(account: Account) -> std::io::Result<Rest> {
        Rest::start_on(account, 0).await
    }

    /// Starts serving an account's calls on a port; 0: any free one.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub async fn start_on(account: Account, port: u16) -> std::io::Result<Rest> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            account,
            calls: Mutex::default(),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .route(
                "/2010-04-01/Accounts/{account}/Calls/{call}",
                get(fetch).post(update),
            )
            .fallback(nothing)
            .with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the simulator's REST API stopped");
            }
        });
        Ok(Rest {
            address,
            shared,
            server,
        })
    }

    /// Returns its address, to be used as `TWILIO_API_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the status of a call; nothing for one that never was.
    #[must_use]
    pub fn status(&self, call_sid: &str) -> Option<String> {
        Some(self.shared.calls().get(call_sid)?.status.clone())
    }

    /// Returns the identifiers of all calls that are not over.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let calls = self.shared.calls();
        let running = calls.iter().filter(|(_, entry)| entry.ended.is_none());
        running.map(|(sid, _)| sid.clone()).collect()
    }

    /// Returns what was asked of it so far.
    #[must_use]
    pub fn seen(&self) -> Vec<RestRequest> {
        self.shared.requests().clone()
    }

    /// Lists a call.
    pub(super) fn join(&self, call: Listing<'_>) -> Listed {
        let (steer, steered) = mpsc::unbounded_channel();
        self.shared.calls().insert(
            call.sid.to_owned(),
            Entry {
                parent: call.parent.map(str::to_owned),
                from: call.from.to_owned(),
                to: call.to.to_owned(),
                direction: call.direction,
                status: "ringing".to_owned(),
                created: SystemTime::now(),
                ended: None,
                steer: steer.clone(),
            },
        );
        Listed {
            sid: call.sid.to_owned(),
            steered,
            shared: Some(Arc::clone(&self.shared)),
            steer,
        }
    }
}

/// What a call is listed with.
pub(super) struct Listing<'a> {
    pub(super) sid: &'a str,
    pub(super) parent: Option<&'a str>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) direction: &'static str,
}

/// A call that is listed, until it is dropped: then it is completed.
#[derive(Debug)]
pub(super) struct Listed {
    sid: String,
    /// What somebody wants of it.
    pub(super) steered: mpsc::UnboundedReceiver<Steer>,
    /// The other end of it, which also keeps it open, so that waiting on it waits.
    pub(super) steer: mpsc::UnboundedSender<Steer>,
    shared: Option<Arc<Shared>>,
}

impl Listed {
    /// Makes a call that nobody can steer.
    pub(super) fn nowhere(sid: &str) -> Listed {
        let (steer, steered) = mpsc::unbounded_channel();
        Listed {
            sid: sid.to_owned(),
            steered,
            shared: None,
            steer,
        }
    }

    /// Changes its status, unless it is over.
    pub(super) fn set(&self, status: &str) {
        let Some(shared) = &self.shared else {
            return;
        };
        if let Some(entry) = shared.calls().get_mut(&self.sid)
            && entry.ended.is_none()
        {
            if is_over(status) {
                entry.ended = Some(SystemTime::now());
            }
            status.clone_into(&mut entry.status);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let over = |shared: &Arc<Shared>| {
            let calls = shared.calls();
            calls.get(&self.sid).is_none_or(|e| e.ended.is_some())
        };
        if self.shared.as_ref().is_some_and(|shared| !over(shared)) {
            self.set("completed");
        }
    }
}

fn is_over(status: &str) -> bool {
    !matches!(status, "queued" | "initiated" | "ringing" | "in-progress")
}

/// Checks the key, the account and that there is such a call.
fn admit(shared: &Shared, headers: &HeaderMap, account: &str, sid: &str) -> Result<(), Refusal> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let ours = &shared.account;
    let accepted = [
        format!("{}:{}", ours.api_key, ours.api_secret),
        format!("{}:{}", ours.account_sid, ours.auth_token),
    ];
    if !given.is_some_and(|given| accepted.contains(&given)) {
        return Err(Refusal::new(
            StatusCode::UNAUTHORIZED,
            20003,
            "Authenticate",
        ));
    }
    if account == ours.account_sid && shared.calls().contains_key(sid) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::NOT_FOUND,
        20404,
        format!("The requested resource /Calls/{sid} was not found"),
    ))
}

/// Answers what the simulator has not.
async fn nothing(State(shared): State<Arc<Shared>>, method: Method, uri: Uri) -> Response {
    let refusal = Refusal::new(
        StatusCode::NOT_FOUND,
        20404,
        format!("The requested resource {} was not found", uri.path()),
    );
    shared.respond(format!("{method} {}", uri.path()), Err(refusal))
}

/// Takes the ending of a call's address off.
fn sid_of(call: &str) -> &str {
    call.strip_suffix(".json").unwrap_or(call)
}

async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let sid = sid_of(&call);
    let answered = admit(&shared, &headers, &account, sid).and_then(|()| show(&shared, sid));
    shared.respond(format!("GET {sid}"), answered)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let sid = sid_of(&call);
    let answered = admit(&shared, &headers, &account, sid)
        .and_then(|()| change(&shared, sid, &body))
        .and_then(|()| show(&shared, sid));
    shared.respond(format!("POST {sid}: {body}"), answered)
}

/// Does to a call what a form asks for.
fn change(shared: &Shared, sid: &str, body: &str) -> Result<(), Refusal> {
    let refused = |code, message: &str| Refusal::new(StatusCode::BAD_REQUEST, code, message);
    let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let given = |name: &str| form.get(name).filter(|value| !value.is_empty());
    let mut calls = shared.calls();
    let Some(entry) = calls.get_mut(sid) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 20404, "no such call"));
    };
    if entry.ended.is_some() {
        return Err(refused(21220, "Call is not in-progress. Cannot redirect."));
    }
    let steer = match (given("Status"), given("Url"), given("Twiml")) {
        (None, Some(_), Some(_)) => {
            return Err(refused(20001, "Url and Twiml are mutually exclusive"));
        }
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) => {
            let why = "Status cannot be given together with Url or Twiml";
            return Err(refused(20001, why));
        }
        (Some(status), None, None) => {
            let is_ringing = entry.status == "ringing";
            if !(status == "completed" || (status == "canceled" && is_ringing)) {
                return Err(refused(21218, "Invalid Status"));
            }
            status.clone_into(&mut entry.status);
            entry.ended = Some(SystemTime::now());
            Steer::Complete
        }
        (None, Some(url), None) => Steer::Url {
            url: url.clone(),
            method: given("Method").map_or("POST", String::as_str).to_owned(),
        },
        (None, None, Some(twiml)) if twiml.chars().count() <= MOST_INLINE => {
            Steer::Twiml(twiml.clone())
        }
        (None, None, Some(_)) => {
            return Err(refused(20001, "Twiml is longer than 4000 characters"));
        }
        (None, None, None) => return Ok(()),
    };
    // A call that ends at this very moment has nobody left to steer.
    let _ = entry.steer.send(steer);
    Ok(())
}

/// Shows a call: of the carrier's own fields those that are known here.
fn show(shared: &Shared, sid: &str) -> Result<Value, Refusal> {
    let calls = shared.calls();
    let Some(entry) = calls.get(sid) else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, 20404, "no such call"));
    };
    let account = &shared.account.account_sid;
    let duration = entry
        .ended
        .and_then(|ended| ended.duration_since(entry.created).ok())
        .map(|time| time.as_secs().to_string());
    let uri = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    Ok(json!({
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "parent_call_sid": entry.parent,
        "from": entry.from,
        "from_formatted": entry.from,
        "to": entry.to,
        "to_formatted": entry.to,
        "status": entry.status,
        "direction": entry.direction,
        "date_created": rfc2822(entry.created),
        "date_updated": rfc2822(entry.ended.unwrap_or(entry.created)),
        "start_time": rfc2822(entry.created),
        "end_time": entry.ended.map(rfc2822),
        "duration": duration,
        "price": null,
        "price_unit": "USD",
        "answered_by": null,
        "forwarded_from": null,
        "caller_name": null,
        "phone_number_sid": null,
        "group_sid": null,
        "trunk_sid": null,
        "queue_time": "0",
        "uri": format!("{uri}.json"),
        "subresource_uris": {"recordings": format!("{uri}/Recordings.json")},
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn shared() -> Shared {
        let shared = Shared {
            account: Account::made_up(),
            calls: Mutex::default(),
            requests: Mutex::default(),
        };
        let (steer, _) = mpsc::unbounded_channel();
        shared.calls().insert(
            "CA1".to_owned(),
            Entry {
                parent: None,
                from: "+15005550010".to_owned(),
                to: "+15005550006".to_owned(),
                direction: "inbound",
                status: "ringing".to_owned(),
                created: SystemTime::now(),
                ended: None,
                steer,
            },
        );
        shared
    }

    fn code(result: Result<(), Refusal>) -> Option<u32> {
        result.err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_form_that_makes_no_sense_is_refused_and_changes_nothing() {
        let shared = shared();
        let long = |length: usize| format!("Twiml={}", "x".repeat(length));
        for (form, refused) in [
            ("Status=paused", Some(21218)),
            ("Url=http://h/&Twiml=x", Some(20001)),
            ("Status=completed&Url=http://h/", Some(20001)),
            ("Status=completed&Twiml=x", Some(20001)),
            (&long(4_001), Some(20001)),
            (&long(4_000), None),
            ("", None),
        ] {
            assert_eq!(code(change(&shared, "CA1", form)), refused, "{form}");
            assert_eq!(shared.calls()["CA1"].status, "ringing", "{form}");
        }
    }

    #[test]
    fn only_a_call_that_rings_can_be_canceled_and_then_it_stays_so() {
        let ringing = shared();
        assert_eq!(code(change(&ringing, "CA1", "Status=canceled")), None);
        assert_eq!(ringing.calls()["CA1"].status, "canceled");
        assert_eq!(
            code(change(&ringing, "CA1", "Status=completed")),
            Some(21220)
        );
        let answered = shared();
        "in-progress".clone_into(&mut answered.calls().get_mut("CA1").expect("it is there").status);
        assert_eq!(
            code(change(&answered, "CA1", "Status=canceled")),
            Some(21218)
        );
        assert_eq!(code(change(&answered, "CA1", "Status=completed")), None);
        assert_eq!(answered.calls()["CA1"].status, "completed");
    }

    /// The description is Twilio's own `twilio_api_v2010.json`, which is theirs to give out: where `TWILIO_OPENAPI` does
    /// not say where it lies there is nothing to compare with.
    #[test]
    fn a_call_is_shown_with_the_fields_of_twilios_own_description() {
        let Some(path) = std::env::var_os("TWILIO_OPENAPI") else {
            let told = "TWILIO_OPENAPI is not set: the fields of a call are compared with nothing";
            let _ = writeln!(std::io::stderr(), "{told}");
            return;
        };
        let text = std::fs::read_to_string(path).expect("the description can be read");
        let all: Value = serde_json::from_str(&text).expect("the description is JSON");
        let schema = &all["components"]["schemas"]["api.v2010.account.call"];
        let known = schema["properties"]
            .as_object()
            .expect("it describes a call");
        let shown = show(&shared(), "CA1").ok().expect("it is there");
        let shown = shown.as_object().expect("an object");
        for (field, value) in shown {
            let described = known.get(field).expect(field);
            let nullable = described["nullable"] == true;
            assert!(!value.is_null() || nullable, "{field} is never null");
            if described["type"] == "string" {
                assert!(value.is_string() || value.is_null(), "{field} is a text");
            }
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let required = required.filter_map(Value::as_str);
        for field in required.chain(known.keys().map(String::as_str)) {
            assert!(shown.contains_key(field), "{field} is missing");
        }
        let update = &all["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json"]["post"];
        let form = &update["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
        for field in ["Status", "Url", "Method", "Twiml"] {
            assert!(form["properties"][field].is_object(), "{field}");
        }
    }
}
