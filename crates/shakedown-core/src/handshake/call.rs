//! A server's call to another as bytes: a plain HTTP GET that names the client it is made for, and its response. It opens
//! no WebSocket, and the connection ends with the response.

use super::server::{Refusal, Request};
use super::{KEY_LEN, Key};
use crate::http::{self, HeadError};
use crate::rng::Identity;

/// Appends a call on behalf of `asker`, a client, whose name is its path: 16 hexadecimal digits.
pub fn write_call(out: &mut Vec<u8>, authority: &str, asker: Identity) {
    out.extend_from_slice(b"GET /");
    out.extend_from_slice(format!("{:016x}", asker.0).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(b"\r\nConnection: close\r\n\r\n");
}

/// Reads a call at the start of `bytes`; `None` when more bytes are needed, else the request, whose key says nothing, and
/// its length.
///
/// # Errors
/// [`Refusal`] when it is no call.
pub fn read_call(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    let mut room = http::uninit_headers();
    let mut request = http::Request::new(&mut []);
    let Some(len) = http::parse_request(bytes, &mut room, &mut request)? else { return Ok(None) };
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    let path = request.path.filter(|path| path.starts_with('/')).ok_or(Refusal::Target)?;
    Ok(Some((Request { key: Key([0; KEY_LEN]), upgrade: false, connect: false, path, authorization: None }, len)))
}

/// On whose behalf a call is made, by its path.
pub fn asker(path: &str) -> Option<Identity> {
    u64::from_str_radix(path.strip_prefix('/')?, 16).ok().map(Identity)
}

/// Appends the answer to a call: 200 without a body.
pub fn write_served(out: &mut Vec<u8>) -> u16 {
    http::status_line(out, 200);
    super::server::end_without_body(out);
    200
}

/// Reads the answer to a call at the start of `bytes`: its status, `None` when more bytes are needed.
///
/// # Errors
/// [`HeadError`] when the bytes are no response.
pub fn read_status(bytes: &[u8]) -> Result<Option<u16>, HeadError> {
    let mut room = http::uninit_headers();
    let mut response = http::Response::new(&mut []);
    let complete = http::parse_response(bytes, &mut room, &mut response)?;
    Ok(complete.and(response.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_call(&mut bytes, "auth-0", Identity(0x1234));
        assert_eq!(bytes, b"GET /0000000000001234 HTTP/1.1\r\nHost: auth-0\r\nConnection: close\r\n\r\n");
        let (request, len) = read_call(&bytes).unwrap().unwrap();
        assert_eq!((asker(request.path), len), (Some(Identity(0x1234)), bytes.len()));
        assert_eq!(read_call(&bytes[..bytes.len() - 1]), Ok(None));
        assert_eq!(read_call(b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n"), Err(Refusal::Method));
        assert_eq!(asker("/chat"), None);
        bytes.clear();
        assert_eq!(write_served(&mut bytes), 200);
        assert_eq!(read_status(&bytes), Ok(Some(200)));
        assert_eq!(read_status(&bytes[..12]), Ok(None));
        assert!(read_status(b"nonsense\r\n\r\n").is_err());
    }
}
