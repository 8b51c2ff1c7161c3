//! The clocks of a proxy's connections: how long a request may take, idle timeouts and ages of tunnels, and the deadline of
//! an old process.

use super::{Context, ForwardProxy, State};
use crate::fault::Reload;
use crate::machine::{CloseMode, ConnectionId, Ending, Ends};
use crate::server::clocks::{Due, Phase};
use crate::server::event::{Event, Outputs};
use crate::time::{Nanos, Timestamp};

impl State {
    /// Which clocks run.
    fn phase(self) -> Phase {
        match self {
            State::Reading => Phase::Awaited,
            State::Tunnel | State::Stalled => Phase::Open,
            // A worker's work comes first.
            State::Gone | State::Pending | State::Abandoned => Phase::Other,
        }
    }
}

impl ForwardProxy {
    /// Starts the time limit of a connection.
    pub(super) fn limit_time(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        if let Some(timeout) = cx.plan.config.handshake_timeout {
            self.clocks.wait(c, now + timeout);
            self.schedule(cx, out);
        }
    }

    /// When the first clock is due.
    pub(super) fn next_clock(&mut self, cx: &Context<'_>) -> Option<Timestamp> {
        self.clocks.next_due(&cx.plan.clocks, |c| self.connections.state(c).phase())
    }

    /// Bytes come to one end of a tunnel.
    pub(super) fn pass(&mut self, now: Timestamp, c: ConnectionId, bytes: &[u8], out: &mut Outputs) {
        if let Some(accepted) = self.accepted_for(c).or_else(|| c.as_own().is_none().then_some(c)) {
            self.clocks.heard(now, accepted);
        }
        if !self.relay.pass(c, bytes, out) {
            self.end_tunnel(c, CloseMode::Reset, out);
        }
    }

    /// Ends the connections whose clocks are due.
    pub(super) fn ring(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some((c, due)) = self.clocks.take(&cx.plan.clocks, now, |c| self.connections.state(c).phase()) {
            match due {
                Due::Overdue => {
                    out.event(Event::TimedOut { connection: c.0 });
                    match self.connections.partial(c) {
                        Some(_) => self.reject(c, 408, Nanos::ZERO, out),
                        None => self.close(c, CloseMode::Fin, out),
                    }
                }
                Due::End(clock, Ending { ends, code }, cause) => {
                    let how = if ends == Ends::Reset { CloseMode::Reset } else { CloseMode::Fin };
                    if self.connections.state(c) == State::Tunnel {
                        out.event(Event::EndedByClock { connection: c.0, clock, ends, code, cause });
                        self.end_tunnel(c, how, out);
                    } else {
                        self.close(c, how, out);
                    }
                }
                // A proxy reads no frames, and sends none.
                Due::Ping => {}
            }
        }
    }

    /// The process is replaced: the new one accepts from now on, and what is there stays with the old one for a time.
    pub(in crate::server) fn reload(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        reload: &Reload,
        cause: u16,
        out: &mut Outputs,
    ) {
        self.since = now;
        let there = self.connections.all();
        out.event(self.clocks.reload((cx.seed, now), reload, cause, there));
        self.schedule(cx, out);
    }
}
