//! Until when sessions that gave up want to be open.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Layout;
use crate::client::Hold;
use crate::rng::{Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

/// The sessions that gave up and still want to be open, each until a moment.
#[derive(Debug)]
pub(super) struct Wanting {
    seed: Seed,
    /// Of each client group: whose draws they are, and the time, if it is not until the end.
    holds: Vec<Option<(Identity, Sampler)>>,
    ends: BTreeSet<(Timestamp, u32)>,
    of: BTreeMap<u32, Timestamp>,
}

impl Wanting {
    pub(super) fn new(layout: &Layout) -> Wanting {
        let holds = layout.groups.iter().map(|group| match &group.hold {
            Hold::End => None,
            Hold::For(time) => Some((Identity::group(&group.name), time.sampler())),
        });
        Wanting { seed: layout.seed, holds: holds.collect(), ends: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// How long a session of a group would have stayed open. What it never opened for was never drawn: it is drawn here.
    pub(super) fn hold(&self, group: u16, session: u32) -> Option<Nanos> {
        let (identity, hold) = self.holds[group as usize].as_ref()?;
        Some(hold.sample(|| self.seed.draw(*identity, Purpose::Hold, session.into())))
    }

    /// When the next one does not want to be open any more.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// Another session begins under this number.
    pub(super) fn forget(&mut self, session: u32) {
        if let Some(until) = self.of.remove(&session) {
            self.ends.remove(&(until, session));
        }
    }

    /// A session wants to be open until a moment.
    pub(super) fn begin(&mut self, session: u32, until: Timestamp) {
        self.ends.insert((until, session));
        self.of.insert(session, until);
    }

    /// The first that does not want to be open any more.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let (_, session) = self.ends.pop_first()?;
        self.of.remove(&session);
        Some(session)
    }

    /// Whether a session that gave up still wants to be open.
    pub(super) fn contains(&self, session: u32) -> bool {
        self.of.contains_key(&session)
    }
}
