//! Do not disturb by timetable: weekly spans in local time, and who rings all the same.
//!
//! Nothing here knows a time zone: whoever asks brings the offset of local time at any moment, so that the days on which
//! clocks are put forward or back are as the zone has them. Read [`QuietTimes::at`] first.

use std::fmt;

/// For how long a second call of the same caller counts as a repetition, in seconds.
pub const REPEATED_WITHIN: i64 = 180;

/// How far ahead a change is looked for, in minutes: a week, and a day for clocks that are put back.
const HORIZON: i64 = 8 * 24 * 60;

/// The most spans of a timetable.
const MOST_SPANS: usize = 50;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One span of the week.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Span {
    /// On which days it begins: bit 0 is Monday.
    days: u8,
    /// When it begins, in minutes of the day.
    from: u16,
    /// When it is over; not after `from` where that is on the next day.
    until: u16,
}

impl Span {
    /// Says whether it covers a minute of a day, told by how many days after Monday it is.
    fn covers(self, day: u8, minute: u16) -> bool {
        let begins_on = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.until {
            return begins_on(day) && (self.from..self.until).contains(&minute);
        }
        let yesterday = (day + 6) % 7;
        (begins_on(day) && minute >= self.from) || (begins_on(yesterday) && minute < self.until)
    }
}

/// When the telephone is quiet, and for whom it rings all the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct QuietTimes {
    spans: Vec<Span>,
    /// Whether favourites ring all the same.
    pub favourites_ring: bool,
    /// Whether whoever calls again within three minutes rings all the same.
    pub repeated_rings: bool,
}

/// What of a caller matters here.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Whether they are among the favourites.
    pub favourite: bool,
    /// When the same caller called before, in seconds since 1970.
    pub called_before: Option<i64>,
}

/// Why it rings, or does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// No quiet time.
    Rings,
    /// A quiet time, but not for a favourite.
    RingsForFavourite,
    /// A quiet time, but they called a moment ago already: it must be urgent.
    RingsForRepeated,
    /// A quiet time.
    Quiet,
}

impl Verdict {
    /// Says whether it rings.
    #[must_use]
    pub fn rings(self) -> bool {
        match self {
            Verdict::Rings | Verdict::RingsForFavourite | Verdict::RingsForRepeated => true,
            Verdict::Quiet => false,
        }
    }
}

/// What holds at a moment, and until when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Whether it rings.
    pub verdict: Verdict,
    /// When that changes, from ringing to quiet or back, in seconds since 1970; nothing where it does not within a week.
    pub until: Option<i64>,
}

/// Why a text is no timetable.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a timetable is days and times, such as `mon-fri 22:00-07:00; sat sun 23:00-09:00`, or `daily 13:00-14:00`"
)]
pub struct NotATimetable;

impl QuietTimes {
    /// Reads a timetable: spans with semicolons between them, each of days (`mon`, `mon-fri`, several, `daily`) and a span
    /// of the clock. One that ends before it begins ends on the next day; `00:00-24:00` is a whole day.
    ///
    /// # Errors
    /// [`NotATimetable`].
    pub fn parse(text: &str) -> Result<QuietTimes, NotATimetable> {
        let mut spans = Vec::new();
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let part = part.to_ascii_lowercase();
            let (days, times) = part.rsplit_once(char::is_whitespace).ok_or(NotATimetable)?;
            let (from, until) = times.split_once('-').ok_or(NotATimetable)?;
            let (from, until) = (read_time(from)?, read_time(until)?);
            if from == 24 * 60 || from == until {
                return Err(NotATimetable);
            }
            spans.push(Span {
                days: read_days(days)?,
                from,
                until,
            });
        }
        if spans.len() > MOST_SPANS {
            return Err(NotATimetable);
        }
        Ok(QuietTimes {
            spans,
            ..QuietTimes::default()
        })
    }

    /// Says whether it rings for a caller at a moment, and when that changes.
    ///
    /// `now` is in seconds since 1970; `offset` tells by how many seconds local time is ahead of UTC at any such moment.
    #[must_use]
    pub fn at(&self, now: i64, offset: impl Fn(i64) -> i32, caller: Standing) -> Moment {
        let verdict = self.verdict(now, &offset, caller);
        let differs = |at: i64| self.verdict(at, &offset, caller).rings() != verdict.rings();
        // Clocks change, and spans begin, at whole minutes; a repetition ends at any second.
        let next_minute = (now.div_euclid(60) + 1) * 60;
        let minutes = (0..HORIZON).map(|n| next_minute + n * 60);
        let by_clock = minutes.into_iter().find(|at| differs(*at));
        let by_repetition = caller
            .called_before
            .map(|before| before + REPEATED_WITHIN + 1)
            .filter(|at| *at > now && differs(*at));
        let until = match (by_clock, by_repetition) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Moment { verdict, until }
    }

    fn verdict(&self, at: i64, offset: &impl Fn(i64) -> i32, caller: Standing) -> Verdict {
        let local = at + i64::from(offset(at));
        // The first of January 1970 was a Thursday.
        let day = u8::try_from((local.div_euclid(86_400) + 3).rem_euclid(7)).unwrap_or(0);
        let minute = u16::try_from(local.rem_euclid(86_400) / 60).unwrap_or(0);
        if !self.spans.iter().any(|span| span.covers(day, minute)) {
            return Verdict::Rings;
        }
        if self.favourites_ring && caller.favourite {
            return Verdict::RingsForFavourite;
        }
        let again = |before: i64| (0..=REPEATED_WITHIN).contains(&(at - before));
        if self.repeated_rings && caller.called_before.is_some_and(again) {
            return Verdict::RingsForRepeated;
        }
        Verdict::Quiet
    }
}

impl fmt::Display for QuietTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, span) in self.spans.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            if span.days == 0b111_1111 {
                f.write_str("daily ")?;
            } else {
                for (_, day) in (0..7).zip(DAYS).filter(|(n, _)| span.days & (1 << n) != 0) {
                    write!(f, "{day} ")?;
                }
            }
            let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            write!(f, "{}-{}", time(span.from), time(span.until))?;
        }
        Ok(())
    }
}

/// Reads days into bits.
fn read_days(text: &str) -> Result<u8, NotATimetable> {
    let named = |name: &str| {
        DAYS.iter()
            .position(|day| *day == name)
            .ok_or(NotATimetable)
    };
    let words = text.split(|sign: char| sign.is_whitespace() || sign == ',');
    let mut days = 0_u8;
    for word in words.filter(|word| !word.is_empty()) {
        if word == "daily" {
            days = 0b111_1111;
            continue;
        }
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last) = (named(first)?, named(last)?);
        // A span of days may go over Sunday.
        let count = (last + 7 - first) % 7;
        for n in 0..=count {
            days |= 1 << ((first + n) % 7);
        }
    }
    if days == 0 {
        return Err(NotATimetable);
    }
    Ok(days)
}

/// Reads `7:00` or `24:00` into minutes.
fn read_time(text: &str) -> Result<u16, NotATimetable> {
    let (hours, minutes) = text.trim().split_once(':').ok_or(NotATimetable)?;
    let number = |text: &str, lengths: &[usize]| -> Result<u16, NotATimetable> {
        let plain = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if plain {
            text.parse().map_err(|_| NotATimetable)
        } else {
            Err(NotATimetable)
        }
    };
    let (hours, minutes) = (number(hours, &[1, 2])?, number(minutes, &[2])?);
    let time = hours * 60 + minutes;
    if minutes < 60 && time <= 24 * 60 {
        Ok(time)
    } else {
        Err(NotATimetable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Monday, 5 January 2026, midnight UTC.
    const MONDAY: i64 = 1_767_571_200;

    fn times(text: &str) -> QuietTimes {
        QuietTimes::parse(text).expect(text)
    }

    fn moment(day: i64, hours: i64, minutes: i64) -> i64 {
        MONDAY + (day * 24 + hours) * 3_600 + minutes * 60
    }

    fn utc(_: i64) -> i32 {
        0
    }

    /// Paris, where clocks go forward at 01:00 UTC on 29 March 2026, and back on 25 October.
    fn paris(at: i64) -> i32 {
        if (1_774_746_000..1_792_890_000).contains(&at) {
            7_200
        } else {
            3_600
        }
    }

    fn stranger() -> Standing {
        Standing::default()
    }

    #[test]
    fn it_is_quiet_within_a_span_and_until_its_end() {
        let nights = times("mon-fri 22:00-07:00; sat sun 23:00-09:00");
        for (day, hours, minutes, quiet, until) in [
            // The night of Sunday is the weekend's, and ends on Monday at nine.
            (0, 0, 0, true, (0, 9, 0)),
            (0, 8, 59, true, (0, 9, 0)),
            (0, 9, 0, false, (0, 22, 0)),
            (0, 22, 0, true, (1, 7, 0)),
            (4, 23, 30, true, (5, 7, 0)),
            (5, 7, 0, false, (5, 23, 0)),
            (6, 23, 0, true, (7, 9, 0)),
        ] {
            let told = nights.at(moment(day, hours, minutes), utc, stranger());
            assert_eq!(
                told.verdict == Verdict::Quiet,
                quiet,
                "{day} {hours}:{minutes}"
            );
            assert_eq!(
                told.until,
                Some(moment(until.0, until.1, until.2)),
                "{day} {hours}:{minutes}"
            );
        }
    }

    #[test]
    fn without_a_timetable_it_rings_for_ever_and_a_whole_week_is_quiet_for_ever() {
        let never = QuietTimes::default().at(MONDAY, utc, stranger());
        assert_eq!(
            never,
            Moment {
                verdict: Verdict::Rings,
                until: None
            }
        );
        let always = times("daily 00:00-24:00").at(MONDAY, utc, stranger());
        assert_eq!(
            always,
            Moment {
                verdict: Verdict::Quiet,
                until: None
            }
        );
    }

    #[test]
    fn favourites_and_whoever_calls_again_at_once_ring_all_the_same_where_that_is_wanted() {
        let strict = times("daily 22:00-07:00");
        let kind = QuietTimes {
            favourites_ring: true,
            repeated_rings: true,
            ..strict.clone()
        };
        let night = moment(0, 23, 0);
        let favourite = Standing {
            favourite: true,
            called_before: None,
        };
        let again = Standing {
            favourite: false,
            called_before: Some(night - 100),
        };
        assert_eq!(strict.at(night, utc, favourite).verdict, Verdict::Quiet);
        assert_eq!(strict.at(night, utc, again).verdict, Verdict::Quiet);
        let told = kind.at(night, utc, favourite);
        assert_eq!(
            told,
            Moment {
                verdict: Verdict::RingsForFavourite,
                until: None
            }
        );
        let told = kind.at(night, utc, again);
        assert_eq!(told.verdict, Verdict::RingsForRepeated);
        assert_eq!(
            told.until,
            Some(night + 81),
            "three minutes after the first call"
        );
        let late = Standing {
            favourite: false,
            called_before: Some(night - 181),
        };
        assert_eq!(kind.at(night, utc, late).verdict, Verdict::Quiet);
        assert_eq!(kind.at(night, utc, stranger()).until, Some(moment(1, 7, 0)));
    }

    #[test]
    fn on_the_nights_when_clocks_change_it_ends_by_the_clock_on_the_wall() {
        let nights = times("daily 22:00-07:00");
        // 28 March 2026, 22:30 in Paris; seven o'clock is then an hour sooner.
        let spring = 1_774_733_400;
        assert_eq!(
            nights.at(spring, paris, stranger()).until,
            Some(1_774_760_400)
        );
        // 24 October 2026, 22:30 in Paris; seven o'clock is an hour later.
        let autumn = 1_792_873_800;
        assert_eq!(
            nights.at(autumn, paris, stranger()).until,
            Some(1_792_908_000)
        );
        // 02:30 comes twice in autumn, and not at all in spring.
        let short = times("daily 02:30-02:45");
        assert_eq!(
            short.at(1_792_886_400, paris, stranger()).until,
            Some(1_792_888_200)
        );
        assert_eq!(
            short.at(1_792_889_500, paris, stranger()).until,
            Some(1_792_891_800)
        );
        assert_eq!(
            short.at(spring, paris, stranger()).until,
            Some(1_774_830_600)
        );
    }

    #[test]
    fn what_is_no_timetable_is_refused() {
        for text in [
            "22:00-07:00",
            "mon",
            "mon 22-7",
            "mon 25:00-07:00",
            "mon 22:60-07:00",
            "mon 07:00-07:00",
            "someday 22:00-07:00",
            "mon 24:00-07:00",
            "mon-xyz 22:00-07:00",
            "mon 2200-0700",
            "mon +1:00-02:00",
        ] {
            assert_eq!(QuietTimes::parse(text), Err(NotATimetable), "{text}");
        }
        assert_eq!(times(" ; ").to_string(), "");
        assert_eq!(
            times("SAT-mon, wed 7:00-8:05").to_string(),
            "mon wed sat sun 07:00-08:05"
        );
    }

    proptest! {
        #[test]
        fn anything_can_be_read_and_what_was_read_reads_the_same_again(text in "[mtwfsond, :;0-9-]{0,40}") {
            if let Ok(times) = QuietTimes::parse(&text) {
                prop_assert_eq!(QuietTimes::parse(&times.to_string()), Ok(times));
            }
        }

        #[test]
        fn until_it_is_told_to_change_nothing_changes_and_then_it_does(
            from in 0..1_440_u16, until in 0..1_440_u16, days in 1..128_u8, start in 0..60_000_000_i64,
        ) {
            prop_assume!(from != until);
            let times = QuietTimes { spans: vec![Span { days, from, until }], ..QuietTimes::default() };
            let now = MONDAY + start;
            let told = times.at(now, paris, stranger());
            if let Some(change) = told.until {
                let rings = |at: i64| times.verdict(at, &paris, stranger()).rings();
                prop_assert_ne!(rings(change), told.verdict.rings());
                prop_assert_eq!(rings(change - 1), told.verdict.rings());
                prop_assert_eq!(rings((now + change) / 2), told.verdict.rings());
            }
        }
    }
}
