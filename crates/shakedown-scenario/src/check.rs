//! What a well-formed file can still get wrong: impossible values, unknown names, contradictions.

mod balancer;
pub(crate) mod behavior;
mod client;
pub(crate) mod clocks;
pub(super) mod dns;
pub(super) mod network;
mod proxy;
mod race;
mod response_flaws;
mod retry;
mod streams;
mod tls;
mod values;

pub(super) use values::{SHORTEST_PERIOD, distribution, is_always_below, is_always_zero, name_at};

use std::collections::BTreeSet;

use super::Tree;
use super::nearest::nearest;
use super::path::segment;
use super::problem::{Problem, ticked};
use shakedown_core::fault::{self, Target};
use shakedown_core::metrics::Summary;
use shakedown_core::names::Names;
use shakedown_core::network::{GivingUp, SynRetries};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::file::{FORMAT, File};
use crate::machines::ServersToml;
use crate::metric::metric;
use crate::played::Played;
use values::{
    each_once, is_control, known_callee, known_endpoint, known_endpoints, known_host, known_server, positive, targets,
    valid_name, valid_path,
};

/// The most servers: results have columns for each.
const MAX_SERVERS: u64 = 10_000;
/// The most sessions: some 190 bytes each make 19 GB.
const MAX_SESSIONS: u64 = 100_000_000;
/// The most client groups: results have tables for each.
const MAX_CLIENT_GROUPS: usize = 1_000;
/// The most faults: each session remembers which took it down, a bit each.
const MAX_FAULTS: usize = 64;
/// The most variants: each is read and checked as a scenario of its own.
const MAX_VARIANTS: usize = 1_000;
/// The most phases: results have every metric for each.
const MAX_PHASES: usize = 100;
/// The most intervals of a series.
const MAX_INTERVALS: u64 = 100_000;
/// The most times in a list of SYN repetitions: kernels make ten.
const MAX_SYNS: usize = 100;

/// Checks, before the file is read into its types, what would come out as a misleading problem there.
pub(super) fn tree(tree: &Tree) -> Result<(), Problem> {
    // Another version of the language may have other keys.
    if let Some(format) = tree.whole_number("format")
        && format != FORMAT
    {
        let message = format!("format {format} is unknown: this version reads format {FORMAT}");
        return Err(tree.problem("format", message));
    }
    // `sessions.opened = "== 100%"`: without its quotes, the name of a metric makes a table.
    if let Some(name) = tree.table_in("expect") {
        let message = format!("{} is a table: the name of a metric holds dots, so it needs quotes", ticked(name));
        let problem = tree.problem_at_key(&format!("expect.{}", segment(name)), message);
        return Err(problem.with_help("write it like \"handshake_latency.p99\" = \"< 250ms\""));
    }
    groups(tree)
}

/// Checks how many groups there are, before anything is done for each of them.
fn groups(tree: &Tree) -> Result<(), Problem> {
    let most = [
        ("clients", "client groups", MAX_CLIENT_GROUPS),
        ("servers", "server groups", MAX_SERVERS as usize),
        ("proxies", "groups of proxies", MAX_SERVERS as usize),
        ("dns", "DNS names", dns::MAX_NAMES),
        ("network.links", "links", network::MAX_LINKS),
        ("faults", "faults", MAX_FAULTS),
        ("phases", "phases", MAX_PHASES),
    ];
    for (table, what, most) in most {
        let count = tree.len(table);
        if count > most {
            return Err(tree.problem(table, format!("{count} {what}: the most is {most}")));
        }
    }
    Ok(())
}

/// Checks the names of variants: results are filed under them.
pub(super) fn variants(tree: &Tree) -> Result<(), Problem> {
    let count = tree.len("variants");
    if count > MAX_VARIANTS {
        return Err(tree.problem("variants", format!("{count} variants: the most is {MAX_VARIANTS}")));
    }
    tree.variants().iter().try_for_each(|name| valid_name(name, "variants", tree))
}

/// Checks the paths of variants and `--set`: one that leads through a group that is not in the file, but is named almost
/// like one that is, was meant for that one. Left alone it would make a group that nobody asked for.
pub(super) fn overridden(tree: &Tree, written: &Tree) -> Result<(), Problem> {
    for table in ["servers", "proxies", "clients", "faults", "dns", "network.links"] {
        for name in tree.keys(table) {
            let path = format!("{table}.{}", segment(&name));
            if written.has(&path) || !tree.is_pieced(&path) {
                continue;
            }
            if let Some(near) = nearest(&name, written.keys(table).iter().map(String::as_str)) {
                let problem = tree.problem_at_key(&path, format!("the file has no {}", ticked(&path)));
                let help =
                    format!("the nearest name is `{near}`; to add another, give it as one value: {path} = {{ … }}");
                return Err(problem.with_help(help));
            }
        }
    }
    Ok(())
}

/// Checks what can be said without looking names up.
pub(super) fn file(file: &File, played: Played, tree: &Tree) -> Result<(), Problem> {
    let wrong = |path: &str, message: String| Err(tree.problem(path, message));
    if let Some(control) = file.title.chars().find(|c| is_control(*c)) {
        let message = format!("the title holds the control character {}: terminals obey it", control.escape_unicode());
        return Err(tree.problem("title", message).with_help("leave it out: a title is one line of plain text"));
    }
    if file.duration == Nanos::ZERO {
        return wrong("duration", "a run must take some time".into());
    }
    distribution("network.one_way", &file.network.one_way, tree)?;
    distribution("network.jitter", &file.network.jitter, tree)?;
    let syns = &file.network.syn_retries;
    if let Some(problem) = syns.problem() {
        return wrong("network.syn_retries", problem);
    }
    if let SynRetries::Times(times) = syns
        && times.len() > MAX_SYNS
    {
        return wrong("network.syn_retries", format!("{} times: the most is {MAX_SYNS}", times.len()));
    }
    network::check(&file.network, tree)?;
    dns::check(file, tree)?;
    if file.servers.is_empty() {
        return wrong("servers", "no servers: write at least one [servers.NAME]".into());
    }
    if file.clients.is_empty() {
        return wrong("clients", "no clients: write at least one [clients.NAME]".into());
    }
    for (name, config) in &file.servers {
        server(name, config, file, tree)?;
    }
    let counts = file.servers.iter().map(|(name, group)| (name, group.count));
    total("servers", counts, MAX_SERVERS, tree)?;
    for (name, config) in &file.proxies {
        proxy::check(name, config, file, tree)?;
    }
    let counts = file.proxies.iter().map(|(name, group)| (name, group.count));
    total("proxies", counts, MAX_SERVERS, tree)?;
    for (name, config) in file.clients.iter().filter(|_| played != Played::Servers) {
        client::check(name, config, file, tree)?;
        tls::client(name, file, tree)?;
        proxy::client(name, config, tree)?;
        streams::client(name, config, tree)?;
        race::client(name, config, file, tree)?;
    }
    let counts = file.clients.iter().map(|(name, group)| (name, group.count));
    total("clients", counts, MAX_SESSIONS, tree)?;
    for (name, fault) in &file.faults {
        let at = |key: &str| format!("faults.{name}.{key}");
        valid_name(name, "faults", tree)?;
        if fault.at >= file.duration && played != Played::Clients {
            return wrong(&at("at"), format!("begins at {}, but the run ends at {}", fault.at, file.duration));
        }
        if fault.one_way && !matches!(fault.target, Target::Between(_)) {
            let help = "write target = { from = \"eu\", to = \"gateway\" }, with a kind such as \"partition\"";
            return Err(tree.problem(&at("one_way"), "one way of what? it needs two sides").with_help(help));
        }
        crate::fault_config::read(name, fault, tree)?;
        if let Target::Some(some) = &fault.target {
            match (some.share, some.count) {
                (Some(_), Some(_)) => return wrong(&at("target"), "`share` and `count` exclude each other".into()),
                (None, None) => return wrong(&at("target"), "say how many: share = \"30%\" or count = 1".into()),
                (None, Some(count)) => positive(&at("target.count"), count, tree)?,
                (Some(_), None) => {}
            }
        }
    }
    measure(file, tree)?;
    phases(file, tree)
}

fn server(name: &str, server: &ServersToml, file: &File, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    valid_name(name, "servers", tree)?;
    if let Some(link) = server.access_link {
        network::access(&at("access_link"), link, tree)?;
    }
    let written = (server.heartbeat, server.idle_timeout, server.connection_age.as_ref());
    clocks::check(&format!("servers.{name}"), written, server.close_timeout, server.endings(), tree)?;
    let (keepalive, user_timeout) = (server.keepalive, server.user_timeout);
    clocks::giving_up(&format!("servers.{name}"), GivingUp { keepalive, user_timeout }, tree)?;
    if balancer::check(name, server, tree)? {
        return Ok(());
    }
    for (key, value) in [("count", server.count), ("workers", server.workers)] {
        positive(&at(key), value, tree)?;
    }
    let most = [
        ("connections_max", server.connections_max),
        ("transactions_max", server.transactions_max),
        ("streams_max", server.streams_max),
    ];
    for (key, most) in most {
        if let Some(most) = most {
            positive(&at(key), most, tree)?;
        }
    }
    distribution(&at("service_time"), &server.service_time, tree)?;
    let run = file.duration;
    super::server::limits(name, server, run, tree)?;
    tls::server(name, server, file, tree)?;
    behavior::check(name, &server.behavior.0, run, tree)
}

/// Checks that all servers are played, and all faults: programs can't be.
pub(super) fn no_programs(file: &File, tree: &Tree) -> Result<(), Problem> {
    let server = file.servers.iter().find(|(_, server)| server.command.is_some());
    let server = server.map(|(name, _)| (format!("servers.{name}.command"), format!("`{name}` is a program")));
    let fault = file.faults.iter().find(|(_, fault)| fault.effective_kind() == fault::Kind::Command);
    let fault = fault.map(|(name, _)| (format!("faults.{name}.kind"), format!("`{name}` runs a program")));
    let Some((path, what)) = server.or(fault) else { return Ok(()) };
    let help = "run it on real sockets, with --allow-commands: docs/real-sockets.md";
    Err(tree.problem_at_key(&path, format!("{what}, and needs real sockets")).with_help(help))
}

/// Checks the members that all groups have together; the largest group is blamed.
fn total<'a>(
    what: &str,
    counts: impl Iterator<Item = (&'a String, u32)> + Clone,
    most: u64,
    tree: &Tree,
) -> Result<(), Problem> {
    let all: u64 = counts.clone().map(|(_, count)| u64::from(count)).sum();
    match counts.max_by_key(|(_, count)| *count) {
        Some((name, _)) if all > most => {
            let message = format!("{all} {what} in all: the most is {most}");
            Err(tree.problem(&format!("{what}.{name}.count"), message))
        }
        _ => Ok(()),
    }
}

fn phases(file: &File, tree: &Tree) -> Result<(), Problem> {
    for (name, phase) in &file.phases {
        let path = format!("phases.{}", segment(name));
        name_at(name, &path, tree)?;
        let until = phase.until.unwrap_or(file.duration);
        let wrong = |key: &str, message: String| Err(tree.problem(&format!("{path}.{key}"), message));
        if until > file.duration {
            return wrong("until", format!("the phase ends at {until}, but the run ends at {}", file.duration));
        }
        if phase.from >= until {
            return wrong("from", format!("the phase begins at {}, but ends at {until}", phase.from));
        }
    }
    Ok(())
}

fn measure(file: &File, tree: &Tree) -> Result<(), Problem> {
    let wrong = |path: &str, message: String| Err(tree.problem(path, message));
    let until = file.measure.until.unwrap_or(file.duration);
    if until > file.duration {
        return wrong("measure.until", format!("measuring ends at {until}, but the run ends at {}", file.duration));
    }
    if file.measure.from >= until {
        return wrong("measure.from", format!("measuring begins at {}, but ends at {until}", file.measure.from));
    }
    match file.measure.interval {
        Some(Nanos::ZERO) => wrong("measure.interval", "an interval must take some time".into()),
        Some(interval) if file.duration.0 / interval.0 > MAX_INTERVALS => {
            wrong("measure.interval", format!("more than {MAX_INTERVALS} intervals of {interval}"))
        }
        _ => Ok(()),
    }
}

/// Checks every name of a server or a group.
pub(super) fn names(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let mut taken = BTreeSet::new();
    for server in scenario.servers() {
        if !taken.insert(&server.name) || scenario.groups.contains_key(&server.name) {
            let (group, config) = scenario.groups.get_index(server.group).expect("every server has a group");
            let message = format!("the name `{}` would mean two servers: rename this group", server.name);
            return Err(tree.problem(&format!("{}.{group}", config.table()), message));
        }
    }
    for (name, client) in &scenario.file.clients {
        each_once(
            scenario,
            &client.endpoints,
            "an endpoint",
            &format!("clients.{name}.endpoints"),
            tree,
            known_endpoint,
        )?;
    }
    for (name, server) in &scenario.file.servers {
        if let Some(to) = &server.overflow_to {
            known_endpoints(scenario, to, &format!("servers.{name}.overflow_to"), tree)?;
        }
        for (number, call) in server.calls.iter().enumerate() {
            targets(scenario, &call.to, &format!("servers.{name}.calls.{number}.to"), tree, known_callee)?;
        }
        for (number, behavior) in server.behavior.0.iter().enumerate() {
            if let Some(to) = &behavior.to {
                let path = behavior::place(name, number, tree);
                known_endpoints(scenario, to, &format!("{path}.to"), tree)?;
                behavior::weights(scenario, behavior, &path, tree)?;
            }
        }
    }
    for (name, fault) in &scenario.file.faults {
        let (target, path) = match &fault.target {
            // The places of faults of links are found where those are laid between them.
            _ if fault.effective_kind().is_of_links() => continue,
            _ if fault.effective_kind() == fault::Kind::DnsOutage => continue,
            Target::Names(targets) => {
                struck(scenario, targets, &format!("faults.{name}.target"), tree)?;
                continue;
            }
            Target::Some(some) => (&some.group, format!("faults.{name}.target.group")),
            Target::Between(_) => {
                let message = "`from` and `to` are for faults of links: name a server or a server group";
                let help = "faults of links are partition, lossy, latency, bandwidth and reset";
                return Err(tree.problem(&format!("faults.{name}.target"), message).with_help(help));
            }
        };
        known_host(scenario, target, &path, tree)?;
        if let Target::Some(some) = &fault.target
            && let Some(count) = some.count
            && let Some(members) = scenario.members(&some.group)
            && count as usize > members.len()
        {
            let has = match members.len() {
                1 => "one member".to_string(),
                members => format!("{members} members"),
            };
            let message = format!("{count} of `{}`, which has {has}", some.group);
            return Err(tree.problem(&format!("faults.{name}.target.count"), message));
        }
    }
    balancer::names(scenario, tree)?;
    proxy::names(scenario, tree)?;
    super::server::called(scenario, tree)?;
    tls::upgrades(scenario, tree)?;
    tls::redirects(scenario, tree)?;
    streams::reached(scenario, tree)?;
    race::reached(scenario, tree)
}

/// Checks what a fault of servers strikes: servers, groups and zones.
fn struck(scenario: &Draft, targets: &Names, path: &str, tree: &Tree) -> Result<(), Problem> {
    if targets.0.is_empty() {
        return Err(tree.problem(path, "strikes nobody: write at least one server, group or zone"));
    }
    for (number, target) in targets.0.iter().enumerate() {
        let listed = format!("{path}.{number}");
        let path = if tree.has(&listed) { &listed } else { path };
        if !scenario.servers_in(target).is_empty() {
            continue;
        }
        if super::places::zones(scenario).any(|(zone, _)| zone == target) {
            let message = format!("no server is in the zone `{target}`");
            let help = "a fault strikes a zone's servers; name a zone that has some";
            return Err(tree.problem(path, message).with_help(help));
        }
        known_host(scenario, target, path, tree)?;
    }
    Ok(())
}

/// Checks what is shown beside others: names, and metrics that the scenario or one of its variants has.
pub(super) fn compared(scenario: &Scenario, variants: &[Scenario], tree: &Tree) -> Result<(), Problem> {
    let compare = scenario.compare();
    if let Some(base) = &compare.base {
        name_at(base, "compare.base", tree)?;
        if tree.variants().contains(base) {
            return Err(tree.problem("compare.base", format!("{} is a variant already", ticked(base))));
        }
    }
    if compare.metrics.is_empty() {
        return Ok(());
    }
    let all: Vec<Summary> = std::iter::once(scenario).chain(variants).map(Scenario::metrics).collect();
    for (number, path) in compare.metrics.iter().enumerate() {
        let place = format!("compare.metrics.{number}");
        if compare.metrics[..number].contains(path) {
            return Err(tree.problem(&place, format!("{} is there already", ticked(path))));
        }
        metric(path, &all).map_err(|problem| problem.placed(|message| tree.problem(&place, message)))?;
    }
    Ok(())
}

/// Every expectation must be of a metric that this scenario has, in its unit.
pub(super) fn expectations(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    let tables = scenario.expectation_tables();
    if tables.iter().all(|(_, table)| table.is_empty()) {
        return Ok(());
    }
    let summary = scenario.metrics();
    let all = tables.iter().flat_map(|(name, table)| table.iter().map(move |(path, list)| (name, path, list)));
    for (table, path, list) in all {
        let place = format!("{table}.{}", segment(path));
        let name = metric(path, [&summary])
            .map_err(|problem| problem.placed(|message| tree.problem_at_key(&place, message)))?;
        for (number, expectation) in list.0.iter().enumerate() {
            if let Some(mismatch) = expectation.mismatch(&name) {
                let one = format!("{place}.{number}");
                let place = if tree.has(&one) { &one } else { &place };
                return Err(tree.problem(place, format!("`{path}` {mismatch}")));
            }
            if let Some(most) = scenario.most_of(&name).filter(|most| expectation.is_impossible_up_to(*most)) {
                let one = format!("{place}.{number}");
                let place = if tree.has(&one) { &one } else { &place };
                let message = format!("no run can meet \"{expectation}\": there are {most} sessions");
                return Err(tree.problem(place, message));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

/// Random faults: who is struck, with what, and when.
pub(super) fn chaos(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let run = scenario.file.duration;
    if let Some(invariants) = scenario.file.invariants
        && invariants.open_within == Nanos::ZERO
        && tree.has("invariants.open_within")
    {
        return Err(tree.problem("invariants.open_within", "nobody opens in no time at all"));
    }
    let Some(chaos) = &scenario.file.chaos else { return Ok(()) };
    let wrong = |key: &str, message: String| Err(tree.problem(&format!("chaos.{key}"), message));
    for (number, target) in chaos.targets.iter().enumerate() {
        if scenario.members(target).is_none() {
            let place = format!("chaos.targets.{number}");
            let known = scenario.groups.keys().map(String::as_str);
            let problem = tree.problem(&place, format!("no server or server group is named {}", ticked(target)));
            return Err(match nearest(target, known) {
                Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
                None => problem,
            });
        }
    }
    if chaos.targets.is_empty() {
        return wrong("targets", "no targets: name at least one server group".into());
    }
    if chaos.kinds.is_empty() {
        return wrong("kinds", "no kinds: leave `kinds` out for all of them".into());
    }
    if let Some(number) = chaos.kinds.iter().position(|kind| !crate::chaos::DRAWN.contains(kind)) {
        let known = crate::chaos::DRAWN.map(shakedown_core::fault::Kind::name).join(", ");
        let message = format!("faults of kind {} are not drawn at random", chaos.kinds[number].name());
        let problem = tree.problem(&format!("chaos.kinds.{number}"), message);
        return Err(problem.with_help(format!("one of {known}")));
    }
    let most = MAX_DRAWN.min((MAX_FAULTS - scenario.file.faults.len()) as u32);
    if !(1..=most).contains(&chaos.faults) {
        return wrong("faults", format!("{} faults: from 1 to {most}", chaos.faults));
    }
    let until = chaos.quiet_from(run);
    if until > run || chaos.from >= until {
        let message = format!("faults from {} to {until}, in a run of {run}", chaos.from);
        let key = if tree.has("chaos.until") { "chaos.until" } else { "chaos.from" };
        return Err(tree.problem(key, message).with_help("faults end before the run does, and begin before they end"));
    }
    distribution("chaos.lasting", &chaos.lasting, tree)?;
    if let Some(name) = scenario.file.faults.keys().find(|name| name.starts_with("chaos-")) {
        let problem = tree.problem_at_key(
            &format!("faults.{}", segment(name)),
            "names that begin with `chaos-` are those of faults drawn at random".to_string(),
        );
        return Err(problem.with_help("give it another name"));
    }
    Ok(())
}

/// The most faults that are drawn at random.
const MAX_DRAWN: u32 = 32;
