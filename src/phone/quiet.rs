//! The quiet times of the timetable on this machine's clock, in its time zone.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::pure::book::quiet::{QuietTimes, REPEATED_WITHIN, Standing};
use crate::pure::ids::Party;

/// Callers who are remembered: more do not call within three minutes.
const CALLERS: usize = 1_000;

/// The timetable, and who called a moment ago.
#[derive(Debug)]
pub(super) struct Quiet {
    times: QuietTimes,
    zone: TimeZone,
    // Oldest first, with the second of each.
    callers: Mutex<VecDeque<(Party, i64)>>,
}

impl Quiet {
    /// Takes the timetable to be in the machine's own time zone; UTC where it names none.
    pub(super) fn new(times: QuietTimes) -> Quiet {
        Quiet {
            times,
            zone: TimeZone::system(),
            callers: Mutex::default(),
        }
    }

    /// Says whether the desk does not ring now for somebody; `is_new` where they have not been asked about before.
    pub(super) fn holds_for(&self, caller: &Party, favourite: bool, is_new: bool) -> bool {
        let now = Timestamp::now().as_second();
        let standing = Standing {
            favourite,
            called_before: self.called_before(caller, is_new, now),
        };
        !self
            .times
            .at(now, |at| self.offset(at), standing)
            .verdict
            .rings()
    }

    /// Returns until when it is quiet for those who are no exception, in seconds since 1970: nothing where it is not, and
    /// nothing within where it stays so for a week.
    pub(super) fn until(&self) -> Option<Option<i64>> {
        let now = Timestamp::now().as_second();
        let moment = self
            .times
            .at(now, |at| self.offset(at), Standing::default());
        (!moment.verdict.rings()).then_some(moment.until)
    }

    fn called_before(&self, caller: &Party, is_new: bool, now: i64) -> Option<i64> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        callers.retain(|(_, at)| now - at <= REPEATED_WITHIN);
        let before = callers.iter().rfind(|(known, _)| known == caller);
        let before = before.map(|(_, at)| *at);
        // Whoever hides their number may be anybody.
        let is_known = matches!(caller, Party::Number(_) | Party::Client(_));
        if is_new && is_known {
            if callers.len() == CALLERS {
                callers.pop_front();
            }
            callers.push_back((caller.clone(), now));
        }
        before.filter(|_| is_new)
    }

    fn offset(&self, at: i64) -> i32 {
        let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
        self.zone.to_offset(at).seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_quiet_time_it_rings_for_favourites_and_for_whoever_calls_twice() {
        let all_day = QuietTimes::parse("daily 00:00-24:00").expect("a timetable");
        let strict = Quiet::new(all_day.clone());
        let anna = Party::parse("+15145550101");
        assert!(strict.holds_for(&anna, true, true) && strict.holds_for(&anna, true, true));
        let mut but_for_some = all_day;
        but_for_some.favourites_ring = true;
        but_for_some.repeated_rings = true;
        let kind = Quiet::new(but_for_some);
        assert!(!kind.holds_for(&anna, true, true), "a favourite");
        let bert = Party::parse("+15145550102");
        assert!(kind.holds_for(&bert, false, true), "once");
        assert!(!kind.holds_for(&bert, false, true), "twice");
        let nobody = Party::parse("anonymous");
        assert!(kind.holds_for(&nobody, false, true) && kind.holds_for(&nobody, false, true));
        assert_eq!(kind.until(), Some(None), "for ever");
        assert_eq!(Quiet::new(QuietTimes::default()).until(), None);
    }

    #[test]
    fn a_webhook_that_is_repeated_is_no_second_call() {
        let mut times = QuietTimes::parse("daily 00:00-24:00").expect("a timetable");
        times.repeated_rings = true;
        let quiet = Quiet::new(times);
        let anna = Party::parse("+15145550101");
        assert!(quiet.holds_for(&anna, false, true));
        assert!(quiet.holds_for(&anna, false, false));
    }
}
