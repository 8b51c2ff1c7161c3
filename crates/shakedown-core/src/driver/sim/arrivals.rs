//! What arrives, and for whom: the network's event go to sessions, servers and client hosts, or wait in front of a process
//! that hangs.

use std::collections::VecDeque;

use super::net::Simulation;
use super::pending::{ConnectionEvent, Pending};
use super::tcp::connection::{ClientEnd, Connection, Peer, PeerId, ServerEnd};
use super::tcp::segment::{Segment, StallPoint};
use crate::driver::stage::{PendingInput, Transport};
use crate::event::Kind;
use crate::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Input};
use crate::network::{Direction, Process, SynAnswer};
use crate::{client, server};

impl Simulation {
    /// Connections that nobody will hear of again: whoever has them by numbers of its own forgets them, and their places are
    /// free.
    #[inline]
    pub(super) fn forget_released(&mut self) {
        if !self.net.tcp.released.is_empty() {
            let mut released = std::mem::take(&mut self.net.tcp.released);
            released.drain(..).for_each(|connection| self.forget_connection(connection));
            self.net.tcp.released = released;
            self.end_flows();
        }
    }

    /// The first clock of connections that kernels and balancers have is due.
    #[cold]
    pub(super) fn ring_clocks(&mut self) {
        self.net.tcp.ring_idle_flows();
        self.net.tcp.ring_keepalives();
        self.end_flows();
    }

    /// Balancers have flows no more.
    fn end_flows(&mut self) {
        while let Some((balancer, server)) = self.net.tcp.ended_flows.pop() {
            self.flow_ended(balancer, server);
        }
    }

    fn forget_connection(&mut self, connection: u32) {
        let Connection { caller, client_number, older, .. } = self.net.tcp.connections[connection];
        match caller.who() {
            Peer::Session(session) => {
                let slot = &mut self.sessions[session as usize];
                if slot.connections == connection {
                    slot.connections = older;
                } else {
                    let mut newer = slot.connections;
                    while self.net.tcp.connections[newer].older != connection {
                        newer = self.net.tcp.connections[newer].older;
                    }
                    self.net.tcp.connections[newer].older = older;
                }
            }
            Peer::Server(server) => {
                // Unless the server's process is another now, which counts from zero again.
                let opened = &mut self.servers[server as usize].opened;
                if opened.get(&client_number) == Some(&connection) {
                    opened.remove(&client_number);
                }
            }
            Peer::Host(host) => self.net.streams.forget_connection(host, client_number),
        }
        self.net.tcp.connections.release(connection);
    }

    /// A SYN arrives. A balancer that rewrites addresses chooses where it goes on to.
    pub(super) fn syn(&mut self, connection: u32) {
        let Some(balancer) = self.net.tcp.syn(connection) else { return };
        let from = [self.net.tcp.identity_of(connection), self.net.tcp.address_of(connection)];
        let chosen = self.forward(balancer, from).map(|EndpointId(to)| to);
        if chosen.is_none() && self.net.tcp.hosts[balancer as usize].kernel.syn() == SynAnswer::Accepted {
            self.net.tcp.record(Kind::Server(balancer, server::Event::NotForwarded { connection }));
        }
        self.net.tcp.begin_flow(connection, balancer, chosen);
        self.net.tcp.release(connection);
    }

    /// A balancer has found a server down: its flows there are cut, if they are to be. One that terminates connections
    /// does that itself.
    #[cold]
    pub(super) fn found_down(&mut self, balancer: u32, server: u32) {
        if self.net.tcp.is_relay(balancer) && self.plans[self.servers[balancer as usize].group].cuts_when_down() {
            self.net.tcp.cut_flows(balancer, server);
            self.end_flows();
        }
    }

    pub(super) fn syn_ack(&mut self, connection: u32, caller: PeerId) {
        if !self.net.tcp.syn_ack(connection, caller) {
            return;
        }
        let c = ConnectionId(self.net.tcp.connections[connection].client_number);
        match caller.who() {
            Peer::Session(session) => self.session_input(session, Input::Connected(c)),
            Peer::Server(_) => self.notify_server(connection, ConnectionEvent::Connected),
            Peer::Host(host) => self.notify_host(host, client::PoolInput::Connected(c.0)),
        }
        self.net.tcp.release(connection);
    }

    /// The connect was refused, had no port, or the kernel gave up.
    pub(super) fn not_connected(&mut self, connection: u32, why: ConnectError) {
        let failed = self.net.tcp.not_connected(connection, why);
        if self.net.external.is_some() && self.net.tcp.connections[connection].client == ClientEnd::Closed {
            self.not_connected_outside(connection);
        }
        let Some(why) = failed else { return };
        let Connection { caller, client_number, .. } = self.net.tcp.connections[connection];
        match caller.who() {
            Peer::Session(session) => {
                self.net.tcp.release(connection);
                self.session_input(session, Input::ConnectFailed(ConnectionId(client_number), why));
            }
            Peer::Server(_) => {
                self.notify_server(connection, ConnectionEvent::Failed(why));
                self.net.tcp.release(connection);
            }
            Peer::Host(host) => {
                self.net.tcp.release(connection);
                self.notify_host(host, client::PoolInput::Failed(client_number, why));
            }
        }
    }

    pub(super) fn segment_at_server(&mut self, connection: u32, segment: u32) {
        if !self.net.tcp.segment_at_server(connection, segment) {
            return;
        }
        let server = self.net.tcp.connections[connection].server;
        if self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung {
            self.net.tcp.enqueue(connection);
            self.hold(server, connection, Pending::Segment { connection, segment });
        } else {
            self.receive_at_server(connection, segment);
        }
        self.net.tcp.release(connection);
    }

    /// A process that runs reads a segment, after accepting its connection if it has not yet.
    pub(super) fn receive_at_server(&mut self, connection: u32, segment: u32) {
        if self.net.is_program(self.net.tcp.connections[connection].server) {
            return self.external_receives(connection, segment);
        }
        if self.waits_to_be_accepted(connection) {
            self.net.tcp.enqueue(connection);
            return self.hold_unaccepted(connection, Pending::Segment { connection, segment });
        }
        self.read_at_server(connection, segment);
    }

    /// Whether a process does not accept a connection yet.
    #[inline]
    fn waits_to_be_accepted(&self, connection: u32) -> bool {
        let entry = &self.net.tcp.connections[connection];
        let slot = &self.servers[entry.server as usize];
        entry.server_end != ServerEnd::Accepted
            && self.plans[slot.group].waits_to_accept()
            && (!slot.unaccepted.is_empty() || !self.accepts(entry.server))
    }

    #[cold]
    fn hold_unaccepted(&mut self, connection: u32, pending: Pending) {
        let entry = &mut self.net.tcp.connections[connection];
        entry.in_flight += 1;
        self.servers[entry.server as usize].unaccepted.push_back(pending);
    }

    /// A process accepts a connection whose first bytes have waited, and reads all that has come for it.
    #[cold]
    pub(super) fn accept_waiting_connection(&mut self, server: u32, first: Pending) {
        let of = |pending: &Pending| match *pending {
            Pending::Segment { connection, .. } | Pending::Fin { connection } | Pending::Event { connection, .. } => {
                connection
            }
        };
        let connection = of(&first);
        let waiting = std::mem::take(&mut self.servers[server as usize].unaccepted);
        let (mut found, rest): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(|other| of(other) == connection);
        self.servers[server as usize].unaccepted = rest;
        found.push_front(first);
        for pending in found {
            match pending {
                Pending::Segment { segment, .. } if self.net.tcp.connections[connection].is_alive_at_server() => {
                    self.read_at_server(connection, segment);
                    self.net.tcp.release(connection);
                }
                other => self.find_pending_input(server, other),
            }
        }
    }

    /// A process that runs reads a segment, after accepting its connection if it has not yet.
    fn read_at_server(&mut self, connection: u32, segment: u32) {
        let fresh = self.net.tcp.connections[connection].server_end != ServerEnd::Accepted;
        let accepted = fresh.then(|| self.accept(connection));
        if self.net.tls.concerns(connection, Direction::ToServer) {
            if let Some(accepted) = accepted {
                self.server_input(self.net.tcp.connections[connection].server, accepted);
            }
            return self.flight_at_server(connection, segment);
        }
        if self.net.streams.any() && matches!(self.net.tcp.connections[connection].caller.who(), Peer::Host(_)) {
            if let Some(accepted) = accepted {
                self.server_input(self.net.tcp.connections[connection].server, accepted);
            }
            return self.frame_at_server(connection, segment);
        }
        let entry = &self.net.tcp.connections[connection];
        let (server, c) = (entry.server, ConnectionId(entry.server_number));
        let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
        self.with_server(server, |machine, cx, now, out| {
            if let Some(accepted) = accepted {
                machine.handle(cx, now, accepted, out);
            }
            machine.handle(cx, now, Input::Received(c, &bytes), out);
        });
        self.net.tcp.segments[segment] = bytes;
        self.net.tcp.segments.release(segment);
    }

    /// The process accepts a connection, and is to be told: under this number, from this client.
    pub(super) fn accept(&mut self, connection: u32) -> Input<'static> {
        let Connection { server, server_end, .. } = self.net.tcp.connections[connection];
        if server_end == ServerEnd::Queued && self.plans[self.servers[server as usize].group].waits_to_accept() {
            self.net.tcp.hosts[server as usize].kernel.dequeue();
        }
        let c = self.number(server, connection);
        self.await_hello(connection, server);
        Input::Accepted(c, self.net.tcp.identity_of(connection))
    }

    pub(super) fn hold(&mut self, server: u32, connection: u32, pending: Pending) {
        self.net.tcp.connections[connection].in_flight += 1;
        self.servers[server as usize].pending.push(PendingInput::Network(pending));
    }

    pub(super) fn segment_at_client(&mut self, connection: u32, caller: PeerId, segment: u32) {
        if !self.net.tcp.segment_at_client(connection, segment) {
            return;
        }
        let c = ConnectionId(self.net.tcp.connections[connection].client_number);
        match caller.who() {
            Peer::Session(_) | Peer::Host(_) if self.net.tls.concerns(connection, Direction::ToClient) => {
                self.flight_at_client(connection, segment);
            }
            Peer::Host(host) => self.frame_at_client(connection, host, segment),
            Peer::Session(session) => {
                let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
                self.session_input(session, Input::Received(c, &bytes));
                self.net.tcp.segments[segment] = bytes;
                self.net.tcp.segments.release(segment);
            }
            Peer::Server(_) => self.notify_server(connection, ConnectionEvent::Received { segment }),
        }
        self.net.tcp.release(connection);
    }

    pub(super) fn fin_at_server(&mut self, connection: u32) {
        if !self.net.tcp.fin_at_server(connection) {
            return;
        }
        let server = self.net.tcp.connections[connection].server;
        // A queued connection has held bytes before this FIN, and a half-open one will be read after the hang.
        if self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung {
            self.hold(server, connection, Pending::Fin { connection });
        } else if self.net.tcp.connections[connection].server_end == ServerEnd::Queued
            && self.waits_to_be_accepted(connection)
        {
            self.hold_unaccepted(connection, Pending::Fin { connection });
        } else {
            self.end_at_server(connection, Input::Eof);
        }
        self.net.tcp.release(connection);
    }

    /// The process learns that its client's end is closed. A connection that it never accepted just vanishes.
    pub(super) fn end_at_server(&mut self, connection: u32, input: fn(ConnectionId) -> Input<'static>) {
        let Connection { server, server_number, server_end, .. } = self.net.tcp.connections[connection];
        if server_end != ServerEnd::Accepted {
            return self.net.tcp.vanish(connection);
        }
        if self.net.streams.any() {
            self.streams_end_at_server(connection, input);
        }
        self.server_input(server, input(ConnectionId(server_number)));
    }

    pub(super) fn fin_at_client(&mut self, connection: u32) {
        if !self.net.tcp.fin_at_client(connection) {
            return;
        }
        let Connection { caller, client_number, .. } = self.net.tcp.connections[connection];
        match caller.who() {
            Peer::Session(session) => self.session_input(session, Input::Eof(ConnectionId(client_number))),
            Peer::Server(_) => self.notify_server(connection, ConnectionEvent::Eof),
            Peer::Host(_) => {
                self.carrier_lost(connection, true);
                self.net.tcp.close_caller(connection, CloseMode::Fin);
            }
        }
        self.net.tcp.release(connection);
    }

    pub(super) fn rst_at_server(&mut self, connection: u32) {
        if !self.net.tcp.held_up(connection, Direction::ToServer, Segment::Rst) {
            self.reset_at_server(connection);
            self.net.tcp.release(connection);
        }
    }

    /// The server's kernel drops the connection, and tells the process. A hung one finds it when it goes on; until then
    /// its kernel has forgotten it.
    pub(super) fn reset_at_server(&mut self, connection: u32) {
        let Connection { server, server_end, .. } = self.net.tcp.connections[connection];
        let hung = self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung;
        if hung && server_end == ServerEnd::Accepted {
            self.hold(server, connection, Pending::Fin { connection });
        } else if self.net.tcp.connections[connection].is_alive_at_server() {
            self.end_at_server(connection, Input::Reset);
        }
    }

    pub(super) fn rst_at_client(&mut self, connection: u32) {
        if !self.net.tcp.held_up(connection, Direction::ToClient, Segment::Rst) {
            self.reset_at_client(connection);
        }
    }

    /// The client's kernel drops the connection, and tells whoever opened it.
    pub(super) fn reset_at_client(&mut self, connection: u32) {
        let heard = self.net.tcp.drop_client(connection);
        let Connection { caller, client_number, .. } = self.net.tcp.connections[connection];
        match caller.who() {
            Peer::Session(session) => {
                self.net.tcp.release(connection);
                if heard {
                    self.session_input(session, Input::Reset(ConnectionId(client_number)));
                }
                return;
            }
            Peer::Server(_) if heard => self.notify_server(connection, ConnectionEvent::Reset),
            Peer::Host(_) if heard => self.carrier_lost(connection, false),
            Peer::Server(_) | Peer::Host(_) => {}
        }
        self.net.tcp.release(connection);
    }

    /// A kernel's retries ran out: its own process hears of it.
    pub(super) fn given_up(&mut self, connection: u32, way: Direction) {
        let heard = self.net.tcp.given_up(connection, way);
        let Connection { caller, client_number, .. } = self.net.tcp.connections[connection];
        match caller.who() {
            _ if way == Direction::ToClient => self.reset_at_server(connection),
            Peer::Session(session) if heard => self.session_input(session, Input::Reset(ConnectionId(client_number))),
            Peer::Server(_) if heard => self.notify_server(connection, ConnectionEvent::Reset),
            Peer::Host(_) if heard => self.carrier_lost(connection, false),
            _ => {}
        }
        self.net.tcp.release(connection);
    }

    /// What stalled leaves once more, and would arrive now.
    pub(super) fn retransmitted(&mut self, connection: u32, way: Direction, point: StallPoint) {
        for kept in self.net.tcp.retransmitted(connection, way, point) {
            match (way, kept) {
                (Direction::ToServer, Segment::Data(segment)) => self.segment_at_server(connection, segment),
                (Direction::ToServer, Segment::Fin) => self.fin_at_server(connection),
                (Direction::ToServer, Segment::Rst) => self.rst_at_server(connection),
                (Direction::ToClient, Segment::Data(segment)) => {
                    let caller = self.net.tcp.connections[connection].caller;
                    self.segment_at_client(connection, caller, segment);
                }
                (Direction::ToClient, Segment::Fin) => self.fin_at_client(connection),
                (Direction::ToClient, Segment::Rst) => self.rst_at_client(connection),
            }
        }
        self.net.tcp.release(connection);
    }

    /// A message comes to the next place on its way, where bandwidth is limited.
    pub(super) fn hop(&mut self, transmission: u32) {
        self.net.tcp.hop(transmission);
        let mut ready = std::mem::take(&mut self.net.tcp.ready);
        for item in ready.drain(..) {
            self.dispatch(item);
        }
        self.net.tcp.ready = ready;
    }
}
