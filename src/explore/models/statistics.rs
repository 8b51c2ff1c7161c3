//! Means over seeds, and how far they may be trusted.

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

/// 97.5 % of the normal distribution lie below.
const Z_95: f64 = 1.959_963_985;
/// 99.95 % of it.
const Z_999: f64 = 3.290_526_731;

impl Estimate {
    /// Of one value per seed.
    pub fn of(values: &[f64]) -> Estimate {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let variance = if count > 1 { squares / (count - 1) as f64 } else { 0.0 };
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
        if self.error == 0.0 { 0.0 } else { self.error * student(z, (self.count - 1) as f64) }
    }
}

/// Student's quantile from the normal one (Cornish-Fisher; within 1 % from seven degrees of freedom).
fn student(z: f64, freedom: f64) -> f64 {
    let (z2, z3) = (z * z, z * z * z);
    let (z5, z7) = (z3 * z2, z3 * z2 * z2);
    z + (z3 + z) / (4.0 * freedom)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * freedom * freedom)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * freedom * freedom * freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_the_printed_ones() {
        for (z, freedom, printed) in
            [(Z_95, 7.0, 2.365), (Z_95, 15.0, 2.131), (Z_999, 7.0, 5.408), (Z_999, 15.0, 4.073), (Z_999, 31.0, 3.633)]
        {
            let quantile: f64 = student(z, freedom);
            assert!((quantile / printed - 1.0).abs() < 0.01, "{quantile} is not {printed}");
        }
    }

    #[test]
    fn an_estimate_has_the_textbook_numbers() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!((estimate.mean, estimate.min, estimate.max), (2.5, 1.0, 4.0));
        assert!((estimate.error - (5.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[7.0]).margin_95(), 0.0);
        assert!(Estimate::of(&[f64::NAN, 1.0]).max.is_nan());
    }
}
