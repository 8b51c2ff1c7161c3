//! What turmoil can't honour: refused before the run, all of it at once, rather than left out silently.

use super::programs::Programs;
use super::world::SHORTEST_WAY;
use shakedown_core::fault::{Fault, Kind};
use shakedown_core::network;
use shakedown_core::quantity::Loss;
use shakedown_core::rng::{Distribution, Varying};
use shakedown_core::scenario::Scenario;
use shakedown_core::server::Forwarding;
use shakedown_core::time::Nanos;

/// Whether ways are shorter than turmoil can keep them. Of those that have no least, a few may be: what takes those comes late.
fn short(way: &Distribution) -> bool {
    let least = match way {
        Distribution::Constant(length) => *length,
        Distribution::Varying(Varying::Uniform { min, .. }) => *min,
        Distribution::Varying(Varying::Exponential { .. }) => Nanos::ZERO,
        Distribution::Varying(Varying::Normal { mean, deviation }) => Nanos(mean.0.saturating_sub(3 * deviation.0)),
        Distribution::Varying(Varying::Lognormal { median, .. }) => *median,
        Distribution::Varying(Varying::Quantiles(points)) => points.values().min().copied().unwrap_or(Nanos::ZERO),
    };
    least < SHORTEST_WAY
}

/// Every key of a scenario that can't be played over turmoil, and why.
pub fn refused(scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    let mut refuse = |given: bool, path: String, why: &str| {
        if given {
            found.push(format!("{path}: {why}"));
        }
    };
    const LOSES_NOTHING: &str = "turmoil repeats nothing, so that what it loses is lost for good";
    const TOO_SHORT: &str = "ways below 2 ms are beneath turmoil's ticks of 1 ms";
    let loss = |loss: &Loss| loss.forward.0 > 0.0 || loss.back.0 > 0.0;
    refuse(loss(&scenario.network().loss), "network.loss".into(), LOSES_NOTHING);
    refuse(short(&scenario.network().one_way), "network.one_way".into(), TOO_SHORT);
    let retries = scenario.network().data_retries != network::Config::default().data_retries;
    refuse(retries, "network.data_retries".into(), "no kernel gives up here");
    for (name, link) in &scenario.network().links {
        let at = |key: &str| format!("network.links.{name}.{key}");
        refuse(link.loss.as_ref().is_some_and(loss), at("loss"), LOSES_NOTHING);
        refuse(link.one_way.as_ref().is_some_and(short), at("one_way"), TOO_SHORT);
    }
    refuse(!scenario.dns().is_empty(), "dns".into(), "turmoil's names have one address for ever");
    for (name, server) in scenario.groups() {
        let at = |key: &str| format!("{}.{name}.{key}", server.table());
        let rewrites = server.balancer().is_some_and(|balancer| balancer.forwarding == Forwarding::Nat);
        refuse(rewrites, at("balance"), "nothing here rewrites addresses: `terminate` is played");
        refuse(server.program().is_some(), at("command"), "programs are started on real sockets only: write a `Lab`");
        refuse(!server.tls().is_none(), at("tls"), "TLS is played in the simulator and on real sockets");
    }
    let (written, drawn) = scenario.faults_by_origin();
    let written = written.iter().map(|fault| (format!("faults.{}.kind", fault.name), fault));
    let drawn = drawn.iter().map(|fault| ("chaos.kinds".to_string(), fault));
    for (key, fault) in written.chain(drawn) {
        let why = match fault.config.action().kind() {
            Kind::Lossy => LOSES_NOTHING,
            Kind::Backlog => "the accept queue keeps its size",
            Kind::DnsOutage => "turmoil's names have one address for ever",
            Kind::Command => "programs are run on real sockets only",
            _ => continue,
        };
        refuse(true, key, why);
    }
    for (name, client) in scenario.clients() {
        let at = |key: &str| format!("clients.{name}.{key}");
        if let Some(why) = client.mode.simulated_only() {
            refuse(true, at("mode"), why);
        }
        refuse(client.nat.is_some(), at("nat"), "servers see the addresses that there are");
    }
    found
}

/// The same of what can't be asked of the user's programs, and programs for groups that are not there.
pub fn refused_with(scenario: &Scenario, programs: &Programs) -> Vec<String> {
    let mut found = refused(scenario);
    let written = scenario.faults_by_origin().0;
    if !programs.clients.is_empty() {
        let links = scenario.network().links.iter().filter(|(_, link)| link.bandwidth.is_some());
        let links = links.map(|(name, _)| format!("network.links.{name}.bandwidth"));
        let servers = scenario.groups().iter().filter(|(_, group)| group.access_link.is_some());
        let servers = servers.map(|(name, _)| format!("servers.{name}.access_link"));
        let clients = scenario.clients().iter().filter(|(_, group)| group.access_link.is_some());
        let clients = clients.map(|(name, _)| format!("clients.{name}.access_link"));
        let faults = written.iter().filter(|fault| fault.config.action().kind() == Kind::Bandwidth);
        let faults = faults.map(|fault| format!("faults.{}.kind", fault.name));
        for key in links.chain(servers).chain(clients).chain(faults) {
            found.push(format!("{key}: clients of your own go over turmoil's links, which have no bandwidth"));
        }
    }
    let resets = written.iter().filter(|fault| fault.config.action().kind() == Kind::Reset);
    for Fault { name, .. } in resets.filter(|_| !(programs.clients.is_empty() && programs.servers.is_empty())) {
        found.push(format!("faults.{name}.kind: connections of your own programs are turmoil's, which resets none"));
    }
    for name in programs.clients.keys().filter(|name| !scenario.clients().contains_key(*name)) {
        found.push(format!("{name}: the scenario has no client group of this name"));
    }
    for (name, client) in scenario.clients().iter().filter(|(name, _)| programs.clients.contains_key(*name)) {
        if client.proxy.is_some() {
            found.push(format!("clients.{name}.proxy: a program of your own connects to servers directly"));
        }
    }
    for name in programs.servers.keys() {
        let Some(group) = scenario.groups().get(name) else {
            found.push(format!("{name}: the scenario has no server group of this name"));
            continue;
        };
        let given = [
            ("joins_at", group.membership.joins_at.is_some()),
            ("leaves_at", group.membership.leaves_at.is_some()),
            ("pauses", group.pauses().is_some()),
        ];
        for (key, _) in given.iter().filter(|(_, given)| *given) {
            found.push(format!("servers.{name}.{key}: a program of your own can't be asked for that"));
        }
    }
    let is_program = |server: &u32| {
        let group = scenario.servers().get(*server as usize).and_then(|entry| scenario.groups().get_index(entry.group));
        group.is_some_and(|(name, _)| programs.servers.contains_key(name))
    };
    for fault in scenario.faults() {
        let asks = |kind: Kind| matches!(kind, Kind::Slow | Kind::Drain | Kind::Reload);
        let window =
            fault.windows.iter().find(|window| asks(window.action.kind()) && window.servers.iter().any(is_program));
        if let Some(window) = window {
            let kind = window.action.kind().name();
            found.push(format!("faults.{}: a program of your own can't be asked for `{kind}`", fault.name));
        }
    }
    found
}
