//! Settings that are looked at and changed while the daemon runs, from the command line and over HTTP.

use super::*;

/// Asks with the right key, and returns status and JSON.
fn api(daemon: &Daemon, method: &str, body: &str) -> (u16, Value) {
    let (status, body) = daemon.http(method, "/api/settings", Some(API_KEY), body);
    (status, serde_json::from_str(&body).expect("JSON"))
}

/// Runs a verb that is to succeed, and returns what it prints.
fn told(daemon: &Daemon, words: &[&str]) -> String {
    let output = daemon.ask(words);
    let code = output.status.code();
    assert_eq!(code, Some(0), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

/// Returns the document for somebody who rings.
fn rings(daemon: &Daemon, leg: &str) -> String {
    let leg = format!("CallSid={leg}");
    let mut post = daemon.place.command(&["sim", "post", "/handle_calls"]);
    post.env("PORT", daemon.port.to_string());
    post.args([&leg, "From=+15145550123", "To=+15145550100"]);
    let output = post.output().expect("the program runs");
    text(&output.stdout)
}

fn has_stream(daemon: &Daemon, leg: &str) -> bool {
    rings(daemon, leg).contains("<Stream")
}

#[test]
fn a_setting_is_told_with_where_it_stands_and_a_change_holds_at_once_and_after_a_restart() {
    let daemon = Daemon::start(&["--volume", "60"], &[("OFFHOOK_API_KEY", API_KEY)]);
    let (status, all) = api(&daemon, "GET", "");
    assert_eq!(status, 200);
    let of = |name: &str| all["settings"][name].clone();
    assert_eq!(
        (&of("volume")["value"], &of("volume")["source"]),
        (&json!(60), &json!("flag"))
    );
    assert_eq!(
        of("twilio_account_sid")["value"],
        "AC00112233445566778899aabbccddeeff"
    );
    assert_eq!(of("twilio_auth_token")["value"], Value::Null);
    assert_eq!(of("twilio_auth_token")["set"], true);
    for secret in [AUTH_TOKEN, API_SECRET, API_KEY] {
        assert!(!all.to_string().contains(secret));
        assert!(!told(&daemon, &["settings"]).contains(secret));
    }

    assert!(has_stream(&daemon, "CA1"), "the desk rings");
    let (status, changed) = api(&daemon, "PATCH", r#"{"ring":"browser","volume":"-5"}"#);
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["settings"]["volume"]["value"], 55);
    assert!(!has_stream(&daemon, "CA2"), "it is left in peace");
    api(&daemon, "PATCH", r#"{"ring_seconds":33}"#);
    daemon.http("GET", "/api/token?identity=kitchen", Some(API_KEY), "");
    let document = rings(&daemon, "CA5");
    assert!(document.contains("timeout=\"33\""), "{document}");
    assert_eq!(
        told(&daemon, &["settings", "ring"]),
        "ring  browser  (changed while it ran)"
    );
    assert_eq!(told(&daemon, &["volume", "+10"]), "65");
    assert_eq!(told(&daemon, &["volume", "-20", "--ring"]), "80");
    assert_eq!(told(&daemon, &["dnd", "on"]), told(&daemon, &["dnd"]));

    // Without the flag now: what was changed stands above the settings, whatever they say.
    let daemon = daemon.again();
    let both: Value = serde_json::from_str(&told(&daemon, &["volume", "--json"])).expect("JSON");
    assert_eq!(both, json!({"volume": 65, "ring_volume": 80}));
    assert!(!has_stream(&daemon, "CA3"));
    let status = daemon.until(|_| true);
    assert_eq!(status["do_not_disturb"], true);
    assert_eq!(
        told(&daemon, &["settings", "--reset", "volume"]),
        "volume  100  (default)"
    );
    told(&daemon, &["settings", "do-not-disturb", "--reset"]);
    told(&daemon, &["settings", "OFFHOOK_RING", "desk"]);
    assert!(has_stream(&daemon, "CA4"));
}

#[test]
fn a_change_that_is_refused_says_what_why_and_what_would_do_in_the_form_that_is_wanted() {
    let daemon = Daemon::start(&[], &[("OFFHOOK_API_KEY", API_KEY)]);
    let wrong = r#"{"ring_seconds":3,"colour":"red","volume":40}"#;
    let (status, told) = api(&daemon, "PATCH", wrong);
    assert_eq!(status, 400);
    let message = told["error"]["message"].as_str().expect("a sentence");
    for word in ["`ring_seconds`", "`3`", "from 5 to 600", "`colour`"] {
        assert!(message.contains(word), "{message}");
    }
    let (_, all) = api(&daemon, "GET", "");
    assert_eq!(all["settings"]["volume"]["value"], 100, "all or nothing");
    for (body, code) in [
        ("[]", "invalid_json"),
        ("ring=desk", "invalid_json"),
        (r#"{"port":80}"#, "fixed_setting"),
        (r#"{"colour":"red"}"#, "unknown_setting"),
    ] {
        let (status, told) = api(&daemon, "PATCH", body);
        assert_eq!((status, &told["error"]["code"]), (400, &json!(code)));
    }
    for (words, code) in [
        (vec!["settings", "ring", "kitchen"], "invalid_setting"),
        (vec!["settings", "colour"], "unknown_setting"),
        (vec!["settings", "port", "80"], "fixed_setting"),
        (vec!["volume", "101"], "invalid_setting"),
        (vec!["volume", "loud"], "invalid_setting"),
    ] {
        let output = daemon.ask(&words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{words:?}");
        let output = daemon.ask(&[words, vec!["--json"]].concat());
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stdout), "");
        let told: Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(told["error"]["code"], code, "{told}");
    }
}
