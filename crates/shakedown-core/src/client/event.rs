//! Events of a session.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handshake;
use crate::machine::ConnectError;
use crate::time::Nanos;

/// One event of a session. Connections are numbered from 1 within a session; where addresses race, each attempt begins a block of
/// 64 numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The scheduled start. A closed-loop user has one for each of its sessions.
    Scheduled {
        /// The client group's number in the scenario.
        group: u16,
        /// The session's number in its group.
        index: u32,
    },
    /// A name is looked up: the attempt has begun, and the SYN is sent after the answer.
    Resolving {
        /// Its connection.
        connection: u32,
        /// The name's number in the driver's directory, where names come after servers.
        name: u32,
    },
    /// The answer has arrived.
    Resolved {
        /// Its connection.
        connection: u32,
        /// The name's number.
        name: u32,
        /// Addresses in it.
        addresses: u16,
        /// How long it may be kept.
        ttl: Nanos,
    },
    /// An attempt goes to a server: the first SYN leaves.
    AttemptStarted {
        /// Its connection.
        connection: u32,
        /// The server it goes to.
        endpoint: u32,
    },
    /// A connect of the attempt is unanswered, or has failed: another address is tried beside it (RFC 8305).
    Raced {
        /// Its connection.
        connection: u32,
        /// The server it goes to.
        endpoint: u32,
    },
    /// A connect of a race failed, and the attempt goes on without it.
    RaceLost {
        /// Its connection.
        connection: u32,
        /// Why.
        failure: Failure,
    },
    /// Another connect than the attempt's first is established first, and the rest are closed.
    RaceWon {
        /// Its connection.
        connection: u32,
        /// Its server.
        endpoint: u32,
    },
    /// TCP is established; the request is sent, or TLS begins.
    Connected {
        /// Its connection.
        connection: u32,
    },
    /// TLS is established; the request is sent.
    Secured {
        /// Its connection.
        connection: u32,
        /// Whether an earlier session was resumed.
        resumed: bool,
    },
    /// HTTP/2: the request is sent, on a stream of a connection of its host.
    StreamBegan {
        /// The session's number of the stream, which it treats as a connection.
        connection: u32,
        /// The stream's number on the connection.
        stream: u32,
    },
    /// The handshake is complete and verified.
    Opened {
        /// Its connection.
        connection: u32,
        /// The server it is open on.
        endpoint: u32,
    },
    /// The response was a redirect that the session follows: the next attempt is the next hop.
    Redirected {
        /// The connection that brought the answer.
        connection: u32,
        /// Its status.
        status: u16,
        /// The server or the name it points to.
        endpoint: u32,
    },
    /// The response was a challenge that the session answers with its next request, on the same connection or
    /// a new one.
    Challenged {
        /// The connection that brought the answer.
        connection: u32,
    },
    /// The proxy has made a tunnel to the server.
    Tunnelled {
        /// Its connection.
        connection: u32,
    },
    /// The proxy demanded credentials, and the session answers with its next `CONNECT`, on the same connection or a new
    /// one.
    ProxyChallenged {
        /// The connection that brought the 407.
        connection: u32,
    },
    /// The next request reuses the connection of the redirect.
    AskedAgain {
        /// The connection.
        connection: u32,
    },
    /// A finding.
    Found {
        /// The connection that it was found on.
        connection: u32,
        /// What.
        finding: Finding,
    },
    /// The attempt failed.
    AttemptFailed {
        /// Its connection.
        connection: u32,
        /// Why.
        failure: Failure,
    },
    /// An open connection was lost.
    Lost {
        /// The connection.
        connection: u32,
        /// How it was found.
        end: End,
    },
    /// A pong came in time.
    HeartbeatAnswered {
        /// The connection.
        connection: u32,
    },
    /// The next attempt comes after a delay.
    Retrying {
        /// The delay.
        delay: Nanos,
    },
    /// The client waits before it follows a redirect, as `Retry-After` asks (RFC 9110 section 10.2.3).
    Hopping {
        /// For how long.
        delay: Nanos,
    },
    /// The session has ended as intended.
    Ended,
    /// The session has no attempts left, or may not retry.
    GaveUp,
}

/// An unsafe or endless behavior of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// Its credentials were sent to a server that they are not for, after a redirect.
    CredentialsLeaked,
    /// It was redirected in a cycle, which only its limit ended (RFC 9110 section 15.4).
    RedirectLoop,
    /// It opened without having verified `Sec-WebSocket-Accept` (RFC 6455 section 4.1, response item 4).
    AcceptUnverified,
}

impl Finding {
    /// Every finding, in the order of metrics.
    pub const ALL: [Finding; 3] = [Finding::CredentialsLeaked, Finding::RedirectLoop, Finding::AcceptUnverified];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Finding::CredentialsLeaked => "credentials_leaked",
            Finding::RedirectLoop => "redirect_loop",
            Finding::AcceptUnverified => "accept_unverified",
        }
    }

    /// The tag of its event.
    pub fn tag(self) -> u8 {
        match self {
            Finding::CredentialsLeaked => 81,
            Finding::RedirectLoop => 82,
            Finding::AcceptUnverified => 85,
        }
    }
}

/// How an open connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// FIN without a close frame.
    Fin,
    /// RST.
    Reset,
    /// The server's close frame, with its code (RFC 6455 section 7.4).
    Close(u16),
    /// A heartbeat was not answered in time.
    Heartbeat,
    /// The received bytes were not a WebSocket frame.
    BadFrame,
}

impl End {
    /// Every kind of end by name, in the order of [`End::kind`].
    pub const NAMES: [&str; 5] = ["fin", "reset", "close", "heartbeat", "bad_frame"];

    /// Its kind as a stable number.
    pub fn kind(self) -> usize {
        match self {
            End::Fin => 0,
            End::Reset => 1,
            End::Close(_) => 2,
            End::Heartbeat => 3,
            End::BadFrame => 4,
        }
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// No answer to a lookup in time.
    LookupTimeout,
    /// RST answered the SYN.
    Refused,
    /// The host has no port left towards the server.
    NoPort,
    /// No SYN-ACK within the client's connect timeout, or the kernel's limit.
    ConnectTimeout,
    /// No complete answer within the handshake timeout.
    HandshakeTimeout,
    /// RST before an answer.
    Reset,
    /// FIN before a complete answer.
    Closed,
    /// A status that neither opens nor redirects.
    Rejected {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds, a fact kept whether or not the client honours it.
        retry_after: Option<u32>,
    },
    /// A 401 to a request without credentials, or with credentials that were not accepted.
    Unauthorized,
    /// A proxy's 407 to a `CONNECT` without credentials, or with credentials that were not accepted.
    ProxyUnauthorized,
    /// A proxy made no tunnel: it can't reach the server (502, 504), or refuses to.
    ProxyRejected {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// A response that must fail the connection by RFC 6455.
    Invalid(handshake::Error),
    /// TLS could not be established, which must fail the connection as well (RFC 6455 section 4.1, item 5).
    Insecure,
    /// One redirect more than the session follows.
    RedirectLimit,
    /// A redirect without a `Location` that leads to a WebSocket.
    BadLocation,
    /// A redirect to an unknown host.
    Unresolved,
}

impl From<ConnectError> for Failure {
    fn from(why: ConnectError) -> Failure {
        match why {
            ConnectError::Refused => Failure::Refused,
            ConnectError::NoPort => Failure::NoPort,
            ConnectError::TimedOut => Failure::ConnectTimeout,
        }
    }
}

/// The outcome of an attempt, by which attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Outcome {
    /// The session opened.
    Opened,
    /// Followed to another server.
    Redirected,
    /// [`Failure::Rejected`].
    Rejected,
    /// [`Failure::Refused`] and [`Failure::NoPort`].
    Refused,
    /// [`Failure::ConnectTimeout`].
    ConnectTimeout,
    /// [`Failure::HandshakeTimeout`].
    HandshakeTimeout,
    /// [`Failure::Reset`].
    Reset,
    /// [`Failure::Closed`].
    Closed,
    /// [`Failure::Invalid`].
    Invalid,
    /// [`Failure::RedirectLimit`], [`Failure::BadLocation`] and [`Failure::Unresolved`].
    BadRedirect,
    /// [`Failure::LookupTimeout`].
    Unresolved,
    /// Answered with credentials.
    Challenged,
    /// [`Failure::Unauthorized`].
    Unauthorized,
    /// Answered with credentials for the proxy.
    ProxyChallenged,
    /// [`Failure::ProxyUnauthorized`].
    ProxyUnauthorized,
    /// [`Failure::ProxyRejected`].
    ProxyRejected,
    /// [`Failure::Insecure`].
    TlsFailed,
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Outcome; 17] = [
        Outcome::Opened,
        Outcome::Redirected,
        Outcome::Rejected,
        Outcome::Refused,
        Outcome::ConnectTimeout,
        Outcome::HandshakeTimeout,
        Outcome::Reset,
        Outcome::Closed,
        Outcome::Invalid,
        Outcome::BadRedirect,
        Outcome::Unresolved,
        Outcome::Challenged,
        Outcome::Unauthorized,
        Outcome::ProxyChallenged,
        Outcome::ProxyUnauthorized,
        Outcome::ProxyRejected,
        Outcome::TlsFailed,
    ];

    /// The name in metrics, tables and charts.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Opened => "opened",
            Outcome::Redirected => "redirected",
            Outcome::Rejected => "rejected",
            Outcome::Refused => "refused",
            Outcome::ConnectTimeout => "connect_timeout",
            Outcome::HandshakeTimeout => "handshake_timeout",
            Outcome::Reset => "reset",
            Outcome::Closed => "closed",
            Outcome::Invalid => "invalid",
            Outcome::BadRedirect => "bad_redirect",
            Outcome::Unresolved => "unresolved",
            Outcome::Challenged => "challenged",
            Outcome::Unauthorized => "unauthorized",
            Outcome::ProxyChallenged => "proxy_challenged",
            Outcome::ProxyUnauthorized => "proxy_unauthorized",
            Outcome::ProxyRejected => "proxy_rejected",
            Outcome::TlsFailed => "tls_failed",
        }
    }
}

impl Failure {
    /// The status that failed the attempt.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Failure::Rejected { status, .. } | Failure::ProxyRejected { status, .. } => Some(status),
            Failure::Unauthorized => Some(401),
            Failure::ProxyUnauthorized => Some(407),
            _ => None,
        }
    }

    /// The outcome that the attempt is counted as.
    pub fn outcome(self) -> Outcome {
        match self {
            Failure::LookupTimeout => Outcome::Unresolved,
            Failure::Refused | Failure::NoPort => Outcome::Refused,
            Failure::ConnectTimeout => Outcome::ConnectTimeout,
            Failure::HandshakeTimeout => Outcome::HandshakeTimeout,
            Failure::Reset => Outcome::Reset,
            Failure::Closed => Outcome::Closed,
            Failure::Rejected { .. } => Outcome::Rejected,
            Failure::Unauthorized => Outcome::Unauthorized,
            Failure::ProxyUnauthorized => Outcome::ProxyUnauthorized,
            Failure::ProxyRejected { .. } => Outcome::ProxyRejected,
            Failure::Invalid(_) => Outcome::Invalid,
            Failure::Insecure => Outcome::TlsFailed,
            Failure::RedirectLimit | Failure::BadLocation | Failure::Unresolved => Outcome::BadRedirect,
        }
    }
}
