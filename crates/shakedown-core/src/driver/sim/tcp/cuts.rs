//! Partitions: what they keep from arriving.

use super::Tcp;
use super::segment::StallPoint;
use crate::network::Direction;

impl Tcp {
    /// Whether a partition keeps what goes over a connection from arriving.
    #[inline]
    pub(crate) fn is_cut(&self, connection: u32, way: Direction) -> bool {
        self.is_cut_at(connection, way, StallPoint::End)
    }

    /// The same of what has only the way to a point to go.
    #[inline]
    pub(crate) fn is_cut_at(&self, connection: u32, way: Direction, point: StallPoint) -> bool {
        !self.partitions.is_empty() && self.is_parted(connection, way, point)
    }

    #[cold]
    fn is_parted(&self, connection: u32, way: Direction, point: StallPoint) -> bool {
        if self.is_strangers(connection) {
            return false;
        }
        let (_, side, server) = self.stretch(connection, self.hop_to(connection, way, point));
        self.partitions.iter().any(|fault| {
            let cut = self.faults[*fault as usize].between(side, server);
            cut.is_some_and(|cut| cut.affects(way == Direction::ToServer))
        })
    }
}
