//! Differences between runs on the same luck, and how far they may be trusted.
//!
//! Where every run has a value, the mean difference has Student's interval for paired values: few seeds are enough for
//! it, and nothing has to be drawn. (A bootstrap, BCa included, covers less than it says below some twenty values:
//! Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015.) Where a run has
//! none, as a session that never opened takes for ever, there is no mean: the median difference has the interval of the
//! sign test then, which asks only which of two is larger.

use libm::{exp, fabs, lgamma, log, sqrt};
use serde::{Deserialize, Serialize};

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
    /// The mean difference in standard deviations of the differences (Cohen's d for paired values); none where all seeds
    /// agree to the last digit, or have no mean.
    pub effect: Option<f64>,
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
            effect: None,
            p: None,
        };
        if finite {
            let (mean, deviation) = mean_and_deviation(&differences);
            let first = pairs.iter().map(|(first, _)| first).sum::<f64>() / count as f64;
            let error = deviation / sqrt(count as f64);
            return Some(Difference {
                relative: (first > 0.0).then(|| mean / first),
                effect: (deviation > 0.0).then(|| mean / deviation),
                ..base.with_mean(mean, error, count as f64 - 1.0)
            });
        }
        differences.sort_by(f64::total_cmp);
        let known = |value: f64| Some(value).filter(|value| value.is_finite());
        let middle = (differences[(count - 1) / 2], differences[count / 2]);
        let median = if middle.0 == middle.1 { middle.0 } else { middle.0 + (middle.1 - middle.0) / 2.0 };
        let reach = sign_rank(count);
        Some(Difference {
            method: Method::Sign,
            typical: known(median),
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
        let below = |count: usize| (count as f64 - 1.0).max(1.0);
        // Welch and Satterthwaite.
        let freedom = (u + v) * (u + v) / (u * u / below(first.len()) + v * v / below(second.len()));
        let freedom = if least > 1 { if freedom.is_nan() { below(least) } else { freedom } } else { 0.0 };
        let base = Difference {
            method: Method::Welch,
            seeds: least,
            larger: 0,
            smaller: 0,
            typical: None,
            low: None,
            high: None,
            relative: (a > 0.0).then(|| (b - a) / a),
            effect: None,
            p: None,
        };
        Some(base.with_mean(b - a, sqrt(u + v), freedom))
    }

    /// The same with this mean. Without freedom nothing is said of how far off it may be.
    fn with_mean(self, mean: f64, error: f64, freedom: f64) -> Difference {
        let typical = Some(mean);
        if freedom < 1.0 {
            return Difference { typical, ..self };
        }
        let off = if error > 0.0 { error * student_quantile(0.975, freedom) } else { 0.0 };
        let p = match (mean == 0.0, error == 0.0) {
            (true, _) => 1.0,
            (false, true) => 0.0,
            (false, false) => student_tails(mean / error, freedom),
        };
        Difference { typical, low: Some(mean - off), high: Some(mean + off), p: Some(p), ..self }
    }

    /// Which of the two is larger: the second if above zero.
    pub fn direction(&self) -> f64 {
        self.typical.unwrap_or(self.larger as f64 - self.smaller as f64)
    }
}

/// The mean, and how far values lie from it (n - 1); zero for one value.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    // All the same: no rounding may make a difference of it.
    if values.iter().all(|value| *value == values[0]) {
        return (values[0], 0.0);
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, sqrt(squares / (count - 1.0)))
}

/// The mean of values and its 95 % confidence interval by Student's t; nothing without a value, no interval with one.
pub fn mean_interval(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let (mean, deviation) = mean_and_deviation(values.first().map(|_| values)?);
    let count = values.len() as f64;
    let off = student_quantile(0.975, (count - 1.0).max(1.0)) * deviation / sqrt(count);
    Some((mean, (values.len() > 1).then_some((mean - off, mean + off))))
}

/// Probabilities of several tests, each made so much larger that one mistake in all of them is as rare as one of them
/// alone would be (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
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
pub fn share_interval(happened: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (of as f64, 1.959_963_985_f64);
    let share = happened as f64 / n;
    let center = share + z * z / (2.0 * n);
    let off = z * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    let whole = 1.0 + z * z / n;
    let low = if happened == 0 { 0.0 } else { (center - off) / whole };
    let high = if happened == of { 1.0 } else { (center + off) / whole };
    (low, high)
}

/// The rank from either end between which the median lies with at least 95 %; none where so few values can't say.
fn sign_rank(count: usize) -> Option<usize> {
    let mut below = 0.0;
    let mut rank = None;
    for at in 0..count / 2 {
        below += binomial(count, at);
        if 2.0 * below > 0.05 {
            break;
        }
        rank = Some(at);
    }
    rank
}

/// How likely it is that coins fall so unevenly.
fn sign_test(larger: usize, smaller: usize) -> f64 {
    let (all, few) = (larger + smaller, larger.min(smaller));
    let below: f64 = (0..=few).map(|at| binomial(all, at)).sum();
    (2.0 * below).min(1.0)
}

/// Of `count` coins, the probability that `heads` show heads.
fn binomial(count: usize, heads: usize) -> f64 {
    let (n, k) = (count as f64, heads as f64);
    exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * std::f64::consts::LN_2)
}

/// Both tails of Student's distribution beyond `t`.
fn student_tails(t: f64, freedom: f64) -> f64 {
    beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The value that a share `below` (above a half) of Student's distribution does not exceed.
pub fn student_quantile(below: f64, freedom: f64) -> f64 {
    let tails = 2.0 * (1.0 - below);
    let (mut low, mut high) = (0.0, 1.0);
    while student_tails(high, freedom) > tails && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if student_tails(middle, freedom) > tails {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function, by its continued fraction (NIST DLMF 8.17.22, Lentz' algorithm).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast on one side only; the other is its mirror.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x)) / a;
    let tiny = 1e-300;
    let safe = |value: f64| if fabs(value) < tiny { tiny } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        fraction *= d * c;
        if fabs(d * c - 1.0) < 1e-15 {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, printed: f64, digit: f64) {
        assert!((value - printed).abs() <= digit, "{value} is not {printed}");
    }

    #[test]
    fn students_distribution_is_that_of_the_tables() {
        for (freedom, quantile) in
            [(1.0, 12.7062), (2.0, 4.3027), (3.0, 3.1824), (9.0, 2.2622), (29.0, 2.0452), (99.0, 1.9842)]
        {
            near(student_quantile(0.975, freedom), quantile, 0.000_06);
        }
        near(student_quantile(0.9995, 7.0), 5.4079, 0.000_06);
        near(student_tails(2.0, 10.0), 0.073_39, 0.000_01);
        near(student_tails(0.0, 5.0), 1.0, 1e-12);
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
        near(difference.effect.unwrap(), 1.2846, 0.0001);
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
        let same = Difference::paired(&[(1.0, 1.1), (2.0, 2.1), (1.0, 1.1)]).unwrap();
        assert!(same.p.unwrap() < 1e-9, "{same:?}");
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
