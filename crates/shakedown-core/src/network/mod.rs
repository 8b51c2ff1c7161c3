//! The network as programs see it: links with latency, and the kernel of every host.
//!
//! Knows neither what is sent nor who sends it.

mod alarms;
pub mod dns;
mod health;
mod host;
mod keepalive;
mod link;
mod pipe;
mod ports;
mod rto;
mod syn;

use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Loss;
use crate::rng::Distribution;
use crate::time::{Nanos, timeout};

pub use alarms::Alarms;
pub use health::{Health, Verdict};
pub use host::{Host, Overflow, Process, SynAnswer};
pub use keepalive::{GivingUp, Keepalive};
pub use link::{Direction, LinkConfig, Links, OneWayRoute, Route, Routes};
pub use pipe::{AccessLink, Pipe, wire_bytes};
pub use ports::{EPHEMERAL_PORTS, Ending, NAT_PORTS, Ports, TimeWait};
pub use rto::{Repetitions, Rto, time_of_retries};
pub use syn::{Kernel, SynRetries, SynSchedule};

/// `[network]`: defaults of every link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Network"))]
pub struct Config {
    /// One-way latency between two hosts, drawn once per pair.
    pub one_way: Distribution,
    /// Added to each message's latency; never reorders a stream.
    pub jitter: Distribution,
    /// When the client's kernel repeats an unanswered SYN, and when it gives up.
    pub syn_retries: SynRetries,
    /// The share of messages that are lost; `forward` is from clients to servers.
    pub loss: Loss,
    /// How long a kernel repeats unacknowledged data before it gives up the connection: the time that so many repetitions
    /// by a timer of 200 ms would take (Linux: `tcp_retries2`).
    pub data_retries: u8,
    /// How long the ports of a connection that was closed can't be used again (Linux: 60 s); `"none"`: at once.
    #[serde(with = "timeout::or_zero")]
    #[cfg_attr(feature = "schema", schemars(with = "timeout::Shape"))]
    pub time_wait: Nanos,
    /// Whether they can where the server closed first: its kernel takes a SYN for a connection in TIME_WAIT (Linux: if its
    /// timestamp or its sequence number is later than the last).
    pub time_wait_reopens: bool,
    /// Overrides between two places, by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub links: IndexMap<String, LinkConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            one_way: Nanos::from_millis(20).into(),
            jitter: Nanos::ZERO.into(),
            syn_retries: SynRetries::default(),
            loss: Loss::default(),
            data_retries: 15,
            time_wait: Nanos::from_secs(60),
            time_wait_reopens: false,
            links: IndexMap::new(),
        }
    }
}

impl Config {
    /// How long ports stay taken.
    pub fn time_wait(&self) -> TimeWait {
        TimeWait { length: self.time_wait, reopens: self.time_wait_reopens }
    }
}

/// A message that may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A client's SYN.
    Syn,
    /// A host's answer to it.
    SynAck,
    /// Anything later from the client: data, FIN, RST.
    ToServer,
    /// Anything later from the server.
    ToClient,
}

impl Message {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Message::Syn => "syn",
            Message::SynAck => "syn_ack",
            Message::ToServer => "to_server",
            Message::ToClient => "to_client",
        }
    }
}

/// Set in an event's `session` if a server opened the connection; the rest is the server's number.
pub const SERVER: u32 = 1 << 31;
/// Set there if a client host opened it for streams of its sessions; the rest is the driver's number for the host.
pub const HOST: u32 = 1 << 30;

/// Events of the network. The connection is identified by the session's number, or by that of the
/// server or client host that opened it, with [`SERVER`] or [`HOST`] set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A SYN went unanswered at this server's host.
    SynDropped {
        /// The session whose SYN it was.
        session: u32,
        /// True if the accept queue was full; false if the host was off, or a partition was between.
        backlog_full: bool,
    },
    /// The host answered a SYN with RST.
    SynRefused {
        /// The session whose SYN it was.
        session: u32,
        /// True if the accept queue was full; false if the port was closed.
        backlog_full: bool,
    },
    /// A link lost a message. The event's time is that of sending for data, that of the missed arrival for a SYN or its answer.
    Lost {
        /// The session whose connection it was.
        session: u32,
        /// What was lost.
        message: Message,
        /// Number of its lost transmissions in a row.
        times: u8,
    },
    /// A message was dropped, because it did not fit into the queue in front of a link.
    QueueFull {
        /// The session whose connection it was.
        session: u32,
        /// What was dropped.
        message: Message,
    },
    /// Data stalls because of a host without power, or a cut path: its sender's kernel retransmits it.
    Stalled {
        /// The session whose connection it is.
        session: u32,
        /// Whose data: true for the client's.
        to_server: bool,
    },
    /// The accept queue was full when a connect's third segment, or the data that repeats it, arrived. Its client believes
    /// that it is connected.
    AcceptOverflow {
        /// The session whose connection it is.
        session: u32,
    },
    /// The address that a connect comes from has no port left towards this server: the client's kernel fails it
    /// (`EADDRNOTAVAIL`), a NAT drops its SYN.
    NoPort {
        /// The session whose connection it was to be.
        session: u32,
    },
    /// A server has accepted a session's connection. Only where half-open connections are measured.
    Paired {
        /// The session whose connection it is.
        session: u32,
        /// The server's number for it.
        connection: u32,
    },
    /// A balancer forwards a session's connection to another server.
    Through {
        /// The session whose connection it is.
        session: u32,
        /// The server that was chosen.
        server: u32,
    },
    /// A kernel gave up a connection because its probes were not answered. [`Event::GivenUp`] follows.
    KeepaliveFailed {
        /// The session whose connection it was.
        session: u32,
        /// Which end gave up: true for the client's.
        by_client: bool,
    },
    /// A kernel gave up a connection: its data was never acknowledged (Linux: `ETIMEDOUT`).
    GivenUp {
        /// The session whose connection it was.
        session: u32,
        /// Which end gave up: true for the client's.
        to_server: bool,
    },
}
