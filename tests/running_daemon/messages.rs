//! Messages and the greeting, from the command line of the program as it runs.

use offhook::pure::recording::wav;

use super::*;

#[test]
fn messages_and_the_greeting_are_kept_from_the_command_line() {
    let place = Place::new();
    let (name, recordings) = (
        "20260101T000000Z-voicemail-c1.wav",
        place.state().join("recordings"),
    );
    std::fs::create_dir_all(&recordings).expect("made");
    let message = wav::of_line(&vec![1_000; 80_000]);
    std::fs::write(recordings.join(name), &message).expect("written");
    let own = place.path().join("own.wav");
    std::fs::write(&own, wav::of_line(&vec![1_000; 24_000])).expect("written");
    let daemon = Daemon::start_in(place, &[], &[]);
    let told = |arguments: &[&str]| {
        let output = daemon.ask(arguments);
        let code = output.status.code();
        assert_eq!(code, Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let listed = told(&["voicemail"]);
    assert!(
        listed.contains("  new  ") && listed.contains(name),
        "{listed}"
    );
    assert!(told(&["status"]).contains("new messages: 1"));
    assert!(told(&["status", "--lang", "fr"]).contains("nouveaux messages : 1"));
    let all: Value = serde_json::from_str(&told(&["voicemail", "--json"])).expect("JSON");
    assert_eq!(
        (&all[0]["id"], &all[0]["heard"]),
        (&json!(name), &json!(false))
    );
    assert_eq!(
        told(&["voicemail", "play"]),
        format!("playing at the desk: {name}\n")
    );
    assert_eq!(told(&["voicemail", "stop"]), format!("stopped: {name}\n"));
    assert_eq!(told(&["voicemail", "stop"]), "nothing is being played\n");
    assert!(!told(&["voicemail"]).contains("  new  "), "it was heard");
    assert!(told(&["voicemail", "unheard", name]).contains("  new  "));
    assert_eq!(
        told(&["voicemail", "export", name, "a.wav"]),
        "written: a.wav\n"
    );
    let copy = std::fs::read(daemon.place.path().join("a.wav")).expect("there");
    assert_eq!(copy, message);
    let again = daemon.ask(&["recordings", "export", name, "a.wav"]);
    assert_eq!(again.status.code(), Some(1), "what is there stays");

    assert!(told(&["voicemail", "greeting"]).starts_with("callers hear the built-in greeting"));
    let own = own.display().to_string();
    let imported = told(&["voicemail", "greeting", "import", &own]);
    assert_eq!(imported, "callers hear your own greeting, in seconds: 3\n");
    let removed = told(&["voicemail", "greeting", "remove"]);
    assert!(
        removed.starts_with("callers hear the built-in greeting"),
        "{removed}"
    );
    let nothing = daemon.ask(&["voicemail", "greeting", "stop"]);
    assert!(text(&nothing.stderr).contains("no greeting is being recorded"));
    assert_eq!(
        daemon.ask(&["voicemail", "greeting", "sing"]).status.code(),
        Some(2)
    );

    assert_eq!(
        told(&["voicemail", "delete", name]),
        format!("deleted: {name}\n")
    );
    assert_eq!(told(&["voicemail"]), "no messages\n");
    let gone = daemon.ask(&["voicemail", "play", name]);
    assert_eq!(text(&gone.stderr), "error: there is no such message\n");
    assert_eq!(daemon.ask(&["voicemail", "delete"]).status.code(), Some(2));
}
