//! What is counted of a server in one segment of the run.

use super::super::peak::Peak;
use crate::time::Nanos;

/// One server's counts in one segment of the run.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Counts {
    pub arrivals: u64,
    pub arrivals_peak: Peak,
    /// Handshakes that its clients completed, by the beginning of the attempt.
    pub opened: u64,
    pub wasted: u64,
    pub error_responses: u64,
    /// SYNs that found the accept queue full, third segments of connects that did, and connects without a port.
    pub syns_dropped: u64,
    pub accept_overflows: u64,
    pub no_port: u64,
    pub connections_max: u32,
    /// Open connections at the segment's end.
    pub open_at_end: u32,
    pub queue_max: u32,
    /// Queued requests that arrived in the segment and wait.
    pub waiting: u32,
    /// Requests that did not have to wait.
    pub no_waits: u64,
    /// Busy workers, times nanoseconds.
    pub busy: u128,
    pub busy_peak: Peak,
    pub streams_opened: u64,
    pub streams_max: u32,
    pub queue_full: u64,
    pub connections_full: u64,
    pub expired: u64,
    pub over_rate: u64,
    pub draining: u64,
    pub held_back: u64,
    pub timed_out: u64,
    pub transactions_max: u32,
    pub transactions_area: u128,
    pub transactions_full: u64,
    pub transactions_awaited: u64,
    /// Full and resumed TLS handshakes.
    pub tls: [u64; 2],
    /// Attempts of calls that began in the segment: all, unfinished ones, and failed ones.
    pub calls: u64,
    pub calls_pending: u64,
    pub calls_failed: u64,
    pub paused_count: u64,
    pub paused_time: Nanos,
    pub forwarded: u64,
    pub not_forwarded: u64,
    pub checks_failed: u64,
    pub marked_down: u64,
    pub tunnels: u64,
    pub challenged: u64,
    pub unreachable: u64,
    /// Connections that kernels gave up after their probes: servers', and those of whoever opened them.
    pub keepalive_failed: [u64; 2],
    /// Connections that a clock ended, by [`Clock::ALL`](crate::server::Clock::ALL).
    pub ended_by: [u64; 4],
    pub reloads: u64,
    pub old_connections_max: u32,
    pub old_processes_max: u32,
    pub refused: u64,
    pub probes_failed: u64,
    /// Kills for want of memory, and by liveness probes.
    pub kills: [u64; 2],
    pub restarts: u64,
    pub not_ready_time: Nanos,
    pub used_max: [u64; 2],
}

impl Counts {
    /// Adds those of a later segment.
    pub(super) fn join(&mut self, later: &Counts) {
        self.arrivals += later.arrivals;
        self.arrivals_peak.join(&later.arrivals_peak);
        self.opened += later.opened;
        self.wasted += later.wasted;
        self.error_responses += later.error_responses;
        self.syns_dropped += later.syns_dropped;
        self.accept_overflows += later.accept_overflows;
        self.no_port += later.no_port;
        self.connections_max = self.connections_max.max(later.connections_max);
        self.open_at_end = later.open_at_end;
        self.queue_max = self.queue_max.max(later.queue_max);
        self.waiting += later.waiting;
        self.no_waits += later.no_waits;
        self.busy += later.busy;
        self.busy_peak.join(&later.busy_peak);
        self.streams_opened += later.streams_opened;
        self.streams_max = self.streams_max.max(later.streams_max);
        self.queue_full += later.queue_full;
        self.connections_full += later.connections_full;
        self.expired += later.expired;
        self.over_rate += later.over_rate;
        self.draining += later.draining;
        self.held_back += later.held_back;
        self.timed_out += later.timed_out;
        self.transactions_max = self.transactions_max.max(later.transactions_max);
        self.transactions_area += later.transactions_area;
        self.transactions_full += later.transactions_full;
        self.transactions_awaited += later.transactions_awaited;
        self.tls[0] += later.tls[0];
        self.tls[1] += later.tls[1];
        self.calls += later.calls;
        self.calls_pending += later.calls_pending;
        self.calls_failed += later.calls_failed;
        self.paused_count += later.paused_count;
        self.paused_time += later.paused_time;
        self.forwarded += later.forwarded;
        self.not_forwarded += later.not_forwarded;
        self.checks_failed += later.checks_failed;
        self.marked_down += later.marked_down;
        self.tunnels += later.tunnels;
        self.challenged += later.challenged;
        self.unreachable += later.unreachable;
        (0..).zip(later.ended_by).for_each(|(clock, count): (usize, _)| self.ended_by[clock] += count);
        self.keepalive_failed[0] += later.keepalive_failed[0];
        self.keepalive_failed[1] += later.keepalive_failed[1];
        self.reloads += later.reloads;
        self.old_connections_max = self.old_connections_max.max(later.old_connections_max);
        self.old_processes_max = self.old_processes_max.max(later.old_processes_max);
        self.refused += later.refused;
        self.probes_failed += later.probes_failed;
        self.restarts += later.restarts;
        self.not_ready_time += later.not_ready_time;
        for which in 0..2 {
            self.kills[which] += later.kills[which];
            self.used_max[which] = self.used_max[which].max(later.used_max[which]);
        }
    }

    /// Requests that were rejected because of a limit.
    pub(super) fn turned_away(&self) -> u64 {
        self.queue_full
            + self.connections_full
            + self.over_rate
            + self.draining
            + self.expired
            + self.timed_out
            + self.transactions_full
            + self.refused
    }
}
