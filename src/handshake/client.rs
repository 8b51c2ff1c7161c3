//! The client's half: writes the request, reads the answer.

use super::{Accept, Error, Key, Mode};
use crate::http;

/// Appends an opening request. The upgrade modes ask to switch protocols (RFC 6455 section 4.1); `final-response`
/// sends a plain GET that carries the key and the version and asks for nothing to be switched.
pub fn write_request(out: &mut Vec<u8>, mode: Mode, authority: &str, path: &str, key: &Key) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(authority.as_bytes());
    if mode != Mode::FinalResponse {
        out.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade");
    }
    out.extend_from_slice(b"\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(&key.0);
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n\r\n");
}

/// What a complete response head means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'b> {
    /// The handshake is complete: the connection is a WebSocket.
    Open,
    /// A 1xx other than 101: the final response is still to come (RFC 9110 section 15.2).
    Interim,
    /// A 3xx that may be followed, with its `Location` (unless that is missing or no text).
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The value of `Location`.
        location: Option<&'b str>,
    },
    /// Any other status.
    Rejected {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds (RFC 9110 section 10.2.3); the date form is not read.
        retry_after: Option<u32>,
    },
}

/// Reads a response head at the start of `bytes`; `None` when more bytes are needed, else the answer and its length.
///
/// # Errors
/// [`Error`] when the bytes are no response, or a response that RFC 6455 section 4.1 says must fail the connection.
pub fn read_answer<'b>(
    mode: Mode,
    expected: impl FnOnce() -> Accept,
    bytes: &'b [u8],
) -> Result<Option<(Answer<'b>, usize)>, Error> {
    let mut room = http::uninit_headers();
    let mut response = http::Response::new(&mut []);
    let Some(len) = http::parse_response(bytes, &mut room, &mut response)? else {
        return Ok(None);
    };
    let fields = Fields::of(&response);
    let status = response.code.unwrap_or_default();
    let answer = match status {
        101 => {
            if mode == Mode::FinalResponse || response.version != Some(1) {
                return Err(Error::UnexpectedSwitch);
            }
            if !fields.upgrade {
                return Err(Error::Upgrade);
            }
            if !fields.connection {
                return Err(Error::Connection);
            }
            fields.verify(expected())?;
            Answer::Open
        }
        100..=199 => Answer::Interim,
        // A plain page carries no accept and never opens; a wrong one is not a page but a failed proof.
        200 if mode == Mode::FinalResponse && fields.accepts > 0 && !fields.framed => {
            fields.verify(expected())?;
            Answer::Open
        }
        301 | 302 | 303 | 307 | 308 if mode != Mode::UpgradeStrict => {
            Answer::Redirect { status, location: fields.location }
        }
        _ => Answer::Rejected { status, retry_after: fields.retry_after },
    };
    Ok(Some((answer, len)))
}

/// The header fields of a response that decide what it means.
#[derive(Default)]
struct Fields<'b> {
    upgrade: bool,
    connection: bool,
    accept: &'b [u8],
    accepts: u32,
    extension: bool,
    subprotocol: bool,
    framed: bool,
    location: Option<&'b str>,
    retry_after: Option<u32>,
}

impl<'b> Fields<'b> {
    fn of(response: &http::Response<'_, 'b>) -> Fields<'b> {
        let mut fields = Fields::default();
        for field in response.headers.iter() {
            let name = field.name.as_bytes();
            // By length first: one comparison decides for nearly every field.
            match field.name.len() {
                7 if http::same(name, b"upgrade") => {
                    fields.upgrade |= http::same(field.value, b"websocket");
                }
                8 if http::same(name, b"location") => fields.location = std::str::from_utf8(field.value).ok(),
                10 if http::same(name, b"connection") => {
                    fields.connection |= http::tokens_contain(field.value, b"upgrade");
                }
                11 if http::same(name, b"retry-after") => {
                    let text = std::str::from_utf8(field.value).unwrap_or_default();
                    fields.retry_after = text.parse().ok();
                }
                14 if http::same(name, b"content-length") => fields.framed = true,
                17 if http::same(name, b"transfer-encoding") => fields.framed = true,
                20 if http::same(name, b"sec-websocket-accept") => {
                    fields.accept = field.value;
                    fields.accepts += 1;
                }
                22 if http::same(name, b"sec-websocket-protocol") => fields.subprotocol = true,
                24 if http::same(name, b"sec-websocket-extensions") => fields.extension = true,
                _ => {}
            }
        }
        fields
    }

    fn verify(&self, expected: Accept) -> Result<(), Error> {
        if self.accepts != 1 || self.accept != expected.0 {
            Err(Error::Accept)
        } else if self.extension {
            Err(Error::Extension)
        } else if self.subprotocol {
            Err(Error::Subprotocol)
        } else {
            Ok(())
        }
    }
}
