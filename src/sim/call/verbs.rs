//! Carries the verbs of a document out, one after the other, until one of them leads elsewhere.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::known::{is_played, look_through};
use super::{Call, Ended, Flow, steered};
use crate::sim::twiml::Element;

/// The longest that spoken text takes here, whatever it would take in truth.
const LONGEST_SPEECH: Duration = Duration::from_secs(2);

impl Call<'_> {
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
                return steered(steer);
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
                "Play" => {
                    let what = match verb.attribute("digits") {
                        Some(digits) => format!("digits:{digits}"),
                        None => verb.text.clone(),
                    };
                    self.report.played.push(what);
                    Flow::Next
                }
                "Redirect" => Flow::Fetch {
                    url: verb.text.clone(),
                    method: verb.attribute("method").unwrap_or("POST").to_owned(),
                    extra: Vec::new(),
                },
                "Hangup" => Flow::End(Ended::ByTwiml),
                "Reject" => {
                    if index > 0 {
                        self.report.warn(12200, "<Reject> is not the first verb");
                    }
                    let reason = verb.attribute("reason").unwrap_or("rejected");
                    Flow::End(Ended::Rejected(reason.to_owned()))
                }
                // Everything that is played has its line above.
                _ => Flow::Next,
            };
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::End(Ended::ByTwiml)
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

    /// Lets time pass, unless somebody steers the call or it has lasted too long.
    async fn wait(&mut self, time: Duration) -> Flow {
        let until = Instant::now().checked_add(time);
        let until = until.map_or(self.deadline, |until| until.min(self.deadline));
        tokio::select! {
            Some(steer) = self.listed.steered.recv() => steered(steer),
            () = sleep_until(until) => {
                if until == self.deadline { Flow::End(Ended::TooLong) } else { Flow::Next }
            }
        }
    }
}
