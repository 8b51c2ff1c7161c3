//! What a group of balancers can get wrong, and others that are taken for one.

use super::super::{Problem, Tree};
use super::{known_server, positive, targets, ticked};
use shakedown_core::fault;
use shakedown_core::machine::EndpointId;
use shakedown_core::server::{Balance, Forwarding};
use shakedown_core::time::Nanos;

use crate::cycle::cycle;
use crate::draft::Draft;
use crate::machines::{ServerKind, ServersToml, Sort, sorts};

/// Checks the keys of a group of servers, whichever it is. True when it is one of balancers.
pub(super) fn check(name: &str, server: &ServersToml, tree: &Tree) -> Result<bool, Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    // The first key that is for none of these.
    let strange = |known: &[Sort]| {
        let keys = tree.keys(&format!("servers.{name}"));
        keys.into_iter().find(|key| !sorts(key).iter().any(|sort| known.contains(sort)))
    };
    if server.kind != ServerKind::L4 {
        return match strange(&[Sort::Web, Sort::Program]) {
            None => Ok(false),
            Some(key) => {
                let problem = tree.problem_at_key(&at(&key), format!("`{key}` is for balancers"));
                Err(problem.with_help("write kind = \"l4\" beside it, or leave it out"))
            }
        };
    }
    if let Some(key) = strange(&[Sort::Nat, Sort::Terminating]) {
        let message = format!("{} means nothing to a balancer: it reads no requests", ticked(&key));
        return Err(tree.problem_at_key(&at(&key), message));
    }
    let needs = |key: &str, example: &str| {
        let problem = tree.problem(&at("kind"), format!("a balancer needs `{key}`"));
        Err(problem.with_help(format!("write {key} = {example}")))
    };
    if server.to.is_none() {
        return needs("to", "\"GROUP\", the servers behind it");
    }
    if server.balance.is_none() {
        return needs("balance", "\"nat\" (the SYN goes on to the chosen server) or \"terminate\" (two connections)");
    }
    if server.balance == Some(Balance::Nat)
        && let Some(key) = strange(&[Sort::Nat])
    {
        let message = format!("`{key}` means nothing to a balancer that rewrites addresses: no connection ends there");
        return Err(tree
            .problem_at_key(&at(&key), message)
            .with_help("leave it out, or write balance = \"terminate\""));
    }
    if server.health.is_none()
        && let Some(key) = ["check", "on_down"].iter().find(|key| tree.has(&at(key)))
    {
        let help = "write health = { every = \"5s\", timeout = \"2s\", fall = 3, rise = 2 }, or leave it out";
        return Err(tree.problem_at_key(&at(key), format!("`{key}` means nothing without `health`")).with_help(help));
    }
    if let Some((key, problem)) = server.health.and_then(|health| health.problem()) {
        return Err(tree.problem(&at(&format!("health.{key}")), problem));
    }
    if server.connect_timeout == Some(Nanos::ZERO) {
        return Err(tree.problem(&at("connect_timeout"), "a timeout of zero: nothing would ever be passed on"));
    }
    for (key, value) in [("connections_max", server.connections_max), ("ports", server.ports)] {
        if let Some(value) = value {
            positive(&at(key), value, tree)?;
        }
    }
    positive(&at("count"), server.count, tree)?;
    Ok(true)
}

/// Balancers that pass on to each other in a circle, by name.
fn cycle_of(scenario: &Draft) -> Option<Vec<&str>> {
    let servers = &scenario.file.servers;
    let group_of = |member: &EndpointId| scenario.servers()[member.0 as usize].group;
    let behind = |group: usize| {
        let to = servers[group].to.as_ref().map(|to| scenario.all_members(to));
        to.iter().flatten().map(group_of).filter(|group| *group < servers.len()).collect()
    };
    let cycle = cycle(servers.len(), behind)?;
    Some(cycle.iter().map(|group| servers.get_index(*group).expect("a group").0.as_str()).collect())
}

/// Checks which of the servers behind it each balancer uses.
fn reach(scenario: &Draft, name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    let behind = server.to.as_ref().map(|to| scenario.all_members(to)).unwrap_or_default();
    if let Some(subset) = server.subset {
        positive(&at("subset"), subset, tree)?;
        if subset as usize > behind.len() {
            let message = format!("a subset of {subset}, of {} servers", behind.len());
            return Err(tree.problem(&at("subset"), message).with_help("leave it out: each balancer uses all of them"));
        }
    }
    if !server.zone_aware {
        return Ok(());
    }
    if server.zone.is_none() {
        let help = "write zone = \"eu-1\" beside it, or a list of zones over which its members are spread";
        return Err(tree.problem(&at("zone_aware"), "this balancer is in no zone").with_help(help));
    }
    let zones = server.zone.iter().flat_map(|zone| &zone.0);
    let empty = |zone: &&String| !behind.iter().any(|server| scenario.zone(server.0) == Some(zone));
    match zones.into_iter().find(empty) {
        Some(zone) => {
            let message = format!("no server behind it is in the zone {}", ticked(zone));
            Err(tree.problem(&at("zone_aware"), message).with_help("give the servers that it passes on to zones, too"))
        }
        None => Ok(()),
    }
}

/// Checks what balancers pass connections on to, and what strikes them.
pub(super) fn names(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    for (name, server) in &scenario.file.servers {
        let Some(to) = &server.to else { continue };
        let path = format!("servers.{name}.to");
        targets(scenario, to, &path, tree, known_server)?;
        for (number, behind) in to.0.iter().enumerate() {
            let members = scenario.members(behind).unwrap_or_default();
            let listed = format!("{path}.{number}");
            let place = if tree.has(&listed) { &listed } else { &path };
            if members.iter().any(|member| scenario.group_of(member.0).balancer().is_some()) {
                let message = format!("{} is a balancer itself: one behind another is not simulated", ticked(behind));
                let problem = tree.problem(place, message);
                return Err(match cycle_of(scenario) {
                    Some(names) => problem.with_note(format!("a cycle: {}", names.join(" -> "))),
                    None => problem,
                });
            }
            let secure = |member: &EndpointId| scenario.is_secure(*member);
            if let (Some(first), Some(here)) = (scenario.all_members(to).first(), members.first())
                && secure(first) != secure(here)
            {
                let message = format!("{} and {} do not agree on TLS", ticked(&to.0[0]), ticked(behind));
                let help = "a balancer passes on what its clients speak: give all servers behind it TLS, or none";
                return Err(tree.problem(place, message).with_help(help));
            }
        }
        reach(scenario, name, server, tree)?;
    }
    // A message would have to join lines on both legs.
    let file = &scenario.file;
    let limited = file.clients.values().any(|group| group.access_link.is_some())
        || scenario.groups.values().any(|group| group.access_link.is_some())
        || file.network.links.values().any(|link| link.bandwidth.is_some())
        || file.faults.values().any(|config| config.kind == fault::Kind::Bandwidth);
    if limited && let Some((name, _)) = file.servers.iter().find(|(_, group)| group.balance == Some(Balance::Nat)) {
        let message = "limits of bandwidth are not simulated together with a balancer that rewrites addresses";
        let help = "write balance = \"terminate\", or leave the limits out";
        return Err(tree.problem(&format!("servers.{name}.balance"), message).with_help(help));
    }
    for (name, config) in &scenario.file.faults {
        let struck: Vec<&String> = match &config.target {
            fault::Target::Names(names) => names.0.iter().collect(),
            fault::Target::Some(some) => vec![&some.group],
            fault::Target::Between(_) => continue,
        };
        let balancer = |target: &&String| {
            let members = scenario.members(target)?;
            scenario.group_of(members.first()?.0).balancer()
        };
        let Some((target, balancer)) = struck.into_iter().find_map(|name| Some((name, balancer(&name)?))) else {
            continue;
        };
        let nothing = match config.kind {
            fault::Kind::Slow => "it does no work that could take longer",
            fault::Kind::Reload if balancer.forwarding == Forwarding::Nat => "its kernel passes packets on",
            fault::Kind::Backlog if balancer.forwarding == Forwarding::Nat => "no connection waits there",
            _ => continue,
        };
        let message = format!("a fault of kind {} does nothing to {}: {nothing}", config.kind.name(), ticked(target));
        return Err(tree.problem(&format!("faults.{name}.target"), message));
    }
    Ok(())
}
