//! Every setting there is, in one table: names, flags, TOML keys, help and messages all derive from it.
//!
//! A setting's name is its environment variable (`OFFHOOK_RING_SECONDS`, `TWILIO_ACCOUNT_SID`). Without `OFFHOOK_` and in
//! lower case it is the key in the TOML file (`ring_seconds`), and with hyphens the flag (`--ring-seconds`).

/// One setting, as a person knows it.
#[derive(Debug, Eq, PartialEq)]
pub struct Setting {
    /// The name of its environment variable.
    pub name: &'static str,
    /// Whether it is a secret: without a flag, never repeated, and readable from the file that `NAME_FILE` names.
    pub secret: bool,
    /// Which verbs take it.
    pub scope: Scope,
    /// What happens when it is not set; empty where it must be set or simply stays unset.
    pub default: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it should look like.
    pub like: &'static str,
    /// Where to find it, where it cannot be made up.
    pub find: &'static str,
    /// The three above in French, where it may be asked for on a terminal.
    pub french: Option<French>,
    /// A value that is good.
    pub example: &'static str,
    /// What stands for its value in the help of its flag.
    pub value: &'static str,
    /// What a flag without a value means, where that is allowed.
    pub bare: Option<&'static str>,
}

/// What is said of a setting in French.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct French {
    /// What it is.
    pub about: &'static str,
    /// What it should look like.
    pub like: &'static str,
    /// Where to find it.
    pub find: &'static str,
}

/// Which verbs take a setting.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// All that read settings.
    Everywhere,
    /// Those that write a log.
    Log,
    /// Those that run a daemon, or ask one.
    Daemon,
    /// Those that make or take sound.
    Sound,
    /// `serve` only.
    Serve,
}

impl Setting {
    /// Returns its key in the TOML file.
    #[must_use]
    pub fn toml_key(&self) -> String {
        self.name
            .strip_prefix("OFFHOOK_")
            .unwrap_or(self.name)
            .to_ascii_lowercase()
    }

    /// Returns its flag without the leading hyphens, or nothing where it is a secret.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        (!self.secret).then(|| self.toml_key().replace('_', "-"))
    }

    /// Returns the variable that names the file which holds it, where it is a secret.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.name))
    }
}

/// What most settings have in common.
const PLAIN: Setting = Setting {
    name: "",
    secret: false,
    scope: Scope::Serve,
    default: "",
    about: "",
    like: "",
    find: "",
    french: None,
    example: "",
    value: "VALUE",
    bare: None,
};

/// Where Twilio shows a number's address and its own.
const NUMBERS: &str = "Twilio console, Phone Numbers > Manage > Active numbers";
/// Where Twilio shows account and token.
const ACCOUNT: &str = "Twilio console, the front page, Account Info";
/// Where Twilio makes API keys.
const KEYS: &str =
    "Twilio console, Account > API keys & tokens > Create API key; the secret is shown only then";

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        $(
            $(#[$doc])*
            pub static $name: Setting = Setting { name: stringify!($name), $($field: $value,)* ..PLAIN };
        )*

        /// Every setting, in the order in which help and example list them.
        pub static ALL: &[&Setting] = &[$(&$name),*];
    };
}

settings! {
    /// The account.
    TWILIO_ACCOUNT_SID {
        value: "SID",
        about: "The Twilio account",
        like: "AC and 32 hexadecimal digits",
        find: ACCOUNT,
        french: Some(French {
            about: "le compte chez Twilio",
            like: "AC et 32 chiffres hexadécimaux",
            find: "console de Twilio, page d'accueil, Account Info",
        }),
        example: "AC00112233445566778899aabbccddeeff",
    }
    /// The auth token.
    TWILIO_AUTH_TOKEN {
        secret: true,
        about: "The account's auth token, with which Twilio signs what it sends",
        like: "32 hexadecimal digits",
        find: ACCOUNT,
        french: Some(French {
            about: "le jeton secret du compte, avec lequel Twilio signe ce qu'il envoie",
            like: "32 chiffres hexadécimaux",
            find: "console de Twilio, page d'accueil, Account Info",
        }),
        example: "00112233445566778899aabbccddeeff",
    }
    /// The next auth token.
    TWILIO_AUTH_TOKEN_NEXT {
        secret: true,
        about: "The secondary auth token, accepted as well while tokens are being rotated",
        like: "32 hexadecimal digits",
        find: "Twilio console, Account > API keys & tokens > Auth tokens",
        example: "ffeeddccbbaa99887766554433221100",
    }
    /// The API key.
    TWILIO_API_KEY {
        value: "SID",
        about: "The API key that asks Twilio's REST API and signs the browsers' tokens",
        like: "SK and 32 hexadecimal digits",
        find: KEYS,
        french: Some(French {
            about: "la clé qui interroge l'API REST de Twilio et signe les jetons des navigateurs",
            like: "SK et 32 chiffres hexadécimaux",
            find: "console de Twilio, Account > API keys & tokens > Create API key",
        }),
        example: "SK00112233445566778899aabbccddeeff",
    }
    /// The API key's secret.
    TWILIO_API_SECRET {
        secret: true,
        about: "The API key's secret",
        like: "32 letters and digits",
        find: KEYS,
        french: Some(French {
            about: "le secret de cette clé",
            like: "32 lettres et chiffres",
            find: "au même endroit, une seule fois : quand la clé est créée",
        }),
        example: "abcdefghijklmnopqrstuvwxyzABCDEF",
    }
    /// The TwiML app.
    TWILIO_TWIML_APP_SID {
        value: "SID",
        about: "The TwiML app whose Voice URL is /twiml/outgoing: what browsers dial through",
        like: "AP and 32 hexadecimal digits",
        find: "Twilio console, Phone Numbers > Manage > TwiML apps",
        french: Some(French {
            about: "l'application TwiML dont la Voice URL est /twiml/outgoing : par elle appellent les navigateurs",
            like: "AP et 32 chiffres hexadécimaux",
            find: "console de Twilio, Phone Numbers > Manage > TwiML apps",
        }),
        example: "AP00112233445566778899aabbccddeeff",
    }
    /// The line's number.
    TWILIO_PHONE_NUMBER {
        value: "NUMBER",
        about: "The telephone number of this line",
        like: "a plus sign and 7 to 15 digits, such as +15145550100",
        find: NUMBERS,
        french: Some(French {
            about: "le numéro de téléphone de cette ligne",
            like: "un plus et 7 à 15 chiffres, comme +15145550100",
            find: "console de Twilio, Phone Numbers > Manage > Active numbers",
        }),
        example: "+15145550100",
    }
    /// The REST API's address.
    TWILIO_API_BASE_URL {
        value: "URL",
        default: "https://api.twilio.com",
        about: "Where Twilio's REST API is; another address is for tests",
        like: "an address such as https://api.twilio.com",
        example: "https://api.twilio.com",
    }
    /// The public origin.
    PUBLIC_URL {
        value: "URL",
        default: "http://127.0.0.1:PORT, which Twilio cannot reach",
        about: "The origin under which Twilio reaches this daemon",
        like: "https:// and a host, without a path, such as https://phone.example.com",
        find: "what your tunnel or reverse proxy prints; the Voice URL of the number lies under it",
        french: Some(French {
            about: "l'origine sous laquelle Twilio atteint ce démon",
            like: "https:// et un hôte, sans chemin, comme https://phone.example.com",
            find: "ce qu'affiche votre tunnel ou votre proxy ; la Voice URL du numéro se trouve en dessous",
        }),
        example: "https://phone.example.com",
    }
    /// The public origin's other name.
    NGROK_URL {
        value: "URL",
        about: "Another name for PUBLIC_URL, which wins where both are set",
        like: "https:// and a host, without a path, such as https://phone.ngrok.app",
        find: "the line `Forwarding` of a running ngrok",
        example: "https://phone.example.com",
    }
    /// The port.
    PORT {
        value: "PORT",
        default: "3000",
        about: "The port to listen on; 0 takes any that is free",
        like: "a whole number from 0 to 65535",
        example: "3000",
    }
    /// The addresses.
    OFFHOOK_BIND {
        value: "ADDRESSES",
        default: "127.0.0.1,::1",
        about: "The addresses to listen on",
        like: "IP addresses with commas between them, such as 127.0.0.1,::1",
        example: "127.0.0.1,::1",
    }
    /// Further hosts.
    OFFHOOK_HOSTS {
        value: "NAMES",
        about: "Further host names under which a person opens the page or the API",
        like: "host names with commas between them, such as phone.local,desk.lan",
        example: "phone.local,desk.lan",
    }
    /// The key of the person's door.
    OFFHOOK_API_KEY {
        secret: true,
        default: "one is made, and kept in the data folder",
        about: "The key that opens the API and the page",
        like: "16 or more printable characters",
        find: "nowhere: make one up, for example with `openssl rand -hex 16`",
        example: "correct-horse-battery-staple",
    }
    /// How long tokens live.
    OFFHOOK_TOKEN_TTL {
        value: "SECONDS",
        default: "3600",
        about: "How many seconds a browser's token, and with it its registration, lives",
        like: "a whole number of seconds from 60 to 86400",
        example: "3600",
    }
    /// Who rings.
    OFFHOOK_RING {
        value: "WHO",
        default: "desk-then-browser",
        about: "Who rings when a call comes in",
        like: "desk, browser or desk-then-browser",
        example: "desk-then-browser",
    }
    /// How long the desk rings.
    OFFHOOK_RING_SECONDS {
        value: "SECONDS",
        default: "20",
        about: "How many seconds the desk rings",
        like: "a whole number of seconds from 5 to 600",
        example: "20",
    }
    /// How long the browsers ring.
    OFFHOOK_BROWSER_SECONDS {
        value: "SECONDS",
        default: "OFFHOOK_RING_SECONDS",
        about: "How many seconds the browsers ring",
        like: "a whole number of seconds from 5 to 600",
        example: "20",
    }
    /// Whither everybody is forwarded.
    OFFHOOK_FORWARD_ALWAYS {
        value: "NUMBER",
        about: "The number to which every caller is forwarded at once; nothing rings here",
        like: "a number such as +15145550100, of a kind that may be dialled, or off",
        example: "+15145550199",
    }
    /// Whither those are forwarded who find the desk taken.
    OFFHOOK_FORWARD_BUSY {
        value: "NUMBER",
        about: "The number to which callers are forwarded who find the desk taken and whom no browser answers",
        like: "a number such as +15145550100, of a kind that may be dialled, or off",
        example: "+15145550199",
    }
    /// Whither those are forwarded whom nobody answers.
    OFFHOOK_FORWARD_NO_ANSWER {
        value: "NUMBER",
        about: "The number to which callers are forwarded whom neither desk nor browsers answer",
        like: "a number such as +15145550100, of a kind that may be dialled, or off",
        example: "+15145550199",
    }
    /// How long the number rings that callers are forwarded to.
    OFFHOOK_FORWARD_SECONDS {
        value: "SECONDS",
        default: "20",
        about: "How many seconds that number rings",
        like: "a whole number of seconds from 5 to 600",
        example: "20",
    }
    /// Who may leave a message.
    OFFHOOK_VOICEMAIL {
        value: "FROM",
        default: "unanswered",
        about: "Who may leave a message: nobody, whom nobody answers, or also whoever finds nothing that could ring",
        like: "off, unanswered or always",
        example: "unanswered",
    }
    /// How long a message may be.
    OFFHOOK_VOICEMAIL_SECONDS {
        value: "SECONDS",
        default: "180",
        about: "How many seconds a message may last",
        like: "a whole number of seconds from 10 to 1800",
        example: "180",
    }
    /// Whether the desk hears a message while it is spoken.
    OFFHOOK_SCREENING {
        value: "BOOL",
        default: "true",
        about: "Whether the speaker plays a message while it is spoken, so that you may pick up",
        like: "true or false",
        example: "true",
    }
    /// When the desk does not ring.
    OFFHOOK_QUIET {
        value: "TIMES",
        about: "When the desk does not ring, in local time",
        like: "days and times, such as mon-fri 22:00-07:00; sat sun 23:00-09:00",
        example: "daily 22:00-07:00",
    }
    /// For whom it rings all the same.
    OFFHOOK_QUIET_EXCEPT {
        value: "WHOM",
        about: "For whom the desk rings all the same: favourites among the contacts, whoever calls twice within three minutes",
        like: "favourites, repeated, or both with a comma between them",
        example: "favourites,repeated",
    }
    /// Whether the desk answers by itself.
    OFFHOOK_AUTO_ANSWER {
        value: "WHEN",
        default: "false",
        about: "Whether the desk answers by itself: at once (true), or after so many seconds",
        like: "true, false, or seconds from 2 to 600 (1 and 0 mean true and false)",
        example: "false",
        bare: Some("true"),
    }
    /// Whether a further caller rings while the desk talks.
    OFFHOOK_CALL_WAITING {
        value: "BOOL",
        default: "true",
        about: "Whether a further caller rings while the desk talks",
        like: "true or false",
        example: "true",
    }
    /// How long a call may last.
    OFFHOOK_LONGEST_CALL {
        value: "MINUTES",
        default: "240",
        about: "After how many minutes a call at the desk is hung up",
        like: "a whole number of minutes from 1 to 1440; Twilio itself ends a call after 240, unless its support allows more",
        example: "240",
    }
    /// Whose tones.
    OFFHOOK_COUNTRY {
        value: "CODE",
        default: "the country of TWILIO_PHONE_NUMBER",
        about: "Whose ringing and ringback are heard",
        like: "a code of two letters: au, at, be, ca, ch, de, es, fr, gb, ie, it, jp, nl, nz, pt, se or us",
        example: "us",
    }
    /// For how long the history reaches back.
    OFFHOOK_HISTORY_DAYS {
        value: "DAYS",
        default: "365",
        about: "For how many days calls stay in the history",
        like: "a whole number of days from 1 to 36500",
        example: "365",
    }
    /// How many calls the history has.
    OFFHOOK_HISTORY_CALLS {
        value: "COUNT",
        default: "10000",
        about: "How many calls stay in the history at most",
        like: "a whole number from 1 to 1000000",
        example: "10000",
    }
    /// How calls are recorded.
    OFFHOOK_RECORD_FORMAT {
        value: "FORMAT",
        default: "opus",
        about: "How a call is recorded: opus takes some 2 MB for ten minutes, wav 19",
        like: "opus or wav",
        example: "opus",
    }
    /// How far ends learn that they are recorded.
    OFFHOOK_RECORD_NOTICE {
        value: "NOTICE",
        default: "off",
        about: "How the far end learns that it is recorded: tone, a beep now and every 15 s; spoken, a sentence; off",
        like: "off, tone or spoken",
        example: "tone",
    }
    /// For how long recordings are kept.
    OFFHOOK_RECORD_DAYS {
        value: "DAYS",
        default: "0",
        about: "For how many days recordings are kept; 0: until somebody deletes them",
        like: "a whole number of days from 0 to 36500",
        example: "90",
    }
    /// How large all recordings may be.
    OFFHOOK_RECORD_MEGABYTES {
        value: "MEGABYTES",
        default: "0",
        about: "How many megabytes all recordings may take, the oldest going first; 0: any",
        like: "a whole number of megabytes from 0 to 10000000",
        example: "2000",
    }
    /// The transcript.
    OFFHOOK_RECORD_STREAM {
        value: "FILE",
        about: "A file to keep the next stream's messages in, without its secrets",
        like: "the path of a file",
        example: "stream.jsonl",
    }
    /// The MQTT broker.
    OFFHOOK_MQTT_URL {
        value: "URL",
        about: "The MQTT broker to tell how the telephone stands, and to take orders from, as Home Assistant has one",
        like: "mqtt:// or mqtts://, perhaps a user and an @, and a host, such as mqtts://offhook@homeassistant.local",
        example: "mqtts://offhook@homeassistant.local:8883",
    }
    /// The password there.
    OFFHOOK_MQTT_PASSWORD {
        secret: true,
        about: "The password of the user in OFFHOOK_MQTT_URL",
        like: "what the broker was told",
        find: "the broker's own settings; with Home Assistant's, the user that was made for it",
        example: "open-sesame-open-sesame",
    }
    /// Where Home Assistant looks.
    OFFHOOK_MQTT_PREFIX {
        value: "TOPIC",
        default: "homeassistant",
        about: "The topic under which Home Assistant discovers devices",
        like: "a topic without +, # and a slash at either end",
        example: "homeassistant",
    }
    /// The telephone's name among the topics.
    OFFHOOK_MQTT_NODE {
        value: "NAME",
        default: "desk",
        about: "The telephone's name among the broker's topics; two telephones need two",
        like: "1 to 64 letters, digits, hyphens and underscores",
        example: "desk",
    }
    /// The microphone.
    OFFHOOK_CAPTURE {
        value: "DEVICE",
        scope: Scope::Sound,
        default: "default",
        about: "The microphone",
        like: DEVICE,
        example: "default",
    }
    /// The speaker.
    OFFHOOK_PLAYOUT {
        value: "DEVICE",
        scope: Scope::Sound,
        default: "default",
        about: "The speaker",
        like: DEVICE,
        example: "default",
    }
    /// The bell.
    OFFHOOK_RINGER {
        value: "DEVICE",
        scope: Scope::Sound,
        default: "the speaker",
        about: "Where it rings",
        like: DEVICE,
        example: "default",
    }
    /// The sound system.
    OFFHOOK_AUDIO_HOST {
        value: "NAME",
        scope: Scope::Sound,
        default: "whichever answers, best first",
        about: "The sound system to use",
        like: "alsa, pulseaudio or pipewire",
        example: "pulseaudio",
    }
    /// The callback's length.
    OFFHOOK_CALLBACK_MS {
        value: "MS",
        scope: Scope::Sound,
        default: "10",
        about: "How many milliseconds of sound a device is asked to take at once; less is sooner, and dearer",
        like: "a whole number of milliseconds from 1 to 100",
        example: "10",
    }
    /// The bound of all delay.
    OFFHOOK_MOST_DELAY_MS {
        value: "MS",
        scope: Scope::Sound,
        default: "1000",
        about: "The most delay that is made up after a stall of the network, either way; what is later is thrown away",
        like: "a whole number of milliseconds from 200 to 3000",
        example: "1000",
    }
    /// The far end's loudness.
    OFFHOOK_VOLUME {
        value: "PERCENT",
        scope: Scope::Sound,
        default: "100",
        about: "How loud the far end is; half is 18 dB less",
        like: "a whole number of percent from 0 to 100",
        example: "100",
    }
    /// Whether loud sounds are limited.
    OFFHOOK_LIMITER {
        value: "BOOLEAN",
        scope: Scope::Sound,
        default: "true where the speaker is a real device, false on none, loopback and file:",
        about: "Whether the far end is kept below OFFHOOK_LOUDEST, against screams, faxes and cracks",
        like: "true or false",
        example: "true",
        bare: Some("true"),
    }
    /// Where they are limited.
    OFFHOOK_LOUDEST {
        value: "DBFS",
        scope: Scope::Sound,
        default: "-3",
        about: "The loudest that the far end may be, in dB below full scale",
        like: "a whole number of dBFS from -30 to 0",
        example: "-3",
    }
    /// Whether levels are evened.
    OFFHOOK_LEVEL_FAR_END {
        value: "BOOLEAN",
        scope: Scope::Sound,
        default: "false",
        about: "Whether a far end that is much too quiet or too loud is slowly brought to the level of others",
        like: "true or false",
        example: "false",
        bare: Some("true"),
    }
    /// What rings.
    OFFHOOK_RINGTONE {
        value: "NAME",
        scope: Scope::Sound,
        default: "classic",
        about: "What rings",
        like: "classic, marimba, chime, mechanical or file:PATH.wav",
        example: "classic",
    }
    /// The bell's loudness.
    OFFHOOK_RING_VOLUME {
        value: "PERCENT",
        scope: Scope::Sound,
        default: "100",
        about: "How loud it rings; half is 18 dB less",
        like: "a whole number of percent from 0 to 100",
        example: "100",
    }
    /// Whether the bell rises.
    OFFHOOK_RING_RISING {
        value: "BOOLEAN",
        scope: Scope::Sound,
        default: "true",
        about: "Whether ringing begins softly and rises to its volume over eight seconds",
        like: "true or false",
        example: "true",
        bare: Some("true"),
    }
    /// What is heard on hold.
    OFFHOOK_HOLD_MUSIC {
        value: "NAME",
        scope: Scope::Sound,
        default: "default",
        about: "What a far end hears while it is held",
        like: "default, silence or file:PATH (WAV or Ogg Opus)",
        example: "default",
    }
    /// Whether the end of a call is heard.
    OFFHOOK_CALL_ENDED_TONE {
        value: "BOOLEAN",
        scope: Scope::Sound,
        default: "true",
        about: "Whether three beats are heard when the far end has hung up (busy tone) or was lost (congestion tone)",
        like: "true or false",
        example: "true",
        bare: Some("true"),
    }
    /// One's own voice.
    OFFHOOK_SIDETONE {
        value: "DB",
        scope: Scope::Sound,
        default: "off",
        about: "How loud one's own voice is heard in a handset or headset, in dB relative to the microphone",
        like: "off, or a whole number of dB from -40 to -6",
        example: "-20",
    }
    /// What the desk talks and listens with.
    OFFHOOK_PROFILE {
        value: "NAME",
        scope: Scope::Sound,
        default: "speakerphone",
        about: "Speakerphone: echo, noise and level are cared for where both devices are real; headset: nothing is, at no delay",
        like: "speakerphone or headset",
        example: "speakerphone",
    }
    /// The echo canceller.
    OFFHOOK_ECHO_CANCELLER {
        value: "BOOL",
        scope: Scope::Sound,
        default: "by the profile",
        about: "Whether the speaker's echo is kept from the far end, whatever the profile",
        like: "true, false, 1 or 0",
        example: "true",
    }
    /// The noise suppression.
    OFFHOOK_NOISE_SUPPRESSION {
        value: "BOOL",
        scope: Scope::Sound,
        default: "by the profile",
        about: "Whether steady noise is lowered, whatever the profile",
        like: "true, false, 1 or 0",
        example: "true",
    }
    /// The gain control.
    OFFHOOK_GAIN_CONTROL {
        value: "BOOL",
        scope: Scope::Sound,
        default: "by the profile",
        about: "Whether quiet and loud talkers are brought to one level, whatever the profile",
        like: "true, false, 1 or 0",
        example: "true",
    }
    /// The high-pass.
    OFFHOOK_HIGH_PASS {
        value: "BOOL",
        scope: Scope::Sound,
        default: "by the profile",
        about: "Whether hum and rumble below 110 Hz are taken away, whatever the profile",
        like: "true, false, 1 or 0",
        example: "true",
    }
    /// Whose keys are used.
    OFFHOOK_HANDSET {
        value: "DEVICE",
        default: "auto",
        about: "Whose keys answer, hang up and mute: those of every USB headset and telephone that may be read, of one device, or none",
        like: "auto, none, or the path of a device such as /dev/hidraw0 or /dev/input/by-id/usb-Keys-event-kbd",
        example: "auto",
    }
    /// The data folder.
    OFFHOOK_DATA_DIR {
        value: "DIR",
        scope: Scope::Daemon,
        default: "$XDG_STATE_HOME/offhook, or ~/.local/state/offhook",
        about: "The folder of control socket, database, lock, recordings and API key",
        like: "the path of a folder",
        example: "/var/lib/offhook",
    }
    /// The control socket.
    OFFHOOK_SOCKET {
        value: "PATH",
        scope: Scope::Daemon,
        default: "control.sock in the data folder",
        about: "The control socket",
        like: "a path of at most 107 bytes",
        example: "/run/offhook/control.sock",
    }
    /// The language.
    OFFHOOK_LANG {
        value: "LANG",
        scope: Scope::Everywhere,
        default: "by LC_ALL, LC_MESSAGES and LANG, else en",
        about: "The language of what is said and printed",
        like: "en or fr",
        example: "en",
    }
    /// The log's filter.
    OFFHOOK_LOG {
        value: "FILTER",
        scope: Scope::Log,
        default: "info",
        about: "What is logged: a level, or levels by module",
        like: "error, warn, info, debug or trace (which tells no more than debug), or a filter such as info,offhook::twilio=debug",
        example: "info",
    }
    /// The TOML file.
    OFFHOOK_CONFIG {
        value: "FILE",
        scope: Scope::Everywhere,
        default: "$XDG_CONFIG_HOME/offhook/offhook.toml, or ~/.config/offhook/offhook.toml",
        about: "The settings file",
        like: "the path of a TOML file",
        example: "/etc/offhook/offhook.toml",
    }
}

/// What the name of a device looks like.
const DEVICE: &str =
    "default, none, loopback, file:PATH.wav, or a device's name as `offhook devices` prints it";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_name_gives_variable_key_and_flag() {
        assert_eq!(OFFHOOK_RING_SECONDS.name, "OFFHOOK_RING_SECONDS");
        assert_eq!(OFFHOOK_RING_SECONDS.toml_key(), "ring_seconds");
        assert_eq!(OFFHOOK_RING_SECONDS.flag().as_deref(), Some("ring-seconds"));
        assert_eq!(
            TWILIO_ACCOUNT_SID.flag().as_deref(),
            Some("twilio-account-sid")
        );
        assert_eq!(PUBLIC_URL.toml_key(), "public_url");
    }

    #[test]
    fn secrets_have_no_flag_but_a_file() {
        let secrets: Vec<&str> = ALL.iter().filter(|s| s.secret).map(|s| s.name).collect();
        assert_eq!(
            secrets,
            [
                "TWILIO_AUTH_TOKEN",
                "TWILIO_AUTH_TOKEN_NEXT",
                "TWILIO_API_SECRET",
                "OFFHOOK_API_KEY",
                "OFFHOOK_MQTT_PASSWORD"
            ]
        );
        assert_eq!(TWILIO_AUTH_TOKEN.flag(), None);
        assert_eq!(
            TWILIO_AUTH_TOKEN.file_name().as_deref(),
            Some("TWILIO_AUTH_TOKEN_FILE")
        );
        assert_eq!(PORT.file_name(), None);
    }

    #[test]
    fn every_setting_is_described_and_no_key_stands_twice() {
        let mut keys = BTreeSet::new();
        for setting in ALL {
            assert!(keys.insert(setting.toml_key()), "{} twice", setting.name);
            for text in [setting.about, setting.like, setting.example] {
                assert!(!text.is_empty(), "{} lacks a text", setting.name);
            }
        }
    }
}
