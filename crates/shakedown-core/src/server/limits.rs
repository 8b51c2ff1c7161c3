//! Limits: what happens to connections above the maximum, and rate limits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

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

/// `{ max = 10, per = "1m" }`: a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Maximum of requests in one.
    pub max: u32,
    /// Its length.
    pub per: Nanos,
    /// When it begins.
    #[serde(default)]
    pub kind: WindowKind,
    /// Whether requests that are rejected count, too. Only of sliding windows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub counts_rejected: bool,
}

/// When a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WindowKind {
    /// With the first request after the end of the one before.
    #[default]
    Fixed,
    /// At any moment: there is no window with more.
    Sliding,
}

/// The requests from one address in a window.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Fixed: when it began, and its requests.
    began: Option<Timestamp>,
    count: u32,
    /// Sliding: the last requests.
    last: VecDeque<Timestamp>,
}

impl WindowConfig {
    /// When the next request fits.
    pub(super) fn next(&self, window: &Window, now: Timestamp) -> Timestamp {
        let full = match self.kind {
            WindowKind::Fixed => window.began.filter(|_| window.count >= self.max),
            WindowKind::Sliding => window.last.front().copied().filter(|_| window.last.len() >= self.max as usize),
        };
        full.map_or(now, |since| (since + self.per).max(now))
    }

    /// Counts a request, also a future one.
    pub(super) fn take(&self, window: &mut Window, at: Timestamp) {
        match self.kind {
            WindowKind::Fixed => {
                if window.began.is_none_or(|began| began + self.per <= at) {
                    (window.began, window.count) = (Some(at), 0);
                }
                window.count += 1;
            }
            WindowKind::Sliding => {
                if window.last.len() >= self.max as usize {
                    window.last.pop_front();
                }
                window.last.push_back(at);
            }
        }
    }

    /// Whether nothing of a window matters any more.
    fn is_over(&self, window: &Window, now: Timestamp) -> bool {
        let last = window.last.back().copied().or(window.began);
        last.is_none_or(|last| last + self.per <= now)
    }
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
    /// A request that opens is opened without a worker, and closed at once with 1013 (try again later); others are answered
    /// 503.
    OpenThenClose,
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
    /// What each address has in its window; those that are over may be missing.
    windows: BTreeMap<u64, Window>,
    /// Connections from each address, but for those above the limit, which are given by their numbers.
    pub connections: BTreeMap<u64, u32>,
    pub excess: BTreeSet<u32>,
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

    /// The window of an address.
    pub(super) fn window(&mut self, address: Identity, now: Timestamp, config: &WindowConfig) -> &mut Window {
        if self.windows.len() >= self.prune_at.max(FEW_ADDRESSES) {
            self.windows.retain(|_, window| !config.is_over(window, now));
            self.prune_at = self.windows.len() * 2;
        }
        self.windows.entry(address.0).or_default()
    }

    /// A connection is there: whether its address has more than the limit.
    pub(super) fn connect(&mut self, connection: u32, most: u32) {
        let Some(address) = self.addresses.get(connection as usize) else { return };
        let count = self.connections.entry(address.0).or_default();
        match *count >= most {
            true => drop(self.excess.insert(connection)),
            false => *count += 1,
        }
    }

    /// It is gone.
    #[cold]
    pub(super) fn disconnect(&mut self, connection: u32) {
        let Some(address) = self.addresses.get(connection as usize) else { return };
        if !self.excess.remove(&connection)
            && let Some(count) = self.connections.get_mut(&address.0)
        {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&address.0);
            }
        }
    }
}
