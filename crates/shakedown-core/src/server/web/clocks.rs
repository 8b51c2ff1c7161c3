//! The clocks of a web server's connections: how long a client may take to send what it has to send, heartbeats, idle
//! timeouts, ages, and the deadline of an old process.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::fault::Reload;
use crate::frame;
use crate::handshake::server::read_request_by;
use crate::machine::{CloseMode, ConnectionId, Ending, Ends};
use crate::server::clocks::{Due, Phase};
use crate::server::event::{Clock, Event, Outputs};
use crate::time::Timestamp;

impl State {
    /// Which clocks run.
    fn phase(self) -> Phase {
        match self {
            State::Reading | State::Greeting | State::Switched | State::Closing => Phase::Awaited,
            State::Open | State::Shared | State::Asking | State::Stalled | State::Ignored => Phase::Open,
            // A worker's work comes first.
            State::Gone | State::Securing | State::Pending | State::Abandoned => Phase::Other,
        }
    }
}

impl Web {
    /// Starts the time limit of a connection.
    pub(super) fn limit_time(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        if let Some(timeout) = cx.plan.handshake_timeout {
            self.clocks.wait(c, now + timeout);
            self.schedule(cx, out);
        }
    }

    /// A WebSocket is open from now on.
    pub(super) fn start_clocks(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        if cx.plan.clocks.any() || self.clocks.in_use() {
            let client = self.connections.client(c);
            self.clocks.open(cx.seed, &cx.plan.clocks, now, c, client);
            self.schedule(cx, out);
        }
    }

    /// When the first clock is due.
    pub(super) fn next_clock(&mut self, cx: &Context<'_>) -> Option<Timestamp> {
        self.clocks.next_due(&cx.plan.clocks, |c| self.connections.state(c).phase())
    }

    /// Does what the clocks that are due ask for.
    #[cold]
    pub(super) fn ring(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some((c, due)) = self.clocks.take(&cx.plan.clocks, now, |c| self.connections.state(c).phase()) {
            match due {
                Due::Overdue if self.state(c) == State::Closing => self.close(c, CloseMode::Fin, out),
                Due::Overdue => self.time_out(c, out),
                Due::Ping => out.transmit(c, |bytes| frame::write_ping(bytes, None)),
                Due::End(clock, ending, cause) => self.end_by_clock(cx, now, c, (clock, ending, cause), out),
            }
        }
    }

    /// A pong came.
    pub(super) fn pong(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        if cx.plan.clocks.heartbeat.is_some() {
            self.clocks.pong(&cx.plan.clocks, now, c);
            self.schedule(cx, out);
        }
    }

    /// A connection has taken too long to send a request.
    fn time_out(&mut self, c: ConnectionId, out: &mut Outputs) {
        out.event(Event::TimedOut { connection: c.0 });
        // One whose whole request is there waits for TLS that it was offered, and could not read HTTP.
        let partly = |bytes: &[u8]| !matches!(read_request_by(bytes, true), Ok(Some(_)));
        match self.connections.partial(c).is_some_and(partly) {
            true => self.reject(c, 408, None, out),
            false => self.close(c, CloseMode::Fin, out),
        }
    }

    fn end_by_clock(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        (clock, Ending { ends, code }, cause): (Clock, Ending, Option<u16>),
        out: &mut Outputs,
    ) {
        let state = self.state(c);
        if state == State::Open {
            out.event(Event::EndedByClock { connection: c.0, clock, ends, code, cause });
        }
        match (ends, state) {
            (Ends::Close, State::Open) => {
                out.transmit(c, |bytes| frame::write_close(bytes, code, None));
                self.connections.turn(c, State::Closing);
                self.clocks.wait(c, now + cx.plan.clocks.close_timeout);
            }
            // It is closed with the last of its streams, which have close frames of their own.
            (Ends::Close, State::Shared) => {}
            (Ends::Reset, _) => self.close(c, CloseMode::Reset, out),
            _ => self.close(c, CloseMode::Fin, out),
        }
    }

    /// The process is replaced: the new one accepts from now on, and what is open stays with the old one for a time.
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
