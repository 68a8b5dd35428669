//! `offhook sim post`: one signed webhook, its answer, and the `curl` that does the same.

use std::io::IsTerminal as _;

use serde_json::json;
use url::Url;

use crate::cli::failure::Failure;
use crate::cli::flags::{Basics, Flags};
use crate::cli::output::{print, print_json, tell, warn};
use crate::cli::{Context, runtime};
use crate::config::{self, CarrierWants};
use crate::sim::Poster;

/// What `offhook sim post` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook sim post /twiml/outgoing To=+18738402100 From=+18199754345 CallSid=test123\n  \
        offhook sim post /handle_calls To=+18199754345 From=+18738402100 Direction=inbound CallSid=test123\n  \
        offhook sim post http://127.0.0.1:8080/voice --origin https://phone.example.com From=+15145550100\n\n\
        The token that signs is TWILIO_AUTH_TOKEN, from the environment, `.env`, or the file that \
        TWILIO_AUTH_TOKEN_FILE names. What is signed is the origin: --origin, else PUBLIC_URL or NGROK_URL for a \
        path, else the address itself.")]
pub(crate) struct Args {
    /// Where to: a path on this machine's PORT, or a whole address
    #[arg(value_name = "PATH|URL")]
    to: String,
    /// The form's parameters
    #[arg(value_name = "NAME=VALUE", value_parser = super::parameter)]
    parameters: Vec<(String, String)>,
    /// The origin that Twilio would see, and sign
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Print status, content type, body and `curl` as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Basics>,
}

/// Posts, and prints what comes back.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let is_path = args.to.starts_with('/');
    let side = config::load_carrier_side(
        &context.sources,
        CarrierWants {
            token: true,
            server: is_path,
            number: false,
            key: false,
        },
    )?;
    for warning in &side.warnings {
        warn(warning);
    }
    let named = super::lines(&side, &args.to, args.origin.as_deref())?;
    let poster =
        Poster::new(&super::account(&side).auth_token, named.lines).map_err(Failure::world)?;
    let public = poster.lines().public();
    let curl = curl(&poster, &public, &args.parameters);
    let answer = runtime()?
        .block_on(poster.ask(&public, "POST", &args.parameters))
        .map_err(|no_answer| {
            Failure::world(no_answer.text).hint(format!("the same by hand:\n  {curl}"))
        })?;
    if args.json {
        print_json(&json!({
            "status": answer.status,
            "content_type": answer.content_type,
            "body": answer.body,
            "curl": curl,
        }))?;
    } else {
        let body = answer.body.trim_end();
        if std::io::stdout().is_terminal() {
            print(&super::harmless(body))?;
        } else {
            print(body)?;
        }
        tell(&format!("the same by hand:\n  {curl}"));
    }
    if answer.status < 300 {
        return Ok(());
    }
    let failure = Failure::world(format!("{public} answered {}", answer.status));
    Err(match answer.status {
        403 => failure.hint(format!(
            "the signature was made for {public}: does the server expect that origin (PUBLIC_URL), and has it this \
             TWILIO_AUTH_TOKEN?"
        )),
        _ => failure.hint("a webhook is posted to its exact path, and answered with 200"),
    })
}

/// Writes the same request for a shell: the server's own address, and every header by which it is known in public.
fn curl(poster: &Poster, public: &str, parameters: &[(String, String)]) -> String {
    let address = poster.lines().dialled(public);
    let mut command = format!("curl -X POST {}", quoted(&address));
    let mut header = |name: &str, value: &str| {
        command.push_str(" -H ");
        command.push_str(&quoted(&format!("{name}: {value}")));
    };
    let headers = Url::parse(public).map(|public| poster.lines().headers(&public));
    for (name, value) in headers.unwrap_or_default() {
        header(name, &value);
    }
    header("X-Twilio-Signature", &poster.signature(public, parameters));
    if parameters.is_empty() {
        command.push_str(" -d ''");
    }
    for (name, value) in parameters {
        command.push_str(" --data-urlencode ");
        command.push_str(&quoted(&format!("{name}={value}")));
    }
    command
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::Lines;

    #[test]
    fn the_command_for_a_shell_survives_quotes() {
        let lines = Lines::new("http://127.0.0.1:3000/a", Some("o.example")).expect("lines");
        let poster = Poster::new("key", lines).expect("a poster");
        let public = poster.lines().public();
        let parameters = [("Name".to_owned(), "it's $HOME".to_owned())];
        let signature = poster.signature(&public, &parameters);
        assert_eq!(
            curl(&poster, &public, &parameters),
            format!(
                "curl -X POST 'http://127.0.0.1:3000/a' -H 'Host: o.example' -H 'X-Forwarded-Proto: https' \
                 -H 'X-Forwarded-Host: o.example' -H 'X-Forwarded-For: 203.0.113.10' \
                 -H 'X-Twilio-Signature: {signature}' --data-urlencode 'Name=it'\\''s $HOME'"
            )
        );
    }
}
