//! The forward proxy: a server whose requests are `CONNECT`s, and whose successful responses make a tunnel to the target
//! instead of a WebSocket (RFC 9110 section 9.3.6). Credentials, queue, workers and limits are as for any server.

use super::Web;
use super::plan::Context;
use super::plan::Tunnels;
use crate::handshake::server::write_rejection;
use crate::handshake::tunnel::{authority, write_connected};
use crate::machine::{CloseMode, ConnectError, ConnectionId, Input, Output};
use crate::server::calls::Caller;
use crate::server::connections::State;
use crate::server::event::{Event, Outputs};
use crate::server::relay::Parted;
use crate::time::{Nanos, Timestamp};

impl Web {
    /// A worker is done with an accepted `CONNECT`: connects to the target.
    #[cold]
    pub(super) fn dial(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        tunnels: &Tunnels,
        done: &Caller,
        out: &mut Outputs,
    ) {
        let (c, served) = (ConnectionId(done.connection), done.served);
        if served > Nanos::ZERO {
            out.event(Event::Worked { connection: c.0, served });
        }
        let target = done.asked.path.as_deref().map(authority).and_then(|authority| cx.directory.find(authority));
        let Some(target) = target.filter(|target| cx.directory.name(*target).is_none()) else {
            // It can be reached no more than a host that refuses.
            return self.cannot_reach(c, 502, out);
        };
        let relay = self.relay.get_or_insert_default();
        let own = relay.begin(c, target.0 as usize, now + tunnels.connect_timeout);
        self.connections.turn(c, State::Tunnel);
        out.push(Output::Open(own, target));
        out.event(Event::Forwarded { connection: c.0, to: target.0 });
        self.schedule(cx, out);
    }

    fn cannot_reach(&mut self, c: ConnectionId, status: u16, out: &mut Outputs) {
        out.transmit(c, |bytes| write_rejection(bytes, status, None));
        out.event(Event::Answered { connection: c.0, status, served: Nanos::ZERO });
        self.close(c, CloseMode::Fin, out);
    }

    /// An input for a connection of a tunnel, established or not.
    #[cold]
    pub(super) fn tunnel(&mut self, cx: &Context<'_>, c: ConnectionId, input: Input<'_>, out: &mut Outputs) {
        let Some(relay) = &mut self.relay else { return };
        match input {
            Input::Received(_, bytes) => {
                if !relay.pass(c, bytes, out) {
                    self.end_tunnel(c, CloseMode::Reset, out);
                }
            }
            Input::Connected(_) => {
                let Some(own) = c.as_own() else { return };
                if let Some(accepted) = relay.accepted_for(own) {
                    out.transmit(accepted, write_connected);
                    out.event(Event::Answered { connection: accepted.0, status: 200, served: Nanos::ZERO });
                    relay.up(own, out);
                }
            }
            Input::ConnectFailed(_, why) => {
                let status = if why == ConnectError::TimedOut { 504 } else { 502 };
                self.give_up(c, status, out);
            }
            Input::Eof(_) => self.end_tunnel(c, CloseMode::Fin, out),
            _ => self.end_tunnel(c, CloseMode::Reset, out),
        }
        self.schedule(cx, out);
    }

    /// Ends connects to targets at their time limit.
    #[cold]
    pub(super) fn give_up_targets(&mut self, now: Timestamp, out: &mut Outputs) {
        while let Some(own) = self.relay.as_mut().and_then(|relay| relay.overdue(now)) {
            self.give_up(own, 504, out);
        }
    }

    /// The target of a tunnel can't be reached.
    fn give_up(&mut self, own: ConnectionId, status: u16, out: &mut Outputs) {
        if let Some(Parted { own, accepted, .. }) = self.relay.as_mut().and_then(|relay| relay.part(own)) {
            out.push(Output::Close(own, CloseMode::Fin));
            self.cannot_reach(accepted, status, out);
        }
    }

    /// One end of a tunnel has ended: ends the other in the same way.
    fn end_tunnel(&mut self, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        if let Some(Parted { own, accepted, .. }) = self.relay.as_mut().and_then(|relay| relay.part(c)) {
            out.push(Output::Close(own, how));
            self.close(accepted, how, out);
        }
    }
}
