//! One run of a model's scenario.

use crate::driver::sim::Simulation;
use crate::metrics::{Measured, Metrics, Value};
use crate::record::Recorder;
use crate::scenario::{Overrides, Scenario};

/// Runs a scenario that is written in this module.
pub(super) fn simulate(text: &str, seed: u64, recorder: &mut impl Recorder) -> Scenario {
    let scenario = load(text, seed);
    let mut simulation = Simulation::new(&scenario);
    while simulation.advance(recorder, u64::MAX) {}
    scenario
}

/// The same, with the metrics that every run has.
pub(super) fn measure(text: &str, seed: u64, recorder: &mut impl Recorder) -> Measured {
    let scenario = load(text, seed);
    let mut both = (Metrics::new(scenario.layout()), recorder);
    let mut simulation = Simulation::new(&scenario);
    while simulation.advance(&mut both, u64::MAX) {}
    both.0.finish(simulation.now())
}

fn load(text: &str, seed: u64) -> Scenario {
    let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
    match crate::scenario::load("a model", "model", text, &overrides) {
        Ok(scenario) => scenario,
        Err(problem) => panic!("a model's scenario is wrong: {problem}\n{text}"),
    }
}

/// A metric as a plain number: seconds, a count, a share. NaN where it has no value.
pub(super) fn metric(measured: &Measured, path: &str) -> f64 {
    match measured.summary.get(path) {
        Some(Value::Duration(Some(length))) => length.as_secs_f64(),
        Some(Value::Count(count)) => count as f64,
        Some(Value::Part { count, of }) => count as f64 / of as f64,
        Some(Value::Ratio(Some(ratio))) => ratio,
        _ => f64::NAN,
    }
}
