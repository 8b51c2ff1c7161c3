//! The metrics of servers and their groups, of some segments of the run.

use super::super::latency::Latency;
use super::super::summary::Summary;
use super::super::value::Value;
use super::health::not_ready;
use super::{Counts, ServerAccount};
use crate::server::{Clock, Resource};
use crate::time::Nanos;

/// Some segments of the run, as the measures of servers need them.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Part<'a> {
    /// What the paths begin with.
    pub prefix: &'a str,
    /// The segments; of the whole measured run, the latencies are whole.
    pub segments: &'a [usize],
    /// Whether these are all that are measured.
    pub whole: bool,
    /// How long they take together.
    pub length: Nanos,
}

impl Part<'_> {
    /// A latency's values in these segments, without its intervals.
    pub(in super::super) fn of(&self, latency: &Latency) -> Latency {
        if !self.whole {
            return latency.of_segments(self.segments);
        }
        let mut totals = Latency::default();
        totals.merge(latency);
        totals
    }
}

/// Adds the metrics of a server, or of a group's members together.
pub(in super::super) fn summarize(name: &str, servers: &[&ServerAccount], part: Part<'_>, summary: &mut Summary) {
    let all: Vec<Counts> = servers.iter().map(|server| server.counts_of(part.segments)).collect();
    let path = format!("{}servers.{name}.", part.prefix);
    let sum = |of: fn(&Counts) -> u64| all.iter().map(of).sum::<u64>();
    let most = |of: fn(&Counts) -> u32| u64::from(all.iter().map(of).max().unwrap_or(0));
    let any = |has: fn(&ServerAccount) -> bool| servers.iter().any(|server| has(server));
    let mut count = |metric: &str, count: u64| summary.push(format!("{path}{metric}"), Value::Count(count));
    count("arrivals.total", sum(|counts| counts.arrivals));
    count("arrivals.peak", all.iter().map(|counts| counts.arrivals_peak.highest()).max().unwrap_or(0));
    count("opened", sum(|counts| counts.opened));
    count("wasted", sum(|counts| counts.wasted));
    count("error_responses", sum(|counts| counts.error_responses));
    count("syns_dropped", sum(|counts| counts.syns_dropped));
    count("accept_overflows", sum(|counts| counts.accept_overflows));
    count("no_port", sum(|counts| counts.no_port));
    count("open_at_end", sum(|counts| counts.open_at_end.into()));
    count("open_connections_max", most(|counts| counts.connections_max));
    count("queue_depth_max", most(|counts| counts.queue_max));
    if any(|server| server.shares) {
        count("streams_opened", sum(|counts| counts.streams_opened));
        count("open_streams_max", most(|counts| counts.streams_max));
    }
    if any(|server| server.balancer) {
        count("forwarded", sum(|counts| counts.forwarded));
        count("not_forwarded", sum(|counts| counts.not_forwarded));
        count("checks_failed", sum(|counts| counts.checks_failed));
        count("marked_down", sum(|counts| counts.marked_down));
    }
    if any(|server| server.proxy) {
        count("tunnels", sum(|counts| counts.tunnels));
        count("challenged", sum(|counts| counts.challenged));
        count("unreachable", sum(|counts| counts.unreachable));
    }
    if any(|server| server.limited) {
        count("turned_away", sum(Counts::turned_away));
        count("queue_full", sum(|counts| counts.queue_full));
        count("connections_full", sum(|counts| counts.connections_full));
        count("expired", sum(|counts| counts.expired));
        count("over_rate", sum(|counts| counts.over_rate));
        count("draining", sum(|counts| counts.draining));
        count("held_back", sum(|counts| counts.held_back));
        count("timed_out", sum(|counts| counts.timed_out));
    }
    if any(|server| server.tls) {
        count("tls_full", sum(|counts| counts.tls[0]));
        count("tls_resumed", sum(|counts| counts.tls[1]));
    }
    if any(|server| server.caller) {
        count("calls", sum(|counts| counts.calls));
        count("calls_failed", sum(|counts| counts.calls_failed));
    }
    if any(|server| server.clocks) {
        for clock in Clock::ALL {
            let ended = all.iter().map(|counts| counts.ended_by[clock as usize - 1]).sum();
            count(&format!("ended_by.{}", clock.name()), ended);
        }
    }
    if any(|server| server.keepalive) {
        count("keepalive_failed.servers", sum(|counts| counts.keepalive_failed[0]));
        count("keepalive_failed.clients", sum(|counts| counts.keepalive_failed[1]));
    }
    if any(|server| server.old.is_some()) {
        count("reloads", sum(|counts| counts.reloads));
        count("old_connections_max", most(|counts| counts.old_connections_max));
        count("old_processes_max", most(|counts| counts.old_processes_max));
    }
    for (resource, name) in [(Resource::Memory, "memory_in_use_max"), (Resource::Descriptors, "descriptors_in_use_max")]
    {
        if servers.iter().any(|server| server.health.limits[resource as usize]) {
            count(name, all.iter().map(|counts| counts.used_max[resource as usize]).max().unwrap_or(0));
        }
    }
    if any(|server| server.health.limits != [false; 2]) {
        count("refused", sum(|counts| counts.refused));
    }
    if any(|server| server.health.supervised) {
        count("kills", sum(|counts| counts.kills.iter().sum()));
        count("kills_out_of_memory", sum(|counts| counts.kills[0]));
        count("kills_liveness", sum(|counts| counts.kills[1]));
        count("restarts", sum(|counts| counts.restarts));
        count("probes_failed", sum(|counts| counts.probes_failed));
    }
    if any(|server| server.pauses) {
        count("pauses", sum(|counts| counts.paused_count));
        let paused = sum(|counts| counts.paused_time.0) as f64;
        let all_time = part.length.0 as f64 * servers.len() as f64;
        let share = (part.length > Nanos::ZERO).then(|| paused / all_time);
        summary.push(format!("{path}paused"), Value::Ratio(share));
    }
    if any(|server| server.health.supervised) {
        summary.push(format!("{path}not_ready"), Value::Ratio(not_ready(&all, part.length)));
    }
    let limit: u64 = servers.iter().filter_map(|server| server.pool.as_ref()).map(|pool| u64::from(pool.most)).sum();
    if any(|server| server.pool.is_some()) {
        let mut count = |metric: &str, count: u64| summary.push(format!("{path}{metric}"), Value::Count(count));
        count("transactions_in_use_max", most(|counts| counts.transactions_max));
        count("transactions_awaited", sum(|counts| counts.transactions_awaited));
        count("transactions_full", sum(|counts| counts.transactions_full));
        let capacity = u128::from(limit) * u128::from(part.length.0);
        let area: u128 = all.iter().map(|counts| counts.transactions_area).sum();
        let share = (capacity > 0).then(|| area as f64 / capacity as f64);
        summary.push(format!("{path}transactions_utilisation"), Value::Ratio(share));
    }
    let of = |busy: u128, workers: u64, time: Nanos| {
        let capacity = u128::from(workers) * u128::from(time.0);
        (capacity > 0).then(|| busy as f64 / capacity as f64)
    };
    let workers = servers.iter().map(|server| u64::from(server.workers)).sum();
    let mean = of(all.iter().map(|counts| counts.busy).sum(), workers, part.length);
    // The mean is a lower bound of the worst second, and the better one where there is no whole second.
    let worst = servers.iter().zip(&all).filter_map(|(server, counts)| {
        let workers = server.workers.into();
        let second = of(counts.busy_peak.highest().into(), workers, Nanos::from_secs(1));
        second.into_iter().chain(of(counts.busy, workers, part.length)).max_by(f64::total_cmp)
    });
    let peak = worst.max_by(f64::total_cmp).filter(|_| mean.is_some());
    summary.push(format!("{path}utilisation.mean"), Value::Ratio(mean));
    summary.push(format!("{path}utilisation.peak"), Value::Ratio(peak));
    let mut waits = Latency::default();
    servers.iter().for_each(|server| waits.merge(&part.of(&server.waits)));
    waits.record_n(Nanos::ZERO, sum(|counts| counts.no_waits));
    summary.push_latency(&format!("{path}queue_wait"), &waits);
    if any(|server| server.caller) {
        let mut latency = Latency::default();
        servers.iter().for_each(|server| latency.merge(&part.of(&server.call_latency)));
        summary.push_latency(&format!("{path}call_latency"), &latency);
    }
}

/// Adds what the kernels of all servers turned away.
pub(in super::super) fn summarize_network(servers: &[ServerAccount], part: Part<'_>, summary: &mut Summary) {
    let mut all = Counts::default();
    servers.iter().for_each(|server| all.join(&server.counts_of(part.segments)));
    let found =
        [("syns_dropped", all.syns_dropped), ("accept_overflows", all.accept_overflows), ("no_port", all.no_port)];
    for (name, count) in found {
        summary.push(format!("{}network.{name}", part.prefix), Value::Count(count));
    }
}

/// Adds the metrics of a group: its members together, and how even they are.
pub(in super::super) fn summarize_group(
    name: &str,
    members: &[&ServerAccount],
    samples: (f64, u64),
    part: Part<'_>,
    summary: &mut Summary,
) {
    summarize(name, members, part, summary);
    let all: Vec<Counts> = members.iter().map(|server| server.counts_of(part.segments)).collect();
    let path = format!("{}servers.{name}.", part.prefix);
    if members.len() > 1 {
        let at_end = jain(all.iter().map(|counts| counts.open_at_end.into()));
        let (total, count) = samples;
        summary.push(format!("{path}balance.at_end"), Value::Ratio(at_end));
        summary.push(format!("{path}balance.mean"), Value::Ratio((count > 0).then(|| total / count as f64)));
    }
    summary.push(format!("{path}fairness"), Value::Ratio(jain(all.iter().map(|counts| counts.opened))));
}

/// Jain, Chiu, Hawe: "A quantitative measure of fairness", DEC TR-301, 1984: 1 is even, 1/n all on one. None where there
/// is nothing to share.
pub(in super::super) fn jain(shares: impl Iterator<Item = u64>) -> Option<f64> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        let share = share as f64;
        (count, sum, squares) = (count + 1.0, sum + share, squares + share * share);
    }
    (squares > 0.0).then(|| sum * sum / (count * squares))
}
