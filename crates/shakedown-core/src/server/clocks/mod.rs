//! Clocks on connections, each of which ends its connection in a given way.
//!
//! A connection has one place among all that are due, by the earliest of its clocks. What puts a clock off (data, a pong)
//! only notes the time: the place is moved when it comes up. A server without clocks keeps nothing here.

mod config;

use std::collections::BTreeMap;

pub(super) use config::ClocksPlan;
pub use config::{CLOSE_TIMEOUT, ClocksConfig, ConnectionAge, IdleTimeout, ServerHeartbeat};

use super::connections::note;
use super::event::{Clock, Event};
use crate::fault::Reload;
use crate::machine::{ConnectionId, Ending};
use crate::network::Alarms;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::Timestamp;

/// Which clocks of a connection run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The client has to send something: its request, or its close frame.
    Awaited,
    /// It is open, or forwards data.
    Open,
    /// None.
    Other,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The client has not sent in time what it had to send.
    Overdue,
    /// The server is to send a ping.
    Ping,
    /// The connection is to be ended; by an old process, because of this fault.
    End(Clock, Ending, Option<u16>),
}

/// A connection's clocks.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// Until when the client has to send what is awaited.
    awaited: Timestamp,
    /// When something came last.
    heard: Timestamp,
    /// When the next ping is due, or until when the pong is.
    beat: Timestamp,
    age: Timestamp,
    /// When an old process ends it.
    deadline: Timestamp,
    /// The process that has it, by the number of reloads before.
    generation: u32,
    pinged: bool,
}

impl Times {
    const NONE: Times = Times {
        awaited: Timestamp::NEVER,
        heard: Timestamp::NEVER,
        beat: Timestamp::NEVER,
        age: Timestamp::NEVER,
        deadline: Timestamp::NEVER,
        generation: 0,
        pinged: false,
    };

    fn idle_until(&self, plan: &ClocksPlan) -> Timestamp {
        plan.idle.map_or(Timestamp::NEVER, |(after, _)| self.heard + after)
    }

    /// When the earliest of those that run is due.
    fn due(&self, plan: &ClocksPlan, phase: Phase) -> Timestamp {
        match phase {
            Phase::Awaited => self.awaited.min(self.deadline),
            Phase::Open => self.beat.min(self.age).min(self.deadline).min(self.idle_until(plan)),
            Phase::Other => Timestamp::NEVER,
        }
    }
}

/// An old process: how its connections end, and how many are left.
#[derive(Debug, Clone, Copy)]
struct OldProcess {
    ending: Ending,
    cause: u16,
    left: u32,
}

/// The clocks of one server's connections.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    of: Vec<Times>,
    /// When the earliest of each is due, or was before it was put off.
    queue: Alarms,
    /// Reloads so far.
    generation: u32,
    old: BTreeMap<u32, OldProcess>,
}

impl Clocks {
    /// Whether nothing is due, ever.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn times(&mut self, c: ConnectionId) -> &mut Times {
        if c.0 as usize >= self.of.len() {
            note(&mut self.of, c.0, Times::NONE);
        }
        &mut self.of[c.0 as usize]
    }

    /// The client has until then to send what it has to send next.
    pub(super) fn wait(&mut self, c: ConnectionId, until: Timestamp) {
        let times = self.times(c);
        times.awaited = until;
        let due = until.min(times.deadline);
        self.queue.set_earlier(c.0, due);
    }

    /// Whether any connection ever had a clock.
    pub(super) fn in_use(&self) -> bool {
        !self.of.is_empty()
    }

    /// A connection is open, or is forwarded, from now on.
    pub(super) fn open(&mut self, seed: Seed, plan: &ClocksPlan, now: Timestamp, c: ConnectionId, client: Identity) {
        let age = plan.age.as_ref().map(|(age, _)| now + age.sample(|| seed.draw(client, Purpose::ConnectionAge, 0)));
        let beat = plan.heartbeat.map(|(every, ..)| now + every);
        let times = self.times(c);
        (times.heard, times.awaited, times.pinged) = (now, Timestamp::NEVER, false);
        times.age = age.unwrap_or(Timestamp::NEVER);
        times.beat = beat.unwrap_or(Timestamp::NEVER);
        let due = times.due(plan, Phase::Open);
        self.queue.set_earlier(c.0, due);
    }

    /// Something came over an open connection.
    #[inline]
    pub(super) fn heard(&mut self, now: Timestamp, c: ConnectionId) {
        if let Some(times) = self.of.get_mut(c.0 as usize) {
            times.heard = now;
        }
    }

    /// A pong came. The next ping follows its period after the last, or now where that is over.
    pub(super) fn pong(&mut self, plan: &ClocksPlan, now: Timestamp, c: ConnectionId) {
        if let Some((every, timeout, _)) = plan.heartbeat
            && let Some(times) = self.of.get_mut(c.0 as usize).filter(|times| times.pinged)
        {
            let next = (times.beat - timeout + every).max(now);
            (times.beat, times.pinged) = (next, false);
            self.queue.set_earlier(c.0, next);
        }
    }

    /// A connection is gone. Returns the old process that had it, if one had.
    #[inline]
    pub(super) fn forget(&mut self, c: ConnectionId) -> Option<u32> {
        let times = self.of.get_mut(c.0 as usize)?;
        let Times { generation, .. } = std::mem::replace(times, Times::NONE);
        self.queue.set(c.0, Timestamp::NEVER);
        let process = self.old.get_mut(&generation).filter(|_| generation < self.generation)?;
        process.left -= 1;
        if process.left == 0 {
            self.old.remove(&generation);
        }
        Some(generation)
    }

    /// When the first is due.
    pub(super) fn next_due(&mut self, plan: &ClocksPlan, phase: impl Fn(ConnectionId) -> Phase) -> Option<Timestamp> {
        loop {
            let (at, c) = self.queue.first()?;
            let due = self.of[c as usize].due(plan, phase(ConnectionId(c)));
            if due <= at {
                return Some(at);
            }
            // It was put off since.
            self.queue.set(c, due);
        }
    }

    /// What is due now, of one connection.
    pub(super) fn take(
        &mut self,
        plan: &ClocksPlan,
        now: Timestamp,
        phase: impl Fn(ConnectionId) -> Phase,
    ) -> Option<(ConnectionId, Due)> {
        self.next_due(plan, &phase).filter(|at| *at <= now)?;
        let c = ConnectionId(self.queue.take(now)?);
        let times = &mut self.of[c.0 as usize];
        let due = if times.deadline <= now {
            times.deadline = Timestamp::NEVER;
            let process = self.old.get(&times.generation)?;
            Due::End(Clock::Reload, process.ending, Some(process.cause))
        } else if phase(c) == Phase::Awaited {
            times.awaited = Timestamp::NEVER;
            Due::Overdue
        } else if times.age <= now {
            times.age = Timestamp::NEVER;
            Due::End(Clock::Age, plan.age.as_ref()?.1, None)
        } else if times.beat <= now {
            let (_, timeout, ending) = plan.heartbeat?;
            if times.pinged {
                times.beat = Timestamp::NEVER;
                Due::End(Clock::Heartbeat, ending, None)
            } else {
                (times.beat, times.pinged) = (now + timeout, true);
                Due::Ping
            }
        } else {
            times.heard = Timestamp::NEVER;
            Due::End(Clock::IdleTimeout, plan.idle?.1, None)
        };
        let next = times.due(plan, phase(c));
        self.queue.set_earlier(c.0, next);
        Some((c, due))
    }

    /// The process is replaced: the connections that it has stay with it, each until its time, drawn by its client.
    pub(super) fn reload(
        &mut self,
        (seed, now): (Seed, Timestamp),
        reload: &Reload,
        cause: u16,
        connections: impl Iterator<Item = (ConnectionId, Identity)>,
    ) -> Event {
        let generation = self.generation;
        let mut left = 0;
        let until = reload.connections_until.sampler();
        for (c, client) in connections {
            let times = self.times(c);
            // One that an older process has stays with that.
            if times.generation < generation {
                continue;
            }
            let draw = || seed.draw(client, Purpose::ReloadDeadline, u64::from(generation));
            times.deadline = now + until.sample(draw);
            let deadline = times.deadline;
            self.queue.set_earlier(c.0, deadline);
            left += 1;
        }
        if left > 0 {
            self.old.insert(generation, OldProcess { ending: reload.ending, cause, left });
        }
        self.generation += 1;
        Event::Reloaded { generation, connections: left }
    }

    /// A connection is there, and belongs to the process that accepts now.
    pub(super) fn accept(&mut self, c: ConnectionId) {
        if self.generation > 0 {
            let generation = self.generation;
            self.times(c).generation = generation;
        }
    }
}
