//! The taps of one stream, for whoever records it: what is sent up, and what is played of what comes down.

use std::sync::{Arc, Mutex, PoisonError};

use crate::pure::audio::tap::{LegTap, TapReader, tap};
use crate::pure::time::Time;

/// Both taps of a stream. Cheap to clone; one at a time listens.
#[derive(Clone, Debug)]
pub struct LineTap {
    // Here while nobody listens. Sound never waits for this lock: it guards the ends that are read.
    ends: Arc<Mutex<Option<Ends>>>,
}

#[derive(Debug)]
struct Ends {
    near: TapReader,
    far: TapReader,
}

/// Makes the taps of a stream: where the mouth leaves what it sends, where the ear leaves what it plays, and both ends to read.
#[must_use]
pub fn line_tap() -> (LegTap, LegTap, LineTap) {
    let (near, near_read) = tap();
    let (far, far_read) = tap();
    let ends = Ends {
        near: near_read,
        far: far_read,
    };
    let line = LineTap {
        ends: Arc::new(Mutex::new(Some(ends))),
    };
    (near, far, line)
}

impl LineTap {
    /// Opens both taps, or returns nothing where somebody listens already.
    #[must_use]
    pub fn listen(&self) -> Option<Listening> {
        let mut ends = self.lock().take()?;
        ends.near.open();
        ends.far.open();
        Some(Listening {
            ends: Some(ends),
            line: self.clone(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Ends>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both taps, open until this is dropped.
#[derive(Debug)]
pub struct Listening {
    // Taken only when it is dropped.
    ends: Option<Ends>,
    line: LineTap,
}

impl Listening {
    /// Takes the next piece of what is sent up into `samples`, and returns the moment at which its first sample was at the
    /// microphone.
    pub fn near(&mut self, samples: &mut Vec<i16>) -> Option<Time> {
        self.ends.as_mut()?.near.take(samples)
    }

    /// Takes the next piece of what is played into `samples`, and returns the moment at which its first sample sounds.
    pub fn far(&mut self, samples: &mut Vec<i16>) -> Option<Time> {
        self.ends.as_mut()?.far.take(samples)
    }

    /// Returns how many samples were lost since nobody took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let ends = self.ends.as_ref();
        ends.map_or(0, |ends| ends.near.dropped() + ends.far.dropped())
    }

    /// Says whether the stream is gone: nothing more will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let ends = self.ends.as_ref();
        ends.is_none_or(|ends| ends.near.is_abandoned() && ends.far.is_abandoned())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(mut ends) = self.ends.take() {
            ends.near.close();
            ends.far.close();
            *self.line.lock() = Some(ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_listens_and_the_next_hears_nothing_old() {
        let (mut near, mut far, line) = line_tap();
        let mut samples = Vec::new();
        near.push(Time::START, &[0.1; 160]);
        let mut first = line.listen().expect("nobody listens yet");
        assert!(line.clone().listen().is_none());
        near.push(Time::from_millis(20), &[0.1; 160]);
        far.push(Time::from_millis(30), &[0.1; 80]);
        assert_eq!(first.near(&mut samples), Some(Time::from_millis(20)));
        assert_eq!(first.near(&mut samples), None);
        drop(first);
        let mut second = line.listen().expect("nobody listens any more");
        assert_eq!(second.far(&mut samples), None);
        far.push(Time::from_millis(50), &[0.1; 80]);
        assert_eq!(second.far(&mut samples), Some(Time::from_millis(50)));
        assert!(!second.is_over());
        drop((near, far));
        assert!(second.is_over());
    }
}
