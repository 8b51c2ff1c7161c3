//! Machines as written in a file. The tables are flat, with the keys of every kind; each is converted into a machine of one
//! kind, which has only its own keys.

mod balancers;
mod behaviors;
mod clocks;
mod groups;
mod proxies;
mod servers;

pub(crate) use balancers::Written;
pub(crate) use behaviors::BehaviorToml;
pub(crate) use clocks::GOING_AWAY;
pub(crate) use proxies::ProxiesToml;
pub(crate) use servers::{CertificateToml, ServerKind, ServersToml, Sort, sorts};
