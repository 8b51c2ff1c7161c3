//! The states of a web server's connections.

/// What a web server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    /// No connection with this number.
    #[default]
    Gone,
    /// TLS is required, and no `ClientHello` has arrived.
    Greeting,
    /// Its offer of TLS was answered 101, and the `ClientHello` is awaited; the request itself is kept.
    Switched,
    /// The work of its TLS handshake is queued or with a worker.
    Securing,
    /// The request is incomplete.
    Reading,
    /// HTTP/2: its streams have numbers of their own.
    Shared,
    /// A stream whose request has not arrived.
    Asking,
    /// Above the limit, and never answered.
    Ignored,
    /// Its request is queued or with a worker.
    Pending,
    /// Queued or with a worker, but the client has disconnected.
    Abandoned,
    /// Read and never answered.
    Stalled,
    /// A WebSocket.
    Open,
    /// A WebSocket that was sent a close frame; the client's is awaited (RFC 6455 section 7.1.2).
    Closing,
}
