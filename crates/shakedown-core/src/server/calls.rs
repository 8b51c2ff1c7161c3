//! Calls: a request that waits for other servers' answers. Each is one HTTP GET on a connection of its own.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::targets::Listed;
use super::work::Asked;
use crate::machine::EndpointId;
use crate::names::Names;
use crate::quantity::Share;
use crate::rng::{Distribution, Identity, Sampler};
use crate::time::{Nanos, Timestamp};

/// `{ to = "auth", timeout = "1s" }`: a call to another server, for which a request waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CallConfig {
    /// The servers and groups to call; each call goes to one member.
    pub to: Names,
    /// Time limit of each attempt, from the first SYN to the complete response.
    pub timeout: Nanos,
    /// Which member is called.
    #[serde(default)]
    pub pick: PickCalled,
    /// Share of the requests that make this call. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Whether the answer is cached: a process makes this call once for each client. A process that runs from the
    /// beginning has all answers cached.
    #[serde(default)]
    pub cached: bool,
    /// Whether the request continues when the call fails.
    #[serde(default)]
    pub optional: bool,
    /// Connections that a process may have for this call at once. Absent: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolConfig>,
    /// Absent: a failed call is not retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<CallRetry>,
}

/// `{ size = 10, queue = 100, timeout = "1s" }`: a pool of connections, and who waits for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// Attempts at the same time.
    pub size: u32,
    /// Maximum of those that wait for their turn; one more fails at once.
    pub queue: u32,
    /// How long one waits before it fails.
    pub timeout: Nanos,
}

/// `{ attempts = 3, delay = "100ms" }`: when a failed call is retried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CallRetry {
    /// Maximum of attempts, the first included.
    pub attempts: u32,
    /// Time from a failure to the next attempt.
    pub delay: Distribution,
}

/// Which member of a group is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PickCalled {
    /// In turn; callers begin with different ones.
    #[default]
    RoundRobin,
    /// A random one.
    Random,
    /// Always the same for one client, as long as the registry lists the same members.
    Hash,
}

/// A call as configured, with its names looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPlan {
    /// Whom it asks.
    pub to: Vec<EndpointId>,
    pub(super) timeout: Nanos,
    pub(super) pick: PickCalled,
    pub(super) share: Option<Share>,
    pub(super) cached: bool,
    pub(super) optional: bool,
    pub(super) pool: Option<PoolConfig>,
    pub(super) attempts: u32,
    pub(super) delay: Sampler,
}

impl CallPlan {
    /// A call as configured, to these servers.
    pub fn new(config: &CallConfig, to: Vec<EndpointId>) -> CallPlan {
        CallPlan {
            to,
            timeout: config.timeout,
            pick: config.pick,
            share: config.share,
            cached: config.cached,
            optional: config.optional,
            pool: config.pool,
            attempts: config.retry.as_ref().map_or(1, |retry| retry.attempts),
            delay: config.retry.as_ref().map_or(Sampler::Constant(Nanos::ZERO), |retry| retry.delay.sampler()),
        }
    }
}

/// A request whose worker is done, and which makes calls.
#[derive(Debug)]
pub(super) struct CallingRequest {
    pub connection: u32,
    pub client: Identity,
    pub asked: Asked,
    /// The worker's time that it has cost, and when that was done.
    pub served: Nanos,
    pub worked: Timestamp,
}

/// A request that waits for an answer.
#[derive(Debug)]
pub(super) struct Call {
    pub caller: CallingRequest,
    /// The index of the call in the plan, and the called server.
    pub which: usize,
    pub to: EndpointId,
    /// Attempts at it, this one included.
    pub attempt: u32,
    /// When the attempt began.
    pub began: Timestamp,
    /// Its time limit; after a failure, the time of the next attempt.
    pub due: Timestamp,
    pub phase: Phase,
    /// An incomplete response head.
    pub partial: Vec<u8>,
}

/// What a call waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The answer of its attempt.
    Answer,
    /// A connection of the pool.
    Turn,
    /// The time of the next attempt, as the last one failed.
    Retry,
}

/// A pool of connections for one call.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// Attempts that have one.
    pub in_use: u32,
    /// Those that wait for one, by number; also of calls that have ended.
    pub queue: VecDeque<u32>,
    /// How many of these wait.
    pub waiting: u32,
}

/// The state of one server's calls. Empty where it makes none.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// By the server's number for the connection of the last attempt.
    pub waiting: BTreeMap<u32, Call>,
    /// Attempts that have a connection.
    pub open: u32,
    /// The pools, by the index of the call; those that were used.
    pub pools: BTreeMap<usize, Pool>,
    /// Numbers used so far.
    pub numbers: u32,
    /// Pending times by number; also of calls that have ended.
    pub due: BinaryHeap<Reverse<(Timestamp, u32)>>,
    pub turn: u64,
    /// Of each of the server's calls, the servers that are listed.
    pub listed: Vec<Listed>,
    /// The cached answers of a process that was started during the run: clients and calls.
    pub kept: BTreeSet<(usize, u64)>,
}

impl Calls {
    /// When the next action is due.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        loop {
            let Reverse((at, number)) = *self.due.peek()?;
            if self.waiting.get(&number).is_some_and(|call| call.due == at) {
                return Some(at);
            }
            self.due.pop();
        }
    }

    pub(super) fn wait(&mut self, number: u32, call: Call) {
        self.due.push(Reverse((call.due, number)));
        self.waiting.insert(number, call);
    }
}
