//! A client group as a scenario writes it.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use super::event::Finding;
use super::names::DnsCache;
use super::policies::{Auth, Form, NewKey, Remembers, Repeat, Scheme};
use super::retry::Retry;
use crate::handshake::{Lapse, Mode, Reading};
use crate::http::auth::Login;
use crate::load::Arrive;
use crate::names::one_or_more;
use crate::network::{AccessLink, EPHEMERAL_PORTS, GivingUp, Keepalive, NAT_PORTS};
use crate::quantity::count_up_to;
use crate::rng::Distribution;
use crate::shape::shaped;
use crate::time::{Nanos, timeout};

/// `[clients.NAME]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Clients"))]
pub struct Config {
    /// A real client's reconnect policy, as defaults of this group's keys (docs/clients.md lists them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// A real client's reaction to responses, as defaults of this group's keys (the same page).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Number of sessions (closed loop: of users). Stages say it themselves.
    #[serde(default, deserialize_with = "count_up_to::<100_000_000, _>")]
    pub count: u32,
    /// When the group's arrivals begin.
    #[serde(default)]
    pub start: Nanos,
    /// How its sessions arrive.
    #[serde(default)]
    pub arrive: Arrive,
    /// Server groups and members, expanded in order.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::names::Names"))]
    pub endpoints: Vec<String>,
    /// The first endpoint of a session.
    #[serde(default)]
    pub pick: Pick,
    /// The endpoint after a failure; absent: depends on `pick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_retry: Option<OnRetry>,
    /// What completes a handshake.
    #[serde(default)]
    pub mode: Mode,
    /// The request target.
    #[serde(default = "default_path")]
    pub path: String,
    /// Time limit from the first SYN to TCP established.
    #[serde(default = "default_timeout", with = "timeout")]
    #[cfg_attr(feature = "schema", schemars(with = "timeout::Shape"))]
    pub connect_timeout: Nanos,
    /// Time limit from TCP established to the complete response, TLS included.
    #[serde(default = "default_timeout", with = "timeout")]
    #[cfg_attr(feature = "schema", schemars(with = "timeout::Shape"))]
    pub handshake_timeout: Nanos,
    /// Whether it resumes TLS sessions with session tickets (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_resumption: Option<bool>,
    /// Maximum of consecutive redirects. RFC 9110 section 15.4 recalls that five were once advised.
    #[serde(default = "default_redirects")]
    pub redirects: u8,
    /// The forms of `Location` that it follows (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Vec<Form>>,
    /// The statuses that it follows (301, 302, 303, 307 and 308 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_statuses: Option<Vec<u16>>,
    /// Which redirects it remembers for later attempts (`none` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembers_redirects: Option<Remembers>,
    /// Whether the request after a redirect contains `Upgrade` again (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades_redirected: Option<bool>,
    /// Whether the next request to the same server reuses the connection, if the server keeps it open (true unless
    /// given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// How often it draws a new `Sec-WebSocket-Key` (`connection` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<NewKey>,
    /// After which failures it repeats the request once, at once and on a new connection (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_after: Option<Vec<Repeat>>,
    /// How strictly it parses responses (as RFC 6455 requires unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reading>,
    /// Credentials for servers that demand them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// When it sends its credentials (`after-challenge` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Authentication schemes that it supports (`basic` and `digest` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_schemes: Option<Vec<Scheme>>,
    /// Whether an application can set header fields, as `auth = "header"` needs (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets_headers: Option<bool>,
    /// Whether it sends credentials to servers outside its `endpoints` after a redirect (false unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_across_origins: Option<bool>,
    /// Forward proxies for its connections, as `[proxies.NAME]`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Credentials for a proxy that demands them. Needs `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_credentials: Option<Login>,
    /// Time limit from the start of an attempt to open, redirects included; absent: only the two limits above.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "timeout::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<timeout::Shape>"))]
    pub open_timeout: Option<Nanos>,
    /// Pings that detect a dead path; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// Its kernel probes connections over which nothing comes; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Keepalive>,
    /// How long its kernel waits for the acknowledgement of data (`TCP_USER_TIMEOUT`); absent: `[network] data_retries`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_timeout: Option<Nanos>,
    /// The retry policy.
    #[serde(default)]
    pub retry: Retry,
    /// Circuit breaker of a host; needs `hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Whether a session reconnects after it lost an open connection.
    #[serde(default = "default_reconnect")]
    pub reconnect: bool,
    /// Close codes after which it does not reconnect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fatal_close_codes: Vec<u16>,
    /// How long a session stays open: a duration, a distribution, or `"end"` of the run.
    #[serde(default)]
    pub hold: Hold,
    /// Number of client processes that the sessions are distributed over; absent: one per session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u32>,
    /// Number of public addresses that the hosts share behind a carrier's NAT (RFC 6888); absent: one per host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<u32>,
    /// Ports of each address towards one server: connections at the same time, those in TIME_WAIT included. Needs `hosts`
    /// or `nat`; absent: 28232, with `nat` 64512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u32>,
    /// Bandwidth of each host's connection to the network; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_link: Option<AccessLink>,
    /// Whether a process makes only one connect at a time to each server (RFC 6455 section 4.1, item 2).
    #[serde(default)]
    pub connect_gate: bool,
    /// How long a process keeps an HTTP/2 connection that no session uses; absent: 170 s, as Firefox has it. Needs
    /// `mode = "extended-connect"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Nanos>,
    /// How long a process caches an answer; absent: its TTL. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_cache: Option<DnsCache>,
    /// Time limit of a lookup; absent: 10 s, two tries of 5 s as in glibc's `resolv.conf`. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_timeout: Option<Nanos>,
    /// Whether a failed connect is followed by the next address of the answer; absent: true. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_address: Option<bool>,
    /// Tries the next address while a connect is unanswered, and uses the one that is established first (RFC 8305); absent: one
    /// after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub race: Option<Race>,
    /// Zone of its hosts, for links and faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Known flaws of the client: these findings are counted, but do not violate an invariant (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_findings: Option<Vec<Finding>>,
}

/// Ping and pong (RFC 6455 section 5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Time from opening, or from one ping, to the next ping.
    pub every: Nanos,
    /// Time without a pong after which the connection counts as dead. It may be longer than `every`, as engine.io 3 has
    /// it: no second ping is sent while a pong is awaited.
    pub timeout: Nanos,
}

/// A circuit breaker (Nygard, "Release It!"): after this many failures in a row a host makes no attempts for a while.
/// Then one session makes an attempt, and its outcome decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Failed attempts in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub open_for: Nanos,
}

/// A race of addresses (RFC 8305, "Happy Eyeballs").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Race {
    /// Time from one connect to the next address, unless the connect fails before.
    pub delay: Nanos,
}

impl Default for Race {
    fn default() -> Race {
        // RFC 8305 section 8.
        Race { delay: Nanos::from_millis(250) }
    }
}

/// What a lookup may take unless the scenario says otherwise.
pub(super) const DNS_TIMEOUT: Nanos = Nanos::from_secs(10);

/// How long an idle HTTP/2 connection is kept unless the scenario says otherwise (Firefox: `network.http.http2.timeout`).
pub(super) const IDLE_TIMEOUT: Nanos = Nanos::from_secs(170);

impl Config {
    /// When its kernel gives up connections.
    pub fn giving_up(&self) -> GivingUp {
        GivingUp { keepalive: self.keepalive, user_timeout: self.user_timeout }
    }

    /// Makes the default visible that means something only with HTTP/2.
    pub fn fill_in_streams(&mut self) {
        if self.mode == Mode::ExtendedConnect {
            self.idle_timeout.get_or_insert(IDLE_TIMEOUT);
        }
    }

    /// Makes the default visible that means something only where sessions share addresses.
    pub fn fill_in_ports(&mut self) {
        if self.nat.is_some() {
            self.ports.get_or_insert(NAT_PORTS);
        } else if self.hosts.is_some() {
            self.ports.get_or_insert(EPHEMERAL_PORTS);
        }
    }

    /// Whether its sessions may open without having verified the server's proof.
    pub fn opens_unverified(&self) -> bool {
        self.reads.as_ref().is_some_and(|reading| reading.accept_key == Lapse::Opens)
    }

    /// Makes the defaults visible that mean something only with credentials.
    pub fn fill_in_auth(&mut self) {
        if self.credentials.is_some() {
            self.auth.get_or_insert_default();
            self.credentials_across_origins.get_or_insert(false);
        }
    }

    /// Makes the defaults visible that mean something only where there are names.
    pub fn fill_in_dns(&mut self) {
        self.dns_cache.get_or_insert_default();
        self.dns_timeout.get_or_insert(DNS_TIMEOUT);
        self.next_address.get_or_insert(true);
    }
}

fn default_path() -> String {
    "/".into()
}

fn default_timeout() -> Nanos {
    Nanos::from_secs(10)
}

fn default_redirects() -> u8 {
    5
}

fn default_reconnect() -> bool {
    true
}

/// The first endpoint of a session, also after it lost an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// The first of the list.
    First,
    /// A random one, drawn each time.
    #[default]
    Random,
    /// In turn: a shared host counts for all its sessions, a session without one begins at its index.
    RoundRobin,
    /// A random one, drawn once per session.
    Sticky,
}

/// The endpoint of a session after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnRetry {
    /// The one that failed (the default of `sticky`).
    Same,
    /// The next of the list (the default of `first` and `round-robin`).
    Next,
    /// A random one (the default of `random`).
    Random,
}

impl Pick {
    /// What a session does after a failure unless the scenario says otherwise.
    pub fn on_retry(self) -> OnRetry {
        match self {
            Pick::First | Pick::RoundRobin => OnRetry::Next,
            Pick::Random => OnRetry::Random,
            Pick::Sticky => OnRetry::Same,
        }
    }
}

/// How long a session stays open.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Hold {
    /// To the end of the run.
    #[default]
    End,
    /// For a time, counted from opening.
    For(Distribution),
}

shaped!(Hold, "Hold", |generator| shape::any([shape::words(&["end"]), generator.subschema_for::<Distribution>()]));

impl Serialize for Hold {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Hold::End => serializer.serialize_str("end"),
            Hold::For(time) => time.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Hold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hold, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Hold;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"end\", a duration such as \"30s\", or a distribution")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hold, E> {
                match text {
                    "end" => Ok(Hold::End),
                    text => Distribution::deserialize(de::value::StrDeserializer::new(text)).map(Hold::For),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Hold, A::Error> {
                Distribution::deserialize(de::value::MapAccessDeserializer::new(map)).map(Hold::For)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
