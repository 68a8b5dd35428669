//! Recordings of calls: `/api/recordings`. A name is one that the recorder gives, or it is none: no path leads elsewhere.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, Take};

use super::Door;
use super::memory::{Answer, Problem, recalled};
use crate::phone::memory::{Recall, RecallError};

/// Bytes of a file that are sent at once.
const PIECE: usize = 64 * 1024;

/// The routes, behind the gate.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/api/recordings", get(all))
        .route("/api/recordings/{name}", get(one).delete(remove))
}

type Name = Result<Path<String>, PathRejection>;

fn nothing() -> Problem {
    Problem::from(RecallError::NoSuchRecording)
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

/// `GET /api/recordings/{name}`: the file; of one that is being made, what there is by now.
async fn one(State(door): State<Arc<Door>>, name: Name) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| nothing())?;
    let path = door.phone.recording_path(&name).ok_or_else(nothing)?;
    let file = File::open(path).await.map_err(|_| nothing())?;
    let length = file.metadata().await.map_err(|_| nothing())?.len();
    let pieces = stream::try_unfold(file.take(length), piece);
    let mut response = Response::new(Body::from_stream(pieces));
    let kind = if name.ends_with(".opus") {
        "audio/ogg"
    } else {
        "audio/wav"
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
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
