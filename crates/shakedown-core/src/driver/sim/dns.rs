//! Lookups, and what is due of the names' records.

use super::net::Simulation;
use super::tcp::queued::Queued;
use crate::driver::names::{Around, Step};
use crate::event::Kind;
use crate::machine::{ConnectionId, EndpointId, Input};
use crate::rng::Identity;

impl Simulation {
    /// Puts what changes names by itself into the queue.
    pub(super) fn schedule_names(&mut self) {
        for (at, step) in self.net.dns.begin() {
            self.net.tcp.queue.push(at, Queued::Names(step));
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
        let mut addresses = std::mem::take(&mut self.net.addresses);
        let ttl =
            self.net.dns.names[usize::from(name)].answer(self.seed, host, client, self.net.tcp.now, &mut addresses);
        if let Some(ttl) = ttl {
            self.session_input(session, Input::Resolved(ConnectionId(connection), &addresses, ttl));
        }
        self.net.addresses = addresses;
    }

    fn client(&self, session: u32) -> Identity {
        let slot = &self.sessions[session as usize];
        self.groups[usize::from(slot.machine.group())].plan.identity(slot.machine.index())
    }

    /// Something is due of names.
    #[cold]
    pub(super) fn names(&mut self, step: Step) {
        let (tcp, mut next, mut events) = (&self.net.tcp, Vec::new(), Vec::new());
        let around = Around {
            now: tcp.now,
            // The first route is the one that no link is about.
            way: |checker, server: EndpointId, way| {
                tcp.links.one_way(0, way, checker, tcp.hosts[server.0 as usize].identity)
            },
            syn: |server: u32| tcp.hosts[server as usize].kernel.syn(),
        };
        let dns = &mut self.net.dns;
        dns.step(step, &around, |at, step| next.push((at, step)), |name, event| events.push(Kind::Dns(name, event)));
        for (at, step) in next {
            self.net.tcp.queue.push(at, Queued::Names(step));
        }
        events.into_iter().for_each(|event| self.net.tcp.record(event));
    }
}
