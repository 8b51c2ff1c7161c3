//! DNS: records of names over time, and caching resolvers.

mod config;
mod name;

pub use config::{Change, Config, MinTtl, Order};
pub use name::{Event, Name};
