//! The whole phone against the whole simulator, over real HTTP and real websockets: what callers, browsers and the person
//! at the desk live through, and what the phone makes of a carrier that misbehaves.

#[path = "common/rig.rs"]
mod rig;

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook::daemon::Daemon;
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::ids::Identity;
use offhook::pure::phone::{AutoAnswer, CallView, Command, MessagesFrom, Ring, Snapshot, Stage};
use offhook::sim::{
    self, Account, CallPlan, CallReport, DialOutcome, Ended, Misbehaviour, Rest, Step, voice,
};
use tempfile::TempDir;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

/// A phone, and the account that calls it.
struct Rig {
    daemon: Daemon,
    account: Account,
    rest: Rest,
    _folder: TempDir,
    // Where requests that are never answered go.
    _silent: std::net::TcpListener,
}

/// What the phone meets when it asks the carrier over REST.
#[derive(Clone, Copy, Eq, PartialEq)]
enum RestIs {
    /// It does what it is asked.
    There,
    /// Nobody listens.
    Gone,
    /// It takes the connection and never answers.
    Silent,
}

/// What a phone is like unless a test says otherwise: devices that hear what they play, browsers after the desk.
struct Wish {
    ring: Ring,
    ring_for: Duration,
    auto_answer: AutoAnswer,
    device: DeviceChoice,
    rest: RestIs,
    messages: MessagesFrom,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            ring: Ring::DeskThenBrowser,
            ring_for: Duration::from_secs(20),
            auto_answer: AutoAnswer::Off,
            device: DeviceChoice::Loopback,
            rest: RestIs::There,
            messages: MessagesFrom::Unanswered,
        }
    }
}

/// A phone that answers at once.
fn at_once() -> Wish {
    Wish {
        auto_answer: AutoAnswer::After(Duration::ZERO),
        ..Wish::default()
    }
}

impl Rig {
    async fn start(wish: Wish) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account {
            auth_token: rig::AUTH_TOKEN.to_owned(),
            ..Account::made_up()
        };
        let rest = Rest::start(account.clone()).await.expect("a free port");
        let mut settings = rig::settings(folder.path());
        settings.twilio.account_sid = account.account_sid.clone();
        settings.twilio.api_key = account.api_key.clone();
        settings.twilio.api_secret = offhook::config::Secret::new(account.api_secret.clone());
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let nobody_answers = format!("http://{}", silent.local_addr().expect("bound"));
        match wish.rest {
            RestIs::There => settings.twilio.api_base_url = rest.url().parse().expect("an address"),
            RestIs::Silent => {
                settings.twilio.api_base_url = nobody_answers.parse().expect("an address");
            }
            RestIs::Gone => {}
        }
        settings.ring = wish.ring;
        settings.ring_for = wish.ring_for;
        settings.voicemail.from = wish.messages;
        settings.auto_answer = wish.auto_answer;
        settings.audio.capture = wish.device.clone();
        settings.audio.playout = wish.device;
        let daemon = Daemon::start(settings).await.expect("the phone starts");
        Rig {
            daemon,
            account,
            rest,
            _folder: folder,
            _silent: silent,
        }
    }

    fn plan(&self, script: Vec<Step>) -> CallPlan<'_> {
        let mut plan = CallPlan::new(
            format!("{}/handle_calls", self.daemon.local_url()),
            self.account.clone(),
        );
        plan.to = "+18199754345".to_owned();
        plan.rest = Some(&self.rest);
        plan.script = script;
        plan
    }

    async fn call(&self, script: Vec<Step>) -> CallReport {
        sim::call(self.plan(script)).await
    }

    /// Waits until a call is as it should be, and returns it.
    async fn until(&self, is_so: impl Fn(&CallView) -> bool) -> CallView {
        let mut snapshots = self.daemon.phone().snapshots();
        let waiting = async {
            loop {
                let found = snapshots
                    .borrow_and_update()
                    .calls
                    .iter()
                    .find(|c| is_so(c))
                    .cloned();
                if let Some(call) = found {
                    return call;
                }
                snapshots.changed().await.expect("the phone is there");
            }
        };
        tokio::time::timeout(LIMIT, waiting)
            .await
            .expect("it comes to that in time")
    }

    async fn register(&self, name: &str) {
        let identity = Identity::parse(name).expect("a good name");
        self.daemon
            .phone()
            .register(identity, Duration::from_secs(600))
            .await;
    }

    async fn stop(self) {
        self.daemon.stop().await;
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn assert_fine(report: &CallReport) {
    assert!(report.is_fine(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_answered_and_hears_what_the_microphone_hears() {
    let rig = Rig::start(at_once()).await;
    let spoken = voice::greeting(offhook::lang::Lang::En)[..24_000].to_vec();
    let level = rms(&spoken);
    let report = rig
        .call(vec![
            Step::Silence(seconds(1)),
            Step::Speak(spoken),
            Step::Listen(seconds(1)),
        ])
        .await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::CallerHungUp);
    // The loop-back device captures what it plays: the caller hears itself, as loud as it was.
    let heard = &report.stream.heard[8_000..];
    let louder = 20.0 * (rms(&heard[..24_000]) / level).log10();
    assert!(louder.abs() < 1.5, "{louder:.1} dB louder");
    // Five seconds with two marks in each; the simulator drops what it does not know, and gives marks back once played.
    let marks = report.stream.marks;
    assert!((7..=11).contains(&marks), "{marks} marks");
    assert_eq!((report.stream.clears, report.stream.dropped), (0, 0));
    rig.until(|call| call.stage == Stage::Ended).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_somebody_answers_the_caller_hears_ringback_and_then_the_desk() {
    let rig = Rig::start(Wish::default()).await;
    let answering = async {
        let call = rig.until(|call| call.stage == Stage::Ringing).await;
        // Within the first tone of the ringback, which lasts two seconds: only an answer can cut it short.
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.daemon
            .phone()
            .command(call.id.as_str(), Command::Answer)
            .await
            .expect("it rings, so it can be answered");
    };
    let spoken = voice::greeting(offhook::lang::Lang::En)[..16_000].to_vec();
    let level = rms(&spoken);
    let script = vec![
        Step::Silence(seconds(2)),
        Step::Speak(spoken),
        Step::Silence(seconds(1)),
    ];
    let (report, ()) = tokio::join!(rig.call(script), answering);
    assert_fine(&report);
    let heard = &report.stream.heard;
    let ringback = rms(&heard[2_000..7_000]);
    let silence = rms(&heard[12_000..15_500]);
    // The loop-back device captures what it plays, so whoever was answered hears itself.
    let itself = rms(&heard[16_000..34_000]);
    assert!(ringback > 300.0, "ringback at {ringback}");
    assert!(silence < 50.0, "after the answer {silence}");
    assert!(itself > level / 2.0, "{itself} of {level} came back");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_up_at_the_desk_ends_the_call_over_rest() {
    let rig = Rig::start(at_once()).await;
    let hanging_up = async {
        let call = rig.until(|call| call.stage == Stage::Talking).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        rig.daemon
            .phone()
            .command(call.id.as_str(), Command::HangUp)
            .await
            .expect("whoever talks can hang up");
    };
    let (report, ()) = tokio::join!(rig.call(vec![Step::Silence(seconds(20))]), hanging_up);
    assert_fine(&report);
    assert_eq!(report.ended, Ended::ByRest);
    assert!(report.duration < seconds(10));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rest_hanging_up_closes_the_socket_and_the_action_ends_the_call() {
    for rest in [RestIs::Gone, RestIs::Silent] {
        hang_up_without(rest).await;
    }
}

async fn hang_up_without(rest: RestIs) {
    let rig = Rig::start(Wish { rest, ..at_once() }).await;
    let hanging_up = async {
        rig.until(|call| call.stage == Stage::Talking).await;
        rig.daemon
            .phone()
            .command_current(Command::HangUp)
            .await
            .expect("whoever talks can hang up");
    };
    let (report, ()) = tokio::join!(rig.call(vec![Step::Silence(seconds(20))]), hanging_up);
    assert_eq!(report.ended, Ended::ByTwiml, "{report}");
    assert!(report.duration < seconds(10));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_off_during_a_call_ends_it_whatever_rest_does() {
    for rest in [RestIs::There, RestIs::Silent] {
        let rig = Rig::start(Wish { rest, ..at_once() }).await;
        let url = format!("{}/handle_calls", rig.daemon.local_url());
        let mut plan = CallPlan::new(url, rig.account.clone());
        plan.to = "+18199754345".to_owned();
        plan.script = vec![Step::Silence(seconds(20))];
        let Rig {
            daemon,
            rest: steers,
            _folder,
            _silent,
            ..
        } = rig;
        plan.rest = Some(&steers);
        let stopping = async {
            let mut snapshots = daemon.phone().snapshots();
            let talking = |snapshot: &Arc<Snapshot>| {
                let mut calls = snapshot.calls.iter();
                calls.any(|call| call.stage == Stage::Talking)
            };
            let talking = snapshots.wait_for(talking);
            let talking = tokio::time::timeout(LIMIT, talking).await.map(drop);
            talking.expect("it is answered in time");
            let began = Instant::now();
            daemon.stop().await;
            began.elapsed()
        };
        let (report, took) = tokio::join!(sim::call(plan), stopping);
        assert!(report.duration < seconds(10), "{report}");
        // Half a second for each door comes on top of what the phone takes.
        let limit = match rest {
            RestIs::There | RestIs::Gone => seconds(3),
            RestIs::Silent => seconds(6),
        };
        assert!(took < limit, "stopped after {took:?}");
        if rest == RestIs::There {
            assert_eq!(report.ended, Ended::ByRest, "{report}");
            // What the carrier still tells of the call's end (15003 where nobody listens any more) comes to a phone that
            // is going, or gone.
            let complaints = report.warnings.iter().filter(|w| w.code != 15003);
            assert_eq!(complaints.count(), 0, "{report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_does_not_answer_hands_the_caller_to_the_browsers() {
    let mut calls = Vec::new();
    for rest in [RestIs::There, RestIs::Gone] {
        calls.push(async move {
            let rig = Rig::start(Wish {
                ring_for: seconds(1),
                rest,
                ..Wish::default()
            })
            .await;
            rig.register("kitchen").await;
            let mut plan = rig.plan(vec![Step::Silence(seconds(20))]);
            plan.dial = DialOutcome::Answered(seconds(1));
            let report = sim::call(plan).await;
            let dialled: Vec<&str> = report.dialled.iter().map(|leg| leg.to.as_str()).collect();
            assert_eq!(dialled, ["client:kitchen"], "{report}");
            assert_eq!(report.dialled[0].status, "completed");
            assert_eq!(report.dialled[0].parameters[0].0, "call");
            if rest == RestIs::There {
                assert_fine(&report);
            }
            rig.stop().await;
        });
    }
    for call in calls {
        call.await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nobody_is_there_the_caller_is_told_so_and_not_left_in_the_dark() {
    let rig = Rig::start(Wish {
        ring_for: seconds(1),
        messages: MessagesFrom::Nobody,
        ..Wish::default()
    })
    .await;
    let report = rig.call(vec![Step::Silence(seconds(20))]).await;
    assert_fine(&report);
    assert_eq!(report.ended, Ended::ByTwiml);
    assert_eq!(report.said.len(), 1, "{report}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn browsers_only_and_no_device_both_mean_no_stream() {
    let broken = DeviceChoice::Named("no such device".to_owned());
    for wish in [
        Wish {
            ring: Ring::Browser,
            ..Wish::default()
        },
        Wish {
            device: broken,
            ..Wish::default()
        },
    ] {
        let rig = Rig::start(wish).await;
        rig.register("kitchen").await;
        let mut plan = rig.plan(vec![]);
        plan.dial = DialOutcome::Answered(seconds(1));
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.stream.streams, 0);
        assert_eq!(report.dialled.len(), 1);
        rig.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_caller_goes_to_the_browsers_and_the_first_goes_on() {
    let rig = Rig::start(at_once()).await;
    rig.register("kitchen").await;
    let second = async {
        rig.until(|call| call.stage == Stage::Talking).await;
        let mut plan = rig.plan(vec![]);
        plan.from = "+15005550011".to_owned();
        plan.dial = DialOutcome::Answered(seconds(1));
        sim::call(plan).await
    };
    let (first, second) = tokio::join!(rig.call(vec![Step::Silence(seconds(5))]), second);
    assert_fine(&first);
    assert_fine(&second);
    assert_eq!(first.ended, Ended::CallerHungUp);
    assert_eq!((second.stream.streams, second.dialled.len()), (0, 1));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_soon_as_one_caller_has_gone_the_next_one_rings() {
    let rig = Rig::start(at_once()).await;
    for _ in 0..5 {
        let report = rig
            .call(vec![Step::Silence(Duration::from_millis(300))])
            .await;
        assert_fine(&report);
        assert_eq!(report.stream.streams, 1, "the desk was free: {report}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_a_carrier_does_wrong_the_phone_takes_the_next_call() {
    // More daemons at once than a small machine can feed would measure the machine.
    let few = Arc::new(tokio::sync::Semaphore::new(4));
    let mut running = tokio::task::JoinSet::new();
    for misbehaviour in Misbehaviour::ALL {
        let few = Arc::clone(&few);
        running.spawn(async move {
            let _one = few.acquire().await.expect("it stays open");
            survives(misbehaviour).await;
        });
    }
    while let Some(done) = running.join_next().await {
        done.expect("every one of them is survived");
    }
}

async fn survives(misbehaviour: Misbehaviour) {
    let rig = Rig::start(at_once()).await;
    let mut plan = rig.plan(vec![Step::Silence(seconds(4))]);
    plan.misbehaviour = Some(misbehaviour);
    let began = Instant::now();
    let report = sim::call(plan).await;
    let name = misbehaviour.name();
    assert!(began.elapsed() < LIMIT, "{name}: {report}");
    assert_eq!(report.notes, effect(misbehaviour), "{name}: {report}");
    // A lost socket ends its call within a second and a `stop` at once; the rest is what a busy machine adds.
    let over = rig.until(|call| call.stage == Stage::Ended);
    let over = tokio::time::timeout(seconds(3), over).await;
    assert!(over.is_ok(), "{name}: the call is over");
    let next = rig.call(vec![Step::Silence(seconds(1))]).await;
    assert!(next.is_fine(), "{name}: {next}");
    assert_eq!(next.stream.streams, 1, "{name}: the desk was free");
    rig.stop().await;
}

/// Returns what the carrier sees of the phone's answer to a fault, beside that the call goes on or ends.
fn effect(misbehaviour: Misbehaviour) -> Vec<&'static str> {
    match misbehaviour {
        Misbehaviour::HalfClose | Misbehaviour::StopWithoutClose => {
            vec!["the server closed the socket that was left to it"]
        }
        Misbehaviour::TwoSocketsOneToken => {
            vec!["the second socket was closed after 0 messages"]
        }
        Misbehaviour::WebhookTwice => vec!["the webhook was answered alike both times"],
        Misbehaviour::Reset
        | Misbehaviour::Garbage
        | Misbehaviour::Binary
        | Misbehaviour::TruncatedJson
        | Misbehaviour::Oversized
        | Misbehaviour::Duplicates
        | Misbehaviour::OutOfOrder
        | Misbehaviour::Stall(_)
        | Misbehaviour::WrongFormat
        | Misbehaviour::NoStart
        | Misbehaviour::WrongToken
        | Misbehaviour::SilentLine
        | Misbehaviour::NeverReads => vec![],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_recorded_over_the_api_with_the_far_end_on_the_right() {
    // Nobody speaks at the desk, so that whatever is heard there on the left is a mistake.
    let rig = Rig::start(Wish {
        device: DeviceChoice::None,
        ..at_once()
    })
    .await;
    let api = format!("{}/api", rig.daemon.local_url());
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client");
    let asks = |request: reqwest::RequestBuilder| async {
        let answer = request.bearer_auth(rig::API_KEY).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().await.expect("all of it")
    };
    let recording = async {
        let call = rig.until(|call| call.stage == Stage::Talking).await;
        let url = format!("{api}/calls/{}/record", call.id.as_str());
        let body = r#"{"on":true}"#.to_owned();
        asks(http.post(url).body(body)).await;
    };
    let spoken = voice::greeting(offhook::lang::Lang::En)[..24_000].to_vec();
    let level = rms(&spoken);
    let script = vec![
        Step::Silence(seconds(2)),
        Step::Speak(spoken),
        Step::Silence(seconds(1)),
    ];
    let (report, ()) = tokio::join!(rig.call(script), recording);
    assert_fine(&report);
    // It ends with the call, and is listed then.
    let listing = async {
        loop {
            let told = asks(http.get(format!("{api}/recordings"))).await;
            let told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
            if let Some(one) = told["recordings"].get(0) {
                return one.clone();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let one = tokio::time::timeout(LIMIT, listing).await.expect("in time");
    let file = one["file"].as_str().expect("a name");
    let bytes = asks(http.get(format!("{api}/recordings/{file}"))).await;
    let sound = offhook::pure::recording::opus::read(&bytes, usize::MAX).expect("Ogg Opus");
    let [near, far] = &sound.channels[..] else {
        panic!("two ends");
    };
    let loud = |sample: &i16| sample.unsigned_abs() > 500;
    let begin = far.iter().position(loud).expect("somebody speaks");
    let heard = rms(&far[begin..far.len().min(begin + 24_000)]);
    let louder = 20.0 * (heard / level).log10();
    assert!(louder.abs() < 2.0, "{louder:.1} dB louder");
    assert!(rms(near) < 20.0, "nobody spoke here: {}", rms(near));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_the_carrier_is_made_up_within_seconds() {
    let rig = Rig::start(at_once()).await;
    let mut plan = rig.plan(vec![Step::Silence(seconds(8))]);
    plan.misbehaviour = Some(Misbehaviour::Stall(seconds(1)));
    let watching = async {
        let call = rig.until(|call| call.stage == Stage::Talking).await;
        let stream = call.stream.expect("whoever talks has a stream");
        tokio::time::sleep(seconds(7)).await;
        rig.daemon
            .phone()
            .media()
            .stats(stream)
            .expect("it is attached")
    };
    let (report, stats) = tokio::join!(sim::call(plan), watching);
    assert_fine(&report);
    assert!(
        stats.depth_max_ms > 150.0,
        "the stall came all at once: {stats:?}"
    );
    assert!(stats.depth_ms < 100.0, "and was made up: {stats:?}");
    rig.stop().await;
}

fn rms(sound: &[i16]) -> f64 {
    let sum: f64 = sound.iter().map(|s| f64::from(*s).powi(2)).sum();
    (sum / sound.len().max(1) as f64).sqrt()
}
