//! What a metric comes to over many seeds.

/// A metric over the runs of a cell. A run without a value counts as larger than any: a fleet that never recovered must
/// not make the recovery time look better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// How many runs.
    pub runs: usize,
    /// How many of them have no value.
    pub without: usize,
    /// The smallest value.
    pub min: Option<f64>,
    /// The middle one.
    pub median: Option<f64>,
    /// Between these the median lies with 95 % confidence, whatever the distribution: the values of rank
    /// (n ∓ 1.96 √n) / 2 (Conover, "Practical Nonparametric Statistics", section 3.2). Fewer than six runs give less.
    pub low: Option<f64>,
    /// The upper end of that.
    pub high: Option<f64>,
    /// The largest value; none where a run has none.
    pub max: Option<f64>,
    /// The mean, and how far off it may be with 95 % confidence (Student's t); none where a run has no value.
    pub mean: Option<(f64, f64)>,
}

impl Spread {
    /// Of these values.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Spread {
        let (mut have, mut without) = (Vec::new(), 0);
        for value in values {
            match value {
                Some(value) => have.push(value),
                None => without += 1,
            }
        }
        have.sort_by(f64::total_cmp);
        let runs = have.len() + without;
        let at = |rank: usize| have.get(rank).copied();
        let reach = ((runs as f64 - 1.96 * (runs as f64).sqrt()) / 2.0).max(0.0) as usize;
        let median = match runs % 2 {
            0 if runs > 0 => at(runs / 2 - 1).zip(at(runs / 2)).map(|(a, b)| a + (b - a) / 2.0),
            _ => at(runs / 2),
        };
        Spread {
            runs,
            without,
            min: at(0),
            median,
            low: at(reach),
            high: runs.checked_sub(1 + reach).and_then(at),
            max: runs.checked_sub(1).and_then(at),
            mean: if without == 0 { mean(&have) } else { None },
        }
    }
}

fn mean(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    if values.len() == 1 {
        return Some((mean, f64::INFINITY));
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some((mean, t(count - 1.0) * (squares / (count - 1.0) / count).sqrt()))
}

/// The 97.5 % quantile of Student's t with so many degrees of freedom: exact for one and two, and from three on the
/// series around the normal distribution's (Abramowitz and Stegun, 26.7.5), less than 1 % off.
fn t(freedom: f64) -> f64 {
    let z = 1.959_963_985_f64;
    match freedom {
        f if f < 1.5 => 12.706_204_736,
        f if f < 2.5 => 4.302_652_730,
        f => {
            let (z3, z5, z7) = (z * z * z, z * z * z * z * z, z * z * z * z * z * z * z);
            z + (z3 + z) / (4.0 * f)
                + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * f * f)
                + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * f * f * f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_value_is_the_largest() {
        let spread = Spread::of([Some(3.0), None, Some(1.0)].into_iter());
        assert_eq!((spread.min, spread.median, spread.max, spread.mean), (Some(1.0), Some(3.0), None, None));
        let none = Spread::of([None, None].into_iter());
        assert_eq!((none.without, none.median), (2, None));
        assert_eq!(Spread::of(std::iter::empty()).median, None);
    }

    #[test]
    fn the_interval_of_a_median_has_the_ranks_of_the_tables() {
        let spread = Spread::of((1..=100).map(|n| Some(f64::from(n))));
        assert_eq!((spread.median, spread.low, spread.high), (Some(50.5), Some(41.0), Some(60.0)));
        let (mean, off) = spread.mean.unwrap();
        assert!((mean - 50.5).abs() < 1e-9 && (off - 5.757).abs() < 0.01, "{mean} {off}");
    }

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (freedom, quantile) in
            [(1.0, 12.706), (2.0, 4.303), (3.0, 3.182), (4.0, 2.776), (9.0, 2.262), (99.0, 1.984)]
        {
            assert!((t(freedom) / quantile - 1.0).abs() < 0.01, "{freedom}: {}", t(freedom));
        }
    }
}
