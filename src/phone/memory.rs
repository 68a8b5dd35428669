//! What a person asks of the phone's memory: the history, contacts, the block list. One place for every door, so that all
//! of them check alike and refuse in the same words.

use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::shelf::{ShelfError, ShelfWish, Shelved};
use super::{PhoneHandle, recordings};
use crate::pure::book::blocked::{Blocked, LONGEST_NOTE, Pattern, PatternError};
use crate::pure::book::contact::{Contact, ContactDraft, ContactError};
use crate::pure::book::history::{
    HistoryLimits, HistoryPage, HistoryQuery, LONGEST_PAGE, QueryError,
};
use crate::pure::book::numbering::to_e164;
use crate::pure::book::recording::Recording;
use crate::pure::destination::{self, Destination};
use crate::pure::ids::{LegId, PhoneNumber};
use crate::pure::phone::{Ask, Caller, Phrase};
use crate::recorder::catalogue;
use crate::store::{NoAnswer, StoreHandle};

pub use crate::store::{ContactPage, ContactQuery, Imported};

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Recall {
    /// Which calls were there?
    History {
        /// Which of them.
        query: HistoryQuery,
    },
    /// The person knows of a call.
    SeeCalls {
        /// Which, by our name for it or the carrier's; nothing: all.
        call: Option<String>,
    },
    /// Forget a call that is over.
    ForgetCalls {
        /// Which, by our name for it or the carrier's; nothing: all.
        call: Option<String>,
    },
    /// Which contacts are there?
    Contacts {
        /// Which of them.
        query: ContactQuery,
    },
    /// One contact.
    Contact {
        /// Which.
        id: i64,
    },
    /// Add a contact.
    AddContact {
        /// The contact.
        contact: ContactDraft,
    },
    /// Put another in the place of a contact.
    EditContact {
        /// Which.
        id: i64,
        /// What it is to be.
        contact: ContactDraft,
    },
    /// Forget a contact.
    RemoveContact {
        /// Which.
        id: i64,
    },
    /// Add contacts from elsewhere, as far as they can be kept.
    ImportContacts {
        /// The contacts.
        contacts: Vec<ContactDraft>,
    },
    /// Who is blocked?
    Blocked,
    /// Block somebody.
    Block {
        /// Whom.
        pattern: String,
        /// What to note.
        note: String,
    },
    /// Which recordings are there?
    Recordings,
    /// Delete a recording.
    DeleteRecording {
        /// Its file's name.
        file: String,
    },
    /// Something of recordings, messages or the greeting.
    Shelf(ShelfWish),
    /// Let somebody through again.
    Unblock {
        /// The entry's name, or its pattern.
        entry: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recalled {
    /// A page of calls.
    History(HistoryPage),
    /// Of how many calls it was done.
    Calls(u64),
    /// A page of contacts.
    Contacts(ContactPage),
    /// The contact as it is now, or was.
    Contact(Contact),
    /// What became of the contacts.
    Imported(Imported),
    /// The recordings, the newest first.
    Recordings(Vec<Recording>),
    /// The recording that was deleted.
    Recording(Recording),
    /// What became of recordings, messages or the greeting.
    Shelf(Shelved),
    /// The block list.
    BlockList(Vec<Blocked>),
    /// The entry as it is now, or was.
    Blocked(Blocked),
}

/// Why it is not done.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RecallError {
    /// The history has no such call, or it still goes on.
    #[error("the history has no such call")]
    NoSuchCall,
    /// There is no such contact.
    #[error("there is no such contact")]
    NoSuchContact,
    /// There is no such entry.
    #[error("the block list has no such entry")]
    NotBlocked,
    /// There is no such recording, or it is still being made.
    #[error("there is no such recording")]
    NoSuchRecording,
    /// The recording cannot be deleted.
    #[error("the recording cannot be deleted: {0}")]
    Undeletable(String),
    /// It cannot be done with recordings, messages or the greeting.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The query makes no sense.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The contact cannot be kept.
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// The pattern is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The note is too long.
    #[error("a note has {LONGEST_NOTE} bytes at most")]
    Note,
    /// The database fails.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

impl RecallError {
    /// Returns the word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            RecallError::NoSuchCall => "no_such_call",
            RecallError::NoSuchContact => "no_such_contact",
            RecallError::NotBlocked => "not_blocked",
            RecallError::NoSuchRecording => "no_such_recording",
            RecallError::Undeletable(_) => "cannot_delete",
            RecallError::Shelf(why) => why.code(),
            RecallError::Query(_) => "invalid_query",
            RecallError::Contact(_) => "invalid_contact",
            RecallError::Pattern(_) => "invalid_pattern",
            RecallError::Note => "invalid_note",
            RecallError::NoAnswer(_) => "no_answer",
        }
    }
}

/// Several numbers may be meant by a name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("several numbers may be meant: {0}; hint: say which")]
pub struct Ambiguous(String);

impl PhoneHandle {
    /// Returns the database.
    #[must_use]
    pub fn store(&self) -> &StoreHandle {
        &self.shared.store
    }

    /// Returns the line's own number, whose country is home.
    #[must_use]
    pub fn own_number(&self) -> Option<&PhoneNumber> {
        self.shared.own_number.as_ref()
    }

    /// Adds to a question what is known of whoever rings, and counts whom the block list keeps away.
    pub(super) fn with_caller(&self, leg: &LegId, ask: Ask) -> Ask {
        match ask {
            Ask::Incoming { from, to, .. } => {
                let known = self.store().known();
                let entry = known.blocked.entry_for(&from);
                // A question that is repeated is no further call.
                let is_new = self.snapshots().borrow().call(leg.as_str()).is_none();
                if let Some(entry) = entry.filter(|_| is_new) {
                    self.store().count_blocked(entry, SystemTime::now());
                }
                let card = known.book.find(&from);
                let caller = Caller {
                    is_blocked: entry.is_some(),
                    is_answered: card.is_some_and(|card| card.auto_answer),
                    is_quieted: self.shared.quiet.holds_for(
                        &from,
                        card.is_some_and(|card| card.favourite),
                        is_new,
                    ),
                };
                Ask::Incoming { from, to, caller }
            }
            other @ (Ask::Outgoing { .. } | Ask::AfterStream { .. } | Ask::AfterDial { .. }) => {
                other
            }
        }
    }

    /// Returns the whole number that a person means: as it is dialled at home, or the one contact of that name. What is
    /// none of these is returned as it is, for whoever judges it.
    ///
    /// # Errors
    /// [`Ambiguous`] where several contacts, or several numbers of one, may be meant.
    pub async fn number_of(&self, typed: &str) -> Result<String, Ambiguous> {
        // Keys to send afterwards stay behind the number.
        let typed = typed.trim();
        let is_address = typed
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("tel:"));
        // A comma in a name is followed by no digit.
        let at = typed
            .find([',', ';'])
            .filter(|at| !is_address && typed[*at..].contains(|sign: char| sign.is_ascii_digit()));
        let (whom, keys) = typed.split_at(at.unwrap_or(typed.len()));
        let own = self.own_number();
        let number = match destination::judge_typed(whom, own) {
            Destination::Number(number) => number.as_str().to_owned(),
            Destination::Refused(Phrase::NotANumber)
                if whom.chars().any(char::is_alphabetic) && !is_address =>
            {
                self.number_named(whom).await?
            }
            Destination::Client(_) | Destination::Refused(_) => whom.to_owned(),
        };
        Ok(format!("{number}{keys}"))
    }

    async fn number_named(&self, name: &str) -> Result<String, Ambiguous> {
        let query = ContactQuery {
            search: Some(name.to_owned()),
            ..ContactQuery::default()
        };
        let Ok(page) = self.store().contacts(query).await else {
            return Ok(name.to_owned());
        };
        let exact = |contact: &&Contact| contact.is.name.to_lowercase() == name.to_lowercase();
        let mut found: Vec<&Contact> = page.contacts.iter().filter(exact).collect();
        if found.is_empty() {
            // The beginning of one of their names; a letter is none.
            let begins = |contact: &&Contact| {
                let known = contact.is.name.to_lowercase();
                let part = name.to_lowercase();
                let mut words = known.match_indices(&part).map(|(at, _)| at);
                words.any(|at| at == 0 || known[..at].ends_with(char::is_whitespace))
            };
            let is_enough = name.chars().count() >= 2;
            found = page.contacts.iter().filter(begins).collect();
            found.truncate(if is_enough { found.len() } else { 0 });
        }
        let numbers: Vec<(&str, &str)> = found
            .iter()
            .flat_map(|contact| {
                let numbers = contact.is.numbers.iter();
                numbers.map(|number| (contact.is.name.as_str(), number.number.as_str()))
            })
            .collect();
        match numbers.as_slice() {
            [] => Ok(name.to_owned()),
            [(_, number)] => Ok((*number).to_owned()),
            several => {
                let list = several.iter().take(8);
                let list: Vec<String> = list
                    .map(|(name, number)| format!("{name} {number}"))
                    .collect();
                Err(Ambiguous(list.join(", ")))
            }
        }
    }

    /// Returns where a recording lies, or would; nothing where the name is none that the recorder gives.
    #[must_use]
    pub fn recording_path(&self, name: &str) -> Option<PathBuf> {
        catalogue::path(&self.shared.shelf.folder, name)
    }

    /// Sets how long the history is.
    pub fn limit_history(&self, limits: HistoryLimits) {
        self.shared.store.limit_history(limits);
    }

    /// Answers what a person asks of the phone's memory.
    ///
    /// # Errors
    /// [`RecallError`].
    pub async fn recall(&self, what: Recall) -> Result<Recalled, RecallError> {
        let store = self.store();
        let own = self.own_number();
        match what {
            Recall::History { mut query } => {
                query.check()?;
                query.search = query.search.map(|part| whole_number(part, own));
                Ok(Recalled::History(store.history(query).await?))
            }
            Recall::SeeCalls { call } => {
                some_of(call.is_some(), store.see_calls(call).await?).map(Recalled::Calls)
            }
            Recall::ForgetCalls { call } => {
                some_of(call.is_some(), store.forget_calls(call).await?).map(Recalled::Calls)
            }
            Recall::Contacts { mut query } => {
                let bounds = 1..=LONGEST_PAGE;
                if query.limit.is_some_and(|limit| !bounds.contains(&limit)) {
                    return Err(QueryError::Limit.into());
                }
                query.search = query.search.map(|part| whole_number(part, own));
                Ok(Recalled::Contacts(store.contacts(query).await?))
            }
            Recall::Contact { id } => known(store.contact(id).await?),
            Recall::AddContact { contact } => {
                let contact = store.add_contact(contact.checked(own)?).await?;
                Ok(Recalled::Contact(contact))
            }
            Recall::EditContact { id, contact } => {
                known(store.edit_contact(id, contact.checked(own)?).await?)
            }
            Recall::RemoveContact { id } => {
                let contact = store.contact(id).await?;
                store.remove_contact(id).await?;
                known(contact)
            }
            Recall::ImportContacts { contacts } => {
                let (mut left_out, mut numbers_left_out) = (0, 0);
                let mut good = Vec::new();
                for mut contact in contacts {
                    // A card that somebody sends is not to make the desk answer them by itself.
                    contact.auto_answer = false;
                    match contact.salvaged(own) {
                        Some((contact, lost)) => {
                            numbers_left_out += lost as u64;
                            good.push(contact);
                        }
                        None => left_out += 1,
                    }
                }
                let imported = store.import_contacts(good).await?;
                Ok(Recalled::Imported(Imported {
                    left_out,
                    numbers_left_out,
                    ..imported
                }))
            }
            Recall::Blocked => Ok(Recalled::BlockList(store.blocked().await?)),
            Recall::Block { pattern, note } => {
                let pattern = Pattern::parse(&pattern, own)?;
                let note = note.trim().to_owned();
                if note.len() > LONGEST_NOTE {
                    return Err(RecallError::Note);
                }
                Ok(Recalled::Blocked(store.block(pattern, note).await?))
            }
            Recall::Recordings => Ok(Recalled::Recordings(store.recordings(None).await?)),
            Recall::DeleteRecording { file } => {
                let mut all = store.recordings(None).await?.into_iter();
                let recording = all.find(|one| one.file == file);
                let recording = recording.ok_or(RecallError::NoSuchRecording)?;
                let deleted = recordings::delete(&self.shared.shelf.folder, &file).await;
                deleted.map_err(|cause| RecallError::Undeletable(cause.to_string()))?;
                store.forget_recording(file).await?;
                Ok(Recalled::Recording(recording))
            }
            Recall::Shelf(wish) => Ok(Recalled::Shelf(self.shelf(wish).await?)),
            Recall::Unblock { entry } => {
                let id = match entry.parse() {
                    Ok(id) => Some(id),
                    Err(_) => {
                        let pattern = Pattern::parse(&entry, own)?;
                        let list = store.blocked().await?;
                        let meant = |known: &&Blocked| known.pattern == pattern.as_str();
                        list.iter().find(meant).map(|known| known.id)
                    }
                };
                let gone = match id {
                    Some(id) => store.unblock(id).await?,
                    None => None,
                };
                gone.map(Recalled::Blocked).ok_or(RecallError::NotBlocked)
            }
        }
    }
}

/// Returns a number that was typed whole the way it is kept; a part of one stays as it is.
fn whole_number(part: String, own: Option<&PhoneNumber>) -> String {
    match to_e164(&part, own) {
        Ok(typed) => typed.number.as_str().to_owned(),
        Err(_) => part,
    }
}

/// Says that there is no such call, where one was named.
fn some_of(named: bool, count: u64) -> Result<u64, RecallError> {
    if named && count == 0 {
        Err(RecallError::NoSuchCall)
    } else {
        Ok(count)
    }
}

fn known(contact: Option<Contact>) -> Result<Recalled, RecallError> {
    contact
        .map(Recalled::Contact)
        .ok_or(RecallError::NoSuchContact)
}
