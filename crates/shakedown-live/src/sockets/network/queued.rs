//! What is on its way where bandwidth is limited.

use super::connection::Segment;

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
