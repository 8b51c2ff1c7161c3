//! Runs side by side: scenarios and their variants, each with the same seeds, so that what differs is what was changed
//! (common random numbers).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::budget::Estimate;
use super::difference;
use super::possible::possible;
use super::single_run::{Finished, guarded};
use super::sweep::{Axis, Named, cells, label, shown};
use crate::driver::Driver;
use crate::metrics::{Summary, Value};
use crate::report::compared::{LINES, Lines, latency_of};
use crate::report::{Comparison, Gate, Order, Part, Row, compared};
use crate::scenario::{Overrides, Problem, Scenario, Secrets};

/// A scenario file that is to be compared.
#[derive(Debug)]
pub struct Source {
    /// What messages call it.
    pub shown: String,
    /// What its results are filed under.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What is to be compared.
#[derive(Debug, Default)]
pub struct Choice {
    /// Which variants are run, by the names of the table's rows; none given: the file as it is written, and all of them.
    pub variants: Vec<String>,
    /// The seeds; none given: each scenario's own.
    pub seeds: Vec<u64>,
    /// `--set`, in order.
    pub sets: Vec<String>,
    /// The metrics of the one table; none given: the usual ones of the scenarios, and for
    /// each scenario its own.
    pub metrics: Vec<String>,
    /// Keys that are varied: a row for each combination of values, instead of the variants unless those are asked for.
    pub axes: Vec<Axis>,
    /// Overrides with a name: a row for each, in every cell of the axes, in place of the file as it is written.
    pub named: Vec<Named>,
    /// What the league table is sorted by; none: by the comparison's own order, where there are several seeds.
    pub by: Option<Order>,
    /// What fails the comparison.
    pub gate: Option<Gate>,
    /// The command line that asks for it, which is kept with it.
    pub command: Option<String>,
}

/// Reads everything, and says what would be run: the runs themselves are still to be made, except those that are
/// `recorded`.
///
/// # Errors
/// The first [`Problem`]: a file that is wrong, a variant or a metric that does not exist.
pub fn prepare(name: &str, sources: &[Source], recorded: Vec<Part>, choice: &Choice) -> Result<Prepared, Problem> {
    let mut parts = Vec::new();
    let mut scenarios = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for source in sources {
        let load = |variant: Option<&String>, more: &[String]| {
            let one = |seed: Option<u64>| {
                let sets = choice.sets.iter().chain(more).cloned().collect();
                let overrides = Overrides { seed, variant: variant.cloned(), sets, ..Overrides::default() };
                crate::scenario::load(&source.shown, &source.name, &source.text, &overrides)
            };
            match choice.seeds.as_slice() {
                [] => one(None),
                seeds => possible(seeds.iter().copied(), |seed| one(Some(seed))),
            }
        };
        let written = load(None, &[])?;
        let base = written.compare().base.clone();
        let base = [(base.unwrap_or_else(|| AS_WRITTEN.into()), None)];
        let variants = written.variants().iter().map(|name| (name.clone(), Some(name.clone())));
        let varies = !choice.axes.is_empty() || !choice.named.is_empty();
        // What varies a key does so in the file as it is written, unless variants are asked for.
        let wanted = |name: &String, is_base: bool| match choice.variants.is_empty() {
            true => is_base || !varies,
            false => choice.variants.contains(name),
        };
        let mut part = Part {
            scenario: source.name.clone(),
            title: written.title().to_string(),
            metrics: match (choice.metrics.as_slice(), written.compare().metrics.as_slice()) {
                ([], []) => usual(&written),
                ([], own) => own.to_vec(),
                (asked, _) => asked.to_vec(),
            },
            rows: Vec::new(),
        };
        for (name, variant) in base.into_iter().chain(variants).filter(|(name, of)| wanted(name, of.is_none())) {
            known.push(name.clone());
            for (own, sets) in layers(choice) {
                let scenario =
                    if variant.is_none() && sets.is_empty() { written.clone() } else { load(variant.as_ref(), &sets)? };
                let name = match (own.as_str(), variant.is_some()) {
                    ("", _) => name.clone(),
                    (own, false) => own.to_string(),
                    (own, true) => format!("{name} {own}"),
                };
                part.rows.push(row(name, variant.clone(), &scenario));
                scenarios.push(scenario);
            }
        }
        if !part.rows.is_empty() {
            parts.push(part);
        }
    }
    if let Some(missing) = choice.variants.iter().find(|wanted| !known.contains(wanted)) {
        let message = format!("no variant of these scenarios is named `{missing}`");
        let help = format!("the file as it is written is `{AS_WRITTEN}`, or what [compare] calls it");
        return Err(Problem::new(message).with_help(help));
    }
    let summaries: Vec<Summary> = scenarios.iter().map(Scenario::metrics).collect();
    let of_runs = |path: &String| {
        let runs = recorded.iter().flat_map(|part| &part.rows).flat_map(|row| &row.runs);
        runs.flat_map(|run| &run.values).any(|(own, _)| own == path)
    };
    let gated = choice.gate.iter().map(|gate| &gate.metric);
    let by = choice.by.iter().map(|order| &order.metric).chain(gated);
    for asked in choice.metrics.iter().chain(by).filter(|path| !of_runs(path)) {
        crate::scenario::metric(asked, &summaries)?;
    }
    let mut metrics = match choice.metrics.as_slice() {
        [] => usual_of_all(&scenarios, &recorded),
        asked => asked.to_vec(),
    };
    // What decides is shown.
    let gated = choice.gate.as_ref().map(|gate| &gate.metric);
    for metric in choice.by.as_ref().map(|order| &order.metric).into_iter().chain(gated) {
        if metrics.contains(metric) {
            continue;
        }
        metrics.insert(0, metric.clone());
        for part in parts.iter_mut().filter(|part| part.metrics == metrics[1..]) {
            part.metrics = metrics.clone();
        }
    }
    let of_row = |scenario: &Scenario| match choice.seeds.as_slice() {
        [] => vec![scenario.seed().0],
        seeds => seeds.to_vec(),
    };
    let mut seeds: Vec<Vec<u64>> = scenarios.iter().map(of_row).collect();
    for mut part in recorded {
        for run in part.rows.iter_mut().flat_map(|row| &mut row.runs) {
            // In the order in which a run would have them.
            let value = |path: &String| run.values.iter().find(|(own, _)| own == path).cloned();
            run.values = metrics.iter().filter_map(value).collect();
            run.unmeasured.retain(|path| metrics.contains(path));
        }
        part.metrics = metrics.clone();
        seeds.extend(part.rows.iter().map(|_| Vec::new()));
        parts.push(part);
    }
    let (by, gate, command) = (choice.by.clone(), choice.gate.clone(), choice.command.clone());
    let comparison = Comparison { name: name.into(), metrics, parts, by, gate, command };
    let estimates = scenarios.iter().map(Estimate::new).collect();
    Ok(Prepared { comparison, seeds, drawn: true, estimates })
}

/// What is laid over a file or a variant of it: a name that tells it from the others, and what it sets.
fn layers(choice: &Choice) -> Vec<(String, Vec<String>)> {
    let named: Vec<(&str, &[String])> = match choice.named.as_slice() {
        [] => vec![("", &[])],
        named => named.iter().map(|one| (one.name.as_str(), one.sets.as_slice())).collect(),
    };
    let cells = cells(&choice.axes);
    let layer = |(name, sets): (&str, &[String]), cell: &[(String, String)]| {
        let name = format!("{name} {}", label(&shown(&choice.axes, cell))).trim().to_string();
        let cell = cell.iter().map(|(path, value)| format!("{path}={value}"));
        (name, sets.iter().cloned().chain(cell).collect())
    };
    named.into_iter().flat_map(|one| cells.iter().map(move |cell| layer(one, cell))).collect()
}

/// A row without its runs.
fn row(name: String, variant: Option<String>, scenario: &Scenario) -> Row {
    let resolved = scenario.resolved().to_string();
    Row { name, variant, resolved, driver: Driver::Sim, runs: Vec::new(), errors: Vec::new(), lines: None }
}

/// What a file as it is written is called, unless it says.
pub const AS_WRITTEN: &str = "as-written";

/// A comparison whose runs are still to be made.
#[derive(Debug)]
pub struct Prepared {
    comparison: Comparison,
    /// What its runs will take, of each row that is run.
    pub estimates: Vec<Estimate>,
    /// Of each row.
    seeds: Vec<Vec<u64>>,
    /// Whether there are charts of all rows, if these are few enough.
    drawn: bool,
}

impl Prepared {
    /// Makes the runs, several at the same time; `watch` is called with how many of how many are done. A seed with which a scenario is
    /// impossible has no run.
    ///
    /// # Errors
    /// What the machine could not do, or why no run at all is possible.
    pub fn run(self, watch: &(dyn Fn(usize, usize) + Sync)) -> Result<Comparison, Problem> {
        let Prepared { mut comparison, seeds, drawn, .. } = self;
        let rows: Vec<(&Part, &Row)> =
            comparison.parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part, row))).collect();
        let all: Vec<(usize, u64)> =
            seeds.iter().enumerate().flat_map(|(row, seeds)| seeds.iter().map(move |seed| (row, *seed))).collect();
        let done = AtomicUsize::new(0);
        let drawn =
            drawn && rows.len() <= LINES && rows.iter().all(|(_, row)| row.runs.is_empty() || row.lines.is_some());
        let latency = comparison.order();
        let latency = latency_of(&latency.metric);
        let run = |(number, seed): &(usize, u64)| {
            let (part, row) = rows[*number];
            let overrides = Overrides { seed: Some(*seed), ..Overrides::default() };
            let name = "the resolved scenario";
            let scenario = match crate::scenario::load(name, &part.scenario, &row.resolved, &overrides) {
                Ok(scenario) => scenario,
                Err(problem) if problem.is_of_machine() => return Err(problem),
                Err(problem) => return Ok(Err(problem.to_string())),
            };
            let finished = match guarded(&scenario, |_| true) {
                Ok(finished) => finished,
                Err(why) => return Ok(Err(why.to_string())),
            };
            let own = part.metrics.iter().filter(|path| !comparison.metrics.contains(path));
            let run = measured(&finished, *seed, comparison.metrics.iter().chain(own));
            let lines = drawn.then(|| lines(finished, latency));
            watch(done.fetch_add(1, Ordering::Relaxed) + 1, all.len());
            Ok(Ok((run, lines)))
        };
        let runs = all.par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>, Problem>>()?;
        let mut rows: Vec<&mut Row> = comparison.parts.iter_mut().flat_map(|part| &mut part.rows).collect();
        for ((row, seed), ran) in all.iter().zip(runs) {
            let (run, lines) = match ran {
                Ok(ran) => ran,
                Err(error) => {
                    rows[*row].errors.push((*seed, error));
                    continue;
                }
            };
            rows[*row].runs.push(run);
            if let Some(lines) = lines {
                rows[*row].lines.get_or_insert_default().absorb(lines);
            }
        }
        match rows.iter().find_map(|row| row.errors.first()) {
            Some((_, error)) if rows.iter().all(|row| row.runs.is_empty()) => Err(Problem::new(error.trim_end())),
            _ => Ok(comparison),
        }
    }
}

/// A run's values of these metrics.
fn measured<'a>(finished: &Finished, seed: u64, metrics: impl Iterator<Item = &'a String>) -> compared::Run {
    let summary = &finished.measured.summary;
    let values: Vec<(String, Value)> = metrics.filter_map(|path| Some((path.clone(), summary.get(path)?))).collect();
    let unmeasured = unmeasured(&values, summary);
    compared::Run { seed, digest: finished.digest.clone(), values, unmeasured }
}

/// Which durations have no value because there was nothing to measure.
pub(super) fn unmeasured(values: &[(String, Value)], summary: &Summary) -> Vec<String> {
    let none = values.iter().filter(|(_, value)| *value == Value::Duration(None)).map(|(path, _)| path);
    let nothing = |path: &&String| summary.name(path).is_some_and(|name| summary.has_no_samples(name));
    none.filter(nothing).cloned().collect()
}

/// The metrics that are shown by default, the one to rank by first.
fn usual(scenario: &Scenario) -> Vec<String> {
    crate::metrics::shown(&scenario.layout()).iter().map(|name| name.as_str().to_string()).collect()
}

/// What is usual of all: of several scenarios, what they have in common.
fn usual_of_all(scenarios: &[Scenario], recorded: &[Part]) -> Vec<String> {
    let rows = recorded.iter().filter_map(|part| Some((part, part.rows.first()?)));
    let read = rows.filter_map(|(part, row)| {
        crate::scenario::load("scenario_toml", &part.scenario, &row.resolved, &unneeded()).ok()
    });
    let mut all = scenarios.iter().map(usual).chain(read.map(|scenario| usual(&scenario)));
    let mut common = all.next().unwrap_or_default();
    all.for_each(|other| common.retain(|path| other.contains(path)));
    common
}

/// How scenarios are read that do not run.
fn unneeded() -> Overrides {
    Overrides { secrets: Secrets::Unneeded, ..Overrides::default() }
}

/// What a run's lines are drawn from.
fn lines(finished: Finished, latency: &str) -> Lines {
    let measured = finished.measured;
    let latencies = measured.latencies.into_iter().filter(|(name, _)| *name == latency);
    Lines {
        ends: measured.series.ends,
        faults: measured.faults,
        open: vec![measured.series.sessions_open],
        latencies: latencies.map(|(name, of)| (name.to_string(), of)).collect(),
    }
}

/// Whether a folder holds a comparison.
pub(super) fn is_comparison(folder: &Path) -> bool {
    folder.join("compare.json").exists()
}

/// Whether a comparison has runs that can't be had again: those of real sockets.
pub(super) fn is_unrepeatable(folder: &Path) -> bool {
    let recorded = difference::any_version(folder, "compare.json");
    recorded.is_ok_and(|recorded| recorded["deterministic"] == false)
}

/// Makes a recorded comparison again: what differs, a line each.
///
/// # Errors
/// What is wrong with the record.
pub(super) fn differences(folder: &Path) -> Result<Vec<String>, String> {
    let prepared = match recorded_again(&difference::document(folder, "compare.json")?) {
        Ok(prepared) => prepared,
        // It ran once: what is different is what scenarios may say.
        Err(Unreadable::Scenario(problem)) => return Ok(vec![problem.to_string()]),
        Err(Unreadable::Form(key)) => return Err(format!("compare.json: no `{key}`")),
    };
    match prepared.run(&|_, _| {}) {
        Ok(comparison) => difference::differences(folder, &comparison.files()),
        Err(problem) => Ok(vec![problem.to_string()]),
    }
}

enum Unreadable {
    Form(&'static str),
    Scenario(Box<Problem>),
}

/// The comparison that a record is of, without its runs.
fn recorded_again(recorded: &serde_json::Value) -> Result<Prepared, Unreadable> {
    let text = |value: &serde_json::Value, key: &'static str| {
        value[key].as_str().map(String::from).ok_or(Unreadable::Form(key))
    };
    let list =
        |value: &serde_json::Value, key: &'static str| value[key].as_array().cloned().ok_or(Unreadable::Form(key));
    let texts = |value: &serde_json::Value, key: &'static str| {
        let texts =
            list(value, key)?.into_iter().map(|text| text.as_str().map(String::from).ok_or(Unreadable::Form(key)));
        texts.collect::<Result<Vec<String>, Unreadable>>()
    };
    let by = serde_json::from_value(recorded["league"]["by"].clone()).ok();
    let gate = serde_json::from_value(recorded["gate"]["of"].clone()).ok();
    let (name, metrics) = (text(recorded, "comparison")?, texts(recorded, "metrics")?);
    let command = recorded["command"].as_str().map(String::from);
    let mut comparison = Comparison { name, metrics, parts: Vec::new(), by, gate, command };
    let mut seeds = Vec::new();
    for part in list(recorded, "parts")? {
        let name = text(&part, "scenario")?;
        let mut rows = Vec::new();
        for row in list(&part, "rows")? {
            let resolved = text(&row, "scenario_toml")?;
            let scenario = crate::scenario::load("compare.json: scenario_toml", &name, &resolved, &unneeded());
            let scenario = scenario.map_err(|problem| Unreadable::Scenario(Box::new(problem)))?;
            let of_runs =
                list(&row, "runs")?.into_iter().map(|run| run["seed"].as_u64().ok_or(Unreadable::Form("seed")));
            let mut of_runs = of_runs.collect::<Result<Vec<u64>, Unreadable>>()?;
            of_runs.extend(row["errors"].as_array().into_iter().flatten().filter_map(|error| error["seed"].as_u64()));
            seeds.push(of_runs);
            let variant = row["variant"].as_str().map(String::from);
            rows.push(self::row(text(&row, "name")?, variant, &scenario));
        }
        let (title, metrics) = (text(&part, "title")?, texts(&part, "metrics")?);
        comparison.parts.push(Part { scenario: name, title, metrics, rows });
    }
    Ok(Prepared { comparison, seeds, drawn: recorded["lines"] != false, estimates: Vec::new() })
}
