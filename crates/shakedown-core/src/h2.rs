//! HTTP/2 (RFC 9113) as far as WebSockets over it need it (RFC 8441): the frames of one connection that many streams share.
//!
//! Frames are as in RFC 9113 section 4.1, with one exception: a field section is written as text, a line for each
//! field, instead of HPACK. [`Frame::wire_bytes`] gives the number of bytes on the wire, with typical sizes for these.
//! Not supported are flow control, acknowledgements of SETTINGS, priorities and padding.

/// What a client says first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
const HEADER: usize = 9;
/// Bytes of a request's field section, as HPACK commonly has it: five pseudo-header fields, of which two are in no table, an
/// origin, a user agent, a version and cookies.
const REQUEST: usize = 250;
/// The same of an answer.
const ANSWER: usize = 80;
/// Bytes of one setting.
const SETTING: usize = 6;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Flags.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2).
const MAX_CONCURRENT_STREAMS: u16 = 3;
/// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3).
const ENABLE_CONNECT_PROTOCOL: u16 = 8;
/// The error code of a stream that is of no use any more (RFC 9113 section 7).
const CANCEL: u32 = 8;
/// The last stream of a GOAWAY that only says that it is time to go (RFC 9113 section 6.8).
const ANY_STREAM: u32 = (1 << 31) - 1;

/// One frame, or what begins a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'b> {
    /// A client's connection preface: its first words and its SETTINGS, which say nothing here.
    Preface,
    /// A server's SETTINGS.
    Settings {
        /// Whether it takes extended CONNECT requests.
        extended_connect: bool,
        /// Streams that may be open at the same time.
        streams_max: u32,
    },
    /// A request or an answer.
    Headers {
        /// Its stream.
        stream: u32,
        /// Its fields, a line each, and an empty line.
        fields: &'b [u8],
        /// Whether nothing follows on the stream.
        last: bool,
    },
    /// Bytes of a stream.
    Data {
        /// The stream.
        stream: u32,
        /// The bytes; none where the frame only ends the stream.
        bytes: &'b [u8],
        /// Whether nothing follows on the stream.
        last: bool,
    },
    /// The end of a stream, in both directions.
    Reset {
        /// The stream.
        stream: u32,
    },
    /// No new streams, please; those that are open go on.
    GoAway,
}

impl<'b> Frame<'b> {
    /// The stream that it is of; `None`: of the connection.
    pub fn stream(&self) -> Option<u32> {
        match *self {
            Frame::Headers { stream, .. } | Frame::Data { stream, .. } | Frame::Reset { stream } => Some(stream),
            Frame::Preface | Frame::Settings { .. } | Frame::GoAway => None,
        }
    }

    /// Bytes that it takes on the wire.
    pub fn wire_bytes(&self) -> usize {
        match self {
            Frame::Preface => PREFACE.len() + HEADER + 2 * SETTING,
            Frame::Settings { .. } => HEADER + 2 * SETTING,
            Frame::Headers { fields, .. } => HEADER + if is_answer(fields) { ANSWER } else { REQUEST },
            Frame::Data { bytes, .. } => HEADER + bytes.len(),
            Frame::Reset { .. } => HEADER + 4,
            Frame::GoAway => HEADER + 8,
        }
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u8, flags: u8, stream: u32, payload: &[&[u8]]| {
            let length = payload.iter().map(|piece| piece.len() as u32).sum::<u32>();
            out.extend_from_slice(&length.to_be_bytes()[1..]);
            out.extend_from_slice(&[kind, flags]);
            out.extend_from_slice(&stream.to_be_bytes());
            payload.iter().for_each(|piece| out.extend_from_slice(piece));
        };
        match *self {
            Frame::Preface => {
                out.extend_from_slice(PREFACE);
                let setting = |out: &mut Vec<u8>, name: u16, value: u32| {
                    out.extend_from_slice(&name.to_be_bytes());
                    out.extend_from_slice(&value.to_be_bytes());
                };
                // No server pushes, and none opens streams of its own.
                out.extend_from_slice(&[0, 0, 2 * SETTING as u8, SETTINGS, 0, 0, 0, 0, 0]);
                setting(out, 2, 0);
                setting(out, MAX_CONCURRENT_STREAMS, 0);
            }
            Frame::Settings { extended_connect, streams_max } => {
                let pieces: [&[u8]; 4] = [
                    &ENABLE_CONNECT_PROTOCOL.to_be_bytes(),
                    &u32::from(extended_connect).to_be_bytes(),
                    &MAX_CONCURRENT_STREAMS.to_be_bytes(),
                    &streams_max.to_be_bytes(),
                ];
                put(SETTINGS, 0, 0, &pieces);
            }
            Frame::Headers { stream, fields, last } => {
                put(HEADERS, END_HEADERS | if last { END_STREAM } else { 0 }, stream, &[fields]);
            }
            Frame::Data { stream, bytes, last } => put(DATA, if last { END_STREAM } else { 0 }, stream, &[bytes]),
            Frame::Reset { stream } => put(RST_STREAM, 0, stream, &[&CANCEL.to_be_bytes()]),
            Frame::GoAway => put(GOAWAY, 0, 0, &[&ANY_STREAM.to_be_bytes(), &0u32.to_be_bytes()]),
        }
    }

    /// Reads what [`Frame::write`] wrote, one frame and nothing behind it.
    pub fn read(bytes: &'b [u8]) -> Option<Frame<'b>> {
        if bytes.starts_with(PREFACE) {
            return Some(Frame::Preface);
        }
        let (&[high, middle, low, kind, flags, a, b, c, d], payload) = bytes.split_first_chunk::<HEADER>()?;
        if u32::from_be_bytes([0, high, middle, low]) as usize != payload.len() {
            return None;
        }
        let stream = u32::from_be_bytes([a, b, c, d]);
        let last = flags & END_STREAM != 0;
        Some(match kind {
            DATA => Frame::Data { stream, bytes: payload, last },
            HEADERS => Frame::Headers { stream, fields: payload, last },
            RST_STREAM if payload.len() == 4 => Frame::Reset { stream },
            SETTINGS => {
                let setting = |name: u16| {
                    let given = payload.chunks_exact(SETTING).find(|setting| setting[..2] == name.to_be_bytes());
                    given.map(|setting| u32::from_be_bytes([setting[2], setting[3], setting[4], setting[5]]))
                };
                Frame::Settings {
                    extended_connect: setting(ENABLE_CONNECT_PROTOCOL) == Some(1),
                    streams_max: setting(MAX_CONCURRENT_STREAMS).unwrap_or(u32::MAX),
                }
            }
            GOAWAY if payload.len() == 8 => Frame::GoAway,
            _ => return None,
        })
    }
}

fn is_answer(fields: &[u8]) -> bool {
    fields.starts_with(b":status")
}

/// Turns an HTTP/1.1 response head into the fields of an answer: without what is of a connection (RFC 9113 section 8.2.2).
pub fn answer_fields(head: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let mut fields = format!(":status: {status}\r\n");
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = name.to_ascii_lowercase();
        if !matches!(name.as_str(), "connection" | "upgrade" | "transfer-encoding" | "content-length") {
            fields.extend([name.as_str(), ": ", value.trim(), "\r\n"]);
        }
    }
    fields.push_str("\r\n");
    fields.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (frame, wire) in [
            (Frame::Preface, 24 + 9 + 12),
            (Frame::Settings { extended_connect: true, streams_max: 100 }, 21),
            (Frame::Settings { extended_connect: false, streams_max: 1 }, 21),
            (Frame::Headers { stream: 1, fields: b":method: CONNECT\r\n\r\n", last: false }, 259),
            (Frame::Headers { stream: 1, fields: b":status: 307\r\n\r\n", last: true }, 89),
            (Frame::Data { stream: 3, bytes: b"hello", last: false }, 14),
            (Frame::Data { stream: 3, bytes: b"", last: true }, 9),
            (Frame::Reset { stream: 5 }, 13),
            (Frame::GoAway, 17),
        ] {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            assert_eq!(Frame::read(&bytes), Some(frame));
            assert_eq!(frame.wire_bytes(), wire, "{frame:?}");
            // All but field sections are as long as they say.
            if !matches!(frame, Frame::Headers { .. }) {
                assert_eq!(bytes.len(), wire, "{frame:?}");
            }
            if frame != Frame::Preface {
                assert_eq!(Frame::read(&bytes[..bytes.len() - 1]), None);
            }
        }
        assert_eq!(Frame::read(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn answers_lose_what_is_of_a_connection() {
        let head =
            b"HTTP/1.1 307 Temporary Redirect\r\nLocation: ws://a/b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answer_fields(head), b":status: 307\r\nlocation: ws://a/b\r\n\r\n");
        assert_eq!(answer_fields(b"HTTP/1.1 200 OK\r\n\r\n"), b":status: 200\r\n\r\n");
    }
}
