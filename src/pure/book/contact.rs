//! Contacts: whom the person knows, under which numbers, and what is to be done when they ring.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::numbering::{TypedError, to_e164};
use crate::pure::ids::{Party, PhoneNumber};

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;

/// The longest label of a number, in characters.
const LONGEST_LABEL: usize = 40;

/// The longest note, in characters.
const LONGEST_NOTE: usize = 2_000;

/// The most numbers of a contact.
const MOST_NUMBERS: usize = 20;

/// A number of a contact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContactNumber {
    /// What kind: `mobile`, `work`, or whatever the person calls it; may be empty.
    #[serde(default)]
    pub label: String,
    /// The number: E.164 once it is kept.
    pub number: String,
}

/// A contact as somebody writes it down.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ContactDraft {
    /// The name.
    pub name: String,
    /// The numbers.
    #[serde(default)]
    pub numbers: Vec<ContactNumber>,
    /// What somebody noted.
    #[serde(default)]
    pub note: String,
    /// Whether they are among the favourites, who may ring while others may not.
    #[serde(default)]
    pub favourite: bool,
    /// Whether the desk answers by itself when they call.
    #[serde(default)]
    pub auto_answer: bool,
}

/// A contact as it is kept.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Contact {
    /// Its name for programs: a number that is never given twice.
    pub id: i64,
    /// The rest.
    #[serde(flatten)]
    pub is: ContactDraft,
}

/// Why a draft is no contact.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ContactError {
    /// The name is missing, or too long.
    #[error("a contact has a name of 1 to {LONGEST_NAME} characters")]
    Name,
    /// One of the numbers is none.
    #[error("`{0}` cannot be kept: {1}")]
    Number(String, TypedError),
    /// There are too many of them.
    #[error("a contact has {MOST_NUMBERS} numbers at most")]
    TooManyNumbers,
    /// A label is too long.
    #[error("the label of a number has {LONGEST_LABEL} characters at most")]
    Label,
    /// The note is too long.
    #[error("a note has {LONGEST_NOTE} characters at most")]
    Note,
}

impl ContactDraft {
    /// Returns the contact as it is kept: texts trimmed, numbers in E.164, each once.
    ///
    /// # Errors
    /// [`ContactError`].
    pub fn checked(mut self, own: Option<&PhoneNumber>) -> Result<ContactDraft, ContactError> {
        self.name = one_line(&self.name);
        if self.name.is_empty() || self.name.chars().count() > LONGEST_NAME {
            return Err(ContactError::Name);
        }
        self.note = plain_lines(&self.note);
        if self.note.chars().count() > LONGEST_NOTE {
            return Err(ContactError::Note);
        }
        let mut numbers: Vec<ContactNumber> = Vec::new();
        for ContactNumber { label, number } in self.numbers {
            let label = one_line(&label);
            if label.chars().count() > LONGEST_LABEL {
                return Err(ContactError::Label);
            }
            let number = match to_e164(&number, own) {
                Ok(typed) => typed.number.as_str().to_owned(),
                Err(why) => return Err(ContactError::Number(number, why)),
            };
            if numbers.iter().all(|known| known.number != number) {
                numbers.push(ContactNumber { label, number });
            }
        }
        if numbers.len() > MOST_NUMBERS {
            return Err(ContactError::TooManyNumbers);
        }
        self.numbers = numbers;
        Ok(self)
    }

    /// Returns what of a contact that comes from elsewhere can be kept, and how many of its numbers cannot; nothing where
    /// it has no name.
    #[must_use]
    pub fn salvaged(mut self, own: Option<&PhoneNumber>) -> Option<(ContactDraft, usize)> {
        let before = self.numbers.len();
        self.numbers
            .retain(|number| to_e164(&number.number, own).is_ok());
        self.numbers.truncate(MOST_NUMBERS);
        let lost = before - self.numbers.len();
        self.name = shortened(&one_line(&self.name), LONGEST_NAME);
        self.note = shortened(&plain_lines(&self.note), LONGEST_NOTE);
        for number in &mut self.numbers {
            number.label = shortened(&one_line(&number.label), LONGEST_LABEL);
        }
        self.checked(own).ok().map(|draft| (draft, lost))
    }
}

/// Returns a text on one line, without signs that control anything.
fn one_line(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|sign| if sign.is_control() { ' ' } else { sign })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a text of several lines, without signs that control anything else.
fn plain_lines(text: &str) -> String {
    let plain: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|sign| !sign.is_control() || matches!(sign, '\n' | '\t'))
        .collect();
    plain.trim().to_owned()
}

fn shortened(text: &str, most: usize) -> String {
    let short: String = text.chars().take(most).collect();
    short.trim().to_owned()
}

/// What the telephone must know of a caller when it rings.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CallerCard {
    /// Which contact.
    pub contact: i64,
    /// The name.
    pub name: String,
    /// Whether they are among the favourites.
    pub favourite: bool,
    /// Whether the desk answers by itself.
    pub auto_answer: bool,
}

/// Every number that is known, ready to be asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PhoneBook(HashMap<String, CallerCard>);

impl PhoneBook {
    /// Takes the contacts; a number of several belongs to the one that was written down first.
    #[must_use]
    pub fn new(contacts: &[Contact]) -> PhoneBook {
        let mut book = HashMap::new();
        let mut contacts: Vec<&Contact> = contacts.iter().collect();
        contacts.sort_by_key(|contact| contact.id);
        for Contact { id, is } in contacts {
            for number in &is.numbers {
                book.entry(number.number.clone())
                    .or_insert_with(|| CallerCard {
                        contact: *id,
                        name: is.name.clone(),
                        favourite: is.favourite,
                        auto_answer: is.auto_answer,
                    });
            }
        }
        PhoneBook(book)
    }

    /// Finds who calls.
    #[must_use]
    pub fn find(&self, caller: &Party) -> Option<&CallerCard> {
        match caller {
            Party::Number(number) => self.0.get(number.as_str()),
            Party::Client(_) | Party::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> PhoneNumber {
        PhoneNumber::parse("+18195550100").expect("a number")
    }

    fn number(label: &str, number: &str) -> ContactNumber {
        ContactNumber {
            label: label.to_owned(),
            number: number.to_owned(),
        }
    }

    fn draft(name: &str, numbers: &[ContactNumber]) -> ContactDraft {
        ContactDraft {
            name: name.to_owned(),
            numbers: numbers.to_vec(),
            ..ContactDraft::default()
        }
    }

    #[test]
    fn a_contact_is_kept_tidy() {
        let written = ContactDraft {
            note: " by the\nlake ".to_owned(),
            ..draft(
                "  Anna\t Bee ",
                &[
                    number(" mobile ", "514 555 0100"),
                    number("again", "+1 514 555 0100"),
                    number("", "tel:+44-20-7946-0018"),
                ],
            )
        };
        let kept = written.checked(Some(&own())).expect("good");
        assert_eq!(kept.name, "Anna Bee");
        assert_eq!(kept.note, "by the\nlake");
        assert_eq!(
            kept.numbers,
            [
                number("mobile", "+15145550100"),
                number("", "+442079460018")
            ]
        );
        assert_eq!(kept.clone().checked(None), Ok(kept));
    }

    #[test]
    fn what_cannot_be_kept_is_told() {
        let long = "x".repeat(2_001);
        let many: Vec<ContactNumber> = (0..21)
            .map(|n| number("", &format!("+151455501{n:02}")))
            .collect();
        let note = ContactDraft {
            note: long.clone(),
            ..draft("A", &[])
        };
        for (draft, why) in [
            (draft(" \n", &[]), ContactError::Name),
            (draft(&long, &[]), ContactError::Name),
            (
                draft("A", &[number("", "911")]),
                ContactError::Number("911".to_owned(), TypedError::WrongLength),
            ),
            (
                draft("A", &[number(&long, "+15145550100")]),
                ContactError::Label,
            ),
            (draft("A", &many), ContactError::TooManyNumbers),
            (note, ContactError::Note),
        ] {
            assert_eq!(draft.checked(Some(&own())), Err(why));
        }
    }

    #[test]
    fn of_a_foreign_contact_is_kept_what_can_be() {
        let foreign = ContactDraft {
            note: "n".repeat(3_000),
            ..draft("A", &[number("", "911"), number("w", "5145550100")])
        };
        let (kept, lost) = foreign.salvaged(Some(&own())).expect("it has a name");
        assert_eq!((lost, kept.numbers.len(), kept.note.len()), (1, 1, 2_000));
        assert_eq!(
            draft(" ", &[number("w", "5145550100")]).salvaged(None),
            None
        );
    }

    #[test]
    fn a_caller_is_found_by_number() {
        let contact = |id, name: &str, text: &str| Contact {
            id,
            is: draft(name, &[number("", text)]),
        };
        let book = PhoneBook::new(&[
            contact(2, "Later", "+15145550100"),
            contact(1, "First", "+15145550100"),
            contact(3, "Other", "+442079460018"),
        ]);
        let name = |caller: &str| {
            let card = book.find(&Party::parse(caller));
            card.map(|card| card.name.clone())
        };
        assert_eq!(name("+15145550100").as_deref(), Some("First"));
        assert_eq!(name("+442079460018").as_deref(), Some("Other"));
        assert_eq!(name("+15145550101"), None);
        assert_eq!(name("anonymous"), None);
    }
}
