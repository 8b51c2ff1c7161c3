//! How much a fleet can take: the highest load that holds an objective, or the least of what carries it that does.
//!
//! Every seed has its own knee, the last value at which the objective holds with that seed's luck. The search runs the
//! same values with all seeds until it has one that holds with each and one that holds with none, halves what is between
//! with all seeds as long as they agree, and then each seed's own gap. What comes out depends on neither threads nor their
//! order.

mod closed;
pub mod collapse;
mod key;
mod limit;
mod objective;
mod runs;
mod sample;
mod sentence;

pub use closed::Model;
pub use key::Key;
pub use objective::{checked, objective, with_goodput};
pub use runs::{Watch, Work};
pub use sample::Sample;

use runs::{Runs, Stop};

use super::difference;
use super::single_run::digest_of;
use crate::metrics::Value;
use crate::report::capacity::{Capacity, ClosedForm, Find, Outcome, Question, SeedError, SeedKnee};
use crate::scenario::{Overrides, Problem};
use crate::statistics::mean_interval;

/// Points of a formula's curve.
const CURVE: usize = 120;

/// Which end a key's name says is looked for: the most of a load, the least of what servers have.
fn usual(key: &Key) -> Option<Find> {
    let steps: Vec<&str> = key.path.split('.').collect();
    match (steps.first(), steps.last()) {
        _ if key.is_load() => Some(Find::Highest),
        (
            Some(&"servers"),
            Some(&("count" | "workers" | "connections_max" | "transactions_max" | "queue_max" | "backlog")),
        ) => Some(Find::Smallest),
        _ => None,
    }
}

/// Searches. An interruption leaves what there is, marked as partial.
///
/// # Errors
/// A value at which the scenario is impossible.
pub fn search(question: Question, watch: Watch<'_>) -> Result<Capacity, Problem> {
    let wrong = |what: String| Problem::new(what);
    let key = Key::find(&question.scenario_toml, &question.vary).map_err(wrong)?;
    let base = crate::scenario::load(
        "the resolved scenario",
        &question.scenario,
        &question.scenario_toml,
        &Overrides::default(),
    )?;
    let slo = checked(&base, &question.slo)?;
    let mut capacity = Capacity::new(question.clone());
    let latency = capacity.latency().to_string();
    let mut runs = Runs::new(&question, &key, &slo, latency, watch);
    let find = question.find.or(usual(&key));
    let found = answer(&mut runs, &mut capacity, find);
    match found {
        Ok(()) => {}
        Err(Stop::Interrupted) => {
            capacity.partial = true;
            capacity.outcome = Outcome::Interrupted;
        }
        Err(Stop::Wrong(problem)) => return Err(*problem),
    }
    capacity.points = runs.shared().into_iter().filter_map(|value| runs.point(value)).collect();
    capacity.runs = runs.done.len();
    capacity.digest = digest_of(runs.done.values().map(|sample| sample.digest.as_str()));
    let error =
        |(seed, problem): (&usize, &Problem)| SeedError { seed: question.seeds[*seed], error: problem.to_string() };
    capacity.errors = runs.out.iter().map(error).collect();
    capacity.closed_form = closed_form(&runs, &capacity);
    sentence::conclude(&base, &runs, &mut capacity);
    Ok(capacity)
}

fn answer(runs: &mut Runs<'_>, capacity: &mut Capacity, find: Option<Find>) -> Result<(), Stop> {
    let whole = runs.key.kind.is_whole();
    let Some((find, holds, fails)) = runs.search(find)? else {
        let shared = runs.shared();
        let seeds = runs.seeds().count();
        let held = |value: &f64| runs.held(*value) == Some(seeds);
        capacity.find = find.unwrap_or(Find::Highest);
        capacity.outcome = if shared.iter().any(held) { Outcome::HoldsThroughout } else { Outcome::HoldsNowhere };
        capacity.floor = find.and_then(|find| runs.floor(find)).filter(|_| capacity.outcome == Outcome::HoldsNowhere);
        let mut held = shared.into_iter().filter(held);
        capacity.every_seed = if capacity.find == Find::Highest { held.next_back() } else { held.next() };
        return Ok(());
    };
    capacity.find = find;
    runs.together(holds, fails)?;
    let knees = runs.knees(find)?;
    let last = knees.iter().map(|knee| knee.holds);
    let every_seed = match find {
        Find::Highest => last.clone().fold(f64::INFINITY, f64::min),
        Find::Smallest => last.clone().fold(0.0, f64::max),
    };
    let (least, most) = (last.clone().fold(f64::INFINITY, f64::min), last.fold(0.0, f64::max));
    if whole {
        (capacity.value, capacity.low, capacity.high) = (Some(every_seed), Some(least), Some(most));
    } else {
        if let Some((mean, interval)) = mean_of(&knees) {
            capacity.value = Some(runs.key.nearest(mean));
            capacity.low = interval.map(|(low, _)| low);
            capacity.high = interval.map(|(_, high)| high);
        }
    }
    // What the sentence says of the last value that holds and the first that does not, it says of all seeds.
    let beyond = knees.iter().map(|knee| knee.fails);
    let none = match find {
        Find::Highest => beyond.fold(0.0, f64::max),
        Find::Smallest => beyond.fold(f64::INFINITY, f64::min),
    };
    capacity.every_seed = Some(every_seed);
    capacity.not_monotone = runs.irregular(find, &knees);
    capacity.knees = knees;
    runs.all(&[every_seed, none], 0)?;
    capacity.outcome = Outcome::Found;
    Ok(())
}

/// The mean of the seeds' own answers, and its interval.
fn mean_of(knees: &[SeedKnee]) -> Option<(f64, Option<(f64, f64)>)> {
    mean_interval(&knees.iter().map(|knee| (knee.holds + knee.fails) / 2.0).collect::<Vec<f64>>())
}

/// What a formula says, where there is one for every value in between.
fn closed_form(runs: &Runs<'_>, capacity: &Capacity) -> Option<ClosedForm> {
    let (first, last) = (capacity.points.first()?.value, capacity.points.last()?.value);
    let at = |value: f64| {
        let scenario = runs.any(value).ok()?;
        Some((Model::of(&scenario)?, scenario))
    };
    let (model, _) = at(first)?;
    let ms = |model: &Model, statistic: &str| {
        let latency = model.latency(&format!("{}.{statistic}", runs.latency))?;
        Some(latency * 1e3).filter(|ms| ms.is_finite())
    };
    let whole = runs.key.kind.is_whole();
    let mut curve: Vec<(f64, Option<f64>, Option<f64>)> = Vec::new();
    for n in 0..=CURVE {
        let value = runs.key.nearest(first + (last - first) * n as f64 / CURVE as f64);
        if curve.last().is_some_and(|(known, ..)| *known >= value) {
            continue;
        }
        let (model, _) = at(value)?;
        curve.push((value, ms(&model, "p50"), ms(&model, "p99")));
    }
    // Every objective must have its formula, or the answer is not the formula's.
    let holds = |value: f64| -> Option<bool> {
        let (model, _) = at(value)?;
        let mut all = true;
        // In its steady state no request is refused.
        let asked = runs.slo.iter().zip(&runs.question.slo).filter(|(_, objective)| !objective.implied);
        for ((metric, expected), _) in asked {
            let seconds = model.latency(metric)?;
            let value = Value::Duration(seconds.is_finite().then(|| sample::nanos(seconds)));
            all &= expected.holds(value);
        }
        Some(all)
    };
    let (mut good, mut bad) = if capacity.find == Find::Highest { (first, last) } else { (last, first) };
    let mut value = None;
    if holds(good) == Some(true) && holds(bad) == Some(false) {
        for _ in 0..60 {
            let middle = if whole { ((good + bad) / 2.0).floor() } else { (good + bad) / 2.0 };
            if middle == good || middle == bad {
                break;
            }
            match holds(middle) {
                Some(true) => good = middle,
                _ => bad = middle,
            }
        }
        value = Some(good);
    }
    Some(ClosedForm { model: model.name(), value, curve })
}

/// Makes a recorded search again: what differs, a line each.
///
/// # Errors
/// What is wrong with the record.
pub(super) fn differences(folder: &std::path::Path) -> Result<Vec<String>, String> {
    let recorded = difference::document(folder, "capacity.json")?;
    let files = if recorded["capacity"] == "collapse" {
        let recorded = serde_json::from_value(recorded).map_err(|error| format!("capacity.json: {error}"))?;
        collapse::map(recorded, &|_| true).map(|collapse| collapse.files())
    } else {
        let question = serde_json::from_value(recorded["question"].clone());
        search(question.map_err(|error| format!("capacity.json: {error}"))?, &|_| true).map(|found| found.files())
    };
    match files {
        Ok(files) => difference::differences(folder, &files),
        // It ran once: what is different is what scenarios may say.
        Err(problem) => Ok(vec![problem.to_string()]),
    }
}

#[cfg(test)]
mod tests;
