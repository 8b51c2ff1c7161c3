//! Servers: their inputs, and what they ask.

use shakedown_core::driver::pipes;
use shakedown_core::event::Kind;
use shakedown_core::fault;
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId, Input, Output};
use shakedown_core::network::{self, Process, Way};
use shakedown_core::server::{self, Event, Server};
use shakedown_core::time::Timestamp;

use super::engine::{Due, Engine};
use super::network::{ConnectionKey, Opener, PeerId};
use super::slots::ServerSlot;

impl Engine {
    pub(super) fn wake_server(&mut self, server: u32, at: Timestamp) {
        let slot = &mut self.servers[server as usize];
        if slot.wake != at {
            return;
        }
        slot.wake = Timestamp::NEVER;
        if slot.host.process() == Process::Hung {
            slot.missed_wake = true;
            return;
        }
        self.server_input(server, Input::Wake);
    }

    /// Gives a server an input, and does what it asks.
    pub(super) fn server_input(&mut self, server: u32, input: Input<'_>) {
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
        act(machine, &cx, self.network.now, &mut out);
        let mut sent = 0;
        let server::Outputs { actions, bytes } = &*out;
        for action in actions {
            match *action {
                Output::Event(kind) => {
                    self.record(Kind::Server(server, kind));
                    match kind {
                        Event::GoingAway { connection, .. } => self.drained(server, connection),
                        Event::Forwarded { connection, to } => self.passed(server, connection, to),
                        _ => {}
                    }
                }
                Output::Transmit(c, len) => {
                    let part = sent..sent + len as usize;
                    sent = part.end;
                    let slot = &self.servers[server as usize];
                    match c.as_own() {
                        None => self.network.send(slot.accepted[c.0 as usize], Way::ToClient, &bytes[part]),
                        Some(_) => {
                            if let Some(&key) = slot.opened.get(&c.0) {
                                self.network.send(key, Way::ToServer, &bytes[part]);
                            }
                        }
                    }
                }
                Output::Open(c, to) => self.call(server, c, to),
                Output::Close(c, how) if c.as_own().is_some() => self.hang_up(server, c, how),
                Output::Close(c, how) => self.close_server(server, c, how),
                Output::WakeAt(at) => {
                    self.servers[server as usize].wake = at;
                    if at != Timestamp::NEVER {
                        self.due.push(at, Due::ServerWake { server });
                    }
                }
                Output::StartTls(c, endpoint) if c.as_own().is_some() => {
                    if let Some(&key) = self.servers[server as usize].opened.get(&c.0) {
                        let keeper = Some((None, server, endpoint.0));
                        self.network.start_tls(key, self.directory.authority(endpoint), keeper);
                    }
                }
                Output::StartTls(c, _) => {
                    self.network.answer_hello(self.servers[server as usize].accepted[c.0 as usize]);
                }
                // Scenarios whose servers ask for these are refused.
                Output::Resolve(..) | Output::Admit(_) | Output::Done => {}
            }
        }
        out.clear();
        self.server_outputs = Some(out);
    }

    /// A server's process has accepted a connection.
    pub(super) fn accept(&mut self, key: ConnectionKey) {
        let Some((server, identity, host)) = self.network.origin(key) else { return };
        let slot = &mut self.servers[server as usize];
        let number = slot.free.pop().unwrap_or(slot.accepted.len() as u32);
        match slot.accepted.get_mut(number as usize) {
            Some(place) => *place = key,
            None => slot.accepted.push(key),
        }
        if self.plans[slot.group].asks_for_addresses() {
            slot.machine.comes_from(ConnectionId(number), host);
        }
        self.network.number_at_server(key, number);
        self.server_input(server, Input::Accepted(ConnectionId(number), identity));
    }

    fn close_server(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        let slot = &mut self.servers[server as usize];
        let key = slot.accepted[c.0 as usize];
        slot.free.push(c.0);
        self.network.close_server(key, how);
    }

    /// A server connects to another.
    fn call(&mut self, server: u32, number: ConnectionId, EndpointId(to): EndpointId) {
        let identity = self.servers[server as usize].identity;
        let place = pipes::Caller::Server(server);
        let opener = Opener { peer: PeerId::Server(server), number, place, identity, host: identity };
        let key = self.network.connect(to, opener);
        self.servers[server as usize].opened.insert(number.0, key);
    }

    /// A server closes a connection that it opened.
    fn hang_up(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        if let Some(key) = self.servers[server as usize].opened.remove(&c.0) {
            self.network.close_client(key, how);
        }
    }

    /// A way through a server is up.
    pub(super) fn join(&self, server: u32, c: ConnectionId) {
        let slot = &self.servers[server as usize];
        let before = slot.machine.accepted_for(c).and_then(|accepted| slot.accepted.get(accepted.0 as usize));
        if let Some((before, behind)) = before.zip(slot.opened.get(&c.0)) {
            self.network.join(*before, *behind);
        }
    }

    /// A close frame was sent: its session loses its path, unless it has given the connection up itself.
    fn drained(&mut self, server: u32, number: u32) {
        let slot = &self.servers[server as usize];
        let mut opener = self.network.opener(slot.accepted[number as usize]);
        // Through a proxy or a balancer that terminates, the session is at the other end of the connection before.
        if let Some((PeerId::Server(relay), c)) = opener {
            let relay = &self.servers[relay as usize];
            let before = relay.machine.accepted_for(c).map(|before| relay.accepted[before.0 as usize]);
            opener = before.and_then(|before| self.network.opener(before));
        }
        let Some((PeerId::Session(session), _)) = opener else { return };
        self.record(match slot.drained_by {
            Some(fault) => Kind::Fault(fault, fault::Event::Drained { session }),
            None => Kind::Server(server, Event::SentAway { session }),
        });
    }

    /// A proxy or a balancer passes an accepted connection on.
    fn passed(&mut self, relay: u32, number: u32, to: u32) {
        // A stranger is no session of the scenario's.
        if let Some(session) = self.network.opener_code(self.servers[relay as usize].accepted[number as usize]) {
            self.record(Kind::Network(relay, network::Event::Through { session, server: to }));
        }
    }

    /// A redirector hears how many connections each server has, of those that can say so.
    pub(super) fn report(&mut self, server: u32) {
        let runs = |slot: &ServerSlot| slot.host.process() == Process::Running;
        let reports: Vec<_> = self.servers.iter().map(|peer| runs(peer).then(|| peer.machine.connections())).collect();
        if runs(&self.servers[server as usize]) {
            self.server_input(server, Input::Peers(&reports));
        }
        if let Some(every) = self.plans[self.servers[server as usize].group].report_every() {
            self.due.push(self.network.now + every, Due::Report { server });
        }
    }
}
