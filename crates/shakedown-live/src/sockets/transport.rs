//! Real sockets as the stage's transport: the network, what is due, and servers that are programs.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::ops::Range;
use std::rc::Rc;

use rustix::process::Signal;
use shakedown_core::client;
use shakedown_core::driver::names::Step;
use shakedown_core::driver::pipes;
use shakedown_core::driver::stage::{ClientHosts, Due, Peer, PendingInput, Stage, Transport};
use shakedown_core::event::Kind;
use shakedown_core::fault::{self, Fault};
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId};
use shakedown_core::network::{Direction, Host, Process, SynAnswer};
use shakedown_core::rng::Identity;
use shakedown_core::time::{Nanos, Timestamp};

use super::super::events::Events;
use super::network::{ConnectionKey, Network, Opener};
use super::programs::{Commands, FaultCommand, Program, Running};
use super::resolver::Resolver;
use super::schedule::{Schedule, Sleep};
use crate::kernel::World;

/// What is due at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Stage(Due),
    ServerWake {
        server: u32,
    },
    SessionWake {
        session: u32,
    },
    Names(Step),
    /// A question is to be answered.
    Answer {
        query: u64,
    },
}

/// Everything but the machines.
pub(super) struct Live {
    pub network: Network,
    pub events: Events,
    pub sleep: Rc<Sleep>,
    pub due: Schedule<Item>,
    pub clients: Vec<ClientHosts>,
    /// What the session that begins now was scheduled for: that counts, however late it is.
    pub scheduled: Option<Timestamp>,
    /// The longest that a session's start came after its schedule.
    pub behind: Nanos,
    /// What ends the run.
    pub trouble: Option<io::Error>,
    /// Servers that are programs, those that run, and those that ended by themselves.
    pub programs: BTreeMap<u32, Program>,
    pub running: BTreeMap<u32, Running>,
    pub died: Vec<(u32, String)>,
    /// What faults run, by the fault's number and the server's, and what they ran.
    pub commands: BTreeMap<(u32, u32), FaultCommand>,
    pub ran: Commands,
    /// Who knows names, where they are looked up.
    pub resolver: Option<Resolver>,
}

impl Live {
    /// The run cannot go on.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
        self.sleep.notify.notify_one();
    }

    /// A command of a fault's that failed ends the run: the fault was not what the scenario says.
    pub(crate) fn look_at_commands(&mut self) {
        if let Some(error) = self.ran.failed() {
            self.fail(error);
        }
    }

    /// The wire says what became of messages.
    pub(crate) fn hear_wire(&mut self) {
        for note in self.network.sockets.world().map(World::notes).unwrap_or_default() {
            if let Some((server, event)) = self.network.event_of(&note) {
                self.events.push(note.at, Kind::Network(server, event));
            }
        }
    }

    /// A program is gone; whether it had ended by itself is worth a word.
    fn bury(&mut self, server: u32) {
        let may_end = self.programs.get(&server).is_some_and(|program| !program.listens);
        if let Some(mut running) = self.running.remove(&server)
            && let Some(status) = running.ended()
            && !(may_end && status.success())
        {
            self.died.push((server, status.to_string()));
        }
    }

    fn signal(&self, server: u32, signal: Signal) {
        if let Some(running) = self.running.get(&server) {
            running.signal(signal);
        }
    }

    /// Everything is over: all programs are killed. Returns those that had ended by themselves.
    pub(crate) fn end(&mut self) -> Vec<(u32, String)> {
        self.network.end();
        let all: Vec<u32> = self.running.keys().copied().collect();
        all.into_iter().for_each(|server| self.bury(server));
        std::mem::take(&mut self.died)
    }
}

impl Transport for Live {
    type Connection = ConnectionKey;
    /// Those that it has not closed, by its numbers for them: hardly ever more than one.
    type Connections = Vec<(u32, ConnectionKey)>;
    /// When it is due.
    type Wake = Timestamp;
    /// The network keeps what comes meanwhile.
    type Pending = Infallible;
    const NO_CONNECTIONS: Vec<(u32, ConnectionKey)> = Vec::new();
    const NO_WAKE: Timestamp = Timestamp::NEVER;

    fn now(&self) -> Timestamp {
        self.network.now
    }

    fn record(&mut self, kind: Kind) {
        let is_start = matches!(kind, Kind::Session(_, client::Event::Scheduled { .. }));
        let scheduled = if is_start { self.scheduled.take() } else { None };
        self.events.push(scheduled.unwrap_or(self.network.now), kind);
    }

    fn schedule(&mut self, at: Timestamp, due: Due) {
        self.due.push(at, Item::Stage(due));
    }

    fn wake_session(&mut self, wake: &mut Timestamp, session: u32, at: Timestamp) {
        *wake = at;
        if at != Timestamp::NEVER {
            self.due.push(at, Item::SessionWake { session });
        }
    }

    fn wake_server(&mut self, wake: &mut Timestamp, server: u32, at: Timestamp) {
        *wake = at;
        if at != Timestamp::NEVER {
            self.due.push(at, Item::ServerWake { server });
        }
    }

    fn faults(&self) -> &[Fault] {
        self.network.faults()
    }

    fn arrives(stage: &mut Stage<Live>, session: u32, scheduled: Timestamp) -> bool {
        let (machine, live) = (&stage.sessions[session as usize].machine, &mut stage.net);
        let host = live.clients[usize::from(machine.group())].host_number(machine.index());
        if !live.network.sockets.has(host) {
            return false;
        }
        live.behind = live.behind.max(live.network.now.since(scheduled));
        live.scheduled = Some(scheduled);
        true
    }

    fn resolves_names(&self) -> bool {
        self.resolver.is_some()
    }

    fn resolve(stage: &mut Stage<Live>, session: u32, c: ConnectionId, name: EndpointId) {
        let machine = &stage.sessions[session as usize].machine;
        let host = stage.net.clients[usize::from(machine.group())].host_number(machine.index());
        let place = pipes::Initiator::Client { group: machine.group(), host };
        let Live { resolver: Some(resolver), network, .. } = &mut stage.net else { return };
        let Some(name) = resolver.name(name) else { return };
        match network.look_up((session, c), place, name) {
            Ok(from) => resolver.asking.extend(from.map(|from| (from, (session, c)))),
            Err(error) => stage.net.fail(error),
        }
    }

    fn names_fail(&mut self, name: u32, fail: bool) {
        let now = self.network.now;
        let Some(resolver) = &mut self.resolver else { return };
        let name = resolver.dns.name(name);
        if fail { name.fail(now) } else { name.heal(now) }
    }

    fn open(stage: &mut Stage<Live>, session: u32, c: ConnectionId, EndpointId(server): EndpointId) {
        let slot = &mut stage.sessions[session as usize];
        let (group, index) = (slot.machine.group(), slot.machine.index());
        let hosts = &stage.net.clients[usize::from(group)];
        let opener = Opener {
            peer: Peer::Session(session),
            number: c,
            place: pipes::Initiator::Client { group, host: hosts.host_number(index) },
            identity: hosts.identity(index),
            host: hosts.host_of(index),
        };
        let key = stage.net.network.connect(server, opener);
        slot.connections.push((c.0, key));
    }

    fn find(&self, connections: &Vec<(u32, ConnectionKey)>, c: ConnectionId) -> Option<ConnectionKey> {
        connections.iter().find(|(number, _)| *number == c.0).map(|(_, key)| *key)
    }

    fn close_session(stage: &mut Stage<Live>, session: u32, c: ConnectionId, how: CloseMode) {
        let Some(key) = stage.connection_of(session, c) else { return };
        stage.sessions[session as usize].connections.retain(|(_, other)| *other != key);
        stage.net.network.close_client(key, how);
    }

    fn call(
        stage: &mut Stage<Live>,
        server: u32,
        number: ConnectionId,
        EndpointId(to): EndpointId,
        _: Option<ConnectionKey>,
    ) -> ConnectionKey {
        let identity = stage.net.network.identity(server);
        let place = pipes::Initiator::Server(server);
        stage.net.network.connect(to, Opener { peer: Peer::Server(server), number, place, identity, host: identity })
    }

    fn hang_up(stage: &mut Stage<Live>, server: u32, c: ConnectionId, key: ConnectionKey, how: CloseMode) {
        stage.servers[server as usize].opened.remove(&c.0);
        stage.net.network.close_client(key, how);
    }

    fn number(&mut self, key: ConnectionKey, c: ConnectionId) {
        self.network.number_at_server(key, c.0);
    }

    fn address(&self, key: ConnectionKey) -> Identity {
        self.network.address(key)
    }

    fn close_accepted(stage: &mut Stage<Live>, key: ConnectionKey, how: CloseMode) {
        stage.net.network.close_server(key, how);
    }

    fn send(&mut self, key: ConnectionKey, way: Direction, bytes: &mut Vec<u8>, part: Range<usize>) {
        self.network.send(key, way, &bytes[part]);
    }

    fn start_tls(stage: &mut Stage<Live>, key: ConnectionKey, endpoint: EndpointId) {
        let keeper = match stage.net.network.place(key) {
            Some(pipes::Initiator::Client { group, host }) => {
                let resumes = stage.groups[usize::from(group)].plan.resumes_tls();
                resumes.then_some((Some(group), host, endpoint.0))
            }
            Some(pipes::Initiator::Server(server)) => Some((None, server, endpoint.0)),
            None => None,
        };
        stage.net.network.start_tls(key, stage.directory.authority(endpoint), keeper);
    }

    fn answer_hello(stage: &mut Stage<Live>, key: ConnectionKey) {
        stage.net.network.answer_hello(key);
    }

    fn opener(&self, key: ConnectionKey) -> Option<(Peer, ConnectionId)> {
        self.network.opener(key)
    }

    fn is_open(&self, key: ConnectionKey) -> bool {
        self.network.opener(key).is_some()
    }

    fn code(&self, key: ConnectionKey) -> Option<u32> {
        self.network.opener_code(key)
    }

    fn kernel(&self, server: u32) -> &Host {
        self.network.kernel(server)
    }

    fn kernel_mut(&mut self, server: u32) -> &mut Host {
        self.network.kernel_mut(server)
    }

    fn is_program(&self, server: u32) -> bool {
        self.programs.contains_key(&server)
    }

    /// Its kernel does the rest, if that lives.
    fn program_lost(stage: &mut Stage<Live>, server: u32, kernel_lives: bool) {
        if !kernel_lives {
            stage.net.network.power_off(server);
        }
        stage.net.bury(server);
    }

    fn process_lost(
        stage: &mut Stage<Live>,
        server: u32,
        kernel_lives: bool,
        _: BTreeMap<u32, ConnectionKey>,
        _: Vec<PendingInput<Infallible>>,
    ) {
        let plan = &stage.plans[stage.servers[server as usize].group];
        stage.net.network.process_lost(server, kernel_lives, plan);
    }

    /// A program listens once it gets there.
    fn process_started(&mut self, server: u32) {
        if let Err(error) = self.network.boot(server) {
            return self.fail(error);
        }
        let Some(program) = self.programs.get(&server) else {
            self.network.process_started(server);
            return self.listens(server);
        };
        match self.network.sockets.at_server(server, || Running::start(&program.name, &program.start)) {
            Ok(running) => drop(self.running.insert(server, running)),
            Err(error) => self.fail(error),
        }
    }

    fn process_hung(&mut self, server: u32) {
        match self.is_program(server) {
            true => self.signal(server, Signal::STOP),
            false => self.network.process_hung(server),
        }
    }

    fn process_goes_on(&mut self, server: u32) {
        if self.is_program(server) {
            return self.signal(server, Signal::CONT);
        }
        self.listens(server);
        self.network.process_goes_on(server);
    }

    fn listens(&mut self, server: u32) {
        // To whom packets are rewritten, nobody listens.
        if self.is_program(server) || self.network.rewrites(server) {
            return;
        }
        let kernel = self.network.kernel(server);
        match kernel.process() == Process::Running && kernel.syn() != SynAnswer::Refused {
            true => self.network.listen(server),
            false => self.network.stop_listening(server),
        }
    }

    fn backlog_changed(&mut self, server: u32) {
        self.network.backlog_changed(server);
    }

    fn found_down(stage: &mut Stage<Live>, balancer: u32, server: u32) {
        let group = stage.servers[balancer as usize].group;
        if stage.net.network.rewrites(balancer) && stage.plans[group].cuts_when_down() {
            stage.net.network.cut_flows(balancer, server);
        }
    }

    fn find_pending(_: &mut Stage<Live>, _: u32, pending: Infallible) {
        match pending {}
    }

    fn impair(&mut self, fault: u32, kind: fault::Kind, begins: bool) {
        match begins {
            true => self.network.impair(fault, kind),
            false => self.network.repair(fault),
        }
    }

    fn command(&mut self, fault: u32, server: u32, begins: bool) {
        let Some(command) = self.commands.get(&(fault, server)) else { return };
        let Some(start) = (if begins { Some(&command.begin) } else { command.heal.as_ref() }) else { return };
        match self.network.sockets.at_server(server, || Running::start(&command.name, start)) {
            Ok(running) => self.ran.add(running, &command.name),
            Err(error) => self.fail(error),
        }
    }

    fn reset(stage: &mut Stage<Live>, fault: u32, window: u32) {
        stage.net.network.reset(fault, window);
    }
}
