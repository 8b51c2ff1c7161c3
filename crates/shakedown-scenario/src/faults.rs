//! `[faults.NAME]` as written: a flat table, which is converted into a [`Config`] with only the keys of its kind.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_core::fault::{Action, Config, Course, Kind, Repeat, Target, Turns};
use shakedown_core::quantity::{Bandwidth, Bytes, Loss, Share};
use shakedown_core::time::Nanos;

use super::{Problem, Tree};

/// `[faults.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Fault"))]
pub(crate) struct FaultToml {
    /// Kind of fault.
    pub kind: Kind,
    /// Target.
    pub target: Target,
    /// When.
    pub at: Nanos,
    /// Faults of links: only the direction from `from` to `to` is affected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// Duration; absent: it never heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
    /// slow: factor of the time that work takes; latency: factor of the path's latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// lossy: the share of messages that are lost, in addition to the link's own loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// latency: additional latency of each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Nanos>,
    /// bandwidth: the bandwidth that all traffic over the links shares, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// bandwidth: the size of the queue in front of it, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Bytes>,
    /// reset: the share of connections that it affects (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// backlog: its reduced size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// Faults that drain: the close frames' status code (1012 if the process starts again, else 1001, unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// drain: the time over which close frames are sent (10 s unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Nanos>,
    /// rolling-restart: servers restarted together (1 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_a_time: Option<u32>,
    /// rolling-restart: the time from one start to the next server's turn (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Nanos>,
    /// restart, stop and rolling-restart: how long a server is drained before its process is ended (not at all unless
    /// given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Nanos>,
    /// flap: the kind of the repeated fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Kind>,
    /// Absent: it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

impl FaultToml {
    /// A fault that never heals, with none of the keys that only some kinds have.
    pub(crate) fn new(kind: Kind, target: Target, at: Nanos) -> FaultToml {
        FaultToml {
            kind,
            target,
            at,
            one_way: false,
            duration: None,
            factor: None,
            loss: None,
            add: None,
            bandwidth: None,
            queue: None,
            share: None,
            to: None,
            code: None,
            over: None,
            at_a_time: None,
            gap: None,
            drain: None,
            with: None,
            repeat: None,
        }
    }

    /// What happens to the target: of a flap, what it flaps with.
    pub(crate) fn effective_kind(&self) -> Kind {
        match self.kind {
            Kind::Flap => self.with.unwrap_or(Kind::Crash),
            kind => kind,
        }
    }

    /// Makes visible how often it happens in a run of this length.
    pub(crate) fn fill_in(&mut self, run: Nanos) {
        if let Some(Repeat { every, times }) = &mut self.repeat
            && every.0 > 0
        {
            let fit = run.0.saturating_sub(self.at.0).div_ceil(every.0);
            times.get_or_insert(u32::try_from(fit).unwrap_or(u32::MAX).max(1));
        }
    }
}

/// The most repetitions.
const MAX_TIMES: u32 = 10_000;
/// How long a drain's close frames are spread unless the scenario says otherwise.
const DRAINS_OVER: Nanos = Nanos::from_secs(10);

/// The fault `faults.NAME` with the keys that its kind has; every other one is a problem.
pub(super) fn read(name: &str, fault: &FaultToml, tree: &Tree) -> Result<Config, Problem> {
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
        return wrong(key, format!("`{key}` means nothing to a fault of kind {}", kind.name()));
    }
    let needs = |key: &str, example: &str| {
        let problem = tree.problem(&at("kind"), format!("a fault of kind {} needs `{key}`", fault.kind.name()));
        problem.with_help(format!("write {key} = {example}"))
    };
    if fault.kind == Kind::Flap {
        match fault.with {
            None => return Err(needs("with", "\"crash\", what comes and goes")),
            Some(with @ (Kind::Flap | Kind::RollingRestart | Kind::Reset)) => {
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
    let course = match kind {
        Kind::Crash | Kind::Flap => Course::Action(Action::Crash),
        Kind::PowerOff => Course::Action(Action::PowerOff),
        Kind::Hang => Course::Action(Action::Hang),
        Kind::Pause => Course::Action(Action::Pause),
        Kind::Partition => Course::Action(Action::Partition),
        Kind::DnsOutage => Course::Action(Action::DnsOutage),
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
        Kind::Drain => {
            let (code, over) = (fault.code.unwrap_or(1001), fault.over.unwrap_or(DRAINS_OVER));
            Course::Action(Action::Drain { code, over })
        }
        Kind::Stop => end(Action::Stop, 1001, None),
        Kind::Restart => end(Action::Restart, 1012, None),
        Kind::RollingRestart if fault.duration.is_none() => {
            return Err(needs("for", "\"5s\", how long each server is down"));
        }
        Kind::RollingRestart => {
            let (at_a_time, gap) = (fault.at_a_time.unwrap_or(1), fault.gap.unwrap_or_default());
            end(Action::Restart, 1012, Some(Turns { at_a_time, gap }))
        }
    };
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
        crate::check::network::narrow(&at("bandwidth"), bandwidth, tree)?;
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
    let &FaultToml { kind, ref target, at, one_way, duration, repeat, .. } = fault;
    Ok(Config { kind, target: target.clone(), at, one_way, duration, repeat, course })
}
