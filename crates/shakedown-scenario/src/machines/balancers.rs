//! A group of balancers as written: its keys of `[servers.NAME]`.

use serde::Serialize;
use shakedown_core::machine::EndpointId;
use shakedown_core::names::Names;
use shakedown_core::network::{AccessLink, EPHEMERAL_PORTS, Health, Keepalive, Overflow, TimeWait};
use shakedown_core::server::{
    Balance, Balancing, Check, ConnectionAge, Forwarding, HealthChecks, IdleTimeout, OnDown, PickBackend,
};
use shakedown_core::time::Nanos;

use super::servers::{ServerKind, ServersToml};
use shakedown_core::scenario::Roster;

/// How long a terminating balancer waits for its connect unless the scenario says otherwise.
const CONNECT_TIMEOUT: Nanos = Nanos::from_secs(5);

/// Makes the defaults of a balancer group visible.
pub(super) fn fill_in(config: &mut ServersToml) {
    config.pick.get_or_insert_default();
    if config.balance == Some(Balance::Terminate) {
        config.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
        config.ports.get_or_insert(EPHEMERAL_PORTS);
    }
    if config.health.is_some() {
        config.check.get_or_insert_default();
        config.on_down.get_or_insert_default();
    }
}

/// The balancers with what they have, and their names looked up.
pub(super) fn read(config: &ServersToml, roster: &Roster, time_wait: TimeWait) -> Balancing {
    let to_names = config.to.as_ref().map(|names| names.0.clone()).unwrap_or_default();
    Balancing {
        to: to_names.iter().flat_map(|name| roster.members(name).unwrap_or_default()).collect(),
        to_names,
        first: EndpointId(0),
        reach: Vec::new(),
        forwarding: match config.balance {
            Some(Balance::Nat) => Forwarding::Nat,
            Some(Balance::Terminate) | None => Forwarding::Terminate {
                connections_max: config.connections_max,
                connect_timeout: config.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
                ports: config.ports.unwrap_or(EPHEMERAL_PORTS),
                time_wait,
            },
        },
        pick: config.pick.unwrap_or_default(),
        health: config.health.map(|health| HealthChecks {
            health,
            check: config.check.unwrap_or_default(),
            on_down: config.on_down.unwrap_or_default(),
        }),
        clocks: Box::new(config.clocks()),
    }
}

/// The keys of a balancer group, as `check --resolved` prints them: those of other servers mean nothing to it.
#[derive(Debug, Serialize)]
pub(crate) struct Written<'a> {
    kind: ServerKind,
    count: u32,
    to: &'a Option<Names>,
    balance: Option<Balance>,
    pick: Option<PickBackend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backlog_overflow: Option<Overflow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_timeout: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_link: Option<AccessLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_down: Option<OnDown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    zone_aware: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: &'a Option<IdleTimeout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_age: &'a Option<ConnectionAge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keepalive: &'a Option<Keepalive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_timeout: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: &'a Option<Names>,
}

impl<'a> From<&'a ServersToml> for Written<'a> {
    fn from(config: &'a ServersToml) -> Written<'a> {
        let terminates = config.balance == Some(Balance::Terminate);
        Written {
            kind: config.kind,
            count: config.count,
            to: &config.to,
            balance: config.balance,
            pick: config.pick,
            backlog: terminates.then_some(config.backlog),
            backlog_overflow: terminates.then_some(config.backlog_overflow),
            connections_max: config.connections_max,
            connect_timeout: config.connect_timeout,
            ports: config.ports,
            access_link: config.access_link,
            health: config.health,
            check: config.check,
            on_down: config.on_down,
            subset: config.subset,
            zone_aware: config.zone_aware,
            idle_timeout: &config.idle_timeout,
            connection_age: &config.connection_age,
            keepalive: &config.keepalive,
            user_timeout: config.user_timeout,
            zone: &config.zone,
        }
    }
}
