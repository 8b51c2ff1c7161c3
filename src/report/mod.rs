//! What a run leaves behind: the bytes of every file in its folder. Pure: who calls writes them.

mod bottleneck;
pub mod capacity;
pub mod collapse;
pub mod compared;
mod comparison;
pub mod figure;
pub mod formats;
mod hlog;
mod json;
pub mod league;
pub mod page;
mod series;
mod shown;

use crate::chart;
use crate::check::{Verdict, Violation};
use crate::driver::Driver;
use crate::metrics::Measured;
use crate::scenario::Scenario;

pub use bottleneck::sentence;
pub use compared::{Better, Comparison, Order, Part, Row};
pub use hlog::{histogram_log, of_all_groups, read_histogram_log};
pub use json::{FORMAT_VERSION, number};
pub use league::League;
pub use shown::shown;

/// A finished run.
#[derive(Debug)]
pub struct Run<'a> {
    /// What ran.
    pub scenario: &'a Scenario,
    /// The variant that was asked for, if any.
    pub variant: Option<&'a str>,
    /// Which driver ran it.
    pub driver: Driver,
    /// The digest of all its events; `None` where no other run has the same.
    pub digest: Option<&'a str>,
    /// What came out.
    pub measured: &'a Measured,
    /// How the expectations fared.
    pub verdicts: &'a [Verdict],
    /// The invariants that broke.
    pub violations: &'a [Violation],
    /// True when it was interrupted before its end.
    pub partial: bool,
    /// In what the driver differs from the simulator.
    pub deviations: &'a [String],
    /// The command that makes the same run, without where its results go.
    pub command: Option<&'a str>,
}

/// Every file of the run's folder: its name and its bytes.
///
/// # Errors
/// When a histogram can't be written to the log, which would be a bug.
pub fn files(run: &Run<'_>) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = vec![
        ("run.json".to_string(), json::run(run).into_bytes()),
        ("summary.json".to_string(), summary(run).into_bytes()),
        ("series.csv".to_string(), series::csv(&run.measured.series).into_bytes()),
        ("latency.hlog".to_string(), hlog::log(run.measured)?),
    ];
    let charts = chart::draw(run.scenario.title(), run.measured);
    files.extend(charts.into_iter().map(|(name, svg)| (name.to_string(), svg.into_bytes())));
    Ok(files)
}

/// `summary.json`, which `--format json` prints too.
pub fn summary(run: &Run<'_>) -> String {
    json::summary(run)
}

/// `series.csv` alone, for comparing.
pub fn series(run: &Run<'_>) -> String {
    series::csv(&run.measured.series)
}

#[cfg(test)]
mod tests;
