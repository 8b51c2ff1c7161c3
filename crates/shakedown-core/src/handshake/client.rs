//! The client's half: writes requests, parses responses.

pub use super::answer::Answer;
use super::{Accept, Error, Key, Mode, extended, tls};
use crate::http::{self, auth};

/// Appends an opening request of HTTP/1.1 ([`super::extended`] has that of HTTP/2). The upgrade modes ask to switch
/// protocols (RFC 6455 section 4.1); `final-response` sends a plain GET with the key and the version and without
/// an upgrade, `tls-upgrade` the same with an offer of TLS.
pub fn write_request(out: &mut Vec<u8>, mode: Mode, authority: &str, path: &str, key: &Key) {
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(authority.as_bytes());
    out.extend_from_slice(b"\r\n");
    match mode {
        Mode::Upgrade | Mode::UpgradeStrict => {
            out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\n");
        }
        Mode::FinalResponse | Mode::ExtendedConnect => {}
        Mode::TlsUpgrade => tls::write_offer(out),
    }
    out.extend_from_slice(b"Sec-WebSocket-Key: ");
    out.extend_from_slice(&key.0);
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n\r\n");
}

/// Appends `Authorization` to a request that [`write_request`] wrote.
pub fn add_authorization(out: &mut Vec<u8>, value: &str) {
    out.truncate(out.len() - b"\r\n".len());
    http::header(out, "Authorization", value.as_bytes());
    out.extend_from_slice(b"\r\n");
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
    if mode == Mode::ExtendedConnect {
        return extended::read_answer(bytes).map(|answer| Some((answer, bytes.len())));
    }
    let mut room = http::uninit_headers();
    let mut response = http::Response::new(&mut []);
    let Some(len) = http::parse_response(bytes, &mut room, &mut response)? else {
        return Ok(None);
    };
    let fields = Fields::of(&response);
    let status = response.code.unwrap_or_default();
    let answer = match status {
        101 => {
            if mode.is_transaction() || response.version != Some(1) {
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
        200 if fields.opens_in(mode) => {
            fields.verify(expected())?;
            Answer::Open
        }
        _ => return Ok(final_answer(mode, &response, &fields, bytes, len)),
    };
    Ok(Some((answer, len)))
}

/// What a final answer that opens nothing means, with its length; `None` when more bytes are needed.
#[inline]
pub(super) fn final_answer<'b>(
    mode: Mode,
    response: &http::Response<'_, 'b>,
    fields: &Fields<'b>,
    bytes: &'b [u8],
    len: usize,
) -> Option<(Answer<'b>, usize)> {
    let status = response.code.unwrap_or_default();
    let answer = match status {
        300..=399 if mode != Mode::UpgradeStrict => {
            // One with a body is not worth waiting for.
            let keep = fields.length == Some(0) && !fields.close && response.version == Some(1) && bytes.len() == len;
            Answer::Redirect { status, location: fields.location, retry_after: fields.retry_after, keep }
        }
        401 if mode != Mode::UpgradeStrict && fields.challenged => {
            return demand(response, fields, Demanded::ByServer, bytes.len() - len)
                .map(|(answer, body)| (answer, len + body));
        }
        _ => Answer::Rejected { status, retry_after: fields.retry_after },
    };
    Some((answer, len))
}

/// Who demands credentials.
#[derive(Clone, Copy)]
pub(super) enum Demanded {
    /// By 401.
    ByServer,
    /// By 407.
    ByProxy,
}

/// A demand for credentials with the length of its body, of which `came` bytes are there; `None` when more are needed.
pub(super) fn demand<'b>(
    response: &http::Response<'_, 'b>,
    fields: &Fields<'_>,
    by: Demanded,
    came: usize,
) -> Option<(Answer<'b>, usize)> {
    let name = match by {
        Demanded::ByServer => "WWW-Authenticate",
        Demanded::ByProxy => "Proxy-Authenticate",
    };
    let offered = response.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
    let challenge = auth::strongest(offered.filter_map(|field| std::str::from_utf8(field.value).ok()));
    // What has no length ends with the connection (RFC 9112 section 6.3), and what is long is not worth waiting for.
    let body = fields.length.filter(|len| *len <= http::MAX_HEAD_BYTES && response.version == Some(1) && !fields.close);
    match body {
        Some(body) if came < body => None,
        // What was not asked for is not to be read as the next answer.
        Some(body) => Some((Answer::Unauthorized { challenge, keep: came == body }, body)),
        None => Some((Answer::Unauthorized { challenge, keep: false }, 0)),
    }
}

/// The header fields of a response that decide what it means.
#[derive(Default)]
pub(super) struct Fields<'b> {
    pub upgrade: bool,
    pub upgrades: u32,
    /// Whether an `Upgrade` has another protocol beside `websocket`.
    pub upgrade_list: bool,
    pub connection: bool,
    pub connections: u32,
    /// Whether a `Connection` has more than one token.
    pub connection_list: bool,
    pub chunked: bool,
    accept: &'b [u8],
    accepts: u32,
    pub extension: bool,
    pub subprotocol: bool,
    framed: bool,
    /// `Content-Length`.
    length: Option<usize>,
    /// The connection ends with this answer.
    close: bool,
    challenged: bool,
    pub challenged_by_proxy: bool,
    location: Option<&'b str>,
    pub retry_after: Option<u32>,
}

impl<'b> Fields<'b> {
    #[inline]
    pub(super) fn of(response: &http::Response<'_, 'b>) -> Fields<'b> {
        let mut fields = Fields::default();
        for field in response.headers.iter() {
            let name = field.name.as_bytes();
            // By length first: one comparison decides for nearly every field.
            match field.name.len() {
                7 if http::same(name, b"upgrade") => {
                    let alone = http::same(field.value, b"websocket");
                    fields.upgrade |= alone;
                    fields.upgrade_list |= !alone && http::tokens_contain(field.value, b"websocket");
                    fields.upgrades += 1;
                }
                8 if http::same(name, b"location") => fields.location = std::str::from_utf8(field.value).ok(),
                10 if http::same(name, b"connection") => {
                    fields.connection |= http::tokens_contain(field.value, b"upgrade");
                    fields.connections += 1;
                    fields.connection_list |= field.value.contains(&b',');
                    fields.close |= http::tokens_contain(field.value, b"close");
                }
                11 if http::same(name, b"retry-after") => {
                    let text = std::str::from_utf8(field.value).unwrap_or_default();
                    fields.retry_after = text.parse().ok();
                }
                14 if http::same(name, b"content-length") => {
                    fields.framed = true;
                    fields.length = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
                }
                16 if http::same(name, b"www-authenticate") => fields.challenged = true,
                17 if http::same(name, b"transfer-encoding") => {
                    fields.framed = true;
                    fields.close = true;
                    fields.chunked = true;
                }
                18 if http::same(name, b"proxy-authenticate") => fields.challenged_by_proxy = true,
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

    /// Whether a 200 with these may open: a plain page has no accept value and never opens; a wrong accept value fails
    /// the handshake.
    #[inline]
    pub(super) fn opens_in(&self, mode: Mode) -> bool {
        mode.is_transaction() && self.accepts > 0 && !self.framed
    }

    /// Whether the accept value is right, and whether there is more than one.
    #[inline]
    pub(super) fn has_accept(&self, expected: &Accept) -> (bool, bool) {
        (self.accept == expected.0, self.accepts > 1)
    }

    /// Whether `came` holds the whole body of an answer with these (RFC 9112 section 6.3). One without a length never is.
    pub(super) fn has_body(&self, status: u16, came: &[u8]) -> bool {
        match self.length {
            _ if status == 204 || status == 304 => true,
            Some(len) => came.len() >= len,
            // The last chunk; trailers are not sent here.
            None => self.framed && came.ends_with(b"0\r\n\r\n"),
        }
    }

    #[inline]
    fn verify(&self, expected: Accept) -> Result<(), Error> {
        if self.has_accept(&expected) != (true, false) {
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
