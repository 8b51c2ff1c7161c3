//! The settings of a forward proxy.

use crate::server::challenge::Demand;
use crate::server::clocks::ClocksConfig;
use crate::server::workers::Workers;
use crate::time::Nanos;

/// A forward proxy, which makes tunnels by `CONNECT` (RFC 9110 section 9.3.6).
#[derive(Debug, Clone)]
pub struct Proxy {
    /// What requests wait for.
    pub workers: Workers,
    /// Maximum of clients' connections; further ones are answered 503. Absent: no limit.
    pub connections_max: Option<u32>,
    /// Time limit of its own connect to the target; then it answers 504.
    pub connect_timeout: Nanos,
    /// Its ports towards one server.
    pub ports: u32,
    /// The credentials that it demands; without them it answers 407. Absent: none.
    pub demand: Option<Demand>,
    /// Status that answers every `CONNECT` that would otherwise be forwarded. Absent: it is forwarded.
    pub reject: Option<u16>,
    /// Time limit for a connection to send its whole request. Absent: no limit.
    pub handshake_timeout: Option<Nanos>,
    /// The clocks of its tunnels.
    pub clocks: ClocksConfig,
}
