//! Waiting requests, and requests that workers process.

use std::collections::VecDeque;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Turn;
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
    /// A request that opens is opened without a worker, and closed at once with 1013 (try again later); others are answered
    /// 503.
    OpenThenClose,
}

impl QueueFull {
    /// How a request is rejected then.
    pub(super) fn turn(self) -> Turn {
        match self {
            QueueFull::Reject => Turn::Reject,
            QueueFull::Drop => Turn::Drop,
            QueueFull::Reset => Turn::Reset,
            QueueFull::OpenThenClose => Turn::OpenThenClose,
        }
    }
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

/// Work in the queue or with a worker: what it is, is for its server to know.
#[derive(Debug)]
pub(super) struct Job<W> {
    pub connection: u32,
    pub client: Identity,
    pub work: W,
    pub since: Timestamp,
}

/// A job with a worker, in order of completion; or a delayed one, in order of its turn.
#[derive(Debug)]
pub(super) struct Working<W> {
    pub done: Timestamp,
    pub order: u64,
    pub served: Nanos,
    pub job: Job<W>,
}

/// Takes the request that a worker should process next.
pub(super) fn take<W>(queue: &mut VecDeque<Job<W>>, order: QueueOrder) -> Option<Job<W>> {
    match order {
        QueueOrder::Fifo | QueueOrder::Deadline(_) => queue.pop_front(),
        QueueOrder::Lifo => queue.pop_back(),
    }
}

impl<W> PartialEq for Working<W> {
    fn eq(&self, other: &Working<W>) -> bool {
        self.order == other.order
    }
}

impl<W> Eq for Working<W> {}

impl<W> PartialOrd for Working<W> {
    fn partial_cmp(&self, other: &Working<W>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Working<W> {
    fn cmp(&self, other: &Working<W>) -> std::cmp::Ordering {
        (self.done, self.order).cmp(&(other.done, other.order))
    }
}
