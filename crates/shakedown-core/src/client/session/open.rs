//! An open session: heartbeats, frames, and the closing handshake.

use super::{Outputs, Rare, Session, State};
use crate::client::event::{End, Event};
use crate::client::group::Context;
use crate::frame::{self, FrameError, Opcode, Sender};
use crate::http::Partial;
use crate::machine::{CloseMode, ConnectionId, Output};
use crate::rng::Purpose;
use crate::time::{Nanos, Timestamp};

impl Session {
    /// Ends an open session as intended: the closing handshake of RFC 6455 section 7.
    pub(super) fn hang_up(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        /// How long a client waits for the server's close frame.
        const PATIENCE: Nanos = Nanos::from_secs(5);
        let mask = self.mask(cx, now);
        out.transmit(ConnectionId(self.connection), |bytes| frame::write_close(bytes, 1000, mask));
        out.event(Event::Ended);
        self.state = State::Closing;
        self.wake_at(now + PATIENCE, Timestamp::NEVER, out);
    }

    pub(super) fn ping(&mut self, cx: &Context<'_>, now: Timestamp, until: Timestamp, out: &mut Outputs) {
        let Some(heartbeat) = cx.group.heartbeat else { return };
        let mask = self.mask(cx, now);
        out.transmit(ConnectionId(self.connection), |bytes| frame::write_ping(bytes, mask));
        self.state = State::Pinged;
        self.wake_at(until, now + heartbeat.timeout, out);
    }

    /// Reads the frames of an open connection.
    pub(super) fn listen(&mut self, cx: &mut Context<'_>, now: Timestamp, bytes: &[u8], out: &mut Outputs) {
        let c = ConnectionId(self.connection);
        let mut rare = self.rare.take();
        let mut bytes = match rare.as_deref_mut() {
            Some(rare) => rare.partial.join(bytes),
            None => bytes,
        };
        while self.is_open() {
            let (frame, len) = match frame::read(bytes, Sender::Server) {
                Ok(Some(read)) => read,
                Ok(None) => {
                    if !bytes.is_empty() {
                        self.rare =
                            Some(Box::new(Rare { partial: Partial::from(frame::keep(bytes)), ..Rare::default() }));
                    }
                    return;
                }
                Err(error) => {
                    if error == FrameError::Mask {
                        // Section 5.1: 1002, a protocol error.
                        let mask = self.mask(cx, now);
                        out.transmit(c, |bytes| frame::write_close(bytes, 1002, mask));
                    }
                    out.push(Output::Close(c, CloseMode::Fin));
                    return self.lose(cx, now, End::BadFrame, out);
                }
            };
            bytes = &bytes[len..];
            match frame.opcode {
                Opcode::Pong => self.answered_ping(cx, now, out),
                Opcode::Ping => {
                    let mask = self.mask(cx, now);
                    out.transmit(c, |bytes| frame::write_pong(bytes, frame.payload, mask));
                }
                Opcode::Close => {
                    let code = frame.close_code();
                    let mask = self.mask(cx, now);
                    out.transmit(c, |bytes| frame::write_close(bytes, code, mask));
                    out.push(Output::Close(c, CloseMode::Fin));
                    return self.lose(cx, now, End::Close(code), out);
                }
                Opcode::Data => {}
            }
        }
    }

    fn answered_ping(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        let Some(heartbeat) = cx.group.heartbeat.filter(|_| self.state == State::Pinged) else { return };
        self.state = State::Open;
        out.event(Event::HeartbeatAnswered { connection: self.connection });
        // The deadline was counted from the ping; so is the next one. One that was due while the pong was awaited comes now.
        let sent = self.beat - heartbeat.timeout;
        self.wake_at(self.until, (sent + heartbeat.every).max(now), out);
    }

    /// A client's frames are masked with a key that is new each time (RFC 6455 section 5.3).
    fn mask(&self, cx: &Context<'_>, now: Timestamp) -> Option<[u8; 4]> {
        // Within a session, the time distinguishes masks as well as a counter would.
        let identity = cx.group.identity(self.index);
        let bits = cx.seed.draw(identity, Purpose::Mask, now.0 & ((1 << 56) - 1));
        Some((bits.0[0] as u32).to_le_bytes())
    }
}
