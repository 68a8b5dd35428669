//! Flags for the settings, made from the table of settings, so that no name stands twice.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Command, error::Error};

use crate::config::table::{self, Scope, Setting};

/// Which settings a verb takes as flags.
pub(crate) trait Takes {
    /// Says whether a setting of this scope is among them.
    fn takes(scope: Scope) -> bool;

    /// Says whether a setting is among them; by its scope, where no single one is left out.
    fn takes_setting(setting: &Setting) -> bool {
        Self::takes(setting.scope)
    }
}

/// All of them: `serve`.
#[derive(Debug)]
pub(crate) struct Everything;

impl Takes for Everything {
    fn takes(_: Scope) -> bool {
        true
    }
}

/// Devices, and all that a daemon of its own needs: `demo`.
#[derive(Debug)]
pub(crate) struct Sound;

impl Takes for Sound {
    fn takes(scope: Scope) -> bool {
        matches!(
            scope,
            Scope::Everywhere | Scope::Log | Scope::Daemon | Scope::Sound
        )
    }
}

/// Devices without a daemon: `devices`.
#[derive(Debug)]
pub(crate) struct Devices;

impl Takes for Devices {
    fn takes(scope: Scope) -> bool {
        matches!(scope, Scope::Everywhere | Scope::Log | Scope::Sound)
    }
}

/// The same without what rings: `devices test`.
#[derive(Debug)]
pub(crate) struct Trial;

impl Takes for Trial {
    fn takes(scope: Scope) -> bool {
        Devices::takes(scope)
    }

    fn takes_setting(setting: &Setting) -> bool {
        const RINGS: [&Setting; 4] = [
            &table::OFFHOOK_RINGTONE,
            &table::OFFHOOK_RING_VOLUME,
            &table::OFFHOOK_RING_RISING,
            &table::OFFHOOK_CALL_ENDED_TONE,
        ];
        Self::takes(setting.scope) && RINGS.iter().all(|rings| rings.name != setting.name)
    }
}

/// Where the running daemon is: `status`, `answer`, `hangup`, which log nothing.
#[derive(Debug)]
pub(crate) struct Control;

impl Takes for Control {
    fn takes(scope: Scope) -> bool {
        matches!(scope, Scope::Everywhere | Scope::Daemon)
    }
}

/// Only language, log and settings file: `sim`.
#[derive(Debug)]
pub(crate) struct Basics;

impl Takes for Basics {
    fn takes(scope: Scope) -> bool {
        matches!(scope, Scope::Everywhere | Scope::Log)
    }
}

/// The settings that were given as flags. To be flattened into a verb's arguments.
#[derive(Debug)]
pub(crate) struct Flags<S> {
    given: BTreeMap<String, String>,
    takes: PhantomData<S>,
}

impl<S> Flags<S> {
    /// Returns what was given, by the name of the setting.
    pub(crate) fn given(&self) -> &BTreeMap<String, String> {
        &self.given
    }
}

/// The settings that a verb takes and that have a flag.
fn settings<S: Takes>() -> impl Iterator<Item = (&'static Setting, String)> {
    table::ALL
        .iter()
        .filter(|setting| S::takes_setting(setting))
        .filter_map(|setting| Some((*setting, setting.flag()?)))
}

impl<S: Takes> clap::Args for Flags<S> {
    fn augment_args(command: Command) -> Command {
        command
            .next_help_heading("Settings")
            .args(settings::<S>().map(|(setting, flag)| {
                let default = match setting.default {
                    "" => String::new(),
                    default => format!(" [default: {default}]"),
                };
                let arg = Arg::new(setting.name)
                    .long(flag)
                    .value_name(setting.value)
                    .help(format!("{} ({}){default}", setting.about, setting.like))
                    .allow_hyphen_values(false)
                    .allow_negative_numbers(true);
                match setting.bare {
                    Some(bare) => arg.num_args(0..=1).default_missing_value(bare),
                    None => arg,
                }
            }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Takes> clap::FromArgMatches for Flags<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = settings::<S>()
            .filter_map(|(setting, _)| {
                let value = matches.get_one::<String>(setting.name)?;
                Some((setting.name.to_owned(), value.clone()))
            })
            .collect();
        Ok(Flags {
            given,
            takes: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn given<S: Takes>(words: &str) -> Option<BTreeMap<String, String>> {
        let command = Flags::<S>::augment_args(Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(words.split(' ')).ok()?;
        Some(Flags::<S>::from_arg_matches(&matches).ok()?.given)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(pairs.iter().map(owned).collect())
    }

    #[test]
    fn flags_are_known_by_the_names_of_their_settings() {
        assert_eq!(
            given::<Everything>("--ring desk --twilio-account-sid=AC1"),
            pairs(&[("OFFHOOK_RING", "desk"), ("TWILIO_ACCOUNT_SID", "AC1")])
        );
    }

    #[test]
    fn auto_answer_may_stand_alone() {
        for (words, value) in [
            ("--auto-answer", "true"),
            ("--auto-answer --port 1", "true"),
            ("--auto-answer 3", "3"),
            ("--auto-answer=false", "false"),
        ] {
            let given = given::<Everything>(words).expect(words);
            assert_eq!(given["OFFHOOK_AUTO_ANSWER"], value, "{words}");
        }
        assert_eq!(given::<Everything>("--ring --port 1"), None);
    }

    #[test]
    fn a_verb_takes_only_the_flags_of_its_scope() {
        let taken = |flag: &str| {
            [
                given::<Everything>(flag),
                given::<Sound>(flag),
                given::<Devices>(flag),
                given::<Control>(flag),
                given::<Basics>(flag),
            ]
            .map(|given| given.is_some())
        };
        assert_eq!(taken("--lang fr"), [true, true, true, true, true]);
        assert_eq!(taken("--log info"), [true, true, true, false, true]);
        assert_eq!(taken("--data-dir x"), [true, true, false, true, false]);
        assert_eq!(taken("--socket x"), [true, true, false, true, false]);
        assert_eq!(taken("--capture x"), [true, true, true, false, false]);
        assert!(given::<Devices>("--ringtone chime").is_some());
        assert!(given::<Trial>("--ringtone chime").is_none());
        assert!(given::<Trial>("--volume 50").is_some());
        assert_eq!(taken("--ring desk"), [true, false, false, false, false]);
    }
}
