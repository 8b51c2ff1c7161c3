//! TLS that begins within HTTP (RFC 2817): the request is sent in plain text, its final response is encrypted.

use super::{Outputs, Session, State};
use crate::client::event::Failure;
use crate::client::group::Context;
use crate::handshake::Mode;
use crate::handshake::client::{Answer, read_answer, write_request};
use crate::handshake::tls::read_switch;
use crate::http::Partial;
use crate::machine::{ConnectionId, Output};
use crate::time::Timestamp;

impl Session {
    /// Sends the opening request with the offer to upgrade, without credentials, because it is not encrypted.
    #[cold]
    pub(super) fn offer_tls(&mut self, cx: &Context<'_>, c: ConnectionId, out: &mut Outputs) {
        self.state = State::Offering;
        let authority = cx.directory.authority(self.target(cx, self.rare.as_ref().and_then(|rare| rare.name)));
        let key = self.key(cx, self.rare.as_ref().and_then(|rare| rare.key));
        out.transmit(c, |bytes| write_request(bytes, Mode::TlsUpgrade, authority, self.path(cx), &key));
    }

    /// Reads the answer to the offer, as far as it has come in: TLS begins, or what was asked is answered in plain.
    #[cold]
    pub(super) fn read_offer(&mut self, cx: &mut Context<'_>, now: Timestamp, bytes: &[u8], out: &mut Outputs) {
        let mut partial = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.partial)).unwrap_or_default();
        let bytes = partial.join(bytes);
        match read_switch(bytes) {
            Ok(Some(true)) => {
                self.state = State::Securing;
                let name = self.target(cx, self.rare.as_ref().and_then(|rare| rare.name));
                out.push(Output::StartTls(ConnectionId(self.connection), name));
            }
            Ok(Some(false)) => {
                // What is asked for is TLS, and nothing without it.
                let opens = |answer| matches!(answer, Ok(Some((Answer::Open, _))));
                let key = self.rare.as_ref().and_then(|rare| rare.key);
                if opens(read_answer(Mode::TlsUpgrade, || self.key(cx, key).accept(), bytes)) {
                    return self.drop_and_fail(cx, now, Failure::Insecure, out);
                }
                self.state = State::Handshaking;
                self.read(cx, now, bytes, out);
            }
            Ok(None) => {
                let kept = bytes.to_vec();
                self.rare.get_or_insert_default().partial = Partial::from(kept);
            }
            Err(error) => self.drop_and_fail(cx, now, Failure::Invalid(error), out),
        }
    }
}
