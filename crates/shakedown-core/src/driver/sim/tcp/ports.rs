//! Ports of the addresses that several connections share: those of client hosts and of NATs, and of servers that open
//! connections. (Balancers that terminate connections count theirs as well, to choose a server that has one left.)

use std::collections::{BTreeMap, BTreeSet};

use super::connection::{ClientEnd, Peer, ServerEnd};
use super::{Queued, Tcp};
use crate::event::Kind;
use crate::network::{EPHEMERAL_PORTS, Ending, Event, Ports, TimeWait};
use crate::rng::Identity;
use crate::scenario::Scenario;
use crate::server::{Balancing, Forwarding, Machine};
use crate::time::Timestamp;

/// What an address has.
#[derive(Debug, Clone, Copy)]
struct Limit {
    most: u32,
    /// It is a NAT's, which drops a SYN that it has no port for; a host's own kernel fails the connect.
    of_nat: bool,
}

/// Every address that is shared, and its ports towards each server. Absent where none is.
#[derive(Debug)]
pub(super) struct PortTable {
    time_wait: TimeWait,
    /// By client group, and by server.
    clients: Vec<Option<Limit>>,
    servers: Vec<Option<Limit>>,
    ports: BTreeMap<(Identity, u32), Ports>,
    /// Connects that a NAT has no port for yet.
    portless: BTreeSet<u32>,
}

impl PortTable {
    /// That of a scenario, if it needs one.
    pub(super) fn new(scenario: &Scenario) -> Option<Box<PortTable>> {
        let client = |config: &crate::client::Config| {
            let shared = config.hosts.is_some_and(|hosts| hosts < config.count) || config.nat.is_some();
            let most = config.ports.unwrap_or(EPHEMERAL_PORTS);
            shared.then_some(Limit { most, of_nat: config.nat.is_some() })
        };
        let server = |group: &crate::server::Group| match &group.machine {
            Machine::Proxy(proxy) => Some(Limit { most: proxy.ports, of_nat: false }),
            Machine::Balancer(Balancing { forwarding: Forwarding::Terminate { ports, .. }, .. }) => {
                Some(Limit { most: *ports, of_nat: false })
            }
            Machine::Web(web) if !web.calls.is_empty() => Some(Limit { most: EPHEMERAL_PORTS, of_nat: false }),
            _ => None,
        };
        let clients: Vec<Option<Limit>> = scenario.clients().values().map(client).collect();
        let servers: Vec<Option<Limit>> =
            scenario.servers().iter().map(|entry| server(&scenario.groups()[entry.group])).collect();
        let any = clients.iter().chain(&servers).any(Option::is_some);
        let time_wait = scenario.network().time_wait();
        any.then(|| {
            Box::new(PortTable { time_wait, clients, servers, ports: BTreeMap::new(), portless: BTreeSet::new() })
        })
    }

    /// Takes a port of an address towards a server. False if there was none left.
    fn take(&mut self, address: Identity, server: u32, limit: Limit, now: Timestamp) -> bool {
        let ports = self.ports.entry((address, server)).or_insert_with(|| Ports::new(limit.most, self.time_wait));
        let free = ports.has_free(now);
        if free {
            ports.take(now);
        }
        free
    }
}

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
