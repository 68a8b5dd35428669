//! Whatever changes while sound flows at full level, nothing clicks: no step is larger than the sound's own.

use std::sync::Arc;

use super::clip::Clip;
use super::comfort::{Loudest, Volume};
use super::ear::{COMMANDS, Ear, EarCommand, EarLeg, EarStyle};
use super::hold::Music;
use super::mouth::{Beneath, Mouth};
use super::ringtone::RingStyle;
use super::sidetone::sidetone;
use super::tone::{Country, Progress};
use super::{DeviceRate, DownFrame, FRAME_LEN, Feed, Route, g711};
use crate::pure::ids::StreamId;
use crate::pure::keys::Keys;
use crate::pure::time::Time;

/// A desk whose callers all say the same: a sine of full level.
struct Desk {
    ear: Ear,
    commands: rtrb::Producer<EarCommand>,
    _let_go: rtrb::Consumer<Box<EarLeg>>,
    callers: Vec<rtrb::Producer<DownFrame>>,
    hz: f32,
    said: u64,
    at: u64,
    heard: Vec<f32>,
}

impl Desk {
    fn new(hz: f32, style: EarStyle) -> Desk {
        let (commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        Desk {
            ear: Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go).with_style(style),
            commands,
            _let_go: let_go,
            callers: Vec::new(),
            hz,
            said: 0,
            at: 0,
            heard: Vec::new(),
        }
    }

    fn tell(&mut self, command: EarCommand) {
        self.commands.push(command).expect("room");
    }

    fn attach(&mut self) {
        let (down, for_ear) = rtrb::RingBuffer::new(100);
        let route = Route {
            feed: Feed::Silence,
            to_speaker: true,
        };
        self.callers.push(down);
        let stream = StreamId(self.callers.len() as u64);
        let leg = EarLeg::new(stream, for_ear, route, Arc::default());
        self.tell(EarCommand::Attach(Box::new(leg)));
    }

    /// Lets everybody talk for so many blocks of 10 ms.
    fn hear(&mut self, blocks: usize) {
        for _ in 0..blocks {
            while self.said * 20_000 <= self.at * 10_000 {
                let ulaw = std::array::from_fn(|n| {
                    let at = self.said as f32 * FRAME_LEN as f32 + n as f32;
                    g711::encode_f32((at * self.hz * std::f32::consts::TAU / 8_000.0).sin())
                });
                for caller in &mut self.callers {
                    let frame = DownFrame {
                        at: self.said * FRAME_LEN as u64,
                        len: FRAME_LEN as u8,
                        ulaw,
                        arrived: Time::from_micros(self.said * 20_000),
                    };
                    // Whoever was let go is no longer listened to.
                    let _ = caller.push(frame);
                }
                self.said += 1;
            }
            let block = self.ear.rate().hz() as usize / 100;
            let (mut out, mut far) = (vec![0.0; block], vec![0.0; block]);
            let now = Time::from_micros(self.at * 10_000);
            self.ear.render(&mut out, &mut far, now);
            self.at += 1;
            self.heard.extend(out);
        }
    }

    /// The largest step since the last time, and what is heard then.
    fn steepest(&mut self) -> (f32, bool) {
        let last = *self.heard.last().expect("something");
        let steepest = steepest(&self.heard);
        let sounds = self.heard.iter().any(|sample| sample.abs() > 0.01);
        self.heard.clear();
        self.heard.push(last);
        (steepest, sounds)
    }
}

fn steepest(sound: &[f32]) -> f32 {
    sound
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .fold(0.0, f32::max)
}

/// 0.98 of full scale with mu-law's noise, at 48 kHz.
fn own_step(hz: f32) -> f32 {
    hz * std::f32::consts::TAU / 48_000.0 + 0.04
}

#[test]
fn attaching_routing_detaching_and_tones_never_click() {
    for (hz, limited) in [
        (437.0, false),
        (437.0, true),
        (1_004.0, false),
        (1_004.0, true),
    ] {
        let style = EarStyle {
            loudest: limited.then(Loudest::default),
            ..EarStyle::default()
        };
        let mut desk = Desk::new(hz, style);
        let heard = |to_speaker| Route {
            feed: Feed::Silence,
            to_speaker,
        };
        desk.attach();
        desk.hear(100);
        desk.steepest();
        // 10 ms from nothing to full is the ramp's own step; bell, beep and tone are softer than that.
        let most = own_step(hz) + 1.0 / 480.0;
        for turn in 0..20 {
            let commands = [
                ("routed away", EarCommand::Route(StreamId(1), heard(false))),
                ("routed back", EarCommand::Route(StreamId(1), heard(true))),
            ];
            for (what, command) in commands {
                desk.tell(command);
                desk.hear(5 + turn % 3);
                let (step, _) = desk.steepest();
                assert!(step < most, "{what}, {hz} Hz, turn {turn}: {step}");
            }
        }
        // Away in the middle of a word, and another comes in the middle of one.
        desk.tell(EarCommand::Detach(StreamId(1)));
        desk.hear(3);
        let (step, _) = desk.steepest();
        assert!(step < most, "detached: {step}");
        desk.hear(3);
        assert!(!desk.steepest().1, "it is silent");
        desk.attach();
        desk.hear(100);
        let (step, sounds) = desk.steepest();
        assert!(step < most && sounds, "attached: {step}");
    }
}

#[test]
fn bell_beep_and_the_tone_after_a_call_begin_and_end_without_a_click() {
    let mut desk = Desk::new(437.0, EarStyle::default());
    // The classic bell at its loudest.
    let most = 0.16 * (880.0 + 1_108.73) * std::f32::consts::TAU / 48_000.0 + 0.33 / 240.0;
    let ring = |on: bool| EarCommand::Ring(on.then_some(Country::UnitedKingdom));
    let tell = |tone| EarCommand::Progress(Some((tone, Country::Belgium)));
    for turn in 0..30 {
        let commands = [
            ("rings", ring(true)),
            ("rings no more", ring(false)),
            ("beeps", EarCommand::Beep),
            ("beeps again", EarCommand::Beep),
            (
                "is over",
                EarCommand::CallEnded(Progress::Busy, Country::France),
            ),
            ("tells that it rings there", tell(Progress::Ringback)),
            ("tells that another waits", tell(Progress::CallWaiting)),
            ("rings again", ring(true)),
            ("tells no more", EarCommand::Progress(None)),
            (
                "is over while it rings",
                EarCommand::CallEnded(Progress::Busy, Country::France),
            ),
            ("rings no more again", ring(false)),
        ];
        for (what, command) in commands {
            desk.tell(command);
            desk.hear(1 + turn);
            // A beep, a tone and a bell may sound at once.
            let (step, _) = desk.steepest();
            assert!(step < most + 0.025 + 0.02, "{what}, turn {turn}: {step}");
        }
        desk.hear(100);
        desk.steepest();
    }
}

#[test]
fn a_new_device_begins_softly_in_the_middle_of_a_word() {
    for hz in [44_100, 48_000, 16_000] {
        let mut desk = Desk::new(437.0, EarStyle::default());
        desk.attach();
        desk.hear(100);
        desk.heard.clear();
        // The other device was silent before.
        desk.heard.push(0.0);
        desk.ear.set_rate(DeviceRate::new(hz).expect("a rate"));
        desk.hear(30);
        let (step, sounds) = desk.steepest();
        let most = own_step(437.0) * 48_000.0 / hz as f32 + 1.0 / (hz as f32 / 100.0);
        assert!(step < most && sounds, "{hz} Hz: {step}");
    }
}

#[test]
fn a_volume_that_changes_while_somebody_talks_or_it_rings_makes_no_click_and_is_heard() {
    let percent = |percent| Volume::new(percent).expect("a percentage");
    let loudest = |desk: &mut Desk| {
        desk.heard.clear();
        desk.hear(20);
        desk.heard.iter().fold(0.0_f32, |most, s| most.max(s.abs()))
    };
    let mut desk = Desk::new(437.0, EarStyle::default());
    desk.attach();
    desk.hear(60);
    let full = loudest(&mut desk);
    for volume in [50, 100, 0, 80] {
        desk.steepest();
        desk.tell(EarCommand::Volume(percent(volume)));
        desk.hear(20);
        let (steepest, _) = desk.steepest();
        assert!(steepest <= own_step(437.0), "{steepest} at {volume}");
        let share = loudest(&mut desk) / full;
        let wanted = percent(volume).gain();
        assert!((share - wanted).abs() < 0.02, "{share} at {volume}");
    }
    let mut desk = Desk::new(0.0, EarStyle::default());
    desk.tell(EarCommand::Ring(Some(Country::NorthAmerica)));
    desk.hear(20);
    assert!(desk.steepest().1, "it rings");
    desk.tell(EarCommand::RingVolume(percent(0)));
    desk.hear(2);
    desk.steepest();
    desk.hear(20);
    assert!(!desk.steepest().1, "it rings silently");
}

#[test]
fn the_tone_after_a_call_gives_way_to_a_bell_and_to_a_caller_and_never_sounds_over_them() {
    let ended = || EarCommand::CallEnded(Progress::Busy, Country::NorthAmerica);
    let mut desk = Desk::new(437.0, EarStyle::default());
    desk.tell(ended());
    desk.hear(20);
    assert!(desk.steepest().1, "it is heard");
    desk.hear(280);
    desk.steepest();
    desk.hear(100);
    assert!(!desk.steepest().1, "three beats, and no more");

    let silent_bell = EarStyle {
        ring: RingStyle {
            volume: Volume::new(0).expect("a percentage"),
            ..RingStyle::default()
        },
        ..EarStyle::default()
    };
    let mut desk = Desk::new(437.0, silent_bell.clone());
    desk.tell(EarCommand::Ring(Some(Country::NorthAmerica)));
    desk.hear(1);
    desk.tell(ended());
    desk.hear(50);
    assert!(!desk.steepest().1, "not over a bell");
    let mut desk = Desk::new(437.0, silent_bell);
    desk.tell(ended());
    desk.hear(20);
    desk.tell(EarCommand::Ring(Some(Country::NorthAmerica)));
    desk.hear(2);
    desk.steepest();
    desk.hear(50);
    assert!(!desk.steepest().1, "it has given way to a bell");

    let mut desk = Desk::new(0.0, EarStyle::default());
    desk.tell(ended());
    desk.hear(20);
    desk.attach();
    desk.hear(2);
    desk.steepest();
    desk.hear(50);
    assert!(!desk.steepest().1, "it has given way to a caller");
}

#[test]
fn a_tone_of_progress_is_for_the_near_end_alone_and_the_tone_after_a_call_gives_way_to_it() {
    let told = |tone: Option<Progress>| {
        EarCommand::Progress(tone.map(|tone| (tone, Country::NorthAmerica)))
    };
    let mut desk = Desk::new(0.0, EarStyle::default());
    desk.attach();
    desk.tell(told(Some(Progress::CallWaiting)));
    desk.hear(20);
    let (mut out, mut far) = ([0.0; 480], [0.0; 480]);
    desk.ear
        .render(&mut out, &mut far, Time::from_micros(desk.at * 10_000));
    assert!(out.iter().any(|sample| sample.abs() > 0.03));
    assert!(
        far.iter().all(|sample| sample.abs() < 0.001),
        "nor the loopback microphone"
    );

    let mut desk = Desk::new(437.0, EarStyle::default());
    let ended = || EarCommand::CallEnded(Progress::Busy, Country::NorthAmerica);
    desk.tell(told(Some(Progress::Ringback)));
    desk.tell(ended());
    desk.hear(250);
    desk.steepest();
    desk.hear(300);
    assert!(
        !desk.steepest().1,
        "two seconds of ringback are over, and nothing else sounds"
    );
    desk.tell(told(None));
    desk.tell(ended());
    desk.hear(20);
    assert!(desk.steepest().1, "the tone after a call");
    desk.tell(told(Some(Progress::CallWaiting)));
    desk.hear(40);
    desk.steepest();
    desk.hear(100);
    assert!(!desk.steepest().1, "it has given way");
}

#[test]
fn far_ends_are_limited_and_the_far_end_tap_with_them() {
    let style = EarStyle {
        loudest: Loudest::new(-12),
        ..EarStyle::default()
    };
    let mut desk = Desk::new(1_004.0, style);
    desk.attach();
    desk.attach();
    desk.hear(200);
    let loudest = desk.heard.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!((0.1..=0.2512).contains(&loudest), "{loudest}");
    let (mut out, mut far) = ([0.0; 480], [0.0; 480]);
    desk.ear
        .render(&mut out, &mut far, Time::from_micros(desk.at * 10_000));
    assert_eq!(out, far);
}

#[test]
fn a_change_of_microphone_and_a_leg_that_is_new_do_not_click() {
    let sine = |rate: u32, from: usize| -> Vec<f32> {
        (from..from + rate as usize / 10)
            .map(|n| (n as f32 * 437.0 * std::f32::consts::TAU / rate as f32).sin() * 0.9)
            .collect()
    };
    // At the line's rate, with mu-law's steps.
    let most = 0.9 * 437.0 * std::f32::consts::TAU / 8_000.0 + 1.0 / 80.0 + 0.04;
    for from in 0..40 {
        let mut mouth = Mouth::new(DeviceRate::HZ_48000);
        let mut line = vec![0.0];
        let mut speak = |mouth: &mut Mouth, samples: &[f32]| {
            mouth.push(samples, |_, frame, _| {
                line.extend(frame.ulaw.iter().map(|code| g711::decode_f32(*code)));
            });
        };
        // In the middle of a word.
        speak(&mut mouth, &sine(48_000, from));
        mouth.attach(StreamId(1), Feed::Desk);
        speak(&mut mouth, &sine(48_000, 4_800 + from));
        // A microphone goes in the middle of one, and another comes.
        mouth.listen(DeviceRate::new(44_100).expect("a rate"));
        speak(&mut mouth, &sine(44_100, 7 * from));
        assert!(line.len() > 1_000);
        assert!(steepest(&line) < most, "{from}: {}", steepest(&line));
    }
}

#[test]
fn whatever_a_far_end_hears_changes_without_a_click() {
    let voice: Vec<f32> = (0..9_600)
        .map(|n| (n as f32 * 435.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.9)
        .collect();
    let mut mouth = Mouth::new(DeviceRate::HZ_48000).with_music(Music::built_in());
    mouth.attach(StreamId(1), Feed::Silence);
    let keys = Keys::parse("5#").expect("keys");
    // The highest key goes as fast as this, the voice more slowly; with mu-law's steps.
    let key = (0.2764 * 941.0 + 0.348 * 1_477.0) * std::f32::consts::TAU / 8_000.0;
    let most = key + 1.0 / 80.0 + 0.04;
    let feeds = [
        Feed::Desk,
        Feed::Hold,
        Feed::Ringback(Country::NorthAmerica),
        Feed::Hold,
        Feed::Silence,
        Feed::Hold,
    ];
    let mut line = vec![0.0];
    for (n, feed) in feeds.into_iter().cycle().take(60).enumerate() {
        mouth.feed(StreamId(1), feed);
        if n % 5 == 0 {
            assert!(mouth.keys(StreamId(1), keys.signs()));
        }
        match n % 7 {
            1 => assert!(mouth.say(StreamId(1), Clip::beep(), Beneath::Nothing)),
            3 => mouth.hush(StreamId(1)),
            5 => mouth.repeat(StreamId(1), Some(Clip::recording_tone())),
            6 => mouth.repeat(StreamId(1), None),
            _ => {}
        }
        mouth.push(&voice, |_, frame, _| {
            line.extend(frame.ulaw.iter().map(|code| g711::decode_f32(*code)));
        });
    }
    assert!(steepest(&line) < most, "{}", steepest(&line));
}

#[test]
fn ones_own_voice_is_heard_during_a_call_only_and_is_no_part_of_the_far_end() {
    let (mut microphone, to_ear) = sidetone(-20, DeviceRate::HZ_48000);
    microphone.set_rate(DeviceRate::HZ_48000);
    let (mut commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
    let (for_let_go, _let_go) = rtrb::RingBuffer::new(COMMANDS);
    let mut ear = Ear::new(DeviceRate::HZ_48000, for_ear, for_let_go).with_sidetone(to_ear);
    let mut speak = |ear: &mut Ear| {
        let (mut out, mut far) = ([0.0; 480], [0.0; 480]);
        for _ in 0..10 {
            (0..480).for_each(|_| microphone.push(0.5));
            ear.render(&mut out, &mut far, Time::START);
        }
        assert!(far.iter().all(|sample| *sample == 0.0));
        out[479]
    };
    assert_eq!(speak(&mut ear), 0.0, "nobody has called");
    let (_down, for_leg) = rtrb::RingBuffer::new(1);
    let route = |to_speaker| Route {
        feed: Feed::Desk,
        to_speaker,
    };
    let leg = EarLeg::new(StreamId(1), for_leg, route(true), Arc::default());
    commands
        .push(EarCommand::Attach(Box::new(leg)))
        .expect("room");
    assert!((speak(&mut ear) - 0.05).abs() < 0.001);
    commands
        .push(EarCommand::Route(StreamId(1), route(false)))
        .expect("room");
    assert_eq!(speak(&mut ear), 0.0);
}
