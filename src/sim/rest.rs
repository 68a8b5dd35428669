//! The account's REST side: lets the server look at running calls, end them and send them elsewhere.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
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
    /// To the document at an address.
    Url { url: String, method: String },
    /// To a document that came along.
    Twiml(String),
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
    requests: Mutex<Vec<String>>,
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
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
            .fallback(|| async { problem(StatusCode::NOT_FOUND, 20404, "no such resource") })
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

    /// Returns what was asked of it so far: the call, and the parameters of the form, without secrets.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
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
                steer,
            },
        );
        Listed {
            sid: call.sid.to_owned(),
            steered,
            shared: Some(Arc::clone(&self.shared)),
            keep_open: None,
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
    shared: Option<Arc<Shared>>,
    /// Keeps the channel of an unlisted call open, so that waiting on it waits.
    keep_open: Option<mpsc::UnboundedSender<Steer>>,
}

impl Listed {
    /// Makes a call that nobody can steer.
    pub(super) fn nowhere(sid: &str) -> Listed {
        let (sender, steered) = mpsc::unbounded_channel();
        Listed {
            sid: sid.to_owned(),
            steered,
            shared: None,
            keep_open: Some(sender),
        }
    }

    /// Changes its status.
    pub(super) fn set(&self, status: &str) {
        let Some(shared) = &self.shared else {
            debug_assert!(self.keep_open.is_some());
            return;
        };
        if let Some(entry) = shared.calls().get_mut(&self.sid) {
            if entry.ended.is_none() && is_over(status) {
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

/// Says what is wrong in the carrier's own shape.
fn problem(status: StatusCode, code: u32, message: &str) -> Response {
    let body = json!({
        "code": code,
        "message": message,
        "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
        "status": status.as_u16(),
    });
    answer(status, &body)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

/// Checks the key, the account and that there is such a call.
fn admit<'a>(
    shared: &Shared,
    headers: &HeaderMap,
    account: &str,
    call: &'a str,
) -> Result<&'a str, Box<Response>> {
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
        return Err(Box::new(problem(
            StatusCode::UNAUTHORIZED,
            20003,
            "Authenticate",
        )));
    }
    let sid = call.strip_suffix(".json").unwrap_or(call);
    if account == ours.account_sid && shared.calls().contains_key(sid) {
        return Ok(sid);
    }
    let message = format!("The requested resource /Calls/{sid} was not found");
    Err(Box::new(problem(StatusCode::NOT_FOUND, 20404, &message)))
}

async fn fetch(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    match admit(&shared, &headers, &account, &call) {
        Ok(sid) => show(&shared, sid),
        Err(refusal) => *refusal,
    }
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let sid = match admit(&shared, &headers, &account, &call) {
        Ok(sid) => sid,
        Err(refusal) => return *refusal,
    };
    shared
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(format!("{sid} {body}"));
    let form: HashMap<String, String> = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let given = |name: &str| form.get(name).filter(|value| !value.is_empty());
    let (over, answered) = shared.calls().get(sid).map_or((false, false), |entry| {
        (entry.ended.is_some(), entry.status == "in-progress")
    });
    if over {
        return problem(
            StatusCode::BAD_REQUEST,
            21220,
            "Call is not in-progress. Cannot redirect.",
        );
    }
    let steer = match (given("Status"), given("Url"), given("Twiml")) {
        (Some(status), _, _) if status == "completed" || (status == "canceled" && !answered) => {
            Steer::Complete
        }
        (Some(_), _, _) => {
            return problem(StatusCode::BAD_REQUEST, 21218, "Invalid Status");
        }
        (None, Some(url), _) => Steer::Url {
            url: url.clone(),
            method: given("Method").map_or("POST", String::as_str).to_owned(),
        },
        (None, None, Some(twiml)) if twiml.chars().count() <= MOST_INLINE => {
            Steer::Twiml(twiml.clone())
        }
        (None, None, Some(_)) => {
            return problem(
                StatusCode::BAD_REQUEST,
                20001,
                "Twiml is longer than 4000 characters",
            );
        }
        (None, None, None) => return show(&shared, sid),
    };
    if let Some(entry) = shared.calls().get_mut(sid) {
        if steer == Steer::Complete {
            entry.status = "completed".to_owned();
            entry.ended = Some(SystemTime::now());
        }
        // A call that ends at this very moment has nobody left to steer.
        let _ = entry.steer.send(steer);
    }
    show(&shared, sid)
}

/// Shows a call.
fn show(shared: &Shared, sid: &str) -> Response {
    let calls = shared.calls();
    let Some(entry) = calls.get(sid) else {
        return problem(StatusCode::NOT_FOUND, 20404, "no such call");
    };
    let account = &shared.account.account_sid;
    let duration = entry
        .ended
        .and_then(|ended| ended.duration_since(entry.created).ok())
        .map(|time| time.as_secs().to_string());
    let uri = format!("/2010-04-01/Accounts/{account}/Calls/{sid}");
    let body = json!({
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
        "start_time": rfc2822(entry.created),
        "end_time": entry.ended.map(rfc2822),
        "duration": duration,
        "price": null,
        "price_unit": "USD",
        "answered_by": null,
        "forwarded_from": null,
        "caller_name": null,
        "queue_time": "0",
        "uri": format!("{uri}.json"),
        "subresource_uris": {"recordings": format!("{uri}/Recordings.json")},
    });
    answer(StatusCode::OK, &body)
}
