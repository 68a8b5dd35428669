//! Contacts as other programs write them: vCard 4.0 (RFC 6350) and 3.0 (RFC 2426) in and out, 2.1 in.
//!
//! The reader takes what comes: folded lines whether cut within a letter or not, quoted-printable, Latin-1, groups, Apple's
//! labels, cards without an end. What it does not know it leaves out; it never fails. Read [`read`] first.

use super::contact::{ContactDraft, ContactNumber};

/// The most cards that are read of one text.
pub const MOST_CARDS: usize = 10_000;

/// The longest line, in bytes, that is folded (RFC 6350, 3.2).
const LINE: usize = 75;

/// Which version is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Version {
    /// RFC 2426, which older telephones read.
    V3,
    /// RFC 6350.
    #[default]
    V4,
}

/// Writes a contact.
#[must_use]
pub fn write(contact: &ContactDraft, version: Version) -> String {
    let mut lines = vec!["BEGIN:VCARD".to_owned()];
    let name = escaped(&contact.name);
    match version {
        Version::V3 => {
            lines.push("VERSION:3.0".to_owned());
            // Required there; which part is which nobody knows.
            lines.push(format!("N:{name};;;;"));
        }
        Version::V4 => lines.push("VERSION:4.0".to_owned()),
    }
    lines.push(format!("FN:{name}"));
    for (number, item) in contact.numbers.iter().zip(1..) {
        let kind = match number.label.as_str() {
            "" => Some("voice"),
            "mobile" => Some("cell"),
            "home" => Some("home"),
            "work" => Some("work"),
            "fax" => Some("fax"),
            "pager" => Some("pager"),
            _ => None,
        };
        let group = if kind.is_none() {
            format!("item{item}.")
        } else {
            String::new()
        };
        let kind = kind.unwrap_or("voice");
        lines.push(match version {
            Version::V3 => format!("{group}TEL;TYPE={kind}:{}", escaped(&number.number)),
            Version::V4 => format!("{group}TEL;VALUE=uri;TYPE={kind}:tel:{}", number.number),
        });
        if !group.is_empty() {
            lines.push(format!("{group}X-ABLabel:{}", escaped(&number.label)));
        }
    }
    if !contact.note.is_empty() {
        lines.push(format!("NOTE:{}", escaped(&contact.note)));
    }
    if contact.favourite {
        lines.push("X-OFFHOOK-FAVOURITE:1".to_owned());
    }
    if contact.auto_answer {
        lines.push("X-OFFHOOK-AUTO-ANSWER:1".to_owned());
    }
    lines.push("END:VCARD".to_owned());
    lines.iter().map(|line| folded(line)).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\\' | ',' | ';' => escaped.extend(['\\', sign]),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Ends a line, and folds it between letters where it is long.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut room = LINE;
    for sign in line.chars() {
        if sign.len_utf8() > room {
            folded.push_str("\r\n ");
            room = LINE - 1;
        }
        room -= sign.len_utf8();
        folded.push(sign);
    }
    folded + "\r\n"
}

/// Reads every card of a text. Numbers come as they were written; a card without a name takes that of its organisation,
/// else its first number.
#[must_use]
pub fn read(text: &[u8]) -> Vec<ContactDraft> {
    let mut cards = Vec::new();
    let mut card: Option<Card> = None;
    // Cards within a card are somebody else's.
    let mut within = 0_usize;
    for line in unfolded(text) {
        let Some(property) = Property::read(&line) else {
            continue;
        };
        let is_card = property.value.trim().eq_ignore_ascii_case("VCARD");
        match (property.name.as_str(), &mut card) {
            ("BEGIN", None) if is_card => card = Some(Card::default()),
            ("BEGIN", Some(_)) if is_card => within += 1,
            ("END", Some(_)) if is_card && within > 0 => within -= 1,
            ("END", Some(_)) if is_card => cards.extend(card.take().and_then(Card::draft)),
            (_, Some(card)) if within == 0 => card.take(property),
            (_, Some(_) | None) => {}
        }
        if cards.len() == MOST_CARDS {
            return cards;
        }
    }
    cards.extend(card.and_then(Card::draft));
    cards
}

/// Puts lines together that were folded, or broken by quoted-printable.
fn unfolded(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut goes_on = false;
    // Lone carriage returns end lines of old computers.
    let ends = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    for line in text.split(|b| *b == ends) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match lines.last_mut() {
            Some(last) if goes_on => {
                last.pop();
                last.extend_from_slice(line);
            }
            Some(last) if matches!(line.first(), Some(b' ' | b'\t')) => {
                last.extend_from_slice(&line[1..]);
            }
            Some(_) | None => lines.push(line.to_vec()),
        }
        goes_on = lines
            .last()
            .is_some_and(|last| last.ends_with(b"=") && is_quoted_printable(last));
    }
    lines
}

fn is_quoted_printable(line: &[u8]) -> bool {
    let head = line.split(|b| *b == b':').next().unwrap_or_default();
    let mark = b"QUOTED-PRINTABLE";
    head.windows(mark.len())
        .any(|part| part.eq_ignore_ascii_case(mark))
}

/// One line: `group.NAME;PARAMETER=value:value`.
struct Property {
    group: String,
    /// In capitals.
    name: String,
    /// What kinds it has, in small letters.
    kinds: Vec<String>,
    /// As it was written, escapes and all.
    value: String,
}

impl Property {
    fn read(line: &[u8]) -> Option<Property> {
        let mut quoted = false;
        let colon = line.iter().position(|b| {
            quoted ^= *b == b'"';
            *b == b':' && !quoted
        })?;
        let (head, value) = (decoded(&line[..colon], false), &line[colon + 1..]);
        let mut parts = split_unquoted(&head, ';').into_iter();
        let name = parts.next()?;
        let (group, name) = name.rsplit_once('.').unwrap_or(("", &name));
        let (mut kinds, mut printable, mut latin) = (Vec::new(), false, false);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or(("", &part));
            let value = value.replace('"', "").to_ascii_lowercase();
            match key.trim().to_ascii_uppercase().as_str() {
                "TYPE" => kinds.extend(value.split(',').map(|kind| kind.trim().to_owned())),
                "ENCODING" => printable |= value == "quoted-printable",
                "CHARSET" => latin |= value.contains("8859-1") || value.contains("1252"),
                // In 2.1 a kind stands alone.
                "" => {
                    printable |= value == "quoted-printable";
                    kinds.push(value);
                }
                _ => {}
            }
        }
        let value = if printable {
            decoded(&unquoted(value), latin)
        } else {
            decoded(value, latin)
        };
        Some(Property {
            group: group.to_ascii_lowercase(),
            name: name.trim().to_ascii_uppercase(),
            kinds,
            value,
        })
    }
}

/// Reads bytes as UTF-8, or as Latin-1 where they are none or are said to be.
fn decoded(bytes: &[u8], latin: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !latin => text.to_owned(),
        Ok(_) | Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Undoes quoted-printable (RFC 2045, 6.7); what is no code stays.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let mut bytes = Vec::with_capacity(value.len());
    let mut n = 0;
    while n < value.len() {
        let code = (value[n] == b'=')
            .then(|| Some(digit(value.get(n + 1))? * 16 + digit(value.get(n + 2))?))
            .flatten()
            .and_then(|code| u8::try_from(code).ok());
        bytes.push(code.unwrap_or(value[n]));
        n += if code.is_some() { 3 } else { 1 };
    }
    bytes
}

/// Splits a text where a sign stands outside quotes.
fn split_unquoted(text: &str, at: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for sign in text.chars() {
        quoted ^= sign == '"';
        match parts.last_mut() {
            Some(part) if sign != at || quoted => part.push(sign),
            Some(_) | None => parts.push(String::new()),
        }
    }
    parts
}

/// Splits a value of several parts and undoes the escapes of each.
fn unescaped(value: &str, at: Option<char>) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut signs = value.chars();
    while let Some(sign) = signs.next() {
        let sign = match sign {
            '\\' => match signs.next() {
                Some('n' | 'N') => '\n',
                Some(other) => other,
                None => '\\',
            },
            sign if Some(sign) == at => {
                parts.push(String::new());
                continue;
            }
            sign => sign,
        };
        if let Some(part) = parts.last_mut() {
            part.push(sign);
        }
    }
    parts
}

fn plain(value: &str) -> String {
    unescaped(value, None).concat().trim().to_owned()
}

/// What is known of a card so far.
#[derive(Default)]
struct Card {
    formatted: String,
    parts: String,
    organisation: String,
    nickname: String,
    /// Each with its group.
    numbers: Vec<(String, ContactNumber)>,
    /// What a group is called.
    labels: Vec<(String, String)>,
    rest: ContactDraft,
}

impl Card {
    fn take(&mut self, property: Property) {
        let value = plain(&property.value);
        if value.is_empty() {
            return;
        }
        match property.name.as_str() {
            "FN" if self.formatted.is_empty() => self.formatted = value,
            "N" if self.parts.is_empty() => self.parts = spoken_name(&property.value),
            "ORG" if self.organisation.is_empty() => {
                self.organisation = unescaped(&property.value, Some(';'))
                    .join(" ")
                    .trim()
                    .to_owned();
            }
            "NICKNAME" if self.nickname.is_empty() => self.nickname = value,
            "TEL" => {
                let label = label_of(&property.kinds).to_owned();
                let number = ContactNumber {
                    label,
                    number: value,
                };
                self.numbers.push((property.group, number));
            }
            "X-ABLABEL" => self.labels.push((property.group, apples_label(&value))),
            "NOTE" if self.rest.note.is_empty() => self.rest.note = value,
            "X-OFFHOOK-FAVOURITE" => self.rest.favourite = value == "1",
            "X-OFFHOOK-AUTO-ANSWER" => self.rest.auto_answer = value == "1",
            _ => {}
        }
    }

    fn draft(self) -> Option<ContactDraft> {
        let labels = self.labels;
        let named = |group: &str| {
            let label = labels
                .iter()
                .find(|(known, _)| !group.is_empty() && known == group);
            label.map(|(_, label)| label.clone())
        };
        let numbers: Vec<ContactNumber> = self
            .numbers
            .into_iter()
            .map(|(group, number)| match named(&group) {
                Some(label) => ContactNumber { label, ..number },
                None => number,
            })
            .collect();
        let first_number = numbers.first().map(|first| first.number.clone());
        let name = [self.formatted, self.parts, self.nickname, self.organisation]
            .into_iter()
            .find(|name| !name.trim().is_empty())
            .or(first_number)?;
        Some(ContactDraft {
            name,
            numbers,
            ..self.rest
        })
    }
}

/// Puts the parts of a name into the order in which they are spoken: prefix, given, further, family, suffix.
fn spoken_name(value: &str) -> String {
    let parts = unescaped(value, Some(';'));
    let part = |n: usize| parts.get(n).map(|part| part.trim()).unwrap_or_default();
    let spoken = [part(3), part(1), part(2), part(0), part(4)];
    let spoken: Vec<&str> = spoken.into_iter().filter(|part| !part.is_empty()).collect();
    spoken.join(" ")
}

/// Returns the label for what a number's kinds say: the most telling of them.
fn label_of(kinds: &[String]) -> &'static str {
    for (label, words) in [
        ("fax", &["fax"][..]),
        ("pager", &["pager"]),
        ("mobile", &["cell", "mobile", "iphone"]),
        ("work", &["work"]),
        ("home", &["home"]),
        ("main", &["main", "main-number"]),
    ] {
        if kinds.iter().any(|kind| words.contains(&kind.as_str())) {
            return label;
        }
    }
    ""
}

/// Takes Apple's marks away from one of its own labels, however often they stand there: `_$!<Mobile>!$_`.
fn apples_label(text: &str) -> String {
    let bare = |text: &str| -> Option<String> {
        let word = text.strip_prefix("_$!<")?.strip_suffix(">!$_")?;
        Some(word.to_lowercase())
    };
    let mut label = text.to_owned();
    while let Some(word) = bare(&label) {
        label = word;
    }
    label
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(label: &str, number: &str) -> ContactNumber {
        ContactNumber {
            label: label.to_owned(),
            number: number.to_owned(),
        }
    }

    #[test]
    fn a_card_of_each_version_is_read() {
        let four = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Anna Bee\r\nTEL;VALUE=uri;TYPE=\"voice,cell\";PREF=1:tel:+1-514-555-0100\r\n\
                    TEL;TYPE=work:+44 20 7946 0018\r\nNOTE:one\\, two\\;\\nthree \\\\ fo\r\n ur\r\nEND:VCARD\r\n";
        let three = "begin:vcard\nversion:3.0\nN:Bee;Anna;Lou;Dr.;\nitem1.TEL;type=pref:5145550100\nitem1.X-ABLabel:_$!<Mobile>!$_\n\
                     item2.TEL:+442079460018\nitem2.X-ABLabel:the boat\nend:vcard\n";
        let two = "BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:B=C3=A9e;H=C3=A9l=C3=A8=\r\nne;;;\r\n\
                   TEL;CELL;VOICE:514-555-0100\r\nTEL;HOME;FAX:514-555-0101\r\nPHOTO;ENCODING=BASE64:AAAA\r\n BBBB\r\n\r\nEND:VCARD\r\n";
        let cards = read([four, three, two].concat().as_bytes());
        assert_eq!(cards.len(), 3);
        assert_eq!(cards[0].name, "Anna Bee");
        assert_eq!(
            cards[0].numbers,
            [
                number("mobile", "tel:+1-514-555-0100"),
                number("work", "+44 20 7946 0018")
            ]
        );
        assert_eq!(cards[0].note, "one, two;\nthree \\ four");
        assert_eq!(cards[1].name, "Dr. Anna Lou Bee");
        assert_eq!(
            cards[1].numbers,
            [
                number("mobile", "5145550100"),
                number("the boat", "+442079460018")
            ]
        );
        assert_eq!(cards[2].name, "Hélène Bée");
        assert_eq!(
            cards[2].numbers,
            [
                number("mobile", "514-555-0100"),
                number("fax", "514-555-0101")
            ]
        );
    }

    #[test]
    fn ragged_cards_give_what_they_have() {
        let latin = b"BEGIN:VCARD\nFN:H\xe9l\xe8ne\nEND:VCARD\n";
        assert_eq!(read(latin)[0].name, "Hélène");
        let said =
            b"BEGIN:VCARD\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:H=E9l=E8ne\nEND:VCARD\n";
        assert_eq!(read(said)[0].name, "Hélène");
        // Folded within a letter.
        let cut = b"\xef\xbb\xbfBEGIN:VCARD\r\nFN:H\xc3\r\n \xa9l\xc3\xa8ne\r\nEND:VCARD";
        assert_eq!(read(cut)[0].name, "Hélène");
        // Without an end, without a name, with another card inside.
        let nested = "BEGIN:VCARD\nORG:Bees;Honey\nAGENT:\nBEGIN:VCARD\nFN:Other\nTEL:1\nEND:VCARD\nTEL:+15145550100\n";
        let cards = read(nested.as_bytes());
        assert_eq!(cards.len(), 1);
        assert_eq!(
            (cards[0].name.as_str(), cards[0].numbers.len()),
            ("Bees Honey", 1)
        );
        let nameless = read(b"BEGIN:VCARD\nTEL:+15145550100\nEND:VCARD");
        assert_eq!(nameless[0].name, "+15145550100");
        assert_eq!(read(b"BEGIN:VCARD\nEND:VCARD").len(), 0);
        assert_eq!(read(b"FN:nobody\n").len(), 0);
        let old = read(b"BEGIN:VCARD\rFN:Old\rEND:VCARD\r");
        assert_eq!(old[0].name, "Old");
    }

    #[test]
    fn lines_are_short_and_cut_between_letters() {
        let contact = ContactDraft {
            name: "é".repeat(200),
            note: "日本".repeat(300),
            ..ContactDraft::default()
        };
        for version in [Version::V3, Version::V4] {
            let text = write(&contact, version);
            assert!(text.split("\r\n").all(|line| line.len() <= LINE));
            assert_eq!(read(text.as_bytes()), std::slice::from_ref(&contact));
        }
    }

    fn drafts() -> impl Strategy<Value = ContactDraft> {
        let numbers = proptest::collection::vec(
            (
                "\\PC{0,12}|mobile|work|home|fax|pager|main",
                "\\+[2-9][0-9]{6,14}",
            ),
            0..5,
        );
        let rest = (any::<bool>(), any::<bool>());
        ("\\PC{1,60}", numbers, "(\\PC|\n|\t){0,90}", rest).prop_filter_map(
            "a contact that can be kept",
            |(name, numbers, note, (favourite, auto_answer))| {
                let numbers = numbers
                    .into_iter()
                    .map(|(label, number)| ContactNumber { label, number })
                    .collect();
                let draft = ContactDraft {
                    name,
                    numbers,
                    note,
                    favourite,
                    auto_answer,
                };
                draft.checked(None).ok()
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cards in proptest::collection::vec(drafts(), 1..4), old in any::<bool>()) {
            let version = if old { Version::V3 } else { Version::V4 };
            let text: String = cards.iter().map(|card| write(card, version)).collect();
            let read: Vec<ContactDraft> = read(text.as_bytes())
                .into_iter()
                .filter_map(|card| card.checked(None).ok())
                .collect();
            prop_assert_eq!(read, cards);
        }

        #[test]
        fn what_can_be_kept_of_any_card_is_written_and_read_again(
            lines in proptest::collection::vec(
                "(FN|N|ORG|NOTE|a\\.TEL|TEL;CELL|a\\.X-ABLabel|TEL;TYPE=\"work\")(;ENCODING=QUOTED-PRINTABLE)?:(\\+1514555|_\\$!<|>!\\$_|=[0-9A-F]{2}|[0-9]{4}|\\\\n|\\\\;|\\PC|\r|\n ){0,9}",
                0..6,
            ),
        ) {
            let text = format!("BEGIN:VCARD\n{}\nEND:VCARD\n", lines.join("\n"));
            let kept: Vec<ContactDraft> = read(text.as_bytes())
                .into_iter()
                .filter_map(|card| card.salvaged(None))
                .map(|(card, _)| card)
                .collect();
            for version in [Version::V3, Version::V4] {
                let text: String = kept.iter().map(|card| write(card, version)).collect();
                let again: Vec<ContactDraft> = read(text.as_bytes())
                    .into_iter()
                    .filter_map(|card| card.checked(None).ok())
                    .collect();
                prop_assert_eq!(&again, &kept);
            }
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let mut card = b"BEGIN:VCARD\nTEL:1\n".to_vec();
            card.extend(&bytes);
            prop_assert!(read(&card).len() >= usize::from(!bytes.contains(&b'\r')));
        }
    }
}
