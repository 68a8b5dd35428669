//! Opening a device, whichever kind it is, and what keeps it going.
//!
//! May block as long as the sound system likes, so it runs on throw-away threads with a limit.

use std::cell::RefCell;
use std::sync::Arc;

use super::callback::{Beat, Capture, Playout, Sound, Stamp};
use super::mouth_thread::Source;
use super::own::{self, Clock, FilePlayout, Recording};
use super::real::{self, Found, Wanted, Way};
use super::seat::Turn;
use super::supervisor::Shared;
use super::whereabouts::{self, Place};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::device::DeviceChoice;

/// Samples that fit between a microphone and the mouth: 200 ms at 48 kHz, and more at lower rates.
pub(super) const CAPTURE_RING: usize = 9_600;

/// One of the three uses of a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    Capture,
    Playout,
    Ringer,
}

impl Use {
    pub(super) fn way(self) -> Way {
        match self {
            Use::Capture => Way::Capture,
            Use::Playout | Use::Ringer => Way::Playout,
        }
    }
}

/// What keeps a device going; dropping it ends the device.
#[expect(dead_code, reason = "held only to be dropped")]
pub(super) enum Running {
    Real(cpal::Stream),
    Clock(Clock),
    File(FilePlayout),
    /// The ear itself feeds the mouth.
    Tap,
}

/// A device that was opened.
pub(super) struct Opened {
    pub(super) running: Running,
    pub(super) text: String,
    pub(super) beat: Arc<Beat>,
    pub(super) rate: DeviceRate,
    /// Where a sound server put the stream, for a device that was named.
    pub(super) place: Option<Place>,
    /// For a microphone: where the mouth is to listen.
    pub(super) source: Option<Source>,
    pub(super) turn: Option<Turn>,
}

/// Opens a device. May block as long as the sound system likes.
pub(super) fn open(
    use_: Use,
    wanted: &Wanted,
    shared: &Arc<Shared>,
    playout_rate: DeviceRate,
) -> Result<Opened, String> {
    match use_ {
        Use::Capture => open_capture(wanted, shared, playout_rate),
        Use::Playout => {
            let turn = shared.seat.draw();
            let mut opened = open_playout(wanted, shared, |_| {
                Sound::Ear(Arc::clone(&shared.seat), turn)
            })?;
            opened.turn = Some(turn);
            Ok(opened)
        }
        Use::Ringer => {
            let sound = |rate| Sound::Bell {
                bell: Arc::clone(&shared.bell),
                rate,
                ringing: None,
            };
            open_playout(wanted, shared, sound)
        }
    }
}

fn open_capture(
    wanted: &Wanted,
    shared: &Arc<Shared>,
    playout_rate: DeviceRate,
) -> Result<Opened, String> {
    let beat = Arc::new(Beat::default());
    let stamp = Arc::new(Stamp::default());
    let ours = |running, text: &str, rate, source| Opened {
        running,
        text: text.to_owned(),
        beat: Arc::clone(&beat),
        rate,
        place: None,
        source,
        turn: None,
    };
    let connect = |rate| {
        let (ring, for_mouth) = rtrb::RingBuffer::new(CAPTURE_RING);
        let capture = Capture::new(
            ring,
            shared.mouth.thread().clone(),
            Arc::clone(&stamp),
            Arc::clone(&beat),
        );
        (
            capture,
            Some(Source {
                ring: for_mouth,
                rate,
                stamp: Arc::clone(&stamp),
            }),
        )
    };
    match &wanted.choice {
        DeviceChoice::None => {
            let (capture, source) = connect(DeviceRate::HZ_48000);
            let clock = own::capture_nothing(capture, shared.clock)?;
            Ok(ours(
                Running::Clock(clock),
                "none (48000 Hz, 480 frames)",
                DeviceRate::HZ_48000,
                source,
            ))
        }
        DeviceChoice::Loopback => Ok(ours(Running::Tap, "loopback", playout_rate, None)),
        DeviceChoice::File(path) => {
            let recording = Recording::read(path)?;
            let rate = recording.rate;
            let (capture, source) = connect(rate);
            let clock = own::capture_file(
                recording,
                capture,
                Arc::clone(&shared.answered),
                shared.clock,
            )?;
            let text = format!("file:{} ({} Hz)", path.display(), rate.hz());
            Ok(ours(Running::Clock(clock), &text, rate, source))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(wanted, Way::Capture, |found| {
                // Each attempt has a ring of its own; the mouth gets the one of the stream that opened.
                let source = RefCell::new(None);
                let opened = found.capture(
                    || {
                        let (capture, listen) = connect(found.rate);
                        *source.borrow_mut() = listen;
                        capture
                    },
                    &beat,
                    shared.clock,
                )?;
                Ok(ours(
                    Running::Real(opened.stream),
                    &opened.text,
                    found.rate,
                    source.into_inner(),
                ))
            })
        }
    }
}

fn open_playout(
    wanted: &Wanted,
    shared: &Arc<Shared>,
    sound: impl Fn(DeviceRate) -> Sound,
) -> Result<Opened, String> {
    let beat = Arc::new(Beat::default());
    let playout = |rate| Playout::new(sound(rate), rate, Arc::clone(&beat));
    let ours = |running, text: &str, rate| Opened {
        running,
        text: text.to_owned(),
        beat: Arc::clone(&beat),
        rate,
        place: None,
        source: None,
        turn: None,
    };
    let rate = DeviceRate::HZ_48000;
    match &wanted.choice {
        DeviceChoice::None | DeviceChoice::Loopback => {
            let name = if wanted.choice == DeviceChoice::None {
                "none"
            } else {
                "loopback"
            };
            let clock = own::play_nowhere(playout(rate), shared.clock)?;
            Ok(ours(
                Running::Clock(clock),
                &format!("{name} (48000 Hz, 480 frames)"),
                rate,
            ))
        }
        DeviceChoice::File(path) => {
            let file = own::play_to_file(path, playout(rate), shared.clock)?;
            Ok(ours(
                Running::File(file),
                &format!("file:{} (48000 Hz)", path.display()),
                rate,
            ))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(wanted, Way::Playout, |found| {
                let opened = found.play(|| playout(found.rate), &beat, shared.clock)?;
                Ok(ours(Running::Real(opened.stream), &opened.text, found.rate))
            })
        }
    }
}

/// Opens the first that can be; one that was named is to be watched.
fn first_that_opens(
    wanted: &Wanted,
    way: Way,
    open: impl Fn(&Found) -> Result<Opened, String>,
) -> Result<Opened, String> {
    let mut reasons = Vec::new();
    for found in &real::find(wanted, way)? {
        let opened = if matches!(wanted.choice, DeviceChoice::Named(_)) {
            whereabouts::watch(way, || open(found))
                .map(|(opened, place)| Opened { place, ..opened })
        } else {
            open(found)
        };
        match opened {
            Ok(opened) => return Ok(opened),
            Err(reason) => reasons.push(format!("{}: {reason}", found.name)),
        }
    }
    Err(reasons.join("; "))
}
