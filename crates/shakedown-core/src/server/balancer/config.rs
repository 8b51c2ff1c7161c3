//! A layer-4 balancer as a scenario writes it, and ready to run.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::EndpointId;
use crate::network::{AccessLink, Health, Overflow};
use crate::server::Config;
use crate::time::Nanos;

/// Kind of a group's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
    /// They answer opening handshakes.
    #[default]
    Websocket,
    /// Layer-4 balancers: each has an address in front of a group, and forwards connections without reading them.
    L4,
    /// Forward proxies, which `[proxies.NAME]` makes.
    #[serde(skip)]
    Proxy,
}

impl ServerKind {
    /// The table of a scenario that such groups are written in.
    pub fn table(self) -> &'static str {
        if self == ServerKind::Proxy { "proxies" } else { "servers" }
    }

    /// Whether it need not be written.
    pub fn is_default(&self) -> bool {
        *self == ServerKind::default()
    }
}

/// How a balancer forwards connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// It rewrites addresses (as Linux IPVS does): the SYN is forwarded to the chosen server, and the client sees the
    /// answer of that server or its host.
    Nat,
    /// It accepts the connection and opens another to the chosen server (as HAProxy does in TCP mode).
    Terminate,
}

impl Balance {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Balance::Nat => "nat",
            Balance::Terminate => "terminate",
        }
    }
}

/// How a balancer chooses a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PickBackend {
    /// In turn.
    #[default]
    RoundRobin,
    /// The one with the fewest connections through this balancer; of several, the next in turn.
    LeastConnections,
    /// A random one.
    Random,
    /// By the client's address: always the same one while that is up, and only its clients move when it is not
    /// (rendezvous hashing; Thaler, Ravishankar: "Using name-based mappings to increase hit rates", 1998).
    SourceHash,
}

impl PickBackend {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            PickBackend::RoundRobin => "round-robin",
            PickBackend::LeastConnections => "least-connections",
            PickBackend::Random => "random",
            PickBackend::SourceHash => "source-hash",
        }
    }
}

/// Action on the connections through a balancer to a server that is marked down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnDown {
    /// They stay; only new ones go to other servers.
    #[default]
    Keep,
    /// Both ends get an RST (HAProxy: `on-marked-down shutdown-sessions`).
    Reset,
}

/// What a health check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// A TCP connect, which the server's kernel answers.
    #[default]
    Connect,
    /// An opening handshake that must be answered 101: a process that hangs, is full or drains fails it.
    Handshake,
}

/// How long a terminating balancer waits for its connect unless the scenario says otherwise.
const CONNECT_TIMEOUT: Nanos = Nanos::from_secs(5);
/// Linux: `ip_local_port_range` is 32768 to 60999.
const PORTS: u32 = 28_232;

/// A balancer group with its names looked up.
#[derive(Debug)]
pub struct Balancing {
    pub(in crate::server) to: Vec<EndpointId>,
    pub(in crate::server) balance: Balance,
    pub(in crate::server) pick: PickBackend,
    pub(in crate::server) health: Option<Health>,
    pub(in crate::server) check: Check,
    pub(in crate::server) on_down: OnDown,
    pub(in crate::server) connect_timeout: Nanos,
    pub(in crate::server) ports: u32,
    pub(in crate::server) connections_max: u32,
}

impl Balancing {
    /// A group of balancers as configured; `None` if it is none.
    pub fn new(config: &Config, to: Vec<EndpointId>) -> Option<Balancing> {
        (config.kind == ServerKind::L4).then(|| Balancing {
            to,
            balance: config.balance.unwrap_or(Balance::Terminate),
            pick: config.pick.unwrap_or_default(),
            health: config.health,
            check: config.check.unwrap_or_default(),
            on_down: config.on_down.unwrap_or_default(),
            connect_timeout: config.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
            ports: config.ports.unwrap_or(PORTS),
            connections_max: config.connections_max.unwrap_or(u32::MAX),
        })
    }

    /// Makes the defaults of a balancer group visible.
    pub fn fill_in(config: &mut Config) {
        config.pick.get_or_insert_default();
        if config.balance == Some(Balance::Terminate) {
            config.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
            config.ports.get_or_insert(PORTS);
        }
        if config.health.is_some() {
            config.check.get_or_insert_default();
            config.on_down.get_or_insert_default();
        }
    }
}

/// The keys of a balancer group, as `check --resolved` prints them: those of other servers mean nothing to it.
#[derive(Debug, Serialize)]
pub struct Written<'a> {
    kind: ServerKind,
    count: u32,
    to: &'a Option<String>,
    balance: Option<Balance>,
    pick: Option<PickBackend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog_overflow: Option<Overflow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_link: Option<AccessLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_down: Option<OnDown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: &'a Option<String>,
}

/// The keys that a balancer may have.
pub const KEYS: [&str; 15] = [
    "kind",
    "count",
    "to",
    "balance",
    "pick",
    "backlog",
    "backlog_overflow",
    "connections_max",
    "connect_timeout",
    "ports",
    "access_link",
    "health",
    "check",
    "on_down",
    "zone",
];

/// Of them, those that only a terminating one may have.
pub const OF_TERMINATING: [&str; 6] =
    ["backlog", "backlog_overflow", "connections_max", "connect_timeout", "ports", "access_link"];

impl<'a> From<&'a Config> for Written<'a> {
    fn from(config: &'a Config) -> Written<'a> {
        let terminates = config.balance == Some(Balance::Terminate);
        Written {
            kind: config.kind,
            count: config.count,
            to: &config.to,
            balance: config.balance,
            pick: config.pick,
            backlog: terminates.then_some(config.backlog),
            backlog_overflow: terminates.then_some(config.backlog_overflow),
            connections_max: config.connections_max,
            connect_timeout: config.connect_timeout,
            ports: config.ports,
            access_link: config.access_link,
            health: config.health,
            check: config.check,
            on_down: config.on_down,
            zone: &config.zone,
        }
    }
}
