//! Knees that are known: exactly, where nothing is drawn, and from queueing theory.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::report::capacity::Kind;

/// Clients at even distances, a constant service time: whether they wait is plain arithmetic.
const EVEN: &str = r#"
    format = 1
    title = "Even"
    duration = "30s"
    [network]
    one_way = "1ms"
    [servers.gateway]
    workers = 1
    service_time = "10ms"
    [clients.players]
    count = 400
    arrive = { evenly_over = "10s" }
    endpoints = ["gateway"]
    connect_timeout = "1h"
    handshake_timeout = "1h"
"#;

fn question(text: &str, vary: &str, slo: &[&str], seeds: std::ops::Range<u64>) -> Question {
    let scenario = crate::scenario::load("test", "test", text, &Overrides::default()).unwrap();
    let resolved = scenario.resolved();
    let key = Key::find(resolved, vary).unwrap();
    Question {
        scenario: "test".into(),
        title: scenario.title().to_string(),
        variant: None,
        vary: key.path,
        kind: key.kind,
        slo: slo.iter().map(|text| objective(text).unwrap()).collect(),
        seeds: seeds.collect(),
        from: None,
        to: None,
        tolerance: 0.01,
        find: None,
        scenario_toml: resolved.to_string(),
        command: None,
    }
}

fn found(question: Question) -> Capacity {
    search(question, &|_| true).unwrap()
}

/// 1,000 clients over 10 s come every 10 ms, the time that one takes: nobody waits, and with one more everybody but the
/// first does, the last by nearly 10 ms.
#[test]
fn the_highest_count_is_exact() {
    let capacity = found(question(EVEN, "clients.players.count", &["handshake_latency.max <= 12ms"], 0..2));
    assert_eq!((capacity.outcome, capacity.find, capacity.value), (Outcome::Found, Find::Highest, Some(1_000.0)));
    assert!(capacity.knees.iter().all(|knee| (knee.holds, knee.fails) == (1_000.0, 1_001.0)), "{:?}", capacity.knees);
    assert!(capacity.not_monotone.is_empty());
    let limit = capacity.limit.as_ref().unwrap();
    assert_eq!((limit.of.as_str(), limit.resource.as_str()), ("gateway", "workers"));
    let says = "holds handshake_latency.max <= 12ms up to 1,000 players in 2 of 2 seeds (95 % confidence: at least 22 % of seeds";
    assert!(capacity.verdict.starts_with(says), "{}", capacity.verdict);
    assert!(capacity.verdict.contains("at 1,001 players handshake_latency.max is "), "{}", capacity.verdict);
    // The curve has every value that was run with all seeds, and its own knee among them.
    let at = capacity.points.iter().find(|point| point.value == 1_000.0).unwrap();
    assert_eq!((at.held, at.seeds), (2, 2));
    assert!((at.offered - 100.0).abs() < 0.2 && (at.goodput - 100.0).abs() < 1.0, "{at:?}");
    let files = capacity.files();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["capacity.json", "capacity.csv", "capacity.md", "capacity.svg"]);
    let read: Capacity = serde_json::from_slice(&files[0].1).unwrap();
    assert_eq!(read, capacity);
}

/// A hundred a second that take 35 ms each keep three and a half workers busy: four are enough, three are not.
#[test]
fn the_smallest_number_of_workers_is_exact() {
    let text = EVEN.replace("10ms", "35ms").replace("count = 400", "count = 1_000");
    let capacity = found(question(&text, "servers.gateway.workers", &["handshake_latency.p99 < 50ms"], 0..2));
    assert_eq!((capacity.outcome, capacity.find, capacity.value), (Outcome::Found, Find::Smallest, Some(4.0)));
    assert!(
        capacity.verdict.contains("holds handshake_latency.p99 < 50ms with 4 workers of gateway"),
        "{}",
        capacity.verdict
    );
    let grows = "with 3 workers of gateway the queue of gateway grows without bound";
    assert!(capacity.verdict.contains(grows), "{}", capacity.verdict);
    assert!(capacity.advice.contains("servers.gateway.workers"), "{}", capacity.advice);
}

const MARKOV: &str = r#"
    format = 1
    title = "M/M/1"
    duration = "16s"
    [network]
    one_way = "1ms"
    [servers.gateway]
    workers = 1
    service_time = { exponential = { mean = "4ms" } }
    [clients.players]
    count = 1_500
    arrive = { poisson = { rate = "100/s" } }
    endpoints = ["gateway"]
    connect_timeout = "1h"
    handshake_timeout = "1h"
    [measure]
    from = "1s"
    until = "15s"
"#;

/// A sojourn in M/M/1 is exponential with rate mu - lambda, so its 99th percentile is ln(100) / (mu - lambda), and the
/// handshake's two ways more: 63.4 ms at 175/s. (Few arrivals, so a wide interval: the known answers have the same with
/// many.)
#[test]
fn the_knee_of_a_markov_queue_is_where_theory_has_it() {
    let bound = 2.0 + 100.0_f64.ln() / 75.0 * 1_000.0;
    let slo = format!("handshake_latency.p99 < {}us", (bound * 1_000.0).round());
    let mut asked = question(MARKOV, "clients.players.arrive.rate", &[&slo], 0..5);
    (asked.from, asked.to, asked.tolerance) = (Some(90.0), Some(250.0), 0.04);
    let capacity = found(asked);
    let closed = capacity.closed_form.as_ref().unwrap();
    assert_eq!(closed.model, "M/M/1");
    assert!((closed.value.unwrap() - 175.0).abs() < 0.01, "{:?}", closed.value);
    let (value, low, high) = (capacity.value.unwrap(), capacity.low.unwrap(), capacity.high.unwrap());
    assert!(low <= 175.0 && 175.0 <= high, "{low} to {high}");
    assert!((value / 175.0 - 1.0).abs() < 0.1 && high - low < 0.35 * 175.0, "{value}: {low} to {high}");
    // Each seed's gap is as narrow as was asked.
    assert!(capacity.knees.iter().all(|knee| knee.fails - knee.holds <= 0.04 * knee.fails), "{:?}", capacity.knees);
    assert!(
        capacity.verdict.contains("M/M/1 in a steady state, by its formula: 175 sessions/s"),
        "{}",
        capacity.verdict
    );
    // The rate brings its sessions: they arrive for as long as before.
    let heavy = capacity.points.last().unwrap();
    assert!((heavy.offered / heavy.value - 1.0).abs() < 0.1, "{heavy:?}");
}

#[test]
fn threads_change_nothing_and_an_interruption_keeps_what_there_is() {
    let asked = || question(EVEN, "clients.players.count", &["handshake_latency.max <= 12ms"], 0..3);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| found(asked())).json()
    };
    assert_eq!(with(1), with(3));
    let done = AtomicUsize::new(0);
    let few = |progress: Option<(usize, usize)>| {
        if progress.is_some() {
            done.fetch_add(1, Ordering::Relaxed);
        }
        done.load(Ordering::Relaxed) < 4
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let cut = pool.install(|| search(asked(), &few)).unwrap();
    assert!(cut.partial && cut.value.is_none() && cut.runs >= 3, "{cut:?}");
    assert!(cut.verdict.starts_with("interrupted"), "{}", cut.verdict);
}

#[test]
fn a_range_without_an_end_to_find_says_so() {
    let mut asked = question(EVEN, "clients.players.count", &["handshake_latency.max <= 12ms"], 0..1);
    (asked.from, asked.to) = (Some(100.0), Some(200.0));
    let all = found(asked.clone());
    assert_eq!((all.outcome, all.every_seed), (Outcome::HoldsThroughout, Some(200.0)));
    (asked.from, asked.to) = (Some(2_000.0), Some(3_000.0));
    let none = found(asked);
    assert_eq!(none.outcome, Outcome::HoldsNowhere);
    assert!(none.verdict.contains("does not hold"), "{}", none.verdict);
}

#[test]
fn objectives_are_checked_before_anything_runs() {
    let scenario = crate::scenario::load("test", "test", EVEN, &Overrides::default()).unwrap();
    for (text, why) in [
        ("handshake_latency.p98 < 1s", "the nearest name is `handshake_latency.p90`"),
        ("handshake_latency.p99 < 5", "is a duration"),
    ] {
        let error = checked(&scenario, &[objective(text).unwrap()]).unwrap_err().to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
    for wrong in ["", "handshake_latency.p99", "< 5ms", "handshake_latency.p99 < soon"] {
        assert!(objective(wrong).is_err(), "{wrong}");
    }
}

/// A fixed retry feeds a storm: a spike of 400 needs four seconds of work while clients wait one, and one of 20 a fifth of
/// one. (The same storm has its experiment in the known answers.)
#[test]
fn a_small_spike_is_survived_and_a_large_one_is_not() {
    let text = r#"
        format = 1
        title = "A spike"
        duration = "60s"
        [network]
        one_way = "5ms"
        [servers.one]
        workers = 4
        service_time = { exponential = { mean = "40ms" } }
        [clients.steady]
        count = 600
        arrive = { poisson = { rate = "10/s" } }
        endpoints = ["one"]
        handshake_timeout = "1s"
        retry = { policy = "fixed", base = "100ms" }
        [clients.spike]
        count = 20
        start = "10s"
        arrive = { evenly_over = "1s" }
        endpoints = ["one"]
        handshake_timeout = "1s"
        retry = { policy = "fixed", base = "100ms" }
    "#;
    let scenario = crate::scenario::load("test", "test", text, &Overrides::default()).unwrap();
    let resolved = scenario.resolved();
    let width = collapse::side(resolved, "clients.spike.arrive.evenly_over=100ms,1s", 0).unwrap();
    let depth = collapse::side(resolved, "clients.spike.count=20..400", 2).unwrap();
    assert_eq!((depth.kind, depth.values.as_slice()), (Kind::Count, &[20.0, 400.0][..]));
    let map = collapse::map(collapse::question(&scenario, None, width, depth, Vec::new(), vec![0, 1, 2]), &|_| true);
    let map = map.unwrap();
    let collapsed: Vec<Vec<usize>> =
        map.cells.iter().map(|row| row.iter().map(|cell| cell.collapsed).collect()).collect();
    assert_eq!(collapsed, [[0, 0], [3, 3]]);
    assert!(map.verdict.contains("2 are recovered from with each of 3 seeds, 2 with none"), "{}", map.verdict);
    assert!(map.verdict.contains("every seed collapses from evenly_over 100 ms and count 400"), "{}", map.verdict);
    let read: crate::report::collapse::Collapse = serde_json::from_str(&map.json()).unwrap();
    assert_eq!(read, map);
    assert!(map.chart().contains("100 %"));
}

/// Each of these is short of one thing, and the search says which: from what was turned away there, and of a link whose
/// queue has no bound from what connects take.
#[test]
fn the_limit_is_what_ran_out() {
    let all_open = "sessions.opened == 100%";
    let soon = "time_to_open.max < 500ms";
    for (gateway, arrive, slo, value, (of, resource)) in [
        ("connections_max = 30", "{ evenly_over = '1s' }", all_open, Some(30.0), ("gateway", "connections_max")),
        (
            "transactions_max = 30\ntransactions_full = 'reject'",
            "'at_once'",
            all_open,
            Some(30.0),
            ("gateway", "transactions_max"),
        ),
        ("transactions_max = 30", "'at_once'", all_open, Some(30.0), ("gateway", "transactions_max")),
        ("accept_rate = { rate = '1/s', burst = 30 }", "'at_once'", all_open, Some(30.0), ("gateway", "accept_rate")),
        // One is with the worker.
        ("queue_max = 29", "'at_once'", all_open, Some(30.0), ("gateway", "queue_max")),
        // 300 ms of each second: the 30 that the kernel keeps come in 100 per second.
        (
            "backlog = 30\npauses = { every = '600ms', for = '300ms', in_step = true }",
            "{ evenly_over = '1s' }",
            soon,
            None,
            ("gateway", "backlog"),
        ),
        (
            "access_link = { down = '1Mbit/s', queue = '2KB' }",
            "'at_once'",
            soon,
            None,
            ("servers.gateway.access_link", "link"),
        ),
        ("access_link = '100kbit/s'", "'at_once'", soon, None, ("servers.gateway.access_link", "link")),
        // Three quarters busy, and still it is not the worker.
        (
            "access_link = '100kbit/s'\naccept_time = '12ms'",
            "{ evenly_over = '4s' }",
            soon,
            None,
            ("servers.gateway.access_link", "link"),
        ),
    ] {
        let text = format!(
            "format = 1\ntitle = 'One thing'\nduration = '5s'\n[network]\none_way = '1ms'\n[servers.gateway]\nworkers = 1\n\
             service_time = '100us'\n{gateway}\n[clients.players]\ncount = 8\narrive = {arrive}\nendpoints = ['gateway']\n\
             retry = {{ policy = 'none' }}\n"
        );
        let capacity = found(question(&text, "clients.players.count", &[slo], 0..1));
        let limit = capacity.limit.as_ref().unwrap_or_else(|| panic!("{gateway}: {}", capacity.verdict));
        assert_eq!((limit.of.as_str(), limit.resource.as_str()), (of, resource), "{gateway}: {}", capacity.verdict);
        assert!(value.is_none_or(|value| capacity.value == Some(value)), "{gateway}: {}", capacity.verdict);
        assert!(capacity.advice.contains(of), "{}", capacity.advice);
    }
}
