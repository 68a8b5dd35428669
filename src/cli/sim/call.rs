//! `offhook sim call`: one call by the simulated carrier, and what it would complain of.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use tokio::sync::oneshot;

use crate::cli::failure::Failure;
use crate::cli::flags::{Basics, Flags};
use crate::cli::output::{print, print_json, tell, warn};
use crate::cli::terminal::Stop;
use crate::cli::{Context, runtime};
use crate::config::{self, CarrierSide, CarrierWants};
use crate::sim::network::Network;
use crate::sim::{
    self, CallPlan, CallReport, DialOutcome, Misbehaviour, Rest, Step, read_wav, voice,
    write_recording,
};

/// What `offhook sim call` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
        offhook sim call\n  \
        offhook sim call --wait 5 --record heard.wav\n  \
        offhook sim call --webhook http://127.0.0.1:8080/voice --origin https://phone.example.com \\\n      \
        --from +15145550100 --say hello.wav --record out.opus\n  \
        offhook sim call --fault stall\n  \
        offhook sim call --network wifi --listen 60\n  \
        offhook sim call --network jitter=40,stall=200/5000,drift=100,seed=7\n\n\
        Networks over TCP lose nothing and are late. By name: wired, wifi, wifi-scan, mobile, train, congested, \
        satellite; they imitate such networks and are no recordings. Conditions, times in milliseconds:\n  \
        delay=MS            what every message takes, each way\n  \
        jitter=MS           up to so much on top; or exponential:MEAN, normal:DEVIATION, pareto:MEAN/MOST,\n  \
        \u{20}                   sawtooth:MOST/PERIOD\n  \
        stall=MS/EVERY      nothing for so long in every such time; random:MS/EVERY for no fixed rhythm\n  \
        loss=N/MS           one message in N is lost, and sent again so much later\n  \
        bandwidth=BITS      what the line carries in a second; a stream of sound takes about 150000\n  \
        drift=PPM           how much the carrier's clock runs too fast, both ways\n  \
        quiet[=MS]          send no media while the caller is silent, from so long after his last word on\n  \
        way=WAY             only to-server or to-caller is bad\n  \
        seed=N              the same number makes the same network again [default: 1]\n\n\
        The token that signs is TWILIO_AUTH_TOKEN, from the environment, `.env`, or the file that \
        TWILIO_AUTH_TOKEN_FILE names. The exit code is 1 where Twilio would complain of anything.")]
pub(crate) struct Args {
    /// The server's webhook: a path on this machine's PORT, or a whole address
    #[arg(long, value_name = "PATH|URL", default_value = "/handle_calls")]
    webhook: String,
    /// The origin that Twilio would see, and sign; addresses under it are dialled at the webhook's host and port
    #[arg(long, value_name = "URL")]
    origin: Option<String>,
    /// Who calls
    #[arg(long, value_name = "NUMBER", default_value = "+15005550010")]
    from: String,
    /// Who is called [default: TWILIO_PHONE_NUMBER, else +15005550006; nobody where a client calls]
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The call's identifier [default: made up]
    #[arg(long, value_name = "SID")]
    call_sid: Option<String>,
    /// One more parameter of every webhook; may be given again
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = super::parameter)]
    parameters: Vec<(String, String)>,
    /// How long the caller says nothing once the stream is up, while somebody picks up
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = seconds(3_600))]
    wait: u64,
    /// What the caller says, a WAV file [default: a greeting, then a tone and --echo 3]
    #[arg(long, value_name = "FILE")]
    say: Option<PathBuf>,
    /// Keys that the caller presses after that
    #[arg(long, value_name = "DIGITS", value_parser = digits)]
    dtmf: Option<String>,
    /// Then record what comes for so long, and play it back
    #[arg(long, value_name = "SECONDS", value_parser = seconds(600))]
    echo: Option<u64>,
    /// Then listen for so long, and hang up
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = seconds(3_600))]
    listen: u64,
    /// Hang up after so long, whatever happens
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = seconds(86_400))]
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
    /// Put a bad network in between: a name (see below), conditions such as jitter=40,stall=200/5000, or both
    #[arg(long, value_name = "NETWORK")]
    network: Option<Network>,
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

/// Reads whole seconds, up to so many.
fn seconds(most: u64) -> RangedU64ValueParser<u64> {
    RangedU64ValueParser::new().range(0..=most)
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
    let side = config::load_carrier_side(
        &context.sources,
        CarrierWants {
            token: true,
            server: args.webhook.starts_with('/'),
            number: args.to.is_none(),
            key: args.rest.is_some(),
        },
    )?;
    for warning in &side.warnings {
        warn(warning);
    }
    let named = super::lines(&side, &args.webhook, args.origin.as_deref())?;
    let script = script(&args, context)?;
    let account = super::account(&side);
    let record = args.record.clone();
    let is_json = args.json;
    let report = runtime()?.block_on(async {
        let rest = match args.rest {
            Some(port) => Some(serve_rest(account.clone(), port, &side).await?),
            None => None,
        };
        if let Some(path) = &record {
            // Better now than after the call.
            try_to_write(path)?;
        }
        let (hang_up, is_hung_up) = oneshot::channel();
        let mut plan = CallPlan::new(named.server, account);
        plan.origin = named.origin;
        if let Some(to) = args.to {
            plan.to = to;
        } else if args.from.starts_with("client:") {
            // Whom a client calls is its own parameter.
            plan.to.clear();
        } else if let Some(number) = side.phone_number {
            number.as_str().clone_into(&mut plan.to);
        }
        plan.from = args.from;
        plan.call_sid = args.call_sid.unwrap_or_else(super::call_sid);
        plan.params = args.parameters;
        plan.rest = rest.as_ref();
        plan.dial = args.dial.outcome();
        plan.misbehaviour = args.fault.as_deref().and_then(Misbehaviour::parse);
        plan.network = args.network;
        plan.most = Duration::from_secs(args.most);
        plan.script = script;
        plan.hang_up = Some(is_hung_up);
        plan.tell = Some(|text| tell(&super::harmless(text)));
        let mut stop = Stop::new()?;
        let call = sim::call(plan);
        tokio::pin!(call);
        tokio::select! {
            report = &mut call => return Ok(report),
            () = stop.wait() => {}
        }
        tell("hanging up; once more breaks the call off");
        // Where it is over at this very moment there is nobody left to tell.
        let _ = hang_up.send(());
        tokio::select! {
            report = &mut call => Ok(report),
            // The connections break, as where a network goes away.
            () = stop.wait() => Err(Failure::world("the call was broken off")),
        }
    })?;
    if let Some(path) = &record {
        write(path, &report.stream.heard)?;
    }
    if is_json {
        print_json(&report.to_json())?;
    } else {
        print(&super::harmless(&report.to_string()))?;
    }
    verdict(&report)
}

/// Returns what the caller does.
fn script(args: &Args, context: &Context) -> Result<Vec<Step>, Failure> {
    let mut script = vec![Step::Silence(Duration::from_secs(args.wait))];
    let mut echo = args.echo;
    match &args.say {
        Some(path) => script.push(Step::Speak(read_sound(path)?)),
        None => {
            script.push(Step::Speak(voice::greeting(context.local.lang)));
            // The greeting promises it.
            echo = echo.or(Some(3));
        }
    }
    script.extend(args.dtmf.clone().map(Step::Dtmf));
    if let Some(seconds) = echo.filter(|seconds| *seconds > 0) {
        if args.say.is_none() {
            script.push(Step::Speak(voice::beep()));
        }
        script.push(Step::EchoTest {
            record: Duration::from_secs(seconds),
        });
    }
    script.push(Step::Listen(Duration::from_secs(args.listen)));
    Ok(script)
}

async fn serve_rest(account: sim::Account, port: u16, side: &CarrierSide) -> Result<Rest, Failure> {
    let rest = Rest::start_on(account.clone(), port)
        .await
        .map_err(|cause| {
            Failure::world(format!("port {port} cannot be listened on"))
                .caused_by(&cause)
                .hint("choose another with --rest")
        })?;
    tell(&format!("the REST API is at {}", rest.url()));
    let mut made_up = Vec::new();
    if side.account_sid.is_none() {
        made_up.push(format!("TWILIO_ACCOUNT_SID={}", account.account_sid));
    }
    if side.api_key.is_none() {
        made_up.push(format!("TWILIO_API_KEY={}", account.api_key));
        made_up.push(format!("TWILIO_API_SECRET={}", account.api_secret));
    }
    if !made_up.is_empty() {
        tell(&format!("made up for this call: {}", made_up.join(" ")));
    }
    Ok(rest)
}

fn verdict(report: &CallReport) -> Result<(), Failure> {
    if report.is_fine() {
        return Ok(());
    }
    let what = match (report.warnings.as_slice(), report.not_simulated.as_slice()) {
        ([], []) => "the call went wrong".to_owned(),
        ([], passed_over) => format!(
            "the simulator does not play {}: Twilio may be content, but this call does not show it",
            passed_over.join(", ")
        ),
        ([one], _) => format!("Twilio would complain: {one}"),
        ([first, more @ ..], _) => {
            format!("Twilio would complain: {first} (and {} more)", more.len())
        }
    };
    Err(Failure::world(super::harmless(&what)))
}

fn read_sound(path: &Path) -> Result<Vec<i16>, Failure> {
    let file = File::open(path).map_err(|cause| {
        Failure::world(format!("`{}` cannot be opened", path.display())).caused_by(&cause)
    })?;
    read_wav(file).map_err(|why| {
        Failure::world(format!("`{}` {why}", path.display()))
            .hint(
                "it must be a WAV file, PCM or float, of any rate; `ffmpeg -i FILE -c:a pcm_s16le new.wav` makes one of \
                 mu-law and most others",
            )
    })
}

/// Makes sure that a file can be written, and leaves what is in it alone.
fn try_to_write(path: &Path) -> Result<(), Failure> {
    let mut options = File::options();
    let tried = options.append(true).create(true).open(path);
    tried.map(drop).map_err(|cause| {
        Failure::world(format!("`{}` cannot be written", path.display())).caused_by(&cause)
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
