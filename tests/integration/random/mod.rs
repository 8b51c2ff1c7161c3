//! Random scenarios, and what holds of all of them. docs/tests.md has how to run many.

mod draw;
mod formats;
mod malformed;
mod properties;
mod scenario;
mod schema;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use shakedown::explore::hunt::smallest;

use scenario::{Random, random, text};
use schema::Schema;

/// Scenarios in the gate, of which each is run several times.
const RUN: u64 = 6;
/// Scenarios that are only drawn, to see that every key is.
const DRAWN: u64 = 800;
/// The longest that a scenario may take, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(120);

/// What the schema has, and this generator does not draw: why.
const NOT_DRAWN: &[(&str, &str)] = &[
    ("Servers.command", "programs need real sockets"),
    ("Servers.listens", "programs need real sockets"),
    ("Fault.command", "programs need real sockets"),
    ("Fault.heal", "programs need real sockets"),
    ("FaultKind=command", "programs need real sockets"),
    ("SecretSource.env", "what the environment has is no part of a scenario: secrets:: has it"),
    ("SecretSource.file", "what a file has is no part of a scenario: secrets:: has it"),
];

/// The seeds to run: `SHAKEDOWN_RANDOM=20000` are that many, `SHAKEDOWN_RANDOM=500..900` these.
fn seeds(usual: u64) -> Range<u64> {
    let Ok(given) = std::env::var("SHAKEDOWN_RANDOM") else { return 0..usual };
    let number =
        |text: &str| text.trim().replace('_', "").parse().expect("SHAKEDOWN_RANDOM is a count, or a range of seeds");
    match given.split_once("..") {
        Some((from, until)) => number(from)..number(until),
        None => 0..number(&given),
    }
}

/// The generator knows every key and word of the language: one that is added must be drawn, too.
#[test]
fn every_key_of_the_schema_is_drawn() {
    let schema = Schema::committed();
    let mut missing: BTreeSet<String> = schema.all();
    for (key, why) in NOT_DRAWN {
        assert!(missing.remove(*key), "{key} ({why}) is not in the schema");
    }
    for seed in 0..DRAWN {
        let Random { table, .. } = random(&schema, seed);
        for drawn in schema.drawn(&table) {
            missing.remove(&drawn);
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("{DRAWN} random scenarios never have {missing:#?}");
}

/// `SHAKEDOWN_RANDOM=20000 cargo test --release --test integration random_scenarios -- --nocapture` runs many.
#[test]
fn random_scenarios_keep_the_properties() {
    let schema = Schema::committed();
    let place = tempfile::tempdir().unwrap();
    let (seeds, begun) = (seeds(RUN), Instant::now());
    let mut failures = Vec::new();
    let mut slowest = (Duration::ZERO, 0);
    for seed in seeds.clone() {
        let Random { table, scenario } = random(&schema, seed);
        let began = Instant::now();
        let found = properties::broken(&scenario, place.path());
        let took = began.elapsed();
        slowest = slowest.max((took, seed));
        let found = found.or_else(|| (took > LONGEST).then(|| format!("took {took:?}")));
        if let Some(what) = found {
            let kind = kind(&what);
            let fails = |scenario: &shakedown::scenario::Scenario| {
                properties::broken(scenario, place.path()).filter(|now| self::kind(now) == kind)
            };
            let shrunk = smallest(table.clone(), "random", &fails, |_| false, &mut |_| true);
            let shown = shrunk.map_or_else(|| text(&table), |shrunk| text(&shrunk.table));
            println!("seed {seed}: {what}\n{shown}");
            failures.push((seed, what));
        }
        if (seed + 1) % 1_000 == 0 {
            println!("{} scenarios, {} failed, {:?}, slowest {slowest:?}", seed + 1, failures.len(), begun.elapsed());
        }
    }
    println!("seeds {seeds:?}: {} failed, in {:?}; the slowest took {slowest:?}", failures.len(), begun.elapsed());
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What failures have in common that are the same: what comes before the colon.
fn kind(what: &str) -> &str {
    what.split_once(':').map_or(what, |(kind, _)| kind)
}
