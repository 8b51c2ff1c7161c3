//! What comes with each input of a server.

use super::plan::Plan;
use crate::http::Directory;
use crate::machine::EndpointId;
use crate::rng::Seed;

/// What a server is given with each input.
pub struct Context<'a> {
    /// The run's seed.
    pub seed: Seed,
    /// The server's group.
    pub plan: &'a Plan,
    /// Names for `Location`.
    pub directory: &'a Directory,
    /// The server's own entry there.
    pub endpoint: EndpointId,
}
