//! What DNS names can get wrong, and what faults find of them.

use super::{Problem, Tree, behavior, distribution, known_server, nearest, segment, ticked};
use shakedown_core::client::{Bounds, DnsCache};
use shakedown_core::fault::{self, Target};
use shakedown_core::network::dns::Config;
use shakedown_core::server::PickMember;
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::file::File;

/// The most names.
pub(super) const MAX_NAMES: usize = 1_000;

/// Checks what can be said without looking names up.
pub(super) fn check(file: &File, tree: &Tree) -> Result<(), Problem> {
    for (name, config) in &file.dns {
        one(name, config, file, tree)?;
    }
    for (name, client) in &file.clients {
        let at = |key: &str| format!("clients.{name}.{key}");
        let given = [
            ("dns_cache", client.dns_cache.is_some()),
            ("dns_timeout", client.dns_timeout.is_some()),
            ("next_address", client.next_address.is_some()),
        ];
        if let Some((key, _)) = given.into_iter().find(|(_, given)| *given && file.dns.is_empty()) {
            let problem = tree.problem(&at(key), format!("`{key}` means nothing where there are no names to look up"));
            return Err(problem.with_help("write a [dns.NAME] and name it in `endpoints`, or leave it out"));
        }
        if client.dns_timeout == Some(Nanos::ZERO) {
            return Err(tree.problem(&at("dns_timeout"), "a timeout of zero: nothing would ever open"));
        }
        if let Some(DnsCache::Within(Bounds { min, max })) = client.dns_cache {
            match (min, max) {
                (None, None) => {
                    let message = "bounds without any: write { min = \"60s\" }, { max = \"30s\" }, or both";
                    return Err(tree.problem(&at("dns_cache"), message));
                }
                (Some(min), Some(max)) if min > max => {
                    return Err(tree.problem(&at("dns_cache"), format!("max {max} is below min {min}")));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn one(name: &str, config: &Config, file: &File, tree: &Tree) -> Result<(), Problem> {
    let place = format!("dns.{}", segment(name));
    let at = |key: &str| format!("{place}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    // RFC 1123 section 2.1.
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        let message =
            format!("the name {} is no host name: small letters, digits and `-`, parted by dots", ticked(name));
        return Err(tree.problem(&place, message));
    }
    if config.to.is_empty() {
        return wrong("to", "a name without records: name at least one server or server group".into());
    }
    distribution(&at("latency"), &config.latency, tree)?;
    if let Some(min_ttl) = config.min_ttl {
        if config.resolvers == Some(0) {
            let problem =
                tree.problem(&at("min_ttl"), "`min_ttl` is about resolvers, and `resolvers` = 0 says there are none");
            return Err(problem.with_help("leave one of them out"));
        }
        if min_ttl.share.0 == 0.0 {
            return wrong("min_ttl.share", "a minimum that no resolver has: leave `min_ttl` out".into());
        }
        if min_ttl.ttl <= config.ttl {
            let message = format!("a minimum of {} changes nothing: the name's TTL is {}", min_ttl.ttl, config.ttl);
            return wrong("min_ttl.ttl", message);
        }
    }
    match &config.health {
        Some(health) => {
            if let Some((key, problem)) = health.problem() {
                return wrong(&format!("health.{key}"), problem);
            }
        }
        None if !config.standby.is_empty() => {
            let problem =
                tree.problem(&at("standby"), "`standby` needs `health`: nothing else says that the others are down");
            return Err(problem.with_help("write health = { every = \"10s\" }, or use `changes`"));
        }
        None => {}
    }
    for (number, change) in config.changes.iter().enumerate() {
        let at = |key: &str| format!("changes.{number}.{key}");
        if change.to.is_empty() {
            return wrong(&at("to"), "a name without records: name at least one server or server group".into());
        }
        if change.at >= file.duration {
            return wrong(&at("at"), format!("it changes at {}, but the run ends at {}", change.at, file.duration));
        }
        if config.changes[..number].iter().any(|other| other.at == change.at) {
            return wrong(&at("at"), format!("a second change at {}", change.at));
        }
    }
    Ok(())
}

/// Checks every server that a DNS name stands for, and that no name means two things.
pub(crate) fn names(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    for (name, config) in &scenario.file.dns {
        let place = format!("dns.{}", segment(name));
        if scenario.members(name).is_some() {
            let problem =
                tree.problem(&place, format!("the DNS name {} is a server or a server group too", ticked(name)));
            return Err(problem.with_help("give it another name, such as \"game.example\""));
        }
        let list = |key: &str, list: &[String]| {
            let mut named = Vec::new();
            for (number, server) in list.iter().enumerate() {
                let path = format!("{place}.{key}.{number}");
                known_server(scenario, server, &path, tree)?;
                for member in scenario.members(server).unwrap_or_default() {
                    if named.contains(&member) {
                        let name = &scenario.servers()[member.0 as usize].name;
                        return Err(tree.problem(&path, format!("names `{name}`, which has a record already")));
                    }
                    named.push(member);
                }
            }
            Ok(())
        };
        list("to", &config.to)?;
        list("standby", &config.standby)?;
        for (number, change) in config.changes.iter().enumerate() {
            list(&format!("changes.{number}.to"), &change.to)?;
        }
        // Clients know from a URI whether it is `ws:` or `wss:`, before they know who answers.
        let all = config.to.iter().chain(&config.standby).chain(config.changes.iter().flat_map(|change| &change.to));
        let mut all = all.flat_map(|server| scenario.members(server).unwrap_or_default());
        let first = all.next().is_some_and(|server| scenario.is_secure(server));
        if all.any(|server| scenario.is_secure(server) != first) {
            let message = "it stands for servers with TLS and for servers without";
            return Err(tree.problem(&place, message).with_help("give all of them TLS, or none"));
        }
    }
    // A name has no connections of its own to report.
    for (name, server) in &scenario.file.servers {
        for (number, behavior) in server.behavior.0.iter().enumerate() {
            let to_name = behavior.to.iter().flat_map(|to| &to.0).any(|to| scenario.file.dns.contains_key(to));
            if to_name && behavior.pick == Some(PickMember::LeastConnections) {
                let path = format!("{}.pick", behavior::place(name, number, tree));
                let problem = tree.problem(&path, "a redirect to a DNS name leaves the choice to whoever looks it up");
                return Err(problem.with_help("leave `pick` out, or name a server group"));
            }
        }
    }
    Ok(())
}

/// The DNS name that a fault strikes.
pub(crate) fn struck(scenario: &Draft, name: &str, fault: &fault::Config, tree: &Tree) -> Result<Vec<u32>, Problem> {
    let path = format!("faults.{name}.target");
    let names = match &fault.target {
        Target::Names(names) => &names.0[..],
        _ => &[],
    };
    let mut numbers = Vec::new();
    let mut stranger = None;
    for name in names {
        match scenario.roster.dns_name(name) {
            Some(number) => numbers.push(number.0),
            None => stranger = Some(name),
        }
    }
    if stranger.is_none() && !numbers.is_empty() {
        numbers.sort_unstable();
        numbers.dedup();
        return Ok(numbers);
    }
    let problem = tree.problem(&path, "a fault of kind dns-outage strikes a DNS name, and this is none");
    let near = stranger.and_then(|name| nearest(name, scenario.file.dns.keys().map(String::as_str)));
    Err(match (near, scenario.file.dns.keys().next()) {
        (Some(near), _) => problem.with_help(format!("the nearest name is `{near}`")),
        (None, Some(first)) => problem.with_help(format!("write target = \"{first}\"")),
        (None, None) => problem.with_help("write a [dns.NAME] first"),
    })
}
