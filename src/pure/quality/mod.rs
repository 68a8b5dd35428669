//! What a call was like: the figures that a person, a page and the history are told, and what they are worth together.
//!
//! Read [`CallQuality`] first; [`rating`] is where delay and loss become one number. How the figures are gathered is not
//! told here.

pub mod arrivals;
pub mod emodel;

use serde::{Deserialize, Serialize};

use crate::pure::audio::drift::Drift;
use crate::pure::audio::level::Levels;
use emodel::{Codec, Connection};

/// What is known of one call at the desk since it was answered.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
// A call that was kept before a figure was known has none of it.
#[serde(default)]
pub struct CallQuality {
    /// Seconds of talk that the figures are of.
    pub seconds: u64,
    /// How good the call is for those who talk.
    pub rating: Option<Rating>,
    /// Microphone to socket, in ms.
    pub up_ms: Option<Figure>,
    /// Socket to speaker, in ms.
    pub down_ms: Option<Figure>,
    /// What the caller hears later than at best, since the carrier holds it, in ms.
    pub caller_ms: Option<Figure>,
    /// The network between us and the carrier, there and back at its best, in ms: told by marks, less the frame that
    /// each waits for. Not in the rating.
    pub network_round_trip_ms: Option<f32>,
    /// Interarrival jitter of the carrier's messages (RFC 3550), in ms.
    pub jitter_ms: Option<Figure>,
    /// How late 95 % of the messages are at most, against the earliest of ten seconds, in ms.
    pub late_95_ms: Option<Figure>,
    /// Sound that waits to be played, in ms.
    pub buffer_ms: Option<Figure>,
    /// Sound that came too late, so that it was made up meanwhile, in ms.
    pub concealed_ms: u64,
    /// Sound that the carrier left out, told by its timestamps, in ms: its pauses, and what it lost itself.
    pub missing_ms: u64,
    /// Times that the speaker had nothing to play.
    pub underruns: u64,
    /// Sound thrown away to bring the delay down, in ms.
    pub shed_ms: u64,
    /// By how much the far end's sound was made shorter to bring the delay down, in ms.
    pub hurried_ms: u64,
    /// By how much it was made longer, so that later messages come in time, in ms.
    pub slowed_ms: u64,
    /// Sound for the carrier that found no room, in ms.
    pub dropped_up_ms: u64,
    /// By how much the microphone's sound was made shorter to bring the delay to the caller down, in ms.
    pub hurried_up_ms: u64,
    /// Sound of the microphone that was lost between its callback and us, in ms.
    pub overrun_ms: u64,
    /// How loud the far end is.
    pub far_end: Option<Loudness>,
    /// How loud the microphone is, as the far end gets it.
    pub microphone: Option<Loudness>,
    /// How much weaker the loudspeaker's echo is at the microphone than what is played, in dB.
    pub echo_return_loss_db: Option<f32>,
    /// How much more of it the speakerphone takes away, in dB.
    pub echo_reduction_db: Option<f32>,
    /// How the clocks differ.
    pub drift: Drifts,
}

/// One figure that was looked at every second.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Figure {
    /// As it is now, or was at the end.
    pub now: f32,
    /// Its mean.
    pub mean: f32,
    /// The worst that it was.
    pub worst: f32,
}

/// What delay and loss are worth together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rating {
    /// The mean in a word.
    pub word: Verdict,
    /// The transmission rating factor R of ITU-T G.107, 0 to 100; 93.2 is a telephone call that nothing disturbs.
    pub r: Figure,
    /// The same as a mean opinion score (MOS-CQE), 1 to 4.5.
    pub mos: Figure,
}

/// A rating in a word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// R of 90 and more: "best" in ITU-T G.109, everybody is very satisfied.
    Excellent,
    /// 80 and more: "high", everybody is satisfied.
    Good,
    /// 70 and more: "medium", some are dissatisfied.
    Fair,
    /// Below: "low" and "poor", many or nearly all are dissatisfied.
    Poor,
}

impl Verdict {
    /// Returns the word for a rating.
    #[must_use]
    pub fn of(rating: f32) -> Verdict {
        match rating {
            r if r >= 90.0 => Verdict::Excellent,
            r if r >= 80.0 => Verdict::Good,
            r if r >= 70.0 => Verdict::Fair,
            _ => Verdict::Poor,
        }
    }
}

/// How loud one direction is (ITU-T P.56).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Loudness {
    /// The loudest sample, in dBFS.
    pub peak_dbfs: f32,
    /// The level of the speech without its pauses, in dBFS.
    pub speech_dbfs: f32,
    /// How much of the time was speech, in per cent.
    pub speech_percent: f32,
}

impl From<Levels> for Loudness {
    fn from(levels: Levels) -> Loudness {
        Loudness {
            peak_dbfs: tenth(levels.peak_dbfs),
            speech_dbfs: tenth(levels.active_dbfs),
            speech_percent: tenth(levels.activity * 100.0),
        }
    }
}

/// How the three clocks of a call differ; each pair once both are known.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Drifts {
    /// The microphone's against the speaker's.
    pub microphone_speaker: Option<Ppm>,
    /// The microphone's against the carrier's.
    pub microphone_carrier: Option<Ppm>,
    /// The speaker's against the carrier's.
    pub speaker_carrier: Option<Ppm>,
}

/// How much faster one clock is than another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ppm {
    /// In parts per million; below 0 where it is slower.
    pub ppm: f32,
    /// Half the width of the 95 % confidence interval.
    pub uncertainty: f32,
}

impl From<Drift> for Ppm {
    fn from(drift: Drift) -> Ppm {
        Ppm {
            ppm: tenth(drift.ppm),
            uncertainty: tenth(drift.uncertainty_ppm),
        }
    }
}

impl Drifts {
    /// Makes the pairs of three clocks, each seen from the daemon's.
    #[must_use]
    pub fn of(microphone: Option<Drift>, speaker: Option<Drift>, carrier: Option<Drift>) -> Drifts {
        let pair = |one: Option<Drift>, other: Option<Drift>| {
            one.zip(other).map(|(one, other)| one.against(other).into())
        };
        Drifts {
            microphone_speaker: pair(microphone, speaker),
            microphone_carrier: pair(microphone, carrier),
            speaker_carrier: pair(speaker, carrier),
        }
    }
}

/// A figure in the making.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    worse: fn(f32, f32) -> f32,
    digits: f32,
    now: f32,
    sum: f64,
    worst: f32,
    count: u32,
}

impl Running {
    /// Makes one of what is the worse the larger it is, told to a tenth.
    #[must_use]
    pub fn larger_is_worse() -> Running {
        Running {
            worse: f32::max,
            digits: 10.0,
            now: 0.0,
            sum: 0.0,
            worst: f32::NEG_INFINITY,
            count: 0,
        }
    }

    /// Makes one of what is the worse the smaller it is, told to a hundredth.
    #[must_use]
    pub fn smaller_is_worse() -> Running {
        Running {
            worse: f32::min,
            digits: 100.0,
            worst: f32::INFINITY,
            ..Running::larger_is_worse()
        }
    }

    /// Takes note of what it is now, where that is known.
    pub fn note(&mut self, now: Option<f32>) {
        if let Some(now) = now {
            self.now = now;
            self.sum += f64::from(now);
            self.count += 1;
            self.note_worst(now);
        }
    }

    /// Takes note of what it was at some moment in between.
    pub fn note_worst(&mut self, then: f32) {
        self.worst = (self.worse)(self.worst, then);
    }

    /// Returns the figure, once it was known.
    #[must_use]
    pub fn figure(&self) -> Option<Figure> {
        let rounded = |value: f32| (value * self.digits).round() / self.digits;
        (self.count > 0).then(|| Figure {
            now: rounded(self.now),
            mean: rounded((self.sum / f64::from(self.count)) as f32),
            worst: rounded(self.worst),
        })
    }
}

/// Returns what a call is worth to those who talk, as R of ITU-T G.107.
///
/// The delays are of our part of the way: microphone to socket (with what the carrier holds beyond the least that it ever
/// did), and socket to speaker, in ms. What the network and the far
/// end's telephone add to them is not known here, nor what echo the far end sends back, so those are taken for perfect.
/// `lost` is the share of the sound that was not there when it was due, 0 to 1, by chance rather than in bursts.
#[must_use]
pub fn rating(up_ms: f32, down_ms: f32, lost: f32, codec: Codec) -> f32 {
    // Half a frame lies between the two: the way up counts a sample until its message leaves, the way down counts it from
    // where it lies in the message.
    let round_trip_ms = f64::from(up_ms) + HALF_FRAME_MS + f64::from(down_ms);
    let connection = Connection {
        delay_ms: round_trip_ms / 2.0,
        echo_delay_ms: round_trip_ms / 2.0,
        round_trip_ms,
        codec,
        loss_percent: f64::from(lost) * 100.0,
        ..Connection::default()
    };
    connection.rating() as f32
}

/// Half of 20 ms.
const HALF_FRAME_MS: f64 = 10.0;

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_has_the_word_of_its_class() {
        for (rating, word) in [
            (93.2, Verdict::Excellent),
            (90.0, Verdict::Excellent),
            (89.9, Verdict::Good),
            (79.9, Verdict::Fair),
            (69.9, Verdict::Poor),
            (0.0, Verdict::Poor),
        ] {
            assert_eq!(Verdict::of(rating), word, "{rating}");
        }
    }

    #[test]
    fn a_good_call_of_ours_is_excellent_and_delay_and_loss_are_heard() {
        let concealed = |up, down, lost| rating(up, down, lost, Codec::G711_CONCEALED);
        assert_eq!(Verdict::of(concealed(25.0, 60.0, 0.0)), Verdict::Excellent);
        assert_eq!(Verdict::of(concealed(25.0, 60.0, 0.02)), Verdict::Good);
        assert_eq!(Verdict::of(concealed(25.0, 500.0, 0.0)), Verdict::Fair);
        assert_eq!(Verdict::of(concealed(25.0, 60.0, 0.10)), Verdict::Poor);
        // Silence in the place of what was lost is worse than what conceals it.
        assert!(rating(25.0, 60.0, 0.02, Codec::G711) < concealed(25.0, 60.0, 0.02) - 15.0);
    }

    #[test]
    fn a_figure_has_its_now_its_mean_and_its_worst() {
        let mut delay = Running::larger_is_worse();
        assert_eq!(delay.figure(), None);
        for now in [Some(10.0), None, Some(40.0), Some(25.04)] {
            delay.note(now);
        }
        delay.note_worst(90.0);
        let figure = delay.figure().expect("it is known");
        assert_eq!((figure.now, figure.mean, figure.worst), (25.0, 25.0, 90.0));
        let mut score = Running::smaller_is_worse();
        score.note(Some(4.399));
        score.note(Some(4.201));
        let figure = score.figure().expect("it is known");
        assert_eq!((figure.now, figure.mean, figure.worst), (4.2, 4.3, 4.2));
    }

    #[test]
    fn a_pair_of_clocks_is_told_once_both_are_known() {
        let drift = |ppm| {
            Some(Drift {
                ppm,
                uncertainty_ppm: 1.0,
            })
        };
        let drifts = Drifts::of(drift(25.0), None, drift(-5.0));
        assert_eq!(
            (drifts.microphone_speaker, drifts.speaker_carrier),
            (None, None)
        );
        let pair = drifts.microphone_carrier.expect("both are known");
        assert_eq!((pair.ppm, pair.uncertainty), (30.0, 1.4));
    }
}
