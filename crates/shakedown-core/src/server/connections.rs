//! A server's connections: ten bytes each, because there may be a million.

use std::collections::BTreeMap;

use super::event::{Event, Outputs};
use crate::http::Partial;
use crate::machine::ConnectionId;
use crate::rng::Identity;

/// What a server knows of its connections, by its numbers for them. A state of its default is that of no connection.
#[derive(Debug, Default)]
pub(super) struct Connections<S> {
    /// The state of each, and whether it is above the limit: then it does not count towards it, and its request will be
    /// rejected.
    states: Vec<(S, bool)>,
    clients: Vec<Identity>,
    /// Incomplete heads and frames: few at any moment.
    partials: BTreeMap<u32, Partial>,
    count: u32,
    /// Those above the limit.
    excess: u32,
}

impl<S: Copy + Default + PartialEq> Connections<S> {
    /// Those that are there, each with the identity of its client.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConnectionId, Identity)> {
        let numbers = (0..).map(ConnectionId).zip(&self.states).zip(&self.clients);
        numbers.filter(|((_, (state, _)), _)| *state != S::default()).map(|((c, _), client)| (c, *client))
    }

    /// Numbers that were ever in use.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn state(&self, c: ConnectionId) -> S {
        self.states.get(c.0 as usize).map_or(S::default(), |(state, _)| *state)
    }

    /// Whether it was above the limit when it was accepted.
    pub(super) fn is_excess(&self, c: ConnectionId) -> bool {
        self.states.get(c.0 as usize).is_some_and(|(_, excess)| *excess)
    }

    /// Sets its state.
    ///
    /// # Panics
    /// When it was never accepted.
    pub(super) fn turn(&mut self, c: ConnectionId, state: S) {
        self.states[c.0 as usize].0 = state;
    }

    /// Open connections.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// A connection is there; `most` is their limit.
    pub(super) fn accept(&mut self, c: ConnectionId, client: Identity, state: S, most: u32, out: &mut Outputs) {
        let excess = self.count - self.excess >= most;
        self.excess += u32::from(excess);
        self.insert(c, client, state, excess);
        self.count += 1;
        out.event(Event::Accepted { connection: c.0 });
    }

    /// One that does not count is there.
    pub(super) fn insert(&mut self, c: ConnectionId, client: Identity, state: S, excess: bool) {
        let at = c.0 as usize;
        if at >= self.states.len() {
            self.states.resize(at + 1, (S::default(), false));
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

    /// Removes it.
    pub(super) fn forget(&mut self, c: ConnectionId, out: &mut Outputs) {
        let excess = self.remove(c);
        self.excess -= u32::from(excess);
        self.count -= 1;
        out.event(Event::Closed { connection: c.0 });
    }

    /// Removes one that did not count. Returns whether it was above the limit.
    pub(super) fn remove(&mut self, c: ConnectionId) -> bool {
        self.take_partial(c);
        let (_, excess) = std::mem::take(&mut self.states[c.0 as usize]);
        excess
    }

    /// The incomplete data received so far.
    pub(super) fn take_partial(&mut self, c: ConnectionId) -> Partial {
        if self.partials.is_empty() {
            return Partial::default();
        }
        self.partials.remove(&c.0).unwrap_or_default()
    }

    pub(super) fn keep_partial(&mut self, c: ConnectionId, bytes: impl Into<Vec<u8>>) {
        self.partials.insert(c.0, Partial::from(bytes.into()));
    }

    pub(super) fn partial(&self, c: ConnectionId) -> Option<&[u8]> {
        self.partials.get(&c.0).map(Partial::bytes)
    }
}

/// Puts a value in a connection's place of a list.
pub(super) fn note<T: Copy>(list: &mut Vec<T>, connection: u32, value: T) {
    let at = connection as usize;
    if at >= list.len() {
        list.resize(at + 1, value);
    }
    list[at] = value;
}
