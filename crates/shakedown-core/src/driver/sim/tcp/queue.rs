//! The event queue: monotone, ordered by (time, sequence), with cancellation in constant time.
//!
//! A radix queue with 64 buckets per level: an item lies at the level of the highest base-64 digit in which its time
//! differs from the last time popped, in the bucket of that digit. Time never goes backward, so an item only ever moves
//! to lower levels, at most eleven times and mostly twice (the monotone radix heap of Ahuja, Mehlhorn, Orlin, Tarjan:
//! "Faster algorithms for the shortest path problem", JACM 1990; the levels are those of a hierarchical timing wheel).
//! Buckets are linked lists through one slab, so that the queue's memory is that of the most items ever pending, and
//! items of the same time stay in the order in which they were pushed: their sequence is never stored.

use crate::time::Timestamp;

const DIGIT: u32 = 6;
const BUCKETS: usize = 1 << DIGIT;
/// 11 digits of 6 bits cover 64 bits.
const LEVELS: usize = 11;
const NONE: u32 = u32::MAX;

/// A pending item, for [`Queue::cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle(u32);

impl Handle {
    /// Of no item.
    pub(crate) const NONE: Handle = Handle(NONE);
}

#[derive(Debug)]
struct Entry<T> {
    time: u64,
    item: T,
    next: u32,
    previous: u32,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    first: u32,
    last: u32,
    /// No item of it is earlier: the earliest that was ever put there since it was empty.
    earliest: u64,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { first: NONE, last: NONE, earliest: u64::MAX };
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    entries: Vec<Entry<T>>,
    /// First unused entry; unused ones are linked by `next`.
    free: u32,
    buckets: Box<[[Bucket; BUCKETS]; LEVELS]>,
    /// Which buckets of a level hold items.
    occupied: [u64; LEVELS],
    /// Which levels hold items.
    levels: u32,
    last: u64,
}

impl<T: Copy> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue {
            entries: Vec::new(),
            free: NONE,
            buckets: Box::new([[Bucket::EMPTY; BUCKETS]; LEVELS]),
            occupied: [0; LEVELS],
            levels: 0,
            last: 0,
        }
    }
}

impl<T: Copy> Queue<T> {
    /// Adds an item.
    ///
    /// # Panics
    /// When `at` is before the last time popped: time never goes backward.
    pub(crate) fn push(&mut self, at: Timestamp, item: T) -> Handle {
        assert!(at.0 >= self.last, "time goes backward: {} before {}", at.0, self.last);
        let entry = Entry { time: at.0, item, next: NONE, previous: NONE };
        let index = if self.free == NONE {
            self.entries.push(entry);
            (self.entries.len() - 1) as u32
        } else {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = entry;
            index
        };
        self.link(index);
        Handle(index)
    }

    /// When a pending item is due.
    pub(crate) fn time(&self, handle: Handle) -> Timestamp {
        Timestamp(self.entries[handle.0 as usize].time)
    }

    /// Takes a pending item out. The handle must be of an item that is still pending.
    pub(crate) fn cancel(&mut self, handle: Handle) {
        self.unlink(handle.0);
        self.release(handle.0);
    }

    /// Takes the earliest item that is due by `until`; of several at the same time, the one that was pushed first.
    #[inline]
    pub(crate) fn pop(&mut self, until: Timestamp) -> Option<(Timestamp, T)> {
        while self.levels != 0 {
            let level = self.levels.trailing_zeros() as usize;
            let digit = self.occupied[level].trailing_zeros() as usize;
            let bucket = self.buckets[level][digit];
            // Time may go on to `until`, and not beyond: something may still be pushed there.
            if bucket.earliest > until.0 {
                return None;
            }
            if level == 0 || bucket.first == bucket.last {
                // All of a lowest bucket are at the same time; a lone item is the earliest wherever it lies.
                let index = bucket.first;
                let Entry { time, item, next, .. } = self.entries[index as usize];
                if time > until.0 {
                    return None;
                }
                if next == NONE {
                    self.buckets[level][digit] = Bucket::EMPTY;
                    self.vacate(level, digit);
                } else {
                    self.buckets[level][digit].first = next;
                    self.entries[next as usize].previous = NONE;
                }
                self.last = time;
                self.release(index);
                return Some((Timestamp(time), item));
            }
            self.last = bucket.earliest;
            self.spread(level, digit);
        }
        None
    }

    /// Moves a bucket's items to lower levels, now that `last` is its earliest time. Those of that very time, often all,
    /// go to the lowest level at once.
    fn spread(&mut self, level: usize, digit: usize) {
        let mut index = self.buckets[level][digit].first;
        self.buckets[level][digit] = Bucket::EMPTY;
        self.vacate(level, digit);
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    fn place(&self, time: u64) -> (usize, usize) {
        let level = (63 - ((time ^ self.last) | 1).leading_zeros()) / DIGIT;
        let digit = (time >> (level * DIGIT)) as usize % BUCKETS;
        (level as usize, digit)
    }

    fn link(&mut self, index: u32) {
        let time = self.entries[index as usize].time;
        let (level, digit) = self.place(time);
        let bucket = &mut self.buckets[level][digit];
        let last = bucket.last;
        bucket.last = index;
        bucket.earliest = bucket.earliest.min(time);
        if last == NONE {
            bucket.first = index;
            self.occupied[level] |= 1 << digit;
            self.levels |= 1 << level;
        } else {
            self.entries[last as usize].next = index;
        }
        let entry = &mut self.entries[index as usize];
        entry.previous = last;
        entry.next = NONE;
    }

    fn unlink(&mut self, index: u32) {
        let Entry { time, next, previous, .. } = self.entries[index as usize];
        let (level, digit) = self.place(time);
        let bucket = &mut self.buckets[level][digit];
        match previous {
            NONE => bucket.first = next,
            previous => self.entries[previous as usize].next = next,
        }
        match next {
            NONE => bucket.last = previous,
            next => self.entries[next as usize].previous = previous,
        }
        if bucket.first == NONE {
            *bucket = Bucket::EMPTY;
            self.vacate(level, digit);
        }
    }

    fn vacate(&mut self, level: usize, digit: usize) {
        self.occupied[level] &= !(1 << digit);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    fn release(&mut self, index: u32) {
        self.entries[index as usize].next = self.free;
        self.free = index;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        /// Push this much after the last time popped.
        Push(u64),
        /// Pop what is due by this much after the last time popped.
        Pop(u64),
        /// Cancel one of the pending.
        Cancel(prop::sample::Index),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let delay = prop_oneof![0..3u64, 0..5_000u64, any::<u32>().prop_map(u64::from), 0..u64::MAX / 512];
        let step = prop_oneof![
            5 => delay.clone().prop_map(Step::Push),
            3 => Just(Step::Pop(u64::MAX / 2)),
            2 => delay.clone().prop_map(Step::Pop),
            1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Against the obvious implementation: a map ordered by (time, sequence).
        #[test]
        fn pops_in_order_of_time_and_sequence(steps in steps()) {
            let mut queue = Queue::default();
            let mut model = BTreeMap::new();
            let mut now = 0;
            for (sequence, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Push(delay) => {
                        let at = now + delay;
                        let handle = queue.push(Timestamp(at), sequence);
                        model.insert((at, sequence), handle);
                    }
                    Step::Pop(within) => {
                        let until = now + within;
                        let due = model.first_key_value().is_some_and(|((at, _), _)| *at <= until);
                        let first = due.then(|| model.pop_first()).flatten();
                        let expected = first.map(|((at, sequence), _)| (Timestamp(at), sequence));
                        prop_assert_eq!(queue.pop(Timestamp(until)), expected);
                        now = expected.map_or(if model.is_empty() { now } else { until }, |(at, _)| at.0);
                    }
                    Step::Cancel(which) if !model.is_empty() => {
                        let key = *model.keys().nth(which.index(model.len())).unwrap();
                        queue.cancel(model.remove(&key).unwrap());
                    }
                    Step::Cancel(_) => {}
                }
            }
            while let Some(((at, sequence), _)) = model.pop_first() {
                prop_assert_eq!(queue.pop(Timestamp::NEVER), Some((Timestamp(at), sequence)));
            }
            prop_assert_eq!(queue.pop(Timestamp::NEVER), None);
        }
    }

    #[test]
    #[should_panic(expected = "time goes backward")]
    fn time_never_goes_backward() {
        let mut queue = Queue::default();
        queue.push(Timestamp(10), ());
        queue.pop(Timestamp::NEVER);
        queue.push(Timestamp(9), ());
    }
}
