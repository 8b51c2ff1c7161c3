//! What a server answers: behaviors ready to run, and the choice of a redirect's target.

use serde::{Deserialize, Serialize};

use super::challenge::Demand;
use super::config::{BehaviorConfig, Kind, PickMember, When};
use super::machine::Context;
use super::manner::Manner;
use crate::machine::EndpointId;
use crate::quantity::Share;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

/// The form of a redirect's `Location`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocationForm {
    /// `ws://gateway-1/chat`; `wss:` where the target has TLS.
    #[default]
    Ws,
    /// `http://gateway-1/chat`; `https:` where the target has TLS.
    Http,
    /// `/chat`: the same server.
    Relative,
}

impl LocationForm {
    /// How it begins.
    pub(super) fn scheme(self, secure: bool) -> &'static str {
        match (self, secure) {
            (LocationForm::Ws, false) => "ws://",
            (LocationForm::Ws, true) => "wss://",
            (LocationForm::Http, false) => "http://",
            (LocationForm::Http, true) => "https://",
            (LocationForm::Relative, _) => "",
        }
    }
}

/// A behavior with its names looked up.
#[derive(Debug)]
pub struct Behavior {
    pub(super) choice: Choice,
    /// How its answers differ from what they should be, if they do.
    pub(super) manner: Option<Box<Manner>>,
    when: When,
}

/// What is done with a request.
#[derive(Debug)]
pub enum Choice {
    /// Complete the handshake.
    Accept,
    /// Send the client elsewhere.
    Redirect {
        /// The status.
        status: u16,
        /// Whom it may be sent to; empty: the same server.
        to: Vec<EndpointId>,
        /// How one of them is chosen.
        pick: PickMember,
        /// The form of `Location`.
        form: LocationForm,
        /// The path in `Location`, if not the one that was asked.
        path: Option<String>,
        /// How often the members report.
        report_every: Nanos,
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
    /// Demand credentials; a request that has them is answered by what comes next in the list.
    Challenge(Box<Demand>),
    /// Answer with random bytes.
    Garbage,
}

impl Behavior {
    /// A behavior as configured, whose `to` was looked up.
    pub fn new(config: &BehaviorConfig, to: Vec<EndpointId>) -> Behavior {
        let choice = match config.kind {
            Kind::Accept => Choice::Accept,
            Kind::Stall => Choice::Stall,
            Kind::Serve => Choice::Serve,
            Kind::Garbage => Choice::Garbage,
            Kind::Challenge => Choice::Challenge(Box::new(Demand::new(config))),
            Kind::Reject => Choice::Reject {
                status: config.status.unwrap_or(503),
                retry_after: config.retry_after.map(|time| (time.0 / 1_000_000_000) as u32),
            },
            Kind::Redirect => Choice::Redirect {
                status: config.status.unwrap_or(307),
                form: config.location.unwrap_or(if to.is_empty() { LocationForm::Relative } else { LocationForm::Ws }),
                to,
                pick: config.pick.unwrap_or_default(),
                path: config.path.clone(),
                report_every: config.report_every.unwrap_or(Nanos::from_millis(100)),
            },
        };
        let manner = Manner {
            answer: config.answer.clone().unwrap_or_default(),
            delivery: config.delivery.clone().unwrap_or_default(),
            close: config.close,
        };
        let manner = (manner != Manner::default()).then(|| Box::new(manner));
        Behavior { choice, manner, when: config.when.clone().unwrap_or_default() }
    }

    /// Whether it applies to a request; `number` is the behavior's place in its list.
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

/// What a redirector knows of its targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    turn: usize,
    /// Open connections by the last report, indexed by endpoint; `None` where no report came.
    reported: Vec<Option<u32>>,
    /// Clients sent there since.
    sent: Vec<u32>,
}

impl Targets {
    /// Takes a report in.
    pub fn report(&mut self, peers: &[Option<u32>]) {
        self.reported.clear();
        self.reported.extend_from_slice(peers);
        self.sent.clear();
        self.sent.resize(peers.len(), 0);
    }

    /// Chooses one of `to`, which is not empty: one that the directory lists, unless it lists none of them.
    pub fn choose(&mut self, cx: &Context<'_>, client: Identity, pick: PickMember, to: &[EndpointId]) -> EndpointId {
        let directory = cx.directory;
        if directory.lists_all() || !to.iter().any(|endpoint| directory.lists(*endpoint)) {
            return self.pick(cx.seed, client, pick, to.iter().copied());
        }
        self.pick(cx.seed, client, pick, to.iter().copied().filter(|endpoint| directory.lists(*endpoint)))
    }

    fn pick(
        &mut self,
        seed: Seed,
        client: Identity,
        pick: PickMember,
        mut to: impl Iterator<Item = EndpointId> + Clone,
    ) -> EndpointId {
        let chosen = match pick {
            PickMember::RoundRobin => {
                let turn = self.turn % to.clone().count();
                self.turn += 1;
                to.nth(turn)
            }
            PickMember::Random => {
                let draw = seed.draw(client, Purpose::Redirect, 0);
                let count = to.clone().count() as u64;
                to.nth(draw.below(count) as usize)
            }
            PickMember::LeastConnections => {
                let load = |endpoint: &EndpointId| {
                    let at = endpoint.0 as usize;
                    let reported = self.reported.get(at).copied().flatten();
                    // Who does not report is taken last: a dead server has no connections, and is no bargain.
                    let silent = reported.is_none();
                    (silent, reported.unwrap_or(0) + self.sent.get(at).copied().unwrap_or(0))
                };
                let chosen = to.min_by_key(load);
                if let Some(chosen) = chosen {
                    let at = chosen.0 as usize;
                    if self.sent.len() <= at {
                        self.sent.resize(at + 1, 0);
                    }
                    self.sent[at] += 1;
                }
                chosen
            }
        };
        chosen.expect("not empty")
    }
}
