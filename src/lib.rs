//! wip
pub mod check;
pub mod client;
pub mod driver;
pub mod event;
pub mod fault;
pub mod handshake;
pub mod http;
pub mod load;
pub mod machine;
pub mod metrics;
pub mod network;
pub mod quantity;
pub mod record;
pub mod rng;
pub mod scenario;
pub mod server;
pub mod time;
