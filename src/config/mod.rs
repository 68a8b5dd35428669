//! The settings: flags over environment over `.env` over a TOML file over defaults.
//!
//! [`table`] lists every setting; [`Sources`] holds what they are read from; [`Settings::load`] turns one into the other
//! without touching the machine, and tells everything that is wrong at once. It prints nothing.

pub(crate) mod dotenv;
pub mod live;
mod origin;
mod problem;
mod source;
mod suggest;
pub mod table;
mod unanswered;
mod value;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

pub use origin::Origin;
pub use problem::{Problem, SettingsError};
pub use source::{DOTENV, Local, Place, Sources, TextFile};

use crate::lang::Lang;
use crate::pure::audio::MostDelay;
use crate::pure::audio::comfort::{Comfort, Loudest};
use crate::pure::audio::device::{AudioSettings, StageChoice};
use crate::pure::audio::tone::Country;
use crate::pure::book::history::HistoryLimits;
use crate::pure::book::quiet::QuietTimes;
use crate::pure::handset::HandsetChoice;
use crate::pure::hook::Hook;
use crate::pure::ids::PhoneNumber;
use crate::pure::phone::{AutoAnswer, Forwarding, RecordNotice, Ring, Voicemail};
use crate::pure::recording::Format;
use crate::pure::recording::keep::Retention;
use source::Reader;

/// A text that is never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The credentials of the account at Twilio.
#[derive(Clone, Debug)]
pub struct TwilioAccount {
    /// `AC…`
    pub account_sid: String,
    /// `SK…`
    pub api_key: String,
    /// The API key's secret.
    pub api_secret: Secret,
    /// `AP…`
    pub twiml_app_sid: String,
    /// The line's number.
    pub phone_number: PhoneNumber,
    /// Where its REST API is.
    pub api_base_url: url::Url,
}

/// Where an MQTT broker is, and who asks it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Its host: a name, or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Who asks.
    pub user: Option<String>,
}

/// What is told over MQTT, and to whom.
#[derive(Clone, Debug)]
pub struct MqttSettings {
    /// The broker.
    pub broker: Broker,
    /// The password of whoever asks.
    pub password: Option<Secret>,
    /// The topic under which Home Assistant discovers devices.
    pub prefix: String,
    /// The telephone's name among the topics.
    pub node: String,
}

/// Everything that `serve` needs, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account.
    pub twilio: TwilioAccount,
    /// The auth tokens that sign webhooks: primary, and next during a rotation. Empty only with
    /// `insecure_no_signature`.
    pub auth_tokens: Vec<Secret>,
    /// Whether webhooks that nobody signed are taken (`--insecure-no-signature`): on loopback addresses only.
    pub insecure_no_signature: bool,
    /// The origin that Twilio sees, and signs.
    pub public_url: Origin,
    /// Whether that origin is only `http://127.0.0.1:PORT` for want of another: with port 0 it follows the port.
    pub public_url_by_default: bool,
    /// Where to listen. 3000 by default; 0: any free port.
    pub port: u16,
    /// On which addresses.
    pub bind: Vec<IpAddr>,
    /// Whether `bind` is only the default: then an address that the machine lacks is no failure.
    pub bind_by_default: bool,
    /// The key of the person's door; nothing: one is made, and kept in the data folder.
    pub api_key: Option<Secret>,
    /// Where socket, database, lock and key lie.
    pub data_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Who rings.
    pub ring: Ring,
    /// How long the desk rings.
    pub ring_for: Duration,
    /// How long the browsers ring.
    pub browsers_ring_for: Duration,
    /// Where callers are forwarded to.
    pub forwarding: Forwarding,
    /// How messages are taken.
    pub voicemail: Voicemail,
    /// When the desk does not ring, and for whom it does all the same.
    pub quiet: QuietTimes,
    /// Whether the desk answers by itself.
    pub auto_answer: AutoAnswer,
    /// Whether the desk rings for a further caller while it talks.
    pub call_waiting: bool,
    /// How long a call at the desk may last.
    pub longest_call: Duration,
    /// The devices.
    pub audio: AudioSettings,
    /// Whose keys are used.
    pub handset: HandsetChoice,
    /// Further host names of the person's door.
    pub hosts: Vec<String>,
    /// How people are spoken to.
    pub lang: Lang,
    /// Whose tones are used.
    pub country: Country,
    /// How long a token, and with it a registration, lives: 1 h by default, at most 24 h.
    pub token_ttl: Duration,
    /// How long the history of calls is.
    pub history: HistoryLimits,
    /// How calls are recorded.
    pub record_format: Format,
    /// How far ends learn that they are recorded.
    pub record_notice: RecordNotice,
    /// How long recordings are kept.
    pub retention: Retention,
    /// The programs that run when something happens.
    pub hooks: Vec<Hook>,
    /// The MQTT broker that is told, if one is.
    pub mqtt: Option<MqttSettings>,
    /// Where the transcript of the next stream is kept.
    pub record_stream: Option<PathBuf>,
    /// The filter of the log.
    pub log: String,
    /// Where each setting stands; empty where nothing was read.
    pub told: Vec<live::Told>,
}

/// Sentences for the person about settings that are strange, but go.
pub type Warnings = Vec<String>;

impl Settings {
    /// Reads everything that `serve` needs.
    ///
    /// # Errors
    /// Everything that is missing, malformed or unknown, at once.
    pub fn load(sources: &Sources) -> Result<(Settings, Warnings), SettingsError> {
        let mut reader = Reader::new(sources);
        let settings = Settings::read(&mut reader, sources.insecure_no_signature);
        match settings {
            Some(settings) if reader.is_fine() => Ok((settings, reader.warnings)),
            Some(_) | None => Err(reader.into_error()),
        }
    }

    /// Reads them one by one; whatever is wrong stays with the reader.
    fn read(reader: &mut Reader<'_>, insecure: bool) -> Option<Settings> {
        let twilio = read_account(reader);
        let auth_tokens = read_auth_tokens(reader, insecure);
        let port = reader
            .optional(&table::PORT, value::whole(0, u16::MAX))
            .unwrap_or(3000);
        let public_url = read_public_url(reader);
        let origin = public_url.clone().unwrap_or_else(|| Origin::loopback(port));
        if insecure && !origin.is_loopback() {
            reader.refuse(Problem::broken_file(
                "--insecure-no-signature is refused, since PUBLIC_URL is not this machine: \
                 everybody could then ring, and dial at your cost"
                    .to_owned(),
            ));
        }
        let bind = reader.optional(&table::OFFHOOK_BIND, value::list(value::address));
        if insecure && bind.iter().flatten().any(|address| !address.is_loopback()) {
            reader.refuse(Problem::broken_file(
                "--insecure-no-signature is refused, since OFFHOOK_BIND names an address that others reach: \
                 everybody could then ring, and dial at your cost"
                    .to_owned(),
            ));
        }
        let local = Local::read(reader);
        let (ring_for, auto_answer) = read_ringing(reader);
        let browsers_ring_for =
            reader.optional(&table::OFFHOOK_BROWSER_SECONDS, value::whole(5, 600));
        let own = twilio.as_ref().map(|twilio| &twilio.phone_number);
        let forwarding = unanswered::read_forwarding(reader, own);
        let voicemail = unanswered::read_voicemail(reader);
        let quiet = unanswered::read_quiet(reader);
        let ring = reader.optional(&table::OFFHOOK_RING, value::ring);
        let call_waiting = reader.optional(&table::OFFHOOK_CALL_WAITING, value::boolean);
        let longest_call = reader.optional(&table::OFFHOOK_LONGEST_CALL, value::whole(1, 1_440));
        let country = reader.optional(&table::OFFHOOK_COUNTRY, read_country);
        let api_key = reader.optional(&table::OFFHOOK_API_KEY, value::api_key);
        let hosts = reader.optional(&table::OFFHOOK_HOSTS, value::list(value::host));
        let token_ttl = reader.optional(&table::OFFHOOK_TOKEN_TTL, value::whole(60, 86_400));
        let history_days = reader.optional(&table::OFFHOOK_HISTORY_DAYS, value::whole(1, 36_500));
        let history_calls =
            reader.optional(&table::OFFHOOK_HISTORY_CALLS, value::whole(1, 1_000_000));
        let record_format = reader.optional(&table::OFFHOOK_RECORD_FORMAT, value::record_format);
        let retention = read_retention(reader);
        let record_notice = reader.optional(&table::OFFHOOK_RECORD_NOTICE, value::record_notice);
        let mqtt = read_mqtt(reader);
        let hooks = reader.take_hooks();
        let record_stream = reader.optional(&table::OFFHOOK_RECORD_STREAM, value::path);
        let audio = read_audio(reader);
        let handset = reader.optional(&table::OFFHOOK_HANDSET, value::handset);
        let (twilio, local) = (twilio?, local?);
        Some(Settings {
            auth_tokens,
            insecure_no_signature: insecure,
            public_url: origin,
            public_url_by_default: public_url.is_none(),
            port,
            bind_by_default: bind.is_none(),
            bind: bind
                .unwrap_or_else(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            api_key: api_key.map(Secret),
            data_dir: local.data_dir,
            socket: local.socket,
            ring: ring.unwrap_or_default(),
            ring_for,
            browsers_ring_for: browsers_ring_for.map_or(ring_for, Duration::from_secs),
            forwarding,
            voicemail,
            quiet,
            auto_answer,
            call_waiting: call_waiting.unwrap_or(true),
            longest_call: Duration::from_secs(60 * longest_call.unwrap_or(240)),
            audio,
            handset: handset.unwrap_or_default(),
            hosts: hosts.unwrap_or_default(),
            lang: local.lang,
            country: country.unwrap_or_else(|| Country::of_number(&twilio.phone_number)),
            token_ttl: Duration::from_secs(token_ttl.unwrap_or(3600)),
            history: HistoryLimits {
                days: history_days.unwrap_or(HistoryLimits::DEFAULT.days),
                calls: history_calls.unwrap_or(HistoryLimits::DEFAULT.calls),
            },
            record_format: record_format.unwrap_or_default(),
            record_notice: record_notice.unwrap_or_default(),
            retention,
            hooks,
            mqtt,
            record_stream,
            log: local.log,
            told: reader.told(),
            twilio,
        })
    }
}

/// Reads only the devices, for verbs that need no account.
///
/// # Errors
/// Everything that is wrong with them, and everything unknown.
pub fn load_audio(sources: &Sources) -> Result<AudioSettings, SettingsError> {
    let mut reader = Reader::new(sources);
    let audio = read_audio(&mut reader);
    if reader.is_fine() {
        Ok(audio)
    } else {
        Err(reader.into_error())
    }
}

/// Reads only whose tones are wanted, for verbs that need no account: the country that is set, else that of the line's
/// number, else North America.
///
/// # Errors
/// What is wrong with the country, and everything unknown.
pub fn load_country(sources: &Sources) -> Result<Country, SettingsError> {
    let mut reader = Reader::new(sources);
    let country = reader.optional(&table::OFFHOOK_COUNTRY, read_country);
    if !reader.is_fine() {
        return Err(reader.into_error());
    }
    // A number that cannot be read is no matter here.
    let number = Reader::new(sources).optional(&table::TWILIO_PHONE_NUMBER, read_number);
    Ok(country
        .or_else(|| number.as_ref().map(Country::of_number))
        .unwrap_or_default())
}

/// Reads only the port, for verbs that need no account; nothing where none is set.
///
/// # Errors
/// What is wrong with it, and everything unknown.
pub fn load_port(sources: &Sources) -> Result<Option<u16>, SettingsError> {
    let mut reader = Reader::new(sources);
    let port = reader.optional(&table::PORT, value::whole(0, u16::MAX));
    if reader.is_fine() {
        Ok(port)
    } else {
        Err(reader.into_error())
    }
}

/// What somebody needs to play the carrier's side against a server of this machine.
#[derive(Clone, Debug)]
pub struct CarrierSide {
    /// The token that signs; there where it was asked for.
    pub auth_token: Option<Secret>,
    /// `AC…`, where it is set.
    pub account_sid: Option<String>,
    /// `SK…` and its secret, where both are set and were asked for.
    pub api_key: Option<(String, Secret)>,
    /// The line's number, where it is set and was asked for.
    pub phone_number: Option<PhoneNumber>,
    /// The origin that the carrier sees, where it is set and was asked for.
    pub public_url: Option<Origin>,
    /// The port of the server; 3000 where none is set or asked for.
    pub port: u16,
    /// What is strange, but goes.
    pub warnings: Vec<String>,
}

/// Which settings the carrier's side is to read beside token and account: what a command line makes needless may be
/// another program's, and as strange as it likes.
#[derive(Clone, Copy, Debug)]
pub struct CarrierWants {
    /// That the token is there; otherwise it may be.
    pub token: bool,
    /// The server's port and public origin.
    pub server: bool,
    /// The line's number.
    pub number: bool,
    /// The API key.
    pub key: bool,
}

/// Reads what the carrier's side needs: the token must be there where it is wanted, the rest may be. Account, key and number that cannot be
/// used are left out with a warning: others can be made up.
///
/// # Errors
/// Everything that is wrong with the token, the port and the origin, and everything unknown.
pub fn load_carrier_side(
    sources: &Sources,
    wants: CarrierWants,
) -> Result<CarrierSide, SettingsError> {
    let mut reader = Reader::new(sources);
    let auth_token = if wants.token {
        reader.required(&table::TWILIO_AUTH_TOKEN, value::carrier_secret)
    } else {
        reader.optional(&table::TWILIO_AUTH_TOKEN, value::carrier_secret)
    };
    let (port, public_url) = if wants.server {
        let port = reader.optional(&table::PORT, value::whole(0, u16::MAX));
        (port, read_public_url(&mut reader))
    } else {
        (None, None)
    };
    let mut forgiving = Reader::new(sources);
    let account_sid = forgiving.optional(&table::TWILIO_ACCOUNT_SID, value::sid("AC"));
    let (mut api_key, mut phone_number) = (None, None);
    if wants.key {
        let key = forgiving.optional(&table::TWILIO_API_KEY, value::sid("SK"));
        let secret = forgiving.optional(&table::TWILIO_API_SECRET, value::carrier_secret);
        api_key = key.zip(secret.map(Secret));
    }
    if wants.number {
        phone_number = forgiving.optional(&table::TWILIO_PHONE_NUMBER, read_number);
    }
    // What is wrong with the files as a whole was told of by the first reader.
    let general = Reader::new(sources).into_error().problems().len();
    let mut warnings = std::mem::take(&mut reader.warnings);
    let left_out = forgiving.into_error();
    warnings.extend(left_out.problems().iter().skip(general).map(|problem| {
        let text = problem.to_string();
        let sentence = text.lines().next().unwrap_or_default();
        format!("{sentence}, and is left out")
    }));
    if !reader.is_fine() {
        return Err(reader.into_error());
    }
    Ok(CarrierSide {
        auth_token: auth_token.map(Secret),
        account_sid,
        api_key,
        phone_number,
        public_url,
        port: port.unwrap_or(3000),
        warnings,
    })
}

/// Takes the lines out of `.env` that cannot be read, and returns a warning for each: for verbs that work beside another
/// program's settings.
pub fn forgive_dotenv(sources: &mut Sources) -> Vec<String> {
    let Some(file) = &mut sources.dotenv else {
        return Vec::new();
    };
    let broken = dotenv::parse(&file.text).broken;
    let lines = file.text.lines().enumerate();
    let kept = lines.map(|(index, line)| {
        if broken.contains(&(index + 1)) {
            ""
        } else {
            line
        }
    });
    file.text = kept.collect::<Vec<_>>().join("\n");
    let warning = |line| {
        format!(
            "line {line} of `{}` is not `NAME=value`, and is left out",
            file.path.display()
        )
    };
    broken.into_iter().map(warning).collect()
}

/// Reads a setting of one line as [`Settings::load`] would, to check what a person has just typed.
///
/// # Errors
/// What is wrong with it, as a clause that follows the setting's name.
pub fn check_typed(setting: &'static table::Setting, text: &str) -> Result<(), String> {
    let nothing = |_| ();
    match setting.name {
        "TWILIO_ACCOUNT_SID" => value::sid("AC")(text).map(nothing),
        "TWILIO_API_KEY" => value::sid("SK")(text).map(nothing),
        "TWILIO_TWIML_APP_SID" => value::sid("AP")(text).map(nothing),
        "TWILIO_PHONE_NUMBER" => read_number(text).map(drop),
        "PUBLIC_URL" => Origin::parse(text).map(drop),
        _ => value::carrier_secret(text).map(nothing),
    }
}

/// Reads a key of the person's door as [`Settings::load`] would.
///
/// # Errors
/// What is wrong with it, as a clause that follows the key's name.
pub fn check_api_key(text: &str) -> Result<Secret, String> {
    value::api_key(text).map(Secret)
}

/// Reads the account.
fn read_account(reader: &mut Reader<'_>) -> Option<TwilioAccount> {
    let account_sid = reader.required(&table::TWILIO_ACCOUNT_SID, value::sid("AC"));
    let api_key = reader.required(&table::TWILIO_API_KEY, value::sid("SK"));
    let api_secret = reader.required(&table::TWILIO_API_SECRET, value::carrier_secret);
    let twiml_app_sid = reader.required(&table::TWILIO_TWIML_APP_SID, value::sid("AP"));
    let phone_number = reader.required(&table::TWILIO_PHONE_NUMBER, read_number);
    let api_base_url = reader.optional(&table::TWILIO_API_BASE_URL, value::api_base_url);
    Some(TwilioAccount {
        account_sid: account_sid?,
        api_key: api_key?,
        api_secret: Secret(api_secret?),
        twiml_app_sid: twiml_app_sid?,
        phone_number: phone_number?,
        api_base_url: api_base_url
            .or_else(|| value::api_base_url(table::TWILIO_API_BASE_URL.default).ok())?,
    })
}

/// Reads the number of the line.
fn read_number(text: &str) -> Result<PhoneNumber, String> {
    PhoneNumber::parse(text).map_err(|_| {
        if text.starts_with('+') {
            "is not 7 to 15 digits after the plus sign".to_owned()
        } else {
            "does not begin with a plus sign and the country's code".to_owned()
        }
    })
}

/// Reads whose tones are wanted.
fn read_country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| "is no country whose tones are known".to_owned())
}

/// Reads the tokens that webhooks are signed with; none when nothing is to be checked.
fn read_auth_tokens(reader: &mut Reader<'_>, insecure: bool) -> Vec<Secret> {
    let token = &table::TWILIO_AUTH_TOKEN;
    let primary = if insecure {
        reader.optional(token, value::carrier_secret)
    } else {
        reader.required(token, value::carrier_secret)
    };
    let next = reader.optional(&table::TWILIO_AUTH_TOKEN_NEXT, value::carrier_secret);
    if insecure {
        return Vec::new();
    }
    for (name, token) in [
        ("TWILIO_AUTH_TOKEN", &primary),
        ("TWILIO_AUTH_TOKEN_NEXT", &next),
    ] {
        let usual =
            |token: &String| token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit());
        if token.as_ref().is_some_and(|token| !usual(token)) {
            reader.warnings.push(format!(
                "{name} does not look like one of Twilio's auth tokens, which are 32 hexadecimal digits"
            ));
        }
    }
    primary.into_iter().chain(next).map(Secret).collect()
}

/// Reads the public origin: `PUBLIC_URL`, else its alias.
fn read_public_url(reader: &mut Reader<'_>) -> Option<Origin> {
    let named = reader.optional(&table::PUBLIC_URL, Origin::parse);
    let alias = reader.optional(&table::NGROK_URL, Origin::parse);
    if let (Some(named), Some(alias)) = (&named, &alias)
        && named != alias
    {
        reader.warnings.push(format!(
            "PUBLIC_URL ({}) and NGROK_URL ({}) differ: PUBLIC_URL is used",
            named.as_str(),
            alias.as_str()
        ));
    }
    named.or(alias)
}

/// Reads how the desk rings and answers.
fn read_ringing(reader: &mut Reader<'_>) -> (Duration, AutoAnswer) {
    let ring_for = reader
        .optional(&table::OFFHOOK_RING_SECONDS, value::whole(5, 600))
        .map_or(Duration::from_secs(20), Duration::from_secs);
    let auto_answer = reader
        .optional(&table::OFFHOOK_AUTO_ANSWER, value::auto_answer)
        .unwrap_or_default();
    if let AutoAnswer::After(delay) = auto_answer
        && delay >= ring_for
    {
        reader.warnings.push(format!(
            "the desk never answers by itself: OFFHOOK_AUTO_ANSWER waits {} s, and it rings only {} s \
             (OFFHOOK_RING_SECONDS)",
            delay.as_secs(),
            ring_for.as_secs()
        ));
    }
    (ring_for, auto_answer)
}

/// Reads how long recordings are kept.
fn read_retention(reader: &mut Reader<'_>) -> Retention {
    let days = reader.optional(&table::OFFHOOK_RECORD_DAYS, value::whole(0, 36_500));
    let megabytes = reader.optional(
        &table::OFFHOOK_RECORD_MEGABYTES,
        value::whole(0, 10_000_000),
    );
    Retention {
        longest: days
            .filter(|days: &u64| *days > 0)
            .map(|days| Duration::from_secs(days * 86_400)),
        most_bytes: megabytes
            .filter(|megabytes: &u64| *megabytes > 0)
            .map(|megabytes| megabytes * 1_000_000),
    }
}

/// Reads what is told over MQTT.
fn read_mqtt(reader: &mut Reader<'_>) -> Option<MqttSettings> {
    let broker = reader.optional(&table::OFFHOOK_MQTT_URL, value::mqtt_url);
    let password = reader.optional(&table::OFFHOOK_MQTT_PASSWORD, value::password);
    let prefix = reader.optional(&table::OFFHOOK_MQTT_PREFIX, value::topic);
    let node = reader.optional(&table::OFFHOOK_MQTT_NODE, value::node);
    let broker = broker?;
    if password.is_some() && broker.user.is_none() {
        reader.warnings.push(
            "OFFHOOK_MQTT_PASSWORD is not used, since OFFHOOK_MQTT_URL names no user".to_owned(),
        );
    } else if password.is_some() && !broker.tls && !is_this_machine(&broker.host) {
        reader.warnings.push(
            "OFFHOOK_MQTT_URL is plain mqtt://, which shows the password to everybody on the way: \
             mqtts:// does not, where the broker has it"
                .to_owned(),
        );
    }
    Some(MqttSettings {
        broker,
        password: password.map(Secret),
        prefix: prefix.unwrap_or_else(|| table::OFFHOOK_MQTT_PREFIX.default.to_owned()),
        node: node.unwrap_or_else(|| table::OFFHOOK_MQTT_NODE.default.to_owned()),
    })
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Reads which stages of the speakerphone are wanted.
fn read_stages(reader: &mut Reader<'_>) -> StageChoice {
    StageChoice {
        profile: reader
            .optional(&table::OFFHOOK_PROFILE, value::profile)
            .unwrap_or_default(),
        echo_canceller: reader.optional(&table::OFFHOOK_ECHO_CANCELLER, value::boolean),
        noise_suppression: reader.optional(&table::OFFHOOK_NOISE_SUPPRESSION, value::boolean),
        gain_control: reader.optional(&table::OFFHOOK_GAIN_CONTROL, value::boolean),
        high_pass: reader.optional(&table::OFFHOOK_HIGH_PASS, value::boolean),
    }
}

/// Reads the devices.
fn read_audio(reader: &mut Reader<'_>) -> AudioSettings {
    let capture = reader.optional(&table::OFFHOOK_CAPTURE, value::device);
    let playout = reader.optional(&table::OFFHOOK_PLAYOUT, value::device);
    let ringer = reader.optional(&table::OFFHOOK_RINGER, value::device);
    let host = reader.optional(
        &table::OFFHOOK_AUDIO_HOST,
        value::word(&["alsa", "pulseaudio", "pipewire"]),
    );
    let callback_ms = reader.optional(&table::OFFHOOK_CALLBACK_MS, value::whole(1, 100));
    let most_delay = reader.optional(&table::OFFHOOK_MOST_DELAY_MS, value::whole(200, 3_000));
    AudioSettings {
        capture: capture.unwrap_or_default(),
        playout: playout.unwrap_or_default(),
        ringer,
        skips_idle: false,
        host,
        callback_ms: callback_ms.unwrap_or(10),
        most_delay: most_delay.and_then(MostDelay::from_ms).unwrap_or_default(),
        comfort: read_comfort(reader),
        stage_choice: read_stages(reader),
    }
}

/// Reads what the person likes.
fn read_comfort(reader: &mut Reader<'_>) -> Comfort {
    let plain = Comfort::default();
    let volume = reader.optional(&table::OFFHOOK_VOLUME, value::volume);
    let limiter = reader.optional(&table::OFFHOOK_LIMITER, value::boolean);
    let loudest = reader.optional(&table::OFFHOOK_LOUDEST, value::signed(-30, 0));
    let level_far_end = reader.optional(&table::OFFHOOK_LEVEL_FAR_END, value::boolean);
    let ringtone = reader.optional(&table::OFFHOOK_RINGTONE, value::ringtone);
    let ring_volume = reader.optional(&table::OFFHOOK_RING_VOLUME, value::volume);
    let ring_rising = reader.optional(&table::OFFHOOK_RING_RISING, value::boolean);
    let call_ended_tone = reader.optional(&table::OFFHOOK_CALL_ENDED_TONE, value::boolean);
    let sidetone = reader.optional(&table::OFFHOOK_SIDETONE, value::sidetone);
    let hold_music = reader.optional(&table::OFFHOOK_HOLD_MUSIC, value::hold_music);
    Comfort {
        hold_music: hold_music.unwrap_or(plain.hold_music),
        sidetone: sidetone.flatten(),
        volume: volume.unwrap_or(plain.volume),
        limiter,
        loudest: loudest.and_then(Loudest::new).unwrap_or(plain.loudest),
        level_far_end: level_far_end.unwrap_or(plain.level_far_end),
        ringtone: ringtone.unwrap_or(plain.ringtone),
        ring_volume: ring_volume.unwrap_or(plain.ring_volume),
        ring_rising: ring_rising.unwrap_or(plain.ring_rising),
        call_ended_tone: call_ended_tone.unwrap_or(plain.call_ended_tone),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_setting_of_the_table_is_read_and_no_other() {
        let sources = Sources {
            flags: Default::default(),
            environment: Default::default(),
            dotenv: None,
            toml: None,
            insecure_no_signature: false,
            read_file: |_| Err(std::io::ErrorKind::NotFound.into()),
        };
        let mut reader = Reader::new(&sources);
        assert!(Settings::read(&mut reader, false).is_none());
        let table: BTreeSet<&str> = table::ALL.iter().map(|setting| setting.name).collect();
        assert_eq!(reader.asked(), &table);
    }

    #[test]
    fn a_secret_never_prints() {
        assert!(!format!("{:?}", Secret::new("hush")).contains("hush"));
    }
}
