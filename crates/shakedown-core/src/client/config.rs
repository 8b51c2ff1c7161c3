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
use crate::network::AccessLink;
use crate::rng::Distribution;
use crate::shape::shaped;
use crate::time::{Nanos, timeout};

/// `[clients.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Clients"))]
pub struct Config {
    /// A real client whose keys this group takes where it has none of its own (docs/clients.md lists them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// A real client whose reading of answers this group takes where it has no keys of its own (the same page).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How many sessions (closed loop: users).
    pub count: u32,
    /// When the group's arrivals begin.
    #[serde(default)]
    pub start: Nanos,
    /// How they arrive.
    #[serde(default)]
    pub arrive: Arrive,
    /// Server groups and members, expanded in order.
    #[serde(deserialize_with = "one_or_more")]
    #[cfg_attr(feature = "schema", schemars(with = "crate::names::Names"))]
    pub endpoints: Vec<String>,
    /// Which endpoint a session begins with.
    #[serde(default)]
    pub pick: Pick,
    /// Which endpoint it tries after a failure; absent: what suits `pick`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_retry: Option<OnRetry>,
    /// What completes a handshake.
    #[serde(default)]
    pub mode: Mode,
    /// The request target.
    #[serde(default = "default_path")]
    pub path: String,
    /// From the first SYN to TCP being up.
    #[serde(default = "default_timeout", with = "timeout")]
    #[cfg_attr(feature = "schema", schemars(with = "timeout::Shape"))]
    pub connect_timeout: Nanos,
    /// From TCP being up to the complete answer, TLS included.
    #[serde(default = "default_timeout", with = "timeout")]
    #[cfg_attr(feature = "schema", schemars(with = "timeout::Shape"))]
    pub handshake_timeout: Nanos,
    /// Whether it resumes TLS sessions with the tickets that servers gave it (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_resumption: Option<bool>,
    /// Redirects followed in a row, at most. RFC 9110 section 15.4 recalls that five were once advised.
    #[serde(default = "default_redirects")]
    pub redirects: u8,
    /// The forms of `Location` that it follows (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Vec<Form>>,
    /// Which redirects it goes by from the beginning next time (`none` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembers_redirects: Option<Remembers>,
    /// Whether the request that follows a redirect asks for an upgrade again (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrades_redirected: Option<bool>,
    /// Whether the next request to the same server goes by the connection that brought the answer, if the server keeps it
    /// (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// How often it draws a new `Sec-WebSocket-Key` (`connection` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<NewKey>,
    /// After what it makes the same request once more, at once and by a new connection (nothing unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_after: Option<Vec<Repeat>>,
    /// How strictly it reads answers (as RFC 6455 asks unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Reading>,
    /// Whom it says it is, to servers that ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Login>,
    /// When it says so (`after-challenge` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// The schemes by which it answers a challenge (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_schemes: Option<Vec<Scheme>>,
    /// Whether an application can have it send header fields of its own, as `auth = "header"` wants (true unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets_headers: Option<bool>,
    /// Whether it says so to servers that are none of its `endpoints`, where a redirect leads there (false unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_across_origins: Option<bool>,
    /// The forward proxies that its connections go through, as `[proxies.NAME]`; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Whom it says it is, when a proxy asks. Needs `proxy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_credentials: Option<Login>,
    /// From the start of an attempt to open, hops included; absent: no more than the two above.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "timeout::optional")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<timeout::Shape>"))]
    pub open_timeout: Option<Nanos>,
    /// Pings that find out that a path is dead; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// When to try again.
    #[serde(default)]
    pub retry: Retry,
    /// When a host stops trying; needs `hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// Whether a session whose open connection was lost comes back.
    #[serde(default = "default_reconnect")]
    pub reconnect: bool,
    /// Close codes after which it does not come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fatal_close_codes: Vec<u16>,
    /// How long a session stays open: a duration, a distribution, or `"end"` of the run.
    #[serde(default)]
    pub hold: Hold,
    /// Client processes that the sessions are spread over; absent: one each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts: Option<u32>,
    /// Public addresses that the hosts share behind a carrier's NAT (RFC 6888); absent: one each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<u32>,
    /// The bandwidth of what connects each of its hosts to the network; absent: without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_link: Option<AccessLink>,
    /// Whether a process keeps to one connecting session per server (RFC 6455 section 4.1, item 2).
    #[serde(default)]
    pub connect_gate: bool,
    /// How long a process keeps an HTTP/2 connection that no session uses; absent: 170 s, as Firefox has it. Needs
    /// `mode = "extended-connect"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Nanos>,
    /// How long a process keeps what a lookup said; absent: as long as the answer says. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_cache: Option<DnsCache>,
    /// How long a lookup may take; absent: 10 s, two tries of 5 s as glibc's `resolv.conf` has it. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_timeout: Option<Nanos>,
    /// Whether a connect that fails goes on with the next address of the answer; absent: true. Needs `[dns.NAME]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_address: Option<bool>,
    /// The zone that its hosts are in; links and faults may name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What it is known to do that should not be: counted as any finding, but no broken invariant (nothing unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_findings: Option<Vec<Finding>>,
}

/// Ping and pong (RFC 6455 section 5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// From opening, or from one ping, to the next ping.
    pub every: Nanos,
    /// How long a ping may stay unanswered before the connection counts as dead.
    pub timeout: Nanos,
}

/// A circuit breaker (Nygard, "Release It!"): after so many failures in a row a host does not try for a while; then one
/// session does, and its outcome decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Failed attempts in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub open_for: Nanos,
}

/// What a lookup may take unless the scenario says otherwise.
pub(super) const DNS_TIMEOUT: Nanos = Nanos::from_secs(10);

/// How long an idle HTTP/2 connection is kept unless the scenario says otherwise (Firefox: `network.http.http2.timeout`).
pub(super) const IDLE_TIMEOUT: Nanos = Nanos::from_secs(170);

impl Config {
    /// Makes the default visible that means something only with HTTP/2.
    pub fn fill_in_streams(&mut self) {
        if self.mode == Mode::ExtendedConnect {
            self.idle_timeout.get_or_insert(IDLE_TIMEOUT);
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

/// Which endpoint a session begins with, and begins again with after it lost an open connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Pick {
    /// The first of the list.
    First,
    /// Any, drawn anew each time.
    #[default]
    Random,
    /// One after the other: a shared host counts for all its sessions, a session of its own starts at its number.
    RoundRobin,
    /// Any, drawn once for the session's life.
    Sticky,
}

/// Which endpoint a session tries after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OnRetry {
    /// The one that failed (the default of `sticky`).
    Same,
    /// The next of the list (the default of `first` and `round-robin`).
    Next,
    /// Any (the default of `random`).
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
