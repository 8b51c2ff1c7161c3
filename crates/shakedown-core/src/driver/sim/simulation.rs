//! The loop: pops the earliest item, gives it to whom it is for.

use std::collections::BTreeSet;

use super::net::{Net, Simulation};
use super::pools::Streams;
use super::standstill::{Guard, Standstill};
use super::tcp::Tcp;
use super::tcp::queued::Queued;
use super::tcp::segment::Segment;
use super::tcp::tap::Tap;
use super::tickets::Tls;
use crate::driver::names::Dns;
use crate::driver::stage::{Due, Stage};
use crate::event::{Event, Kind};
use crate::machine::ConnectError;
use crate::record::{Message, Recorder};
use crate::scenario::Scenario;
use crate::server::Forwarding;
use crate::time::Timestamp;

/// Items whose events a recorder gets at once: as many as stay in a processor's nearest cache.
const BATCH: u64 = 64;

/// Events that there is room for from one batch to the next. A fault may strike more connections than that at once.
const EVENTS_KEPT: usize = 4096;

impl Simulation {
    /// A run of a scenario, at its beginning.
    pub fn new(scenario: &Scenario) -> Simulation {
        let balancer = |group: usize| scenario.groups()[group].balancer();
        let forwards_packets = |group| balancer(group).is_some_and(|balancer| balancer.forwarding == Forwarding::Nat);
        let net = Net {
            end: Timestamp::ZERO + scenario.duration(),
            tcp: Tcp::new(scenario, forwards_packets),
            dns: Dns::new(scenario),
            addresses: Vec::new(),
            tls: Tls::default(),
            streams: Streams::default(),
            external: None,
            changes: Vec::new(),
            guard: Guard::new(scenario),
        };
        let mut simulation = Stage::over(net, scenario, scenario.directory());
        simulation.sessions.reserve_exact(scenario.sessions() as usize);
        let Stage { net: Net { streams, tcp, changes, .. }, groups, .. } = &mut simulation;
        streams.begin(scenario, groups, &mut tcp.peers);
        let windows = tcp.faults.iter().flat_map(|fault| &fault.windows);
        changes.extend(windows.flat_map(|window| [Some(window.begins), window.heals]).flatten());
        changes.sort_unstable();
        simulation.next_quiet();
        simulation.prepare_tls();
        simulation.begin();
        simulation.schedule_names();
        simulation
    }

    /// Moves the end of the quiet on to the next change.
    fn next_quiet(&mut self) {
        let next = self.net.changes.partition_point(|change| *change <= self.net.tcp.now);
        self.net.tcp.quiet_until = self.net.changes.get(next).copied().unwrap_or(Timestamp::NEVER);
    }

    /// The virtual time that the run has reached.
    pub fn now(&self) -> Timestamp {
        self.net.tcp.now
    }

    /// Events recorded so far.
    pub fn events(&self) -> u64 {
        self.net.tcp.seq
    }

    /// Works through at most `budget` items, and gives the recorder their events. False when the run is at its end,
    /// or at an instant that it never leaves ([`Simulation::standstill`]).
    pub fn advance(&mut self, recorder: &mut impl Recorder, mut budget: u64) -> bool {
        while budget > 0 {
            let items = budget.min(BATCH);
            budget -= items;
            let goes_on = self.step(items);
            recorder.record_all(&self.net.tcp.events);
            self.net.tcp.events.clear();
            self.net.tcp.events.shrink_to(EVENTS_KEPT);
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// The events since they were drained last. Whoever calls [`Simulation::step`] drains them now and then.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Event> {
        self.net.tcp.events.drain(..)
    }

    /// Works through at most `budget` items. Their events wait for [`Simulation::drain`]. False when the run is at its end,
    /// or at an instant that it never leaves.
    pub fn step(&mut self, budget: u64) -> bool {
        let since = self.net.tcp.now;
        for _ in 0..budget {
            // Arrivals come in order of time anyway: they need no place in the queue.
            let arrival = self.next_arrival();
            match self.net.tcp.queue.pop(arrival) {
                Some((at, item)) if at < self.net.end => {
                    self.net.tcp.now = at;
                    self.dispatch(item);
                }
                None if arrival < self.net.end => {
                    self.net.tcp.now = arrival;
                    self.arrive();
                }
                _ => {
                    self.net.tcp.now = self.net.end;
                    return false;
                }
            }
        }
        self.time_passes(since, budget)
    }

    /// Counts what was worked through since a moment. False when that is more than an instant can hold: the run is over,
    /// and [`Simulation::standstill`] says why.
    #[inline]
    pub(super) fn time_passes(&mut self, since: Timestamp, items: u64) -> bool {
        if self.net.tcp.now != since {
            self.net.guard.passed();
            return true;
        }
        self.net.guard.holds(items) || self.stand_still()
    }

    #[cold]
    fn stand_still(&mut self) -> bool {
        let Net { tcp, guard, .. } = &mut self.net;
        let session = |event: &Event| match event.kind {
            Kind::Session(session, _) => {
                let machine = &self.sessions[session as usize].machine;
                Some((session, (machine.group(), machine.index())))
            }
            _ => None,
        };
        guard.found(tcp.now, &tcp.events, &tcp.events.iter().filter_map(session).collect());
        false
    }

    /// Why the run ended before its end, if it did: no time passed any more.
    pub fn standstill(&self) -> Option<&Standstill> {
        self.net.guard.standstill()
    }

    /// Has the messages of these sessions kept, given by their client groups' numbers and their own in these.
    pub fn listen(&mut self, sessions: impl IntoIterator<Item = (u16, u32)>) {
        self.net.tcp.tap = Some(Tap::new(sessions.into_iter().collect::<BTreeSet<_>>()));
        self.net.tcp.exceptional = true;
    }

    /// Works through everything, as [`Simulation::advance`] does, and returns what the chosen sessions' connections
    /// carried, in the order in which it was sent.
    pub fn finish_and_tell(&mut self, recorder: &mut impl Recorder) -> Vec<Message> {
        while self.advance(recorder, u64::MAX) {}
        self.heard()
    }

    /// Works through at most `budget` items before the first session that is scheduled at this moment or later. False
    /// when there are no more.
    pub fn advance_before(&mut self, recorder: &mut impl Recorder, scheduled: Timestamp, budget: u64) -> bool {
        (0..budget).all(|_| {
            let arrival = self.next_arrival();
            arrival < scheduled && self.advance(recorder, 1)
        })
    }

    /// What the chosen sessions' connections carried, in the order in which it was sent.
    pub fn heard(&mut self) -> Vec<Message> {
        self.net.tcp.tap.take().map_or_else(Vec::new, |tap| tap.messages())
    }

    pub(super) fn dispatch(&mut self, item: Queued) {
        if self.net.tcp.exceptional {
            self.net.tcp.hear(item);
        }
        match item {
            Queued::Stage(due) => {
                if let Due::FaultBegins { .. } | Due::FaultHeals { .. } = due {
                    self.next_quiet();
                }
                self.run(due);
            }
            Queued::SessionWake { session } => self.wake_session(session),
            Queued::ServerWake { server } => self.wake_server(server),
            Queued::Syn { connection } => self.syn(connection),
            Queued::SynAck { connection, caller } => self.syn_ack(connection, caller),
            Queued::SynRefused { connection } => self.not_connected(connection, ConnectError::Refused),
            Queued::SynGivenUp { connection } => self.not_connected(connection, ConnectError::TimedOut),
            Queued::NoPort { connection } => self.not_connected(connection, ConnectError::NoPort),
            Queued::ToServer { connection, segment } => self.segment_at_server(connection, segment),
            Queued::ToClient { connection, caller, segment } => self.segment_at_client(connection, caller, segment),
            Queued::FinToServer { connection } => self.fin_at_server(connection),
            Queued::FinToClient { connection } => self.fin_at_client(connection),
            Queued::RstToServer { connection } => self.rst_at_server(connection),
            Queued::RstToClient { connection } => self.rst_at_client(connection),
            Queued::Hop { transmission } => self.hop(transmission),
            Queued::Retransmitted { connection, way, point } => self.retransmitted(connection, way, point),
            Queued::SynBehind { connection } => self.net.tcp.syn_behind(connection),
            Queued::RelayAnswer { connection, refused } => self.net.tcp.relay_answer(connection, refused),
            Queued::Relay { connection, segment, way } => self.net.tcp.relay(connection, way, Segment::Data(segment)),
            Queued::RelayEnd { connection, way, reset } => {
                self.net.tcp.relay(connection, way, if reset { Segment::Rst } else { Segment::Fin });
            }
            Queued::GivenUp { connection, way } => self.given_up(connection, way),
            Queued::Answer { name, session, connection } => self.answer(name, session, connection),
            Queued::Names(step) => self.names(step),
            Queued::Clocks => self.ring_clocks(),
            Queued::Notify => self.notify_sessions(),
            Queued::Idle { connection, since } => self.idle_for_long(connection, since),
        }
        if !self.net.tcp.dialled.is_empty() {
            self.dial_all();
        }
        self.forget_released();
        if !self.net.tcp.deferred.is_empty() {
            self.net.tcp.record_deferred();
        }
    }
}
