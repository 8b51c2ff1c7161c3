//! The targets of a redirector.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

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
    /// Counts reports.
    reports: u32,
    /// Of each redirect that has weights and each of its targets: what it has in credit.
    credits: BTreeMap<(u32, u32), i64>,
    /// Of each redirect: what it may choose from.
    choices: Vec<Choices>,
}

/// Which of some endpoints are listed; all, if none is. Worked out anew when the directory changes, and not for each client.
#[derive(Debug, Default)]
pub(super) struct Listed {
    /// The directory's.
    version: Option<u32>,
    at: Vec<u32>,
}

impl Listed {
    /// Takes changes of the directory in; says whether there were any.
    pub(super) fn refresh(&mut self, directory: &Directory, of: &[EndpointId]) -> bool {
        let is_changed = self.version != Some(directory.version());
        if is_changed {
            self.version = Some(directory.version());
            let all = 0..of.len() as u32;
            self.at.clear();
            self.at.extend(all.clone().filter(|at| directory.lists(of[*at as usize])));
            if self.at.is_empty() {
                self.at.extend(all);
            }
        }
        is_changed
    }

    /// Their places among the endpoints.
    pub(super) fn places(&self) -> &[u32] {
        &self.at
    }
}

/// What a redirect may choose from.
#[derive(Debug)]
struct Choices {
    behavior: u32,
    listed: Listed,
    /// Least connections: the listed ones by what is known of them, the best first. One to which another redirect of this server
    /// sent clients since stands too far ahead. Between reports loads only grow, so that this shows when it is first.
    by_load: BinaryHeap<Reverse<(Load, u32)>>,
    /// The number of reports of which `by_load` is.
    reports: Option<u32>,
}

/// What is known of a target, the best first: whether it is silent, which may mean that it is dead, and its clients.
type Load = (bool, u32);

impl Targets {
    /// Takes a report in.
    pub(super) fn report(&mut self, peers: &[Option<u32>]) {
        self.reported.clear();
        self.reported.extend_from_slice(peers);
        self.sent.clear();
        self.sent.resize(peers.len(), 0);
        self.reports += 1;
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
        let found = self.choices.iter().position(|choices| choices.behavior == behavior);
        let number = found.unwrap_or_else(|| {
            let (listed, by_load) = (Listed::default(), BinaryHeap::new());
            self.choices.push(Choices { behavior, listed, by_load, reports: None });
            self.choices.len() - 1
        });
        if self.choices[number].listed.refresh(directory, &pick.to) {
            self.choices[number].reports = None;
        }
        let listed = self.choices[number].listed.places();
        let to = |at: u32| pick.to[at as usize];
        let chosen = match pick.how {
            PickMember::RoundRobin => {
                let turn = self.turn % listed.len();
                self.turn += 1;
                Some(to(listed[turn]))
            }
            PickMember::Random => {
                let draw = seed.draw(wanted.client, Purpose::Redirect, 0);
                Some(to(listed[draw.below(listed.len() as u64) as usize]))
            }
            PickMember::LeastConnections => self.least_connections(number, pick),
            PickMember::Weighted => self.weighted(number, pick),
            PickMember::ConsistentHash => {
                let key = match pick.by {
                    HashBy::Client => wanted.address,
                    HashBy::Path => Identity::group(wanted.path.split('?').next().unwrap_or_default()),
                };
                let weight = |endpoint: &EndpointId| seed.draw(key, Purpose::RedirectHash, u64::from(endpoint.0)).0;
                listed.iter().map(|at| to(*at)).max_by_key(weight)
            }
        };
        chosen.expect("not empty")
    }

    fn load(&self, endpoint: EndpointId) -> Load {
        let at = endpoint.0 as usize;
        let reported = self.reported.get(at).copied().flatten();
        (reported.is_none(), reported.unwrap_or(0) + self.sent.get(at).copied().unwrap_or(0))
    }

    /// The first one with the least load.
    fn least_connections(&mut self, number: usize, pick: &Pick) -> Option<EndpointId> {
        let mut choices = std::mem::take(&mut self.choices[number].by_load);
        if self.choices[number].reports != Some(self.reports) {
            choices.clear();
            choices.extend(
                self.choices[number].listed.places().iter().map(|at| Reverse((self.load(pick.to[*at as usize]), *at))),
            );
            self.choices[number].reports = Some(self.reports);
        }
        let mut chosen = None;
        while let Some(mut first) = choices.peek_mut() {
            let Reverse((load, at)) = *first;
            let endpoint = pick.to[at as usize];
            let now = self.load(endpoint);
            if now == load {
                chosen = Some(endpoint);
                let sent = endpoint.0 as usize;
                if self.sent.len() <= sent {
                    self.sent.resize(sent + 1, 0);
                }
                self.sent[sent] += 1;
                *first = Reverse((self.load(endpoint), at));
                break;
            }
            *first = Reverse((now, at));
        }
        self.choices[number].by_load = choices;
        chosen
    }

    /// Each target earns its weight in credit; the first one with the most credit is chosen, and pays the sum of all weights.
    fn weighted(&mut self, number: usize, pick: &Pick) -> Option<EndpointId> {
        let (mut total, mut richest) = (0, None);
        let Choices { behavior, ref listed, .. } = self.choices[number];
        for at in listed.places() {
            let endpoint = pick.to[*at as usize];
            let weight = i64::from(pick.weights.get(*at as usize).copied().unwrap_or(1));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// One of two redirects sends a client on.
        Choose(u32),
        /// Targets report these open connections.
        Report(Vec<Option<u32>>),
        /// The registry names a target, or does so no more.
        List(u32, bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let report = prop::collection::vec(prop::option::weighted(0.8, 0..6u32), 8);
        let step = prop_oneof![
            8 => (0..2u32).prop_map(Step::Choose),
            1 => report.prop_map(Step::Report),
            1 => (0..8u32, any::<bool>()).prop_map(|(endpoint, listed)| Step::List(endpoint, listed)),
        ];
        prop::collection::vec(step, 0..120)
    }

    proptest! {
        /// Against the obvious implementation: a look at every target for each client.
        #[test]
        fn the_least_loaded_target_is_chosen(steps in steps()) {
            let mut directory = Directory::new((0..8).map(|n| format!("g-{n}")));
            let picks = [&[0, 1, 2, 3, 4, 5][..], &[7, 6, 5, 4, 3]].map(|to| Pick {
                how: PickMember::LeastConnections,
                ..Pick::in_turn(to.iter().copied().map(EndpointId).collect())
            });
            let mut targets = Targets::default();
            let (mut reported, mut sent) = (vec![None; 8], vec![0; 8]);
            for step in steps {
                match step {
                    Step::Report(peers) => {
                        targets.report(&peers);
                        (reported, sent) = (peers, vec![0; 8]);
                    }
                    Step::List(endpoint, listed) => directory.list(EndpointId(endpoint), listed),
                    Step::Choose(behavior) => {
                        let pick = &picks[behavior as usize];
                        let everybody = !pick.to.iter().any(|to| directory.lists(*to));
                        let listed = pick.to.iter().filter(|to| everybody || directory.lists(**to));
                        let load = |to: &&EndpointId| {
                            let at = to.0 as usize;
                            (reported[at].is_none(), reported[at].unwrap_or(0) + sent[at])
                        };
                        let expected = *listed.min_by_key(load).unwrap();
                        sent[expected.0 as usize] += 1;
                        let wanted = Wanted { client: Identity(0), address: Identity(0), path: "/" };
                        let chosen = targets.choose((Seed(1), &directory), behavior, pick, wanted);
                        prop_assert_eq!(chosen, expected);
                    }
                }
            }
        }
    }
}
