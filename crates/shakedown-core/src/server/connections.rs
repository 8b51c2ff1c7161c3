//! A server's connections: ten bytes each, because there may be a million.

use std::collections::BTreeMap;

use crate::http::Partial;
use crate::machine::ConnectionId;
use crate::rng::Identity;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No connection with this number.
    Gone,
    /// TLS is required, and no `ClientHello` has arrived.
    Greeting,
    /// Its offer of TLS was answered 101, and the `ClientHello` is awaited; the request itself is kept.
    Switched,
    /// The work of its TLS handshake is queued or with a worker.
    Securing,
    /// The request is incomplete.
    Reading,
    /// HTTP/2: its streams have numbers of their own.
    Shared,
    /// A stream whose request has not arrived.
    Asking,
    /// Above the limit, and never answered.
    Ignored,
    /// Its request is queued or with a worker.
    Pending,
    /// Queued or with a worker, but the client has disconnected.
    Abandoned,
    /// Read and never answered.
    Stalled,
    /// A WebSocket.
    Open,
    /// A WebSocket that was sent a close frame; the client's is awaited (RFC 6455 section 7.1.2).
    Closing,
    /// A forward proxy's: data is forwarded to the target, once that is connected.
    Tunnel,
}

/// What a server knows of its connections, by its numbers for them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// The state of each, and whether it is above the limit: then it does not count towards it, and its request will be
    /// rejected.
    states: Vec<(State, bool)>,
    clients: Vec<Identity>,
    /// Incomplete heads and frames: few at any moment.
    partials: BTreeMap<u32, Partial>,
}

impl Connections {
    /// Numbers that were ever in use.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn state(&self, c: ConnectionId) -> State {
        self.states.get(c.0 as usize).map_or(State::Gone, |(state, _)| *state)
    }

    /// Whether it was above the limit when it was accepted.
    pub(super) fn is_excess(&self, c: ConnectionId) -> bool {
        self.states.get(c.0 as usize).is_some_and(|(_, excess)| *excess)
    }

    /// Sets its state.
    ///
    /// # Panics
    /// When it was never accepted.
    pub(super) fn turn(&mut self, c: ConnectionId, state: State) {
        self.states[c.0 as usize].0 = state;
    }

    pub(super) fn accept(&mut self, c: ConnectionId, client: Identity, state: State, excess: bool) {
        let at = c.0 as usize;
        if at >= self.states.len() {
            self.states.resize(at + 1, (State::Gone, false));
            self.clients.resize(at + 1, client);
        }
        self.states[at] = (state, excess);
        self.clients[at] = client;
    }

    /// The identity of its client, which keys its random draws.
    ///
    /// # Panics
    /// When it was never accepted.
    pub(super) fn client(&self, c: ConnectionId) -> Identity {
        self.clients[c.0 as usize]
    }

    /// Removes it. Returns whether it was above the limit.
    pub(super) fn forget(&mut self, c: ConnectionId) -> bool {
        self.take_partial(c);
        let (_, excess) = std::mem::replace(&mut self.states[c.0 as usize], (State::Gone, false));
        excess
    }

    /// The incomplete data received so far.
    pub(super) fn take_partial(&mut self, c: ConnectionId) -> Option<Partial> {
        if self.partials.is_empty() {
            return None;
        }
        self.partials.remove(&c.0)
    }

    pub(super) fn keep_partial(&mut self, c: ConnectionId, bytes: impl Into<Vec<u8>>) {
        self.partials.insert(c.0, Partial::from(bytes.into()));
    }

    pub(super) fn partial(&self, c: ConnectionId) -> Option<&[u8]> {
        self.partials.get(&c.0).map(Partial::bytes)
    }
}
