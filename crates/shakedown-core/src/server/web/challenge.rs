//! The demand for credentials, and their check.

use super::Web;
use super::plan::Context;
use crate::handshake::server::{Request, write_challenge, write_rejection};
use crate::handshake::tunnel;
use crate::http::auth::{self, Authorization, DigestResponse};
use crate::machine::{CloseMode, ConnectionId};
use crate::rng::{Identity, Purpose};
use crate::server::behavior::Choice;
use crate::server::challenge::{Demand, Verdict};
use crate::server::connections::State;
use crate::server::event::{Event, Outputs};
use crate::server::queue::Asked;
use crate::time::{Nanos, Timestamp};

impl Web {
    /// The number of the behavior that a request is answered by (one too many: it is accepted), and what was made of its
    /// credentials.
    pub(super) fn choose(
        &self,
        cx: &Context<'_>,
        now: Timestamp,
        client: Identity,
        request: &Request<'_>,
    ) -> (usize, Verdict) {
        let mut verdict = Verdict::Unasked;
        for (number, behavior) in cx.plan.behaviors.iter().enumerate() {
            let applies = || behavior.applies(cx.seed, now, client, number, request.path);
            let Choice::Challenge(demand) = &behavior.choice else {
                if applies() {
                    return (number, verdict);
                }
                continue;
            };
            if !behavior.concerns(now, request.path) {
                continue;
            }
            let own = self.judge(cx, now, demand, request);
            if own.refuses() && applies() && (demand.verify || own == Verdict::Missing) {
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

    fn judge(&self, cx: &Context<'_>, now: Timestamp, demand: &Demand, request: &Request<'_>) -> Verdict {
        let Some(value) = request.authorization else { return Verdict::Missing };
        match (auth::read_authorization(value), demand.digest) {
            (Some(Authorization::Basic(login)), None) if login == demand.login => Verdict::Passed,
            (Some(Authorization::Digest(digest)), Some(algorithm)) if digest.algorithm == algorithm => {
                self.judge_digest(cx, now, demand, &digest, request)
            }
            _ => Verdict::Wrong,
        }
    }

    fn judge_digest(
        &self,
        cx: &Context<'_>,
        now: Timestamp,
        demand: &Demand,
        digest: &DigestResponse<'_>,
        request: &Request<'_>,
    ) -> Verdict {
        let method = if cx.plan.tunnels.is_some() || request.connect { "CONNECT" } else { "GET" };
        if digest.uri != request.path {
            return Verdict::Misdirected;
        }
        if digest.realm != demand.realm || !digest.is_of(&demand.login, method) {
            return Verdict::Wrong;
        }
        let issued = digest.nonce.get(..16).and_then(|text| u64::from_str_radix(text, 16).ok()).map(Timestamp);
        let fresh = |issued: &Timestamp| {
            *issued <= now && now.since(*issued) <= demand.nonce_lifetime && self.nonce(cx, *issued) == digest.nonce
        };
        // One that another process made is as good as an old one.
        if issued.as_ref().is_some_and(fresh) { Verdict::Passed } else { Verdict::Stale }
    }

    /// The nonce of this process at a moment (RFC 7616 section 3.3: a time and a hash with a secret), which need not be
    /// kept to be known again.
    fn nonce(&self, cx: &Context<'_>, issued: Timestamp) -> String {
        let ordinal = |at: Timestamp| at.0 & ((1 << 56) - 1);
        let server = Identity(u64::from(cx.endpoint.0));
        let secret = cx.seed.draw(server, Purpose::NonceSecret, ordinal(self.since));
        let proof = cx.seed.draw(Identity(secret.0[0]), Purpose::Nonce, ordinal(issued));
        format!("{:016x}{:016x}", issued.0, proof.0[0])
    }

    /// A worker is done with a request that lacks valid credentials: 401, a proxy's 407, or 400 if they are for another
    /// resource.
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
        let status = match (fits, &cx.plan.tunnels) {
            (false, _) => 400,
            (true, None) => 401,
            (true, Some(_)) => 407,
        };
        let challenge = demand.challenge(|| self.nonce(cx, now), asked.verdict == Verdict::Stale);
        let write = |bytes: &mut Vec<u8>| match status {
            400 => write_rejection(bytes, status, None),
            407 => tunnel::write_challenge(bytes, &challenge, keep),
            _ => write_challenge(bytes, &challenge, keep),
        };
        let answered = Event::Answered { connection: c.0, status, served };
        if let Some(flaws) = &behavior.flaws {
            let mut bytes = Vec::new();
            write(&mut bytes);
            out.event(answered);
            self.deliver(now, c, flaws, (bytes, true, false), out);
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
