//! Events to numbers: histograms, time series, and the [`Summary`].
//!
//! Reads events and nothing else. The definitions do not make results look better than they are: a session that never
//! opens counts as infinitely slow, time counts from the schedule, open means usable end to end.

mod balance;
mod collector;
mod counts;
mod dns;
mod faults;
mod half_open;
mod latency;
mod layout;
mod lives;
mod name;
mod old_processes;
mod peak;
mod resources;
mod segments;
mod series;
mod servers;
mod summary;
mod table;
mod transactions;
mod value;
mod wanting;

pub use collector::Metrics;
pub use latency::{Latency, Percentiles, Totals};
pub use layout::{FaultLayout, GroupLayout, Layout, PhaseLayout, ServerLayout};
pub use name::{MetricName, Phase};
pub use resources::{BUSY, FullResource, Resource};
pub use series::{FaultWindow, Series, ServerSeries};
pub use summary::{Metric, PERCENTILES, Summary, shown};
pub use table::{Better, Entry, STATISTICS, Subject, TABLE, Unit};
pub use value::Value;

/// All results of a run's events.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// The table of metrics.
    pub summary: Summary,
    /// Findings by name, with their counts over the whole run.
    pub findings: Vec<(&'static str, u64)>,
    /// The same per interval.
    pub series: Series,
    /// The times of the faults, in order of their beginning.
    pub faults: Vec<FaultWindow>,
    /// The resources that were full, in the order in which they filled up: the first is the bottleneck.
    pub full: Vec<FullResource>,
    /// `time_to_open`, `handshake_latency`, `attempt_latency`, of all client groups together.
    pub latencies: Vec<(&'static str, Latency)>,
    /// The same of each client group, with its intervals.
    pub groups: Vec<(String, Vec<(&'static str, Latency)>)>,
}

#[cfg(test)]
mod tests;
