//! From the choice of an endpoint to the opening request: the connect gate, TCP, a proxy, TLS.

use super::{Outputs, Session, State};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::client::race::next_block;
use crate::handshake::Mode;
use crate::handshake::client::{add_authorization, write_request};
use crate::machine::{ConnectionId, Output};
use crate::time::Timestamp;

impl Session {
    /// Connects, or waits in line for the host's gate.
    pub(super) fn enter(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if let Some(host) = &mut cx.host
            && cx.group.gate
            && !host.enter(self.endpoint(), cx.slot)
        {
            self.state = State::Gated;
            self.wake_at(Timestamp::NEVER, Timestamp::NEVER, out);
            return;
        }
        self.connect(cx, now, out);
    }

    pub(super) fn connect(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        self.connection = self.next_connection(cx);
        self.state = State::Connecting;
        out.event(Event::AttemptStarted { connection: self.connection, endpoint: u32::from(self.endpoint) });
        out.push(Output::Open(ConnectionId(self.connection), self.next_hop(cx)));
        self.wake_at(self.limited(cx, now + cx.group.connect_timeout), Timestamp::NEVER, out);
        if cx.group.race.is_some() {
            self.begin_race(cx, now, out);
        }
    }

    /// The number of the next connection.
    #[inline]
    pub(super) fn next_connection(&self, cx: &Context<'_>) -> u32 {
        if cx.group.race.is_some() { next_block(self.connection) } else { self.connection + 1 }
    }

    /// The connect failed, or took too long: goes on with another, or the attempt has failed.
    pub(super) fn connect_failed(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) {
        if !self.try_next_address(cx, now, failure, out) && !self.repeat_connect(cx, now, failure, out) {
            self.fail(cx, now, failure, out);
        }
    }

    /// TCP is established, with the proxy if there is one. The handshake's timeout counts from here in both cases.
    pub(super) fn connected(&mut self, cx: &mut Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        out.event(Event::Connected { connection: c.0 });
        match cx.group.proxy {
            None => self.begin(cx, c, out),
            Some(_) => self.ask_proxy(cx, c, out),
        }
        self.wake_at(self.limited(cx, now + cx.group.handshake_timeout), Timestamp::NEVER, out);
    }

    /// The connection to the server is established: TLS is next, if the server has it.
    pub(super) fn begin(&mut self, cx: &mut Context<'_>, c: ConnectionId, out: &mut Outputs) {
        if cx.group.mode == Mode::ExtendedConnect {
            // The host sees to that, and to the preface.
            self.state = State::Securing;
        } else if cx.directory.secure(self.endpoint()) {
            if cx.group.mode == Mode::TlsUpgrade {
                return self.offer_tls(cx, c, out);
            }
            self.state = State::Securing;
            let name = self.target(cx, self.rare.as_ref().and_then(|rare| rare.name));
            out.push(Output::StartTls(c, name));
        } else {
            self.ask(cx, c, out);
        }
    }

    /// Sends the opening request.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>, c: ConnectionId, out: &mut Outputs) {
        self.state = State::Handshaking;
        let group = cx.group;
        let authorization = group.credentials.as_ref().and_then(|own| self.authorization(cx, own, out));
        if group.mode == Mode::ExtendedConnect {
            return self.ask_to_connect(cx, c, authorization.as_deref(), out);
        }
        let authority = cx.directory.authority(self.target(cx, self.rare.as_ref().and_then(|rare| rare.name)));
        let key = self.key(cx, self.rare.as_ref().and_then(|rare| rare.key));
        let mode = match group.mode {
            // Once TLS is up it is not offered again.
            Mode::TlsUpgrade => Mode::FinalResponse,
            // A complete transaction requests no upgrade.
            Mode::Upgrade | Mode::UpgradeStrict if self.hops > 0 && !group.upgrades_redirected => Mode::FinalResponse,
            mode => mode,
        };
        out.transmit(c, |bytes| {
            write_request(bytes, mode, authority, self.path(cx), &key);
            if let Some(value) = &authorization {
                add_authorization(bytes, value);
            }
        });
    }

    /// A timeout, or the end of the time for the whole attempt if that comes first.
    pub(super) fn limited(&self, cx: &Context<'_>, timeout: Timestamp) -> Timestamp {
        cx.group.open_timeout.map_or(timeout, |limit| timeout.min(self.since + limit))
    }
}
