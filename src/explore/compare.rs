//! Runs side by side: scenarios and their variants, each with the same seeds, so that what differs is what was changed
//! (common random numbers).

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::once::once;
use super::verify::first_difference;
use crate::report::{Comparison, Part, Row, comparison};
use crate::scenario::{Overrides, Problem, Scenario};

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
    /// The metrics of the one table; none given: [`comparison::METRICS`], and for each scenario its own.
    pub metrics: Vec<String>,
}

/// Reads everything, and says what would be run: the runs themselves are still to be made.
///
/// # Errors
/// The first [`Problem`]: a file that is wrong, a variant or a metric that nobody has.
pub fn prepare(name: &str, sources: &[Source], choice: &Choice) -> Result<Prepared, Problem> {
    let mut parts = Vec::new();
    let mut scenarios = Vec::new();
    for source in sources {
        let load = |variant: Option<&String>| {
            let overrides =
                Overrides { seed: choice.seeds.first().copied(), variant: variant.cloned(), sets: choice.sets.clone() };
            Scenario::load(&source.shown, &source.name, &source.text, &overrides)
        };
        let written = load(None)?;
        let base = written.compare.base.clone();
        let base = [(base.unwrap_or_else(|| AS_WRITTEN.into()), None)];
        let variants = written.variants.iter().map(|name| (name.clone(), Some(name.clone())));
        let wanted = |name: &String| choice.variants.is_empty() || choice.variants.contains(name);
        let mut part = Part {
            scenario: source.name.clone(),
            title: written.file.title.clone(),
            metrics: match (choice.metrics.as_slice(), written.compare.metrics.as_slice()) {
                ([], []) => comparison::METRICS.map(String::from).into(),
                ([], own) => own.to_vec(),
                (asked, _) => asked.to_vec(),
            },
            rows: Vec::new(),
        };
        for (name, variant) in base.into_iter().chain(variants).filter(|(name, _)| wanted(name)) {
            let scenario = if variant.is_some() { load(variant.as_ref())? } else { written.clone() };
            part.rows.push(Row { name, variant, resolved: scenario.resolved(), runs: Vec::new() });
            scenarios.push(scenario);
        }
        if !part.rows.is_empty() {
            parts.push(part);
        }
    }
    let has = |wanted: &String| parts.iter().any(|part| part.rows.iter().any(|row| row.name == *wanted));
    if let Some(missing) = choice.variants.iter().find(|wanted| !has(wanted)) {
        let message = format!("no variant of these scenarios is named `{missing}`");
        let help = format!("the file as it is written is `{AS_WRITTEN}`, or what [compare] calls it");
        return Err(Problem::new(message).with_help(help));
    }
    let known = |path: &String| scenarios.iter().any(|scenario| scenario.has_metric(path));
    if let Some(missing) = choice.metrics.iter().find(|path| !known(path)) {
        let problem = Problem::new(format!("no metric is named `{missing}`"));
        return Err(problem.with_help("`shakedown run` prints every metric's name with --format json"));
    }
    let metrics = match choice.metrics.as_slice() {
        [] => comparison::METRICS.map(String::from).into(),
        asked => asked.to_vec(),
    };
    let comparison = Comparison { name: name.into(), metrics, parts };
    let of_row = |scenario: &Scenario| match choice.seeds.as_slice() {
        [] => vec![scenario.file.seed.0],
        seeds => seeds.to_vec(),
    };
    let seeds = scenarios.iter().map(of_row).collect();
    Ok(Prepared { comparison, seeds })
}

/// What a file as it is written is called, unless it says.
pub const AS_WRITTEN: &str = "as-written";

/// A comparison whose runs are still to be made.
#[derive(Debug)]
pub struct Prepared {
    comparison: Comparison,
    /// Of each row.
    seeds: Vec<Vec<u64>>,
}

impl Prepared {
    /// Makes the runs, several at the same time; `watch` hears how many of how many are done.
    ///
    /// # Errors
    /// What is wrong with a resolved scenario, which would be a bug.
    pub fn run(self, watch: &(dyn Fn(usize, usize) + Sync)) -> Result<Comparison, Problem> {
        let Prepared { mut comparison, seeds } = self;
        let rows: Vec<(&Part, &Row)> =
            comparison.parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part, row))).collect();
        let all: Vec<(usize, u64)> =
            seeds.iter().enumerate().flat_map(|(row, seeds)| seeds.iter().map(move |seed| (row, *seed))).collect();
        let done = AtomicUsize::new(0);
        let run = |(number, seed): &(usize, u64)| {
            let (part, row) = rows[*number];
            let overrides = Overrides { seed: Some(*seed), ..Overrides::default() };
            let scenario = Scenario::load("the resolved scenario", &part.scenario, &row.resolved, &overrides)?;
            let finished = once(&scenario, |_| true);
            let own = part.metrics.iter().filter(|path| !comparison.metrics.contains(path));
            let value = |path: &String| Some((path.clone(), finished.measured.summary.get(path)?));
            let values = comparison.metrics.iter().chain(own).filter_map(value).collect();
            watch(done.fetch_add(1, Ordering::Relaxed) + 1, all.len());
            Ok(comparison::Run { seed: *seed, digest: finished.digest, values })
        };
        let runs = all.par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>, Problem>>()?;
        let mut rows: Vec<&mut Row> = comparison.parts.iter_mut().flat_map(|part| &mut part.rows).collect();
        for ((row, _), run) in all.iter().zip(runs) {
            rows[*row].runs.push(run);
        }
        Ok(comparison)
    }
}

/// Whether a folder holds a comparison.
pub(super) fn is_comparison(folder: &Path) -> bool {
    folder.join("compare.json").exists()
}

/// Makes a recorded comparison again: what differs, a line each.
///
/// # Errors
/// What is wrong with the record.
pub(super) fn differences(folder: &Path) -> Result<Vec<String>, String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    let recorded: serde_json::Value =
        serde_json::from_str(&read("compare.json")?).map_err(|error| format!("compare.json: {error}"))?;
    let prepared = match recorded_again(&recorded) {
        Ok(prepared) => prepared,
        // It ran once: what is different is what scenarios may say.
        Err(Unreadable::Scenario(problem)) => return Ok(vec![problem.to_string()]),
        Err(Unreadable::Form(key)) => return Err(format!("compare.json: no `{key}`")),
    };
    let comparison = match prepared.run(&|_, _| {}) {
        Ok(comparison) => comparison,
        Err(problem) => return Ok(vec![problem.to_string()]),
    };
    let mut differences = Vec::new();
    for (name, bytes) in comparison.files() {
        // Charts follow from the rest.
        if name.ends_with(".svg") {
            continue;
        }
        let (recorded, now) = (read(&name)?, String::from_utf8_lossy(&bytes).into_owned());
        if recorded != now {
            differences.push(first_difference(&name, &recorded, &now));
        }
    }
    Ok(differences)
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
    let mut comparison =
        Comparison { name: text(recorded, "comparison")?, metrics: texts(recorded, "metrics")?, parts: Vec::new() };
    let mut seeds = Vec::new();
    for part in list(recorded, "parts")? {
        let name = text(&part, "scenario")?;
        let mut rows = Vec::new();
        for row in list(&part, "rows")? {
            let resolved = text(&row, "scenario_toml")?;
            let scenario = Scenario::load("compare.json: scenario_toml", &name, &resolved, &Overrides::default());
            let scenario = scenario.map_err(|problem| Unreadable::Scenario(Box::new(problem)))?;
            let of_runs =
                list(&row, "runs")?.into_iter().map(|run| run["seed"].as_u64().ok_or(Unreadable::Form("seed")));
            let of_runs = of_runs.collect::<Result<Vec<u64>, Unreadable>>()?;
            seeds.push(of_runs);
            let variant = row["variant"].as_str().map(String::from);
            rows.push(Row { name: text(&row, "name")?, variant, resolved: scenario.resolved(), runs: Vec::new() });
        }
        let (title, metrics) = (text(&part, "title")?, texts(&part, "metrics")?);
        comparison.parts.push(Part { scenario: name, title, metrics, rows });
    }
    Ok(Prepared { comparison, seeds })
}
