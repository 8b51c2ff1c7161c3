//! What must hold, and whether it does.

use crate::check::Expectation;
use crate::metrics::Summary;
use crate::report::capacity::Objective;
use crate::scenario::{Problem, Scenario};

/// `METRIC < BOUND`, as `--slo` takes it.
///
/// # Errors
/// What it should look like.
pub fn objective(text: &str) -> Result<Objective, String> {
    let at =
        text.find(['<', '>', '=']).ok_or("an objective is a metric and a comparison: handshake_latency.p99 < 250ms")?;
    let (metric, expected) = (text[..at].trim(), text[at..].trim());
    if metric.is_empty() {
        return Err("an objective begins with a metric: handshake_latency.p99 < 250ms".into());
    }
    let expected = expected.parse::<Expectation>().map_err(|hint| format!("after `{metric}` comes {hint}"))?;
    Ok(Objective { metric: metric.into(), expected: expected.to_string() })
}

/// Objectives as they are held against a run, checked against the scenario's metrics.
///
/// # Errors
/// A metric that the scenario does not have, or a comparison that can't be made with it.
pub fn checked(scenario: &Scenario, slo: &[Objective]) -> Result<Vec<(String, Expectation)>, Problem> {
    let metrics = scenario.metrics();
    let one = |objective: &Objective| {
        let Objective { metric, expected } = objective;
        let name = crate::scenario::metric(metric, [&metrics])?;
        let expected: Expectation =
            expected.parse().map_err(|hint| Problem::new(format!("`{metric}` needs {hint}")))?;
        match expected.mismatch(&name) {
            Some(why) => Err(Problem::new(format!("`{metric}` {why}"))),
            None => Ok((metric.clone(), expected)),
        }
    };
    slo.iter().map(one).collect()
}

/// Whether a run meets every objective.
pub(super) fn holds(summary: &Summary, slo: &[(String, Expectation)]) -> bool {
    slo.iter().all(|(path, expected)| summary.get(path).is_some_and(|value| expected.holds(value)))
}
