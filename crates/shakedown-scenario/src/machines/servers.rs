//! `[servers.NAME]` as written: a flat table with the keys of web servers, balancers and programs.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_core::machine::Ends;
use shakedown_core::names::Names;
use shakedown_core::network::{AccessLink, GivingUp, Health, Keepalive, Overflow};
use shakedown_core::quantity::{Share, count_up_to};
use shakedown_core::rng::{Distribution, Identity};
use shakedown_core::server::{
    Accepts, Balance, CLOSE_TIMEOUT, CallConfig, Certificate, Check, ClocksConfig, ConnectionAge, DescriptorsConfig,
    IdleTimeout, MemoryConfig, OnDown, OverRate, PauseConfig, PickBackend, ProbeConfig, QueueFull, QueueOrder,
    RestartConfig, ServerHeartbeat, Slowdown, TlsKeys, TokenBucket, TransactionsFull, WarmUp, WhenFull, WindowConfig,
};
use shakedown_core::time::{Nanos, Timestamp};
use shakedown_core::tls;

use super::behaviors::Behaviors;
use super::clocks::{self, Clocks};

/// Kind of a group's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ServerKind {
    /// They answer opening handshakes.
    #[default]
    Websocket,
    /// Layer-4 balancers: each has an address in front of a group, and forwards connections without reading them.
    L4,
}

impl ServerKind {
    fn is_default(&self) -> bool {
        *self == ServerKind::default()
    }
}

/// The kinds of members that the keys of `[servers.NAME]` may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A web server.
    Web,
    /// A balancer that rewrites addresses.
    Nat,
    /// A balancer that terminates connections.
    Terminating,
    /// A program.
    Program,
}

/// For which of them a key means something. A key that is not listed is for web servers.
pub(crate) fn sorts(key: &str) -> &'static [Sort] {
    match key {
        "kind" | "count" | "zone" => &[Sort::Web, Sort::Nat, Sort::Terminating, Sort::Program],
        "backlog" | "backlog_overflow" | "connections_max" | "access_link" => &[Sort::Web, Sort::Terminating],
        "to" | "balance" | "pick" | "health" | "check" | "on_down" | "subset" | "zone_aware" => {
            &[Sort::Nat, Sort::Terminating]
        }
        "idle_timeout" => &[Sort::Web, Sort::Nat, Sort::Terminating],
        "keepalive" | "user_timeout" | "connection_age" => &[Sort::Web, Sort::Terminating],
        "connect_timeout" | "ports" => &[Sort::Terminating],
        "command" | "listens" => &[Sort::Program],
        _ => &[Sort::Web],
    }
}

/// `tls_certificate = { expires_at = "20s", renewed_at = "50s" }`: what is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Certificate"))]
pub(crate) struct CertificateToml {
    /// When it expires, as a time of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Nanos>,
    /// When a new one is there, as a time of the run; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Nanos>,
    /// The client groups that do not know its issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_by: Option<Names>,
    /// The share of client hosts that do not, drawn once for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_share: Option<Share>,
}

impl CertificateToml {
    /// With resolved names.
    pub(crate) fn read(&self) -> Certificate {
        let at = |time: Nanos| Timestamp::ZERO + time;
        let groups = self.untrusted_by.iter().flat_map(|names| &names.0);
        Certificate {
            expired: self.expires_at.map(|expires| (at(expires), self.renewed_at.map(at))),
            untrusted_by: groups.map(|name| Identity::group(name)).collect(),
            untrusted_share: self.untrusted_share.unwrap_or_default(),
        }
    }
}

impl ServersToml {
    /// How its clocks may end connections: by default in the first way.
    pub(crate) fn endings(&self) -> &'static [Ends] {
        match (self.kind, self.balance) {
            (ServerKind::Websocket, _) => &[Ends::Close, Ends::Fin, Ends::Reset],
            (ServerKind::L4, Some(Balance::Nat)) => &[Ends::Forget, Ends::Silence, Ends::Reset],
            (ServerKind::L4, _) => &[Ends::Fin, Ends::Reset],
        }
    }

    /// Makes the defaults of its clocks visible.
    pub(super) fn fill_in_clocks(&mut self) {
        let usual = self.endings()[0];
        let clocks = Clocks {
            heartbeat: self.heartbeat.as_mut(),
            idle_timeout: self.idle_timeout.as_mut(),
            connection_age: self.connection_age.as_mut(),
        };
        if clocks.fill_in(usual) {
            self.close_timeout.get_or_insert(CLOSE_TIMEOUT);
        }
    }

    /// When its kernel gives up connections.
    pub(super) fn giving_up(&self) -> GivingUp {
        GivingUp { keepalive: self.keepalive, user_timeout: self.user_timeout }
    }

    /// Its clocks.
    pub(super) fn clocks(&self) -> ClocksConfig {
        let (age, usual) = (self.connection_age.as_ref(), self.endings()[0]);
        clocks::read(self.heartbeat, self.idle_timeout, age, self.close_timeout, usual)
    }
}

/// `[servers.NAME]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Servers"))]
pub(crate) struct ServersToml {
    /// Kind of its members.
    #[serde(skip_serializing_if = "ServerKind::is_default")]
    pub kind: ServerKind,
    /// l4: the servers and groups behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Names>,
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
    /// command: whether the program is a server (true unless given). One that is none is not waited for, and may end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listens: Option<bool>,
    /// Members, numbered from 0: `NAME-0`, `NAME-1`.
    #[serde(deserialize_with = "count_up_to::<10_000, _>")]
    pub count: u32,
    /// Handshakes that a member processes at the same time.
    pub workers: u32,
    /// Processors that the workers of a member share: n requests in progress each get the same part of them, at most one
    /// processor. Absent: each worker has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u32>,
    /// How requests in progress slow each other down. Absent: they do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowdown: Option<Slowdown>,
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
    /// What clients find of its certificate; absent: nothing wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<CertificateToml>,
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
    /// Maximum of requests from each client address in a window. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_window: Option<WindowConfig>,
    /// Maximum of open connections from each client address. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_connections_max: Option<u32>,
    /// Action on requests above any of these limits (`reject` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over_rate: Option<OverRate>,
    /// Time limit for a connection to send its whole request. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_timeout: Option<Nanos>,
    /// It pings its open connections, and ends those that do not answer. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<ServerHeartbeat>,
    /// Connections over which nothing comes end. Absent: they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<IdleTimeout>,
    /// Connections end at an age. Absent: they stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_age: Option<ConnectionAge>,
    /// Its kernel probes connections over which nothing comes. Absent: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// How long its kernel waits for the acknowledgement of data (`TCP_USER_TIMEOUT`). Absent: `[network] data_retries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_timeout: Option<Nanos>,
    /// Time limit of the answer to a close frame that a clock sent; then the connection is closed (10 s unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_timeout: Option<Nanos>,
    /// What a member has of memory, and what it needs. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryConfig>,
    /// File descriptors of a member, one for each connection. Absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<DescriptorsConfig>,
    /// When a member accepts connections (`always` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepts: Option<Accepts>,
    /// Probes after which a member's process is killed. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<ProbeConfig>,
    /// Probes after which no redirector, caller or balancer sends anything to a member, until they succeed again. Absent:
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness: Option<ProbeConfig>,
    /// When a process that was killed is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartConfig>,
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
    /// Whether it takes what RFC 6455 section 5.1 and RFC 9112 tell it to refuse: frames without a mask, several `Host`
    /// fields, and a `Content-Length` that is no number or contradicts another or a `Transfer-Encoding`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lax: bool,
    /// How it answers requests.
    pub behavior: Behaviors,
    /// l4: each member uses so many of the servers behind it, spread evenly (absent: all).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subset: Option<u32>,
    /// l4: servers in the member's own zone come first: others are chosen only when none there is up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub zone_aware: bool,
    /// Zone of its hosts, for links and faults; of a list, members are spread over them in turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Names>,
}

impl Default for ServersToml {
    fn default() -> ServersToml {
        ServersToml {
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
            listens: None,
            count: 1,
            workers: 4,
            cores: None,
            slowdown: None,
            service_time: Nanos(250_000).into(),
            accept_time: None,
            auth_time: None,
            tls: tls::Version::None,
            tls_cost: None,
            tls_resumed_cost: None,
            tls_tickets: None,
            tls_keys: None,
            tls_certificate: None,
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
            address_window: None,
            address_connections_max: None,
            over_rate: None,
            handshake_timeout: None,
            heartbeat: None,
            idle_timeout: None,
            connection_age: None,
            close_timeout: None,
            keepalive: None,
            user_timeout: None,
            memory: None,
            descriptors: None,
            accepts: None,
            liveness: None,
            readiness: None,
            restart: None,
            extended_connect: None,
            streams_max: None,
            pauses: None,
            access_link: None,
            joins_at: None,
            leaves_at: None,
            leaves_over: None,
            calls: Vec::new(),
            calls_hold_worker: false,
            lax: false,
            behavior: Behaviors::default(),
            subset: None,
            zone_aware: false,
            zone: None,
        }
    }
}
