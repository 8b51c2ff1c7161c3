//! Machines as written in a file. The tables are flat, with the keys of every kind; each is converted into a machine of one
//! kind, which has only its own keys.

mod balancers;
mod behaviors;
mod proxies;
mod servers;

pub use balancers::{KEYS, OF_TERMINATING, Written};
pub use behaviors::BehaviorToml;
pub use proxies::ProxiesToml;
pub use servers::{ServerKind, ServersToml};
