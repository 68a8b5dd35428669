//! `offhook sim serve`: an account at the simulated carrier that stays, for a program to dial with.

use std::convert::Infallible;
use std::fs::File;
use std::time::SystemTime;

use futures_util::future::join_all;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::flags::{Basics, Flags};
use crate::cli::output::{print, print_json, tell, warn};
use crate::cli::terminal::Stop;
use crate::cli::{Context, runtime};
use crate::config::{self, CarrierWants};
use crate::lang::Lang;
use crate::sim::{self, CallPlan, FarEnd, News, Rest, read_wav, sid, voice};

/// What `offhook sim serve` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook sim serve\n  \
        offhook sim serve --number +15145550100=busy \\\n      \
        --number '+15145550101=answers after 2s; says hello; echoes 3s; hangs up'\n  \
        offhook sim serve --number '+15145550102=refused 21215' --others no-answer --json\n  \
        offhook sim serve --caller '+15145550103=queued 5s; says hello; listens 10s; hangs up'\n\n\
        What a far end does, clauses apart by `;`:\n  \
        busy, no-answer, failed   it is never answered\n  \
        answers after TIME        it rings for so long, 2s unless said; then, in this order:\n  \
        says hello, says FILE     the greeting, or a WAV file\n  \
        listens TIME              says nothing\n  \
        echoes TIME               sounds a tone, and plays back what it then heard\n  \
        keys DIGITS               presses keys\n  \
        hangs up                  at the end of all that; otherwise it stays\n  \
        hangs up after TIME       so long after it answered, whatever it is doing\n  \
        rings TIME; busy          it rings first\n  \
        queued TIME               Twilio keeps the call that long before it rings; a caller calls that much later\n  \
        network NETWORK           as with `offhook sim call`\n\
        What Twilio does instead, so many times, once unless said:\n  \
        refused CODE              such as 21215; every time\n  \
        limited [TIMES]           429\n  \
        unavailable [TIMES]       503, and no call; unavailable-after: 503, and yet a call\n  \
        silent [TIMES]            no answer, and no call; silent-after: no answer, and yet a call\n\n\
        Times are written 2s, 0.5s or 200ms. Account, key and token are those of the settings; what is missing is made \
        up, and told at the start.")]
pub(crate) struct Args {
    /// The port of 127.0.0.1 that the REST API is at; 0: any
    #[arg(long, value_name = "PORT", default_value_t = 3100)]
    rest: u16,
    /// What becomes of a number, or of client:NAME; may be given again
    #[arg(long = "number", value_name = "NUMBER=FAR_END", value_parser = number_plan)]
    numbers: Vec<(String, String)>,
    /// What becomes of everybody else
    #[arg(
        long,
        value_name = "FAR_END",
        default_value = "answers after 2s; says hello"
    )]
    others: String,
    /// Somebody who calls the program at the start, and how he goes on; may be given again
    #[arg(long = "caller", value_name = "NUMBER=FAR_END", value_parser = super::parameter)]
    callers: Vec<(String, String)>,
    /// The program's webhook for calls that come in: a path on this machine's PORT, or a whole address
    #[arg(long, value_name = "PATH|URL", default_value = "/handle_calls")]
    webhook: String,
    /// The origin that Twilio would see; addresses under it are dialled at the webhook's host and port
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Print what happens as JSON, one object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Basics>,
}

/// Reads whom it is about, and how they go on.
fn number_plan(text: &str) -> Result<(String, String), String> {
    let (whom, plan) = super::parameter(text)?;
    let is_number = whom.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|sign| sign.is_ascii_digit())
    });
    let is_client = whom
        .strip_prefix("client:")
        .is_some_and(|name| !name.is_empty());
    if is_number || is_client {
        Ok((whom, plan))
    } else {
        Err(format!(
            "`{whom}` is neither a number such as +15145550100 nor client:NAME"
        ))
    }
}

/// The line's number where none is set: one that Twilio keeps for tests.
const OWN: &str = "+15005550006";

/// Serves until somebody stops it.
pub(crate) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let side = config::load_carrier_side(
        &context.sources,
        CarrierWants {
            token: false,
            server: args.webhook.starts_with('/'),
            number: true,
            key: true,
        },
    )?;
    for warning in &side.warnings {
        warn(warning);
    }
    let named = super::lines(&side, &args.webhook, args.origin.as_deref())?;
    let account = super::account(&side);
    let lang = context.local.lang;
    let read = |plans: &[(String, String)]| -> Result<Vec<(String, FarEnd)>, Failure> {
        let plans = plans.iter();
        plans
            .map(|(number, text)| Ok((number.clone(), far_end(text, lang)?)))
            .collect()
    };
    let (far_ends, callers) = (read(&args.numbers)?, read(&args.callers)?);
    let others = far_end(&args.others, lang)?;
    let own = side.phone_number.as_ref().map_or(OWN, |n| n.as_str());
    runtime()?.block_on(async {
        let rest = Rest::start_on(account.clone(), args.rest)
            .await
            .map_err(|cause| {
                Failure::world(format!("port {} cannot be listened on", args.rest))
                    .caused_by(&cause)
                    .hint("choose another with --rest")
            })?;
        rest.set_program(&named.server, named.origin.as_deref())
            .map_err(Failure::usage)?;
        rest.set_own_numbers([own.to_owned()]);
        rest.set_other_far_ends(others);
        for (number, far_end) in far_ends {
            rest.set_far_end(number, far_end);
        }
        let is_json = args.json;
        rest.listen(move |news| show(news, is_json));
        tell(&format!("the REST API is at {}", rest.url()));
        tell("a program that is to dial with it needs:");
        tell(&format!("  TWILIO_API_BASE_URL={}", rest.url()));
        tell(&format!("  TWILIO_ACCOUNT_SID={}", account.account_sid));
        tell(&format!("  TWILIO_API_KEY={}", account.api_key));
        tell(&format!("  TWILIO_PHONE_NUMBER={own}"));
        // What is set is known to whoever set it.
        if side.api_key.is_none() {
            tell(&format!("  TWILIO_API_SECRET={}", account.api_secret));
            tell(&format!("  TWILIO_TWIML_APP_SID={}", sid("AP")));
        }
        if side.auth_token.is_none() {
            tell(&format!("  TWILIO_AUTH_TOKEN={}", account.auth_token));
        }
        let mut stop = Stop::new()?;
        let calls = callers.iter().map(async |(from, caller)| {
            tokio::time::sleep(caller.queued()).await;
            let mut plan = CallPlan::new(named.server.clone(), account.clone()).by(caller);
            plan.origin.clone_from(&named.origin);
            plan.from.clone_from(from);
            own.clone_into(&mut plan.to);
            plan.rest = Some(&rest);
            sim::call(plan).await;
        });
        tokio::select! {
            () = stop.wait() => {}
            never = stay(join_all(calls)) => match never {},
        }
        Ok(())
    })
}

/// Goes on for ever, whoever has called.
async fn stay(calls: impl Future<Output = Vec<()>>) -> Infallible {
    calls.await;
    std::future::pending().await
}

/// Prints what happened. Where nobody reads it any more the account is served all the same.
fn show(news: &News, is_json: bool) {
    if is_json {
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let _ = print_json(&json!({
            "at_ms": u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            "call_sid": news.call_sid,
            "text": news.text,
        }));
        return;
    }
    let text = super::harmless(&news.text);
    let _ = match &news.call_sid {
        // Enough of it to tell calls apart.
        Some(sid) => print(&format!("{}  {text}", sid.get(..10).unwrap_or(sid))),
        None => print(&text),
    };
}

/// Reads a far end; `hello` is the greeting, everything else a file.
fn far_end(text: &str, lang: Lang) -> Result<FarEnd, Failure> {
    let sound = |name: &str| {
        if name == "hello" {
            return Ok(voice::greeting(lang));
        }
        let file = File::open(name).map_err(|cause| {
            format!("`{name}` cannot be opened: {cause}; `hello` needs no file")
        })?;
        read_wav(file).map_err(|why| format!("`{name}` {why}"))
    };
    FarEnd::parse(text, sound).map_err(|why| {
        Failure::usage(format!("the far end `{text}` cannot be used: {why}"))
            .hint("`offhook sim serve --help` lists what a far end does")
    })
}
