//! The carrier's end of one media stream: sends the caller's sound on its own clock, plays what comes, and misbehaves.

mod between;
mod control;
mod wrong;

use std::time::Duration;

use between::{Between, Heard, Parcel};
use control::Control;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use wrong::FAULT_AT;

use super::fault::Misbehaviour;
use super::network::{Hush, Network, Ppm};
use super::playout::Playout;
use super::report::{CallReport, Warning, is_sound};
use super::rest::Steer;
use super::script::{Act, Caller};
use super::socket::{self, Ends, Reading, Socket};
use super::words::{self, Speech, Told};
use crate::pure::audio::g711;

const FRAME_MS: u64 = 20;

/// Later than this after the one before, a frame is late: 5 ms beside the cadence.
const LATE: Duration = Duration::from_millis(FRAME_MS + 5);

/// Messages that may wait for the connection to take them: 5 s of sound. What comes on top is lost (31930); what a bad
/// network brings in a heap waits in the network instead ([`between::PATIENCE`]).
const MOST_WAITING: usize = 256;

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
    /// The headers that name the public address, its signature among them.
    pub(super) named: Vec<(&'static str, String)>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) speech: Speech,
    pub(super) misbehaviour: Option<Misbehaviour>,
    /// What lies between carrier and server.
    pub(super) network: Network,
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
    let ends = Ends {
        by_reset: opening.misbehaviour == Some(Misbehaviour::Reset),
        narrow: Between::narrows_reading(&opening.network),
    };
    let opened = socket::open(&opening.dialled, &opening.public, &opening.named, ends).await;
    let Socket { sink, stream, raw } = match opened {
        Ok(socket) => socket,
        Err(Warning { code, text }) => {
            report.warn(code, text);
            return StreamEnd::Refused;
        }
    };
    report.stream.streams += 1;
    report.news(&format!("the stream to {} is up", opening.public));
    up();
    caller.new_stream();
    let (outbox, waiting) = mpsc::channel(MOST_WAITING);
    let writer = tokio::spawn(write(sink, waiting));
    let control = Control::start();
    let between = Between::new(opening.network.clone(), report.stream.streams - 1);
    let mut leg = Leg {
        clock: FarClock {
            started: Instant::now(),
            drift: opening.network.conditions.drift,
        },
        hush: opening.network.conditions.quiet.map(Hush::new),
        between,
        has_heard_all: false,
        opening,
        outbox,
        playout: Playout::default(),
        tick: 0,
        held: Vec::new(),
        last_arrival: None,
        complained: Vec::new(),
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
    mut waiting: mpsc::Receiver<Parcel>,
) {
    while let Some(parcel) = waiting.recv().await {
        if sink.send(parcel.message).await.is_err() {
            return;
        }
    }
}

/// Waits until the connection takes more, or never will.
async fn room(outbox: &mpsc::Sender<Parcel>) {
    let _ = outbox.reserve().await;
}

/// The far side's clock: by it the caller's sound is made, and what comes for him is played.
#[derive(Clone, Copy)]
struct FarClock {
    started: Instant,
    drift: Ppm,
}

impl FarClock {
    /// Returns what it shows, from the stream's start.
    fn now(self) -> Duration {
        self.drift.shown(self.started.elapsed())
    }

    /// Returns when it will show something.
    fn at(self, shown: Duration) -> Instant {
        self.started + self.drift.truly(shown)
    }
}

/// A stream that runs.
struct Leg<'a> {
    opening: Opening,
    outbox: mpsc::Sender<Parcel>,
    between: Between,
    /// Decides what is not sent; nothing where silence is sent too.
    hush: Option<Hush>,
    playout: Playout,
    clock: FarClock,
    /// Whether the server has closed, though the network may still have to tell.
    has_heard_all: bool,
    /// Frames since the start.
    tick: u64,
    /// Media messages that a fault holds back.
    held: Vec<String>,
    last_arrival: Option<Instant>,
    /// What was complained of already: once a stream is enough, the carrier is as sparing.
    complained: Vec<u32>,
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
        self.clock.started = Instant::now();
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
        let reads = !self.is(Misbehaviour::NeverReads);
        loop {
            let spoken = Duration::from_millis((self.tick + 1).saturating_mul(FRAME_MS));
            let next_frame = self.clock.at(spoken);
            let next_mark = self.playout.next_mark().map(|at| self.clock.at(at));
            let is_full = self.outbox.capacity() == 0 && !self.outbox.is_closed();
            let next_due = self.between.due(is_full);
            let next_due = next_due.map(|due| self.clock.started + due);
            let reads = reads
                && !self.has_heard_all
                && self.between.up.has_room(self.clock.started.elapsed());
            tokio::select! {
                biased;
                steered = steer.recv() => if let Some(steered) = steered {
                    return (StreamEnd::Steered(steered), stream);
                },
                () = sleep_until(next_mark.unwrap_or(next_frame)), if next_mark.is_some() => {
                    let marks = self.playout.advance(self.clock.now());
                    self.give_back(marks);
                }
                () = sleep_until(next_frame) => if let Some(end) = self.frame(caller) {
                    return (end, stream);
                },
                () = sleep_until(next_due.unwrap_or(next_frame)), if next_due.is_some() => if !self.arrive() {
                    return (StreamEnd::Closed, stream);
                },
                // What is due goes on once the connection takes more; the next round sees to it.
                () = room(&self.outbox), if is_full && self.between.down.due().is_some() => {}
                // Last, so that a server that floods us keeps neither the caller from speaking nor the call from ending.
                message = stream.next(), if reads => if !self.hear(message) {
                    return (StreamEnd::Closed, stream);
                },
            }
        }
    }

    /// Sends the caller's next 20 ms.
    fn frame(&mut self, caller: &mut Caller) -> Option<StreamEnd> {
        let marks = self.playout.advance(self.clock.now());
        self.give_back(marks);
        if Instant::now() >= self.opening.deadline {
            return Some(StreamEnd::TooLong);
        }
        let timestamp = self.tick * FRAME_MS;
        let mut codes = [g711::SILENCE; super::script::FRAME];
        // As much as was heard when this frame was due: a timer that is late by a sample must not cost an echo a frame.
        let due = (self.tick as usize + 1) * super::script::FRAME;
        let heard = self.playout.heard();
        let act = caller.next(&heard[..due.min(heard.len())]);
        if caller.remembers() {
            let now = self.opening.began.elapsed();
            let remembered = self.report.stream.remembered.get_or_insert(now..now);
            remembered.end = now;
        }
        let mut has_sound = false;
        match act {
            Act::HangUp => return Some(StreamEnd::HungUp),
            Act::Sound(sound) => {
                has_sound = sound.iter().any(|sample| is_sound(*sample));
                for (code, sample) in codes.iter_mut().zip(sound) {
                    *code = g711::encode(sample);
                }
            }
            Act::Digit(digit) => {
                let digit = self.opening.speech.digit(digit);
                self.send(digit);
            }
        }
        if !self.is(Misbehaviour::SilentLine)
            && !self.is(Misbehaviour::NoStart)
            && self.is_not_hushed(has_sound)
        {
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

    /// Says whether the next frame is sent; a fault needs frames whatever is in them.
    fn is_not_hushed(&mut self, has_sound: bool) -> bool {
        let passes = match &mut self.hush {
            Some(hush) if self.opening.misbehaviour.is_none() => hush.lets_by(has_sound),
            Some(_) | None => true,
        };
        if let Some(books) = self.report.network.as_mut().filter(|_| !passes) {
            books.quiet += Duration::from_millis(FRAME_MS);
        }
        passes
    }

    /// Hears what the server sent, at once or once the network has carried it; returns whether the stream goes on.
    fn hear(&mut self, heard: Heard) -> bool {
        let bytes = match &heard {
            Some(Ok(message)) => message.len(),
            Some(Err(_)) | None => 0,
        };
        self.has_heard_all = !matches!(&heard, Some(Ok(message)) if !message.is_close());
        let now = self.clock.started.elapsed();
        match self.between.up.carry(now, bytes, heard) {
            Some(heard) => self.take(heard),
            None => true,
        }
    }

    /// Lets arrive what has been carried, either way; returns whether the stream goes on.
    fn arrive(&mut self) -> bool {
        let now = self.clock.started.elapsed();
        let poured = self.between.down.pour(now, &self.outbox);
        self.report.stream.frames_sent += poured.media;
        if poured.thrown_away > 0 {
            self.complain_of_reading();
        }
        while let Some(heard) = self.between.up.arrived(now) {
            if !self.take(heard) {
                return false;
            }
        }
        true
    }

    /// Takes what the server sent; returns whether the stream goes on.
    fn take(&mut self, message: Heard) -> bool {
        match message {
            Some(Ok(Message::Text(text))) => self.told(text.as_str()),
            Some(Ok(Message::Binary(_))) => {
                self.report.stream.dropped += 1;
                self.complain(31950, "the server sent a binary message, which was dropped");
            }
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
        let now = self.clock.now();
        match words::read(text, &self.opening.speech.stream_sid) {
            Ok(Told::Media(codes)) => {
                self.note_arrival();
                let (fits, marks) = self.playout.media(now, &codes);
                let before = self.playout.queued().saturating_sub(codes.len());
                let wait = Duration::from_micros(before as u64 * 125);
                self.report.stream.waits.push(wait);
                self.give_back(marks);
                if !fits {
                    self.report.stream.dropped += 1;
                    self.complain(
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
            Err(why) => {
                self.report.stream.dropped += 1;
                self.complain(31951, format!("a message was dropped: it {why}"));
            }
        }
    }

    /// Complains, unless this stream gave reason for the same already.
    fn complain(&mut self, code: u32, text: impl Into<String>) {
        if !self.complained.contains(&code) {
            self.complained.push(code);
            self.report.warn_again(code, text);
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
        if self.between.takes_media() {
            self.dispatch(Parcel {
                message: Message::text(media),
                is_media: true,
            });
        }
    }

    fn send(&mut self, text: String) {
        self.post(Message::text(text));
    }

    fn post(&mut self, message: Message) {
        self.dispatch(Parcel {
            message,
            is_media: false,
        });
    }

    /// Sends a message on its way: into the network, or where there is none right to the connection.
    fn dispatch(&mut self, parcel: Parcel) {
        let now = self.clock.started.elapsed();
        let bytes = parcel.message.len();
        let Some(parcel) = self.between.down.carry(now, bytes, parcel) else {
            return;
        };
        let is_media = parcel.is_media;
        match self.outbox.try_send(parcel) {
            Ok(()) => self.report.stream.frames_sent += u64::from(is_media),
            Err(mpsc::error::TrySendError::Full(_)) => self.complain_of_reading(),
            // The connection is gone, and the stream is about to hear of it.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    fn complain_of_reading(&mut self) {
        self.complain(
            31930,
            "the server reads too slowly; sound for it was thrown away",
        );
    }

    fn is(&self, misbehaviour: Misbehaviour) -> bool {
        self.opening.misbehaviour == Some(misbehaviour)
    }

    /// Lets arrive what is still on its way to the server; what is too long on it arrives all the same.
    async fn arrive_in_the_end(&mut self) {
        let began = self.clock.started;
        let limit = Instant::now() + CLOSING;
        let arriving = async {
            while let Some(due) = self.between.down.due() {
                sleep_until((began + due).min(limit)).await;
                if let Some(parcel) = self.between.down.let_go() {
                    let is_media = parcel.is_media;
                    // Where nobody is left to send it, nobody is left to hear it.
                    if self.outbox.send(parcel).await.is_ok() {
                        self.report.stream.frames_sent += u64::from(is_media);
                    }
                }
            }
        };
        // Longer than this only a server that does not read can make it.
        if timeout(2 * CLOSING, arriving).await.is_err() {
            self.complain_of_reading();
        }
    }

    /// Ends the stream as its end asks for, within a few seconds, and closes the books.
    async fn finish(
        mut self,
        end: &StreamEnd,
        mut stream: Reading,
        mut writer: JoinHandle<()>,
        raw: Option<std::net::TcpStream>,
    ) {
        let marks = self.playout.advance(self.clock.now());
        self.give_back(marks);
        let half = self.is(Misbehaviour::HalfClose);
        let never_reads = self.is(Misbehaviour::NeverReads);
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
        if !matches!(end, StreamEnd::Closed) {
            self.arrive_in_the_end().await;
        }
        if half && let Some(raw) = &raw {
            // Where the other side was faster there is no half left to shut.
            let _ = raw.shutdown(std::net::Shutdown::Write);
        }
        let Leg {
            outbox,
            between,
            clock,
            playout,
            second,
            report,
            opening,
            ..
        } = self;
        if let Some(books) = &mut report.network {
            between.note(clock.started.elapsed(), books);
        }
        let mut outbox = Some(outbox);
        if never_reads {
            // The close goes out before anything is read, so that not even a ping is answered.
            outbox = None;
            let _ = timeout(CLOSING, &mut writer).await;
        }
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
        if !writer.is_finished() && timeout(CLOSING, &mut writer).await.is_err() {
            writer.abort();
            let _ = writer.await;
        }
        if let Some(second) = second
            && let Ok(note) = second.await
        {
            report.notes.push(note);
        }
        report
            .heard
            .put(clock.started - opening.began, playout.heard());
        let books = &mut report.stream;
        books.underruns += playout.underruns();
        books.queue_ms = playout.queued() as u64 / 8;
        books.queue_most_ms = books.queue_most_ms.max(playout.most_queued() as u64 / 8);
        books.heard.extend_from_slice(playout.heard());
    }
}
