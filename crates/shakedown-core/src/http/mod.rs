//! HTTP/1.1 heads (RFC 9112) as far as opening handshakes need them: parse, write, limits, and the URIs in `Location`.
//!
//! `httparse` parses; this module adds limits, and gives the same result for any chunking of the bytes.

pub mod auth;
mod directory;
mod head;
pub mod legs;
mod secret;
mod uri;

pub use directory::Directory;
pub use head::{
    HeadError, Headers, MAX_HEAD_BYTES, MAX_HEADERS, Partial, Request, Response, header, parse_request, parse_response,
    parse_response_within, reason, same, status_line, tokens_contain, uninit_headers,
};
pub use secret::{Secret, SecretSource};
pub use uri::{Location, LocationError, parse_location};
