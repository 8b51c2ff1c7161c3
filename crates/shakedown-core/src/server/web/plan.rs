//! The common settings of web servers of one group, ready to run.

use crate::rng::{Distribution, Purpose, Sampler, Seed};
use crate::server::behavior::{Behavior, Choice};
use crate::server::calls::CallPlan;
use crate::server::clocks::ClocksPlan;
use crate::server::config::{WarmUp, WebServer};
use crate::server::context;
use crate::server::limits::{Bucket, OverRate, WhenFull, WindowConfig};
use crate::server::queue::Job;
use crate::server::resources::{Accepts, ResourceLimit};
use crate::server::supervision::{Probe, ProbeConfig};
use crate::server::targets::{Pick, PickMember};
use crate::server::tls::{Certificate, TlsConfig, TlsKeys};
use crate::server::transactions::TransactionsFull;
use crate::server::work::Work;
use crate::server::workers::WorkersPlan;
use crate::time::Nanos;
use crate::tls;

/// What a web server is given with each input.
pub(in crate::server) type Context<'a> = context::Context<'a, WebPlan>;

/// The common settings of web servers of one group, ready to run.
#[derive(Debug)]
pub(in crate::server) struct WebPlan {
    pub(super) workers: WorkersPlan,
    pub(super) warm_up: Option<WarmUp>,
    /// Requests cost no time at all.
    free: bool,
    /// The TLS version of the members.
    pub(in crate::server) tls: tls::Version,
    /// A worker's time for a full and for a resumed TLS handshake.
    tls_cost: [Sampler; 2],
    /// Lifetime of a member's session tickets; absent: it issues none.
    pub(in crate::server) tickets: Option<Nanos>,
    /// What clients find of the members' certificate.
    pub(in crate::server) certificate: Option<Certificate>,
    /// Which members can decrypt a member's tickets.
    pub(in crate::server) keys: TlsKeys,
    pub(super) connections_max: u32,
    pub(super) when_full: WhenFull,
    /// The servers that connections above the limit are redirected to.
    pub(super) overflow: Pick,
    /// Maximum of concurrent HTTP transactions.
    pub(super) transactions_max: Option<u32>,
    pub(super) transactions_full: TransactionsFull,
    pub(super) accept_rate: Option<Bucket>,
    pub(super) address_rate: Option<Bucket>,
    pub(super) address_window: Option<WindowConfig>,
    pub(super) address_connections: Option<u32>,
    pub(super) over_rate: OverRate,
    pub(super) handshake_timeout: Option<Nanos>,
    pub(super) clocks: ClocksPlan,
    /// Whether a member may hold requests back.
    pub(super) timed: bool,
    /// Whether members accept nothing while they are busy, or while something is used up.
    pub(in crate::server) waits_to_accept: bool,
    pub(super) accepts: Accepts,
    /// What there is little of.
    pub(super) resources: Vec<ResourceLimit>,
    /// The probes of each kind.
    probes: [Option<ProbeConfig>; 2],
    pub(super) behaviors: Vec<Behavior>,
    pub(super) calls: Vec<CallPlan>,
    pub(super) calls_hold_worker: bool,
    /// Whether they take what RFC 6455 section 5.1 and RFC 9112 tell them to refuse.
    pub(super) lax: bool,
    /// Whether other servers' calls are answered.
    pub(super) serves: bool,
    /// The members' HTTP/2 SETTINGS: whether extended CONNECT is enabled, and the maximum of concurrent streams.
    pub(super) extended_connect: bool,
    pub(super) streams_max: u32,
}

impl WebPlan {
    pub(in crate::server) fn new(web: &WebServer) -> WebPlan {
        let WebServer { workers, connections, rates, behaviors, .. } = web;
        let workers = WorkersPlan::new(workers);
        let tls_cost = |cost: fn(&TlsConfig) -> &Distribution| {
            web.tls.as_ref().map_or(Sampler::Constant(Nanos::ZERO), |tls| cost(tls).sampler())
        };
        WebPlan {
            free: workers.is_free() && !web.calls_hold_worker,
            workers,
            tls: web.tls.as_ref().map_or(tls::Version::None, |tls| tls.version),
            tls_cost: [tls_cost(|tls| &tls.cost), tls_cost(|tls| &tls.resumed_cost)],
            tickets: web.tls.as_ref().map(|tls| tls.tickets).filter(|life| *life > Nanos::ZERO),
            certificate: web.tls.as_ref().and_then(|tls| tls.certificate.clone()),
            keys: web.tls.as_ref().map(|tls| tls.keys).unwrap_or_default(),
            warm_up: web.warm_up,
            connections_max: connections.as_ref().map_or(u32::MAX, |limit| limit.most),
            when_full: connections.as_ref().map(|limit| limit.when_full).unwrap_or_default(),
            overflow: Pick::in_turn(connections.as_ref().map(|limit| limit.overflow.clone()).unwrap_or_default()),
            transactions_max: web.transactions.map(|(most, _)| most),
            transactions_full: web.transactions.map(|(_, full)| full).unwrap_or_default(),
            accept_rate: rates.all.as_ref().map(Bucket::new),
            address_rate: rates.address.as_ref().map(Bucket::new),
            address_window: rates.window,
            address_connections: rates.connections,
            over_rate: rates.over,
            handshake_timeout: web.handshake_timeout,
            clocks: ClocksPlan::new(&web.clocks),
            timed: rates.all.is_some() || rates.address.is_some() || rates.window.is_some(),
            serves: behaviors.iter().any(|behavior| matches!(behavior.choice, Choice::Serve)),
            waits_to_accept: web.waits_to_accept(),
            accepts: web.accepts,
            resources: web.resources.clone(),
            probes: web.supervision.map_or([None; 2], |supervision| supervision.probes),
            behaviors: behaviors.clone(),
            calls: web.calls.clone(),
            calls_hold_worker: web.calls_hold_worker,
            lax: web.lax,
            extended_connect: web.extended_connect,
            streams_max: web.streams_max,
        }
    }

    /// Whether members need the addresses of connections.
    pub(in crate::server) fn asks_for_addresses(&self) -> bool {
        let of_targets = self.behaviors.iter().filter_map(Behavior::pick).any(Pick::asks_for_address);
        let limits = self.address_rate.is_some() || self.address_window.is_some() || self.address_connections.is_some();
        limits || !self.calls.is_empty() || of_targets
    }

    /// Whether requests may come too fast.
    #[inline]
    pub(super) fn limits_rates(&self) -> bool {
        self.accept_rate.is_some() || self.address_rate.is_some() || self.address_window.is_some()
    }

    /// Whether some work costs no time at all.
    pub(super) fn is_free(&self, work: &Work) -> bool {
        match work {
            Work::Tls { resumed } => self.tls_cost[usize::from(*resumed)] == Sampler::Constant(Nanos::ZERO),
            Work::Request(_) => self.free,
            Work::Probe(_) => false,
        }
    }

    /// The probe that a number is of.
    pub(super) fn probe(&self, number: u32) -> ProbeConfig {
        self.probes[Probe::of(number) as usize].unwrap_or_default()
    }

    /// A worker's time for a job.
    pub(super) fn work(&self, seed: Seed, job: &Job<Work>) -> Nanos {
        match &job.work {
            Work::Tls { resumed } => {
                self.tls_cost[usize::from(*resumed)].sample(|| seed.draw(job.client, Purpose::TlsCost, 0))
            }
            Work::Probe(number) => self.probe(*number).service_time,
            Work::Request(asked) => self.workers.work(seed, job.client, || {
                let behavior = self.behaviors.get(asked.behavior as usize);
                let opens = behavior.is_none_or(|behavior| matches!(behavior.choice, Choice::Accept | Choice::Serve));
                (opens, asked.verdict.was_checked())
            }),
        }
    }

    /// How often the driver should report peers' open connections, if a behavior asks for it.
    pub(in crate::server) fn report_every(&self) -> Option<Nanos> {
        let picks = self.behaviors.iter().filter_map(Behavior::pick);
        let periods = picks.filter(|pick| pick.how == PickMember::LeastConnections).map(|pick| pick.report_every);
        periods.min()
    }
}
