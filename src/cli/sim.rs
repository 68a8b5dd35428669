//! `offhook sim`: Twilio's side of a call or of a webhook, against this program or any other.

mod call;
mod post;

use std::collections::BTreeMap;

use clap::Subcommand;

use super::Context;
use super::failure::Failure;
use crate::config::CarrierSide;
use crate::sim::{Account, sid};

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
}

impl Args {
    /// Returns the settings that were given as flags.
    pub(super) fn given(&self) -> &BTreeMap<String, String> {
        match &self.verb {
            Verb::Call(args) => args.flags.given(),
            Verb::Post(args) => args.flags.given(),
        }
    }
}

/// Plays the carrier's side.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.verb {
        Verb::Call(args) => call::run(*args, context),
        Verb::Post(args) => post::run(&args, context),
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
        auth_token: side.auth_token.reveal().to_owned(),
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

/// Says how a server on this machine is named: the origin that the settings give it, or its own address.
fn local(side: &CarrierSide, path: &str) -> (String, Option<String>) {
    let server = format!("http://127.0.0.1:{}{path}", side.port);
    let origin = side
        .public_url
        .as_ref()
        .map(|origin| origin.as_str().to_owned());
    (server, origin)
}

/// Makes up a call's identifier.
fn call_sid() -> String {
    sid("CA")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_split_at_the_first_equals_sign() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parameter("To=+1=2"), pair("To", "+1=2"));
        assert_eq!(parameter("Empty="), pair("Empty", ""));
        assert!(parameter("To").is_err());
        assert!(parameter("=x").is_err());
    }
}
