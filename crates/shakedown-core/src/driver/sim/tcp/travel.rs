//! When messages arrive.

use super::Tcp;
use super::segment::Hop;
use crate::network::Direction;
use crate::time::Timestamp;

impl Tcp {
    /// When a message that is sent now arrives; `NEVER` once its sender's kernel gives up.
    #[inline]
    pub(crate) fn arrival(&mut self, connection: u32, way: Direction) -> Timestamp {
        if self.plain {
            let entry = &mut self.connections[connection];
            entry.messages = entry.messages.wrapping_add(1);
            let arrival = self.now + entry.one_way;
            let last = entry.last_mut(way);
            *last = arrival.max(*last);
            return *last;
        }
        // Toward a balancer that is between, from either end.
        if way == Direction::ToClient && self.connections[connection].is_relayed() {
            return self.arrival_behind(connection, way, true);
        }
        self.arrival_before(connection, way)
    }

    /// The same of what goes between the caller and the host that it dialled.
    pub(crate) fn arrival_before(&mut self, connection: u32, way: Direction) -> Timestamp {
        let ordinal = self.next_ordinal(connection);
        let leaves = if self.lossy { self.repaired(connection, way, Hop::Before, ordinal) } else { self.now };
        let arrival = self.travel(connection, way, ordinal, leaves);
        let last = self.connections[connection].last_mut(way);
        *last = arrival.max(*last);
        *last
    }

    /// When the answer to a SYN arrives. Whether it does is drawn where it is sent.
    pub(crate) fn arrival_of_answer(&mut self, connection: u32) -> Timestamp {
        if self.connections[connection].is_relayed() {
            return self.arrival_behind(connection, Direction::ToClient, false);
        }
        self.arrival_of_answer_before(connection)
    }

    /// The same of what goes between the caller and the host that it dialled.
    pub(crate) fn arrival_of_answer_before(&mut self, connection: u32) -> Timestamp {
        let ordinal = self.next_ordinal(connection);
        let arrival = self.travel(connection, Direction::ToClient, ordinal, self.now);
        let last = self.connections[connection].last_mut(Direction::ToClient);
        *last = arrival.max(*last);
        *last
    }

    /// The number that keys a message's draws.
    #[inline]
    pub(crate) fn next_ordinal(&mut self, connection: u32) -> u64 {
        let entry = &mut self.connections[connection];
        entry.messages = entry.messages.wrapping_add(1);
        self.ordinal(connection)
    }

    /// That of the last message.
    #[inline]
    pub(crate) fn ordinal(&self, connection: u32) -> u64 {
        let entry = &self.connections[connection];
        u64::from(entry.client_number) << 16 | u64::from(entry.messages)
    }

    /// When a message arrives that leaves at a moment, if nothing happens to it.
    #[inline]
    pub(crate) fn travel(&self, connection: u32, way: Direction, ordinal: u64, leaves: Timestamp) -> Timestamp {
        let entry = &self.connections[connection];
        if self.plain {
            return leaves + entry.one_way;
        }
        // Asked only where jitter varies: the session lies in memory that this message need not touch.
        let jitter = self.links.jitter(entry.route, way, || (self.identity_of_peer(entry.caller), ordinal));
        let one_way = match way {
            Direction::ToClient if self.links.uneven() => self.one_way(connection, way),
            _ => entry.one_way,
        };
        let arrival = leaves + one_way + jitter;
        if self.latency_faults.is_empty() {
            return arrival;
        }
        arrival + self.delayed(connection, way, Hop::Before, one_way, leaves)
    }
}
