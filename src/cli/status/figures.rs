//! What a call is like, for a person: a few short lines; and the calls that are over, a line for each.

use std::time::Duration;

use super::party;
use crate::control::PastCall;
use crate::lang::{Lang, Message};
use crate::pure::quality::{CallQuality, Figure, Ppm, Verdict};

/// Writes what a call is like, to be shown below it.
pub(super) fn lines(quality: &CallQuality, lang: Lang) -> Vec<String> {
    let rating_word;
    let mut messages = Vec::new();
    if let Some(rating) = &quality.rating {
        rating_word = word(rating.word, lang);
        messages.push(Message::CallRating {
            word: &rating_word,
            now: rating.mos.now,
            mean: rating.mos.mean,
            worst: rating.mos.worst,
            network: quality.network_round_trip_ms,
        });
    }
    let now = |figure: &Option<Figure>| figure.map(|figure| figure.now);
    messages.push(Message::CallDelays {
        up: now(&quality.up_ms),
        down: now(&quality.down_ms),
        caller: now(&quality.caller_ms),
    });
    messages.push(Message::CallArrivals {
        jitter: now(&quality.jitter_ms),
        late: now(&quality.late_95_ms),
        waiting: now(&quality.buffer_ms),
    });
    messages.push(Message::CallGaps {
        concealed_ms: quality.concealed_ms,
        hurried_ms: quality.hurried_ms,
        shed_ms: quality.shed_ms,
        time: Duration::from_secs(quality.seconds),
    });
    messages.push(Message::CallerGaps {
        hurried_ms: quality.hurried_up_ms,
        dropped_ms: quality.dropped_up_ms,
    });
    messages.push(Message::CallLoudness {
        far: quality.far_end.map(|loudness| loudness.speech_dbfs),
        near: quality.microphone.map(|loudness| loudness.speech_dbfs),
    });
    if let (Some(loss), Some(reduction)) = (quality.echo_return_loss_db, quality.echo_reduction_db)
    {
        messages.push(Message::CallEcho { loss, reduction });
    }
    let pairs = clocks(quality, lang);
    if !pairs.is_empty() {
        messages.push(Message::CallClocks { pairs: &pairs });
    }
    messages
        .iter()
        .map(|message| format!("    {}", message.text(lang)))
        .collect()
}

/// Writes the differences of the clocks that are known.
fn clocks(quality: &CallQuality, lang: Lang) -> String {
    let (microphone, speaker) = (Message::Microphone.text(lang), Message::Speaker.text(lang));
    let drift = &quality.drift;
    let pairs = [
        (&microphone, speaker.as_str(), drift.microphone_speaker),
        (&microphone, "Twilio", drift.microphone_carrier),
        (&speaker, "Twilio", drift.speaker_carrier),
    ];
    let told = |(one, other, pair): (&String, &str, Option<Ppm>)| {
        pair.map(|Ppm { ppm, uncertainty }| {
            format!("{one}/{other} {ppm:+.0} ±{uncertainty:.0} ppm")
        })
    };
    pairs
        .into_iter()
        .filter_map(told)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the calls that are over, a line for each.
pub(super) fn past(calls: &[PastCall], lang: Lang) -> String {
    if calls.is_empty() {
        return Message::NoPastCalls.text(lang);
    }
    calls
        .iter()
        .map(|call| past_line(call, lang))
        .collect::<Vec<_>>()
        .join("\n")
}

fn past_line(call: &PastCall, lang: Lang) -> String {
    let mut line = format!(
        "{}  {}",
        call.began,
        party(&call.direction, &call.from, &call.to, None, lang)
    );
    if call.talk_seconds > 0 {
        let time = Duration::from_secs(call.talk_seconds);
        line.push_str(&format!("  {}", Message::TalkedFor { time }.text(lang)));
    }
    if let Some(quality) = &call.quality {
        if let Some(rating) = quality.rating {
            let short = Message::RatingInShort {
                word: &word(rating.word, lang),
                mos: rating.mos.mean,
                worst: rating.mos.worst,
            };
            line.push_str(&format!("  {}", short.text(lang)));
        }
        let mean = |figure: &Option<Figure>| figure.map(|figure| figure.mean);
        let ms = quality.concealed_ms;
        let (up, down) = (mean(&quality.up_ms), mean(&quality.down_ms));
        for short in [
            Message::ConcealedInShort { ms },
            Message::DelayInShort { up, down },
        ] {
            line.push_str(&format!("  {}", short.text(lang)));
        }
    }
    if let Some(reason) = &call.end_reason {
        line.push_str(&format!("  ({})", super::word(reason, lang)));
    }
    line
}

fn word(verdict: Verdict, lang: Lang) -> String {
    match verdict {
        Verdict::Excellent => Message::QualityExcellent,
        Verdict::Good => Message::QualityGood,
        Verdict::Fair => Message::QualityFair,
        Verdict::Poor => Message::QualityPoor,
    }
    .text(lang)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::quality::{Drifts, Loudness, Rating};

    fn figure(now: f32) -> Option<Figure> {
        Some(Figure {
            now,
            mean: now,
            worst: now,
        })
    }

    fn quality() -> CallQuality {
        CallQuality {
            seconds: 190,
            rating: Some(Rating {
                word: Verdict::Good,
                r: figure(84.0).expect("some"),
                mos: Figure {
                    now: 4.38,
                    mean: 4.16,
                    worst: 2.9,
                },
            }),
            up_ms: figure(25.2),
            down_ms: figure(61.8),
            caller_ms: figure(3.2),
            jitter_ms: figure(1.3),
            late_95_ms: figure(4.0),
            buffer_ms: figure(40.0),
            concealed_ms: 120,
            hurried_ms: 90,
            shed_ms: 100,
            hurried_up_ms: 240,
            dropped_up_ms: 20,
            network_round_trip_ms: Some(560.0),
            echo_return_loss_db: Some(12.3),
            echo_reduction_db: Some(38.0),
            far_end: Some(Loudness {
                peak_dbfs: -8.0,
                speech_dbfs: -24.2,
                speech_percent: 41.0,
            }),
            drift: Drifts {
                microphone_carrier: Some(Ppm {
                    ppm: 12.4,
                    uncertainty: 2.0,
                }),
                ..Drifts::default()
            },
            ..CallQuality::default()
        }
    }

    #[test]
    fn a_call_reads_as_a_few_short_lines() {
        assert_eq!(
            lines(&quality(), Lang::En),
            [
                "    quality    good on the whole: MOS 4.2, 4.4 now, 2.9 at worst, without the network's own delay (560 ms there \
                 and back)",
                "    delay      25 ms from the microphone to the network, 3 ms more held there, 62 ms from there to the speaker \
                 (means of two seconds)",
                "    arrival    jitter 1 ms, 95 % at most 4 ms late, 40 ms waiting to be played at this moment",
                "    concealed  120 ms of 0:03:10, 90 ms caught up, 100 ms thrown away",
                "    for them   240 ms caught up on the way to the caller, 20 ms thrown away",
                "    loudness   far end -24 dB, microphone -",
                "    echo       12 dB below what is played, and 38 dB more taken away",
                "    clocks     microphone/Twilio +12 ±2 ppm",
            ]
        );
        let french = lines(&quality(), Lang::Fr).join("\n");
        assert!(
            french.contains("qualité     bonne en moyenne : MOS 4,2, 4,4 à présent"),
            "{french}"
        );
        assert!(french.contains("micro/Twilio +12 ±2 ppm"), "{french}");
    }

    #[test]
    fn a_call_of_which_nothing_is_known_yet_says_so_in_dashes() {
        let lines = lines(&CallQuality::default(), Lang::En);
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert!(lines[0].contains("- from the microphone"), "{lines:?}");
    }

    #[test]
    fn calls_that_are_over_are_a_line_each() {
        let answered = PastCall {
            id: "c1".to_owned(),
            sid: "CA1".to_owned(),
            direction: "incoming".to_owned(),
            from: "+15145550100".to_owned(),
            to: "+15145550199".to_owned(),
            began: "2026-01-01T00:00:00Z".to_owned(),
            talk_seconds: 190,
            end_reason: Some("hung_up_there".to_owned()),
            quality: Some(quality()),
        };
        let missed = PastCall {
            talk_seconds: 0,
            end_reason: Some("not_answered".to_owned()),
            quality: None,
            ..answered.clone()
        };
        assert_eq!(
            past(&[missed, answered], Lang::En),
            "2026-01-01T00:00:00Z  from +15145550100  (not answered)\n\
             2026-01-01T00:00:00Z  from +15145550100  talked 0:03:10  good (MOS 4.2, 2.9 at worst)  120 ms concealed  \
             delay 25 ms up, 62 ms down  (hung up there)"
        );
        assert_eq!(past(&[], Lang::En), "no call is remembered yet");
    }
}
