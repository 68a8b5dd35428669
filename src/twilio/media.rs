//! One media socket: carries its messages between the carrier, the engine's rings and the phone.
//!
//! What they mean is decided by [`Session`]. Sound leaves the moment the engine says that a frame is ready; a socket
//! that does not take it makes the oldest frames be shed, since sound that waits is delay that stays. What has piled up
//! beyond the socket all the same, [`Upward`] brings back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{Sink as _, Stream as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite;
use tracing::{debug, warn};

use super::door::Door;
use super::transcript::{By, Record};
use crate::audio::{SocketEnd, stream_port};
use crate::phone::{PhoneHandle, StreamControl, StreamOffer};
use crate::pure::ids::{LegId, StreamId, StreamToken};
use crate::pure::quality::arrivals::Arrivals;
use crate::pure::time::Time;
use crate::pure::twilio::session::{Action, Broken, CloseReason, Faults, Heard, Session};
use crate::pure::twilio::stream::StreamCommand;
use crate::pure::twilio::upward::{Outgoing, Upward};

/// Frames that may wait for a socket that takes none; older ones are shed. Twilio plays whatever arrives one after the
/// other, so what waits here would be delay for the rest of the call.
const WAITING_FRAMES: usize = 2;

/// Frames that may wait where this task itself was held up: 200 ms.
const HELD_UP_FRAMES: usize = 10;

/// Control messages that the phone may send ahead.
const CONTROL: usize = 4;

/// Messages that may still be heard after something was due: what waited while this task was held up belongs before it,
/// but whoever never stops talking must not put off an end for ever.
const MOST_OVERDUE: u32 = 64;

/// What happens next on a socket.
enum Step {
    Came(Option<Result<Message, axum::Error>>),
    Writable(Result<(), axum::Error>),
    Asked(Option<StreamControl>),
    FrameReady,
    Due,
}

/// Serves one socket to its end.
pub(super) async fn serve(socket: WebSocket, door: Arc<Door>) {
    let id = door.phone.next_stream();
    // Let go last, and whatever happens: no call may wait for a socket that is gone.
    let _guard = door.phone.guard_stream(id);
    let (control_in, control_out) = mpsc::channel(CONTROL);
    let mut line = Line {
        id,
        phone: door.phone.clone(),
        clock: door.clock,
        session: Session::new(now(door.clock)),
        upward: Upward::bounded(door.most_delay),
        socket,
        port: None,
        control_in,
        control_out,
        outbox: Outbox::default(),
        reading: true,
        blocked: false,
        record: Record::new(door.wants_record()),
        overdue: 0,
        counts: Counts::default(),
        arrivals: Arrivals::default(),
        door,
    };
    debug!(stream = %line.id, "a media socket was opened");
    line.run().await;
    line.tell();
}

/// What was lost between socket and rings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    /// Frames down that found the ring full.
    dropped_down: u64,
    /// Frames up that the socket did not take in time.
    shed_up: u64,
    /// Times that all that the carrier held was thrown away.
    clears: u64,
}

/// Frames of our own that are yet to leave, ahead of sound.
#[derive(Debug, Default)]
struct Outbox {
    close: Option<CloseReason>,
    ping: bool,
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.close.is_none() && !self.ping
    }
}

struct Line {
    id: StreamId,
    phone: PhoneHandle,
    clock: Instant,
    session: Session,
    upward: Upward,
    socket: WebSocket,
    /// Our ends of the rings, from the offer until the stream is over.
    port: Option<SocketEnd>,
    control_in: mpsc::Sender<StreamControl>,
    control_out: mpsc::Receiver<StreamControl>,
    outbox: Outbox,
    /// Whether the socket can still be read.
    reading: bool,
    /// Whether the socket took no more when it was last tried.
    blocked: bool,
    record: Record,
    /// Messages that came since something was due.
    overdue: u32,
    counts: Counts,
    arrivals: Arrivals,
    door: Arc<Door>,
}

impl Line {
    async fn run(&mut self) {
        let mut actions = Vec::new();
        loop {
            let step = self.next_step().await;
            let now = now(self.clock);
            let spoke = matches!(step, Step::Came(_));
            match step {
                Step::Came(message) => self.came(message, now, &mut actions),
                Step::Writable(Ok(())) => self.blocked = false,
                Step::Writable(Err(_)) => self.session.hear(Heard::Lost, now, &mut actions),
                Step::Asked(Some(StreamControl::Close)) => self.session.close(now, &mut actions),
                // We hold a sender ourselves, so the channel does not end.
                Step::Asked(None) | Step::FrameReady => {}
                Step::Due => self.session.timeout(now, &mut actions),
            }
            let is_due = self.session.poll_timeout().is_some_and(|due| due <= now);
            self.overdue = if spoke && is_due { self.overdue + 1 } else { 0 };
            if self.overdue > MOST_OVERDUE {
                self.session.timeout(now, &mut actions);
            }
            if self.perform(&mut actions).await || self.write().await {
                return;
            }
            if let Some(port) = &self.port {
                port.way_up.set(&self.upward.figures(), self.counts.shed_up);
            }
        }
    }

    /// Waits for whatever comes first. What the phone asks is rare and goes before all; what came from the carrier goes
    /// before what is due, or a task that was held up would take its own delay for the carrier's silence.
    async fn next_step(&mut self) -> Step {
        let due = self.session.poll_timeout().map(|at| {
            tokio::time::Instant::from_std(self.clock + Duration::from_micros(at.micros()))
        });
        let Line {
            socket,
            port,
            control_out,
            reading,
            blocked,
            ..
        } = self;
        let traffic = poll_fn(|cx| {
            if *reading && let Poll::Ready(message) = Pin::new(&mut *socket).poll_next(cx) {
                return Poll::Ready(Step::Came(message));
            }
            if *blocked {
                // What `poll_flush` waits for `poll_ready` may not know of.
                return Pin::new(&mut *socket).poll_flush(cx).map(Step::Writable);
            }
            Poll::Pending
        });
        let frame = async {
            match port {
                Some(port) => port.up_ready.notified().await,
                None => std::future::pending().await,
            }
        };
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            control = control_out.recv() => Step::Asked(control),
            step = traffic => step,
            () = frame => Step::FrameReady,
            () = timer => Step::Due,
        }
    }

    fn came(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let heard = match &message {
            Some(Ok(Message::Text(text))) => {
                self.record.keep(By::Carrier, text);
                Heard::Text(text)
            }
            Some(Ok(Message::Binary(_))) => Heard::Binary,
            Some(Ok(Message::Pong(_))) => Heard::Pong,
            // The websocket answers pings by itself.
            Some(Ok(Message::Ping(_))) => return,
            Some(Ok(Message::Close(frame))) => {
                let code = frame.as_ref().map(|frame| frame.code);
                debug!(stream = %self.id, code, "the carrier closes a media socket");
                Heard::Close
            }
            Some(Err(error)) => match broken(error) {
                Some(how) => {
                    // Read on, and it would only say that it is over; but our close frame is still to leave.
                    self.reading = false;
                    Heard::Broken(how)
                }
                None => Heard::Lost,
            },
            None => Heard::Lost,
        };
        self.session.hear(heard, now, actions);
    }

    /// Performs what the session asks for; says whether the socket is to be let go.
    async fn perform(&mut self, actions: &mut Vec<Action>) -> bool {
        self.note_arrival(actions);
        for action in actions.drain(..) {
            match action {
                Action::Offer { leg, token } => self.offer(leg, token).await,
                Action::Down(frame) => {
                    if let Some(port) = &mut self.port
                        && port.down.push(frame).is_err()
                    {
                        self.counts.dropped_down += 1;
                    }
                }
                Action::Mark(name) => self.upward.mark(name, now(self.clock)),
                Action::Key(key) => self.phone.key(self.id, key).await,
                Action::Ping => self.outbox.ping = true,
                Action::Close(reason) => {
                    if reason == CloseReason::Refused {
                        // The phone was not even asked.
                        self.phone.tally().add_refused("no_token");
                    }
                    self.close(reason);
                }
                Action::Ended(end) => {
                    self.port = None;
                    // A ping that a full socket made wait must not leave after the carrier's `stop`.
                    self.outbox.ping = false;
                    self.phone.stream_down(self.id, end).await;
                }
                Action::Drop => return true,
            }
        }
        false
    }

    /// Takes note of a message of sound, of which all frames came at once, and tells once a second how they come.
    fn note_arrival(&mut self, actions: &[Action]) {
        let last = actions.iter().rev().find_map(|action| {
            if let Action::Down(frame) = action {
                Some((frame.end(), frame.arrived))
            } else {
                None
            }
        });
        let Some((end, arrived)) = last else {
            return;
        };
        let line = self.upward.heard(end, arrived);
        let figures = self.arrivals.note(end, arrived);
        if let Some(port) = &mut self.port {
            if let Some(figures) = figures {
                port.arrivals.set(&figures);
            }
            // Where the mouth did not take the last few, the next one will do.
            let _ = line.map(|line| port.carrier.push(line));
        }
    }

    async fn offer(&mut self, leg: LegId, token: StreamToken) {
        let (ours, port) = stream_port();
        let offer = StreamOffer {
            stream: self.id,
            leg: leg.clone(),
            token,
            port,
            control: self.control_in.clone(),
        };
        match self.phone.stream_up(offer).await {
            Ok(call) => {
                debug!(stream = %self.id, %leg, %call, "a stream was admitted");
                self.session.admitted(now(self.clock));
                let path = self.door.take_record_path();
                self.record.admitted(path.as_deref());
                self.port = Some(ours);
            }
            Err(why) => {
                warn!(stream = %self.id, %leg, %why, "a stream was turned away");
                if let Some(reason) = self.session.refused(now(self.clock)) {
                    self.close(reason);
                }
            }
        }
    }

    fn close(&mut self, reason: CloseReason) {
        debug!(stream = %self.id, code = reason.code(), %reason, "closing a media socket");
        self.phone.tally().add_closed(reason.word());
        self.outbox.close = Some(reason);
    }

    /// Writes what is ready as far as the socket takes it; says whether the socket is lost.
    async fn write(&mut self) -> bool {
        loop {
            if self.blocked {
                self.shed(WAITING_FRAMES);
                return false;
            }
            self.shed(HELD_UP_FRAMES);
            let waits = !self.upward.is_empty()
                || self.port.as_ref().is_some_and(|port| !port.up.is_empty());
            let sound = self.session.may_send().is_some() && waits;
            if self.outbox.is_empty() && !sound {
                return self.flush().await;
            }
            let ready = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.socket).poll_ready(cx))).await;
            let sent = match ready {
                Poll::Pending => {
                    self.blocked = true;
                    continue;
                }
                Poll::Ready(Ok(())) => match self.next_message() {
                    Some(message) => Pin::new(&mut self.socket).start_send(message),
                    None => return self.flush().await,
                },
                Poll::Ready(Err(error)) => Err(error),
            };
            if sent.is_err() {
                return self.lost().await;
            }
        }
    }

    /// Sends the rest of a message of which the connection took a part only: that would else wait for the next one, and the
    /// rest of a close frame for ever. Says whether the socket is lost.
    async fn flush(&mut self) -> bool {
        let flushed = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.socket).poll_flush(cx))).await;
        match flushed {
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(_)) => self.lost().await,
            Poll::Pending => {
                self.blocked = true;
                false
            }
        }
    }

    /// Takes in what still came before the socket broke, a `stop` perhaps, and lets it go.
    async fn lost(&mut self) -> bool {
        let mut actions = Vec::new();
        while self.reading {
            let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut self.socket).poll_next(cx))).await;
            match next {
                Poll::Ready(Some(Ok(message))) => {
                    self.came(Some(Ok(message)), now(self.clock), &mut actions);
                    if self.perform(&mut actions).await {
                        return true;
                    }
                }
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => break,
            }
        }
        self.session
            .hear(Heard::Lost, now(self.clock), &mut actions);
        self.perform(&mut actions).await
    }

    fn next_message(&mut self) -> Option<Message> {
        if let Some(reason) = self.outbox.close.take() {
            self.outbox.ping = false;
            return Some(Message::Close(Some(CloseFrame {
                code: reason.code(),
                reason: reason.to_string().into(),
            })));
        }
        if std::mem::take(&mut self.outbox.ping) {
            return Some(Message::Ping(axum::body::Bytes::new()));
        }
        self.session.may_send()?;
        let outgoing = loop {
            if let Some(outgoing) = self.upward.pull() {
                break outgoing;
            }
            let port = self.port.as_mut()?;
            let frame = port.up.pop().ok()?;
            // Whether it was before this frame or one of those that follow: somewhere here something is missing.
            if port.way_up.take_overflow() {
                self.upward.missed();
            }
            let now = now(self.clock);
            if frame.whole {
                let figures = self.upward.figures();
                let held_ms =
                    figures.caller_ms.unwrap_or(0.0) + figures.round_trip_ms.unwrap_or(0.0);
                let held = Duration::from_micros((held_ms * 1_000.0) as u64);
                self.session.sends_key(held, now);
            }
            self.upward.frame(&frame, now);
        };
        let sid = self.session.may_send()?;
        let text = match outgoing {
            Outgoing::Media(frame) => StreamCommand::Media(&frame.ulaw).encode(sid),
            Outgoing::Mark(name) => StreamCommand::Mark(&name.to_string()).encode(sid),
            Outgoing::Clear => {
                self.counts.clears += 1;
                StreamCommand::Clear.encode(sid)
            }
        };
        self.record.keep(By::Us, &text);
        Some(Message::Text(text.into()))
    }

    /// Throws away the oldest frames that wait beyond `most`.
    fn shed(&mut self, most: usize) {
        if let Some(port) = &mut self.port {
            // A key waits: without a part of it it would be another, or none.
            let is_key = |port: &SocketEnd| port.up.peek().is_ok_and(|frame| frame.whole);
            while port.up.slots() > most && !is_key(port) && port.up.pop().is_ok() {
                self.counts.shed_up += 1;
                self.upward.missed();
            }
        }
    }

    /// Tells the log how the socket did, once it is over.
    fn tell(&self) {
        let (faults, counts) = (self.session.faults(), self.counts);
        // Being turned away was told when it was.
        let all_well = Faults {
            refused: faults.refused,
            ..Faults::default()
        };
        if faults == all_well && counts == Counts::default() {
            debug!(stream = %self.id, "a media socket is over");
            return;
        }
        if let Some(format) = self.session.other_format() {
            warn!(stream = %self.id, "{format}");
        }
        warn!(
            stream = %self.id,
            %faults,
            dropped_down = counts.dropped_down,
            shed_up = counts.shed_up,
            clears = counts.clears,
            "a media socket is over, and not all was well"
        );
    }
}

/// Says how the carrier broke the websocket, or nothing where the connection itself is gone.
fn broken(error: &axum::Error) -> Option<Broken> {
    use tungstenite::Error;
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;

    let cause = std::error::Error::source(error)?.downcast_ref::<Error>()?;
    match cause {
        Error::Capacity(_) => Some(Broken::TooBig),
        Error::Utf8(_) => Some(Broken::NotUtf8),
        Error::Protocol(ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) | Error::AttackAttempt => Some(Broken::Framing),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => None,
    }
}

fn now(clock: Instant) -> Time {
    Time::from_micros(u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX))
}
