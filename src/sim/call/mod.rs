//! One simulated call: posts the webhook, carries out the TwiML, and follows it until somebody hangs up.

mod connect;
mod dial;
mod verbs;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use url::Url;

use super::fault::Misbehaviour;
use super::lines::Lines;
use super::report::{CallReport, Ended};
use super::rest::{Listed, Listing, Rest, Steer};
use super::script::{Caller, Step};
use super::twiml;
use super::webhook::{LIMIT, NoAnswer, Poster};
use super::{Account, sid};
pub use dial::DialOutcome;

/// Documents of one call; more of them go round in a circle.
const MOST_DOCUMENTS: usize = 50;

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
