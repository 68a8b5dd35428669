//! Where the microphone's end of the sidetone lies while no capture callback uses it.
//!
//! Devices come and go, so none owns it: a callback takes it, writes, and puts it back. While two microphones overlap the
//! one that finds it taken writes nothing.

use std::sync::Arc;

use crossbeam_utils::atomic::AtomicCell;

use crate::pure::audio::DeviceRate;
use crate::pure::audio::sidetone::SidetoneIn;

/// The place.
pub struct SidetoneSeat(AtomicCell<Option<Box<SidetoneIn>>>);

impl SidetoneSeat {
    /// Puts the microphone's end there.
    #[must_use]
    pub fn new(end: SidetoneIn) -> SidetoneSeat {
        SidetoneSeat(AtomicCell::new(Some(Box::new(end))))
    }
}

impl std::fmt::Debug for SidetoneSeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SidetoneSeat(…)")
    }
}

/// One microphone's way to it.
#[derive(Clone, Debug)]
pub struct ToSidetone {
    /// The place.
    pub seat: Arc<SidetoneSeat>,
    /// The microphone's rate.
    pub rate: DeviceRate,
}

impl ToSidetone {
    pub(super) fn take(&self) -> Option<Box<SidetoneIn>> {
        let end = self.seat.0.take()?;
        end.set_rate(self.rate);
        Some(end)
    }

    pub(super) fn put_back(&self, end: Box<SidetoneIn>) {
        // The cell is empty, since only whoever took the end puts it back.
        self.seat.0.store(Some(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::callback::{Beat, Capture, Stamp};
    use crate::pure::audio::sidetone::sidetone;
    use crate::pure::time::Time;

    #[test]
    fn a_mouth_that_does_not_listen_takes_nothing_from_ones_own_ear() {
        let (into, own_ear) = sidetone(-20, DeviceRate::HZ_48000);
        let (ring, mut for_mouth) = rtrb::RingBuffer::new(100);
        let beat = Arc::new(Beat::default());
        let stamp = Arc::new(Stamp::default());
        let mut capture = Capture::new(ring, std::thread::current(), stamp, Arc::clone(&beat))
            .with_sidetone(Some(ToSidetone {
                seat: Arc::new(SidetoneSeat::new(into)),
                rate: DeviceRate::HZ_48000,
            }));
        for turn in 1..=3 {
            capture.hear(&[0.5_f32; 480], 1, Time::START);
            assert_eq!(own_ear.depth(), 480 * turn);
        }
        assert_eq!(
            beat.overruns.load(std::sync::atomic::Ordering::Relaxed),
            3 * 480 - 100
        );
        assert_eq!(for_mouth.slots(), 100);
        assert_eq!(for_mouth.pop(), Ok(0.5));
    }

    #[test]
    fn taking_it_needs_no_lock() {
        assert!(AtomicCell::<Option<Box<SidetoneIn>>>::is_lock_free());
    }
}
