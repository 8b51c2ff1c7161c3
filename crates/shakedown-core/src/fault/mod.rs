//! The fault timeline: kind, target, time and duration of each fault.

mod target;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use target::{Between, SomeOf, Target};

use crate::machine::Ending;
use crate::quantity::{Bandwidth, Bytes, Loss};
use crate::rng::{Distribution, Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

/// A fault as a scenario defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What the scenario calls it.
    pub kind: Kind,
    /// Its targets.
    pub target: Target,
    /// Its first beginning.
    pub at: Nanos,
    /// Faults of links: only the direction from the first side to the other is affected.
    pub one_way: bool,
    /// Duration of each occurrence; absent: it never heals.
    pub duration: Option<Nanos>,
    /// Absent: it happens once.
    pub repeat: Option<Repeat>,
    /// The effect of each occurrence.
    pub course: Course,
    /// reload: what becomes of the connections of the old process.
    pub reload: Option<Box<Reload>>,
    /// What [`Kind::Command`] runs.
    pub commands: Option<Commands>,
}

/// The user's own programs that a fault of kind [`Kind::Command`] runs, with their arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// When it begins.
    pub begin: Vec<String>,
    /// When it heals, if anything.
    pub heal: Option<Vec<String>>,
}

impl Config {
    /// The final action on its targets.
    pub fn action(&self) -> Action {
        match self.course {
            Course::Action(action) | Course::End { action, .. } => action,
        }
    }
}

/// reload: how a process is replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Reload {
    /// How long the old process keeps each connection that it has.
    pub connections_until: Distribution,
    /// How it ends those that are left.
    pub ending: Ending,
}

/// The effect of each occurrence of a fault.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Course {
    /// One action, on all targets together.
    Action(Action),
    /// Processes are drained for a time, and ended.
    End {
        /// [`Action::Restart`] or [`Action::Stop`].
        action: Action,
        /// For how long they are drained; zero: not at all.
        drain: Nanos,
        /// The close frames' status code (RFC 6455 section 7.4).
        code: u16,
        /// A rolling restart's turns; absent: all processes at once.
        turns: Option<Turns>,
    },
}

/// The turns of a rolling restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turns {
    /// Servers in each turn, at least 1.
    pub at_a_time: u32,
    /// From one turn's start to the next turn's end.
    pub gap: Nanos,
}

/// An action on servers or links, with the keys of its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// [`Kind::Crash`].
    Crash,
    /// [`Kind::PowerOff`].
    PowerOff,
    /// [`Kind::Hang`].
    Hang,
    /// [`Kind::Pause`].
    Pause,
    /// [`Kind::Restart`].
    Restart,
    /// [`Kind::Stop`].
    Stop,
    /// [`Kind::Reload`]: [`Config::reload`] has its keys.
    Reload,
    /// [`Kind::Slow`].
    Slow {
        /// Factor of the time that work takes.
        factor: f64,
    },
    /// [`Kind::Backlog`].
    Backlog {
        /// Size of the accept queue.
        to: u32,
    },
    /// [`Kind::Drain`].
    Drain {
        /// The close frames' status code (RFC 6455 section 7.4).
        code: u16,
        /// The time over which they are sent.
        over: Nanos,
    },
    /// [`Kind::DnsOutage`].
    DnsOutage,
    /// [`Kind::Partition`].
    Partition,
    /// [`Kind::Lossy`].
    Lossy {
        /// The share of messages that are lost, in addition to the link's own loss.
        loss: Loss,
    },
    /// [`Kind::Latency`].
    Latency {
        /// Factor of the latency.
        factor: f64,
        /// Additional latency.
        add: Nanos,
    },
    /// [`Kind::Bandwidth`].
    Bandwidth {
        /// The bandwidth that all messages share, in each direction.
        bandwidth: Bandwidth,
        /// Size of the queue in front of it, in each direction.
        queue: Option<Bytes>,
    },
    /// [`Kind::Reset`].
    Reset {
        /// The share of connections that it ends.
        share: f64,
    },
    /// [`Kind::Command`].
    Command,
}

impl Action {
    /// Its kind.
    pub fn kind(self) -> Kind {
        match self {
            Action::Crash => Kind::Crash,
            Action::PowerOff => Kind::PowerOff,
            Action::Hang => Kind::Hang,
            Action::Pause => Kind::Pause,
            Action::Restart => Kind::Restart,
            Action::Stop => Kind::Stop,
            Action::Slow { .. } => Kind::Slow,
            Action::Reload => Kind::Reload,
            Action::Backlog { .. } => Kind::Backlog,
            Action::Drain { .. } => Kind::Drain,
            Action::DnsOutage => Kind::DnsOutage,
            Action::Partition => Kind::Partition,
            Action::Lossy { .. } => Kind::Lossy,
            Action::Latency { .. } => Kind::Latency,
            Action::Bandwidth { .. } => Kind::Bandwidth,
            Action::Reset { .. } => Kind::Reset,
            Action::Command => Kind::Command,
        }
    }
}

/// `{ every = "10s", times = 3 }`: the fault is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "FaultRepeat"))]
pub struct Repeat {
    /// From one beginning to the next.
    pub every: Nanos,
    /// Number of occurrences; absent: until the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "FaultKind"))]
pub enum Kind {
    /// The process is killed: its kernel ends idle connections with FIN, those with unread bytes with RST, and refuses
    /// new ones. It is restarted when the fault heals.
    Crash,
    /// The host becomes silent and loses all state. It boots when the fault heals.
    PowerOff,
    /// The process stops (`kill -STOP`): connects complete until the accept queue is full, and nothing is answered. It
    /// continues when the fault heals.
    Hang,
    /// Nothing arrives from one place at another. Kernels retransmit until the fault heals.
    Partition,
    /// Some of what is sent from one place to another is lost.
    Lossy,
    /// What is sent from one place to another takes longer.
    Latency,
    /// All traffic from one place to another shares a bandwidth.
    Bandwidth,
    /// A firewall or NAT between two places ends established connections: both ends get an RST.
    Reset,
    /// As a crash, but the process is restarted at once, or after `for`.
    Restart,
    /// As a hang: the process stops, for garbage collection or because its machine is migrated.
    Pause,
    /// Work takes `factor` times as long.
    Slow,
    /// The process refuses new connects, answers new requests with 503, and sends close frames to its open
    /// connections, spread over a time. It listens again when the fault heals.
    Drain,
    /// The accept queue holds `to` connections only.
    Backlog,
    /// The servers are restarted in turn: drained, ended, started again `for` later.
    RollingRestart,
    /// A repeated fault: `with` gives its kind, `repeat` its times.
    Flap,
    /// The process is ended on purpose, after a `drain` if given. It stays down, or starts again after `for`.
    Stop,
    /// The process is replaced: a new one accepts at once, and the old one keeps its connections until a deadline.
    Reload,
    /// The records of a DNS name are unavailable: resolvers use their cached answers until the TTL expires.
    DnsOutage,
    /// A program of the user's runs on each target's host, and another when the fault heals; only on real sockets.
    Command,
}

impl Kind {
    /// Whether connections survive the fault.
    pub fn revives(self) -> bool {
        matches!(self, Kind::Hang | Kind::Pause | Kind::Partition)
    }

    /// Whether the paths through an affected server fail at once.
    pub fn takes_down(self) -> bool {
        let is_quiet =
            matches!(self, Kind::Slow | Kind::Drain | Kind::Backlog | Kind::DnsOutage | Kind::Reload | Kind::Command);
        !is_quiet && !self.impairs()
    }

    /// Whether it affects links between places, and not servers.
    pub fn is_of_links(self) -> bool {
        self == Kind::Partition || self.impairs()
    }

    /// Whether it degrades links or connections, without cutting links.
    pub fn impairs(self) -> bool {
        matches!(self, Kind::Lossy | Kind::Latency | Kind::Bandwidth | Kind::Reset)
    }

    /// Whether the process is ended on purpose, so that it may be drained before.
    pub fn restarts(self) -> bool {
        matches!(self, Kind::Restart | Kind::RollingRestart | Kind::Stop)
    }

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::PowerOff => "power-off",
            Kind::Hang => "hang",
            Kind::Partition => "partition",
            Kind::Lossy => "lossy",
            Kind::Latency => "latency",
            Kind::Bandwidth => "bandwidth",
            Kind::Reset => "reset",
            Kind::Restart => "restart",
            Kind::Pause => "pause",
            Kind::Slow => "slow",
            Kind::Drain => "drain",
            Kind::Backlog => "backlog",
            Kind::RollingRestart => "rolling-restart",
            Kind::Flap => "flap",
            Kind::Stop => "stop",
            Kind::Reload => "reload",
            Kind::DnsOutage => "dns-outage",
            Kind::Command => "command",
        }
    }

    /// A stable number for digests.
    pub fn code(self) -> u8 {
        match self {
            Kind::Crash => 1,
            Kind::PowerOff => 2,
            Kind::Hang => 3,
            Kind::Partition => 30,
            Kind::Lossy => 31,
            Kind::Latency => 32,
            Kind::Bandwidth => 33,
            Kind::Reset => 36,
            Kind::Restart => 4,
            Kind::Pause => 5,
            Kind::Slow => 6,
            Kind::Drain => 7,
            Kind::Backlog => 8,
            Kind::RollingRestart => 9,
            Kind::Flap => 34,
            Kind::Stop => 35,
            Kind::Reload => 37,
            Kind::DnsOutage => 60,
            Kind::Command => 70,
        }
    }
}

/// A fault with resolved targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its name in the scenario.
    pub name: String,
    /// Its definition.
    pub config: Config,
    /// Its actions in order of time.
    pub windows: Vec<FaultWindow>,
    /// Faults of links: the affected pairs, in rising order of server and side.
    pub cuts: Vec<Cut>,
}

/// One action of a fault on some servers at the same time. A rolling restart is many drains and restarts.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultWindow {
    /// Kind of fault.
    pub action: Action,
    /// When it begins.
    pub begins: Timestamp,
    /// When it heals, if it does.
    pub heals: Option<Timestamp>,
    /// The affected servers or DNS names, by number in the directory, in rising order.
    pub servers: Vec<u32>,
}

/// The opener of connections to a server: a client group, or another server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A client group, by its number.
    Clients(u16),
    /// A server, by its number.
    Server(u32),
}

impl Side {
    /// As events write it: client groups first, servers from 65,536 on.
    pub fn code(self) -> u32 {
        match self {
            Side::Clients(group) => u32::from(group),
            Side::Server(server) => server + (1 << 16),
        }
    }
}

/// A pair of an opener of connections and a server that a fault of links affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The opener.
    pub side: Side,
    /// The server's number.
    pub server: u32,
    /// Whether it affects what that side sends.
    pub to_server: bool,
    /// Whether it affects what the server sends.
    pub to_client: bool,
    /// Whether the direction to the server is the fault's `back`: its target is written from the server's side.
    pub reversed: bool,
}

impl Cut {
    /// Whether it affects the direction to the server, or to the client.
    pub fn affects(&self, to_server: bool) -> bool {
        if to_server { self.to_server } else { self.to_client }
    }

    /// Whether the direction to the server, or to the client, is the fault's `forward`.
    pub fn is_forward(&self, to_server: bool) -> bool {
        to_server != self.reversed
    }

    /// The share of `loss` in the direction to the server, or to the client.
    fn loss(&self, loss: Loss, to_server: bool) -> f64 {
        match (self.affects(to_server), self.is_forward(to_server)) {
            (false, _) => 0.0,
            (true, true) => loss.forward.0,
            (true, false) => loss.back.0,
        }
    }
}

impl Fault {
    /// Resolves the fault's targets: `members` are the servers that its target names, of which it selects some.
    pub fn new(seed: Seed, name: &str, config: Config, mut members: Vec<u32>, cuts: Vec<Cut>) -> Fault {
        if let Target::Some(some) = &config.target {
            let all = members.len() as u32;
            let wanted = match (some.count, some.share) {
                (Some(count), _) => count,
                (None, Some(share)) => (share.0 * f64::from(all)).ceil() as u32,
                (None, None) => 1,
            };
            // The members with the smallest draws: adding a member to the group moves no other's draw.
            let identity = Identity::group(name);
            let draw = |server: &u32| seed.draw(identity, Purpose::Target, u64::from(*server)).0;
            members.sort_by_key(|server| (draw(server), *server));
            members.truncate(wanted as usize);
            members.sort_unstable();
        }
        let repeat = config.repeat.unwrap_or(Repeat { every: Nanos::ZERO, times: None });
        let mut windows = Vec::new();
        for number in 0..u64::from(repeat.times.unwrap_or(1)) {
            let begins = Timestamp::ZERO + config.at + Nanos(repeat.every.0.saturating_mul(number));
            match config.course {
                Course::Action(action) => {
                    // A reset is over at once, and so are a reload (the new process is there) and what only begins.
                    let at_once = matches!(action, Action::Reset { .. } | Action::Reload | Action::Command);
                    let at_once = at_once.then_some(Nanos::ZERO);
                    let heals = config.duration.or(at_once).map(|length| begins + length);
                    windows.push(FaultWindow { action, begins, heals, servers: members.clone() });
                }
                Course::End { action, drain, code, turns } => {
                    let at_once = matches!(action, Action::Restart | Action::Reload).then_some(Nanos::ZERO);
                    let down = config.duration.or(at_once);
                    let together = turns.map_or(members.len(), |turns| turns.at_a_time as usize).max(1);
                    let mut turn = begins;
                    for servers in members.chunks(together) {
                        let ends = turn + drain;
                        let starts = down.map(|down| ends + down);
                        let window =
                            |action, begins, heals| FaultWindow { action, begins, heals, servers: servers.to_vec() };
                        if drain > Nanos::ZERO {
                            windows.push(window(Action::Drain { code, over: drain }, turn, Some(ends)));
                        }
                        windows.push(window(action, ends, starts));
                        turn = starts.unwrap_or(ends) + turns.map_or(Nanos::ZERO, |turns| turns.gap);
                    }
                }
            }
        }
        Fault { name: name.to_string(), config, windows, cuts }
    }

    /// The kind of its first action, if any.
    pub fn kind(&self) -> Option<Kind> {
        self.windows.first().map(|window| window.action.kind())
    }

    /// The pair of a side and a server, if the fault affects it.
    pub fn between(&self, side: Side, server: u32) -> Option<&Cut> {
        let found = self.cuts.binary_search_by_key(&(server, side), |cut| (cut.server, cut.side));
        found.ok().map(|found| &self.cuts[found])
    }

    /// Its action at a time, from a window's beginning until just before it heals.
    pub fn action_at(&self, at: Timestamp) -> Option<Action> {
        let begun = self.windows.partition_point(|window| window.begins <= at);
        let window = self.windows.get(begun.checked_sub(1)?)?;
        window.heals.is_none_or(|heals| at < heals).then_some(window.action)
    }

    /// Whether one of its windows is active at a time.
    pub fn lasts_at(&self, at: Timestamp) -> bool {
        self.action_at(at).is_some()
    }

    /// reset: whether one of its windows ends a connection between a side and a server.
    pub fn resets(&self, seed: Seed, window: u32, side: Side, server: u32, connection: Identity) -> bool {
        let Action::Reset { share } = self.windows[window as usize].action else { return false };
        // Another fault uses other draws.
        let actor = Identity(connection.0 ^ Identity::group(&self.name).0);
        let chance = || seed.draw(actor, Purpose::Reset, u64::from(window)).unit();
        self.between(side, server).is_some() && (share >= 1.0 || chance() < share)
    }

    /// lossy: the share of messages between a side and a server that are lost if they are sent at this moment.
    pub fn loss_at(&self, side: Side, server: u32, to_server: bool, at: Timestamp) -> f64 {
        let Some(cut) = self.between(side, server) else { return 0.0 };
        match self.action_at(at) {
            Some(Action::Lossy { loss }) => cut.loss(loss, to_server),
            _ => 0.0,
        }
    }

    /// latency: the additional latency of a message that is sent at this time, on a path with latency `one_way`.
    pub fn delay_at(&self, side: Side, server: u32, to_server: bool, at: Timestamp, one_way: Nanos) -> Nanos {
        if !self.between(side, server).is_some_and(|cut| cut.affects(to_server)) {
            return Nanos::ZERO;
        }
        match self.action_at(at) {
            Some(Action::Latency { factor, add }) => {
                let longer = Nanos::from_f64(one_way.0 as f64 * (factor - 1.0));
                Nanos(add.0.saturating_add(longer.0))
            }
            _ => Nanos::ZERO,
        }
    }
}

/// Events of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A fault begins on a server.
    Began {
        /// The server's number, or the DNS name's in the directory.
        server: u32,
        /// The kind of fault.
        kind: Kind,
    },
    /// A fault on a server has healed.
    Healed {
        /// The server's number, or the DNS name's in the directory.
        server: u32,
        /// The kind of fault.
        kind: Kind,
    },
    /// A partition begins between a side and a server.
    Parted(Cut),
    /// A partition has healed.
    Joined(Cut),
    /// A link between a side and a server is degraded.
    Impaired(Kind, Cut),
    /// A degraded link has recovered.
    Cleared(Kind, Cut),
    /// A `reset` fault has ended a connection: this session's path is dead from here on.
    Reset {
        /// The session's number.
        session: u32,
    },
    /// A draining server has sent a close frame, or an old process has ended the connection: this session's path is dead
    /// from here on.
    Drained {
        /// The session's number.
        session: u32,
    },
}
