//! The run, cut where phases and the measured window begin and end: each segment counts for itself, and a phase is some
//! of the segments.

use super::layout::Layout;
use crate::time::{Nanos, Timestamp};

/// The segments of a run, in order of time. They are known beforehand.
#[derive(Debug, Clone)]
pub(super) struct Segments {
    /// Where each begins. The first begins with the run.
    starts: Vec<Timestamp>,
    /// The current one, and where it begins.
    now: usize,
    start: Timestamp,
    /// Where the next one begins.
    pub(super) next: Timestamp,
    from: Timestamp,
    until: Timestamp,
}

impl Segments {
    pub(super) fn new(layout: &Layout) -> Segments {
        let end = Timestamp::ZERO + layout.duration;
        let borders = layout.phases.iter().flat_map(|phase| [phase.from, phase.until]);
        let borders = borders.chain([layout.from, layout.until]).filter(|at| *at < end);
        let mut starts: Vec<Timestamp> = borders.chain([Timestamp::ZERO]).collect();
        starts.sort_unstable();
        starts.dedup();
        let next = starts.get(1).copied().unwrap_or(Timestamp::NEVER);
        Segments { starts, now: 0, start: Timestamp::ZERO, next, from: layout.from, until: layout.until }
    }

    pub(super) fn count(&self) -> usize {
        self.starts.len()
    }

    /// The current one.
    #[inline]
    pub(super) fn current(&self) -> usize {
        self.now
    }

    /// The next one begins.
    pub(super) fn advance(&mut self) {
        self.now += 1;
        self.start = self.starts[self.now];
        self.next = self.starts.get(self.now + 1).copied().unwrap_or(Timestamp::NEVER);
    }

    /// The segment of a moment that is not in the future.
    #[inline]
    pub(super) fn of(&self, at: Timestamp) -> usize {
        if at >= self.start { self.now } else { self.earlier(at) }
    }

    #[cold]
    #[inline(never)]
    fn earlier(&self, at: Timestamp) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// Whether the measured window contains a moment. No time at all is not in it.
    #[inline]
    pub(super) fn measures(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether a segment is in the measured window.
    pub(super) fn is_measured(&self, segment: usize) -> bool {
        self.measures(self.starts[segment])
    }

    /// The measured segments from one moment until another, as far as the run has come.
    pub(super) fn between(&self, from: Timestamp, until: Timestamp) -> Vec<usize> {
        let within = |at: Timestamp| from <= at && at < until && self.measures(at);
        (0..=self.now).filter(|number| within(self.starts[*number])).collect()
    }

    /// All measured segments.
    pub(super) fn measured(&self) -> Vec<usize> {
        self.between(Timestamp::ZERO, Timestamp::NEVER)
    }

    /// How long some segments take together, until the end of the run.
    pub(super) fn length(&self, segments: &[usize], end: Timestamp) -> Nanos {
        let until = |number: usize| self.starts.get(number + 1).copied().unwrap_or(Timestamp::NEVER).min(end);
        let last = |number: usize| if self.starts[number] < self.until { until(number).min(self.until) } else { end };
        Nanos(segments.iter().map(|number| last(*number).since(self.starts[*number]).0).sum())
    }
}
