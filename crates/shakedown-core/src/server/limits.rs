//! Limits: what happens to connections above the maximum, and rate limits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::Working;
use super::work::Work;
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
    pub held: BinaryHeap<Reverse<Working<Work>>>,
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
