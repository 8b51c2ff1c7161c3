//! The simulated world of Shakedown: sans-IO state machines of clients and servers, the network between them, typed events,
//! and the measures derived from them. It has no socket, no file, no clock and no async code, so that nothing depends on the
//! machine it runs on.
//!
//! The package `shakedown` has the public API.

#![forbid(unsafe_code)]

pub mod check;
pub mod client;
pub mod digits;
pub mod driver;
pub mod event;
pub mod fault;
pub mod frame;
pub mod h2;
pub mod handshake;
pub mod http;
pub mod load;
pub mod machine;
pub mod metrics;
pub mod names;
pub mod network;
pub mod quantity;
pub mod record;
pub mod rng;
pub mod scenario;
pub mod server;
mod shape;
pub mod time;
pub mod tls;
