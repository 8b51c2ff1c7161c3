//! Latency by percentile, as HdrHistogram plots it: rare values get more space.

use plotters::style::RGBColor;

use super::axis::{Axis, log, quantile};
use super::number::share;
use super::picture::{Key, Layer, Mark, Picture, Point, Swatch};
use super::style::{BLUE, GREEN, PURPLE, VERMILLION};
use super::sweep::COLORS as CHOICES;
use super::thin::thin;
use crate::metrics::{Latency, Measured};
use crate::time::Nanos;

/// Colour and width, from back to front: where lines fall together, the wider ones behind still show.
const STYLES: [(RGBColor, f64); 4] = [(BLUE, 4.0), (VERMILLION, 2.8), (GREEN, 1.4), (PURPLE, 1.2)];
/// A bucket is five pixels wide; a curve that only rises keeps two points of each.
const BUCKETS: usize = 160;

/// The chart of a run.
pub(super) fn picture(measured: &Measured) -> Picture {
    let latencies = measured.latencies.iter().map(|(name, of)| (*name, of));
    curves("latency", latencies.zip(STYLES.into_iter().cycle()))
}

/// The same latency of several choices.
pub(super) fn of_choices(name: &str, choices: &[(String, &Latency)]) -> Picture {
    // Where lines fall together, the wider ones behind still show.
    let widths = [5.0, 4.2, 3.5, 2.9, 2.4, 1.9, 1.5, 1.1];
    let styles = CHOICES.into_iter().zip(widths).cycle();
    curves(name, choices.iter().map(|(label, of)| (label.as_str(), *of)).zip(styles))
}

type Styled<'a> = ((&'a str, &'a Latency), (RGBColor, f64));

fn curves<'a>(name: &str, latencies: impl Iterator<Item = Styled<'a>>) -> Picture {
    let curves: Vec<_> = latencies.map(|((name, of), style)| (name, of, of.curve(), style)).collect();
    let y = Axis::log(name, curves.iter().flat_map(|(_, _, curve, _)| curve.iter().map(|(_, value)| *value)));
    let most = curves.iter().filter(|(_, _, curve, _)| !curve.is_empty()).map(|(_, of, ..)| of.count()).max();

    let (mut layers, mut dots, mut keys, mut marks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, of, curve, (color, width)) in &curves {
        let (color, width) = (*color, *width);
        if of.count() == 0 {
            continue;
        }
        let never = never(curve);
        let points: Vec<Point> =
            curve.iter().map(|(share, value)| (quantile(*share, of.count()), log(*value).max(y.lo))).collect();
        if let (Some(end), true) = (points.last(), never > 0.0) {
            dots.push(Layer::Dot { at: *end, color, radius: 4.5 });
            marks.push(Mark { name: format!("never: {}", share(never)), from: end.0, until: end.0, color });
        }
        if !points.is_empty() {
            layers.push(Layer::Line { points: thin(&points, BUCKETS), color, width });
        }
        let note = if points.is_empty() { " (never: 100 %)" } else { "" };
        keys.push(Key { label: format!("{name}{note}"), color, swatch: Swatch::Line });
    }
    layers.append(&mut dots);
    marks.sort_by(|a, b| a.from.total_cmp(&b.from));
    Picture {
        title: "Latency by percentile",
        description: "The latency that a share of all values does not exceed. Lines end where values never came to their end.",
        x: Axis::percentile(most.unwrap_or(0)),
        y,
        layers,
        keys,
        marks,
    }
}

/// The curve of a latency as the chart draws it: shares of all values, and the milliseconds that they do not exceed.
pub(super) fn points(of: &Latency) -> Vec<(f64, f64)> {
    let points: Vec<Point> =
        of.curve().iter().map(|(share, value)| (quantile(*share, of.count()), log(*value))).collect();
    let back = |(x, y): &Point| (1.0 - libm::pow(10.0, -x), libm::pow(10.0, *y) / 1e6);
    if points.is_empty() { Vec::new() } else { thin(&points, BUCKETS).iter().map(back).collect() }
}

/// The share of values that never came to their end.
fn never(curve: &[(f64, Nanos)]) -> f64 {
    curve.last().map_or(1.0, |(finished, _)| 1.0 - finished)
}
