//! `offhook sim`: Twilio's side of a call or of a webhook, against this program or any other.

mod call;
mod post;
mod serve;

use std::collections::BTreeMap;

use clap::Subcommand;

use super::Context;
use super::failure::Failure;
use crate::config::{self, CarrierSide};
use crate::sim::{Account, Lines, sid};

/// What `offhook sim` takes.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a call: post the webhook, follow the TwiML, talk on the media socket, and complain as Twilio would
    Call(Box<call::Args>),
    /// Sign and post one webhook, and print the answer and the `curl` that does the same
    Post(post::Args),
    /// Be an account that stays: answer the REST API, and play the far end of whatever is dialled
    Serve(serve::Args),
}

impl Args {
    /// Returns the settings that were given as flags.
    pub(super) fn given(&self) -> &BTreeMap<String, String> {
        match &self.verb {
            Verb::Call(args) => args.flags.given(),
            Verb::Post(args) => args.flags.given(),
            Verb::Serve(args) => args.flags.given(),
        }
    }
}

/// Plays the carrier's side.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.verb {
        Verb::Call(args) => call::run(*args, context),
        Verb::Post(args) => post::run(&args, context),
        Verb::Serve(args) => serve::run(&args, context),
    }
}

/// Takes what the settings say of the account, and makes up what they do not.
fn account(side: &CarrierSide) -> Account {
    let made_up = Account::made_up();
    let (api_key, api_secret) = match &side.api_key {
        Some((key, secret)) => (key.clone(), secret.reveal().to_owned()),
        None => (made_up.api_key, made_up.api_secret),
    };
    Account {
        account_sid: side.account_sid.clone().unwrap_or(made_up.account_sid),
        auth_token: match &side.auth_token {
            Some(token) => token.reveal().to_owned(),
            None => made_up.auth_token,
        },
        api_key,
        api_secret,
    }
}

/// Reads `NAME=VALUE`.
fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err(format!("`{text}` is not of the form NAME=VALUE")),
    }
}

/// Says where a server is and under which origin: a path is one of this machine's port, under the origin of the settings;
/// a whole address is its own. An origin that was given goes first.
fn lines(side: &CarrierSide, server: &str, origin: Option<&str>) -> Result<Named, Failure> {
    let (server, by_setting) = if server.starts_with('/') {
        let server = format!("http://127.0.0.1:{}{server}", side.port);
        (server, side.public_url.as_ref().map(config::Origin::as_str))
    } else {
        (server.to_owned(), None)
    };
    let origin = origin.or(by_setting).map(str::to_owned);
    let lines = Lines::new(&server, origin.as_deref()).map_err(|why| {
        Failure::usage(why).hint(
            "a server is a path such as /handle_calls or an address such as http://127.0.0.1:8080/voice, \
             an origin a host such as https://phone.example.com",
        )
    })?;
    Ok(Named {
        server,
        origin,
        lines,
    })
}

/// Where a server is, and how it is seen.
struct Named {
    server: String,
    origin: Option<String>,
    lines: Lines,
}

/// Writes what came from elsewhere so that it does nothing to a terminal: line ends stay, other control characters are
/// shown by their numbers.
fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !matches!(c, '\n' | '\t') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Makes up a call's identifier.
fn call_sid() -> String {
    sid("CA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_moves_no_cursor() {
        assert_eq!(harmless("a\tb\n"), "a\tb\n");
        assert_eq!(harmless("\u{1b}[2Jé\r\u{9b}"), "\\u{1b}[2Jé\\u{d}\\u{9b}");
    }

    #[test]
    fn parameters_are_split_at_the_first_equals_sign() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parameter("To=+1=2"), pair("To", "+1=2"));
        assert_eq!(parameter("Empty="), pair("Empty", ""));
        assert!(parameter("To").is_err());
        assert!(parameter("=x").is_err());
    }
}
