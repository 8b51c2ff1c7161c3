//! What is kept for each machine.

use std::collections::{BTreeMap, VecDeque};

use crate::client::{self, Group, Session};
use crate::load::Arrivals;
use crate::rng::Identity;
use crate::scenario::{Scenario, ServerEntry};
use crate::server::{Pauses, Plan, Server, Supervisor};
use crate::time::{Nanos, Timestamp};

/// A session with what its driver keeps for it: in the simulator, one line of a processor's cache.
#[derive(Debug)]
#[repr(align(64))]
pub struct SessionSlot<W, C> {
    /// The session.
    pub machine: Session,
    /// Its one pending wake-up.
    pub wake: W,
    /// Its connections.
    pub connections: C,
}

/// A client group with what its driver keeps for it.
#[derive(Debug)]
pub struct GroupSlot {
    /// The group.
    pub plan: Group,
    pub(super) arrivals: Arrivals,
    /// Client processes, where sessions share them.
    pub(super) hosts: Vec<client::Host>,
    /// What each session has looked up and what was demanded of it, where none share a process and there are such things.
    pub(super) names: Vec<client::Names>,
    pub(super) next_index: u32,
}

impl GroupSlot {
    pub(super) fn new(scenario: &Scenario, plan: Group, (name, config): (&str, &client::Config)) -> GroupSlot {
        let start = Timestamp::ZERO + config.start;
        GroupSlot {
            plan,
            arrivals: Arrivals::new(scenario.seed(), name, start, config.count, &config.arrive),
            hosts: (0..config.hosts.unwrap_or(0)).map(|_| client::Host::default()).collect(),
            names: Vec::new(),
            next_index: 0,
        }
    }
}

/// A client group's hosts, as the network sees them.
#[derive(Debug)]
pub struct ClientHosts {
    /// What its sessions' draws are keyed by.
    sessions: Identity,
    /// Hosts that sessions share, and what theirs are; without any, each session has its own.
    count: u32,
    hosts: Identity,
    /// The first public address that the hosts share, and how many there are; `None`: one each.
    nat: Option<(Identity, u64)>,
}

impl ClientHosts {
    /// Those of every client group of a scenario.
    pub fn of(scenario: &Scenario) -> Vec<ClientHosts> {
        let hosts = |(name, config): (&String, &client::Config)| ClientHosts {
            sessions: Identity::group(name),
            count: config.hosts.unwrap_or(0),
            hosts: Identity::group(&format!("{name}/host")),
            nat: config.nat.map(|addresses| (Identity::group(&format!("{name}/nat")), u64::from(addresses))),
        };
        scenario.clients().iter().map(hosts).collect()
    }

    /// What a session's draws are keyed by.
    pub fn identity(&self, index: u32) -> Identity {
        self.sessions.nth(u64::from(index))
    }

    /// The host that a session runs on.
    pub fn host_of(&self, index: u32) -> Identity {
        match self.count {
            0 => self.identity(index),
            count => self.hosts.nth(u64::from(index % count)),
        }
    }

    /// The address that servers see a session come from. Hosts are spread over shared ones in turn, as sessions are over
    /// hosts.
    pub(crate) fn address_of(&self, index: u32) -> Identity {
        let Some((first, addresses)) = self.nat else { return self.host_of(index) };
        first.nth(u64::from(self.host_number(index)) % addresses)
    }

    /// The place of a session's host among those of the group.
    pub fn host_number(&self, index: u32) -> u32 {
        if self.count == 0 { index } else { index % self.count }
    }
}

/// What a process that does not run finds when it goes on.
#[derive(Debug, Clone, Copy)]
pub enum PendingInput<P> {
    /// Something of a connection.
    Network(P),
    /// It is to wake up.
    Wake,
    /// It is asked to drain.
    Drain {
        /// What its close frames say.
        code: u16,
        /// How long that takes.
        over: Nanos,
    },
    /// A probe asks it.
    Probe {
        /// Its number.
        number: u32,
    },
    /// The drain is over.
    Resume,
    /// It is replaced, because of this fault.
    Reload {
        /// The fault's index.
        fault: u16,
    },
    /// It was started, and has something to do.
    Start,
}

/// A server with what its driver keeps for it.
#[derive(Debug)]
pub struct ServerSlot<W, C, P> {
    /// The server.
    pub machine: Server,
    /// The index of its group.
    pub group: usize,
    /// Its one pending wake-up.
    pub wake: W,
    /// Numbers for its connections that may be used again.
    pub(crate) free: Vec<u32>,
    /// Its connections, by its own numbers for them.
    pub accepted: Vec<C>,
    /// The connections that it opened itself, by its own numbers for them.
    pub opened: BTreeMap<u32, C>,
    /// What has come while its process does not run, in order.
    pub(crate) pending: Vec<PendingInput<P>>,
    /// What has come for connections that it does not accept yet, in order.
    pub(crate) unaccepted: VecDeque<P>,
    /// It accepts some of them now.
    pub(crate) accepting: bool,
    /// The fault that drains it; none where it leaves.
    pub(super) drained_by: Option<u16>,
    pub(super) pauses: Option<Box<Pausing>>,
    /// What probes its processes and starts them again, if anything does.
    pub(super) supervisor: Option<Box<Supervisor>>,
}

impl<W, C, P> ServerSlot<W, C, P> {
    pub(crate) fn new(plan: &Plan, group: usize, wake: W) -> ServerSlot<W, C, P> {
        ServerSlot {
            machine: Server::new(plan, Timestamp::ZERO),
            group,
            wake,
            free: Vec::new(),
            accepted: Vec::new(),
            opened: BTreeMap::new(),
            pending: Vec::new(),
            unaccepted: VecDeque::new(),
            accepting: false,
            drained_by: None,
            pauses: None,
            supervisor: None,
        }
    }

    /// A server of a scenario.
    pub(super) fn of(scenario: &Scenario, entry: &ServerEntry, plan: &Plan, wake: W) -> ServerSlot<W, C, P> {
        let pauses = scenario.groups()[entry.group].pauses().map(|pauses| {
            let (group, _) = scenario.groups().get_index(entry.group).expect("every server has a group");
            let (member, group) = (Identity::group(&entry.name), Identity::group(group));
            Box::new(Pausing::new(Pauses::new(scenario.seed(), pauses, member, group)))
        });
        let supervision = scenario.groups()[entry.group].supervision();
        let supervisor = supervision.map(|config| Box::new(Supervisor::new(config)));
        ServerSlot { pauses, supervisor, ..ServerSlot::new(plan, entry.group, wake) }
    }
}

/// A server's pauses, as far as they have come.
#[derive(Debug)]
pub(super) struct Pausing {
    pub pauses: Pauses,
    /// When the one that lasts ends, or else the next.
    pub ends: Timestamp,
    /// Whether one lasts. One during which no process ran does not stop the next process.
    pub lasts: bool,
    pub stops_process: bool,
}

impl Pausing {
    fn new(pauses: Pauses) -> Pausing {
        Pausing { pauses, ends: Timestamp::ZERO, lasts: false, stops_process: false }
    }
}
