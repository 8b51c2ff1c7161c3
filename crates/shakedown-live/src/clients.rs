//! Sessions: their arrivals, their inputs, and what they ask.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use super::Part;
use super::bandwidth::Cargo;
use super::engine::{Due, Engine};
use super::lines::{Caller, Line, LineId, Parcel};
use super::sockets::Sockets;
use super::stream::StreamHandle;
use shakedown_core::client::{self, Group, Session};
use shakedown_core::event::Kind;
use shakedown_core::load::Arrivals;
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Input, Output};
use shakedown_core::network::Way;
use shakedown_core::rng::Identity;
use shakedown_core::time::Timestamp;

/// A session with what the driver keeps for it.
pub(super) struct SessionSlot {
    pub machine: Session,
    /// When its one wake-up is due.
    wake: Timestamp,
    /// Its connections that it has not closed, by its numbers for them: hardly ever more than one.
    lines: Vec<(u32, LineId)>,
}

/// A client group with what the driver keeps for it.
pub(super) struct GroupSlot {
    pub plan: Group,
    pub arrivals: Arrivals,
    /// Client processes, where sessions share them.
    hosts: Vec<client::Host>,
    /// What was demanded of each session, where none share a process.
    names: Vec<client::Names>,
    host_identity: Identity,
    next_index: u32,
}

impl GroupSlot {
    pub fn new(plan: Group, name: &str, config: &client::Config, arrivals: Arrivals) -> GroupSlot {
        GroupSlot {
            plan,
            arrivals,
            hosts: (0..config.hosts.unwrap_or(0)).map(|_| client::Host::default()).collect(),
            names: Vec::new(),
            host_identity: Identity::group(&format!("{name}/host")),
            next_index: 0,
        }
    }

    /// The host that a session runs on.
    pub fn host_of(&self, index: u32) -> Identity {
        match self.hosts.len() {
            0 => self.plan.identity(index),
            _ => self.host_identity.nth(self.host_number(index).into()),
        }
    }

    /// Its number among the group's.
    pub fn host_number(&self, index: u32) -> u32 {
        match self.hosts.len() {
            0 => index,
            count => index % count as u32,
        }
    }
}

impl Engine {
    /// The next session is scheduled to start by now.
    pub(super) fn arrive(&mut self) {
        let Some(mut due) = self.arrivals.peek_mut() else { return };
        let Reverse((scheduled, group)) = *due;
        match self.groups[group as usize].arrivals.next() {
            Some(next) => {
                *due = Reverse((next, group));
                drop(due);
            }
            None => drop(PeekMut::pop(due)),
        }
        let slot = &mut self.groups[group as usize];
        let index = slot.next_index;
        let machine = Session::new(group as u16, index);
        slot.next_index += 1;
        if slot.hosts.is_empty() && slot.plan.remembers_answers() {
            slot.names.push(client::Names::default());
        }
        let session = self.sessions.len() as u32;
        let host = slot.host_number(index);
        self.sessions.push(SessionSlot { machine, wake: Timestamp::NEVER, lines: Vec::new() });
        if !self.net.has(host) {
            return;
        }
        self.behind = self.behind.max(self.now.since(scheduled));
        self.start(session, scheduled);
    }

    /// A session begins; what it was scheduled for counts, however late it is.
    fn start(&mut self, session: u32, scheduled: Timestamp) {
        self.session_input_at(session, Input::Start, Some(scheduled));
    }

    pub(super) fn restart(&mut self, session: u32) {
        self.session_input(session, Input::Start);
    }

    pub(super) fn wake_session(&mut self, session: u32, at: Timestamp) {
        let slot = &mut self.sessions[session as usize];
        if slot.wake == at {
            slot.wake = Timestamp::NEVER;
            self.session_input(session, Input::Wake);
        }
    }

    /// Gives a session an input, and does what it asks.
    pub(super) fn session_input(&mut self, session: u32, input: Input<'_>) {
        self.session_input_at(session, input, None);
    }

    fn session_input_at(&mut self, session: u32, input: Input<'_>, scheduled: Option<Timestamp>) {
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
        slot.machine.handle(&mut cx, self.now, input, &mut out);
        let mut sent = 0;
        let mut admitted = None;
        let client::Outputs { actions, bytes } = &*out;
        for action in actions {
            match *action {
                Output::Event(kind) => {
                    let is_start = matches!(kind, client::Event::Scheduled { .. });
                    let at = scheduled.filter(|_| is_start).unwrap_or(self.now);
                    self.events.push(at, Kind::Session(session, kind));
                }
                Output::Open(c, endpoint) => self.open(session, c.0, endpoint),
                Output::Transmit(c, len) => {
                    let part = sent..sent + len as usize;
                    sent = part.end;
                    if let Some(id) = self.line_of(session, c) {
                        self.transmit(id, Way::ToServer, &bytes[part]);
                    }
                }
                Output::Close(c, how) => self.close_client(session, c, how),
                Output::WakeAt(at) => self.wake_session_at(session, at),
                Output::Admit(next) => admitted = Some(next),
                Output::Done => self.session_done(session),
                Output::StartTls(c, endpoint) => self.greet(self.line_of(session, c), endpoint),
                // Names of targets are resolved beforehand.
                Output::Resolve(..) => {}
            }
        }
        out.clear();
        self.client_outputs = Some(out);
        if let Some(next) = admitted {
            self.session_input(next, Input::Admitted);
        }
    }

    fn wake_session_at(&mut self, session: u32, at: Timestamp) {
        self.sessions[session as usize].wake = at;
        if at != Timestamp::NEVER {
            self.push(at, Due::SessionWake { session });
        }
    }

    /// A closed-loop user is done with one session: the next follows after a pause.
    fn session_done(&mut self, session: u32) {
        let machine = &self.sessions[session as usize].machine;
        let arrivals = &self.groups[usize::from(machine.group())].arrivals;
        if let Some(think) = arrivals.think(machine.index(), machine.connections()) {
            self.push(self.now + think, Due::Restart { session });
        }
    }

    pub(super) fn line_of(&self, session: u32, c: ConnectionId) -> Option<LineId> {
        let lines = &self.sessions[session as usize].lines;
        lines.iter().find(|(number, _)| *number == c.0).map(|(_, line)| *line)
    }

    /// A session connects: its SYN leaves.
    fn open(&mut self, session: u32, client_number: u32, EndpointId(server): EndpointId) {
        let machine = &self.sessions[session as usize].machine;
        let (group, index) = (machine.group(), machine.index());
        let slot = &self.groups[usize::from(group)];
        let client = slot.plan.identity(index);
        let host = slot.host_of(index);
        let identity = Identity(client.0.wrapping_add(u64::from(client_number) << 40));
        let mut line = Line::new(self.now, server, identity, host);
        line.caller = Some((Caller::Session(session), ConnectionId(client_number)));
        line.client = client;
        let route = if self.part == Part::Both { self.links.route(group, server) } else { 0 };
        let id = self.dial(line, route);
        self.sessions[session as usize].lines.push((client_number, id));
        self.send_syn(id);
    }

    /// A line to a server begins, over this link.
    pub(super) fn dial(&mut self, mut line: Line, route: u16) -> LineId {
        let server = line.server;
        if self.part == Part::Both {
            let there = self.servers[server as usize].identity;
            line.route = route;
            line.to_server.one_way = self.links.one_way(route, Way::ToServer, line.host, there);
            line.to_client.one_way = self.links.one_way(route, Way::ToClient, line.host, there);
        }
        line.of_program = self.is_program(server);
        self.add_line(line)
    }

    /// Its first SYN leaves.
    pub(super) fn send_syn(&mut self, id: LineId) {
        if self.bottlenecks.is_some() {
            return self.queue_up(id, Way::ToServer, Cargo::Syn, 0);
        }
        let at = self.arrival_of(id, Way::ToServer);
        if at <= self.now { self.syn(id) } else { self.push(at, Due::Syn { line: id }) }
    }

    /// The session closes its end.
    fn close_client(&mut self, session: u32, c: ConnectionId, how: CloseMode) {
        let Some(id) = self.line_of(session, c) else { return };
        self.sessions[session as usize].lines.retain(|(_, line)| *line != id);
        self.close_caller(id, how);
    }

    /// The caller closes its end.
    pub(super) fn close_caller(&mut self, id: LineId, how: CloseMode) {
        self.say_goodbye(id, Way::ToServer, how);
        if self.close_later(id, how) {
            return;
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.close_client(how);
        }
        self.settle(id);
    }

    /// The client's end of a line is over without its caller's doing.
    pub(super) fn forget_client(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.close_client(CloseMode::Fin);
        match line.caller {
            Some((Caller::Session(session), _)) => {
                self.sessions[session as usize].lines.retain(|(_, line)| *line != id);
            }
            Some((Caller::Server(server), c)) => drop(self.servers[server as usize].opened.remove(&c.0)),
            None => {}
        }
        self.settle(id);
    }

    /// A SYN is at the host it is for, which has power and is within reach: the kernels do the rest.
    pub(super) fn connect(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let server = line.server;
        let wire = StreamHandle::default();
        line.to_client.wire = Some(wire.clone());
        let Some(&(mut to)) = self.places.get(&server) else {
            // Nobody said where it is.
            return self.deliver(id, Way::ToClient, Parcel::Failed(ConnectError::Refused));
        };
        let from = (!self.sources.is_empty()).then(|| {
            self.next_source = (self.next_source + 1) % self.sources.len();
            self.sources[self.next_source]
        });
        if let Some(from) = from.filter(|_| to.ip().is_unspecified()) {
            // A server that listens on every address is dialled at one that it has.
            to.set_ip(match from {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                v6 => v6,
            });
        }
        let me = self.me.clone();
        let task = tokio::task::spawn_local(async move {
            let bound = |address| {
                if let Some(engine) = me.upgrade() {
                    engine.borrow_mut().bound(id, address);
                }
            };
            let stream = Sockets::connect(from, to, bound).await;
            let stream = match (stream, me.upgrade()) {
                (_, None) => return,
                (Err(error), Some(engine)) => return engine.borrow_mut().not_connected(id, error),
                (Ok(stream), Some(engine)) => {
                    engine.borrow_mut().connected(id);
                    stream
                }
            };
            let notify = |event: super::stream::StreamEvent<'_>| {
                if let Some(engine) = me.upgrade() {
                    engine.borrow_mut().read(id, Way::ToClient, event);
                }
            };
            wire.carry(stream, notify).await;
        });
        if let Some(line) = self.lines.get_mut(&id) {
            line.connecting = Some(task.abort_handle());
        }
    }

    /// A connect has its address.
    fn bound(&mut self, id: LineId, address: std::net::SocketAddr) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.address = Some(address);
            self.by_address.insert(address, id);
        }
    }

    fn connected(&mut self, id: LineId) {
        self.now = self.net.now();
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.connecting = None;
        self.deliver(id, Way::ToClient, Parcel::Connected);
    }

    fn not_connected(&mut self, id: LineId, error: io::Error) {
        self.now = self.net.now();
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.connecting = None;
        line.to_client.wire = None;
        let (server, session) = (line.server, line.code());
        let why = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => ConnectError::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ConnectError::TimedOut
            }
            // Strangers took all there is: a server can't reach another, and says so.
            _ if self.part == Part::Servers => {
                self.over_limit += 1;
                ConnectError::Refused
            }
            // This machine could not even try: whatever were measured from here on would not be the servers' doing.
            _ => return self.fail(io::Error::new(error.kind(), format!("a client can't connect: {error}"))),
        };
        let refused = matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset);
        if refused && self.part != Part::Clients {
            self.record(Kind::Network(
                server,
                shakedown_core::network::Event::SynRefused { session, backlog_full: false },
            ));
        }
        self.deliver(id, Way::ToClient, Parcel::Failed(why));
    }
}
