//! Where things are: zones, and which link lies between a client group and a server.

use super::Tree;
use super::nearest::nearest;
use super::problem::Problem;
use shakedown_core::fault::{Action, Config, Cut, Side, Target};
use shakedown_core::network::{LinkConfig, OneWayRoute, Route, Routes};
use shakedown_core::quantity::{Loss, Share};

use crate::draft::Draft;

/// What a name of a place means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place<'a> {
    Zone(&'a str),
    Clients(usize),
    Servers(usize),
    Server(u32),
}

impl Place<'_> {
    fn has(self, scenario: &Draft, side: Side) -> bool {
        match (self, side) {
            (_, Side::Server(server)) => self.has_server(scenario, server),
            (Place::Zone(zone), Side::Clients(group)) => {
                scenario.file.clients[usize::from(group)].zone.as_deref() == Some(zone)
            }
            (Place::Clients(number), Side::Clients(group)) => number == usize::from(group),
            (Place::Servers(_) | Place::Server(_), Side::Clients(_)) => false,
        }
    }

    fn has_server(self, scenario: &Draft, server: u32) -> bool {
        let group = scenario.servers()[server as usize].group;
        match self {
            Place::Zone(zone) => scenario.zone(server) == Some(zone),
            Place::Servers(number) => number == group,
            Place::Server(number) => number == server,
            Place::Clients(_) => false,
        }
    }

    /// A server says more than a group, a group more than a zone.
    fn precision(self) -> u32 {
        match self {
            Place::Zone(_) => 1,
            Place::Clients(_) | Place::Servers(_) => 2,
            Place::Server(_) => 3,
        }
    }
}

/// Every zone that is named, with the path of a key that names it.
pub(super) fn zones(scenario: &Draft) -> impl Iterator<Item = (&str, String)> {
    let file = &scenario.file;
    let clients = file.clients.iter().map(|(name, config)| (config.zone.as_deref(), format!("clients.{name}.zone")));
    let servers = file.servers.iter().map(|(name, group)| (&group.zone, format!("servers.{name}.zone")));
    let proxies = file.proxies.iter().map(|(name, group)| (&group.zone, format!("proxies.{name}.zone")));
    let servers = servers.chain(proxies).flat_map(|(names, path)| {
        names.iter().flat_map(|names| &names.0).map(move |zone| (zone.as_str(), path.clone()))
    });
    clients.filter_map(|(zone, path)| Some((zone?, path))).chain(servers)
}

/// No zone may have the name of a group or a server.
pub(super) fn check_zones(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let servers = scenario.file.servers.iter().map(|(name, group)| (&group.zone, format!("servers.{name}.zone")));
    let proxies = scenario.file.proxies.iter().map(|(name, group)| (&group.zone, format!("proxies.{name}.zone")));
    for (names, path) in servers.chain(proxies) {
        let Some(names) = names else { continue };
        if names.0.is_empty() {
            let help = "write zone = \"eu-1\", or a list over which its members are spread";
            return Err(tree.problem(&path, "names no zone").with_help(help));
        }
        if let Some(at) = (1..names.0.len()).find(|at| names.0[..*at].contains(&names.0[*at])) {
            return Err(tree.problem(&path, format!("names the zone `{}` twice", names.0[at])));
        }
    }
    for (zone, path) in zones(scenario) {
        super::check::name_at(zone, &path, tree)?;
        let file = &scenario.file;
        let taken =
            file.clients.contains_key(zone) || scenario.groups.contains_key(zone) || scenario.members(zone).is_some();
        if taken {
            let message = format!("the zone `{zone}` has the name of a group or a server");
            return Err(tree.problem(&path, message).with_help("give the zone another name, such as \"eu-1\""));
        }
    }
    Ok(())
}

fn place<'a>(scenario: &'a Draft, name: &str, path: &str, tree: &Tree) -> Result<Place<'a>, Problem> {
    let file = &scenario.file;
    let server = (0..).zip(scenario.servers()).find(|(_, server)| server.name == name);
    let found = [
        file.clients.get_index_of(name).map(Place::Clients),
        scenario.groups.get_index_of(name).map(Place::Servers),
        server.map(|(number, _)| Place::Server(number)),
        zones(scenario).find(|(zone, _)| *zone == name).map(|(zone, _)| Place::Zone(zone)),
    ];
    let mut found = found.into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => {
            let message = format!("`{name}` is a client group and a server group: which one is meant?");
            Err(tree.problem(path, message).with_help("rename one of them, or give it a zone and name that"))
        }
        (None, _) => {
            let known: Vec<&str> = (file.clients.keys().chain(scenario.groups.keys()).map(String::as_str))
                .chain(scenario.servers().iter().map(|server| server.name.as_str()))
                .chain(zones(scenario).map(|(zone, _)| zone))
                .collect();
            let problem = tree.problem(path, format!("no zone, group or server is named `{name}`"));
            Err(match nearest(name, known.iter().copied()) {
                Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
                None => problem.with_help("zones are named by `zone = \"eu-1\"` of a client or server group"),
            })
        }
    }
}

/// A link with its places found.
struct Link<'a> {
    name: &'a str,
    config: &'a LinkConfig,
    from: Place<'a>,
    to: Place<'a>,
    /// The place of its forward bandwidth among all; that of its way back follows.
    bottleneck: Option<u16>,
}

impl Link<'_> {
    fn precision(&self) -> u32 {
        self.from.precision() + self.to.precision()
    }

    /// Whether it holds between one who opens connections and a server: toward the server, and back; with the direction in which
    /// it is written.
    fn holds(&self, scenario: &Draft, side: Side, server: u32) -> [Option<bool>; 2] {
        let along = self.from.has(scenario, side) && self.to.has_server(scenario, server);
        let against = self.to.has(scenario, side) && self.from.has_server(scenario, server);
        let both = self.config.both;
        let to_server = if along { Some(true) } else { (against && both).then_some(false) };
        let to_client = if against { Some(true) } else { (along && both).then_some(false) };
        [to_server, to_client]
    }

    fn leg(&self, scenario: &Draft, standard: &OneWayRoute, written: bool) -> OneWayRoute {
        let network = &scenario.file.network;
        OneWayRoute {
            one_way: self.config.one_way.clone().unwrap_or_else(|| network.one_way.clone()),
            jitter: self.config.jitter.clone().unwrap_or_else(|| network.jitter.clone()),
            loss: self.config.loss.map_or(standard.loss, |Loss { forward, back }| if written { forward } else { back }),
            bottleneck: self.bottleneck.map(|forward| if written { forward } else { forward + 1 }),
        }
    }
}

/// Which route each client group, and each server that calls others, takes to each server.
pub(super) fn routes(scenario: &Draft, tree: &Tree) -> Result<Routes, Problem> {
    let network = &scenario.file.network;
    let leg = |loss: Share| OneWayRoute {
        one_way: network.one_way.clone(),
        jitter: network.jitter.clone(),
        loss,
        bottleneck: None,
    };
    let standard = Route { to_server: leg(network.loss.forward), to_client: leg(network.loss.back) };
    let servers = scenario.servers().len() as u32;
    let mut routes = Routes { routes: vec![standard.clone()], servers, ..Routes::default() };
    let sides = scenario.sides();
    routes.callers.extend(sides.iter().filter_map(|side| match side {
        Side::Server(server) => Some(*server),
        Side::Clients(_) => None,
    }));
    if network.links.is_empty() {
        return Ok(routes);
    }
    let mut links = Vec::new();
    for (name, config) in &network.links {
        let at = |key: &str| format!("network.links.{name}.{key}");
        let from = place(scenario, &config.from, &at("from"), tree)?;
        let to = place(scenario, &config.to, &at("to"), tree)?;
        let bottleneck = config.bandwidth.map(|bandwidth| {
            let forward = routes.bottlenecks.len() as u16;
            routes.bottlenecks.extend([(bandwidth, config.queue); 2]);
            forward
        });
        links.push(Link { name, config, from, to, bottleneck });
    }
    let mut used = vec![false; links.len()];
    for side in sides {
        for server in 0..servers {
            let mut chosen: [Option<(usize, bool)>; 2] = [None; 2];
            let mut tied = [None; 2];
            for (number, link) in links.iter().enumerate() {
                // No server talks to itself; its place in the table stays empty.
                let holds = match side == Side::Server(server) {
                    true => [None; 2],
                    false => link.holds(scenario, side, server),
                };
                used[number] |= holds != [None; 2];
                for (way, written) in holds.into_iter().enumerate() {
                    let Some(written) = written else { continue };
                    let best = chosen[way].map_or(0, |(other, _)| links[other].precision());
                    if link.precision() > best {
                        (chosen[way], tied[way]) = (Some((number, written)), None);
                    } else if link.precision() == best {
                        tied[way] = Some(number);
                    }
                }
            }
            for (chosen, tied) in chosen.iter().zip(tied) {
                if let (Some((other, _)), Some(tied)) = (chosen, tied) {
                    let caller = match side {
                        Side::Clients(group) => {
                            let (name, _) = scenario.file.clients.get_index(usize::from(group)).expect("it has a name");
                            name
                        }
                        Side::Server(server) => &scenario.servers()[server as usize].name,
                    };
                    let (other, name) = (links[*other].name, links[tied].name);
                    let server = &scenario.servers()[server as usize].name;
                    let message = format!("{other} and {name} both hold between {caller} and {server}");
                    let help = "the most exact one counts: a server says more than a group, a group more than a zone";
                    return Err(tree.problem(&format!("network.links.{name}"), message).with_help(help));
                }
            }
            let leg = |chosen: Option<(usize, bool)>, standard: &OneWayRoute| match chosen {
                Some((number, written)) => links[number].leg(scenario, standard, written),
                None => standard.clone(),
            };
            let route = Route {
                to_server: leg(chosen[0], &standard.to_server),
                to_client: leg(chosen[1], &standard.to_client),
            };
            let number = routes.routes.iter().position(|known| *known == route).unwrap_or(routes.routes.len());
            if number == routes.routes.len() {
                routes.routes.push(route);
            }
            routes.table.push(number as u16);
        }
    }
    if let Some(unused) = used.iter().position(|used| !used) {
        let Link { name, config, .. } = &links[unused];
        let message =
            format!("nobody talks between {} and {}: links lie between clients and servers", config.from, config.to);
        return Err(tree.problem(&format!("network.links.{name}"), message));
    }
    Ok(routes)
}

/// Where a fault of links lies: on all that goes between its two sides, or between one place and all others.
pub(super) fn cuts(scenario: &Draft, name: &str, fault: &Config, tree: &Tree) -> Result<Vec<Cut>, Problem> {
    let target = format!("faults.{name}.target");
    let (from, to) = match &fault.target {
        Target::Names(names) => {
            let listed = |number: usize| Some(format!("{target}.{number}")).filter(|path| tree.has(path));
            let found = (0..)
                .zip(&names.0)
                .map(|(number, name)| place(scenario, name, listed(number).as_deref().unwrap_or(&target), tree));
            (found.collect::<Result<Vec<_>, _>>()?, None)
        }
        Target::Between(between) => {
            let from = place(scenario, &between.from, &format!("{target}.from"), tree)?;
            (vec![from], Some(place(scenario, &between.to, &format!("{target}.to"), tree)?))
        }
        Target::Some(_) => {
            let help = "write a place, such as \"gateway-0\", or { from = \"eu\", to = \"gateway\" }";
            let message = format!("a fault of kind {} lies between places", fault.action().kind().name());
            return Err(tree.problem(&target, message).with_help(help));
        }
    };
    let from_client = |side: Side| from.iter().any(|place| place.has(scenario, side));
    let from_server = |server: u32| from.iter().any(|place| place.has_server(scenario, server));
    let mut cuts = Vec::new();
    for server in 0..scenario.servers().len() as u32 {
        for side in scenario.sides() {
            if side == Side::Server(server) {
                continue;
            }
            let (to_server, to_client, reversed) = match to {
                Some(to) => {
                    let along = from_client(side) && to.has_server(scenario, server);
                    let against = to.has(scenario, side) && from_server(server);
                    (along || against && !fault.one_way, against || along && !fault.one_way, !along)
                }
                // Without a direction of its own, forward is from clients to servers, as everywhere.
                None => {
                    let apart = from_client(side) != from_server(server);
                    // What shares a place's bandwidth goes out of it or comes in, whoever sends it.
                    let reversed = matches!(fault.action(), Action::Bandwidth { .. }) && from_server(server);
                    (apart, apart, reversed)
                }
            };
            if to_server || to_client {
                cuts.push(Cut { side, server, to_server, to_client, reversed });
            }
        }
    }
    if cuts.is_empty() {
        let does = if fault.action() == Action::Partition { "partition cuts" } else { "fault strikes" };
        let message = format!("this {does} nothing: messages go between clients and servers only");
        return Err(tree.problem(&target, message));
    }
    Ok(cuts)
}
