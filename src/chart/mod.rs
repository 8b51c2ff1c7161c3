//! Charts of a run, as SVG text.
//!
//! Pure: the same input gives the same bytes everywhere. No file system, no clock, no fonts: the width of a text is
//! estimated. Each chart only describes itself as a `picture::Picture`; one renderer turns descriptions into SVG, so
//! that all charts look alike.

mod attempts;
mod axis;
mod bars;
mod capacity;
mod connections;
mod dash;
mod heatmap;
mod labels;
mod latency;
mod number;
mod over_time;
mod percentiles;
mod picture;
mod render;
mod sessions;
pub(crate) mod style;
mod sweep;
#[cfg(test)]
mod tests;
mod thin;
mod transactions;

pub(crate) use bars::{Bars, Cell, Column, bars};
pub(crate) use capacity::{Knee, LoadCurve, LoadPoint};
pub(crate) use heatmap::{Heatmap, heatmap as draw_heatmap};
pub(crate) use sweep::{Band, Curve};

use crate::metrics::{FaultWindow, Latency, Measured};

/// Every chart of a run, as (file name, SVG). `title` is the scenario's; what a chart shows is its own title. `is_front` says
/// of a server's name whether it is a balancer or a proxy.
pub(crate) fn draw(title: &str, measured: &Measured, is_front: &dyn Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let charts = [
        ("sessions.svg", sessions::picture(measured)),
        ("latency.svg", latency::picture(measured)),
        ("percentiles.svg", percentiles::picture(measured)),
        ("attempts.svg", attempts::picture(measured)),
        ("connections.svg", connections::picture(measured, is_front)),
    ];
    let transactions = transactions::picture(measured).map(|picture| ("transactions.svg", picture));
    let fronts = connections::fronts(measured, is_front).map(|picture| ("balancers.svg", picture));
    charts
        .into_iter()
        .chain(fronts)
        .chain(transactions)
        .map(|(name, picture)| (name, render::svg(title, &picture)))
        .collect()
}

/// The line of a latency by percentile: shares of all values, and the milliseconds that they do not exceed.
pub(crate) fn percentile_points(of: &Latency) -> Vec<(f64, f64)> {
    percentiles::points(of)
}

/// A latency by percentile, one line for each label: which choice is faster, and for whom.
pub(crate) fn draw_percentiles(title: &str, latency: &str, choices: &[(String, &Latency)]) -> String {
    render::svg(title, &percentiles::of_choices(latency, choices))
}

/// How a fleet bears its load: its latency, and what gets through. File names and SVG.
pub(crate) fn draw_capacity(curve: &LoadCurve<'_>) -> [(&'static str, String); 2] {
    let charts = [("capacity.svg", capacity::picture(curve)), ("goodput.svg", capacity::goodput(curve))];
    charts.map(|(name, picture)| (name, render::svg(curve.title, &picture)))
}

/// The charts of many runs: sessions open over time with faults marked, and the spread of a metric. `title` is the scenario's.
pub(crate) fn draw_sweep(
    title: &str,
    (bands, faults): (&[Band], &[FaultWindow]),
    metric: &str,
    curves: &[Curve],
) -> Vec<(&'static str, String)> {
    let charts = [("open.svg", sweep::open(bands, faults)), ("spread.svg", sweep::spread(metric, curves))];
    charts.into_iter().map(|(name, picture)| (name, render::svg(title, &picture))).collect()
}
