//! Texts as they are compared in a search: small letters without accents, so that `helene` finds `Hélène`.

/// Returns a text in small letters, Latin ones without their accents.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for sign in text.chars().flat_map(char::to_lowercase) {
        match sign {
            // An accent of its own, behind its letter.
            '\u{300}'..='\u{36f}' => {}
            'à'..='å' | 'ā' | 'ă' | 'ą' => folded.push('a'),
            'æ' => folded.push_str("ae"),
            'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => folded.push('c'),
            'ď' | 'đ' | 'ð' => folded.push('d'),
            'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => folded.push('e'),
            'ĝ' | 'ğ' | 'ġ' | 'ģ' => folded.push('g'),
            'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => folded.push('i'),
            'ĺ' | 'ļ' | 'ľ' | 'ł' => folded.push('l'),
            'ñ' | 'ń' | 'ņ' | 'ň' => folded.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => folded.push('o'),
            'œ' => folded.push_str("oe"),
            'ŕ' | 'ŗ' | 'ř' => folded.push('r'),
            'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => folded.push('s'),
            'ß' => folded.push_str("ss"),
            'ţ' | 'ť' | 'ț' => folded.push('t'),
            'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => folded.push('u'),
            'ý' | 'ÿ' => folded.push('y'),
            'ź' | 'ż' | 'ž' => folded.push('z'),
            other => folded.push(other),
        }
    }
    folded
}

/// Returns what is looked for where somebody typed `text`: folded, and for a number its digits alone, since they are kept
/// without spaces.
#[must_use]
pub fn wanted(text: &str) -> String {
    let text = text.trim();
    let of_a_number = |sign: char| sign.is_ascii_digit() || " +-.()/\u{a0}\u{202f}".contains(sign);
    if text.chars().all(of_a_number) && text.contains(|sign: char| sign.is_ascii_digit()) {
        text.chars().filter(char::is_ascii_digit).collect()
    } else {
        fold(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accents_and_capitals_make_no_difference() {
        for (text, folded) in [
            ("Hélène Bœuf", "helene boeuf"),
            ("He\u{301}le\u{300}ne", "helene"),
            ("JÖRG Strauß", "jorg strauss"),
            ("Łódź", "lodz"),
            ("Ωμέγα 東京", "ωμέγα 東京"),
        ] {
            assert_eq!(fold(text), folded);
        }
    }

    #[test]
    fn a_number_is_looked_for_by_its_digits() {
        assert_eq!(wanted(" (514) 555-01 "), "51455501");
        assert_eq!(wanted("+1 514"), "1514");
        assert_eq!(wanted("Anna 2"), "anna 2");
        assert_eq!(wanted("-"), "-");
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_as_it_is(text in any::<String>()) {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
