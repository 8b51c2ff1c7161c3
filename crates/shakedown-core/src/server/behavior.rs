//! A server's behaviors, ready to run, and the choice of a redirect's target.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::challenge::Demand;
use super::response_flaws::ResponseFlaws;
use super::targets::Pick;
use crate::quantity::Share;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

/// The form of a redirect's `Location`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LocationForm {
    /// `ws://gateway-1/chat`; `wss:` where the target has TLS.
    #[default]
    Ws,
    /// `http://gateway-1/chat`; `https:` where the target has TLS.
    Http,
    /// `/chat`: the same server.
    Relative,
    /// Without `Location`.
    Missing,
    /// Not a URI.
    Malformed,
}

impl LocationForm {
    /// Its prefix.
    pub(super) fn scheme(self, secure: bool) -> &'static str {
        match (self, secure) {
            (LocationForm::Ws, false) => "ws://",
            (LocationForm::Ws, true) => "wss://",
            (LocationForm::Http, false) => "http://",
            (LocationForm::Http, true) => "https://",
            (LocationForm::Relative | LocationForm::Missing | LocationForm::Malformed, _) => "",
        }
    }

    /// Whether it has a valid target.
    pub fn leads(self) -> bool {
        !matches!(self, LocationForm::Missing | LocationForm::Malformed)
    }
}

/// A behavior with its names looked up.
#[derive(Debug, Clone)]
pub struct Behavior {
    /// What is done.
    pub choice: Choice,
    /// The flaws of its responses, if any.
    pub flaws: Option<Box<ResponseFlaws>>,
    /// Which requests it applies to.
    pub when: When,
}

/// The action on a request.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Complete the handshake.
    Accept,
    /// Redirect the client.
    Redirect {
        /// The status.
        status: u16,
        /// The targets, and how one of them is chosen.
        pick: Pick,
        /// The form of `Location`.
        form: LocationForm,
        /// The path in `Location`, if not the requested one.
        path: Option<String>,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
        /// Whether the connection stays open for the next request.
        keep_alive: bool,
    },
    /// Answer with an error.
    Reject {
        /// The status.
        status: u16,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// Never answer.
    Stall,
    /// Answer another server's call.
    Serve,
    /// Demand credentials; a request with valid ones goes to the next behavior of the list.
    Challenge(Box<Demand>),
    /// Answer with random bytes.
    Garbage,
}

impl Behavior {
    /// One that applies to every request, and answers as it should.
    pub fn new(choice: Choice) -> Behavior {
        Behavior { choice, flaws: None, when: When::default() }
    }

    /// It completes the handshake.
    pub fn accept() -> Behavior {
        Behavior::new(Choice::Accept)
    }

    /// It answers with an error.
    pub fn reject(status: u16) -> Behavior {
        Behavior::new(Choice::Reject { status, retry_after: None })
    }

    /// It demands credentials.
    pub fn challenge(demand: Demand) -> Behavior {
        Behavior::new(Choice::Challenge(Box::new(demand)))
    }

    /// The kind that it is called in a scenario.
    pub fn kind(&self) -> BehaviorKind {
        match self.choice {
            Choice::Accept => BehaviorKind::Accept,
            Choice::Redirect { .. } => BehaviorKind::Redirect,
            Choice::Reject { .. } => BehaviorKind::Reject,
            Choice::Stall => BehaviorKind::Stall,
            Choice::Serve => BehaviorKind::Serve,
            Choice::Challenge(_) => BehaviorKind::Challenge,
            Choice::Garbage => BehaviorKind::Garbage,
        }
    }

    /// How it chooses among targets, if it redirects.
    pub(super) fn pick(&self) -> Option<&Pick> {
        match &self.choice {
            Choice::Redirect { pick, .. } => Some(pick),
            _ => None,
        }
    }

    /// Whether it applies to a request; `number` is the behavior's index in its list.
    pub(super) fn applies(&self, seed: Seed, now: Timestamp, client: Identity, number: usize, path: &str) -> bool {
        let drawn = |share: Share| seed.draw(client, Purpose::Behavior, number as u64).unit() < share.0;
        self.concerns(now, path) && self.when.share.is_none_or(drawn)
    }

    /// Whether it may apply to a request for this path now, as far as its share of them lets it.
    pub(super) fn concerns(&self, now: Timestamp, path: &str) -> bool {
        let when = &self.when;
        let asked = || path.split_once('?').map_or(path, |(path, _)| path);
        when.after.is_none_or(|after| now.0 >= after.0)
            && when.until.is_none_or(|until| now.0 < until.0)
            && when.path.as_ref().is_none_or(|path| path == asked())
    }
}

/// The kinds of behaviors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", schemars(rename = "BehaviorKind"))]
pub enum BehaviorKind {
    /// Completes the handshake.
    Accept,
    /// Redirects the client.
    Redirect,
    /// Answers with an error.
    Reject,
    /// Reads the request and never answers.
    Stall,
    /// Answers other servers' calls with 200; nothing opens.
    Serve,
    /// Demands credentials with 401; requests with valid credentials go to the next behavior of the list.
    Challenge,
    /// Answers with bytes that are not HTTP.
    Garbage,
}

impl BehaviorKind {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            BehaviorKind::Accept => "accept",
            BehaviorKind::Redirect => "redirect",
            BehaviorKind::Reject => "reject",
            BehaviorKind::Stall => "stall",
            BehaviorKind::Serve => "serve",
            BehaviorKind::Challenge => "challenge",
            BehaviorKind::Garbage => "garbage",
        }
    }
}

/// Conditions for the requests that a behavior applies to; all given ones must be true.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Share of requests, drawn for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Beginning, as a time of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Nanos>,
    /// End, as a time of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
    /// Path of the request (the query is ignored).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The first so many requests of each server that the other conditions let through, since its process started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
}
