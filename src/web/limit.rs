//! How many wrong keys are heard out before they are answered with "later".

use std::time::Duration;

use crate::pure::time::Time;

/// How many wrong keys a minute are answered as such.
pub(super) const WRONG_KEYS: u32 = 100;

/// How long a count lasts, from its first wrong key.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts wrong keys, whoever sends them: behind a tunnel all requests come from one address.
///
/// It never stands in the way of a right key, since it is only asked once a key was found to be wrong.
#[derive(Debug, Default)]
pub(super) struct WrongKeys {
    /// When the present minute began.
    began: Time,
    /// How many there were since.
    count: u32,
}

impl WrongKeys {
    /// Takes note of a wrong key and returns how many there were in this minute; the error is how long to wait before
    /// another is heard, at least a second.
    pub(super) fn note(&mut self, now: Time) -> Result<u32, Duration> {
        let past = now.since(self.began);
        if self.count == 0 || past >= WINDOW {
            *self = WrongKeys {
                began: now,
                count: 1,
            };
            return Ok(1);
        }
        if self.count < WRONG_KEYS {
            self.count += 1;
            return Ok(self.count);
        }
        Err((WINDOW - past).max(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn a_hundred_wrong_keys_a_minute_are_heard_and_no_more() {
        let mut wrong = WrongKeys::default();
        for n in 1..=WRONG_KEYS {
            assert_eq!(wrong.note(at(1000)), Ok(n));
        }
        assert_eq!(wrong.note(at(1000)), Err(Duration::from_secs(60)));
        assert_eq!(wrong.note(at(1045)), Err(Duration::from_secs(15)));
        assert_eq!(
            wrong.note(Time::from_millis(1_059_900)),
            Err(Duration::from_secs(1))
        );
        assert_eq!(wrong.note(at(1060)), Ok(1));
    }

    #[test]
    fn one_wrong_key_a_second_is_always_heard() {
        let mut wrong = WrongKeys::default();
        for second in 0..10_000 {
            assert!(wrong.note(at(second)).is_ok(), "{second}");
        }
    }

    proptest! {
        #[test]
        fn whoever_waits_as_long_as_told_is_heard(
            gaps in prop::collection::vec(0_u64..2000, 100..400),
        ) {
            let mut wrong = WrongKeys::default();
            let mut now = Time::START;
            let mut heard = Vec::new();
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                match wrong.note(now) {
                    Ok(_) => heard.push(now),
                    Err(wait) => {
                        prop_assert!(wait >= Duration::from_secs(1) && wait <= WINDOW);
                        now = now + wait;
                        prop_assert_eq!(wrong.note(now), Ok(1));
                        heard.push(now);
                    }
                }
            }
            // A window that begins with a key heard may share in two counts, never in three.
            for (first, begun) in heard.iter().enumerate() {
                let soon = heard[first..].iter().filter(|then| then.since(*begun) < WINDOW).count();
                prop_assert!(soon <= 2 * WRONG_KEYS as usize, "{} in a minute", soon);
            }
        }
    }
}
