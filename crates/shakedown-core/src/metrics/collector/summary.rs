//! The end of a run: what was counted becomes the table of metrics.

use super::super::counts::{Counts, Sessions};
use super::super::layout::PhaseLayout;
use super::super::lives::Path;
use super::super::servers::{Part, summarize, summarize_group, summarize_network};
use super::super::summary::{Summary, push_sessions};
use super::super::value::Value;
use super::super::{Latency, Measured};
use super::{ATTEMPT, LATENCIES, Metrics, TIME_TO_OPEN, TLS};
use crate::client::{End, Finding, Outcome};
use crate::time::{Nanos, Timestamp};

impl Metrics {
    /// The results, at `end` of the run (earlier than planned when it was interrupted).
    pub fn finish(mut self, end: Timestamp) -> Measured {
        // An event at this very moment has ended an interval here and begun the next: that one is at least a nanosecond.
        let end = end.max(self.interval_start + Nanos(1));
        self.roll(end);
        self.add_up(end);
        if end > self.interval_start {
            self.end_interval(end);
        }
        self.end_measurements();
        self.servers.iter_mut().for_each(|server| server.finish(end, &self.segments));
        self.half_open.iter_mut().for_each(|half_open| half_open.finish(&self.segments));
        self.faults.iter_mut().for_each(|fault| fault.add_up(end));
        let all = self.segments.measured();
        let whole = Part { prefix: "", segments: &all, whole: true, length: self.segments.length(&all, self.added) };
        let groups: Vec<Vec<Latency>> = self.latencies_of(whole);
        let latencies = together(&groups);
        let mut summary = Summary::default();
        self.summarize(whole, &groups, &latencies, &mut summary);
        for PhaseLayout { prefix, from, until } in &self.layout.phases {
            let segments = self.segments.between(*from, *until);
            let length = self.segments.length(&segments, self.added);
            let part = Part { prefix, segments: &segments, whole: false, length };
            let groups = self.latencies_of(part);
            self.summarize(part, &groups, &together(&groups), &mut summary);
        }
        let findings = findings(&self.counts_of(&(0..self.counts.len()).collect::<Vec<_>>())).collect();
        let names = self.layout.groups.iter().map(|group| group.name.clone());
        let count = latencies.len();
        let of_groups = self.latencies.into_iter().map(|group| LATENCIES.into_iter().zip(group).take(count).collect());
        let mut faults: Vec<_> =
            self.faults.iter().zip(&self.layout.faults).filter_map(|(f, fault)| f.window(&fault.name)).collect();
        faults.sort_by_key(|window| window.from);
        let groups = names.zip(of_groups).collect();
        let (layout, segments) = (&self.layout, &self.segments);
        let members =
            |group: usize| (0..layout.servers.len()).filter(move |number| layout.servers[*number].group == group);
        let measures = |at: Timestamp| segments.measures(at);
        let full = self.resources.finish(&layout.server_groups, &self.series, measures, members);
        Measured { summary, findings, series: self.series, faults, full, latencies, groups }
    }

    /// Counts what is under way, or has not come to an end, as unfinished.
    fn end_measurements(&mut self) {
        self.count_open();
        for life in self.lives.iter().filter(|life| life.attempt != Timestamp::NEVER) {
            let segment = self.segments.of(life.attempt);
            self.counts[segment].pending += 1;
            if self.segments.measures(life.attempt) {
                self.latencies[life.group as usize][ATTEMPT].add_unfinished_of(1, segment);
            }
        }
        // The whole is of the sessions that were scheduled within the measured window, whichever segment is the last.
        for life in self.lives.iter().filter(|life| self.segments.measures(life.scheduled)) {
            let (wanted, open) = &mut self.at_end[life.group as usize];
            *wanted += u64::from(life.wants);
            *open += u64::from(life.path == Path::Usable);
        }
        for segment in self.segments.measured() {
            let counts = &self.counts[segment];
            self.detection_time.add_unfinished_of(counts.unnoticed, segment);
            self.outage.add_unfinished_of(counts.down, segment);
            for (group, latencies) in counts.groups.iter().zip(&mut self.latencies) {
                latencies[TIME_TO_OPEN].add_unfinished_of(group.scheduled - group.opened, segment);
            }
        }
    }

    /// The latencies of each client group.
    fn latencies_of(&self, part: Part<'_>) -> Vec<Vec<Latency>> {
        let count = if self.layout.tls { TLS + 1 } else { TLS };
        let of_group = |group: &[Latency; 4]| group[..count].iter().map(|latency| part.of(latency)).collect();
        self.latencies.iter().map(of_group).collect()
    }

    fn counts_of(&self, segments: &[usize]) -> Counts {
        let mut all = Counts::new(self.layout.groups.len(), self.layout.server_groups.len());
        segments.iter().for_each(|segment| all.join(&self.counts[*segment]));
        all
    }

    /// Adds the metrics of a part of the run; those of faults and names only of the whole.
    fn summarize(
        &self,
        part: Part<'_>,
        groups: &[Vec<Latency>],
        latencies: &[(&'static str, Latency)],
        summary: &mut Summary,
    ) {
        let mut counts = self.counts_of(part.segments);
        if part.whole {
            for (group, (wanted, open)) in counts.groups.iter_mut().zip(&self.at_end) {
                (group.wanted_at_end, group.open_at_end) = (*wanted, *open);
            }
        }
        let prefix = part.prefix;
        let path = |metric: &str| format!("{prefix}{metric}");
        let sum = |of: fn(&Sessions) -> u64| counts.groups.iter().map(of).sum::<u64>();
        let all = Sessions {
            scheduled: sum(|group| group.scheduled),
            opened: sum(|group| group.opened),
            failed: sum(|group| group.failed),
            ended: sum(|group| group.ended),
            wanted_at_end: sum(|group| group.wanted_at_end),
            open_at_end: sum(|group| group.open_at_end),
        };
        push_sessions(prefix, &all, summary);
        let availability = (counts.wanted > 0).then(|| counts.usable as f64 / counts.wanted as f64);
        summary.push(path("availability.mean"), Value::Ratio(availability));
        for (name, latency) in latencies {
            summary.push_latency(&path(name), latency);
        }
        self.summarize_attempts(&counts, prefix, summary);
        if self.layout.tls {
            let secured = counts.secured.iter().sum();
            summary.push(path("tls.handshakes"), Value::Count(secured));
            summary.push(path("tls.resumed"), Value::Part { count: counts.secured[1], of: secured });
        }
        if self.layout.races {
            let [connects, won] = counts.raced;
            summary.push(path("race.connects"), Value::Count(connects));
            summary.push(path("race.won"), Value::Part { count: won, of: connects });
        }
        if self.layout.findings {
            for (name, count) in findings(&counts) {
                summary.push(path(&format!("findings.{name}")), Value::Count(count));
            }
        }
        summarize_network(&self.servers, part, summary);
        let lost = counts.ends.iter().sum();
        summary.push(path("lost.total"), Value::Count(lost));
        for (name, count) in End::NAMES.iter().zip(counts.ends) {
            summary.push(path(&format!("lost.{name}")), Value::Part { count, of: lost });
        }
        summary.push(path("heartbeats.answered"), Value::Count(counts.heartbeats));
        if part.whole {
            for (fault, layout) in self.faults.iter().zip(&self.layout.faults) {
                let servers = self.layout.servers.iter().map(|server| server.name.as_str());
                fault.summarize(layout, servers, summary);
            }
            for (name, account) in self.layout.names.iter().zip(&self.names) {
                account.summarize(name, summary);
            }
        }
        summary.push_latency(&path("detection_time"), &part.of(&self.detection_time));
        summary.push_latency(&path("outage"), &part.of(&self.outage));
        self.half_open.iter().for_each(|half_open| half_open.summarize(part, summary));
        for (number, name) in self.layout.server_groups.iter().enumerate() {
            let of_group = self.layout.servers.iter().zip(&self.servers);
            let of_group = of_group.filter(|(layout, _)| layout.group == number);
            let members: Vec<_> = of_group.clone().map(|(_, server)| server).collect();
            summarize_group(name, &members, counts.balance[number], part, summary);
            for (layout, server) in of_group {
                summarize(&layout.name, &[server], part, summary);
            }
        }
        for ((sessions, latencies), layout) in counts.groups.iter().zip(groups).zip(&self.layout.groups) {
            let path = path(&format!("clients.{}.", layout.name));
            push_sessions(&path, sessions, summary);
            for (name, latency) in LATENCIES.iter().zip(latencies) {
                summary.push_latency(&format!("{path}{name}"), latency);
            }
        }
    }

    fn summarize_attempts(&self, counts: &Counts, prefix: &str, summary: &mut Summary) {
        let attempts = counts.outcomes.iter().sum::<u64>() + counts.pending;
        let mut push = |metric: &str, value: Value| summary.push(format!("{prefix}{metric}"), value);
        let part = |count: u64| Value::Part { count, of: attempts };
        push("attempts.total", Value::Count(attempts));
        push("attempts.peak", Value::Count(counts.attempts.highest()));
        for outcome in Outcome::ALL.into_iter().filter(|outcome| self.series.shows(*outcome)) {
            push(&format!("attempts.{}", outcome.name()), part(counts.outcomes[outcome as usize]));
        }
        let came_to_nothing = |outcome: &Outcome| {
            !matches!(outcome, Outcome::Opened | Outcome::Redirected | Outcome::Challenged | Outcome::ProxyChallenged)
        };
        let failed = Outcome::ALL.into_iter().filter(came_to_nothing);
        push("attempts.failed", part(failed.map(|outcome| counts.outcomes[outcome as usize]).sum()));
        push("attempts.pending", part(counts.pending));
        push("hops.total", Value::Count(counts.outcomes[Outcome::Redirected as usize]));
        push("hops.max", Value::Count(u64::from(counts.hops_max)));
    }
}

/// The latencies of all client groups together.
fn together(groups: &[Vec<Latency>]) -> Vec<(&'static str, Latency)> {
    let count = groups.iter().map(Vec::len).max().unwrap_or(TLS);
    let all = (0..count).map(|which| {
        let mut all = Latency::default();
        groups.iter().for_each(|group| all.merge(&group[which]));
        (LATENCIES[which], all)
    });
    all.collect()
}

/// Findings by name.
fn findings(counts: &Counts) -> impl Iterator<Item = (&'static str, u64)> {
    let names = ["accepted_without_credentials"].into_iter().chain(Finding::ALL.map(Finding::name));
    names.zip(counts.found)
}
