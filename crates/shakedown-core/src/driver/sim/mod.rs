//! The event-driven simulator: one thread, virtual time in nanoseconds, exact replay.
//!
//! The loop pops the earliest item, gives it to the machine it is for, and carries out what the machine asks. A session
//! costs nothing before it arrives: sessions are made in order of arrival, so that what happens at the same time lies
//! together in memory. Per open session the simulator and its recorders keep about 170 bytes, and nothing is allocated
//! per handshake once the buffers have grown.

mod arrivals;
mod calls;
mod dns;
pub mod external;
mod faults;
mod net;
mod outside;
mod pending;
mod pools;
mod simulation;
mod standstill;
mod streams;
mod tcp;
mod tickets;
mod tls;

pub use net::{Net, Simulation};
pub use standstill::Standstill;
