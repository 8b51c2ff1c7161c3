//! What comes with each input of a server.

use crate::http::Directory;
use crate::machine::EndpointId;
use crate::rng::Seed;

/// What a server is given with each input; `P` is the plan of its group.
#[derive(Debug)]
pub struct Context<'a, P> {
    /// The run's seed.
    pub seed: Seed,
    /// The server's group.
    pub plan: &'a P,
    /// Names for `Location`.
    pub directory: &'a Directory,
    /// The server's own entry there.
    pub endpoint: EndpointId,
}

impl<'a, P> Context<'a, P> {
    /// The same for a machine of one kind.
    pub(super) fn of<K>(&self, plan: &'a K) -> Context<'a, K> {
        Context { seed: self.seed, plan, directory: self.directory, endpoint: self.endpoint }
    }
}
