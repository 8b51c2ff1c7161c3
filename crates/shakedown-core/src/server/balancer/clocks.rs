//! The clocks of connections through a balancer that terminates them: idle timeouts, ages, and the deadline of an old
//! process.

use super::{Balancer, Context};
use crate::fault::Reload;
use crate::machine::{CloseMode, ConnectionId, Ending, Ends};
use crate::network::Verdict;
use crate::rng::Identity;
use crate::server::clocks::{Due, Phase};
use crate::server::event::{Event, Outputs};
use crate::server::relay::Relay;
use crate::time::Timestamp;

fn phase(relay: &Relay, c: ConnectionId) -> Phase {
    if relay.has(c) { Phase::Open } else { Phase::Other }
}

impl Balancer {
    /// A connection is forwarded from now on.
    pub(super) fn start_clocks(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, client: Identity) {
        self.clocks.accept(c);
        if self.clocks_plan.any() {
            self.clocks.open(cx.seed, &self.clocks_plan, now, c, client);
        }
    }

    /// When the first clock is due.
    pub(super) fn next_clock(&mut self) -> Option<Timestamp> {
        self.clocks.next_due(&self.clocks_plan, |c| phase(&self.relay, c))
    }

    /// Something came over either connection of a relay.
    pub(super) fn pass(&mut self, now: Timestamp, c: ConnectionId, bytes: &[u8], out: &mut Outputs) {
        if self.clocks_plan.idle.is_some()
            && let Some(accepted) = self.accepted_for(c).or_else(|| c.as_own().is_none().then_some(c))
        {
            self.clocks.heard(now, accepted);
        }
        if !self.relay.pass(c, bytes, out) {
            self.part(now, c, CloseMode::Reset, out);
        }
    }

    /// Ends the connections whose clocks are due.
    pub(super) fn ring(&mut self, now: Timestamp, out: &mut Outputs) {
        while let Some((c, due)) = self.clocks.take(&self.clocks_plan, now, |c| phase(&self.relay, c)) {
            if let Due::End(clock, Ending { ends, code }, cause) = due {
                out.event(Event::EndedByClock { connection: c.0, clock, ends, code, cause });
                self.part(now, c, if ends == Ends::Reset { CloseMode::Reset } else { CloseMode::Fin }, out);
            }
        }
    }

    /// The process is replaced: the new one knows nothing of the connections of the old one, nor of what its checks found.
    pub(in crate::server) fn reload(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        reload: &Reload,
        cause: u16,
        out: &mut Outputs,
    ) {
        self.old = (self.relay.number(), self.relay.len());
        self.turn = 0;
        for backend in &mut self.backends {
            (backend.connections, backend.verdict) = (0, Verdict::default());
        }
        out.event(self.clocks.reload((cx.seed, now), reload, cause, self.relay.accepted()));
        self.schedule(out);
    }
}
