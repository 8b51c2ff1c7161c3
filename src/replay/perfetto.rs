//! A run as a trace that <https://ui.perfetto.dev> and `chrome://tracing` open: the Trace Event Format, as JSON.
//!
//! Faults are slices; a server has counters (waiting requests, connections, busy workers) and a track for each worker; selected
//! sessions have a track each.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value as Json, json};

use super::events::Names;
use crate::event::{Event, Kind, Value};
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};
use crate::{client, fault, server};

/// Processes, in the format's words: faults, sessions, and then the servers.
const FAULTS: u32 = 1;
const SESSIONS: u32 = 2;
const SERVERS: u32 = 10;

/// Writes a run's events as a trace.
#[derive(Debug)]
pub struct Perfetto<'a, W: Write> {
    names: Names<'a>,
    out: Out<W>,
    servers: Vec<Server>,
    /// Client groups and numbers in them.
    chosen: Vec<(u16, u32)>,
    sessions: Vec<Session>,
    /// Faults that strike, by fault and what they strike, with the number of their slice.
    faults: BTreeMap<(u16, String), u64>,
    slices: u64,
}

/// What is known of a server.
#[derive(Debug, Default)]
struct Server {
    waiting: i64,
    connections: i64,
    /// By worker: the connection that it works for, and since when.
    workers: Vec<Option<(u32, Timestamp)>>,
    /// The most that were busy.
    tracks: usize,
}

/// What is known of a picked session: slices that have begun.
#[derive(Debug, Default, Clone)]
struct Session {
    lookup: Option<Timestamp>,
    attempt: Option<(Timestamp, String)>,
    connected: Option<Timestamp>,
    open: Option<(Timestamp, String)>,
}

#[derive(Debug)]
struct Out<W> {
    out: W,
    any: bool,
    written: std::io::Result<()>,
}

impl<W: Write> Out<W> {
    fn put(&mut self, event: &Json) {
        if self.written.is_ok() {
            let before = if self.any { ",\n" } else { "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" };
            self.any = true;
            self.written = write!(self.out, "{before}{event}");
        }
    }

    fn name(&mut self, what: &str, pid: u32, tid: u32, name: &str) {
        self.put(&json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}));
    }

    fn slice(&mut self, track: (u32, u32), from: Timestamp, until: Timestamp, name: &str) {
        let length = until.since(from);
        let (pid, tid) = track;
        self.put(&json!({
            "ph": "X", "name": name, "pid": pid, "tid": tid, "ts": micros(from.0), "dur": micros(length.0),
        }));
    }

    fn instant(&mut self, (pid, tid): (u32, u32), at: Timestamp, name: &str) {
        self.put(&json!({"ph": "i", "s": "t", "name": name, "pid": pid, "tid": tid, "ts": micros(at.0)}));
    }

    fn counter(&mut self, pid: u32, at: Timestamp, name: &str, value: i64) {
        self.put(&json!({"ph": "C", "name": name, "pid": pid, "ts": micros(at.0), "args": {"value": value}}));
    }
}

/// The format's unit is the microsecond; its parts are told.
fn micros(ns: u64) -> Json {
    match ns % 1_000 {
        0 => (ns / 1_000).into(),
        _ => (ns as f64 / 1e3).into(),
    }
}

impl<'a, W: Write> Perfetto<'a, W> {
    /// With these sessions, given as client groups and numbers in them.
    pub fn new(scenario: &'a Scenario, chosen: &[(u16, u32)], out: W) -> Perfetto<'a, W> {
        let mut out = Out { out, any: false, written: Ok(()) };
        out.name("process_name", FAULTS, 0, "faults");
        if !chosen.is_empty() {
            out.name("process_name", SESSIONS, 0, "sessions");
        }
        for (tid, (group, index)) in (1..).zip(chosen) {
            let name = scenario.clients().get_index(usize::from(*group)).map_or("?", |(name, _)| name.as_str());
            out.name("thread_name", SESSIONS, tid, &format!("{name}-{index}"));
        }
        for (number, server) in (SERVERS..).zip(scenario.servers()) {
            out.name("process_name", number, 0, &server.name);
        }
        let servers = scenario.servers().iter().map(|_| Server::default()).collect();
        Perfetto {
            names: Names::new(scenario),
            out,
            servers,
            chosen: chosen.to_vec(),
            sessions: vec![Session::default(); chosen.len()],
            faults: BTreeMap::new(),
            slices: 0,
        }
    }

    /// Whether nothing can be written any more.
    pub fn failed(&self) -> bool {
        self.out.written.is_err()
    }

    /// Ends what is still going on, and the file.
    ///
    /// # Errors
    /// The first thing that went wrong with writing.
    pub fn finish(mut self, end: Timestamp) -> std::io::Result<()> {
        for ((fault, what), id) in std::mem::take(&mut self.faults) {
            self.edge("e", fault, &what, id, end);
        }
        for place in 0..self.sessions.len() {
            self.ends_attempt(place, end, "under way");
            self.ends_open(place, end);
        }
        for (number, server) in (0..).zip(std::mem::take(&mut self.servers)) {
            for (worker, (_, since)) in (1..).zip(server.workers).filter_map(|(n, work)| Some((n, work?))) {
                self.out.slice((SERVERS + number, worker), since, end, "under way");
            }
        }
        self.out.written?;
        writeln!(self.out.out, "\n]}}")?;
        self.out.out.flush()
    }

    fn edge(&mut self, phase: &str, fault: u16, what: &str, id: u64, at: Timestamp) {
        let name = format!("{}: {what}", self.names.fault(fault));
        self.out.put(&json!({
            "ph": phase, "cat": "fault", "id": id, "name": name, "pid": FAULTS, "tid": 0, "ts": micros(at.0),
        }));
    }

    fn fault(&mut self, at: Timestamp, fault: u16, event: fault::Event) {
        let begins = match event {
            fault::Event::Began { .. } | fault::Event::Parted(_) | fault::Event::Impaired(..) => true,
            fault::Event::Healed { .. } | fault::Event::Joined(_) | fault::Event::Cleared(..) => false,
            _ => return,
        };
        let mut words = Vec::new();
        for (key, value) in Kind::Fault(fault, event).said().fields {
            match value {
                Value::Text(text) => words.push(text.to_string()),
                Value::Endpoint(number) if key == "server" => words.push(format!("of {}", self.names.endpoint(number))),
                Value::Endpoint(number) => words.push(format!("from {}", self.names.endpoint(number))),
                Value::Group(group) => words.push(format!("from {}", self.names.group(group))),
                _ => {}
            }
        }
        let what = words.join(" ");
        if begins {
            self.slices += 1;
            self.faults.insert((fault, what.clone()), self.slices);
            self.edge("b", fault, &what, self.slices, at);
        } else if let Some(id) = self.faults.remove(&(fault, what.clone())) {
            self.edge("e", fault, &what, id, at);
        }
        if let fault::Event::Began { server, kind } = event
            && kind.takes_down()
            && !kind.revives()
        {
            self.forgets(at, server);
        }
    }

    /// A process has ended, and with it all that it was doing.
    fn forgets(&mut self, at: Timestamp, number: u32) {
        let Some(server) = self.servers.get_mut(number as usize) else { return };
        let pid = SERVERS + number;
        for (worker, work) in (1..).zip(&mut server.workers) {
            if let Some((_, since)) = work.take() {
                self.out.slice((pid, worker), since, at, "cut short");
            }
        }
        (server.waiting, server.connections) = (0, 0);
        self.out.counter(pid, at, "waiting", 0);
        self.out.counter(pid, at, "connections", 0);
        self.out.counter(pid, at, "busy workers", 0);
    }

    fn server(&mut self, at: Timestamp, number: u32, event: server::Event) {
        use server::Event;
        let pid = SERVERS + number;
        let server = &mut self.servers[number as usize];
        let (waiting, connections) = (server.waiting, server.connections);
        match event {
            Event::Accepted { .. } | Event::FlowBegan { .. } => server.connections += 1,
            Event::Closed { .. } | Event::FlowEnded { .. } => server.connections -= 1,
            Event::Requested { queued: true, .. }
            | Event::Hello { queued: true, .. }
            | Event::Probed { queued: true, .. } => server.waiting += 1,
            Event::TurnedAway { queued: true, .. } | Event::Expired { .. } => server.waiting -= 1,
            Event::ServiceStarted { connection, queued, .. } => {
                server.waiting -= i64::from(queued);
                let free = server.workers.iter().position(Option::is_none);
                let worker = free.unwrap_or_else(|| {
                    server.workers.push(None);
                    server.workers.len() - 1
                });
                server.workers[worker] = Some((connection, at));
                if worker >= server.tracks {
                    server.tracks = worker + 1;
                    self.out.name("thread_name", pid, worker as u32 + 1, &format!("worker {worker}"));
                }
                self.busy(at, number);
            }
            Event::Answered { connection, status, .. } => self.worked(at, number, connection, &status.to_string()),
            Event::ProbeAnswered { .. } => self.worked(at, number, u32::MAX, "probe"),
            Event::HelloAnswered { connection, .. } => self.worked(at, number, connection, "TLS"),
            Event::Wasted { connection, .. } => self.worked(at, number, connection, "wasted"),
            Event::Worked { connection, .. } => self.worked(at, number, connection, "before its calls"),
            Event::Left => self.forgets(at, number),
            Event::Killed { .. } => {
                self.forgets(at, number);
                self.out.instant((pid, 0), at, Kind::Server(number, event).said().kind);
            }
            Event::Paused
            | Event::Resumed
            | Event::Joined
            | Event::Leaving
            | Event::Restarted
            | Event::NotReady
            | Event::Ready => {
                self.out.instant((pid, 0), at, Kind::Server(number, event).said().kind);
            }
            _ => {}
        }
        let server = &self.servers[number as usize];
        if server.waiting != waiting {
            self.out.counter(pid, at, "waiting", server.waiting);
        }
        if server.connections != connections {
            self.out.counter(pid, at, "connections", server.connections);
        }
    }

    fn busy(&mut self, at: Timestamp, number: u32) {
        let busy = self.servers[number as usize].workers.iter().flatten().count();
        self.out.counter(SERVERS + number, at, "busy workers", busy as i64);
    }

    fn worked(&mut self, at: Timestamp, number: u32, connection: u32, name: &str) {
        let workers = &mut self.servers[number as usize].workers;
        let worker = workers.iter().position(|work| work.is_some_and(|(other, _)| other == connection));
        // Where service takes no time, no worker was seen.
        if let Some(worker) = worker
            && let Some((_, since)) = workers[worker].take()
        {
            self.out.slice((SERVERS + number, worker as u32 + 1), since, at, name);
            self.busy(at, number);
        }
    }

    fn session(&mut self, at: Timestamp, session: u32, event: client::Event) {
        use client::Event;
        let who = self.names.who(session);
        let Some(place) = self.chosen.iter().position(|chosen| Some(*chosen) == who) else { return };
        let track = (SESSIONS, place as u32 + 1);
        match event {
            Event::Resolving { .. } => self.sessions[place].lookup = Some(at),
            Event::Resolved { name, .. } => {
                if let Some(since) = self.sessions[place].lookup.take() {
                    self.out.slice(track, since, at, &format!("lookup of {}", self.names.endpoint(name)));
                }
            }
            Event::AttemptStarted { endpoint, .. } => {
                self.sessions[place].attempt = Some((at, self.names.endpoint(endpoint).to_string()));
                self.sessions[place].connected = None;
            }
            Event::Connected { .. } => {
                if let Some((since, _)) = &self.sessions[place].attempt {
                    self.out.slice(track, *since, at, "connect");
                }
                self.sessions[place].connected = Some(at);
            }
            Event::Opened { endpoint, .. } => {
                self.ends_attempt(place, at, "opened");
                self.sessions[place].open = Some((at, self.names.endpoint(endpoint).to_string()));
            }
            Event::AttemptFailed { failure, .. } => self.ends_attempt(place, at, failure.outcome().name()),
            Event::Redirected { status, .. } => self.ends_attempt(place, at, &status.to_string()),
            Event::Lost { end, .. } => {
                self.ends_open(place, at);
                self.out.instant(track, at, &format!("lost: {}", client::End::NAMES[end.kind()]));
            }
            Event::Retrying { delay } | Event::Hopping { delay } if delay > Nanos::ZERO => {
                self.out.slice(track, at, at + delay, "waits");
            }
            Event::HeartbeatAnswered { .. } | Event::Retrying { .. } | Event::Hopping { .. } => {}
            Event::Ended | Event::GaveUp => {
                self.ends_attempt(place, at, "ended");
                self.ends_open(place, at);
                self.out.instant(track, at, Kind::Session(session, event).said().kind);
            }
            _ => self.out.instant(track, at, Kind::Session(session, event).said().kind),
        }
    }

    fn ends_attempt(&mut self, place: usize, at: Timestamp, outcome: &str) {
        let track = (SESSIONS, place as u32 + 1);
        let session = &mut self.sessions[place];
        if let Some(since) = session.connected.take() {
            self.out.slice(track, since, at, "handshake");
        }
        if let Some((since, server)) = session.attempt.take() {
            self.out.slice(track, since, at, &format!("attempt at {server}: {outcome}"));
        }
    }

    fn ends_open(&mut self, place: usize, at: Timestamp) {
        if let Some((since, server)) = self.sessions[place].open.take() {
            self.out.slice((SESSIONS, place as u32 + 1), since, at, &format!("open on {server}"));
        }
    }
}

impl<W: Write> Recorder for Perfetto<'_, W> {
    fn record(&mut self, event: &Event) {
        self.names.learn(event);
        match event.kind {
            Kind::Session(session, kind) => self.session(event.at, session, kind),
            Kind::Server(number, kind) => self.server(event.at, number, kind),
            Kind::Fault(number, kind) => self.fault(event.at, number, kind),
            _ => {}
        }
    }
}
