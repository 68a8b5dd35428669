//! What is said to people, in English and in French.
//!
//! Texts for the terminal live here; errors and the log speak English only, so that they can be searched for.

use std::time::Duration;

/// A language that Offhook speaks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Lang {
    /// Every language.
    pub const ALL: [Lang; 2] = [Lang::En, Lang::Fr];

    /// Reads the code of a language: `en` or `fr`.
    #[must_use]
    pub fn parse(code: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| lang.code() == code)
    }

    /// Picks the language by a locale such as `fr_CA.UTF-8`; English for every other.
    #[must_use]
    pub fn from_locale(locale: &str) -> Lang {
        let code = locale
            .split(['_', '-', '.', '@'])
            .next()
            .unwrap_or_default();
        Lang::parse(&code.to_ascii_lowercase()).unwrap_or_default()
    }

    /// Returns its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::Fr => "fr",
        }
    }
}

/// A sentence for the terminal, with what it tells of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// The daemon is up.
    Listening {
        /// Where.
        address: &'a str,
    },
    /// How Twilio sees the daemon.
    PublicOrigin {
        /// The origin.
        origin: &'a str,
    },
    /// Where the API key lies that was made, or found.
    ApiKeyFile {
        /// Its path.
        path: &'a str,
    },
    /// How to stop a program in the foreground.
    CtrlCEnds,
    /// How to pick up in the foreground.
    EnterAnswers,
    /// A call rings.
    CallRings {
        /// Who calls.
        from: &'a str,
    },
    /// A call was picked up.
    CallAnswered {
        /// With whom.
        party: &'a str,
    },
    /// A call is over.
    CallEnded {
        /// With whom.
        party: &'a str,
    },
    /// The daemon is stopping.
    Stopping,
    /// The daemon has been up for so long.
    UpFor {
        /// How long.
        time: Duration,
    },
    /// There is no call.
    NoCalls,
    /// The word before the microphone's state.
    Microphone,
    /// The word before the speaker's state.
    Speaker,
    /// The word before the bell's state.
    Bell,
    /// A device that works.
    DeviceWorks {
        /// Which, and how.
        what: &'a str,
    },
    /// A device that does not.
    DeviceBroken {
        /// Why.
        why: &'a str,
    },
    /// An incoming call, in a list.
    CallFrom {
        /// Who calls.
        party: &'a str,
    },
    /// An outgoing call, in a list.
    CallTo {
        /// Who is called.
        party: &'a str,
    },
    /// A call that is being dialled.
    StateDialing,
    /// A call that rings.
    StateRinging,
    /// A call that is being put through.
    StateConnecting,
    /// A call that is held.
    StateTalking,
    /// A call that is over.
    StateEnded,
    /// Some settings are missing and are asked for now.
    SettingsMissing {
        /// How many.
        count: usize,
    },
    /// What is asked for should look like this.
    LooksLike {
        /// How.
        what: &'a str,
    },
    /// What is asked for is found there.
    FoundIn {
        /// Where.
        place: &'a str,
    },
    /// What was typed will not do.
    TypedWrong {
        /// Why; a clause in English.
        why: &'a str,
    },
    /// What is typed now is not shown.
    NotShown,
    /// What was typed was written.
    WrittenTo {
        /// Where.
        path: &'a str,
    },
}

impl Message<'_> {
    /// Writes the sentence out.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        match lang {
            Lang::En => self.english(),
            Lang::Fr => self.french(),
        }
    }

    fn english(self) -> String {
        match self {
            Message::Listening { address } => format!("listening on {address}"),
            Message::PublicOrigin { origin } => format!("Twilio reaches it at {origin}"),
            Message::ApiKeyFile { path } => format!("the API key is in {path}"),
            Message::CtrlCEnds => "Ctrl-C ends it".to_owned(),
            Message::EnterAnswers => "Enter picks up".to_owned(),
            Message::CallRings { from } => format!("{from} is calling"),
            Message::CallAnswered { party } => format!("talking with {party}"),
            Message::CallEnded { party } => format!("the call with {party} is over"),
            Message::Stopping => "stopping".to_owned(),
            Message::UpFor { time } => format!("up for {}", clock(time)),
            Message::NoCalls => "no calls".to_owned(),
            Message::Microphone => "microphone".to_owned(),
            Message::Speaker => "speaker".to_owned(),
            Message::Bell => "bell".to_owned(),
            Message::DeviceWorks { what } => what.to_owned(),
            Message::DeviceBroken { why } => format!("does not work: {why}"),
            Message::CallFrom { party } => format!("from {party}"),
            Message::CallTo { party } => format!("to {party}"),
            Message::StateDialing => "dialing".to_owned(),
            Message::StateRinging => "ringing".to_owned(),
            Message::StateConnecting => "connecting".to_owned(),
            Message::StateTalking => "talking".to_owned(),
            Message::StateEnded => "ended".to_owned(),
            Message::SettingsMissing { count: 1 } => {
                "One setting is missing; Enter alone gives up.".to_owned()
            }
            Message::SettingsMissing { count } => {
                format!("{count} settings are missing; Enter alone gives up.")
            }
            Message::LooksLike { what } => format!("it looks like: {what}"),
            Message::FoundIn { place } => format!("you find it in: {place}"),
            Message::TypedWrong { why } => format!("that will not do, it {why}"),
            Message::NotShown => "not shown while you type".to_owned(),
            Message::WrittenTo { path } => format!("written to {path}, which only you can read"),
        }
    }

    fn french(self) -> String {
        match self {
            Message::Listening { address } => format!("à l'écoute sur {address}"),
            Message::PublicOrigin { origin } => format!("Twilio l'atteint à {origin}"),
            Message::ApiKeyFile { path } => format!("la clé de l'API se trouve dans {path}"),
            Message::CtrlCEnds => "Ctrl-C pour arrêter".to_owned(),
            Message::EnterAnswers => "Entrée pour décrocher".to_owned(),
            Message::CallRings { from } => format!("appel de {from}"),
            Message::CallAnswered { party } => format!("en communication avec {party}"),
            Message::CallEnded { party } => format!("la communication avec {party} est terminée"),
            Message::Stopping => "arrêt en cours".to_owned(),
            Message::UpFor { time } => format!("en marche depuis {}", clock(time)),
            Message::NoCalls => "aucun appel".to_owned(),
            Message::Microphone => "micro".to_owned(),
            Message::Speaker => "haut-parleur".to_owned(),
            Message::Bell => "sonnerie".to_owned(),
            Message::DeviceWorks { what } => format!("en service : {what}"),
            Message::DeviceBroken { why } => format!("hors service : {why}"),
            Message::CallFrom { party } => format!("de {party}"),
            Message::CallTo { party } => format!("vers {party}"),
            Message::StateDialing => "numérotation".to_owned(),
            Message::StateRinging => "sonne".to_owned(),
            Message::StateConnecting => "mise en relation".to_owned(),
            Message::StateTalking => "en communication".to_owned(),
            Message::StateEnded => "terminé".to_owned(),
            Message::SettingsMissing { count: 1 } => {
                "Il manque un réglage ; Entrée seule pour abandonner.".to_owned()
            }
            Message::SettingsMissing { count } => {
                format!("Il manque {count} réglages ; Entrée seule pour abandonner.")
            }
            Message::LooksLike { what } => format!("forme : {what}"),
            Message::FoundIn { place } => format!("à trouver dans : {place}"),
            Message::TypedWrong { why } => format!("cela ne va pas : {why}"),
            Message::NotShown => "la saisie reste invisible".to_owned(),
            Message::WrittenTo { path } => format!("écrit dans {path}, lisible par vous seul"),
        }
    }
}

/// Writes a time as hours, minutes and seconds, such as `2:05:09`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// One of each; `text` is exhaustive in both languages, so that none can be forgotten there.
    fn every_message() -> Vec<Message<'static>> {
        let x = "«x»";
        vec![
            Message::Listening { address: x },
            Message::PublicOrigin { origin: x },
            Message::ApiKeyFile { path: x },
            Message::CtrlCEnds,
            Message::EnterAnswers,
            Message::CallRings { from: x },
            Message::CallAnswered { party: x },
            Message::CallEnded { party: x },
            Message::Stopping,
            Message::UpFor {
                time: Duration::from_secs(7509),
            },
            Message::NoCalls,
            Message::Microphone,
            Message::Speaker,
            Message::Bell,
            Message::DeviceWorks { what: x },
            Message::DeviceBroken { why: x },
            Message::CallFrom { party: x },
            Message::CallTo { party: x },
            Message::StateDialing,
            Message::StateRinging,
            Message::StateConnecting,
            Message::StateTalking,
            Message::StateEnded,
            Message::SettingsMissing { count: 1 },
            Message::SettingsMissing { count: 3 },
            Message::LooksLike { what: x },
            Message::FoundIn { place: x },
            Message::TypedWrong { why: x },
            Message::NotShown,
            Message::WrittenTo { path: x },
        ]
    }

    #[test]
    fn both_languages_say_everything_each_in_its_own_words() {
        let mut said = BTreeSet::new();
        for message in every_message() {
            for lang in Lang::ALL {
                let text = message.text(lang);
                assert!(!text.is_empty(), "{message:?} in {lang:?}");
                let told = format!("{message:?}").contains("«x»");
                assert_eq!(
                    text.contains("«x»"),
                    told,
                    "{message:?} in {lang:?}: {text}"
                );
                assert!(said.insert(text.clone()), "{text} is said twice");
            }
        }
    }

    #[test]
    fn the_language_follows_the_locale() {
        for (locale, lang) in [
            ("fr_CA.UTF-8", Lang::Fr),
            ("fr", Lang::Fr),
            ("FR-fr@euro", Lang::Fr),
            ("en_US.UTF-8", Lang::En),
            ("de_DE", Lang::En),
            ("C", Lang::En),
            ("frr_DE", Lang::En),
            ("", Lang::En),
        ] {
            assert_eq!(Lang::from_locale(locale), lang, "{locale}");
        }
        assert_eq!(Lang::parse("fr"), Some(Lang::Fr));
        assert_eq!(Lang::parse("french"), None);
    }
}
