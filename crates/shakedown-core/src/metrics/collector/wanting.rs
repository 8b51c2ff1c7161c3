//! Sessions that gave up: wanting to be open ends with a session's `hold`, however the session goes.

use super::super::lives::{Path, bits};
use super::Metrics;
use crate::time::Timestamp;

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
        self.wanting.begin(session, until);
        self.next = self.next.min(until);
    }

    /// A session that gave up does not want to be open any more.
    pub(super) fn want_no_more(&mut self, now: Timestamp) {
        let Some(session) = self.wanting.pop() else { return };
        self.add_up(now);
        self.wanted -= u32::from(std::mem::take(&mut self.lives[session as usize].wants));
        self.leaves_faults(now, session);
    }

    /// Another session begins under this number: the one before does not want to be open any more.
    #[cold]
    pub(super) fn begins_anew(&mut self, now: Timestamp, session: u32) {
        if self.wanting.contains(session) || self.outages.get(session).since != Timestamp::NEVER {
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
