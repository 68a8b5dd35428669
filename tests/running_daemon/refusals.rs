//! What the command line says, and ends with, where something is not done.

use super::*;

/// Runs a verb that is refused, and returns its exit code and what a program reads of it.
fn refused(daemon: &Daemon, words: &[&str]) -> (Option<i32>, Value) {
    let output = daemon.ask(&[words, &["--json"]].concat());
    assert_eq!(text(&output.stdout), "", "{words:?}");
    let told = text(&output.stderr);
    let error: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{words:?}: {told}"));
    let message = error["error"]["message"].as_str().expect("a sentence");
    assert!(!message.is_empty());
    (output.status.code(), error["error"]["code"].clone())
}

#[test]
fn what_is_mistyped_ends_with_2_and_what_cannot_be_done_with_1_both_in_json_where_it_is_wanted() {
    let daemon = Daemon::start(&[], &[]);
    for (words, exit, code) in [
        (vec!["dtmf", "x"], 2, "invalid_digits"),
        (vec!["move", "nowhere"], 2, "not_a_number"),
        (vec!["call", "12"], 2, "not_a_number"),
        (vec!["call", "+15145550100,x"], 2, "invalid_digits"),
        (
            vec!["call", "+15145550100", "--idempotency-key", ""],
            2,
            "invalid_idempotency_key",
        ),
        (vec!["history", "--from", "2026-02-31"], 2, "invalid_query"),
        (vec!["block", "add", "*"], 2, "invalid_pattern"),
        (vec!["hold", "--loudly"], 2, "usage"),
        (vec!["mute", "perhaps"], 2, "usage"),
        (vec!["call", "911"], 1, "emergency_number"),
        (vec!["hold"], 1, "no_such_call"),
        (vec!["hangup"], 1, "no_such_call"),
        (vec!["block", "remove", "+1900*"], 1, "not_blocked"),
        (vec!["contacts", "import", "junk.vcf"], 1, "no_contacts"),
    ] {
        std::fs::write(daemon.place.path().join("junk.vcf"), "no card at all").expect("written");
        let (came, told) = refused(&daemon, &words);
        assert_eq!((came, told), (Some(exit), json!(code)), "{words:?}");
    }
    let alone = Place::new();
    let output = alone.command(&["status", "--json"]).output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(told["error"]["code"], "failed");
}

#[test]
fn a_call_that_ended_stands_last_and_the_history_says_why() {
    let daemon = Daemon::start(&[], &[]);
    let first = daemon.call(&["--call-sid", "CA1", "--listen", "60"]);
    daemon.until(|status| status["calls"][0]["state"] == "ringing");
    assert_eq!(daemon.ask(&["reject"]).status.code(), Some(0));
    daemon.until(|status| status["calls"][0]["state"] == "ended");
    let second = daemon.call(&["--call-sid", "CA2", "--listen", "60"]);
    daemon.until(|status| status["calls"][1]["state"] == "ringing");
    let page = text(&daemon.ask(&["status"]).stdout);
    let (live, over) = (page.find("  ringing  "), page.find("  ended  "));
    assert!(live.is_some() && live < over, "{page}");
    let history = text(&daemon.ask(&["history"]).stdout);
    assert!(history.contains("(turned away)"), "{history}");
    drop((first, second));
}
