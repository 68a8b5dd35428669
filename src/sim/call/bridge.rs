//! `<Dial>` to far ends that are really there: they ring by their plans, the first that answers is heard and hears.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::dial::{DialOver, Leg};
use super::outgoing::Split;
use super::{Call, DialOutcome, Ended, Flow, Room, Rules, Stay, start_telling};
use crate::sim::far_end::{FarEnd, Outcome};
use crate::sim::heard::Heard;
use crate::sim::report::{CallReport, NetworkReport};
use crate::sim::rest::{Listed, Steer};
use crate::sim::script::Caller;
use crate::sim::tones;
use crate::sim::twiml::Element;

/// How often somebody looks whether a leg that rings was ended.
const LOOK: Duration = Duration::from_millis(20);

/// How long a `<Dial>` rings where it does not say.
const RINGS: Duration = Duration::from_secs(30);

/// A leg, what the account knows of it, and who is at its end.
struct Dialling {
    leg: Leg,
    child: Listed,
    far_end: FarEnd,
    /// What became of it, once that is known.
    over: Option<&'static str>,
}

impl Call {
    /// Rings the far ends, lets the first that answers talk, and follows the action.
    pub(super) async fn bridge(
        &mut self,
        verb: &Element,
        base: &str,
        caller_id: String,
        legs: Vec<Leg>,
        children: Vec<Listed>,
        far_ends: Vec<FarEnd>,
    ) -> Flow {
        let shown = verb.attribute("callerId");
        let all = legs.into_iter().zip(children).zip(far_ends);
        let mut dialling: Vec<Dialling> = all
            .map(|((leg, child), far_end)| Dialling {
                leg,
                child,
                far_end,
                over: None,
            })
            .collect();
        let timeout = verb.attribute("timeout").and_then(|s| s.parse().ok());
        let timeout = timeout.map_or(RINGS, Duration::from_secs);
        let rang = self.ring(&mut dialling, base, &caller_id, timeout).await;
        let winner = match rang {
            Ok(winner) => winner,
            Err(_) => None,
        };
        // Where one answers, or the call goes elsewhere, the others stop ringing.
        for (index, one) in dialling.iter_mut().enumerate() {
            if one.over.is_none() && Some(index) != winner {
                self.leg_is_over(one, base, &caller_id, "canceled", Duration::ZERO);
            }
        }
        let Some(index) = winner else {
            let status = dialling.iter().rev().find_map(|one| one.over);
            for one in &dialling {
                let status = one.over.unwrap_or("canceled");
                self.report.dialled.push(one.leg.report(status, shown));
            }
            let over = DialOver {
                status: status.unwrap_or("canceled"),
                sid: dialling[0].leg.sid.clone(),
                talked: None,
            };
            return self.after_dial(verb, base, &over, rang.map(|_| ())).await;
        };
        let answered = Instant::now();
        let one = &mut dialling[index];
        self.set_status("in-progress");
        one.child.set("in-progress");
        self.leg_event(
            &mut one.leg,
            base,
            &caller_id,
            "answered",
            "in-progress",
            None,
        );
        self.report.news(&format!("{} answers", one.leg.to));
        let (passed, moved) = self.talk(verb, one).await;
        let talked = answered.elapsed();
        match moved {
            Some((steer, caller, heard)) => {
                self.split(one, &caller_id, steer, caller, heard, answered);
                // The leg goes on, elsewhere.
                one.over = Some("in-progress");
            }
            None => self.leg_is_over(one, base, &caller_id, "completed", talked),
        }
        for one in &dialling {
            let status = one.over.unwrap_or("canceled");
            self.report.dialled.push(one.leg.report(status, shown));
        }
        let over = DialOver {
            status: "completed",
            sid: dialling[index].leg.sid.clone(),
            talked: Some(talked),
        };
        self.after_dial(verb, base, &over, passed).await
    }

    /// Lets everybody ring; returns who answered, or where the call went meanwhile.
    async fn ring(
        &mut self,
        dialling: &mut [Dialling],
        base: &str,
        caller_id: &str,
        timeout: Duration,
    ) -> Result<Option<usize>, Flow> {
        let began = Instant::now();
        let rings = loop {
            let rang = began.elapsed();
            for (index, one) in dialling.iter_mut().enumerate() {
                if one.over.is_some() {
                    continue;
                }
                if one.child.steered.try_recv().is_ok() {
                    self.leg_is_over(one, base, caller_id, "canceled", Duration::ZERO);
                    continue;
                }
                let is_due = rang >= one.far_end.rings;
                match one.far_end.outcome {
                    Outcome::Answers(_) if is_due && one.far_end.rings < timeout => {
                        self.hear_ringback(began);
                        return Ok(Some(index));
                    }
                    Outcome::Busy if is_due => {
                        self.leg_is_over(one, base, caller_id, "busy", Duration::ZERO);
                    }
                    Outcome::Failed => {
                        self.leg_is_over(one, base, caller_id, "failed", Duration::ZERO);
                    }
                    Outcome::Answers(_) | Outcome::Busy | Outcome::NoAnswer if rang >= timeout => {
                        self.leg_is_over(one, base, caller_id, "no-answer", Duration::ZERO);
                    }
                    Outcome::Answers(_) | Outcome::Busy | Outcome::NoAnswer => {}
                }
            }
            if dialling.iter().all(|one| one.over.is_some()) {
                break Ok(None);
            }
            let flow = self.wait(LOOK).await;
            if !matches!(flow, Flow::Next) {
                break Err(flow);
            }
        };
        self.hear_ringback(began);
        rings
    }

    /// Puts in what somebody hears who was answered already, while others ring. Before that the ringing is not ours.
    fn hear_ringback(&mut self, began: Instant) {
        if self.status == "in-progress" {
            let heard = tones::ringback(began.elapsed());
            self.report.heard.put(began - self.began, &heard);
        }
    }

    /// Notes that a leg is over, and tells of it.
    fn leg_is_over(
        &mut self,
        one: &mut Dialling,
        base: &str,
        caller_id: &str,
        status: &'static str,
        talked: Duration,
    ) {
        one.over = Some(status);
        one.child.set(status);
        let leg = &mut one.leg;
        self.report.news(&format!("{}: {status}", leg.to));
        self.leg_event(leg, base, caller_id, "completed", status, Some(talked));
    }

    /// Lets the call and a far end talk. Where the far end is sent elsewhere it comes back, with what it heard.
    async fn talk(
        &mut self,
        verb: &Element,
        one: &mut Dialling,
    ) -> (Result<(), Flow>, Option<(Steer, Caller, Heard)>) {
        let room = Room::open();
        let came = Instant::now();
        let hangs_up = Rules {
            ends: true,
            ..Rules::default()
        };
        let seats = (
            self.enter(&room, Rules::default()),
            room.join(Caller::new(one.far_end.script()), hangs_up).ok(),
        );
        let (Some(seat), Some(far)) = seats else {
            return (Ok(()), None);
        };
        let limit = verb.attribute("timeLimit").and_then(|s| s.parse().ok());
        let limits = [limit.map(Duration::from_secs), one.far_end.leaves_after];
        let limit = limits.into_iter().flatten().min();
        let leaves_on_star = verb.attribute("hangupOnStar") == Some("true");
        let child = &mut one.child;
        let stay = self
            .stay(&seat, |member| {
                if let Ok(steer) = child.steered.try_recv() {
                    return Some(Some(steer));
                }
                let has_starred = leaves_on_star && member.digits.contains('*');
                let is_late = limit.is_some_and(|limit| came.elapsed() >= limit);
                (has_starred || is_late).then_some(None)
            })
            .await;
        self.come_back(seat);
        let Some((joined, far)) = far.leave() else {
            return (Ok(()), None);
        };
        let mut heard = Heard::default();
        heard.put(joined.saturating_duration_since(came), &far.heard);
        let (passed, moved) = match stay {
            Stay::HungUp => (Err(Flow::End(Ended::CallerHungUp)), None),
            Stay::TooLong => (Err(Flow::End(Ended::TooLong)), None),
            Stay::Steered(steer) => (Err(self.steered(steer)), None),
            // The far end hung up, or the time was up.
            Stay::Over | Stay::Seen(None) => (Ok(()), None),
            Stay::Seen(Some(Steer::Complete | Steer::HangUp)) => (Ok(()), None),
            Stay::Seen(Some(steer @ (Steer::Url { .. } | Steer::Twiml(_)))) => {
                (Ok(()), Some((steer, far.caller, heard.clone())))
            }
        };
        if moved.is_none() {
            self.keep(one, heard, came);
        }
        (passed, moved)
    }

    /// Leaves with the account what a far end heard whose leg is over.
    fn keep(&self, one: &Dialling, mut heard: Heard, came: Instant) {
        heard.pass(came.elapsed());
        if let Some(rest) = &self.rest {
            rest.finished(CallReport {
                call_sid: one.leg.sid.clone(),
                ended: Ended::CallerHungUp,
                duration: came.elapsed(),
                heard,
                tell: rest.teller(&one.leg.sid),
                ..CallReport::default()
            });
        }
    }

    /// Makes a call of its own of a leg that was sent elsewhere.
    fn split(
        &self,
        one: &mut Dialling,
        caller_id: &str,
        steer: Steer,
        caller: Caller,
        heard: Heard,
        answered: Instant,
    ) {
        let Some(rest) = &self.rest else {
            return;
        };
        let (callbacks, teller) = start_telling(&self.poster);
        let far_end = &one.far_end;
        let mut call = Call {
            caller,
            poster: self.poster.clone(),
            listed: std::mem::replace(&mut one.child, Listed::nowhere(&one.leg.sid)),
            callbacks,
            report: CallReport {
                call_sid: one.leg.sid.clone(),
                ended: Ended::Failed,
                tell: rest.teller(&one.leg.sid),
                network: far_end.network.clone().map(NetworkReport::of),
                heard,
                ..CallReport::default()
            },
            status: "in-progress",
            direction: "outbound-dial",
            progress: std::mem::take(&mut one.leg.progress),
            answered: Some(answered),
            began: answered,
            deadline: self.deadline,
            application: None,
            from: caller_id.to_owned(),
            to: one.leg.to.clone(),
            params: vec![("ParentCallSid".to_owned(), self.report.call_sid.clone())],
            account_sid: self.account_sid.clone(),
            asked_before: 0,
            rest: Some(Arc::clone(rest)),
            dial: DialOutcome::NoAnswer,
            misbehaviour: far_end.misbehaviour,
            network: far_end.network.clone().unwrap_or_default(),
        };
        let first = call.steered(steer);
        let split = Split {
            call,
            teller,
            first,
        };
        rest.spawn(split.run(Arc::clone(rest)));
    }
}
