//! How long everything takes that 20 ms of one call need: a media message in, the speaker's samples, the microphone's
//! samples, a media message out.
//!
//! What is not in it is the network, the sound system and waking threads. The budget is 1 ms for a block of 10 ms, with
//! as many legs as the ear holds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use offhook::audio::DOWN_FRAMES;
use offhook::pure::audio::ear::{COMMANDS, Ear, EarCommand, EarLeg, LegMeter, MOST_LEGS};
use offhook::pure::audio::hold::Music;
use offhook::pure::audio::meeting::way;
use offhook::pure::audio::mouth::Mouth;
use offhook::pure::audio::{DeviceRate, DownFrame, FRAME_LEN, Feed, Route};
use offhook::pure::ids::StreamId;
use offhook::pure::time::Time;
use offhook::pure::twilio::recut::Recut;
use offhook::pure::twilio::stream::{
    StreamCommand, StreamEvent, StreamSid, decode, decode_payload,
};

/// Frames of a callback of 10 ms at 48 kHz.
const BLOCK: usize = 480;

/// A stream's sid, of as many signs as Twilio's.
const SID: &str = "MZ00000000000000000000000000000001";

fn engine_step(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine_step");
    let rows = [
        ("20_ms_at_48000_legs", Feed::Desk, 1),
        ("20_ms_at_48000_legs", Feed::Desk, MOST_LEGS),
        ("20_ms_at_48000_held", Feed::Hold, MOST_LEGS),
        (
            "20_ms_at_48000_meeting",
            Feed::Meeting { desk: true },
            MOST_LEGS,
        ),
    ];
    for (name, feed, legs) in rows {
        let mut engine = Engine::new(legs, feed);
        let microphone: Vec<f32> = (0..2 * BLOCK)
            .map(|n| (n as f32 * 0.05).sin() * 0.5)
            .collect();
        // Long enough that the playout buffer has begun to play.
        let mut carrier = messages();
        for message in carrier.by_ref().take(10) {
            engine.step(message, &microphone);
        }
        group.bench_function(BenchmarkId::new(name, legs), |b| {
            // Writing the carrier's message is not our work.
            b.iter_batched(
                || carrier.next().expect("endless"),
                |message| engine.step(message, black_box(&microphone)),
                BatchSize::SmallInput,
            );
        });
        assert_eq!(
            engine.underruns(),
            0,
            "a step takes from the playout buffer exactly what it brings"
        );
    }
    group.finish();
}

/// Returns what the carrier says every 20 ms, and when.
fn messages() -> impl Iterator<Item = (Duration, String)> {
    let sound: Vec<u8> = (0..FRAME_LEN).map(|n| (n * 7 % 256) as u8).collect();
    let payload = base64::engine::general_purpose::STANDARD.encode(sound);
    (1_u64..).map(move |number| {
        let ms = number * 20;
        let text = format!(
            r#"{{"event":"media","sequenceNumber":"{number}","streamSid":"{SID}","media":{{"track":"inbound","chunk":"{number}","timestamp":"{ms}","payload":"{payload}"}}}}"#
        );
        (Duration::from_millis(ms), text)
    })
}

/// The whole engine on one thread, at a pace of its own.
struct Engine {
    ear: Ear,
    mouth: Mouth,
    streams: Vec<Stream>,
    // Kept: an ear whose commands come from nobody is one that is being taken down.
    _commands: rtrb::Producer<EarCommand>,
    _let_go: rtrb::Consumer<Box<EarLeg>>,
    sid: StreamSid,
    out: [f32; BLOCK],
    far: [f32; BLOCK],
}

/// The socket's side of a leg.
struct Stream {
    down: rtrb::Producer<DownFrame>,
    meter: Arc<LegMeter>,
    recut: Recut,
    ulaw: Vec<u8>,
}

impl Engine {
    fn new(legs: usize, feed: Feed) -> Engine {
        let (mut commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        let mut mouth = Mouth::new(DeviceRate::HZ_48000).with_music(Music::built_in());
        let mut streams = Vec::new();
        for n in 0..legs as u64 {
            let (down, for_leg) = rtrb::RingBuffer::new(DOWN_FRAMES);
            let meter = Arc::new(LegMeter::default());
            let route = Route {
                feed,
                to_speaker: true,
            };
            let (into, meeting) = way();
            let leg =
                EarLeg::new(StreamId(n), for_leg, route, Arc::clone(&meter)).with_meeting(into);
            commands
                .push(EarCommand::Attach(Box::new(leg)))
                .expect("room for every leg");
            mouth.attach_with(StreamId(n), feed, meeting);
            streams.push(Stream {
                down,
                meter,
                recut: Recut::default(),
                ulaw: Vec::new(),
            });
        }
        Engine {
            ear: Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go),
            mouth,
            streams,
            _commands: commands,
            _let_go: let_go,
            sid: StreamSid::parse(SID).expect("plausible"),
            out: [0.0; BLOCK],
            far: [0.0; BLOCK],
        }
    }

    /// Does what 20 ms of sound need, when every leg's carrier says the same.
    fn step(&mut self, (at, text): (Duration, String), microphone: &[f32]) {
        let now = Time::START + at;
        for stream in &mut self.streams {
            let message = decode(&text).expect("readable");
            let StreamEvent::Media(media) = message.event else {
                unreachable!("the message is sound")
            };
            decode_payload(&media.payload, &mut stream.ulaw).expect("base64");
            for frame in stream.recut.cut(&stream.ulaw, media.timestamp_ms, now) {
                stream.down.push(frame).expect("the ear keeps pace");
            }
        }
        for _ in 0..2 {
            self.ear.render(&mut self.out, &mut self.far, now);
            black_box(&self.out);
        }
        self.mouth.push(microphone, |_, frame, _| {
            black_box(StreamCommand::Media(&frame.ulaw).encode(&self.sid));
        });
    }

    /// Returns how often any leg had nothing to play.
    fn underruns(&self) -> u64 {
        self.streams
            .iter()
            .map(|stream| stream.meter.counts().underruns)
            .sum()
    }
}

criterion_group!(benches, engine_step);
criterion_main!(benches);
