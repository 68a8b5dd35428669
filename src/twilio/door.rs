//! The carrier's door: webhooks in, documents out, and the way to the media socket.
//!
//! Nothing is done, and nothing is read but the headers and at most 64 KiB, before the signature was checked over the
//! public origin of the settings. `Host` and forwarded headers are never looked at.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use serde_json::json;
use tracing::{debug, warn};

use super::media;
use crate::config::Settings;
use crate::phone::PhoneHandle;
use crate::pure::ids::LegId;
use crate::pure::phone::Ask;
use crate::pure::twilio::form::{self, Form, FormError, StreamNews};
use crate::pure::twilio::signature::{SignatureError, Verifier, names_body_hash};
use crate::pure::twilio::twiml::{self, Links};

/// The largest body that is read. Twilio's forms have some 2 KiB.
const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive; Twilio itself waits 15 s for the whole answer.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// The largest websocket message: 64 KiB of sound in base64, and room for a carrier's whim.
const MAX_MESSAGE: usize = 256 * 1024;

/// How often the log tells of requests that were turned away.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What every request at the door needs.
#[derive(Debug)]
pub(super) struct Door {
    /// Nothing: signatures are not checked (`--insecure-no-signature`).
    verifier: Option<Verifier>,
    links: Links,
    pub(super) phone: PhoneHandle,
    pub(super) clock: Instant,
    /// Where the next stream's transcript goes; taken by it.
    record_stream: Mutex<Option<PathBuf>>,
    turned_away: TurnedAway,
}

impl Door {
    /// Returns where the transcript of a stream is to be kept: once, for whichever stream asks first.
    pub(super) fn take_record_path(&self) -> Option<PathBuf> {
        self.record_stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Returns the address that was signed: the public origin, then path and query just as they came.
    fn signed_url(&self, origin: &str, uri: &Uri) -> String {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        format!("{origin}{target}")
    }

    /// Reads a form, if it is signed; the error is the answer.
    async fn signed_form(&self, request: Request) -> Result<Form, Refused> {
        let (parts, body) = request.into_parts();
        let signature = signature(&parts.headers);
        if self.verifier.is_some() && signature.is_none() {
            return Err(Refused::Signature(SignatureError::Missing));
        }
        let body = read(body).await?;
        let form = Form::decode(&body);
        if let Some(verifier) = &self.verifier {
            let url = self.signed_url(&self.links.origin, &parts.uri);
            let checked = if names_body_hash(&url) {
                verifier.hashed_body(&url, &body, signature)
            } else {
                verifier.form(&url, form.params(), signature)
            };
            checked.map_err(Refused::Signature)?;
        }
        Ok(form)
    }

    /// Answers a question of the carrier with a document.
    async fn answer(&self, asked: Result<(LegId, Ask), FormError>) -> Result<Response, Refused> {
        let (leg, ask) = asked.map_err(Refused::Form)?;
        debug!(%leg, "the carrier asks for a document");
        let document = self
            .phone
            .ask(leg, ask)
            .await
            .map_err(|_| Refused::Stopping)?;
        let xml = twiml::render(&document, &self.links);
        Ok(([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], xml).into_response())
    }

    /// Answers a request for a document at `path`.
    async fn document(
        &self,
        path: &'static str,
        request: Request,
        read: fn(&Form) -> Result<(LegId, Ask), FormError>,
    ) -> Response {
        let answer = match self.signed_form(request).await {
            Ok(form) => self.answer(read(&form)).await,
            Err(refused) => Err(refused),
        };
        answer.unwrap_or_else(|refused| self.refuse(path, refused))
    }

    /// Answers a request that cannot be served, and tells the log.
    fn refuse(&self, path: &'static str, refused: Refused) -> Response {
        let (status, code, message) = match refused {
            Refused::Signature(why) => {
                self.turned_away.tell(self.clock, path, why);
                let message = format!(
                    "{why}, so nothing was done; to try it by hand: `offhook sim post {path} To=… From=… CallSid=…` signs it; if Twilio sent it: PUBLIC_URL must be the address set in its console, and TWILIO_AUTH_TOKEN the account's"
                );
                (StatusCode::FORBIDDEN, "unsigned", message)
            }
            Refused::Form(why) => {
                warn!(path, %why, "a signed request could not be understood");
                (StatusCode::BAD_REQUEST, "bad_form", why.to_string())
            }
            Refused::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "the body is larger than 64 KiB".to_owned(),
            ),
            Refused::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body did not arrive within 10 s".to_owned(),
            ),
            Refused::Unreadable => (
                StatusCode::BAD_REQUEST,
                "unreadable",
                "the body could not be read to its end".to_owned(),
            ),
            Refused::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the telephone is being switched off".to_owned(),
            ),
        };
        let error = json!({ "error": { "code": code, "message": message } });
        (status, axum::Json(error)).into_response()
    }
}

/// Why a request is not served.
#[derive(Debug)]
enum Refused {
    Signature(SignatureError),
    Form(FormError),
    TooLarge,
    TooSlow,
    Unreadable,
    Stopping,
}

/// Builds the routes.
pub(super) fn router(settings: &Settings, phone: PhoneHandle, clock: Instant) -> Router {
    let verifier = (!settings.auth_tokens.is_empty())
        .then(|| Verifier::new(settings.auth_tokens.iter().map(|token| token.reveal())));
    let door = Arc::new(Door {
        verifier,
        links: Links {
            origin: settings.public_url.as_str().to_owned(),
            websocket: settings.public_url.websocket(),
            ring_seconds: u32::try_from(settings.ring_for.as_secs()).unwrap_or(u32::MAX),
            lang: settings.lang,
        },
        phone,
        clock,
        record_stream: Mutex::new(settings.record_stream.clone()),
        turned_away: TurnedAway::default(),
    });
    Router::new()
        .route("/handle_calls", post(handle_calls))
        .route("/twiml/outgoing", post(outgoing))
        .route("/twilio/after-stream", post(after_stream))
        .route("/twilio/after-dial", post(after_dial))
        .route("/twilio/call-status", post(call_status))
        .route("/twilio/stream-status", post(stream_status))
        .route("/twilio/media", get(media_socket))
        .with_state(door)
}

async fn handle_calls(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.document("/handle_calls", request, form::incoming)
        .await
}

async fn outgoing(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.document("/twiml/outgoing", request, form::outgoing)
        .await
}

async fn after_stream(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.document("/twilio/after-stream", request, form::after_stream)
        .await
}

async fn after_dial(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.document("/twilio/after-dial", request, form::after_dial)
        .await
}

async fn call_status(State(door): State<Arc<Door>>, request: Request) -> Response {
    let news = match door.signed_form(request).await {
        Ok(form) => form::call_status(&form).map_err(Refused::Form),
        Err(refused) => Err(refused),
    };
    match news {
        Ok(news) => {
            debug!(leg = %news.leg, status = ?news.status, sequence = ?news.sequence, "the carrier tells where a leg stands");
            match (news.status, news.parent) {
                (Some(status), Some(parent)) => door.phone.child_is(parent, news.leg, status).await,
                (Some(status), None) => door.phone.leg_is(news.leg, status).await,
                // A word that we do not know is no news.
                (None, _) => {}
            }
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refused) => door.refuse("/twilio/call-status", refused),
    }
}

async fn stream_status(State(door): State<Arc<Door>>, request: Request) -> Response {
    let news = match door.signed_form(request).await {
        Ok(form) => form::stream_status(&form).map_err(Refused::Form),
        Err(refused) => Err(refused),
    };
    match news {
        Ok((leg, StreamNews::Failed(why))) => {
            // The only word about a socket that never came up.
            warn!(%leg, why, "the carrier could not stream to us; its Debugger says more");
            StatusCode::NO_CONTENT.into_response()
        }
        Ok((leg, news)) => {
            debug!(%leg, ?news, "the carrier tells of a stream");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refused) => door.refuse("/twilio/stream-status", refused),
    }
}

async fn media_socket(
    State(door): State<Arc<Door>>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if let Some(verifier) = &door.verifier {
        let url = door.signed_url(&door.links.websocket, &uri);
        if let Err(why) = verifier.handshake(&url, signature(&headers)) {
            return door.refuse("/twilio/media", Refused::Signature(why));
        }
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            // Every message goes to the connection at once; what that does not take is shed, not kept.
            .write_buffer_size(0)
            .on_upgrade(move |socket| media::serve(socket, door)),
        Err(rejection) => rejection.into_response(),
    }
}

fn signature(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("x-twilio-signature").iter();
    let only = values.next()?.to_str().ok();
    // Two signatures are one too many: nobody can say which was meant.
    if values.next().is_some() { None } else { only }
}

/// Reads a body to its end, as far as the limits of size and time allow.
async fn read(body: Body) -> Result<Vec<u8>, Refused> {
    let mut chunks = body.into_data_stream();
    let whole = async {
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Refused::Unreadable)?;
            if whole.len() + chunk.len() > MAX_BODY {
                return Err(Refused::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    };
    tokio::time::timeout(BODY_LIMIT, whole)
        .await
        .unwrap_or(Err(Refused::TooSlow))
}

/// Tells the log of requests that were turned away, but not of each: a stranger must not be able to fill the disk.
#[derive(Debug, Default)]
struct TurnedAway {
    since_told: AtomicU64,
    /// When it was told last, in ms of the daemon's clock, plus one; 0: never.
    told_at: AtomicU64,
}

impl TurnedAway {
    fn tell(&self, clock: Instant, path: &str, why: SignatureError) {
        let count = self.since_told.fetch_add(1, Ordering::Relaxed) + 1;
        let now = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
        let told = self.told_at.load(Ordering::Relaxed);
        let every = u64::try_from(TELL_EVERY.as_millis()).unwrap_or(u64::MAX);
        let due = told == 0 || now >= told.saturating_add(every);
        if due
            && self
                .told_at
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.since_told.fetch_sub(count, Ordering::Relaxed);
            warn!(
                path,
                count,
                %why,
                "turned away at the carrier's door; to try it by hand: `offhook sim post {path} …`"
            );
        }
    }
}
