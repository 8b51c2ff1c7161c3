//! The handshake over HTTP/2 (RFC 8441): an extended CONNECT, which a 2xx opens. Requests and responses are field sections
//! as text, a line for each field. There is no key and no accept value, because HTTP/2 does not need them (section 5).

use super::answer::Answer;
use super::server::Request;
use super::{Error, KEY_LEN, Key};
use crate::http::{self, auth};

/// Appends a request; `authorization` is the value of that field.
pub fn write_request(out: &mut Vec<u8>, secure: bool, authority: &str, path: &str, authorization: Option<&str>) {
    let scheme = if secure { "https" } else { "http" };
    let pieces = [
        ":method: CONNECT\r\n:protocol: websocket\r\n:scheme: ",
        scheme,
        "\r\n:path: ",
        path,
        "\r\n:authority: ",
        authority,
        "\r\nsec-websocket-version: 13\r\n",
    ];
    let field = authorization.map(|value| ["authorization: ", value, "\r\n"]);
    let pieces = pieces.into_iter().chain(field.into_iter().flatten()).chain(["\r\n"]);
    pieces.for_each(|piece| out.extend_from_slice(piece.as_bytes()));
}

/// Parses a request; else the status that refuses it: 501 if it requests another protocol (RFC 9220 section 3).
///
/// # Errors
/// The status.
pub fn read_request(fields: &[u8]) -> Result<Request<'_>, u16> {
    let value = |wanted: &str| lines(fields).find(|(name, _)| *name == wanted).map(|(_, value)| value);
    if value(":method") != Some("CONNECT") {
        return Err(405);
    }
    match (value(":protocol"), value(":path"), value(":authority")) {
        (Some("websocket"), Some(path), Some(_)) if path.starts_with('/') => Ok(Request {
            key: Key([0; KEY_LEN]),
            upgrade: false,
            connect: true,
            path,
            authorization: value("authorization").map(str::as_bytes),
        }),
        (Some("websocket"), ..) | (None, ..) => Err(400),
        (Some(_), ..) => Err(501),
    }
}

/// Appends the answer that opens, as a head of HTTP/1.1: what servers say is turned into fields where it leaves
/// ([`crate::h2::answer_fields`]). Returns its status.
pub fn write_open(out: &mut Vec<u8>) -> u16 {
    http::status_line(out, 200);
    out.extend_from_slice(b"\r\n");
    200
}

/// Reads an answer: the final one, whole.
///
/// # Errors
/// [`Error`] when it answers what was not asked for.
pub fn read_answer(fields: &[u8]) -> Result<Answer<'_>, Error> {
    let value = |wanted: &str| lines(fields).find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let retry_after = value("retry-after").and_then(|text| text.parse().ok());
    let status = value(":status").and_then(|status| status.parse().ok()).unwrap_or_default();
    Ok(match status {
        200..=299 if value("sec-websocket-extensions").is_some() => return Err(Error::Extension),
        200..=299 if value("sec-websocket-protocol").is_some() => return Err(Error::Subprotocol),
        // RFC 9110 section 9.3.6: any 2xx to a CONNECT.
        200..=299 => Answer::Open,
        100..=199 => Answer::Interim,
        300..=399 => Answer::Redirect { status, location: value("location"), retry_after, keep: false },
        401 if value("www-authenticate").is_some() => {
            let offers = lines(fields).filter(|(name, _)| *name == "www-authenticate").map(|(_, value)| value);
            // The stream ends with the answer, and its connection takes the next.
            Answer::Unauthorized { challenge: auth::strongest(offers), keep: false }
        }
        _ => Answer::Rejected { status, retry_after },
    })
}

/// The lines of a field section: names and values.
pub fn lines(fields: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let text = std::str::from_utf8(fields).unwrap_or_default();
    // A pseudo-header field's name begins with a colon.
    text.split("\r\n").filter_map(|line| {
        let at = line.get(1..)?.find(':')? + 1;
        Some((&line[..at], line[at + 1..].trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_request(&mut bytes, true, "gateway-0", "/chat?a=b:c", None);
        let request = read_request(&bytes).unwrap();
        assert_eq!((request.path, request.connect, request.authorization), ("/chat?a=b:c", true, None));
        bytes.clear();
        write_request(&mut bytes, true, "gateway-0", "/chat?a=b:c", Some("Basic abc"));
        assert_eq!(read_request(&bytes).unwrap().authorization, Some(&b"Basic abc"[..]));
        let text = String::from_utf8(bytes).unwrap();
        for (from, to, status) in [("CONNECT", "GET", 405), ("websocket", "masque", 501), ("/chat", "chat", 400)] {
            assert_eq!(read_request(text.replacen(from, to, 1).as_bytes()).unwrap_err(), status, "{to}");
        }
    }

    #[test]
    fn answers_are_read_by_their_status() {
        let read = |fields: &'static str| read_answer(fields.as_bytes()).unwrap();
        assert_eq!(read(":status: 200\r\n\r\n"), Answer::Open);
        assert_eq!(read(":status: 204\r\n\r\n"), Answer::Open);
        let redirect = Answer::Redirect { status: 307, location: Some("wss://a:1/b"), retry_after: None, keep: false };
        assert_eq!(read(":status: 307\r\nlocation: wss://a:1/b\r\n\r\n"), redirect);
        let busy = Answer::Rejected { status: 503, retry_after: Some(7) };
        assert_eq!(read(":status: 503\r\nretry-after: 7\r\n\r\n"), busy);
        assert_eq!(read(":status: 101\r\n\r\n"), Answer::Interim);
        let offers = ":status: 401\r\nwww-authenticate: Basic realm=\"x\"\r\nwww-authenticate: Digest realm=\"x\", \
                      nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n\r\n";
        assert!(
            matches!(read(offers), Answer::Unauthorized { challenge, keep: false } if challenge.starts_with("Digest"))
        );
        assert_eq!(read(":status: 401\r\n\r\n"), Answer::Rejected { status: 401, retry_after: None });
        let unasked = read_answer(b":status: 200\r\nsec-websocket-protocol: chat\r\n\r\n");
        assert_eq!(unasked, Err(Error::Subprotocol));
    }
}
