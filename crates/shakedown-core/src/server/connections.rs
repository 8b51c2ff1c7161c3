//! A server's connections: ten bytes each, because there may be a million.

use std::collections::BTreeMap;

use super::machine::State;
use crate::http::Partial;
use crate::machine::ConnectionId;
use crate::rng::Identity;

/// What a server knows of its connections, by its numbers for them.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Each one's state, and whether it is past the limit: it takes up no place under it, and its request will be turned
    /// away.
    states: Vec<(State, bool)>,
    clients: Vec<Identity>,
    /// Heads and frames that have not come in whole: few at any moment.
    partials: BTreeMap<u32, Partial>,
}

impl Connections {
    /// Numbers that were ever in use.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    pub fn state(&self, c: ConnectionId) -> State {
        self.states.get(c.0 as usize).map_or(State::Gone, |(state, _)| *state)
    }

    /// Whether it was one too many when it was accepted.
    pub fn is_excess(&self, c: ConnectionId) -> bool {
        self.states.get(c.0 as usize).is_some_and(|(_, excess)| *excess)
    }

    /// Says what it is now.
    ///
    /// # Panics
    /// When it was never accepted.
    pub fn turn(&mut self, c: ConnectionId, state: State) {
        self.states[c.0 as usize].0 = state;
    }

    pub fn accept(&mut self, c: ConnectionId, client: Identity, state: State, excess: bool) {
        let at = c.0 as usize;
        if at >= self.states.len() {
            self.states.resize(at + 1, (State::Gone, false));
            self.clients.resize(at + 1, client);
        }
        self.states[at] = (state, excess);
        self.clients[at] = client;
    }

    /// Whose it is: keys what is drawn for it.
    ///
    /// # Panics
    /// When it was never accepted.
    pub fn client(&self, c: ConnectionId) -> Identity {
        self.clients[c.0 as usize]
    }

    /// It is gone. Says whether it was one too many.
    pub fn forget(&mut self, c: ConnectionId) -> bool {
        self.take_partial(c);
        let (_, excess) = std::mem::replace(&mut self.states[c.0 as usize], (State::Gone, false));
        excess
    }

    /// What came before and was not whole.
    pub fn take_partial(&mut self, c: ConnectionId) -> Option<Partial> {
        if self.partials.is_empty() {
            return None;
        }
        self.partials.remove(&c.0)
    }

    pub fn keep_partial(&mut self, c: ConnectionId, bytes: impl Into<Vec<u8>>) {
        self.partials.insert(c.0, Partial::from(bytes.into()));
    }

    pub fn partial(&self, c: ConnectionId) -> Option<&[u8]> {
        self.partials.get(&c.0).map(Partial::bytes)
    }
}
