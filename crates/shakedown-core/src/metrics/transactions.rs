//! Use of a server's pool of HTTP transactions.

use super::servers::Counts;
use crate::time::Timestamp;

/// One server's pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Size of the pool.
    pub most: u32,
    in_use: u32,
    since: Timestamp,
    in_use_max_interval: u32,
}

impl Pool {
    pub(super) fn new(most: u32) -> Pool {
        Pool { most, ..Pool::default() }
    }

    /// Changes the number in use from now on.
    pub(super) fn turn(&mut self, now: Timestamp, change: i32, counts: &mut Counts) {
        self.add_up(now, counts);
        self.in_use = self.in_use.saturating_add_signed(change);
        self.in_use_max_interval = self.in_use_max_interval.max(self.in_use);
        counts.transactions_max = counts.transactions_max.max(self.in_use);
    }

    /// The process has ended, with all its transactions.
    pub(super) fn wiped(&mut self, now: Timestamp, counts: &mut Counts) {
        self.add_up(now, counts);
        self.in_use = 0;
    }

    pub(super) fn add_up(&mut self, now: Timestamp, counts: &mut Counts) {
        counts.transactions_area += u128::from(self.in_use) * u128::from(now.since(self.since).0);
        self.since = now;
    }

    /// In use now.
    pub(super) fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Maximum in use at once since the last call.
    pub(super) fn end_interval(&mut self) -> u32 {
        std::mem::replace(&mut self.in_use_max_interval, self.in_use)
    }
}
