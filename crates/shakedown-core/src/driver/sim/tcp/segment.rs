//! What is on its way over a connection, and which part of the way.

use crate::network::Direction;

/// Something on its way to an end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    /// Bytes, by their place among the buffers.
    Data(u32),
    Fin,
    Rst,
}

/// A part of a connection's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hop {
    /// Between the caller and the host that it dialled: all of it, unless a balancer is between.
    Before,
    /// Between the balancer and the server.
    Behind,
}

impl Hop {
    /// Keeps apart what is drawn for one SYN on either hop.
    pub(crate) fn bit(self) -> u64 {
        (self as u64) << 48
    }
}

/// Where something stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StallPoint {
    /// Before the end that it is for.
    End,
    /// Before the balancer between.
    Balancer,
}

impl StallPoint {
    /// In [`super::connection::Connection`]'s flags.
    #[inline]
    pub(crate) fn bit(self, way: Direction) -> u8 {
        1 << (way as u8 + 2 * self as u8)
    }
}
