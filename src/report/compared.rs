//! What is compared: runs of some scenarios and their variants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::figure::{Unit, figure};
use crate::driver::Driver;
pub use crate::metrics::Better;
use crate::metrics::{FaultWindow, Latency, MetricName, Value};
use crate::statistics::median;
use crate::text::{percent, visible};
use crate::time::Timestamp;

/// Runs of some scenarios and their variants, with the same seeds.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What it is filed under.
    pub name: String,
    /// What the table of all runs shows.
    pub metrics: Vec<String>,
    /// A scenario each.
    pub parts: Vec<Part>,
    /// What the league table is sorted by; none: there is one of several seeds only, sorted by [`Comparison::order`].
    pub by: Option<Order>,
    /// What fails the comparison.
    pub gate: Option<Gate>,
    /// The command line that makes it again, where there was one.
    pub command: Option<String>,
}

/// One scenario and its variants.
#[derive(Debug, Clone)]
pub struct Part {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// What its own table and chart show.
    pub metrics: Vec<String>,
    /// The variants that were run.
    pub rows: Vec<Row>,
}

/// One variant of a scenario.
#[derive(Debug, Clone)]
pub struct Row {
    /// The variant's name; of the file as it is written, what the file calls that.
    pub name: String,
    /// The variant; none for the file as it is written.
    pub variant: Option<String>,
    /// The resolved scenario, with the first seed.
    pub resolved: String,
    /// Which driver ran it.
    pub driver: Driver,
    /// A run for each seed.
    pub runs: Vec<Run>,
    /// The seeds that have none, and why: the scenario is impossible with them, or there is a bug in Shakedown.
    pub errors: Vec<(u64, String)>,
    /// What its lines in the charts of all are drawn from; none where it is a sweep that was read from its folder, or there
    /// are too many rows.
    pub lines: Option<Lines>,
}

/// What a row's lines are drawn from.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Where each interval ends.
    pub ends: Vec<Timestamp>,
    /// When which fault was on, with the first seed.
    pub faults: Vec<FaultWindow>,
    /// Sessions open at each, of each seed.
    pub open: Vec<Vec<u32>>,
    /// Latencies of all seeds together, that of the metric that the table is sorted by (or `time_to_open`) among them.
    pub latencies: BTreeMap<String, Latency>,
}

/// Rows in one chart, at most: more can't be distinguished.
pub const LINES: usize = 8;

/// One run, as far as it is compared.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// The digest of all its events.
    pub digest: String,
    /// Its metrics, by path: those of the table of all, then those of its part. Those that it does not have are left out.
    pub values: Vec<(String, Value)>,
    /// Those durations of them that have no value because there was nothing to measure, and not because it never came.
    pub unmeasured: Vec<String>,
}

/// What several seeds came to: numbers of one unit. NaN where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median; infinite where that never came.
    pub median: f64,
    /// The largest.
    pub largest: f64,
    /// What they are the numbers of.
    pub unit: Unit,
    /// Of counts, what each is a part of.
    pub of: Option<u64>,
}

impl Spread {
    /// The median alone.
    pub fn middle(&self) -> String {
        Spread { least: self.median, largest: self.median, ..*self }.shown()
    }

    /// The median, and from the least to the largest where these differ; `–` where nothing was measured.
    pub fn shown(&self) -> String {
        if self.median.is_nan() {
            return "–".into();
        }
        let of = self.of.filter(|of| *of > 0).map(|of| format!(" ({})", percent(self.median / of as f64)));
        let middle = figure(Some(self.median), self.unit) + &of.unwrap_or_default();
        match self.least == self.largest {
            true => middle,
            false => {
                let [least, largest] = [self.least, self.largest].map(|end| figure(Some(end), self.unit));
                format!("{middle} [{least} … {largest}]")
            }
        }
    }
}

impl Run {
    /// A metric's value.
    pub fn value(&self, path: &str) -> Option<Value> {
        self.values.iter().find(|(own, _)| own == path).map(|(_, value)| *value)
    }

    /// The same as a number that can be compared; infinite where it never came, none where nothing was measured.
    pub fn number(&self, path: &str, unit: Unit) -> Option<f64> {
        match (self.value(path)?, unit) {
            (Value::Duration(Some(length)), Unit::Ms) => Some(length.as_millis_f64()),
            (Value::Duration(None), Unit::Ms) => {
                (!self.unmeasured.iter().any(|own| own == path)).then_some(f64::INFINITY)
            }
            (Value::Count(count) | Value::Part { count, .. }, Unit::Count) => Some(count as f64),
            (Value::Part { count, of }, Unit::Share) => (of > 0).then(|| count as f64 / of as f64),
            (Value::Ratio(ratio), Unit::Share) => ratio,
            _ => None,
        }
    }
}

impl Spread {
    /// A metric over runs; none where no run has it. Counts that are parts of different wholes are shares: as counts they
    /// would stand in another order.
    pub fn of(runs: &[Run], path: &str) -> Option<Spread> {
        let values = || runs.iter().filter_map(|run| run.value(path));
        let whole = |value: Value| if let Value::Part { of, .. } = value { Some(of) } else { None };
        let of = whole(values().next()?).filter(|first| values().all(|value| whole(value) == Some(*first)));
        let unit = match values().next()? {
            Value::Duration(_) => Unit::Ms,
            Value::Count(_) => Unit::Count,
            Value::Part { .. } if of.is_some() || values().any(|value| matches!(value, Value::Count(_))) => Unit::Count,
            Value::Part { .. } | Value::Ratio(_) => Unit::Share,
        };
        let mut numbers: Vec<f64> = runs.iter().filter_map(|run| run.number(path, unit)).collect();
        numbers.sort_by(f64::total_cmp);
        let (Some(least), Some(largest)) = (numbers.first().copied(), numbers.last().copied()) else {
            return Some(Spread { least: f64::NAN, median: f64::NAN, largest: f64::NAN, unit, of });
        };
        Some(Spread { least, median: median(&numbers).unwrap_or(f64::INFINITY), largest, unit, of })
    }

    /// Its numbers as a chart has them: parts as shares of the whole. None where they are infinite, or nothing was measured.
    pub(super) fn drawn(&self) -> [Option<f64>; 3] {
        let whole = self.of.map_or(1.0, |of| of.max(1) as f64);
        [self.least, self.median, self.largest].map(|value| Some(value / whole).filter(|value| value.is_finite()))
    }
}

impl Spread {
    /// What is missing from the whole, where the metric is a share of which more is better: 99.4 % and 99.9 % look alike, 0.6
    /// and 0.1 do not. The least, the median and the largest.
    pub(super) fn lost(&self, metric: &str) -> Option<[f64; 3]> {
        let better = MetricName::parse(metric)?.better();
        let is_share = self.unit == Unit::Share || self.of.is_some_and(|of| of > 0);
        match self.drawn() {
            [Some(least), Some(median), Some(largest)] if is_share && better == Better::Higher => {
                Some([largest, median, least].map(|share| (1.0 - share).max(0.0)))
            }
            _ => None,
        }
    }
}

impl Comparison {
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.parts.iter().flat_map(|part| &part.rows)
    }

    /// Every row with its scenario and with what tables call it: as little of both as tells it from the others.
    pub(super) fn named(&self) -> Vec<(String, &Part, &Row)> {
        let name = |part: &Part, row: &Row| {
            let last = |part: &Part| part.scenario.rsplit('/').next().map(String::from);
            let alike = self.parts.iter().filter(|other| last(other) == last(part)).count();
            let short = last(part).filter(|_| alike == 1).unwrap_or_else(|| part.scenario.clone());
            match (self.parts.len(), part.rows.len()) {
                (1, _) => row.name.clone(),
                (_, 1) => short,
                _ => format!("{short} {}", row.name),
            }
        };
        let rows = self.parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part, row)));
        rows.map(|(part, row)| (visible(&name(part, row)).into_owned(), part, row)).collect()
    }

    /// What the league table is sorted by: the first metric, unless another is given.
    pub fn order(&self) -> Order {
        let metric = self.metrics.first().cloned().unwrap_or_else(|| "time_to_open.p99".into());
        let better = Better::of(&metric);
        self.by.clone().unwrap_or(Order { metric, better })
    }
}

/// What a league table is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The metric.
    pub metric: String,
    /// Which value of it comes first.
    pub better: Better,
}

/// What must not become worse, and by how much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The metric.
    pub metric: String,
    /// Which value of it is better.
    pub better: Better,
    /// The share of the first one's mean by which it may be worse.
    pub by: f64,
}

/// The latency that a metric is of: `time_to_open`, unless it names another.
pub fn latency_of(metric: &str) -> &str {
    metric.rsplit_once('.').map(|(of, _)| of).filter(|of| LATENCIES.contains(of)).unwrap_or(LATENCIES[0])
}

/// Those that every run keeps whole.
pub const LATENCIES: [&str; 3] = ["time_to_open", "handshake_latency", "attempt_latency"];

impl Lines {
    /// Those of another seed.
    pub fn absorb(&mut self, other: Lines) {
        self.ends = other.ends;
        if self.faults.is_empty() {
            self.faults = other.faults;
        }
        self.open.extend(other.open);
        for (name, latency) in other.latencies {
            self.latencies.entry(name).or_default().merge(&latency);
        }
    }
}
