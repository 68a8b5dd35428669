//! Dates as the carrier writes them.

use std::time::{Duration, SystemTime};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Writes a time as RFC 2822 wants it, in UTC: `Thu, 01 Jan 1970 00:00:00 +0000`.
pub(super) fn rfc2822(time: SystemTime) -> String {
    let seconds = since_1970(time).as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
        DAYS[(seconds / 86_400 % 7) as usize],
        MONTHS[month - 1],
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Writes a time as ISO 8601 wants it, in UTC, to the millisecond.
pub(super) fn iso8601(time: SystemTime) -> String {
    let since = since_1970(time);
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    format!(
        "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        since.subsec_millis()
    )
}

/// A day, or a moment of one, as lists are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Moment {
    start: SystemTime,
    length: Duration,
}

impl Moment {
    /// Reads `2026-11-25`, or `2026-11-25T16:31:18Z` with or without fractions; nothing where it is neither.
    pub(super) fn read(text: &str) -> Option<Moment> {
        let (day, time) = match text.split_once('T') {
            Some((day, time)) => (day, Some(time)),
            None => (text, None),
        };
        let mut parts = day.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let first = (0..60_000).find(|days| civil(*days) == (year, month as usize, day))?;
        let seconds = match time {
            None => 0,
            Some(time) => {
                let time = time.strip_suffix('Z')?.split('.').next()?;
                let mut parts = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
                let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
                if hours > 23 || minutes > 59 || seconds > 60 {
                    return None;
                }
                hours * 3600 + minutes * 60 + seconds
            }
        };
        let length = if time.is_some() { 1 } else { 86_400 };
        Some(Moment {
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(first * 86_400 + seconds),
            length: Duration::from_secs(length),
        })
    }

    /// Returns its beginning.
    pub(super) fn start(self) -> SystemTime {
        self.start
    }

    /// Says whether a time lies in it.
    pub(super) fn contains(self, time: SystemTime) -> bool {
        (self.start..self.start + self.length).contains(&time)
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Turns days since 1970 into year, month and day.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right_on_and_around_leap_days() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 +0000"),
            (1_835_395_200, "Tue, 29 Feb 2028 00:00:00 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc2822(time), text);
        }
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_599_007);
        assert_eq!(iso8601(time), "2025-12-31T23:59:59.007Z");
    }

    #[test]
    fn a_day_or_a_moment_is_read_as_it_is_written() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2025-12-31T23:59:59Z", Some(1_767_225_599)),
            ("2025-12-31T23:59:59.007Z", Some(1_767_225_599)),
            ("2025-02-29", None),
            ("2025-12-31T24:00:00Z", None),
            ("2025-12-31T23:59:59", None),
            ("yesterday", None),
            ("2025-12", None),
        ] {
            let read = Moment::read(text).map(Moment::start);
            let meant = seconds.map(|s| SystemTime::UNIX_EPOCH + Duration::from_secs(s));
            assert_eq!(read, meant, "{text}");
        }
        let day = Moment::read("2025-12-31").expect("a day");
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        assert!(day.contains(end - Duration::from_secs(1)) && !day.contains(end));
    }
}
