//! What a search comes to, in a sentence.

use super::limit;
use super::runs::Runs;
use crate::check::Expectation;
use crate::metrics::Value;
use crate::report::capacity::{Capacity, Find, Floor, Kind, Objective, Outcome};
use crate::report::figure::{Unit, figure, magnitude};
use crate::scenario::Scenario;
use crate::statistics::share_at_least;
use crate::text::percent;
use crate::time::Nanos;

/// Sessions that never open where the objective holds, beyond which the sentence says so.
const LEFT_OUT: f64 = 0.005;

/// What arrives.
const SESSIONS: &str = " sessions";

/// Fills in the limit, the verdict and the advice.
pub(super) fn conclude(base: &Scenario, runs: &Runs<'_>, capacity: &mut Capacity) {
    let question = &capacity.question;
    let kind = question.kind;
    let name = thing(&runs.key.path, kind);
    let shown = |value: f64| match name.as_str() {
        SESSIONS => kind.shown(value).replace("/s", " sessions/s"),
        name => format!("{}{name}", kind.shown(value)),
    };
    let seeds = runs.seeds().count();
    let listed = |is_implied: bool| {
        let own = question.slo.iter().filter(|objective| objective.implied == is_implied);
        own.map(|objective| format!("{} {}", objective.metric, objective.expected)).collect::<Vec<_>>().join(" and ")
    };
    let slo = listed(false);
    let ends = || (capacity.points.first(), capacity.points.last());
    let text = match (capacity.outcome, capacity.value) {
        (Outcome::Found, Some(value)) => found(capacity, value, &shown, &slo),
        (Outcome::HoldsThroughout, _) if capacity.find == Find::Smallest => {
            let least = ends().0.map_or(0.0, |point| point.value);
            format!("holds {slo} even with {}: the least that was tried.", shown(least))
        }
        (Outcome::HoldsThroughout, _) => {
            let most = capacity.every_seed.unwrap_or(0.0);
            format!("holds {slo} up to {}, as far as was tried: --to says how far.", shown(most))
        }
        (Outcome::HoldsNowhere, _) => {
            let (low, high) = (ends().0.map_or(0.0, |p| p.value), ends().1.map_or(0.0, |p| p.value));
            let floor = capacity.floor.as_ref().map(|floor| at_floor(capacity, floor, &shown(floor.value)));
            let best = if capacity.find == Find::Highest { low } else { high };
            let why = floor.unwrap_or_else(|| format!("; at {} {}", shown(best), missed(capacity, best)));
            let of = if seeds == 1 { "its one seed".into() } else { format!("each of {seeds} seeds") };
            format!("does not hold {slo} anywhere from {} to {} with {of}{why}.", shown(low), shown(high))
        }
        _ => format!("interrupted: {} runs are there, no answer yet.", runs.done.len()),
    };
    let fails = if capacity.outcome == Outcome::Found { failing(runs, capacity) } else { None };
    if let Some((holds, fails)) = capacity.every_seed.zip(fails) {
        // From the lightest load that was run with all seeds to the first that does not hold.
        let mut way: Vec<f64> = runs.shared();
        if capacity.find == Find::Smallest {
            way.reverse();
        }
        let end = way.iter().position(|value| *value == fails).map_or(way.len(), |at| at + 1);
        let fills: Vec<Vec<limit::Fill>> = way[..end].iter().map(|value| runs.fills(*value)).collect();
        let fills: Vec<&[limit::Fill]> = fills.iter().map(Vec::as_slice).collect();
        let connects = way.first().and_then(|least| runs.connect(*least)).zip(runs.connect(fails));
        let scenario = runs.any(fails).unwrap_or_else(|_| base.clone());
        capacity.limit = limit::limit(&scenario, &runs.fills(holds), &runs.fills(fails), &fills, connects);
    }
    let mut text = text;
    if let (Some(of), Some(fails)) = (&capacity.limit, fails) {
        let resource = match of.resource.as_str() {
            "link" => format!("the link ({})", of.of),
            resource => format!("{resource} of {}", of.of),
        };
        let what =
            if of.grows { format!("the queue of {} grows without bound", of.of) } else { missed(capacity, fails) };
        let at = if capacity.find == Find::Highest { "at" } else { "with" };
        text += &format!("; {at} {} {what}; the limit is {resource} ({}).", shown(fails), of.evidence);
        capacity.advice = limit::advice(of, base);
    } else if let Some(fails) = fails {
        let at = if capacity.find == Find::Highest { "at" } else { "with" };
        let missed = missed(capacity, fails);
        text += &format!("; {at} {} {missed}, though no resource of a server is half full.", shown(fails));
    } else if capacity.outcome == Outcome::Found {
        text.push('.');
    }
    if let Some(point) = capacity.every_seed.and_then(|at| capacity.points.iter().find(|point| point.value == at))
        && point.never_opened > LEFT_OUT
    {
        text += &format!(
            " Mind: the objective holds there though {} of the sessions never open; --slo 'sessions.opened >= 99%' would ask for them.",
            percent(point.never_opened)
        );
    }
    let of_attempts = |objective: &Objective| objective.metric.split('.').any(|step| step == "attempts");
    if let Some(point) = capacity.every_seed.and_then(|at| capacity.points.iter().find(|point| point.value == at))
        && point.refused > LEFT_OUT
        && !question.slo.iter().any(of_attempts)
    {
        text += &format!(
            " Mind: {} of the attempts fail there; where faults strike, --slo 'attempts.failed <= 1%' would ask for them.",
            percent(point.refused)
        );
    }
    let goodput = listed(true);
    if !goodput.is_empty() && capacity.outcome != Outcome::Interrupted {
        text += &format!(" Goodput is part of it: {goodput}.");
    }
    if !capacity.not_monotone.is_empty() {
        let of = &capacity.not_monotone[0];
        let how = if of.holds { "holds" } else { "does not hold" };
        let count = capacity.not_monotone.len();
        text += &format!(
            " Not monotone: with seed {} it {how} at {} ({count} such run{}); the answer is the end of the first stretch.",
            of.seed,
            shown(of.value),
            if count == 1 { "" } else { "s" }
        );
    }
    if let Some((model, formula)) = capacity.closed_form.as_ref().and_then(|of| Some((&of.model, of.value?))) {
        text += &format!(" {model} in a steady state, by its formula: {}.", shown(formula));
    }
    capacity.verdict = text;
}

/// The value from which on no seed holds.
fn failing(runs: &Runs<'_>, capacity: &Capacity) -> Option<f64> {
    let ends = capacity.knees.iter().map(|knee| knee.fails);
    let worst = match capacity.find {
        Find::Highest => ends.fold(0.0, f64::max),
        Find::Smallest => ends.fold(f64::INFINITY, f64::min),
    };
    runs.held(worst).map(|_| worst)
}

fn found(capacity: &Capacity, value: f64, shown: &dyn Fn(f64) -> String, slo: &str) -> String {
    let kind = capacity.question.kind;
    let seeds = capacity.knees.len();
    let every = capacity.every_seed.unwrap_or(value);
    let counted = if seeds == 1 { "1 seed".to_string() } else { format!("{seeds} seeds") };
    if kind.is_whole() {
        let least = match (capacity.low, capacity.high) {
            (Some(low), Some(high)) if low < high => {
                format!("; the seeds' own: {} to {}", kind.shown(low), kind.shown(high))
            }
            _ => String::new(),
        };
        let verb = if capacity.find == Find::Smallest { "holds {} with" } else { "holds {} up to" };
        let verb = verb.replace("{}", slo);
        return format!(
            "{verb} {} in {seeds} of {counted} (95 % confidence: at least {:.0} % of seeds{least})",
            shown(value),
            (share_at_least(seeds, seeds) * 100.0).floor()
        );
    }
    let interval = match (capacity.low, capacity.high) {
        (Some(low), Some(high)) => format!("95 % between {} and {}, ", kind.shown(low), kind.shown(high)),
        _ => String::new(),
    };
    let least = if capacity.find == Find::Smallest { "from" } else { "up to" };
    let alone = if seeds == 1 { String::new() } else { format!("; {least} {} with each of them", kind.shown(every)) };
    let verb = if capacity.find == Find::Smallest { "needs" } else { "holds" };
    format!("{verb} {} for {slo} ({interval}{counted}{alone})", shown(value))
}

/// That no value helps.
fn at_floor(capacity: &Capacity, floor: &Floor, at: &str) -> String {
    let objective = capacity.question.slo.iter().find(|objective| objective.metric == floor.metric);
    let unit = match objective.is_some_and(|objective| objective.bound_ms().is_some()) {
        true => Unit::Ms,
        false if objective.is_some_and(|objective| objective.expected.ends_with('%')) => Unit::Share,
        false => Unit::Count,
    };
    let from = if capacity.find == Find::Highest { "down" } else { "up" };
    let trip = floor.round_trip.map_or(String::new(), |ms| {
        format!(" (one round trip of the network, a TCP connect, takes {})", magnitude(ms, Unit::Ms))
    });
    format!(
        ": from {at} {from} {} stays at {}, though no resource is half full: that is its floor{trip}",
        floor.metric,
        figure(Some(floor.measured), unit)
    )
}

/// What the objectives' metrics are where they do not hold.
fn missed(capacity: &Capacity, fails: f64) -> String {
    let Some(point) = capacity.points.iter().find(|point| point.value == fails) else {
        return "it does not hold".into();
    };
    let all = capacity.question.slo.iter().zip(&point.measured).filter_map(|(objective, value)| {
        let Objective { metric, expected, .. } = objective;
        let (is_duration, is_share) = (expected.ends_with('s'), expected.ends_with('%'));
        let (measured, shown) = match (value, is_duration) {
            (None, _) => (Value::Duration(None), "never".into()),
            (Some(ms), true) => (Value::Duration(Some(Nanos((ms * 1e6 + 0.5) as u64))), magnitude(*ms, Unit::Ms)),
            (Some(share), false) if is_share => (Value::Ratio(Some(*share)), percent(*share)),
            (Some(count), false) => (Value::Ratio(Some(*count)), magnitude(*count, Unit::Count)),
        };
        let holds = expected.parse::<Expectation>().is_ok_and(|expected| expected.holds(measured));
        (!holds).then(|| format!("{metric} is {shown}"))
    });
    match all.collect::<Vec<_>>() {
        // The median seed holds what some do not.
        none if none.is_empty() => "it does not hold with every seed".into(),
        all => all.join(" and "),
    }
}

/// What the values of a key are values of.
fn thing(path: &str, kind: Kind) -> String {
    let steps: Vec<&str> = path.split('.').collect();
    match (&steps[..], kind) {
        (["clients", _, "arrive", ..], Kind::Rate) => SESSIONS.into(),
        (["clients", group, "count"], _) => format!(" {group}"),
        (["servers", group, "count"], _) => format!(" × {group}"),
        (["servers", group, key], _) => format!(" {} of {group}", key.replace('_', " ")),
        _ => format!(" ({path})"),
    }
}
