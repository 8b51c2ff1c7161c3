//! A forward proxy as a scenario writes it.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use shakedown_core::http::auth::{Algorithm, Login};
use shakedown_core::machine::Ends;
use shakedown_core::names::Names;
use shakedown_core::network::{AccessLink, EPHEMERAL_PORTS, GivingUp, Keepalive, Overflow};
use shakedown_core::quantity::count_up_to;
use shakedown_core::rng::Distribution;
use shakedown_core::server::{
    BehaviorKind, ConnectionAge, Group, IdleTimeout, Machine, Membership, Proxy, QueueFull, QueueOrder, Scheme, Workers,
};
use shakedown_core::time::Nanos;

use super::behaviors::{BehaviorToml, NONCE_LIFETIME, REALM};
use super::clocks::{self, Clocks};
use super::servers::ServersToml;

/// `[proxies.NAME]`: forward proxies that make tunnels by `CONNECT` (RFC 9110 section 9.3.6). Keys that servers also
/// have mean the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Proxies"))]
pub(crate) struct ProxiesToml {
    /// Members, numbered from 0: `NAME-0`, `NAME-1`.
    #[serde(deserialize_with = "count_up_to::<10_000, _>")]
    pub count: u32,
    /// Requests that a member processes at the same time.
    pub workers: u32,
    /// A worker's time for one `CONNECT`; with `accept_time`, only for one that is forwarded.
    pub service_time: Distribution,
    /// A worker's time for any request, whatever the answer. Absent: none, and every request costs `service_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_time: Option<Distribution>,
    /// A worker's time to check credentials. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Distribution>,
    /// Connections that the kernel completes for a process that does not accept.
    pub backlog: u32,
    /// What its kernel does with a SYN when the backlog is full.
    pub backlog_overflow: Overflow,
    /// Maximum of clients' connections of a member; further ones are answered 503. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// Maximum of requests that wait for a worker; further ones are answered 503. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<u32>,
    /// Time limit of its own connect to the target; then it answers 504.
    pub connect_timeout: Nanos,
    /// Its ports towards one server: connections at the same time, those in TIME_WAIT included.
    pub ports: u32,
    /// The user and the password that it accepts; all others are answered 407. Absent: it demands none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// Authentication scheme (`basic` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Digest: hash algorithm (`sha-256` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Realm (`shakedown` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// Digest: lifetime of a nonce (5 min unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce_lifetime: Option<Nanos>,
    /// Whether the connection stays open after a 407 (true unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// Status that answers every `CONNECT` that would otherwise be forwarded. Absent: it is forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<u16>,
    /// Tunnels over which nothing comes end. Absent: they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<IdleTimeout>,
    /// Tunnels end at an age. Absent: they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_age: Option<ConnectionAge>,
    /// Its kernel probes connections over which nothing comes. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// How long its kernel waits for the acknowledgement of data (`TCP_USER_TIMEOUT`). Absent: `[network] data_retries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_timeout: Option<Nanos>,
    /// Bandwidth of each member's connection to the network; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_link: Option<AccessLink>,
    /// Zone of its hosts, for links and faults; of a list, members are spread over them in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Names>,
}

impl Default for ProxiesToml {
    fn default() -> ProxiesToml {
        let ServersToml { count, workers, service_time, backlog, backlog_overflow, .. } = ServersToml::default();
        ProxiesToml {
            count,
            workers,
            service_time,
            accept_time: None,
            auth_time: None,
            backlog,
            backlog_overflow,
            connections_max: None,
            queue_max: None,
            connect_timeout: Nanos::from_secs(5),
            ports: EPHEMERAL_PORTS,
            credentials: None,
            scheme: None,
            algorithm: None,
            realm: None,
            nonce_lifetime: None,
            keep_alive: None,
            reject: None,
            idle_timeout: None,
            connection_age: None,
            keepalive: None,
            user_timeout: None,
            access_link: None,
            zone: None,
        }
    }
}

impl ProxiesToml {
    /// Makes the defaults visible that mean something only beside other keys.
    pub(crate) fn fill_in(&mut self) {
        let (idle_timeout, connection_age) = (self.idle_timeout.as_mut(), self.connection_age.as_mut());
        Clocks { heartbeat: None, idle_timeout, connection_age }.fill_in(Ends::Fin);
        if self.credentials.is_none() {
            return;
        }
        if *self.scheme.get_or_insert_default() == Scheme::Digest {
            self.algorithm.get_or_insert_default();
            self.nonce_lifetime.get_or_insert(NONCE_LIFETIME);
        }
        self.realm.get_or_insert_with(|| REALM.into());
        self.keep_alive.get_or_insert(true);
    }

    /// What it demands of its clients, as a server's behavior; `None` where that is nothing.
    pub(crate) fn demand(&self) -> Option<BehaviorToml> {
        self.credentials.is_some().then(|| BehaviorToml {
            kind: BehaviorKind::Challenge,
            credentials: self.credentials.clone(),
            scheme: self.scheme,
            algorithm: self.algorithm,
            realm: self.realm.clone(),
            nonce_lifetime: self.nonce_lifetime,
            keep_alive: self.keep_alive,
            ..BehaviorToml::default()
        })
    }

    /// The group with what proxies have; `patience` is their `handshake_timeout`.
    pub(crate) fn group(&self, patience: Option<Nanos>) -> Group {
        Group {
            count: self.count,
            backlog: self.backlog,
            backlog_overflow: self.backlog_overflow,
            access_link: self.access_link,
            membership: Membership::default(),
            giving_up: GivingUp { keepalive: self.keepalive, user_timeout: self.user_timeout },
            machine: Machine::Proxy(Box::new(Proxy {
                workers: Workers {
                    count: self.workers,
                    cores: None,
                    slowdown: None,
                    service_time: self.service_time.clone(),
                    accept_time: self.accept_time.clone(),
                    auth_time: self.auth_time.clone(),
                    queue: self.queue_max.map(|most| (most, QueueFull::Reject)),
                    order: QueueOrder::default(),
                },
                connections_max: self.connections_max,
                connect_timeout: self.connect_timeout,
                ports: self.ports,
                demand: self.demand().and_then(|demand| demand.demand()),
                reject: self.reject,
                handshake_timeout: patience,
                clocks: clocks::read(None, self.idle_timeout, self.connection_age.as_ref(), None, Ends::Fin),
            })),
        }
    }
}
