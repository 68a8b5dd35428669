//! The life of one media socket: what is awaited, what is let through, when it is over.
//!
//! No socket and no clock: whoever owns them says what was heard and when, performs the [`Action`]s in order, and comes
//! back at [`Session::poll_timeout`]. Sound flows only between [`Session::admitted`] and the end of the stream.
//!
//! Read `State` first, then [`Session::hear`].

use std::fmt;
use std::time::Duration;

use super::backlog::MarkName;
use super::far_keys::FarKeys;
use super::recut::Recut;
use super::stream::{
    self, Media, OtherFormat, Start, StreamError, StreamEvent, StreamMessage, StreamSid,
};
use crate::pure::audio::DownFrame;
use crate::pure::ids::{LegId, StreamToken};
use crate::pure::phone::StreamEnd;
use crate::pure::time::Time;

/// How long a socket may stay without `start`.
pub const START_LIMIT: Duration = Duration::from_secs(10);

/// How long an admitted stream may bring neither sound nor an answer to a ping.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// How often we ping, so that a line on which nobody speaks stays alive.
pub const PING_EVERY: Duration = Duration::from_secs(10);

/// How long the carrier has to close after `stop`, and to answer a close of ours.
pub const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// What came from the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message: Media Streams has none.
    Binary,
    /// The answer to a ping.
    Pong,
    /// A close frame, which the websocket answers by itself.
    Close,
    /// End of file, a reset, or the end of a close handshake: there is no socket any more.
    Lost,
    /// Bytes that end the websocket, though its connection still stands.
    Broken(Broken),
}

/// How the carrier broke the websocket itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Broken {
    /// A message beyond the limit of the socket.
    TooBig,
    /// A text message that is no UTF-8.
    NotUtf8,
    /// Frames that no websocket sends.
    Framing,
}

/// What is to be done with the socket, or to be told to the phone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Ask the phone whether the stream may come in; answered by [`Session::admitted`] or [`Session::refused`].
    Offer {
        /// For which leg.
        leg: LegId,
        /// What it brought along.
        token: StreamToken,
    },
    /// Sound for the engine.
    Down(DownFrame),
    /// The far end pressed a key.
    Key(char),
    /// A mark of ours came back.
    Mark(MarkName),
    /// Send a ping.
    Ping,
    /// Send a close frame.
    Close(CloseReason),
    /// The admitted stream is over; said exactly once, and of admitted streams only.
    Ended(StreamEnd),
    /// Let the socket go.
    Drop,
}

/// Why we close.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CloseReason {
    /// The phone wants it: the `action` decides what follows.
    #[error("the call goes on elsewhere")]
    AsAsked,
    /// The carrier did not close after its `stop`.
    #[error("the stream was stopped")]
    Stopped,
    /// The phone did not admit it, or it brought no token.
    #[error("the stream was not admitted")]
    Refused,
    /// It did not begin.
    #[error("no start within 10 s")]
    NoStart,
    /// It fell silent.
    #[error("neither media nor pong for 30 s")]
    Silent,
    /// It has a sound format that we do not speak.
    #[error("only audio/x-mulaw at 8000 Hz in 1 channel is spoken here")]
    OtherFormat,
    /// It broke the websocket.
    #[error("the websocket was broken")]
    Broken(Broken),
}

impl CloseReason {
    /// Returns the word under which it is counted.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            CloseReason::AsAsked => "as_asked",
            CloseReason::Stopped => "stopped",
            CloseReason::Refused => "refused",
            CloseReason::NoStart => "no_start",
            CloseReason::Silent => "silent",
            CloseReason::OtherFormat => "other_format",
            CloseReason::Broken(Broken::TooBig) => "too_big",
            CloseReason::Broken(Broken::NotUtf8) => "not_utf8",
            CloseReason::Broken(Broken::Framing) => "broken_framing",
        }
    }

    /// Returns the code of the close frame (RFC 6455, section 7.4.1).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            CloseReason::AsAsked | CloseReason::Stopped => 1000,
            CloseReason::NoStart | CloseReason::Silent | CloseReason::Broken(Broken::Framing) => {
                1002
            }
            CloseReason::OtherFormat => 1003,
            CloseReason::Broken(Broken::NotUtf8) => 1007,
            CloseReason::Refused => 1008,
            CloseReason::Broken(Broken::TooBig) => 1009,
        }
    }
}

/// What was odd on a socket, counted. `Display` names only what happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Faults {
    /// Messages that are no JSON of Media Streams, or lack what they need.
    pub garbage: u64,
    /// Messages of an unknown event.
    pub unknown: u64,
    /// Payloads beyond 64 KiB.
    pub too_long: u64,
    /// Binary messages.
    pub binary: u64,
    /// Messages that came a second time.
    pub duplicates: u64,
    /// Messages that came after a later one.
    pub late: u64,
    /// Numbers that were left out; those that come late are not taken off again.
    pub skipped: u64,
    /// Messages out of place: a second `start`, sound before admission or of another stream or track.
    pub misplaced: u64,
    /// Streams that were not let in: 0 or 1.
    pub refused: u64,
    /// Streams closed for one of our limits, or for breaking the websocket: 0 or 1.
    pub closed: u64,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.garbage, "garbage"),
            (self.unknown, "unknown"),
            (self.too_long, "too long"),
            (self.binary, "binary"),
            (self.duplicates, "duplicate"),
            (self.late, "late"),
            (self.skipped, "skipped"),
            (self.misplaced, "misplaced"),
            (self.refused, "refused"),
            (self.closed, "closed for a fault"),
        ];
        let mut separator = "";
        for (count, name) in named.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{count} {name}")?;
            separator = ", ";
        }
        if separator.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}

/// Where a socket stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Open, but without `start`.
    Opened { until: Time },
    /// The phone is deciding.
    Offered,
    /// Admitted: sound flows.
    Up { alive: Time, ping_at: Time },
    /// The carrier said `stop`: it closes, or we do.
    Stopped { until: Time },
    /// A close frame is on its way, ours or theirs.
    Closing { until: Time },
    /// Over.
    Gone,
}

/// One media socket.
#[derive(Debug)]
pub struct Session {
    state: State,
    sid: Option<StreamSid>,
    numbers: Numbers,
    recut: Recut,
    keys: FarKeys,
    ulaw: Vec<u8>,
    faults: Faults,
    other_format: Option<OtherFormat>,
}

impl Session {
    /// Begins with the socket just opened.
    #[must_use]
    pub fn new(now: Time) -> Session {
        Session {
            state: State::Opened {
                until: now + START_LIMIT,
            },
            sid: None,
            numbers: Numbers::default(),
            recut: Recut::default(),
            keys: FarKeys::default(),
            ulaw: Vec::new(),
            faults: Faults::default(),
            other_format: None,
        }
    }

    /// Takes what came from the socket.
    pub fn hear(&mut self, heard: Heard<'_>, now: Time, actions: &mut Vec<Action>) {
        match heard {
            Heard::Text(text) => self.text(text, now, actions),
            Heard::Binary => self.faults.binary += 1,
            Heard::Pong => self.alive(now),
            Heard::Close => match self.state {
                State::Up { .. } => {
                    actions.push(Action::Ended(StreamEnd::Lost));
                    self.closing(now);
                }
                State::Opened { .. } | State::Offered | State::Stopped { .. } => self.closing(now),
                State::Closing { .. } | State::Gone => {}
            },
            Heard::Lost => match self.state {
                State::Up { .. } => {
                    actions.extend([Action::Ended(StreamEnd::Lost), Action::Drop]);
                    self.state = State::Gone;
                }
                State::Opened { .. }
                | State::Offered
                | State::Stopped { .. }
                | State::Closing { .. } => {
                    actions.push(Action::Drop);
                    self.state = State::Gone;
                }
                State::Gone => {}
            },
            Heard::Broken(how) => match self.state {
                State::Up { .. } | State::Opened { .. } | State::Offered => {
                    self.fault(CloseReason::Broken(how), now, actions);
                }
                State::Stopped { .. } | State::Closing { .. } => {
                    // It was about to go anyway, and can say nothing more.
                    actions.push(Action::Drop);
                    self.state = State::Gone;
                }
                State::Gone => {}
            },
        }
    }

    /// The phone lets the stream in.
    pub fn admitted(&mut self, now: Time) {
        match self.state {
            State::Offered => {
                self.state = State::Up {
                    alive: now,
                    ping_at: now + PING_EVERY,
                };
            }
            State::Opened { .. }
            | State::Up { .. }
            | State::Stopped { .. }
            | State::Closing { .. }
            | State::Gone => {}
        }
    }

    /// The phone turns the stream away; returns why to close, if there is still something to close.
    pub fn refused(&mut self, now: Time) -> Option<CloseReason> {
        match self.state {
            State::Offered => {
                self.faults.refused += 1;
                self.closing(now);
                Some(CloseReason::Refused)
            }
            State::Opened { .. }
            | State::Up { .. }
            | State::Stopped { .. }
            | State::Closing { .. }
            | State::Gone => None,
        }
    }

    /// The phone wants the socket closed, or is itself about to go.
    pub fn close(&mut self, now: Time, actions: &mut Vec<Action>) {
        match self.state {
            State::Up { .. } => {
                actions.push(Action::Ended(StreamEnd::ClosedByUs));
                self.close_for(CloseReason::AsAsked, now, actions);
            }
            State::Opened { .. } | State::Offered => {
                self.close_for(CloseReason::AsAsked, now, actions);
            }
            State::Stopped { .. } | State::Closing { .. } | State::Gone => {}
        }
    }

    /// Says when to come back with [`Session::timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Opened { until } | State::Stopped { until } | State::Closing { until } => {
                Some(until)
            }
            State::Up { alive, ping_at } => Some(ping_at.min(alive + SILENCE_LIMIT)),
            State::Offered | State::Gone => None,
        }
    }

    /// Does what is due; coming too early does nothing.
    pub fn timeout(&mut self, now: Time, actions: &mut Vec<Action>) {
        match self.state {
            State::Opened { until } if now >= until => {
                self.fault(CloseReason::NoStart, now, actions);
            }
            State::Up { alive, .. } if now >= alive + SILENCE_LIMIT => {
                self.fault(CloseReason::Silent, now, actions);
            }
            State::Up { alive, ping_at } if now >= ping_at => {
                actions.push(Action::Ping);
                self.state = State::Up {
                    alive,
                    ping_at: now + PING_EVERY,
                };
            }
            State::Stopped { until } if now >= until => {
                self.close_for(CloseReason::Stopped, now, actions);
            }
            State::Closing { until } if now >= until => {
                actions.push(Action::Drop);
                self.state = State::Gone;
            }
            State::Opened { .. }
            | State::Offered
            | State::Up { .. }
            | State::Stopped { .. }
            | State::Closing { .. }
            | State::Gone => {}
        }
    }

    /// Returns the stream's name at the carrier while sound may be sent to it, and only then.
    #[must_use]
    pub fn may_send(&self) -> Option<&StreamSid> {
        match self.state {
            State::Up { .. } => self.sid.as_ref(),
            State::Opened { .. }
            | State::Offered
            | State::Stopped { .. }
            | State::Closing { .. }
            | State::Gone => None,
        }
    }

    /// Takes in that a part of a key is sent to the far end, which the carrier plays after `held`: its echo is no key.
    pub fn sends_key(&mut self, held: Duration, now: Time) {
        self.keys.sends(held, now);
    }

    /// Returns what was odd so far.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults
    }

    /// Returns the sound format for which the stream was closed, if it was.
    #[must_use]
    pub fn other_format(&self) -> Option<&OtherFormat> {
        self.other_format.as_ref()
    }

    fn text(&mut self, text: &str, now: Time, actions: &mut Vec<Action>) {
        match self.state {
            // What still comes after the end is of no interest, whatever it is.
            State::Stopped { .. } | State::Closing { .. } | State::Gone => return,
            State::Opened { .. } | State::Offered | State::Up { .. } => {}
        }
        let StreamMessage {
            sequence,
            stream_sid,
            event,
        } = match stream::decode(text) {
            Ok(message) => message,
            Err(error) => return self.unreadable(&error),
        };
        if let (Some(ours), Some(theirs)) = (&self.sid, &stream_sid)
            && ours.as_str() != &**theirs
        {
            self.faults.misplaced += 1;
            return;
        }
        if let Some(number) = sequence {
            match self.numbers.see(number) {
                Seen::InOrder => {}
                Seen::After(skipped) => self.faults.skipped += skipped,
                Seen::Late => self.faults.late += 1,
                Seen::Again => {
                    self.faults.duplicates += 1;
                    // An end is an end, whatever its number.
                    if event != StreamEvent::Stop {
                        return;
                    }
                }
            }
        }
        match (self.state, event) {
            (State::Opened { .. }, StreamEvent::Start(start)) => self.start(start, now, actions),
            (State::Up { .. }, StreamEvent::Media(media)) => self.media(&media, now, actions),
            (State::Up { .. }, StreamEvent::Dtmf(key)) => {
                if self.keys.message(key, now) {
                    actions.push(Action::Key(key));
                }
            }
            (State::Up { .. }, StreamEvent::Stop) => {
                actions.push(Action::Ended(StreamEnd::Stopped));
                self.stopped(now);
            }
            (State::Opened { .. } | State::Offered, StreamEvent::Stop) => self.stopped(now),
            (_, StreamEvent::Unknown) => self.faults.unknown += 1,
            // A mark that is none of ours harms nobody; nor does a second hello.
            (State::Up { .. }, StreamEvent::Mark(name)) => {
                actions.extend(MarkName::parse(&name).map(Action::Mark));
            }
            (_, StreamEvent::Connected | StreamEvent::Mark(_)) => {}
            (_, StreamEvent::Start(_) | StreamEvent::Media(_) | StreamEvent::Dtmf(_))
            | (State::Stopped { .. } | State::Closing { .. } | State::Gone, StreamEvent::Stop) => {
                self.faults.misplaced += 1
            }
        }
    }

    fn start(&mut self, start: Start<'_>, now: Time, actions: &mut Vec<Action>) {
        if let Err(other) = start.format {
            self.other_format = Some(other);
            return self.fault(CloseReason::OtherFormat, now, actions);
        }
        self.sid = Some(start.stream_sid);
        match start.token {
            Some(token) => {
                self.state = State::Offered;
                actions.push(Action::Offer {
                    leg: start.leg,
                    token: StreamToken::new(token),
                });
            }
            None => {
                self.faults.refused += 1;
                self.close_for(CloseReason::Refused, now, actions);
            }
        }
    }

    fn media(&mut self, media: &Media<'_>, now: Time, actions: &mut Vec<Action>) {
        if !media.from_far_end {
            self.faults.misplaced += 1;
            return;
        }
        if let Err(error) = stream::decode_payload(&media.payload, &mut self.ulaw) {
            return self.unreadable(&error);
        }
        let frames = self.recut.cut(&self.ulaw, media.timestamp_ms, now);
        for frame in frames {
            actions.push(Action::Down(frame));
            self.keys
                .sound(&frame, now, |key| actions.push(Action::Key(key)));
        }
        self.alive(now);
    }

    fn unreadable(&mut self, error: &StreamError) {
        match error {
            StreamError::NotJson | StreamError::Missing(_) => self.faults.garbage += 1,
            StreamError::TooLong => self.faults.too_long += 1,
        }
    }

    fn alive(&mut self, now: Time) {
        if let State::Up { alive, .. } = &mut self.state {
            *alive = now;
        }
    }

    fn fault(&mut self, reason: CloseReason, now: Time, actions: &mut Vec<Action>) {
        self.faults.closed += 1;
        if let State::Up { .. } = self.state {
            actions.push(Action::Ended(StreamEnd::Faulted));
        }
        self.close_for(reason, now, actions);
    }

    fn close_for(&mut self, reason: CloseReason, now: Time, actions: &mut Vec<Action>) {
        actions.push(Action::Close(reason));
        self.closing(now);
    }

    fn closing(&mut self, now: Time) {
        self.state = State::Closing {
            until: now + CLOSE_LIMIT,
        };
    }

    fn stopped(&mut self, now: Time) {
        self.state = State::Stopped {
            until: now + CLOSE_LIMIT,
        };
    }
}

/// Which message numbers came: the highest, and which of the 64 up to it.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    highest: u64,
    /// Bit n: whether `highest - n` came.
    came: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    /// The one that was due.
    InOrder,
    /// So many too far.
    After(u64),
    /// Overtaken by a later one; or so long ago that nobody knows whether it came before.
    Late,
    /// It came before.
    Again,
}

impl Numbers {
    fn see(&mut self, number: u64) -> Seen {
        if number > self.highest || self.came == 0 {
            // Whatever the first number is, nothing before it is missed.
            let ahead = if self.came == 0 {
                1
            } else {
                number - self.highest
            };
            self.came = u32::try_from(ahead)
                .ok()
                .and_then(|ahead| self.came.checked_shl(ahead))
                .unwrap_or(0)
                | 1;
            self.highest = number;
            return match ahead - 1 {
                0 => Seen::InOrder,
                skipped => Seen::After(skipped),
            };
        }
        let bit = match self.highest - number {
            back @ 0..=63 => 1 << back,
            _ => return Seen::Late,
        };
        if self.came & bit != 0 {
            return Seen::Again;
        }
        self.came |= bit;
        Seen::Late
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
