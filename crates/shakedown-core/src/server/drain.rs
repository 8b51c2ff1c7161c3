//! A server that is taken out of service: it opens no new connections, and closes those that it has.

use std::collections::VecDeque;

use crate::time::{Nanos, Timestamp};

/// A drain in progress.
#[derive(Debug)]
pub(super) struct Drain {
    pub code: u16,
    /// When the next close frame is due.
    pub next: Timestamp,
    /// Time from one close frame to the next.
    pub every: Nanos,
    /// The connections that were open when it began.
    pub open: VecDeque<u32>,
}

impl Drain {
    /// When the next action is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        (!self.open.is_empty()).then_some(self.next)
    }
}
