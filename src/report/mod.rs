//! The files of a result folder, as bytes. Nothing is written here: the caller does that.

mod bottleneck;
pub mod capacity;
pub mod collapse;
pub mod compared;
mod comparison;
pub mod figure;
pub mod formats;
pub mod gate;
mod hlog;
mod json;
pub mod junit;
pub mod league;
pub mod metric_list;
pub mod page;
mod run;
mod secrets;
mod series;
mod shown;
mod topology;
mod verdict;
mod version;

use std::collections::BTreeSet;

use crate::chart;
use crate::server::Machine;

pub use bottleneck::sentence;
pub use compared::{Better, Comparison, Gate, Order, Part, Row};
pub use hlog::{histogram_log, of_all_groups, read_histogram_log};
pub use json::number;
pub use league::League;
pub use run::Run;
pub use secrets::{covered_document, holds_secret};
pub use shown::{margin, shown};
pub(crate) use verdict::struck;
pub use verdict::verdict;
pub use version::{FORMAT_VERSION, readable};

/// Every file of the run's folder: its name and its bytes.
///
/// # Errors
/// When a histogram can't be written to the log, which would be a bug.
pub fn files(run: &Run<'_>) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = recorded(run)?;
    let groups: Vec<&Machine> = run.scenario.groups().values().map(|group| &group.machine).collect();
    let is_front = |machine: &Machine| matches!(machine, Machine::Balancer(_) | Machine::Proxy(_));
    let servers = run.scenario.servers().iter().filter(|server| is_front(groups[server.group]));
    let fronts: BTreeSet<&str> = servers.map(|server| server.name.as_str()).collect();
    let charts = chart::draw(run.scenario.title(), run.measured, &|name| fronts.contains(name));
    files.extend(charts.into_iter().map(|(name, svg)| (name.to_string(), svg.into_bytes())));
    Ok(files)
}

/// Those of them that the page is made from.
///
/// # Errors
/// When a histogram can't be written to the log, which would be a bug.
pub fn recorded(run: &Run<'_>) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    Ok(vec![
        ("run.json".to_string(), json::run(run).into_bytes()),
        ("summary.json".to_string(), summary(run).into_bytes()),
        ("series.csv".to_string(), series::csv(&run.measured.series).into_bytes()),
        ("latency.hlog".to_string(), hlog::log(run.measured)?),
    ])
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
