//! Names for things: numbers, calls, legs, streams, identities and tokens, none of them a bare string.

use std::fmt;

/// A telephone number in E.164: `+`, then 7 to 15 digits, the first not 0.
///
/// `Display` and `Debug` print it redacted (`+15…00`), so that a log never holds it whole; [`PhoneNumber::as_str`]
/// is for the carrier and for the person.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PhoneNumber(String);

/// Why a text is no telephone number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a telephone number is a plus sign, then 7 to 15 digits, such as +15145550100")]
pub struct NotANumber;

impl PhoneNumber {
    /// Reads an E.164 number.
    ///
    /// # Errors
    /// [`NotANumber`] for anything else: no spaces, brackets or national prefixes are accepted here.
    pub fn parse(text: &str) -> Result<PhoneNumber, NotANumber> {
        let digits = text.strip_prefix('+').ok_or(NotANumber)?;
        let plausible = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if plausible {
            Ok(PhoneNumber(text.to_owned()))
        } else {
            Err(NotANumber)
        }
    }

    /// Returns the number whole, with its plus sign.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…{}", &self.0[..3], &self.0[self.0.len() - 2..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name under which a browser is reached: `[A-Za-z0-9_]{1,121}` (the Voice SDK's limit).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Identity(String);

/// Why a text is no identity.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an identity is 1 to 121 letters, digits or underscores, such as kitchen")]
pub struct NotAnIdentity;

impl Identity {
    /// Reads an identity.
    ///
    /// # Errors
    /// [`NotAnIdentity`] for anything but `[A-Za-z0-9_]{1,121}`.
    pub fn parse(text: &str) -> Result<Identity, NotAnIdentity> {
        let fits = (1..=121).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if fits {
            Ok(Identity(text.to_owned()))
        } else {
            Err(NotAnIdentity)
        }
    }

    /// Returns the identity as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The other side of a call, as the carrier named it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Party {
    /// A telephone number.
    Number(PhoneNumber),
    /// A browser of ours, named `client:…` by the carrier.
    Client(Identity),
    /// Whatever else the carrier said, such as `anonymous`; may be empty.
    Other(String),
}

impl Party {
    /// Reads what stands in the carrier's `From` or `To`.
    #[must_use]
    pub fn parse(text: &str) -> Party {
        if let Ok(number) = PhoneNumber::parse(text) {
            return Party::Number(number);
        }
        if let Some(Ok(identity)) = text.strip_prefix("client:").map(Identity::parse) {
            return Party::Client(identity);
        }
        // Whoever calls may write what a terminal obeys; nothing of that is a name.
        let obeyed = |sign: char| {
            sign.is_control() || matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let plain = |sign| if obeyed(sign) { ' ' } else { sign };
        Party::Other(text.chars().map(plain).collect())
    }

    /// Returns the party as the carrier writes it, unredacted: for the person and for the carrier, never for a log.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Party::Number(number) => number.as_str().to_owned(),
            Party::Client(identity) => format!("client:{identity}"),
            Party::Other(text) => text.clone(),
        }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// Our own name for a call, unique for ever.
    CallId
}
text_id! {
    /// The carrier's name for its side of a call (Twilio's CallSid), opaque here.
    LegId
}

/// Our own name for one media socket, unique while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// The single-use secret that admits one stream; never printed.
#[derive(Clone)]
pub struct StreamToken(String);

impl StreamToken {
    /// Takes the text as the token.
    #[must_use]
    pub fn new(text: impl Into<String>) -> StreamToken {
        StreamToken(text.into())
    }

    /// Returns the secret, for the document that carries it to the carrier.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PartialEq for StreamToken {
    /// Compares in constant time.
    fn eq(&self, other: &StreamToken) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for StreamToken {}

impl fmt::Debug for StreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_prints_without_its_middle() {
        let number = PhoneNumber::parse("+15145550100").expect("valid");
        assert_eq!(format!("{number} {number:?}"), "+15…00 +15…00");
    }

    #[test]
    fn only_e164_is_a_number() {
        for wrong in [
            "",
            "+",
            "15145550100",
            "+0145550100",
            "+1514555010a",
            "+1 514 555 0100",
            "+1234567890123456",
        ] {
            assert_eq!(PhoneNumber::parse(wrong), Err(NotANumber), "{wrong}");
        }
    }

    #[test]
    fn a_party_is_a_number_a_client_or_whatever_the_carrier_said() {
        assert!(matches!(Party::parse("+15145550100"), Party::Number(_)));
        assert!(matches!(Party::parse("client:kitchen"), Party::Client(_)));
        assert_eq!(
            Party::parse("client:a b"),
            Party::Other("client:a b".to_owned())
        );
        assert_eq!(
            Party::parse("anonymous"),
            Party::Other("anonymous".to_owned())
        );
    }

    #[test]
    fn a_token_never_prints() {
        assert!(!format!("{:?}", StreamToken::new("hush")).contains("hush"));
    }
}
