//! The connects of a race of addresses (RFC 8305), and the numbers of their connections.

use crate::machine::{ConnectionId, EndpointId};
use crate::time::Timestamp;

/// How many connects a race may have. Where there are races, each attempt begins a block of so many numbers of connections.
/// So an earlier connect may win, and its number becomes the session's, without any number being used twice.
const BLOCK: u32 = 64;

/// The connects of an attempt that are under way.
#[derive(Debug)]
pub(super) struct Race {
    pub connects: Vec<Connect>,
    /// When the next address is tried.
    pub next: Timestamp,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Connect {
    pub connection: u32,
    pub endpoint: EndpointId,
    /// When it has taken too long.
    pub until: Timestamp,
}

impl Race {
    pub(super) fn find(&self, c: ConnectionId) -> Option<Connect> {
        self.connects.iter().find(|connect| connect.connection == c.0).copied()
    }

    /// One that has taken too long.
    pub(super) fn find_late(&self, now: Timestamp) -> Option<Connect> {
        self.connects.iter().find(|connect| connect.until <= now).copied()
    }
}

/// The number of the next attempt's connection.
#[cold]
pub(super) fn next_block(connection: u32) -> u32 {
    connection.div_ceil(BLOCK) * BLOCK + 1
}

/// Whether a connect was the first of its attempt.
pub(super) fn is_first(connection: u32) -> bool {
    connection % BLOCK == 1
}

/// Whether a number is left for another connect of the race.
pub(super) fn has_another(connection: u32) -> bool {
    !connection.is_multiple_of(BLOCK)
}
