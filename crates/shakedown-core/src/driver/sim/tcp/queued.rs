//! What is pending in the queue.

use super::connection::PeerId;
use super::segment::StallPoint;
use crate::driver::names::Step;
use crate::driver::stage::Due;
use crate::network::Direction;
use crate::time::Timestamp;

/// What is pending. The names say what happens when it is due. What goes to a caller names it, though its connection does,
/// too: so that both can be fetched from memory at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Queued {
    /// The stage has something to do.
    Stage(Due),
    SessionWake {
        session: u32,
    },
    ServerWake {
        server: u32,
    },
    Syn {
        connection: u32,
    },
    SynAck {
        connection: u32,
        caller: PeerId,
    },
    SynRefused {
        connection: u32,
    },
    SynGivenUp {
        connection: u32,
    },
    /// A connect fails at once: its address has no port left.
    NoPort {
        connection: u32,
    },
    ToServer {
        connection: u32,
        segment: u32,
    },
    ToClient {
        connection: u32,
        caller: PeerId,
        segment: u32,
    },
    FinToServer {
        connection: u32,
    },
    FinToClient {
        connection: u32,
    },
    RstToServer {
        connection: u32,
    },
    RstToClient {
        connection: u32,
    },
    /// A SYN arrives behind a balancer that rewrites addresses.
    SynBehind {
        connection: u32,
    },
    /// What goes through such a balancer arrives there: the answer to a SYN, data, FIN or RST.
    RelayAnswer {
        connection: u32,
        refused: bool,
    },
    Relay {
        connection: u32,
        segment: u32,
        way: Direction,
    },
    RelayEnd {
        connection: u32,
        way: Direction,
        reset: bool,
    },
    /// What stalled leaves once more, and would arrive now.
    Retransmitted {
        connection: u32,
        way: Direction,
        point: StallPoint,
    },
    /// A message comes to the next place on its way, where bandwidth is limited.
    Hop {
        transmission: u32,
    },
    /// A kernel gives a connection up.
    GivenUp {
        connection: u32,
        way: Direction,
    },
    /// The answer to a session's lookup arrives.
    Answer {
        name: u16,
        session: u32,
        connection: u32,
    },
    /// Something is due of names.
    Names(Step),
    /// The first clock of a connection through a balancer, or of its kernels, is due.
    Clocks,
    /// Sessions are told what happened to streams of theirs.
    Notify,
    /// A connection that carries streams has had none for some time.
    Idle {
        connection: u32,
        since: Timestamp,
    },
}

/// The fewer bytes, the more of the queue is at hand.
const _: () = assert!(size_of::<Queued>() == 16);
