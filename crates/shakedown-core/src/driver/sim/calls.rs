//! Connections that servers open: a health check, a balancer's way on, a dependency. What happens to them is what
//! happens to a client's; only who hears of it differs, and what becomes of them when the server itself is struck.

use super::connection::{Caller, ClientEnd, Connection, ServerEnd, Who};
use super::stall::{Kept, Spot};
use super::{Held, Item, NONE, Simulation};
use crate::fault::Side;
use crate::machine::{CloseMode, ConnectError, ConnectionId, Input};
use crate::network::{Process, Way};
use crate::rng::Identity;

/// What happens to a connection at the end that opened it.
#[derive(Debug, Clone, Copy)]
pub(super) enum News {
    Connected,
    Failed(ConnectError),
    Received { segment: u32 },
    Eof,
    Reset,
}

impl Simulation {
    /// The host that a caller runs on: path latency is drawn for it, and it is the address that others see.
    #[inline]
    pub(super) fn host_of(&self, caller: Caller) -> Identity {
        match caller.who() {
            Who::Session(session) => {
                let slot = &self.sessions[session as usize];
                self.groups[usize::from(slot.machine.group())].host_of(slot.machine.index())
            }
            Who::Server(server) => self.servers[server as usize].identity,
            Who::Host(host) => {
                let (group, number) = self.streams.host(host);
                self.groups[usize::from(group)].host_of(number)
            }
        }
    }

    /// What is drawn for a caller's messages is keyed by it.
    #[inline]
    pub(super) fn identity_of_caller(&self, caller: Caller) -> Identity {
        match caller.who() {
            Who::Session(session) => {
                let slot = &self.sessions[session as usize];
                self.groups[usize::from(slot.machine.group())].plan.identity(slot.machine.index())
            }
            Who::Server(server) => self.servers[server as usize].identity,
            Who::Host(_) => self.host_of(caller),
        }
    }

    /// Where a caller stands when a partition comes between.
    pub(super) fn side_of(&self, caller: Caller) -> Side {
        match caller.who() {
            Who::Session(session) => Side::Clients(self.sessions[session as usize].machine.group()),
            Who::Server(server) => Side::Server(server),
            Who::Host(host) => Side::Clients(self.streams.host(host).0),
        }
    }

    /// Whether a caller's host has power. Clients' always have.
    #[inline]
    pub(super) fn caller_powered(&self, caller: Caller) -> bool {
        match caller.who() {
            Who::Session(_) | Who::Host(_) => true,
            Who::Server(server) => self.servers[server as usize].host.powered(),
        }
    }

    /// A server connects to another: its SYN leaves.
    pub(super) fn call(&mut self, server: u32, c: ConnectionId, to: u32) {
        let route = self.links.route_between(server, to);
        let identity = self.servers[server as usize].identity;
        let one_way = self.links.one_way(route, Way::ToServer, identity, self.servers[to as usize].identity);
        let entry = Connection::new(self.now, route, one_way, Caller::server(server), c.0, to, NONE);
        let connection = self.connections.insert(entry);
        self.servers[server as usize].opened.insert(c.0, connection);
        self.send_syn(connection, to);
    }

    /// A connection that a server opened, unless its end is closed.
    pub(super) fn opened_by(&self, server: u32, c: ConnectionId) -> Option<u32> {
        let connection = *self.servers[server as usize].opened.get(&c.0)?;
        (self.connections[connection].client != ClientEnd::Closed).then_some(connection)
    }

    /// A server closes a connection that it opened.
    pub(super) fn hang_up(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        if let Some(connection) = self.opened_by(server, c) {
            self.close_caller(connection, how);
        }
    }

    /// The server that opened a connection hears of it, at once or when it goes on.
    #[cold]
    pub(super) fn tell_server(&mut self, connection: u32, news: News) {
        let Connection { caller, client_number, .. } = self.connections[connection];
        let Who::Server(server) = caller.who() else { return };
        if self.servers[server as usize].host.process() == Process::Hung {
            self.hold(server, connection, Held::News { connection, news });
            return;
        }
        let c = ConnectionId(client_number);
        match news {
            News::Connected => self.server_input(server, Input::Connected(c)),
            News::Failed(why) => self.server_input(server, Input::ConnectFailed(c, why)),
            News::Eof => self.server_input(server, Input::Eof(c)),
            News::Reset => self.server_input(server, Input::Reset(c)),
            News::Received { segment } if self.tls.concerns(connection, Way::ToClient) => {
                self.flight_at_client(connection, segment);
            }
            News::Received { segment } => {
                let bytes = std::mem::take(&mut self.segments[segment]);
                self.server_input(server, Input::Received(c, &bytes));
                self.segments[segment] = bytes;
                self.segments.release(segment);
            }
        }
    }

    /// A process that goes on hears what happened meanwhile to a connection that it opened; nothing, if it has closed
    /// it in the meantime.
    pub(super) fn tell_late(&mut self, connection: u32, news: News) {
        let Connection { client, .. } = self.connections[connection];
        match news {
            // Told of its end, the kernel has closed it already.
            News::Failed(_) | News::Reset => self.tell_server(connection, news),
            _ if client == ClientEnd::Open => self.tell_server(connection, news),
            News::Received { segment } => self.segments.release(segment),
            News::Connected | News::Eof => {}
        }
        self.landed(connection);
    }

    /// The process that opened connections is gone: its kernel ends them as it ends those it accepted, or has gone with
    /// it and says nothing. `unread` are those with bytes that it has not read.
    pub(super) fn lose_calls(&mut self, server: u32, kernel_lives: bool, unread: &[u32]) {
        for connection in std::mem::take(&mut self.servers[server as usize].opened).into_values() {
            let entry = &mut self.connections[connection];
            let was = std::mem::replace(&mut entry.client, ClientEnd::Closed);
            if was == ClientEnd::Closed {
                continue;
            }
            let heard = !matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone);
            if !kernel_lives {
                self.forget_kept(connection, Way::ToServer);
            } else if was == ClientEnd::Open && heard {
                self.end_toward_server(connection, unread.binary_search(&connection).is_ok());
            }
            self.settle(connection);
        }
    }

    /// FIN or RST from the end that opened a connection.
    pub(super) fn end_toward_server(&mut self, connection: u32, reset: bool) {
        let item = if reset { Item::RstToServer { connection } } else { Item::FinToServer { connection } };
        self.send(connection, Way::ToServer, item, 0);
    }

    /// What arrives for an end that is closed: its host answers RST, or has no power and says nothing. True when it
    /// stalled there.
    #[inline]
    pub(super) fn arrives_too_late(&mut self, connection: u32, segment: u32) -> bool {
        let Connection { caller, server_end, .. } = self.connections[connection];
        if server_end != ServerEnd::Accepted {
            return false;
        }
        if !self.caller_powered(caller) {
            self.stall(connection, Way::ToClient, Spot::End, Kept::Segment(segment));
            return true;
        }
        self.reset_to_server(connection);
        false
    }
}
