//! `shakedown sweep`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::invocation::Invocation;
use super::judged::JunitArgs;
use super::options::{ManyArgs, read, stem};
use super::output::{Failure, Format, complain, machine, print, say};
use super::progress::{Counter, catch_interrupts, interrupted};
use super::results::partial;
use super::share::ShareArgs;
use super::terminal::good;
use crate::explore::may_hold_sweep;
use crate::explore::sweep::{self, Axis, Given, Journal, Plan, Point, Seeds, Shard, SweepError, SweepSummary};
use crate::report::covered_document;
use crate::report::figure::{Unit, figure};
use crate::report::junit::{Case, Outcome, Suite};
use crate::statistics::Spread;
use crate::text::{Table, WIDTH, beside_labels, counted, grouped, percent, visible, wrapped};

/// Metrics in the table, at most.
const METRICS_SHOWN: usize = 12;
/// Those of them that are printed unasked.
const METRICS_FIRST: usize = 4;

#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The scenario file
    scenario: PathBuf,
    /// The seeds: 0..1000 (without its end), 0..=999, or one
    #[arg(long, value_name = "RANGE")]
    seeds: Seeds,
    /// Vary a key over several values; several of these make every combination (can be repeated)
    #[arg(long = "grid", value_name = "PATH=VALUE,VALUE")]
    grid: Vec<Axis>,
    #[command(flatten)]
    many: ManyArgs,
    /// Go on with a sweep that was interrupted
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    share: ShareArgs,
    /// Write the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print on standard output; with json, everything else goes to standard error
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    junit: JunitArgs,
    /// Print more metrics
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Print failed expectations and the digest only
    #[arg(long)]
    quiet: bool,
}

/// How much of a sweep is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What failed, and the digest.
    Least,
    /// What matters most, too.
    Most,
    /// All that has room.
    All,
}

pub(super) fn sweep(args: &SweepArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let mut plan = plan(&args.scenario, &args.many, &args.grid, &args.seeds, &args.share)?;
    plan.given = Some(Given { command: invocation.command(), run: invocation.run() });
    let folder =
        args.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&plan.name).join(plan.folder_name("sweep")));
    may_hold_sweep(&folder, &plan.header()).map_err(machine)?;
    let unfinished = partial(&folder);
    let (journal, rows) = Journal::open(&unfinished, &plan, args.resume).map_err(machine)?;
    if !args.quiet {
        say(args.format, &headline(&plan, rows.len()))?;
    }
    catch_interrupts();
    let counter = Counter::new(rows.len(), args.quiet);
    let watch = |done: Option<sweep::Done>| {
        if let Some(done) = done {
            counter.watch(done.runs, done.of);
        }
        !interrupted()
    };
    let all = sweep::run(&plan, &journal, &rows, args.many.jobs.map(usize::from), &watch).map_err(machine);
    counter.finish();
    if !all? {
        let rows = journal.rows().map_err(machine)?.len();
        let of = plan.runs();
        complain(&format!("interrupted: {rows} of {of} runs are in {}; go on with --resume\n", unfinished.display()))?;
        return Err(Failure::Interrupted);
    }
    let summary = sweep::finish(&plan, journal, &folder).map_err(|error: SweepError| machine(error))?;
    args.junit.tell(&suite(&plan, &summary), &args.scenario)?;
    let shown = match (args.quiet, args.verbose) {
        (true, _) => Shown::Least,
        (_, true) => Shown::All,
        _ => Shown::Most,
    };
    report(&plan, &summary, &folder, args.format, shown)
}

/// What is to be run: that of a hunt, too.
pub(super) fn plan(
    scenario: &Path,
    many: &ManyArgs,
    grid: &[Axis],
    seeds: &Seeds,
    share: &ShareArgs,
) -> Result<Plan, Failure> {
    let (shown, text) = read(scenario)?;
    let (overrides, shard) = (many.overrides(None), share.shard()?);
    let plan = Plan::new(&shown, &stem(scenario), &text, &overrides, grid.to_vec(), seeds.clone(), shard)?;
    plan.cells.iter().try_for_each(|cell| many.afford(&cell.scenario))?;
    Ok(plan)
}

fn headline(plan: &Plan, done: usize) -> String {
    let title = plan.cells.first().map_or("", |cell| cell.scenario.title());
    let count = |count: usize, one: &str| counted(count as u64, one);
    let mut parts = vec![format!("seeds {}", plan.seeds), count(plan.runs() as usize, "run")];
    if plan.cells.len() > 1 {
        parts.insert(1, count(plan.cells.len(), "cell"));
    }
    if plan.shard != Shard::WHOLE {
        parts.push(format!("share {}", plan.shard));
    }
    if done > 0 {
        parts.push(format!("{} of them done before", grouped(done as u64)));
    }
    let title = beside_labels(&format!("{}: {}", plan.name, visible(title)), 2, WIDTH);
    format!("{title}{}\n\n", parts.join(" · "))
}

pub(super) fn report(
    plan: &Plan,
    summary: &SweepSummary,
    folder: &Path,
    format: Format,
    shown: Shown,
) -> Result<(), Failure> {
    say(format, &failures(plan, summary))?;
    if shown != Shown::Least {
        let (passed, runs) = summary.cells.iter().fold((0, 0), |sum, cell| (sum.0 + cell.passed, sum.1 + cell.runs));
        say(format, &format!("{}  {} of {}\n", good("passed"), grouped(passed as u64), counted(runs as u64, "run")))?;
        say(format, &format!("{}\n", figures(plan, summary, shown)))?;
    }
    if format == Format::Json {
        // The very file, which a share has not.
        let document = std::fs::read_to_string(folder.join("summary.json")).unwrap_or_else(|_| plan.header());
        print(&covered_document(&document))?;
    }
    if shown != Shown::Least {
        say(format, &format!("results in {}\n", folder.display()))?;
    }
    say(format, &format!("digest {}\n", summary.digest))?;
    if summary.cells.iter().any(|cell| !cell.errors.is_empty()) {
        return Err(Failure::Machine("some runs came to no end".into()));
    }
    if summary.cells.iter().all(|cell| cell.passed == cell.runs) { Ok(()) } else { Err(Failure::Broken) }
}

/// A column per cell: the median over the seeds of the metrics that matter most, and between which values it lies.
fn figures(plan: &Plan, summary: &SweepSummary, of: Shown) -> String {
    let most = if of == Shown::All { METRICS_SHOWN } else { METRICS_FIRST };
    let metrics = sweep::headline_metrics(plan, summary, most);
    let names = metrics.iter().map(|metric| metric.trim_end_matches("_ms"));
    // Of one cell, that is said already.
    let counts = of == Shown::All || summary.cells.len() > 1;
    let mut table = Table::new(1, [""].into_iter().chain(counts.then_some("passed")).chain(names));
    for cell in &summary.cells {
        let label = if cell.label.is_empty() { "all seeds".to_string() } else { cell.label.clone() };
        let passed = format!("{}/{}", grouped(cell.passed as u64), grouped(cell.runs as u64));
        let mut line: Vec<String> = [label].into_iter().chain(counts.then_some(passed)).collect();
        line.extend(
            metrics.iter().map(|metric| cell.metrics.get(metric).map_or(String::new(), |of| spread(metric, of))),
        );
        table.row(line);
    }
    let shown = || summary.cells.iter().flat_map(|cell| metrics.iter().filter_map(|metric| cell.metrics.get(metric)));
    // Where a run came to no end, its cell knows a little less than the others.
    let coverage = shown().map(|of| of.coverage.unwrap_or(0.0)).fold(1.0, f64::min);
    let runs = shown().map(|of| of.runs).min().unwrap_or(0);
    let note = match runs {
        0 | 1 if of != Shown::All => "Of one seed; more metrics: --verbose".to_string(),
        _ if of != Shown::All => {
            let sure = percent(coverage);
            format!("Medians (that of all seeds, with {sure} confidence); more metrics: --verbose")
        }
        0 | 1 => "Each figure: of one seed, which says nothing of others.".to_string(),
        _ => format!(
            "Each figure: the median over {} seeds (and from where to where that of all seeds is, with {} confidence).",
            grouped(runs as u64),
            percent(coverage)
        ),
    };
    format!("\n{}\n{}\n", table.transposed().aligned_for_terminal(), wrapped(&note, WIDTH))
}

fn spread(metric: &str, of: &Spread) -> String {
    let value = |value: Option<f64>| figure(value, Unit::of(metric));
    if of.coverage.is_none() || of.low == of.high {
        value(of.median)
    } else {
        format!("{} ({} to {})", value(of.median), value(of.low), value(of.high))
    }
}

/// What was judged: every expectation, and what else broke, in each cell.
fn suite(plan: &Plan, summary: &SweepSummary) -> Suite {
    let mut cases = Vec::new();
    for (number, (cell, planned)) in summary.cells.iter().zip(&plan.cells).enumerate() {
        let of = if cell.label.is_empty() { String::new() } else { format!(" with {}", cell.label) };
        let mut judged: Vec<&str> = planned.scenario.expectations().map(|(path, _)| path).collect();
        judged.dedup();
        let others = cell.broken.keys().map(String::as_str).filter(|path| !judged.contains(path)).collect::<Vec<_>>();
        for path in others.into_iter().chain(judged.iter().copied()) {
            let outcome = cell.broken.get(path).map_or(Outcome::Passed, |(runs, seed)| {
                let command = plan.command(Point { cell: number, seed: *seed });
                let (runs, of) = (grouped(*runs as u64), counted(cell.runs as u64, "run"));
                Outcome::failed("expectation", &format!("in {runs} of {of}; the first: {command}"))
            });
            cases.push(Case { name: format!("{path}{of}"), outcome });
        }
        let ended = |(seed, error): &(u64, String)| Case {
            name: format!("seed {seed}{of}"),
            outcome: Outcome::failed("error", error),
        };
        cases.extend(cell.errors.iter().map(ended));
    }
    let properties = vec![("seeds".into(), plan.seeds.to_string()), ("digest".into(), summary.digest.clone())];
    Suite { name: plan.name.clone(), properties, cases }
}

/// What broke, the first seed with which it did, and how to see it again.
fn failures(plan: &Plan, summary: &SweepSummary) -> String {
    let mut text = String::new();
    for (cell, summary) in summary.cells.iter().enumerate() {
        let of = if summary.label.is_empty() { String::new() } else { format!(" with {}", summary.label) };
        for (metric, (runs, seed)) in &summary.broken {
            text.push_str(&format!(
                "FAILED  {metric}{of}: in {} of {}; the first: {}\n",
                grouped(*runs as u64),
                counted(summary.runs as u64, "run"),
                plan.command(Point { cell, seed: *seed })
            ));
        }
        for (seed, error) in &summary.errors {
            text.push_str(&format!("ERROR   seed {seed}{of}: {}\n", error.trim_end()));
        }
    }
    text
}
