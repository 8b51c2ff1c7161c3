//! Connections that servers open: a health check, a balancer's way on, a dependency. What happens to them is what
//! happens to a client's; only who hears of it differs, and what becomes of them when the server itself is struck.

use super::net::Simulation;
use super::pending::{ConnectionEvent, Pending};
use super::tcp::NONE;
use super::tcp::connection::{ClientEnd, Connection, Peer, PeerId};
use crate::machine::{ConnectionId, Input};
use crate::network::{Direction, Process};

impl Simulation {
    /// A session connects: its SYN leaves.
    pub(super) fn open(&mut self, session: u32, client_number: u32, server: u32) {
        if self.net.streams.any()
            && let Some(host) = self.sharing_host(session)
        {
            return self.want_stream(host, session, ConnectionId(client_number), server);
        }
        self.forget_released();
        let slot = &mut self.sessions[session as usize];
        let route = self.net.tcp.links.route(slot.machine.group(), server);
        let connection = self.net.tcp.connect(PeerId::session(session), client_number, server, route, slot.connections);
        slot.connections = connection;
        self.send_syn(connection, None);
    }

    /// A server connects to another: its SYN leaves.
    pub(super) fn call_server(&mut self, server: u32, c: ConnectionId, to: u32, made_for: Option<u32>) -> u32 {
        self.forget_released();
        let route = self.net.tcp.links.route_between(server, to);
        let connection = self.net.tcp.connect(PeerId::server(server), c.0, to, route, NONE);
        self.send_syn(connection, made_for);
        connection
    }

    /// The first SYN of a connection leaves. One that is made for another is listened to as that is.
    pub(super) fn send_syn(&mut self, connection: u32, made_for: Option<u32>) {
        self.net.tls.forget(connection);
        if self.net.tcp.exceptional {
            self.net.tcp.tap_connect(connection, made_for);
        }
        self.net.tcp.send_syn(connection);
    }

    /// The server that opened a connection hears of it, at once or when it goes on.
    #[cold]
    pub(super) fn notify_server(&mut self, connection: u32, event: ConnectionEvent) {
        let Connection { caller, client_number, .. } = self.net.tcp.connections[connection];
        let Peer::Server(server) = caller.who() else { return };
        if self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung {
            self.hold(server, connection, Pending::Event { connection, event });
            return;
        }
        let c = ConnectionId(client_number);
        match event {
            ConnectionEvent::Connected => self.server_input(server, Input::Connected(c)),
            ConnectionEvent::Failed(why) => self.server_input(server, Input::ConnectFailed(c, why)),
            ConnectionEvent::Eof => self.server_input(server, Input::Eof(c)),
            ConnectionEvent::Reset => self.server_input(server, Input::Reset(c)),
            ConnectionEvent::Received { segment } if self.net.tls.concerns(connection, Direction::ToClient) => {
                self.flight_at_client(connection, segment);
            }
            ConnectionEvent::Received { segment } => {
                let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
                self.server_input(server, Input::Received(c, &bytes));
                self.net.tcp.segments[segment] = bytes;
                self.net.tcp.segments.release(segment);
            }
        }
    }

    /// A process that goes on hears what happened meanwhile to a connection that it opened; nothing, if it has closed
    /// it in the meantime.
    pub(super) fn notify_late(&mut self, connection: u32, event: ConnectionEvent) {
        let Connection { client, .. } = self.net.tcp.connections[connection];
        match event {
            // Told of its end, the kernel has closed it already.
            ConnectionEvent::Failed(_) | ConnectionEvent::Reset => self.notify_server(connection, event),
            _ if client == ClientEnd::Open => self.notify_server(connection, event),
            ConnectionEvent::Received { segment } => self.net.tcp.segments.release(segment),
            ConnectionEvent::Connected | ConnectionEvent::Eof => {}
        }
        self.net.tcp.release(connection);
    }
}
