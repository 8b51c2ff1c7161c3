//! Authentication of the client, and redirect loops.

use super::{Asked, Outputs, Rare, Session};
use crate::client::event::{Event, Failure, Finding};
use crate::client::group::{Context, Credentials};
use crate::client::logins::Logins;
use crate::client::policies::{Auth, Scheme};
use crate::handshake::Mode;
use crate::http::auth::{Challenge, read_challenge, write_answer, write_basic};
use crate::http::legs::LegScheme;
use crate::machine::{CloseMode, ConnectionId, EndpointId, Output};
use crate::rng::Purpose;
use crate::time::Timestamp;

/// Challenges that are answered in a row at most: the first, and as often again as a nonce was too old already.
pub(super) const CHALLENGES: u8 = 3;

impl Session {
    /// The value of `Authorization` for the next request, if it is to have one.
    #[cold]
    pub(super) fn authorization(
        &mut self,
        cx: &mut Context<'_>,
        own: &Credentials,
        out: &mut Outputs,
    ) -> Option<String> {
        let server = self.target(cx, self.rare.as_ref().and_then(|rare| rare.name));
        let at_home = cx.group.endpoints.contains(&server);
        let value = match own.auth {
            Auth::None => None,
            Auth::First | Auth::Header => (at_home || own.across_origins).then(|| write_basic(&own.login)),
            Auth::After401 => {
                let asked = self.rare.as_ref().is_some_and(|rare| rare.challenges > 0);
                (asked && (at_home || own.across_origins)).then(|| write_basic(&own.login))
            }
            Auth::AfterChallenge => {
                let nonce = self.draw(cx, Purpose::ClientNonce, self.connection).bytes();
                let path = self.path(cx).to_string();
                let method = if cx.group.mode == Mode::ExtendedConnect { "CONNECT" } else { "GET" };
                let asked = (method, &*path);
                let leg = self.rare.as_mut().and_then(|rare| rare.leg.take());
                match leg.as_deref().and_then(read_challenge) {
                    Some(leg) => Some(write_answer(&leg, &own.login, asked, 1, nonce)),
                    None => {
                        let known = logins(cx).and_then(|logins| logins.answer(server));
                        known.map(|(challenge, uses)| write_answer(challenge, &own.login, asked, uses, nonce))
                    }
                }
            }
        };
        if value.is_some() {
            self.rare.get_or_insert_default().proven = true;
            if !at_home {
                let finding = Finding::CredentialsLeaked;
                out.event(Event::Found { connection: self.connection, finding });
            }
        }
        value
    }

    /// A 401: answers its challenge, on the same connection if that is kept, or fails.
    #[cold]
    pub(super) fn challenged(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        (text, keep): (&str, bool),
        asked: &Asked<'_>,
        out: &mut Outputs,
    ) {
        let server = self.target(cx, asked.name);
        let at_home = cx.group.endpoints.contains(&server);
        let own = cx.group.credentials.as_ref();
        // The first request of a connection that is to upgrade to TLS is in plain.
        let keep = keep && cx.group.keep_alive;
        let in_plain = !keep && cx.group.mode == Mode::TlsUpgrade;
        let answers =
            |own: &&Credentials| !in_plain && own.auth == Auth::AfterChallenge && (at_home || own.across_origins);
        let own = own.filter(answers);
        let can = |own: &Credentials, challenge: &Challenge<'_>| {
            own.schemes.contains(match challenge {
                Challenge::Basic { .. } => &Scheme::Basic,
                Challenge::Digest { .. } => &Scheme::Digest,
                Challenge::Legs { scheme: LegScheme::Ntlm, .. } => &Scheme::Ntlm,
                Challenge::Legs { scheme: LegScheme::Negotiate, .. } => &Scheme::Negotiate,
            })
        };
        let answered =
            read_challenge(text).filter(|challenge| own.is_some_and(|own| can(own, challenge))).filter(|challenge| {
                asked.challenges < CHALLENGES && (!asked.proven || challenge.is_stale() || challenge.goes_on())
            });
        // A leg is answered on its connection. Where that is gone, all begins anew on the next.
        let leg = answered.as_ref().is_some_and(|challenge| keep && challenge.goes_on());
        match answered {
            Some(challenge) => {
                if let Some(logins) = logins(cx) {
                    logins.keep(server, challenge.into_owned());
                }
            }
            None if cx.group.repeats_unauthorized && !in_plain && asked.challenges == 0 => {}
            None => {
                if let Some(logins) = logins(cx) {
                    logins.forget(server);
                }
                return self.drop_and_fail(cx, now, Failure::Unauthorized, out);
            }
        }
        let key = self.next_key(cx, asked.key, keep);
        out.event(Event::Challenged { connection: self.connection });
        self.rare = Some(Box::new(Rare {
            path: asked.path.map(String::from),
            name: asked.name,
            key,
            challenges: asked.challenges + 1,
            leg: leg.then(|| text.into()),
            visited: asked.visited.to_vec(),
            ..Rare::default()
        }));
        let c = ConnectionId(self.connection);
        if keep {
            self.ask(cx, c, out);
        } else {
            out.push(Output::Close(c, CloseMode::Fin));
            self.leave_gate(cx, out);
            self.enter(cx, now, out);
        }
    }

    /// The targets of redirects so far, without the first.
    pub(super) fn been_to(&self, cx: &Context<'_>, asked: &Asked<'_>) -> Vec<(EndpointId, Option<String>)> {
        if self.hops == 0 && asked.name.is_none() {
            return Vec::new();
        }
        let mut visited = asked.visited.to_vec();
        visited.push((self.target(cx, asked.name), asked.path.map(String::from)));
        visited
    }

    /// Whether redirects, this one included, have led twice to the same place.
    #[cold]
    pub(super) fn goes_round(&self, cx: &Context<'_>, location: Option<&str>, asked: &Asked<'_>) -> bool {
        let mut places = vec![(cx.group.endpoints[self.position as usize], None)];
        places.extend(self.been_to(cx, asked));
        places.extend(self.resolve(cx, location, asked).ok());
        places.iter().enumerate().any(|(at, place)| places[..at].contains(place))
    }
}

/// What the session's process remembers.
pub(super) fn logins<'c>(cx: &'c mut Context<'_>) -> Option<&'c mut Logins> {
    match (&mut cx.host, &mut cx.names) {
        (Some(host), _) => Some(host.names.logins()),
        (None, names) => names.as_deref_mut().map(|names| names.logins()),
    }
}
