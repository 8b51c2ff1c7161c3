//! Time series: measures per interval of the run.

use super::latency::Percentiles;
use crate::client::Outcome;
use crate::time::{Nanos, Timestamp};

/// Everything per interval. All lists have one entry per interval.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The length of an interval; the last one may be shorter.
    pub interval: Nanos,
    /// Where each interval ends.
    pub ends: Vec<Timestamp>,
    /// Sessions that are open, usable end to end, at the interval's end.
    pub sessions_open: Vec<u32>,
    /// Minimum of open sessions at any moment of the interval, so that a short dip is not missed.
    pub sessions_open_lowest: Vec<u32>,
    /// Sessions that want to be open at the interval's end.
    pub sessions_wanted: Vec<u32>,
    /// Time that sessions were usable, divided by the time that they wanted to be, over the interval.
    pub availability: Vec<Option<f64>>,
    /// Attempts that ended during the interval, by [`Outcome`]'s number.
    pub outcomes: [Vec<u32>; Outcome::ALL.len()],
    /// Whether there are names that can stay unresolved.
    pub names: bool,
    /// Whether any server demands credentials.
    pub auth: bool,
    /// Whether there are forward proxies.
    pub proxies: bool,
    /// Whether any server has TLS.
    pub tls: bool,
    /// TCP established to open, of attempts that opened during the interval.
    pub handshake_latency: Vec<Option<Percentiles>>,
    /// Scheduled start to open, of sessions that first opened during the interval.
    pub time_to_open: Vec<Option<Percentiles>>,
    /// Of each server group of several members: its name, and Jain's index of the members' open connections at the
    /// interval's end; none where nothing is open.
    pub balance: Vec<(String, Vec<Option<f64>>)>,
    /// If they are measured: half-open connections at the interval's end that servers, and that clients, believe to be open.
    pub half_open: Option<[Vec<u32>; 2]>,
    /// One per server, in the scenario's order.
    pub servers: Vec<ServerSeries>,
}

impl Series {
    /// Whether an outcome is possible, and so has a column.
    pub fn shows(&self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Unresolved => self.names,
            Outcome::Challenged | Outcome::Unauthorized => self.auth,
            Outcome::ProxyChallenged | Outcome::ProxyUnauthorized | Outcome::ProxyRejected => self.proxies,
            Outcome::TlsFailed => self.tls,
            _ => true,
        }
    }
}

/// What is measured per interval of one server.
#[derive(Debug, Clone, Default)]
pub struct ServerSeries {
    /// The server's name.
    pub name: String,
    /// Requests that arrived during the interval.
    pub arrivals: Vec<u32>,
    /// Accepted connections at the interval's end.
    pub open_connections: Vec<u32>,
    /// Streams of HTTP/2 connections at the interval's end; empty without clients on HTTP/2.
    pub open_streams: Vec<u32>,
    /// Maximum of requests that waited for a worker at any moment of the interval.
    pub queue_depth: Vec<u32>,
    /// Utilisation of the workers, over the interval.
    pub utilisation: Vec<f64>,
    /// Kills of its process during the interval; empty where nothing but faults kills it.
    pub kills: Vec<u32>,
    /// Maximum of the memory that it needed at any moment of the interval, in bytes; empty without a limit.
    pub memory_in_use: Vec<u64>,
    /// If HTTP transactions are limited: the limit, and the maximum in use at any moment of the interval.
    pub transactions: Option<(u32, Vec<u32>)>,
    /// If it may be reloaded: connections that old processes have, and how many old processes there are, at the interval's
    /// end.
    pub old: Option<(Vec<u32>, Vec<u32>)>,
}

/// The time during which a fault affected at least one of its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultWindow {
    /// The fault's name.
    pub name: String,
    /// When it began.
    pub from: Timestamp,
    /// When its last target had recovered; `None` while it lasts.
    pub until: Option<Timestamp>,
}
