//! A tunnel through a forward proxy as bytes: `CONNECT` (RFC 9110 section 9.3.6, RFC 9112 section 3.2.3), its answer, and
//! the proxy's demand for credentials (RFC 9110 section 11.7). Clients need it by RFC 6455 section 4.1, item 3.

use super::client::{Answer, Demanded, Fields, demand};
use super::server::{Framing, Refusal, Request, end_without_body};
use super::{Error, KEY_LEN, Key};
use crate::http::auth::{self, Challenge};
use crate::http::{self, header};

/// The ports that URIs leave out; `CONNECT` must name them.
const PORTS: [(bool, &str); 2] = [(false, ":80"), (true, ":443")];

/// The request target of a `CONNECT`: the authority with its port.
pub fn target(authority: &str, secure: bool) -> String {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let (_, port) = PORTS[usize::from(secure)];
    format!("{authority}{}", if has_port { "" } else { port })
}

/// The authority as in a URI: without a default port.
pub fn authority(target: &str) -> &str {
    PORTS.iter().find_map(|(_, port)| target.strip_suffix(port)).unwrap_or(target)
}

/// Appends a `CONNECT`, with credentials for the proxy if it is to have some.
pub fn write_connect(out: &mut Vec<u8>, target: &str, authorization: Option<&str>) {
    out.extend_from_slice(b"CONNECT ");
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    header(out, "Host", target.as_bytes());
    if let Some(value) = authorization {
        header(out, "Proxy-Authorization", value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Reads a `CONNECT` at the start of `bytes`; `None` when more bytes are needed, else the request and its length. Its key
/// says nothing, its path is the target, and its credentials are those for the proxy.
///
/// # Errors
/// [`Refusal`] when it is none: this proxy passes on nothing else.
pub fn read_connect(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    let mut room = http::uninit_headers();
    let mut request = http::Request::new(&mut []);
    let Some(len) = http::parse_request(bytes, &mut room, &mut request)? else { return Ok(None) };
    if request.method != Some("CONNECT") {
        return Err(Refusal::Method);
    }
    if request.version != Some(1) {
        return Err(Refusal::Version);
    }
    let mut framing = Framing::default();
    request.headers.iter().for_each(|field| framing.see(field.name.as_bytes(), field.value));
    framing.check(false)?;
    let path = request.path.filter(|target| is_authority(target)).ok_or(Refusal::Target)?;
    let field = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("Proxy-Authorization"));
    let authorization = field.map(|field| field.value);
    Ok(Some((Request { key: Key([0; KEY_LEN]), upgrade: false, connect: false, path, authorization }, len)))
}

/// `host:port`.
fn is_authority(target: &str) -> bool {
    let parts = target.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}

/// Appends the answer that makes a tunnel of the connection: any 2xx does, and it has no body (RFC 9110 section 9.3.6).
pub fn write_connected(out: &mut Vec<u8>) {
    http::status_line(out, 200);
    out.extend_from_slice(b"\r\n");
}

/// Appends a proxy's demand for credentials (RFC 9110 section 15.5.8); `keep` says whether the connection stays for the
/// answer.
pub fn write_challenge(out: &mut Vec<u8>, challenge: &Challenge<'_>, keep: bool) {
    http::status_line(out, 407);
    header(out, "Proxy-Authenticate", auth::write_challenge(challenge).as_bytes());
    match keep {
        true => out.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        false => end_without_body(out),
    }
}

/// Reads the answer to a `CONNECT` at the start of `bytes`; `None` when more bytes are needed, else the answer and its
/// length. [`Answer::Open`] is a tunnel, [`Answer::Unauthorized`] a 407 that says what it wants.
///
/// # Errors
/// [`Error`] when the bytes are no response.
pub fn read_answer(bytes: &[u8]) -> Result<Option<(Answer<'_>, usize)>, Error> {
    let mut room = http::uninit_headers();
    let mut response = http::Response::new(&mut []);
    let Some(len) = http::parse_response(bytes, &mut room, &mut response)? else { return Ok(None) };
    let fields = Fields::of(&response);
    let answer = match response.code.unwrap_or_default() {
        // A proxy can't switch protocols.
        101 => return Err(Error::UnexpectedSwitch),
        100..=199 => Answer::Interim,
        200..=299 => Answer::Open,
        407 if fields.challenged_by_proxy => {
            let demand = demand(&response, &fields, Demanded::ByProxy, bytes.len() - len);
            return Ok(demand.map(|(answer, body)| (answer, len + body)));
        }
        status => Answer::Rejected { status, retry_after: fields.retry_after },
    };
    Ok(Some((answer, len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_its_port() {
        for (name, secure, with_port) in
            [("gateway-0", false, "gateway-0:80"), ("gateway-0", true, "gateway-0:443"), ("a:8080", true, "a:8080")]
        {
            assert_eq!(target(name, secure), with_port);
            assert_eq!(authority(with_port), name);
        }
        assert_eq!(target("[::1]", false), "[::1]:80");
    }

    #[test]
    fn a_connect_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        write_connect(&mut bytes, "a:80", Some("Basic eDp5"));
        assert_eq!(bytes, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nProxy-Authorization: Basic eDp5\r\n\r\n");
        let (request, len) = read_connect(&bytes).unwrap().unwrap();
        assert_eq!((request.path, request.authorization, len), ("a:80", Some(&b"Basic eDp5"[..]), bytes.len()));
        assert_eq!(read_connect(&bytes[..bytes.len() - 1]), Ok(None));
        assert_eq!(read_connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Refusal::Method));
        assert_eq!(read_connect(b"CONNECT a:80 HTTP/1.0\r\n\r\n"), Err(Refusal::Version));
        for target in ["/", "a", "http://a:80/", ":80", "a:99999"] {
            let text = format!("CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(read_connect(text.as_bytes()), Err(Refusal::Target), "{target}");
        }
    }

    #[test]
    fn an_answer_is_a_tunnel_a_demand_or_neither() {
        let mut bytes = Vec::new();
        write_connected(&mut bytes);
        assert_eq!(read_answer(&bytes), Ok(Some((Answer::Open, bytes.len()))));
        assert_eq!(read_answer(&bytes[..9]), Ok(None));
        for keep in [true, false] {
            bytes.clear();
            write_challenge(&mut bytes, &Challenge::Basic { realm: "x".into() }, keep);
            let challenge = "Basic realm=\"x\", charset=\"UTF-8\"";
            assert_eq!(read_answer(&bytes), Ok(Some((Answer::Unauthorized { challenge, keep }, bytes.len()))));
        }
        let (answer, _) = read_answer(b"HTTP/1.1 502 x\r\n\r\n").unwrap().unwrap();
        assert_eq!(answer, Answer::Rejected { status: 502, retry_after: None });
        // Whom nobody asks, nobody can answer.
        let text = b"HTTP/1.1 407 x\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
        assert!(matches!(read_answer(text), Ok(Some((Answer::Rejected { status: 407, .. }, _)))));
        assert_eq!(read_answer(b"HTTP/1.1 101 x\r\n\r\n"), Err(Error::UnexpectedSwitch));
        assert!(matches!(read_answer(b"HTTP/1.1 103 x\r\n\r\n"), Ok(Some((Answer::Interim, 18)))));
    }
}
