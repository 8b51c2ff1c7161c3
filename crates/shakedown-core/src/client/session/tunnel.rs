//! Connecting through a forward proxy: `CONNECT`, the proxy's challenge, and then the handshake with the server
//! (RFC 6455 section 4.1, item 3; RFC 9110 section 9.3.6).

use super::auth::{CHALLENGES, logins};
use super::{Outputs, Session, State};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::handshake::client::Answer;
use crate::handshake::tunnel::{read_answer, target, write_connect};
use crate::handshake::{Error, Mode};
use crate::http::Partial;
use crate::http::auth::{Challenge, read_challenge, write_answer};
use crate::machine::{CloseMode, ConnectionId, EndpointId, Output};
use crate::rng::Purpose;
use crate::time::Timestamp;

impl Session {
    /// The server of the next connection: the endpoint, or its proxy. A session begins with the proxy of its index,
    /// and uses the next one after each failed attempt.
    #[inline]
    pub(super) fn next_hop(&self, cx: &Context<'_>) -> EndpointId {
        match &cx.group.proxy {
            None => self.endpoint(),
            Some(proxy) => {
                let turn = self.index as usize + usize::from(self.attempts.saturating_sub(1));
                proxy.members[turn % proxy.members.len()]
            }
        }
    }

    /// Asks the proxy for a tunnel.
    #[cold]
    pub(super) fn ask_proxy(&mut self, cx: &mut Context<'_>, c: ConnectionId, out: &mut Outputs) {
        self.state = State::Tunnelling;
        let proxy = self.next_hop(cx);
        let target = self.tunnel_target(cx);
        let group = cx.group;
        let login = group.proxy.as_ref().and_then(|proxy| proxy.login.as_ref());
        let nonce = self.draw(cx, Purpose::ProxyClientNonce, self.connection).bytes();
        let known = login.zip(logins(cx).and_then(|logins| logins.answer(proxy)));
        let value =
            known.map(|(login, (challenge, uses))| write_answer(challenge, login, ("CONNECT", &target), uses, nonce));
        if value.is_some() {
            self.rare.get_or_insert_default().proven_to_proxy = true;
        }
        out.transmit(c, |bytes| write_connect(bytes, &target, value.as_deref()));
    }

    /// The target of the tunnel, with its port.
    fn tunnel_target(&self, cx: &Context<'_>) -> String {
        let endpoint = self.endpoint();
        // TLS that begins within HTTP begins at its port.
        let secure = cx.directory.secure(endpoint) && cx.group.mode != Mode::TlsUpgrade;
        target(cx.directory.authority(endpoint), secure)
    }

    /// Reads the proxy's answer, as far as it has come in.
    #[cold]
    pub(super) fn read_proxy(&mut self, cx: &mut Context<'_>, now: Timestamp, bytes: &[u8], out: &mut Outputs) {
        let mut partial = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.partial)).unwrap_or_default();
        let mut bytes = partial.join(bytes);
        let c = ConnectionId(self.connection);
        loop {
            match read_answer(bytes) {
                Ok(Some((Answer::Interim, len))) => bytes = &bytes[len..],
                // A client that has sent nothing gets no data.
                Ok(Some((Answer::Open | Answer::Unverified, len))) if len < bytes.len() => {
                    return self.drop_and_fail(cx, now, Failure::Invalid(Error::UnexpectedSwitch), out);
                }
                Ok(Some((Answer::Open | Answer::Unverified, _))) => {
                    out.event(Event::Tunnelled { connection: c.0 });
                    return self.begin(cx, c, out);
                }
                Ok(Some((Answer::Unauthorized { challenge, keep }, _))) => {
                    return self.challenged_by_proxy(cx, now, challenge, keep, out);
                }
                Ok(Some((Answer::Rejected { status: 407, .. }, _))) => {
                    return self.drop_and_fail(cx, now, Failure::ProxyUnauthorized, out);
                }
                Ok(Some((Answer::Rejected { status, retry_after }, _))) => {
                    return self.drop_and_fail(cx, now, Failure::ProxyRejected { status, retry_after }, out);
                }
                // No CONNECT is redirected.
                Ok(Some((Answer::Redirect { status, retry_after, .. }, _))) => {
                    return self.drop_and_fail(cx, now, Failure::ProxyRejected { status, retry_after }, out);
                }
                Ok(None) => break,
                Err(error) => return self.drop_and_fail(cx, now, Failure::Invalid(error), out),
            }
        }
        let kept = bytes.to_vec();
        self.rare.get_or_insert_default().partial = Partial::from(kept);
    }

    /// A 407: answers its challenge, on the same connection if that is kept, or fails.
    fn challenged_by_proxy(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        challenge: &str,
        keep: bool,
        out: &mut Outputs,
    ) {
        let proxy = self.next_hop(cx);
        let has_login = cx.group.proxy.as_ref().is_some_and(|proxy| proxy.login.is_some());
        let rare = self.rare.get_or_insert_default();
        let (proven, challenges) = (rare.proven_to_proxy, rare.proxy_challenges);
        let answered = read_challenge(challenge)
            .filter(|challenge| !matches!(challenge, Challenge::Legs { .. }))
            .filter(|challenge| has_login && challenges < CHALLENGES && (!proven || challenge.is_stale()));
        let Some(challenge) = answered else {
            if let Some(logins) = logins(cx) {
                logins.forget(proxy);
            }
            return self.drop_and_fail(cx, now, Failure::ProxyUnauthorized, out);
        };
        (rare.proven_to_proxy, rare.proxy_challenges) = (false, challenges + 1);
        if let Some(logins) = logins(cx) {
            logins.keep(proxy, challenge.into_owned());
        }
        out.event(Event::ProxyChallenged { connection: self.connection });
        let c = ConnectionId(self.connection);
        if keep {
            self.ask_proxy(cx, c, out);
        } else {
            out.push(Output::Close(c, CloseMode::Fin));
            self.leave_gate(cx, out);
            self.enter(cx, now, out);
        }
    }
}
