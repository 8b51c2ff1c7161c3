//! Calibration: how often what is said of seeds is wrong, with a scenario that is compared with itself.

use shakedown::explore::once;
use shakedown::report::compared::Run;
use shakedown::report::{Better, Comparison, League, Order, Part, Row};
use shakedown::rng::{Identity, Purpose, Seed};
use shakedown::scenario::Overrides;

/// A crash under a few clients: every metric of it differs from seed to seed, and most of them in lumps.
const SCENARIO: &str = r#"
    format = 1
    title = "A crash"
    duration = "12s"
    [servers.gateway]
    count = 3
    workers = 1
    service_time = { exponential = { mean = "5ms" } }
    [clients.players]
    count = 40
    arrive = { randomly_over = "2s" }
    endpoints = ["gateway"]
    retry = { policy = "full-jitter", base = "200ms", cap = "2s" }
    [faults.crash]
    kind = "crash"
    target = "gateway-0"
    at = "4s"
    for = "3s"
"#;

const METRICS: [&str; 9] = [
    "time_to_open.p50",
    "time_to_open.p99",
    "handshake_latency.p99",
    "outage.p50",
    "outage.p99",
    "attempts.total",
    "attempts.failed",
    "lost.total",
    "faults.crash.recovery_time",
];

const POOL: u64 = 300;
const TRIALS: u64 = 1_000;

/// Runs with seeds of their own.
fn pool() -> Vec<Run> {
    let run = |seed: u64| {
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        let scenario = shakedown::scenario::load("test", "test", SCENARIO, &overrides).unwrap();
        let finished = once(&scenario, |_| true).unwrap();
        let value = |path: &str| Some((path.to_string(), finished.measured.summary.get(path)?));
        let values: Vec<_> = METRICS.into_iter().filter_map(value).collect();
        assert_eq!(values.len(), METRICS.len());
        Run { seed, digest: finished.digest, values, unmeasured: Vec::new() }
    };
    (0..POOL).map(run).collect()
}

/// So many of the pool, none of them twice: of each trial others.
fn drawn(pool: &[Run], trial: u64, count: usize) -> Vec<Run> {
    let mut all: Vec<&Run> = pool.iter().collect();
    let draw = |n: usize| Seed(trial).draw(Identity(0), Purpose::Service, n as u64).below((all.len() - n) as u64);
    let picks: Vec<usize> = (0..count).map(|n| n + draw(n) as usize).collect();
    picks.into_iter().enumerate().for_each(|(n, pick)| all.swap(n, pick));
    all[..count].iter().map(|run| (*run).clone()).collect()
}

/// Choices that are all the same, with ten runs each: of the same seeds as it seems, or of others.
fn league(runs: &[Run], by: &str, paired: bool) -> League {
    let rows = runs.chunks(10).enumerate().map(|(number, runs)| {
        let seed = |nth: usize| (if paired { nth } else { number * 10 + nth }) as u64;
        let runs = runs.iter().enumerate().map(|(nth, run)| Run { seed: seed(nth), ..run.clone() });
        Row {
            name: format!("choice {number}"),
            variant: None,
            resolved: String::new(),
            driver: shakedown::driver::Driver::Sim,
            runs: runs.collect(),
            errors: Vec::new(),
            lines: None,
        }
    });
    let metrics: Vec<String> = METRICS.map(String::from).to_vec();
    let part = Part { scenario: "a".into(), title: "A".into(), metrics: metrics.clone(), rows: rows.collect() };
    let by = Some(Order { metric: by.into(), better: Better::Lower });
    Comparison { name: "a".into(), metrics, parts: vec![part], by, gate: None, command: None }.league().unwrap()
}

/// Of choices that are the same, a comparison says of at most one in twenty that there is a difference, whatever it is sorted
/// by, and however many choices there are. Nothing else in it is a verdict: with nine metrics it would be one in three.
#[test]
fn a_scenario_differs_from_itself_in_one_trial_of_twenty_at_most() {
    let pool = pool();
    let most = TRIALS as f64 * 0.05 + 3.0 * (TRIALS as f64 * 0.05 * 0.95).sqrt();
    for (choices, paired) in [(2, true), (2, false), (4, true)] {
        let mut shown = [0.0; METRICS.len()];
        let mut any = 0;
        for trial in 0..TRIALS {
            let runs = drawn(&pool, trial, choices * 10);
            // Each metric in turn is the one that is asked for.
            let asked = trial as usize % METRICS.len();
            let league = league(&runs, METRICS[asked], paired);
            assert!(league.pairs.iter().all(|pair| pair.metrics[0].metric == METRICS[asked]));
            if league.pairs.iter().any(|pair| pair.shown) {
                shown[asked] += 1.0;
                assert!(league.standings.iter().any(|standing| standing.rank > 1));
            }
            let looks = |p: Option<f64>| p.is_some_and(|p| p <= 0.05);
            any += u64::from(league.pairs[0].metrics.iter().any(|of| looks(of.difference.p)));
        }
        let all: f64 = shown.iter().sum();
        println!("{choices} choices, paired {paired}: {all} of {TRIALS}, with all metrics {any}; {shown:?}");
        assert!(all <= most, "{choices} choices, paired {paired}: {all} of {TRIALS} show a difference");
        // Or the verdict would be of no use.
        assert!(all >= 5.0 && any as f64 > 2.0 * most, "{all}, {any}");
        let each = TRIALS as f64 / METRICS.len() as f64;
        let most = each * 0.05 + 4.0 * (each * 0.05 * 0.95_f64).sqrt();
        assert!(shown.iter().all(|shown| *shown <= most), "{shown:?}");
    }
}
