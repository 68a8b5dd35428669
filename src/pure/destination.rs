//! Where may be dialled: one table for every door.
//!
//! Whoever gets at a telephone line that somebody else pays for dials premium numbers, so those are refused here, before
//! the carrier hears of them, along with emergency numbers: a phone that knows no address must not be relied on for help.

use super::book::numbering::to_e164;
use super::ids::{Identity, PhoneNumber};
use super::phone::Phrase;

/// What was dialled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// A telephone number that may be dialled.
    Number(PhoneNumber),
    /// A browser.
    Client(Identity),
    /// Nothing that may be dialled; the sentence says why.
    Refused(Phrase),
}

/// Emergency numbers, as they are typed. Sources: ITU-T E.161.1 (112, 911), and the national numbering plans published
/// by the ITU (Operational Bulletin annex) for the others.
const EMERGENCY: [&str; 14] = [
    "112", "911", "999", "000", "111", "110", "119", "15", "17", "18", "114", "116117", "988",
    "933",
];

/// International networks and services without a country, which cost more than a call: ITU-T E.164 list of assigned
/// country codes (satellite 870, 881; networks 882 and 883; shared cost 808; premium rate 979; trials 991).
const WITHOUT_COUNTRY: [&str; 7] = ["870", "881", "882", "883", "808", "979", "991"];

/// Prefixes that cost the caller more than a call, behind the country code that they belong to. Each with where it is
/// written. A trunk zero between the two is dropped before they are looked up.
const PREMIUM: [(&str, &[&str]); 14] = [
    // +1 900, pay-per-call: North American Numbering Plan, 47 CFR 64.1506. (976 is an exchange; see below.)
    ("1", &["900"]),
    // United Kingdom: Ofcom National Telephone Numbering Plan, 09 premium, 084 and 087 service charge, 070 personal.
    ("44", &["9", "84", "87", "70"]),
    // France: Arcep numbering plan, 081 and 082 shared, 089 premium. (080 is free.)
    ("33", &["81", "82", "89"]),
    // Germany: Bundesnetzagentur, 0900 premium, 0180 service, 0137 mass calls, 0118 directory.
    ("49", &["900", "180", "137", "118"]),
    // Ireland: ComReg, 15xx premium.
    ("353", &["15"]),
    // Italy: AGCOM, 89x premium; 1xx are services and shared cost, 144, 166 and 199 among them, and no subscriber.
    ("39", &["89", "1"]),
    // Spain: CNMC, 803, 806, 807, 905, 907.
    ("34", &["803", "806", "807", "905", "907"]),
    // Switzerland: OFCOM, 0900, 0901, 0906.
    ("41", &["900", "901", "906"]),
    // Austria: RTR, 0900, 0901, 0930, 0931.
    ("43", &["900", "901", "930", "931"]),
    // Belgium: BIPT, 090x, 0070.
    ("32", &["90", "70"]),
    // The Netherlands: ACM, 0900, 0906, 0909.
    ("31", &["900", "906", "909"]),
    // Australia: ACMA, 190x premium.
    ("61", &["190"]),
    // New Zealand: 0900.
    ("64", &["900"]),
    // Japan: 0990 (Dial Q2), Ministry of Internal Affairs and Communications.
    ("81", &["990"]),
];

/// Judges what was dialled: `+…`, or `client:…`.
#[must_use]
pub fn judge(dialled: &str) -> Destination {
    if let Some(name) = dialled.strip_prefix("client:") {
        return Identity::parse(name).map_or(
            Destination::Refused(Phrase::NotANumber),
            Destination::Client,
        );
    }
    let digits: String = dialled
        .chars()
        .filter(|sign| !matches!(sign, '+' | ' ' | '-' | '.' | '(' | ')'))
        .collect();
    if EMERGENCY.contains(&digits.as_str()) || digits == "1911" {
        return Destination::Refused(Phrase::EmergencyRefused);
    }
    let Ok(number) = PhoneNumber::parse(dialled) else {
        return Destination::Refused(Phrase::NotANumber);
    };
    if digits.starts_with('1') && digits.len() != 11 {
        // All of North America has ten digits behind its 1; what has others is a short number, or a slip.
        return Destination::Refused(Phrase::NotANumber);
    }
    if is_premium(&digits) || is_north_american_976(&digits) {
        return Destination::Refused(Phrase::DestinationNotAllowed);
    }
    Destination::Number(number)
}

/// Judges what a person typed the way it is dialled at home: `514 555 0100`, `011 44 …`, `tel:…`, or what [`judge`] takes.
/// `own` is the line's number, whose country is home.
#[must_use]
pub fn judge_typed(typed: &str, own: Option<&PhoneNumber>) -> Destination {
    match (judge(typed), to_e164(typed, own)) {
        // A short number first: nobody is to find out in an emergency that theirs was completed to something else.
        (Destination::Refused(Phrase::NotANumber), Ok(typed)) => judge(typed.number.as_str()),
        (judged, _) => judged,
    }
}

fn is_premium(digits: &str) -> bool {
    if WITHOUT_COUNTRY.iter().any(|code| digits.starts_with(code)) {
        return true;
    }
    PREMIUM.iter().any(|(country, prefixes)| {
        let Some(national) = digits.strip_prefix(country) else {
            return false;
        };
        // Networks put up with the zero that is dialled at home, but in Italy it is part of the number.
        let national = match *country {
            "39" => national,
            _ => national.strip_prefix('0').unwrap_or(national),
        };
        prefixes.iter().any(|prefix| national.starts_with(prefix))
    })
}

/// In North America the exchange 976 is pay-per-call in every area.
fn is_north_american_976(digits: &str) -> bool {
    digits.len() == 11 && digits.starts_with('1') && &digits[4..7] == "976"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_numbers_may_be_dialled() {
        for number in [
            "+18738402100",
            "+15145550100",
            "+442079460000",
            "+33142685300",
            "+493012345678",
            "+18005550100",
            // Zero and nine in Palermo, not a premium number behind a zero.
            "+390918901234",
            "+440207946000",
        ] {
            assert!(matches!(judge(number), Destination::Number(_)), "{number}");
        }
    }

    #[test]
    fn premium_and_satellite_numbers_are_refused() {
        for number in [
            "+19005550100",
            "+15149765555",
            "+449098790000",
            "+33899123456",
            "+881612345678",
            "+979123456789",
            // With the zero that is dialled at home.
            "+440909879000",
            "+330899123456",
            "+4909001234567",
            "+39899123456",
            "+39144123456",
            "+39199123456",
        ] {
            assert_eq!(
                judge(number),
                Destination::Refused(Phrase::DestinationNotAllowed),
                "{number}"
            );
        }
    }

    #[test]
    fn emergency_numbers_are_refused_however_they_are_typed() {
        for number in ["911", "112", "999", "+911", "9 1 1", "+1911", "9-1-1"] {
            assert_eq!(
                judge(number),
                Destination::Refused(Phrase::EmergencyRefused),
                "{number}"
            );
        }
    }

    #[test]
    fn a_browser_is_a_destination_and_anything_else_is_none() {
        assert!(matches!(judge("client:kitchen"), Destination::Client(_)));
        for wrong in [
            "",
            "client:",
            "client:a b",
            "hello",
            "5145550100",
            "+0",
            "sip:me@example.com",
            "+1514555010",
            "+151455501000",
        ] {
            assert_eq!(
                judge(wrong),
                Destination::Refused(Phrase::NotANumber),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_typed_as_at_home_is_judged_like_the_whole_number() {
        let own = PhoneNumber::parse("+18195550100").expect("a number");
        let typed = |text: &str| judge_typed(text, Some(&own));
        let number = |text: &str| Destination::Number(PhoneNumber::parse(text).expect("E.164"));
        assert_eq!(typed("514 555 0100"), number("+15145550100"));
        assert_eq!(typed("011 44 20 7946 0018"), number("+442079460018"));
        assert_eq!(typed("tel:+1-514-555-0100;ext=5"), number("+15145550100"));
        assert!(matches!(typed("client:kitchen"), Destination::Client(_)));
        for (text, phrase) in [
            ("911", Phrase::EmergencyRefused),
            ("9-1-1", Phrase::EmergencyRefused),
            ("900 555 0100", Phrase::DestinationNotAllowed),
            ("011 44 909 879 0000", Phrase::DestinationNotAllowed),
            ("514 976 5555", Phrase::DestinationNotAllowed),
            ("555 0100", Phrase::NotANumber),
            ("hello", Phrase::NotANumber),
        ] {
            assert_eq!(typed(text), Destination::Refused(phrase), "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_judged(text in any::<String>()) {
            let _ = judge(&text);
            let _ = judge_typed(&text, None);
        }
    }
}
