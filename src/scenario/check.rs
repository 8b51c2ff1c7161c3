//! What a well-formed file can still get wrong: impossible values, unknown names, contradictions.

use std::collections::BTreeSet;

use super::problem::{Problem, nearest};
use super::{File, Scenario, Tree};
use crate::client::{Hold, Policy};
use crate::fault::Target;
use crate::load::Arrive;
use crate::metrics::Metrics;
use crate::rng::Distribution;
use crate::server::{BehaviorConfig, Kind, LocationForm, PickMember};
use crate::time::{Nanos, Timestamp};

/// The most servers: results have columns for each.
const MAX_SERVERS: u64 = 10_000;
/// The most faults: each session remembers which took it down, a bit each.
const MAX_FAULTS: usize = 64;
/// The most intervals of a series.
const MAX_INTERVALS: u64 = 100_000;

/// Checks what can be said without looking names up.
pub(super) fn file(file: &File, tree: &Tree) -> Result<(), Problem> {
    let wrong = |path: &str, message: String| Err(tree.problem(path, message));
    let distribution = |path: String, distribution: &Distribution| match distribution.problem() {
        Some(problem) => Err(tree.problem(&path, problem)),
        None => Ok(()),
    };
    if file.format != 1 {
        return wrong("format", format!("format {} is unknown: this version reads format 1", file.format));
    }
    if file.duration == Nanos::ZERO {
        return wrong("duration", "a run must take some time".into());
    }
    distribution("network.one_way".into(), &file.network.one_way)?;
    distribution("network.jitter".into(), &file.network.jitter)?;
    if let Some(problem) = file.network.syn_retries.problem() {
        return wrong("network.syn_retries", problem);
    }
    if file.servers.is_empty() {
        return wrong("servers", "no servers: write at least one [servers.NAME]".into());
    }
    if file.clients.is_empty() {
        return wrong("clients", "no clients: write at least one [clients.NAME]".into());
    }
    let servers: u64 = file.servers.values().map(|group| u64::from(group.count)).sum();
    for (name, server) in &file.servers {
        let at = |key: &str| format!("servers.{name}.{key}");
        valid_name(name, &format!("servers.{name}"), tree)?;
        for (key, value) in [("count", server.count), ("workers", server.workers), ("backlog", server.backlog)] {
            positive(&at(key), value, tree)?;
        }
        if servers > MAX_SERVERS {
            return wrong(&at("count"), format!("{servers} servers in all: the most is {MAX_SERVERS}"));
        }
        if let Some(most) = server.connections_max {
            positive(&at("connections_max"), most, tree)?;
        }
        distribution(at("service_time"), &server.service_time)?;
        for (number, one) in server.behavior.0.iter().enumerate() {
            let list = server.behavior.0.len() > 1;
            let path = if list { at(&format!("behavior.{number}")) } else { at("behavior") };
            behavior(one, &path, tree)?;
        }
    }
    let sessions: u64 = file.clients.values().map(|group| u64::from(group.count)).sum();
    for (name, client) in &file.clients {
        let at = |key: &str| format!("clients.{name}.{key}");
        valid_name(name, &format!("clients.{name}"), tree)?;
        positive(&at("count"), client.count, tree)?;
        if sessions > u64::from(u32::MAX) {
            return wrong(&at("count"), format!("{sessions} sessions in all: the most is {}", u32::MAX));
        }
        if client.start >= file.duration {
            return wrong(&at("start"), format!("starts at {}, but the run ends at {}", client.start, file.duration));
        }
        if let Some(problem) = client.arrive.problem() {
            return wrong(&at("arrive"), problem);
        }
        if client.endpoints.is_empty() {
            return wrong(&at("endpoints"), "no endpoints: name at least one server or server group".into());
        }
        valid_path(&client.path, &at("path"), tree)?;
        for (key, value) in
            [("connect_timeout", client.connect_timeout), ("handshake_timeout", client.handshake_timeout)]
        {
            if value == Nanos::ZERO {
                return wrong(&at(key), "a timeout of zero: nothing would ever open".into());
            }
        }
        let retry = &client.retry;
        if retry.policy != Policy::None && retry.base > retry.cap && retry.policy != Policy::Fixed {
            return wrong(&at("retry.cap"), format!("cap {} is below base {}", retry.cap, retry.base));
        }
        if retry.policy != Policy::None && retry.base == Nanos::ZERO {
            return wrong(&at("retry.base"), "a base of zero: retries would follow at once, for ever".into());
        }
        if let Some(attempts) = retry.attempts {
            positive(&at("retry.attempts"), attempts, tree)?;
        }
        match (&client.hold, &client.arrive) {
            (Hold::For(time), _) => distribution(at("hold"), time)?,
            (Hold::End, Arrive::ClosedLoop { .. }) => {
                let help = "write a time, such as hold = \"30s\"";
                return Err(tree.problem(&at("hold"), "a closed loop needs sessions that end").with_help(help));
            }
            _ => {}
        }
        if let Some(hosts) = client.hosts {
            positive(&at("hosts"), hosts, tree)?;
        }
        if client.connect_gate && client.hosts.is_none() {
            let help = "write hosts = N beside it, or leave connect_gate out";
            return Err(tree
                .problem(
                    &at("connect_gate"),
                    "a connect gate is shared by the sessions of a host, and here each session is its own",
                )
                .with_help(help));
        }
    }
    if file.faults.len() > MAX_FAULTS {
        return wrong("faults", format!("{} faults: the most is {MAX_FAULTS}", file.faults.len()));
    }
    for (name, fault) in &file.faults {
        let at = |key: &str| format!("faults.{name}.{key}");
        valid_name(name, &format!("faults.{name}"), tree)?;
        if fault.at >= file.duration {
            return wrong(&at("at"), format!("begins at {}, but the run ends at {}", fault.at, file.duration));
        }
        if fault.duration == Some(Nanos::ZERO) {
            return wrong(&at("for"), "a fault must take some time; leave `for` out for one that never heals".into());
        }
        if let Target::Some(some) = &fault.target {
            match (some.share, some.count) {
                (Some(_), Some(_)) => return wrong(&at("target"), "`share` and `count` exclude each other".into()),
                (None, None) => return wrong(&at("target"), "say how many: share = \"30%\" or count = 1".into()),
                (None, Some(count)) => positive(&at("target.count"), count, tree)?,
                (Some(_), None) => {}
            }
        }
    }
    measure(file, tree)
}

fn measure(file: &File, tree: &Tree) -> Result<(), Problem> {
    let wrong = |path: &str, message: String| Err(tree.problem(path, message));
    let until = file.measure.until.unwrap_or(file.duration);
    if until > file.duration {
        return wrong("measure.until", format!("{until} is after the run's end at {}", file.duration));
    }
    if file.measure.from >= until {
        return wrong(
            "measure.from",
            format!("{} is not before the end of the measured time at {until}", file.measure.from),
        );
    }
    match file.measure.interval {
        Some(Nanos::ZERO) => wrong("measure.interval", "an interval must take some time".into()),
        Some(interval) if file.duration.0 / interval.0 > MAX_INTERVALS => {
            wrong("measure.interval", format!("more than {MAX_INTERVALS} intervals of {interval}"))
        }
        _ => Ok(()),
    }
}

fn behavior(behavior: &BehaviorConfig, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let redirect = behavior.kind == Kind::Redirect;
    let reject = behavior.kind == Kind::Reject;
    let given = [
        ("to", behavior.to.is_some(), redirect),
        ("pick", behavior.pick.is_some(), redirect),
        ("location", behavior.location.is_some(), redirect),
        ("path", behavior.path.is_some(), redirect),
        ("report_every", behavior.report_every.is_some(), redirect),
        ("status", behavior.status.is_some(), redirect || reject),
        ("retry_after", behavior.retry_after.is_some(), reject),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
        return Err(tree.problem(&at(key), format!("`{key}` means nothing to this kind of behavior")));
    }
    if let Some(status) = behavior.status {
        let fits = if redirect { [301, 302, 303, 307, 308].contains(&status) } else { (200..=599).contains(&status) };
        if !fits {
            let known = if redirect { "301, 302, 303, 307 or 308" } else { "200 to 599" };
            return Err(tree.problem(&at("status"), format!("status {status}: it must be {known}")));
        }
    }
    if let Some(after) = behavior.retry_after
        && (after.0 % 1_000_000_000 != 0 || after > Nanos::from_secs(u64::from(u32::MAX)))
    {
        return Err(tree.problem(&at("retry_after"), "Retry-After is in whole seconds (RFC 9110 section 10.2.3)"));
    }
    if redirect {
        let relative = behavior.location == Some(LocationForm::Relative);
        match (&behavior.to, &behavior.path) {
            (None, None) => {
                let help = "write to = \"GROUP\" for another server, or path = \"/other\" for the same one";
                return Err(tree.problem(path, "a redirect to nowhere").with_help(help));
            }
            (Some(_), _) if relative => {
                return Err(
                    tree.problem(&at("location"), "a relative Location leads to the same server: leave `to` out")
                );
            }
            _ => {}
        }
        if let Some(path) = &behavior.path {
            valid_path(path, &at("path"), tree)?;
        }
        if behavior.report_every == Some(Nanos::ZERO) {
            return Err(tree.problem(&at("report_every"), "reports must have some time between them"));
        }
        if behavior.report_every.is_some() && behavior.pick != Some(PickMember::LeastConnections) {
            return Err(tree.problem(&at("report_every"), "only pick = \"least-connections\" asks for reports"));
        }
    }
    if let Some(when) = &behavior.when {
        if let (Some(after), Some(until)) = (when.after, when.until)
            && after >= until
        {
            return Err(tree.problem(&at("when.until"), format!("until {until} is not later than after {after}")));
        }
        if let Some(path) = &when.path {
            valid_path(path, &at("when.path"), tree)?;
        }
    }
    Ok(())
}

/// Checks every name of a server or a group.
pub(super) fn names(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    let mut taken = BTreeSet::new();
    for server in &scenario.servers {
        if !taken.insert(&server.name) || scenario.file.servers.contains_key(&server.name) {
            let (group, _) = scenario.file.servers.get_index(server.group).expect("every server has a group");
            let message = format!("the name {} would mean two things: rename this group", server.name);
            return Err(tree.problem(&format!("servers.{group}"), message));
        }
    }
    for (name, client) in &scenario.file.clients {
        for (number, endpoint) in client.endpoints.iter().enumerate() {
            known_server(scenario, endpoint, &format!("clients.{name}.endpoints.{number}"), tree)?;
        }
    }
    for (name, server) in &scenario.file.servers {
        for (number, behavior) in server.behavior.0.iter().enumerate() {
            let list = server.behavior.0.len() > 1;
            let place = if list { format!("behavior.{number}") } else { "behavior".into() };
            if let Some(to) = &behavior.to {
                known_server(scenario, to, &format!("servers.{name}.{place}.to"), tree)?;
            }
        }
    }
    for (name, fault) in &scenario.file.faults {
        let path = match &fault.target {
            Target::Name(_) => format!("faults.{name}.target"),
            Target::Some(_) => format!("faults.{name}.target.group"),
        };
        known_server(scenario, fault.target.name(), &path, tree)?;
        if let Target::Some(some) = &fault.target
            && let Some(count) = some.count
            && let Some(members) = scenario.members(&some.group)
            && count as usize > members.len()
        {
            let message = format!("{count} of {}, which has {} members", some.group, members.len());
            return Err(tree.problem(&format!("faults.{name}.target.count"), message));
        }
    }
    Ok(())
}

fn known_server(scenario: &Scenario, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    if scenario.members(name).is_some() {
        return Ok(());
    }
    let groups = scenario.file.servers.keys().map(String::as_str);
    let known: Vec<&str> = groups.chain(scenario.servers.iter().map(|server| server.name.as_str())).collect();
    let problem = tree.problem(path, format!("no server or server group is named `{name}`"));
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
        None => problem.with_help(format!("known groups: {}", quoted(scenario.file.servers.keys()))),
    })
}

fn quoted<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Two faults can't hold the same server at the same time: what would be true of it?
pub(super) fn faults(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    for (number, fault) in scenario.faults.iter().enumerate() {
        for other in &scenario.faults[..number] {
            let end = |heals: Option<Timestamp>| heals.unwrap_or(Timestamp::NEVER);
            let apart = fault.begins >= end(other.heals) || other.begins >= end(fault.heals);
            let shared = fault.servers.iter().find(|server| other.servers.contains(server));
            if let (false, Some(server)) = (apart, shared) {
                let server = &scenario.servers[*server as usize].name;
                let message = format!("{} and {} would both hold {server} at the same time", other.name, fault.name);
                let help = "end one with `for` before the other begins, or give them different targets";
                return Err(tree.problem(&format!("faults.{}.at", fault.name), message).with_help(help));
            }
        }
    }
    Ok(())
}

/// Every expectation must be of a metric that this scenario has, in its unit.
pub(super) fn expectations(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    if scenario.file.expect.is_empty() {
        return Ok(());
    }
    // The names are those of a run in which nothing happened: one table serves both.
    let mut layout = scenario.layout();
    layout.groups.iter_mut().for_each(|group| group.count = 0);
    layout.interval = layout.duration;
    let summary = Metrics::new(layout).finish(Timestamp::ZERO).summary;
    for (path, list) in &scenario.file.expect {
        let place = format!("expect.{}", super::path::segment(path));
        let Some(value) = summary.get(path) else {
            let known = summary.metrics.iter().map(|metric| metric.path.as_str());
            let problem = tree.problem(&place, format!("no metric is named `{path}`"));
            return Err(match nearest(path, known) {
                Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
                None => problem.with_help("`shakedown run` prints every metric's name with --format json"),
            });
        };
        for expectation in &list.0 {
            if let Some(mismatch) = expectation.mismatch(value) {
                return Err(tree.problem(&place, format!("`{path}` {mismatch}")));
            }
        }
    }
    Ok(())
}

fn positive(path: &str, value: u32, tree: &Tree) -> Result<(), Problem> {
    if value == 0 {
        return Err(tree.problem(path, "zero: it must be at least 1"));
    }
    Ok(())
}

/// Names stand in metric paths, authorities and file names.
fn valid_name(name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= 60 && name.chars().all(fits) {
        return Ok(());
    }
    let message = format!("the name `{name}`: write small letters, digits, `-` and `_`, at most 60");
    Err(tree.problem(path, message))
}

fn valid_path(value: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if value.starts_with('/') && visible && value.len() <= 2_000 {
        return Ok(());
    }
    Err(tree.problem(path, format!("the path `{value}`: it must begin with `/` and have no spaces and no `#`")))
}
