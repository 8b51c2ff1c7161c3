//! Measures of each server: arrivals, connections, its queue and its workers.

use std::collections::BTreeSet;

use super::latency::Latency;
use super::layout::ServerLayout;
use super::series::ServerSeries;
use super::summary::{Summary, Value};
use super::transactions::Pool;
use crate::server::{CallOutcome, Event, Reason};
use crate::time::{Nanos, Timestamp};

/// One server's record.
#[derive(Debug)]
pub(super) struct ServerAccount {
    workers: u32,
    /// The fault that affects it, and whether its connections survive.
    pub down: Option<(u16, bool)>,
    /// Whether it calls others, and so has these metrics.
    caller: bool,
    /// Attempts of calls that began within the window: all, unfinished ones, and failed ones.
    calls: u64,
    calls_pending: u64,
    calls_failed: u64,
    call_latency: Latency,
    /// It has left.
    left: bool,
    /// Since when its process pauses.
    paused: Option<Timestamp>,
    /// Whether it may pause, and so has these metrics.
    pauses: bool,
    paused_count: u64,
    paused_time: Nanos,
    connections: u32,
    connections_max: u32,
    /// Maximum of its connections.
    connections_limit: u32,
    /// Connections that it accepted above the limit to reject them; they do not count towards it.
    excess: BTreeSet<u32>,
    queue: u32,
    /// Queued requests that arrived within the window.
    queue_measured: u32,
    queue_max: u32,
    /// The warm-up is over: peaks count.
    measuring: bool,
    queue_max_interval: u32,
    busy: u32,
    busy_since: Timestamp,
    busy_interval: u128,
    busy_window: u128,
    arrivals: u64,
    arrivals_interval: u32,
    /// Handshakes that its clients completed.
    pub opened: u64,
    wasted: u64,
    waits: Latency,
    no_waits: u64,
    /// Whether limits are set, and so have metrics.
    limited: bool,
    queue_full: u64,
    connections_full: u64,
    expired: u64,
    over_rate: u64,
    draining: u64,
    held_back: u64,
    timed_out: u64,
    /// Its HTTP transactions, where their number is limited.
    pool: Option<Pool>,
    /// Full and resumed TLS handshakes, if it has TLS.
    tls: Option<[u64; 2]>,
    /// Whether clients may use HTTP/2, and so streams have metrics.
    shares: bool,
    streams: u32,
    streams_max: u32,
    streams_opened: u64,
    /// Whether it is a balancer, and so has these metrics.
    balancer: bool,
    forwarded: u64,
    not_forwarded: u64,
    checks_failed: u64,
    marked_down: u64,
    /// Whether it is a forward proxy, and so has these metrics.
    proxy: bool,
    tunnels: u64,
    challenged: u64,
    unreachable: u64,
}

impl ServerAccount {
    pub(super) fn new(layout: &ServerLayout) -> ServerAccount {
        ServerAccount {
            workers: layout.workers,
            down: None,
            caller: layout.calls,
            calls: 0,
            calls_pending: 0,
            calls_failed: 0,
            call_latency: Latency::default(),
            left: false,
            paused: None,
            pauses: layout.pauses,
            paused_count: 0,
            paused_time: Nanos::ZERO,
            connections: 0,
            connections_max: 0,
            connections_limit: layout.connections_max.unwrap_or(u32::MAX),
            excess: BTreeSet::new(),
            queue: 0,
            queue_measured: 0,
            queue_max: 0,
            measuring: false,
            queue_max_interval: 0,
            busy: 0,
            busy_since: Timestamp::ZERO,
            busy_interval: 0,
            busy_window: 0,
            arrivals: 0,
            arrivals_interval: 0,
            opened: 0,
            wasted: 0,
            waits: Latency::default(),
            no_waits: 0,
            limited: layout.limited,
            queue_full: 0,
            connections_full: 0,
            expired: 0,
            over_rate: 0,
            draining: 0,
            held_back: 0,
            timed_out: 0,
            pool: layout.transactions_max.map(Pool::new),
            tls: layout.tls.then_some([0; 2]),
            shares: layout.streams,
            streams: 0,
            streams_max: 0,
            streams_opened: 0,
            balancer: layout.balancer,
            forwarded: 0,
            not_forwarded: 0,
            checks_failed: 0,
            marked_down: 0,
            proxy: layout.proxy,
            tunnels: 0,
            challenged: 0,
            unreachable: 0,
        }
    }

    /// The fault that interrupts its paths, if a fault does, and whether its connections survive; `None` if they work.
    pub(super) fn why_down(&self) -> Option<(Option<u16>, bool)> {
        let by_fault = self.down.map(|(fault, revives)| (Some(fault), revives));
        by_fault.or(self.left.then_some((None, false))).or(self.paused.map(|_| (None, true)))
    }

    /// Counts an event; `within` is the measured window.
    pub(super) fn record(&mut self, now: Timestamp, event: Event, within: &super::layout::Window) {
        let measured = within.contains(now);
        if !self.measuring {
            self.begin(now, within);
        }
        match event {
            Event::Accepted { connection } if self.connections >= self.connections_limit => {
                self.excess.insert(connection);
            }
            Event::Accepted { .. } | Event::FlowBegan { .. } => {
                self.connections += 1;
                if measured {
                    self.connections_max = self.connections_max.max(self.connections);
                }
            }
            Event::Closed { connection } if !self.excess.is_empty() && self.excess.remove(&connection) => {}
            Event::Closed { .. } | Event::FlowEnded { .. } => self.connections -= 1,
            Event::StreamOpened { .. } => {
                self.streams += 1;
                self.streams_opened += u64::from(measured);
                if measured {
                    self.streams_max = self.streams_max.max(self.streams);
                }
            }
            Event::StreamClosed { .. } => self.streams -= 1,
            Event::Forwarded { .. } => self.forwarded += u64::from(measured),
            Event::NotForwarded { .. } => self.not_forwarded += u64::from(measured),
            Event::CheckFailed { .. } => self.checks_failed += u64::from(measured),
            Event::MarkedDown { .. } => self.marked_down += u64::from(measured),
            Event::MarkedUp { .. } => {}
            Event::Requested { queued, .. } => {
                self.arrivals_interval += 1;
                self.arrivals += u64::from(measured);
                self.asked(queued, measured);
            }
            Event::Hello { resumed, queued, .. } => {
                if let Some(counts) = &mut self.tls {
                    counts[usize::from(resumed)] += u64::from(measured);
                }
                self.asked(queued, measured);
            }
            Event::ServiceStarted { waited, queued, .. } => {
                self.work(now, within);
                self.busy += 1;
                if queued {
                    self.queue -= 1;
                    if within.contains(now - waited) {
                        self.queue_measured -= 1;
                        self.waits.record(waited);
                    }
                }
            }
            Event::Answered { served, status, .. } => {
                self.served(now, served, within);
                if self.proxy {
                    self.connect_answered(status, measured);
                }
            }
            Event::HelloAnswered { served, .. } => self.served(now, served, within),
            Event::Wasted { served, .. } => {
                self.wasted += u64::from(measured);
                self.served(now, served, within);
            }
            Event::TurnedAway { reason, queued, .. } => {
                let count = match reason {
                    Reason::QueueFull => Some(&mut self.queue_full),
                    Reason::ConnectionsMax => Some(&mut self.connections_full),
                    Reason::AcceptRate | Reason::AddressRate => Some(&mut self.over_rate),
                    Reason::Draining => Some(&mut self.draining),
                    Reason::TransactionsMax => self.pool.as_mut().map(|pool| &mut pool.full),
                };
                if let Some(count) = count {
                    *count += u64::from(measured);
                }
                if queued {
                    // It stays measured, as a wait that came to nothing.
                    self.queue -= 1;
                } else {
                    // It did not wait, but that is no short wait.
                    self.no_waits -= u64::from(measured);
                }
            }
            Event::Expired { .. } => {
                // It stays measured, as a wait that came to nothing.
                self.queue -= 1;
                self.expired += u64::from(measured);
            }
            // The fault's own event reports the loss of its session.
            Event::GoingAway { .. } => {}
            Event::HeldBack { .. } => self.held_back += u64::from(measured),
            Event::TransactionBegan { .. } => self.transactions(now, 1, within),
            Event::TransactionEnded { .. } => self.transactions(now, -1, within),
            Event::TransactionAwaited { .. } => {
                if let Some(pool) = &mut self.pool {
                    pool.awaited += u64::from(measured);
                }
            }
            Event::TimedOut { .. } => self.timed_out += u64::from(measured),
            Event::Paused => {
                self.paused_count += u64::from(measured);
                self.paused = Some(now);
            }
            Event::Resumed => self.goes_on(now, within),
            Event::Left => self.left = true,
            // `paths` records the loss of its session.
            // The worker is free; the answer will cost no more.
            Event::Worked { served, .. } => self.served(now, served, within),
            Event::Called { .. } => {
                self.calls_pending += u64::from(measured);
                self.calls += u64::from(measured);
            }
            Event::CallEnded { outcome, took, .. } => {
                if within.contains(now - took) {
                    self.calls_pending -= 1;
                    self.calls_failed += u64::from(outcome != CallOutcome::Answered);
                    self.call_latency.record(took);
                }
            }
            // A finding of all servers together.
            Event::AcceptedWithoutCredentials { .. } => {}
            Event::Joined | Event::Leaving | Event::SentAway { .. } => {}
        }
    }

    fn transactions(&mut self, now: Timestamp, change: i32, within: &super::layout::Window) {
        if let Some(pool) = &mut self.pool {
            pool.turn(now, change, within);
        }
    }

    /// A proxy has answered a `CONNECT`.
    #[cold]
    fn connect_answered(&mut self, status: u16, measured: bool) {
        let count = match status {
            200 => &mut self.tunnels,
            407 => &mut self.challenged,
            502 | 504 => &mut self.unreachable,
            _ => return,
        };
        *count += u64::from(measured);
    }

    /// Work for a worker has arrived.
    fn asked(&mut self, queued: bool, measured: bool) {
        if queued {
            self.queue += 1;
            if measured {
                self.queue_measured += 1;
                self.queue_max = self.queue_max.max(self.queue);
            }
            self.queue_max_interval = self.queue_max_interval.max(self.queue);
        } else {
            self.no_waits += u64::from(measured);
        }
    }

    /// Begins the window's peaks with the current values.
    fn begin(&mut self, now: Timestamp, within: &super::layout::Window) {
        if within.has_begun(now) {
            self.measuring = true;
            self.connections_max = self.connections;
            self.streams_max = self.streams;
            self.queue_max = self.queue;
            self.pool.iter_mut().for_each(Pool::begin);
        }
    }

    fn served(&mut self, now: Timestamp, served: Nanos, within: &super::layout::Window) {
        if served > Nanos::ZERO {
            self.work(now, within);
            self.busy -= 1;
        }
    }

    /// Adds up the busy time until now.
    fn work(&mut self, now: Timestamp, within: &super::layout::Window) {
        if self.busy > 0 {
            self.busy_interval += u128::from(self.busy) * u128::from(now.since(self.busy_since).0);
            self.busy_window += u128::from(self.busy) * u128::from(within.overlap(self.busy_since, now).0);
        }
        self.busy_since = now;
    }

    /// A pause is over.
    fn goes_on(&mut self, now: Timestamp, within: &super::layout::Window) {
        if let Some(since) = self.paused.take() {
            self.paused_time += within.overlap(since, now);
        }
    }

    /// The process has ended, with its connections, its queue and its work.
    pub(super) fn wiped(&mut self, now: Timestamp, within: &super::layout::Window) {
        self.work(now, within);
        if !self.measuring {
            self.begin(now, within);
        }
        self.goes_on(now, within);
        self.connections = 0;
        self.streams = 0;
        self.excess.clear();
        self.pool.iter_mut().for_each(|pool| pool.wiped(now, within));
        self.busy = 0;
        self.waits.add_unfinished(u64::from(std::mem::take(&mut self.queue_measured)));
        self.queue = 0;
        self.call_latency.add_unfinished(std::mem::take(&mut self.calls_pending));
    }

    /// Closes an interval of the series.
    pub(super) fn end_interval(
        &mut self,
        start: Timestamp,
        end: Timestamp,
        within: &super::layout::Window,
        series: &mut ServerSeries,
    ) {
        self.work(end, within);
        let length = end.since(start);
        series.arrivals.push(std::mem::take(&mut self.arrivals_interval));
        series.open_connections.push(self.connections);
        if self.shares {
            series.open_streams.push(self.streams);
        }
        series.queue_depth.push(std::mem::replace(&mut self.queue_max_interval, self.queue));
        let capacity = u128::from(self.workers) * u128::from(length.0);
        let busy = std::mem::take(&mut self.busy_interval);
        series.utilisation.push(if capacity == 0 { 0.0 } else { busy as f64 / capacity as f64 });
        if let (Some(pool), Some((_, column))) = (&mut self.pool, &mut series.transactions) {
            column.push(pool.end_interval());
        }
        self.waits.end_interval(start, length);
        self.call_latency.end_interval(start, length);
    }

    /// The end of the run.
    pub(super) fn finish(&mut self, end: Timestamp, within: &super::layout::Window) {
        if !self.measuring {
            self.begin(end, within);
        }
        self.goes_on(end, within);
        self.pool.iter_mut().for_each(|pool| pool.add_up(end, within));
        // A request that still waits counts as infinite.
        self.waits.add_unfinished(u64::from(self.queue_measured));
        self.call_latency.add_unfinished(self.calls_pending);
        self.waits.record_n(Nanos::ZERO, std::mem::take(&mut self.no_waits));
    }

    pub(super) fn summarize(&self, name: &str, measured: Nanos, summary: &mut Summary) {
        summarize(name, &[self], measured, summary);
    }
}

/// Adds the metrics of a server, or of a group's members together.
fn summarize(name: &str, servers: &[&ServerAccount], measured: Nanos, summary: &mut Summary) {
    let sum = |of: fn(&ServerAccount) -> u64| servers.iter().map(|server| of(server)).sum::<u64>();
    let most = |of: fn(&ServerAccount) -> u32| servers.iter().map(|server| of(server)).max();
    let mut count = |metric: &str, count: u64| {
        summary.push(format!("servers.{name}.{metric}"), Value::Count(count));
    };
    count("arrivals", sum(|server| server.arrivals));
    count("opened", sum(|server| server.opened));
    count("wasted", sum(|server| server.wasted));
    count("open_connections_max", u64::from(most(|server| server.connections_max).unwrap_or(0)));
    count("queue_depth_max", u64::from(most(|server| server.queue_max).unwrap_or(0)));
    if servers.iter().any(|server| server.shares) {
        count("streams_opened", sum(|server| server.streams_opened));
        count("open_streams_max", u64::from(most(|server| server.streams_max).unwrap_or(0)));
    }
    if servers.iter().any(|server| server.balancer) {
        count("forwarded", sum(|server| server.forwarded));
        count("not_forwarded", sum(|server| server.not_forwarded));
        count("checks_failed", sum(|server| server.checks_failed));
        count("marked_down", sum(|server| server.marked_down));
    }
    if servers.iter().any(|server| server.proxy) {
        count("tunnels", sum(|server| server.tunnels));
        count("challenged", sum(|server| server.challenged));
        count("unreachable", sum(|server| server.unreachable));
    }
    if servers.iter().any(|server| server.limited) {
        let turned_away = |server: &ServerAccount| {
            server.queue_full
                + server.connections_full
                + server.over_rate
                + server.draining
                + server.expired
                + server.timed_out
                + server.pool.as_ref().map_or(0, |pool| pool.full)
        };
        count("turned_away", sum(turned_away));
        count("queue_full", sum(|server| server.queue_full));
        count("connections_full", sum(|server| server.connections_full));
        count("expired", sum(|server| server.expired));
        count("over_rate", sum(|server| server.over_rate));
        count("draining", sum(|server| server.draining));
        count("held_back", sum(|server| server.held_back));
        count("timed_out", sum(|server| server.timed_out));
    }
    let pools = || servers.iter().filter_map(|server| server.pool.as_ref());
    if pools().next().is_some() {
        count("transactions_in_use_max", u64::from(pools().map(|pool| pool.in_use_max).max().unwrap_or(0)));
        count("transactions_awaited", pools().map(|pool| pool.awaited).sum());
        count("transactions_full", pools().map(|pool| pool.full).sum());
        let capacity = u128::from(pools().map(|pool| u64::from(pool.most)).sum::<u64>()) * u128::from(measured.0);
        let area: u128 = pools().map(|pool| pool.area).sum();
        let share = (capacity > 0).then(|| area as f64 / capacity as f64);
        summary.push(format!("servers.{name}.transactions_utilisation"), Value::Ratio(share));
    }
    let mut count = |metric: &str, count: u64| {
        summary.push(format!("servers.{name}.{metric}"), Value::Count(count));
    };
    if servers.iter().any(|server| server.tls.is_some()) {
        count("tls_full", sum(|server| server.tls.unwrap_or_default()[0]));
        count("tls_resumed", sum(|server| server.tls.unwrap_or_default()[1]));
    }
    if servers.iter().any(|server| server.caller) {
        count("calls", sum(|server| server.calls));
        count("calls_failed", sum(|server| server.calls_failed));
    }
    if servers.iter().any(|server| server.pauses) {
        count("pauses", sum(|server| server.paused_count));
        let paused = sum(|server| server.paused_time.0) as f64;
        let share = (measured > Nanos::ZERO).then(|| paused / (measured.0 as f64 * servers.len() as f64));
        summary.push(format!("servers.{name}.paused"), Value::Ratio(share));
    }
    let busy: u128 = servers.iter().map(|server| server.busy_window).sum();
    let capacity = u128::from(sum(|server| u64::from(server.workers))) * u128::from(measured.0);
    let utilisation = (capacity > 0).then(|| busy as f64 / capacity as f64);
    summary.push(format!("servers.{name}.utilisation"), Value::Ratio(utilisation));
    let mut waits = Latency::default();
    servers.iter().for_each(|server| waits.merge(&server.waits));
    summary.push_latency(&format!("servers.{name}.queue_wait"), &waits);
    if servers.iter().any(|server| server.caller) {
        let mut latency = Latency::default();
        servers.iter().for_each(|server| latency.merge(&server.call_latency));
        summary.push_latency(&format!("servers.{name}.call_latency"), &latency);
    }
}

/// Adds the metrics of a group: its members together, and the fairness among them.
pub(super) fn summarize_group(name: &str, members: &[&ServerAccount], measured: Nanos, summary: &mut Summary) {
    summarize(name, members, measured, summary);
    // Jain, Chiu, Hawe: "A quantitative measure of fairness", DEC TR-301, 1984: 1 is even, 1/n all on one.
    let sum: f64 = members.iter().map(|server| server.opened as f64).sum();
    let squares: f64 = members.iter().map(|server| (server.opened as f64) * (server.opened as f64)).sum();
    let fairness = (squares > 0.0).then(|| sum * sum / (members.len() as f64 * squares));
    summary.push(format!("servers.{name}.fairness"), Value::Ratio(fairness));
}
