//! How much memory a run takes, and that it takes it beforehand.

use shakedown::client::Event as Session;
use shakedown::driver::sim::Simulation;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Metrics, Value};
use shakedown::record::{Digest, Recorder};
use shakedown::scenario::{Overrides, Scenario};
use shakedown::time::{Nanos, Timestamp};

mod counting;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Enough that whatever allocates per session can't be mistaken for anything else.
const CLIENTS: u32 = 10_000;

/// A committed scenario with changes to it. The whole run is one interval, so that recorders have nothing to close.
fn scenario(file: &str, clients: u32, sets: &[&str]) -> Scenario {
    let path = format!("{}/scenarios/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the scenario is in the repository");
    let mut sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    sets.extend([
        format!("clients.players.count={clients}"),
        "duration=\"12s\"".into(),
        "measure.interval=\"12s\"".into(),
        "expect={}".into(),
    ]);
    let overrides = Overrides { sets, ..Overrides::default() };
    shakedown::scenario::load(&path, file, &text, &overrides).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A storm over ten seconds.
const STORM: (&str, &[&str]) = ("storm", &[]);
/// The same, and workers that have work to do.
const BUSY_STORM: (&str, &[&str]) =
    ("storm", &["servers.gateway.service_time=\"500us\"", "servers.gateway.workers=1000"]);
/// A redirector, and nobody dies.
const REDIRECTS: (&str, &[&str]) = ("redirect", &["clients.players.arrive={evenly_over=\"10s\"}", "faults={}"]);
/// Every user comes, plays for half a second, goes, and comes again: nothing grows after the first round.
const TURNSTILE: (&str, &[&str]) = (
    "storm",
    &[
        "clients.players.arrive={closed_loop={over=\"1s\",think=\"200ms\"}}",
        "clients.players.hold=\"500ms\"",
        "clients.players.pick=\"round-robin\"",
        "servers.gateway.service_time=\"1us\"",
        "servers.gateway.workers=1000",
    ],
);

#[test]
fn a_session_with_heartbeats_takes_at_most_500_bytes() {
    let scenario = scenario("storm", CLIENTS, &["clients.players.heartbeat={every=\"1s\",timeout=\"500ms\"}"]);
    let baseline = counting::reset_peak();
    let mut recorder = (Digest::default(), Metrics::new(scenario.layout()));
    shakedown::driver::run(&scenario, &mut recorder);
    let measured = recorder.1.finish(Timestamp::ZERO + scenario.duration());
    // What a run needs whatever its size is shared by few sessions here.
    let bytes = (counting::counts().peak - baseline) / i64::from(CLIENTS);
    println!("{bytes} bytes per session with heartbeats");
    assert!(bytes <= 500, "{bytes} bytes per session");
    assert_eq!(measured.summary.get("lost.total"), Some(Value::Count(0)));
}

#[test]
fn a_storm_takes_at_most_250_bytes_per_client() {
    let clients = if cfg!(debug_assertions) { 30_000 } else { 100_000 };
    let scenario = scenario("storm", clients, &[]);
    let baseline = counting::reset_peak();
    let mut recorder = (Digest::default(), Metrics::new(scenario.layout()));
    shakedown::driver::run(&scenario, &mut recorder);
    let measured = recorder.1.finish(Timestamp::ZERO + scenario.duration());
    let bytes = (counting::counts().peak - baseline) / i64::from(clients);
    println!("peak: {bytes} bytes per client, at {clients} clients");
    assert!(bytes <= 250, "{bytes} bytes per client");
    drop(measured);
}

/// Counts sessions that opened, so that a test can tell that something happened.
#[derive(Default)]
struct Opened(u64);

impl Recorder for Opened {
    fn record(&mut self, event: &Event) {
        self.0 += u64::from(matches!(event.kind, Kind::Session(_, Session::Opened { .. })));
    }
}

/// Allocations while virtual time goes from 3 s to 9 s, in which time at least half as many sessions open as there are.
fn allocations<R: Recorder>((file, sets): (&str, &[&str]), recorder: impl FnOnce(&Scenario) -> R) -> u64 {
    let scenario = scenario(file, CLIENTS, sets);
    let mut simulation = Simulation::new(&scenario);
    let mut recorder = (Opened::default(), recorder(&scenario));
    advance(&mut simulation, &mut recorder, 3);
    let (allocated, opened) = (counting::counts().allocations, recorder.0.0);
    advance(&mut simulation, &mut recorder, 9);
    let (allocated, opened) = (counting::counts().allocations - allocated, recorder.0.0 - opened);
    println!("{allocated} allocations for {opened} sessions");
    assert!(opened >= u64::from(CLIENTS) / 2, "only {opened} sessions opened");
    allocated
}

fn advance(simulation: &mut Simulation, recorder: &mut impl Recorder, seconds: u64) {
    let until = Timestamp::ZERO + Nanos::from_secs(seconds);
    while simulation.now() < until && simulation.advance(recorder, 16) {}
}

fn digest(_: &Scenario) -> Digest {
    Digest::default()
}

fn digest_and_metrics(scenario: &Scenario) -> (Digest, Metrics) {
    (Digest::default(), Metrics::new(scenario.layout()))
}

/// From 3 s to 9 s of ten, what grows by the session gets three times as long: a doubling list allocates at most twice.
const DOUBLINGS: u64 = 2;

/// The gateways' lists of their connections: the machine's, of which there may be two, and the driver's.
const OF_GATEWAYS: u64 = 3 * 3 * DOUBLINGS;
/// The lists of latencies: three of the client group, and the queue's of each server.
const OF_METRICS: u64 = (3 + 4) * DOUBLINGS;

#[test]
fn users_that_come_and_go_allocate_nothing() {
    assert_eq!(allocations(TURNSTILE, digest), 0);
    // Latencies are gathered until their interval ends.
    assert!(allocations(TURNSTILE, digest_and_metrics) <= OF_METRICS);
}

#[test]
fn a_storm_allocates_only_where_lists_of_open_connections_double() {
    for storm in [STORM, BUSY_STORM] {
        assert!(allocations(storm, digest) <= OF_GATEWAYS);
        assert!(allocations(storm, digest_and_metrics) <= OF_GATEWAYS + OF_METRICS);
    }
}

/// Nor does following a `Location`, which is borrowed from the answer.
#[test]
fn redirects_allocate_only_where_lists_of_open_connections_double() {
    assert!(allocations(REDIRECTS, digest) <= OF_GATEWAYS);
    assert!(allocations(REDIRECTS, digest_and_metrics) <= OF_GATEWAYS + OF_METRICS);
}
