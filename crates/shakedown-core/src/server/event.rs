//! What servers say that they do.

use super::resources::Resource;
use super::supervision::{KillReason, Probe};
use crate::machine::Ends;
use crate::time::Nanos;

/// Events of a server. Connections are numbered within a server; a number is reused after its connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection came out of the accept queue.
    Accepted {
        /// Its number.
        connection: u32,
    },
    /// A request was read, or enough of one to refuse it.
    Requested {
        /// Its connection.
        connection: u32,
        /// True when it waits for a worker; false when one takes it at once, or none is needed.
        queued: bool,
    },
    /// A worker took a request or a TLS handshake. Absent where service takes no time.
    ServiceStarted {
        /// Its connection.
        connection: u32,
        /// How long it had waited.
        waited: Nanos,
        /// Whether it comes from the queue.
        queued: bool,
    },
    /// The answer was sent.
    Answered {
        /// Its connection.
        connection: u32,
        /// Its status.
        status: u16,
        /// The worker's time that it cost.
        served: Nanos,
    },
    /// A worker finished a response, or its part of a TLS handshake, for a client that had disconnected: wasted work.
    Wasted {
        /// Its connection.
        connection: u32,
        /// The worker's time that it cost.
        served: Nanos,
    },
    /// A connection is gone.
    Closed {
        /// Its number.
        connection: u32,
    },
    /// A request, or a TLS handshake, was rejected. Comes after its [`Event::Requested`] or [`Event::Hello`].
    TurnedAway {
        /// Its connection.
        connection: u32,
        /// The limit that was reached.
        reason: Reason,
        /// How it was rejected.
        turn: Turn,
        /// Whether it had waited: [`Event::Requested`] said so.
        queued: bool,
    },
    /// The turn of a request came after the queue's deadline: it is answered 503, unless its client has disconnected.
    Expired {
        /// Its connection.
        connection: u32,
        /// How long it had waited.
        waited: Nanos,
    },
    /// A request is above a rate and is delayed. Follows its [`Event::Requested`], which counts it as queued.
    HeldBack {
        /// Its connection.
        connection: u32,
        /// The limit that lets it in last.
        reason: Reason,
        /// For how long.
        delay: Nanos,
    },
    /// A request was accepted, and took one of the server's HTTP transactions. Only where their number is limited.
    TransactionBegan {
        /// Its connection.
        connection: u32,
    },
    /// A transaction was released: with the final response, or with the connection.
    TransactionEnded {
        /// Its connection.
        connection: u32,
    },
    /// A request waits until a transaction is released. Follows its [`Event::Requested`], which counts it as queued.
    TransactionAwaited {
        /// Its connection.
        connection: u32,
    },
    /// A connection took too long to send a whole request. It is closed: with 408 if it had sent something.
    TimedOut {
        /// Its number.
        connection: u32,
    },
    /// The server is drained: it has sent a close frame on an open connection.
    GoingAway {
        /// Its number.
        connection: u32,
        /// The status code in the frame.
        code: u16,
    },
    /// A worker is done with a request whose answer waits for calls.
    Worked {
        /// Its connection.
        connection: u32,
        /// The worker's time that it cost.
        served: Nanos,
    },
    /// An attempt of a call began, for a request.
    Called {
        /// The request's connection.
        connection: u32,
        /// The index of the called server.
        endpoint: u32,
    },
    /// An attempt of a call has ended.
    CallEnded {
        /// The request's connection.
        connection: u32,
        /// How.
        outcome: CallOutcome,
        /// Since its first SYN.
        took: Nanos,
    },
    /// The process pauses, as set by its group's `pauses`. Its kernel continues.
    Paused,
    /// The pause is over. The process continues, unless a fault stops it. Absent if the process ended meanwhile.
    Resumed,
    /// The `ClientHello` of a TLS handshake was read.
    Hello {
        /// Its connection.
        connection: u32,
        /// Whether it resumes an earlier session.
        resumed: bool,
        /// True when it waits for a worker.
        queued: bool,
    },
    /// The server's flight of a TLS handshake was sent.
    HelloAnswered {
        /// Its connection.
        connection: u32,
        /// The worker's time that it cost.
        served: Nanos,
    },
    /// The server joined.
    Joined,
    /// The server leaves: it is drained, and redirectors stop sending clients to it.
    Leaving,
    /// The process of a server that leaves has ended.
    Left,
    /// A server that leaves has sent a close frame, or a clock has ended the connection: this session's path is dead from
    /// here on.
    SentAway {
        /// The session's number.
        session: u32,
    },
    /// A handshake is about to be accepted without the credentials that the server's behaviors demand for such requests:
    /// they were not demanded, or not verified.
    AcceptedWithoutCredentials {
        /// Its connection.
        connection: u32,
    },
    /// A client opened a stream on an HTTP/2 connection. Streams have numbers like connections: none has that of another
    /// that is there.
    StreamOpened {
        /// Its number.
        connection: u32,
        /// The connection that it is on.
        on: u32,
    },
    /// A stream is gone.
    StreamClosed {
        /// Its number.
        connection: u32,
    },
    /// A balancer chose a server for a connection, or a forward proxy connects to its target.
    Forwarded {
        /// Its number: of an accepted connection, or of a flow ([`Event::FlowBegan`]).
        connection: u32,
        /// The server's number in the scenario.
        to: u32,
    },
    /// A balancer had no server for a connection, or reached a limit.
    NotForwarded {
        /// Its number.
        connection: u32,
    },
    /// NAT: a connection goes through a balancer from now on.
    FlowBegan {
        /// Its number.
        connection: u32,
    },
    /// NAT: a connection that goes through a balancer is over.
    FlowEnded {
        /// Its number.
        connection: u32,
    },
    /// A probe asks the process whether it answers.
    Probed {
        /// Its number; the lowest bit is its kind.
        number: u32,
        /// True when it waits for a worker.
        queued: bool,
    },
    /// The process answers a probe.
    ProbeAnswered {
        /// Its number.
        number: u32,
        /// What it says.
        healthy: bool,
        /// The worker's time that it cost.
        served: Nanos,
    },
    /// A probe failed, or was not answered in time.
    ProbeFailed {
        /// Its kind.
        probe: Probe,
    },
    /// The server's readiness probes fail: nobody is sent to it from now on.
    NotReady,
    /// The server's readiness probes succeed again.
    Ready,
    /// The process needs more memory than there is, and is going to be killed.
    OutOfMemory,
    /// The process was killed.
    Killed {
        /// Why.
        reason: KillReason,
    },
    /// A process was started in place of one that was killed.
    Restarted,
    /// A connection was closed with RST as soon as it was accepted.
    Refused {
        /// Its number.
        connection: u32,
        /// What there was too little of.
        resource: Resource,
    },
    /// What the process needs of a resource has changed. Only where there is a limit.
    Uses {
        /// The resource.
        resource: Resource,
        /// How much of it.
        amount: u64,
    },
    /// A health check of this server failed.
    CheckFailed {
        /// The server's number in the scenario.
        server: u32,
    },
    /// The server was marked down after failed health checks.
    MarkedDown {
        /// The server's number in the scenario.
        server: u32,
    },
    /// The server was marked up after successful health checks.
    MarkedUp {
        /// The server's number in the scenario.
        server: u32,
    },
    /// A clock ends a connection: the server sends a close frame, FIN or RST, or forgets it.
    EndedByClock {
        /// Its number: of an accepted connection, or of a flow ([`Event::FlowBegan`]).
        connection: u32,
        /// Which clock.
        clock: Clock,
        /// How it ends.
        ends: Ends,
        /// The status code of the close frame; 0 where there is none.
        code: u16,
        /// The fault that replaced the process that had it, if that is why.
        cause: Option<u16>,
    },
    /// The process was replaced, and a new one accepts.
    Reloaded {
        /// The old process, numbered from 0 since the server was last started.
        generation: u32,
        /// Connections that stay with it.
        connections: u32,
    },
    /// A connection of an old process is gone. [`Event::Closed`] or [`Event::StreamClosed`] follows.
    OldClosed {
        /// Its number.
        connection: u32,
        /// The old process.
        generation: u32,
    },
}

/// Where an [`Event`] and the actions around it go.
pub type Outputs = crate::machine::Outputs<Event>;

/// The limit for which a server rejected a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// `queue_max` requests wait.
    QueueFull = 1,
    /// `connections_max` connections are kept.
    ConnectionsMax = 2,
    /// More requests than `accept_rate` allows.
    AcceptRate = 3,
    /// More requests from one address than `address_rate` allows.
    AddressRate = 4,
    /// The server is drained.
    Draining = 5,
    /// `transactions_max` transactions are in use.
    TransactionsMax = 6,
    /// There is not enough `memory`.
    Memory = 7,
    /// More requests from one address than `address_window` allows.
    AddressWindow = 8,
    /// More connections from one address than `address_connections_max`.
    AddressConnections = 9,
}

impl Reason {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Reason::QueueFull => "queue_full",
            Reason::ConnectionsMax => "connections_max",
            Reason::AcceptRate => "accept_rate",
            Reason::AddressRate => "address_rate",
            Reason::Draining => "draining",
            Reason::TransactionsMax => "transactions_max",
            Reason::Memory => "memory",
            Reason::AddressWindow => "address_window",
            Reason::AddressConnections => "address_connections_max",
        }
    }
}

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Clock {
    /// A ping of the server's was not answered in time.
    Heartbeat = 1,
    /// Nothing came for too long.
    IdleTimeout = 2,
    /// It has reached its age.
    Age = 3,
    /// The process that accepted it was replaced, and its time is up.
    Reload = 4,
}

impl Clock {
    /// Every one.
    pub const ALL: [Clock; 4] = [Clock::Heartbeat, Clock::IdleTimeout, Clock::Age, Clock::Reload];

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Heartbeat => "heartbeat",
            Clock::IdleTimeout => "idle_timeout",
            Clock::Age => "connection_age",
            Clock::Reload => "reload",
        }
    }
}

/// The outcome of an attempt of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum CallOutcome {
    /// With a status from 200 to 299.
    Answered = 1,
    /// With any other status.
    Rejected = 2,
    /// RST answered the SYN.
    Refused = 3,
    /// Not in time.
    TimedOut = 4,
    /// The connection ended before the response, or the response was malformed.
    Broken = 5,
    /// Its pool was in use, and the queue in front of it full.
    PoolFull = 6,
    /// It waited too long for a connection of its pool.
    PoolTimedOut = 7,
}

impl CallOutcome {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            CallOutcome::Answered => "answered",
            CallOutcome::Rejected => "rejected",
            CallOutcome::Refused => "refused",
            CallOutcome::TimedOut => "timed_out",
            CallOutcome::Broken => "broken",
            CallOutcome::PoolFull => "pool_full",
            CallOutcome::PoolTimedOut => "pool_timed_out",
        }
    }
}

/// How a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Turn {
    /// An HTTP error; FIN where TLS is not up.
    Reject = 1,
    /// A redirect to `overflow_to`.
    Redirect = 2,
    /// Never answered.
    Drop = 3,
    /// RST.
    Reset = 4,
    /// Opened, and closed at once with 1013.
    OpenThenClose = 5,
}

impl Turn {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Turn::Reject => "reject",
            Turn::Redirect => "redirect",
            Turn::Drop => "drop",
            Turn::Reset => "reset",
            Turn::OpenThenClose => "open_then_close",
        }
    }
}
