//! Differences between runs with the same seeds, with confidence intervals.
//!
//! Where every run has a value, the mean difference has Student's interval for paired values: few seeds are enough for
//! it, and nothing has to be drawn. (A bootstrap, BCa included, covers less than it says below some twenty values:
//! Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015.) Where a run has
//! no finite value, as for a session that never opened, there is no mean: the median difference then has the interval of the
//! sign test, which compares only which of two values is larger.
//!
//! Counts, and values that lie in two heaps, differ by the same in each of a few seeds by luck. Student's t takes that for
//! certain. So no probability is less than such luck may have: [`rarest`].

use libm::{exp, lgamma, sqrt};
use serde::{Deserialize, Serialize};

use super::counted::binomial;
use super::moments::mean_and_deviation;
use super::order::{median, median_ranks};
use super::student::{student_quantile, student_tails};

/// How a difference was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Mean of the differences within seeds, Student's t.
    PairedT,
    /// Median of the differences within seeds, sign test: some values are infinite.
    Sign,
    /// Difference of two means, Welch's t: the two have no seeds in common.
    Welch,
}

/// How a second choice differs from a first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// How it was looked at.
    pub method: Method,
    /// Over how many seeds (Welch: of the one that has fewer).
    pub seeds: usize,
    /// With how many of them the second is larger.
    pub larger: usize,
    /// With how many it is smaller.
    pub smaller: usize,
    /// The mean or the median difference, second minus first; none where it is infinite.
    pub typical: Option<f64>,
    /// The lower end of its 95 % confidence interval; none: without bound.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// The difference as a share of the first one's mean.
    pub relative: Option<f64>,
    /// How likely a difference so large is if there is none; none where a single seed can't tell.
    pub p: Option<f64>,
}

impl Difference {
    /// Of pairs of the same seeds' values, none of which is NaN; what is infinite never came. Nothing without a pair.
    pub fn paired(pairs: &[(f64, f64)]) -> Option<Difference> {
        if pairs.is_empty() {
            return None;
        }
        // For ever and for ever differ by nothing that can be told.
        let of = |(first, second): &(f64, f64)| if first == second { 0.0 } else { second - first };
        let mut differences: Vec<f64> = pairs.iter().map(of).collect();
        let larger = differences.iter().filter(|difference| **difference > 0.0).count();
        let smaller = differences.iter().filter(|difference| **difference < 0.0).count();
        let count = differences.len();
        let finite = pairs.iter().all(|(first, second)| first.is_finite() && second.is_finite());
        let base = Difference {
            method: Method::PairedT,
            seeds: count,
            larger,
            smaller,
            typical: None,
            low: None,
            high: None,
            relative: None,
            p: None,
        };
        if finite {
            let (first, size) = pairs.iter().fold((0.0, 0.0_f64), |(sum, size), (first, second)| {
                (sum + first, size.max(first.abs()).max(second.abs()))
            });
            let (mean, deviation) = mean_and_deviation(&differences);
            // What differs in the last digits only is the same.
            let deviation = if deviation > size * 1e-12 { deviation } else { 0.0 };
            let base = Difference { relative: (first > 0.0).then(|| mean * count as f64 / first), ..base };
            return Some(base.with_mean(mean, deviation / sqrt(count as f64), count as f64 - 1.0, rarest(count)));
        }
        differences.sort_by(f64::total_cmp);
        let known = |value: f64| Some(value).filter(|value| value.is_finite());
        let reach = median_ranks(count).filter(|(_, coverage)| *coverage >= 0.95).map(|(reach, _)| reach);
        Some(Difference {
            method: Method::Sign,
            typical: median(&differences),
            low: reach.and_then(|reach| known(differences[reach])),
            high: reach.and_then(|reach| known(differences[count - 1 - reach])),
            p: (count > 1).then(|| sign_test(larger, smaller)),
            ..base
        })
    }

    /// Of two samples without a seed in common. Nothing where one of them is empty or has an infinite value.
    pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Difference> {
        let least = first.len().min(second.len());
        if least == 0 || first.iter().chain(second).any(|value| !value.is_finite()) {
            return None;
        }
        let ((a, s), (b, t)) = (mean_and_deviation(first), mean_and_deviation(second));
        let (u, v) = (s * s / first.len() as f64, t * t / second.len() as f64);
        let base = Difference {
            method: Method::Welch,
            seeds: least,
            larger: 0,
            smaller: 0,
            typical: Some(b - a),
            low: None,
            high: None,
            relative: (a > 0.0).then(|| (b - a) / a),
            p: None,
        };
        if least < 2 {
            return Some(base);
        }
        // Of all ways to share the values out, two are as far apart as samples that do not overlap.
        let log_factorial = |count: usize| lgamma(count as f64 + 1.0);
        let ways = log_factorial(first.len() + second.len()) - log_factorial(first.len()) - log_factorial(second.len());
        let rarest = 2.0 * exp(-ways);
        let below = |count: usize| count as f64 - 1.0;
        // Welch and Satterthwaite.
        let freedom = (u + v) * (u + v) / (u * u / below(first.len()) + v * v / below(second.len()));
        let freedom = if freedom.is_nan() { below(least) } else { freedom };
        Some(base.with_mean(b - a, sqrt(u + v), freedom, rarest))
    }

    /// The same with this mean. Without freedom nothing is said of how far off it may be; nor where there is no variation in
    /// too few seeds.
    fn with_mean(self, mean: f64, error: f64, freedom: f64, rarest: f64) -> Difference {
        let typical = Some(mean);
        let p = match (mean == 0.0, error == 0.0) {
            _ if freedom < 1.0 => None,
            (true, _) => Some(1.0),
            (false, true) => Some(rarest),
            (false, false) => Some(student_tails(mean / error, freedom).max(rarest)),
        };
        let off = match error == 0.0 {
            _ if freedom < 1.0 => None,
            true => (rarest <= 0.05).then_some(0.0),
            false => Some(error * student_quantile(0.975, freedom)),
        };
        Difference { typical, low: off.map(|off| mean - off), high: off.map(|off| mean + off), p, ..self }
    }

    /// Which of the two is larger: the second if above zero.
    pub fn direction(&self) -> f64 {
        self.typical.unwrap_or(self.larger as f64 - self.smaller as f64)
    }
}

/// The most that luck gives to differences that are the same in so many seeds: of two runs whose values come from one
/// distribution, no difference but zero has more than a quarter. (Values that differ by it make chains, and a product of
/// what falls on their odd links and on their even ones is the most there can be.)
fn rarest(count: usize) -> f64 {
    libm::pow(0.25, count as f64 - 1.0)
}

/// How likely it is that coins fall so unevenly.
fn sign_test(larger: usize, smaller: usize) -> f64 {
    let (all, few) = (larger + smaller, larger.min(smaller));
    let below: f64 = (0..=few).map(|at| binomial(all, at)).sum();
    (2.0 * below).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, printed: f64, digit: f64) {
        assert!((value - printed).abs() <= digit, "{value} is not {printed}");
    }

    /// Student's own example: ten patients, hours of sleep gained with one drug and with another ("The Probable Error of a
    /// Mean", Biometrika 1908).
    #[test]
    fn students_sleepers_come_out_as_he_found() {
        let one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let two = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let pairs: Vec<(f64, f64)> = one.into_iter().zip(two).collect();
        let difference = Difference::paired(&pairs).unwrap();
        assert_eq!((difference.method, difference.larger, difference.smaller), (Method::PairedT, 9, 0));
        near(difference.typical.unwrap(), 1.58, 1e-9);
        near(difference.low.unwrap(), 0.7001, 0.0001);
        near(difference.high.unwrap(), 2.4599, 0.0001);
        near(difference.p.unwrap(), 0.002_833, 0.000_001);
        let unpaired = Difference::unpaired(&one, &two).unwrap();
        near(unpaired.p.unwrap(), 0.079_39, 0.000_01);
    }

    #[test]
    fn what_never_came_is_larger_than_anything_and_has_no_mean() {
        let never = f64::INFINITY;
        let pairs = [(1.0, never), (2.0, never), (3.0, never), (1.0, 4.0), (2.0, never), (5.0, never)];
        let difference = Difference::paired(&pairs).unwrap();
        assert_eq!((difference.method, difference.larger, difference.typical), (Method::Sign, 6, None));
        // Six of six: 2 / 2^6; and the interval goes from the least difference on.
        near(difference.p.unwrap(), 0.031_25, 1e-12);
        assert_eq!((difference.low, difference.high), (Some(3.0), None));
        // Never here and never there says nothing.
        let both = Difference::paired(&[(never, never), (never, never)]).unwrap();
        assert_eq!((both.larger, both.smaller, both.p, both.typical), (0, 0, Some(1.0), Some(0.0)));
    }

    #[test]
    fn one_seed_says_nothing_about_others() {
        let one = Difference::paired(&[(1.0, 2.0)]).unwrap();
        assert_eq!((one.typical, one.low, one.p), (Some(1.0), None, None));
        assert_eq!(Difference::paired(&[]), None);
    }

    /// Two heaps of values that are as likely: three runs of one differ from three of the other by the same, or nearly, one
    /// time in thirty, and two one time in eight.
    #[test]
    fn the_same_difference_in_few_seeds_is_not_certain() {
        for pairs in [[(1.0, 1.1), (2.0, 2.1), (1.0, 1.1)], [(5.0, 6.0), (9.0, 10.0), (2.0, 3.0)]] {
            let same = Difference::paired(&pairs).unwrap();
            assert_eq!((same.method, same.p, same.low, same.high), (Method::PairedT, Some(0.0625), None, None));
            assert!(same.typical.unwrap() > 0.09 && same.relative.unwrap() > 0.0, "{same:?}");
        }
        assert_eq!(Difference::paired(&[(0.0, 10.0), (0.1, 10.2)]).unwrap().p, Some(0.25));
        let four = Difference::paired(&[(1.0, 2.0); 4]).unwrap();
        assert_eq!((four.typical, four.low, four.high, four.p), (Some(1.0), Some(1.0), Some(1.0), Some(0.015_625)));
        let none = Difference::paired(&[(3.0, 3.0); 10]).unwrap();
        assert_eq!((none.typical, none.p, none.larger), (Some(0.0), Some(1.0), 0));
        // Six ways to share four values out evenly, and two of them are as far apart as this.
        let unpaired = Difference::unpaired(&[1.0, 1.0], &[2.0, 2.0]).unwrap();
        assert_eq!((unpaired.typical, unpaired.low), (Some(1.0), None));
        near(unpaired.p.unwrap(), 1.0 / 3.0, 1e-12);
        assert_eq!(Difference::unpaired(&[1.0, 1.0], &[1.0, 1.0]).unwrap().p, Some(1.0));
    }
}
