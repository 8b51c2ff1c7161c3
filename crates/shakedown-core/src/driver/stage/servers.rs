//! Servers: their inputs, and what they ask.

use super::due::Due;
use super::slots::{PendingInput, ServerSlot};
use super::transport::{Peer, Stage, Transport};
use crate::event::Kind;
use crate::fault;
use crate::machine::{ConnectionId, EndpointId, Input, Output};
use crate::network::{Direction, Event as NetworkEvent, Process, SynAnswer};
use crate::rng::Identity;
use crate::server::{self, Event, KillReason, Plan, Server};
use crate::time::Timestamp;

impl<T: Transport> Stage<T> {
    /// A server's one wake-up has come.
    pub fn wake_server(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        slot.wake = T::NO_WAKE;
        if self.net.kernel(server).process() == Process::Hung {
            slot.pending.push(PendingInput::Wake);
            return;
        }
        self.server_input(server, Input::Wake);
    }

    /// Gives a server an input, and does what it asks.
    pub fn server_input(&mut self, server: u32, input: Input<'_>) {
        if self.net.is_program(server) {
            return T::program_input(self, server, input);
        }
        self.with_server(server, |machine, cx, now, out| machine.handle(cx, now, input, out));
    }

    /// Has a server do something, and does what it asks.
    pub(crate) fn with_server(
        &mut self,
        server: u32,
        act: impl FnOnce(&mut Server, &server::Context<'_, Plan>, Timestamp, &mut server::Outputs),
    ) {
        let mut out = self.server_outputs.take().unwrap_or_default();
        let ServerSlot { machine, group, .. } = &mut self.servers[server as usize];
        let plan = &self.plans[*group];
        let endpoint = EndpointId(server);
        let cx = server::Context { seed: self.seed, plan, directory: &self.directory, endpoint };
        act(machine, &cx, self.net.now(), &mut out);
        let mut sent = 0;
        let server::Outputs { actions, bytes } = &mut *out;
        for action in actions.iter() {
            match *action {
                Output::Event(kind) => {
                    self.net.record(Kind::Server(server, kind));
                    match kind {
                        Event::GoingAway { connection, .. } => {
                            self.sent_away(server, connection, self.servers[server as usize].drained_by);
                        }
                        Event::EndedByClock { connection, cause, .. } => self.sent_away(server, connection, cause),
                        Event::Forwarded { connection, to } => self.passed(server, connection, to),
                        Event::MarkedDown { server: down } => T::found_down(self, server, down),
                        Event::ProbeAnswered { number, healthy, .. } => self.probe_ends(server, number, healthy),
                        Event::OutOfMemory => self.schedule_kill(server, KillReason::OutOfMemory),
                        _ => {}
                    }
                }
                Output::Transmit(c, len) => {
                    let from = sent;
                    sent += len as usize;
                    match c.as_own() {
                        None => {
                            let connection = self.servers[server as usize].accepted[c.0 as usize];
                            self.net.send(connection, Direction::ToClient, bytes, from..sent);
                        }
                        Some(_) => {
                            if let Some(connection) = self.opened_by(server, c) {
                                self.net.send(connection, Direction::ToServer, bytes, from..sent);
                            }
                        }
                    }
                }
                Output::StartTls(c, endpoint) if c.as_own().is_some() => {
                    if let Some(connection) = self.opened_by(server, c) {
                        T::start_tls(self, connection, endpoint);
                    }
                }
                Output::StartTls(c, _) => {
                    T::answer_hello(self, self.servers[server as usize].accepted[c.0 as usize]);
                }
                Output::Close(c, how) if c.as_own().is_some() => {
                    if let Some(connection) = self.opened_by(server, c) {
                        T::hang_up(self, server, c, connection, how);
                    }
                }
                Output::Close(c, how) => {
                    let slot = &mut self.servers[server as usize];
                    slot.free.push(c.0);
                    let connection = slot.accepted[c.0 as usize];
                    T::close_accepted(self, connection, how);
                }
                Output::WakeAt(at) => {
                    self.net.wake_server(&mut self.servers[server as usize].wake, server, at);
                }
                Output::Open(c, to) => self.call(server, c, to),
                Output::Resolve(..) | Output::Admit(_) | Output::Done => {}
            }
        }
        out.clear();
        self.server_outputs = Some(out);
        if !self.servers[server as usize].unaccepted.is_empty() {
            self.accept_waiting(server);
        }
    }

    /// A process accepts what waits for that, as long as it does.
    #[cold]
    fn accept_waiting(&mut self, server: u32) {
        if std::mem::replace(&mut self.servers[server as usize].accepting, true) {
            return;
        }
        while self.accepts(server)
            && let Some(pending) = self.servers[server as usize].unaccepted.pop_front()
        {
            T::accept_waiting(self, server, pending);
        }
        self.servers[server as usize].accepting = false;
    }

    /// Whether a process accepts another connection now.
    pub(crate) fn accepts(&self, server: u32) -> bool {
        let slot = &self.servers[server as usize];
        let runs = self.net.kernel(server).process() == Process::Running;
        runs && slot.machine.accepts(&self.plans[slot.group])
    }

    /// A server gets a number for a connection to it, and hears where that comes from if it needs to know.
    pub fn number(&mut self, server: u32, connection: T::Connection) -> ConnectionId {
        let slot = &mut self.servers[server as usize];
        let number = slot.free.pop().unwrap_or(slot.accepted.len() as u32);
        match slot.accepted.get_mut(number as usize) {
            Some(place) => *place = connection,
            None => slot.accepted.push(connection),
        }
        let c = ConnectionId(number);
        self.net.number(connection, c);
        if self.pairs
            && let Some((Peer::Session(session), _)) = self.net.opener(connection)
        {
            self.net.record(Kind::Network(server, NetworkEvent::Paired { session, connection: number }));
        }
        if self.plans[slot.group].asks_for_addresses() {
            slot.machine.comes_from(c, self.net.address(connection));
        }
        c
    }

    /// A server connects to another.
    fn call(&mut self, server: u32, c: ConnectionId, to: EndpointId) {
        let made_for = self.made_for(server, c);
        let connection = T::call(self, server, c, to, made_for);
        self.servers[server as usize].opened.insert(c.0, connection);
    }

    /// The connection that a server accepted, and opened this one for: it passes on what it accepts.
    pub fn made_for(&self, server: u32, c: ConnectionId) -> Option<T::Connection> {
        let slot = &self.servers[server as usize];
        slot.machine.accepted_for(c).and_then(|accepted| slot.accepted.get(accepted.0 as usize)).copied()
    }

    /// A connection that a server opened, unless its end is closed.
    fn opened_by(&self, server: u32, c: ConnectionId) -> Option<T::Connection> {
        self.servers[server as usize].opened.get(&c.0).copied().filter(|connection| self.net.is_open(*connection))
    }

    /// A server ends a connection: its session loses its path, unless it has given the connection up itself. A fault is
    /// why, or the server alone.
    #[cold]
    fn sent_away(&mut self, server: u32, number: u32, cause: Option<u16>) {
        let slot = &self.servers[server as usize];
        let mut connection = slot.accepted[number as usize];
        let mut opener = self.net.opener(connection);
        // Through a proxy or a balancer that terminates, the session is at the other end of the connection before.
        if let Some((Peer::Server(relay), c)) = opener {
            let Some(before) = self.made_for(relay, c) else { return };
            (connection, opener) = (before, self.net.opener(before));
        }
        if let Some((Peer::Session(session), _)) = opener.filter(|_| self.net.is_open(connection)) {
            let kind = match cause {
                Some(fault) => Kind::Fault(fault, fault::Event::Drained { session }),
                None => Kind::Server(server, Event::SentAway { session }),
            };
            self.net.record(kind);
        }
    }

    /// A proxy, or a balancer that terminates, passes an accepted connection on.
    #[cold]
    fn passed(&mut self, relay: u32, number: u32, to: u32) {
        // A stranger's is no session's of the scenario.
        if let Some(session) = self.net.code(self.servers[relay as usize].accepted[number as usize]) {
            self.net.record(Kind::Network(relay, NetworkEvent::Through { session, server: to }));
        }
    }

    /// NAT: which server a connection goes to whose SYN comes to a balancer, by what identifies it and the address it comes
    /// from. `None` when the balancer accepts nothing, or no server is up.
    pub fn forward(&mut self, balancer: u32, from: [Identity; 2]) -> Option<EndpointId> {
        if self.net.kernel(balancer).syn() != SynAnswer::Accepted {
            return None;
        }
        let ServerSlot { machine, group, .. } = &mut self.servers[balancer as usize];
        let (plan, endpoint) = (&self.plans[*group], EndpointId(balancer));
        machine.forward(&server::Context { seed: self.seed, plan, directory: &self.directory, endpoint }, from)
    }

    /// NAT: a connection that went through a balancer to this server is over.
    pub fn flow_ended(&mut self, balancer: u32, server: u32) {
        let ServerSlot { machine, group, .. } = &mut self.servers[balancer as usize];
        machine.flow_ended(&self.plans[*group], EndpointId(server));
    }

    /// A redirector hears how many connections each server has, of those that can say so.
    pub(super) fn report(&mut self, server: u32) {
        let runs = |net: &T, server: u32| net.kernel(server).process() == Process::Running;
        let mut reports = std::mem::take(&mut self.reports);
        reports.clear();
        let peers = (0..).zip(&self.servers);
        reports.extend(peers.map(|(number, peer)| runs(&self.net, number).then(|| peer.machine.connections())));
        if runs(&self.net, server) {
            self.server_input(server, Input::Peers(&reports));
        }
        self.reports = reports;
        if let Some(every) = self.plans[self.servers[server as usize].group].report_every() {
            self.net.schedule(self.net.now() + every, Due::Report { server });
        }
    }
}
