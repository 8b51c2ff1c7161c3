//! How much a fleet can take: the highest load that holds an objective, or the least of what carries it that does.
//!
//! Every seed has its own knee, the last value at which the objective holds with that seed's luck. The search runs the
//! same values with all seeds until it has one that holds with each and one that holds with none, then some between them
//! for the curve, and then halves each seed's own gap. What comes out depends on neither threads nor their order.

mod closed;
pub mod collapse;
mod key;
mod limit;
mod objective;
mod runs;
mod sample;
mod sentence;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;

use rayon::prelude::*;

pub use closed::Model;
pub use key::Key;
pub use objective::{checked, objective};
pub use runs::Watch;
pub use sample::Sample;

use runs::{BETWEEN, Runs, Stop};

use super::difference;
use super::single_run::digest_of;
use crate::metrics::Value;
use crate::report::capacity::{Capacity, ClosedForm, Find, Outcome, Question};
use crate::scenario::{Overrides, Problem};
use crate::statistics::mean_interval;

/// Points of a formula's curve.
const CURVE: usize = 120;

/// Which end a key's name says is looked for: the most of a load, the least of what servers have.
fn usual(key: &Key) -> Option<Find> {
    let steps: Vec<&str> = key.path.split('.').collect();
    match (steps.first(), steps.last()) {
        (Some(&"clients"), Some(&("rate" | "count"))) => Some(Find::Highest),
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
    let mut runs = Runs {
        question: &question,
        key: &key,
        slo: &slo,
        latency: capacity.latency().to_string(),
        watch,
        done: BTreeMap::new(),
        count: AtomicUsize::new(0),
        planned: AtomicUsize::new(0),
    };
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
    capacity.closed_form = closed_form(&runs, &capacity);
    sentence::conclude(&base, &runs, &mut capacity);
    Ok(capacity)
}

fn answer(runs: &mut Runs<'_>, capacity: &mut Capacity, find: Option<Find>) -> Result<(), Stop> {
    let seeds = runs.question.seeds.len();
    let whole = runs.key.kind.is_whole();
    let Some((find, holds, fails)) = runs.search(find)? else {
        let shared = runs.shared();
        let held = |value: &f64| runs.held(*value) == Some(seeds);
        capacity.find = find.unwrap_or(Find::Highest);
        capacity.outcome = if shared.iter().any(held) { Outcome::HoldsThroughout } else { Outcome::HoldsNowhere };
        let mut held = shared.into_iter().filter(held);
        capacity.every_seed = if capacity.find == Find::Highest { held.next_back() } else { held.next() };
        return Ok(());
    };
    capacity.find = find;
    let mut values: Vec<f64> = (1..=BETWEEN).map(|n| runs.between(holds, fails, n)).collect();
    if find == Find::Highest && !whole {
        // The curve begins before it bends.
        values.extend([0.5, 0.75].map(|share| runs.key.nearest(holds * share)));
        let from = runs.question.from.unwrap_or(0.0);
        values.retain(|value| *value >= from);
    }
    values.sort_by(f64::total_cmp);
    values.dedup();
    runs.all(&values)?;
    let this = &*runs;
    let halved: Vec<_> = (0..seeds).into_par_iter().with_max_len(1).map(|seed| this.knee(find, seed)).collect();
    let mut knees = Vec::new();
    let mut stopped = None;
    for (seed, halved) in halved.into_iter().enumerate() {
        match halved {
            Ok((knee, fresh)) => {
                knees.push(knee);
                for (value, sample) in fresh {
                    runs.done.insert((value.to_bits(), seed), sample);
                }
            }
            Err(stop) => stopped = Some(stop),
        }
    }
    if let Some(stop) = stopped {
        return Err(stop);
    }
    let last = knees.iter().map(|knee| knee.holds);
    let every_seed = match find {
        Find::Highest => last.clone().fold(f64::INFINITY, f64::min),
        Find::Smallest => last.clone().fold(0.0, f64::max),
    };
    let (least, most) = (last.clone().fold(f64::INFINITY, f64::min), last.fold(0.0, f64::max));
    if whole {
        (capacity.value, capacity.low, capacity.high) = (Some(every_seed), Some(least), Some(most));
    } else {
        let middles: Vec<f64> = knees.iter().map(|knee| (knee.holds + knee.fails) / 2.0).collect();
        if let Some((mean, interval)) = mean_interval(&middles) {
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
    runs.all(&[every_seed, none])?;
    capacity.outcome = Outcome::Found;
    Ok(())
}

/// What a formula says, where there is one for every value in between.
fn closed_form(runs: &Runs<'_>, capacity: &Capacity) -> Option<ClosedForm> {
    let (first, last) = (capacity.points.first()?.value, capacity.points.last()?.value);
    let at = |value: f64| {
        let scenario = runs.scenario(value, runs.question.seeds[0]).ok()?;
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
        for (metric, expected) in runs.slo {
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
    let recorded: serde_json::Value = difference::document(folder, "capacity.json")?;
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
