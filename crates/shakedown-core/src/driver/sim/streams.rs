//! HTTP/2 between the machines and their TCP: the connections that client hosts have, and the streams of sessions on them.
//!
//! A stream has a place among the connections, so that both machines have a number for it as for any other; but what it
//! says travels as frames over the connection that carries it, which is its host's. Where no clients come by HTTP/2, there
//! is none of this.

use super::net::{Net, Simulation};
use super::tcp::NONE;
use super::tcp::carriers::Stream;
use super::tcp::connection::{ClientEnd, Connection, Peer, PeerId, ServerEnd};
use super::tcp::queued::Queued;
use crate::client::{Action, OpenRequest, PoolInput};
use crate::h2::{self, Frame};
use crate::machine::{CloseMode, ConnectionId, EndpointId, Input};
use crate::network::Direction;
use crate::rng::Identity;
use crate::time::Timestamp;

impl Simulation {
    /// A session's host, where that has connections that its sessions share.
    pub(super) fn sharing_host(&self, session: u32) -> Option<u32> {
        let machine = &self.sessions[session as usize].machine;
        let first = (*self.net.streams.first.get(usize::from(machine.group()))?)?;
        Some(first + self.net.tcp.peers.groups[usize::from(machine.group())].host_number(machine.index()))
    }

    /// A session wants a stream to a server.
    #[cold]
    pub(super) fn want_stream(&mut self, host: u32, session: u32, c: ConnectionId, server: u32) {
        let endpoint = EndpointId(server);
        let secure = self.directory.secure(endpoint);
        self.notify_host(host, PoolInput::Wanted(OpenRequest { session, connection: c }, endpoint, secure));
    }

    /// A session wants no stream any more that it has not.
    #[cold]
    pub(super) fn give_up_stream(&mut self, session: u32, c: ConnectionId) {
        if let Some(host) = self.sharing_host(session) {
            self.notify_host(host, PoolInput::Unwanted(OpenRequest { session, connection: c }));
        }
    }

    /// Gives a host an input, and does what it asks.
    pub(super) fn notify_host(&mut self, host: u32, input: PoolInput) {
        self.forget_released();
        let mut actions = std::mem::take(&mut self.net.streams.actions);
        self.net.streams.pools[host as usize].handle(input, &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Open(number, EndpointId(server), session) => self.open_carrier(host, number, server, session),
                Action::StartTls(number, endpoint) => {
                    if let Some(&carrier) = self.net.streams.numbers.get(&(host, number)) {
                        self.start_tls(carrier, endpoint);
                    }
                }
                Action::Greet(number) => {
                    if let Some(&carrier) = self.net.streams.numbers.get(&(host, number)) {
                        self.net.send_frame(carrier, Direction::ToServer, Frame::Preface);
                    }
                }
                Action::Close(number) => {
                    if let Some(&carrier) = self.net.streams.numbers.get(&(host, number)) {
                        self.net.tcp.close_caller(carrier, CloseMode::Fin);
                    }
                }
                Action::Idle(number) => self.idle(host, number),
                Action::Begin(wish, number, stream) => self.begin_stream(host, wish, number, stream),
                Action::Tell(session, input) => self.notify_later(session, input),
            }
        }
        self.net.streams.actions = actions;
    }

    /// Sessions are told one after the other, once what goes on now has been dealt with.
    fn notify_later(&mut self, session: u32, input: Input<'static>) {
        if self.net.streams.notices.is_empty() {
            self.net.tcp.queue.push(self.net.tcp.now, Queued::Notify);
        }
        self.net.streams.notices.push_back((session, input));
    }

    pub(super) fn notify_sessions(&mut self) {
        while let Some((session, input)) = self.net.streams.notices.pop_front() {
            self.session_input(session, input);
        }
    }

    /// A host connects: its SYN leaves.
    fn open_carrier(&mut self, host: u32, number: u32, server: u32, session: u32) {
        self.forget_released();
        let (group, _) = self.net.tcp.peers.carrier_host(host);
        let route = self.net.tcp.links.route(group, server);
        let carrier = self.net.tcp.connect(PeerId::host(host), number, server, route, NONE);
        self.net.streams.numbers.insert((host, number), carrier);
        self.net.tcp.carriers.add(carrier, session);
        self.send_syn(carrier, None);
    }

    fn begin_stream(&mut self, host: u32, wish: OpenRequest, number: u32, stream: u32) {
        let Some(&carrier) = self.net.streams.numbers.get(&(host, number)) else { return };
        let OpenRequest { session, connection: c } = wish;
        let Connection { route, one_way, server, .. } = self.net.tcp.connections[carrier];
        self.forget_released();
        let older = self.sessions[session as usize].connections;
        let entry = Connection::stream(self.net.tcp.now, route, one_way, PeerId::session(session), c.0, server, older);
        let place = self.net.tcp.connections.insert(entry);
        self.sessions[session as usize].connections = place;
        let begun = Stream { carrier, number: stream, asked: false, answered: false, ended: false };
        self.net.tcp.carriers.streams.insert(place, begun);
        if let Some(carrier) = self.net.tcp.carriers.get_mut(carrier) {
            carrier.streams.insert(stream, place);
        }
        self.notify_later(session, Input::Stream(c, Some(stream)));
    }

    /// A connection has no stream any more: it is closed if that lasts.
    fn idle(&mut self, host: u32, number: u32) {
        let Some(&carrier) = self.net.streams.numbers.get(&(host, number)) else { return };
        let (group, _) = self.net.tcp.peers.carrier_host(host);
        let timeout = self.groups[usize::from(group)].plan.multiplexes().unwrap_or_default();
        if let Some(entry) = self.net.tcp.carriers.get_mut(carrier) {
            entry.idle_since = self.net.tcp.now;
        }
        self.net.tcp.push(
            carrier,
            self.net.tcp.now + timeout,
            Queued::Idle { connection: carrier, since: self.net.tcp.now },
        );
    }

    /// A connection has been idle for long enough, unless it was used meanwhile.
    pub(super) fn idle_for_long(&mut self, carrier: u32, since: Timestamp) {
        let entry = &self.net.tcp.connections[carrier];
        let still = self.net.tcp.carriers.get(carrier).is_some_and(|carrier| carrier.idle_since == since);
        if let (Peer::Host(host), true, ClientEnd::Open) = (entry.caller.who(), still, entry.client) {
            let number = entry.client_number;
            if self.net.streams.pools[host as usize].retire(number) {
                self.net.tcp.close_caller(carrier, CloseMode::Fin);
            }
        }
        self.net.tcp.release(carrier);
    }

    /// A session closes its end of a stream. With RST: it has found out that there is nobody at the other end, which holds
    /// for all that its host has on this connection.
    #[cold]
    pub(super) fn close_stream(&mut self, stream: u32, how: CloseMode) {
        let entry = &mut self.net.tcp.connections[stream];
        entry.client = ClientEnd::Closed;
        let server_done = matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone);
        let Some(&Stream { carrier, number, asked, answered, .. }) = self.net.tcp.carriers.streams.get(&stream) else {
            return;
        };
        if !asked {
            // The server never hears of it.
            entry.server_end = ServerEnd::Gone;
        }
        if carrier != NONE
            && let Peer::Host(host) = self.net.tcp.connections[carrier].caller.who()
        {
            let line = self.net.tcp.connections[carrier].client_number;
            if how == CloseMode::Reset {
                self.carrier_lost(carrier, false);
                if self.net.tcp.connections[carrier].client != ClientEnd::Closed {
                    self.net.tcp.close_caller(carrier, CloseMode::Reset);
                }
            } else {
                if asked && !server_done {
                    self.net.send_frame(carrier, Direction::ToServer, end_of(number, answered));
                }
                self.notify_host(host, PoolInput::StreamEnded(line));
            }
        }
        self.net.tcp.reap(stream);
    }

    /// A server closes its end of a stream.
    #[cold]
    pub(super) fn close_stream_at_server(&mut self, stream: u32, how: CloseMode) {
        let heard = self.net.tcp.connections[stream].client != ClientEnd::Closed;
        let place =
            self.net.tcp.carriers.streams.get(&stream).filter(|place| heard && !place.ended && place.carrier != NONE);
        if let Some(&Stream { carrier, number, answered, .. }) = place {
            self.net.send_frame(carrier, Direction::ToClient, end_of(number, answered && how == CloseMode::Fin));
        }
        self.net.tcp.reap(stream);
    }

    /// A host's connection is no more, as far as the host knows: all sessions that have a stream on it lose that, or wait
    /// for it in vain.
    #[cold]
    pub(super) fn carrier_lost(&mut self, carrier: u32, in_order: bool) {
        let Peer::Host(host) = self.net.tcp.connections[carrier].caller.who() else { return };
        self.notify_host(host, PoolInput::Lost(self.net.tcp.connections[carrier].client_number, in_order));
        for stream in self.streams_on(carrier) {
            let entry = &mut self.net.tcp.connections[stream];
            if std::mem::replace(&mut entry.client, ClientEnd::Closed) == ClientEnd::Closed {
                continue;
            }
            let c = ConnectionId(entry.client_number);
            if let Peer::Session(session) = entry.caller.who() {
                self.notify_later(session, if in_order { Input::Eof(c) } else { Input::Reset(c) });
            }
            self.net.tcp.reap(stream);
        }
    }

    fn streams_on(&self, carrier: u32) -> Vec<u32> {
        self.net.tcp.carriers.over(carrier).collect()
    }

    /// A connection has ended at its server, and with it the streams on it.
    #[cold]
    pub(super) fn streams_end_at_server(&mut self, carrier: u32, input: fn(ConnectionId) -> Input<'static>) {
        for stream in self.streams_on(carrier) {
            let entry = &mut self.net.tcp.connections[stream];
            let (server, number) = (entry.server, ConnectionId(entry.server_number));
            match entry.server_end {
                ServerEnd::Accepted => self.server_input(server, input(number)),
                // Its request was under way.
                ServerEnd::HalfOpen => {
                    entry.server_end = ServerEnd::Gone;
                    self.net.tcp.reap(stream);
                }
                _ => {}
            }
        }
    }

    /// A server's process reads a frame.
    #[cold]
    pub(super) fn frame_at_server(&mut self, carrier: u32, segment: u32) {
        let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
        let Connection { server, server_number, .. } = self.net.tcp.connections[carrier];
        let on = ConnectionId(server_number);
        let frame = Frame::read(&bytes);
        let stream = frame.and_then(|frame| self.net.tcp.carriers.on(carrier, frame.stream()?));
        match (frame, stream) {
            (Some(Frame::Preface), _) => self.server_input(server, Input::Preface(on)),
            (Some(Frame::Headers { fields, .. }), Some(stream)) => {
                let (c, client) = self.take_number(stream);
                self.with_server(server, |machine, cx, now, out| {
                    machine.handle(cx, now, Input::StreamOpened(c, on, client), out);
                    machine.handle(cx, now, Input::Received(c, fields), out);
                });
            }
            (Some(frame), Some(stream)) if self.net.tcp.connections[stream].server_end == ServerEnd::Accepted => {
                let c = ConnectionId(self.net.tcp.connections[stream].server_number);
                match frame {
                    Frame::Data { bytes, last: false, .. } => self.server_input(server, Input::Received(c, bytes)),
                    Frame::Data { last: true, .. } => self.server_input(server, Input::Eof(c)),
                    _ => self.server_input(server, Input::Reset(c)),
                }
            }
            _ => {}
        }
        self.net.tcp.segments[segment] = bytes;
        self.net.tcp.segments.release(segment);
    }

    /// A client host reads a frame.
    #[cold]
    pub(super) fn frame_at_client(&mut self, carrier: u32, host: u32, segment: u32) {
        let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
        let line = self.net.tcp.connections[carrier].client_number;
        let frame = Frame::read(&bytes);
        let stream = frame.and_then(|frame| self.net.tcp.carriers.on(carrier, frame.stream()?));
        match (frame, stream) {
            (Some(Frame::Settings { extended_connect, streams_max }), _) => {
                self.notify_host(host, PoolInput::Settings(line, extended_connect, streams_max));
            }
            (Some(Frame::GoAway), _) => self.notify_host(host, PoolInput::GoAway(line)),
            (Some(frame), Some(stream)) if self.net.tcp.connections[stream].client == ClientEnd::Open => {
                self.frame_at_session(stream, frame, (host, line));
            }
            _ => {}
        }
        self.net.tcp.segments[segment] = bytes;
        self.net.tcp.segments.release(segment);
    }

    fn frame_at_session(&mut self, stream: u32, frame: Frame<'_>, (host, line): (u32, u32)) {
        let entry = &mut self.net.tcp.connections[stream];
        let (caller, c) = (entry.caller, ConnectionId(entry.client_number));
        let Peer::Session(session) = caller.who() else { return };
        match frame {
            Frame::Headers { fields: bytes, .. } | Frame::Data { bytes, last: false, .. } => {
                self.session_input(session, Input::Received(c, bytes));
            }
            Frame::Data { last: true, .. } => self.session_input(session, Input::Eof(c)),
            Frame::Reset { .. } => {
                entry.client = ClientEnd::Closed;
                self.net.tcp.reap(stream);
                self.notify_host(host, PoolInput::StreamEnded(line));
                self.session_input(session, Input::Reset(c));
            }
            Frame::Preface | Frame::Settings { .. } | Frame::GoAway => {}
        }
    }

    /// A request has come on a stream, which the server has a number for from now on, and a client that it is drawn for.
    fn take_number(&mut self, stream: u32) -> (ConnectionId, Identity) {
        let number = self.number(self.net.tcp.connections[stream].server, stream);
        (number, self.net.tcp.identity_of(stream))
    }
}

impl Net {
    /// Sends a frame over the connection that carries its stream.
    fn send_frame(&mut self, carrier: u32, way: Direction, frame: Frame<'_>) {
        let segment = self.tcp.segments.reuse();
        let buffer = &mut self.tcp.segments[segment];
        buffer.clear();
        frame.write(buffer);
        self.tcp.send_segment(carrier, way, segment, frame.wire_bytes());
    }

    /// Sends what a machine says on a stream: first its request or its answer, then what follows.
    #[cold]
    pub(super) fn send_on_stream(&mut self, stream: u32, way: Direction, bytes: &[u8]) {
        let Some(place) = self.tcp.carriers.streams.get_mut(&stream).filter(|place| place.carrier != NONE) else {
            return;
        };
        let Stream { carrier, number, .. } = *place;
        let begun = match way {
            Direction::ToServer => std::mem::replace(&mut place.asked, true),
            Direction::ToClient => std::mem::replace(&mut place.answered, true),
        };
        let fields;
        let frame = match (begun, way) {
            (true, _) => Frame::Data { stream: number, bytes, last: false },
            (false, Direction::ToServer) => Frame::Headers { stream: number, fields: bytes, last: false },
            (false, Direction::ToClient) => {
                fields = h2::answer_fields(bytes);
                place.ended = !fields.starts_with(b":status: 2");
                Frame::Headers { stream: number, fields: &fields, last: place.ended }
            }
        };
        self.send_frame(carrier, way, frame);
    }
}

/// How a stream ends: in order, or cut off.
fn end_of(stream: u32, in_order: bool) -> Frame<'static> {
    if in_order { Frame::Data { stream, bytes: b"", last: true } } else { Frame::Reset { stream } }
}
