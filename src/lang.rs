//! What is said to people, in English and in French.
//!
//! Texts for the terminal live here, and so does why `status`, `answer` and `hangup` cannot do what they were asked. The
//! log, the help, what is wrong with settings, and the causes that other programs give speak English only, so that they
//! can be searched for; so do the words `error`, `hint` and `warning` before a sentence.

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
    /// It is the sound system's default for capturing.
    DefaultMicrophone,
    /// It is the sound system's default for playing.
    DefaultSpeaker,
    /// A tone is being played.
    TonePlays,
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

    fn english(self) -> String {
        match self {
            Message::Listening { address } => format!("listening on {address}"),
            Message::PublicOrigin { origin } => format!("Twilio reaches it at {origin}"),
            Message::ApiKeyFile { path } => format!("the API key is in {path}"),
            Message::CtrlCEnds => "Ctrl-C ends it".to_owned(),
            Message::Keys => "Enter picks up, h and Enter hangs up".to_owned(),
            Message::NoEmergencies => {
                "emergency numbers cannot be called from here: use another telephone for them"
                    .to_owned()
            }
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
            Message::MicrophoneStandIn { why } => {
                format!("no microphone answers: {why}; a file stands in for it")
            }
            Message::SpeakerStandIn { why } => {
                format!("no speaker answers: {why}; a file stands in for it")
            }
            Message::OtherPort { port } => format!("port {port} is taken, so another one is used"),
            Message::PicksUpIn { seconds } => {
                format!("it is picked up in {seconds} s; Enter picks up at once")
            }
            Message::SpeakAfterTone => {
                "after the tone, speak for three seconds: you will hear yourself".to_owned()
            }
            Message::NeverTalked => "nobody picked up".to_owned(),
            Message::EnterCallsAgain => "Enter makes the simulator call again".to_owned(),
            Message::CommandCallsAgain { command } => {
                format!("to be called from another terminal:\n  {command}")
            }
            Message::CommandTellsState { command } => {
                format!("to see from there what it does:\n  {command}")
            }
            Message::MeasuredFrames { down, up } => {
                format!("frames     {down} to the speaker, {up} from the microphone")
            }
            Message::MeasuredGaps {
                dry,
                missing_ms,
                dropped,
            } => format!(
                "gaps       ran dry {dry}×, {missing_ms} ms never came, frames not sent: {dropped}"
            ),
            Message::MeasuredBuffer { depth, most, shed } => format!(
                "buffer     {depth:.0} ms deep, {most:.0} ms at most, {shed} ms thrown away"
            ),
            Message::MeasuredDelays { up, down, back } => format!(
                "delay      {up:.1} ms microphone to caller, {down:.1} ms caller to speaker, {back:.1} ms there and back"
            ),
            Message::NoDelays => "delay      not measured".to_owned(),
            Message::MeasuredLate { late, timer } => format!(
                "late       {late} frames by more than 5 ms (a bare timer beside them: {timer})"
            ),
            Message::MicrophoneFile { path } => format!("microphone {path}"),
            Message::SpeakerFile { path } => format!("speaker    {path}"),
            Message::CallerFile { path } => format!("the caller heard {path}"),
            Message::NoDevices => "no sound system shows a device".to_owned(),
            Message::OwnDevices => "everywhere: none, loopback, file:PATH.wav".to_owned(),
            Message::Captures { rate, channels } => {
                format!("captures {rate} Hz, channels: {channels}")
            }
            Message::Plays { rate, channels } => format!("plays {rate} Hz, channels: {channels}"),
            Message::DefaultMicrophone => "default microphone".to_owned(),
            Message::DefaultSpeaker => "default speaker".to_owned(),
            Message::TonePlays => {
                "a tone is played for a second; speak to see the level".to_owned()
            }
            Message::Level { decibel } => format!("level {decibel:.0} dB"),
            Message::SettingsMissing { count: 1 } => {
                "One setting is missing; Enter alone gives up.".to_owned()
            }
            Message::SettingsMissing { count } => {
                format!("{count} settings are missing; Enter alone gives up.")
            }
            Message::LooksLike { what } => format!("it looks like: {what}"),
            Message::FoundIn { place } => format!("you find it in: {place}"),
            Message::TypedWrong { why } => format!("that will not do, it {why}"),
            Message::OnlyThisMachine { origin } => format!(
                "PUBLIC_URL is not set: webhooks are expected at {origin}, where Twilio itself cannot reach them"
            ),
            Message::SignaturesUnchecked => {
                "WEBHOOKS ARE NOT CHECKED (--insecure-no-signature): whoever reaches the port can ring, and dial at your cost"
                    .to_owned()
            }
            Message::AtDesk => "desk".to_owned(),
            Message::InBrowser => "browser".to_owned(),
            Message::HungUpHere => "hung up here".to_owned(),
            Message::HungUpThere => "hung up there".to_owned(),
            Message::NotAnswered => "not answered".to_owned(),
            Message::Refused => "refused".to_owned(),
            Message::Failed => "failed".to_owned(),
            Message::StreamLost => "stream lost".to_owned(),
            Message::NothingRings => "no call is ringing".to_owned(),
            Message::NothingToHangUp => "there is no call to hang up".to_owned(),
            Message::NoSuchCall => "there is no such call".to_owned(),
            Message::WrongState => "the call is not in a state for that".to_owned(),
            Message::StatusSays { calls } => format!("`offhook status` says: {calls}"),
            Message::NoDaemon => "no daemon is running here".to_owned(),
            Message::StartDaemon => {
                "start it with `offhook serve`, or name its folder with --data-dir".to_owned()
            }
            Message::SocketPathTooLong { most } => {
                format!("the path of the control socket is longer than {most} bytes")
            }
            Message::ShorterPath => "choose a shorter path with OFFHOOK_SOCKET".to_owned(),
            Message::DaemonBroken => "the daemon cannot be asked".to_owned(),
            Message::DaemonHangs => "the daemon belongs to another user, or hangs".to_owned(),
            Message::DaemonStranger => {
                "whoever listens there is no Offhook of this version".to_owned()
            }
            Message::RestartDaemon => {
                "restart the daemon, so that it is as new as this command".to_owned()
            }
            Message::EnterForThisMachine => "Enter: this machine only".to_owned(),
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
            Message::Keys => "Entrée pour décrocher, h puis Entrée pour raccrocher".to_owned(),
            Message::NoEmergencies => {
                "les numéros d'urgence ne peuvent pas être appelés d'ici : prenez un autre téléphone"
                    .to_owned()
            }
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
            Message::MicrophoneStandIn { why } => {
                format!("aucun micro ne répond : {why} ; un fichier le remplace")
            }
            Message::SpeakerStandIn { why } => {
                format!("aucun haut-parleur ne répond : {why} ; un fichier le remplace")
            }
            Message::OtherPort { port } => {
                format!("le port {port} est pris, un autre est donc utilisé")
            }
            Message::PicksUpIn { seconds } => {
                format!("décrochage dans {seconds} s ; Entrée pour décrocher tout de suite")
            }
            Message::SpeakAfterTone => {
                "après le bip, parlez trois secondes : vous vous entendrez".to_owned()
            }
            Message::NeverTalked => "personne n'a décroché".to_owned(),
            Message::EnterCallsAgain => "Entrée pour être rappelé par le simulateur".to_owned(),
            Message::CommandCallsAgain { command } => {
                format!("pour être appelé depuis un autre terminal :\n  {command}")
            }
            Message::CommandTellsState { command } => {
                format!("pour voir de là ce qu'il fait :\n  {command}")
            }
            Message::MeasuredFrames { down, up } => {
                format!("trames       {down} vers le haut-parleur, {up} depuis le micro")
            }
            Message::MeasuredGaps {
                dry,
                missing_ms,
                dropped,
            } => format!(
                "trous        tampon vide {dry}×, {missing_ms} ms jamais venues, trames non envoyées : {dropped}"
            ),
            Message::MeasuredBuffer { depth, most, shed } => {
                format!("tampon       {depth:.0} ms, au plus {most:.0} ms, {shed} ms jetées")
            }
            Message::MeasuredDelays { up, down, back } => format!(
                "délai        {up:.1} ms du micro à l'appelant, {down:.1} ms de l'appelant au haut-parleur, {back:.1} ms aller-retour"
            ),
            Message::NoDelays => "délai        non mesuré".to_owned(),
            Message::MeasuredLate { late, timer } => format!(
                "retards      {late} trames de plus de 5 ms (une simple horloge à côté : {timer})"
            ),
            Message::MicrophoneFile { path } => format!("micro        {path}"),
            Message::SpeakerFile { path } => format!("haut-parleur {path}"),
            Message::CallerFile { path } => format!("l'appelant a entendu {path}"),
            Message::NoDevices => "aucun système de son ne montre de périphérique".to_owned(),
            Message::OwnDevices => "partout : none, loopback, file:CHEMIN.wav".to_owned(),
            Message::Captures { rate, channels } => {
                format!("capte {rate} Hz, canaux : {channels}")
            }
            Message::Plays { rate, channels } => format!("joue {rate} Hz, canaux : {channels}"),
            Message::DefaultMicrophone => "micro par défaut".to_owned(),
            Message::DefaultSpeaker => "haut-parleur par défaut".to_owned(),
            Message::TonePlays => {
                "un son est joué une seconde ; parlez pour voir le niveau".to_owned()
            }
            Message::Level { decibel } => format!("niveau {decibel:.0} dB"),
            Message::SettingsMissing { count: 1 } => {
                "Il manque un réglage ; Entrée seule pour abandonner.".to_owned()
            }
            Message::SettingsMissing { count } => {
                format!("Il manque {count} réglages ; Entrée seule pour abandonner.")
            }
            Message::LooksLike { what } => format!("forme : {what}"),
            Message::FoundIn { place } => format!("à trouver dans : {place}"),
            Message::TypedWrong { why } => format!("cela ne va pas, il faut : {why}"),
            Message::OnlyThisMachine { origin } => format!(
                "PUBLIC_URL n'est pas défini : les webhooks sont attendus à {origin}, hors de portée de Twilio"
            ),
            Message::SignaturesUnchecked => {
                "LES WEBHOOKS NE SONT PAS VÉRIFIÉS (--insecure-no-signature) : quiconque atteint le port peut faire sonner, et appeler à vos frais"
                    .to_owned()
            }
            Message::AtDesk => "au bureau".to_owned(),
            Message::InBrowser => "dans le navigateur".to_owned(),
            Message::HungUpHere => "raccroché ici".to_owned(),
            Message::HungUpThere => "raccroché par l'autre".to_owned(),
            Message::NotAnswered => "sans réponse".to_owned(),
            Message::Refused => "refusé".to_owned(),
            Message::Failed => "échoué".to_owned(),
            Message::StreamLost => "son perdu".to_owned(),
            Message::NothingRings => "aucun appel ne sonne".to_owned(),
            Message::NothingToHangUp => "il n'y a aucun appel à raccrocher".to_owned(),
            Message::NoSuchCall => "cet appel n'existe pas".to_owned(),
            Message::WrongState => "l'état de l'appel ne le permet pas".to_owned(),
            Message::StatusSays { calls } => format!("`offhook status` dit : {calls}"),
            Message::NoDaemon => "aucun démon ne tourne ici".to_owned(),
            Message::StartDaemon => {
                "lancez-le avec `offhook serve`, ou nommez son dossier avec --data-dir".to_owned()
            }
            Message::SocketPathTooLong { most } => {
                format!("le chemin de la socket de contrôle dépasse {most} octets")
            }
            Message::ShorterPath => "choisissez un chemin plus court avec OFFHOOK_SOCKET".to_owned(),
            Message::DaemonBroken => "le démon ne peut pas être interrogé".to_owned(),
            Message::DaemonHangs => {
                "le démon appartient à quelqu'un d'autre, ou ne répond plus".to_owned()
            }
            Message::DaemonStranger => {
                "ce qui écoute là n'est pas un Offhook de cette version".to_owned()
            }
            Message::RestartDaemon => {
                "relancez le démon, qu'il soit aussi récent que cette commande".to_owned()
            }
            Message::EnterForThisMachine => "Entrée : cette machine seulement".to_owned(),
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
            Message::DefaultMicrophone,
            Message::DefaultSpeaker,
            Message::TonePlays,
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
