//! Conservation: in the quiet phase at the end of a run, both ends of every connection agree that it exists.
//!
//! Every connection that a server has accepted must belong to a session that is open on it or is opening, to a
//! balancer or a proxy that forwards a client, or to a server that calls. Every session that considers itself open must be
//! known to the server it connected to, and to the one behind a balancer or a proxy. HTTP/2 connections belong to
//! hosts, which no event shows: the streams on them are counted instead.
//!
//! A connection in transit is missing at one end. So only connections that are missing at every moment of the quiet phase
//! count. Where sessions end all the time, some are always in transit. But each of them has also begun, and a
//! beginning is longer in transit (a round trip until the server has it, and another until the session is open)
//! than an end, so the beginnings outweigh the ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::client;
use crate::event::Kind;
use crate::fault;
use crate::network::{self, HOST, SERVER};
use crate::server;
use crate::time::Timestamp;

/// No server.
const NOWHERE: u16 = u16::MAX;
/// At one of the proxies: which one is known once that passes the session on.
const ANY_PROXY: u16 = u16::MAX - 1;

/// The servers of a session's connection, as known from events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claim {
    /// The end of its own connection.
    first: u16,
    /// The server behind that, if something is between and that is known.
    last: u16,
    open: bool,
}

const NO_CLAIM: Claim = Claim { first: NOWHERE, last: NOWHERE, open: false };

/// One server's connections as each side counts them, and the minimum of the differences in the quiet phase.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    /// The server's own count: connections that it has accepted, or whose packets it forwards, and that are not closed;
    /// streams instead of HTTP/2 connections.
    accepted: i64,
    /// Sessions whose own connection goes there, or is in transit.
    claimed: i64,
    /// Connections that others forward to it, and calls of it.
    passed_on: i64,
    /// Sessions that consider themselves open there, or through there.
    believed: i64,
    /// The minimum of connections without an owner, and of sessions that it does not know, at any moment since.
    surplus: Option<i64>,
    deficit: Option<i64>,
    /// Since when the counts are what they are.
    since: Timestamp,
}

/// What is missing at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    /// The server.
    pub server: u32,
    /// How many.
    pub count: i64,
    /// True if the server has more connections than its peers, false if it has fewer.
    pub surplus: bool,
}

/// The counts of a run.
#[derive(Debug)]
pub(super) struct Conservation {
    quiet: Timestamp,
    /// By server.
    accounts: Vec<Account>,
    /// By session.
    claims: Vec<Claim>,
    /// Which servers are forward proxies, and which client groups come by them.
    proxies: Vec<u32>,
    by_proxy: Vec<bool>,
    /// Sessions that connect to some proxy.
    at_any_proxy: i64,
    /// The connections that carry streams, as servers number them.
    carriers: BTreeSet<(u32, u32)>,
    /// The connections that servers forward, and their targets.
    passed_on: BTreeMap<(u32, u32), u32>,
    /// The calls in progress for servers' requests, and their callers.
    calls: BTreeMap<(u32, u32), VecDeque<u32>>,
}

impl Conservation {
    /// For a run with so many servers.
    pub(super) fn new(servers: usize, quiet: Timestamp) -> Conservation {
        Conservation {
            quiet,
            accounts: vec![Account::default(); servers],
            claims: Vec::new(),
            proxies: Vec::new(),
            by_proxy: Vec::new(),
            at_any_proxy: 0,
            carriers: BTreeSet::new(),
            passed_on: BTreeMap::new(),
            calls: BTreeMap::new(),
        }
    }

    /// The servers that are forward proxies, and which client groups come by them.
    pub(super) fn with_proxies(
        self,
        proxies: impl Iterator<Item = u32>,
        groups: impl Iterator<Item = bool>,
    ) -> Conservation {
        Conservation { proxies: proxies.collect(), by_proxy: groups.collect(), ..self }
    }

    /// The counts of a server were what they are until now.
    fn settle(&mut self, at: Timestamp, server: usize) {
        let elsewhere = if self.proxies.contains(&(server as u32)) { self.at_any_proxy } else { 0 };
        let quiet = self.quiet;
        let Some(account) = self.accounts.get_mut(server) else { return };
        if at > account.since && at > quiet {
            let surplus = (account.accepted - account.claimed - account.passed_on - elsewhere).max(0);
            let deficit = (account.believed - account.accepted).max(0);
            account.surplus = Some(account.surplus.map_or(surplus, |least| least.min(surplus)));
            account.deficit = Some(account.deficit.map_or(deficit, |least| least.min(deficit)));
        }
        account.since = at;
    }

    fn change(&mut self, at: Timestamp, server: u32, change: impl FnOnce(&mut Account)) {
        self.settle(at, server as usize);
        if let Some(account) = self.accounts.get_mut(server as usize) {
            change(account);
        }
    }

    /// A session's connection changed.
    fn claim(&mut self, at: Timestamp, session: u32, to: Claim) {
        if self.claims.len() <= session as usize {
            self.claims.resize(session as usize + 1, NO_CLAIM);
        }
        let from = std::mem::replace(&mut self.claims[session as usize], to);
        self.count(at, from, -1);
        self.count(at, to, 1);
    }

    fn count(&mut self, at: Timestamp, claim: Claim, by: i64) {
        match claim.first {
            NOWHERE => return,
            ANY_PROXY => {
                for proxy in 0..self.proxies.len() {
                    self.settle(at, self.proxies[proxy] as usize);
                }
                self.at_any_proxy += by;
            }
            first => self.change(at, first.into(), |account| account.claimed += by),
        }
        if claim.open {
            self.change(at, claim.first.into(), |account| account.believed += by);
            if claim.last != claim.first {
                self.change(at, claim.last.into(), |account| account.believed += by);
            }
        }
    }

    fn claim_of(&self, session: u32) -> Claim {
        self.claims.get(session as usize).copied().unwrap_or(NO_CLAIM)
    }

    /// Something happens elsewhere than to a session.
    pub(super) fn record(&mut self, at: Timestamp, kind: Kind) {
        match kind {
            Kind::Server(server, event) => self.server(at, server, event),
            Kind::Network(relay, network::Event::Through { session, server }) => {
                self.through(at, relay, session, server);
            }
            Kind::Fault(_, fault::Event::Began { server, kind }) if kind.takes_down() && !kind.revives() => {
                self.process_ended(at, server);
            }
            _ => {}
        }
    }

    /// Something happens to a session of a client group.
    pub(super) fn session(&mut self, at: Timestamp, session: u32, group: u16, event: client::Event) {
        let by_proxy = self.by_proxy.get(usize::from(group)).copied().unwrap_or(false);
        let now = self.claim_of(session);
        let next = match event {
            client::Event::AttemptStarted { endpoint, .. } if by_proxy => {
                Claim { first: ANY_PROXY, last: endpoint as u16, open: false }
            }
            client::Event::AttemptStarted { endpoint, .. } => {
                Claim { first: endpoint as u16, last: NOWHERE, open: false }
            }
            client::Event::RaceWon { endpoint, .. } => Claim { first: endpoint as u16, last: NOWHERE, open: false },
            // With no attempt of its own it goes by the connection that it had.
            client::Event::Opened { endpoint, .. } if now.first == NOWHERE => {
                Claim { first: endpoint as u16, last: NOWHERE, open: true }
            }
            client::Event::Opened { .. } => Claim { open: true, ..now },
            client::Event::Lost { .. }
            | client::Event::AttemptFailed { .. }
            | client::Event::Ended
            | client::Event::GaveUp => NO_CLAIM,
            _ => return,
        };
        self.claim(at, session, next);
    }

    /// A server forwards a connection that this caller opened.
    fn through(&mut self, at: Timestamp, relay: u32, caller: u32, to: u32) {
        if caller & (SERVER | HOST) != 0 {
            return;
        }
        let now = self.claim_of(caller);
        let is_proxy = |server: u16| self.proxies.contains(&server.into());
        // A late forward of a finished attempt says nothing about the next attempt.
        if now.open {
        } else if is_proxy(relay as u16) && (now.first == ANY_PROXY || is_proxy(now.first)) {
            self.claim(at, caller, Claim { first: relay as u16, ..now });
        } else if u32::from(now.first) == relay {
            self.claim(at, caller, Claim { last: to as u16, ..now });
        }
    }

    /// Something happens at a server.
    fn server(&mut self, at: Timestamp, server: u32, event: server::Event) {
        use server::Event;
        match event {
            Event::Accepted { .. } | Event::FlowBegan { .. } => {
                self.change(at, server, |account| account.accepted += 1);
            }
            Event::Closed { connection } | Event::FlowEnded { connection } => {
                if !self.carriers.remove(&(server, connection)) {
                    self.change(at, server, |account| account.accepted -= 1);
                }
                self.part(at, (server, connection));
            }
            Event::Forwarded { connection, to } => {
                self.part(at, (server, connection));
                self.passed_on.insert((server, connection), to);
                self.change(at, to, |account| account.passed_on += 1);
            }
            Event::StreamOpened { on, .. } => {
                let carries_others = !self.carriers.insert((server, on));
                self.change(at, server, |account| account.accepted += i64::from(carries_others));
            }
            Event::StreamClosed { .. } => self.change(at, server, |account| account.accepted -= 1),
            Event::Called { connection, endpoint } => {
                self.calls.entry((server, connection)).or_default().push_back(endpoint);
                self.change(at, endpoint, |account| account.passed_on += 1);
            }
            Event::CallEnded { connection, .. } => {
                if let Some(called) = self.calls.get_mut(&(server, connection)).and_then(VecDeque::pop_front) {
                    self.change(at, called, |account| account.passed_on -= 1);
                }
            }
            // It ended its process; what it held is gone.
            Event::Left | Event::Killed { .. } => self.process_ended(at, server),
            _ => {}
        }
    }

    /// A server no longer forwards a connection.
    fn part(&mut self, at: Timestamp, connection: (u32, u32)) {
        if let Some(to) = self.passed_on.remove(&connection) {
            self.change(at, to, |account| account.passed_on -= 1);
        }
    }

    /// A server's process is gone, and all that it held.
    fn process_ended(&mut self, at: Timestamp, server: u32) {
        self.change(at, server, |account| account.accepted = 0);
        let all = (server, 0)..=(server, u32::MAX);
        self.carriers.retain(|(owner, _)| *owner != server);
        let passed_on: Vec<_> = self.passed_on.range(all.clone()).map(|(connection, _)| *connection).collect();
        for connection in passed_on {
            self.part(at, connection);
        }
        let calling: Vec<_> = self.calls.range(all).map(|(connection, _)| *connection).collect();
        for called in
            calling.iter().filter_map(|connection| self.calls.remove(connection)).flatten().collect::<Vec<_>>()
        {
            self.change(at, called, |account| account.passed_on -= 1);
        }
    }

    /// What was missing at every moment of the quiet phase.
    pub(super) fn finish(mut self, end: Timestamp) -> Vec<Missing> {
        let mut all = Vec::new();
        for number in 0..self.accounts.len() {
            self.settle(end, number);
            let Account { surplus, deficit, .. } = self.accounts[number];
            let missing = [(surplus, true), (deficit, false)];
            let found = missing.into_iter().filter_map(|(count, surplus)| Some((count.filter(|c| *c > 0)?, surplus)));
            all.extend(found.map(|(count, surplus)| Missing { server: number as u32, count, surplus }));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{End, Event as Session};
    use crate::server::{CallOutcome, Event as Server};
    use crate::time::Nanos;

    /// What happens, in the words of events.
    #[derive(Clone, Copy)]
    enum Step {
        /// Of session 0, of a group that connects by itself.
        By(Session),
        /// Of session 1, of a group that comes by proxies.
        ByProxy(Session),
        At(u32, Server),
        Through(u32, u32, u32),
        Gone(u32),
    }
    use Step::{At, By, ByProxy, Gone, Through};

    /// Of four servers, 2 is a balancer and 3 a proxy. Each step is a millisecond after the one before; all must be quiet
    /// from the last on, for a second.
    fn missing(steps: &[Step]) -> Vec<(u32, i64, bool)> {
        let ms = |n: usize| Timestamp::ZERO + Nanos::from_millis(n as u64);
        let mut accounts =
            Conservation::new(4, ms(steps.len())).with_proxies([3].into_iter(), [false, true].into_iter());
        for (number, step) in steps.iter().enumerate() {
            let at = ms(number);
            match *step {
                By(event) => accounts.session(at, 0, 0, event),
                ByProxy(event) => accounts.session(at, 1, 1, event),
                At(server, event) => accounts.server(at, server, event),
                Through(relay, caller, to) => accounts.through(at, relay, caller, to),
                Gone(server) => accounts.process_ended(at, server),
            }
        }
        let all = accounts.finish(ms(steps.len() + 1000)).into_iter();
        all.map(|missing| (missing.server, missing.count, missing.surplus)).collect()
    }

    fn started(endpoint: u32) -> Session {
        Session::AttemptStarted { connection: 1, endpoint }
    }

    fn opened(endpoint: u32) -> Session {
        Session::Opened { connection: 1, endpoint }
    }

    const LOST: Session = Session::Lost { connection: 1, end: End::Reset };
    const ACCEPTED: Server = Server::Accepted { connection: 7 };
    const CLOSED: Server = Server::Closed { connection: 7 };

    #[test]
    fn one_end_without_the_other_is_missing() {
        assert_eq!(missing(&[By(started(0)), At(0, ACCEPTED), By(opened(0))]), []);
        assert_eq!(missing(&[By(started(0)), At(0, ACCEPTED)]), [], "under way");
        assert_eq!(missing(&[By(started(0)), At(0, ACCEPTED), By(opened(0)), By(LOST)]), [(0, 1, true)]);
        assert_eq!(missing(&[By(started(0)), At(0, ACCEPTED), By(opened(0)), At(0, CLOSED)]), [(0, 1, false)]);
        assert_eq!(missing(&[By(started(0)), At(0, ACCEPTED), By(opened(0)), Gone(0)]), [(0, 1, false)]);
        assert_eq!(missing(&[At(0, ACCEPTED), At(0, Server::Left)]), []);
    }

    /// A connection through a balancer that terminates, and which of its two ends is left behind.
    #[test]
    fn both_sides_of_a_balancer_are_held_to_account() {
        let forwarded = At(2, Server::Forwarded { connection: 7, to: 1 });
        let there = [By(started(2)), At(2, ACCEPTED), forwarded, Through(2, 0, 1), At(1, ACCEPTED), By(opened(2))];
        let and = |more: &[Step]| missing(&[&there[..], more].concat());
        assert_eq!(and(&[]), []);
        assert_eq!(and(&[By(LOST), At(2, CLOSED), At(1, CLOSED)]), []);
        assert_eq!(and(&[By(LOST)]), [(2, 1, true)], "the balancer never hears of it");
        assert_eq!(and(&[By(LOST), At(2, CLOSED)]), [(1, 1, true)], "the server behind never hears of it");
        assert_eq!(and(&[By(LOST), Gone(2)]), [(1, 1, true)], "the balancer lost its power");
        assert_eq!(and(&[At(1, CLOSED)]), [(1, 1, false)], "the session is open on nothing");
        assert_eq!(and(&[At(2, CLOSED), At(1, CLOSED)]), [(1, 1, false), (2, 1, false)]);
        let elsewhere = At(2, Server::Forwarded { connection: 7, to: 0 });
        assert_eq!(missing(&[By(started(2)), At(2, ACCEPTED), forwarded, elsewhere, At(0, ACCEPTED)]), []);
    }

    #[test]
    fn a_flow_through_a_balancer_is_a_connection_of_its_own() {
        let began = [At(2, Server::FlowBegan { connection: 5 }), At(2, Server::Forwarded { connection: 5, to: 1 })];
        let there = [&[By(started(2))], &began[..], &[Through(2, 0, 1), At(1, ACCEPTED), By(opened(2))]].concat();
        let and = |more: &[Step]| missing(&[&there[..], more].concat());
        assert_eq!(and(&[]), []);
        let ended = At(2, Server::FlowEnded { connection: 5 });
        assert_eq!(and(&[ended]), [(1, 1, true), (2, 1, false)], "the balancer alone forgets it");
        assert_eq!(and(&[By(LOST), ended]), [(1, 1, true)]);
    }

    #[test]
    fn who_comes_by_a_proxy_is_open_on_both() {
        let forwarded = At(3, Server::Forwarded { connection: 7, to: 1 });
        let there =
            [ByProxy(started(1)), At(3, ACCEPTED), forwarded, Through(3, 1, 1), At(1, ACCEPTED), ByProxy(opened(1))];
        let and = |more: &[Step]| missing(&[&there[..], more].concat());
        assert_eq!(missing(&there[..2]), [], "on its way to some proxy");
        assert_eq!(and(&[]), []);
        assert_eq!(and(&[ByProxy(LOST)]), [(3, 1, true)]);
        assert_eq!(and(&[ByProxy(LOST), At(3, CLOSED)]), [(1, 1, true)]);
        assert_eq!(and(&[At(1, CLOSED)]), [(1, 1, false)]);
        // One session by a proxy hides no other's leak at the target.
        assert_eq!(and(&[At(1, Server::Accepted { connection: 8 })]), [(1, 1, true)]);
    }

    #[test]
    fn a_call_is_somebodys_until_it_has_ended() {
        let called = At(0, Server::Called { connection: 7, endpoint: 1 });
        let ended = At(0, Server::CallEnded { connection: 7, outcome: CallOutcome::Answered, took: Nanos(1) });
        let calls = [By(started(0)), At(0, ACCEPTED), called, At(1, ACCEPTED)];
        assert_eq!(missing(&calls), []);
        assert_eq!(missing(&[&calls[..], &[ended]].concat()), [(1, 1, true)]);
        assert_eq!(missing(&[&calls[..], &[ended, At(1, CLOSED)]].concat()), []);
        assert_eq!(missing(&[&calls[..], &[Gone(0)]].concat()), [(1, 1, true)]);
    }

    #[test]
    fn streams_are_counted_instead_of_what_carries_them() {
        let stream = At(0, Server::StreamOpened { connection: 9, on: 7 });
        let over = At(0, Server::StreamClosed { connection: 9 });
        let there = [By(started(0)), At(0, ACCEPTED), stream, By(opened(0))];
        let and = |more: &[Step]| missing(&[&there[..], more].concat());
        assert_eq!(and(&[]), []);
        assert_eq!(and(&[By(LOST), over]), [], "what carried it may stay");
        assert_eq!(and(&[By(LOST)]), [(0, 1, true)]);
        assert_eq!(and(&[over]), [(0, 1, false)]);
        assert_eq!(and(&[By(LOST), Gone(0)]), []);
    }
}
