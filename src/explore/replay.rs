//! Runs made to look at a few sessions.

use crate::driver;
use crate::driver::sim::Simulation;
use crate::replay::{Finder, Listener, Trace, Which};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// Runs a scenario and finds at most `count` sessions, as client group and number in it.
pub fn find(scenario: &Scenario, which: Which, count: usize) -> Vec<(u16, u32)> {
    let mut finder = Finder::new(which);
    driver::run(scenario, &mut finder);
    finder.found(count)
}

/// Runs a scenario and listens to these sessions. Those that had not started when it ended have no trace.
pub fn trace(scenario: &Scenario, sessions: &[(u16, u32)]) -> Vec<Trace> {
    let mut simulation = Simulation::new(scenario);
    simulation.listen(sessions.iter().copied());
    let mut listener = Listener::new(sessions);
    let messages = simulation.finish_and_tell(&mut listener);
    listener.traces(&messages, Timestamp::ZERO + scenario.file.duration)
}
