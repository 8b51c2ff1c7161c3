//! Real sockets, all on loopback: what the same machines do there, and what strangers can do to them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use shakedown::client;
use shakedown::driver::live::{self as driver, Part};
use shakedown::event::{Event, Kind};
use shakedown::explore::live::{self, Live};
use shakedown::explore::programs::Programs;
use shakedown::fault;
use shakedown::handshake::server::{read_request, write_open};
use shakedown::metrics::Value;
use shakedown::network;
use shakedown::scenario::{Overrides, Scenario};
use shakedown::server;

use crate::common::{self, in_real_time, scenario_file, shakedown as program, slowed};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn allowed() -> Programs<'static> {
    Programs::Allowed { here: Path::new("") }
}

/// The same for a check in real time, so many times slower.
fn load_slower(slower: u32, name: &str, text: &str, variant: Option<&str>, sets: &[&str]) -> Scenario {
    let sets: Vec<String> = sets.iter().map(|set| slowed(set, slower)).collect();
    load(name, &slowed(text, slower), variant, &sets.iter().map(String::as_str).collect::<Vec<_>>())
}

fn load(name: &str, text: &str, variant: Option<&str>, sets: &[&str]) -> Scenario {
    let overrides = Overrides { variant: variant.map(str::to_string), ..common::set(sets) };
    shakedown::scenario::load(name, name, text, &overrides).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Every event of a run in the simulator, and of one on real sockets.
fn both(scenario: &Scenario) -> [Vec<Event>; 2] {
    let mut simulated: Vec<Event> = Vec::new();
    shakedown::driver::run(scenario, &mut simulated);
    let mut real: Vec<Event> = Vec::new();
    let setup = live::both(scenario).unwrap();
    let ended = driver::run(scenario, &setup, &mut real, |_| {}, |_| true).unwrap();
    assert!(!ended.partial);
    assert!(real.is_sorted_by_key(|event| (event.at, event.seq)), "time goes back");
    [simulated, real]
}

/// A session's event without its numbers of connections and servers, which luck may have changed: what happened.
fn kind(event: client::Event) -> String {
    let text = format!("{event:?}");
    let name = text.split([' ', '(']).next().unwrap_or_default().to_string();
    match event {
        client::Event::AttemptFailed { failure, .. } => format!("{name} {failure:?}"),
        client::Event::Lost { end, .. } => format!("{name} {end:?}"),
        _ => name,
    }
}

fn sequences(events: &[Event]) -> BTreeMap<u32, Vec<String>> {
    let mut all: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for event in events {
        if let Kind::Session(session, event) = event.kind {
            all.entry(session).or_default().push(kind(event));
        }
    }
    all
}

/// How often each thing happened to servers and by faults.
fn counts(events: &[Event]) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for event in events {
        let text = match event.kind {
            Kind::Server(_, server::Event::Answered { status, .. }) => format!("Answered {status}"),
            Kind::Server(_, event) => format!("{event:?}"),
            Kind::Fault(_, event) => format!("{event:?}"),
            _ => continue,
        };
        let name = text.split([' ', '(']).take(if text.starts_with("Answered") { 2 } else { 1 }).collect::<String>();
        *all.entry(name).or_default() += 1;
    }
    all
}

/// How many pings were answered in time may differ by one at the end.
fn without_beats(events: Vec<Event>) -> Vec<Event> {
    let beat = |event: &Event| matches!(event.kind, Kind::Session(_, client::Event::HeartbeatAnswered { .. }));
    events.into_iter().filter(|event| !beat(event)).collect()
}

/// Both runs tell the same story: of every session the same things in the same order.
fn agree([simulated, real]: &[Vec<Event>; 2]) {
    let (ours, theirs) = (sequences(simulated), sequences(real));
    for (session, expected) in &ours {
        assert_eq!(theirs.get(session), Some(expected), "session {session} lives another life on real sockets");
    }
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(counts(simulated), counts(real));
}

/// When each session first opened, after its schedule.
fn times_to_open(events: &[Event]) -> BTreeMap<u32, u64> {
    let (mut scheduled, mut opened) = (BTreeMap::new(), BTreeMap::new());
    for event in events {
        match event.kind {
            Kind::Session(session, client::Event::Scheduled { .. }) => drop(scheduled.insert(session, event.at)),
            Kind::Session(session, client::Event::Opened { .. }) => {
                opened.entry(session).or_insert(event.at.since(scheduled[&session]).0);
            }
            _ => {}
        }
    }
    opened
}

/// Nobody opens sooner than in the simulator.
fn no_sooner(simulated: &BTreeMap<u32, u64>, real: &BTreeMap<u32, u64>) {
    for (session, time) in real {
        assert!(*time >= simulated[session], "session {session} opened in {time} ns: sooner than light allows");
    }
}

/// Servers that are never full, far away: on a machine that does not stand still, what it adds is little beside the ways.
const FAR: &str = "format = 1\ntitle = 'Far'\nduration = '3500ms'\n[network]\n\
                   one_way = { uniform = { min = '150ms', max = '250ms' } }\n[servers.gateway]\ncount = 3\nworkers = 8\n\
                   service_time = '5ms'\n[clients.players]\ncount = 200\narrive = { evenly_over = '2000ms' }\n\
                   endpoints = ['gateway']\n";

#[test]
fn times_on_real_sockets_are_within_three_percent_of_the_simulated() {
    in_real_time(|slower| {
        let [simulated, real] = both(&load_slower(slower, "far", FAR, None, &[])).map(|events| times_to_open(&events));
        assert_eq!((simulated.len(), real.len()), (200, 200));
        no_sooner(&simulated, &real);
        for percent in [50, 99] {
            let at = |times: &BTreeMap<u32, u64>| {
                let mut sorted: Vec<u64> = times.values().copied().collect();
                sorted.sort_unstable();
                sorted[(sorted.len() - 1) * percent / 100]
            };
            let (simulated, real) = (at(&simulated), at(&real));
            assert!(real * 100 <= simulated * 103, "p{percent}: {real} ns, simulated {simulated} ns");
        }
    });
}

#[test]
fn a_redirected_fleet_lives_the_same_lives_on_real_sockets() {
    let text = std::fs::read_to_string("scenarios/redirect.toml").unwrap();
    // One after the other, so that the redirector meets them in the same order; and the dead gateway is back before
    // anyone could be sent there.
    let sets = [
        "clients.players.count=60",
        "clients.players.arrive={evenly_over='900ms'}",
        "faults.gateway-dies.at='1500ms'",
        "faults.gateway-dies.for='250ms'",
        "duration='4s'",
    ];
    in_real_time(|slower| {
        let scenario = load_slower(slower, "redirect", &text, Some("round-robin"), &sets);
        let runs = both(&scenario);
        agree(&runs);
        let [simulated, real] = runs.map(|events| times_to_open(&events));
        assert_eq!(real.len(), 60);
        no_sooner(&simulated, &real);
    });
}

#[test]
fn what_strikes_servers_and_links_strikes_them_on_real_sockets() {
    in_real_time(|slower| {
        let scenario = load_slower(
            slower,
            "faults",
            r#"
format = 1
title = "One fault for each server"
duration = "4500ms"
[network]
one_way = "5ms"
[servers.off]
service_time = "0s"
[servers.cut]
service_time = "0s"
[servers.hung]
service_time = "0s"
[servers.drained]
service_time = "0s"
[servers.restarted]
service_time = "0s"
[servers.late]
service_time = "0s"
joins_at = "1s"
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
[clients.of_drained]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["drained"]
retry = { policy = "fixed", base = "1s" }
[clients.of_restarted]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["restarted"]
retry = { policy = "fixed", base = "500ms" }
[clients.of_late]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["late"]
retry = { policy = "fixed", base = "1500ms" }
[clients.racing]
count = 2
start = "1200ms"
arrive = "at_once"
endpoints = ["cut", "late"]
pick = "first"
race = { delay = "100ms" }
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
[faults.drained]
kind = "drain"
target = "drained"
at = "1s"
for = "500ms"
over = "100ms"
[faults.restarted]
kind = "restart"
target = "restarted"
at = "1s"
"#,
            None,
            &[],
        );
        let runs = both(&scenario).map(without_beats);
        let won = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::RaceWon { connection: 2, .. }));
        assert_eq!(runs[0].iter().filter(won).count(), 2, "the path to the first of two is cut");
        let sequences = runs.each_ref().map(|events| sequences(events));
        for (session, expected) in &sequences[0] {
            assert_eq!(
                sequences[1].get(session),
                Some(expected),
                "session {session} lives another life on real sockets"
            );
        }
    });
}

#[test]
fn an_authentication_in_legs_goes_through_on_real_sockets() {
    let text = std::fs::read_to_string("scenarios/multi-leg-auth.toml").unwrap();
    let sets = ["clients.office.count=20", "clients.office.arrive={evenly_over='300ms'}", "duration='1s'"];
    in_real_time(|slower| {
        let runs = both(&load_slower(slower, "multi-leg-auth", &text, None, &sets));
        agree(&runs);
        let challenged = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::Challenged { .. }));
        assert_eq!(runs.map(|events| events.iter().filter(challenged).count()), [40, 40]);
    });
}

/// Whose access links and links are narrow, and whose queues are short.
const NARROW: &str = r#"
format = 1
title = "Handshakes that are bound by bandwidth"
duration = "2s"
[network]
one_way = "5ms"
syn_retries = ["100ms", "200ms", "400ms", "800ms", "10s"]
[network.links.sea]
from = "far"
to = "open"
bandwidth = "200kbit/s"
[servers.narrow]
service_time = "0s"
access_link = { down = "200kbit/s" }
[servers.short]
service_time = "0s"
access_link = { up = "200kbit/s", queue = "300B" }
[servers.open]
service_time = "0s"
[clients.herd]
count = 20
arrive = "at_once"
endpoints = ["narrow"]
[clients.dropped]
count = 20
arrive = "at_once"
endpoints = ["short"]
[clients.far]
count = 20
arrive = "at_once"
endpoints = ["open"]
[clients.squeezed]
count = 20
arrive = "at_once"
endpoints = ["open"]
access_link = { up = "400kbit/s" }
hosts = 4
[faults.squeeze]
kind = "bandwidth"
target = { from = "squeezed", to = "open" }
at = "0s"
for = "1s"
bandwidth = "200kbit/s"
"#;

#[test]
fn bytes_wait_for_each_other_where_bandwidth_is_limited() {
    in_real_time(|slower| {
        let scenario = load_slower(slower, "narrow", NARROW, None, &[]);
        let runs = both(&scenario);
        let [mut ours, mut theirs] = runs.each_ref().map(|events| sequences(events));
        // Whose turn it is in the short queue hangs on hairs; that it comes does not.
        for session in 20..40 {
            let lives = [ours.remove(&session), theirs.remove(&session)].map(Option::unwrap);
            assert!(lives.iter().all(|life| life[2] == "Connected" && life.len() <= 4), "session {session}: {lives:?}");
        }
        assert_eq!(ours, theirs);
        let [simulated, real] = runs.each_ref().map(|events| times_to_open(events));
        // A request of more than 200 bytes takes more than 8 ms at 200 kbit/s, and no two pass at a time.
        for group in [0..20, 40..60, 60..80_u32] {
            let [ours, theirs] = [&simulated, &real].map(|times| {
                let mut times: Vec<u64> = group.clone().map(|session| times[&session]).collect();
                times.sort_unstable();
                times
            });
            for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert!(theirs >= ours, "{number} of {group:?} opened after {theirs} ns: simulated {ours}");
                assert!(*theirs > 20_000_000 + 8_000_000 * (number as u64 + 1), "{number} of {group:?}: {theirs} ns");
            }
        }
        for events in &runs {
            let dropped = |event: &&Event| matches!(event.kind, Kind::Network(_, network::Event::QueueFull { .. }));
            assert!(events.iter().filter(dropped).count() > 20, "the short queue takes seven SYN-ACKs, and no more");
        }
    });
}

const PROXIES: &str = include_str!("../data/proxies.toml");

#[test]
fn who_comes_through_a_proxy_lives_the_same_life_on_real_sockets() {
    in_real_time(|slower| {
        let scenario = load_slower(slower, "proxies", PROXIES, None, &[]);
        let runs = both(&scenario).map(without_beats);
        agree(&runs);
        let [simulated, real] = runs.each_ref().map(|events| times_to_open(events));
        assert_eq!(real.len(), 5 + 3 * 8, "all but those without credentials and those whose server is not there");
        no_sooner(&simulated, &real);
        let has = |what: &str| sequences(&runs[1]).values().flatten().filter(|kind| kind.contains(what)).count();
        assert_eq!(has("ProxyUnauthorized"), 6);
        assert_eq!(has("ProxyRejected"), 6, "502 and 504");
        assert!(has("Lost Fin") >= 3 && has("Lost Close") >= 3 && has("Lost Heartbeat") >= 6);
    });
}

#[test]
fn servers_that_call_others_do_so_on_real_sockets() {
    in_real_time(|slower| {
        let scenario = load_slower(slower, "calls", include_str!("../data/calls.toml"), None, &[]);
        let runs = both(&scenario);
        agree(&runs);
        let [simulated, real] = runs.each_ref().map(|events| times_to_open(events));
        assert_eq!(real.len(), 40 + 4 + 3 * 3 + 6, "all open in the end");
        no_sooner(&simulated, &real);
        let outcomes = |events: &[Event]| {
            let mut all: BTreeMap<String, u32> = BTreeMap::new();
            for event in events {
                if let Kind::Server(server, server::Event::CallEnded { outcome, .. }) = event.kind {
                    *all.entry(format!("{server} {outcome:?}")).or_default() += 1;
                }
            }
            all
        };
        let [simulated, real] = runs.each_ref().map(|events| outcomes(events));
        assert_eq!(simulated, real);
        assert!(real.len() > 8, "{real:?}");
    });
}

#[test]
fn balancers_that_terminate_do_so_on_real_sockets() {
    // TLS is between clients and servers, and a check by handshake is a client.
    let secure = r#"
[servers.passing]
kind = "l4"
balance = "terminate"
to = "secure"
health = { every = "300ms", timeout = "200ms", fall = 1, rise = 1 }
check = "handshake"
[servers.secure]
tls = "1.3"
[clients.secured]
count = 3
arrive = { evenly_over = "90ms" }
endpoints = ["passing"]
"#;
    let text = format!("{}{secure}", include_str!("../data/balancers.toml"));
    in_real_time(|slower| {
        let scenario = load_slower(slower, "balancers", &text, None, &[]);
        let runs = both(&scenario).map(without_beats);
        let [ours, theirs] = runs.each_ref().map(|events| sequences(events));
        for (session, expected) in &ours {
            assert_eq!(theirs.get(session), Some(expected), "session {session} lives another life on real sockets");
        }
        // A check that was given up before a process that hung had accepted it is forgotten in the simulator; Linux hands it over
        // all the same, with what it said, and it is worked on.
        let [ours, theirs] = runs.each_ref().map(|events| counts(events));
        for what in ["Forwarded", "CheckFailed", "MarkedDown", "MarkedUp", "Answered101"] {
            assert!(ours[what] > 0 && ours[what] == theirs[what], "{what}: {ours:?} and {theirs:?}");
        }
        let [simulated, real] = runs.each_ref().map(|events| times_to_open(events));
        assert_eq!(real.len(), 30 + 3 + 12 + 3 + 3 + 3, "all open in the end");
        no_sooner(&simulated, &real);
    });
}

/// A server that needs too much memory is killed, one that is too busy for its probes as well, and the next processes serve those
/// that come again.
#[test]
fn processes_are_killed_and_started_again() {
    const KILLED: &str = r#"
format = 1
title = "Killed"
duration = "1800ms"
[network]
one_way = "5ms"
[servers.heavy]
memory = { max = "100KB", connection = "10KB" }
restart = { after = "200ms" }
[servers.busy]
workers = 1
service_time = "400ms"
liveness = { every = "100ms", timeout = "50ms", failures = 3 }
restart = { after = "200ms" }
[clients.many]
count = 11
arrive = "at_once"
endpoints = ["heavy"]
retry = { policy = "none" }
reconnect = false
[clients.few]
count = 4
start = "700ms"
arrive = "at_once"
endpoints = ["heavy"]
[clients.waiting]
count = 3
arrive = "at_once"
endpoints = ["busy"]
retry = { policy = "none" }
reconnect = false
"#;
    let runs = both(&load("killed", KILLED, None, &[]));
    for events in runs {
        let counts = counts(&events);
        let killed = |reason| {
            let is = |event: &&Event| event.kind == Kind::Server(reason as u32 - 1, server::Event::Killed { reason });
            events.iter().filter(is).count()
        };
        assert_eq!(
            (killed(server::KillReason::OutOfMemory), killed(server::KillReason::Liveness)),
            (1, 1),
            "{counts:?}"
        );
        assert_eq!(counts["Restarted"], 2);
        let opened = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::Opened { .. }));
        let late = events.iter().filter(opened).filter(|event| event.at.0 > 700_000_000).count();
        assert_eq!(late, 4);
    }
}

#[test]
fn clocks_end_connections_on_real_sockets() {
    let group = |name: &str, keys: &str| {
        format!(
            "[servers.{name}]\nservice_time = \"0s\"\n{keys}\n[clients.of_{name}]\ncount = 3\narrive = \"at_once\"\n\
             start = \"50ms\"\nendpoints = [\"{name}\"]\nretry = {{ policy = \"none\" }}\n"
        )
    };
    let text = [
        "format = 1\ntitle = \"x\"\nduration = \"1500ms\"\n[network]\none_way = \"5ms\"\n",
        &group("idle", "idle_timeout = { after = \"300ms\" }"),
        &group(
            "pinging",
            "heartbeat = { every = \"200ms\", timeout = \"200ms\" }\nidle_timeout = { after = \"300ms\" }",
        ),
        &group("aging", "connection_age = { max = \"300ms\", ends = \"reset\" }"),
        &group("reloaded", ""),
        "[faults.reload]\nkind = \"reload\"\ntarget = \"reloaded\"\nat = \"300ms\"\nconnections_until = \"300ms\"\n\
         ends = \"close\"\ncode = 1012\n",
    ]
    .concat();
    in_real_time(|slower| {
        let runs = both(&load_slower(slower, "clocks", &text, None, &[]));
        agree(&runs);
        let ended = runs.each_ref().map(|events| {
            let rang = |event: &&Event| matches!(event.kind, Kind::Server(_, server::Event::EndedByClock { .. }));
            events.iter().filter(rang).count()
        });
        assert_eq!(ended, [9, 9]);
    });
}

#[test]
fn what_sockets_cannot_do_is_refused_with_all_of_it() {
    let text = std::fs::read_to_string("scenarios/redirect.toml").unwrap();
    let sets = [
        "network.loss='1%'",
        "servers.gateway.backlog_overflow='reset'",
        "clients.players.nat=2",
        "servers.gateway.accepts='when-idle'",
        "servers.gateway.descriptors={ max = 9 }",
    ];
    let scenario = load("redirect", &text, None, &sets);
    let problem = live::both(&scenario).unwrap_err().to_string();
    for key in [
        "network.loss: ",
        "servers.gateway.backlog_overflow: ",
        "clients.players.nat: ",
        "servers.gateway.accepts: ",
        "servers.gateway.descriptors.when_full: ",
    ] {
        assert!(problem.contains(key), "{key} is missing in {problem}");
    }
    // The network between strangers is not ours.
    let link = "servers.gateway.access_link='1Gbit/s'";
    let problem = live::servers(&mut load("redirect", &text, None, &[link]), LOOPBACK).unwrap_err().to_string();
    assert!(problem.contains("servers.gateway.access_link: the network to clients"), "{problem}");
    let mode = load(
        "redirect",
        &text,
        None,
        &["clients.players.mode='extended-connect'", "servers.front.tls='1.3'", "servers.gateway.tls='1.3'"],
    );
    let problem = live::clients(&mut mode.clone(), &["front=wss://127.0.0.1:1".into()], false).unwrap_err().to_string();
    assert!(problem.contains("clients.players.mode: "), "{problem}");
    let nat = std::fs::read_to_string("scenarios/l4-versus-redirect/l4-nat.toml").unwrap();
    let problem = live::both(&load("l4-nat", &nat, None, &[])).unwrap_err().to_string();
    assert!(problem.contains("servers.front.balance: nothing here rewrites addresses"), "{problem}");
    let proxies = include_str!("../data/proxies.toml");
    let mut behind = load("proxies", proxies, None, &[]);
    let problem = live::clients(&mut behind, &["gateway=ws://127.0.0.1:1".into()], false).unwrap_err().to_string();
    assert!(problem.contains("add --target narrow=http://HOST:PORT"), "{problem}");
    // What is not played need not be possible.
    let mut scenario = load("redirect", &text, None, &sets[..2]);
    assert!(live::clients(&mut scenario, &["front=ws://127.0.0.1:1".into()], false).is_ok());
    let missing = live::clients(&mut scenario, &["gateway=ws://127.0.0.1:1".into()], false).unwrap_err();
    assert!(missing.to_string().contains("--target front="), "{missing}");
}

/// TLS of each kind, with sessions that end and come back, and processes that are started again.
const SECURED: &str = r#"
format = 1
title = "What comes back resumes its TLS sessions where it can"
# The last that happens before is at 2783 ms: a busy machine may be a tenth of a second behind.
duration = "2900ms"
[network]
one_way = "10ms"
[servers.newer]
tls = "1.3"
tls_cost = "4ms"
tls_resumed_cost = "1ms"
service_time = "1ms"
[servers.older]
tls = "1.2"
service_time = "1ms"
[servers.shared]
count = 2
tls = "1.3"
tls_keys = "shared"
[servers.none]
tls = "1.3"
tls_tickets = "0s"
[servers.asking]
tls = "1.3"
calls = [{ to = "asked", timeout = "1s" }]
[servers.asked]
behavior = { kind = "serve" }
[proxies.corporate]
[clients.of_newer]
count = 3
arrive = { closed_loop = { think = "300ms", over = "30ms" } }
endpoints = ["newer"]
hold = "500ms"
[clients.of_older]
count = 3
arrive = { closed_loop = { think = "300ms", over = "30ms" } }
endpoints = ["older"]
hold = "500ms"
[clients.of_shared]
count = 3
arrive = { evenly_over = "30ms" }
endpoints = ["shared-0"]
retry = { policy = "fixed", base = "500ms" }
[clients.behind_proxy]
count = 3
arrive = { evenly_over = "30ms" }
endpoints = ["asking"]
proxy = "corporate"
[clients.of_none]
count = 3
arrive = { evenly_over = "30ms" }
endpoints = ["none"]
retry = { policy = "fixed", base = "500ms" }
[faults.again]
kind = "crash"
target = "newer"
at = "1250ms"
for = "100ms"
[faults.shared-again]
kind = "crash"
target = "shared-0"
at = "1s"
for = "100ms"
[faults.none-again]
kind = "crash"
target = "none"
at = "1s"
for = "100ms"
"#;

/// When TLS came up for each session, and whether it was resumed.
fn secured(events: &[Event]) -> BTreeMap<u32, Vec<(u64, bool)>> {
    let mut all: BTreeMap<u32, Vec<(u64, bool)>> = BTreeMap::new();
    for event in events {
        if let Kind::Session(session, client::Event::Secured { resumed, .. }) = event.kind {
            all.entry(session).or_default().push((event.at.0, resumed));
        }
    }
    all
}

#[test]
fn tls_takes_its_round_trips_and_is_resumed_on_real_sockets() {
    let reset =
        "[faults.flushed]\nkind = 'reset'\ntarget = { from = 'of_shared', to = 'shared' }\nshare = '60%'\nat = '2s'\n";
    in_real_time(|slower| {
        let scenario = load_slower(slower, "secured", &format!("{SECURED}{reset}"), None, &[]);
        let runs = both(&scenario);
        // A busy machine may be late with what is near the end.
        let early = runs[0]
            .iter()
            .filter(|event| event.at.0 < 2_500_000_000 * u64::from(slower))
            .copied()
            .collect::<Vec<Event>>();
        let theirs = sequences(&runs[1]);
        for (session, expected) in sequences(&early) {
            assert!(theirs[&session].starts_with(&expected), "session {session}: {expected:?} {:?}", theirs[&session]);
        }
        let [simulated, real] = runs.each_ref().map(|events| secured(events));
        let mut kinds = [0, 0];
        for (session, ours) in &simulated {
            for ((at, resumed), (when, again)) in ours.iter().zip(&real[session]) {
                assert_eq!(resumed, again, "session {session}: {ours:?} {:?}", real[session]);
                assert!(when >= at, "session {session} had TLS at {when} ns: simulated {at}");
                kinds[usize::from(*resumed)] += 1;
            }
        }
        assert!(kinds[0] > 15 && kinds[1] > 8, "{kinds:?}");
        // The same connections are reset, as the draws are the same.
        let resets = runs.map(|events| {
            let reset = |event: Event| match event.kind {
                Kind::Fault(_, fault::Event::Reset { session }) => Some(session),
                _ => None,
            };
            events.into_iter().filter_map(reset).collect::<Vec<u32>>()
        });
        assert!(resets[0] == resets[1] && !resets[0].is_empty(), "{resets:?}");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn servers_have_certificates_that_clients_can_trust() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("secured.toml");
    // Nothing strikes the servers, which a slow machine would meet at any moment.
    let calm = SECURED.split("[faults.").next().unwrap();
    std::fs::write(&file, calm.replace("newer", "gateway")).unwrap();
    let (child, ports) = served(place.path(), &file);
    let (ports, place) = (&ports, &place);
    let load_it = |slower: u32, name: &str, host: &str, trusts: bool| {
        let mut scenario = load_slower(slower, "load", LOAD, None, &[]);
        let target = format!("gateway=wss://{host}:{}", ports[name].port());
        let mut setup = live::clients(&mut scenario, &[target], false).unwrap();
        if trusts {
            live::trust(&mut setup, &place.path().join("ports.pem")).unwrap();
        }
        count(&live::live(&scenario, &setup, |_| {}, |_| true).unwrap(), "sessions.opened")
    };
    in_real_time(|slower| {
        std::thread::scope(|scope| {
            let [newer, older, distrustful] =
                [("gateway-0", "127.0.0.1", true), ("older-0", "localhost", true), ("none-0", "127.0.0.1", false)]
                    .map(|(name, host, trusts)| scope.spawn(move || load_it(slower, name, host, trusts)));
            assert_eq!([newer, older, distrustful].map(|load| load.join().unwrap()), [50, 50, 0]);
        });
    });
    // Who comes in plain is told.
    let answer = ask(&mut connect(ports["gateway-0"]));
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let (code, said) = ended(child, "-TERM");
    assert!(code == Some(0) && said.contains("gateway-0"), "{code:?} {said}");
}

/// Servers of a scenario, open until they are told to end.
struct Served {
    addresses: Vec<SocketAddr>,
    end: Arc<AtomicBool>,
    run: JoinHandle<Live>,
}

fn serve(text: &'static str) -> Served {
    let end = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&end);
    let (sender, receiver) = mpsc::channel();
    let run = spawn(move || {
        let mut scenario = load("served", text, None, &[]);
        let setup = live::servers(&mut scenario, LOOPBACK).unwrap();
        let ready = |addresses: &[SocketAddr]| sender.send(addresses.to_vec()).unwrap();
        live::live(&scenario, &setup, ready, |_| !asked.load(Ordering::SeqCst)).unwrap()
    });
    Served { addresses: receiver.recv_timeout(Duration::from_secs(10)).unwrap(), end, run }
}

impl Served {
    fn finish(self) -> Live {
        self.end.store(true, Ordering::SeqCst);
        self.run.join().unwrap()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Asks as RFC 6455 section 1.3 does, and reads the head of the answer.
fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(REQUEST.as_bytes()).unwrap();
    read_head(stream)
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len == 1) {
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn every_behavior_is_served_to_strangers() {
    let served = serve(
        r#"
format = 1
title = "One server for each behavior"
duration = "60s"
[servers.accept]
[servers.reject]
behavior = { kind = "reject", status = 503, retry_after = "7s" }
[servers.redirect]
behavior = { kind = "redirect", to = "accept" }
[servers.garbage]
behavior = { kind = "garbage" }
[servers.challenge]
behavior = { kind = "challenge", credentials = { user = "u", password = "p" } }
[servers.drip]
behavior = { kind = "accept", delivery = { bytes = 1, every = "1ms" } }
[servers.stall]
behavior = { kind = "stall" }
[servers.caller]
calls = [{ to = "called", timeout = "5s" }]
[servers.called]
behavior = { kind = "serve" }
[servers.balancer]
kind = "l4"
balance = "terminate"
to = "accept"
health = { every = "100ms", timeout = "50ms", fall = 50, rise = 1 }
[clients.nobody]
count = 1
endpoints = ["accept"]
"#,
    );
    let at = |number: usize| served.addresses[number];
    let mut accepted = connect(at(0));
    let answer = ask(&mut accepted);
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    // A masked ping with payload "hi" is answered by its pong; a close with a close and FIN.
    accepted.write_all(&[0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]).unwrap();
    let mut pong = [0; 4];
    accepted.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
    // A long message is taken, and nothing is lost behind it.
    let message = [&[0x82, 0xff, 0, 0, 0, 0, 0, 0x30, 0, 0][..], &vec![0; 4 + (3 << 20)], &[0x89, 0x80, 1, 2, 3, 4]];
    accepted.write_all(&message.concat()).unwrap();
    let mut pong = [0; 2];
    accepted.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\x8a\x00");
    accepted.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).unwrap();
    let mut rest = Vec::new();
    accepted.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x88\x02\x03\xe8");
    let rejected = ask(&mut connect(at(1)));
    assert!(rejected.starts_with("HTTP/1.1 503 ") && rejected.contains("Retry-After: 7\r\n"), "{rejected}");
    let redirected = ask(&mut connect(at(2)));
    let location = format!("Location: ws://{}/chat\r\n", at(0));
    assert!(redirected.starts_with("HTTP/1.1 307 ") && redirected.contains(&location), "{redirected}");
    let mut garbage = connect(at(3));
    garbage.write_all(REQUEST.as_bytes()).unwrap();
    let mut first = [0; 5];
    garbage.read_exact(&mut first).unwrap();
    assert_ne!(&first, b"HTTP/");
    let challenged = ask(&mut connect(at(4)));
    assert!(challenged.starts_with("HTTP/1.1 401 ") && challenged.contains("WWW-Authenticate: Basic"), "{challenged}");
    let dripped = ask(&mut connect(at(5)));
    assert!(dripped.starts_with("HTTP/1.1 101 "), "{dripped}");
    let mut stalled = connect(at(6));
    stalled.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(ask(&mut stalled), "");
    let opened = ask(&mut connect(at(7)));
    assert!(opened.starts_with("HTTP/1.1 101 "), "{opened}");
    let balanced = ask(&mut connect(at(9)));
    assert!(balanced.starts_with("HTTP/1.1 101 "), "{balanced}");
    let live = served.finish();
    let answers = |number: usize| live.visits[number].answers.clone().into_iter().collect::<Vec<_>>();
    assert_eq!([0, 1, 2, 4, 5].map(answers), [[(101, 2)], [(503, 1)], [(307, 1)], [(401, 1)], [(101, 1)]]);
    // Checks by connects are connections, too, that nothing is said on.
    let accepting = &live.visits[0];
    assert!(accepting.connections > 2 && accepting.silent + 2 >= accepting.connections - 1, "{accepting:?}");
    assert_eq!((accepting.requests, live.visits[6].requests, live.visits[9].connections), (2, 1, 1));
    assert_eq!([7, 8].map(answers), [[(101, 1)], [(200, 1)]], "one asked the other");
    assert_eq!(live.finished.measured.summary.get("servers.reject.arrivals.total"), Some(Value::Count(1)));
    assert!(!live.finished.partial && live.finished.digest.is_empty());
}

/// Asks a proxy for a tunnel, and reads the head of its answer.
fn ask_proxy(stream: &mut TcpStream, target: &str, credentials: &str) -> String {
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_head(stream)
}

#[test]
fn strangers_come_through_a_proxy_to_our_servers_and_nowhere_else() {
    let served = serve(
        r#"
format = 1
title = "A proxy that demands credentials, and one whose server stands still"
duration = "60s"
[servers.gateway]
[servers.hung]
[proxies.corporate]
credentials = { user = "alice", password = "secret" }
[proxies.open]
[clients.nobody]
count = 1
endpoints = ["gateway"]
proxy = "open"
[faults.hung]
kind = "hang"
target = "hung"
at = "0s"
"#,
    );
    let [gateway, hung, corporate, open] = served.addresses[..] else { panic!("{:?}", served.addresses) };
    let mut stream = connect(corporate);
    let asked = ask_proxy(&mut stream, &gateway.to_string(), "");
    assert!(asked.starts_with("HTTP/1.1 407 ") && asked.contains("Proxy-Authenticate: Basic"), "{asked}");
    // On the same connection, with "alice:secret".
    let credentials = "Proxy-Authorization: Basic YWxpY2U6c2VjcmV0\r\n";
    let answer = ask_proxy(&mut stream, &gateway.to_string(), credentials);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(ask(&mut stream).starts_with("HTTP/1.1 101 "));
    // More than a socket's buffers hold, and a ping behind it: all of it goes through.
    let message = [&[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0][..], &vec![0; 4 + (16 << 20)], &[0x89, 0x80, 1, 2, 3, 4]];
    stream.write_all(&message.concat()).unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\x8a\x00");
    // A close is answered by a close, and the server's FIN comes through.
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"\x88\x02\x03\xe8");
    // By the names that only the proxy knows; and what is none of ours can't be reached through it.
    let mut stream = connect(open);
    assert!(ask_proxy(&mut stream, "gateway-0:80", "").starts_with("HTTP/1.1 200 "));
    assert!(ask(&mut stream).starts_with("HTTP/1.1 101 "));
    let elsewhere = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    assert!(ask_proxy(&mut connect(open), &elsewhere.to_string(), "").starts_with("HTTP/1.1 502 "));
    assert!(ask_proxy(&mut connect(open), "example.com:80", "").starts_with("HTTP/1.1 502 "));
    // Where the far end takes nothing, neither does the proxy for long.
    let mut stream = connect(open);
    assert!(ask_proxy(&mut stream, &hung.to_string(), "").starts_with("HTTP/1.1 200 "));
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let chunk = vec![0; 1 << 20];
    let taken = (0..64).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(taken < 64, "64 MiB were taken for a server that reads nothing");
    drop(stream);
    let live = served.finish();
    let answers = |number: usize| live.visits[number].answers.clone().into_iter().collect::<Vec<_>>();
    assert_eq!(
        [answers(0), answers(2), answers(3)],
        [vec![(101, 2)], vec![(200, 1), (407, 1)], vec![(200, 2), (502, 2)]]
    );
    assert_eq!(live.finished.measured.summary.get("servers.corporate.tunnels"), Some(Value::Count(1)));
}

#[test]
fn a_crash_is_a_crash_to_strangers() {
    in_real_time(|_| {
        let served = serve(
            r#"
format = 1
title = "A server dies and comes back"
duration = "60s"
[servers.gateway]
[clients.nobody]
count = 1
endpoints = ["gateway"]
[faults.dies]
kind = "crash"
target = "gateway"
at = "500ms"
for = "1s"
"#,
        );
        let gateway = served.addresses[0];
        let began = Instant::now();
        let mut open = connect(gateway);
        assert!(ask(&mut open).starts_with("HTTP/1.1 101 "));
        assert_eq!(open.read(&mut [0; 16]).unwrap(), 0, "FIN, as nothing was unread");
        assert!(began.elapsed() >= Duration::from_millis(300));
        assert!(TcpStream::connect(gateway).is_err(), "nobody listens");
        let back = std::iter::repeat_with(|| TcpStream::connect(gateway)).find(|stream| {
            std::thread::sleep(Duration::from_millis(20));
            stream.is_ok() || began.elapsed() > Duration::from_secs(8)
        });
        let mut back = back.unwrap().expect("it listens again, on the same port");
        assert!(ask(&mut back).starts_with("HTTP/1.1 101 "));
        drop(served.finish());
    });
}

/// A server that nobody here wrote would do as well: it opens every handshake and keeps the connection.
fn plain_server() -> SocketAddr {
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            spawn(move || open_and_hold(&mut stream));
        }
    });
    address
}

fn open_and_hold(stream: &mut (impl Read + Write)) {
    let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(len) = stream.read(&mut chunk) {
        asked.extend_from_slice(&chunk[..len]);
        if len == 0 {
            return;
        }
        if let Ok(Some((request, _))) = read_request(&asked) {
            assert_eq!(request.path, "/chat?x=1");
            let mut answer = Vec::new();
            write_open(&mut answer, request.upgrade, &request.key.accept());
            stream.write_all(&answer).unwrap();
            stream.flush().unwrap();
            break;
        }
    }
    // Until the client's close frame, which is answered by FIN.
    while let Ok(len) = stream.read(&mut chunk) {
        if len == 0 || chunk[0] == 0x88 {
            return;
        }
    }
}

const LOAD: &str = r#"
format = 1
title = "Clients for somebody's server"
duration = "2s"
[servers.gateway]
[clients.players]
count = 50
arrive = { evenly_over = "500ms" }
endpoints = ["gateway"]
hold = "500ms"
[expect]
"sessions.opened" = "== 100%"
"servers.gateway.arrivals.total" = "> 0"
"#;

fn run_load(slower: u32, target: &str, insecure: bool) -> Live {
    let mut scenario = load_slower(slower, "load", LOAD, None, &[]);
    let setup = live::clients(&mut scenario, &[target.to_string()], insecure).unwrap();
    assert_eq!(setup.part, Part::Clients);
    live::live(&scenario, &setup, |_| {}, |_| true).unwrap()
}

fn count(live: &Live, path: &str) -> u64 {
    common::count(&live.finished.measured.summary, path)
}

#[test]
fn clients_open_against_a_server_that_is_none_of_ours() {
    in_real_time(|slower| {
        let live = run_load(slower, &format!("gateway=ws://{}/chat?x=1", plain_server()), false);
        let of = |path: &str| count(&live, path);
        assert_eq!([of("sessions.opened"), of("sessions.ended"), of("attempts.total")], [50; 3]);
        assert_eq!(
            live.finished.measured.summary.get("servers.gateway.arrivals.total"),
            None,
            "nothing is known of it"
        );
        assert_eq!((live.not_judged, live.finished.verdicts.len(), live.finished.passed()), (1, 1, true));
    });
}

#[test]
fn several_threads_have_a_share_of_the_clients_each() {
    let text = r#"
        format = 1
        title = "Hosts whose sessions wait for each other"
        duration = "1500ms"
        [servers.gateway]
        [clients.users]
        count = 60
        hosts = 7
        arrive = { evenly_over = "300ms" }
        endpoints = ["gateway"]
        hold = { uniform = { min = "100ms", max = "300ms" } }
        retry = { policy = "none" }
    "#;
    let mut scenario = load("shared", text, None, &[]);
    let target = format!("gateway=ws://{}/chat?x=1", plain_server());
    let mut setup = live::clients(&mut scenario, &[target], false).unwrap();
    setup.threads = 3;
    in_real_time(|_| {
        let mut events: Vec<Event> = Vec::new();
        let ended = driver::run(&scenario, &setup, &mut events, |_| {}, |_| true).unwrap();
        assert_eq!((ended.events, ended.partial), (events.len() as u64, false));
        assert!(events.iter().enumerate().all(|(number, event)| event.seq == number as u64));
        assert!(events.is_sorted_by_key(|event| event.at));
        let lives = sequences(&events);
        assert_eq!(lives.keys().copied().collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
        for (session, life) in lives {
            let kinds: Vec<&str> = life.iter().filter_map(|kind| kind.split(' ').next()).collect();
            assert!(kinds.first() == Some(&"Scheduled") && kinds.last() == Some(&"Ended"), "{session}: {kinds:?}");
            assert_eq!(kinds.iter().filter(|kind| **kind == "Opened").count(), 1, "{session}: {kinds:?}");
        }
    });
    // Whoever ends one ends all.
    let mut looks = 0;
    let ended = driver::run(
        &scenario,
        &setup,
        &mut Vec::new(),
        |_| {},
        |_| {
            looks += 1;
            looks < 3
        },
    );
    assert!(ended.unwrap().partial);
}

#[test]
fn clients_go_through_a_proxy_that_is_none_of_theirs() {
    const TEXT: &str = r#"
format = 1
title = "Clients behind somebody's proxy"
duration = "2s"
[servers.gateway]
[servers.secure]
tls = "1.3"
[proxies.corporate]
scheme = "digest"
credentials = { user = "alice", password = "secret" }
[clients.players]
count = 20
arrive = { evenly_over = "500ms" }
endpoints = ["gateway", "secure"]
proxy = "corporate"
proxy_credentials = { user = "alice", password = "secret" }
hold = "500ms"
"#;
    in_real_time(|_| {
        let served = serve(TEXT);
        let mut scenario = load("load", TEXT, None, &[]);
        let [gateway, secure, corporate] = served.addresses[..] else { panic!("{:?}", served.addresses) };
        let targets = [format!("gateway=ws://{gateway}"), format!("secure=wss://{secure}")];
        let targets = [&targets[..], &[format!("corporate=http://{corporate}")]].concat();
        let setup = live::clients(&mut scenario, &targets, true).unwrap();
        let live = live::live(&scenario, &setup, |_| {}, |_| true).unwrap();
        assert_eq!(["sessions.opened", "attempts.proxy_challenged"].map(|path| count(&live, path)), [20, 20]);
        let visits = served.finish().visits;
        let all = BTreeMap::from([(200, 20), (407, 20)]);
        assert_eq!((&visits[2].answers, visits[0].requests + visits[1].requests), (&all, 20));
        assert!(visits[1].requests > 0, "TLS inside a tunnel");
    });
}

#[test]
fn clients_of_nobody_are_refused() {
    // Bound and not listening: nobody else takes the port.
    let nobody = TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap();
    let live = run_load(1, &format!("gateway=ws://{nobody}/"), false);
    assert_eq!(count(&live, "sessions.opened"), 0);
    assert!(count(&live, "attempts.refused") >= 50);
    assert!(!live.finished.passed());
}

#[test]
fn wss_is_checked_unless_told_otherwise() {
    use rustls::crypto::ring;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![own.cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind((LOOPBACK, 0)).unwrap();
    let target = format!("gateway=wss://{}/chat?x=1", listener.local_addr().unwrap());
    spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            spawn(move || open_and_hold(&mut stream));
        }
    });
    in_real_time(|slower| {
        let trusting = run_load(slower, &target, true);
        assert_eq!(count(&trusting, "sessions.opened"), 50);
        let checking = run_load(slower, &target, false);
        assert_eq!(count(&checking, "sessions.opened"), 0, "nobody vouches for that certificate");
        assert!(count(&checking, "attempts.tls_failed") >= 50);
    });
}

/// Peak memory of a process in KiB.
#[cfg(target_os = "linux")]
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `serve` with its servers' addresses, once they listen.
fn served(place: &Path, scenario: &Path) -> (std::process::Child, BTreeMap<String, SocketAddr>) {
    let asked = ["serve", scenario.to_str().unwrap(), "--ports", "ports.json", "--quiet", "--set", "duration='120s'"];
    let child = program(place, &asked).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let ports = place.join("ports.json");
    let began = Instant::now();
    while !ports.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "no ports were written");
        std::thread::sleep(Duration::from_millis(10));
    }
    let ports = serde_json::from_slice(&std::fs::read(ports).unwrap()).unwrap();
    (child, ports)
}

/// Ends it by that signal: its exit code, and what it printed.
fn ended(mut child: std::process::Child, signal: &str) -> (Option<i32>, String) {
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
#[cfg(unix)]
fn whoever_ends_a_process_by_its_usual_signal_gets_the_summary() {
    let place = tempfile::tempdir().unwrap();
    let (child, ports) = served(place.path(), &scenario_file("storm"));
    assert!(ask(&mut connect(*ports.values().next().unwrap())).starts_with("HTTP/1.1 101 "));
    let (code, said) = ended(child, "-TERM");
    assert!(code == Some(0) && said.contains("connections"), "{code:?}: {said}");
    let folders: Vec<_> = place.path().join("results/storm").read_dir().unwrap().map(|f| f.unwrap().path()).collect();
    assert!(folders.len() == 1 && folders[0].join("summary.json").exists(), "{folders:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn hostile_peers_cost_little_and_take_nothing_down() {
    let place = tempfile::tempdir().unwrap();
    let (child, ports) = served(place.path(), &scenario_file("storm"));
    let gateway = *ports.values().next().unwrap();
    assert!(ask(&mut connect(gateway)).starts_with("HTTP/1.1 101 "));
    let before = peak(child.id());
    // Connections that never say anything.
    let silent: Vec<TcpStream> = (0..800).map(|_| connect(gateway)).collect();
    // A head of a gigabyte: refused after 16 KiB, and cut off while it goes on.
    let mut endless = connect(gateway);
    endless.write_all(b"GET / HTTP/1.1\r\nX: ").unwrap();
    let chunk = vec![b'x'; 1 << 20];
    let sent = (0..1024).take_while(|_| endless.write_all(&chunk).is_ok()).count();
    assert!(sent < 1024, "all of it was taken");
    // What is no HTTP at all, and what is given up halfway.
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], b"\0\0\0\0\r\n\r\n", b"GET / HT", b"\r\n\r\n\r\n"] {
        let mut stream = connect(gateway);
        stream.write_all(bytes).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    // Frames that are longer than anyone's memory, or never end.
    let mut liars: Vec<TcpStream> = (0..50).map(|_| connect(gateway)).collect();
    for (number, stream) in liars.iter_mut().enumerate() {
        assert!(ask(stream).starts_with("HTTP/1.1 101 "));
        let length: u64 = if number % 2 == 0 { 1 << 62 } else { 1 << 63 };
        let mut head = vec![0x82, 0xff];
        head.extend_from_slice(&length.to_be_bytes());
        head.extend_from_slice(&[0; 4]);
        let _ = stream.write_all(&head);
        let _ = stream.write_all(&chunk[..(1 << 20) - 1]);
    }
    // Pings whose pongs nobody takes.
    let mut deaf = connect(gateway);
    assert!(ask(&mut deaf).starts_with("HTTP/1.1 101 "));
    deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let ping: Vec<u8> = [0x89, 0xfd, 0, 0, 0, 0].into_iter().chain([b'p'; 125]).collect();
    let pings = ping.repeat(1_000);
    let taken = (0..1_000).take_while(|_| deaf.write_all(&pings).is_ok()).count();
    assert!(taken < 1_000, "131 MB of pings were taken while nobody took the pongs");
    // Somebody well-behaved is served as ever.
    assert!(ask(&mut connect(gateway)).starts_with("HTTP/1.1 101 "));
    let grown = peak(child.id()) - before;
    assert!(grown < 32 << 10, "it took {grown} KiB");
    drop((silent, liars));
    let (code, said) = ended(child, "-INT");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("connections") && said.contains("431"), "{said}");
    assert!(place.path().join("results/storm").read_dir().unwrap().count() == 1);
}

/// A program that is a server, in the form of this very test: it opens handshakes and answers pings.
#[test]
#[ignore = "the server of another test, which starts it"]
fn a_program() {
    let Ok(port) = std::env::var("PORT") else { return };
    println!("{} started", std::env::var("SHAKEDOWN_SERVER").unwrap());
    let host: IpAddr = std::env::var("HOST").unwrap().parse().unwrap();
    let listener = TcpListener::bind((host, port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        spawn(move || {
            let mut stream = stream.unwrap();
            let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
            loop {
                let len = stream.read(&mut chunk).unwrap_or(0);
                if len == 0 {
                    return;
                }
                asked.extend_from_slice(&chunk[..len]);
                if let Ok(Some((request, _))) = read_request(&asked) {
                    let mut answer = Vec::new();
                    write_open(&mut answer, request.upgrade, &request.key.accept());
                    stream.write_all(&answer).unwrap();
                    break;
                }
            }
            let mut head = [0; 6];
            while stream.read_exact(&mut head).is_ok() {
                let mut payload = vec![0; usize::from(head[1] & 0x7f)];
                let _ = stream.read_exact(&mut payload);
                payload.iter_mut().zip(head[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
                if head[0] != 0x89 || stream.write_all(&[&[0x8a, payload.len() as u8][..], &payload].concat()).is_err()
                {
                    return;
                }
            }
        });
    }
}

const PROGRAMS: &str = r#"
format = 1
title = "Two programs, one killed and one stopped"
duration = "5s"
[network]
one_way = "20ms"
[servers.crashed]
COMMAND
[servers.hung]
COMMAND
[clients.of_crashed]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["crashed"]
heartbeat = { every = "300ms", timeout = "300ms" }
handshake_timeout = "2s"
retry = { policy = "fixed", base = "300ms" }
[clients.of_hung]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["hung"]
heartbeat = { every = "300ms", timeout = "300ms" }
handshake_timeout = "2s"
retry = { policy = "fixed", base = "300ms" }
[faults.dies]
kind = "crash"
target = "crashed"
at = "1s"
for = "1s"
[faults.stops]
kind = "hang"
target = "hung"
at = "1s"
for = "1s"
"#;

fn load_programs(text: &str) -> Result<Scenario, String> {
    let own = std::env::current_exe().unwrap();
    let command = format!("command = ['{}', '--exact', 'real::a_program', '--ignored', '--nocapture']", own.display());
    let overrides = Overrides { programs: true, ..Overrides::default() };
    shakedown::scenario::load("programs", "programs", &text.replace("COMMAND", &command), &overrides)
        .map_err(|e| e.to_string())
}

#[test]
fn programs_are_killed_stopped_and_started_as_servers_are() {
    let scenario = load_programs(PROGRAMS).unwrap();
    assert_eq!(scenario.resolved().matches("a_program").count(), 2);
    in_real_time(|_| {
        let (setup, outputs) = live::both_with_programs(&scenario, allowed()).unwrap();
        let mut events: Vec<Event> = Vec::new();
        let ended = driver::run(&scenario, &setup, &mut events, |_| {}, |_| true).unwrap();
        assert_eq!(ended.died, [], "neither ended by itself");
        let lives = sequences(&events);
        assert_eq!(lives.len(), 6);
        for (session, life) in &lives {
            let has = |what: &str| life.iter().filter(|kind| kind.starts_with(what)).count();
            assert!(has("Opened") >= 2, "session {session} does not come back: {life:?}");
            // A killed process's kernel says FIN; a stopped one's says nothing, and completes connects.
            let (lost, refused) = if *session < 3 { ("Lost Fin", true) } else { ("Lost Heartbeat", false) };
            assert!(has(lost) >= 1, "session {session}: no {lost} in {life:?}");
            assert_eq!(has("AttemptFailed Refused") > 0, refused, "session {session}: {life:?}");
        }
        // SYN, SYN-ACK, request and answer take 20 ms each, whoever serves.
        for (session, time) in times_to_open(&events) {
            assert!(time >= 80_000_000, "session {session} opened in {time} ns: sooner than light allows");
        }
        let logs: BTreeMap<_, _> = outputs.files().into_iter().collect();
        let starts = |name: &str| {
            String::from_utf8_lossy(&logs[&format!("{name}-0.log")]).matches(&format!("{name}-0 started")).count()
        };
        assert_eq!((starts("crashed"), starts("hung")), (2, 1));
    });
}

#[test]
fn programs_are_started_only_where_that_is_allowed_and_means_something() {
    let scenario = load_programs(PROGRAMS).unwrap();
    let refused = live::both(&scenario).unwrap_err().to_string();
    assert!(refused.contains("`crashed-0` is a program") && refused.contains("--allow-commands"), "{refused}");
    let simulated =
        shakedown::scenario::load("x", "x", &PROGRAMS.replace("COMMAND", "command = ['x']"), &Overrides::default());
    let simulated = simulated.unwrap_err().to_string();
    assert!(simulated.contains("`crashed` is a program, and needs real sockets"), "{simulated}");
    let served = live::servers(&mut load_programs(PROGRAMS).unwrap(), LOOPBACK).unwrap_err().to_string();
    assert!(served.contains("servers.crashed.command: a program listens by itself"), "{served}");
    let refused = load_programs(&PROGRAMS.replace("kind = \"hang\"", "kind = \"power-off\"")).unwrap();
    let refused = live::both_with_programs(&refused, allowed()).unwrap_err().to_string();
    assert!(refused.contains("faults.stops: a program's kernel lives on"), "{refused}");
    for (wrong, says) in [
        ("command = []", "no program"),
        ("command = ['x']\nworkers = 2", "`workers` means nothing beside `command`"),
        ("command = ['x']\nbehavior = { kind = 'reject' }", "`behavior` means nothing beside `command`"),
    ] {
        let refused = load_programs(&PROGRAMS.replacen("COMMAND", wrong, 1)).unwrap_err();
        assert!(refused.contains(says), "{refused}");
    }
    // One that does not start ends the run before it begins.
    let gone = load_programs(&PROGRAMS.replacen("COMMAND", "command = ['/nowhere/to/be/found']", 1)).unwrap();
    let (setup, _) = live::both_with_programs(&gone, allowed()).unwrap();
    let error = driver::run(&gone, &setup, &mut Vec::new(), |_| {}, |_| true).unwrap_err().to_string();
    assert!(error.contains("crashed-0 can't be started"), "{error}");
    let brief = load_programs(&PROGRAMS.replacen("COMMAND", "command = ['false']", 1)).unwrap();
    let (setup, _) = live::both_with_programs(&brief, allowed()).unwrap();
    let error = driver::run(&brief, &setup, &mut Vec::new(), |_| {}, |_| true).unwrap_err().to_string();
    assert!(error.contains("crashed-0 ended (exit status: 1) before it listened"), "{error}");
}
