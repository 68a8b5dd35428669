//! What recordings are called: when they began, what they are of and the call's id, never a telephone number.
//!
//! `20261125T162005Z-call-8f3a.opus`, and `….2.opus` where there is one of that name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Format;
use crate::pure::ids::CallId;
use crate::pure::time::rfc3339;

/// What was recorded.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// A call.
    Call,
    /// A message that was left.
    Voicemail,
}

impl Kind {
    /// Returns the word for it in names.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Voicemail => "voicemail",
        }
    }
}

/// What a name tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// When it began, to the second.
    pub began: SystemTime,
    /// What it is of.
    pub kind: Kind,
    /// Which call.
    pub call: CallId,
    /// The how manyth of that second and call, from 1 on.
    pub number: u32,
    /// How it is kept.
    pub format: Format,
}

impl Named {
    /// Writes the name. What of a call's id has no place in a file's name becomes `_`.
    #[must_use]
    pub fn to_name(&self) -> String {
        let date: String = rfc3339(self.began)
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        let call: String = self
            .call
            .as_str()
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' })
            .take(80)
            .collect();
        let number = match self.number {
            0 | 1 => String::new(),
            more => format!(".{more}"),
        };
        let (kind, ending) = (self.kind.word(), self.format.ending());
        format!("{date}-{kind}-{call}{number}.{ending}")
    }

    /// Reads a name, or nothing where it is of no recording: what is in the folder otherwise is left alone.
    #[must_use]
    pub fn parse(name: &str) -> Option<Named> {
        let (stem, ending) = name.rsplit_once('.')?;
        let format = [Format::Opus, Format::Wav]
            .into_iter()
            .find(|format| format.ending() == ending)?;
        let (date, rest) = stem.split_once('-')?;
        let (kind, rest) = rest.split_once('-')?;
        let kind = [Kind::Call, Kind::Voicemail]
            .into_iter()
            .find(|known| known.word() == kind)?;
        let (call, number) = match rest.split_once('.') {
            Some((call, number)) => (call, number.parse().ok().filter(|number| *number > 1)?),
            None => (rest, 1),
        };
        let named = Named {
            began: parse_date(date)?,
            kind,
            call: CallId::new(call),
            number,
            format,
        };
        // Only what would be written so.
        (!call.is_empty() && named.to_name() == name).then_some(named)
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Reads `20261125T162005Z`. Days follow Howard Hinnant's `days_from_civil`.
fn parse_date(text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix('Z')?;
    let (day, time) = text.split_once('T')?;
    let number = |text: &str| {
        let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    if day.len() != 8 || time.len() != 6 || !day.is_ascii() || !time.is_ascii() {
        return None;
    }
    let (year, month, date) = (number(&day[..4])?, number(&day[4..6])?, number(&day[6..])?);
    let (hour, minute, second) = (
        number(&time[..2])?,
        number(&time[2..4])?,
        number(&time[4..])?,
    );
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&date) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + date - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(seconds: u64, call: &str) -> Named {
        Named {
            began: UNIX_EPOCH + Duration::from_secs(seconds),
            kind: Kind::Call,
            call: CallId::new(call),
            number: 1,
            format: Format::Opus,
        }
    }

    #[test]
    fn a_name_tells_when_what_and_which_call() {
        let mut one = named(1_709_251_199, "8f3a");
        assert_eq!(one.to_name(), "20240229T235959Z-call-8f3a.opus");
        one.kind = Kind::Voicemail;
        one.format = Format::Wav;
        one.number = 2;
        assert_eq!(one.to_name(), "20240229T235959Z-voicemail-8f3a.2.wav");
    }

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        let name = named(0, "../../etc/x.y").to_name();
        assert_eq!(name, "19700101T000000Z-call-______etc_x_y.opus");
    }

    #[test]
    fn what_is_no_recording_is_not_taken_for_one() {
        for name in [
            "",
            "notes.txt",
            "20240229T235959Z-call-8f3a.mp3",
            "20240229T235959Z-call-.opus",
            "20240229T235959Z-fax-8f3a.opus",
            "20240230T235959Z-call-8f3a.opus",
            "20240229T235959Z-call-../x.opus",
            "20240229T235959Z-call-8f3a.1.opus",
            "20240229T235959Z-call-8f3a.opus/..",
            "é0240229235959TZ-call-8f3a.opus",
        ] {
            assert_eq!(Named::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(
            // Up to the end of the year 9999.
            seconds in 0..253_402_300_800_u64,
            call in "[A-Za-z0-9_-]{1,80}",
            number in 1..9_u32,
        ) {
            let one = Named { number, ..named(seconds, &call) };
            prop_assert_eq!(Named::parse(&one.to_name()), Some(one));
        }

        #[test]
        fn no_text_makes_it_panic(name in any::<String>()) {
            if let Some(named) = Named::parse(&name) {
                prop_assert_eq!(named.to_name(), name);
            }
        }
    }
}
