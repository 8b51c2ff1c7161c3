//! Random choices, each a function of a seed and its place in the order of choices: the project's own keyed generator.

use shakedown::rng::{Identity, Purpose, Seed};

/// The choices of one scenario or one mutation.
pub(crate) struct Draw {
    seed: Seed,
    next: u64,
}

impl Draw {
    /// Of a seed.
    pub(crate) fn new(seed: u64) -> Draw {
        Draw { seed: Seed(seed), next: 0 }
    }

    /// A whole number below `count`; zero of none.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.next += 1;
        self.seed.draw(Identity::group("random scenarios"), Purpose::Chaos, self.next).below(count.max(1) as u64)
            as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several.
    pub(crate) fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// One of several texts.
    pub(crate) fn word(&mut self, all: &[&str]) -> String {
        self.pick(all).to_string()
    }
}
