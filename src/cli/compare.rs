//! `shakedown compare`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::invocation::Invocation;
use super::judged::JunitArgs;
use super::options::{available_parallelism, read, stem};
use super::output::{Failure, complain, machine, print};
use super::progress::{Counter, end_when_interrupted};
use crate::explore::sweep::{Axis, Named};
use crate::explore::{Choice, Folder, Source, may_hold_comparison, prepare, recorded, write_folder};
use crate::quantity::Share;
use crate::report::{Better, Gate, Order, covered_document};

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown compare scenarios/hybi/*.toml
  shakedown compare scenarios/failover.toml --seeds 0..10 --metric outage.p99 --metric attempts.total
  shakedown compare scenarios/l4-versus-redirect/*.toml --variants as-written --format markdown
  shakedown compare scenarios/failover.toml --by outage.p99 \\
      --grid clients.players.retry.policy=full-jitter,equal-jitter,exponential
  shakedown compare scenarios/failover.toml --by outage.p99 --choice 'as it is:' \\
      --choice 'patient: clients.players.retry.base=2s; clients.players.retry.cap=60s'
  shakedown compare scenarios/failover.toml --fail-if-worse outage.p99 --by 5% --seeds 0..20 \\
      --choice 'as it is:' --choice 'new: clients.players.retry.base=1s' --junit gate.xml
  shakedown compare before=results/x/load-1-1 before=results/x/load-1-2 after=results/x/load-1-3
  shakedown compare results/redirect/sim-1 results/redirect/tokio-1-1
  shakedown compare results/failover/sweep-0-100 results/failover/sweep-0-100-no-jitter --by outage.p99

Each file is run as it is written and in every variant, all with the same seeds: a table of all runs, and for each file one
of the metrics that it asks for with [compare] metrics = [...]. Several seeds give medians, with their range, and a league
table: what is better, by how much, and what no difference was shown of. Folders of finished runs and sweeps are not run
again. Results go to results/NAME, where NAME is the folder that the files share, or results/SCENARIO/compare.";

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The scenario files, or the folders of finished runs and sweeps; runs of one NAME=FOLDER are one choice
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Sort by this metric and say for each two whether they differ in it; ten seeds, 0..10, unless --seeds says otherwise. With
    /// --fail-if-worse also a share, 5%: by how much that may be worse
    #[arg(long, value_name = "PATH|SHARE", value_parser = by)]
    by: Vec<By>,
    /// Exit with 1 if a choice is shown to be worse than the first in this metric, by more than --by 5%: the whole 95 % interval of
    /// the change within seeds is beyond that
    #[arg(long, value_name = "PATH", requires = "by")]
    fail_if_worse: Option<String>,
    /// Which value of --by and --fail-if-worse is better; what its name says unless given: more opened sessions, less of most else
    #[arg(long, value_name = "lower|higher", value_parser = better, requires = "by")]
    better: Option<Better>,
    /// Vary a key over several values, a row for each; several of these make every combination (can be repeated)
    #[arg(long = "grid", value_name = "PATH=VALUE,VALUE")]
    grid: Vec<Axis>,
    /// Overrides with a name, a row for each: 'patient: clients.players.retry.base=2s; clients.players.retry.cap=60s' (can be
    /// repeated; 'NAME:' alone is the file as it is written)
    #[arg(long = "choice", value_name = "NAME: PATH=VALUE; …")]
    choices: Vec<Named>,
    /// Run only these variants; the file as it is written is as-written, or what its [compare] base says
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    variants: Vec<String>,
    /// Run each with these seeds instead of the scenario's own: 0..10 (ten of them), or 1,5,9
    #[arg(long, value_name = "SEEDS", value_parser = seeds)]
    seeds: Option<Seeds>,
    /// Override a key in all of them: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// Show this metric instead of the usual ones and those of the files (can be repeated)
    #[arg(long = "metric", value_name = "PATH")]
    metrics: Vec<String>,
    /// Run it however much time and memory it would take
    #[arg(long)]
    force: bool,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = CompareFormat::Text)]
    format: CompareFormat,
    #[command(flatten)]
    junit: JunitArgs,
    /// Write the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print all metrics, and what can be said of each two choices
    #[arg(long, short)]
    verbose: bool,
}

/// What `--by` says: a metric, or a share of one.
#[derive(Debug, Clone)]
enum By {
    Metric(String),
    Share(f64),
}

fn by(text: &str) -> Result<By, String> {
    match text.ends_with('%') {
        true => text.parse::<Share>().map(|share| By::Share(share.0)).map_err(|hint| hint.to_string()),
        false => Ok(By::Metric(text.into())),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompareFormat {
    /// Tables to read
    Text,
    /// A JSON document
    Json,
    /// Tables for a document or a comment
    Markdown,
}

#[derive(Debug, Clone)]
struct Seeds(Vec<u64>);

fn better(text: &str) -> Result<Better, String> {
    match text {
        "lower" => Ok(Better::Lower),
        "higher" => Ok(Better::Higher),
        _ => Err("lower or higher".into()),
    }
}

/// Seeds where something is to be decided and nobody said how many.
const SEEDS: std::ops::Range<u64> = 0..10;
/// The most seeds.
const MAX_SEEDS: u64 = 10_000;

fn seeds(text: &str) -> Result<Seeds, String> {
    let wrong = || "seeds are a range such as 0..10, or a list such as 1,5,9".to_string();
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    let seeds: Vec<u64> = match text.split_once("..") {
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if to.saturating_sub(from) > MAX_SEEDS {
                return Err(format!("more than {MAX_SEEDS} seeds"));
            }
            (from..to).collect()
        }
        None => text.split(',').map(number).collect::<Result<_, _>>()?,
    };
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    match seeds.len() {
        0 => Err(format!("no seed at all: {}", wrong())),
        count if count > sorted.len() => Err("a seed is there twice".into()),
        _ => Ok(Seeds(seeds)),
    }
}

pub(super) fn compare(args: &CompareArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let source = |path: &PathBuf| {
        let (shown, text) = read(path)?;
        Ok(Source { shown, name: stem(path), text })
    };
    let (folders, files): (Vec<Folder>, Vec<PathBuf>) = sorted(&args.files);
    if !folders.is_empty()
        && (args.seeds.is_some() || !args.sets.is_empty() || !args.grid.is_empty() || !args.choices.is_empty())
        && files.is_empty()
    {
        return Err(Failure::Input(
            "error: --seeds, --set, --grid and --choice are for scenarios: finished runs are as they are".into(),
        ));
    }
    let sources = files.iter().map(source).collect::<Result<Vec<Source>, Failure>>()?;
    let recorded = recorded(&folders).map_err(|error| Failure::Input(format!("error: {error}")))?;
    let names = sources.iter().map(|source| source.name.as_str());
    let mut names: Vec<&str> = names.chain(recorded.iter().map(|part| part.scenario.as_str())).collect();
    let folder = filed_under(&names);
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Failure::Input(format!("error: two files are both called {}", twice[0])));
    }
    let called = |one: &Named| args.choices.iter().filter(|other| other.name == one.name).count();
    if let Some(twice) = args.choices.iter().find(|one| called(one) > 1) {
        return Err(Failure::Input(format!("error: two choices are both called {}", twice.name)));
    }
    let better = |metric: &str| args.better.unwrap_or_else(|| Better::of(metric));
    let gate = gate(args, better)?;
    let metrics = args.by.iter().filter_map(|by| if let By::Metric(metric) = by { Some(metric.clone()) } else { None });
    let metrics: Vec<String> = metrics.collect();
    if metrics.len() > 1 {
        return Err(Failure::Input("error: --by twice: a table is sorted by one metric".into()));
    }
    // What decides is what choices are ranked by.
    let by = metrics.into_iter().next().or_else(|| gate.as_ref().map(|gate| gate.metric.clone()));
    let choice = Choice {
        variants: args.variants.clone(),
        seeds: match (&args.seeds, &by) {
            (Some(seeds), _) => seeds.0.clone(),
            (None, Some(_)) => SEEDS.collect(),
            (None, None) => Vec::new(),
        },
        sets: args.sets.clone(),
        metrics: args.metrics.clone(),
        axes: args.grid.clone(),
        named: args.choices.clone(),
        by: by.map(|metric| Order { better: better(&metric), metric }),
        gate,
        command: Some(invocation.command()),
    };
    let out = args.out.clone().unwrap_or_else(|| Path::new("results").join(&folder));
    let name = folder.strip_suffix("/compare").unwrap_or(&folder);
    let prepared = prepare(name, &sources, recorded, &choice)?;
    if !args.force {
        prepared.estimates.iter().try_for_each(|estimate| estimate.afford(available_parallelism()))?;
    }
    // Better told now than after the work.
    may_hold_comparison(&out, name).map_err(machine)?;
    end_when_interrupted();
    let counter = Counter::new(0, false);
    let compared = prepared.run(&|done, of| counter.watch(done, of));
    counter.finish();
    let comparison = compared?;
    // Nothing is written that looks as if it had passed.
    if let Some(gate) = &comparison.gate {
        gate.judge(&comparison).map_err(|why| Failure::Input(format!("error: --fail-if-worse: {why}")))?;
    }
    let written = write_folder(&out, &comparison.files());
    print(&match args.format {
        CompareFormat::Text => comparison.text(args.verbose),
        CompareFormat::Json => covered_document(&comparison.json()).into_owned(),
        CompareFormat::Markdown => comparison.markdown(),
    })?;
    // The numbers are told even when they could not be kept.
    written.map_err(machine)?;
    complain(&format!("results in {}\n", out.display()))?;
    args.junit.tell(&comparison.suite(), args.files.first().map_or(Path::new(""), PathBuf::as_path))?;
    if comparison.judged().is_some_and(|judged| judged.iter().any(|one| !one.passed)) {
        return Err(Failure::Broken);
    }
    match comparison.parts.iter().flat_map(|part| &part.rows).all(|row| row.errors.is_empty()) {
        true => Ok(()),
        false => Err(Failure::Machine("some runs came to no end".into())),
    }
}

/// Folders of finished runs, with the names that were given them, and scenario files.
fn sorted(given: &[PathBuf]) -> (Vec<Folder>, Vec<PathBuf>) {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for path in given {
        let named = path.to_str().and_then(|text| text.split_once('=')).filter(|_| !path.exists());
        match named.map(|(name, folder)| (name, PathBuf::from(folder))).filter(|(_, folder)| folder.is_dir()) {
            Some((name, path)) => folders.push(Folder { name: Some(name.into()), path }),
            None if path.is_dir() => folders.push(Folder { name: None, path: path.clone() }),
            None => files.push(path.clone()),
        }
    }
    (folders, files)
}

/// What `--fail-if-worse` and the share of `--by` say.
fn gate(args: &CompareArgs, better: impl Fn(&str) -> Better) -> Result<Option<Gate>, Failure> {
    let mut shares = args.by.iter().filter_map(|by| if let By::Share(share) = by { Some(*share) } else { None });
    match (&args.fail_if_worse, shares.next(), shares.next()) {
        (None, None, _) => Ok(None),
        (Some(metric), Some(by), None) => Ok(Some(Gate { metric: metric.clone(), better: better(metric), by })),
        (None, Some(_), _) => Err(Failure::Input(
            "error: --by a share is for --fail-if-worse METRIC; to sort, give a metric: --by outage.p99".into(),
        )),
        (Some(metric), ..) => {
            let message = format!("error: --fail-if-worse {metric} needs one bound: --by 5%");
            Err(Failure::Input(message))
        }
    }
}

/// The folder that all of them are in, or of a single one its own.
fn filed_under(names: &[&str]) -> String {
    let parent = |name: &str| name.rsplit_once('/').map(|(parent, _)| parent.to_string());
    match names {
        [one] => format!("{one}/compare"),
        [first, others @ ..] => {
            let shared = parent(first).filter(|first| others.iter().all(|other| parent(other).as_ref() == Some(first)));
            shared.unwrap_or_else(|| "compare".into())
        }
        [] => "compare".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_or_a_list() {
        assert_eq!(seeds("0..3").unwrap().0, [0, 1, 2]);
        assert_eq!(seeds("7, 5").unwrap().0, [7, 5]);
        for wrong in ["", "3..3", "1..", "a", "1,1", "0..99999"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn results_lie_where_the_files_do() {
        assert_eq!(filed_under(&["hybi/a", "hybi/b"]), "hybi");
        assert_eq!(filed_under(&["failover"]), "failover/compare");
        assert_eq!(filed_under(&["hybi/a"]), "hybi/a/compare");
        assert_eq!(filed_under(&["a", "b"]), "compare");
        assert_eq!(filed_under(&["hybi/a", "b"]), "compare");
    }
}
