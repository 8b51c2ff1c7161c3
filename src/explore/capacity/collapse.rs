//! Which overloads a fleet does not recover from: a map over how long and how large they are.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::key::Key;
use super::objective::{checked, holds};
use super::runs::{Watch, Work};
use crate::check::Expectation;
use crate::explore::single_run::{digest_of, once};
use crate::metrics::Measured;
use crate::report::FORMAT_VERSION;
use crate::report::capacity::{Kind, Objective, SeedError};
use crate::report::collapse::{Cell, Collapse, Side};
use crate::scenario::{Overrides, Problem, Scenario};
use crate::statistics::{share_at_least, share_interval};

/// A run has recovered where sessions have at least this share of the time that they want, over its last tenth.
const RECOVERED: f64 = 0.5;

/// `KEY=V,V,V` or `KEY=FROM..TO` (with `steps` values): one side of the map.
///
/// # Errors
/// What is wrong with it.
pub fn side(resolved: &str, text: &str, steps: usize) -> Result<Side, String> {
    let (path, values) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is no key with its values: KEY=1s,2s,4s or KEY=1s..8s"))?;
    let key = Key::find(resolved, path.trim())?;
    let mut found: Vec<f64> = match values.split_once("..") {
        Some((from, to)) => {
            let (from, to) = (key.parse(from.trim())?, key.parse(to.trim())?);
            let parts = steps.max(2) - 1;
            (0..=parts).map(|n| key.nearest(from + (to - from) * n as f64 / parts as f64)).collect()
        }
        None => values.split(',').map(|value| key.parse(value.trim())).collect::<Result<_, _>>()?,
    };
    found.sort_by(f64::total_cmp);
    found.dedup();
    Ok(Side { key: key.path, kind: key.kind, values: found })
}

/// What is asked, before it is answered.
pub fn question(
    scenario: &Scenario,
    variant: Option<String>,
    duration: Side,
    size: Side,
    slo: Vec<Objective>,
    seeds: Vec<u64>,
) -> Collapse {
    Collapse {
        format_version: FORMAT_VERSION,
        capacity: "collapse".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        scenario: scenario.name().to_string(),
        title: scenario.title().to_string(),
        variant,
        duration,
        size,
        slo,
        seeds,
        partial: false,
        verdict: String::new(),
        cells: Vec::new(),
        digest: String::new(),
        errors: Vec::new(),
        scenario_toml: scenario.resolved().to_string(),
        command: None,
    }
}

/// Runs every overload with every seed. An interruption leaves what there is, marked as partial.
///
/// # Errors
/// An overload with which the scenario is impossible.
pub fn map(mut collapse: Collapse, watch: Watch<'_>) -> Result<Collapse, Problem> {
    collapse.version = env!("CARGO_PKG_VERSION").into();
    collapse.errors.clear();
    let base = crate::scenario::load(
        "the resolved scenario",
        &collapse.scenario,
        &collapse.scenario_toml,
        &Overrides::default(),
    )?;
    let slo = checked(&base, &collapse.slo)?;
    let key = |side: &Side| Key::find(&collapse.scenario_toml, &side.key).map_err(Problem::new);
    let (duration, size) = (key(&collapse.duration)?, key(&collapse.size)?);
    let mut all = Vec::new();
    for row in 0..collapse.size.values.len() {
        for column in 0..collapse.duration.values.len() {
            all.extend(collapse.seeds.iter().map(|seed| (row, column, *seed)));
        }
    }
    let done = AtomicUsize::new(0);
    let run = |(row, column, seed): &(usize, usize, u64)| -> Result<Ran, Problem> {
        if !watch(None) {
            return Ok(Ran::Interrupted);
        }
        let mut sets = duration.sets(collapse.duration.values[*column]);
        sets.extend(size.sets(collapse.size.values[*row]));
        let overrides = Overrides { seed: Some(*seed), variant: None, sets, ..Overrides::default() };
        let name = "the resolved scenario";
        let scenario = match crate::scenario::load(name, &collapse.scenario, &collapse.scenario_toml, &overrides) {
            Ok(scenario) => scenario,
            Err(problem) if problem.is_of_machine() => return Err(problem),
            Err(problem) => return Ok(Ran::Impossible(problem)),
        };
        let finished = match once(&scenario, |_| watch(None)) {
            Ok(finished) => finished,
            Err(error) => return Ok(Ran::Impossible(Problem::new(error.to_string()))),
        };
        if finished.partial {
            return Ok(Ran::Interrupted);
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        watch(Some(Work { done, of: all.len(), spent: done as f64, left: (all.len() - done) as f64 }));
        Ok(Ran::Done(is_collapsed(&finished.measured, &slo), finished.digest))
    };
    let outcomes = all.par_iter().with_max_len(1).map(run).collect::<Result<Vec<_>, Problem>>()?;
    let mut cells = vec![vec![(0, 0); collapse.duration.values.len()]; collapse.size.values.len()];
    let mut impossible = None;
    for ((row, column, seed), outcome) in all.iter().zip(&outcomes) {
        let collapsed = match outcome {
            Ran::Done(collapsed, _) => collapsed,
            Ran::Impossible(problem) => {
                if collapse.errors.iter().all(|error| error.seed != *seed) {
                    collapse.errors.push(SeedError { seed: *seed, error: problem.to_string() });
                }
                impossible = Some(problem);
                continue;
            }
            Ran::Interrupted => {
                collapse.partial = true;
                continue;
            }
        };
        let cell = &mut cells[*row][*column];
        *cell = (cell.0 + usize::from(*collapsed), cell.1 + 1);
    }
    if let Some(problem) = impossible.filter(|_| outcomes.iter().all(|ran| matches!(ran, Ran::Impossible(_)))) {
        return Err(problem.clone());
    }
    let cell = |(collapsed, seeds): &(usize, usize)| {
        let (low, high) = share_interval(*collapsed, *seeds);
        Cell { collapsed: *collapsed, seeds: *seeds, low, high }
    };
    collapse.cells = cells.iter().map(|row| row.iter().map(cell).collect()).collect();
    let digests = outcomes.iter().filter_map(|ran| match ran {
        Ran::Done(_, digest) => Some(digest.as_str()),
        _ => None,
    });
    collapse.digest = digest_of(digests);
    collapse.verdict = verdict(&collapse);
    Ok(collapse)
}

/// How a run came out.
enum Ran {
    /// Whether it had not recovered at its end, and its digest.
    Done(bool, String),
    Impossible(Problem),
    Interrupted,
}

/// Whether a run ended without having recovered.
pub fn is_collapsed(measured: &Measured, slo: &[(String, Expectation)]) -> bool {
    if !slo.is_empty() {
        return !holds(&measured.summary, slo);
    }
    let series = &measured.series;
    let last = series.availability.len() / 10;
    let tail = &series.availability[series.availability.len() - last.max(1).min(series.availability.len())..];
    // Intervals without sessions that want to be open are left out: without any, the run has recovered.
    let known: Vec<f64> = tail.iter().flatten().copied().collect();
    !known.is_empty() && known.iter().sum::<f64>() / (known.len() as f64) < RECOVERED
}

fn verdict(collapse: &Collapse) -> String {
    let (duration, size) = (&collapse.duration, &collapse.size);
    let at = |column: usize, row: usize| {
        let one = |side: &Side, number: usize| {
            let key = side.key.rsplit('.').next().unwrap_or(&side.key);
            format!("{key} {}", side.kind.shown(side.values[number]))
        };
        format!("{} and {}", one(duration, column), one(size, row))
    };
    let mut all: Vec<(usize, usize, Cell)> = Vec::new();
    for (row, cells) in collapse.cells.iter().enumerate() {
        all.extend(
            cells.iter().enumerate().filter(|(_, cell)| cell.seeds > 0).map(|(column, cell)| (row, column, *cell)),
        );
    }
    let runs: usize = all.iter().map(|(_, _, cell)| cell.seeds).sum();
    let collapsed: usize = all.iter().map(|(_, _, cell)| cell.collapsed).sum();
    let seeds = collapse.seeds.len();
    let recovers = all.iter().filter(|(_, _, cell)| cell.collapsed == 0).count();
    let never = all.iter().filter(|(_, _, cell)| cell.collapsed == cell.seeds).count();
    let mut text = if collapse.partial { "interrupted; so far: ".to_string() } else { String::new() };
    if all.is_empty() {
        return text + "no run.";
    }
    if collapsed == 0 {
        let high = 1.0 - share_at_least(seeds, seeds);
        return text
            + &format!(
                "recovers from every overload of the map in {seeds} of {seeds} seeds (95 % confidence, of each: at most {} of seeds collapse).",
                Kind::Share.shown(high)
            );
    }
    // The gentlest overload that the fleet does not survive: the smallest size, and there the shortest duration.
    let first =
        |is: &dyn Fn(&Cell) -> bool| all.iter().find(|(_, _, cell)| is(cell)).map(|(row, column, _)| at(*column, *row));
    text += &format!(
        "of {} overloads, the fleet recovers from {recovers} with each of {seeds} seeds, from {never} with none, and from {} with some ({collapsed} of {runs} runs collapse)",
        all.len(),
        all.len() - recovers - never
    );
    if let Some(first) = first(&|cell| cell.collapsed > 0) {
        text += &format!("; the first collapse is with {first}");
    }
    if let Some(first) = first(&|cell| cell.collapsed == cell.seeds) {
        text += &format!(", and every seed collapses from {first}");
    }
    text + "."
}
