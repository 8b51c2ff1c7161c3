//! The common settings of a server group's members, ready to run.

use super::balancer::{Balancing, Forwarding, OnDown, PickBackend};
use super::behavior::{Behavior, Choice};
use super::calls::CallPlan;
use super::config::{Group, Machine, WarmUp, WebServer, Workers};
use super::limits::{Bucket, OverRate, WhenFull};
use super::queue::{Job, QueueFull, QueueOrder, Work};
use super::targets::{Pick, PickMember};
use super::tls::{TlsConfig, TlsKeys};
use super::transactions::TransactionsFull;
use crate::rng::{Distribution, Purpose, Sampler, Seed};
use crate::time::Nanos;
use crate::tls;

/// The common settings of a server group's members, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub(super) workers: u32,
    service_time: Sampler,
    prices: Option<Prices>,
    pub(super) warm_up: Option<WarmUp>,
    /// Requests cost no time at all.
    free: bool,
    /// The TLS version of the members.
    pub(super) tls: tls::Version,
    /// A worker's time for a full and for a resumed TLS handshake.
    tls_cost: [Sampler; 2],
    tickets: Option<Nanos>,
    keys: TlsKeys,
    pub(super) connections_max: u32,
    pub(super) when_full: WhenFull,
    /// The servers that connections above the limit are redirected to.
    pub(super) overflow: Pick,
    pub(super) queue_max: u32,
    pub(super) queue_full: QueueFull,
    pub(super) order: QueueOrder,
    /// Maximum of concurrent HTTP transactions.
    pub(super) transactions_max: Option<u32>,
    pub(super) transactions_full: TransactionsFull,
    pub(super) accept_rate: Option<Bucket>,
    pub(super) address_rate: Option<Bucket>,
    pub(super) over_rate: OverRate,
    pub(super) handshake_timeout: Option<Nanos>,
    /// Whether a member may need wake-ups other than for finished work.
    pub(super) timed: bool,
    pub(super) behaviors: Vec<Behavior>,
    pub(super) calls: Vec<CallPlan>,
    pub(super) calls_hold_worker: bool,
    /// Whether other servers' calls are answered.
    pub(super) serves: bool,
    /// The members' HTTP/2 SETTINGS: whether extended CONNECT is enabled, and the maximum of concurrent streams.
    pub(super) extended_connect: bool,
    pub(super) streams_max: u32,
    /// The balancer settings, if its members are balancers.
    pub(super) balancing: Option<Box<Balancing>>,
    /// The proxy settings, if its members are forward proxies.
    pub(super) tunnels: Option<Tunnels>,
}

impl Plan {
    /// A group, ready to run.
    pub fn new(group: &Group) -> Plan {
        match &group.machine {
            Machine::Web(web) => Plan::of(web),
            Machine::Program(_) => Plan::of(&WebServer::default()),
            Machine::Balancer(balancing) => {
                let balancing = Some(Box::new(balancing.clone()));
                Plan { balancing, ..Plan::of(&WebServer::default()) }
            }
            Machine::Proxy(proxy) => {
                let tunnels = Some(Tunnels { connect_timeout: proxy.connect_timeout });
                Plan { tunnels, ..Plan::of(&proxy.as_web()) }
            }
        }
    }

    fn of(web: &WebServer) -> Plan {
        let WebServer { workers, connections, rates, behaviors, .. } = web;
        let prices = Prices::new(workers);
        let (queue_max, queue_full) = workers.queue.unwrap_or((u32::MAX, QueueFull::default()));
        let tls_cost = |cost: fn(&TlsConfig) -> &Distribution| {
            web.tls.as_ref().map_or(Sampler::Constant(Nanos::ZERO), |tls| cost(tls).sampler())
        };
        Plan {
            workers: workers.count,
            free: prices.is_none()
                && !web.calls_hold_worker
                && workers.service_time.sampler() == Sampler::Constant(Nanos::ZERO),
            prices,
            tls: web.tls.as_ref().map_or(tls::Version::None, |tls| tls.version),
            tls_cost: [tls_cost(|tls| &tls.cost), tls_cost(|tls| &tls.resumed_cost)],
            tickets: web.tls.as_ref().map(|tls| tls.tickets).filter(|life| *life > Nanos::ZERO),
            keys: web.tls.as_ref().map(|tls| tls.keys).unwrap_or_default(),
            warm_up: web.warm_up,
            service_time: workers.service_time.sampler(),
            connections_max: connections.as_ref().map_or(u32::MAX, |limit| limit.most),
            when_full: connections.as_ref().map(|limit| limit.when_full).unwrap_or_default(),
            overflow: Pick::in_turn(connections.as_ref().map(|limit| limit.overflow.clone()).unwrap_or_default()),
            queue_max,
            queue_full,
            order: workers.order,
            transactions_max: web.transactions.map(|(most, _)| most),
            transactions_full: web.transactions.map(|(_, full)| full).unwrap_or_default(),
            accept_rate: rates.all.as_ref().map(Bucket::new),
            address_rate: rates.address.as_ref().map(Bucket::new),
            over_rate: rates.over,
            handshake_timeout: web.handshake_timeout,
            timed: rates.all.is_some() || rates.address.is_some() || web.handshake_timeout.is_some(),
            serves: behaviors.iter().any(|behavior| matches!(behavior.choice, Choice::Serve)),
            behaviors: behaviors.clone(),
            calls: web.calls.clone(),
            calls_hold_worker: web.calls_hold_worker,
            extended_connect: web.extended_connect,
            streams_max: web.streams_max,
            balancing: None,
            tunnels: None,
        }
    }

    /// Whether the group's hosts forward packets (NAT), so that connections never end there.
    pub fn rewrites_addresses(&self) -> bool {
        self.balancing.as_ref().is_some_and(|balancing| balancing.forwarding == Forwarding::Nat)
    }

    /// Whether connections to a server that is marked down are cut.
    pub fn cuts_when_down(&self) -> bool {
        self.balancing
            .as_ref()
            .is_some_and(|balancing| balancing.health.is_some_and(|health| health.on_down == OnDown::Reset))
    }

    /// Whether a process of the group has something to do from its start on.
    pub fn starts(&self) -> bool {
        self.balancing.is_some()
    }

    /// Whether members need the addresses of connections ([`super::Server::comes_from`]).
    pub fn asks_for_addresses(&self) -> bool {
        let hashes = |balancing: &Balancing| balancing.pick == PickBackend::SourceHash;
        let hashes = self.balancing.as_deref().is_some_and(hashes);
        let of_targets = self.behaviors.iter().filter_map(Behavior::pick).any(Pick::asks_for_address);
        self.address_rate.is_some() || !self.calls.is_empty() || hashes || of_targets
    }

    /// The TLS version of the members.
    pub fn tls(&self) -> tls::Version {
        self.tls
    }

    /// Lifetime of a member's session tickets; `None` if it issues none.
    pub fn tickets(&self) -> Option<Nanos> {
        self.tickets
    }

    /// Which members can decrypt a member's tickets.
    pub fn tls_keys(&self) -> TlsKeys {
        self.keys
    }

    /// Whether some work costs no time at all.
    pub(super) fn is_free(&self, work: &Work) -> bool {
        match work {
            Work::Tls { resumed } => self.tls_cost[usize::from(*resumed)] == Sampler::Constant(Nanos::ZERO),
            Work::Request(_) => self.free,
        }
    }

    /// A worker's time for a job.
    pub(super) fn work(&self, seed: Seed, job: &Job) -> Nanos {
        let asked = match &job.work {
            Work::Tls { resumed } => {
                return self.tls_cost[usize::from(*resumed)].sample(|| seed.draw(job.client, Purpose::TlsCost, 0));
            }
            Work::Request(asked) => asked,
        };
        let service_time = || self.service_time.sample(|| seed.draw(job.client, Purpose::Service, 0));
        match &self.prices {
            None => service_time(),
            Some(prices) => {
                let behavior = self.behaviors.get(asked.behavior as usize);
                let opens = behavior.is_none_or(|behavior| matches!(behavior.choice, Choice::Accept | Choice::Serve));
                prices.work(seed, job, opens, asked.verdict.was_checked(), service_time)
            }
        }
    }

    /// How often the driver should report peers' open connections, if a behavior asks for it.
    pub fn report_every(&self) -> Option<Nanos> {
        let picks = self.behaviors.iter().filter_map(Behavior::pick);
        let periods = picks.filter(|pick| pick.how == PickMember::LeastConnections).map(|pick| pick.report_every);
        periods.min()
    }
}

/// A worker's time besides `service_time`.
#[derive(Debug)]
struct Prices {
    accept_time: Option<Sampler>,
    auth_time: Option<Sampler>,
}

impl Prices {
    /// `None` if there is only `service_time`.
    fn new(config: &Workers) -> Option<Prices> {
        let sampler = |time: &Option<Distribution>| time.as_ref().map(Distribution::sampler);
        let prices = Prices { accept_time: sampler(&config.accept_time), auth_time: sampler(&config.auth_time) };
        (prices.accept_time.is_some() || prices.auth_time.is_some()).then_some(prices)
    }

    fn work(&self, seed: Seed, job: &Job, opens: bool, checked: bool, service_time: impl FnOnce() -> Nanos) -> Nanos {
        let price = |price: &Option<Sampler>, purpose| {
            price.as_ref().map_or(Nanos::ZERO, |price| price.sample(|| seed.draw(job.client, purpose, 0)))
        };
        let mut work = price(&self.accept_time, Purpose::AcceptTime);
        if opens || checked {
            work += price(&self.auth_time, Purpose::AuthTime);
        }
        if opens || self.accept_time.is_none() {
            work += service_time();
        }
        work
    }
}

/// The proxy settings of a server.
#[derive(Debug)]
pub(super) struct Tunnels {
    pub connect_timeout: Nanos,
}
