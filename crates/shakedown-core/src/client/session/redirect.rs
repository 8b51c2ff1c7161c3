//! Redirects: which are followed, their targets, and which are remembered.

use super::{Asked, Outputs, Rare, Session};
use crate::client::event::{Event, Failure, Finding};
use crate::client::group::Context;
use crate::client::policies::Form;
use crate::handshake::Mode;
use crate::http::parse_location;
use crate::machine::{CloseMode, ConnectionId, EndpointId, Output};
use crate::time::Timestamp;

impl Session {
    /// A redirect, by its status, its `Location`, and whether the connection is kept: follows it, or fails.
    pub(super) fn redirected(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        (status, location, keep): (u16, Option<&str>, bool),
        retry_after: Option<u32>,
        asked: &Asked<'_>,
        out: &mut Outputs,
    ) {
        let (endpoint, path) = match self.follow(cx, location, asked) {
            Ok(target) => target,
            Err(failure) => {
                // A client that follows none has no loops.
                let limited = failure == Failure::RedirectLimit && self.hops > 0;
                if limited && self.goes_round(cx, location, asked) {
                    out.event(Event::Found { connection: self.connection, finding: Finding::RedirectLoop });
                }
                return self.drop_and_fail(cx, now, failure, out);
            }
        };
        if cx.group.remembers.takes(status) {
            let from = (self.target(cx, asked.name), asked.path.map(String::from));
            if let Some(names) = known(cx) {
                names.redirect_cache().keep(from, (endpoint, path.clone()));
            }
        }
        let waits = cx.group.retry.honour_retry_after && retry_after.is_some();
        // A request that upgrades to TLS uses a new connection, so that nothing is sent in plain text.
        let keep = keep && cx.group.mode != Mode::TlsUpgrade;
        let here = keep && !waits && cx.group.keep_alive && endpoint == self.target(cx, asked.name);
        let visited = self.been_to(cx, asked);
        let key = self.next_key(cx, asked.key, here);
        out.event(Event::Redirected { connection: self.connection, status, endpoint: endpoint.0 });
        let name = cx.directory.name(endpoint).map(|_| endpoint);
        let c = ConnectionId(self.connection);
        if !here {
            out.push(Output::Close(c, CloseMode::Fin));
            self.leave_gate(cx, out);
            self.endpoint = endpoint.0 as u16;
        }
        self.hops += 1;
        self.rare = (path.is_some() || name.is_some() || key.is_some() || !visited.is_empty())
            .then(|| Box::new(Rare { path, name, key, visited, ..Rare::default() }));
        if here {
            out.event(Event::AskedAgain { connection: self.connection });
            self.ask(cx, c, out);
        } else {
            self.hop(cx, now, retry_after, out);
        }
    }

    /// Where a redirect leads: the server, and the request target if it is not the group's.
    fn follow(
        &self,
        cx: &Context<'_>,
        location: Option<&str>,
        asked: &Asked<'_>,
    ) -> Result<(EndpointId, Option<String>), Failure> {
        if self.hops == cx.group.redirects {
            return Err(Failure::RedirectLimit);
        }
        if location.is_some_and(|location| !cx.group.follows.contains(&Form::of(location))) {
            return Err(Failure::BadLocation);
        }
        self.resolve(cx, location, asked)
    }

    pub(super) fn resolve(
        &self,
        cx: &Context<'_>,
        location: Option<&str>,
        asked: &Asked<'_>,
    ) -> Result<(EndpointId, Option<String>), Failure> {
        let (name, path) = (asked.name, asked.path.unwrap_or(&cx.group.path));
        let base = cx.directory.authority(self.target(cx, name));
        let location = location.ok_or(Failure::BadLocation)?;
        let secure = cx.directory.secure(self.endpoint());
        let target = parse_location(location, secure, base, path).map_err(|_| Failure::BadLocation)?;
        // A redirect from `wss:` to `ws:` is not followed (RFC 6455 leaves it to the client; Python's websockets refuses, too).
        if secure && !target.secure {
            return Err(Failure::BadLocation);
        }
        let endpoint = cx.directory.find(&target.authority).ok_or(Failure::Unresolved)?;
        // Another scheme is another port, which is closed.
        if cx.directory.secure(endpoint) != target.secure {
            return Err(Failure::BadLocation);
        }
        Ok((endpoint, (target.path != cx.group.path).then(|| target.path.into_owned())))
    }

    /// Follows remembered redirects (RFC 9110 section 15.4.2) from the chosen endpoint.
    #[cold]
    pub(super) fn go_where_it_led(&mut self, cx: &mut Context<'_>) {
        let start = (self.endpoint(), None);
        let Some((endpoint, path)) = known(cx).and_then(|names| names.redirect_cache().find(&start)) else { return };
        self.endpoint = endpoint.0 as u16;
        self.rare = Some(Box::new(Rare { name: Some(endpoint), path, ..Rare::default() }));
    }
}

/// What the session's process remembers.
fn known<'c>(cx: &'c mut Context<'_>) -> Option<&'c mut crate::client::names::Names> {
    match (&mut cx.host, &mut cx.names) {
        (Some(host), _) => Some(&mut host.names),
        (None, names) => names.as_deref_mut(),
    }
}
