//! Both languages say everything, each in its own words.

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
        Message::CallRingsHere { from: x },
        Message::CallAnswered { party: x },
        Message::CallAtVoicemail { party: x },
        Message::CallAnsweredElsewhere { party: x },
        Message::CallEnded { party: x },
        Message::CallEndedFor { party: x, why: x },
        Message::ReachedFromHere,
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
        Message::StateVoicemail,
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
            network: Some(560.0),
        },
        Message::CallerGaps {
            hurried_ms: 240,
            dropped_ms: 20,
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
        Message::RatingInShort {
            word: x,
            mos: 4.4,
            worst: 2.0,
        },
        Message::ConcealedInShort { ms: 120 },
        Message::DelayInShort {
            up: Some(25.0),
            down: None,
        },
        Message::CardStandIn,
        Message::PageAt { address: x },
        Message::AllWell,
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
        Message::TakenMicrophone,
        Message::TakenSpeaker,
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
        Message::TypedStrange { like: x },
        Message::KeptSoFar { path: x },
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
        Message::Interrupted,
        Message::NothingRings,
        Message::NothingToHangUp,
        Message::NoCallForThat,
        Message::AtNumber,
        Message::InConference,
        Message::Rejected,
        Message::Blocked,
        Message::Busy,
        Message::TooLong,
        Message::LeftMessage,
        Message::Held,
        Message::Merged,
        Message::Muted,
        Message::Recording,
        Message::RecordingPaused,
        Message::NotDisturbed,
        Message::QuietTime { until: Some(x) },
        Message::QuietTime { until: None },
        Message::Disturbed,
        Message::NoSuchCall,
        Message::WrongState,
        Message::StatusSays { calls: x },
        Message::NoDaemon,
        Message::StartDaemon,
        Message::SocketPathTooLong { most: 107 },
        Message::DeskBroken {
            device: x,
            why: x,
            then: x,
        },
        Message::DeskWithoutCard { then: x },
        Message::NoSoundCard,
        Message::BrowsersTakeThem,
        Message::DeskTakesNone,
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
