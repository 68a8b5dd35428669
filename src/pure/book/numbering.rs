//! Numbers as people type them, brought to E.164: `514 555 0100`, `011 44 20 7946 0018`, `tel:+1-514-555-0100;ext=5`.
//!
//! What is typed without a country belongs to the country of the line's own number. Nothing is judged here: whether a
//! number may be dialled says [`crate::pure::destination`], and short numbers, emergencies among them, are none of E.164.

use crate::pure::ids::PhoneNumber;

/// A number as it was meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Typed {
    /// The number.
    pub number: PhoneNumber,
    /// The extension behind it, of a `tel:` URI (RFC 3966): digits and the keys `*` and `#`.
    pub extension: Option<String>,
}

/// Why what was typed is no number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TypedError {
    /// It holds what no number holds, or no digit.
    #[error("this is no telephone number")]
    NotANumber,
    /// It is too short or too long for its country, or lacks its area code.
    #[error(
        "the number is not complete, or too long; with its country it begins with a plus sign, such as +15145550100"
    )]
    WrongLength,
    /// It names no country, and how numbers are dialled in the country of our own is not known.
    #[error("the number needs its country, behind a plus sign, such as +15145550100")]
    NoCountry,
}

/// How a country dials.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Plan {
    /// Its calling code.
    code: &'static str,
    /// What is dialled before another country's code.
    international: &'static str,
    /// What is dialled before a number of the same country, and is no part of it; may be empty.
    trunk: &'static str,
    /// The fewest digits of a national number, without the trunk prefix.
    least: usize,
    /// The most.
    most: usize,
}

const fn plan(
    code: &'static str,
    international: &'static str,
    trunk: &'static str,
    least: usize,
    most: usize,
) -> Plan {
    Plan {
        code,
        international,
        trunk,
        least,
        most,
    }
}

/// How the larger countries dial: ITU-T E.164 (assigned country codes) and its supplement "Dialling procedures
/// (international prefix, national (trunk) prefix and national (significant) number)", an annex to the ITU's Operational
/// Bulletin. Lengths bound what subscribers have.
const PLANS: [Plan; 58] = [
    plan("1", "011", "1", 10, 10),
    plan("7", "810", "8", 10, 10),
    plan("20", "00", "0", 8, 10),
    plan("27", "00", "0", 9, 9),
    plan("30", "00", "", 10, 10),
    plan("31", "00", "0", 9, 11),
    plan("32", "00", "0", 8, 9),
    plan("33", "00", "0", 9, 9),
    plan("34", "00", "", 9, 9),
    plan("36", "00", "06", 8, 9),
    plan("39", "00", "", 6, 11),
    plan("40", "00", "0", 9, 9),
    plan("41", "00", "0", 9, 9),
    plan("43", "00", "0", 5, 13),
    plan("44", "00", "0", 9, 10),
    plan("45", "00", "", 8, 8),
    plan("46", "00", "0", 7, 10),
    plan("47", "00", "", 8, 8),
    plan("48", "00", "", 9, 9),
    plan("49", "00", "0", 5, 13),
    plan("51", "00", "0", 8, 9),
    plan("52", "00", "", 10, 10),
    plan("54", "00", "0", 10, 11),
    plan("55", "00", "0", 10, 11),
    plan("56", "00", "", 9, 9),
    plan("57", "00", "", 10, 10),
    plan("60", "00", "0", 8, 10),
    plan("61", "0011", "0", 9, 9),
    plan("62", "00", "0", 8, 12),
    plan("63", "00", "0", 8, 10),
    plan("64", "00", "0", 8, 10),
    plan("65", "000", "", 8, 8),
    plan("66", "001", "0", 8, 9),
    plan("81", "010", "0", 9, 10),
    plan("82", "00", "0", 8, 10),
    plan("84", "00", "0", 9, 10),
    plan("86", "00", "0", 9, 11),
    plan("90", "00", "0", 10, 10),
    plan("91", "00", "0", 10, 10),
    plan("92", "00", "0", 9, 10),
    plan("212", "00", "0", 9, 9),
    plan("213", "00", "0", 8, 9),
    plan("216", "00", "", 8, 8),
    plan("221", "00", "", 9, 9),
    plan("225", "00", "", 10, 10),
    plan("234", "009", "0", 8, 10),
    plan("254", "000", "0", 9, 9),
    plan("351", "00", "", 9, 9),
    plan("352", "00", "", 6, 11),
    plan("353", "00", "0", 7, 9),
    plan("358", "00", "0", 5, 12),
    plan("380", "00", "0", 9, 9),
    plan("420", "00", "", 9, 9),
    plan("421", "00", "0", 9, 9),
    plan("852", "001", "", 8, 8),
    plan("886", "002", "0", 8, 9),
    plan("966", "00", "0", 8, 9),
    plan("972", "00", "0", 8, 9),
];

/// Reads a number as a person types it, in the country of `own`; without that only numbers that name their country.
///
/// Taken are a plus sign and the country code; the country's international prefix (`011`, `00`, …) instead; a number of
/// the same country with its trunk prefix, or without where its length alone tells that it is whole; and a `tel:` URI of
/// RFC 3966 with `ext` and `phone-context`. Spaces, hyphens, dots, slashes and brackets between digits do not matter,
/// nor does a `(0)` behind a country code (which ITU-T E.123 forbids and letterheads have).
///
/// # Errors
/// [`TypedError`].
pub fn to_e164(typed: &str, own: Option<&PhoneNumber>) -> Result<Typed, TypedError> {
    let typed = typed.trim();
    let (text, extension, context) = match split_scheme(typed) {
        Some(rest) => read_uri(rest)?,
        None => (typed.to_owned(), None, None),
    };
    let text = match context {
        // The number goes on where its context ends (RFC 3966, 5.1.5).
        Some(context) if !text.trim_start().starts_with('+') => format!("{context}{text}"),
        Some(_) | None => text,
    };
    let number = read_number(&text, own)?;
    Ok(Typed { number, extension })
}

fn split_scheme(typed: &str) -> Option<&str> {
    let scheme = typed.get(..4)?;
    scheme
        .eq_ignore_ascii_case("tel:")
        .then(|| &typed[scheme.len()..])
}

type Uri = (String, Option<String>, Option<String>);

/// Takes a `tel:` URI apart: its number, its extension, and the country that its context names.
fn read_uri(rest: &str) -> Result<Uri, TypedError> {
    let mut parts = rest.split(';');
    let number = parts.next().unwrap_or_default();
    let number = number.strip_prefix("//").unwrap_or(number);
    // What browsers make of a link's plus sign and spaces.
    let number = number
        .replace("%2B", "+")
        .replace("%2b", "+")
        .replace("%20", " ");
    let (mut extension, mut context) = (None, None);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.eq_ignore_ascii_case("ext") {
            let keys: String = value
                .chars()
                .filter(|sign| !"-.() ".contains(*sign))
                .collect();
            let plausible = (1..=20).contains(&keys.len())
                && keys
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
            if !plausible {
                return Err(TypedError::NotANumber);
            }
            extension = Some(keys);
        } else if name.eq_ignore_ascii_case("phone-context") && value.starts_with('+') {
            context = Some(value.to_owned());
        }
    }
    Ok((number, extension, context))
}

fn read_number(text: &str, own: Option<&PhoneNumber>) -> Result<PhoneNumber, TypedError> {
    let (plus, digits) = digits_of(text)?;
    let home = own.and_then(plan_of);
    if plus {
        return international(&digits);
    }
    let Some(home) = home else {
        // Two zeros are the recommended prefix (ITU-T E.164, 7.3), so they are understood where nothing else is known.
        return match digits.strip_prefix("00") {
            Some(rest) => international(rest),
            None => Err(TypedError::NoCountry),
        };
    };
    if let Some(rest) = digits.strip_prefix(home.international) {
        return international(rest);
    }
    // The recommended prefix, where the country has another: no number begins so.
    match digits.strip_prefix("00") {
        Some(rest) => international(rest),
        None => national(&digits, home),
    }
}

/// Takes the digits out of what was typed, and says whether a plus sign is before them.
fn digits_of(text: &str) -> Result<(bool, String), TypedError> {
    let mut plus = false;
    let mut digits = String::new();
    let unbracketed;
    let text = if text.trim_start().starts_with(['+', '＋']) {
        unbracketed = text.replace("(0)", "");
        &unbracketed
    } else {
        text
    };
    for sign in text.chars() {
        match sign {
            '0'..='9' => digits.push(sign),
            '+' | '＋' if digits.is_empty() && !plus => plus = true,
            ' ' | '-' | '.' | '/' | '(' | ')' | '\t' => {}
            // Spaces and hyphens of printed texts, and the marks of direction that are copied along with a number.
            '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            _ => return Err(TypedError::NotANumber),
        }
    }
    if digits.is_empty() {
        return Err(TypedError::NotANumber);
    }
    Ok((plus, digits))
}

/// Reads what stands behind a plus sign or an international prefix.
fn international(digits: &str) -> Result<PhoneNumber, TypedError> {
    let number = PhoneNumber::parse(&format!("+{digits}")).map_err(|_| TypedError::WrongLength)?;
    // Every number of North America has ten digits behind its 1.
    if digits.starts_with('1') && !is_north_american(&digits[1..]) {
        return Err(TypedError::WrongLength);
    }
    Ok(number)
}

fn national(digits: &str, home: &Plan) -> Result<PhoneNumber, TypedError> {
    let fits = |number: &str| {
        (home.least..=home.most).contains(&number.len())
            && (home.code != "1" || is_north_american(number))
    };
    let with_trunk = digits
        .strip_prefix(home.trunk)
        .filter(|rest| !home.trunk.is_empty() && fits(rest));
    // Where numbers have one length, a number of that length is whole; elsewhere it may lack its area.
    let as_it_is =
        (fits(digits) && (home.trunk.is_empty() || home.least == home.most)).then_some(digits);
    let number = with_trunk.or(as_it_is).ok_or(TypedError::WrongLength)?;
    PhoneNumber::parse(&format!("+{}{number}", home.code)).map_err(|_| TypedError::WrongLength)
}

/// Says whether ten digits can be a number of the North American Numbering Plan: area and exchange begin with 2 to 9.
fn is_north_american(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.len() == 10 && (b'2'..=b'9').contains(&bytes[0]) && (b'2'..=b'9').contains(&bytes[3])
}

/// Finds how the country of a number dials. No code of the table begins with another one.
fn plan_of(number: &PhoneNumber) -> Option<&'static Plan> {
    let digits = &number.as_str()[1..];
    PLANS.iter().find(|plan| digits.starts_with(plan.code))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).expect("E.164")
    }

    fn read(typed: &str, own: &str) -> Result<String, TypedError> {
        to_e164(typed, Some(&number(own))).map(|typed| typed.number.as_str().to_owned())
    }

    #[test]
    fn a_north_american_dials_ten_digits_eleven_or_011() {
        for typed in [
            "514 555 0100",
            "1 514 555 0100",
            "(514) 555-0100",
            "514.555.0100",
            "1-514-555-0100",
            "+1 514 555 0100",
            "+1 (514) 555-0100",
            "011 1 514 555 0100",
            "001 514 555 0100",
            "514\u{a0}555\u{2011}0100",
            "\u{202a}+1 514 555 0100\u{202c}",
        ] {
            assert_eq!(
                read(typed, "+18195550100").as_deref(),
                Ok("+15145550100"),
                "{typed}"
            );
        }
        for typed in [
            "011 44 20 7946 0018",
            "00 44 20 7946 0018",
            "+44 (0)20 7946 0018",
        ] {
            assert_eq!(
                read(typed, "+18195550100").as_deref(),
                Ok("+442079460018"),
                "{typed}"
            );
        }
    }

    #[test]
    fn others_dial_their_own_way() {
        for (typed, own, meant) in [
            ("020 7946 0018", "+441632960000", "+442079460018"),
            ("00 1 514 555 0100", "+441632960000", "+15145550100"),
            ("01 42 68 53 00", "+33142685300", "+33142685300"),
            ("0049 30 12345678", "+33142685300", "+493012345678"),
            ("030 12345678", "+49891234567", "+493012345678"),
            ("06 6982 1234", "+390612345678", "+390669821234"),
            ("912 345 678", "+34911234567", "+34912345678"),
            ("8 495 123-45-67", "+74951234567", "+74951234567"),
            ("810 44 20 7946 0018", "+74951234567", "+442079460018"),
            ("06 1 234 5678", "+3612345678", "+3612345678"),
            ("03-1234-5678", "+81312345678", "+81312345678"),
            ("010 1 514 555 0100", "+81312345678", "+15145550100"),
            ("0011 44 20 7946 0018", "+61212345678", "+442079460018"),
            ("(02) 1234 5678", "+61212345678", "+61212345678"),
            ("98765 43210", "+911123456789", "+919876543210"),
            ("12 34 56 78", "+4511223344", "+4512345678"),
            ("601 234 567", "+420601234567", "+420601234567"),
        ] {
            assert_eq!(read(typed, own).as_deref(), Ok(meant), "{typed} from {own}");
        }
    }

    #[test]
    fn a_tel_uri_is_read_with_its_extension() {
        for (uri, meant, extension) in [
            ("tel:+1-514-555-0100;ext=5", "+15145550100", Some("5")),
            ("TEL:+1(514)555.0100", "+15145550100", None),
            ("tel:555-0100;phone-context=+1-514", "+15145550100", None),
            (
                "tel:514-555-0100;phone-context=example.com",
                "+15145550100",
                None,
            ),
            ("tel:%2B15145550100", "+15145550100", None),
            (
                "tel:+442079460018;isub=1;EXT=12-3#",
                "+442079460018",
                Some("123#"),
            ),
        ] {
            let read = to_e164(uri, Some(&number("+18195550100"))).expect(uri);
            assert_eq!(read.number.as_str(), meant, "{uri}");
            assert_eq!(read.extension.as_deref(), extension, "{uri}");
        }
        assert_eq!(
            read("tel:+15145550100;ext=abc", "+18195550100"),
            Err(TypedError::NotANumber)
        );
    }

    #[test]
    fn what_is_not_whole_is_told_from_what_is_no_number() {
        for (typed, own, why) in [
            ("555 0100", "+18195550100", TypedError::WrongLength),
            ("911", "+18195550100", TypedError::WrongLength),
            ("114 555 0100", "+18195550100", TypedError::WrongLength),
            ("514 155 0100", "+18195550100", TypedError::WrongLength),
            ("+1 514 555 010", "+18195550100", TypedError::WrongLength),
            // A number of the same town, whose area is not known.
            ("12345678", "+493012345678", TypedError::WrongLength),
            ("1-800-FLOWERS", "+18195550100", TypedError::NotANumber),
            ("1+5145550100", "+18195550100", TypedError::NotANumber),
            ("", "+18195550100", TypedError::NotANumber),
            ("+", "+18195550100", TypedError::NotANumber),
            ("tel:", "+18195550100", TypedError::NotANumber),
            ("0 123 456", "+6791234567", TypedError::NoCountry),
        ] {
            assert_eq!(read(typed, own), Err(why), "{typed} from {own}");
        }
        assert_eq!(to_e164("514 555 0100", None), Err(TypedError::NoCountry));
        let read = to_e164("0044 20 7946 0018", None).expect("its country is named");
        assert_eq!(read.number.as_str(), "+442079460018");
    }

    #[test]
    fn no_calling_code_of_the_table_begins_with_another() {
        for (n, one) in PLANS.iter().enumerate() {
            for other in &PLANS[n + 1..] {
                assert!(
                    !other.code.starts_with(one.code),
                    "{} {}",
                    one.code,
                    other.code
                );
                assert!(
                    !one.code.starts_with(other.code),
                    "{} {}",
                    one.code,
                    other.code
                );
            }
            assert!(
                one.least <= one.most && one.code.len() + one.most <= 15,
                "{}",
                one.code
            );
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_typed(typed in any::<String>(), own in "\\+[1-9][0-9]{6,14}") {
            let _ = to_e164(&typed, Some(&number(&own)));
        }

        #[test]
        fn what_is_e164_already_stays_as_it_is(digits in "[2-9][0-9]{6,14}", own in "\\+[1-9][0-9]{6,14}") {
            let whole = format!("+{digits}");
            prop_assert_eq!(read(&whole, &own), Ok(whole));
        }

        #[test]
        fn every_country_reads_its_own_numbers_both_ways(n in 0..PLANS.len(), tail in "[2-8]{13}", extra in 0..10_usize) {
            let plan = &PLANS[n];
            let most = plan.most.min(15 - plan.code.len());
            let length = plan.least + extra % (most - plan.least + 1);
            let national = &tail[..length];
            let own = format!("+{}{national}", plan.code);
            let typed = format!("{}{national}", plan.trunk);
            prop_assert_eq!(read(&typed, &own), Ok(own.clone()));
            let abroad = format!("{}{}{national}", plan.international, plan.code);
            prop_assert_eq!(read(&abroad, &own), Ok(own));
        }
    }
}
