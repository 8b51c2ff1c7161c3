//! Who connects to whom in a scenario, and what its faults strike: for a drawing, and for charts of groups.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::verdict::what;
use crate::fault::{Fault, Side};
use crate::machine::EndpointId;
use crate::scenario::Scenario;
use crate::server::{Choice, Machine};

/// Struck servers that are named, at most.
const NAMED: usize = 8;

/// Nodes (client groups, DNS names, server groups), links between them by their numbers, and of each fault, in the order of
/// the scenario, the nodes that it strikes with how many of their members, and the links that it impairs.
pub(super) fn topology(scenario: &Scenario) -> Json {
    let (clients, names) = (scenario.clients().len(), scenario.dns().len());
    let group_node = |group: usize| clients + names + group;
    let node_of = |EndpointId(number): EndpointId| match scenario.servers().get(number as usize) {
        Some(server) => group_node(server.group),
        None => clients + number as usize - scenario.servers().len(),
    };
    let of_clients =
        scenario.clients().iter().map(|(name, group)| json!({ "name": name, "kind": "clients", "count": group.count }));
    let of_names = scenario.dns().keys().map(|name| json!({ "name": name, "kind": "name", "count": 1 }));
    let of_groups = scenario.groups().iter().map(|(name, group)| {
        let kind = match group.machine {
            Machine::Balancer(_) => "balancer",
            Machine::Proxy(_) => "proxy",
            Machine::Web(_) | Machine::Program(_) => "servers",
        };
        json!({ "name": name, "kind": kind, "count": group.count })
    });
    let nodes: Vec<Json> = of_clients.chain(of_names).chain(of_groups).collect();

    let mut links: BTreeSet<(usize, usize)> = BTreeSet::new();
    let named = |name: &String| scenario.endpoints(name).unwrap_or_default();
    for (number, group) in scenario.clients().values().enumerate() {
        let through = group.proxy.iter().flat_map(named).map(node_of);
        let proxies: BTreeSet<usize> = through.collect();
        links.extend(proxies.iter().map(|proxy| (number, *proxy)));
        for to in group.endpoints.iter().flat_map(named).map(node_of) {
            match proxies.is_empty() {
                true => links.insert((number, to)),
                false => proxies.iter().all(|proxy| links.insert((*proxy, to))),
            };
        }
    }
    for (number, name) in scenario.dns().values().enumerate() {
        links.extend(name.to.iter().chain(&name.standby).flat_map(named).map(|to| (clients + number, node_of(to))));
    }
    for (number, group) in scenario.groups().values().enumerate() {
        let to: Vec<EndpointId> = match &group.machine {
            Machine::Balancer(balancer) => balancer.to.clone(),
            Machine::Web(web) => {
                let redirects = web.behaviors.iter().filter_map(|behavior| match &behavior.choice {
                    Choice::Redirect { pick, .. } => Some(&pick.to),
                    _ => None,
                });
                redirects.chain(web.calls.iter().map(|call| &call.to)).flatten().copied().collect()
            }
            Machine::Proxy(_) | Machine::Program(_) => Vec::new(),
        };
        // Members that redirect to each other are no link between groups.
        links.extend(to.into_iter().map(|to| (group_node(number), node_of(to))).filter(|(from, to)| from != to));
    }

    let faults: Vec<Json> = scenario.faults().iter().map(|fault| struck(scenario, fault, &node_of)).collect();
    json!({ "nodes": nodes, "links": links, "faults": faults })
}

fn struck(scenario: &Scenario, fault: &Fault, node_of: &dyn Fn(EndpointId) -> usize) -> Json {
    let servers: BTreeSet<u32> = match fault.config.kind.is_of_links() {
        true => BTreeSet::new(),
        false => fault.windows.iter().flat_map(|window| window.servers.iter().copied()).collect(),
    };
    let mut nodes: Vec<(usize, usize)> = Vec::new();
    for node in servers.iter().map(|server| node_of(EndpointId(*server))) {
        match nodes.last_mut() {
            Some((last, count)) if *last == node => *count += 1,
            _ => nodes.push((node, 1)),
        }
    }
    let side = |side: Side| match side {
        Side::Clients(group) => usize::from(group),
        Side::Server(server) => node_of(EndpointId(server)),
    };
    let cuts = fault.cuts.iter().map(|cut| (side(cut.side), node_of(EndpointId(cut.server))));
    let links: BTreeSet<(usize, usize)> = cuts.filter(|(from, to)| from != to).collect();
    let members = servers.iter().filter_map(|server| Some(&scenario.servers().get(*server as usize)?.name));
    json!({
        "name": fault.name,
        "what": what(scenario, fault),
        "nodes": nodes,
        "links": links,
        "members": members.take(NAMED).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Overrides;

    #[test]
    fn links_and_what_is_struck_are_known_by_number() {
        let text = r#"
            format = 1
            title = "A fleet"
            duration = "600s"
            [servers.front]
            kind = "l4"
            balance = "nat"
            to = "g"
            [servers.g]
            count = 3
            [clients.c]
            count = 7
            zone = "eu"
            endpoints = ["front"]
            [clients.d]
            count = 1
            endpoints = ["g"]
            [faults.a]
            kind = "crash"
            target = { group = "g", count = 2 }
            at = "20s"
            [faults.b]
            kind = "partition"
            target = { from = "eu", to = "front" }
            at = "20s"
            for = "1s"
        "#;
        let scenario = crate::scenario::load("a", "a", text, &Overrides::default()).unwrap();
        let topology = topology(&scenario);
        assert_eq!(topology["links"], json!([[0, 2], [1, 3], [2, 3]]));
        assert_eq!(topology["nodes"][2], json!({ "name": "front", "kind": "balancer", "count": 1 }));
        assert_eq!(topology["faults"][0]["nodes"], json!([[3, 2]]));
        assert_eq!(topology["faults"][0]["members"].as_array().unwrap().len(), 2);
        assert_eq!((&topology["faults"][1]["nodes"], &topology["faults"][1]["links"]), (&json!([]), &json!([[0, 2]])));
    }
}
