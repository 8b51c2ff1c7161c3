//! Medians and other quantiles, and how sure they are.

use super::counted::binomial;

/// The value that a share of sorted values does not exceed: between two of them, in proportion (Hyndman and Fan, "Sample
/// Quantiles in Statistical Packages", 1996, definition 7). Never outside of them. Nothing without a value, or where it is
/// infinite.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share * sorted.len().checked_sub(1)? as f64;
    let below = (at as usize).min(sorted.len() - 1);
    let (a, b) = (sorted[below], sorted[(below + 1).min(sorted.len() - 1)]);
    let part = at - below as f64;
    let value = if a == b || part == 0.0 { a } else { (a + (b - a) * part).clamp(a, b) };
    Some(value).filter(|value| value.is_finite())
}

/// The median of sorted values: of an even number, half way between the two in the middle. Nothing without a value, or
/// where it is infinite.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    quantile(sorted, 0.5)
}

/// The median of values of which some never came: these are larger than any other.
pub(crate) fn median_or_never(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.map(|value| value.unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

/// The least, the median and the largest of unsorted values.
pub(crate) fn range(mut values: Vec<u32>) -> Option<(u32, f64, u32)> {
    values.sort_unstable();
    let sorted: Vec<f64> = values.iter().copied().map(f64::from).collect();
    Some((*values.first()?, median(&sorted)?, *values.last()?))
}

/// The ranks from either end between which the median of all there could be lies, whatever their distribution, and how
/// likely it does: with at least 95 %, as near together as that allows. Of less than six values the first and the last one
/// cover less than that: 1 - 2^(1 - n). Nothing where one value can't tell.
pub(super) fn median_ranks(count: usize) -> Option<(usize, f64)> {
    let mut outside = 2.0 * binomial(count, 0);
    let mut ranks = (count > 1).then_some((0, 1.0 - outside))?;
    for reach in 1..count / 2 {
        outside += 2.0 * binomial(count, reach);
        if outside > 0.05 {
            break;
        }
        ranks = (reach, 1.0 - outside);
    }
    Some(ranks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_half_way_between_the_middle_ones() {
        assert_eq!([median(&[1.0, 2.0]), median(&[1.0, 2.0, 4.0]), median(&[])], [Some(1.5), Some(2.0), None]);
        assert_eq!(median_or_never([None, Some(3.0), Some(1.0)].into_iter()), Some(3.0));
        assert_eq!(median_or_never([None, Some(3.0)].into_iter()), None);
        assert_eq!(range(vec![4, 1, 3, 2]), Some((1, 2.5, 4)));
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.75), Some(3.25));
    }

    /// Up to eight values 1 - 2^(1 - n), from the first to the last; beyond, the ranks of printed tables.
    #[test]
    fn ranks_cover_what_they_say() {
        for (count, coverage) in [(2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375), (6, 0.96875), (8, 0.992_187_5)] {
            let (reach, covers) = median_ranks(count).unwrap();
            assert!(reach == 0 && (covers - coverage).abs() < 1e-12, "{count}: {covers}");
        }
        for (count, reach, coverage) in [(9, 1, 0.9609), (10, 1, 0.9785), (20, 5, 0.9586), (100, 39, 0.9648)] {
            let (own, covers) = median_ranks(count).unwrap();
            assert!(own == reach && (covers - coverage).abs() < 1e-4, "{count}: {own}, {covers}");
        }
        assert_eq!((median_ranks(1), median_ranks(0)), (None, None));
        assert!((6..300).all(|count| median_ranks(count).is_some_and(|(_, covers)| covers >= 0.95)));
    }
}
