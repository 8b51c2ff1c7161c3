//! The challenges that a client process remembers.

use crate::http::auth::Challenge;
use crate::machine::EndpointId;

/// The challenges that a process has received: it answers them in advance from then on (RFC 7617 section 2.2, RFC 7616 section
/// 3.6).
#[derive(Debug, Default)]
pub(super) struct Logins(Vec<Met>);

#[derive(Debug)]
struct Met {
    server: EndpointId,
    challenge: Challenge<'static>,
    /// Requests that have used its nonce.
    uses: u32,
}

impl Logins {
    /// Keeps a server's latest challenge.
    pub(super) fn keep(&mut self, server: EndpointId, challenge: Challenge<'static>) {
        self.forget(server);
        self.0.reserve_exact(1);
        self.0.push(Met { server, challenge, uses: 0 });
    }

    /// Forgets a server's challenge: its answer was not accepted.
    pub(super) fn forget(&mut self, server: EndpointId) {
        self.0.retain(|met| met.server != server);
    }

    /// A server's challenge, and the number of uses of its nonce including this request.
    pub(super) fn answer(&mut self, server: EndpointId) -> Option<(&Challenge<'static>, u32)> {
        let met = self.0.iter_mut().find(|met| met.server == server)?;
        met.uses += 1;
        Some((&met.challenge, met.uses))
    }
}
