//! Common parts of charts over time: time on the x axis, and the faults.

use super::picture::{Mark, Point};
use super::style::FAULT;
use super::thin::thin;
use crate::metrics::{FaultWindow, Measured};
use crate::time::Timestamp;

/// Twice the intervals that runs have: thinning is for series from elsewhere.
pub(super) const BUCKETS: usize = 250;

/// Seconds since the start.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::ZERO).as_secs_f64()
}

/// The run's end.
pub(super) fn end(measured: &Measured) -> Timestamp {
    measured.series.ends.last().copied().unwrap_or(Timestamp::ZERO)
}

/// Counts at the intervals' ends as a line. It begins at zero: before the run nothing is open.
pub(super) fn line<N: Copy + Into<f64>>(ends: &[Timestamp], numbers: &[N]) -> Vec<Point> {
    let points = ends.iter().zip(numbers).map(|(end, number)| (seconds(*end), (*number).into()));
    thinned(&std::iter::once((0.0, 0.0)).chain(points).collect::<Vec<_>>())
}

/// As many points of a line as can be told apart.
pub(super) fn thinned(points: &[Point]) -> Vec<Point> {
    thin(points, BUCKETS)
}

/// The stretches in which faults were on.
pub(super) fn faults(faults: &[FaultWindow]) -> Vec<Mark> {
    let mark = |fault: &FaultWindow| Mark {
        name: fault.name.clone(),
        from: seconds(fault.from),
        until: fault.until.map_or(f64::INFINITY, seconds),
        color: FAULT,
    };
    faults.iter().map(mark).collect()
}
