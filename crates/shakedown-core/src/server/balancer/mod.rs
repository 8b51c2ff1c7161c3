//! The balancer machine: chooses a server for each connection, checks which are up, and, where it terminates
//! connections, opens the second one and forwards bytes.
//!
//! It does not read what it forwards. Where it rewrites addresses (NAT), packets never reach a process: the driver
//! simulates its kernel and asks [`Balancer::forward`] for the server of a SYN.

mod clocks;
mod config;

use std::collections::BTreeMap;

pub use config::{Balance, Balancing, Check, Forwarding, HealthChecks, OnDown, PickBackend, Reach};

use super::clocks::{Clocks, ClocksPlan};
use super::connections::note;
use super::context;
use super::event::{Event, Outputs};
use super::relay::{EndedRelay, Relay};
use crate::handshake::client::{Answer, read_answer, write_request};
use crate::handshake::{Key, Mode};
use crate::machine::{CloseMode, ConnectionId, EndpointId, Input, Output};
use crate::network::{Ending, Ports, TimeWait, Verdict};
use crate::rng::{Identity, Purpose};
use crate::time::{Nanos, Timestamp};

/// What a balancer is given with each input.
type Context<'a> = context::Context<'a, Balancing>;

/// One server behind a balancer.
#[derive(Debug)]
struct Backend {
    verdict: Verdict,
    /// Connections that this balancer has forwarded to it.
    connections: u32,
    /// This balancer's ports towards it.
    ports: Ports,
    /// The check that waits for its answer, by its number.
    checking: Option<u32>,
}

/// One balancer process.
#[derive(Debug, Default)]
pub(super) struct Balancer {
    backends: Vec<Backend>,
    turn: usize,
    /// Where each connection comes from, if the choice depends on it.
    addresses: Vec<Identity>,
    /// The relays of the connections that it terminates.
    relay: Relay,
    /// Which backend a connection that it opened to check one is for.
    checks: BTreeMap<u32, usize>,
    /// The next round of checks, and when those of the last have taken too long.
    next_checks: Option<Timestamp>,
    checks_end: Option<Timestamp>,
    due: Option<Timestamp>,
    clocks: Clocks,
    clocks_plan: ClocksPlan,
    /// Its own numbers below this are of connections that old processes have, and how many of these are left.
    old: (u32, u32),
}

impl Balancer {
    pub(super) fn new(plan: &Balancing) -> Balancer {
        let ports = match plan.forwarding {
            // Packets keep the client's.
            Forwarding::Nat => Ports::new(u32::MAX, TimeWait { length: Nanos::ZERO, reopens: true }),
            Forwarding::Terminate { ports, time_wait, .. } => Ports::new(ports, time_wait),
        };
        let backend = |_: &EndpointId| Backend {
            verdict: Verdict::default(),
            connections: 0,
            ports: ports.clone(),
            checking: None,
        };
        Balancer {
            backends: plan.to.iter().map(backend).collect(),
            clocks_plan: ClocksPlan::new(&plan.clocks),
            ..Balancer::default()
        }
    }

    /// Sets the address of a connection, before it is accepted.
    pub(super) fn comes_from(&mut self, c: ConnectionId, address: Identity) {
        note(&mut self.addresses, c.0, address);
    }

    /// Connections that go through it now.
    pub(super) fn connections(&self) -> u32 {
        self.backends.iter().map(|backend| backend.connections).sum()
    }

    /// NAT: which server a new connection goes to. `None` when none is up.
    pub(super) fn forward(&mut self, cx: &Context<'_>, from: [Identity; 2]) -> Option<EndpointId> {
        let backend = self.choose(cx, from, Timestamp::ZERO)?;
        self.backends[backend].connections += 1;
        Some(cx.plan.to[backend])
    }

    /// NAT: a connection to this server is over.
    pub(super) fn ended(&mut self, plan: &Balancing, server: EndpointId) {
        if let Some(at) = plan.to.iter().position(|to| *to == server) {
            self.backends[at].connections -= 1;
        }
    }

    /// The accepted connection of this second connection.
    pub(super) fn accepted_for(&self, own: ConnectionId) -> Option<ConnectionId> {
        self.relay.accepted_for(own.as_own()?)
    }

    /// Chooses one of the servers that are up, and that it has a port for, for a connection of this identity, from this
    /// address.
    fn choose(&mut self, cx: &Context<'_>, [client, address]: [Identity; 2], now: Timestamp) -> Option<usize> {
        let count = self.backends.len();
        let reach = reach(cx);
        let may = |at: &usize| {
            let backend = &self.backends[*at];
            backend.verdict.is_up()
                && backend.ports.has_free(now)
                && reach.is_none_or(|reach| reach.has(*at))
                && cx.directory.is_ready(cx.plan.to[*at])
        };
        let near = reach.filter(|reach| (0..count).any(|at| reach.is_near(at) && may(&at)));
        let fits = |at: &usize| near.is_none_or(|reach| reach.is_near(*at)) && may(at);
        let turn = self.turn;
        let mut in_turn = (0..count).map(|step| (turn + step) % count).filter(fits);
        let chosen = match cx.plan.pick {
            PickBackend::RoundRobin => in_turn.next()?,
            PickBackend::LeastConnections => in_turn.min_by_key(|at| self.backends[*at].connections)?,
            PickBackend::Random => {
                let fit: Vec<usize> = (0..count).filter(fits).collect();
                let draw = cx.seed.draw(client, Purpose::Backend, 0);
                *fit.get(draw.below(fit.len() as u64) as usize)?
            }
            PickBackend::SourceHash => {
                let weight = |at: &usize| cx.seed.draw(address, Purpose::SourceHash, *at as u64).0;
                (0..count).filter(fits).max_by_key(weight)?
            }
        };
        self.turn = (chosen + 1) % count;
        Some(chosen)
    }

    /// Takes one input; what follows from it is appended to `out`.
    #[cold]
    pub(super) fn handle(&mut self, cx: &Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Start => {
                self.next_checks = cx.plan.health.is_some().then_some(now);
                self.check_all(cx, now, out);
            }
            Input::Accepted(c, client) => {
                let address = self.addresses.get(c.0 as usize).copied().unwrap_or(client);
                self.accept(cx, now, c, [client, address], out);
            }
            Input::Wake if self.due.is_some_and(|due| due <= now) => {
                self.due = None;
                self.give_up_connects(now, out);
                self.end_checks(cx, now, out);
                self.check_all(cx, now, out);
                self.ring(now, out);
            }
            Input::Received(c, bytes) => match self.check_of(c) {
                Some((own, backend)) => self.check_answered(cx, now, (own, backend), bytes, out),
                None => self.pass(now, c, bytes, out),
            },
            Input::Eof(c) => self.ended_at(cx, now, c, CloseMode::Fin, out),
            Input::Reset(c) => self.ended_at(cx, now, c, CloseMode::Reset, out),
            Input::Connected(c) => self.connected(cx, now, c, out),
            Input::Secured(c, _) => self.ask(cx, c, out),
            Input::ConnectFailed(c, _) | Input::SecureFailed(c) => self.ended_at(cx, now, c, CloseMode::Reset, out),
            // TLS is between the client and the server behind.
            Input::Preface(_) | Input::StreamOpened(..) | Input::Stream(..) => {}
            Input::Wake | Input::Admitted | Input::Peers(_) | Input::Hello(..) | Input::Resolved(..) => {}
        }
        self.schedule(out);
    }

    fn accept(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, from: [Identity; 2], out: &mut Outputs) {
        out.event(Event::Accepted { connection: c.0 });
        // Of one that rewrites addresses, no process accepts anything.
        let Forwarding::Terminate { connections_max, connect_timeout, .. } = cx.plan.forwarding else { return };
        let room = connections_max.is_none_or(|most| self.relay.len() - self.old.1 < most);
        let chosen = if room { self.choose(cx, from, now) } else { None };
        let Some(backend) = chosen else {
            // The client's data was not read: RST (`tcp_close` with bytes in the receive queue).
            out.event(Event::NotForwarded { connection: c.0 });
            out.push(Output::Close(c, CloseMode::Reset));
            out.event(Event::Closed { connection: c.0 });
            return;
        };
        let to = cx.plan.to[backend];
        self.backends[backend].connections += 1;
        self.backends[backend].ports.take(now);
        let own = self.relay.begin(c, from[0], backend, now + connect_timeout);
        self.start_clocks(cx, now, c, from[0]);
        out.push(Output::Open(own, to));
        out.event(Event::Forwarded { connection: c.0, to: to.0 });
    }

    /// Which check a connection that the balancer opened is, and of which backend.
    fn check_of(&self, c: ConnectionId) -> Option<(u32, usize)> {
        let own = c.as_own()?;
        self.checks.get(&own).map(|backend| (own, *backend))
    }

    fn connected(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        let Some(own) = c.as_own() else { return };
        match self.check_of(c) {
            None => drop(self.relay.up(own, out)),
            Some((_, backend)) => match cx.plan.health.map(|health| health.check).unwrap_or_default() {
                Check::Connect => self.checked(cx, now, backend, true, CloseMode::Reset, out),
                Check::Handshake if cx.directory.secure(cx.plan.to[backend]) => {
                    out.push(Output::StartTls(c, cx.plan.to[backend]));
                }
                Check::Handshake => self.ask(cx, c, out),
            },
        }
    }

    /// Sends the request of a check.
    fn ask(&self, cx: &Context<'_>, c: ConnectionId, out: &mut Outputs) {
        if let Some((own, backend)) = self.check_of(c) {
            let authority = cx.directory.authority(cx.plan.to[backend]);
            out.transmit(c, |bytes| write_request(bytes, Mode::Upgrade, authority, "/", &key(cx, own)));
        }
    }

    fn check_answered(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        (own, backend): (u32, usize),
        bytes: &[u8],
        out: &mut Outputs,
    ) {
        // The servers here send a head in one piece.
        let answer = read_answer(Mode::Upgrade, || key(cx, own).accept(), bytes);
        let open = matches!(answer, Ok(Some((Answer::Open, _))));
        self.checked(cx, now, backend, open, CloseMode::Fin, out);
    }

    /// One end of a connection has ended: ends the other in the same way.
    fn ended_at(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        match self.check_of(c) {
            Some((_, backend)) => self.checked(cx, now, backend, false, CloseMode::Fin, out),
            None => self.part(now, c, how, out),
        }
    }

    /// Closes both connections of a relay.
    fn part(&mut self, now: Timestamp, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        let Some(EndedRelay { own, accepted, to, up }) = self.relay.part(c) else { return };
        match own.as_own().is_some_and(|own| own < self.old.0) {
            true => self.old.1 -= 1,
            false => self.backends[to].connections -= 1,
        }
        if let Some(generation) = self.clocks.forget(accepted) {
            out.event(Event::OldClosed { connection: accepted.0, generation });
        }
        let ending = match (up && how == CloseMode::Fin, c == accepted) {
            (false, _) => Ending::Cut,
            (true, true) => Ending::ClosedFirst,
            (true, false) => Ending::ClosedSecond,
        };
        self.backends[to].ports.give_back(now, ending);
        out.push(Output::Close(own, how));
        out.push(Output::Close(accepted, how));
        out.event(Event::Closed { connection: accepted.0 });
    }

    /// The outcome of a check.
    fn checked(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        backend: usize,
        went_well: bool,
        how: CloseMode,
        out: &mut Outputs,
    ) {
        let Some(own) = self.backends[backend].checking.take() else { return };
        // What fails a check has no port to wait for: it was not connected, as a rule.
        let ending = if went_well && how == CloseMode::Fin { Ending::ClosedFirst } else { Ending::Cut };
        self.backends[backend].ports.give_back(now, ending);
        self.checks.remove(&own);
        out.push(Output::Close(ConnectionId::own(own), how));
        let Some(HealthChecks { health, on_down, .. }) = &cx.plan.health else { return };
        let server = cx.plan.to[backend].0;
        let verdict = &mut self.backends[backend].verdict;
        if !went_well {
            out.event(Event::CheckFailed { server });
        }
        if !verdict.check(health, went_well) {
            return;
        }
        if verdict.is_up() {
            return out.event(Event::MarkedUp { server });
        }
        out.event(Event::MarkedDown { server });
        if *on_down == OnDown::Reset {
            self.relay.ways_to(backend).into_iter().for_each(|own| self.part(now, own, CloseMode::Reset, out));
        }
    }

    /// Checks every server, if a check is due.
    fn check_all(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        let Some(checks) = cx.plan.health else { return };
        if self.next_checks.is_none_or(|next| next > now) {
            return;
        }
        self.next_checks = Some(now + checks.health.every);
        self.checks_end = Some(now + checks.health.timeout);
        let reach = reach(cx);
        for backend in (0..self.backends.len()).filter(|backend| reach.is_none_or(|reach| reach.has(*backend))) {
            let to = cx.plan.to[backend];
            // A balancer among its own servers would ask itself; the scenario's check refuses that.
            debug_assert_ne!(to, cx.endpoint);
            let own = self.relay.number();
            self.checks.insert(own, backend);
            out.push(Output::Open(ConnectionId::own(own), to));
            self.backends[backend].ports.take(now);
            self.backends[backend].checking = Some(own);
        }
    }

    /// Ends checks at their time limit.
    fn end_checks(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        if self.checks_end.is_some_and(|end| end <= now) {
            self.checks_end = None;
            for backend in 0..self.backends.len() {
                self.checked(cx, now, backend, false, CloseMode::Reset, out);
            }
        }
    }

    /// Ends connects at their time limit.
    fn give_up_connects(&mut self, now: Timestamp, out: &mut Outputs) {
        while let Some(own) = self.relay.overdue(now) {
            self.part(now, own, CloseMode::Reset, out);
        }
    }

    fn schedule(&mut self, out: &mut Outputs) {
        let clock = if self.clocks.is_empty() { None } else { self.next_clock() };
        let next = [self.relay.next_due(), self.next_checks, self.checks_end, clock].into_iter().flatten().min();
        if next != self.due {
            self.due = next;
            out.push(Output::WakeAt(next.unwrap_or(Timestamp::NEVER)));
        }
    }
}

/// Which servers this member uses, unless all members use all of them.
fn reach<'a>(cx: &Context<'a>) -> Option<&'a Reach> {
    cx.plan.reach.get(cx.endpoint.0.checked_sub(cx.plan.first.0)? as usize)
}

/// The key of a check's handshake.
fn key(cx: &Context<'_>, own: u32) -> Key {
    let server = Identity::member("check", u64::from(cx.endpoint.0));
    Key::from_nonce(cx.seed.draw(server, Purpose::Key, u64::from(own)).bytes())
}
