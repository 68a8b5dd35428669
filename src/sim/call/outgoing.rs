//! A call that was asked for over REST: queued, dialled, and once it is answered like any other.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Call, DialOutcome, Ended, Flow, LONGEST, Progress, start_telling};
use crate::sim::far_end::{FarEnd, Outcome};
use crate::sim::report::{CallReport, NetworkReport, Unanswered};
use crate::sim::rest::{First, Listed, Order, Shared, Steer};
use crate::sim::script::Caller;
use crate::sim::webhook::Poster;

/// Makes a call, and leaves what it was like with the account.
pub(in crate::sim) async fn place(
    shared: Arc<Shared>,
    order: Order,
    far_end: FarEnd,
    call_sid: String,
    listed: Listed,
) {
    let mut report = CallReport {
        call_sid: call_sid.clone(),
        ended: Ended::Failed,
        tell: shared.teller(&call_sid),
        network: far_end.network.clone().map(NetworkReport::of),
        ..CallReport::default()
    };
    let lines = shared.lines(order.program());
    let poster = match lines.and_then(|lines| Poster::new(&shared.account.auth_token, lines)) {
        Ok(poster) => poster,
        Err(why) => {
            report.warn(11100, why);
            listed.set("failed");
            shared.finished(report);
            return;
        }
    };
    let (callbacks, teller) = start_telling(&poster);
    let began = Instant::now();
    let mut call = Call {
        caller: Caller::new(far_end.script()),
        poster,
        listed,
        callbacks,
        report,
        status: "queued",
        direction: "outbound-api",
        progress: Progress::new(order.callback, order.events),
        answered: None,
        began,
        deadline: began + LONGEST,
        application: None,
        from: order.from,
        to: order.to,
        params: Vec::new(),
        account_sid: shared.account.account_sid.clone(),
        asked_before: shared.seen().len(),
        rest: Some(Arc::clone(&shared)),
        dial: DialOutcome::NoAnswer,
        misbehaviour: far_end.misbehaviour,
        network: far_end.network.clone().unwrap_or_default(),
    };
    let ended = match call.reach(&far_end, order.timeout).await {
        Some(ended) => ended,
        None => {
            call.deadline = Instant::now() + order.time_limit;
            if let Some(digits) = &order.digits {
                call.report.played.push(format!("digits:{digits}"));
            }
            let leaving = call.leave_after(far_end.leaves_after);
            let first = match order.first {
                First::Twiml(text) => Flow::Document(text),
                First::Url { url, method } => Flow::Fetch {
                    url,
                    method,
                    extra: Vec::new(),
                },
            };
            let ended = call.run(first).await;
            if let Some(leaving) = leaving {
                leaving.abort();
            }
            ended
        }
    };
    shared.finished(call.finish(ended, teller).await);
}

impl Call {
    /// Dials; returns how it ended, unless somebody answered.
    async fn reach(&mut self, far_end: &FarEnd, timeout: Duration) -> Option<Ended> {
        if let Some(ended) = self.dial_tone(far_end.queued).await {
            return Some(ended);
        }
        self.listed.set("ringing");
        self.status = "ringing";
        self.report.news(&format!("dialling {}", self.to));
        self.tell_progress("initiated");
        if matches!(far_end.outcome, Outcome::Failed) {
            return Some(Ended::Unanswered(Unanswered::Failed));
        }
        self.report.news("it rings");
        self.tell_progress("ringing");
        let rings = match far_end.outcome {
            Outcome::NoAnswer => timeout,
            Outcome::Answers(_) | Outcome::Busy | Outcome::Failed => far_end.rings.min(timeout),
        };
        if let Some(ended) = self.dial_tone(rings).await {
            return Some(ended);
        }
        match far_end.outcome {
            Outcome::Busy => Some(Ended::Unanswered(Unanswered::Busy)),
            Outcome::Answers(_) if far_end.rings < timeout => {
                self.set_status("in-progress");
                self.report.news("it is answered");
                self.tell_progress("answered");
                None
            }
            Outcome::Answers(_) | Outcome::NoAnswer | Outcome::Failed => {
                Some(Ended::Unanswered(Unanswered::NoAnswer))
            }
        }
    }

    /// Lets time pass before anybody has answered; returns how it ended, where somebody ended it.
    async fn dial_tone(&mut self, time: Duration) -> Option<Ended> {
        tokio::select! {
            // Before a call is answered it can be ended, and nothing else.
            Some(_) = self.listed.steered.recv() => Some(Ended::ByRest),
            () = tokio::time::sleep(time) => None,
        }
    }

    /// Has the far end hang up after a time.
    pub(super) fn leave_after(&self, time: Option<Duration>) -> Option<JoinHandle<()>> {
        let steer = self.listed.steer.clone();
        time.map(|time| {
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                // A call that is over already has nobody left to hang up.
                let _ = steer.send(Steer::HangUp);
            })
        })
    }
}

/// A leg of a `<Dial>` that was redirected over REST: from now on a call of its own.
pub(super) struct Split {
    pub(super) call: Call,
    pub(super) teller: JoinHandle<Vec<String>>,
    pub(super) first: Flow,
}

impl Split {
    /// Follows its document, and leaves what it was like with the account. Boxed, since such a call may dial, and be split,
    /// again.
    pub(super) fn run(mut self, shared: Arc<Shared>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let ended = self.call.run(self.first).await;
            shared.finished(self.call.finish(ended, self.teller).await);
        })
    }
}
