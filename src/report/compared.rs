//! What is compared: runs of some scenarios and their variants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::{Latency, Value};
use crate::statistics::lower_median;
use crate::time::Timestamp;

/// What is shown of every run unless somebody says otherwise.
pub const METRICS: [&str; 6] = [
    "sessions.opened",
    "sessions.open_at_end",
    "attempts.total",
    "attempts.failed",
    "time_to_open.p50",
    "time_to_open.p99",
];

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
    pub driver: String,
    /// A run for each seed.
    pub runs: Vec<Run>,
    /// What its lines in the charts of all are drawn from; none where it is a sweep that was read from its folder, or there
    /// are too many rows.
    pub lines: Option<Lines>,
}

/// What a row's lines are drawn from.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// Where each interval ends.
    pub ends: Vec<Timestamp>,
    /// Sessions open at each, of each seed.
    pub open: Vec<Vec<u32>>,
    /// Latencies of all seeds together, that of the metric that the table is sorted by (or `time_to_open`) among them.
    pub latencies: BTreeMap<String, Latency>,
}

/// More rows than this can't be told apart in one chart.
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

/// What several seeds came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: Value,
    /// The one in the middle (of an even number, the lower of the two).
    pub median: Value,
    /// The largest.
    pub largest: Value,
}

impl Row {
    /// A metric over the row's seeds; none where a run does not have it.
    pub fn spread(&self, path: &str) -> Option<Spread> {
        let of_run = |run: &Run| run.values.iter().find(|(own, _)| own == path).map(|(_, value)| *value);
        let mut values: Vec<Value> = self.runs.iter().filter_map(of_run).collect();
        values.sort_by(|a, b| rank(*a).total_cmp(&rank(*b)));
        Some(Spread { least: *values.first()?, median: lower_median(&values)?, largest: *values.last()? })
    }
}

/// Where a value stands among others: no time at all is infinite, no ratio is less than any.
pub(super) fn rank(value: Value) -> f64 {
    match value {
        Value::Duration(length) => length.map_or(f64::INFINITY, |length| length.as_secs_f64()),
        Value::Count(count) => count as f64,
        Value::Part { count, of } => count as f64 / of.max(1) as f64,
        Value::Ratio(ratio) => ratio.unwrap_or(-1.0),
    }
}

impl Comparison {
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.parts.iter().flat_map(|part| &part.rows)
    }

    /// What the league table is sorted by.
    pub fn order(&self) -> Order {
        let usual = "time_to_open.p99".to_string();
        let metric = if self.metrics.contains(&usual) { usual } else { self.metrics.first().cloned().unwrap_or(usual) };
        let better = Better::of(&metric);
        self.by.clone().unwrap_or(Order { metric, better })
    }
}

/// Which value of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
}

impl Better {
    /// What a metric's name says: more sessions open and more availability are better, and less of anything else.
    pub fn of(path: &str) -> Better {
        const HIGHER: [&str; 7] =
            ["opened", "open_at_end", "open_again", "answered", "fairness", "forwarded", "tunnels"];
        let last = path.rsplit('.').next().unwrap_or(path);
        if HIGHER.contains(&last) || path.split('.').any(|step| step == "availability") {
            Better::Higher
        } else {
            Better::Lower
        }
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

/// The driver whose runs can be had again.
pub const SIM: &str = "sim";

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
        self.open.extend(other.open);
        for (name, latency) in other.latencies {
            self.latencies.entry(name).or_default().merge(&latency);
        }
    }
}
