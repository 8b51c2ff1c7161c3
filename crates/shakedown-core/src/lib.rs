//! What Shakedown simulates with: sans-IO state machines of clients and servers, the network between them, typed events, and
//! what is measured of them. No socket, no file, no clock, no async: nothing here depends on the machine it runs on.
//!
//! The package `shakedown` has the public face; use that one.

#![forbid(unsafe_code)]

pub mod check;
pub mod client;
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
