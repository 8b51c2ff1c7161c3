//! Authentication: the demand for credentials (RFC 6455 section 4.2.2, item 2; RFC 7617, RFC 7616).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::handshake::server::Request;
use crate::http::auth::{self, Algorithm, Authorization, Challenge, DigestResponse, Login};
use crate::http::legs::{self, LegScheme, Message};
use crate::machine::EndpointId;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

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
    /// In three legs on one connection (MS-NTHT); the messages are a model.
    Ntlm,
    /// The same by the name of Negotiate (RFC 4559).
    Negotiate,
}

impl Scheme {
    /// Whether it takes several legs on one connection.
    pub fn has_legs(self) -> bool {
        matches!(self, Scheme::Ntlm | Scheme::Negotiate)
    }
}

/// How credentials are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By themselves.
    Basic,
    /// By a hash.
    Digest(Algorithm),
    /// In legs on one connection.
    Legs(LegScheme),
}

/// The credentials that a server demands.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The user and the password that are let pass.
    pub login: Login,
    /// How they are proven.
    pub proof: Proof,
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
    pub(super) fn challenge(
        &self,
        nonces: &Nonces,
        now: Timestamp,
        client: Identity,
        verdict: Verdict,
    ) -> Challenge<'_> {
        let realm = self.realm.as_str().into();
        match self.proof {
            Proof::Basic => Challenge::Basic { realm },
            Proof::Digest(algorithm) => {
                let stale = verdict == Verdict::Stale;
                Challenge::Digest { realm, nonce: nonces.at(now).into(), algorithm, opaque: None, stale }
            }
            Proof::Legs(scheme) => {
                let message = || legs::challenge(nonces.of(client)).into();
                Challenge::Legs { scheme, message: (verdict == Verdict::Begun).then(message) }
            }
        }
    }

    /// What a request's credentials are worth, whether they are verified or not. Digests hash the method.
    pub(super) fn judge(
        &self,
        nonces: &Nonces,
        now: Timestamp,
        client: Identity,
        method: &str,
        request: &Request<'_>,
    ) -> Verdict {
        let Some(value) = request.authorization else { return Verdict::Missing };
        match (auth::read_authorization(value), self.proof) {
            (Some(Authorization::Basic(login)), Proof::Basic) if login.matches(&self.login) => Verdict::Passed,
            (Some(Authorization::Digest(digest)), Proof::Digest(algorithm)) if digest.algorithm == algorithm => {
                self.judge_digest(nonces, now, method, (&digest, request.path))
            }
            (Some(Authorization::Legs(scheme, Message(message))), Proof::Legs(own)) if scheme == own => {
                let proof = || self.login.prove(&legs::challenge(nonces.of(client)));
                match legs::begins(message) {
                    true => Verdict::Begun,
                    false if proof().as_deref() == Some(message) => Verdict::Passed,
                    false => Verdict::Wrong,
                }
            }
            _ => Verdict::Wrong,
        }
    }

    fn judge_digest(
        &self,
        nonces: &Nonces,
        now: Timestamp,
        method: &str,
        (digest, path): (&DigestResponse<'_>, &str),
    ) -> Verdict {
        if digest.uri != path {
            return Verdict::Misdirected;
        }
        if digest.realm != self.realm || !digest.is_of(&self.login, method) {
            return Verdict::Wrong;
        }
        let issued = digest.nonce.get(..16).and_then(|text| u64::from_str_radix(text, 16).ok()).map(Timestamp);
        let fresh = |issued: &Timestamp| {
            *issued <= now && now.since(*issued) <= self.nonce_lifetime && nonces.at(*issued) == digest.nonce
        };
        // One that another process made is as good as an old one.
        if issued.as_ref().is_some_and(fresh) { Verdict::Passed } else { Verdict::Stale }
    }

    /// What becomes of a request with such credentials: whether it is refused depends on whether they are verified.
    pub(super) fn applied(&self, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Passed | Verdict::Missing | Verdict::Begun => verdict,
            _ if self.verify => verdict,
            _ => Verdict::Unproven,
        }
    }
}

/// The nonces of one process (RFC 7616 section 3.3: a time and a hash with a secret), which need not be kept to be known
/// again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nonces {
    pub seed: Seed,
    pub server: EndpointId,
    /// When the process was started.
    pub since: Timestamp,
}

impl Nonces {
    /// That of a moment.
    pub(super) fn at(&self, issued: Timestamp) -> String {
        let ordinal = |at: Timestamp| at.0 & ((1 << 56) - 1);
        let server = Identity(u64::from(self.server.0));
        let secret = self.seed.draw(server, Purpose::NonceSecret, ordinal(self.since));
        let proof = self.seed.draw(Identity(secret.0[0]), Purpose::Nonce, ordinal(issued));
        format!("{:016x}{:016x}", issued.0, proof.0[0])
    }

    /// That of a connection, known by what its draws are keyed by.
    pub(super) fn of(&self, client: Identity) -> u64 {
        let server = Identity(u64::from(self.server.0));
        let secret = self.seed.draw(server, Purpose::NonceSecret, self.since.0 & ((1 << 56) - 1));
        self.seed.draw(Identity(secret.0[0] ^ client.0), Purpose::LegNonce, 0).0[0]
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
    /// None yet: the client begins an authentication in legs.
    Begun,
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
        matches!(self, Verdict::Missing | Verdict::Begun | Verdict::Wrong | Verdict::Stale | Verdict::Misdirected)
    }

    /// Whether there were credentials to check.
    pub(super) fn was_checked(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Wrong | Verdict::Stale | Verdict::Misdirected)
    }
}
