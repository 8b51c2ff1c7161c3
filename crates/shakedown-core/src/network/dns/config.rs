//! A DNS name as a scenario writes it.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::one_or_more;
use crate::network::Health;
use crate::quantity::Share;
use crate::rng::Distribution;
use crate::time::Nanos;

/// `[dns.NAME]`: a name with an address record for each of some servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "DnsName"))]
pub struct Config {
    /// Its server groups and members, expanded in order.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::names::Names"))]
    pub to: Vec<String>,
    /// Servers that are returned while all of `to` count as down; needs `health`.
    #[serde(default, deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub standby: Vec<String>,
    /// How long an answer may be cached (RFC 1035 section 3.2.1).
    #[serde(default = "default_ttl")]
    pub ttl: Nanos,
    /// The order of the addresses in an answer; clients begin with the first.
    #[serde(default)]
    pub order: Order,
    /// Time from a client's query to its resolver's answer.
    #[serde(default = "default_latency")]
    pub latency: Distribution,
    /// Number of caching resolvers that the clients' hosts are distributed over; absent: one per host; 0: none, queries go
    /// directly to the authoritative records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolvers: Option<u32>,
    /// Resolvers that cache answers longer than the TTL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ttl: Option<MinTtl>,
    /// Health checks that remove and restore a server's record; absent: records stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// When an operator replaces the records of `to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

fn default_ttl() -> Nanos {
    Nanos::from_secs(60)
}

fn default_latency() -> Distribution {
    Nanos::from_millis(10).into()
}

/// The order of the addresses in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Each answer begins with the next record (RFC 1794; BIND's `cyclic`).
    #[default]
    RoundRobin,
    /// The order of the records.
    Fixed,
    /// Random, drawn for each answer.
    Random,
}

/// `{ ttl = "5m", share = "10%" }`: some resolvers cache every answer at least this long.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MinTtl {
    /// Duration.
    pub ttl: Nanos,
    /// Share of resolvers that do.
    #[serde(default = "all")]
    pub share: Share,
}

fn all() -> Share {
    Share(1.0)
}

/// `{ at = "30s", to = ["standby"] }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When.
    pub at: Nanos,
    /// Its servers from then on.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::names::Names"))]
    pub to: Vec<String>,
}
