//! What a recorder must know of a scenario: names, indices and times.

use crate::client::Hold;
use crate::rng::Seed;
use crate::time::{Nanos, Timestamp};

/// Names, indices and times of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Length of the run.
    pub duration: Nanos,
    /// The interval of the series.
    pub interval: Nanos,
    /// Beginning of the measured window.
    pub from: Timestamp,
    /// End of the measured window.
    pub until: Timestamp,
    /// Client groups, by number.
    pub groups: Vec<GroupLayout>,
    /// Names of server groups.
    pub server_groups: Vec<String>,
    /// Servers, by number.
    pub servers: Vec<ServerLayout>,
    /// DNS names, by number.
    pub names: Vec<String>,
    /// Faults, by number; at most 64.
    pub faults: Vec<FaultLayout>,
    /// The phases that metrics are also of.
    pub phases: Vec<PhaseLayout>,
    /// Whether half-open connections are measured.
    pub half_open: bool,
    /// The run's seed.
    pub seed: Seed,
    /// Whether any server has TLS.
    pub tls: bool,
    /// Whether any server demands credentials.
    pub auth: bool,
    /// Whether there are forward proxies.
    pub proxies: bool,
    /// Whether addresses race.
    pub races: bool,
    /// Whether there may be findings.
    pub findings: bool,
}

/// A phase of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseLayout {
    /// What its metrics' paths begin with: [`Phase::prefix`](super::Phase::prefix).
    pub prefix: String,
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

/// A fault.
#[derive(Debug, Clone, Default)]
pub struct FaultLayout {
    /// Its name.
    pub name: String,
    /// Whether it was drawn at random. Such a fault has no phases and is not shown beside others.
    pub drawn: bool,
    /// The servers that it strikes, in rising order; of a fault of links, those at its ends.
    pub servers: Vec<u32>,
    /// Whether programs are concerned, which do not say what they do to whom: what is lost while it lasts, and for no other
    /// known reason, is its work.
    pub opaque: bool,
}

/// A client group.
#[derive(Debug, Clone)]
pub struct GroupLayout {
    /// Its name.
    pub name: String,
    /// Its sessions.
    pub count: u32,
    /// How long a session wants to stay open.
    pub hold: Hold,
}

/// A server.
#[derive(Debug, Clone)]
pub struct ServerLayout {
    /// Its name.
    pub name: String,
    /// Its group's index in [`Layout::server_groups`].
    pub group: usize,
    /// Its workers, or the processors that these share.
    pub workers: u32,
    /// Maximum of its connections.
    pub connections_max: Option<u32>,
    /// Maximum of its concurrent HTTP transactions.
    pub transactions_max: Option<u32>,
    /// Whether it may reject requests because of a limit.
    pub limited: bool,
    /// Whether its process pauses by itself.
    pub pauses: bool,
    /// Whether its process is probed, or may be killed for want of memory.
    pub supervised: bool,
    /// Which resources it has a limited amount of: memory, descriptors.
    pub limits: [bool; 2],
    /// Whether it calls other servers.
    pub calls: bool,
    /// Whether it has TLS.
    pub tls: bool,
    /// Whether clients may use HTTP/2.
    pub streams: bool,
    /// Whether it is a balancer.
    pub balancer: bool,
    /// The servers behind a balancer.
    pub behind: u32,
    /// Whether it is a forward proxy.
    pub proxy: bool,
    /// Whether clocks may end its connections.
    pub clocks: bool,
    /// Whether kernels at either end may probe its connections.
    pub keepalive: bool,
    /// Whether it may be reloaded.
    pub reloads: bool,
}
