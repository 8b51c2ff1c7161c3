//! Measures, counted again from the events by slow and simple means; and the values that a reader of the definitions
//! expects in cases where a true number would lead to a wrong conclusion.

use std::collections::BTreeMap;

use shakedown::client;
use shakedown::event::{Event, Kind};
use shakedown::fault;
use shakedown::metrics::{Measured, Resource, Summary, Value};
use shakedown::server;

use super::common::{MS, SECOND, count, loaded, ran, read, repository, simulate, summary};

/// One of three gateways dies under 300 clients, and comes back.
pub(crate) const CRASH: &str = r#"
format = 1
title = "A gateway dies"
duration = "30s"
[network]
one_way = "10ms"
[servers.gateway]
count = 3
workers = 2
service_time = { exponential = { mean = "20ms" } }
[clients.players]
count = 300
arrive = { randomly_over = "3s" }
endpoints = ["gateway"]
pick = "random"
retry = { policy = "full-jitter", base = "500ms", cap = "2s" }
[faults.dies]
kind = "crash"
target = "gateway-0"
at = "5500ms"
for = "6s"
[phases.ramp]
until = "2s"
[phases.late]
from = "5700ms"
until = "20s"
"#;

const END: u64 = 30 * SECOND;
const STRIKES: u64 = 5_500 * MS;
const HEALS: u64 = 11_500 * MS;

/// What happened to the sessions and servers of [`CRASH`], as far as it can be seen without any account being kept.
#[derive(Default)]
struct Story {
    /// By session: when it was scheduled; from when until when it was usable, and where; its attempts with their ends.
    scheduled: BTreeMap<u32, u64>,
    usable: BTreeMap<u32, Vec<(u64, u64, u32)>>,
    attempts: Vec<(u64, Option<u64>, bool)>,
    /// Requests by server; from when until when a worker was busy; accepted and closed connections.
    requests: Vec<(u64, u32)>,
    busy: Vec<(u64, u64, u32)>,
    connections: BTreeMap<(u32, u32), bool>,
}

impl Story {
    fn of(events: &[Event]) -> Story {
        let mut story = Story::default();
        let mut under_way: BTreeMap<u32, usize> = BTreeMap::new();
        let mut working: BTreeMap<(u32, u32), u64> = BTreeMap::new();
        for Event { at, kind, .. } in events {
            let now = at.0;
            match *kind {
                Kind::Session(session, client::Event::Scheduled { .. }) => {
                    story.scheduled.insert(session, now);
                }
                Kind::Session(session, client::Event::AttemptStarted { .. }) => {
                    under_way.insert(session, story.attempts.len());
                    story.attempts.push((now, None, false));
                }
                Kind::Session(session, client::Event::Opened { endpoint, .. }) => {
                    let attempt = under_way.remove(&session).unwrap();
                    (story.attempts[attempt].1, story.attempts[attempt].2) = (Some(now), true);
                    story.usable.entry(session).or_default().push((now, END, endpoint));
                }
                Kind::Session(session, client::Event::AttemptFailed { .. }) => {
                    let attempt = under_way.remove(&session).unwrap();
                    story.attempts[attempt].1 = Some(now);
                }
                // Nothing but the crash ends a session here, and its path is dead before the client knows.
                Kind::Session(session, client::Event::Lost { .. }) => {
                    let last = story.usable[&session].last().unwrap();
                    assert_eq!((last.1, last.2), (STRIKES, 0));
                }
                Kind::Fault(0, fault::Event::Began { server: 0, .. }) => {
                    assert_eq!(now, STRIKES);
                    for spans in story.usable.values_mut() {
                        spans.iter_mut().filter(|span| span.1 == END && span.2 == 0).for_each(|span| span.1 = now);
                    }
                    story.connections.retain(|(server, _), _| *server != 0);
                    for ((_, _), began) in working.extract_if(.., |(server, _), _| *server == 0) {
                        story.busy.push((began, now, 0));
                    }
                }
                Kind::Server(server, server::Event::Requested { .. }) => story.requests.push((now, server)),
                Kind::Server(server, server::Event::Accepted { connection }) => {
                    story.connections.insert((server, connection), true);
                }
                Kind::Server(server, server::Event::Closed { connection }) => {
                    story.connections.remove(&(server, connection));
                }
                Kind::Server(server, server::Event::ServiceStarted { connection, .. }) => {
                    working.insert((server, connection), now);
                }
                Kind::Server(
                    server,
                    server::Event::Answered { connection, .. } | server::Event::Wasted { connection, .. },
                ) => {
                    if let Some(began) = working.remove(&(server, connection)) {
                        story.busy.push((began, now, server));
                    }
                }
                _ => {}
            }
        }
        story
    }

    /// The sessions that the crash took down: from when until when they were down.
    fn down(&self) -> Vec<(u64, u64)> {
        let of = |spans: &Vec<(u64, u64, u32)>| {
            let at = spans.iter().position(|span| span.1 == STRIKES)?;
            Some((STRIKES, spans.get(at + 1).map_or(END, |span| span.0)))
        };
        self.usable.values().filter_map(of).collect()
    }

    /// Session time from one moment until another: usable, and wanted.
    fn areas(&self, from: u64, until: u64) -> (u64, u64) {
        let within = |a: u64, b: u64| b.min(until).saturating_sub(a.max(from));
        let usable = self.usable.values().flatten().map(|(a, b, _)| within(*a, *b)).sum();
        (usable, self.scheduled.values().map(|at| within(*at, END)).sum())
    }

    fn busiest(&self, server: u32, from: u64, until: u64) -> u64 {
        let amounts = (0..END / SECOND).map(|second| {
            let (from, until) = (from.max(second * SECOND), until.min((second + 1) * SECOND));
            let own = self.busy.iter().filter(|(_, _, of)| *of == server);
            own.map(|(a, b, _)| (*b).min(until).saturating_sub((*a).max(from))).sum()
        });
        amounts.max().unwrap_or(0)
    }
}

/// The most moments of these within a second of the run.
fn worst_second(moments: impl Iterator<Item = u64>) -> u64 {
    let mut seconds: BTreeMap<u64, u64> = BTreeMap::new();
    moments.for_each(|at| *seconds.entry(at / SECOND).or_default() += 1);
    seconds.values().copied().max().unwrap_or(0)
}

fn time(summary: &Summary, path: &str) -> Option<u64> {
    match summary.get(path) {
        Some(Value::Duration(time)) => time.map(|time| time.0),
        other => panic!("{path}: {other:?}"),
    }
}

fn part(summary: &Summary, path: &str) -> (u64, u64) {
    match summary.get(path) {
        Some(Value::Part { count, of }) => (count, of),
        other => panic!("{path}: {other:?}"),
    }
}

fn ratio(summary: &Summary, path: &str) -> f64 {
    match summary.get(path) {
        Some(Value::Ratio(Some(ratio))) => ratio,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn measures_of_a_fault_are_those_of_its_events() {
    let (events, Measured { summary, .. }) = simulate(&loaded(CRASH));
    let story = Story::of(&events);
    let down = story.down();
    let affected = down.len() as u64;
    assert!(affected > 50, "{affected}");
    let open = story.usable.values().flatten().filter(|(from, until, _)| *from < STRIKES && *until >= STRIKES).count();
    assert_eq!(part(&summary, "faults.dies.affected"), (affected, open as u64));
    assert_eq!((time(&summary, "faults.dies.first_loss"), time(&summary, "faults.dies.last_loss")), (Some(0), Some(0)));
    assert_eq!(time(&summary, "faults.dies.lost_time"), Some(down.iter().map(|(from, until)| until - from).sum()));
    let mut back: Vec<u64> = down.iter().map(|(_, until)| *until).collect();
    back.sort_unstable();
    let recovered = back[(affected * 99).div_ceil(100) as usize - 1];
    assert!(recovered < END);
    assert_eq!(time(&summary, "faults.dies.recovery_time"), Some(recovered - STRIKES));
    let most = down.iter().map(|(at, _)| down.iter().filter(|(from, until)| from <= at && at < until).count()).max();
    assert_eq!(part(&summary, "faults.dies.down_max"), (most.unwrap() as u64, affected));
    let arrivals = |server: u32| {
        let within = story.requests.iter().filter(move |(at, of)| *of == server && *at >= STRIKES && *at < recovered);
        worst_second(within.map(|(at, _)| *at))
    };
    for server in 0..3 {
        let path = format!("faults.dies.peak_arrivals.gateway-{server}");
        // The session that completes the recovery, and a request, may share a moment.
        assert!(count(&summary, &path).abs_diff(arrivals(server)) <= 1, "{path}");
    }
    let most = (1..3).map(|server| count(&summary, &format!("faults.dies.peak_arrivals.gateway-{server}"))).max();
    assert_eq!(Some(count(&summary, "faults.dies.peak_arrivals.max")), most);
    // Clients do not move back by themselves.
    assert_eq!(time(&summary, "faults.dies.rebalanced_after"), None);
}

#[test]
fn peaks_and_balance_are_those_of_the_events() {
    let (events, Measured { summary, series, .. }) = simulate(&loaded(CRASH));
    let story = Story::of(&events);
    assert_eq!(count(&summary, "attempts.peak"), worst_second(story.attempts.iter().map(|(at, ..)| *at)));
    let mut open = Vec::new();
    for server in 0..3 {
        let path = |metric: &str| format!("servers.gateway-{server}.{metric}");
        let own = story.requests.iter().filter(|(_, of)| *of == server).map(|(at, _)| *at);
        assert_eq!(count(&summary, &path("arrivals.peak")), worst_second(own));
        let peak = ratio(&summary, &path("utilisation.peak"));
        assert!(peak > 2.0 * ratio(&summary, &path("utilisation.mean")));
        assert!((peak - story.busiest(server, 0, END) as f64 / (2 * SECOND) as f64).abs() < 1e-12);
        open.push(story.connections.keys().filter(|(of, _)| *of == server).count() as u64);
        assert_eq!(count(&summary, &path("open_at_end")), open[server as usize]);
    }
    let group = [count(&summary, "servers.gateway.open_at_end"), count(&summary, "servers.gateway.arrivals.peak")];
    let peaks = (0..3).map(|server| count(&summary, &format!("servers.gateway-{server}.arrivals.peak")));
    assert_eq!(group, [open.iter().sum::<u64>(), peaks.max().unwrap()]);
    let jain = |open: &[u64]| {
        let sum = open.iter().sum::<u64>() as f64;
        sum * sum / (open.len() as f64 * open.iter().map(|open| (open * open) as f64).sum::<f64>())
    };
    assert_eq!(open[0], 0, "nobody moves back: {open:?}");
    assert!((ratio(&summary, "servers.gateway.balance.at_end") - jain(&open)).abs() < 1e-12);
    // Over time, as series.csv has it.
    let columns = |row: usize| series.servers.iter().map(move |server| u64::from(server.open_connections[row]));
    let rows = (0..series.ends.len()).map(|row| columns(row).collect::<Vec<u64>>());
    let balances: Vec<Option<f64>> = rows.map(|open| open.iter().any(|open| *open > 0).then(|| jain(&open))).collect();
    assert_eq!(series.balance[0].1, balances);
    let known: Vec<f64> = balances.into_iter().flatten().collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    assert!((ratio(&summary, "servers.gateway.balance.mean") - mean).abs() < 1e-9);
}

#[test]
fn a_phase_has_what_happened_in_it() {
    let (events, Measured { summary, .. }) = simulate(&loaded(CRASH));
    let story = Story::of(&events);
    let phases = [
        ("faults.dies.before", 0, STRIKES),
        ("faults.dies.during", STRIKES, HEALS),
        ("faults.dies.after", HEALS, END),
        ("phases.ramp", 0, 2 * SECOND),
        ("phases.late", 5_700 * MS, 20 * SECOND),
    ];
    for (prefix, from, until) in phases {
        let path = |metric: &str| format!("{prefix}.{metric}");
        let within = |at: u64| from <= at && at < until;
        let (usable, wanted) = story.areas(from, until);
        assert!((ratio(&summary, &path("availability.mean")) - usable as f64 / wanted as f64).abs() < 1e-12);
        let scheduled = story.scheduled.values().filter(|at| within(**at)).count() as u64;
        assert_eq!(part(&summary, &path("sessions.opened")).1, scheduled, "{prefix}");
        let open = story.usable.values().flatten().filter(|(a, b, _)| *a < until && *b >= until).count() as u64;
        let wanted = story.scheduled.values().filter(|at| **at < until).count() as u64;
        assert_eq!(part(&summary, &path("sessions.open_at_end")), (open, wanted), "{prefix}");
        let attempts: Vec<_> = story.attempts.iter().filter(|(at, ..)| within(*at)).collect();
        assert_eq!(count(&summary, &path("attempts.total")), attempts.len() as u64);
        assert_eq!(count(&summary, &path("attempts.peak")), worst_second(attempts.iter().map(|(at, ..)| *at)));
        let opened = attempts.iter().filter(|(_, _, opened)| *opened).count() as u64;
        assert_eq!(part(&summary, &path("attempts.opened")), (opened, attempts.len() as u64), "{prefix}");
        let mut took: Vec<u64> = attempts.iter().filter_map(|(at, end, _)| Some((*end)? - at)).collect();
        took.sort_unstable();
        assert_eq!(time(&summary, &path("attempt_latency.min")), took.first().copied(), "{prefix}");
        assert_eq!(time(&summary, &path("attempt_latency.max")), took.last().copied(), "{prefix}");
        let median = took.get(took.len().div_ceil(2).saturating_sub(1)).map(|exact| *exact as f64);
        let measured = time(&summary, &path("attempt_latency.p50")).map(|measured| measured as f64);
        let near = median.zip(measured).map(|(exact, measured)| (measured / exact - 1.0).abs() < 2e-3);
        assert_eq!(near, median.map(|_| true), "{prefix}: {measured:?} for {median:?}");
        for server in 0..3u32 {
            let own = story.requests.iter().filter(|(at, of)| *of == server && within(*at)).map(|(at, _)| *at);
            let metric = |name: &str| format!("{prefix}.servers.gateway-{server}.{name}");
            assert_eq!(count(&summary, &metric("arrivals.total")), own.clone().count() as u64);
            assert_eq!(count(&summary, &metric("arrivals.peak")), worst_second(own));
            let busiest = story.busiest(server, from, until) as f64 / (2 * SECOND) as f64;
            assert!((ratio(&summary, &metric("utilisation.peak")) - busiest).abs() < 1e-12, "{prefix} {server}");
        }
    }
}

#[test]
fn phases_are_checked() {
    let problem = |phases: &str| {
        let text = CRASH.replace("[phases.ramp]\nuntil = \"2s\"\n", phases);
        let overrides = shakedown::scenario::Overrides::default();
        shakedown::scenario::load("a.toml", "a", &text, &overrides).unwrap_err().to_string()
    };
    assert!(problem("[phases.a]\nfrom = \"5s\"\nuntil = \"5s\"\n").contains("the phase begins at 5s, but ends at 5s"));
    assert!(problem("[phases.a]\nuntil = \"31s\"\n").contains("the phase ends at 31s, but the run ends at 30s"));
    assert!(problem("[phases.\"a.b\"]\nuntil = \"3s\"\n").contains("small letters"));
    assert!(problem("[phases.a]\nto = \"3s\"\n").contains("`to`"));
}

/// The same, from the events of a scenario that gives up: wanting to be open ends with the session's `hold`.
#[test]
fn availability_does_not_fall_with_the_length_of_the_run() {
    let text = |duration: &str| {
        format!(
            r#"
            format = 1
            title = "Half are turned away and give up, half stay a second"
            duration = "{duration}"
            [network]
            one_way = "1ms"
            [servers.g]
            service_time = "0s"
            behavior = [{{ kind = "reject", when = {{ share = "50%" }} }}, {{ kind = "accept" }}]
            [clients.c]
            count = 1000
            arrive = "at_once"
            endpoints = ["g"]
            hold = "1s"
            reconnect = false
            retry = {{ policy = "fixed", base = "100ms", attempts = 1 }}
            "#
        )
    };
    for duration in ["2s", "20s", "200s"] {
        let summary = summary(&text(duration));
        let (opened, all) = part(&summary, "sessions.opened");
        // Each wanted a second, and the connect before it.
        let expected = opened as f64 / (all as f64 + opened as f64 * 0.004);
        assert!((ratio(&summary, "availability.mean") - expected).abs() < 1e-6, "{duration}");
        assert_eq!(part(&summary, "sessions.open_at_end"), (0, 0));
        assert_eq!(count(&summary, "servers.g.error_responses"), all - opened);
    }
}

#[test]
fn attempts_under_way_at_the_end_are_attempts() {
    let summary = summary(
        r#"
        format = 1
        title = "Half of the handshakes are never answered"
        duration = "10s"
        [servers.g]
        service_time = "0s"
        behavior = [{ kind = "stall", when = { share = "50%" } }, { kind = "accept" }]
        [clients.c]
        count = 1000
        arrive = { evenly_over = "5s" }
        endpoints = ["g"]
        handshake_timeout = "none"
        "#,
    );
    let (pending, all) = part(&summary, "attempts.pending");
    assert_eq!((all, count(&summary, "servers.g.arrivals.total")), (1_000, 1_000));
    assert_eq!(pending, count(&summary, "sessions.never_opened"));
    assert_eq!(part(&summary, "attempts.opened"), (1_000 - pending, 1_000));
    assert_eq!(count(&summary, "attempt_latency.count"), 1_000);
    assert!((400..600).contains(&pending));
}

/// A closed loop makes session after session: what a fault affects is a share of those that it found open, and what is open at
/// the end of the users that there are.
#[test]
fn in_a_closed_loop_shares_are_of_those_that_are_there() {
    let text = r#"
        format = 1
        title = "Users come again and again"
        duration = "60s"
        [servers.g]
        count = 2
        [clients.users]
        count = 60
        arrive = { closed_loop = { think = "1s", over = "2s" } }
        endpoints = ["g"]
        pick = "random"
        hold = "4s"
        [faults.dies]
        kind = "crash"
        target = "g-0"
        at = "20500ms"
        for = "2s"
    "#;
    let (events, Measured { summary, .. }) = simulate(&loaded(text));
    let mut open = std::collections::BTreeSet::new();
    for event in events.iter().take_while(|event| event.at.0 < 20_500 * MS) {
        match event.kind {
            Kind::Session(session, client::Event::Opened { .. }) => {
                open.insert(session);
            }
            Kind::Session(session, client::Event::Ended | client::Event::Lost { .. }) => {
                open.remove(&session);
            }
            _ => {}
        }
    }
    let (affected, of) = part(&summary, "faults.dies.affected");
    assert_eq!(of, open.len() as u64);
    assert!((10..of).contains(&affected) && of <= 60, "{affected} of {of}");
    assert!(count(&summary, "sessions.scheduled") > 400);
    // Some reach the end of their `hold` before they know that the server is gone: they are not affected.
    let (down, of_affected) = part(&summary, "faults.dies.down_max");
    assert_eq!((down, of_affected), (affected, affected));
    let (open, wanted) = part(&summary, "sessions.open_at_end");
    assert!(open <= wanted && wanted <= 60, "{open} of {wanted}");
}

#[test]
fn a_drain_is_no_recovery() {
    let of = |drain: &str| {
        summary(&format!(
            r#"
            format = 1
            title = "A restart with a drain behind a balancer"
            duration = "150s"
            [servers.app]
            [servers.gw]
            kind = "l4"
            count = 2
            to = "app"
            balance = "terminate"
            [clients.c]
            count = 100
            endpoints = ["gw"]
            retry = {{ policy = "fixed", base = "1s" }}
            [faults.reload]
            kind = "restart"
            target = "gw-0"
            at = "20s"
            drain = "{drain}"
            "#
        ))
    };
    let times = |metric: &str| ["0s", "10s", "60s"].map(|drain| time(&of(drain), &format!("faults.reload.{metric}")));
    // However long the drain takes, nobody is down for longer.
    assert!(times("recovery_time").iter().all(|time| time.is_some_and(|time| time < 1_300 * MS)));
    let [none, short, long] = times("first_loss").map(|time| time.unwrap());
    assert!(none < 100 * MS && short > 9 * SECOND && long > 59 * SECOND, "{none} {short} {long}");
}

/// A proxy whose ports towards one hub are used up.
const PORTS: &str = r#"
format = 1
title = "Short connections use up the ports of a proxy"
duration = "10s"
[servers.hub]
workers = 64
service_time = "1ms"
[servers.chp]
kind = "l4"
to = "hub"
balance = "terminate"
ports = 300
[clients.polls]
count = 4000
endpoints = ["chp"]
arrive = { poisson = { rate = "500/s" } }
hold = "1s"
reconnect = false
retry = { policy = "none" }
"#;

#[test]
fn a_run_names_its_bottleneck() {
    let (events, measured) = simulate(&loaded(PORTS));
    let refused: Vec<u64> = events
        .iter()
        .filter(|event| matches!(event.kind, Kind::Server(_, server::Event::NotForwarded { .. })))
        .map(|event| event.at.0)
        .collect();
    let first = &measured.full[0];
    assert_eq!((first.group.as_str(), first.resource), ("chp", Resource::Ports));
    assert_eq!((first.first.0, first.last.0), (refused[0], *refused.last().unwrap()));
    assert_eq!(first.turned_away, refused.len() as u64);
    let mut seconds: Vec<u64> = refused.iter().map(|at| at / SECOND).collect();
    seconds.dedup();
    assert_eq!(first.full_for.0, seconds.len() as u64 * SECOND);
    // With enough ports there is none.
    assert_eq!(simulate(&loaded(&PORTS.replace("ports = 300", "ports = 28231"))).1.full, []);
}

/// Each limit is named when it is what stands in the way.
#[test]
fn every_limit_can_be_the_bottleneck() {
    let of = |server: &str, network: &str| {
        let text = format!(
            r#"
            format = 1
            title = "Too many at once"
            duration = "10s"
            [network]
            one_way = "5ms"
            {network}
            [servers.g]
            {server}
            [clients.c]
            count = 2000
            arrive = {{ evenly_over = "5s" }}
            endpoints = ["g"]
            hosts = 20
            retry = {{ policy = "none" }}
            "#
        );
        simulate(&loaded(&text)).1.full.into_iter().map(|full| full.resource).collect::<Vec<_>>()
    };
    assert_eq!(of("workers = 64\nservice_time = '1ms'", ""), []);
    assert_eq!(of("workers = 1\nservice_time = '10ms'", ""), [Resource::Workers]);
    assert_eq!(of("workers = 1\nservice_time = '10ms'\nqueue_max = 20", ""), [Resource::Workers, Resource::Queue]);
    assert_eq!(of("connections_max = 100", ""), [Resource::Connections]);
    assert_eq!(of("accept_rate = { rate = '100/s', burst = 1 }", ""), [Resource::AcceptRate]);
    // Each of twenty addresses asks twenty times a second.
    assert_eq!(of("address_rate = { rate = '5/s', burst = 5 }", ""), [Resource::AddressRate]);
    let waits = "address_rate = { rate = '5/s', burst = 5 }\nover_rate = 'wait'";
    assert_eq!(of(waits, ""), [Resource::AddressRate]);
    assert_eq!(of("address_window = { max = 10, per = '1s' }", ""), [Resource::AddressWindow]);
    assert_eq!(of("address_connections_max = 10", ""), [Resource::AddressConnections]);
    assert_eq!(of("transactions_max = 50", ""), [Resource::Transactions]);
    let stuck = "backlog = 5\n[faults.stuck]\nkind = 'hang'\ntarget = 'g'\nat = '1s'\nfor = '5s'";
    assert_eq!(of(stuck, ""), [Resource::Backlog]);
    let link = of("access_link = { down = '200 kbit/s', up = '200 kbit/s', queue = '3 KB' }", "");
    assert_eq!(link.first(), Some(&Resource::Link));
}

#[test]
fn what_a_run_measured_is_said_in_every_form() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    std::fs::write(folder.join("ports.toml"), PORTS).unwrap();
    std::fs::write(folder.join("crash.toml"), CRASH).unwrap();
    let output = |args: &[&str]| {
        let output = ran(folder, args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = output(&["run", "ports.toml", "--out", "ports", "--verbose"]);
    assert!(text.contains("\nbottleneck  ports of chp was full from "), "{text}");
    assert!(text.contains(" connections turned away\n"), "{text}");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let document: serde_json::Value = serde_json::from_str(&read("ports/summary.json")).unwrap();
    assert_eq!(document["full_resources"][0]["resource"], "ports");
    assert!(read("ports/report.html").contains("ports of chp was full from "));

    let text = output(&["run", "crash.toml", "--out", "crash", "--verbose"]);
    for column in ["affected", "recovery time", "lost time", "peak arrivals", "peak/s", "balance"] {
        assert!(text.contains(column), "{column}: {text}");
    }
    let document: serde_json::Value = serde_json::from_str(&read("crash/summary.json")).unwrap();
    assert_eq!(document["format_version"], 2);
    let dies = &document["faults"]["dies"];
    assert!(dies["lost_time_ms"].is_f64() && dies["peak_arrivals"]["gateway-1"].is_u64(), "{dies}");
    assert!(dies["before"]["availability"]["mean"].is_f64() && document["phases"]["late"]["attempts"]["peak"].is_u64());
    let csv = output(&["report", "crash", "--format", "csv"]);
    for metric in ["faults.dies.lost_time_ms", "faults.dies.during.attempts.failed", "phases.late.outage.p99_ms"] {
        assert!(csv.contains(&format!("\n{metric},")), "{metric}");
    }
    let page = read("crash/report.html");
    let tiles =
        ["affected", "99 % back after", "lost time", "worst second, busiest survivor", "balance of gateway at the end"];
    for tile in tiles {
        assert!(page.contains(tile), "{tile}");
    }
    assert!(read("crash/series.csv").lines().next().unwrap().ends_with(",servers.gateway.balance"));
}

/// docs/metrics.md is the table of metrics. Set `UPDATE_GOLDEN` to write it anew.
#[test]
fn every_metric_is_documented() {
    let text = shakedown::report::metric_list::page();
    let file = repository("docs/metrics.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(read("docs/metrics.md"), text, "UPDATE_GOLDEN=1 writes it");
}
