//! What is said to people, in English and in French.
//!
//! Texts for the terminal live here, and so does why `status`, `answer` and `hangup` cannot do what they were asked. The
//! log, the help, what is wrong with settings, and the causes that other programs give speak English only, so that they
//! can be searched for; so do the words `error`, `hint` and `warning` before a sentence.
//!
//! What can be said stands here; how it is said, in `en` and `fr`.

pub mod book;
mod en;
mod fr;

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
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// What the keyboard does where a phone runs in the foreground.
    Keys,
    /// Where emergency numbers can be called instead.
    NoEmergencies,
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
    /// A call that could hardly be better.
    QualityExcellent,
    /// A call that nobody complains of.
    QualityGood,
    /// A call that some would complain of.
    QualityFair,
    /// A call that is hard to follow.
    QualityPoor,
    /// How good a call is.
    CallRating {
        /// In a word.
        word: &'a str,
        /// As a mean opinion score: at the moment,
        now: f32,
        /// over the whole call,
        mean: f32,
        /// and at its worst.
        worst: f32,
    },
    /// How long sound takes, where that is known.
    CallDelays {
        /// From the microphone to the network, in ms.
        up: Option<f32>,
        /// From the network to the speaker, in ms.
        down: Option<f32>,
        /// What the carrier holds of ours beyond the least, in ms.
        caller: Option<f32>,
    },
    /// How the carrier's messages come, where that is known.
    CallArrivals {
        /// Their jitter, in ms.
        jitter: Option<f32>,
        /// How late most of them are at most, in ms.
        late: Option<f32>,
        /// Sound that waits to be played, in ms.
        waiting: Option<f32>,
    },
    /// What was missing of a call's sound.
    CallGaps {
        /// Not there when it was due, in ms.
        concealed_ms: u64,
        /// Made shorter to bring the delay down, in ms.
        hurried_ms: u64,
        /// Thrown away to bring the delay down, in ms.
        shed_ms: u64,
        /// Of how long a talk.
        time: Duration,
    },
    /// How the loudspeaker's echo does.
    CallEcho {
        /// How much weaker it is at the microphone than what is played, in dB.
        loss: f32,
        /// How much more of it is taken away, in dB.
        reduction: f32,
    },
    /// How loud the voices are, in dB below full scale, where that is known.
    CallLoudness {
        /// The other's.
        far: Option<f32>,
        /// One's own.
        near: Option<f32>,
    },
    /// How the clocks of a call differ.
    CallClocks {
        /// Pair by pair.
        pairs: &'a str,
    },
    /// No call was over since the telephone was set up.
    NoPastCalls,
    /// For how long there was talk.
    TalkedFor {
        /// How long.
        time: Duration,
    },
    /// How good a call was.
    RatingInShort {
        /// In a word.
        word: &'a str,
        /// As a mean opinion score.
        mos: f32,
    },
    /// No microphone answers, in a demonstration.
    MicrophoneStandIn {
        /// Why not.
        why: &'a str,
    },
    /// No speaker answers, in a demonstration.
    SpeakerStandIn {
        /// Why not.
        why: &'a str,
    },
    /// The usual port is somebody else's.
    OtherPort {
        /// The usual port.
        port: u16,
    },
    /// When a demonstration picks up by itself.
    PicksUpIn {
        /// In how many seconds.
        seconds: u64,
    },
    /// What a person is to do in the echo test.
    SpeakAfterTone,
    /// The call did not come to a talk.
    NeverTalked,
    /// How to be called once more, on a terminal.
    EnterCallsAgain,
    /// How to be called once more, from elsewhere.
    CommandCallsAgain {
        /// The command.
        command: &'a str,
    },
    /// How to ask a demonstration for its state.
    CommandTellsState {
        /// The command.
        command: &'a str,
    },
    /// Frames of a call, each way.
    MeasuredFrames {
        /// To the speaker.
        down: u64,
        /// From the microphone.
        up: u64,
    },
    /// Gaps of a call.
    MeasuredGaps {
        /// How often the playout buffer ran dry.
        dry: u64,
        /// Sound that never came, in ms.
        missing_ms: u64,
        /// Frames from the microphone that were thrown away.
        dropped: u64,
    },
    /// The playout buffer, in ms.
    MeasuredBuffer {
        /// Now.
        depth: f32,
        /// At most.
        most: f32,
        /// What was thrown away to keep it short.
        shed: u64,
    },
    /// Delays, in ms.
    MeasuredDelays {
        /// Microphone to socket.
        up: f32,
        /// Socket to speaker.
        down: f32,
        /// Microphone to speaker by way of a caller who sends back at once.
        back: f32,
    },
    /// No delay could be measured.
    NoDelays,
    /// Frames that reached the far end late.
    MeasuredLate {
        /// How many.
        late: u64,
        /// How many times a bare timer was as late.
        timer: u64,
    },
    /// What the microphone was.
    MicrophoneFile {
        /// The file.
        path: &'a str,
    },
    /// What the speaker played.
    SpeakerFile {
        /// The file.
        path: &'a str,
    },
    /// What the caller heard.
    CallerFile {
        /// The file.
        path: &'a str,
    },
    /// The sound systems show no device.
    NoDevices,
    /// What serves everywhere in the place of a device.
    OwnDevices,
    /// A device captures.
    Captures {
        /// Samples a second.
        rate: u32,
        /// Channels.
        channels: u16,
    },
    /// A device plays.
    Plays {
        /// Samples a second.
        rate: u32,
        /// Channels.
        channels: u16,
    },
    /// What else it can.
    Supports {
        /// The lowest and the highest rate, in samples a second.
        rates: (u32, u32),
        /// Channels at most.
        channels: u16,
        /// Kinds of samples.
        formats: &'a str,
    },
    /// It is the sound system's default for capturing.
    DefaultMicrophone,
    /// It is the sound system's default for playing.
    DefaultSpeaker,
    /// A tone is being played.
    TonePlays,
    /// The microphone does not work, so that nothing can be tried.
    MicrophoneBroken {
        /// Why.
        why: &'a str,
    },
    /// The speaker does not work, so that nothing can be heard.
    SpeakerBroken {
        /// Why.
        why: &'a str,
    },
    /// How other devices are chosen.
    ChooseDevices {
        /// The flags.
        flags: &'a str,
    },
    /// A country has no such tone.
    NoSuchTone {
        /// The tone's name, as it is typed.
        tone: &'a str,
    },
    /// Where every tone can be heard.
    EveryTone,
    /// What `offhook devices play` plays.
    Playing {
        /// The name that was asked for.
        name: &'a str,
    },
    /// How loud the microphone is.
    Level {
        /// In dB below full scale.
        decibel: f32,
    },
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
        /// Why, as a clause in English; in French what it should look like instead.
        why: &'a str,
    },
    /// Twilio cannot reach the daemon.
    OnlyThisMachine {
        /// Where webhooks are expected.
        origin: &'a str,
    },
    /// Webhooks are not checked.
    SignaturesUnchecked,
    /// A call at the desk, in a list.
    AtDesk,
    /// A call in a browser, in a list.
    InBrowser,
    /// The near end hung up.
    HungUpHere,
    /// The far end hung up.
    HungUpThere,
    /// Nobody picked up.
    NotAnswered,
    /// The call was turned away.
    Refused,
    /// The call could not be put through.
    Failed,
    /// The call's stream was lost.
    StreamLost,
    /// No call could be picked up.
    NothingRings,
    /// No call could be hung up.
    NothingToHangUp,
    /// The call that was named is not there.
    NoSuchCall,
    /// The call does not stand where that is possible.
    WrongState,
    /// What `status` says, for whoever named no call that is there.
    StatusSays {
        /// What it says.
        calls: &'a str,
    },
    /// Nobody listens on the control socket.
    NoDaemon,
    /// How to start a daemon, or to find it.
    StartDaemon,
    /// The control socket's path cannot be one.
    SocketPathTooLong {
        /// Bytes at most.
        most: usize,
    },
    /// A device that the desk needs does not work.
    DeskBroken {
        /// Which, as it is called in this language.
        device: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A demonstration may run, in a folder of its own.
    DemoRuns {
        /// Which.
        folder: &'a str,
    },
    /// How to choose another path.
    ShorterPath,
    /// The daemon does not answer.
    DaemonBroken,
    /// Why a daemon may not answer.
    DaemonHangs,
    /// Somebody else answers.
    DaemonStranger,
    /// What to do where somebody else answers.
    RestartDaemon,
    /// What an answer left empty means.
    EnterForThisMachine,
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
}

/// Writes a figure without decimals and with its unit, or a dash where it is not known.
fn whole(figure: Option<f32>, unit: &str) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.0} {unit}"))
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
            Message::Keys,
            Message::NoEmergencies,
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
            Message::QualityExcellent,
            Message::QualityGood,
            Message::QualityFair,
            Message::QualityPoor,
            Message::CallRating {
                word: x,
                now: 4.4,
                mean: 4.3,
                worst: 2.0,
            },
            Message::CallDelays {
                up: Some(25.0),
                down: None,
                caller: Some(3.0),
            },
            Message::CallArrivals {
                jitter: Some(1.0),
                late: Some(4.0),
                waiting: Some(40.0),
            },
            Message::CallGaps {
                concealed_ms: 20,
                hurried_ms: 15,
                shed_ms: 10,
                time: Duration::from_secs(60),
            },
            Message::CallEcho {
                loss: 12.0,
                reduction: 38.0,
            },
            Message::CallLoudness {
                far: Some(-20.0),
                near: None,
            },
            Message::CallClocks { pairs: x },
            Message::NoPastCalls,
            Message::TalkedFor {
                time: Duration::from_secs(60),
            },
            Message::RatingInShort { word: x, mos: 4.4 },
            Message::MicrophoneStandIn { why: x },
            Message::SpeakerStandIn { why: x },
            Message::OtherPort { port: 3000 },
            Message::PicksUpIn { seconds: 3 },
            Message::SpeakAfterTone,
            Message::NeverTalked,
            Message::EnterCallsAgain,
            Message::CommandCallsAgain { command: x },
            Message::CommandTellsState { command: x },
            Message::MeasuredFrames { down: 1, up: 2 },
            Message::MeasuredGaps {
                dry: 1,
                missing_ms: 2,
                dropped: 3,
            },
            Message::MeasuredBuffer {
                depth: 1.0,
                most: 2.0,
                shed: 3,
            },
            Message::MeasuredDelays {
                up: 1.0,
                down: 2.0,
                back: 13.0,
            },
            Message::NoDelays,
            Message::MeasuredLate { late: 1, timer: 2 },
            Message::MicrophoneFile { path: x },
            Message::SpeakerFile { path: x },
            Message::CallerFile { path: x },
            Message::NoDevices,
            Message::OwnDevices,
            Message::Captures {
                rate: 8_000,
                channels: 1,
            },
            Message::Plays {
                rate: 8_000,
                channels: 1,
            },
            Message::Supports {
                rates: (8_000, 48_000),
                channels: 2,
                formats: x,
            },
            Message::DefaultMicrophone,
            Message::DefaultSpeaker,
            Message::TonePlays,
            Message::Playing { name: "busy" },
            Message::MicrophoneBroken { why: x },
            Message::SpeakerBroken { why: x },
            Message::ChooseDevices { flags: x },
            Message::NoSuchTone { tone: x },
            Message::EveryTone,
            Message::Level { decibel: -30.0 },
            Message::SettingsMissing { count: 1 },
            Message::SettingsMissing { count: 3 },
            Message::LooksLike { what: x },
            Message::FoundIn { place: x },
            Message::TypedWrong { why: x },
            Message::OnlyThisMachine { origin: x },
            Message::SignaturesUnchecked,
            Message::AtDesk,
            Message::InBrowser,
            Message::HungUpHere,
            Message::HungUpThere,
            Message::NotAnswered,
            Message::Refused,
            Message::Failed,
            Message::StreamLost,
            Message::NothingRings,
            Message::NothingToHangUp,
            Message::NoSuchCall,
            Message::WrongState,
            Message::StatusSays { calls: x },
            Message::NoDaemon,
            Message::StartDaemon,
            Message::SocketPathTooLong { most: 107 },
            Message::DeskBroken { device: x, why: x },
            Message::DemoRuns { folder: x },
            Message::ShorterPath,
            Message::DaemonBroken,
            Message::DaemonHangs,
            Message::DaemonStranger,
            Message::RestartDaemon,
            Message::EnterForThisMachine,
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
