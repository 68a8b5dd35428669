//! Who is never let through: patterns over the numbers of callers.

use serde::{Deserialize, Serialize};

use super::numbering::to_e164;
use crate::pure::ids::{Party, PhoneNumber};

/// The longest pattern, in bytes.
const LONGEST: usize = 64;

/// The longest note, in bytes.
pub const LONGEST_NOTE: usize = 500;

/// How the carrier spells callers that hide: as words, and as the digits on the keys of ANONYMOUS, RESTRICTED, BLOCKED,
/// UNKNOWN and UNAVAILABLE (Twilio's help: "Why am I getting calls from these strange numbers").
const HIDDEN: [&str; 12] = [
    "",
    "anonymous",
    "restricted",
    "blocked",
    "unknown",
    "unavailable",
    "private",
    "+266696687",
    "+7378742833",
    "+2562533",
    "+8656696",
    "+86282452253",
];

/// Which callers are meant: `+19005550100`, `+1900*`, `*555010?`, `client:kitchen` or `anonymous`.
///
/// `*` stands for any number of signs, `?` for one; `anonymous` for everybody who hides their number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PatternError {
    /// It is empty, too long, or holds what no caller's name holds.
    #[error("this is no pattern of callers; such are +19005550100, +1900*, *555010? and anonymous")]
    NotAPattern,
    /// It means everybody.
    #[error("this would block everybody; do not disturb is what keeps the telephone quiet")]
    Everybody,
}

impl Pattern {
    /// Reads a pattern; a number without wildcards may be typed the way it is dialled in the country of `own`.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn parse(text: &str, own: Option<&PhoneNumber>) -> Result<Pattern, PatternError> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST {
            return Err(PatternError::NotAPattern);
        }
        let small = text.to_ascii_lowercase();
        if HIDDEN.contains(&small.as_str()) {
            return Ok(Pattern("anonymous".to_owned()));
        }
        if let Some(name) = text.strip_prefix("client:") {
            let plausible = |b: u8| b.is_ascii_alphanumeric() || b"_*?".contains(&b);
            if name.is_empty() || !name.bytes().all(plausible) {
                return Err(PatternError::NotAPattern);
            }
            // `client:*` is every browser of ours: a choice, not everybody.
            return Ok(Pattern(text.to_owned()));
        }
        if !text.contains(['*', '?']) {
            let typed = to_e164(text, own).map_err(|_| PatternError::NotAPattern)?;
            return Ok(Pattern(typed.number.as_str().to_owned()));
        }
        let bare: String = text
            .chars()
            .filter(|sign| !" -.()".contains(*sign))
            .collect();
        let digits = bare.strip_prefix('+').unwrap_or(&bare);
        if !digits
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'*' || b == b'?')
        {
            return Err(PatternError::NotAPattern);
        }
        if !digits.bytes().any(|b| b.is_ascii_digit()) {
            return Err(PatternError::Everybody);
        }
        if bare.starts_with(|sign: char| sign.is_ascii_digit()) {
            // A caller's number begins with a plus sign, so this would never fit; whoever means any country says `*`.
            return Err(PatternError::NotAPattern);
        }
        Ok(Pattern(bare))
    }

    /// Returns the pattern as it is kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether it means this caller.
    #[must_use]
    pub fn means(&self, caller: &Party) -> bool {
        let name = caller.to_text();
        if self.0 == "anonymous" {
            return HIDDEN.contains(&name.to_ascii_lowercase().as_str());
        }
        fits(self.0.as_bytes(), name.as_bytes())
    }

    /// Returns how many signs it names: of two that mean a caller, the one with more is meant.
    fn precision(&self) -> usize {
        self.0.bytes().filter(|b| !b"*?".contains(b)).count()
    }
}

/// Says whether a text fits a pattern; linear but for `*`, of which only the last is ever gone back to.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(sign) if *sign == b'?' || *sign == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((star, from)) = back else {
                    return false;
                };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|sign| *sign == b'*')
}

/// An entry of the block list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Blocked {
    /// Its name: a number that is never given twice.
    pub id: i64,
    /// Whom it means.
    pub pattern: String,
    /// What somebody noted.
    pub note: String,
    /// Since when: RFC 3339, in UTC.
    pub since: String,
    /// How many calls it kept away.
    pub hits: u64,
    /// When the last: RFC 3339, in UTC.
    pub last_hit: Option<String>,
}

/// The whole list, ready to be asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BlockList(Vec<(i64, Pattern)>);

impl BlockList {
    /// Takes the entries as they were kept, each by its name; what is no pattern means nobody.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (i64, String)>) -> BlockList {
        let mut list: Vec<(i64, Pattern)> = entries
            .into_iter()
            .filter_map(|(id, text)| Some((id, Pattern::parse(&text, None).ok()?)))
            .collect();
        list.sort_by_key(|(_, pattern)| std::cmp::Reverse(pattern.precision()));
        BlockList(list)
    }

    /// Returns the name of the entry that means a caller: of several the most exact.
    #[must_use]
    pub fn entry_for(&self, caller: &Party) -> Option<i64> {
        let means = |(_, pattern): &&(i64, Pattern)| pattern.means(caller);
        self.0.iter().find(means).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn means(pattern: &str, caller: &str) -> bool {
        let pattern = Pattern::parse(pattern, None).expect(pattern);
        pattern.means(&Party::parse(caller))
    }

    #[test]
    fn wildcards_mean_what_they_say() {
        for (pattern, caller, meant) in [
            ("+15145550100", "+15145550100", true),
            ("+1 514 555 0100", "+15145550100", true),
            ("+15145550100", "+15145550101", false),
            ("+1900*", "+19005550100", true),
            ("+1900*", "+15149005550", false),
            ("+44*", "+442079460018", true),
            ("+44*", "+4915112345678", false),
            ("*555010?", "+15145550109", true),
            ("*555010?", "+155501090", false),
            ("+1*55*0", "+15145550100", true),
            ("+1*55*0", "+15145550101", false),
            ("anonymous", "anonymous", true),
            ("Anonymous", "", true),
            ("unknown", "Restricted", true),
            ("anonymous", "+266696687", true),
            ("anonymous", "+15145550100", false),
            ("client:kit*", "client:kitchen", true),
            ("client:kit*", "+15145550100", false),
            ("+44*", "anonymous", false),
        ] {
            assert_eq!(means(pattern, caller), meant, "{pattern} {caller}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_means_everybody_is_refused() {
        for (text, why) in [
            ("", PatternError::NotAPattern),
            ("*", PatternError::Everybody),
            ("+*", PatternError::Everybody),
            ("+????*", PatternError::Everybody),
            ("hello", PatternError::NotAPattern),
            ("+1900*x", PatternError::NotAPattern),
            ("1900*", PatternError::NotAPattern),
            ("client:", PatternError::NotAPattern),
            ("555 0100", PatternError::NotAPattern),
        ] {
            assert_eq!(Pattern::parse(text, None), Err(why), "{text}");
        }
    }

    #[test]
    fn a_number_may_be_typed_as_it_is_dialled() {
        let own = PhoneNumber::parse("+18195550100").expect("a number");
        let pattern = Pattern::parse("(514) 555-0100", Some(&own)).expect("a number");
        assert_eq!(pattern.as_str(), "+15145550100");
    }

    #[test]
    fn of_several_entries_the_most_exact_counts() {
        let list = BlockList::new([
            (1, "+1*".to_owned()),
            (2, "+15145550100".to_owned()),
            (3, "+1514*".to_owned()),
            (4, "broken".to_owned()),
        ]);
        let entry = |caller: &str| list.entry_for(&Party::parse(caller));
        assert_eq!(entry("+15145550100"), Some(2));
        assert_eq!(entry("+15145550101"), Some(3));
        assert_eq!(entry("+18195550100"), Some(1));
        assert_eq!(entry("+442079460018"), None);
    }

    /// What a pattern means, by the definition.
    fn fits_slowly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => fits_slowly(rest, text),
            (Some((b'*', rest)), Some((_, tail))) => {
                fits_slowly(rest, text) || fits_slowly(pattern, tail)
            }
            (Some((sign, rest)), Some((first, tail))) => {
                (*sign == b'?' || sign == first) && fits_slowly(rest, tail)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_is_the_slow_way(pattern in "[12*?]{0,8}", text in "[12]{0,10}") {
            prop_assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes()),
                fits_slowly(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn what_was_read_is_read_again_as_the_same(text in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text, None) {
                prop_assert_eq!(Pattern::parse(pattern.as_str(), None), Ok(pattern));
            }
        }
    }
}
