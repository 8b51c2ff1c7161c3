//! TLS handshakes, and their cost for the workers.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::handshake::server::read_request_by;
use crate::handshake::tls::{is_offered, write_required, write_switch};
use crate::machine::{CloseMode, ConnectionId, Output};
use crate::server::event::{Event, Outputs, Reason, Turn};
use crate::server::limits::WhenFull;
use crate::server::queue::Job;
use crate::server::work::Work;
use crate::time::{Nanos, Timestamp};

impl Web {
    /// A `ClientHello` was read: a worker will do the key exchange and the signature, or what resuming takes.
    pub(super) fn hello(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        resumed: bool,
        out: &mut Outputs,
    ) {
        // Any other answer to a connection past the limit is HTTP, and must wait until TLS is up.
        if self.connections.is_excess(c) && cx.plan.when_full == WhenFull::Drop {
            self.connections.turn(c, State::Ignored);
            out.event(Event::Hello { connection: c.0, resumed, queued: false });
            let (reason, turn) = (Reason::ConnectionsMax, Turn::Drop);
            out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
            return;
        }
        self.connections.turn(c, State::Securing);
        let job = Job { connection: c.0, client: self.connections.client(c), work: Work::Tls { resumed }, since: now };
        self.enter(cx, now, job, false, out);
    }

    /// HTTP where TLS should come first: a request may offer it (RFC 2817 section 3.1), and is answered over it then. One that
    /// doesn't gets 426 (section 4.2), at no worker's cost.
    #[cold]
    pub(super) fn in_plain(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        bytes: &[u8],
        out: &mut Outputs,
    ) {
        let mut partial = self.connections.take_partial(c);
        let bytes = partial.join(bytes);
        let refused = match read_request_by(bytes, cx.plan.lax) {
            Ok(None) => return self.connections.keep_partial(c, bytes),
            Ok(Some(_)) if is_offered(bytes) => {
                out.transmit(c, |bytes| write_switch(bytes, cx.plan.tls));
                self.connections.keep_partial(c, bytes);
                self.connections.turn(c, State::Switched);
                return self.limit_time(cx, now, c, out);
            }
            Ok(Some(_)) => None,
            Err(refusal) => Some(refusal.status()),
        };
        out.event(Event::Requested { connection: c.0, queued: false });
        let Some(status) = refused else {
            out.transmit(c, |bytes| write_required(bytes, cx.plan.tls));
            out.event(Event::Answered { connection: c.0, status: 426, served: Nanos::ZERO });
            return self.close(c, CloseMode::Fin, out);
        };
        self.reject(c, status, None, out);
    }

    /// A worker has processed a `ClientHello`: the server's flight is sent, and the request may arrive.
    pub(super) fn answer_hello(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        served: Nanos,
        out: &mut Outputs,
    ) {
        if self.state(c) == State::Abandoned {
            out.event(Event::Wasted { connection: c.0, served });
            out.push(Output::Close(c, CloseMode::Fin));
            return self.forget(c, out);
        }
        out.event(Event::HelloAnswered { connection: c.0, served });
        out.push(Output::StartTls(c, cx.endpoint));
        self.connections.turn(c, State::Reading);
        // Its own work is none of the client's time.
        self.limit_time(cx, now, c, out);
    }
}
