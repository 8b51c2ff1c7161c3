//! What an answer to an opening handshake means, whichever version of HTTP it came by.

/// What a complete response head means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'b> {
    /// The handshake is complete: the connection is a WebSocket.
    Open,
    /// The same for a client that does not look at `Sec-WebSocket-Accept`, which proves nothing here.
    Unverified,
    /// A 1xx other than 101: the final response is still to come (RFC 9110 section 15.2).
    Interim,
    /// A 3xx, with its `Location` (unless that is missing or no text).
    Redirect {
        /// 300 to 399: a client says which of them it follows.
        status: u16,
        /// The value of `Location`.
        location: Option<&'b str>,
        /// `Retry-After` in seconds: how long the client is asked to wait first (RFC 9110 section 10.2.3).
        retry_after: Option<u32>,
        /// Whether the connection takes the next request.
        keep: bool,
    },
    /// A 401, or a proxy's 407, that says what it wants (RFC 9110 sections 15.5.2 and 15.5.8).
    Unauthorized {
        /// The strongest known `WWW-Authenticate` or `Proxy-Authenticate`, or the first.
        challenge: &'b str,
        /// Whether the connection takes the next request: it is not closed, and the answer's body has come in whole.
        keep: bool,
    },
    /// Any other status.
    Rejected {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds (RFC 9110 section 10.2.3); the date form is not read.
        retry_after: Option<u32>,
    },
}
