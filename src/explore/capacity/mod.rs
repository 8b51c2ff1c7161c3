//! How much a fleet can take: the highest load that holds an objective, or the least of what carries it that does.
//!
//! Every seed has its own knee, the last value at which the objective holds with that seed's luck. The search runs the
//! same values with all seeds until it has one that holds with each and one that holds with none, then some between them
//! for the curve, and then halves each seed's own gap. What comes out depends on neither threads nor their order.

mod closed;
pub mod collapse;
mod key;
mod limit;
mod sample;
mod sentence;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use closed::Model;
pub use key::Key;
pub use sample::Sample;

use super::difference;
use crate::check::Expectation;
use crate::metrics::Value;
use crate::report::capacity::{Capacity, ClosedForm, Find, Irregular, Objective, Outcome, Point, Question, SeedKnee};
use crate::scenario::{Overrides, Problem, Scenario};
use crate::statistics::{mean, mean_interval, median_or_never};

/// A scenario with more sessions than this is not run any more: the search ends there.
const SESSIONS: u64 = 20_000_000;
/// How often a value is doubled and halved before the search ends.
const DOUBLINGS: i32 = 16;
/// Values between what holds with every seed and what holds with none.
const BETWEEN: usize = 7;
/// Points of a formula's curve.
const CURVE: usize = 120;

/// `METRIC < BOUND`, as `--slo` takes it.
///
/// # Errors
/// What it should look like.
pub fn objective(text: &str) -> Result<Objective, String> {
    let at =
        text.find(['<', '>', '=']).ok_or("an objective is a metric and a comparison: handshake_latency.p99 < 250ms")?;
    let (metric, expected) = (text[..at].trim(), text[at..].trim());
    if metric.is_empty() {
        return Err("an objective begins with a metric: handshake_latency.p99 < 250ms".into());
    }
    let expected = expected.parse::<Expectation>().map_err(|hint| format!("after `{metric}` comes {hint}"))?;
    Ok(Objective { metric: metric.into(), expected: expected.to_string() })
}

/// Objectives as they are held against a run, checked against the scenario's metrics.
///
/// # Errors
/// A metric that the scenario does not have, or a comparison that can't be made with it.
pub fn checked(scenario: &Scenario, slo: &[Objective]) -> Result<Vec<(String, Expectation)>, Problem> {
    let metrics = scenario.metrics();
    let one = |objective: &Objective| {
        let Objective { metric, expected } = objective;
        let Some(value) = metrics.get(metric) else {
            let problem = Problem::new(format!("no metric of this scenario is named `{metric}`"));
            return Err(problem.with_help("`shakedown run` prints every metric's name with --format json"));
        };
        let expected: Expectation =
            expected.parse().map_err(|hint| Problem::new(format!("`{metric}` needs {hint}")))?;
        match expected.mismatch(value) {
            Some(why) => Err(Problem::new(format!("`{metric}` {why}"))),
            None => Ok((metric.clone(), expected)),
        }
    };
    slo.iter().map(one).collect()
}

/// Told after each run and now and then within one: runs that are done, and how many are planned so far. False ends the
/// search.
pub type Watch<'a> = &'a (dyn Fn(Option<(usize, usize)>) -> bool + Sync);

/// Runs of one scenario at many values, each once.
struct Runs<'a> {
    question: &'a Question,
    key: &'a Key,
    slo: &'a [(String, Expectation)],
    latency: String,
    watch: Watch<'a>,
    /// By the value's bits, which order as values above zero do, and the seed's place.
    done: BTreeMap<(u64, usize), Sample>,
    count: AtomicUsize,
    planned: AtomicUsize,
}

/// Why there is nothing to go on with.
enum Stop {
    Interrupted,
    Wrong(Box<Problem>),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Wrong(Box::new(problem))
    }
}

impl Runs<'_> {
    fn scenario(&self, value: f64, seed: u64) -> Result<Scenario, Problem> {
        let question = self.question;
        let overrides =
            Overrides { seed: Some(seed), variant: None, sets: self.key.sets(value), ..Overrides::default() };
        crate::scenario::load("the resolved scenario", &question.scenario, &question.scenario_toml, &overrides)
    }

    fn one(&self, value: f64, seed: usize) -> Result<Sample, Stop> {
        if !(self.watch)(None) {
            return Err(Stop::Interrupted);
        }
        let scenario = self.scenario(value, self.question.seeds[seed])?;
        let sample = sample::sample(&scenario, self.slo, &self.latency, &|| (self.watch)(None));
        let done = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        (self.watch)(Some((done, self.planned.load(Ordering::Relaxed).max(done))));
        sample.ok_or(Stop::Interrupted)
    }

    /// Runs these values with every seed, unless that was done.
    fn all(&mut self, values: &[f64]) -> Result<(), Stop> {
        let seeds = self.question.seeds.len();
        let mut missing: Vec<(u64, usize)> =
            values.iter().flat_map(|value| (0..seeds).map(|seed| (value.to_bits(), seed))).collect();
        missing.retain(|point| !self.done.contains_key(point));
        missing.dedup();
        self.planned.fetch_add(missing.len(), Ordering::Relaxed);
        let this = &*self;
        let one = |point: &(u64, usize)| (*point, this.one(f64::from_bits(point.0), point.1));
        let samples: Vec<_> = missing.par_iter().with_max_len(1).map(one).collect();
        // What is finished is kept, whatever became of the rest.
        let mut stopped = Ok(());
        for (point, sample) in samples {
            match sample {
                Ok(sample) => drop(self.done.insert(point, sample)),
                Err(stop) => stopped = Err(stop),
            }
        }
        stopped
    }

    /// With how many seeds a value holds; none where it was not run with all.
    fn held(&self, value: f64) -> Option<usize> {
        let seeds = self.question.seeds.len();
        let samples: Vec<&Sample> = (0..seeds).filter_map(|seed| self.done.get(&(value.to_bits(), seed))).collect();
        (samples.len() == seeds).then(|| samples.iter().filter(|sample| sample.holds).count())
    }

    /// Every value that was run with all seeds, in order.
    fn shared(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.done.keys().map(|(bits, _)| f64::from_bits(*bits)).collect();
        values.dedup();
        values.retain(|value| self.held(*value).is_some());
        values
    }

    /// Two neighbours of the values that were run with all seeds: what holds with every seed, and what holds with none.
    fn bracket(&self, find: Option<Find>) -> Option<(Find, f64, f64)> {
        let seeds = self.question.seeds.len();
        let values = self.shared();
        let sure: Vec<(f64, bool)> = values
            .iter()
            .filter_map(|value| match self.held(*value)? {
                0 => Some((*value, false)),
                held if held == seeds => Some((*value, true)),
                _ => None,
            })
            .collect();
        let change = |find: Find| {
            let first = find == Find::Highest;
            sure.windows(2).find(|pair| pair[0].1 == first && pair[1].1 != first).map(|pair| match find {
                Find::Highest => (find, pair[0].0, pair[1].0),
                Find::Smallest => (find, pair[1].0, pair[0].0),
            })
        };
        match find {
            Some(find) => change(find),
            None => change(Find::Highest).or_else(|| change(Find::Smallest)),
        }
    }

    /// Runs until there is a value that holds with every seed and one that holds with none, as far as the range goes.
    fn search(&mut self, find: Option<Find>) -> Result<Option<(Find, f64, f64)>, Stop> {
        let (from, to) = (self.question.from, self.question.to);
        if let (Some(from), Some(to)) = (from, to) {
            self.all(&[from, to])?;
            if let Some(found) = self.bracket(find) {
                return Ok(Some(found));
            }
            // A seed or two hold at an end where the others don't: what is between them may still be sure.
            let between: Vec<f64> = (1..=BETWEEN).map(|n| self.between(from, to, n)).collect();
            self.all(&between)?;
            return Ok(self.bracket(find));
        }
        let least = if self.key.kind.is_whole() { 1.0 } else { 1e-9 };
        let (from, to) = (from.unwrap_or(least), to.unwrap_or(self.key.most()));
        let start = self.key.nearest(self.key.value.clamp(from, to));
        self.all(&[start])?;
        for doubling in 1..=DOUBLINGS {
            let factor = libm::pow(2.0, f64::from(doubling));
            let up = self.key.nearest((start * factor).min(to));
            let down = self.key.nearest((start / factor).max(from));
            let held = self.held(start).unwrap_or(0);
            let (all, none) = (held == self.question.seeds.len(), held == 0);
            // Where the file's own value holds and a highest one is looked for, nothing below it matters; and so on.
            let needs_up = !(find == Some(Find::Highest) && none || find == Some(Find::Smallest) && all);
            let needs_down = !(find == Some(Find::Highest) && all || find == Some(Find::Smallest) && none);
            let mut went = false;
            for (value, needed) in [(up, needs_up), (down, needs_down)] {
                if !needed || self.held(value).is_some() || self.is_too_large(value)? {
                    continue;
                }
                went = true;
                self.all(&[value])?;
                if let Some(found) = self.bracket(find) {
                    return Ok(Some(found));
                }
            }
            if !went {
                break;
            }
        }
        Ok(self.bracket(find))
    }

    fn is_too_large(&self, value: f64) -> Result<bool, Stop> {
        Ok(self.scenario(value, self.question.seeds[0])?.sessions() > SESSIONS)
    }

    /// The n-th of the values that part two others evenly.
    fn between(&self, a: f64, b: f64, n: usize) -> f64 {
        self.key.nearest(a + (b - a) * n as f64 / (BETWEEN + 1) as f64)
    }

    /// Halves a seed's own gap until it is as narrow as was asked.
    fn knee(&self, find: Find, seed: usize) -> Result<(SeedKnee, Vec<(f64, Sample)>), Stop> {
        let mut own: Vec<(f64, bool)> = self
            .shared()
            .into_iter()
            .filter_map(|value| Some((value, self.done.get(&(value.to_bits(), seed))?.holds)))
            .collect();
        if find == Find::Smallest {
            own.reverse();
        }
        let first = own.iter().position(|(_, holds)| !holds);
        // The bracket has both.
        let at = first.filter(|at| *at > 0).unwrap_or(own.len() - 1).max(1);
        let (mut holds, mut fails) = (own[at - 1].0, own[at].0);
        let mut fresh = Vec::new();
        loop {
            let middle = self.key.nearest((holds + fails) / 2.0);
            let near = (fails - holds).abs() <= self.question.tolerance * holds.max(fails);
            if middle == holds || middle == fails || (near && !self.key.kind.is_whole()) {
                break;
            }
            self.planned.fetch_add(1, Ordering::Relaxed);
            let sample = self.one(middle, seed)?;
            if sample.holds {
                holds = middle;
            } else {
                fails = middle;
            }
            fresh.push((middle, sample));
        }
        Ok((SeedKnee { seed: self.question.seeds[seed], holds, fails }, fresh))
    }

    /// Values of a seed that don't fit between their neighbours.
    fn irregular(&self, find: Find, knees: &[SeedKnee]) -> Vec<Irregular> {
        let mut all = Vec::new();
        for (seed, knee) in knees.iter().enumerate() {
            for ((bits, of), sample) in &self.done {
                let value = f64::from_bits(*bits);
                let beyond = if find == Find::Highest { value >= knee.fails } else { value <= knee.fails };
                if *of == seed && sample.holds == beyond {
                    all.push(Irregular { seed: knee.seed, value, holds: sample.holds });
                }
            }
        }
        all
    }

    fn point(&self, value: f64) -> Option<Point> {
        let held = self.held(value)?;
        let seeds = self.question.seeds.len();
        let samples: Vec<&Sample> = (0..seeds).filter_map(|seed| self.done.get(&(value.to_bits(), seed))).collect();
        let mean = |of: fn(&Sample) -> f64| mean(&samples.iter().map(|sample| of(sample)).collect::<Vec<f64>>());
        let fills: Vec<&[limit::Fill]> = samples.iter().map(|sample| sample.fills.as_slice()).collect();
        Some(Point {
            value,
            held,
            seeds,
            offered: mean(|sample| sample.offered)?,
            goodput: mean(|sample| sample.goodput)?,
            never_opened: mean(|sample| sample.never_opened)?,
            refused: mean(|sample| sample.refused)?,
            p50: median_or_never(samples.iter().map(|sample| sample.p50)),
            p99: median_or_never(samples.iter().map(|sample| sample.p99)),
            measured: (0..self.slo.len())
                .map(|number| median_or_never(samples.iter().map(|sample| sample.measured[number])))
                .collect(),
            // Queues of the network are shown where they were full.
            fills: limit::over_seeds(&fills)
                .into_iter()
                .filter(|fill| fill.fill > 0.0 || !["backlog", "link"].contains(&fill.resource))
                .map(|fill| (fill.group, fill.resource.to_string(), fill.fill))
                .collect(),
        })
    }

    /// What a connect takes in the mean over all seeds, in milliseconds.
    fn connect(&self, value: f64) -> Option<f64> {
        let of = (0..self.question.seeds.len()).filter_map(|seed| self.done.get(&(value.to_bits(), seed))?.connect);
        mean(&of.collect::<Vec<f64>>())
    }

    fn fills(&self, value: f64) -> Vec<limit::Fill> {
        let of = (0..self.question.seeds.len()).filter_map(|seed| self.done.get(&(value.to_bits(), seed)));
        limit::over_seeds(&of.map(|sample| sample.fills.as_slice()).collect::<Vec<_>>())
    }
}

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
    let mut digest = xxhash_rust::xxh3::Xxh3::new();
    runs.done.values().for_each(|sample| digest.update(sample.digest.as_bytes()));
    capacity.digest = format!("{:032x}", digest.digest128());
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
