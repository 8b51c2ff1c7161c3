//! Links between places: latency, jitter and loss for each pair of communicating hosts, in each direction.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Bandwidth, Bytes, Loss, Share};
use crate::rng::{Distribution, Identity, Purpose, Sampler, Seed};
use crate::time::Nanos;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the client's host to the server's.
    ToServer,
    /// From the server's host to the client's.
    ToClient,
}

impl Direction {
    /// The other one.
    pub fn back(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }
}

/// `[network.links.NAME]`: overrides between two places. Other keys are as in `[network]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LinkConfig {
    /// A zone, a client group, a server group, or one server.
    pub from: String,
    /// The place at the other end.
    pub to: String,
    /// Whether it also applies to the direction from `to` to `from`.
    #[serde(default = "yes")]
    pub both: bool,
    /// One-way latency between two hosts, drawn once per pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_way: Option<Distribution>,
    /// Added to each message's latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Distribution>,
    /// The share of messages that are lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Bandwidth that all traffic over it shares, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Size of the queue in front of it, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Bytes>,
}

fn yes() -> bool {
    true
}

/// One direction of a route.
#[derive(Debug, Clone, PartialEq)]
pub struct OneWayRoute {
    /// Latency, drawn once per pair of hosts.
    pub one_way: Distribution,
    /// Added for each message.
    pub jitter: Distribution,
    /// Messages lost.
    pub loss: Share,
    /// Which of [`Routes::bottlenecks`] it shares with others.
    pub bottleneck: Option<u16>,
}

/// Both directions between a client group, or a server that opens connections, and a server.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What clients, or callers, send.
    pub to_server: OneWayRoute,
    /// What the server sends.
    pub to_client: OneWayRoute,
}

/// Every route of a scenario, with names looked up.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Routes {
    /// The distinct routes; the first is that of `[network]`.
    pub routes: Vec<Route>,
    /// By client group and server, `group * servers + server`, then by caller and server: which route. Empty when all
    /// take the first.
    pub table: Vec<u16>,
    /// Servers of the scenario.
    pub servers: u32,
    /// Servers that open connections, in rising order: their rows follow those of the client groups.
    pub callers: Vec<u32>,
    /// Bandwidths of links, and the queues in front of them: one for each direction.
    pub bottlenecks: Vec<(Bandwidth, Option<Bytes>)>,
}

#[derive(Debug)]
struct Span {
    one_way: Sampler,
    jitter: Sampler,
    loss: f64,
    bottleneck: Option<u16>,
}

impl Span {
    fn new(leg: &OneWayRoute) -> Span {
        Span {
            one_way: leg.one_way.sampler(),
            jitter: leg.jitter.sampler(),
            loss: leg.loss.0,
            bottleneck: leg.bottleneck,
        }
    }
}

#[derive(Debug)]
struct Path {
    to_server: Span,
    to_client: Span,
}

impl Path {
    fn span(&self, way: Direction) -> &Span {
        match way {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

/// No jitter.
const NONE: Distribution = Distribution::Constant(Nanos::ZERO);

/// The latency of every pair of hosts, and the fate of every message.
#[derive(Debug)]
pub struct Links {
    seed: Seed,
    paths: Vec<Path>,
    table: Vec<u16>,
    servers: u32,
    callers: Vec<u32>,
    uneven: bool,
    jittery: bool,
    lossy: bool,
}

impl Links {
    /// The links of a scenario.
    pub fn new(seed: Seed, routes: &Routes) -> Links {
        let path =
            |route: &Route| Path { to_server: Span::new(&route.to_server), to_client: Span::new(&route.to_client) };
        let any = |of: fn(&Route) -> bool| routes.routes.iter().any(of);
        Links {
            seed,
            paths: routes.routes.iter().map(path).collect(),
            table: routes.table.clone(),
            servers: routes.servers,
            callers: routes.callers.clone(),
            uneven: any(|route| route.to_server.one_way != route.to_client.one_way),
            jittery: any(|route| [&route.to_server, &route.to_client].iter().any(|leg| leg.jitter != NONE)),
            lossy: any(|route| route.to_server.loss.0 > 0.0 || route.to_client.loss.0 > 0.0),
        }
    }

    /// The route between a client group and a server, by number.
    #[inline]
    pub fn route(&self, group: u16, server: u32) -> u16 {
        if self.table.is_empty() { 0 } else { self.table[(u32::from(group) * self.servers + server) as usize] }
    }

    /// The route from a server that opens connections to another, by number.
    pub fn route_between(&self, caller: u32, server: u32) -> u16 {
        if self.table.is_empty() {
            return 0;
        }
        let rows = self.table.len() / self.servers as usize;
        let row = self.callers.binary_search(&caller).expect("every server that opens connections has a row");
        self.table[(rows - self.callers.len() + row) * self.servers as usize + server as usize]
    }

    /// Whether latency differs by direction anywhere.
    #[inline]
    pub fn uneven(&self) -> bool {
        self.uneven
    }

    /// Whether any message's latency differs from its pair of hosts'.
    pub fn jittery(&self) -> bool {
        self.jittery
    }

    /// Whether anything is ever lost.
    #[inline]
    pub fn lossy(&self) -> bool {
        self.lossy
    }

    /// One-way latency between a client's host and a server's: the same for each call. Both directions use the
    /// same draw.
    pub fn one_way(&self, route: u16, way: Direction, client: Identity, server: Identity) -> Nanos {
        // A draw's ordinal has 56 bits; the rest of the server's hash is enough to distinguish servers.
        let draw = || self.seed.draw(client, Purpose::Path, server.0 >> 8);
        self.paths[route as usize].span(way).one_way.sample(draw)
    }

    /// Jitter of a message: `which` is its session and its index there.
    #[inline]
    pub fn jitter(&self, route: u16, way: Direction, which: impl FnOnce() -> (Identity, u64)) -> Nanos {
        self.paths[route as usize].span(way).jitter.sample(|| {
            let (session, ordinal) = which();
            self.seed.draw(session, Purpose::Jitter, ordinal)
        })
    }

    /// The bandwidth that a message shares with others, by its index in [`Routes::bottlenecks`].
    pub fn bottleneck(&self, route: u16, way: Direction) -> Option<u16> {
        self.paths[route as usize].span(way).bottleneck
    }

    /// The share of transmissions that are lost.
    pub fn loss(&self, route: u16, way: Direction) -> f64 {
        self.paths[route as usize].span(way).loss
    }
}
