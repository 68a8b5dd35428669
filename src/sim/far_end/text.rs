//! A far end as the command line writes it: `busy`, `answers after 2s; says hello.wav; keys 12#; hangs up after 10s`.

use std::time::Duration;

use super::{FarEnd, Trouble, TroubleKind};
use crate::sim::script::Step;
use crate::sim::voice;

/// How long a far end stays that never said when it leaves.
const STAYS: Duration = Duration::from_secs(24 * 3600);

/// One thing that it does, which can be done again in the next call.
#[derive(Clone)]
enum Does {
    Says(Vec<i16>),
    Waits(Duration),
    Echoes(Duration),
    Presses(String),
}

impl Does {
    fn steps(&self) -> Vec<Step> {
        match self {
            Does::Says(sound) => vec![Step::Speak(sound.clone())],
            Does::Waits(time) => vec![Step::Listen(*time)],
            Does::Echoes(time) => {
                vec![Step::Speak(voice::beep()), Step::EchoTest { record: *time }]
            }
            Does::Presses(digits) => vec![Step::Dtmf(digits.clone())],
        }
    }
}

impl FarEnd {
    /// Reads clauses apart by `;`. `sound` finds what `says` names: a file, or `hello` for the built-in greeting.
    ///
    /// # Errors
    /// What is wrong with which clause, as a sentence.
    pub fn parse(
        text: &str,
        sound: impl Fn(&str) -> Result<Vec<i16>, String>,
    ) -> Result<FarEnd, String> {
        let mut does = Vec::new();
        let mut outcome = None;
        let mut far_end = FarEnd::failed();
        let mut rings = None;
        let mut hangs_up = false;
        for clause in text.split(';').map(str::trim).filter(|c| !c.is_empty()) {
            let words: Vec<&str> = clause.split_whitespace().collect();
            match words[..] {
                ["busy" | "no-answer" | "failed"] => outcome = Some(words[0]),
                ["answers"] => outcome = Some("answers"),
                ["answers", "after", time] => {
                    outcome = Some("answers");
                    rings = Some(seconds(time)?);
                }
                ["rings", time] => rings = Some(seconds(time)?),
                ["queued", time] => far_end.queued = seconds(time)?,
                ["says", ..] => {
                    let name = clause["says".len()..].trim();
                    does.push(Does::Says(sound(name)?));
                }
                ["listens" | "waits", time] => does.push(Does::Waits(seconds(time)?)),
                ["echoes", time] => does.push(Does::Echoes(seconds(time)?)),
                ["keys", digits] if is_keys(digits) => does.push(Does::Presses(digits.to_owned())),
                ["hangs", "up"] => hangs_up = true,
                ["hangs", "up", "after", time] => far_end.leaves_after = Some(seconds(time)?),
                ["network", network] => far_end.network = Some(network.parse()?),
                ["refused", code] => far_end.trouble = Some(Trouble::refused(number(code)?)),
                [
                    kind @ ("limited" | "unavailable" | "unavailable-after" | "silent"
                    | "silent-after"),
                ] => {
                    far_end.trouble = Some(Trouble::times(trouble(kind), 1));
                }
                [
                    kind @ ("limited" | "unavailable" | "unavailable-after" | "silent"
                    | "silent-after"),
                    times,
                ] => {
                    far_end.trouble = Some(Trouble::times(trouble(kind), number(times)?));
                }
                _ => return Err(format!("`{clause}` is nothing that a far end does")),
            }
        }
        let more = far_end;
        let mut far_end = match outcome {
            Some("busy") => FarEnd::busy(),
            Some("no-answer") => FarEnd::no_answer(),
            Some("failed") => FarEnd::failed(),
            Some(_) | None => FarEnd::answers(move || {
                let mut steps: Vec<Step> = does.iter().flat_map(Does::steps).collect();
                if !hangs_up {
                    steps.push(Step::Listen(STAYS));
                }
                steps
            })
            .after(Duration::from_secs(2)),
        };
        far_end.rings = rings.unwrap_or(far_end.rings);
        Ok(FarEnd {
            rings: far_end.rings,
            outcome: far_end.outcome,
            ..more
        })
    }
}

fn trouble(kind: &str) -> TroubleKind {
    match kind {
        "limited" => TroubleKind::TooManyRequests,
        "unavailable" => TroubleKind::Unavailable,
        "unavailable-after" => TroubleKind::UnavailableAfterwards,
        "silent" => TroubleKind::Silent,
        _ => TroubleKind::SilentAfterwards,
    }
}

fn is_keys(text: &str) -> bool {
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    !text.is_empty() && text.chars().all(is_key)
}

fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no whole number"))
}

/// Reads `2s`, `0.5s` or `200ms`, up to a day.
fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time such as 2s, 0.5s or 200ms");
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => (text.strip_suffix('s').ok_or_else(wrong)?, 1.0),
    };
    let time: f64 = number.parse().map_err(|_| wrong())?;
    if !(0.0..=86_400.0).contains(&(time * unit)) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(time * unit))
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::*;

    fn parse(text: &str) -> Result<FarEnd, String> {
        FarEnd::parse(text, |name| match name {
            "hello" | "two words.wav" => Ok(vec![1; 160]),
            other => Err(format!("`{other}` is not there")),
        })
    }

    #[test]
    fn a_far_end_is_read_clause_by_clause() {
        let far = parse(
            "queued 100ms; answers after 0.5s; says two words.wav; listens 3s; echoes 2s; keys 1#; hangs up; network wifi",
        )
        .expect("a far end");
        assert_eq!(far.rings, Duration::from_millis(500));
        assert_eq!(far.queued, Duration::from_millis(100));
        assert!(far.network.is_some());
        let Outcome::Answers(script) = &far.outcome else {
            panic!("{far:?}");
        };
        let steps = [script(), script()].map(|steps| format!("{steps:?}"));
        assert_eq!(steps[0], steps[1], "the next call is like the first");
        assert!(steps[0].ends_with("Dtmf(\"1#\")]"), "{}", steps[0]);
    }

    #[test]
    fn it_stays_unless_it_says_when_it_leaves() {
        let Ok(FarEnd {
            outcome: Outcome::Answers(script),
            rings,
            leaves_after,
            ..
        }) = parse("says hello; hangs up after 10s")
        else {
            panic!("it answers");
        };
        assert_eq!(script().len(), 2);
        assert_eq!(
            (rings, leaves_after),
            (Duration::from_secs(2), Some(Duration::from_secs(10)))
        );
    }

    #[test]
    fn what_never_answers_and_every_trouble_have_their_words() {
        for (text, outcome) in [
            ("busy", "busy"),
            ("no-answer", "no answer"),
            ("failed", "failed"),
            ("rings 3s; busy", "busy"),
        ] {
            let far = format!("{:?}", parse(text).expect(text));
            assert!(far.contains(&format!("{outcome:?}")), "{text}: {far}");
        }
        for (text, trouble) in [
            ("refused 21215", Trouble::refused(21_215)),
            ("limited 3", Trouble::times(TroubleKind::TooManyRequests, 3)),
            ("unavailable", Trouble::times(TroubleKind::Unavailable, 1)),
            (
                "busy; unavailable-after 2",
                Trouble::times(TroubleKind::UnavailableAfterwards, 2),
            ),
            ("silent", Trouble::times(TroubleKind::Silent, 1)),
            (
                "silent-after",
                Trouble::times(TroubleKind::SilentAfterwards, 1),
            ),
        ] {
            assert_eq!(parse(text).expect(text).trouble, Some(trouble), "{text}");
        }
    }

    #[test]
    fn what_is_no_far_end_is_told() {
        for (text, why) in [
            ("sings", "`sings` is nothing that a far end does"),
            ("keys 1x", "`keys 1x` is nothing"),
            ("answers after 2", "`2` is no time"),
            ("rings -1s", "is no time"),
            ("rings NaNs", "is no time"),
            ("says gone.wav", "`gone.wav` is not there"),
            ("refused often", "`often` is no whole number"),
            ("network lunar", "lunar"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
