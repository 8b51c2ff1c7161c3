//! A fault as written becomes one with only the keys of its kind.

use shakedown_core::fault::{Action, Commands, Config, Course, Kind, Reload, Turns};
use shakedown_core::machine::{Ending, Ends};
use shakedown_core::quantity::Loss;
use shakedown_core::time::Nanos;

use super::{Problem, Tree};
use crate::check::clocks::ending;
use crate::check::distribution;
use crate::check::network::narrow;
use crate::faults::FaultToml;
use crate::machines::GOING_AWAY;

/// The most repetitions.
const MAX_TIMES: u32 = 10_000;
/// How long a drain's close frames are spread unless the scenario says otherwise.
const DRAINS_OVER: Nanos = Nanos::from_secs(10);

/// How an old process may end its connections: by default in the first way.
const ENDINGS: [Ends; 3] = [Ends::Fin, Ends::Reset, Ends::Close];

/// The fault `faults.NAME` with the keys that its kind has; every other one is a problem.
pub(crate) fn read(name: &str, fault: &FaultToml, tree: &Tree) -> Result<Config, Problem> {
    let at = |key: &str| format!("faults.{name}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    let kind = fault.effective_kind();
    let (rolling, drain) = (kind == Kind::RollingRestart, kind == Kind::Drain);
    let given = [
        ("factor", fault.factor.is_some(), kind == Kind::Slow || kind == Kind::Latency),
        ("loss", fault.loss.is_some(), kind == Kind::Lossy),
        ("bandwidth", fault.bandwidth.is_some(), kind == Kind::Bandwidth),
        ("queue", fault.queue.is_some(), kind == Kind::Bandwidth),
        ("share", fault.share.is_some(), kind == Kind::Reset),
        ("for", fault.duration.is_some(), kind != Kind::Reset && kind != Kind::Reload),
        ("one_way", fault.one_way, kind != Kind::Reset),
        ("connections_until", fault.connections_until.is_some(), kind == Kind::Reload),
        ("ends", fault.ends.is_some(), kind == Kind::Reload),
        ("command", fault.command.is_some(), kind == Kind::Command),
        ("heal", fault.heal.is_some(), kind == Kind::Command),
        ("add", fault.add.is_some(), kind == Kind::Latency),
        ("to", fault.to.is_some(), kind == Kind::Backlog),
        ("code", fault.code.is_some(), drain || kind.restarts() || kind == Kind::Reload),
        ("over", fault.over.is_some(), drain),
        ("at_a_time", fault.at_a_time.is_some(), rolling || kind == Kind::Reload),
        ("gap", fault.gap.is_some(), rolling || kind == Kind::Reload),
        ("drain", fault.drain.is_some(), kind.restarts()),
        ("with", fault.with.is_some(), fault.kind == Kind::Flap),
    ];
    if let Some((key, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
        return wrong(key, format!("`{key}` means nothing to a fault of kind {}", kind.name()));
    }
    let needs = |key: &str, example: &str| {
        let problem = tree.problem(&at("kind"), format!("a fault of kind {} needs `{key}`", fault.kind.name()));
        problem.with_help(format!("write {key} = {example}"))
    };
    if fault.kind == Kind::Flap {
        match fault.with {
            None => return Err(needs("with", "\"crash\", what comes and goes")),
            Some(with @ (Kind::Flap | Kind::RollingRestart | Kind::Reset | Kind::Reload | Kind::Command)) => {
                let message = format!("a target does not flap with `{}`", with.name());
                return Err(tree.problem(&at("with"), message).with_help("write with = \"crash\" or \"partition\""));
            }
            Some(_) if fault.duration.is_none() => return Err(needs("for", "\"2s\", how long it is down each time")),
            Some(_) if fault.repeat.is_none() => return Err(needs("repeat", "{ every = \"10s\" }")),
            Some(_) => {}
        }
    }
    let end = |action, code, turns| {
        let (drain, code) = (fault.drain.unwrap_or_default(), fault.code.unwrap_or(code));
        Course::End { action, drain, code, turns }
    };
    let turns = Some(Turns { at_a_time: fault.at_a_time.unwrap_or(1), gap: fault.gap.unwrap_or_default() });
    let course = match kind {
        Kind::Crash | Kind::Flap => Course::Action(Action::Crash),
        Kind::PowerOff => Course::Action(Action::PowerOff),
        Kind::Hang => Course::Action(Action::Hang),
        Kind::Pause => Course::Action(Action::Pause),
        Kind::Partition => Course::Action(Action::Partition),
        Kind::DnsOutage => Course::Action(Action::DnsOutage),
        Kind::Command => Course::Action(Action::Command),
        Kind::Slow => Course::Action(Action::Slow { factor: fault.factor.ok_or_else(|| needs("factor", "5"))? }),
        Kind::Backlog => Course::Action(Action::Backlog { to: fault.to.ok_or_else(|| needs("to", "16"))? }),
        Kind::Lossy => Course::Action(Action::Lossy { loss: fault.loss.ok_or_else(|| needs("loss", "\"20%\""))? }),
        Kind::Bandwidth => {
            let bandwidth = fault.bandwidth.ok_or_else(|| needs("bandwidth", "\"10Mbit/s\""))?;
            Course::Action(Action::Bandwidth { bandwidth, queue: fault.queue })
        }
        Kind::Latency if fault.add.is_none() && fault.factor.is_none() => {
            return Err(needs("add", "\"200ms\", or factor = 5"));
        }
        Kind::Latency => {
            let (factor, add) = (fault.factor.unwrap_or(1.0), fault.add.unwrap_or_default());
            Course::Action(Action::Latency { factor, add })
        }
        Kind::Reset => Course::Action(Action::Reset { share: fault.share.map_or(1.0, |share| share.0) }),
        Kind::Reload if fault.at_a_time.is_none() && fault.gap.is_none() => Course::Action(Action::Reload),
        // In turn: a rolling deployment that starts the new process before it takes the old one away.
        Kind::Reload => end(Action::Reload, GOING_AWAY, turns),
        Kind::Drain => {
            let (code, over) = (fault.code.unwrap_or(1001), fault.over.unwrap_or(DRAINS_OVER));
            Course::Action(Action::Drain { code, over })
        }
        Kind::Stop => end(Action::Stop, 1001, None),
        Kind::Restart => end(Action::Restart, 1012, None),
        Kind::RollingRestart if fault.duration.is_none() => {
            return Err(needs("for", "\"5s\", how long each server is down"));
        }
        Kind::RollingRestart => end(Action::Restart, 1012, turns),
    };
    for (key, command) in [("command", &fault.command), ("heal", &fault.heal)] {
        if command.as_ref().is_some_and(|command| command.first().is_none_or(String::is_empty)) {
            let help = format!("write {key} = [\"kill\", \"-HUP\", \"1234\"]: a program and its arguments");
            return Err(tree.problem(&at(key), "no program").with_help(help));
        }
    }
    let commands = match (kind, fault.command.clone()) {
        (Kind::Command, None) => return Err(needs("command", "[\"kill\", \"-HUP\", \"1234\"]")),
        (_, begin) => begin.map(|begin| Commands { begin, heal: fault.heal.clone() }),
    };
    if fault.heal.is_some() && fault.duration.is_none() {
        return Err(needs("for", "\"5s\", after which `heal` runs"));
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
        return wrong("factor", message);
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
        narrow(&at("bandwidth"), bandwidth, tree)?;
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
    if let Some(until) = &fault.connections_until {
        distribution(&at("connections_until"), until, tree)?;
    } else if kind == Kind::Reload
        && let Some((key, ..)) = given.iter().find(|(key, given, _)| ["ends", "code"].contains(key) && *given)
    {
        let problem = tree.problem(&at(key), format!("`{key}` means nothing without `connections_until`"));
        return Err(problem.with_help("write connections_until = \"60s\" beside it"));
    }
    if kind == Kind::Reload {
        ending(&format!("faults.{name}"), (fault.ends, fault.code), &ENDINGS, tree)?;
    } else if let Some(code) = fault.code
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
    let reload = (kind == Kind::Reload).then(|| {
        let connections_until = fault.connections_until.clone().unwrap_or(Nanos(u64::MAX).into());
        Box::new(Reload { connections_until, ending: Ending::of(fault.ends, ENDINGS[0], fault.code, GOING_AWAY) })
    });
    let &FaultToml { kind, ref target, at, one_way, duration, repeat, .. } = fault;
    Ok(Config { kind, target: target.clone(), at, one_way, duration, repeat, course, reload, commands })
}
