//! The simulated network as the stage's transport: TCP, and what is above it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::external::External;
use super::pending::Pending;
use super::pools::Streams;
use super::standstill::Guard;
use super::tcp::connection::{ClientEnd, NONE, Peer as NetworkPeer, ServerEnd};
use super::tcp::queue::Handle;
use super::tcp::queued::Queued;
use super::tcp::{Tcp, connection::Connection};
use super::tickets::Tls;
use crate::driver::names::Dns;
use crate::driver::stage::{Due, Peer, PendingInput, SessionSlot, Stage, Transport};
use crate::event::Kind;
use crate::fault::{self, Fault};
use crate::machine::{CloseMode, ConnectionId, EndpointId, Input};
use crate::network::{Direction, Host};
use crate::rng::Identity;
use crate::time::Timestamp;

/// A run in progress: the stage over the simulated network.
pub type Simulation = Stage<Net>;

const _: () = assert!(size_of::<SessionSlot<Handle, u32>>() == 64);

/// The simulated network, its clock and its queue.
#[derive(Debug)]
pub struct Net {
    /// When the run ends.
    pub(super) end: Timestamp,
    pub(super) tcp: Tcp,
    pub(super) dns: Dns,
    /// An answer's addresses.
    pub(super) addresses: Vec<EndpointId>,
    pub(super) tls: Tls,
    pub(super) streams: Streams,
    /// Parties that programs play; nearly always none.
    pub(super) external: Option<Box<External>>,
    /// When faults begin and heal, in order of time.
    pub(super) changes: Vec<Timestamp>,
    pub(super) guard: Guard,
}

impl Net {
    fn wake_at(&mut self, wake: &mut Handle, at: Timestamp, item: Queued) {
        if *wake != Handle::NONE {
            self.tcp.queue.cancel(*wake);
        }
        *wake = match at {
            Timestamp::NEVER => Handle::NONE,
            // What should have been earlier is due now: an answer may come later than what follows it was planned.
            at => self.tcp.queue.push(at.max(self.tcp.now), item),
        };
    }
}

impl Transport for Net {
    type Connection = u32;
    /// The latest in the slab; older ones follow by `Connection::older`.
    type Connections = u32;
    type Wake = Handle;
    type Pending = Pending;
    const NO_CONNECTIONS: u32 = NONE;
    const NO_WAKE: Handle = Handle::NONE;

    #[inline]
    fn now(&self) -> Timestamp {
        self.tcp.now
    }

    #[inline]
    fn record(&mut self, kind: Kind) {
        self.tcp.record(kind);
    }

    fn schedule(&mut self, at: Timestamp, due: Due) {
        self.tcp.queue.push(at, Queued::Stage(due));
    }

    fn wake_session(&mut self, wake: &mut Handle, session: u32, at: Timestamp) {
        if *wake != Handle::NONE {
            // One that moves a little later stays where it is, and is put off when it comes: nearly all are timeouts,
            // which are cancelled before that.
            let pending = self.tcp.queue.time(*wake);
            if at >= pending && at.since(pending).0 <= pending.since(self.tcp.now).0 / 8 {
                return;
            }
        }
        self.wake_at(wake, at, Queued::SessionWake { session });
    }

    fn wake_server(&mut self, wake: &mut Handle, server: u32, at: Timestamp) {
        self.wake_at(wake, at, Queued::ServerWake { server });
    }

    fn faults(&self) -> &[Fault] {
        &self.tcp.faults
    }

    fn arrives(stage: &mut Simulation, session: u32, _: Timestamp) -> bool {
        let machine = &stage.sessions[session as usize].machine;
        stage.net.tcp.peers.add_session(machine.group(), machine.index());
        stage.net.external.is_none() || !stage.arrives_outside(session)
    }

    fn resolves_names(&self) -> bool {
        !self.dns.is_empty()
    }

    fn resolve(stage: &mut Simulation, session: u32, c: ConnectionId, name: EndpointId) {
        stage.look_up(session, c, name);
    }

    fn open(stage: &mut Simulation, session: u32, c: ConnectionId, EndpointId(server): EndpointId) {
        stage.open(session, c.0, server);
    }

    #[inline]
    fn find(&self, connections: &u32, c: ConnectionId) -> Option<u32> {
        let mut connection = *connections;
        while connection != NONE {
            let entry = &self.tcp.connections[connection];
            if entry.client_number == c.0 {
                return (entry.client != ClientEnd::Closed).then_some(connection);
            }
            connection = entry.older;
        }
        None
    }

    fn close_session(stage: &mut Simulation, session: u32, c: ConnectionId, how: CloseMode) {
        match stage.connection_of(session, c) {
            None if stage.net.streams.any() => stage.give_up_stream(session, c),
            None => {}
            Some(stream) if stage.net.tcp.connections[stream].is_stream() => stage.close_stream(stream, how),
            Some(connection) => stage.net.tcp.close_caller(connection, how),
        }
    }

    fn call(stage: &mut Simulation, server: u32, c: ConnectionId, to: EndpointId, made_for: Option<u32>) -> u32 {
        stage.call_server(server, c, to.0, made_for)
    }

    fn hang_up(stage: &mut Simulation, _: u32, _: ConnectionId, connection: u32, how: CloseMode) {
        stage.net.tcp.close_caller(connection, how);
    }

    fn number(&mut self, connection: u32, c: ConnectionId) {
        let entry = &mut self.tcp.connections[connection];
        entry.server_number = c.0;
        entry.server_end = ServerEnd::Accepted;
        if self.tcp.keepalives.is_some() {
            self.tcp.end_is_up(connection, Direction::ToClient);
        }
    }

    fn address(&self, connection: u32) -> Identity {
        self.tcp.address_of(connection)
    }

    fn close_accepted(stage: &mut Simulation, connection: u32, how: CloseMode) {
        let entry = &mut stage.net.tcp.connections[connection];
        entry.server_end = ServerEnd::Closed;
        if entry.is_stream() {
            stage.close_stream_at_server(connection, how);
        } else {
            stage.net.tcp.close_server(connection, how);
        }
    }

    fn send(&mut self, connection: u32, way: Direction, bytes: &mut Vec<u8>, part: Range<usize>) {
        if self.tcp.connections[connection].is_stream() {
            self.send_on_stream(connection, way, &bytes[part]);
        } else {
            self.tcp.send_bytes(connection, way, bytes, part);
        }
    }

    fn start_tls(stage: &mut Simulation, connection: u32, endpoint: EndpointId) {
        stage.start_tls(connection, endpoint);
    }

    fn answer_hello(stage: &mut Simulation, connection: u32) {
        stage.answer_hello(connection);
    }

    fn opener(&self, connection: u32) -> Option<(Peer, ConnectionId)> {
        let Connection { caller, client_number, .. } = self.tcp.connections[connection];
        let peer = match caller.who() {
            NetworkPeer::Session(session) => Peer::Session(session),
            NetworkPeer::Server(server) => Peer::Server(server),
            NetworkPeer::Host(_) => return None,
        };
        Some((peer, ConnectionId(client_number)))
    }

    fn is_open(&self, connection: u32) -> bool {
        self.tcp.connections[connection].client != ClientEnd::Closed
    }

    fn code(&self, connection: u32) -> Option<u32> {
        (!self.tcp.is_strangers(connection)).then(|| self.tcp.connections[connection].caller.code())
    }

    fn kernel(&self, server: u32) -> &Host {
        &self.tcp.hosts[server as usize].kernel
    }

    fn kernel_mut(&mut self, server: u32) -> &mut Host {
        &mut self.tcp.hosts[server as usize].kernel
    }

    #[inline]
    fn is_program(&self, server: u32) -> bool {
        self.external.as_ref().is_some_and(|external| external.plays(server))
    }

    fn program_input(stage: &mut Simulation, server: u32, input: Input<'_>) {
        stage.external_input(server, input);
    }

    fn program_lost(stage: &mut Simulation, server: u32, kernel_lives: bool) {
        stage.lose_external(server, kernel_lives);
    }

    fn process_lost(
        stage: &mut Simulation,
        server: u32,
        kernel_lives: bool,
        opened: BTreeMap<u32, u32>,
        pending: Vec<PendingInput<Pending>>,
    ) {
        stage.net.lose_process(server, kernel_lives, opened, pending);
    }

    fn process_started(&mut self, server: u32) {
        self.started_outside(server);
    }

    fn process_replaced(&mut self, server: u32) {
        self.tls.lose_keys(server);
    }

    fn process_hung(&mut self, server: u32) {
        self.hung_outside(server, true);
    }

    fn process_goes_on(&mut self, server: u32) {
        self.hung_outside(server, false);
    }

    fn find_pending(stage: &mut Simulation, server: u32, pending: Pending) {
        stage.find_pending_input(server, pending);
    }

    fn accept_waiting(stage: &mut Simulation, server: u32, pending: Pending) {
        stage.accept_waiting_connection(server, pending);
    }

    fn quiet_until(&mut self, server: u32, at: Timestamp) {
        self.tcp.hosts[server as usize].quiet_until = at;
    }

    fn found_down(stage: &mut Simulation, balancer: u32, server: u32) {
        stage.found_down(balancer, server);
    }

    fn impair(&mut self, fault: u32, kind: fault::Kind, begins: bool) {
        if kind == fault::Kind::Partition {
            match begins {
                true => self.tcp.partitions.push(fault),
                false => self.tcp.partitions.retain(|active| *active != fault),
            }
            self.parted_outside(fault, begins);
        }
    }

    fn reset(stage: &mut Simulation, fault: u32, window: u32) {
        stage.reset_connections(fault, window);
    }

    fn names_fail(&mut self, name: u32, fail: bool) {
        let now = self.tcp.now;
        match fail {
            true => self.dns.name(name).fail(now),
            false => self.dns.name(name).heal(now),
        }
    }
}
