//! The settings of servers by kind: each kind has only its own keys. Names are resolved, and defaults are complete.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::balancer::{Balancing, Forwarding};
use super::behavior::{Behavior, Choice};
use super::calls::CallPlan;
use super::clocks::ClocksConfig;
use super::limits::{OverRate, TokenBucket, WhenFull, WindowConfig};
use super::pauses::PauseConfig;
use super::proxy::Proxy;
use super::queue::QueueOrder;
use super::resources::{Accepts, Resource, ResourceLimit, WhenUsedUp};
use super::supervision::Supervision;
use super::targets::Pick;
use super::tls::TlsConfig;
use super::transactions::TransactionsFull;
use super::workers::Workers;
use crate::machine::EndpointId;
use crate::network::{AccessLink, GivingUp, Overflow};
use crate::time::{Nanos, Timestamp};
use crate::tls;

/// A group of hosts of the same kind.
#[derive(Debug, Clone)]
pub struct Group {
    /// Members, numbered from 0.
    pub count: u32,
    /// Connections that the kernel completes for a process that does not accept.
    pub backlog: u32,
    /// What its kernel does with a SYN when the backlog is full.
    pub backlog_overflow: Overflow,
    /// Bandwidth of each member's connection to the network; absent: no limit.
    pub access_link: Option<AccessLink>,
    /// When its members join and leave.
    pub membership: Membership,
    /// When their kernels give up connections.
    pub giving_up: GivingUp,
    /// Their kind.
    pub machine: Machine,
}

/// A program that a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program, and its arguments.
    pub command: Vec<String>,
    /// Whether it is a server; if not, it opens connections at most.
    pub listens: bool,
}

/// Kind of a group's members.
#[derive(Debug, Clone)]
pub enum Machine {
    /// They answer opening handshakes.
    Web(Box<WebServer>),
    /// Layer-4 balancers: each has an address in front of a group, and forwards connections without reading them.
    Balancer(Balancing),
    /// Forward proxies.
    Proxy(Box<Proxy>),
    /// Programs, only on real sockets.
    Program(Program),
}

/// A server that answers opening handshakes, and redirects, rejects or challenges as its behaviors have it.
#[derive(Debug, Clone)]
pub struct WebServer {
    /// What requests wait for.
    pub workers: Workers,
    /// Work takes longer for a time after the process starts.
    pub warm_up: Option<WarmUp>,
    /// Absent: connections have no TLS.
    pub tls: Option<TlsConfig>,
    /// Maximum of its open connections. Absent: no limit.
    pub connections: Option<ConnectionLimit>,
    /// Maximum of its concurrent HTTP transactions, and the action above it. Absent: no limit.
    pub transactions: Option<(u32, TransactionsFull)>,
    /// Its rate limits.
    pub rates: Rates,
    /// Time limit for a connection to send its whole request. Absent: no limit.
    pub handshake_timeout: Option<Nanos>,
    /// The clocks of its open connections.
    pub clocks: ClocksConfig,
    /// Whether its HTTP/2 SETTINGS enable extended CONNECT (RFC 8441 section 3).
    pub extended_connect: bool,
    /// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2).
    pub streams_max: u32,
    /// What there is little of: what it needs of each, and what happens when that is used up.
    pub resources: Vec<ResourceLimit>,
    /// When it accepts connections.
    pub accepts: Accepts,
    /// What probes it and starts it again. Absent: nobody.
    pub supervision: Option<Supervision>,
    /// Periodic pauses of the process.
    pub pauses: Option<PauseConfig>,
    /// Calls to other servers, made one after the other when a worker has processed a request, which waits for the answers.
    pub calls: Vec<CallPlan>,
    /// Whether a request holds its worker during its calls.
    pub calls_hold_worker: bool,
    /// Whether it takes what RFC 6455 section 5.1 and RFC 9112 tell it to refuse: frames without a mask, several `Host`
    /// fields, and lengths of a body that are none or contradict each other.
    pub lax: bool,
    /// Its behaviors: the first that matches applies; if none does, it accepts.
    pub behaviors: Vec<Behavior>,
}

/// A limit of open connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// The limit.
    pub most: u32,
    /// The action above it.
    pub when_full: WhenFull,
    /// The servers to redirect to, if that is the action.
    pub overflow: Vec<EndpointId>,
}

/// Rate limits of requests.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rates {
    /// In total. Absent: no limit.
    pub all: Option<TokenBucket>,
    /// From each client address. Absent: no limit.
    pub address: Option<TokenBucket>,
    /// From each client address in a window. Absent: no limit.
    pub window: Option<WindowConfig>,
    /// Connections from each client address at the same time. Absent: no limit.
    pub connections: Option<u32>,
    /// The action on requests above any of them.
    pub over: OverRate,
}

impl Default for WebServer {
    fn default() -> WebServer {
        WebServer {
            workers: Workers::default(),
            warm_up: None,
            tls: None,
            connections: None,
            transactions: None,
            rates: Rates::default(),
            handshake_timeout: None,
            clocks: ClocksConfig::default(),
            extended_connect: true,
            streams_max: STREAMS_MAX,
            resources: Vec::new(),
            accepts: Accepts::default(),
            supervision: None,
            pauses: None,
            calls: Vec::new(),
            calls_hold_worker: false,
            lax: false,
            behaviors: vec![Behavior::accept()],
        }
    }
}

impl WebServer {
    /// Whether it may redirect.
    pub fn redirects(&self) -> bool {
        self.overflow().is_some() || self.redirections().next().is_some()
    }

    /// The servers that connections above the limit are redirected to, if they are.
    pub fn overflow(&self) -> Option<&[EndpointId]> {
        self.connections.as_ref().map(|limit| &limit.overflow[..]).filter(|overflow| !overflow.is_empty())
    }

    /// The targets of its redirects.
    pub fn redirections(&self) -> impl Iterator<Item = &Pick> {
        self.behaviors.iter().filter_map(Behavior::pick)
    }

    /// Whether it accepts nothing while it is busy, or while something is used up.
    pub fn waits_to_accept(&self) -> bool {
        let waits = |limit: &ResourceLimit| limit.when_full == WhenUsedUp::Wait;
        self.accepts == Accepts::WhenIdle || self.resources.iter().any(waits)
    }

    /// Whether it demands credentials.
    pub fn demands_credentials(&self) -> bool {
        self.behaviors.iter().any(|behavior| matches!(behavior.choice, Choice::Challenge(_)))
    }
}

impl Group {
    /// A web server, if the members are that.
    pub fn web(&self) -> Option<&WebServer> {
        match &self.machine {
            Machine::Web(web) => Some(web),
            _ => None,
        }
    }

    /// A balancer, if the members are that.
    pub fn balancer(&self) -> Option<&Balancing> {
        match &self.machine {
            Machine::Balancer(balancing) => Some(balancing),
            _ => None,
        }
    }

    /// Whether the members are forward proxies.
    pub fn is_proxy(&self) -> bool {
        matches!(self.machine, Machine::Proxy(_))
    }

    /// The program that the members are, if they are one.
    pub fn program(&self) -> Option<&Program> {
        match &self.machine {
            Machine::Program(program) => Some(program),
            _ => None,
        }
    }

    /// The table of such groups in a scenario file.
    pub fn table(&self) -> &'static str {
        if self.is_proxy() { "proxies" } else { "servers" }
    }

    /// The workers of each member. A program counts as a web server with defaults.
    pub fn workers(&self) -> Option<&Workers> {
        match &self.machine {
            Machine::Web(web) => Some(&web.workers),
            Machine::Proxy(proxy) => Some(&proxy.workers),
            Machine::Balancer(_) | Machine::Program(_) => None,
        }
    }

    /// Maximum of a member's open connections, if there is a limit.
    pub fn connections_max(&self) -> Option<u32> {
        match &self.machine {
            Machine::Web(web) => web.connections.as_ref().map(|limit| limit.most),
            Machine::Proxy(proxy) => proxy.connections_max,
            Machine::Balancer(Balancing { forwarding: Forwarding::Terminate { connections_max, .. }, .. }) => {
                *connections_max
            }
            Machine::Balancer(_) | Machine::Program(_) => None,
        }
    }

    /// The TLS version of the members themselves.
    pub fn tls(&self) -> tls::Version {
        self.web().and_then(|web| web.tls.as_ref()).map_or(tls::Version::None, |tls| tls.version)
    }

    /// The pauses of the members.
    pub fn pauses(&self) -> Option<&PauseConfig> {
        self.web()?.pauses.as_ref()
    }

    /// The clocks of the members' connections.
    pub fn clocks(&self) -> Option<&ClocksConfig> {
        match &self.machine {
            Machine::Web(web) => Some(&web.clocks),
            Machine::Balancer(balancing) => Some(balancing.clocks.as_ref()),
            Machine::Proxy(proxy) => Some(&proxy.clocks),
            Machine::Program(_) => None,
        }
    }

    /// What probes the members and starts them again.
    pub fn supervision(&self) -> Option<Supervision> {
        self.web()?.supervision
    }

    /// Whether the members have a limited amount of a resource.
    pub fn limits(&self, resource: Resource) -> bool {
        self.web().is_some_and(|web| web.resources.iter().any(|limit| limit.resource == resource))
    }

    /// Whether they may reject requests because of a limit.
    pub fn has_limits(&self) -> bool {
        let of_workers =
            |workers: &Workers| workers.queue.is_some() || matches!(workers.order, QueueOrder::Deadline(_));
        self.connections_max().is_some()
            || self.workers().is_some_and(of_workers)
            || match &self.machine {
                Machine::Web(web) => {
                    web.transactions.is_some()
                        || web.rates.all.is_some()
                        || web.rates.address.is_some()
                        || web.rates.window.is_some()
                        || web.rates.connections.is_some()
                        || web.handshake_timeout.is_some()
                        || web.resources.iter().any(|limit| limit.when_full == WhenUsedUp::Refuse)
                }
                Machine::Proxy(proxy) => proxy.handshake_timeout.is_some(),
                Machine::Balancer(_) | Machine::Program(_) => false,
            }
    }

    /// Whether its members call other servers.
    pub fn calls(&self) -> bool {
        self.web().is_some_and(|web| !web.calls.is_empty())
    }

    /// Whether its members open connections to other servers, for calls, forwarding or checks.
    pub fn opens_connections(&self) -> bool {
        self.calls() || matches!(self.machine, Machine::Balancer(_) | Machine::Proxy(_))
    }
}

/// Default maximum of concurrent streams on one HTTP/2 connection.
pub const STREAMS_MAX: u32 = 100;

/// When the members of a group join and leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Membership {
    /// When they join, unless they are there from the beginning.
    pub joins_at: Option<Timestamp>,
    /// When they leave, and the duration of their drain.
    pub leaves_at: Option<(Timestamp, Nanos)>,
}

/// `{ for = "10s", factor = 4 }`: how much slower a process is after its start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// Duration.
    #[serde(rename = "for")]
    pub duration: Nanos,
    /// Factor of the time that its work takes.
    pub factor: f64,
}
