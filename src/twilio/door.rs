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
use crate::pure::audio::MostDelay;
use crate::pure::ids::LegId;
use crate::pure::phone::{Ask, Document, Phrase};
use crate::pure::twilio::form::{self, Form, FormError, StreamNews};
use crate::pure::twilio::signature::{SignatureError, Verifier, names_body_hash};
use crate::pure::twilio::twiml::{self, Links};

/// Where media sockets come in.
const MEDIA: &str = "/twilio/media";

/// The largest body that is read. Twilio's forms have some 2 KiB.
const MAX_BODY: usize = 64 * 1024;

/// How long a body may take to arrive; Twilio itself waits 15 s for the whole answer.
const BODY_LIMIT: Duration = Duration::from_secs(10);

/// The largest websocket message. Sound has 64 KiB at most; what is longer is survived and counted, and only what no
/// memory should be given for ends the socket.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

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
    /// The most delay that is made up.
    pub(super) most_delay: MostDelay,
    /// Where the next stream's transcript goes; taken by it.
    record_stream: Mutex<Option<PathBuf>>,
    turned_away: TurnedAway,
}

impl Door {
    /// Says whether the transcript of the next stream is wanted.
    pub(super) fn wants_record(&self) -> bool {
        let path = self.record_stream.lock();
        path.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns where the transcript of a stream is to be kept: once, for whichever stream is let in first.
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
        // A phone that has stopped answers nobody, but whoever calls hears so. Who comes back from a call has hung up.
        let gone = match ask {
            Ask::Incoming { .. } => Document::SayAndHangUp(Phrase::NobodyCanAnswer),
            Ask::Outgoing { .. } => Document::SayAndHangUp(Phrase::CouldNotBeReached),
            Ask::AfterStream { .. } | Ask::AfterDial { .. } => Document::HangUp,
        };
        let document = self.phone.ask(leg, ask).await.unwrap_or(gone);
        let links = self.links.ringing_for(self.phone.tuned().now().ring_for);
        let xml = twiml::render(&document, &links);
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
                let by_hand = by_hand(path);
                self.turned_away.tell(self.clock, path, &by_hand, why);
                let message = format!(
                    "{why}, so nothing was done; to try it by hand: `{by_hand}` signs it; if Twilio sent it: PUBLIC_URL must be the address set in its console, and TWILIO_AUTH_TOKEN the account's"
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
        };
        error(status, code, &message)
    }
}

/// Writes an error as every door of ours does.
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({ "error": { "code": code, "message": message } });
    (status, axum::Json(error)).into_response()
}

/// Returns the command that does the same, signed. A socket needs a call around it, and a token that its TwiML carried.
fn by_hand(path: &str) -> String {
    if path == MEDIA {
        "offhook sim call".to_owned()
    } else {
        format!("offhook sim post {path} To=… From=… CallSid=…")
    }
}

async fn wrong_method(uri: Uri) -> Response {
    let message = if uri.path() == MEDIA {
        "this is a websocket: only GET is served"
    } else {
        "only POST is served here"
    };
    error(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
}

/// Why a request is not served.
#[derive(Debug)]
enum Refused {
    Signature(SignatureError),
    Form(FormError),
    TooLarge,
    TooSlow,
    Unreadable,
}

/// Builds the routes.
pub(super) fn router(settings: &Settings, phone: PhoneHandle, clock: Instant) -> Router {
    // Without a token, but with the check, nobody comes in.
    let verifier = (!settings.insecure_no_signature)
        .then(|| Verifier::new(settings.auth_tokens.iter().map(|token| token.reveal())));
    let door = Arc::new(Door {
        verifier,
        links: super::links(settings),
        phone,
        clock,
        most_delay: settings.audio.most_delay,
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
        .route(MEDIA, get(media_socket))
        .method_not_allowed_fallback(wrong_method)
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
    // Our name for a call that was dialled over REST stands in the address, which is signed.
    let call = request
        .uri()
        .query()
        .and_then(|query| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "call"))
        .and_then(|(_, call)| form::call_id(&call));
    let news = match door.signed_form(request).await {
        Ok(form) => form::call_status(&form).map_err(Refused::Form),
        Err(refused) => Err(refused),
    };
    match news {
        Ok(news) => {
            debug!(leg = %news.leg, status = ?news.status, "the carrier tells where a leg stands");
            match (news.status, news.parent) {
                (Some(status), Some(parent)) => door.phone.child_is(parent, news.leg, status).await,
                (Some(status), None) => door.phone.leg_is(news.leg, call, status).await,
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
        match verifier.handshake(&url, signature(&headers)) {
            Ok(signed) => debug!(signed, "the handshake of a media socket is signed"),
            Err(why) => return door.refuse(MEDIA, Refused::Signature(why)),
        }
    }
    match upgrade {
        Ok(upgrade) => upgrade
            .max_message_size(MAX_MESSAGE)
            .max_frame_size(MAX_MESSAGE)
            // Every message goes to the connection at once; what that does not take is shed, not kept.
            .write_buffer_size(0)
            .on_upgrade(move |socket| media::serve(socket, door)),
        Err(rejection) => error(rejection.status(), "no_websocket", &rejection.body_text()),
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
    fn tell(&self, clock: Instant, path: &str, by_hand: &str, why: SignatureError) {
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
                "turned away at the carrier's door; to try it by hand: `{by_hand}`"
            );
        }
    }
}
