//! Options that several commands take.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::judged::JunitArgs;
use super::output::{Failure, Format, complain, machine};
use super::report;
use crate::explore::{Estimate, file_name};
use crate::scenario::{Overrides, Played, Scenario, Secrets};

/// What every command that reads a scenario takes.
#[derive(Debug, Args)]
pub(super) struct ScenarioArgs {
    /// The scenario file
    pub scenario: PathBuf,
    /// Take this seed instead of the scenario's
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = seed)]
    pub seed: Option<u64>,
    /// Run this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Override a key, after the variant: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
}

/// What every command that makes many runs of a scenario takes.
#[derive(Debug, Args)]
pub(super) struct ManyArgs {
    /// Run this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Override a key, after the variant: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
    /// Run it however much time and memory it would take
    #[arg(long)]
    pub force: bool,
    /// How many threads; all cores unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
}

impl ManyArgs {
    pub(super) fn overrides(&self, seed: Option<u64>) -> Overrides {
        Overrides { seed, variant: self.variant.clone(), sets: self.sets.clone(), ..Overrides::default() }
    }

    /// Refuses runs that would take absurdly much, so many at once as there are threads.
    pub(super) fn afford(&self, scenario: &Scenario) -> Result<(), Failure> {
        let threads = self.jobs.map_or_else(available_parallelism, usize::from);
        afford(scenario, self.force, threads)
    }

    /// Does work on so many threads as were asked for.
    pub(super) fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        let jobs = self.jobs.map_or(0, usize::from);
        let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
        let threads = threads.map_err(|error| machine(format!("can't start threads: {error}")))?;
        Ok(threads.install(work))
    }
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub scenario: ScenarioArgs,
    /// What gives clients and servers a network and a clock
    #[arg(long, value_enum, default_value_t = DriverArg::Sim)]
    pub driver: DriverArg,
    /// Write every event to events.jsonl, too: docs/replay.md
    #[arg(long)]
    pub events: bool,
    /// Make the run twice, and name the first event that differs
    #[arg(long)]
    pub check_determinism: bool,
    /// Run it however much time and memory it would take
    #[arg(long)]
    pub force: bool,
    /// Don't make the run again to keep the slowest and some failed sessions in exemplars.jsonl
    #[arg(long)]
    pub no_exemplars: bool,
    /// Start the programs that the scenario's servers are, and that its faults run (--driver tokio, kernel)
    #[arg(long)]
    pub allow_commands: bool,
    /// Serve what was counted so far as OpenMetrics text at http://ADDRESS/metrics (--driver tokio, kernel): 127.0.0.1:9464
    #[arg(long = "metrics", value_name = "ADDRESS")]
    pub metrics_address: Option<SocketAddr>,
    /// Write the packets on the wire into this file, for Wireshark and tshark (--driver kernel)
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What every command that runs a scenario takes.
#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// Write the results into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What to print on standard output; with another than text, everything else goes to standard error
    #[arg(long, value_enum, default_value_t = report::Document::Text)]
    pub format: report::Document,
    #[command(flatten)]
    pub junit: JunitArgs,
    /// Print what is run, every expectation and all tables, too
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Print failed expectations and the digest only
    #[arg(long)]
    pub quiet: bool,
}

impl OutputArgs {
    /// Where text for people goes.
    pub(super) fn text(&self) -> Format {
        if self.format == report::Document::Text { Format::Text } else { Format::Json }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DriverArg {
    /// The simulator: virtual time, the same run every time
    Sim,
    /// The simulator, with turmoil for async programs of your own (feature `turmoil`)
    Turmoil,
    /// Real sockets on loopback, and the real clock
    Tokio,
    /// Real sockets on hosts with a network of their own each, and a wire between them that delays and loses (Linux)
    Kernel,
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

impl ScenarioArgs {
    /// Reads and checks the scenario, for a simulation.
    pub(super) fn load(&self) -> Result<Scenario, Failure> {
        self.load_for(Overrides::default())
    }

    /// Reads and checks the scenario, in which servers may be programs.
    pub(super) fn load_with_programs(&self) -> Result<Scenario, Failure> {
        self.load_for(Overrides { programs: true, ..Overrides::default() })
    }

    /// The same for real sockets at one end only.
    pub(super) fn load_part(&self, played: Played) -> Result<Scenario, Failure> {
        self.load_for(Overrides { programs: true, played, ..Overrides::default() })
    }

    /// The same, and nothing is to run.
    pub(super) fn load_to_look_at(&self) -> Result<Scenario, Failure> {
        self.load_for(Overrides { programs: true, secrets: Secrets::Unneeded, ..Overrides::default() })
    }

    fn load_for(&self, overrides: Overrides) -> Result<Scenario, Failure> {
        let (variant, sets) = (self.variant.clone(), self.sets.clone());
        let overrides = Overrides { seed: self.seed, variant, sets, ..overrides };
        let scenario = load(&self.scenario, &overrides)?;
        scenario.notes().iter().try_for_each(|note| complain(&format!("note: {note}\n")))?;
        Ok(scenario)
    }
}

/// Threads, unless it is said how many.
pub(super) fn available_parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Refuses a run that would take absurdly much, unless it is forced.
pub(super) fn afford(scenario: &Scenario, force: bool, at_once: usize) -> Result<(), Failure> {
    if force {
        return Ok(());
    }
    Ok(Estimate::new(scenario).afford(at_once)?)
}

/// Reads and checks a scenario file.
pub(super) fn load(file: &Path, overrides: &Overrides) -> Result<Scenario, Failure> {
    let (shown, text) = read(file)?;
    Ok(crate::scenario::load(&shown, &stem(file), &text, overrides)?)
}

/// A scenario file: what messages call it, and its text.
pub(super) fn read(file: &Path) -> Result<(String, String), Failure> {
    let shown = file.display().to_string();
    let failed = |why: &str| Failure::Input(format!("error: can't read {shown}: {why}"));
    if file.is_dir() {
        return Err(Failure::Input(format!(
            "error: {shown} is a folder, and a scenario is a file\n  = help: `shakedown list` shows the scenarios of a \
             folder; in one of results, run.json has the command that made them (`command`) and the whole scenario \
             (`scenario_toml`)"
        )));
    }
    let bytes = std::fs::read(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed("there is no such file"),
        _ => failed(&error.to_string()),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((shown, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(failed(&format!("it is no text: byte {at} begins nothing of UTF-8")))
        }
    }
}

/// What results are filed under: the file's name without its ending, and before it the folders that lie between it and
/// one named `scenarios`.
pub(super) fn stem(path: &Path) -> String {
    let name = file_name(path);
    let folders: Vec<_> = path.parent().into_iter().flat_map(Path::components).collect();
    let Some(at) = folders.iter().rposition(|folder| folder.as_os_str() == "scenarios") else { return name };
    let between = folders[at + 1..].iter().map(|folder| folder.as_os_str().to_string_lossy().into_owned());
    between.chain([name]).collect::<Vec<_>>().join("/")
}
