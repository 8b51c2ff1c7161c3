//! turmoil: the user's own async code in a scenario, on virtual time.
//!
//! The simulator plays everything of the scenario but the user's programs: sessions, servers, faults, and the network
//! between them. Programs run on turmoil's hosts. What they say and hear crosses between the two in turmoil's connections
//! (`bridge.rs`), once a tick: the simulator plays what is due during a tick, each thing at its very moment, and then turmoil
//! takes its step. Without programs there is nothing for turmoil to do, and the run is the simulator's.

mod bridge;
mod programs;
mod refuse;
mod report;
mod world;

use std::io;
use std::rc::Rc;

use shakedown_core::driver::sim::Simulation;
use shakedown_core::record::Recorder;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;

use super::events::Events;
use super::progress::Progress;
use bridge::Bridge;
use world::TurmoilWorld;

pub use programs::{ClientContext, ClientProgram, Programs, Result, ServerContext, ServerProgram};
pub use refuse::{refused, refused_with};
pub use report::{ProgramReport, Reporter};
pub use world::{SHORTEST_WAY, TICK};

/// What a run came to, besides its events.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Events.
    pub events: u64,
    /// True when the watcher ended it.
    pub partial: bool,
}

/// How many ticks are taken between two looks at the watcher, and how many items are played where there are no ticks.
const TICKS_PER_LOOK: u64 = 64;
const ITEMS_PER_LOOK: u64 = 1 << 16;

/// Plays a scenario without programs, to its end.
///
/// # Errors
/// None.
pub fn run(
    scenario: &Scenario,
    recorder: &mut impl Recorder,
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    run_with(scenario, &Programs::default(), recorder, watch).map(|(ended, _)| ended)
}

/// The same with programs of the user's in the place of some groups.
///
/// # Errors
/// When turmoil fails, or a server's program does.
pub fn run_with(
    scenario: &Scenario,
    programs: &Programs,
    recorder: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<(Ended, ProgramReport)> {
    if programs.clients.is_empty() && programs.servers.is_empty() {
        return Ok((simulate(scenario, recorder, watch)?, ProgramReport::default()));
    }
    let bridge = Rc::new(Bridge::new(scenario, programs.groups(scenario), programs.servers(scenario)));
    let mut world = TurmoilWorld::new(scenario, programs, &bridge);
    let mut events = Events::default();
    let end = Timestamp::ZERO + scenario.duration();
    let mut now = Timestamp::ZERO;
    let mut partial = false;
    for tick in 1.. {
        world.step()?;
        bridge.take_outputs(&mut events);
        let until = (now + TICK).min(end);
        if !bridge.simulation.borrow_mut().advance_until(until) {
            return Err(stands_still(scenario, &bridge.simulation.borrow()));
        }
        for event in bridge.simulation.borrow_mut().drain() {
            events.push(event.at, event.kind);
        }
        events.flush(now, recorder);
        world.carry_out(bridge.simulation.borrow_mut().take_effects());
        now = until;
        if now >= end {
            break;
        }
        if u64::is_multiple_of(tick, TICKS_PER_LOOK) && !watch(Progress { now, events: events.flushed() }) {
            partial = true;
            break;
        }
    }
    bridge.take_outputs(&mut events);
    events.finish(now, recorder);
    Ok((Ended { at: now, events: events.flushed(), partial }, bridge.report()))
}

fn stands_still(scenario: &Scenario, simulation: &Simulation) -> io::Error {
    io::Error::other(simulation.standstill().map_or_else(String::new, |found| found.explained(scenario)))
}

/// Plays a scenario in the simulator alone.
fn simulate(
    scenario: &Scenario,
    recorder: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    let mut simulation = Simulation::new(scenario);
    let mut partial = false;
    while !partial && simulation.advance(recorder, ITEMS_PER_LOOK) {
        partial = !watch(Progress { now: simulation.now(), events: simulation.events() });
    }
    if simulation.standstill().is_some() {
        return Err(stands_still(scenario, &simulation));
    }
    Ok(Ended { at: simulation.now(), events: simulation.events(), partial })
}
