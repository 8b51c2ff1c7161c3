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
    /// Kind of its members.
    #[serde(skip_serializing_if = "ServerKind::is_default")]
    pub kind: ServerKind,
    /// l4: the server or group behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// l4: how connections are forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    /// l4: how a server is chosen (`round-robin` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<PickBackend>,
    /// l4: how it checks which servers are up. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// l4: what a health check does (`connect` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// l4: action on the connections to a server that is marked down (`keep` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_down: Option<OnDown>,
    /// l4 that terminates: time limit of its connect to a server (5 s unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Nanos>,
    /// l4 that terminates: maximum of connections to one server, as each uses a port (28,232 unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u32>,
    /// The program to run for each member, with its arguments, only on real sockets. No other key may configure
    /// the member's behavior.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Members, numbered from 0: `NAME-0`, `NAME-1`.
    pub count: u32,
    /// Handshakes that a member processes at the same time.
    pub workers: u32,
    /// A worker's time for one handshake; with `accept_time`, only for one that opens.
    pub service_time: Distribution,
    /// A worker's time for any request, whatever the answer. Absent: none, and every request costs `service_time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_time: Option<Distribution>,
    /// A worker's time to check the credentials of a request that opens. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Distribution>,
    /// TLS version: `"none"`, `"1.2"`, `"1.3"`.
    #[serde(skip_serializing_if = "tls::Version::is_none")]
    pub tls: tls::Version,
    /// A worker's time for a full TLS handshake (1 ms unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cost: Option<Distribution>,
    /// A worker's time for a resumed TLS handshake (100 us unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_resumed_cost: Option<Distribution>,
    /// Lifetime of its session tickets (2 h unless given); zero: it issues none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_tickets: Option<Nanos>,
    /// Who can decrypt its session tickets (`process` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_keys: Option<TlsKeys>,
    /// Work takes longer for a time after the start of the process (also at the beginning of the run). Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<WarmUp>,
    /// Connections that the kernel completes for a process that does not accept.
    pub backlog: u32,
    /// What its kernel does with a SYN when the backlog is full.
    pub backlog_overflow: Overflow,
    /// Maximum of open connections of a member. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<u32>,
    /// Action on a connection above `connections_max` (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when_full: Option<WhenFull>,
    /// `when_full = "redirect"`: the servers and groups that clients are redirected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overflow_to: Option<Names>,
    /// Maximum of requests that wait for a worker. Absent: no limit; 0: a request is rejected unless a worker is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<u32>,
    /// Action on a request when the queue is full (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_full: Option<QueueFull>,
    /// Which waiting request a worker takes next (`fifo` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueOrder>,
    /// Maximum of concurrent HTTP transactions of a member. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_max: Option<u32>,
    /// Action on a request when all transactions are in use (`wait` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactions_full: Option<TransactionsFull>,
    /// Rate limit of requests of a member. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_rate: Option<TokenBucket>,
    /// Rate limit of requests from each client address. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_rate: Option<TokenBucket>,
    /// Action on requests above either rate (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_rate: Option<OverRate>,
    /// Time limit for a connection to send its whole request. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Nanos>,
    /// Whether its HTTP/2 SETTINGS enable extended CONNECT (RFC 8441 section 3; true unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extended_connect: Option<bool>,
    /// Maximum of concurrent streams on one HTTP/2 connection: SETTINGS_MAX_CONCURRENT_STREAMS (100 unless given, the
    /// minimum that RFC 9113 section 6.5.2 recommends).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams_max: Option<u32>,
    /// The process stops periodically for a while. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pauses: Option<PauseConfig>,
    /// Bandwidth of each member's connection to the network; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_link: Option<AccessLink>,
    /// When its members join: until then their hosts refuse connects, and no redirector sends clients to them. Absent:
    /// they are there from the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joins_at: Option<Nanos>,
    /// When its members leave: redirectors stop sending clients to them, they are drained, and their processes end.
    /// Absent: they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_at: Option<Nanos>,
    /// Duration of the drain of members that leave, after which they end (10 s unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaves_over: Option<Nanos>,
    /// Calls to other servers, made one after the other when a worker has processed a request, which waits for the answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallConfig>,
    /// Whether a request holds its worker during its calls (a thread for each request), or not (asynchronous servers).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub calls_hold_worker: bool,
    /// How it answers requests.
    pub behavior: Behaviors,
    /// Zone of its hosts, for links and faults.
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
    /// Whether it may reject requests because of a limit.
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

    /// The same, for forwarding and for checks.
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

/// `{ kind = "redirect", to = "gateway", … }`: how a server answers, and to which requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BehaviorConfig {
    /// Kind of behavior.
    pub kind: Kind,
    /// redirect: the servers and groups to send clients to; absent: the same server, under another `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Names>,
    /// redirect: how a member of the group is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pick: Option<PickMember>,
    /// redirect by weight: the weights of servers and groups in `to` (a group's weight is that of each member);
    /// 1 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u32>>,
    /// redirect by consistent hash: what is hashed (`client` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_by: Option<HashBy>,
    /// redirect: the form of `Location`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<super::LocationForm>,
    /// redirect: the path in `Location`; absent: the requested path.
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
    /// challenge: the user and the password that are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// challenge: authentication scheme (`basic` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// challenge by Digest: hash algorithm (`sha-256` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// challenge: realm (`shakedown` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// challenge by Digest: lifetime of a nonce (5 min unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce_lifetime: Option<Nanos>,
    /// challenge (true unless given) and redirect (false unless given): whether the connection stays open for the next
    /// request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// challenge: whether credentials are verified (true unless given), or any are accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Malformed or additional parts of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerConfig>,
    /// How the response is sent; absent: in one piece, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryConfig>,
    /// accept: when the server closes the connection; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close: Option<CloseConfig>,
    /// Conditions for requests that it applies to; absent: all.
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
    /// Redirects the client.
    Redirect,
    /// Answers with an error.
    Reject,
    /// Reads the request and never answers.
    Stall,
    /// Answers other servers' calls with 200; nothing opens.
    Serve,
    /// Demands credentials with 401; requests with valid credentials go to the next behavior of the list.
    Challenge,
    /// Answers with bytes that are not HTTP.
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

/// Conditions for the requests that a behavior applies to; all given ones must be true.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Share of requests, drawn for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Beginning, as a time of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Nanos>,
    /// End, as a time of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
    /// Path of the request (the query is ignored).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
