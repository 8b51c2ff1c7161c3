//! HTTP/2 connections (RFC 9113) and the streams on them, each of which is answered like a connection of its own.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::h2::Frame;
use crate::handshake::extended::read_request;
use crate::machine::ConnectionId;
use crate::rng::Identity;
use crate::server::event::{Event, Outputs};
use crate::time::Timestamp;

impl Web {
    /// A connection turns out to be HTTP/2: the server says what it takes.
    #[cold]
    pub(super) fn share(&mut self, cx: &Context<'_>, c: ConnectionId, out: &mut Outputs) {
        if self.state(c) != State::Reading {
            return;
        }
        self.connections.turn(c, State::Shared);
        let (extended_connect, streams_max) = (cx.plan.extended_connect, cx.plan.streams_max);
        out.transmit(c, |bytes| Frame::Settings { extended_connect, streams_max }.write(bytes));
        if self.drain.is_some() {
            out.transmit(c, |bytes| Frame::GoAway.write(bytes));
        }
    }

    /// A stream does not count towards the limit of connections; on a connection above the limit, it is rejected.
    pub(super) fn open_stream(&mut self, c: ConnectionId, on: ConnectionId, client: Identity, out: &mut Outputs) {
        let excess = self.connections.is_excess(on);
        self.connections.insert(c, client, State::Asking, excess);
        self.streams.insert(c.0, on.0);
        if self.limits.excess.contains(&on.0) {
            self.limits.excess.insert(c.0);
        }
        out.event(Event::StreamOpened { connection: c.0, on: on.0 });
    }

    /// Reads the request on a stream.
    #[cold]
    pub(super) fn read_stream(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        fields: &[u8],
        out: &mut Outputs,
    ) {
        match read_request(fields) {
            Ok(request) if self.connections.is_excess(c) => self.overflow(cx, now, c, &request, out),
            Ok(request) => self.requested(cx, now, c, &request, false, out),
            Err(status) => {
                out.event(Event::Requested { connection: c.0, queued: false });
                self.reject(c, status, None, out);
            }
        }
    }

    /// A drain begins: no new streams, please (RFC 9113 section 6.8). What comes all the same is answered like any request.
    pub(super) fn go_away(&mut self, out: &mut Outputs) {
        for number in 0..self.connections.len() as u32 {
            let c = ConnectionId(number);
            if self.state(c) == State::Shared {
                out.transmit(c, |bytes| Frame::GoAway.write(bytes));
            }
        }
    }
}
