//! The history of calls: what is kept of each, how it is searched, and how it is written for other programs.

use serde::{Deserialize, Serialize};

use crate::pure::call_report::PastCall;
use crate::pure::quality::CallQuality;

/// The most calls on a page.
pub const LONGEST_PAGE: u32 = 200;

/// Calls on a page where nobody says how many.
const PAGE: u32 = 50;

/// Why a call is over that the daemon did not see the end of.
pub const INTERRUPTED: &str = "interrupted";

/// What is told of a call at each of its steps; the last that was told is what is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct CallNote {
    /// The call so far; its `end_reason` is there once it is over.
    pub call: PastCall,
    /// When somebody answered: RFC 3339, in UTC.
    pub answered: Option<String>,
    /// When it was over.
    pub ended: Option<String>,
    /// Where it was answered: `desk`, `browser` or `number`.
    pub place: Option<String>,
    /// When this was noted: what a call that breaks off here is taken to have ended at.
    pub noted: String,
}

impl CallNote {
    /// Says whether it is a call that the person missed: it came in, nobody answered, and nobody here turned it away.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        let Some(reason) = &self.call.end_reason else {
            return false;
        };
        let turned_away = ["hung_up_here", "rejected", "refused", "blocked"];
        self.call.direction == "incoming"
            && self.answered.is_none()
            && !turned_away.contains(&reason.as_str())
    }
}

/// A call of the history.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HistoryEntry {
    /// Our name for it.
    pub id: String,
    /// The carrier's name for it.
    pub sid: String,
    /// `incoming` or `outgoing`.
    pub direction: String,
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// What the other side was called among the contacts when it began.
    pub name: Option<String>,
    /// When it began: RFC 3339, in UTC.
    pub began: String,
    /// When it was answered; `null` too for one of an older version, which kept only for how long there was talk.
    pub answered: Option<String>,
    /// When it was over; `null` while it goes on, and for one of an older version.
    pub ended: Option<String>,
    /// For how many seconds there was talk, wherever.
    pub talk_seconds: u64,
    /// Why it is over; `interrupted` where the daemon went before the call did.
    pub end_reason: Option<String>,
    /// Where it was answered: `desk`, `browser` or `number`.
    pub place: Option<String>,
    /// Whether the person missed it.
    pub missed: bool,
    /// Whether the person knows of it.
    pub seen: bool,
    /// The files of its recordings.
    pub recordings: Vec<String>,
    /// The files of the messages that were left in it.
    pub voicemails: Vec<String>,
    /// What it was like, for one that was answered at the desk.
    pub quality: Option<CallQuality>,
}

/// Which calls are wanted. Everything that is set must fit.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryQuery {
    /// A part of a number or of a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// From when on: a year, month, day or moment of RFC 3339, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `incoming` or `outgoing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Only calls that were missed.
    pub missed: bool,
    /// Only missed calls that the person does not know of.
    pub unseen: bool,
    /// How many at most: 1 to 200, 50 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Only what is older than this: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<i64>,
}

/// Why a query cannot be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// A moment is none.
    #[error(
        "a period is told by a year, month, day or moment, in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z"
    )]
    Moment,
    /// The direction is none.
    #[error("the direction is incoming or outgoing")]
    Direction,
    /// The length of the page is out of bounds.
    #[error("a page has 1 to {LONGEST_PAGE} calls")]
    Limit,
}

impl HistoryQuery {
    /// Checks it.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn check(&self) -> Result<(), QueryError> {
        if [&self.from, &self.to]
            .into_iter()
            .flatten()
            .any(|moment| !is_moment(moment))
        {
            return Err(QueryError::Moment);
        }
        if !matches!(
            self.direction.as_deref(),
            None | Some("incoming" | "outgoing")
        ) {
            return Err(QueryError::Direction);
        }
        if self
            .limit
            .is_some_and(|limit| limit == 0 || limit > LONGEST_PAGE)
        {
            return Err(QueryError::Limit);
        }
        Ok(())
    }

    /// Returns how many calls the page has at most.
    #[must_use]
    pub fn page(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, LONGEST_PAGE)
    }
}

/// Says whether a text is the beginning of a moment as they are kept: whole up to year, month, day or second.
fn is_moment(text: &str) -> bool {
    let like = b"dddd-dd-ddTdd:dd:ddZ";
    [4, 7, 10, 20].contains(&text.len())
        && text.bytes().zip(like).all(|(sign, like)| match like {
            b'd' => sign.is_ascii_digit(),
            other => sign == *other,
        })
        && is_in_the_calendar(text)
}

/// Says whether the month has such a day, and the day such a time; a leap second is one. `text` has the form of a moment.
fn is_in_the_calendar(text: &str) -> bool {
    // What is left out is the first.
    let part = |at: std::ops::Range<usize>, first: u32| -> u32 {
        text.get(at)
            .map_or(first, |part| part.parse().unwrap_or(u32::MAX))
    };
    let (year, month, day) = (part(0..4, 0), part(5..7, 1), part(8..10, 1));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let (hour, minute, second) = (part(11..13, 0), part(14..16, 0), part(17..19, 0));
    (1..=days).contains(&day) && hour < 24 && minute < 60 && second <= 60
}

/// A page of the history, the newest call first.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HistoryPage {
    /// The calls.
    pub calls: Vec<HistoryEntry>,
    /// How many missed calls there are that the person does not know of, on whatever page.
    pub unseen: u64,
    /// What to ask for as `before` to get the next page; nothing behind the last.
    pub next: Option<i64>,
}

/// How long the history is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HistoryLimits {
    /// For how many days calls are kept.
    pub days: u32,
    /// How many calls are kept.
    pub calls: u32,
}

impl HistoryLimits {
    /// What holds where nobody says anything: a year, and ten thousand calls.
    pub const DEFAULT: HistoryLimits = HistoryLimits {
        days: 365,
        calls: 10_000,
    };
}

/// The columns of a spreadsheet, in order.
const COLUMNS: &str = "id,sid,direction,from,to,name,began,answered,ended,talk_seconds,end_reason,place,missed,seen,recordings,voicemails,mos";

/// Returns the first line of a spreadsheet of calls, with its end.
#[must_use]
pub fn csv_header() -> String {
    format!("{COLUMNS}\r\n")
}

/// Writes calls as lines of a spreadsheet (RFC 4180), each with its end.
///
/// No cell is a formula to a spreadsheet: what begins like one gets an apostrophe before it, but for a plain number with
/// its plus sign, which reckons nothing.
#[must_use]
pub fn csv_lines(calls: &[HistoryEntry]) -> String {
    let mut text = String::new();
    for call in calls {
        let mos = call.quality.as_ref().and_then(|quality| quality.rating);
        let cells = [
            call.id.clone(),
            call.sid.clone(),
            call.direction.clone(),
            call.from.clone(),
            call.to.clone(),
            call.name.clone().unwrap_or_default(),
            call.began.clone(),
            call.answered.clone().unwrap_or_default(),
            call.ended.clone().unwrap_or_default(),
            call.talk_seconds.to_string(),
            call.end_reason.clone().unwrap_or_default(),
            call.place.clone().unwrap_or_default(),
            call.missed.to_string(),
            call.seen.to_string(),
            call.recordings.join(" "),
            call.voicemails.join(" "),
            mos.map(|rating| format!("{:.2}", rating.mos.mean))
                .unwrap_or_default(),
        ];
        let line: Vec<String> = cells.iter().map(|cell| csv_cell(cell)).collect();
        text.push_str(&line.join(","));
        text.push_str("\r\n");
    }
    text
}

fn csv_cell(text: &str) -> String {
    let is_number = text
        .strip_prefix('+')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    // What OWASP lists for "CSV injection", the wide forms of some spreadsheets included.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let mark = if formula && !is_number { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n', ';', '\t']) || !mark.is_empty() {
        format!("\"{mark}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(direction: &str, answered: bool, reason: Option<&str>) -> CallNote {
        CallNote {
            call: PastCall {
                id: "c1".to_owned(),
                sid: "CA1".to_owned(),
                direction: direction.to_owned(),
                from: "+15145550100".to_owned(),
                to: "+18195550100".to_owned(),
                began: "2026-01-01T00:00:00Z".to_owned(),
                talk_seconds: 0,
                end_reason: reason.map(str::to_owned),
                quality: None,
            },
            answered: answered.then(|| "2026-01-01T00:00:05Z".to_owned()),
            ended: None,
            place: None,
            noted: "2026-01-01T00:00:09Z".to_owned(),
        }
    }

    #[test]
    fn a_call_is_missed_where_nobody_answered_and_nobody_turned_it_away() {
        for (direction, answered, reason, missed) in [
            ("incoming", false, Some("not_answered"), true),
            ("incoming", false, Some("hung_up_there"), true),
            ("incoming", false, Some("stream_lost"), true),
            ("incoming", false, Some(INTERRUPTED), true),
            ("incoming", false, Some("hung_up_here"), false),
            ("incoming", false, Some("rejected"), false),
            ("incoming", false, Some("refused"), false),
            ("incoming", true, Some("hung_up_there"), false),
            ("incoming", false, None, false),
            ("outgoing", false, Some("not_answered"), false),
        ] {
            assert_eq!(
                note(direction, answered, reason).is_missed(),
                missed,
                "{direction} {reason:?}"
            );
        }
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused() {
        let from = |text: &str| HistoryQuery {
            from: Some(text.to_owned()),
            ..HistoryQuery::default()
        };
        for moment in ["2026", "2026-01", "2026-01-31", "2026-01-31T12:00:00Z"] {
            assert_eq!(from(moment).check(), Ok(()), "{moment}");
        }
        for moment in [
            "",
            "yesterday",
            "2026-1",
            "2026-01-31T12:00",
            "2026-01-31T12:00:00+01:00",
            "202é",
        ] {
            assert_eq!(from(moment).check(), Err(QueryError::Moment), "{moment}");
        }
        let limit = |limit| HistoryQuery {
            limit: Some(limit),
            ..HistoryQuery::default()
        };
        assert_eq!(limit(0).check(), Err(QueryError::Limit));
        assert_eq!(limit(201).check(), Err(QueryError::Limit));
        assert_eq!(limit(200).check(), Ok(()));
        let direction = HistoryQuery {
            direction: Some("inbound".to_owned()),
            ..HistoryQuery::default()
        };
        assert_eq!(direction.check(), Err(QueryError::Direction));
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        for (text, cell) in [
            ("Anna", "Anna"),
            ("Bee, Anna", "\"Bee, Anna\""),
            ("the \"boss\"", "\"the \"\"boss\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("+15145550100", "+15145550100"),
            ("+1+2", "\"'+1+2\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(1)", "\"'@SUM(1)\""),
            ("-1", "\"'-1\""),
            ("\t=1", "\"'\t=1\""),
            ("", ""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }

    /// Reads lines of RFC 4180.
    fn read_csv(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
        let mut signs = text.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '"' if quoted && signs.peek() == Some(&'"') => {
                    signs.next();
                    cell.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted => {}
                '\n' if !quoted => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        rows
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_cell_comes_back(name in any::<String>(), from in "\\PC{0,12}") {
            let call = HistoryEntry {
                id: "c1".to_owned(),
                sid: "CA1".to_owned(),
                direction: "incoming".to_owned(),
                from: from.clone(),
                to: "+18195550100".to_owned(),
                name: Some(name.clone()),
                began: "2026-01-01T00:00:00Z".to_owned(),
                answered: None,
                ended: None,
                talk_seconds: 3,
                end_reason: None,
                place: None,
                missed: false,
                seen: false,
                recordings: vec!["a.opus".to_owned(), "b.opus".to_owned()],
                voicemails: vec![],
                quality: None,
            };
            let rows = read_csv(&(csv_header() + &csv_lines(&[call])));
            prop_assert_eq!(rows.len(), 2);
            prop_assert_eq!(rows[0].len(), rows[1].len());
            let plain = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
            prop_assert_eq!(plain(&rows[1][5]), plain(&name));
            prop_assert_eq!(plain(&rows[1][3]), plain(&from));
            prop_assert_eq!(rows[1][14].as_str(), "a.opus b.opus");
            let formula = |cell: &String| {
                cell.starts_with(['=', '-', '@', '\t']) || cell.starts_with("+=") || cell.starts_with("+@")
            };
            prop_assert!(!rows[1].iter().any(formula), "{:?}", rows[1]);
        }
    }
}
