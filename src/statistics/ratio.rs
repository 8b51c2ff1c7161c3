//! How many times as large a second sample is as a first one, with a confidence interval.
//!
//! Of two means, the interval is Fieller's ("Some Problems in Interval Estimation", JRSS B 16, 1954): the factors by which
//! the first may be multiplied without a t-test telling it from the second. Where a value is infinite there is no mean:
//! the median of the ratios within seeds then has the interval of the sign test.

use libm::sqrt;
use serde::{Deserialize, Serialize};

use super::moments::mean_and_deviation;
use super::order::{median, median_ranks};
use super::paired::Method;
use super::student::student_quantile;

/// Below so many pairs, differences that are all the same may be luck, and no interval of them covers 95 %.
pub(crate) const LEAST: usize = 4;

/// The second as a multiple of the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// How it was looked at.
    pub method: Method,
    /// Over how many pairs (Welch: values of the one that has fewer).
    pub seeds: usize,
    /// The ratio of the means, or the median ratio; none where it is infinite, or of nothing to nothing.
    pub typical: Option<f64>,
    /// The lower end of its 95 % confidence interval; none: it may be anything.
    pub low: Option<f64>,
    /// The upper end; none: without bound.
    pub high: Option<f64>,
}

impl Ratio {
    /// Of pairs of the same seeds' values, none of which is negative or NaN; what is infinite never came. Nothing of fewer than
    /// [`LEAST`].
    pub fn paired(pairs: &[(f64, f64)]) -> Option<Ratio> {
        let count = pairs.len();
        if count < LEAST {
            return None;
        }
        if pairs.iter().any(|(first, second)| first.is_infinite() || second.is_infinite()) {
            return Some(Ratio::of_medians(pairs));
        }
        let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let ((a, s), (b, t)) = (mean_and_deviation(&first), mean_and_deviation(&second));
        let together = pairs.iter().map(|(first, second)| (first - a) * (second - b)).sum::<f64>();
        let freedom = count as f64 - 1.0;
        let of_mean = |sum: f64| sum / count as f64;
        let quantile = student_quantile(0.975, freedom);
        let variances = [of_mean(s * s), of_mean(t * t), of_mean(together / freedom)];
        Some(Ratio::of_means(Method::PairedT, count, [a, b], variances, quantile))
    }

    /// Of two samples that have no seed in common. Nothing where one of them has fewer than [`LEAST`] values, or an infinite
    /// one.
    pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Ratio> {
        let least = first.len().min(second.len());
        if least < LEAST || first.iter().chain(second).any(|value| !value.is_finite()) {
            return None;
        }
        let ((a, s), (b, t)) = (mean_and_deviation(first), mean_and_deviation(second));
        let variances = [s * s / first.len() as f64, t * t / second.len() as f64, 0.0];
        // The fewest degrees of freedom that Welch's approximation can have: an interval that is rather too wide.
        let quantile = student_quantile(0.975, least as f64 - 1.0);
        Some(Ratio::of_means(Method::Welch, least, [a, b], variances, quantile))
    }

    /// Of means with their variances and covariance.
    fn of_means(method: Method, seeds: usize, [a, b]: [f64; 2], variances: [f64; 3], quantile: f64) -> Ratio {
        let square = quantile * quantile;
        let [vaa, vbb, vab] = variances;
        // The factors x for which (b - xa)² = t² (vbb - 2x vab + x² vaa).
        let (p, q, r) = (a * a - square * vaa, a * b - square * vab, b * b - square * vbb);
        let root = sqrt((q * q - p * r).max(0.0));
        let ends = (p > 0.0).then(|| [(q - root) / p, (q + root) / p].map(|end| end.max(0.0)));
        // What is nothing with every seed has no ratios: whatever is there is more.
        let more_than_nothing = a == 0.0 && vaa == 0.0 && b - quantile * sqrt(vbb) > 0.0;
        let nothing = a == 0.0 && b == 0.0;
        Ratio {
            method,
            seeds,
            typical: if nothing { Some(1.0) } else { Some(b / a).filter(|ratio| ratio.is_finite()) },
            low: match ends {
                Some([low, _]) => Some(low),
                None if nothing => Some(1.0),
                None => more_than_nothing.then_some(f64::MAX),
            },
            high: if nothing { Some(1.0) } else { ends.map(|[_, high]| high) },
        }
    }

    fn of_medians(pairs: &[(f64, f64)]) -> Ratio {
        let ratio = |(first, second): &(f64, f64)| if first == second { 1.0 } else { second / first };
        let mut ratios: Vec<f64> = pairs.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let count = ratios.len();
        let reach = median_ranks(count).filter(|(_, coverage)| *coverage >= 0.95).map(|(reach, _)| reach);
        Ratio {
            method: Method::Sign,
            seeds: count,
            typical: median(&ratios),
            // A factor that is surely infinite is beyond every bound.
            low: reach.map(|reach| ratios[reach].min(f64::MAX)),
            high: reach.map(|reach| ratios[count - 1 - reach]).filter(|high| high.is_finite()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paired::Difference;
    use super::*;

    fn near(value: Option<f64>, expected: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{value} is not {expected}");
    }

    /// An end of the interval is the factor at which the t-test of the differences just tells nothing: one of its own ends is
    /// zero there.
    #[test]
    fn the_interval_is_the_t_tests() {
        let first = [10.0, 12.0, 9.0, 11.0, 10.5, 13.0, 8.0, 10.0];
        let second = [11.0, 12.5, 10.0, 11.0, 12.5, 13.5, 8.5, 11.0];
        let pairs: Vec<(f64, f64)> = first.into_iter().zip(second).collect();
        let ratio = Ratio::paired(&pairs).unwrap();
        near(ratio.typical, second.iter().sum::<f64>() / first.iter().sum::<f64>());
        let scaled = |factor: f64| -> Difference {
            let pairs: Vec<(f64, f64)> = pairs.iter().map(|(first, second)| (first * factor, *second)).collect();
            Difference::paired(&pairs).unwrap()
        };
        let (low, high) = (ratio.low.unwrap(), ratio.high.unwrap());
        assert!(low < ratio.typical.unwrap() && ratio.typical.unwrap() < high);
        near(scaled(low).low, 0.0);
        near(scaled(high).high, 0.0);
    }

    #[test]
    fn what_never_comes_is_beyond_every_bound() {
        let never = f64::INFINITY;
        let ratio = Ratio::paired(&[(1.0, never); 8]).unwrap();
        assert_eq!((ratio.method, ratio.typical, ratio.high), (Method::Sign, None, None));
        assert!(ratio.low.unwrap() > 1e300);
        let both = Ratio::paired(&[(never, never); 8]).unwrap();
        assert_eq!((both.typical, both.low, both.high), (Some(1.0), Some(1.0), Some(1.0)));
        // Of five pairs, no interval of their median covers 95 %.
        assert_eq!(Ratio::paired(&[(1.0, never); 5]).unwrap().low, None);
    }

    #[test]
    fn few_and_nothing_tell_what_they_can() {
        assert_eq!(Ratio::paired(&[(1.0, 2.0); 3]), None);
        let same = Ratio::paired(&[(2.0, 3.0); 4]).unwrap();
        assert_eq!((same.typical, same.low, same.high), (Some(1.5), Some(1.5), Some(1.5)));
        let nothing = Ratio::paired(&[(0.0, 0.0); 4]).unwrap();
        assert_eq!((nothing.typical, nothing.low, nothing.high), (Some(1.0), Some(1.0), Some(1.0)));
        let some = Ratio::paired(&[(0.0, 3.0), (0.0, 4.0), (0.0, 3.0), (0.0, 4.0)]).unwrap();
        assert!(some.typical.is_none() && some.low == Some(f64::MAX) && some.high.is_none(), "{some:?}");
        let hardly = Ratio::paired(&[(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 1.0)]).unwrap();
        assert_eq!((hardly.low, hardly.high), (None, None));
        // A first that can't be told from nothing has no bound.
        let unsure = Ratio::paired(&[(0.0, 5.0), (9.0, 5.0), (0.0, 6.0), (1.0, 7.0)]).unwrap();
        assert_eq!((unsure.low, unsure.high), (None, None));
        let apart = Ratio::unpaired(&[1.0, 1.1, 0.9, 1.0], &[2.0, 2.2, 1.8, 2.0]).unwrap();
        assert!(apart.method == Method::Welch && apart.low.unwrap() > 1.5 && apart.high.unwrap() < 2.5, "{apart:?}");
    }
}
