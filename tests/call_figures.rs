//! What is known of a call, from the sound to whoever asks: while they talk in `status`, over HTTP and for Prometheus;
//! afterwards in the list of the last calls, which a restart does not lose.

#[path = "common/rig.rs"]
mod rig;

use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use offhook::config::{Secret, Settings};
use offhook::control::PastCall;
use offhook::daemon::Daemon;
use offhook::pure::audio::device::DeviceChoice;
use offhook::pure::phone::{AutoAnswer, CallView, Stage};
use offhook::pure::quality::{CallQuality, Verdict};
use offhook::sim::{self, Account, CallPlan, Rest, Step, voice};
use serde_json::Value;
use tokio::sync::oneshot;

/// Whatever is awaited comes within this, or the test fails.
const LIMIT: Duration = Duration::from_secs(60);

const CALLER: &str = "+15145550123";

/// An account whose REST interface answers, and what a phone of it is set to.
async fn account(folder: &Path) -> (Account, Rest, Settings) {
    let account = Account {
        auth_token: rig::AUTH_TOKEN.to_owned(),
        ..Account::made_up()
    };
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let mut settings = rig::settings(folder);
    settings.twilio.account_sid = account.account_sid.clone();
    settings.twilio.api_key = account.api_key.clone();
    settings.twilio.api_secret = Secret::new(account.api_secret.clone());
    settings.twilio.api_base_url = rest.url().parse().expect("an address");
    settings.auto_answer = AutoAnswer::After(Duration::ZERO);
    settings.audio.capture = DeviceChoice::Loopback;
    settings.audio.playout = DeviceChoice::Loopback;
    (account, rest, settings)
}

/// A call that is answered at once, in which the caller speaks and then waits for the word to hang up.
fn plan<'a>(
    daemon: &Daemon,
    account: &Account,
    rest: &'a Rest,
    hang_up: oneshot::Receiver<()>,
) -> CallPlan<'a> {
    let webhook = format!("{}/handle_calls", daemon.local_url());
    let mut plan = CallPlan::new(webhook, account.clone());
    plan.from = CALLER.to_owned();
    plan.to = "+18199754345".to_owned();
    plan.rest = Some(rest);
    plan.script = vec![
        Step::Speak(voice::greeting(offhook::lang::Lang::En)[..24_000].to_vec()),
        Step::WaitFor(hang_up),
    ];
    plan
}

/// Waits until what is known of a call is as it should be.
async fn until(
    daemon: &Daemon,
    is_so: impl Fn(&CallView, Option<&CallQuality>) -> bool,
) -> (CallView, Option<CallQuality>) {
    let waiting = async {
        loop {
            let snapshot = daemon.phone().snapshots().borrow().clone();
            for call in &snapshot.calls {
                let quality = daemon.phone().quality(&call.id);
                if is_so(call, quality.as_ref()) {
                    return (call.clone(), quality);
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let found = tokio::time::timeout(LIMIT, waiting).await;
    found.expect("it comes to that in time")
}

/// Asks over HTTP, with the key.
async fn get(daemon: &Daemon, path: &str) -> String {
    let asked = reqwest::Client::new()
        .get(format!("{}{path}", daemon.local_url()))
        .bearer_auth(rig::API_KEY)
        .send();
    let answer = asked.await.expect("it listens");
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.expect("a text")
}

/// Runs the program's `status` beside the daemon.
async fn status(folder: &Path, arguments: &[&str]) -> String {
    let mut process = Process::new(env!("CARGO_BIN_EXE_offhook"));
    process
        .env_clear()
        .env("HOME", folder)
        .env("OFFHOOK_SOCKET", folder.join("control.sock"))
        .current_dir(folder)
        .arg("status")
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || process.output());
    let output = output.await.expect("no panic").expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_known_while_they_talk_and_remembered_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (account, rest, settings) = account(folder).await;
    let daemon = Daemon::start(settings.clone()).await.expect("it starts");
    assert_eq!(daemon.phone().past_calls().await, Ok(Vec::new()));

    let (hang_up, hung_up) = oneshot::channel();
    let watching = async {
        let (call, quality) = until(&daemon, |call, quality| {
            call.stage == Stage::Talking
                && quality.is_some_and(|known| {
                    known.seconds >= 3 && known.far_end.is_some() && known.jitter_ms.is_some()
                })
        })
        .await;
        let quality = quality.expect("it was just seen");
        let rating = quality.rating.expect("the delay is known by now");
        assert!((1.0..=4.5).contains(&rating.mos.now), "{rating:?}");
        assert_eq!(rating.word, Verdict::of(rating.r.mean));
        for (name, figure) in [("up", quality.up_ms), ("down", quality.down_ms)] {
            let figure = figure.unwrap_or_else(|| panic!("{name} is not known"));
            assert!(
                figure.mean > 0.0 && figure.worst >= figure.now,
                "{figure:?}"
            );
        }
        // The loopback microphone hears what the caller said.
        let loudness = quality.far_end.expect("it was waited for");
        assert!(
            (-40.0..-5.0).contains(&loudness.speech_dbfs),
            "{loudness:?}"
        );

        let page = status(folder, &[]).await;
        for words in [
            "    quality    ",
            "    delay      ",
            "    loudness   far end -",
        ] {
            assert!(page.contains(words), "{words} is missing:\n{page}");
        }
        let json: Value = serde_json::from_str(&status(folder, &["--json"]).await).expect("JSON");
        assert!(json["calls"][0]["quality"]["rating"]["mos"]["mean"].is_number());
        let over_http = get(&daemon, &format!("/api/calls/{}", call.id)).await;
        let over_http: Value = serde_json::from_str(&over_http).expect("JSON");
        assert_eq!(over_http["state"], "talking");
        assert!(over_http["quality"]["down_ms"]["now"].is_number());
        let figures = get(&daemon, "/metrics").await;
        for name in ["offhook_call_mos{", "offhook_stream_jitter_seconds{"] {
            assert!(figures.contains(name), "{name} is missing:\n{figures}");
        }
        hang_up.send(()).expect("the caller waits for it");
    };
    let (report, ()) = tokio::join!(sim::call(plan(&daemon, &account, &rest, hung_up)), watching);
    assert!(report.is_fine(), "{report}");
    until(&daemon, |call, _| call.stage == Stage::Ended).await;

    // One more, which goes on when the phone is switched off.
    let (_never, hung_up) = oneshot::channel();
    let second = plan(&daemon, &account, &rest, hung_up);
    let stopping = async {
        until(&daemon, |call, quality| {
            call.stage == Stage::Talking && quality.is_some()
        })
        .await;
        daemon.phone().stop().await;
    };
    tokio::join!(sim::call(second), stopping);
    daemon.stop().await;

    let daemon = Daemon::start(settings).await.expect("it starts again");
    let kept = daemon
        .phone()
        .past_calls()
        .await
        .expect("the database answers");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(kept[0].end_reason.as_deref(), Some("hung_up_here"));
    let first = &kept[1];
    assert_eq!(first.from, CALLER);
    assert_eq!(first.end_reason.as_deref(), Some("hung_up_there"));
    assert!(first.talk_seconds >= 3, "{first:?}");
    let quality = first.quality.as_ref().expect("it was at the desk");
    assert!(
        quality.rating.is_some() && quality.far_end.is_some(),
        "{quality:?}"
    );

    let printed = status(folder, &["--calls", "--json"]).await;
    let printed: Vec<PastCall> = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(printed, kept);
    let page = status(folder, &["--calls"]).await;
    assert_eq!(page.lines().count(), 2, "{page}");
    for words in [CALLER, "(MOS ", "(hung up there)"] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
    daemon.stop().await;
}
