//! The common settings of a client group's sessions, and the context of each input.

use super::config::{Breaker, Config, DNS_TIMEOUT, Heartbeat, Hold, IDLE_TIMEOUT, OnRetry, Pick};
use super::host::Host;
use super::names::{DnsCache, Names};
use super::policies::{Auth, Form, NewKey, Remembers, Repeat, Scheme};
use super::retry::Retry;
use crate::handshake::{Mode, Reading};
use crate::http::Directory;
use crate::http::auth::Login;
use crate::machine::EndpointId;
use crate::rng::{Identity, Sampler, Seed};
use crate::time::Nanos;

/// The common settings of a client group's sessions, ready to run.
#[derive(Debug)]
pub struct Group {
    pub(super) number: u16,
    pub(super) identity: Identity,
    pub(super) endpoints: Vec<EndpointId>,
    pub(super) pick: Pick,
    pub(super) on_retry: OnRetry,
    pub(super) mode: Mode,
    pub(super) path: String,
    pub(super) connect_timeout: Nanos,
    pub(super) handshake_timeout: Nanos,
    pub(super) open_timeout: Option<Nanos>,
    pub(super) redirects: u8,
    pub(super) retry: Retry,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) breaker: Option<Breaker>,
    pub(super) reconnect: bool,
    pub(super) fatal_close_codes: Vec<u16>,
    pub(super) hold: Option<Sampler>,
    pub(super) gate: bool,
    resumes: bool,
    idle_timeout: Nanos,
    pub(super) dns_cache: DnsCache,
    pub(super) dns_timeout: Nanos,
    pub(super) next_address: bool,
    /// How long a connect has before another address is tried beside it; absent: until it fails.
    pub(super) race: Option<Nanos>,
    /// Absent where they are never used.
    pub(super) credentials: Option<Credentials>,
    /// Whether the request is repeated after any 401.
    pub(super) repeats_unauthorized: bool,
    /// How it parses responses, if not strictly.
    pub(super) reading: Option<Box<Reading>>,
    pub(super) follows: Vec<Form>,
    /// The statuses of redirects that it follows.
    redirect_statuses: Vec<u16>,
    pub(super) remembers: Remembers,
    pub(super) upgrades_redirected: bool,
    pub(super) keep_alive: bool,
    pub(super) new_key: NewKey,
    pub(super) repeats_closed: bool,
    pub(super) repeats_connect_timeout: bool,
    pub(super) proxy: Option<Box<Proxied>>,
}

/// The redirects of RFC 9110 section 15.4 that say where to go on at once.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// The forward proxies of a group.
#[derive(Debug)]
pub(super) struct Proxied {
    /// At least one.
    pub members: Vec<EndpointId>,
    pub login: Option<Login>,
}

/// The credentials of a group's sessions.
#[derive(Debug)]
pub(super) struct Credentials {
    pub login: Login,
    pub auth: Auth,
    pub schemes: Vec<Scheme>,
    pub across_origins: bool,
}

impl Group {
    /// The group `name`, with index `number` in its scenario and resolved endpoints.
    pub fn new(number: u16, name: &str, config: &Config, endpoints: Vec<EndpointId>) -> Group {
        let auth = match config.auth.unwrap_or_default() {
            Auth::Header if config.sets_headers == Some(false) => Auth::None,
            auth => auth,
        };
        let repeats = |what| config.repeats_after.as_ref().is_some_and(|list| list.contains(&what));
        Group {
            number,
            identity: Identity::group(name),
            endpoints,
            pick: config.pick,
            on_retry: config.on_retry.unwrap_or(config.pick.on_retry()),
            mode: config.mode,
            path: config.path.clone(),
            connect_timeout: config.connect_timeout,
            handshake_timeout: config.handshake_timeout,
            open_timeout: config.open_timeout,
            redirects: config.redirects,
            retry: config.retry.clone(),
            heartbeat: config.heartbeat,
            breaker: config.breaker,
            reconnect: config.reconnect,
            fatal_close_codes: config.fatal_close_codes.clone(),
            hold: match &config.hold {
                Hold::End => None,
                Hold::For(time) => Some(time.sampler()),
            },
            gate: config.connect_gate,
            resumes: config.tls_resumption.unwrap_or(true),
            idle_timeout: config.idle_timeout.unwrap_or(IDLE_TIMEOUT),
            dns_cache: config.dns_cache.unwrap_or_default(),
            dns_timeout: config.dns_timeout.unwrap_or(DNS_TIMEOUT),
            next_address: config.next_address.unwrap_or(true),
            race: config.race.map(|race| race.delay),
            credentials: match auth {
                Auth::None => None,
                auth => config.credentials.clone().map(|login| Credentials {
                    login,
                    auth,
                    schemes: config.auth_schemes.clone().unwrap_or_else(|| vec![Scheme::Basic, Scheme::Digest]),
                    across_origins: config.credentials_across_origins.unwrap_or(false),
                }),
            },
            proxy: None,
            repeats_unauthorized: auth == Auth::After401,
            reading: config.reads.clone().filter(|reading| *reading != Reading::default()).map(Box::new),
            follows: config.follows.clone().unwrap_or_else(|| Form::ALL.to_vec()),
            redirect_statuses: config.redirect_statuses.clone().unwrap_or_else(|| REDIRECTS.to_vec()),
            remembers: config.remembers_redirects.unwrap_or_default(),
            upgrades_redirected: config.upgrades_redirected.unwrap_or(true),
            keep_alive: config.keep_alive.unwrap_or(true),
            new_key: config.new_key.unwrap_or_default(),
            repeats_closed: repeats(Repeat::Closed),
            repeats_connect_timeout: repeats(Repeat::ConnectTimeout),
        }
    }

    /// The same behind these forward proxies; where there are none, it connects directly.
    pub fn with_proxies(self, config: &Config, members: Vec<EndpointId>) -> Group {
        let login = config.proxy_credentials.clone();
        Group { proxy: (!members.is_empty()).then(|| Box::new(Proxied { members, login })), ..self }
    }

    /// Whether its sessions treat a response with this status as a redirect.
    pub(super) fn follows_status(&self, status: u16) -> bool {
        self.redirect_statuses.contains(&status)
    }

    /// How long its hosts keep HTTP/2 connections that no stream uses; `None` where they have none.
    pub fn multiplexes(&self) -> Option<Nanos> {
        (self.mode == Mode::ExtendedConnect).then_some(self.idle_timeout)
    }

    /// Whether its sessions resume TLS sessions.
    pub fn resumes_tls(&self) -> bool {
        self.resumes
    }

    /// What its members' draws are keyed by.
    pub fn group_identity(&self) -> Identity {
        self.identity
    }

    /// Whether its sessions begin TLS within HTTP (RFC 2817).
    pub fn upgrades_to_tls(&self) -> bool {
        self.mode == Mode::TlsUpgrade
    }

    /// Whether its sessions remember challenges or redirects.
    pub fn remembers_answers(&self) -> bool {
        let by_proxy = self.proxy.as_ref().is_some_and(|proxy| proxy.login.is_some());
        let challenges = self.credentials.as_ref().is_some_and(|own| own.auth == Auth::AfterChallenge);
        by_proxy || challenges || self.remembers != Remembers::None
    }

    /// The key of a session's random draws.
    pub fn identity(&self, index: u32) -> Identity {
        self.identity.nth(u64::from(index))
    }
}

/// The context of each input of a session.
pub struct Context<'a> {
    /// The run's seed.
    pub seed: Seed,
    /// The session's group.
    pub group: &'a Group,
    /// The servers that the session can connect to.
    pub directory: &'a Directory,
    /// The shared state of its process, if it has one.
    pub host: Option<&'a mut Host>,
    /// Its DNS cache, challenges and redirects, if the session is a host of its own and the scenario has these.
    pub names: Option<&'a mut Names>,
    /// The driver's number for this session.
    pub slot: u32,
}
