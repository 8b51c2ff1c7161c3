//! The command line: arguments in, exit codes out.

mod calibrate;
mod capacity;
mod check;
mod compare;
mod hunt;
mod invocation;
mod live;
mod merge;
mod profiles;
mod progress;
mod replay;
mod report;
mod results;
mod run;
mod share;
mod shell;
mod start;
mod sweep;
mod terminal;
mod text;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::explore::file_name;
use crate::scenario::{Overrides, Problem, Scenario};

/// Why a command failed, and so its exit code.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Exit code 1: an expectation or an invariant failed, or a recorded run came out differently. Already reported.
    #[error("")]
    Broken,
    /// Exit code 2: bad usage or a bad scenario.
    #[error("{0}")]
    Input(String),
    /// Exit code 3: the run could not start or write.
    #[error("error: {0}")]
    Machine(String),
    /// Exit code 130: interrupted. Already reported.
    #[error("")]
    Interrupted,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Input(problem.to_string())
    }
}

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
    Check(CheckArgs),
    /// Run scenarios and their variants side by side: one table, and a chart for each scenario
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::CompareArgs),
    /// Print the real clients that a scenario may name: what each makes of answers
    #[command(after_help = PROFILES_EXAMPLES)]
    Profiles(profiles::ProfilesArgs),
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
    Verify(VerifyArgs),
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
Those of --driver tokio go to tokio-SEED-NUMBER likewise.";

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

/// What every command that reads a scenario takes.
#[derive(Debug, Args)]
struct ScenarioArgs {
    /// The scenario file
    scenario: PathBuf,
    /// Take this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = seed)]
    seed: Option<u64>,
    /// Run this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Override a key, after the variant: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
}

/// What every command that makes many runs of a scenario takes.
#[derive(Debug, Args)]
struct ManyArgs {
    /// Run this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Override a key, after the variant: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// How many threads; all cores unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

impl ManyArgs {
    fn overrides(&self, seed: Option<u64>) -> Overrides {
        Overrides { seed, variant: self.variant.clone(), sets: self.sets.clone(), ..Overrides::default() }
    }

    /// Does work on so many threads as were asked for.
    fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        let jobs = self.jobs.map_or(0, usize::from);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(machine)?;
        Ok(threads.install(work))
    }
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// What gives clients and servers a network and a clock
    #[arg(long, value_enum, default_value_t = DriverArg::Sim)]
    driver: DriverArg,
    /// Write every event to events.jsonl, too: docs/replay.md
    #[arg(long)]
    events: bool,
    /// Make the run twice, and name the first event that differs
    #[arg(long)]
    check_determinism: bool,
    /// Don't make the run again to keep the slowest and some failed sessions in exemplars.jsonl
    #[arg(long)]
    no_exemplars: bool,
    /// Start the programs that the scenario's servers are (--driver tokio)
    #[arg(long)]
    allow_commands: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What every command that runs a scenario takes.
#[derive(Debug, Args)]
struct OutputArgs {
    /// Write the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print on standard output; with another than text, everything else goes to standard error
    #[arg(long, value_enum, default_value_t = report::Document::Text)]
    format: report::Document,
    /// Print failed expectations and the digest only
    #[arg(long)]
    quiet: bool,
}

impl OutputArgs {
    /// Where text for people goes.
    fn text(&self) -> Format {
        if self.format == report::Document::Text { Format::Text } else { Format::Json }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DriverArg {
    /// The simulator: virtual time, the same run every time
    Sim,
    /// The simulator, with turmoil for async programs of your own
    #[cfg(feature = "turmoil")]
    Turmoil,
    /// Real sockets on loopback, and the real clock
    Tokio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table to read
    Text,
    /// A JSON document
    Json,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Print the whole scenario with every default, as TOML that runs to the same digest
    #[arg(long)]
    resolved: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Folders to search for recorded runs
    folders: Vec<PathBuf>,
    /// Simulate scenarios with known answers (queueing theory, kernels, papers) and compare: docs/models.md
    #[arg(long)]
    models: bool,
    /// What to print on standard output; with json, one document of all that was verified
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

impl ScenarioArgs {
    /// Reads and checks the scenario, for a simulation.
    fn load(&self) -> Result<Scenario, Failure> {
        self.load_for(false)
    }

    /// Reads and checks the scenario, in which servers may be programs.
    fn load_with_programs(&self) -> Result<Scenario, Failure> {
        self.load_for(true)
    }

    fn load_for(&self, programs: bool) -> Result<Scenario, Failure> {
        let (variant, sets) = (self.variant.clone(), self.sets.clone());
        let overrides = Overrides { seed: self.seed, variant, sets, programs, ..Overrides::default() };
        load(&self.scenario, &overrides)
    }
}

/// Reads and checks a scenario file.
fn load(file: &Path, overrides: &Overrides) -> Result<Scenario, Failure> {
    let (shown, text) = read(file)?;
    Ok(crate::scenario::load(&shown, &stem(file), &text, overrides)?)
}

/// A scenario file: what messages call it, and its text.
fn read(file: &Path) -> Result<(String, String), Failure> {
    let shown = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((shown, text)),
        Err(error) => Err(Failure::Input(format!("error: can't read {shown}: {error}"))),
    }
}

/// Writes to standard output. Who closes the pipe (`… | head`) has read enough: that is no failure.
fn print(text: &str) -> Result<(), Failure> {
    written(std::io::stdout().write_all(text.as_bytes()))
}

/// Writes to standard error; the same holds for it.
fn complain(text: &str) -> Result<(), Failure> {
    written(std::io::stderr().write_all(text.as_bytes()))
}

/// Text for people: on standard output, or on standard error when JSON has that for itself.
fn say(format: Format, text: &str) -> Result<(), Failure> {
    match format {
        Format::Text => print(text),
        Format::Json => complain(text),
    }
}

fn machine(error: impl ToString) -> Failure {
    Failure::Machine(error.to_string())
}

fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Machine(error.to_string())),
        _ => Ok(()),
    }
}

/// What results are filed under: the file's name without its ending, and before it the folders that lie between it and
/// one named `scenarios`.
fn stem(path: &Path) -> String {
    let name = file_name(path);
    let folders: Vec<_> = path.parent().into_iter().flat_map(Path::components).collect();
    let Some(at) = folders.iter().rposition(|folder| folder.as_os_str() == "scenarios") else { return name };
    let between = folders[at + 1..].iter().map(|folder| folder.as_os_str().to_string_lossy().into_owned());
    between.chain([name]).collect::<Vec<_>>().join("/")
}

/// Parses the arguments, does what they say, and returns the exit code.
pub fn run() -> ExitCode {
    let matches = Cli::command().get_matches();
    let Cli { color, command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    color.decide();
    let invocation = &invocation::Invocation::new(&matches);
    let done = match command {
        Command::Run(args) => run::run(&args, invocation),
        Command::Check(args) => check::check(&args),
        Command::Compare(args) => compare::compare(&args, invocation),
        Command::Profiles(args) => profiles::run(&args),
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
        Command::Init(args) => start::init(&args),
        Command::List(args) => start::list(&args),
        Command::Schema => shell::schema(),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    let message = failure.to_string();
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

#[cfg(test)]
mod tests;
