//! Two connections that form a relay: bytes and ends (FIN, RST) of each are forwarded to the other.

use std::collections::{BTreeMap, VecDeque};

use super::event::Outputs;
use crate::machine::ConnectionId;
use crate::rng::Identity;
use crate::time::Timestamp;

/// Limit of data that is kept before the second connection is established: far more than an opening handshake needs.
const WAITING_MAX: usize = 64 * 1024;

/// The second connection of a relay, which the server opened.
#[derive(Debug, Clone, Copy)]
struct Outbound {
    accepted: u32,
    /// Who is at the other end of that.
    client: Identity,
    to: usize,
    up: bool,
}

/// The first connection of a relay, which the server accepted.
#[derive(Debug, Default)]
struct Client {
    /// The number of its second connection; `None`: there is no such connection.
    way: Option<u32>,
    /// Data that arrived before the second connection was established.
    waiting: Vec<u8>,
}

/// The two connections of a relay that has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct EndedRelay {
    pub own: ConnectionId,
    pub accepted: ConnectionId,
    /// The mark given to [`Relay::begin`].
    pub to: usize,
    /// Whether the second was established.
    pub up: bool,
}

/// The relays of one process. Empty unless it forwards connections.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// By the server's own number for the second connection.
    ways: BTreeMap<u32, Outbound>,
    clients: Vec<Client>,
    numbers: u32,
    /// When connects have taken too long, in order.
    connecting: VecDeque<(Timestamp, u32)>,
}

impl Relay {
    /// A number for a connection that the server opens, for a relay or otherwise.
    pub(super) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers - 1
    }

    /// The number of relays, established or not.
    pub(super) fn len(&self) -> u32 {
        self.ways.len() as u32
    }

    /// Begins a second connection for an accepted one, to be established by `due`; returns its number. `to` is the caller's
    /// mark.
    pub(super) fn begin(
        &mut self,
        accepted: ConnectionId,
        client: Identity,
        to: usize,
        due: Timestamp,
    ) -> ConnectionId {
        let own = self.number();
        self.ways.insert(own, Outbound { accepted: accepted.0, client, to, up: false });
        if self.clients.len() <= accepted.0 as usize {
            self.clients.resize_with(accepted.0 as usize + 1, Client::default);
        }
        self.clients[accepted.0 as usize].way = Some(own);
        self.connecting.push_back((due, own));
        ConnectionId::own(own)
    }

    /// The accepted connection of this second connection.
    pub(super) fn accepted_for(&self, own: u32) -> Option<ConnectionId> {
        self.ways.get(&own).map(|way| ConnectionId(way.accepted))
    }

    /// Whether an accepted connection has a second one.
    pub(super) fn has(&self, accepted: ConnectionId) -> bool {
        self.clients.get(accepted.0 as usize).is_some_and(|client| client.way.is_some())
    }

    /// The accepted connections that have a second one, and who is at the other end of each.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (ConnectionId, Identity)> {
        self.ways.values().map(|way| (ConnectionId(way.accepted), way.client))
    }

    /// The second connection is established: sends the client's data. Returns the accepted connection.
    pub(super) fn up(&mut self, own: u32, out: &mut Outputs) -> Option<ConnectionId> {
        let way = self.ways.get_mut(&own)?;
        way.up = true;
        let waiting = std::mem::take(&mut self.clients[way.accepted as usize].waiting);
        if !waiting.is_empty() {
            out.transmit(ConnectionId::own(own), |bytes| bytes.extend_from_slice(&waiting));
        }
        Some(ConnectionId(way.accepted))
    }

    /// Bytes arrived on either connection of a relay. False if they exceed the limit before the relay is established.
    #[must_use]
    pub(super) fn pass(&mut self, c: ConnectionId, bytes: &[u8], out: &mut Outputs) -> bool {
        let to = match c.as_own() {
            Some(own) => self.accepted_for(own),
            None => {
                let Some(client) = self.clients.get_mut(c.0 as usize) else { return true };
                let Some(own) = client.way else { return true };
                if !self.ways[&own].up {
                    client.waiting.extend_from_slice(bytes);
                    return client.waiting.len() <= WAITING_MAX;
                }
                Some(ConnectionId::own(own))
            }
        };
        if let Some(to) = to {
            out.transmit(to, |out| out.extend_from_slice(bytes));
        }
        true
    }

    /// Ends the relay of a connection, the first or the second.
    pub(super) fn part(&mut self, c: ConnectionId) -> Option<EndedRelay> {
        let own = c.as_own().or_else(|| self.clients.get(c.0 as usize)?.way)?;
        let Outbound { accepted, to, up, .. } = self.ways.remove(&own)?;
        self.clients[accepted as usize] = Client::default();
        Some(EndedRelay { own: ConnectionId::own(own), accepted: ConnectionId(accepted), to, up })
    }

    /// The second connections of the relays with a mark.
    pub(super) fn ways_to(&self, to: usize) -> Vec<ConnectionId> {
        let there = self.ways.iter().filter(|(_, way)| way.to == to);
        there.map(|(own, _)| ConnectionId::own(*own)).collect()
    }

    /// The earliest time limit of a connect. Those that have ended are removed.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        loop {
            let (at, own) = *self.connecting.front()?;
            if self.ways.get(&own).is_some_and(|way| !way.up) {
                return Some(at);
            }
            self.connecting.pop_front();
        }
    }

    /// A connect that has reached its time limit.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Option<ConnectionId> {
        self.next_due().filter(|due| *due <= now)?;
        self.connecting.pop_front().map(|(_, own)| ConnectionId::own(own))
    }
}
