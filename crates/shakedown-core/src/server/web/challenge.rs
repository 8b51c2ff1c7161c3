//! The demand for credentials, and their check.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::handshake::server::{Request, write_challenge, write_rejection};
use crate::machine::{CloseMode, ConnectionId};
use crate::rng::Identity;
use crate::server::behavior::Choice;
use crate::server::challenge::{Nonces, Verdict};
use crate::server::event::{Event, Outputs};
use crate::server::work::Asked;
use crate::time::{Nanos, Timestamp};

/// Whether a behavior takes one more request; it does so many of them only.
fn is_among(first: u32, number: usize, firsts: &mut Vec<u32>) -> bool {
    if firsts.len() <= number {
        firsts.resize(number + 1, 0);
    }
    let taken = &mut firsts[number];
    let is_among = *taken < first;
    *taken += u32::from(is_among);
    is_among
}

impl Web {
    /// The number of the behavior that a request is answered by (one too many: it is accepted), and what was made of its
    /// credentials.
    pub(super) fn choose(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        client: Identity,
        request: &Request<'_>,
    ) -> (usize, Verdict) {
        let mut firsts = std::mem::take(&mut self.firsts);
        let chosen = self.chosen(&mut firsts, cx, now, client, request);
        self.firsts = firsts;
        chosen
    }

    /// The same of a request that is not counted, if `firsts` is a copy.
    pub(super) fn chosen(
        &self,
        firsts: &mut Vec<u32>,
        cx: &Context<'_>,
        now: Timestamp,
        client: Identity,
        request: &Request<'_>,
    ) -> (usize, Verdict) {
        let mut verdict = Verdict::Unasked;
        for (number, behavior) in cx.plan.behaviors.iter().enumerate() {
            let mut applies = || {
                behavior.applies(cx.seed, now, client, number, request.path)
                    && behavior.when.first.is_none_or(|first| is_among(first, number, firsts))
            };
            let Choice::Challenge(demand) = &behavior.choice else {
                if applies() {
                    return (number, verdict);
                }
                continue;
            };
            if !behavior.concerns(now, request.path) {
                continue;
            }
            let judged = demand.judge(&self.nonces(cx), now, client, method(request.connect), request);
            let own = demand.applied(judged);
            if own.refuses() && applies() {
                return (number, own);
            }
            verdict = match own {
                _ if verdict == Verdict::Unproven => verdict,
                Verdict::Passed => Verdict::Passed,
                _ => Verdict::Unproven,
            };
        }
        (cx.plan.behaviors.len(), verdict)
    }

    fn nonces(&self, cx: &Context<'_>) -> Nonces {
        Nonces { seed: cx.seed, server: cx.endpoint, since: self.since }
    }

    /// A worker is done with a request that lacks valid credentials: 401, or 400 if they are for another resource.
    pub(super) fn demand(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        asked: &Asked,
        served: Nanos,
        out: &mut Outputs,
    ) {
        let Some(behavior) = cx.plan.behaviors.get(asked.behavior as usize) else { return };
        let Choice::Challenge(demand) = &behavior.choice else { return };
        if self.state(c) == State::Abandoned {
            out.event(Event::Wasted { connection: c.0, served });
            return self.close(c, CloseMode::Fin, out);
        }
        let fits = asked.verdict != Verdict::Misdirected;
        let keep = fits && demand.keep_alive && self.drain.is_none() && !asked.connect;
        let status = if fits { 401 } else { 400 };
        let challenge = demand.challenge(&self.nonces(cx), now, self.connections.client(c), asked.verdict);
        let write = |bytes: &mut Vec<u8>| match fits {
            true => write_challenge(bytes, &challenge, keep),
            false => write_rejection(bytes, status, None),
        };
        let answered = Event::Answered { connection: c.0, status, served };
        if let Some(flaws) = &behavior.flaws {
            let mut bytes = Vec::new();
            write(&mut bytes);
            out.event(answered);
            self.deliver(cx, now, c, flaws, (bytes, true, false), out);
            return self.schedule(cx, out);
        }
        out.transmit(c, write);
        out.event(answered);
        if keep {
            self.connections.turn(c, State::Reading);
            self.end_transaction(c, out);
            self.limit_time(cx, now, c, out);
        } else {
            self.close(c, CloseMode::Fin, out);
        }
    }
}

/// The method of a request, which digests hash.
fn method(connect: bool) -> &'static str {
    if connect { "CONNECT" } else { "GET" }
}
