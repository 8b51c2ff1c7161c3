//! DNS lookups before a connect, and the remaining addresses of an answer.

use super::{Outputs, Session, State};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::machine::{ConnectionId, EndpointId, Output};
use crate::time::{Nanos, Timestamp};

impl Session {
    /// Connects to the endpoint; if it is a name, looks it up first.
    pub(super) fn dial(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if cx.directory.name(self.endpoint()).is_some() {
            self.look_up(cx, now, out);
        } else {
            self.enter(cx, now, out);
        }
    }

    /// Follows a redirect; after its `Retry-After`, if the client honours that.
    pub(super) fn hop(&mut self, cx: &mut Context<'_>, now: Timestamp, retry_after: Option<u32>, out: &mut Outputs) {
        let Some(seconds) = retry_after.filter(|seconds| *seconds > 0 && cx.group.retry.honour_retry_after) else {
            return self.dial(cx, now, out);
        };
        let delay = Nanos::from_secs(u64::from(seconds));
        out.event(Event::Hopping { delay });
        self.state = State::Hopping;
        // Where the time for the whole attempt ends before, the connect finds that out.
        self.wake_at(self.limited(cx, now + delay), Timestamp::NEVER, out);
    }

    /// Finds the endpoint's name in the cache of its process, or looks it up.
    #[cold]
    fn look_up(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        let known = match (&cx.host, &cx.names) {
            (Some(host), _) => Some(&host.names),
            (None, names) => names.as_deref(),
        };
        if let Some(addresses) = known.and_then(|names| names.find(self.endpoint(), now)) {
            self.take(cx.group.next_address, addresses);
            return self.enter(cx, now, out);
        }
        self.state = State::Resolving;
        let connection = self.next_connection(cx);
        out.event(Event::Resolving { connection, name: u32::from(self.endpoint) });
        out.push(Output::Resolve(ConnectionId(connection), self.endpoint()));
        self.wake_at(self.limited(cx, now + cx.group.dns_timeout), Timestamp::NEVER, out);
    }

    pub(super) fn resolved(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        addresses: &[EndpointId],
        ttl: Nanos,
        out: &mut Outputs,
    ) {
        let (name, count) = (self.endpoint(), addresses.len() as u16);
        let connection = self.next_connection(cx);
        out.event(Event::Resolved { connection, name: name.0, addresses: count, ttl });
        let names = match (&mut cx.host, &mut cx.names) {
            (Some(host), _) => Some(&mut host.names),
            (None, names) => names.as_deref_mut(),
        };
        if let Some(names) = names {
            names.keep(name, addresses, (now, ttl), cx.group.dns_cache);
        }
        self.take(cx.group.next_address, addresses);
        self.enter(cx, now, out);
    }

    /// Takes the first address of an answer, and keeps the others in case it fails.
    fn take(&mut self, next_address: bool, addresses: &[EndpointId]) {
        self.endpoint = addresses[0].0 as u16;
        if next_address && addresses.len() > 1 {
            self.rare.get_or_insert_default().untried = addresses[1..].iter().rev().copied().collect();
        }
    }

    /// After a failed connect, continues with the next address of the answer, if there is one: at once, as an attempt
    /// that needs no retry.
    pub(super) fn try_next_address(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        failure: Failure,
        out: &mut Outputs,
    ) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let spent = cx.group.open_timeout.is_some_and(|limit| now >= self.since + limit);
        let Some(next) = rare.untried.pop().filter(|_| !spent) else { return false };
        self.leave_gate(cx, out);
        out.event(Event::AttemptFailed { connection: self.connection, failure });
        self.endpoint = next.0 as u16;
        self.enter(cx, now, out);
        true
    }

    /// The target of the session: the endpoint it chose, or where a redirect led (`name`, if that was a name, or if
    /// it is remembered).
    #[inline]
    pub(super) fn target(&self, cx: &Context<'_>, name: Option<EndpointId>) -> EndpointId {
        match (name, self.hops) {
            (Some(name), _) => name,
            (None, 0) => cx.group.endpoints[self.position as usize],
            (None, _) => self.endpoint(),
        }
    }
}
