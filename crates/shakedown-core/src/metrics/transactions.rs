//! Use of a server's pool of HTTP transactions.

use super::layout::Window;
use crate::time::Timestamp;

/// One server's pool.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Size of the pool.
    pub most: u32,
    in_use: u32,
    since: Timestamp,
    /// Maximum in use at once within the window.
    pub in_use_max: u32,
    in_use_max_interval: u32,
    /// Transactions in use, times nanoseconds, within the window.
    pub area: u128,
    /// Requests that were rejected without one.
    pub full: u64,
    /// Requests that waited for one.
    pub awaited: u64,
}

impl Pool {
    pub(super) fn new(most: u32) -> Pool {
        Pool { most, ..Pool::default() }
    }

    /// Sets the number in use from now on.
    pub(super) fn turn(&mut self, now: Timestamp, change: i32, window: &Window) {
        self.add_up(now, window);
        self.in_use = self.in_use.saturating_add_signed(change);
        self.in_use_max_interval = self.in_use_max_interval.max(self.in_use);
        if window.contains(now) {
            self.in_use_max = self.in_use_max.max(self.in_use);
        }
    }

    /// The process has ended, with all its transactions.
    pub(super) fn wiped(&mut self, now: Timestamp, window: &Window) {
        self.add_up(now, window);
        self.in_use = 0;
    }

    pub(super) fn add_up(&mut self, now: Timestamp, window: &Window) {
        self.area += u128::from(self.in_use) * u128::from(window.overlap(self.since, now).0);
        self.since = now;
    }

    /// Begins the window's peak with the current value.
    pub(super) fn begin(&mut self) {
        self.in_use_max = self.in_use;
    }

    /// Maximum in use at once since the last call.
    pub(super) fn end_interval(&mut self) -> u32 {
        std::mem::replace(&mut self.in_use_max_interval, self.in_use)
    }
}
