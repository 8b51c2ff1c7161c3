//! What becomes due on the stage, besides what machines wake up for.

use crate::server::{KillReason, Probe};

/// What is due. The names say what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A fault's window begins.
    FaultBegins {
        /// The fault's index.
        fault: u32,
        /// The window's index among the fault's.
        window: u32,
    },
    /// It ends.
    FaultHeals {
        /// See [`Due::FaultBegins`].
        fault: u32,
        /// See [`Due::FaultBegins`].
        window: u32,
    },
    /// A server joins or leaves.
    Member {
        /// The server.
        server: u32,
        /// Which of it.
        step: Step,
    },
    /// A process that has something to do from its start on is started.
    Start {
        /// The server.
        server: u32,
    },
    /// A redirector hears of its targets' connections.
    Report {
        /// The redirector.
        server: u32,
    },
    /// A server's pause begins, or ends.
    Pause {
        /// The server.
        server: u32,
    },
    /// A supervisor probes a process.
    Probe {
        /// The server.
        server: u32,
        /// What it wants to know.
        probe: Probe,
        /// Of which of its processes.
        generation: u32,
    },
    /// The time for an answer is over.
    ProbeEnds {
        /// The server.
        server: u32,
        /// The probe.
        number: u32,
    },
    /// A process is killed.
    Kill {
        /// The server.
        server: u32,
        /// Why.
        reason: KillReason,
        /// Which of its processes.
        generation: u32,
    },
    /// A process that was killed is started again.
    StartAgain {
        /// The server.
        server: u32,
        /// Which of its processes was killed.
        generation: u32,
    },
    /// A closed-loop user starts its next session.
    Restart {
        /// The user's session.
        session: u32,
    },
}

/// What becomes of a server's membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Its process starts, and the registry names it.
    Joins,
    /// The registry names it no longer, and it is drained.
    Leaves,
    /// Its process ends.
    Ends,
}
