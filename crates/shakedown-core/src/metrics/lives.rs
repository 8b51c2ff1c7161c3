//! The state of each session, as far as measures need it.

use crate::time::Timestamp;

/// Whether a session is open, and usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Path {
    /// Not open.
    #[default]
    None,
    /// Open and usable end to end.
    Usable,
    /// Open for its client, but the path is dead; permanently, or until the fault heals.
    Dead {
        /// Whether it may continue.
        revivable: bool,
    },
}

/// One session's record: 32 bytes, half a cache line, because there may be millions. The sessions of a closed-loop
/// user share one.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(super) struct Life {
    pub scheduled: Timestamp,
    /// When its current attempt began. `NEVER` without one.
    pub attempt: Timestamp,
    /// When TCP was established; for an open session, when its path failed.
    pub connected: Timestamp,
    /// Where it is open.
    pub server: u16,
    pub group: u16,
    pub hops: u8,
    pub path: Path,
    /// Wants to be open: scheduled, and not ended as intended.
    pub wants: bool,
    /// Has been open, usable end to end.
    pub opened: bool,
}

const _: () = assert!(size_of::<Life>() == 32);

impl Default for Life {
    fn default() -> Life {
        Life {
            scheduled: Timestamp::ZERO,
            attempt: Timestamp::NEVER,
            connected: Timestamp::ZERO,
            server: 0,
            group: 0,
            hops: 0,
            path: Path::None,
            wants: false,
            opened: false,
        }
    }
}

/// The outage of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    /// When it began: the path failed, or the loss was noticed. `NEVER` without one.
    pub since: Timestamp,
    /// The faults that affected the session, a bit each.
    pub faults: u64,
}

/// The outages of all sessions: no memory before the first one.
#[derive(Debug, Default)]
pub(super) struct Outages(Vec<Outage>);

impl Outages {
    const NONE: Outage = Outage { since: Timestamp::NEVER, faults: 0 };

    pub(super) fn get(&self, session: u32) -> Outage {
        self.0.get(session as usize).copied().unwrap_or(Outages::NONE)
    }

    /// Mutable access. `sessions` is the maximum number.
    pub(super) fn of(&mut self, session: u32, sessions: usize) -> &mut Outage {
        let least = sessions.max(session as usize + 1);
        if self.0.len() < least {
            self.0.resize(least, Outages::NONE);
        }
        &mut self.0[session as usize]
    }

    /// It is over.
    pub(super) fn end(&mut self, session: u32) {
        if let Some(outage) = self.0.get_mut(session as usize) {
            outage.since = Timestamp::NEVER;
        }
    }

    /// Resets it: another session begins, or this one does not want to be open any more.
    pub(super) fn forget(&mut self, session: u32) {
        if let Some(outage) = self.0.get_mut(session as usize) {
            *outage = Outages::NONE;
        }
    }
}

/// The numbers of the set bits: those of an outage's faults.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            bit
        })
    })
}
