//! The network as an operating system's user sees it: links with latency, and the kernel's part of every host.
//!
//! Knows nothing of what is sent, nor of who sends it.

mod host;
mod link;
mod syn;

use serde::{Deserialize, Serialize};

use crate::rng::Distribution;
use crate::time::Nanos;

pub use host::{Host, Overflow, Process, SynAnswer};
pub use link::Link;
pub use syn::{SynRetries, SynSchedule};

/// `[network]`: every link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Latency from one host to another, drawn once per pair: a client far away stays far away.
    pub one_way: Distribution,
    /// Added to each message's latency; never reorders a stream.
    pub jitter: Distribution,
    /// When the client's kernel repeats an unanswered SYN, and when it gives up.
    pub syn_retries: SynRetries,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            one_way: Nanos::from_millis(20).into(),
            jitter: Nanos::ZERO.into(),
            syn_retries: SynRetries::default(),
        }
    }
}

/// What the network does that neither end asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A SYN went unanswered at this server's host.
    SynDropped {
        /// The session whose SYN it was.
        session: u32,
        /// True when the accept queue was full; false when nothing was there to answer.
        backlog_full: bool,
    },
    /// The host answered a SYN with RST.
    SynRefused {
        /// The session whose SYN it was.
        session: u32,
        /// True when the accept queue was full; false when nobody listened.
        backlog_full: bool,
    },
}
