//! Student's t distribution.

use super::beta::beta;
use super::inverse::inverse;

/// Both tails of Student's distribution beyond `t`.
pub(super) fn student_tails(t: f64, freedom: f64) -> f64 {
    beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The value that a share `below` (above a half) of Student's distribution does not exceed.
pub(super) fn student_quantile(below: f64, freedom: f64) -> f64 {
    let tails = 2.0 * (1.0 - below);
    inverse(|value| student_tails(value, freedom) > tails)
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
        for (freedom, quantile) in [(7.0, 5.4079), (15.0, 4.0728), (31.0, 3.6335)] {
            near(student_quantile(0.9995, freedom), quantile, 0.000_06);
        }
        near(student_tails(2.0, 10.0), 0.073_39, 0.000_01);
        near(student_tails(0.0, 5.0), 1.0, 1e-12);
    }
}
