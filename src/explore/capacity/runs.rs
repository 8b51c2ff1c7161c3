//! Runs of one scenario at many values of a key, with many seeds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::key::Key;
use super::limit;
use super::sample::{Sample, sample};
use crate::check::Expectation;
use crate::report::capacity::{Find, Irregular, Point, Question, SeedKnee};
use crate::scenario::{Overrides, Problem, Scenario};
use crate::statistics::{mean, median_or_never};

/// A scenario with more sessions than this is not run any more: the search ends there.
const SESSIONS: u64 = 20_000_000;
/// How often a value is doubled and halved before the search ends.
const DOUBLINGS: i32 = 16;
/// Values between what holds with every seed and what holds with none.
pub(super) const BETWEEN: usize = 7;

/// Told after each run and now and then within one: runs that are done, and how many are planned so far. False ends the
/// search.
pub type Watch<'a> = &'a (dyn Fn(Option<(usize, usize)>) -> bool + Sync);

/// Runs of one scenario at many values, each once.
pub(super) struct Runs<'a> {
    pub question: &'a Question,
    pub key: &'a Key,
    pub slo: &'a [(String, Expectation)],
    pub latency: String,
    pub watch: Watch<'a>,
    /// By the value's bits, which order as values above zero do, and the seed's place.
    pub done: BTreeMap<(u64, usize), Sample>,
    pub count: AtomicUsize,
    pub planned: AtomicUsize,
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

impl Runs<'_> {
    pub(super) fn scenario(&self, value: f64, seed: u64) -> Result<Scenario, Problem> {
        let question = self.question;
        let overrides =
            Overrides { seed: Some(seed), variant: None, sets: self.key.sets(value), ..Overrides::default() };
        crate::scenario::load("the resolved scenario", &question.scenario, &question.scenario_toml, &overrides)
    }

    pub(super) fn one(&self, value: f64, seed: usize) -> Result<Sample, Stop> {
        if !(self.watch)(None) {
            return Err(Stop::Interrupted);
        }
        let scenario = self.scenario(value, self.question.seeds[seed])?;
        let sample = sample(&scenario, self.slo, &self.latency, &|| (self.watch)(None));
        let done = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        (self.watch)(Some((done, self.planned.load(Ordering::Relaxed).max(done))));
        sample.ok_or(Stop::Interrupted)
    }

    /// Runs these values with every seed, unless that was done.
    pub(super) fn all(&mut self, values: &[f64]) -> Result<(), Stop> {
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
    pub(super) fn held(&self, value: f64) -> Option<usize> {
        let seeds = self.question.seeds.len();
        let samples: Vec<&Sample> = (0..seeds).filter_map(|seed| self.done.get(&(value.to_bits(), seed))).collect();
        (samples.len() == seeds).then(|| samples.iter().filter(|sample| sample.holds).count())
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
    pub(super) fn search(&mut self, find: Option<Find>) -> Result<Option<(Find, f64, f64)>, Stop> {
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

    pub(super) fn is_too_large(&self, value: f64) -> Result<bool, Stop> {
        Ok(self.scenario(value, self.question.seeds[0])?.sessions() > SESSIONS)
    }

    /// The n-th of the values that part two others evenly.
    pub(super) fn between(&self, a: f64, b: f64, n: usize) -> f64 {
        self.key.nearest(a + (b - a) * n as f64 / (BETWEEN + 1) as f64)
    }

    /// Halves a seed's own gap until it is as narrow as was asked.
    pub(super) fn knee(&self, find: Find, seed: usize) -> Result<(SeedKnee, Vec<(f64, Sample)>), Stop> {
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
    pub(super) fn irregular(&self, find: Find, knees: &[SeedKnee]) -> Vec<Irregular> {
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

    pub(super) fn point(&self, value: f64) -> Option<Point> {
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
    pub(super) fn connect(&self, value: f64) -> Option<f64> {
        let of = (0..self.question.seeds.len()).filter_map(|seed| self.done.get(&(value.to_bits(), seed))?.connect);
        mean(&of.collect::<Vec<f64>>())
    }

    pub(super) fn fills(&self, value: f64) -> Vec<limit::Fill> {
        let of = (0..self.question.seeds.len()).filter_map(|seed| self.done.get(&(value.to_bits(), seed)));
        limit::over_seeds(&of.map(|sample| sample.fills.as_slice()).collect::<Vec<_>>())
    }
}
