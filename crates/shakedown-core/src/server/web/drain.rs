//! A server that is drained: no new connections open, and those that it has are closed.

use std::collections::VecDeque;

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::frame;
use crate::machine::ConnectionId;
use crate::server::drain::Drain;
use crate::server::event::{Event, Outputs};
use crate::time::{Nanos, Timestamp};

impl Web {
    /// From now on requests are answered 503, and the connections that are open get close frames with this code, evenly
    /// spread `over` a time, the first at once.
    pub(in crate::server) fn drain(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        code: u16,
        over: Nanos,
        out: &mut Outputs,
    ) {
        let numbers = 0..self.connections.len() as u32;
        let open: VecDeque<u32> = numbers.filter(|c| self.state(ConnectionId(*c)) == State::Open).collect();
        let every = Nanos(over.0 / open.len().max(1) as u64);
        self.drain = Some(Box::new(Drain { code, next: now, every, open }));
        self.go_away(out);
        self.send_away(now, out);
        self.schedule(cx, out);
    }

    /// The drain is over: requests are answered normally.
    pub(in crate::server) fn resume(&mut self, cx: &Context<'_>, out: &mut Outputs) {
        self.drain = None;
        self.schedule(cx, out);
    }

    /// Sends the close frames that are due.
    pub(super) fn send_away(&mut self, now: Timestamp, out: &mut Outputs) {
        while let Some(drain) = &mut self.drain
            && drain.next <= now
            && let Some(connection) = drain.open.pop_front()
        {
            drain.next = drain.next + drain.every;
            let code = drain.code;
            let c = ConnectionId(connection);
            // A connection that has ended by itself leaves its turn unused.
            if self.state(c) == State::Open {
                out.event(Event::GoingAway { connection, code });
                out.transmit(c, |bytes| frame::write_close(bytes, code, None));
                self.connections.turn(c, State::Closing);
            }
        }
    }
}
