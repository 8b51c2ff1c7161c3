//! A layer-4 balancer.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::EndpointId;
use crate::network::{Health, TimeWait};
use crate::server::clocks::ClocksConfig;
use crate::time::Nanos;

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

/// A balancer: its servers, and how it forwards connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Balancing {
    /// The servers behind it.
    pub to: Vec<EndpointId>,
    /// Their names in the scenario.
    pub to_names: Vec<String>,
    /// The group's first member.
    pub first: EndpointId,
    /// Which of them each member uses; empty: all members use all of them.
    pub reach: Vec<Reach>,
    /// How connections are forwarded.
    pub forwarding: Forwarding,
    /// How a server is chosen.
    pub pick: PickBackend,
    /// How it checks which servers are up. Absent: it does not.
    pub health: Option<HealthChecks>,
    /// The clocks of the connections through it.
    pub clocks: Box<ClocksConfig>,
}

/// Which of the servers behind a group of balancers one member uses. An empty list is one of all servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Of each server: whether it is used at all, and so checked.
    pub only: Vec<bool>,
    /// Of each server: whether it comes first. The others are chosen only when none of these can be.
    pub near: Vec<bool>,
}

impl Reach {
    /// Whether a server is used at all.
    pub fn has(&self, server: usize) -> bool {
        self.only.get(server).copied().unwrap_or(true)
    }

    /// Whether a server comes first.
    pub fn is_near(&self, server: usize) -> bool {
        self.near.get(server).copied().unwrap_or(true)
    }
}

/// How a balancer forwards connections, with the settings of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// [`Balance::Nat`].
    Nat,
    /// [`Balance::Terminate`].
    Terminate {
        /// Maximum of its connections. Absent: no limit.
        connections_max: Option<u32>,
        /// Time limit of its connect to a server.
        connect_timeout: Nanos,
        /// Maximum of connections to one server, as each uses a port.
        ports: u32,
        /// How long a port stays taken after a connection.
        time_wait: TimeWait,
    },
}

impl Forwarding {
    /// Its kind.
    pub fn balance(self) -> Balance {
        match self {
            Forwarding::Nat => Balance::Nat,
            Forwarding::Terminate { .. } => Balance::Terminate,
        }
    }
}

/// How a balancer checks servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthChecks {
    /// The interval, and the number of results that change the state.
    pub health: Health,
    /// Kind of check.
    pub check: Check,
    /// Action on the connections to a server that is marked down.
    pub on_down: OnDown,
}
