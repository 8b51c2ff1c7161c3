//! What a fault can still get wrong: keys of another kind, and two faults on the same server.

use super::{Problem, Scenario, Tree};
use crate::fault::{Config, Kind};
use crate::time::{Nanos, Timestamp};

/// The most repetitions.
const MAX_TIMES: u32 = 10_000;

/// Checks the keys of the fault `faults.NAME`.
pub(super) fn keys(name: &str, fault: &Config, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("faults.{name}.{key}");
    let kind = fault.strikes_with();
    let (rolling, drain) = (kind == Kind::RollingRestart, kind == Kind::Drain);
    let given = [
        ("factor", fault.factor.is_some(), kind == Kind::Slow),
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
            Some(with @ (Kind::Flap | Kind::RollingRestart)) => {
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
        let message = format!("factor {factor}: 5 makes work take five times as long; from 1 to 1000000");
        return Err(tree.problem(&at("factor"), message));
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

/// Two faults can't hold the same server at the same time: what would be true of it?
pub(super) fn overlaps(scenario: &Scenario, tree: &Tree) -> Result<(), Problem> {
    let mut held: Vec<(u32, Timestamp, Timestamp, usize)> = Vec::new();
    for (number, fault) in scenario.faults.iter().enumerate() {
        for strike in &fault.strikes {
            let heals = strike.heals.unwrap_or(Timestamp::NEVER);
            held.extend(strike.servers.iter().map(|server| (*server, strike.begins, heals, number)));
        }
    }
    held.sort_unstable();
    for pair in held.windows(2) {
        let [(server, _, heals, one), (other_server, begins, _, other)] = pair else { continue };
        if server != other_server || begins >= heals {
            continue;
        }
        let server = &scenario.servers[*server as usize].name;
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
