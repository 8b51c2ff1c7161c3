//! What a run came to, in one sentence that a reader understands who knows neither metrics nor the scenario's names. Every
//! number in it is a metric of the run.

use super::run::Run;
use crate::fault::{Fault, Kind, Target};
use crate::metrics::{FullResource, Summary, Value};
use crate::scenario::Scenario;
use crate::text::{counted, grouped, percent, percent_of};
use crate::time::{Nanos, human};

/// What the worst fault did; without faults, how long sessions took to open, what failed, and the bottleneck.
pub fn verdict(run: &Run<'_>) -> String {
    let summary = &run.measured.summary;
    let is_measured = |fault: &&Fault| summary.get(&format!("faults.{}.affected", fault.name)).is_some();
    let faults: Vec<&Fault> = run.scenario.faults().iter().filter(is_measured).collect();
    // Of those that are equally bad, the first.
    let worst = faults.iter().rev().max_by_key(|fault| badness(summary, &fault.name));
    let text = match worst {
        Some(fault) => {
            let others = match faults.len() - 1 {
                0 => String::new(),
                others => format!("; {} did less", counted(others as u64, "more fault")),
            };
            format!("{}{others}", of_fault(run.scenario, summary, fault))
        }
        None => without_fault(summary, run.measured.full.first(), run.driver.has_servers()),
    };
    if run.partial { format!("Interrupted before its end. Until then: {text}.") } else { format!("{text}.") }
}

/// The session time that a fault cost, and then the sessions that it affected.
fn badness(summary: &Summary, fault: &str) -> (Option<Nanos>, u64) {
    let lost = match summary.get(&format!("faults.{fault}.lost_time")) {
        Some(Value::Duration(lost)) => lost,
        _ => None,
    };
    (lost, summary.count(&format!("faults.{fault}.affected")))
}

fn of_fault(scenario: &Scenario, summary: &Summary, fault: &Fault) -> String {
    let get = |metric: &str| summary.get(&format!("faults.{}.{metric}", fault.name));
    let mut clauses = Vec::new();
    let affected = summary.count(&format!("faults.{}.affected", fault.name));
    let mut effect = match get("affected") {
        Some(Value::Part { of: 0, .. }) => "no session was open then".to_string(),
        Some(Value::Part { count: 0, .. }) => "no session affected".into(),
        Some(Value::Part { count, of }) => format!("{} of {} affected", grouped(count), counted(of, "session")),
        _ => String::new(),
    };
    if affected > 0 {
        effect += &match (get("recovery_time"), get("open_again")) {
            (Some(Value::Duration(Some(time))), _) => format!(", 99 % back after {}", spoken(time)),
            (_, Some(Value::Part { count: 0, .. })) => ", none back at the end".into(),
            (_, Some(Value::Part { count, of })) => format!(", only {} back at the end", percent_of(count, of)),
            _ => String::new(),
        };
        clauses.push(effect);
        if let Some(Value::Count(peak)) = get("peak_arrivals.max").filter(|peak| *peak != Value::Count(0)) {
            let whose = if survives(scenario, fault) { "the busiest surviving server" } else { "the busiest server" };
            clauses.push(format!("worst second {} at {whose}", counted(peak, "request")));
        }
        clauses.extend(match get("rebalanced_after") {
            Some(Value::Duration(Some(Nanos::ZERO))) => Some("balance kept".into()),
            Some(Value::Duration(Some(time))) => Some(format!("balance restored after {}", spoken(time))),
            Some(_) => Some("balance not restored".into()),
            None => None,
        });
    } else {
        clauses.push(effect);
        // What takes no session down can be felt by those that connect.
        let during = |metric: &str| get(&format!("during.{metric}"));
        if let Some(Value::Part { count, of }) =
            during("attempts.failed").filter(|_| count_of(during("attempts.total")) > 0)
        {
            clauses.push(format!("{} of attempts failed meanwhile", percent_of(count, of)));
        }
        if let Some(Value::Duration(Some(time))) = during("handshake_latency.p99") {
            let before = match get("before.handshake_latency.p99") {
                Some(Value::Duration(Some(before))) => format!(" (before: {})", spoken(before)),
                _ => String::new(),
            };
            clauses.push(format!("99 % of handshakes within {}{before}", spoken(time)));
        }
        if clauses.len() == 1 {
            clauses.extend(opening(summary));
        }
    }
    format!("{}: {}", what(scenario, fault), clauses.join("; "))
}

fn count_of(value: Option<Value>) -> u64 {
    match value {
        Some(Value::Count(count)) => count,
        _ => 0,
    }
}

/// Whether there are servers that a fault does not strike.
fn survives(scenario: &Scenario, fault: &Fault) -> bool {
    let mut struck: Vec<u32> = fault.windows.iter().flat_map(|window| window.servers.iter().copied()).collect();
    struck.sort_unstable();
    struck.dedup();
    struck.len() < scenario.servers().len()
}

/// How long sessions took to open, and what failed.
fn opening(summary: &Summary) -> Vec<String> {
    let mut text = match summary.get("sessions.opened") {
        Some(Value::Part { count, of }) => format!("{} of {} opened", grouped(count), counted(of, "session")),
        _ => String::new(),
    };
    let percentile = |name: &str| match summary.get(&format!("time_to_open.{name}")) {
        Some(Value::Duration(Some(time))) => Some(spoken(time)),
        _ => None,
    };
    // A session that never opens is infinitely slow: the percentiles are of all sessions.
    if let Some(time) = percentile("p99") {
        text += &format!(", 99 % within {time}");
    } else if let Some(time) = percentile("p50") {
        text += &format!(", half of them within {time}");
    }
    let failed = match summary.get("attempts.failed") {
        Some(Value::Part { of: 0, .. }) | None => None,
        Some(Value::Part { count: 0, .. }) => Some("no attempt failed".to_string()),
        Some(Value::Part { count, of }) => {
            Some(format!("{} of {} failed", percent_of(count, of), counted(of, "attempt")))
        }
        Some(_) => None,
    };
    std::iter::once(text).filter(|text| !text.is_empty()).chain(failed).collect()
}

fn without_fault(summary: &Summary, full: Option<&FullResource>, has_servers: bool) -> String {
    let mut clauses = opening(summary);
    let lost = summary.count("lost.total");
    if lost > 0 {
        clauses.push(format!("{} lost", counted(lost, "connection")));
    }
    if has_servers {
        clauses.push(match full {
            Some(full) => {
                format!("bottleneck: {} of {}, full for {}", full.resource.name(), full.group, spoken(full.full_for))
            }
            None => "no resource was full".into(),
        });
    }
    clauses.join("; ")
}

/// A fault in plain words: `Zone b lost for 5 min`.
pub(super) fn what(scenario: &Scenario, fault: &Fault) -> String {
    let config = &fault.config;
    let kind = if config.kind == Kind::RollingRestart { Kind::RollingRestart } else { config.action().kind() };
    let subject = subject(scenario, fault);
    let happened = match kind {
        Kind::Crash => format!("{subject} crashed"),
        Kind::PowerOff => format!("{subject} lost"),
        Kind::Hang => format!("{subject} hung"),
        Kind::Pause => format!("{subject} paused"),
        Kind::Partition => match &config.target {
            Target::Between(between) if config.one_way => {
                format!("Nothing reached {} from {}", between.to, between.from)
            }
            Target::Between(between) => format!("{} cut off from {}", between.from, between.to),
            _ => format!("{subject} cut off"),
        },
        Kind::Lossy => format!("Packets lost at {}", place(config)),
        Kind::Latency => format!("Network slower at {}", place(config)),
        Kind::Bandwidth => format!("Bandwidth short at {}", place(config)),
        Kind::Reset => match config.action() {
            crate::fault::Action::Reset { share } if share < 1.0 => {
                format!("{} of the connections of {} reset", percent(share), place(config))
            }
            _ => format!("All connections of {} reset", place(config)),
        },
        Kind::Reload => format!("{subject} reloaded"),
        Kind::Restart => format!("{subject} restarted"),
        Kind::RollingRestart => format!("{subject} restarted in turn"),
        Kind::Stop => format!("{subject} stopped"),
        Kind::Slow => format!("{subject} slowed down"),
        Kind::Drain => format!("{subject} drained"),
        Kind::Backlog => format!("Accept queue of {} shortened", place(config)),
        Kind::DnsOutage => format!("DNS records of {} unavailable", place(config)),
        Kind::Flap => format!("{subject} failed"),
        Kind::Command => format!("Command `{}` run on {}", fault.name, place(config)),
    };
    let times = match config.repeat {
        Some(_) if fault.windows.len() > 1 => format!(" {} times", grouped(fault.windows.len() as u64)),
        _ => String::new(),
    };
    let length = match config.duration {
        // In turn, each is down for so long; a reset is over at once.
        Some(_) if matches!(kind, Kind::RollingRestart | Kind::Reset) => String::new(),
        Some(length) => format!(" for {}{}", spoken(length), if times.is_empty() { "" } else { " each" }),
        None => String::new(),
    };
    format!("{happened}{times}{length}")
}

/// What a fault strikes, at the beginning of a sentence.
fn subject(scenario: &Scenario, fault: &Fault) -> String {
    match &fault.config.target {
        Target::Names(names) if names.0.len() > 1 => {
            let all: Vec<String> = names.0.iter().map(|name| named(scenario, name)).collect();
            let (last, others) = all.split_last().expect("several");
            let others: Vec<String> =
                (0..).zip(others).map(|(at, name)| if at == 0 { name.clone() } else { within(name) }).collect();
            format!("{} and {}", others.join(", "), within(last))
        }
        Target::Names(names) => names.0.first().map(|name| named(scenario, name)).unwrap_or_default(),
        Target::Some(some) => match struck(scenario, fault).as_slice() {
            [] => format!("No server of {}", some.group),
            [one] => format!("Server {one}"),
            [one, other] => format!("Servers {one} and {other}"),
            more => {
                let of = scenario.groups().get(&some.group).map_or(0, |group| group.count);
                format!("{} of {} servers of {}", grouped(more.len() as u64), grouped(of.into()), some.group)
            }
        },
        Target::Between(between) => format!("{} and {}", between.from, between.to),
    }
}

/// The servers that a fault strikes, by name.
pub(crate) fn struck<'a>(scenario: &'a Scenario, fault: &Fault) -> Vec<&'a str> {
    let first = fault.windows.first().into_iter().flat_map(|window| &window.servers);
    first.filter_map(|number| scenario.servers().get(*number as usize).map(|server| server.name.as_str())).collect()
}

/// One name of a target.
fn named(scenario: &Scenario, name: &str) -> String {
    match scenario.groups().get(name) {
        Some(group) if group.count == 1 => format!("Server {name}"),
        Some(group) if group.count == 2 => format!("Both servers of {name}"),
        Some(group) => format!("All {} servers of {name}", grouped(group.count.into())),
        None if scenario.members(name).is_some() => format!("Server {name}"),
        None if scenario.dns().contains_key(name) || scenario.clients().contains_key(name) => name.to_string(),
        None => format!("Zone {}", name.strip_prefix("zone-").unwrap_or(name)),
    }
}

/// A name that does not begin the sentence.
fn within(named: &str) -> String {
    const FIRST: [&str; 4] = ["Server ", "Both ", "All ", "Zone "];
    match FIRST.iter().any(|word| named.starts_with(word)) {
        true => named[..1].to_lowercase() + &named[1..],
        false => named.to_string(),
    }
}

/// The same within a sentence.
fn place(config: &crate::fault::Config) -> String {
    match &config.target {
        Target::Names(names) => names.0.join(", "),
        Target::Some(some) => some.group.clone(),
        Target::Between(between) if config.one_way => format!("the way from {} to {}", between.from, between.to),
        Target::Between(between) => format!("the link between {} and {}", between.from, between.to),
    }
}

/// A time as it is said: `5.65 s`, `20 s`, `5 min`, `4 min 10 s`, `2 h 5 min`.
fn spoken(length: Nanos) -> String {
    const MINUTES: u64 = 120;
    let seconds = (length.0 + 500_000_000) / 1_000_000_000;
    if seconds < MINUTES {
        let shown = human(length);
        return match shown.split_once(' ') {
            Some((number, unit)) if number.contains('.') => {
                format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => shown,
        };
    }
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = if hours > 0 { [(hours, "h"), (minutes, "min")] } else { [(minutes, "min"), (rest, "s")] };
    let said = parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{} {unit}", grouped(*count)));
    said.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;
    use crate::metrics::Measured;
    use crate::scenario::Overrides;

    fn scenario(faults: &str) -> Scenario {
        let text = format!(
            "format = 1\ntitle = \"A fleet\"\nduration = \"600s\"\n[servers.g]\ncount = 4\nzone = \"zone-b\"\n[servers.h]\n\
             [clients.c]\ncount = 1\nzone = \"eu\"\nendpoints = [\"g\"]\n{faults}"
        );
        crate::scenario::load("a", "a", &text, &Overrides::default()).unwrap()
    }

    fn said(faults: &str, metrics: &[(&str, Value)]) -> String {
        let scenario = scenario(faults);
        let measured = Measured { summary: Summary::of(metrics.iter().copied()), ..Measured::default() };
        let run = Run {
            scenario: &scenario,
            variant: None,
            driver: Driver::Sim,
            digest: None,
            measured: &measured,
            verdicts: &[],
            violations: &[],
            partial: false,
            deviations: &[],
            command: None,
        };
        verdict(&run)
    }

    fn seconds(count: f64) -> Value {
        Value::Duration(Some(Nanos((count * 1e9) as u64)))
    }

    #[test]
    fn the_worst_fault_is_told_and_how_many_more() {
        let part = |count, of| Value::Part { count, of };
        let mut metrics = vec![
            ("faults.a.affected", part(40_000, 120_000)),
            ("faults.a.open_again", part(39_999, 40_000)),
            ("faults.a.recovery_time", seconds(70.6)),
            ("faults.a.lost_time", seconds(1e6)),
            ("faults.a.peak_arrivals.max", Value::Count(1_490)),
            ("faults.a.rebalanced_after", seconds(240.0)),
        ];
        let zone = "[faults.a]\nkind = \"power-off\"\ntarget = \"zone-b\"\nat = \"20s\"\nfor = \"300s\"\n";
        let expected = "Zone b lost for 5 min: 40,000 of 120,000 sessions affected, 99 % back after 70.6 s; worst second 1,490 \
                        requests at the busiest surviving server; balance restored after 4 min.";
        assert_eq!(said(zone, &metrics), expected);
        let server = "[faults.b]\nkind = \"crash\"\ntarget = \"g-1\"\nat = \"400s\"\nfor = \"1s\"\n";
        metrics.extend([("faults.b.affected", part(1, 9)), ("faults.b.lost_time", seconds(1.0))]);
        let with_more = expected.replace(" 4 min.", " 4 min; 1 more fault did less.");
        assert_eq!(said(&format!("{zone}{server}"), &metrics), with_more);
        // What is not measured, as an end of a run that was interrupted, is not told.
        assert_eq!(said(&format!("{zone}{server}"), &metrics[..6]), expected);
        metrics[2].1 = Value::Duration(None);
        metrics[1].1 = part(100, 40_000);
        assert!(said(zone, &metrics[..4]).ends_with("affected, only 0.25 % back at the end."));
    }

    #[test]
    fn what_takes_no_session_down_is_told_by_what_it_does_to_others() {
        let slow = "[faults.a]\nkind = \"slow\"\ntarget = \"g\"\nfactor = 4\nat = \"20s\"\nfor = \"90s\"\n";
        let metrics = [
            ("faults.a.affected", Value::Part { count: 0, of: 7 }),
            ("faults.a.during.attempts.total", Value::Count(8)),
            ("faults.a.during.attempts.failed", Value::Part { count: 2, of: 8 }),
            ("faults.a.during.handshake_latency.p99", seconds(2.0)),
            ("faults.a.before.handshake_latency.p99", seconds(0.5)),
        ];
        assert_eq!(
            said(slow, &metrics),
            "All 4 servers of g slowed down for 90 s: no session affected; 25 % of attempts failed meanwhile; 99 % of \
             handshakes within 2 s (before: 500 ms)."
        );
    }

    #[test]
    fn without_a_fault_it_is_about_opening() {
        let metrics = [
            ("sessions.opened", Value::Part { count: 9, of: 10 }),
            ("time_to_open.p99", Value::Duration(None)),
            ("time_to_open.p50", seconds(1.25)),
            ("attempts.failed", Value::Part { count: 1, of: 1 }),
        ];
        let text = said("", &metrics);
        assert_eq!(
            text,
            "9 of 10 sessions opened, half of them within 1.25 s; 100 % of 1 attempt failed; no resource was full."
        );
    }

    #[test]
    fn faults_are_told_in_plain_words() {
        for (keys, expected) in [
            ("kind = \"crash\"\ntarget = \"g-1\"\nfor = \"20s\"", "Server g-1 crashed for 20 s"),
            ("kind = \"power-off\"\ntarget = \"h\"", "Server h lost"),
            ("kind = \"restart\"\ntarget = { group = \"g\", count = 4 }", "4 of 4 servers of g restarted"),
            (
                "kind = \"rolling-restart\"\ntarget = \"g\"\nfor = \"5s\"\ngap = \"2s\"",
                "All 4 servers of g restarted in turn",
            ),
            (
                "kind = \"crash\"\ntarget = \"h\"\nfor = \"1s\"\nrepeat = { every = \"20s\", times = 3 }",
                "Server h crashed 3 times for 1 s each",
            ),
            (
                "kind = \"partition\"\ntarget = { from = \"eu\", to = \"g\" }\nfor = \"1s\"\none_way = true",
                "Nothing reached g from eu for 1 s",
            ),
            ("kind = \"partition\"\ntarget = \"zone-b\"\nfor = \"1s\"", "Zone b cut off for 1 s"),
            ("kind = \"reset\"\ntarget = \"g-2\"\nshare = \"25%\"", "25 % of the connections of g-2 reset"),
        ] {
            let scenario = scenario(&format!("[faults.a]\nat = \"20s\"\n{keys}\n"));
            assert_eq!(what(&scenario, &scenario.faults()[0]), expected);
        }
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [0.0, 0.25, 5.65, 20.0, 119.0, 120.0, 250.2, 3600.0, 7500.0]
            .map(|seconds: f64| spoken(Nanos((seconds * 1e9) as u64)));
        assert_eq!(said, ["0 ms", "250 ms", "5.65 s", "20 s", "119 s", "2 min", "4 min 10 s", "1 h", "2 h 5 min"]);
    }
}
