//! What a fault can still get wrong: keys of another kind, and two faults on the same server.

use super::{Problem, Tree};
use shakedown_core::fault::{Config, Cut, Fault, FaultWindow, Kind, Side};
use shakedown_core::machine::EndpointId;
use shakedown_core::quantity::Loss;
use shakedown_core::scenario::{Scenario, ServerEntry};
use shakedown_core::server::Membership;
use shakedown_core::time::{Nanos, Timestamp};

/// The most repetitions.
const MAX_TIMES: u32 = 10_000;

/// Checks the keys of the fault `faults.NAME`.
pub(super) fn keys(name: &str, fault: &Config, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("faults.{name}.{key}");
    let kind = fault.effective_kind();
    let (rolling, drain) = (kind == Kind::RollingRestart, kind == Kind::Drain);
    let given = [
        ("factor", fault.factor.is_some(), kind == Kind::Slow || kind == Kind::Latency),
        ("loss", fault.loss.is_some(), kind == Kind::Lossy),
        ("bandwidth", fault.bandwidth.is_some(), kind == Kind::Bandwidth),
        ("queue", fault.queue.is_some(), kind == Kind::Bandwidth),
        ("share", fault.share.is_some(), kind == Kind::Reset),
        ("for", fault.duration.is_some(), kind != Kind::Reset),
        ("one_way", fault.one_way, kind != Kind::Reset),
        ("add", fault.add.is_some(), kind == Kind::Latency),
        ("to", fault.to.is_some(), kind == Kind::Backlog),
        ("code", fault.code.is_some(), drain || kind.restarts()),
        ("over", fault.over.is_some(), drain),
        ("at_a_time", fault.at_a_time.is_some(), rolling),
        ("gap", fault.gap.is_some(), rolling),
        ("drain", fault.drain.is_some(), kind.restarts()),
        ("with", fault.with.is_some(), fault.kind == Kind::Flap),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
        return Err(tree.problem(&at(key), format!("`{key}` means nothing to a fault of kind {}", kind.name())));
    }
    let needs = |key: &str, example: &str| {
        let problem = tree.problem(&at("kind"), format!("a fault of kind {} needs `{key}`", fault.kind.name()));
        Err(problem.with_help(format!("write {key} = {example}")))
    };
    if fault.kind == Kind::Flap {
        match fault.with {
            None => return needs("with", "\"crash\", what comes and goes"),
            Some(with @ (Kind::Flap | Kind::RollingRestart | Kind::Reset)) => {
                let message = format!("a target does not flap with `{}`", with.name());
                return Err(tree.problem(&at("with"), message).with_help("write with = \"crash\" or \"partition\""));
            }
            Some(_) if fault.duration.is_none() => return needs("for", "\"2s\", how long it is down each time"),
            Some(_) if fault.repeat.is_none() => return needs("repeat", "{ every = \"10s\" }"),
            Some(_) => {}
        }
    }
    match kind {
        Kind::Slow if fault.factor.is_none() => return needs("factor", "5"),
        Kind::Backlog if fault.to.is_none() => return needs("to", "16"),
        Kind::Lossy if fault.loss.is_none() => return needs("loss", "\"20%\""),
        Kind::Bandwidth if fault.bandwidth.is_none() => return needs("bandwidth", "\"10Mbit/s\""),
        Kind::Latency if fault.add.is_none() && fault.factor.is_none() => {
            return needs("add", "\"200ms\", or factor = 5");
        }
        Kind::RollingRestart if fault.duration.is_none() => {
            return needs("for", "\"5s\", how long each server is down");
        }
        _ => {}
    }
    if fault.duration == Some(Nanos::ZERO) && kind != Kind::Restart && !rolling {
        let message = "a fault must take some time; leave `for` out for one that never heals";
        return Err(tree.problem(&at("for"), message));
    }
    if let Some(factor) = fault.factor
        && !(1.0..=1e6).contains(&factor)
    {
        let what = if kind == Kind::Latency { "the way" } else { "work" };
        let message = format!("factor {factor}: 5 makes {what} take five times as long; from 1 to 1000000");
        return Err(tree.problem(&at("factor"), message));
    }
    if kind == Kind::Latency && fault.add.is_some() && fault.factor.is_some() {
        return Err(tree.problem(&at("factor"), "`add` and `factor` exclude each other"));
    }
    if kind == Kind::Latency && (fault.add == Some(Nanos::ZERO) || fault.factor == Some(1.0)) {
        let key = if fault.add.is_some() { "add" } else { "factor" };
        return Err(tree.problem(&at(key), "a fault that makes no way longer"));
    }
    if fault.share.is_some_and(|share| share.0 <= 0.0) {
        return Err(tree.problem(&at("share"), "a fault that resets nothing"));
    }
    if let Some(bandwidth) = fault.bandwidth {
        super::check::network::narrow(&at("bandwidth"), bandwidth, tree)?;
    }
    if let Some(loss) = fault.loss {
        if loss == Loss::default() {
            return Err(tree.problem(&at("loss"), "a fault that loses nothing"));
        }
        if fault.one_way && loss.forward != loss.back {
            let help = "leave `one_way` out, or write one share";
            return Err(tree.problem(&at("one_way"), "`loss` says already what each way loses").with_help(help));
        }
    }
    if fault.at_a_time == Some(0) {
        return Err(tree.problem(&at("at_a_time"), "zero: it must be at least 1"));
    }
    if let Some(code) = fault.code
        && ![1001, 1012, 1013].contains(&code)
    {
        let message = format!("code {code}: 1001 (going away), 1012 (service restart) or 1013 (try again later)");
        return Err(tree.problem(&at("code"), message));
    }
    if let Some(repeat) = fault.repeat {
        if let Some(times) = repeat.times
            && !(1..=MAX_TIMES).contains(&times)
        {
            let place = if tree.has(&at("repeat.times")) { "repeat.times" } else { "repeat" };
            return Err(tree.problem(&at(place), format!("{times} times: from 1 to {MAX_TIMES}")));
        }
        if repeat.every == Nanos::ZERO {
            return Err(tree.problem(&at("repeat.every"), "repetitions must have some time between them"));
        }
    }
    Ok(())
}

/// A rolling restart has to come round: what it does to the last servers is the question.
pub(super) fn unfinished(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    let run = scenario.file.duration;
    for fault in &scenario.faults {
        // None of this kind is drawn at random.
        let Some(config) = scenario.file.faults.get(&fault.name) else { continue };
        if config.effective_kind() != Kind::RollingRestart {
            continue;
        }
        // Repetitions may be cut off.
        let rounds = config.repeat.and_then(|repeat| repeat.times).unwrap_or(1) as usize;
        let first = &fault.windows[..fault.windows.len() / rounds.max(1)];
        let Some(ends) = first.iter().filter_map(|window| window.heals).max() else { continue };
        let ends = ends.since(Timestamp::ZERO);
        if ends <= run {
            continue;
        }
        let restarts = first.iter().filter(|window| window.kind == Kind::Restart);
        let servers: usize = restarts.map(|window| window.servers.len()).sum();
        let turn = config.drain.unwrap_or_default() + config.duration.unwrap_or_default();
        let message = format!("the last of {servers} servers would be back at {ends}, but the run ends at {run}");
        let help = format!(
            "a turn takes {turn} and then a gap of {}: begin earlier, let a turn take less, raise at_a_time, or let the run take longer",
            config.gap.unwrap_or_default()
        );
        return Err(tree.problem(&format!("faults.{}.at", fault.name), message).with_help(help));
    }
    Ok(())
}

/// A fault can only hold a server that is there.
pub(super) fn absences(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    for fault in &scenario.faults {
        for window in &fault.windows {
            let heals = window.heals.unwrap_or(Timestamp::NEVER);
            for server in &window.servers {
                // DNS names are numbered after servers, and are there all the time.
                let Some(ServerEntry { name, group }) = scenario.servers.get(*server as usize) else { continue };
                let Membership { joins_at, leaves_at } = scenario.file.servers[*group].membership();
                let at = |key: &str| format!("faults.{}.{key}", fault.name);
                if let Some(joins) = joins_at.filter(|joins| window.begins <= *joins) {
                    let message = format!(
                        "`{}` would hold `{name}` before it has joined, at {}",
                        fault.name,
                        joins.since(Timestamp::ZERO)
                    );
                    return Err(tree.problem(&at("at"), message).with_help("let it begin later"));
                }
                if let Some((leaves, _)) = leaves_at.filter(|(leaves, _)| heals > *leaves) {
                    let message = format!(
                        "`{}` would hold `{name}` when it leaves, at {}",
                        fault.name,
                        leaves.since(Timestamp::ZERO)
                    );
                    let help = "end it before that with `for`, or give it another target";
                    return Err(tree.problem(&at("target"), message).with_help(help));
                }
            }
        }
    }
    Ok(())
}

/// Two faults can't hold the same server at the same time: what would be true of it? Nor can two of a kind hold the same
/// way over a link. Different kinds may; and of two partitions, what either cuts is cut.
pub(super) fn overlaps(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    for (number, fault) in scenario.faults.iter().enumerate() {
        let Some(kind) = fault.windows.first().map(|window| window.kind).filter(|kind| kind.is_of_links()) else {
            continue;
        };
        // Repetitions are in order of time.
        let outlasts = |pair: &[FaultWindow]| pair[0].heals.is_none_or(|heals| heals > pair[1].begins);
        if fault.windows.windows(2).any(outlasts) {
            let message = format!("`{}` would begin again before it is healed", fault.name);
            let help = "repeat it after a longer time, or let it take less";
            return Err(tree.problem(&format!("faults.{}.repeat.every", fault.name), message).with_help(help));
        }
        for earlier in scenario.faults[..number].iter().filter(|earlier| is_of(earlier, kind)) {
            if kind.impairs()
                && let Some(cut) = both_hold(earlier, fault)
                && at_once(earlier, fault)
            {
                let clients = match cut.side {
                    Side::Clients(group) => scenario.file.clients.get_index(group.into()).map(|(name, _)| name),
                    Side::Server(server) => Some(&scenario.servers[server as usize].name),
                };
                let clients = clients.expect("a side has a name");
                let server = &scenario.servers[cut.server as usize].name;
                let (one, other) = (&earlier.name, &fault.name);
                let message = format!(
                    "`{one}` and `{other}` would both hold the link between {clients} and {server} at the same time"
                );
                let help = "end one with `for` before the other begins, or give them different targets";
                return Err(tree.problem(&format!("faults.{other}.at"), message).with_help(help));
            }
        }
    }
    let mut held: Vec<(u32, Timestamp, Timestamp, usize)> = Vec::new();
    for (number, fault) in scenario.faults.iter().enumerate() {
        for window in &fault.windows {
            let heals = window.heals.unwrap_or(Timestamp::NEVER);
            held.extend(window.servers.iter().map(|server| (*server, window.begins, heals, number)));
        }
    }
    held.sort_unstable();
    let directory = scenario.directory();
    for pair in held.windows(2) {
        let [(server, _, heals, one), (other_server, begins, _, other)] = pair else { continue };
        if server != other_server || begins >= heals {
            continue;
        }
        let server = directory.authority(EndpointId(*server));
        let (first, second) = (&scenario.faults[*one.min(other)].name, &scenario.faults[*one.max(other)].name);
        if one == other {
            let message = format!("`{first}` would begin again before `{server}` is healed");
            let help = "repeat it after a longer time, or let it take less";
            return Err(tree.problem(&format!("faults.{first}.repeat.every"), message).with_help(help));
        }
        let message = format!("`{first}` and `{second}` would both hold `{server}` at the same time");
        let help = "end one with `for` before the other begins, or give them different targets";
        return Err(tree.problem(&format!("faults.{second}.at"), message).with_help(help));
    }
    Ok(())
}

fn is_of(fault: &Fault, kind: Kind) -> bool {
    fault.windows.first().is_some_and(|window| window.kind == kind)
}

/// A way over a link that both faults strike.
fn both_hold<'a>(one: &Fault, other: &'a Fault) -> Option<&'a Cut> {
    other.cuts.iter().find(|cut| {
        let shared = one.between(cut.side, cut.server);
        shared.is_some_and(|shared| shared.to_server && cut.to_server || shared.to_client && cut.to_client)
    })
}

/// Whether a window of one fault lasts while one of the other does.
fn at_once(one: &Fault, other: &Fault) -> bool {
    let meets = |a: &FaultWindow, b: &Fault| {
        // The last of the others that begins no later, and the first that begins later.
        let ends = a.heals.unwrap_or(Timestamp::NEVER);
        let later = b.windows.partition_point(|window| window.begins <= a.begins);
        b.lasts_at(a.begins) || b.windows.get(later).is_some_and(|window| window.begins < ends)
    };
    one.windows.iter().any(|window| meets(window, other))
}
