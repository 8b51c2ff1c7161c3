//! Limits of bandwidth, and what is on its way between them.

use std::collections::BTreeMap;

use shakedown_core::driver::pipes::{Gap, Pipes, Stage};
use shakedown_core::network::{Rto, Way};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;

use super::connection::{ConnectionKey, Segment};

/// What waits in the queues on its way.
#[derive(Debug)]
pub(super) enum Queued {
    Syn,
    Segment(Segment),
}

impl Queued {
    /// Whether it is of a connect, whose repetition decides the rest of it.
    pub(super) fn is_of_connect(&self) -> bool {
        matches!(self, Queued::Syn | Queued::Segment(Segment::Connected | Segment::Failed(_)))
    }
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Transmission {
    pub queued: Queued,
    pub key: ConnectionKey,
    pub way: Way,
    pub stage: Stage,
    /// On the wire.
    pub bytes: u64,
    /// Keys its draws.
    pub ordinal: u64,
    /// When it was sent last, and the timer that started then.
    pub left: Timestamp,
    pub rto: Rto,
}

/// Every limit of bandwidth, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Bottlenecks {
    pub pipes: Pipes,
    /// By their place among all that were ever sent.
    pub transmissions: BTreeMap<u64, Transmission>,
    pub sent: u64,
    pub gaps: BTreeMap<(ConnectionKey, Way), Gap<Transmission>>,
}

impl Bottlenecks {
    /// Those of a scenario, if it has any.
    pub(super) fn new(scenario: &Scenario) -> Option<Box<Bottlenecks>> {
        let pipes = Pipes::new(scenario)?;
        Some(Box::new(Bottlenecks { pipes, transmissions: BTreeMap::new(), sent: 0, gaps: BTreeMap::new() }))
    }

    pub(super) fn is_dead(&self, key: ConnectionKey, way: Way, order: u64) -> bool {
        self.gaps.get(&(key, way)).is_some_and(|gap| gap.is_dead(order))
    }
}
