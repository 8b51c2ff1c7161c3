//! Kolmogorov's distance between what was drawn and a distribution.

use libm::sqrt;

/// The mean of [`kolmogorov`] of many right draws: sqrt(pi / 2) ln 2.
pub(crate) const KOLMOGOROV_MEAN: f64 = 0.868_731_160_636_159_9;

/// The largest distance between the distribution of values, which are those of a distribution function of what was drawn, and
/// the uniform one, times the root of their number. Of right draws its distribution is Kolmogorov's, whatever was drawn.
pub(crate) fn kolmogorov(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let off = |(at, value): (usize, &f64)| (value - at as f64 / count).max((at + 1) as f64 / count - value);
    values.iter().enumerate().map(off).fold(0.0, f64::max) * sqrt(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Identity, Purpose, Seed};

    fn mean(of: impl Fn(f64) -> f64) -> f64 {
        let drawn =
            |seed: u64| (0..4_000).map(|n| of(Seed(seed).draw(Identity(1), Purpose::Service, n).unit())).collect();
        (0..100).map(|seed| kolmogorov(drawn(seed))).sum::<f64>() / 100.0
    }

    #[test]
    fn right_draws_have_the_known_mean_and_wrong_ones_are_far_from_it() {
        assert!((KOLMOGOROV_MEAN - sqrt(std::f64::consts::PI / 2.0) * std::f64::consts::LN_2).abs() < 1e-15);
        assert_eq!(kolmogorov(vec![0.5]), 0.5);
        assert!((mean(|unit| unit) - KOLMOGOROV_MEAN).abs() < 0.1, "{}", mean(|unit| unit));
        // Three per cent too long, a little too early, or of too few values.
        for wrong in
            [mean(|unit| unit * 1.03), mean(|unit| libm::pow(unit, 1.1)), mean(|unit| (unit * 50.0).floor() / 50.0)]
        {
            assert!(wrong > 1.3 * KOLMOGOROV_MEAN, "{wrong}");
        }
        // As even as can be is no more right.
        let even = kolmogorov((0..1_000).map(|n| (f64::from(n) + 0.5) / 1_000.0).collect());
        assert!(even < 0.05, "{even}");
    }
}
