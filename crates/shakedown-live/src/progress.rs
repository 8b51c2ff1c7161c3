//! How far a run has come.

use shakedown_core::time::Timestamp;

/// How far a live run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since its beginning.
    pub now: Timestamp,
    /// Events so far.
    pub events: u64,
}
