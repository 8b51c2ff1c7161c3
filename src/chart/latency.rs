//! Handshake latency over time: percentiles of each interval.

use super::axis::{Axis, log};
use super::over_time::{self, BUCKETS, seconds};
use super::picture::{Key, Layer, Picture, Point, Swatch};
use super::style::{BLUE, ORANGE, SKY, VERMILLION};
use super::thin::thin;
use crate::metrics::{Measured, Percentiles};
use crate::time::Nanos;

/// Name, value, colour and width, from back to front: where lines fall together, the wider ones behind still show.
type Line = (&'static str, fn(&Percentiles) -> Nanos, plotters::style::RGBColor, f64);
const LINES: [Line; 4] = [
    ("max", |of| of.max, VERMILLION, 3.5),
    ("p99", |of| of.p99, ORANGE, 2.8),
    ("p90", |of| of.p90, SKY, 2.2),
    ("p50", |of| of.p50, BLUE, 1.6),
];

/// The chart.
pub(super) fn picture(measured: &Measured) -> Picture {
    let series = &measured.series;
    let mut begin = 0.0;
    let mut intervals: Vec<(f64, Option<Percentiles>)> = Vec::new();
    for (end, percentiles) in series.ends.iter().zip(&series.handshake_latency) {
        let end = seconds(*end);
        intervals.push(((begin + end) / 2.0, *percentiles));
        begin = end;
    }
    let values = || intervals.iter().filter_map(|(_, percentiles)| *percentiles);
    let y = Axis::log("handshake latency", values().flat_map(|of| [of.p50, of.max]));

    let mut layers = Vec::new();
    for (nth, (_, value, color, width)) in LINES.iter().enumerate() {
        // A gap between intervals with values ends the line.
        for run in intervals.chunk_by(|a, b| a.1.is_some() == b.1.is_some()) {
            let points: Vec<Point> =
                run.iter().filter_map(|(x, of)| Some((*x, log(value(of.as_ref()?)).max(y.lo)))).collect();
            match (points.as_slice(), run[0].1) {
                ([at], Some(of)) => {
                    let is_hidden = LINES[nth + 1..].iter().any(|(_, other, ..)| other(&of) == value(&of));
                    if !is_hidden {
                        layers.push(Layer::Dot { at: *at, color: *color, radius: 2.5 });
                    }
                }
                ([], _) => {}
                _ => layers.push(Layer::Line { points: thin(&points, BUCKETS), color: *color, width: *width }),
            }
        }
    }
    let key = |(name, _, color, _): &Line| Key { label: (*name).into(), color: *color, swatch: Swatch::Line };
    Picture {
        title: "Handshake latency",
        description: "Median, 90th and 99th percentile and maximum of the handshake latency per interval, over time.",
        x: Axis::time(over_time::end(measured)),
        keys: if layers.is_empty() { Vec::new() } else { LINES.iter().rev().map(key).collect() },
        y,
        layers,
        marks: over_time::faults(&measured.faults),
    }
}
