//! Whether a server's process is there and ready, and what it uses of limited resources.

use super::super::series::ServerSeries;
use super::Counts;
use crate::server::{Event, KillReason, Resource};
use crate::time::{Nanos, Timestamp};

/// One server's.
#[derive(Debug)]
pub(super) struct Health {
    /// Whether it is probed, or may be killed, and so has these metrics.
    pub supervised: bool,
    /// Which resources are limited, and so have metrics.
    pub limits: [bool; 2],
    killed: bool,
    unready: bool,
    /// Until when its time without service is counted.
    counted: Timestamp,
    used: [u64; 2],
    kills_interval: u32,
    memory_interval: u64,
}

impl Health {
    pub(super) fn new(supervised: bool, limits: [bool; 2]) -> Health {
        Health {
            supervised,
            limits,
            killed: false,
            unready: false,
            counted: Timestamp::ZERO,
            used: [0; 2],
            kills_interval: 0,
            memory_interval: 0,
        }
    }

    /// Whether its process was killed, and none has been started since.
    pub(super) fn is_killed(&self) -> bool {
        self.killed
    }

    /// Counts an event.
    #[cold]
    pub(super) fn record(&mut self, now: Timestamp, event: Event, counts: &mut Counts) {
        self.add_up(now, counts);
        match event {
            Event::ProbeFailed { .. } => counts.probes_failed += 1,
            Event::NotReady => self.unready = true,
            Event::Ready => self.unready = false,
            Event::Killed { reason } => {
                self.killed = true;
                self.kills_interval += 1;
                counts.kills[usize::from(reason == KillReason::Liveness)] += 1;
            }
            Event::Restarted => {
                self.killed = false;
                counts.restarts += 1;
            }
            Event::Refused { .. } => counts.refused += 1,
            Event::Uses { resource, amount } => {
                self.used[resource as usize] = amount;
                if resource == Resource::Memory {
                    self.memory_interval = self.memory_interval.max(amount);
                }
                let most = &mut counts.used_max[resource as usize];
                *most = (*most).max(amount);
            }
            _ => {}
        }
    }

    /// Adds up the time without service until now.
    pub(super) fn add_up(&mut self, now: Timestamp, counts: &mut Counts) {
        if self.killed || self.unready {
            counts.not_ready_time += now.since(self.counted);
        }
        self.counted = now;
    }

    /// Closes an interval of the series.
    pub(super) fn end_interval(&mut self, series: &mut ServerSeries) {
        let kills = std::mem::take(&mut self.kills_interval);
        let memory = std::mem::replace(&mut self.memory_interval, self.used[Resource::Memory as usize]);
        if self.supervised {
            series.kills.push(kills);
        }
        if self.limits[Resource::Memory as usize] {
            series.memory_in_use.push(memory);
        }
    }

    /// The process has ended, and uses nothing.
    pub(super) fn wiped(&mut self) {
        self.used = [0; 2];
    }

    /// The next segment of the run begins.
    pub(super) fn cut(&self, next: &mut Counts) {
        next.used_max = self.used;
    }
}

/// The share of all time in which servers were not ready.
pub(super) fn not_ready(all: &[Counts], length: Nanos) -> Option<f64> {
    let time: u64 = all.iter().map(|counts| counts.not_ready_time.0).sum();
    (length > Nanos::ZERO).then(|| time as f64 / (length.0 as f64 * all.len() as f64))
}
