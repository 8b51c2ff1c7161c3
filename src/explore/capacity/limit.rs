//! Which resource of a fleet fills up first, from what was recorded of its servers and of the network in front of them.

use crate::explore::single_run::Finished;
use crate::metrics::{BUSY, Resource, Value};
use crate::network::AccessLink;
use crate::report::capacity::{Kind, Limit};
use crate::report::figure::{Unit, magnitude};
use crate::rng::{Distribution, Identity, Purpose, Seed, Varying};
use crate::scenario::Scenario;
use crate::server;
use crate::time::{Nanos, Timestamp, human};

/// How full one resource of a group is in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Fill {
    /// The server group; of a link, the scenario's key.
    pub group: String,
    /// The resource.
    pub resource: &'static str,
    /// 1 is full; of workers, the busiest member's.
    pub fill: f64,
    /// What it turned away or made wait, beyond what waits for a worker anyway.
    pub turned_away: u64,
    /// Whether its queue still grew at the end of the arrivals.
    pub grows: bool,
}

/// Connects that take so many times as long wait in front of a link.
const SLOWER: f64 = 1.5;

/// What is less full than this is no limit.
const SLACK: f64 = 0.5;

/// Every resource that has a limit. `first` and `last` are the first and the last arrival.
pub(super) fn fills(scenario: &Scenario, finished: &Finished, first: Timestamp, last: Timestamp) -> Vec<Fill> {
    let summary = &finished.measured.summary;
    let mut fills = Vec::new();
    for (number, (group, config)) in scenario.groups().iter().enumerate() {
        let of = |metric: &str| summary.count(&format!("servers.{group}.{metric}"));
        let turned_away = |resource: Resource| {
            let all = finished.measured.full.iter();
            all.filter(|full| full.group == *group && full.resource == resource).map(|full| full.turned_away).sum()
        };
        let members: Vec<&str> = scenario
            .servers()
            .iter()
            .filter(|server| server.group == number)
            .map(|server| server.name.as_str())
            .collect();
        let mut add = |resource, fill: f64, turned_away| {
            fills.push(Fill { group: group.clone(), resource, fill, turned_away, grows: false });
        };
        if config.balancer().is_none() {
            let of_members = members.iter().map(|member| busy(finished, member, first, last));
            add("workers", of_members.fold(0.0, f64::max), 0);
        }
        let full = |most: u64, limit: u32| if limit == 0 { 1.0 } else { most as f64 / f64::from(limit) };
        if let Some(limit) = config.connections_max() {
            add("connections_max", full(of("open_connections_max"), limit), turned_away(Resource::Connections));
        }
        if let Some((limit, _)) = config.web().and_then(|web| web.transactions) {
            let turned_away = turned_away(Resource::Transactions);
            add("transactions_max", full(of("transactions_in_use_max"), limit), turned_away);
        }
        if let Some(rates) = config.web().map(|web| &web.rates) {
            for (is_limited, resource) in [
                (rates.connections.is_some(), Resource::AddressConnections),
                (rates.all.is_some(), Resource::AcceptRate),
                (rates.address.is_some(), Resource::AddressRate),
                (rates.window.is_some(), Resource::AddressWindow),
            ] {
                if is_limited {
                    let over = turned_away(resource);
                    add(resource.name(), if over > 0 { 1.0 } else { 0.0 }, over);
                }
            }
        }
        for limit in config.web().map_or(&[][..], |web| &web.resources) {
            let (most, resource) = match limit.resource {
                server::Resource::Memory => (of("memory_in_use_max"), Resource::Memory),
                server::Resource::Descriptors => (of("descriptors_in_use_max"), Resource::Descriptors),
            };
            add(limit.resource.name(), most as f64 / limit.max.max(1) as f64, turned_away(resource));
        }
        if let Some((limit, _)) = config.workers().and_then(|workers| workers.queue) {
            add("queue_max", full(of("queue_depth_max"), limit), turned_away(Resource::Queue));
        }
        let or_none = |count: u64| if count > 0 { 1.0 } else { 0.0 };
        let count = turned_away(Resource::Backlog);
        add("backlog", or_none(count), count);
        if config.balancer().is_some() {
            let count = turned_away(Resource::Ports);
            add("ports", or_none(count), count);
        }
        let grows = grows(finished, &members, first, last);
        fills.iter_mut().filter(|fill| fill.group == *group).for_each(|fill| fill.grows = grows);
        if let Some(link) = links(scenario, Some(group), true).into_iter().next() {
            let turned_away = turned_away(Resource::Link);
            let fill = or_none(turned_away);
            fills.push(Fill { group: link, resource: "link", fill, turned_away, grows: false });
        }
    }
    fills
}

/// How busy a member's workers are in the second half of the arrivals; where that is shorter than an interval, over all
/// that was measured.
fn busy(finished: &Finished, member: &str, first: Timestamp, last: Timestamp) -> f64 {
    let measured = &finished.measured;
    let middle = Timestamp(first.0 + (last.0.saturating_sub(first.0)) / 2);
    let series = measured.series.servers.iter().find(|server| server.name == member);
    let within: Vec<f64> = series
        .into_iter()
        .flat_map(|server| measured.series.ends.iter().zip(&server.utilisation))
        .filter(|(end, _)| **end > middle && **end <= last)
        .map(|(_, busy)| *busy)
        .collect();
    match (within.len(), measured.summary.get(&format!("servers.{member}.utilisation.mean"))) {
        (0, Some(Value::Ratio(Some(busy)))) => busy,
        (0, _) => 0.0,
        (count, _) => within.iter().sum::<f64>() / count as f64,
    }
}

/// Whether a group's queue is half as long again at the last arrival as it was half-way.
fn grows(finished: &Finished, members: &[&str], first: Timestamp, last: Timestamp) -> bool {
    let series = &finished.measured.series;
    let middle = Timestamp(first.0 + (last.0.saturating_sub(first.0)) / 2);
    let depth = |at: Timestamp| -> u64 {
        let number = series.ends.partition_point(|end| *end < at).min(series.ends.len().saturating_sub(1));
        let of_members = series.servers.iter().filter(|server| members.contains(&server.name.as_str()));
        of_members.filter_map(|server| server.queue_depth.get(number)).map(|depth| u64::from(*depth)).sum()
    };
    let (half, end) = (depth(middle), depth(last));
    end >= 20 && end * 2 > half * 3
}

/// One value's fills over all seeds: means, and whether any turned away.
pub(super) fn over_seeds(all: &[&[Fill]]) -> Vec<Fill> {
    let Some(first) = all.first() else { return Vec::new() };
    let seeds = all.len();
    (0..first.len())
        .map(|number| {
            let of = || all.iter().filter_map(move |fills| fills.get(number));
            Fill {
                fill: of().map(|fill| fill.fill).sum::<f64>() / seeds as f64,
                turned_away: of().map(|fill| fill.turned_away).sum(),
                grows: of().filter(|fill| fill.grows).count() * 2 > seeds,
                ..first[number].clone()
            }
        })
        .collect()
}

/// The resource that stands in the way: `holds` and `fails` are the fills of the last load that holds and of the first
/// that does not, and `on_the_way` those of every load between the lightest and the failing one, in order; `connects` is what a
/// connect takes in milliseconds at the lightest and at the failing one.
pub(super) fn limit(
    scenario: &Scenario,
    holds: &[Fill],
    fails: &[Fill],
    on_the_way: &[&[Fill]],
    connects: Option<(f64, f64)>,
) -> Option<Limit> {
    // The first load at which a resource is full: it turns away, or its workers have no time left. What follows from
    // another's being full comes later in the list, or at a higher load.
    let full = |fill: &Fill| match fill.resource {
        "workers" => fill.fill >= BUSY,
        _ => fill.turned_away > 0,
    };
    let first_full = |number: usize| on_the_way.iter().position(|fills| fills.get(number).is_some_and(full));
    let full_ones = (0..fails.len()).filter_map(|number| Some((first_full(number)?, number)));
    // A queue is full because its workers are busy: the cause says more than the queue.
    let is_symptom = |name: &str| Resource::ALL.iter().any(|one| one.name() == name && one.is_symptom());
    let symptom = |number: usize| u8::from(is_symptom(fails[number].resource));
    let earliest = full_ones.min_by_key(|(at, number)| (*at, symptom(*number), *number)).map(|(_, number)| number);
    let earliest = earliest.map(|number| match fails[number].resource {
        "queue_max" => (0..fails.len())
            .find(|other| {
                let other = &fails[*other];
                other.resource == "workers" && other.group == fails[number].group && other.fill >= 0.9
            })
            .unwrap_or(number),
        _ => number,
    });
    let fullest = || (0..fails.len()).max_by(|a, b| fails[*a].fill.total_cmp(&fails[*b].fill).then(b.cmp(a)));
    if earliest.is_none() {
        // A link whose queue has no bound drops nothing: it makes connects wait, which no server has a part in.
        let waits = connects.filter(|(least, now)| *now > *least * SLOWER);
        if let Some((of, (least, now))) = links(scenario, None, false).into_iter().next().zip(waits) {
            let [least, now] = [least, now].map(|ms| magnitude(ms, Unit::Ms));
            let evidence = format!("a connect takes {now}, and {least} where the load is lightest");
            return Some(Limit { of, resource: "link".into(), fill: (0.0, 1.0), evidence, grows: false });
        }
        if fullest().is_none_or(|number| fails[number].fill < SLACK) {
            return None;
        }
    }
    let number = earliest.or_else(fullest)?;
    let (fill, before) = (&fails[number], holds.get(number).map_or(0.0, |fill| fill.fill));
    let evidence = match (fill.resource, fill.turned_away) {
        ("workers", _) => format!("the busiest member's workers are busy {}", Kind::Share.shown(fill.fill)),
        (resource, 0) => format!("{resource} is {} full", Kind::Share.shown(fill.fill)),
        ("backlog", count) => format!("SYNs that found it full, over all seeds: {}", crate::text::grouped(count)),
        ("link", count) => {
            format!("messages that found its queue full, over all seeds: {}", crate::text::grouped(count))
        }
        (_, count) => format!("turned away or kept waiting, over all seeds: {}", crate::text::grouped(count)),
    };
    Some(Limit {
        of: fill.group.clone(),
        resource: fill.resource.into(),
        fill: (before, fill.fill),
        evidence,
        grows: fill.grows && fill.fill >= 0.9,
    })
}

/// The keys of the links that have a bandwidth, and a queue where that is asked for: those of a server group or of all,
/// then those of the network, then those of the clients.
fn links(scenario: &Scenario, group: Option<&str>, queued: bool) -> Vec<String> {
    let is_one = |link: &Option<AccessLink>| link.as_ref().is_some_and(|link| link.queue.is_some() || !queued);
    let servers = scenario
        .groups()
        .iter()
        .filter(|(name, config)| group.is_none_or(|group| *name == group) && is_one(&config.access_link));
    let clients = scenario.clients().iter().filter(|(_, config)| is_one(&config.access_link));
    let of = |kind: &str, name: &str| format!("{kind}.{name}.access_link");
    let links = scenario
        .network()
        .links
        .iter()
        .filter(|(_, link)| link.bandwidth.is_some() && (link.queue.is_some() || !queued));
    servers
        .map(|(name, _)| of("servers", name))
        .chain(links.map(|(name, _)| format!("network.links.{name}.bandwidth")))
        .chain(clients.map(|(name, _)| of("clients", name)))
        .collect()
}

/// What a worker's time is spent on in a group: the key of each price, and what it is in the mean, the largest first.
fn prices(scenario: &Scenario, group: &str) -> Vec<(String, Nanos)> {
    let Some(config) = scenario.groups().get(group) else { return Vec::new() };
    let mut prices: Vec<(&str, &Distribution)> = Vec::new();
    if let Some(workers) = config.workers() {
        prices.push(("service_time", &workers.service_time));
        prices.extend(workers.accept_time.as_ref().map(|time| ("accept_time", time)));
        prices.extend(workers.auth_time.as_ref().map(|time| ("auth_time", time)));
    }
    if let Some(tls) = config.web().and_then(|web| web.tls.as_ref()) {
        prices.push(("tls_cost", &tls.cost));
        prices.push(("tls_resumed_cost", &tls.resumed_cost));
    }
    let mean = |of: &Distribution| {
        // What has no simple mean is drawn: within half a percent.
        const DRAWS: u64 = 65_536;
        match of {
            Distribution::Constant(value) | Distribution::Varying(Varying::Exponential { mean: value }) => {
                return *value;
            }
            Distribution::Varying(Varying::Uniform { min, max }) => return Nanos(min.0.midpoint(max.0)),
            Distribution::Varying(_) => {}
        }
        let sampler = of.sampler();
        let draw = |n| sampler.sample(|| Seed(0).draw(Identity(0), Purpose::Service, n)).0;
        Nanos((0..DRAWS).map(draw).sum::<u64>() / DRAWS)
    };
    let kind = if config.is_proxy() { "proxies" } else { "servers" };
    let mut prices: Vec<(String, Nanos)> =
        prices.into_iter().map(|(key, of)| (format!("{kind}.{group}.{key}"), mean(of))).collect();
    prices.retain(|(_, mean)| *mean > Nanos::ZERO);
    prices.sort_by_key(|(_, mean)| std::cmp::Reverse(*mean));
    if config.web().is_some_and(|web| web.calls_hold_worker && !web.calls.is_empty()) {
        prices.push((format!("{kind}.{group}.calls_hold_worker"), Nanos::ZERO));
    }
    prices
}

/// What to change where this is the limit.
pub(super) fn advice(limit: &Limit, scenario: &Scenario) -> String {
    let of = &limit.of;
    match limit.resource.as_str() {
        "workers" => {
            let kind =
                if scenario.groups().get(of).is_some_and(|group| group.is_proxy()) { "proxies" } else { "servers" };
            let shown = |(key, mean): (String, Nanos)| match mean {
                Nanos::ZERO => key,
                mean => format!("{key}, {}", human(mean)),
            };
            let prices: Vec<String> = prices(scenario, of).into_iter().map(shown).collect();
            format!(
                "To change: more members ({kind}.{of}.count), more workers each ({kind}.{of}.workers) or less work per \
                 handshake ({}).",
                prices.join("; ")
            )
        }
        "connections_max" => format!(
            "To change: a higher servers.{of}.connections_max, more members (servers.{of}.count), or shorter sessions (hold)."
        ),
        "transactions_max" => format!(
            "To change: a higher servers.{of}.transactions_max, or a mode that gives transactions back (final-response)."
        ),
        key @ ("accept_rate" | "address_rate" | "address_window" | "address_connections_max") => {
            format!("To change: a higher servers.{of}.{key}, or more members (servers.{of}.count).")
        }
        "memory" => format!("To change: more servers.{of}.memory.max, or more members (servers.{of}.count)."),
        "descriptors" => format!("To change: more servers.{of}.descriptors.max, or more members (servers.{of}.count)."),
        "queue_max" => {
            format!(
                "To change: a longer servers.{of}.queue_max, if its clients wait that long; or more workers behind it."
            )
        }
        "ports" => format!(
            "To change: more members (servers.{of}.count), more servers behind them, or a higher servers.{of}.ports."
        ),
        "backlog" => format!("To change: a larger servers.{of}.backlog, or clients that come less at once."),
        _ => format!("To change: {of}."),
    }
}
