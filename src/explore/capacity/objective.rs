//! What must hold, and whether it does.

use crate::check::{Expectation, judge};
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
    Ok(Objective { metric: metric.into(), expected: expected.to_string(), implied: false })
}

/// What is asked, and goodput: a load is not met by refusing it. Nearly all sessions open, and hardly an attempt fails,
/// unless the question itself says something of sessions or of attempts. Where faults strike, attempts fail because of
/// them, too.
pub fn with_goodput(scenario: &Scenario, mut slo: Vec<Objective>) -> Vec<Objective> {
    let is_calm = scenario.faults().is_empty() && scenario.random_faults_max().is_none();
    for (about, metric, expected) in
        [("sessions", "sessions.opened", ">= 99%"), ("attempts", "attempts.failed", "<= 1%")]
    {
        let is_asked = slo.iter().any(|objective| objective.metric.split('.').any(|step| step == about));
        if !is_asked && (is_calm || about == "sessions") {
            slo.push(Objective { metric: metric.into(), expected: expected.into(), implied: true });
        }
    }
    slo
}

/// Objectives as a run is compared with them, checked against the scenario's metrics.
///
/// # Errors
/// A metric that the scenario does not have, or a comparison that can't be made with it.
pub fn checked(scenario: &Scenario, slo: &[Objective]) -> Result<Vec<(String, Expectation)>, Problem> {
    let metrics = scenario.metrics();
    let one = |objective: &Objective| {
        let Objective { metric, expected, .. } = objective;
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

/// Whether a run meets every objective, as it would if the scenario expected them.
pub(super) fn holds(summary: &Summary, slo: &[(String, Expectation)]) -> bool {
    judge(slo.iter().map(|(path, expected)| (path.as_str(), *expected)), summary).iter().all(|verdict| verdict.passed)
}
