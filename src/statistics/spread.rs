//! The spread of a metric over many seeds.

use super::student::student_quantile_95;
use super::{mean_and_variance, median_or_never};

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
    /// Between these the median lies with 95 % confidence, whatever the distribution: the values of rank
    /// (n ∓ 1.96 √n) / 2 (Conover, "Practical Nonparametric Statistics", section 3.2). Fewer than six runs give less.
    pub low: Option<f64>,
    /// The upper end of that.
    pub high: Option<f64>,
    /// The largest value; none where a run has none.
    pub max: Option<f64>,
    /// The mean, and how far off it may be with 95 % confidence (Student's t); none where a run has no value.
    pub mean: Option<(f64, f64)>,
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
        let reach = ((runs as f64 - 1.96 * (runs as f64).sqrt()) / 2.0).max(0.0) as usize;
        let mean = || {
            let (mean, variance) = mean_and_variance(&have);
            let off = |runs: f64| student_quantile_95(runs - 1.0) * (variance / runs).sqrt();
            (mean, if runs > 1 { off(runs as f64) } else { f64::INFINITY })
        };
        Spread {
            runs,
            without,
            min: at(0),
            median: median_or_never(have.iter().copied().map(Some).chain(std::iter::repeat_n(None, without))),
            low: at(reach),
            high: runs.checked_sub(1 + reach).and_then(at),
            max: runs.checked_sub(1).and_then(at),
            mean: (without == 0 && runs > 0).then(mean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_value_is_the_largest() {
        let spread = Spread::of([Some(3.0), None, Some(1.0)].into_iter());
        assert_eq!((spread.min, spread.median, spread.max, spread.mean), (Some(1.0), Some(3.0), None, None));
        let none = Spread::of([None, None].into_iter());
        assert_eq!((none.without, none.median), (2, None));
        assert_eq!(Spread::of(std::iter::empty()).median, None);
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_tables() {
        let spread = Spread::of((1..=100).map(|n| Some(f64::from(n))));
        assert_eq!((spread.median, spread.low, spread.high), (Some(50.5), Some(41.0), Some(60.0)));
        let (mean, off) = spread.mean.unwrap();
        assert!((mean - 50.5).abs() < 1e-9 && (off - 5.757).abs() < 0.01, "{mean} {off}");
    }
}
