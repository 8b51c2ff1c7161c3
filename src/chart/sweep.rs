//! Charts of many runs: the spread over seeds and cells.

use plotters::style::RGBColor;

use super::axis::{Axis, log};
use super::over_time::{self, seconds, thinned};
use super::picture::{Key, Layer, Picture, Point, Swatch};
use super::style::{BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION};
use crate::metrics::FaultWindow;
use crate::time::{Nanos, Timestamp};

/// Sessions open over time in the runs of one cell.
#[derive(Debug)]
pub(crate) struct Band {
    /// What makes the cell; empty where there is one only.
    pub label: String,
    /// Of each interval: its end, and the fewest, the median and the most over the seeds.
    pub points: Vec<(Timestamp, u32, f64, u32)>,
}

/// A metric in the runs of one cell.
#[derive(Debug)]
pub(crate) struct Curve {
    /// What makes the cell; empty where there is one only.
    pub label: String,
    /// Its value in milliseconds in each run; none where it has none.
    pub values: Vec<Option<f64>>,
}

/// Cells that are drawn: more can't be told apart.
const CELLS: usize = 8;
pub(super) const COLORS: [RGBColor; CELLS] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BROWN, GREY];

fn key(label: &str, one: &str, color: RGBColor) -> Key {
    let label = if label.is_empty() { one.to_string() } else { label.to_string() };
    Key { label, color, swatch: Swatch::Line }
}

/// Sessions open over time: of each cell the median over the seeds, and behind it the range from the fewest to the most.
pub(super) fn open(bands: &[Band], faults: &[FaultWindow]) -> Picture {
    let bands = &bands[..bands.len().min(CELLS)];
    let (mut areas, mut lines, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for (band, color) in bands.iter().zip(COLORS) {
        if band.points.is_empty() {
            continue;
        }
        let line = |of: fn(&(Timestamp, u32, f64, u32)) -> f64| {
            let points = band.points.iter().map(|point| (seconds(point.0), of(point)));
            thinned(&std::iter::once((0.0, 0.0)).chain(points).collect::<Vec<Point>>())
        };
        let mut outline = line(|point| f64::from(point.3));
        outline.extend(line(|point| f64::from(point.1)).into_iter().rev());
        areas.push(Layer::Area { outline, color, opacity: 0.18 });
        lines.push(Layer::Line { points: line(|point| point.2), color, width: 1.8 });
        keys.push(key(&band.label, "median of all seeds", color));
    }
    let points = || bands.iter().flat_map(|band| &band.points);
    areas.append(&mut lines);
    Picture {
        title: "Sessions open, over all seeds",
        description: "How many sessions are open over time: the median over the seeds as a line, from the fewest to the most as an area.",
        x: Axis::time(points().map(|point| point.0).max().unwrap_or(Timestamp::ZERO)),
        y: Axis::count("sessions", points().map(|point| f64::from(point.3)).fold(0.0, f64::max), true),
        layers: areas,
        keys,
        marks: over_time::faults(faults),
    }
}

/// A metric's values over the seeds, sorted: which share of the runs does not exceed a value. A line that ends before
/// 100 % has runs without a value.
pub(super) fn spread(metric: &str, curves: &[Curve]) -> Picture {
    let curves = &curves[..curves.len().min(CELLS)];
    let nanos = |ms: f64| Nanos((ms * 1e6) as u64);
    let y = Axis::log(metric, curves.iter().flat_map(|curve| curve.values.iter().flatten()).map(|ms| nanos(*ms)));
    let (mut layers, mut keys) = (Vec::new(), Vec::new());
    for (curve, color) in curves.iter().zip(COLORS) {
        let mut values: Vec<f64> = curve.values.iter().flatten().copied().collect();
        values.sort_by(f64::total_cmp);
        let share = |rank: usize| rank as f64 / curve.values.len() as f64 * 100.0;
        let steps = values.iter().enumerate().flat_map(|(rank, ms)| {
            let height = log(nanos(*ms)).max(y.lo);
            [(share(rank), height), (share(rank + 1), height)]
        });
        let points: Vec<Point> = steps.collect();
        if points.is_empty() {
            continue;
        }
        layers.push(Layer::Line { points: thinned(&points), color, width: 2.0 });
        let without = curve.values.len() - values.len();
        let note = if without == 0 { String::new() } else { format!(" ({without} without a value)") };
        let mut key = key(&curve.label, "all seeds", color);
        key.label.push_str(&note);
        keys.push(key);
    }
    Picture {
        title: "Spread over the seeds",
        description: "The value that a share of the runs does not exceed. Lines end where runs have no value.",
        x: Axis::share("share of the runs (%)"),
        y,
        layers,
        keys,
        marks: Vec::new(),
    }
}
