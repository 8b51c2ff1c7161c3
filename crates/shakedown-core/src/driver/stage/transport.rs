//! What the stage needs of whatever carries connections, and what it has itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Debug;
use std::ops::Range;

use super::cast::{self, Change};
use super::due::Due;
use super::slots::{GroupSlot, PendingInput, ServerSlot, SessionSlot};
use crate::client;
use crate::event::Kind;
use crate::fault::{self, Fault};
use crate::http::Directory;
use crate::machine::{CloseMode, ConnectionId, EndpointId, Input};
use crate::network::{Direction, Host};
use crate::rng::{Identity, Seed};
use crate::scenario::{Scenario, ServerEntry};
use crate::server::{self, Membership, Plan};
use crate::time::Timestamp;

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A session, by its number in the run.
    Session(u32),
    /// A server that calls another.
    Server(u32),
}

/// A clock, what is due, and connections: what the simulated network and real sockets each do in their own way.
///
/// What only needs the transport is a method of it. What may come back to the machines is given the whole stage.
pub trait Transport: Sized {
    /// Its name of a connection.
    type Connection: Copy + Debug;
    /// What it keeps with a session, to find its connections.
    type Connections: Debug;
    /// What it keeps with a machine, for its one pending wake-up.
    type Wake: Copy + Debug;
    /// What it has for a server's process that does not run.
    type Pending: Copy + Debug;
    /// Of a session that has no connections yet.
    const NO_CONNECTIONS: Self::Connections;
    /// Of a machine that waits for nothing.
    const NO_WAKE: Self::Wake;

    /// The time.
    fn now(&self) -> Timestamp;
    /// Something happened now.
    fn record(&mut self, kind: Kind);
    /// Has [`Stage::run`] called with this when it is due.
    fn schedule(&mut self, at: Timestamp, due: Due);
    /// Has [`Stage::wake_session`] called at a moment, instead of when it would have been called.
    fn wake_session(&mut self, wake: &mut Self::Wake, session: u32, at: Timestamp);
    /// Has [`Stage::wake_server`] called at a moment, instead of when it would have been called.
    fn wake_server(&mut self, wake: &mut Self::Wake, server: u32, at: Timestamp);
    /// Every fault, by its index.
    fn faults(&self) -> &[Fault];

    /// The next session is there, as scheduled. False where its part is not the stage's to play.
    fn arrives(stage: &mut Stage<Self>, session: u32, scheduled: Timestamp) -> bool;
    /// Whether sessions look up names.
    fn resolves_names(&self) -> bool {
        false
    }
    /// A session asks its resolver.
    fn resolve(_stage: &mut Stage<Self>, _session: u32, _c: ConnectionId, _name: EndpointId) {}
    /// A session connects.
    fn open(stage: &mut Stage<Self>, session: u32, c: ConnectionId, endpoint: EndpointId);
    /// A session's connection by the session's number for it, unless its end is closed.
    fn find(&self, connections: &Self::Connections, c: ConnectionId) -> Option<Self::Connection>;
    /// A session closes its end.
    fn close_session(stage: &mut Stage<Self>, session: u32, c: ConnectionId, how: CloseMode);

    /// A server connects to another; where that is its way on for a connection that it accepted, from there.
    fn call(
        stage: &mut Stage<Self>,
        server: u32,
        c: ConnectionId,
        to: EndpointId,
        made_for: Option<Self::Connection>,
    ) -> Self::Connection;
    /// A server closes a connection that it opened.
    fn hang_up(stage: &mut Stage<Self>, server: u32, c: ConnectionId, connection: Self::Connection, how: CloseMode);
    /// A server has a number for a connection to it from now on.
    fn number(&mut self, connection: Self::Connection, c: ConnectionId);
    /// Where a connection comes from, as its server sees it.
    fn address(&self, connection: Self::Connection) -> Identity;
    /// A server closes a connection that it accepted.
    fn close_accepted(stage: &mut Stage<Self>, connection: Self::Connection, how: CloseMode);

    /// Sends a part of `bytes`, which it may keep.
    fn send(&mut self, connection: Self::Connection, way: Direction, bytes: &mut Vec<u8>, part: Range<usize>);
    /// Whoever opened a connection begins TLS.
    fn start_tls(stage: &mut Stage<Self>, connection: Self::Connection, endpoint: EndpointId);
    /// A server's process answers a TLS handshake's beginning.
    fn answer_hello(stage: &mut Stage<Self>, connection: Self::Connection);
    /// Who opened a connection, and its number for it.
    fn opener(&self, connection: Self::Connection) -> Option<(Peer, ConnectionId)>;
    /// Whether the end that opened a connection is not closed.
    fn is_open(&self, connection: Self::Connection) -> bool;
    /// Who opened a connection, as network events write it; nobody that the scenario knows of a stranger's.
    fn code(&self, connection: Self::Connection) -> Option<u32>;

    /// The kernel of a server's host.
    fn kernel(&self, server: u32) -> &Host;
    /// See [`Transport::kernel`].
    fn kernel_mut(&mut self, server: u32) -> &mut Host;
    /// Whether a user's program is in the place of a server.
    fn is_program(&self, server: u32) -> bool;
    /// It would hear something.
    fn program_input(_stage: &mut Stage<Self>, _server: u32, _input: Input<'_>) {}
    /// It is gone, as its kernel has been told.
    fn program_lost(stage: &mut Stage<Self>, server: u32, kernel_lives: bool);
    /// A server's process is gone, as its kernel has been told: so are the connections that it opened, and what it would
    /// have found.
    fn process_lost(
        stage: &mut Stage<Self>,
        server: u32,
        kernel_lives: bool,
        opened: BTreeMap<u32, Self::Connection>,
        pending: Vec<PendingInput<Self::Pending>>,
    );
    /// A process or a program was started, as its kernel has been told.
    fn process_started(&mut self, server: u32);
    /// A process was replaced by another that accepts in its place.
    fn process_replaced(&mut self, _server: u32) {}
    /// It was stopped.
    fn process_hung(&mut self, server: u32);
    /// It goes on, after what was pending.
    fn process_goes_on(&mut self, server: u32);
    /// It listens, or does not, as its kernel has been told.
    fn listens(&mut self, _server: u32) {}

    /// A server's accept queue has another size from now on.
    fn backlog_changed(&mut self, _server: u32) {}
    /// A process that goes on finds something.
    fn find_pending(stage: &mut Stage<Self>, server: u32, pending: Self::Pending);
    /// A process accepts a connection that has waited for that, and finds what has come for it.
    fn accept_waiting(_stage: &mut Stage<Self>, _server: u32, _pending: Self::Pending) {}
    /// No process of this server stops by itself before a moment.
    fn quiet_until(&mut self, _server: u32, _at: Timestamp) {}
    /// A balancer has found a server down.
    fn found_down(_stage: &mut Stage<Self>, _balancer: u32, _server: u32) {}

    /// A fault of links begins, or is over.
    fn impair(&mut self, fault: u32, kind: fault::Kind, begins: bool);
    /// Something between places ends connections that are up.
    fn reset(stage: &mut Stage<Self>, fault: u32, window: u32);
    /// The servers of a name fail, or answer again.
    fn names_fail(&mut self, _name: u32, _fail: bool) {}
    /// A fault begins or heals on a server by what the user's own command does.
    fn command(&mut self, _fault: u32, _server: u32, _begins: bool) {}
}

/// The machines of a run, over a transport.
#[derive(Debug)]
pub struct Stage<T: Transport> {
    /// What carries their connections.
    pub net: T,
    pub(crate) seed: Seed,
    /// Who can be dialled, under which authority.
    pub directory: Directory,
    /// Client groups.
    pub groups: Vec<GroupSlot>,
    /// When the next session of each client group arrives.
    pub(super) arrivals: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// Sessions, in the order in which they arrived.
    pub sessions: Vec<SessionSlot<T::Wake, T::Connections>>,
    /// Server groups, ready to run.
    pub plans: Vec<Plan>,
    /// Servers.
    pub servers: Vec<ServerSlot<T::Wake, T::Connection, T::Pending>>,
    /// Of each server group, as configured.
    pub(super) backlogs: Vec<u32>,
    pub(super) memberships: Vec<Membership>,
    /// The buffers that machines write to, away while one does. Boxed, as they come and go with every input.
    pub(super) client_outputs: Option<Box<client::Outputs>>,
    pub(super) server_outputs: Option<Box<server::Outputs>>,
    pub(super) reports: Vec<Option<u32>>,
    /// Whether it is recorded whose connection each is that a server accepts.
    pub(super) pairs: bool,
}

impl<T: Transport> Stage<T> {
    /// The machines of a scenario, at its beginning; which of them are played is up to the transport.
    pub fn over(net: T, scenario: &Scenario, directory: Directory) -> Stage<T> {
        let groups = scenario.clients().iter().zip(cast::groups(scenario));
        let groups = groups.map(|((name, config), plan)| GroupSlot::new(scenario, plan, (name, config)));
        let plans: Vec<Plan> = scenario.groups().values().map(Plan::new).collect();
        let server = |entry: &ServerEntry| ServerSlot::of(scenario, entry, &plans[entry.group], T::NO_WAKE);
        Stage {
            net,
            seed: scenario.seed(),
            directory,
            groups: groups.collect(),
            arrivals: BinaryHeap::new(),
            sessions: Vec::new(),
            servers: scenario.servers().iter().map(server).collect(),
            plans,
            backlogs: scenario.groups().values().map(|group| group.backlog).collect(),
            memberships: scenario.groups().values().map(|group| group.membership).collect(),
            client_outputs: None,
            server_outputs: None,
            reports: Vec::with_capacity(scenario.servers().len()),
            pairs: scenario.measure().half_open,
        }
    }

    /// Schedules what the scenario fixes beforehand. Faults come first: at the same moment, a fault strikes before anything
    /// else happens.
    pub fn begin(&mut self) {
        for Change { at, fault, window, begins } in cast::changes(self.net.faults()) {
            let due = match begins {
                true => Due::FaultBegins { fault, window },
                false => Due::FaultHeals { fault, window },
            };
            self.net.schedule(at, due);
        }
        let servers = 0..self.servers.len() as u32;
        for server in servers.clone() {
            self.schedule_membership(server);
            self.net.listens(server);
        }
        for (server, slot) in (0..).zip(&self.servers) {
            let plan = &self.plans[slot.group];
            if plan.starts() {
                self.net.schedule(Timestamp::ZERO, Due::Start { server });
            }
            if let Some(every) = plan.report_every() {
                self.net.schedule(Timestamp::ZERO + every, Due::Report { server });
            }
        }
        for server in servers {
            self.next_pause(server);
            if self.plans[self.servers[server as usize].group].waits_to_accept() {
                self.net.kernel_mut(server).accepts_one_by_one();
                self.quiet_until(server, Timestamp::ZERO);
            }
            let absent = self.memberships[self.servers[server as usize].group].joins_at.is_some();
            if self.servers[server as usize].supervisor.is_some() && !absent {
                self.quiet_until(server, Timestamp::ZERO);
                self.begin_probes(server);
            }
        }
        let first = (0..).zip(&mut self.groups).filter_map(|(number, group)| group.arrivals.next().zip(Some(number)));
        self.arrivals = first.map(Reverse).collect();
    }

    /// Does what is due now.
    pub fn run(&mut self, due: Due) {
        match due {
            Due::FaultBegins { fault, window } => self.fault_begins(fault, window),
            Due::FaultHeals { fault, window } => self.fault_heals(fault, window),
            Due::Member { server, step } => self.member(server, step),
            Due::Start { server } => self.start(server),
            Due::Report { server } => self.report(server),
            Due::Pause { server } => self.pause(server),
            Due::Probe { server, probe, generation } => self.probe(server, probe, generation),
            Due::ProbeEnds { server, number } => self.probe_ends(server, number, false),
            Due::Kill { server, reason, generation } => self.kill(server, reason, generation),
            Due::StartAgain { server, generation } => self.start_again(server, generation),
            Due::Restart { session } => self.session_input(session, Input::Start),
        }
    }
}
