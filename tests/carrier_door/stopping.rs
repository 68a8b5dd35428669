//! What becomes of sockets when the phone stops, or their own task does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook::audio::stream_port;
use offhook::phone::StreamOffer;
use offhook::pure::ids::{LegId, StreamToken};
use offhook::pure::phone::{Command, Snapshot, Stage};
use tokio::sync::mpsc;

use super::{INCOMING, MARGIN, Rig, STOP, close_code, say};

#[tokio::test]
async fn a_socket_whose_task_breaks_off_ends_its_call() {
    let rig = Rig::start().await;
    let token = rig.rings("CA1").await;
    let (_socket, port) = stream_port();
    let (control, _controlled) = mpsc::channel(1);
    let stream = rig.phone.next_stream();
    let guard = rig.phone.guard_stream(stream);
    let offer = StreamOffer {
        stream,
        leg: LegId::new("CA1"),
        token: StreamToken::new(token),
        port,
        control,
    };
    rig.phone.stream_up(offer).await.expect("let in");
    drop(guard);
    rig.over_within("CA1", Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_phone_that_stops_during_a_call_closes_it_with_a_frame_and_tells_callers_so() {
    // The carrier says that it ends the leg, and does not.
    let rig = Rig::start().await;
    let waiting = rig.rings("CA2").await;
    let mut socket = rig.call("CA1").await;
    let began = Instant::now();
    let others = async {
        let mut snapshots = rig.phone.snapshots();
        let over =
            |snapshot: &Arc<Snapshot>| snapshot.calls.iter().all(|call| call.stage == Stage::Ended);
        snapshots.wait_for(over).await.expect("the phone lives");
        let (status, xml) = rig.hook("/handle_calls", INCOMING).await;
        assert_eq!(status, 200);
        assert!(xml.contains("<Say "), "{xml}");
        let mut late = rig.stream("CA2", &waiting).await;
        assert_eq!(close_code(&mut late).await, Some(1008));
    };
    let (code, (), ()) = tokio::join!(close_code(&mut socket), rig.phone.stop(), others);
    assert_eq!(code, Some(1000));
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(4) + MARGIN,
        "stopped after {took:?}"
    );
    let (status, xml) = rig.hook("/handle_calls", INCOMING).await;
    assert_eq!(
        status, 200,
        "the door is open a moment longer than the phone"
    );
    assert!(xml.contains("<Say "), "{xml}");
}

#[test]
fn when_the_phone_has_stopped_its_close_frames_have_left() {
    let runtime = || tokio::runtime::Runtime::new().expect("threads");
    let (server, client) = (runtime(), runtime());
    let rig = server.block_on(Rig::start());
    let mut socket = client.block_on(rig.call("CA1"));
    server.block_on(rig.phone.stop());
    // Whatever has not left by now never will.
    server.shutdown_background();
    assert_eq!(client.block_on(close_code(&mut socket)), Some(1000));
}

#[tokio::test]
async fn a_phone_without_calls_stops_at_once() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    say(&mut socket, STOP).await;
    rig.over("CA1").await;
    drop(socket);
    let began = Instant::now();
    rig.phone.stop().await;
    assert!(began.elapsed() < MARGIN);
    let refused = rig.phone.command("CA1", Command::HangUp).await;
    assert!(refused.is_err());
}
