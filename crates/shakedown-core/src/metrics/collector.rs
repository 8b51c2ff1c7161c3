//! The recorder that turns events into [`Measured`].

mod paths;

use std::collections::BTreeMap;

use paths::{NOTHING_BETWEEN, bits};

use super::Measured;
use super::faults::FaultAccount;
use super::latency::{Latency, Percentiles};
use super::layout::{Layout, Window};
use super::lives::{Life, Outages, Path};
use super::names::NameAccount;
use super::series::{Series, ServerSeries};
use super::servers::{ServerAccount, summarize_group};
use super::summary::{Summary, Value, push_sessions};
use crate::client::{self, End, Finding, Outcome};
use crate::event::{Event, Kind};
use crate::fault::Side;
use crate::network::{self, dns};
use crate::record::Recorder;
use crate::time::{Nanos, Timestamp};

const TIME_TO_OPEN: usize = 0;
const HANDSHAKE: usize = 1;
const ATTEMPT: usize = 2;
const TLS: usize = 3;
/// The latencies that each client group has; the last one where there is TLS.
const LATENCIES: [&str; 4] = ["time_to_open", "handshake_latency", "attempt_latency", "tls_latency"];

/// Findings: the server's, and then those of [`Finding`].
const FINDINGS: usize = 1 + Finding::ALL.len();

#[derive(Debug, Default)]
struct Group {
    latencies: [Latency; 4],
    scheduled: u64,
    opened: u64,
    failed: u64,
    ended: u64,
    open: u64,
}

/// Turns a run's events into numbers.
#[derive(Debug)]
pub struct Metrics {
    layout: Layout,
    window: Window,
    lives: Vec<Life>,
    outages: Outages,
    groups: Vec<Group>,
    servers: Vec<ServerAccount>,
    faults: Vec<FaultAccount>,
    /// The partitions between callers and servers.
    parted: Vec<(Side, u32, u16)>,
    /// By session: the balancer or proxy of its latest connection, and the server behind. Empty if there
    /// are none.
    through: Vec<(u32, u32)>,
    /// Sessions whose close frame was sent directly after a response that had not arrived, with the drain that sent it, if
    /// any: few at any moment.
    sent_away: BTreeMap<u32, Option<u16>>,
    names: Vec<NameAccount>,
    outcomes: [u64; Outcome::ALL.len()],
    hops_max: u8,
    /// Completed TLS handshakes: full and resumed ones.
    secured: [u64; 2],
    /// Open connections lost, by kind of end.
    ends: [u64; End::NAMES.len()],
    /// Accepted without credentials, and then by [`Finding`]: within the window, and in the whole run.
    found: [[u64; FINDINGS]; 2],
    /// Heartbeats answered.
    heartbeats: u64,
    detection_time: Latency,
    outage: Latency,
    /// Outages that have begun within the window and not ended.
    down: u64,
    /// Paths that failed within the window and whose clients have not noticed.
    unnoticed: u64,
    usable: u32,
    /// Of the interval.
    usable_lowest: u32,
    wanted: u32,
    /// Until when the two areas below are added up.
    added: Timestamp,
    interval_start: Timestamp,
    interval_end: Timestamp,
    interval_usable: u128,
    interval_wanted: u128,
    window_usable: u128,
    window_wanted: u128,
    interval_outcomes: [u32; Outcome::ALL.len()],
    series: Series,
}

impl Metrics {
    /// Ready for a run's first event. Memory for every session and interval is reserved now, so that recording does not
    /// allocate.
    pub fn new(layout: Layout) -> Metrics {
        let rows = layout.duration.0.div_ceil(layout.interval.0.max(1)) as usize;
        let sessions = layout.groups.iter().map(|group| group.count as usize).sum();
        let mut series = Series {
            interval: layout.interval,
            ends: Vec::with_capacity(rows),
            sessions_open: Vec::with_capacity(rows),
            sessions_open_lowest: Vec::with_capacity(rows),
            sessions_wanted: Vec::with_capacity(rows),
            availability: Vec::with_capacity(rows),
            names: !layout.names.is_empty(),
            auth: layout.auth,
            proxies: layout.proxies,
            handshake_latency: Vec::with_capacity(rows),
            time_to_open: Vec::with_capacity(rows),
            ..Series::default()
        };
        series.outcomes.iter_mut().for_each(|outcome| outcome.reserve_exact(rows));
        series.servers = layout
            .servers
            .iter()
            .map(|server| ServerSeries {
                name: server.name.clone(),
                arrivals: Vec::with_capacity(rows),
                open_connections: Vec::with_capacity(rows),
                open_streams: Vec::with_capacity(if server.streams { rows } else { 0 }),
                queue_depth: Vec::with_capacity(rows),
                utilisation: Vec::with_capacity(rows),
                transactions: server.transactions_max.map(|most| (most, Vec::with_capacity(rows))),
            })
            .collect();
        Metrics {
            window: Window { from: layout.from, until: layout.until },
            lives: Vec::with_capacity(sessions),
            outages: Outages::default(),
            groups: layout.groups.iter().map(|_| Group::default()).collect(),
            servers: layout.servers.iter().map(ServerAccount::new).collect(),
            faults: layout.faults.iter().map(|_| FaultAccount::default()).collect(),
            parted: Vec::new(),
            names: layout.names.iter().map(|_| NameAccount::default()).collect(),
            through: Vec::new(),
            sent_away: BTreeMap::new(),
            outcomes: [0; Outcome::ALL.len()],
            hops_max: 0,
            secured: [0; 2],
            ends: [0; End::NAMES.len()],
            found: [[0; FINDINGS]; 2],
            heartbeats: 0,
            detection_time: Latency::default(),
            outage: Latency::default(),
            down: 0,
            unnoticed: 0,
            usable: 0,
            usable_lowest: 0,
            wanted: 0,
            added: Timestamp::ZERO,
            interval_start: Timestamp::ZERO,
            interval_end: Timestamp::ZERO + layout.interval,
            interval_usable: 0,
            interval_wanted: 0,
            window_usable: 0,
            window_wanted: 0,
            interval_outcomes: [0; Outcome::ALL.len()],
            series,
            layout,
        }
    }

    /// The results, at `end` of the run (earlier than planned when it was interrupted).
    pub fn finish(mut self, end: Timestamp) -> Measured {
        // An event at this very moment has ended an interval here and begun the next: that one is at least a nanosecond.
        let end = end.max(self.interval_start + Nanos(1));
        self.roll(end);
        self.add_up(end);
        if end > self.interval_start {
            self.end_interval(end);
        }
        for (name, unfinished) in [(&mut self.detection_time, self.unnoticed), (&mut self.outage, self.down)] {
            name.add_unfinished(unfinished);
            name.end_interval(self.interval_start, Nanos::ZERO);
        }
        for group in &mut self.groups {
            group.latencies[TIME_TO_OPEN].add_unfinished(group.scheduled - group.opened);
        }
        self.servers.iter_mut().for_each(|server| server.finish(end, &self.window));
        for life in &self.lives {
            let group = &mut self.groups[life.group as usize];
            group.open += u64::from(life.path == Path::Usable && self.window.contains(life.scheduled));
            group.latencies[ATTEMPT].add_unfinished(u64::from(self.window.contains(life.attempt)));
        }
        let latencies = self.latencies().map(|which| {
            let mut all = Latency::default();
            self.groups.iter().for_each(|group| all.merge(&group.latencies[which]));
            (LATENCIES[which], all)
        });
        let latencies: Vec<_> = latencies.collect();
        let summary = self.summarize(&latencies);
        let findings = self.findings(1).collect();
        let names = self.layout.groups.iter().map(|group| group.name.clone());
        let count = latencies.len();
        let of_groups =
            self.groups.into_iter().map(|group| LATENCIES.into_iter().zip(group.latencies).take(count).collect());
        let mut faults: Vec<_> =
            self.faults.iter().zip(&self.layout.faults).filter_map(|(f, name)| f.window(name)).collect();
        faults.sort_by_key(|window| window.from);
        Measured { summary, findings, series: self.series, faults, latencies, groups: names.zip(of_groups).collect() }
    }

    /// Sessions that want to be open and are not, or whose path is dead: and since when, in order of their numbers.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        let waits = |(_, life): &(u32, &Life)| life.wants && life.path != Path::Usable;
        (0..).zip(&self.lives).filter(waits).map(|(session, life)| match self.outages.get(session).since {
            Timestamp::NEVER => (session, life.scheduled),
            since => (session, since),
        })
    }

    /// Which latencies there are.
    fn latencies(&self) -> std::ops::Range<usize> {
        0..if self.layout.tls { TLS + 1 } else { TLS }
    }

    fn summarize(&self, latencies: &[(&'static str, Latency)]) -> Summary {
        let mut summary = Summary::default();
        let sum = |of: fn(&Group) -> u64| self.groups.iter().map(of).sum::<u64>();
        let counts = [
            sum(|group| group.scheduled),
            sum(|group| group.opened),
            sum(|group| group.failed),
            sum(|group| group.ended),
            sum(|group| group.open),
        ];
        push_sessions("", counts, &mut summary);
        let availability = (self.window_wanted > 0).then(|| self.window_usable as f64 / self.window_wanted as f64);
        summary.push("availability.mean", Value::Ratio(availability));
        for (name, latency) in latencies {
            summary.push_latency(name, latency);
        }
        let attempts: u64 = self.outcomes.iter().sum();
        summary.push("attempts.total", Value::Count(attempts));
        for outcome in Outcome::ALL.into_iter().filter(|outcome| self.series.shows(*outcome)) {
            let part = Value::Part { count: self.outcomes[outcome as usize], of: attempts };
            summary.push(format!("attempts.{}", outcome.name()), part);
        }
        let came_to_nothing = |outcome: Outcome| {
            !matches!(outcome, Outcome::Opened | Outcome::Redirected | Outcome::Challenged | Outcome::ProxyChallenged)
        };
        let failed = Outcome::ALL.into_iter().filter(|outcome| came_to_nothing(*outcome));
        let failed = failed.map(|outcome| self.outcomes[outcome as usize]).sum();
        summary.push("attempts.failed", Value::Part { count: failed, of: attempts });
        summary.push("hops.total", Value::Count(self.outcomes[Outcome::Redirected as usize]));
        summary.push("hops.max", Value::Count(u64::from(self.hops_max)));
        if self.layout.tls {
            let secured = self.secured.iter().sum();
            summary.push("tls.handshakes", Value::Count(secured));
            summary.push("tls.resumed", Value::Part { count: self.secured[1], of: secured });
        }
        if self.layout.findings {
            for (name, count) in self.findings(0) {
                summary.push(format!("findings.{name}"), Value::Count(count));
            }
        }
        let lost = self.ends.iter().sum();
        summary.push("lost.total", Value::Count(lost));
        for (name, count) in End::NAMES.iter().zip(self.ends) {
            summary.push(format!("lost.{name}"), Value::Part { count, of: lost });
        }
        summary.push("heartbeats.answered", Value::Count(self.heartbeats));
        for (fault, name) in self.faults.iter().zip(&self.layout.faults) {
            fault.summarize(name, counts[0], &mut summary);
        }
        for (name, account) in self.layout.names.iter().zip(&self.names) {
            account.summarize(name, &mut summary);
        }
        summary.push_latency("detection_time", &self.detection_time);
        summary.push_latency("outage", &self.outage);
        let measured = self.window.overlap(Timestamp::ZERO, self.added);
        for (number, name) in self.layout.server_groups.iter().enumerate() {
            let of_group = self.layout.servers.iter().zip(&self.servers);
            let of_group = of_group.filter(|(layout, _)| layout.group == number);
            let members: Vec<_> = of_group.clone().map(|(_, server)| server).collect();
            summarize_group(name, &members, measured, &mut summary);
            for (layout, server) in of_group {
                server.summarize(&layout.name, measured, &mut summary);
            }
        }
        for (group, layout) in self.groups.iter().zip(&self.layout.groups) {
            let path = format!("clients.{}.", layout.name);
            let counts = [group.scheduled, group.opened, group.failed, group.ended, group.open];
            push_sessions(&path, counts, &mut summary);
            for which in self.latencies() {
                summary.push_latency(&format!("{path}{}", LATENCIES[which]), &group.latencies[which]);
            }
        }
        summary
    }

    /// Findings by name: within the window (0), or in the whole run (1).
    fn findings(&self, which: usize) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["accepted_without_credentials"].into_iter().chain(Finding::ALL.map(Finding::name));
        names.zip(self.found[which])
    }

    fn found(&mut self, now: Timestamp, number: usize) {
        self.found[0][number] += u64::from(self.window.contains(now));
        self.found[1][number] += 1;
    }

    /// Closes the intervals that have ended.
    #[inline]
    fn roll(&mut self, now: Timestamp) {
        while now >= self.interval_end && self.interval_end.0 <= self.layout.duration.0 {
            self.end_interval(self.interval_end);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_interval(&mut self, end: Timestamp) {
        self.add_up(end);
        let start = std::mem::replace(&mut self.interval_start, end);
        self.interval_end = end + self.layout.interval;
        let series = &mut self.series;
        series.ends.push(end);
        series.sessions_open.push(self.usable);
        series.sessions_open_lowest.push(std::mem::replace(&mut self.usable_lowest, self.usable));
        series.sessions_wanted.push(self.wanted);
        let (usable, wanted) = (std::mem::take(&mut self.interval_usable), std::mem::take(&mut self.interval_wanted));
        series.availability.push((wanted > 0).then(|| usable as f64 / wanted as f64));
        for (column, count) in series.outcomes.iter_mut().zip(&mut self.interval_outcomes) {
            column.push(std::mem::take(count));
        }
        let length = end.since(start);
        series.time_to_open.push(end_latency(&mut self.groups, TIME_TO_OPEN, start, length));
        series.handshake_latency.push(end_latency(&mut self.groups, HANDSHAKE, start, length));
        end_latency(&mut self.groups, ATTEMPT, start, length);
        if self.layout.tls {
            end_latency(&mut self.groups, TLS, start, length);
        }
        for (server, series) in self.servers.iter_mut().zip(&mut series.servers) {
            server.end_interval(start, end, &self.window, series);
        }
    }

    /// Adds up usable and wanted time until now: before either changes, and where their sums are read.
    #[inline]
    fn add_up(&mut self, now: Timestamp) {
        if now == self.added {
            return;
        }
        let passed = u128::from(now.since(self.added).0);
        self.interval_usable += u128::from(self.usable) * passed;
        self.interval_wanted += u128::from(self.wanted) * passed;
        let passed = u128::from(self.window.overlap(self.added, now).0);
        self.window_usable += u128::from(self.usable) * passed;
        self.window_wanted += u128::from(self.wanted) * passed;
        self.added = now;
    }

    fn session(&mut self, now: Timestamp, session: u32, event: client::Event) {
        if session as usize >= self.lives.len() {
            self.lives.resize(session as usize + 1, Life::default());
        }
        let life = &mut self.lives[session as usize];
        match event {
            client::Event::Scheduled { group, .. } => {
                let wanted = u32::from(!life.wants);
                *life = Life { scheduled: now, group, wants: true, ..Life::default() };
                self.outages.forget(session);
                self.groups[group as usize].scheduled += u64::from(self.window.contains(now));
                self.add_up(now);
                self.wanted += wanted;
            }
            client::Event::AttemptStarted { .. } => {
                if !self.sent_away.is_empty() {
                    self.sent_away.remove(&session);
                }
                // The next connection may not go through the same balancer or proxy.
                if let Some(through) = self.through.get_mut(session as usize) {
                    *through = NOTHING_BETWEEN;
                }
                // An attempt with a lookup has begun before.
                if life.attempt == Timestamp::NEVER {
                    life.attempt = now;
                }
            }
            client::Event::Resolving { name, .. } => {
                life.attempt = now;
                self.name(name).lookups += u64::from(self.window.contains(now));
            }
            client::Event::Resolved { name, .. } => {
                self.name(name).answers += u64::from(self.window.contains(now));
            }
            client::Event::Connected { .. } => life.connected = now,
            client::Event::Secured { resumed, .. } => {
                if self.window.contains(life.attempt) {
                    self.secured[usize::from(resumed)] += 1;
                    self.groups[life.group as usize].latencies[TLS].record(now.since(life.connected));
                }
            }
            client::Event::Opened { endpoint, .. } => self.opened(now, session, endpoint),
            client::Event::Redirected { .. } => {
                life.hops += 1;
                if self.window.contains(life.attempt) {
                    self.hops_max = self.hops_max.max(life.hops);
                }
                self.attempted(now, session, Outcome::Redirected);
            }
            client::Event::Tunnelled { .. } => {}
            client::Event::Challenged { .. } | client::Event::ProxyChallenged { .. } => {
                let by_proxy = matches!(event, client::Event::ProxyChallenged { .. });
                let outcome = if by_proxy { Outcome::ProxyChallenged } else { Outcome::Challenged };
                self.attempted(now, session, outcome);
                // The next one begins at once, perhaps on the same connection.
                self.lives[session as usize].attempt = now;
            }
            // Another request, without another connection.
            client::Event::AskedAgain { .. } => life.attempt = now,
            client::Event::Found { finding, .. } => self.found(now, 1 + finding as usize),
            client::Event::AttemptFailed { failure, .. } => {
                life.hops = 0;
                self.attempted(now, session, failure.outcome());
            }
            client::Event::Lost { end, .. } => {
                self.ends[end.kind()] += u64::from(self.window.contains(now));
                self.lost(now, session);
            }
            client::Event::HeartbeatAnswered { .. } => self.heartbeats += u64::from(self.window.contains(now)),
            client::Event::Ended => self.ended(now, session),
            client::Event::GaveUp => {
                let measured = self.window.contains(life.scheduled);
                self.groups[life.group as usize].failed += u64::from(measured);
            }
            client::Event::Retrying { .. } | client::Event::Hopping { .. } | client::Event::StreamBegan { .. } => {}
        }
    }

    /// A name by its number in the directory.
    fn name(&mut self, number: u32) -> &mut NameAccount {
        &mut self.names[number as usize - self.layout.servers.len()]
    }

    fn attempted(&mut self, now: Timestamp, session: u32, outcome: Outcome) {
        let life = &mut self.lives[session as usize];
        let began = std::mem::replace(&mut life.attempt, Timestamp::NEVER);
        self.interval_outcomes[outcome as usize] += 1;
        if self.window.contains(began) {
            self.outcomes[outcome as usize] += 1;
            self.groups[life.group as usize].latencies[ATTEMPT].record(now.since(began));
        }
    }

    fn opened(&mut self, now: Timestamp, session: u32, dialled: u32) {
        let began = self.lives[session as usize].attempt;
        self.attempted(now, session, Outcome::Opened);
        let server = self.behind(session, dialled);
        self.lives[session as usize].server = server as u16;
        let between = self.between(session);
        let life = &mut self.lives[session as usize];
        let group = &mut self.groups[life.group as usize];
        if self.window.contains(began) {
            group.latencies[HANDSHAKE].record(now.since(life.connected));
            self.servers[server as usize].opened += 1;
            // A balancer's or a proxy's clients open through it.
            if let Some(between) = between {
                self.servers[between as usize].opened += 1;
            }
        }
        life.hops = 0;
        let sent_away = if self.sent_away.is_empty() { None } else { self.sent_away.remove(&session) };
        let dead = sent_away.map(|fault| (fault, false)).or_else(|| self.why_down(session));
        match dead.or_else(|| self.parted_by(session).map(|fault| (Some(fault), true))) {
            None => self.usable_again(now, session),
            // The response was in transit when the server died or sent a close frame: open for the client, but not usable.
            Some((fault, revivable)) => self.died(now, session, fault, revivable),
        }
    }

    fn lost(&mut self, now: Timestamp, session: u32) {
        let life = &self.lives[session as usize];
        if let Path::Dead { .. } = life.path
            && self.window.contains(life.connected)
        {
            self.detection_time.record(now.since(life.connected));
            self.unnoticed -= 1;
        }
        self.unusable(now, session);
    }

    fn ended(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        self.wanted -= u32::from(std::mem::take(&mut life.wants));
        self.groups[life.group as usize].ended += u64::from(self.window.contains(life.scheduled));
        match std::mem::take(&mut life.path) {
            // It stays counted as open again with the faults it came back from.
            Path::Usable => {
                self.usable -= 1;
                self.usable_lowest = self.usable_lowest.min(self.usable);
            }
            path => {
                self.unnoticed -= u64::from(path != Path::None && self.window.contains(life.connected));
                let outage = self.outages.get(session);
                self.down -= u64::from(self.window.contains(outage.since));
                for fault in bits(outage.faults) {
                    self.faults[fault].ended_while_down(now);
                }
            }
        }
        self.outages.forget(session);
    }
}

impl Recorder for Metrics {
    fn record_all(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.record(event));
    }

    #[inline]
    fn record(&mut self, event: &Event) {
        self.roll(event.at);
        match event.kind {
            Kind::Session(session, kind) => self.session(event.at, session, kind),
            Kind::Server(server, kind) => {
                self.servers[server as usize].record(event.at, kind, &self.window);
                self.server(event.at, server, kind);
            }
            Kind::Network(balancer, network::Event::Through { session, server }) => {
                self.passed_on(session, balancer, server);
            }
            Kind::Network(..) => {}
            Kind::Fault(fault, kind) => self.fault(event.at, fault, kind),
            Kind::Dns(name, kind) => {
                let measured = self.window.contains(event.at);
                let counted = matches!(kind, dns::Event::Withdrawn { .. }) && measured;
                self.names[usize::from(name)].withdrawn += u64::from(counted);
            }
        }
    }
}

/// Closes an interval of one latency in all groups; the percentiles are those of all of them together.
fn end_latency(groups: &mut [Group], which: usize, start: Timestamp, length: Nanos) -> Option<Percentiles> {
    if let [group] = groups {
        return group.latencies[which].end_interval(start, length);
    }
    let mut together = Latency::default();
    for group in groups {
        group.latencies[which].pending().iter().for_each(|value| together.record(Nanos(*value)));
        group.latencies[which].end_interval(start, length);
    }
    together.end_interval(start, length)
}
