//! Reads single values: every function takes a text and says what is wrong with it, never repeating it.
//!
//! The caller repeats a text where that is harmless. What is wrong is a clause that follows the setting's name.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::Broker;
use super::origin::{host_is_loopback, parse_http_url};
use crate::pure::audio::comfort::{HoldMusic, Ringtone, Volume};
use crate::pure::audio::device::{DeviceChoice, Profile};
use crate::pure::book::quiet::QuietTimes;
use crate::pure::destination::{self, Destination};
use crate::pure::handset::HandsetChoice;
use crate::pure::ids::PhoneNumber;
use crate::pure::phone::{AutoAnswer, MessagesFrom, Phrase, RecordNotice, Ring};
use crate::pure::recording::Format;

/// Names of Twilio's things by the prefix of their SID, to tell what was mixed up.
const SID_KINDS: &[(&str, &str)] = &[
    ("AC", "an account"),
    ("SK", "an API key"),
    ("AP", "a TwiML app"),
    ("PN", "a phone number"),
    ("CA", "a call"),
];

/// Reads a SID of Twilio's: the prefix and 32 letters or digits (documented as hexadecimal, never checked by Twilio).
pub(super) fn sid(prefix: &'static str) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if let Some(rest) = text.strip_prefix(prefix) {
            return match rest.len() {
                32 if rest.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(text.to_owned()),
                32 => Err(format!(
                    "has something other than letters and digits after {prefix}"
                )),
                _ => Err(format!("has {} characters, not 34", text.chars().count())),
            };
        }
        let other = SID_KINDS
            .iter()
            .find(|(other, _)| text.len() == 34 && text.starts_with(other));
        Err(match other {
            Some((other, kind)) => {
                format!("begins with {other}, which is {kind}, not with {prefix}")
            }
            None => format!("does not begin with {prefix}"),
        })
    }
}

/// Reads a secret of Twilio's: printable, without spaces. Twilio promises no more of its form.
pub(super) fn carrier_secret(text: &str) -> Result<String, String> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("has a space or an unprintable character in it".to_owned())
    }
}

/// Reads the key of the person's door: 16 to 512 printable characters. It travels in an HTTP header, as UTF-8, where
/// everything but control characters may stand.
pub(super) fn api_key(text: &str) -> Result<String, String> {
    if text
        .chars()
        .any(|c| c.is_control() || (c.is_whitespace() && c != ' ') || c == '\u{feff}')
    {
        return Err("has a character in it that is not printable".to_owned());
    }
    match text.chars().count() {
        0..16 => Err("is shorter than 16 characters".to_owned()),
        16..=512 => Ok(text.to_owned()),
        _ => Err("is longer than 512 characters".to_owned()),
    }
}

/// Reads the address of a REST API; a slash at its end is dropped.
pub(super) fn api_base_url(text: &str) -> Result<Url, String> {
    let url = parse_http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has a query or a fragment".to_owned());
    }
    if url.scheme() == "http" && !host_is_loopback(&url) {
        return Err(
            "is plain http, which would show the API secret to everybody on the way".to_owned(),
        );
    }
    Ok(url)
}

/// Reads whose keys are used.
pub(super) fn handset(text: &str) -> Result<HandsetChoice, String> {
    match text {
        "auto" => Ok(HandsetChoice::Auto),
        "none" => Ok(HandsetChoice::None),
        path if path.starts_with('/') => Ok(HandsetChoice::Device(PathBuf::from(path))),
        _ => Err("is neither auto, none nor a path from the root on".to_owned()),
    }
}

/// Reads where an MQTT broker is, and who asks it.
pub(super) fn mqtt_url(text: &str) -> Result<Broker, String> {
    let url = Url::parse(text).map_err(|_| "is no address".to_owned())?;
    let tls = match url.scheme() {
        "mqtt" => false,
        "mqtts" => true,
        _ => return Err("begins with neither mqtt:// nor mqtts://".to_owned()),
    };
    if url.password().is_some() {
        return Err("has a password in it, which belongs into OFFHOOK_MQTT_PASSWORD".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("has something behind its host and port".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| "names no host".to_owned())?;
    let user = decoded(url.username()).ok_or_else(|| "has a user that is no text".to_owned())?;
    Ok(Broker {
        // A literal address of IPv6 stands in brackets in an address only.
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(if tls { 8883 } else { 1883 }),
        tls,
        user: (!user.is_empty()).then_some(user),
    })
}

/// Takes the signs that an address writes as `%` and two digits for what they are (RFC 3986, section 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        let code = match (first, more) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |sign: &u8| char::from(*sign).to_digit(16);
                let code = digit(high)? * 16 + digit(low)?;
                rest = after;
                u8::try_from(code).ok()?
            }
            (other, _) => *other,
        };
        bytes.push(code);
    }
    String::from_utf8(bytes).ok()
}

/// Reads a password of somebody else's: all that can be typed.
pub(super) fn password(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("has a control character in it".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads the topic that Home Assistant looks under.
pub(super) fn topic(text: &str) -> Result<String, String> {
    let is_bad = |sign: char| matches!(sign, '+' | '#') || sign.is_control();
    if text.contains(is_bad) || text.starts_with('/') || text.ends_with('/') || text.len() > 200 {
        return Err("is no topic that something may be published under".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads the telephone's name among topics.
pub(super) fn node(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.len() > 64 || !text.bytes().all(fits) {
        return Err("is not 1 to 64 letters, digits, hyphens and underscores".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads how calls are recorded.
pub(super) fn record_format(text: &str) -> Result<Format, String> {
    match text {
        "opus" => Ok(Format::Opus),
        "wav" => Ok(Format::Wav),
        _ => Err("is neither opus nor wav".to_owned()),
    }
}

/// Reads how far ends learn that they are recorded.
pub(super) fn record_notice(text: &str) -> Result<RecordNotice, String> {
    match text {
        "off" => Ok(RecordNotice::Off),
        "tone" => Ok(RecordNotice::Tone),
        "spoken" => Ok(RecordNotice::Spoken),
        _ => Err("is none of off, tone and spoken".to_owned()),
    }
}

/// Reads a whole number within limits.
pub(super) fn whole<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String>
where
    N: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    move |text| {
        let is_whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let digits = is_whole(text);
        match text.parse::<N>() {
            Ok(number) if digits && number >= least && number <= most => Ok(number),
            // -1 is one, too.
            Ok(_) | Err(_) if is_whole(text.strip_prefix('-').unwrap_or(text)) => {
                Err(format!("is not from {least} to {most}"))
            }
            Ok(_) | Err(_) => Err("is not a whole number".to_owned()),
        }
    }
}

/// Reads a whole number that may be negative, within limits.
pub(super) fn signed(least: i8, most: i8) -> impl Fn(&str) -> Result<i8, String> {
    move |text| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("is not a whole number".to_owned());
        }
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(format!("is not from {least} to {most}")),
        }
    }
}

/// Reads a boolean.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// Reads a level in dB that may be `off`.
pub(super) fn sidetone(text: &str) -> Result<Option<i8>, String> {
    if text == "off" {
        return Ok(None);
    }
    signed(-40, -6)(text).map(Some)
}

/// Reads a volume.
pub(super) fn volume(text: &str) -> Result<Volume, String> {
    let percent = whole(0, 100)(text)?;
    Volume::new(percent).ok_or_else(|| "is not from 0 to 100".to_owned())
}

/// Reads what rings.
pub(super) fn ringtone(text: &str) -> Result<Ringtone, String> {
    Ringtone::parse(text).ok_or_else(|| {
        if text == "file:" {
            "names no file after file:".to_owned()
        } else {
            "is no ringtone (a file needs file: before its path)".to_owned()
        }
    })
}

/// Reads what is heard on hold.
pub(super) fn hold_music(text: &str) -> Result<HoldMusic, String> {
    HoldMusic::parse(text).ok_or_else(|| {
        if text == "file:" {
            "names no file after file:".to_owned()
        } else {
            "is none of these (a file needs file: before its path)".to_owned()
        }
    })
}

/// Reads what the desk talks and listens with.
pub(super) fn profile(text: &str) -> Result<Profile, String> {
    match text {
        "speakerphone" => Ok(Profile::Speakerphone),
        "headset" => Ok(Profile::Headset),
        _ => Err("is neither of the two".to_owned()),
    }
}

/// Reads who rings.
pub(super) fn ring(text: &str) -> Result<Ring, String> {
    match text {
        "desk" => Ok(Ring::Desk),
        "browser" => Ok(Ring::Browser),
        "desk-then-browser" => Ok(Ring::DeskThenBrowser),
        _ => Err("is none of the three".to_owned()),
    }
}

/// Reads a number that may be dialled.
fn destination(text: &str) -> Result<PhoneNumber, String> {
    match destination::judge(text) {
        Destination::Number(number) => Ok(number),
        Destination::Client(_) => Err("is a browser, not a number".to_owned()),
        Destination::Refused(Phrase::NotANumber) => Err("is no number with a plus sign".to_owned()),
        Destination::Refused(_) => Err("is a number that is not dialled".to_owned()),
    }
}

/// Reads whither calls are forwarded: a number that may be dialled, or nowhere.
pub(super) fn forwarded(text: &str) -> Result<Option<PhoneNumber>, String> {
    match text {
        "off" => Ok(None),
        number => destination(number).map(Some),
    }
}

/// Reads who may leave a message.
pub(super) fn messages_from(text: &str) -> Result<MessagesFrom, String> {
    match text {
        "off" => Ok(MessagesFrom::Nobody),
        "unanswered" => Ok(MessagesFrom::Unanswered),
        "always" => Ok(MessagesFrom::Everybody),
        _ => Err("is none of the three".to_owned()),
    }
}

/// Reads a timetable.
pub(super) fn quiet_times(text: &str) -> Result<QuietTimes, String> {
    QuietTimes::parse(text).map_err(|_| "is no timetable".to_owned())
}

/// For whom the desk rings in a quiet time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exception {
    /// For favourites.
    Favourites,
    /// For whoever calls again at once.
    Repeated,
}

/// Reads for whom the desk rings in a quiet time.
pub(super) fn exception(text: &str) -> Result<Exception, String> {
    match text {
        "favourites" => Ok(Exception::Favourites),
        "repeated" => Ok(Exception::Repeated),
        _ => Err("names something other than favourites and repeated".to_owned()),
    }
}

/// Reads whether, and after how long, the desk answers by itself. As booleans are `true|false|1|0` everywhere, 1 is not
/// a second.
pub(super) fn auto_answer(text: &str) -> Result<AutoAnswer, String> {
    match text {
        "false" | "0" => Ok(AutoAnswer::Off),
        "true" | "1" => Ok(AutoAnswer::After(Duration::ZERO)),
        seconds => whole(2, 600)(seconds)
            .map(|seconds| AutoAnswer::After(Duration::from_secs(seconds)))
            .map_err(|_| "is neither true, false nor seconds".to_owned()),
    }
}

/// Reads a list with commas between its items; empty items are dropped.
pub(super) fn list<T>(
    item: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Vec<T>, String> {
    move |text| {
        let items: Vec<T> = text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(&item)
            .collect::<Result<_, _>>()?;
        if items.is_empty() {
            return Err("is a list without items".to_owned());
        }
        Ok(items)
    }
}

/// Reads an IP address, with or without the brackets of an IPv6 address.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text)
        .parse()
        .map_err(|_| "has an item that is no IP address".to_owned())
}

/// Reads a host name, without a port; the result is in lower case.
pub(super) fn host(text: &str) -> Result<String, String> {
    match url::Host::parse(text) {
        Ok(host) if !text.contains('*') => Ok(host.to_string()),
        Ok(_) | Err(_) => {
            Err("has an item that is no host name (it needs no scheme and no port)".to_owned())
        }
    }
}

/// Reads which device is meant.
pub(super) fn device(text: &str) -> Result<DeviceChoice, String> {
    Ok(match text {
        "default" => DeviceChoice::Default,
        "none" => DeviceChoice::None,
        "loopback" => DeviceChoice::Loopback,
        name => match name.strip_prefix("file:") {
            Some("") => return Err("names no file after file:".to_owned()),
            Some(path) => DeviceChoice::File(PathBuf::from(path)),
            None => DeviceChoice::Named(name.to_owned()),
        },
    })
}

/// Reads one of several words.
pub(super) fn word(words: &'static [&'static str]) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if words.contains(&text) {
            Ok(text.to_owned())
        } else {
            Err("is none of these".to_owned())
        }
    }
}

/// Reads a path.
#[expect(
    clippy::unnecessary_wraps,
    reason = "every reader of a value has the same form"
)]
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

/// Checks a filter of the log.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A word alone is a level, or else names a module: one that is neither would silence everything.
    let is_known = |part: &str| {
        LEVELS.contains(&part.to_ascii_lowercase().as_str())
            || part.contains(['=', '[', ':'])
            || part.starts_with("offhook")
    };
    if let Some(part) = text.split(',').map(str::trim).find(|part| !is_known(part)) {
        return Err(format!("has `{part}`, which is no level"));
    }
    tracing_subscriber::EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|_| "is no filter".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T>(result: Result<T, String>) -> String {
        result.err().expect("refused")
    }

    #[test]
    fn a_sid_is_its_prefix_and_32_letters_or_digits() {
        let read = sid("AC");
        let good = "AC00112233445566778899aabbccddeeff";
        assert_eq!(read(good).as_deref(), Ok(good));
        assert_eq!(refusal(read("AC0011")), "has 6 characters, not 34");
        assert_eq!(
            refusal(read("SK00112233445566778899aabbccddeeff")),
            "begins with SK, which is an API key, not with AC"
        );
        assert_eq!(refusal(read("hello")), "does not begin with AC");
        assert!(refusal(read("AC0011223344556677 899aabbccddeeff")).contains("other than letters"));
    }

    #[test]
    fn an_api_key_is_16_or_more_printable_characters() {
        assert!(api_key("0123456789abcdef").is_ok());
        assert!(api_key("0123 56789;:!~%$").is_ok());
        assert!(api_key("clé-à-molette-où").is_ok());
        assert!(refusal(api_key("éééééééé")).contains("shorter"));
        assert!(refusal(api_key("0123456789abcde")).contains("shorter"));
        assert!(refusal(api_key("0123456789abcdé\u{7f}")).contains("printable"));
        assert!(refusal(api_key(&"a".repeat(513))).contains("longer"));
    }

    #[test]
    fn numbers_are_plain_digits_within_their_limits() {
        let read = whole(5u64, 600);
        assert_eq!(read("5"), Ok(5));
        assert_eq!(read("600"), Ok(600));
        for wrong in ["4", "601", "99999999999999999999999", "-20"] {
            assert_eq!(refusal(read(wrong)), "is not from 5 to 600", "{wrong}");
        }
        for wrong in ["", "+20", "-", "--20", "20.0", "2e1", "20s", "vingt"] {
            assert_eq!(refusal(read(wrong)), "is not a whole number", "{wrong}");
        }
    }

    #[test]
    fn the_desk_answers_at_once_later_or_not() {
        for (text, auto_answer) in [
            ("false", AutoAnswer::Off),
            ("0", AutoAnswer::Off),
            ("true", AutoAnswer::After(Duration::ZERO)),
            ("1", AutoAnswer::After(Duration::ZERO)),
            ("2", AutoAnswer::After(Duration::from_secs(2))),
        ] {
            assert_eq!(super::auto_answer(text), Ok(auto_answer), "{text}");
        }
        for wrong in ["yes", "True", "on", "601", "1.5", "-1"] {
            assert!(super::auto_answer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_device_is_a_word_a_file_or_a_name() {
        for (text, choice) in [
            ("default", DeviceChoice::Default),
            ("none", DeviceChoice::None),
            ("loopback", DeviceChoice::Loopback),
            ("file:a b.wav", DeviceChoice::File(PathBuf::from("a b.wav"))),
            ("USB Audio", DeviceChoice::Named("USB Audio".to_owned())),
            (
                "pulseaudio:USB",
                DeviceChoice::Named("pulseaudio:USB".to_owned()),
            ),
        ] {
            assert_eq!(device(text), Ok(choice), "{text}");
        }
        assert!(device("file:").is_err());
    }

    #[test]
    fn addresses_and_hosts_are_lists() {
        assert_eq!(
            list(address)("127.0.0.1, [::1],").map(|found| found.len()),
            Ok(2)
        );
        assert!(list(address)("localhost").is_err());
        assert!(list(address)(",").is_err());
        assert_eq!(
            list(host)("Phone.local"),
            Ok(vec!["phone.local".to_owned()])
        );
        for wrong in ["phone.local:3000", "https://phone.local", "*.local", "a b"] {
            assert!(list(host)(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_api_is_asked_over_tls_unless_it_is_this_machine() {
        assert!(api_base_url("https://api.twilio.com").is_ok());
        assert!(api_base_url("http://127.0.0.1:4010/").is_ok());
        assert!(refusal(api_base_url("http://api.twilio.com")).contains("plain http"));
        assert!(api_base_url("https://api.twilio.com/?a=b").is_err());
    }

    #[test]
    fn a_filter_of_the_log_is_checked() {
        assert!(log_filter("info,offhook=debug").is_ok());
        assert!(log_filter("offhook=loudly").is_err());
        assert!(log_filter("Debug").is_ok());
        assert!(log_filter("warn,offhook::sim").is_ok());
        assert!(log_filter("chatty").is_err_and(|why| why.contains("`chatty`")));
    }
}
