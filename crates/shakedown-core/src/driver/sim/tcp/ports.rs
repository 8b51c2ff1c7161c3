//! Ports of the addresses that several connections share: those of client hosts and of NATs, and of servers that open
//! connections. (Balancers that terminate connections count theirs as well, to choose a server that has one left.)

use super::Tcp;
use super::connection::{ClientEnd, Peer, ServerEnd};
use super::port_table::Limit;
use super::queued::Queued;
use crate::event::Kind;
use crate::network::{Ending, Event};

impl Tcp {
    /// The shared address that a connection comes from, and what it has.
    fn limit(&self, connection: u32) -> Option<Limit> {
        let table = self.ports.as_ref()?;
        match self.connections[connection].caller.who() {
            Peer::Session(session) => table.clients[usize::from(self.peers.session(session).0)],
            Peer::Host(host) => table.clients[usize::from(self.peers.carrier_host(host).0)],
            // What programs connect over is none of these.
            Peer::Server(server) => table.servers.get(server as usize).copied().flatten(),
        }
    }

    /// A connect needs a port. True if there is none, and it fails.
    #[cold]
    pub(super) fn lacks_port(&mut self, connection: u32) -> bool {
        let Some(limit) = self.limit(connection) else { return false };
        let (address, server, now) = (self.address_of(connection), self.dialled(connection), self.now);
        let Some(table) = &mut self.ports else { return false };
        if table.take(address, server, limit, now) {
            return false;
        }
        table.portless.insert(connection);
        let session = self.connections[connection].caller.code();
        self.record(Kind::Network(server, Event::NoPort { session }));
        if !limit.of_nat {
            self.push(connection, self.now, Queued::NoPort { connection });
        }
        !limit.of_nat
    }

    /// A host without power has forgotten what its ports wait for.
    pub(super) fn forget_ports(&mut self, server: u32) {
        let host = self.hosts[server as usize].identity;
        if let Some(table) = &mut self.ports {
            table.ports.retain(|(address, _), _| *address != host);
        }
    }

    /// Whether a connect has no port at its NAT.
    pub(super) fn is_portless(&self, connection: u32) -> bool {
        self.ports.as_ref().is_some_and(|table| table.portless.contains(&connection))
    }

    /// A SYN of a connect that had no port comes to its NAT. Whether there still is none.
    #[cold]
    pub(super) fn stays_portless(&mut self, connection: u32) -> bool {
        let Some(limit) = self.limit(connection) else { return false };
        let (address, server, now) = (self.address_of(connection), self.dialled(connection), self.now);
        let Some(table) = &mut self.ports else { return false };
        let free = table.take(address, server, limit, now);
        if free {
            table.portless.remove(&connection);
        }
        !free
    }

    /// The end that opened a connection is about to be done with it. Where its address is shared, others may have its port:
    /// at once, or when TIME-WAIT is over.
    #[cold]
    pub(super) fn free_port(&mut self, connection: u32, by_fin: bool) {
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Closed || entry.is_stream() || self.limit(connection).is_none() {
            return;
        }
        // A FIN of the server's that is yet to arrive crosses this one: both ends wait.
        let server_first =
            matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone) && entry.last_to_client <= self.now;
        let ending = match (by_fin && entry.client == ClientEnd::Open, server_first) {
            (false, _) => Ending::Cut,
            (true, false) => Ending::ClosedFirst,
            (true, true) => Ending::ClosedSecond,
        };
        let (address, server, now) = (self.address_of(connection), self.dialled(connection), self.now);
        let Some(table) = &mut self.ports else { return };
        if table.portless.remove(&connection) {
            return;
        }
        if let Some(ports) = table.ports.get_mut(&(address, server)) {
            ports.give_back(now, ending);
            if ports.is_idle(now) {
                table.ports.remove(&(address, server));
            }
        }
    }
}
