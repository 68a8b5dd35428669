//! The carrier's end of one media stream: sends the caller's sound on its own clock, plays what comes, and misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::fault::Misbehaviour;
use super::playout::Playout;
use super::report::{CallReport, Warning};
use super::rest::Steer;
use super::script::{Act, Caller};
use super::socket::{self, Reading, Socket};
use super::words::{self, Speech, Told};
use crate::pure::audio::g711;

const FRAME_MS: u64 = 20;

/// Later than this after the one before, a frame is late: 5 ms beside the cadence.
const LATE: Duration = Duration::from_millis(FRAME_MS + 5);

/// Messages that may wait to be sent: 5 s of sound. What comes on top is lost (31930).
const MOST_WAITING: usize = 256;

/// The frame at which faults of a running stream come: a second into it.
const FAULT_AT: u64 = 50;

/// How long the other side gets to close after us.
const CLOSING: Duration = Duration::from_secs(2);

/// How long a socket is left open by [`Misbehaviour::StopWithoutClose`] and [`Misbehaviour::HalfClose`].
const LEFT_OPEN: Duration = Duration::from_secs(5);

/// How a stream ended.
#[derive(Debug)]
pub(super) enum StreamEnd {
    /// The caller hung up.
    HungUp,
    /// The server closed the socket, or it broke.
    Closed,
    /// It never began.
    Refused,
    /// Somebody steered the call elsewhere.
    Steered(Steer),
    /// The call has lasted too long.
    TooLong,
}

/// What a stream needs to be opened.
pub(super) struct Opening {
    /// Where the socket really is.
    pub(super) dialled: String,
    /// As the TwiML says.
    pub(super) public: String,
    /// Over the public address.
    pub(super) signature: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) speech: Speech,
    pub(super) misbehaviour: Option<Misbehaviour>,
    /// When the call began.
    pub(super) began: Instant,
    /// When it must be over.
    pub(super) deadline: Instant,
}

/// Runs a stream from its handshake to its end. `up` is called once the stream has started.
pub(super) async fn run(
    mut opening: Opening,
    caller: &mut Caller,
    steer: &mut mpsc::UnboundedReceiver<Steer>,
    report: &mut CallReport,
    up: impl FnOnce(),
) -> StreamEnd {
    if opening.misbehaviour == Some(Misbehaviour::WrongToken) {
        for (_, value) in &mut opening.parameters {
            *value = super::sid("wrong");
        }
    }
    let reset = opening.misbehaviour == Some(Misbehaviour::Reset);
    let opened = socket::open(&opening.dialled, &opening.public, &opening.signature, reset).await;
    let Socket { sink, stream, raw } = match opened {
        Ok(socket) => socket,
        Err(Warning { code, text }) => {
            report.warn(code, text);
            return StreamEnd::Refused;
        }
    };
    report.stream.streams += 1;
    up();
    caller.new_stream();
    let (outbox, waiting) = mpsc::channel(MOST_WAITING);
    let writer = tokio::spawn(write(sink, waiting));
    let control = Control::start();
    let mut leg = Leg {
        opening,
        outbox,
        playout: Playout::default(),
        started: Instant::now(),
        tick: 0,
        held: Vec::new(),
        last_arrival: None,
        second: None,
        report,
    };
    let (end, stream) = leg.talk(stream, caller, steer).await;
    control.stop_into(&mut leg.report.stream.late_timer);
    leg.finish(&end, stream, writer, raw).await;
    end
}

/// Sends what waits.
async fn write(
    mut sink: impl futures_util::Sink<Message, Error = Error> + Unpin,
    mut waiting: mpsc::Receiver<Message>,
) {
    while let Some(message) = waiting.recv().await {
        if sink.send(message).await.is_err() {
            return;
        }
    }
}

/// A bare timer at the same cadence: what it misses is the machine's doing and nobody else's.
struct Control {
    late: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Control {
    fn start() -> Control {
        let late = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&late);
        let task = tokio::spawn(async move {
            let mut deadline = Instant::now();
            let mut last = deadline;
            loop {
                deadline += Duration::from_millis(FRAME_MS);
                sleep_until(deadline).await;
                let now = Instant::now();
                if now - last > LATE {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
                last = now;
            }
        });
        Control { late, task }
    }

    fn stop_into(self, total: &mut u64) {
        self.task.abort();
        *total += self.late.load(Ordering::Relaxed);
    }
}

/// A stream that runs.
struct Leg<'a> {
    opening: Opening,
    outbox: mpsc::Sender<Message>,
    playout: Playout,
    started: Instant,
    /// Frames since the start.
    tick: u64,
    /// Media messages that a fault holds back.
    held: Vec<String>,
    last_arrival: Option<Instant>,
    /// The second socket with the same parameters, and what became of it.
    second: Option<JoinHandle<String>>,
    report: &'a mut CallReport,
}

impl Leg<'_> {
    /// Talks until somebody ends it. The half to read from is given back, for the closing.
    async fn talk(
        &mut self,
        mut stream: Reading,
        caller: &mut Caller,
        steer: &mut mpsc::UnboundedReceiver<Steer>,
    ) -> (StreamEnd, Reading) {
        self.send(Speech::connected());
        if !self.is(Misbehaviour::NoStart) {
            let (encoding, rate) = if self.is(Misbehaviour::WrongFormat) {
                ("audio/x-l16", 16_000)
            } else {
                ("audio/x-mulaw", 8_000)
            };
            let start = self
                .opening
                .speech
                .start(&self.opening.parameters, encoding, rate);
            self.send(start);
        }
        self.started = Instant::now();
        let reads = !self.is(Misbehaviour::NeverReads);
        loop {
            let next_frame =
                self.started + Duration::from_millis((self.tick + 1).saturating_mul(FRAME_MS));
            let next_mark = self.playout.next_mark().map(|at| self.started + at);
            tokio::select! {
                biased;
                steered = steer.recv() => if let Some(steered) = steered {
                    return (StreamEnd::Steered(steered), stream);
                },
                message = stream.next(), if reads => if !self.take(message) {
                    return (StreamEnd::Closed, stream);
                },
                () = sleep_until(next_mark.unwrap_or(next_frame)), if next_mark.is_some() => {
                    let marks = self.playout.advance(self.started.elapsed());
                    self.give_back(marks);
                }
                () = sleep_until(next_frame) => if let Some(end) = self.frame(caller) {
                    return (end, stream);
                },
            }
        }
    }

    /// Sends the caller's next 20 ms.
    fn frame(&mut self, caller: &mut Caller) -> Option<StreamEnd> {
        let marks = self.playout.advance(self.started.elapsed());
        self.give_back(marks);
        if Instant::now() >= self.opening.deadline {
            return Some(StreamEnd::TooLong);
        }
        let timestamp = self.tick * FRAME_MS;
        let mut codes = [g711::SILENCE; super::script::FRAME];
        match caller.next(self.playout.heard()) {
            Act::HangUp => return Some(StreamEnd::HungUp),
            Act::Sound(sound) => {
                for (code, sample) in codes.iter_mut().zip(sound) {
                    *code = g711::encode(sample);
                }
            }
            Act::Digit(digit) => {
                let digit = self.opening.speech.digit(digit);
                self.send(digit);
            }
        }
        if !self.is(Misbehaviour::SilentLine) && !self.is(Misbehaviour::NoStart) {
            let media = self.opening.speech.media(timestamp, &codes);
            self.deliver(media);
        }
        self.tick += 1;
        if self.tick == FAULT_AT {
            self.misbehave()
        } else {
            None
        }
    }

    /// Sends a media message, as a fault would have it.
    fn deliver(&mut self, media: String) {
        let in_second = (FAULT_AT..2 * FAULT_AT).contains(&self.tick);
        match self.opening.misbehaviour {
            Some(Misbehaviour::Duplicates) if in_second => {
                self.send_media(media.clone());
                self.send_media(media);
            }
            Some(Misbehaviour::OutOfOrder) if in_second && self.tick.is_multiple_of(2) => {
                self.held.push(media);
            }
            Some(Misbehaviour::Stall(time))
                if self.tick >= FAULT_AT
                    && (self.tick - FAULT_AT) * FRAME_MS
                        < u64::try_from(time.as_millis()).unwrap_or(u64::MAX) =>
            {
                self.held.push(media);
            }
            Some(Misbehaviour::Stall(_)) => {
                for late in std::mem::take(&mut self.held) {
                    self.send_media(late);
                }
                self.send_media(media);
            }
            _ => {
                self.send_media(media);
                for late in std::mem::take(&mut self.held) {
                    self.send_media(late);
                }
            }
        }
    }

    /// Does what was asked for a second into the stream; some of it ends the stream.
    fn misbehave(&mut self) -> Option<StreamEnd> {
        match self.opening.misbehaviour? {
            Misbehaviour::Reset | Misbehaviour::HalfClose => return Some(StreamEnd::Closed),
            Misbehaviour::Garbage => self.send("this is no JSON".to_owned()),
            Misbehaviour::Binary => self.post(Message::binary(vec![0u8; 160])),
            Misbehaviour::TruncatedJson => {
                self.send(r#"{"event":"media","sequenceNumber":"51","media":{"pay"#.to_owned());
            }
            Misbehaviour::Oversized => {
                let much = self
                    .opening
                    .speech
                    .media(self.tick * FRAME_MS, &vec![g711::SILENCE; 1 << 20]);
                self.send(much);
            }
            Misbehaviour::TwoSocketsOneToken => self.second = Some(self.intrude()),
            Misbehaviour::Duplicates
            | Misbehaviour::OutOfOrder
            | Misbehaviour::Stall(_)
            | Misbehaviour::WrongFormat
            | Misbehaviour::NoStart
            | Misbehaviour::WrongToken
            | Misbehaviour::SilentLine
            | Misbehaviour::StopWithoutClose
            | Misbehaviour::NeverReads
            | Misbehaviour::WebhookTwice => {}
        }
        None
    }

    /// Opens a second socket with the same parameters, and watches for three seconds what becomes of it.
    fn intrude(&self) -> JoinHandle<String> {
        let (dialled, public, signature) = (
            self.opening.dialled.clone(),
            self.opening.public.clone(),
            self.opening.signature.clone(),
        );
        let speech = &self.opening.speech;
        let mut speech = Speech::new(&speech.account_sid, &speech.call_sid, &super::sid("MZ"));
        let parameters = self.opening.parameters.clone();
        tokio::spawn(async move {
            let mut socket = match socket::open(&dialled, &public, &signature, false).await {
                Ok(socket) => socket,
                Err(refused) => return format!("the second socket was refused: {refused}"),
            };
            let start = speech.start(&parameters, "audio/x-mulaw", 8_000);
            for text in [Speech::connected(), start] {
                if socket.sink.send(Message::text(text)).await.is_err() {
                    return "the second socket was closed".to_owned();
                }
            }
            let mut frames = 0;
            let watching = async {
                while let Some(Ok(message)) = socket.stream.next().await {
                    frames += u32::from(message.is_text());
                    if message.is_close() {
                        return;
                    }
                }
            };
            match timeout(Duration::from_secs(3), watching).await {
                Ok(()) => format!("the second socket was closed after {frames} messages"),
                Err(_) => format!("the second socket was left open, with {frames} messages"),
            }
        })
    }

    /// Takes what the server sent; returns whether the stream goes on.
    fn take(&mut self, message: Option<Result<Message, Error>>) -> bool {
        match message {
            Some(Ok(Message::Text(text))) => self.told(text.as_str()),
            Some(Ok(Message::Binary(_))) => self
                .report
                .warn(31950, "the server sent a binary message, which was dropped"),
            Some(Ok(Message::Ping(_))) => self.report.stream.pings += 1,
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let how = frame.map_or("without a code".to_owned(), |frame| {
                    format!("with {}", u16::from(frame.code))
                });
                self.report.warn(
                    31921,
                    format!("the server closed the socket {how} before the call was over"),
                );
                return false;
            }
            Some(Err(
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_),
            ))
            | None => {
                self.report
                    .warn(31903, "the connection broke without a close");
                return false;
            }
            Some(Err(error)) => {
                self.report.warn(
                    31924,
                    format!("the server broke the websocket's rules: {error}"),
                );
                return false;
            }
        }
        true
    }

    /// Obeys a message, or drops it.
    fn told(&mut self, text: &str) {
        let now = self.started.elapsed();
        match words::read(text, &self.opening.speech.stream_sid) {
            Ok(Told::Media(codes)) => {
                self.note_arrival();
                let (fits, marks) = self.playout.media(now, &codes);
                let before = self.playout.queued().saturating_sub(codes.len());
                self.report.stream.waited_samples += before as u64;
                self.give_back(marks);
                if !fits {
                    self.report.warn(
                        31931,
                        "more than 10 minutes of sound were queued; the rest was thrown away",
                    );
                }
            }
            Ok(Told::Mark(name)) => {
                let marks = self.playout.mark(now, name);
                self.give_back(marks);
            }
            Ok(Told::Clear) => {
                self.report.stream.clears += 1;
                let marks = self.playout.clear(now);
                self.give_back(marks);
            }
            // Once per stream, and later ones in silence, as the carrier does.
            Err(why) => {
                if !self.report.warnings.iter().any(|w| w.code == 31951) {
                    self.report
                        .warn(31951, format!("a message was dropped: it {why}"));
                }
            }
        }
    }

    fn note_arrival(&mut self) {
        let now = Instant::now();
        let stream = &mut self.report.stream;
        stream.frames_received += 1;
        stream.arrivals.push(now - self.opening.began);
        if self.last_arrival.is_some_and(|last| now - last > LATE) {
            stream.late_frames += 1;
        }
        self.last_arrival = Some(now);
    }

    fn give_back(&mut self, marks: Vec<String>) {
        for name in marks {
            self.report.stream.marks += 1;
            let mark = self.opening.speech.mark(&name);
            self.send(mark);
        }
    }

    fn send_media(&mut self, media: String) {
        self.report.stream.frames_sent += 1;
        self.send(media);
    }

    fn send(&mut self, text: String) {
        self.post(Message::text(text));
    }

    fn post(&mut self, message: Message) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.outbox.try_send(message) {
            self.report.warn(
                31930,
                "the server reads too slowly; sound for it was thrown away",
            );
        }
    }

    fn is(&self, misbehaviour: Misbehaviour) -> bool {
        self.opening.misbehaviour == Some(misbehaviour)
    }

    /// Ends the stream as its end asks for, within a few seconds, and closes the books.
    async fn finish(
        mut self,
        end: &StreamEnd,
        mut stream: Reading,
        mut writer: JoinHandle<()>,
        raw: Option<std::net::TcpStream>,
    ) {
        let marks = self.playout.advance(self.started.elapsed());
        self.give_back(marks);
        let half = self.is(Misbehaviour::HalfClose);
        let left_open = self.is(Misbehaviour::StopWithoutClose);
        if !matches!(end, StreamEnd::Closed) {
            let stop = self.opening.speech.stop();
            self.send(stop);
            if !left_open {
                self.post(Message::Close(Some(CloseFrame {
                    code: CloseCode::Normal,
                    reason: "".into(),
                })));
            }
        }
        if half && let Some(raw) = &raw {
            // Where the other side was faster there is no half left to shut.
            let _ = raw.shutdown(std::net::Shutdown::Write);
        }
        let Leg {
            outbox,
            playout,
            second,
            report,
            ..
        } = self;
        if !(matches!(end, StreamEnd::Closed) && raw.is_none()) {
            let patience = if half || left_open {
                LEFT_OPEN
            } else {
                CLOSING
            };
            let drained = async { while let Some(Ok(_)) = stream.next().await {} };
            let gone = timeout(patience, drained).await.is_ok();
            if left_open || half {
                report.notes.push(if gone {
                    "the server closed the socket that was left to it".to_owned()
                } else {
                    "the server left the socket open for 5 s".to_owned()
                });
            }
        }
        drop(outbox);
        if timeout(CLOSING, &mut writer).await.is_err() {
            writer.abort();
            let _ = writer.await;
        }
        if let Some(second) = second
            && let Ok(note) = second.await
        {
            report.notes.push(note);
        }
        let books = &mut report.stream;
        books.underruns += playout.underruns();
        books.queue_ms = playout.queued() as u64 / 8;
        books.queue_most_ms = books.queue_most_ms.max(playout.most_queued() as u64 / 8);
        books.heard.extend_from_slice(playout.heard());
    }
}
