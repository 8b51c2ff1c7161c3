//! Every limit of bandwidth, and what is on its way between them.

use std::collections::BTreeMap;

use super::queued::Queued;
use super::slab::Slab;
use crate::driver::pipes::{Gap, Pipes, Stage};
use crate::network::{Repetitions, Way};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// A message on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transmission {
    /// What happens when it is there.
    pub item: Queued,
    pub connection: u32,
    pub way: Way,
    pub stage: Stage,
    /// On the wire.
    pub bytes: u64,
    /// Keys its draws.
    pub ordinal: u64,
    /// Its place among all messages that were ever sent.
    pub order: u64,
    /// When it was sent last.
    pub left: Timestamp,
    /// Transmissions after the first, and the timer that started then.
    pub repetitions: Repetitions,
    /// Its sender's process had closed the connection when it was sent.
    pub orphan: bool,
}

/// Every limit of bandwidth, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Bottlenecks {
    pub pipes: Pipes,
    pub transmissions: Slab<Transmission>,
    pub gaps: BTreeMap<(u32, Way), Gap<u32>>,
    /// Messages sent.
    pub sent: u64,
}

impl Bottlenecks {
    /// Those of a scenario, if it has any.
    pub(super) fn new(scenario: &Scenario) -> Option<Box<Bottlenecks>> {
        let pipes = Pipes::new(scenario)?;
        Some(Box::new(Bottlenecks { pipes, transmissions: Slab::default(), gaps: BTreeMap::new(), sent: 0 }))
    }

    /// A connection is over: nothing of it is on its way.
    pub(super) fn forget(&mut self, connection: u32) {
        if !self.gaps.is_empty() {
            self.gaps.remove(&(connection, Way::ToServer));
            self.gaps.remove(&(connection, Way::ToClient));
        }
    }
}
