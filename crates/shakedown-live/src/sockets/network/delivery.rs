//! What lies between two ends: latency, partitions, processes that do not read. With no latency and nothing that waits,
//! bytes go straight from the socket to the machine. What meets a partition waits until its sender's kernel would send it
//! again after the end of that.

use shakedown_core::driver::stage::Peer;
use shakedown_core::fault::Fault;
use shakedown_core::machine::CloseMode;
use shakedown_core::network::{Direction, Event, Process};
use shakedown_core::time::{Nanos, Timestamp};

use super::connection::{ConnectionKey, Notice, Segment, ServerEnd};
use super::connections::Network;
use super::effects::{Effect, Timer};
use super::queued::Queued;
use crate::stream::StreamEvent;

/// Once so many bytes are under way, no more are read.
const UNDER_WAY_MAX: usize = 256 * 1024;

impl Network {
    /// When what leaves now arrives.
    pub(super) fn arrival_of(&mut self, key: ConnectionKey, way: Direction) -> Timestamp {
        if !self.emulates {
            return self.now;
        }
        let ordinal = self.next_ordinal(key);
        let arrival = self.travel(key, way, ordinal, self.now);
        self.in_order(key, way, arrival)
    }

    /// The number that keys a message's draws.
    pub(super) fn next_ordinal(&mut self, key: ConnectionKey) -> u64 {
        let Some(connection) = self.connections.get_mut(&key) else { return 0 };
        connection.messages += 1;
        connection.ordinal()
    }

    /// When something arrives that leaves at a moment.
    pub(super) fn travel(&self, key: ConnectionKey, way: Direction, ordinal: u64, leaves: Timestamp) -> Timestamp {
        let connection = self.connections.get(&key).filter(|_| self.emulates);
        let Some(connection) = connection else { return leaves };
        let identity = connection.opener.map_or(connection.identity, |opener| opener.identity);
        let jitter = self.links.jitter(connection.route, way, || (identity, ordinal));
        leaves + connection.one_way(way) + jitter + self.delay(key, way, leaves)
    }

    /// Nothing overtakes what left before it.
    pub(super) fn in_order(&mut self, key: ConnectionKey, way: Direction, arrival: Timestamp) -> Timestamp {
        let Some(connection) = self.connections.get_mut(&key) else { return arrival };
        let direction = connection.direction(way);
        direction.last = arrival.max(direction.last);
        direction.last
    }

    /// How much longer faults make a way.
    pub(super) fn delay(&self, key: ConnectionKey, way: Direction, leaves: Timestamp) -> Nanos {
        if self.latency_faults.is_empty() {
            return Nanos::ZERO;
        }
        let Some(connection) = self.connections.get(&key) else { return Nanos::ZERO };
        let Some(side) = connection.opener.map(|opener| opener.place.side()) else { return Nanos::ZERO };
        let faults = self.latency_faults.iter().map(|fault| &self.faults[*fault as usize]);
        let delay_at = |fault: &Fault| {
            fault.delay_at(side, connection.server, way == Direction::ToServer, leaves, connection.one_way(way))
        };
        faults.map(delay_at).fold(Nanos::ZERO, |sum, delay| Nanos(sum.0.saturating_add(delay.0)))
    }

    /// Sends what a machine says.
    pub(crate) fn send(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) {
        if !self.encrypt(key, way, bytes) {
            self.send_plain(key, way, bytes);
        }
    }

    /// Sends bytes as they are.
    pub(super) fn send_plain(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) {
        let Some(connection) = self.connections.get(&key) else { return };
        if connection.of_program {
            // Its socket is the program's: the way is before it.
            return self.receive(key, Direction::ToServer, bytes);
        }
        let stream = match way {
            Direction::ToServer => &connection.to_client.stream,
            Direction::ToClient => &connection.to_server.stream,
        };
        if let Some(stream) = stream {
            stream.send(bytes);
        }
    }

    /// A socket was read.
    pub(super) fn read(&mut self, key: ConnectionKey, way: Direction, event: StreamEvent<'_>) {
        match event {
            StreamEvent::Received(bytes) => self.receive(key, way, bytes),
            StreamEvent::Eof => self.deliver(key, way, Segment::Eof),
            StreamEvent::Reset => self.deliver(key, way, Segment::Reset),
        }
    }

    /// Bytes leave for the end of a way.
    fn receive(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) {
        if self.bottlenecks.is_some() {
            self.is_under_way(key, way, bytes.len());
            return self.queue_up(key, way, Queued::Segment(Segment::Bytes(bytes.to_vec())), bytes.len());
        }
        let arrives = self.arrival_of(key, way);
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if arrives <= self.now && !connection.direction(way).is_busy() && !self.is_blocked(key, way) {
            return self.take_in(key, way, bytes);
        }
        self.is_under_way(key, way, bytes.len());
        self.put(key, way, arrives, Segment::Bytes(bytes.to_vec()));
    }

    /// So many bytes more: no more are read once there are too many.
    fn is_under_way(&mut self, key: ConnectionKey, way: Direction, len: usize) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let direction = connection.direction(way);
        direction.bytes += len;
        if let Some(stream) = direction.stream.as_ref().filter(|_| direction.bytes > UNDER_WAY_MAX) {
            stream.hold(true);
        }
    }

    /// Something leaves for the end of a way.
    pub(super) fn deliver(&mut self, key: ConnectionKey, way: Direction, segment: Segment) {
        // An ACK is not counted in what a link carries.
        if self.bottlenecks.is_some() && !matches!(segment, Segment::Accepted) {
            return self.queue_up(key, way, Queued::Segment(segment), 0);
        }
        let mut arrives = self.arrival_of(key, way);
        if let (Segment::Accepted, Some(connection)) = (&segment, self.connections.get_mut(&key)) {
            // The SYN-ACK goes back before the ACK comes.
            arrives = arrives + connection.to_client.one_way;
            connection.to_server.last = arrives;
        }
        self.put(key, way, arrives, segment);
    }

    pub(super) fn put(&mut self, key: ConnectionKey, way: Direction, arrives: Timestamp, segment: Segment) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.direction(way).segments.push_back((arrives, segment));
        if arrives <= self.now {
            self.arrived(key, way);
        } else {
            self.timers.push(arrives, Timer::Arrival { key, way });
        }
    }

    /// Whether a partition keeps what goes this way from arriving.
    pub(super) fn is_cut(&self, key: ConnectionKey, way: Direction) -> bool {
        if self.partitions.is_empty() {
            return false;
        }
        let Some(connection) = self.connections.get(&key) else { return false };
        let Some(side) = connection.opener.map(|opener| opener.place.side()) else { return false };
        self.partitions.iter().any(|fault| {
            let cut = self.faults[*fault as usize].between(side, connection.server);
            cut.is_some_and(|cut| cut.affects(way == Direction::ToServer))
        })
    }

    /// Whether what arrives is not taken in: a partition is before it, or its process does not run.
    fn is_blocked(&self, key: ConnectionKey, way: Direction) -> bool {
        let Some(connection) = self.connections.get(&key) else { return false };
        let process = match (way, connection.opener.map(|opener| opener.peer)) {
            // A program's own kernel takes in what comes meanwhile.
            (Direction::ToServer, _) => (!connection.of_program).then_some(connection.server),
            (Direction::ToClient, Some(Peer::Server(server))) => Some(server),
            (Direction::ToClient, _) => None,
        };
        let hangs =
            |server: u32| self.ports.get(server as usize).is_some_and(|port| port.kernel.process() == Process::Hung);
        self.is_cut(key, way) || process.is_some_and(hangs)
    }

    /// It meets a partition: its sender's kernel will send it again.
    fn stall(&mut self, key: ConnectionKey, way: Direction) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let rto = connection.rto();
        connection.direction(way).stalled = Some(rto);
        let (server, session) = (connection.server, connection.code());
        self.record(server, Event::Stalled { session, to_server: way == Direction::ToServer });
        self.timers.push(self.now + rto.length(), Timer::Retransmission { key, way });
    }

    pub(super) fn retransmitted(&mut self, key: ConnectionKey, way: Direction) {
        let cut = self.is_cut(key, way);
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let direction = connection.direction(way);
        let Some(rto) = direction.stalled else { return };
        if cut && direction.is_busy() {
            direction.stalled = Some(rto.doubled());
            return self.timers.push(self.now + rto.doubled().length(), Timer::Retransmission { key, way });
        }
        direction.stalled = None;
        self.arrived(key, way);
    }

    /// Whatever has arrived at the end of a way is taken in.
    pub(super) fn arrived(&mut self, key: ConnectionKey, way: Direction) {
        loop {
            let now = self.now;
            let Some(connection) = self.connections.get_mut(&key) else { return };
            let direction = connection.direction(way);
            if direction.stalled.is_some() || direction.segments.front().is_none_or(|(at, _)| *at > now) {
                return;
            }
            if self.is_cut(key, way) {
                return self.stall(key, way);
            }
            if self.is_blocked(key, way) {
                return;
            }
            let Some(connection) = self.connections.get_mut(&key) else { return };
            let direction = connection.direction(way);
            match direction.segments.pop_front() {
                None => return,
                Some((_, Segment::Bytes(bytes))) => {
                    direction.bytes -= bytes.len();
                    if let Some(stream) = direction.stream.as_ref().filter(|_| direction.bytes <= UNDER_WAY_MAX) {
                        stream.hold(false);
                    }
                    self.take_in(key, way, &bytes);
                }
                Some((_, segment)) if way == Direction::ToServer => self.at_server(key, &segment),
                Some((_, segment)) => self.at_client(key, &segment),
            }
        }
    }

    /// Bytes come to an end.
    fn take_in(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if connection.of_program && way == Direction::ToServer {
            if let Some(stream) = &connection.to_client.stream {
                stream.send(bytes);
            }
        } else if connection.tls_of(way.back()).is_some() {
            self.read_secured(key, way, bytes);
        } else {
            self.notify(key, way, Notice::Received(bytes.to_vec()));
        }
    }

    /// The rest comes to the client's end.
    fn at_client(&mut self, key: ConnectionKey, segment: &Segment) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&key).filter(|connection| !connection.client_closed) else {
            return;
        };
        match segment {
            Segment::Connected => {
                connection.client_up = true;
                connection.round_trip = (connection.syns == 0).then(|| now.since(connection.opened));
                self.notify(key, Direction::ToClient, Notice::Connected);
            }
            // It said so over TLS.
            Segment::Eof if connection.client_tls.as_ref().is_some_and(|end| end.closed) => {}
            Segment::Eof => self.notify(key, Direction::ToClient, Notice::Eof),
            Segment::Failed(why) => self.notify(key, Direction::ToClient, Notice::Failed(*why)),
            Segment::Reset => self.notify(key, Direction::ToClient, Notice::Reset),
            Segment::Accepted | Segment::Bytes(_) | Segment::Closed(_) => {}
        }
    }

    /// And to the server's.
    fn at_server(&mut self, key: ConnectionKey, segment: &Segment) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        match (segment, connection.server_end) {
            (Segment::Closed(how), _) => {
                connection.close_client(*how);
                self.reap(key);
            }
            (Segment::Accepted, ServerEnd::None) => {
                connection.server_end = ServerEnd::Accepted;
                connection.server_tls = self.tls.accept(connection.server);
                self.effects.push_back(Effect::Accepted(key));
            }
            (Segment::Eof, _) if connection.server_tls.as_ref().is_some_and(|end| end.closed) => {}
            (Segment::Eof, ServerEnd::Accepted) => self.notify(key, Direction::ToServer, Notice::Eof),
            (Segment::Reset, ServerEnd::Accepted) => self.notify(key, Direction::ToServer, Notice::Reset),
            // It never hears of who came and went.
            (Segment::Reset, ServerEnd::None) if !connection.of_program => {
                connection.close_server(Some(CloseMode::Reset));
                self.reap(key);
            }
            _ => {}
        }
    }
}
