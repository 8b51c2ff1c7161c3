//! A client's reactions to responses that do not open, as configured by a scenario.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a client sends its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// After a 401, by the strongest scheme that it offers; from then on with every request to that server.
    #[default]
    AfterChallenge,
    /// After any 401 the request is repeated once, with credentials by Basic if there are any, whatever the challenge.
    #[serde(rename = "after-401")]
    After401,
    /// With the first request, by Basic (RFC 7617 section 2.2); a 401 is final.
    First,
    /// The same in a header field that the application sets, if the client permits it (`sets_headers`).
    Header,
    /// Never.
    None,
}

/// How a client answers a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "AuthScheme"))]
pub enum Scheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616.
    Digest,
    /// In three legs on one connection (MS-NTHT); the messages are a model.
    Ntlm,
    /// The same by the name of Negotiate (RFC 4559).
    Negotiate,
}

/// The form of a `Location`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `ws:` or `wss:`.
    Ws,
    /// `http:` or `https:`.
    Http,
    /// Without a scheme (RFC 9110 section 10.2.2).
    Relative,
}

impl Form {
    /// Every form.
    pub const ALL: [Form; 3] = [Form::Ws, Form::Http, Form::Relative];

    /// The form of a `Location`; one with another scheme counts as relative, and is invalid.
    pub(super) fn of(location: &str) -> Form {
        let begins =
            |scheme: &str| location.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        if begins("ws:") || begins("wss:") {
            Form::Ws
        } else if begins("http:") || begins("https:") {
            Form::Http
        } else {
            Form::Relative
        }
    }
}

/// How often a client draws a new `Sec-WebSocket-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NewKey {
    /// For each connection (RFC 6455 section 4.1, request item 7).
    #[default]
    Connection,
    /// For each request, also on the same connection.
    Request,
    /// For each attempt, including redirects, challenges and repetitions.
    Attempt,
}

/// Failures after which a client repeats its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "RepeatAfter"))]
pub enum Repeat {
    /// FIN or RST before the first byte of a response.
    Closed,
    /// A connect that the kernel gave up, or that reached its time limit.
    ConnectTimeout,
}

/// Which redirects a client remembers for later attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Remembers {
    /// None: each attempt begins with an endpoint.
    #[default]
    None,
    /// 301 and 308 (RFC 9110 sections 15.4.2 and 15.4.9).
    Permanent,
    /// All, including temporary ones.
    All,
}

impl Remembers {
    /// Whether a redirect with this status is.
    pub(super) fn takes(self, status: u16) -> bool {
        match self {
            Remembers::None => false,
            Remembers::Permanent => matches!(status, 301 | 308),
            Remembers::All => true,
        }
    }
}
