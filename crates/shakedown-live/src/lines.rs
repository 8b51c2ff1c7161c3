//! What lies between two ends: the way's latency, partitions, and hosts without power.
//!
//! The sockets are on one machine, where everything arrives at once. So what was read from a socket is kept, in order, for
//! as long as it would be under way, and only then given to its machine; a connect is made when its SYN would arrive, and
//! answered as much later. What meets a partition waits until its sender's kernel would send it again after the end of
//! that. With no latency and nothing that waits, bytes go straight from the socket to the machine.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::Part;
use super::bandwidth::Cargo;
use super::engine::{Due, Engine};
use super::stream::{StreamEvent, StreamHandle};
use super::tls::End;
use shakedown_core::fault::{Fault, Side};
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId, Input};
use shakedown_core::network::{Process, Rto, SERVER, Way};
use shakedown_core::rng::Identity;
use shakedown_core::time::{Nanos, Timestamp};

/// A line's number; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineId(pub u64);

/// Once so many bytes are under way, no more are read.
const UNDER_WAY_MAX: usize = 256 * 1024;

/// Something on its way.
#[derive(Debug)]
pub(super) enum Parcel {
    Connected,
    Failed(ConnectError),
    /// The ACK that completes a connect.
    Accepted,
    Bytes(Vec<u8>),
    Eof,
    Reset,
    /// A client's end, on its way to a program.
    Closed(CloseMode),
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The socket at its end.
    pub wire: Option<StreamHandle>,
    pub one_way: Nanos,
    /// The latest arrival: nothing overtakes what left before it.
    last: Timestamp,
    parcels: VecDeque<(Timestamp, Parcel)>,
    pub bytes: usize,
    /// The timer of what met a partition.
    pub stalled: Option<Rto>,
}

impl Lane {
    /// Whether something is on its way.
    pub fn waits(&self) -> bool {
        !self.parcels.is_empty()
    }

    /// Nor is anything waited for.
    pub fn forget(&mut self) {
        self.clear();
        self.stalled = None;
    }

    /// Nobody hears of it any more.
    fn clear(&mut self) {
        self.parcels.clear();
        self.bytes = 0;
    }
}

/// The server's end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEnd {
    /// Its process has not heard of it.
    None,
    /// Its number there.
    Accepted(u32),
    Closed,
}

/// Who opened a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Session(u32),
    Server(u32),
}

/// A connection, or what is to become one.
#[derive(Debug)]
pub(super) struct Line {
    /// Who opened it, under which number there. A stranger is nobody.
    pub caller: Option<(Caller, ConnectionId)>,
    pub server: u32,
    pub route: u16,
    /// What is drawn for it is keyed by this; what is drawn for its messages, by its client.
    pub identity: Identity,
    pub client: Identity,
    /// Where it comes from, as servers see it.
    pub host: Identity,
    pub address: Option<SocketAddr>,
    pub opened: Timestamp,
    /// How often the SYN was repeated.
    pub syns: usize,
    messages: u64,
    /// The client's end is up.
    pub client_up: bool,
    /// How long the connect took if no SYN was repeated.
    pub round_trip: Option<Nanos>,
    pub client_closed: bool,
    pub server_end: ServerEnd,
    /// Its server is a program, and has the other socket.
    pub of_program: bool,
    pub to_server: Lane,
    pub to_client: Lane,
    /// Its ends' TLS.
    pub client_tls: Option<Box<End>>,
    pub server_tls: Option<Box<End>>,
    pub connecting: Option<tokio::task::AbortHandle>,
}

impl Line {
    pub fn new(now: Timestamp, server: u32, identity: Identity, host: Identity) -> Line {
        Line {
            caller: None,
            server,
            route: 0,
            identity,
            client: identity,
            host,
            address: None,
            opened: now,
            syns: 0,
            messages: 0,
            client_up: false,
            round_trip: None,
            client_closed: false,
            server_end: ServerEnd::None,
            of_program: false,
            to_server: Lane::default(),
            to_client: Lane::default(),
            client_tls: None,
            server_tls: None,
            connecting: None,
        }
    }

    /// Its caller, as network events write it.
    pub fn code(&self) -> u32 {
        match self.caller {
            Some((Caller::Session(session), _)) => session,
            Some((Caller::Server(server), _)) => server | SERVER,
            None => 0,
        }
    }

    pub fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::ToServer => &mut self.to_server,
            Way::ToClient => &mut self.to_client,
        }
    }

    /// The TLS of the end that sends this way, if it has any.
    pub fn end_of(&mut self, way: Way) -> Option<&mut End> {
        match way {
            Way::ToServer => self.client_tls.as_deref_mut(),
            Way::ToClient => self.server_tls.as_deref_mut(),
        }
    }

    pub fn one_way(&self, way: Way) -> Nanos {
        match way {
            Way::ToServer => self.to_server.one_way,
            Way::ToClient => self.to_client.one_way,
        }
    }

    /// The number that keys the draws of the last message.
    pub fn ordinal(&self) -> u64 {
        self.caller.map_or(0, |(_, c)| u64::from(c.0)) << 16 | (self.messages & 0xffff)
    }

    /// The timer of what it sends.
    pub fn rto(&self) -> Rto {
        let ways = Nanos(self.to_server.one_way.0 + self.to_client.one_way.0);
        Rto::new((self.syns == 0).then_some(self.round_trip.unwrap_or(ways)))
    }

    /// The client's socket is connected.
    pub fn is_up(&self) -> bool {
        self.to_client.wire.is_some() && self.connecting.is_none()
    }

    /// Whether both ends are up, as far as the client knows.
    pub fn is_established(&self) -> bool {
        self.client_up && !self.client_closed && self.server_end != ServerEnd::Closed
    }

    /// Whether the machine at the end of a way hears no more of it.
    pub fn is_deaf(&self, way: Way) -> bool {
        match way {
            Way::ToServer => self.server_end == ServerEnd::Closed,
            Way::ToClient => self.client_closed,
        }
    }

    /// The client's end is closed: its machine hears no more.
    pub fn close_client(&mut self, how: CloseMode) {
        self.client_closed = true;
        self.to_client.clear();
        if let Some(task) = self.connecting.take() {
            task.abort();
        }
        if let Some(wire) = self.to_client.wire.take() {
            wire.close(how);
        }
    }

    /// The caller's end is, as its process is gone: its kernel does what it does then.
    pub fn kill_client(&mut self) {
        let unread = !self.to_client.parcels.is_empty();
        if let Some(wire) = self.to_client.wire.take_if(|_| !unread) {
            wire.kill();
        }
        // What had come, and was not read, is known here alone.
        self.close_client(CloseMode::Reset);
    }

    /// The server's end is: at once, where its process is killed.
    pub fn close_server(&mut self, how: Option<CloseMode>) {
        self.server_end = ServerEnd::Closed;
        let unread = !self.to_server.parcels.is_empty();
        self.to_server.clear();
        if let Some(wire) = self.to_server.wire.take() {
            match how {
                Some(how) => wire.close(how),
                // Its kernel does what it does; what had come, and was not read, is known here alone.
                None if unread => wire.close(CloseMode::Reset),
                None => wire.kill(),
            }
        }
    }

    /// Ends it without a word to anyone.
    pub fn kill(&self) {
        for wire in [&self.to_client.wire, &self.to_server.wire].into_iter().flatten() {
            wire.kill();
        }
    }
}

impl Engine {
    pub(super) fn add_line(&mut self, line: Line) -> LineId {
        let id = LineId(self.next_line);
        self.next_line += 1;
        self.lines.insert(id, line);
        id
    }

    /// Forgets a line that nobody will hear of again.
    pub(super) fn settle(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else { return };
        let server_done = match line.server_end {
            ServerEnd::Closed => true,
            _ if line.of_program => line.program_is_done(),
            ServerEnd::Accepted(_) => false,
            // Where the socket is up, its server is about to accept it.
            ServerEnd::None => self.part == Part::Clients || line.address.is_none() || line.to_server.wire.is_none(),
        };
        if !line.client_closed || !server_done {
            return;
        }
        self.forget_gaps(id);
        if let Some(line) = self.lines.remove(&id)
            && let Some(address) = line.address
            && self.by_address.get(&address) == Some(&id)
        {
            self.by_address.remove(&address);
        }
    }

    /// When what leaves now arrives.
    pub(super) fn arrival_of(&mut self, id: LineId, way: Way) -> Timestamp {
        if self.part != Part::Both {
            return self.now;
        }
        let ordinal = self.next_ordinal(id);
        let arrival = self.travel(id, way, ordinal, self.now);
        self.in_order(id, way, arrival)
    }

    /// The number that keys a message's draws.
    pub(super) fn next_ordinal(&mut self, id: LineId) -> u64 {
        let Some(line) = self.lines.get_mut(&id) else { return 0 };
        line.messages += 1;
        line.ordinal()
    }

    /// When something arrives that leaves at a moment.
    pub(super) fn travel(&self, id: LineId, way: Way, ordinal: u64, leaves: Timestamp) -> Timestamp {
        let Some(line) = self.lines.get(&id).filter(|_| self.part == Part::Both) else { return leaves };
        let jitter = self.links.jitter(line.route, way, || (line.client, ordinal));
        leaves + line.one_way(way) + jitter + self.delay(id, way, leaves)
    }

    /// Nothing overtakes what left before it.
    pub(super) fn in_order(&mut self, id: LineId, way: Way, arrival: Timestamp) -> Timestamp {
        let Some(line) = self.lines.get_mut(&id) else { return arrival };
        let lane = line.lane(way);
        lane.last = arrival.max(lane.last);
        lane.last
    }

    /// How much longer faults make a way.
    pub(super) fn delay(&self, id: LineId, way: Way, leaves: Timestamp) -> Nanos {
        if self.latency_faults.is_empty() {
            return Nanos::ZERO;
        }
        let (Some(side), Some(line)) = (self.side(id), self.lines.get(&id)) else { return Nanos::ZERO };
        let faults = self.latency_faults.iter().map(|fault| &self.faults[*fault as usize]);
        let delay_at =
            |fault: &Fault| fault.delay_at(side, line.server, way == Way::ToServer, leaves, line.one_way(way));
        faults.map(delay_at).fold(Nanos::ZERO, |sum, delay| Nanos(sum.0.saturating_add(delay.0)))
    }

    /// The side of the scenario's links that a line's caller is on.
    pub(super) fn side(&self, id: LineId) -> Option<Side> {
        Some(match self.lines.get(&id)?.caller?.0 {
            Caller::Session(session) => Side::Clients(self.sessions[session as usize].machine.group()),
            Caller::Server(server) => Side::Server(server),
        })
    }

    /// Sends what a machine says over a line.
    pub(super) fn transmit(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        if !self.encrypt(id, way, bytes) {
            self.transmit_plain(id, way, bytes);
        }
    }

    /// Sends bytes over a line.
    pub(super) fn transmit_plain(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        let Some(line) = self.lines.get(&id) else { return };
        if line.of_program {
            return self.transmit_to_program(id, bytes);
        }
        let wire = match way {
            Way::ToServer => &line.to_client.wire,
            Way::ToClient => &line.to_server.wire,
        };
        if let Some(wire) = wire {
            wire.send(bytes);
        }
    }

    /// A socket has news.
    pub(super) fn read(&mut self, id: LineId, way: Way, news: StreamEvent<'_>) {
        self.now = self.net.now();
        let StreamEvent::Received(bytes) = news else {
            return self.deliver(id, way, if matches!(news, StreamEvent::Eof) { Parcel::Eof } else { Parcel::Reset });
        };
        if self.bottlenecks.is_some() {
            self.is_under_way(id, way, bytes.len());
            return self.queue_up(id, way, Cargo::Parcel(Parcel::Bytes(bytes.to_vec())), bytes.len());
        }
        let arrives = self.arrival_of(id, way);
        let Some(line) = self.lines.get_mut(&id) else { return };
        if arrives <= self.now && !line.lane(way).waits() && !self.is_blocked(id, way) {
            return self.take_in(id, way, bytes);
        }
        self.is_under_way(id, way, bytes.len());
        self.put(id, way, arrives, Parcel::Bytes(bytes.to_vec()));
    }

    /// So many bytes more: no more are read once there are too many.
    fn is_under_way(&mut self, id: LineId, way: Way, len: usize) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let lane = line.lane(way);
        lane.bytes += len;
        if let Some(wire) = lane.wire.as_ref().filter(|_| lane.bytes > UNDER_WAY_MAX) {
            wire.hold(true);
        }
    }

    /// Something leaves for the end of a line.
    pub(super) fn deliver(&mut self, id: LineId, way: Way, parcel: Parcel) {
        // An ACK is not counted in what a link carries.
        if self.bottlenecks.is_some() && !matches!(parcel, Parcel::Accepted) {
            return self.queue_up(id, way, Cargo::Parcel(parcel), 0);
        }
        let mut arrives = self.arrival_of(id, way);
        if let (Parcel::Accepted, Some(line)) = (&parcel, self.lines.get_mut(&id)) {
            // The SYN-ACK goes back before the ACK comes.
            arrives = arrives + line.to_client.one_way;
            line.to_server.last = arrives;
        }
        self.put(id, way, arrives, parcel);
    }

    pub(super) fn put(&mut self, id: LineId, way: Way, arrives: Timestamp, parcel: Parcel) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let lane = line.lane(way);
        lane.parcels.push_back((arrives, parcel));
        if arrives <= self.now {
            self.arrived(id, way);
        } else {
            self.push(arrives, Due::Arrival { line: id, way });
        }
    }

    /// Whether what arrives is not taken in: a partition is before it, or its process does not run.
    pub(super) fn is_blocked(&self, id: LineId, way: Way) -> bool {
        let Some(line) = self.lines.get(&id) else { return false };
        let process = match (way, line.caller) {
            // A program's own kernel takes in what comes meanwhile.
            (Way::ToServer, _) => (!line.of_program).then_some(line.server),
            (Way::ToClient, Some((Caller::Server(server), _))) => Some(server),
            (Way::ToClient, _) => None,
        };
        let hangs = |server: u32| self.servers[server as usize].host.process() == Process::Hung;
        self.is_cut(id, way) || process.is_some_and(hangs)
    }

    /// Whatever has arrived at the end of a line is taken in.
    pub(super) fn arrived(&mut self, id: LineId, way: Way) {
        loop {
            let now = self.now;
            let Some(line) = self.lines.get_mut(&id) else { return };
            let lane = line.lane(way);
            if lane.stalled.is_some() || lane.parcels.front().is_none_or(|(at, _)| *at > now) {
                return;
            }
            if self.is_cut(id, way) {
                return self.stall(id, way);
            }
            if self.is_blocked(id, way) {
                return;
            }
            let Some((_, parcel)) = self.lines.get_mut(&id).and_then(|line| line.lane(way).parcels.pop_front()) else {
                return;
            };
            match parcel {
                Parcel::Bytes(bytes) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        let lane = line.lane(way);
                        lane.bytes -= bytes.len();
                        if let Some(wire) = lane.wire.as_ref().filter(|_| lane.bytes <= UNDER_WAY_MAX) {
                            wire.hold(false);
                        }
                    }
                    self.take_in(id, way, &bytes);
                }
                parcel => self.take_in_news(id, way, &parcel),
            }
        }
    }

    /// Bytes come to a machine.
    fn take_in(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        if line.of_program && way == Way::ToServer {
            self.arrived_at_program(id, bytes);
        } else if line.end_of(way.back()).is_some() {
            self.read_secured(id, way, bytes);
        } else {
            self.tell(id, way, |c| Input::Received(c, bytes));
        }
    }

    /// The rest does.
    fn take_in_news(&mut self, id: LineId, way: Way, parcel: &Parcel) {
        let Some(line) = self.lines.get(&id) else { return };
        if let Way::ToServer = way {
            return self.news_at_server(id, parcel);
        }
        let Some((caller, c)) = line.caller.filter(|_| !line.client_closed) else { return };
        match parcel {
            Parcel::Connected => {
                let (now, Some(line)) = (self.now, self.lines.get_mut(&id)) else { return };
                line.client_up = true;
                line.round_trip = (line.syns == 0).then(|| now.since(line.opened));
                self.input_of(caller, Input::Connected(c));
            }
            Parcel::Eof if line.client_tls.as_ref().is_some_and(|end| end.closed) => {}
            Parcel::Eof => self.input_of(caller, Input::Eof(c)),
            Parcel::Failed(why) => {
                self.forget_client(id);
                self.input_of(caller, Input::ConnectFailed(c, *why));
            }
            Parcel::Reset => {
                self.forget_client(id);
                self.input_of(caller, Input::Reset(c));
            }
            Parcel::Accepted | Parcel::Bytes(_) | Parcel::Closed(_) => {}
        }
    }

    fn news_at_server(&mut self, id: LineId, parcel: &Parcel) {
        let Some(line) = self.lines.get(&id) else { return };
        let server = line.server;
        match (parcel, line.server_end) {
            (Parcel::Closed(how), _) => self.closed_at_program(id, *how),
            (Parcel::Accepted, ServerEnd::None) => self.accept(id),
            // It said so over TLS.
            (Parcel::Eof, _) if line.server_tls.as_ref().is_some_and(|end| end.closed) => {}
            (Parcel::Eof, ServerEnd::Accepted(number)) => self.server_input(server, Input::Eof(ConnectionId(number))),
            (Parcel::Reset, ServerEnd::Accepted(number)) => {
                self.server_input(server, Input::Reset(ConnectionId(number)));
            }
            // It never hears of who came and went.
            (Parcel::Reset, ServerEnd::None) if !line.of_program => {
                if let Some(line) = self.lines.get_mut(&id) {
                    line.close_server(Some(CloseMode::Reset));
                }
                self.settle(id);
            }
            _ => {}
        }
    }
}
