//! Figures for Prometheus, in its text format.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Door;
use super::error::ApiError;
use crate::audio::{AudioStatus, DeviceClocks, DeviceState, StreamStats};
use crate::pure::audio::drift::Drift;
use crate::pure::call_report::STAGES;
use crate::pure::ids::{CallId, StreamId};
use crate::pure::phone::Snapshot;
use crate::pure::quality::CallQuality;

/// `GET /metrics`.
pub(super) async fn metrics(State(door): State<Arc<Door>>) -> Result<Response, ApiError> {
    let snapshot = door.snapshot();
    let media = door.phone.media();
    let devices = media.status().borrow().clone();
    let streams: Vec<(StreamId, StreamStats)> = snapshot
        .calls
        .iter()
        .filter_map(|call| call.stream)
        .filter_map(|stream| Some((stream, media.stats(stream)?)))
        .collect();
    let calls: Vec<(CallId, CallQuality)> = snapshot
        .calls
        .iter()
        .filter(|call| call.stream.is_some())
        .filter_map(|call| Some((call.id.clone(), door.phone.quality(&call.id)?)))
        .collect();
    let tally = door.phone.tally();
    let text = write(&snapshot, &devices, &streams)
        .and_then(|text| {
            let (refused, closed) = (tally.refused(), tally.closed());
            let waiting = snapshot.voicemails_waiting;
            Ok(text
                + &write_quality(&calls)?
                + &write_clocks(&media.clocks())?
                + &write_tally(&refused, &closed)?
                + &format!(
                    "# HELP offhook_voicemails_waiting Messages that nobody has heard yet.\n\
                     # TYPE offhook_voicemails_waiting gauge\n\
                     offhook_voicemails_waiting {waiting}\n"
                ))
        })
        .map_err(|_| ApiError::Internal)?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// A figure of a stream: its name, its kind, what it is, and where it is found.
type Figure = (
    &'static str,
    &'static str,
    &'static str,
    fn(&StreamStats) -> Option<f64>,
);

/// Every figure of a stream.
const FIGURES: [Figure; 23] = [
    (
        "frames_down_total",
        "counter",
        "Frames taken from the carrier.",
        |s| Some(count(s.frames_down)),
    ),
    (
        "frames_up_total",
        "counter",
        "Frames given to the carrier.",
        |s| Some(count(s.frames_up)),
    ),
    (
        "dropped_up_total",
        "counter",
        "Frames to the carrier that found no room.",
        |s| Some(count(s.dropped_up)),
    ),
    (
        "underruns_total",
        "counter",
        "Times that playout ran dry while sound was due.",
        |s| Some(count(s.underruns)),
    ),
    (
        "missing_samples_total",
        "counter",
        "Samples that the carrier left out, told by its timestamps: its pauses and its losses.",
        |s| Some(count(s.missing_samples)),
    ),
    (
        "late_samples_total",
        "counter",
        "Samples made up for sound that came too late.",
        |s| Some(count(s.concealed_samples)),
    ),
    (
        "shed_samples_total",
        "counter",
        "Samples thrown away to bring the delay down.",
        |s| Some(count(s.shed_samples)),
    ),
    (
        "shortened_samples_total",
        "counter",
        "Samples by which sound was made shorter to bring the delay down.",
        |s| Some(count(s.shortened_samples)),
    ),
    (
        "lengthened_samples_total",
        "counter",
        "Samples by which sound was made longer to gather delay.",
        |s| Some(count(s.lengthened_samples)),
    ),
    (
        "shed_up_total",
        "counter",
        "Frames to the carrier that waited too long and were thrown away.",
        |s| Some(count(s.way_up.shed_frames)),
    ),
    (
        "clears_total",
        "counter",
        "Times that all that the carrier held was thrown away.",
        |s| Some(count(s.way_up.clears)),
    ),
    (
        "caller_seconds",
        "gauge",
        "What the carrier holds beyond the least: the delay to the caller.",
        |s| s.way_up.caller_ms.map(seconds),
    ),
    (
        "target_seconds",
        "gauge",
        "Delay that the frames of the last seconds need to come in time.",
        |s| Some(seconds(s.target_ms)),
    ),
    (
        "depth_seconds",
        "gauge",
        "Sound waiting to be played.",
        |s| Some(seconds(s.depth_ms)),
    ),
    (
        "depth_max_seconds",
        "gauge",
        "The most sound that ever waited to be played.",
        |s| Some(seconds(s.depth_max_ms)),
    ),
    (
        "down_seconds",
        "gauge",
        "Delay from the socket to the speaker.",
        |s| s.down_ms.map(seconds),
    ),
    (
        "up_seconds",
        "gauge",
        "Delay from the microphone to the socket.",
        |s| s.up_ms.map(seconds),
    ),
    (
        "jitter_seconds",
        "gauge",
        "Interarrival jitter of the carrier's messages (RFC 3550).",
        |s| s.jitter_ms.map(seconds),
    ),
    (
        "lateness_seconds",
        "gauge",
        "How late 95 percent of the last messages were at most.",
        |s| s.late_95_ms.map(seconds),
    ),
    (
        "clock_drift_ratio",
        "gauge",
        "How much faster the carrier's clock is than the daemon's, as a share.",
        |s| s.carrier_drift.map(share),
    ),
    (
        "far_end_speech_dbfs",
        "gauge",
        "Level of the far end's speech (ITU-T P.56).",
        |s| s.far_end.map(|levels| f64::from(levels.active_dbfs)),
    ),
    (
        "microphone_speech_dbfs",
        "gauge",
        "Level of the microphone's speech as the far end gets it (ITU-T P.56).",
        |s| s.microphone.map(|levels| f64::from(levels.active_dbfs)),
    ),
    (
        "microphone_peak_dbfs",
        "gauge",
        "The loudest sample of the microphone.",
        |s| s.microphone.map(|levels| f64::from(levels.peak_dbfs)),
    ),
];

fn share(drift: Drift) -> f64 {
    f64::from(drift.ppm) / 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody counts to 2^53 frames, which take 5 million years"
)]
fn count(n: u64) -> f64 {
    n as f64
}

fn seconds(ms: f32) -> f64 {
    f64::from(ms) / 1000.0
}

fn write(
    snapshot: &Snapshot,
    devices: &AudioStatus,
    streams: &[(StreamId, StreamStats)],
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "# HELP offhook_calls Calls by where they stand.\n# TYPE offhook_calls gauge"
    )?;
    for stage in STAGES {
        let calls = snapshot.calls.iter().filter(|call| call.stage == stage);
        let word = stage.word();
        writeln!(text, "offhook_calls{{state=\"{word}\"}} {}", calls.count())?;
    }
    writeln!(
        text,
        "# HELP offhook_device_up Whether a device works.\n# TYPE offhook_device_up gauge"
    )?;
    for (name, state) in [
        ("capture", &devices.capture),
        ("playout", &devices.playout),
        ("ringer", &devices.ringer),
    ] {
        let up = u8::from(matches!(state, DeviceState::Works(_)));
        writeln!(text, "offhook_device_up{{device=\"{name}\"}} {up}")?;
    }
    for (name, kind, help, figure) in FIGURES {
        writeln!(
            text,
            "# HELP offhook_stream_{name} {help}\n# TYPE offhook_stream_{name} {kind}"
        )?;
        for (stream, stats) in streams {
            if let Some(value) = figure(stats) {
                writeln!(text, "offhook_stream_{name}{{stream=\"{stream}\"}} {value}")?;
            }
        }
    }
    Ok(text)
}

/// Writes what the calls at the desk are worth.
fn write_quality(calls: &[(CallId, CallQuality)]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for (name, help) in [
        (
            "rating",
            "Transmission rating factor R of ITU-T G.107, 0 to 100.",
        ),
        ("mos", "The rating as a mean opinion score, 1 to 4.5."),
    ] {
        writeln!(
            text,
            "# HELP offhook_call_{name} {help}\n# TYPE offhook_call_{name} gauge"
        )?;
        for (call, rating) in calls.iter().filter_map(|(id, q)| Some((id, q.rating?))) {
            let figure = if name == "mos" { rating.mos } else { rating.r };
            writeln!(
                text,
                "offhook_call_{name}{{call=\"{call}\"}} {}",
                figure.now
            )?;
        }
    }
    Ok(text)
}

/// Writes how the devices' clocks run, and what was lost of the microphone.
fn write_clocks(clocks: &DeviceClocks) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "# HELP offhook_clock_drift_ratio How much faster a device's clock is than the daemon's, as a share.\n\
         # TYPE offhook_clock_drift_ratio gauge"
    )?;
    for (name, drift) in [("capture", clocks.capture), ("playout", clocks.playout)] {
        if let Some(drift) = drift {
            let share = share(drift);
            writeln!(
                text,
                "offhook_clock_drift_ratio{{device=\"{name}\"}} {share}"
            )?;
        }
    }
    let lost = clocks.overrun_ms as f64 / 1000.0;
    writeln!(
        text,
        "# HELP offhook_capture_overrun_seconds_total Sound of the microphone that was lost after its callback.\n\
         # TYPE offhook_capture_overrun_seconds_total counter\n\
         offhook_capture_overrun_seconds_total {lost}"
    )?;
    Ok(text)
}

/// Writes how many streams were turned away and closed, by reason.
fn write_tally(
    refused: &BTreeMap<&'static str, u64>,
    closed: &BTreeMap<&'static str, u64>,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for (name, help, counts) in [
        ("refused", "Streams that were not let in.", refused),
        ("closed", "Media sockets that we closed.", closed),
    ] {
        writeln!(
            text,
            "# HELP offhook_streams_{name}_total {help}\n# TYPE offhook_streams_{name}_total counter"
        )?;
        for (reason, count) in counts {
            writeln!(
                text,
                "offhook_streams_{name}_total{{reason=\"{reason}\"}} {count}"
            )?;
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::quality::{Figure, Rating, Verdict};

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let works = || DeviceState::Works("none".to_owned());
        let devices = AudioStatus {
            capture: works(),
            playout: works(),
            ringer: DeviceState::Broken("gone".to_owned()),
        };
        let stats = StreamStats {
            frames_down: 50,
            depth_ms: 40.0,
            up_ms: Some(25.0),
            jitter_ms: Some(2.5),
            ..StreamStats::default()
        };
        let streams = [(StreamId(3), stats)];
        let text = write(&Snapshot::default(), &devices, &streams).expect("a string");
        for line in [
            "# TYPE offhook_calls gauge",
            "offhook_calls{state=\"talking\"} 0",
            "offhook_device_up{device=\"playout\"} 1",
            "offhook_device_up{device=\"ringer\"} 0",
            "# TYPE offhook_stream_frames_down_total counter",
            "offhook_stream_frames_down_total{stream=\"s3\"} 50",
            "offhook_stream_up_seconds{stream=\"s3\"} 0.025",
            "offhook_stream_jitter_seconds{stream=\"s3\"} 0.0025",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing:\n{text}"
            );
        }
        assert!(!text.contains("offhook_stream_down_seconds{"));
    }

    #[test]
    fn calls_and_clocks_are_written_once_something_is_known_of_them() {
        let figure = |now| Figure {
            now,
            mean: now,
            worst: now,
        };
        let rated = CallQuality {
            rating: Some(Rating {
                word: Verdict::Good,
                r: figure(84.5),
                mos: figure(4.2),
            }),
            ..CallQuality::default()
        };
        let calls = [
            (CallId::new("c1"), rated),
            (CallId::new("c2"), CallQuality::default()),
        ];
        let clocks = DeviceClocks {
            capture: Some(Drift {
                ppm: 12.5,
                uncertainty_ppm: 1.0,
            }),
            playout: None,
            overrun_ms: 1_500,
        };
        let text = write_quality(&calls).expect("a string") + &write_clocks(&clocks).expect("too");
        for line in [
            "# TYPE offhook_call_rating gauge",
            "offhook_call_rating{call=\"c1\"} 84.5",
            "offhook_call_mos{call=\"c1\"} 4.2",
            "offhook_clock_drift_ratio{device=\"capture\"} 0.0000125",
            "offhook_capture_overrun_seconds_total 1.5",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing:\n{text}"
            );
        }
        for unknown in ["c2", "playout"] {
            assert!(!text.contains(unknown), "{unknown}:\n{text}");
        }
    }

    #[test]
    fn streams_that_were_turned_away_or_closed_are_counted_by_reason() {
        let (refused, closed) = (
            BTreeMap::from([("bad_token", 3), ("desk_taken", 0)]),
            BTreeMap::from([("silent", 1)]),
        );
        let text = write_tally(&refused, &closed).expect("a string");
        for line in [
            "# TYPE offhook_streams_refused_total counter",
            "offhook_streams_refused_total{reason=\"bad_token\"} 3",
            "offhook_streams_refused_total{reason=\"desk_taken\"} 0",
            "offhook_streams_closed_total{reason=\"silent\"} 1",
        ] {
            assert!(
                text.lines().any(|l| l == line),
                "{line} is missing:\n{text}"
            );
        }
    }
}
