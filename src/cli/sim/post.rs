//! `offhook sim post`: one signed webhook, its answer, and the `curl` that does the same.

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::flags::{Basics, Flags};
use crate::cli::output::{print, print_json, tell};
use crate::cli::{Context, runtime};
use crate::config;
use crate::sim::{Lines, Poster};

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
    let side = config::load_carrier_side(&context.sources)?;
    let (server, origin) = if args.to.starts_with('/') {
        super::local(&side, &args.to)
    } else {
        (args.to.clone(), None)
    };
    let origin = args.origin.clone().or(origin);
    let poster = Lines::new(&server, origin.as_deref())
        .and_then(|lines| Poster::new(side.auth_token.reveal(), lines))
        .map_err(|why| {
            Failure::usage(why).hint("name a path such as /handle_calls, or a whole address")
        })?;
    let public = poster.lines().public();
    let curl = curl(
        &poster.lines().dialled(&public),
        &poster.signature(&public, &args.parameters),
        &args.parameters,
    );
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
        print(answer.body.trim_end())?;
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

/// Writes the same request for a shell.
fn curl(address: &str, signature: &str, parameters: &[(String, String)]) -> String {
    let mut command = format!(
        "curl -X POST {} -H {}",
        quoted(address),
        quoted(&format!("X-Twilio-Signature: {signature}"))
    );
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

    #[test]
    fn the_command_for_a_shell_survives_quotes() {
        assert_eq!(
            curl(
                "http://127.0.0.1:3000/a",
                "c2ln",
                &[("Name".to_owned(), "it's $HOME".to_owned())]
            ),
            r"curl -X POST 'http://127.0.0.1:3000/a' -H 'X-Twilio-Signature: c2ln' --data-urlencode 'Name=it'\''s $HOME'"
        );
    }
}
