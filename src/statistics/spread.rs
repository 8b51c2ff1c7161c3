//! The spread of a metric over many seeds.

use super::moments::mean_interval;
use super::order::{median_or_never, median_ranks};

/// A metric over the runs of a cell. A run without a value counts as larger than any: a fleet that never recovered must
/// not make the recovery time look better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many runs.
    pub runs: usize,
    /// How many of them have no value.
    pub without: usize,
    /// The smallest value.
    pub min: Option<f64>,
    /// The middle one.
    pub median: Option<f64>,
    /// From this value on the median of all seeds lies, with the confidence that `coverage` is; none where a run has none.
    pub low: Option<f64>,
    /// Up to this value.
    pub high: Option<f64>,
    /// How likely an interval made like this one has the median of all seeds in it, whatever the distribution: at least
    /// 95 % from six runs on, and less with fewer; none with one run, which can't tell.
    pub coverage: Option<f64>,
    /// The largest value; none where a run has none.
    pub max: Option<f64>,
    /// The mean, and the ends of its 95 % confidence interval (Student's t); none where a run has no value, no interval with
    /// one run.
    pub mean: Option<(f64, Option<(f64, f64)>)>,
}

impl Spread {
    /// Of these values.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Spread {
        let (mut have, mut without) = (Vec::new(), 0);
        for value in values {
            match value {
                Some(value) => have.push(value),
                None => without += 1,
            }
        }
        have.sort_by(f64::total_cmp);
        let runs = have.len() + without;
        let at = |rank: usize| have.get(rank).copied();
        let ranks = median_ranks(runs);
        Spread {
            runs,
            without,
            min: at(0),
            median: median_or_never(have.iter().copied().map(Some).chain(std::iter::repeat_n(None, without))),
            low: ranks.and_then(|(reach, _)| at(reach)),
            high: ranks.and_then(|(reach, _)| at(runs - 1 - reach)),
            coverage: ranks.map(|(_, coverage)| coverage),
            max: runs.checked_sub(1).and_then(at),
            mean: if without == 0 { mean_interval(&have) } else { None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Identity, Purpose, Seed};

    #[test]
    fn a_run_without_a_value_is_the_largest() {
        let spread = Spread::of([Some(3.0), None, Some(1.0)].into_iter());
        assert_eq!((spread.min, spread.median, spread.max, spread.mean), (Some(1.0), Some(3.0), None, None));
        assert_eq!((spread.low, spread.high, spread.coverage), (Some(1.0), None, Some(0.75)));
        let none = Spread::of([None, None].into_iter());
        assert_eq!((none.without, none.median), (2, None));
        let nothing = Spread::of(std::iter::empty());
        assert_eq!((nothing.median, nothing.low, nothing.coverage), (None, None, None));
        let one = Spread::of([Some(7.0)].into_iter());
        assert_eq!((one.median, one.low, one.mean), (Some(7.0), None, Some((7.0, None))));
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_tables() {
        let spread = Spread::of((1..=100).map(|n| Some(f64::from(n))));
        assert_eq!((spread.median, spread.low, spread.high), (Some(50.5), Some(40.0), Some(61.0)));
        let (mean, interval) = spread.mean.unwrap();
        let (low, high) = interval.unwrap();
        assert!((mean - 50.5).abs() < 1e-9 && (high - low - 2.0 * 5.757).abs() < 0.01, "{mean}: {low} to {high}");
    }

    /// Lopsided values, as latencies are: the interval covers their median as often as it says, within what so many trials
    /// tell; and it stays in order, with the median in it.
    #[test]
    fn intervals_cover_what_they_say() {
        const TRIALS: u64 = 2_000;
        for count in [2, 3, 4, 5, 6, 7, 10, 20] {
            let (mut median, mut says, mut mean) = (0.0, 0.0, 0.0);
            for trial in 0..TRIALS {
                let draw = |n| Seed(trial).draw(Identity(count), Purpose::Service, n);
                let spread = Spread::of((0..count).map(|n| Some(draw(n).exponential())));
                let (low, middle, high) = (spread.low.unwrap(), spread.median.unwrap(), spread.high.unwrap());
                assert!(spread.min.unwrap() <= low && low <= middle && middle <= high && high <= spread.max.unwrap());
                says = spread.coverage.unwrap();
                median += f64::from(u8::from((low..=high).contains(&std::f64::consts::LN_2)));
                let spread = Spread::of((0..count).map(|n| Some(draw(n).normal())));
                let (low, high) = spread.mean.unwrap().1.unwrap();
                mean += f64::from(u8::from((low..=high).contains(&0.0)));
            }
            let near = |covered: f64, says: f64| {
                let error = (says * (1.0 - says) / TRIALS as f64).sqrt();
                assert!((covered / TRIALS as f64 - says).abs() < 4.0 * error, "{count}: {covered} of {TRIALS}, {says}");
            };
            near(median, says);
            // The other one is exact where values are normal.
            near(mean, 0.95);
        }
    }
}
