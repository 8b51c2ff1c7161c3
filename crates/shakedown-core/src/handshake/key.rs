//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 sections 4.1 and 4.2.2).

use sha1::block_api::compress;

/// Length of a key in base64.
pub const KEY_LEN: usize = 24;
/// Length of an accept value in base64.
pub const ACCEPT_LEN: usize = 28;

const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// SHA-1's initial state (FIPS 180-4 section 5.3.1).
const INITIAL: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

/// The two blocks that a key and the GUID are padded to (FIPS 180-4 section 5.1.1), with room for the key. What is hashed
/// always has the same length, so that nothing need be buffered or counted.
const PADDED: [[u8; 64]; 2] = {
    let mut blocks = [[0; 64]; 2];
    let mut at = 0;
    while at < GUID.len() {
        blocks[0][KEY_LEN + at] = GUID[at];
        at += 1;
    }
    let length = KEY_LEN + GUID.len();
    blocks[0][length] = 0x80;
    let bits = (8 * length as u64).to_be_bytes();
    let mut at = 0;
    while at < bits.len() {
        blocks[1][56 + at] = bits[at];
        at += 1;
    }
    blocks
};

/// A `Sec-WebSocket-Key` as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; KEY_LEN]);

/// The `Sec-WebSocket-Accept` that proves that a server read the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept(pub [u8; ACCEPT_LEN]);

impl Key {
    /// The key of a nonce "selected randomly for each connection" (RFC 6455 section 4.1, request item 7).
    pub fn from_nonce(nonce: [u8; 16]) -> Key {
        Key(encode(&nonce))
    }

    /// The key in a request's header field; `None` unless it is base64 of 16 bytes (section 4.2.1, item 5).
    pub fn from_header(value: &[u8]) -> Option<Key> {
        let text: [u8; KEY_LEN] = value.try_into().ok()?;
        let digits = &text[..KEY_LEN - 2];
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() | (*byte == b'+') | (*byte == b'/');
        // Without an early end, all are looked at together. The last one's lowest four bits are beyond the 16 bytes.
        let whole = digits.iter().fold(true, |whole, byte| whole & is_digit(byte));
        let last = matches!(text[KEY_LEN - 3], b'A' | b'Q' | b'g' | b'w');
        (whole && last && text.ends_with(b"==")).then_some(Key(text))
    }

    /// base64(SHA-1(key + GUID)), section 4.2.2, item 5.4.
    pub fn accept(&self) -> Accept {
        let mut blocks = PADDED;
        blocks[0][..KEY_LEN].copy_from_slice(&self.0);
        let mut state = INITIAL;
        compress(&mut state, &blocks);
        let mut digest = [0; 20];
        for (place, word) in digest.chunks_exact_mut(4).zip(state) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        Accept(encode(&digest))
    }
}

/// Base64 with padding (RFC 4648 section 4) of so few bytes that a length fixed when this is compiled is half of the
/// speed: every handshake does it four times. All digits are split off first and then become letters side by side.
fn encode<const BYTES: usize, const LETTERS: usize>(bytes: &[u8; BYTES]) -> [u8; LETTERS] {
    const { assert!(LETTERS == BYTES.div_ceil(3) * 4 && LETTERS <= 32) };
    let mut groups = [0; 24];
    groups[..BYTES].copy_from_slice(bytes);
    let mut text = [0; 32];
    for (group, four) in groups.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        four.copy_from_slice(&[bits >> 18, bits >> 12, bits >> 6, bits].map(|digit| digit as u8 & 63));
    }
    for digit in &mut text {
        *digit = letter(*digit);
    }
    text[(BYTES * 4).div_ceil(3)..].fill(b'=');
    text[..LETTERS].try_into().expect("it is long enough")
}

/// A digit of base64. Sums rather than a table or branches, so that many become letters at once.
fn letter(digit: u8) -> u8 {
    let beyond = |last: u8, step: u8| if digit > last { step } else { 0 };
    // From `A`; to `a` after `Z`, to `0` after `z`, to `+` after `9`, and on to `/`.
    digit
        .wrapping_add(b'A')
        .wrapping_add(beyond(25, 6))
        .wrapping_sub(beyond(51, 75))
        .wrapping_sub(beyond(61, 15))
        .wrapping_add(beyond(62, 3))
}
