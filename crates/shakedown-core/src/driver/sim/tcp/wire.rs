//! TCP as its users see it: connects, segments in order, FIN, RST and silence.

use std::ops::Range;

use super::connection::{ClientEnd, Connection, Peer, ServerEnd};
use super::relay::by_way_of_balancer;
use super::segment::{Hop, Segment, StallPoint};
use super::{Queued, Tcp};
use crate::event::Kind;
use crate::machine::CloseMode;
use crate::network::{Direction, Event, Message, Overflow};
use crate::time::Timestamp;

impl Tcp {
    /// Sends a message with so much payload: it arrives as `item`.
    #[inline]
    pub(crate) fn send(&mut self, connection: u32, way: Direction, item: Queued, payload: usize) {
        if self.exceptional {
            if self.is_strangers(connection) {
                return self.push(connection, self.now, item);
            }
            let first = if way == Direction::ToClient && self.connections[connection].is_relayed() {
                Hop::Behind
            } else {
                Hop::Before
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
    pub(crate) fn push(&mut self, connection: u32, at: Timestamp, item: Queued) {
        if at == Timestamp::NEVER {
            if let Queued::ToServer { segment, .. } | Queued::ToClient { segment, .. } = item {
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
    pub(crate) fn release(&mut self, connection: u32) {
        self.connections[connection].in_flight -= 1;
        self.reap(connection);
    }

    /// Gives the connection's place back once nobody will hear of it again.
    pub(crate) fn reap(&mut self, connection: u32) {
        if !self.connections[connection].over() {
            return;
        }
        if self.connections[connection].is_relayed() {
            self.release_flow(connection);
        }
        if self.keepalives.is_some() {
            self.forget_keepalive(connection);
        }
        if self.connections[connection].is_stream() {
            self.carriers.forget_stream(connection);
        } else if let Peer::Host(_) = self.connections[connection].caller.who() {
            self.carriers.forget(connection);
        }
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.forget(connection);
        }
        if !self.slow_repairs.is_empty() {
            self.slow_repairs.remove(&(connection, Direction::ToServer));
            self.slow_repairs.remove(&(connection, Direction::ToClient));
        }
        self.released.push(connection);
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

    /// Sends a part of `bytes`.
    pub(crate) fn send_bytes(&mut self, connection: u32, way: Direction, bytes: &mut Vec<u8>, part: Range<usize>) {
        let payload = part.len();
        let segment = self.keep(bytes, part);
        self.send_segment(connection, way, segment, payload);
    }

    /// Sends a segment that counts as so many bytes.
    #[inline]
    pub(crate) fn send_segment(&mut self, connection: u32, way: Direction, segment: u32, payload: usize) {
        let item = match way {
            Direction::ToServer => Queued::ToServer { connection, segment },
            Direction::ToClient => {
                Queued::ToClient { connection, caller: self.connections[connection].caller, segment }
            }
        };
        self.send(connection, way, item, payload);
    }

    /// The caller closes its end: FIN or RST, unless the connection was never up or the other end is gone already.
    pub(crate) fn close_caller(&mut self, connection: u32, how: CloseMode) {
        if self.ports.is_some() {
            self.free_port(connection, how == CloseMode::Fin);
        }
        let entry = &mut self.connections[connection];
        let was_up = entry.client == ClientEnd::Open;
        entry.client = ClientEnd::Closed;
        if self.exceptional {
            self.tap_closed(connection);
        }
        self.orphan(connection, Direction::ToServer);
        let entry = &self.connections[connection];
        if was_up && !matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone) {
            self.end_toward_server(connection, how == CloseMode::Reset);
        }
        self.reap(connection);
    }

    /// The server closes its end: FIN or RST, unless the client's is closed already.
    pub(crate) fn close_server(&mut self, connection: u32, how: CloseMode) {
        self.orphan(connection, Direction::ToClient);
        if self.connections[connection].client != ClientEnd::Closed {
            self.cut(connection, how == CloseMode::Reset);
        }
        self.reap(connection);
    }

    /// The answer to a SYN leaves.
    pub(crate) fn send_answer(&mut self, connection: u32, item: Queued) {
        let entry = &self.connections[connection];
        let (session, server) = (entry.caller.code(), entry.server);
        let hop = if entry.is_relayed() { Hop::Behind } else { Hop::Before };
        if self.exceptional {
            self.tap_send(item, hop);
        }
        if self.lossy && self.syn_lost(connection, hop, Message::SynAck) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::SynAck, times: 1 }));
            self.tap_answer_lost(connection, hop);
            self.repeat_syn(connection);
            return;
        }
        if self.bottlenecks.is_some() {
            return self.queue_up(connection, Direction::ToClient, item, 0);
        }
        let at = self.arrival_of_answer(connection);
        self.push(connection, at, item);
    }

    /// A segment arrives at a server. True when its process is to have it; [`Tcp::release`] follows.
    pub(crate) fn segment_at_server(&mut self, connection: u32, segment: u32) -> bool {
        if self.held_up(connection, Direction::ToServer, Segment::Data(segment)) {
            return false;
        }
        if self.keepalives.is_some() {
            self.both_hear(connection, Direction::ToServer);
        }
        let Connection { server, server_end, client, .. } = self.connections[connection];
        match server_end {
            ServerEnd::HalfOpen if self.hosts[server as usize].kernel.is_full() => {
                self.overflow(connection, segment);
                return false;
            }
            ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted => return true,
            ServerEnd::Closed | ServerEnd::Gone | ServerEnd::None => {
                // A host that is off says nothing, so that the client's kernel goes on trying; one that knows nothing of
                // the connection answers RST.
                if client != ClientEnd::Closed {
                    if !self.hosts[server as usize].kernel.powered() {
                        self.stall(connection, Direction::ToServer, StallPoint::End, Segment::Data(segment));
                        return false;
                    }
                    self.send(connection, Direction::ToClient, Queued::RstToClient { connection }, 0);
                }
                self.segments.release(segment);
            }
        }
        self.release(connection);
        false
    }

    /// The first bytes of a connect that was answered before the accept queue was full: its third segment is dropped with
    /// them, and they are repeated by the timer of data; or its host answers RST (Linux: `tcp_check_req`).
    #[cold]
    fn overflow(&mut self, connection: u32, segment: u32) {
        let Connection { caller, server, client, .. } = self.connections[connection];
        self.record(Kind::Network(server, Event::AcceptOverflow { session: caller.code() }));
        match self.hosts[server as usize].kernel.overflow() {
            Overflow::Drop => self.stall(connection, Direction::ToServer, StallPoint::End, Segment::Data(segment)),
            Overflow::Reset => {
                self.connections[connection].server_end = ServerEnd::Gone;
                if client != ClientEnd::Closed {
                    self.send(connection, Direction::ToClient, Queued::RstToClient { connection }, 0);
                }
                self.segments.release(segment);
                self.release(connection);
            }
        }
    }

    /// Whether what arrives at a server would complete a connect that the accept queue has no room for, and is dropped.
    pub(crate) fn overflows(&self, connection: u32) -> bool {
        let entry = &self.connections[connection];
        let host = &self.hosts[entry.server as usize].kernel;
        entry.server_end == ServerEnd::HalfOpen && host.is_full() && host.overflow() == Overflow::Drop
    }

    /// The first bytes for a process that hangs: the connection waits in its accept queue.
    pub(crate) fn enqueue(&mut self, connection: u32) {
        let entry = &mut self.connections[connection];
        if entry.server_end == ServerEnd::HalfOpen {
            entry.server_end = ServerEnd::Queued;
            self.hosts[entry.server as usize].kernel.enqueue();
        }
    }

    /// A connection that its server's process never accepted vanishes.
    pub(crate) fn vanish(&mut self, connection: u32) {
        let entry = &mut self.connections[connection];
        if std::mem::replace(&mut entry.server_end, ServerEnd::Gone) == ServerEnd::Queued {
            self.hosts[entry.server as usize].kernel.dequeue();
        }
    }

    /// A segment arrives at the end that opened the connection. True when that is to have it;
    /// [`Tcp::release`] follows.
    pub(crate) fn segment_at_client(&mut self, connection: u32, segment: u32) -> bool {
        if self.held_up(connection, Direction::ToClient, Segment::Data(segment)) {
            return false;
        }
        if self.keepalives.is_some() {
            self.both_hear(connection, Direction::ToClient);
        }
        if self.connections[connection].client == ClientEnd::Open {
            return true;
        }
        if !self.arrives_too_late(connection, segment) {
            self.segments.release(segment);
            self.release(connection);
        }
        false
    }

    /// What arrives for an end that is closed: its host answers RST, or has no power and says nothing. True when it
    /// stalled there.
    #[inline]
    fn arrives_too_late(&mut self, connection: u32, segment: u32) -> bool {
        let Connection { caller, server_end, .. } = self.connections[connection];
        if server_end != ServerEnd::Accepted {
            return false;
        }
        if !self.peer_powered(caller) {
            self.stall(connection, Direction::ToClient, StallPoint::End, Segment::Data(segment));
            return true;
        }
        self.reset_to_server(connection);
        false
    }

    /// FIN arrives at a server. True when its process is to hear of it; [`Tcp::release`] follows.
    pub(crate) fn fin_at_server(&mut self, connection: u32) -> bool {
        if self.held_up(connection, Direction::ToServer, Segment::Fin) {
            return false;
        }
        let alive = self.connections[connection].is_alive_at_server();
        if !alive {
            self.release(connection);
        }
        alive
    }

    /// FIN arrives at the end that opened the connection. True when that is to hear of it;
    /// [`Tcp::release`] follows.
    pub(crate) fn fin_at_client(&mut self, connection: u32) -> bool {
        if self.held_up(connection, Direction::ToClient, Segment::Fin) {
            return false;
        }
        let open = self.connections[connection].client == ClientEnd::Open;
        if !open {
            self.release(connection);
        }
        open
    }

    /// The kernel of the end that opened a connection drops it. True when that end is to hear of it.
    pub(crate) fn drop_client(&mut self, connection: u32) -> bool {
        if self.ports.is_some() {
            self.free_port(connection, false);
        }
        let entry = &mut self.connections[connection];
        std::mem::replace(&mut entry.client, ClientEnd::Closed) != ClientEnd::Closed
    }

    /// The client's kernel answers what it no longer knows.
    pub(crate) fn reset_to_server(&mut self, connection: u32) {
        self.end_toward_server(connection, true);
    }

    /// FIN or RST from the server's host, unless that has given the connection up.
    pub(crate) fn cut(&mut self, connection: u32, reset: bool) {
        if self.connections[connection].is_given_up(Direction::ToClient) {
            return;
        }
        let item = if reset { Queued::RstToClient { connection } } else { Queued::FinToClient { connection } };
        self.send(connection, Direction::ToClient, item, 0);
    }

    /// FIN or RST from the end that opened a connection.
    pub(crate) fn end_toward_server(&mut self, connection: u32, reset: bool) {
        let item = if reset { Queued::RstToServer { connection } } else { Queued::FinToServer { connection } };
        self.send(connection, Direction::ToServer, item, 0);
    }

    /// Whether a number of the slab names a connection of this server that is alive at the server's end.
    pub(crate) fn is_alive_at(&self, connection: u32, server: u32) -> bool {
        let entry = &self.connections[connection];
        entry.server == server && entry.is_alive_at_server()
    }

    /// A server's process is gone, and its kernel with it, or not. Its kernel, if that lives, ends idle connections with
    /// FIN, and those with bytes that nobody read or accepted with RST. (Linux: `tcp_close` sends RST when the receive queue
    /// is not empty, and `inet_csk_listen_stop` resets what is in the accept queue.) `unread` are sorted.
    pub(crate) fn lose_server(&mut self, server: u32, kernel_lives: bool, unread: &[u32]) {
        if !kernel_lives {
            self.forget_ports(server);
        }
        for connection in 0..self.connections.len() as u32 {
            if !self.is_alive_at(connection, server) {
                continue;
            }
            let entry = &mut self.connections[connection];
            let accepted = entry.server_end == ServerEnd::Accepted;
            entry.server_end = ServerEnd::Gone;
            if entry.is_stream() {
                // Its client hears of it by what carries it.
                self.reap(connection);
                continue;
            }
            let heard = entry.client != ClientEnd::Closed;
            if !kernel_lives {
                self.forget_kept(connection, Direction::ToClient);
            } else {
                self.orphan(connection, Direction::ToClient);
            }
            if kernel_lives && heard {
                let reset = !accepted || unread.binary_search(&connection).is_ok();
                self.cut(connection, reset);
            }
        }
    }

    /// The process that opened a connection is gone: its kernel ends it as it ends those it accepted, or has gone with it
    /// and says nothing.
    pub(crate) fn lose_client(&mut self, connection: u32, kernel_lives: bool, unread: bool) {
        if self.ports.is_some() {
            self.free_port(connection, kernel_lives && !unread);
        }
        let entry = &mut self.connections[connection];
        let was = std::mem::replace(&mut entry.client, ClientEnd::Closed);
        if was == ClientEnd::Closed {
            return;
        }
        let heard = !matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone);
        if !kernel_lives {
            self.forget_kept(connection, Direction::ToServer);
        } else if was == ClientEnd::Open && heard {
            self.orphan(connection, Direction::ToServer);
            self.end_toward_server(connection, unread);
        }
        self.reap(connection);
    }
}
