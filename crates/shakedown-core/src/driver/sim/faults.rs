//! What faults do to connections, and what a process finds of them that goes on.

use std::collections::BTreeMap;

use super::net::{Net, Simulation};
use super::pending::{ConnectionEvent, Pending};
use super::tcp::connection::{ClientEnd, Peer, ServerEnd};
use super::tcp::segment::Hop;
use crate::driver::stage::PendingInput;
use crate::event::Kind;
use crate::fault::Event;
use crate::machine::Input;

impl Simulation {
    /// Something between places ends connections that are up: both ends have the RST at once, the clients first.
    #[cold]
    pub(super) fn reset_connections(&mut self, fault: u32, window: u32) {
        // Whoever dials anew is none of those that were up.
        let mut struck: Vec<u32> = (0..self.net.tcp.connections.len() as u32)
            .filter(|connection| self.is_up(*connection) && self.is_reset(fault, window, *connection))
            .collect();
        // In an order that hangs on nothing but who they are.
        struck.sort_by_key(|connection| {
            let entry = &self.net.tcp.connections[*connection];
            (entry.caller.code(), entry.client_number)
        });
        for &connection in &struck {
            // It keeps its place until all are told.
            self.net.tcp.connections[connection].in_flight += 1;
        }
        for connection in struck {
            // What became of another may have ended it.
            if !self.is_up(connection) {
                self.net.tcp.release(connection);
                continue;
            }
            for session in self.sessions_over(connection) {
                self.net.tcp.record(Kind::Fault(fault as u16, Event::Reset { session }));
            }
            self.net.tcp.connections[connection].in_flight += 1;
            self.reset_at_client(connection);
            self.reset_at_server(connection);
            self.net.tcp.release(connection);
        }
    }

    fn is_up(&self, connection: u32) -> bool {
        let entry = &self.net.tcp.connections[connection];
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        entry.client == ClientEnd::Open && alive && !entry.is_stream()
    }

    fn is_reset(&self, fault: u32, window: u32, connection: u32) -> bool {
        let identity = self.net.tcp.identity_of(connection);
        let over = |hop: Hop| {
            let (_, side, server) = self.net.tcp.stretch(connection, hop);
            self.net.tcp.faults[fault as usize].resets(self.seed, window, side, server, identity)
        };
        over(Hop::Before) || self.net.tcp.connections[connection].is_relayed() && over(Hop::Behind)
    }

    /// The sessions that a connection is the path of.
    fn sessions_over(&self, connection: u32) -> Vec<u32> {
        match self.net.tcp.connections[connection].caller.who() {
            Peer::Session(session) => vec![session],
            Peer::Server(_) => Vec::new(),
            Peer::Host(_) => {
                let streams = self.net.tcp.carriers.over(connection);
                let session = |stream: u32| match self.net.tcp.connections[stream].caller.who() {
                    Peer::Session(session) => Some(session),
                    _ => None,
                };
                streams.filter_map(session).collect()
            }
        }
    }

    /// A process that goes on finds something of a connection.
    pub(super) fn find_pending_input(&mut self, server: u32, pending: Pending) {
        match pending {
            Pending::Event { connection, event } => self.notify_late(connection, event),
            Pending::Segment { connection, segment } => {
                let end = self.net.tcp.connections[connection].server_end;
                if end == ServerEnd::Queued || end == ServerEnd::Accepted {
                    self.receive_at_server(connection, segment);
                } else {
                    self.net.tcp.segments.release(segment);
                }
                self.net.tcp.release(connection);
            }
            Pending::Fin { connection } => {
                if self.net.tcp.is_alive_at(connection, server) {
                    self.end_at_server(connection, Input::Eof);
                }
                self.net.tcp.release(connection);
            }
        }
    }
}

impl Net {
    /// The process is gone: its kernel ends its connections, if it lives.
    pub(super) fn lose_process(
        &mut self,
        server: u32,
        kernel_lives: bool,
        opened: BTreeMap<u32, u32>,
        pending: Vec<PendingInput<Pending>>,
    ) {
        self.tcp.forget_flows(server);
        self.tls.lose_keys(server);
        let pending = pending.into_iter().filter_map(|item| match item {
            PendingInput::Network(pending) => Some(pending),
            _ => None,
        });
        let pending: Vec<Pending> = pending.collect();
        let mut unread: Vec<u32> = Vec::new();
        for item in &pending {
            if let Pending::Segment { connection, segment }
            | Pending::Event { connection, event: ConnectionEvent::Received { segment } } = *item
            {
                unread.push(connection);
                self.tcp.segments.release(segment);
            }
        }
        unread.sort_unstable();
        self.tcp.lose_server(server, kernel_lives, &unread);
        for connection in opened.into_values() {
            self.tcp.lose_client(connection, kernel_lives, unread.binary_search(&connection).is_ok());
        }
        for item in pending {
            let (Pending::Segment { connection, .. } | Pending::Fin { connection } | Pending::Event { connection, .. }) =
                item;
            self.tcp.release(connection);
        }
    }
}
