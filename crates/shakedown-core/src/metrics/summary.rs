//! The summary: one table of named metrics, which JSON, expectations and reports all read.

use crate::time::Nanos;

/// One metric. Its path is `group.metric.statistic`; names in it never contain a dot (`p99_99`).
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its path: `handshake_latency.p99`.
    pub path: String,
    /// The measured value.
    pub value: Value,
}

/// The value of a metric, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A duration; none if it is infinite, or if nothing was measured.
    Duration(Option<Nanos>),
    /// How many.
    Count(u64),
    /// A count and its total.
    Part {
        /// How many.
        count: u64,
        /// The total.
        of: u64,
    },
    /// Between 0 and 1; none without a total.
    Ratio(Option<f64>),
}

/// Every metric of a run, in the order in which reports show them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The table.
    pub metrics: Vec<Metric>,
}

impl Summary {
    /// The metric at `path`, if there is one.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.metrics.iter().find(|metric| metric.path == path).map(|metric| metric.value)
    }

    /// Adds a metric.
    pub(super) fn push(&mut self, path: impl Into<String>, value: Value) {
        self.metrics.push(Metric { path: path.into(), value });
    }

    /// Adds the statistics of a latency under `path`.
    pub(super) fn push_latency(&mut self, path: &str, latency: &super::Latency) {
        self.push(format!("{path}.count"), Value::Count(latency.count()));
        self.push(format!("{path}.min"), Value::Duration(latency.min()));
        self.push(format!("{path}.mean"), Value::Duration(latency.mean()));
        for (name, parts) in PERCENTILES {
            let value = latency.percentile(parts, 10_000);
            self.push(format!("{path}.{name}"), Value::Duration(value));
        }
        self.push(format!("{path}.max"), Value::Duration(latency.max()));
    }
}

/// Names and ten-thousandths of the percentiles in every summary.
pub const PERCENTILES: [(&str, u64); 5] =
    [("p50", 5_000), ("p90", 9_000), ("p99", 9_900), ("p99_9", 9_990), ("p99_99", 9_999)];

/// Counts of sessions, of a group or of all.
pub(super) fn push_sessions(path: &str, counts: [u64; 5], summary: &mut Summary) {
    let [scheduled, opened, failed, ended, open] = counts;
    summary.push(format!("{path}sessions.scheduled"), Value::Count(scheduled));
    let mut part = |name: &str, count: u64| {
        summary.push(format!("{path}sessions.{name}"), Value::Part { count, of: scheduled });
    };
    part("opened", opened);
    part("never_opened", scheduled - opened);
    part("failed", failed);
    part("ended", ended);
    part("open_at_end", open);
}
