//! The way up against a model of a carrier with a network before it, in simulated time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::pure::audio::dtmf::KeySender;
use crate::pure::audio::g711;
use crate::pure::keys::Keys;

/// A millisecond in the model's microseconds.
const MS: u64 = 1_000;

/// The network's delay one way at its best.
const WAY: u64 = 20 * MS;

/// What travels, or is due.
#[derive(Clone, Debug)]
enum Event {
    /// The microphone has a frame.
    Frame,
    /// The carrier has one.
    CarrierFrame(u64),
    /// Something of ours arrives there.
    There(Outgoing),
    /// A mark arrives here.
    Back(MarkName),
    /// Sound of the carrier arrives here, up to a sample.
    Heard(u64),
    /// The carrier looks whether a mark was reached.
    Look,
}

/// When what sets out at a moment arrives, if nothing holds it up: a delay for each way, in µs.
type Network = Box<dyn Fn(u64) -> (u64, u64)>;

/// A phone, a network and a carrier.
struct World {
    up: Upward,
    network: Network,
    sound: Box<dyn FnMut(u64) -> UpFrame>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    now: u64,
    /// When the last thing on each way arrives: order is kept.
    busy: (u64, u64),
    mic_us: u64,
    carrier_returns_marks: bool,
    // The carrier's queue.
    queue: VecDeque<u8>,
    taken: u64,
    gone: u64,
    marks: VecDeque<(u64, MarkName)>,
    played_until: u64,
    heard: Vec<f32>,
    gap_us: u64,
    /// (moment, ms in the carrier's queue right after a frame came)
    depth: Vec<(u64, f64)>,
    /// (moment, ms that are told)
    told: Vec<(u64, f64)>,
    clears: u64,
    sent: u64,
    /// From when on the carrier's timestamps are off, and by how many samples.
    turned: (u64, i64),
}

impl World {
    fn new(network: impl Fn(u64) -> (u64, u64) + 'static) -> World {
        let mut at = 0.0_f32;
        World::saying(network, move |_| {
            let mut ulaw = [g711::SILENCE; FRAME_LEN];
            for code in &mut ulaw {
                at += 150.0 / 8_000.0;
                let voice = (1.0 - at.fract()).powi(4) - 0.2;
                *code = g711::encode_f32(0.4 * voice);
            }
            UpFrame { ulaw, whole: false }
        })
    }

    fn saying(
        network: impl Fn(u64) -> (u64, u64) + 'static,
        sound: impl FnMut(u64) -> UpFrame + 'static,
    ) -> World {
        let mut world = World {
            up: Upward::default(),
            network: Box::new(network),
            sound: Box::new(sound),
            events: BTreeMap::new(),
            order: 0,
            now: 0,
            busy: (0, 0),
            mic_us: 20 * MS,
            carrier_returns_marks: true,
            queue: VecDeque::new(),
            taken: 0,
            gone: 0,
            marks: VecDeque::new(),
            played_until: 0,
            heard: Vec::new(),
            gap_us: 0,
            depth: Vec::new(),
            told: Vec::new(),
            clears: 0,
            sent: 0,
            turned: (u64::MAX, 0),
        };
        world.at(7 * MS, Event::CarrierFrame(1));
        world.at(20 * MS, Event::Frame);
        world
    }

    fn at(&mut self, when: u64, event: Event) {
        self.order += 1;
        self.events.insert((when, self.order), event);
    }

    /// Runs until a moment.
    fn run(&mut self, until_ms: u64) {
        while let Some(entry) = self.events.first_entry() {
            if entry.key().0 > until_ms * MS {
                return;
            }
            let ((now, _), event) = entry.remove_entry();
            self.now = now;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        let time = Time::from_micros(now);
        match event {
            Event::Frame => {
                let frame = (self.sound)(now);
                self.up.frame(&frame, time);
                while let Some(message) = self.up.pull() {
                    self.busy.0 = self.busy.0.max(now + (self.network)(now).0);
                    self.sent += 1;
                    self.at(self.busy.0, Event::There(message));
                }
                if let Some(ms) = self.up.figures().caller_ms {
                    self.told.push((now, ms));
                }
                self.at(now + self.mic_us, Event::Frame);
            }
            Event::CarrierFrame(n) => {
                let (from, samples) = self.turned;
                let turned = if now < from { 0 } else { samples };
                let end = (n * FRAME_LEN as u64).saturating_add_signed(turned);
                self.back(Event::Heard(end));
                self.at(now + 20 * MS, Event::CarrierFrame(n + 1));
            }
            Event::There(message) => {
                self.play();
                match message {
                    Outgoing::Media(frame) => {
                        self.queue.extend(frame.ulaw);
                        self.taken += FRAME_LEN as u64;
                        self.depth.push((now, self.queue.len() as f64 / 8.0));
                    }
                    Outgoing::Mark(name) => self.marks.push_back((self.taken, name)),
                    Outgoing::Clear => {
                        self.clears += 1;
                        self.gone += self.queue.len() as u64;
                        self.queue.clear();
                    }
                }
                self.look();
            }
            Event::Look => {
                self.play();
                self.look();
            }
            Event::Back(name) => self.up.mark(name, time),
            Event::Heard(end) => drop(self.up.heard(end, time)),
        }
    }

    fn back(&mut self, event: Event) {
        self.busy.1 = self.busy.1.max(self.now + (self.network)(self.now).1);
        self.at(self.busy.1, event);
    }

    /// Plays up to now.
    fn play(&mut self) {
        while self.played_until + 125 <= self.now {
            self.played_until += 125;
            if let Some(code) = self.queue.pop_front() {
                self.gone += 1;
                self.heard.push(g711::decode_f32(code));
            } else {
                self.gap_us += 125;
                self.heard.push(0.0);
            }
        }
    }

    fn look(&mut self) {
        while let Some((at, name)) = self.marks.front().copied() {
            if at > self.gone {
                let due = self.played_until + (at - self.gone) * 125;
                self.at(due.max(self.now + 125), Event::Look);
                return;
            }
            self.marks.pop_front();
            if self.carrier_returns_marks {
                self.back(Event::Back(name));
            }
        }
    }

    /// The most that waited at the carrier between two moments, right after a frame came, in ms.
    fn most(&self, from_ms: u64, to_ms: u64) -> f64 {
        most(&self.depth, from_ms, to_ms)
    }

    /// The most that was told between two moments.
    fn most_told(&self, from_ms: u64, to_ms: u64) -> f64 {
        most(&self.told, from_ms, to_ms)
    }

    fn gap_ms(&self) -> f64 {
        self.gap_us as f64 / 1_000.0
    }
}

fn most(of: &[(u64, f64)], from_ms: u64, to_ms: u64) -> f64 {
    of.iter()
        .filter(|(at, _)| (from_ms * MS..to_ms * MS).contains(at))
        .map(|(_, ms)| *ms)
        .fold(0.0, f64::max)
}

/// A network that holds up everything on its ways between two moments.
fn stall(from_ms: u64, for_ms: u64, ways: (bool, bool)) -> impl Fn(u64) -> (u64, u64) {
    move |at| {
        let end = (from_ms + for_ms) * MS;
        let held = if (from_ms * MS..end).contains(&at) {
            end - at
        } else {
            0
        };
        let way = |is: bool| WAY + if is { held } else { 0 };
        (way(ways.0), way(ways.1))
    }
}

/// Chance that depends on the moment alone, below `most`.
fn chance(at: u64, most: u64) -> u64 {
    let mixed = (at ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 33) % most.max(1)
}

#[test]
fn on_a_quiet_network_frames_leave_as_they_came_and_no_delay_is_told() {
    let mut world = World::new(|_| (WAY, WAY));
    world.run(60_000);
    assert_eq!(world.up.figures().shortened_ms, 0.0);
    assert!(world.most(0, 60_000) <= 20.5, "{}", world.most(0, 60_000));
    assert!(world.most_told(0, 60_000) < 1.0);
    let floor = world.up.figures().round_trip_ms.expect("marks came back");
    assert!(
        (floor - 60.0).abs() < 1.0,
        "two ways of 20 ms and a frame: {floor}"
    );
    // A frame every 20 ms and a mark every 500.
    assert_eq!(world.sent, 3_000 + 120);
}

#[test]
fn after_a_stall_the_delay_comes_back_within_two_seconds_of_talk() {
    for stalled_ms in [200, 500] {
        // Marks are sent twice a second: wherever the stall falls between them.
        for begin in (10_000..10_500).step_by(50) {
            for both in [false, true] {
                let mut world = World::new(stall(begin, stalled_ms, (true, both)));
                world.run(20_000);
                let end = begin + stalled_ms + 20;
                let grown = world.most(end, end + 100);
                assert!(
                    grown > stalled_ms as f64 * 0.6,
                    "{stalled_ms} ms from {begin}: {grown}"
                );
                let back = world.most(end + 2_000, 20_000);
                assert!(
                    back <= 40.0,
                    "{stalled_ms} ms from {begin}, both {both}: {back} ms"
                );
                assert!(
                    world.gap_ms() < stalled_ms as f64 + 60.0,
                    "{}",
                    world.gap_ms()
                );
                assert_eq!(world.clears, 0);
            }
        }
    }
}

#[test]
fn after_a_stall_of_two_seconds_most_is_thrown_away_and_the_rest_comes_back_within_five() {
    for begin in (10_000..10_500).step_by(50) {
        for both in [false, true] {
            let mut world = World::new(stall(begin, 2_000, (true, both)));
            world.run(25_000);
            let back = world.most(begin + 7_000, 25_000);
            assert!(back <= 40.0, "from {begin}, both {both}: {back} ms");
            assert_eq!(world.clears, 1, "from {begin}, both {both}");
            assert_eq!(world.up.figures().clears, 1);
        }
    }
}

#[test]
fn keys_behind_a_stall_arrive_whole_and_the_delay_comes_back_all_the_same() {
    for (stalled, begin) in [
        (700, 10_400),
        (700, 10_700),
        (2_000, 11_500),
        (2_000, 12_020),
    ] {
        let keys = Rc::new(RefCell::new(Vec::new()));
        let sent = Rc::clone(&keys);
        let mut sender = KeySender::default();
        let mut at = 0.0_f32;
        let mut world = World::saying(stall(10_000, stalled, (true, true)), move |now| {
            if now == begin * MS {
                sender.send(Keys::parse("5512").expect("keys").signs());
            }
            let mut sound = [0.0; FRAME_LEN];
            for sample in &mut sound {
                at += 150.0 / 8_000.0;
                *sample = 0.4 * ((1.0 - at.fract()).powi(4) - 0.2);
            }
            let whole = sender.process(&mut sound);
            let mut ulaw = [g711::SILENCE; FRAME_LEN];
            g711::encode_slice(&sound, &mut ulaw);
            if whole {
                sent.borrow_mut().extend(ulaw.map(g711::decode_f32));
            }
            UpFrame { ulaw, whole }
        });
        world.run(25_000);
        // Its first frame begins, and its last ends, with the voice.
        let keys = keys.borrow();
        let keys = &keys[FRAME_LEN..keys.len() - FRAME_LEN];
        assert!(keys.len() >= 700 * 8, "{} samples", keys.len());
        let whole = world
            .heard
            .windows(keys.len())
            .filter(|w| *w == keys)
            .count();
        assert_eq!(whole, 1, "{stalled} ms, keys at {begin}");
        let back = world.most(20_000, 25_000);
        assert!(back <= 40.0, "{stalled} ms, keys at {begin}: {back} ms");
    }
}

#[test]
fn whatever_bound_is_set_what_is_held_beyond_it_is_thrown_away_and_what_is_below_is_not() {
    for stalled_ms in [800, 1_500] {
        // Some of a stall is never late, and some is brought back while it ends: neither comes near 2 s.
        for (bound, is_beyond) in [(200, true), (500, true), (2_000, false)] {
            let mut world = World::new(stall(10_000, stalled_ms, (true, false)));
            world.up = Upward::bounded(MostDelay::from_ms(bound).expect("a delay"));
            world.run(20_000);
            let clears = world.clears;
            assert!(clears <= 3, "{stalled_ms} ms, bound {bound} ms: {clears}");
            assert_eq!(clears > 0, is_beyond, "{stalled_ms} ms, bound {bound} ms");
            // A mark comes back within half a second of the stall, and the sound on the way with it.
            let end = 10_000 + stalled_ms + 600;
            let most = world.most(end, 20_000);
            assert!(
                most <= f64::from(bound) + 40.0,
                "{stalled_ms} ms, bound {bound} ms: {most} ms"
            );
        }
    }
}

#[test]
fn a_stall_of_half_a_minute_is_over_ten_seconds_later() {
    for both in [false, true] {
        let mut world = World::new(stall(10_000, 30_000, (true, both)));
        world.run(60_000);
        let back = world.most(50_000, 60_000);
        assert!(back <= 40.0, "both {both}: {back} ms");
        assert!(
            (1..=3).contains(&world.clears),
            "both {both}: {}",
            world.clears
        );
    }
}

#[test]
fn a_stall_of_the_way_back_alone_is_no_delay_to_the_caller() {
    let mut world = World::new(stall(10_000, 700, (false, true)));
    world.run(20_000);
    assert_eq!(world.up.figures().shortened_ms, 0.0);
    assert!(world.gap_ms() < 45.0, "{}", world.gap_ms());
}

#[test]
fn what_is_told_is_what_the_carrier_holds() {
    let mut world = World::new(stall(10_000, 400, (true, true)));
    world.run(10_600);
    // In the midst of it: as much as is there, give or take what was sent and has not arrived.
    let there = world.queue.len() as f64 / 8.0;
    world.run(10_640);
    let told = world.up.figures().caller_ms.expect("known");
    assert!((told - there).abs() < 60.0, "{told} told, {there} there");
    assert!(told > 200.0, "{told}");
}

#[test]
fn sound_in_bunches_is_not_cut_again_and_again() {
    let mut world = World::new(|at| (WAY + chance(at, 30 * MS), WAY + chance(at + 1, 30 * MS)));
    world.run(300_000);
    // As little as such a network allows, once it is known.
    let before = world.gap_us;
    world.run(600_000);
    let gaps = (world.gap_us - before) as f64 / 1_000.0;
    assert!(gaps < 200.0, "{gaps} ms of gaps in five minutes");
    assert!(
        world.most(300_000, 600_000) < 80.0,
        "{}",
        world.most(300_000, 600_000)
    );
}

#[test]
fn a_longer_way_is_no_backlog_for_long() {
    for more in [30, 150] {
        let mut world = World::new(move |at| {
            let way = if at < 30_000 * MS {
                WAY
            } else {
                WAY + more * MS
            };
            (way, way)
        });
        world.run(120_000);
        let settled = world.up.figures().shortened_ms;
        let gap = world.gap_us;
        world.run(240_000);
        // Whether it is still as long is tried ever more rarely, with a frame or two.
        let tried = world.up.figures().shortened_ms - settled;
        assert!(tried < 100.0, "{more} ms: {tried} ms are cut for nothing");
        assert!(world.gap_us - gap < 100 * MS, "{more} ms: gaps go on");
        world.run(1_800_000);
        let tried = world.up.figures().shortened_ms - settled;
        assert!(tried < 250.0, "{more} ms: {tried} ms in half an hour");
        assert!(
            settled < 40.0 + 4.0 * more as f64,
            "{more} ms: {settled} ms were cut"
        );
        assert!(world.most_told(120_000, 240_000) < 75.0);
    }
}

#[test]
fn after_jitter_the_queue_is_as_short_as_before() {
    for most in [30, 60, 100] {
        for (there, back) in [(true, true), (true, false)] {
            let mut world = World::new(move |at| {
                let much = |is: bool, at: u64| {
                    if is && (10_000 * MS..40_000 * MS).contains(&at) {
                        WAY + chance(at, most * MS)
                    } else {
                        WAY
                    }
                };
                (much(there, at), much(back, at ^ 77))
            });
            world.run(120_000);
            let queue = world.most(100_000, 120_000);
            assert!(
                (20.0..=41.0).contains(&queue),
                "{most} ms, back as well {back}: {queue} ms"
            );
            let told = world.most_told(100_000, 120_000);
            assert!((queue - 20.0 - told).abs() < 10.0, "{told} told of {queue}");
        }
    }
}

#[test]
fn after_two_minutes_of_short_stalls_the_queue_comes_back() {
    for (every, stalled) in [(500, 60), (700, 60), (333, 50), (900, 80)] {
        let mut world = World::new(move |at| {
            let phase = at % (every * MS);
            let is = (10_000 * MS..130_000 * MS).contains(&at) && phase < stalled * MS;
            (WAY + if is { stalled * MS - phase } else { 0 }, WAY)
        });
        world.run(330_000);
        let queue = world.most(300_000, 330_000);
        assert!(
            (20.0..=41.0).contains(&queue),
            "{stalled} ms every {every}: {queue} ms"
        );
    }
}

#[test]
fn timestamps_that_step_hide_no_delay() {
    for step_ms in [-19_000, -3_000, -500, -90, 500, 3_000] {
        let mut world = World::new(stall(40_000, 400, (true, false)));
        world.turned = (20_000 * MS, step_ms * 8);
        world.run(39_000);
        let floor = world.up.figures().round_trip_ms.expect("known");
        assert!(
            (-90..0).contains(&step_ms) || (floor - 60.0).abs() < 3.0,
            "{step_ms}: {floor}"
        );
        world.run(60_000);
        let queue = world.most(45_000, 60_000);
        assert!(queue <= 41.0, "{step_ms} ms: {queue} ms");
        assert!(world.most_told(40_300, 41_000) > 200.0, "{step_ms} ms");
    }
}

#[test]
fn a_carrier_that_returns_marks_again_is_measured_again() {
    let mut world = World::new(|_| (WAY, WAY));
    world.run(30_000);
    world.carrier_returns_marks = false;
    world.run(120_000);
    assert_eq!(world.up.figures().caller_ms, None);
    world.carrier_returns_marks = true;
    world.run(140_000);
    assert!(world.up.figures().caller_ms.is_some());
}

#[test]
fn a_carrier_that_returns_no_marks_is_left_alone() {
    let mut world = World::new(|_| (WAY, WAY));
    world.carrier_returns_marks = false;
    world.run(60_000);
    assert_eq!(world.up.figures(), UpFigures::default());
    // Sound, and marks twice a second for 16 s, then every 12 s.
    assert_eq!(world.sent, 3_000 + 32 + 3);
    let mut world = World::new(|_| (WAY, WAY));
    world.run(30_000);
    world.carrier_returns_marks = false;
    world.run(120_000);
    assert_eq!(
        world.up.figures().caller_ms,
        None,
        "nothing is known any more"
    );
    assert!(world.up.figures().clears <= 1);
    let cut = world.up.figures().shortened_ms;
    world.run(180_000);
    assert_eq!(world.up.figures().shortened_ms, cut);
}

#[test]
fn a_fast_microphone_alone_does_not_pile_up() {
    let mut world = World::new(|_| (WAY, WAY));
    // 500 ppm.
    world.mic_us = 19_990;
    world.run(600_000);
    assert!(
        world.most(60_000, 600_000) < 65.0,
        "{}",
        world.most(60_000, 600_000)
    );
}

#[test]
fn a_microphone_that_pauses_leaves_nothing_behind() {
    let mut world = World::new(|_| (WAY, WAY));
    world.run(10_000);
    // Its frames come 300 ms late and all at once.
    let held: Vec<_> = world
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Frame))
        .map(|(key, _)| *key)
        .collect();
    for key in held {
        world.events.remove(&key);
    }
    for n in 0..15 {
        let frame = (world.sound)(0);
        let now = Time::from_micros(10_300 * MS + n);
        world.up.frame(&frame, now);
        while let Some(message) = world.up.pull() {
            world.at(10_320 * MS + n, Event::There(message));
        }
    }
    world.busy.0 = 10_321 * MS;
    world.at(10_320 * MS, Event::Frame);
    world.run(15_000);
    assert!(
        world.most(12_500, 15_000) <= 40.0,
        "{}",
        world.most(12_500, 15_000)
    );
}

#[test]
fn talk_that_is_brought_back_neither_clicks_nor_changes_its_pitch() {
    let mut phase = 0.0_f32;
    let mut world = World::saying(stall(5_000, 500, (true, false)), move |_| {
        let mut ulaw = [g711::SILENCE; FRAME_LEN];
        for code in &mut ulaw {
            phase = (phase + 440.0 / 8_000.0).fract();
            *code = g711::encode_f32(0.3 * (phase * std::f32::consts::TAU).sin());
        }
        UpFrame { ulaw, whole: false }
    });
    world.run(12_000);
    assert!(world.up.figures().shortened_ms > 400.0);
    // From the moment that sound is back.
    let sound = &world.heard[5_560 * 8..11_500 * 8];
    let steepest = 0.3 * std::f32::consts::TAU * 440.0 / 8_000.0;
    let step = sound
        .windows(2)
        .map(|s| (s[1] - s[0]).abs())
        .fold(0.0, f32::max);
    assert!(step < steepest * 1.25, "{step} of {steepest}");
    let crossings = sound
        .windows(2)
        .filter(|s| s[0] < 0.0 && s[1] >= 0.0)
        .count();
    let hz = crossings as f32 * 8_000.0 / sound.len() as f32;
    assert!((hz / 440.0 - 1.0).abs() < 0.01, "{hz} Hz");
}

#[test]
fn marks_of_before_a_clear_and_of_others_count_for_nothing() {
    let mut backlog = Backlog::default();
    let at = Time::from_millis;
    backlog.sent(20.0, 20.0, at(0));
    let first = backlog.mark(at(0)).expect("due");
    assert_eq!(first.to_string(), "offhook-0-1");
    assert_eq!(MarkName::parse("offhook-0-1"), Some(first));
    backlog.cleared();
    assert!(backlog.returned(first, at(1), 0.0));
    assert_eq!(backlog.held_ms(), None, "it was not played but cleared");
    backlog.sent(20.0, 20.0, at(20));
    let second = backlog.mark(at(20)).expect("due");
    assert_eq!(second.to_string(), "offhook-1-2");
    assert!(backlog.returned(second, at(80), 0.0));
    assert_eq!(backlog.floor_ms(), Some(60.0));
    assert!(backlog.returned(second, at(90), 0.0));
    assert_eq!(backlog.floor_ms(), Some(60.0), "once is enough");
    for other in [
        "",
        "x",
        "offhook-",
        "offhook-1",
        "offhook-1-2-3",
        "offhook-+1-2",
        "offhook-1-99999999999",
    ] {
        assert_eq!(MarkName::parse(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn whatever_the_network_does_little_is_held_for_long_and_nothing_is_louder(
        stalls in prop::collection::vec((1_000_u64..30_000, 0_u64..3_000, any::<bool>(), any::<bool>()), 0..6),
        jitter in 0_u64..40,
    ) {
        let mut world = World::new(move |at| {
            let mut ways = (WAY + chance(at, jitter * MS + 1), WAY + chance(at + 7, jitter * MS + 1));
            for (from, length, there, back) in &stalls {
                let end = (from + length) * MS;
                if (from * MS..end).contains(&at) {
                    if *there { ways.0 += end - at }
                    if *back { ways.1 += end - at }
                }
            }
            ways
        });
        world.run(60_000);
        // However it began, half a minute later it is over.
        prop_assert!(world.most(50_000, 60_000) < 150.0, "{}", world.most(50_000, 60_000));
        prop_assert!(world.up.is_empty());
        let loudest = world.heard.iter().fold(0.0_f32, |most, s| most.max(s.abs()));
        prop_assert!(loudest <= 0.4 * 0.8 + 0.02, "{loudest}");
    }
}

#[test]
fn a_key_is_held_from_the_frame_that_brings_it_until_it_has_left_and_been_played() {
    let frame = |whole| UpFrame {
        ulaw: [g711::SILENCE; FRAME_LEN],
        whole,
    };
    let mut up = Upward::default();
    assert!(!up.holds_key(&frame(false)));
    assert!(up.holds_key(&frame(true)), "it comes");
    up.shortener.push(&frame(true), Urgency::Much(8_000));
    assert!(up.holds_key(&frame(false)), "it waits here");
    up.frame(&frame(false), Time::START);
    assert!(up.holds_key(&frame(false)), "the carrier has it");
    for n in 1..60 {
        up.frame(&frame(false), Time::from_micros(n * 20 * MS));
    }
    assert!(!up.holds_key(&frame(false)), "it was played");
}
