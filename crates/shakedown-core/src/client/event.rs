//! What happens in a session's life.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handshake;
use crate::time::Nanos;

/// One step of a session's life. Connections are numbered from 1 within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The scheduled start. A closed-loop user has one for each session after the other.
    Scheduled {
        /// The client group's number in the scenario.
        group: u16,
        /// The session's number in its group.
        index: u32,
    },
    /// A name is looked up: the attempt has begun, and the SYN leaves when the answer is there.
    Resolving {
        /// Its connection.
        connection: u32,
        /// The name's number in the driver's directory, where names come after servers.
        name: u32,
    },
    /// The answer has come.
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
    /// TCP is up; the request leaves, or TLS begins.
    Connected {
        /// Its connection.
        connection: u32,
    },
    /// TLS is up; the request leaves.
    Secured {
        /// Its connection.
        connection: u32,
        /// Whether an earlier session was resumed.
        resumed: bool,
    },
    /// HTTP/2: the request leaves, on a stream of a connection that its host has.
    StreamBegan {
        /// What the session takes for its connection.
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
    /// The answer was a redirect that the session follows: the next attempt is the next hop.
    Redirected {
        /// The connection that brought the answer.
        connection: u32,
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The server or the name it points to.
        endpoint: u32,
    },
    /// The answer was a demand for credentials that the session answers: with its next request, on the same connection or
    /// on the next.
    Challenged {
        /// The connection that brought the answer.
        connection: u32,
    },
    /// The proxy has made a tunnel: what follows is said to the server.
    Tunnelled {
        /// Its connection.
        connection: u32,
    },
    /// The proxy demanded credentials, and the session answers: with its next `CONNECT`, on the same connection or on the
    /// next.
    ProxyChallenged {
        /// The connection that brought the 407.
        connection: u32,
    },
    /// The next request goes by the connection that brought the redirect.
    AskedAgain {
        /// The connection.
        connection: u32,
    },
    /// Something that should not be.
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
    /// An open connection was found dead.
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
    /// A redirect asked the client to wait, and it does, before it goes where that leads (RFC 9110 section 10.2.3).
    Hopping {
        /// For how long.
        delay: Nanos,
    },
    /// The session has ended as it meant to.
    Ended,
    /// The session has no attempts left, or may not retry.
    GaveUp,
}

/// An unsafe or endless behavior of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
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

/// How an open connection ended against its client's will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// FIN without a close frame.
    Fin,
    /// RST.
    Reset,
    /// The server's close frame, with its code (RFC 6455 section 7.4).
    Close(u16),
    /// A heartbeat was not answered in time.
    Heartbeat,
    /// What came was no WebSocket frame.
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
pub enum Failure {
    /// No answer to a lookup in time.
    LookupTimeout,
    /// RST answered the SYN.
    Refused,
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
    /// A 401 to a request without credentials, or whose credentials were not taken.
    Unauthorized,
    /// A proxy's 407 to a `CONNECT` without credentials, or whose credentials were not taken.
    ProxyUnauthorized,
    /// A proxy made no tunnel: it can't reach the server (502, 504), or does not want to.
    ProxyRejected {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// An answer that RFC 6455 says must fail the connection.
    Invalid(handshake::Error),
    /// TLS did not come up, which must fail the connection as well (RFC 6455 section 4.1, item 5).
    Insecure,
    /// One redirect more than the session follows.
    RedirectLimit,
    /// A redirect without a `Location` that leads to a WebSocket.
    BadLocation,
    /// A redirect to a host that nobody knows.
    Unresolved,
}

/// How an attempt came out: what attempts are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// The session opened.
    Opened,
    /// Followed to another server.
    Redirected,
    /// [`Failure::Rejected`].
    Rejected,
    /// [`Failure::Refused`].
    Refused,
    /// [`Failure::ConnectTimeout`].
    ConnectTimeout,
    /// [`Failure::HandshakeTimeout`].
    HandshakeTimeout,
    /// [`Failure::Reset`].
    Reset,
    /// [`Failure::Closed`].
    Closed,
    /// [`Failure::Invalid`] and [`Failure::Insecure`].
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
}

impl Outcome {
    /// Every outcome, in the order of its number.
    pub const ALL: [Outcome; 16] = [
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
        }
    }
}

impl Failure {
    /// What the attempt is counted as.
    pub fn outcome(self) -> Outcome {
        match self {
            Failure::LookupTimeout => Outcome::Unresolved,
            Failure::Refused => Outcome::Refused,
            Failure::ConnectTimeout => Outcome::ConnectTimeout,
            Failure::HandshakeTimeout => Outcome::HandshakeTimeout,
            Failure::Reset => Outcome::Reset,
            Failure::Closed => Outcome::Closed,
            Failure::Rejected { .. } => Outcome::Rejected,
            Failure::Unauthorized => Outcome::Unauthorized,
            Failure::ProxyUnauthorized => Outcome::ProxyUnauthorized,
            Failure::ProxyRejected { .. } => Outcome::ProxyRejected,
            Failure::Invalid(_) | Failure::Insecure => Outcome::Invalid,
            Failure::RedirectLimit | Failure::BadLocation | Failure::Unresolved => Outcome::BadRedirect,
        }
    }
}
