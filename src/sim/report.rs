//! What a simulated call was like, as a value and as a person reads it.

mod network;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::heard::Heard;
use super::rest::RestRequest;
pub use network::{NetworkReport, WayReport};

/// Something that Twilio would complain of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Twilio's code, such as 31951.
    pub code: u32,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// How a call ended.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Ended {
    /// The caller hung up, as the script says.
    #[default]
    CallerHungUp,
    /// TwiML said `<Hangup/>`, or had nothing more to say.
    ByTwiml,
    /// The call was completed over REST.
    ByRest,
    /// TwiML said `<Reject/>`; with its reason.
    Rejected(String),
    /// It lasted as long as the plan allows.
    TooLong,
    /// A call that went out was never answered.
    Unanswered(Unanswered),
    /// It could not be carried on; the warnings say why.
    Failed,
}

/// Why a call that went out was never answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unanswered {
    /// It was busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// It could not be reached.
    Failed,
}

impl Unanswered {
    /// Returns the carrier's word for it.
    #[must_use]
    pub fn status(self) -> &'static str {
        match self {
            Unanswered::Busy => "busy",
            Unanswered::NoAnswer => "no-answer",
            Unanswered::Failed => "failed",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::CallerHungUp => "the caller hung up",
            Ended::ByTwiml => "the TwiML ended it",
            Ended::ByRest => "it was ended over REST",
            Ended::Rejected(reason) => return write!(f, "it was rejected ({reason})"),
            Ended::TooLong => "it reached the longest time allowed",
            Ended::Unanswered(why) => return write!(f, "nobody answered ({})", why.status()),
            Ended::Failed => "it failed",
        })
    }
}

/// A number or client that a `<Dial>` called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dialled {
    /// The number, or `client:` and the identity.
    pub to: String,
    /// What became of it: `completed`, `busy`, `no-answer`, `failed`, `canceled`.
    pub status: String,
    /// The caller's number shown to it, where the TwiML names one.
    pub caller_id: Option<String>,
    /// Parameters of a client.
    pub parameters: Vec<(String, String)>,
}

/// What is known of the media streams of a call, all together.
#[derive(Clone, Debug, Default)]
pub struct StreamReport {
    /// How many streams were opened.
    pub streams: u32,
    /// Media messages that the connection to the server took.
    pub frames_sent: u64,
    /// Media messages from the server that counted.
    pub frames_received: u64,
    /// Of these, how many came more than 25 ms after the one before: 5 ms beside a cadence of 20 ms.
    pub late_frames: u64,
    /// The same of a bare timer beside it: what this machine did to any timer.
    pub late_timer: u64,
    /// How often the queue ran dry.
    pub underruns: u32,
    /// What waited to be played when the last stream ended, in milliseconds.
    pub queue_ms: u64,
    /// The most that ever waited, in milliseconds.
    pub queue_most_ms: u64,
    /// Pings that were answered.
    pub pings: u64,
    /// Marks that were sent back.
    pub marks: u64,
    /// Clears that were obeyed.
    pub clears: u64,
    /// What the caller heard, 8 kHz: every stream from its start to its end, one after the other.
    pub heard: Vec<i16>,
    /// Messages from the server that were dropped, in whole or in part.
    pub dropped: u64,
    /// When each media message came, from the call's beginning.
    pub arrivals: Vec<Duration>,
    /// How long each of them waited until its first sample was played.
    pub waits: Vec<Duration>,
    /// While an echo test remembered what it heard, from the call's beginning.
    pub remembered: Option<Range<Duration>>,
}

impl StreamReport {
    /// Returns how long a media message waited on average until its first sample was played, in milliseconds.
    #[must_use]
    pub fn queue_mean_ms(&self) -> f64 {
        mean_ms(self.waits.iter()).unwrap_or(0.0)
    }

    /// Returns the same of the messages that came while an echo test remembered what it heard.
    #[must_use]
    pub fn queue_remembered_ms(&self) -> Option<f64> {
        let while_it_did = self.remembered.as_ref()?;
        let waits = self.arrivals.iter().zip(&self.waits);
        mean_ms(waits.filter_map(|(came, wait)| while_it_did.contains(came).then_some(wait)))
    }

    /// Returns what became of the delay to the caller; nothing where there was no second with ten messages or more in it.
    #[must_use]
    pub fn caller_delay(&self) -> Option<CallerDelay> {
        const SECOND: Duration = Duration::from_secs(1);
        const ENOUGH: usize = 10;
        let (first, last) = (*self.arrivals.first()?, *self.arrivals.last()?);
        let mut delay: Option<CallerDelay> = None;
        // Seconds are counted backwards from the last message, so that the end is a whole one.
        let mut end = last;
        let mut before = self.arrivals.len();
        while let Some(start) = end.checked_sub(SECOND).filter(|start| *start >= first) {
            let from = self.arrivals[..before].partition_point(|came| *came <= start);
            let waits = &self.waits[from..before];
            if let Some(least) = waits.iter().min().filter(|_| waits.len() >= ENOUGH) {
                let so_far = delay.get_or_insert(CallerDelay {
                    least: *least,
                    end: *least,
                    most: *least,
                });
                so_far.least = so_far.least.min(*least);
                so_far.most = so_far.most.max(*least);
            }
            (end, before) = (start, from);
        }
        delay
    }
}

/// What became of the delay to a caller whose sound came steadily, to the queue's share: the least that waited in each
/// second, and so what a program could have spared him.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CallerDelay {
    /// In the best second.
    pub least: Duration,
    /// In the last.
    pub end: Duration,
    /// In the worst.
    pub most: Duration,
}

impl CallerDelay {
    /// Returns how much was added from the best second to the last.
    #[must_use]
    pub fn above_least(&self) -> Duration {
        self.end - self.least
    }
}

/// What a simulated call was like.
#[derive(Clone, Debug, Default)]
pub struct CallReport {
    /// `CA…`
    pub call_sid: String,
    /// How it ended.
    pub ended: Ended,
    /// What Twilio would have complained of.
    pub warnings: Vec<Warning>,
    /// What the TwiML holds that Twilio plays and the simulator passed over.
    pub not_simulated: Vec<String>,
    /// What was asked over REST.
    pub rest: Vec<RestRequest>,
    /// What else is worth knowing, mostly of a misbehaviour's effect.
    pub notes: Vec<String>,
    /// Every TwiML document, as received.
    pub documents: Vec<String>,
    /// What was spoken by `<Say>`.
    pub said: Vec<String>,
    /// The addresses of every `<Play>`.
    pub played: Vec<String>,
    /// Whom `<Dial>` called.
    pub dialled: Vec<Dialled>,
    /// The media streams.
    pub stream: StreamReport,
    /// What the far end heard all through the call, on one time line.
    pub heard: Heard,
    /// What the network did to them, where the plan has one.
    pub network: Option<NetworkReport>,
    /// From the first webhook to the end.
    pub duration: Duration,
    /// Who is told of what happens as it happens.
    pub(super) tell: Tell,
}

/// Takes a sentence.
type Told = dyn Fn(&str) + Send + Sync;

/// Somebody who is told of what happens; or nobody.
#[derive(Clone, Default)]
pub(super) struct Tell(Option<Arc<Told>>);

impl Tell {
    pub(super) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Tell {
        Tell(Some(Arc::new(tell)))
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tell").field(&self.0.is_some()).finish()
    }
}

impl CallReport {
    /// Says whether nothing was wrong: no warning, nothing passed over, and the call did not fail.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.warnings.is_empty() && self.not_simulated.is_empty() && self.ended != Ended::Failed
    }

    /// Adds a warning unless the same stands there already.
    pub(super) fn warn(&mut self, code: u32, text: impl Into<String>) {
        let warning = Warning {
            code,
            text: text.into(),
        };
        if !self.warnings.contains(&warning) {
            self.warn_again(warning.code, warning.text);
        }
    }

    /// Adds a warning, even where the same stands there already.
    pub(super) fn warn_again(&mut self, code: u32, text: impl Into<String>) {
        let warning = Warning {
            code,
            text: text.into(),
        };
        tracing::debug!(%warning, "the carrier would complain");
        self.news(&format!("warning {warning}"));
        self.warnings.push(warning);
    }

    /// Notes what was passed over, once.
    pub(super) fn pass_over(&mut self, what: String) {
        if !self.not_simulated.contains(&what) {
            self.news(&format!("{what} is not simulated, and passed over"));
            self.not_simulated.push(what);
        }
    }

    /// Tells of what happens.
    pub(super) fn news(&self, text: &str) {
        if let Tell(Some(tell)) = &self.tell {
            tell(text);
        }
    }

    /// Returns it as JSON, without the sound.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let stream = &self.stream;
        let delay = stream.caller_delay();
        json!({
            "call_sid": self.call_sid,
            "ended": self.ended.to_string(),
            "fine": self.is_fine(),
            "duration_ms": millis(self.duration),
            "warnings": self.warnings.iter().map(|w| json!({"code": w.code, "text": w.text})).collect::<Vec<_>>(),
            "not_simulated": self.not_simulated,
            "rest": self.rest.iter().map(RestRequest::to_json).collect::<Vec<_>>(),
            "notes": self.notes,
            "documents": self.documents,
            "said": self.said,
            "played": self.played,
            "dialled": self.dialled.iter().map(|d| json!({
                "to": d.to,
                "status": d.status,
                "caller_id": d.caller_id,
                "parameters": d.parameters.iter().map(|(name, value)| (name.clone(), value.clone().into()))
                    .collect::<serde_json::Map<String, Value>>(),
            })).collect::<Vec<_>>(),
            "stream": {
                "streams": stream.streams,
                "frames_sent": stream.frames_sent,
                "frames_received": stream.frames_received,
                "late_frames": stream.late_frames,
                "late_timer": stream.late_timer,
                "underruns": stream.underruns,
                "queue_ms": stream.queue_ms,
                "queue_mean_ms": stream.queue_mean_ms(),
                "queue_most_ms": stream.queue_most_ms,
                "queue_remembered_ms": stream.queue_remembered_ms(),
                "delay_least_ms": delay.map(|delay| millis(delay.least)),
                "delay_most_ms": delay.map(|delay| millis(delay.most)),
                "delay_end_ms": delay.map(|delay| millis(delay.end)),
                "delay_above_least_ms": delay.map(|delay| millis(delay.above_least())),
                "pings": stream.pings,
                "marks": stream.marks,
                "clears": stream.clears,
                "dropped": stream.dropped,
                "heard_ms": stream.heard.len() / 8,
                "first_sound_ms": first_sound(&stream.heard).map(|at| at / 8),
            },
            "moves": self.heard.moves().iter().map(|moved| json!({
                "at_ms": millis(*moved),
                "gap_ms": millis(self.heard.gap_after(*moved)),
            })).collect::<Vec<_>>(),
            "network": self.network.as_ref().map(NetworkReport::to_json),
        })
    }
}

impl fmt::Display for CallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stream = &self.stream;
        writeln!(f, "call {}: {}", self.call_sid, self.ended)?;
        writeln!(f, "  lasted           {} ms", millis(self.duration))?;
        for text in &self.said {
            writeln!(f, "  said             {text}")?;
        }
        for url in &self.played {
            writeln!(f, "  played           {url}")?;
        }
        for leg in &self.dialled {
            writeln!(f, "  dialled          {}: {}", leg.to, leg.status)?;
        }
        if stream.streams > 0 {
            writeln!(
                f,
                "  frames           {} sent, {} received, {} late (a bare timer: {})",
                stream.frames_sent, stream.frames_received, stream.late_frames, stream.late_timer
            )?;
            writeln!(
                f,
                "  queue            {:.0} ms on average, {} ms at most, ran dry {} times",
                stream.queue_mean_ms(),
                stream.queue_most_ms,
                stream.underruns
            )?;
            if let Some(delay) = stream.caller_delay() {
                writeln!(
                    f,
                    "  delay to caller  {} ms above the least at the end ({} ms), {} ms above it at most",
                    millis(delay.above_least()),
                    millis(delay.least),
                    millis(delay.most - delay.least)
                )?;
            }
            match first_sound(&stream.heard) {
                Some(at) => writeln!(
                    f,
                    "  heard            {} ms, sound from {} ms on",
                    stream.heard.len() / 8,
                    at / 8
                )?,
                None => writeln!(
                    f,
                    "  heard            {} ms, all of it silence",
                    stream.heard.len() / 8
                )?,
            }
        }
        if let Some(network) = &self.network {
            write!(f, "{network}")?;
        }
        if stream.dropped > 0 {
            writeln!(f, "  dropped          {} messages", stream.dropped)?;
        }
        for moved in self.heard.moves() {
            writeln!(
                f,
                "  moved            at {} ms; the longest silence around it: {} ms",
                millis(*moved),
                millis(self.heard.gap_after(*moved))
            )?;
        }
        for request in &self.rest {
            writeln!(f, "  REST             {request}")?;
        }
        for what in &self.not_simulated {
            writeln!(f, "  not simulated    {what}")?;
        }
        for note in &self.notes {
            writeln!(f, "  note             {note}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning          {warning}")?;
        }
        write!(
            f,
            "  {}",
            if self.is_fine() {
                "nothing to complain of"
            } else {
                "NOT fine"
            }
        )
    }
}

fn mean_ms<'a>(times: impl Iterator<Item = &'a Duration>) -> Option<f64> {
    let (count, sum) = times.fold((0_u32, Duration::ZERO), |(count, sum), time| {
        (count + 1, sum + *time)
    });
    (count > 0).then(|| sum.as_secs_f64() * 1_000.0 / f64::from(count))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Finds the first sample that is more than the line's own noise.
fn first_sound(heard: &[i16]) -> Option<usize> {
    heard.iter().position(|sample| is_sound(*sample))
}

/// Says whether a sample is more than the line's own noise.
pub(super) fn is_sound(sample: i16) -> bool {
    sample.unsigned_abs() > 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_stands_once_and_spoils_the_report() {
        let mut report = CallReport::default();
        assert!(report.is_fine());
        report.warn(31951, "a message was dropped");
        report.warn(31951, "a message was dropped");
        assert_eq!(report.warnings.len(), 1);
        assert!(!report.is_fine());
        assert!(report.to_string().contains("31951: a message was dropped"));
        assert_eq!(report.to_json()["warnings"][0]["code"], 31951);
        assert_eq!(report.to_json()["fine"], false);
    }

    /// Makes the books of a program that sent a frame every 20 ms; each waited so many milliseconds.
    fn steady(waits: impl IntoIterator<Item = u64>) -> StreamReport {
        let mut stream = StreamReport::default();
        for (index, wait) in waits.into_iter().enumerate() {
            stream
                .arrivals
                .push(Duration::from_millis(20 * index as u64));
            stream.waits.push(Duration::from_millis(wait));
        }
        stream
    }

    #[test]
    fn the_delay_to_the_caller_is_what_waited_at_the_least_in_each_second() {
        let second = |wait: u64| (0..50).map(move |n| wait + n % 5);
        let delay = |books: StreamReport| {
            let delay = books.caller_delay().expect("it sent steadily");
            [delay.least, delay.end, delay.most].map(|time| time.as_millis())
        };
        let grown = steady(
            [0].into_iter()
                .chain(second(20))
                .chain(second(300))
                .chain(second(180)),
        );
        assert_eq!(
            grown.caller_delay().map(|d| d.above_least()),
            Some(Duration::from_millis(160))
        );
        assert_eq!(delay(grown), [20, 180, 300]);
        // A single message that waited for nothing: the queue could have been empty.
        let emptied = steady([0].into_iter().chain(second(300)).chain(second(0)));
        assert_eq!(delay(emptied), [0, 0, 300]);
    }

    #[test]
    fn sound_that_does_not_come_steadily_has_no_delay_of_its_own() {
        assert_eq!(steady([]).caller_delay(), None);
        assert_eq!(
            steady((0..50).map(|_| 5)).caller_delay(),
            None,
            "no second is whole"
        );
        let mut sentences = StreamReport::default();
        for n in 0..20 {
            sentences.arrivals.push(Duration::from_millis(3_000 * n));
            sentences.waits.push(Duration::ZERO);
        }
        assert_eq!(sentences.caller_delay(), None);
        let json = CallReport::default().to_json();
        assert!(json["stream"]["delay_end_ms"].is_null() && json["network"].is_null());
    }

    #[test]
    fn a_call_that_failed_is_not_fine_even_without_a_warning() {
        let report = CallReport {
            ended: Ended::Failed,
            ..CallReport::default()
        };
        assert!(!report.is_fine());
    }
}
