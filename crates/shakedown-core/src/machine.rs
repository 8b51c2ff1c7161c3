//! The contract between state machines and drivers: one input, then its outputs; `now` is an argument.
//!
//! A machine has no clock, no socket and no randomness of its own. It writes its actions into [`Outputs`], a
//! buffer that the driver owns and reuses, so that the steady state allocates nothing. Connections have ids, so that a
//! late input for a connection that the machine gave up is ignored.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Nanos, Timestamp};

/// A machine's own number for one of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

impl ConnectionId {
    const OWN: u32 = 1 << 31;

    /// A connection that a server opens itself. Drivers number those it accepts below, so that the two are never
    /// mixed up; the machine counts up and uses no number twice.
    pub fn own(number: u32) -> ConnectionId {
        ConnectionId(number | ConnectionId::OWN)
    }

    /// The machine's number for a connection that it opened itself; `None` for one that it accepted.
    pub fn as_own(self) -> Option<u32> {
        (self.0 >= ConnectionId::OWN).then_some(self.0 & !ConnectionId::OWN)
    }
}

/// A server in the driver's directory, dialled by its number; or a name there, which is looked up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(pub u32);

/// Why a connect failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// RST answered the SYN: the host is up, the port is closed.
    Refused,
    /// The kernel gave up after its last SYN.
    TimedOut,
    /// The kernel has no port left towards the server (Linux: `EADDRNOTAVAIL`).
    NoPort,
}

/// How a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseMode {
    /// FIN after everything sent before.
    Fin,
    /// RST: at once, what was not read is lost.
    Reset,
}

/// How a clock ends its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Ends {
    /// With a close frame; when the client has answered it, or `close_timeout` later, with FIN.
    Close = 1,
    /// With FIN; where connections are forwarded, to both ends.
    Fin = 2,
    /// With RST; where connections are forwarded, to both ends.
    Reset = 3,
    /// A balancer forgets it and tells nobody. It answers what comes later with RST.
    Forget = 4,
    /// A balancer forgets it and tells nobody. It drops what comes later.
    Silence = 5,
}

impl Ends {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Ends::Close => "close",
            Ends::Fin => "fin",
            Ends::Reset => "reset",
            Ends::Forget => "forget",
            Ends::Silence => "silence",
        }
    }
}

/// A way to end connections, complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub ends: Ends,
    /// The status code of the close frame (RFC 6455 section 7.4.1); 0 where there is none.
    pub code: u16,
}

impl Ending {
    /// As written, with these defaults.
    pub fn of(ends: Option<Ends>, default: Ends, code: Option<u16>, usual: u16) -> Ending {
        let ends = ends.unwrap_or(default);
        Ending { ends, code: if ends == Ends::Close { code.unwrap_or(usual) } else { 0 } }
    }
}

/// Inputs of a machine, from its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Begin: a session's scheduled start.
    Start,
    /// The host's connect gate admits this session (RFC 6455 section 4.1, item 2).
    Admitted,
    /// A lookup's answer for a connection: addresses, the best first, and their TTL.
    Resolved(ConnectionId, &'a [EndpointId], Nanos),
    /// TCP is established.
    Connected(ConnectionId),
    /// TLS is established, after [`Output::StartTls`]: later data is encrypted. True if an earlier session was resumed.
    Secured(ConnectionId, bool),
    /// TLS failed: an alert, or a certificate that is not trusted.
    SecureFailed(ConnectionId),
    /// The connect failed.
    ConnectFailed(ConnectionId, ConnectError),
    /// A client's connection was accepted. The identity keys its random draws.
    Accepted(ConnectionId, crate::rng::Identity),
    /// The first message of a client's TLS handshake (`ClientHello`) was read. True if it resumes an earlier session.
    /// The server continues with [`Output::StartTls`], after a worker's time.
    Hello(ConnectionId, bool),
    /// HTTP/2: the session's request may be sent on the stream with this number, which the session treats as a
    /// connection; `None`: the server's SETTINGS do not allow extended CONNECT (RFC 8441 section 3).
    Stream(ConnectionId, Option<u32>),
    /// HTTP/2: a client's connection preface was read (RFC 9113 section 3.4).
    Preface(ConnectionId),
    /// HTTP/2: a client opened a stream, with a number like a connection's, on the connection given after it. Its
    /// request follows. The identity keys its random draws.
    StreamOpened(ConnectionId, ConnectionId, crate::rng::Identity),
    /// Bytes, in order.
    Received(ConnectionId, &'a [u8]),
    /// The peer sent FIN.
    Eof(ConnectionId),
    /// The peer sent RST, or the kernel gave up the connection.
    Reset(ConnectionId),
    /// The requested wake-up is due. A spurious one is a no-op.
    Wake,
    /// Open connections of each directory entry as last reported; `None` without a report.
    Peers(&'a [Option<u32>]),
}

/// Outputs of a machine, for its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<E> {
    /// Look a name up, for this connection.
    Resolve(ConnectionId, EndpointId),
    /// Connect to an endpoint; the connection's id is the machine's choice (a server's is [`ConnectionId::own`]).
    Open(ConnectionId, EndpointId),
    /// Begin TLS on an established connection, new or already in use (a tunnel, RFC 2817). A client gives the server's
    /// entry, a server its own.
    StartTls(ConnectionId, EndpointId),
    /// Send the next `len` bytes of [`Outputs::bytes`].
    Transmit(ConnectionId, u32),
    /// Close; no further input for this connection is wanted.
    Close(ConnectionId, CloseMode),
    /// An event; the driver adds the time.
    Event(E),
    /// Replaces the machine's one pending wake-up; [`Timestamp::NEVER`] cancels it.
    WakeAt(Timestamp),
    /// Another session of the same host may connect now: give it [`Input::Admitted`].
    Admit(u32),
    /// This session has ended (a closed loop starts the next one).
    Done,
}

/// The buffer a machine writes to: actions in order, and the bytes that its `Transmit`s consume in order.
#[derive(Debug)]
pub struct Outputs<E> {
    /// Actions, in order.
    pub actions: Vec<Output<E>>,
    /// Message bytes, back to back.
    pub bytes: Vec<u8>,
}

impl<E> Default for Outputs<E> {
    fn default() -> Self {
        Outputs { actions: Vec::new(), bytes: Vec::new() }
    }
}

impl<E> Outputs<E> {
    /// Appends an action.
    pub fn push(&mut self, action: Output<E>) {
        self.actions.push(action);
    }

    /// Appends an event.
    pub fn event(&mut self, kind: E) {
        self.actions.push(Output::Event(kind));
    }

    /// Appends a message written by `write` and its `Transmit`.
    pub fn transmit(&mut self, connection: ConnectionId, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        write(&mut self.bytes);
        let len = (self.bytes.len() - before) as u32;
        self.actions.push(Output::Transmit(connection, len));
    }

    /// Empties the buffer, keeping its memory.
    pub fn clear(&mut self) {
        self.actions.clear();
        self.bytes.clear();
    }
}
