//! Connections that a server closes: those that it has when it is drained, and those that it has no room for.

use std::collections::VecDeque;

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::frame;
use crate::handshake::server::{Request, write_open};
use crate::handshake::{Key, extended};
use crate::machine::ConnectionId;
use crate::server::behavior::Choice;
use crate::server::drain::Drain;
use crate::server::event::{Event, Outputs};
use crate::server::work::Asked;
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

    /// Whether a request would be accepted, if there were room.
    pub(super) fn would_open(&self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, request: &Request<'_>) -> bool {
        let client = self.connections.client(c);
        let (behavior, verdict) = self.chosen(&mut self.firsts.clone(), cx, now, client, request);
        let choice = cx.plan.behaviors.get(behavior).map(|behavior| &behavior.choice);
        self.drain.is_none() && !verdict.refuses() && matches!(choice, None | Some(Choice::Accept))
    }

    /// Opens a connection and closes it at once: 1013, try again later. A browser's program hears no status but this one.
    #[cold]
    pub(super) fn open_then_close(
        &mut self,
        c: ConnectionId,
        (upgrade, connect): (bool, bool),
        key: &Key,
        out: &mut Outputs,
    ) {
        let mut status = 0;
        out.transmit(c, |bytes| {
            status = match connect {
                true => extended::write_open(bytes),
                false => write_open(bytes, upgrade, &key.accept()),
            };
        });
        out.event(Event::Answered { connection: c.0, status, served: Nanos::ZERO });
        out.event(Event::GoingAway { connection: c.0, code: TRY_AGAIN_LATER });
        out.transmit(c, |bytes| frame::write_close(bytes, TRY_AGAIN_LATER, None));
        self.connections.turn(c, State::Closing);
    }

    /// Whether a request is accepted when a worker is done with it.
    pub(super) fn opens(cx: &Context<'_>, asked: &Asked) -> bool {
        let choice = cx.plan.behaviors.get(asked.behavior as usize).map(|behavior| &behavior.choice);
        !asked.verdict.refuses() && matches!(choice, None | Some(Choice::Accept))
    }
}

/// RFC 6455's registry of close codes: the server is overloaded, and the client may come again later.
const TRY_AGAIN_LATER: u16 = 1013;
