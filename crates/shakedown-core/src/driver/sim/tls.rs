//! TLS between the machines and their TCP: both ends' handshakes.
//!
//! A flight is a message like any other: what can be lost, held up or read late is.

use super::net::Simulation;
use super::tcp::connection::Peer;
use super::tickets::{Client, Key, Server};
use crate::client::PoolInput;
use crate::machine::{ConnectionId, EndpointId, Input};
use crate::network::Direction;
use crate::server::TlsKeys;
use crate::tls::{Flight, Ticket, Version};

impl Simulation {
    /// Gives every server its first key.
    pub(super) fn prepare_tls(&mut self) {
        if self.plans.iter().all(|plan| plan.tls().is_none()) {
            return;
        }
        let groups = self.plans.len() as u32;
        let key = |(server, group): (u32, usize)| match self.plans[group].tls_keys() {
            TlsKeys::Shared => Key { number: group as u32, of_process: false },
            TlsKeys::Process => Key { number: groups + server, of_process: true },
        };
        self.net.tls.keys = (0..).zip(self.servers.iter().map(|server| server.group)).map(key).collect();
        self.net.tls.next_key = groups + self.servers.len() as u32;
        self.net.tls.first.resize_with(self.groups.len() + 1, Vec::new);
    }

    /// The group of who opened a connection, and which of its processes keeps the tickets.
    fn keeper(&self, connection: u32) -> (usize, usize) {
        let peers = &self.net.tcp.peers;
        let (group, process) = match self.net.tcp.connections[connection].caller.who() {
            Peer::Session(session) => {
                let (group, index) = peers.session(session);
                (group, peers.groups[usize::from(group)].host_number(index))
            }
            Peer::Server(server) => return (self.groups.len(), server as usize),
            Peer::Host(host) => peers.carrier_host(host),
        };
        (usize::from(group), process as usize)
    }

    fn send_flight(&mut self, connection: u32, way: Direction, flight: Flight) {
        let segment = self.write_flight(flight);
        self.net.tcp.send_segment(connection, way, segment, flight.wire_bytes().into());
    }

    fn write_flight(&mut self, flight: Flight) -> u32 {
        let segment = self.net.tcp.segments.reuse();
        let bytes = &mut self.net.tcp.segments[segment];
        bytes.clear();
        flight.write(bytes);
        segment
    }

    fn read_flight(&mut self, segment: u32) -> Option<Flight> {
        let flight = Flight::read(&self.net.tcp.segments[segment]);
        self.net.tcp.segments.release(segment);
        flight
    }

    /// Whoever opened a connection begins TLS, with the ticket that it has for this endpoint.
    pub(super) fn start_tls(&mut self, connection: u32, endpoint: EndpointId) {
        let (group, client) = self.keeper(connection);
        let kept = self.net.tls.find(group, client, endpoint.0).map(|at| &self.net.tls.tickets[at]);
        let ticket = kept.filter(|kept| self.net.tcp.now <= kept.expires).map(|kept| kept.key);
        let upgraded = self.groups.get(group).is_some_and(|group| group.plan.upgrades_to_tls());
        let ends = self.net.tls.ends(connection);
        (ends.client, ends.endpoint) = (Client::Greeted { upgraded }, endpoint.0);
        self.send_flight(connection, Direction::ToServer, Flight::ClientHello { ticket });
    }

    /// A connection was accepted: where its server has TLS, that comes first.
    pub(super) fn await_hello(&mut self, connection: u32, server: u32) {
        if !self.plans[self.servers[server as usize].group].tls().is_none() {
            self.net.tls.ends(connection).server = Server::Waits { upgraded: false };
        }
    }

    /// A server's process sends its first flight.
    pub(super) fn answer_hello(&mut self, connection: u32) {
        let server = self.net.tcp.connections[connection].server;
        let version = self.plans[self.servers[server as usize].group].tls();
        let Server::Greeted { resumed, upgraded } = self.net.tls.ends(connection).server else { return };
        let finished = resumed || version == Version::V1_3;
        self.net.tls.ends(connection).server = match (finished, upgraded) {
            (true, false) => Server::Done,
            (true, true) => Server::Finishing { resumed },
            (false, _) => Server::Answered { upgraded },
        };
        let ticket = if finished { self.ticket(server) } else { None };
        self.send_flight(connection, Direction::ToClient, Flight::ServerHello { finished, resumed, ticket });
    }

    /// What a server gives its clients for the next time.
    fn ticket(&self, server: u32) -> Option<Ticket> {
        let lifetime = self.plans[self.servers[server as usize].group].tickets()?;
        Some(Ticket { key: self.net.tls.keys[server as usize].number, lifetime })
    }

    /// A process reads a flight of a client that TLS is not up with yet.
    #[cold]
    pub(super) fn flight_at_server(&mut self, connection: u32, segment: u32) {
        let entry = &self.net.tcp.connections[connection];
        let (server, c) = (entry.server, ConnectionId(entry.server_number));
        let state = self.net.tls.ends(connection).server;
        if matches!(state, Server::Waits { .. }) && Flight::read(&self.net.tcp.segments[segment]).is_none() {
            // HTTP, which may offer to go on with TLS.
            self.net.tls.ends(connection).server = Server::Waits { upgraded: true };
            let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
            self.server_input(server, Input::Received(c, &bytes));
            self.net.tcp.segments[segment] = bytes;
            return self.net.tcp.segments.release(segment);
        }
        let flight = self.read_flight(segment);
        match (state, flight) {
            (Server::Waits { upgraded }, Some(Flight::ClientHello { ticket })) => {
                let known = self.ticket(server).map(|ticket| ticket.key);
                let resumed = ticket.is_some() && ticket == known;
                self.net.tls.ends(connection).server = Server::Greeted { resumed, upgraded };
                self.server_input(server, Input::Hello(c, resumed));
            }
            (Server::Finishing { resumed }, Some(Flight::ClientFinished)) => {
                self.net.tls.ends(connection).server = Server::Done;
                self.server_input(server, Input::Secured(c, resumed));
            }
            (Server::Answered { upgraded }, Some(Flight::ClientFinished)) => {
                self.net.tls.ends(connection).server = Server::Done;
                let ticket = self.ticket(server);
                self.send_flight(connection, Direction::ToClient, Flight::ServerFinished { ticket });
                if upgraded {
                    self.server_input(server, Input::Secured(c, false));
                }
            }
            // Peer speaks without TLS is not spoken with.
            _ => self.server_input(server, Input::Reset(c)),
        }
    }

    /// Whether whoever opened a connection refuses its server's certificate.
    fn distrusts(&self, connection: u32) -> bool {
        let server = self.net.tcp.connections[connection].server;
        let group = self.servers[server as usize].group;
        let Some(certificate) = self.plans[group].certificate() else { return false };
        let (clients, host) = self.keeper(connection);
        let client = self.groups.get(clients).map(|slot| {
            let hosts = &self.net.tcp.peers.groups[clients];
            (slot.plan.group_identity(), hosts.host_of(host as u32))
        });
        certificate.is_refused(self.net.tcp.now, client, self.seed, group as u64)
    }

    /// The client ends a handshake that it has no trust in. Its alert comes with the FIN.
    fn refuse_certificate(&mut self, connection: u32) {
        self.net.tls.ends(connection).client = Client::Done;
        let entry = &self.net.tcp.connections[connection];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        match caller.who() {
            Peer::Session(session) => self.session_input(session, Input::SecureFailed(c)),
            Peer::Server(server) => self.server_input(server, Input::SecureFailed(c)),
            Peer::Host(host) => self.notify_host(host, PoolInput::SecureFailed(c.0)),
        }
    }

    /// Whoever opened a connection reads a flight of its server.
    #[cold]
    pub(super) fn flight_at_client(&mut self, connection: u32, segment: u32) {
        let flight = self.read_flight(segment);
        let (resumed, ticket) = match (self.net.tls.ends(connection).client, flight) {
            (Client::Greeted { .. }, Some(Flight::ServerHello { resumed: false, .. }))
                if self.distrusts(connection) =>
            {
                return self.refuse_certificate(connection);
            }
            (Client::Greeted { .. }, Some(Flight::ServerHello { finished: false, .. })) => {
                self.net.tls.ends(connection).client = Client::Finished;
                return self.send_flight(connection, Direction::ToServer, Flight::ClientFinished);
            }
            (Client::Greeted { upgraded }, Some(Flight::ServerHello { resumed, ticket, .. })) => {
                if upgraded {
                    self.send_flight(connection, Direction::ToServer, Flight::ClientFinished);
                }
                (resumed, ticket)
            }
            (Client::Finished, Some(Flight::ServerFinished { ticket })) => (false, ticket),
            _ => return debug_assert!(false, "no server sends {flight:?} then"),
        };
        let ends = self.net.tls.ends(connection);
        ends.client = Client::Done;
        let endpoint = ends.endpoint;
        let entry = &self.net.tcp.connections[connection];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        let (group, client) = self.keeper(connection);
        if let Some(ticket) = ticket.filter(|_| self.groups.get(group).is_none_or(|group| group.plan.resumes_tls())) {
            self.net.tls.keep(group, client, endpoint, ticket, self.net.tcp.now);
        }
        let secured = Input::Secured(c, resumed);
        match caller.who() {
            Peer::Session(session) => self.session_input(session, secured),
            Peer::Server(server) => self.server_input(server, secured),
            Peer::Host(host) => self.notify_host(host, PoolInput::Secured(c.0, resumed)),
        }
    }
}
