//! The account's REST side as a program sees it, and what the report says of what it saw.

use offhook::sim::{self, CallReport, DialOutcome, Ended, Rest};

use super::stranger::{Stranger, talk, twiml};
use super::{STREAM, account, assert_fine, codes, plan, until_done, without_stream};

#[tokio::test]
async fn a_call_is_steered_over_rest_while_its_stream_is_up() {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let calls = format!(
        "{}/2010-04-01/Accounts/{}/Calls",
        rest.url(),
        account.account_sid
    );
    for (form, ended, said) in [
        ("Status=completed", Ended::ByRest, ""),
        (
            "Twiml=%3CResponse%3E%3CSay%3EHi%3C%2FSay%3E%3C%2FResponse%3E",
            Ended::ByTwiml,
            "Hi",
        ),
        (
            "Url=https%3A%2F%2Fphone.example.com%2Felsewhere",
            Ended::ByTwiml,
            "There",
        ),
    ] {
        let (address, key, secret) = (
            calls.clone(),
            account.api_key.clone(),
            account.api_secret.clone(),
        );
        let server = Stranger::start(
            |request| match request.path.as_str() {
                "/voice" => twiml(STREAM),
                "/media" => talk(),
                _ => twiml("<Say>There</Say>"),
            },
            move |mut line| {
                let (address, key, secret) = (address.clone(), key.clone(), secret.clone());
                async move {
                    let start = line.until("start").await;
                    let sid = start["start"]["callSid"].as_str().expect("a call");
                    let answer = post(&format!("{address}/{sid}.json"), &key, &secret, form).await;
                    assert_eq!(answer, 200);
                    line.hear_out().await;
                }
            },
        )
        .await;
        let mut plan = plan(&server, 20_000);
        plan.account = account.clone();
        plan.rest = Some(&rest);
        let report = sim::call(plan).await;
        assert_fine(&report);
        assert_eq!(report.ended, ended, "{form}");
        let [request] = report.rest.as_slice() else {
            panic!("{form}: {report}");
        };
        assert_eq!(request.what, format!("POST {}: {form}", report.call_sid));
        assert_eq!((request.status, &request.refused), (200, &None));
        assert_eq!(report.said.concat(), said, "{form}");
        let lines = server.lines().await;
        assert!(
            lines[0].iter().any(|message| message["event"] == "stop"),
            "{form}: the stream was told"
        );
        assert_eq!(rest.status(&report.call_sid).as_deref(), Some("completed"));

        let address = format!("{calls}/{}.json", report.call_sid);
        let (key, secret) = (&account.api_key, &account.api_secret);
        assert_eq!(
            post(&address, key, secret, form).await,
            400,
            "it is over: {form}"
        );
        assert_eq!(post(&address, key, "wrong", form).await, 401);
        let unknown = format!("{calls}/CA00000000000000000000000000000000.json");
        assert_eq!(post(&unknown, key, secret, form).await, 404);
    }
}

/// Posts a form, and returns the status.
async fn post(address: &str, key: &str, secret: &str, form: &'static str) -> u16 {
    // Whoever came first has chosen the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder()
        .no_proxy()
        // To read the system's certificates takes longer than a test may, and plain http needs none.
        .tls_certs_only([])
        .build()
        .expect("a client");
    let request = http
        .post(address)
        .basic_auth(key, Some(secret))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(form);
    request.send().await.expect("an answer").status().as_u16()
}

/// Has a program ask over REST while its stream is up, and returns what the report says of it.
async fn asked(
    key: fn(&sim::Account) -> (String, String),
    path: &'static str,
    form: &'static str,
) -> CallReport {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    let calls = format!(
        "{}/2010-04-01/Accounts/{}/",
        rest.url(),
        account.account_sid
    );
    let (key, secret) = key(&account);
    let (listening, done) = until_done();
    let server = Stranger::with_stream(STREAM, move |mut line| {
        let (calls, key, secret, done) = (calls.clone(), key.clone(), secret.clone(), done.clone());
        async move {
            let start = line.until("start").await;
            let sid = start["start"]["callSid"].as_str().expect("a call");
            let address = format!("{calls}{}", path.replace("SID", sid));
            post(&address, &key, &secret, form).await;
            done.say();
            line.hear_out().await;
        }
    })
    .await;
    let mut plan = plan(&server, 0);
    plan.script = vec![listening];
    plan.account = account;
    plan.rest = Some(&rest);
    sim::call(plan).await
}

#[tokio::test]
async fn what_was_refused_over_rest_is_a_complaint() {
    let right: fn(&sim::Account) -> (String, String) =
        |a| (a.api_key.clone(), a.api_secret.clone());
    let wrong: fn(&sim::Account) -> (String, String) = |a| (a.api_key.clone(), "no".to_owned());
    for (key, path, form, code) in [
        (wrong, "Calls/SID.json", "Status=completed", 20003),
        (right, "Calls/CA0.json", "Status=completed", 20404),
        (right, "Messages.json", "Body=hi", 20404),
        (right, "Calls/SID.json", "Status=canceled", 21220),
        (
            right,
            "Calls/SID.json",
            "Url=https://a.example/&Twiml=x",
            20001,
        ),
    ] {
        let report = asked(key, path, form).await;
        assert_eq!(codes(&report), [code], "{path} {form}: {report}");
        assert_eq!(report.ended, Ended::CallerHungUp, "{path} {form}");
        let json = report.to_json();
        assert_eq!(json["rest"][0]["code"], code);
        assert!(json["rest"][0]["status"].as_u64() >= Some(400));
    }
}

#[tokio::test]
async fn a_call_that_is_canceled_while_it_rings_stays_canceled() {
    let account = account();
    let rest = Rest::start(account.clone()).await.expect("a free port");
    // It rings while the document says to wait, and longer than it takes to ask.
    let server = without_stream(|_| {
        twiml(
            r#"<Pause length="20"/><Dial answerOnBridge="true"><Number>+15145550100</Number></Dial>"#,
        )
    })
    .await;
    let mut plan = plan(&server, 0);
    plan.account = account.clone();
    plan.dial = DialOutcome::Answered(std::time::Duration::from_secs(20));
    plan.rest = Some(&rest);
    let address = format!(
        "{}/2010-04-01/Accounts/{}/Calls/{}.json",
        rest.url(),
        account.account_sid,
        plan.call_sid
    );
    let canceling = async {
        while server.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        post(
            &address,
            &account.api_key,
            &account.api_secret,
            "Status=canceled",
        )
        .await
    };
    let (report, status) = tokio::join!(sim::call(plan), canceling);
    assert_eq!(status, 200);
    assert_fine(&report);
    assert_eq!(report.ended, Ended::ByRest);
    assert_eq!(rest.status(&report.call_sid).as_deref(), Some("canceled"));
    assert!(
        report.dialled.iter().all(|leg| leg.status == "canceled"),
        "{report}"
    );
}
