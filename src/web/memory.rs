//! What the phone remembers: `/api/history`, `/api/contacts`, `/api/blocked`. What is asked is answered by
//! [`crate::phone::memory`]; here is only how HTTP says it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Door;
use super::error::ApiError;
use crate::phone::memory::{ContactQuery, Recall, RecallError, Recalled};
use crate::phone::shelf::{ShelfError, Shelved};
use crate::pure::book::contact::{Contact, ContactDraft};
use crate::pure::book::history::{HistoryEntry, HistoryQuery, LONGEST_PAGE, csv_header, csv_lines};
use crate::pure::book::vcard;

/// The largest file of contacts that is read, in bytes.
const MOST_CARDS: usize = 4 << 20;

/// The routes, behind the gate.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/api/history", get(history).delete(forget_all))
        .route("/api/history/seen", post(see_all))
        .route("/api/history/export", get(export_history))
        .route("/api/history/{id}", delete(forget))
        .route("/api/history/{id}/seen", post(see))
        .route("/api/contacts", get(contacts).post(add))
        .route(
            "/api/contacts/import",
            post(import).layer(DefaultBodyLimit::max(MOST_CARDS)),
        )
        .route("/api/contacts/export", get(export_contacts))
        .route("/api/contacts/{id}", get(contact).put(edit).delete(remove))
        .route("/api/blocked", get(blocked).post(block))
        .route("/api/blocked/{id}", delete(unblock))
}

/// Why a request is not served.
pub(super) enum Problem {
    /// As anywhere at this door.
    Door(ApiError),
    /// The memory refuses.
    Memory(RecallError),
    /// A query or a body is not as it should be; the sentence says how.
    Malformed(&'static str, String),
    /// The body is larger than the path takes.
    TooLarge,
}

impl From<RecallError> for Problem {
    fn from(why: RecallError) -> Problem {
        Problem::Memory(why)
    }
}

impl From<QueryRejection> for Problem {
    fn from(why: QueryRejection) -> Problem {
        Problem::Malformed("invalid_query", why.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Problem::Door(error) => return error.into_response(),
            Problem::Malformed(code, message) => (StatusCode::BAD_REQUEST, code, message),
            Problem::TooLarge => {
                let message = "the body is larger than this path takes".to_owned();
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
            }
            Problem::Memory(why) => {
                let status = match &why {
                    RecallError::NoSuchCall
                    | RecallError::NoSuchContact
                    | RecallError::NoSuchRecording
                    | RecallError::NotBlocked => StatusCode::NOT_FOUND,
                    RecallError::Shelf(why) => match why {
                        ShelfError::NoSuchRecording | ShelfError::NoSuchVoicemail => {
                            StatusCode::NOT_FOUND
                        }
                        ShelfError::DeskBusy
                        | ShelfError::NoSpeaker
                        | ShelfError::NoMicrophone
                        | ShelfError::NotRecording
                        | ShelfError::TooShort => StatusCode::CONFLICT,
                        ShelfError::TooLong | ShelfError::Unplayable(_) => StatusCode::BAD_REQUEST,
                        ShelfError::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
                        ShelfError::NoAnswer(_) => return ApiError::Internal.into_response(),
                    },
                    RecallError::Undeletable(_) => StatusCode::INTERNAL_SERVER_ERROR,
                    RecallError::Query(_)
                    | RecallError::Contact(_)
                    | RecallError::Pattern(_)
                    | RecallError::Note => StatusCode::BAD_REQUEST,
                    RecallError::NoAnswer(_) => return ApiError::Internal.into_response(),
                };
                (status, why.code(), why.to_string())
            }
        };
        let body = json!({"error": {"code": code, "message": message}});
        (status, Json(body)).into_response()
    }
}

pub(super) type Answer = Result<Json<Value>, Problem>;

type Body = Result<Bytes, BytesRejection>;

/// Asks, and writes the answer as what it is.
pub(super) async fn recalled(door: &Door, what: Recall) -> Answer {
    written(door.phone.recall(what).await?)
}

/// Writes an answer as what it is.
pub(super) fn written(answer: Recalled) -> Answer {
    let told = match answer {
        Recalled::History(page) => serde_json::to_value(page),
        Recalled::Calls(count) => Ok(json!({ "calls": count })),
        Recalled::Contacts(page) => serde_json::to_value(page),
        Recalled::Contact(contact) => serde_json::to_value(contact),
        Recalled::Imported(imported) => serde_json::to_value(imported),
        Recalled::Recordings(list) => Ok(json!({ "recordings": list })),
        Recalled::Recording(recording) => serde_json::to_value(recording),
        Recalled::Shelf(Shelved::Playing(playing)) => Ok(json!({ "playing": playing })),
        Recalled::Shelf(Shelved::Where(path)) => Ok(json!({ "path": path })),
        Recalled::Shelf(Shelved::Voicemails(list)) => {
            let waiting = list.iter().filter(|message| !message.heard).count();
            Ok(json!({ "voicemails": list, "waiting": waiting }))
        }
        Recalled::Shelf(Shelved::Voicemail(message)) => serde_json::to_value(message),
        Recalled::Shelf(Shelved::Greeting(greeting)) => serde_json::to_value(greeting),
        Recalled::BlockList(list) => Ok(json!({ "blocked": list })),
        Recalled::Blocked(entry) => serde_json::to_value(entry),
    };
    told.map(Json)
        .map_err(|_| Problem::Door(ApiError::Internal))
}

pub(super) fn read(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejection| {
        if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::TooLarge
        } else {
            Problem::Door(ApiError::Unreadable)
        }
    })
}

fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, Problem> {
    serde_json::from_slice(&read(body)?).map_err(|why| {
        Problem::Malformed("invalid_json", format!("the body is not understood: {why}"))
    })
}

/// A number in a path; what is none names nothing.
fn number(path: &str, nothing: RecallError) -> Result<i64, Problem> {
    path.parse().map_err(|_| Problem::Memory(nothing))
}

/// `GET /api/history`.
async fn history(
    State(door): State<Arc<Door>>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Answer {
    let Query(query) = query?;
    recalled(&door, Recall::History { query }).await
}

/// `POST /api/history/seen`.
async fn see_all(State(door): State<Arc<Door>>) -> Answer {
    recalled(&door, Recall::SeeCalls { call: None }).await
}

/// `POST /api/history/{id}/seen`.
async fn see(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Answer {
    recalled(&door, Recall::SeeCalls { call: Some(id) }).await
}

/// `DELETE /api/history`.
async fn forget_all(State(door): State<Arc<Door>>) -> Answer {
    recalled(&door, Recall::ForgetCalls { call: None }).await
}

/// `DELETE /api/history/{id}`.
async fn forget(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Answer {
    recalled(&door, Recall::ForgetCalls { call: Some(id) }).await
}

/// How an export is written.
#[derive(Deserialize)]
struct Format {
    format: Option<String>,
}

/// `GET /api/history/export`.
async fn export_history(
    State(door): State<Arc<Door>>,
    format: Result<Query<Format>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Format { format }) = format?;
    match format.as_deref() {
        None | Some("csv") => {
            let text = csv_header() + &csv_lines(&whole_history(&door).await?);
            Ok(file(text, "text/csv; charset=utf-8", "history.csv"))
        }
        Some("json") => {
            let text = serde_json::to_string(&whole_history(&door).await?)
                .map_err(|_| Problem::Door(ApiError::Internal))?;
            Ok(file(text, "application/json", "history.json"))
        }
        Some(_) => Err(Problem::Malformed(
            "invalid_query",
            "the format is csv or json".to_owned(),
        )),
    }
}

async fn whole_history(door: &Door) -> Result<Vec<HistoryEntry>, Problem> {
    let mut calls = Vec::new();
    let mut before = None;
    loop {
        let query = HistoryQuery {
            limit: Some(LONGEST_PAGE),
            before,
            ..HistoryQuery::default()
        };
        let page = door.phone.store().history(query).await;
        let page = page.map_err(RecallError::from)?;
        calls.extend(page.calls);
        before = page.next;
        if before.is_none() {
            return Ok(calls);
        }
    }
}

/// Answers with something to be kept in a file.
fn file(text: String, kind: &'static str, name: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// `GET /api/contacts`.
async fn contacts(
    State(door): State<Arc<Door>>,
    query: Result<Query<ContactQuery>, QueryRejection>,
) -> Answer {
    let Query(query) = query?;
    recalled(&door, Recall::Contacts { query }).await
}

/// `POST /api/contacts`.
async fn add(
    State(door): State<Arc<Door>>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let contact: ContactDraft = read_json(body)?;
    let added = recalled(&door, Recall::AddContact { contact }).await?;
    Ok((StatusCode::CREATED, added))
}

/// `GET /api/contacts/{id}`.
async fn contact(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Answer {
    let id = number(&id, RecallError::NoSuchContact)?;
    recalled(&door, Recall::Contact { id }).await
}

/// `PUT /api/contacts/{id}`.
async fn edit(State(door): State<Arc<Door>>, Path(id): Path<String>, body: Body) -> Answer {
    let id = number(&id, RecallError::NoSuchContact)?;
    let contact: ContactDraft = read_json(body)?;
    recalled(&door, Recall::EditContact { id, contact }).await
}

/// `DELETE /api/contacts/{id}`.
async fn remove(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Answer {
    let id = number(&id, RecallError::NoSuchContact)?;
    recalled(&door, Recall::RemoveContact { id }).await
}

/// `POST /api/contacts/import`.
async fn import(State(door): State<Arc<Door>>, body: Body) -> Answer {
    let cards = read(body)?;
    // Megabytes of cards take a while, in which others are served.
    let contacts = tokio::task::spawn_blocking(move || vcard::read(&cards))
        .await
        .unwrap_or_default();
    if contacts.is_empty() {
        let why = "there is no contact in it; hint: a file of contacts has lines BEGIN:VCARD and END:VCARD";
        return Err(Problem::Malformed("no_contacts", why.to_owned()));
    }
    recalled(&door, Recall::ImportContacts { contacts }).await
}

/// Which version is written.
#[derive(Deserialize)]
struct Version {
    version: Option<String>,
}

/// `GET /api/contacts/export`.
async fn export_contacts(
    State(door): State<Arc<Door>>,
    version: Result<Query<Version>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Version { version }) = version?;
    let version = match version.as_deref() {
        None | Some("4.0") => vcard::Version::V4,
        Some("3.0") => vcard::Version::V3,
        Some(_) => {
            let why = "the version is 4.0 or 3.0".to_owned();
            return Err(Problem::Malformed("invalid_query", why));
        }
    };
    let mut text = String::new();
    let mut after = None;
    loop {
        let query = ContactQuery {
            limit: Some(LONGEST_PAGE),
            after,
            ..ContactQuery::default()
        };
        let page = door.phone.store().contacts(query).await;
        let page = page.map_err(RecallError::from)?;
        text.extend(
            page.contacts
                .iter()
                .map(|Contact { is, .. }| vcard::write(is, version)),
        );
        after = page.next;
        if after.is_none() {
            return Ok(file(text, "text/vcard; charset=utf-8", "contacts.vcf"));
        }
    }
}

/// `GET /api/blocked`.
async fn blocked(State(door): State<Arc<Door>>) -> Answer {
    recalled(&door, Recall::Blocked).await
}

/// Whom to block.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    pattern: String,
    #[serde(default)]
    note: String,
}

/// `POST /api/blocked`.
async fn block(
    State(door): State<Arc<Door>>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Entry { pattern, note } = read_json(body)?;
    let entry = recalled(&door, Recall::Block { pattern, note }).await?;
    Ok((StatusCode::CREATED, entry))
}

/// `DELETE /api/blocked/{id}`.
async fn unblock(State(door): State<Arc<Door>>, Path(id): Path<String>) -> Answer {
    let entry = number(&id, RecallError::NotBlocked)?.to_string();
    recalled(&door, Recall::Unblock { entry }).await
}
