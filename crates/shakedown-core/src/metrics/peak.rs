//! The worst second: the largest amount within a second of the run's time.

use crate::time::Timestamp;

const SECOND: u64 = 1_000_000_000;

/// Amounts by second, of which the largest is kept, and the first and the last, so that peaks can be joined.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peak {
    /// The end of the current second, in nanoseconds; 0 before the first amount.
    end: u64,
    amount: u64,
    /// The end of the first second, and its amount, once it is over.
    first: Option<(u64, u64)>,
    highest: u64,
}

impl Peak {
    /// Adds an amount. Time does not go back.
    #[inline]
    pub(super) fn add(&mut self, now: Timestamp, amount: u64) {
        if now.0 >= self.end {
            self.turn(now);
        }
        self.amount += amount;
    }

    /// Adds `rate` for each nanosecond of a stretch of time.
    #[inline]
    pub(super) fn add_over(&mut self, from: Timestamp, until: Timestamp, rate: u64) {
        if until.0 <= self.end && from.0 >= self.end.saturating_sub(SECOND) {
            self.amount += rate * (until.0 - from.0);
        } else {
            self.add_seconds(from, until, rate);
        }
    }

    #[cold]
    #[inline(never)]
    fn add_seconds(&mut self, mut from: Timestamp, until: Timestamp, rate: u64) {
        while from < until {
            self.add(from, 0);
            let to = until.0.min(self.end);
            self.amount += rate * (to - from.0);
            from = Timestamp(to);
        }
    }

    /// Another second.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, now: Timestamp) {
        if self.end > 0 {
            self.first.get_or_insert((self.end, self.amount));
            self.highest = self.highest.max(self.amount);
        }
        self.end = (now.0 / SECOND + 1) * SECOND;
        self.amount = 0;
    }

    /// The largest amount of a second.
    pub(super) fn highest(&self) -> u64 {
        self.highest.max(self.amount)
    }

    /// Joins the peak of a later part of the run, which may begin within the last second of this one.
    pub(super) fn join(&mut self, later: &Peak) {
        if later.end == 0 {
            return;
        }
        if self.end == 0 {
            *self = *later;
            return;
        }
        let (first_end, first) = later.first.unwrap_or((later.end, later.amount));
        let shared = first_end == self.end;
        if shared {
            self.amount += first;
        }
        if later.first.is_none() && shared {
            return;
        }
        self.first.get_or_insert((self.end, self.amount));
        self.highest = self.highest.max(self.amount).max(later.highest);
        (self.end, self.amount) = (later.end, later.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    #[test]
    fn the_worst_second_is_one_of_the_run_s_seconds() {
        let mut peak = Peak::default();
        for at in [100, 900, 1_000, 1_500, 1_999, 2_000, 7_000, 7_100] {
            peak.add(ms(at), 1);
        }
        assert_eq!(peak.highest(), 3);
        assert_eq!(Peak::default().highest(), 0);
    }

    #[test]
    fn a_stretch_is_divided_among_its_seconds() {
        let mut peak = Peak::default();
        peak.add_over(ms(500), ms(2_250), 2);
        assert_eq!(peak.highest(), 2 * SECOND);
        let mut peak = Peak::default();
        peak.add_over(ms(600), ms(1_300), 1);
        peak.add_over(ms(1_400), ms(1_600), 1);
        assert_eq!(peak.highest(), 500_000_000);
    }

    /// Wherever a run is cut, its peak is the same.
    #[test]
    fn joined_parts_are_the_whole() {
        let moments = [0, 10, 300, 999, 1_000, 1_001, 1_400, 1_500, 1_700, 3_200, 3_300, 3_400, 3_500, 4_000, 9_999];
        let of = |moments: &[u64]| {
            let mut peak = Peak::default();
            moments.iter().for_each(|at| peak.add(ms(*at), 1));
            peak
        };
        let whole = of(&moments).highest();
        assert_eq!(whole, 5);
        for a in 0..moments.len() {
            for b in a..moments.len() {
                for c in b..moments.len() {
                    let mut joined = Peak::default();
                    for part in [&moments[..a], &moments[a..b], &moments[b..c], &moments[c..]] {
                        joined.join(&of(part));
                    }
                    assert_eq!(joined.highest(), whole, "{a} {b} {c}");
                }
            }
        }
    }
}
