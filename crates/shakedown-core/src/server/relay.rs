//! Two connections that form a relay: bytes and ends (FIN, RST) of each are forwarded to the other.

use std::collections::{BTreeMap, VecDeque};

use super::Outputs;
use crate::machine::ConnectionId;
use crate::time::Timestamp;

/// What is kept of who talks before there is anyone to listen: far more than an opening handshake takes.
const WAITING_MAX: usize = 64 * 1024;

/// The second connection of a way, which the server opened.
#[derive(Debug, Clone, Copy)]
struct Way {
    accepted: u32,
    to: usize,
    up: bool,
}

/// The first connection of a way, which the server accepted.
#[derive(Debug, Default)]
struct Client {
    /// The number of its way on; `None`: there is no such connection.
    way: Option<u32>,
    /// What it said before the way was up.
    waiting: Vec<u8>,
}

/// The two ends of a way that is no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parted {
    pub own: ConnectionId,
    pub accepted: ConnectionId,
    /// What [`Relay::begin`] was told.
    pub to: usize,
}

/// The ways through one process. All of it stays empty where it passes nothing on.
#[derive(Debug, Default)]
pub(super) struct Relay {
    /// By the server's own number for the second connection.
    ways: BTreeMap<u32, Way>,
    clients: Vec<Client>,
    numbers: u32,
    /// When connects have taken too long, in order.
    connecting: VecDeque<(Timestamp, u32)>,
}

impl Relay {
    /// A number for a connection that the server opens, for a way or otherwise.
    pub fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers - 1
    }

    /// Ways, be they up or not.
    pub fn len(&self) -> u32 {
        self.ways.len() as u32
    }

    /// An accepted connection is to have a way on, up by `due`: under which number to open it. `to` is the caller's mark.
    pub fn begin(&mut self, accepted: ConnectionId, to: usize, due: Timestamp) -> ConnectionId {
        let own = self.number();
        self.ways.insert(own, Way { accepted: accepted.0, to, up: false });
        if self.clients.len() <= accepted.0 as usize {
            self.clients.resize_with(accepted.0 as usize + 1, Client::default);
        }
        self.clients[accepted.0 as usize].way = Some(own);
        self.connecting.push_back((due, own));
        ConnectionId::own(own)
    }

    /// The accepted connection whose way on this is.
    pub fn accepted_for(&self, own: u32) -> Option<ConnectionId> {
        self.ways.get(&own).map(|way| ConnectionId(way.accepted))
    }

    /// The second connection is up: what the client has said goes on. Says which accepted connection it is the way of.
    pub fn up(&mut self, own: u32, out: &mut Outputs) -> Option<ConnectionId> {
        let way = self.ways.get_mut(&own)?;
        way.up = true;
        let waiting = std::mem::take(&mut self.clients[way.accepted as usize].waiting);
        if !waiting.is_empty() {
            out.transmit(ConnectionId::own(own), |bytes| bytes.extend_from_slice(&waiting));
        }
        Some(ConnectionId(way.accepted))
    }

    /// Bytes came in on either connection of a way. False if they are more than is kept until the way is up.
    #[must_use]
    pub fn pass(&mut self, c: ConnectionId, bytes: &[u8], out: &mut Outputs) -> bool {
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

    /// Takes the way apart that a connection, be it the first or the second, is one of.
    pub fn part(&mut self, c: ConnectionId) -> Option<Parted> {
        let own = c.as_own().or_else(|| self.clients.get(c.0 as usize)?.way)?;
        let Way { accepted, to, .. } = self.ways.remove(&own)?;
        self.clients[accepted as usize] = Client::default();
        Some(Parted { own: ConnectionId::own(own), accepted: ConnectionId(accepted), to })
    }

    /// The second connections of the ways to a mark.
    pub fn ways_to(&self, to: usize) -> Vec<ConnectionId> {
        let there = self.ways.iter().filter(|(_, way)| way.to == to);
        there.map(|(own, _)| ConnectionId::own(*own)).collect()
    }

    /// When the first connect will have taken too long. Those that came out are forgotten.
    pub fn next_due(&mut self) -> Option<Timestamp> {
        loop {
            let (at, own) = *self.connecting.front()?;
            if self.ways.get(&own).is_some_and(|way| !way.up) {
                return Some(at);
            }
            self.connecting.pop_front();
        }
    }

    /// A connect that has taken too long by now.
    pub fn overdue(&mut self, now: Timestamp) -> Option<ConnectionId> {
        self.next_due().filter(|due| *due <= now)?;
        self.connecting.pop_front().map(|(_, own)| ConnectionId::own(own))
    }
}
