//! Where legs hear each other: the two of a `<Dial>`, the parties of a conference, or one with the carrier alone.
//!
//! A room has one time line of frames of 20 ms. Whoever looks at it lets all frames come about that are due, for everybody
//! in it, so that a task that is late costs nobody any sound: what is said and heard is a matter of frames, not of tasks.
//! Everybody hears all the others and not himself, and whatever is played to him alone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::script::{Act, Caller, FRAME};
use super::tones;
use super::voice;

const FRAME_TIME: Duration = Duration::from_millis(20);

/// How somebody is in a room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// Whether the others do not hear him.
    pub(super) muted: bool,
    /// Whether he waits for another to begin it.
    pub(super) waits: bool,
    /// Whether it is over when he hangs up or leaves.
    pub(super) ends: bool,
    /// Whether his coming, and his leaving, sounds a beep.
    pub(super) beeps: [bool; 2],
    /// Whether he hears music until it has begun.
    pub(super) with_music: bool,
    /// How much later than he says it the others hear him: a jitter buffer.
    pub(super) later: Duration,
}

/// Somebody in a room.
pub(super) struct Member {
    id: u64,
    pub(super) caller: Caller,
    rules: Rules,
    /// The frame before which he came.
    joined: u64,
    /// What he has heard since, and what he has said.
    pub(super) heard: Vec<i16>,
    pub(super) said: Vec<i16>,
    /// The keys that he has pressed.
    pub(super) digits: String,
    pub(super) has_hung_up: bool,
    /// What is played to him alone.
    pub(super) played: VecDeque<i16>,
    key: VecDeque<i16>,
    on_its_way: VecDeque<i16>,
}

impl Member {
    /// Makes his next frame, as the others hear it.
    fn speak(&mut self) -> [i16; FRAME] {
        let mut frame = match self.caller.next(&self.heard) {
            Act::Sound(sound) => sound,
            Act::Digit(digit) => {
                self.digits.push(digit);
                self.key = tones::key(digit).into();
                [0; FRAME]
            }
            Act::HangUp => {
                self.has_hung_up = true;
                [0; FRAME]
            }
        };
        for sample in &mut frame {
            *sample = self.key.pop_front().unwrap_or(*sample);
        }
        self.said.extend(frame);
        self.on_its_way.extend(frame);
        let mut frame = std::array::from_fn(|_| self.on_its_way.pop_front().unwrap_or(0));
        if self.rules.muted {
            frame = [0; FRAME];
        }
        frame
    }
}

/// What is in a room, without a clock.
struct State {
    frames: u64,
    members: Vec<Member>,
    next_id: u64,
    /// Whether they hear each other yet.
    has_begun: bool,
    is_over: bool,
    beep: VecDeque<i16>,
    most: usize,
}

impl State {
    fn new(most: usize, has_begun: bool) -> State {
        State {
            frames: 0,
            members: Vec::new(),
            next_id: 0,
            has_begun,
            is_over: false,
            beep: VecDeque::new(),
            most,
        }
    }

    fn join(&mut self, mut caller: Caller, rules: Rules) -> Result<u64, Caller> {
        if self.is_over || self.members.len() >= self.most {
            return Err(caller);
        }
        caller.new_stream();
        let id = self.next_id;
        self.next_id += 1;
        let later = usize::try_from(rules.later.as_millis() * 8).unwrap_or(0);
        self.members.push(Member {
            id,
            caller,
            rules,
            joined: self.frames,
            heard: Vec::new(),
            said: Vec::new(),
            digits: String::new(),
            has_hung_up: false,
            played: VecDeque::new(),
            key: VecDeque::new(),
            on_its_way: vec![0; later].into(),
        });
        let somebody_begins = self.members.iter().any(|member| !member.rules.waits);
        self.has_begun |= somebody_begins && self.members.len() > 1;
        if rules.beeps[0] && self.has_begun {
            self.beep = voice::beep().into();
        }
        Ok(id)
    }

    fn member(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    fn frame(&mut self) {
        let voices: Vec<[i16; FRAME]> = self.members.iter_mut().map(Member::speak).collect();
        let beep: [i16; FRAME] = std::array::from_fn(|_| self.beep.pop_front().unwrap_or(0));
        for (index, member) in self.members.iter_mut().enumerate() {
            let alone = if member.rules.with_music && !self.has_begun {
                tones::music(self.frames)
            } else {
                [0; FRAME]
            };
            for at in 0..FRAME {
                let others = voices
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| *other != index);
                let others: i32 = others.map(|(_, voice)| i32::from(voice[at])).sum();
                let others = if self.has_begun { others } else { 0 };
                let played = member.played.pop_front().unwrap_or(0);
                let sum = others + i32::from(beep[at]) + i32::from(alone[at]) + i32::from(played);
                let sum = sum.clamp(i16::MIN.into(), i16::MAX.into());
                member.heard.push(sum as i16);
            }
        }
        self.frames += 1;
        let hung_up = |member: &Member| member.has_hung_up && member.rules.ends;
        self.is_over |= self.has_begun && self.members.iter().any(hung_up);
    }

    fn leave(&mut self, id: u64) -> Option<Member> {
        let at = self.members.iter().position(|member| member.id == id)?;
        let member = self.members.remove(at);
        if member.rules.beeps[1] && self.has_begun {
            self.beep = voice::beep().into();
        }
        self.is_over |= self.members.is_empty() || (member.rules.ends && self.has_begun);
        Some(member)
    }
}

/// A room.
pub(super) struct Room {
    began: Instant,
    state: Mutex<State>,
}

impl Room {
    /// Opens one that has begun, for two or for one alone.
    pub(super) fn open() -> Arc<Room> {
        Room::new(2, true)
    }

    /// Opens one that begins with the second, once there is one who does not wait; for so many.
    pub(super) fn conference(most: usize) -> Arc<Room> {
        Room::new(most, false)
    }

    fn new(most: usize, has_begun: bool) -> Arc<Room> {
        Arc::new(Room {
            began: Instant::now(),
            state: Mutex::new(State::new(most, has_begun)),
        })
    }

    /// Lets every frame come about that is due, and returns what there is then.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.began.elapsed().as_millis() / FRAME_TIME.as_millis();
        while u128::from(state.frames) < due {
            state.frame();
        }
        state
    }

    fn moment(&self, frames: u64) -> Instant {
        self.began + FRAME_TIME * u32::try_from(frames).unwrap_or(u32::MAX)
    }

    /// Lets somebody in.
    ///
    /// # Errors
    /// The room is full, or over; then he is given back.
    pub(super) fn join(self: &Arc<Room>, caller: Caller, rules: Rules) -> Result<Seat, Caller> {
        let id = self.now().join(caller, rules)?;
        Ok(Seat {
            room: Arc::clone(self),
            id,
        })
    }

    /// Says whether nobody is to stay.
    pub(super) fn is_over(&self) -> bool {
        self.now().is_over
    }

    /// Returns when the next frame is due.
    pub(super) fn next_frame(&self) -> Instant {
        let next = self.now().frames + 1;
        self.moment(next)
    }
}

/// Somebody's place in a room. Whoever gives it up has left.
pub(super) struct Seat {
    pub(super) room: Arc<Room>,
    id: u64,
}

impl Seat {
    /// Looks at whoever sits there, as he is now; nothing once he has left.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.room.now().member(self.id).map(look)
    }

    /// Leaves; returns when he had come, and what he takes with him.
    pub(super) fn leave(self) -> Option<(Instant, Member)> {
        let member = self.room.now().leave(self.id)?;
        Some((self.room.moment(member.joined), member))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Whoever left in order is no longer there.
        self.room.now().leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Step;
    use super::*;

    fn says(value: i16) -> Caller {
        Caller::new(vec![
            Step::Speak(vec![value; 4 * FRAME]),
            Step::Listen(Duration::from_secs(60)),
        ])
    }

    fn frames(state: &mut State, id: u64) -> Vec<i16> {
        let member = state.member(id).expect("he is there");
        member.heard.chunks(FRAME).map(|frame| frame[0]).collect()
    }

    /// Lets people in who are there by rules, each saying a value.
    fn people<const N: usize>(state: &mut State, people: [(i16, Rules); N]) -> [u64; N] {
        people.map(|(value, rules)| {
            let joined = state.join(says(value), rules);
            joined.expect("there is room")
        })
    }

    fn pass(state: &mut State, frames: usize) {
        for _ in 0..frames {
            state.frame();
        }
    }

    #[test]
    fn everybody_hears_the_others_and_not_himself() {
        let mut room = State::new(3, false);
        let rules = Rules::default();
        let [one, two, three] = people(&mut room, [(100, rules), (10, rules), (1, rules)]);
        assert!(room.join(says(7), rules).is_err(), "it is full");
        pass(&mut room, 3);
        room.leave(one);
        pass(&mut room, 2);
        assert_eq!(frames(&mut room, two), [101, 101, 101, 1, 0]);
        assert_eq!(frames(&mut room, three), [110, 110, 110, 10, 0]);
        room.leave(two);
        assert!(!room.is_over);
        room.leave(three);
        assert!(room.is_over, "nobody is left");
        assert!(room.join(says(7), rules).is_err());
    }

    #[test]
    fn a_conference_begins_with_the_second_once_there_is_one_who_does_not_wait() {
        let mut room = State::new(10, false);
        let waits = Rules {
            waits: true,
            with_music: true,
            ..Rules::default()
        };
        let [first, second] = people(&mut room, [(1, waits), (10, waits)]);
        pass(&mut room, 2);
        let [third] = people(&mut room, [(100, Rules::default())]);
        pass(&mut room, 1);
        let heard = room.member(first).expect("he is there").heard.clone();
        let music = &heard[..2 * FRAME];
        assert!(music.iter().any(|sample| *sample > 500), "music");
        assert_eq!(heard[2 * FRAME..], [110; FRAME]);
        room.leave(third);
        room.leave(second);
        pass(&mut room, 1);
        assert!(!room.is_over, "neither was one who ends it");
        assert_eq!(frames(&mut room, first)[3], 0, "and it has begun for good");
    }

    #[test]
    fn it_ends_with_whoever_ends_it_and_a_voice_may_be_late_or_muted() {
        let mut room = State::new(10, false);
        let ends = Rules {
            ends: true,
            later: FRAME_TIME * 2,
            ..Rules::default()
        };
        let muted = Rules {
            muted: true,
            ..Rules::default()
        };
        let [late, muted] = people(&mut room, [(100, ends), (10, muted)]);
        pass(&mut room, 3);
        assert_eq!(frames(&mut room, muted), [0, 0, 100]);
        assert_eq!(frames(&mut room, late), [0, 0, 0]);
        room.leave(late);
        assert!(room.is_over);
    }

    #[test]
    fn who_comes_and_goes_with_a_beep_is_heard_by_those_who_are_there() {
        let mut room = State::new(10, false);
        let quiet = Rules {
            muted: true,
            ..Rules::default()
        };
        let beeps = Rules {
            beeps: [true, true],
            ..quiet
        };
        let [first, second] = people(&mut room, [(1, quiet), (1, beeps)]);
        pass(&mut room, 20);
        room.leave(second);
        pass(&mut room, 20);
        let heard = room.member(first).expect("he is there").heard.clone();
        let beep = voice::beep();
        assert_eq!(heard[..2_000], beep[..]);
        assert_eq!(heard[20 * FRAME..][..2_000], beep[..]);
        assert_eq!(heard[2_000..20 * FRAME], [0; 1_200]);
    }

    #[test]
    fn a_loud_room_clips_and_does_not_wrap() {
        let mut room = State::new(3, false);
        let rules = Rules::default();
        let loud = [(30_000, rules), (30_000, rules), (-30_000, rules)];
        let [one, two, three] = people(&mut room, loud);
        pass(&mut room, 1);
        assert_eq!(frames(&mut room, one), [0]);
        assert_eq!(frames(&mut room, two), [0]);
        assert_eq!(frames(&mut room, three), [i16::MAX]);
    }

    #[test]
    fn a_key_is_heard_by_the_other_as_its_tones() {
        let mut room = State::new(2, true);
        let presses = Caller::new(vec![Step::Dtmf("5".to_owned())]);
        let one = room.join(presses, Rules::default()).expect("room");
        let [two] = people(&mut room, [(0, Rules::default())]);
        pass(&mut room, 6);
        let heard = room.member(two).expect("he is there").heard.clone();
        assert_eq!(heard[..800], tones::key('5')[..]);
        let presser = room.member(one).expect("he is there");
        assert_eq!((presser.digits.as_str(), presser.has_hung_up), ("5", true));
    }
}
