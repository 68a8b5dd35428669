//! What the terminal says of the history, contacts, the block list and recordings, in English and in French.
//!
//! Each sentence stands beside its translation, so that none can be without one.

use super::Lang;

/// A sentence, with what it tells of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Told<'a> {
    /// No call fits.
    NoCalls,
    /// An incoming call, in a list.
    From(&'a str),
    /// An outgoing call, in a list.
    To(&'a str),
    /// The mark of a missed call.
    Missed,
    /// The mark of a missed call that the person does not know of yet.
    MissedNew,
    /// The mark of a call that goes on.
    GoesOn,
    /// How many missed calls are new.
    Unseen(u64),
    /// There are more calls than were shown.
    MoreCalls,
    /// Of how many calls the person knows now.
    Seen(u64),
    /// How many calls were forgotten.
    Forgotten(u64),
    /// No contact fits.
    NoContacts,
    /// The mark of a favourite.
    Favourite,
    /// A contact was kept.
    Kept(&'a str),
    /// A contact was removed.
    Removed(&'a str),
    /// What became of contacts from a file: new, completed, known already.
    Imported(u64, u64, u64),
    /// A file holds no contact.
    NoCards(&'a str),
    /// How many could not be kept: contacts, and numbers.
    LeftOut(u64, u64),
    /// Nobody is blocked.
    NobodyBlocked,
    /// Somebody is blocked now.
    Blocked(&'a str),
    /// Somebody is let through again.
    Unblocked(&'a str),
    /// How many calls an entry kept away, and when the last.
    Hits(u64, &'a str),
    /// The history has no such call.
    NoSuchCall,
    /// There is no such contact.
    NoSuchContact,
    /// The block list has no such entry.
    NotBlocked,
    /// Nothing was recorded.
    NoRecordings,
    /// There is no such recording.
    NoSuchRecording,
    /// A recording was deleted.
    Deleted(&'a str),
    /// Nobody has left a message.
    NoVoicemails,
    /// There is no such message.
    NoSuchVoicemail,
    /// How many messages nobody has heard yet.
    VoicemailsWaiting(u64),
    /// The mark of a message that nobody has heard yet.
    New,
    /// Something is played at the desk.
    Plays(&'a str),
    /// It is played no longer.
    Stopped(&'a str),
    /// Nothing is played.
    NothingPlays,
    /// A file was written.
    Exported(&'a str),
    /// The desk has a call, so that nothing else can be heard there.
    DeskBusy,
    /// No greeting is being recorded.
    NotRecording,
    /// A greeting is being recorded.
    SpeakNow,
    /// Callers hear the owner's greeting, of so many seconds.
    OwnGreeting(u64),
    /// Callers hear the built-in greeting, of so many seconds.
    BuiltInGreeting(u64),
    /// The database fails.
    NoAnswer,
    /// Where a setting's value is from: nobody set it.
    ByDefault,
    /// Where a setting's value is from: it was changed since.
    Changed,
    /// A setting that is a secret, and set.
    SecretSet,
    /// A setting that has no value.
    NotSet,
}

impl Told<'_> {
    /// Returns the sentence.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        let fr = lang == Lang::Fr;
        let both = |en: &str, other: &str| if fr { other } else { en }.to_owned();
        match self {
            Told::NoCalls => both("no calls", "aucun appel"),
            Told::From(who) => both(&format!("from {who}"), &format!("de {who}")),
            Told::To(who) => both(&format!("to {who}"), &format!("à {who}")),
            Told::Missed => both("missed", "manqué"),
            Told::MissedNew => both("missed, new", "manqué, nouveau"),
            Told::GoesOn => both("goes on", "en cours"),
            Told::Unseen(count) => both(
                &format!("new missed calls: {count}"),
                &format!("nouveaux appels manqués : {count}"),
            ),
            Told::MoreCalls => both(
                "there are more; `--limit` and `--all` show them",
                "il y en a d'autres; `--limit` et `--all` les montrent",
            ),
            Told::Seen(count) => both(
                &format!("marked as seen: {count}"),
                &format!("marqués comme vus : {count}"),
            ),
            Told::Forgotten(count) => both(
                &format!("calls deleted: {count}"),
                &format!("appels supprimés : {count}"),
            ),
            Told::NoContacts => both("no contacts", "aucun contact"),
            Told::Favourite => both("favourite", "favori"),
            Told::Kept(name) => both(&format!("kept: {name}"), &format!("enregistré : {name}")),
            Told::Removed(name) => both(&format!("removed: {name}"), &format!("supprimé : {name}")),
            Told::Imported(added, completed, known) => both(
                &format!("contacts added: {added}; completed: {completed}; known already: {known}"),
                &format!(
                    "contacts ajoutés : {added}; complétés : {completed}; déjà connus : {known}"
                ),
            ),
            Told::NoCards(file) => both(
                &format!("there is no contact in it (no BEGIN:VCARD): {file}"),
                &format!("aucun contact (pas de BEGIN:VCARD) dans : {file}"),
            ),
            Told::LeftOut(contacts, numbers) => both(
                &format!(
                    "left out: {contacts} contacts without a name, {numbers} numbers that cannot be read"
                ),
                &format!(
                    "laissés de côté : {contacts} contacts sans nom, {numbers} numéros illisibles"
                ),
            ),
            Told::NobodyBlocked => both("nobody is blocked", "personne n'est bloqué"),
            Told::Blocked(who) => both(&format!("blocked: {who}"), &format!("bloqué : {who}")),
            Told::Unblocked(who) => both(
                &format!("let through again: {who}"),
                &format!("de nouveau accepté : {who}"),
            ),
            Told::Hits(count, last) => both(
                &format!("kept away: {count}, last {last}"),
                &format!("écartés : {count}, dernier {last}"),
            ),
            Told::NoSuchCall => both(
                "the history has no such call",
                "l'historique n'a pas cet appel",
            ),
            Told::NoSuchContact => both("there is no such contact", "il n'y a pas de tel contact"),
            Told::NotBlocked => both(
                "the block list has no such entry",
                "la liste de blocage n'a pas cette entrée",
            ),
            Told::NoRecordings => both("no recordings", "aucun enregistrement"),
            Told::NoSuchRecording => both(
                "there is no such recording",
                "il n'y a pas de tel enregistrement",
            ),
            Told::Deleted(file) => both(&format!("deleted: {file}"), &format!("supprimé : {file}")),
            Told::ByDefault => both("default", "par défaut"),
            Told::Changed => both("changed while it ran", "modifié en marche"),
            Told::SecretSet => both("set, and secret", "défini, et secret"),
            Told::NotSet => both("not set", "non défini"),
            Told::NoVoicemails => both("no messages", "aucun message"),
            Told::NoSuchVoicemail => {
                both("there is no such message", "il n'y a pas de tel message")
            }
            Told::VoicemailsWaiting(count) => both(
                &format!("new messages: {count}"),
                &format!("nouveaux messages : {count}"),
            ),
            Told::New => both("new", "nouveau"),
            Told::Plays(file) => both(
                &format!("playing at the desk: {file}"),
                &format!("lecture au bureau : {file}"),
            ),
            Told::Stopped(file) => both(&format!("stopped: {file}"), &format!("arrêté : {file}")),
            Told::NothingPlays => both("nothing is being played", "aucune lecture en cours"),
            Told::Exported(file) => both(&format!("written: {file}"), &format!("écrit : {file}")),
            Told::DeskBusy => both(
                "the desk has a call, so nothing else is played or recorded there",
                "le bureau a un appel : rien d'autre n'y est lu ni enregistré",
            ),
            Told::NotRecording => both(
                "no greeting is being recorded; a call at the desk ends that",
                "aucune annonce n'est en cours d'enregistrement; un appel au bureau y met fin",
            ),
            Told::SpeakNow => both(
                "speak now; `offhook voicemail greeting stop` ends it",
                "parlez maintenant; `offhook voicemail greeting stop` y met fin",
            ),
            Told::OwnGreeting(seconds) => both(
                &format!("callers hear your own greeting, in seconds: {seconds}"),
                &format!("on entend votre propre annonce, en secondes : {seconds}"),
            ),
            Told::BuiltInGreeting(seconds) => both(
                &format!("callers hear the built-in greeting, in seconds: {seconds}"),
                &format!("on entend l'annonce intégrée, en secondes : {seconds}"),
            ),
            Told::NoAnswer => both(
                "the database gives no answer; the daemon's log says why",
                "la base de données ne répond pas; le journal du démon dit pourquoi",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_tell_the_same_of_the_same() {
        for told in [
            Told::From("+15145550100"),
            Told::Kept("Anna"),
            Told::Blocked("+1900*"),
            Told::Deleted("20260101T000000Z-call-c1.opus"),
            Told::Plays("20260101T000000Z-call-c1.opus"),
            Told::Stopped("20260101T000000Z-call-c1.opus"),
            Told::Exported("anna.opus"),
            Told::VoicemailsWaiting(2),
            Told::OwnGreeting(2),
            Told::BuiltInGreeting(2),
        ] {
            let (en, fr) = (told.text(Lang::En), told.text(Lang::Fr));
            assert_ne!(en, fr);
            let last = |text: &str| text.rsplit(' ').next().map(str::to_owned);
            assert_eq!(last(&en), last(&fr));
        }
        assert_eq!(
            Told::Unseen(3).text(Lang::Fr),
            "nouveaux appels manqués : 3"
        );
    }
}
