//! The fault timeline: what breaks, where, when, and for how long.

mod chaos;

pub use chaos::{Chaos, DRAWN};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

use crate::quantity::{Bandwidth, Bytes, Loss, Share};
use crate::rng::{Identity, Purpose, Seed};
use crate::shape::shaped;
use crate::time::{Nanos, Timestamp};

/// `[faults.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Fault"))]
pub struct Config {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub target: Target,
    /// When.
    pub at: Nanos,
    /// Faults of links: only what goes from `from` to `to` is struck.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// For how long; absent: it never heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
    /// slow: how many times as long work takes; latency: how many times as long the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// lossy: the share of messages that are lost, beside those that the link itself loses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// latency: what each way takes longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Nanos>,
    /// bandwidth: what everything that goes over the links shares, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// bandwidth: the most that waits for it, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Bytes>,
    /// reset: the share of connections that it strikes (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// backlog: what it shrinks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// What drains (1012 unless given where it starts again, else 1001): the close frames' status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// drain: the time over which close frames are sent (10 s unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Nanos>,
    /// rolling-restart: servers restarted together (1 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_a_time: Option<u32>,
    /// rolling-restart: the time from one start to the next server's turn (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Nanos>,
    /// restart, stop and rolling-restart: how long a server is drained before its process is ended (not at all unless
    /// given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Nanos>,
    /// flap: what happens to the target again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Kind>,
    /// Absent: it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

/// `{ every = "10s", times = 3 }`: the fault happens again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "FaultRepeat"))]
pub struct Repeat {
    /// From one beginning to the next.
    pub every: Nanos,
    /// How often it happens in all; absent: until the run ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Config {
    /// A fault that never heals, with none of the keys that only some kinds have.
    pub fn new(kind: Kind, target: Target, at: Nanos) -> Config {
        Config {
            kind,
            target,
            at,
            one_way: false,
            duration: None,
            factor: None,
            loss: None,
            add: None,
            bandwidth: None,
            queue: None,
            share: None,
            to: None,
            code: None,
            over: None,
            at_a_time: None,
            gap: None,
            drain: None,
            with: None,
            repeat: None,
        }
    }

    /// What happens to the target: of a flap, what it flaps with.
    pub fn effective_kind(&self) -> Kind {
        match self.kind {
            Kind::Flap => self.with.unwrap_or(Kind::Crash),
            kind => kind,
        }
    }

    /// Makes visible how often it happens in a run of this length.
    pub fn fill_in(&mut self, run: Nanos) {
        if let Some(Repeat { every, times }) = &mut self.repeat
            && every.0 > 0
        {
            let fit = run.0.saturating_sub(self.at.0).div_ceil(every.0);
            times.get_or_insert(u32::try_from(fit).unwrap_or(u32::MAX).max(1));
        }
    }
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "FaultKind"))]
pub enum Kind {
    /// The process is killed: its kernel ends idle connections with FIN, those with unread bytes with RST, and refuses
    /// new ones. It is started anew when the fault heals.
    Crash,
    /// The host goes silent and forgets everything. It boots when the fault heals.
    PowerOff,
    /// The process stops (`kill -STOP`): connects complete until the accept queue is full, nothing is answered. It goes
    /// on where it was when the fault heals.
    Hang,
    /// Nothing gets from one place to another. Kernels repeat what they sent until the fault heals.
    Partition,
    /// Some of what is sent from one place to another is lost.
    Lossy,
    /// What is sent from one place to another takes longer.
    Latency,
    /// All that is sent from one place to another shares a bandwidth.
    Bandwidth,
    /// What is between two places (a firewall, a NAT) ends connections that are up: both ends are sent an RST.
    Reset,
    /// As a crash, but the process is started anew at once, or after `for`.
    Restart,
    /// As a hang: the process stops the world, to collect garbage or because its machine is moved.
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
    /// An outage that comes and goes: `with` says of which kind, `repeat` how often.
    Flap,
    /// The process is ended on purpose, drained before that if `drain` says so. It stays down unless `for` says how long.
    Stop,
    /// A DNS name's table answers nobody: resolvers have what they heard, until its time to live is over.
    DnsOutage,
}

impl Kind {
    /// Whether connections live on when the fault heals.
    pub fn revives(self) -> bool {
        matches!(self, Kind::Hang | Kind::Pause | Kind::Partition)
    }

    /// Whether the paths through a struck server are dead at once.
    pub fn takes_down(self) -> bool {
        !matches!(self, Kind::Slow | Kind::Drain | Kind::Backlog | Kind::DnsOutage) && !self.impairs()
    }

    /// Whether it lies between places, rather than on servers.
    pub fn is_of_links(self) -> bool {
        self == Kind::Partition || self.impairs()
    }

    /// Whether it makes links worse, or what goes over them, without cutting them.
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
            Kind::DnsOutage => "dns-outage",
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
            Kind::DnsOutage => 60,
        }
    }
}

/// Whom a fault strikes: a server, a group, or some of a group; a fault of links: places.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `"gateway-0"`, `"gateway"`, or a zone: all its servers. Of a fault of links also a client group: all that goes to
    /// and from the place.
    Name(String),
    /// The two sides of a fault of links.
    Between(Between),
    /// Members of a group, drawn at random.
    Some(SomeOf),
}

/// `{ from = "eu", to = "gateway" }`: zones, client groups, server groups or servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Between {
    /// One side.
    pub from: String,
    /// The other.
    pub to: String,
}

/// The tables that a target may be.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
struct Table {
    group: Option<String>,
    share: Option<Share>,
    count: Option<u32>,
    from: Option<String>,
    to: Option<String>,
}

/// `{ group = "gateway", share = "30%" }` or `{ group = "gateway", count = 2 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct SomeOf {
    /// The server group.
    pub group: String,
    /// This part of its members, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// This many of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

shaped!(Target, "Target", |generator| shape::any([
    generator.subschema_for::<String>(),
    generator.subschema_for::<Between>(),
    generator.subschema_for::<SomeOf>()
]));

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Name(name) => serializer.serialize_str(name),
            Target::Between(between) => between.serialize(serializer),
            Target::Some(some) => some.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a name, { group = \"gateway\", count = 1 }, or of a fault of links { from = \"eu\", to = \"gateway\" }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Ok(Target::Name(text.to_string()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match table {
                    Table { group: None, share: None, count: None, from: Some(from), to: Some(to) } => {
                        Ok(Target::Between(Between { from, to }))
                    }
                    Table { group: Some(group), share, count, from: None, to: None } => {
                        Ok(Target::Some(SomeOf { group, share, count }))
                    }
                    Table { group: None, from: None, to: None, .. } => Err(de::Error::missing_field("group")),
                    Table { group: None, share: None, count: None, from: None, .. } => {
                        Err(de::Error::missing_field("from"))
                    }
                    Table { group: None, share: None, count: None, to: None, .. } => {
                        Err(de::Error::missing_field("to"))
                    }
                    _ => Err(de::Error::custom("either `group` with `count` or `share`, or `from` and `to`")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A fault with its targets found.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its name in the scenario.
    pub name: String,
    /// What it does and when, in order of time.
    pub windows: Vec<FaultWindow>,
    /// slow: how many times as long work takes; latency: how many times as long the way.
    pub factor: f64,
    /// lossy: the share of messages that are lost.
    pub loss: Loss,
    /// latency: what each way takes longer.
    pub add: Nanos,
    /// backlog: what it shrinks to.
    pub backlog: u32,
    /// drain: the close frames' status code.
    pub code: u16,
    /// drain: the time over which close frames are sent.
    pub over: Nanos,
    /// bandwidth: what the links share, and the queue in front of it.
    pub bandwidth: Option<Bandwidth>,
    /// The most that waits for it.
    pub queue: Option<Bytes>,
    /// reset: the share of connections.
    pub share: f64,
    /// Faults of links: where they lie, in rising order of server and side.
    pub cuts: Vec<Cut>,
}

/// One thing that a fault does to some servers at the same time. A rolling restart is many drains and restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultWindow {
    /// What happens.
    pub kind: Kind,
    /// When it begins.
    pub begins: Timestamp,
    /// When it heals, if it does.
    pub heals: Option<Timestamp>,
    /// The servers it strikes, or the DNS names, by number in the directory, in rising order.
    pub servers: Vec<u32>,
}

/// Who opens connections to a server: a client group, or another server.
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

/// What opens connections, and a server, that a fault of links lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Who is on the other side.
    pub side: Side,
    /// The server's number.
    pub server: u32,
    /// It strikes what that side sends.
    pub to_server: bool,
    /// It strikes what the server sends.
    pub to_client: bool,
    /// Whether the way to the server is the fault's way back: its target is written from the server's side.
    pub reversed: bool,
}

impl Cut {
    /// Whether it strikes the way to the server, or the way to the client.
    pub fn affects(&self, to_server: bool) -> bool {
        if to_server { self.to_server } else { self.to_client }
    }

    /// Whether the way to the server, or the way to the client, is the fault's way forward.
    pub fn is_forward(&self, to_server: bool) -> bool {
        to_server != self.reversed
    }

    /// The share that `loss` has on the way to the server, or on the way to the client.
    fn loss(&self, loss: Loss, to_server: bool) -> f64 {
        match (self.affects(to_server), self.is_forward(to_server)) {
            (false, _) => 0.0,
            (true, true) => loss.forward.0,
            (true, false) => loss.back.0,
        }
    }
}

impl Fault {
    /// Finds the fault's targets: `members` are the servers its target names, of which it takes some.
    pub fn new(seed: Seed, name: &str, config: &Config, mut members: Vec<u32>, cuts: Vec<Cut>) -> Fault {
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
        let kind = config.effective_kind();
        let repeat = config.repeat.unwrap_or(Repeat { every: Nanos::ZERO, times: None });
        let mut windows = Vec::new();
        for number in 0..u64::from(repeat.times.unwrap_or(1)) {
            let begins = Timestamp::ZERO + config.at + Nanos(repeat.every.0.saturating_mul(number));
            if kind.restarts() {
                restart(config, begins, &members, &mut windows);
                continue;
            }
            // A reset is over at once.
            let heals = config.duration.or((kind == Kind::Reset).then_some(Nanos::ZERO)).map(|length| begins + length);
            windows.push(FaultWindow { kind, begins, heals, servers: members.clone() });
        }
        Fault {
            name: name.to_string(),
            windows,
            factor: config.factor.unwrap_or(1.0),
            loss: config.loss.unwrap_or_default(),
            add: config.add.unwrap_or_default(),
            bandwidth: config.bandwidth,
            queue: config.queue,
            share: config.share.map_or(1.0, |share| share.0),
            backlog: config.to.unwrap_or(0),
            code: config.code.unwrap_or(if matches!(kind, Kind::Restart | Kind::RollingRestart) { 1012 } else { 1001 }),
            over: config.drain.or(config.over).unwrap_or(DRAINS_OVER),
            cuts,
        }
    }

    /// Where it lies between a side and a server, if it does.
    pub fn between(&self, side: Side, server: u32) -> Option<&Cut> {
        let found = self.cuts.binary_search_by_key(&(server, side), |cut| (cut.server, cut.side));
        found.ok().map(|found| &self.cuts[found])
    }

    /// Whether one of its windows lasts at a moment: from its beginning until just before it heals.
    pub fn lasts_at(&self, at: Timestamp) -> bool {
        let begun = self.windows.partition_point(|window| window.begins <= at);
        begun > 0 && self.windows[begun - 1].heals.is_none_or(|heals| at < heals)
    }

    /// reset: whether one of its windows ends a connection between a side and a server.
    pub fn resets(&self, seed: Seed, window: u32, side: Side, server: u32, connection: Identity) -> bool {
        // Another fault has other luck.
        let actor = Identity(connection.0 ^ Identity::group(&self.name).0);
        let chance = || seed.draw(actor, Purpose::Reset, u64::from(window)).unit();
        self.between(side, server).is_some() && (self.share >= 1.0 || chance() < self.share)
    }

    /// lossy: the share of messages between a side and a server that are lost if they are sent at this moment.
    pub fn loss_at(&self, side: Side, server: u32, to_server: bool, at: Timestamp) -> f64 {
        match self.between(side, server) {
            Some(cut) if self.lasts_at(at) => cut.loss(self.loss, to_server),
            _ => 0.0,
        }
    }

    /// latency: how much longer a message takes that is sent at this moment, over a way that takes `one_way` otherwise.
    pub fn delay_at(&self, side: Side, server: u32, to_server: bool, at: Timestamp, one_way: Nanos) -> Nanos {
        match self.between(side, server) {
            Some(cut) if cut.affects(to_server) && self.lasts_at(at) => {
                let longer = Nanos::from_f64(one_way.0 as f64 * (self.factor - 1.0));
                Nanos(self.add.0.saturating_add(longer.0))
            }
            _ => Nanos::ZERO,
        }
    }
}

/// How long a drain's close frames are spread unless the scenario says otherwise.
const DRAINS_OVER: Nanos = Nanos::from_secs(10);

/// Drains and ends processes and starts them again, in turn or all of them together.
fn restart(config: &Config, begins: Timestamp, members: &[u32], windows: &mut Vec<FaultWindow>) {
    let drain = config.drain.unwrap_or_default();
    let (kind, together) = match config.effective_kind() {
        Kind::RollingRestart => (Kind::Restart, config.at_a_time.unwrap_or(1).max(1) as usize),
        kind => (kind, members.len().max(1)),
    };
    let mut turn = begins;
    for servers in members.chunks(together) {
        let ends = turn + drain;
        let down = config.duration.or((kind == Kind::Restart).then_some(Nanos::ZERO));
        let starts = down.map(|down| ends + down);
        let window = |kind, begins, heals| FaultWindow { kind, begins, heals, servers: servers.to_vec() };
        if drain > Nanos::ZERO {
            windows.push(window(Kind::Drain, turn, Some(ends)));
        }
        windows.push(window(kind, ends, starts));
        turn = starts.unwrap_or(ends) + config.gap.unwrap_or_default();
    }
}

/// What the timeline does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A server is struck.
    Began {
        /// The server's number, or the DNS name's in the directory.
        server: u32,
        /// What happens to it.
        kind: Kind,
    },
    /// A server is well again.
    Healed {
        /// The server's number, or the DNS name's in the directory.
        server: u32,
        /// What had happened to it.
        kind: Kind,
    },
    /// A partition comes between two that talk.
    Parted(Cut),
    /// It is gone.
    Joined(Cut),
    /// A link between a side and a server is made worse.
    Impaired(Kind, Cut),
    /// It is as it was.
    Cleared(Kind, Cut),
    /// Something between has reset a connection: this session's path is dead from here on.
    Reset {
        /// The session's number.
        session: u32,
    },
    /// A server that is drained has sent a close frame: this session's path is dead from here on.
    Drained {
        /// The session's number.
        session: u32,
    },
}
