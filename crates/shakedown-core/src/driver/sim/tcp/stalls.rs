//! What waits for a retransmission, and where.

use std::collections::BTreeMap;

use super::segment::{Segment, StallPoint};
use crate::network::{Direction, Repetitions};
use crate::time::Timestamp;

/// What waits in one direction of a connection.
#[derive(Debug)]
pub(super) struct Stall {
    pub kept: Vec<Segment>,
    /// Those that came to nothing, and the timer that runs now.
    pub repetitions: Repetitions,
    /// When its sender's process closed the connection, if it has.
    pub orphaned: Timestamp,
}

/// Every direction in which something waits, and where.
pub(super) type Stalls = BTreeMap<(u32, Direction, StallPoint), Stall>;

/// When a message left first, and when the transmission leaves that is not lost, by connection and way.
pub(super) type SlowRepairs = BTreeMap<(u32, Direction), (Timestamp, Timestamp)>;
