//! The work of a web server.

use super::challenge::Verdict;
use crate::handshake::Key;
use crate::rng::Identity;

/// The kind of work.
#[derive(Debug)]
pub(super) enum Work {
    /// A TLS handshake.
    Tls {
        /// Whether it resumes an earlier session.
        resumed: bool,
    },
    /// A request.
    Request(Asked),
    /// A probe, by its number.
    Probe(u32),
}

/// The stored parts of a request.
#[derive(Debug)]
pub(super) struct Asked {
    pub behavior: u32,
    pub upgrade: bool,
    /// An extended CONNECT, on a stream.
    pub connect: bool,
    /// Whether it has the credentials that its server demands.
    pub verdict: Verdict,
    pub key: Key,
    /// The request target, if a redirect will need it.
    pub path: Option<Box<str>>,
    /// The client for which its calls are made.
    pub asker: Identity,
}
