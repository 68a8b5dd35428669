//! The REST API's doors: who is admitted, which request is answered by what, and the troubles that a test wishes for.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Form, Listing, Order, Refusal, RestRequest, Shared, calls, create as asked};
use crate::sim::far_end::{FarEnd, TroubleKind};
use crate::sim::script::Step;
use crate::sim::{call, sid, voice};

/// How long somebody stays on the line of whom nothing was said.
const STAYS: Duration = Duration::from_secs(24 * 3600);

/// Returns all that the account answers.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(
            "/2010-04-01/Accounts/{account}/Calls.json",
            get(list).post(create),
        )
        .route(
            "/2010-04-01/Accounts/{account}/Calls/{call}",
            get(fetch).post(update),
        )
        .route(
            "/2010-04-01/Accounts/{account}/Recordings/{recording}",
            get(recording),
        )
        .fallback(nothing)
        .with_state(shared)
}

/// Checks the key and the account.
fn admit(shared: &Shared, headers: &HeaderMap, account: &str) -> Result<(), Refusal> {
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
    if account == ours.account_sid {
        return Ok(());
    }
    Err(not_found(&format!("/Accounts/{account}")))
}

/// Checks that there is such a call.
fn find(shared: &Shared, sid: &str) -> Result<(), Refusal> {
    if shared.calls().contains_key(sid) {
        return Ok(());
    }
    Err(not_found(&format!("/Calls/{sid}")))
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        20404,
        format!("The requested resource {what} was not found"),
    )
}

/// Answers what the simulator has not.
async fn nothing(State(shared): State<Arc<Shared>>, method: Method, uri: Uri) -> Response {
    let refusal = not_found(uri.path());
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
    let answered = admit(&shared, &headers, &account)
        .and_then(|()| find(&shared, sid))
        .and_then(|()| calls::show(&shared, sid));
    shared.respond(format!("GET {sid}"), answered)
}

async fn update(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let sid = sid_of(&call);
    let answered = admit(&shared, &headers, &account)
        .and_then(|()| find(&shared, sid))
        .and_then(|()| calls::change(&shared, sid, &body))
        .and_then(|()| calls::show(&shared, sid));
    shared.respond(format!("POST {sid}: {body}"), answered)
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query.unwrap_or_default();
    let answered = admit(&shared, &headers, &account).and_then(|()| calls::list(&shared, &query));
    shared.respond(format!("GET Calls: {query}"), answered)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    Path(account): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let form = Form::read(&body);
    let given = |name: &str| form.first(name).unwrap_or_default();
    let what = format!("POST Calls: To={} From={}", given("To"), given("From"));
    let passed_over = asked::unknown(&form);
    if let Err(refusal) = admit(&shared, &headers, &account) {
        return shared.respond(what, Err(refusal));
    }
    let trouble = shared.next_trouble(form.first("To"));
    if let Some(kind @ (TroubleKind::TooManyRequests | TroubleKind::Unavailable)) = trouble
        && let Some(refusal) = asked::wished(kind)
    {
        return shared.respond_with(StatusCode::OK, what, Err(refusal), passed_over);
    }
    if trouble == Some(TroubleKind::Silent) {
        return silence(&shared, what).await;
    }
    let own = shared.world().own.clone();
    let order = match (asked::read(&form, &own), trouble) {
        (Err(refusal), _) => Err(refusal),
        (Ok(order), Some(kind @ TroubleKind::Refused(_))) => match asked::wished(kind) {
            Some(refusal) => Err(refusal),
            None => Ok(order),
        },
        (Ok(order), _) => Ok(order),
    };
    let order = match order {
        Ok(order) => order,
        Err(refusal) => {
            return shared.respond_with(StatusCode::OK, what, Err(refusal), passed_over);
        }
    };
    let placed = place(&shared, order);
    if trouble == Some(TroubleKind::SilentAfterwards) {
        return silence(&shared, what).await;
    }
    let answered = match trouble {
        Some(kind @ TroubleKind::UnavailableAfterwards) => match asked::wished(kind) {
            Some(refusal) => Err(refusal),
            None => placed,
        },
        Some(
            TroubleKind::Refused(_)
            | TroubleKind::TooManyRequests
            | TroubleKind::Unavailable
            | TroubleKind::Silent
            | TroubleKind::SilentAfterwards,
        )
        | None => placed,
    };
    shared.respond_with(StatusCode::CREATED, what, answered, passed_over)
}

/// How long a request is kept waiting that is never answered; every client has gone by then.
const NEVER: Duration = Duration::from_secs(600);

/// Notes a request, and does not answer it.
async fn silence(shared: &Shared, what: String) -> Response {
    shared.note(RestRequest {
        what: format!("{what}, never answered"),
        status: 0,
        refused: None,
        passed_over: Vec::new(),
    });
    tokio::time::sleep(NEVER).await;
    StatusCode::GATEWAY_TIMEOUT.into_response()
}

/// Makes a call, and returns it as it is before anything has come of it.
fn place(shared: &Arc<Shared>, order: Order) -> Result<Value, Refusal> {
    let far_end = shared.far_end(&order.to).unwrap_or_else(|| {
        FarEnd::answers(|| {
            vec![
                Step::Speak(voice::greeting(crate::lang::Lang::En)),
                Step::Listen(STAYS),
            ]
        })
        .after(Duration::from_secs(2))
    });
    let sid = sid("CA");
    let listed = shared.join(Listing {
        sid: &sid,
        parent: None,
        from: &order.from,
        to: &order.to,
        direction: "outbound-api",
        status: "queued",
    });
    let shown = calls::show(shared, &sid);
    let placing = call::place(Arc::clone(shared), order, far_end, sid, listed);
    shared.spawn(placing);
    shown
}

/// Plays a recording to whoever asks, as the carrier does unless the account wants a key.
async fn recording(
    State(shared): State<Arc<Shared>>,
    Path((account, recording)): Path<(String, String)>,
) -> Response {
    let sid = recording.strip_suffix(".wav").unwrap_or(&recording);
    let sound = shared.recording(sid);
    match sound.and_then(|sound| crate::sim::recording::wav(&sound).ok()) {
        Some(bytes) if account == shared.account.account_sid => {
            ([(header::CONTENT_TYPE, "audio/x-wav")], bytes).into_response()
        }
        Some(_) | None => {
            let refusal = not_found(&format!("/Recordings/{sid}"));
            shared.respond(format!("GET {sid}"), Err(refusal))
        }
    }
}
