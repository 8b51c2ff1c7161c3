//! The messages of some sessions' connections, for sequence diagrams and captures.

use crate::time::Timestamp;

/// An end of a message's path, or of one hop of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The session's host.
    Client,
    /// A server's or a balancer's, by its number in the scenario.
    Server(u32),
}

/// What TCP sends. Acknowledgements without data are not simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The first of a connect.
    Syn,
    /// The answer to it.
    SynAck,
    /// Data.
    Data,
    /// The end of what one side sends.
    Fin,
    /// The end of the connection; where it answers a SYN, a refusal.
    Rst,
}

/// The fate of a transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The run or the connection ended before it arrived.
    UnderWay,
    /// It arrived at this time.
    Arrived(Timestamp),
    /// It was lost on a link, or dropped by a full queue in front of one.
    Lost,
    /// It was dropped without an answer: no power, a partition, or a full accept queue.
    Unanswered,
}

/// A message leaves its sender's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmission {
    /// When.
    pub left: Timestamp,
    /// Its fate.
    pub fate: Fate,
}

/// A message of one connection between two hosts. Each hop through a balancer that rewrites addresses is a message of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The driver's number for the session.
    pub session: u32,
    /// The session's number for the connection; they count from 1. A connection that a balancer opens for it has the same.
    pub connection: u32,
    /// The sender.
    pub from: Party,
    /// The receiver.
    pub to: Party,
    /// What it is.
    pub flag: Flag,
    /// Bytes of payload. A TLS flight's, and those of an HTTP/2 field section, are not those in [`Message::bytes`].
    pub payload: usize,
    /// The payload; of a TLS flight what [`crate::tls::Flight::write`] stands for it with, of HTTP/2 a frame by
    /// [`crate::h2::Frame::write`].
    pub bytes: Vec<u8>,
    /// How many events of the run came before it.
    pub after: u64,
    /// How often its sender's kernel sent it. There is at least one.
    pub transmissions: Vec<Transmission>,
}
