//! Limits: how many requests wait and what happens to the others, rate limits, and how long a connection may take to send
//! a request.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::{Context, Outputs, Server, State};
use super::queue::Working;
use super::{Event, Reason, Turn};
use crate::handshake::server::read_request;
use crate::machine::{CloseMode, ConnectionId};
use crate::quantity::Rate;
use crate::rng::Identity;
use crate::time::{Nanos, Timestamp};

/// `{ rate = "500/s", burst = 100 }`: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenBucket {
    /// Rate at which tokens are added.
    pub rate: Rate,
    /// Maximum of tokens, and so of simultaneous requests. The bucket is full at first.
    pub burst: u32,
}

/// Action on a request above a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OverRate {
    /// Answered at once, without a worker: 503 above the member's rate, 429 with `Retry-After` above an address's.
    #[default]
    Reject,
    /// Never answered: the client's own timeout ends it.
    Drop,
    /// Delayed until the rate allows it.
    Wait,
}

/// Action on a request when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum QueueFull {
    /// 503 at once, without a worker.
    #[default]
    Reject,
    /// Never answered: the client's own timeout ends it.
    Drop,
    /// RST.
    Reset,
}

/// Action on a connection above `connections_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// Its request is answered 503 at once, without a worker.
    #[default]
    Reject,
    /// Its request is answered 307 to the members of `overflow_to` in turn, without a worker.
    Redirect,
    /// Never answered: the client's own timeout ends it.
    Drop,
}

/// Which waiting request a worker takes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum QueueOrder {
    /// The one that has waited longest.
    #[default]
    Fifo,
    /// The newest: under overload some are served in time, instead of all too late.
    Lifo,
    /// The one that has waited longest; requests that have waited longer than this are answered 503.
    Deadline(Nanos),
}

/// A token bucket as the equivalent generic cell rate algorithm (ITU-T I.371, annex A): one timestamp gives its level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    /// The time in which one token comes.
    every: Nanos,
    /// The time in which all tokens but one come.
    tolerance: Nanos,
}

impl Bucket {
    pub(super) fn new(config: &TokenBucket) -> Bucket {
        let every = Nanos::from_f64(1e9 / config.rate.0);
        Bucket { every, tolerance: Nanos(every.0.saturating_mul(u64::from(config.burst.max(1)) - 1)) }
    }

    /// When the next token is there, by the bucket's timestamp.
    pub(super) fn next(&self, full_at: Timestamp) -> Timestamp {
        full_at - self.tolerance
    }

    /// Takes a token, also a future one.
    pub(super) fn take(&self, full_at: &mut Timestamp, now: Timestamp) {
        *full_at = (*full_at).max(now) + self.every;
    }
}

/// Addresses remembered before those with full buckets are forgotten.
const FEW_ADDRESSES: usize = 1024;

/// The state of one server's limits. Empty where none are set.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// When the server's own bucket will be full.
    pub full_at: Timestamp,
    /// Where each connection comes from.
    pub addresses: Vec<Identity>,
    /// When each address's bucket will be full; full ones may be missing.
    buckets: BTreeMap<u64, Timestamp>,
    prune_at: usize,
    /// Delayed requests, by the time of their turn.
    pub held: BinaryHeap<Reverse<Working>>,
    /// When each connection's time to send a request is up.
    pub timeout_of: Vec<Timestamp>,
    /// The same in order of time.
    pub timeouts: VecDeque<(Timestamp, u32)>,
}

impl Limits {
    /// The bucket of an address, as the time when it will be full.
    pub(super) fn bucket(&mut self, address: Identity, now: Timestamp) -> &mut Timestamp {
        if self.buckets.len() >= self.prune_at.max(FEW_ADDRESSES) {
            self.buckets.retain(|_, full_at| *full_at > now);
            self.prune_at = self.buckets.len() * 2;
        }
        self.buckets.entry(address.0).or_default()
    }
}

/// Puts a value in a connection's place of a list.
pub(super) fn note<T: Copy>(list: &mut Vec<T>, connection: u32, value: T) {
    let at = connection as usize;
    if at >= list.len() {
        list.resize(at + 1, value);
    }
    list[at] = value;
}

impl Server {
    /// Starts the time limit of a connection.
    pub(super) fn limit_time(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        if let Some(timeout) = cx.plan.handshake_timeout {
            note(&mut self.limits.timeout_of, c.0, now + timeout);
            self.limits.timeouts.push_back((now + timeout, c.0));
            self.schedule(cx, out);
        }
    }

    /// Closes connections that have taken too long to send a request.
    pub(super) fn time_out(&mut self, now: Timestamp, out: &mut Outputs) {
        while let Some((at, connection)) = self.next_timeout()
            && at <= now
        {
            self.limits.timeouts.pop_front();
            let c = ConnectionId(connection);
            out.event(Event::TimedOut { connection });
            // One whose whole request is there waits for TLS that it was offered, and could not read HTTP.
            let partly = |bytes: &[u8]| !matches!(read_request(bytes), Ok(Some(_)));
            match self.connections.partial(c).is_some_and(partly) {
                true => self.reject(c, 408, None, out),
                false => self.close(c, CloseMode::Fin, out),
            }
        }
    }

    /// The first connection that will have taken too long; those that have sent their request are forgotten.
    pub(super) fn next_timeout(&mut self) -> Option<(Timestamp, u32)> {
        loop {
            let (at, connection) = *self.limits.timeouts.front()?;
            let reads =
                matches!(self.state(ConnectionId(connection)), State::Reading | State::Greeting | State::Switched);
            // A number that was used again since has a later entry of its own.
            let last = self.limits.timeout_of[connection as usize];
            if reads && at == last {
                return Some((at, connection));
            }
            self.limits.timeouts.pop_front();
        }
    }
}

impl Server {
    /// Applies the rates: admitted now (`Ok(None)`), at a later time, or rejected (an answer was sent).
    #[cold]
    pub(super) fn ask_rates(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        out: &mut Outputs,
    ) -> Result<Option<Timestamp>, ()> {
        let address = self.limits.addresses.get(c.0 as usize).copied();
        let mut turn_at = now;
        for (reason, bucket) in [(Reason::AddressRate, cx.plan.address_rate), (Reason::AcceptRate, cx.plan.accept_rate)]
        {
            let Some(bucket) = bucket else { continue };
            let full_at = match (reason, address) {
                (Reason::AddressRate, Some(address)) => self.limits.bucket(address, now),
                (Reason::AddressRate, None) => continue,
                _ => &mut self.limits.full_at,
            };
            let next = bucket.next(*full_at);
            let turn = match cx.plan.over_rate {
                _ if next <= now => None,
                OverRate::Wait => None,
                OverRate::Reject => Some(Turn::Reject),
                OverRate::Drop => Some(Turn::Drop),
            };
            if let Some(turn) = turn {
                out.event(Event::Requested { connection: c.0, queued: false });
                out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
                // Whole seconds (RFC 9110 section 10.2.3), rounded up: not a moment too early.
                let seconds = next.since(now).0.div_ceil(1_000_000_000).min(u64::from(u32::MAX)) as u32;
                match reason {
                    Reason::AddressRate => self.turn_away(c, turn, 429, Some(seconds), out),
                    _ => self.turn_away(c, turn, 503, None, out),
                }
                return Err(());
            }
            bucket.take(full_at, now);
            turn_at = turn_at.max(next);
        }
        Ok((turn_at > now).then_some(turn_at))
    }

    /// Requests that were held back, and whose turn has come.
    pub(super) fn let_in(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while self.limits.held.peek().is_some_and(|Reverse(held)| held.done <= now) {
            let Some(Reverse(Working { job, .. })) = self.limits.held.pop() else { break };
            self.enter(cx, now, job, true, out);
        }
    }
}
