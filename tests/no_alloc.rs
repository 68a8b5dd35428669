//! What runs in a sound callback asks the allocator for nothing and gives it nothing back.
//!
//! This binary runs under an allocator that ends the process when it is asked inside [`assert_no_alloc`]: a failure here is
//! no message but `memory allocation of … bytes failed` and an abort. `cargo test --test no_alloc -- --test-threads 1`
//! then names the test as the last line.

use std::hint::black_box;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use cpal::{FromSample, I24, Sample, U24};
use offhook::audio::callback::{Beat, Bell, Capture, Playout, Reference, Sound, Stamp, Tap, now};
use offhook::audio::seat::EarSeat;
use offhook::audio::sidetone::{SidetoneSeat, ToSidetone};
use offhook::audio::{DOWN_FRAMES, LineTap, UP_FRAMES, line_tap};
use offhook::pure::audio::clip::Clip;
use offhook::pure::audio::comfort::{Loudest, Volume};
use offhook::pure::audio::dtmf::SoundingKey;
use offhook::pure::audio::ear::{COMMANDS, Ear, EarCommand, EarLeg, EarStyle, LegMeter, MOST_LEGS};
use offhook::pure::audio::hold::Music;
use offhook::pure::audio::meeting::way;
use offhook::pure::audio::mouth::{Beneath, Mouth};
use offhook::pure::audio::ringtone::{Melody, RingStyle, Ringer, Tune};
use offhook::pure::audio::sidetone::sidetone;
use offhook::pure::audio::speakerphone::Stages;
use offhook::pure::audio::tap::LegTap;
use offhook::pure::audio::tone::{Country, Progress};
use offhook::pure::audio::{DeviceRate, DownFrame, FRAME_LEN, Feed, Route, UpFrame};
use offhook::pure::ids::StreamId;
use offhook::pure::keys::{Key, Keys};
use offhook::pure::time::Time;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

/// Tells a child of this binary what it is to do wrong.
const WRONG: &str = "OFFHOOK_TEST_NO_ALLOC";

/// Rates that divide and rates that do not, from the slowest card to the fastest.
const RATES: [u32; 7] = [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000];

/// Blocks of one frame, of odd and even lengths, of 10 ms, and beyond every piece that anything is cut into.
const BLOCKS: [usize; 9] = [1, 2, 7, 441, 480, 961, 4_096, 4_097, 12_345];

fn percent(percent: u8) -> Volume {
    Volume::new(percent).expect("a percentage")
}

#[test]
fn the_allocator_ends_who_allocates_or_frees_in_a_callback() {
    match std::env::var(WRONG).as_deref() {
        // Through a black box, or a release build finds out that nobody needs the memory.
        Ok("allocate") => std::mem::forget(assert_no_alloc(|| black_box(Box::new(1)))),
        Ok("free") => {
            let boxed = black_box(Box::new(1));
            assert_no_alloc(|| drop(boxed));
        }
        Ok(_) => {}
        Err(_) => {
            for (what, aborted) in [("allocate", true), ("free", true), ("nothing", false)] {
                // In a folder of its own, which takes away the memory dump that an abort may leave.
                let folder = tempfile::tempdir().expect("a folder");
                let child = Command::new(std::env::current_exe().expect("this program"))
                    .args(["--exact", "--nocapture"])
                    .arg("the_allocator_ends_who_allocates_or_frees_in_a_callback")
                    .env(WRONG, what)
                    .current_dir(&folder)
                    .output()
                    .expect("this program runs");
                let said = String::from_utf8_lossy(&child.stderr);
                assert_eq!(child.status.signal().is_some(), aborted, "{what}: {said}");
                assert_eq!(
                    said.contains("memory allocation of"),
                    aborted,
                    "{what}: {said}"
                );
            }
        }
    }
}

#[test]
fn the_ear_renders_legs_tones_and_bells_at_any_rate_in_blocks_of_any_length() {
    for rate in RATES.map(rate) {
        let mut world = World::new(rate);
        let mut heard = false;
        for (n, block) in BLOCKS.iter().cycle().take(4 * BLOCKS.len()).enumerate() {
            // Something happens before every block, and a leg is there most of the time.
            match n % 12 {
                0 => drop(world.attach(1)),
                1 => world.tell(EarCommand::Ring(Some(Country::NorthAmerica))),
                2 => drop(world.attach(2)),
                3 => world.tell(EarCommand::Volume(percent(80 + (n % 20) as u8))),
                4 => world.tell(EarCommand::Beep),
                5 => world.tell(EarCommand::RingVolume(percent(60 + (n % 40) as u8))),
                6 => world.tell(EarCommand::Route(StreamId(1), Route::default())),
                7 => world.tell(EarCommand::Progress(Some((
                    Progress::CallWaiting,
                    Country::NorthAmerica,
                )))),
                8 => {
                    world.tell(EarCommand::Ring(None));
                    world.tell(EarCommand::Progress(None));
                }
                9 => {
                    world.tell(EarCommand::Detach(StreamId(1)));
                    world.key.set(Key::new('5'));
                }
                10 => world.tell(EarCommand::Detach(StreamId(2))),
                11 => world.tell(EarCommand::CallEnded(Progress::Busy, Country::France)),
                _ => {}
            }
            world.speak(*block);
            let out = world.render(*block);
            heard |= out.iter().any(|sample| sample.abs() > 0.01);
        }
        assert!(heard, "{rate:?}");
        assert!(world.let_go.slots() >= 2, "legs were let go: {rate:?}");
    }
}

#[test]
fn a_playout_buffer_that_is_empty_or_full_or_has_gaps_costs_no_memory() {
    let mut world = World::new(DeviceRate::HZ_48000);
    world.attach(1);
    world.render(4_800);
    // A stall's worth at once, then again and again, so that the oldest must go.
    for _ in 0..3 {
        for _ in 0..DOWN_FRAMES {
            world.legs[0].send(0);
        }
        world.render(480);
    }
    // Dry.
    for _ in 0..1_000 {
        world.render(480);
    }
    // A gap, a frame from the past, and a stream that begins anew.
    world.legs[0].send(1_600);
    world.legs[0].at -= 320;
    world.legs[0].send(0);
    world.legs[0].at = 0;
    world.legs[0].send(0);
    world.render(48_000);
    let counts = world.legs[0].meter.counts();
    assert!(
        counts.shed > 0 && counts.underruns > 0 && counts.missing > 0 && counts.stale > 0,
        "{counts:?}"
    );
    assert!(counts.concealed > 0 && counts.shortened > 0, "{counts:?}");
}

#[test]
fn sound_that_is_drawn_out_costs_no_memory() {
    let mut world = World::new(DeviceRate::HZ_48000);
    world.attach(1);
    // Frames that come when they should, and then every second one a block later.
    for late in [false, true] {
        for n in 0..1_200 {
            if n % 4 == 0 || n % 4 == 2 + usize::from(late) {
                world.legs[0].send(0);
            }
            world.render(480);
        }
    }
    let counts = world.legs[0].meter.counts();
    assert!(counts.lengthened > 0, "{counts:?}");
}

#[test]
fn legs_beyond_what_the_ear_and_its_way_out_can_hold_cost_no_memory() {
    let mut world = World::new(DeviceRate::HZ_48000);
    // Nobody empties the ring of legs let go: it fills, and then they stay where they are.
    for n in 0..(COMMANDS + 2 * MOST_LEGS) as u64 {
        world.attach(n);
        world.render(48);
        world.tell(EarCommand::Detach(StreamId(n)));
        world.render(48);
    }
    assert_eq!(world.let_go.slots(), COMMANDS, "the way out is full");
    while world.let_go.pop().is_ok() {}
    world.attach(1_000);
    world.render(48);
    assert_eq!(
        world.let_go.slots(),
        MOST_LEGS,
        "those that stayed leave as soon as they can"
    );
}

#[test]
fn the_mouth_makes_frames_of_any_feed_at_any_rate_from_blocks_of_any_length() {
    let feeds = [
        Feed::Silence,
        Feed::Ringback(Country::NorthAmerica),
        Feed::Desk,
        Feed::Ringback(Country::from_index(1).expect("a second country")),
        Feed::Hold,
        Feed::Meeting { desk: true },
        Feed::Meeting { desk: false },
        Feed::Silence,
    ];
    let keys = Keys::parse("1,#").expect("keys");
    for rate in RATES.map(rate) {
        let mut mouth = Mouth::with_stages(rate, Stages::ALL).with_music(Music::built_in());
        for n in 0..MOST_LEGS {
            let (mut into, out) = way();
            into.push(&[0.5; 800], 80);
            mouth.attach_with(StreamId(n as u64), feeds[n % feeds.len()], out);
        }
        let mut frames = 0;
        // Over at each length that blocks can end in: what is over is freed by nobody who makes frames.
        mouth.repeat(StreamId(3), Some(Clip::new(vec![500; 77])));
        for (n, feed) in feeds.into_iter().enumerate() {
            mouth.feed(StreamId(0), feed);
            for (stream, beneath) in [(1, Beneath::Nothing), (2, Beneath::Softly)] {
                let clip = Clip::new(vec![9_000; 100 * n]);
                assert!(mouth.say(StreamId(stream), clip, beneath));
            }
            if n == 6 {
                mouth.repeat(StreamId(3), None);
            }
            assert!(mouth.keys(StreamId(1), keys.signs()));
            for block in BLOCKS {
                let samples = sine(block, rate.hz());
                assert_no_alloc(|| {
                    mouth.hear_speaker(&samples, Some(Time::from_millis(2_000)));
                    mouth.heard_until(Some(Time::from_millis(2_000)));
                    mouth.push(&samples, |_, _, _| frames += 1);
                    mouth.trim(block as f64 - 500.0);
                });
            }
        }
        assert!(frames > 0, "{rate:?}");
    }
}

#[test]
fn taps_cost_no_memory_whether_somebody_records_or_not_and_whether_there_is_room_or_not() {
    let mut world = World::new(DeviceRate::HZ_48000);
    let line = world.attach(1);
    let (mut near, _far, _line) = line_tap();
    let codes = [0x90; FRAME_LEN];
    let mut samples = Vec::new();
    // Nobody listens; somebody does; somebody who takes nothing for 6 s; and again nobody.
    for round in 0..4 {
        let mut listening = (round == 1 || round == 2).then(|| line.listen().expect("free"));
        for _ in 0..600 {
            world.speak(480);
            world.render(480);
            assert_no_alloc(|| near.push_ulaw(Time::START, &codes));
            if round == 1 {
                let listening = listening.as_mut().expect("somebody listens");
                assert!(listening.far(&mut samples).is_some());
                assert_eq!(listening.dropped(), 0);
            }
        }
        if let Some(listening) = &mut listening {
            assert_eq!(listening.dropped() > 0, round == 2);
        }
    }
    let listening = line.listen().expect("free");
    world.tell(EarCommand::Detach(StreamId(1)));
    world.render(4_800);
    // The leg, and its tap, is freed out here.
    while world.let_go.pop().is_ok() {}
    assert!(!listening.is_over(), "the mouth has its end still");
}

#[test]
fn the_playout_callback_fills_any_format() {
    playout_of::<f32>();
    playout_of::<f64>();
    playout_of::<i8>();
    playout_of::<i16>();
    playout_of::<I24>();
    playout_of::<i32>();
    playout_of::<u8>();
    playout_of::<u16>();
    playout_of::<U24>();
    playout_of::<u32>();
}

fn playout_of<T: Sample + FromSample<f32> + PartialEq>() {
    let clock = Instant::now();
    for (rate, channels) in RATES.map(rate).into_iter().zip([1, 2, 6, 1, 2, 8, 3]) {
        let mut world = World::new(rate);
        world.attach(1);
        let (seat, beat) = (Arc::new(EarSeat::new(world.take_ear())), Arc::default());
        // As `loopback` has it: the microphone hears what is played.
        let (ring, mut captured) = rtrb::RingBuffer::new(48_000);
        let stamp: Arc<Stamp> = Arc::default();
        let tap = Tap::new(ring, std::thread::current(), stamp, clock);
        let turn = seat.draw();
        let sound = Sound::Ear(Arc::clone(&seat), turn);
        let mut playout = Playout::new(sound, rate, Arc::clone(&beat));
        let mut play = |world: &mut World, block: usize| {
            world.speak_at(block, rate);
            let mut data = vec![T::EQUILIBRIUM; block * channels];
            assert_no_alloc(|| {
                playout.fill(&mut data, channels, now(clock));
                playout.called(now(clock));
            });
            data.iter().any(|sample| *sample != T::EQUILIBRIUM)
        };
        assert!(!play(&mut world, 480), "it is nobody's turn yet");
        // And a speakerphone knows what is played, whether it listens or not.
        let (reference, _played) = Reference::new(rate);
        seat.give_turn_with(turn, rate, Some(tap), Some(reference));
        let mut heard = false;
        for (n, block) in BLOCKS.iter().cycle().take(2 * BLOCKS.len()).enumerate() {
            match n {
                4 => world.tell(EarCommand::Ring(Some(Country::NorthAmerica))),
                7 => world.tell(EarCommand::Beep),
                // The leg goes in a callback, and is freed out here.
                12 => world.tell(EarCommand::Detach(StreamId(1))),
                _ => {}
            }
            heard |= play(&mut world, *block);
            while captured.pop().is_ok() {}
        }
        assert!(heard, "{} of {rate:?}", std::any::type_name::<T>());
        assert_eq!(world.let_go.slots(), 1);
        seat.give_turn(seat.draw(), rate, None);
        assert!(!play(&mut world, 480), "its turn is over");
    }
}

#[test]
fn the_callback_of_a_bell_of_its_own_rings_in_any_cadence() {
    for (rate, melody) in RATES
        .map(rate)
        .into_iter()
        .zip(melodies().into_iter().cycle())
    {
        let style = RingStyle {
            melody,
            rises: true,
            ..RingStyle::default()
        };
        let bell = Arc::new(Bell::default());
        let sound = Sound::Bell {
            bell: Arc::clone(&bell),
            ringer: Box::new(Ringer::new(style, rate)),
        };
        let mut playout = Playout::new(sound, rate, Arc::default());
        let mut play = |ms: usize| {
            let mut data = vec![0_i16; 2 * rate.hz() as usize * ms / 1000];
            assert_no_alloc(|| playout.fill(&mut data, 2, Time::START));
            data.iter().any(|sample| *sample != 0)
        };
        for country in Country::all() {
            bell.set(Some(country));
            assert!(play(100), "{country:?}");
            bell.set(None);
            // It fades.
            play(11);
            assert!(!play(10), "{country:?}");
        }
        // Long enough for every tune to begin anew.
        bell.set(Some(Country::France));
        assert!(play(6_000));
        bell.set_volume(percent(0));
        play(11);
        assert!(!play(2_000), "it rings silently");
        bell.set_volume(percent(100));
        assert!(play(6_000));
    }
}

#[test]
fn the_capture_callback_takes_any_format_whether_there_is_room_or_not() {
    capture_of::<f32>();
    capture_of::<f64>();
    capture_of::<i8>();
    capture_of::<i16>();
    capture_of::<I24>();
    capture_of::<i32>();
    capture_of::<u8>();
    capture_of::<u16>();
    capture_of::<U24>();
    capture_of::<u32>();
}

fn capture_of<T: Sample + FromSample<f32>>()
where
    f32: FromSample<T>,
{
    let clock = Instant::now();
    let (over, mouth) = sleeper();
    for channels in [1, 2, 3, 8] {
        let (ring, mut captured) = rtrb::RingBuffer::new(10_000);
        let beat: Arc<Beat> = Arc::default();
        let stamp: Arc<Stamp> = Arc::default();
        let mouth = mouth.thread().clone();
        let (from_microphone, mut own_ear) = sidetone(-20, DeviceRate::HZ_48000);
        let to_ear = ToSidetone {
            seat: Arc::new(SidetoneSeat::new(from_microphone)),
            rate: DeviceRate::HZ_48000,
        };
        let mut capture =
            Capture::new(ring, mouth, stamp, Arc::clone(&beat)).with_sidetone(Some(to_ear));
        let mut hear = |block: usize| {
            let sound = sine(block * channels, 48_000);
            let data: Vec<T> = sound.into_iter().map(T::from_sample).collect();
            let mut heard = vec![0.0; block];
            assert_no_alloc(|| {
                capture.hear(&data, channels, now(clock));
                capture.called(now(clock));
                own_ear.add_to(&mut heard, true);
            });
        };
        for block in BLOCKS.into_iter().filter(|block| *block < 10_000) {
            hear(block);
            let taken = captured.slots();
            assert_eq!(taken, block, "{}", std::any::type_name::<T>());
            captured.read_chunk(taken).expect("there").commit_all();
        }
        assert_eq!(beat.overruns.load(Ordering::Relaxed), 0);
        // Nobody empties the ring.
        hear(12_345);
        hear(480);
        assert_eq!(beat.overruns.load(Ordering::Relaxed), 2_345 + 480);
    }
    over.store(true, Ordering::Relaxed);
    mouth.thread().unpark();
    mouth.join().expect("it only slept");
}

#[test]
fn frames_leave_through_their_ring_whether_there_is_room_or_not() {
    let mut mouth = Mouth::new(DeviceRate::HZ_48000);
    mouth.attach(StreamId(1), Feed::Desk);
    let (mut up, _far) = rtrb::RingBuffer::<UpFrame>::new(UP_FRAMES);
    let (mut sent, mut dropped) = (0, 0);
    for _ in 0..4 * UP_FRAMES {
        let samples = sine(960, 48_000);
        assert_no_alloc(|| {
            mouth.push(&samples, |_, frame, _| match up.push(*frame) {
                Ok(()) => sent += 1,
                Err(_) => dropped += 1,
            });
        });
    }
    assert!(sent == UP_FRAMES && dropped > 0, "{sent}, {dropped}");
}

/// Everything that can ring.
fn melodies() -> [Melody; 5] {
    [
        Melody::Classic,
        Melody::Tune(Tune::Marimba),
        Melody::Tune(Tune::Chime),
        Melody::Tune(Tune::Mechanical),
        Melody::recording(sine(48_000, 48_000)),
    ]
}

/// An ear, and all that is around it.
struct World {
    ear: Option<Ear>,
    commands: rtrb::Producer<EarCommand>,
    let_go: rtrb::Consumer<Box<EarLeg>>,
    legs: Vec<FarEnd>,
    key: Arc<SoundingKey>,
    at: Time,
}

/// The socket's side of a leg.
struct FarEnd {
    down: rtrb::Producer<DownFrame>,
    meter: Arc<LegMeter>,
    at: u64,
    /// The mouth's end of its taps.
    _near: LegTap,
}

impl World {
    fn new(rate: DeviceRate) -> World {
        let (commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (for_let_go, let_go) = rtrb::RingBuffer::new(COMMANDS);
        // With every stage that there is.
        let style = EarStyle {
            volume: Volume::new(90).expect("a percentage"),
            loudest: Loudest::new(-12),
            ring: RingStyle {
                melody: Melody::Tune(Tune::Marimba),
                rises: true,
                ..RingStyle::default()
            },
        };
        let key: Arc<SoundingKey> = Arc::default();
        let ear = Ear::new(rate, for_ear, for_let_go)
            .with_style(style)
            .with_keys(Arc::clone(&key));
        World {
            ear: Some(ear),
            key,
            commands,
            let_go,
            legs: Vec::new(),
            at: Time::START,
        }
    }

    fn take_ear(&mut self) -> Ear {
        self.ear.take().expect("taken once")
    }

    fn tell(&mut self, command: EarCommand) {
        self.commands.push(command).expect("room for a command");
    }

    fn attach(&mut self, stream: u64) -> LineTap {
        let (near, far, line) = line_tap();
        let (down, for_ear) = rtrb::RingBuffer::new(DOWN_FRAMES);
        let meter = Arc::new(LegMeter::default());
        let route = Route {
            feed: Feed::Meeting { desk: true },
            to_speaker: true,
        };
        // Nobody reads the other end: it fills.
        let (meeting, _mouth) = way();
        let leg = EarLeg::new(StreamId(stream), for_ear, route, Arc::clone(&meter))
            .levelled()
            .with_meeting(meeting)
            .tapped(far);
        self.tell(EarCommand::Attach(Box::new(leg)));
        self.legs.push(FarEnd {
            down,
            meter,
            at: 0,
            _near: near,
        });
        line
    }

    /// Lets every far end say as much as a block of the ear's rate takes, a frame at least.
    fn speak(&mut self, block: usize) {
        let rate = self.ear.as_ref().expect("not taken").rate();
        self.speak_at(block, rate);
    }

    fn speak_at(&mut self, block: usize, rate: DeviceRate) {
        for leg in &mut self.legs {
            for _ in 0..=block * 50 / rate.hz() as usize {
                leg.send(0);
            }
        }
    }

    /// Renders a block as a callback would and returns it.
    fn render(&mut self, block: usize) -> Vec<f32> {
        let ear = self.ear.as_mut().expect("not taken");
        let (mut out, mut far) = (vec![0.0; block], vec![0.0; block]);
        self.at = self.at + Duration::from_millis(10);
        assert_no_alloc(|| ear.render(&mut out, &mut far, self.at));
        out
    }
}

impl FarEnd {
    /// Sends a frame that follows the last one after `gap` samples that never come.
    fn send(&mut self, gap: u64) {
        self.at += gap;
        let frame = DownFrame {
            at: self.at,
            len: FRAME_LEN as u8,
            ulaw: std::array::from_fn(|n| if n % 8 < 4 { 0x90 } else { 0x10 }),
            arrived: Time::START,
        };
        self.at += FRAME_LEN as u64;
        // A leg that the ear has let go reads no more.
        let _ = self.down.push(frame);
    }
}

/// A thread that sleeps whenever it was woken, until it is told that it is over.
fn sleeper() -> (
    Arc<std::sync::atomic::AtomicBool>,
    std::thread::JoinHandle<()>,
) {
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let thread = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            std::thread::park();
        }
    });
    (over, thread)
}

fn rate(hz: u32) -> DeviceRate {
    DeviceRate::new(hz).expect("a rate of a device")
}

/// A tone of 440 Hz.
fn sine(samples: usize, rate: u32) -> Vec<f32> {
    (0..samples)
        .map(|n| (n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin() * 0.5)
        .collect()
}
