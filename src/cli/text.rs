//! The run as text for a terminal.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::terminal::{availability, bad, good};
use crate::check::{Verdict, Violation};
use crate::client::{Hold, Outcome, Policy};
use crate::driver::Driver;
use crate::explore::{ClientCounts, Finished};
use crate::fault::{self, Action, Course, Fault, Repeat, Target, Turns};
use crate::load::Arrive;
use crate::metrics::{Measured, Summary, Value};
use crate::report::{self, Run, sentence, shown};
use crate::rng::Distribution;
use crate::scenario::Scenario;
use crate::server::{Behavior, Machine, TlsConfig, When, Workers};
use crate::text::{Table, WIDTH, beside_labels, counted, grouped, percent, wrapped};
use crate::time::{Nanos, Timestamp, human, spelled};

/// Members of a server group that are shown one by one, at most.
const MEMBERS_SHOWN: usize = 8;
/// Resources that were full, at most.
const FULL_SHOWN: usize = 5;
/// The most servers of a fault that are named.
const NAMED: usize = 4;

/// What is about to run, before anything else.
pub(super) fn headline(scenario: &Scenario, variant: Option<&str>, driver: Driver) -> String {
    let time = if driver.is_virtual() { "virtual" } else { "real" };
    let mut text = format!("{}: {}\n", scenario.name(), scenario.title());
    let _ = write!(text, "seed {} · driver {driver}", scenario.seed().0);
    if let Some(variant) = variant {
        let _ = write!(text, " · variant {variant}");
    }
    let _ = writeln!(text, " · {} of {time} time", spelled(scenario.duration()));
    beside_labels(&text, 2, WIDTH)
}

/// The options that matter most. Of a run that plays but a part of the scenario, that part alone.
pub(super) fn conditions(scenario: &Scenario, driver: Driver) -> String {
    let (servers, clients) = (driver.has_servers(), driver.has_clients());
    let mut text = String::new();
    if servers && clients {
        let _ = write!(text, "network  {} one way", distribution(&scenario.network().one_way));
        if scenario.network().jitter != Distribution::Constant(Nanos::ZERO) {
            let _ = write!(text, ", jitter {}", distribution(&scenario.network().jitter));
        }
        text.push('\n');
    }
    for (name, server) in scenario.groups().iter().filter(|_| servers) {
        let count = grouped(server.count.into());
        let by_workers = |workers: &Workers| {
            let cores = workers.cores.map(|cores| format!(" on {} cores", grouped(cores.into()))).unwrap_or_default();
            format!(
                "{count} × {} workers{cores}, {}",
                grouped(workers.count.into()),
                distribution(&workers.service_time)
            )
        };
        let _ = match &server.machine {
            Machine::Balancer(balancer) => {
                let (how, pick) = (balancer.forwarding.balance().name(), balancer.pick.name());
                let to = balancer.to_names.join(", ");
                writeln!(text, "servers  {name}: {count} × layer-4 balancer ({how}) to {to}, {pick}")
            }
            Machine::Proxy(proxy) => {
                let asks = if proxy.demand.is_some() { ", with credentials" } else { "" };
                writeln!(text, "proxies  {name}: {} per CONNECT{asks}", by_workers(&proxy.workers))
            }
            Machine::Web(web) => {
                let kinds: Vec<String> = web.behaviors.iter().map(behavior).collect();
                let tls = |tls: &TlsConfig| format!(", {} for {}", tls.version, distribution(&tls.cost));
                let tls = web.tls.as_ref().map(tls).unwrap_or_default();
                let (workers, kinds) = (by_workers(&web.workers), kinds.join(", then "));
                writeln!(text, "servers  {name}: {workers} per handshake{tls}, {kinds}")
            }
            Machine::Program(program) => {
                let what = if program.listens { "servers" } else { "hosts  " };
                writeln!(text, "{what}  {name}: {count} × the program {}", program.command[0])
            }
        };
    }
    for (name, client) in scenario.clients().iter().filter(|_| clients) {
        let retry = match client.retry.policy {
            Policy::None => "no retry".to_string(),
            Policy::Fixed => format!("retry after {}", spelled(client.retry.base)),
            policy => {
                format!("{} retry {} to {}", policy.name(), spelled(client.retry.base), spelled(client.retry.cap))
            }
        };
        let hold = match &client.hold {
            Hold::End => "hold to the end".to_string(),
            Hold::For(time) => format!("hold {}", distribution(time)),
        };
        let arrival = arrival(&client.arrive);
        let _ = writeln!(
            text,
            "clients  {name}: {} {arrival}, {} mode, {retry}, {hold}",
            grouped(client.count.into()),
            client.mode.name(),
        );
    }
    for (name, dns) in scenario.dns().iter().filter(|_| servers) {
        let standby = match dns.standby.join(", ") {
            none if none.is_empty() => none,
            standby => format!(", in their stead {standby}"),
        };
        let _ = writeln!(text, "name     {name}: {}{standby}, kept for {}", dns.to.join(", "), spelled(dns.ttl));
    }
    for whole @ Fault { name, config: fault, .. } in scenario.faults().iter().filter(|_| servers) {
        let target = match &fault.target {
            Target::Names(names) => names.0.join(", "),
            Target::Between(between) => {
                let arrow = if fault.one_way { "to" } else { "and" };
                format!("{} {arrow} {}", between.from, between.to)
            }
            Target::Some(some) => match report::struck(scenario, whole) {
                none if none.is_empty() => format!("none of {}", some.group),
                all if all.len() <= NAMED => all.join(", "),
                all => format!("{} and {} more of {}", all[..NAMED - 1].join(", "), all.len() + 1 - NAMED, some.group),
            },
        };
        let course = course(fault);
        let _ = writeln!(text, "fault    {name}: {} of {target} at {}{course}", fault.kind.name(), human(fault.at));
    }
    beside_labels(&text, 9, WIDTH)
}

/// What it came to, in a sentence.
pub(super) fn verdict(run: &Run<'_>) -> String {
    format!("{}\n\n", wrapped(&report::verdict(run), WIDTH))
}

/// What a server does, and with which requests.
fn behavior(behavior: &Behavior) -> String {
    let When { share, after, until, path, first } = &behavior.when;
    let conditions = [
        first.map(|first| format!("the first {}", counted(first.into(), "request"))),
        share.map(|share| format!("{share} of requests")),
        path.as_ref().map(|path| format!("to {path}")),
        after.map(|after| format!("from {}", human(after))),
        until.map(|until| format!("until {}", human(until))),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    match conditions.join(" ") {
        all if all.is_empty() => behavior.kind().name().to_string(),
        some => format!("{} ({some})", behavior.kind().name()),
    }
}

/// How long a fault lasts, and what belongs to its course: how its processes are drained, the turns, how often it comes.
fn course(fault: &fault::Config) -> String {
    let mut text = String::new();
    if let Course::End { drain, turns, .. } = fault.course {
        if drain > Nanos::ZERO {
            let _ = write!(text, ", after a drain of {}", spelled(drain));
        }
        if let Some(Turns { at_a_time, gap }) = turns {
            let _ = write!(text, ", {} at a time, {} apart", grouped(at_a_time.into()), spelled(gap));
        }
    }
    match (fault.action(), fault.duration) {
        (Action::Reset { share }, _) => {
            let _ = write!(text, ", {} of connections", percent(share));
        }
        (Action::Restart, None) => text.push_str(", started again at once"),
        (Action::Restart | Action::Stop, Some(down)) => {
            let _ = write!(text, ", down for {}", spelled(down));
        }
        (_, Some(length)) => {
            let _ = write!(text, " for {}", spelled(length));
        }
        (_, None) => text.push_str(" for good"),
    }
    if let Some(Repeat { every, times }) = fault.repeat {
        let _ = match times {
            Some(times) => write!(text, ", {}, every {}", counted(times.into(), "time"), spelled(every)),
            None => write!(text, ", every {}", spelled(every)),
        };
    }
    text
}

fn arrival(arrive: &Arrive) -> String {
    match arrive {
        Arrive::AtOnce => "at once".into(),
        Arrive::EvenlyOver(time) => format!("evenly over {}", spelled(*time)),
        Arrive::RandomlyOver(time) => format!("randomly over {}", spelled(*time)),
        Arrive::Poisson { rate } => format!("Poisson at {rate}"),
        Arrive::Ramp { from, to, over } => format!("ramping from {from} to {to} over {}", spelled(*over)),
        Arrive::Stages(stages) | Arrive::RandomStages(stages) => {
            let over = arrive.over().unwrap_or_default();
            let randomly = if matches!(arrive, Arrive::RandomStages(_)) { ", randomly" } else { "" };
            format!("in {} over {}{randomly}", counted(stages.len() as u64, "stage"), spelled(over))
        }
        Arrive::ClosedLoop { think, .. } => format!("in a closed loop with {} to think", distribution(think)),
    }
}

fn distribution(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Constant(value) => spelled(*value),
        Distribution::Varying(varying) => varying.describe(),
    }
}

/// The summary as tables.
pub(super) fn summary(scenario: &Scenario, measured: &Measured) -> String {
    let summary = &measured.summary;
    let count = |path: &str| grouped(number(summary, path));
    let mut text = format!(
        "sessions   {} scheduled · {} opened · {} never opened · {} failed · {} ended · {}{} open at end\n",
        count("sessions.scheduled"),
        count("sessions.opened"),
        count("sessions.never_opened"),
        count("sessions.failed"),
        count("sessions.ended"),
        count("sessions.open_at_end"),
        match number(summary, "sessions.wanted_at_end") {
            all if all == number(summary, "sessions.scheduled") => String::new(),
            wanted => format!(" of {}", grouped(wanted)),
        },
    );
    let _ = write!(text, "attempts   {}", count("attempts.total"));
    for outcome in Outcome::ALL.map(Outcome::name).into_iter().chain(["pending"]) {
        let path = format!("attempts.{outcome}");
        if number(summary, &path) > 0 {
            let _ = write!(text, " · {} {}", count(&path), outcome.replace('_', " "));
        }
    }
    let _ = write!(text, " · {} in the worst second", count("attempts.peak"));
    let _ = writeln!(
        text,
        "\navailable  {} of the time that sessions wanted to be open",
        value(summary, "availability.mean")
    );
    let mut text = beside_labels(&text, 11, WIDTH) + &availability(measured);
    let mut latencies = Table::new(1, ["", "count", "min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max"]);
    for name in ["time_to_open", "tls_latency", "handshake_latency", "attempt_latency", "detection_time", "outage"] {
        if number(summary, &format!("{name}.count")) > 0 {
            let statistics = ["count", "min", "mean", "p50", "p90", "p99", "p99_9", "p99_99", "max"];
            let cells = statistics.iter().map(|statistic| value(summary, &format!("{name}.{statistic}")));
            latencies.row(std::iter::once(name.replace('_', " ")).chain(cells));
        }
    }
    text.push_str(&shown_table(&latencies.without_empty_columns()));
    let mut names = Table::new(1, ["name", "lookups", "answered", "records taken out"]);
    for name in scenario.dns().keys() {
        let of = |metric: &str| count(&format!("dns.{}.{metric}", name.replace('.', "_")));
        names.row([name.clone(), of("lookups"), of("answers"), of("withdrawn")]);
    }
    if !scenario.dns().is_empty() {
        text.push_str(&shown_table(&names));
    }
    let columns = [
        "fault",
        "affected",
        "open again",
        "first loss",
        "last loss",
        "recovery time",
        "down max",
        "lost time",
        "peak arrivals",
        "rebalanced after",
    ];
    let mut faults = Table::new(1, columns);
    let is_measured = |name: &str| summary.get(&format!("faults.{name}.affected")).is_some();
    for fault in scenario.faults().iter().filter(|fault| is_measured(&fault.name)) {
        let of = |metric: &str| {
            let path = format!("faults.{}.{metric}", fault.name);
            match (metric, summary.get(&path)) {
                // What is lost at once, and all together, needs no figures.
                ("first_loss" | "last_loss", Some(Value::Duration(Some(Nanos::ZERO)))) => String::new(),
                ("down_max", Some(Value::Part { count, of })) if count == of => String::new(),
                (_, value) => value.map_or_else(String::new, shown),
            }
        };
        let metrics = [
            "affected",
            "open_again",
            "first_loss",
            "last_loss",
            "recovery_time",
            "down_max",
            "lost_time",
            "peak_arrivals.max",
            "rebalanced_after",
        ];
        faults.row(std::iter::once(fault.name.clone()).chain(metrics.map(of)));
    }
    text.push_str(&shown_table(&faults.without_empty_columns().transposed()));
    let columns = std::iter::once("server").chain(OF_SERVERS.map(|(column, _)| column));
    let mut servers = Table::new(1, columns);
    let is_measured = |group: &str| summary.get(&format!("servers.{group}.arrivals.total")).is_some();
    for (number, (group, config)) in scenario.groups().iter().enumerate().filter(|(_, (name, _))| is_measured(name)) {
        servers.row(server_row(summary, group, &format!("{group} × {}", config.count)));
        let members: Vec<_> = scenario.servers().iter().filter(|server| server.group == number).collect();
        if members.len() > 1 && members.len() <= MEMBERS_SHOWN {
            for member in members {
                servers.row(server_row(summary, &member.name, &member.name));
            }
        }
    }
    text.push_str(&shown_table(&servers.without_empty_columns().transposed()));
    text.push('\n');
    text.push_str(&bottleneck(measured));
    text
}

/// The resources that were full; the one that was full first is the bottleneck.
fn bottleneck(measured: &Measured) -> String {
    let mut text = String::new();
    for (number, full) in measured.full.iter().take(FULL_SHOWN).enumerate() {
        let begin = if number == 0 { "bottleneck" } else { "          " };
        let _ = writeln!(text, "{begin}  {}", sentence(full));
    }
    if measured.full.len() > FULL_SHOWN {
        let _ = writeln!(text, "            and {} more in summary.json", measured.full.len() - FULL_SHOWN);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    beside_labels(&text, 12, WIDTH)
}

/// What the clients of real listeners did, by server.
pub(super) fn visits(scenario: &Scenario, visits: &[ClientCounts]) -> String {
    let columns =
        ["server", "connections", "requests", "answers", "timed out", "said nothing", "open at end", "open max"];
    let mut table = Table::new(1, columns);
    for (server, visit) in scenario.servers().iter().zip(visits) {
        let answers: Vec<String> =
            visit.answers.iter().map(|(status, count)| format!("{} × {status}", grouped(*count))).collect();
        let rest = [visit.timed_out, visit.silent, visit.open, visit.open_max].map(grouped);
        let first = [server.name.clone(), grouped(visit.connections), grouped(visit.requests), answers.join(", ")];
        table.row(first.into_iter().chain(rest));
    }
    shown_table(&table.without_empty_columns()) + "\n"
}

/// What a table of servers has: its columns, with their metrics.
const OF_SERVERS: [(&str, &str); 16] = [
    ("arrivals", "arrivals.total"),
    ("peak/s", "arrivals.peak"),
    ("opened", "opened"),
    ("wasted", "wasted"),
    ("errors", "error_responses"),
    ("turned away", "turned_away"),
    ("open max", "open_connections_max"),
    ("at end", "open_at_end"),
    ("transactions max", "transactions_in_use_max"),
    ("kills", "kills"),
    ("memory max", "memory_in_use_max"),
    ("queue max", "queue_depth_max"),
    ("queue wait p99", "queue_wait.p99"),
    ("utilisation", "utilisation.mean"),
    ("worst second", "utilisation.peak"),
    ("balance", "balance.at_end"),
];

fn server_row(summary: &Summary, name: &str, label: &str) -> Vec<String> {
    // Nothing of these is what is expected.
    let is_quiet = |metric: &&str| ["wasted", "error_responses", "turned_away", "kills"].contains(metric);
    let is_shown = |metric: &&str, path: &str| !is_quiet(metric) || number(summary, path) > 0;
    let cells = OF_SERVERS.iter().map(|(_, metric)| {
        let path = format!("servers.{name}.{metric}");
        if is_shown(metric, &path) { value(summary, &path) } else { String::new() }
    });
    std::iter::once(label.to_string()).chain(cells).collect()
}

/// The invariants that were violated.
pub(super) fn violations(scenario: &Scenario, violations: &[Violation]) -> String {
    let mut text = String::new();
    for violation in violations {
        let invariant = violation.invariant;
        let event =
            violation.event.map(|event| format!(", event {event} at {}", human(violation.at.since(Timestamp::ZERO))));
        let session = violation.session.map(|session| format!(" ({})", scenario.session_name(session)));
        let _ = writeln!(
            text,
            "{}  {}: {}{}{}\n        {}",
            bad("FAILED"),
            invariant.name(),
            violation.what,
            session.unwrap_or_default(),
            event.unwrap_or_default(),
            invariant.sentence()
        );
    }
    text
}

/// What the expectations said: those that failed, then, unless only failures are of interest, how many passed, or each
/// one that did.
pub(super) fn expectations(verdicts: &[Verdict], passed_too: bool, each: bool) -> String {
    let mut text = String::new();
    let line = |verdict: &Verdict| {
        let word = if verdict.passed { good("passed") } else { bad("FAILED") };
        let measured = if verdict.nothing_measured { "nothing".into() } else { shown(verdict.measured) };
        format!("{word}  {} {} (measured {measured})\n", verdict.path, verdict.expected)
    };
    let (passed, failed): (Vec<&Verdict>, Vec<&Verdict>) = verdicts.iter().partition(|verdict| verdict.passed);
    failed.iter().for_each(|verdict| text += &line(verdict));
    match passed.len() {
        0 => {}
        _ if !passed_too => {}
        _ if each => passed.iter().for_each(|verdict| text += &line(verdict)),
        some => text += &format!("{}  {some} of {}\n", good("passed"), counted(verdicts.len() as u64, "expectation")),
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Where the output lies, and what the run cost on the wall clock.
pub(super) fn footer(folder: &Path, took: Duration, finished: &Finished, sessions: u64) -> String {
    let attempts = number(&finished.measured.summary, "attempts.total").max(1);
    format!(
        "results in {}\ntook {:.2} s for {} events of {} sessions, {:.2} µs per attempt\n",
        folder.display(),
        took.as_secs_f64(),
        grouped(finished.events),
        grouped(sessions),
        took.as_secs_f64() * 1e6 / attempts as f64,
    )
}

fn number(summary: &Summary, path: &str) -> u64 {
    summary.count(path)
}

fn value(summary: &Summary, path: &str) -> String {
    summary.get(path).map_or_else(String::new, shown)
}

/// A table after an empty line; nothing when it has no rows.
fn shown_table(table: &Table) -> String {
    if table.is_empty() { String::new() } else { format!("\n{}", table.aligned_for_terminal()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Overrides;

    #[test]
    fn conditions_have_the_whole_course_of_faults() {
        let text = r#"
            format = 1
            title = "A fleet"
            duration = "600s"
            [servers.g]
            count = 4
            behavior = [{ kind = "reject", when = { share = "50%", path = "/a", until = "5s" } }, { kind = "accept" }]
            [clients.c]
            count = 1
            endpoints = ["g"]
            [faults.a]
            kind = "restart"
            target = "g-0"
            at = "20s"
            drain = "60s"
            [faults.b]
            kind = "rolling-restart"
            target = "g"
            at = "100s"
            for = "5s"
            drain = "1s"
            gap = "2s"
            at_a_time = 2
            [faults.c]
            kind = "crash"
            target = "g-1"
            at = "200s"
            for = "5s"
            repeat = { every = "20s", times = 3 }
            [faults.d]
            kind = "reset"
            target = "g-2"
            at = "300s"
            share = "25%"
            [faults.e]
            kind = "stop"
            target = "g-3"
            at = "400s"
        "#;
        let scenario = crate::scenario::load("a", "a", text, &Overrides::default()).unwrap();
        let text = conditions(&scenario, Driver::Sim);
        // Whatever lines they take.
        let text = text.replace("\n         ", " ");
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("fault ")).collect();
        assert!(text.contains(", reject (50% of requests to /a until 5.00 s), then accept\n"), "{text}");
        assert_eq!(
            lines,
            [
                "fault    a: restart of g-0 at 20.0 s, after a drain of 60.0 s, started again at once",
                "fault    b: rolling-restart of g at 100 s, after a drain of 1.00 s, 2 at a time, 2.00 s apart, down for 5.00 s",
                "fault    c: crash of g-1 at 200 s for 5.00 s, 3 times, every 20.0 s",
                "fault    d: reset of g-2 at 300 s, 25 % of connections",
                "fault    e: stop of g-3 at 400 s for good",
            ]
        );
    }
}
