//! Selection of sessions: failed, redirected, slowest.

use std::cmp::Reverse;

use crate::client;
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::time::{Nanos, Timestamp};

/// What makes a session worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// An attempt of it failed, or it gave up.
    Failed,
    /// It followed a redirect.
    Redirected,
    /// It took longest to open; one that never did took longer still.
    Slowest,
    /// It gave up.
    GaveUp,
    /// It was without its connection for longest at a time; one that never got it back for longer still.
    Outage,
}

/// Looks at every session of a run.
#[derive(Debug)]
pub struct Finder {
    which: Which,
    sessions: Vec<Seen>,
}

/// A session, by the driver's number for it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    group: u16,
    index: u32,
    scheduled: Timestamp,
    /// From its (first) scheduled start on.
    time_to_open: Option<Nanos>,
    failed: bool,
    gave_up: bool,
    redirected: bool,
    /// When it lost its connection, as long as it has no other.
    lost: Option<Timestamp>,
    /// The longest that it was without.
    outage: Nanos,
}

impl Finder {
    /// One that looks for these.
    pub fn new(which: Which) -> Finder {
        Finder { which, sessions: Vec::new() }
    }

    /// At most `count` of those found, as client group and number in it: the slowest first, else in order of arrival.
    pub fn found(mut self, count: usize) -> Vec<(u16, u32)> {
        match self.which {
            Which::Failed => self.sessions.retain(|seen| seen.failed),
            Which::GaveUp => self.sessions.retain(|seen| seen.gave_up),
            Which::Redirected => self.sessions.retain(|seen| seen.redirected),
            Which::Outage => {
                let outage = |seen: &Seen| if seen.lost.is_some() { Nanos(u64::MAX) } else { seen.outage };
                self.sessions.retain(|seen| outage(seen) > Nanos::ZERO);
                self.sessions.sort_by_key(|seen| Reverse(outage(seen)));
            }
            Which::Slowest => {
                self.sessions.sort_by_key(|seen| Reverse(seen.time_to_open.unwrap_or(Nanos(u64::MAX))));
            }
        }
        self.sessions.iter().take(count).map(|seen| (seen.group, seen.index)).collect()
    }
}

impl Recorder for Finder {
    fn record(&mut self, event: &Event) {
        let Kind::Session(session, kind) = event.kind else { return };
        if let client::Event::Scheduled { group, index } = kind
            && session as usize == self.sessions.len()
        {
            let scheduled = event.at;
            let seen = Seen {
                group,
                index,
                scheduled,
                time_to_open: None,
                failed: false,
                gave_up: false,
                redirected: false,
                lost: None,
                outage: Nanos::ZERO,
            };
            self.sessions.push(seen);
        }
        let Some(seen) = self.sessions.get_mut(session as usize) else { return };
        match kind {
            client::Event::Opened { .. } => {
                seen.time_to_open.get_or_insert(event.at.since(seen.scheduled));
                if let Some(lost) = seen.lost.take() {
                    seen.outage = seen.outage.max(event.at.since(lost));
                }
            }
            client::Event::Lost { .. } => seen.lost = Some(event.at),
            client::Event::AttemptFailed { .. } => seen.failed = true,
            client::Event::GaveUp => (seen.failed, seen.gave_up) = (true, true),
            client::Event::Redirected { .. } => seen.redirected = true,
            _ => {}
        }
    }
}
