//! What a recorder must know of a scenario: names, indices and times.

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
    /// Names of faults, by number; at most 64.
    pub faults: Vec<String>,
    /// Whether any server has TLS.
    pub tls: bool,
    /// Whether any server demands credentials.
    pub auth: bool,
    /// Whether there are forward proxies.
    pub proxies: bool,
    /// Whether there may be findings.
    pub findings: bool,
}

/// A client group.
#[derive(Debug, Clone)]
pub struct GroupLayout {
    /// Its name.
    pub name: String,
    /// Its sessions.
    pub count: u32,
}

/// A server.
#[derive(Debug, Clone)]
pub struct ServerLayout {
    /// Its name.
    pub name: String,
    /// Its group's index in [`Layout::server_groups`].
    pub group: usize,
    /// Its workers.
    pub workers: u32,
    /// Maximum of its connections.
    pub connections_max: Option<u32>,
    /// Maximum of its concurrent HTTP transactions.
    pub transactions_max: Option<u32>,
    /// Whether it may reject requests because of a limit.
    pub limited: bool,
    /// Whether its process pauses by itself.
    pub pauses: bool,
    /// Whether it calls other servers.
    pub calls: bool,
    /// Whether it has TLS.
    pub tls: bool,
    /// Whether clients may use HTTP/2.
    pub streams: bool,
    /// Whether it is a balancer.
    pub balancer: bool,
    /// Whether it is a forward proxy.
    pub proxy: bool,
}

/// The part of the run that the summary measures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Window {
    pub(super) fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// Whether the warm-up is over.
    pub(super) fn has_begun(&self, at: Timestamp) -> bool {
        self.from <= at
    }

    /// The part of a time interval that is within.
    pub(super) fn overlap(&self, from: Timestamp, until: Timestamp) -> Nanos {
        until.min(self.until).since(from.max(self.from))
    }
}
