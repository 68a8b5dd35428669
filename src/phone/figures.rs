//! The figures of each call: looked at once a second beside the sound, and kept with the call in the history.
//!
//! Read [`CallMeter::look`], which turns counters of the engine into what a person is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::learned;
use crate::audio::{DeviceClocks, MediaHandle, StreamStats};
use crate::pure::audio::LINE_RATE;
use crate::pure::audio::speakerphone::Figures;
use crate::pure::book::history::{CallNote, INTERRUPTED};
use crate::pure::call_report::{CallReport, PastCall};
use crate::pure::ids::{CallId, LegId, StreamId};
use crate::pure::phone::{CallView, EndReason, Snapshot, Stage};
use crate::pure::quality::emodel::{Codec, mos};
use crate::pure::quality::{CallQuality, Drifts, Rating, Running, Verdict, rating};
use crate::pure::time::{Time, rfc3339};
use crate::store::StoreHandle;

/// How often the calls are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How often it is noted that a call goes on while nothing changes: by so much a call that a crash broke off is kept too
/// short.
const NOTED_EVERY: Duration = Duration::from_secs(30);

/// Looks over which lost sound counts for the rating of now.
const RECENT: usize = 10;

/// The playout buffer conceals sound that is not there.
const CODEC: Codec = Codec::G711_CONCEALED;

/// What is known of every call at the desk, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<HashMap<CallId, CallQuality>>);

impl Board {
    /// Returns what is known of a call; calls that are over stay as long as a snapshot holds them.
    pub(super) fn of(&self, call: &CallId) -> Option<CallQuality> {
        self.lock().get(call).cloned()
    }

    /// Puts what is known now in the place of all before.
    fn publish(&self, calls: &HashMap<CallId, Followed>) {
        let known = calls
            .iter()
            .filter_map(|(id, followed)| Some((id.clone(), followed.quality()?)));
        *self.lock() = known.collect();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, CallQuality>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the calls until the phone is gone; then keeps what was still going on.
pub(super) async fn run(
    media: MediaHandle,
    store: StoreHandle,
    board: Arc<Board>,
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    now: impl Fn() -> Time,
    wall_time: impl Fn(Time) -> SystemTime,
) {
    let mut calls: HashMap<CallId, Followed> = HashMap::new();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (ticked, gone) = tokio::select! {
            _ = ticks.tick() => (true, false),
            changed = snapshots.changed() => (false, changed.is_err()),
        };
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let mut is_over = gone;
        let at = now();
        calls.retain(|id, followed| {
            let is_there = snapshot.calls.iter().any(|call| call.id == *id);
            if !is_there && !followed.kept {
                // It ended and was forgotten at once: another call bears its name at the carrier's.
                let over = CallView {
                    stage: Stage::Ended,
                    since: at,
                    end_reason: Some(EndReason::HungUpThere),
                    ..followed.last.clone()
                };
                store.note_call(followed.note(&over, at, false, &wall_time));
            }
            is_there
        });
        for call in &snapshot.calls {
            let followed = calls
                .entry(call.id.clone())
                .or_insert_with(|| Followed::new(call));
            followed.see(call, ticked, at, &media);
            followed.last.clone_from(call);
            if (gone || call.stage == Stage::Ended) && !followed.kept {
                followed.kept = true;
                is_over = true;
                followed.look(at, &media);
                store.note_call(followed.note(call, at, gone, &wall_time));
            } else if call.stage != Stage::Ended && followed.has_news(call, at) {
                store.note_call(followed.note(call, at, false, &wall_time));
            }
        }
        board.publish(&calls);
        if is_over {
            learned::keep(&media, &store).await;
        }
        if gone {
            store.flush().await;
            return;
        }
    }
}

/// One call, from when it was first seen.
struct Followed {
    began: Time,
    /// How it stood when it was seen last.
    last: CallView,
    /// Since when they talk, wherever.
    talks: Option<Time>,
    /// The stream while it was at the desk, and its figures.
    desk: Option<(StreamId, CallMeter)>,
    /// Where it was answered last.
    place: Option<String>,
    /// What was told of it last while it went on, and when.
    told: Option<(Step, Time)>,
    kept: bool,
}

/// What of a call that goes on is worth a note when it changes: the carrier's name for it, whether it is answered, and
/// where.
type Step = (Option<LegId>, bool, Option<String>);

impl Followed {
    fn new(call: &CallView) -> Followed {
        Followed {
            began: call.since,
            last: call.clone(),
            talks: None,
            desk: None,
            place: None,
            told: None,
            kept: false,
        }
    }

    /// Takes note of where the call stands, and looks at it when that is due.
    fn see(&mut self, call: &CallView, ticked: bool, at: Time, media: &MediaHandle) {
        if call.stage != Stage::Ended {
            // A call that nobody answered may come back: it is kept anew when that is over.
            self.kept = false;
        }
        if call.stage != Stage::Talking {
            return;
        }
        self.talks.get_or_insert(call.since);
        let place = CallReport::new(call, SystemTime::UNIX_EPOCH).place;
        self.place = place.or(self.place.take());
        let Some(stream) = call.stream else { return };
        match &mut self.desk {
            None => self.desk = Some((stream, CallMeter::new(call.since))),
            Some((known, meter)) if *known != stream => {
                *known = stream;
                meter.begin_stream();
            }
            Some(_) if ticked => {}
            Some(_) => return,
        }
        self.look(at, media);
    }

    fn look(&mut self, at: Time, media: &MediaHandle) {
        if let Some((stream, meter)) = &mut self.desk
            && let Some(stats) = media.stats(*stream)
        {
            meter.look(&stats, &media.clocks(), media.echo(), at);
        }
    }

    /// Says whether there is something to note of a call that goes on, and takes it as noted.
    fn has_news(&mut self, call: &CallView, at: Time) -> bool {
        let step = (call.leg.clone(), self.talks.is_some(), self.place.clone());
        let stale = |told: &(Step, Time)| {
            told.0 != step || (self.talks.is_some() && at.since(told.1) >= NOTED_EVERY)
        };
        let news = self.told.as_ref().is_none_or(stale);
        if news {
            self.told = Some((step, at));
        }
        news
    }

    /// Writes how the call stands; one that goes on when all is `gone` is interrupted.
    fn note(
        &mut self,
        call: &CallView,
        at: Time,
        gone: bool,
        wall_time: &impl Fn(Time) -> SystemTime,
    ) -> CallNote {
        let ended = (call.stage == Stage::Ended)
            .then_some(call.since)
            .or(gone.then_some(at));
        let mut past = PastCall::new(
            call,
            wall_time(self.began),
            self.talked(ended.unwrap_or(at)),
            self.quality(),
        );
        if ended.is_some() {
            // Should it come back, that is news.
            self.told = None;
            past.end_reason
                .get_or_insert_with(|| INTERRUPTED.to_owned());
        }
        let written = |moment: Time| rfc3339(wall_time(moment));
        CallNote {
            call: past,
            answered: self.talks.map(written),
            ended: ended.map(written),
            place: self.place.clone(),
            noted: written(at),
        }
    }

    fn talked(&self, until: Time) -> Duration {
        self.talks
            .map_or(Duration::ZERO, |since| until.since(since))
    }

    fn quality(&self) -> Option<CallQuality> {
        self.desk.as_ref().map(|(_, meter)| meter.quality())
    }
}

/// What is counted, as it stood at one look. All but `underruns` in samples of the line.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    missing: u64,
    // What the carrier left out is a pause to us: over TCP nothing gets lost. What came too late is what is heard.
    concealed: u64,
    underruns: u64,
    shed: u64,
    hurried: u64,
    slowed: u64,
    dropped_up: u64,
    hurried_up: u64,
    overrun: u64,
}

impl Counted {
    fn of(stats: &StreamStats, clocks: &DeviceClocks) -> Counted {
        Counted {
            missing: stats.missing_samples,
            concealed: stats.concealed_samples,
            underruns: stats.underruns,
            shed: stats.shed_samples,
            hurried: stats.shortened_samples,
            slowed: stats.lengthened_samples,
            dropped_up: (stats.dropped_up + stats.way_up.shed_frames) * FRAME,
            hurried_up: (stats.way_up.shortened_ms * MILLI as f32) as u64,
            overrun: clocks.overrun_ms * MILLI,
        }
    }

    /// Returns `self` with what came between `before` and `after` added.
    fn plus(self, before: Counted, after: Counted) -> Counted {
        let grown = |sum: u64, before: u64, after: u64| sum + after.saturating_sub(before);
        Counted {
            missing: grown(self.missing, before.missing, after.missing),
            concealed: grown(self.concealed, before.concealed, after.concealed),
            underruns: grown(self.underruns, before.underruns, after.underruns),
            shed: grown(self.shed, before.shed, after.shed),
            hurried: grown(self.hurried, before.hurried, after.hurried),
            slowed: grown(self.slowed, before.slowed, after.slowed),
            dropped_up: grown(self.dropped_up, before.dropped_up, after.dropped_up),
            hurried_up: grown(self.hurried_up, before.hurried_up, after.hurried_up),
            overrun: grown(self.overrun, before.overrun, after.overrun),
        }
    }
}

/// Samples of a frame, and of a millisecond.
const FRAME: u64 = crate::pure::audio::FRAME_LEN as u64;
const MILLI: u64 = LINE_RATE as u64 / 1_000;

/// The figures of one call in the making.
struct CallMeter {
    since: Time,
    until: Time,
    up: Running,
    down: Running,
    caller: Running,
    jitter: Running,
    late: Running,
    buffer: Running,
    r: Running,
    mos: Running,
    /// What the stream's counters said last; nothing before the first look at it.
    before: Option<(Counted, f32)>,
    sum: Counted,
    /// What had been lost at the last looks, and when they were, the oldest first.
    recent: VecDeque<(u64, Time)>,
    latest: StreamStats,
    clocks: DeviceClocks,
    echo: Figures,
}

impl CallMeter {
    /// Begins at the moment when the call was answered.
    fn new(since: Time) -> CallMeter {
        CallMeter {
            since,
            until: since,
            up: Running::larger_is_worse(),
            down: Running::larger_is_worse(),
            caller: Running::larger_is_worse(),
            jitter: Running::larger_is_worse(),
            late: Running::larger_is_worse(),
            buffer: Running::larger_is_worse(),
            r: Running::smaller_is_worse(),
            mos: Running::smaller_is_worse(),
            before: None,
            sum: Counted::default(),
            recent: VecDeque::with_capacity(RECENT + 1),
            latest: StreamStats::default(),
            clocks: DeviceClocks::default(),
            echo: Figures::default(),
        }
    }

    /// Goes on with another stream of the same call, whose counters begin anew.
    fn begin_stream(&mut self) {
        self.before = None;
        self.recent.clear();
    }

    /// Takes in how the stream does at `at`; what was counted before the first look is not the call's.
    fn look(&mut self, stats: &StreamStats, clocks: &DeviceClocks, echo: Figures, at: Time) {
        let counted = Counted::of(stats, clocks);
        let (before, deepest) = self.before.unwrap_or((counted, stats.depth_max_ms));
        self.sum = self.sum.plus(before, counted);
        self.before = Some((counted, stats.depth_max_ms));
        self.until = at;
        self.up.note(stats.up_ms);
        self.down.note(stats.down_ms);
        self.caller.note(stats.way_up.caller_ms);
        self.jitter.note(stats.jitter_ms);
        self.late.note(stats.late_95_ms);
        self.buffer.note(Some(stats.depth_ms));
        if stats.depth_max_ms > deepest {
            self.buffer.note_worst(stats.depth_max_ms);
        }
        let rating = stats.down_ms.map(|down_ms| {
            let lost = self.lost_share(at);
            let up_ms = stats.up_ms.unwrap_or_default();
            let held_ms = stats.way_up.caller_ms.unwrap_or_default();
            rating(up_ms + held_ms, down_ms, lost, CODEC)
        });
        self.r.note(rating);
        self.mos
            .note(rating.map(|rating| mos(f64::from(rating)) as f32));
        self.latest = *stats;
        self.clocks = *clocks;
        self.echo = echo;
    }

    /// Returns the share of the sound of the last looks that was not there when it was due.
    fn lost_share(&mut self, at: Time) -> f32 {
        self.recent.push_back((self.sum.concealed, at));
        if self.recent.len() > RECENT + 1 {
            self.recent.pop_front();
        }
        let (lost_then, then) = *self.recent.front().unwrap_or(&(self.sum.concealed, at));
        let passed = at.since(then).as_secs_f32() * LINE_RATE as f32;
        // Two looks that follow each other at once say nothing.
        if passed < LINE_RATE as f32 / 10.0 {
            return 0.0;
        }
        ((self.sum.concealed - lost_then) as f32 / passed).min(1.0)
    }

    fn quality(&self) -> CallQuality {
        let ms = |samples: u64| samples / MILLI;
        let rating = self
            .r
            .figure()
            .zip(self.mos.figure())
            .map(|(r, mos)| Rating {
                word: Verdict::of(r.mean),
                r,
                mos,
            });
        CallQuality {
            seconds: self.until.since(self.since).as_secs(),
            rating,
            up_ms: self.up.figure(),
            down_ms: self.down.figure(),
            caller_ms: self.caller.figure(),
            network_round_trip_ms: network_round_trip_ms(&self.latest),
            jitter_ms: self.jitter.figure(),
            late_95_ms: self.late.figure(),
            buffer_ms: self.buffer.figure(),
            concealed_ms: ms(self.sum.concealed),
            missing_ms: ms(self.sum.missing),
            underruns: self.sum.underruns,
            shed_ms: ms(self.sum.shed),
            hurried_ms: ms(self.sum.hurried),
            slowed_ms: ms(self.sum.slowed),
            dropped_up_ms: ms(self.sum.dropped_up),
            hurried_up_ms: ms(self.sum.hurried_up),
            overrun_ms: ms(self.sum.overrun),
            far_end: self.latest.far_end.map(Into::into),
            microphone: self.latest.microphone.map(Into::into),
            echo_return_loss_db: self.echo.erl_db,
            echo_reduction_db: self.echo.erle_db,
            drift: Drifts::of(
                self.clocks.capture,
                self.clocks.playout,
                self.latest.carrier_drift,
            ),
        }
    }
}

/// Returns what the network takes there and back at its best, in ms: the least round trip of a mark without the frame that
/// is played before it, to a tenth.
fn network_round_trip_ms(stats: &StreamStats) -> Option<f32> {
    const FRAME_MS: f32 = (FRAME / MILLI) as f32;
    let round_trip = stats.way_up.round_trip_ms?;
    Some(((round_trip - FRAME_MS).max(0.0) * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::audio::drift::Drift;

    /// Looks once a second, the stream as `stats` says for that second.
    fn watched(seconds: u64, stats: impl Fn(u64) -> StreamStats) -> CallQuality {
        let mut meter = CallMeter::new(Time::from_millis(10_000));
        for second in 0..=seconds {
            let at = Time::from_millis(10_000 + second * 1_000);
            meter.look(
                &stats(second),
                &DeviceClocks::default(),
                Figures::default(),
                at,
            );
        }
        meter.quality()
    }

    fn steady() -> StreamStats {
        StreamStats {
            up_ms: Some(25.0),
            down_ms: Some(60.0),
            depth_ms: 40.0,
            depth_max_ms: 300.0,
            missing_samples: 4_000,
            concealed_samples: 8_000,
            ..StreamStats::default()
        }
    }

    #[test]
    fn a_call_that_nothing_disturbs_is_excellent_whatever_was_before_it() {
        let quality = watched(60, |_| steady());
        let rating = quality.rating.expect("the delay is known");
        assert_eq!(rating.word, Verdict::Excellent);
        assert!(rating.mos.worst > 4.3, "{rating:?}");
        assert_eq!(quality.seconds, 60);
        assert_eq!((quality.concealed_ms, quality.shed_ms), (0, 0));
        let buffer = quality.buffer_ms.expect("it is known");
        assert_eq!((buffer.now, buffer.worst), (40.0, 40.0));
    }

    #[test]
    fn a_bad_half_minute_is_told_and_gone_from_now_when_it_is_over() {
        // From the tenth to the fortieth second a tenth of the sound is not there.
        let quality = watched(60, |second| StreamStats {
            missing_samples: 4_000 + second.clamp(10, 40) * 3_000,
            concealed_samples: 8_000 + second.clamp(10, 40) * 800,
            depth_max_ms: if second < 20 { 300.0 } else { 420.0 },
            ..steady()
        });
        assert_eq!((quality.missing_ms, quality.concealed_ms), (11_250, 3_000));
        let rating = quality.rating.expect("the delay is known");
        assert!(rating.r.now > 90.0, "{rating:?}");
        assert!(rating.r.worst < 70.0, "{rating:?}");
        assert_eq!(rating.word, Verdict::Fair);
        assert_eq!(quality.buffer_ms.map(|buffer| buffer.worst), Some(420.0));
    }

    #[test]
    fn the_network_is_what_a_mark_takes_beyond_its_frame() {
        let told = |round_trip_ms| {
            let mut stats = steady();
            stats.way_up.round_trip_ms = round_trip_ms;
            watched(2, |_| stats).network_round_trip_ms
        };
        assert_eq!(told(Some(580.0)), Some(560.0));
        assert_eq!(told(Some(19.0)), Some(0.0));
        assert_eq!(told(None), None);
    }

    #[test]
    fn pauses_of_the_carrier_are_no_loss() {
        let quality = watched(60, |second| StreamStats {
            missing_samples: 4_000 + second * 6_000,
            ..steady()
        });
        assert_eq!(quality.missing_ms, 45_000);
        let rating = quality.rating.expect("the delay is known");
        assert!(rating.r.worst > 90.0, "{rating:?}");
    }

    #[test]
    fn another_stream_of_the_same_call_adds_to_what_was_counted() {
        let mut meter = CallMeter::new(Time::START);
        let clocks = DeviceClocks::default();
        let lost = |missing_samples| StreamStats {
            missing_samples,
            ..steady()
        };
        meter.look(
            &lost(800),
            &clocks,
            Figures::default(),
            Time::from_millis(1_000),
        );
        meter.look(
            &lost(1_600),
            &clocks,
            Figures::default(),
            Time::from_millis(2_000),
        );
        meter.begin_stream();
        meter.look(
            &lost(0),
            &clocks,
            Figures::default(),
            Time::from_millis(3_000),
        );
        meter.look(
            &lost(80),
            &clocks,
            Figures::default(),
            Time::from_millis(4_000),
        );
        assert_eq!(meter.quality().missing_ms, 110);
    }

    #[test]
    fn sound_lost_on_the_way_up_and_clocks_are_told() {
        let drift = |ppm| {
            Some(Drift {
                ppm,
                uncertainty_ppm: 2.0,
            })
        };
        let mut meter = CallMeter::new(Time::START);
        for second in 0..3_u64 {
            let stats = StreamStats {
                dropped_up: second * 2,
                carrier_drift: drift(10.0),
                ..steady()
            };
            let clocks = DeviceClocks {
                capture: drift(40.0),
                playout: None,
                overrun_ms: 700 + second * 5,
            };
            meter.look(
                &stats,
                &clocks,
                Figures::default(),
                Time::from_millis(second * 1_000),
            );
        }
        let quality = meter.quality();
        assert_eq!((quality.dropped_up_ms, quality.overrun_ms), (80, 10));
        let pair = quality.drift.microphone_carrier.expect("both are known");
        assert_eq!(pair.ppm, 30.0);
        assert_eq!(quality.drift.speaker_carrier, None);
    }

    #[test]
    fn without_a_delay_there_is_no_rating() {
        let quality = watched(5, |_| StreamStats::default());
        assert_eq!(quality.rating, None);
        assert_eq!(quality.down_ms, None);
    }
}
