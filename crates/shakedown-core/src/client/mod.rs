//! Clients: a [`Session`] is one client's life from its scheduled start; a [`Host`] holds what sessions of one process
//! share; a [`Group`] is what all sessions of a scenario's group have in common.
//!
//! Redirects, retry and fail-over live here, never in a driver.

mod config;
mod event;
mod group;
mod host;
mod logins;
mod names;
mod policies;
mod pool;
mod redirect_cache;
mod retry;
mod session;

pub use config::{Breaker, Config, Heartbeat, Hold, OnRetry, Pick};
pub use event::{End, Event, Failure, Finding, Outcome};
pub use group::{Context, Group};
pub use host::Host;
pub use names::{Bounds, DnsCache, Names};
pub use policies::{Auth, Form, NewKey, Remembers, Repeat, Scheme};
pub use pool::{Action, News, Pool, Wish};
pub use retry::{Budget, Draw, Policy, Retry};
pub use session::{Outputs, Session};

#[cfg(test)]
mod tests;
