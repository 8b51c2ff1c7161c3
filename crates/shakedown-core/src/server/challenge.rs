//! Authentication: the demand for credentials (RFC 6455 section 4.2.2, item 2; RFC 7617, RFC 7616).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::auth::{Algorithm, Challenge, Login};
use crate::time::Nanos;

/// How credentials are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "ChallengeScheme"))]
pub enum Scheme {
    /// RFC 7617: user and password.
    #[default]
    Basic,
    /// RFC 7616: a hash over the server's nonce.
    Digest,
}

/// The credentials that a server demands.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// The user and the password that are let pass.
    pub login: Login,
    /// `None`: Basic.
    pub digest: Option<Algorithm>,
    /// What the password is for.
    pub realm: String,
    /// Digest: how long a nonce may be used.
    pub nonce_lifetime: Nanos,
    /// Whether the answer leaves the connection open for the next request.
    pub keep_alive: bool,
    /// Whether credentials are checked, or any will do.
    pub verify: bool,
}

impl Demand {
    /// What a response demands.
    pub(super) fn challenge(&self, nonce: impl FnOnce() -> String, stale: bool) -> Challenge<'_> {
        let realm = self.realm.as_str().into();
        match self.digest {
            None => Challenge::Basic { realm },
            Some(algorithm) => Challenge::Digest { realm, nonce: nonce().into(), algorithm, opaque: None, stale },
        }
    }
}

/// The result of checking a request's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// None are demanded.
    Unasked,
    /// They are valid.
    Passed,
    /// They should have been demanded, or verified.
    Unproven,
    /// There are none.
    Missing,
    /// They are not valid.
    Wrong,
    /// They are valid, but the nonce is stale.
    Stale,
    /// They are for another resource: 400 (RFC 7616 section 3.4.6).
    Misdirected,
}

impl Verdict {
    /// Whether the request is answered by the demand itself.
    pub(super) fn refuses(self) -> bool {
        matches!(self, Verdict::Missing | Verdict::Wrong | Verdict::Stale | Verdict::Misdirected)
    }

    /// Whether there were credentials to check.
    pub(super) fn was_checked(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Wrong | Verdict::Stale | Verdict::Misdirected)
    }
}
