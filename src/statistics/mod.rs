//! Statistics: means, medians, intervals and tests, each written once.
//!
//! There are two quantiles of Student's t on purpose: an exact one, and a series that is within 1 % of it, which the
//! recorded sweeps and the known answers were made with.

mod estimate;
mod paired;
mod queues;
mod spread;
mod student;

use libm::{exp, lgamma, sqrt};

pub(crate) use estimate::Estimate;
pub(crate) use paired::{Difference, Method};
pub(crate) use queues::{erlang_b, erlang_c, mean_wait};
pub(crate) use spread::Spread;
use student::student_quantile;

/// 97.5 % of the normal distribution lie below.
const Z_95: f64 = 1.959_963_985;
/// 99.95 % of it.
const Z_999: f64 = 3.290_526_731;

/// The mean; nothing without a value.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean and the variance (n - 1); the variance of one value is zero.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, if count > 1 { squares / (count - 1) as f64 } else { 0.0 })
}

/// The mean and the standard deviation (n - 1), which is exactly zero where all values are the same.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    // No rounding may make a difference of it.
    if values.iter().all(|value| *value == values[0]) {
        return (values[0], 0.0);
    }
    let (mean, variance) = mean_and_variance(values);
    (mean, sqrt(variance))
}

/// The median of sorted values: of an even number, half way between the two in the middle. Nothing without a value, or
/// where it is infinite.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let (a, b) = (*sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted[sorted.len() / 2]);
    Some(if a == b { a } else { a + (b - a) / 2.0 }).filter(|median| median.is_finite())
}

/// The median of values of which some never came: these are larger than any other.
pub(crate) fn median_or_never(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.map(|value| value.unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

/// The median that is one of the values: of an even number, the lower of the two in the middle.
pub(crate) fn lower_median<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// The least, the median (of an even number, the upper of the two in the middle) and the largest of unsorted values.
pub(crate) fn range(mut values: Vec<u32>) -> Option<(u32, u32, u32)> {
    values.sort_unstable();
    Some((*values.first()?, values[values.len() / 2], *values.last()?))
}

/// The mean of values and its 95 % confidence interval by Student's t; nothing without a value, no interval with one.
pub(crate) fn mean_interval(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let (mean, deviation) = mean_and_deviation(values.first().map(|_| values)?);
    let count = values.len() as f64;
    let off = student_quantile(0.975, (count - 1.0).max(1.0)) * deviation / sqrt(count);
    Some((mean, (values.len() > 1).then_some((mean - off, mean + off))))
}

/// Probabilities of several tests, each made so much larger that one mistake in all of them is as rare as one of them
/// alone would be (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979).
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        least = least.max((p[at] * (p.len() - rank) as f64).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

/// The share of seeds in which something happened, between what it may be with 95 % confidence (Wilson 1927).
pub(crate) fn share_interval(happened: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (of as f64, Z_95);
    let share = happened as f64 / n;
    let center = share + z * z / (2.0 * n);
    let off = z * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    let whole = 1.0 + z * z / n;
    let low = if happened == 0 { 0.0 } else { (center - off) / whole };
    let high = if happened == of { 1.0 } else { (center + off) / whole };
    (low, high)
}

/// Of `count` coins, the probability that `heads` show heads.
fn binomial(count: usize, heads: usize) -> f64 {
    let (n, k) = (count as f64, heads as f64);
    exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * std::f64::consts::LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, printed: f64, digit: f64) {
        assert!((value - printed).abs() <= digit, "{value} is not {printed}");
    }

    #[test]
    fn medians_are_between_the_middle_ones_or_one_of_them() {
        assert_eq!([median(&[1.0, 2.0]), median(&[1.0, 2.0, 4.0]), median(&[])], [Some(1.5), Some(2.0), None]);
        assert_eq!(median_or_never([None, Some(3.0), Some(1.0)].into_iter()), Some(3.0));
        assert_eq!(median_or_never([None, Some(3.0)].into_iter()), None);
        assert_eq!((lower_median(&[1, 2, 3, 4]), range(vec![4, 1, 3, 2])), (Some(2), Some((1, 3, 4))));
    }

    #[test]
    fn holm_is_that_of_the_textbook() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (value, printed) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            near(*value, printed, 1e-12);
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn wilsons_interval_is_that_of_the_tables() {
        let (low, high) = share_interval(10, 10);
        near(low, 0.7225, 0.0001);
        assert_eq!(high, 1.0);
        let (low, high) = share_interval(3, 10);
        near(low, 0.1078, 0.0001);
        near(high, 0.6032, 0.0001);
    }
}
