//! The `kernel` driver: every host has a kernel's network of its own, and what lies between them is a wire in user space.
//!
//! The clients' hosts share one network namespace, with an address each; each server's host has one of its own. Their packets
//! leave by TUN devices to the wire (`wire.rs`), which does with them what the scenario says of links, and hands them on. The
//! TCP at both ends is Linux's own. The engine's thread lives in the clients' namespace, and goes to a server's only to make
//! a socket there, or to start a program: a socket stays where it was made.

#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody asks elsewhere"))]
mod dns;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "there are no hosts elsewhere"))]
mod hosts;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod relays;
#[cfg(target_os = "linux")]
mod resets;
#[cfg(target_os = "linux")]
mod shared;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is shown elsewhere"))]
mod tap;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nothing is told elsewhere"))]
mod told;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod world;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::prepare;
#[cfg(target_os = "linux")]
pub use namespace::prepare;
use std::collections::BTreeMap;

use shakedown_core::scenario::Scenario;

pub use tap::Tap;
pub use told::{Lateness, Told};

/// The names of all hosts, by address.
pub fn host_names(scenario: &Scenario) -> BTreeMap<[u8; 4], String> {
    hosts::Hosts::new(scenario).names(scenario)
}

/// Where a server of this number listens, on its own host.
pub fn server_address(number: u32) -> std::net::SocketAddr {
    hosts::Hosts::server(number)
}

pub(crate) use dns::{Answer, Query};
#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::World;
pub(crate) use hosts::{CLIENTS_MAX, SERVERS_MAX, client_hosts};
pub(crate) use hosts::{Fate, Note};
#[cfg(target_os = "linux")]
pub(crate) use world::World;
