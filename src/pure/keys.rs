//! Keys of a telephone that are sent to the far end, with pauses in between.
//!
//! As dial strings are written everywhere: `,` waits two seconds, `;` waits until somebody says so.

use std::fmt;

/// The most signs of one string.
pub const MOST_KEYS: usize = 64;

/// One sign of a string of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// A key.
    Key(Key),
    /// A pause of two seconds.
    Pause,
    /// A stop, until somebody says to go on.
    Wait,
}

/// One key: `0`-`9`, `*`, `#`, `A`-`D` (ITU-T Q.23).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key(char);

impl Key {
    /// Takes a key; small letters count as large ones.
    #[must_use]
    pub fn new(sign: char) -> Option<Key> {
        let sign = sign.to_ascii_uppercase();
        matches!(sign, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Key(sign))
    }

    /// Returns the sign on the key.
    #[must_use]
    pub const fn sign(self) -> char {
        self.0
    }
}

/// Keys to be sent, in order: at least one sign, at most [`MOST_KEYS`].
///
/// `Debug` does not tell them: a person types codes that are nobody else's business.
#[derive(Clone, Eq, PartialEq)]
pub struct Keys(Vec<Sign>);

/// Why a text is no string of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoKeys {
    /// There is none.
    #[error(
        "there is no key; hint: 0-9, *, #, A-D, a comma for a pause of two seconds, a semicolon to wait"
    )]
    Empty,
    /// A sign is none of them.
    #[error(
        "`{0}` is no key; hint: 0-9, *, #, A-D, a comma for a pause of two seconds, a semicolon to wait"
    )]
    Sign(char),
    /// There are too many.
    #[error("there are more than {MOST_KEYS} keys; hint: send them in several parts")]
    TooMany,
}

impl Keys {
    /// Reads a string of keys; spaces and dashes mean nothing.
    ///
    /// # Errors
    /// [`NoKeys`].
    pub fn parse(text: &str) -> Result<Keys, NoKeys> {
        let mut signs = Vec::new();
        for sign in text.chars().filter(|sign| !matches!(sign, ' ' | '-')) {
            signs.push(match sign {
                ',' => Sign::Pause,
                ';' => Sign::Wait,
                sign => Sign::Key(Key::new(sign).ok_or(NoKeys::Sign(sign))?),
            });
            if signs.len() > MOST_KEYS {
                return Err(NoKeys::TooMany);
            }
        }
        if signs.is_empty() {
            return Err(NoKeys::Empty);
        }
        Ok(Keys(signs))
    }

    /// Returns the signs in order.
    #[must_use]
    pub fn signs(&self) -> &[Sign] {
        &self.0
    }

    /// Parts the keys at the first stop: what is sent now, and what is sent when somebody says so.
    #[must_use]
    pub fn until_wait(self) -> (Option<Keys>, Option<Keys>) {
        let some = |signs: Vec<Sign>| (!signs.is_empty()).then_some(Keys(signs));
        let at = self.0.iter().position(|sign| *sign == Sign::Wait);
        match at {
            Some(at) => {
                let mut now = self.0;
                let later = now.split_off(at + 1);
                now.pop();
                (some(now), some(later))
            }
            None => (Some(self), None),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} signs)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(keys: &Keys) -> String {
        let sign = |sign: &Sign| match sign {
            Sign::Key(key) => key.sign(),
            Sign::Pause => ',',
            Sign::Wait => ';',
        };
        keys.signs().iter().map(sign).collect()
    }

    #[test]
    fn keys_are_read_as_they_are_typed() {
        let keys = Keys::parse("12 34-*#d,,5").expect("keys");
        assert_eq!(text(&keys), "1234*#D,,5");
        assert_eq!(Keys::parse(" - "), Err(NoKeys::Empty));
        assert_eq!(Keys::parse("12x"), Err(NoKeys::Sign('x')));
        assert_eq!(Keys::parse(&"1".repeat(65)), Err(NoKeys::TooMany));
        assert!(!format!("{keys:?}").contains('4'));
    }

    #[test]
    fn what_comes_after_a_stop_is_kept_for_later() {
        let parts = |typed: &str| {
            let (now, later) = Keys::parse(typed).expect("keys").until_wait();
            (now.as_ref().map(text), later.as_ref().map(text))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("12"), (some("12"), None));
        assert_eq!(parts("12;34;5"), (some("12"), some("34;5")));
        assert_eq!(parts(";34"), (None, some("34")));
        assert_eq!(parts("12;"), (some("12"), None));
    }

    proptest! {
        #[test]
        fn any_text_is_keys_or_refused(typed in "\\PC{0,80}") {
            if let Ok(keys) = Keys::parse(&typed) {
                let again = Keys::parse(&text(&keys));
                prop_assert_eq!(again.as_ref(), Ok(&keys));
                let signs = keys.signs().len();
                let (now, later) = keys.until_wait();
                let left = now.map_or(0, |k| k.signs().len()) + later.map_or(0, |k| k.signs().len());
                prop_assert!(left == signs || left + 1 == signs);
            }
        }
    }
}
