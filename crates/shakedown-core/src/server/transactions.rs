//! The pool of HTTP transactions: the resources that a server reserves for a request from its acceptance to its final
//! response.
//!
//! An HTTP server releases them with the response. 101 is not a final response (RFC 9110 section 15.2): an upgraded
//! connection keeps its transaction until it ends. One that opens by a final response releases it with its last byte.

use std::collections::VecDeque;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::queue::Job;
use super::work::Work;

/// Action on a request when all transactions are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TransactionsFull {
    /// It waits in the request queue until one is released, as with a pool of threads or processes (Apache's
    /// `MaxRequestWorkers`, Tomcat's `maxThreads`).
    #[default]
    Wait,
    /// 503 at once, without a worker.
    Reject,
}

/// Whether a connection has a transaction, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hold {
    #[default]
    None,
    /// Its request asks for an upgrade.
    ForLife,
    /// Until its final response is sent.
    ForResponse,
}

/// The state of one server's transactions. Empty where their number is not limited.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    pub in_use: u32,
    /// By the server's numbers for its connections.
    pub holds: Vec<Hold>,
    /// Requests that wait for one.
    pub waiting: VecDeque<Job<Work>>,
}

impl Transactions {
    #[inline]
    pub(super) fn none_in_use(&self) -> bool {
        self.in_use == 0
    }
}
