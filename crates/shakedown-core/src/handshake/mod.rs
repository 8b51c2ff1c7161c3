//! The opening handshake as bytes only: no time, no connection, no retry.
//!
//! One side builds what the other parses. `client` writes requests and parses responses, `server` parses requests and
//! writes responses (`call`: requests between servers; `tunnel`: clients and forward proxies; `extended`: both halves
//! over HTTP/2). [`Mode`] selects the kind of handshake.

mod answer;
pub mod call;
pub mod client;
pub mod extended;
mod head_flaws;
mod key;
mod reading;
pub mod server;
pub mod tls;
pub mod tunnel;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use key::{ACCEPT_LEN, Accept, KEY_LEN, Key};
pub use reading::{Lapse, Reading};

/// What completes a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// RFC 6455: `101` opens, every other response is handled as in HTTP (section 4.1).
    #[default]
    Upgrade,
    /// draft-ietf-hybi-thewebsocketprotocol-05, section 1.3: any status but `101` fails the attempt; no redirect.
    UpgradeStrict,
    /// The proposal of the hybi list, February 2011: a complete HTTP transaction, in which a final `200` opens.
    FinalResponse,
    /// RFC 8441: an extended CONNECT over HTTP/2, which a 2xx opens; sessions of a host share its connections.
    ExtendedConnect,
    /// RFC 2817, as the proposal compares itself with it: the GET offers an upgrade to TLS, which a 101 accepts; over TLS
    /// comes the final response, as of [`Mode::FinalResponse`].
    TlsUpgrade,
}

impl Mode {
    /// Whether a handshake is a complete HTTP transaction.
    pub fn is_transaction(self) -> bool {
        matches!(self, Mode::FinalResponse | Mode::TlsUpgrade)
    }

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Upgrade => "upgrade",
            Mode::UpgradeStrict => "upgrade-strict",
            Mode::FinalResponse => "final-response",
            Mode::TlsUpgrade => "tls-upgrade",
            Mode::ExtendedConnect => "extended-connect",
        }
    }

    /// Why no driver but the simulator can run it, if none can.
    pub fn simulated_only(self) -> Option<&'static str> {
        match self {
            Mode::ExtendedConnect => Some(
                "mode = \"extended-connect\" is simulated only: there is no HPACK here that a real HTTP/2 peer could \
                 read; write mode = \"upgrade\", or run it with the simulator",
            ),
            Mode::TlsUpgrade => Some(
                "mode = \"tls-upgrade\" is simulated only: no other driver begins TLS on a connection in use; write mode = \
                 \"final-response\", or run it with the simulator",
            ),
            Mode::Upgrade | Mode::UpgradeStrict | Mode::FinalResponse => None,
        }
    }
}

/// Why an answer is no handshake, or none that may be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no HTTP response within the limits.
    #[error("{0}")]
    Head(#[from] crate::http::HeadError),
    /// Section 4.1, response item 2: no `Upgrade: websocket`.
    #[error("no Upgrade: websocket in the response")]
    Upgrade,
    /// Section 4.1, response item 3: no `Connection: Upgrade`.
    #[error("no Connection: Upgrade in the response")]
    Connection,
    /// Section 4.1, response item 4: `Sec-WebSocket-Accept` missing, wrong or doubled.
    #[error("Sec-WebSocket-Accept missing or wrong")]
    Accept,
    /// Section 4.1, response item 5: an extension that was not requested.
    #[error("an extension that was not requested")]
    Extension,
    /// Section 4.1, response item 6: a subprotocol that was not requested.
    #[error("a subprotocol that was not requested")]
    Subprotocol,
    /// A `101` in HTTP/1.0, or to a request that offered no upgrade (RFC 9110 section 7.8).
    #[error("a 101 that answers no upgrade")]
    UnexpectedSwitch,
    /// RFC 8441 section 3: SETTINGS without SETTINGS_ENABLE_CONNECT_PROTOCOL = 1.
    #[error("the server's SETTINGS do not enable extended CONNECT")]
    NoExtendedConnect,
    /// A 1xx before the final response, to a client that does not support it.
    #[error("an interim response, which this client does not read")]
    Interim,
    /// A head whose lines end with LF alone, to a client that reads none.
    #[error("a line of the response that ends with LF alone")]
    LineEnd,
    /// A response in so many small pieces that the client treats it as an attack.
    #[error("a response in too many pieces")]
    Pieces,
}

impl Error {
    /// A stable number for events and digests.
    pub fn code(self) -> u8 {
        use crate::http::HeadError;
        match self {
            Error::Head(HeadError::TooLarge) => 1,
            Error::Head(HeadError::TooManyHeaders) => 2,
            Error::Head(HeadError::Malformed(_)) => 3,
            Error::Upgrade => 4,
            Error::Connection => 5,
            Error::Accept => 6,
            Error::Extension => 7,
            Error::Subprotocol => 8,
            Error::UnexpectedSwitch => 9,
            Error::NoExtendedConnect => 30,
            Error::Interim => 10,
            Error::Pieces => 11,
            Error::LineEnd => 12,
        }
    }
}

#[cfg(test)]
mod tests;
