//! A server group as a scenario writes it.

use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::balancer::{Balance, Balancing, Check, OnDown, PickBackend, ServerKind};
use super::calls::CallConfig;
use super::challenge::Scheme;
use super::limits::{OverRate, QueueFull, QueueOrder, TokenBucket, WhenFull};
use super::pauses::PauseConfig;
use super::response_flaws::{AnswerConfig, CloseConfig, DeliveryConfig};
use super::targets::{HashBy, PickMember};
use super::tls::TlsKeys;
use super::transactions::TransactionsFull;
use crate::http::auth::{Algorithm, Login};
use crate::names::Names;
use crate::network::{AccessLink, Health, Overflow};
use crate::quantity::Share;
use crate::rng::Distribution;
use crate::shape::shaped;
use crate::time::{Nanos, Timestamp};
use crate::tls;

/// `[servers.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Servers"))]
pub struct Config {
    /// What its members are.
    #[serde(skip_serializing_if = "ServerKind::is_default")]
    pub kind: ServerKind,
    /// l4: the server or group behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// l4: how connections are passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// l4: how a server is chosen (`round-robin` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<PickBackend>,
    /// l4: how it finds out which servers are up. Absent: it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// l4: what a health check does (`connect` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// l4: what becomes of the connections to a server that is found down (`keep` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_down: Option<OnDown>,
    /// l4 that terminates: how long it waits for its connect to a server (5 s unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Nanos>,
    /// l4 that terminates: its connections to one server at most, as each takes a port (28,232 unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u32>,
    /// The program that each member is, with its arguments, on real sockets alone: it answers as it likes, and no other
    /// key says how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Members, numbered from 0: `NAME-0`, `NAME-1`.
    pub count: u32,
    /// Handshakes that a member works on at the same time.
    pub workers: u32,
    /// A worker's time for one handshake; with `accept_time` beside it, for one that opens.
    pub service_time: Distribution,
    /// A worker's time for any request, whatever the answer. Absent: none, and every request costs `service_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_time: Option<Distribution>,
    /// A worker's time to check the credentials of a request that opens. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Distribution>,
    /// Which TLS it speaks: `"none"`, `"1.2"`, `"1.3"`.
    #[serde(skip_serializing_if = "tls::Version::is_none")]
    pub tls: tls::Version,
    /// A worker's time for a TLS handshake in full (1 ms unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cost: Option<Distribution>,
    /// The same where an earlier session is resumed (100 us unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_resumed_cost: Option<Distribution>,
    /// How long its session tickets are good for (2 h unless given); zero: it gives none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_tickets: Option<Nanos>,
    /// Who can read them (`process` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_keys: Option<TlsKeys>,
    /// Work takes longer for a time after the process starts (also at the run's beginning). Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Connections that the kernel completes for a process that does not accept.
    pub backlog: u32,
    /// What its kernel does with a SYN when they are that many.
    pub backlog_overflow: Overflow,
    /// Connections a member keeps at most. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// What becomes of one connection more (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_full: Option<WhenFull>,
    /// `when_full = "redirect"`: the servers and groups that take the overflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow_to: Option<Names>,
    /// Requests that wait for a worker at most. Absent: no limit; 0: a request finds a free worker or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<u32>,
    /// What becomes of one request more (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_full: Option<QueueFull>,
    /// Which waiting request a worker takes next (`fifo` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueOrder>,
    /// HTTP transactions that a member has at the same time. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_max: Option<u32>,
    /// What becomes of a request that finds all of them in use (`wait` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_full: Option<TransactionsFull>,
    /// How many requests a member lets in. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_rate: Option<TokenBucket>,
    /// How many requests a member lets in from each client address. Absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_rate: Option<TokenBucket>,
    /// What becomes of requests over either rate (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_rate: Option<OverRate>,
    /// How long a connection may take to send its whole request. Absent: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Nanos>,
    /// Whether its HTTP/2 SETTINGS enable extended CONNECT (RFC 8441 section 3; true unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_connect: Option<bool>,
    /// Streams that it takes at a time on one HTTP/2 connection: SETTINGS_MAX_CONCURRENT_STREAMS (100 unless given, the
    /// least that RFC 9113 section 6.5.2 recommends).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_max: Option<u32>,
    /// Every now and then the process stops for a while. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<PauseConfig>,
    /// The bandwidth of what connects each member to the network; absent: without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_link: Option<AccessLink>,
    /// When its members join: until then nobody listens there, and no redirector names them. Absent: they are there from
    /// the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joins_at: Option<Nanos>,
    /// When its members leave: no redirector names them any more, they are drained, and their processes end. Absent: they
    /// stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<Nanos>,
    /// The time over which members that leave send their close frames, and after which they end (10 s unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_over: Option<Nanos>,
    /// Other servers whose answers a request waits for, one after the other, once a worker is done with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallConfig>,
    /// Whether a request keeps its worker while it waits for them (a thread for each request; otherwise, as with
    /// asynchronous servers, it does not).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub calls_hold_worker: bool,
    /// What it answers.
    pub behavior: Behaviors,
    /// The zone that its hosts are in; links and faults may name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            kind: ServerKind::default(),
            to: None,
            balance: None,
            pick: None,
            health: None,
            check: None,
            on_down: None,
            connect_timeout: None,
            ports: None,
            command: None,
            count: 1,
            workers: 4,
            service_time: Nanos(250_000).into(),
            accept_time: None,
            auth_time: None,
            tls: tls::Version::None,
            tls_cost: None,
            tls_resumed_cost: None,
            tls_tickets: None,
            tls_keys: None,
            warm_up: None,
            backlog: 1024,
            backlog_overflow: Overflow::default(),
            connections_max: None,
            when_full: None,
            overflow_to: None,
            queue_max: None,
            queue_full: None,
            queue: None,
            transactions_max: None,
            transactions_full: None,
            accept_rate: None,
            address_rate: None,
            over_rate: None,
            handshake_timeout: None,
            extended_connect: None,
            streams_max: None,
            pauses: None,
            access_link: None,
            joins_at: None,
            leaves_at: None,
            leaves_over: None,
            calls: Vec::new(),
            calls_hold_worker: false,
            behavior: Behaviors::default(),
            zone: None,
        }
    }
}

impl Config {
    /// Whether it may turn requests away for want of room or time.
    pub fn has_limits(&self) -> bool {
        self.connections_max.is_some()
            || self.queue_max.is_some()
            || self.transactions_max.is_some()
            || self.accept_rate.is_some()
            || self.address_rate.is_some()
            || self.handshake_timeout.is_some()
            || matches!(self.queue, Some(QueueOrder::Deadline(_)))
    }

    /// Whether its members open connections to other servers.
    pub fn calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// The same, be it to pass on what they are sent or to check it.
    pub fn opens_connections(&self) -> bool {
        self.calls() || self.kind != ServerKind::Websocket
    }

    /// When its members join and leave.
    pub fn membership(&self) -> Membership {
        let at = |time: Nanos| Timestamp::ZERO + time;
        let over = self.leaves_over.unwrap_or_default();
        Membership { joins_at: self.joins_at.map(at), leaves_at: self.leaves_at.map(|time| (at(time), over)) }
    }

    /// Makes the defaults visible that depend on other keys.
    pub fn fill_in(&mut self) {
        if self.kind == ServerKind::L4 {
            return Balancing::fill_in(self);
        }
        if !self.tls.is_none() {
            self.tls_cost = Some(self.tls_cost());
            self.tls_tickets = Some(self.tls_tickets());
            if self.tls_tickets != Some(Nanos::ZERO) {
                self.tls_resumed_cost = Some(self.tls_resumed_cost());
                self.tls_keys.get_or_insert_default();
            }
        } else {
            (self.tls_cost, self.tls_resumed_cost, self.tls_tickets, self.tls_keys) = (None, None, None, None);
        }
        if self.connections_max.is_some() {
            self.when_full.get_or_insert_default();
        }
        self.behavior.0.iter_mut().for_each(BehaviorConfig::fill_in);
        if self.queue_max.is_some() {
            self.queue_full.get_or_insert_default();
        }
        if self.transactions_max.is_some() {
            self.transactions_full.get_or_insert_default();
        }
        if self.leaves_at.is_some() {
            self.leaves_over.get_or_insert(Nanos::from_secs(10));
        }
        if self.accept_rate.is_some() || self.address_rate.is_some() {
            self.over_rate.get_or_insert_default();
        }
    }
}

impl Config {
    /// Whether its members may redirect.
    pub fn redirects(&self) -> bool {
        self.overflow_to.is_some() || self.behavior.0.iter().any(|behavior| behavior.kind == Kind::Redirect)
    }
}

/// When the members of a group are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// When they join, unless they are there from the beginning.
    pub joins_at: Option<Timestamp>,
    /// When they leave, and over what time they are drained.
    pub leaves_at: Option<(Timestamp, Nanos)>,
}

/// `{ for = "10s", factor = 4 }`: how much slower a process is after its start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// For how long.
    #[serde(rename = "for")]
    pub duration: Nanos,
    /// How many times as long its work takes.
    pub factor: f64,
}

/// One behavior, or several of which the first that applies is shown; where none applies, the server accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviors(pub Vec<BehaviorConfig>);

impl Default for Behaviors {
    fn default() -> Behaviors {
        Behaviors(vec![BehaviorConfig::default()])
    }
}

shaped!(Behaviors, "Behaviors", |generator| shape::any([
    generator.subschema_for::<BehaviorConfig>(),
    generator.subschema_for::<Vec<BehaviorConfig>>()
]));

impl Serialize for Behaviors {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            list => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Behaviors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Behaviors, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Behaviors;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a behavior such as { kind = \"accept\" }, or a list of them")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Behaviors, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Behaviors)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Behaviors, A::Error> {
                BehaviorConfig::deserialize(de::value::MapAccessDeserializer::new(map)).map(|one| Behaviors(vec![one]))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `{ kind = "redirect", to = "gateway", … }`: what a server answers, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BehaviorConfig {
    /// Which behavior.
    pub kind: Kind,
    /// redirect: the servers and groups to send clients to; absent: the same server, under another `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Names>,
    /// redirect: how a member of the group is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<PickMember>,
    /// redirect by weight: how often each server or group in `to` is chosen (a group's weight is that of each member);
    /// 1 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u32>>,
    /// redirect by consistent hash: of what (`client` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_by: Option<HashBy>,
    /// redirect: the form of `Location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<super::LocationForm>,
    /// redirect: the path in `Location`; absent: the path that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// redirect: how often members report their open connections, for `least-connections`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_every: Option<Nanos>,
    /// redirect (307 unless given) and reject (503 unless given): the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// redirect and reject: `Retry-After`, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Nanos>,
    /// challenge: the user and the password that are let pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// challenge: how they are to be sent (`basic` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// challenge by Digest: the hash (`sha-256` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// challenge: what the password is for (`shakedown` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// challenge by Digest: how long a nonce may be used (5 min unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce_lifetime: Option<Nanos>,
    /// challenge (true unless given) and redirect (false unless given): whether the answer leaves the connection open for
    /// the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// challenge: whether credentials are checked (true unless given), or any will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// What the answer says besides, or instead of, what it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerConfig>,
    /// How the answer's bytes leave; absent: in one piece, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
    /// accept: when the connection is closed again; absent: not by the server's will.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseConfig>,
    /// Which requests it applies to; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

impl BehaviorConfig {
    /// Whether its answers are as they should be, and sent in one piece.
    pub(super) fn is_plain(&self) -> bool {
        self.answer.is_none() && self.delivery.is_none()
    }

    /// Makes the defaults visible that mean something only beside other keys.
    fn fill_in(&mut self) {
        if let Some(delivery) = self.delivery.as_mut().filter(|delivery| delivery.cut.is_some()) {
            delivery.then.get_or_insert_default();
        }
        if self.pick == Some(PickMember::ConsistentHash) {
            self.hash_by.get_or_insert_default();
        }
        if self.kind != Kind::Challenge {
            return;
        }
        if *self.scheme.get_or_insert_default() == Scheme::Digest {
            self.algorithm.get_or_insert_default();
            self.nonce_lifetime.get_or_insert(NONCE_LIFETIME);
        }
        self.realm.get_or_insert_with(|| REALM.into());
        let plain = self.is_plain();
        self.keep_alive.get_or_insert(plain);
        self.verify.get_or_insert(true);
    }
}

/// How long a nonce may be used unless the scenario says otherwise.
pub(super) const NONCE_LIFETIME: Nanos = Nanos::from_secs(300);
/// What a password is for unless the scenario says otherwise.
pub(super) const REALM: &str = "shakedown";

impl Default for BehaviorConfig {
    fn default() -> BehaviorConfig {
        BehaviorConfig {
            kind: Kind::Accept,
            to: None,
            pick: None,
            weights: None,
            hash_by: None,
            location: None,
            path: None,
            report_every: None,
            status: None,
            retry_after: None,
            credentials: None,
            scheme: None,
            algorithm: None,
            realm: None,
            nonce_lifetime: None,
            keep_alive: None,
            verify: None,
            answer: None,
            delivery: None,
            close: None,
            when: None,
        }
    }
}

/// The kinds of behaviors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "BehaviorKind"))]
pub enum Kind {
    /// Completes the handshake.
    Accept,
    /// Sends the client elsewhere.
    Redirect,
    /// Answers with an error.
    Reject,
    /// Reads the request and never answers.
    Stall,
    /// Answers other servers' calls with 200; nothing opens.
    Serve,
    /// Demands credentials with 401; who has them is answered by the next of the list.
    Challenge,
    /// Answers with what is no HTTP.
    Garbage,
}

impl Kind {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Accept => "accept",
            Kind::Redirect => "redirect",
            Kind::Reject => "reject",
            Kind::Stall => "stall",
            Kind::Serve => "serve",
            Kind::Challenge => "challenge",
            Kind::Garbage => "garbage",
        }
    }
}

/// Which requests a behavior applies to: all conditions given must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// This share of requests, drawn for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// From this moment of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Nanos>,
    /// Up to this moment of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
    /// Requests for this path (the query does not count).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
