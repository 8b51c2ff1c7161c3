//! WebSocket frames (RFC 6455 section 5) as far as sessions need them: ping, pong, close, and the
//! presence of data. Bytes only: no time, no connection.

/// What a frame is for (section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// A continuation, text or binary frame: data, which is not read here.
    Data,
    /// The end of the connection, with a code and a reason.
    Close,
    /// "Are you there?"
    Ping,
    /// "I am."
    Pong,
}

/// A frame at the start of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'b> {
    /// What it is for.
    pub opcode: Opcode,
    /// Its payload as it came: still masked if `mask` is there.
    pub payload: &'b [u8],
    /// The masking key, which clients must use and servers must not (section 5.1).
    pub mask: Option<[u8; 4]>,
}

/// Who sent a frame: that says whether it must have a mask (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// It must have one.
    Client,
    /// It must have none.
    Server,
    /// It does not matter: whoever reads it is lax.
    Any,
}

impl Sender {
    fn allows(self, masked: bool) -> bool {
        match self {
            Sender::Client => masked,
            Sender::Server => !masked,
            Sender::Any => true,
        }
    }
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A reserved bit or opcode (section 5.2), as no extension is ever negotiated.
    #[error("a reserved bit or opcode")]
    Reserved,
    /// A client's frame without a mask, or a server's with one (section 5.1).
    #[error("a client's frame without a mask, or a server's with one")]
    Mask,
    /// A control frame that is fragmented or longer than 125 bytes (section 5.5).
    #[error("a control frame that is fragmented or too long")]
    Control,
    /// A length whose highest bit is set (section 5.2).
    #[error("a length of more than 63 bits")]
    Length,
}

/// A close code where none was sent (section 7.4.1): never on the wire.
pub const NO_STATUS: u16 = 1005;

impl Frame<'_> {
    /// The payload in the clear. Empty, as most are, it costs no memory.
    pub fn unmasked(&self) -> Vec<u8> {
        let mask = self.mask.unwrap_or_default();
        self.payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    /// The code of a close frame (section 5.5.1); [`NO_STATUS`] when it has none.
    pub fn close_code(&self) -> u16 {
        let mask = self.mask.unwrap_or_default();
        match self.payload {
            [high, low, ..] => u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]),
            _ => NO_STATUS,
        }
    }
}

/// Reads the frame at the start of `bytes` and its length; `None` when more bytes are needed.
///
/// # Errors
/// [`FrameError`] when no frame begins so.
pub fn read(bytes: &[u8], from: Sender) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = match first & 0x0f {
        0..=2 => Opcode::Data,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(FrameError::Reserved),
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Reserved);
    }
    if !from.allows(second & 0x80 != 0) {
        return Err(FrameError::Mask);
    }
    let short = u64::from(second & 0x7f);
    if opcode != Opcode::Data && (first & 0x80 == 0 || short > 125) {
        return Err(FrameError::Control);
    }
    let (length, rest) = match short {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        short => (short, rest),
    };
    if length >> 63 != 0 {
        return Err(FrameError::Length);
    }
    let (mask, rest) = match (second & 0x80 != 0, rest.split_first_chunk()) {
        (false, _) => (None, rest),
        (true, Some((mask, rest))) => (Some(*mask), rest),
        (true, None) => return Ok(None),
    };
    // Where a machine's lengths are shorter than the frame's, no slice is that long.
    let payload = usize::try_from(length).ok().and_then(|length| rest.get(..length));
    let Some(payload) = payload else { return Ok(None) };
    let len = bytes.len() - rest.len() + payload.len();
    Ok(Some((Frame { opcode, payload, mask }, len)))
}

/// The part of `bytes` to keep, at whose start [`read`] found no complete frame. Data is not read: of a data frame only a
/// head for its remaining bytes is kept, so that a message takes no memory, however long it is.
pub fn keep(bytes: &[u8]) -> Vec<u8> {
    let head = match bytes {
        [first, second, ..] if first & 0x0f <= 2 => {
            let mask = if second & 0x80 == 0 { 0 } else { 4 };
            let (length, size) = match (second & 0x7f, &bytes[2..]) {
                (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 4),
                (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 10),
                (126 | 127, _) => return bytes.to_vec(),
                (short, _) => (u64::from(short), 2),
            };
            bytes.len().checked_sub(size + mask).map(|came| (first, mask, length.saturating_sub(came as u64)))
        }
        _ => None,
    };
    match head {
        // What is left has a mask if the whole had one; which one, nobody asks.
        Some((first, mask, left)) => {
            let second = if mask == 0 { 127 } else { 0x80 | 127 };
            [&[*first, second], &left.to_be_bytes()[..], &[0; 4][..mask]].concat()
        }
        None => bytes.to_vec(),
    }
}

/// Appends a control frame; with a mask it is a client's (section 5.3).
fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    debug_assert!(payload.len() <= 125, "a control frame's payload is short");
    let length = payload.len() as u8;
    match mask {
        None => {
            out.extend_from_slice(&[0x80 | opcode, length]);
            out.extend_from_slice(payload);
        }
        Some(mask) => {
            out.extend_from_slice(&[0x80 | opcode, 0x80 | length]);
            out.extend_from_slice(&mask);
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
}

/// Appends an empty ping.
pub fn write_ping(out: &mut Vec<u8>, mask: Option<[u8; 4]>) {
    write(out, 9, &[], mask);
}

/// Appends the pong to a ping with this payload, which was unmasked (section 5.5.3).
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    write(out, 10, payload, mask);
}

/// Appends a close frame with a code, or without one for [`NO_STATUS`].
pub fn write_close(out: &mut Vec<u8>, code: u16, mask: Option<[u8; 4]>) {
    let payload = code.to_be_bytes();
    write(out, 8, if code == NO_STATUS { &[] } else { &payload }, mask);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_read() {
        let mask = Some([1, 2, 3, 4]);
        for (bytes, opcode, mask) in [
            (written(|out| write_ping(out, mask)), Opcode::Ping, mask),
            (written(|out| write_pong(out, b"", None)), Opcode::Pong, None),
            (written(|out| write_close(out, 1012, mask)), Opcode::Close, mask),
        ] {
            let (frame, len) = read(&bytes, Sender::Any).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.mask, len), (opcode, mask, bytes.len()));
            assert!((0..len).all(|cut| read(&bytes[..cut], Sender::Any) == Ok(None)));
        }
        let close = written(|out| write_close(out, 1012, mask));
        assert_eq!(read(&close, Sender::Any).unwrap().unwrap().0.close_code(), 1012);
        assert_eq!(read(&[0x88, 0], Sender::Any).unwrap().unwrap().0.close_code(), NO_STATUS);
    }

    /// The examples of section 5.7.
    #[test]
    fn the_rfc_examples() {
        let opcode = |bytes: &[u8]| {
            read(bytes, Sender::Any).map(|read| read.map(|(frame, len)| (frame.opcode, frame.payload.len(), len)))
        };
        assert_eq!(opcode(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), Ok(Some((Opcode::Data, 5, 7))));
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(opcode(&masked), Ok(Some((Opcode::Data, 5, 11))));
        assert_eq!(opcode(&[0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), Ok(Some((Opcode::Ping, 5, 7))));
        let long = [&[0x82, 0x7e, 0x01, 0x00][..], &[0; 256]].concat();
        assert_eq!(opcode(&long), Ok(Some((Opcode::Data, 256, 260))));
    }

    #[test]
    fn what_no_frame_may_be_is_refused() {
        let refused = |bytes: &[u8]| read(bytes, Sender::Any).map(|read| read.is_some());
        assert_eq!(refused(&[0xc1, 0]), Err(FrameError::Reserved));
        assert_eq!(refused(&[0x83, 0]), Err(FrameError::Reserved));
        assert_eq!(refused(&[0x09, 0]), Err(FrameError::Control));
        assert_eq!(refused(&[0x89, 126, 0, 200]), Err(FrameError::Control));
        let length = |bytes: u64| [&[0x82, 127][..], &bytes.to_be_bytes()].concat();
        assert_eq!(refused(&length(u64::MAX >> 1)), Ok(false));
        assert_eq!(refused(&length(1 << 63)), Err(FrameError::Length));
    }

    /// Section 5.1, both ways, and on the first bytes that say it.
    #[test]
    fn clients_mask_and_servers_do_not() {
        let (masked, plain) = ([0x89, 0x80, 1, 2, 3, 4], [0x89, 0]);
        assert_eq!(read(&plain, Sender::Client), Err(FrameError::Mask));
        assert_eq!(read(&masked[..2], Sender::Server), Err(FrameError::Mask));
        assert!(read(&masked, Sender::Client).unwrap().is_some() && read(&plain, Sender::Server).unwrap().is_some());
        assert!(read(&masked, Sender::Any).unwrap().is_some() && read(&plain, Sender::Any).unwrap().is_some());
    }

    #[test]
    fn a_message_is_passed_over_in_any_pieces_and_takes_no_memory() {
        let data = |mask: u8, length: &[u8], mask_and_payload: usize| {
            [&[0x82, mask | length[0]], &length[1..], &vec![0x89; mask_and_payload]].concat()
        };
        for (from, message) in [
            (Sender::Client, data(0x80, &[125], 4 + 125)),
            (Sender::Server, data(0, &[126, 1, 44], 300)),
            (Sender::Client, data(0x80, &[126, 1, 44], 4 + 300)),
            (Sender::Client, data(0x80, &[127, 0, 0, 0, 0, 0, 1, 0, 0], 4 + 65_536)),
        ] {
            let mask = (from == Sender::Client).then_some([1, 2, 3, 4]);
            let stream = [message, written(|out| write_ping(out, mask))].concat();
            for piece in [1, 2, 3, 7, 1000] {
                let (mut kept, mut seen) = (Vec::new(), Vec::new());
                for bytes in stream.chunks(piece) {
                    kept.extend_from_slice(bytes);
                    while let Some((frame, len)) = read(&kept, from).unwrap() {
                        seen.push(frame.opcode);
                        kept.drain(..len);
                    }
                    kept = keep(&kept);
                    assert!(kept.len() <= 14, "{} bytes are kept", kept.len());
                }
                assert_eq!((seen, kept.len()), (vec![Opcode::Data, Opcode::Ping], 0));
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for from in [Sender::Client, Sender::Server, Sender::Any] {
                if let Ok(Some((_, len))) = read(&bytes, from) {
                    prop_assert!(len <= bytes.len());
                }
            }
        }
    }
}
