//! HTTP authentication (RFC 9110 section 11): Basic (RFC 7617), Digest (RFC 7616) and what takes several legs, read and
//! written.
//!
//! This module only computes. The state machines decide which nonces are valid, and when credentials are sent.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::legs::{self, LegScheme, Message};
use super::secret::Secret;

/// A user and a password. Neither is ever shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The user's name: a text without a colon (which ends it in Basic), { env = "VARIABLE" } or { file = "PATH" }.
    #[serde(serialize_with = "Secret::write_for_rerun")]
    pub user: Secret,
    /// The password: a text, { env = "VARIABLE" } or { file = "PATH" }.
    #[serde(serialize_with = "Secret::write_for_rerun")]
    pub password: Secret,
}

impl Login {
    /// Whether both are the same user with the same password.
    pub fn matches(&self, other: &Login) -> bool {
        self.user.matches(other.user.reveal()) & self.password.matches(other.password.reveal())
    }

    /// The last leg of an authentication in legs: it answers the server's message. `None` if that is none.
    pub fn prove(&self, challenge: &str) -> Option<String> {
        legs::prove(self.user.reveal(), self.password.reveal(), challenge)
    }
}

/// The hash of a Digest (RFC 7616 section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// `MD5`, which RFC 7616 keeps for old clients only.
    Md5,
    /// `SHA-256`.
    #[default]
    #[serde(rename = "sha-256")]
    Sha256,
    /// `SHA-256-sess`: the password's hash covers the nonces, too.
    #[serde(rename = "sha-256-sess")]
    Sha256Sess,
}

impl Algorithm {
    /// As header fields name it.
    pub fn token(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
        }
    }

    fn from_token(token: &str) -> Option<Algorithm> {
        let all = [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha256Sess];
        all.into_iter().find(|algorithm| token.eq_ignore_ascii_case(algorithm.token()))
    }

    /// H(data), in hexadecimal.
    fn hash(self, data: &str) -> String {
        match self {
            Algorithm::Md5 => hex(&Md5::digest(data)),
            Algorithm::Sha256 | Algorithm::Sha256Sess => hex(&Sha256::digest(data)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// An authentication scheme, as offered by `WWW-Authenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge<'a> {
    /// RFC 7617: the password itself, in base64.
    Basic {
        /// What the password is for.
        realm: Cow<'a, str>,
    },
    /// RFC 7616, with qop `auth`: a hash over the password and a nonce of the server's.
    Digest {
        /// What the password is for.
        realm: Cow<'a, str>,
        /// The server's nonce.
        nonce: Cow<'a, str>,
        /// The hash.
        algorithm: Algorithm,
        /// Sent back as it came, if it came.
        opaque: Option<Cow<'a, str>>,
        /// True when only the nonce was too old: the password need not be asked for again.
        stale: bool,
    },
    /// NTLM, or Negotiate with NTLM inside: several legs on one connection.
    Legs {
        /// Which of them.
        scheme: LegScheme,
        /// The server's message, after the client has begun on this connection.
        message: Option<Cow<'a, str>>,
    },
}

impl Challenge<'_> {
    /// What is remembered of it, with nothing borrowed.
    pub fn into_owned(self) -> Challenge<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Challenge::Basic { realm } => Challenge::Basic { realm: own(realm) },
            Challenge::Digest { realm, nonce, algorithm, opaque, stale } => {
                Challenge::Digest { realm: own(realm), nonce: own(nonce), algorithm, opaque: opaque.map(own), stale }
            }
            // A message is for one connection.
            Challenge::Legs { scheme, .. } => Challenge::Legs { scheme, message: None },
        }
    }

    /// Whether it is the server's part of an authentication that the client has begun.
    pub fn goes_on(&self) -> bool {
        matches!(self, Challenge::Legs { message: Some(_), .. })
    }

    /// Whether it says that only the nonce was too old.
    pub fn is_stale(&self) -> bool {
        matches!(self, Challenge::Digest { stale: true, .. })
    }

    /// Its strength; a client uses the strongest that it supports (RFC 7616 section 3.7).
    pub fn strength(&self) -> u8 {
        match self {
            // Real servers do not understand what is sent to this one.
            Challenge::Legs { .. } => 0,
            Challenge::Basic { .. } => 1,
            Challenge::Digest { algorithm: Algorithm::Md5, .. } => 2,
            Challenge::Digest { algorithm: Algorithm::Sha256, .. } => 3,
            Challenge::Digest { algorithm: Algorithm::Sha256Sess, .. } => 4,
        }
    }
}

/// The value of a `WWW-Authenticate` with one challenge.
pub fn write_challenge(challenge: &Challenge<'_>) -> String {
    match challenge {
        Challenge::Basic { realm } => format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm)),
        Challenge::Digest { realm, nonce, algorithm, opaque, stale } => {
            let (realm, nonce, algorithm) = (quoted(realm), quoted(nonce), algorithm.token());
            let mut text = format!("Digest realm={realm}, qop=\"auth\", algorithm={algorithm}, nonce={nonce}");
            if let Some(opaque) = opaque {
                text += &format!(", opaque={}", quoted(opaque));
            }
            if *stale {
                text += ", stale=true";
            }
            text
        }
        Challenge::Legs { scheme, message: None } => scheme.token().into(),
        Challenge::Legs { scheme, message: Some(message) } => format!("{} {message}", scheme.token()),
    }
}

/// The strongest known challenge of several `WWW-Authenticate` fields, or the first; empty
/// if there is none.
pub fn strongest<'b>(fields: impl Iterator<Item = &'b str>) -> &'b str {
    let mut best: Option<(Option<u8>, &'b str)> = None;
    for text in fields {
        let strength = read_challenge(text).map(|challenge| challenge.strength());
        if best.is_none_or(|(other, _)| strength > other) {
            best = Some((strength, text));
        }
    }
    best.map_or("", |(_, text)| text)
}

/// The strongest known challenge in a `WWW-Authenticate`; `None` if none is known.
pub fn read_challenge(value: &str) -> Option<Challenge<'_>> {
    if let Some((scheme, message)) = LegScheme::read(value) {
        return Some(Challenge::Legs { scheme, message: message.map(Cow::Borrowed) });
    }
    let mut best: Option<Challenge<'_>> = None;
    let mut rest = value;
    while let Some((scheme, parameters)) = next_scheme(&mut rest) {
        let known = of_scheme(scheme, &parameters);
        // Of two that ask for the same, the first.
        if known.as_ref().map(Challenge::strength) > best.as_ref().map(Challenge::strength) {
            best = known;
        }
    }
    best
}

fn of_scheme<'a>(scheme: &str, parameters: &[(&'a str, Cow<'a, str>)]) -> Option<Challenge<'a>> {
    let get = |name: &str| parameter(parameters, name);
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic { realm: get("realm")? });
    }
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let auth = get("qop")?.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth"));
    auth.then_some(())?;
    Some(Challenge::Digest {
        realm: get("realm")?,
        nonce: get("nonce")?,
        // Absent, it is MD5 (RFC 7616 section 3.3).
        algorithm: get("algorithm").map_or(Some(Algorithm::Md5), |token| Algorithm::from_token(&token))?,
        opaque: get("opaque"),
        stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
    })
}

/// The credentials in an `Authorization`.
#[derive(Debug, Clone)]
pub enum Authorization<'a> {
    /// RFC 7617.
    Basic(Login),
    /// RFC 7616.
    Digest(DigestResponse<'a>),
    /// A message of an authentication in legs.
    Legs(LegScheme, Message<'a>),
}

/// What a client sends to a Digest challenge with qop `auth`.
#[derive(Clone)]
pub struct DigestResponse<'a> {
    user: Cow<'a, str>,
    /// As the challenge said it.
    pub realm: Cow<'a, str>,
    /// As the challenge said it.
    pub nonce: Cow<'a, str>,
    /// The request target that it is for.
    pub uri: Cow<'a, str>,
    /// The hash.
    pub algorithm: Algorithm,
    nc: Cow<'a, str>,
    cnonce: Cow<'a, str>,
    response: Cow<'a, str>,
}

impl fmt::Debug for DigestResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestResponse(not shown)")
    }
}

impl DigestResponse<'_> {
    /// Whether it was made with this user and password, for this method.
    pub fn is_of(&self, login: &Login, method: &str) -> bool {
        let DigestResponse { user, realm, nonce, uri, algorithm, nc, cnonce, response } = self;
        let asked = Asked { method, uri, realm, nonce, nc, cnonce };
        login.user.matches(user) && response.eq_ignore_ascii_case(&asked.response(*algorithm, login))
    }
}

/// What a digest covers besides the password (RFC 7616 section 3.4).
struct Asked<'a> {
    method: &'a str,
    uri: &'a str,
    realm: &'a str,
    nonce: &'a str,
    nc: &'a str,
    cnonce: &'a str,
}

impl Asked<'_> {
    /// RFC 7616 section 3.4.1, with qop `auth`.
    fn response(&self, algorithm: Algorithm, login: &Login) -> String {
        let Asked { method, uri, realm, nonce, nc, cnonce } = self;
        let mut secret = algorithm.hash(&format!("{}:{realm}:{}", login.user.reveal(), login.password.reveal()));
        if algorithm == Algorithm::Sha256Sess {
            secret = algorithm.hash(&format!("{secret}:{nonce}:{cnonce}"));
        }
        let what = algorithm.hash(&format!("{method}:{uri}"));
        algorithm.hash(&format!("{secret}:{nonce}:{nc}:{cnonce}:auth:{what}"))
    }
}

/// The value of an `Authorization` for Basic (RFC 7617 section 2).
pub fn write_basic(login: &Login) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user.reveal(), login.password.reveal())))
}

/// The value of an `Authorization` that answers a challenge, for a request with this method and target. `count` says
/// how many requests have used the challenge's nonce, this one included; `cnonce` is the client's own nonce.
pub fn write_answer(
    challenge: &Challenge<'_>,
    login: &Login,
    (method, uri): (&str, &str),
    count: u32,
    cnonce: [u8; 16],
) -> String {
    let (realm, nonce, algorithm, opaque) = match challenge {
        Challenge::Digest { realm, nonce, algorithm, opaque, .. } => (realm, nonce, algorithm, opaque),
        Challenge::Basic { .. } => return write_basic(login),
        Challenge::Legs { scheme, message } => {
            let prove = |message: &Cow<'_, str>| login.prove(message);
            return format!("{} {}", scheme.token(), message.as_ref().and_then(prove).unwrap_or_else(legs::begin));
        }
    };
    let (nc, cnonce) = (format!("{count:08x}"), hex(&cnonce));
    let asked = Asked { method, uri, realm, nonce, nc: &nc, cnonce: &cnonce };
    let response = asked.response(*algorithm, login);
    let mut text = format!(
        "Digest username={}, realm={}, uri={}, algorithm={}, nonce={}, nc={nc}, cnonce=\"{cnonce}\", qop=auth, \
         response=\"{response}\"",
        quoted(login.user.reveal()),
        quoted(realm),
        quoted(uri),
        algorithm.token(),
        quoted(nonce),
    );
    if let Some(opaque) = opaque {
        text += &format!(", opaque={}", quoted(opaque));
    }
    text
}

/// Reads the value of an `Authorization`; `None` where it is of no scheme that is known here (of Digest, with qop `auth`).
pub fn read_authorization(value: &[u8]) -> Option<Authorization<'_>> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        return Some(Authorization::Basic(Login { user: user.into(), password: password.into() }));
    }
    if let Some((scheme, message)) = LegScheme::read(value) {
        return message.map(|message| Authorization::Legs(scheme, Message(message)));
    }
    let mut rest = value;
    let (scheme, parameters) = next_scheme(&mut rest)?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let get = |name: &str| parameter(&parameters, name);
    (get("qop")? == "auth").then_some(())?;
    Some(Authorization::Digest(DigestResponse {
        user: get("username")?,
        realm: get("realm")?,
        nonce: get("nonce")?,
        uri: get("uri")?,
        algorithm: get("algorithm").map_or(Some(Algorithm::Md5), |token| Algorithm::from_token(&token))?,
        nc: get("nc")?,
        cnonce: get("cnonce")?,
        response: get("response")?,
    }))
}

/// A quoted string (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

type Parameters<'a> = Vec<(&'a str, Cow<'a, str>)>;

fn parameter<'a>(parameters: &[(&'a str, Cow<'a, str>)], name: &str) -> Option<Cow<'a, str>> {
    parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

/// Takes a scheme and its parameters off the front of `rest` (RFC 9110 section 11.3: schemes and parameters stand in one
/// list, with commas between them).
fn next_scheme<'a>(rest: &mut &'a str) -> Option<(&'a str, Parameters<'a>)> {
    *rest = rest.trim_start_matches([' ', '\t', ',']);
    let scheme = token(rest)?;
    let mut parameters = Vec::new();
    loop {
        let before = *rest;
        let after = rest.trim_start_matches([' ', '\t', ',']);
        *rest = after;
        let Some((name, value)) = token(rest).and_then(|name| {
            *rest = rest.trim_start_matches([' ', '\t']).strip_prefix('=')?.trim_start_matches([' ', '\t']);
            Some((name, parameter_value(rest)?))
        }) else {
            // No parameter: the next scheme, a token68, or the end. What is neither is skipped up to the next comma.
            *rest = after;
            if before.len() == after.len() && !after.is_empty() {
                *rest = after.find(',').map_or("", |comma| &after[comma..]);
            }
            return Some((scheme, parameters));
        };
        parameters.push((name, value));
    }
}

/// Takes a token off the front (RFC 9110 section 5.6.2).
fn token<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = rest.find(|c| !of_token(c)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    (!token.is_empty()).then_some(token)
}

/// Takes a token or a quoted string off the front.
fn parameter_value<'a>(rest: &mut &'a str) -> Option<Cow<'a, str>> {
    let Some(inside) = rest.strip_prefix('"') else { return token(rest).map(Cow::Borrowed) };
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                *rest = &inside[at + 1..];
                let text = &inside[..at];
                return Some(if text.contains('\\') { unescaped(text).into() } else { text.into() });
            }
            _ => {}
        }
    }
    None
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        plain.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests;
