//! Drivers give the machines a network and a clock, and turn what happens into events.
//!
//! [`stage`] has the machines, whatever carries their connections. [`sim`] is the event-driven simulator: virtual time,
//! exact replay. The crate `shakedown-live` plays the same machines on real sockets, and connects programs over turmoil.

pub mod bottlenecks;
mod kind;
pub mod names;
pub mod pipes;
pub mod sim;
mod slab;
pub mod stage;

pub use kind::Driver;

use crate::record::Recorder;
use crate::scenario::Scenario;

/// Runs a whole scenario in the simulator. One that comes to an instant that it never leaves ends there.
pub fn run(scenario: &Scenario, recorder: &mut impl Recorder) {
    let mut simulation = sim::Simulation::new(scenario);
    while simulation.advance(recorder, u64::MAX) {}
}
