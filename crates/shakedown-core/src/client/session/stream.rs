//! A session on a stream of its host's HTTP/2 connection (RFC 8441).

use super::{Outputs, Session};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::handshake::{self, extended};
use crate::machine::ConnectionId;
use crate::time::Timestamp;

impl Session {
    /// The request may be sent on this stream; or never, because the server does not support extended CONNECT.
    pub(super) fn begin_stream(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        stream: Option<u32>,
        out: &mut Outputs,
    ) {
        let Some(stream) = stream else {
            return self.drop_and_fail(cx, now, Failure::Invalid(handshake::Error::NoExtendedConnect), out);
        };
        out.event(Event::StreamBegan { connection: self.connection, stream });
        self.ask(cx, ConnectionId(self.connection), out);
    }

    /// Sends the opening request as an extended CONNECT.
    pub(super) fn ask_to_connect(
        &self,
        cx: &Context<'_>,
        c: ConnectionId,
        authorization: Option<&str>,
        out: &mut Outputs,
    ) {
        let authority = cx.directory.authority(self.target(cx, self.rare.as_ref().and_then(|rare| rare.name)));
        let secure = cx.directory.secure(self.endpoint());
        out.transmit(c, |bytes| extended::write_request(bytes, secure, authority, self.path(cx), authorization));
    }
}
