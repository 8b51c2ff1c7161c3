//! TCP as its users see it: connects, segments in order, FIN, RST and silence.

use std::ops::Range;

use super::calls::News;
use super::connection::{Caller, ClientEnd, Connection, ServerEnd, Who};
use super::relay::{Leg, by_way_of_balancer};
use super::stall::{Kept, Spot};
use super::{Held, Item, ServerSlot, Simulation};
use crate::event::Kind;
use crate::machine::{ConnectError, ConnectionId, How, Input};
use crate::network::{Event, Message, Process, SynAnswer, Way};
use crate::record::Recorder;
use crate::rng::Identity;
use crate::time::Timestamp;

impl Simulation {
    /// A session connects: its SYN leaves.
    pub(super) fn open(&mut self, session: u32, client_number: u32, server: u32) {
        let slot = &self.sessions[session as usize];
        let index = slot.machine.index();
        let group = &self.groups[slot.group as usize];
        let client_host = group.host_of(index);
        let route = self.links.route(slot.group, server);
        let one_way = self.links.one_way(route, Way::ToServer, client_host, self.servers[server as usize].identity);
        let older = slot.connection;
        let entry = Connection::new(self.now, route, one_way, Caller::session(session), client_number, server, older);
        let connection = self.connections.insert(entry);
        self.sessions[session as usize].connection = connection;
        self.send_syn(connection, server);
    }

    /// The first SYN of a connection leaves.
    pub(super) fn send_syn(&mut self, connection: u32, server: u32) {
        self.tls.forget(connection);
        if self.bottlenecks.is_some() {
            return self.queue_up(connection, Way::ToServer, Item::Syn { connection }, 0);
        }
        let ordinal = self.next_ordinal(connection);
        let at = self.travel(connection, Way::ToServer, ordinal, self.now);
        self.connections[connection].last_to_server = at;
        if self.answer_is_known(server, at) {
            self.answer_ahead(connection, at);
        } else {
            self.push(connection, at, Item::Syn { connection });
        }
    }

    /// Whether a SYN that arrives at `at` will be accepted whatever happens until then: nothing can be lost on the way, and
    /// no fault or pause changes anything before.
    fn answer_is_known(&self, server: u32, at: Timestamp) -> bool {
        let ServerSlot { host, quiet_until, .. } = &self.servers[server as usize];
        at < self.quiet_until
            && at < *quiet_until
            && !self.lossy
            && self.bottlenecks.is_none()
            && !self.links.uneven()
            && self.partitions.is_empty()
            && !self.is_relay(server)
            && host.process() == Process::Running
            && host.syn() == SynAnswer::Accepted
    }

    /// Sends the SYN-ACK of a SYN that will arrive at `at`: one item instead of two.
    fn answer_ahead(&mut self, connection: u32, at: Timestamp) {
        self.connections[connection].server_end = ServerEnd::HalfOpen;
        let ordinal = self.next_ordinal(connection);
        let arrival = self.travel(connection, Way::ToClient, ordinal, at);
        self.connections[connection].last_to_client = arrival;
        self.push(connection, arrival, Item::SynAck { connection });
    }

    /// What is drawn for a connection is keyed by its caller and its number there.
    pub(super) fn identity_of(&self, connection: u32) -> Identity {
        let entry = &self.connections[connection];
        let caller = self.identity_of_caller(entry.caller);
        Identity(caller.0.wrapping_add(u64::from(entry.client_number) << 40))
    }

    /// The public address that a connection comes from.
    pub(super) fn address_of(&self, connection: u32) -> Identity {
        match self.connections[connection].caller.who() {
            Who::Session(session) => {
                let slot = &self.sessions[session as usize];
                self.groups[slot.group as usize].address_of(slot.machine.index())
            }
            Who::Server(server) => self.servers[server as usize].identity,
        }
    }

    /// Sends a message with so much payload: it arrives as `item`.
    #[inline]
    pub(super) fn send(&mut self, connection: u32, way: Way, item: Item, payload: usize) {
        if self.bottlenecks.is_some() {
            return self.queue_up(connection, way, item, payload);
        }
        let at = self.arrival(connection, way);
        self.push(connection, at, item);
    }

    /// What never arrives is forgotten at once: its sender's kernel gives the connection up.
    pub(super) fn push(&mut self, connection: u32, at: Timestamp, item: Item) {
        if at == Timestamp::NEVER {
            if let Item::ToServer { segment, .. } | Item::ToClient { segment, .. } = item {
                self.segments.release(segment);
            }
            return;
        }
        let entry = &mut self.connections[connection];
        entry.in_flight += 1;
        let item = if entry.is_relayed() { by_way_of_balancer(item) } else { item };
        self.queue.push(at, item);
    }

    /// An item that named this connection is dealt with. Until then it keeps the connection's place taken, so that
    /// what a machine does meanwhile can't put another connection there.
    pub(super) fn landed(&mut self, connection: u32) {
        self.connections[connection].in_flight -= 1;
        self.settle(connection);
    }

    /// Gives the connection's place back once nobody will hear of it again.
    pub(super) fn settle(&mut self, connection: u32) {
        if !self.connections[connection].over() {
            return;
        }
        let Connection { caller, client_number, older, .. } = self.connections[connection];
        if self.connections[connection].is_relayed() {
            self.release_flow(connection);
        }
        let session = match caller.who() {
            Who::Session(session) => session,
            Who::Server(server) => {
                // Unless the server's process is another now, which counts from zero again.
                let opened = &mut self.servers[server as usize].opened;
                if opened.get(&client_number) == Some(&connection) {
                    opened.remove(&client_number);
                }
                return self.connections.release(connection);
            }
        };
        let slot = &mut self.sessions[session as usize];
        if slot.connection == connection {
            slot.connection = older;
        } else {
            let mut newer = slot.connection;
            while self.connections[newer].older != connection {
                newer = self.connections[newer].older;
            }
            self.connections[newer].older = older;
        }
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.forget(connection);
        }
        self.connections.release(connection);
    }

    /// Keeps a part of `bytes` for its way. Where that is all of them, as it nearly always is, the buffers change places.
    fn keep(&mut self, bytes: &mut Vec<u8>, part: Range<usize>) -> u32 {
        let segment = self.segments.reuse();
        let buffer = &mut self.segments[segment];
        if part == (0..bytes.len()) {
            // A new buffer is given room for a head at once, rather than piece by piece.
            buffer.reserve(256);
            std::mem::swap(buffer, bytes);
        } else {
            buffer.clear();
            buffer.extend_from_slice(&bytes[part]);
        }
        segment
    }

    /// Sends what a caller says over its connection, unless that is closed.
    pub(super) fn send_to_server(&mut self, connection: Option<u32>, bytes: &mut Vec<u8>, part: Range<usize>) {
        if let Some(connection) = connection {
            let payload = part.len();
            let segment = self.keep(bytes, part);
            self.send(connection, Way::ToServer, Item::ToServer { connection, segment }, payload);
        }
    }

    pub(super) fn send_to_client(&mut self, server: u32, c: ConnectionId, bytes: &mut Vec<u8>, part: Range<usize>) {
        let connection = self.servers[server as usize].accepted[c.0 as usize];
        let payload = part.len();
        let segment = self.keep(bytes, part);
        self.send(connection, Way::ToClient, Item::ToClient { connection, segment }, payload);
    }

    /// The session closes its end: FIN, unless the connection was never up or the other end is gone already.
    pub(super) fn close_client(&mut self, session: u32, c: ConnectionId) {
        let Some(connection) = self.connection_of(session, c) else { return };
        self.close_caller(connection, How::Fin);
    }

    /// The caller closes its end: FIN or RST, unless the connection was never up or the other end is gone already.
    pub(super) fn close_caller(&mut self, connection: u32, how: How) {
        let entry = &mut self.connections[connection];
        let was_up = entry.client == ClientEnd::Open;
        entry.client = ClientEnd::Closed;
        if was_up && !matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone) {
            self.end_toward_server(connection, how == How::Reset);
        }
        self.settle(connection);
    }

    /// The server closes its end: FIN or RST, unless the client's is closed already.
    pub(super) fn close_server(&mut self, server: u32, c: ConnectionId, how: How) {
        let slot = &mut self.servers[server as usize];
        let connection = slot.accepted[c.0 as usize];
        slot.free.push(c.0);
        let entry = &mut self.connections[connection];
        entry.server_end = ServerEnd::Closed;
        if entry.client != ClientEnd::Closed {
            self.cut(connection, how == How::Reset);
        }
        self.settle(connection);
    }

    pub(super) fn syn<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        let Connection { caller, server, client, server_end, .. } = self.connections[connection];
        let session = caller.code();
        if self.relays && (self.connections[connection].is_relayed() || self.is_relay(server)) {
            return self.syn_at_balancer(connection, recorder);
        }
        if client == ClientEnd::Closed {
            // The session gave up while the SYN was on its way; the other end's answer would be for nobody. What an
            // earlier SYN began there ends with an RST that nobody needs to see.
            if server_end == ServerEnd::HalfOpen {
                self.connections[connection].server_end = ServerEnd::Gone;
            }
        } else if self.lossy && self.syn_lost(connection, Leg::Before, Message::Syn) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::Syn, times: 1 }), recorder);
            self.repeat_syn(connection);
        } else if self.is_cut(connection, Way::ToServer) {
            self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }), recorder);
            self.repeat_syn(connection);
        } else {
            self.answer_syn(connection, recorder);
        }
        self.landed(connection);
    }

    pub(super) fn answer_syn<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        let Connection { caller, server, .. } = self.connections[connection];
        let session = caller.code();
        let answer = self.servers[server as usize].host.syn();
        let item = match answer {
            SynAnswer::Accepted => {
                self.connections[connection].server_end = ServerEnd::HalfOpen;
                Item::SynAck { connection }
            }
            SynAnswer::Refused | SynAnswer::Overflowed => {
                let backlog_full = answer == SynAnswer::Overflowed;
                self.record(Kind::Network(server, Event::SynRefused { session, backlog_full }), recorder);
                Item::SynRefused { connection }
            }
            SynAnswer::BacklogFull | SynAnswer::Unanswered => {
                let backlog_full = answer == SynAnswer::BacklogFull;
                self.record(Kind::Network(server, Event::SynDropped { session, backlog_full }), recorder);
                self.repeat_syn(connection);
                return;
            }
        };
        self.send_answer(connection, item, recorder);
    }

    /// The answer to a SYN leaves.
    pub(super) fn send_answer<R: Recorder>(&mut self, connection: u32, item: Item, recorder: &mut R) {
        let entry = &self.connections[connection];
        let (session, server) = (entry.caller.code(), entry.server);
        let leg = if entry.is_relayed() { Leg::Behind } else { Leg::Before };
        if self.lossy && self.syn_lost(connection, leg, Message::SynAck) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::SynAck, times: 1 }), recorder);
            self.repeat_syn(connection);
            return;
        }
        if self.bottlenecks.is_some() {
            return self.queue_up(connection, Way::ToClient, item, 0);
        }
        let at = self.arrival_of_answer(connection);
        self.push(connection, at, item);
    }

    /// Silence: the client's kernel repeats the SYN, by its schedule, until it gives up.
    pub(super) fn repeat_syn(&mut self, connection: u32) {
        let entry = &mut self.connections[connection];
        let opened = entry.opened();
        let repetition = self.syn_schedule.repetition(usize::from(entry.syns));
        entry.syns = entry.syns.saturating_add(1);
        match repetition {
            Some(after) => {
                let leaves = opened + after;
                if self.bottlenecks.is_some() {
                    return self.queue_syn(connection, leaves);
                }
                let arrives = self.arrival_of_repeated_syn(connection, leaves);
                self.push(connection, arrives.max(self.now), Item::Syn { connection });
            }
            None => {
                let at = (opened + self.syn_schedule.gives_up()).max(self.now);
                self.push(connection, at, Item::SynGivenUp { connection });
            }
        }
    }

    /// When a repeated SYN arrives that leaves at a moment. It has no jitter.
    pub(super) fn arrival_of_repeated_syn(&self, connection: u32, leaves: Timestamp) -> Timestamp {
        let one_way = self.connections[connection].one_way;
        leaves + one_way + self.delayed(connection, Way::ToServer, Leg::Before, one_way, leaves)
    }

    pub(super) fn syn_ack<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        let cut = self.is_cut(connection, Way::ToClient);
        let entry = &mut self.connections[connection];
        if cut && entry.client != ClientEnd::Closed {
            self.repeat_syn(connection);
        } else if entry.client == ClientEnd::Closed {
            let caller = entry.caller;
            if self.caller_powered(caller) {
                self.reset_to_server(connection);
            } else {
                // Nobody answers the SYN-ACK: the server's kernel forgets the connect, its process never hears of it.
                self.connections[connection].server_end = ServerEnd::Gone;
            }
        } else {
            entry.came_up(self.now);
            let c = ConnectionId(entry.client_number);
            match entry.caller.who() {
                Who::Session(session) => self.session_input(session, Input::Connected(c), recorder),
                Who::Server(_) => self.tell_server(connection, News::Connected, recorder),
            }
        }
        self.landed(connection);
    }

    /// The connect was refused, or the kernel gave up.
    pub(super) fn not_connected<R: Recorder>(&mut self, connection: u32, refused: bool, recorder: &mut R) {
        let waits = self.connections[connection].client != ClientEnd::Closed;
        if refused && waits && self.is_cut(connection, Way::ToClient) {
            self.repeat_syn(connection);
            self.landed(connection);
            return;
        }
        let entry = &mut self.connections[connection];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        let abandoned = std::mem::replace(&mut entry.client, ClientEnd::Closed) == ClientEnd::Closed;
        // Where every answer was lost, the other end gives up as well.
        if entry.server_end == ServerEnd::HalfOpen {
            entry.server_end = ServerEnd::Gone;
        }
        let why = if refused { ConnectError::Refused } else { ConnectError::TimedOut };
        match caller.who() {
            Who::Session(session) => {
                self.landed(connection);
                if !abandoned {
                    self.session_input(session, Input::ConnectFailed(c, why), recorder);
                }
            }
            Who::Server(_) => {
                if !abandoned {
                    self.tell_server(connection, News::Failed(why), recorder);
                }
                self.landed(connection);
            }
        }
    }

    pub(super) fn segment_at_server<R: Recorder>(&mut self, connection: u32, segment: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToServer, Kept::Segment(segment), recorder) {
            return;
        }
        let Connection { server, server_end, client, .. } = self.connections[connection];
        let slot = &mut self.servers[server as usize];
        let process = slot.host.process();
        match server_end {
            ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted if process == Process::Hung => {
                if server_end == ServerEnd::HalfOpen {
                    slot.host.enqueue();
                    self.connections[connection].server_end = ServerEnd::Queued;
                }
                self.hold(server, connection, Held::Segment { connection, segment });
            }
            ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted => {
                self.receive_at_server(connection, segment, recorder);
            }
            ServerEnd::Closed | ServerEnd::Gone | ServerEnd::None => {
                // A host that is off says nothing, so that the client's kernel goes on trying; one that knows nothing of
                // the connection answers RST.
                if client != ClientEnd::Closed {
                    if !slot.host.powered() {
                        self.stall(connection, Way::ToServer, Spot::End, Kept::Segment(segment), recorder);
                        return;
                    }
                    self.send(connection, Way::ToClient, Item::RstToClient { connection }, 0);
                }
                self.segments.release(segment);
            }
        }
        self.landed(connection);
    }

    /// A process that runs reads a segment, after accepting its connection if it has not yet.
    pub(super) fn receive_at_server<R: Recorder>(&mut self, connection: u32, segment: u32, recorder: &mut R) {
        if self.connections[connection].server_end != ServerEnd::Accepted {
            self.accept(connection, recorder);
        }
        if self.tls.concerns(connection, Way::ToServer) {
            return self.flight_at_server(connection, segment, recorder);
        }
        let entry = &self.connections[connection];
        let (server, c) = (entry.server, ConnectionId(entry.server_number));
        let bytes = std::mem::take(&mut self.segments[segment]);
        self.server_input(server, Input::Received(c, &bytes), recorder);
        self.segments[segment] = bytes;
        self.segments.release(segment);
    }

    pub(super) fn hold(&mut self, server: u32, connection: u32, held: Held) {
        self.connections[connection].in_flight += 1;
        self.servers[server as usize].held.push(held);
    }

    pub(super) fn segment_at_client<R: Recorder>(&mut self, connection: u32, segment: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToClient, Kept::Segment(segment), recorder) {
            return;
        }
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Open {
            let c = ConnectionId(entry.client_number);
            match entry.caller.who() {
                Who::Session(_) if self.tls.concerns(connection, Way::ToClient) => {
                    self.flight_at_client(connection, segment, recorder);
                }
                Who::Session(session) => {
                    let bytes = std::mem::take(&mut self.segments[segment]);
                    self.session_input(session, Input::Received(c, &bytes), recorder);
                    self.segments[segment] = bytes;
                    self.segments.release(segment);
                }
                Who::Server(_) => self.tell_server(connection, News::Received { segment }, recorder),
            }
        } else if self.arrives_too_late(connection, segment, recorder) {
            return;
        } else {
            self.segments.release(segment);
        }
        self.landed(connection);
    }

    pub(super) fn fin_at_server<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToServer, Kept::Fin, recorder) {
            return;
        }
        let Connection { server, server_end, .. } = self.connections[connection];
        let hung = self.servers[server as usize].host.process() == Process::Hung;
        match server_end {
            // A queued connection has held bytes before this FIN, and a half-open one will be read after the hang.
            ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted if hung => {
                self.hold(server, connection, Held::Fin { connection });
            }
            ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted => {
                self.end_at_server(connection, Input::Eof, recorder);
            }
            ServerEnd::Closed | ServerEnd::Gone | ServerEnd::None => {}
        }
        self.landed(connection);
    }

    /// The process learns that its client's end is closed. A connection that it never accepted just vanishes.
    pub(super) fn end_at_server<R: Recorder>(
        &mut self,
        connection: u32,
        input: fn(ConnectionId) -> Input<'static>,
        recorder: &mut R,
    ) {
        let entry = &mut self.connections[connection];
        let (server, number) = (entry.server, entry.server_number);
        match entry.server_end {
            ServerEnd::Accepted => self.server_input(server, input(ConnectionId(number)), recorder),
            ServerEnd::Queued => {
                entry.server_end = ServerEnd::Gone;
                self.servers[server as usize].host.dequeue();
            }
            _ => entry.server_end = ServerEnd::Gone,
        }
    }

    pub(super) fn fin_at_client<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToClient, Kept::Fin, recorder) {
            return;
        }
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Open {
            let c = ConnectionId(entry.client_number);
            match entry.caller.who() {
                Who::Session(session) => self.session_input(session, Input::Eof(c), recorder),
                Who::Server(_) => self.tell_server(connection, News::Eof, recorder),
            }
        }
        self.landed(connection);
    }

    /// The client's kernel answers what it no longer knows.
    pub(super) fn reset_to_server(&mut self, connection: u32) {
        self.end_toward_server(connection, true);
    }

    pub(super) fn rst_at_server<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToServer, Kept::Rst, recorder) {
            return;
        }
        self.reset_at_server(connection, recorder);
        self.landed(connection);
    }

    /// The server's kernel drops the connection, and tells the process. A hung one finds it when it goes on; until then
    /// its kernel has forgotten it.
    pub(super) fn reset_at_server<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        let entry = &self.connections[connection];
        let server = entry.server;
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        let hung = self.servers[server as usize].host.process() == Process::Hung;
        match (alive, hung && entry.server_end == ServerEnd::Accepted) {
            (true, true) => self.hold(server, connection, Held::Fin { connection }),
            (true, false) => self.end_at_server(connection, Input::Reset, recorder),
            (false, _) => {}
        }
    }

    pub(super) fn rst_at_client<R: Recorder>(&mut self, connection: u32, recorder: &mut R) {
        if self.held_up(connection, Way::ToClient, Kept::Rst, recorder) {
            return;
        }
        let entry = &mut self.connections[connection];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        let heard = entry.client != ClientEnd::Closed;
        entry.client = ClientEnd::Closed;
        match caller.who() {
            Who::Session(session) => {
                self.landed(connection);
                if heard {
                    self.session_input(session, Input::Reset(c), recorder);
                }
            }
            Who::Server(_) => {
                if heard {
                    self.tell_server(connection, News::Reset, recorder);
                }
                self.landed(connection);
            }
        }
    }

    /// FIN or RST from the server's host.
    pub(super) fn cut(&mut self, connection: u32, reset: bool) {
        let item = if reset { Item::RstToClient { connection } } else { Item::FinToClient { connection } };
        self.send(connection, Way::ToClient, item, 0);
    }

    /// Whether a number of the slab names a connection of this server that is alive at the server's end.
    pub(super) fn is_alive_at(&self, connection: u32, server: u32) -> bool {
        let entry = &self.connections[connection];
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        entry.server == server && alive
    }
}
