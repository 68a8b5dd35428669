//! What Home Assistant calls the entities of the telephone, in English and in French.

use super::Lang;

/// An entity.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entity {
    /// How the telephone stands.
    State,
    /// The far end's number.
    Caller,
    /// Its name.
    CallerName,
    /// Missed calls that nobody has seen.
    MissedCalls,
    /// Messages that nobody has heard.
    Messages,
    /// The switch that keeps the desk from ringing.
    DoNotDisturb,
    /// The button that picks up.
    Answer,
    /// The button that turns away.
    Reject,
    /// The button that hangs up.
    HangUp,
    /// The button that lets the far end wait.
    Hold,
    /// The button that talks again.
    Resume,
}

impl Entity {
    /// Returns its name.
    #[must_use]
    pub fn text(self, lang: Lang) -> &'static str {
        let (en, fr) = match self {
            Entity::State => ("State", "État"),
            Entity::Caller => ("Caller", "Correspondant"),
            Entity::CallerName => ("Caller's name", "Nom du correspondant"),
            Entity::MissedCalls => ("Missed calls", "Appels manqués"),
            Entity::Messages => ("Messages waiting", "Messages en attente"),
            Entity::DoNotDisturb => ("Do not disturb", "Ne pas déranger"),
            Entity::Answer => ("Answer", "Décrocher"),
            Entity::Reject => ("Reject", "Refuser"),
            Entity::HangUp => ("Hang up", "Raccrocher"),
            Entity::Hold => ("Hold", "Mettre en attente"),
            Entity::Resume => ("Resume", "Reprendre"),
        };
        match lang {
            Lang::En => en,
            Lang::Fr => fr,
        }
    }
}
