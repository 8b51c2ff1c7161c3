//! Request and response heads: parsed with limits, written piece by piece.

use std::mem::MaybeUninit;

/// A head longer than this is an error: the largest that common servers take by default (8 to 16 KiB).
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A head with more header fields than this is an error.
pub const MAX_HEADERS: usize = 64;

/// Room for the header fields of one head, on the caller's stack.
pub type Headers<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_HEADERS];
/// A parsed request head.
pub type Request<'h, 'b> = httparse::Request<'h, 'b>;
/// A parsed response head.
pub type Response<'h, 'b> = httparse::Response<'h, 'b>;

/// Why bytes are no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// More than [`MAX_HEAD_BYTES`].
    #[error("head longer than {MAX_HEAD_BYTES} bytes")]
    TooLarge,
    /// More than [`MAX_HEADERS`].
    #[error("more than {MAX_HEADERS} header fields")]
    TooManyHeaders,
    /// Not HTTP/1.x.
    #[error("malformed head: {0}")]
    Malformed(httparse::Error),
}

/// Fresh room for header fields.
pub fn uninit_headers<'b>() -> Headers<'b> {
    [const { MaybeUninit::uninit() }; MAX_HEADERS]
}

/// Parses a request head at the start of `bytes`: its length when it is complete, `None` when more bytes are needed.
pub fn parse_request<'h, 'b>(
    bytes: &'b [u8],
    headers: &'h mut Headers<'b>,
    request: &mut Request<'h, 'b>,
) -> Result<Option<usize>, HeadError> {
    let within = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    outcome(within, request.parse_with_uninit_headers(within, headers))
}

/// Parses a response head at the start of `bytes`, as [`parse_request`] does.
pub fn parse_response<'h, 'b>(
    bytes: &'b [u8],
    headers: &'h mut Headers<'b>,
    response: &mut Response<'h, 'b>,
) -> Result<Option<usize>, HeadError> {
    let within = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(response, within, headers);
    outcome(within, parsed)
}

/// The same for a reader with limits of its own.
pub fn parse_response_within<'h, 'b>(
    bytes: &'b [u8],
    most: usize,
    headers: &'h mut [MaybeUninit<httparse::Header<'b>>],
    response: &mut Response<'h, 'b>,
) -> Result<Option<usize>, HeadError> {
    let within = &bytes[..bytes.len().min(most)];
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(response, within, headers);
    match outcome(within, parsed) {
        Ok(None) | Err(HeadError::TooLarge) if within.len() == most => Err(HeadError::TooLarge),
        Err(HeadError::TooLarge) => Ok(None),
        other => other,
    }
}

fn outcome(within: &[u8], parsed: httparse::Result<usize>) -> Result<Option<usize>, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(len)) => Ok(Some(len)),
        Ok(httparse::Status::Partial) if within.len() == MAX_HEAD_BYTES => Err(HeadError::TooLarge),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders),
        Err(error) => Err(HeadError::Malformed(error)),
    }
}

/// The bytes of a head that has not come in whole. Empty, and without memory, in the usual case that one segment
/// carries the whole head.
#[derive(Debug, Default)]
pub struct Partial(Vec<u8>);

impl Partial {
    /// Everything so far: `bytes` itself when nothing was kept.
    pub fn join<'a>(&'a mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.0.is_empty() {
            return bytes;
        }
        // Bounded by the limit plus one segment: a parse that finds no end within the limit is an error.
        self.0.extend_from_slice(bytes);
        &self.0
    }

    /// What was kept.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Partial {
    fn from(bytes: Vec<u8>) -> Partial {
        Partial(bytes)
    }
}

/// Appends `HTTP/1.1 307 Temporary Redirect`.
pub fn status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    let digit = |n: u16| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[digit(status / 100), digit(status / 10), digit(status), b' ']);
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends one header field.
pub fn header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase of a status (RFC 9110 section 15, RFC 6585); empty where none is registered.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        204 => "No Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// True when `value` is `lower` in any case. `lower` is of small letters and hyphens, whose bit 5 is set: setting it in
/// `value` too can make nothing else equal that a header field may hold. The fixed length lets the compiler compare in a
/// few wide steps.
#[inline]
pub fn same<const N: usize>(value: &[u8], lower: &[u8; N]) -> bool {
    let Ok(value) = <&[u8; N]>::try_from(value) else { return false };
    value.iter().zip(lower).fold(0, |differ, (a, b)| differ | ((a | 0x20) ^ b)) == 0
}

/// True when a comma-separated list (`Connection: keep-alive, Upgrade`) names `token`, as [`same`] compares.
#[inline]
pub fn tokens_contain<const N: usize>(value: &[u8], token: &[u8; N]) -> bool {
    // Nearly always the token stands alone.
    same(value, token) || value.split(|byte| *byte == b',').any(|item| same(item.trim_ascii(), token))
}
