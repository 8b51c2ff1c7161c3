//! A connection through a balancer that rewrites addresses (NAT), as the balancer has it.

use crate::network::Direction;
use crate::time::{Nanos, Timestamp};

/// A connection as its balancer has it, and the hop behind. The hop before it is that of its [`Connection`](super::connection::Connection).
#[derive(Debug)]
pub(super) struct Flow {
    pub balancer: u32,
    /// Which link lies behind the balancer, and its latency toward the server.
    pub route: u16,
    pub one_way: Nanos,
    /// Latest arrivals scheduled, at the server and at the balancer.
    pub last_to_server: Timestamp,
    pub last_to_client: Timestamp,
    /// Whether the balancer still has it.
    pub known: bool,
    /// Whether it drops what comes along one that it no longer has, where it would answer with RST.
    pub dropped: bool,
    /// When something came last.
    pub heard: Timestamp,
}

impl Flow {
    /// The latest arrival scheduled in a direction.
    pub(super) fn last_mut(&mut self, way: Direction) -> &mut Timestamp {
        match way {
            Direction::ToServer => &mut self.last_to_server,
            Direction::ToClient => &mut self.last_to_client,
        }
    }
}
