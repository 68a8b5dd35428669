//! Contacts and their numbers.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::{Keeper, NoAnswer, StoreHandle, likeness};
use crate::pure::book::contact::{Contact, ContactDraft, ContactNumber};
use crate::pure::book::fold::fold;

/// Which contacts are wanted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContactQuery {
    /// A part of a name or of a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only favourites.
    pub favourites: bool,
    /// How many at most: 1 to 200, 100 without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many to leave out: the `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
}

/// A page of contacts, by name.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ContactPage {
    /// The contacts.
    pub contacts: Vec<Contact>,
    /// What to ask for as `after` to get the next page; nothing behind the last.
    pub next: Option<u32>,
}

/// What became of contacts that came from elsewhere.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Imported {
    /// How many are new.
    pub added: u64,
    /// How many were known, and know more now.
    pub completed: u64,
    /// How many were known already with all that they have.
    pub known: u64,
    /// How many have no name, so that they could not be kept.
    pub left_out: u64,
    /// How many numbers could not be read, so that their contacts are kept without them.
    pub numbers_left_out: u64,
}

impl StoreHandle {
    /// Returns a page of contacts.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be read.
    pub async fn contacts(&self, query: ContactQuery) -> Result<ContactPage, NoAnswer> {
        self.ask(move |keeper| page(&keeper.connection, &query))
            .await
    }

    /// Returns one contact, if there is such.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be read.
    pub async fn contact(&self, id: i64) -> Result<Option<Contact>, NoAnswer> {
        self.ask(move |keeper| one(&keeper.connection, id)).await
    }

    /// Adds a contact that was checked.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be kept.
    pub async fn add_contact(&self, draft: ContactDraft) -> Result<Contact, NoAnswer> {
        self.ask(move |keeper| {
            let change = keeper.connection.unchecked_transaction()?;
            let id = insert(&change, &draft)?;
            change.commit()?;
            keeper.refresh()?;
            Ok(Contact { id, is: draft })
        })
        .await
    }

    /// Puts what was checked in the place of a contact, if there is such.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be kept.
    pub async fn edit_contact(
        &self,
        id: i64,
        draft: ContactDraft,
    ) -> Result<Option<Contact>, NoAnswer> {
        self.ask(move |keeper| {
            let change = keeper.connection.unchecked_transaction()?;
            if !update(&change, id, &draft)? {
                return Ok(None);
            }
            change.commit()?;
            keeper.refresh()?;
            Ok(Some(Contact { id, is: draft }))
        })
        .await
    }

    /// Forgets a contact, and says whether there was such.
    ///
    /// # Errors
    /// [`NoAnswer`] where it cannot be forgotten.
    pub async fn remove_contact(&self, id: i64) -> Result<bool, NoAnswer> {
        self.ask(move |keeper| {
            let change = keeper.connection.unchecked_transaction()?;
            change.execute("DELETE FROM contact_number WHERE contact = ?1", params![id])?;
            let gone = change.execute("DELETE FROM contact WHERE id = ?1", params![id])?;
            change.commit()?;
            keeper.refresh()?;
            Ok(gone > 0)
        })
        .await
    }

    /// Adds contacts from elsewhere, all or none; whoever has the name and a number of a known contact completes it.
    ///
    /// # Errors
    /// [`NoAnswer`] where they cannot be kept.
    pub async fn import_contacts(&self, drafts: Vec<ContactDraft>) -> Result<Imported, NoAnswer> {
        self.ask(move |keeper| import(keeper, drafts)).await
    }
}

fn import(keeper: &mut Keeper, drafts: Vec<ContactDraft>) -> rusqlite::Result<Imported> {
    let mut imported = Imported::default();
    let change = keeper.connection.unchecked_transaction()?;
    let mut by_name: HashMap<String, Vec<Contact>> = HashMap::new();
    for contact in all(&change)? {
        by_name
            .entry(fold(&contact.is.name))
            .or_default()
            .push(contact);
    }
    for draft in drafts {
        let namesakes = by_name.entry(fold(&draft.name)).or_default();
        let Some(known) = namesakes
            .iter_mut()
            .find(|known| is_same(&known.is, &draft))
        else {
            let id = insert(&change, &draft)?;
            namesakes.push(Contact { id, is: draft });
            imported.added += 1;
            continue;
        };
        let complete = completed(&known.is, draft);
        if complete == known.is {
            imported.known += 1;
        } else {
            update(&change, known.id, &complete)?;
            known.is = complete;
            imported.completed += 1;
        }
    }
    change.commit()?;
    keeper.refresh()?;
    Ok(imported)
}

/// Says whether two of one name are one contact: they share a number, or one has none.
fn is_same(one: &ContactDraft, other: &ContactDraft) -> bool {
    let knows = |number: &ContactNumber| {
        let same = |theirs: &ContactNumber| theirs.number == number.number;
        other.numbers.iter().any(same)
    };
    one.numbers.is_empty() || other.numbers.is_empty() || one.numbers.iter().any(knows)
}

/// Adds to a contact what another of the same has beyond it.
fn completed(known: &ContactDraft, more: ContactDraft) -> ContactDraft {
    let mut complete = known.clone();
    for number in more.numbers {
        let is_new = complete
            .numbers
            .iter()
            .all(|known| known.number != number.number);
        if is_new {
            complete.numbers.push(number);
        }
    }
    if complete.note.is_empty() {
        complete.note = more.note;
    }
    complete.favourite |= more.favourite;
    complete.auto_answer |= more.auto_answer;
    complete
}

fn insert(connection: &Connection, draft: &ContactDraft) -> rusqlite::Result<i64> {
    connection.execute(
        "INSERT INTO contact (name, note, favourite, auto_answer, find) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            draft.name,
            draft.note,
            draft.favourite,
            draft.auto_answer,
            find(draft)
        ],
    )?;
    let id = connection.last_insert_rowid();
    insert_numbers(connection, id, draft)?;
    Ok(id)
}

fn update(connection: &Connection, id: i64, draft: &ContactDraft) -> rusqlite::Result<bool> {
    let found = connection.execute(
        "UPDATE contact SET name = ?2, note = ?3, favourite = ?4, auto_answer = ?5, find = ?6 \
         WHERE id = ?1",
        params![
            id,
            draft.name,
            draft.note,
            draft.favourite,
            draft.auto_answer,
            find(draft)
        ],
    )?;
    if found == 0 {
        return Ok(false);
    }
    connection.execute("DELETE FROM contact_number WHERE contact = ?1", params![id])?;
    insert_numbers(connection, id, draft)?;
    Ok(true)
}

fn insert_numbers(connection: &Connection, id: i64, draft: &ContactDraft) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO contact_number VALUES (?1, ?2, ?3, ?4)")?;
    for (number, place) in draft.numbers.iter().zip(0_i64..) {
        insert.execute(params![id, place, number.label, number.number])?;
    }
    Ok(())
}

/// What a search looks through; the name comes first, so that it sorts by it.
fn find(draft: &ContactDraft) -> String {
    let mut find = fold(&draft.name);
    for number in &draft.numbers {
        find.push(' ');
        find.push_str(&number.number);
    }
    find
}

const COLUMNS: &str = "SELECT id, name, note, favourite, auto_answer FROM contact";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Contact> {
    Ok(Contact {
        id: row.get(0)?,
        is: ContactDraft {
            name: row.get(1)?,
            numbers: Vec::new(),
            note: row.get(2)?,
            favourite: row.get(3)?,
            auto_answer: row.get(4)?,
        },
    })
}

fn with_numbers(connection: &Connection, mut contact: Contact) -> rusqlite::Result<Contact> {
    let mut query = connection.prepare_cached(
        "SELECT label, number FROM contact_number WHERE contact = ?1 ORDER BY place",
    )?;
    let rows = query.query_map(params![contact.id], |row| {
        Ok(ContactNumber {
            label: row.get(0)?,
            number: row.get(1)?,
        })
    })?;
    contact.is.numbers = rows.collect::<rusqlite::Result<_>>()?;
    Ok(contact)
}

fn one(connection: &Connection, id: i64) -> rusqlite::Result<Option<Contact>> {
    let mut query = connection.prepare(&format!("{COLUMNS} WHERE id = ?1"))?;
    let mut rows = query.query_map(params![id], read)?;
    match rows.next() {
        Some(contact) => Ok(Some(with_numbers(connection, contact?)?)),
        None => Ok(None),
    }
}

/// Reads every contact, the oldest first.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Contact>> {
    let mut query = connection.prepare(&format!("{COLUMNS} ORDER BY id"))?;
    let rows = query.query_map([], read)?;
    rows.map(|contact| with_numbers(connection, contact?))
        .collect()
}

fn page(connection: &Connection, wanted: &ContactQuery) -> rusqlite::Result<ContactPage> {
    let limit = wanted.limit.unwrap_or(100).clamp(1, 200);
    let after = wanted.after.unwrap_or(0);
    let mut query = connection.prepare_cached(&format!(
        "{COLUMNS} WHERE (?1 IS NULL OR find LIKE ?1 ESCAPE '\\') AND (?2 = 0 OR favourite = 1) \
         ORDER BY find, id LIMIT ?3 OFFSET ?4"
    ))?;
    let rows = query.query_map(
        params![
            wanted.search.as_deref().map(likeness),
            wanted.favourites,
            i64::from(limit) + 1,
            after
        ],
        read,
    )?;
    let mut contacts = rows
        .map(|contact| with_numbers(connection, contact?))
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let more = contacts.len() > limit as usize;
    contacts.truncate(limit as usize);
    Ok(ContactPage {
        contacts,
        next: more.then(|| after.saturating_add(limit)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pure::ids::Party;

    fn draft(name: &str, numbers: &[&str]) -> ContactDraft {
        let number = |number: &&str| ContactNumber {
            label: "home".to_owned(),
            number: (*number).to_owned(),
        };
        ContactDraft {
            name: name.to_owned(),
            numbers: numbers.iter().map(number).collect(),
            ..ContactDraft::default()
        }
    }

    async fn names(store: &StoreHandle, search: &str) -> Vec<String> {
        let query = ContactQuery {
            search: Some(search.to_owned()),
            ..ContactQuery::default()
        };
        let page = store.contacts(query).await.expect("an answer");
        page.contacts
            .into_iter()
            .map(|contact| contact.is.name)
            .collect()
    }

    #[tokio::test]
    async fn contacts_are_found_by_name_number_or_part_and_come_in_the_order_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        for (name, number) in [
            ("Zoë", "+15145550101"),
            ("élodie", "+15145550102"),
            ("Bob 100%", "+442079460018"),
            ("Dan_", "+15145550103"),
        ] {
            store
                .add_contact(draft(name, &[number]))
                .await
                .expect("kept");
        }
        assert_eq!(
            names(&store, "").await,
            ["Bob 100%", "Dan_", "élodie", "Zoë"]
        );
        assert_eq!(names(&store, "ELO").await, ["élodie"]);
        assert_eq!(names(&store, "zoe").await, ["Zoë"]);
        assert_eq!(names(&store, "514 555").await, ["Dan_", "élodie", "Zoë"]);
        // Signs with a meaning in SQL have none here.
        assert_eq!(names(&store, "%").await, ["Bob 100%"]);
        assert_eq!(names(&store, "_").await, ["Dan_"]);
        assert_eq!(names(&store, "\\").await, [""; 0]);
        let first = ContactQuery {
            limit: Some(3),
            ..ContactQuery::default()
        };
        let page = store.contacts(first).await.expect("an answer");
        assert_eq!((page.contacts.len(), page.next), (3, Some(3)));
        let rest = ContactQuery {
            limit: Some(3),
            after: page.next,
            ..ContactQuery::default()
        };
        let page = store.contacts(rest).await.expect("an answer");
        assert_eq!((page.contacts.len(), page.next), (1, None));
    }

    #[tokio::test]
    async fn a_contact_is_changed_and_removed_and_the_telephone_knows_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let caller = Party::parse("+15145550100");
        let name = |store: &StoreHandle| {
            let known = store.known();
            known.book.find(&caller).map(|card| card.name.clone())
        };
        assert_eq!(name(&store), None);
        let contact = store
            .add_contact(draft("Anna", &["+15145550100", "+15145550101"]))
            .await
            .expect("kept");
        assert_eq!(name(&store).as_deref(), Some("Anna"));
        drop(store);
        let store = StoreHandle::open(folder.path()).expect("it opens again");
        assert_eq!(name(&store).as_deref(), Some("Anna"), "from the start");
        let changed = ContactDraft {
            favourite: true,
            ..draft("Anna Bee", &["+15145550100"])
        };
        let edited = store.edit_contact(contact.id, changed.clone()).await;
        let expected = Contact {
            id: contact.id,
            is: changed.clone(),
        };
        assert_eq!(edited, Ok(Some(expected.clone())));
        assert_eq!(store.contact(contact.id).await, Ok(Some(expected)));
        assert_eq!(name(&store).as_deref(), Some("Anna Bee"));
        assert_eq!(store.edit_contact(99, changed).await, Ok(None));
        assert_eq!(store.remove_contact(contact.id).await, Ok(true));
        assert_eq!(store.remove_contact(contact.id).await, Ok(false));
        assert_eq!(name(&store), None);
        let again = store.add_contact(draft("New", &[])).await.expect("kept");
        assert_ne!(again.id, contact.id, "no name is given twice");
    }

    #[tokio::test]
    async fn what_is_imported_twice_is_there_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = StoreHandle::open(folder.path()).expect("it opens");
        let cards = vec![
            draft("Anna", &["+15145550100"]),
            draft("Anna", &["+442079460018"]),
            draft("Bob", &[]),
        ];
        let first = store.import_contacts(cards.clone()).await.expect("kept");
        assert_eq!((first.added, first.completed, first.known), (3, 0, 0));
        let again = store.import_contacts(cards).await.expect("kept");
        assert_eq!((again.added, again.completed, again.known), (0, 0, 3));
        let more = vec![draft("anna", &["+15145550100", "+15145550109"])];
        let more = store.import_contacts(more).await.expect("kept");
        assert_eq!((more.added, more.completed, more.known), (0, 1, 0));
        assert_eq!(names(&store, "5550109").await, ["Anna"]);
    }
}
