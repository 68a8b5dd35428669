//! Somebody who watches over the control socket and does not read.

use offhook::control::{DaemonDesk, LogLine, Server, watch};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_is_told_what_was_lost_and_how_everything_stands_and_then_misses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = rig::settings(folder.path());
    let phone = bare_phone::phone(&settings, Instant::now()).await;
    let desk = DaemonDesk::new(
        phone.clone(),
        "here".to_owned(),
        "there".to_owned(),
        Vec::new(),
    );
    let server = Server::start(&settings.socket, desk).expect("a socket");
    let path = settings.socket.clone();
    let begun = tokio::task::spawn_blocking(move || {
        let mut watch = watch(&path, None).expect("told");
        let first = watch.next_line().expect("understood").expect("there").1;
        (watch, first)
    });
    let (mut watch, first) = begun.await.expect("not panicked");
    let LogLine::Snapshot(first) = first else {
        panic!("{first:?}");
    };
    // Far more than the socket's buffers and the log hold.
    let switches = 6_000;
    for n in 0..switches {
        phone.do_not_disturb(n % 2 == 0).await;
    }
    let last = first.seq + switches;
    let read = tokio::task::spawn_blocking(move || {
        let (mut seen, mut lost) = (first.seq, 0);
        while seen < last {
            match watch.next_line().expect("understood").expect("there").1 {
                LogLine::Event(event) => {
                    assert_eq!(event.seq, seen + 1);
                    seen = event.seq;
                }
                LogLine::Lost(told) => {
                    assert_eq!((told.after, told.reason.as_str()), (seen, "overtaken"));
                    lost += 1;
                    let line = watch.next_line().expect("understood").expect("there").1;
                    let LogLine::Snapshot(snapshot) = line else {
                        panic!("{line:?}");
                    };
                    assert!(snapshot.seq > seen);
                    seen = snapshot.seq;
                }
                LogLine::Snapshot(snapshot) => panic!("without a loss: {snapshot:?}"),
            }
        }
        lost
    });
    let lost = timeout(LIMIT, read).await.expect("in time");
    assert!(lost.expect("not panicked") >= 1);
    phone.stop().await;
    drop(server);
}
