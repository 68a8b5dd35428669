//! The sentences that a caller hears from a voice of the carrier, in every language that Offhook speaks.

use crate::lang::Lang;
use crate::pure::phone::Phrase;

/// Returns what is said.
#[must_use]
pub fn spoken(phrase: Phrase, lang: Lang) -> &'static str {
    match (phrase, lang) {
        (Phrase::NobodyCanAnswer, Lang::En) => {
            "Sorry, nobody can take your call right now. Please try again later. Goodbye."
        }
        (Phrase::NobodyCanAnswer, Lang::Fr) => {
            "Désolé, personne ne peut prendre votre appel en ce moment. Veuillez rappeler plus tard. Au revoir."
        }
        (Phrase::DestinationNotAllowed, Lang::En) => {
            "Sorry, this telephone does not call that kind of number."
        }
        (Phrase::DestinationNotAllowed, Lang::Fr) => {
            "Désolé, ce téléphone n'appelle pas ce genre de numéro."
        }
        (Phrase::NotANumber, Lang::En) => {
            "Sorry, that is not a telephone number. Please dial a plus sign, the country code, and the number."
        }
        (Phrase::NotANumber, Lang::Fr) => {
            "Désolé, ce n'est pas un numéro de téléphone. Composez le signe plus, l'indicatif du pays, puis le numéro."
        }
        (Phrase::EmergencyRefused, Lang::En) => {
            "This telephone cannot call emergency services. Please hang up and use another telephone now."
        }
        (Phrase::EmergencyRefused, Lang::Fr) => {
            "Ce téléphone ne peut pas appeler les services d'urgence. Raccrochez et utilisez un autre téléphone maintenant."
        }
        (Phrase::NotAllowedToDial, Lang::En) => {
            "Sorry, you are not signed in to dial from here. Please sign in again."
        }
        (Phrase::NotAllowedToDial, Lang::Fr) => {
            "Désolé, vous n'êtes pas autorisé à appeler d'ici. Veuillez vous reconnecter."
        }
        (Phrase::CouldNotBeReached, Lang::En) => {
            "Sorry, your call could not be put through. Please try again later. Goodbye."
        }
        (Phrase::CouldNotBeReached, Lang::Fr) => {
            "Désolé, votre appel n'a pas pu aboutir. Veuillez réessayer plus tard. Au revoir."
        }
    }
}

/// Returns the carrier's name for the language, which chooses the voice.
#[must_use]
pub fn voice_language(lang: Lang) -> &'static str {
    match lang {
        Lang::En => "en-US",
        Lang::Fr => "fr-CA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_said_in_its_own_words_in_both_languages() {
        let mut said = Vec::new();
        for phrase in [
            Phrase::NobodyCanAnswer,
            Phrase::DestinationNotAllowed,
            Phrase::NotANumber,
            Phrase::EmergencyRefused,
            Phrase::NotAllowedToDial,
            Phrase::CouldNotBeReached,
        ] {
            for lang in [Lang::En, Lang::Fr] {
                let text = spoken(phrase, lang);
                assert!(text.ends_with('.'), "{text}");
                assert!(!said.contains(&text), "said twice: {text}");
                said.push(text);
            }
        }
    }
}
