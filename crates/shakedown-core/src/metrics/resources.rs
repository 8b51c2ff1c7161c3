//! Which limited resources of server groups were full, when, and what they turned away or kept waiting.

use super::series::{Series, ServerSeries};
use crate::server::{Event, Reason};
use crate::time::{Nanos, Timestamp};
use crate::{network, server};

/// A resource that can be full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// The links in front of a group, with their queues.
    Link,
    /// The ports of a balancer towards the servers behind it, or of addresses that share a NAT.
    Ports,
    /// `connections_max`.
    Connections,
    /// `address_connections_max`: connections from one address.
    AddressConnections,
    /// `accept_rate`.
    AcceptRate,
    /// `address_rate`.
    AddressRate,
    /// `address_window`.
    AddressWindow,
    /// `transactions_max`.
    Transactions,
    /// `memory`.
    Memory,
    /// `descriptors`.
    Descriptors,
    /// The workers.
    Workers,
    /// `queue_max`: the queue of requests.
    Queue,
    /// `backlog`: the accept queue.
    Backlog,
}

impl Resource {
    /// Every resource. Those that fill up because another one is full are last.
    pub const ALL: [Resource; 13] = [
        Resource::Link,
        Resource::Ports,
        Resource::Connections,
        Resource::AddressConnections,
        Resource::AcceptRate,
        Resource::AddressRate,
        Resource::AddressWindow,
        Resource::Transactions,
        Resource::Memory,
        Resource::Descriptors,
        Resource::Workers,
        Resource::Queue,
        Resource::Backlog,
    ];

    /// The name in results: that of the key that sets its size.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Link => "link",
            Resource::Ports => "ports",
            Resource::Connections => "connections_max",
            Resource::AddressConnections => "address_connections_max",
            Resource::AcceptRate => "accept_rate",
            Resource::AddressRate => "address_rate",
            Resource::AddressWindow => "address_window",
            Resource::Transactions => "transactions_max",
            Resource::Memory => "memory",
            Resource::Descriptors => "descriptors",
            Resource::Workers => "workers",
            Resource::Queue => "queue_max",
            Resource::Backlog => "backlog",
        }
    }

    /// What it turns away or keeps waiting.
    pub fn turns_away(self) -> &'static str {
        match self {
            Resource::Link => "messages dropped",
            Resource::Ports => "connections turned away",
            Resource::Connections | Resource::AddressConnections | Resource::Queue => "requests turned away",
            Resource::AcceptRate | Resource::AddressRate | Resource::AddressWindow | Resource::Transactions => {
                "requests turned away or kept waiting"
            }
            Resource::Memory => "connections and requests turned away, or processes killed",
            Resource::Descriptors => "connections turned away",
            Resource::Workers => "requests kept waiting",
            Resource::Backlog => "connects dropped or refused",
        }
    }

    /// Whether it fills up because nobody works off what it holds: what keeps them from it says more.
    pub fn is_symptom(self) -> bool {
        matches!(self, Resource::Queue | Resource::Backlog)
    }
}

/// A resource of a server group that was full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullResource {
    /// The server group.
    pub group: String,
    /// The resource.
    pub resource: Resource,
    /// When it was first full.
    pub first: Timestamp,
    /// When it was last full.
    pub last: Timestamp,
    /// The time in which it was full at some moment, in whole seconds of the run; of workers, in intervals of the series.
    pub full_for: Nanos,
    /// What it turned away or kept waiting.
    pub turned_away: u64,
}

/// Workers that are this busy have no time left: what comes in addition waits ever longer.
pub const BUSY: f64 = 0.95;

const SECOND: u64 = 1_000_000_000;

/// The use of one resource.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    first: Option<Timestamp>,
    last: Timestamp,
    /// Seconds of the run in which it was full.
    seconds: u64,
    count: u64,
}

/// The resources of all server groups.
#[derive(Debug, Default)]
pub(super) struct Resources {
    groups: Vec<[Use; Resource::ALL.len()]>,
}

impl Resources {
    pub(super) fn new(groups: usize) -> Resources {
        Resources { groups: vec![Default::default(); groups] }
    }

    /// A resource of a group was full.
    #[cold]
    pub(super) fn full(&mut self, now: Timestamp, group: usize, resource: Resource) {
        let of = &mut self.groups[group][resource as usize];
        if of.first.is_none() || of.last.0 / SECOND != now.0 / SECOND {
            of.seconds += 1;
        }
        of.first.get_or_insert(now);
        of.last = now;
        of.count += 1;
    }

    /// A request had to wait for a worker.
    pub(super) fn waits(&mut self, group: usize) {
        self.groups[group][Resource::Workers as usize].count += 1;
    }

    /// The resources that were full, in the order in which they filled up; what fills up because of another one comes after
    /// those that were full by then. `members` are the servers of a group.
    pub(super) fn finish<I: Iterator<Item = usize>>(
        self,
        names: &[String],
        series: &Series,
        is_measured: impl Fn(Timestamp) -> bool,
        members: impl Fn(usize) -> I,
    ) -> Vec<FullResource> {
        let mut all = Vec::new();
        for (group, (uses, name)) in self.groups.into_iter().zip(names).enumerate() {
            let busy = members(group).map(|number| &series.servers[number]);
            let busy = busy_intervals(series, busy.collect(), &is_measured);
            for (resource, of) in Resource::ALL.into_iter().zip(uses) {
                let full = match resource {
                    Resource::Workers => busy,
                    _ => of.first.map(|first| (first, of.last, Nanos(of.seconds * SECOND))),
                };
                if let Some((first, last, full_for)) = full {
                    let turned_away = of.count;
                    all.push(FullResource { group: name.clone(), resource, first, last, full_for, turned_away });
                }
            }
        }
        all.sort_by_key(|full| (full.resource.is_symptom(), full.first, full.resource));
        all
    }
}

/// When workers of a group's members had no time left: the first and the last such interval, and all of them together.
fn busy_intervals(
    series: &Series,
    members: Vec<&ServerSeries>,
    is_measured: impl Fn(Timestamp) -> bool,
) -> Option<(Timestamp, Timestamp, Nanos)> {
    let mut start = Timestamp::ZERO;
    let mut busy: Option<(Timestamp, Timestamp, Nanos)> = None;
    for (number, end) in series.ends.iter().enumerate() {
        let is_busy = members.iter().any(|server| server.utilisation.get(number).is_some_and(|busy| *busy >= BUSY));
        if is_busy && is_measured(start) {
            let (first, _, length) = busy.unwrap_or((start, *end, Nanos::ZERO));
            busy = Some((first, *end, length + end.since(start)));
        }
        start = *end;
    }
    busy
}

/// The resource that was full, by what a server reports. `is_excess` says of a balancer's connection whether it is above the
/// limit of connections; `has_servers` whether any server behind is up.
pub(super) fn of_server(event: server::Event, is_excess: bool, has_servers: bool) -> Option<Resource> {
    match event {
        Event::TurnedAway { reason, .. } | Event::HeldBack { reason, .. } => match reason {
            Reason::QueueFull => Some(Resource::Queue),
            Reason::ConnectionsMax => Some(Resource::Connections),
            Reason::AddressConnections => Some(Resource::AddressConnections),
            Reason::AcceptRate => Some(Resource::AcceptRate),
            Reason::AddressRate => Some(Resource::AddressRate),
            Reason::AddressWindow => Some(Resource::AddressWindow),
            Reason::TransactionsMax => Some(Resource::Transactions),
            Reason::Memory => Some(Resource::Memory),
            Reason::Draining => None,
        },
        Event::OutOfMemory => Some(Resource::Memory),
        Event::Refused { resource: server::Resource::Memory, .. } => Some(Resource::Memory),
        Event::Refused { .. } => Some(Resource::Descriptors),
        Event::TransactionAwaited { .. } => Some(Resource::Transactions),
        Event::NotForwarded { .. } if is_excess => Some(Resource::Connections),
        // A balancer that has room, and servers that are up, lacks a port towards each of them.
        Event::NotForwarded { .. } if has_servers => Some(Resource::Ports),
        _ => None,
    }
}

/// The resource that was full, by what happened in the network in front of a server.
pub(super) fn of_network(event: network::Event) -> Option<Resource> {
    match event {
        network::Event::SynDropped { backlog_full: true, .. }
        | network::Event::SynRefused { backlog_full: true, .. }
        | network::Event::AcceptOverflow { .. } => Some(Resource::Backlog),
        network::Event::NoPort { .. } => Some(Resource::Ports),
        network::Event::QueueFull { .. } => Some(Resource::Link),
        _ => None,
    }
}
