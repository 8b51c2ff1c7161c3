//! What servers do under load and under their limits, in whole runs.

use shakedown::driver;
use shakedown::metrics::{Metrics, Summary, Value};
use shakedown::scenario::{Overrides, Problem, Scenario};
use shakedown::time::Timestamp;

/// One group of servers with these settings, and clients that try once each.
fn scenario(servers: &str, rest: &str) -> Result<Scenario, Problem> {
    let text = format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\n{servers}\n[clients.players]\n\
         endpoints = ['gateway']\nretry = {{ policy = 'none' }}\n{rest}"
    );
    Scenario::load("x.toml", "x", &text, &Overrides::default())
}

fn run(servers: &str, rest: &str) -> Summary {
    let scenario = scenario(servers, rest).unwrap_or_else(|problem| panic!("{problem}"));
    let mut metrics = Metrics::new(scenario.layout());
    driver::run(&scenario, &mut metrics);
    metrics.finish(Timestamp::ZERO + scenario.file.duration).summary
}

fn count(summary: &Summary, metric: &str) -> u64 {
    match summary.get(metric) {
        Some(Value::Count(count) | Value::Part { count, .. }) => count,
        other => panic!("{metric}: {other:?}"),
    }
}

/// The problem with these settings, as it is told.
fn problem(servers: &str, rest: &str) -> String {
    scenario(servers, rest).expect_err(servers).to_string()
}

/// Erlang's loss formula, B(c, a), by its recursion.
fn erlang_b(workers: u32, load: f64) -> f64 {
    (1..=workers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b))
}

#[test]
fn without_a_queue_as_many_are_lost_as_erlang_says() {
    // The formula depends on the mean of the service time only. 20,000 arrivals: the share's error is about 0.5 %.
    for service_time in ["'8ms'", "{ exponential = { mean = '8ms' } }"] {
        let servers = format!("workers = 4\nservice_time = {service_time}\nqueue_max = 0\nqueue_full = 'reject'");
        let summary = run(&servers, "count = 20_000\narrive = { poisson = { rate = '500/s' } }");
        let lost = count(&summary, "servers.gateway.queue_full") as f64 / 20_000.0;
        let expected = erlang_b(4, 4.0);
        assert!((lost - expected).abs() < 0.015, "{service_time}: {lost} is not near {expected}");
    }
}

#[test]
fn what_is_dropped_times_out_and_what_is_reset_hears_so() {
    let clients = "count = 10\narrive = 'at_once'\nhandshake_timeout = '3s'";
    for (queue_full, outcome) in [("reject", "rejected"), ("drop", "handshake_timeout"), ("reset", "reset")] {
        let servers = format!("workers = 1\nservice_time = '1s'\nqueue_max = 1\nqueue_full = '{queue_full}'");
        let summary = run(&servers, clients);
        assert_eq!(count(&summary, &format!("attempts.{outcome}")), 8, "{queue_full}");
        assert_eq!(count(&summary, "sessions.opened"), 2);
    }
}

#[test]
fn overflow_goes_where_it_is_told() {
    let servers = "connections_max = 3\nwhen_full = 'redirect'\noverflow_to = 'spare'\n[servers.spare]";
    let summary = run(servers, "count = 10\narrive = 'at_once'");
    assert_eq!(count(&summary, "servers.gateway.connections_full"), 7);
    assert_eq!((count(&summary, "servers.gateway.opened"), count(&summary, "servers.spare.opened")), (3, 7));
}

#[test]
fn limits_that_contradict_each_other_are_found() {
    for (servers, says) in [
        ("queue_full = 'drop'", "`queue_full` means nothing without `queue_max`"),
        ("when_full = 'drop'", "`when_full` means nothing without `connections_max`"),
        ("connections_max = 1\nwhen_full = 'redirect'", "overflow_to = \"GROUP\""),
        ("connections_max = 1\noverflow_to = 'gateway'", "when_full = \"redirect\""),
        ("connections_max = 1\nwhen_full = 'redirect'\noverflow_to = 'gatewax'", "gateway"),
        ("queue = { deadline = '0s' }", "queue_max = 0"),
        ("queue = 'random'", "lifo"),
        ("over_rate = 'wait'", "accept_rate = {"),
        ("accept_rate = { rate = '0/s', burst = 1 }", "a rate between"),
        ("address_rate = { rate = '1/s', burst = 0 }", "at least 1"),
        ("handshake_timeout = '0s'", "nothing would ever open"),
        ("tls_cost_resumed = '1ms'", "tls_cost ="),
        ("auth_time = { uniform = { min = '2ms', max = '1ms' } }", "below min"),
        ("warm_up = { for = '1s', factor = 0.5 }", "four times as long"),
        ("warm_up = { for = '0s', factor = 2 }", "no time"),
    ] {
        let told = problem(servers, "count = 1");
        assert!(told.contains(says), "{servers}: {told}");
    }
}

#[test]
fn an_address_is_a_client_process() {
    let servers = "address_rate = { rate = '1/s', burst = 1 }";
    let clients = "count = 10\narrive = 'at_once'";
    let own = run(servers, clients);
    assert_eq!((count(&own, "sessions.opened"), count(&own, "servers.gateway.over_rate")), (10, 0));
    let shared = run(servers, &format!("{clients}\nhosts = 2"));
    assert_eq!((count(&shared, "sessions.opened"), count(&shared, "servers.gateway.over_rate")), (2, 8));
}

#[test]
fn a_rate_that_makes_requests_wait_spreads_a_storm() {
    let servers = "accept_rate = { rate = '100/s', burst = 1 }\nover_rate = 'wait'";
    let summary = run(servers, "count = 200\narrive = 'at_once'");
    assert_eq!((count(&summary, "sessions.opened"), count(&summary, "servers.gateway.held_back")), (200, 199));
    let Some(Value::Duration(Some(longest))) = summary.get("servers.gateway.queue_wait.max") else { panic!() };
    assert!((1_980_000_000..=2_000_000_000).contains(&longest.0), "{longest}");
}

#[test]
fn a_server_is_slow_until_it_is_warm() {
    let servers = "service_time = '10ms'\nwarm_up = { for = '5s', factor = 10 }";
    let warm = run(servers, "count = 1\narrive = 'at_once'\nstart = '10s'");
    let cold = run(servers, "count = 1\narrive = 'at_once'\nstart = '1s'");
    let latency = |summary: &Summary| match summary.get("handshake_latency.max") {
        Some(Value::Duration(Some(latency))) => latency.0 / 1_000_000,
        other => panic!("{other:?}"),
    };
    assert_eq!((latency(&warm), latency(&cold)), (50, 140));
}
