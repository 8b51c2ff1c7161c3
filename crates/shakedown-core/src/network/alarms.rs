//! One due time for each of many connections, in order.

use std::collections::BTreeSet;

use crate::time::Timestamp;

/// Due times of connections, by their numbers. A connection has one at most. Empty where none was ever set.
#[derive(Debug, Default)]
pub struct Alarms {
    of: Vec<Timestamp>,
    queue: BTreeSet<(Timestamp, u32)>,
}

impl Alarms {
    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Sets the due time of a connection; `NEVER`: none.
    pub fn set(&mut self, connection: u32, at: Timestamp) {
        let place = connection as usize;
        if place >= self.of.len() {
            if at == Timestamp::NEVER {
                return;
            }
            self.of.resize(place + 1, Timestamp::NEVER);
        }
        let before = std::mem::replace(&mut self.of[place], at);
        if before != at {
            self.queue.remove(&(before, connection));
            if at != Timestamp::NEVER {
                self.queue.insert((at, connection));
            }
        }
    }

    /// The due time of a connection; `NEVER`: none.
    pub fn of(&self, connection: u32) -> Timestamp {
        self.of.get(connection as usize).copied().unwrap_or(Timestamp::NEVER)
    }

    /// Sets an earlier due time; a later one is no change.
    pub fn set_earlier(&mut self, connection: u32, at: Timestamp) {
        if at < self.of(connection) {
            self.set(connection, at);
        }
    }

    /// The earliest, and whose it is.
    pub fn first(&self) -> Option<(Timestamp, u32)> {
        self.queue.first().copied()
    }

    /// One that is due by now: it is not set any more.
    pub fn take(&mut self, now: Timestamp) -> Option<u32> {
        let (_, connection) = self.first().filter(|(at, _)| *at <= now)?;
        self.set(connection, Timestamp::NEVER);
        Some(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_time_and_the_earliest_is_first() {
        let mut alarms = Alarms::default();
        for (connection, at) in [(3, 30), (1, 10), (3, 5), (2, 20), (1, 40)] {
            alarms.set(connection, Timestamp(at));
        }
        alarms.set_earlier(2, Timestamp(25));
        alarms.set_earlier(1, Timestamp(39));
        assert_eq!(alarms.first(), Some((Timestamp(5), 3)));
        assert_eq!(alarms.take(Timestamp(4)), None);
        let taken: Vec<u32> = std::iter::from_fn(|| alarms.take(Timestamp(39))).collect();
        assert_eq!((taken, alarms.is_empty()), (vec![3, 2, 1], true));
    }
}
