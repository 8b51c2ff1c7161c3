//! What a few sessions' connections carried, message by message: for whoever draws it, or writes it as a capture.

use crate::time::Timestamp;

/// An end of a message's way, or of a part of it.
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

/// What became of a transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The run ended, or the connection, before anything did.
    UnderWay,
    /// It got there at this moment.
    Arrived(Timestamp),
    /// A link or a full queue in front of one lost it.
    Lost,
    /// Nobody answers it: no power, a partition between, or an accept queue that is full.
    Unanswered,
}

/// A message leaves its sender's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmission {
    /// When.
    pub left: Timestamp,
    /// What became of it.
    pub fate: Fate,
}

/// A message of one connection between two hosts. Behind a balancer that rewrites addresses it is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The driver's number for the session.
    pub session: u32,
    /// The session's number for the connection; they count from 1. A connection that a balancer opens for it has the same.
    pub connection: u32,
    /// Who sends it.
    pub from: Party,
    /// Whom it is for.
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
