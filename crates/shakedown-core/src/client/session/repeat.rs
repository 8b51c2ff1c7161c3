//! Repeated requests, and responses that the end of a connection completes.

use super::{Asked, Outputs, Session, State};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::machine::{CloseMode, ConnectionId, Output};
use crate::time::Timestamp;

impl Session {
    /// FIN, and no whole answer before it.
    pub(super) fn closed(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if !self.repeat_unanswered(cx, now, Failure::Closed, out) && !self.read_at_end(cx, now, out) {
            self.drop_and_fail(cx, now, Failure::Closed, out);
        }
    }

    /// RST, and no whole answer before it.
    pub(super) fn reset(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if !self.repeat_unanswered(cx, now, Failure::Reset, out) {
            self.fail(cx, now, Failure::Reset, out);
        }
    }

    /// The server closed before the first byte of a response: repeats the request on a new connection, if the client does that.
    fn repeat_unanswered(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) -> bool {
        let rare = self.rare.as_ref();
        let unanswered = self.state == State::Handshaking && rare.is_none_or(|rare| rare.pieces == 0);
        cx.group.repeats_closed && unanswered && self.repeat(cx, now, failure, out)
    }

    /// The connect reached its time limit: connects once more, if the client does that.
    pub(super) fn repeat_connect(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        failure: Failure,
        out: &mut Outputs,
    ) -> bool {
        failure == Failure::ConnectTimeout && cx.group.repeats_connect_timeout && self.repeat(cx, now, failure, out)
    }

    #[cold]
    fn repeat(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) -> bool {
        let spent = cx.group.open_timeout.is_some_and(|limit| now >= self.since + limit);
        if spent || self.rare.as_ref().is_some_and(|rare| rare.repeated) {
            return false;
        }
        if failure == Failure::Closed {
            out.push(Output::Close(ConnectionId(self.connection), CloseMode::Fin));
        }
        self.leave_gate(cx, out);
        out.event(Event::AttemptFailed { connection: self.connection, failure });
        let key = self.next_key(cx, self.rare.as_ref().and_then(|rare| rare.key), false);
        let rare = self.rare.get_or_insert_default();
        (rare.repeated, rare.key) = (true, key);
        self.enter(cx, now, out);
        true
    }

    /// The connection has ended, which may complete the response for a client that waits for bodies.
    fn read_at_end(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) -> bool {
        let group = cx.group;
        let Some(reading) = group.reading.as_ref().filter(|reading| reading.body) else { return false };
        let Some(mut rare) = self.rare.take() else { return false };
        let (bytes, asked): (_, Asked<'_>) = rare.asked(&[]);
        match reading.read(group.mode, || self.key(cx, asked.key).accept(), bytes, true) {
            Ok(Some((answer, _))) => {
                self.answered(cx, now, answer, &asked, out);
                true
            }
            _ => false,
        }
    }
}
