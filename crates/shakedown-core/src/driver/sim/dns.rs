//! Lookups, and the checks that take the records of dead servers out.

use super::names::Check;
use super::net::Simulation;
use super::tcp::queued::Queued;
use crate::event::Kind;
use crate::machine::{ConnectionId, EndpointId, Input};
use crate::network::dns::Event;
use crate::network::{Direction, SynAnswer};
use crate::rng::Identity;
use crate::time::{Nanos, Timestamp};

impl Simulation {
    /// Puts what changes names beforehand into the queue.
    pub(super) fn schedule_names(&mut self) {
        for (number, name) in (0..).zip(&self.net.dns.names) {
            for at in name.changes() {
                self.net.tcp.queue.push(at, Queued::RecordsChange { name: number });
            }
        }
        for check in 0..self.net.dns.checks.len() as u32 {
            self.net.tcp.queue.push(Timestamp::ZERO, Queued::Check { check });
        }
    }

    /// A session asks its resolver.
    #[cold]
    pub(super) fn look_up(&mut self, session: u32, c: ConnectionId, name: EndpointId) {
        let number = name.0 - self.net.dns.first;
        let latency = self.net.dns.names[number as usize].latency(self.seed, self.client(session), u64::from(c.0));
        let item = Queued::Answer { name: number as u16, session, connection: c.0 };
        self.net.tcp.queue.push(self.net.tcp.now + latency, item);
    }

    /// The resolver's answer is there. Where it has none, nothing is: the session stops waiting by itself.
    #[cold]
    pub(super) fn answer(&mut self, name: u16, session: u32, connection: u32) {
        let slot = &self.sessions[session as usize];
        let host = self.net.tcp.peers.groups[usize::from(slot.machine.group())].host_of(slot.machine.index());
        let client = (self.client(session), u64::from(connection));
        let mut addresses = std::mem::take(&mut self.net.dns.addresses);
        let ttl =
            self.net.dns.names[usize::from(name)].answer(self.seed, host, client, self.net.tcp.now, &mut addresses);
        if let Some(ttl) = ttl {
            self.session_input(session, Input::Resolved(ConnectionId(connection), &addresses, ttl));
        }
        self.net.dns.addresses = addresses;
    }

    fn client(&self, session: u32) -> Identity {
        let slot = &self.sessions[session as usize];
        self.groups[usize::from(slot.machine.group())].plan.identity(slot.machine.index())
    }

    /// Somebody writes other records.
    pub(super) fn records_change(&mut self, name: u16) {
        let mut events = Vec::new();
        self.net.dns.names[usize::from(name)].change(self.net.tcp.now, |event| events.push(event));
        self.record_changes(name, events);
    }

    fn record_changes(&mut self, name: u16, events: Vec<Event>) {
        for event in events {
            self.net.tcp.record(Kind::Dns(name, event));
        }
    }

    /// A check begins: one SYN, from a place of its own that no link, loss or partition is about.
    pub(super) fn check_begins(&mut self, check: u32) {
        let Check { name, .. } = self.net.dns.checks[check as usize];
        let Some(health) = self.net.dns.names[usize::from(name)].health() else { return };
        let (every, timeout) = (health.every, health.timeout);
        let way = self.way_of_check(check, Direction::ToServer);
        self.net.tcp.queue.push(self.net.tcp.now + every, Queued::Check { check });
        if way > timeout {
            self.net.tcp.queue.push(self.net.tcp.now + timeout, Queued::CheckEnds { check, went_well: false });
        } else {
            self.net.tcp.queue.push(self.net.tcp.now + way, Queued::CheckArrives { check });
        }
    }

    /// The check is at the server, whose kernel answers it, or not.
    pub(super) fn check_arrives(&mut self, check: u32) {
        let Check { name, server, .. } = self.net.dns.checks[check as usize];
        let Some(health) = self.net.dns.names[usize::from(name)].health() else { return };
        let sent = self.net.tcp.now - self.way_of_check(check, Direction::ToServer);
        let answered = self.net.tcp.now + self.way_of_check(check, Direction::ToClient);
        let expires = sent + health.timeout;
        let (at, went_well) = match self.net.tcp.hosts[server.0 as usize].kernel.syn() {
            SynAnswer::Accepted => (answered, answered <= expires),
            SynAnswer::Refused | SynAnswer::Overflowed => (answered, false),
            SynAnswer::BacklogFull | SynAnswer::Unanswered => (Timestamp::NEVER, false),
        };
        self.net.tcp.queue.push(at.min(expires), Queued::CheckEnds { check, went_well });
    }

    pub(super) fn check_ends(&mut self, check: u32, went_well: bool) {
        let Check { name, server, .. } = self.net.dns.checks[check as usize];
        let mut events = Vec::new();
        self.net.dns.names[usize::from(name)].checked(self.net.tcp.now, server, went_well, |event| events.push(event));
        self.record_changes(name, events);
    }

    fn way_of_check(&self, check: u32, way: Direction) -> Nanos {
        let Check { server, checker, .. } = self.net.dns.checks[check as usize];
        // The first route is the one that no link is about.
        self.net.tcp.links.one_way(0, way, checker, self.net.tcp.hosts[server.0 as usize].identity)
    }
}
