//! Machines as they are written. The tables are flat, and hold the keys of every kind; each becomes a machine of one kind,
//! which has its own keys alone.

mod balancers;
mod behaviors;
mod proxies;
mod servers;

pub use balancers::{KEYS, OF_TERMINATING, Written};
pub use behaviors::BehaviorToml;
pub use proxies::ProxiesToml;
pub use servers::{ServerKind, ServersToml};
