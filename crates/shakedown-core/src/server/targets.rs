//! The targets of a redirector.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::Directory;
use crate::machine::EndpointId;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::Nanos;

/// How a redirector chooses a member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PickMember {
    /// In turn.
    #[default]
    RoundRobin,
    /// A random one.
    Random,
    /// The one with the fewest open connections, by its last report plus the clients sent there since.
    LeastConnections,
    /// In turn, in proportion to the weights, as evenly as possible (nginx's smooth weighted round-robin).
    Weighted,
    /// By what is hashed: always the same one while the registry names it, and only its clients move when it does not
    /// (rendezvous hashing, also called highest random weight; Thaler, Ravishankar: "Using name-based mappings to
    /// increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998).
    ConsistentHash,
}

/// What a redirector hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HashBy {
    /// The client's address.
    #[default]
    Client,
    /// The requested path, without its query: all clients of a chat room get the same server.
    Path,
}

/// How often members report unless the scenario says otherwise.
pub const REPORT_EVERY: Nanos = Nanos::from_millis(100);

/// A redirect's targets, ready to be chosen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// The targets; empty: the same server.
    pub to: Vec<EndpointId>,
    /// How one of them is chosen.
    pub how: PickMember,
    /// Of each of `to`, where they are weighted.
    pub weights: Vec<u32>,
    /// Consistent hash: of what.
    pub by: HashBy,
    /// How often the members report.
    pub report_every: Nanos,
}

impl Pick {
    /// In turn.
    pub fn in_turn(to: Vec<EndpointId>) -> Pick {
        Pick { to, how: PickMember::RoundRobin, weights: Vec::new(), by: HashBy::Client, report_every: REPORT_EVERY }
    }

    /// Whether it must be known what a request asked for.
    pub(super) fn asks_for_path(&self) -> bool {
        self.how == PickMember::ConsistentHash && self.by == HashBy::Path
    }

    /// Whether it must be known where a client comes from.
    pub(super) fn asks_for_address(&self) -> bool {
        self.how == PickMember::ConsistentHash && self.by == HashBy::Client
    }
}

/// The client for which a target is chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub client: Identity,
    pub address: Identity,
    pub path: &'a str,
}

/// What a redirector knows of its targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    turn: usize,
    /// Open connections by the last report, indexed by endpoint; `None` where no report came.
    reported: Vec<Option<u32>>,
    /// Clients sent there since.
    sent: Vec<u32>,
    /// Of each redirect that has weights and each of its targets: what it has in credit.
    credits: BTreeMap<(u32, u32), i64>,
}

impl Targets {
    /// Takes a report in.
    pub(super) fn report(&mut self, peers: &[Option<u32>]) {
        self.reported.clear();
        self.reported.extend_from_slice(peers);
        self.sent.clear();
        self.sent.resize(peers.len(), 0);
    }

    /// Chooses one of a redirect's targets, of which there is at least one: one that the directory lists, unless it lists
    /// none of them. `behavior` tells redirects apart.
    pub(super) fn choose(
        &mut self,
        (seed, directory): (Seed, &Directory),
        behavior: u32,
        pick: &Pick,
        wanted: Wanted<'_>,
    ) -> EndpointId {
        let everybody = directory.lists_all() || !pick.to.iter().any(|endpoint| directory.lists(*endpoint));
        let listed = (0..pick.to.len()).filter(|at| everybody || directory.lists(pick.to[*at]));
        let mut to = listed.clone().map(|at| pick.to[at]);
        let chosen = match pick.how {
            PickMember::RoundRobin => {
                let turn = self.turn % to.clone().count();
                self.turn += 1;
                to.nth(turn)
            }
            PickMember::Random => {
                let draw = seed.draw(wanted.client, Purpose::Redirect, 0);
                let count = to.clone().count() as u64;
                to.nth(draw.below(count) as usize)
            }
            PickMember::LeastConnections => self.least_connections(to),
            PickMember::Weighted => {
                let weight = |at: usize| (pick.to[at], i64::from(pick.weights.get(at).copied().unwrap_or(1)));
                self.weighted(behavior, listed.map(weight))
            }
            PickMember::ConsistentHash => {
                let key = match pick.by {
                    HashBy::Client => wanted.address,
                    HashBy::Path => Identity::group(wanted.path.split('?').next().unwrap_or_default()),
                };
                to.max_by_key(|endpoint| seed.draw(key, Purpose::RedirectHash, u64::from(endpoint.0)).0)
            }
        };
        chosen.expect("not empty")
    }

    fn least_connections(&mut self, to: impl Iterator<Item = EndpointId>) -> Option<EndpointId> {
        let load = |endpoint: &EndpointId| {
            let at = endpoint.0 as usize;
            let reported = self.reported.get(at).copied().flatten();
            // A target that does not report is chosen last: it may be dead, and so have no connections.
            let silent = reported.is_none();
            (silent, reported.unwrap_or(0) + self.sent.get(at).copied().unwrap_or(0))
        };
        let chosen = to.min_by_key(load)?;
        let at = chosen.0 as usize;
        if self.sent.len() <= at {
            self.sent.resize(at + 1, 0);
        }
        self.sent[at] += 1;
        Some(chosen)
    }

    /// Each target earns its weight in credit; the first one with the most credit is chosen, and pays the sum of all weights.
    fn weighted(&mut self, behavior: u32, to: impl Iterator<Item = (EndpointId, i64)>) -> Option<EndpointId> {
        let (mut total, mut richest) = (0, None);
        for (endpoint, weight) in to {
            let credit = self.credits.entry((behavior, endpoint.0)).or_default();
            *credit += weight;
            total += weight;
            if richest.is_none_or(|(_, most)| *credit > most) {
                richest = Some((endpoint, *credit));
            }
        }
        let (chosen, _) = richest?;
        *self.credits.entry((behavior, chosen.0)).or_default() -= total;
        Some(chosen)
    }
}
