//! The server's half: parses requests, writes responses.

use super::{Accept, Key};
use crate::http::auth::{self, Challenge};
use crate::http::{self, HeadError, header};

/// An opening request that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'b> {
    /// The client's key.
    pub key: Key,
    /// True when the client offered to upgrade; false for a complete HTTP transaction (`final-response`).
    pub upgrade: bool,
    /// True for an extended CONNECT (RFC 8441): there is no key, and a 2xx opens.
    pub connect: bool,
    /// The request target.
    pub path: &'b str,
    /// The value of `Authorization`.
    pub authorization: Option<&'b [u8]>,
}

/// Why a request gets an HTTP error (RFC 6455 section 4.2.1), by its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a head within the limits.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// Only GET opens.
    #[error("not a GET")]
    Method,
    /// HTTP/1.0, or `Host` is missing.
    #[error("not an HTTP/1.1 request")]
    Version,
    /// More than one `Host` (RFC 9112 section 3.2).
    #[error("more than one Host field")]
    Host,
    /// `Content-Length` is no number, contradicts another, or stands beside `Transfer-Encoding` (RFC 9112 sections 6.1 and
    /// 6.3): what one reader takes for a body, another may take for a request.
    #[error("a Content-Length that does not say where the request ends")]
    Length,
    /// A request target that is not a path (RFC 9112 section 3.2.1), as for a proxy.
    #[error("a request target that is no path")]
    Target,
    /// `Sec-WebSocket-Key` missing or not base64 of 16 bytes.
    #[error("no usable Sec-WebSocket-Key")]
    Key,
    /// A WebSocket version other than 13 (section 4.4).
    #[error("not WebSocket version 13")]
    WebSocketVersion,
}

impl Refusal {
    /// The status that says it.
    pub fn status(self) -> u16 {
        match self {
            Refusal::Head(HeadError::TooLarge | HeadError::TooManyHeaders) => 431,
            Refusal::Head(HeadError::Malformed(_))
            | Refusal::Version
            | Refusal::Host
            | Refusal::Length
            | Refusal::Target
            | Refusal::Key => 400,
            Refusal::Method => 405,
            Refusal::WebSocketVersion => 426,
        }
    }
}

/// What fields say of where a request goes and where it ends.
#[derive(Debug, Default)]
pub(super) struct Framing<'b> {
    hosts: u32,
    length: Option<&'b [u8]>,
    contradicts: bool,
    encoded: bool,
}

impl<'b> Framing<'b> {
    /// Takes note of a field.
    #[inline]
    pub(super) fn see(&mut self, name: &[u8], value: &'b [u8]) {
        match name.len() {
            4 => self.hosts += u32::from(http::same(name, b"host")),
            14 if http::same(name, b"content-length") => {
                let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                self.contradicts |= !is_number || self.length.is_some_and(|other| other != value);
                self.length = Some(value);
            }
            17 => self.encoded |= http::same(name, b"transfer-encoding"),
            _ => {}
        }
    }

    /// Whether HTTP/1.1 allows all of it; who is lax needs a `Host` only.
    pub(super) fn check(&self, lax: bool) -> Result<(), Refusal> {
        match self {
            Framing { hosts: 0, .. } => Err(Refusal::Version),
            _ if lax => Ok(()),
            Framing { hosts: 2.., .. } => Err(Refusal::Host),
            Framing { contradicts: true, .. } | Framing { length: Some(_), encoded: true, .. } => Err(Refusal::Length),
            _ => Ok(()),
        }
    }
}

/// Reads a request head at the start of `bytes`; `None` when more bytes are needed, else the request and its length.
///
/// # Errors
/// [`Refusal`] when the request can't be an opening handshake.
pub fn read_request(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    read_request_by(bytes, false)
}

/// The same by a server that may be lax: it takes several `Host` fields and any `Content-Length`.
///
/// # Errors
/// [`Refusal`] when the request can't be an opening handshake.
pub fn read_request_by(bytes: &[u8], lax: bool) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    let mut room = http::uninit_headers();
    let mut request = http::Request::new(&mut []);
    let Some(len) = http::parse_request(bytes, &mut room, &mut request)? else {
        return Ok(None);
    };
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    let (mut upgrade, mut connection, mut framing) = (false, false, Framing::default());
    let (mut version, mut key, mut authorization) = (false, None, None);
    for field in request.headers.iter() {
        let name = field.name.as_bytes();
        framing.see(name, field.value);
        match field.name.len() {
            7 if http::same(name, b"upgrade") => upgrade |= http::tokens_contain(field.value, b"websocket"),
            10 if http::same(name, b"connection") => connection |= http::tokens_contain(field.value, b"upgrade"),
            13 if http::same(name, b"authorization") => authorization = Some(field.value),
            17 if http::same(name, b"sec-websocket-key") => key = Key::from_header(field.value),
            21 if http::same(name, b"sec-websocket-version") => version = field.value == b"13",
            _ => {}
        }
    }
    if request.version != Some(1) {
        return Err(Refusal::Version);
    }
    framing.check(lax)?;
    if !version {
        return Err(Refusal::WebSocketVersion);
    }
    let path = request.path.filter(|path| path.starts_with('/')).ok_or(Refusal::Target)?;
    let request =
        Request { key: key.ok_or(Refusal::Key)?, upgrade: upgrade && connection, connect: false, path, authorization };
    Ok(Some((request, len)))
}

/// Appends the answer that opens: `101` to an upgrade (RFC 6455 section 4.2.2, item 5), a final `200` without body
/// framing to a complete transaction. Returns its status.
pub fn write_open(out: &mut Vec<u8>, upgrade: bool, accept: &Accept) -> u16 {
    let (status, line) = if upgrade {
        (101, &b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"[..])
    } else {
        (200, &b"HTTP/1.1 200 OK"[..])
    };
    out.extend_from_slice(line);
    out.extend_from_slice(b"\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(&accept.0);
    out.extend_from_slice(b"\r\n\r\n");
    status
}

/// Appends a redirect (RFC 6455 section 4.2.2, item 3): `location` is joined from its pieces; without any, it is
/// missing. `retry_after` is the number of seconds to wait before following it (RFC 9110 section 10.2.3).
pub fn write_redirect(out: &mut Vec<u8>, status: u16, location: &[&str], retry_after: Option<u32>) {
    write_redirect_and(out, status, location, retry_after, false);
}

/// The same, or one that leaves the connection for the next request (`keep`).
pub fn write_redirect_and(out: &mut Vec<u8>, status: u16, location: &[&str], retry_after: Option<u32>, keep: bool) {
    http::status_line(out, status);
    if !location.is_empty() {
        out.extend_from_slice(b"Location: ");
        for piece in location {
            out.extend_from_slice(piece.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
    if let Some(seconds) = retry_after {
        header(out, "Retry-After", seconds.to_string().as_bytes());
    }
    match keep {
        true => out.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        false => end_without_body(out),
    }
}

/// Appends a rejection with any status; `426` names the version that would do (section 4.4, RFC 9110 section 15.5.22).
pub fn write_rejection(out: &mut Vec<u8>, status: u16, retry_after: Option<u32>) {
    http::status_line(out, status);
    if status == 426 {
        out.extend_from_slice(b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
    }
    if let Some(seconds) = retry_after {
        header(out, "Retry-After", seconds.to_string().as_bytes());
    }
    end_without_body(out);
}

/// Appends a demand for credentials (RFC 9110 section 15.5.2); `keep` says whether the connection stays for the answer.
pub fn write_challenge(out: &mut Vec<u8>, challenge: &Challenge<'_>, keep: bool) {
    http::status_line(out, 401);
    header(out, "WWW-Authenticate", auth::write_challenge(challenge).as_bytes());
    match keep {
        true => out.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        false => end_without_body(out),
    }
}

pub(super) fn end_without_body(out: &mut Vec<u8>) {
    out.extend_from_slice(b"Connection: close\r\nContent-Length: 0\r\n\r\n");
}
