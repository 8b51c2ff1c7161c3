//! Giving inputs to machines, and carrying out what they ask.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;

use super::tcp::NONE;
use super::tcp::connection::{ClientEnd, Connection, Peer, ServerEnd};
use super::tcp::queue::Handle;
use super::{GroupSlot, PendingInput, Queued, ServerSlot, SessionSlot, Simulation};
use crate::client::{self, Session};
use crate::event::Kind;
use crate::fault;
use crate::machine::{ConnectionId, EndpointId, Input, Output};
use crate::network::{self, Process, Way};
use crate::server::{self, Server};

use crate::time::Timestamp;

impl Simulation {
    /// The next session is scheduled to start now.
    pub(super) fn arrive(&mut self) {
        let Some(mut due) = self.arrivals.peek_mut() else { return };
        let Reverse((_, group)) = *due;
        match self.groups[group as usize].arrivals.next() {
            Some(next) => {
                *due = Reverse((next, group));
                drop(due);
            }
            None => drop(PeekMut::pop(due)),
        }
        let slot = &mut self.groups[group as usize];
        let machine = Session::new(group as u16, slot.next_index);
        slot.next_index += 1;
        if slot.hosts.is_empty() && (!self.net.dns.is_empty() || slot.plan.remembers_answers()) {
            slot.names.push(client::Names::default());
        }
        let session = self.sessions.len() as u32;
        self.net.tcp.peers.add_session(group as u16, machine.index());
        self.sessions.push(SessionSlot { machine, wake: Handle::NONE, connection: NONE });
        if self.net.external.is_some() && self.arrives_outside(session) {
            return;
        }
        self.session_input(session, Input::Start);
    }

    /// A closed-loop user is done with one session: the next follows after a pause.
    fn session_done(&mut self, session: u32) {
        let machine = &self.sessions[session as usize].machine;
        let arrivals = &self.groups[usize::from(machine.group())].arrivals;
        if let Some(think) = arrivals.think(machine.index(), machine.connections()) {
            self.net.tcp.queue.push(self.net.tcp.now + think, Queued::Restart { session });
        }
    }

    pub(super) fn restart(&mut self, session: u32) {
        self.session_input(session, Input::Start);
    }

    pub(super) fn wake_session(&mut self, session: u32) {
        let slot = &mut self.sessions[session as usize];
        slot.wake = Handle::NONE;
        let due = slot.machine.due();
        if due > self.net.tcp.now {
            return self.wake_session_at(session, due);
        }
        self.session_input(session, Input::Wake);
    }

    /// Gives a session an input, and does what it asks.
    pub(super) fn session_input(&mut self, session: u32, input: Input<'_>) {
        let mut out = self.client_outputs.take().unwrap_or_default();
        let slot = &mut self.sessions[session as usize];
        let GroupSlot { plan, hosts, names, .. } = &mut self.groups[usize::from(slot.machine.group())];
        let host = match hosts.len() {
            0 => None,
            count => hosts.get_mut(slot.machine.index() as usize % count),
        };
        let names = names.get_mut(slot.machine.index() as usize);
        let directory = &self.directory;
        let mut cx = client::Context { seed: self.seed, group: plan, directory, host, names, slot: session };
        slot.machine.handle(&mut cx, self.net.tcp.now, input, &mut out);
        let mut sent = 0;
        let mut admitted = NONE;
        let client::Outputs { actions, bytes } = &mut *out;
        for action in actions.iter() {
            match *action {
                Output::Event(kind) => self.net.tcp.record(Kind::Session(session, kind)),
                Output::Open(c, EndpointId(server)) => self.open(session, c.0, server),
                Output::Resolve(c, name) => self.look_up(session, c, name),
                Output::Transmit(c, len) => {
                    let from = sent;
                    sent += len as usize;
                    self.send_to_server(self.connection_of(session, c), bytes, from..sent);
                }
                Output::StartTls(c, endpoint) => self.start_tls(self.connection_of(session, c), endpoint),
                Output::Close(c, how) => self.close_client(session, c, how),
                Output::WakeAt(at) => self.wake_session_at(session, at),
                Output::Admit(next) => admitted = next,
                Output::Done => self.session_done(session),
            }
        }
        out.clear();
        self.client_outputs = Some(out);
        if admitted != NONE {
            self.session_input(admitted, Input::Admitted);
        }
    }

    /// Sends what a caller says over its connection, unless that is closed.
    fn send_to_server(&mut self, connection: Option<u32>, bytes: &mut Vec<u8>, part: Range<usize>) {
        if let Some(connection) = connection {
            self.send_bytes(connection, Way::ToServer, bytes, part);
        }
    }

    fn send_bytes(&mut self, connection: u32, way: Way, bytes: &mut Vec<u8>, part: Range<usize>) {
        if self.net.tcp.connections[connection].is_stream() {
            self.send_on_stream(connection, way, &bytes[part]);
        } else {
            self.net.tcp.send_bytes(connection, way, bytes, part);
        }
    }

    fn wake_session_at(&mut self, session: u32, at: Timestamp) {
        let slot = &mut self.sessions[session as usize];
        if slot.wake != Handle::NONE {
            // One that moves a little later stays where it is, and is put off when it comes: nearly all are timeouts,
            // which are cancelled before that.
            let pending = self.net.tcp.queue.time(slot.wake);
            if at >= pending && at.since(pending).0 <= pending.since(self.net.tcp.now).0 / 8 {
                return;
            }
            self.net.tcp.queue.cancel(slot.wake);
        }
        slot.wake = match at {
            Timestamp::NEVER => Handle::NONE,
            // What should have been earlier is due now: an answer may come later than what follows it was planned.
            at => self.net.tcp.queue.push(at.max(self.net.tcp.now), Queued::SessionWake { session }),
        };
    }

    pub(super) fn wake_server(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        slot.wake = Handle::NONE;
        if self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung {
            slot.pending.push(PendingInput::Wake);
            return;
        }
        self.server_input(server, Input::Wake);
    }

    /// Gives a server an input, and does what it asks.
    pub(super) fn server_input(&mut self, server: u32, input: Input<'_>) {
        if self.net.external.is_some() && self.is_external(server) {
            return self.external_input(server, input);
        }
        self.with_server(server, |machine, cx, now, out| machine.handle(cx, now, input, out));
    }

    /// Has a server do something, and does what it asks.
    pub(super) fn with_server(
        &mut self,
        server: u32,
        act: impl FnOnce(&mut Server, &server::Context<'_>, Timestamp, &mut server::Outputs),
    ) {
        let mut out = self.server_outputs.take().unwrap_or_default();
        let ServerSlot { machine, group, .. } = &mut self.servers[server as usize];
        let plan = &self.plans[*group];
        let endpoint = EndpointId(server);
        let cx = server::Context { seed: self.seed, plan, directory: &self.directory, endpoint };
        act(machine, &cx, self.net.tcp.now, &mut out);
        let mut sent = 0;
        let server::Outputs { actions, bytes } = &mut *out;
        for action in actions.iter() {
            match *action {
                Output::Event(kind) => {
                    self.net.tcp.record(Kind::Server(server, kind));
                    match kind {
                        server::Event::GoingAway { connection, .. } => self.drained(server, connection),
                        server::Event::Forwarded { connection, to } => self.passed(server, connection, to),
                        server::Event::MarkedDown { server: down } => self.found_down(server, down),
                        _ => {}
                    }
                }
                Output::Transmit(c, len) => {
                    let from = sent;
                    sent += len as usize;
                    match c.as_own() {
                        None => {
                            let connection = self.servers[server as usize].accepted[c.0 as usize];
                            self.send_bytes(connection, Way::ToClient, bytes, from..sent);
                        }
                        Some(_) => self.send_to_server(self.opened_by(server, c), bytes, from..sent),
                    }
                }
                Output::StartTls(c, endpoint) if c.as_own().is_some() => {
                    self.start_tls(self.opened_by(server, c), endpoint)
                }
                Output::StartTls(c, _) => self.answer_hello(server, c),
                Output::Close(c, how) if c.as_own().is_some() => self.hang_up(server, c, how),
                Output::Close(c, how) => self.close_server(server, c, how),
                Output::WakeAt(at) => self.wake_server_at(server, at),
                Output::Open(c, EndpointId(to)) => self.call(server, c, to),
                Output::Resolve(..) | Output::Admit(_) | Output::Done => {}
            }
        }
        out.clear();
        self.server_outputs = Some(out);
    }

    /// A close frame was sent: its session loses its path, unless it has given the connection up itself.
    #[cold]
    fn drained(&mut self, server: u32, number: u32) {
        let slot = &self.servers[server as usize];
        let fault = slot.drained_by;
        let mut entry = &self.net.tcp.connections[slot.accepted[number as usize]];
        // Through a balancer that terminates, the session is at the other end of the connection before.
        if let Peer::Server(balancer) = entry.caller.who() {
            let balancer = &self.servers[balancer as usize];
            let Some(before) = balancer.machine.accepted_for(ConnectionId(entry.client_number)) else { return };
            entry = &self.net.tcp.connections[balancer.accepted[before.0 as usize]];
        }
        if let (ClientEnd::Open, Peer::Session(session)) = (entry.client, entry.caller.who()) {
            let kind = match fault {
                Some(fault) => Kind::Fault(fault, fault::Event::Drained { session }),
                None => Kind::Server(server, server::Event::SentAway { session }),
            };
            self.net.tcp.record(kind);
        }
    }

    /// A process is there from the run's beginning on, unless a fault was earlier.
    pub(super) fn start_server(&mut self, server: u32) {
        if self.net.tcp.hosts[server as usize].kernel.process() != Process::Dead {
            self.ask(server, PendingInput::Start);
        }
    }

    /// A balancer that terminates passes an accepted connection on.
    #[cold]
    fn passed(&mut self, balancer: u32, number: u32, to: u32) {
        let connection = self.servers[balancer as usize].accepted[number as usize];
        if self.net.tcp.is_strangers(connection) {
            // It is no session's of the scenario.
            return;
        }
        let session = self.net.tcp.connections[connection].caller.code();
        self.net.tcp.record(Kind::Network(balancer, network::Event::Through { session, server: to }));
    }

    fn wake_server_at(&mut self, server: u32, at: Timestamp) {
        let slot = &mut self.servers[server as usize];
        if slot.wake != Handle::NONE {
            self.net.tcp.queue.cancel(slot.wake);
        }
        slot.wake = match at {
            Timestamp::NEVER => Handle::NONE,
            at => self.net.tcp.queue.push(at.max(self.net.tcp.now), Queued::ServerWake { server }),
        };
    }

    /// The process accepts a connection, and is to be told: under this number, from this client.
    pub(super) fn accept(&mut self, connection: u32) -> Input<'static> {
        let c = self.number_at_server(connection);
        self.await_hello(connection, self.net.tcp.connections[connection].server);
        let identity = self.net.tcp.identity_of(connection);
        self.say_address(connection);
        Input::Accepted(c, identity)
    }

    /// A server gets a number for a connection, or a stream.
    pub(super) fn number_at_server(&mut self, connection: u32) -> ConnectionId {
        let entry = &mut self.net.tcp.connections[connection];
        let slot = &mut self.servers[entry.server as usize];
        let number = slot.free.pop().unwrap_or(slot.accepted.len() as u32);
        match slot.accepted.get_mut(number as usize) {
            Some(place) => *place = connection,
            None => slot.accepted.push(connection),
        }
        entry.server_number = number;
        entry.server_end = ServerEnd::Accepted;
        ConnectionId(number)
    }

    /// Tells a server where a connection, or a stream, comes from, if it needs to know.
    pub(super) fn say_address(&mut self, connection: u32) {
        let Connection { server, server_number, .. } = self.net.tcp.connections[connection];
        if self.plans[self.servers[server as usize].group].asks_for_addresses() {
            let address = self.net.tcp.address_of(connection);
            self.servers[server as usize].machine.comes_from(ConnectionId(server_number), address);
        }
    }

    /// A redirector hears how many connections each server has, of those that can say so.
    pub(super) fn report(&mut self, server: u32) {
        let mut reports = std::mem::take(&mut self.reports);
        reports.clear();
        reports.extend(
            self.net
                .tcp
                .hosts
                .iter()
                .zip(&self.servers)
                .map(|(host, peer)| (host.kernel.process() == Process::Running).then(|| peer.machine.connections())),
        );
        if self.net.tcp.hosts[server as usize].kernel.process() == Process::Running {
            self.server_input(server, Input::Peers(&reports));
        }
        self.reports = reports;
        if let Some(every) = self.plans[self.servers[server as usize].group].report_every() {
            self.net.tcp.queue.push(self.net.tcp.now + every, Queued::Report { server });
        }
    }
}
