//! Partitions: what they keep from arriving.

use super::Tcp;
use super::segment::StallPoint;
use crate::network::Way;

impl Tcp {
    /// Whether a partition keeps what goes over a connection from arriving.
    #[inline]
    pub(crate) fn is_cut(&self, connection: u32, way: Way) -> bool {
        self.is_cut_at(connection, way, StallPoint::End)
    }

    /// The same of what has only the way to a point to go.
    #[inline]
    pub(crate) fn is_cut_at(&self, connection: u32, way: Way, point: StallPoint) -> bool {
        !self.partitions.is_empty() && self.is_parted(connection, way, point)
    }

    #[cold]
    fn is_parted(&self, connection: u32, way: Way, point: StallPoint) -> bool {
        if self.is_strangers(connection) {
            return false;
        }
        let (_, side, server) = self.stretch(connection, self.leg_to(connection, way, point));
        self.partitions.iter().any(|fault| {
            let cut = self.faults[*fault as usize].between(side, server);
            cut.is_some_and(|cut| cut.affects(way == Way::ToServer))
        })
    }
}
