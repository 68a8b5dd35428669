//! A whole meeting: far ends through the ear, over the rings, out of the mouth, each half on a clock of its own.

use std::sync::Arc;

use super::ear::{COMMANDS, Ear, EarCommand, EarLeg};
use super::meeting::way;
use super::mouth::Mouth;
use super::{DeviceRate, DownFrame, FRAME_LEN, Feed, Route, g711};
use crate::pure::ids::StreamId;
use crate::pure::time::Time;

const TAU: f32 = std::f32::consts::TAU;

const ALL_IN: Feed = Feed::Meeting { desk: true };

/// Far ends that each say a tone of their own, and a desk.
struct Table {
    ear: Ear,
    mouth: Mouth,
    commands: rtrb::Producer<EarCommand>,
    _let_go: rtrb::Consumer<Box<EarLeg>>,
    legs: Vec<(f32, rtrb::Producer<DownFrame>)>,
    loud: f32,
    desk: f32,
    /// The microphone's clock against the speaker's.
    ppm: f64,
    blocks: u64,
    captured: u64,
    frames: u64,
    heard: Vec<Vec<f32>>,
}

impl Table {
    fn new(tones: &[f32], loud: f32, ppm: f64) -> Table {
        let (commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        let mut table = Table {
            ear: Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go),
            mouth: Mouth::new(DeviceRate::HZ_48000),
            commands,
            _let_go: let_go,
            legs: Vec::new(),
            loud,
            desk: 0.0,
            ppm,
            blocks: 0,
            captured: 0,
            frames: 0,
            heard: vec![Vec::new(); tones.len()],
        };
        for hz in tones {
            let (down, for_leg) = rtrb::RingBuffer::new(100);
            let (into, out) = way();
            let stream = StreamId(table.legs.len() as u64);
            let route = Route {
                feed: ALL_IN,
                to_speaker: true,
            };
            let leg = EarLeg::new(stream, for_leg, route, Arc::default()).with_meeting(into);
            table.tell(EarCommand::Attach(Box::new(leg)));
            table.mouth.attach_with(stream, ALL_IN, out);
            table.legs.push((*hz, down));
        }
        table
    }

    fn tell(&mut self, command: EarCommand) {
        self.commands.push(command).expect("room");
    }

    fn route(&mut self, leg: u64, feed: Feed) {
        let route = Route {
            feed,
            to_speaker: true,
        };
        self.tell(EarCommand::Route(StreamId(leg), route));
        self.mouth.feed(StreamId(leg), feed);
    }

    /// Lets all talk for so many ms of the speaker's clock.
    fn talk(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            let now = Time::from_micros(self.blocks * 10_000);
            while self.frames * 2 <= self.blocks {
                for (hz, down) in &mut self.legs {
                    let first = self.frames as usize * FRAME_LEN;
                    let ulaw = std::array::from_fn(|n| {
                        let at = ((first + n) % 8_000) as f32;
                        g711::encode_f32((at * *hz * TAU / 8_000.0).sin() * self.loud)
                    });
                    let frame = DownFrame {
                        at: first as u64,
                        len: FRAME_LEN as u8,
                        ulaw,
                        arrived: now,
                    };
                    // Whoever was let go is no longer listened to.
                    let _ = down.push(frame);
                }
                self.frames += 1;
            }
            let (mut out, mut far) = ([0.0; 480], [0.0; 480]);
            self.ear.render(&mut out, &mut far, now);
            self.blocks += 1;
            let due = (self.blocks * 480) as f64 * (1.0 + self.ppm / 1e6) - 100.0;
            while ((self.captured + 480) as f64) < due {
                let voice: Vec<f32> = (self.captured..self.captured + 480)
                    .map(|n| ((n % 48_000) as f32 * 350.0 * TAU / 48_000.0).sin() * self.desk)
                    .collect();
                let heard = &mut self.heard;
                self.mouth.push(&voice, |stream, frame, _| {
                    heard[stream.0 as usize].extend(frame.ulaw.map(g711::decode_f32));
                });
                self.captured += 480;
            }
        }
    }
}

fn steepest(sound: &[f32]) -> f32 {
    let steps = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    steps.fold(0.0, f32::max)
}

/// The amplitude of one frequency, in a window that hides the others.
fn amplitude(sound: &[f32], hz: f32) -> f32 {
    let (mut re, mut im, mut weight) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (n, sample) in sound.iter().enumerate() {
        let at = n as f64 / sound.len() as f64 * std::f64::consts::TAU;
        let window = 0.42 - 0.5 * at.cos() + 0.08 * (2.0 * at).cos();
        let phase = std::f64::consts::TAU * f64::from(hz) * n as f64 / 8_000.0;
        re += f64::from(*sample) * window * phase.cos();
        im += f64::from(*sample) * window * phase.sin();
        weight += window;
    }
    (2.0 * re.hypot(im) / weight) as f32
}

const TONES: [f32; 3] = [500.0, 820.0, 1_310.0];

#[test]
fn each_of_three_hears_the_desk_and_the_other_two_and_never_itself() {
    for ppm in [-200.0, 200.0] {
        let mut table = Table::new(&TONES, 0.15, ppm);
        table.desk = 0.15;
        table.talk(20_000);
        for (leg, heard) in table.heard.iter().enumerate() {
            for piece in heard[16_000..].chunks_exact(1_600) {
                for (other, hz) in TONES.iter().enumerate() {
                    let loud = amplitude(piece, *hz);
                    let told = format!("{ppm} ppm: {leg} hears {other} at {loud}");
                    if leg == other {
                        assert!(loud < 0.001, "{told}");
                    } else {
                        assert!((0.14..0.16).contains(&loud), "{told}");
                    }
                }
                let desk = amplitude(piece, 350.0);
                assert!((0.14..0.16).contains(&desk), "{leg}: {desk}");
            }
        }
    }
}

#[test]
fn a_muted_desk_is_heard_by_nobody_and_who_is_elsewhere_neither_hears_nor_is_heard() {
    let mut table = Table::new(&TONES, 0.15, 0.0);
    table.desk = 0.15;
    for leg in 0..3 {
        table.route(leg, Feed::Meeting { desk: false });
    }
    table.route(2, Feed::Silence);
    table.talk(3_000);
    let late = |leg: usize| &table.heard[leg][16_000..];
    assert!(amplitude(late(0), 350.0) < 0.001);
    assert!(amplitude(late(0), TONES[1]) > 0.14);
    assert!(amplitude(late(0), TONES[2]) < 0.001);
    assert!(late(2).iter().all(|sample| *sample == 0.0));
}

#[test]
fn three_loud_talkers_and_a_loud_desk_stay_below_full_scale() {
    let mut table = Table::new(&TONES, 1.0, 50.0);
    table.desk = 1.0;
    table.talk(5_000);
    for heard in &table.heard {
        let peak = heard.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        // -3 dBFS, and what mu-law makes of it.
        assert!((0.4..0.74).contains(&peak), "{peak}");
    }
}

#[test]
fn whoever_comes_goes_or_hangs_up_in_the_middle_of_a_word_makes_no_click() {
    for turn in 0..20 {
        let mut table = Table::new(&TONES, 0.15, 100.0);
        table.talk(600 + 10 * turn);
        table.route(1, Feed::Hold);
        table.talk(200);
        table.route(1, ALL_IN);
        table.talk(300);
        table.route(0, Feed::Meeting { desk: false });
        table.talk(50);
        table.tell(EarCommand::Detach(StreamId(2)));
        table.mouth.detach(StreamId(2));
        table.talk(200);
        // Both other tones, a seam of 5 ms and a frame's ramp of each, and mu-law's steps.
        let most = 0.3 * 1_310.0 * TAU / 8_000.0 + 0.15 / 40.0 + 0.3 / 160.0 + 0.02;
        for (leg, heard) in table.heard.iter().enumerate() {
            assert!(heard.len() > 8_000);
            let step = steepest(heard);
            assert!(step < most, "{leg}, turn {turn}: {step}");
        }
        let late = &table.heard[0][table.heard[0].len() - 800..];
        assert!(amplitude(late, TONES[2]) < 0.002, "it is gone");
    }
}
