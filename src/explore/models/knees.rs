//! Capacities that a formula gives: the search finds them.

use super::answer::{Answer, Experiment, Requirement};
use crate::explore::capacity::{Key, Model, objective, search};
use crate::report::capacity::Question;
use crate::scenario::Overrides;

/// Every knee.
pub(super) fn all() -> Vec<Experiment> {
    vec![knee(1, 175.0, 40_000.0), knee(4, 850.0, 40_000.0)]
}

const ABOUT: &str = "The highest rate of Poisson arrivals at which the 99th percentile of the handshake stays below a bound, \
found by `capacity` from runs alone, each seed by itself. Exponential service of 4 ms, one way of 1 ms, an unbounded queue. The \
bound is what Erlang's formula gives at the expected rate: with one worker a sojourn is exponential with rate mu - lambda, so \
that ln(100) / 75 s and two ways are just held at 175/s. The search halves its gap down to 1 %, and takes the middle.";

/// Mean service time.
const SERVICE_S: f64 = 0.004;
/// One way of the network.
const ONE_WAY_S: f64 = 0.001;

/// `arrivals` of them at the expected rate.
fn knee(workers: u32, rate: f64, arrivals: f64) -> Experiment {
    let model = Model { rate, workers, service: SERVICE_S, constant: false, one_way: ONE_WAY_S };
    let bound = model.latency("handshake_latency.p99").unwrap_or(f64::NAN);
    let until = arrivals / rate;
    let begin = 100.0 * f64::from(workers);
    let text = format!(
        r#"
        format = 1
        title = "A knee"
        duration = "{:.3}s"
        [network]
        one_way = "1ms"
        [servers.one]
        workers = {workers}
        service_time = {{ exponential = {{ mean = "4ms" }} }}
        [clients.many]
        count = {}
        arrive = {{ poisson = {{ rate = "{begin}/s" }} }}
        endpoints = ["one"]
        connect_timeout = "1h"
        handshake_timeout = "1h"
        [measure]
        from = "{:.3}s"
        until = "{until:.3}s"
        "#,
        until + 2.0,
        (begin * (until + 2.0) * 1.1) as u64,
        until / 20.0,
    );
    Experiment {
        name: format!("capacity M/M/{workers}"),
        follows: "Erlang 1917",
        about: ABOUT,
        seeds: 8,
        quick: false,
        answers: vec![Answer::new(
            format!("highest rate with p99 < {:.1} ms", bound * 1e3),
            "/s",
            rate,
            Requirement::Mean { resolution: 0.005, blunt: 0.05 },
        )],
        measure: Box::new(move |seed| vec![found(&text, bound, (begin, 250.0 * f64::from(workers)), seed)]),
    }
}

/// The capacity with one seed; NaN where there is none.
fn found(text: &str, bound: f64, (from, to): (f64, f64), seed: u64) -> f64 {
    let asked = || -> Option<Question> {
        let scenario = crate::scenario::load("a model", "model", text, &Overrides::default()).ok()?;
        let resolved = scenario.resolved().to_string();
        let key = Key::find(&resolved, "clients.many.arrive.rate").ok()?;
        Some(Question {
            scenario: "model".into(),
            title: scenario.title().to_string(),
            variant: None,
            vary: key.path,
            kind: key.kind,
            slo: vec![objective(&format!("handshake_latency.p99 < {}ns", (bound * 1e9) as u64)).ok()?],
            seeds: vec![seed],
            from: Some(from),
            to: Some(to),
            tolerance: 0.01,
            find: None,
            scenario_toml: resolved,
            command: None,
        })
    };
    let found = asked().and_then(|asked| search(asked, &|_| true).ok());
    found.and_then(|found| found.value).unwrap_or(f64::NAN)
}
