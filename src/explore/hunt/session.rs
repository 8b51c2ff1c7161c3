//! The session that a run's diagram is to show.

use super::broken::Broken;
use crate::explore::replay::find;
use crate::explore::single_run::Finished;
use crate::replay::Which;
use crate::scenario::Scenario;

/// The one that broke the invariant, or did most for the metric.
pub fn session(broken: &Broken, scenario: &Scenario, finished: &Finished) -> Option<(u16, u32)> {
    let which = match broken {
        Broken::Invariant(invariant, way) => {
            let same = finished.violations.iter().find(|of| of.invariant == *invariant && of.way == *way);
            match same.and_then(|violation| violation.session) {
                Some(session) => return Some(session),
                None => vec![Which::Outage],
            }
        }
        Broken::Expectation(path, ..) => {
            let has = |steps: &[&str]| path.split('.').any(|step| steps.contains(&step));
            if has(&["failed", "gave_up", "open_at_end", "availability"]) && !has(&["attempts"]) {
                vec![Which::GaveUp, Which::Outage]
            } else if has(&["attempts", "attempt_latency"]) {
                vec![Which::Failed]
            } else if has(&["outage", "lost", "faults", "detection_time"]) {
                vec![Which::Outage]
            } else if has(&["hops"]) {
                vec![Which::Redirected]
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    };
    which.into_iter().chain([Which::Slowest]).find_map(|which| find(scenario, which, 1).first().copied())
}
