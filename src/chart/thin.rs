//! Reduction of points that share a pixel: the chart looks the same, and is smaller.

use super::picture::Point;

/// At most about `4 * buckets` of the points, which are in order of x: of each bucket's width the first, the last, the
/// highest and the lowest. Points within a level stretch go in any case, as they draw nothing.
pub(super) fn thin(points: &[Point], buckets: usize) -> Vec<Point> {
    let kept = without_level(points);
    if kept.len() <= 2 * buckets {
        return kept;
    }
    let (from, to) = (kept[0].0, kept[kept.len() - 1].0);
    let bucket = |point: &Point| {
        let share = (point.0 - from) / (to - from);
        // A NaN, when all points share their x, becomes bucket zero.
        ((share * buckets as f64) as usize).min(buckets - 1)
    };
    let mut result = Vec::new();
    for run in kept.chunk_by(|a, b| bucket(a) == bucket(b)) {
        let by_height = |a: &usize, b: &usize| run[*a].1.total_cmp(&run[*b].1);
        let lowest = (0..run.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..run.len()).max_by(by_height).unwrap_or(0);
        let mut chosen = [0, lowest, highest, run.len() - 1];
        chosen.sort_unstable();
        for (n, index) in chosen.iter().enumerate() {
            if n == 0 || chosen[n - 1] != *index {
                result.push(run[*index]);
            }
        }
    }
    result
}

fn without_level(points: &[Point]) -> Vec<Point> {
    let inner = |n: usize| n > 0 && n + 1 < points.len();
    let level = |n: usize| points[n - 1].1 == points[n].1 && points[n].1 == points[n + 1].1;
    (0..points.len()).filter(|n| !(inner(*n) && level(*n))).map(|n| points[n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_extremes_stay() {
        let mut points: Vec<Point> = (0..10_000).map(|n| (f64::from(n), f64::from(n * 7_919 % 1_000))).collect();
        points[5_001].1 = 5_000.0;
        points[7_777].1 = -3.0;
        let thinned = thin(&points, 100);
        assert!(thinned.len() <= 400, "{}", thinned.len());
        assert_eq!((thinned.first(), thinned.last()), (points.first(), points.last()));
        assert!(thinned.contains(&points[5_001]) && thinned.contains(&points[7_777]));
        assert!(thinned.is_sorted_by_key(|point| point.0));
    }

    #[test]
    fn level_stretches_need_only_their_ends() {
        let points: Vec<Point> = (0..100).map(|n| (f64::from(n), f64::from(n / 50))).collect();
        assert_eq!(thin(&points, 100), [(0.0, 0.0), (49.0, 0.0), (50.0, 1.0), (99.0, 1.0)]);
    }

    #[test]
    fn few_points_or_none_are_no_trouble() {
        assert_eq!(thin(&[], 10), []);
        assert_eq!(thin(&[(1.0, 2.0)], 10), [(1.0, 2.0)]);
        let same_x: Vec<Point> = (0..100).map(|n| (1.0, f64::from(n % 3))).collect();
        assert!(thin(&same_x, 10).len() <= 4);
    }
}
