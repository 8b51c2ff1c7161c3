//! Measures of each server: arrivals, connections, its queue and its workers.

mod counts;
mod health;
mod summary;

use std::collections::BTreeSet;

pub(super) use counts::Counts;
pub(super) use summary::{Part, jain, summarize, summarize_group, summarize_network};

use health::Health;

use super::latency::Latency;
use super::layout::ServerLayout;
use super::old_processes::OldProcesses;
use super::resources::{self, Resource};
use super::segments::Segments;
use super::series::ServerSeries;
use super::transactions::Pool;
use crate::network;
use crate::server::{CallOutcome, Event, Reason};
use crate::time::{Nanos, Timestamp};

/// One server's record.
#[derive(Debug)]
pub(super) struct ServerAccount {
    workers: u32,
    /// The fault that affects it, and whether its connections survive.
    pub down: Option<(u16, bool)>,
    /// Its counts, by segment of the run.
    pub counts: Vec<Counts>,
    /// Whether it calls others, and so has these metrics.
    caller: bool,
    call_latency: Latency,
    /// It has left.
    left: bool,
    /// Since when its process pauses.
    paused: Option<Timestamp>,
    /// Whether it may pause, and so has these metrics.
    pauses: bool,
    /// Open connections.
    pub connections: u32,
    /// Maximum of its connections.
    connections_limit: u32,
    /// Connections that it accepted above the limit to reject them; they do not count towards it.
    excess: BTreeSet<u32>,
    queue: u32,
    queue_max_interval: u32,
    busy: u32,
    busy_since: Timestamp,
    busy_interval: u128,
    arrivals_interval: u32,
    waits: Latency,
    /// Whether limits are set, and so have metrics.
    limited: bool,
    /// Its HTTP transactions, where their number is limited.
    pool: Option<Pool>,
    /// Whether it has TLS, and so has these metrics.
    tls: bool,
    /// Whether clients may use HTTP/2, and so streams have metrics.
    shares: bool,
    streams: u32,
    /// Whether it is a balancer, and so has these metrics.
    balancer: bool,
    /// The servers behind a balancer that it has not marked as down.
    behind: u32,
    /// Whether it is a forward proxy, and so has these metrics.
    proxy: bool,
    /// Whether clocks may end its connections, and so have metrics.
    clocks: bool,
    /// Whether kernels probe its connections, and so have metrics.
    keepalive: bool,
    /// Its old processes, where it may be reloaded.
    old: Option<Box<OldProcesses>>,
    health: Health,
}

impl ServerAccount {
    pub(super) fn new(layout: &ServerLayout, segments: usize) -> ServerAccount {
        ServerAccount {
            workers: layout.workers,
            down: None,
            counts: vec![Counts::default(); segments],
            caller: layout.calls,
            call_latency: Latency::default().cut_into(segments),
            left: false,
            paused: None,
            pauses: layout.pauses,
            connections: 0,
            connections_limit: layout.connections_max.unwrap_or(u32::MAX),
            excess: BTreeSet::new(),
            queue: 0,
            queue_max_interval: 0,
            busy: 0,
            busy_since: Timestamp::ZERO,
            busy_interval: 0,
            arrivals_interval: 0,
            waits: Latency::default().cut_into(segments),
            limited: layout.limited,
            pool: layout.transactions_max.map(Pool::new),
            tls: layout.tls,
            shares: layout.streams,
            streams: 0,
            balancer: layout.balancer,
            behind: layout.behind,
            proxy: layout.proxy,
            clocks: layout.clocks || layout.reloads,
            keepalive: layout.keepalive,
            old: layout.reloads.then(Box::default),
            health: Health::new(layout.supervised, layout.limits),
        }
    }

    /// The fault that interrupts its paths, if a fault does, and whether its connections survive; `None` if they work.
    pub(super) fn why_down(&self) -> Option<(Option<u16>, bool)> {
        let by_fault = self.down.map(|(fault, revives)| (Some(fault), revives));
        by_fault
            .or((self.left || self.health.is_killed()).then_some((None, false)))
            .or(self.paused.map(|_| (None, true)))
    }

    /// The resource that was full, by an event that was recorded just now.
    #[cold]
    pub(super) fn full(&self, event: Event) -> Option<Resource> {
        let is_excess = matches!(event, Event::NotForwarded { connection } if self.excess.contains(&connection));
        resources::of_server(event, is_excess, self.behind > 0)
    }

    /// Counts what its kernel turned away.
    #[cold]
    pub(super) fn record_network(&mut self, event: network::Event, within: &Segments) {
        let counts = &mut self.counts[within.current()];
        match event {
            network::Event::SynDropped { backlog_full: true, .. }
            | network::Event::SynRefused { backlog_full: true, .. } => counts.syns_dropped += 1,
            network::Event::AcceptOverflow { .. } => counts.accept_overflows += 1,
            network::Event::NoPort { .. } => counts.no_port += 1,
            network::Event::KeepaliveFailed { by_client, .. } => counts.keepalive_failed[usize::from(by_client)] += 1,
            _ => {}
        }
    }

    /// Counts an event.
    pub(super) fn record(&mut self, now: Timestamp, event: Event, within: &Segments) {
        let counts = &mut self.counts[within.current()];
        match event {
            Event::Accepted { connection } if self.connections >= self.connections_limit => {
                self.excess.insert(connection);
            }
            Event::Accepted { .. } | Event::FlowBegan { .. } => {
                self.connections += 1;
                counts.connections_max = counts.connections_max.max(self.connections);
            }
            Event::Closed { connection } if !self.excess.is_empty() && self.excess.remove(&connection) => {}
            Event::Closed { .. } | Event::FlowEnded { .. } => self.connections -= 1,
            Event::StreamOpened { .. } => {
                self.streams += 1;
                counts.streams_opened += 1;
                counts.streams_max = counts.streams_max.max(self.streams);
            }
            Event::StreamClosed { .. } => self.streams -= 1,
            Event::Forwarded { .. } => counts.forwarded += 1,
            Event::NotForwarded { .. } => counts.not_forwarded += 1,
            Event::CheckFailed { .. } => counts.checks_failed += 1,
            Event::MarkedDown { .. } => {
                counts.marked_down += 1;
                self.behind = self.behind.saturating_sub(1);
            }
            Event::MarkedUp { .. } => self.behind += 1,
            Event::Requested { queued, .. } => {
                self.arrivals_interval += 1;
                counts.arrivals += 1;
                counts.arrivals_peak.add(now, 1);
                self.asked(queued, within);
            }
            Event::Hello { resumed, queued, .. } => {
                counts.tls[usize::from(resumed)] += 1;
                self.asked(queued, within);
            }
            Event::ServiceStarted { waited, queued, .. } => {
                self.work(now, within);
                self.busy += 1;
                if queued {
                    self.queue -= 1;
                    let arrived = now - waited;
                    let segment = within.of(arrived);
                    self.counts[segment].waiting -= 1;
                    if within.measures(arrived) {
                        self.waits.record_of(waited, segment);
                    }
                }
            }
            Event::Answered { served, status, .. } => {
                counts.error_responses += u64::from(status >= 400);
                if self.proxy {
                    connect_answered(status, counts);
                }
                self.served(now, served, within);
            }
            Event::HelloAnswered { served, .. } => self.served(now, served, within),
            Event::Probed { queued, .. } => self.asked(queued, within),
            Event::ProbeAnswered { served, .. } => self.served(now, served, within),
            Event::Wasted { served, .. } => {
                counts.wasted += 1;
                self.served(now, served, within);
            }
            Event::TurnedAway { reason, queued, .. } => {
                let count = match reason {
                    Reason::QueueFull => &mut counts.queue_full,
                    Reason::ConnectionsMax | Reason::AddressConnections => &mut counts.connections_full,
                    Reason::AcceptRate | Reason::AddressRate | Reason::AddressWindow => &mut counts.over_rate,
                    Reason::Draining => &mut counts.draining,
                    Reason::TransactionsMax => &mut counts.transactions_full,
                    Reason::Memory => &mut counts.refused,
                };
                *count += 1;
                if queued {
                    // It stays measured, as a wait that came to nothing.
                    self.queue -= 1;
                } else {
                    // It did not wait, but that is no short wait.
                    counts.no_waits = counts.no_waits.saturating_sub(1);
                }
            }
            Event::Expired { .. } => {
                // It stays measured, as a wait that came to nothing.
                self.queue -= 1;
                counts.expired += 1;
            }
            // The fault's own event reports the loss of its session.
            Event::GoingAway { .. } => {}
            Event::HeldBack { .. } => counts.held_back += 1,
            Event::TransactionBegan { .. } => self.transactions(now, 1, within),
            Event::TransactionEnded { .. } => self.transactions(now, -1, within),
            Event::TransactionAwaited { .. } => counts.transactions_awaited += 1,
            Event::TimedOut { .. } => counts.timed_out += 1,
            Event::Paused => {
                counts.paused_count += 1;
                self.paused = Some(now);
            }
            Event::Resumed => self.goes_on(now, within),
            Event::Left => self.left = true,
            // `paths` records the loss of its session.
            // The worker is free; the answer will cost no more.
            Event::Worked { served, .. } => self.served(now, served, within),
            Event::Called { .. } => {
                counts.calls_pending += 1;
                counts.calls += 1;
            }
            Event::CallEnded { outcome, took, .. } => {
                let segment = within.of(now - took);
                let counts = &mut self.counts[segment];
                counts.calls_pending -= 1;
                counts.calls_failed += u64::from(outcome != CallOutcome::Answered);
                if within.measures(now - took) {
                    self.call_latency.record_of(took, segment);
                }
            }
            // A finding of all servers together.
            Event::AcceptedWithoutCredentials { .. } => {}
            Event::Joined | Event::Leaving | Event::SentAway { .. } => {}
            Event::EndedByClock { clock, .. } => counts.ended_by[clock as usize - 1] += 1,
            Event::Reloaded { generation, connections } => {
                self.old.iter_mut().for_each(|old| old.reloaded(generation, connections, counts));
            }
            Event::OldClosed { generation, .. } => self.old.iter_mut().for_each(|old| old.closed(generation)),
            Event::ProbeFailed { .. }
            | Event::NotReady
            | Event::Ready
            | Event::OutOfMemory
            | Event::Killed { .. }
            | Event::Restarted
            | Event::Refused { .. }
            | Event::Uses { .. } => self.health.record(now, event, counts),
        }
    }

    fn transactions(&mut self, now: Timestamp, change: i32, within: &Segments) {
        if let Some(pool) = &mut self.pool {
            pool.turn(now, change, &mut self.counts[within.current()]);
        }
    }

    /// Work for a worker has arrived.
    fn asked(&mut self, queued: bool, within: &Segments) {
        let counts = &mut self.counts[within.current()];
        if queued {
            self.queue += 1;
            counts.waiting += 1;
            counts.queue_max = counts.queue_max.max(self.queue);
            self.queue_max_interval = self.queue_max_interval.max(self.queue);
        } else {
            counts.no_waits += 1;
        }
    }

    fn served(&mut self, now: Timestamp, served: Nanos, within: &Segments) {
        if served > Nanos::ZERO {
            self.work(now, within);
            self.busy -= 1;
        }
    }

    /// Adds up the busy time until now.
    fn work(&mut self, now: Timestamp, within: &Segments) {
        if self.busy > 0 {
            let counts = &mut self.counts[within.current()];
            // Of work that shares processors, more may be in progress than there are.
            let busy_now = self.busy.min(self.workers);
            let busy = u128::from(busy_now) * u128::from(now.since(self.busy_since).0);
            self.busy_interval += busy;
            counts.busy += busy;
            counts.busy_peak.add_over(self.busy_since, now, busy_now.into());
        }
        self.busy_since = now;
    }

    /// A pause is over.
    fn goes_on(&mut self, now: Timestamp, within: &Segments) {
        if let Some(since) = self.paused.take() {
            self.counts[within.current()].paused_time += now.since(since);
        }
    }

    /// The process has ended, with its connections, its queue and its work.
    pub(super) fn wiped(&mut self, now: Timestamp, within: &Segments) {
        self.work(now, within);
        self.goes_on(now, within);
        self.connections = 0;
        self.streams = 0;
        self.excess.clear();
        self.old.iter_mut().for_each(|old| old.wiped());
        let counts = &mut self.counts[within.current()];
        self.pool.iter_mut().for_each(|pool| pool.wiped(now, counts));
        self.health.wiped();
        self.busy = 0;
        self.queue = 0;
        self.add_unfinished(within);
    }

    /// What waits, and what is being called, comes to no end.
    fn add_unfinished(&mut self, within: &Segments) {
        for segment in 0..self.counts.len() {
            let counts = &mut self.counts[segment];
            let (waiting, calls) = (std::mem::take(&mut counts.waiting), std::mem::take(&mut counts.calls_pending));
            if within.is_measured(segment) {
                self.waits.add_unfinished_of(waiting.into(), segment);
                self.call_latency.add_unfinished_of(calls, segment);
            }
        }
    }

    /// The next segment of the run begins.
    pub(super) fn cut(&mut self, now: Timestamp, within: &Segments) {
        self.end_segment(now, within);
        let next = &mut self.counts[within.current() + 1];
        next.connections_max = self.connections;
        next.streams_max = self.streams;
        next.queue_max = self.queue;
        self.old.iter().for_each(|old| old.note(next));
        self.health.cut(next);
        next.transactions_max = self.pool.as_ref().map_or(0, Pool::in_use);
        self.waits.cut();
        self.call_latency.cut();
    }

    /// Adds up until the end of the current segment.
    fn end_segment(&mut self, now: Timestamp, within: &Segments) {
        self.work(now, within);
        let counts = &mut self.counts[within.current()];
        counts.open_at_end = self.connections;
        self.health.add_up(now, counts);
        if let Some(since) = &mut self.paused {
            counts.paused_time += now.since(*since);
            *since = now;
        }
        self.pool.iter_mut().for_each(|pool| pool.add_up(now, counts));
    }

    /// Closes an interval of the series.
    pub(super) fn end_interval(
        &mut self,
        start: Timestamp,
        end: Timestamp,
        within: &Segments,
        series: &mut ServerSeries,
    ) {
        self.work(end, within);
        let length = end.since(start);
        series.arrivals.push(std::mem::take(&mut self.arrivals_interval));
        series.open_connections.push(self.connections);
        if self.shares {
            series.open_streams.push(self.streams);
        }
        self.health.end_interval(series);
        series.queue_depth.push(std::mem::replace(&mut self.queue_max_interval, self.queue));
        let capacity = u128::from(self.workers) * u128::from(length.0);
        let busy = std::mem::take(&mut self.busy_interval);
        series.utilisation.push(if capacity == 0 { 0.0 } else { busy as f64 / capacity as f64 });
        if let (Some(pool), Some((_, column))) = (&mut self.pool, &mut series.transactions) {
            column.push(pool.end_interval());
        }
        if let (Some(old), Some((connections, processes))) = (&self.old, &mut series.old) {
            let now = old.now();
            connections.push(now.0);
            processes.push(now.1);
        }
        self.waits.end_interval(start, length);
        self.call_latency.end_interval(start, length);
    }

    /// The end of the run.
    pub(super) fn finish(&mut self, end: Timestamp, within: &Segments) {
        self.end_segment(end, within);
        // A request that still waits counts as infinite.
        self.add_unfinished(within);
    }

    /// Its counts in some segments of the run together.
    fn counts_of(&self, segments: &[usize]) -> Counts {
        let mut all = Counts::default();
        segments.iter().for_each(|segment| all.join(&self.counts[*segment]));
        all
    }
}

/// A proxy has answered a `CONNECT`.
#[cold]
fn connect_answered(status: u16, counts: &mut Counts) {
    match status {
        200 => counts.tunnels += 1,
        407 => counts.challenged += 1,
        502 | 504 => counts.unreachable += 1,
        _ => {}
    }
}
