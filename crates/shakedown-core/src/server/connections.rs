//! A server's connections: ten bytes each, because there may be a million.

use std::collections::BTreeMap;

use super::machine::State;
use crate::http::Partial;
use crate::machine::ConnectionId;
use crate::rng::Identity;

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
