//! `offhook contacts`: whom the telephone knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::history::{another_question, recall};
use super::{Context, output};
use crate::control::{ContactQuery, Imported, REQUEST_LIMIT, Recall, Recalled, Request};
use crate::lang::Lang;
use crate::lang::book::Told;
use crate::pure::book::contact::{Contact, ContactDraft, ContactNumber};
use crate::pure::book::vcard;

/// The largest file of contacts that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// What `offhook contacts` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook contacts list anna\n  \
        offhook contacts add \"Anna Bee\" --number \"mobile=514 555 0100\" --favourite true\n  \
        offhook contacts edit 3 --note \"by the lake\"\n  \
        offhook contacts import contacts.vcf\n  \
        offhook contacts export > contacts.vcf")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

impl Args {
    /// Returns the settings that were given as flags.
    pub(super) fn given(&self) -> &BTreeMap<String, String> {
        match &self.what {
            What::List { flags, .. }
            | What::Add { flags, .. }
            | What::Edit { flags, .. }
            | What::Remove { flags, .. }
            | What::Import { flags, .. }
            | What::Export { flags, .. } => flags.given(),
        }
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// List contacts
    List {
        /// Only those with this part of a name or a number
        search: Option<String>,
        /// Only favourites
        #[arg(long)]
        favourites: bool,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Add a contact
    Add {
        /// The name
        name: String,
        #[command(flatten)]
        more: Changes,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Change what is given of a contact, and leave the rest
    Edit {
        /// Which: the number before it in the list
        id: i64,
        /// The name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        more: Changes,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Remove a contact
    Remove {
        /// Which: the number before it in the list
        id: i64,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Add the contacts of a vCard file (2.1, 3.0 or 4.0)
    Import {
        /// The file
        file: PathBuf,
        /// Print what became of them as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
    /// Write all contacts as vCard
    Export {
        /// Of which version
        #[arg(long, value_enum, value_name = "VERSION", default_value = "4.0")]
        vcard: Version,
        /// Write them as JSON instead
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: Flags<Control>,
    },
}

#[derive(Debug, clap::Args)]
struct Changes {
    /// A number, with its label before it where it has one; several by several flags, all of them in the place of those before
    #[arg(long = "number", value_name = "[LABEL=]NUMBER")]
    numbers: Vec<String>,
    /// A note
    #[arg(long)]
    note: Option<String>,
    /// Whether they ring where others may not
    #[arg(long, value_name = "BOOLEAN")]
    favourite: Option<bool>,
    /// Whether the desk answers them by itself
    #[arg(long, value_name = "BOOLEAN")]
    auto_answer: Option<bool>,
    /// Print the contact as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    #[value(name = "3.0")]
    V3,
    #[value(name = "4.0")]
    V4,
}

impl Changes {
    /// Makes the changes that were given.
    fn apply(&self, contact: &mut ContactDraft) {
        if !self.numbers.is_empty() {
            contact.numbers = self.numbers.iter().map(|text| labelled(text)).collect();
        }
        if let Some(note) = &self.note {
            contact.note.clone_from(note);
        }
        contact.favourite = self.favourite.unwrap_or(contact.favourite);
        contact.auto_answer = self.auto_answer.unwrap_or(contact.auto_answer);
    }
}

/// Reads `mobile=514 555 0100`; in a `tel:` URI an equals sign is its own.
fn labelled(text: &str) -> ContactNumber {
    let (label, number) = match text.split_once('=') {
        Some((label, number)) if !label.to_ascii_lowercase().starts_with("tel:") => (label, number),
        Some(_) | None => ("", text),
    };
    ContactNumber {
        label: label.to_owned(),
        number: number.to_owned(),
    }
}

/// Does what is asked.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let lang = context.local.lang;
    match &args.what {
        What::List {
            search,
            favourites,
            json,
            ..
        } => {
            let contacts = contacts(context, search.as_deref(), *favourites)?;
            if *json {
                return output::print_json(&contacts);
            }
            if contacts.is_empty() {
                return output::print(&Told::NoContacts.text(lang));
            }
            let lines: Vec<String> = contacts.iter().map(|contact| line(contact, lang)).collect();
            output::print(&lines.join("\n"))
        }
        What::Add { name, more, .. } => {
            let mut contact = ContactDraft {
                name: name.clone(),
                ..ContactDraft::default()
            };
            more.apply(&mut contact);
            kept(context, Recall::AddContact { contact }, more.json)
        }
        What::Edit { id, name, more, .. } => {
            let id = *id;
            let mut contact = one(context, Recall::Contact { id })?.is;
            if let Some(name) = name {
                contact.name.clone_from(name);
            }
            more.apply(&mut contact);
            kept(context, Recall::EditContact { id, contact }, more.json)
        }
        What::Remove { id, json, .. } => {
            let gone = one(context, Recall::RemoveContact { id: *id })?;
            if *json {
                return output::print_json(&gone);
            }
            output::print(&Told::Removed(&gone.is.name).text(lang))
        }
        What::Import { file, json, .. } => import(context, file, *json),
        What::Export {
            vcard: version,
            json,
            ..
        } => {
            let contacts = contacts(context, None, false)?;
            if *json {
                return output::print_json(&contacts);
            }
            let version = match version {
                Version::V3 => vcard::Version::V3,
                Version::V4 => vcard::Version::V4,
            };
            let text: String = contacts
                .iter()
                .map(|contact| vcard::write(&contact.is, version))
                .collect();
            // The last line's end is printed with it.
            match text.strip_suffix('\n') {
                Some(text) => output::print(text),
                None => Ok(()),
            }
        }
    }
}

fn one(context: &Context, what: Recall) -> Result<Contact, Failure> {
    match recall(context, what)? {
        Recalled::Contact(contact) => Ok(contact),
        Recalled::History(_)
        | Recalled::Calls(_)
        | Recalled::Contacts(_)
        | Recalled::Imported(_)
        | Recalled::Recordings(_)
        | Recalled::Recording(_)
        | Recalled::Shelf(_)
        | Recalled::BlockList(_)
        | Recalled::Blocked(_) => Err(another_question()),
    }
}

fn kept(context: &Context, what: Recall, json: bool) -> Result<(), Failure> {
    let contact = one(context, what)?;
    if json {
        return output::print_json(&contact);
    }
    let lang = context.local.lang;
    output::print(&Told::Kept(&line(&contact, lang)).text(lang))
}

fn contacts(
    context: &Context,
    search: Option<&str>,
    favourites: bool,
) -> Result<Vec<Contact>, Failure> {
    let mut query = ContactQuery {
        search: search.map(str::to_owned),
        favourites,
        // A contact may be long, and a reply is bounded.
        limit: Some(50),
        after: None,
    };
    let mut contacts = Vec::new();
    loop {
        let what = Recall::Contacts {
            query: query.clone(),
        };
        let Recalled::Contacts(page) = recall(context, what)? else {
            return Err(another_question());
        };
        contacts.extend(page.contacts);
        query.after = page.next;
        if query.after.is_none() {
            return Ok(contacts);
        }
    }
}

fn line(contact: &Contact, lang: Lang) -> String {
    let Contact { id, is } = contact;
    let mut line = format!("{id}  {}", is.name);
    for number in &is.numbers {
        line.push_str("  ");
        if !number.label.is_empty() {
            line.push_str(&number.label);
            line.push(' ');
        }
        line.push_str(&number.number);
    }
    if is.favourite {
        line.push_str("  ");
        line.push_str(&Told::Favourite.text(lang));
    }
    line
}

fn import(context: &Context, file: &Path, json: bool) -> Result<(), Failure> {
    let unreadable = |cause: &std::io::Error| {
        Failure::world(format!("`{}` cannot be read", file.display())).caused_by(cause)
    };
    let size = std::fs::metadata(file).map_err(|cause| unreadable(&cause))?;
    if size.len() > LARGEST {
        return Err(Failure::world(format!(
            "`{}` is larger than 64 MiB",
            file.display()
        )));
    }
    let text = std::fs::read(file).map_err(|cause| unreadable(&cause))?;
    let mut together = Imported::default();
    let cards = vcard::read(&text);
    if cards.is_empty() {
        let why = Told::NoCards(&file.display().to_string()).text(context.local.lang);
        return Err(Failure::world(why).code("no_contacts"));
    }
    for contacts in portions(cards) {
        let Recalled::Imported(part) = recall(context, Recall::ImportContacts { contacts })? else {
            return Err(another_question());
        };
        together.added += part.added;
        together.completed += part.completed;
        together.known += part.known;
        together.left_out += part.left_out;
        together.numbers_left_out += part.numbers_left_out;
    }
    if json {
        return output::print_json(&together);
    }
    let Imported {
        added,
        completed,
        known,
        left_out,
        numbers_left_out,
    } = together;
    let lang = context.local.lang;
    if left_out + numbers_left_out > 0 {
        output::warn(&Told::LeftOut(left_out, numbers_left_out).text(lang));
    }
    output::print(&Told::Imported(added, completed, known).text(lang))
}

/// Parts contacts into as many as fit into a request; a single one that does not is cut to what may be kept of it anyway.
fn portions(cards: Vec<ContactDraft>) -> Vec<Vec<ContactDraft>> {
    let fits = |contacts: &[ContactDraft]| {
        let request = Request::Recall(Recall::ImportContacts {
            contacts: contacts.to_vec(),
        });
        serde_json::to_string(&request).is_ok_and(|text| text.len() < REQUEST_LIMIT)
    };
    let mut portions: Vec<Vec<ContactDraft>> = Vec::new();
    for mut card in cards {
        if !fits(std::slice::from_ref(&card)) {
            let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
            card.name = cut(&card.name, 200);
            card.note = cut(&card.note, 2_000);
            card.numbers.truncate(20);
            for number in &mut card.numbers {
                number.label = cut(&number.label, 40);
                number.number = cut(&number.number, 40);
            }
        }
        match portions.last_mut() {
            Some(portion) if portion.len() < 10 => {
                portion.push(card);
                if !fits(portion) {
                    let last = portion.pop();
                    portions.extend(last.map(|card| vec![card]));
                }
            }
            Some(_) | None => portions.push(vec![card]),
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_have_its_label_before_it() {
        for (text, label, number) in [
            ("514 555 0100", "", "514 555 0100"),
            ("mobile=514 555 0100", "mobile", "514 555 0100"),
            ("tel:+15145550100;ext=5", "", "tel:+15145550100;ext=5"),
        ] {
            let read = labelled(text);
            assert_eq!((read.label.as_str(), read.number.as_str()), (label, number));
        }
    }

    #[test]
    fn every_portion_of_an_import_fits_into_a_request() {
        let card = |size: usize| ContactDraft {
            name: "A".to_owned(),
            note: "\u{1}".repeat(size),
            ..ContactDraft::default()
        };
        let cards = vec![card(1), card(9_000), card(9_000), card(100_000), card(1)];
        let portions = portions(cards);
        assert_eq!(portions.iter().flatten().count(), 5);
        for contacts in portions {
            let request = Request::Recall(Recall::ImportContacts { contacts });
            let text = serde_json::to_string(&request).expect("plain");
            assert!(text.len() < REQUEST_LIMIT, "{}", text.len());
        }
    }
}
