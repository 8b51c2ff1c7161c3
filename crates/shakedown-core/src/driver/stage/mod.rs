//! The stage: what has the machines and gives them their inputs, whatever carries their connections.
//!
//! Sessions arrive, servers join, pause and leave, faults strike, and what machines ask is done: all of it is written once
//! here, for the simulator and for real sockets. A [`Transport`] is what differs between them: the clock, what is due, and
//! connections.

mod cast;
mod due;
mod faults;
mod members;
mod processes;
mod servers;
mod sessions;
mod slots;
mod supervision;
mod transport;

pub use due::{Due, Step};
pub use slots::{ClientHosts, GroupSlot, PendingInput, ServerSlot, SessionSlot};
pub use transport::{Peer, Stage, Transport};
