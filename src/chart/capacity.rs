//! A fleet under load: latency, failures and goodput, with the knee marked.

use super::axis::{Axis, log};
use super::number::{nice_step, tick};
use super::picture::{Key, Layer, Mark, Picture, Point, Swatch};
use super::style::{BLACK, BLUE, GREEN, INK, PURPLE, VERMILLION};
use crate::time::Nanos;

/// One load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadPoint {
    /// The value of what is varied.
    pub value: f64,
    /// The median latency in milliseconds; none: for ever.
    pub p50: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The share that failed, from 0 to 1.
    pub failed: f64,
    /// The share of the offered load that gets through in its time.
    pub goodput: f64,
}

/// The last load that holds.
#[derive(Debug)]
pub(crate) struct Knee {
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// What it says.
    pub label: String,
}

/// A curve of loads.
#[derive(Debug)]
pub(crate) struct LoadCurve<'a> {
    /// What it is about.
    pub title: &'a str,
    /// The key that is varied.
    pub vary: &'a str,
    /// Whether there is nothing between two whole numbers of it.
    pub whole: bool,
    /// Which latency.
    pub latency: &'a str,
    /// The loads, in order.
    pub points: Vec<LoadPoint>,
    /// The knee, if it was found.
    pub knee: Option<Knee>,
    /// What the latency must not exceed, in milliseconds.
    pub bound: Option<f64>,
    /// The model that has a closed form; empty: none has.
    pub model: &'a str,
    /// Value, median and 99th percentile by that.
    pub closed: &'a [(f64, Option<f64>, Option<f64>)],
}

fn nanos(ms: f64) -> Nanos {
    Nanos((ms * 1e6) as u64)
}

/// The chart.
pub(super) fn picture(curve: &LoadCurve<'_>) -> Picture {
    let points = &curve.points;
    let simulated = points.iter().flat_map(|point| [point.p50, point.p99]).flatten().chain(curve.bound);
    let largest = simulated.clone().fold(0.0, f64::max);
    // What a formula says near saturation would leave no room for the rest.
    let closed = || curve.closed.iter().flat_map(|(_, p50, p99)| [*p50, *p99]).flatten();
    let all = simulated.chain(closed().filter(|ms| *ms <= largest * 2.0)).map(nanos);
    let y = Axis::log(curve.latency, all);
    let (lo, hi) = ends(points);
    let line = |of: fn(&LoadPoint) -> Option<f64>| -> Vec<Vec<Point>> {
        let placed = |point: &LoadPoint| Some((point.value, log(nanos(of(point)?)).max(y.lo)));
        pieces(points.iter().map(placed))
    };
    let (mut layers, mut keys) = (Vec::new(), Vec::new());
    let mut key = |label: String, color, swatch| keys.push(Key { label, color, swatch });
    if let Some(bound) = curve.bound {
        let at = log(nanos(bound));
        layers.push(Layer::Dashes { points: vec![(lo, at), (hi, at)], color: BLACK });
        key("objective".into(), BLACK, Swatch::Dashes);
    }
    for (of, color) in [(0, BLUE), (1, VERMILLION)] {
        let value = |point: &(f64, Option<f64>, Option<f64>)| if of == 0 { point.1 } else { point.2 };
        let placed = |point: &(f64, Option<f64>, Option<f64>)| {
            let at = log(nanos(value(point)?));
            (at <= y.hi && at >= y.lo && point.0 >= lo && point.0 <= hi).then_some((point.0, at))
        };
        for points in pieces(curve.closed.iter().map(placed)) {
            layers.push(Layer::Dashes { points, color });
        }
    }
    if !curve.closed.is_empty() {
        key(format!("{} by formula", curve.model), INK, Swatch::Dashes);
    }
    for (name, of, color) in
        [("p50", (|point| point.p50) as fn(&LoadPoint) -> Option<f64>, BLUE), ("p99", |point| point.p99, VERMILLION)]
    {
        for points in line(of) {
            layers.extend(points.iter().map(|at| Layer::Dot { at: *at, color, radius: 2.6 }));
            layers.push(Layer::Line { points, color, width: 2.2 });
        }
        key(format!("{}.{name}", curve.latency), color, Swatch::Line);
    }
    Picture {
        title: "Capacity",
        description: "Latency against what is varied. The marked stretch is where the objective ceases to hold, with 95 % confidence.",
        x: values(curve.vary, lo, hi, curve.whole),
        y,
        layers,
        keys,
        marks: knee(curve, (lo, hi)),
    }
}

/// What gets through, and what fails.
pub(super) fn goodput(curve: &LoadCurve<'_>) -> Picture {
    let (lo, hi) = ends(&curve.points);
    let (mut layers, mut keys) = (Vec::new(), Vec::new());
    for (name, of, color) in [
        ("sessions opened, of those offered", (|point| point.goodput) as fn(&LoadPoint) -> f64, GREEN),
        ("attempts failed, or sessions never opened", |point| point.failed, VERMILLION),
    ] {
        let points: Vec<Point> = curve.points.iter().map(|point| (point.value, of(point) * 100.0)).collect();
        layers.extend(points.iter().map(|at| Layer::Dot { at: *at, color, radius: 2.6 }));
        layers.push(Layer::Line { points, color, width: 2.2 });
        keys.push(Key { label: name.into(), color, swatch: Swatch::Line });
    }
    Picture {
        title: "Goodput",
        description: "The share of the offered sessions that open, and the share that fails, against what is varied. The marked stretch is where the objective ceases to hold, with 95 % confidence.",
        x: values(curve.vary, lo, hi, curve.whole),
        y: Axis::share("share (%)"),
        layers: if curve.points.is_empty() { Vec::new() } else { layers },
        keys,
        marks: knee(curve, (lo, hi)),
    }
}

/// Where the axis of what is varied begins and ends.
fn ends(points: &[LoadPoint]) -> (f64, f64) {
    let (lo, hi) = (points.first().map_or(0.0, |point| point.value), points.last().map_or(1.0, |point| point.value));
    if hi > lo { (lo, hi) } else { (lo - 0.5, lo + 0.5) }
}

fn knee(curve: &LoadCurve<'_>, (lo, hi): (f64, f64)) -> Vec<Mark> {
    let mark = |knee: &Knee| Mark {
        name: knee.label.clone(),
        from: knee.low.max(lo),
        until: knee.high.min(hi).max(knee.low.max(lo)),
        color: PURPLE,
    };
    curve.knee.iter().map(mark).collect()
}

/// The runs of points that are there.
fn pieces(points: impl Iterator<Item = Option<Point>>) -> Vec<Vec<Point>> {
    let mut pieces = vec![Vec::new()];
    for point in points {
        match (point, pieces.last_mut()) {
            (Some(point), Some(last)) => last.push(point),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The axis of what is varied.
fn values(name: &str, lo: f64, hi: f64, whole: bool) -> Axis {
    let least = (hi - lo) / 10.0;
    let (step, decimals) = nice_step(if whole { least.max(1.0) } else { least });
    let first = (lo / step - 1e-9).ceil();
    let count = ((hi - first * step) / step + 1e-9).max(0.0) as usize + 1;
    let ticks = (0..count).map(|n| {
        let at = (first + n as f64) * step;
        super::axis::Tick { at, label: Some(tick(at, hi, decimals)) }
    });
    Axis { name: name.into(), lo, hi, ticks: ticks.collect() }
}
