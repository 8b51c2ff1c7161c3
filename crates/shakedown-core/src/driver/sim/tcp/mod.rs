//! The simulated network: TCP as an operating system's user sees it, not packet by packet.
//!
//! It owns connections, what is under way on them, the kernels of the servers' hosts, and what is between: links, limits of
//! bandwidth, balancers that rewrite addresses, partitions. It knows no machine. What arrives for one comes out of the
//! functions that the queue's items are for; whoever gets it says when it is dealt with ([`Tcp::release`]).

mod bandwidth;
pub(super) mod carriers;
mod connect;
pub(super) mod connection;
mod cuts;
mod ends;
mod flow;
mod idle;
mod idle_flows;
mod keepalive;
mod keepalives;
pub(super) mod peers;
mod port_table;
mod ports;
pub(super) mod queue;
pub(super) mod queued;
mod relay;
pub(super) mod segment;
mod stall;
mod stalls;
pub(super) mod tap;
mod tapping;
mod travel;
mod wire;

use std::collections::BTreeMap;

use crate::driver::bottlenecks::Bottlenecks;
use crate::driver::slab::Slab;
use crate::event::{Event, Kind};
use crate::fault::{self, Fault};
use crate::network::{Host, Links, SynSchedule};
use crate::rng::{Identity, Seed};
use crate::scenario::Scenario;
use crate::time::Timestamp;
use carriers::Carriers;
use connection::Connection;
pub(super) use connection::NONE;
use flow::Flow;
use idle_flows::IdleFlows;
use keepalives::Keepalives;
use peers::{ExternalConnections, Peers, ServerHost};
use port_table::PortTable;
use queue::Queue;
use queued::Queued;
use stalls::{SlowRepairs, Stalls};
use tap::Tap;

const _: () = assert!(size_of::<Connection>() == 64);

/// The network, and the clock and the queue of a run.
#[derive(Debug)]
pub(super) struct Tcp {
    seed: Seed,
    pub now: Timestamp,
    /// Events so far.
    pub seq: u64,
    /// Those that nobody has taken yet.
    pub events: Vec<Event>,
    /// What was noticed while something was sent or released: recorded when the item is dealt with.
    pub deferred: Vec<Kind>,
    pub queue: Queue<Queued>,
    pub peers: Peers,
    /// Servers' hosts, by their numbers.
    pub hosts: Vec<ServerHost>,
    pub links: Links,
    pub syn_schedule: SynSchedule,
    data_retries: u8,
    pub faults: Vec<Fault>,
    /// The partitions that last.
    pub partitions: Vec<u32>,
    /// The faults that lose messages, and those that make ways longer; whether they last is asked of each.
    lossy_faults: Vec<u32>,
    latency_faults: Vec<u32>,
    /// Whether anything is ever lost, by a link or a fault.
    lossy: bool,
    /// A message's arrival is its pair's latency later, whatever happens.
    plain: bool,
    /// No fault begins or heals before this.
    pub quiet_until: Timestamp,
    /// Where bandwidth is limited; absent where it nowhere is.
    bottlenecks: Option<Box<Bottlenecks<u32, Queued>>>,
    /// What has come through the last limit of bandwidth.
    pub ready: Vec<Queued>,
    /// Who listens to what is sent; nearly always nobody.
    pub tap: Option<Box<Tap>>,
    /// Who is none of the scenario's; nearly always nobody.
    pub strangers: Option<ExternalConnections>,
    /// Connects whose answers are decided elsewhere.
    pub dialled: Vec<u32>,
    /// Whether there is any of these: what is sent then takes a longer way than it need.
    pub exceptional: bool,
    pub connections: Slab<Connection>,
    pub segments: Slab<Vec<u8>>,
    /// Connections that nobody will hear of again, until whoever has them by numbers of its own has forgotten them.
    pub released: Vec<u32>,
    /// Data that waits for a retransmission.
    stalls: Stalls,
    /// The ports of addresses that connections share; absent where they share none.
    ports: Option<Box<PortTable>>,
    /// Ways on which a loss takes so long to repair that a kernel would not, for a closed connection.
    slow_repairs: SlowRepairs,
    /// Connections that carry streams.
    pub carriers: Carriers,
    /// Whether any balancer rewrites addresses, and the connections through those that do.
    relays: bool,
    flows: BTreeMap<u32, Flow>,
    /// When kernels give up connections; absent where none has an option set.
    pub keepalives: Option<Box<Keepalives>>,
    /// Which flows balancers forget when nothing comes; absent where they keep all.
    pub idle_flows: Option<Box<IdleFlows>>,
    /// Flows that balancers have no more: the balancer, and the server that it was to.
    pub ended_flows: Vec<(u32, u32)>,
}

impl Tcp {
    /// The network of a scenario. The groups of servers that pass packets on are told by their places in it.
    pub(super) fn new(scenario: &Scenario, is_relay: impl Fn(usize) -> bool) -> Tcp {
        let links = Links::new(scenario.seed(), scenario.routes());
        let of_kind = |kind| {
            let faults = (0..).zip(scenario.faults());
            let is_meant = |fault: &Fault| fault.windows.iter().any(|window| window.action.kind() == kind);
            faults.filter(|(_, fault)| is_meant(fault)).map(|(number, _)| number).collect::<Vec<u32>>()
        };
        let hosts = scenario.servers().iter().map(|server| {
            let config = &scenario.groups()[server.group];
            ServerHost {
                kernel: Host::new(config.backlog, config.backlog_overflow),
                identity: Identity::group(&server.name),
                is_relay: is_relay(server.group),
                is_external: false,
                quiet_until: Timestamp::NEVER,
            }
        });
        let hosts: Vec<ServerHost> = hosts.collect();
        let (lossy_faults, latency_faults) = (of_kind(fault::Kind::Lossy), of_kind(fault::Kind::Latency));
        let lossy = links.lossy() || !lossy_faults.is_empty();
        let bottlenecks = Bottlenecks::new(scenario);
        let relays = (0..scenario.groups().len()).any(is_relay);
        let late = links.jittery() || links.uneven() || !latency_faults.is_empty();
        Tcp {
            seed: scenario.seed(),
            now: Timestamp::ZERO,
            seq: 0,
            events: Vec::new(),
            deferred: Vec::new(),
            queue: Queue::default(),
            peers: Peers::new(scenario),
            hosts,
            links,
            syn_schedule: scenario.network().syn_retries.schedule(),
            data_retries: scenario.network().data_retries,
            faults: scenario.faults().to_vec(),
            partitions: Vec::new(),
            lossy_faults,
            latency_faults,
            lossy,
            plain: !(late || lossy || bottlenecks.is_some() || relays),
            quiet_until: Timestamp::NEVER,
            exceptional: bottlenecks.is_some(),
            bottlenecks,
            ready: Vec::new(),
            tap: None,
            strangers: None,
            dialled: Vec::new(),
            connections: Slab::with_capacity(scenario.sessions() as usize),
            segments: Slab::default(),
            released: Vec::new(),
            stalls: Stalls::default(),
            ports: PortTable::new(scenario),
            slow_repairs: SlowRepairs::default(),
            carriers: Carriers::default(),
            relays,
            flows: BTreeMap::new(),
            idle_flows: IdleFlows::new(scenario),
            keepalives: Keepalives::new(scenario),
            ended_flows: Vec::new(),
        }
    }

    /// Something happened now.
    #[inline]
    pub(super) fn record(&mut self, kind: Kind) {
        self.events.push(Event { at: self.now, seq: self.seq, kind });
        self.seq += 1;
    }

    /// Records what was put off.
    #[cold]
    pub(super) fn record_deferred(&mut self) {
        let mut deferred = std::mem::take(&mut self.deferred);
        for kind in deferred.drain(..) {
            self.record(kind);
        }
        self.deferred = deferred;
    }
}

#[cfg(test)]
mod tests;
