//! The events as they happen, over a websocket.
//!
//! Nothing is queued for a reader: each takes what it has not seen from the phone's bounded log, and one that lets a
//! message lie for too long is let go. It may come back with `?after=` and will have missed nothing that the log holds.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tracing::{debug, error};

use super::Door;
use super::error::ApiError;
use crate::pure::call_report::{CallReport, EventReport};

/// The largest message of a reader, who has nothing to say.
const MAX_MESSAGE: usize = 4096;

/// How long a message may lie before its reader is let go.
const SLOW: Duration = Duration::from_secs(5);

/// How often a reader is pinged; one of whom nothing was heard for two of these is let go.
const PING_EVERY: Duration = Duration::from_secs(20);

/// What a reader is told first.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "snapshot")]
struct SnapshotReport {
    seq: u64,
    calls: Vec<CallReport>,
    voicemails_waiting: u64,
}

/// `GET /api/events`.
pub(super) async fn events(
    State(door): State<Arc<Door>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    door.hosts.check_origin(&headers)?;
    let after = after(query.as_deref())?;
    let upgrade = upgrade.map_err(|_| ApiError::NoWebsocket)?;
    Ok(upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        // Every message goes to the connection at once, so that a slow reader is noticed.
        .write_buffer_size(0)
        .on_upgrade(move |socket| async move {
            let why = serve(socket, &door, after).await;
            debug!(?why, "a reader of events is gone");
        }))
}

/// Reads which event was seen last.
fn after(query: Option<&str>) -> Result<Option<u64>, ApiError> {
    let query = query.unwrap_or_default();
    let value = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
    match value {
        Some((_, text)) => text.parse().map(Some).map_err(|_| ApiError::InvalidAfter),
        None => Ok(None),
    }
}

/// Why a reader is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gone {
    Closed,
    Slow,
    Silent,
    PhoneStopped,
    Unwritten,
}

/// Tells a reader what happens, until it is gone.
async fn serve(mut socket: WebSocket, door: &Door, after: Option<u64>) -> Gone {
    let why = match tell(&mut socket, door, after).await {
        Ok(never) => match never {},
        Err(why) => why,
    };
    let farewell = match why {
        Gone::PhoneStopped => Some((close_code::AWAY, "the telephone is being switched off")),
        Gone::Unwritten => Some((close_code::ERROR, "this went wrong inside")),
        Gone::Closed | Gone::Slow | Gone::Silent => None,
    };
    if let Some((code, reason)) = farewell {
        let close = CloseFrame {
            code,
            reason: reason.into(),
        };
        // It is gone either way.
        let _ = send(&mut socket, Message::Close(Some(close))).await;
    }
    why
}

async fn tell(
    socket: &mut WebSocket,
    door: &Door,
    after: Option<u64>,
) -> Result<std::convert::Infallible, Gone> {
    let mut snapshots = door.phone.snapshots();
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut seen = after;
    loop {
        snapshots.borrow_and_update();
        seen = Some(catch_up(socket, door, seen).await?);
        loop {
            tokio::select! {
                changed = snapshots.changed() => {
                    changed.map_err(|_| Gone::PhoneStopped)?;
                    break;
                }
                message = socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Gone::Closed),
                    Some(Ok(
                        Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_),
                    )) => heard = Instant::now(),
                },
                _ = pings.tick() => {
                    if heard.elapsed() > 2 * PING_EVERY {
                        return Err(Gone::Silent);
                    }
                    send(socket, Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }
}

/// Tells all that was not seen yet, and returns the number of the last of it.
///
/// Where the log does not reach back so far, or the number is from before a restart (each run counts on from the time of
/// its start), a snapshot takes its place.
async fn catch_up(socket: &mut WebSocket, door: &Door, seen: Option<u64>) -> Result<u64, Gone> {
    let missed = seen.and_then(|seen| Some((seen, door.phone.events_after(seen)?)));
    if let Some((mut seen, events)) = missed {
        for event in events {
            seen = event.seq;
            let report = EventReport::new(event.seq, &event.call, event.happening, event.at);
            send_json(socket, &report).await?;
        }
        return Ok(seen);
    }
    let snapshot = door.snapshot();
    let report = SnapshotReport {
        seq: snapshot.seq,
        calls: door.reports(&snapshot),
        voicemails_waiting: snapshot.voicemails_waiting,
    };
    send_json(socket, &report).await?;
    Ok(snapshot.seq)
}

async fn send_json(socket: &mut WebSocket, report: &impl Serialize) -> Result<(), Gone> {
    let text = serde_json::to_string(report).map_err(|why| {
        error!(%why, "an event could not be written");
        Gone::Unwritten
    })?;
    send(socket, Message::text(text)).await
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    match timeout(SLOW, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| Gone::Closed),
        Err(_) => Err(Gone::Slow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_seen_is_read_from_the_query() {
        assert_eq!(after(None), Ok(None));
        assert_eq!(after(Some("x=1")), Ok(None));
        assert_eq!(after(Some("after=0")), Ok(Some(0)));
        assert_eq!(after(Some("x=1&after=17")), Ok(Some(17)));
        for wrong in [
            "after",
            "after=",
            "after=-1",
            "after=x",
            "after=18446744073709551616",
        ] {
            assert_eq!(after(Some(wrong)), Err(ApiError::InvalidAfter), "{wrong}");
        }
    }

    #[test]
    fn a_snapshot_begins_with_its_kind_and_number() {
        let report = SnapshotReport {
            seq: 4,
            calls: Vec::new(),
            voicemails_waiting: 0,
        };
        assert_eq!(
            serde_json::to_string(&report).expect("plain"),
            r#"{"type":"snapshot","seq":4,"calls":[],"voicemails_waiting":0}"#
        );
    }
}
