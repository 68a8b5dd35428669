//! What a person does with several calls, over the API alone, against the simulator's account: dialled, held, swapped,
//! merged, moved and handed over, with what each far end heard.

#[path = "common/rig.rs"]
mod rig;
#[path = "calls/unanswered.rs"]
mod unanswered;

use std::f64::consts::TAU;
use std::path::Path;
use std::time::Duration;

use offhook::config::Settings;
use offhook::daemon::Daemon;
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::ids::Identity;
use offhook::sim::{self, Account, CallPlan, CallReport, FarEnd, Rest, Step};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(30);

const OWN: &str = "+18199754345";
const ANNA: &str = "+15145550101";
const BERT: &str = "+15145550102";

/// What is heard of whom, in Hz: far from each other, and from the music of those who wait.
const DESK_HZ: f64 = 1_500.0;
const ANNA_HZ: f64 = 2_100.0;
const BERT_HZ: f64 = 2_700.0;
const BROWSER_HZ: f64 = 3_100.0;

/// A phone whose microphone hears a steady tone, and the account by which it dials and is called.
struct Rig {
    daemon: Daemon,
    account: Account,
    rest: Rest,
    http: reqwest::Client,
    folder: TempDir,
}

impl Rig {
    async fn start() -> Rig {
        Rig::start_with(|_| ()).await
    }

    /// Starts it with other settings than usual.
    async fn start_with(change: impl FnOnce(&mut Settings)) -> Rig {
        let folder = tempfile::tempdir().expect("a folder");
        let account = Account {
            auth_token: rig::AUTH_TOKEN.to_owned(),
            ..Account::made_up()
        };
        let rest = Rest::start(account.clone()).await.expect("a free port");
        rest.set_own_numbers([OWN.to_owned()]);
        let mut settings = rig::settings(folder.path());
        settings.twilio.account_sid = account.account_sid.clone();
        settings.twilio.api_key = account.api_key.clone();
        settings.twilio.api_secret = offhook::config::Secret::new(account.api_secret.clone());
        settings.twilio.api_base_url = rest.url().parse().expect("an address");
        let microphone = folder.path().join("microphone.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(&microphone, spec).expect("a file");
        for sample in tone(DESK_HZ, 120) {
            wav.write_sample(sample).expect("written");
        }
        wav.finalize().expect("whole");
        settings.audio.capture = DeviceChoice::File(microphone);
        change(&mut settings);
        let daemon = Daemon::start(settings).await.expect("the phone starts");
        rest.set_program(&daemon.local_url(), None)
            .expect("an address");
        Rig {
            daemon,
            account,
            rest,
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .expect("a client"),
            folder,
        }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a far end behind a number, or a browser, that answers after half a second and sounds until it is hung up.
    fn sounds(&self, who: &str, hz: f64) {
        let far_end = FarEnd::answers(move || vec![Step::Speak(tone(hz, 90))]);
        self.rest
            .set_far_end(who, far_end.after(Duration::from_millis(500)));
    }

    async fn ask(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.daemon.local_url());
        let mut request = self.http.request(method, url).bearer_auth(rig::API_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    /// Does something with a call, which must be done.
    async fn does(&self, call: &str, what: &str, body: Value) -> Value {
        let path = format!("/api/calls/{call}/{what}");
        let (status, call) = self.ask(reqwest::Method::POST, &path, Some(body)).await;
        assert_eq!(status, 200, "{what}: {call}");
        call
    }

    /// Dials, and returns the call.
    async fn dials(&self, to: &str) -> String {
        let wish = json!({ "to": to });
        let (status, call) = self
            .ask(reqwest::Method::POST, "/api/calls", Some(wish))
            .await;
        assert_eq!(status, 201, "{call}");
        assert_eq!(call["state"], "dialing");
        call["id"].as_str().expect("a name").to_owned()
    }

    /// Dials, and waits until somebody answers.
    async fn talks_with(&self, to: &str) -> String {
        let call = self.dials(to).await;
        self.until(&call, |call| call["state"] == "talking").await;
        call
    }

    /// Waits until a call is as it should be, and returns it.
    async fn until(&self, call: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/calls/{call}");
        let waiting = async {
            loop {
                let (_, call) = self.ask(reqwest::Method::GET, &path, None).await;
                if is_so(&call) {
                    return call;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, waiting).await;
        in_time.unwrap_or_else(|_| panic!("{call} does not come to that"))
    }

    /// Returns what the last call to somebody was like, once it is over.
    async fn report(&self, to: &str) -> CallReport {
        let calls = self.rest.calls_to(to);
        let sid = calls.last().expect("somebody was called");
        tokio::time::timeout(LIMIT, self.rest.report(sid))
            .await
            .expect("it is over in time")
    }

    async fn stop(self) {
        self.daemon.stop().await;
        assert_eq!(self.rest.running(), Vec::<String>::new(), "a leg is left");
    }
}

fn tone(hz: f64, seconds: usize) -> Vec<i16> {
    (0..8_000 * seconds)
        .map(|n| (6_000.0 * (TAU * hz * n as f64 / 8_000.0).sin()) as i16)
        .collect()
}

/// Returns how loud a tone is in some sound: 1 is as loud as we play it.
fn share(sound: &[i16], hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in sound.iter().enumerate() {
        let angle = TAU * hz * n as f64 / 8_000.0;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    2.0 * re.hypot(im) / sound.len().max(1) as f64 / 6_000.0
}

/// Returns whether each of these was there in half a second that ends so long before the last sound that was heard. The
/// silence behind it is how long hanging up took, which is the machine's affair.
fn at_end<const N: usize>(report: &CallReport, before: Duration, tones: [f64; N]) -> [bool; N] {
    let sound = report.heard.samples();
    let last = sound.iter().rposition(|sample| sample.abs() > 100);
    let end = last
        .unwrap_or(0)
        .saturating_sub(before.as_millis() as usize * 8);
    let part = &sound[end.saturating_sub(4_000)..end];
    tones.map(|hz| share(part, hz) > 0.3)
}

#[expect(clippy::print_stdout, reason = "the figures, for who asks for them")]
fn tell(figure: &str) {
    println!("{figure}");
}

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_is_dialled_answers_hears_the_desk_and_is_hung_up() {
    let rig = Rig::start().await;
    rig.sounds(ANNA, ANNA_HZ);
    let call = rig.talks_with(ANNA).await;
    sleep(Duration::from_millis(1_500)).await;
    rig.does(&call, "hangup", json!({})).await;
    let over = rig.until(&call, |call| call["state"] == "ended").await;
    assert_eq!(over["end_reason"], "hung_up_here");
    let report = rig.report(ANNA).await;
    assert!(report.is_fine(), "{report}");
    assert_eq!(at_end(&report, SHORT, [DESK_HZ]), [true]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_unreachable_and_hung_up_early_are_told_apart() {
    let rig = Rig::start().await;
    for (far_end, reason) in [(FarEnd::busy(), "busy"), (FarEnd::failed(), "failed")] {
        rig.rest.set_far_end(ANNA, far_end);
        let call = rig.dials(ANNA).await;
        let over = rig.until(&call, |call| call["state"] == "ended").await;
        assert_eq!(over["end_reason"], reason);
    }
    rig.rest.set_far_end(ANNA, FarEnd::no_answer());
    let call = rig.dials(ANNA).await;
    sleep(Duration::from_millis(700)).await;
    rig.does(&call, "hangup", json!({})).await;
    let over = rig.until(&call, |call| call["state"] == "ended").await;
    assert_eq!(over["end_reason"], "hung_up_here");
    let sid = over["sid"].as_str().expect("it was dialled");
    let gone = async {
        while rig.rest.running().iter().any(|leg| leg == sid) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone)
        .await
        .expect("it rings no more");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_call_is_held_swapped_merged_and_split() {
    let rig = Rig::start().await;
    rig.sounds(ANNA, ANNA_HZ);
    rig.sounds(BERT, BERT_HZ);
    let anna = rig.talks_with(ANNA).await;
    let bert = rig.talks_with(BERT).await;
    let began = std::time::Instant::now();
    let held = rig.until(&anna, |call| call["held"] == true).await;
    assert_eq!(held["state"], "talking");
    sleep(Duration::from_millis(1_200)).await;
    rig.does(&anna, "resume", json!({})).await;
    rig.until(&bert, |call| call["held"] == true).await;
    sleep(Duration::from_millis(1_200)).await;
    rig.does(&anna, "merge", json!({ "with": bert })).await;
    sleep(Duration::from_millis(1_500)).await;
    let merged_until = began.elapsed();
    rig.does(&bert, "hold", json!({})).await;
    let apart = rig.until(&anna, |call| call["merged"] == false).await;
    assert_eq!(apart["held"], false);
    sleep(Duration::from_millis(1_200)).await;
    let since_merged = began.elapsed() - merged_until;
    for call in [&anna, &bert] {
        rig.does(call, "hangup", json!({})).await;
    }
    let (a, b) = (rig.report(ANNA).await, rig.report(BERT).await);
    // While they met each heard the desk and the other, and not itself.
    let meeting = since_merged + Duration::from_millis(400);
    let all = [DESK_HZ, ANNA_HZ, BERT_HZ];
    assert_eq!(at_end(&a, meeting, all), [true, false, true], "{a}");
    assert_eq!(at_end(&b, meeting, all), [true, true, false], "{b}");
    // Afterwards one talked, and the other heard neither.
    assert_eq!(at_end(&a, SHORT, all), [true, false, false], "{a}");
    assert_eq!(at_end(&b, SHORT, all), [false, false, false], "{b}");
    assert!(
        b.heard.longest_gap() < Duration::from_secs(1),
        "who waits hears music"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_from_desk_to_browser_and_back_three_times() {
    let rig = Rig::start().await;
    let kitchen = Identity::parse("kitchen").expect("a good name");
    let an_hour = Duration::from_secs(3_600);
    rig.daemon.phone().register(kitchen, an_hour).await;
    rig.rest.set_far_end(
        "client:kitchen",
        FarEnd::answers(|| vec![Step::Speak(tone(BROWSER_HZ, 90))])
            .after(Duration::from_millis(50)),
    );
    rig.sounds(ANNA, ANNA_HZ);
    let call = rig.talks_with(ANNA).await;
    for _ in 0..3 {
        sleep(Duration::from_millis(800)).await;
        rig.does(&call, "move", json!({"to": "browser"})).await;
        rig.until(&call, |call| {
            call["place"] == "browser" && call["state"] == "talking"
        })
        .await;
        sleep(Duration::from_millis(800)).await;
        rig.does(&call, "move", json!({"to": "desk"})).await;
        rig.until(&call, |call| {
            call["place"] == "desk" && call["state"] == "talking"
        })
        .await;
    }
    sleep(Duration::from_millis(800)).await;
    rig.does(&call, "hangup", json!({})).await;
    let report = rig.report(ANNA).await;
    assert_eq!(report.heard.moves().len(), 6, "{report}");
    let gap = report.heard.longest_gap_of_moves().expect("it was moved");
    tell(&format!(
        "the longest silence of six moves: {} ms",
        gap.as_millis()
    ));
    assert!(gap < Duration::from_secs(1), "{gap:?}");
    assert_eq!(at_end(&report, SHORT, [DESK_HZ, BROWSER_HZ]), [true, false]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_handed_to_a_number_that_answers_and_comes_back_from_one_that_does_not() {
    let rig = Rig::start().await;
    rig.sounds(BERT, BERT_HZ);
    let mut plan = CallPlan::new(
        format!("{}/handle_calls", rig.daemon.local_url()),
        rig.account.clone(),
    );
    plan.to = OWN.to_owned();
    plan.rest = Some(&rig.rest);
    plan.script = vec![Step::Speak(tone(ANNA_HZ, 20))];
    let sid = plan.call_sid.clone();
    let person = async {
        rig.until(&sid, |call| call["state"] == "ringing").await;
        rig.does(&sid, "answer", json!({})).await;
        sleep(Duration::from_millis(500)).await;
        rig.rest.set_far_end(BERT, FarEnd::busy());
        rig.does(&sid, "transfer", json!({ "to": BERT })).await;
        rig.until(&sid, |call| {
            call["state"] == "ringing" && call["place"] == "desk"
        })
        .await;
        rig.does(&sid, "answer", json!({})).await;
        sleep(Duration::from_millis(500)).await;
        rig.sounds(BERT, BERT_HZ);
        rig.does(&sid, "transfer", json!({ "to": BERT })).await;
        rig.until(&sid, |call| {
            call["state"] == "talking" && call["place"] == "number"
        })
        .await;
        sleep(Duration::from_millis(1_500)).await;
        rig.does(&sid, "hangup", json!({})).await;
    };
    let (report, ()) = tokio::join!(sim::call(plan), person);
    assert_eq!(
        at_end(&report, SHORT, [DESK_HZ, BERT_HZ]),
        [false, true],
        "{report}"
    );
    rig.until(&sid, |call| call["state"] == "ended").await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_word_two_far_ends_are_connected_and_the_desk_is_out() {
    let rig = Rig::start().await;
    rig.sounds(ANNA, ANNA_HZ);
    rig.sounds(BERT, BERT_HZ);
    let anna = rig.talks_with(ANNA).await;
    let wish = json!({"to": BERT, "attended": true});
    let bert = rig.does(&anna, "transfer", wish).await;
    let bert = bert["id"].as_str().expect("a name").to_owned();
    rig.until(&bert, |call| call["state"] == "talking").await;
    rig.until(&anna, |call| call["held"] == true).await;
    sleep(Duration::from_millis(600)).await;
    rig.does(&anna, "transfer/complete", json!({})).await;
    for call in [&anna, &bert] {
        rig.until(call, |call| call["place"] == "conference").await;
    }
    sleep(Duration::from_millis(2_000)).await;
    rig.does(&anna, "hangup", json!({})).await;
    let (a, b) = (rig.report(ANNA).await, rig.report(BERT).await);
    let all = [DESK_HZ, ANNA_HZ, BERT_HZ];
    let talk = Duration::from_millis(500);
    assert_eq!(at_end(&a, talk, all), [false, false, true], "{a}");
    assert_eq!(at_end(&b, talk, all), [false, true, false], "{b}");
    for (name, report) in [("first", &a), ("second", &b)] {
        let gap = report.heard.longest_gap_of_moves().expect("it was moved");
        tell(&format!(
            "the {name} heard {} ms of silence",
            gap.as_millis()
        ));
        assert!(gap < Duration::from_secs(1), "{name}: {gap:?}");
    }
    rig.until(&bert, |call| call["state"] == "ended").await;
    rig.stop().await;
}
