//! Balancers that rewrite addresses (NAT): one TCP connection between a client and a server, every packet of which goes
//! through the balancer's host.
//!
//! Each message travels two hops: to the balancer, where it finds its flow, and on from there. A balancer that lost its
//! flows answers what still comes along them with RST, as a kernel does that knows no such connection (RFC 9293 section
//! 3.10.7.1); one that stands still, or has no power, is silence on the way.

use super::Tcp;
use super::connection::{ClientEnd, Connection, ServerEnd};
use super::flow::Flow;
use super::queued::Queued;
use super::segment::{Hop, Segment, StallPoint};
use crate::event::Kind;
use crate::fault::Side;
use crate::network::{Direction, Event, Message, Process};
use crate::server;
use crate::time::{Nanos, Timestamp};

/// The same on its way to the balancer between.
pub(super) fn by_way_of_balancer(item: Queued) -> Queued {
    match item {
        Queued::SynAck { connection, .. } => Queued::RelayAnswer { connection, refused: false },
        Queued::SynRefused { connection } => Queued::RelayAnswer { connection, refused: true },
        Queued::ToServer { connection, segment } => Queued::Relay { connection, segment, way: Direction::ToServer },
        Queued::ToClient { connection, segment, .. } => Queued::Relay { connection, segment, way: Direction::ToClient },
        Queued::FinToServer { connection } => Queued::RelayEnd { connection, way: Direction::ToServer, reset: false },
        Queued::FinToClient { connection } => Queued::RelayEnd { connection, way: Direction::ToClient, reset: false },
        Queued::RstToServer { connection } => Queued::RelayEnd { connection, way: Direction::ToServer, reset: true },
        Queued::RstToClient { connection } => Queued::RelayEnd { connection, way: Direction::ToClient, reset: true },
        item => item,
    }
}

impl Tcp {
    pub(super) fn flow(&self, connection: u32) -> &Flow {
        &self.flows[&connection]
    }

    pub(super) fn flow_mut(&mut self, connection: u32) -> &mut Flow {
        self.flows.get_mut(&connection).expect("a connection through a balancer has a flow until it is released")
    }

    /// Whether a server's host passes packets on.
    #[inline]
    pub(crate) fn is_relay(&self, server: u32) -> bool {
        self.relays && self.hosts[server as usize].is_relay
    }

    /// A hop of a connection: its link, and the hosts at its ends.
    pub(crate) fn stretch(&self, connection: u32, hop: Hop) -> (u16, Side, u32) {
        let entry = &self.connections[connection];
        match hop {
            Hop::Before => (entry.route, self.side_of(entry.caller), self.dialled(connection)),
            Hop::Behind => {
                let Flow { balancer, route, .. } = *self.flow(connection);
                (route, Side::Server(balancer), entry.server)
            }
        }
    }

    /// The hop on which what goes this way arrives at a point.
    pub(crate) fn hop_to(&self, connection: u32, way: Direction, point: StallPoint) -> Hop {
        let relayed = self.connections[connection].is_relayed();
        if relayed && (way == Direction::ToServer) == (point == StallPoint::End) { Hop::Behind } else { Hop::Before }
    }

    /// The far host of the hop before a balancer, or of the whole path where there is none.
    pub(crate) fn dialled(&self, connection: u32) -> u32 {
        let entry = &self.connections[connection];
        if entry.is_relayed() { self.flow(connection).balancer } else { entry.server }
    }

    /// Latency behind the balancer.
    pub(crate) fn one_way_behind(&self, connection: u32, way: Direction) -> Nanos {
        let Flow { balancer, route, one_way, .. } = *self.flow(connection);
        if !self.links.uneven() {
            return one_way;
        }
        let [balancer, server] =
            [balancer, self.connections[connection].server].map(|server| self.hosts[server as usize].identity);
        self.links.one_way(route, way, balancer, server)
    }

    /// When what leaves for the hop behind the balancer now arrives; `NEVER` once its sender's kernel gives up. Whether a
    /// SYN or its answer does is drawn elsewhere: those are not `repaired`.
    pub(crate) fn arrival_behind(&mut self, connection: u32, way: Direction, repaired: bool) -> Timestamp {
        let ordinal = self.next_ordinal(connection);
        let leaves = match repaired && self.lossy {
            true => self.repaired(connection, way, Hop::Behind, ordinal),
            false => self.now,
        };
        let one_way = self.one_way_behind(connection, way);
        let route = self.flow(connection).route;
        let caller = self.connections[connection].caller;
        let jitter = self.links.jitter(route, way, || (self.identity_of_peer(caller), ordinal));
        let mut arrival = leaves + one_way + jitter;
        if !self.latency_faults.is_empty() {
            arrival = arrival + self.delayed(connection, way, Hop::Behind, one_way, leaves);
        }
        let last = self.flow_mut(connection).last_mut(way);
        *last = arrival.max(*last);
        *last
    }

    /// Puts something on the last hop of its way.
    fn push_past(&mut self, connection: u32, at: Timestamp, item: Queued) {
        if at == Timestamp::NEVER {
            if let Queued::ToServer { segment, .. } | Queued::ToClient { segment, .. } = item {
                self.segments.release(segment);
            }
            return;
        }
        self.connections[connection].in_flight += 1;
        self.queue.push(at, item);
    }

    /// Whether a balancer's host answers nothing and passes nothing on.
    pub(crate) fn stands_still(&self, balancer: u32) -> bool {
        let host = &self.hosts[balancer as usize].kernel;
        !host.powered() || host.process() == Process::Hung
    }

    /// A SYN arrives at a balancer's host, which may have to choose where it goes on to. Otherwise it is released.
    pub(crate) fn syn_at_balancer(&mut self, connection: u32) -> Option<u32> {
        let Connection { caller, client, server_end, .. } = self.connections[connection];
        let (session, balancer) = (caller.code(), self.dialled(connection));
        if client == ClientEnd::Closed {
            if server_end == ServerEnd::HalfOpen {
                self.connections[connection].server_end = ServerEnd::Gone;
            }
        } else if self.lossy && self.syn_lost(connection, Hop::Before, Message::Syn) {
            self.record(Kind::Network(balancer, Event::Lost { session, message: Message::Syn, times: 1 }));
            self.repeat_syn(connection);
        } else if self.is_cut_at(connection, Direction::ToServer, StallPoint::Balancer) || self.stands_still(balancer) {
            self.record(Kind::Network(balancer, Event::SynDropped { session, backlog_full: false }));
            self.repeat_syn(connection);
        } else if self.flows.get(&connection).is_some_and(|flow| flow.known) {
            // A repetition belongs to its flow, whatever the checks have found out meanwhile.
            self.pass_syn(connection);
        } else {
            self.forget_flow(connection, balancer);
            return Some(balancer);
        }
        self.release(connection);
        None
    }

    /// A flow that was lost with the balancer's process leaves nothing behind here.
    fn forget_flow(&mut self, connection: u32, balancer: u32) {
        self.flows.remove(&connection);
        self.forget_idle_flow(connection);
        let entry = &mut self.connections[connection];
        entry.set_relayed(false);
        (entry.server, entry.server_end) = (balancer, ServerEnd::None);
    }

    /// A balancer has chosen a server for a connection, or refuses it.
    pub(crate) fn begin_flow(&mut self, connection: u32, balancer: u32, chosen: Option<u32>) {
        let session = self.connections[connection].caller.code();
        let Some(to) = chosen else {
            self.record(Kind::Network(balancer, Event::SynRefused { session, backlog_full: false }));
            self.send_answer(connection, Queued::SynRefused { connection });
            return;
        };
        let route = self.links.route_between(balancer, to);
        let [here, there] = [balancer, to].map(|server| self.hosts[server as usize].identity);
        let one_way = self.links.one_way(route, Direction::ToServer, here, there);
        let (last_to_server, last_to_client) = (self.now, self.now);
        let (known, dropped, heard) = (true, false, self.now);
        let flow = Flow { balancer, route, one_way, last_to_server, last_to_client, known, dropped, heard };
        self.flows.insert(connection, flow);
        self.time_flow(connection, balancer);
        let entry = &mut self.connections[connection];
        entry.set_relayed(true);
        entry.server = to;
        self.record(Kind::Server(balancer, server::Event::FlowBegan { connection }));
        self.record(Kind::Server(balancer, server::Event::Forwarded { connection, to }));
        self.record(Kind::Network(balancer, Event::Through { session, server: to }));
        self.pass_syn(connection);
    }

    fn pass_syn(&mut self, connection: u32) {
        if self.exceptional {
            self.tap_syn(connection, Hop::Behind, self.now);
        }
        let at = self.arrival_behind(connection, Direction::ToServer, false);
        self.push_past(connection, at, Queued::SynBehind { connection });
    }

    /// A SYN that went through a balancer arrives at the server's host.
    pub(crate) fn syn_behind(&mut self, connection: u32) {
        let Connection { caller, client, server, server_end, .. } = self.connections[connection];
        let session = caller.code();
        if !self.connections[connection].is_relayed() {
            // Its flow is gone, and the balancer has found no other server for the SYN after it.
        } else if client == ClientEnd::Closed {
            if server_end == ServerEnd::HalfOpen {
                self.connections[connection].server_end = ServerEnd::Gone;
            }
        } else if self.lossy && self.syn_lost(connection, Hop::Behind, Message::Syn) {
            self.record(Kind::Network(server, Event::Lost { session, message: Message::Syn, times: 1 }));
            self.repeat_syn(connection);
        } else if self.is_cut(connection, Direction::ToServer) {
            self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }));
            self.repeat_syn(connection);
        } else {
            self.answer_syn(connection);
        }
        self.release(connection);
    }

    /// The answer to a SYN arrives at the balancer. Where it does not get through, the client's next SYN asks again.
    pub(crate) fn relay_answer(&mut self, connection: u32, refused: bool) {
        let Connection { caller, client, server_end, .. } = self.connections[connection];
        let flow = self.flows.get(&connection).filter(|_| refused || server_end != ServerEnd::None);
        let Some(&Flow { balancer, known, .. }) = flow else {
            // It answers a SYN along a flow that is gone; the balancer has answered one after that, or passed it on.
            return self.release(connection);
        };
        let session = caller.code();
        let silent = self.is_cut_at(connection, Direction::ToClient, StallPoint::Balancer)
            || self.stands_still(balancer)
            || !known;
        let lost = !silent && self.lossy && self.syn_lost(connection, Hop::Before, Message::SynAck);
        if !silent && self.exceptional {
            let item = if refused { Queued::SynRefused { connection } } else { Queued::SynAck { connection, caller } };
            self.tap_send(item, Hop::Before);
        }
        if lost {
            self.tap_answer_lost(connection, Hop::Before);
            self.record(Kind::Network(balancer, Event::Lost { session, message: Message::SynAck, times: 1 }));
        }
        if !silent && !lost {
            let at = self.arrival_of_answer_before(connection);
            let item = if refused { Queued::SynRefused { connection } } else { Queued::SynAck { connection, caller } };
            self.push_past(connection, at, item);
        } else if client != ClientEnd::Closed {
            self.repeat_syn(connection);
        } else if self.connections[connection].server_end == ServerEnd::HalfOpen {
            self.connections[connection].server_end = ServerEnd::Gone;
        }
        self.release(connection);
    }

    /// Something else arrives at the balancer.
    pub(crate) fn relay(&mut self, connection: u32, way: Direction, kept: Segment) {
        self.hear_flow(connection);
        let Some(&Flow { balancer, known, dropped, .. }) = self.flows.get(&connection) else {
            // It came along a flow that is gone. No server has a connection left to reset.
            if let Segment::Data(segment) = kept {
                self.segments.release(segment);
            }
            if way == Direction::ToServer {
                self.reset_client(connection);
            }
            return self.release(connection);
        };
        let behind_another = self.connections[connection].is_stalled(way, StallPoint::Balancer);
        let silent = dropped || self.is_cut_at(connection, way, StallPoint::Balancer) || self.stands_still(balancer);
        if behind_another || silent {
            self.stall(connection, way, StallPoint::Balancer, kept);
            return;
        }
        if known {
            self.pass_on(connection, way, kept);
        } else {
            self.bounce(connection, way, kept);
        }
        self.release(connection);
    }

    fn pass_on(&mut self, connection: u32, way: Direction, kept: Segment) {
        let item = match (kept, way) {
            (Segment::Data(segment), Direction::ToServer) => Queued::ToServer { connection, segment },
            (Segment::Data(segment), Direction::ToClient) => {
                let caller = self.connections[connection].caller;
                Queued::ToClient { connection, caller, segment }
            }
            (Segment::Fin, Direction::ToServer) => Queued::FinToServer { connection },
            (Segment::Fin, Direction::ToClient) => Queued::FinToClient { connection },
            (Segment::Rst, Direction::ToServer) => Queued::RstToServer { connection },
            (Segment::Rst, Direction::ToClient) => Queued::RstToClient { connection },
        };
        if self.exceptional {
            self.tap_send(item, if way == Direction::ToServer { Hop::Behind } else { Hop::Before });
        }
        let at = match way {
            Direction::ToServer => self.arrival_behind(connection, way, true),
            Direction::ToClient => self.arrival_before(connection, way),
        };
        self.push_past(connection, at, item);
    }

    /// The balancer knows no such flow: it drops what came and tells the sender so.
    pub(crate) fn bounce(&mut self, connection: u32, way: Direction, kept: Segment) {
        if let Segment::Data(segment) = kept {
            self.segments.release(segment);
        }
        match (kept, way) {
            (Segment::Rst, _) => {}
            (_, Direction::ToServer) => self.reset_client(connection),
            (_, Direction::ToClient) => self.reset_server(connection),
        }
    }

    /// RST from the balancer to the client: a connect is refused by it.
    fn reset_client(&mut self, connection: u32) {
        let client = self.connections[connection].client;
        if client != ClientEnd::Closed {
            let connecting = client == ClientEnd::Connecting;
            let item = if connecting { Queued::SynRefused { connection } } else { Queued::RstToClient { connection } };
            if self.exceptional {
                self.tap_send(item, Hop::Before);
            }
            let at = self.arrival_before(connection, Direction::ToClient);
            self.push_past(connection, at, item);
        }
    }

    /// RST from the balancer to the server.
    fn reset_server(&mut self, connection: u32) {
        if self.exceptional {
            self.tap_send(Queued::RstToServer { connection }, Hop::Behind);
        }
        let at = self.arrival_behind(connection, Direction::ToServer, true);
        self.push_past(connection, at, Queued::RstToServer { connection });
    }

    /// Whether the balancer of a connection has lost it.
    pub(crate) fn is_forgotten(&self, connection: u32) -> bool {
        self.connections[connection].is_relayed() && !self.flow(connection).known
    }

    /// A balancer's process is gone, and its flows with it. Nobody is told.
    pub(crate) fn forget_flows(&mut self, balancer: u32) {
        self.flows.values_mut().filter(|flow| flow.balancer == balancer).for_each(|flow| flow.known = false);
    }

    /// A balancer cuts its flows to a server.
    #[cold]
    pub(crate) fn cut_flows(&mut self, balancer: u32, server: u32) {
        let through = |(connection, flow): (&u32, &Flow)| {
            let cut = flow.balancer == balancer && flow.known && self.connections[*connection].server == server;
            cut.then_some(*connection)
        };
        let through: Vec<u32> = self.flows.iter().filter_map(through).collect();
        through.into_iter().for_each(|connection| self.cut_flow(connection));
        self.record_deferred();
    }

    /// A balancer ends a flow with RST to both ends.
    pub(super) fn cut_flow(&mut self, connection: u32) {
        self.end_flow(connection);
        self.flow_mut(connection).known = false;
        self.reset_client(connection);
        if self.connections[connection].is_alive_at_server() {
            self.reset_server(connection);
        }
    }

    /// A balancer no longer has a flow.
    pub(super) fn end_flow(&mut self, connection: u32) {
        let Flow { balancer, known, .. } = *self.flow(connection);
        if known {
            self.ended_flows.push((balancer, self.connections[connection].server));
            self.deferred.push(Kind::Server(balancer, server::Event::FlowEnded { connection }));
        }
    }

    /// A connection through a balancer is over at both ends.
    #[cold]
    pub(crate) fn release_flow(&mut self, connection: u32) {
        self.end_flow(connection);
        self.flows.remove(&connection);
        self.forget_idle_flow(connection);
    }
}
