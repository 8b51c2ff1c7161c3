//! What each session went through, as far as measures need it.

use crate::time::Timestamp;

/// Whether a session is open, as its server would have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Path {
    /// Not open.
    #[default]
    None,
    /// Open and usable end to end.
    Usable,
    /// Its client thinks it open, but the path is dead; for good, or until the fault heals.
    Dead {
        /// Whether it may go on.
        revivable: bool,
    },
}

/// One session's account: 56 bytes, as there may be millions. A closed-loop user's is used for one session after
/// the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub scheduled: Timestamp,
    pub attempt: Timestamp,
    /// When TCP came up; of an open session, when its path died.
    pub connected: Timestamp,
    /// When its outage began: the path died, or the loss was noticed. `NEVER` without one.
    pub down: Timestamp,
    /// The faults that took it down, a bit each.
    pub faults: u64,
    /// Where it is open.
    pub server: u32,
    pub group: u16,
    pub hops: u8,
    pub path: Path,
    /// Wants to be open: scheduled, and not ended by its own will.
    pub wants: bool,
    /// Has been open, usable end to end.
    pub opened: bool,
    /// Has an attempt that has not come out.
    pub trying: bool,
    /// Scheduled within the measured window.
    pub measured: bool,
}

impl Default for Life {
    fn default() -> Life {
        Life {
            scheduled: Timestamp::ZERO,
            attempt: Timestamp::ZERO,
            connected: Timestamp::ZERO,
            down: Timestamp::NEVER,
            faults: 0,
            server: 0,
            group: 0,
            hops: 0,
            path: Path::None,
            wants: false,
            opened: false,
            trying: false,
            measured: false,
        }
    }
}
