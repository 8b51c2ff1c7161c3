//! DNS as a table: names that stand for servers for a time, and resolvers that keep what they heard.

mod config;
mod name;

pub use config::{Change, Config, MinTtl, Order};
pub use name::{Event, Name};
