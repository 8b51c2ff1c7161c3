//! The summary: one table of named metrics, which JSON, expectations and reports all read.

use super::counts::Sessions;
use super::layout::Layout;
use super::name::MetricName;
use super::value::Value;

/// One metric. Its path is `group.metric.statistic`; names in it never contain a dot (`p99_99`).
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Its name: `handshake_latency.p99`.
    pub name: MetricName,
    /// The measured value.
    pub value: Value,
}

/// Every metric of a run, in the order in which reports show them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The table.
    pub metrics: Vec<Metric>,
}

impl Summary {
    /// A summary of these metrics.
    ///
    /// # Panics
    /// When the table does not have one of them.
    pub fn of<'a>(metrics: impl IntoIterator<Item = (&'a str, Value)>) -> Summary {
        let mut summary = Summary::default();
        metrics.into_iter().for_each(|(path, value)| summary.push(path, value));
        summary
    }

    /// The metric at `path`, if there is one.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.metrics.iter().find(|metric| metric.name == path).map(|metric| metric.value)
    }

    /// The name of the metric at `path`, if there is one.
    pub fn name(&self, path: &str) -> Option<&MetricName> {
        self.names().find(|name| *name == path)
    }

    /// Every name, in order.
    pub fn names(&self) -> impl Iterator<Item = &MetricName> {
        self.metrics.iter().map(|metric| &metric.name)
    }

    /// Whether a metric has no value because nothing was measured: no samples, nobody affected, no total. A duration
    /// that has samples and no value is infinite.
    pub fn has_no_samples(&self, name: &MetricName) -> bool {
        let sibling = |path: &str, sibling: &str| {
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            self.get(&format!("{parent}.{sibling}"))
                .is_some_and(|value| matches!(value, Value::Count(0) | Value::Part { count: 0, .. }))
        };
        match self.get(name.as_str()) {
            Some(Value::Part { of: 0, .. } | Value::Ratio(None)) => true,
            Some(Value::Duration(None)) => {
                let samples = if name.latency().is_some() { "count" } else { "affected" };
                sibling(name.as_str(), samples)
            }
            _ => false,
        }
    }

    /// How many: of a metric that is a count; 0 where there is none.
    pub fn count(&self, path: &str) -> u64 {
        match self.get(path) {
            Some(Value::Count(count) | Value::Part { count, .. }) => count,
            _ => 0,
        }
    }

    /// Adds a metric.
    ///
    /// # Panics
    /// When the table does not have it: every metric is documented.
    pub(super) fn push(&mut self, path: impl AsRef<str>, value: Value) {
        let path = path.as_ref();
        let name = MetricName::parse(path).unwrap_or_else(|| panic!("`{path}` is not in the table of metrics"));
        self.metrics.push(Metric { name, value });
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

/// The metrics that are shown of a scenario's runs by default, the one to rank by first: with
/// faults, what each of them did; without, how sessions opened. `compare` and `sweep` begin with these.
pub fn shown(layout: &Layout) -> Vec<MetricName> {
    let named = || layout.faults.iter().filter(|fault| !fault.drawn).take(SHOWN_FAULTS);
    let mut paths: Vec<String> = Vec::new();
    for metric in ["lost_time", "recovery_time", "peak_arrivals.max"] {
        paths.extend(named().map(|fault| format!("faults.{}.{metric}", fault.name)));
    }
    let struck = |group: &usize| {
        let servers = named().flat_map(|fault| &fault.servers);
        servers.filter_map(|server| layout.servers.get(*server as usize)).any(|server| server.group == *group)
    };
    let groups = (0..layout.server_groups.len()).filter(struck);
    let members = |group: usize| layout.servers.iter().filter(|server| server.group == group).count();
    let groups = groups.filter(|group| members(*group) > 1);
    paths.extend(groups.map(|group| format!("servers.{}.balance.at_end", layout.server_groups[group])));
    let usual: &[&str] = match paths.as_slice() {
        [] => &[
            "time_to_open.p99",
            "time_to_open.p50",
            "sessions.opened",
            "sessions.open_at_end",
            "attempts.total",
            "attempts.failed",
        ],
        _ => &["sessions.open_at_end", "attempts.failed", "time_to_open.p99"],
    };
    paths.extend(usual.iter().map(|path| path.to_string()));
    paths.iter().filter_map(|path| MetricName::parse(path)).collect()
}

/// More faults than this are not shown beside each other.
const SHOWN_FAULTS: usize = 3;

/// Names and ten-thousandths of the percentiles in every summary.
pub const PERCENTILES: [(&str, u64); 5] =
    [("p50", 5_000), ("p90", 9_000), ("p99", 9_900), ("p99_9", 9_990), ("p99_99", 9_999)];

/// Counts of sessions, of a group or of all.
pub(super) fn push_sessions(path: &str, sessions: &Sessions, summary: &mut Summary) {
    let Sessions { scheduled, opened, failed, ended, wanted_at_end, open_at_end } = *sessions;
    let mut push = |name: &str, value: Value| summary.push(format!("{path}sessions.{name}"), value);
    push("scheduled", Value::Count(scheduled));
    push("opened", Value::Part { count: opened, of: scheduled });
    push("never_opened", Value::Part { count: scheduled - opened, of: scheduled });
    push("failed", Value::Part { count: failed, of: scheduled });
    push("ended", Value::Part { count: ended, of: scheduled });
    push("wanted_at_end", Value::Count(wanted_at_end));
    push("open_at_end", Value::Part { count: open_at_end, of: wanted_at_end });
}
