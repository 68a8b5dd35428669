//! What the terminal says of what happens, in English and in French.
//!
//! Each sentence stands beside its translation, so that none can be without one.

use super::Lang;

/// What happened, said of whoever it happened to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Happened<'a> {
    /// They call.
    Calls,
    /// They are called.
    IsCalled,
    /// It rings at the desk.
    RingsHere,
    /// It rings where they are.
    RingsThere,
    /// It rings in the browsers.
    RingsBrowsers,
    /// Somebody picked up.
    Answered,
    /// They wait.
    Held,
    /// They talk again.
    Resumed,
    /// They meet others.
    Merged,
    /// They do so no more.
    Parted,
    /// They do not hear the desk.
    Muted,
    /// They do again.
    Unmuted,
    /// They are recorded.
    Recording,
    /// They are recorded no longer.
    RecordingEnded,
    /// What they say is left out of the recording.
    RecordingPaused,
    /// It is kept again.
    RecordingResumed,
    /// They are wanted somewhere.
    Moves(&'a str),
    /// They were sent there.
    Moved(&'a str),
    /// They joined a conference.
    Joined,
    /// They are at the desk again.
    CameBack,
    /// It rings for them where calls are forwarded to.
    Forwarded,
    /// They hear the greeting.
    ReachedVoicemail,
    /// They leave a message.
    LeavesMessage,
    /// They pressed a key.
    Key(char),
    /// The call is over.
    Ended,
    /// It was missed.
    Missed,
    /// The desk is kept from ringing, or no longer.
    DoNotDisturb(bool),
    /// Something that this version does not know, by its word.
    Other(&'a str),
}

impl Happened<'_> {
    /// Returns the words.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        let both = |en: &str, fr: &str| match lang {
            Lang::En => en.to_owned(),
            Lang::Fr => fr.to_owned(),
        };
        match self {
            Happened::Calls => both("calls", "appelle"),
            Happened::IsCalled => both("is called", "est appelé"),
            Happened::RingsHere => both("rings at the desk", "sonne au bureau"),
            Happened::RingsThere => both("it rings there", "cela sonne là-bas"),
            Happened::RingsBrowsers => both("rings in the browsers", "sonne dans les navigateurs"),
            Happened::Answered => both("is answered", "décroché"),
            Happened::Held => both("waits", "patiente"),
            Happened::Resumed => both("talks again", "parle de nouveau"),
            Happened::Merged => both("meets others at the desk", "parle avec d'autres au bureau"),
            Happened::Parted => both("meets them no more", "ne parle plus avec eux"),
            Happened::Muted => both("does not hear the desk", "n'entend pas le bureau"),
            Happened::Unmuted => both("hears the desk again", "entend de nouveau le bureau"),
            Happened::Recording => both("is recorded", "est enregistré"),
            Happened::RecordingEnded => both("is recorded no longer", "n'est plus enregistré"),
            Happened::RecordingPaused => both("recording pauses", "enregistrement en pause"),
            Happened::RecordingResumed => both("recording goes on", "l'enregistrement reprend"),
            Happened::Moves(to) => both(&format!("is to go {to}"), &format!("doit aller {to}")),
            Happened::Moved(to) => both(&format!("is sent {to}"), &format!("est envoyé {to}")),
            Happened::Joined => both("joins a conference", "rejoint une conférence"),
            Happened::CameBack => both("comes to the desk", "vient au bureau"),
            Happened::Forwarded => both("is forwarded", "est renvoyé"),
            Happened::ReachedVoicemail => both("hears the greeting", "entend l'annonce"),
            Happened::LeavesMessage => both("leaves a message", "laisse un message"),
            Happened::Key(key) => both(&format!("presses {key}"), &format!("appuie sur {key}")),
            Happened::Ended => both("the call is over", "l'appel est terminé"),
            Happened::Missed => both("was missed", "appel manqué"),
            Happened::DoNotDisturb(true) => {
                both("the desk is kept from ringing", "le bureau ne sonne plus")
            }
            Happened::DoNotDisturb(false) => both(
                "the desk may ring again",
                "le bureau peut sonner de nouveau",
            ),
            Happened::Other(word) => word.replace('_', " "),
        }
    }
}

/// Why it happened, where that is worth a word, or what became of whoever watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why<'a> {
    /// The desk did so by itself.
    ByItself,
    /// Somewhere else than at the desk.
    Elsewhere,
    /// The settings say so.
    Settings,
    /// The desk is not to be disturbed.
    DoNotDisturb,
    /// The desk cannot be used.
    NoDesk,
    /// The desk is taken.
    DeskTaken,
    /// Nobody answered before.
    StageUnanswered,
    /// Nobody answered elsewhere.
    NotAnsweredElsewhere,
    /// The others have gone.
    Alone,
    /// For another call.
    AnotherCall,
    /// Two calls changed places.
    Swap,
    /// It came back.
    CameBack,
    /// It left the desk.
    LeftDesk,
    /// It could not go on.
    Failed,
    /// Events were lost behind that one, since the reader was too slow.
    Overtaken(u64),
    /// The daemon began anew behind that event.
    Restarted(u64),
    /// The daemon went, and is waited for.
    DaemonWent,
    /// Something that this version does not know, by its word.
    Other(&'a str),
}

impl Why<'_> {
    /// Returns the words.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        let both = |en: &str, fr: &str| match lang {
            Lang::En => en.to_owned(),
            Lang::Fr => fr.to_owned(),
        };
        match self {
            Why::ByItself => both("by itself", "tout seul"),
            Why::Elsewhere => both("elsewhere", "ailleurs"),
            Why::Settings => both("as it is set", "comme réglé"),
            Why::DoNotDisturb => both("do not disturb", "ne pas déranger"),
            Why::NoDesk => both("no microphone or speaker", "ni micro ni haut-parleur"),
            Why::DeskTaken => both("the desk is taken", "le bureau est pris"),
            Why::StageUnanswered => both("nobody answered before", "personne n'a répondu avant"),
            Why::NotAnsweredElsewhere => {
                both("nobody answered elsewhere", "personne n'a répondu ailleurs")
            }
            Why::Alone => both("the others have gone", "les autres sont partis"),
            Why::AnotherCall => both("for another call", "pour un autre appel"),
            Why::Swap => both("two calls changed places", "deux appels ont permuté"),
            Why::CameBack => both("it came back", "il est revenu"),
            Why::LeftDesk => both("it left the desk", "il a quitté le bureau"),
            Why::Failed => both("it could not go on", "impossible de continuer"),
            Why::Overtaken(after) => both(
                &format!(
                    "events behind {after} were lost: they were read too late; so it stands now:"
                ),
                &format!(
                    "les événements après {after} sont perdus : lus trop tard ; voici l'état actuel :"
                ),
            ),
            Why::Restarted(after) => both(
                &format!("the daemon began anew behind event {after}; so it stands now:"),
                &format!("le démon a redémarré après l'événement {after} ; voici l'état actuel :"),
            ),
            Why::DaemonWent => both(
                "the daemon has gone; waiting until it is back",
                "le démon est parti ; en attente de son retour",
            ),
            Why::Other(word) => word.replace('_', " "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_tell_the_same_each_in_its_own_words() {
        for (en, fr) in [
            (
                Happened::Key('5').text(Lang::En),
                Happened::Key('5').text(Lang::Fr),
            ),
            (
                Happened::Moved("+15145550100").text(Lang::En),
                Happened::Moved("+15145550100").text(Lang::Fr),
            ),
        ] {
            assert_ne!(en, fr);
            let last = |text: &str| text.rsplit(' ').next().map(str::to_owned);
            assert_eq!(last(&en), last(&fr));
        }
        for lang in Lang::ALL {
            for number in [Why::Overtaken(17), Why::Restarted(17)] {
                assert!(number.text(lang).contains("17"));
            }
            assert_eq!(Happened::Other("new_thing").text(lang), "new thing");
        }
    }
}
