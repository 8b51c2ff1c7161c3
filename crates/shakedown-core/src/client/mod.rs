//! Clients: a [`Session`] is one client from its scheduled start to its end; a [`Host`] has the shared state of the sessions
//! of one process; a [`Group`] has the common settings of a scenario's client group.
//!
//! Redirects, retries and fail-over are implemented here, and not in drivers.

mod config;
mod event;
mod group;
mod host;
mod logins;
mod names;
mod policies;
mod pool;
mod race;
mod redirect_cache;
mod retry;
mod session;

pub use config::{Breaker, Config, Heartbeat, Hold, OnRetry, Pick, Race};
pub use event::{End, Event, Failure, Finding, Outcome};
pub use group::{Context, Group};
pub use host::Host;
pub use names::{Bounds, DnsCache, Names};
pub use policies::{Auth, Form, NewKey, Remembers, Repeat, Scheme};
pub use pool::{Action, OpenRequest, Pool, PoolInput};
pub use retry::{Budget, Draw, FailureKind, Policy, Retry};
pub use session::{Outputs, Session};

#[cfg(test)]
mod tests;
