//! What is kept of TLS: how far each connection's handshake is, servers' ticket keys, clients' tickets. All of this stays
//! empty where no server has TLS.

use crate::network::Direction;
use crate::time::Timestamp;
use crate::tls::Ticket;

/// All that is kept.
#[derive(Debug, Default)]
pub(super) struct Tls {
    /// Handshakes by connection, as far as any had one.
    pub ends: Vec<Ends>,
    /// The number of each server's ticket key, where there is TLS.
    pub keys: Vec<Key>,
    pub next_key: u32,
    /// The first ticket of each client process (or session), by client group; last, of each server that is a client.
    pub first: Vec<Vec<u32>>,
    pub tickets: Vec<KeptTicket>,
}

/// The key that a server makes its tickets with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub number: u32,
    /// It is lost with the process.
    pub of_process: bool,
}

/// A ticket that a client keeps.
#[derive(Debug)]
pub(super) struct KeptTicket {
    /// Whom it is for.
    pub endpoint: u32,
    pub key: u32,
    pub expires: Timestamp,
    /// The same client's ticket for another endpoint.
    pub next: u32,
}

/// How far the two ends of a connection are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub client: Client,
    pub server: Server,
    /// Whom the client means to reach.
    pub endpoint: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Client {
    /// TLS is up, or there is none.
    #[default]
    Done,
    /// Waits for the server's first flight. After an upgrade within HTTP no request follows, which `Finished` could travel
    /// with.
    Greeted { upgraded: bool },
    /// Waits for the server's second.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Server {
    /// TLS is up, or there is none.
    #[default]
    Done,
    /// Waits for the `ClientHello`; after what came in plain, if anything did.
    Waits { upgraded: bool },
    /// Has it: the process will answer.
    Greeted { resumed: bool, upgraded: bool },
    /// Waits for the client's second flight.
    Answered { upgraded: bool },
    /// After an upgrade within HTTP: waits for the client's `Finished`.
    Finishing { resumed: bool },
}

const NONE: u32 = u32::MAX;

impl Tls {
    /// Whether what arrives there is part of a handshake.
    #[inline]
    pub(super) fn concerns(&self, connection: u32, way: Direction) -> bool {
        self.ends.get(connection as usize).is_some_and(|ends| match way {
            Direction::ToServer => ends.server != Server::Done,
            Direction::ToClient => ends.client != Client::Done,
        })
    }

    /// The connection's place is a new one's.
    pub(super) fn forget(&mut self, connection: u32) {
        if let Some(ends) = self.ends.get_mut(connection as usize) {
            *ends = Ends::default();
        }
    }

    pub(super) fn ends(&mut self, connection: u32) -> &mut Ends {
        let at = connection as usize;
        if at >= self.ends.len() {
            self.ends.resize_with(at + 1, Ends::default);
        }
        &mut self.ends[at]
    }

    /// The process of a server is gone; the next one draws keys of its own.
    pub(super) fn lose_keys(&mut self, server: u32) {
        if let Some(key) = self.keys.get_mut(server as usize).filter(|key| key.of_process) {
            key.number = self.next_key;
            self.next_key += 1;
        }
    }

    /// The place of a client's ticket for an endpoint.
    pub(super) fn find(&self, group: usize, client: usize, endpoint: u32) -> Option<usize> {
        let mut at = *self.first.get(group)?.get(client)?;
        while at != NONE {
            let kept = &self.tickets[at as usize];
            if kept.endpoint == endpoint {
                return Some(at as usize);
            }
            at = kept.next;
        }
        None
    }

    /// A client keeps its latest ticket for each endpoint.
    pub(super) fn keep(&mut self, group: usize, client: usize, endpoint: u32, ticket: Ticket, now: Timestamp) {
        let expires = now + ticket.lifetime;
        if let Some(at) = self.find(group, client, endpoint) {
            let kept = &mut self.tickets[at];
            (kept.key, kept.expires) = (ticket.key, expires);
            return;
        }
        let of_group = &mut self.first[group];
        if client >= of_group.len() {
            of_group.resize(client + 1, NONE);
        }
        let next = std::mem::replace(&mut of_group[client], self.tickets.len() as u32);
        self.tickets.push(KeptTicket { endpoint, key: ticket.key, expires, next });
    }
}
