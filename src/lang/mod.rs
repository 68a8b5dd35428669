//! What is said to people, in English and in French.
//!
//! Texts for the terminal live here, and so does why `status`, `answer` and `hangup` cannot do what they were asked. The
//! log, the help, what is wrong with settings, and the causes that other programs give speak English only, so that they
//! can be searched for; so do the words `error`, `hint` and `warning` before a sentence.
//!
//! What can be said stands here; how it is said, in `en` and `fr`.

pub mod book;
mod en;
pub mod event;
mod fr;
pub mod home;
pub mod tui;

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
    /// Nothing from elsewhere reaches the daemon.
    ReachedFromHere,
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
    /// A call rings at the desk, on a terminal.
    CallRingsHere {
        /// Who calls.
        from: &'a str,
    },
    /// A call was picked up.
    CallAnswered {
        /// With whom.
        party: &'a str,
    },
    /// A caller hears the greeting.
    CallAtVoicemail {
        /// Who.
        party: &'a str,
    },
    /// A call was picked up in another place than the desk.
    CallAnsweredElsewhere {
        /// With whom.
        party: &'a str,
    },
    /// A call is over, and why.
    CallEndedFor {
        /// With whom.
        party: &'a str,
        /// Why, in a few words of this language.
        why: &'a str,
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
    /// A call hears the greeting, or leaves a message.
    StateVoicemail,
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
        /// The network there and back at its best, in ms, which is not in the score.
        network: Option<f32>,
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
    /// What was done to our sound on its way to the caller.
    CallerGaps {
        /// Made shorter to bring the delay down, in ms.
        hurried_ms: u64,
        /// Thrown away, in ms.
        dropped_ms: u64,
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
        /// And at its worst.
        worst: f32,
    },
    /// How much of a call's sound was not there when it was due.
    ConcealedInShort {
        /// In ms.
        ms: u64,
    },
    /// How long sound took on the mean, in ms, where that is known.
    DelayInShort {
        /// From the microphone to the network.
        up: Option<f32>,
        /// From the network to the speaker.
        down: Option<f32>,
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
    /// There is no sound card at all, in a demonstration.
    CardStandIn,
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
    /// Where the page of a daemon is.
    PageAt {
        /// Its address.
        address: &'a str,
    },
    /// A call of the demonstration went as it should.
    AllWell,
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
    /// Offhook captures with it.
    TakenMicrophone,
    /// Offhook plays with it.
    TakenSpeaker,
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
    /// What was typed is taken, though it looks strange.
    TypedStrange {
        /// What it usually looks like.
        like: &'a str,
    },
    /// What was answered before somebody gave up.
    KeptSoFar {
        /// Where it is kept.
        path: &'a str,
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
    /// The daemon went before the call did.
    Interrupted,
    /// No call could be picked up.
    NothingRings,
    /// No call could be hung up.
    NothingToHangUp,
    /// No call is there that could be meant.
    NoCallForThat,
    /// A call is at a number that it was moved to.
    AtNumber,
    /// A call is in a conference.
    InConference,
    /// The near end turned it away.
    Rejected,
    /// Whoever called is on the block list.
    Blocked,
    /// The far end was busy.
    Busy,
    /// It lasted as long as a call may.
    TooLong,
    /// The caller left a message.
    LeftMessage,
    /// The far end waits.
    Held,
    /// Several meet at the desk.
    Merged,
    /// The microphone is kept from the far end.
    Muted,
    /// The call is being recorded.
    Recording,
    /// Its recording pauses.
    RecordingPaused,
    /// The desk does not ring.
    NotDisturbed,
    /// The timetable keeps the desk from ringing.
    QuietTime {
        /// Until when, where that is known.
        until: Option<&'a str>,
    },
    /// The desk rings.
    Disturbed,
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
        /// What becomes of the calls meanwhile.
        then: &'a str,
    },
    /// The desk has no sound card at all.
    DeskWithoutCard {
        /// What becomes of the calls meanwhile.
        then: &'a str,
    },
    /// There is no sound card, where devices are tried.
    NoSoundCard,
    /// The browsers take the calls, after "until it does".
    BrowsersTakeThem,
    /// Nobody takes the calls, after "until it does".
    DeskTakesNone,
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
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests;
