//! How long connections may take to send their requests.

use std::collections::VecDeque;

use super::connections::note;
use crate::machine::ConnectionId;
use crate::time::Timestamp;

/// When the time of connections is up. Empty where there is no limit.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// Of each connection.
    of: Vec<Timestamp>,
    in_order: VecDeque<(Timestamp, u32)>,
}

impl Timeouts {
    /// The time of a connection begins, and is up at a moment.
    pub(super) fn begin(&mut self, c: ConnectionId, until: Timestamp) {
        note(&mut self.of, c.0, until);
        self.in_order.push_back((until, c.0));
    }

    /// When the first connection will have taken too long. Those that do not read any more are forgotten.
    pub(super) fn next_due(&mut self, reads: impl Fn(ConnectionId) -> bool) -> Option<Timestamp> {
        loop {
            let (at, connection) = *self.in_order.front()?;
            // A number that was used again since has a later entry of its own.
            if reads(ConnectionId(connection)) && at == self.of[connection as usize] {
                return Some(at);
            }
            self.in_order.pop_front();
        }
    }

    /// A connection that has taken too long.
    pub(super) fn take(&mut self, now: Timestamp, reads: impl Fn(ConnectionId) -> bool) -> Option<ConnectionId> {
        self.next_due(reads).filter(|at| *at <= now)?;
        self.in_order.pop_front().map(|(_, connection)| ConnectionId(connection))
    }
}
