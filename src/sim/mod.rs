//! A Twilio of our own: rings, signs, reads TwiML, talks on the media socket, answers REST, misbehaves on request.
//!
//! [`call`] makes one call against a server, ours or any other, and returns what it was like. [`Rest`] is the account's
//! side by which the server may make calls, to a [`FarEnd`] for each number, and steer those that run. Everything here is written from Twilio's documentation and on nothing
//! of the daemon's reading of it, so that one misreading cannot hide in both.

mod call;
mod date;
mod far_end;
mod fault;
mod heard;
mod lines;
mod media;
pub mod network;
mod playout;
mod recording;
mod report;
mod rest;
mod room;
mod script;
mod sign;
mod socket;
mod tones;
mod twiml;
pub mod voice;
mod webhook;
mod words;

use std::fmt;

pub use call::{CallPlan, DialOutcome, call};
pub use far_end::{FarEnd, Trouble, TroubleKind};
pub use fault::Misbehaviour;
pub use heard::Heard;
pub use lines::Lines;
pub use playout::{MOST_QUEUED, Playout};
pub use recording::{read_wav, write_recording};
pub use report::{
    CallReport, CallerDelay, Dialled, Ended, NetworkReport, StreamReport, Unanswered, Warning,
    WayReport,
};
pub use rest::{News, Rest, RestRequest};
pub use script::Step;
pub use sign::sign;
pub use twiml::{Element, parse};
pub use webhook::{Answer, NoAnswer, Poster};
pub use words::{Told, read as read_message};

/// An account at the simulated carrier.
#[derive(Clone)]
pub struct Account {
    /// `AC…`
    pub account_sid: String,
    /// Signs webhooks and handshakes.
    pub auth_token: String,
    /// `SK…`
    pub api_key: String,
    /// The key's secret.
    pub api_secret: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("account_sid", &self.account_sid)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// Makes an account up: valid in shape, drawn at random, known to nobody.
    #[must_use]
    pub fn made_up() -> Account {
        Account {
            account_sid: sid("AC"),
            auth_token: sid(""),
            api_key: sid("SK"),
            api_secret: sid(""),
        }
    }
}

/// Makes an identifier up: two letters and 32 hexadecimal digits.
#[must_use]
pub fn sid(prefix: &str) -> String {
    use std::fmt::Write as _;

    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Only uniqueness counts here, nothing is guarded by it.
        let nanos = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| time.as_nanos());
        bytes = nanos.to_be_bytes();
    }
    let mut text = prefix.to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_account_looks_like_one_and_shows_no_secret() {
        let account = Account::made_up();
        assert!(account.account_sid.starts_with("AC") && account.account_sid.len() == 34);
        assert!(account.api_key.starts_with("SK") && account.api_key.len() == 34);
        assert_eq!(account.auth_token.len(), 32);
        assert_ne!(account.auth_token, Account::made_up().auth_token);
        let shown = format!("{account:?}");
        assert!(!shown.contains(&account.auth_token) && !shown.contains(&account.api_secret));
    }
}
