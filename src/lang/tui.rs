//! What the telephone on the terminal says, in English and in French.
//!
//! Each text stands beside its translation, so that none can be without one. Where it is short, room is short.

use super::Lang;

/// A text, with what it tells of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tui<'a> {
    /// The heading of the calls.
    Calls,
    /// The heading of the levels.
    Sound,
    /// The heading of the figures.
    Quality,
    /// The heading of the field in which a number is typed.
    Number,
    /// The heading of that field while a further number is typed.
    FurtherNumber,
    /// The heading of that field while the number is typed to which a call goes.
    TransferNumber,
    /// The heading of the calls that are over.
    History,
    /// How many missed calls are new.
    Missed(u64),
    /// The mark of a missed call.
    MissedMark,
    /// The heading of the help.
    Help,
    /// The far end.
    FarEnd,
    /// The microphone, in short.
    Microphone,
    /// The speaker, in short.
    Speaker,
    /// The bell, in short.
    Bell,
    /// The delay in both directions.
    Delay,
    /// The jitter.
    Jitter,
    /// What was concealed.
    Concealed,
    /// A mean opinion score.
    Mos(f32),
    /// The desk does not ring.
    NotDisturbed,
    /// For how long the daemon has been up.
    Up(&'a str),
    /// Something happened just now.
    JustNow,
    /// So many minutes ago.
    Minutes(u64),
    /// So many hours ago.
    Hours(u64),
    /// So many days ago.
    Days(u64),
    /// Which keys were sent to the far end.
    KeysSent(&'a str),
    /// The daemon is being looked for.
    Looking,
    /// The daemon is away, and why; it is looked for.
    Away(&'a str),
    /// The daemon has not answered for a while.
    Silent,
    /// There is no second call to be met.
    NoSecondCall,
    /// Nothing rings, and there is no number to dial.
    NothingToDial,
    /// A request is under way.
    Asked,
    /// What the terminal must be.
    NeedsTerminal,
    /// How the terminal is to be used.
    NeedsTerminalHint,
    /// The keys where nothing goes on.
    KeysIdle,
    /// The keys while a call rings.
    KeysRinging,
    /// The keys while a call talks.
    KeysTalking,
    /// The keys while a further number is typed.
    KeysFurther,
    /// The keys while the number is typed to which a call goes.
    KeysTransfer,
    /// The keys while the help is shown.
    KeysHelp,
    /// What one key does, in the help.
    Key(HelpKey),
}

/// A key that the help explains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HelpKey {
    /// Digits, star and hash.
    Digits,
    /// Enter.
    Enter,
    /// Hang up.
    HangUp,
    /// Hold.
    Hold,
    /// Mute.
    Mute,
    /// Swap.
    Swap,
    /// A further call.
    Further,
    /// Meet.
    Merge,
    /// Transfer.
    Transfer,
    /// Move.
    Move,
    /// Record.
    Record,
    /// Do not disturb.
    Disturb,
    /// Select.
    Select,
    /// Escape.
    Escape,
    /// Quit.
    Quit,
}

impl HelpKey {
    /// Every one of them, in the order of the help.
    pub const ALL: [HelpKey; 15] = [
        HelpKey::Digits,
        HelpKey::Enter,
        HelpKey::HangUp,
        HelpKey::Hold,
        HelpKey::Mute,
        HelpKey::Swap,
        HelpKey::Further,
        HelpKey::Merge,
        HelpKey::Transfer,
        HelpKey::Move,
        HelpKey::Record,
        HelpKey::Disturb,
        HelpKey::Select,
        HelpKey::Escape,
        HelpKey::Quit,
    ];

    /// Returns what stands on the key.
    #[must_use]
    pub fn cap(self, lang: Lang) -> &'static str {
        let fr = lang == Lang::Fr;
        match self {
            HelpKey::Digits => "0-9 * #",
            HelpKey::Enter if fr => "Entrée",
            HelpKey::Enter => "Enter",
            HelpKey::HangUp if fr => "x Retour",
            HelpKey::HangUp => "x Backsp.",
            HelpKey::Hold => "h",
            HelpKey::Mute => "m",
            HelpKey::Swap => "s",
            HelpKey::Further => "n",
            HelpKey::Merge => "g",
            HelpKey::Transfer => "t",
            HelpKey::Move => "v",
            HelpKey::Record => "r",
            HelpKey::Disturb => "d",
            HelpKey::Select => "↑ ↓",
            HelpKey::Escape if fr => "Échap",
            HelpKey::Escape => "Esc",
            HelpKey::Quit => "q",
        }
    }

    fn text(self) -> (&'static str, &'static str) {
        match self {
            HelpKey::Digits => (
                "type a number; sent to the far end while you talk",
                "composer un numéro ; envoyés au correspondant pendant l'appel",
            ),
            HelpKey::Enter => (
                "answer, dial, or bring back the last number",
                "décrocher, appeler, ou rappeler le dernier numéro",
            ),
            HelpKey::HangUp => (
                "hang up, or turn away what rings",
                "raccrocher, ou rejeter ce qui sonne",
            ),
            HelpKey::Hold => (
                "let the far end wait, or talk again",
                "mettre en attente, ou reprendre",
            ),
            HelpKey::Mute => ("close or open the microphone", "couper ou ouvrir le micro"),
            HelpKey::Swap => (
                "talk with whoever waits",
                "parler avec le correspondant en attente",
            ),
            HelpKey::Further => (
                "dial a further number, or a contact by name",
                "appeler encore un numéro, ou un contact par son nom",
            ),
            HelpKey::Merge => ("meet: all hear each other", "conférence : tous s'entendent"),
            HelpKey::Transfer => (
                "hand the call over; after speaking first: connect both",
                "transférer ; après avoir parlé au tiers : relier les deux",
            ),
            HelpKey::Move => (
                "to the browser, or back to the desk",
                "vers le navigateur, ou de retour au bureau",
            ),
            HelpKey::Record => ("record, or stop that", "enregistrer, ou arrêter"),
            HelpKey::Disturb => ("do not disturb", "ne pas déranger"),
            HelpKey::Select => ("choose a call", "choisir un appel"),
            HelpKey::Escape => (
                "clear the number, close this",
                "effacer le numéro, fermer ceci",
            ),
            HelpKey::Quit => ("quit; a call talks on", "quitter ; l'appel continue"),
        }
    }
}

impl Tui<'_> {
    /// Returns the text.
    #[must_use]
    pub fn text(self, lang: Lang) -> String {
        let fr = lang == Lang::Fr;
        let both = |en: &str, other: &str| if fr { other } else { en }.to_owned();
        match self {
            Tui::Calls => both("Calls", "Appels"),
            Tui::Sound => both("Sound", "Son"),
            Tui::Quality => both("Quality", "Qualité"),
            Tui::Number => both("Number", "Numéro"),
            Tui::FurtherNumber => both("Further call to", "Autre appel vers"),
            Tui::TransferNumber => both("Transfer to", "Transférer à"),
            Tui::History => both("Last calls", "Derniers appels"),
            Tui::Missed(count) => both(
                &format!("new missed: {count}"),
                &format!("manqués : {count}"),
            ),
            Tui::MissedMark => both("missed", "manqué"),
            Tui::Help => both("Keys", "Touches"),
            Tui::FarEnd => both("far end", "distant"),
            Tui::Microphone => both("mic", "micro"),
            Tui::Speaker => both("speaker", "haut-parleur"),
            Tui::Bell => both("bell", "sonnerie"),
            Tui::Delay => both("delay", "délai"),
            Tui::Jitter => both("jitter", "gigue"),
            Tui::Concealed => both("concealed", "comblé"),
            Tui::Mos(mos) => {
                let score = format!("{mos:.1}");
                both(&score, &score.replace('.', ","))
            }
            Tui::NotDisturbed => both("do not disturb", "ne pas déranger"),
            Tui::Up(time) => both(&format!("up {time}"), &format!("actif {time}")),
            Tui::JustNow => both("now", "à l'instant"),
            Tui::Minutes(count) => {
                both(&format!("{count} min ago"), &format!("il y a {count} min"))
            }
            Tui::Hours(count) => both(&format!("{count} h ago"), &format!("il y a {count} h")),
            Tui::Days(count) => both(&format!("{count} d ago"), &format!("il y a {count} j")),
            Tui::KeysSent(keys) => both(&format!("keys sent: {keys}"), &format!("envoyé : {keys}")),
            Tui::Looking => both("looking for the daemon", "recherche du démon"),
            Tui::Away(why) => both(
                &format!("{why}; it is looked for"),
                &format!("{why} ; il est recherché"),
            ),
            Tui::Silent => both("the daemon gives no answer", "le démon ne répond pas"),
            Tui::NoSecondCall => both(
                "there is no other call to meet",
                "il n'y a pas d'autre appel à réunir",
            ),
            Tui::NothingToDial => both(
                "nothing rings, and no number is typed",
                "rien ne sonne, et aucun numéro n'est composé",
            ),
            Tui::Asked => both("asked …", "demandé …"),
            Tui::NeedsTerminal => both(
                "a telephone on the terminal needs a terminal, for keys and for its screen",
                "un téléphone sur le terminal a besoin d'un terminal, pour les touches et pour l'écran",
            ),
            Tui::NeedsTerminalHint => both(
                "`offhook status`, `answer`, `call` and the like go without one",
                "`offhook status`, `answer`, `call` et les autres s'en passent",
            ),
            Tui::KeysIdle => both(
                "? help  q quit  Enter dials  d do not disturb",
                "? aide  q quitter  Entrée appelle  d ne pas déranger",
            ),
            Tui::KeysRinging => both(
                "? help  Enter answers  x turns away  v browser  q quit",
                "? aide  Entrée décroche  x rejette  v navigateur  q quitter",
            ),
            Tui::KeysTalking => both(
                "? help  x hang up  h hold  m mute  t transfer  n further call  q quit",
                "? aide  x raccrocher  h attente  m micro  t transférer  n autre appel  q quitter",
            ),
            Tui::KeysFurther => both(
                "Enter dials, whoever talks waits  Esc back",
                "Entrée appelle, l'autre attend  Échap retour",
            ),
            Tui::KeysTransfer => both(
                "Enter at once  Tab speak first  Esc back",
                "Entrée tout de suite  Tab parler d'abord  Échap retour",
            ),
            Tui::KeysHelp => both(
                "↑ ↓ more  any other key closes this",
                "↑ ↓ suite  une autre touche ferme",
            ),
            Tui::Key(key) => {
                let (en, other) = key.text();
                both(en, other)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_said_in_both_languages() {
        let mut texts = vec![
            Tui::Calls,
            Tui::Sound,
            Tui::Quality,
            Tui::Number,
            Tui::FurtherNumber,
            Tui::TransferNumber,
            Tui::History,
            Tui::Missed(2),
            Tui::MissedMark,
            Tui::Help,
            Tui::FarEnd,
            Tui::Microphone,
            Tui::Speaker,
            Tui::Bell,
            Tui::Delay,
            Tui::Jitter,
            Tui::Concealed,
            Tui::Mos(4.4),
            Tui::NotDisturbed,
            Tui::Up("x"),
            Tui::JustNow,
            Tui::Minutes(2),
            Tui::Hours(2),
            Tui::Days(2),
            Tui::KeysSent("x"),
            Tui::Looking,
            Tui::Away("x"),
            Tui::Silent,
            Tui::NoSecondCall,
            Tui::NothingToDial,
            Tui::Asked,
            Tui::NeedsTerminal,
            Tui::NeedsTerminalHint,
            Tui::KeysIdle,
            Tui::KeysRinging,
            Tui::KeysTalking,
            Tui::KeysFurther,
            Tui::KeysTransfer,
            Tui::KeysHelp,
        ];
        texts.extend(HelpKey::ALL.map(Tui::Key));
        for text in texts {
            let (en, fr) = (text.text(Lang::En), text.text(Lang::Fr));
            assert!(!en.is_empty() && !fr.is_empty(), "{text:?}");
            assert_ne!(en, fr, "{text:?}");
            assert_eq!(en.contains('2'), fr.contains('2'), "{text:?}");
        }
        for key in HelpKey::ALL {
            assert!(!key.cap(Lang::En).is_empty() && !key.cap(Lang::Fr).is_empty());
        }
    }
}
