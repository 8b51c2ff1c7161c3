//! The recorder that turns events into [`Measured`].

mod paths;
mod summary;
mod wanting;

use std::collections::BTreeMap;

use super::counts::Counts;
use super::dns::NameAccount;
use super::faults::FaultAccount;
use super::half_open::HalfOpen;
use super::latency::{Latency, Percentiles};
use super::layout::Layout;
use super::lives::{Life, Outages, Path, bits};
use super::resources::{self, Resources};
use super::segments::Segments;
use super::series::{Series, ServerSeries};
use super::servers::{ServerAccount, jain};
use super::wanting::Wanting;
use crate::client::{self, Outcome};
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

/// In [`Metrics::through`]: no balancer or proxy.
const NOTHING_BETWEEN: (u32, u32) = (u32::MAX, u32::MAX);

/// Turns a run's events into numbers.
#[derive(Debug)]
pub struct Metrics {
    layout: Layout,
    segments: Segments,
    /// By segment.
    counts: Vec<Counts>,
    lives: Vec<Life>,
    outages: Outages,
    /// Of each client group.
    latencies: Vec<[Latency; 4]>,
    wanting: Wanting,
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
    /// Faults, a bit each: those that have begun, those for which arrivals count, and those whose groups' balance is awaited.
    begun: u64,
    arriving: u64,
    /// The faults that may do more than events say.
    opaque: u64,
    balancing: u64,
    detection_time: Latency,
    outage: Latency,
    /// Where they are measured.
    half_open: Option<Box<HalfOpen>>,
    /// Of each client group: the sessions of the measured window that want to be open at the end of the run, and those
    /// that are.
    at_end: Vec<(u64, u64)>,
    usable: u32,
    /// Of the interval.
    usable_lowest: u32,
    wanted: u32,
    /// Until when the two areas below are added up.
    added: Timestamp,
    interval_start: Timestamp,
    interval_end: Timestamp,
    /// The next moment at which an interval or a segment ends, or a session that gave up stops wanting to be open.
    next: Timestamp,
    interval_usable: u128,
    interval_wanted: u128,
    interval_outcomes: [u32; Outcome::ALL.len()],
    series: Series,
    resources: Resources,
}

impl Metrics {
    /// Ready for a run's first event. Memory for every session and interval is reserved now, so that recording does not
    /// allocate.
    pub fn new(layout: Layout) -> Metrics {
        let rows = layout.duration.0.div_ceil(layout.interval.0.max(1)) as usize;
        let sessions = layout.groups.iter().map(|group| group.count as usize).sum();
        let segments = Segments::new(&layout);
        let cut = || Latency::default().cut_into(segments.count());
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
            tls: layout.tls,
            balance: groups_of_several(&layout).map(|(_, name)| (name, Vec::with_capacity(rows))).collect(),
            handshake_latency: Vec::with_capacity(rows),
            time_to_open: Vec::with_capacity(rows),
            half_open: layout.half_open.then(|| [Vec::with_capacity(rows), Vec::with_capacity(rows)]),
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
                kills: Vec::with_capacity(if server.supervised { rows } else { 0 }),
                memory_in_use: Vec::with_capacity(if server.limits[0] { rows } else { 0 }),
                transactions: server.transactions_max.map(|most| (most, Vec::with_capacity(rows))),
                old: server.reloads.then(|| (Vec::with_capacity(rows), Vec::with_capacity(rows))),
            })
            .collect();
        let counts = Counts::new(layout.groups.len(), layout.server_groups.len());
        let interval_end = Timestamp::ZERO + layout.interval;
        Metrics {
            counts: vec![counts; segments.count()],
            lives: Vec::with_capacity(sessions),
            outages: Outages::default(),
            latencies: layout.groups.iter().map(|_| [(); 4].map(|()| cut())).collect(),
            wanting: Wanting::new(&layout),
            servers: layout.servers.iter().map(|server| ServerAccount::new(server, segments.count())).collect(),
            faults: layout.faults.iter().map(|fault| FaultAccount::new(fault, &layout)).collect(),
            parted: Vec::new(),
            names: layout.names.iter().map(|_| NameAccount::default()).collect(),
            through: Vec::new(),
            sent_away: BTreeMap::new(),
            begun: 0,
            arriving: 0,
            opaque: (0..).zip(&layout.faults).fold(0, |mask, (bit, fault)| mask | u64::from(fault.opaque) << bit),
            balancing: 0,
            detection_time: cut(),
            outage: cut(),
            half_open: layout.half_open.then(|| Box::new(HalfOpen::new(segments.count()))),
            at_end: vec![(0, 0); layout.groups.len()],
            usable: 0,
            usable_lowest: 0,
            wanted: 0,
            added: Timestamp::ZERO,
            interval_start: Timestamp::ZERO,
            interval_end,
            next: interval_end.min(segments.next),
            interval_usable: 0,
            interval_wanted: 0,
            interval_outcomes: [0; Outcome::ALL.len()],
            series,
            segments,
            resources: Resources::new(layout.server_groups.len()),
            layout,
        }
    }

    /// Sessions that want to be open and are not, or whose path is dead: and since when, in order of their numbers.
    pub fn waiting(&self) -> impl Iterator<Item = (u32, Timestamp)> + '_ {
        let waits = |(_, life): &(u32, &Life)| life.wants && life.path != Path::Usable;
        (0..).zip(&self.lives).filter(waits).map(|(session, life)| match self.outages.get(session).since {
            Timestamp::NEVER => (session, life.scheduled),
            since => (session, since),
        })
    }

    /// What is counted now.
    #[inline]
    fn now(&mut self) -> &mut Counts {
        &mut self.counts[self.segments.current()]
    }

    fn found(&mut self, number: usize) {
        self.now().found[number] += 1;
    }

    /// Closes the intervals and segments that have ended.
    #[inline]
    fn roll(&mut self, now: Timestamp) {
        if now >= self.next {
            self.turn(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn turn(&mut self, now: Timestamp) {
        loop {
            let interval =
                if self.interval_end.0 <= self.layout.duration.0 { self.interval_end } else { Timestamp::NEVER };
            let wanting = self.wanting.next().unwrap_or(Timestamp::NEVER);
            self.next = interval.min(self.segments.next).min(wanting);
            if self.next > now {
                return;
            }
            if wanting == self.next {
                self.want_no_more(wanting);
            } else if interval == self.next {
                self.end_interval(interval);
            } else {
                self.cut(self.next);
            }
        }
    }

    /// The next segment begins.
    fn cut(&mut self, now: Timestamp) {
        self.add_up(now);
        self.count_open();
        self.servers.iter_mut().for_each(|server| server.cut(now, &self.segments));
        self.latencies.iter_mut().flatten().for_each(Latency::cut);
        self.detection_time.cut();
        self.outage.cut();
        self.half_open.iter_mut().for_each(|half_open| half_open.cut(self.segments.current() + 1));
        self.segments.advance();
    }

    /// Counts the sessions that are open at the end of the current segment, and those that want to be.
    fn count_open(&mut self) {
        let counts = &mut self.counts[self.segments.current()];
        for life in &self.lives {
            let sessions = &mut counts.groups[life.group as usize];
            sessions.wanted_at_end += u64::from(life.wants);
            sessions.open_at_end += u64::from(life.path == Path::Usable);
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
        series.time_to_open.push(end_latency(&mut self.latencies, TIME_TO_OPEN, start, length));
        series.handshake_latency.push(end_latency(&mut self.latencies, HANDSHAKE, start, length));
        end_latency(&mut self.latencies, ATTEMPT, start, length);
        if self.layout.tls {
            end_latency(&mut self.latencies, TLS, start, length);
        }
        self.detection_time.end_interval(start, length);
        self.outage.end_interval(start, length);
        if let (Some(half_open), Some(columns)) = (&mut self.half_open, &mut series.half_open) {
            half_open.end_interval(start, length, columns);
        }
        for (server, series) in self.servers.iter_mut().zip(&mut series.servers) {
            server.end_interval(start, end, &self.segments, series);
        }
        let (layout, servers) = (&self.layout, &self.servers);
        let counts = &mut self.counts[self.segments.current()];
        for ((number, _), (_, column)) in groups_of_several(layout).zip(&mut series.balance) {
            let of_group = layout.servers.iter().zip(servers).filter(|(server, _)| server.group == number);
            let now = jain(of_group.map(|(_, server)| server.connections.into()));
            column.push(now);
            if let Some(now) = now {
                let (sum, count) = &mut counts.balance[number];
                *sum += now;
                *count += 1;
            }
        }
    }

    /// Adds up usable and wanted time until now: before either changes, and where their sums are read.
    #[inline]
    fn add_up(&mut self, now: Timestamp) {
        if now == self.added {
            return;
        }
        let passed = u128::from(now.since(self.added).0);
        let usable = u128::from(self.usable) * passed;
        let wanted = u128::from(self.wanted) * passed;
        self.interval_usable += usable;
        self.interval_wanted += wanted;
        let counts = &mut self.counts[self.segments.current()];
        counts.usable += usable;
        counts.wanted += wanted;
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
                if self.begun != 0 {
                    self.begins_anew(now, session);
                }
                self.wanting.forget(session);
                self.outages.forget(session);
                self.now().groups[group as usize].scheduled += 1;
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
                    self.attempt_begins(now, session);
                }
            }
            client::Event::Resolving { name, .. } => {
                self.attempt_begins(now, session);
                let measured = self.segments.measures(now);
                self.name(name).lookups += u64::from(measured);
            }
            client::Event::Resolved { name, .. } => {
                let measured = self.segments.measures(now);
                self.name(name).answers += u64::from(measured);
            }
            client::Event::Raced { .. } | client::Event::RaceWon { .. } => {
                let won = usize::from(matches!(event, client::Event::RaceWon { .. }));
                self.counts[self.segments.of(life.attempt)].raced[won] += 1;
            }
            client::Event::RaceLost { .. } => {}
            client::Event::Connected { .. } => life.connected = now,
            client::Event::Secured { resumed, .. } => {
                let segment = self.segments.of(life.attempt);
                self.counts[segment].secured[usize::from(resumed)] += 1;
                if self.segments.measures(life.attempt) {
                    let latencies = &mut self.latencies[life.group as usize];
                    latencies[TLS].record_of(now.since(life.connected), segment);
                }
            }
            client::Event::Opened { endpoint, .. } => self.opened(now, session, endpoint),
            client::Event::Redirected { .. } => {
                life.hops += 1;
                let counts = &mut self.counts[self.segments.of(life.attempt)];
                counts.hops_max = counts.hops_max.max(life.hops);
                self.attempted(now, session, Outcome::Redirected);
            }
            client::Event::Tunnelled { .. } => {}
            client::Event::Challenged { .. } | client::Event::ProxyChallenged { .. } => {
                let by_proxy = matches!(event, client::Event::ProxyChallenged { .. });
                let outcome = if by_proxy { Outcome::ProxyChallenged } else { Outcome::Challenged };
                self.attempted(now, session, outcome);
                // The next one begins at once, perhaps on the same connection.
                self.attempt_begins(now, session);
            }
            // Another request, without another connection.
            client::Event::AskedAgain { .. } if life.attempt != Timestamp::NEVER => life.attempt = now,
            client::Event::AskedAgain { .. } => self.attempt_begins(now, session),
            client::Event::Found { finding, .. } => self.found(1 + finding as usize),
            client::Event::AttemptFailed { failure, .. } => {
                life.hops = 0;
                self.attempted(now, session, failure.outcome());
            }
            client::Event::Lost { end, .. } => {
                self.now().ends[end.kind()] += 1;
                self.lost(now, session);
            }
            client::Event::HeartbeatAnswered { .. } => self.now().heartbeats += 1,
            client::Event::Ended => self.ended(now, session),
            client::Event::GaveUp => {
                let (segment, group) = (self.segments.of(life.scheduled), life.group as usize);
                self.counts[segment].groups[group].failed += 1;
                self.gave_up(now, session);
            }
            client::Event::Retrying { .. } | client::Event::Hopping { .. } | client::Event::StreamBegan { .. } => {}
        }
    }

    /// What a kernel or a link turned away.
    #[cold]
    fn network(&mut self, now: Timestamp, server: u32, event: network::Event) {
        // What programs connect to may be none of the scenario's.
        let group = self.layout.servers.get(server as usize).map(|server| server.group);
        if let Some(server) = self.servers.get_mut(server as usize) {
            server.record_network(event, &self.segments);
        }
        if let Some((resource, group)) = resources::of_network(event).zip(group)
            && self.segments.measures(now)
        {
            self.resources.full(now, group, resource);
        }
    }

    /// A name by its number in the directory.
    fn name(&mut self, number: u32) -> &mut NameAccount {
        &mut self.names[number as usize - self.layout.servers.len()]
    }

    fn attempt_begins(&mut self, now: Timestamp, session: u32) {
        self.lives[session as usize].attempt = now;
        self.now().attempts.add(now, 1);
    }

    fn attempted(&mut self, now: Timestamp, session: u32, outcome: Outcome) {
        let life = &mut self.lives[session as usize];
        let began = std::mem::replace(&mut life.attempt, Timestamp::NEVER);
        self.interval_outcomes[outcome as usize] += 1;
        let segment = self.segments.of(began);
        self.counts[segment].outcomes[outcome as usize] += 1;
        if self.segments.measures(began) {
            self.latencies[life.group as usize][ATTEMPT].record_of(now.since(began), segment);
        }
    }

    fn opened(&mut self, now: Timestamp, session: u32, dialled: u32) {
        let began = self.lives[session as usize].attempt;
        self.half_open.iter_mut().for_each(|half_open| half_open.opened(now, session, &self.segments));
        self.attempted(now, session, Outcome::Opened);
        let server = self.behind(session, dialled);
        self.lives[session as usize].server = server as u16;
        let between = self.between(session);
        let life = &mut self.lives[session as usize];
        let segment = self.segments.of(began);
        if self.segments.measures(began) {
            self.latencies[life.group as usize][HANDSHAKE].record_of(now.since(life.connected), segment);
        }
        self.servers[server as usize].counts[segment].opened += 1;
        // A balancer's or a proxy's clients open through it.
        if let Some(between) = between {
            self.servers[between as usize].counts[segment].opened += 1;
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
        self.half_open.iter_mut().for_each(|half_open| half_open.ended(now, session, &self.segments));
        let life = &self.lives[session as usize];
        let unexpected = life.path == Path::Usable;
        if let Path::Dead { .. } = life.path {
            let died = life.connected;
            self.noticed(died);
            if self.segments.measures(died) {
                self.detection_time.record_of(now.since(died), self.segments.of(died));
            }
        }
        self.unusable(now, session);
        if unexpected && self.opaque != 0 {
            self.blame_opaque(now, session);
        }
    }

    /// A client no longer believes in a path that died: it noticed, or the path works again, or it ended.
    fn noticed(&mut self, died: Timestamp) {
        let segment = self.segments.of(died);
        self.counts[segment].unnoticed -= 1;
    }

    fn ended(&mut self, now: Timestamp, session: u32) {
        self.half_open.iter_mut().for_each(|half_open| half_open.ended(now, session, &self.segments));
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        self.wanted -= u32::from(std::mem::take(&mut life.wants));
        let segment = self.segments.of(life.scheduled);
        self.counts[segment].groups[life.group as usize].ended += 1;
        let died = life.connected;
        match std::mem::take(&mut life.path) {
            // It stays counted as open again with the faults it came back from.
            Path::Usable => {
                self.usable -= 1;
                self.usable_lowest = self.usable_lowest.min(self.usable);
            }
            path => {
                if path != Path::None {
                    self.noticed(died);
                }
                let outage = self.outages.get(session);
                if outage.since != Timestamp::NEVER {
                    let segment = self.segments.of(outage.since);
                    self.counts[segment].down -= 1;
                }
                for fault in bits(outage.faults) {
                    self.faults[fault].ended_while_down(now, session);
                    self.watch(fault);
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
                self.servers[server as usize].record(event.at, kind, &self.segments);
                self.server(event.at, server, kind);
            }
            Kind::Network(balancer, network::Event::Through { session, server }) => {
                self.passed_on(session, balancer, server);
            }
            Kind::Network(server, network::Event::Paired { session, connection }) => {
                self.half_open.iter_mut().for_each(|half_open| half_open.paired(server, connection, session));
            }
            Kind::Network(server, kind) => self.network(event.at, server, kind),
            Kind::Fault(fault, kind) => self.fault(event.at, fault, kind),
            Kind::Dns(name, kind) => {
                let measured = self.segments.measures(event.at);
                let counted = matches!(kind, dns::Event::Withdrawn { .. }) && measured;
                self.names[usize::from(name)].withdrawn += u64::from(counted);
            }
        }
    }
}

/// The server groups that have several members, by name.
fn groups_of_several(layout: &Layout) -> impl Iterator<Item = (usize, String)> + '_ {
    let members = |group: usize| layout.servers.iter().filter(|server| server.group == group).count();
    let names = layout.server_groups.iter().cloned().enumerate();
    names.filter(move |(number, _)| members(*number) > 1)
}

/// Closes an interval of one latency in all groups; the percentiles are those of all of them together.
fn end_latency(groups: &mut [[Latency; 4]], which: usize, start: Timestamp, length: Nanos) -> Option<Percentiles> {
    if let [group] = groups {
        return group[which].end_interval(start, length);
    }
    let mut together = Latency::default();
    for group in groups {
        group[which].pending().for_each(|value| together.record(Nanos(value)));
        group[which].end_interval(start, length);
    }
    together.end_interval(start, length)
}
