//! Random event streams, made well-formed by a model that counts slowly what [`Metrics`] counts fast.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::client::Outcome;

const SESSIONS: u32 = 6;
const SERVERS: usize = 2;
const WORKERS: u32 = 2;
const FAULTS: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Idle,
    Waiting,
    Connecting,
    Handshaking,
    Open { server: usize, path: Path },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Path {
    Usable,
    Hung,
    Dead,
}

#[derive(Debug, Default, Clone)]
struct Process {
    down: Option<(u16, FaultKind)>,
    connections: u32,
    busy: u32,
    queue: VecDeque<u64>,
    arrivals: u32,
}

/// What is true after each event, by the model.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Truth {
    at: u64,
    usable: u32,
    wanted: u32,
}

/// A small world whose events are well-formed.
struct World {
    feed: Feed,
    now: u64,
    sessions: Vec<State>,
    wanted: Vec<bool>,
    servers: Vec<Process>,
    faults: u16,
    outcomes: u32,
    opened: u32,
    truths: Vec<Truth>,
}

impl World {
    fn new(layout: Layout) -> World {
        World {
            feed: Feed::new(layout),
            now: 0,
            sessions: vec![State::Idle; SESSIONS as usize],
            wanted: vec![false; SESSIONS as usize],
            servers: vec![Process::default(); SERVERS],
            faults: 0,
            outcomes: 0,
            opened: 0,
            truths: vec![Truth { at: 0, usable: 0, wanted: 0 }],
        }
    }

    /// One step, if it is possible in this world.
    fn step(&mut self, passed: u16, what: u8, who: u8) {
        self.now += u64::from(passed);
        match what % 10 {
            0..=6 => self.session_step(what, u32::from(who) % SESSIONS, usize::from(who / 16) % SERVERS),
            7 | 8 => self.server_step(usize::from(who) % SERVERS, who / 2),
            _ => self.fault_step(usize::from(who) % SERVERS, who / 2),
        }
        let usable = |state: &&State| matches!(state, State::Open { path: Path::Usable, .. });
        self.truths.push(Truth {
            at: self.now,
            usable: self.sessions.iter().filter(usable).count() as u32,
            wanted: self.wanted.iter().filter(|wanted| **wanted).count() as u32,
        });
    }

    /// Sessions go ahead more often than back, so that many come far.
    fn session_step(&mut self, what: u8, session: u32, server: usize) {
        let (now, feed) = (self.now, &mut self.feed);
        let ahead = what % 10 < 5;
        let next = match (self.sessions[session as usize], ahead) {
            (State::Idle, _) => {
                feed.scheduled(now, session);
                self.wanted[session as usize] = true;
                State::Waiting
            }
            (State::Waiting, true) => {
                feed.attempt(now, session);
                State::Connecting
            }
            (State::Waiting, false) => {
                feed.gave_up(now, session);
                State::Idle
            }
            (State::Connecting, true) => {
                feed.connected(now, session);
                State::Handshaking
            }
            (State::Handshaking, true) => {
                feed.opened(now, session, server as u32);
                self.outcomes += 1;
                self.opened += 1;
                let path = match self.servers[server].down {
                    None => Path::Usable,
                    Some((_, FaultKind::Hang)) => Path::Hung,
                    Some(_) => Path::Dead,
                };
                State::Open { server, path }
            }
            (State::Connecting, false) => {
                feed.failed(now, session, Failure::Refused);
                self.outcomes += 1;
                State::Waiting
            }
            (State::Handshaking, false) => {
                feed.redirected(now, session);
                self.outcomes += 1;
                State::Waiting
            }
            (State::Open { .. }, true) => {
                feed.lost(now, session);
                State::Waiting
            }
            (State::Open { .. }, false) => {
                feed.ended(now, session);
                self.wanted[session as usize] = false;
                State::Idle
            }
        };
        self.sessions[session as usize] = next;
    }

    fn server_step(&mut self, server: usize, choice: u8) {
        let (now, feed, process) = (self.now, &mut self.feed, &mut self.servers[server]);
        let number = server as u32;
        if process.down.is_some() {
            return;
        }
        match choice % 4 {
            0 => {
                feed.accepted(now, number);
                process.connections += 1;
            }
            1 if process.connections > 0 => {
                feed.server(now, number, server::Event::Closed { connection: 0 });
                process.connections -= 1;
            }
            2 => {
                process.arrivals += 1;
                let queued = process.busy == WORKERS;
                feed.requested(now, number, queued);
                if queued {
                    process.queue.push_back(now);
                } else {
                    feed.started(now, number, None);
                    process.busy += 1;
                }
            }
            3 if process.busy > 0 => {
                feed.answered(now, number, 101, 1);
                process.busy -= 1;
                if let Some(asked) = process.queue.pop_front() {
                    feed.started(now, number, Some(now - asked));
                    process.busy += 1;
                }
            }
            _ => {}
        }
    }

    fn fault_step(&mut self, server: usize, choice: u8) {
        let (now, feed, process) = (self.now, &mut self.feed, &mut self.servers[server]);
        match process.down {
            Some((fault, kind)) => {
                feed.healed(now, fault, server as u32, kind);
                process.down = None;
                for state in &mut self.sessions {
                    if *state == (State::Open { server, path: Path::Hung }) {
                        *state = State::Open { server, path: Path::Usable };
                    }
                }
            }
            None if usize::from(self.faults) < FAULTS => {
                let kind = [FaultKind::Crash, FaultKind::PowerOff, FaultKind::Hang][usize::from(choice) % 3];
                feed.began(now, self.faults, server as u32, kind);
                process.down = Some((self.faults, kind));
                self.faults += 1;
                let path = if kind == FaultKind::Hang { Path::Hung } else { Path::Dead };
                if kind != FaultKind::Hang {
                    *process = Process { down: process.down, arrivals: process.arrivals, ..Process::default() };
                }
                for state in &mut self.sessions {
                    if *state == (State::Open { server, path: Path::Usable }) {
                        *state = State::Open { server, path };
                    }
                }
            }
            None => {}
        }
    }

    /// What was true just before a moment.
    fn before(&self, at: u64) -> Truth {
        *self.truths.iter().rev().find(|truth| truth.at < at).unwrap_or(&self.truths[0])
    }

    /// Usable and wanted time between two moments, in session-milliseconds.
    fn areas(&self, from: u64, until: u64) -> (u64, u64) {
        let ends = self.truths.iter().skip(1).map(|truth| truth.at).chain([until]);
        self.truths.iter().zip(ends).fold((0, 0), |(usable, wanted), (truth, end)| {
            let passed = end.min(until).saturating_sub(truth.at.max(from));
            (usable + u64::from(truth.usable) * passed, wanted + u64::from(truth.wanted) * passed)
        })
    }
}

/// The statistics of one latency, from the shortest; what has no value is longer than any.
fn rising(measured: &Measured, path: &str) -> [Nanos; 7] {
    ["min", "p50", "p90", "p99", "p99_9", "p99_99", "max"].map(|statistic| {
        match get(measured, &format!("{path}.{statistic}")) {
            Value::Duration(value) => value.unwrap_or(Nanos(u64::MAX)),
            other => panic!("{path}.{statistic} is {other:?}"),
        }
    })
}

/// In what a phase of the whole run differs from a measured window of the same time. Other phases around it cut the run
/// into segments.
fn differences(window: &Layout, events: &[Event], end: u64, of_window: &Measured) -> Vec<String> {
    let phase = |prefix: &str, from: Timestamp, until: Timestamp| PhaseLayout { prefix: prefix.into(), from, until };
    let middle = Timestamp(window.from.0.midpoint(window.until.0));
    let phases = vec![
        phase("phases.same.", window.from, window.until),
        phase("phases.first.", window.from, middle),
        phase("phases.around.", Timestamp(window.from.0 / 2), Timestamp(middle.0 + 777)),
    ];
    let layout = Layout { from: at(0), until: at(60_000), phases, ..window.clone() };
    let mut metrics = Metrics::new(layout);
    events.iter().for_each(|event| metrics.record(event));
    let of_run = metrics.finish(at(end)).summary;
    let is_comparable = |path: &str| {
        // A phase counts who is open when it ends, a window who of its own is open when the run ends.
        !path.starts_with("faults.")
            && !path.contains("sessions.open_at_end")
            && !path.contains("sessions.wanted_at_end")
    };
    let compared = of_window.summary.metrics.iter().filter(|metric| is_comparable(metric.name.as_str()));
    let differs = compared.filter_map(|metric| {
        let path = format!("phases.same.{}", metric.name);
        let value = of_run.get(&path);
        let alike = match (value, metric.value) {
            (Some(Value::Ratio(Some(a))), Value::Ratio(Some(b))) => (a - b).abs() < 1e-12,
            (value, other) => value == Some(other),
        };
        (!alike).then(|| format!("{path}: {value:?}, as a window {:?}", metric.value))
    });
    differs.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_and_nothing_counted_twice(
        steps in prop::collection::vec((0u16..200, any::<u8>(), any::<u8>()), 0..250),
        (from, length) in prop_oneof![Just((0, 60_000)), (0u64..15_000, 1u64..15_000)],
        rest in 0u64..3_000,
        interval in 300u64..2_000,
    ) {

        let server = |number: usize| ServerLayout { name: format!("gateway-{number}"), group: 0, workers: WORKERS, limited: false, transactions_max: None, pauses: false, supervised: false, limits: [false; 2], calls: false, tls: false, streams: false, balancer: false, behind: 0, proxy: false, clocks: false, keepalive: false, reloads: false, connections_max: None };
        let layout = Layout {
            duration: ms(60_000),
            interval: ms(interval),
            from: at(from),
            until: at(from + length),
            servers: (0..SERVERS).map(server).collect(),
            faults: (0..FAULTS)
                .map(|number| {
                    let servers = vec![(number % SERVERS) as u32];
                    FaultLayout { name: format!("f{number}"), drawn: false, servers, opaque: false }
                })
                .collect(),
            ..layout(SESSIONS)
        };
        let whole = length == 60_000;
        let mut world = World::new(layout.clone());
        for (passed, what, who) in steps {
            world.step(passed, what, who);
        }
        let end = world.now + rest;
        let feed = std::mem::replace(&mut world.feed, Feed::new(super::layout(0)));
        let events = feed.events.clone();
        let measured = feed.finish_at(end);
        prop_assert_eq!(differences(&layout, &events, end, &measured), Vec::<String>::new());
        let series = &measured.series;

        let (opened, scheduled) = part(&measured, "sessions.opened");
        let (never, _) = part(&measured, "sessions.never_opened");
        prop_assert_eq!(scheduled, opened + never);
        prop_assert_eq!(count(&measured, "time_to_open.count"), scheduled);

        for ((end, open), wanted) in series.ends.iter().zip(&series.sessions_open).zip(&series.sessions_wanted) {
            prop_assert!(open <= wanted);
            // The last interval may end with the run, and has what happens at that very moment.
            let truth = world.before(end.0.div_ceil(1_000_000));
            prop_assert_eq!((*open, *wanted), (truth.usable, truth.wanted), "at {:?}", end);
        }
        for (open, lowest) in series.sessions_open.iter().zip(&series.sessions_open_lowest) {
            prop_assert!(lowest <= open);
        }
        let (usable, wanted) = world.areas(from, (from + length).min(end));
        match ratio(&measured, "availability.mean") {
            // An interrupted run ends just after its last event.
            Some(_) if wanted == 0 => {}
            Some(ratio) => prop_assert!((ratio - usable as f64 / wanted as f64).abs() < 1e-4),
            None => prop_assert_eq!(wanted, 0),
        }

        let outcomes: u32 = series.outcomes.iter().flatten().sum();
        prop_assert_eq!(outcomes, world.outcomes);
        let total = count(&measured, "attempts.total");
        // There are no names that could be unresolved.
        let possible = Outcome::ALL.into_iter().filter(|outcome| measured.series.shows(*outcome));
        let count_of = |outcome: Outcome| part(&measured, &format!("attempts.{}", outcome.name())).0;
        let by_outcome: Vec<u64> = possible.map(count_of).collect();
        let pending = part(&measured, "attempts.pending").0;
        prop_assert_eq!(by_outcome.iter().sum::<u64>() + pending, total);
        prop_assert_eq!(count(&measured, "attempt_latency.count"), total);
        prop_assert_eq!(count(&measured, "handshake_latency.count"), by_outcome[Outcome::Opened as usize]);
        prop_assert_eq!(count(&measured, "servers.gateway.opened"), by_outcome[Outcome::Opened as usize]);
        if whole {
            prop_assert_eq!(total - pending, u64::from(world.outcomes));
            prop_assert_eq!(by_outcome[Outcome::Opened as usize], u64::from(world.opened));
            let arrivals: u32 = world.servers.iter().map(|process| process.arrivals).sum();
            prop_assert_eq!(count(&measured, "servers.gateway.arrivals.total"), u64::from(arrivals));
            prop_assert_eq!(count(&measured, "servers.gateway.queue_wait.count"), u64::from(arrivals));
            let of_intervals: u32 = series.servers.iter().flat_map(|server| &server.arrivals).sum();
            prop_assert_eq!(of_intervals, arrivals);
        }

        for fault in 0..FAULTS {
            let (open_again, affected) = part(&measured, &format!("faults.f{fault}.open_again"));
            prop_assert!(open_again <= affected);
            prop_assert!(affected <= u64::from(world.opened));
        }
        let latencies = ["time_to_open", "handshake_latency", "attempt_latency", "detection_time", "outage"];
        for path in latencies.into_iter().chain(["servers.gateway.queue_wait", "servers.gateway-0.queue_wait"]) {
            if count(&measured, &format!("{path}.count")) > 0 {
                prop_assert!(rising(&measured, path).is_sorted(), "{}: {:?}", path, rising(&measured, path));
            }
        }
        for utilisation in series.servers.iter().flat_map(|server| &server.utilisation) {
            prop_assert!((0.0..=1.0).contains(utilisation));
        }
    }
}
