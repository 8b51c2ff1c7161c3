//! What the engine keeps for each machine.

use std::collections::BTreeMap;

use shakedown_core::client::{self, Group, Session};
use shakedown_core::load::Arrivals;
use shakedown_core::network::Host;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::{Scenario, ServerEntry};
use shakedown_core::server::{Pauses, Server};
use shakedown_core::time::{Nanos, Timestamp};

use super::network::ConnectionKey;

/// A session with what the driver keeps for it.
pub(super) struct SessionSlot {
    pub machine: Session,
    /// When its one wake-up is due.
    pub wake: Timestamp,
    /// Its connections that it has not closed, by its numbers for them: hardly ever more than one.
    pub connections: Vec<(u32, ConnectionKey)>,
}

/// A client group with what the driver keeps for it.
pub(super) struct GroupSlot {
    pub plan: Group,
    pub arrivals: Arrivals,
    /// Client processes, where sessions share them.
    pub hosts: Vec<client::Host>,
    /// What was demanded of each session, where none share a process.
    pub names: Vec<client::Names>,
    host_identity: Identity,
    pub next_index: u32,
}

impl GroupSlot {
    pub(crate) fn new(plan: Group, name: &str, config: &client::Config, arrivals: Arrivals) -> GroupSlot {
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
    pub(crate) fn host_of(&self, index: u32) -> Identity {
        match self.hosts.len() {
            0 => self.plan.identity(index),
            _ => self.host_identity.nth(self.host_number(index).into()),
        }
    }

    /// Its number among the group's.
    pub(crate) fn host_number(&self, index: u32) -> u32 {
        match self.hosts.len() {
            0 => index,
            count => index % count as u32,
        }
    }
}

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
    /// When its one wake-up is due, and whether it came while the process hung.
    pub wake: Timestamp,
    pub missed_wake: bool,
    pub asks: Vec<Ask>,
    /// Its connections, by its numbers for them, and numbers that may be used again.
    pub accepted: Vec<ConnectionKey>,
    pub free: Vec<u32>,
    /// The connections that it opened itself, by its numbers for them.
    pub opened: BTreeMap<u32, ConnectionKey>,
    pub drained_by: Option<u16>,
    pub pauses: Option<Pauses>,
    /// When the pause that lasts ends, and whether it stopped the process.
    pub pause_ends: Option<Timestamp>,
    pub stopped_by_pause: bool,
}

impl ServerSlot {
    pub(crate) fn new(scenario: &Scenario, entry: &ServerEntry) -> ServerSlot {
        let config = &scenario.groups()[entry.group];
        ServerSlot {
            machine: Server::default(),
            host: Host::new(config.backlog, config.backlog_overflow),
            group: entry.group,
            identity: Identity::group(&entry.name),
            wake: Timestamp::NEVER,
            missed_wake: false,
            asks: Vec::new(),
            accepted: Vec::new(),
            free: Vec::new(),
            opened: BTreeMap::new(),
            drained_by: None,
            pauses: config.pauses().map(|pauses| {
                let group = scenario.groups().get_index(entry.group).map_or("", |(name, _)| name);
                let (member, group) = (Identity::group(&entry.name), Identity::group(group));
                Pauses::new(scenario.seed(), pauses, member, group)
            }),
            pause_ends: None,
            stopped_by_pause: false,
        }
    }

    /// A process is there anew, or is gone.
    pub(crate) fn replace(&mut self, machine: Server) {
        self.machine = machine;
        self.wake = Timestamp::NEVER;
        self.missed_wake = false;
        self.stopped_by_pause = false;
        self.asks.clear();
        self.accepted.clear();
        self.free.clear();
        self.opened.clear();
    }
}
