//! Which clocks the connections of a server have, as scenarios write them.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::{Ending, Ends};
use crate::rng::{Distribution, Sampler};
use crate::time::Nanos;

/// `{ every = "20s", timeout = "20s" }`: a server pings its open connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ServerHeartbeat {
    /// Time from the opening to the first ping, and from one ping to the next. While one waits for its pong, there is no
    /// other.
    pub every: Nanos,
    /// Time limit of the pong. It may be longer than `every`.
    pub timeout: Nanos,
    /// How a connection without a pong in time ends (`close` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// The status code of the close frame (1011 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// `{ after = "60s" }`: connections over which nothing comes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IdleTimeout {
    /// Web servers: time since the client last sent something. Balancers and proxies: since either end did.
    pub after: Nanos,
    /// How such a connection ends (web servers: `close`, those that forward: `fin`, balancers with `balance = "nat"`:
    /// `forget`, unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// The status code of the close frame (1001 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// `{ max = "5m" }`: connections end at an age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConnectionAge {
    /// The age, drawn for each connection. Web servers: since it opened. Balancers and proxies: since it was forwarded.
    pub max: Distribution,
    /// How it ends then (web servers: `close`, others: `fin`, unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// The status code of the close frame (1001 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
}

/// How long a server waits for the answer to its close frame, unless the scenario says otherwise.
pub const CLOSE_TIMEOUT: Nanos = Nanos::from_secs(10);

/// The clocks of a group's connections.
#[derive(Debug, Clone, PartialEq)]
pub struct ClocksConfig {
    /// Pings: the period, the time limit of a pong, and what follows when that is exceeded.
    pub heartbeat: Option<(Nanos, Nanos, Ending)>,
    /// How long nothing may come, and what follows.
    pub idle: Option<(Nanos, Ending)>,
    /// The age, and what follows.
    pub age: Option<(Distribution, Ending)>,
    /// How long the client's close frame is awaited after the server's.
    pub close_timeout: Nanos,
}

impl Default for ClocksConfig {
    fn default() -> ClocksConfig {
        ClocksConfig { heartbeat: None, idle: None, age: None, close_timeout: CLOSE_TIMEOUT }
    }
}

impl ClocksConfig {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.heartbeat.is_some() || self.idle.is_some() || self.age.is_some()
    }
}

/// The clocks of a group's connections, ready to run.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct ClocksPlan {
    pub heartbeat: Option<(Nanos, Nanos, Ending)>,
    pub idle: Option<(Nanos, Ending)>,
    pub age: Option<(Sampler, Ending)>,
    pub close_timeout: Nanos,
}

impl ClocksPlan {
    pub(in crate::server) fn new(config: &ClocksConfig) -> ClocksPlan {
        let ClocksConfig { heartbeat, idle, ref age, close_timeout } = *config;
        let age = age.as_ref().map(|(age, ending)| (age.sampler(), *ending));
        ClocksPlan { heartbeat, idle, age, close_timeout }
    }

    /// Whether there are any.
    pub(in crate::server) fn any(&self) -> bool {
        self.heartbeat.is_some() || self.idle.is_some() || self.age.is_some()
    }
}
