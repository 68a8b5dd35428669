//! Media sockets that end, break, never fall silent or take nothing.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::bare_phone::LIMIT;
use super::{MARGIN, Rig, SMALL, STOP, close_code, say, sound};

#[tokio::test]
async fn after_stop_nothing_more_comes_but_a_close() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    say(&mut socket, STOP).await;
    rig.over_within("CA1", Duration::from_millis(200)).await;
    let began = Instant::now();
    let mut texts = 0;
    let code = loop {
        let message = timeout(LIMIT, socket.next()).await.expect("in time");
        match message.expect("a close frame").expect("an open socket") {
            Message::Text(_) => texts += 1,
            Message::Close(frame) => break frame.map(|frame| u16::from(frame.code)),
            Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_) => {}
        }
    };
    assert_eq!(code, Some(1000));
    // What was on its way when `stop` came; two seconds of sound would be a hundred.
    assert!(texts < 20, "{texts} messages came after `stop`");
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(2) + MARGIN,
        "closed after {took:?}"
    );
    rig.call("CA2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_never_stops_talking_puts_no_end_off() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    say(&mut socket, STOP).await;
    let began = Instant::now();
    let raw = socket.get_ref().as_fd().try_clone_to_owned();
    let raw = std::net::TcpStream::from(raw.expect("another handle"));
    let end = raw.try_clone().expect("one more");
    let talking = std::thread::spawn(move || talk_without_end(raw));
    let closed = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    let code: Option<u16> = timeout(LIMIT, closed).await.expect("in time");
    let took = began.elapsed();
    assert_eq!(code, Some(1000));
    // Talking so much keeps the machine busy; unchecked, the close would never come.
    assert!(took < Duration::from_secs(2) + 4 * MARGIN, "after {took:?}");
    // Whatever the other side does.
    let _ = end.shutdown(std::net::Shutdown::Both);
    drop(socket);
    drop(rig);
    talking.join().expect("it ends with the socket");
}

/// Writes tiny messages by the thousand until the other side has gone: more than anybody can read up.
fn talk_without_end(mut socket: std::net::TcpStream) {
    use std::io::Write as _;
    // Masked text frames of two characters; the mask is zero.
    let much = [0x81, 0x82, 0, 0, 0, 0, b'{', b'}'].repeat(8_192);
    let mut written = 0;
    loop {
        match socket.write(&much[written..]) {
            Ok(n) => written = (written + n) % much.len(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(_) => return,
        }
    }
}

#[tokio::test]
async fn the_longest_message_of_sound_is_heard_whole() {
    let rig = Rig::start().await;
    let mut socket = rig.call("CA1").await;
    let payload = base64::engine::general_purpose::STANDARD.encode(vec![0xff; 64 * 1024]);
    let media = format!(
        r#"{{"event":"media","sequenceNumber":"2","streamSid":"MZ1","media":{{"track":"inbound","chunk":"1","timestamp":"0","payload":"{payload}"}}}}"#
    );
    say(&mut socket, &media).await;
    let stream = rig.phone.snapshots().borrow().calls[0].stream.expect("up");
    let heard = async {
        let frames = || rig.phone.media().stats(stream).map_or(0, |s| s.frames_down);
        while frames() < 410 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, heard)
        .await
        .expect("all 410 frames are heard");
}

#[tokio::test]
async fn a_socket_that_is_closed_half_closed_reset_or_broken_ends_its_call_and_no_other() {
    /// A call is over so soon after its socket is.
    const LOST: Duration = Duration::from_secs(1);
    let rig = Rig::start().await;

    let mut closed = rig.call("CA1").await;
    closed.close(None).await.expect("an open socket");
    rig.over_within("CA1", LOST).await;

    let mut half = rig.call("CA2").await;
    half.get_mut().shutdown().await.expect("an open socket");
    rig.over_within("CA2", LOST).await;

    let reset = rig.call("CA3").await;
    reset.get_ref().set_zero_linger().expect("an open socket");
    drop(reset);
    rig.over_within("CA3", LOST).await;

    let mut broken = rig.call("CA4").await;
    broken
        .get_mut()
        .write_all(&[0xff; 64])
        .await
        .expect("an open socket");
    assert_eq!(close_code(&mut broken).await, Some(1002));
    rig.over_within("CA4", LOST).await;

    let mut no_text = rig.call("CA5").await;
    // A masked text frame of one byte that is no UTF-8; the mask is zero.
    no_text
        .get_mut()
        .write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff])
        .await
        .expect("an open socket");
    assert_eq!(close_code(&mut no_text).await, Some(1007));
    rig.over_within("CA5", LOST).await;

    let mut huge = rig.call("CA6").await;
    // The beginning of a masked text frame of 5 MiB.
    huge.get_mut()
        .write_all(&[0x81, 0xff, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0])
        .await
        .expect("an open socket");
    assert_eq!(close_code(&mut huge).await, Some(1009));
    rig.over("CA6").await;

    rig.call("CA7").await;
}

#[tokio::test]
async fn what_a_carrier_does_not_take_in_time_is_shed_and_does_not_wait() {
    let little = TcpSocket::new_v4().expect("a socket");
    little.set_send_buffer_size(SMALL).expect("a socket");
    little
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let rig = Rig::on(little.listen(8).expect("a port"), |_| {}).await;
    let began = Instant::now();
    let mut socket = rig.call("CA1").await;
    // Not a wait for something, but what is tried: a carrier that reads nothing for a while.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut came = 1;
    while began.elapsed() < Duration::from_secs(4) {
        sound(&mut socket).await;
        came += 1;
    }
    let spoken = began.elapsed().as_millis() / 20;
    // A second's sound, and what the buffers held; had all of it waited, it would be four seconds'.
    assert!(came * 4 < spoken * 3, "{came} of {spoken} frames came");
    assert!(came >= 25, "{came} frames came, so the call did not go on");
    let stream = rig.phone.snapshots().borrow().calls[0].stream.expect("up");
    let shed = rig
        .phone
        .media()
        .stats(stream)
        .expect("up")
        .way_up
        .shed_frames;
    assert!(shed > 50, "{shed} frames were shed");
    say(&mut socket, STOP).await;
    rig.over("CA1").await;
}
