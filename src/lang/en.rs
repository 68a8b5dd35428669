//! Every sentence in English.

use super::{Message, clock, whole};

impl Message<'_> {
    pub(super) fn english(self) -> String {
        match self {
            Message::Listening { address } => format!("listening on {address}"),
            Message::PublicOrigin { origin } => format!("Twilio reaches it at {origin}"),
            Message::ReachedFromHere => {
                "only this machine reaches it: PUBLIC_URL is not set".to_owned()
            }
            Message::ApiKeyFile { path } => format!("the API key is in {path}"),
            Message::CtrlCEnds => "Ctrl-C ends it".to_owned(),
            Message::Keys => "Enter picks up, h and Enter hangs up".to_owned(),
            Message::NoEmergencies => {
                "emergency numbers cannot be called from here: use another telephone for them"
                    .to_owned()
            }
            Message::CallRings { from } => format!("{from} is calling"),
            Message::CallRingsHere { from } => format!("{from} is calling (Enter picks up)"),
            Message::CallAnswered { party } => format!("talking with {party}"),
            Message::CallAtVoicemail { party } => {
                format!("{party} hears the greeting and may leave a message")
            }
            Message::CallAnsweredElsewhere { party } => format!("{party} talks elsewhere"),
            Message::CallEnded { party } => format!("the call with {party} is over"),
            Message::CallEndedFor { party, why } => {
                format!("the call with {party} is over: {why}")
            }
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
            Message::StateVoicemail => "at voicemail".to_owned(),
            Message::StateEnded => "ended".to_owned(),
            Message::QualityExcellent => "excellent".to_owned(),
            Message::QualityGood => "good".to_owned(),
            Message::QualityFair => "fair".to_owned(),
            Message::QualityPoor => "poor".to_owned(),
            Message::CallRating {
                word,
                now,
                mean,
                worst,
                network,
            } => format!(
                "quality    {word} on the whole: MOS {mean:.1}, {now:.1} now, {worst:.1} at worst, without the network's own \
                 delay{}",
                network.map_or_else(String::new, |ms| format!(" ({ms:.0} ms there and back)"))
            ),
            Message::CallDelays { up, down, caller } => format!(
                "delay      {} from the microphone to the network, {} more held there, {} from there to the speaker (means \
                 of two seconds)",
                whole(up, "ms"),
                whole(caller, "ms"),
                whole(down, "ms")
            ),
            Message::CallArrivals {
                jitter,
                late,
                waiting,
            } => format!(
                "arrival    jitter {}, 95 % at most {} late, {} waiting to be played at this moment",
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
                "concealed  {concealed_ms} ms of {}, {hurried_ms} ms caught up, {shed_ms} ms thrown away",
                clock(time)
            ),
            Message::CallerGaps {
                hurried_ms,
                dropped_ms,
            } => format!(
                "for them   {hurried_ms} ms caught up on the way to the caller, {dropped_ms} ms thrown away"
            ),
            Message::CallLoudness { far, near } => format!(
                "loudness   far end {}, microphone {}",
                whole(far, "dB"),
                whole(near, "dB")
            ),
            Message::CallEcho { loss, reduction } => format!(
                "echo       {loss:.0} dB below what is played, and {reduction:.0} dB more taken away"
            ),
            Message::CallClocks { pairs } => format!("clocks     {pairs}"),
            Message::NoPastCalls => "no call is remembered yet".to_owned(),
            Message::TalkedFor { time } => format!("talked {}", clock(time)),
            Message::RatingInShort { word, mos, worst } => {
                format!("{word} (MOS {mos:.1}, {worst:.1} at worst)")
            }
            Message::ConcealedInShort { ms } => format!("{ms} ms concealed"),
            Message::DelayInShort { up, down } => format!(
                "delay {} up, {} down",
                whole(up, "ms"),
                whole(down, "ms")
            ),
            Message::MicrophoneStandIn { why } => {
                format!("no microphone answers: {why}; a file stands in for it")
            }
            Message::SpeakerStandIn { why } => {
                format!("no speaker answers: {why}; a file stands in for it")
            }
            Message::CardStandIn => {
                "there is no sound card here; files stand in for microphone and speaker".to_owned()
            }
            Message::OtherPort { port } => format!("port {port} is taken, so another one is used"),
            Message::PicksUpIn { seconds } => {
                format!("it is picked up in {seconds} s; Enter picks up at once")
            }
            Message::SpeakAfterTone => {
                "after the tone, speak for three seconds: you will hear yourself".to_owned()
            }
            Message::NeverTalked => "nobody picked up".to_owned(),
            Message::EnterCallsAgain => "Enter makes the simulator call again, Ctrl-C ends it".to_owned(),
            Message::CommandCallsAgain { command } => {
                format!("to be called from another terminal:\n  {command}")
            }
            Message::CommandTellsState { command } => {
                format!("to see from there what it does:\n  {command}")
            }
            Message::PageAt { address } => format!("its page is at {address}"),
            Message::AllWell => {
                "all well: the call went both ways, and Twilio would not complain".to_owned()
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
            Message::MicrophoneFile { path } => format!("microphone {path} spoke in your place"),
            Message::SpeakerFile { path } => format!(
                "speaker    {path} is what you would have heard: play it with `aplay` or any other player. Between calls it \
                 does not grow"
            ),
            Message::CallerFile { path } => format!("the caller heard {path}"),
            Message::NoDevices => "no sound system shows a device".to_owned(),
            Message::OwnDevices => "everywhere: none, loopback, file:PATH.wav".to_owned(),
            Message::Captures { rate, channels } => {
                format!("captures {rate} Hz, channels: {channels}")
            }
            Message::Plays { rate, channels } => format!("plays {rate} Hz, channels: {channels}"),
            Message::TakenMicrophone => "this is the microphone".to_owned(),
            Message::TakenSpeaker => "this is the speaker".to_owned(),
            Message::Playing { name } => format!("{name} is played"),
            Message::MicrophoneBroken { why } => format!("the microphone does not work: {why}"),
            Message::SpeakerBroken { why } => format!("the speaker does not work: {why}"),
            Message::ChooseDevices { flags } => {
                format!("`offhook devices` lists what there is; choose with {flags}")
            }
            Message::NoSuchTone { tone } => format!("this country has no {tone} tone"),
            Message::EveryTone => "--country us has every tone".to_owned(),
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
            Message::TypedStrange { like } => {
                format!("taken, though it is not {like}: look at it again if Twilio refuses it")
            }
            Message::KeptSoFar { path } => {
                format!("what you have answered is in {path}; the next start asks for the rest")
            }
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
            Message::Interrupted => "interrupted".to_owned(),
            Message::NothingRings => "no call is ringing".to_owned(),
            Message::NothingToHangUp => "there is no call to hang up".to_owned(),
            Message::NoCallForThat => "there is no call with which that could be done".to_owned(),
            Message::AtNumber => "at another number".to_owned(),
            Message::InConference => "in a conference".to_owned(),
            Message::Rejected => "turned away".to_owned(),
            Message::Blocked => "blocked".to_owned(),
            Message::Busy => "busy".to_owned(),
            Message::TooLong => "as long as a call may last".to_owned(),
            Message::LeftMessage => "left a message".to_owned(),
            Message::Held => "on hold".to_owned(),
            Message::Merged => "with others".to_owned(),
            Message::Muted => "muted".to_owned(),
            Message::Recording => "recorded".to_owned(),
            Message::QuietTime { until: Some(until) } => {
                format!("quiet time until {until}: the desk rings for exceptions only")
            }
            Message::QuietTime { until: None } => {
                "quiet time: the desk rings for exceptions only".to_owned()
            }
            Message::RecordingPaused => "recording paused".to_owned(),
            Message::NotDisturbed => "do not disturb: the desk does not ring".to_owned(),
            Message::Disturbed => "the desk rings".to_owned(),
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
            Message::DeskBroken { device, why, then } => format!(
                "the {device} does not work: {why}; until it does, {then}. `offhook devices` lists what there is"
            ),
            Message::DeskWithoutCard { then } => format!(
                "there is no sound card here; until there is one, {then}. `--capture none --playout none` do without, and \
                 file:PATH.wav takes the place of either"
            ),
            Message::NoSoundCard => {
                "there is no sound card here; none and file:PATH.wav take the place of one".to_owned()
            }
            Message::BrowsersTakeThem => "calls go to the browsers".to_owned(),
            Message::DeskTakesNone => "nobody here can take a call".to_owned(),
            Message::DemoRuns { folder } => {
                format!("the demonstration that runs here is asked with --data-dir {folder}")
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
}
