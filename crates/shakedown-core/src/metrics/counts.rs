//! What is counted of sessions in one segment of the run.

use super::peak::Peak;
use crate::client::{End, Finding, Outcome};

/// Findings: the server's, and then those of [`Finding`].
pub(super) const FINDINGS: usize = 1 + Finding::ALL.len();

/// Counts of sessions in one segment of the run. What has a beginning and an end counts where it began.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Attempts by outcome.
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Attempts that began.
    pub attempts: Peak,
    /// Connects of races beside the first of their attempts, and those of them that were established first.
    pub raced: [u64; 2],
    /// Attempts under way at the end of the run.
    pub pending: u64,
    pub hops_max: u8,
    /// Completed TLS handshakes: full and resumed ones.
    pub secured: [u64; 2],
    /// Open connections lost, by kind of end.
    pub ends: [u64; End::NAMES.len()],
    /// Accepted without credentials, and then by [`Finding`].
    pub found: [u64; FINDINGS],
    /// Heartbeats answered.
    pub heartbeats: u64,
    /// Outages that have not ended.
    pub down: u64,
    /// Paths that failed and whose clients have not noticed.
    pub unnoticed: u64,
    /// Sessions that are usable, and that want to be open, times nanoseconds.
    pub usable: u128,
    pub wanted: u128,
    /// By client group.
    pub groups: Vec<Sessions>,
    /// By server group: the sum of the balance at the ends of intervals, and their number.
    pub balance: Vec<(f64, u64)>,
}

/// Counts of the sessions that were scheduled in one segment of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sessions {
    pub scheduled: u64,
    pub opened: u64,
    pub failed: u64,
    pub ended: u64,
    /// Sessions that want to be open at the end of the segment, and those that are.
    pub wanted_at_end: u64,
    pub open_at_end: u64,
}

impl Sessions {
    pub(super) fn join(&mut self, later: &Sessions) {
        self.scheduled += later.scheduled;
        self.opened += later.opened;
        self.failed += later.failed;
        self.ended += later.ended;
        (self.wanted_at_end, self.open_at_end) = (later.wanted_at_end, later.open_at_end);
    }
}

impl Counts {
    pub(super) fn new(groups: usize, server_groups: usize) -> Counts {
        let (groups, balance) = (vec![Sessions::default(); groups], vec![(0.0, 0); server_groups]);
        Counts { groups, balance, ..Counts::default() }
    }

    /// Adds those of a later segment.
    pub(super) fn join(&mut self, later: &Counts) {
        add(&mut self.outcomes, &later.outcomes);
        add(&mut self.secured, &later.secured);
        add(&mut self.raced, &later.raced);
        add(&mut self.ends, &later.ends);
        add(&mut self.found, &later.found);
        self.attempts.join(&later.attempts);
        self.pending += later.pending;
        self.hops_max = self.hops_max.max(later.hops_max);
        self.heartbeats += later.heartbeats;
        self.down += later.down;
        self.unnoticed += later.unnoticed;
        self.usable += later.usable;
        self.wanted += later.wanted;
        self.groups.iter_mut().zip(&later.groups).for_each(|(own, later)| own.join(later));
        for ((sum, count), (more, later)) in self.balance.iter_mut().zip(&later.balance) {
            *sum += more;
            *count += later;
        }
    }
}

fn add<const N: usize>(own: &mut [u64; N], later: &[u64; N]) {
    own.iter_mut().zip(later).for_each(|(own, later)| *own += later);
}
