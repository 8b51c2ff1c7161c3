//! A server's behaviors, ready to run, and the choice of a redirect's target.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::challenge::Demand;
use super::config::{BehaviorConfig, Kind, When};
use super::response_flaws::ResponseFlaws;
use super::targets::Pick;
use crate::machine::EndpointId;
use crate::quantity::Share;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::Timestamp;

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
#[derive(Debug)]
pub struct Behavior {
    pub(super) choice: Choice,
    /// The flaws of its responses, if any.
    pub(super) flaws: Option<Box<ResponseFlaws>>,
    when: When,
}

/// The action on a request.
#[derive(Debug)]
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
    /// A behavior as configured, with resolved targets.
    pub fn new(config: &BehaviorConfig, to: Vec<EndpointId>) -> Behavior {
        let retry_after = config.retry_after.map(|time| (time.0 / 1_000_000_000) as u32);
        let choice = match config.kind {
            Kind::Accept => Choice::Accept,
            Kind::Stall => Choice::Stall,
            Kind::Serve => Choice::Serve,
            Kind::Garbage => Choice::Garbage,
            Kind::Challenge => Choice::Challenge(Box::new(Demand::new(config))),
            Kind::Reject => Choice::Reject { status: config.status.unwrap_or(503), retry_after },
            Kind::Redirect => Choice::Redirect {
                status: config.status.unwrap_or(307),
                form: config.location.unwrap_or(if to.is_empty() { LocationForm::Relative } else { LocationForm::Ws }),
                pick: Pick::new(config, to),
                path: config.path.clone(),
                retry_after,
                keep_alive: config.keep_alive.unwrap_or(false),
            },
        };
        let flaws = ResponseFlaws {
            answer: config.answer.clone().unwrap_or_default(),
            delivery: config.delivery.clone().unwrap_or_default(),
            close: config.close,
        };
        let flaws = (flaws != ResponseFlaws::default()).then(|| Box::new(flaws));
        Behavior { choice, flaws, when: config.when.clone().unwrap_or_default() }
    }

    /// The same where it redirects, with a weight for each target.
    pub fn with_weights(mut self, weights: Vec<u32>) -> Behavior {
        if let Choice::Redirect { pick, .. } = &mut self.choice {
            pick.set_weights(weights);
        }
        self
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
