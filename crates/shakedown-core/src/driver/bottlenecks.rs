//! What is on its way where bandwidth is limited, whichever driver runs a scenario.
//!
//! Every message goes from place to place, and joins each limit's line when it gets there: up its sender's access link,
//! through what it shares with others between their places, over the distance, and down its receiver's access link. What a
//! full queue drops, or a link loses, is sent once more when its retransmission timer runs out; what follows in its stream
//! waits at the receiver.
//!
//! The driver has the clock, knows who is at the ends, and how long the distance takes; it asks again at the moment that it
//! is told.

use std::collections::BTreeMap;

use super::pipes::{Ends, Gap, Pipes, Stage};
use super::slab::Slab;
use crate::fault::Fault;
use crate::network::{Direction, Repetitions};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// A message on its way: `M`, on the connection `K`.
#[derive(Debug, Clone, Copy)]
pub struct Transmission<K, M> {
    /// What it is.
    pub message: M,
    /// Its connection.
    pub key: K,
    /// Its direction.
    pub way: Direction,
    /// Its length on the wire.
    pub bytes: u64,
    /// Keys its draws.
    pub ordinal: u64,
    /// When it was sent last.
    pub left: Timestamp,
    /// Transmissions after the first, and the timer that started then.
    pub repetitions: Repetitions,
    /// Its sender's process had closed the connection when it was sent.
    pub orphan: bool,
}

/// A message with where it is.
#[derive(Debug)]
struct Sent<K, M> {
    transmission: Transmission<K, M>,
    stage: Stage,
    /// Its place among all messages that were ever sent.
    order: u64,
}

/// What becomes of a message for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is in a line, or there, at this moment.
    Until(Timestamp),
    /// It leaves for the distance at this moment, and is behind that when it has come over.
    Leaves(Timestamp),
    /// It met a full queue.
    Full,
}

/// When the timer of a message that came to nothing runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// It leaves once more.
    At(Timestamp),
    /// Its sender's kernel gives up; the message is the driver's to take away.
    GivenUp(Timestamp),
}

/// Every limit of bandwidth, and what is on its way between them.
#[derive(Debug)]
pub struct Bottlenecks<K, M> {
    pipes: Pipes,
    on_way: Slab<Option<Sent<K, M>>>,
    gaps: BTreeMap<(K, Direction), Gap<u32>>,
    /// Messages sent.
    sent: u64,
}

impl<K: Copy + Ord, M> Bottlenecks<K, M> {
    /// Those of a scenario, if it has any.
    pub fn new(scenario: &Scenario) -> Option<Box<Bottlenecks<K, M>>> {
        let pipes = Pipes::new(scenario)?;
        Some(Box::new(Bottlenecks { pipes, on_way: Slab::default(), gaps: BTreeMap::new(), sent: 0 }))
    }

    /// A message is to be sent: its number.
    pub fn send(&mut self, transmission: Transmission<K, M>) -> u32 {
        self.sent += 1;
        self.on_way.insert(Some(Sent { transmission, stage: Stage::Up, order: self.sent }))
    }

    /// A message on its way.
    pub fn get(&self, number: u32) -> Option<&Transmission<K, M>> {
        self.on_way[number].as_ref().map(|sent| &sent.transmission)
    }

    /// Where it is.
    pub fn stage(&self, number: u32) -> Option<Stage> {
        self.on_way[number].as_ref().map(|sent| sent.stage)
    }

    /// Takes a message away.
    pub fn take(&mut self, number: u32) -> Option<Transmission<K, M>> {
        let sent = self.on_way[number].take()?;
        self.on_way.release(number);
        Some(sent.transmission)
    }

    /// Whether a message, or something before it in its stream, is not repeated any more.
    pub fn is_dead(&self, number: u32) -> bool {
        let is_dead = |sent: &Sent<K, M>| {
            let gap = self.gaps.get(&(sent.transmission.key, sent.transmission.way));
            gap.is_some_and(|gap| gap.is_dead(sent.order))
        };
        self.on_way[number].as_ref().is_some_and(is_dead)
    }

    /// Whether what would be sent next never arrives, for the same reason.
    pub fn is_given_up(&self, key: K, way: Direction) -> bool {
        self.gaps.get(&(key, way)).is_some_and(|gap| gap.is_dead(self.sent + 1))
    }

    /// A message joins the lines that it comes to now, until it has to wait in one.
    pub fn go_on(&mut self, number: u32, ends: Ends, faults: &[Fault], now: Timestamp) -> Moved {
        let Some(sent) = &mut self.on_way[number] else { return Moved::Until(now) };
        let way = sent.transmission.way;
        loop {
            let through = match self.pipes.at(sent.stage, way, ends, faults, now) {
                Some(pipe) => pipe.enter(now, sent.transmission.bytes),
                None => Some(now),
            };
            let Some(through) = through else { return Moved::Full };
            match sent.stage {
                Stage::Up => sent.stage = Stage::Link,
                Stage::Link => sent.stage = Stage::Fault,
                Stage::Fault => {
                    let lines_up = self.pipes.at(Stage::Down, way, ends, faults, now).is_some();
                    sent.stage = if lines_up { Stage::Down } else { Stage::Arrived };
                    return Moved::Leaves(through);
                }
                Stage::Down | Stage::Arrived => {
                    sent.stage = Stage::Arrived;
                    return Moved::Until(through);
                }
            }
            if through > now {
                return Moved::Until(through);
            }
        }
    }

    /// A message came to nothing: its sender's kernel repeats it when its timer runs out, and gives the connection up
    /// when it has done so too often. `closed`: its process has closed the connection meanwhile.
    pub fn repeat(&mut self, number: u32, retries: u8, closed: bool, now: Timestamp) -> Option<Repeated> {
        let Sent { transmission, stage, order } = self.on_way[number].as_mut()?;
        let Transmission { key, way, left, orphan, repetitions, .. } = transmission;
        let at = (*left + repetitions.timer()).max(now);
        // What was sent before its process closed the connection is not repeated for longer than it would have been.
        let gives_up = closed && !repetitions.clone().again(retries, true) || !repetitions.again(retries, *orphan);
        (*left, *stage) = (at, Stage::Up);
        let gap = self.gaps.entry((*key, *way)).or_default();
        gap.lose(*order);
        if !gives_up {
            return Some(Repeated::At(at));
        }
        gap.give_up(*order);
        Some(Repeated::GivenUp(at))
    }

    /// A message is there. Gives what can be read now, in order: nothing, while something before it is missing.
    pub fn arrive(&mut self, number: u32, mut read: impl FnMut(Transmission<K, M>)) {
        let Some(Sent { transmission: Transmission { key, way, .. }, order, .. }) = &self.on_way[number] else {
            return;
        };
        let place = (*key, *way);
        let Some(gap) = self.gaps.get_mut(&place) else { return self.take(number).into_iter().for_each(read) };
        let (ready, whole) = gap.fill(*order, number);
        if whole {
            self.gaps.remove(&place);
        }
        ready.into_values().filter_map(|number| self.take(number)).for_each(&mut read);
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either, and is taken away.
    pub fn stop_repeating(&mut self, key: K, way: Direction) -> Vec<Transmission<K, M>> {
        let sent = self.sent;
        let Some(gap) = self.gaps.get_mut(&(key, way)) else { return Vec::new() };
        gap.stop(sent).into_values().filter_map(|number| self.take(number)).collect()
    }

    /// What is sent from now on is no part of a stream that was given up.
    pub fn forget_gap(&mut self, key: K, way: Direction) {
        self.gaps.remove(&(key, way));
    }

    /// A connection is over: nothing waits for what is missing.
    pub fn forget(&mut self, key: K) {
        if !self.gaps.is_empty() {
            self.gaps.remove(&(key, Direction::ToServer));
            self.gaps.remove(&(key, Direction::ToClient));
        }
    }
}
