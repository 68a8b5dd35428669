//! `<Record>` and `<Gather>`: the caller alone with the carrier, speaking or pressing keys.

use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Ended, Flow, Room, Rules, Stay, resolve};
use crate::sim::report::is_sound;
use crate::sim::twiml::Element;
use crate::sim::voice;

/// Samples of a second.
const SECOND: usize = 8_000;

impl Call {
    /// Records what the caller says, until he is silent, presses a key, has said enough, or hangs up.
    pub(super) async fn record(&mut self, verb: &Element, base: &str) -> Flow {
        if verb.attribute("transcribe") == Some("true") {
            self.report.pass_over("<Record transcribe>".to_owned());
        }
        let timeout = self.seconds(verb, "timeout", 5);
        let most = self.seconds(verb, "maxLength", 3_600);
        let keys = verb.attribute("finishOnKey").unwrap_or("1234567890*#");
        if verb.attribute("playBeep") != Some("false") {
            let flow = self.play_out(&voice::beep()).await;
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        let Some(seat) = self.enter(&Room::open(), Rules::default()) else {
            return Flow::Next;
        };
        let stay = self
            .stay(&seat, |member| {
                let said = member.said.len();
                let last = member.said.iter().rposition(|sample| is_sound(*sample));
                let silent = said - last.map_or(0, |last| last + 1);
                let key = member.digits.chars().find(|key| keys.contains(*key));
                let is_done = said >= most * SECOND || (timeout > 0 && silent >= timeout * SECOND);
                key.map(String::from).or(is_done.then(String::new))
            })
            .await;
        let mut said = self.come_back(seat);
        said.truncate(most * SECOND);
        if !said.iter().any(|sample| is_sound(*sample)) {
            // What nobody said is not kept, and nobody is told of it.
            return match stay {
                Stay::HungUp => Flow::End(Ended::CallerHungUp),
                Stay::TooLong => Flow::End(Ended::TooLong),
                Stay::Steered(steer) => self.steered(steer),
                Stay::Over | Stay::Seen(_) => Flow::Next,
            };
        }
        let seconds = (said.len() / SECOND).to_string();
        let (recording_sid, address) = match &self.rest {
            Some(rest) => rest.keep_recording(said),
            None => (crate::sim::sid("RE"), String::new()),
        };
        let at = match &self.rest {
            Some(rest) => rest.address(),
            None => "https://api.twilio.com".to_owned(),
        };
        let extra = |digits: &str| -> Vec<(String, String)> {
            [
                ("RecordingSid", recording_sid.as_str()),
                ("RecordingUrl", &format!("{at}{address}")),
                ("RecordingDuration", &seconds),
                ("Digits", digits),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
        };
        let url = resolve(base, verb.attribute("action").unwrap_or_default());
        let method = verb.attribute("method").unwrap_or("POST").to_owned();
        match stay {
            Stay::HungUp => {
                self.hung_up(Some((url, method)), &extra("hangup")).await;
                Flow::End(Ended::CallerHungUp)
            }
            Stay::TooLong => Flow::End(Ended::TooLong),
            Stay::Steered(steer) => self.steered(steer),
            Stay::Over => Flow::Next,
            Stay::Seen(key) => Flow::Fetch {
                url,
                method,
                extra: extra(&key),
            },
        }
    }

    /// Waits for keys, while whatever stands inside is said and played.
    pub(super) async fn gather(&mut self, verb: &Element, base: &str) -> Flow {
        if verb
            .attribute("input")
            .is_some_and(|input| input.contains("speech"))
        {
            self.report.pass_over("<Gather> of speech".to_owned());
        }
        let timeout = Duration::from_secs(self.seconds(verb, "timeout", 5) as u64);
        let most = verb.attribute("numDigits").and_then(|n| n.parse().ok());
        let finish = verb.attribute("finishOnKey").unwrap_or("#");
        let mut prompt = Vec::new();
        for inside in &verb.children {
            match inside.name.as_str() {
                "Say" => {
                    let text = inside.spoken();
                    // As long as it is without keys: people speak about 15 characters a second.
                    let length = (text.chars().count() * SECOND / 15).min(2 * SECOND);
                    prompt.resize(prompt.len() + length, 0);
                    self.report.said.push(text);
                }
                "Play" => prompt.extend(self.sound_of(inside, base).await),
                "Pause" => {
                    let seconds = self.seconds(inside, "length", 1);
                    prompt.resize(prompt.len() + seconds * SECOND, 0);
                }
                // Whatever else stands there was told of already.
                _ => {}
            }
        }
        let Some(seat) = self.enter(&Room::open(), Rules::default()) else {
            return Flow::Next;
        };
        let mut waits_until =
            Instant::now() + Duration::from_micros(125 * prompt.len() as u64) + timeout;
        seat.look(|member| member.played = prompt.into());
        let mut pressed = 0;
        let stay = self
            .stay(&seat, |member| {
                let digits = &member.digits;
                if let Some(end) = digits.find(|key| finish.contains(key)) {
                    return Some(digits[..end].to_owned());
                }
                if most.is_some_and(|most: usize| digits.len() >= most) {
                    return Some(digits.clone());
                }
                if digits.len() > pressed {
                    pressed = digits.len();
                    // A key cuts off what is played.
                    member.played.clear();
                    waits_until = Instant::now() + timeout;
                }
                (Instant::now() >= waits_until).then(|| digits.clone())
            })
            .await;
        self.come_back(seat);
        match stay {
            Stay::HungUp => Flow::End(Ended::CallerHungUp),
            Stay::TooLong => Flow::End(Ended::TooLong),
            Stay::Steered(steer) => self.steered(steer),
            Stay::Over => Flow::Next,
            Stay::Seen(digits) => {
                let tells_of_none = verb.attribute("actionOnEmptyResult") == Some("true");
                if digits.is_empty() && !tells_of_none {
                    return Flow::Next;
                }
                Flow::Fetch {
                    url: resolve(base, verb.attribute("action").unwrap_or_default()),
                    method: verb.attribute("method").unwrap_or("POST").to_owned(),
                    extra: vec![("Digits".to_owned(), digits)],
                }
            }
        }
    }

    /// Reads whole seconds; where none stand there, the usual ones.
    fn seconds(&mut self, verb: &Element, name: &str, usual: usize) -> usize {
        let Some(text) = verb.attribute(name) else {
            return usual;
        };
        match text.trim().parse() {
            Ok(seconds) if seconds <= 86_400 => seconds,
            Ok(_) | Err(_) => {
                let text = text.escape_debug();
                let wrong = format!("<{}> has the {name} `{text}`, which is none", verb.name);
                self.report.warn(12200, wrong);
                usual
            }
        }
    }
}
