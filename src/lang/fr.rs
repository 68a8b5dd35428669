//! Every sentence in French.

use super::{Message, clock, whole};

impl Message<'_> {
    pub(super) fn french(self) -> String {
        match self {
            Message::Listening { address } => format!("à l'écoute sur {address}"),
            Message::PublicOrigin { origin } => format!("Twilio l'atteint à {origin}"),
            Message::ReachedFromHere => {
                "seule cette machine l'atteint : PUBLIC_URL n'est pas défini".to_owned()
            }
            Message::ApiKeyFile { path } => format!("la clé de l'API se trouve dans {path}"),
            Message::CtrlCEnds => "Ctrl-C pour arrêter".to_owned(),
            Message::Keys => "Entrée pour décrocher, h puis Entrée pour raccrocher".to_owned(),
            Message::NoEmergencies => {
                "les numéros d'urgence ne peuvent pas être appelés d'ici : prenez un autre téléphone"
                    .to_owned()
            }
            Message::CallRings { from } => format!("appel de {from}"),
            Message::CallRingsHere { from } => {
                format!("appel de {from} (Entrée pour décrocher)")
            }
            Message::CallAnswered { party } => format!("en communication avec {party}"),
            Message::CallAtVoicemail { party } => {
                format!("{party} entend l'annonce et peut laisser un message")
            }
            Message::CallAnsweredElsewhere { party } => {
                format!("{party} est en communication ailleurs")
            }
            Message::CallEnded { party } => format!("la communication avec {party} est terminée"),
            Message::CallEndedFor { party, why } => {
                format!("la communication avec {party} est terminée : {why}")
            }
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
            Message::StateVoicemail => "sur la messagerie".to_owned(),
            Message::StateEnded => "terminé".to_owned(),
            Message::QualityExcellent => "excellente".to_owned(),
            Message::QualityGood => "bonne".to_owned(),
            Message::QualityFair => "passable".to_owned(),
            Message::QualityPoor => "mauvaise".to_owned(),
            Message::CallRating {
                word,
                now,
                mean,
                worst,
                network,
            } => format!(
                "qualité     {word} en moyenne : MOS {}, {} à présent, {} au pire, sans le délai du réseau lui-même{}",
                comma(mean),
                comma(now),
                comma(worst),
                network.map_or_else(String::new, |ms| format!(" ({ms:.0} ms aller-retour)"))
            ),
            Message::CallDelays { up, down, caller } => format!(
                "délai       {} du micro au réseau, {} de plus retenues là, {} de là au haut-parleur (moyennes de \
                 deux secondes)",
                whole(up, "ms"),
                whole(caller, "ms"),
                whole(down, "ms")
            ),
            Message::CallArrivals {
                jitter,
                late,
                waiting,
            } => format!(
                "arrivées    gigue {}, 95 % en retard de {} au plus, {} en attente à cet instant",
                whole(jitter, "ms"),
                whole(late, "ms"),
                whole(waiting, "ms")
            ),
            Message::CallGaps {
                concealed_ms,
                hurried_ms,
                shed_ms,
                time,
            } => format!(
                "comblé      {concealed_ms} ms sur {}, {hurried_ms} ms rattrapées, {shed_ms} ms jetées",
                clock(time)
            ),
            Message::CallerGaps {
                hurried_ms,
                dropped_ms,
            } => format!(
                "chez l'autre {hurried_ms} ms rattrapées en chemin, {dropped_ms} ms jetées"
            ),
            Message::CallLoudness { far, near } => format!(
                "niveaux     correspondant {}, micro {}",
                whole(far, "dB"),
                whole(near, "dB")
            ),
            Message::CallEcho { loss, reduction } => format!(
                "écho        {loss:.0} dB sous ce qui est joué, et {reduction:.0} dB de moins encore"
            ),
            Message::CallClocks { pairs } => format!("horloges    {pairs}"),
            Message::NoPastCalls => "aucun appel n'est encore retenu".to_owned(),
            Message::TalkedFor { time } => format!("conversation {}", clock(time)),
            Message::RatingInShort { word, mos, worst } => format!(
                "qualité {word} (MOS {}, au pire {})",
                comma(mos),
                comma(worst)
            ),
            Message::ConcealedInShort { ms } => format!("{ms} ms comblées"),
            Message::DelayInShort { up, down } => format!(
                "délai {} à l'aller, {} au retour",
                whole(up, "ms"),
                whole(down, "ms")
            ),
            Message::MicrophoneStandIn { why } => {
                format!("aucun micro ne répond : {why} ; un fichier le remplace")
            }
            Message::SpeakerStandIn { why } => {
                format!("aucun haut-parleur ne répond : {why} ; un fichier le remplace")
            }
            Message::CardStandIn => {
                "il n'y a pas de carte son ici ; des fichiers remplacent micro et haut-parleur"
                    .to_owned()
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
            Message::EnterCallsAgain => "Entrée pour être rappelé par le simulateur, Ctrl-C pour arrêter".to_owned(),
            Message::CommandCallsAgain { command } => {
                format!("pour être appelé depuis un autre terminal :\n  {command}")
            }
            Message::CommandTellsState { command } => {
                format!("pour voir de là ce qu'il fait :\n  {command}")
            }
            Message::PageAt { address } => format!("sa page se trouve à {address}"),
            Message::AllWell => {
                "tout va bien : l'appel est passé dans les deux sens, et Twilio n'aurait rien à redire".to_owned()
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
            Message::MicrophoneFile { path } => {
                format!("micro        {path} a parlé à votre place")
            }
            Message::SpeakerFile { path } => format!(
                "haut-parleur {path} contient ce que vous auriez entendu : écoutez-le avec `aplay` ou un autre lecteur. \
                 Entre deux appels, il ne grandit pas"
            ),
            Message::CallerFile { path } => format!("l'appelant a entendu {path}"),
            Message::NoDevices => "aucun système de son ne montre de périphérique".to_owned(),
            Message::OwnDevices => "partout : none, loopback, file:CHEMIN.wav".to_owned(),
            Message::Captures { rate, channels } => {
                format!("capte {rate} Hz, canaux : {channels}")
            }
            Message::Plays { rate, channels } => format!("joue {rate} Hz, canaux : {channels}"),
            Message::TakenMicrophone => "c'est le micro".to_owned(),
            Message::TakenSpeaker => "c'est le haut-parleur".to_owned(),
            Message::Playing { name } => format!("lecture : {name}"),
            Message::MicrophoneBroken { why } => format!("le micro ne fonctionne pas : {why}"),
            Message::SpeakerBroken { why } => {
                format!("le haut-parleur ne fonctionne pas : {why}")
            }
            Message::ChooseDevices { flags } => {
                format!("`offhook devices` montre ce qu'il y a ; choisissez avec {flags}")
            }
            Message::NoSuchTone { tone } => format!("ce pays n'a pas de tonalité {tone}"),
            Message::EveryTone => "--country us a toutes les tonalités".to_owned(),
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
            Message::TypedStrange { like } => format!(
                "accepté, mais la forme habituelle est : {like} ; à vérifier si Twilio le refuse"
            ),
            Message::KeptSoFar { path } => format!(
                "vos réponses sont déjà dans {path} ; le prochain démarrage demandera le reste"
            ),
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
            Message::Interrupted => "interrompu".to_owned(),
            Message::NothingRings => "aucun appel ne sonne".to_owned(),
            Message::NothingToHangUp => "il n'y a aucun appel à raccrocher".to_owned(),
            Message::NoCallForThat => "aucun appel ne s'y prête".to_owned(),
            Message::AtNumber => "à un autre numéro".to_owned(),
            Message::InConference => "en conférence".to_owned(),
            Message::Rejected => "refusé ici".to_owned(),
            Message::Blocked => "bloqué".to_owned(),
            Message::Busy => "occupé".to_owned(),
            Message::TooLong => "durée maximale atteinte".to_owned(),
            Message::LeftMessage => "a laissé un message".to_owned(),
            Message::Held => "en attente".to_owned(),
            Message::Merged => "à plusieurs".to_owned(),
            Message::Muted => "micro coupé".to_owned(),
            Message::Recording => "enregistré".to_owned(),
            Message::QuietTime { until: Some(until) } => {
                format!("heures calmes jusqu'au {until} : seules les exceptions sonnent au poste")
            }
            Message::QuietTime { until: None } => {
                "heures calmes : seules les exceptions sonnent au poste".to_owned()
            }
            Message::RecordingPaused => "enregistrement en pause".to_owned(),
            Message::NotDisturbed => "ne pas déranger : le poste ne sonne pas".to_owned(),
            Message::Disturbed => "le poste sonne".to_owned(),
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
            Message::DeskBroken { device, why, then } => format!(
                "le {device} ne marche pas : {why} ; en attendant, {then}. `offhook devices` montre ce qu'il y a"
            ),
            Message::DeskWithoutCard { then } => format!(
                "il n'y a pas de carte son ici ; en attendant, {then}. `--capture none --playout none` s'en passent, et \
                 file:CHEMIN.wav remplace l'un ou l'autre"
            ),
            Message::NoSoundCard => {
                "il n'y a pas de carte son ici ; none et file:CHEMIN.wav en tiennent lieu".to_owned()
            }
            Message::BrowsersTakeThem => "les appels vont aux navigateurs".to_owned(),
            Message::DeskTakesNone => "personne ici ne peut prendre d'appel".to_owned(),
            Message::DemoRuns { folder } => {
                format!("la démonstration qui tourne ici s'interroge avec --data-dir {folder}")
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

/// Writes a score with its comma.
fn comma(score: f32) -> String {
    format!("{score:.1}").replace('.', ",")
}
