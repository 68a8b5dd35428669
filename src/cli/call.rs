//! `offhook call`, `hold`, `transfer` and the like: a person's further words to the running daemon.

use super::answer::{command, refusal};
use super::failure::Failure;
use super::flags::{Control, Flags};
use super::{Context, output, status};
use crate::control::{Reply, Request, Wish};
use crate::lang::Message;

/// What all of them take.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Print the call as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Control>,
}

/// What a verb takes that needs nothing but a call.
#[derive(Debug, clap::Args)]
pub(crate) struct OneCall {
    /// The call, by our id or Twilio's CallSid [default: the one that must be meant]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook call` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook call +15145550100\n  offhook call '+15145550100,,12#'   # keys after two pauses"
)]
pub(crate) struct DialArgs {
    /// Whom: a plus sign, country code and number; behind a comma (2 s) or a semicolon (wait), keys to send
    #[arg(required = true)]
    to: Vec<String>,
    /// Whatever names this wish: sent again with the same, it is fulfilled once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// On or off.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        match self {
            Switch::On => true,
            Switch::Off => false,
        }
    }
}

/// What `offhook mute` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  offhook mute\n  offhook mute off")]
pub(crate) struct MuteArgs {
    /// Whether your microphone is kept from the far end
    #[arg(value_enum, default_value = "on")]
    switch: Switch,
    /// The call, by our id or Twilio's CallSid [default: the one that talks]
    #[arg(long)]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook dtmf` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook dtmf 1\n  offhook dtmf '4711#'\n  offhook dtmf            # those that wait behind a semicolon"
)]
pub(crate) struct DtmfArgs {
    /// Which keys: 0-9, *, #, A-D, a comma for a pause of two seconds
    #[arg(default_value = "", hide_default_value = true)]
    digits: String,
    /// The call, by our id or Twilio's CallSid [default: the one that talks]
    #[arg(long)]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook merge` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  offhook merge c4f1a2b3c4d5   # with the one that talks")]
pub(crate) struct MergeArgs {
    /// The call that joins in, by our id or Twilio's CallSid
    with: String,
    /// The call that it joins [default: the one that talks]
    #[arg(long)]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook transfer` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook transfer +15145550100              # at once\n  offhook transfer +15145550100 --attended   # speak with them first\n  offhook transfer --complete                # then connect both, and leave"
)]
pub(crate) struct TransferArgs {
    /// To whom
    #[arg(required_unless_present = "complete", conflicts_with = "complete")]
    to: Option<String>,
    /// Speak with them first; the call waits
    #[arg(long, conflicts_with = "complete")]
    attended: bool,
    /// Connect the call that waits with the one that was dialled for it
    #[arg(long)]
    complete: bool,
    /// The call, by our id or Twilio's CallSid [default: the one that talks]
    #[arg(long)]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook move` takes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  offhook move browser\n  offhook move desk\n  offhook move +15145550100"
)]
pub(crate) struct MoveArgs {
    /// Where to: `desk`, `browser` or a number
    to: String,
    /// The call, by our id or Twilio's CallSid [default: the one that must be meant]
    #[arg(long)]
    call: Option<String>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What `offhook dnd` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  offhook dnd on\n  offhook dnd       # says whether it is on")]
pub(crate) struct DisturbArgs {
    /// Whether the desk is kept from ringing
    #[arg(value_enum)]
    switch: Option<Switch>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Dials.
pub(crate) fn dial(args: &DialArgs, context: &Context) -> Result<(), Failure> {
    // However the shell has parted it.
    let to = args.to.join(" ");
    let key = args.idempotency_key.clone();
    command(context, &Request::Dial { to, key }, args.common.json)
}

fn wish(
    context: &Context,
    call: Option<&String>,
    wish: Wish,
    common: &Common,
) -> Result<(), Failure> {
    let call = call.cloned();
    command(context, &Request::Do { call, wish }, common.json)
}

/// Turns a call away.
pub(crate) fn reject(args: &OneCall, context: &Context) -> Result<(), Failure> {
    wish(context, args.call.as_ref(), Wish::Reject, &args.common)
}

/// Lets a call wait.
pub(crate) fn hold(args: &OneCall, context: &Context) -> Result<(), Failure> {
    wish(context, args.call.as_ref(), Wish::Hold, &args.common)
}

/// Talks again with whoever waits; whoever talks waits then.
pub(crate) fn resume(args: &OneCall, context: &Context) -> Result<(), Failure> {
    wish(context, args.call.as_ref(), Wish::Resume, &args.common)
}

/// Mutes the microphone, or opens it again.
pub(crate) fn mute(args: &MuteArgs, context: &Context) -> Result<(), Failure> {
    let on = args.switch.is_on();
    wish(context, args.call.as_ref(), Wish::Mute { on }, &args.common)
}

/// Sends keys.
pub(crate) fn dtmf(args: &DtmfArgs, context: &Context) -> Result<(), Failure> {
    let digits = args.digits.clone();
    wish(
        context,
        args.call.as_ref(),
        Wish::Dtmf { digits },
        &args.common,
    )
}

/// Lets calls meet at the desk.
pub(crate) fn merge(args: &MergeArgs, context: &Context) -> Result<(), Failure> {
    let with = args.with.clone();
    wish(
        context,
        args.call.as_ref(),
        Wish::Merge { with },
        &args.common,
    )
}

/// Hands a call over.
pub(crate) fn transfer(args: &TransferArgs, context: &Context) -> Result<(), Failure> {
    let call = args.call.clone();
    let request = match (&args.to, args.attended) {
        (None, _) => Request::Do {
            call,
            wish: Wish::Join,
        },
        (Some(to), true) => Request::Consult {
            call,
            to: to.clone(),
        },
        (Some(to), false) => Request::Do {
            call,
            wish: Wish::Move { to: to.clone() },
        },
    };
    command(context, &request, args.common.json)
}

/// Takes a call elsewhere.
pub(crate) fn move_to(args: &MoveArgs, context: &Context) -> Result<(), Failure> {
    let to = args.to.clone();
    wish(context, args.call.as_ref(), Wish::Move { to }, &args.common)
}

/// Keeps the desk from ringing, lets it ring again, or says which.
pub(crate) fn disturb(args: &DisturbArgs, context: &Context) -> Result<(), Failure> {
    let on = match args.switch {
        Some(switch) => {
            let on = switch.is_on();
            match status::ask(context, &Request::DoNotDisturb { on })? {
                Reply::Done => on,
                Reply::Error { code, message } => return Err(refusal(&code, message)),
                Reply::Status(_)
                | Reply::Calls(_)
                | Reply::Call(_)
                | Reply::Settings(_)
                | Reply::Recalled(_) => {
                    return Err(other_answer());
                }
            }
        }
        None => match status::ask(context, &Request::Status)? {
            Reply::Status(status) => status.do_not_disturb,
            Reply::Error { code, message } => return Err(refusal(&code, message)),
            Reply::Done
            | Reply::Calls(_)
            | Reply::Call(_)
            | Reply::Settings(_)
            | Reply::Recalled(_) => {
                return Err(other_answer());
            }
        },
    };
    if args.common.json {
        return output::print_json(&serde_json::json!({ "do_not_disturb": on }));
    }
    let message = if on {
        Message::NotDisturbed
    } else {
        Message::Disturbed
    };
    output::print(&message.text(context.local.lang))
}

fn other_answer() -> Failure {
    Failure::ours("the daemon answered another question")
}
