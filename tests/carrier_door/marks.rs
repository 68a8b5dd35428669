//! Marks on the wire: what goes out, and what comes of those that return.

use super::{Rig, STOP, said, say};

#[tokio::test]
async fn marks_that_come_back_tell_what_the_caller_hears_late() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    let stream = rig.phone.snapshots().borrow().calls[0].stream.expect("up");
    let way_up = || rig.phone.media().stats(stream).expect("up").way_up;
    assert_eq!(way_up().caller_ms, None);
    for name in ["x", "offhook-7-1", "offhook-0-99"] {
        say(&mut socket, &mark(name)).await;
    }
    let (mut held, mut sounds, mut least) = (Vec::new(), 0, None);
    // At once at first; then 300 ms late, as a queue of so much sound would have it.
    while way_up().shortened_ms < 200.0 {
        let message = said(&mut socket).await;
        sounds += usize::from(message["event"] == "media");
        let name = message["mark"]["name"].as_str();
        held.extend(name.map(|name| (sounds, name.to_owned())));
        let wait = if sounds < 60 { 0 } else { 15 };
        if sounds == 60 {
            assert_eq!(way_up().shortened_ms, 0.0);
            assert!(
                way_up().caller_ms.is_some_and(|ms| ms < 25.0),
                "{:?}",
                way_up()
            );
            least = way_up().round_trip_ms;
        }
        while held.first().is_some_and(|(sent, _)| sent + wait <= sounds) {
            say(&mut socket, &mark(&held.remove(0).1)).await;
        }
        assert!(sounds < 500, "it is not brought back: {:?}", way_up());
    }
    assert!(least.is_some_and(|ms| ms < 300.0), "{least:?}");
    assert_eq!(way_up().clears, 0);
    say(&mut socket, STOP).await;
    rig.over("CA1").await;
}

fn mark(name: &str) -> String {
    format!(r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}"#)
}
