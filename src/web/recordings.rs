//! Recordings of calls, messages, what is played at the desk, and the greeting: `/api/recordings`, `/api/voicemails`,
//! `/api/playback`, `/api/greeting`. A name is one that the recorder gives, or it is none: no path leads elsewhere.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, Take};

use super::Door;
use super::calls::on_or_off;
use super::memory::{Answer, Problem, read, recalled, written};
use super::range::{self, Part};
use super::tokens;
use crate::phone::memory::{Recall, RecallError, Recalled};
use crate::phone::shelf::{LARGEST_GREETING, ShelfError, ShelfWish};

/// Bytes of a file that are sent at once.
const PIECE: usize = 64 * 1024;

/// The routes, behind the gate.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/api/recordings", get(all))
        .route("/api/recordings/{name}", get(one).delete(remove))
        .route("/api/recordings/{name}/audio", get(one))
        .route("/api/recordings/{name}/play", post(play))
        .route("/api/voicemails", get(messages))
        .route(
            "/api/voicemails/{name}",
            get(message).delete(remove_message),
        )
        .route("/api/voicemails/{name}/audio", get(message_audio))
        .route("/api/voicemails/{name}/play", post(play_message))
        .route("/api/voicemails/{name}/heard", post(hear_message))
        .route("/api/playback", get(playback).delete(stop_playback))
        .route(
            "/api/greeting",
            get(greeting)
                .put(import_greeting)
                .delete(remove_greeting)
                .layer(DefaultBodyLimit::max(LARGEST_GREETING as usize)),
        )
        .route("/api/greeting/play", post(play_greeting))
        .route("/api/greeting/record", post(record_greeting))
}

type Name = Result<Path<String>, PathRejection>;

fn nothing() -> Problem {
    Problem::from(RecallError::NoSuchRecording)
}

async fn shelf(door: &Door, wish: ShelfWish) -> Answer {
    recalled(door, Recall::Shelf(wish)).await
}

/// Reads the name of a message; what is no text names none.
fn message_name(name: Name) -> Result<String, Problem> {
    let no_message = |_| Problem::from(RecallError::Shelf(ShelfError::NoSuchVoicemail));
    name.map(|Path(id)| id).map_err(no_message)
}

/// `GET /api/recordings`.
async fn all(State(door): State<Arc<Door>>) -> Answer {
    recalled(&door, Recall::Recordings).await
}

/// `DELETE /api/recordings/{name}`.
async fn remove(State(door): State<Arc<Door>>, name: Name) -> Answer {
    let Path(file) = name.map_err(|_| nothing())?;
    recalled(&door, Recall::DeleteRecording { file }).await
}

/// `POST /api/recordings/{name}/play`.
async fn play(State(door): State<Arc<Door>>, name: Name) -> Answer {
    let Path(file) = name.map_err(|_| nothing())?;
    shelf(&door, ShelfWish::Play { file }).await
}

/// `GET /api/voicemails`.
async fn messages(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::Voicemails).await
}

/// `GET /api/voicemails/{id}`.
async fn message(State(door): State<Arc<Door>>, name: Name) -> Answer {
    let id = message_name(name)?;
    shelf(&door, ShelfWish::Voicemail { id }).await
}

/// `DELETE /api/voicemails/{id}`.
async fn remove_message(State(door): State<Arc<Door>>, name: Name) -> Answer {
    let id = message_name(name)?;
    shelf(&door, ShelfWish::DeleteVoicemail { id }).await
}

/// `POST /api/voicemails/{id}/play`.
async fn play_message(State(door): State<Arc<Door>>, name: Name) -> Answer {
    let id = message_name(name)?;
    shelf(&door, ShelfWish::PlayVoicemail { id }).await
}

/// `POST /api/voicemails/{id}/heard`.
async fn hear_message(State(door): State<Arc<Door>>, name: Name, body: tokens::Body) -> Answer {
    let id = message_name(name)?;
    let heard = on_or_off(body).map_err(Problem::Door)?;
    shelf(&door, ShelfWish::HearVoicemail { id, heard }).await
}

/// `GET /api/voicemails/{id}/audio`.
async fn message_audio(
    State(door): State<Arc<Door>>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = message_name(name)?;
    let wish = Recall::Shelf(ShelfWish::Voicemail { id: id.clone() });
    door.phone.recall(wish).await?;
    audio(&door, &id, &headers).await
}

/// `GET /api/playback`.
async fn playback(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::Playing).await
}

/// `DELETE /api/playback`.
async fn stop_playback(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::StopPlaying).await
}

/// `GET /api/greeting`.
async fn greeting(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::Greeting).await
}

/// `PUT /api/greeting`: a WAV or Ogg Opus file.
async fn import_greeting(
    State(door): State<Arc<Door>>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let bytes = read(body)?.to_vec();
    let kept = door.phone.import_greeting(bytes).await;
    written(Recalled::Shelf(kept.map_err(RecallError::from)?))
}

/// `DELETE /api/greeting`.
async fn remove_greeting(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::RemoveGreeting).await
}

/// `POST /api/greeting/play`.
async fn play_greeting(State(door): State<Arc<Door>>) -> Answer {
    shelf(&door, ShelfWish::PlayGreeting).await
}

/// `POST /api/greeting/record`.
async fn record_greeting(State(door): State<Arc<Door>>, body: tokens::Body) -> Answer {
    let on = on_or_off(body).map_err(Problem::Door)?;
    shelf(&door, ShelfWish::RecordGreeting { on }).await
}

/// `GET /api/recordings/{name}` and its `/audio`: the file; of one that is being made, what there is by now.
async fn one(
    State(door): State<Arc<Door>>,
    name: Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| nothing())?;
    audio(&door, &name, &headers).await
}

async fn audio(door: &Door, name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let path = door.phone.recording_path(name).ok_or_else(nothing)?;
    let mut file = File::open(path).await.map_err(|_| nothing())?;
    let length = file.metadata().await.map_err(|_| nothing())?.len();
    let wanted = headers.get(header::RANGE).and_then(|r| r.to_str().ok());
    // A part of what the file was before would be no part of what it is now.
    let wanted = wanted.filter(|_| !headers.contains_key(header::IF_RANGE));
    let (status, first, count) = match range::part(wanted, length) {
        Part::All => (StatusCode::OK, 0, length),
        Part::Bytes(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
    };
    file.seek(SeekFrom::Start(first))
        .await
        .map_err(|_| nothing())?;
    let pieces = stream::try_unfold(file.take(count), piece);
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    let kind = if name.ends_with(".opus") {
        "audio/ogg"
    } else {
        "audio/wav"
    };
    let range = match status {
        StatusCode::PARTIAL_CONTENT => {
            Some(format!("bytes {first}-{}/{length}", first + count - 1))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Some(format!("bytes */{length}")),
        _ => None,
    };
    let disposition = format!("attachment; filename=\"{name}\"");
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    told.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    told.insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    for (name, value) in [
        (header::CONTENT_DISPOSITION, Some(disposition)),
        (header::CONTENT_RANGE, range),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            told.insert(name, value);
        }
    }
    Ok(response)
}

/// Reads the next piece of a file.
async fn piece(mut file: Take<File>) -> io::Result<Option<(Vec<u8>, Take<File>)>> {
    let mut piece = vec![0; PIECE];
    let read = file.read(&mut piece).await?;
    piece.truncate(read);
    Ok((read > 0).then_some((piece, file)))
}
