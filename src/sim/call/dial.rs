//! What `<Dial>` leads to: legs that ring, answer or do not, as the plan says, and the events that tell of it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::progress::{About, Progress};
use super::{Call, Callback, Ended, Flow, resolve};
use crate::sim::far_end::FarEnd;
use crate::sim::report::Dialled;
use crate::sim::rest::{Listed, Listing};
use crate::sim::sid;
use crate::sim::twiml::Element;

/// How long the far end rings.
const RING: Duration = Duration::from_secs(1);

/// What becomes of everything that is dialled. Whatever it is, the far end rings for at most a second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DialOutcome {
    /// The first one answers, and talks for so long.
    Answered(Duration),
    /// Nobody answers.
    NoAnswer,
    /// It is busy.
    Busy,
    /// It cannot be reached.
    Failed,
}

impl DialOutcome {
    /// Returns what is told of a leg that was never answered, and of the whole, where nothing else ended it before.
    fn unanswered(self) -> &'static str {
        match self {
            // It would have been, later.
            DialOutcome::Answered(_) => "canceled",
            DialOutcome::NoAnswer => "no-answer",
            DialOutcome::Busy => "busy",
            DialOutcome::Failed => "failed",
        }
    }
}

/// One leg of a `<Dial>`.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    pub(super) sid: String,
    /// A number, or `client:` and an identity.
    pub(super) to: String,
    pub(super) progress: Progress,
    parameters: Vec<(String, String)>,
}

impl Leg {
    /// Returns what is reported of it.
    pub(super) fn report(&self, status: &str, caller_id: Option<&str>) -> Dialled {
        Dialled {
            to: self.to.clone(),
            status: status.to_owned(),
            caller_id: caller_id.map(str::to_owned),
            parameters: self.parameters.clone(),
        }
    }
}

/// Reads the legs out of a `<Dial>`, and what is strange in it.
pub(super) fn legs(dial: &Element) -> (Vec<Leg>, Vec<String>) {
    let mut legs = Vec::new();
    let mut strange = Vec::new();
    if !dial.text.is_empty() {
        legs.push(leg(dial, dial.text.clone()));
    }
    for noun in &dial.children {
        match noun.name.as_str() {
            "Number" => legs.push(leg(noun, noun.text.clone())),
            "Client" => {
                let identity = noun.child("Identity");
                let identity = identity.map_or(&noun.text, |inner| &inner.text);
                legs.push(leg(noun, format!("client:{identity}")));
            }
            // Whatever else stands there was told of already.
            _ => {}
        }
    }
    if legs.len() > 10 {
        strange.push("<Dial> calls more than 10 at once".to_owned());
        legs.truncate(10);
    }
    (legs, strange)
}

fn leg(noun: &Element, to: String) -> Leg {
    let events = noun
        .attribute("statusCallbackEvent")
        .unwrap_or("completed")
        .split([' ', ',']);
    let method = noun.attribute("statusCallbackMethod").unwrap_or("POST");
    let callback = noun
        .attribute("statusCallback")
        .map(|url| (url.to_owned(), method.to_owned()));
    Leg {
        sid: sid("CA"),
        to,
        progress: Progress::new(callback, events.map(str::to_owned).collect()),
        parameters: noun.parameters(),
    }
}

impl Call {
    /// Dials, lets the plan's outcome come about, and follows the action.
    pub(super) async fn dial(&mut self, verb: &Element, base: &str) -> Flow {
        if let Some(conference) = verb.child("Conference") {
            return self.conference(verb, conference, base).await;
        }
        let (mut legs, strange) = legs(verb);
        for text in strange {
            self.report.warn(12200, text);
        }
        if legs.is_empty() {
            // A conference or the like is somebody, if nobody that rings here.
            if verb.children.is_empty() {
                self.report.warn(13223, "<Dial> calls nobody");
            }
            return Flow::Next;
        }
        let caller_id = verb.attribute("callerId").unwrap_or(&self.from).to_owned();
        let mut children: Vec<Listed> = legs
            .iter()
            .map(|leg| match &self.rest {
                Some(rest) => rest.join(Listing {
                    sid: &leg.sid,
                    parent: Some(&self.report.call_sid),
                    from: &caller_id,
                    to: &leg.to,
                    direction: "outbound-dial",
                    status: "ringing",
                }),
                None => Listed::nowhere(&leg.sid),
            })
            .collect();
        for event in ["initiated", "ringing"] {
            for leg in &mut legs {
                self.leg_event(leg, base, &caller_id, event, event, None);
            }
        }
        let far_ends: Option<Vec<FarEnd>> = self
            .rest
            .as_ref()
            .and_then(|rest| legs.iter().map(|leg| rest.far_end(&leg.to)).collect());
        if let Some(far_ends) = far_ends {
            return self
                .bridge(verb, base, caller_id, legs, children, far_ends)
                .await;
        }
        let mut answered_at = None;
        let passed = match self.dial {
            DialOutcome::Failed => Ok(false),
            DialOutcome::NoAnswer | DialOutcome::Busy => self.pass(&mut children[0], RING).await,
            DialOutcome::Answered(time) => match self.pass(&mut children[0], RING).await {
                Ok(false) => {
                    answered_at = Some(Instant::now());
                    self.set_status("in-progress");
                    children[0].set("in-progress");
                    let leg = &mut legs[0];
                    self.leg_event(leg, base, &caller_id, "answered", "in-progress", None);
                    self.pass(&mut children[0], time).await
                }
                ended => ended,
            },
        };
        let talked = answered_at.map(|at: Instant| at.elapsed());
        let outcome = match (talked, &passed) {
            (Some(_), _) => "completed",
            (None, Ok(false)) => self.dial.unanswered(),
            // Somebody ended the leg, or the call, while it rang.
            (None, Ok(true) | Err(_)) => "canceled",
        };
        for (index, (leg, child)) in legs.iter_mut().zip(&children).enumerate() {
            // Where one answers, the others stop ringing.
            let is_other = index > 0 && talked.is_some();
            let status = if is_other { "canceled" } else { outcome };
            child.set(status);
            let talked = talked.filter(|_| !is_other).unwrap_or_default();
            self.leg_event(leg, base, &caller_id, "completed", status, Some(talked));
            let shown = verb.attribute("callerId");
            self.report.dialled.push(leg.report(status, shown));
        }
        let over = DialOver {
            status: outcome,
            sid: legs[0].sid.clone(),
            talked,
        };
        self.after_dial(verb, base, &over, passed.map(|_| ())).await
    }

    /// Follows what comes after a `<Dial>`: its action, the next verb, or wherever the call was sent.
    pub(super) async fn after_dial(
        &mut self,
        verb: &Element,
        base: &str,
        over: &DialOver,
        passed: Result<(), Flow>,
    ) -> Flow {
        let action = verb.attribute("action").map(|url| {
            let method = verb.attribute("method").unwrap_or("POST");
            (resolve(base, url), method.to_owned())
        });
        let duration = over.talked.unwrap_or_default().as_secs().to_string();
        let is_bridged = if over.talked.is_some() {
            "true"
        } else {
            "false"
        };
        let extra = [
            ("DialCallStatus", over.status),
            ("DialCallSid", &over.sid),
            ("DialCallDuration", &duration),
            ("DialBridged", is_bridged),
        ];
        let extra: Vec<(String, String)> = extra.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        match passed {
            Err(Flow::End(ended @ (Ended::CallerHungUp | Ended::TooLong))) => {
                self.hung_up(action, &extra).await;
                Flow::End(ended)
            }
            Err(flow) => flow,
            Ok(()) => match action {
                Some((url, method)) => Flow::Fetch { url, method, extra },
                None => Flow::Next,
            },
        }
    }

    /// Lets time pass on a dialled leg; returns whether somebody ended the leg.
    async fn pass(&mut self, child: &mut Listed, time: Duration) -> Result<bool, Flow> {
        let until = Instant::now().checked_add(time);
        let until = until.map_or(self.deadline, |until| until.min(self.deadline));
        tokio::select! {
            Some(steer) = self.listed.steered.recv() => Err(self.steered(steer)),
            Some(_) = child.steered.recv() => Ok(true),
            () = sleep_until(until) => {
                if until == self.deadline { Err(Flow::End(Ended::TooLong)) } else { Ok(false) }
            }
        }
    }

    /// Tells of a leg's event, where somebody asked for it.
    pub(super) fn leg_event(
        &self,
        leg: &mut Leg,
        base: &str,
        caller_id: &str,
        event: &str,
        status: &str,
        talked: Option<Duration>,
    ) {
        let Some((url, method, number)) = leg.progress.next(event) else {
            return;
        };
        let about = About {
            account_sid: &self.account_sid,
            call_sid: &leg.sid,
            parent: Some(&self.report.call_sid),
            from: caller_id,
            to: &leg.to,
            direction: "outbound-dial",
            status,
            talked,
        };
        // The teller lives as long as the call.
        let _ = self.callbacks.send(Callback {
            url: resolve(base, &url),
            method,
            params: about.params(number),
        });
    }
}

/// What came of a `<Dial>`.
pub(super) struct DialOver {
    pub(super) status: &'static str,
    /// The leg that was answered, else the first.
    pub(super) sid: String,
    /// How long they talked; nothing where nobody answered.
    pub(super) talked: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_clients_become_legs_with_the_events_they_ask_for() {
        let document = crate::sim::parse(
            "<Response><Dial><Number statusCallback=\"/s\" statusCallbackEvent=\"initiated answered\">+15005550006</Number>\
             <Client><Identity>kitchen</Identity><Parameter name=\"call\" value=\"7\"/></Client></Dial></Response>",
        )
        .expect("a document");
        let (mut legs, strange) = legs(&document.children[0]);
        assert_eq!(legs[0].to, "+15005550006");
        assert_eq!(
            legs[0].progress.next("initiated"),
            Some(("/s".into(), "POST".into(), 0))
        );
        assert_eq!(legs[0].progress.next("ringing"), None);
        assert_eq!(
            legs[0].progress.next("answered"),
            Some(("/s".into(), "POST".into(), 1))
        );
        assert_eq!(legs[1].to, "client:kitchen");
        assert_eq!(
            legs[1].progress.next("completed"),
            None,
            "nobody is to be told"
        );
        assert_eq!(
            legs[1].report("completed", None).parameters,
            [("call".to_owned(), "7".to_owned())]
        );
        assert_eq!(strange, [""; 0]);
    }

    #[test]
    fn ten_are_called_at_once_and_no_more() {
        let numbers = "<Number>+15005550006</Number>";
        for (count, wrong) in [(10, 0), (11, 1)] {
            let text = format!(
                "<Response><Dial>{}</Dial></Response>",
                numbers.repeat(count)
            );
            let document = crate::sim::parse(&text).expect("a document");
            let (legs, strange) = legs(&document.children[0]);
            assert_eq!((legs.len(), strange.len()), (10, wrong));
        }
    }
}
