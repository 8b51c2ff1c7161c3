//! From a scenario in which the user's programs fail to the smallest in which they still do.

use std::fmt;

use super::{Lab, LabError, Outcome};
use crate::explore::hunt::{Smallest, smallest};
use crate::explore::turmoil::with_programs;
use crate::explore::{LiveError, caught};
use crate::scenario::Scenario;

/// The smallest scenario in which programs fail the same way.
#[derive(Debug)]
pub struct Shrunk {
    /// It, as a file that runs by itself: [`Lab::from_text`] reads it.
    pub toml: String,
    /// How the programs fail in it.
    pub failure: String,
    /// What was taken away, in order.
    pub steps: Vec<String>,
    /// Runs that it took.
    pub runs: u32,
    /// False when it was ended before nothing more could be taken away.
    pub done: bool,
}

/// How many steps, and the failure; the scenario is in `toml`.
impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shrunk in {} steps and {} runs:\n{}\n\n{}", self.steps.len(), self.runs, self.failure, self.toml)
    }
}

/// What failed: two runs fail the same way when the first of it is the same.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Expectation(String),
    Invariant(&'static str),
    Report(String),
    Panic(String),
    Error(String),
}

fn what(outcome: &Outcome) -> Option<What> {
    let report = outcome.told.failures.first().map(|(_, _, what)| What::Report(what.clone()));
    let invariant = || outcome.finished.violations.first().map(|one| What::Invariant(one.invariant.name()));
    let expectation = || outcome.finished.verdicts.iter().find(|verdict| !verdict.passed);
    report.or_else(invariant).or_else(|| expectation().map(|verdict| What::Expectation(verdict.path.clone())))
}

/// How a lab's programs fail in a scenario, and how a person reads it.
fn failure(lab: &Lab, scenario: &Scenario) -> Option<(What, String)> {
    match caught(|| with_programs(scenario, &lab.programs, &mut (), |_| true)) {
        Ok(Ok((finished, told))) => {
            let outcome = Outcome { finished, told, scenario: scenario.clone() };
            what(&outcome).map(|what| (what, outcome.to_string()))
        }
        // What is refused is no failure of the programs, and no reduction.
        Ok(Err(LiveError::Refused { .. })) => None,
        Ok(Err(error)) => Some((What::Error(error.to_string()), error.to_string())),
        Err(panic) => Some((What::Panic(panic.clone()), format!("a program panicked: {panic}"))),
    }
}

/// Takes away whatever is not needed for a seed to fail as it does: sessions, faults, servers, time. `lab` is called for each
/// run, as by [`hunt`](super::hunt). After `most` runs it ends with what it has. `None` when the seed does not fail.
///
/// # Errors
/// If the lab can't be made, or its scenario is wrong.
pub fn shrink(seed: u64, most: u32, lab: impl Fn() -> Result<Lab, LabError>) -> Result<Option<Shrunk>, LabError> {
    let first = lab()?.seed(seed);
    let scenario = first.scenario()?;
    let Some((original, _)) = failure(&first, &scenario) else { return Ok(None) };
    let Ok(mut table) = toml::from_str::<toml::Table>(scenario.written_out()) else { return Ok(None) };
    table.remove("sometimes");
    if !matches!(original, What::Expectation(_)) {
        table.remove("expect");
    }
    let fails = |scenario: &Scenario| {
        let (what, text) = failure(&lab().ok()?, scenario)?;
        (what == original).then_some(text)
    };
    let mut runs = 0;
    let mut watch = |_: &str| {
        runs += 1;
        runs < most
    };
    let found = smallest(table, scenario.name(), &fails, |_| false, &mut watch);
    Ok(found.and_then(|Smallest { table, found, steps, runs, done, .. }| {
        Some(Shrunk { toml: toml::to_string_pretty(&table).ok()?, failure: found, steps, runs, done })
    }))
}
