//! The network's state: its connections, and what it knows of servers, links and faults.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use shakedown_core::driver::bottlenecks::Bottlenecks;
use shakedown_core::driver::pipes;
use shakedown_core::driver::stage::Peer;
use shakedown_core::event::Kind;
use shakedown_core::fault::{self, Fault, Side};
use shakedown_core::machine::{CloseMode, ConnectionId};
use shakedown_core::network::{Direction, Event, Links, Message, SynSchedule};
use shakedown_core::rng::{Identity, Seed};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;
use tokio::net::TcpListener;

use super::super::schedule::{Schedule, Sleep};
use super::super::setup::{Part, Setup};
use super::connection::{Connection, ConnectionKey, Notice, Segment, ServerEnd};
use super::effects::{Effect, Listener, Nobody, Owner, SocketInput, Timer};
use super::options::SocketOptions;
use super::ports::Port;
use super::queued::Queued;
use super::sockets::Sockets;
use super::tls::Tls;
use crate::kernel::{Fate, Note};
use crate::stream::StreamHandle;

/// Connections, and what lies between their ends.
pub(crate) struct Network {
    pub now: Timestamp,
    pub sockets: Rc<Sockets>,
    pub(super) part: Part,
    /// Whether what lies between two hosts is played here: no wire does it.
    pub(super) emulates: bool,
    pub(super) seed: Seed,
    pub(super) options: SocketOptions,
    pub(super) owner: Weak<dyn Owner>,
    pub(super) timers: Schedule<Timer>,
    pub(super) effects: VecDeque<Effect>,
    pub(super) links: Links,
    pub(super) bottlenecks: Option<Box<Bottlenecks<ConnectionKey, Queued>>>,
    pub(super) syn_schedule: SynSchedule,
    pub(super) faults: Vec<Fault>,
    /// Partitions and longer ways that last: their numbers among the faults.
    pub(super) partitions: Vec<u32>,
    pub(super) latency_faults: Vec<u32>,
    /// The servers' ports, by server.
    pub(super) ports: Vec<Port>,
    /// Where servers listen.
    pub(super) addresses: BTreeMap<u32, SocketAddr>,
    pub(super) connections: BTreeMap<ConnectionKey, Connection>,
    pub(super) next_key: u64,
    /// Connections that servers opened: both of their ends are here.
    pub(super) calls: usize,
    /// Connections by the address that they are dialled from.
    pub(super) by_address: BTreeMap<SocketAddr, ConnectionKey>,
    pub(super) sources: Vec<IpAddr>,
    pub(super) next_source: usize,
    pub(super) connections_max: usize,
    pub(super) tls: Tls,
    pub(super) strangers: u64,
    /// Connections that were closed at once, as there were too many.
    pub over_limit: u64,
    /// Streams of hosts without power.
    pub(super) silent: Vec<(u32, StreamHandle)>,
}

impl Network {
    pub(crate) fn new(
        sockets: Rc<Sockets>,
        scenario: &Scenario,
        setup: &Setup,
        listeners: Vec<Option<TcpListener>>,
        addresses: BTreeMap<u32, SocketAddr>,
        sleep: &Rc<Sleep>,
    ) -> io::Result<Network> {
        let (seed, emulates) = (scenario.seed(), setup.part == Part::Both && !setup.wire);
        let ports = (0..).zip(listeners).zip(scenario.servers()).map(|((server, listener), entry)| {
            let group = &scenario.groups()[entry.group];
            Port::new(listener, group, Identity::group(&entry.name), setup.programs.contains_key(&server))
        });
        Ok(Network {
            now: Timestamp::ZERO,
            sockets,
            part: setup.part,
            emulates,
            seed,
            options: SocketOptions::new(scenario),
            owner: Weak::<Nobody>::new(),
            timers: Schedule::new(sleep),
            effects: VecDeque::new(),
            links: Links::new(seed, scenario.routes()),
            bottlenecks: if emulates { Bottlenecks::new(scenario) } else { None },
            syn_schedule: scenario.network().syn_retries.schedule(),
            faults: if setup.part == Part::Clients { Vec::new() } else { scenario.faults().to_vec() },
            partitions: Vec::new(),
            latency_faults: Vec::new(),
            ports: ports.collect(),
            addresses,
            connections: BTreeMap::new(),
            next_key: 0,
            calls: 0,
            by_address: BTreeMap::new(),
            sources: setup.sources.clone(),
            next_source: 0,
            connections_max: setup.connections_max,
            tls: Tls::new(scenario, setup)?,
            strangers: 0,
            over_limit: 0,
            silent: Vec::new(),
        })
    }

    /// Its tasks tell this owner what happens.
    pub(crate) fn belong_to(&mut self, owner: Weak<dyn Owner>) {
        self.owner = owner;
    }

    /// What is to be done next, of what the network asks.
    pub(crate) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When something is due next.
    pub(crate) fn next_timer(&self) -> Timestamp {
        self.timers.next()
    }

    /// Does what is due next.
    pub(crate) fn run_timer(&mut self) {
        match self.timers.pop() {
            Some((_, Timer::Syn { key })) => self.syn(key),
            Some((_, Timer::Arrival { key, way })) => self.arrived(key, way),
            Some((_, Timer::Hop { number })) => self.hop(number),
            Some((_, Timer::Retransmission { key, way })) => self.retransmitted(key, way),
            None => {}
        }
    }

    /// A socket's task has something to say.
    pub(crate) fn handle(&mut self, input: SocketInput<'_>) {
        self.now = self.sockets.now();
        match input {
            SocketInput::Listening(server, listener) => self.ports[server as usize].is_open(listener),
            SocketInput::Accepted(server, stream, from) => self.accepted(server, stream, from),
            SocketInput::Bound(key, address) => self.bound(key, address),
            SocketInput::Connected(key) => self.connected(key),
            SocketInput::NotConnected(key, error) => self.not_connected(key, error),
            SocketInput::Read(key, way, event) => self.read(key, way, event),
            SocketInput::Answered(session, c, from, answer) => self.answered(session, c, from, answer),
            SocketInput::Failed(error) => self.effects.push_back(Effect::Fail(error)),
        }
    }

    pub(super) fn notify(&mut self, key: ConnectionKey, way: Direction, notice: Notice) {
        self.effects.push_back(Effect::Notify(key, way, notice));
    }

    pub(super) fn record(&mut self, server: u32, event: Event) {
        self.effects.push_back(Effect::Record(Kind::Network(server, event)));
    }

    /// Who listens at the end of a way.
    pub(crate) fn listener(&self, key: ConnectionKey, way: Direction) -> Option<Listener> {
        let connection = self.connections.get(&key)?;
        match way {
            Direction::ToServer if connection.server_end != ServerEnd::Accepted => None,
            Direction::ToServer => {
                connection.server_number.map(|number| Listener::Server(connection.server, ConnectionId(number)))
            }
            Direction::ToClient => self.opener(key).map(|(peer, number)| Listener::Opener(peer, number)),
        }
    }

    /// Who opened a connection and has not closed it, and its number for it.
    pub(crate) fn opener(&self, key: ConnectionKey) -> Option<(Peer, ConnectionId)> {
        let connection = self.connections.get(&key).filter(|connection| !connection.client_closed)?;
        connection.opener.map(|opener| (opener.peer, opener.number))
    }

    /// Who opened a connection, as network events write it; nobody that the scenario knows of a stranger's.
    pub(crate) fn opener_code(&self, key: ConnectionKey) -> Option<u32> {
        let connection = self.connections.get(&key)?;
        connection.opener.map(|_| connection.code())
    }

    pub(super) fn add(&mut self, connection: Connection) -> ConnectionKey {
        let key = ConnectionKey(self.next_key);
        self.next_key += 1;
        self.calls += usize::from(is_call(&connection));
        self.connections.insert(key, connection);
        key
    }

    /// Forgets a connection that nobody will hear of again.
    pub(super) fn reap(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connections.get(&key) else { return };
        let server_done = match connection.server_end {
            ServerEnd::Closed => true,
            _ if connection.of_program => connection.to_client.stream.is_none(),
            ServerEnd::Accepted => false,
            // Where the socket is up, its server is about to accept it.
            ServerEnd::None => {
                self.part == Part::Clients || connection.address.is_none() || connection.to_server.stream.is_none()
            }
        };
        if !connection.client_closed || !server_done {
            return;
        }
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.forget(key);
        }
        let Some(connection) = self.connections.remove(&key) else { return };
        if let Some(balancer) = connection.relay {
            self.flow_ended(key, balancer, connection.server, connection.address);
        }
        self.calls -= usize::from(is_call(&connection));
        if let Some(address) = connection.address
            && self.by_address.get(&address) == Some(&key)
        {
            self.by_address.remove(&address);
        }
    }

    /// The opener closes its end.
    pub(crate) fn close_client(&mut self, key: ConnectionKey, how: CloseMode) {
        self.close_tls(key, Direction::ToServer, how);
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let in_order = connection.of_program && connection.is_up();
        if in_order {
            // Its program hears of it a way later.
            connection.client_closed = true;
            return self.deliver(key, Direction::ToServer, Segment::Closed(how));
        }
        connection.close_client(how);
        self.reap(key);
    }

    /// The opener's end is over without its doing.
    pub(crate) fn release(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.close_client(CloseMode::Fin);
            self.reap(key);
        }
    }

    /// The server closes its end.
    pub(crate) fn close_server(&mut self, key: ConnectionKey, how: CloseMode) {
        self.close_tls(key, Direction::ToClient, how);
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.close_server(Some(how));
        }
        self.reap(key);
    }

    /// The process that has accepted a connection has this number for it.
    pub(crate) fn number_at_server(&mut self, key: ConnectionKey, number: u32) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.server_number = Some(number);
        }
    }

    /// A connection's server, and what is drawn for it.
    pub(crate) fn accepted_by(&self, key: ConnectionKey) -> Option<(u32, Identity)> {
        self.connections.get(&key).map(|connection| (connection.server, connection.identity))
    }

    /// Where a connection comes from, as servers see it.
    pub(crate) fn address(&self, key: ConnectionKey) -> Identity {
        self.connections.get(&key).map_or(Identity(0), |connection| connection.host)
    }

    /// The place in the network that a connection was opened from.
    pub(crate) fn place(&self, key: ConnectionKey) -> Option<pipes::Initiator> {
        Some(self.connections.get(&key)?.opener?.place)
    }

    /// A way through a server is up: what comes in at either end is read no faster than it goes out at the other.
    pub(crate) fn join(&self, before: ConnectionKey, behind: ConnectionKey) {
        let ends = self.connections.get(&before).zip(self.connections.get(&behind));
        let streams =
            ends.and_then(|(before, behind)| before.to_server.stream.as_ref().zip(behind.to_client.stream.as_ref()));
        if let Some((one, other)) = streams {
            StreamHandle::join(one, other);
        }
    }

    /// The event of what the wire did to a connection's message. That a mere wait begins is no such event: a kernel that
    /// repeats does not say when it begins to.
    pub(crate) fn event_of(&self, note: &Note) -> Option<(u32, Event)> {
        let connection = self.connections.get(self.by_address.get(&note.client)?)?;
        let (session, message) = (connection.code(), note.message);
        let event = match note.fate {
            Fate::Lost => Event::Lost { session, message, times: 1 },
            Fate::QueueFull => Event::QueueFull { session, message },
            Fate::Cut if message == Message::Syn => Event::SynDropped { session, backlog_full: false },
            Fate::Cut => return None,
        };
        Some((note.server, event))
    }

    /// Faults, by number.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// A fault of links begins. A wire knows by itself.
    pub(crate) fn impair(&mut self, fault: u32, kind: fault::Kind) {
        match kind {
            _ if !self.emulates => {}
            fault::Kind::Partition => self.partitions.push(fault),
            _ => self.latency_faults.push(fault),
        }
    }

    /// It is over.
    pub(crate) fn repair(&mut self, fault: u32) {
        self.partitions.retain(|active| *active != fault);
        self.latency_faults.retain(|active| *active != fault);
    }

    /// Something between addresses ends connections that are up: both ends have the RST at once, the clients first.
    pub(crate) fn reset(&mut self, fault: u32, window: u32) {
        let mut struck = Vec::new();
        for (key, connection) in &self.connections {
            let Some(opener) = connection.opener.filter(|_| connection.is_established()) else { continue };
            let (side, identity) = (opener.place.side(), connection.identity);
            let over = |side, server| self.faults[fault as usize].resets(self.seed, window, side, server, identity);
            let struck_there = match connection.relay {
                Some(balancer) => over(side, balancer) || over(Side::Server(balancer), connection.server),
                None => over(side, connection.server),
            };
            if struck_there {
                struck.push((connection.code(), opener.number.0, *key, opener.peer));
            }
        }
        struck.sort_unstable_by_key(|(code, number, key, _)| (*code, *number, *key));
        for (_, _, key, peer) in struck {
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            let server = connection.server;
            if let Some((world, client)) = self.sockets.world().zip(connection.address) {
                // The kernels of both ends tell their processes.
                if let Err(error) = world.reset(client, server) {
                    self.effects.push_back(Effect::Fail(error));
                }
                if let Peer::Session(session) = peer {
                    let kind = Kind::Fault(fault as u16, fault::Event::Reset { session });
                    self.effects.push_back(Effect::Record(kind));
                }
                continue;
            }
            if let Some(stream) = connection.to_client.stream.take() {
                stream.close(CloseMode::Reset);
                connection.to_server.forget();
            }
            if let Peer::Session(session) = peer {
                let kind = Kind::Fault(fault as u16, fault::Event::Reset { session });
                self.effects.push_back(Effect::Record(kind));
            }
            self.notify(key, Direction::ToClient, Notice::Reset);
            self.put(key, Direction::ToServer, self.now, Segment::Reset);
        }
    }

    /// Everything is over: tasks find nobody to tell.
    pub(crate) fn end(&mut self) {
        self.owner = Weak::<Nobody>::new();
        for port in &mut self.ports {
            port.close();
        }
        for connection in self.connections.values() {
            connection.kill();
        }
    }
}

/// Whether a server opened it.
fn is_call(connection: &Connection) -> bool {
    connection.opener.is_some_and(|opener| matches!(opener.peer, Peer::Server(_)))
}
