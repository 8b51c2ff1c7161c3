//! `shakedown capacity`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::invocation::Invocation;
use super::judged::JunitArgs;
use super::options::{ManyArgs, read, stem};
use super::output::{Failure, complain, machine, print};
use super::progress::{Counter, catch_interrupts, interrupted};
use super::results::{default_folder, partial};
use crate::explore::capacity::{Key, Watch, Work, checked, collapse, objective, search, with_goodput};
use crate::explore::sweep::Seeds;
use crate::explore::{may_hold_capacity, possible, write_folder};
use crate::report::capacity::{Capacity, Find, Objective, Outcome, Question};
use crate::report::covered_document;
use crate::report::junit::{Case, Outcome as Judged, Suite};
use crate::scenario::{Problem, Scenario};

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown capacity scenarios/overload.toml --vary clients.players.arrive.rate \\
      --slo 'handshake_latency.p99 < 250ms'
  shakedown capacity scenarios/failover.toml --vary servers.gateway.count --slo 'outage.p99 < 5s' --seeds 0..20
  shakedown capacity scenarios/metastable.toml --collapse --seeds 0..10 \\
      --width clients.spike.arrive.evenly_over=1s..6s --depth clients.spike.count=300..1800

Any key with a number or a quantity can be varied. Where an arrival rate is, the number of sessions grows with it, so that
they arrive for as long as the file says. Results go to results/SCENARIO/capacity-KEY (or collapse): capacity.json, .csv,
.md and a chart. Threads change nothing of what comes out.";

#[derive(Debug, Args)]
pub(super) struct CapacityArgs {
    /// The scenario file
    scenario: PathBuf,
    /// The key whose value is looked for: clients.players.arrive.rate, servers.gateway.count
    #[arg(long, value_name = "KEY", required_unless_present = "collapse")]
    vary: Option<String>,
    /// What must hold (can be repeated; all must): 'handshake_latency.p99 < 250ms'. Goodput is part of it: sessions.opened >= 99%
    /// and, without faults, attempts.failed <= 1%, unless an objective of sessions or attempts is given
    #[arg(long, value_name = "METRIC < BOUND", value_parser = objective, required_unless_present = "collapse")]
    slo: Vec<Objective>,
    /// The seeds: how many, or a range such as 0..10
    #[arg(long, value_name = "N|RANGE", default_value = "10", value_parser = seeds)]
    seeds: Seeds,
    /// The least value that is tried; found out unless given
    #[arg(long, value_name = "VALUE")]
    from: Option<String>,
    /// The largest value that is tried; found out unless given
    #[arg(long, value_name = "VALUE")]
    to: Option<String>,
    /// How near each seed's own answer must come, as a share of it; whole numbers are found exactly
    #[arg(long, value_name = "SHARE", default_value = "1%")]
    tolerance: crate::quantity::Share,
    /// Which end of the values that hold is the answer; unless given: the highest of clients' rates and counts, the smallest
    /// of what servers have, and of anything else what the runs show
    #[arg(long, value_enum)]
    find: Option<Wanted>,
    /// Map which overloads the fleet does not recover from, over their duration (--width) and size (--depth); with --slo: what a recovered run meets
    #[arg(long, requires = "width", requires = "depth", conflicts_with_all = ["vary", "from", "to", "find"])]
    collapse: bool,
    /// collapse: the duration of the overload, a key and its values or its range
    #[arg(long, value_name = "KEY=V,V,…|FROM..TO", requires = "collapse")]
    width: Option<String>,
    /// collapse: its size, likewise
    #[arg(long, value_name = "KEY=V,V,…|FROM..TO", requires = "collapse")]
    depth: Option<String>,
    /// collapse: how many values a range has
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(2..=50))]
    steps: u16,
    #[command(flatten)]
    many: ManyArgs,
    /// Write the results into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print on standard output; with json and markdown, everything else goes to standard error
    #[arg(long, value_enum, default_value_t = Printed::Text)]
    format: Printed,
    #[command(flatten)]
    junit: JunitArgs,
    /// Print every value that was tried, too
    #[arg(long, short, conflicts_with = "quiet")]
    verbose: bool,
    /// Print the verdict only
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Of a load
    Highest,
    /// Of what carries it
    Smallest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Printed {
    /// A table and a sentence
    Text,
    /// A JSON document
    Json,
    /// For a document or a comment
    Markdown,
}

/// `10` are the seeds 0 to 9.
fn seeds(text: &str) -> Result<Seeds, String> {
    match text.parse::<u64>() {
        Ok(0) => Err("at least one seed".into()),
        Ok(count) => Ok(Seeds(0..count)),
        Err(_) => text.parse(),
    }
}

pub(super) fn capacity(args: &CapacityArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let (shown, text) = read(&args.scenario)?;
    let name = stem(&args.scenario);
    let load = |seed| crate::scenario::load(&shown, &name, &text, &args.many.overrides(Some(seed)));
    let scenario = possible(args.seeds.0.clone(), load)?;
    checked(&scenario, &args.slo)?;
    args.many.afford(&scenario)?;
    match (args.collapse, &args.vary) {
        (true, _) => map(args, &scenario, invocation),
        (false, Some(vary)) => knee(args, &scenario, vary, invocation),
        // clap asks for one of the two.
        (false, None) => Err(Failure::Input("error: --vary KEY, or --collapse".into())),
    }
}

fn input(what: String) -> Failure {
    Failure::Input(format!("error: {what}"))
}

fn knee(args: &CapacityArgs, scenario: &Scenario, vary: &str, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let resolved = scenario.resolved().to_string();
    let key = Key::find(&resolved, vary).map_err(input)?;
    let bound = |text: &Option<String>| {
        text.as_ref().map(|text| key.parse(text).map(|value| key.nearest(value))).transpose().map_err(input)
    };
    let (from, to) = (bound(&args.from)?, bound(&args.to)?);
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(input("--from must be below --to".into()));
    }
    let find = args.find.map(|find| if find == Wanted::Highest { Find::Highest } else { Find::Smallest });
    let question = Question {
        scenario: scenario.name().to_string(),
        title: scenario.title().to_string(),
        variant: args.many.variant.clone(),
        vary: key.path.clone(),
        kind: key.kind,
        slo: with_goodput(scenario, args.slo.clone()),
        seeds: args.seeds.0.clone().collect(),
        from,
        to,
        tolerance: args.tolerance.0,
        find,
        scenario_toml: resolved,
        command: Some(invocation.command()),
    };
    let folder = folder(args, scenario, &format!("capacity-{}", key.path.replace('.', "-")));
    may_hold_capacity(&folder, &Capacity::new(question.clone()).files()).map_err(machine)?;
    let found = watched(args, |watch| search(question, watch))?;
    let document = match args.format {
        Printed::Text if args.quiet => format!("{}\n", found.verdict),
        Printed::Text => found.text(args.verbose),
        Printed::Json => covered_document(&found.json()).into_owned(),
        Printed::Markdown => found.markdown(),
    };
    let failed = (found.outcome == Outcome::HoldsNowhere).then_some("objective");
    args.judged(scenario, failed, &found.verdict)?;
    tell(&folder, &document, &found.files(), found.partial)?;
    match found.outcome {
        _ if !found.errors.is_empty() => Err(Failure::Machine("some runs came to no end".into())),
        Outcome::HoldsNowhere => Err(Failure::Broken),
        _ => Ok(()),
    }
}

fn map(args: &CapacityArgs, scenario: &Scenario, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let resolved = scenario.resolved().to_string();
    let side = |text: &Option<String>| {
        collapse::side(&resolved, text.as_deref().unwrap_or_default(), usize::from(args.steps)).map_err(input)
    };
    let (duration, size) = (side(&args.width)?, side(&args.depth)?);
    let seeds = args.seeds.0.clone().collect();
    let mut asked = collapse::question(scenario, args.many.variant.clone(), duration, size, args.slo.clone(), seeds);
    asked.command = Some(invocation.command());
    let folder = folder(args, scenario, "collapse");
    may_hold_capacity(&folder, &[("capacity.json".into(), asked.json().into_bytes())]).map_err(machine)?;
    let found = watched(args, |watch| collapse::map(asked, watch))?;
    let document = match args.format {
        Printed::Text if args.quiet => format!("{}\n", found.verdict),
        Printed::Text => found.text(),
        Printed::Json => covered_document(&found.json()).into_owned(),
        Printed::Markdown => found.markdown(),
    };
    tell(&folder, &document, &found.files(), found.partial)?;
    match found.errors.is_empty() {
        true => Ok(()),
        false => Err(Failure::Machine("some runs came to no end".into())),
    }
}

impl CapacityArgs {
    /// Tells CI whether there is a value that holds the objective.
    fn judged(&self, scenario: &Scenario, failed: Option<&'static str>, verdict: &str) -> Result<(), Failure> {
        let slo: Vec<String> = self.slo.iter().map(|one| format!("{} {}", one.metric, one.expected)).collect();
        let outcome = failed.map_or(Judged::Passed, |kind| Judged::failed(kind, verdict));
        let case = Case { name: slo.join(" and "), outcome };
        let properties = vec![("verdict".into(), verdict.into())];
        let suite = Suite { name: scenario.name().into(), properties, cases: vec![case] };
        self.junit.tell(&suite, &self.scenario)
    }
}

fn folder(args: &CapacityArgs, scenario: &Scenario, name: &str) -> PathBuf {
    let ManyArgs { variant, sets, .. } = &args.many;
    args.out.clone().unwrap_or_else(|| default_folder(scenario, name, variant.as_deref(), sets))
}

/// Does the work on so many threads as were asked for, and shows how it goes on.
fn watched<T: Send>(
    args: &CapacityArgs,
    work: impl FnOnce(Watch<'_>) -> Result<T, Problem> + Send,
) -> Result<T, Failure> {
    catch_interrupts();
    let counter = Counter::new(0, args.quiet);
    let watch = |work: Option<Work>| {
        if let Some(Work { done, of, spent, left }) = work {
            counter.watch_work(done, of, left / spent.max(1.0));
        }
        !interrupted()
    };
    let found = args.many.on_threads(|| work(&watch))?;
    counter.finish();
    Ok(found?)
}

/// Prints and writes what came out.
fn tell(folder: &Path, document: &str, files: &[(String, Vec<u8>)], is_partial: bool) -> Result<(), Failure> {
    let folder = if is_partial { partial(folder) } else { folder.to_path_buf() };
    let written = write_folder(&folder, files);
    print(document)?;
    // The numbers are told even when they could not be kept.
    written.map_err(machine)?;
    complain(&format!("results in {}\n", folder.display()))?;
    if is_partial { Err(Failure::Interrupted) } else { Ok(()) }
}
