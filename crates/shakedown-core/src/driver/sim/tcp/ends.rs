//! Who is at the ends of a connection: what their draws are keyed by, where they stand when a link between places is struck,
//! and what address others see.

use super::Tcp;
use super::connection::{Peer, PeerId};
use super::peers::ExternalConnections;
use crate::fault::Side;
use crate::machine::ConnectionId;
use crate::rng::Identity;

impl Tcp {
    /// The host that whoever opened a connection runs on: path latency is drawn for it.
    #[inline]
    pub(crate) fn host_of(&self, peer: PeerId) -> Identity {
        match peer.who() {
            Peer::Session(session) => {
                let (group, index) = self.peers.session(session);
                self.peers.group(group).host_of(index)
            }
            Peer::Server(server) => self.hosts[server as usize].identity,
            Peer::Host(host) => {
                let (group, number) = self.peers.carrier_host(host);
                self.peers.group(group).host_of(number)
            }
        }
    }

    /// What is drawn for a peer's messages is keyed by it.
    #[inline]
    pub(crate) fn identity_of_peer(&self, peer: PeerId) -> Identity {
        match peer.who() {
            Peer::Session(session) => {
                let (group, index) = self.peers.session(session);
                self.peers.group(group).identity(index)
            }
            Peer::Server(server) => self.hosts[server as usize].identity,
            Peer::Host(_) => self.host_of(peer),
        }
    }

    /// What is drawn for a connection is keyed by who opened it and its number there.
    pub(crate) fn identity_of(&self, connection: u32) -> Identity {
        let entry = &self.connections[connection];
        if self.is_strangers(connection) {
            let number = ConnectionId(entry.client_number).as_own().unwrap_or_default();
            return self.host_of(entry.caller).nth(number.into());
        }
        let peer = self.identity_of_peer(entry.caller);
        Identity(peer.0.wrapping_add(u64::from(entry.client_number) << 40))
    }

    /// The public address that a connection comes from.
    pub(crate) fn address_of(&self, connection: u32) -> Identity {
        let (group, number) = match self.connections[connection].caller.who() {
            Peer::Session(session) => self.peers.session(session),
            Peer::Server(server) => {
                let address = self.strangers.as_ref().and_then(|strangers| strangers.addresses.get(&connection));
                return address.copied().unwrap_or(self.hosts[server as usize].identity);
            }
            Peer::Host(host) => self.peers.carrier_host(host),
        };
        self.peers.group(group).address_of(number)
    }

    /// Whether a program opened a connection that is none of the scenario's.
    #[inline]
    pub(crate) fn is_strangers(&self, connection: u32) -> bool {
        let is_theirs =
            |strangers: &ExternalConnections| self.connections[connection].caller == PeerId::server(strangers.host);
        self.strangers.as_ref().is_some_and(is_theirs)
    }

    /// Where a peer stands when a partition comes between.
    pub(crate) fn side_of(&self, peer: PeerId) -> Side {
        match peer.who() {
            Peer::Session(session) => Side::Clients(self.peers.session(session).0),
            Peer::Server(server) => Side::Server(server),
            Peer::Host(host) => Side::Clients(self.peers.carrier_host(host).0),
        }
    }

    /// Whether a peer's host has power. Clients' always have.
    #[inline]
    pub(crate) fn peer_powered(&self, peer: PeerId) -> bool {
        match peer.who() {
            Peer::Session(_) | Peer::Host(_) => true,
            Peer::Server(server) => self.hosts[server as usize].kernel.powered(),
        }
    }
}
