//! Until when sessions that gave up want to be open: wanting ends with a session's `hold`, however the session goes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::layout::Layout;
use super::super::lives::Path;
use super::{Metrics, bits};
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
    fn hold(&self, group: u16, session: u32) -> Option<Nanos> {
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
}

impl Metrics {
    /// A session gave up. It has wanted to be open since it was scheduled, or since its path failed, for its `hold`.
    #[cold]
    pub(super) fn gave_up(&mut self, now: Timestamp, session: u32) {
        let life = &self.lives[session as usize];
        let Some(hold) = self.wanting.hold(life.group, session) else { return };
        let since = match self.outages.get(session).since {
            Timestamp::NEVER => life.scheduled,
            since => since,
        };
        let until = (since + hold).max(now);
        self.wanting.ends.insert((until, session));
        self.wanting.of.insert(session, until);
        self.next = self.next.min(until);
    }

    /// A session that gave up does not want to be open any more.
    pub(super) fn want_no_more(&mut self, now: Timestamp) {
        let Some((_, session)) = self.wanting.ends.pop_first() else { return };
        self.wanting.of.remove(&session);
        self.add_up(now);
        self.wanted -= u32::from(std::mem::take(&mut self.lives[session as usize].wants));
        self.leaves_faults(now, session);
    }

    /// Another session begins under this number: the one before does not want to be open any more.
    #[cold]
    pub(super) fn begins_anew(&mut self, now: Timestamp, session: u32) {
        if self.wanting.of.contains_key(&session) || self.outages.get(session).since != Timestamp::NEVER {
            self.leaves_faults(now, session);
        }
        for fault in bits(self.begun) {
            self.faults[fault].forget(session);
        }
    }

    /// A session that is down is not waited for any more.
    fn leaves_faults(&mut self, now: Timestamp, session: u32) {
        if self.lives[session as usize].path == Path::Usable {
            return;
        }
        for fault in bits(self.outages.get(session).faults) {
            self.faults[fault].wants_no_more(now, session);
        }
    }
}
