//! Options of sockets that say when a kernel gives up a peer that says nothing.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// `{ idle = "60s", every = "10s", probes = 6 }`: probes of a connection over which nothing comes (RFC 9293 section 3.8.4).
/// The defaults are those of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// How long nothing has come before the first probe (`TCP_KEEPIDLE`).
    #[serde(default = "default_idle")]
    pub idle: Nanos,
    /// From a probe without an answer to the next (`TCP_KEEPINTVL`).
    #[serde(default = "default_every")]
    pub every: Nanos,
    /// Probes without an answer after which the connection is given up, one `every` after the last (`TCP_KEEPCNT`).
    #[serde(default = "default_probes")]
    pub probes: u32,
}

fn default_idle() -> Nanos {
    Nanos::from_secs(7_200)
}

fn default_every() -> Nanos {
    Nanos::from_secs(75)
}

fn default_probes() -> u32 {
    9
}

/// Bounds of Linux (`MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL`, `MAX_TCP_KEEPCNT`), which takes whole seconds.
const SECONDS: [u64; 2] = [1, 32_767];
const PROBES: [u32; 2] = [1, 127];

impl Keepalive {
    /// Why it is impossible, if it is: the key, and the error.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        const SECOND: u64 = 1_000_000_000;
        for (key, time) in [("idle", self.idle), ("every", self.every)] {
            let (whole, [least, most]) = (time.0 / SECOND, SECONDS);
            if time.0 % SECOND != 0 || !(least..=most).contains(&whole) {
                return Some((key, format!("{time}: kernels take whole seconds, from {least} to {most}")));
            }
        }
        let [least, most] = PROBES;
        let fits = (least..=most).contains(&self.probes);
        (!fits).then(|| ("probes", format!("{} probes: kernels take {least} to {most}", self.probes)))
    }
}

/// When a host's kernel gives up connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GivingUp {
    /// Absent: it sends no probes.
    pub keepalive: Option<Keepalive>,
    /// How long data, or a probe, may stay without an answer (`TCP_USER_TIMEOUT`), in place of `data_retries` and of the
    /// number of probes. Absent: these decide.
    pub user_timeout: Option<Nanos>,
}

impl GivingUp {
    /// Whether either is set.
    pub fn any(&self) -> bool {
        self.keepalive.is_some() || self.user_timeout.is_some()
    }
}
