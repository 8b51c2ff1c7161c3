//! Half-open connections: one end has ended an open connection, or is gone, and the other believes that it is open.
//!
//! It needs to know which session a server's connection is ([`network::Event::Paired`]). A connection of a balancer or a proxy
//! is that of its client with it.
//!
//! [`network::Event::Paired`]: crate::network::Event::Paired

use std::collections::BTreeMap;

use super::latency::Latency;
use super::segments::Segments;
use super::servers::Part;
use super::summary::Summary;
use super::value::Value;
use crate::time::{Nanos, Timestamp};

/// Who still believes that a connection is open; the places of what is counted of each.
const SERVERS: usize = 0;
const CLIENTS: usize = 1;
const NAMES: [&str; 2] = ["servers", "clients"];

/// A server's connection with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not open, as far as the client knows.
    New,
    /// The same, and the server has ended it.
    Over,
    Open,
    /// One end is gone since a moment.
    Half(usize, Timestamp),
}

/// The half-open connections of a run.
#[derive(Debug)]
pub(super) struct HalfOpen {
    /// By server and its number for the connection.
    pairs: BTreeMap<(u32, u32), (u32, State)>,
    /// The latest of each session.
    latest: BTreeMap<u32, (u32, u32)>,
    now: [u32; 2],
    /// By segment.
    most: Vec<[u32; 2]>,
    unfinished: Vec<[u64; 2]>,
    knew: [Latency; 2],
}

impl HalfOpen {
    pub(super) fn new(segments: usize) -> HalfOpen {
        HalfOpen {
            pairs: BTreeMap::new(),
            latest: BTreeMap::new(),
            now: [0; 2],
            most: vec![[0; 2]; segments],
            unfinished: vec![[0; 2]; segments],
            knew: [(); 2].map(|()| Latency::default().cut_into(segments)),
        }
    }

    /// A server has accepted a session's connection.
    pub(super) fn paired(&mut self, server: u32, connection: u32, session: u32) {
        self.pairs.insert((server, connection), (session, State::New));
        self.latest.insert(session, (server, connection));
    }

    /// A session is open, on the latest of its connections.
    pub(super) fn opened(&mut self, now: Timestamp, session: u32, within: &Segments) {
        let Some(pair) = self.latest.get(&session).copied() else { return };
        match self.pairs.get_mut(&pair).filter(|(of, _)| *of == session) {
            Some((_, state @ State::New)) => *state = State::Open,
            Some((_, State::Over)) => {
                self.begins(now, pair, CLIENTS, within);
            }
            _ => {}
        }
    }

    /// A session has ended its open connection, or learnt that it is over.
    pub(super) fn ended(&mut self, now: Timestamp, session: u32, within: &Segments) {
        let Some(pair) = self.latest.remove(&session) else { return };
        match self.pairs.get(&pair).filter(|(of, _)| *of == session) {
            Some((_, State::Open)) => self.begins(now, pair, SERVERS, within),
            Some((_, State::Half(CLIENTS, since))) => {
                let since = *since;
                self.pairs.remove(&pair);
                self.knows(now, CLIENTS, since, within);
            }
            _ => {}
        }
    }

    /// A server's connection is over: it has ended it, or learnt that it is over.
    pub(super) fn closed(&mut self, now: Timestamp, server: u32, connection: u32, within: &Segments) {
        let pair = (server, connection);
        match self.pairs.get_mut(&pair) {
            Some((_, State::Open)) => self.begins(now, pair, CLIENTS, within),
            Some((_, State::Half(SERVERS, since))) => {
                let since = *since;
                self.pairs.remove(&pair);
                self.knows(now, SERVERS, since, within);
            }
            Some((_, state @ State::New)) => *state = State::Over,
            _ => {}
        }
    }

    /// A server's process is gone, with what it believed.
    pub(super) fn wiped(&mut self, now: Timestamp, server: u32, within: &Segments) {
        let of_server = self.pairs.range((server, 0)..=(server, u32::MAX));
        let all: Vec<((u32, u32), State)> = of_server.map(|(pair, (_, state))| (*pair, *state)).collect();
        for (pair, state) in all {
            match state {
                State::Open => self.begins(now, pair, CLIENTS, within),
                State::Half(SERVERS, since) => {
                    // It never knew.
                    self.pairs.remove(&pair);
                    self.now[SERVERS] -= 1;
                    self.unfinished[within.of(since)][SERVERS] -= 1;
                }
                State::New => drop(self.pairs.insert(pair, (self.pairs[&pair].0, State::Over))),
                State::Over | State::Half(..) => {}
            }
        }
    }

    fn begins(&mut self, now: Timestamp, pair: (u32, u32), believer: usize, within: &Segments) {
        if let Some((_, state)) = self.pairs.get_mut(&pair) {
            *state = State::Half(believer, now);
        }
        self.now[believer] += 1;
        let most = &mut self.most[within.current()][believer];
        *most = (*most).max(self.now[believer]);
        self.unfinished[within.of(now)][believer] += 1;
    }

    fn knows(&mut self, now: Timestamp, believer: usize, since: Timestamp, within: &Segments) {
        self.now[believer] -= 1;
        let segment = within.of(since);
        self.unfinished[segment][believer] -= 1;
        if within.measures(since) {
            self.knew[believer].record_of(now.since(since), segment);
        }
    }

    /// Closes an interval of the series: how many there are, by who believes that they are open.
    pub(super) fn end_interval(&mut self, start: Timestamp, length: Nanos, columns: &mut [Vec<u32>; 2]) {
        for ((column, now), knew) in columns.iter_mut().zip(self.now).zip(&mut self.knew) {
            column.push(now);
            knew.end_interval(start, length);
        }
    }

    /// The next segment of the run begins, with this number.
    pub(super) fn cut(&mut self, next: usize) {
        self.most[next] = self.now;
        self.knew.iter_mut().for_each(Latency::cut);
    }

    /// The end of the run: whoever does not know by now is infinitely slow.
    pub(super) fn finish(&mut self, within: &Segments) {
        for (segment, unfinished) in
            self.unfinished.iter().enumerate().filter(|(segment, _)| within.is_measured(*segment))
        {
            for (knew, count) in self.knew.iter_mut().zip(unfinished) {
                knew.add_unfinished_of(*count, segment);
            }
        }
    }

    /// Adds the metrics of some segments.
    pub(super) fn summarize(&self, part: Part<'_>, summary: &mut Summary) {
        for (believer, name) in NAMES.iter().enumerate() {
            let most = part.segments.iter().map(|segment| self.most[*segment][believer]).max().unwrap_or(0);
            summary.push(format!("{}half_open.{name}_max", part.prefix), Value::Count(most.into()));
            summary.push_latency(&format!("{}half_open.{name}", part.prefix), &part.of(&self.knew[believer]));
        }
    }
}
