//! Scenarios that are impossible with some seeds: two random faults that draw the same server.

use crate::scenario::{Problem, Scenario};

/// With how many seeds a scenario is tried before it counts as impossible.
const SEEDS: usize = 9;

/// A scenario with the first seed that is possible.
///
/// # Errors
/// What is wrong with the first seed, where none of the first ones is possible.
pub fn possible(
    seeds: impl IntoIterator<Item = u64>,
    load: impl Fn(u64) -> Result<Scenario, Problem>,
) -> Result<Scenario, Problem> {
    let mut first = None;
    for seed in seeds.into_iter().take(SEEDS) {
        match load(seed) {
            Ok(scenario) => return Ok(scenario),
            Err(problem) if problem.is_of_machine() => return Err(problem),
            Err(problem) => drop(first.get_or_insert(problem)),
        }
    }
    Err(first.unwrap_or_else(|| Problem::new("no seed")))
}
