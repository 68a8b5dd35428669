//! The account's REST side: lets the server make calls, look at them, end them and send them elsewhere.

mod calls;
mod create;
mod door;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

pub(super) use create::{First, Order};

use super::far_end::{FarEnd, Trouble, TroubleKind};
use super::report::{CallReport, Tell};
use super::room::Room;
use super::{Account, Lines, sid};

/// The most characters that TwiML may have inline.
const MOST_INLINE: usize = 4_000;

/// Where somebody wants a call to go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Steer {
    /// Over.
    Complete,
    /// The caller hangs up. Nobody asks for this over REST.
    HangUp,
    /// To the document at an address.
    Url { url: String, method: String },
    /// To a document that came along.
    Twiml(String),
}

/// One request as it was seen and answered, without the key that it came with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestRequest {
    /// Method, call and form: `POST CA…: Status=completed`.
    pub what: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The carrier's code and words, where it was refused.
    pub refused: Option<(u32, String)>,
    /// Parameters that the carrier does not know, and passes over without a word.
    pub passed_over: Vec<String>,
}

impl RestRequest {
    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "request": self.what,
            "status": self.status,
            "code": self.refused.as_ref().map(|(code, _)| code),
            "passed_over": self.passed_over,
        })
    }
}

impl fmt::Display for RestRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.status)?;
        if let Some((code, why)) = &self.refused {
            write!(f, ", {code} {why}")?;
        }
        if self.passed_over.is_empty() {
            return Ok(());
        }
        write!(f, "; passed over: {}", self.passed_over.join(", "))
    }
}

/// What happens at the account, for a person to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct News {
    /// The call that it is about.
    pub call_sid: Option<String>,
    /// What happened, as a sentence without its end.
    pub text: String,
}

/// Who is told of what happens.
type Listener = Arc<dyn Fn(&News) + Send + Sync>;

/// A call as the account shows it.
#[derive(Debug)]
struct Entry {
    /// Calls are numbered in the order in which they were made.
    number: usize,
    parent: Option<String>,
    from: String,
    to: String,
    direction: &'static str,
    status: String,
    created: SystemTime,
    /// When somebody was dialled.
    started: Option<SystemTime>,
    answered: Option<SystemTime>,
    ended: Option<SystemTime>,
    steer: mpsc::UnboundedSender<Steer>,
}

impl Entry {
    fn queued_ms(&self) -> u128 {
        let queued = self
            .started
            .and_then(|at| at.duration_since(self.created).ok());
        queued.unwrap_or_default().as_millis()
    }
}

/// What the account knows of the world that it can call.
struct World {
    /// Its own numbers; none where they are not known, and every number is taken for one.
    own: Vec<String>,
    far_ends: HashMap<String, FarEnd>,
    /// Whoever has no far end of his own.
    others: Option<FarEnd>,
    /// What the next requests for a call meet, whoever is called.
    trouble: Option<Trouble>,
    /// Where the program is; by the addresses that it gives, where nobody said.
    program: Option<Lines>,
    listener: Option<Listener>,
}

/// All that an account has.
pub(super) struct Shared {
    pub(super) account: Account,
    calls: Mutex<HashMap<String, Entry>>,
    requests: Mutex<Vec<RestRequest>>,
    world: Mutex<World>,
    conferences: Mutex<HashMap<String, Arc<Room>>>,
    recordings: Mutex<HashMap<String, Vec<i16>>>,
    reports: Mutex<HashMap<String, CallReport>>,
    /// Counts the calls that are over, so that somebody can wait for one.
    over: watch::Sender<usize>,
    running: Mutex<Vec<AbortHandle>>,
    address: OnceLock<SocketAddr>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Whatever a thread left behind that failed is still to be read.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(account: Account) -> Arc<Shared> {
        Arc::new(Shared {
            account,
            calls: Mutex::default(),
            requests: Mutex::default(),
            world: Mutex::new(World {
                own: Vec::new(),
                far_ends: HashMap::new(),
                others: None,
                trouble: None,
                program: None,
                listener: None,
            }),
            conferences: Mutex::default(),
            recordings: Mutex::default(),
            reports: Mutex::default(),
            over: watch::Sender::new(0),
            running: Mutex::default(),
            address: OnceLock::new(),
        })
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        locked(&self.calls)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.world)
    }

    /// Returns what was asked so far.
    pub(super) fn seen(&self) -> Vec<RestRequest> {
        locked(&self.requests).clone()
    }

    /// Keeps a request.
    fn note(&self, request: RestRequest) {
        self.tell(None, &format!("REST {request}"));
        locked(&self.requests).push(request);
    }

    /// Keeps a request, and answers it.
    fn respond(&self, what: String, answered: Result<Value, Refusal>) -> Response {
        self.respond_with(StatusCode::OK, what, answered, Vec::new())
    }

    fn respond_with(
        &self,
        fine: StatusCode,
        what: String,
        answered: Result<Value, Refusal>,
        passed_over: Vec<String>,
    ) -> Response {
        let what: String = what.chars().take(MOST_KEPT).collect();
        let (status, body, refused) = match answered {
            Ok(body) => (fine, body, None),
            Err(refusal) => {
                let body = refusal.to_json();
                let Refusal {
                    status,
                    code,
                    message,
                } = refusal;
                (status, body, Some((code, message)))
            }
        };
        self.note(RestRequest {
            what,
            status: status.as_u16(),
            refused,
            passed_over,
        });
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (status, kind, body.to_string()).into_response()
    }

    /// Tells whoever listens of something.
    pub(super) fn tell(&self, call_sid: Option<&str>, text: &str) {
        let listener = self.world().listener.clone();
        if let Some(listener) = listener {
            listener(&News {
                call_sid: call_sid.map(str::to_owned),
                text: text.to_owned(),
            });
        }
    }

    /// Returns where the account is served.
    pub(super) fn address(&self) -> String {
        let address = self.address.get().map(ToString::to_string);
        format!("http://{}", address.unwrap_or_default())
    }

    /// Makes what a call's report tells its news to.
    pub(super) fn teller(&self, call_sid: &str) -> Tell {
        let call_sid = Some(call_sid.to_owned());
        match self.world().listener.clone() {
            Some(listener) => Tell::new(move |text| {
                listener(&News {
                    call_sid: call_sid.clone(),
                    text: text.to_owned(),
                });
            }),
            None => Tell::default(),
        }
    }

    /// Returns what becomes of a number; nothing where nobody said, and no default was given.
    pub(super) fn far_end(&self, to: &str) -> Option<FarEnd> {
        let world = self.world();
        world.far_ends.get(to).or(world.others.as_ref()).cloned()
    }

    /// Returns the trouble that the next request for a call meets, and counts it.
    fn next_trouble(&self, to: Option<&str>) -> Option<TroubleKind> {
        let mut world = self.world();
        let World {
            far_ends,
            others,
            trouble,
            ..
        } = &mut *world;
        let of_number = match to.and_then(|to| far_ends.get_mut(to)) {
            Some(far_end) => Some(far_end),
            None => others.as_mut(),
        };
        let of_number = of_number.and_then(|far_end| far_end.trouble.as_mut());
        [trouble.as_mut(), of_number]
            .into_iter()
            .flatten()
            .find(|trouble| trouble.times > 0)
            .map(|trouble| {
                trouble.times -= 1;
                trouble.kind
            })
    }

    /// Returns where a program is that asked for something: as somebody said, or by an address that it gave.
    pub(super) fn lines(&self, given: Option<String>) -> Result<Lines, String> {
        if let Some(lines) = self.world().program.clone() {
            return Ok(lines);
        }
        // A call that names nobody has nobody to ask.
        let nobody = || "http://127.0.0.1:9/".to_owned();
        Lines::new(&given.unwrap_or_else(nobody), None)
    }

    /// Finds a conference that is not over, or opens it.
    pub(super) fn conference(&self, name: &str, most: usize) -> Arc<Room> {
        let mut conferences = locked(&self.conferences);
        conferences.retain(|_, room| !room.is_over());
        let room = conferences
            .entry(name.to_owned())
            .or_insert_with(|| Room::conference(most));
        Arc::clone(room)
    }

    /// Keeps a recording, and returns its identifier and its address, without an ending.
    pub(super) fn keep_recording(&self, sound: Vec<i16>) -> (String, String) {
        let sid = sid("RE");
        let account = &self.account.account_sid;
        let address = format!("/2010-04-01/Accounts/{account}/Recordings/{sid}");
        locked(&self.recordings).insert(sid.clone(), sound);
        (sid, address)
    }

    fn recording(&self, sid: &str) -> Option<Vec<i16>> {
        locked(&self.recordings).get(sid).cloned()
    }

    /// Lets a task run that ends with the account.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let handle = tokio::spawn(task).abort_handle();
        let mut running = locked(&self.running);
        running.retain(|task| !task.is_finished());
        running.push(handle);
    }

    /// Keeps what a call was like that is over.
    pub(super) fn finished(&self, mut report: CallReport) {
        self.tell(Some(&report.call_sid), &report.ended.to_string());
        report.tell = Tell::default();
        locked(&self.reports).insert(report.call_sid.clone(), report);
        self.over.send_modify(|over| *over += 1);
    }

    /// Lists a call.
    pub(super) fn join(self: &Arc<Shared>, call: Listing<'_>) -> Listed {
        let (steer, steered) = mpsc::unbounded_channel();
        let mut calls = self.calls();
        let number = calls.len();
        let now = SystemTime::now();
        calls.insert(
            call.sid.to_owned(),
            Entry {
                number,
                parent: call.parent.map(str::to_owned),
                from: call.from.to_owned(),
                to: call.to.to_owned(),
                direction: call.direction,
                status: call.status.to_owned(),
                created: now,
                started: (call.status != "queued").then_some(now),
                answered: None,
                ended: None,
                steer: steer.clone(),
            },
        );
        drop(calls);
        Listed {
            sid: call.sid.to_owned(),
            steered,
            shared: Some(Arc::clone(self)),
            steer,
        }
    }
}

/// The most characters of a request that are kept.
const MOST_KEPT: usize = 300;

/// Why something is not done.
struct Refusal {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Refusal {
        let message = message.into();
        Refusal {
            status,
            code,
            message,
        }
    }

    /// Says what is wrong in the carrier's own shape.
    fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status.as_u16(),
        })
    }
}

/// The simulated carrier's REST API, on 127.0.0.1. It stops when it is dropped.
#[derive(Debug)]
pub struct Rest {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.server.abort();
        for task in locked(&self.shared.running).drain(..) {
            task.abort();
        }
    }
}

impl Rest {
    /// Starts serving an account's calls, on any free port.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(account: Account) -> std::io::Result<Rest> {
        Rest::start_on(account, 0).await
    }

    /// Starts serving an account's calls on a port; 0: any free one.
    ///
    /// # Errors
    /// Where the port cannot be had.
    pub async fn start_on(account: Account, port: u16) -> std::io::Result<Rest> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(account);
        let _ = shared.address.set(address);
        let router = door::router(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the simulator's REST API stopped");
            }
        });
        Ok(Rest { shared, server })
    }

    /// Returns its address, to be used as `TWILIO_API_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.address()
    }

    /// Returns the status of a call; nothing for one that never was.
    #[must_use]
    pub fn status(&self, call_sid: &str) -> Option<String> {
        Some(self.shared.calls().get(call_sid)?.status.clone())
    }

    /// Returns the identifiers of all calls that are not over.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let calls = self.shared.calls();
        let running = calls.iter().filter(|(_, entry)| entry.ended.is_none());
        running.map(|(sid, _)| sid.clone()).collect()
    }

    /// Returns what was asked of it so far.
    #[must_use]
    pub fn seen(&self) -> Vec<RestRequest> {
        self.shared.seen()
    }

    /// Says what becomes of a number, or of `client:` and an identity, from now on.
    pub fn set_far_end(&self, to: impl Into<String>, far_end: FarEnd) {
        self.shared.world().far_ends.insert(to.into(), far_end);
    }

    /// Says what becomes of everybody who has no far end of his own. Until then a call over REST is answered after two
    /// seconds with the greeting, and a `<Dial>` comes to what its call's plan says.
    pub fn set_other_far_ends(&self, far_end: FarEnd) {
        self.shared.world().others = Some(far_end);
    }

    /// Names the account's own numbers: calls from any other are refused (21210).
    pub fn set_own_numbers(&self, numbers: impl IntoIterator<Item = String>) {
        self.shared.world().own = numbers.into_iter().collect();
    }

    /// Says where the program really is that calls are made for, and under which origin it is known. Unless somebody does,
    /// every address that it gives is dialled as it is.
    ///
    /// # Errors
    /// What is wrong with which of the two, as a sentence.
    pub fn set_program(&self, server: &str, origin: Option<&str>) -> Result<(), String> {
        let lines = Lines::new(server, origin)?;
        self.shared.world().program = Some(lines);
        Ok(())
    }

    /// Has the next requests for a call meet trouble, whoever is called.
    pub fn set_trouble(&self, trouble: Trouble) {
        self.shared.world().trouble = Some(trouble);
    }

    /// Tells somebody of requests, calls, webhooks, streams and warnings as they happen.
    pub fn listen(&self, listener: impl Fn(&News) + Send + Sync + 'static) {
        self.shared.world().listener = Some(Arc::new(listener));
    }

    /// Waits until a call is over that was made over REST, or dialled by TwiML and answered, and returns what it was like.
    pub async fn report(&self, call_sid: &str) -> CallReport {
        let mut over = self.shared.over.subscribe();
        loop {
            over.borrow_and_update();
            if let Some(report) = locked(&self.shared.reports).get(call_sid) {
                return report.clone();
            }
            // The sending end lives as long as we do.
            if over.changed().await.is_err() {
                return CallReport::default();
            }
        }
    }

    /// Returns the identifiers of all calls to somebody, in their order.
    #[must_use]
    pub fn calls_to(&self, to: &str) -> Vec<String> {
        let calls = self.shared.calls();
        let mut found: Vec<_> = calls.iter().filter(|(_, entry)| entry.to == to).collect();
        found.sort_by_key(|(_, entry)| entry.number);
        found.into_iter().map(|(sid, _)| sid.clone()).collect()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// What a call is listed with.
pub(super) struct Listing<'a> {
    pub(super) sid: &'a str,
    pub(super) parent: Option<&'a str>,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) direction: &'static str,
    pub(super) status: &'static str,
}

/// A call that is listed, until it is dropped: then it is completed.
#[derive(Debug)]
pub(super) struct Listed {
    sid: String,
    /// What somebody wants of it.
    pub(super) steered: mpsc::UnboundedReceiver<Steer>,
    /// The other end of it, which also keeps it open, so that waiting on it waits.
    pub(super) steer: mpsc::UnboundedSender<Steer>,
    shared: Option<Arc<Shared>>,
}

impl Listed {
    /// Makes a call that nobody can steer.
    pub(super) fn nowhere(sid: &str) -> Listed {
        let (steer, steered) = mpsc::unbounded_channel();
        Listed {
            sid: sid.to_owned(),
            steered,
            shared: None,
            steer,
        }
    }

    /// Changes its status, unless it is over.
    pub(super) fn set(&self, status: &str) {
        let Some(shared) = &self.shared else {
            return;
        };
        if let Some(entry) = shared.calls().get_mut(&self.sid)
            && entry.ended.is_none()
        {
            let now = Some(SystemTime::now());
            if is_over(status) {
                entry.ended = now;
            } else if status == "in-progress" {
                entry.answered = entry.answered.or(now);
            }
            if status != "queued" {
                entry.started = entry.started.or(now);
            }
            status.clone_into(&mut entry.status);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let over = |shared: &Arc<Shared>| {
            let calls = shared.calls();
            calls.get(&self.sid).is_none_or(|e| e.ended.is_some())
        };
        if self.shared.as_ref().is_some_and(|shared| !over(shared)) {
            self.set("completed");
        }
    }
}

fn is_over(status: &str) -> bool {
    !matches!(status, "queued" | "initiated" | "ringing" | "in-progress")
}

/// A form or a query, in its order. Of a key that is there twice the first one counts, and an empty value is none.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    fn read(text: &str) -> Form {
        let pairs = form_urlencoded::parse(text.as_bytes()).into_owned();
        Form(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs().map(|(name, _)| name)
    }

    fn all<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a str> {
        let pairs = self.pairs().filter(move |(name, _)| *name == wanted);
        pairs.map(|(_, value)| value)
    }

    fn first(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs();
        Some(pairs.find(|(key, _)| *key == name)?.1)
    }
}
