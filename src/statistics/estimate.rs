//! Means over seeds, with confidence intervals.

use super::moments::{margin, mean_and_deviation};

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
    /// Standard deviation; zero with one seed.
    deviation: f64,
}

impl Estimate {
    /// Of one value per seed.
    pub fn of(values: &[f64]) -> Estimate {
        let (mean, deviation) = mean_and_deviation(values);
        // min and max of f64 skip NaN; a run without a value must not pass unseen.
        let known = |extreme: f64| if mean.is_nan() { f64::NAN } else { extreme };
        Estimate {
            count: values.len(),
            mean,
            min: known(values.iter().copied().fold(f64::INFINITY, f64::min)),
            max: known(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            deviation,
        }
    }

    /// Half the width of the 95 % confidence interval: what the table shows. Zero with one seed, which can't tell.
    pub fn margin_95(&self) -> f64 {
        self.margin(0.95)
    }

    /// Half the width of the 99.9 % interval: what decides. Of a hundred right answers, 95 % would fail five.
    pub fn margin_999(&self) -> f64 {
        self.margin(0.999)
    }

    fn margin(&self, confidence: f64) -> f64 {
        margin(self.count, self.deviation, confidence).unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_has_the_textbook_numbers() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((estimate.mean, estimate.min, estimate.max), (2.5, 1.0, 4.0));
        assert!((estimate.margin_95() - 3.1824 * (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-4);
        assert_eq!(Estimate::of(&[7.0]).margin_95(), 0.0);
        assert!(Estimate::of(&[f64::NAN, 1.0]).max.is_nan());
    }
}
