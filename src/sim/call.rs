//! One simulated call: posts the webhook, carries out the TwiML, and follows it until somebody hangs up.

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::date::{iso8601, rfc2822};
use super::dial::{self, DialOutcome, Leg};
use super::fault::Misbehaviour;
use super::lines::Lines;
use super::media::{self, Opening, StreamEnd};
use super::report::{CallReport, Ended};
use super::rest::{Listed, Listing, Rest, Steer};
use super::script::{Caller, Step};
use super::twiml::{self, Element};
use super::webhook::{LIMIT, NoAnswer, Poster};
use super::words::Speech;
use super::{Account, sid};

/// Documents of one call; more of them go round in a circle.
const MOST_DOCUMENTS: usize = 50;

/// The longest that spoken text takes here, whatever it would take in truth.
const LONGEST_SPEECH: Duration = Duration::from_secs(2);

/// How long the far end of a `<Dial>` rings.
const RING: Duration = Duration::from_secs(1);

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
    /// The longest that the call may last; ending it takes up to ten seconds more.
    pub most: Duration,
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
            most: Duration::from_secs(60),
        }
    }
}

/// Makes a call, and returns what it was like. Nothing that the server does keeps it from returning in time.
pub async fn call(plan: CallPlan<'_>) -> CallReport {
    let began = Instant::now();
    let mut report = CallReport {
        call_sid: plan.call_sid.clone(),
        ended: Ended::Failed,
        ..CallReport::default()
    };
    let poster = Lines::new(&plan.webhook, plan.origin.as_deref())
        .and_then(|lines| Poster::new(&plan.account.auth_token, lines));
    let poster = match poster {
        Ok(poster) => poster,
        Err(why) => {
            report.warn(11100, why);
            return report;
        }
    };
    let listed = match plan.rest {
        Some(rest) => rest.join(Listing {
            sid: &plan.call_sid,
            parent: None,
            from: &plan.from,
            to: &plan.to,
            direction: "inbound",
        }),
        None => Listed::nowhere(&plan.call_sid),
    };
    let (callbacks, waiting) = mpsc::unbounded_channel();
    let teller = tokio::spawn(tell(poster.clone(), waiting));
    let mut call = Call {
        caller: Caller::new(plan.script),
        poster,
        listed,
        callbacks,
        report,
        status: "ringing",
        began,
        deadline: began + plan.most,
        from: plan.from,
        to: plan.to,
        params: plan.params,
        account_sid: plan.account.account_sid,
        rest: plan.rest,
        dial: plan.dial,
        misbehaviour: plan.misbehaviour,
    };
    let ended = call.run().await;
    call.finish(ended, teller).await
}

/// A request that tells of something; whatever is answered is not carried out.
struct Callback {
    url: String,
    method: String,
    params: Vec<(String, String)>,
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

/// A call that runs.
struct Call<'a> {
    caller: Caller,
    poster: Poster,
    listed: Listed,
    callbacks: mpsc::UnboundedSender<Callback>,
    report: CallReport,
    status: &'static str,
    began: Instant,
    deadline: Instant,
    from: String,
    to: String,
    params: Vec<(String, String)>,
    account_sid: String,
    rest: Option<&'a Rest>,
    dial: DialOutcome,
    misbehaviour: Option<Misbehaviour>,
}

impl Call<'_> {
    async fn run(&mut self) -> Ended {
        let mut base = self.poster.lines().public();
        let mut flow = Flow::Fetch {
            url: base.clone(),
            method: "POST".to_owned(),
            extra: Vec::new(),
        };
        for _ in 0..MOST_DOCUMENTS {
            let text = match flow {
                Flow::End(ended) => return ended,
                Flow::Next => return Ended::ByTwiml,
                Flow::Document(text) => text,
                Flow::Fetch { url, method, extra } => {
                    base = resolve(&base, &url);
                    let Some(text) = self.document(&base, &method, &extra).await else {
                        return Ended::Failed;
                    };
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
        self.set_status(match ended {
            Ended::Rejected(ref reason) if reason == "busy" => "busy",
            Ended::Rejected(_) => "no-answer",
            Ended::Failed if self.status == "ringing" => "failed",
            Ended::CallerHungUp
            | Ended::ByTwiml
            | Ended::ByRest
            | Ended::TooLong
            | Ended::Failed => "completed",
        });
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

    fn set_status(&mut self, status: &'static str) {
        self.status = status;
        self.listed.set(status);
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
            ("Direction", "inbound"),
            ("From", &self.from),
            ("To", &self.to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        params.extend(self.params.iter().cloned());
        params
    }

    /// Fetches a document; what is wrong with the answer becomes a warning.
    async fn document(
        &mut self,
        url: &str,
        method: &str,
        extra: &[(String, String)],
    ) -> Option<String> {
        let mut params = self.usual();
        params.extend_from_slice(extra);
        let mut answer = self.poster.ask(url, method, &params).await;
        if self.misbehaviour == Some(Misbehaviour::WebhookTwice) {
            self.misbehaviour = None;
            let again = self.poster.ask(url, method, &params).await;
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
        let answer = match answer {
            Ok(answer) => answer,
            Err(NoAnswer { code, text }) => {
                self.report.warn(code, text);
                return None;
            }
        };
        if answer.status >= 300 {
            let meant = match answer.status {
                403 => "; does it know this token, and the origin that was signed?",
                404 => "; is the path right?",
                _ => "",
            };
            self.report
                .warn(11200, format!("{url} answered {}{meant}", answer.status));
            return None;
        }
        let kind = answer.content_type.as_str();
        if !matches!(kind, "text/xml" | "application/xml" | "text/html") {
            self.report.warn(
                12300,
                format!("{url} answered with the content type `{kind}`, which is no TwiML's"),
            );
            return None;
        }
        Some(answer.body)
    }

    /// Carries a document out, until a verb leads elsewhere.
    async fn carry_out(&mut self, response: &Element, base: &str) -> Flow {
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
            let flow = match verb.name.as_str() {
                "Connect" => self.connect(verb, base).await,
                "Dial" => self.dial(verb, base).await,
                "Say" => self.say(verb).await,
                "Pause" => {
                    let seconds = verb.attribute("length").and_then(|text| text.parse().ok());
                    self.wait(Duration::from_secs(seconds.unwrap_or(1))).await
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
                other => {
                    self.report
                        .warn(12200, format!("<{other}> is no verb that is simulated"));
                    Flow::Next
                }
            };
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::End(Ended::ByTwiml)
    }

    /// Notes what is spoken, and takes about as long, but not for ever.
    async fn say(&mut self, verb: &Element) -> Flow {
        let length = verb.text.chars().count();
        if length > 4096 {
            self.report
                .warn(12200, "<Say> has more than 4096 characters");
        }
        self.report.said.push(verb.text.clone());
        // People speak about 15 characters a second.
        let time = Duration::from_millis(1_000 * length as u64 / 15);
        self.wait(time.min(LONGEST_SPEECH)).await
    }

    /// Lets time pass, unless somebody steers the call or it has lasted too long.
    async fn wait(&mut self, time: Duration) -> Flow {
        let until = (Instant::now() + time).min(self.deadline);
        tokio::select! {
            Some(steer) = self.listed.steered.recv() => steered(steer),
            () = sleep_until(until) => {
                if until == self.deadline { Flow::End(Ended::TooLong) } else { Flow::Next }
            }
        }
    }

    /// Connects a stream, and follows the action afterwards.
    async fn connect(&mut self, verb: &Element, base: &str) -> Flow {
        let Some(stream) = verb.child("Stream") else {
            self.report
                .warn(12200, "<Connect> without <Stream> is not simulated");
            return Flow::Next;
        };
        let stream_sid = sid("MZ");
        let (end, error) = match self.opening(stream, &stream_sid) {
            Err((code, text)) => {
                self.report.warn(code, text.clone());
                (StreamEnd::Refused, Some(text))
            }
            Ok(opening) => {
                let started = self.stream_event(stream, &stream_sid, "stream-started", None);
                let callbacks = self.callbacks.clone();
                let before = self.report.warnings.len();
                let end = media::run(
                    opening,
                    &mut self.caller,
                    &mut self.listed.steered,
                    &mut self.report,
                    || {
                        if let Some(started) = started {
                            // The teller lives as long as the call.
                            let _ = callbacks.send(started);
                        }
                    },
                )
                .await;
                let refused = matches!(end, StreamEnd::Refused);
                let error = self.report.warnings.get(before).filter(|_| refused);
                let error = error.map(|warning| warning.to_string());
                (end, error)
            }
        };
        self.misbehaviour = None;
        let event = match error {
            Some(_) => "stream-error",
            None => "stream-stopped",
        };
        if let Some(told) = self.stream_event(stream, &stream_sid, event, error) {
            let _ = self.callbacks.send(told);
        }
        let action = verb.attribute("action").map(|url| resolve(base, url));
        let method = verb.attribute("method").unwrap_or("POST").to_owned();
        match end {
            StreamEnd::Steered(steer) => steered(steer),
            StreamEnd::TooLong => Flow::End(Ended::TooLong),
            StreamEnd::HungUp => {
                self.set_status("completed");
                if let Some(url) = action {
                    // The server hears of it; what it answers has no call left to be carried out on.
                    let _ = self.document(&url, &method, &[]).await;
                }
                Flow::End(Ended::CallerHungUp)
            }
            StreamEnd::Closed | StreamEnd::Refused => match action {
                Some(url) => Flow::Fetch {
                    url,
                    method,
                    extra: Vec::new(),
                },
                None => Flow::Next,
            },
        }
    }

    /// Checks a `<Stream>` as the carrier does, and prepares what opening it takes.
    fn opening(&mut self, stream: &Element, stream_sid: &str) -> Result<Opening, (u32, String)> {
        let public = stream.attribute("url").unwrap_or_default().to_owned();
        let mut url = Url::parse(&public)
            .ok()
            .filter(|_| !public.contains(char::is_whitespace))
            .ok_or_else(|| {
                (
                    31923,
                    format!("the stream's address `{public}` is malformed"),
                )
            })?;
        let lines = self.poster.lines();
        let on_this_machine = lines.is_plain() && lines.is_ours(&url);
        match url.scheme() {
            "wss" => {}
            "ws" if on_this_machine => {}
            other => {
                let text = format!("the stream's address begins with {other}, where wss should be");
                return Err((31922, text));
            }
        }
        let mut shown = public.clone();
        if url.query().is_some() {
            url.set_query(None);
            shown = url.as_str().to_owned();
            self.report.warn(
                31920,
                "the stream's address has a query, which the carrier drops",
            );
        }
        if stream
            .attribute("track")
            .is_some_and(|track| track != "inbound_track")
        {
            let text = "a stream inside <Connect> has the inbound track only".to_owned();
            return Err((31941, text));
        }
        let nouns = stream.children.iter().filter(|c| c.name == "Parameter");
        let parameters: Vec<_> = nouns.filter_map(dial::parameter).collect();
        if let Some((name, _)) = parameters
            .iter()
            .find(|(name, value)| name.len() + value.len() >= 500)
        {
            self.report.warn(
                12200,
                format!("the parameter `{name}` has 500 characters or more"),
            );
        }
        Ok(Opening {
            dialled: self.poster.lines().dialled(&shown),
            signature: self.poster.signature(&shown, &[]),
            public: shown,
            parameters,
            speech: Speech::new(&self.account_sid, &self.report.call_sid, stream_sid),
            misbehaviour: self.misbehaviour,
            began: self.began,
            deadline: self.deadline,
        })
    }

    /// Makes the callback that tells of a stream; nothing where nobody asked for it.
    fn stream_event(
        &self,
        stream: &Element,
        stream_sid: &str,
        event: &str,
        error: Option<String>,
    ) -> Option<Callback> {
        let url = stream.attribute("statusCallback")?.to_owned();
        let method = stream.attribute("statusCallbackMethod").unwrap_or("POST");
        let mut params: Vec<(String, String)> = [
            ("AccountSid", self.account_sid.as_str()),
            ("CallSid", &self.report.call_sid),
            ("StreamSid", stream_sid),
            ("StreamName", stream.attribute("name").unwrap_or(stream_sid)),
            ("StreamEvent", event),
            ("Timestamp", &iso8601(SystemTime::now())),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        params.extend(error.map(|error| ("StreamError".to_owned(), error)));
        Some(Callback {
            url,
            method: method.to_owned(),
            params,
        })
    }

    /// Dials, lets the plan's outcome come about, and follows the action.
    async fn dial(&mut self, verb: &Element, base: &str) -> Flow {
        let (mut legs, strange) = dial::legs(verb);
        for text in strange {
            self.report.warn(12200, text);
        }
        if legs.is_empty() {
            self.report.warn(13223, "<Dial> calls nobody");
            return Flow::Next;
        }
        let caller_id = verb.attribute("callerId").unwrap_or(&self.from).to_owned();
        let mut children: Vec<Listed> = legs
            .iter()
            .map(|leg| match self.rest {
                Some(rest) => rest.join(Listing {
                    sid: &leg.sid,
                    parent: Some(&self.report.call_sid),
                    from: &caller_id,
                    to: &leg.to,
                    direction: "outbound-dial",
                }),
                None => Listed::nowhere(&leg.sid),
            })
            .collect();
        for event in ["initiated", "ringing"] {
            for leg in &mut legs {
                self.leg_event(leg, base, &caller_id, event, event, None);
            }
        }
        let answered = match self.dial {
            DialOutcome::Failed => Ok(None),
            DialOutcome::NoAnswer | DialOutcome::Busy => {
                self.pass(&mut children[0], RING).await.map(|_| None)
            }
            DialOutcome::Answered(time) => match self.pass(&mut children[0], RING).await {
                // The leg was ended while it rang.
                Ok(true) => Ok(None),
                Err(flow) => Err(flow),
                Ok(false) => {
                    self.set_status("in-progress");
                    children[0].set("in-progress");
                    self.leg_event(
                        &mut legs[0],
                        base,
                        &caller_id,
                        "answered",
                        "in-progress",
                        None,
                    );
                    let since = Instant::now();
                    let passed = self.pass(&mut children[0], time).await;
                    passed.map(|_| Some(since.elapsed()))
                }
            },
        };
        let talked = answered.as_ref().ok().copied().flatten();
        let outcome = match (self.dial, talked) {
            (DialOutcome::Answered(_), None) if answered.is_ok() => "canceled",
            (outcome, _) => outcome.status(),
        };
        for (index, (leg, child)) in legs.iter_mut().zip(&children).enumerate() {
            let is_other = index > 0 && matches!(self.dial, DialOutcome::Answered(_));
            let status = if is_other { "canceled" } else { outcome };
            child.set(status);
            let talked = talked.filter(|_| !is_other).unwrap_or_default();
            self.leg_event(leg, base, &caller_id, "completed", status, Some(talked));
            let shown = verb.attribute("callerId");
            self.report.dialled.push(leg.report(status, shown));
        }
        if let Err(flow) = answered {
            return flow;
        }
        let Some(url) = verb.attribute("action") else {
            return Flow::Next;
        };
        let duration = talked.unwrap_or_default().as_secs().to_string();
        let extra = [
            ("DialCallStatus", outcome),
            ("DialCallSid", &legs[0].sid),
            ("DialCallDuration", &duration),
            (
                "DialBridged",
                if talked.is_some() { "true" } else { "false" },
            ),
        ];
        Flow::Fetch {
            url: resolve(base, url),
            method: verb.attribute("method").unwrap_or("POST").to_owned(),
            extra: extra.map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        }
    }

    /// Lets time pass on a dialled leg; returns whether somebody ended the leg.
    async fn pass(&mut self, child: &mut Listed, time: Duration) -> Result<bool, Flow> {
        let until = (Instant::now() + time).min(self.deadline);
        tokio::select! {
            Some(steer) = self.listed.steered.recv() => Err(steered(steer)),
            Some(_) = child.steered.recv() => Ok(true),
            () = sleep_until(until) => {
                if until == self.deadline { Err(Flow::End(Ended::TooLong)) } else { Ok(false) }
            }
        }
    }

    /// Tells of a leg's event, where somebody asked for it.
    fn leg_event(
        &self,
        leg: &mut Leg,
        base: &str,
        caller_id: &str,
        event: &str,
        status: &str,
        talked: Option<Duration>,
    ) {
        let Some((url, method, number)) = leg.event(event) else {
            return;
        };
        let mut params: Vec<(String, String)> = [
            ("AccountSid", self.account_sid.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", &leg.sid),
            ("ParentCallSid", &self.report.call_sid),
            ("CallStatus", status),
            ("CallbackSource", "call-progress-events"),
            ("Called", &leg.to),
            ("Caller", caller_id),
            ("Direction", "outbound-dial"),
            ("From", caller_id),
            ("SequenceNumber", &number.to_string()),
            ("Timestamp", &rfc2822(SystemTime::now())),
            ("To", &leg.to),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(talked) = talked {
            let duration = talked.as_secs().to_string();
            params.push(("CallDuration".to_owned(), duration));
        }
        // The teller lives as long as the call.
        let _ = self.callbacks.send(Callback {
            url: resolve(base, &url),
            method,
            params,
        });
    }
}

/// Goes where somebody steered the call.
fn steered(steer: Steer) -> Flow {
    match steer {
        Steer::Complete => Flow::End(Ended::ByRest),
        Steer::Twiml(text) => Flow::Document(text),
        Steer::Url { url, method } => Flow::Fetch {
            url,
            method,
            extra: Vec::new(),
        },
    }
}

/// Reads an address as seen from the document that holds it.
fn resolve(base: &str, url: &str) -> String {
    if url.contains("://") {
        return url.to_owned();
    }
    let joined = Url::parse(base).and_then(|base| base.join(url));
    joined.map_or_else(|_| url.to_owned(), String::from)
}
