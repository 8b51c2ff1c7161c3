//! The command line: arguments in, exit codes out.

mod calibrate;
mod capacity;
mod capture;
mod check;
mod compare;
mod hunt;
mod invocation;
mod judged;
mod live;
mod merge;
mod metrics;
mod options;
mod output;
mod profiles;
mod progress;
mod replay;
mod report;
mod results;
mod run;
mod share;
mod shell;
mod start;
#[cfg(feature = "studio")]
mod studio;
mod sweep;
mod terminal;
mod text;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::scenario::{covered_argument, covered_urls};
use crate::text::{visible, visible_lines};
use options::RunArgs;
use output::{Failure, complain};

const EXAMPLES: &str = "\
Examples:
  shakedown run scenarios/failover.toml
  shakedown run scenarios/failover.toml --seed 7 --set clients.players.count=1000000
  shakedown run scenarios/failover.toml --variant no-jitter --format json | jq .outage.p99_ms
  shakedown check scenarios/failover.toml --resolved
  shakedown compare scenarios/l4-versus-redirect/*.toml
  shakedown replay scenarios/failover.toml --session players-17
  shakedown sweep scenarios/failover.toml --seeds 0..1000
  shakedown capacity scenarios/overload.toml --vary clients.players.arrive.rate --slo 'handshake_latency.p99 < 250ms'
  shakedown metrics scenarios/failover.toml
  shakedown profiles --explain chromium
  shakedown hunt scenarios/chaos.toml --seeds 0..100000 --for 10m
  shakedown report results/failover/sim-1
  shakedown verify results/ --models

Exit codes:
  0    everything passed
  1    an expectation or an invariant failed, a recorded run came out differently,
       a known answer did not come out, or no session was found
  2    bad usage or a bad scenario
  3    the run could not start, or its results could not be written
  130  interrupted with Ctrl-C; what there was is in a folder that ends in -partial";

/// Runs very many WebSocket clients through their opening handshakes against failing, redirecting and overloaded
/// servers, in a deterministic simulation, and measures what they went through.
#[derive(Debug, Parser)]
#[command(name = "shakedown", version, after_help = EXAMPLES)]
struct Cli {
    /// When to colour what is printed
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: terminal::Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario: numbers, charts and a digest
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Check a scenario without running it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(check::CheckArgs),
    /// Run scenarios and their variants side by side: one table, and a chart for each scenario
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::CompareArgs),
    /// Print the real clients that a scenario may name: what each makes of answers
    #[command(after_help = PROFILES_EXAMPLES)]
    Profiles(profiles::ProfilesArgs),
    /// List the metrics: names, units, meaning, and what each needs; of a scenario, those that it has
    #[command(after_help = metrics::EXAMPLES)]
    Metrics(metrics::MetricsArgs),
    /// Draw sessions as sequence diagrams, or write captures and events
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(replay::ReplayArgs),
    /// Run a scenario with many seeds, and vary keys, over all cores
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(sweep::SweepArgs),
    /// Find the highest load that holds an objective, the fewest servers that do, or the overloads that a fleet does not recover from
    #[command(after_help = capacity::EXAMPLES)]
    Capacity(capacity::CapacityArgs),
    /// Put the shares of a sweep or a hunt together that ran in several places
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(merge::MergeArgs),
    /// Open a scenario's servers as real listeners, for any client
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(live::ServeArgs),
    /// Run a scenario's clients against real servers
    #[command(after_help = LOAD_EXAMPLES)]
    Load(live::LoadArgs),
    /// Measure what this machine adds on real sockets, and write it as a variant of a scenario
    #[command(after_help = calibrate::EXAMPLES)]
    Calibrate(calibrate::CalibrateArgs),
    /// Run seed after seed until something breaks, and shrink it to the smallest scenario that still does
    #[command(after_help = HUNT_EXAMPLES)]
    Hunt(hunt::HuntArgs),
    /// Make report.html of a result folder again, or print its run as another document; nothing runs
    #[command(after_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Run recorded simulations and comparisons again, and compare what comes out
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Edit a scenario in the browser, with its report beside it, made anew on every change
    #[cfg(feature = "studio")]
    #[command(after_help = studio::EXAMPLES)]
    Studio(studio::StudioArgs),
    /// Write a commented scenario to begin with
    #[command(after_help = start::INIT_EXAMPLES)]
    Init(start::InitArgs),
    /// Show the scenarios of a folder, with the question that each asks
    #[command(after_help = start::LIST_EXAMPLES)]
    List(start::ListArgs),
    /// Print the JSON Schema of scenario files, for editors
    #[command(after_help = shell::SCHEMA_EXAMPLES)]
    Schema,
    /// Print the completions of a shell
    #[command(after_help = shell::COMPLETIONS_EXAMPLES)]
    Completions(shell::CompletionsArgs),
    /// Write man pages
    #[command(after_help = shell::MAN_EXAMPLES)]
    Man(shell::ManArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  shakedown run scenarios/failover.toml
  shakedown run scenarios/failover.toml --set network.one_way=5ms --set 'clients.players.hold=\"10s\"'
  shakedown run scenarios/storm.toml --set clients.players.count=1000000 --out /tmp/storm
  shakedown run scenarios/failover.toml --events --check-determinism
  shakedown run scenarios/redirect.toml --driver tokio --set clients.players.count=300

Quantities carry their unit: durations ns, us, ms, s, m, h; rates 500/s; shares 30%.
Results go to results/SCENARIO/sim-SEED, with -VARIANT, or with part of a hash where --set was used.
Those of --driver tokio and kernel go to tokio-SEED-NUMBER and kernel-SEED-NUMBER likewise.";

const SERVE_EXAMPLES: &str = "\
Examples:
  shakedown serve scenarios/redirect.toml --ports ports.json
  shakedown serve scenarios/failover.toml --bind 0.0.0.0 --set 'duration=\"24h\"'

Serves for the scenario's duration, or until Ctrl-C. Faults strike on the real clock; [network] and [clients] are
whatever is really there. Requests that are not whole after 60 s are ended unless handshake_timeout says otherwise.
Results go to results/SCENARIO/serve-SEED-NUMBER.";

const LOAD_EXAMPLES: &str = "\
Examples:
  shakedown load scenarios/failover.toml --target gateway=ws://127.0.0.1:8080/chat
  shakedown load scenarios/redirect.toml --target front=wss://front.test,gateway-0=wss://gateway-0.test

NAME is a server, a server group or a DNS name that clients connect to, or are redirected to. [servers], [network] and
[faults] are whatever is really there. Results go to results/SCENARIO/load-SEED-NUMBER.";

const CHECK_EXAMPLES: &str = "\
Examples:
  shakedown check scenarios/failover.toml
  shakedown check scenarios/failover.toml --variant no-jitter --resolved > as-it-runs.toml";

const REPLAY_EXAMPLES: &str = "\
Examples:
  shakedown replay scenarios/failover.toml --session players-17
  shakedown replay scenarios/failover.toml --seed 7 --failed --count 3
  shakedown replay scenarios/redirect.toml --redirected
  shakedown replay scenarios/black-hole.toml --slowest --format svg > slowest.svg
  shakedown replay scenarios/failover.toml --failed --format pcapng > failed.pcapng
  shakedown replay scenarios/failover.toml --failed --format perfetto > failover.json
  shakedown replay scenarios/failover.toml --format jsonl --server gateway-0 --from 19s --until 21s

Sessions are counted from 0 in their group. The run is made again, so whatever changes it (--seed, --variant, --set)
must be given as it was.";

const SWEEP_EXAMPLES: &str = "\
Examples:
  shakedown sweep scenarios/failover.toml --seeds 0..1000
  shakedown sweep scenarios/failover.toml --seeds 0..100 \\
      --grid clients.players.retry.policy=full-jitter,equal-jitter --grid clients.players.retry.cap=10s,30s
  shakedown sweep scenarios/failover.toml --seeds 0..1000 --resume
  shakedown sweep scenarios/failover.toml --seeds 0..1000 --shard 3/16

Results go to results/SCENARIO/sweep-FROM-UNTIL: summary.json, runs.csv, runs.jsonl, latency.hlog and charts. While it
runs, rows are kept in a folder that ends in -partial. Threads, interruptions and shares change nothing of what comes out.";

const HUNT_EXAMPLES: &str = "\
Examples:
  shakedown hunt scenarios/chaos.toml --seeds 0..100000 --for 10m
  shakedown hunt scenarios/chaos.toml --seeds 0..1000 --set chaos.faults=5
  shakedown hunt scenarios/chaos.toml --seeds 0..100000 --resume
  shakedown hunt scenarios/chaos.toml --seeds 0..100000 --shard 3/16

What breaks is an invariant or an expectation. The lowest seed that breaks something is found and shrunk, whatever the
number of threads; repro-DIGEST.toml in results/SCENARIO/hunt-FROM-UNTIL fails by itself, with a sequence diagram of the
session concerned beside it.";

const MERGE_EXAMPLES: &str = "\
Examples:
  shakedown merge results/failover/sweep-0-1000-shard-*
  shakedown merge results/chaos/hunt-0-100000-shard-*";

const PROFILES_EXAMPLES: &str = "\
Examples:
  shakedown profiles
  shakedown profiles --explain chromium
  shakedown profiles --format json | jq '.profiles | keys'";

const VERIFY_EXAMPLES: &str = "\
Examples:
  shakedown verify results/
  shakedown verify --models
  shakedown verify results/ --models";

/// Parses the arguments, does what they say, and returns the exit code.
pub fn run() -> ExitCode {
    let all = Cli::command();
    let matches = all.clone().try_get_matches().unwrap_or_else(|error| refuse(&error));
    let Cli { color, command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| refuse(&error));
    color.decide();
    let invocation = &invocation::Invocation::new(&all, &matches);
    let done = match command {
        Command::Run(args) => run::run(&args, invocation),
        Command::Check(args) => check::check(&args),
        Command::Compare(args) => compare::compare(&args, invocation),
        Command::Profiles(args) => profiles::run(&args),
        Command::Metrics(args) => metrics::metrics(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Sweep(args) => sweep::sweep(&args, invocation),
        Command::Capacity(args) => capacity::capacity(&args, invocation),
        Command::Merge(args) => merge::merge(&args),
        Command::Serve(args) => live::serve(&args, invocation),
        Command::Load(args) => live::load(&args, invocation),
        Command::Calibrate(args) => calibrate::command(&args),
        Command::Hunt(args) => hunt::hunt(&args, invocation),
        Command::Report(args) => report::report(&args),
        Command::Verify(args) => verify::verify(&args),
        #[cfg(feature = "studio")]
        Command::Studio(args) => studio::studio(&args),
        Command::Init(args) => start::init(&args),
        Command::List(args) => start::list(&args),
        Command::Schema => shell::schema(),
        Command::Completions(args) => shell::completions(&args, all),
        Command::Man(args) => shell::man(&args, all),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    let message = visible_lines(&covered_urls(&failure.to_string()));
    if !message.is_empty() {
        // Nobody is left to tell if this fails.
        let _ = complain(&format!("{}\n", message.trim_end()));
    }
    ExitCode::from(match failure {
        Failure::Broken => 1,
        Failure::Input(_) => 2,
        Failure::Machine(_) => 3,
        Failure::Interrupted => 130,
    })
}

/// Ends the process with what clap says; arguments that it quotes have their secrets covered.
fn refuse(error: &clap::Error) -> ! {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let quoted: Vec<(String, String)> = arguments
        .map(|argument| (covered_argument(&argument).into_owned(), argument))
        .filter(|(covered, argument)| covered != argument)
        .flat_map(|(covered, argument)| {
            // `--set=PATH=VALUE` is quoted without its option.
            let value = argument.split_once('=').filter(|(option, _)| option.starts_with("--"));
            let value = value.map(|(_, value)| (covered_argument(value).into_owned(), value.to_string()));
            value.into_iter().chain([(covered, argument)])
        })
        .collect();
    let several = error.kind() == clap::error::ErrorKind::UnknownArgument
        && std::env::args().any(|argument| argument == "--seeds" || argument.starts_with("--seeds="));
    let acts = std::env::args_os().any(|argument| {
        let argument = argument.to_string_lossy();
        visible(&argument) != argument
    });
    if quoted.is_empty() && !several && !acts {
        error.exit();
    }
    let text = quoted.iter().fold(error.render().to_string(), |text, (covered, own)| text.replace(own, covered));
    let mut text = visible_lines(&text);
    if several {
        text.push_str(
            "\nOne run has one seed: --seed N. `shakedown sweep FILE --seeds 0..3` makes one with each of several.\n",
        );
    }
    let _ = complain(&text);
    std::process::exit(error.exit_code())
}

#[cfg(test)]
mod tests;
