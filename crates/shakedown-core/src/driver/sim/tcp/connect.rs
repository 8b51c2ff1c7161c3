//! Connects: SYNs, their answers, and what becomes of those that are lost or refused.

use super::connection::{ClientEnd, Connection, PeerId, ServerEnd};
use super::segment::Hop;
use super::{Queued, ServerHost, Tcp};
use crate::event::Kind;
use crate::machine::ConnectError;
use crate::network::{Direction, Event, Message, Process, SynAnswer};
use crate::time::Timestamp;

impl Tcp {
    /// A peer connects to a server over a link: the place of the new connection, whose SYN is still to leave.
    pub(crate) fn connect(&mut self, caller: PeerId, client_number: u32, server: u32, route: u16, older: u32) -> u32 {
        let there = self.hosts[server as usize].identity;
        let one_way = self.links.one_way(route, Direction::ToServer, self.host_of(caller), there);
        let entry = Connection::new(self.now, route, one_way, caller, client_number, server, older);
        self.connections.insert(entry)
    }

    /// The first SYN of a connection leaves.
    pub(crate) fn send_syn(&mut self, connection: u32) {
        if self.ports.is_some() && self.lacks_port(connection) {
            return;
        }
        if self.exceptional {
            self.tap_syn(connection, Hop::Before, self.now);
            if self.bottlenecks.is_some() {
                return self.queue_up(connection, Direction::ToServer, Queued::Syn { connection }, 0);
            }
        }
        let ordinal = self.next_ordinal(connection);
        let at = self.travel(connection, Direction::ToServer, ordinal, self.now);
        self.connections[connection].last_to_server = at;
        if self.answer_is_known(self.connections[connection].server, at)
            && (self.ports.is_none() || !self.is_portless(connection))
        {
            self.answer_ahead(connection, at);
        } else {
            self.push(connection, at, Queued::Syn { connection });
        }
    }

    /// Whether a SYN that arrives at `at` will be accepted whatever happens until then: nothing can be lost on the way, and
    /// no fault or pause changes anything before.
    fn answer_is_known(&self, server: u32, at: Timestamp) -> bool {
        let ServerHost { kernel, quiet_until, is_relay, .. } = &self.hosts[server as usize];
        at < self.quiet_until
            && at < *quiet_until
            && !self.lossy
            && self.bottlenecks.is_none()
            && !self.links.uneven()
            && self.partitions.is_empty()
            && !is_relay
            && kernel.process() == Process::Running
            && kernel.syn() == SynAnswer::Accepted
    }

    /// Sends the SYN-ACK of a SYN that will arrive at `at`: one item instead of two.
    fn answer_ahead(&mut self, connection: u32, at: Timestamp) {
        self.connections[connection].server_end = ServerEnd::HalfOpen;
        let ordinal = self.next_ordinal(connection);
        let arrival = self.travel(connection, Direction::ToClient, ordinal, at);
        self.connections[connection].last_to_client = arrival;
        let caller = self.connections[connection].caller;
        self.push(connection, arrival, Queued::SynAck { connection, caller });
    }

    /// A SYN arrives. The balancer that is to choose where it goes on to, if there is one.
    pub(crate) fn syn(&mut self, connection: u32) -> Option<u32> {
        let Connection { caller, server, client, server_end, .. } = self.connections[connection];
        let session = caller.code();
        if self.ports.is_some()
            && client != ClientEnd::Closed
            && self.is_portless(connection)
            && self.stays_portless(connection)
        {
            self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }));
            self.repeat_syn(connection);
            self.release(connection);
            return None;
        }
        if self.relays && (self.connections[connection].is_relayed() || self.is_relay(server)) {
            return self.syn_at_balancer(connection);
        }
        if client == ClientEnd::Closed {
            // The session gave up while the SYN was on its way; the other end's answer would be for nobody. What an
            // earlier SYN began there ends with an RST that nobody needs to see.
            if server_end == ServerEnd::HalfOpen {
                self.connections[connection].server_end = ServerEnd::Gone;
            }
        } else if self.lossy && self.syn_lost(connection, Hop::Before, Message::Syn) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::Syn, times: 1 }));
            self.repeat_syn(connection);
        } else if self.is_cut(connection, Direction::ToServer) {
            self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }));
            self.repeat_syn(connection);
        } else {
            self.answer_syn(connection);
        }
        self.release(connection);
        None
    }

    pub(crate) fn answer_syn(&mut self, connection: u32) {
        let Connection { caller, server, .. } = self.connections[connection];
        let session = caller.code();
        let answer = self.hosts[server as usize].kernel.syn();
        let item = match answer {
            SynAnswer::Accepted if self.hosts[server as usize].is_external => {
                return self.dialled.push(connection);
            }
            SynAnswer::Accepted => {
                self.connections[connection].server_end = ServerEnd::HalfOpen;
                Queued::SynAck { connection, caller }
            }
            SynAnswer::Refused | SynAnswer::Overflowed => {
                let backlog_full = answer == SynAnswer::Overflowed;
                self.record(Kind::Network(server, Event::SynRefused { session, backlog_full }));
                Queued::SynRefused { connection }
            }
            SynAnswer::BacklogFull | SynAnswer::Unanswered => {
                let backlog_full = answer == SynAnswer::BacklogFull;
                self.record(Kind::Network(server, Event::SynDropped { session, backlog_full }));
                self.repeat_syn(connection);
                return;
            }
        };
        self.send_answer(connection, item);
    }

    /// Silence: the client's kernel repeats the SYN, by its schedule, until it gives up.
    pub(crate) fn repeat_syn(&mut self, connection: u32) {
        let entry = &mut self.connections[connection];
        let opened = entry.opened();
        let repetition = self.syn_schedule.repetition(usize::from(entry.syns));
        entry.syns = entry.syns.saturating_add(1);
        match repetition {
            Some(after) => {
                let leaves = opened + after;
                if self.exceptional {
                    self.tap_syn(connection, Hop::Before, leaves);
                }
                if self.bottlenecks.is_some() {
                    return self.queue_syn(connection, leaves);
                }
                let arrives = self.arrival_of_repeated_syn(connection, leaves);
                self.push(connection, arrives.max(self.now), Queued::Syn { connection });
            }
            None => {
                let at = (opened + self.syn_schedule.gives_up()).max(self.now);
                self.push(connection, at, Queued::SynGivenUp { connection });
            }
        }
    }

    /// When a repeated SYN arrives that leaves at a moment. It has no jitter.
    pub(crate) fn arrival_of_repeated_syn(&self, connection: u32, leaves: Timestamp) -> Timestamp {
        let one_way = self.connections[connection].one_way;
        leaves + one_way + self.delayed(connection, Direction::ToServer, Hop::Before, one_way, leaves)
    }

    /// The answer to a SYN arrives. True when the connection is up: its caller is to hear of it, and then
    /// [`Tcp::release`] follows.
    pub(crate) fn syn_ack(&mut self, connection: u32, caller: PeerId) -> bool {
        let cut = self.is_cut(connection, Direction::ToClient);
        let entry = &mut self.connections[connection];
        if cut && entry.client != ClientEnd::Closed {
            self.repeat_syn(connection);
        } else if entry.client != ClientEnd::Closed {
            let mut left = entry.opened();
            if entry.syns > 1 {
                left = left + self.syn_schedule.repetition(usize::from(entry.syns) - 1).unwrap_or_default();
            }
            entry.came_up(self.now, left);
            if self.keepalives.is_some() {
                self.end_is_up(connection, Direction::ToServer);
            }
            return true;
        } else if self.peer_powered(caller) {
            self.reset_to_server(connection);
        } else {
            // Nobody answers the SYN-ACK: the server's kernel forgets the connect, its process never hears of it.
            self.connections[connection].server_end = ServerEnd::Gone;
        }
        self.release(connection);
        false
    }

    /// The connect was refused, had no port, or the kernel gave up. Why, if its caller is to hear of it, before or after
    /// [`Tcp::release`].
    pub(crate) fn not_connected(&mut self, connection: u32, why: ConnectError) -> Option<ConnectError> {
        let waits = self.connections[connection].client != ClientEnd::Closed;
        if why == ConnectError::Refused && waits && self.is_cut(connection, Direction::ToClient) {
            self.repeat_syn(connection);
            self.release(connection);
            return None;
        }
        if self.ports.is_some() {
            self.free_port(connection, false);
        }
        let entry = &mut self.connections[connection];
        entry.client = ClientEnd::Closed;
        // Where every answer was lost, the other end gives up as well.
        if entry.server_end == ServerEnd::HalfOpen {
            entry.server_end = ServerEnd::Gone;
        }
        if !waits {
            self.release(connection);
            return None;
        }
        Some(why)
    }
}
