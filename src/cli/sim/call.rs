//! `offhook sim call`: one call by the simulated carrier, and what it would complain of.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;

use crate::cli::failure::Failure;
use crate::cli::flags::{Basics, Flags};
use crate::cli::output::{print, print_json, tell};
use crate::cli::terminal::Stop;
use crate::cli::{Context, runtime};
use crate::config;
use crate::sim::{
    self, CallPlan, CallReport, DialOutcome, Misbehaviour, Rest, Step, read_wav, voice,
    write_recording,
};

/// What `offhook sim call` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook sim call\n  \
        offhook sim call --wait 5 --echo 3 --record heard.wav\n  \
        offhook sim call --webhook http://127.0.0.1:8080/voice --origin https://phone.example.com \\\n      \
        --from +15145550100 --say hello.wav --record out.opus\n  \
        offhook sim call --fault stall\n\n\
        The token that signs is TWILIO_AUTH_TOKEN, from the environment, `.env`, or the file that \
        TWILIO_AUTH_TOKEN_FILE names. The exit code is 1 where Twilio would complain of anything.")]
pub(crate) struct Args {
    /// The server's webhook [default: /handle_calls on this machine's PORT]
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The origin that Twilio would see, and sign; addresses under it are dialled at the webhook's host and port
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Who calls
    #[arg(long, value_name = "NUMBER", default_value = "+15005550010")]
    from: String,
    /// Who is called [default: TWILIO_PHONE_NUMBER, else +15005550006]
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The call's identifier [default: made up]
    #[arg(long, value_name = "SID")]
    call_sid: Option<String>,
    /// One more parameter of every webhook; may be given again
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = super::parameter)]
    parameters: Vec<(String, String)>,
    /// How long the caller says nothing once the stream is up, while somebody picks up
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// What the caller says, a WAV file [default: a greeting]
    #[arg(long, value_name = "FILE")]
    say: Option<PathBuf>,
    /// Keys that the caller presses after that
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    dtmf: Option<String>,
    /// Then record what comes for so long, and play it back
    #[arg(long, value_name = "SECONDS")]
    echo: Option<u64>,
    /// Then listen for so long, and hang up
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    listen: u64,
    /// Hang up after so long, whatever happens
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    most: u64,
    /// Keep what the caller heard: WAV, or Ogg Opus where the name ends in .opus
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What becomes of everything that <Dial> calls
    #[arg(long, value_enum, default_value_t = Dialled::NoAnswer)]
    dial: Dialled,
    /// Misbehave once, as networks and carriers do
    #[arg(long, value_name = "KIND", value_parser = faults())]
    fault: Option<String>,
    /// Answer the REST API meanwhile on this port of 127.0.0.1; point the server's TWILIO_API_BASE_URL there
    #[arg(long, value_name = "PORT")]
    rest: Option<u16>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(crate) flags: Flags<Basics>,
}

/// What becomes of a `<Dial>`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialled {
    /// The first one answers, and talks for two seconds.
    Answer,
    /// Nobody answers.
    NoAnswer,
    /// It is busy.
    Busy,
    /// It cannot be reached.
    Failed,
}

impl Dialled {
    fn outcome(self) -> DialOutcome {
        match self {
            Dialled::Answer => DialOutcome::Answered(Duration::from_secs(2)),
            Dialled::NoAnswer => DialOutcome::NoAnswer,
            Dialled::Busy => DialOutcome::Busy,
            Dialled::Failed => DialOutcome::Failed,
        }
    }
}

fn faults() -> PossibleValuesParser {
    Misbehaviour::ALL.map(Misbehaviour::name).into()
}

fn digits(text: &str) -> Result<String, String> {
    let is_key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'A'..='D');
    if !text.is_empty() && text.chars().all(is_key) {
        Ok(text.to_owned())
    } else {
        Err("a telephone has the keys 0 to 9, *, #, and A to D".to_owned())
    }
}

/// Makes the call, and reports.
pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let side = config::load_carrier_side(&context.sources)?;
    let said = match &args.say {
        Some(path) => read_sound(path)?,
        None => voice::greeting(context.local.lang),
    };
    if let Some(path) = &args.record {
        // Better now than after the call.
        write(path, &[])?;
    }
    let (webhook, origin) = match args.webhook {
        Some(webhook) => (webhook, None),
        None => super::local(&side, "/handle_calls"),
    };
    let account = super::account(&side);
    let report = runtime()?.block_on(async {
        let rest = match args.rest {
            Some(port) => Some(serve_rest(account.clone(), port).await?),
            None => None,
        };
        let mut plan = CallPlan::new(webhook, account);
        plan.origin = args.origin.or(origin);
        plan.from = args.from;
        if let Some(to) = args
            .to
            .or_else(|| side.phone_number.map(|number| number.as_str().to_owned()))
        {
            plan.to = to;
        }
        plan.call_sid = args.call_sid.unwrap_or_else(super::call_sid);
        plan.params = args.parameters;
        plan.rest = rest.as_ref();
        plan.dial = args.dial.outcome();
        plan.misbehaviour = args.fault.as_deref().and_then(Misbehaviour::parse);
        plan.most = Duration::from_secs(args.most);
        plan.script = vec![
            Step::Silence(Duration::from_secs(args.wait)),
            Step::Speak(said),
        ];
        plan.script.extend(args.dtmf.map(Step::Dtmf));
        plan.script.extend(args.echo.map(|seconds| Step::EchoTest {
            record: Duration::from_secs(seconds),
        }));
        plan.script
            .push(Step::Listen(Duration::from_secs(args.listen)));
        let mut stop = Stop::new()?;
        tokio::select! {
            report = sim::call(plan) => Ok(report),
            // The connections break, as where a network goes away.
            () = stop.wait() => Err(Failure::world("the call was broken off")),
        }
    })?;
    if let Some(path) = &args.record {
        write(path, &report.stream.heard)?;
    }
    if args.json {
        print_json(&report.to_json())?;
    } else {
        print(&report.to_string())?;
    }
    verdict(&report)
}

async fn serve_rest(account: sim::Account, port: u16) -> Result<Rest, Failure> {
    let rest = Rest::start_on(account, port).await.map_err(|cause| {
        Failure::world(format!("port {port} cannot be listened on"))
            .caused_by(&cause)
            .hint("choose another with --rest")
    })?;
    tell(&format!("the REST API is at {}", rest.url()));
    Ok(rest)
}

fn verdict(report: &CallReport) -> Result<(), Failure> {
    if report.is_fine() {
        return Ok(());
    }
    Err(Failure::world(match report.warnings.as_slice() {
        [] => "the call went wrong".to_owned(),
        [one] => format!("Twilio would complain: {one}"),
        [first, more @ ..] => format!("Twilio would complain: {first} (and {} more)", more.len()),
    }))
}

fn read_sound(path: &Path) -> Result<Vec<i16>, Failure> {
    let file = File::open(path).map_err(|cause| {
        Failure::world(format!("`{}` cannot be opened", path.display())).caused_by(&cause)
    })?;
    read_wav(file).map_err(|why| {
        Failure::world(format!("`{}` {why}", path.display()))
            .hint("it must be a WAV file: PCM or float, of any rate")
    })
}

fn write(path: &Path, sound: &[i16]) -> Result<(), Failure> {
    write_recording(path, sound)
        .map_err(|why| Failure::world(format!("`{}` {why}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_of_a_telephone_can_be_pressed() {
        assert_eq!(digits("0*#D"), Ok("0*#D".to_owned()));
        assert!(digits("").is_err());
        assert!(digits("12x").is_err());
    }
}
