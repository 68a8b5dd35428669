//! `offhook answer` and `offhook hangup`: a person's word to the running daemon.

use super::failure::Failure;
use super::flags::{Control, Flags};
use super::{Context, output, status};
use crate::control::{CallReport, Reply, Request};
use crate::lang::{Lang, Message};

/// What `offhook answer` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  offhook answer\n  offhook answer --json")]
pub(crate) struct AnswerArgs {
    /// The call, by our id or Twilio's CallSid [default: the one that rings]
    call: Option<String>,
    /// Print the call as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// What `offhook hangup` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook hangup\n  offhook hangup CA00112233445566778899aabbccddeeff"
)]
pub(crate) struct HangupArgs {
    /// The call, by our id or Twilio's CallSid [default: the one that talks, else the one that rings]
    call: Option<String>,
    /// Print the call as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// Picks up.
pub(crate) fn answer(args: &AnswerArgs, context: &Context) -> Result<(), Failure> {
    let call = args.call.clone();
    command(context, &Request::Answer { call }, args.json)
}

/// Hangs up.
pub(crate) fn hang_up(args: &HangupArgs, context: &Context) -> Result<(), Failure> {
    let call = args.call.clone();
    command(context, &Request::Hangup { call }, args.json)
}

/// Puts a request to the daemon, and prints the call that it answers with.
pub(crate) fn command(context: &Context, request: &Request, json: bool) -> Result<(), Failure> {
    match status::ask(context, request)? {
        Reply::Call(call) if json => output::print_json(&call),
        Reply::Call(call) => output::print(&status::call_line(&call, context.local.lang)),
        Reply::Error { code, message } => Err(refused(context, request, &code, message)),
        Reply::Status(_)
        | Reply::Calls(_)
        | Reply::Done
        | Reply::Settings(_)
        | Reply::Recalled(_) => Err(Failure::ours("the daemon answered another question")),
    }
}

/// Says why the daemon did not do it: by its word where that is known, else with its own sentence.
fn refused(context: &Context, request: &Request, code: &str, sentence: String) -> Failure {
    let lang = context.local.lang;
    let failure = |message: Message<'_>| refusal(code, message.text(lang));
    match code {
        "no_such_call" => {
            let calls = &calls_now(context);
            failure(match request {
                Request::Answer { call: None } => Message::NothingRings,
                Request::Hangup { call: None } => Message::NothingToHangUp,
                Request::Do { call: None, .. } | Request::Consult { call: None, .. } => {
                    Message::NoCallForThat
                }
                Request::Answer { call: Some(_) }
                | Request::Hangup { call: Some(_) }
                | Request::Do { call: Some(_), .. }
                | Request::Consult { call: Some(_), .. }
                | Request::Dial { .. }
                | Request::DoNotDisturb { .. }
                | Request::Status
                | Request::Calls
                | Request::Watch { .. }
                | Request::Settings
                | Request::ChangeSettings { .. }
                | Request::Recall(_) => Message::NoSuchCall,
            })
            .hint(Message::StatusSays { calls }.text(lang))
        }
        "wrong_state" => {
            let calls = &calls_now(context);
            failure(Message::WrongState).hint(Message::StatusSays { calls }.text(lang))
        }
        _ => refusal(code, sentence),
    }
}

/// Says why the daemon did not do what was asked: what was typed wrong is a matter of usage, the rest is the world's.
pub(crate) fn refusal(code: &str, sentence: String) -> Failure {
    let is_mistyped = matches!(
        code,
        "not_a_number" | "bad_request" | "unknown_setting" | "fixed_setting"
    ) || code.starts_with("invalid_");
    let failure = if is_mistyped {
        Failure::usage(sentence)
    } else {
        Failure::world(sentence)
    };
    failure.code(code)
}

/// Says in one line which calls there are; what is over can be neither answered nor hung up.
fn calls_now(context: &Context) -> String {
    let lang: Lang = context.local.lang;
    match status::ask(context, &Request::Status) {
        Ok(Reply::Status(status)) if status.calls.iter().any(goes_on) => status
            .calls
            .iter()
            .filter(|call| goes_on(call))
            .map(|call| status::call_line(call, lang))
            .collect::<Vec<_>>()
            .join("; "),
        Ok(
            Reply::Status(_)
            | Reply::Calls(_)
            | Reply::Call(_)
            | Reply::Done
            | Reply::Settings(_)
            | Reply::Recalled(_)
            | Reply::Error { .. },
        )
        | Err(_) => Message::NoCalls.text(lang),
    }
}

fn goes_on(call: &CallReport) -> bool {
    call.state != "ended"
}
