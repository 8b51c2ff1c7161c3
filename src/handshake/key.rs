//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 sections 4.1 and 4.2.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// Length of a key in base64.
pub const KEY_LEN: usize = 24;
/// Length of an accept value in base64.
pub const ACCEPT_LEN: usize = 28;

const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A `Sec-WebSocket-Key` as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; KEY_LEN]);

/// The `Sec-WebSocket-Accept` that proves that a server read the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept(pub [u8; ACCEPT_LEN]);

impl Key {
    /// The key of a nonce "selected randomly for each connection" (RFC 6455 section 4.1, request item 7).
    pub fn from_nonce(nonce: [u8; 16]) -> Key {
        let mut text = [0; KEY_LEN];
        encode(&nonce, &mut text);
        Key(text)
    }

    /// The key in a request's header field; `None` unless it is base64 of 16 bytes (section 4.2.1, item 5).
    pub fn from_header(value: &[u8]) -> Option<Key> {
        let text: [u8; KEY_LEN] = value.try_into().ok()?;
        let mut nonce = [0; 18];
        let decoded = STANDARD.decode_slice(text, &mut nonce).ok()?;
        (decoded == 16).then_some(Key(text))
    }

    /// base64(SHA-1(key + GUID)), section 4.2.2, item 5.4.
    pub fn accept(&self) -> Accept {
        let mut input = [0; KEY_LEN + GUID.len()];
        input[..KEY_LEN].copy_from_slice(&self.0);
        input[KEY_LEN..].copy_from_slice(GUID);
        let mut text = [0; ACCEPT_LEN];
        encode(Sha1::digest(input).as_slice(), &mut text);
        Accept(text)
    }
}

fn encode(bytes: &[u8], text: &mut [u8]) {
    STANDARD.encode_slice(bytes, text).expect("the array has base64's exact length");
}
