//! Where the ear sits while no callback uses it.
//!
//! A sound server may hang for ever inside a stream that we want to be rid of, so no stream may own the ear. A callback
//! whose turn it is takes the ear out of an atomic cell, renders, and puts it back; a callback whose turn is over finds
//! that out from a number and plays silence. Nothing here waits but [`EarSeat::give_turn`], which no callback calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::atomic::AtomicCell;

use super::callback::{Reference, Tap};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::ear::Ear;
use crate::pure::time::Time;

/// Whose turn it is to render. Every opened device has a number of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Turn(u64);

/// Nobody's turn.
const NOBODY: u64 = 0;

/// The ear, where its far ends go for the `loopback` microphone, and where all that it plays goes for the speakerphone.
#[derive(Debug)]
pub(super) struct Seated {
    pub(super) ear: Ear,
    pub(super) tap: Option<Tap>,
    pub(super) reference: Option<Reference>,
}

/// The ear while a callback has it: goes back to its seat whatever becomes of the callback.
struct Taken<'a> {
    seated: Option<Box<Seated>>,
    seat: &'a EarSeat,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // The cell is empty, since only whoever took the ear puts it back.
        self.seat.seated.store(self.seated.take());
    }
}

/// The seat.
pub struct EarSeat {
    seated: AtomicCell<Option<Box<Seated>>>,
    turn: AtomicU64,
    numbers: AtomicU64,
}

impl EarSeat {
    /// Seats an ear; it is nobody's turn yet.
    pub fn new(ear: Ear) -> EarSeat {
        EarSeat {
            seated: AtomicCell::new(Some(Box::new(Seated {
                ear,
                tap: None,
                reference: None,
            }))),
            turn: AtomicU64::new(NOBODY),
            numbers: AtomicU64::new(NOBODY),
        }
    }

    /// Draws a number for a device that is being opened.
    pub fn draw(&self) -> Turn {
        Turn(self.numbers.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Renders a block where it is this number's turn, or silence.
    pub(super) fn render(&self, turn: Turn, out: &mut [f32], far: &mut [f32], heard_at: Time) {
        if let Some(mut taken) = self.take(turn)
            && let Some(seated) = &mut taken.seated
        {
            seated.ear.render(out, far, heard_at);
            // The tap wakes the mouth, which is then to find what is played.
            if let Some(reference) = &mut seated.reference {
                reference.push(out, heard_at);
            }
            if let Some(tap) = &mut seated.tap {
                tap.push(far);
            }
        } else {
            out.fill(0.0);
            far.fill(0.0);
        }
    }

    /// Takes the ear where it is this number's turn.
    fn take(&self, turn: Turn) -> Option<Taken<'_>> {
        let is_its_turn = || self.turn.load(Ordering::Acquire) == turn.0;
        if !is_its_turn() {
            return None;
        }
        let taken = Taken {
            seated: Some(self.seated.take()?),
            seat: self,
        };
        // The turn may have passed on between the look and the taking.
        is_its_turn().then_some(taken)
    }

    /// Gives the turn to a device of `rate`, with a new `tap`. Waits for a callback that is rendering just now.
    pub fn give_turn(&self, turn: Turn, rate: DeviceRate, tap: Option<Tap>) {
        self.give_turn_with(turn, rate, tap, None);
    }

    /// Gives the turn as [`EarSeat::give_turn`] does, and lets a speakerphone hear what is played.
    pub fn give_turn_with(
        &self,
        turn: Turn,
        rate: DeviceRate,
        tap: Option<Tap>,
        reference: Option<Reference>,
    ) {
        self.turn.store(NOBODY, Ordering::Release);
        let began = Instant::now();
        let mut told = false;
        let mut seated = loop {
            if let Some(seated) = self.seated.take() {
                break seated;
            }
            // A block takes less than a millisecond; one that takes a second is being debugged.
            if !told && began.elapsed() > Duration::from_secs(1) {
                tracing::warn!("a sound callback has not given the ear back; trying on");
                told = true;
            }
            std::thread::sleep(Duration::from_micros(200));
        };
        seated.ear.set_rate(rate);
        seated.tap = tap;
        seated.reference = reference;
        self.seated.store(Some(seated));
        self.turn.store(turn.0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::audio::ear::{COMMANDS, EarCommand};

    fn seat() -> (EarSeat, rtrb::Producer<EarCommand>) {
        let (commands, for_ear) = rtrb::RingBuffer::new(COMMANDS);
        let (let_go, _) = rtrb::RingBuffer::new(COMMANDS);
        (
            EarSeat::new(Ear::new(DeviceRate::HZ_48000, for_ear, let_go)),
            commands,
        )
    }

    fn beeps(seat: &EarSeat, turn: Turn) -> bool {
        let (mut out, mut far) = ([0.0; 480], [0.0; 480]);
        seat.render(turn, &mut out, &mut far, Time::START);
        out.iter().any(|sample| *sample != 0.0)
    }

    #[test]
    fn taking_the_ear_needs_no_lock() {
        assert!(AtomicCell::<Option<Box<Seated>>>::is_lock_free());
    }

    #[test]
    fn only_the_device_whose_turn_it_is_renders() {
        let (seat, mut commands) = seat();
        let (old, new) = (seat.draw(), seat.draw());
        commands.push(EarCommand::Beep).expect("room");
        assert!(!beeps(&seat, old), "it is nobody's turn yet");
        seat.give_turn(old, DeviceRate::HZ_48000, None);
        assert!(beeps(&seat, old));
        seat.give_turn(new, DeviceRate::HZ_48000, None);
        assert!(!beeps(&seat, old));
        assert!(beeps(&seat, new));
    }
}
