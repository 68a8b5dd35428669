//! How long one message of a media socket takes: to write (`message_encode`) and to read (`message_decode`).
//!
//! A call has 50 a second each way, so a microsecond here is a twentieth of a thousandth of the time there is.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use offhook::pure::audio::FRAME_LEN;
use offhook::pure::time::Time;
use offhook::pure::twilio::recut::Recut;
use offhook::pure::twilio::session::{Action, Heard, Session};
use offhook::pure::twilio::stream::{
    StreamCommand, StreamEvent, StreamSid, decode, decode_payload,
};

/// A message as Twilio sends it, with so many bytes of sound.
fn media(number: u64, bytes: usize) -> String {
    use base64::Engine as _;
    let sound: Vec<u8> = (0..bytes).map(|i| (i * 7 % 256) as u8).collect();
    let payload = base64::engine::general_purpose::STANDARD.encode(sound);
    let ms = number * 20;
    format!(
        r#"{{"event":"media","sequenceNumber":"{number}","streamSid":"MZ00000000000000000000000000000001","media":{{"track":"inbound","chunk":"{number}","timestamp":"{ms}","payload":"{payload}"}}}}"#
    )
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("message_encode");
    let sid = StreamSid::parse("MZ00000000000000000000000000000001").expect("plausible");
    let frame: [u8; FRAME_LEN] = std::array::from_fn(|i| (i * 7 % 256) as u8);
    group.throughput(Throughput::Elements(1));
    group.bench_function("frame_160", |b| {
        b.iter(|| StreamCommand::Media(black_box(&frame)).encode(&sid));
    });
    group.finish();
}

fn decode_messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("message_decode");
    group.throughput(Throughput::Elements(1));
    for (name, bytes) in [("frame_160", 160), ("64_kib", 64 * 1024)] {
        let text = media(1, bytes);
        let (mut ulaw, mut recut) = (Vec::new(), Recut::default());
        group.bench_function(name, |b| {
            b.iter(|| {
                let message = decode(black_box(&text)).expect("readable");
                let StreamEvent::Media(media) = message.event else {
                    unreachable!("the message is sound")
                };
                decode_payload(&media.payload, &mut ulaw).expect("base64");
                for frame in recut.cut(&ulaw, media.timestamp_ms, Time::START) {
                    black_box(frame);
                }
            });
        });
    }
    group.bench_function("frame_160_through_the_session", |b| {
        let messages: Vec<String> = (2..1_002).map(|number| media(number, 160)).collect();
        let start = r#"{"event":"start","sequenceNumber":"1","streamSid":"MZ00000000000000000000000000000001","start":{"callSid":"CA1","mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"}}}"#;
        let (mut actions, mut next) = (Vec::new(), messages.iter().cycle());
        let up = |actions: &mut Vec<Action>| {
            let mut session = Session::new(Time::START);
            session.hear(Heard::Text(start), Time::START, actions);
            session.admitted(Time::START);
            actions.clear();
            session
        };
        let mut session = up(&mut actions);
        b.iter(|| {
            let text = next.next().expect("endless");
            // A stream that begins anew with each round: its numbers would else be duplicates.
            if text == &messages[0] {
                session = up(&mut actions);
            }
            session.hear(Heard::Text(text), Time::START, &mut actions);
            black_box(&actions);
            actions.clear();
        });
    });
    group.finish();
}

criterion_group!(benches, encode, decode_messages);
criterion_main!(benches);
