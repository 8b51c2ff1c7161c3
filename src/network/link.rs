//! Latency of the links between hosts.

use crate::rng::{Identity, Purpose, Sampler, Seed};
use crate::time::Nanos;

/// The latency of every pair of hosts, and of every message.
#[derive(Debug)]
pub struct Link {
    seed: Seed,
    one_way: Sampler,
    jitter: Sampler,
}

impl Link {
    /// The links of a scenario.
    pub fn new(seed: Seed, config: &super::Config) -> Link {
        Link { seed, one_way: config.one_way.sampler(), jitter: config.jitter.sampler() }
    }

    /// One-way latency between a client's host and a server's: the same each time it is asked.
    pub fn one_way(&self, client: Identity, server: Identity) -> Nanos {
        // A draw's ordinal has 56 bits; what remains of the server's hash is plenty to tell servers apart.
        let draw = || self.seed.draw(client, Purpose::Path, server.0 >> 8);
        self.one_way.sample(draw)
    }

    /// Extra latency of a message: `which` says which session's it is, and its ordinal there.
    pub fn jitter(&self, which: impl FnOnce() -> (Identity, u64)) -> Nanos {
        self.jitter.sample(|| {
            let (session, ordinal) = which();
            self.seed.draw(session, Purpose::Jitter, ordinal)
        })
    }
}
