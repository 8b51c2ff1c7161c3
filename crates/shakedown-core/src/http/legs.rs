//! Authentication in several legs, all on one connection, in the manner of NTLM (MS-NTHT) and of Negotiate with NTLM inside
//! (RFC 4559).
//!
//! The client begins (type 1), the server answers with a challenge that is for this connection (type 2), and the client proves
//! with that who it is (type 3). The messages have the signature and the types of NTLM and none of its cryptography: what others
//! send is not understood, nor do they understand this.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// A scheme that takes several legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegScheme {
    /// `NTLM`.
    Ntlm,
    /// `Negotiate`.
    Negotiate,
}

impl LegScheme {
    /// As header fields name it.
    pub fn token(self) -> &'static str {
        match self {
            LegScheme::Ntlm => "NTLM",
            LegScheme::Negotiate => "Negotiate",
        }
    }

    /// A scheme of a header field, and the message after it, if there is one.
    pub fn read(value: &str) -> Option<(LegScheme, Option<&str>)> {
        let value = value.trim();
        let (name, message) = value.split_once(' ').map_or((value, None), |(name, rest)| (name, Some(rest.trim())));
        let scheme = [LegScheme::Ntlm, LegScheme::Negotiate]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.token()))?;
        let is_message = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
        match message {
            None => Some((scheme, None)),
            Some(message) => Some((scheme, Some(Some(message).filter(is_message)?))),
        }
    }
}

/// A client's message. It is not shown: with the server's it would do to try passwords.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a>(pub &'a str);

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message(not shown)")
    }
}

fn message(number: u32, body: &[u8]) -> String {
    STANDARD.encode([SIGNATURE, &number.to_le_bytes()[..], body].concat())
}

/// The type of a message, and what is in it.
fn read(message: &str) -> Option<(u32, Vec<u8>)> {
    let bytes = STANDARD.decode(message).ok()?;
    let (number, body) = bytes.strip_prefix(SIGNATURE)?.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), body.to_vec()))
}

/// The client's first message.
pub fn begin() -> String {
    message(1, &[])
}

/// Whether this is a client's first message.
pub fn begins(message: &str) -> bool {
    matches!(read(message), Some((1, _)))
}

/// The server's message for one connection.
pub fn challenge(nonce: u64) -> String {
    message(2, &nonce.to_le_bytes())
}

/// The client's answer to the server's message; `None` if that is none.
pub(super) fn prove(user: &str, password: &str, challenge: &str) -> Option<String> {
    let (_, nonce) = read(challenge).filter(|(number, nonce)| *number == 2 && nonce.len() == 8)?;
    let proof = Sha256::digest([user.as_bytes(), b":", password.as_bytes(), b":", &nonce].concat());
    Some(message(3, &proof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_for_one_challenge_and_one_password() {
        let (one, other) = (challenge(7), challenge(8));
        let proof = prove("alice", "secret", &one).unwrap();
        assert_eq!(prove("alice", "secret", &one), Some(proof.clone()));
        assert_ne!(prove("alice", "secret", &other), Some(proof.clone()));
        assert_ne!(prove("alice", "guess", &one), Some(proof.clone()));
        assert_eq!(prove("alice", "secret", &begin()), None);
        assert!(begins(&begin()) && !begins(&one) && !begins(&proof) && !begins("") && !begins("AAAA"));
        // What every message of NTLM begins with.
        assert!(begin().starts_with("TlRMTVNTUAAB"));
    }

    #[test]
    fn a_scheme_stands_alone_or_before_one_message() {
        assert_eq!(LegScheme::read("NTLM"), Some((LegScheme::Ntlm, None)));
        assert_eq!(LegScheme::read("negotiate YWJj="), Some((LegScheme::Negotiate, Some("YWJj="))));
        for other in ["", "Basic realm=\"x\"", "NTLM realm=\"x\"", "NTLMx", "Negotiate a b"] {
            assert_eq!(LegScheme::read(other), None, "{other}");
        }
    }
}
