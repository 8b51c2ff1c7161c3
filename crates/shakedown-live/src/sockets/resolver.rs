//! The resolver of a run whose hosts have a network of their own: it is asked over that, in DNS, and knows the scenario's names.
//!
//! What it answers is the simulator's: the same caches, and the same draws. Programs may ask it, too.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shakedown_core::driver::names::Dns;
use shakedown_core::machine::{ConnectionId, EndpointId};
use shakedown_core::rng::{Identity, Seed};
use shakedown_core::scenario::Scenario;

use crate::kernel::Query;

/// The names of a run, and who asks for them.
#[derive(Debug)]
pub(super) struct Resolver {
    pub dns: Dns,
    pub names: Vec<String>,
    pub seed: Seed,
    /// Which of the scenario's sessions ask, and for which of their connections, by the address that they ask from.
    pub asking: BTreeMap<SocketAddr, (u32, ConnectionId)>,
    /// Questions that are not answered yet, with what draws for them are keyed by.
    pub queries: BTreeMap<u64, Asked>,
    pub count: u64,
}

/// A question that is to be answered.
#[derive(Debug)]
pub(super) struct Asked {
    pub query: Query,
    pub name: usize,
    pub client: (Identity, u64),
}

impl Resolver {
    /// That of a scenario with names.
    pub(super) fn new(scenario: &Scenario) -> Option<Resolver> {
        let dns = Dns::new(scenario);
        let names = scenario.dns().keys().map(|name| name.to_ascii_lowercase()).collect();
        let (seed, asking, queries) = (scenario.seed(), BTreeMap::new(), BTreeMap::new());
        let any = !dns.is_empty();
        any.then_some(Resolver { dns, names, seed, asking, queries, count: 0 })
    }

    /// A name by its number in the directory.
    pub(super) fn name(&self, EndpointId(endpoint): EndpointId) -> Option<&str> {
        self.names.get(endpoint.checked_sub(self.dns.first)? as usize).map(String::as_str)
    }
}
