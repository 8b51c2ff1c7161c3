//! Parties that somebody else plays: sessions and servers in whose place programs run that are none of the simulator's.
//!
//! Their hosts, connections and times are simulated as everyone's. What a program hears is an [`Effect`], which its driver
//! takes; what it says, the driver gives back by the methods of [`Simulation`](super::Simulation). Nothing of this exists
//! where all parties are the simulator's own.

use std::collections::{BTreeMap, BTreeSet};

use crate::rng::Identity;

/// A connection with an external end. No number is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExternalId(pub(super) u64);

/// What the driver of external parties is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A session of an external group has arrived.
    Arrived {
        /// The client group's index.
        group: u16,
        /// The session's index within the group.
        index: u32,
        /// The session's number in the run.
        session: u32,
    },
    /// A SYN is at an external server's host. It waits for `external_answers`.
    Dialled {
        /// The connection.
        id: ExternalId,
        /// The server's index.
        server: u32,
    },
    /// Bytes have come.
    Received {
        /// The connection.
        id: ExternalId,
        /// What came, in order.
        bytes: Vec<u8>,
    },
    /// FIN has come; or RST, or the host is off, after which the connection is no more.
    Ended {
        /// The connection.
        id: ExternalId,
        /// By RST, not FIN.
        reset: bool,
    },
    /// The process of an external server is gone, and its host's kernel with it or not.
    Lost {
        /// The server's index.
        server: u32,
        /// Whether its host's kernel still answers.
        kernel_lives: bool,
    },
    /// It is started anew.
    Started {
        /// The server's index.
        server: u32,
    },
    /// It is stopped, or goes on.
    Hung {
        /// The server's index.
        server: u32,
        /// Whether it is stopped now.
        hung: bool,
    },
    /// The links that a fault is about are cut, or whole again.
    Parted {
        /// The fault's index.
        fault: u32,
        /// Whether they are cut now.
        parted: bool,
    },
}

/// How a program ends its end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalEnd {
    /// FIN: it says no more, and may still listen.
    Fin,
    /// RST.
    Reset,
    /// It neither says nor hears any more.
    Closed,
}

/// Who is external, and what happens between them and the others.
#[derive(Debug)]
pub(super) struct External {
    pub groups: BTreeSet<u16>,
    pub servers: BTreeSet<u32>,
    /// The slot among the servers that has the connections which programs open.
    pub caller: u32,
    pub connections: BTreeMap<ExternalId, Entry>,
    /// By place in the slab.
    pub ids: BTreeMap<u32, ExternalId>,
    /// Numbers used.
    pub used: u64,
    /// Connections that programs opened.
    pub opened: u32,
    pub effects: Vec<Effect>,
}

/// A connection with an external end. Its place in the slab stays taken for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub connection: u32,
    /// The server's end is external, and not the one that opened it.
    pub at_server: bool,
    /// The SYN is answered.
    pub answered: bool,
    /// The program has ended what it says.
    pub ended: bool,
    /// The address that it comes from.
    pub address: Identity,
}

impl External {
    /// Whether a program plays a server, or is in its place as one that opens connections.
    #[cold]
    pub(super) fn plays(&self, server: u32) -> bool {
        self.caller == server || self.servers.contains(&server)
    }
}
