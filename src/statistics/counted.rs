//! How often something happened in so many seeds, and what that says of all seeds.

use libm::{exp, lgamma};

use super::beta::beta;

/// Of `count` coins, the probability that `heads` show heads.
pub(super) fn binomial(count: usize, heads: usize) -> f64 {
    let (n, k) = (count as f64, heads as f64);
    exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * std::f64::consts::LN_2)
}

/// The share of seeds in which something happens, between what it may be with at least 95 % confidence, however few seeds
/// there are (Clopper and Pearson, "The Use of Confidence or Fiducial Limits Illustrated in the Case of the Binomial",
/// Biometrika 1934).
pub(crate) fn share_interval(happened: usize, of: usize) -> (f64, f64) {
    (lower(happened, of, 0.025), 1.0 - lower(of - happened, of, 0.025))
}

/// The share of seeds in which it happens at least, with 95 % confidence.
pub(crate) fn share_at_least(happened: usize, of: usize) -> f64 {
    lower(happened, of, 0.05)
}

/// The share with which so many, or more, of them would be as rare as this.
fn lower(happened: usize, of: usize, rare: f64) -> f64 {
    if happened == 0 {
        return 0.0;
    }
    let (a, b) = (happened as f64, (of - happened) as f64 + 1.0);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        // So many or more of binomial trials: the beta distribution.
        if beta(middle, a, b) < rare {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, printed: f64) {
        assert!((value - printed).abs() <= 0.000_06, "{value} is not {printed}");
    }

    #[test]
    fn shares_have_the_intervals_of_the_tables() {
        let (low, high) = share_interval(10, 10);
        near(low, 0.6915);
        assert_eq!((high, share_interval(0, 10).0, share_interval(0, 0)), (1.0, 0.0, (0.0, 1.0)));
        let (low, high) = share_interval(3, 10);
        near(low, 0.0667);
        near(high, 0.6525);
        // In all of them: as rare as 5 % where that share would do so each time.
        for (seeds, least) in [(1, 0.05), (2, 0.2236), (5, 0.5493), (10, 0.7411), (30, 0.9050)] {
            near(share_at_least(seeds, seeds), least);
        }
    }

    /// The exact coverage over all shares that there may be, not only where the tables were printed for.
    #[test]
    fn they_cover_what_they_say_with_few_seeds() {
        for of in [1_usize, 2, 5, 10, 20] {
            for share in (1..100_u32).map(|share| f64::from(share) / 100.0) {
                let chance = |happened: usize| {
                    let ways = binomial(of, happened) * libm::pow(2.0, of as f64);
                    ways * libm::pow(share, happened as f64) * libm::pow(1.0 - share, (of - happened) as f64)
                };
                let covered =
                    |within: &dyn Fn(usize) -> bool| -> f64 { (0..=of).filter(|n| within(*n)).map(chance).sum() };
                let both = covered(&|n| {
                    let (low, high) = share_interval(n, of);
                    (low..=high).contains(&share)
                });
                let least = covered(&|n| share_at_least(n, of) <= share);
                assert!(both >= 0.95 && least >= 0.95 - 1e-9, "{share} of {of}: {both}, {least}");
            }
        }
    }
}
