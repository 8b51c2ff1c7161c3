//! Connects: what becomes of a SYN on its way and at its host, and when it is repeated.

use super::Part;
use super::engine::{Due, Engine};
use super::lines::{Line, LineId, Parcel};
use shakedown_core::event::Kind;
use shakedown_core::machine::ConnectError;
use shakedown_core::network::{Event, Way};
use shakedown_core::time::{Nanos, Timestamp};

impl Engine {
    /// A SYN comes to its host: silence, or whatever the kernels make of it.
    pub(super) fn syn(&mut self, id: LineId) {
        let Some(line) = self.lines.get(&id) else { return };
        let (server, session) = (line.server, line.code());
        let powered = self.part != Part::Both || self.servers[server as usize].host.powered();
        if line.client_closed {
            // The session gave up before it came.
            return;
        }
        if powered && !self.is_cut(id, Way::ToServer) {
            if self.lines.get(&id).is_some_and(Line::is_up) {
                // A full queue dropped the answer to an earlier one.
                return self.deliver(id, Way::ToClient, Parcel::Connected);
            }
            return self.connect(id);
        }
        self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }));
        self.repeat_syn(id);
    }

    /// Silence: the client's kernel repeats the SYN, by its schedule, until it gives up.
    pub(super) fn repeat_syn(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.syns += 1;
        let (opened, syns) = (line.opened, line.syns);
        match self.syn_schedule.repetition(syns) {
            Some(after) if self.bottlenecks.is_some() => self.queue_syn(id, opened + after),
            Some(after) => {
                let arrives = self.arrival_of_repeated_syn(id, opened + after);
                self.push(arrives.max(self.now), Due::Syn { line: id });
            }
            None => {
                let at = (opened + self.syn_schedule.gives_up()).max(self.now);
                let at = self.in_order(id, Way::ToClient, at);
                self.put(id, Way::ToClient, at, Parcel::Failed(ConnectError::TimedOut));
            }
        }
    }

    /// When a repeated SYN arrives that leaves at a moment. It has no jitter.
    pub(super) fn arrival_of_repeated_syn(&self, id: LineId, leaves: Timestamp) -> Timestamp {
        let one_way = self.lines.get(&id).map_or(Nanos::ZERO, |line| line.one_way(Way::ToServer));
        leaves + one_way + self.delay(id, Way::ToServer, leaves)
    }
}
