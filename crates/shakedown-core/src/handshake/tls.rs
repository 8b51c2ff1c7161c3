//! Upgrade to TLS within HTTP/1.1 as bytes (RFC 2817): a request that offers it, the 101 that begins it, and the 426 that
//! demands it.

use super::Error;
use crate::http::{self, HeadError};

/// What a client offers, and a server then names (RFC 2817 sections 3.1 and 3.3): the version, and HTTP on top.
const OFFERED: &[u8] = b"Upgrade: TLS/1.3, TLS/1.2\r\nConnection: Upgrade\r\n";

/// Whether the request at the start of `bytes`, which has come in whole, offers to upgrade to TLS.
pub fn is_offered(bytes: &[u8]) -> bool {
    let mut room = http::uninit_headers();
    let mut request = http::Request::new(&mut []);
    matches!(http::parse_request(bytes, &mut room, &mut request), Ok(Some(_))) && names_tls(request.headers)
}

fn names_tls(headers: &[httparse::Header<'_>]) -> bool {
    let offers = |token: &[u8]| token.trim_ascii().get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"TLS/"));
    let mut upgrades = headers.iter().filter(|field| field.name.eq_ignore_ascii_case("Upgrade"));
    upgrades.any(|field| field.value.split(|byte| *byte == b',').any(offers))
}

/// Appends the header fields that offer it.
pub(super) fn write_offer(out: &mut Vec<u8>) {
    out.extend_from_slice(OFFERED);
}

/// Appends the 101 after which TLS begins (RFC 2817 section 3.3).
pub fn write_switch(out: &mut Vec<u8>, version: crate::tls::Version) {
    http::status_line(out, 101);
    write_protocols(out, version);
}

/// Appends the 426 to a request that does not offer it (RFC 2817 section 4.2).
pub fn write_required(out: &mut Vec<u8>, version: crate::tls::Version) {
    http::status_line(out, 426);
    out.extend_from_slice(b"Content-Length: 0\r\n");
    write_protocols(out, version);
}

fn write_protocols(out: &mut Vec<u8>, version: crate::tls::Version) {
    let number = if version == crate::tls::Version::V1_2 { "1.2" } else { "1.3" };
    out.extend_from_slice(format!("Upgrade: TLS/{number}, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n").as_bytes());
}

/// Whether the answer at the start of `bytes` is a 101 to TLS; `None` when more bytes are needed, or its length is that of
/// another answer.
///
/// # Errors
/// [`Error`] when the bytes are no response, or a switch to something else.
pub fn read_switch(bytes: &[u8]) -> Result<Option<bool>, Error> {
    let mut room = http::uninit_headers();
    let mut response = http::Response::new(&mut []);
    let Some(_) = http::parse_response(bytes, &mut room, &mut response).map_err(|error: HeadError| error)? else {
        return Ok(None);
    };
    match response.code {
        Some(101) if names_tls(response.headers) => Ok(Some(true)),
        Some(101) => Err(Error::UnexpectedSwitch),
        _ => Ok(Some(false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::client::write_request;
    use crate::handshake::{Key, Mode};
    use crate::tls::Version;

    #[test]
    fn an_upgrade_is_offered_accepted_or_insisted_on() {
        let mut bytes = Vec::new();
        let key = Key(*b"dGhlIHNhbXBsZSBub25jZQ==");
        write_request(&mut bytes, Mode::TlsUpgrade, "a", "/", &key);
        assert!(is_offered(&bytes) && !is_offered(&bytes[..bytes.len() - 1]));
        bytes.clear();
        write_request(&mut bytes, Mode::Upgrade, "a", "/", &key);
        assert!(!is_offered(&bytes));
        bytes.clear();
        write_switch(&mut bytes, Version::V1_2);
        assert_eq!(
            bytes,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.2, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n"
        );
        assert_eq!((read_switch(&bytes), read_switch(&bytes[..9])), (Ok(Some(true)), Ok(None)));
        bytes.clear();
        write_required(&mut bytes, Version::V1_3);
        assert!(bytes.starts_with(b"HTTP/1.1 426 Upgrade Required\r\n"));
        assert_eq!(read_switch(&bytes), Ok(Some(false)));
        let other = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(read_switch(other), Err(Error::UnexpectedSwitch));
    }
}
