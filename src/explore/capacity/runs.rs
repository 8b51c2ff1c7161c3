//! Runs of one scenario at many values of a key, with many seeds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::key::Key;
use super::limit;
use super::sample::{Sample, sample};
use crate::check::Expectation;
use crate::explore::possible::possible;
use crate::report::capacity::{Find, Floor, Irregular, Point, Question, SeedKnee};
use crate::scenario::{Overrides, Problem, Scenario};
use crate::statistics::{mean, median_or_never};

/// A scenario with more sessions than this is not run any more: the search ends there.
const SESSIONS: u64 = 20_000_000;
/// How often a value is doubled and halved before the search ends.
const DOUBLINGS: i32 = 16;
/// Values between the ends of a range, where neither end is sure.
const BETWEEN: usize = 7;
/// A metric that changes by no more than this while the load is halved, or what carries it doubled, is at its floor.
const FLAT: f64 = 0.01;

/// Told after each run and now and then within one. False ends the search.
pub type Watch<'a> = &'a (dyn Fn(Option<Work>) -> bool + Sync);

/// How far a search has come.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Runs that are done.
    pub done: usize,
    /// Of how many, as far as that is known.
    pub of: usize,
    /// What the runs took that are done; in events, or what they are counted in.
    pub spent: f64,
    /// What those will take that are left: a load costs more the higher it is.
    pub left: f64,
}

/// How many runs are left, and what they take.
#[derive(Debug, Clone, Copy, Default)]
struct Forecast {
    runs: usize,
    cost: f64,
}

/// Runs of one scenario at many values, each once.
pub(super) struct Runs<'a> {
    pub question: &'a Question,
    pub key: &'a Key,
    pub slo: &'a [(String, Expectation)],
    pub latency: String,
    pub watch: Watch<'a>,
    /// By the value's bits, which order as values above zero do, and the seed's place.
    pub done: BTreeMap<(u64, usize), Sample>,
    /// The seeds, by their place, with which a value was impossible: they have no part in anything from then on.
    pub out: BTreeMap<usize, Problem>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    done: usize,
    spent: f64,
    left: Forecast,
}

/// Why there is nothing to go on with.
pub(super) enum Stop {
    Interrupted,
    Wrong(Box<Problem>),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Wrong(Box::new(problem))
    }
}

impl<'a> Runs<'a> {
    pub(super) fn new(
        question: &'a Question,
        key: &'a Key,
        slo: &'a [(String, Expectation)],
        latency: String,
        watch: Watch<'a>,
    ) -> Runs<'a> {
        let (done, out) = (BTreeMap::new(), BTreeMap::new());
        Runs { question, key, slo, latency, watch, done, out, progress: Mutex::default() }
    }

    /// The places of the seeds that are possible.
    pub(super) fn seeds(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.question.seeds.len()).filter(|seed| !self.out.contains_key(seed))
    }

    pub(super) fn scenario(&self, value: f64, seed: u64) -> Result<Scenario, Problem> {
        let question = self.question;
        let overrides =
            Overrides { seed: Some(seed), variant: None, sets: self.key.sets(value), ..Overrides::default() };
        crate::scenario::load("the resolved scenario", &question.scenario, &question.scenario_toml, &overrides)
    }

    /// The scenario at a value with the first seed that is possible.
    pub(super) fn any(&self, value: f64) -> Result<Scenario, Problem> {
        possible(self.seeds().map(|seed| self.question.seeds[seed]), |seed| self.scenario(value, seed))
    }

    /// One run; or why the scenario is impossible with this seed.
    fn one(&self, value: f64, seed: usize) -> Result<Result<Sample, Problem>, Stop> {
        if !(self.watch)(None) {
            return Err(Stop::Interrupted);
        }
        let expected = self.cost(value);
        let scenario = match self.scenario(value, self.question.seeds[seed]) {
            Ok(scenario) => scenario,
            Err(problem) if problem.is_of_machine() => return Err(problem.into()),
            Err(problem) => return Ok(Err(problem)),
        };
        let sample = match sample(&scenario, self.slo, &self.latency, &|| (self.watch)(None)) {
            Ok(sample) => sample.ok_or(Stop::Interrupted)?,
            Err(error) => return Ok(Err(Problem::new(error.to_string()))),
        };
        let work = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.done += 1;
            progress.spent += sample.events as f64;
            progress.left.runs = progress.left.runs.saturating_sub(1);
            progress.left.cost = (progress.left.cost - expected).max(0.0);
            let (done, spent, left) = (progress.done, progress.spent, progress.left);
            // Before the first run it is not known how long one takes.
            let left = Forecast {
                cost: if left.cost > 0.0 { left.cost } else { spent / done as f64 * left.runs as f64 },
                ..left
            };
            Work { done, of: done + left.runs, spent, left: left.cost }
        };
        (self.watch)(Some(work));
        Ok(Ok(sample))
    }

    /// What a run at a value takes: as much as at the nearest one that was run, or in proportion where the value is a load.
    fn cost(&self, value: f64) -> f64 {
        let distance = |bits: &u64| (libm::log(f64::from_bits(*bits)) - libm::log(value)).abs();
        let Some((bits, _)) = self.done.keys().min_by(|(a, _), (b, _)| distance(a).total_cmp(&distance(b))) else {
            return 0.0;
        };
        let events: Vec<f64> =
            self.done.range((*bits, 0)..=(*bits, usize::MAX)).map(|(_, sample)| sample.events as f64).collect();
        let load = if self.key.is_load() { value / f64::from_bits(*bits) } else { 1.0 };
        mean(&events).unwrap_or(0.0) * load
    }

    /// From now on these runs are left, and `later` ones at the same cost each as the last of them.
    fn plan(&self, values: &[f64], later: usize) {
        let costs: Vec<f64> = values.iter().map(|value| self.cost(*value)).collect();
        let last = costs.last().copied().unwrap_or(0.0);
        let left = Forecast { runs: values.len() + later, cost: costs.iter().sum::<f64>() + last * later as f64 };
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).left = left;
    }

    /// How often a gap must be halved until it is as narrow as was asked.
    fn halvings(&self, a: f64, b: f64) -> usize {
        let gap = (a - b).abs();
        let near = if self.key.kind.is_whole() { 1.0 } else { self.question.tolerance * a.max(b) };
        libm::ceil(libm::log2((gap / near.max(f64::MIN_POSITIVE)).max(1.0))) as usize
    }

    /// Runs these values with every seed, unless that was done. `later`: how many values are likely to follow.
    pub(super) fn all(&mut self, values: &[f64], later: usize) -> Result<(), Stop> {
        let mut missing: Vec<(u64, usize)> =
            values.iter().flat_map(|value| self.seeds().map(|seed| (value.to_bits(), seed))).collect();
        missing.retain(|point| !self.done.contains_key(point));
        missing.sort_unstable();
        missing.dedup();
        let order: Vec<f64> = missing.iter().map(|(bits, _)| f64::from_bits(*bits)).collect();
        self.plan(&order, later * self.seeds().count());
        let this = &*self;
        let one = |point: &(u64, usize)| (*point, this.one(f64::from_bits(point.0), point.1));
        let samples: Vec<_> = missing.par_iter().with_max_len(1).map(one).collect();
        // What is finished is kept, whatever became of the rest.
        let mut stopped = Ok(());
        for (point, sample) in samples {
            match sample {
                Ok(sample) => self.keep(point, sample),
                Err(stop) => stopped = Err(stop),
            }
        }
        stopped?;
        self.go_on()
    }

    /// A run, or a seed that has no part in anything from now on.
    fn keep(&mut self, point: (u64, usize), sample: Result<Sample, Problem>) {
        match sample {
            Ok(sample) => drop(self.done.insert(point, sample)),
            Err(problem) => drop(self.out.entry(point.1).or_insert(problem)),
        }
    }

    /// Whether a seed is left.
    fn go_on(&self) -> Result<(), Stop> {
        match self.out.values().next() {
            Some(problem) if self.seeds().next().is_none() => Err(problem.clone().into()),
            _ => Ok(()),
        }
    }

    /// With how many seeds a value holds; none where it was not run with all.
    pub(super) fn held(&self, value: f64) -> Option<usize> {
        let samples: Option<Vec<&Sample>> = self.seeds().map(|seed| self.done.get(&(value.to_bits(), seed))).collect();
        samples.map(|samples| samples.iter().filter(|sample| sample.holds).count())
    }

    /// Every value that was run with all seeds, in order.
    pub(super) fn shared(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.done.keys().map(|(bits, _)| f64::from_bits(*bits)).collect();
        values.dedup();
        values.retain(|value| self.held(*value).is_some());
        values
    }

    /// Two neighbours of the values that were run with all seeds: what holds with every seed, and what holds with none.
    pub(super) fn bracket(&self, find: Option<Find>) -> Option<(Find, f64, f64)> {
        let seeds = self.seeds().count();
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
    pub(super) fn search(&mut self, find: Option<Find>) -> Result<Option<(Find, f64, f64)>, Stop> {
        let (from, to) = (self.question.from, self.question.to);
        if let (Some(from), Some(to)) = (from, to) {
            self.all(&[from, to], self.halvings(from, to) + 1)?;
            if let Some(found) = self.bracket(find) {
                return Ok(Some(found));
            }
            // A seed or two hold at an end where the others don't: what is between them may still be sure.
            let between: Vec<f64> = (1..=BETWEEN).map(|n| self.between(from, to, n)).collect();
            self.all(&between, self.halvings(between[0], between[1]) + 1)?;
            return Ok(self.bracket(find));
        }
        let least = if self.key.kind.is_whole() { 1.0 } else { 1e-9 };
        let (from, to) = (from.unwrap_or(least), to.unwrap_or(self.key.most()));
        let start = self.key.nearest(self.key.value.clamp(from, to));
        self.all(&[start], self.halvings(start, start * 2.0) + 2)?;
        for doubling in 1..=DOUBLINGS {
            let factor = libm::pow(2.0, f64::from(doubling));
            let up = self.key.nearest((start * factor).min(to));
            let down = self.key.nearest((start / factor).max(from));
            let held = self.held(start).unwrap_or(0);
            let (all, none) = (held == self.seeds().count(), held == 0);
            // Where the file's own value holds and a highest one is looked for, nothing below it matters; and so on.
            let needs_up = !(find == Some(Find::Highest) && none || find == Some(Find::Smallest) && all);
            let needs_down = !(find == Some(Find::Highest) && all || find == Some(Find::Smallest) && none);
            let mut went = false;
            for (value, needed) in [(up, needs_up), (down, needs_down)] {
                if !needed || self.held(value).is_some() || self.is_too_large(value)? {
                    continue;
                }
                went = true;
                self.all(&[value], self.halvings(value, value / 2.0) + 1)?;
                if let Some(found) = self.bracket(find) {
                    return Ok(Some(found));
                }
            }
            // More of it changes nothing.
            if find.is_some_and(|find| self.floor(find).is_some()) {
                break;
            }
            if !went {
                break;
            }
        }
        Ok(self.bracket(find))
    }

    pub(super) fn is_too_large(&self, value: f64) -> Result<bool, Stop> {
        // What is impossible is found out by running it.
        Ok(self.any(value).is_ok_and(|scenario| scenario.sessions() > SESSIONS))
    }

    /// The n-th of the values that part two others evenly.
    pub(super) fn between(&self, a: f64, b: f64, n: usize) -> f64 {
        self.key.nearest(a + (b - a) * n as f64 / (BETWEEN + 1) as f64)
    }

    /// What an objective's metric comes down to and no further: where it fails with every seed at the two values that are
    /// best for it, is the same at both, and nothing is half full. More of that does not help.
    pub(super) fn floor(&self, find: Find) -> Option<Floor> {
        let mut values = self.shared();
        if find == Find::Highest {
            values.reverse();
        }
        let [.., before, best] = values[..] else { return None };
        if self.held(best) != Some(0) || self.fills(best).iter().any(|fill| fill.fill >= 0.5 || fill.turned_away > 0) {
            return None;
        }
        let [before, at] = [self.point(before)?, self.point(best)?];
        (0..self.slo.len()).find_map(|number| {
            let (was, is) = (before.measured[number]?, at.measured[number]?);
            let objective = &self.question.slo[number];
            let bound = objective.bound_ms();
            let is_flat = (was - is).abs() <= FLAT * was.abs() && bound.is_none_or(|bound| is > bound * (1.0 + FLAT));
            let holds = self.seeds().all(|seed| {
                self.done
                    .get(&(best.to_bits(), seed))
                    .is_some_and(|sample| sample.objectives.get(number) == Some(&true))
            });
            (is_flat && !holds).then(|| Floor {
                metric: objective.metric.clone(),
                value: before.value,
                measured: is,
                round_trip: self.connect(best),
            })
        })
    }

    /// Halves a gap with all seeds together, as long as they agree.
    pub(super) fn together(&mut self, mut holds: f64, mut fails: f64) -> Result<(), Stop> {
        while let Some(middle) = self.middle(holds, fails) {
            self.all(&[middle], self.halvings(holds, fails))?;
            match self.held(middle) {
                Some(0) => fails = middle,
                Some(held) if held == self.seeds().count() => holds = middle,
                _ => break,
            }
        }
        Ok(())
    }

    /// The value half-way, where the gap is still too wide.
    fn middle(&self, holds: f64, fails: f64) -> Option<f64> {
        let middle = self.key.nearest((holds + fails) / 2.0);
        let near = (fails - holds).abs() <= self.question.tolerance * holds.max(fails);
        let is_narrow = middle == holds || middle == fails || (near && !self.key.kind.is_whole());
        (!is_narrow).then_some(middle)
    }

    /// The gap of a seed, from the values that were run with all.
    fn gap(&self, find: Find, seed: usize) -> (f64, f64) {
        let values = self.shared().into_iter();
        let mut own: Vec<(f64, bool)> =
            values.filter_map(|value| Some((value, self.done.get(&(value.to_bits(), seed))?.holds))).collect();
        if find == Find::Smallest {
            own.reverse();
        }
        let first = own.iter().position(|(_, holds)| !holds);
        // The bracket has both.
        let at = first.filter(|at| *at > 0).unwrap_or(own.len() - 1).max(1);
        (own[at - 1].0, own[at].0)
    }

    /// Halves each seed's own gap until it is as narrow as was asked.
    pub(super) fn knees(&mut self, find: Find) -> Result<Vec<SeedKnee>, Stop> {
        let gaps: Vec<(usize, (f64, f64))> = self.seeds().map(|seed| (seed, self.gap(find, seed))).collect();
        let left = |(_, (holds, fails)): &(usize, (f64, f64))| {
            std::iter::repeat_n((holds + fails) / 2.0, self.halvings(*holds, *fails))
        };
        self.plan(&gaps.iter().flat_map(left).collect::<Vec<f64>>(), 2);
        let this = &*self;
        let knee = |(seed, (holds, fails)): &(usize, (f64, f64))| {
            let (mut holds, mut fails, mut fresh) = (*holds, *fails, Vec::new());
            while let Some(middle) = this.middle(holds, fails) {
                let sample = this.one(middle, *seed)?;
                let is_possible = sample.is_ok();
                if sample.as_ref().is_ok_and(|sample| sample.holds) {
                    holds = middle;
                } else {
                    fails = middle;
                }
                fresh.push(((middle.to_bits(), *seed), sample));
                if !is_possible {
                    break;
                }
            }
            Ok((SeedKnee { seed: this.question.seeds[*seed], holds, fails }, fresh))
        };
        let halved: Vec<Result<_, Stop>> = gaps.par_iter().with_max_len(1).map(knee).collect();
        let mut knees = Vec::new();
        let mut stopped = Ok(());
        for (halved, (seed, _)) in halved.into_iter().zip(&gaps) {
            match halved {
                Ok((knee, fresh)) => {
                    fresh.into_iter().for_each(|(point, sample)| self.keep(point, sample));
                    if !self.out.contains_key(seed) {
                        knees.push(knee);
                    }
                }
                Err(stop) => stopped = Err(stop),
            }
        }
        stopped?;
        self.go_on()?;
        Ok(knees)
    }

    /// Values of a seed that don't fit between their neighbours.
    pub(super) fn irregular(&self, find: Find, knees: &[SeedKnee]) -> Vec<Irregular> {
        let mut all = Vec::new();
        for (seed, knee) in self.seeds().zip(knees) {
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

    pub(super) fn point(&self, value: f64) -> Option<Point> {
        let passed = self.held(value)?;
        let samples: Vec<&Sample> = self.seeds().filter_map(|seed| self.done.get(&(value.to_bits(), seed))).collect();
        let seeds = samples.len();
        let mean = |of: fn(&Sample) -> f64| mean(&samples.iter().map(|sample| of(sample)).collect::<Vec<f64>>());
        let fills: Vec<&[limit::Fill]> = samples.iter().map(|sample| sample.fills.as_slice()).collect();
        Some(Point {
            value,
            passed,
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
    pub(super) fn connect(&self, value: f64) -> Option<f64> {
        let of = self.seeds().filter_map(|seed| self.done.get(&(value.to_bits(), seed))?.connect);
        mean(&of.collect::<Vec<f64>>())
    }

    pub(super) fn fills(&self, value: f64) -> Vec<limit::Fill> {
        let of = self.seeds().filter_map(|seed| self.done.get(&(value.to_bits(), seed)));
        limit::over_seeds(&of.map(|sample| sample.fills.as_slice()).collect::<Vec<_>>())
    }
}
