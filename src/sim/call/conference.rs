//! `<Dial><Conference>`: who waits, who is heard, how late, and what ends it.

use std::time::Duration;

use tokio::time::Instant;

use super::dial::DialOver;
use super::{Call, Ended, Flow, Room, Rules, Stay};
use crate::sim::twiml::Element;

/// The most that the carrier lets into one conference.
const MOST: usize = 250;

impl Call {
    /// Takes part in a conference until it is over for this call.
    pub(super) async fn conference(
        &mut self,
        verb: &Element,
        conference: &Element,
        base: &str,
    ) -> Flow {
        let name = conference.text.as_str();
        if name.is_empty() {
            self.report.warn(13223, "<Conference> has no name");
            return Flow::Next;
        }
        for attribute in ["coach", "record", "statusCallback", "eventCallbackUrl"] {
            let has = conference.attribute(attribute);
            if has.is_some_and(|value| value != "do-not-record") {
                self.report.pass_over(format!("<Conference {attribute}>"));
            }
        }
        let most = conference.attribute("maxParticipants");
        let most = most.and_then(|most| most.parse().ok()).unwrap_or(MOST);
        let most = if (2..=MOST).contains(&most) {
            most
        } else {
            let wrong = format!("<Conference> has a maxParticipants that is not from 2 to {MOST}");
            self.report.warn(12200, wrong);
            MOST
        };
        let rules = self.rules(conference);
        let limit = verb.attribute("timeLimit").and_then(|s| s.parse().ok());
        let until = limit.map(|limit| Instant::now() + Duration::from_secs(limit));
        let room = match &self.rest {
            Some(rest) => rest.conference(name, most),
            // Without an account nobody else can be there.
            None => Room::conference(most),
        };
        let Some(seat) = self.enter(&room, rules) else {
            self.report.news(&format!("the conference {name} is full"));
            let over = DialOver {
                status: "failed",
                sid: String::new(),
                talked: None,
            };
            return self.after_dial(verb, base, &over, Ok(())).await;
        };
        self.report
            .news(&format!("it enters the conference {name}"));
        let came = Instant::now();
        let leaves_on_star = verb.attribute("hangupOnStar") == Some("true");
        let stay = self
            .stay(&seat, |member| {
                let has_starred = leaves_on_star && member.digits.contains('*');
                let is_late = until.is_some_and(|until| Instant::now() >= until);
                (has_starred || is_late).then_some(())
            })
            .await;
        self.come_back(seat);
        self.report
            .news(&format!("it leaves the conference {name}"));
        let passed = match stay {
            Stay::HungUp => Err(Flow::End(Ended::CallerHungUp)),
            Stay::TooLong => Err(Flow::End(Ended::TooLong)),
            Stay::Steered(steer) => Err(self.steered(steer)),
            Stay::Over | Stay::Seen(()) => Ok(()),
        };
        let over = DialOver {
            status: "answered",
            sid: String::new(),
            talked: Some(came.elapsed()),
        };
        self.after_dial(verb, base, &over, passed).await
    }

    /// Reads how this call takes part.
    fn rules(&mut self, conference: &Element) -> Rules {
        let is = |name: &str, usual: bool| match conference.attribute(name) {
            Some("true") => true,
            Some("false") => false,
            Some(_) | None => usual,
        };
        let beeps = match conference.attribute("beep") {
            Some("false") => [false, false],
            Some("onEnter") => [true, false],
            Some("onExit") => [false, true],
            Some(_) | None => [true, true],
        };
        // What each size adds at least, as documented.
        let later = match conference.attribute("jitterBufferSize") {
            Some("off") => 0,
            Some("small") => 150,
            Some("medium") => 200,
            Some("large") | None => 300,
            Some(other) => {
                let other = other.escape_debug();
                let wrong = format!("<Conference> has the jitterBufferSize `{other}`");
                self.report.warn(12200, wrong);
                300
            }
        };
        let wait = conference.attribute("waitUrl");
        if let Some(url) = wait.filter(|url| !url.is_empty()) {
            let what = format!("<Conference waitUrl> {url}");
            self.report.pass_over(what);
        }
        Rules {
            muted: is("muted", false),
            waits: !is("startConferenceOnEnter", true),
            ends: is("endConferenceOnExit", false),
            beeps,
            with_music: wait.is_none(),
            later: Duration::from_millis(later),
        }
    }
}
