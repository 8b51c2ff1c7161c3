//! TCP as its users see it: connects, segments in order, FIN, RST and silence.

use std::ops::Range;

use super::calls::News;
use super::connection::{Caller, ClientEnd, Connection, ServerEnd, Who};
use super::relay::{Leg, by_way_of_balancer};
use super::stall::{Kept, Spot};
use super::{Held, Item, Simulation};
use crate::event::Kind;
use crate::machine::{CloseMode, ConnectionId, Input};
use crate::network::{Event, Message, Process, Way};
use crate::rng::Identity;
use crate::time::Timestamp;

impl Simulation {
    /// What is drawn for a connection is keyed by its caller and its number there.
    pub(super) fn identity_of(&self, connection: u32) -> Identity {
        if self.external.is_some() && self.is_of_external_caller(connection) {
            let [identity, _] = self.external_identity(connection);
            return identity;
        }
        let entry = &self.connections[connection];
        let caller = self.identity_of_caller(entry.caller);
        Identity(caller.0.wrapping_add(u64::from(entry.client_number) << 40))
    }

    /// The public address that a connection comes from.
    pub(super) fn address_of(&self, connection: u32) -> Identity {
        match self.connections[connection].caller.who() {
            Who::Session(session) => {
                let slot = &self.sessions[session as usize];
                self.groups[usize::from(slot.machine.group())].address_of(slot.machine.index())
            }
            Who::Server(_) if self.is_of_external_caller(connection) => {
                let [_, address] = self.external_identity(connection);
                address
            }
            Who::Server(server) => self.servers[server as usize].identity,
            Who::Host(host) => {
                let (group, number) = self.streams.host(host);
                self.groups[usize::from(group)].address_of(number)
            }
        }
    }

    /// Sends a message with so much payload: it arrives as `item`.
    #[inline]
    pub(super) fn send(&mut self, connection: u32, way: Way, item: Item, payload: usize) {
        if self.exceptional {
            if self.external.is_some() && self.is_of_external_caller(connection) {
                return self.push(connection, self.now, item);
            }
            let first = if way == Way::ToClient && self.connections[connection].is_relayed() {
                Leg::Behind
            } else {
                Leg::Before
            };
            self.tap_send(item, first);
            if self.bottlenecks.is_some() {
                return self.queue_up(connection, way, item, payload);
            }
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
        if self.connections[connection].is_stream() {
            self.forget_stream(connection);
        }
        let session = match caller.who() {
            Who::Session(session) => session,
            Who::Host(host) => {
                self.forget_carrier(connection, host);
                if let Some(bottlenecks) = &mut self.bottlenecks {
                    bottlenecks.forget(connection);
                }
                return self.connections.release(connection);
            }
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
            if self.connections[connection].is_stream() {
                return self.send_on_stream(connection, Way::ToServer, &bytes[part]);
            }
            let payload = part.len();
            let segment = self.keep(bytes, part);
            self.send(connection, Way::ToServer, Item::ToServer { connection, segment }, payload);
        }
    }

    pub(super) fn send_to_client(&mut self, server: u32, c: ConnectionId, bytes: &mut Vec<u8>, part: Range<usize>) {
        let connection = self.servers[server as usize].accepted[c.0 as usize];
        if self.connections[connection].is_stream() {
            return self.send_on_stream(connection, Way::ToClient, &bytes[part]);
        }
        let payload = part.len();
        let segment = self.keep(bytes, part);
        let caller = self.connections[connection].caller;
        self.send(connection, Way::ToClient, Item::ToClient { connection, caller, segment }, payload);
    }

    /// The session closes its end: FIN, unless the connection was never up or the other end is gone already.
    pub(super) fn close_client(&mut self, session: u32, c: ConnectionId, how: CloseMode) {
        match self.connection_of(session, c) {
            None if self.streams.any() => self.give_up_stream(session, c),
            None => {}
            Some(stream) if self.connections[stream].is_stream() => self.close_stream(stream, how),
            Some(connection) => self.close_caller(connection, how),
        }
    }

    /// The caller closes its end: FIN or RST, unless the connection was never up or the other end is gone already.
    pub(super) fn close_caller(&mut self, connection: u32, how: CloseMode) {
        let entry = &mut self.connections[connection];
        let was_up = entry.client == ClientEnd::Open;
        entry.client = ClientEnd::Closed;
        if self.exceptional {
            self.tap_closed(connection);
        }
        let entry = &self.connections[connection];
        if was_up && !matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone) {
            self.end_toward_server(connection, how == CloseMode::Reset);
        }
        self.settle(connection);
    }

    /// The server closes its end: FIN or RST, unless the client's is closed already.
    pub(super) fn close_server(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        let slot = &mut self.servers[server as usize];
        let connection = slot.accepted[c.0 as usize];
        slot.free.push(c.0);
        let entry = &mut self.connections[connection];
        entry.server_end = ServerEnd::Closed;
        if entry.is_stream() {
            return self.close_stream_at_server(connection, how);
        }
        if entry.client != ClientEnd::Closed {
            self.cut(connection, how == CloseMode::Reset);
        }
        self.settle(connection);
    }

    /// The answer to a SYN leaves.
    pub(super) fn send_answer(&mut self, connection: u32, item: Item) {
        let entry = &self.connections[connection];
        let (session, server) = (entry.caller.code(), entry.server);
        let leg = if entry.is_relayed() { Leg::Behind } else { Leg::Before };
        if self.exceptional {
            self.tap_send(item, leg);
        }
        if self.lossy && self.syn_lost(connection, leg, Message::SynAck) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::SynAck, times: 1 }));
            self.tap_answer_lost(connection, leg);
            self.repeat_syn(connection);
            return;
        }
        if self.bottlenecks.is_some() {
            return self.queue_up(connection, Way::ToClient, item, 0);
        }
        let at = self.arrival_of_answer(connection);
        self.push(connection, at, item);
    }

    pub(super) fn segment_at_server(&mut self, connection: u32, segment: u32) {
        if self.held_up(connection, Way::ToServer, Kept::Segment(segment)) {
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
                self.receive_at_server(connection, segment);
            }
            ServerEnd::Closed | ServerEnd::Gone | ServerEnd::None => {
                // A host that is off says nothing, so that the client's kernel goes on trying; one that knows nothing of
                // the connection answers RST.
                if client != ClientEnd::Closed {
                    if !slot.host.powered() {
                        self.stall(connection, Way::ToServer, Spot::End, Kept::Segment(segment));
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
    pub(super) fn receive_at_server(&mut self, connection: u32, segment: u32) {
        if self.external.is_some() && self.is_external(self.connections[connection].server) {
            return self.external_receives(connection, segment);
        }
        let fresh = self.connections[connection].server_end != ServerEnd::Accepted;
        let accepted = fresh.then(|| self.accept(connection));
        if self.tls.concerns(connection, Way::ToServer) {
            if let Some(accepted) = accepted {
                self.server_input(self.connections[connection].server, accepted);
            }
            return self.flight_at_server(connection, segment);
        }
        if self.streams.any() && matches!(self.connections[connection].caller.who(), Who::Host(_)) {
            if let Some(accepted) = accepted {
                self.server_input(self.connections[connection].server, accepted);
            }
            return self.frame_at_server(connection, segment);
        }
        let entry = &self.connections[connection];
        let (server, c) = (entry.server, ConnectionId(entry.server_number));
        let bytes = std::mem::take(&mut self.segments[segment]);
        self.with_server(server, |machine, cx, now, out| {
            if let Some(accepted) = accepted {
                machine.handle(cx, now, accepted, out);
            }
            machine.handle(cx, now, Input::Received(c, &bytes), out);
        });
        self.segments[segment] = bytes;
        self.segments.release(segment);
    }

    pub(super) fn hold(&mut self, server: u32, connection: u32, held: Held) {
        self.connections[connection].in_flight += 1;
        self.servers[server as usize].held.push(held);
    }

    pub(super) fn segment_at_client(&mut self, connection: u32, caller: Caller, segment: u32) {
        if self.held_up(connection, Way::ToClient, Kept::Segment(segment)) {
            return;
        }
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Open {
            let c = ConnectionId(entry.client_number);
            match caller.who() {
                Who::Session(_) | Who::Host(_) if self.tls.concerns(connection, Way::ToClient) => {
                    self.flight_at_client(connection, segment);
                }
                Who::Host(host) => self.frame_at_client(connection, host, segment),
                Who::Session(session) => {
                    let bytes = std::mem::take(&mut self.segments[segment]);
                    self.session_input(session, Input::Received(c, &bytes));
                    self.segments[segment] = bytes;
                    self.segments.release(segment);
                }
                Who::Server(_) => self.tell_server(connection, News::Received { segment }),
            }
        } else if self.arrives_too_late(connection, segment) {
            return;
        } else {
            self.segments.release(segment);
        }
        self.landed(connection);
    }

    pub(super) fn fin_at_server(&mut self, connection: u32) {
        if self.held_up(connection, Way::ToServer, Kept::Fin) {
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
                self.end_at_server(connection, Input::Eof);
            }
            ServerEnd::Closed | ServerEnd::Gone | ServerEnd::None => {}
        }
        self.landed(connection);
    }

    /// The process learns that its client's end is closed. A connection that it never accepted just vanishes.
    pub(super) fn end_at_server(&mut self, connection: u32, input: fn(ConnectionId) -> Input<'static>) {
        let entry = &mut self.connections[connection];
        let (server, number) = (entry.server, entry.server_number);
        match entry.server_end {
            ServerEnd::Accepted => {
                if self.streams.any() {
                    self.streams_end_at_server(connection, input);
                }
                self.server_input(server, input(ConnectionId(number)));
            }
            ServerEnd::Queued => {
                entry.server_end = ServerEnd::Gone;
                self.servers[server as usize].host.dequeue();
            }
            _ => entry.server_end = ServerEnd::Gone,
        }
    }

    pub(super) fn fin_at_client(&mut self, connection: u32) {
        if self.held_up(connection, Way::ToClient, Kept::Fin) {
            return;
        }
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Open {
            let c = ConnectionId(entry.client_number);
            match entry.caller.who() {
                Who::Session(session) => self.session_input(session, Input::Eof(c)),
                Who::Server(_) => self.tell_server(connection, News::Eof),
                Who::Host(_) => {
                    self.carrier_lost(connection, true);
                    self.close_caller(connection, CloseMode::Fin);
                }
            }
        }
        self.landed(connection);
    }

    /// The client's kernel answers what it no longer knows.
    pub(super) fn reset_to_server(&mut self, connection: u32) {
        self.end_toward_server(connection, true);
    }

    pub(super) fn rst_at_server(&mut self, connection: u32) {
        if self.held_up(connection, Way::ToServer, Kept::Rst) {
            return;
        }
        self.reset_at_server(connection);
        self.landed(connection);
    }

    /// The server's kernel drops the connection, and tells the process. A hung one finds it when it goes on; until then
    /// its kernel has forgotten it.
    pub(super) fn reset_at_server(&mut self, connection: u32) {
        let entry = &self.connections[connection];
        let server = entry.server;
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        let hung = self.servers[server as usize].host.process() == Process::Hung;
        match (alive, hung && entry.server_end == ServerEnd::Accepted) {
            (true, true) => self.hold(server, connection, Held::Fin { connection }),
            (true, false) => self.end_at_server(connection, Input::Reset),
            (false, _) => {}
        }
    }

    pub(super) fn rst_at_client(&mut self, connection: u32) {
        if self.held_up(connection, Way::ToClient, Kept::Rst) {
            return;
        }
        self.reset_at_client(connection);
    }

    /// The client's kernel drops the connection, and tells whoever opened it.
    pub(super) fn reset_at_client(&mut self, connection: u32) {
        let entry = &mut self.connections[connection];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        let heard = entry.client != ClientEnd::Closed;
        entry.client = ClientEnd::Closed;
        match caller.who() {
            Who::Session(session) => {
                self.landed(connection);
                if heard {
                    self.session_input(session, Input::Reset(c));
                }
            }
            Who::Server(_) => {
                if heard {
                    self.tell_server(connection, News::Reset);
                }
                self.landed(connection);
            }
            Who::Host(_) => {
                if heard {
                    self.carrier_lost(connection, false);
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
