//! What is due, and the loop's sleep until then.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use shakedown_core::time::Timestamp;
use tokio::sync::Notify;

/// The loop's sleep.
#[derive(Debug, Default)]
pub(crate) struct Sleep {
    /// Told when something is due earlier than the loop wakes.
    pub notify: Notify,
    until: Cell<Timestamp>,
}

impl Sleep {
    /// The loop sleeps from now on, until then.
    pub(crate) fn begin(&self, until: Timestamp) {
        self.until.set(until);
    }

    /// It works.
    pub(crate) fn end(&self) {
        self.until.set(Timestamp::ZERO);
    }
}

/// What is due, in order of time, and of equal times in the order in which it came.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    due: BinaryHeap<Reverse<(Timestamp, u64, T)>>,
    pushed: u64,
    sleep: Rc<Sleep>,
}

impl<T: Ord> Schedule<T> {
    pub(crate) fn new(sleep: &Rc<Sleep>) -> Schedule<T> {
        Schedule { due: BinaryHeap::new(), pushed: 0, sleep: Rc::clone(sleep) }
    }

    /// Something is due at a moment.
    pub(crate) fn push(&mut self, at: Timestamp, item: T) {
        self.pushed += 1;
        self.due.push(Reverse((at, self.pushed, item)));
        if at < self.sleep.until.get() {
            self.sleep.until.set(at);
            self.sleep.notify.notify_one();
        }
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Timestamp {
        self.due.peek().map_or(Timestamp::NEVER, |Reverse((at, ..))| *at)
    }

    /// The next thing, and when it was due.
    pub(crate) fn pop(&mut self) -> Option<(Timestamp, T)> {
        self.due.pop().map(|Reverse((at, _, item))| (at, item))
    }
}
