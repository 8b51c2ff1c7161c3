//! What programs report.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use shakedown_core::time::Timestamp;

/// What programs reported, besides the events of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgramReport {
    /// How often each thing was counted.
    pub counts: BTreeMap<String, u64>,
    /// What should not have been: when, who said it, and what.
    pub failures: Vec<(Timestamp, String, String)>,
}

/// The virtual time, as a program's host has it.
pub(super) fn now() -> Timestamp {
    let elapsed = turmoil::sim_elapsed().unwrap_or_default();
    Timestamp(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
}

/// Tells what a program noticed, from any task of its host.
#[derive(Debug, Clone)]
pub struct Reporter {
    name: String,
    report: Arc<Mutex<ProgramReport>>,
}

impl Reporter {
    pub(super) fn new(name: &str, report: &Arc<Mutex<ProgramReport>>) -> Reporter {
        Reporter { name: name.to_string(), report: Arc::clone(report) }
    }

    /// Counts something: see the outcome's `counts`.
    pub fn count(&self, what: &str) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        *report.counts.entry(what.to_string()).or_default() += 1;
    }

    /// Says that something is as it should not be: the run has not held.
    pub fn fail(&self, what: impl Display) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        // In order of time and name: see `Bridge::take_outputs`.
        let failure = (now(), self.name.clone(), what.to_string());
        let place = report.failures.partition_point(|other| *other <= failure);
        report.failures.insert(place, failure);
    }
}
