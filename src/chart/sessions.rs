//! Sessions open over time, against those that want to be.

use super::axis::Axis;
use super::over_time;
use super::picture::{Key, Layer, Picture, Swatch};
use super::style::{BLUE, INK};
use crate::metrics::Measured;

/// The chart.
pub fn picture(measured: &Measured) -> Picture {
    let series = &measured.series;
    let largest = series.sessions_open.iter().chain(&series.sessions_wanted).max().copied().unwrap_or(0);
    let mut layers = Vec::new();
    let mut keys = Vec::new();
    if largest > 0 && !series.ends.is_empty() {
        let open = over_time::line(&series.ends, &series.sessions_open);
        let mut outline = open.clone();
        if let Some((x, _)) = open.last() {
            outline.push((*x, 0.0));
        }
        layers.push(Layer::Area { outline, color: BLUE, opacity: 0.22 });
        layers.push(Layer::Line { points: open, color: BLUE, width: 2.0 });
        let wanted = over_time::line(&series.ends, &series.sessions_wanted);
        layers.push(Layer::Dashes { points: wanted, color: INK });
        keys.push(Key { label: "open".into(), color: BLUE, swatch: Swatch::Line });
        keys.push(Key { label: "wanted".into(), color: INK, swatch: Swatch::Dashes });
    }
    Picture {
        title: "Sessions open",
        description: "How many sessions are open over time, and how many want to be.",
        x: Axis::time(over_time::end(measured)),
        y: Axis::count("sessions", f64::from(largest), true),
        layers,
        keys,
        marks: over_time::faults(&measured.faults),
    }
}
