//! TLS as its users see it: flights of messages, each a round trip's half, with sizes but without cryptography.
//!
//! TLS 1.3 takes one round trip, full or resumed (RFC 8446 section 2); TLS 1.2 two in full (RFC 5246 section 7.3, figure
//! 1), one when resumed (figure 2, RFC 5077 section 3.1). The client's last flight travels with its first data wherever
//! it is the client who finishes. There is no early data (0-RTT), no False Start (RFC 7918) and no HelloRetryRequest.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// TLS version of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "TlsVersion"))]
pub enum Version {
    /// `ws://`.
    #[default]
    #[serde(rename = "none")]
    None,
    /// RFC 5246, resumed by tickets (RFC 5077).
    #[serde(rename = "1.2")]
    V1_2,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Version {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Version::None
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::None => "no TLS",
            Version::V1_2 => "TLS 1.2",
            Version::V1_3 => "TLS 1.3",
        })
    }
}

/// What lets a client resume a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    /// The number of its key: a server with that key can decrypt it.
    pub key: u32,
    /// How long the client may offer it.
    pub lifetime: Nanos,
}

/// What one end sends before it must wait for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// `ClientHello`, with a ticket if there is one: the number of its key.
    ClientHello {
        /// The ticket's key.
        ticket: Option<u32>,
    },
    /// The server's first.
    ServerHello {
        /// Whether its `Finished` is among it: always in TLS 1.3, in TLS 1.2 where the session is resumed.
        finished: bool,
        /// Whether the client's ticket was accepted.
        resumed: bool,
        /// A ticket for the next time. (In TLS 1.3 it comes after the handshake, half a round trip later.)
        ticket: Option<Ticket>,
    },
    /// The client's second of a full TLS 1.2 handshake: `ClientKeyExchange`, `ChangeCipherSpec`, `Finished`.
    ClientFinished,
    /// The server's second of a full TLS 1.2 handshake: `NewSessionTicket`, `ChangeCipherSpec`, `Finished`.
    ServerFinished {
        /// A ticket for the next time.
        ticket: Option<Ticket>,
    },
}

/// Bytes of the header of a record (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// The content type of a record with handshake messages.
const HANDSHAKE: u8 = 22;

impl Flight {
    /// Bytes of its records, as they commonly are: a `ClientHello` that is padded as browsers do (RFC 7685), two ECDSA
    /// certificates, tickets of some 200 bytes.
    pub fn wire_bytes(self) -> u16 {
        match self {
            Flight::ClientHello { ticket: None } => 517,
            Flight::ClientHello { ticket: Some(_) } => 770,
            Flight::ServerHello { resumed: false, .. } => 3_500,
            Flight::ServerHello { resumed: true, .. } => 300,
            Flight::ClientFinished => 130,
            Flight::ServerFinished { .. } => 280,
        }
    }

    /// Writes what stands for it: a record's header with the length that it would have, and what the other end learns.
    pub fn write(self, out: &mut Vec<u8>) {
        let [high, low] = (self.wire_bytes() - HEADER as u16).to_be_bytes();
        let mut put = |kind: u8, flags: u8, ticket: Option<(u32, Nanos)>| {
            let (key, lifetime) = ticket.unwrap_or_default();
            out.extend_from_slice(&[HANDSHAKE, 3, 3, high, low, kind, flags | u8::from(ticket.is_some()) << 2]);
            out.extend_from_slice(&key.to_le_bytes());
            out.extend_from_slice(&lifetime.0.to_le_bytes());
        };
        let known = |ticket: Ticket| (ticket.key, ticket.lifetime);
        match self {
            Flight::ClientHello { ticket } => put(1, 0, ticket.map(|key| (key, Nanos::ZERO))),
            Flight::ServerHello { finished, resumed, ticket } => {
                put(2, u8::from(finished) | u8::from(resumed) << 1, ticket.map(known));
            }
            Flight::ClientFinished => put(3, 0, None),
            Flight::ServerFinished { ticket } => put(4, 0, ticket.map(known)),
        }
    }

    /// Reads what [`Flight::write`] wrote.
    pub fn read(bytes: &[u8]) -> Option<Flight> {
        let bytes = bytes.strip_prefix(&[HANDSHAKE, 3, 3])?;
        let (&[_, _, kind, flags], bytes) = bytes.split_first_chunk()?;
        let (key, bytes) = bytes.split_first_chunk()?;
        let lifetime = Nanos(u64::from_le_bytes(bytes.try_into().ok()?));
        let ticket = (flags & 4 != 0).then_some(Ticket { key: u32::from_le_bytes(*key), lifetime });
        Some(match kind {
            1 => Flight::ClientHello { ticket: ticket.map(|ticket| ticket.key) },
            2 => Flight::ServerHello { finished: flags & 1 != 0, resumed: flags & 2 != 0, ticket },
            3 => Flight::ClientFinished,
            4 => Flight::ServerFinished { ticket },
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let ticket = Some(Ticket { key: 7, lifetime: Nanos::from_secs(7_200) });
        for flight in [
            Flight::ClientHello { ticket: None },
            Flight::ClientHello { ticket: Some(0) },
            Flight::ServerHello { finished: true, resumed: false, ticket },
            Flight::ServerHello { finished: true, resumed: true, ticket: None },
            Flight::ServerHello { finished: false, resumed: false, ticket: None },
            Flight::ClientFinished,
            Flight::ServerFinished { ticket },
        ] {
            let mut bytes = Vec::new();
            flight.write(&mut bytes);
            assert_eq!(Flight::read(&bytes), Some(flight));
            // The record's length is that of what it stands for.
            let length = u16::from_be_bytes([bytes[3], bytes[4]]);
            assert_eq!(usize::from(length) + HEADER, usize::from(flight.wire_bytes()));
            assert_eq!(Flight::read(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(Flight::read(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
