//! Names and values: which are known, and which are possible.

use std::collections::BTreeMap;

use shakedown_core::machine::EndpointId;
use shakedown_core::names::Names;
use shakedown_core::rng::{Distribution, Varying};
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::nearest::nearest;
use crate::path::segment;
use crate::problem::{Problem, listed, shortened, ticked};
use crate::tree::Tree;

pub(super) fn known_endpoint(scenario: &Draft, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    if scenario.file.dns.contains_key(name) {
        return Ok(());
    }
    let members = scenario.members(name).unwrap_or_default();
    let listens = |member: &EndpointId| scenario.group_of(member.0).program().is_none_or(|program| program.listens);
    if !members.iter().all(listens) {
        return Err(tree.problem(path, format!("`{name}` does not listen")));
    }
    known_server(scenario, name, path, tree).map_err(|problem| {
        match nearest(name, scenario.file.dns.keys().map(String::as_str)) {
            Some(near) => problem.with_help(format!("the nearest DNS name is `{near}`")),
            None => problem,
        }
    })
}

/// Checks `"gateway"` or a list of such names.
pub(super) fn known_endpoints(scenario: &Draft, names: &Names, path: &str, tree: &Tree) -> Result<(), Problem> {
    targets(scenario, names, path, tree, known_endpoint)
}

/// Checks a name.
pub(super) type Known = fn(&Draft, &str, &str, &Tree) -> Result<(), Problem>;

/// Checks a list of targets, of which each must be known by `known`.
pub(super) fn targets(scenario: &Draft, names: &Names, path: &str, tree: &Tree, known: Known) -> Result<(), Problem> {
    if names.0.is_empty() {
        return Err(tree.problem(path, "names no server: write at least one"));
    }
    each_once(scenario, &names.0, "a target", path, tree, known)
}

/// Checks a list of names: each must be known, and no server named twice.
pub(super) fn each_once(
    scenario: &Draft,
    names: &[String],
    what: &str,
    path: &str,
    tree: &Tree,
    known: Known,
) -> Result<(), Problem> {
    let mut named = BTreeMap::new();
    for (number, name) in names.iter().enumerate() {
        let listed = format!("{path}.{number}");
        let path = if tree.has(&listed) { &listed } else { path };
        known(scenario, name, path, tree)?;
        for member in scenario.endpoints(name).unwrap_or_default() {
            if let Some(before) = named.insert(member, name) {
                let directory = scenario.directory();
                let server = directory.authority(member);
                let before = if before == name { String::new() } else { format!(", by {}", ticked(before)) };
                return Err(tree.problem(path, format!("names `{server}`, which is {what} already{before}")));
            }
        }
    }
    Ok(())
}

/// Callers ask no resolver.
pub(super) fn known_callee(scenario: &Draft, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    match scenario.file.dns.get(name) {
        Some(dns) => {
            let message = format!("{} is a DNS name: servers call servers and groups", ticked(name));
            let to: Vec<String> = dns.to.iter().map(|name| format!("\"{name}\"")).collect();
            Err(tree.problem(path, message).with_help(format!("write to = [{}]", to.join(", "))))
        }
        None => known_server(scenario, name, path, tree),
    }
}

/// Checks the name of servers that connections are meant for.
pub(super) fn known_server(scenario: &Draft, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    let of_proxy = |member: EndpointId| scenario.group_of(member.0).is_proxy();
    if scenario.members(name).is_some_and(|members| members.into_iter().any(of_proxy)) {
        let message = format!("{} is a forward proxy, which connections go through, not to", ticked(name));
        let help = format!("name servers here, and write proxy = \"{name}\" in the client group");
        return Err(tree.problem(path, message).with_help(help));
    }
    known_host(scenario, name, path, tree)
}

/// Checks the name of servers, be they proxies or not.
pub(super) fn known_host(scenario: &Draft, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    if scenario.members(name).is_some() {
        return Ok(());
    }
    let groups = scenario.groups.keys().map(String::as_str);
    let known: Vec<&str> = groups.chain(scenario.servers().iter().map(|server| server.name.as_str())).collect();
    let problem = tree.problem(path, format!("no server or server group is named {}", ticked(name)));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
        None => {
            let groups = scenario.groups.keys().map(String::as_str);
            problem.with_help(format!("known groups: {}", listed(groups)))
        }
    })
}

pub(crate) fn distribution(path: &str, distribution: &Distribution, tree: &Tree) -> Result<(), Problem> {
    match distribution.problem() {
        Some(problem) => Err(tree.problem(path, problem)),
        None => Ok(()),
    }
}

/// The shortest period of what is repeated by itself, such as pings and retries. Shorter ones are slips of a unit, and would
/// keep a run from ever ending.
pub(crate) const SHORTEST_PERIOD: Nanos = Nanos::from_millis(1);

/// Whether each of its draws is zero.
pub(crate) fn is_always_zero(distribution: &Distribution) -> bool {
    is_always_below(distribution, Nanos(1))
}

/// Whether each of its draws, of those that are cut off nowhere nearly each, is below a time.
pub(crate) fn is_always_below(distribution: &Distribution, bound: Nanos) -> bool {
    let longest = match distribution {
        Distribution::Constant(value) => *value,
        Distribution::Varying(varying) => match varying {
            Varying::Uniform { max, .. } => *max,
            Varying::Exponential { mean } => *mean,
            Varying::Normal { mean, deviation } => (*mean).max(*deviation),
            Varying::Lognormal { p99, .. } => *p99,
            Varying::Quantiles(points) => points.values().copied().max().unwrap_or_default(),
        },
    };
    longest < bound
}

pub(super) fn positive(path: &str, value: u32, tree: &Tree) -> Result<(), Problem> {
    if value == 0 {
        return Err(tree.problem(path, format!("{} must be at least 1, found 0", ticked(path))));
    }
    Ok(())
}

/// Whether a terminal or a browser would do something else with it than show it: control characters, and those that turn
/// the direction of writing (Unicode TR 36, section 2.10).
pub(super) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Names stand in metric paths, authorities and file names.
pub(super) fn valid_name(name: &str, table: &str, tree: &Tree) -> Result<(), Problem> {
    name_at(name, &format!("{table}.{}", segment(name)), tree)
}

/// The same for a name that is a value.
pub(crate) fn name_at(name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 60 && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!("the name {} must be 1 to 60 small letters, digits, `-` and `_`", ticked(name));
    Err(tree.problem(path, message))
}

/// Paths stand in request lines, and in a `Location` that must lead to the same place.
pub(super) fn valid_path(value: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    let problem = match value {
        _ if !value.starts_with('/') => "it must begin with `/`",
        _ if value.starts_with("//") => "what follows `//` is read as the name of a host",
        _ if value.contains('#') => "what follows `#` is never sent",
        _ if value.len() > 2_000 => "it is longer than 2,000 bytes",
        _ if fluent_uri::UriRef::parse(value).is_err() => {
            "it is no path of a URI, in which a space, for one, is written as %20"
        }
        _ => return Ok(()),
    };
    Err(tree.problem(path, format!("the path \"{}\": {problem}", shortened(value, 60))))
}
