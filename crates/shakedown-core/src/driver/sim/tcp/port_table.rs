//! Addresses that several connections share, and the ports that these have taken.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::{EPHEMERAL_PORTS, Ports, TimeWait};
use crate::rng::Identity;
use crate::scenario::Scenario;
use crate::server::{Balancing, Forwarding, Machine};
use crate::time::Timestamp;

/// What an address has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    most: u32,
    /// It is a NAT's, which drops a SYN that it has no port for; a host's own kernel fails the connect.
    pub of_nat: bool,
}

/// Every address that is shared, and its ports towards each server. Absent where none is.
#[derive(Debug)]
pub(super) struct PortTable {
    time_wait: TimeWait,
    /// By client group, and by server.
    pub clients: Vec<Option<Limit>>,
    pub servers: Vec<Option<Limit>>,
    pub ports: BTreeMap<(Identity, u32), Ports>,
    /// Connects that a NAT has no port for yet.
    pub portless: BTreeSet<u32>,
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
    pub(super) fn take(&mut self, address: Identity, server: u32, limit: Limit, now: Timestamp) -> bool {
        let ports = self.ports.entry((address, server)).or_insert_with(|| Ports::new(limit.most, self.time_wait));
        let free = ports.has_free(now);
        if free {
            ports.take(now);
        }
        free
    }
}
