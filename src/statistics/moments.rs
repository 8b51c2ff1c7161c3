//! Means and variances.

use libm::sqrt;

use super::student::student_quantile;

/// The mean; nothing without a value.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean and the standard deviation (n - 1), which is exactly zero where all values are the same, and where there is but
/// one.
pub(super) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    // No rounding may make a difference of it.
    if values.iter().all(|value| *value == values[0]) {
        return (values.first().copied().unwrap_or(f64::NAN), 0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, sqrt(squares / (count - 1.0)))
}

/// How far the mean of so many values may be from that of all there could be, with this confidence (Student's t); nothing
/// where one value can't tell.
pub(super) fn margin(count: usize, deviation: f64, confidence: f64) -> Option<f64> {
    let quantile = || student_quantile((1.0 + confidence) / 2.0, count as f64 - 1.0);
    (count > 1).then(|| if deviation == 0.0 { 0.0 } else { quantile() * deviation / sqrt(count as f64) })
}

/// The mean of values and its 95 % confidence interval by Student's t; nothing without a value, no interval with one.
pub(crate) fn mean_interval(values: &[f64]) -> Option<(f64, Option<(f64, f64)>)> {
    let (mean, deviation) = mean_and_deviation(values.first().map(|_| values)?);
    Some((mean, margin(values.len(), deviation, 0.95).map(|off| (mean - off, mean + off))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_students_interval() {
        let (mean, interval) = mean_interval(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        let (low, high) = interval.unwrap();
        // 3.1824 times the standard error of 0.6455.
        assert!(mean == 2.5 && (low - 0.4457).abs() < 1e-4 && (high - 4.5543).abs() < 1e-4, "{low} to {high}");
        assert_eq!((mean_interval(&[7.0]), mean_interval(&[])), (Some((7.0, None)), None));
        assert_eq!(mean_interval(&[0.1; 3]), Some((0.1, Some((0.1, 0.1)))));
    }
}
