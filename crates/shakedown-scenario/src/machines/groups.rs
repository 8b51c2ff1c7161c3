//! A group of servers as written gets its defaults, and becomes a group of machines of one kind.

use shakedown_core::network::TimeWait;
use shakedown_core::scenario::Roster;
use shakedown_core::server::{
    CallPlan, ConnectionLimit, Group, Machine, Membership, Program, Rates, ResourceLimit, STREAMS_MAX, Supervision,
    TlsConfig, WebServer, WhenUsedUp, Workers,
};
use shakedown_core::time::{Nanos, Timestamp};

use super::balancers;
use super::behaviors::BehaviorToml;
use super::servers::{CertificateToml, ServerKind, ServersToml};

/// What a TLS handshake costs: about an RSA-2048 signature and a key exchange on a server's core.
const TLS_COST: Nanos = Nanos::from_millis(1);
/// What resuming costs: about a key exchange.
const TLS_RESUMED_COST: Nanos = Nanos(100_000);
/// OpenSSL's default for TLS 1.3.
const TICKETS: Nanos = Nanos::from_secs(2 * 3_600);

impl ServersToml {
    /// Makes the defaults visible that depend on other keys.
    pub(crate) fn fill_in(&mut self) {
        self.fill_in_clocks();
        if self.kind == ServerKind::L4 {
            return balancers::fill_in(self);
        }
        if !self.tls.is_none() {
            self.tls_cost.get_or_insert(TLS_COST.into());
            self.tls_tickets.get_or_insert(TICKETS);
            if self.tls_tickets != Some(Nanos::ZERO) {
                self.tls_resumed_cost.get_or_insert(TLS_RESUMED_COST.into());
                self.tls_keys.get_or_insert_default();
            }
        } else {
            (self.tls_cost, self.tls_resumed_cost, self.tls_tickets, self.tls_keys) = (None, None, None, None);
            self.tls_certificate = None;
        }
        if self.connections_max.is_some() {
            self.when_full.get_or_insert_default();
        }
        self.behavior.0.iter_mut().for_each(BehaviorToml::fill_in);
        if self.queue_max.is_some() {
            self.queue_full.get_or_insert_default();
        }
        if self.transactions_max.is_some() {
            self.transactions_full.get_or_insert_default();
        }
        if let Some(readiness) = &mut self.readiness {
            readiness.successes.get_or_insert(1);
        }
        if self.may_be_killed() {
            self.restart.get_or_insert_default();
        }
        if self.leaves_at.is_some() {
            self.leaves_over.get_or_insert(Nanos::from_secs(10));
        }
        if self.limits_rates() {
            self.over_rate.get_or_insert_default();
        }
    }

    /// Whether it has a limit that `over_rate` is for.
    pub(crate) fn limits_rates(&self) -> bool {
        let addresses = self.address_rate.is_some() || self.address_window.is_some();
        self.accept_rate.is_some() || addresses || self.address_connections_max.is_some()
    }

    /// Whether something may kill its members' processes, besides faults.
    pub(crate) fn may_be_killed(&self) -> bool {
        self.liveness.is_some() || self.memory.is_some_and(|memory| memory.when_full == WhenUsedUp::Kill)
    }

    /// Makes the defaults visible that mean something only where clients come by HTTP/2.
    pub(crate) fn fill_in_streams(&mut self) {
        if self.kind == ServerKind::Websocket {
            self.extended_connect.get_or_insert(true);
            self.streams_max.get_or_insert(STREAMS_MAX);
        }
    }

    /// The group with what its kind has.
    pub(crate) fn group(&self, roster: &Roster, time_wait: TimeWait) -> Group {
        let at = |time: Nanos| Timestamp::ZERO + time;
        let leaves_over = self.leaves_over.unwrap_or_default();
        Group {
            count: self.count,
            backlog: self.backlog,
            backlog_overflow: self.backlog_overflow,
            access_link: self.access_link,
            membership: Membership {
                joins_at: self.joins_at.map(at),
                leaves_at: self.leaves_at.map(|time| (at(time), leaves_over)),
            },
            giving_up: self.giving_up(),
            machine: match (self.kind, &self.command) {
                (ServerKind::L4, _) => Machine::Balancer(balancers::read(self, roster, time_wait)),
                (ServerKind::Websocket, Some(command)) => {
                    Machine::Program(Program { command: command.clone(), listens: self.listens.unwrap_or(true) })
                }
                (ServerKind::Websocket, None) => Machine::Web(Box::new(self.web(roster))),
            },
        }
    }

    fn web(&self, roster: &Roster) -> WebServer {
        let calls = self.calls.iter().map(|call| CallPlan::new(call, roster.all_endpoints(Some(&call.to))));
        WebServer {
            workers: Workers {
                count: self.workers,
                cores: self.cores,
                slowdown: self.slowdown,
                service_time: self.service_time.clone(),
                accept_time: self.accept_time.clone(),
                auth_time: self.auth_time.clone(),
                queue: self.queue_max.map(|most| (most, self.queue_full.unwrap_or_default())),
                order: self.queue.unwrap_or_default(),
            },
            warm_up: self.warm_up,
            tls: (!self.tls.is_none()).then(|| TlsConfig {
                version: self.tls,
                cost: self.tls_cost.clone().unwrap_or(TLS_COST.into()),
                resumed_cost: self.tls_resumed_cost.clone().unwrap_or(TLS_RESUMED_COST.into()),
                tickets: self.tls_tickets.unwrap_or(TICKETS),
                keys: self.tls_keys.unwrap_or_default(),
                certificate: self.tls_certificate.as_ref().map(CertificateToml::read),
            }),
            connections: self.connections_max.map(|most| ConnectionLimit {
                most,
                when_full: self.when_full.unwrap_or_default(),
                overflow: roster.all_endpoints(self.overflow_to.as_ref()),
            }),
            transactions: self.transactions_max.map(|most| (most, self.transactions_full.unwrap_or_default())),
            rates: Rates {
                all: self.accept_rate,
                address: self.address_rate,
                window: self.address_window,
                connections: self.address_connections_max,
                over: self.over_rate.unwrap_or_default(),
            },
            handshake_timeout: self.handshake_timeout,
            clocks: self.clocks(),
            extended_connect: self.extended_connect.unwrap_or(true),
            streams_max: self.streams_max.unwrap_or(STREAMS_MAX),
            resources: [
                self.memory.as_ref().map(ResourceLimit::memory),
                self.descriptors.as_ref().map(ResourceLimit::descriptors),
            ]
            .into_iter()
            .flatten()
            .collect(),
            accepts: self.accepts.unwrap_or_default(),
            supervision: (self.may_be_killed() || self.readiness.is_some()).then(|| Supervision {
                probes: [self.liveness, self.readiness],
                restart: self.restart.unwrap_or_default(),
            }),
            pauses: self.pauses.clone(),
            calls: calls.collect(),
            calls_hold_worker: self.calls_hold_worker,
            lax: self.lax,
            behaviors: self.behavior.0.iter().map(|behavior| behavior.read(roster)).collect(),
        }
    }
}
