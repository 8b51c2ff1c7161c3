//! Connects: what becomes of a SYN on its way and at its host, and when it is repeated.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shakedown_core::driver::pipes;
use shakedown_core::machine::ConnectError;
use shakedown_core::network::{Direction, Event};
use shakedown_core::rng::Identity;
use shakedown_core::time::{Nanos, Timestamp};
use tokio::net::TcpStream;

use super::super::setup::Part;
use super::connection::{Connection, ConnectionKey, Opener, Segment};
use super::connections::Network;
use super::effects::{Effect, SocketInput, Timer, notify_owner};
use super::options;
use super::queued::Queued;
use super::sockets::Sockets;
use crate::stream::{StreamEvent, StreamHandle};

impl Network {
    /// A machine connects to a server: its SYN leaves.
    pub(crate) fn connect(&mut self, server: u32, opener: Opener) -> ConnectionKey {
        let identity = Identity(opener.identity.0.wrapping_add(u64::from(opener.number.0) << 40));
        let mut connection = Connection::new(self.now, server, Some(opener), identity, opener.host);
        if self.emulates {
            let there = self.ports[server as usize].identity;
            connection.route = match opener.place {
                pipes::Initiator::Client { group, .. } => self.links.route(group, server),
                pipes::Initiator::Server(caller) => self.links.route_between(caller, server),
            };
            let way = |way: Direction| self.links.one_way(connection.route, way, opener.host, there);
            (connection.to_server.one_way, connection.to_client.one_way) =
                (way(Direction::ToServer), way(Direction::ToClient));
        }
        connection.of_program = self.ports.get(server as usize).is_some_and(|port| port.of_program);
        let key = self.add(connection);
        if self.bottlenecks.is_some() {
            self.queue_up(key, Direction::ToServer, Queued::Syn, 0);
        } else {
            let at = self.arrival_of(key, Direction::ToServer);
            if at <= self.now { self.syn(key) } else { self.timers.push(at, Timer::Syn { key }) }
        }
        key
    }

    /// A SYN comes to its host: silence, or whatever the kernels make of it.
    pub(super) fn syn(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else { return };
        let server = connection.server;
        if connection.client_closed {
            // The session gave up before it came.
            return;
        }
        let powered = !self.emulates || self.kernel(server).powered();
        if powered && !self.is_cut(key, Direction::ToServer) {
            if connection.is_up() {
                // A full queue dropped the answer to an earlier one.
                return self.deliver(key, Direction::ToClient, Segment::Connected);
            }
            return self.dial(key);
        }
        let session = connection.code();
        self.record(server, Event::SynDropped { session, backlog_full: false });
        self.repeat_syn(key);
    }

    /// Silence: the client's kernel repeats the SYN, by its schedule, until it gives up.
    pub(super) fn repeat_syn(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.syns += 1;
        let (opened, syns) = (connection.opened, connection.syns);
        match self.syn_schedule.repetition(syns) {
            Some(after) if self.bottlenecks.is_some() => self.queue_syn(key, opened + after),
            Some(after) => {
                let arrives = self.arrival_of_repeated_syn(key, opened + after);
                self.timers.push(arrives.max(self.now), Timer::Syn { key });
            }
            None => {
                let at = (opened + self.syn_schedule.gives_up()).max(self.now);
                let at = self.in_order(key, Direction::ToClient, at);
                self.put(key, Direction::ToClient, at, Segment::Failed(ConnectError::TimedOut));
            }
        }
    }

    /// When a repeated SYN arrives that leaves at a moment. It has no jitter.
    pub(super) fn arrival_of_repeated_syn(&self, key: ConnectionKey, leaves: Timestamp) -> Timestamp {
        let one_way =
            self.connections.get(&key).map_or(Nanos::ZERO, |connection| connection.one_way(Direction::ToServer));
        leaves + one_way + self.delay(key, Direction::ToServer, leaves)
    }

    /// A SYN is at the host it is for, which has power and is within reach: the kernels do the rest.
    fn dial(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let server = connection.server;
        let handle = StreamHandle::default();
        connection.to_client.stream = Some(handle.clone());
        let Some(&(mut to)) = self.addresses.get(&server) else {
            // Nobody said where it is.
            return self.deliver(key, Direction::ToClient, Segment::Failed(ConnectError::Refused));
        };
        let Some(place) = connection.opener.map(|opener| opener.place) else { return };
        let own = self.sockets.world().map(|world| world.address(place));
        let from = own.or_else(|| {
            (!self.sources.is_empty()).then(|| {
                self.next_source = (self.next_source + 1) % self.sources.len();
                self.sources[self.next_source]
            })
        });
        if let Some(from) = from.filter(|_| to.ip().is_unspecified()) {
            // A server that listens on every address is dialled at one that it has.
            to.set_ip(match from {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                v6 => v6,
            });
        }
        let owner = self.owner.clone();
        let options = self.options.of(place);
        let socket = self.sockets.socket_of(place, to).and_then(|socket| {
            options::set(&socket, options)?;
            Ok(socket)
        });
        let task = tokio::task::spawn_local(async move {
            let bound = |address| notify_owner(&owner, SocketInput::Bound(key, address));
            let connected = match socket {
                Ok(socket) => Sockets::connect(socket, from, to, bound).await,
                Err(error) => Err(error),
            };
            match connected {
                Err(error) => notify_owner(&owner, SocketInput::NotConnected(key, error)),
                Ok(stream) => {
                    notify_owner(&owner, SocketInput::Connected(key));
                    let read = |event: StreamEvent<'_>| {
                        notify_owner(&owner, SocketInput::Read(key, Direction::ToClient, event));
                    };
                    handle.carry(stream, read).await;
                }
            }
        });
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.connecting = Some(task.abort_handle());
        }
    }

    /// A connect has its address.
    pub(super) fn bound(&mut self, key: ConnectionKey, address: SocketAddr) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.address = Some(address);
            self.by_address.insert(address, key);
        }
    }

    pub(super) fn connected(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.connecting = None;
        self.deliver(key, Direction::ToClient, Segment::Connected);
    }

    pub(super) fn not_connected(&mut self, key: ConnectionKey, error: io::Error) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.connecting = None;
        connection.to_client.stream = None;
        let (server, session) = (connection.server, connection.code());
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                if self.part != Part::Clients {
                    self.record(server, Event::SynRefused { session, backlog_full: false });
                }
                ConnectError::Refused
            }
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ConnectError::TimedOut
            }
            // External clients took all there is: a server can't reach another, and says so.
            _ if self.part == Part::Servers => {
                self.over_limit += 1;
                ConnectError::Refused
            }
            // This machine could not even try: whatever were measured from here on would not be the servers' doing.
            kind => {
                let error = io::Error::new(kind, format!("a client can't connect: {error}"));
                return self.effects.push_back(Effect::Fail(error));
            }
        };
        self.deliver(key, Direction::ToClient, Segment::Failed(why));
    }

    /// A kernel has completed a connection to a server.
    pub(super) fn accepted(&mut self, server: u32, stream: TcpStream, from: SocketAddr) {
        let key = match self.by_address.get(&from).copied() {
            Some(key) => key,
            None => {
                if self.connections.len() + self.calls >= self.connections_max {
                    self.over_limit += 1;
                    return;
                }
                self.strangers += 1;
                let identity = Identity::group("strangers").nth(self.strangers);
                let host = Identity::group(&from.ip().to_string());
                self.add(Connection::new(self.now, server, None, identity, host))
            }
        };
        let Some(connection) = self.connections.get_mut(&key) else { return };
        // Where they can't be set, the connection has ended already.
        let _ = options::set(&stream, self.options.of_server(server));
        let handle = StreamHandle::default();
        connection.to_server.stream = Some(handle.clone());
        let owner = self.owner.clone();
        tokio::task::spawn_local(async move {
            let read =
                |event: StreamEvent<'_>| notify_owner(&owner, SocketInput::Read(key, Direction::ToServer, event));
            handle.carry(stream, read).await;
        });
        self.deliver(key, Direction::ToServer, Segment::Accepted);
    }
}
