//! Waiting requests, and requests that workers process.

use std::collections::VecDeque;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::challenge::Verdict;
use crate::handshake::Key;
use crate::rng::Identity;
use crate::time::{Nanos, Timestamp};

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

/// Work in the queue or with a worker.
#[derive(Debug)]
pub(super) struct Job {
    pub connection: u32,
    pub client: Identity,
    pub work: Work,
    pub since: Timestamp,
}

/// The kind of work.
#[derive(Debug)]
pub(super) enum Work {
    /// A TLS handshake.
    Tls {
        /// Whether it resumes an earlier session.
        resumed: bool,
    },
    /// A request.
    Request(Asked),
}

/// The stored parts of a request.
#[derive(Debug)]
pub(super) struct Asked {
    pub behavior: u32,
    pub upgrade: bool,
    /// An extended CONNECT, on a stream.
    pub connect: bool,
    /// Whether it has the credentials that its server demands.
    pub verdict: Verdict,
    pub key: Key,
    /// The request target, if a redirect will need it.
    pub path: Option<Box<str>>,
    /// The client for which its calls are made.
    pub asker: Identity,
}

/// A job with a worker, in order of completion; or a delayed one, in order of its turn.
#[derive(Debug)]
pub(super) struct Working {
    pub done: Timestamp,
    pub order: u64,
    pub served: Nanos,
    pub job: Job,
}

/// Takes the request that a worker should process next.
pub(super) fn take(queue: &mut VecDeque<Job>, order: QueueOrder) -> Option<Job> {
    match order {
        QueueOrder::Fifo | QueueOrder::Deadline(_) => queue.pop_front(),
        QueueOrder::Lifo => queue.pop_back(),
    }
}

impl PartialEq for Working {
    fn eq(&self, other: &Working) -> bool {
        self.order == other.order
    }
}

impl Eq for Working {}

impl PartialOrd for Working {
    fn partial_cmp(&self, other: &Working) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Working {
    fn cmp(&self, other: &Working) -> std::cmp::Ordering {
        (self.done, self.order).cmp(&(other.done, other.order))
    }
}
