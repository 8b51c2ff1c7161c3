//! Sessions open over time, against those that want to be.

use super::axis::Axis;
use super::over_time;
use super::picture::{Key, Layer, Picture, Point, Swatch};
use super::style::{BLUE, INK};
use crate::metrics::{Measured, Series};

/// The open sessions at each interval's end, and in between the lowest count where that is lower than both ends: a
/// crash between two samples shows its whole depth.
fn with_dips(series: &Series) -> Vec<Point> {
    let mut points = vec![(0.0, 0.0)];
    let rows = series.ends.iter().zip(&series.sessions_open).zip(&series.sessions_open_lowest);
    for ((end, open), lowest) in rows {
        let (before, from) = points[points.len() - 1];
        let (x, open, lowest) = (over_time::seconds(*end), f64::from(*open), f64::from(*lowest));
        if lowest < open && lowest < from {
            points.push(((before + x) / 2.0, lowest));
        }
        points.push((x, open));
    }
    over_time::thinned(&points)
}

/// The chart.
pub(super) fn picture(measured: &Measured) -> Picture {
    let series = &measured.series;
    let largest = series.sessions_open.iter().chain(&series.sessions_wanted).max().copied().unwrap_or(0);
    let mut layers = Vec::new();
    let mut keys = Vec::new();
    if largest > 0 && !series.ends.is_empty() {
        let open = with_dips(series);
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
