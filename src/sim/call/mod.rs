//! One simulated call: posts the webhook, carries out the TwiML, and follows it until somebody hangs up.

mod bridge;
mod conference;
mod connect;
mod dial;
mod keys;
mod known;
mod outgoing;
mod progress;
mod verbs;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::far_end::FarEnd;
use super::fault::Misbehaviour;
use super::lines::Lines;
use super::network::Network;
use super::report::{CallReport, Ended, NetworkReport, Tell};
use super::rest::{Listed, Listing, Rest, Shared, Steer};
use super::room::{Member, Room, Rules, Seat};
use super::script::{Caller, Step};
use super::twiml;
use super::webhook::{LIMIT, NoAnswer, Poster, resolve};
use super::{Account, sid};
pub use dial::DialOutcome;
pub(super) use outgoing::place;
use progress::Progress;

/// Documents of one call; more of them go round in a circle.
const MOST_DOCUMENTS: usize = 50;

/// The longest that any call lasts, whatever its plan says: the carrier's own limit.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What a call is to be like.
#[derive(Debug)]
pub struct CallPlan<'a> {
    /// Where the server's webhook really is.
    pub webhook: String,
    /// The origin that is signed, and under which everything is dialled at the webhook's host and port; without one the
    /// webhook's own.
    pub origin: Option<String>,
    /// Who calls: a number, or `client:` and an identity.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// `CA…`
    pub call_sid: String,
    /// Further parameters of every webhook of this call.
    pub params: Vec<(String, String)>,
    /// Whose call it is, and whose token signs.
    pub account: Account,
    /// By which REST API it can be steered.
    pub rest: Option<&'a Rest>,
    /// What the caller does while a stream is up.
    pub script: Vec<Step>,
    /// What becomes of every `<Dial>`.
    pub dial: DialOutcome,
    /// What the carrier does wrong: once, on the first stream or webhook.
    pub misbehaviour: Option<Misbehaviour>,
    /// The network between the carrier and the server's streams; nothing for none worth telling of.
    pub network: Option<Network>,
    /// The longest that the call may last; then the caller hangs up. Ending it takes up to ten seconds more.
    pub most: Duration,
    /// When this is used, the caller hangs up; dropping it means nothing.
    pub hang_up: Option<oneshot::Receiver<()>>,
    /// The longest that a webhook may take.
    pub patience: Duration,
    /// Who is told of webhooks, streams and warnings as they happen.
    pub tell: Option<fn(&str)>,
}

impl<'a> CallPlan<'a> {
    /// Plans a call in which the caller listens for two seconds.
    #[must_use]
    pub fn new(webhook: impl Into<String>, account: Account) -> CallPlan<'a> {
        CallPlan {
            webhook: webhook.into(),
            origin: None,
            from: "+15005550010".to_owned(),
            to: "+15005550006".to_owned(),
            call_sid: sid("CA"),
            params: Vec::new(),
            account,
            rest: None,
            script: vec![Step::Listen(Duration::from_secs(2))],
            dial: DialOutcome::NoAnswer,
            misbehaviour: None,
            network: None,
            most: Duration::from_secs(60),
            hang_up: None,
            patience: LIMIT,
            tell: None,
        }
    }

    /// Has a far end call: with its script, its network and its fault, until it leaves. One that would not answer if it
    /// were called hangs up at once.
    #[must_use]
    pub fn by(mut self, caller: &FarEnd) -> CallPlan<'a> {
        self.script = caller.script();
        self.network.clone_from(&caller.network);
        self.misbehaviour = caller.misbehaviour;
        self.most = caller.leaves_after.unwrap_or(LONGEST);
        self
    }
}

/// Makes a call, and returns what it was like. Nothing that the server does keeps it from returning in time.
pub async fn call(plan: CallPlan<'_>) -> CallReport {
    let began = Instant::now();
    let (to, params) = called(&plan);
    let rest = plan.rest.map(|rest| Arc::clone(rest.shared()));
    let tell = match (plan.tell, &rest) {
        (Some(tell), _) => Tell::new(tell),
        // Whoever listens to the account hears of it.
        (None, Some(rest)) => rest.teller(&plan.call_sid),
        (None, None) => Tell::default(),
    };
    let mut report = CallReport {
        call_sid: plan.call_sid.clone(),
        ended: Ended::Failed,
        tell,
        network: plan.network.clone().map(NetworkReport::of),
        ..CallReport::default()
    };
    let poster = Lines::new(&plan.webhook, plan.origin.as_deref())
        .and_then(|lines| Poster::new(&plan.account.auth_token, lines));
    let poster = match poster {
        Ok(poster) => poster.with_limit(plan.patience),
        Err(why) => {
            report.warn(11100, why);
            return report;
        }
    };
    let listed = match &rest {
        Some(rest) => rest.join(Listing {
            sid: &plan.call_sid,
            parent: None,
            from: &plan.from,
            to: &to,
            direction: "inbound",
            status: "ringing",
        }),
        None => Listed::nowhere(&plan.call_sid),
    };
    let hanging_up = plan.hang_up.map(|hang_up| {
        let steer = listed.steer.clone();
        tokio::spawn(async move {
            if hang_up.await.is_ok() {
                // A call that is over already has nobody left to hang up.
                let _ = steer.send(Steer::HangUp);
            }
        })
    });
    let asked_before = plan.rest.map_or(0, |rest| rest.seen().len());
    let (callbacks, teller) = start_telling(&poster);
    let mut call = Call {
        caller: Caller::new(plan.script),
        poster,
        listed,
        callbacks,
        report,
        status: "ringing",
        direction: "inbound",
        progress: Progress::default(),
        answered: None,
        began,
        deadline: began + plan.most.min(LONGEST),
        application: plan.from.starts_with("client:").then(|| sid("AP")),
        from: plan.from,
        to,
        params,
        account_sid: plan.account.account_sid,
        rest,
        dial: plan.dial,
        misbehaviour: plan.misbehaviour,
        network: plan.network.unwrap_or_default(),
        asked_before,
    };
    let first = Flow::Fetch {
        url: call.poster.lines().public(),
        method: "POST".to_owned(),
        extra: Vec::new(),
    };
    let ended = call.run(first).await;
    if let Some(waiting) = hanging_up {
        waiting.abort();
    }
    let report = call.finish(ended, teller).await;
    report.news(&report.ended.to_string());
    report
}

/// Returns who is called, and the further parameters: a client that sends a parameter `To` says itself who is called.
fn called(plan: &CallPlan<'_>) -> (String, Vec<(String, String)>) {
    let mut params = plan.params.clone();
    let own = |param: &(String, String)| plan.from.starts_with("client:") && param.0 == "To";
    let to = params
        .iter()
        .position(own)
        .map(|index| params.remove(index).1);
    (to.unwrap_or_else(|| plan.to.clone()), params)
}

/// A request that tells of something; whatever is answered is not carried out.
struct Callback {
    url: String,
    method: String,
    params: Vec<(String, String)>,
}

/// Starts a task that tells of events for as long as there is somebody who may have more.
fn start_telling(poster: &Poster) -> (mpsc::UnboundedSender<Callback>, JoinHandle<Vec<String>>) {
    let (callbacks, waiting) = mpsc::unbounded_channel();
    (callbacks, tokio::spawn(tell(poster.clone(), waiting)))
}

/// Tells of events, one after the other, and returns what went wrong.
async fn tell(poster: Poster, mut waiting: mpsc::UnboundedReceiver<Callback>) -> Vec<String> {
    let mut wrong = Vec::new();
    while let Some(Callback {
        url,
        method,
        params,
    }) = waiting.recv().await
    {
        match poster.ask(&url, &method, &params).await {
            Ok(answer) if answer.status < 300 => {}
            Ok(answer) => wrong.push(format!("the callback {url} answered {}", answer.status)),
            Err(NoAnswer { text, .. }) => wrong.push(format!("the callback failed: {text}")),
        }
    }
    wrong
}

/// What comes after a verb.
enum Flow {
    /// The next verb.
    Next,
    /// The document at an address.
    Fetch {
        url: String,
        method: String,
        extra: Vec<(String, String)>,
    },
    /// A document that is here already.
    Document(String),
    /// Nothing.
    End(Ended),
}

/// How somebody's time in a room ended.
enum Stay<T> {
    /// He hung up.
    HungUp,
    /// Somebody steered the call elsewhere.
    Steered(Steer),
    /// The call has lasted too long.
    TooLong,
    /// The room is over.
    Over,
    /// Whatever was waited for has come.
    Seen(T),
}

/// A call that runs.
struct Call {
    caller: Caller,
    poster: Poster,
    listed: Listed,
    callbacks: mpsc::UnboundedSender<Callback>,
    report: CallReport,
    status: &'static str,
    direction: &'static str,
    /// Who is told how a call goes that goes out.
    progress: Progress,
    answered: Option<Instant>,
    began: Instant,
    deadline: Instant,
    /// The TwiML app that a client calls through.
    application: Option<String>,
    from: String,
    to: String,
    params: Vec<(String, String)>,
    account_sid: String,
    rest: Option<Arc<Shared>>,
    dial: DialOutcome,
    misbehaviour: Option<Misbehaviour>,
    network: Network,
    /// How many requests the REST API had seen before this call.
    asked_before: usize,
}

impl Call {
    /// Follows documents from one to the next.
    async fn run(&mut self, mut flow: Flow) -> Ended {
        let mut base = self.poster.lines().public();
        for _ in 0..MOST_DOCUMENTS {
            let text = match flow {
                Flow::End(ended) => return ended,
                Flow::Next => return Ended::ByTwiml,
                Flow::Document(text) => text,
                Flow::Fetch { url, method, extra } => {
                    let url = resolve(&base, &url);
                    let Some((text, from)) = self.document(&url, &method, &extra).await else {
                        return Ended::Failed;
                    };
                    base = from;
                    text
                }
            };
            if Instant::now() >= self.deadline {
                return Ended::TooLong;
            }
            self.report.documents.push(text.clone());
            flow = match twiml::parse(&text) {
                Ok(response) => self.carry_out(&response, &base).await,
                Err(why) => {
                    self.report.warn(12100, format!("the document {why}"));
                    return Ended::Failed;
                }
            };
        }
        self.report.warn(
            11200,
            "the documents go round in a circle: 50 of them in one call",
        );
        Ended::Failed
    }

    /// Ends everything and waits for the callbacks.
    async fn finish(mut self, ended: Ended, mut teller: JoinHandle<Vec<String>>) -> CallReport {
        self.note_what_rest_saw();
        let was_queued = self.status == "queued";
        self.set_status(match ended {
            Ended::Unanswered(why) => why.status(),
            // Whoever ends a call over REST before it is answered cancels it, in either word.
            Ended::ByRest
            | Ended::CallerHungUp
            | Ended::TooLong
            | Ended::ByTwiml
            | Ended::Failed
                if self.direction == "outbound-api" && self.answered.is_none() =>
            {
                "canceled"
            }
            Ended::Rejected(ref reason) if reason == "busy" => "busy",
            Ended::Rejected(_) => "no-answer",
            Ended::Failed if self.status == "ringing" => "failed",
            Ended::CallerHungUp
            | Ended::ByTwiml
            | Ended::ByRest
            | Ended::TooLong
            | Ended::Failed => "completed",
        });
        // As documented, a call that is canceled while it is queued is told of to nobody.
        if !was_queued {
            self.tell_progress("completed");
        }
        self.report.heard.pass(self.began.elapsed());
        let Call {
            callbacks,
            mut report,
            began,
            ..
        } = self;
        report.duration = began.elapsed();
        report.ended = ended;
        drop(callbacks);
        match timeout(LIMIT, &mut teller).await {
            Ok(Ok(wrong)) => {
                for text in wrong {
                    report.warn(15003, text);
                }
            }
            Ok(Err(_)) | Err(_) => {
                teller.abort();
                report.warn(15003, "the callbacks were not all answered within 15 s");
            }
        }
        report
    }

    /// Takes what was asked over REST into the report; what was refused there is a complaint.
    fn note_what_rest_saw(&mut self) {
        let Some(rest) = &self.rest else {
            return;
        };
        for request in rest.seen().into_iter().skip(self.asked_before) {
            // Who comes in has the program to himself; of many that go out each has what is about it.
            let is_mine =
                self.direction == "inbound" || request.what.contains(&self.report.call_sid);
            if !is_mine {
                continue;
            }
            if let Some((code, why)) = &request.refused {
                let text = format!("the REST request {} was refused: {why}", request.what);
                self.report.warn(*code, text);
            }
            self.report.rest.push(request);
        }
    }

    fn set_status(&mut self, status: &'static str) {
        if status == "in-progress" {
            self.answered = self.answered.or_else(|| Some(Instant::now()));
        }
        self.status = status;
        self.listed.set(status);
    }

    /// Goes where somebody steered the call.
    fn steered(&mut self, steer: Steer) -> Flow {
        match steer {
            Steer::Complete => Flow::End(Ended::ByRest),
            Steer::HangUp => Flow::End(Ended::CallerHungUp),
            Steer::Twiml(text) => {
                self.note_move("to a document that came along");
                Flow::Document(text)
            }
            Steer::Url { url, method } => {
                self.note_move(&format!("to {url}"));
                Flow::Fetch {
                    url,
                    method,
                    extra: Vec::new(),
                }
            }
        }
    }

    fn note_move(&mut self, whereto: &str) {
        self.report.heard.note_move(self.began.elapsed());
        self.report.news(&format!("it is redirected {whereto}"));
    }

    /// Takes the caller into a room.
    fn enter(&mut self, room: &Arc<Room>, rules: Rules) -> Option<Seat> {
        match room.join(std::mem::take(&mut self.caller), rules) {
            Ok(seat) => Some(seat),
            Err(caller) => {
                self.caller = caller;
                None
            }
        }
    }

    /// Stays in a room until `look` has seen what it waits for, somebody ends or steers the call, or the room is over.
    async fn stay<T>(
        &mut self,
        seat: &Seat,
        mut look: impl FnMut(&mut Member) -> Option<T>,
    ) -> Stay<T> {
        loop {
            tokio::select! {
                biased;
                Some(steer) = self.listed.steered.recv() => return match steer {
                    Steer::HangUp => Stay::HungUp,
                    Steer::Complete | Steer::Url { .. } | Steer::Twiml(_) => Stay::Steered(steer),
                },
                () = sleep_until(seat.room.next_frame().min(self.deadline)) => {}
            }
            if Instant::now() >= self.deadline {
                return Stay::TooLong;
            }
            let seen = seat.look(|member| match look(member) {
                Some(seen) => Some(Stay::Seen(seen)),
                None => member.has_hung_up.then_some(Stay::HungUp),
            });
            if let Some(Some(stay)) = seen {
                return stay;
            }
            if seat.room.is_over() {
                return Stay::Over;
            }
        }
    }

    /// Brings the caller back from a room, and returns what he said there.
    fn come_back(&mut self, seat: Seat) -> Vec<i16> {
        let Some((joined, member)) = seat.leave() else {
            return Vec::new();
        };
        self.caller = member.caller;
        self.report.heard.put(joined - self.began, &member.heard);
        member.said
    }

    /// Has the caller hang up while the call is elsewhere: the action hears of it, and what it answers has no call left to
    /// be carried out on.
    async fn hung_up(&mut self, action: Option<(String, String)>, extra: &[(String, String)]) {
        self.set_status("completed");
        if let Some((url, method)) = action {
            let _ = self.document(&url, &method, extra).await;
        }
    }

    /// Returns the parameters that every webhook of this call has.
    fn usual(&self) -> Vec<(String, String)> {
        let mut params: Vec<(String, String)> = [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &self.report.call_sid),
            ("CallStatus", self.status),
            ("Called", &self.to),
            ("Caller", &self.from),
            ("Direction", self.direction),
            ("From", &self.from),
            ("To", &self.to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        params.extend(
            self.application
                .iter()
                .map(|sid| ("ApplicationSid".to_owned(), sid.clone())),
        );
        params.extend(self.params.iter().cloned());
        params
    }

    /// Fetches a document, and returns it with the address that it came from in the end; what is wrong with the answer
    /// becomes a warning.
    async fn document(
        &mut self,
        url: &str,
        method: &str,
        extra: &[(String, String)],
    ) -> Option<(String, String)> {
        let mut params = self.usual();
        params.extend_from_slice(extra);
        let mut answer = self.poster.follow(url, method, &params).await;
        if self.misbehaviour == Some(Misbehaviour::WebhookTwice) {
            self.misbehaviour = None;
            let again = self.poster.follow(url, method, &params).await;
            self.report.notes.push(
                if answer == again {
                    "the webhook was answered alike both times"
                } else {
                    "the webhook was answered differently the second time"
                }
                .to_owned(),
            );
            answer = again;
        }
        let (answer, from) = match answer {
            Ok(answered) => answered,
            Err(NoAnswer { code, text }) => {
                self.report.warn(code, text);
                return None;
            }
        };
        self.report
            .news(&format!("{method} {url}: {}", answer.status));
        if answer.status >= 300 {
            let meant = match answer.status {
                403 => "; does it know this token, and the origin that was signed?",
                404 => "; is the path right?",
                _ => "",
            };
            let said = first_line(&answer.body);
            self.report.warn(
                11200,
                format!("{from} answered {}{said}{meant}", answer.status),
            );
            return None;
        }
        let kind = answer.content_type.as_str();
        if !matches!(kind, "text/xml" | "application/xml" | "text/html") {
            self.report.warn(
                12300,
                format!("{from} answered with the content type `{kind}`, which is no TwiML's"),
            );
            return None;
        }
        Some((answer.body, from))
    }
}

/// Quotes the first line of what a server said with a bad status, if it said anything: at most 120 characters.
fn first_line(body: &str) -> String {
    const MOST: usize = 120;
    let Some(line) = body.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return String::new();
    };
    let short: String = line.chars().take(MOST).collect();
    let more = if line.chars().count() > MOST {
        "…"
    } else {
        ""
    };
    format!(" (`{}{more}`)", short.escape_debug())
}
