//! Responses with flaws are sent at their pace.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::frame;
use crate::machine::{CloseMode, ConnectionId};
use crate::server::event::{Event, Outputs};
use crate::server::response_flaws::{CloseConfig, End, ResponseFlaws, Step, Then};
use crate::time::{Nanos, Timestamp};

impl Web {
    /// Sends an answer with its flaws, at its pace.
    #[cold]
    pub(super) fn deliver(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        flaws: &ResponseFlaws,
        (mut bytes, is_head, opens): (Vec<u8>, bool, bool),
        out: &mut Outputs,
    ) {
        if is_head {
            flaws.answer.apply(&mut bytes, opens);
        }
        let delivery = &flaws.delivery;
        let mut end = if opens { End::Open(flaws.close) } else { End::Close(CloseMode::Fin) };
        if let Some(cut) = delivery.cut {
            bytes.truncate(cut as usize);
            end = match delivery.then.unwrap_or_default() {
                Then::Fin => End::Close(CloseMode::Fin),
                Then::Reset => End::Close(CloseMode::Reset),
                Then::Silence => End::Silence,
            };
        }
        let piece = delivery.bytes.map_or(bytes.len(), |piece| piece as usize).max(1);
        self.connections.turn(c, State::Stalled);
        self.write_on((cx, now), c, (bytes, 0), (piece, delivery.every.unwrap_or_default()), end, out);
    }

    fn write_on(
        &mut self,
        (cx, now): (&Context<'_>, Timestamp),
        c: ConnectionId,
        (bytes, mut sent): (Vec<u8>, usize),
        (piece, every): (usize, Nanos),
        end: End,
        out: &mut Outputs,
    ) {
        while sent < bytes.len() {
            let next = (sent + piece).min(bytes.len());
            out.transmit(c, |wire| wire.extend_from_slice(&bytes[sent..next]));
            sent = next;
            if every > Nanos::ZERO && sent < bytes.len() {
                return self.later.add(c, now + every, Step::Write { bytes, sent, piece, every, end });
            }
        }
        match end {
            End::Open(close) => {
                self.connections.turn(c, State::Open);
                self.opened(c, out);
                self.start_clocks(cx, now, c, out);
                if let Some(CloseConfig { after, code }) = close {
                    self.later.add(c, now + after, Step::Close { code });
                }
            }
            End::Close(how) => self.close(c, how, out),
            End::Silence => {}
        }
    }

    /// Does what is due for single connections.
    #[cold]
    pub(super) fn go_on(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some((c, step)) = self.later.take(now) {
            match step {
                Step::Write { bytes, sent, piece, every, end } => {
                    self.write_on((cx, now), c, (bytes, sent), (piece, every), end, out);
                }
                // A drain may have been earlier.
                Step::Close { code } if self.state(c) == State::Open => {
                    out.event(Event::GoingAway { connection: c.0, code });
                    out.transmit(c, |bytes| frame::write_close(bytes, code, None));
                    self.connections.turn(c, State::Closing);
                }
                Step::Close { .. } => {}
            }
        }
    }
}
