//! What a live run is given, and what it comes to.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use shakedown_core::time::{Nanos, Timestamp};

use super::network::authority::Authority;
use super::programs::{FaultCommand, Program};
use crate::kernel::{Tap, Told};

/// Whose part of a scenario is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Clients and servers, with the network between them.
    Both,
    /// The servers, for clients that are none of the scenario's.
    Servers,
    /// The clients, against servers that are none of the scenario's.
    Clients,
}

/// What a live run needs besides its scenario.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whose part is played.
    pub part: Part,
    /// Whether every host has a kernel's network of its own, and a wire between them does what the scenario says of links.
    pub wire: bool,
    /// Who is shown the packets on the wire.
    pub tap: Option<Tap>,
    /// Where servers listen.
    pub bind: IpAddr,
    /// On which ports servers listen, by number; the others on whichever is free.
    pub ports: BTreeMap<u32, u16>,
    /// Addresses that clients connect from, in turn; empty: whichever the kernel takes.
    pub sources: Vec<IpAddr>,
    /// Where the scenario's servers and names are found, by number in the directory, if they are not the run's own.
    pub targets: BTreeMap<u32, Address>,
    /// Connections at most; more are closed as soon as they are accepted.
    pub connections_max: usize,
    /// Whether certificates are taken for what they say.
    pub insecure: bool,
    /// Who is trusted besides those whom browsers trust.
    pub roots: Vec<CertificateDer<'static>>,
    /// Who vouches for the run's own servers, where they have TLS.
    pub authority: Option<Arc<Authority>>,
    /// Servers that are programs, by number.
    pub programs: BTreeMap<u32, Program>,
    /// What faults run, by the fault's number and the server's.
    pub commands: BTreeMap<(u32, u32), FaultCommand>,
    /// On how many threads clients are played; whatever else is played has one.
    pub threads: u32,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As clients write it: `Host`, and what a certificate must be for.
    pub authority: String,
    /// What that came to.
    pub socket: SocketAddr,
    /// Whether it is dialled by `wss:`.
    pub secure: bool,
}

/// What a live run came to, besides its events.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Events.
    pub events: u64,
    /// True when the watcher ended it.
    pub partial: bool,
    /// The longest that a session's start came after its schedule: the machine was too slow, or busy.
    pub behind: Nanos,
    /// Connections that were closed at once, as there were too many.
    pub over_limit: u64,
    /// Programs that ended by themselves, by number, and how.
    pub died: Vec<(u32, String)>,
    /// What the wire counted, if there was one.
    pub told: Option<Told>,
}
