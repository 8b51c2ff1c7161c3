//! The socket engine: real connections, and what lies between two hosts of a scenario.
//!
//! One thread has every machine, every timer and the recorder, so that events have one order (clients that play alone may
//! have several: `threads.rs`). The stage has the machines; the network (`network/`) has the connections, each of them a task
//! that reads and writes, and what connects two hosts of a scenario: latency, bandwidth, partitions, a host without power.

mod engine;
mod lookups;
mod network;
mod programs;
mod refuse;
mod resolver;
mod run;
mod schedule;
mod setup;
mod threads;
mod transport;

use std::io;
use std::net::SocketAddr;

use shakedown_core::record::Recorder;
use shakedown_core::scenario::Scenario;

pub use network::{Authority, certificates};
pub use programs::{FaultCommand, Program, Start};
pub use refuse::refused;
pub use setup::{Address, Ended, Part, Setup};

use super::progress::Progress;
use network::Share;

/// Plays a scenario's part on real sockets, to its end. `ready` is told where the servers listen, by number; `watch` is
/// shown the progress now and then, and ends the run by returning false.
///
/// # Errors
/// When sockets can't be had: no port, no file descriptor, no address.
pub fn run(
    scenario: &Scenario,
    setup: &Setup,
    recorder: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    if setup.part == Part::Clients && setup.threads > 1 {
        return threads::run(scenario, setup, recorder, watch);
    }
    run::alone(scenario, setup, (None, Share::ALL), recorder, ready, watch)
}
