//! One scenario, two drivers: what no user's program touches is the same over turmoil as in the simulator, which plays it there,
//! too. A second opinion are the tests with programs here, and those on real sockets (`real`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt;
use shakedown::client;
use shakedown::driver::live::turmoil;
use shakedown::event::{Event, Kind};
use shakedown::explore::turmoil::once_with;
use shakedown::explore::{Finished, once};
use shakedown::fault;
use shakedown::lab::{self, Lab};
use shakedown::metrics::Value;
use shakedown::network;
use shakedown::scenario::{Overrides, Scenario};
use shakedown::time::{Nanos, Timestamp};

use crate::common::{committed, loaded, repository, scenario_files, set};

/// By how much a time may differ between the drivers: not at all, as the simulator plays all that is the scenario's own.
const ALLOWANCE: Nanos = Nanos::ZERO;

enum Plan {
    /// Both drivers run it, made smaller by these overrides.
    Both(&'static [&'static str]),
    /// turmoil does not, for what this key asks.
    Refused(&'static str),
}
use Plan::{Both, Refused};

/// Every committed scenario.
const COMMITTED: &[(&str, Plan)] = &[
    ("access-link", Refused("servers.gateway.tls")),
    ("address-limits", Refused("clients.phones.nat")),
    ("address-race", Refused("dns")),
    (
        "backlog-overflow",
        Both(&[
            "clients.players.count=300",
            "clients.players.arrive={evenly_over='1500ms'}",
            "servers.gateway.backlog=20",
            "faults.stopped.at='600ms'",
            "duration='6s'",
        ]),
    ),
    (
        "black-hole",
        Both(&[
            "clients.players.count=90",
            "clients.players.arrive={evenly_over='1200ms'}",
            "clients.players.heartbeat={every='1s',timeout='500ms'}",
            "clients.players.connect_timeout='1s'",
            "faults.dark.at='600ms'",
            "faults.dark.for='3s'",
            "duration='8s'",
        ]),
    ),
    ("cache-restart", Refused("network.links.inside.one_way")),
    ("chaos", Both(&["duration='45s'"])),
    (
        "crash-loop",
        Both(&[
            "clients.players.count=60",
            "clients.players.arrive={evenly_over='3s'}",
            "faults.deploy.at='5s'",
            "duration='30s'",
        ]),
    ),
    ("dns-failover", Refused("dns")),
    (
        "failover",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='500ms'}",
            "faults.gateway-dies.at='1s'",
            "faults.gateway-dies.for='1500ms'",
            "duration='6s'",
        ]),
    ),
    (
        "half-open",
        Both(&[
            "clients.mobile.count=60",
            "clients.mobile.arrive={evenly_over='500ms'}",
            "clients.mobile.heartbeat={every='1s',timeout='500ms'}",
            "servers.gateway.keepalive={idle='1s',every='1s',probes=2}",
            "faults.dark.at='2s'",
            "faults.dark.for='6s'",
            "duration='12s'",
        ]),
    ),
    (
        "hybi/authentication",
        Both(&[
            "clients.users.count=200",
            "clients.users.arrive={poisson={rate='200/s'}}",
            "measure.until='2s'",
            "duration='10s'",
        ]),
    ),
    (
        "hybi/fleet",
        Both(&[
            "clients.chromium.count=12",
            "clients.ws.count=12",
            "clients.ws-follow-redirects.count=12",
            "clients.undici.count=12",
            "clients.node20.count=12",
            "clients.websockets.count=12",
            "clients.websocket-client.count=12",
            "clients.aiohttp.count=12",
            "clients.tokio-tungstenite.count=12",
            "clients.tungstenite.count=12",
            "clients.fastwebsockets.count=12",
            "clients.reqwest-websocket.count=12",
            "clients.websocat.count=12",
            "clients.java.count=12",
            "clients.java-follow.count=12",
            "duration='10s'",
        ]),
    ),
    (
        "hybi/pinned",
        Both(&[
            "clients.players.count=120",
            "clients.players.hold={exponential={mean='1s'}}",
            "servers.gateway.transactions_max=20",
            "duration='5s'",
        ]),
    ),
    (
        "hybi/proxy",
        Both(&[
            "clients.users.count=200",
            "clients.users.arrive={poisson={rate='200/s'}}",
            "clients.users.proxy_credentials={user='alice',password='secret'}",
            "measure.until='2s'",
            "duration='10s'",
        ]),
    ),
    (
        "hybi/redirect",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='1s'}",
            "clients.players.heartbeat={every='1s',timeout='500ms'}",
            "servers.front.behavior.report_every='200ms'",
            "faults.gateway-dies.at='1500ms'",
            "faults.gateway-dies.for='2s'",
            "duration='6s'",
        ]),
    ),
    (
        "hybi/unknown-destination",
        Both(&[
            "clients.applications.count=150",
            "clients.applications.arrive={evenly_over='1s'}",
            "servers.old.leaves_at='2s'",
            "servers.old.leaves_over='1s'",
            "servers.new.joins_at='2s'",
            "duration='6s'",
        ]),
    ),
    ("l4-versus-redirect/l4-nat", Refused("servers.front.balance")),
    ("l4-versus-redirect/l4-terminate", Refused("network.links.rack.one_way")),
    (
        "l4-versus-redirect/redirect",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='1s'}",
            "clients.players.heartbeat={every='1s',timeout='500ms'}",
            "servers.front.behavior.report_every='300ms'",
            "faults.gateway-dies.at='1500ms'",
            "faults.gateway-dies.for='2s'",
            "duration='6s'",
        ]),
    ),
    (
        "metastable",
        Both(&[
            "clients.steady.count=400",
            "clients.steady.hosts=40",
            "clients.spike.count=100",
            "clients.spike.hosts=20",
            "clients.spike.start='500ms'",
            "clients.spike.arrive={evenly_over='100ms'}",
            "servers.gateway.workers=1",
            "duration='5s'",
        ]),
    ),
    (
        "multi-leg-auth",
        Both(&["clients.office.count=100", "clients.office.arrive={evenly_over='900ms'}", "duration='3s'"]),
    ),
    ("overload", Both(&["clients.players.count=600", "servers.gateway.workers=1", "duration='8s'"])),
    (
        "redirect",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='900ms'}",
            "faults.gateway-dies.at='1s'",
            "faults.gateway-dies.for='1s'",
            "duration='6s'",
        ]),
    ),
    (
        "reload",
        Both(&[
            "clients.players.count=60",
            "clients.players.arrive={evenly_over='500ms'}",
            "faults.reload.at='1s'",
            "faults.reload.connections_until='1s'",
            "faults.reload.repeat={every='500ms',times=3}",
            "duration='6s'",
        ]),
    ),
    (
        "rolling-deploy",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='1s'}",
            "clients.players.heartbeat={every='2s',timeout='1s'}",
            "servers.gateway.count=3",
            "faults.deploy.at='1500ms'",
            "faults.deploy.drain='1s'",
            "faults.deploy.for='500ms'",
            "faults.deploy.gap='250ms'",
            "duration='9s'",
        ]),
    ),
    (
        "session-loss",
        Both(&[
            "clients.players.count=200",
            "clients.players.arrive={evenly_over='1s'}",
            "servers.gateway.count=12",
            "faults.gone.at='2s'",
            "duration='8s'",
        ]),
    ),
    ("shared-connections", Refused("clients.players.mode")),
    ("storm", Both(&["clients.players.count=300", "clients.players.arrive={evenly_over='1s'}", "duration='2s'"])),
    (
        "thundering-herd",
        Both(&[
            "clients.players.count=400",
            "clients.players.arrive={evenly_over='1s'}",
            "servers.gateway.count=4",
            "faults.gateway-lost.at='1500ms'",
            "duration='6s'",
        ]),
    ),
    ("tls-storm", Refused("servers.gateway.tls")),
    ("zone-aware", Refused("network.links.inside.one_way")),
    (
        "zone-loss",
        Both(&[
            "clients.players.count=150",
            "clients.players.arrive={evenly_over='800ms'}",
            "clients.players.heartbeat={every='1s',timeout='500ms'}",
            "clients.players.connect_timeout='1s'",
            "faults.zone-dark.at='1s'",
            "faults.zone-dark.for='3s'",
            "duration='8s'",
        ]),
    ),
];

/// The names of the committed scenarios, but for those with programs (`kernel/`), and the incidents, which are many and made of what the others
/// have; `tests/integration/incidents.rs` runs them.
fn scenarios() -> BTreeSet<String> {
    let root = repository("scenarios");
    let name = |file: PathBuf| file.strip_prefix(&root).unwrap().with_extension("").to_str().unwrap().to_string();
    scenario_files(&root)
        .into_iter()
        .map(name)
        .filter(|name| !name.starts_with("kernel/") && !name.starts_with("incidents/"))
        .collect()
}

fn load(name: &str, sets: &[&str], seed: Option<u64>) -> Scenario {
    committed(name, &Overrides { seed, ..set(sets) })
}

/// Every event of a run, and what the run came to: in the simulator, and over turmoil.
fn both(scenario: &Scenario) -> [(Vec<Event>, Finished); 2] {
    let mut ours: Vec<Event> = Vec::new();
    let finished = shakedown::explore::once_with(scenario, &mut ours, |_| true).unwrap();
    let mut theirs: Vec<Event> = Vec::new();
    let other = once_with(scenario, &mut theirs, |_| true).unwrap();
    [(ours, finished), (theirs, other)]
}

type Lives = BTreeMap<u32, Vec<(Timestamp, client::Event)>>;

fn lives(events: &[Event]) -> Lives {
    let mut all = Lives::new();
    for event in events {
        if let Kind::Session(session, what) = event.kind {
            all.entry(session).or_default().push((event.at, what));
        }
    }
    all
}

/// The first session, and its first event, that the two runs do not have alike.
fn first_difference(scenario: &Scenario, ours: &Lives, theirs: &Lives) -> Option<String> {
    let none = Vec::new();
    let sessions: BTreeSet<&u32> = ours.keys().chain(theirs.keys()).collect();
    for session in sessions {
        let (one, other) = (ours.get(session).unwrap_or(&none), theirs.get(session).unwrap_or(&none));
        for number in 0..one.len().max(other.len()) {
            let same = match (one.get(number), other.get(number)) {
                (Some((at, what)), Some((when, happened))) => {
                    what == happened && when.since(*at).max(at.since(*when)) <= ALLOWANCE
                }
                _ => false,
            };
            if !same {
                let show = |event: Option<&(Timestamp, client::Event)>| {
                    event.map_or("nothing".into(), |(at, what)| format!("{what:?} at {} ns", at.0))
                };
                let name = one.iter().chain(other).find_map(|(_, what)| match what {
                    client::Event::Scheduled { group, index } => Some(scenario.session_name((*group, *index))),
                    _ => None,
                });
                let name = name.unwrap_or_else(|| format!("session {session}"));
                let (ours, theirs) = (show(one.get(number)), show(other.get(number)));
                return Some(format!("{name}, event {number}: simulated {ours}; over turmoil {theirs}"));
            }
        }
    }
    None
}

/// Everything that is not a session's, however events of one moment are ordered.
fn rest(events: &[Event]) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for event in events.iter().filter(|event| !matches!(event.kind, Kind::Session(..))) {
        *all.entry(format!("{} {:?}", event.at.0, event.kind)).or_default() += 1;
    }
    all
}

/// Both drivers tell the same story, to the nanosecond: what the simulator tells.
fn agree(name: &str, scenario: &Scenario) -> Vec<Event> {
    let [(ours, simulated), (theirs, carried)] = both(scenario);
    if let Some(difference) = first_difference(scenario, &lives(&ours), &lives(&theirs)) {
        panic!("{name}: {difference}");
    }
    let others = [rest(&ours), rest(&theirs)];
    for (event, count) in &others[0] {
        assert_eq!(others[1].get(event), Some(count), "{name}: {event}");
    }
    assert_eq!(others[0].len(), others[1].len(), "{name}");
    assert_eq!(simulated.measured.summary.metrics, carried.measured.summary.metrics, "{name}");
    let series = |finished: &Finished| format!("{:?}", finished.measured.series);
    assert_eq!(series(&simulated), series(&carried), "{name}");
    assert_eq!(simulated.violations, carried.violations, "{name}");
    assert!(!carried.deviations.is_empty() && carried.driver == shakedown::driver::Driver::Turmoil);
    ours
}

#[test]
fn every_committed_scenario_tells_the_same_story_over_turmoil_or_is_refused() {
    let names: BTreeSet<String> = COMMITTED.iter().map(|(name, _)| (*name).to_string()).collect();
    assert_eq!(names, scenarios(), "which scenarios both drivers run is held here");
    for (name, plan) in COMMITTED {
        let sets = match plan {
            Refused(key) => {
                let refused = turmoil::refused(&load(name, &[], None));
                assert!(refused.iter().any(|line| line.starts_with(key)), "{name}: {refused:?}");
                continue;
            }
            Both(sets) => sets,
        };
        assert_eq!(turmoil::refused(&load(name, &[], None)), Vec::<String>::new(), "{name} as it is");
        let ours = agree(name, &load(name, sets, None));
        let most = lives(&ours).values().map(Vec::len).max();
        assert!(most > Some(3), "{name}: nothing happens in it");
    }
}

const NARROW: &str = r#"
format = 1
title = "Limits of bandwidth everywhere, with faults on top of them"
duration = "9s"
[network]
one_way = { uniform = { min = "4ms", max = "30ms" } }
jitter = { uniform = { min = "0s", max = "3ms" } }
[network.links.sea]
from = "far"
to = "gateway"
bandwidth = "300kbit/s"
queue = "2KB"
[servers.gateway]
count = 2
service_time = "1ms"
access_link = { up = "200kbit/s", down = "300kbit/s", queue = "1KB" }
[clients.near]
count = 60
arrive = { evenly_over = "800ms" }
endpoints = ["gateway"]
heartbeat = { every = "700ms", timeout = "600ms" }
access_link = { up = "100kbit/s", down = "200kbit/s" }
hosts = 10
handshake_timeout = "3s"
retry = { policy = "fixed", base = "500ms" }
[clients.far]
count = 40
arrive = "at_once"
endpoints = ["gateway"]
hold = "4s"
retry = { policy = "fixed", base = "700ms" }
[faults.squeeze]
kind = "bandwidth"
target = { from = "near", to = "gateway-1" }
at = "500ms"
for = "2s"
bandwidth = "20kbit/s"
queue = "500B"
[faults.crash]
kind = "crash"
target = "gateway-0"
at = "3s"
for = "500ms"
[faults.off]
kind = "power-off"
target = "gateway-1"
at = "4500ms"
for = "1s"
[faults.apart]
kind = "partition"
target = "far"
at = "6s"
for = "300ms"
[faults.hung]
kind = "hang"
target = "gateway-0"
at = "7s"
for = "400ms"
"#;

const RESET: &str = r#"
format = 1
title = "Connections are reset between their ends"
duration = "5s"
[network]
one_way = { uniform = { min = "4ms", max = "30ms" } }
jitter = { uniform = { min = "0s", max = "3ms" } }
[servers.gateway]
count = 2
service_time = "1ms"
[clients.near]
count = 80
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
heartbeat = { every = "700ms", timeout = "600ms" }
retry = { policy = "fixed", base = "500ms" }
[clients.far]
count = 40
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
retry = { policy = "fixed", base = "700ms" }
[faults.flushed]
kind = "reset"
target = { from = "near", to = "gateway" }
share = "50%"
at = "900ms"
repeat = { every = "1s", times = 3 }
[faults.hung]
kind = "hang"
target = "gateway-0"
at = "3500ms"
for = "400ms"
[faults.flushed-while-hung]
kind = "reset"
target = "gateway-0"
at = "3600ms"
"#;

#[test]
fn resets_strike_the_same_connections_over_turmoil() {
    let scenario = loaded(RESET);
    assert_eq!(turmoil::refused(&scenario), Vec::<String>::new());
    let ours = agree("reset", &scenario);
    let reset = |event: &&Event| matches!(event.kind, Kind::Fault(_, fault::Event::Reset { .. }));
    assert!(ours.iter().filter(reset).count() > 100);
}

#[test]
fn bytes_wait_for_each_other_to_the_nanosecond_over_turmoil() {
    let scenario = loaded(NARROW);
    assert_eq!(turmoil::refused(&scenario), Vec::<String>::new());
    let ours = agree("narrow", &scenario);
    let dropped = |event: &&Event| matches!(event.kind, Kind::Network(_, network::Event::QueueFull { .. }));
    let dropped = ours.iter().filter(dropped).count();
    assert!(dropped > 50, "{dropped}");
}

#[test]
fn proxies_are_struck_over_turmoil_as_in_the_simulator() {
    agree("proxies", &loaded(include_str!("../data/proxies.toml")));
}

#[test]
fn calls_are_struck_over_turmoil_as_in_the_simulator() {
    agree("calls", &loaded(include_str!("../data/calls.toml")));
}

#[test]
fn balancers_are_struck_over_turmoil_as_in_the_simulator() {
    agree("balancers", &loaded(include_str!("../data/balancers.toml")));
}

#[test]
fn a_program_of_the_users_is_reached_through_a_proxy() {
    let lab =
        Lab::from_text("proxies", include_str!("../data/proxies.toml")).unwrap().server("gateway", tungstenite_server);
    let mut theirs: Vec<Event> = Vec::new();
    let outcome = lab.run_with(&mut theirs).unwrap();
    let mut ours: Vec<Event> = Vec::new();
    shakedown::driver::run(&outcome.scenario, &mut ours);
    assert_eq!(stories(&lives(&ours)), stories(&lives(&theirs)));
    assert!(outcome.count("accepted") > 12);
}

/// Kolmogorov and Smirnov's distance between two samples, and what it is below with probability 0.999 if both come from
/// one distribution (Smirnov 1948, asymptotic).
fn distance(mut one: Vec<u64>, mut other: Vec<u64>) -> (f64, f64) {
    one.sort_unstable();
    other.sort_unstable();
    let share = |sample: &[u64], x: u64| sample.partition_point(|y| *y <= x) as f64 / sample.len() as f64;
    let points = one.iter().chain(&other);
    let most = points.map(|x| (share(&one, *x) - share(&other, *x)).abs()).fold(0.0, f64::max);
    let (n, m) = (one.len() as f64, other.len() as f64);
    (most, 1.949 * ((n + m) / (n * m)).sqrt())
}

/// When each session first opened, after its schedule.
fn times_to_open(lives: &Lives) -> Vec<u64> {
    let open = |life: &Vec<(Timestamp, client::Event)>| {
        let opened = life.iter().find(|(_, what)| matches!(what, client::Event::Opened { .. }))?;
        Some(opened.0.since(life[0].0).0)
    };
    lives.values().filter_map(open).collect()
}

#[test]
fn random_ways_are_drawn_from_one_distribution_by_both_drivers() {
    // On other seeds, so that nothing is equal by the draws' being the same.
    let sets = [
        "clients.players.count=150",
        "clients.players.arrive={evenly_over='300ms'}",
        "duration='700ms'",
        "faults.gateway-dies.at='650ms'",
        "faults.gateway-dies.for='10ms'",
    ];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for seed in 1..=4 {
        let mut events: Vec<Event> = Vec::new();
        shakedown::driver::run(&load("failover", &sets, Some(seed)), &mut events);
        ours.extend(times_to_open(&lives(&events)));
        let mut events: Vec<Event> = Vec::new();
        turmoil::run(&load("failover", &sets, Some(100 + seed)), &mut events, |_| true).unwrap();
        theirs.extend(times_to_open(&lives(&events)));
    }
    let shifted: Vec<u64> = ours.iter().map(|time| time + time / 4).collect();
    let (found, bound) = distance(ours.clone(), theirs);
    assert!(found < bound, "{found} >= {bound}");
    let (found, bound) = distance(ours, shifted);
    assert!(found > bound, "a quarter more is seen: {found} <= {bound}");
}

#[test]
fn runs_over_turmoil_are_the_same_twice() {
    let sets = [
        "clients.players.count=100",
        "clients.players.arrive={evenly_over='500ms'}",
        "duration='1500ms'",
        "faults.gateway-dies.at='800ms'",
        "faults.gateway-dies.for='200ms'",
    ];
    let scenario = load("chaos", &[], None);
    assert!(!scenario.faults().is_empty());
    let scenario = load("failover", &sets, None);
    let run = || once_with(&scenario, &mut (), |_| true).unwrap();
    let (one, other) = (run(), run());
    assert_eq!((one.events, &one.digest), (other.events, &other.digest));
    assert_eq!(one.digest.len(), 32);
    // And the same as in the simulator, as no two things happen at one moment here.
    assert_eq!(one.digest, once(&scenario, |_| true).unwrap().digest);
}

#[test]
fn what_turmoil_cannot_do_is_refused_with_all_of_it() {
    let sets = [
        "network.loss='1%'",
        "network.one_way='900us'",
        "servers.gateway.tls='1.3'",
        "clients.players.nat=2",
        "faults.gateway-dies.kind='lossy'",
        "faults.gateway-dies.loss='2%'",
        "faults.gateway-dies.target={ from='players', to='gateway-1' }",
    ];
    let scenario = load("redirect", &sets, None);
    let problem = once_with(&scenario, &mut (), |_| true).unwrap_err().to_string();
    for key in [
        "network.loss: ",
        "network.one_way: ",
        "servers.gateway.tls: ",
        "clients.players.nat: ",
        "faults.gateway-dies.kind: ",
    ] {
        assert!(problem.contains(key), "{key} is missing in {problem}");
    }
}

#[path = "../../examples/own_code.rs"]
mod own_code;

#[test]
fn a_loop_over_seeds_finds_the_planted_bug_and_one_seed_replays_it() {
    let (seed, broken) = lab::hunt(0..40, || own_code::failover(false)).expect("a seed shows the bug");
    assert!(broken.contains("its session was forgotten while it played"), "{broken}");
    let again = own_code::failover(false).unwrap().seed(seed).run().unwrap();
    let once_more = own_code::failover(false).unwrap().seed(seed).run().unwrap();
    assert!(!again.passed() && again.to_string() == broken);
    assert_eq!((&again.finished.digest, &again.told), (&once_more.finished.digest, &once_more.told));
    assert!(again.count("moves") > 100 && lab::SEEDED);
    let mended = own_code::failover(true).unwrap().seed(seed).run().unwrap();
    assert!(mended.passed(), "{mended}");
    // The run is measured, although nobody in it is Shakedown's.
    assert!(matches!(mended.metric("faults.gateway-dies.affected"), Some(Value::Part { count, .. }) if count > 3));
    assert!(matches!(mended.metric("attempts.refused"), Some(Value::Part { count, .. }) if count > 0));
}

/// A server that nobody here wrote: whatever tungstenite makes of a connection.
async fn tungstenite_server(cx: lab::ServerContext) -> lab::Result {
    let listener = cx.listener().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let reporter = cx.reporter();
        tokio::spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
            reporter.count("accepted");
            while let Some(Ok(_)) = socket.next().await {}
        });
    }
}

const STRUCK: &str = r#"
format = 1
title = "One fault for each server"
duration = "4500ms"
[invariants]
open_within = "2s"
[network]
one_way = "5ms"
[servers.off]
service_time = "0s"
[servers.cut]
service_time = "0s"
[servers.hung]
service_time = "0s"
[servers.restarted]
service_time = "0s"
[clients.of_off]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["off"]
heartbeat = { every = "200ms", timeout = "200ms" }
retry = { policy = "fixed", base = "2s" }
[clients.of_cut]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["cut"]
heartbeat = { every = "200ms", timeout = "200ms" }
retry = { policy = "fixed", base = "2s" }
[clients.of_hung]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["hung"]
heartbeat = { every = "600ms", timeout = "600ms" }
[clients.of_restarted]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["restarted"]
retry = { policy = "fixed", base = "500ms" }
[faults.off]
kind = "power-off"
target = "off"
at = "1s"
for = "1s"
[faults.cut]
kind = "partition"
target = "cut"
at = "1s"
for = "1s"
[faults.hung]
kind = "hang"
target = "hung"
at = "1s"
for = "500ms"
[faults.restarted]
kind = "crash"
target = "restarted"
at = "1s"
for = "200ms"
"#;

/// What happened to each session, without the times.
fn stories(lives: &Lives) -> BTreeMap<u32, Vec<String>> {
    // How many pings were answered in time may differ by one at the end.
    let told = |what: &client::Event| !matches!(what, client::Event::HeartbeatAnswered { .. });
    let story = |life: &Vec<(Timestamp, client::Event)>| {
        life.iter().filter(|(_, what)| told(what)).map(|(_, what)| format!("{what:?}")).collect()
    };
    lives.iter().map(|(session, life)| (*session, story(life))).collect()
}

#[test]
fn a_program_of_the_users_is_struck_by_faults_as_our_servers_are() {
    let mut lab = Lab::from_text("struck", STRUCK).unwrap();
    for group in ["off", "cut", "hung", "restarted"] {
        lab = lab.server(group, tungstenite_server);
    }
    let mut theirs: Vec<Event> = Vec::new();
    let outcome = lab.run_with(&mut theirs).unwrap();
    assert!(outcome.passed(), "{outcome}");
    let mut ours: Vec<Event> = Vec::new();
    shakedown::driver::run(&outcome.scenario, &mut ours);
    let (ours, theirs) = (lives(&ours), lives(&theirs));
    assert_eq!(stories(&ours), stories(&theirs));
    assert!(outcome.count("accepted") >= 12 + 3 + 3);
    // Every message between one of ours and one of theirs waits for turmoil's steps, no longer.
    for (session, life) in &ours {
        let opened = |life: &Vec<(Timestamp, client::Event)>| {
            life.iter().find(|(_, what)| matches!(what, client::Event::Opened { .. })).unwrap().0
        };
        let late = opened(&theirs[session]).since(opened(life));
        assert!(late <= Nanos::from_millis(8) && opened(&theirs[session]) >= opened(life), "{late:?}");
    }
    // What is measured at the servers' own end is not known.
    assert_eq!(outcome.metric("servers.off.arrivals.total"), None);
    let place = tempfile::tempdir().unwrap();
    outcome.write(place.path().join("struck")).unwrap();
    let run = std::fs::read_to_string(place.path().join("struck/run.json")).unwrap();
    assert!(run.contains("programs of the user's own play cut, hung, off, restarted"), "{run}");
}

#[test]
fn a_client_of_the_users_meets_our_servers_and_our_faults() {
    let client = |mut cx: lab::ClientContext| async move {
        loop {
            let server = cx.endpoints()[0].clone();
            if let Ok(stream) = cx.connect(&server).await {
                match tokio_tungstenite::client_async(format!("ws://{server}/"), stream).await {
                    Ok((mut socket, _)) => {
                        cx.opened();
                        while let Some(Ok(_)) = socket.next().await {}
                        cx.lost(lab::End::Fin);
                    }
                    Err(_) => cx.failed(lab::Failure::Closed),
                }
            }
            cx.retry_after(Duration::from_millis(500)).await;
        }
    };
    let lab = Lab::from_text("struck", STRUCK).unwrap().client("of_restarted", client);
    let mut theirs: Vec<Event> = Vec::new();
    let outcome = lab.run_with(&mut theirs).unwrap();
    assert!(outcome.passed(), "{outcome}");
    let mut ours: Vec<Event> = Vec::new();
    shakedown::driver::run(&outcome.scenario, &mut ours);
    let (ours, theirs) = (lives(&ours), lives(&theirs));
    assert_eq!(stories(&ours), stories(&theirs));
    // Those that Shakedown plays do not notice that others are not its own.
    let others = |lives: &Lives| {
        lives.iter().filter(|(session, _)| **session < 9).map(|(_, life)| life.clone()).collect::<Vec<_>>()
    };
    assert_eq!(others(&ours), others(&theirs));
    let counts = |outcome: &Finished| outcome.measured.summary.get("clients.of_restarted.sessions.open_at_end");
    assert_eq!(counts(&outcome.finished), counts(&once(&outcome.scenario, |_| true).unwrap()));
}

#[test]
fn what_a_program_cannot_be_asked_for_is_refused() {
    let text = std::fs::read_to_string("scenarios/rolling-deploy.toml").unwrap();
    let lab = Lab::from_text("rolling-deploy", &text).unwrap().set("network.loss='1%'");
    let lab = lab.server("gateway", tungstenite_server).server("gatewy", tungstenite_server);
    let problem = lab.run().unwrap_err().to_string();
    for part in ["network.loss: ", "gatewy: the scenario has no server group", "faults.deploy: a program of your own"] {
        assert!(problem.contains(part), "{part} is missing in {problem}");
    }
    let behind = Lab::from_text("proxies", include_str!("../data/proxies.toml")).unwrap();
    let problem = behind.client("by_cut", |_| async { Ok(()) }).run().unwrap_err().to_string();
    assert!(problem.contains("clients.by_cut.proxy: a program of your own"), "{problem}");
    let failing = Lab::from_text("struck", STRUCK).unwrap().server("off", |_| async { Err("no disk".into()) });
    assert_eq!(failing.run().unwrap_err().to_string(), "off-0: no disk");
}
