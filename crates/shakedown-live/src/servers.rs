//! Servers: what they accept, their inputs, and what they ask.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::engine::{Due, Engine};
use super::lines::{Caller, Line, LineId, Parcel, ServerEnd};
use super::sockets::Sockets;
use super::stream::StreamHandle;
use shakedown_core::event::Kind;
use shakedown_core::fault;
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId, Input, Output};
use shakedown_core::network::{self, Host, Process, SynAnswer, Way};
use shakedown_core::rng::Identity;
use shakedown_core::scenario::{Scenario, ServerEntry};
use shakedown_core::server::{self, Event, Pauses, Server};
use shakedown_core::time::{Nanos, Timestamp};

/// What the members of a group that leaves send with their close frames (RFC 6455 section 7.4.1: going away).
const GOING_AWAY: u16 = 1001;
/// How long after a failed accept the next one is tried, and how often a port is asked for again.
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u32 = 200;

/// What becomes of a server's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Joins,
    Leaves { over: Nanos },
    Ends,
}

/// What a hung process is asked to do once it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask {
    Drain {
        code: u16,
        over: Nanos,
    },
    Resume,
    /// It has something to do from its start on.
    Start,
}

/// A server with what the driver keeps for it.
pub(super) struct ServerSlot {
    pub machine: Server,
    pub host: Host,
    pub group: usize,
    pub identity: Identity,
    backlog: u32,
    /// When its one wake-up is due, and whether it came while the process hung.
    wake: Timestamp,
    missed_wake: bool,
    asks: Vec<Ask>,
    /// Its lines, by its numbers for them, and numbers that may be used again.
    pub accepted: Vec<LineId>,
    pub free: Vec<u32>,
    /// The lines that it opened itself, by its numbers for them.
    pub opened: BTreeMap<u32, LineId>,
    listener: Option<Rc<TcpListener>>,
    accepting: Option<tokio::task::AbortHandle>,
    pub drained_by: Option<u16>,
    pauses: Option<Pauses>,
    /// When the pause that lasts ends, and whether it stopped the process.
    pause_ends: Option<Timestamp>,
    pub stopped_by_pause: bool,
}

impl ServerSlot {
    pub fn new(scenario: &Scenario, entry: &ServerEntry, listener: Option<TcpListener>) -> ServerSlot {
        let config = &scenario.groups()[entry.group];
        ServerSlot {
            machine: Server::default(),
            host: Host::new(config.backlog, config.backlog_overflow),
            group: entry.group,
            identity: Identity::group(&entry.name),
            backlog: config.backlog,
            wake: Timestamp::NEVER,
            missed_wake: false,
            asks: Vec::new(),
            accepted: Vec::new(),
            free: Vec::new(),
            opened: BTreeMap::new(),
            listener: listener.map(Rc::new),
            accepting: None,
            drained_by: None,
            pauses: config.pauses.as_ref().map(|pauses| {
                let group = scenario.groups().get_index(entry.group).map_or("", |(name, _)| name);
                let (member, group) = (Identity::group(&entry.name), Identity::group(group));
                Pauses::new(scenario.seed(), pauses, member, group)
            }),
            pause_ends: None,
            stopped_by_pause: false,
        }
    }

    /// Nothing is accepted; the port stays open, and its kernel completes connects until its queue is full.
    fn stop_accepting(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
        }
    }

    /// The port is closed.
    pub fn stop_listening(&mut self) {
        self.stop_accepting();
        self.listener = None;
    }

    /// A process is there anew, or is gone.
    pub fn replace(&mut self, machine: Server) {
        self.machine = machine;
        self.wake = Timestamp::NEVER;
        self.missed_wake = false;
        self.stopped_by_pause = false;
        self.asks.clear();
        self.accepted.clear();
        self.free.clear();
    }
}

impl Engine {
    /// The port is open and connections are accepted, unless they should not be.
    pub(super) fn listen_again(&mut self, server: u32) {
        if self.is_program(server) {
            return;
        }
        let slot = &mut self.servers[server as usize];
        slot.stop_accepting();
        if slot.host.process() != Process::Running || slot.host.syn() == SynAnswer::Refused {
            return;
        }
        self.accept_all(server);
    }

    /// The port is open, and whatever comes is accepted.
    pub(super) fn accept_all(&mut self, server: u32) {
        let slot = &self.servers[server as usize];
        let (me, backlog) = (self.me.clone(), slot.backlog);
        let Some(&place) = self.places.get(&server) else { return };
        let open = slot.listener.clone();
        let task = tokio::task::spawn_local(async move {
            let listener = match open {
                Some(listener) => listener,
                None => match listen(place, backlog).await {
                    Ok(listener) => Rc::new(listener),
                    Err(error) => {
                        if let Some(engine) = me.upgrade() {
                            engine.borrow_mut().fail(error);
                        }
                        return;
                    }
                },
            };
            if let Some(engine) = me.upgrade() {
                engine.borrow_mut().servers[server as usize].listener = Some(Rc::clone(&listener));
            }
            loop {
                let accepted = Sockets::accept(&listener).await;
                let Some(engine) = me.upgrade() else { return };
                match accepted {
                    Ok((stream, peer)) => engine.borrow_mut().came_in(server, stream, peer),
                    // No descriptor is free, or the client is gone already: the next one may do better.
                    Err(_) => {
                        drop(engine);
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        self.servers[server as usize].accepting = Some(task.abort_handle());
    }

    /// The kernel has completed a connection.
    fn came_in(&mut self, server: u32, stream: TcpStream, peer: SocketAddr) {
        self.now = self.net.now();
        let id = match self.by_address.get(&peer).copied() {
            Some(id) => id,
            None => {
                // Of those that servers open, both ends are here.
                let opened: usize = self.servers.iter().map(|server| server.opened.len()).sum();
                if self.lines.len() + opened >= self.connections_max {
                    self.over_limit += 1;
                    return;
                }
                self.strangers += 1;
                let identity = Identity::group("strangers").nth(self.strangers);
                let mut line = Line::new(self.now, server, identity, Identity::group(&peer.ip().to_string()));
                line.client_closed = true;
                self.add_line(line)
            }
        };
        let wire = StreamHandle::default();
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.to_server.wire = Some(wire.clone());
        let me = self.me.clone();
        tokio::task::spawn_local(async move {
            let notify = |event: super::stream::StreamEvent<'_>| {
                if let Some(engine) = me.upgrade() {
                    engine.borrow_mut().read(id, Way::ToServer, event);
                }
            };
            wire.carry(stream, notify).await;
        });
        self.deliver(id, Way::ToServer, Parcel::Accepted);
    }

    /// The process accepts a connection.
    pub(super) fn accept(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (server, identity, host) = (line.server, line.identity, line.host);
        let slot = &mut self.servers[server as usize];
        let number = slot.free.pop().unwrap_or(slot.accepted.len() as u32);
        match slot.accepted.get_mut(number as usize) {
            Some(place) => *place = id,
            None => slot.accepted.push(id),
        }
        line.server_end = ServerEnd::Accepted(number);
        line.server_tls = self.tls.accept(server);
        if self.plans[slot.group].asks_for_addresses() {
            slot.machine.comes_from(ConnectionId(number), host);
        }
        self.server_input(server, Input::Accepted(ConnectionId(number), identity));
    }

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
        act(machine, &cx, self.now, &mut out);
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
                        None => self.transmit(slot.accepted[c.0 as usize], Way::ToClient, &bytes[part]),
                        Some(_) => {
                            if let Some(&id) = slot.opened.get(&c.0) {
                                self.transmit(id, Way::ToServer, &bytes[part]);
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
                        self.push(at, Due::ServerWake { server });
                    }
                }
                Output::StartTls(c, endpoint) if c.as_own().is_some() => {
                    let line = self.servers[server as usize].opened.get(&c.0).copied();
                    self.greet(line, endpoint);
                }
                Output::StartTls(c, _) => self.answer_hello(server, c),
                // Scenarios whose servers ask for these are refused.
                Output::Resolve(..) | Output::Admit(_) | Output::Done => {}
            }
        }
        out.clear();
        self.server_outputs = Some(out);
    }

    fn close_server(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        let slot = &mut self.servers[server as usize];
        let id = slot.accepted[c.0 as usize];
        slot.free.push(c.0);
        self.say_goodbye(id, Way::ToClient, how);
        if let Some(line) = self.lines.get_mut(&id) {
            line.close_server(Some(how));
        }
        self.settle(id);
    }

    /// A close frame was sent: its session loses its path, unless it has given the connection up itself.
    fn drained(&mut self, server: u32, number: u32) {
        let slot = &self.servers[server as usize];
        let Some(mut line) = self.lines.get(&slot.accepted[number as usize]) else { return };
        // Through a proxy or a balancer that terminates, the session is at the other end of the connection before.
        if let Some((Caller::Server(relay), c)) = line.caller {
            let relay = &self.servers[relay as usize];
            let before = relay.machine.accepted_for(c).map(|before| relay.accepted[before.0 as usize]);
            let Some(before) = before.and_then(|before| self.lines.get(&before)) else { return };
            line = before;
        }
        let Some((Caller::Session(session), _)) = line.caller.filter(|_| !line.client_closed) else { return };
        self.record(match slot.drained_by {
            Some(fault) => Kind::Fault(fault, fault::Event::Drained { session }),
            None => Kind::Server(server, Event::SentAway { session }),
        });
    }

    /// A proxy or a balancer passes an accepted connection on.
    fn passed(&mut self, relay: u32, number: u32, to: u32) {
        let line = self.lines.get(&self.servers[relay as usize].accepted[number as usize]);
        // A stranger is no session of the scenario's.
        if let Some(line) = line.filter(|line| line.caller.is_some()) {
            let through = network::Event::Through { session: line.code(), server: to };
            self.record(Kind::Network(relay, through));
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
            self.push(self.now + every, Due::Report { server });
        }
    }

    /// The process is gone. Its kernel, if that lives, ends its connections; if not, they fall silent.
    pub(super) fn lose_process(&mut self, server: u32, kernel_lives: bool) {
        if self.is_program(server) {
            return self.kill_program(server);
        }
        let slot = &mut self.servers[server as usize];
        if kernel_lives {
            slot.host.crash();
        } else {
            slot.host.power_off();
        }
        slot.replace(Server::default());
        slot.stop_listening();
        let group = slot.group;
        if let Err(error) = self.tls.lose_keys(server, &self.plans[group]) {
            self.fail(error);
        }
        let of_server = |(id, line): (&LineId, &Line)| {
            let alive = line.server == server && line.server_end != ServerEnd::Closed && line.to_server.wire.is_some();
            alive.then_some(*id)
        };
        let lines: Vec<LineId> = self.lines.iter().filter_map(of_server).collect();
        for id in lines {
            let Some(line) = self.lines.get_mut(&id) else { continue };
            if kernel_lives {
                line.close_server(None);
            } else if let Some(wire) = line.to_server.wire.clone() {
                wire.mute();
                self.silent.push((server, wire));
                line.to_server.wire = None;
                line.close_server(None);
                self.stop_repeating(id, Way::ToClient);
            }
            self.settle(id);
        }
        self.lose_calls(server, kernel_lives);
    }

    /// A process is started, be it that its host boots first.
    pub(super) fn start_process(&mut self, server: u32) {
        if self.is_program(server) {
            return self.start_program(server);
        }
        let slot = &mut self.servers[server as usize];
        slot.host.start();
        slot.replace(Server::started(self.now));
        self.silent.retain(|(of, wire)| {
            if *of == server {
                wire.forget();
            }
            *of != server
        });
        self.listen_again(server);
    }

    /// The process is stopped: nothing is read, nothing accepted.
    pub(super) fn hang(&mut self, server: u32) {
        if self.is_program(server) {
            return self.stop_program(server);
        }
        self.servers[server as usize].host.hang();
        self.servers[server as usize].stop_accepting();
        self.hold_all(server, true);
        self.hold_calls(server, true);
    }

    /// One of the things that stopped a process is over.
    pub(super) fn release(&mut self, server: u32) {
        if self.is_program(server) {
            return self.continue_program(server);
        }
        let slot = &mut self.servers[server as usize];
        slot.host.go_on();
        if slot.host.process() != Process::Running {
            return;
        }
        let missed_wake = std::mem::take(&mut slot.missed_wake);
        if missed_wake {
            self.server_input(server, Input::Wake);
        }
        self.answer_asks(server);
        self.hold_all(server, false);
        self.listen_again(server);
        let of_server = |(id, line): (&LineId, &Line)| (line.server == server).then_some(*id);
        let lines: Vec<LineId> = self.lines.iter().filter_map(of_server).collect();
        lines.into_iter().for_each(|id| self.arrived(id, Way::ToServer));
        self.hold_calls(server, false);
    }

    fn hold_all(&mut self, server: u32, held: bool) {
        for line in self.lines.values().filter(|line| line.server == server) {
            if let Some(wire) = &line.to_server.wire {
                wire.hold(held);
            }
        }
    }

    /// Asks something of a process, which does it once it runs.
    pub(super) fn ask(&mut self, server: u32, ask: Ask) {
        self.servers[server as usize].asks.push(ask);
        self.answer_asks(server);
    }

    fn answer_asks(&mut self, server: u32) {
        if self.servers[server as usize].host.process() != Process::Running {
            return;
        }
        for ask in std::mem::take(&mut self.servers[server as usize].asks) {
            let slot = &mut self.servers[server as usize];
            match ask {
                Ask::Drain { code, over } => {
                    slot.host.listen(false);
                    slot.stop_listening();
                    self.with_server(server, |machine, cx, now, out| machine.drain(cx, now, code, over, out));
                }
                Ask::Start => self.server_input(server, Input::Start),
                Ask::Resume => {
                    slot.host.listen(true);
                    self.listen_again(server);
                    self.with_server(server, |machine, cx, _, out| machine.resume(cx, out));
                }
            }
        }
    }

    /// Writes down when a server joins and leaves; until it joins, nobody listens there.
    pub(super) fn schedule_membership(&mut self, server: u32) {
        let membership = self.memberships[self.servers[server as usize].group];
        if let Some(at) = membership.joins_at {
            let slot = &mut self.servers[server as usize];
            slot.host.crash();
            slot.stop_listening();
            self.directory.list(EndpointId(server), false);
            self.push(at, Due::Member { server, step: Step::Joins });
        }
        if let Some((at, over)) = membership.leaves_at {
            self.push(at, Due::Member { server, step: Step::Leaves { over } });
            self.push(at + over, Due::Member { server, step: Step::Ends });
        }
    }

    pub(super) fn member(&mut self, server: u32, step: Step) {
        match step {
            Step::Joins => {
                self.directory.list(EndpointId(server), true);
                self.start_process(server);
                self.record(Kind::Server(server, Event::Joined));
            }
            Step::Leaves { over } => {
                self.servers[server as usize].drained_by = None;
                self.directory.list(EndpointId(server), false);
                self.record(Kind::Server(server, Event::Leaving));
                self.ask(server, Ask::Drain { code: GOING_AWAY, over });
            }
            Step::Ends => {
                if self.servers[server as usize].host.process() != Process::Dead {
                    self.lose_process(server, true);
                }
                self.record(Kind::Server(server, Event::Left));
            }
        }
    }

    /// Writes down when a server pauses next.
    pub(super) fn next_pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(pauses) = &mut slot.pauses {
            let (begins, ends) = pauses.advance();
            slot.pause_ends = Some(ends);
            self.push(begins, Due::Pause { server });
        }
    }

    /// A server's pause begins, or ends.
    pub(super) fn pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(ends) = slot.pause_ends.take() {
            self.push(ends, Due::Pause { server });
            if self.servers[server as usize].host.process() != Process::Dead {
                self.servers[server as usize].stopped_by_pause = true;
                self.hang(server);
                self.record(Kind::Server(server, Event::Paused));
            }
            return;
        }
        if std::mem::take(&mut slot.stopped_by_pause) {
            self.record(Kind::Server(server, Event::Resumed));
            self.release(server);
        }
        self.next_pause(server);
    }
}

/// Opens a port that was closed a moment ago.
async fn listen(place: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match Sockets::listen(place, backlog) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => tries += 1,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{place} can't be opened again: {error}"))),
            listener => return listener,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
