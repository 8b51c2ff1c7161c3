//! Whoever may be at the end of a connection, as far as the network must know.

use std::collections::BTreeMap;

use crate::driver::stage::ClientHosts;
use crate::network::Host;
use crate::rng::Identity;
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// A server's host: its kernel, and what is drawn for it.
#[derive(Debug)]
pub(crate) struct ServerHost {
    pub kernel: Host,
    pub identity: Identity,
    /// It passes packets on to other hosts.
    pub is_relay: bool,
    /// What it answers a SYN with is decided elsewhere.
    pub is_external: bool,
    /// It does not stop by itself before this.
    pub quiet_until: Timestamp,
}

/// Connections that programs open which are none of the scenario's: their driver's own network carries what they take.
#[derive(Debug)]
pub(crate) struct ExternalConnections {
    /// The place among the servers' hosts that has them.
    pub host: u32,
    /// Where they come from.
    pub addresses: BTreeMap<u32, Identity>,
}

/// Everyone on the clients' side.
#[derive(Debug)]
pub(crate) struct Peers {
    pub groups: Vec<ClientHosts>,
    /// The group of each session, and its number there. Where there is one group, sessions have the same numbers in it.
    sessions: Vec<(u16, u32)>,
    /// The group of each host that has connections of its own, and its number there.
    carriers: Vec<(u16, u32)>,
}

impl Peers {
    pub(crate) fn new(scenario: &Scenario) -> Peers {
        Peers { groups: ClientHosts::of(scenario), sessions: Vec::new(), carriers: Vec::new() }
    }

    /// The next session is this one.
    pub(crate) fn add_session(&mut self, group: u16, index: u32) {
        if self.groups.len() > 1 {
            self.sessions.push((group, index));
        }
    }

    /// The next host with connections of its own is this one.
    pub(crate) fn add_carrier_host(&mut self, group: u16, number: u32) {
        self.carriers.push((group, number));
    }

    /// The client group of a session, and its number there.
    #[inline]
    pub(crate) fn session(&self, session: u32) -> (u16, u32) {
        self.sessions.get(session as usize).copied().unwrap_or((0, session))
    }

    /// The client group of a host, and its number there.
    pub(crate) fn carrier_host(&self, host: u32) -> (u16, u32) {
        self.carriers[host as usize]
    }

    pub(super) fn group(&self, group: u16) -> &ClientHosts {
        &self.groups[usize::from(group)]
    }
}
