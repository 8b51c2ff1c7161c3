//! Means over seeds, with confidence intervals.

use super::student::student_quantile_by_series;
use super::{Z_95, Z_999, mean_and_variance};

/// What the seeds gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// How many seeds.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The smallest; NaN if any is.
    pub min: f64,
    /// The largest; NaN if any is.
    pub max: f64,
    /// Standard error of the mean; zero with one seed.
    pub error: f64,
}

impl Estimate {
    /// Of one value per seed.
    pub fn of(values: &[f64]) -> Estimate {
        let count = values.len();
        let (mean, variance) = mean_and_variance(values);
        // min and max of f64 skip NaN; a run without a value must not pass unseen.
        let known = |extreme: f64| if mean.is_nan() { f64::NAN } else { extreme };
        Estimate {
            count,
            mean,
            min: known(values.iter().copied().fold(f64::INFINITY, f64::min)),
            max: known(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            error: (variance / count as f64).sqrt(),
        }
    }

    /// Half the width of the 95 % confidence interval: what the table shows.
    pub fn margin_95(&self) -> f64 {
        self.margin(Z_95)
    }

    /// Half the width of the 99.9 % interval: what decides. Of a hundred right answers, 95 % would fail five.
    pub fn margin_999(&self) -> f64 {
        self.margin(Z_999)
    }

    fn margin(&self, z: f64) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error * student_quantile_by_series(z, (self.count - 1) as f64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_has_the_textbook_numbers() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((estimate.mean, estimate.min, estimate.max), (2.5, 1.0, 4.0));
        assert!((estimate.error - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[7.0]).margin_95(), 0.0);
        assert!(Estimate::of(&[f64::NAN, 1.0]).max.is_nan());
    }
}
