//! Partitions: what they keep from arriving, and until when.

use super::engine::{Due, Engine};
use super::lines::LineId;
use shakedown_core::event::Kind;
use shakedown_core::network::{Event, Way};

impl Engine {
    /// Whether a partition keeps what goes this way from arriving.
    pub(super) fn is_cut(&self, id: LineId, way: Way) -> bool {
        if self.partitions.is_empty() {
            return false;
        }
        let (Some(side), Some(line)) = (self.side(id), self.lines.get(&id)) else { return false };
        self.partitions.iter().any(|fault| {
            let cut = self.faults[*fault as usize].between(side, line.server);
            cut.is_some_and(|cut| cut.affects(way == Way::ToServer))
        })
    }

    /// It meets a partition: its sender's kernel will send it again.
    pub(super) fn stall(&mut self, id: LineId, way: Way) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let rto = line.rto();
        line.lane(way).stalled = Some(rto);
        let (server, session) = (line.server, line.code());
        self.record(Kind::Network(server, Event::Stalled { session, to_server: way == Way::ToServer }));
        self.push(self.now + rto.length(), Due::Retransmission { line: id, way });
    }

    pub(super) fn retransmitted(&mut self, id: LineId, way: Way) {
        let cut = self.is_cut(id, way);
        let Some(line) = self.lines.get_mut(&id) else { return };
        let lane = line.lane(way);
        let Some(rto) = lane.stalled else { return };
        if cut && lane.waits() {
            lane.stalled = Some(rto.doubled());
            return self.push(self.now + rto.doubled().length(), Due::Retransmission { line: id, way });
        }
        lane.stalled = None;
        self.arrived(id, way);
    }
}
