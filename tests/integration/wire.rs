//! `--driver kernel`: real TCP at both ends, and a wire between. Where it can't run, the tests say so and end.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::common::{in_real_time, names, ran, slowed, text};

/// One server and its clients for each fault, and a link that loses.
const FAULTS: &str = r#"
format = 1
title = "Each fault on the wire"
duration = "4500ms"
[network]
one_way = "20ms"
[network.links.bad]
from = "of_lossy"
to = "lossy"
loss = "10%"
[servers]
crashed = { service_time = "0s" }
off = { service_time = "0s" }
cut = { service_time = "0s" }
half = { service_time = "0s" }
reset = { service_time = "0s" }
lossy = { service_time = "0s" }
silent = { service_time = "0s" }
front = { kind = "l4", to = "behind", balance = "nat", pick = "source-hash", health = { every = "200ms", timeout = "150ms", fall = 2, rise = 2 }, on_down = "reset" }
behind = { count = 2, service_time = "0s" }
named = { count = 2, service_time = "0s" }
[dns.game]
to = ["named"]
ttl = "1s"
order = "random"
latency = "30ms"
health = { every = "300ms", timeout = "200ms", fall = 2, rise = 2 }
[clients.of_named]
count = 6
start = "250ms"
arrive = "at_once"
endpoints = ["game"]
dns_timeout = "300ms"
retry = { policy = "fixed", base = "900ms" }
[clients.of_front]
count = 8
start = "150ms"
arrive = "at_once"
endpoints = ["front"]
heartbeat = { every = "300ms", timeout = "600ms" }
retry = { policy = "fixed", base = "700ms" }
[clients.of_silent]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["silent"]
keepalive = { idle = "1s", every = "1s", probes = 1 }
retry = { policy = "none" }
[clients.of_crashed]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["crashed"]
retry = { policy = "fixed", base = "1500ms" }
[clients.of_off]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["off"]
heartbeat = { every = "300ms", timeout = "300ms" }
retry = { policy = "fixed", base = "2s" }
[clients.of_cut]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["cut"]
heartbeat = { every = "300ms", timeout = "300ms" }
retry = { policy = "fixed", base = "2s" }
[clients.of_half]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["half"]
heartbeat = { every = "300ms", timeout = "300ms" }
retry = { policy = "fixed", base = "2s" }
[clients.of_reset]
count = 6
start = "50ms"
arrive = "at_once"
endpoints = ["reset"]
retry = { policy = "fixed", base = "500ms" }
[clients.of_lossy]
count = 400
start = "50ms"
arrive = { evenly_over = "1s" }
endpoints = ["lossy"]
[faults.silences]
kind = "partition"
target = { from = "of_silent", to = "silent" }
at = "1s"
[faults.crashes]
kind = "crash"
target = "crashed"
at = "1s"
for = "1s"
[faults.off]
kind = "power-off"
target = "off"
at = "1s"
for = "1500ms"
[faults.cuts]
kind = "partition"
target = { from = "of_cut", to = "cut" }
at = "1s"
for = "1500ms"
[faults.halves]
kind = "partition"
target = { from = "of_half", to = "half" }
one_way = true
at = "1s"
for = "1500ms"
[faults.resets]
kind = "reset"
target = { from = "of_reset", to = "reset" }
share = "50%"
at = "1s"
[faults.named]
kind = "crash"
target = "named-0"
at = "1s"
for = "1500ms"
[faults.unresolved]
kind = "dns-outage"
target = "game"
at = "2800ms"
for = "1300ms"
[faults.named_again]
kind = "crash"
target = "named-1"
at = "3s"
for = "300ms"
[faults.behind]
kind = "power-off"
target = "behind-0"
at = "1s"
for = "1s"
[faults.forgets]
kind = "crash"
target = "front"
at = "3200ms"
for = "300ms"
"#;

/// Two clients that open.
const SMALL: &str = "format = 1\ntitle = 't'\nduration = '300ms'\n[servers.s]\n[clients.c]\ncount = 2\narrive = 'at_once'\n\
                     endpoints = ['s']\n[expect]\n'sessions.opened' = '== 2'\n";

/// Runs the program with a scenario; nothing where this machine has no such driver.
pub(crate) fn kernel(place: &Path, file: &str, args: &[&str]) -> Option<Output> {
    let output = ran(place, &[&["run", file, "--driver", "kernel"], args].concat());
    let said = text(&output.stderr);
    if output.status.code() == Some(3) && said.contains("docs/kernel.md") {
        println!("SKIPPED: no packets can be carried here: {said}");
        assert!(!names(place).contains(&"out".into()), "nothing is written where nothing runs");
        return None;
    }
    Some(output)
}

/// The events of a run, in order.
pub(crate) fn events(folder: &Path) -> Vec<Json> {
    let lines = fs::read_to_string(folder.join("events.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn of(event: &Json, key: &str) -> String {
    event[key].as_str().unwrap_or_default().to_string()
}

/// What happened to each session of the groups that lose nothing, in order, and which servers it had through a balancer. How
/// many pings were answered may differ by one.
fn stories(events: &[Json]) -> BTreeMap<String, Vec<String>> {
    let mut stories: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_meant = |event: &&Json| match event["kind"].as_str() {
        Some("through") => true,
        kind => event["layer"] == "session" && kind != Some("heartbeat_answered"),
    };
    for event in events.iter().filter(is_meant) {
        let session = of(event, "session");
        if !session.starts_with("of_lossy") {
            let words = ["kind", "why", "end", "failure", "to", "server"].map(|key| of(event, key));
            stories.entry(session).or_default().push(words.join(" ").trim_end().to_string());
        }
    }
    stories
}

/// How long each session of a group took from its schedule to its first opening, in milliseconds, in order.
fn times(events: &[Json], is_meant: impl Fn(&str) -> bool) -> Vec<f64> {
    let (mut begun, mut times) = (BTreeMap::new(), BTreeMap::new());
    for event in events.iter().filter(|event| event["layer"] == "session" && is_meant(&of(event, "session"))) {
        let (session, at) = (of(event, "session"), event["at_ns"].as_f64().unwrap() / 1e6);
        match event["kind"].as_str() {
            Some("scheduled") => drop(begun.insert(session, at)),
            Some("opened") => drop(times.entry(session.clone()).or_insert(at - begun[&session])),
            _ => {}
        }
    }
    let mut times: Vec<f64> = times.into_values().collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Sessions live the same lives as in the simulator where that is determined, and as long ones; where it is not, about as
/// many are lucky.
#[test]
fn faults_strike_packets_as_they_strike_in_the_simulator() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("small.toml"), SMALL).unwrap();
    let Some(probe) = kernel(place.path(), "small.toml", &["--out", "probe"]) else { return };
    assert_eq!(probe.status.code(), Some(0), "{}", text(&probe.stderr));
    in_real_time(|slower| {
        let place = tempfile::tempdir().unwrap();
        // A round trip stays as it is: Linux's timers do not become slower.
        let text =
            slowed(FAULTS, slower).replace(&format!("{}ms\"\n[network.links", 20 * slower), "20ms\"\n[network.links");
        fs::write(place.path().join("faults.toml"), text).unwrap();
        let [simulated, real] = ["sim", "kernel"].map(|driver| {
            let args = ["run", "faults.toml", "--driver", driver, "--events", "--quiet", "--out", driver];
            let output = ran(place.path(), &args);
            assert_eq!(output.status.code(), Some(0), "{}", crate::common::text(&output.stderr));
            events(&place.path().join(driver))
        });
        let (expected, found) = (stories(&simulated), stories(&real));
        for (session, expected) in &expected {
            assert_eq!(found.get(session), Some(expected), "{session} lives another life on real TCP");
        }
        assert_eq!(found.len(), expected.len());
        let whole = |session: &str| !session.starts_with("of_lossy");
        let [expected, found] = [&simulated, &real].map(|events| times(events, whole));
        assert!(found[0] >= expected[0], "sooner than light allows: {found:?}");
        let (middle, measured) = (expected[expected.len() / 2], found[found.len() / 2]);
        let wire: Json = serde_json::from_slice(&fs::read(place.path().join("kernel/wire.json")).unwrap()).unwrap();
        // Four packets one after the other, each as late as a busy machine makes it; benches/validation/wire is for a quiet one.
        let late = 4.0 * wire["late_ns"]["p99"].as_f64().unwrap() / 1e6;
        assert!(measured <= middle * 1.05 + late, "p50 {measured} ms, simulated {middle} ms, late by {late} ms");
        // Whoever lost nothing that they wait for opens after two round trips; others wait for a timer of their kernels.
        let lucky = |events: &[Json]| {
            let all = times(events, |session| session.starts_with("of_lossy"));
            (all.iter().filter(|time| **time < 150.0).count() as f64, all.len())
        };
        let ((expected, all), (found, of)) = (lucky(&simulated), lucky(&real));
        assert!(all > 380 && of > 380, "{all} and {of} of 400 open");
        // Six standard deviations of the difference, at their widest: once in a billion by chance.
        assert!(
            (expected - found).abs() < 6.0 * (2.0 * 400.0 * 0.25_f64).sqrt(),
            "{found} of 400, simulated {expected}"
        );
        let lost = real.iter().filter(|event| event["kind"] == "message_lost").count();
        assert!(found < 390.0 && lost > 50, "{found} lucky, and {lost} lost");
        assert!(wire["lost"].as_u64() >= Some(lost as u64) && wire["cut"].as_u64() > Some(0), "{wire}");
        assert!(wire["without_power"].as_u64() > Some(0) && wire["dropped_by_machine"] == 0, "{wire}");
    });
}

/// What can't be had is refused by name; what has packets is captured.
#[test]
fn what_a_wire_does_not_do_is_refused_and_what_it_does_is_captured() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("small.toml"), SMALL).unwrap();
    let refused =
        ran(place.path(), &["run", "small.toml", "--driver", "kernel", "--set", "network.syn_retries='macos'"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("network.syn_retries"), "{}", text(&refused.stderr));
    let balancer = "[servers.b]\nkind = 'l4'\nto = 's'\nbalance = 'nat'\nidle_timeout = { after = '1s' }\n[expect]";
    fs::write(place.path().join("nat.toml"), SMALL.replace("[expect]", balancer)).unwrap();
    let refused = ran(place.path(), &["run", "nat.toml", "--driver", "kernel"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(said.contains("servers.b.idle_timeout: ") && !said.contains("servers.b.balance"), "{said}");
    let elsewhere = ran(place.path(), &["run", "small.toml", "--capture", "wire.pcapng"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    let args = ["--out", "out", "--capture", "wire.pcapng", "--set", "network.data_retries=3"];
    let Some(output) = kernel(place.path(), "small.toml", &args) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("packets are in wire.pcapng"), "{}", text(&output.stdout));
    let capture = fs::read(place.path().join("wire.pcapng")).unwrap();
    let packets = packets(&capture);
    let syns = packets.iter().filter(|packet| packet[33] == 2).count();
    let answers = packets.iter().filter(|packet| packet[33] == 18).count();
    assert_eq!((syns, answers), (2, 2), "each client connects once");
    assert!(packets.iter().any(|packet| packet.windows(20).any(|text| text == b"HTTP/1.1 101 Switchi")), "its answer");
    let again = ran(place.path(), &["run", "small.toml", "--driver", "kernel", "--capture", "wire.pcapng"]);
    assert_eq!(again.status.code(), Some(3), "no file is replaced");
}

/// The packets in a capture file.
fn packets(mut capture: &[u8]) -> Vec<&[u8]> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let mut packets = Vec::new();
    while !capture.is_empty() {
        let (block, rest) = capture.split_at(word(&capture[4..]));
        if word(block) == 6 {
            packets.push(&block[28..28 + word(&block[20..])]);
        }
        capture = rest;
    }
    packets
}

/// As a user who has no right but that to a user namespace.
#[test]
fn nobody_needs_to_be_root() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("small.toml"), SMALL).unwrap();
    let Some(_) = kernel(place.path(), "small.toml", &["--out", "out"]) else { return };
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", env!("CARGO_BIN_EXE_shakedown")]);
    command.args(["run", "small.toml", "--driver", "kernel", "--out", "again"]).current_dir(place.path());
    match command.output() {
        Err(error) => println!("SKIPPED: no setpriv: {error}"),
        Ok(output) if ["docs/kernel.md", "setpriv:"].iter().any(|why| text(&output.stderr).contains(why)) => {
            println!("SKIPPED: nobody else may here: {}", text(&output.stderr));
        }
        Ok(output) => assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr)),
    }
}
