//! Carries the verbs of a document out, one after the other, until one of them leads elsewhere.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::known::{is_played, look_through};
use super::{Call, Ended, Flow, resolve};
use crate::sim::recording::read_wav;
use crate::sim::tones;
use crate::sim::twiml::Element;
use crate::sim::webhook::NoAnswer;

/// The longest that spoken text takes here, whatever it would take in truth.
const LONGEST_SPEECH: Duration = Duration::from_secs(2);

impl Call {
    /// Carries a document out, until a verb leads elsewhere.
    pub(super) async fn carry_out(&mut self, response: &Element, base: &str) -> Flow {
        let strange = look_through(response);
        for text in strange.wrong {
            self.report.warn(12200, text);
        }
        for what in strange.not_simulated {
            self.report.pass_over(what);
        }
        for (index, verb) in response.children.iter().enumerate() {
            if let Ok(steer) = self.listed.steered.try_recv() {
                return self.steered(steer);
            }
            let keeps_ringing = match verb.name.as_str() {
                "Reject" | "Redirect" => true,
                "Pause" => index == 0,
                "Dial" => verb.attribute("answerOnBridge") == Some("true"),
                _ => false,
            };
            if !keeps_ringing && self.status == "ringing" {
                self.set_status("in-progress");
            }
            if !is_played("Response", &verb.name) {
                continue;
            }
            let flow = match verb.name.as_str() {
                "Connect" => self.connect(verb, base).await,
                "Dial" => self.dial(verb, base).await,
                "Say" => self.say(verb).await,
                "Pause" => {
                    let seconds = self.pause_length(verb);
                    self.wait(Duration::from_secs(seconds)).await
                }
                "Play" => self.play(verb, base).await,
                "Record" => self.record(verb, base).await,
                "Gather" => self.gather(verb, base).await,
                "Redirect" => Flow::Fetch {
                    url: verb.text.clone(),
                    method: verb.attribute("method").unwrap_or("POST").to_owned(),
                    extra: Vec::new(),
                },
                "Hangup" => Flow::End(Ended::ByTwiml),
                "Reject" => self.reject(verb, index),
                // Everything that is played has its line above.
                _ => Flow::Next,
            };
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::End(Ended::ByTwiml)
    }

    /// Turns a call away; one that goes out was answered before its document could say so.
    fn reject(&mut self, verb: &Element, index: usize) -> Flow {
        if index > 0 {
            self.report.warn(12200, "<Reject> is not the first verb");
        }
        if self.direction != "inbound" {
            self.report
                .warn(12200, "<Reject> in a call that was answered");
            return Flow::End(Ended::ByTwiml);
        }
        let reason = verb.attribute("reason").unwrap_or("rejected");
        Flow::End(Ended::Rejected(reason.to_owned()))
    }

    /// Reads how many seconds a `<Pause>` takes; one where nothing sensible stands there.
    fn pause_length(&mut self, verb: &Element) -> u64 {
        let Some(text) = verb.attribute("length") else {
            return 1;
        };
        text.trim().parse().unwrap_or_else(|_| {
            self.report.warn(
                12200,
                format!(
                    "<Pause> has the length `{}`, which is no whole number",
                    text.escape_debug()
                ),
            );
            1
        })
    }

    /// Notes what is spoken, and takes about as long, but not for ever.
    async fn say(&mut self, verb: &Element) -> Flow {
        let text = verb.spoken();
        let length = text.chars().count();
        if length > 4096 {
            self.report
                .warn(12200, "<Say> has more than 4096 characters");
        }
        self.report.said.push(text);
        // People speak about 15 characters a second.
        let time = Duration::from_millis(1_000 * length as u64 / 15);
        self.wait(time.min(LONGEST_SPEECH)).await
    }

    /// Plays keys, or a file of the program's own; a file from elsewhere is noted and not fetched.
    async fn play(&mut self, verb: &Element, base: &str) -> Flow {
        let sound = self.sound_of(verb, base).await;
        if sound.is_empty() {
            return Flow::Next;
        }
        let times = match verb.attribute("loop").map(str::parse::<usize>) {
            // As documented: until the call is over, and a thousand times at most.
            Some(Ok(0)) => 1_000,
            Some(Ok(times)) => times.min(1_000),
            Some(Err(_)) | None => 1,
        };
        for _ in 0..times {
            let flow = self.play_out(&sound).await;
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    /// Notes what a `<Play>` plays, and returns its sound, 8 kHz; nothing where there is none to be had.
    pub(super) async fn sound_of(&mut self, verb: &Element, base: &str) -> Vec<i16> {
        if let Some(digits) = verb.attribute("digits") {
            self.report.played.push(format!("digits:{digits}"));
            return tones::keys(digits);
        }
        self.report.played.push(verb.text.clone());
        let url = resolve(base, &verb.text);
        let is_ours = url::Url::parse(&url).is_ok_and(|url| self.poster.lines().is_ours(&url));
        if !is_ours {
            return Vec::new();
        }
        match self.poster.sound(&url).await {
            Ok((kind, bytes)) if kind.contains("wav") || kind.contains("wave") => {
                match read_wav(std::io::Cursor::new(bytes)) {
                    Ok(sound) => return sound,
                    Err(why) => self.report.warn(12400, format!("{url} {why}")),
                }
            }
            Ok((kind, _)) if kind.starts_with("audio/") => {
                self.report.pass_over(format!("<Play> of {kind}"));
            }
            Ok((kind, _)) => {
                let text = format!("{url} has the content type `{kind}`, which is no sound's");
                self.report.warn(12300, text);
            }
            Err(NoAnswer { code, text }) => self.report.warn(code, text),
        }
        Vec::new()
    }

    /// Plays a sound to the caller and to nobody else, for as long as nobody steers the call.
    pub(super) async fn play_out(&mut self, sound: &[i16]) -> Flow {
        let began = Instant::now();
        let flow = self
            .wait(Duration::from_micros(125 * sound.len() as u64))
            .await;
        let heard = usize::try_from(began.elapsed().as_micros() / 125).unwrap_or(usize::MAX);
        let heard = &sound[..heard.min(sound.len())];
        self.report.heard.put(began - self.began, heard);
        flow
    }

    /// Lets time pass, unless somebody steers the call or it has lasted too long.
    pub(super) async fn wait(&mut self, time: Duration) -> Flow {
        let until = Instant::now().checked_add(time);
        let until = until.map_or(self.deadline, |until| until.min(self.deadline));
        tokio::select! {
            Some(steer) = self.listed.steered.recv() => self.steered(steer),
            () = sleep_until(until) => {
                if until == self.deadline { Flow::End(Ended::TooLong) } else { Flow::Next }
            }
        }
    }
}
