//! What does it cost to keep sessions open? A million of them send a heartbeat every 30 s for ten simulated minutes; then
//! one of twenty servers is lost, and its clients reconnect with full jitter.
//!
//! ```text
//! cargo bench --bench heartbeats                  # 1,000,000 sessions
//! cargo bench --bench heartbeats -- 100000        # another count
//! ```
//!
//! The cost of a heartbeat's round trip is the difference between this run and the same without heartbeats, by the number
//! of heartbeats answered. An idle hour is run last: it is skipped, not stepped, so it must cost almost nothing.

use std::time::Instant;

use shakedown::driver;
use shakedown::metrics::{Measured, Metrics, Value};
use shakedown::record::Digest;
use shakedown::scenario::Overrides;
use shakedown::time::Timestamp;

#[path = "../tests/counting/mod.rs"]
mod counting;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const SCENARIO: &str = r#"
format = 1
title = "A million sessions with heartbeats; one of twenty servers is lost"
duration = "720s"
[network]
one_way = "20ms"
[servers.gateway]
count = 20
workers = 64
service_time = "1ms"
[clients.players]
count = 1_000_000
arrive = { evenly_over = "20s" }
endpoints = ["gateway"]
heartbeat = { every = "30s", timeout = "10s" }
retry = { policy = "full-jitter", base = "5s", cap = "30s" }
[faults.lost]
kind = "power-off"
target = "gateway-0"
at = "600s"
"#;

/// One run: seconds, bytes at its peak, and what it measured.
struct Ran {
    seconds: f64,
    bytes: i64,
    measured: Measured,
}

fn run(clients: u32, sets: &[&str]) -> Ran {
    let count = format!("clients.players.count={clients}");
    let sets = sets.iter().map(ToString::to_string).chain([count]).collect();
    let overrides = Overrides { sets, ..Overrides::default() };
    let scenario = shakedown::scenario::load("heartbeats", "heartbeats", SCENARIO, &overrides)
        .unwrap_or_else(|problem| panic!("{problem}"));
    let baseline = counting::reset_peak();
    let start = Instant::now();
    let mut recorder = (Digest::default(), Metrics::new(scenario.layout()));
    driver::run(&scenario, &mut recorder);
    let measured = recorder.1.finish(Timestamp::ZERO + scenario.duration());
    Ran { seconds: start.elapsed().as_secs_f64(), bytes: counting::counts().peak - baseline, measured }
}

fn count(ran: &Ran, metric: &str) -> u64 {
    match ran.measured.summary.get(metric) {
        Some(Value::Count(count) | Value::Part { count, .. }) => count,
        other => panic!("{metric}: {other:?}"),
    }
}

fn main() {
    let given = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let clients = match given {
        Some(given) => given.replace('_', "").parse().unwrap_or_else(|_| panic!("`{given}` is no count of sessions")),
        None if cfg!(debug_assertions) => 1_000,
        None => 1_000_000,
    };
    let rare = ["clients.players.heartbeat={every=\"2h\",timeout=\"10s\"}"];
    let (with, without) = (run(clients, &[]), run(clients, &rare));
    let beats = count(&with, "heartbeats.answered");
    let lost = count(&with, "faults.lost.affected");
    let back = count(&with, "faults.lost.open_again");
    assert!(lost > 0 && back * 100 >= lost * 99, "the lost server's clients are back: {back} of {lost}");
    let silence = ["duration=\"1h\"", "faults={}"];
    let hour = run(clients, &[&rare[..], &silence].concat());
    let minute = run(clients, &[&rare[..], &["duration=\"60s\"", "faults={}"]].concat());
    println!(
        "heartbeats: {clients} sessions, {beats} heartbeats answered, {back} of {lost} sessions lost with a server are back\n"
    );
    println!("| what | cost |");
    println!("|:--|--:|");
    println!("| a heartbeat's round trip | {:.3} µs |", (with.seconds - without.seconds) * 1e6 / beats as f64);
    println!("| peak bytes per session | {} |", with.bytes / i64::from(clients));
    println!("| the whole run | {:.2} s |", with.seconds);
    println!("| an hour instead of a minute, in silence | {:.2} s instead of {:.2} s |", hour.seconds, minute.seconds);
}
