//! Opening a device, whichever kind it is, and what keeps it going.
//!
//! May block as long as the sound system likes, so it runs on throw-away threads with a limit.

use std::cell::RefCell;
use std::sync::Arc;

use super::callback::{Beat, Capture, Playout, Sound, Stamp};
use super::mouth_thread::Source;
use super::own::{self, Clock, FilePlayout, Recording};
use super::real::{self, Found, Missing, Wanted, Way};
use super::seat::Turn;
use super::sidetone::ToSidetone;
use super::supervisor::Shared;
use super::whereabouts::{self, Place};
use crate::pure::audio::DeviceRate;
use crate::pure::audio::device::DeviceChoice;
use crate::pure::audio::ringtone::Ringer;

/// Samples that fit between a microphone of `rate` and the mouth: half a second, so that the longest callback has room.
pub(super) fn capture_ring(rate: DeviceRate) -> usize {
    rate.hz() as usize / 2
}

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
    /// What it does; nothing where the ear does it.
    pub(super) beat: Option<Arc<Beat>>,
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
                ringer: Box::new(Ringer::new(shared.ring.clone(), rate)),
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
    let connect = |rate| {
        let (ring, for_mouth) = rtrb::RingBuffer::new(capture_ring(rate));
        let (stamp, beat) = (Arc::new(Stamp::default()), Arc::new(Beat::default()));
        let mouth = shared.mouth.thread().clone();
        let sidetone = shared
            .sidetone
            .clone()
            .map(|seat| ToSidetone { seat, rate });
        let capture = Capture::new(ring, mouth, Arc::clone(&stamp), Arc::clone(&beat))
            .with_sidetone(sidetone);
        let source = Source {
            ring: for_mouth,
            rate,
            stamp,
            // Told once it is open.
            name: String::new(),
        };
        (capture, source, beat)
    };
    let ours = |running, text: String, source: Source, beat| Opened {
        running,
        text,
        beat: Some(beat),
        rate: source.rate,
        place: None,
        source: Some(source),
        turn: None,
    };
    match &wanted.choice {
        DeviceChoice::None => {
            let (capture, source, beat) = connect(DeviceRate::HZ_48000);
            let clock = own::capture_nothing(capture, shared.clock)?;
            let text = "none (48000 Hz, 480 frames)".to_owned();
            Ok(ours(Running::Clock(clock), text, source, beat))
        }
        DeviceChoice::Loopback => Ok(Opened {
            running: Running::Tap,
            text: "loopback".to_owned(),
            beat: None,
            rate: playout_rate,
            place: None,
            source: None,
            turn: None,
        }),
        DeviceChoice::File(path) => {
            let recording = Recording::speech(path)?;
            let text = format!("file:{} ({} Hz)", path.display(), recording.rate.hz());
            let (capture, source, beat) = connect(recording.rate);
            let answered = Arc::clone(&shared.answered);
            let clock = own::capture_file(recording, capture, answered, shared.clock)?;
            Ok(ours(Running::Clock(clock), text, source, beat))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(wanted, Way::Capture, |found| {
                // Each attempt has a ring and a beat of its own: what a stream says that is being dropped is not said of
                // the one that opened.
                let connected = RefCell::new(None);
                let opened = found.capture(
                    || {
                        let (capture, source, beat) = connect(found.rate);
                        *connected.borrow_mut() = Some((source, Arc::clone(&beat)));
                        (capture, beat)
                    },
                    shared.clock,
                )?;
                let (source, beat) = connected.into_inner().ok_or("it was never opened")?;
                Ok(ours(
                    Running::Real(opened.stream),
                    opened.text,
                    source,
                    beat,
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
    let connect = |rate| {
        let beat = Arc::new(Beat::default());
        (Playout::new(sound(rate), rate, Arc::clone(&beat)), beat)
    };
    let ours = |running, text: String, rate, beat| Opened {
        running,
        text,
        beat: Some(beat),
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
            let (playout, beat) = connect(rate);
            let clock = own::play_nowhere(playout, shared.clock)?;
            let text = format!("{name} (48000 Hz, 480 frames)");
            Ok(ours(Running::Clock(clock), text, rate, beat))
        }
        DeviceChoice::File(path) => {
            let (playout, beat) = connect(rate);
            let in_use = shared.in_use.clone();
            let file = own::play_to_file(path, playout, Arc::clone(&beat), shared.clock, in_use)?;
            let text = format!("file:{} (48000 Hz)", path.display());
            Ok(ours(Running::File(file), text, rate, beat))
        }
        DeviceChoice::Default | DeviceChoice::Named(_) => {
            first_that_opens(wanted, Way::Playout, |found| {
                let beat = RefCell::new(None);
                let opened = found.play(
                    || {
                        let (playout, its) = connect(found.rate);
                        *beat.borrow_mut() = Some(Arc::clone(&its));
                        (playout, its)
                    },
                    shared.clock,
                )?;
                let beat = beat.into_inner().ok_or("it was never opened")?;
                let running = Running::Real(opened.stream);
                Ok(ours(running, opened.text, found.rate, beat))
            })
        }
    }
}

/// Why nothing opens on a machine without sound.
pub const NO_SOUND_CARD: &str = "there is no sound card here";

/// Opens the first that can be, best sound system first; one that was named is to be watched.
fn first_that_opens(
    wanted: &Wanted,
    way: Way,
    open: impl Fn(&Found) -> Result<Opened, String>,
) -> Result<Opened, String> {
    let (hosts, name) = real::places(wanted)?;
    let mut reasons = Vec::new();
    let mut is_bare = wanted.host.is_none() && name.is_none();
    for host in hosts {
        let found = match real::find(host, name.as_deref(), way, wanted.callback_ms) {
            Ok(found) => found,
            Err(Missing::Nothing(reason)) => {
                reasons.push(reason);
                continue;
            }
            Err(Missing::Here(reason)) => {
                is_bare = false;
                reasons.push(reason);
                continue;
            }
            Err(Missing::Hung(reason)) => {
                is_bare = false;
                reasons.push(reason);
                break;
            }
        };
        is_bare = false;
        let opened = if name.is_some() {
            whereabouts::watch(way, || open(&found))
                .map(|(opened, place)| Opened { place, ..opened })
        } else {
            open(&found)
        };
        match opened {
            Ok(opened) => return Ok(opened),
            Err(reason) => reasons.push(format!("{}: {reason}", found.name)),
        }
    }
    if is_bare && !real::kernel_has_card() {
        return Err(NO_SOUND_CARD.to_owned());
    }
    Err(reasons.join("; "))
}
