//! The network of a run: its connections over real sockets, and what lies between their ends.
//!
//! The sockets are on one machine, where everything arrives at once. So what was read from a socket is kept, in order, for
//! as long as it would be under way, and only then given to its machine (`delivery.rs`); a connect is made when its SYN would
//! arrive, and answered as much later (`connect.rs`). The network knows no machine: it is asked to connect, to send and to
//! close, is told of what sockets do ([`SocketInput`]) and of what is due ([`Timer`]), and returns [`Effect`]s.

pub(crate) mod authority;
mod bandwidth;
mod connect;
mod connection;
mod connections;
mod delivery;
mod effects;
mod hosts;
mod lookups;
mod options;
mod ports;
mod queued;
mod relays;
mod secure;
mod sockets;
mod tls;

pub use authority::{Authority, certificates};
pub(crate) use connection::{ConnectionKey, Notice, Opener};
pub(crate) use connections::Network;
pub(crate) use effects::{Effect, Listener, Owner, SocketInput};
pub(crate) use ports::rewrites;
pub(crate) use sockets::{Share, Sockets};

#[cfg(test)]
mod tests;
