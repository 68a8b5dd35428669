//! The task itself: inputs in, effects performed, one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use tokio::sync::{mpsc, oneshot, watch};

use super::event_log::EventLog;
use super::recordings::Orders;
use super::speech::Speeches;
use super::{Carrier, DialWish, StreamControl, StreamOffer, StreamTally};
use crate::audio::{MediaHandle, StreamPort};
use crate::pure::audio::clip::Clip;
use crate::pure::audio::mouth::Beneath;
use crate::pure::audio::tone::Country;
use crate::pure::event_report::why_word;
use crate::pure::ids::{CallId, Identity, LegId, StreamId, StreamToken};
use crate::pure::phone::{
    Ask, CallView, CarrierRequest, Command, CommandError, DialError, DialRefusal, Document, Effect,
    EventCall, Fresh, Happening, Input, LegStatus, Phone, PhoneSettings, Phrase, Reason, Snapshot,
    Stage, StreamEnd, StreamRefusal,
};
use crate::pure::recording::name::Kind;
use crate::pure::time::Time;
use crate::recorder::RecordingId;
use crate::store::StoreHandle;

/// How long hanging up may take when the daemon stops.
const STOPPING: Duration = Duration::from_secs(3);

/// How long the sockets that are still there may take to close after that.
const CLOSING: Duration = Duration::from_millis(500);

/// How long the carrier may take.
const CARRIER_LIMIT: Duration = Duration::from_secs(3);

/// What is sent to the task.
#[derive(Debug)]
pub(super) enum Message {
    Ask {
        leg: LegId,
        ask: Ask,
        reply: oneshot::Sender<Document>,
    },
    LegIs {
        leg: LegId,
        call: Option<CallId>,
        status: LegStatus,
    },
    ChildIs {
        parent: LegId,
        child: LegId,
        status: LegStatus,
    },
    StreamUp {
        offer: StreamOffer,
        reply: oneshot::Sender<Result<CallId, StreamRefusal>>,
    },
    StreamDown(StreamId, StreamEnd),
    StreamGone(StreamId),
    Key(StreamId, char),
    RecordingOver(RecordingId),
    NotRecorded(StreamId),
    SpeechRead {
        stream: StreamId,
        speech: u64,
        clip: Clip,
        beneath: Beneath,
    },
    SpeechOver(StreamId, u64),
    Command {
        call: CallId,
        command: Command,
        reply: oneshot::Sender<Result<CallView, CommandError>>,
    },
    Dial {
        to: String,
        consults: Option<CallId>,
        reply: oneshot::Sender<Result<CallView, DialError>>,
    },
    CarrierDid(CarrierRequest, bool),
    CarrierDialled(CallId, Result<LegId, DialRefusal>),
    DoNotDisturb(bool),
    Settings(Box<PhoneSettings>),
    Register(Identity, SystemTime),
    Stop(oneshot::Sender<()>),
}

/// A stream that waits to be let in.
struct Offered {
    port: StreamPort,
    control: mpsc::Sender<StreamControl>,
    reply: oneshot::Sender<Result<CallId, StreamRefusal>>,
}

/// The socket of a stream that was let in, until its task is over.
struct Socket {
    control: mpsc::Sender<StreamControl>,
    /// Whether the stream has told how it ended.
    told: bool,
}

/// The daemon is stopping.
struct Stopping {
    done: oneshot::Sender<()>,
    phase: StopPhase,
    until: Instant,
}

/// How far stopping has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum StopPhase {
    /// The carrier ends its legs, and the sockets with them.
    HangingUp,
    /// It did not in time; the sockets that are left close by our own frame.
    Closing,
}

/// Who waits for the answer to the input at hand.
#[derive(Default)]
struct Waiting {
    document: Option<oneshot::Sender<Document>>,
    stream: Option<Offered>,
    command: Option<oneshot::Sender<Result<CallView, CommandError>>>,
}

/// The task.
pub(super) struct Task {
    phone: Phone,
    country: Country,
    longest_call: Duration,
    media: MediaHandle,
    store: StoreHandle,
    carrier: Arc<dyn Carrier>,
    clock: Instant,
    began: SystemTime,
    publish: watch::Sender<Arc<Snapshot>>,
    log: Arc<Mutex<EventLog>>,
    tally: Arc<StreamTally>,
    recordings: Orders,
    speeches: Speeches,
    // Every socket that was let in, so that it can be told to close.
    sockets: HashMap<StreamId, Socket>,
    // Who waits until the carrier has dialled.
    dialling: HashMap<CallId, oneshot::Sender<Result<CallView, DialError>>>,
    // What was asked of the carrier and is not answered.
    requests: usize,
    stopping: Option<Stopping>,
}

/// Returns the moment on a clock that began at `clock`.
pub(super) fn time_of(clock: Instant) -> Time {
    Time::START + clock.elapsed()
}

impl Task {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a part of its own, handed over once"
    )]
    pub(super) fn new(
        settings: PhoneSettings,
        media: MediaHandle,
        store: StoreHandle,
        carrier: Arc<dyn Carrier>,
        clock: Instant,
        began: SystemTime,
        publish: watch::Sender<Arc<Snapshot>>,
        log: Arc<Mutex<EventLog>>,
        tally: Arc<StreamTally>,
        recordings: Orders,
        speeches: Speeches,
    ) -> Task {
        Task {
            country: settings.country,
            longest_call: settings.longest_call,
            phone: Phone::new(settings),
            media,
            store,
            carrier,
            clock,
            began,
            publish,
            log,
            tally,
            recordings,
            speeches,
            sockets: HashMap::new(),
            dialling: HashMap::new(),
            requests: 0,
            stopping: None,
        }
    }

    /// Runs until it is told to stop, or until nobody holds a handle any more.
    pub(super) async fn run(
        mut self,
        known: Vec<(Identity, SystemTime)>,
        mut messages: mpsc::Receiver<Message>,
        inputs: mpsc::WeakSender<Message>,
    ) {
        for (identity, until) in known {
            self.register(identity, until, &inputs);
        }
        let mut devices = self.media.status();
        let (mut known_now, mut store_is_there) = (self.store.watch_known(), true);
        let usable = devices.borrow_and_update().desk_usable();
        self.handle(Input::DeskUsable(usable), Waiting::default(), &inputs);
        loop {
            if let Some(stopping) = self.stopping.take() {
                let Some(stopping) = self.go_on_stopping(stopping, Instant::now()) else {
                    return;
                };
                self.stopping = Some(stopping);
            }
            let due = self.next_due();
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.take(message, &inputs),
                    None => return,
                },
                changed = devices.changed() => {
                    if changed.is_err() {
                        // The engine has ended, so the daemon is about to.
                        return;
                    }
                    let usable = devices.borrow_and_update().desk_usable();
                    self.handle(Input::DeskUsable(usable), Waiting::default(), &inputs);
                }
                changed = known_now.changed(), if store_is_there => {
                    store_is_there = changed.is_ok();
                    self.tell();
                }
                () = tokio::time::sleep_until(due.into()) => {
                    self.handle(Input::Timeout, Waiting::default(), &inputs);
                }
            }
        }
    }

    fn next_due(&self) -> Instant {
        // Without anything due, an hour is as good as any time.
        let due = self.phone.poll_timeout().map_or_else(
            || Instant::now() + Duration::from_secs(3_600),
            |due| self.clock + Duration::from_micros(due.micros().min(u64::MAX / 1_000_000)),
        );
        self.stopping
            .as_ref()
            .map_or(due, |stopping| due.min(stopping.until))
    }

    /// Takes the next step of stopping; returns nothing once it is done.
    fn go_on_stopping(&mut self, stopping: Stopping, now: Instant) -> Option<Stopping> {
        let Stopping { done, phase, until } = stopping;
        let sockets_gone = self.sockets.values().all(|s| s.control.is_closed());
        let over = match phase {
            // A request that is half sent would leave a leg that nobody ends.
            StopPhase::HangingUp => sockets_gone && self.requests == 0,
            StopPhase::Closing => sockets_gone || now >= until,
        };
        if over || (sockets_gone && now >= until) {
            let _ = done.send(());
            return None;
        }
        if now < until {
            return Some(Stopping { done, phase, until });
        }
        for socket in self.sockets.values() {
            // A socket that takes no word is closing already.
            let _ = socket.control.try_send(StreamControl::Close);
        }
        Some(Stopping {
            done,
            phase: StopPhase::Closing,
            until: now + CLOSING,
        })
    }

    fn take(&mut self, message: Message, inputs: &mpsc::WeakSender<Message>) {
        let mut waiting = Waiting::default();
        let input = match message {
            Message::Ask { leg, ask, reply } => {
                let Ok(fresh) = fresh() else {
                    // Without chance there are no tokens, and without tokens no stream.
                    tracing::error!("the system gives no random numbers; the call is turned away");
                    let _ = reply.send(Document::SayAndHangUp(Phrase::NobodyCanAnswer));
                    return;
                };
                waiting.document = Some(reply);
                Input::CarrierAsks { leg, ask, fresh }
            }
            Message::LegIs { leg, call, status } => Input::LegIs { leg, call, status },
            Message::ChildIs {
                parent,
                child,
                status,
            } => Input::ChildIs {
                parent,
                child,
                status,
            },
            Message::StreamUp { offer, reply } => {
                waiting.stream = Some(Offered {
                    port: offer.port,
                    control: offer.control,
                    reply,
                });
                Input::StreamUp {
                    stream: offer.stream,
                    leg: offer.leg,
                    token: offer.token,
                }
            }
            Message::StreamDown(stream, end) => {
                if let Some(socket) = self.sockets.get_mut(&stream) {
                    socket.told = true;
                }
                Input::StreamDown { stream, end }
            }
            Message::StreamGone(stream) => match self.sockets.remove(&stream) {
                // Its task broke off without a word.
                Some(Socket { told: false, .. }) => Input::StreamDown {
                    stream,
                    end: StreamEnd::Lost,
                },
                Some(Socket { told: true, .. }) | None => return,
            },
            Message::Key(stream, digit) => Input::Key { stream, digit },
            Message::NotRecorded(stream) => Input::RecordingOver(stream),
            Message::RecordingOver(id) => match self.recordings.is_over(id) {
                Some(stream) => Input::RecordingOver(stream),
                None => return,
            },
            Message::SpeechRead {
                stream,
                speech,
                clip,
                beneath,
            } => {
                let (which, what) = ((stream, speech), (clip, beneath));
                return self.speeches.play(&self.media, which, what, inputs);
            }
            Message::SpeechOver(stream, speech) => {
                if !self.speeches.is_over(stream, speech) {
                    return;
                }
                Input::SpeechOver(stream)
            }
            Message::Command {
                call,
                command,
                reply,
            } => {
                waiting.command = Some(reply);
                Input::Command { call, command }
            }
            Message::Dial {
                to,
                consults,
                reply,
            } => {
                let Ok(fresh) = fresh() else {
                    tracing::error!("the system gives no random numbers; nothing is dialled");
                    let _ = reply.send(Err(DialError::Stopping));
                    return;
                };
                self.dialling.insert(fresh.call.clone(), reply);
                Input::Dial {
                    to,
                    consults,
                    fresh,
                }
            }
            Message::CarrierDid(request, done) => {
                self.requests = self.requests.saturating_sub(1);
                Input::CarrierDid { request, done }
            }
            Message::CarrierDialled(call, outcome) => {
                self.requests = self.requests.saturating_sub(1);
                Input::CarrierDialled { call, outcome }
            }
            Message::DoNotDisturb(on) => Input::DoNotDisturb(on),
            Message::Settings(settings) => {
                self.longest_call = settings.longest_call;
                Input::Settings(settings)
            }
            Message::Register(identity, until) => {
                self.store.keep_registration(&identity, until);
                return self.register(identity, until, inputs);
            }
            Message::Stop(done) => {
                self.stopping = Some(Stopping {
                    done,
                    phase: StopPhase::HangingUp,
                    until: Instant::now() + STOPPING,
                });
                Input::Stop
            }
        };
        self.handle(input, waiting, inputs);
    }

    fn register(
        &mut self,
        identity: Identity,
        until: SystemTime,
        inputs: &mpsc::WeakSender<Message>,
    ) {
        let left = until.duration_since(SystemTime::now()).unwrap_or_default();
        let until = time_of(self.clock) + left;
        self.handle(
            Input::Registered { identity, until },
            Waiting::default(),
            inputs,
        );
    }

    /// Hands one input to the phone and performs everything that it asks for.
    fn handle(&mut self, input: Input, mut waiting: Waiting, inputs: &mpsc::WeakSender<Message>) {
        let effects = self.phone.handle(input, time_of(self.clock));
        for effect in effects {
            self.perform(effect, &mut waiting, inputs);
        }
        self.tell();
    }

    /// Tells how everything stands, where that has changed.
    fn tell(&self) {
        let seq = self
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .newest;
        let snapshot = Snapshot {
            calls: self.phone.views(),
            do_not_disturb: self.phone.do_not_disturb(),
            voicemails_waiting: self.store.known().voicemails_waiting,
            seq,
        };
        self.publish.send_if_modified(|published| {
            let changed = **published != snapshot;
            *published = Arc::new(snapshot);
            changed
        });
    }

    fn perform(
        &mut self,
        effect: Effect,
        waiting: &mut Waiting,
        inputs: &mpsc::WeakSender<Message>,
    ) {
        match effect {
            Effect::Answer(document) => {
                if let Some(reply) = waiting.document.take() {
                    let _ = reply.send(document);
                }
            }
            Effect::Admit(stream, call, route) => {
                if let Some(Offered {
                    port,
                    control,
                    reply,
                }) = waiting.stream.take()
                {
                    self.media.attach(stream, port, route);
                    let told = false;
                    self.sockets.insert(stream, Socket { control, told });
                    let _ = reply.send(Ok(call));
                }
            }
            Effect::Refuse(stream, why) => {
                tracing::debug!(%stream, %why, "a stream was turned away");
                self.tally.add_refused(why.word());
                if let Some(Offered { reply, .. }) = waiting.stream.take() {
                    let _ = reply.send(Err(why));
                }
            }
            Effect::Route(stream, route) => self.media.route(stream, route),
            Effect::Detach(stream) => {
                self.speeches.forget(stream);
                self.media.detach(stream);
            }
            Effect::CloseStream(stream) => {
                if let Some(socket) = self.sockets.get(&stream) {
                    // A socket that takes no word is closing already.
                    let _ = socket.control.try_send(StreamControl::Close);
                }
            }
            Effect::Carrier(request) => self.ask_carrier(request, inputs),
            Effect::CarrierDials {
                call,
                to,
                caller_id,
                token,
            } => {
                let known = self.phone.views().into_iter().filter_map(|call| call.leg);
                let wish = DialWish {
                    call,
                    to,
                    caller_id,
                    token,
                    longest: self.longest_call,
                    known: known.collect(),
                };
                self.have_dialled(wish, inputs);
            }
            Effect::Dialled(call, outcome) => {
                if let Some(reply) = self.dialling.remove(&call) {
                    // Who asked may have gone.
                    let _ = reply.send(outcome);
                }
            }
            Effect::Progress(tone) => self.media.progress(tone, self.country),
            Effect::Keys(stream, keys) => self.media.keys(stream, keys),
            Effect::Record(stream, call, true) => {
                self.record(stream, &call, inputs);
            }
            Effect::Record(stream, _, false) => self.recordings.stop(stream),
            Effect::PauseRecording(stream, on) => self.recordings.pause(stream, on),
            Effect::RecordingTone(stream, on) => {
                self.media.repeat(stream, on.then(|| self.speeches.tone()));
            }
            Effect::Speak(stream, spoken) => self.speeches.begin(stream, spoken, inputs),
            Effect::Hush(stream) => {
                if self.speeches.forget(stream) {
                    self.media.hush(stream);
                }
            }
            Effect::Bell(cadence) => self.media.ring(cadence),
            Effect::Beep => self.media.beep(),
            Effect::CallEnded(tone) => self.media.call_ended(tone, self.country),
            Effect::DeskAnswered => self.media.answered(),
            Effect::Reply(outcome) => {
                if let Some(reply) = waiting.command.take() {
                    let _ = reply.send(outcome);
                }
            }
            Effect::Event(call, happening, reason) => self.note(call, happening, reason),
        }
    }

    /// Has a stream recorded; where that cannot be, the phone learns of it as of anything else.
    fn record(&mut self, stream: StreamId, call: &CallId, inputs: &mpsc::WeakSender<Message>) {
        let tap = self.media.tap(stream);
        let views = self.phone.views();
        let view = views.iter().find(|view| view.id == *call);
        let begun = view.is_some_and(|view| {
            let kind = if view.stage == Stage::Voicemail {
                Kind::Voicemail
            } else {
                Kind::Call
            };
            self.recordings.begin(stream, tap, view, kind)
        });
        if !begun && let Some(inputs) = inputs.upgrade() {
            tokio::spawn(async move { inputs.send(Message::NotRecorded(stream)).await });
        }
    }

    /// Asks the carrier beside this task; what becomes of it is an input like any other.
    fn ask_carrier(&mut self, request: CarrierRequest, inputs: &mpsc::WeakSender<Message>) {
        self.requests += 1;
        let asked = self.carrier.perform(request.clone());
        let inputs = inputs.clone();
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(CARRIER_LIMIT, asked)
                .await
                .unwrap_or_else(|_| Err("the carrier did not answer within 3 s".to_owned()));
            if let Err(cause) = &outcome {
                let (what, leg) = match &request {
                    CarrierRequest::End(leg) => ("end", leg),
                    CarrierRequest::Redirect(leg) => ("redirect", leg),
                };
                let cause = cause.replace('\n', "; ");
                tracing::warn!(
                    what,
                    %leg,
                    cause,
                    "the carrier did not do what it was asked; where the call has a stream, that is closed instead"
                );
            }
            if let Some(inputs) = inputs.upgrade() {
                let _ = inputs
                    .send(Message::CarrierDid(request, outcome.is_ok()))
                    .await;
            }
        });
    }

    /// Has the carrier dial beside this task.
    fn have_dialled(&mut self, wish: DialWish, inputs: &mpsc::WeakSender<Message>) {
        self.requests += 1;
        let call = wish.call.clone();
        let dialled = self.carrier.dial(wish);
        let inputs = inputs.clone();
        tokio::spawn(async move {
            let outcome = dialled.await;
            if let Err(refusal) = &outcome {
                tracing::warn!(%call, code = refusal.code, cause = refusal.message, "the carrier did not dial, or did not say that it does");
            }
            if let Some(inputs) = inputs.upgrade() {
                let _ = inputs.send(Message::CarrierDialled(call, outcome)).await;
            }
        });
    }

    fn note(&self, id: Option<CallId>, happening: Happening, reason: Reason) {
        let call = id.as_ref().map(|id| {
            let view = self.phone.view(id);
            // One that was forgotten in the same step is known from before.
            let view = view.or_else(|| self.publish.borrow().call(id.as_str()).cloned());
            view.map(|view| self.told_of(view))
        });
        let call = call.flatten();
        tell(id.as_ref(), &happening, reason);
        let at = self.began + self.clock.elapsed();
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(call, happening, reason, at);
    }

    /// Returns what the log tells of a call.
    fn told_of(&self, view: CallView) -> EventCall {
        let known = self.store.known();
        let card = known.book.find(view.far_end());
        EventCall {
            name: card.map(|card| card.name.clone()),
            id: view.id,
            leg: view.leg,
            direction: view.direction,
            from: view.from,
            to: view.to,
        }
    }
}

/// Writes down for the person who reads the daemon's own log what happened.
fn tell(call: Option<&CallId>, happening: &Happening, reason: Reason) {
    let reason = why_word(reason);
    let call = call.map_or("", |call| call.as_str());
    match happening {
        Happening::Began => tracing::info!(%call, "a call begins"),
        Happening::Rings => tracing::info!(%call, reason, "it rings at the desk"),
        Happening::RingsBrowsers => tracing::info!(%call, reason, "it rings in the browsers"),
        Happening::FarEndRings => tracing::info!(%call, "it rings at the far end"),
        Happening::Answered => tracing::info!(%call, reason, "the call is answered"),
        Happening::Held => tracing::info!(%call, reason, "the call waits"),
        Happening::Resumed => tracing::info!(%call, reason, "the call goes on"),
        Happening::Merged => tracing::info!(%call, "the call meets others at the desk"),
        Happening::Parted => tracing::info!(%call, reason, "the call meets nobody any more"),
        Happening::Muted => tracing::info!(%call, "the microphone is muted"),
        Happening::Unmuted => tracing::info!(%call, "the microphone is open again"),
        Happening::RecordingBegan => tracing::info!(%call, "the call is recorded"),
        Happening::RecordingEnded => {
            tracing::info!(%call, reason, "the call is recorded no longer")
        }
        Happening::RecordingPaused => tracing::info!(%call, "the recording pauses"),
        Happening::RecordingResumed => tracing::info!(%call, "the recording goes on"),
        Happening::Moves(_) => tracing::info!(%call, "the call is to be moved"),
        Happening::Moved(_) => tracing::info!(%call, "the call is moved"),
        Happening::CameBack => tracing::info!(%call, reason, "the call comes to the desk"),
        Happening::Forwarded => tracing::info!(%call, reason, "the call is forwarded"),
        Happening::ReachedVoicemail => {
            tracing::info!(%call, reason, "the caller hears the greeting");
        }
        Happening::LeavesMessage => tracing::info!(%call, "the caller leaves a message"),
        Happening::Key(_) => tracing::debug!(%call, "the far end pressed a key"),
        Happening::Ended(_) => tracing::info!(%call, reason, "the call is over"),
        Happening::Missed(_) => tracing::info!(%call, reason, "the call was missed"),
        Happening::DoNotDisturb(on) => {
            tracing::info!(on, reason, "whether the desk is kept from ringing");
        }
    }
}

/// Draws the names and secrets that one question may need.
fn fresh() -> Result<Fresh, getrandom::Error> {
    use std::fmt::Write as _;
    let (mut id, mut token) = ([0_u8; 6], [0_u8; 32]);
    getrandom::fill(&mut id)?;
    getrandom::fill(&mut token)?;
    let mut name = "c".to_owned();
    for byte in id {
        let _ = write!(name, "{byte:02x}");
    }
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token);
    Ok(Fresh {
        call: CallId::new(name),
        token: StreamToken::new(token),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tokens_differ_every_time() {
        let (one, two) = (fresh().expect("chance"), fresh().expect("chance"));
        assert_ne!(one.call, two.call);
        assert!(one.token != two.token);
        assert_eq!(one.token.reveal().len(), 43);
    }
}
