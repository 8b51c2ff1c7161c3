//! What waits in front of a process that hangs.

use super::calls::News;
use crate::time::Nanos;

/// Something that a hung process will find when it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum PendingInput {
    Segment {
        connection: u32,
        segment: u32,
    },
    Fin {
        connection: u32,
    },
    /// Of a connection that it opened.
    News {
        connection: u32,
        news: News,
    },
    Wake,
    /// It is asked to drain.
    Drain {
        code: u16,
        over: Nanos,
    },
    /// The drain is over.
    Resume,
    /// It was started, and has something to do.
    Start,
}
